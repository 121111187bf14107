package scenario

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

const (
	// manyFailures are more than a server meets that pauses: with pauses that begin at 5 ms and double
	// it needs minutes.
	manyFailures = 1000

	enoughPauses = 3                    // after which a server that pauses has shown it
	firstPause   = 5 * time.Millisecond // that is asked of a server, and twice as much each time
)

// NoDescriptors lets two clients come when there is a descriptor for one of them, and the first one
// leave when accept has failed a number of times. Got are their answers, N how many times, and Stuck is
// whether the server tried again without a pause.
func NoDescriptors(serve func(net.Listener) error, dial DialFunc) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		if runtime.GOOS == "darwin" { // accept_nocancel in XNU's uipc_syscalls.c
			return o, fmt.Errorf("macOS ends the connection for which accept has no descriptor: %w",
				errors.ErrUnsupported)
		}
		ln, err := loopback.Listen()
		if err != nil {
			return o, err
		}
		failing := &starved{Listener: ln, rec: rec, left: make(chan struct{})}
		failing.changed = sync.NewCond(&failing.mu)
		defer ln.Close()
		conns := make([]net.Conn, 2)
		for i := range conns {
			if conns[i], err = rec.Dial(fmt.Sprint("client ", i+1), ln.Addr().String(), dial); err != nil {
				return o, err
			}
			defer conns[i].Close()
			conns[i].SetDeadline(time.Now().Add(loopback.Patience))
		}
		restore, err := limitDescriptors(1)
		if err != nil {
			return o, err
		}
		defer restore()
		rec.State(0, "both are connected; the server may open one more descriptor")
		served := make(chan error, 1)
		go func() { served <- UntilClosed(serve)(failing) }()
		begin := time.Now()
		for i, conn := range conns {
			answer, err := exchange(conn, fmt.Sprint("i am client ", i+1))
			if err != nil {
				return o, err
			}
			o.Got = append(o.Got, answer)
			if i > 0 {
				continue
			}
			if o.N, o.Stuck = failing.wait(); o.N == 0 {
				return o, errors.New("the server could accept, or did not try")
			}
			rec.State(o.N, "accept has failed %d times in %s", o.N, ms(time.Since(begin)))
			conn.Close()
			if err := closed(rec, 1); err != nil {
				return o, err
			}
			close(failing.left)
		}
		how := "each time after a longer pause"
		if o.Stuck {
			how = "without a pause"
		}
		rec.Verdict("no descriptor was left: accept failed %d times, and was tried again %s", o.N, how)
		conns[1].Close()
		err = restore()
		ln.Close()
		<-served
		return o, err
	}
}

// starved is a listener that records the accepts that succeed, and the first one that fails. When it is
// clear whether the server pauses, the next accept waits until a client has left.
type starved struct {
	net.Listener
	rec  *timeline.Recorder
	left chan struct{} // closed when a client has left

	mu      sync.Mutex
	changed *sync.Cond
	failed  int
	last    time.Time // failure
	pauses  int       // that were long enough, since the first failure; -1 if one was not
}

func (l *starved) Accept() (net.Conn, error) {
	if l.begins() {
		<-l.left
	}
	conn, err := l.Listener.Accept()
	if err == nil {
		return l.rec.Accept("server", func() (net.Conn, error) { return conn, nil })
	}
	if l.fails(err) {
		l.rec.Note("server", nil, "accept: %s", reason(err))
	}
	return nil, err
}

// begins notes the begin of an accept, and reports whether all is clear.
func (l *starved) begins() (clear bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.clear():
		return true
	case l.failed == 0 || l.pauses < 0:
	case time.Since(l.last) >= firstPause<<l.pauses:
		l.pauses++
	default:
		l.pauses = -1
	}
	return false
}

// clear is called with mu held.
func (l *starved) clear() bool {
	return l.failed >= manyFailures || l.failed > enoughPauses && l.pauses >= enoughPauses
}

// fails reports whether it is the first failure.
func (l *starved) fails(err error) (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(err, net.ErrClosed) {
		return false
	}
	l.failed++
	l.last = time.Now()
	l.changed.Broadcast()
	return l.failed == 1
}

// wait ends when it is clear whether the server pauses. It returns how many accepts have failed, and
// whether there was no pause between them; 0 if they did not.
func (l *starved) wait() (failed int, spins bool) {
	expired := false
	watchdog := time.AfterFunc(loopback.Patience, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		expired = true
		l.changed.Broadcast()
	})
	defer watchdog.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for !expired && !l.clear() {
		l.changed.Wait()
	}
	if expired {
		return 0, false
	}
	return l.failed, l.pauses < 0
}
