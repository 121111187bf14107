package sandbox

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// architectures are the processors of which the filter knows the numbers. On all of them the flags
// are the first argument of clone(2).
var architectures = map[string]uint32{
	"amd64":   unix.AUDIT_ARCH_X86_64,
	"arm64":   unix.AUDIT_ARCH_AARCH64,
	"riscv64": unix.AUDIT_ARCH_RISCV64,
	"loong64": unix.AUDIT_ARCH_LOONGARCH64,
}

func filtered() bool { return architectures[runtime.GOARCH] != 0 }

// refused are system calls that neither the Go toolchain nor a program of the course needs. Most
// could do no harm in a box; each is a piece of the kernel that strangers should not try.
var refused = []uint32{
	// other namespaces, mounts and roots
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT,
	unix.SYS_CHROOT, unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN, unix.SYS_FSCONFIG,
	unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR, unix.SYS_QUOTACTL,
	unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_FANOTIFY_INIT,
	// other processes
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD,
	unix.SYS_PROCESS_MADVISE, unix.SYS_KCMP, unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES,
	// memory that belongs to no process, and so is not seen in one
	unix.SYS_MEMFD_CREATE, unix.SYS_MEMFD_SECRET, unix.SYS_SHMGET, unix.SYS_SHMAT, unix.SYS_MSGGET,
	unix.SYS_SEMGET, unix.SYS_VMSPLICE, unix.SYS_MQ_OPEN, unix.SYS_KEYCTL, unix.SYS_ADD_KEY,
	unix.SYS_REQUEST_KEY,
	// large parts of the kernel
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP,
	unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, unix.SYS_IO_SETUP, unix.SYS_SYSLOG,
	// the machine
	unix.SYS_KEXEC_LOAD, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
	unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_SETTIMEOFDAY,
	unix.SYS_CLOCK_SETTIME, unix.SYS_ADJTIMEX, unix.SYS_CLOCK_ADJTIME, unix.SYS_PERSONALITY,
	unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_VHANGUP,
}

// forks are the calls beside clone that start a process. Newer processors do not have them.
var forks = map[string][]uint32{"amd64": {57, 58}}[runtime.GOARCH]

const newNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// The fields of struct seccomp_data, by their offsets in bytes; of an argument the low half, which
// comes first on all of the architectures.
const (
	dataCall     = 0
	dataArch     = 4
	dataArgument = 16
	dataSecond   = dataArgument + 8
	dataThird    = dataArgument + 2*8
	dataFourth   = dataArgument + 3*8
)

// filter is the program that the kernel runs for each system call: seccomp(2), SECCOMP_SET_MODE_FILTER. With
// complete no memory becomes executable, no file is mapped and no process is started.
func filter(complete bool) []unix.SockFilter {
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	jump := func(how uint16, k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | how, K: k, Jt: yes, Jf: no}
	}
	end := func(action uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
	}
	fail := func(number unix.Errno) unix.SockFilter {
		return end(unix.SECCOMP_RET_ERRNO | uint32(number))
	}
	p := []unix.SockFilter{
		load(dataArch), // other numbers, such as those of 32-bit programs, mean other calls
		jump(unix.BPF_JEQ, architectures[runtime.GOARCH], 1, 0),
		end(unix.SECCOMP_RET_KILL_PROCESS),
		load(dataCall),
	}
	on := func(call uint32, then ...unix.SockFilter) { // then ends with end
		p = append(p, jump(unix.BPF_JEQ, call, 0, uint8(len(then))))
		p = append(p, then...)
	}
	allow := end(unix.SECCOMP_RET_ALLOW)
	if runtime.GOARCH == "amd64" { // the x32 ABI has the same architecture
		p = append(p, jump(unix.BPF_JGE, 1<<30, 0, 1), fail(unix.ENOSYS))
	}
	for _, call := range refused {
		on(call, fail(unix.EPERM))
	}
	if complete { // the third argument of the three is prot, and the fourth of mmap its flags
		on(unix.SYS_MMAP,
			load(dataThird),
			jump(unix.BPF_JSET, unix.PROT_EXEC, 0, 1), fail(unix.EPERM),
			load(dataFourth),
			jump(unix.BPF_JSET, unix.MAP_SHARED, 0, 1), fail(unix.EPERM),
			jump(unix.BPF_JSET, unix.MAP_ANONYMOUS, 1, 0), fail(unix.EPERM),
			allow,
		)
		for _, call := range []uint32{unix.SYS_MPROTECT, unix.SYS_PKEY_MPROTECT} {
			on(call, load(dataThird), jump(unix.BPF_JSET, unix.PROT_EXEC, 0, 1), fail(unix.EPERM), allow)
		}
		for _, call := range forks {
			on(call, fail(unix.EPERM))
		}
		// It would put one page of the program's own code into the place of another.
		on(unix.SYS_MREMAP, fail(unix.EPERM))
	}
	// Shared memory stays when no process has it in its own any more: MADV_DONTNEED in madvise(2).
	on(unix.SYS_MMAP,
		load(dataFourth),
		jump(unix.BPF_JSET, unix.MAP_ANONYMOUS, 0, 2),
		jump(unix.BPF_JSET, unix.MAP_SHARED, 0, 1), fail(unix.EPERM),
		allow,
	)
	// Its flags are behind a pointer. Without it programs use clone.
	on(unix.SYS_CLONE3, fail(unix.ENOSYS))
	process := allow
	if complete {
		process = fail(unix.EPERM)
	}
	on(unix.SYS_CLONE,
		load(dataArgument),
		jump(unix.BPF_JSET, newNamespaces, 0, 1), fail(unix.EPERM),
		jump(unix.BPF_JSET, unix.CLONE_THREAD, 1, 0), process,
		// A thread has no descriptors of its own: nobody would see them.
		jump(unix.BPF_JSET, unix.CLONE_FILES, 1, 0), fail(unix.EPERM),
		allow,
	)
	on(unix.SYS_CLOSE_RANGE,
		load(dataThird),
		jump(unix.BPF_JSET, unix.CLOSE_RANGE_UNSHARE, 0, 1), fail(unix.EPERM),
		allow,
	)
	// Who opens a file on which somebody has a lease waits: fcntl(2).
	on(unix.SYS_FCNTL,
		load(dataSecond),
		jump(unix.BPF_JEQ, unix.F_SETLEASE, 0, 1), fail(unix.EPERM),
		allow,
	)
	on(unix.SYS_SOCKETPAIR, fail(unix.EAFNOSUPPORT))
	// The course's sockets are TCP and UDP. The queues of others, such as Multipath TCP's, nobody would see.
	on(unix.SYS_SOCKET,
		load(dataArgument),
		jump(unix.BPF_JEQ, unix.AF_INET, 2, 0),
		jump(unix.BPF_JEQ, unix.AF_INET6, 1, 0),
		fail(unix.EAFNOSUPPORT),
		load(dataThird),
		jump(unix.BPF_JEQ, 0, 3, 0),
		jump(unix.BPF_JEQ, unix.IPPROTO_TCP, 2, 0),
		jump(unix.BPF_JEQ, unix.IPPROTO_UDP, 1, 0),
		fail(unix.EPROTONOSUPPORT),
		allow,
	)
	return append(p, allow)
}

// filterCalls puts the filter on this thread and those that it starts; no_new_privs must be set.
func filterCalls(complete bool) error {
	p := filter(complete)
	program := unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
	_, _, number := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0,
		uintptr(unsafe.Pointer(&program)))
	if number != 0 {
		return number
	}
	return nil
}
