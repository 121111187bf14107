//go:build !windows

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/stage/stagetest"
)

// interrupted starts the command, lets a client talk to it, and interrupts it. It returns the lines that
// it writes on standard error.
func interrupted(t *testing.T) (cmd *exec.Cmd, conn net.Conn, said *bufio.Reader) {
	cmd = stagetest.Command(t, "server", "-addr", "127.0.0.1:0")
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
	conn = s.client(t)
	require.Equal(t, "HELLO", asks(t, conn, "hello"))
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	said = bufio.NewReader(errs)
	line, err := said.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "interrupt again to cut them off")
	return cmd, conn, said
}

// ends waits for the end of the command, which says one more line, and no goroutine's stack.
func ends(t *testing.T, cmd *exec.Cmd, said *bufio.Reader, line string) {
	rest, err := io.ReadAll(said)
	require.NoError(t, err)
	require.Equal(t, line+"\n", string(rest))
	require.NoError(t, cmd.Wait(), "status 0")
}

func TestInterrupted(t *testing.T) {
	cmd, conn, said := interrupted(t)
	require.Equal(t, "ONE MORE", asks(t, conn, "one more"))
	conn.Close()
	ends(t, cmd, said, "the clients have finished")
}

func TestInterruptedTwice(t *testing.T) {
	cmd, conn, said := interrupted(t)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	_, err := conn.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
	ends(t, cmd, said, "the clients that were still connected have been cut off")
}
