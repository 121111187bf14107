package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// Messages is how a stage puts a message into a stream and takes one out, as its programs do it.
type Messages struct {
	Send    func(w io.Writer, payload []byte) error
	Receive func(r io.Reader) ([]byte, error)
}

// Glue sends "hello" and "world" back to back; the reader comes when both lie in its queue. It returns
// the messages that the reader was handed.
func Glue(rec *timeline.Recorder, m Messages) ([]string, error) {
	return late(rec, m, 0, "hello", "world")
}

// NoDelay is Glue with TCP_NODELAY set, so that the sender joins nothing. Where the kernel tells (Linux), the number of segments that
// arrived is recorded.
func NoDelay(rec *timeline.Recorder, m Messages) ([]string, error) {
	return late(rec, m, 0, "hello", "world")
}

// Split sends one message of 3000 bytes.
func Split(rec *timeline.Recorder, m Messages) ([]string, error) {
	return late(rec, m, 0, strings.Repeat("a", 3000))
}

// Pause is Glue with three messages and a pause after each: the fix that is none. It returns also how long the sender slept.
func Pause(rec *timeline.Recorder, m Messages, pause time.Duration) (got []string, slept time.Duration, err error) {
	got, err = late(rec, m, pause, "one", "two", "three")
	var sends []timeline.Event
	for _, e := range rec.Events() {
		if e.Op == timeline.Send {
			sends = append(sends, e)
		}
	}
	if err == nil {
		slept = time.Duration(sends[len(sends)-1].US-sends[0].US) * time.Microsecond
		rec.Verdict("from the first send to the last: %d ms", slept.Milliseconds())
	}
	return got, slept, err
}

// late sends messages, closes the writing half, and lets the reader begin when everything lies in its queue. The
// reader takes messages until the end of the stream.
func late(rec *timeline.Recorder, m Messages, pause time.Duration, messages ...string) ([]string, error) {
	c, s, err := Pair(rec)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer s.Close()
	if err := c.(interface{ SetNoDelay(bool) error }).SetNoDelay(true); err != nil { // Go's default, said aloud
		return nil, err
	}
	for i, message := range messages {
		if i > 0 {
			time.Sleep(pause) // what the scene is about
		}
		if err := m.Send(c, []byte(message)); err != nil {
			return nil, err
		}
	}
	if err := Late(rec, s, sentBy(rec, "client")); err != nil {
		return nil, err
	}
	if n, err := loopback.Segments(s); err == nil {
		rec.State(n, "the kernel has counted %s with data", plural(n, "segment"))
	}
	c.(interface{ CloseWrite() error }).CloseWrite()
	return receiveAll(rec, s, m, messages)
}

// receiveAll takes messages to the end of the stream, records them as the reader's program sees them, and compares them with what was sent.
func receiveAll(rec *timeline.Recorder, conn net.Conn, m Messages, sent []string) ([]string, error) {
	var got []string
	for {
		message, err := m.Receive(conn)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return got, err
		}
		rec.Note("server", message, "message %d:", len(got)+1)
		got = append(got, string(message))
	}
	compare(rec, sent, got)
	return got, nil
}

// compare gives the verdict on messages sent and received.
func compare(rec *timeline.Recorder, sent, got []string) {
	rec.Verdict("%s", timeline.Compare(toBytes(sent), toBytes(got)))
}

func toBytes(ss []string) [][]byte {
	var bs [][]byte
	for _, s := range ss {
		bs = append(bs, []byte(s))
	}
	return bs
}

// sentBy adds up what a side has sent.
func sentBy(rec *timeline.Recorder, side string) int {
	n := 0
	for _, e := range rec.Events() {
		if e.Side == side && e.Op == timeline.Send {
			n += e.N
		}
	}
	return n
}

// Prompt sends two messages, each only after the one before was received: the reader happens to keep pace.
func Prompt(rec *timeline.Recorder, m Messages) ([]string, error) {
	c, s, err := Pair(rec)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer s.Close()
	sent := []string{"hello", "world"}
	var got []string
	for i, message := range sent {
		if err := m.Send(c, []byte(message)); err != nil {
			return nil, err
		}
		received, err := m.Receive(s)
		if err != nil {
			return nil, err
		}
		rec.Note("server", received, "message %d:", i+1)
		got = append(got, string(received))
	}
	compare(rec, sent, got)
	return got, nil
}

