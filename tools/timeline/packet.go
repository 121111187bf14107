package timeline

import (
	"errors"
	"net"
	"sync"
	"syscall"
)

// PacketConn wraps pc so that side's datagrams are recorded. Closing the wrapper closes pc.
func (r *Recorder) PacketConn(side string, pc net.PacketConn) net.PacketConn {
	i := r.begin(Event{Side: side, Op: Listen, Text: pc.LocalAddr().String()})
	r.end(i, nil)
	return &packetConn{PacketConn: pc, r: r, side: side}
}

// Unconnected wraps a client's socket that may send to any address and hears from any. It is recorded as PacketConn does,
// but having the socket is not called listening.
func (r *Recorder) Unconnected(side string, pc net.PacketConn) net.PacketConn {
	return &packetConn{PacketConn: pc, r: r, side: side}
}

type packetConn struct {
	net.PacketConn
	r     *Recorder
	side  string
	close sync.Once
}

func (p *packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := p.PacketConn.ReadFrom(b)
	if errors.Is(err, net.ErrClosed) { // our own Close, recorded there
		return n, from, err
	}
	e := Event{Side: p.side, Conn: p.r.name(p.LocalAddr(), from), N: n, Data: head(b[:n]), Text: Preview(b[:n])}
	e.Op, e.Err = classify(Recv, err)
	p.r.end(p.r.begin(e), nil)
	return n, from, err
}

func (p *packetConn) WriteTo(b []byte, to net.Addr) (int, error) {
	i := p.r.begin(Event{Side: p.side, Conn: p.r.name(p.LocalAddr(), to), Op: Send, Data: head(b), Text: Preview(b)})
	n, err := p.PacketConn.WriteTo(b, to)
	p.r.end(i, func(e *Event) {
		e.N = n
		e.Op, e.Err = classify(Send, err)
	})
	return n, err
}

func (p *packetConn) Close() error {
	p.close.Do(func() {
		p.r.end(p.r.begin(Event{Side: p.side, Op: Close, Text: "socket"}), nil)
	})
	return p.PacketConn.Close()
}

// SyscallConn gives access to the socket.
func (p *packetConn) SyscallConn() (syscall.RawConn, error) { return rawConn(p.PacketConn) }
