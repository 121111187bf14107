//go:build !windows

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage/stagetest"
	"socketbook/tools/loopback"
)

// A client that reads nothing does not hold a handler for longer than its limit.
func TestClientThatDoesNotRead(t *testing.T) {
	client, server := pair(t)
	c := newCommands()
	c.write = scenario.Hang
	request := message(`yes | head -c 16000000`)
	for range 3 { // 48 MB are more than all queues hold
		_, err := client.Write([]byte(request))
		require.NoError(t, err)
	}
	err := c.handle(server)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.ErrorContains(t, err, "writing an answer: ")
	require.ErrorContains(t, err, " bytes went out: ")
}

// A command leaves no process behind, however it goes about it. Each has started sleep; then it is
// told to go on, or its limit passes.
func TestCommandsEnd(t *testing.T) {
	const goOn = "read line <$GO; "
	for _, test := range []struct {
		name, command string
		ends          bool // by itself
		status        int
		output        string
	}{
		{"it ends, and what it has started goes on", "sleep 60 & " + goOn + "echo done", true, 0, "done\n"},
		{
			"the same, and prints elsewhere", "sleep 60 >/dev/null 2>&1 & " + goOn + "exit 4", true,
			4, "",
		},
		{
			"a grandchild", "sh -c 'sleep 60 & wait' & " + goOn + "echo done >&2", true,
			0, "done\n",
		},
		{"it waits", "echo begun; sleep 60 & wait", false, noStatus, "begun\n[ended: its time is over]\n"},
		{
			"it ignores signals", "trap '' TERM INT HUP; sleep 60; sleep 60", false,
			noStatus, "[ended: its time is over]\n",
		},
		{"a loop", "while :; do sleep 60; done", false, noStatus, "[ended: its time is over]\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, sleeper := runsUntil(t, test.command, test.ends)
			require.Equal(t, test.status, got.status)
			require.Equal(t, test.output, string(got.output))
			ended(t, sleeper)
		})
	}
}

// A process in a session of its own has left the group. It is not waited for, and it goes on.
func TestSessionEscapes(t *testing.T) {
	if _, err := exec.LookPath("setsid"); err != nil {
		if os.Getenv("CI") != "" && runtime.GOOS == "linux" {
			t.Fatal(err)
		}
		t.Skip("the program setsid is not here")
	}
	got, sleeper := runsUntil(t, "setsid sleep 60 & read line <$GO; echo done", true)
	require.Equal(t, "done\n", string(got.output))
	outlives, err := sleeper.Outlives()
	require.NoError(t, err)
	require.True(t, outlives)
}

type result struct {
	status int
	output []byte
}

// runsUntil runs a command that starts sleep. When that has started, the command is told to go on,
// with a line in $GO, or its context ends.
func runsUntil(t *testing.T, command string, goOn bool) (result, *scenario.Sleeper) {
	sleepers, err := scenario.NewSleepers()
	require.NoError(t, err)
	t.Cleanup(sleepers.Close)
	fifo := filepath.Join(t.TempDir(), "go")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	t.Setenv("GO", fifo)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	ran := make(chan result, 1)
	go func() {
		status, output := run(ctx, command)
		ran <- result{status, output}
	}()
	sleeper, err := sleepers.Next()
	require.NoError(t, err)
	t.Cleanup(sleeper.End)
	if goOn {
		require.NoError(t, os.WriteFile(fifo, []byte("\n"), 0))
	} else {
		cancel(errors.New("its time is over"))
	}
	return <-ran, sleeper
}

// What goes wrong with a command is one line, on the side that can do something about it.
func TestCommandsThatFail(t *testing.T) {
	for _, test := range []struct {
		name, command, output string
		status                int
	}{
		{"no such program", "no-such-program", "no-such-program: .*not found\n$", 127},
		{"a NUL", "echo \x00", "invalid argument\n$", noStatus},
		{"no such folder", "cd /nowhere", "/nowhere", 2},
		{"it ends by a signal", "kill -9 $$", "^$", noStatus},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, output := run(t.Context(), test.command)
			require.Regexp(t, test.output, string(output))
			if test.status == 2 && status == 1 { // shells differ
				status = 2
			}
			require.Equal(t, test.status, status)
		})
	}
}

