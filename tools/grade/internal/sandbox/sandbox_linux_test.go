package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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

const watchdog = 30 * time.Second

// program is what runs in the boxes, built once.
var program string

func TestMain(m *testing.M) {
	Main()
	if len(os.Args) == 2 && os.Args[1] == "opens a box" {
		program = os.Getenv("INSIDE")
		opensBox()
	}
	if len(os.Args) == 2 && os.Args[1] == "probes" {
		fmt.Println("the probe:", Probe())
		return
	}
	os.Exit(func() int {
		folder, err := os.MkdirTemp("", "socketbook-sandbox-test-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(folder)
		program = filepath.Join(folder, "inside")
		cmd := exec.Command("go", "build", "-o", program, "./testdata/inside")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			panic(string(out))
		}
		_ = os.Chmod(folder, 0o755)
		return m.Run()
	}())
}

func need(t *testing.T) {
	t.Helper()
	err := Probe()
	if errors.Is(err, errors.ErrUnsupported) && os.Getenv("CI") == "" {
		t.Skip("the system allows no sandbox: ", err)
	}
	require.NoError(t, err)
}

// small are limits that a test reaches soon.
var small = Limits{
	Time: watchdog, Memory: 128 << 20, Tmp: 4 << 20, Processes: 64, OpenFiles: 64, FileSize: 1 << 20,
	Output: 1 << 10,
}

func open(t *testing.T, folders ...Folder) *Box {
	t.Helper()
	b, err := Open(Config{Folders: append(folders, Folder{Path: program})})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func run(t *testing.T, b *Box, args ...string) Result {
	t.Helper()
	r, err := b.Run(t.Context(), Command{Path: program, Args: args, Limits: small})
	require.NoError(t, err)
	return r
}

func TestRun(t *testing.T) {
	need(t)
	b := open(t)
	r, err := b.Run(t.Context(), Command{
		Path: program, Args: []string{"tell", "a b", "粘包", ""}, Dir: "/dev",
		Env: []string{"COLOUR=red"}, Limits: small,
	})
	require.NoError(t, err)
	require.Equal(t, "", r.Sentence(small))
	require.Equal(t, "a b|粘包|\n", string(r.Stdout))
	require.Equal(t, "/dev red /tmp /tmp\n", string(r.Stderr))
	require.Positive(t, r.Wall)
	require.Positive(t, r.CPU)
	require.Positive(t, r.Memory)

	require.Equal(t, "it ended with status 7", run(t, b, "exit", "7").Sentence(small))
	require.Equal(t, "it ended with the signal: terminated", run(t, b, "kill").Sentence(small))
	require.Equal(t, "", run(t, b, "loopback").Sentence(small))
	require.Equal(t, "", run(t, b, "map").Sentence(small))
	require.Equal(t, 1, run(t, b, "leave").Left)
	require.Equal(t, "null\nfull\nrandom\nurandom\n", reorder(run(t, b, "list", "/dev").Stdout))
	// What the command has open, its standard files and the folder itself among them.
	require.Contains(t, string(run(t, b, "list", "/dev/fd").Stdout), "0\n1\n2\n")
}

// Commands read the box's own folders, whatever the caller's umask.
func TestUmask(t *testing.T) {
	need(t)
	defer unix.Umask(unix.Umask(0o077))
	require.NoError(t, Probe())
	require.Equal(t, "", run(t, open(t), "exit", "0").Sentence(small))
}

func reorder(names []byte) (text string) {
	for _, d := range devices {
		if bytes.Contains(names, []byte(filepath.Base(d)+"\n")) {
			text += filepath.Base(d) + "\n"
		}
	}
	return text
}

func TestLimits(t *testing.T) {
	need(t)
	b := open(t)
	run := func(l Limits, args ...string) Result {
		r, err := b.Run(t.Context(), Command{Path: program, Args: args, Limits: l})
		require.NoError(t, err)
		return r
	}
	l := small
	l.Time = 100 * time.Millisecond
	r := run(l, "sleep")
	require.Equal(t, "it ran longer than 100ms and was ended", r.Sentence(l))
	l = small
	l.Memory = 32 << 20
	r = run(l, "allocate", "64")
	require.Equal(t, "it took more than 32 MiB of memory and was ended", r.Sentence(l))
	r = run(small, "allocate", "64")
	require.Equal(t, "", r.Sentence(small))
	require.Greater(t, r.Memory, int64(64<<20))
	l = small
	l.Output = 64
	r = run(l, "print", "100000")
	require.Equal(t, TooLoud, r.End)
	r = run(l, "print", "100")
	require.Equal(t, "", r.Sentence(l))
	require.Equal(t, "line 0\nline 1\nline 2\nline 3\nline\n… 726 bytes are left out …\n"+
		"line 96\nline 97\nline 98\nline 99\n", string(r.Stdout))
}

func TestFolders(t *testing.T) {
	need(t)
	folder, covered := t.TempDir(), t.TempDir()
	require.NoError(t, os.Chmod(covered, 0o755))
	write := func(path, text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o644)) }
	write(filepath.Join(covered, "a"), "of the project")
	write(filepath.Join(covered, "b"), "of the project")
	mine := filepath.Join(folder, "out")
	require.NoError(t, os.Mkdir(mine, 0o700))
	b := open(t, Folder{Path: covered}, Folder{Path: mine, Writable: true})
	require.NoError(t, b.Own(mine))
	require.Equal(t, "of the project", string(run(t, b, "read", covered+"/a").Stdout))
	r := run(t, b, "write", covered+"/c", "x")
	require.Equal(t, 1, r.Status)
	require.Contains(t, string(r.Stderr), "read-only file system")
	require.Equal(t, "", run(t, b, "write", mine+"/c", "handed in").Sentence(small))
	require.Equal(t, "handed in", string(run(t, b, "read", mine+"/c").Stdout))
	text, err := os.ReadFile(mine + "/c")
	require.NoError(t, err)
	require.Equal(t, "handed in", string(text))
	require.Equal(t, "", run(t, b, "move", mine+"/c", mine+"/below/c").Sentence(small), "between folders")
	seen := run(t, b, "list", folder).Stdout
	require.Equal(t, "out\n", string(seen), "nothing else of the folder is seen")
	require.NoError(t, RemoveAll(mine))
}

