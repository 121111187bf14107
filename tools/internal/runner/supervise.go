package runner

import (
	"fmt"
	"io"
	"os"
	"time"
)

// superviseVariable tells a copy of this program that it is a supervisor.
const superviseVariable = "SOCKETBOOK_SUPERVISE"

const (
	interruptGrace = 300 * time.Millisecond // for a program to end by itself when it is interrupted
	killPatience   = 3 * time.Second        // for killed processes to be gone
	cannotStart    = 127                    // status of a supervisor that could not start the program
)

// Supervise turns this process into a supervisor if it was started as one, and does not return
// then. A program that uses this package calls it first thing in main, and its tests in TestMain.
//
// A supervisor is a process between the tool and the program that it runs. It starts the program
// and waits for it; when the program ends, or when the pipe at the supervisor's standard input is
// closed, it ends every process that the program has left behind, and then itself. The pipe is also
// closed when the tool is killed.
func Supervise() {
	if os.Getenv(superviseVariable) == "" {
		return
	}
	os.Unsetenv(superviseVariable)
	if len(os.Args) < 2 {
		os.Exit(cannotStart)
	}
	asked := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // the end of the pipe is the message
		close(asked)
	}()
	status, err := supervise(os.Args[1], os.Args[1:], asked)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(status)
}
