// Lesson 10: address already in use. Whose port is it, when is it free again, and what if all are taken?
package main

import (
	"io"
	"os"
	"os/exec"

	"socketbook/lessons/internal/stage"
)

var lesson = stage.Lesson{
	Number: "10",
	Listen: listen, Serve: serve, Dial: dial, Talk: talk,
	Scenes: scenes,
}

func main() {
	holdIfAsked()
	stage.Main(lesson)
}

// holdRole is the argument of a process that holds what it has inherited.
const holdRole = "hold"

// holder returns this program, not yet started, as a process that does nothing with the descriptors
// that it inherits, until its standard input ends.
func holder() *exec.Cmd { return itself(holdRole) }

// holdIfAsked holds them, and ends the process, if that is its role.
func holdIfAsked() {
	if len(os.Args) == 2 && os.Args[1] == holdRole {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
}

// itself returns this program with those arguments, not yet started.
func itself(args ...string) *exec.Cmd {
	program, err := os.Executable()
	cmd := exec.Command(program, args...)
	cmd.Err = err
	return cmd
}
