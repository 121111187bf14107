package crowd_test

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"socketbook/labs/08/crowdtest"
	crowd "socketbook/solutions/08"
	"socketbook/tools/check"
)

// noTCPConn says why a mistake does nothing in another process.
const noTCPConn = "its connection is no *net.TCPConn there"

// wrong are the mistakes that people make, each with exactly the cases that must fail on it. The
// failure text of a case in testdata is the one that the first answer named for it provokes.
var wrong = []check.Answer{
	serves("one client after the other", serveInTurn, crowdtest.Crowd),
	serves("closed while the handler works", serveClosesAtOnce, crowdtest.Crowd),
	serves("a byte is read to see whether the client is there", serveProbes, crowdtest.Crowd),
	serves("the connection is handed over in a wrapping", serveWraps, crowdtest.Crowd),
	serves("places of one byte each", serveBools, crowdtest.Crowd),
	serves("never more than 128 clients", serveAtMost(128), crowdtest.Crowd),
	serves("no limit", serveUnlimited, crowdtest.Limit),
	serves("one client too many", serveOneMore, crowdtest.Limit),
	serves("clients are counted by their addresses", serveByAddress, crowdtest.Limit),
	serves("ten may wait, and no more", serveTenWait, crowdtest.Limit),
	serves("handle is called once more", serveTwice, crowdtest.Crowd),
	serves("one limit for all calls of Serve", serveShared, crowdtest.Limit),
	serves("never closed", serveNeverCloses, crowdtest.Closed),
	serves("closed when Serve returns", serveClosesAtEnd, crowdtest.Closed),
	serves("only the writing half is closed", serveHalfCloses, crowdtest.Closed),
	serves("only the writing half of a *net.TCPConn is closed", serveHalfClosesTCP, crowdtest.Closed).
		MayPassElsewhere(noTCPConn),
	serves("what Close returns is what Serve returns", serveReturnsClose, crowdtest.Closed),
	serves("a *net.TCPConn is closed with a reset", serveAborts, crowdtest.Closed).MayPassElsewhere(noTCPConn),
	serves("a deadline of an hour", serveTimes, crowdtest.Closed),
	serves("what the client had left to say is read", serveDrains, crowdtest.Limit, crowdtest.Closed),
	serves("a panic skips the Close", servePanicSkipsClose, crowdtest.Panic),
	serves("a panic keeps its place", servePanicKeepsPlace, crowdtest.Panic),
	serves("a panic skips the Done", servePanicSkipsDone, crowdtest.Panic),
	serves("a panic becomes the error of Serve", servePanicIsError, crowdtest.Panic),
	serves("a panic makes an error of Serve", servePanicMakesError, crowdtest.Panic),
	serves("the client is told about a panic", serveTellsPanic, crowdtest.Panic),
	serves("nobody is waited for", serveWaitsForNobody, crowdtest.End),
	serves(
		"clients are waited for, but not for long",
		serveWaitsFor(100*time.Millisecond),
		crowdtest.End,
	),
	serves("clients are counted in their own goroutine", serveCountsLate, crowdtest.End).
		MayPassElsewhere("the next Accept comes later there, so that the goroutine wins the race"),
	serves("conversations are cut when the listener closes", serveCuts, crowdtest.End),
	serves("those who wait are forgotten when the listener closes", serveDropsWaiting, crowdtest.End),
	serves("Done before Close", serveDoneBeforeClose, crowdtest.End),
	serves(
		"the closed listener is an error",
		ends(func(err error) error { return err }),
		crowdtest.End,
	),
	serves("every error is the closed listener", ends(func(error) error { return nil }), crowdtest.End),
	serves("net.ErrClosed compared with ==", ends(func(err error) error {
		if err == net.ErrClosed {
			return nil
		}
		return err
	}), crowdtest.End),
	serves("net.ErrClosed known by its words", ends(func(err error) error {
		if strings.Contains(err.Error(), "use of closed network connection") {
			return nil
		}
		return err
	}), crowdtest.End),
	serves("io.EOF of Accept is nothing", ends(func(err error) error {
		if err == io.EOF {
			return nil
		}
		return closed(err)
	}), crowdtest.End),
	serves("a timeout of Accept is nothing", ends(func(err error) error {
		if os.IsTimeout(err) {
			return nil
		}
		return closed(err)
	}), crowdtest.End),
	serves("the error is told, not passed on", ends(func(err error) error {
		if closed(err) == nil {
			return nil
		}
		return fmt.Errorf("accept: %v", err)
	}), crowdtest.End),
	serves("the limit is the number of all clients", serveTotal, crowdtest.Crowd),
	serves("those above the limit are sent away", serveSendsAway, crowdtest.Limit, crowdtest.End),
	serves("those above the limit are told so", serveTells, crowdtest.Limit, crowdtest.Closed),
	serves(
		"a place is taken only if one is free at once",
		serveForgets,
		crowdtest.Limit,
		crowdtest.End,
	),
	serves("the next ones when all have gone", serveBatches, crowdtest.Limit, crowdtest.Panic),

	relays("one way, then the other", relayInOrder, crowdtest.Both),
	relays("in turn", relayInTurn, crowdtest.Both),
	relays("only one way", relayOneWay, crowdtest.Both),
	relays("a has to speak first", relayWaitsForA, crowdtest.Both),
	relays("line by line", relayLines, crowdtest.Both),
	relays("a buffer that is not flushed", relayBuffered, crowdtest.Both),
	relays("all of the buffer is written", relayWith(copyWholeBuffer), crowdtest.Both),
	relays("what is not UTF-8 is repaired", relayRepairs, crowdtest.Both),
	relays("a MiB at most", relayWith(copyAtMost), crowdtest.Both),
	relays("0 bytes are the end", relayWith(copyUntilEmpty), crowdtest.Both),
	relays("a hundred empty Reads are enough", relayWith(copyPeeking), crowdtest.Both),
	relays("a silent side is given up", relayTimes(100*time.Millisecond), crowdtest.Both),
	relays("a deadline of an hour", relayTimes(time.Hour), crowdtest.Both),
	relays("both are closed at the first end", relayFirstEnd, crowdtest.Half),
	relays("the end is not passed on", relayEnds(func(net.Conn, net.Conn) {}), crowdtest.Half),
	relays(
		"Close instead of CloseWrite",
		relayEnds(func(to, _ net.Conn) { to.Close() }),
		crowdtest.Half,
	),
	relays("CloseWrite of the other connection", relayEnds(func(_, from net.Conn) { closeWrite(from) }),
		crowdtest.Half),
	relays("only a *net.TCPConn can be closed by half", relayEnds(func(to, _ net.Conn) {
		if tcp, ok := to.(*net.TCPConn); ok {
			tcp.CloseWrite()
		}
	}), crowdtest.Half),
	relays("the other way gets 100 ms", relayHurries, crowdtest.Half),
	relays("the end is passed on when both ways have ended", relayLateEnd, crowdtest.Half),
	relays("nothing is closed", relayLeavesOpen, crowdtest.Over, crowdtest.Broken),
	relays("only b is closed", relayClosesB, crowdtest.Over, crowdtest.Broken),
	relays("the end is an error", relayWith(copyToEOF), crowdtest.Over, crowdtest.Broken),
	relays(
		"bytes that come with the end are lost",
		relayWith(copyErrorFirst),
		crowdtest.Over,
		crowdtest.Broken,
	),
	relays("an error that comes with bytes is waited for again", relayWith(copyReadsOn(func(err error) bool {
		return err != io.EOF
	})), crowdtest.Broken),
	relays("the end that comes with bytes is waited for again", relayWith(copyReadsOn(func(err error) bool {
		return err == nil || err == io.EOF
	})), crowdtest.Over),
	relays("what Close returns is what Relay returns", func(a, b net.Conn) error {
		results := ways(a, b)
		if err := <-results; err != nil {
			a.Close()
			b.Close()
			<-results
			return err
		}
		return cmp.Or(<-results, errors.Join(a.Close(), b.Close()))
	}, crowdtest.Over),
	relays("b is closed only if a closes well", func(a, b net.Conn) error {
		results := ways(a, b)
		err := <-results
		if err != nil {
			a.Close()
			b.Close()
		}
		err = cmp.Or(err, <-results)
		if a.Close() == nil || err != nil {
			b.Close()
		}
		return err
	}, crowdtest.Over),
	relays("bytes that are not UTF-8 are replaced", relayWith(copyText), crowdtest.Both),
	relays("errors are not returned", relayHides, crowdtest.Broken),
	relays("an error ends its own way only", relayGoesOn, crowdtest.Broken),
	relays("the error of its own Close is returned", relayLastError, crowdtest.Broken),
	relays("the error of its own Close is returned, too", relayJoins, crowdtest.Broken),
	relays("a Read that fails is no error on the way back", relayHalfHides, crowdtest.Broken),
	relays("the result of the way back is forgotten", relayOneResult, crowdtest.Broken),
	relays("a reset counts as leaving", relayWith(copyEndsWith(syscall.ECONNRESET)), crowdtest.Broken),
	relays("only the broken connection is closed", relayClosesOne(1), crowdtest.Broken),
	relays("only the connection behind the broken one is closed", relayClosesOne(0), crowdtest.Broken),
	relays("net.ErrClosed is always of its own making", func(a, b net.Conn) error {
		if err := crowd.Relay(a, b); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}, crowdtest.Broken),
	relays("a Write that fails does not matter at the end", relayWith(copyNoLastError), crowdtest.Broken),
	relays("a reader waits for a writer that has gone", relayWith(copyQueued), crowdtest.Broken),
	relays("what was read ahead is lost when a Read fails", relayWith(copyForgetsQueue), crowdtest.Broken),
	relays("one goroutine is not waited for", relayLeavesGoroutine, crowdtest.Broken),
	relays("errors of Write are ignored", relayWith(copyIgnoringWrites), crowdtest.Broken),
	relays("the error is told, not passed on", relayTells, crowdtest.Broken),
	relays("io.EOF of a Write is the end", relayWith(func(to io.Writer, from io.Reader) error {
		_, err := io.Copy(to, struct{ io.Reader }{from})
		if err == io.EOF { // io.Copy returns no io.EOF of Read
			err = nil
		}
		return err
	}), crowdtest.Broken),
	relays(
		"a deadline that has passed is the end",
		relayWith(copyEndsWith(os.ErrDeadlineExceeded)),
		crowdtest.Broken,
	),
	relays(
		"every kind of EOF is the end",
		relayWith(copyEndsWith(io.ErrUnexpectedEOF)),
		crowdtest.Broken,
	),
	relays("one lock for both ways", relayLocks, crowdtest.Slow),
	relays("everything is read ahead", relayReadsAhead, crowdtest.Slow),
	relays("one lock for all relays", relayLocksAll, crowdtest.Slow),
}

