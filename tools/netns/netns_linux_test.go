package netns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	Main()
	if os.Getenv(parentEnv) != "" {
		beParent()
	}
	os.Exit(m.Run())
}

// watchdog is how long a test waits for what must happen. Nothing is asserted by it.
const watchdog = 30 * time.Second

// need skips the test where a private network is not to be had. In CI that is a failure.
func need(t *testing.T) {
	t.Helper()
	if err := Probe(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// inner is the T of the half of a test that runs inside.
type inner struct{ failures []string }

func (t *inner) Errorf(format string, args ...any) {
	t.failures = append(t.failures, fmt.Sprintf(format, args...))
}

func (t *inner) FailNow() { runtime.Goexit() }

// half registers the half of a test that runs inside.
func half(name string, f func(t *inner, n *Network)) string {
	Register(name, func(n *Network) error {
		t := &inner{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("panic: %v", p)
				}
			}()
			f(t, n)
		}()
		<-done
		if t.failures != nil {
			return errors.New(strings.Join(t.failures, "\n"))
		}
		return nil
	})
	return name
}

func run(t *testing.T, o Options) error {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), watchdog, errors.New("watchdog of "+o.Func))
	defer cancel()
	return Run(ctx, o)
}

func TestProbe(t *testing.T) {
	need(t)
	require.NoError(t, Probe())
}

var hello = half("hello", func(t *inner, n *Network) {
	for _, a := range n.Args {
		fmt.Println("hello", a)
	}
	fmt.Print("no end of line")
})

func TestLines(t *testing.T) {
	need(t)
	var lines []string
	err := run(t, Options{
		Func: hello, Args: []string{"a", "中 b"},
		Line: func(line []byte) { lines = append(lines, string(line)) },
	})
	require.NoError(t, err)
	require.Equal(t, []string{"hello a", "hello 中 b", "no end of line"}, lines)
	require.NoError(t, run(t, Options{Func: hello}), "nobody takes the lines")
}

var longLine = half("long line", func(*inner, *Network) {
	for {
		fmt.Print(strings.Repeat("x", 4096))
	}
})

func TestLineTooLong(t *testing.T) {
	need(t)
	require.ErrorContains(t, run(t, Options{Func: longLine}), "token too long")
}

var ordinaryUser = half("ordinary user", func(t *inner, n *Network) {
	require.Equal(t, n.Args[0], fmt.Sprint(os.Getuid()))
	require.Equal(t, n.Args[1], fmt.Sprint(os.Getgid()))
	mine, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	child, err := exec.Command("cat", "/proc/self/status").Output()
	require.NoError(t, err)
	for _, status := range []string{string(mine), string(child)} {
		for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
			require.Contains(t, status, set+":\t0000000000000000\n")
		}
		require.Contains(t, status, "NoNewPrivs:\t1\n")
	}
	session, err := unix.Getsid(0)
	require.NoError(t, err)
	require.Equal(t, 1, session, "the keeper's: no terminal's interrupt comes here")
	_, err = net.Listen("tcp", "127.0.0.1:80")
	require.ErrorIs(t, err, syscall.EACCES)
	_, err = packetSocket()
	require.ErrorIs(t, err, syscall.EPERM)
	require.ErrorIs(t, setLoopback(false), syscall.EPERM)
	if n.Args[2] != "root" { // whose files the sysctls' are
		require.ErrorIs(t, setSysctl("net.core.somaxconn", "5"), syscall.EACCES)
	}
})

func TestOrdinaryUser(t *testing.T) {
	need(t)
	err := run(t, Options{
		Func: ordinaryUser,
		Args: []string{fmt.Sprint(ordinary(os.Getuid())), fmt.Sprint(ordinary(os.Getgid())), who()},
	})
	require.NoError(t, err)
}

var loopbacks = half("loopbacks", func(t *inner, n *Network) {
	for _, addr := range []string{"127.0.0.1:8080", "[::1]:8080"} {
		ln, err := net.Listen("tcp", addr)
		require.NoError(t, err)
		c, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		c.Close()
		ln.Close()
	}
	addrs, err := net.InterfaceAddrs()
	require.NoError(t, err)
	require.Len(t, addrs, 2, "lo and nothing else: %v", addrs)
})

