package check

import (
	"os"
	"slices"
	"strings"
	"time"
)

// openFiles lists what the descriptors of this process stand for; nil where the system does not
// tell. Pipes are left out: the runtime keeps some after it has copied between sockets and files.
func openFiles() []string {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if target, err := os.Readlink("/dev/fd/" + e.Name()); err == nil {
			names = append(names, target)
		}
	}
	return notOurs(names)
}

// notOurs leaves out what a program has open that has opened nothing.
func notOurs(names []string) []string {
	return slices.DeleteFunc(names, func(name string) bool {
		return strings.HasPrefix(name, "anon_inode:") || strings.HasPrefix(name, "/proc/") ||
			strings.HasPrefix(name, "pipe:")
	})
}

// leftOpen returns what of a kind is open now and was not before, when it stays so for a moment.
func leftOpen(openFiles func() []string, before []string, kind func(name string) bool) (left []string) {
	soonClosed := func() bool {
		rest := slices.Clone(before)
		left = slices.DeleteFunc(openFiles(), func(name string) bool {
			i := slices.Index(rest, name)
			if i >= 0 {
				rest = slices.Delete(rest, i, i+1)
			}
			return i >= 0 || !kind(name)
		})
		return len(left) == 0
	}
	eventually(soonClosed)
	return left
}

// eventually asks again and again whether cond has come true, for a tenth of a second.
func eventually(cond func() bool) bool {
	for pause := 50 * time.Microsecond; pause < 100*time.Millisecond; pause *= 2 {
		if cond() {
			return true
		}
		<-time.After(pause)
	}
	return cond()
}

// isFile tells files and folders from sockets.
func isFile(name string) bool { return strings.HasPrefix(name, "/") }
