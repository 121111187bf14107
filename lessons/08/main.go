// Lesson 08: many clients at once. A goroutine for each client, or a process.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"

	"socketbook/lessons/internal/stage"
)

var lesson = stage.Lesson{
	Number: "08",
	Listen: listen, Serve: serve, Dial: dial, Talk: talk, ServerFlags: serverFlags,
	Scenes: scenes,
}

func main() {
	answerIfAsked()
	stage.Main(lesson)
}

// serverFlags registers the flags of the server, and lets l serve as they say.
func serverFlags(l *stage.Lesson, flags *flag.FlagSet) {
	word, processes := "", false
	l.Serve = func(ln net.Listener) error {
		switch {
		case processes:
			return serveProcesses(ln, func() *exec.Cmd { return answerer(word) })
		case word != "":
			return serveEach(ln, greet(word))
		}
		return serve(ln)
	}
	flags.Func("greet", "says `WORD` until sent "+farewell, func(s string) error {
		if s == "" || len(s) > maxRead {
			return fmt.Errorf("a word has 1 to %d bytes", maxRead)
		}
		word = s
		return nil
	})
	flags.BoolFunc("process", "a process for each client", func(string) error {
		if runtime.GOOS == "windows" {
			return errors.New("on Windows, Go hands no socket to a new process")
		}
		processes = true
		return nil
	})
}

// answerRole is the first argument of a process that answers one client. The second one, if there is
// one, is the word to greet it with.
const answerRole = "answer"

// answerer returns this program, not yet started, as a process that answers one client. No word: it
// sends each message back in upper case.
func answerer(word string) *exec.Cmd {
	program, err := os.Executable()
	cmd := exec.Command(program, answerRole)
	if word != "" {
		cmd.Args = append(cmd.Args, word)
	}
	cmd.Err = err
	return cmd
}

// answerIfAsked answers the client on descriptor 3, and ends the process, if that is its role.
func answerIfAsked() {
	if len(os.Args) < 2 || os.Args[1] != answerRole {
		return
	}
	handler := answer
	if len(os.Args) > 2 {
		handler = greet(os.Args[2])
	}
	if err := answerInherited(handler); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
