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

// Glue sends "hello" and "world" back to back; the reader comes when both are in its queue. Got are
// the messages that the reader was handed.
func Glue(m Messages) Play { return late(m, 0, "hello", "world") }

// Split sends one message of 3000 bytes to such a late reader.
func Split(m Messages) Play { return late(m, 0, strings.Repeat("a", 3000)) }

// Pause sends three messages with pauses between them: the fix that isn't one. Got are the messages,
// and Took is how long it took from the first send to the last.
func Pause(m Messages, pause time.Duration) Play {
	return func(rec *timeline.Recorder) (Outcome, error) {
		o, err := late(m, pause, "one", "two", "three")(rec)
		if err != nil {
			return o, err
		}
		var sends []timeline.Event
		for _, e := range rec.Events() {
			if e.Op == timeline.Send {
				sends = append(sends, e)
			}
		}
		took := time.Duration(sends[len(sends)-1].US-sends[0].US) * time.Microsecond
		o.Took = []time.Duration{took}
		rec.Verdict("from the first send to the last: %d ms", took.Milliseconds())
		return o, nil
	}
}

// NoDelay is Glue twice, each time on a fresh connection: with TCP_NODELAY, so that the sender joins
// nothing, and without. Got are the messages that the readers were handed, all together. Where the
// kernel tells (Linux), N is the number of segments that arrived with TCP_NODELAY.
func NoDelay(m Messages) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		for _, on := range []bool{true, false} {
			rec.State(0, "a fresh connection with TCP_NODELAY %s", onOff(on))
			part, err := onPair(func(rec *timeline.Recorder, c, s net.Conn) (Outcome, error) {
				if err := c.(interface{ SetNoDelay(bool) error }).SetNoDelay(on); err != nil {
					return Outcome{}, err
				}
				return lateOn(rec, c, s, m, 0, "hello", "world")
			})(rec)
			if err != nil {
				return o, err
			}
			rec.Verdict("TCP_NODELAY %s: %s", onOff(on), compared([]string{"hello", "world"}, part.Got))
			o.Got = append(o.Got, part.Got...)
			if on {
				o.N = part.N
			}
		}
		return o, nil
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// late sends messages over a fresh connection, closes the writing half, and lets the reader begin
// when everything is in its queue. The reader takes messages until the end of the stream.
func late(m Messages, pause time.Duration, messages ...string) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (Outcome, error) {
		o, err := lateOn(rec, c, s, m, pause, messages...)
		if err == nil {
			compare(rec, messages, o.Got)
		}
		return o, err
	})
}

func lateOn(
	rec *timeline.Recorder, c, s net.Conn, m Messages, pause time.Duration, messages ...string,
) (o Outcome, err error) {
	sent := &countingWriter{Writer: c}
	for i, message := range messages {
		if i > 0 {
			time.Sleep(pause) // what the scene is about
		}
		if err := m.Send(sent, []byte(message)); err != nil {
			return o, err
		}
	}
	if err := Late(rec, s, sent.n); err != nil {
		return o, err
	}
	if n, err := loopback.Segments(s); err == nil {
		o.N = n
		rec.State(n, "the kernel has counted %s with data", plural(n, "segment"))
	}
	closeWrite(c)
	o.Got, err = receiveAll(rec, s, m)
	return o, err
}

// countingWriter counts the bytes that it passes on.
type countingWriter struct {
	io.Writer
	n int
}

func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.n += n
	return n, err
}

// receiveAll takes messages to the end of the stream, and records them as the reader's program sees
// them.
func receiveAll(rec *timeline.Recorder, conn net.Conn, m Messages) (got []string, err error) {
	for {
		message, err := m.Receive(conn)
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		rec.Note("server", message, "message %d:", len(got)+1)
		got = append(got, string(message))
	}
}

// compare gives the verdict on messages sent and received.
func compare(rec *timeline.Recorder, sent, got []string) { rec.Verdict("%s", compared(sent, got)) }

func compared(sent, got []string) string {
	return timeline.Compare(toBytes(sent), toBytes(got)).String()
}

func toBytes(ss []string) [][]byte {
	var bs [][]byte
	for _, s := range ss {
		bs = append(bs, []byte(s))
	}
	return bs
}

