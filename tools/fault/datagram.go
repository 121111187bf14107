package fault

import (
	"bytes"
	"errors"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

const (
	patience    = 300 * time.Millisecond // for a timer of the code under test that is to end a Read without a deadline
	downpour    = 30                     // datagrams of a flood that come before a deadline passes
	maxLater    = 20                     // deadlines in a row, each later than the one before; sound code does not put any off
	standstill  = time.Minute            // for which a busy machine may keep the code under test between two steps
	word        = time.Second            // in which the kernel says that nobody is there; it does so at once
	maxDatagram = 1 << 16                // bytes; more than one carries
)

// JoinDatagrams puts the adversary between the two ends of a UDP conversation: under, which is connected, and suite, to which
// it is. It returns conn for the code under test and peer for the suite, which closes both. notify is as in [Join].
func JoinDatagrams(under net.Conn, suite net.PacketConn, notify func()) (conn *DatagramConn, peer *DatagramPeer) {
	if notify == nil {
		notify = func() {}
	}
	w := &post{notify: notify, suite: suite, client: under.LocalAddr(), clock: time.Now()}
	w.cond.L = &w.mu
	conn = &DatagramConn{Conn: under, w: w}
	peer = &DatagramPeer{w: w, under: conn, done: make(chan struct{})}
	go peer.collect()
	return conn, peer
}

// post is what the two ends of a UDP conversation know of each other. The datagrams themselves go through the kernel.
type post struct {
	mu     sync.Mutex
	cond   sync.Cond
	suite  net.PacketConn
	client net.Addr

	requests [][]byte // that the peer has received
	answer   func(i int, request []byte) [][]byte
	flood    func() []byte
	written  int // datagrams that Writes put into the socket
	handled  int // of those, the ones that have been answered or let go
	ready    int // datagrams that lie in the queue of the code under test

	read, write time.Time     // the deadlines
	clock       time.Time     // deadlines up to here have passed
	longest     time.Duration // that a deadline gave a Read
	pestered    int           // datagrams of the flood since the last Write
	last        time.Time     // the last read deadline since then
	later       int           // read deadlines in a row that were put off
	extended    bool

	waiting int       // Reads that wait
	since   time.Time // the last one of them
	failed  int       // Reads and Writes that failed, time-outs left out
	spun    []byte
	stopped bool
	closed  bool // by the code under test
	gone    bool // the peer's socket is closed
	refused bool // a datagram sent since then, which the kernel has not told of yet

	notify func()
}

func (w *post) change(f func()) {
	w.mu.Lock()
	f()
	w.cond.Broadcast()
	w.mu.Unlock()
	w.notify()
}

func (w *post) look(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// wind puts the clock forward, under the lock, when it is too far behind.
func (w *post) wind() {
	if least := time.Now().Add(-standstill); w.clock.Before(least) {
		w.clock = least
	}
}

// passed reports whether a deadline has passed, under the lock.
func (w *post) passed(deadline time.Time) bool {
	return !deadline.IsZero() && !deadline.After(w.clock)
}

// DatagramConn is the end of a UDP conversation that the code under test gets. It has a clock of its own: deadlines do not
// pass while an answer is under way, however busy the machine is; when nothing will come before a deadline it passes at once, and
// the clock then stands there. The code under test should therefore not be given less and less time on one conn.
//
// The clock begins when conn is made, and when a deadline is set it is put to a minute ago if it stands before that. So
// a deadline of long ago, or time.Unix(1, 0), has passed when it is set, as for any connection; but one that passed
// in the last minute counts as not yet passed: the machine may have stood still between time.Now and SetReadDeadline.
type DatagramConn struct {
	net.Conn
	w       *post
	reading sync.Mutex
}

// Read waits for a datagram or the deadline, and reads from the socket.
func (c *DatagramConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil // as the socket does, which keeps the datagram
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.await() == timeout {
		return 0, c.timeout("read")
	}
	n, err := c.Conn.Read(p)
	c.count(err)
	return n, err
}

// step is what a Read does next.
type step int

const (
	wait    step = iota
	receive      // from the socket, which has a datagram or an error
	pester       // receive, when the peer has sent one more of its flood
	timeout
	stop
)

// next decides, under the lock.
func (w *post) next() step {
	switch {
	case w.stopped:
		return stop
	case w.closed || w.refused:
		return receive
	case w.passed(w.read):
		return timeout
	case w.ready > 0:
		return receive
	case w.handled < w.written:
		return wait
	case w.flood != nil && !w.extended && (w.read.IsZero() || w.pestered < downpour):
		return pester
	case !w.read.IsZero():
		return timeout
	}
	return wait
}

// await returns receive or timeout.
func (c *DatagramConn) await() step {
	w := c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		switch next := w.next(); next {
		case wait:
			w.waiting++
			w.since = time.Now()
			w.mu.Unlock()
			w.notify()
			w.mu.Lock()
			if w.next() == wait {
				w.cond.Wait()
			}
			w.waiting--
		case receive:
			if w.refused {
				c.Conn.SetReadDeadline(time.Now().Add(word))
			}
			w.refused, w.ready = false, max(0, w.ready-1)
			return receive
		case pester:
			w.pestered++
			if w.send(w.flood()) {
				w.ready--
				return receive
			}
		case timeout:
			if w.read.After(w.clock) {
				w.clock = w.read
			}
			afterNow()
			return timeout
		case stop:
			runtime.Goexit()
		}
	}
}

// afterNow returns when the time is another one, so that the next deadline is later than this one. That takes a while
// only on systems whose clock ticks slowly.
func afterNow() {
	for now := time.Now(); !time.Now().After(now); {
		runtime.Gosched()
	}
}

func (c *DatagramConn) timeout(op string) error {
	return &net.OpError{Op: op, Net: "udp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.ErrDeadlineExceeded}
}

// Write sends a datagram.
func (c *DatagramConn) Write(p []byte) (int, error) {
	w, late, gone := c.w, false, false
	w.change(func() {
		late, gone = w.passed(w.write), w.gone
		if !late && !gone {
			w.written++
		}
		w.pestered, w.last, w.later = 0, time.Time{}, 0
	})
	if late {
		return 0, c.timeout("write")
	}
	n, err := c.Conn.Write(p)
	w.change(func() {
		if gone {
			w.refused = err == nil
		} else if err != nil {
			w.written--
		}
	})
	c.count(err)
	return n, err
}

// count is that of Conn.
func (c *DatagramConn) count(err error) {
	if err == nil {
		return
	}
	w, end := c.w, false
	w.mu.Lock()
	w.failed++
	if w.failed > maxFailed && w.spun == nil {
		w.spun = debug.Stack()
	}
	end = w.stopped || w.spun != nil
	w.mu.Unlock()
	if end {
		w.notify()
		runtime.Goexit()
	}
}

// Close closes the socket of the code under test.
func (c *DatagramConn) Close() error {
	err := c.Conn.Close()
	c.w.change(func() { c.w.closed = true })
	return err
}

// SetDeadline sets both deadlines.
func (c *DatagramConn) SetDeadline(t time.Time) error {
	if err := c.SetWriteDeadline(t); err != nil {
		return err
	}
	return c.SetReadDeadline(t)
}

// SetReadDeadline sets the deadline of Reads, those that wait already among them.
func (c *DatagramConn) SetReadDeadline(t time.Time) error {
	w := c.w
	w.change(func() {
		w.wind()
		w.read = t
		if t.IsZero() {
			return
		}
		w.longest = max(w.longest, time.Until(t))
		switch {
		case w.last.IsZero() || t.Before(w.last):
			w.later = 0
		case t.After(w.last):
			w.later++
		}
		w.last = t
		w.extended = w.extended || w.later >= maxLater
	})
	return nil
}

// SetWriteDeadline sets the deadline of Writes.
func (c *DatagramConn) SetWriteDeadline(t time.Time) error {
	c.w.change(func() {
		c.w.wind()
		c.w.write = t
	})
	return nil
}

// Timed reports whether a deadline is set.
func (c *DatagramConn) Timed() (timed bool) {
	c.w.look(func() { timed = !c.w.read.IsZero() || !c.w.write.IsZero() })
	return timed
}

// Longest is the longest time that a read deadline gave a Read, seen from when it was set; 0 if none was set.
func (c *DatagramConn) Longest() (d time.Duration) {
	c.w.look(func() { d = c.w.longest })
	return d
}

// Extended reports whether the read deadline was put off again and again without anything being sent. This ends a flood.
func (c *DatagramConn) Extended() (extended bool) {
	c.w.look(func() { extended = c.w.extended })
	return extended
}

// Quiet reports whether nothing more will happen here on its own: every datagram that was written has been answered or
// let go, and no Read waits that something else may end.
func (c *DatagramConn) Quiet() (quiet bool) {
	c.w.look(func() { quiet = c.w.handled == c.w.written && (c.w.waiting == 0 || c.w.lonely()) })
	return quiet
}

// Starved reports whether a Read waits, without a deadline, for a datagram that will not come.
func (c *DatagramConn) Starved() (starved bool) {
	c.w.look(func() { starved = c.w.waiting > 0 && c.w.lonely() && c.w.next() == wait })
	return starved
}

// lonely reports whether a Read has waited without a deadline for so long that no timer of the code under test will end it.
func (w *post) lonely() bool {
	return w.handled == w.written && w.read.IsZero() && time.Since(w.since) > patience
}

// Spun returns the stack of the call that was ended because a hundred before it had failed; nil if none was.
func (c *DatagramConn) Spun() (stack []byte) {
	c.w.look(func() { stack = c.w.spun })
	return stack
}

// Stop ends every goroutine that waits in a Read or comes back for another one, and closes the socket.
func (c *DatagramConn) Stop() {
	c.w.change(func() { c.w.stopped = true })
	c.Conn.Close()
}

// DatagramPeer is the suite's end. It receives all the time, and answers from a goroutine of its own.
type DatagramPeer struct {
	w     *post
	under *DatagramConn
	done  chan struct{}
}

// Conn is the other end, the one of the code under test.
func (p *DatagramPeer) Conn() *DatagramConn { return p.under }

// Answer makes answer decide what becomes of requests: it is told of each one, by its number from 0, and returns the
// datagrams to send back, in order; none means that the request is lost. It runs in the peer's goroutine. Without it all
// requests are lost.
func (p *DatagramPeer) Answer(answer func(i int, request []byte) [][]byte) {
	p.w.change(func() { p.w.answer = answer })
}

// Flood makes the peer send one more datagram, which flood returns, to each Read that would otherwise wait: 30 of them before
// a deadline passes, and without end where none is set. flood runs in the goroutine of that Read.
func (p *DatagramPeer) Flood(flood func() []byte) {
	p.w.change(func() { p.w.flood = flood })
}

// Send sends datagrams that nobody has asked for. They lie in the other side's queue when it returns.
func (p *DatagramPeer) Send(datagrams ...[]byte) {
	p.w.change(func() {
		for _, d := range datagrams {
			p.w.send(d)
		}
	})
}

// send sends under the lock: on loopback that does not block.
func (w *post) send(datagram []byte) (sent bool) {
	_, err := w.suite.WriteTo(datagram, w.client)
	if err == nil {
		w.ready++
	}
	return err == nil
}

// Leave closes the suite's socket: nobody is there any more, and the other side is told so, except on Windows, where its next Read
// times out.
func (p *DatagramPeer) Leave() {
	p.w.suite.Close()
	<-p.done
	p.w.change(func() { p.w.gone = true })
}

// Requests returns the datagrams received so far.
func (p *DatagramPeer) Requests() (requests [][]byte) {
	p.w.look(func() { requests = slices.Clone(p.w.requests) })
	return requests
}

// Rested reports whether every request that was sent has been answered or let go.
func (p *DatagramPeer) Rested() (rested bool) {
	p.w.look(func() { rested = p.w.handled == p.w.written })
	return rested
}

// Close closes both sockets and waits for the peer's goroutine.
func (p *DatagramPeer) Close() {
	p.under.Stop()
	p.w.suite.Close()
	<-p.done
}

func (p *DatagramPeer) collect() {
	defer close(p.done)
	w, buf := p.w, make([]byte, maxDatagram)
	for {
		n, from, err := w.suite.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || from.String() != w.client.String() { // what Windows says of a peer that has gone; a stranger
			continue
		}
		request := bytes.Clone(buf[:n])
		var answer func(int, []byte) [][]byte
		i := 0
		w.change(func() {
			answer, i = w.answer, len(w.requests)
			w.requests = append(w.requests, request)
		})
		var datagrams [][]byte
		if answer != nil {
			datagrams = answer(i, request)
		}
		w.change(func() {
			for _, d := range datagrams {
				w.send(d)
			}
			w.handled++
		})
	}
}