// serving is a Serve that gets its clients, its limit and its end right. serve has one client, in a
// goroutine of its own.
func serving(ln net.Listener, limit int, serve func(conn net.Conn)) error {
	places := make(chan struct{}, limit)
	var clients sync.WaitGroup
	defer clients.Wait()
	for {
		conn, err := ln.Accept()
		if err != nil {
			return closed(err)
		}
		places <- struct{}{}
		clients.Go(func() {
			defer func() { <-places }()
			serve(conn)
		})
	}
}

// recovering is handle without its panics.
func recovering(conn net.Conn, handle func(net.Conn)) (panicked any) {
	defer func() { panicked = recover() }()
	handle(conn)
	return nil
}

func serveInTurn(ln net.Listener, _ int, handle func(net.Conn)) error {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return closed(err)
		}
		guard(conn, handle)
	}
}

func serveClosesAtOnce(ln net.Listener, limit int, handle func(net.Conn)) error {
	return serving(ln, limit, func(conn net.Conn) {
		defer conn.Close()
		var done sync.WaitGroup
		defer done.Wait()
		done.Go(func() { recovering(conn, handle) })
		conn.Close()
	})
}

func serveProbes(ln net.Listener, limit int, handle func(net.Conn)) error {
	return serving(ln, limit, func(conn net.Conn) {
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			conn.Close()
			return
		}
		guard(conn, handle)
	})
}

