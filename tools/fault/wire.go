package fault

import (
	"io"
	"slices"
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
	Reads    int     // calls of Read with room for a byte, the one that still waits included
	Brought  int     // those of them that have returned bytes
	Taken    int     // bytes that they have returned
	Writes   int     // calls of Write with at least one byte, on UDP with any, also those that failed
	Written  int     // bytes that they took
	Errs     []error // that Read and Write have returned, in order; io.EOF left out
	Deadline string  // the method that set a deadline last, such as "SetReadDeadline"; "" for none
	Timed    bool    // a deadline is set
	Closed   string  // the method that closed it last, "Close" or "CloseWrite"; "" for none
}

func (d *Did) read(n int, err error) {
	d.Taken += n
	if n > 0 {
		d.Brought++
	}
	d.met(err)
}

func (d *Did) met(err error) {
	if err != nil && err != io.EOF {
		d.Errs = append(d.Errs, err)
	}
}

// wire is what the two ends of a connection know of each other. The bytes themselves go through the kernel.
type wire struct {
	watch
	did    Did
	before map[string]func() error // method of the conn → what is to be done first

	// from the peer to the conn
	queue       []sending // not yet written into the socket
	busy        bool      // the sender is at work on one
	pieces      []int     // lengths of what was sent and not yet read
	end         End       // met by the reader after the last piece
	read, write time.Time // the deadlines
	expiry      *time.Timer
	expired     bool // the read deadline has passed

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
	return len(w.pieces) > 0 || w.end != Open || w.expired || w.did.Closed == "Close"
}

// first does what Before has asked for.
func (w *wire) first(method string) error {
	var f func() error
	w.look(func() { f = w.before[method] })
	if f == nil {
		return nil
	}
	return f()
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

// expire sets the read deadline, under the lock: when it passes, a Read that waits goes to the socket.
func (w *wire) expire(t time.Time) {
	if w.expiry != nil {
		w.expiry.Stop()
	}
	w.read, w.expired, w.expiry, w.failed = t, !t.IsZero() && time.Until(t) <= 0, nil, 0
	if t.IsZero() || w.expired {
		return
	}
	var mine *time.Timer
	mine = time.AfterFunc(time.Until(t), func() {
		w.change(func() { w.expired = w.expired || w.expiry == mine }) // unless another was set since
	})
	w.expiry = mine
}
