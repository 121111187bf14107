package main

import (
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
)

// page shows text through the pager that PAGER names, or less. It reports false where there is no pager to run;
// nothing has been shown then.
func page(text string, getenv func(string) string, stdout, stderr io.Writer) bool {
	cmd := pagerCommand(getenv("PAGER"))
	if cmd == nil {
		return false
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Env = os.Environ()
	if getenv("LESS") == "" {
		cmd.Env = append(cmd.Env, "LESS=FRX") // as git does: pass colours, leave at once when it fits, leave the text on the screen
	}
	// Writing to a file rather than through a pipe that we fill: the pager may quit before it has read all.
	in, err := cmd.StdinPipe()
	if err != nil {
		return false
	}
	signal.Ignore(os.Interrupt) // in a pager it stops a search; it must not leave the pager without us
	defer signal.Reset(os.Interrupt)
	if cmd.Start() != nil {
		return false
	}
	_, _ = io.WriteString(in, text) // an error means that the reader has seen enough
	in.Close()
	return cmd.Wait() == nil || cmd.ProcessState.ExitCode() != 127 // 127: the shell did not find it
}

// pagerCommand returns the command for the value of PAGER; nil for none ("cat", or no less here).
func pagerCommand(pager string) *exec.Cmd {
	switch pager = strings.TrimSpace(pager); {
	case pager == "cat":
		return nil
	case pager == "":
		less, err := exec.LookPath("less")
		if err != nil {
			return nil
		}
		return exec.Command(less, "-R")
	case runtime.GOOS == "windows":
		words := strings.Fields(pager)
		return exec.Command(words[0], words[1:]...)
	}
	return exec.Command("sh", "-c", pager) // PAGER may have arguments and quotes
}
