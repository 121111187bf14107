package loopback

import (
	"os"
	"strings"
)

// descriptors lists the open files, sockets and pipes; what the Go runtime keeps for itself is left out.
func descriptors() []string {
	const dir = "/proc/self/fd/"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var files []string
	for _, e := range entries {
		target, err := os.Readlink(dir + e.Name())
		if err != nil { // the one that was open to read the directory
			continue
		}
		if strings.HasPrefix(target, "anon_inode:") || strings.HasPrefix(target, "/proc/") {
			continue
		}
		files = append(files, target)
	}
	return files
}
