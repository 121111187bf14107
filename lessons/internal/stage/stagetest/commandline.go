package stagetest

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/stage"
	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

func commandLine(t *testing.T, l stage.Lesson) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	first := l.Scenes[0].Name

	t.Run("list", func(t *testing.T) {
		out, errs, status := Run(t.Context(), l, "", "-list")
		require.Zero(t, status)
		require.Empty(t, errs)
		require.Equal(t, len(l.Scenes), strings.Count(out, "\n"), "one line for each scene")
		for _, sc := range l.Scenes {
			require.Contains(t, out, sc.Name+" ")
		}
	})
	t.Run("help", func(t *testing.T) {
		out, errs, status := Run(t.Context(), l, "", "-help")
		require.Zero(t, status)
		require.Empty(t, errs)
		for line := range strings.Lines(out) {
			require.LessOrEqual(t, len(line), 80+len("\n"), line)
		}
		require.Equal(t, l.RunsCommands, strings.Contains(out, "-expose"))
	})
	t.Run("json", func(t *testing.T) {
		out, errs, status := Run(t.Context(), l, "", "-json", "-scene", first)
		require.Zero(t, status)
		require.Empty(t, errs)
		last := 0
		for line := range strings.Lines(out) {
			dec := json.NewDecoder(strings.NewReader(line))
			dec.DisallowUnknownFields()
			var e timeline.Event
			require.NoError(t, dec.Decode(&e), line)
			require.Equal(t, first, e.Scene)
			require.Greater(t, e.Seq, last)
			last = e.Seq
		}
		require.NotZero(t, last)
	})
	t.Run("ascii", func(t *testing.T) {
		out, _, status := Run(t.Context(), l, "", "-ascii", "-scene", first)
		require.Zero(t, status)
		require.NotRegexp(t, `[^\x00-\x7f]`, out)
	})
	t.Run("svg to a folder that is not there", func(t *testing.T) {
		_, errs, status := Run(t.Context(), l, "", "-scene", first, "-svg", filepath.Join(t.TempDir(), "no", "x.svg"))
		oneLine(t, 1, status, errs, "x.svg")
	})
	for _, wrong := range []struct {
		says string
		args []string
	}{
		{"no role", []string{"sever"}},
		{"has no scene", []string{"-scene", "no-such-scene"}},
		{"not defined", []string{"-no-such-flag"}},
		{"one argument too many", []string{"server", "127.0.0.1:0"}},
		{"HOST:PORT", []string{"server", "-addr", "8080"}},
		{"HOST:PORT", []string{"client", "-addr", "127.0.0.1:70000"}},
		{"the address that the server printed", []string{"client", "-addr", "127.0.0.1:0"}},
		{"the address that the server printed", []string{"client", "-addr", "localhost:00"}},
		{"not defined", []string{"client", "-no-such-flag"}},
	} {
		_, errs, status := Run(t.Context(), l, "", wrong.args...)
		oneLine(t, 2, status, errs, wrong.says)
	}
	t.Run("server", func(t *testing.T) {
		out, errs, status := Run(cancelled, l, "", "server", "-addr", "127.0.0.1:0")
		require.Zero(t, status, errs)
		require.Regexp(t, `^listening on 127\.0\.0\.1:\d+\n$`, out)
	})
	t.Run("expose", func(t *testing.T) {
		_, errs, status := Run(cancelled, l, "", "server", "-addr", "0.0.0.0:0")
		if l.RunsCommands {
			oneLine(t, 2, status, errs, "-expose")
		} else {
			require.Zero(t, status, errs)
		}
	})
	t.Run("port in use", func(t *testing.T) {
		taken := taken(t, l)
		_, errs, status := Run(cancelled, l, "", "server", "-addr", taken)
		oneLine(t, 1, status, errs, "another program has this port")
		require.Contains(t, errs, taken)
		require.Contains(t, errs, "go run ./lessons/"+l.Number)
	})
	if l.Listen != nil {
		t.Run("nobody listening", func(t *testing.T) {
			addr, err := loopback.FreeAddr()
			require.NoError(t, err)
			_, errs, status := Run(t.Context(), l, "hello\n", "client", "-addr", addr)
			oneLine(t, 1, status, errs, "nobody listens")
			require.Contains(t, errs, "go run ./lessons/"+l.Number+" server -addr "+addr)
		})
		t.Run("peer left", func(t *testing.T) {
			ln, err := loopback.Listen()
			require.NoError(t, err)
			defer ln.Close()
			go func() { // a server that takes the message and leaves without an answer
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				conn.Read(make([]byte, 1024))
				conn.Close()
			}()
			_, errs, status := Run(t.Context(), l, "hello\n", "client", "-addr", ln.Addr().String())
			oneLine(t, 1, status, errs, "go run ./lessons/"+l.Number+" server")
		})
		t.Run("standard output is full", func(t *testing.T) {
			server := Server(t)
			var errs bytes.Buffer
			status := stage.Run(t.Context(), l, []string{"client", "-addr", server.Addr}, strings.NewReader("echo hi\n"), full{}, &errs)
			oneLine(t, 1, status, errs.String(), "writing to standard output: "+syscall.ENOSPC.Error())
			require.NotContains(t, errs.String(), server.Addr, "it is not the server's fault")
		})
		t.Run("nothing to say", func(t *testing.T) {
			for _, stdin := range []string{"", "quit\n", "quit\nhello\n"} {
				ln, err := loopback.Listen()
				require.NoError(t, err)
				_, errs, status := Run(t.Context(), l, stdin, "client", "-addr", ln.Addr().String())
				require.Zero(t, status, errs)
				conn, err := ln.Accept()
				require.NoError(t, err)
				n, _ := conn.Read(make([]byte, 1))
				require.Zero(t, n, "the client sent something")
				conn.Close()
				ln.Close()
			}
		})
	}
	if l.ListenPacket != nil {
		t.Run("nobody listening", func(t *testing.T) {
			if runtime.GOOS == "windows" {
				t.Skip("Go switches off, on Windows, the report that a datagram met nobody")
			}
			addr, err := loopback.FreePacketAddr()
			require.NoError(t, err)
			_, errs, status := Run(t.Context(), l, "hello\n", "client", "-addr", addr)
			oneLine(t, 1, status, errs, "nobody listens")
			require.Contains(t, errs, "go run ./lessons/"+l.Number+" server -addr "+addr)
		})
		t.Run("silence", func(t *testing.T) {
			impatient := l
			impatient.Dial = func(addr string) (net.Conn, error) {
				conn, err := l.Dial(addr)
				return hurried{conn}, err
			}
			silent := taken(t, l)
			_, errs, status := Run(t.Context(), impatient, "hello\n", "client", "-addr", silent)
			oneLine(t, 1, status, errs, "no answer")
			require.Contains(t, errs, "go run ./lessons/"+l.Number+" server -addr "+silent)
		})
		t.Run("nothing to say", func(t *testing.T) {
			for _, stdin := range []string{"", "quit\n", "quit\nhello\n"} {
				pc, err := net.ListenPacket("udp", "127.0.0.1:0")
				require.NoError(t, err)
				_, errs, status := Run(t.Context(), l, stdin, "client", "-addr", pc.LocalAddr().String())
				require.Zero(t, status, errs)
				_, err = pc.WriteTo([]byte("end"), pc.LocalAddr())
				require.NoError(t, err)
				buf := make([]byte, 10)
				n, _, err := pc.ReadFrom(buf)
				require.NoError(t, err)
				require.Equal(t, "end", string(buf[:n]), "the client sent something")
				pc.Close()
			}
		})
	}
}

// full is a standard output on a full disk.
type full struct{}

func (full) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}
}

// hurried is a connection on which a wait for what never comes is short, whatever deadline the program sets.
type hurried struct{ net.Conn }

func (h hurried) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		t = time.Now().Add(time.Millisecond)
	}
	return h.Conn.SetReadDeadline(t)
}

// taken returns an address that somebody listens on until the test ends.
func taken(t *testing.T, l stage.Lesson) string {
	if l.ListenPacket != nil {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { pc.Close() })
		return pc.LocalAddr().String()
	}
	ln, err := loopback.Listen()
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	return ln.Addr().String()
}

func oneLine(t *testing.T, want, status int, errs, says string) {
	t.Helper()
	require.Equal(t, want, status, errs)
	require.Equal(t, 1, strings.Count(errs, "\n"), "one line on standard error, not %q", errs)
	require.Contains(t, errs, says)
}
