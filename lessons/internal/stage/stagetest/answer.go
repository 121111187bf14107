package stagetest

import (
	"bytes"
	"io"
	"log"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// Leaving lets a client leave in each of the ways that there are: between two requests, with a
// reset, and while its request is answered. None of them is an error of answer's, and each time it
// closes its side.
func Leaving(t *testing.T, answer scenario.AnswerFunc, request string) {
	t.Run("it closes its writing half", func(t *testing.T) {
		client, server := pair(t)
		_, err := client.Write([]byte(request))
		require.NoError(t, err)
		require.NoError(t, client.CloseWrite())
		require.NoError(t, answer(server))
		got, err := io.ReadAll(client)
		require.NoError(t, err, "the server closes its side, too")
		require.NotEmpty(t, got)
	})
	t.Run("it aborts", func(t *testing.T) {
		client, server := pair(t)
		require.NoError(t, loopback.Abort(client))
		require.NoError(t, loopback.WaitDead(server))
		require.NoError(t, answer(server))
		require.ErrorIs(t, server.Close(), net.ErrClosed, "it has closed the connection")
	})
	t.Run("it aborts before the answer", func(t *testing.T) {
		client, server := pair(t)
		_, err := client.Write([]byte(request))
		require.NoError(t, err)
		require.NoError(t, answer(&abortBeforeWrite{Conn: server, peer: client}))
	})
	t.Run("it aborts before the answer, and the reset was met", func(t *testing.T) {
		client, server := pair(t)
		_, err := client.Write([]byte(request))
		require.NoError(t, err)
		require.NoError(t, answer(&abortBeforeWrite{Conn: server, peer: client, met: true}))
	})
}

func pair(t *testing.T) (client, server *net.TCPConn) {
	client, server, err := loopback.TCP()
	require.NoError(t, err)
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	require.NoError(t, client.SetDeadline(time.Now().Add(loopback.Patience)))
	require.NoError(t, server.SetDeadline(time.Now().Add(loopback.Patience)))
	return client, server
}

// abortBeforeWrite resets the connection from the other end before the first answer is written. If
// the reset was met, by a read, the write meets a broken pipe on Unix.
type abortBeforeWrite struct {
	net.Conn
	peer net.Conn
	met  bool
}

func (a *abortBeforeWrite) Write(p []byte) (int, error) {
	loopback.Abort(a.peer)
	if err := loopback.WaitDead(a.Conn); err != nil {
		return 0, err
	}
	if a.met {
		a.Conn.Read(make([]byte, 1))
	}
	return a.Conn.Write(p)
}

// Refused starts serve and sends it each of the requests, on a connection of its own. None is
// answered, and of each there is a line in the log. The caller stops the server, which serves the
// next client.
func Refused(t *testing.T, serve func(net.Listener) error, requests ...string) *scenario.Server {
	var logged bytes.Buffer
	log.SetOutput(&logged)
	defer log.SetOutput(os.Stderr)
	server, err := scenario.Start(timeline.NewRecorder(t.Name()), serve)
	require.NoError(t, err)
	for i, request := range requests {
		conn, err := net.Dial("tcp", server.Addr)
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(loopback.Patience)))
		_, err = conn.Write([]byte(request))
		require.NoError(t, err)
		got, _ := io.ReadAll(conn) // to the end, or to a reset: not all of the request was read
		require.Empty(t, got, "the answer to %.80q", request)
		conn.Close()
		server.Idle(i + 2)
		require.False(t, server.Over(), "the server ended after %.80q", request)
		require.Equal(t, i+1, bytes.Count(logged.Bytes(), []byte("refused")), &logged)
	}
	return server
}
