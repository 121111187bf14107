// Command box attacks the box that it runs in: each file but this one is an attack. It says how the
// attack went, "held: …" or "broke: …", and ends with status 0 or 1.
//
// The text above an attack's package clause says what it does, and what must come out:
//
//	expect: exited 0, timed out     one of these ends
//	limits: time=300ms memory=64M   instead of the runner's own
//	left:   1                       at least that many processes are left behind, and ended
//	folder: yes                     it has a writable folder
//	fetch:  yes                     /tmp/out is fetched, which must be refused
//	go:     yes                     the Go installation and its caches are there, as for a build
//	also:   second                  another attack runs in the same box afterwards
//	files:  yes                     descriptor 3 is a socket
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

var attacks = map[string]func(){}

// attack registers an attack under the name of its file.
func attack(name string, f func()) int {
	attacks[name] = f
	return 0
}

func main() {
	f := attacks[os.Args[1]]
	if f == nil {
		broke("there is no attack %q", os.Args[1])
	}
	f()
	held("nothing came of it")
}

func held(format string, args ...any) {
	fmt.Printf("held: "+format+"\n", args...)
	os.Exit(0)
}

func broke(format string, args ...any) {
	fmt.Printf("broke: "+format+"\n", args...)
	os.Exit(1)
}

// refused breaks unless an attempt failed with one of the errors.
func refused(what string, err error, allowed ...error) {
	for _, a := range allowed {
		if errors.Is(err, a) {
			return
		}
	}
	broke("%s: %v", what, err)
}

// errno makes an error of a system call's number.
func errno(_, _ uintptr, number syscall.Errno) error {
	if number == 0 {
		return nil
	}
	return number
}

// again starts this program with other arguments.
func again(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = "box"
	return cmd
}

func forever() {
	for {
		time.Sleep(time.Hour)
	}
}