func serveWraps(ln net.Listener, limit int, handle func(net.Conn)) error {
	return serving(ln, limit, func(conn net.Conn) { guard(struct{ net.Conn }{conn}, handle) })
}

// serveBools has places that take memory.
func serveBools(ln net.Listener, limit int, handle func(net.Conn)) error {
	places := make(chan bool, limit)
	return serving(ln, limit, func(conn net.Conn) {
		places <- true
		defer func() { <-places }()
		guard(conn, handle)
	})
}

func serveAtMost(n int) server {
	return func(ln net.Listener, limit int, handle func(net.Conn)) error {
		return serving(ln, min(n, limit), func(conn net.Conn) { guard(conn, handle) })
	}
}

func serveTotal(ln net.Listener, limit int, handle func(net.Conn)) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	for range limit {
		conn, err := ln.Accept()
		if err != nil {
			return closed(err)
		}
		clients.Go(func() { guard(conn, handle) })
	}
	return nil
}

func serveUnlimited(ln net.Listener, _ int, handle func(net.Conn)) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	for {
		conn, err := ln.Accept()
		if err != nil {
			return closed(err)
		}
		clients.Go(func() { guard(conn, handle) })
	}
}

// serveByAddress keeps those who are there in a map, in which two with one address have one place.
func serveByAddress(ln net.Listener, limit int, handle func(net.Conn)) error {
	var mu sync.Mutex
	left := sync.NewCond(&mu)
	there := map[string]bool{}
	var clients sync.WaitGroup
	defer clients.Wait()
	for {
		conn, err := ln.Accept()
		if err != nil {
			return closed(err)
		}
		addr := conn.RemoteAddr().String()
		mu.Lock()
		for len(there) >= limit {
			left.Wait()
		}
		there[addr] = true
		mu.Unlock()
		clients.Go(func() {
			guard(conn, handle)
			mu.Lock()
			delete(there, addr)
			left.Signal()
			mu.Unlock()
		})
	}
}

// serveAborts leaves no TIME_WAIT.
func serveAborts(ln net.Listener, limit int, handle func(net.Conn)) error {
	return serving(ln, limit, func(conn net.Conn) {
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		guard(conn, handle)
	})
}

// serveOneMore compares with > where it should compare with >=.
func serveOneMore(ln net.Listener, limit int, handle func(net.Conn)) error {
	if limit++; limit < 0 {
		limit--
	}
	return serving(ln, limit, func(conn net.Conn) { guard(conn, handle) })
}

