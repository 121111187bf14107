package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// launching is what the launcher is told. Descriptors 3 and following are the command's Files, then
// comes the pipe in which it reports a failure.
type launching struct {
	Command  Command
	Files    int
	Writable []string
}

// launch turns this process into the command. Each step takes away something; what comes after
// it must do without.
func launch(arg string) {
	runtime.LockOSThread() // some of what is given up belongs to the thread that does the execve
	var l launching
	if err := json.Unmarshal([]byte(arg), &l); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox: only Start starts this:", err)
		os.Exit(2)
	}
	report := 3 + l.Files
	// Nothing else that the grader has open, or was given by whoever started it, is the command's.
	_ = unix.CloseRange(uint(report), ^uint(0)>>32, unix.CLOSE_RANGE_CLOEXEC)
	step, err := l.become()
	text, _ := json.Marshal(failure(step, err))
	_, _ = unix.Write(report, text)
	os.Exit(1)
}

func (l *launching) become() (step string, err error) {
	c := l.Command
	// If memory runs out the kernel looks here first: proc_pid_oom_score_adj(5). The box's own /proc is
	// read-only.
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0); err != nil {
		return "oom_score_adj", err
	}
	if err := exchangeRoot(); err != nil {
		return "pivot_root", err
	}
	if c.Dir == "" {
		c.Dir = tmpPath
	}
	if err := os.Chdir(c.Dir); err != nil {
		return "execute " + c.Path + " in " + c.Dir, err
	}
	if step, err := setLimits(c.Limits); err != nil {
		return step, err
	}
	if err := dropCapabilities(); err != nil {
		return "capabilities", err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return "no_new_privs", err
	}
	if err := restrictPaths(l.Writable); err != nil {
		return "landlock", err
	}
	if err := filterCalls(c.Complete); err != nil {
		return "seccomp", err
	}
	if c.Path == "" { // a probe
		os.Exit(0)
	}
	argv := append([]string{c.Path}, c.Args...)
	return "execute " + c.Path, syscall.Exec(c.Path, argv, environment(c.Env, tmpPath))
}

// exchangeRoot makes the box's root this process's, and lets go of the machine's: pivot_root(2).
func exchangeRoot() error {
	if err := unix.Mount(rootPath, rootPath, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if err := os.Chdir(rootPath); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return err
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("umount: %w", err)
	}
	return os.Chdir("/")
}

// setLimits sets what the kernel limits by process (getrlimit(2)). Not RLIMIT_AS: Go reserves far
// more than it uses. RLIMIT_NPROC counts threads, in this user namespace only since Linux 5.14.
//
// A limit that is lower already stays, if it is not below what is needed.
func setLimits(l Limits) (step string, err error) {
	seconds := uint64(l.Time.Seconds() + 1)
	for _, limit := range []struct {
		what          int
		value, needed uint64
		of            string
	}{
		{unix.RLIMIT_NOFILE, uint64(l.OpenFiles), uint64(l.OpenFiles), "open files"},
		{unix.RLIMIT_NPROC, uint64(l.Processes), uint64(l.Processes), "processes"},
		{unix.RLIMIT_FSIZE, uint64(l.FileSize), uint64(l.FileSize), "bytes in a file"},
		{unix.RLIMIT_CPU, 2 * seconds * uint64(runtime.NumCPU()), seconds, "seconds of a processor"},
		{unix.RLIMIT_MEMLOCK, 64 << 10, 0, ""},
		{unix.RLIMIT_SIGPENDING, 1024, 0, ""},
		{unix.RLIMIT_CORE, 0, 0, ""},
		{unix.RLIMIT_MSGQUEUE, 0, 0, ""},
		{unix.RLIMIT_RTPRIO, 0, 0, ""},
		{unix.RLIMIT_NICE, 0, 0, ""},
	} {
		var now syscall.Rlimit
		if err := syscall.Getrlimit(limit.what, &now); err != nil {
			return "getrlimit", err
		}
		if now.Max < limit.needed {
			return fmt.Sprintf("%s %d %s, and %d are needed", lowLimit, now.Max, limit.of, limit.needed), syscall.EPERM
		}
		value := min(limit.value, now.Max)
		// syscall's own: otherwise its Exec sets the number of files back.
		err := syscall.Setrlimit(limit.what, &syscall.Rlimit{Cur: value, Max: value})
		if err != nil {
			return "setrlimit", err
		}
	}
	return "", nil
}

// lowLimit begins the step that fails because the user may have less than a box needs.
const lowLimit = "setrlimit: this user is allowed"

// dropCapabilities empties every set of this thread; the execve finds nothing that it could give
// back (capabilities(7)).
func dropCapabilities() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	for c := range uintptr(64) {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err == unix.EINVAL {
			break // the kernel knows no more of them
		} else if err != nil {
			return err
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	return unix.Capset(&header, &sets[0])
}

// restrictPaths is a second wall behind the mounts, where the kernel has landlock(7): writing in
// /tmp and the writable folders only, and no signals to a process outside the command.
func restrictPaths(writable []string) error {
	rules := []landlock.Rule{
		landlock.RODirs("/"),
		landlock.RWFiles(devices...),
		landlock.RWDirs(tmpPath).WithRefer(),
	}
	for _, path := range writable {
		if info, err := os.Stat(path); err != nil {
			return err
		} else if info.IsDir() {
			rules = append(rules, landlock.RWDirs(path).WithRefer())
		} else {
			rules = append(rules, landlock.RWFiles(path))
		}
	}
	// One ruleset for both: each one denies moves between folders that its rules do not allow, even if
	// it is about something else (LANDLOCK_ACCESS_FS_REFER in landlock(7)). The network is the
	// namespace's.
	all := landlock.V7
	all.HandledAccessNet = 0
	return all.BestEffort().Restrict(rules...)
}
