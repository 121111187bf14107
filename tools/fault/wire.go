package fault

import (
	"io"
	"slices"
	"sync/atomic"
	"time"
)

// End says how the suite's side of a stream has ended.
type End int

// The ends of a stream.
const (
	Open      End = iota // it has not: more may come, or nothing forever
	HalfClose            // FIN: the reader meets io.EOF
	Reset                // RST: reads and writes fail with ECONNRESET or EPIPE
)

// Did is what the code under test has done to a connection so far.
type Did struct {
	Reads    int           // calls of Read with room for a byte, the one that still waits included
	Brought  int           // those of them that have returned bytes
	Taken    int           // bytes that they have returned
	Writes   int           // calls of Write with at least one byte, on UDP with any, also those that failed
	Written  int           // bytes that they took
	Errs     []error       // that Read and Write have returned, in order; io.EOF left out
	Deadline string        // the method that set a deadline last, such as "SetReadDeadline"; "" for none
	Timed    bool          // a deadline is set
	Patience time.Duration // the shortest time to a deadline that was set ahead; 0 for none
	Longest  time.Duration // on UDP: the longest time that a read deadline gave, seen from when it was set
	Passed   time.Time     // on UDP: the last read deadline of which a Read has reported that it had passed
	Endless  bool          // on UDP: a flood had to be ended, see [DatagramPeer.Flood]
	Closed   string        // the method that closed it last, "Close" or "CloseWrite"; "" for none
}

// side is the side of the code under test: what it did to its end of a connection, and its deadlines.
type side struct {
	watch
	did         Did
	read, write time.Time // the deadlines
	alarm       *time.Timer
	rung        time.Time // the read deadline whose alarm has gone off

	before map[string]func() error // method → what is to be done first
	after  func(n int) error       // what is to be done last in a Read that brings n bytes
	room   int                     // bytes that Writes take before broken; only used when that is set
	broken error
}

// Did tells what the code under test has done to the connection so far.
func (s *side) Did() (d Did) {
	s.look(func() {
		d = s.did
		d.Errs = slices.Clone(d.Errs)
		d.Timed = !s.read.IsZero() || !s.write.IsZero()
	})
	return d
}

// hasRead notes what a Read returns, and ends the goroutine if that is enough. take runs under the lock.
func (s *side) hasRead(n int, err error, take func()) {
	s.change(func() {
		take()
		s.did.Taken += n
		if n > 0 {
			s.did.Brought++
		}
		s.met(err)
	})
	s.count(err)
}

func (s *side) met(err error) {
	if err != nil && err != io.EOF {
		s.did.Errs = append(s.did.Errs, err)
	}
}

// Before makes f run at the beginning of each call of a method of the code under test, "Read", "Write"
// or "Close". An error of f is what that call returns, without any effect.
func (s *side) Before(method string, f func() error) {
	s.look(func() {
		if s.before == nil {
			s.before = map[string]func() error{}
		}
		s.before[method] = f
	})
}

// first does what Before has asked for.
func (s *side) first(method string) error {
	var f func() error
	s.look(func() { f = s.before[method] })
	if f == nil {
		return nil
	}
	return f()
}

// AfterRead makes f run at the end of each Read that brings n bytes, n > 0. An error of f is returned
// together with them.
func (s *side) AfterRead(f func(n int) error) { s.look(func() { s.after = f }) }

// Hold keeps a Read that has brought bytes from returning, or a Write or a Close from beginning, until
// release is called, once; held tells whether there is one. It takes the place of AfterRead or Before.
func (s *side) Hold(method string) (held func() bool, release func()) {
	var isHeld atomic.Bool
	over := make(chan struct{})
	wait := func() error {
		isHeld.Store(true)
		<-over
		return nil
	}
	if method == "Read" {
		s.AfterRead(func(int) error { return wait() })
	} else {
		s.Before(method, wait)
	}
	return isHeld.Load, func() { close(over) }
}

// last does what AfterRead has asked for.
func (s *side) last(n int) error {
	var f func(n int) error
	s.look(func() { f = s.after })
	if f == nil {
		return nil
	}
	return f(n)
}

// Break makes Writes take room more bytes. The one that has as many or more returns err with the number
// of those that it took, and so does every later one.
func (s *side) Break(room int, err error) { s.look(func() { s.room, s.broken = room, err }) }

// grant returns how many of n bytes a Write may take, and its error if there is no room for more.
func (s *side) grant(n int) (room int, full error) {
	s.look(func() {
		if room = n; s.broken == nil {
			return
		}
		room = min(n, s.room)
		if s.room -= room; s.room == 0 {
			full = s.broken
		}
	})
	return room, full
}

// closes notes a call of Close or CloseWrite.
func (s *side) closes(method string) { s.change(func() { s.did.Closed = method }) }

// expire sets deadlines; the methods of [net.Conn] are named after what they set.
func (s *side) expire(method string, t time.Time) {
	s.change(func() {
		s.did.Deadline = method
		if s.did.Closed != "Close" { // after that no deadline helps
			s.failed = 0
		}
		if ahead := time.Until(t); ahead > 0 && (s.did.Patience == 0 || ahead < s.did.Patience) {
			s.did.Patience = ahead
		}
		if method != "SetReadDeadline" {
			s.write = t
		}
		if method == "SetWriteDeadline" {
			return
		}
		s.read = t
		s.silence()
		if !t.IsZero() {
			s.alarm = time.AfterFunc(time.Until(t), func() { s.change(func() { s.rung = t }) })
		}
	})
}

// late reports whether the read deadline has passed, under the lock.
func (s *side) late() bool {
	return !s.read.IsZero() && (s.rung == s.read || time.Until(s.read) <= 0)
}

// idle reports whether no Read is about to end because of its deadline, under the lock.
func (s *side) idle() bool {
	return s.waiting == 0 || s.read.IsZero() || time.Until(s.read) > farAhead
}

// farAhead is more than any wait of a suite.
const farAhead = 10 * time.Second

// silence stops the alarm, under the lock.
func (s *side) silence() {
	if s.alarm != nil {
		s.alarm.Stop()
	}
}

// wire is what the two ends of a connection know of each other. The bytes themselves go through the
// kernel.
type wire struct {
	side

	// from the peer to the conn
	queue  []sending // not yet written into the socket
	busy   bool      // the sender is at work on one
	pieces []int     // lengths of what was sent and not yet read
	inside int       // calls that wait for the kernel, which has what they wait for
	end    End       // met by the reader after the last piece

	// from the conn to the peer
	received []byte
	over     error // why the peer's reading ended; nil while it goes on
}

// sending is one order for the sender: a piece, or an end.
type sending struct {
	piece []byte
	end   End
}

// ready reports whether a Read need not wait, under the lock.
func (w *wire) ready() bool {
	return len(w.pieces) > 0 || w.end != Open || w.late() || w.did.Closed == "Close"
}

// take notes that n bytes of the first pieces were read.
func (w *wire) take(n int) {
	for n > 0 && len(w.pieces) > 0 {
		k := min(n, w.pieces[0])
		w.pieces[0] -= k
		n -= k
		if w.pieces[0] == 0 {
			w.pieces = slices.Delete(w.pieces, 0, 1)
		}
	}
}
