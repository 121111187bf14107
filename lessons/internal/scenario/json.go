package scenario

import (
	"net"
	"strings"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// SplitJSON lets the server send one message in two pieces: the 4 bytes of the length with the first 10 of the JSON,
// and the rest when the client has read those. It returns the message that the client was handed, or the error it met.
func SplitJSON(rec *timeline.Recorder, m Messages) (got string, met error, err error) {
	frame, err := framed(m, "hello")
	if err != nil {
		return "", nil, err
	}
	return inPieces(rec, m, "hello", frame[:14], frame[14:])
}

// LongJSON lets the server send a frame whose JSON has 300 KB, more than the client's receive queue holds at first. It returns the error that the
// client met, and how much of it the client had read by then.
func LongJSON(rec *timeline.Recorder, frame []byte, m Messages) (met error, read int, err error) {
	c, s, err := Pair(rec)
	if err != nil {
		return nil, 0, err
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		defer s.Close()
		s.Write(frame) // fails when the client refuses
	}()
	if err := loopback.WaitQueued(c, 16<<10); err == nil {
		rec.State(len(frame), "%d bytes are on their way; the client begins to read", len(frame))
		_, met = m.Receive(c)
	}
	c.Close()
	<-sent
	if err != nil {
		return nil, 0, err
	}
	read = bytesRead(rec.Events(), "client")
	if met == nil {
		rec.Verdict("the client took it")
	} else {
		rec.Verdict("the client met an error: %v", met)
	}
	return met, read, nil
}

// Understood sends a whole frame and returns the payload that the client was handed, or the error that it met.
func Understood(rec *timeline.Recorder, frame []byte, m Messages) (got string, met error, err error) {
	c, s, err := Pair(rec)
	if err != nil {
		return "", nil, err
	}
	defer c.Close()
	if _, err := s.Write(frame); err != nil {
		return "", nil, err
	}
	s.Close()
	payload, met := m.Receive(c)
	got = string(payload)
	if met != nil {
		rec.Note("client", nil, "meets: %v", met)
		rec.Verdict("the client met an error: %v", met)
		return got, met, nil
	}
	rec.Note("client", payload, "message:")
	rec.Verdict("the client took it: %s", brief(got))
	return got, nil, nil
}

// Changed lets the server send "transfer 100 to you", of which one byte is changed on the way. It returns what the client was
// handed, or the error that it met.
func Changed(rec *timeline.Recorder, m Messages) (got string, met error, err error) {
	frame, err := framed(m, "transfer 100 to you")
	if err != nil {
		return "", nil, err
	}
	changed := strings.Replace(string(frame), "transfer 100", "transfer 900", 1)
	rec.State(0, "one byte is changed on the way: 100 becomes 900")
	return Understood(rec, []byte(changed), m)
}

// Big lets the server announce a payload with the given header, send its first 256 KiB of zeros and leave. It returns the error
// that the client met.
func Big(rec *timeline.Recorder, head []byte, receive func(conn net.Conn) error) (met error, err error) {
	c, s, err := Pair(rec)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	met, failed := both(func() error { return receive(c) }, func() error {
		defer s.Close()
		if _, err := s.Write(head); err != nil {
			return err
		}
		beginning := make([]byte, 64<<10)
		for range 4 {
			if _, err := s.Write(beginning); err != nil {
				return err
			}
		}
		return nil
	})
	if failed != nil {
		return nil, failed
	}
	if met != nil {
		rec.Note("client", nil, "is told: %v", met)
		rec.Verdict("the client knows what is missing: %v", met)
	}
	return met, nil
}