// TestRemoveAll: folders that their owner has closed are removed with all below them, also by somebody who is
// not root, and whatever their names are.
func TestRemoveAll(t *testing.T) {
	for _, name := range []string{"closed", "\xff\n\x1b", strings.Repeat("ä", 100)} {
		top := filepath.Join(t.TempDir(), name)
		for _, below := range []string{"", name, name + "/" + name, "open/" + name} {
			dir := filepath.Join(top, below)
			require.NoError(t, os.MkdirAll(dir, 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0))
		}
		require.NoError(t, os.Symlink(t.TempDir(), filepath.Join(top, "link")))
		for _, closed := range []string{name + "/" + name, name, "open/" + name, ""} {
			require.NoError(t, os.Chmod(filepath.Join(top, closed), 0o111&os.FileMode(len(closed))))
		}
		require.NoError(t, unprivileged(func() error { return RemoveAll(top) }))
		require.NoFileExists(t, top)
		require.NoDirExists(t, top)
	}
	require.NoError(t, RemoveAll(filepath.Join(t.TempDir(), "nothing")))
}

// unprivileged calls f without root's capabilities, in a thread that ends then.
func unprivileged(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good
		if os.Geteuid() == 0 {
			var none [2]unix.CapUserData
			err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0])
			if err != nil {
				done <- err
				return
			}
		}
		done <- f()
	}()
	return <-done
}

