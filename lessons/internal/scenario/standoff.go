package scenario

import (
	"net"
	"sync"
	"time"

	"socketbook/tools/timeline"
)

// standoff watches both ends of a connection and recognises when nothing can happen any more: both sides sit in Read and
// every byte that was sent has been read. Then, and only then, it sets a deadline of Hang, so that the wait shows and the
// scene ends. A slow machine is no standoff.
type standoff struct {
	rec *timeline.Recorder

	mu      sync.Mutex
	giveUp  []net.Conn // the ends that get the deadline
	reading int // ends that sit in Read
	between int // bytes sent and not yet read
	met     bool
}

// watch returns both ends of a connection, watched. Those of giveUp get the deadline.
func (s *standoff) watch(a, b net.Conn, giveUp ...net.Conn) (net.Conn, net.Conn) {
	s.giveUp = giveUp
	return &standoffConn{a, s}, &standoffConn{b, s}
}

// happened reports whether the two sides ended up waiting for each other.
func (s *standoff) happened() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.met
}

type standoffConn struct {
	net.Conn
	s *standoff
}

func (c *standoffConn) Read(p []byte) (int, error) {
	c.s.enter()
	n, err := c.Conn.Read(p)
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.reading--
	c.s.between -= n
	return n, err
}

func (c *standoffConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.between += n
	return n, err
}

func (s *standoff) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading++
	if s.reading == 2 && s.between == 0 && !s.met {
		s.met = true
		s.rec.State(0, "both sides read, and nothing is on its way: this would go on for ever")
		for _, end := range s.giveUp {
			end.SetReadDeadline(time.Now().Add(Hang))
		}
	}
}
