package scenario

import (
	"fmt"
	"io"
	"net"
	"time"

	"socketbook/tools/timeline"
)

// Play is a scenario with its arguments: what a scene shows is what a test plays. It returns an
// error only when it could not be played, one that is errors.ErrUnsupported if this system never
// can. What the programs did, their errors included, is in the outcome and in the events.
type Play func(rec *timeline.Recorder) (Outcome, error)

// Outcome is what came of a play, besides the events. Each scenario says which fields it fills.
type Outcome struct {
	Got   []string        // the messages that a program was handed, or the lines that it printed
	Met   error           // what the program that the scenario is about met or returned; nil is no error
	Stuck bool            // it would have waited forever, and the scene put an end to that
	N     int             // what the scenario counts: reads, bytes, characters
	Took  []time.Duration // what the scenario measures

	// Attacked is what came of an attack, for each server that was attacked.
	Attacked []Attacked

	// Pcap is what crossed the wire, as a file that Wireshark reads, if the play recorded it.
	Pcap []byte

	// Lacking is what this machine lacks, if a recording was shown instead or something left out.
	Lacking string
}

// AnswerFunc is a server's half of a conversation. It closes conn.
type AnswerFunc func(conn net.Conn) error

// TalkFunc is a client's half of a conversation. It does not close conn.
type TalkFunc func(conn net.Conn, in io.Reader, out io.Writer) error

// onPair returns a play on both ends of a fresh connection, which are closed when it ends.
func onPair(play func(rec *timeline.Recorder, c, s net.Conn) (Outcome, error)) Play {
	return func(rec *timeline.Recorder) (Outcome, error) {
		c, s, err := Pair(rec)
		if err != nil {
			return Outcome{}, err
		}
		defer c.Close()
		defer s.Close()
		return play(rec, c, s)
	}
}

func closeWrite(conn net.Conn) error {
	return conn.(interface{ CloseWrite() error }).CloseWrite()
}

// pollFor asks again and again for what nothing announces.
func pollFor(patience time.Duration, what string, happened func() bool) error {
	watchdog := time.After(patience)
	for {
		if happened() {
			return nil
		}
		select {
		case <-time.After(time.Millisecond):
		case <-watchdog:
			return fmt.Errorf("waited %v for %s", patience, what)
		}
	}
}
