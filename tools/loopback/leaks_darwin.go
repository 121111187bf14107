package loopback

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// descriptors lists the open files, sockets and pipes by number and kind, for macOS has no names
// for them. The queue in which the Go runtime waits for all sockets is left out; it is made with
// the first of them.
func descriptors() []string {
	dir, err := os.Open("/dev/fd")
	if err != nil {
		return nil
	}
	defer dir.Close()
	own := int(dir.Fd())
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	var files []string
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil || fd == own || isQueue(fd) {
			continue
		}
		var info syscall.Stat_t
		if err := syscall.Fstat(fd, &info); err != nil {
			continue
		}
		files = append(files, fmt.Sprintf("%s %d", kindOf(info.Mode), fd))
	}
	return files
}

// isQueue reports whether fd belongs to kqueue(2): every other one refuses to be asked for events.
func isQueue(fd int) bool {
	var now syscall.Timespec
	_, err := syscall.Kevent(fd, nil, nil, &now)
	return err == nil
}

func kindOf(mode uint16) string {
	switch mode & syscall.S_IFMT {
	case syscall.S_IFSOCK:
		return "socket"
	case syscall.S_IFIFO:
		return "pipe"
	case syscall.S_IFREG:
		return "file"
	case syscall.S_IFDIR:
		return "folder"
	}
	return "descriptor"
}
