package check

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"socketbook/tools/loopback"
)

// What a suite may need at one time, with room to spare.
const (
	neededFiles = 128
	neededDisk  = 4 << 20 // bytes

	neededProcesses = 16
	otherThreads    = 6      // of a process, beside one for each processor
	manyThreads     = 10_000 // where a user may have as many, they are not counted
)

// machine tries what the suites need: loopback, descriptors, and a temporary folder with room in
// it. It returns a sentence about what is missing, as an error. A case that fails on such a machine
// says nothing about the answer.
func machine() error {
	client, server, err := loopback.TCP()
	if err != nil {
		return fmt.Errorf("no connection on 127.0.0.1 could be made: %w", err)
	}
	client.Close()
	server.Close()
	return errors.Join(descriptors(), disk())
}

func descriptors() error {
	for n := range neededFiles {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return fmt.Errorf(
				"only %d of the %d files that a suite may need could be opened: %w",
				n,
				neededFiles,
				err,
			)
		}
		defer f.Close()
	}
	return nil
}

func disk() error {
	f, err := os.CreateTemp("", "socketbook")
	if err != nil {
		return fmt.Errorf("no temporary file could be made: %w", err)
	}
	_, err = f.Write(make([]byte, neededDisk))
	err = errors.Join(err, f.Close(), os.Remove(f.Name()))
	if err != nil {
		return fmt.Errorf("a temporary file of %d MiB could not be written: %w", neededDisk>>20, err)
	}
	return nil
}

// threads returns an error when this user may not have as many threads more as the processes of a suite
// need: a Go program that needs one and cannot have it is ended by the runtime. Only Linux tells, and root may
// have any number.
func threads() error {
	most, ok := field("/proc/self/limits", "Max processes")
	if !ok || most >= manyThreads || os.Getuid() == 0 {
		return nil
	}
	taken := 0
	all, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, status := range all {
		if uid, ok := field(status, "Uid:"); ok && uid == os.Getuid() {
			n, _ := field(status, "Threads:")
			taken += n
		}
	}
	needed := neededProcesses * (runtime.NumCPU() + otherThreads)
	if most-taken >= needed {
		return nil
	}
	return fmt.Errorf("a suite needs up to %d threads at a time; this user may have %d (ulimit -u), and %d of "+
		"them are taken: end other programs, or raise the limit", needed, most, taken)
}

// field returns the first number behind what a line of a file begins with.
func field(file, begin string) (n int, ok bool) {
	text, err := os.ReadFile(file)
	_, rest, found := strings.Cut("\n"+string(text), "\n"+begin)
	if err != nil || !found {
		return 0, false
	}
	_, err = fmt.Sscan(rest, &n)
	return n, err == nil
}
