package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"socketbook/tools/timeline"
)

// TwoPartsFunc sends one answer in two writes: what went wrong, and then the output. Either may be
// empty.
type TwoPartsFunc func(w io.Writer, errs, output []byte) error

// OneBehind lets a client ask twice. The server answers the first time in two writes, and makes each
// write when the client has read all that it was sent before. Got is what the client printed, N how
// many bytes of answers it left in its queue.
func OneBehind(send TwoPartsFunc, talk TalkFunc) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		asked := func() error {
			_, err := s.Read(make([]byte, 1024))
			return err
		}
		held := &keepingPace{Conn: s, rec: rec}
		serr, cerr := both(func() error {
			defer s.Close()
			if err := asked(); err != nil {
				return err
			}
			if err := send(held, []byte("warning: disk is old\n"), []byte("all is well\n")); err != nil {
				return err
			}
			if err := asked(); err != nil {
				return err
			}
			return send(held, nil, []byte("second\n"))
		}, func() error {
			o.Got, err = Talk(rec, "client", talk, c, "check", "echo second")
			if err != nil {
				return err
			}
			rest, err := io.ReadAll(c)
			if o.N = len(rest); o.N > 0 {
				rec.Note("client", rest, "has left in its queue")
			}
			return err
		})
		if len(o.Got) > 0 {
			rec.Verdict("the answer to the last command, echo second, was printed as %q",
				o.Got[len(o.Got)-1])
		}
		return o, errors.Join(serr, cerr)
	})
}

// keepingPace is a server's end whose writes wait until the client has read all that was written
// before: what the client's machine acknowledged would not be enough.
type keepingPace struct {
	net.Conn
	rec  *timeline.Recorder
	sent int
}

func (k *keepingPace) Write(p []byte) (int, error) {
	read := func(events []timeline.Event) bool { return bytesRead(events, "client") >= k.sent }
	if err := wait(k.rec, "the client to read what it was sent", read); err != nil {
		return 0, err
	}
	n, err := k.Conn.Write(p)
	k.sent += n
	return n, err
}

// FullBuffer sends one message of size bytes and keeps the connection open; the reader comes when all
// of it is in its queue. Got is the message that the reader was handed, Stuck whether it waited for
// more.
func FullBuffer(m Messages, size int) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		frame, err := framed(m, strings.Repeat("a", size))
		if err != nil {
			return o, err
		}
		if _, err := s.Write(frame); err != nil {
			return o, err
		}
		if err := Late(rec, c, len(frame)); err != nil {
			return o, err
		}
		silence := &standoff{rec: rec}
		message, err := m.Receive(silence.watchOne(c, len(frame)))
		if o.Stuck = silence.happened(); o.Stuck {
			rec.Verdict("all %d bytes came, and the client waits for more", size)
			return o, nil // the error is that of the deadline which the standoff set
		}
		if err != nil {
			return o, err
		}
		o.Got = []string{string(message)}
		rec.Note("client", message, "message:")
		rec.Verdict("the client was handed all %d bytes", len(message))
		return o, nil
	})
}

// LongCommand sends a command line of 1500 bytes, the end of which is a comment; what follows byte
// 1024 would be another command. The server comes when all of it is in its queue. Got are the lines
// that came back, Met is what answer returned.
func LongCommand(answer AnswerFunc) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		if err := needShell(); err != nil {
			return o, err
		}
		command := "echo hello # "
		command += strings.Repeat(".", 1024-len(command)) + "echo gotcha # "
		command += strings.Repeat(".", 1500-len(command))
		if _, err := io.WriteString(c, command); err != nil {
			return o, err
		}
		if err := Late(rec, s, len(command)); err != nil {
			return o, err
		}
		closeWrite(c)
		var output []byte
		o.Met, _ = both(func() error { return answer(s) }, func() error {
			output, _ = io.ReadAll(c) // to the end, or to the reset of a server that left bytes unread
			return nil
		})
		o.Got = strings.Fields(string(output))
		if o.Met != nil {
			rec.Note("server", nil, "log: %v", o.Met)
		}
		rec.Verdict("one command of %d bytes was sent; what came back: %q", len(command), o.Got)
		return o, nil
	})
}

// Pieces sends 15 lines of 99 characters, each but the last with its end. The client comes when all
// are in its queue, and prints them with print. Got are the lines that it printed.
func Pieces(print func(r io.Reader, w io.Writer) error) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		var lines []string
		for c := 'a'; c < 'a'+15; c++ {
			lines = append(lines, strings.Repeat(string(c), 99))
		}
		text := strings.Join(lines, "\n")
		if _, err := io.WriteString(s, text); err != nil {
			return o, err
		}
		if err := Late(rec, c, len(text)); err != nil {
			return o, err
		}
		s.Close()
		out := &printed{rec: rec, side: "client"}
		if err := print(c, out); err != nil {
			return o, err
		}
		o.Got = out.lines()
		whole := func(line string) bool { return slices.Contains(lines, line) }
		broken := slices.DeleteFunc(slices.Clone(o.Got), whole)
		if len(broken) == 0 {
			rec.Verdict("%d lines were sent and printed", len(lines))
		} else {
			rec.Verdict("%d lines were sent, %d printed: one of them is broken into %d and %d characters",
				len(lines), len(o.Got), len(broken[0]), len(broken[1]))
		}
		return o, nil
	})
}

// Quadratic sends one message of 32 KiB. N is how many bytes the client copied, as read counts them,
// until it had all of it.
func Quadratic(
	send func(w io.Writer, payload []byte) error, read func(r io.Reader) (size, copied int, err error),
) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		var size int
		serr, rerr := both(func() error {
			defer s.Close()
			return send(s, bytes.Repeat([]byte("a"), 32<<10))
		}, func() (err error) {
			size, o.N, err = read(c)
			return err
		})
		if err := errors.Join(serr, rerr); err != nil {
			return o, err
		}
		often := "once"
		if o.N != size {
			often = fmt.Sprintf("%.1f times on average", float64(o.N)/float64(size))
		}
		rec.Verdict("%d bytes came, and %d were copied: each of them %s", size, o.N, often)
		return o, nil
	})
}