func TestLoopbacks(t *testing.T) {
	need(t)
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		t.Skip("this kernel has no IPv6")
	}
	require.NoError(t, run(t, Options{Func: loopbacks}))
}

func sysctl(t require.TestingT, name string) string {
	value, err := os.ReadFile(sysctlPath(name))
	require.NoError(t, err)
	return strings.Join(strings.Fields(string(value)), " ")
}

var settings = half("settings", func(t *inner, n *Network) {
	require.Equal(t, "40000 40003", sysctl(t, "net.ipv4.ip_local_port_range"))
	require.Equal(t, "0", sysctl(t, "net.ipv4.tcp_tw_reuse"))
	require.NoError(t, n.SetSysctl("net.ipv4.ip_unprivileged_port_start", "80"))
	ln, err := net.Listen("tcp", "127.0.0.1:80")
	require.NoError(t, err)
	ln.Close()
	require.ErrorIs(t, n.SetSysctl("net.ipv4.tcp_syn_retries", "many"), syscall.EINVAL)
	require.ErrorIs(t, n.SetSysctl("net.ipv4.no_such", "1"), fs.ErrNotExist)
	for _, name := range []string{
		"", "net", "kernel.hostname", "net/core/somaxconn", "net...core", "net.core.somaxconn/..", "net.Core",
	} {
		require.ErrorContains(t, n.SetSysctl(name, "1"), "not the name of a sysctl below net")
	}
})

func TestSysctls(t *testing.T) {
	need(t)
	before := sysctl(t, "net.ipv4.ip_local_port_range")
	err := run(t, Options{
		Func:    settings,
		Sysctls: []string{"net.ipv4.ip_local_port_range=40000 40003", "net.ipv4.tcp_tw_reuse=0"},
	})
	require.NoError(t, err)
	require.Equal(t, before, sysctl(t, "net.ipv4.ip_local_port_range"), "outside")

	var r *Refusal
	err = run(t, Options{Func: hello, Sysctls: []string{"net.ipv4.no_such=1"}})
	require.ErrorAs(t, err, &r)
	require.Equal(t, "sysctl net.ipv4.no_such", r.Step)
	err = run(t, Options{Func: hello, Sysctls: []string{"net.ipv4.tcp_syn_retries=many"}})
	require.ErrorIs(t, err, syscall.EINVAL)
	require.NotErrorIs(t, err, errors.ErrUnsupported, "our own mistake is no refusal")
}

var upAndDown = half("up and down", func(t *inner, n *Network) {
	up := func() bool {
		lo, err := net.InterfaceByName("lo")
		require.NoError(t, err)
		return lo.Flags&net.FlagUp != 0
	}
	ln, err := net.Listen("tcp", "127.0.0.1:8080")
	require.NoError(t, err)
	defer ln.Close()
	require.True(t, up())
	require.NoError(t, n.Down())
	require.False(t, up())
	d := net.Dialer{Timeout: 20 * time.Millisecond}
	_, err = d.Dial("tcp", "127.0.0.1:8080")
	require.Error(t, err)
	require.NoError(t, n.Up())
	require.True(t, up())
	c, err := net.Dial("tcp", "127.0.0.1:8080")
	require.NoError(t, err)
	c.Close()
})

func TestUpAndDown(t *testing.T) {
	need(t)
	require.NoError(t, run(t, Options{Func: upAndDown}))
}

var packets = half("packets", func(t *inner, n *Network) {
	for range 5 {
		f, err := n.Packet()
		require.NoError(t, err)
		raw, err := f.SyscallConn()
		require.NoError(t, err)
		require.NoError(t, raw.Control(func(fd uintptr) {
			kind, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
			require.NoError(t, err)
			require.Equal(t, unix.AF_PACKET, kind)
		}))
		require.NoError(t, f.Close())
	}
})

func TestPacket(t *testing.T) {
	need(t)
	require.NoError(t, run(t, Options{Func: packets}))
}

