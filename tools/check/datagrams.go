package check

import (
	"net"

	"socketbook/tools/fault"
	"socketbook/tools/loopback"
)

// sendBuffer is room for the largest datagram, in bytes: macOS sends no more than 9216 unless it is told to.
const sendBuffer = 128 << 10

// Datagrams returns the two ends of a fresh UDP conversation over 127.0.0.1: conn, which is connected, for the code under
// test, with an adversary on it, and peer for the suite. Both are closed when the case is over, and recorded if a timeline was
// asked for.
func (c *C) Datagrams() (conn net.Conn, peer *fault.DatagramPeer) {
	client, server, err := loopback.UDP()
	if err != nil {
		c.Fail("the suite could not make a pair of UDP sockets on 127.0.0.1: %v", err)
	}
	client.SetWriteBuffer(sendBuffer) // if this fails, so will the largest datagram, and say so
	server.SetWriteBuffer(sendBuffer)
	suite := net.PacketConn(server)
	if c.options.timeline {
		suite = c.rec.Unconnected("suite", suite)
	}
	under, peer := fault.JoinDatagrams(client, suite, c.poke)
	c.watch(under)
	c.peers = append(c.peers, peer)
	if c.options.timeline {
		return c.rec.Conn("you", under), peer
	}
	return under, peer
}
