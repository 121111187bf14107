package main

import (
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
)

// page shows text through the pager that PAGER names, or less. It reports false where there is no pager
// to run, or one that failed before it read anything (the shell did not find it, or could not read
// PAGER): nothing has been shown then.
func page(text string, getenv func(string) string, stdout, stderr io.Writer) bool {
	cmd := pagerCommand(getenv("PAGER"))
	if cmd == nil {
		return false
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Env = os.Environ()
	if getenv("LESS") == "" {
		// As git does: pass colours, leave at once when it fits, leave the text on the screen.
		cmd.Env = append(cmd.Env, "LESS=FRX")
	}
	in, out, err := os.Pipe()
	if err != nil {
		return false
	}
	defer in.Close()
	cmd.Stdin = in

	// In a pager Ctrl-C stops a search; it must not leave the pager without us. It is caught and
	// dropped here: a signal that is ignored would stay ignored in the pager.
	dropped := make(chan os.Signal, 1)
	signal.Notify(dropped, os.Interrupt)
	defer signal.Stop(dropped)
	if cmd.Start() != nil {
		out.Close()
		return false
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(out, text) // an error means that the reader has seen enough
		out.Close()
	}()
	if cmd.Wait() != nil {
		left, _ := io.Copy(io.Discard, in)
		return left < int64(len(text))
	}
	in.Close()
	<-written // perhaps to a pager that goes on in the background
	return true
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