var (
	fails  = half("fails", func(t *inner, n *Network) { t.Errorf("that %s", n.Args[0]) })
	exits  = half("exits", func(*inner, *Network) { os.Exit(3) })
	killed = half("killed", func(*inner, *Network) { syscall.Kill(os.Getpid(), syscall.SIGKILL) })
)

func init() { Register("panics", func(*Network) error { panic("oh") }) }

func TestErrors(t *testing.T) {
	need(t)
	require.EqualError(t, run(t, Options{Func: fails, Args: []string{"was it"}}),
		"inside the private network: fails: that was it")
	require.ErrorContains(
		t,
		run(t, Options{Func: fails, Args: []string{strings.Repeat("x", 60<<10)}}),
		"that xxx",
	)
	require.EqualError(t, run(t, Options{Func: exits}), "inside the private network: exits: exit status 3")
	require.EqualError(
		t,
		run(t, Options{Func: killed}),
		"inside the private network: killed: signal: killed",
	)
	var stderr bytes.Buffer
	require.EqualError(t, run(t, Options{Func: "panics", Stderr: &stderr}),
		"inside the private network: panics: exit status 2")
	require.Contains(t, stderr.String(), "panic: oh")
	require.ErrorContains(t, run(t, Options{Func: "nothing"}), `"nothing"`)
	require.ErrorContains(t, run(t, Options{Func: hello, Setup: "nothing"}), `"nothing"`)
	require.Panics(t, func() { Register(hello, nil) })
	defer func() { hooked = true }()
	hooked = false
	require.ErrorContains(t, Run(t.Context(), Options{Func: hello}), "netns.Main first")
}

// stays leaves processes that nobody waits for, one in a session of its own, says so, and stays.
// They hold n.Files[0].
var stays = half("stays", func(t *inner, n *Network) {
	for _, line := range []string{
		"exec sleep 1000", "exec setsid sleep 1000", `trap "" TERM HUP INT; sleep 1000 & wait`,
	} {
		child := exec.Command("sh", "-c", line)
		child.ExtraFiles = n.Files
		require.NoError(t, child.Start())
	}
	fmt.Println(namespace())
	if n.Args[0] == "stay" {
		select {}
	}
})

func namespace() string {
	name, _ := os.Readlink("/proc/self/ns/net")
	return name
}

// hold opens a network namespace in which somebody lives. While it is open no other namespace gets
// its number.
func hold(t *testing.T, namespace string) *os.File {
	for _, link := range inhabitants(t, namespace) {
		if f, err := os.Open(link); err == nil {
			return f
		}
	}
	t.Errorf("nobody lives in %s", namespace)
	return nil
}

// inhabitants returns the links to a network namespace of the processes that are in it.
func inhabitants(t *testing.T, namespace string) []string {
	links, err := filepath.Glob("/proc/[0-9]*/ns/net")
	require.NoError(t, err)
	return slices.DeleteFunc(links, func(link string) bool {
		name, err := os.Readlink(link)
		return err != nil || name != namespace
	})
}

// requireClosed waits until nobody holds the writing end of a pipe any more: every process that had
// it has ended.
func requireClosed(t *testing.T, r *os.File) {
	t.Helper()
	require.NoError(t, r.SetReadDeadline(time.Now().Add(watchdog)))
	_, err := r.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

func pipe(t *testing.T) (r, w *os.File) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	return r, w
}

func TestContextEndsEverything(t *testing.T) {
	need(t)
	for _, sealed := range []bool{false, true} {
		ctx, cancel := context.WithCancelCause(t.Context())
		r, w := pipe(t)
		var inside string
		var held *os.File
		over := errors.New("enough")
		err := Run(ctx, Options{
			Func: stays, Args: []string{"stay"}, Files: []*os.File{w}, Sealed: sealed,
			Line: func(line []byte) {
				inside = string(line)
				held = hold(t, inside)
				if n := len(inhabitants(t, inside)); n < 5 {
					t.Errorf("%d processes in %s, not the keeper, the function and its children", n, inside)
				}
				cancel(over)
			},
		})
		require.NoError(t, w.Close())
		require.ErrorIs(t, err, over)
		require.Regexp(t, `^net:\[\d+\]$`, inside)
		require.NotEqual(t, namespace(), inside)
		require.Empty(t, inhabitants(t, inside))
		require.NoError(t, held.Close())
		requireClosed(t, r)
		require.ErrorIs(t, Run(ctx, Options{Func: hello}), over, "a context that is over before")
	}
}

