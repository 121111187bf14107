package sandbox

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// watch adds up what a command takes. No limit of the kernel's holds for a whole tree of processes
// without a control group, which an ordinary user rarely has.
type watch struct {
	writable []string
	only     int // descriptor of the status of a command that can start no process; none for others
	looks    int
	most     int64 // bytes
	full     bool  // a Writable folder is
}

const (
	allEvery      = 25 // looks, for all processes of a command that can start none
	folderEvery   = 5  // looks; a folder takes longer than a process
	queuesEvery   = 5  // looks
	namelessEvery = 25 // looks; it takes a call for each descriptor
	surelyEvery   = 50 // looks, for the queues of sockets, whatever their memory is said to be
	// fewSockets cannot hold much: the kernel gives an ordinary user's TCP socket 4 MiB to send and 6 MiB to
	// receive at most (tcp(7)). Nor can all, when those of the machine together have littleMemory. To read the
	// table of sockets takes milliseconds, because the kernel goes through that of all networks; to read how
	// many there are, and what all have, takes none.
	fewSockets   = 16
	littleMemory = 32 << 20 // bytes
)

// watchOver returns what looks at a command. Call close in the end.
func (k *keeper) watchOver(pid int, complete bool) *watch {
	w := &watch{writable: k.writable, only: none}
	if complete {
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/status", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			w.only = fd
		}
	}
	return w
}

func (w *watch) close() {
	if w.only != none {
		unix.Close(w.only)
	}
}

// exceeds takes a look and reports whether the command has taken more than it may.
func (w *watch) exceeds(l Limits) bool {
	now := tmpUsed() + w.resident()
	if w.looks%queuesEvery == queuesEvery-1 {
		now += queued(w.looks%surelyEvery == surelyEvery-1)
	}
	if w.looks%folderEvery == 0 {
		w.full = len(w.writable) > 0 && w.looks%namelessEvery == namelessEvery-folderEvery && nameless(l) > l.Tmp
		for _, path := range w.writable {
			w.full = w.full || folderSize(path, l.Tmp) > l.Tmp
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

// process is one of the box: the folder in /proc of a thread that has not ended, and its status. The first
// thread may have ended, and others go on with its memory and its files.
type process struct {
	dir    string
	status []byte
}

// processes returns all but this one.
func processes() (all []process) {
	for _, dir := range numbered("/proc") {
		if dir == "/proc/1" {
			continue
		}
		p := processAt(dir)
		if field(p.status, rss) == 0 {
			for _, thread := range numbered(dir + "/task") {
				if p = processAt(thread); field(p.status, rss) > 0 {
					break
				}
			}
		}
		all = append(all, p)
	}
	return all
}

// numbered returns the folders in a folder that have numbers for names.
func numbered(in string) (all []string) {
	f, err := os.Open(in)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1)
	for _, name := range names {
		if '0' <= name[0] && name[0] <= '9' {
			all = append(all, in+"/"+name)
		}
	}
	return all
}

func processAt(dir string) process {
	status, _ := os.ReadFile(dir + "/status") // nothing if it has ended
	return process{dir, status}
}

// resident adds up the memory of all processes. A command that can start none is the only one, and it takes
// a tenth of the time to look at it alone.
func (w *watch) resident() (total int64) {
	if w.only != none && w.looks%allEvery > 0 {
		text := make([]byte, 8<<10)
		n, _ := unix.Pread(w.only, text, 0)
		if status := text[:max(n, 0)]; field(status, rss) > 0 { // otherwise its first thread has ended, at least
			return memory(status)
		}
	}
	for _, p := range processes() {
		total += memory(p.status)
	}
	return total
}

// rss is the name of what a process has in memory now. One that has ended has none.
const rss = "\nVmRSS:"

// memory is that of a process, also what is swapped out, and that of its page tables: proc_pid_status(5).
func memory(status []byte) (total int64) {
	for _, name := range []string{rss, "\nVmSwap:", "\nHugetlbPages:", "\nVmPTE:"} {
		total += field(status, name) << 10
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

// sockets is how many there are in this network, and how much memory those of all networks have, by sockstat
// of proc_net(5).
func sockets() (total, memory int64) {
	for _, name := range []string{"sockstat", "sockstat6"} {
		text, _ := os.ReadFile("/proc/self/net/" + name)
		for line := range bytes.Lines(text) {
			total += field(line, " inuse ")
			memory += field(line, " mem ") * int64(os.Getpagesize())
		}
	}
	return total, memory
}

// queued adds up what waits in sockets: proc_net(5), tx_queue and rx_queue. If it cannot be much it looks only
// where it is to be sure.
func queued(surely bool) (total int64) {
	if n, memory := sockets(); n <= fewSockets || !surely && memory <= littleMemory {
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

const longestMaps = 1 << 20 // bytes of the maps of all processes; a Go program has a few thousand

// nameless adds up the files that were removed and are still open, or mapped: they are in no folder. Those
// of /tmp are counted with it. How large a mapped file is the system does not tell: it counts as the
// largest there can be.
func nameless(l Limits) (total int64) {
	id := func(st *unix.Stat_t) (device, file string) { // as in proc_pid_maps(5)
		device = fmt.Sprintf("%02x:%02x", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)))
		return device, fmt.Sprint(device, " ", st.Ino)
	}
	var st unix.Stat_t
	if unix.Stat(rootPath+tmpPath, &st) != nil {
		return 0
	}
	tmp, _ := id(&st)
	seen := map[string]bool{}
	running := processes()
	for _, p := range running {
		open, _ := filepath.Glob(p.dir + "/fd/*") // of all threads: the filter sees to that
		for _, path := range open {
			if unix.Stat(path, &st) != nil || st.Nlink > 0 || st.Mode&unix.S_IFMT != unix.S_IFREG {
				continue
			}
			if device, file := id(&st); device != tmp && !seen[file] {
				seen[file] = true
				total += max(st.Blocks*512, perFile)
			}
		}
	}
	left := int64(longestMaps)
	for _, p := range running {
		f, err := os.Open(p.dir + "/maps")
		if err != nil {
			continue // it has ended
		}
		r := &io.LimitedReader{R: f, N: left}
		for s := bufio.NewScanner(r); s.Scan(); {
			fields := strings.Fields(s.Text())
			if !strings.HasSuffix(s.Text(), " (deleted)") || len(fields) < 5 || fields[3] == tmp {
				continue
			}
			if file := fields[3] + " " + fields[4]; !seen[file] {
				seen[file] = true
				total += l.FileSize
			}
		}
		f.Close()
		if left = r.N; left <= 0 {
			return l.Tmp + 1 // who has so many hides one
		}
	}
	return total
}
