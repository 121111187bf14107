package stickytest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/loopback"
)

// delivery says how far bytes travel when nobody has waited for them.
type delivery struct {
	name   string
	prompt bool // into the receive queue, before Write returns
	most   int  // otherwise: that many bytes are there when a Read begins; 0 stands for those of one Write
}

var (
	promptly = delivery{name: "a fast network", prompt: true}
	slowly   = []delivery{
		{name: "a slow network: what one Write has sent is there long before what the next one has sent"},
		{name: "a very slow network: one byte is there long before the next", most: 1},
	}
)

// network is a connection over 127.0.0.1 whose bytes take their time, as on a real network. What client has
// written is held back until somebody waits for it; then it goes into the socket, and no more than was
// waited for. What lies in the receive queue
// is the kernel's affair, and so is what a Read makes of it.
type network struct {
	delivery
	client, server net.Conn // the sockets

	mu      sync.Mutex
	changed sync.Cond
	held    []byte   // written, and not yet in the socket
	ready   int      // bytes in the socket that were not read
	sure    int      // so many of them lie in the receive queue for sure
	reading int      // Reads that have begun
	closed  bool     // one of the ends, by the code under test
	timed   []string // the ends' directions on which it has set a deadline, such as "client's Write"
	stopped bool
	altered bool // what a Read returns is not what was sent

	failing string         // "Write", "queued" or "Read": a call that is to fail
	number  int            // which of them, from 1
	calls   map[string]int // how often each was called
	failed  bool           // the call that was to fail has
	tooLate string         // "Write" or "Read": what was called after that

	// of one call of Provoke
	writes   [][]byte
	written  int      // bytes
	reads    [][]byte // what Reads have returned, those left out that returned nothing
	happened []string // for the steps of a failure
}

var (
	errCable = errors.New("the cable is cut")
	errLater = errors.New("the cable was cut before") // of calls that come after the one that failed
)

// newNetwork makes a connection. It is closed when the case is over.
func newNetwork(c *check.C, d delivery) *network {
	client, server, err := loopback.TCP()
	if err != nil {
		c.NotGraded("no connection on 127.0.0.1 could be made: %v", err)
	}
	n := &network{delivery: d, client: client, server: server, calls: map[string]int{}}
	n.changed.L = &n.mu
	c.Cleanup(n.stop)
	return n
}

// stop ends every call that waits, and closes both sockets.
func (n *network) stop() {
	n.mu.Lock()
	n.stopped = true
	n.mu.Unlock()
	n.changed.Broadcast()
	loopback.Abort(n.client)
	loopback.Abort(n.server)
}

// begin notes a call. It returns errCable when the call is to fail.
func (n *network) begin(call string) error {
	n.calls[call]++
	if n.failed {
		if call != "queued" { // which does no harm
			n.tooLate = call
		}
		return errLater
	}
	n.failed = call == n.failing && n.calls[call] == n.number
	if n.failed {
		n.note("%s failed: %v", call, errCable)
		return errCable
	}
	return nil
}

func (n *network) note(format string, args ...any) {
	n.happened = append(n.happened, fmt.Sprintf(format, args...))
}

// wait waits until something changes. It ends the goroutine when the case is over.
func (n *network) wait() {
	n.changed.Wait()
	if n.stopped {
		runtime.Goexit() // the callers' deferred Unlock runs
	}
}

// deliver puts so many of the bytes that are held back into the socket.
func (n *network) deliver(count int) {
	n.client.Write(n.held[:count]) // far less than the buffers take; an error shows at the other end
	n.held = n.held[count:]
	n.ready += count
	n.changed.Broadcast()
}

// arriving is how many of the bytes that are held back arrive although nobody waits for more of them.
func (n *network) arriving() int {
	if n.most > 0 {
		return min(n.most, len(n.held))
	}
	end := 0
	for _, w := range n.writes {
		if end += len(w); end > n.written-len(n.held) {
			return end - (n.written - len(n.held))
		}
	}
	return 0
}

// makeSure waits until count bytes lie in the receive queue. Where the system cannot be asked (Windows),
// that takes a while.
func (n *network) makeSure(count int) error {
	if count <= n.sure {
		return nil
	}
	n.sure = count
	return loopback.WaitQueued(n.server, count)
}

// queued is what Provoke gets under that name.
func (n *network) queued(want int) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.begin("queued"); err != nil {
		return err
	}
	if there := n.ready + len(n.held); there < want {
		n.note(
			"queued(%d) waits: %s been written and not read",
			want,
			count(there, "byte has", "bytes have"),
		)
	}
	for n.ready+len(n.held) < want && !n.closed {
		n.wait()
	}
	if more := want - n.ready; more > 0 {
		n.deliver(min(more, len(n.held)))
	}
	if err := n.makeSure(want); err != nil {
		return err
	}
	n.note("queued(%d) returned: that many bytes are in the receive queue", want)
	return nil
}

// end is what both ends that Provoke gets have in common.
type end struct {
	net.Conn
	n    *network
	name string
}

// clientEnd is the client that Provoke gets.
type clientEnd struct{ end }

func (e clientEnd) Write(p []byte) (int, error) {
	n := e.n
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.begin("Write"); err != nil {
		return 0, err
	}
	if n.closed || len(p) == 0 {
		return e.Conn.Write(p)
	}
	n.writes = append(n.writes, bytes.Clone(p))
	n.written += len(p)
	n.held = append(n.held, p...)
	n.note("Write sent %s", check.Bytes(p))
	switch {
	case n.prompt:
		n.deliver(len(n.held))
	case n.reading > 0 && n.ready == 0:
		n.deliver(n.arriving())
	}
	return len(p), nil
}

// serverEnd is the server that Provoke gets.
type serverEnd struct{ end }

func (e serverEnd) Read(p []byte) (int, error) {
	n := e.n
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.begin("Read"); err != nil {
		return 0, err
	}
	n.reading++
	defer func() {
		n.reading--
		n.changed.Broadcast()
	}()
	if n.ready == 0 {
		n.deliver(n.arriving())
	}
	for n.ready == 0 && len(p) > 0 && !n.closed {
		n.wait()
	}
	if !n.closed {
		if err := n.makeSure(n.ready); err != nil {
			return 0, err
		}
	}
	k, err := e.Conn.Read(p)
	n.ready, n.sure = n.ready-k, n.sure-k
	for i := range p[:k] {
		if n.altered {
			p[i] ^= 0x55
		}
	}
	if k > 0 {
		n.reads = append(n.reads, bytes.Clone(p[:k]))
		n.note("Read returned %s", check.Bytes(p[:k]))
	}
	return k, err
}

func (e end) Close() error { return e.n.close(e.Conn) }

func (e end) SetDeadline(t time.Time) error {
	e.n.time(t, e.name+"'s Read", e.name+"'s Write")
	return e.Conn.SetDeadline(t)
}

func (e end) SetReadDeadline(t time.Time) error {
	e.n.time(t, e.name+"'s Read")
	return e.Conn.SetReadDeadline(t)
}

func (e end) SetWriteDeadline(t time.Time) error {
	e.n.time(t, e.name+"'s Write")
	return e.Conn.SetWriteDeadline(t)
}

// time notes a deadline; the zero time takes it back.
func (n *network) time(t time.Time, directions ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.timed = slices.DeleteFunc(n.timed, func(d string) bool { return slices.Contains(directions, d) })
	if !t.IsZero() {
		n.timed = append(n.timed, directions...)
	}
}

func (n *network) close(conn net.Conn) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	n.changed.Broadcast()
	n.note("Close was called")
	return conn.Close()
}