// Files and Fetch: the ways in and out.
func TestFiles(t *testing.T) {
	need(t)
	b := open(t)
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	defer ours.Close()
	p, err := b.Start(t.Context(), Command{
		Path: program, Args: []string{"echo"}, Files: []*os.File{theirs}, Limits: small,
	})
	theirs.Close()
	require.NoError(t, err)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.Pid()))
	require.NoError(t, err)
	require.Equal(t, program+"\x00echo\x00", string(status), "Pid is the command's")
	fmt.Fprintln(ours, "hello")
	line, err := bufio.NewReader(ours).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "inside: hello\n", line)
	ours.Close() // the end of its input
	require.Equal(t, "", p.Wait().Sentence(small))

	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer out.Close()
	fetch := func(path string, args ...string) Result {
		r, err := b.Run(t.Context(), Command{
			Path: program, Args: args, Fetch: []Fetch{{Path: path, To: out}}, Limits: small,
		})
		require.NoError(t, err)
		return r
	}
	require.NoError(t, fetch("/tmp/x", "write", "/tmp/x", "built").Fetched)
	text, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	require.Equal(t, "built", string(text))
	require.ErrorContains(t, fetch("/tmp/y", "write", "/tmp/x", "built").Fetched, "no such file")
	require.NoError(t, fetch("/tmp/y", "exit", "3").Fetched, "a command that failed has left nothing")
	require.ErrorContains(t, fetch("/dev/full", "exit", "0").Fetched, "not a regular file")
}

func TestErrors(t *testing.T) {
	need(t)
	b := open(t)
	start := func(c Command) error {
		_, err := b.Start(t.Context(), c)
		require.Error(t, err)
		require.NotErrorIs(t, err, errors.ErrUnsupported, "it is no refusal of the system's")
		return err
	}
	require.ErrorContains(t, start(Command{Path: program}), "has no limits")
	require.ErrorContains(t, start(Command{Path: "/nowhere", Limits: small}),
		"execute /nowhere: no such file")
	require.ErrorContains(t, start(Command{Path: program, Dir: "/nowhere", Limits: small}), "in /nowhere")
	require.ErrorContains(t, start(Command{Path: "/etc/hosts", Limits: small}), "permission denied")
	large := Command{Path: program, Env: make([]string, 100000), Limits: small}
	require.ErrorContains(t, start(large), "are allowed")
	closed, err := os.Open("/dev/null")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	c := Command{Path: program, Files: []*os.File{closed}, Limits: small}
	require.ErrorContains(t, start(c), "bad file descriptor")
	for path, says := range map[string]string{
		"relative": "must be absolute", "/": "not the root", "/nowhere": "folder /nowhere: no such file",
	} {
		_, err := Open(Config{Folders: []Folder{{Path: path}}})
		require.ErrorContains(t, err, says)
	}
	_, err = Open(Config{Kind: "cardboard"})
	require.ErrorContains(t, err, `"cardboard"`)
	require.Equal(t, "", run(t, b, "exit", "0").Sentence(small), "the box can still be used")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.Start(ctx, Command{Path: program, Limits: small})
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, b.Close())
	require.ErrorContains(t, start(Command{Path: program, Limits: small}), "has ended")
}

// sleeper starts a command that sleeps, and returns the namespaces that it is in.
func sleeper(ctx context.Context, t *testing.T, b *Box) (*Process, *spaces) {
	t.Helper()
	p, err := b.Start(ctx, Command{Path: program, Args: []string{"sleep"}, Limits: small})
	require.NoError(t, err)
	return p, namespaces(t, p.Pid())
}

// spaces are namespaces. They are held open: otherwise another program's may get their numbers.
type spaces struct {
	names []string
	files []*os.File
}