// Prompt sends two messages, each only after the one before was received: the reader happens to keep
// pace. Got are the messages that it was handed.
func Prompt(m Messages) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		sent := []string{"hello", "world"}
		for i, message := range sent {
			if err := m.Send(c, []byte(message)); err != nil {
				return o, err
			}
			received, err := m.Receive(s)
			if err != nil {
				return o, err
			}
			rec.Note("server", received, "message %d:", i+1)
			o.Got = append(o.Got, string(received))
		}
		compare(rec, sent, o.Got)
		return o, nil
	})
}

// needShell refuses scenes whose commands are written for a POSIX shell.
func needShell() error {
	if runtime.GOOS == "windows" {
		return fmt.Errorf("its commands are written for a POSIX shell: %w", errors.ErrUnsupported)
	}
	return nil
}

// Residue asks for an answer of 3000 bytes, and then for another one. Got is what the client printed
// for each.
func Residue(answer AnswerFunc, talk TalkFunc) Play {
	return shellTyped(answer, talk, []string{"printf %03000d 0", "echo second"},
		func(rec *timeline.Recorder, o *Outcome) {
			if len(o.Got) == 2 {
				rec.Verdict("the answer to the second command, echo second, was printed as %s",
					brief(o.Got[1]))
			}
		})
}

// shellTyped is typed with commands that are written for a POSIX shell; judge gives the verdict.
func shellTyped(
	answer AnswerFunc, talk TalkFunc, commands []string, judge func(*timeline.Recorder, *Outcome),
) Play {
	return func(rec *timeline.Recorder) (Outcome, error) {
		if err := needShell(); err != nil {
			return Outcome{}, err
		}
		o, err := typed(answer, talk, commands...)(rec)
		if err == nil {
			judge(rec, &o)
		}
		return o, err
	}
}

// brief is a text that fits into a sentence.
func brief(s string) string {
	if len(s) > 40 {
		return fmt.Sprintf("%q … (%d bytes)", s[:12], len(s))
	}
	return fmt.Sprintf("%q", s)
}

// SilentCommand runs a command that prints nothing. Got is what the client printed, Stuck whether the
// two sides ended up waiting for each other.
func SilentCommand(answer AnswerFunc, talk TalkFunc) Play {
	return shellTyped(answer, talk, []string{"true", "echo next"},
		func(rec *timeline.Recorder, o *Outcome) {
			rec.Verdict("2 commands typed, the first one silent: %d answered", len(o.Got))
		})
}

// TwoCommands sends two commands back to back; the server comes when both are in its queue. Got is
// what the server sent until it met the end of the stream.
func TwoCommands(send func(w io.Writer, command string) error, answer AnswerFunc) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		commands := []string{"echo a", "echo b"}
		output, err := backToBack(rec, c, s, commands, send, answer)
		if err != nil {
			return o, err
		}
		o.Got = []string{string(output)}
		rec.Verdict("%q and %q were sent; what the shell made of them printed %q",
			commands[0], commands[1], output)
		return o, nil
	})
}

// backToBack sends requests and closes the writing half. The server comes when all of them are in its
// queue. It returns what the server sent until it met the end of the stream.
func backToBack(
	rec *timeline.Recorder, c, s net.Conn, requests []string,
	send func(w io.Writer, request string) error, answer AnswerFunc,
) (output []byte, err error) {
	sent := &countingWriter{Writer: c}
	for _, request := range requests {
		if err := send(sent, request); err != nil {
			return nil, err
		}
	}
	if err := Late(rec, s, sent.n); err != nil {
		return nil, err
	}
	closeWrite(c)
	aerr, rerr := both(func() error { return answer(s) }, func() (err error) {
		output, err = io.ReadAll(c)
		return err
	})
	return output, errors.Join(aerr, rerr)
}

// zhong prints x and 1500 times the character 中 in GBK, where it is the bytes D6 D0: 3001 bytes, more
// than two reads of 1024 take, so that the next answer is in neither of them.
const zhong = `printf x; printf '\326\320%.0s' $(seq 1500)`

