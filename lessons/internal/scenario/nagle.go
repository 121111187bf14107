package scenario

import (
	"errors"
	"io"
	"net"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// NagleJoins exchanges a few bytes over a fresh connection, so that the receiver begins to delay its
// acknowledgements, and then sends three small messages to a reader that waits for them: once with
// Nagle's algorithm and once without. Got are the bytes that the readers were handed. Where the
// kernel tells (Linux), N is how many segments fewer came with Nagle's algorithm.
func NagleJoins() Play {
	return unlessLate(func(rec *timeline.Recorder) (o Outcome, err error) {
		for _, nagle := range []bool{true, false} {
			rec.State(0, "a fresh connection, with Nagle's algorithm %s", onOff(nagle))
			part, err := onPair(func(rec *timeline.Recorder, c, s net.Conn) (Outcome, error) {
				return threeSends(rec, c, s, nagle)
			})(rec)
			if err != nil {
				return o, err
			}
			o.Got = append(o.Got, part.Got...)
			o.N = part.N - o.N
			arrived := "this system does not tell how many segments arrived"
			if part.N > 0 {
				arrived = "3 sends arrived as " + plural(part.N, "segment")
			}
			rec.Verdict("Nagle's algorithm %s: %s", onOff(nagle), arrived)
		}
		return o, nil
	})
}

// errLate is the error of a play on a machine that was too busy: what it shows has to be done within a
// time that the kernel sets.
var errLate = errors.New("this machine was too busy to play it in time")

// unlessLate plays until a play is in time, 20 times at most, and keeps that one.
func unlessLate(play Play) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		for range 20 {
			attempt := timeline.NewRecorder("")
			if o, err = play(attempt); !errors.Is(err, errLate) {
				rec.Replay(attempt.Snapshot())
				break
			}
		}
		return o, err
	}
}

// ackDelay is how long an acknowledgement waits at least for data to ride on: TCP_DELACK_MIN of Linux, of
// which a fifth is left out.
const ackDelay = 32 * time.Millisecond

// threeSends is one half of NagleJoins. N is the number of segments, 0 if the kernel does not tell.
func threeSends(rec *timeline.Recorder, c, s net.Conn, nagle bool) (o Outcome, err error) {
	if err := c.(interface{ SetNoDelay(bool) error }).SetNoDelay(!nagle); err != nil {
		return o, err
	}
	for range 2 { // from the second exchange on an acknowledgement waits for data to ride on
		if err := pingPong(c, s); err != nil {
			return o, err
		}
	}
	before, serr := loopback.Segments(s)
	received := make([]byte, 15)
	messages := []string{"first", "again", "third"}
	rerr, werr := both(func() error {
		_, err := io.ReadFull(s, received)
		return err
	}, func() error {
		begin := time.Now()
		for _, message := range messages {
			if _, err := c.Write([]byte(message)); err != nil {
				return err
			}
		}
		if time.Since(begin) > ackDelay {
			return errLate
		}
		return nil
	})
	if err := errors.Join(rerr, werr); err != nil {
		return o, err
	}
	o.Got = []string{string(received)}
	if after, err := loopback.Segments(s); err == nil && serr == nil {
		// A kernel that is not acknowledged at once may send its last segment again (RFC 8985, 7): what
		// is more than the messages is not new.
		o.N = min(after-before, len(messages))
		rec.State(o.N, "the kernel has counted %s with the three messages", plural(o.N, "segment"))
	}
	return o, nil
}

// pingPong sends a byte each way.
func pingPong(c, s net.Conn) error {
	buf := make([]byte, 1)
	for _, way := range [][2]net.Conn{{c, s}, {s, c}} {
		if _, err := way[0].Write([]byte(".")); err != nil {
			return err
		}
		if _, err := io.ReadFull(way[1], buf); err != nil {
			return err
		}
	}
	return nil
}