func serveSendsAway(ln net.Listener, limit int, handle func(net.Conn)) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	places := make(chan struct{}, limit)
	for {
		conn, err := ln.Accept()
		if err != nil {
			return closed(err)
		}
		select {
		case places <- struct{}{}:
			clients.Go(func() {
				defer conn.Close()
				defer func() { <-places }() // before Close: who sees the end may come again
				recovering(conn, handle)
			})
		default:
			conn.Close()
		}
	}
}

func serveTells(ln net.Listener, limit int, handle func(net.Conn)) error {
	places := make(chan struct{}, limit)
	return serveUnlimited(ln, limit, func(conn net.Conn) {
		select {
		case places <- struct{}{}:
		default:
			io.WriteString(conn, "please wait\n")
			places <- struct{}{}
		}
		defer func() { <-places }()
		handle(conn)
	})
}

func serveBatches(ln net.Listener, limit int, handle func(net.Conn)) error {
	for {
		var batch sync.WaitGroup
		for range limit {
			conn, err := ln.Accept()
			if err != nil {
				batch.Wait()
				return closed(err)
			}
			batch.Go(func() { guard(conn, handle) })
		}
		batch.Wait()
	}
}

// serveTenWait has a queue with a bound, and sends away those who find it full.
func serveTenWait(ln net.Listener, limit int, handle func(net.Conn)) error {
	queue := make(chan struct{}, 10)
	places := make(chan struct{}, limit)
	return serveUnlimited(ln, limit, func(conn net.Conn) {
		select {
		case queue <- struct{}{}:
		default:
			return
		}
		places <- struct{}{}
		<-queue
		defer func() { <-places }()
		handle(conn)
	})
}

func serveTwice(ln net.Listener, limit int, handle func(net.Conn)) error {
	return serving(ln, limit, func(conn net.Conn) {
		defer conn.Close()
		recovering(conn, handle)
		recovering(conn, handle)
	})
}

var allPlaces sync.Map // limit → chan struct{}

func serveShared(ln net.Listener, limit int, handle func(net.Conn)) error {
	found, _ := allPlaces.LoadOrStore(limit, make(chan struct{}, limit))
	places := found.(chan struct{})
	return serving(ln, limit, func(conn net.Conn) {
		places <- struct{}{}
		defer func() { <-places }()
		guard(conn, handle)
	})
}

// serveForgets serves who finds a place, and leaves the others to themselves.
func serveForgets(ln net.Listener, limit int, handle func(net.Conn)) error {
	places := make(chan struct{}, limit)
	var clients sync.WaitGroup
	defer clients.Wait()
	for {
		conn, err := ln.Accept()
		if err != nil {
			return closed(err)
		}
		select {
		case places <- struct{}{}:
			clients.Go(func() {
				defer func() { <-places }()
				guard(conn, handle)
			})
		default:
		}
	}
}

func serveNeverCloses(ln net.Listener, limit int, handle func(net.Conn)) error {
	return serving(ln, limit, func(conn net.Conn) { recovering(conn, handle) })
}

func serveClosesAtEnd(ln net.Listener, limit int, handle func(net.Conn)) error {
	var mu sync.Mutex
	var conns []net.Conn
	defer func() {
		for _, conn := range conns {
			conn.Close()
		}
	}()
	return serving(ln, limit, func(conn net.Conn) {
		mu.Lock()
		conns = append(conns, conn)
		mu.Unlock()
		recovering(conn, handle)
	})
}

func serveHalfCloses(ln net.Listener, limit int, handle func(net.Conn)) error {
	return serving(ln, limit, func(conn net.Conn) {
		recovering(conn, handle)
		closeWrite(conn)
	})
}

func serveHalfClosesTCP(ln net.Listener, limit int, handle func(net.Conn)) error {
	return serving(ln, limit, func(conn net.Conn) {
		recovering(conn, handle)
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.CloseWrite()
			return
		}
		conn.Close()
	})
}

func serveReturnsClose(ln net.Listener, limit int, handle func(net.Conn)) error {
	var mu sync.Mutex
	var failed error
	err := serving(ln, limit, func(conn net.Conn) {
		recovering(conn, handle)
		if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			mu.Lock()
			defer mu.Unlock()
			failed = err
		}
	})
	return cmp.Or(err, failed)
}

func serveTimes(ln net.Listener, limit int, handle func(net.Conn)) error {
	return serving(ln, limit, func(conn net.Conn) {
		conn.SetDeadline(time.Now().Add(time.Hour))
		guard(conn, handle)
	})
}

func serveDrains(ln net.Listener, limit int, handle func(net.Conn)) error {
	return serving(ln, limit, func(conn net.Conn) {
		defer conn.Close()
		recovering(conn, handle)
		io.Copy(io.Discard, conn)
	})
}

func servePanicSkipsClose(ln net.Listener, limit int, handle func(net.Conn)) error {
	return serving(ln, limit, func(conn net.Conn) {
		if recovering(conn, handle) == nil {
			conn.Close()
		}
	})
}

func servePanicKeepsPlace(ln net.Listener, limit int, handle func(net.Conn)) error {
	places := make(chan struct{}, limit)
	return serving(ln, limit, func(conn net.Conn) {
		places <- struct{}{}
		defer conn.Close()
		if recovering(conn, handle) == nil {
			<-places
		}
	})
}