func TestChildrenEndWithTheFunction(t *testing.T) {
	need(t)
	r, w := pipe(t)
	require.NoError(t, run(t, Options{Func: stays, Args: []string{"leave"}, Files: []*os.File{w}}))
	require.NoError(t, w.Close())
	requireClosed(t, r)
}

const parentEnv = "NETNS_TEST_PARENT"

// beParent is the program that calls Run and is killed.
func beParent() {
	err := Run(context.Background(), Options{
		Func: stays, Args: []string{"stay"}, Files: []*os.File{os.NewFile(3, "pipe")},
		Line: func(line []byte) { fmt.Printf("%s\n", line) },
	})
	fmt.Println(err)
	os.Exit(1)
}

func TestEndsWithItsParent(t *testing.T) {
	need(t)
	r, w := pipe(t)
	parent := exec.Command(self)
	parent.Env = append(os.Environ(), parentEnv+"=1")
	parent.ExtraFiles = []*os.File{w}
	var stdout bytes.Buffer
	ready := make(chan struct{})
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	require.NoError(t, w.Close())
	go func() {
		defer close(ready)
		lines(out, func(line []byte) {
			stdout.Write(line)
			parent.Process.Kill()
		})
	}()
	<-ready
	parent.Wait()
	require.Regexp(t, `^net:\[\d+\]$`, stdout.String())
	requireClosed(t, r)
}

var (
	hosts = half("hosts", func(t *inner, n *Network) {
		addrs, err := net.LookupHost("localhost")
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"127.0.0.1", "::1"}, addrs)
		addrs, err = net.LookupHost("only-six.example")
		require.NoError(t, err)
		require.Equal(t, []string{"::1"}, addrs)
		status, err := os.ReadFile("/proc/self/status")
		require.NoError(t, err)
		require.Contains(t, string(status), "CapEff:\t0000000000000000\n")
		mounts, err := os.ReadFile("/proc/self/mountinfo")
		require.NoError(t, err)
		require.NotContains(t, string(mounts), " /tmp rw", "the file system that held the file")
	})
	ownProc = half("own proc", func(t *inner, n *Network) {
		link, err := os.Readlink("/proc/self")
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(os.Getpid()), link)
		first, err := os.ReadFile("/proc/1/cmdline")
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(first), keeperArg), "%q", first)

		// The keeper's capabilities cannot be had through the keeper.
		require.ErrorIs(t, syscall.PtraceAttach(1), syscall.EPERM)
		_, err = os.OpenFile("/proc/1/mem", os.O_RDWR, 0)
		require.ErrorIs(t, err, fs.ErrPermission)
		_, err = os.Open("/proc/1/fd/0")
		require.ErrorIs(t, err, fs.ErrPermission)
	})
)

