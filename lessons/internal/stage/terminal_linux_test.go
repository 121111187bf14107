package stage

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// terminal returns the two ends of a new pseudo-terminal: what is written to the second one is read
// from the first.
func terminal(t *testing.T, columns uint16) (reader, tty *os.File) {
	reader, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI must have pseudo-terminals:", err)
		}
		t.Skip("there are no pseudo-terminals here:", err)
	}
	t.Cleanup(func() { reader.Close() })
	var unlocked, number uint32
	size := [4]uint16{24, columns}
	ioctl(t, reader, syscall.TIOCSPTLCK, unsafe.Pointer(&unlocked))
	ioctl(t, reader, syscall.TIOCGPTN, unsafe.Pointer(&number))
	ioctl(t, reader, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { tty.Close() })
	return reader, tty
}

func ioctl(t *testing.T, f *os.File, request uintptr, arg unsafe.Pointer) {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(arg))
	require.Zero(t, errno)
}

// onTerminal returns what a run shows on a terminal.
func onTerminal(t *testing.T, columns uint16, run func(tty *os.File)) string {
	reader, tty := terminal(t, columns)
	shown := make(chan string)
	go func() {
		all, _ := io.ReadAll(reader) // ends with EIPE when the last one has closed the terminal
		shown <- strings.ReplaceAll(string(all), "\r\n", "\n")
	}()
	run(tty)
	tty.Close()
	return <-shown
}

var hostile = "\x1b]0;title\a\x1b]52;c;cm0gLXJm\a\x1b[2J\u009b2Jend"

// shouting is a lesson whose client prints what the server sends.
func shouting(t *testing.T) (l Lesson, addr string) {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, hostile)
			conn.Close()
		}
	}()
	return Lesson{
		Number: "00",
		Dial:   func(addr string) (net.Conn, error) { return net.Dial("tcp", addr) },
		Talk: func(conn net.Conn, in io.Reader, out io.Writer) error {
			_, err := io.Copy(out, conn)
			return err
		},
	}, ln.Addr().String()
}

// A peer's bytes do not control the reader's terminal. Into a pipe they go as they came.
func TestPeerAndTerminal(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	l, addr := shouting(t)
	args := []string{"client", "-addr", addr}
	shown := onTerminal(t, 80, func(tty *os.File) {
		require.Zero(t, Run(t.Context(), l, args, strings.NewReader(""), tty, tty))
	})
	require.Equal(t, `\x1b]0;title\x07\x1b]52;c;cm0gLXJm\x07\x1b[2J\u009b2Jend`, shown)

	var piped, errs bytes.Buffer
	require.Zero(t, Run(t.Context(), l, args, strings.NewReader(""), &piped, &errs))
	require.Equal(t, hostile, piped.String())
}

// What a lesson logs may hold what a peer sent.
func TestLogOnTerminal(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	shown := onTerminal(t, 80, func(tty *os.File) {
		w, _ := visible(tty)
		fmt.Fprintf(w, "client: %s\n", hostile)
	})
	require.NotContains(t, shown, "\x1b")
}

// The picture has what the terminal has.
func TestStyleOfTheTerminal(t *testing.T) {
	play := func(rec *timeline.Recorder) (o scenario.Outcome, err error) {
		c, s, err := loopback.TCP()
		if err != nil {
			return o, err
		}
		client, server := rec.Conn("client", c), rec.Conn("server", s)
		defer client.Close()
		defer server.Close()
		if _, err := client.Write([]byte("hello 你好")); err != nil {
			return o, err
		}
		_, err = server.Read(make([]byte, 100))
		return o, err
	}
	l := Lesson{Number: "00", Scenes: []Scene{{Name: "one", Line: "a scene, 你好, at 127.0.0.1:45678", Run: play}}}
	for _, c := range []struct {
		env               string
		args              []string
		colour, box, utf8 bool
	}{
		{"LC_ALL=C.UTF-8", nil, true, true, true},
		{"LC_ALL=C.UTF-8 NO_COLOR=1", nil, false, true, true},
		{"LC_ALL=C.UTF-8 TERM=dumb", nil, false, false, false},
		{"LC_ALL=C", nil, true, false, false},
		{"LC_ALL=zh_CN.GBK", nil, true, false, false},
		{"LC_ALL=C.UTF-8", []string{"-ascii"}, true, false, false},
	} {
		for _, name := range []string{"LC_ALL", "NO_COLOR", "COLUMNS"} {
			t.Setenv(name, "")
		}
		t.Setenv("TERM", "xterm")
		for _, v := range strings.Fields(c.env) {
			name, value, _ := strings.Cut(v, "=")
			t.Setenv(name, value)
		}
		shown := onTerminal(t, 60, func(tty *os.File) {
			require.Zero(t, Run(t.Context(), l, c.args, strings.NewReader(""), tty, tty))
		})
		require.Equal(t, c.colour, strings.Contains(shown, "\x1b["), "colour with %s %s:\n%s", c.env, c.args, shown)
		require.Equal(t, c.box, strings.Contains(shown, "─"), "box drawing with %s %s:\n%s", c.env, c.args, shown)
		require.Equal(t, c.utf8, strings.ContainsFunc(shown, func(r rune) bool { return r > 0x7f }),
			"%s %s:\n%s", c.env, c.args, shown)
	}
}