// needShell refuses scenes whose commands are written for a POSIX shell.
func needShell() error {
	if runtime.GOOS == "windows" {
		return fmt.Errorf("its commands are written for a POSIX shell: %w", errors.ErrUnsupported)
	}
	return nil
}

// Residue asks for an answer of 3000 bytes, and then for another one. It returns what the client printed for each.
func Residue(rec *timeline.Recorder, answer func(net.Conn) error, talk func(net.Conn, io.Reader, io.Writer) error) (printed []string, err error) {
	if err := needShell(); err != nil {
		return nil, err
	}
	printed, _, err = typed(rec, answer, talk, "printf %03000d 0", "echo second")
	if err != nil {
		return nil, err
	}
	if len(printed) == 2 {
		rec.Verdict("the answer to the second command, echo second, was printed as %s", brief(printed[1]))
	}
	return printed, nil
}

// brief is a text that fits into a sentence.
func brief(s string) string {
	if len(s) > 40 {
		return fmt.Sprintf("%q … (%d bytes)", s[:12], len(s))
	}
	return fmt.Sprintf("%q", s)
}

// SilentCommand runs a command that prints nothing. It returns what the client printed, and whether the two sides ended up waiting for
// each other.
func SilentCommand(rec *timeline.Recorder, answer func(net.Conn) error, talk func(net.Conn, io.Reader, io.Writer) error) (printed []string, stuck bool, err error) {
	if err := needShell(); err != nil {
		return nil, false, err
	}
	printed, stuck, err = typed(rec, answer, talk, "true", "echo next")
	if err == nil {
		rec.Verdict("2 commands typed, the first one silent: %d answered", len(printed))
	}
	return printed, stuck, err
}

// TwoCommands sends two commands back to back; the server comes when both lie in its queue. It returns what the server
// sent until it met the end of the stream.
func TwoCommands(rec *timeline.Recorder, send func(conn net.Conn, command string) error, answer func(net.Conn) error) (output string, err error) {
	c, s, err := Pair(rec)
	if err != nil {
		return "", err
	}
	defer c.Close()
	commands := []string{"echo a", "echo b"}
	for _, command := range commands {
		if err := send(c, command); err != nil {
			s.Close()
			return "", err
		}
	}
	if err := Late(rec, s, sentBy(rec, "client")); err != nil {
		s.Close()
		return "", err
	}
	c.(interface{ CloseWrite() error }).CloseWrite()
	aerr, rerr := both(func() error { return answer(s) }, func() error {
		all, err := io.ReadAll(c)
		output = string(all)
		return err
	})
	if err := errors.Join(aerr, rerr); err != nil {
		return "", err
	}
	rec.Verdict("%q and %q were sent; what the shell made of them printed %q", commands[0], commands[1], output)
	return output, nil
}

// zhong prints x and 1000 times the character 中 in GBK, where it is the bytes D6 D0: 2001 bytes in all.
const zhong = `printf x; printf '\326\320%.0s' $(seq 1000)`

// CutCharacter asks for an answer in which a two-byte character lies across byte 1024, and then for another one. The client decodes GBK. It
// returns how many of the 1000 characters came out right.
func CutCharacter(rec *timeline.Recorder, answer func(net.Conn) error, talk func(net.Conn, io.Reader, io.Writer) error) (whole int, err error) {
	if err := needShell(); err != nil {
		return 0, err
	}
	printed, _, err := typed(rec, answer, talk, zhong, "echo next")
	if err != nil {
		return 0, err
	}
	whole = strings.Count(strings.Join(printed, ""), "中")
	rec.Verdict("of 1000 characters 中 that the server sent, %d came out as 中", whole)
	return whole, nil
}

// WrongEncoding asks for an answer in UTF-8; the client decodes something else. It returns what the client printed. The
// scene itself answers: what a shell makes of echo 你好 depends on the system's code page.
func WrongEncoding(rec *timeline.Recorder, _ func(net.Conn) error, talk func(net.Conn, io.Reader, io.Writer) error) (printed []string, err error) {
	printed, _, err = typed(rec, answersOnce("你好\n"), talk, "echo 你好")
	if err == nil && len(printed) == 1 {
		rec.Verdict("the server sent 你好, the client printed %s, and nobody met an error", printed[0])
	}
	return printed, err
}