func TestMounts(t *testing.T) {
	need(t)
	before, err := os.ReadFile("/etc/hosts")
	require.NoError(t, err)
	text := "127.0.0.1 localhost\n::1 localhost only-six.example\n"
	needMount(t, run(t, Options{Func: hosts, Hosts: text}))
	needMount(t, run(t, Options{Func: ownProc, Proc: true}))
	after, err := os.ReadFile("/etc/hosts")
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// needMount skips where a container forbids a mount that a private network could do without.
func needMount(t *testing.T, err error) {
	t.Helper()
	var r *Refusal
	if errors.As(err, &r) && strings.HasPrefix(r.Step, "mount") && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	require.NoError(t, err)
}

var (
	prepare = half("prepare", func(t *inner, n *Network) {
		require.NoError(t, unix.Mount("tmpfs", "/mnt", "tmpfs", 0, ""))
		require.NoError(t, os.WriteFile("/mnt/made-by-setup", nil, 0o644))
		require.NoError(t, n.SetSysctl("net.core.somaxconn", "7"))
		if n.Args[0] == "fail" {
			t.Errorf("could not prepare")
		}
	})
	prepared = half("prepared", func(t *inner, n *Network) {
		_, err := os.Stat("/mnt/made-by-setup")
		require.NoError(t, err)
		require.Equal(t, "7", sysctl(t, "net.core.somaxconn"))
		require.ErrorIs(t, unix.Mount("tmpfs", "/mnt", "tmpfs", 0, ""), syscall.EPERM)
	})
)

func TestSetup(t *testing.T) {
	need(t)
	require.NoError(t, run(t, Options{Setup: prepare, Func: prepared, Args: []string{"well"}}))
	require.ErrorContains(
		t,
		run(t, Options{Setup: prepare, Func: prepared, Args: []string{"fail"}}),
		"could not prepare",
	)
	_, err := os.Stat("/mnt/made-by-setup")
	require.ErrorIs(t, err, fs.ErrNotExist, "outside")
}

var sealed = half("sealed", func(t *inner, n *Network) {
	require.Equal(t, n.Args[0], fmt.Sprint(os.Getuid()))
	groups, err := os.Getgroups()
	require.NoError(t, err)
	if n.Args[1] == "root" {
		require.Empty(t, groups)
	}
	_, err = os.ReadFile(n.Args[2])
	if n.Args[1] == "root" {
		require.ErrorIs(t, err, fs.ErrPermission, "a file of root's that nobody else may read")
	}
	require.ErrorContains(t, n.SetSysctl("net.core.somaxconn", "5"), "sealed")
	require.ErrorContains(t, n.Down(), "sealed")
	_, err = n.Packet()
	require.ErrorContains(t, err, "sealed")
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	require.Contains(t, string(status), "CapEff:\t0000000000000000\n")
	ipc, err := os.Readlink("/proc/self/ns/ipc")
	require.NoError(t, err)
	require.NotEqual(t, n.Args[3], ipc)

	var r *Refusal
	require.ErrorAs(t, Probe(), &r, "a private network in a sealed one")
	require.Equal(t, "clone", r.Step)
	require.Equal(t, syscall.ENOSPC, r.Err)
	require.Contains(t, r.Error(), "user.max_user_namespaces")
	require.ErrorIs(t, r, errors.ErrUnsupported)
	require.ErrorIs(t, r, syscall.ENOSPC)
})

func who() string {
	if os.Getuid() == 0 {
		return "root"
	}
	return "user"
}

func TestSealed(t *testing.T) {
	need(t)
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, nil, 0o600))
	ipc, err := os.Readlink("/proc/self/ns/ipc")
	require.NoError(t, err)
	require.NoError(t, run(t, Options{
		Func: sealed, Sealed: true, Args: []string{fmt.Sprint(ordinary(os.Getuid())), who(), secret, ipc},
	}))
	var stderr bytes.Buffer
	err = run(t, Options{Func: fails, Sealed: true, Args: []string{"was it"}, Stderr: &stderr})
	require.EqualError(t, err, "inside the private network: fails: exit status 1")
	require.Contains(t, stderr.String(), "that was it")
}

// What AppArmor's rule does: the namespaces are made, and then nothing is allowed in them.
func TestRefusedCapabilities(t *testing.T) {
	need(t)
	defer func() { withoutCapabilities, sysctls = false, "/proc/sys" }()
	withoutCapabilities = true
	sysctls = t.TempDir()
	fake(t, "kernel/apparmor_restrict_unprivileged_userns", "1\n")
	err := Probe()
	var r *Refusal
	require.ErrorAs(t, err, &r)
	require.Equal(t, "lo", r.Step)
	require.Equal(t, syscall.EPERM, r.Err)
	require.EqualError(
		t,
		err,
		"no private network here: lo: operation not permitted (AppArmor forbids it to "+
			"ordinary users; until the next start, this allows it: "+
			"sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0)",
	)
}

func fake(t *testing.T, name, value string) {
	file := filepath.Join(sysctls, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(value), 0o644))
}

