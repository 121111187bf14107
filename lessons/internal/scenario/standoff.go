package scenario

import (
	"net"
	"sync"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// standoff watches both ends of a connection and recognises when nothing can happen any more: both
// sides sit in Read and every byte that was sent has been read. Then, and only then, it sets a
// deadline of Hang, so that the wait shows and the scene ends. A slow machine is no standoff.
type standoff struct {
	rec *timeline.Recorder

	mu      sync.Mutex
	changed *sync.Cond
	ends    [2]*standoffConn
	giveUp  []net.Conn // the ends that get the deadline
	met     bool
}

// standoffConn is one end. Its fields are guarded by the standoff's mutex.
type standoffConn struct {
	net.Conn
	s       *standoff
	reading bool // is blocked in Read
	sent    int  // bytes
	got     int
}

// watch returns both ends of a connection, watched. Those of giveUp get the deadline.
func (s *standoff) watch(a, b net.Conn, giveUp ...net.Conn) (net.Conn, net.Conn) {
	s.changed = sync.NewCond(&s.mu)
	s.giveUp = giveUp
	s.ends = [2]*standoffConn{{Conn: a, s: s}, {Conn: b, s: s}}
	return s.ends[0], s.ends[1]
}

// watchOne is watch for a peer that has sent that many bytes and says no more.
func (s *standoff) watchOne(a net.Conn, sent int) net.Conn {
	watched, _ := s.watch(a, nil, a)
	s.ends[1].sent, s.ends[1].reading = sent, true
	return watched
}

// happened reports whether the two sides ended up waiting for each other.
func (s *standoff) happened() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.met
}

// settle waits until the second end has read everything that the first one sent and is blocked in Read, or
// *over is set; who sets it calls wake. After loopback.Patience it gives up.
func (s *standoff) settle(over *bool) {
	expired := false
	watchdog := time.AfterFunc(loopback.Patience, func() { s.wake(func() { expired = true }) })
	defer watchdog.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for a, b := s.ends[0], s.ends[1]; !*over && !expired && !(b.reading && b.got == a.sent); {
		s.changed.Wait()
	}
}

// wake makes settle look again after f has changed something.
func (s *standoff) wake(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.changed.Broadcast()
}

func (c *standoffConn) Read(p []byte) (int, error) {
	c.s.wake(func() {
		c.reading = true
		c.s.check()
	})
	n, err := c.Conn.Read(p)
	c.s.wake(func() {
		c.reading = false
		c.got += n
	})
	return n, err
}

func (c *standoffConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.s.wake(func() { c.sent += n })
	return n, err
}

// check recognises the standoff.
func (s *standoff) check() {
	a, b := s.ends[0], s.ends[1]
	if s.met || !a.reading || !b.reading || a.got != b.sent || b.got != a.sent {
		return
	}
	s.met = true
	s.rec.State(0, "both sides read, and nothing is on its way: this would go on forever")
	for _, end := range s.giveUp {
		end.SetReadDeadline(time.Now().Add(Hang))
	}
}