// answersOnce returns a server's answer function that takes one request and sends the same bytes whatever it was.
func answersOnce(text string) func(net.Conn) error {
	return func(conn net.Conn) error {
		defer conn.Close()
		if _, err := conn.Read(make([]byte, 1024)); err != nil {
			return err
		}
		_, err := io.WriteString(conn, text)
		return err
	}
}

// PipeBytes is what a pipe holds on Linux, see pipe(7).
const PipeBytes = 64 << 10

// TwoPipes asks for a command that writes PipeBytes bytes to standard error, and then one byte more. It returns how many bytes of the answer
// came. With hangs, nothing is expected, and the wait for the answer ends Hang after the pipe is full; the end of ctx
// then ends the command.
func TwoPipes(rec *timeline.Recorder, answer func(ctx context.Context, conn net.Conn) error, hangs bool) (came int, err error) {
	if err := needShell(); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "socketbook-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	mark := filepath.Join(dir, "full") // made by the command when it has filled the pipe
	c, s, err := Pair(rec)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, err = both(func() error { return answer(ctx, s) }, func() error {
		defer c.Close()
		defer cancel()
		if _, err := fmt.Fprintf(c, "head -c %d /dev/zero >&2; : >'%s'; head -c 1 /dev/zero >&2", PipeBytes, mark); err != nil {
			return err
		}
		if err := waitForFile(mark); err != nil {
			return err
		}
		rec.State(PipeBytes, "the command has written %d bytes to standard error and writes one more", PipeBytes)
		if hangs {
			c.SetReadDeadline(time.Now().Add(Hang))
		}
		k, err := io.Copy(io.Discard, io.LimitReader(c, PipeBytes+1))
		came = int(k)
		if hangs && errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		return err
	})
	rec.Verdict("the command wrote %d bytes to standard error; %d came to the client", PipeBytes+1, came)
	return came, err
}

// waitForFile asks again and again for a file that another process makes: nothing announces it.
func waitForFile(name string) error {
	watchdog := time.After(loopback.Patience)
	for {
		if _, err := os.Stat(name); err == nil {
			return nil
		}
		select {
		case <-time.After(time.Millisecond):
		case <-watchdog:
			return fmt.Errorf("waited %v for %s", loopback.Patience, name)
		}
	}
}

// Nagle measures exchanges in which the client writes twice and then reads, with Nagle's algorithm and without. It
// returns the median times.
func Nagle(rec *timeline.Recorder) (with, without time.Duration, err error) {
	for _, noDelay := range []bool{false, true} {
		c, s, err := Pair(rec)
		if err != nil {
			return 0, 0, err
		}
		median, err := writeWriteRead(c, s, noDelay)
		c.Close()
		s.Close()
		if err != nil {
			return 0, 0, err
		}
		if noDelay {
			without = median
		} else {
			with = median
			rec.State(0, "now the same with TCP_NODELAY")
		}
	}
	rec.Verdict("an exchange of two writes and one read takes %s with Nagle's algorithm, %s without", ms(with), ms(without))
	return with, without, nil
}

// writeWriteRead lets the client send each request in two pieces. The kernel holds the second piece back until the
// first is acknowledged, and the other kernel waits with its acknowledgement for an answer to put it on.
func writeWriteRead(c, s net.Conn, noDelay bool) (time.Duration, error) {
	const exchanges = 5
	if err := c.(interface{ SetNoDelay(bool) error }).SetNoDelay(noDelay); err != nil {
		return 0, err
	}
	var took []time.Duration
	_, err := both(func() error {
		request := make([]byte, 5)
		for range exchanges {
			if _, err := io.ReadFull(s, request); err != nil {
				return err
			}
			if _, err := s.Write(bytes.ToUpper(request)); err != nil {
				return err
			}
		}
		return nil
	}, func() error {
		buf := make([]byte, 5)
		for range exchanges {
			begin := time.Now()
			c.Write([]byte("he"))
			c.Write([]byte("llo"))
			if _, err := io.ReadFull(c, buf); err != nil {
				return err
			}
			took = append(took, time.Since(begin))
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

func ms(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