func namespaces(t *testing.T, pid int) *spaces {
	t.Helper()
	s := &spaces{}
	t.Cleanup(s.release)
	for _, kind := range []string{"user", "pid", "net", "mnt", "ipc", "uts", "cgroup"} {
		link := fmt.Sprintf("/proc/%d/ns/%s", pid, kind)
		f, err := os.Open(link)
		require.NoError(t, err)
		s.files = append(s.files, f)
		name, err := os.Readlink(link)
		require.NoError(t, err)
		own, err := os.Readlink("/proc/self/ns/" + kind)
		require.NoError(t, err)
		require.NotEqual(t, own, name, "a command has its own")
		s.names = append(s.names, name)
	}
	return s
}

func (s *spaces) release() {
	for _, f := range s.files {
		f.Close()
	}
}

// inhabitants are the processes that are in one of the namespaces.
func (s *spaces) inhabitants() (found []string) {
	links, _ := filepath.Glob("/proc/[0-9]*/ns/*")
	for _, link := range links {
		if at, err := os.Readlink(link); err == nil && slices.Contains(s.names, at) {
			found = append(found, link)
		}
	}
	return found
}

func TestStopped(t *testing.T) {
	need(t)
	b := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	p, _ := sleeper(ctx, t, b)
	cancel()
	require.Equal(t, Stopped, p.Wait().End)
	p, _ = sleeper(t.Context(), t, b)
	p.Kill()
	p.Kill()
	require.Equal(t, Stopped, p.Wait().End)
	require.Equal(t, "", run(t, b, "exit", "0").Sentence(small))
	p, inside := sleeper(t.Context(), t, b)
	require.NotEmpty(t, inside.inhabitants())
	require.NoError(t, b.Close())
	require.Equal(t, Stopped, p.Wait().End)
	require.Empty(t, inside.inhabitants())
}

// Close ends what runs, and whoever waits for it to end gets an error.
func TestCloseWhileWaiting(t *testing.T) {
	need(t)
	for _, kind := range []Kind{Namespaces, None} {
		b, err := Open(Config{Kind: kind, Folders: []Folder{{Path: program}}})
		require.NoError(t, err)
		c := Command{Path: program, Args: []string{"sleep"}, Limits: small}
		p, err := b.Start(t.Context(), c)
		require.NoError(t, err)
		waits := make(chan error)
		go func() {
			p, err := b.Start(t.Context(), c)
			if err == nil && p.Wait().End == Stopped { // it came first
				err = errors.New("stopped")
			}
			waits <- err
		}()
		require.NoError(t, b.Close())
		require.Equal(t, Stopped, p.Wait().End)
		require.Error(t, <-waits)
		require.NoError(t, b.Close())
		_, err = b.Start(t.Context(), c)
		require.Error(t, err)
	}
}

// The first process is no part of the command: what ends it, ends the command, and is not our own
// failure.
func TestBroken(t *testing.T) {
	need(t)
	b := open(t)
	p, inside := sleeper(t.Context(), t, b)
	require.NoError(t, b.box.(*nsBox).keeper.Process.Kill())
	require.Equal(t, Broken, p.Wait().End)
	require.Empty(t, inside.inhabitants())
}

