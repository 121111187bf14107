package check

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// longestFile is how much ReadFile reads.
const longestFile = 128 << 20

// ReadFile returns what is in a file of a folder in which the code under test may have put anything. It
// follows no link, and waits for no pipe or device: these are errors, and so is a file of more than 128 MiB.
func ReadFile(dir, name string) ([]byte, error) {
	folder, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	if info, err := folder.Lstat(name); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() || info.Size() > longestFile {
		return nil, fmt.Errorf("%s is no file, or a very long one (%v, %d bytes)", name, info.Mode(), info.Size())
	}
	f, err := folder.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, longestFile))
}

// FolderError ends the case because of an error with a folder in which the code under test may have put
// anything: a failure if something there is in the way, and otherwise the machine's trouble.
func (c *C) FolderError(err error) {
	for _, theirs := range []error{
		fs.ErrPermission, fs.ErrNotExist, fs.ErrExist, syscall.ENAMETOOLONG,
		syscall.ENOTDIR, syscall.EISDIR,
	} {
		if errors.Is(err, theirs) {
			c.Fail("what your code has left in the folder is in the way: %v", err)
		}
	}
	c.NotGraded("the files in a temporary folder could not be prepared: %v", err)
}

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