func servePanicSkipsDone(ln net.Listener, limit int, handle func(net.Conn)) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	return serving(ln, limit, func(conn net.Conn) {
		clients.Add(1)
		defer conn.Close()
		if recovering(conn, handle) == nil {
			clients.Done()
		}
	})
}

func servePanicIsError(ln net.Listener, limit int, handle func(net.Conn)) (err error) {
	var mu sync.Mutex
	var last error
	err = serving(ln, limit, func(conn net.Conn) {
		defer conn.Close()
		if cause, ok := recovering(conn, handle).(error); ok {
			mu.Lock()
			last = cause
			mu.Unlock()
		}
	})
	return errors.Join(err, last)
}

func servePanicMakesError(ln net.Listener, limit int, handle func(net.Conn)) error {
	var panicked atomic.Bool
	err := serving(ln, limit, func(conn net.Conn) {
		defer conn.Close()
		if recovering(conn, handle) != nil {
			panicked.Store(true)
		}
	})
	if panicked.Load() {
		return errors.Join(err, errors.New("a handler panicked"))
	}
	return err
}

func serveTellsPanic(ln net.Listener, limit int, handle func(net.Conn)) error {
	return serving(ln, limit, func(conn net.Conn) {
		defer conn.Close()
		if recovering(conn, handle) != nil {
			io.WriteString(conn, "internal server error\n")
		}
	})
}

func serveWaitsForNobody(ln net.Listener, limit int, handle func(net.Conn)) error {
	return serveWaitsFor(0)(ln, limit, handle)
}

func serveWaitsFor(long time.Duration) server {
	return func(ln net.Listener, limit int, handle func(net.Conn)) error {
		result := make(chan error, 1)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			serving(announced{ln, result}, limit, func(conn net.Conn) { guard(conn, handle) })
		}()
		err := <-result
		select {
		case <-ended:
		case <-time.After(long):
		}
		return closed(err)
	}
}

// announced tells the error of Accept.
type announced struct {
	net.Listener
	failed chan<- error
}

func (a announced) Accept() (net.Conn, error) {
	conn, err := a.Listener.Accept()
	if err != nil {
		a.failed <- err
	}
	return conn, err
}

func serveCountsLate(ln net.Listener, limit int, handle func(net.Conn)) error {
	places := make(chan struct{}, limit)
	var clients sync.WaitGroup
	var mu sync.Mutex // Wait and the first Add must not race
	for {
		conn, err := ln.Accept()
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			clients.Wait()
			return closed(err)
		}
		places <- struct{}{}
		go func() {
			mu.Lock()
			clients.Add(1)
			mu.Unlock()
			defer clients.Done()
			defer func() { <-places }()
			guard(conn, handle)
		}()
	}
}

func serveCuts(ln net.Listener, limit int, handle func(net.Conn)) error {
	var mu sync.Mutex
	var conns []net.Conn
	var clients sync.WaitGroup
	places := make(chan struct{}, limit)
	for {
		conn, err := ln.Accept()
		if err != nil {
			mu.Lock()
			for _, conn := range conns {
				conn.Close()
			}
			mu.Unlock()
			clients.Wait()
			return closed(err)
		}
		mu.Lock()
		conns = append(conns, conn)
		mu.Unlock()
		clients.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			guard(conn, handle)
		})
	}
}

func serveDropsWaiting(ln net.Listener, limit int, handle func(net.Conn)) error {
	places := make(chan struct{}, limit)
	var clients sync.WaitGroup
	stop := make(chan struct{})
	for {
		conn, err := ln.Accept()
		if err != nil {
			close(stop)
			clients.Wait()
			return closed(err)
		}
		clients.Go(func() {
			defer conn.Close()
			select {
			case places <- struct{}{}:
				defer func() { <-places }()
				recovering(conn, handle)
			case <-stop:
			}
		})
	}
}

func serveDoneBeforeClose(ln net.Listener, limit int, handle func(net.Conn)) error {
	places := make(chan struct{}, limit)
	var clients sync.WaitGroup
	defer clients.Wait()
	for {
		conn, err := ln.Accept()
		if err != nil {
			return closed(err)
		}
		places <- struct{}{}
		clients.Add(1)
		go func() {
			defer conn.Close()
			defer clients.Done()
			defer func() { <-places }()
			recovering(conn, handle)
		}()
	}
}

// ends is a Serve that returns what result makes of the error of Accept.
func ends(result func(error) error) server {
	return func(ln net.Listener, limit int, handle func(net.Conn)) error {
		failed := make(chan error, 1)
		serving(announced{ln, failed}, limit, func(conn net.Conn) { guard(conn, handle) })
		return result(<-failed)
	}
}

