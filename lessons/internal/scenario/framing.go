package scenario

import (
	"bytes"
	"io"
	"net"
	"strings"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// SplitHeader lets the server send one message in two pieces: the first 2 bytes, and the rest when
// the client has read those. Got is the message that the client was handed, Met the error that it
// met instead.
func SplitHeader(m Messages) Play { return inPieces(m, "hello", 2) }

// inPieces sends a message in two pieces, the second one when the client has read the first one to
// its end, which has the given size.
func inPieces(m Messages, message string, first int) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		frame, err := framed(m, message)
		if err != nil {
			return o, err
		}
		var payload []byte
		o.Met, err = both(func() (err error) {
			payload, err = m.Receive(c)
			return err
		}, func() error {
			defer s.Close()
			if _, err := s.Write(frame[:first]); err != nil {
				return err
			}
			read := func(events []timeline.Event) bool { return bytesRead(events, "client") >= first }
			if err := wait(rec, "the client to read the first piece", read); err != nil {
				return err
			}
			_, err := s.Write(frame[first:])
			return err
		})
		if err != nil {
			return o, err
		}
		if o.Met != nil {
			rec.Verdict("the client met an error: %v", o.Met)
			return o, nil
		}
		o.Got = []string{string(payload)}
		rec.Note("client", payload, "message:")
		compare(rec, []string{message}, o.Got)
		return o, nil
	})
}

// bytesRead adds up what a side has read.
func bytesRead(events []timeline.Event, side string) int {
	n := 0
	for _, e := range events {
		if e.Side == side && e.Op == timeline.Recv {
			n += e.N
		}
	}
	return n
}

// framed returns the bytes that a stage puts into the stream for a message.
func framed(m Messages, message string) ([]byte, error) {
	var frame bytes.Buffer
	err := m.Send(&frame, []byte(message))
	return frame.Bytes(), err
}

// OverRead lets the server send two answers; the client comes when both are in its queue, and takes
// two messages. Got are the messages.
func OverRead(m Messages) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		sent := []string{"first", "second"}
		queue := &countingWriter{Writer: s}
		for _, message := range sent {
			if err := m.Send(queue, []byte(message)); err != nil {
				return o, err
			}
		}
		if err := Late(rec, c, queue.n); err != nil {
			return o, err
		}
		closeWrite(s)
		for i := range sent {
			message, err := m.Receive(c)
			if err != nil {
				return o, err
			}
			rec.Note("client", message, "message %d:", i+1)
			o.Got = append(o.Got, string(message))
		}
		compare(rec, sent, o.Got)
		return o, nil
	})
}

// CutShort lets the server announce 100 bytes, send 10 and close. Met is what the client's receive
// function returned, N how many times it read after the end; after spinReads times the scene ends
// its goroutine.
func CutShort(m Messages) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		frame, err := framed(m, strings.Repeat("a", 100))
		if err != nil {
			return o, err
		}
		if _, err := s.Write(frame[:len(frame)-90]); err != nil {
			return o, err
		}
		s.Close()
		rec.State(0, "the server announced 100 bytes, sent 10 and left")
		over := make(chan struct{})
		go func() {
			defer close(over)
			_, o.Met = m.Receive(&bounded{Conn: c, left: 2 + spinReads})
		}()
		<-over
		o.N = timeline.Count(rec.Events(), "client", timeline.EOF)
		if o.Met == nil {
			rec.Verdict("the client read 0 bytes %s, waiting for 90 that never come; "+
				"only the scene stopped it", times(o.N))
		} else {
			rec.Verdict("the client gives up: %v", o.Met)
		}
		return o, nil
	})
}

// EncodeFunc returns the header for a payload of size bytes.
type EncodeFunc func(size int64) ([4]byte, error)

// DecodeFunc returns the size of the payload that a header announces, in bytes.
type DecodeFunc func(header [4]byte) (int64, error)

// ByteOrder sends the header for 3 bytes and lets the client decode it. N is the size that the
// client sees.
func ByteOrder(encode EncodeFunc, decode DecodeFunc) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		header, err := encode(3)
		if err != nil {
			return o, err
		}
		got, err := carry(c, s, header)
		if err != nil {
			return o, err
		}
		size, err := decode(got)
		o.N = int(size)
		rec.Verdict("the header for 3 bytes is % x; the client takes it for %d", header, size)
		return o, err
	})
}

// LengthOverflow asks for the header of a payload of 2 GiB and 5 bytes. When there is one, it is
// sent, and read as the int32 that it is: N is what the client sees. Met is the error that kept it
// from being sent.
func LengthOverflow(encode EncodeFunc) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		const large int64 = 2<<30 + 5 // bytes
		header, refused := encode(large)
		if refused != nil {
			o.Met = refused
			rec.Note("server", nil, "refuses: %v", refused)
			rec.Verdict("nothing is sent: %v", refused)
			return o, nil
		}
		got, err := carry(c, s, header)
		size := int32(uint32(got[0]) | uint32(got[1])<<8 | uint32(got[2])<<16 | uint32(got[3])<<24)
		o.N = int(size)
		rec.Verdict("a size of %d bytes arrived as %d", large, size)
		return o, err
	})
}

// carry sends a header from s to c.
func carry(c, s net.Conn, header [4]byte) (got [4]byte, err error) {
	if _, err := s.Write(header[:]); err != nil {
		return got, err
	}
	_, err = io.ReadFull(c, got[:])
	return got, err
}

// Refused sends the beginning of a message, and keeps the connection open: a client that believes it
// waits. Met is the error that the client's receive function returned, Stuck whether it waited.
func Refused(beginning []byte, receive func(conn net.Conn) error) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		if _, err := s.Write(beginning); err != nil {
			return o, err
		}
		if err := loopback.WaitQueued(c, min(len(beginning), 4)); err != nil {
			return o, err
		}
		silence := &standoff{rec: rec}
		o.Met = receive(silence.watchOne(c, len(beginning)))
		if o.Stuck = silence.happened(); o.Stuck {
			o.Met = nil // the deadline that the standoff set
		}
		if o.Met == nil {
			rec.Verdict("the client believes it")
			return o, nil
		}
		rec.Note("client", nil, "refuses: %v", o.Met)
		rec.Verdict("the client refuses: %v", o.Met)
		return o, nil
	})
}

// Received is what a receiver knows about a payload besides its bytes.
type Received struct {
	Name string
	Sum  string // checksum, in hex
}

// File is how a stage sends and receives something that has a name.
type File struct {
	Send    func(w io.Writer, name string, payload []byte) error
	Receive func(r io.Reader) (Received, error)
	Fits    func(size int64) error // whether a header can announce that many bytes
}

// NoName sends a file with a name. Got is the name and the checksum that the receiver knows, each ""
// if it does not; Met is why a size of 5 GiB cannot be announced.
func NoName(f File) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		if err := f.Send(s, "report.txt", []byte("all is well\n")); err != nil {
			return o, err
		}
		known, err := f.Receive(c)
		if err != nil {
			return o, err
		}
		o.Got, o.Met = []string{known.Name, known.Sum}, f.Fits(5<<30)
		has := func(what, s string) string {
			if s == "" {
				return "no " + what
			}
			return what + " " + s
		}
		rec.Verdict("sent: report.txt; the receiver knows: %s, %s",
			has("name", known.Name), has("checksum", known.Sum))
		if o.Met == nil {
			rec.Verdict("a payload of 5 GiB can be announced")
		} else {
			rec.Verdict("5 GiB cannot be announced: %v", o.Met)
		}
		return o, nil
	})
}
