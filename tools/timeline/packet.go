package timeline

import (
	"net"
	"sync"
	"syscall"
)

// PacketConn wraps pc so that side's datagrams are recorded. Closing the wrapper closes pc.
func (r *Recorder) PacketConn(side string, pc net.PacketConn) net.PacketConn {
	r.moment(Event{Side: side, Op: Listen, Text: pc.LocalAddr().String()})
	return r.Unconnected(side, pc)
}

// Unconnected wraps a client's socket that may send to any address and hears from any. It is
// recorded as PacketConn does, but having the socket is not called listening. pc is bound to an
// address: of one bound to all of them (0.0.0.0) nobody can say which one its peer sees.
func (r *Recorder) Unconnected(side string, pc net.PacketConn) net.PacketConn {
	return &packetConn{PacketConn: pc, r: r, side: side}
}

type packetConn struct {
	net.PacketConn
	r             *Recorder
	side          string
	reads, writes sync.Mutex // as in conn
	close         sync.Once
}

func (p *packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	p.reads.Lock()
	defer p.reads.Unlock()
	i := p.r.begin(Event{Side: p.side, Op: Recv}, nil)
	n, from, err := p.PacketConn.ReadFrom(b)
	name := p.r.name(p.LocalAddr(), from)
	p.r.end(i, func(e *Event) {
		e.Conn = name
		e.received(n, p.r.keep(b[:max(n, 0)]), err)
	})
	return n, from, err
}

func (p *packetConn) WriteTo(b []byte, to net.Addr) (int, error) {
	p.writes.Lock()
	defer p.writes.Unlock()
	name := p.r.name(p.LocalAddr(), to)
	i := p.r.begin(Event{Side: p.side, Conn: name, Op: Send}, b)
	n, err := p.PacketConn.WriteTo(b, to)
	p.r.end(i, func(e *Event) { e.sent(n, err) })
	return n, err
}

func (p *packetConn) Close() error {
	return p.r.closing(&p.close, Event{Side: p.side, Op: Close, Text: "socket"}, p.PacketConn.Close)
}

// SyscallConn gives access to the socket.
func (p *packetConn) SyscallConn() (syscall.RawConn, error) { return rawConn(p.PacketConn) }
