package fault

import (
	"net"
	"sync"

	"socketbook/tools/loopback"
)

// smallPiece is what surely fits in the buffers of a socket whose reader does not read, in bytes.
const smallPiece = 16 << 10

// Join puts the adversary between the two ends of one connection: it returns conn for the code
// under test and peer for the suite. Closing conn closes under; closing peer closes both and waits
// for its goroutines.
//
// notify, which may be nil, is called without locks held whenever something changes on either side.
func Join(under, suite net.Conn, notify func()) (conn *Conn, peer *Peer) {
	w := &wire{}
	w.init(notify)
	conn = &Conn{Conn: under, wire: w}
	peer = &Peer{w: w, conn: suite, under: conn}
	peer.goroutines.Go(peer.collect)
	return conn, peer
}

// Peer is the suite's end. It reads all the time, so that the other side is never held up, and
// sends from a goroutine of its own, so that no method blocks.
type Peer struct {
	w          *wire
	conn       net.Conn
	under      *Conn
	goroutines sync.WaitGroup
}

// Conn is the other end, the one of the code under test.
func (p *Peer) Conn() *Conn { return p.under }

// Send sends the pieces in order. Each is the most that one Read on the other side returns; a piece
// of at most 16 KiB is in the receive queue as a whole before it can be read.
func (p *Peer) Send(pieces ...[]byte) {
	for _, piece := range pieces {
		if len(piece) > 0 {
			p.order(sending{piece: piece})
		}
	}
}

// CloseWrite ends the stream after what was sent: the other side meets io.EOF. It can still be heard.
func (p *Peer) CloseWrite() { p.order(sending{end: HalfClose}) }

// Reset aborts the connection when everything that was sent has been read: the next call on the
// other side fails.
func (p *Peer) Reset() { p.order(sending{end: Reset}) }

func (p *Peer) order(s sending) {
	p.w.change(func() {
		if p.w.stopped { // nobody would carry it out
			return
		}
		p.w.queue = append(p.w.queue, s)
		if !p.w.busy {
			p.w.busy = true
			p.goroutines.Go(p.send)
		}
	})
}

// Dead waits until the kernel has given the connection up, as it does after Reset. With Before it makes a
// Write come too late.
func (p *Peer) Dead() error {
	p.w.change(func() { p.w.inside++ }) // it waits for the kernel, and the code under test with it
	defer p.w.change(func() { p.w.inside-- })
	return loopback.WaitDead(p.under.Conn)
}

// Received returns what the other side has written so far.
func (p *Peer) Received() (data []byte) {
	p.w.look(func() { data = p.w.received[:len(p.w.received):len(p.w.received)] })
	return data
}

// Over returns why nothing more will be received: io.EOF when the other side has closed, another
// error when the connection broke; nil while it goes on.
func (p *Peer) Over() (err error) {
	p.w.look(func() { err = p.w.over })
	return err
}

// Close aborts the connection, so that no port stays in TIME_WAIT, ends the goroutines that are in it, and
// waits for the peer's.
func (p *Peer) Close() {
	p.under.Stop()
	p.Release()
}

// Release is Close for a connection that both sides have ended, and leaves goroutines alone: what the code
// under test calls there fails, as it does on any closed connection.
func (p *Peer) Release() {
	if err := loopback.Abort(p.conn); err != nil {
		p.conn.Close()
	}
	p.goroutines.Wait()
	p.w.look(func() {
		p.w.silence()
		p.w.queue = nil // nobody carries it out any more
	})
}

func (p *Peer) collect() {
	buf := make([]byte, 32<<10)
	for {
		n, err := p.conn.Read(buf)
		p.w.change(func() {
			p.w.received = append(p.w.received, buf[:n]...)
			p.w.over = err
		})
		if err != nil {
			return
		}
	}
}

// send carries orders out, until there are none.
func (p *Peer) send() {
	w := p.w
	for {
		var next *sending
		w.change(func() {
			if w.busy = len(w.queue) > 0 && !w.stopped; w.busy {
				next, w.queue = &w.queue[0], w.queue[1:]
			}
		})
		if next == nil {
			return
		}
		p.carryOut(*next)
	}
}

func (p *Peer) carryOut(s sending) {
	w := p.w
	announce := func() { w.change(func() { w.pieces = append(w.pieces, len(s.piece)) }) }
	switch {
	case s.end == HalfClose:
		if half, ok := p.conn.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
		w.change(func() { w.end = HalfClose })
	case s.end == Reset:
		w.mu.Lock()
		for len(w.pieces) > 0 && !w.stopped && w.did.Closed != "Close" {
			w.changed.Wait()
		}
		w.mu.Unlock()
		loopback.Abort(p.conn)
		p.Dead() // fails when the other side has closed already: then there is nothing to wait for
		w.change(func() { w.end = Reset })
	case len(s.piece) <= smallPiece:
		p.conn.Write(s.piece) // an error shows in collect, as the reason for Over
		announce()
	default:
		announce()
		p.conn.Write(s.piece)
	}
}