// Pictures are as wide as the terminal, up to 160 columns; titles have its colour.
func TestWidthOfTheTerminal(t *testing.T) {
	t.Setenv("COLUMNS", "")
	t.Setenv("LC_ALL", "C.UTF-8")
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	for columns, want := range map[uint16]int{0: 80, 1: 1, 60: 60, 160: 160, 161: 160, 300: 160} {
		onTerminal(t, columns, func(tty *os.File) {
			s := &session{out: &output{Writer: tty}}
			require.Equal(t, timeline.Style{Width: want, Color: true, Box: true}, s.style(false))
			require.Equal(t, timeline.Style{Width: want, Color: true, ASCII: true}, s.style(true))
		})
	}
	require.Equal(t, timeline.Style{Width: 80}, (&session{out: &output{Writer: io.Discard}}).style(false))
	require.Equal(t, "\x1b[1;34ma: hello\x1b[0m", heading(timeline.Style{Width: 80, Color: true}, "a: hello"))
}

// Who types at a terminal is prompted for each line; the end of the input ends the line.
func TestPrompt(t *testing.T) {
	reader, tty := terminal(t, 80)
	_, err := io.WriteString(reader, "one\ntwo\n\x04")
	require.NoError(t, err)
	l, _ := shouting(t)
	l.Dial = func(string) (net.Conn, error) { conn, _ := net.Pipe(); return conn, nil }
	var typed []byte
	l.Talk = func(_ net.Conn, in io.Reader, _ io.Writer) (err error) {
		typed, err = io.ReadAll(in)
		return err
	}
	var out, errs bytes.Buffer
	require.Zero(t, Run(t.Context(), l, []string{"client"}, tty, &out, &errs), &errs)
	require.Equal(t, "one\ntwo\n", string(typed))
	require.Equal(t, ">>> >>> >>> \n", out.String())
}

// A terminal is a character device at which somebody sits.
func TestIsTerminal(t *testing.T) {
	_, tty := terminal(t, 80)
	require.True(t, IsTerminal(tty))
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	file, err := os.Open("terminal.go")
	require.NoError(t, err)
	file.Close()
	for _, stream := range []any{null, file, &bytes.Buffer{}, nil, (*os.File)(nil)} {
		require.False(t, IsTerminal(stream))
	}
}

// An answer that breaks off leaves its line, and half a character, to the reader's terminal; the
// complaint has a line of its own.
func TestAnswerBreaksOff(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	for answer, want := range map[string]string{
		"half a li":         "half a li\n",
		"a line\n":          "a line\n",
		"":                  "",
		"half a ch\xe4\xbd": "half a ch\xe4\xbd\n",
	} {
		l, addr := shouting(t)
		args := []string{"client", "-addr", addr}
		l.Talk = func(_ net.Conn, _ io.Reader, out io.Writer) error {
			io.WriteString(out, answer)
			return io.EOF
		}
		shown := onTerminal(t, 300, func(tty *os.File) {
			require.Equal(t, 1, Run(t.Context(), l, args, strings.NewReader(""), tty, tty))
		})
		require.True(t, strings.HasPrefix(shown, want+"talking to "), "%q", shown)

		var piped, errs bytes.Buffer
		require.Equal(t, 1, Run(t.Context(), l, args, strings.NewReader(""), &piped, &errs))
		require.Equal(t, answer, piped.String())
	}
}

// A complaint is one line; on a terminal it breaks between words.
func TestComplaintOnTerminal(t *testing.T) {
	addr, err := loopback.FreeAddr()
	require.NoError(t, err)
	l, _ := shouting(t)
	for _, columns := range []uint16{40, 60} {
		shown := onTerminal(t, columns, func(tty *os.File) {
			require.Equal(t, 1, Run(t.Context(), l, []string{"client", "-addr", addr}, strings.NewReader(""),
				tty, tty))
		})
		require.Equal(t, 2, strings.Count(shown, addr), "no address is broken:\n%s", shown)
		require.Contains(t, shown, "go run ./lessons/00 server -addr "+addr+"\n", "nor is the command to type")
		for line := range strings.Lines(shown) {
			if !strings.Contains(line, "go run") {
				require.LessOrEqual(t, len(line), int(columns)+1, shown)
			}
		}
	}
}

// A terminal that does not say how wide it is breaks lines itself.
func TestComplaintOnTerminalWithoutWidth(t *testing.T) {
	l, _ := shouting(t)
	shown := onTerminal(t, 0, func(tty *os.File) {
		require.Equal(t, 2, Run(t.Context(), l, []string{"sever"}, strings.NewReader(""), tty, tty))
	})
	require.Equal(t, "\"sever\" is no role: a lesson is run as server, as client, or without a role "+
		"to see its scenes (-list names them)\n", shown)
}

// A pipe is no picture; opening it would wait for a writer.
func TestPictureIsNoPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	require.ErrorContains(t, replaceable(pipe, "is no picture", "<svg"), "no regular file")
}
