package fault

import (
	"bytes"
	"errors"
	"net"
	"slices"
)

const maxDatagram = 1 << 16 // bytes; more than one carries

// JoinDatagrams puts the adversary between the two ends of a UDP conversation: under, which is
// connected, and suite, to which it is. It returns conn for the code under test and peer for the
// suite, which closes both. notify is as in [Join].
func JoinDatagrams(
	under net.Conn,
	suite net.PacketConn,
	notify func(),
) (conn *DatagramConn, peer *DatagramPeer) {
	w := &post{suite: suite, client: under.LocalAddr()}
	w.init(notify)
	conn = &DatagramConn{Conn: under, post: w}
	peer = &DatagramPeer{w: w, under: conn, done: make(chan struct{})}
	go peer.collect()
	return conn, peer
}

// DatagramPeer is the suite's end. It receives all the time, and answers from a goroutine of its own.
type DatagramPeer struct {
	w     *post
	under *DatagramConn
	done  chan struct{}
}

// Conn is the other end, the one of the code under test.
func (p *DatagramPeer) Conn() *DatagramConn { return p.under }

// Answer makes answer decide what becomes of requests: it is told of each one, by its number from
// 0, and returns the datagrams to send back, in order; none means that the request is lost. It runs
// in the peer's goroutine. Without it all requests are lost.
func (p *DatagramPeer) Answer(answer func(i int, request []byte) [][]byte) {
	p.w.change(func() { p.w.answer = answer })
}

// Flood makes the peer send one more datagram, which flood returns, to each Read that would
// otherwise wait, until its deadline has passed. flood runs in the goroutine of that Read. It is ended
// when it goes on for a second after a Write, or the read deadline is put off again and again meanwhile.
func (p *DatagramPeer) Flood(flood func() []byte) {
	p.w.change(func() { p.w.flood = flood })
}

// Send sends datagrams that nobody has asked for. They are in the other side's queue when it returns.
func (p *DatagramPeer) Send(datagrams ...[]byte) {
	p.w.change(func() { p.w.send(datagrams...) })
}

// Leave closes the suite's socket: nobody has the port any more. The kernel tells the other side,
// except on Windows, where its next Read times out.
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

// Rested reports whether every request that was sent has been answered or dropped.
func (p *DatagramPeer) Rested() (rested bool) {
	p.w.look(func() { rested = p.w.handled == p.w.sent })
	return rested
}

// Close closes both sockets and waits for the peer's goroutine.
func (p *DatagramPeer) Close() {
	p.under.Stop()
	p.w.suite.Close()
	<-p.done
	p.w.look(p.w.silence)
}

func (p *DatagramPeer) collect() {
	defer close(p.done)
	w, buf := p.w, make([]byte, maxDatagram)
	for {
		n, from, err := w.suite.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil ||
			from.String() != w.client.String() { // what Windows says of a peer that has gone; a stranger
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
			w.send(datagrams...)
			w.handled++
		})
	}
}
