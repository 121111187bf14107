package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/tools/internal/coursetest"
	"socketbook/tools/internal/ptytest"
)

const (
	promptEnd  = "q quit"
	firstFails = "Fix this first: a header that comes in pieces is put together: 0 of 1 point"
)

// A lab with its real suite: what a student reads, and the keys that concern a result.
func TestResults(t *testing.T) {
	t.Parallel()
	root := coursetest.New(t, coursetest.Starter)
	p := ptytest.Start(t, watch(root, "5"), 80)
	p.Expect("lab 05 is not started: fill in labs/05/framing.go")
	p.Expect(promptEnd)
	p.Type("h")
	p.Expect("The task is in labs/05/README.md.")

	began := time.Now()
	coursetest.Write(t, root, coursetest.Split)
	p.Expect("7/10 points   fixed 7, broke 0")
	p.Expect(firstFails)
	body := p.Expect("the end inside a message is io.ErrUnexpectedEOF")
	t.Logf("from save to result: %v", time.Since(began).Round(time.Millisecond))
	require.NotContains(t, body, "rule ")
	p.Expect(promptEnd)
	p.Type("h")
	p.Expect("The rule: One Read may return fewer bytes")
	p.Type("h")
	p.Expect("Try next: Read the header with io.ReadFull")
	p.Type("h")
	p.Expect("See it happen: go run ./lessons/05 -scene split-header")
	p.Type("h")
	p.Expect("There are no more hints")
	p.Type("a")
	p.Expect("rule       One Read may")
	p.Expect("rule       When the stream ends after the first byte")
	p.Type("t")
	p.Expect("never read: C") // below the timeline
	p.Type("s")
	p.Expect("Every run now makes the same random choices: seed ")
	seed := p.Expect(".")
	require.NotEqual(t, "0", seed)
	p.Type("r")
	p.Expect("seed " + seed)
	p.Expect(firstFails)
	p.Type("s")
	p.Expect("Each run makes new random choices.")
	p.Type("q")
	require.Zero(t, p.End())
}

// The keys that concern files and labs, on small labs.
func TestKeys(t *testing.T) {
	t.Parallel()
	root := coursetest.Small(t, `panic("not started")`)
	coursetest.AddSmall(t, root, "07", "")
	editor := filepath.Join(t.TempDir(), "editor")
	require.NoError(t, os.WriteFile(editor, []byte("#!/bin/sh\nread line\necho \"edited $line\"\n"), 0o755))
	tmp := t.TempDir()
	cmd := watch(root, "5")
	cmd.Env = append(cmd.Env, "VISUAL="+editor+" -w", "TMPDIR="+tmp, "NO_COLOR=1")
	p := ptytest.Start(t, cmd, 80)

	p.Expect("the suite ended with status 2 before it had written a result")
	p.Expect(promptEnd)
	require.False(t, p.Cooked())
	p.Type("d")
	p.Expect("labs/05/framing.go is the starter, unchanged.")
	coursetest.Write(t, root, coursetest.SmallAnswer(""))
	p.Expect("■■■■■■■■■■ 1/1 points")
	p.Expect("Everything is right. n goes to the next lab")
	p.Type("d")
	p.Expect("-\tpanic(\"not started\")")
	p.Expect("+")
	p.Type("l")
	p.Expect("▶ ■■■■■■■■■■ 1/1     05 a title")
	p.Expect("07 a title")
	p.Type("?")
	p.Expect("timeline of the first one")

	p.Type("o")
	require.Eventually(t, p.Cooked, 10*time.Second, time.Millisecond)
	p.Type("some words\n")
	p.Expect("edited some words")
	p.Expect("Back from ")

	coursetest.Write(t, root, coursetest.SmallAnswer("undefined()"))
	p.Expect("labs/05/framing.go does not build:")
	p.Expect("undefined: undefined")
	p.Expect("stale, of ")
	p.Expect("■■■■■■■■■■ 1/1 points")

	p.Type("n")
	p.Expect("lab 07 a title")
	p.Expect("1/1 points")
	p.Type("n")
	p.Expect("There is no further lab in that direction")
	p.Type("p")
	p.Expect("undefined: undefined")
	p.Expect(promptEnd)
	p.Type("xn")
	p.Expect("Reset labs/05/framing.go? y/n")
	p.Expect("Nothing was changed.")
	p.Type("xy")
	p.Expect("labs/05/framing.go is the starter again. Yours is kept as .socketbook/kept/05/")
	p.Expect("the suite ended with status 2")

	require.NoError(t, os.RemoveAll(filepath.Join(root, "labs", "05")))
	p.Expect("labs/05/framing.go is not there.")
	p.Type("\x1b[A") // an arrow is no key of ours
	p.Type("q")
	require.Zero(t, p.End())
	require.True(t, p.Cooked())
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	require.Empty(t, left)
	require.NotContains(t, p.Shown(), "\x1b[3", "NO_COLOR")
	require.NotContains(t, p.Shown(), "\x1b[2J", "the scrollback is kept")
}

// However it ends, the terminal is as before and nothing is left.
func TestEnds(t *testing.T) {
	t.Parallel()
	const hanging = `cmd := exec.Command("sh", "-c", "echo $$ >$PIDS; trap '' INT TERM; sleep 1000 & wait"); _ = cmd.Run()`
	for name, end := range map[string]func(p *ptytest.Terminal){
		"q":        func(p *ptytest.Terminal) { p.Type("q") },
		"Ctrl-C":   func(p *ptytest.Terminal) { p.Type("\x03") },
		"Ctrl-D":   func(p *ptytest.Terminal) { p.Type("\x04") },
		"SIGTERM":  func(p *ptytest.Terminal) { require.NoError(t, p.Cmd.Process.Signal(syscall.SIGTERM)) },
		"SIGHUP":   func(p *ptytest.Terminal) { require.NoError(t, p.Cmd.Process.Signal(syscall.SIGHUP)) },
		"the save": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := coursetest.Small(t, hanging)
			pids := filepath.Join(t.TempDir(), "pids")
			cmd := watch(root, "5")
			cmd.Env = append(cmd.Env, "PIDS="+pids)
			p := ptytest.Start(t, cmd, 40)
			p.Expect("running")
			var pid int
			started := func() {
				require.Eventually(t, func() bool {
					text, _ := os.ReadFile(pids)
					_, err := fmt.Sscanln(string(text), &pid)
					return err == nil
				}, time.Minute, time.Millisecond, "the lab's program never started its child")
			}
			started()
			if end == nil { // in the middle of the run
				coursetest.Write(t, root, coursetest.SmallAnswer(""))
				p.Expect("1/1 points")
				require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
				end = func(p *ptytest.Terminal) { p.Type("q") }
			}
			end(p)
			require.Zero(t, p.End())
			require.True(t, p.Cooked())
			require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
		})
	}
}

// A bug in watch itself leaves the terminal as it was, too.
func TestPanic(t *testing.T) {
	t.Parallel()
	for _, role := range []string{panicsAtKey, panicsBeside} {
		cmd := watch(t.TempDir())
		cmd.Env = append(cmd.Env, commandVariable+"="+role)
		p := ptytest.Start(t, cmd, 80)
		if role == panicsAtKey {
			p.Expect(promptEnd)
			require.False(t, p.Cooked())
			p.Type("l")
		}
		p.Expect("panic: ")
		require.NotZero(t, p.End())
		require.True(t, p.Cooked())
	}
}