// A command that fills the disk is told so by the system, and its client by the command.
func TestDiskFull(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a disk that is always full is to be had on Linux: /dev/full")
	}
	status, output := run(t.Context(), "echo hello | cat >/dev/full")
	require.NotZero(t, status)
	require.Contains(t, string(output), "No space left on device")
}

// A command may print without end: its answer is bounded, and so is its time.
func TestEndlessOutput(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), scenario.Hang)
	defer cancel()
	status, output := run(ctx, "yes")
	require.Equal(t, noStatus, status)
	require.LessOrEqual(t, len(output), maxAnswer)
}

// However much a command has printed, its client is told why it was ended.
func TestEndedAfterMuchOutput(t *testing.T) {
	sleepers, err := scenario.NewSleepers()
	require.NoError(t, err)
	t.Cleanup(sleepers.Close)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		sleeper, err := sleepers.Next()
		cancel(fmt.Errorf("it sleeps: %v", err))
		if err == nil {
			sleeper.End()
		}
	}()
	status, output := run(ctx, fmt.Sprintf("head -c %d /dev/zero >&2; %s", maxOutput+1, waitsForSleep))
	require.Equal(t, noStatus, status)
	require.Equal(t, "\n[1 more bytes were printed, and cut off]\n[ended: it sleeps: <nil>]\n", string(output[maxOutput:]))
}

// An interrupt ends the server, and the commands of those that it cuts off, before the process ends.
func TestInterruptEndsCommands(t *testing.T) {
	sleepers, err := scenario.NewSleepers()
	require.NoError(t, err)
	t.Cleanup(sleepers.Close)
	cmd := stagetest.Command(t, "server", "-addr", "127.0.0.1:0", "-limit", "1m")
	errs, err := cmd.StderrPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	var s running
	_, err = fmt.Fscanf(out, "listening on %s\n", &s.addr)
	require.NoError(t, err)
	require.NoError(t, writeMessage(s.client(t), loopback.Patience, 0, []byte(waitsForSleep)))
	sleeper, err := sleepers.Next()
	require.NoError(t, err)
	defer sleeper.End()
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	lines := bufio.NewReader(errs)
	line, err := lines.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "interrupt again to cut them off")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	line, err = lines.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "the clients that were still connected have been cut off\n", line)
	require.NoError(t, cmd.Wait(), "status 0")
	ended(t, sleeper)
}

func TestPython(t *testing.T) {
	const lines = "echo 你好\nexit 3\n\nsleep 60 & echo done\ncat\nquit\n"
	t.Run("its client, our server", func(t *testing.T) {
		server := stagetest.Server(t)
		out, errs, status := stagetest.Output(t, stagetest.Python(t, "client.py", server.Addr), lines)
		require.Zero(t, status, errs)
		require.Equal(t, "0 '你好\\n'\n3 ''\n0 ''\n0 'done\\n'\n0 ''\n", out)

		server = stagetest.Server(t, "-limit", "100ms")
		out, errs, status = stagetest.Output(t, stagetest.Python(t, "client.py", server.Addr), "sleep 60 & wait\n")
		require.Zero(t, status, errs)
		require.Equal(t, "-1 '[ended: its limit of 100ms has passed]\\n'\n", out)
	})
	t.Run("our client, its server", func(t *testing.T) {
		server := stagetest.Start(t, stagetest.Python(t, "server.py"))
		out, errs, status := stagetest.Client(
			t,
			server.Addr,
			strings.Replace(lines, "sleep 60 & echo done\n", "", 1),
		)
		require.Zero(t, status, errs)
		require.Equal(t, "你好\n\n[exit status 3]\n\n", out)

		server = stagetest.Start(t, stagetest.Python(t, "server.py", "0.1"))
		out, errs, status = stagetest.Client(t, server.Addr, "sleep 60 & wait\n")
		require.Zero(t, status, errs)
		require.Equal(t, "[ended: its limit of 0.1s has passed]\n[exit status -1]\n", out)
	})
}
