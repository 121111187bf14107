package reconnect_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	reconnect "socketbook/solutions/03"
	"socketbook/tools/check"
)

type handler = func(net.Conn) error

// right are the reference and correct answers in other styles.
var right = []check.Answer{
	answer("the reference", reconnect.Serve),
	answer("a goroutine for each client", serveConcurrently),
	answer("one goroutine accepts, one serves", serveFromChannel),
	answer("a few workers that accept for themselves", serveWithWorkers),
	answer("a limit on clients and one clock", serveWithLimit),
	answer("a handler in a goroutine that is waited for", serveInTurn),
	answer("conditions and contexts", serveCounting),
	answer("a goroutine for each Accept, and a look at the clock", servePolling),
	answer("Control-C closes the listener", serveUntilInterrupted),
	answer("clients are pulled out of an iterator", servePulled),
}

// pause is what the answers below wait after a temporary error.
const pause = time.Millisecond

// passes is what a programmer writes who distrusts Temporary.
func passes(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

// guard calls handle, closes conn and says nothing.
func guard(conn net.Conn, handle handler) {
	defer func() {
		_ = recover()
		_ = conn.Close()
	}()
	_ = handle(conn)
}

// serveConcurrently is what net/http does, and waits for its clients.
func serveConcurrently(ln net.Listener, handle handler) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	defer ln.Close()
	for {
		conn, err := ln.Accept()
		if err == nil {
			clients.Go(func() { guard(conn, handle) })
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if !passes(err) {
			return err
		}
		<-time.After(pause)
	}
}

// serveFromChannel accepts ahead: a client may be accepted long before it is served.
func serveFromChannel(ln net.Listener, handle handler) error {
	clients := make(chan net.Conn, 2)
	failed := make(chan error, 1)
	go func() {
		defer close(clients)
		for {
			conn, err := ln.Accept()
			switch {
			case err == nil:
				clients <- conn
			case errors.Is(err, net.ErrClosed):
				failed <- nil
				return
			case passes(err):
				timer := time.NewTimer(2 * pause)
				<-timer.C
			default:
				failed <- fmt.Errorf("accept: %w", err)
				return
			}
		}
	}()
	for conn := range clients {
		guard(conn, handle)
	}
	return <-failed
}

// serveWithWorkers has several Accepts going at once; the first of them that ends closes the listener for
// the others.
func serveWithWorkers(ln net.Listener, handle handler) error {
	var workers sync.WaitGroup
	var once sync.Once
	var failed error
	for range 3 {
		workers.Go(func() {
			for {
				conn, err := ln.Accept()
				if err == nil {
					guard(conn, handle)
					continue
				}
				if passes(err) {
					time.Sleep(pause)
					continue
				}
				once.Do(func() {
					if !errors.Is(err, net.ErrClosed) {
						failed = err
					}
					ln.Close()
				})
				return
			}
		})
	}
	workers.Wait()
	return failed
}

// serveWithLimit serves at most two clients at once.
func serveWithLimit(ln net.Listener, handle handler) error {
	const most = 2
	slots := make(chan struct{}, most)
	clock := time.NewTimer(0)
	defer clock.Stop()
	defer func() {
		for range most { // all slots are free when the last client has gone
			slots <- struct{}{}
		}
	}()
	for {
		conn, err := ln.Accept()
		var nerr net.Error
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		//lint:ignore SA1019 deprecated, and still what the task names
		case errors.Is(err, syscall.ECONNABORTED), errors.As(err, &nerr) && nerr.Temporary():
			clock.Reset(2 * pause)
			<-clock.C
			continue
		case err != nil:
			return err
		}
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			guard(conn, handle)
		}()
	}
}

// serveInTurn has one client at a time, each in a goroutine of its own, and pauses in a select.
func serveInTurn(ln net.Listener, handle handler) error {
	wait := pause
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil && !passes(err) {
			return errors.Join(errors.New("cannot accept"), err)
		}
		if err != nil {
			ctx, cancel := context.WithTimeout(context.Background(), wait)
			<-ctx.Done()
			cancel()
			wait = min(2*wait, 100*time.Millisecond)
			continue
		}
		wait = pause
		done := make(chan struct{})
		go func() {
			defer close(done)
			guard(conn, handle)
		}()
		<-done
	}
}

// serveCounting counts its clients by hand.
func serveCounting(ln net.Listener, handle handler) error {
	var mu sync.Mutex
	gone := sync.NewCond(&mu)
	clients := 0
	defer func() {
		mu.Lock()
		defer mu.Unlock()
		for clients > 0 {
			gone.Wait()
		}
	}()
	for {
		conn, err := ln.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			if passes(err) {
				time.Sleep(pause)
				continue
			}
			return err
		}
		mu.Lock()
		clients++
		mu.Unlock()
		go func() {
			guard(conn, handle)
			mu.Lock()
			clients--
			mu.Unlock()
			gone.Signal()
		}()
	}
}

// servePolling could leave its Accept for something else, and asks from time to time whether the clients
// have gone, as net/http does.
func servePolling(ln net.Listener, handle handler) error {
	type result struct {
		conn net.Conn
		err  error
	}
	var clients atomic.Int32
	defer func() {
		for clients.Load() > 0 {
			time.Sleep(pause)
		}
	}()
	results := make(chan result)
	for {
		go func() {
			conn, err := ln.Accept()
			results <- result{conn, err}
		}()
		switch r := <-results; {
		case r.err == nil:
			clients.Add(1)
			go func() {
				defer clients.Add(-1)
				guard(r.conn, handle)
			}()
		case errors.Is(r.err, net.ErrClosed):
			return nil
		case passes(r.err):
			<-time.After(pause)
		default:
			return r.err
		}
	}
}

// serveUntilInterrupted stops when somebody presses Control-C, too.
func serveUntilInterrupted(ln net.Listener, handle handler) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		ln.Close()
	})
	defer func() {
		if !stop() {
			<-closed
		}
	}()
	return serveConcurrently(ln, handle)
}

// servePulled lets a coroutine accept.
func servePulled(ln net.Listener, handle handler) error {
	next, stop := iter.Pull2(func(yield func(net.Conn, error) bool) {
		for {
			conn, err := ln.Accept()
			switch {
			case errors.Is(err, net.ErrClosed):
				return
			case err != nil && passes(err):
				time.Sleep(pause)
			case !yield(conn, err) || err != nil:
				return
			}
		}
	})
	defer stop()
	for {
		conn, err, more := next()
		if !more || err != nil {
			return err
		}
		guard(conn, handle)
	}
}
