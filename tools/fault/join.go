package fault

import (
	"net"
	"slices"
	"sync"
	"time"
)

// End says how the suite's side of a stream has ended.
type End int

// The ends of a stream.
const (
	Open      End = iota // it has not: more may come, or nothing for ever
	HalfClose            // FIN: the reader meets io.EOF
	Reset                // RST: reads and writes fail with ECONNRESET or EPIPE
)

// wire is what the two ends of a connection know of each other. The bytes themselves go through the kernel.
type wire struct {
	mu   sync.Mutex
	cond sync.Cond

	// from the peer to the conn
	queue   []sending // not yet written into the socket
	busy    bool      // the sender is at work on one
	pieces  []int     // lengths of what was sent and not yet read
	sent    int       // bytes handed to Send
	taken   int       // bytes that Reads returned
	end     End       // met by the reader after the last piece
	waiting int       // Reads that wait for what was not sent
	expiry  *time.Timer
	expired bool  // the read deadline has passed
	timed   bool  // a read deadline is set
	failed  int   // Reads and Writes that failed, time-outs left out
	late    int   // time-outs since a deadline was set
	err     error // the last one of a Read or Write, io.EOF left out
	spun    []byte
	stopped bool
	closed  bool // by the code under test

	closedWrite bool // likewise, the writing half

	// from the conn to the peer
	written  int // bytes that Writes put into the socket
	received []byte
	over     error // why the peer's reading ended; nil while it goes on

	notify func()
}

// sending is one order for the sender: a piece, or an end.
type sending struct {
	piece []byte
	end   End
}

// Join puts the adversary between the two ends of one connection: it returns conn for the code under test and peer for
// the suite. Closing conn closes under; closing peer closes both and waits for its goroutines.
//
// notify, which may be nil, is called without locks held whenever something changes on either side.
func Join(under, suite net.Conn, notify func()) (conn *Conn, peer *Peer) {
	if notify == nil {
		notify = func() {}
	}
	w := &wire{notify: notify}
	w.cond.L = &w.mu
	peer = &Peer{w: w, conn: suite}
	conn = &Conn{Conn: under, w: w}
	peer.under = conn
	peer.goroutines.Add(2)
	go peer.collect()
	go peer.send()
	return conn, peer
}

// change runs f under the lock and tells everybody.
func (w *wire) change(f func()) {
	w.mu.Lock()
	f()
	w.cond.Broadcast()
	w.mu.Unlock()
	w.notify()
}

// look runs f under the lock.
func (w *wire) look(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// take notes that n bytes of the first piece were read.
func (w *wire) take(n int) {
	w.taken += n
	for n > 0 && len(w.pieces) > 0 {
		k := min(n, w.pieces[0])
		w.pieces[0] -= k
		n -= k
		if w.pieces[0] == 0 {
			w.pieces = slices.Delete(w.pieces, 0, 1)
		}
	}
}