// CutCharacter asks for an answer in which a two-byte character lies across byte 1024, and then for
// another one. The client decodes GBK. N is how many of the 1500 characters came out right.
func CutCharacter(answer AnswerFunc, talk TalkFunc) Play {
	return shellTyped(answer, talk, []string{zhong, "echo next"},
		func(rec *timeline.Recorder, o *Outcome) {
			o.N = strings.Count(strings.Join(o.Got, ""), "中")
			rec.Verdict("of 1500 characters 中 that the server sent, %d came out as 中", o.N)
		})
}

// WrongEncoding asks for an answer in UTF-8; the client decodes something else. The scene itself
// answers: what a shell makes of echo 你好 depends on the system's code page. Got is what the client
// printed.
func WrongEncoding(talk TalkFunc) Play {
	return func(rec *timeline.Recorder) (Outcome, error) {
		o, err := typed(answersOnce("你好\n"), talk, "echo 你好")(rec)
		if err == nil && len(o.Got) == 1 {
			rec.Verdict("the server sent 你好, the client printed %s, and nobody met an error",
				o.Got[0])
		}
		return o, err
	}
}

// answersOnce returns a server's answer function that takes one request and sends the same bytes
// whatever it was.
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

// markVariable is the environment variable that tells TwoPipes' command which file to make.
const markVariable = "MARK"

// TwoPipes asks for a command that writes PipeBytes bytes to standard error, and then one byte more. N
// is how many bytes of the answer came. With hangs, nothing is expected, and the wait for the answer
// ends Hang after the pipe is full; the end of ctx then ends the command. Stuck is whether that wait
// ended by its deadline.
func TwoPipes(answer func(ctx context.Context, conn net.Conn) error, hangs bool) Play {
	if err := needShell(); err != nil {
		return func(*timeline.Recorder) (Outcome, error) { return Outcome{}, err }
	}
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		dir, err := os.MkdirTemp("", "socketbook-")
		if err != nil {
			return o, err
		}
		defer os.RemoveAll(dir)
		mark := filepath.Join(dir, "full") // made by the command when it has filled the pipe
		os.Setenv(markVariable, mark)      // so that the command is the same in every play
		defer os.Unsetenv(markVariable)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		_, err = both(func() error { return answer(ctx, s) }, func() error {
			defer c.Close()
			defer cancel()
			command := `head -c %d /dev/zero >&2; : >"$%s"; head -c 1 /dev/zero >&2`
			if _, err := fmt.Fprintf(c, command, PipeBytes, markVariable); err != nil {
				return err
			}
			if err := waitForFile(mark); err != nil {
				return err
			}
			rec.State(PipeBytes,
				"the command has written %d bytes to standard error and writes one more", PipeBytes)
			if hangs {
				c.SetReadDeadline(time.Now().Add(Hang))
			}
			n, err := io.Copy(io.Discard, io.LimitReader(c, PipeBytes+1))
			o.N, o.Stuck = int(n), errors.Is(err, os.ErrDeadlineExceeded)
			if hangs && o.Stuck {
				return nil
			}
			return err
		})
		rec.Verdict("the command wrote %d bytes to standard error; %d came to the client",
			PipeBytes+1, o.N)
		return o, err
	})
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

// Nagle measures exchanges in which the client writes twice and then reads, with Nagle's algorithm
// and without. Took are the two median times, in this order.
func Nagle() Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		for _, noDelay := range []bool{false, true} {
			if noDelay {
				rec.State(0, "now the same with TCP_NODELAY")
			}
			part, err := onPair(func(_ *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
				median, err := writeWriteRead(c, s, noDelay)
				return Outcome{Took: []time.Duration{median}}, err
			})(rec)
			if err != nil {
				return o, err
			}
			o.Took = append(o.Took, part.Took...)
		}
		rec.Verdict("an exchange of two writes and one read takes %s with Nagle's algorithm, %s without",
			ms(o.Took[0]), ms(o.Took[1]))
		return o, nil
	}
}

// writeWriteRead lets the client send each request in two pieces. The kernel holds the second piece
// back until the first is acknowledged, and the other kernel waits with its acknowledgement for an
// answer to put it on.
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