// opensBox is the life of a program that is killed while a command of its runs.
func opensBox() {
	b, err := Open(Config{Folders: []Folder{{Path: program}}})
	if err == nil {
		var p *Process
		c := Command{Path: program, Args: []string{"sleep"}, Limits: small}
		if p, err = b.Start(context.Background(), c); err == nil {
			fmt.Println(p.Pid())
			_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed, or the test has gone
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

func TestCallerKilled(t *testing.T) {
	need(t)
	cmd := exec.Command("/proc/self/exe", "opens a box")
	cmd.Env = append(os.Environ(), "INSIDE="+program)
	_, err := cmd.StdinPipe() // open as long as the test runs
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	var pid int
	_, err = fmt.Fscan(out, &pid)
	require.NoError(t, err)
	inside := namespaces(t, pid)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	for deadline := time.Now().Add(watchdog); len(inside.inhabitants()) > 0; runtime.Gosched() {
		require.True(t, time.Now().Before(deadline), "processes that stay: %v", inside.inhabitants())
	}
}

// A program that is complete cannot make code, and so cannot change its own; nor can it become another.
func TestComplete(t *testing.T) {
	need(t)
	b := open(t)
	const no = "operation not permitted\n"
	for _, c := range []struct {
		what     string
		complete bool
		want     string
	}{
		{"code", false, "<nil>\n<nil>\nfalse\n"},
		{"code", true, no + no + "true\n"},
		{"become", false, "<nil>\n<nil>\n<nil>\n/tmp/own\n"},
		{"become", true, no + no + no + "permission denied\n"},
	} {
		r, err := b.Run(t.Context(), Command{
			Path: program, Args: []string{c.what}, Limits: small, Complete: c.complete,
		})
		require.NoError(t, err)
		require.Equal(t, c.want, string(r.Stdout), "%s, complete: %v: %s", c.what, c.complete, r.Stderr)
	}
}

// Of a command that can start no process the memory is looked up in one place, as long as it stands there.
func TestMemoryOfOne(t *testing.T) {
	need(t)
	b := open(t)
	l := small
	l.Memory = 64 << 20
	for _, complete := range []bool{false, true} {
		for _, what := range []string{"hold", "hold without a first thread"} {
			r, err := b.Run(t.Context(), Command{
				Path: program, Args: []string{what, "200"}, Limits: l, Complete: complete,
			})
			require.NoError(t, err)
			require.Equal(t, OutOfRoom, r.End, "%s, complete: %v", what, complete)
			require.Greater(t, r.Memory, l.Memory)
		}
	}
	cmd := exec.Command(program, "hold", "20")
	require.NoError(t, cmd.Start())
	defer func() {
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait())
	}()
	w := (&keeper{}).watchOver(cmd.Process.Pid, true)
	defer w.close()
	require.NotEqual(t, none, w.only)
	w.looks = 1
	dir := fmt.Sprintf("/proc/%d", cmd.Process.Pid)
	for memory(processAt(dir).status) < 20<<20 {
		time.Sleep(time.Millisecond)
	}
	require.Less(t, w.resident(), int64(64<<20), "of all processes it is more at once")
}

// A box may be kept by a program of its own, which is not the one that opens it.
func TestProgram(t *testing.T) {
	need(t)
	keeps := filepath.Join(t.TempDir(), "box")
	cmd := exec.Command("go", "build", "-o", keeps, "../box")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	b, err := Open(Config{Program: keeps, Folders: []Folder{{Path: program}}})
	require.NoError(t, err)
	defer b.Close()
	require.Equal(t, "", run(t, b, "exit", "0").Sentence(small))
	p, err := b.Start(t.Context(), Command{Path: program, Args: []string{"sleep"}, Limits: small})
	require.NoError(t, err)
	parent, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", b.box.(*nsBox).keeper.Process.Pid))
	require.NoError(t, err)
	require.Equal(t, keeps, parent)
	p.Kill()
	require.Equal(t, Stopped, p.Wait().End)

	_, err = Open(Config{Program: filepath.Join(t.TempDir(), "missing")})
	require.ErrorIs(t, err, os.ErrNotExist)
}

// leftovers are what a box could leave behind in this process and on the machine.
type leftovers struct {
	descriptors, goroutines int
	mounts                  string
	files                   string
}

func look(t *testing.T) leftovers {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(os.TempDir(), "*"))
	require.NoError(t, err)
	return leftovers{len(fds), runtime.NumGoroutine(), string(mounts), strings.Join(files, "\n")}
}

// more reports whether there is more than before. Goroutines and descriptors may be fewer: those of
// the tests before may have been about to end.
func (l leftovers) more(before leftovers) bool {
	return l.descriptors > before.descriptors || l.goroutines > before.goroutines ||
		l.mounts != before.mounts || l.files != before.files
}

// Every way in which a command and a box can end leaves nothing: no descriptor, no goroutine, no
// child, no mount, no file, no process inside.
func TestNothingLeft(t *testing.T) {
	need(t)
	t.Setenv("TMPDIR", t.TempDir()) // others make files in the machine's own
	once := func() {
		b, err := Open(Config{Folders: []Folder{{Path: program}}})
		require.NoError(t, err)
		run(t, b, "leave")
		_, err = b.Start(t.Context(), Command{Path: "/nowhere", Limits: small})
		require.Error(t, err)
		_, inside := sleeper(t.Context(), t, b)
		require.NoError(t, b.Close())
		require.Empty(t, inside.inhabitants())
		inside.release()
		_, err = Open(Config{Folders: []Folder{{Path: "/nowhere"}}})
		require.Error(t, err)
		n, err := Open(Config{Kind: None})
		require.NoError(t, err)
		run(t, n, "exit", "1")
		require.NoError(t, n.Close())
	}
	once() // what the runtime opens for itself, once
	before := look(t)
	once()
	once()
	after := look(t)
	deadline := time.Now().Add(watchdog)
	for ; after.more(before) && time.Now().Before(deadline); after = look(t) {
		runtime.Gosched() // goroutines end a little later than what they did
	}
	require.False(t, after.more(before), "before: %+v\nafter: %+v", before, after)
	_, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
	require.ErrorIs(t, err, syscall.ECHILD)
}

// Boxes do not know each other: in all of them a program listens on port 8080.
func TestManyAtOnce(t *testing.T) {
	need(t)
	errs := make(chan error)
	for range 4 {
		go func() {
			b, err := Open(Config{Folders: []Folder{{Path: program}}})
			if err == nil {
				defer b.Close()
				var r Result
				r, err = b.Run(t.Context(), Command{Path: program, Args: []string{"loopback"}, Limits: small})
				if s := r.Sentence(small); err == nil && s != "" {
					err = errors.New(s + string(r.Stderr))
				}
			}
			errs <- err
		}()
	}
	for range 4 {
		require.NoError(t, <-errs)
	}
}

// A build inside: with the caches that everybody has, none of which a student can change.
func TestBuild(t *testing.T) {
	need(t)
	g, err := FindGo(t.Context(), ".")
	require.NoError(t, err)
	module := t.TempDir()
	require.NoError(t, os.Chmod(module, 0o755))
	require.NoError(t, os.WriteFile(module+"/go.mod", []byte("module lab\n\ngo 1.26\n"), 0o644))
	source := func(text string) {
		require.NoError(t, os.WriteFile(module+"/main.go", []byte("package main\n\n"+text), 0o644))
		old := time.Now().Add(-time.Hour) // only of folders that are not new the go command writes an index
		require.NoError(t, os.Chtimes(module+"/main.go", old, old))
		require.NoError(t, os.Chtimes(module, old, old))
	}
	source("func main() { println(1) }\n")
	require.NoError(t, g.Warm(t.Context(), module, "build", "-o", os.DevNull, "."))
	build := func() (Result, []byte) {
		b := open(t, append(g.Folders(), Folder{Path: module})...)
		out, err := os.Create(filepath.Join(t.TempDir(), "lab"))
		require.NoError(t, err)
		defer out.Close()
		r, err := b.Run(t.Context(), Command{
			Path: g.Command(), Args: []string{"build", "-o", "/tmp/lab", "."}, Dir: module, Env: g.Env(),
			Fetch: []Fetch{{Path: "/tmp/lab", To: out}}, Limits: BuildLimits,
		})
		require.NoError(t, err)
		require.NoError(t, r.Fetched)
		text, err := os.ReadFile(out.Name())
		require.NoError(t, err)
		return r, text
	}
	source("func main() { println(2) }\n")
	r, first := build()
	require.Equal(t, "", r.Sentence(BuildLimits), "%s", r.Stderr)
	require.Greater(t, len(first), 1<<20)

	// the student's code runs where the caches are
	spoilable := filepath.Join(g.Cache, "00")
	b := open(t, append(g.Folders(), Folder{Path: module})...)
	for _, folder := range []string{spoilable, module, filepath.Join(g.Root, "bin")} {
		require.Equal(t, "0\n", string(run(t, b, "spoil", folder).Stdout), folder)
	}
	r, second := build()
	require.Equal(t, "", r.Sentence(BuildLimits), "%s", r.Stderr)
	require.True(t, bytes.Equal(first, second), "the next student's build is another one")

	source("func main() { undefined() }\n")
	r, _ = build()
	require.Equal(t, 1, r.Status)
	words := "# lab\n./main.go:3:15: undefined: undefined\n"
	require.Equal(t, words, string(r.Stderr), "the compiler's words")
}

// What a refusal says is the one command that would allow it.
func TestHints(t *testing.T) {
	kept := sysctls
	defer func() { sysctls = kept }()
	for _, test := range []struct {
		file, value, step string
		number            syscall.Errno
		says              string
	}{
		{
			"kernel/apparmor_restrict_unprivileged_userns", "1", "lo", syscall.EPERM,
			"sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
		},
		{
			"kernel/unprivileged_userns_clone", "0", "clone", syscall.EPERM,
			"sudo sysctl -w kernel.unprivileged_userns_clone=1",
		},
		{
			"user/max_user_namespaces", "0", "clone", syscall.ENOSPC,
			"sudo sysctl -w user.max_user_namespaces=10000",
		},
		{"none", "", "clone", syscall.ENOSPC, "a limit user.max_"},
		{"none", "", "clone", syscall.EPERM, "docker run --privileged"},
		{"none", "", "mount /proc", syscall.EPERM, "systempaths=unconfined"},
		{"none", "", "launcher", syscall.EACCES, "chmod a+x"},
		{"none", "", lowLimit + " 9 open files, and 99 are needed", syscall.EPERM, "ulimit -Ha"},
		{"none", "", "landlock", syscall.ENOSYS, "older than 5.12"},
	} {
		sysctls = t.TempDir()
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(sysctls, test.file)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(sysctls, test.file), []byte(test.value+"\n"), 0o644))
		err := failedStep(test.step, test.number)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.ErrorContains(t, err, test.says)
		require.ErrorContains(t, err, "no sandbox here: "+test.step)
	}
	require.NotErrorIs(t, failedStep("clone", syscall.EAGAIN), errors.ErrUnsupported)
	require.NotErrorIs(t, failedStep("folder /x", syscall.EPERM), errors.ErrUnsupported)
}

// A user who may have less than a box needs is told so, and a limit that only makes a box smaller stays.
func TestLowLimits(t *testing.T) {
	need(t)
	for limit, says := range map[string]string{
		"-n 600": "no sandbox here: setrlimit: this user is allowed 600 open files, and 1024 are needed: " +
			"operation not permitted (ulimit -Ha shows",
		"-f 1000": " bytes in a file, and 268435456 are needed: operation not permitted (ulimit -Ha shows",
		"-l 32":   "the probe: <nil>",
	} {
		cmd := exec.Command("/bin/sh", "-c", "ulimit "+limit+` && exec "$0" probes`, os.Args[0])
		text, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", text)
		require.Contains(t, string(text), says, limit)
	}
}

// Ubuntu's rule lets an ordinary user have namespaces, but no power in them.
func TestProbeWithoutPower(t *testing.T) {
	need(t)
	if os.Geteuid() == 0 {
		t.Skip("root has the power already")
	}
	withoutCapabilities = true
	defer func() { withoutCapabilities = false }()
	err := Probe()
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, "no sandbox here: lo: operation not permitted")
}