// relayWith is a Relay that gets everything right but the copying.
func relayWith(way func(to io.Writer, from io.Reader) error) relay {
	return func(a, b net.Conn) error {
		defer a.Close()
		defer b.Close()
		results := make(chan error, 2)
		for _, pair := range [][2]net.Conn{{a, b}, {b, a}} {
			go func() {
				err := way(pair[0], pair[1])
				if err == nil {
					closeWrite(pair[0])
				}
				results <- err
			}()
		}
		if err := <-results; err != nil && err != errEnd {
			a.Close()
			b.Close()
			if other := <-results; other == errEnd {
				return other
			}
			return err
		} else if err == errEnd {
			<-results
			return err
		}
		return <-results
	}
}

// relayEnds is a Relay that gets everything right but what it does at the end of a stream.
func relayEnds(end func(to, from net.Conn)) relay {
	return func(a, b net.Conn) error {
		defer a.Close()
		defer b.Close()
		results := make(chan error, 2)
		for _, pair := range [][2]net.Conn{{a, b}, {b, a}} {
			go func() {
				err := copyByHand(pair[0], pair[1])
				if err == nil {
					end(pair[0], pair[1])
				}
				results <- err
			}()
		}
		if err := <-results; err != nil {
			a.Close()
			b.Close()
			<-results
			return err
		}
		return <-results
	}
}

// relayBoth passes on both ways, and returns what result makes of their errors.
func relayBoth(
	a, b net.Conn, back func(to io.Writer, from io.Reader) error, result func(...error) error,
) error {
	defer a.Close()
	defer b.Close()
	results := make(chan error, 2)
	go func() {
		err := copyByHand(b, a)
		closeWrite(b)
		results <- err
	}()
	go func() {
		err := back(a, b)
		closeWrite(a)
		results <- err
	}()
	first := <-results
	if first != nil {
		a.Close()
		b.Close()
	}
	return result(first, <-results)
}

func relayJoins(a, b net.Conn) error { return relayBoth(a, b, copyByHand, errors.Join) }

func relayHalfHides(a, b net.Conn) error {
	return relayBoth(a, b, func(to io.Writer, from io.Reader) error {
		err := copyByHand(to, from)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		return err
	}, func(errs ...error) error { return cmp.Or(errs...) })
}

func relayInOrder(a, b net.Conn) error {
	defer a.Close()
	defer b.Close()
	if _, err := io.Copy(b, a); err != nil {
		return err
	}
	closeWrite(b)
	_, err := io.Copy(a, b)
	return err
}

