package scenario

import (
	"bytes"
	"io"
	"net"
	"strings"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// SplitHeader lets the server send one message in two pieces: the first 2 bytes, and the rest when the client has read
// those. It returns the message that the client was handed.
func SplitHeader(rec *timeline.Recorder, m Messages) (got string, met error, err error) {
	frame, err := framed(m, "hello")
	if err != nil {
		return "", nil, err
	}
	return inPieces(rec, m, "hello", frame[:2], frame[2:])
}

// inPieces sends the pieces of a frame, each when the client has read the one before to its end.
func inPieces(rec *timeline.Recorder, m Messages, message string, pieces ...[]byte) (got string, met error, err error) {
	c, s, err := Pair(rec)
	if err != nil {
		return "", nil, err
	}
	defer c.Close()
	received, failed := both(func() error {
		payload, err := m.Receive(c)
		got = string(payload)
		return err
	}, func() error {
		defer s.Close()
		sent := 0
		for _, piece := range pieces {
			read := func(events []timeline.Event) bool { return bytesRead(events, "client") >= sent }
			if err := wait(rec, "the client to read the first piece", read); err != nil {
				return err
			}
			if _, err := s.Write(piece); err != nil {
				return err
			}
			sent += len(piece)
		}
		return nil
	})
	if failed != nil {
		return "", nil, failed
	}
	if received != nil {
		rec.Verdict("the client met an error: %v", received)
		return "", received, nil
	}
	rec.Note("client", []byte(got), "message:")
	compare(rec, []string{message}, []string{got})
	return got, nil, nil
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

// OverRead lets the server send two answers; the client comes when both lie in its queue, and takes two messages. It returns them.
func OverRead(rec *timeline.Recorder, m Messages) (got []string, err error) {
	c, s, err := Pair(rec)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer s.Close()
	sent := []string{"first", "second"}
	for _, message := range sent {
		if err := m.Send(s, []byte(message)); err != nil {
			return nil, err
		}
	}
	if err := Late(rec, c, sentBy(rec, "server")); err != nil {
		return nil, err
	}
	s.(interface{ CloseWrite() error }).CloseWrite()
	for i := range sent {
		message, err := m.Receive(c)
		if err != nil {
			return got, err
		}
		rec.Note("client", message, "message %d:", i+1)
		got = append(got, string(message))
	}
	compare(rec, sent, got)
	return got, nil
}

// CutShort lets the server announce 100 bytes, send 10 and close. It returns what the client's receive function returned,
// and how many times it read after the end; after spinReads times the scene ends its goroutine.
func CutShort(rec *timeline.Recorder, m Messages) (met error, reads int, err error) {
	frame, err := framed(m, strings.Repeat("a", 100))
	if err != nil {
		return nil, 0, err
	}
	c, s, err := Pair(rec)
	if err != nil {
		return nil, 0, err
	}
	defer c.Close()
	if _, err := s.Write(frame[:len(frame)-90]); err != nil {
		return nil, 0, err
	}
	s.Close()
	rec.State(0, "the server announced 100 bytes, sent 10 and left")
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, met = m.Receive(&bounded{Conn: c, left: 2 + spinReads})
	}()
	<-over
	reads = timeline.Count(rec.Events(), "client", timeline.EOF)
	if met == nil {
		rec.Verdict("the client read 0 bytes %s, waiting for 90 that never come; only the scene stopped it", times(reads))
	} else {
		rec.Verdict("the client gives up: %v", met)
	}
	return met, reads, nil
}

// ByteOrder sends the header for 3 bytes and lets the client decode it. It returns the size that the client sees.
func ByteOrder(rec *timeline.Recorder, encode func(size int64) ([4]byte, error), decode func(header [4]byte) (int64, error)) (size int64, err error) {
	header, err := encode(3)
	if err != nil {
		return 0, err
	}
	got, err := carry(rec, header)
	if err != nil {
		return 0, err
	}
	if size, err = decode(got); err != nil {
		return 0, err
	}
	rec.Verdict("the header for 3 bytes is % x; the client takes it for %d", header, size)
	return size, nil
}

// LengthOverflow asks for the header of a payload of 2 GiB and 5 bytes. When there is one, it is sent, and read as the int32 that
// it is. It returns what the client sees, or the error that kept the header from being sent.
func LengthOverflow(rec *timeline.Recorder, encode func(size int64) ([4]byte, error)) (size int32, refused error, err error) {
	const large int64 = 2<<30 + 5 // bytes
	header, refused := encode(large)
	if refused != nil {
		rec.Verdict("nothing is sent: %v", refused)
		rec.Note("server", nil, "refuses: %v", refused)
		return 0, refused, nil
	}
	got, err := carry(rec, header)
	if err != nil {
		return 0, nil, err
	}
	size = int32(uint32(got[0]) | uint32(got[1])<<8 | uint32(got[2])<<16 | uint32(got[3])<<24)
	rec.Verdict("a size of %d bytes arrived as %d", large, size)
	return size, nil, nil
}

// carry sends a header over a fresh connection.
func carry(rec *timeline.Recorder, header [4]byte) (got [4]byte, err error) {
	c, s, err := Pair(rec)
	if err != nil {
		return got, err
	}
	defer c.Close()
	defer s.Close()
	if _, err := s.Write(header[:]); err != nil {
		return got, err
	}
	_, err = io.ReadFull(c, got[:])
	return got, err
}

// Refused sends the beginning of a message, and keeps the connection open: whoever believes it waits. It returns the error that the
// client's receive function returned.
func Refused(rec *timeline.Recorder, beginning []byte, receive func(conn net.Conn) error) (met error, err error) {
	c, s, err := Pair(rec)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer s.Close()
	if _, err := s.Write(beginning); err != nil {
		return nil, err
	}
	if err := loopback.WaitQueued(c, min(len(beginning), 4)); err != nil {
		return nil, err
	}
	silence := &standoff{rec: rec}
	wc := silence.watchOne(c, len(beginning))
	met = receive(wc)
	if silence.happened() {
		met = nil
	}
	if met == nil {
		rec.Verdict("the client believes it")
		return nil, nil
	}
	rec.Note("client", nil, "refuses: %v", met)
	rec.Verdict("the client refuses: %v", met)
	return met, nil
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

// NoName sends a file with a name. It returns what the receiver knows of it, and whether a size of 5 GiB could be announced.
func NoName(rec *timeline.Recorder, f File) (known Received, fits bool, err error) {
	c, s, err := Pair(rec)
	if err != nil {
		return Received{}, false, err
	}
	defer c.Close()
	defer s.Close()
	if err := f.Send(s, "report.txt", []byte("all is well\n")); err != nil {
		return Received{}, false, err
	}
	if known, err = f.Receive(c); err != nil {
		return Received{}, false, err
	}
	tooLarge := f.Fits(5 << 30)
	has := func(what, s string) string {
		if s == "" {
			return "no " + what
		}
		return what + " " + s
	}
	rec.Verdict("sent: report.txt; the receiver knows: %s, %s", has("name", known.Name), has("checksum", known.Sum))
	if tooLarge == nil {
		rec.Verdict("a payload of 5 GiB can be announced")
	} else {
		rec.Verdict("5 GiB cannot be announced: %v", tooLarge)
	}
	return known, tooLarge == nil, nil
}
