package fault

import (
	"net"
	"sync"

	"socketbook/tools/loopback"
)

// Listener is a listener on 127.0.0.1 for the code under test. Only the suite connects to it, with
// Dial, and each accepted connection is the end of a pair made by [Join].
type Listener struct {
	net.Listener
	watch
	wrap     func(under, suite net.Conn) (net.Conn, *Peer)
	dialling sync.Mutex // one Dial at a time: it takes the connection that it has made

	ready  []net.Conn // connected, not yet accepted: the backlog
	errs   []error
	closed bool
}

// Listen listens on a free port. wrap makes the two ends of each connection; nil means [Join] with
// notify. The caller calls Stop.
func Listen(notify func(), wrap func(under, suite net.Conn) (net.Conn, *Peer)) (*Listener, error) {
	ln, err := loopback.Listen()
	if err != nil {
		return nil, err
	}
	if wrap == nil {
		wrap = func(under, suite net.Conn) (net.Conn, *Peer) { return Join(under, suite, notify) }
	}
	l := &Listener{Listener: ln, wrap: wrap}
	l.init(notify)
	return l, nil
}

// Dial connects a client. The code under test can accept the other end at once, or later. The
// caller closes the peer. A stranger who has connected meanwhile is sent away.
func (l *Listener) Dial() (*Peer, error) {
	l.dialling.Lock()
	client, server, err := loopback.Connect(l.Listener)
	l.dialling.Unlock()
	if err != nil {
		return nil, err
	}
	conn, peer := l.wrap(server, client)
	l.change(func() { l.ready = append(l.ready, conn) })
	return peer, nil
}

// Fail makes the next Accepts return these errors, one each, before they hand out connections.
func (l *Listener) Fail(errs ...error) {
	l.change(func() { l.errs = append(l.errs, errs...) })
}

// Accept returns the next connection that was dialled. After Close it fails like any closed listener. That
// it fails because it was closed meanwhile is no sign of a loop, however many goroutines wait in it.
func (l *Listener) Accept() (net.Conn, error) {
	conn, err, waited := l.next()
	if conn != nil || err != nil {
		return conn, err
	}
	conn, err = l.Listener.Accept() // closed: it has the right error
	if !waited {
		l.count(err)
	}
	return conn, err
}

// next waits for a connection or an error to hand out; it returns neither when the listener is closed.
func (l *Listener) next() (conn net.Conn, err error, waited bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	waited = !l.moves()
	l.until(l.moves)
	switch {
	case l.closed:
	case len(l.errs) > 0:
		err, l.errs = l.errs[0], l.errs[1:]
	default:
		conn, l.ready = l.ready[0], l.ready[1:]
	}
	return conn, err, waited
}

// moves reports whether an Accept need not wait, under the lock.
func (l *Listener) moves() bool { return len(l.errs) > 0 || len(l.ready) > 0 || l.closed }

// Close closes the listener: every Accept returns an error that is net.ErrClosed.
func (l *Listener) Close() error {
	err := l.Listener.Close()
	l.change(func() { l.closed = true })
	return err
}

// Starved reports whether an Accept waits for a client that will not come.
func (l *Listener) Starved() (starved bool) {
	l.look(func() { starved = l.waiting > 0 && !l.moves() })
	return starved
}

// Stop closes the listener and ends every goroutine that waits in Accept or comes back for another one.
func (l *Listener) Stop() {
	l.Listener.Close()
	l.watch.Stop()
}
