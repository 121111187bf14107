package sandbox

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// watch adds up what a command takes. No limit of the kernel's holds for a whole tree of processes
// without a control group, which an ordinary user rarely has.
type watch struct {
	writable []string
	looks    int
	most     int64 // bytes
	full     bool  // a Writable folder is
}

const (
	folderEvery = 5 // looks; a folder takes longer than a process
	queuesEvery = 5 // looks
	// fewSockets cannot hold much: the kernel gives an ordinary user's TCP socket 4 MiB to send and 6 MiB to
	// receive at most (tcp(7)). To read the table of sockets takes milliseconds, because the kernel goes through
	// that of all networks; to read how many there are takes none.
	fewSockets = 16
)

// exceeds takes a look and reports whether the command has taken more than it may.
func (w *watch) exceeds(l Limits) bool {
	now := tmpUsed() + resident()
	if w.looks%queuesEvery == queuesEvery-1 {
		now += queued()
	}
	if w.looks%folderEvery == 0 {
		w.full = false
		for _, path := range w.writable {
			w.full = w.full || folderSize(path, l.Tmp)+removed() > l.Tmp
		}
	}
	w.looks++
	w.most = max(w.most, now)
	return now > l.Memory || w.full
}

func tmpUsed() int64 {
	var st unix.Statfs_t
	if unix.Statfs(rootPath+tmpPath, &st) != nil {
		return 0
	}
	return int64(st.Blocks-st.Bfree) * int64(st.Bsize)
}

// resident adds up the memory of all processes but this one, and that of their page tables:
// proc_pid_status(5).
func resident() (total int64) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err != nil || pid == 1 {
			continue
		}
		status, err := os.ReadFile(filepath.Join("/proc", e.Name(), "status"))
		if err != nil {
			continue // it has ended
		}
		if field(status, "\nVmRSS:") == 0 { // the first thread has ended, and others may go on: theirs is the memory
			status = other(e.Name())
		}
		total += (field(status, "\nVmRSS:") + field(status, "\nVmPTE:")) << 10
	}
	return total
}

// other returns the status of a thread of a process that still has memory; nothing if there is none.
func other(pid string) []byte {
	tasks := filepath.Join("/proc", pid, "task")
	threads, _ := os.ReadDir(tasks)
	for _, t := range threads {
		status, _ := os.ReadFile(filepath.Join(tasks, t.Name(), "status"))
		if field(status, "\nVmRSS:") > 0 {
			return status
		}
	}
	return nil
}

// removed adds up the files that have no name any more, but that a process has open: they take room until
// it ends. Those in /tmp are counted there. A thread may have descriptors of its own: close_range(2).
func removed() (total int64) {
	var tmp unix.Stat_t
	_ = unix.Stat(rootPath+tmpPath, &tmp)
	type file struct{ device, number uint64 }
	seen := map[file]bool{}
	add := func(folder string) {
		f, err := os.Open(folder)
		if err != nil {
			return // it has ended
		}
		defer f.Close()
		names, _ := f.Readdirnames(-1)
		for _, name := range names {
			var st unix.Stat_t
			err := unix.Fstatat(int(f.Fd()), name, &st, 0) // of what is open, even if its name is another's now
			if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink > 0 || st.Dev == tmp.Dev {
				continue
			}
			if is := (file{st.Dev, st.Ino}); !seen[is] {
				seen[is] = true
				total += st.Blocks * 512
			}
		}
	}
	processes, _ := os.ReadDir("/proc")
	for _, p := range processes {
		if pid, err := strconv.Atoi(p.Name()); err != nil || pid == 1 {
			continue
		}
		tasks := filepath.Join("/proc", p.Name(), "task")
		threads, _ := os.ReadDir(tasks)
		for _, t := range threads {
			add(filepath.Join(tasks, t.Name(), "fd"))
		}
	}
	return total
}

// field is the number behind a name; 0 if it is not there, as in a process that is ending.
func field(status []byte, name string) int64 {
	_, rest, _ := bytes.Cut(status, []byte(name))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	if fields := bytes.Fields(line); len(fields) > 0 {
		n, _ := strconv.ParseInt(string(fields[0]), 10, 64)
		return n
	}
	return 0
}

// sockets is how many there are in this network, by sockstat of proc_net(5).
func sockets() (total int64) {
	for _, name := range []string{"sockstat", "sockstat6"} {
		text, _ := os.ReadFile("/proc/self/net/" + name)
		for line := range bytes.Lines(text) {
			total += field(line, " inuse")
		}
	}
	return total
}

// queued adds up what waits in sockets: proc_net(5), tx_queue and rx_queue.
func queued() (total int64) {
	if sockets() <= fewSockets {
		return 0
	}
	for _, name := range []string{"tcp", "tcp6", "udp", "udp6"} {
		text, _ := os.ReadFile("/proc/self/net/" + name)
		for line := range bytes.Lines(text) {
			fields := bytes.Fields(line)
			if len(fields) < 5 {
				continue
			}
			tx, rx, _ := bytes.Cut(fields[4], []byte(":"))
			for _, n := range [][]byte{tx, rx} {
				size, _ := strconv.ParseInt(string(n), 16, 64)
				total += size
			}
		}
	}
	return total
}

const (
	perFile = 4 << 10 // bytes that a file counts at least, so that many empty ones are too many, too
	deepest = 100     // folders in folders; more are too many
)

// folderSize adds up the files of a folder, and stops when it is over the limit. What is in there was
// made by a stranger, who goes on while we look: nothing is followed.
func folderSize(path string, limit int64) (total int64) {
	var add func(at int, name string, depth int)
	add = func(at int, name string, depth int) {
		fd, err := unix.Openat(at, name,
			unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return // it has gone
		}
		f := os.NewFile(uintptr(fd), name)
		defer f.Close()
		if depth > deepest {
			total = limit + 1
		}
		for total <= limit {
			names, err := f.Readdirnames(100)
			if err != nil {
				return
			}
			for _, name := range names {
				var st unix.Stat_t
				if unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
					continue
				}
				total += max(st.Blocks*512, perFile)
				if st.Mode&unix.S_IFMT == unix.S_IFDIR && total <= limit {
					add(fd, name, depth+1)
				}
			}
		}
	}
	add(unix.AT_FDCWD, rootPath+path, 0)
	return total
}