func relayInTurn(a, b net.Conn) error {
	defer a.Close()
	defer b.Close()
	buf := make([]byte, 64<<10)
	for from, to := a, b; ; from, to = to, from {
		n, err := from.Read(buf)
		to.Write(buf[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func relayOneWay(a, b net.Conn) error {
	defer a.Close()
	defer b.Close()
	_, err := io.Copy(b, a)
	return err
}

var (
	relayLines = relayWith(func(to io.Writer, from io.Reader) error {
		lines := bufio.NewScanner(from)
		for lines.Scan() {
			if _, err := to.Write(append(lines.Bytes(), '\n')); err != nil {
				return err
			}
		}
		return lines.Err()
	})
	relayBuffered = relayWith(func(to io.Writer, from io.Reader) error {
		buffered := bufio.NewWriter(to)
		defer buffered.Flush()
		return copyByHand(buffered, from)
	})
	relayRepairs = relayWith(func(to io.Writer, from io.Reader) error {
		return copyByHand(repairing{to}, from)
	})
)

type repairing struct{ io.Writer }

func (r repairing) Write(p []byte) (int, error) {
	return r.Writer.Write(bytes.ToValidUTF8(p, []byte("?")))
}

func copyWholeBuffer(to io.Writer, from io.Reader) error {
	buf := make([]byte, 1024)
	for {
		n, err := from.Read(buf)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			to.Write(buf[:n])
			return err
		}
		if _, err := to.Write(buf); err != nil {
			return err
		}
	}
}

// copyPeeking reads through a bufio.Reader, which gives up when it has read nothing a hundred times.
func copyPeeking(to io.Writer, from io.Reader) error {
	in := bufio.NewReader(from)
	for {
		_, err := in.Peek(1)
		piece, _ := in.Peek(in.Buffered())
		if _, werr := to.Write(piece); werr != nil {
			return werr
		}
		in.Discard(len(piece))
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func copyAtMost(to io.Writer, from io.Reader) error {
	_, err := io.Copy(to, io.LimitReader(from, 1<<20))
	return err
}

// relayTimes gives up a side that says nothing for so long.
func relayTimes(long time.Duration) relay {
	return func(a, b net.Conn) error {
		return relayWith(func(to io.Writer, from io.Reader) error {
			return copyByHand(to, impatient{from.(net.Conn), long})
		})(a, b)
	}
}

type impatient struct {
	net.Conn
	long time.Duration
}

func (i impatient) Read(p []byte) (int, error) {
	i.SetReadDeadline(time.Now().Add(i.long))
	return i.Conn.Read(p)
}

// relayFirstEnd is the naive one of the lesson.
func relayFirstEnd(a, b net.Conn) error {
	results := make(chan error, 2)
	go func() { results <- copyByHand(a, b) }()
	go func() { results <- copyByHand(b, a) }()
	err := <-results
	a.Close()
	b.Close()
	<-results
	return err
}

// relayHurries gives the other way a moment.
func relayHurries(a, b net.Conn) error {
	defer a.Close()
	defer b.Close()
	results := make(chan error, 2)
	for _, pair := range [][2]net.Conn{{a, b}, {b, a}} {
		go func() {
			err := copyByHand(pair[0], pair[1])
			if err == nil {
				closeWrite(pair[0])
			}
			results <- err
		}()
	}
	err := <-results
	if err != nil {
		a.Close()
		b.Close()
		<-results
		return err
	}
	timer := time.AfterFunc(100*time.Millisecond, func() {
		a.Close()
		b.Close()
	})
	defer timer.Stop()
	return <-results
}

func relayLateEnd(a, b net.Conn) error {
	defer a.Close()
	defer b.Close()
	results := make(chan error, 2)
	go func() { results <- copyByHand(a, b) }()
	go func() { results <- copyByHand(b, a) }()
	if err := <-results; err != nil {
		a.Close()
		b.Close()
		<-results
		return err
	}
	err := <-results
	closeWrite(a)
	closeWrite(b)
	return err
}

// ways is a Relay without its end: both ways go on, and their results come.
func ways(a, b net.Conn) (results chan error) {
	results = make(chan error, 2)
	for _, pair := range [][2]net.Conn{{a, b}, {b, a}} {
		go func() {
			err := copyByHand(pair[0], pair[1])
			if err == nil {
				closeWrite(pair[0])
			}
			results <- err
		}()
	}
	return results
}

func relayLeavesOpen(a, b net.Conn) error {
	results := ways(a, b)
	err := <-results
	if err != nil {
		a.SetDeadline(time.Unix(1, 0))
		b.SetDeadline(time.Unix(1, 0))
		<-results
		return err
	}
	return <-results
}

func relayClosesB(a, b net.Conn) error {
	defer b.Close()
	return relayLeavesOpen(a, b)
}

// errEnd is the io.EOF of a Read; a Write may return one, too.
var errEnd = fmt.Errorf("reading: %w", io.EOF)

func copyToEOF(to io.Writer, from io.Reader) error {
	err := copyByHand(to, from)
	if err == nil {
		closeWrite(to.(net.Conn))
		return errEnd
	}
	return err
}

func copyErrorFirst(to io.Writer, from io.Reader) error {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return err
		}
	}
}

// relayWaitsForA begins when a has said something.
func relayWaitsForA(a, b net.Conn) error {
	buf := make([]byte, 4096)
	n, err := a.Read(buf)
	return crowd.Relay(&heard{a, buf[:n], err}, b)
}

// heard is a connection of which something was read already.
type heard struct {
	net.Conn
	data []byte
	err  error
}

func (h *heard) Read(p []byte) (int, error) {
	if n := copy(p, h.data); n > 0 {
		h.data = h.data[n:]
		return n, nil
	}
	if h.err != nil {
		return 0, h.err
	}
	return h.Conn.Read(p)
}

func (h *heard) CloseWrite() error {
	closeWrite(h.Conn)
	return nil
}

// copyReadsOn calls Read again after one that has brought bytes, if again says so about its error.
func copyReadsOn(again func(err error) bool) func(to io.Writer, from io.Reader) error {
	return func(to io.Writer, from io.Reader) error {
		buf := make([]byte, 4096)
		for {
			n, err := from.Read(buf)
			if n > 0 {
				if _, failed := to.Write(buf[:n]); failed != nil {
					return failed
				}
				if again(err) {
					continue
				}
			}
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
}

func copyText(to io.Writer, from io.Reader) error {
	_, err := io.Copy(writerFunc(func(p []byte) (int, error) {
		_, err := io.WriteString(to, strings.ToValidUTF8(string(p), "?"))
		return len(p), err
	}), struct{ io.Reader }{from})
	return err
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func relayHides(a, b net.Conn) error {
	defer a.Close()
	defer b.Close()
	results := ways(a, b)
	if err := <-results; err != nil {
		a.Close()
		b.Close()
	}
	<-results
	return nil
}

func relayGoesOn(a, b net.Conn) error {
	defer a.Close()
	defer b.Close()
	results := ways(a, b)
	first, second := <-results, <-results
	if first != nil {
		return first
	}
	return second
}

func relayLastError(a, b net.Conn) error {
	defer a.Close()
	defer b.Close()
	results := ways(a, b)
	if err := <-results; err != nil {
		a.Close()
		b.Close()
	}
	return <-results
}

func relayOneResult(a, b net.Conn) error {
	defer a.Close()
	defer b.Close()
	var both sync.WaitGroup
	pass := func(to, from net.Conn, err *error) {
		if *err = copyByHand(to, from); *err == nil {
			closeWrite(to)
			return
		}
		a.Close()
		b.Close()
	}
	var there, back error
	both.Go(func() { pass(b, a, &there) })
	both.Go(func() { pass(a, b, &back) })
	both.Wait()
	return there
}

// relayClosesOne closes one connection of the pair that bytes go to and come from, when something has failed.
func relayClosesOne(which int) relay {
	return func(a, b net.Conn) error { return relayCloses(a, b, which) }
}

func relayCloses(a, b net.Conn, which int) error {
	results := make(chan error, 2)
	for _, pair := range [][2]net.Conn{{a, b}, {b, a}} {
		go func() {
			err := copyByHand(pair[0], pair[1])
			if err == nil {
				closeWrite(pair[0])
			} else {
				pair[which].Close()
			}
			results <- err
		}()
	}
	first, second := <-results, <-results
	a.Close()
	b.Close()
	if first == nil {
		first = second
	}
	return first
}

func relayLeavesGoroutine(a, b net.Conn) error {
	defer a.Close()
	defer b.Close()
	results := ways(a, b)
	if err := <-results; err != nil {
		return err
	}
	return <-results
}

func copyIgnoringWrites(to io.Writer, from io.Reader) error {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		to.Write(buf[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func relayTells(a, b net.Conn) error {
	if err := relayLoops(a, b); err != nil {
		return fmt.Errorf("relay: %v", err)
	}
	return nil
}

func copyEndsWith(end error) func(to io.Writer, from io.Reader) error {
	return func(to io.Writer, from io.Reader) error {
		if err := copyByHand(to, from); !errors.Is(err, end) {
			return err
		}
		return nil
	}
}

func copyUntilEmpty(to io.Writer, from io.Reader) error {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF || n == 0 && err == nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func copyNoLastError(to io.Writer, from io.Reader) error {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, failed := to.Write(buf[:n]); failed != nil && err == nil {
				return failed
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// copyQueued reads a little ahead, in a goroutine that may be at its queue when nobody takes anything
// from it.
func copyQueued(to io.Writer, from io.Reader) error {
	queue, end := make(chan []byte, 4), make(chan error, 1)
	go func() {
		defer close(queue)
		for {
			buf := make([]byte, 16<<10)
			n, err := from.Read(buf)
			if n > 0 {
				queue <- buf[:n]
			}
			if err != nil {
				end <- err
				return
			}
		}
	}()
	for chunk := range queue {
		if _, err := to.Write(chunk); err != nil {
			from.(io.Closer).Close()
			<-end
			return err
		}
	}
	if err := <-end; err != io.EOF {
		return err
	}
	return nil
}

// copyForgetsQueue reads a little ahead, and does not write it any more when a Read has failed.
func copyForgetsQueue(to io.Writer, from io.Reader) error {
	queue, failed := make(chan []byte, 16), make(chan error, 1)
	go func() {
		defer close(queue)
		for {
			buf := make([]byte, 16<<10)
			n, err := from.Read(buf)
			if n > 0 {
				queue <- buf[:n]
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				failed <- err
				return
			}
		}
	}()
	for chunk := range queue {
		if _, err := to.Write(chunk); err != nil {
			from.(io.Closer).Close()
			for range queue {
			}
			return err
		}
		select {
		case err := <-failed:
			return err
		default:
		}
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// relayLocks writes to one side at a time.
func relayLocks(a, b net.Conn) error {
	var mu sync.Mutex
	return relayWith(
		func(to io.Writer, from io.Reader) error { return copyByHand(locking{to, &mu}, from) },
	)(
		a,
		b,
	)
}

type locking struct {
	io.Writer
	mu *sync.Mutex
}

func (l locking) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Writer.Write(p)
}

var toA, toB sync.Mutex

func relayLocksAll(a, b net.Conn) error {
	return relayWith(func(to io.Writer, from io.Reader) error {
		mu := &toA
		if to == b {
			mu = &toB
		}
		return copyByHand(locking{to, mu}, from)
	})(a, b)
}

// relayReadsAhead keeps what the other side does not read yet, however much it is.
func relayReadsAhead(a, b net.Conn) error {
	return relayWith(func(to io.Writer, from io.Reader) error {
		var mu sync.Mutex
		changed := sync.NewCond(&mu)
		var kept bytes.Buffer
		var ended, failed error
		written := make(chan struct{})
		go func() {
			defer close(written)
			for {
				mu.Lock()
				for kept.Len() == 0 && ended == nil {
					changed.Wait()
				}
				data := bytes.Clone(kept.Bytes())
				kept.Reset()
				mu.Unlock()
				if len(data) == 0 {
					return
				}
				if _, err := to.Write(data); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					from.(net.Conn).SetReadDeadline(time.Unix(1, 0))
					return
				}
			}
		}()
		buf := make([]byte, 32<<10)
		for ended == nil {
			n, err := from.Read(buf)
			mu.Lock()
			kept.Write(buf[:n])
			ended = err
			mu.Unlock()
			changed.Signal()
		}
		<-written
		if failed != nil {
			return failed
		}
		if ended == io.EOF {
			return nil
		}
		return ended
	})(a, b)
}
