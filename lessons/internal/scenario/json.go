package scenario

import (
	"encoding/binary"
	"net"
	"strings"
	"unicode/utf8"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// SplitJSON lets the server send one message in two pieces: the 4 bytes of the length with the first
// 10 of the JSON, and the rest when the client has read those. Got is the message that the client
// was handed, Met the error that it met instead.
func SplitJSON(m Messages) Play { return inPieces(m, "hello", 14) }

// LongJSON lets the server send a frame whose JSON is longer than what the client's receive queue
// holds at first. Met is the error that the client met, N how many bytes it had read by then.
func LongJSON(frame []byte, m Messages) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			defer s.Close()
			s.Write(frame) // fails when the client refuses
		}()
		if err = loopback.WaitQueued(c, 16<<10); err == nil {
			rec.State(len(frame), "%d bytes are on their way; the client begins to read", len(frame))
			_, o.Met = m.Receive(c)
		}
		c.Close()
		<-sent
		if err != nil {
			return o, err
		}
		o.N = bytesRead(rec.Events(), "client")
		if o.Met == nil {
			rec.Verdict("the client took it")
		} else {
			rec.Verdict("the client met an error: %v", o.Met)
		}
		return o, nil
	})
}

// Understood sends a whole frame. Got is the payload that the client was handed, Met the error that
// it met.
func Understood(frame []byte, m Messages) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		if _, err := s.Write(frame); err != nil {
			return o, err
		}
		s.Close()
		payload, met := m.Receive(c)
		o.Got, o.Met = []string{string(payload)}, met
		if met != nil {
			rec.Note("client", nil, "meets: %v", met)
			rec.Verdict("the client met an error: %v", met)
			return o, nil
		}
		rec.Note("client", payload, "message:")
		rec.Verdict("the client took it: %s", brief(o.Got[0]))
		return o, nil
	})
}

// Changed lets the server send "transfer 100 to you", of which one byte is changed on the way. Got
// and Met are those of Understood.
func Changed(m Messages) Play {
	return func(rec *timeline.Recorder) (Outcome, error) {
		frame, err := framed(m, "transfer 100 to you")
		if err != nil {
			return Outcome{}, err
		}
		changed := strings.Replace(string(frame), "transfer 100", "transfer 900", 1)
		rec.State(0, "one byte is changed on the way: 100 becomes 900")
		return Understood([]byte(changed), m)(rec)
	}
}

// Big lets the server announce a payload with the given header, send its first 256 KiB of zeros and
// leave. Met is the error that the client met.
func Big(header func() ([]byte, error), receive func(conn net.Conn) error) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		head, err := header()
		if err != nil {
			return o, err
		}
		o.Met, err = both(func() error { return receive(c) }, func() error {
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
		if err != nil {
			return o, err
		}
		if o.Met != nil {
			rec.Note("client", nil, "is told: %v", o.Met)
			rec.Verdict("the client knows what is missing: %v", o.Met)
		}
		return o, nil
	})
}

// Characters sends a frame whose JSON has characters of several bytes. N is how many bytes it has more
// than characters; Got and Met are those of Understood.
func Characters(header func(payload string) ([]byte, error), m Messages) Play {
	return func(rec *timeline.Recorder) (Outcome, error) {
		const payload = "all is well"
		head, err := header(payload)
		if err != nil {
			return Outcome{}, err
		}
		said, text := binary.LittleEndian.Uint32(head), head[4:]
		rec.State(len(text), "the JSON has %d characters and %d bytes; its length is sent as %d",
			utf8.RuneCount(text), len(text), said)
		o, err := Understood(append(head, payload...), m)(rec)
		o.N = len(text) - utf8.RuneCount(text)
		return o, err
	}
}