func TestHints(t *testing.T) {
	defer func() { sysctls = "/proc/sys" }()
	for _, test := range []struct {
		step        string
		errno       syscall.Errno
		file, value string
		want        string
	}{
		{"clone", syscall.EPERM, "", "", "seccomp"},
		{"clone", syscall.EPERM, "kernel/unprivileged_userns_clone", "0\n", "kernel.unprivileged_userns_clone=1"},
		{"clone", syscall.EPERM, "kernel/unprivileged_userns_clone", "1\n", "seccomp"},
		{
			"clone", syscall.EACCES, "kernel/apparmor_restrict_unprivileged_userns", "1\n",
			"restrict_unprivileged_userns=0",
		},
		{"clone", syscall.EPERM, "kernel/apparmor_restrict_unprivileged_userns", "0\n", "seccomp"},
		{"clone", syscall.EACCES, "", "", "execute the program's file"},
		{"clone", syscall.ENOSPC, "user/max_net_namespaces", "0\n", "user.max_net_namespaces=10000"},
		{"clone", syscall.ENOSPC, "user/max_net_namespaces", "9\n", "limit"},
		{"clone", syscall.EINVAL, "", "", "built without"},
		{"mount /proc", syscall.EPERM, "kernel/apparmor_restrict_unprivileged_userns", "1\n", "container"},
		{"sysctl net.core.x", syscall.ENOENT, "", "", ""},
	} {
		sysctls = t.TempDir()
		if test.file != "" {
			fake(t, test.file, test.value)
		}
		got := hint(test.step, test.errno)
		require.Contains(t, got, test.want, "%s: %v", test.step, test.errno)
		require.Equal(t, test.want == "", got == "")
		var r *Refusal
		require.ErrorAs(
			t,
			failedStep(test.step, &fs.PathError{Op: "fork/exec", Path: self, Err: test.errno}),
			&r,
		)
		require.Equal(t, got, r.Hint)
	}
	require.NotErrorIs(
		t,
		failedStep("clone", syscall.EAGAIN),
		errors.ErrUnsupported,
		"no room for a process",
	)
	require.ErrorIs(t, failedStep("clone", syscall.EAGAIN), syscall.EAGAIN)
}

var drops = half("drops", func(t *inner, n *Network) {
	ln, err := net.Listen("tcp", "127.0.0.1:8080")
	require.NoError(t, err)
	defer ln.Close()
	raw := func(c syscall.Conn) syscall.RawConn {
		rc, err := c.SyscallConn()
		require.NoError(t, err)
		return rc
	}
	c, err := net.Dial("tcp", "127.0.0.1:8080")
	require.NoError(t, err)
	defer c.Close()
	s, err := ln.Accept()
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, n.SetDropping(raw(s.(*net.TCPConn)), true))
	_, err = c.Write([]byte("hello"))
	require.NoError(t, err)
	buf := make([]byte, 9)
	require.NoError(t, s.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	_, err = s.Read(buf)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, n.SetDropping(raw(s.(*net.TCPConn)), false))
	require.NoError(t, s.SetReadDeadline(time.Now().Add(watchdog)))
	got, err := s.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "hello", string(buf[:got]))
	require.Error(t, n.SetDropping(raw(s.(*net.TCPConn)), false), "no filter is set any more")

	// A client that never sees the SYN ACK: the server's kernel holds a connection that is half
	// open.
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		d := net.Dialer{
			Control: func(_, _ string, c syscall.RawConn) error { return n.SetDropping(c, true) },
		}
		_, err := d.DialContext(ctx, "tcp", "127.0.0.1:8080")
		ended <- err
	}()
	for give := time.Now().Add(watchdog); !slices.Contains(states(t), "03"); runtime.Gosched() {
		require.True(t, time.Now().Before(give), "no connection in SYN_RECV")
	}
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
})

// states are those of all TCP sockets, as proc(5) numbers them.
func states(t *inner) []string {
	table, err := os.ReadFile("/proc/net/tcp")
	require.NoError(t, err)
	var all []string
	for line := range strings.Lines(string(table)) {
		all = append(all, strings.Fields(line)[3])
	}
	return all
}

func TestSetDropping(t *testing.T) {
	need(t)
	require.NoError(t, run(t, Options{Func: drops}))
}

