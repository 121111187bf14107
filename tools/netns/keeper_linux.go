package netns

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const reportFD = 3 // in the keeper; o.Files follow

// keep is the keeper's life: set up, start the function, do what it asks, and end with it or with
// the caller.
func keep(c config) {
	for fd := reportFD; fd <= reportFD+c.Files; fd++ {
		unix.CloseOnExec(fd) // the function gets copies
	}
	out := os.NewFile(reportFD, "report")
	end := func(r report) {
		json.NewEncoder(out).Encode(r) // the caller may have gone
		os.Exit(0)
	}
	go func() {
		io.Copy(io.Discard, out) // nothing is sent: it returns when the caller has closed it or died
		os.Exit(1)
	}()
	if failed, err := setUp(c); err != nil {
		end(failure(failed, err))
	}
	if c.Setup != "" {
		if err := funcs[c.Setup](&Network{Args: c.Args, ask: carryOut}); err != nil {
			end(report{Error: c.Setup + ": " + err.Error()})
		}
	}
	pid, requests, err := start(c)
	if err != nil {
		end(failure("fork", err))
	}
	failed := make(chan string, 1)
	if requests != none {
		go serve(requests, failed)
	}
	how := ending(reap(pid))
	select {
	case text := <-failed:
		end(report{Error: cmp.Or(text, how)})
	default:
		end(report{Error: how, Done: how == ""})
	}
}

// failure is the report of a step of the set-up; errors without a number stay texts.
func failure(step string, err error) report {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return report{Step: step, Errno: errno}
	}
	return report{Error: step + ": " + err.Error()}
}

// A step of the set-up, and the name by which a [Refusal] calls it.
type step struct {
	name string
	do   func() error
}

// setUp makes the network ready. It goes through everything that a function may ask for later, so
// that a refusal comes before the function has started.
func setUp(c config) (failed string, err error) {
	const known = "net.ipv4.ip_local_port_range"
	steps := []step{
		{"lo", func() error { return setLoopback(true) }},
		{"packet socket", func() error {
			fd, err := packetSocket()
			unix.Close(fd)
			return err
		}},
		{"sysctl " + known, func() error {
			value, err := os.ReadFile(sysctlPath(known))
			if err != nil {
				return err
			}
			return setSysctl(known, string(value))
		}},
	}
	if c.mounts() {
		steps = append(steps, step{"mount namespace", func() error {
			return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}})
	}
	if c.Hosts != "" {
		steps = append(steps, step{"mount /etc/hosts", func() error { return mountHosts(c.Hosts) }})
	}
	if c.Proc {
		steps = append(steps, step{"mount /proc", func() error {
			const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
			return unix.Mount("proc", "/proc", "proc", flags, "")
		}})
	}
	if c.Sealed {
		steps = append(steps, step{"sysctl user.max_user_namespaces", func() error {
			return os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0)
		}})
	}
	for _, s := range c.Sysctls {
		name, value, _ := strings.Cut(s, "=")
		steps = append(steps, step{"sysctl " + name, func() error { return setSysctl(name, value) }})
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return s.name, err
		}
	}
	return "", nil
}

// setLoopback sets or clears IFF_UP of lo (netdevice(7)).
func setLoopback(up bool) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, lo); err != nil {
		return err
	}
	flags := lo.Uint16() &^ unix.IFF_UP
	if up {
		flags |= unix.IFF_UP
	}
	lo.SetUint16(flags)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// packetSocket opens a socket that sees nothing until it is bound: protocol 0 (packet(7)).
func packetSocket() (int, error) {
	return unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
}

// setDropping attaches a program of one instruction to a socket, "return 0", or takes it off. Some
// kernels allow it on a TCP socket only to CAP_NET_ADMIN.
func setDropping(fd int, on bool) error {
	if !on {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	}
	nothing := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: 1, Filter: &nothing})
}

// ofNetwork are the sysctls that belong to a network; the function must not reach another file by
// one.
var ofNetwork = regexp.MustCompile(`^net(\.[a-z0-9_]+)+$`)

func sysctlPath(name string) string { return "/proc/sys/" + strings.ReplaceAll(name, ".", "/") }

func setSysctl(name, value string) error {
	if !ofNetwork.MatchString(name) {
		return fmt.Errorf("%q is not the name of a sysctl below net", name)
	}
	return os.WriteFile(sysctlPath(name), []byte(value), 0)
}

// mountHosts puts a file in front of /etc/hosts. The file lives in a file system in memory, which
// is mounted on /tmp for as long as that takes: nothing is left on a disk.
func mountHosts(text string) error {
	if err := unix.Mount("tmpfs", "/tmp", "tmpfs", 0, "mode=0755"); err != nil {
		return err
	}
	defer unix.Unmount("/tmp", unix.MNT_DETACH)
	if err := os.WriteFile("/tmp/hosts", []byte(text), 0o644); err != nil {
		return err
	}
	return unix.Mount("/tmp/hosts", "/etc/hosts", "", unix.MS_BIND, "")
}

// start starts the function without capabilities. requests is the keeper's end of the socket on
// which it asks; none in a sealed network.
func start(c config) (pid, requests int, err error) {
	arg, err := json.Marshal(c)
	if err != nil {
		return 0, none, err
	}
	files := []uintptr{0, 1, 2}
	for i := range c.Files {
		files = append(files, uintptr(reportFD+1+i))
	}
	requests = none
	if !c.Sealed {
		ours, theirs, err := socketpair(unix.SOCK_SEQPACKET)
		if err != nil {
			return 0, none, err
		}
		defer unix.Close(theirs) // serve is to see the function's end
		requests, files = ours, append(files, uintptr(theirs))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // the thread, which gives up what children inherit, ends with it
		if err = dropInherited(); err == nil {
			pid, err = syscall.ForkExec(self, []string{functionArg, string(arg)},
				&syscall.ProcAttr{Env: os.Environ(), Files: files})
		}
	}()
	<-done
	return pid, requests, err
}

// dropInherited makes the children of this thread ordinary processes: without ambient and
// inheritable capabilities an execve leaves none to a user other than 0, and with no_new_privs no
// file gives one back (capabilities(7)).
//
// The process itself cannot do this: each thread has capabilities of its own, and Go cannot change
// all of them in a program that uses cgo (syscall.AllThreadsSyscall).
func dropInherited() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return err
	}
	sets[0].Inheritable, sets[1].Inheritable = 0, 0
	if err := unix.Capset(&header, &sets[0]); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// reap waits for the function, and for every process that was left to pid 1 meanwhile.
func reap(pid int) unix.WaitStatus {
	for {
		var status unix.WaitStatus
		ended, err := unix.Wait4(-1, &status, 0, nil)
		if ended == pid || err != nil && err != unix.EINTR {
			return status
		}
	}
}

// ending is how a process ended; "" if well.
func ending(status unix.WaitStatus) string {
	switch {
	case status.Signaled():
		return "signal: " + status.Signal().String()
	case status.ExitStatus() != 0:
		return fmt.Sprintf("exit status %d", status.ExitStatus())
	}
	return ""
}

// carryOut does what a function asks for, with the keeper's capabilities. fd stays the caller's;
// opened becomes it.
func carryOut(r request, fd int) (opened int, err error) {
	switch r.Op {
	case opSysctl:
		return none, setSysctl(r.Name, r.Value)
	case opUp, opDown:
		return none, setLoopback(r.Op == opUp)
	case opDrop, opKeep:
		return none, setDropping(fd, r.Op == opDrop)
	case opPacket:
		return packetSocket()
	}
	return none, fmt.Errorf("unknown request %q", r.Op)
}
