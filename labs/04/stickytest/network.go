package stickytest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
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

// network is a connection over 127.0.0.1 whose bytes take their time, as on a real network. What
// client has written is held back until somebody waits for it; then it arrives, and no more than
// was waited for. What a Read makes of it is the kernel's affair.
type network struct {
	delivery
	client, server net.Conn // the sockets

	mu      sync.Mutex
	changed sync.Cond
	held    []byte           // written, and still on its way
	arrived []byte           // goes into the socket when the next Read begins
	ready   int              // bytes that arrived and were not read
	reading int              // Reads that have begun
	closed  string           // the method with which the code under test has closed one of the ends
	limits  map[string]limit // the deadlines, by direction: "client's Write"
	stopped bool
	altered bool // what a Read returns is not what was sent
	late    bool // both messages arrive much later than they are waited for

	fails   failure
	calls   map[string]int // how often each was called
	failed  bool           // the call that was to fail has
	tooLate string         // "Write" or "Read": what was called after that

	// of one call of Provoke
	writes   [][]byte
	written  int      // bytes
	reads    [][]byte // what Reads have returned, those left out that returned nothing
	happened []string // for the steps of a failure
}

// failure says which call is to fail, and how.
type failure struct {
	call   string // "Write", "queued" or "Read"; "" for none
	number int    // which of them, from 1
	took   int    // bytes that the Write takes nevertheless
	err    error
}

// errLater is the error of calls that come after the one that failed.
var errLater = errors.New("the connection broke before")

// lateBy is how late messages arrive on a network that is late.
const lateBy = 120 * time.Millisecond

// newNetwork makes a connection. It is closed when the case is over.
func newNetwork(c *check.C, d delivery) *network {
	client, server, err := loopback.TCP()
	if err != nil {
		c.NotGraded("no connection on 127.0.0.1 could be made: %v", err)
	}
	n := &network{
		delivery: d, client: client, server: server,
		calls: map[string]int{}, limits: map[string]limit{},
	}
	n.changed.L = &n.mu
	c.Cleanup(n.stop)
	return n
}

// stop ends every call that waits, and closes both sockets.
func (n *network) stop() {
	n.mu.Lock()
	n.stopped = true
	for _, l := range n.limits {
		l.alarm.Stop()
	}
	n.mu.Unlock()
	n.changed.Broadcast()
	loopback.Abort(n.client)
	loopback.Abort(n.server)
}

// breaks makes a call fail, on a network as it is when it is new.
func (n *network) breaks(f failure) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fails, n.failed, n.tooLate = f, false, ""
	n.held, n.arrived, n.ready = nil, nil, 0
	clear(n.calls)
}

// begin notes a call, and returns an error when it is to fail.
func (n *network) begin(call string) error {
	n.calls[call]++
	if n.failed {
		if call != "queued" { // which does no harm
			n.tooLate = call
		}
		return errLater
	}
	n.failed = call == n.fails.call && n.calls[call] == n.fails.number
	if n.failed {
		n.note("%s failed: %v", call, n.fails.err)
		return n.fails.err
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

// deliver lets so many of the bytes that are held back arrive.
func (n *network) deliver(count int) {
	n.arrived = append(n.arrived, n.held[:count]...)
	n.held = n.held[count:]
	n.ready += count
	n.changed.Broadcast()
}

// flush puts what has arrived into the socket, and waits until the receive queue has it. Where the system
// cannot be asked (Windows), that takes a while.
func (n *network) flush() error {
	if len(n.arrived) == 0 {
		return nil
	}
	n.client.Write(n.arrived) // far less than the buffers take; an error shows at the other end
	n.arrived = nil
	return loopback.WaitQueued(n.server, n.ready)
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

// queued is what Provoke gets under that name.
func (n *network) queued(want int) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.begin("queued"); err != nil {
		if err == errLater && n.ready >= want {
			return nil // the failure has left them there
		}
		return err
	}
	if there := n.ready + len(n.held); there < want {
		n.note(
			"queued(%d) waits: %s been written and not read",
			want,
			count(there, "byte has", "bytes have"),
		)
	}
	for n.ready+len(n.held) < want && n.closed == "" {
		n.wait()
	}
	if n.late && n.calls["Write"] > 1 {
		n.late = false
		n.note("the messages are under way for %v", lateBy)
		n.mu.Unlock()
		for range 7 { // not at once: when the machine has stood still, others get to run before it is over
			time.Sleep(lateBy / 7)
		}
		n.mu.Lock()
	}
	if more := want - n.ready; more > 0 {
		n.deliver(min(more, len(n.held)))
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
		return min(n.fails.took, len(p)), err
	}
	if n.closed != "" {
		return e.Conn.Write(p)
	}
	if n.expired("client's Write") {
		return 0, timeout("write")
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
	for n.ready == 0 && len(p) > 0 && n.closed == "" && !n.expired("server's Read") {
		n.wait()
	}
	if n.closed == "" && n.expired("server's Read") {
		return 0, timeout("read")
	}
	if err := n.flush(); err != nil && n.closed == "" {
		return 0, err
	}
	k, err := e.Conn.Read(p)
	n.ready -= k
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

// Close closes the end, after what was written has arrived.
func (e end) Close() error { return e.n.close("Close", e.Conn.Close) }

// CloseWrite closes half of it, as *net.TCPConn does.
func (e end) CloseWrite() error { return e.n.close("CloseWrite", e.Conn.(*net.TCPConn).CloseWrite) }

// CloseRead closes the other half.
func (e end) CloseRead() error { return e.n.close("CloseRead", e.Conn.(*net.TCPConn).CloseRead) }

func (e end) SetDeadline(t time.Time) error {
	return e.n.setLimit(t, e.name+"'s Read", e.name+"'s Write")
}

func (e end) SetReadDeadline(t time.Time) error { return e.n.setLimit(t, e.name+"'s Read") }

func (e end) SetWriteDeadline(t time.Time) error { return e.n.setLimit(t, e.name+"'s Write") }

// limit is a deadline.
type limit struct {
	at    time.Time
	alarm *time.Timer
}

// ring wakes those that wait, when a deadline has passed.
func (n *network) ring() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changed.Broadcast()
}

// setLimit sets a deadline; the zero time takes it back.
func (n *network) setLimit(t time.Time, directions ...string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range directions {
		if old, ok := n.limits[d]; ok {
			old.alarm.Stop()
			delete(n.limits, d)
		}
		if !t.IsZero() {
			n.limits[d] = limit{t, time.AfterFunc(time.Until(t), n.ring)}
		}
	}
	n.changed.Broadcast()
	return nil
}

// expired reports whether the deadline of a direction has passed.
func (n *network) expired(direction string) bool {
	l, ok := n.limits[direction]
	return ok && !time.Now().Before(l.at)
}

// timeout is the error of an operation of which the deadline has passed.
func timeout(op string) error {
	return &net.OpError{Op: op, Net: "tcp", Err: os.ErrDeadlineExceeded}
}

func (n *network) close(method string, f func() error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = method
	n.changed.Broadcast()
	n.note("%s was called", method)
	n.deliver(len(n.held))
	n.flush()
	return f()
}