var full = half("full queue", func(t *inner, n *Network) {
	ln, err := net.Listen("tcp", "127.0.0.1:8080")
	require.NoError(t, err)
	defer ln.Close()
	for range 3 {
		c, err := net.Dial("tcp", "127.0.0.1:8080")
		require.NoError(t, err)
		defer c.Close()
	}
	d := net.Dialer{Timeout: 50 * time.Millisecond}
	_, err = d.Dial("tcp", "127.0.0.1:8080")
	var late net.Error
	require.ErrorAs(t, err, &late)
	require.True(t, late.Timeout(), "%v", err)
})

// A queue of two takes three; the next dial is not refused but unanswered.
func TestBacklog(t *testing.T) {
	need(t)
	require.NoError(t, run(t, Options{Func: full, Sysctls: []string{"net.core.somaxconn=2"}}))
}

var fourPorts = half("four ports", func(t *inner, n *Network) {
	ln, err := net.Listen("tcp", "127.0.0.1:8080")
	require.NoError(t, err)
	defer ln.Close()
	for range 4 {
		c, err := net.Dial("tcp", "127.0.0.1:8080")
		require.NoError(t, err)
		s, err := ln.Accept()
		require.NoError(t, err)
		c.Close() // first: its side keeps the port, in TIME_WAIT
		_, err = s.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		s.Close()
	}
	_, err = net.Dial("tcp", "127.0.0.1:8080")
	require.ErrorIs(t, err, syscall.EADDRNOTAVAIL)
})

func TestPortsRunOut(t *testing.T) {
	need(t)
	require.NoError(t, run(t, Options{
		Func:    fourPorts,
		Sysctls: []string{"net.ipv4.ip_local_port_range=40000 40003", "net.ipv4.tcp_tw_reuse=0"},
	}))
}

func descriptors(t *testing.T) int {
	files, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(files)
}

// Every way in which Run can end leaves nothing: no descriptor, no goroutine, no child, no process
// inside.
func TestNothingLeaks(t *testing.T) {
	need(t)
	once := func() {
		require.NoError(t, run(t, Options{Func: hello, Args: []string{"a"}}))
		require.Error(t, run(t, Options{Func: fails, Args: []string{"was it"}}))
		require.Error(t, run(t, Options{Func: hello, Sysctls: []string{"net.ipv4.no_such=1"}}))
		ctx, cancel := context.WithCancel(t.Context())
		var inside string
		var held *os.File
		require.ErrorIs(t, Run(ctx, Options{
			Func: stays, Args: []string{"stay"},
			Line: func(line []byte) { inside = string(line); held = hold(t, inside); cancel() },
		}), context.Canceled)
		require.Empty(t, inhabitants(t, inside))
		require.NoError(t, held.Close())
		withoutCapabilities = true
		require.Error(t, Probe())
		withoutCapabilities = false
	}
	once() // what the runtime opens for itself, once
	files, goroutines := descriptors(t), runtime.NumGoroutine()
	for range 5 {
		once()
	}
	require.LessOrEqual(t, descriptors(t), files)
	for deadline := time.Now().Add(watchdog); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
		require.True(
			t,
			time.Now().Before(deadline),
			"%d goroutines, %d before",
			runtime.NumGoroutine(),
			goroutines,
		)
	}
	_, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
	require.ErrorIs(t, err, syscall.ECHILD)
}

// Several networks at once do not know each other: all listen on the same port.
var listens = half("listens", func(t *inner, n *Network) {
	ln, err := net.Listen("tcp", "127.0.0.1:8080")
	require.NoError(t, err)
	defer ln.Close()
	fmt.Println("listening")
	_, err = n.Files[0].Read(make([]byte, 1)) // until all of them listen
	require.ErrorIs(t, err, io.EOF)
})

func TestManyAtOnce(t *testing.T) {
	need(t)
	r, w := pipe(t)
	const networks = 5
	errs := make(chan error, networks)
	ready := make(chan bool, networks)
	for range networks {
		go func() {
			errs <- run(t, Options{Func: listens, Files: []*os.File{r}, Line: func([]byte) { ready <- true }})
		}()
	}
	for range networks {
		select {
		case <-ready:
		case err := <-errs:
			w.Close()
			t.Fatal("ended before it listened: ", err)
		}
	}
	w.Close()
	for range networks {
		require.NoError(t, <-errs)
	}
}
