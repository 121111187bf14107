package check

import (
	"net"
	"slices"
	"syscall"

	"socketbook/tools/fault"
	"socketbook/tools/loopback"
)

// sendBuffer is room for the largest datagram, in bytes: macOS sends no more than 9216 unless it is
// told to.
const sendBuffer = 128 << 10

// Connect returns the two ends of a fresh connection over 127.0.0.1: conn for the code under test,
// with an adversary on it, and peer for the suite. Both are closed when the case is over, and
// recorded if a timeline was asked for. What the code under test does to conn is told by
// peer.Conn().Did().
func (c *C) Connect() (conn net.Conn, peer *fault.Peer) {
	client, server := c.pair()
	return c.join(server, client)
}

// ConnectTCP is Connect without an adversary: conn is a *net.TCPConn, which some code treats in a way
// of its own. A Read may bring all that was sent; peer.Conn() sees nothing of what is done to conn,
// and the timeline does not show it.
func (c *C) ConnectTCP() (conn net.Conn, peer *fault.Peer) {
	client, server := c.pair()
	return c.joinTCP(server, client)
}

// pair returns the two ends of a connection through the case's own listener, which the first one makes.
func (c *C) pair() (client, server net.Conn) {
	var err error
	if c.door == nil {
		c.door, err = loopback.Listen()
	}
	if err == nil {
		client, server, err = loopback.Connect(c.door)
	}
	if err != nil {
		c.NotGraded("no connection on 127.0.0.1 could be made: %v", err)
	}
	return client, server
}

func (c *C) joinTCP(under, suite net.Conn) (net.Conn, *fault.Peer) {
	conn, peer := fault.Join(under, suite, c.poke)
	c.watch(bare{conn, peer})
	c.peers = append(c.peers, peer)
	return under, peer
}

// bare is a connection that the code under test uses directly.
type bare struct {
	*fault.Conn
	peer *fault.Peer
}

// Quiet reports whether the end of a closed connection has arrived.
func (b bare) Quiet() bool { return !IsClosed(b.Conn.Conn) || b.peer.Over() != nil }

// IsClosed reports whether conn, of ConnectTCP or ListenTCP, has been closed on this side, all of it.
func IsClosed(conn net.Conn) bool {
	raw, err := conn.(syscall.Conn).SyscallConn()
	return err != nil || raw.Control(func(uintptr) {}) != nil
}

// ListenTCP is Listen with connections as those of ConnectTCP.
func (c *C) ListenTCP() *fault.Listener { return c.listen(c.joinTCP) }

// Listen returns a listener for the code under test; the suite connects to it with Dial.
func (c *C) Listen() *fault.Listener { return c.listen(c.join) }

func (c *C) listen(join func(under, suite net.Conn) (net.Conn, *fault.Peer)) *fault.Listener {
	ln, err := fault.Listen(c.poke, join)
	if err != nil {
		c.NotGraded("nobody can listen on 127.0.0.1: %v", err)
	}
	c.watch(ln)
	return ln
}

func (c *C) join(under, suite net.Conn) (net.Conn, *fault.Peer) {
	c.closeEnded()
	conn, peer := fault.Join(under, c.Record("suite", suite), c.poke)
	c.watch(conn)
	c.peers = append(c.peers, peer)
	return c.Record("you", conn), peer
}

// closeEnded closes the suite's ends of connections on which nothing can happen any more: descriptors may
// be few.
func (c *C) closeEnded() {
	if c.timeline {
		return
	}
	c.peers = slices.DeleteFunc(c.peers, func(p interface{ Close() }) bool {
		peer, ok := p.(*fault.Peer)
		ended := ok && peer.Over() != nil && peer.Conn().Did().Closed == "Close"
		if ended {
			peer.Release()
		}
		return ended
	})
}

// Datagrams returns the two ends of a fresh UDP conversation over 127.0.0.1: conn, which is
// connected, for the code under test, with an adversary on it, and peer for the suite. Both are
// closed when the case is over, and recorded if a timeline was asked for.
func (c *C) Datagrams() (conn net.Conn, peer *fault.DatagramPeer) {
	client, server, err := loopback.UDP()
	if err != nil {
		c.NotGraded("no pair of UDP sockets on 127.0.0.1 could be made: %v", err)
	}
	client.SetWriteBuffer(sendBuffer) // if this fails, so will the largest datagram, and say so
	server.SetWriteBuffer(sendBuffer)
	suite := net.PacketConn(server)
	if c.timeline {
		suite = c.rec.Unconnected("suite", suite)
	}
	under, peer := fault.JoinDatagrams(client, suite, c.poke)
	c.watch(under)
	c.peers = append(c.peers, peer)
	return c.Record("you", under), peer
}

// Record records what is done with conn, for the timeline of a failure. It is for connections that
// the suite has made itself; those of Connect and Listen are recorded anyway.
func (c *C) Record(side string, conn net.Conn) net.Conn {
	if !c.timeline {
		return conn
	}
	return c.rec.Conn(side, conn)
}

// Writer puts w under the watchdog, which sees when the code under test goes on writing although
// every Write fails.
func (c *C) Writer(w *fault.Writer) *fault.Writer {
	c.watch(w)
	return w
}
