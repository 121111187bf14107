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
	unix.SYS_SEMGET, unix.SYS_MQ_OPEN, unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	// large parts of the kernel
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP,
	unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, unix.SYS_IO_SETUP, unix.SYS_SYSLOG,
	// the machine
	unix.SYS_KEXEC_LOAD, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
	unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_SETTIMEOFDAY,
	unix.SYS_CLOCK_SETTIME, unix.SYS_ADJTIMEX, unix.SYS_CLOCK_ADJTIME, unix.SYS_PERSONALITY,
	unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_VHANGUP,
}

const newNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// The fields of struct seccomp_data, by their offsets in bytes; of an argument the low half, which
// comes first on all of the architectures.
const (
	dataCall     = 0
	dataArch     = 4
	dataArgument = 16
	dataThird    = dataArgument + 2*8
	dataFourth   = dataArgument + 3*8
)

// filter is the program that the kernel runs for each system call: seccomp(2), SECCOMP_SET_MODE_FILTER. With
// complete no memory becomes executable.
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
	if runtime.GOARCH == "amd64" { // the x32 ABI has the same architecture
		p = append(p, jump(unix.BPF_JGE, 1<<30, 0, 1), fail(unix.ENOSYS))
	}
	for _, call := range refused {
		p = append(p, jump(unix.BPF_JEQ, call, 0, 1), fail(unix.EPERM))
	}
	p = append(p,
		// Anonymous memory that is shared stays when a process lets go of its pages, and is then seen in none.
		jump(unix.BPF_JEQ, unix.SYS_MMAP, 0, 5),
		load(dataFourth),
		jump(unix.BPF_JSET, unix.MAP_SHARED, 0, 2),
		jump(unix.BPF_JSET, unix.MAP_ANON, 0, 1), fail(unix.EPERM),
		load(dataCall),
	)
	if complete { // the third argument of the three is prot
		p = append(p,
			jump(unix.BPF_JEQ, unix.SYS_MMAP, 2, 0),
			jump(unix.BPF_JEQ, unix.SYS_MPROTECT, 1, 0),
			jump(unix.BPF_JEQ, unix.SYS_PKEY_MPROTECT, 0, 4),
			load(dataThird),
			jump(unix.BPF_JSET, unix.PROT_EXEC, 0, 1), fail(unix.EPERM),
			end(unix.SECCOMP_RET_ALLOW),
		)
	}
	return append(p,
		// Its flags are behind a pointer. Without it programs use clone.
		jump(unix.BPF_JEQ, unix.SYS_CLONE3, 0, 1), fail(unix.ENOSYS),
		jump(unix.BPF_JEQ, unix.SYS_CLONE, 0, 6),
		load(dataArgument),
		jump(unix.BPF_JSET, newNamespaces, 2, 0),
		jump(unix.BPF_JSET, unix.CLONE_THREAD, 0, 2), // nor a thread with descriptors of its own
		jump(unix.BPF_JSET, unix.CLONE_FILES, 1, 0), fail(unix.EPERM),
		end(unix.SECCOMP_RET_ALLOW),
		// The course's sockets are TCP and UDP.
		jump(unix.BPF_JEQ, unix.SYS_SOCKETPAIR, 5, 0),
		jump(unix.BPF_JEQ, unix.SYS_SOCKET, 0, 3),
		load(dataArgument),
		jump(unix.BPF_JEQ, unix.AF_INET, 1, 0),
		jump(unix.BPF_JEQ, unix.AF_INET6, 0, 1), end(unix.SECCOMP_RET_ALLOW),
		fail(unix.EAFNOSUPPORT),
	)
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
