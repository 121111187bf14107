package serving_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"socketbook/labs/09/servingtest"
	serving "socketbook/solutions/09"
	"socketbook/tools/check"
)

// noTCPConn says why a mistake does nothing in another process.
const noTCPConn = "its connection is no *net.TCPConn there"

// wrong are the mistakes that people make, each with exactly the cases that must fail on it. The
// failure text of a case in testdata is the one that the first answer named for it provokes.
var wrong = []check.Answer{
	talks(
		"one client after the other",
		func(s *base, conn net.Conn) { s.serve(conn) },
		servingtest.Clients,
	),
	talks("a byte is read to see whether the client is there", talkProbes, servingtest.Clients),
	talks("the connection is handed over in a wrapping", talkWraps, servingtest.Clients),
	talks("closed while the handler works", talkClosesAtOnce, servingtest.Clients),
	talks("the handler is called once more", talkTwice, servingtest.Clients),
	talks("a deadline of an hour", talkTimes, servingtest.Clients),
	talks("no more than 128 clients at a time", talkBounded, servingtest.Clients),
	serves("one Serve at a time", serveLocked, servingtest.Clients),
	talks("never closed", talkNeverCloses, servingtest.Handler),
	talks("only the writing half is closed", talkHalfCloses, servingtest.Handler),
	talks("a panic skips the Close", talkPanicSkipsClose, servingtest.Handler),
	talks("the client is told about a panic", talkTellsPanic, servingtest.Handler),
	talks("closed with a reset", talkAborts, servingtest.Handler),
	serves("every error of Accept is ErrServerClosed", ends(func(*base, error) error {
		return serving.ErrServerClosed
	}), servingtest.Accept),
	serves("a closed listener means a closed server", ends(func(s *base, err error) error {
		if s.hasEnded() || errors.Is(err, net.ErrClosed) {
			return serving.ErrServerClosed
		}
		return err
	}), servingtest.Accept),
	serves("the error of Accept is told, not passed on", ends(func(s *base, err error) error {
		if s.hasEnded() {
			return serving.ErrServerClosed
		}
		return fmt.Errorf("accept: %v", err)
	}), servingtest.Accept),
	serves("a timeout of Accept is a closed server", ends(func(s *base, err error) error {
		if s.hasEnded() || os.IsTimeout(err) {
			return serving.ErrServerClosed
		}
		return err
	}), servingtest.Accept),
	serves("an error of Accept ends the server", ends(func(s *base, err error) error {
		if s.hasEnded() {
			return serving.ErrServerClosed
		}
		s.end()
		return err
	}), servingtest.Accept),
	serves("an error of Accept cuts the clients", ends(func(s *base, err error) error {
		if s.hasEnded() {
			return serving.ErrServerClosed
		}
		s.cut()
		return err
	}), servingtest.Accept),
	serves("nil after Shutdown", ends(func(s *base, err error) error {
		if s.hasEnded() {
			return nil
		}
		return err
	}), servingtest.Listener, servingtest.Close),
	serves("the error of Accept after Shutdown", ends(func(_ *base, err error) error { return err }),
		servingtest.Listener, servingtest.Close),
	serves("ErrServerClosed for net.ErrClosed only", ends(func(s *base, err error) error {
		if s.hasEnded() && errors.Is(err, net.ErrClosed) {
			return serving.ErrServerClosed
		}
		return err
	}), servingtest.Listener),
	serves("a Serve that returns forgets all listeners", serveForgetsListeners, servingtest.Listener),
	serves("a Serve that returns forgets the first listener", serveForgetsFirst, servingtest.Listener),
	serves("only the last listener is known", serveKnowsLast, servingtest.Listener, servingtest.Close),
	shuts(
		"the listeners are closed when the clients have gone",
		shutdownWaitsFirst,
		servingtest.Listener,
	),
	shuts("Shutdown waits for nobody", shutdownAtOnce, servingtest.Waits),
	shuts("Shutdown waits 100 ms", shutdownWaits(100*time.Millisecond), servingtest.Waits),
	shuts("Shutdown waits for the first to leave", shutdownOne, servingtest.Waits),
	serves("clients are counted in their own goroutine", serveCountsLate, servingtest.Waits).
		MayPassElsewhere("the next Accept comes later there, so that the goroutine wins the race"),
	talks("Done before Close", talkDoneBeforeClose, servingtest.Waits),
	answer("Shutdown looks around, and clients are counted out before the Close", func(h func(net.Conn)) server {
		s := newBase(h)
		s.talk = talkDoneBeforeClose
		return withShutdown{s, shutdownLooksAround}
	}, servingtest.Waits),
	shuts("the deadline of ctx becomes that of the connections", func(s *base, ctx context.Context) error {
		if t, ok := ctx.Deadline(); ok {
			s.each(func(conn net.Conn) { conn.SetDeadline(t) })
		}
		return s.Shutdown(ctx)
	}, servingtest.Waits),
	shuts("Shutdown ends what clients say", shutdownClosesRead, servingtest.Waits).MayPassElsewhere(noTCPConn),
	answer("an error of Accept forgets the clients", func(h func(net.Conn)) server {
		return forgetful{withServe{newBase(h), ends(func(s *base, err error) error {
			if s.hasEnded() {
				return serving.ErrServerClosed
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			clear(s.clients)
			return err
		})}}
	}, servingtest.Waits, servingtest.Close),
	talks("a panic skips the Done", talkPanicSkipsDone, servingtest.Waits),
	shuts("Shutdown cuts", func(s *base, ctx context.Context) error {
		s.Close()
		return s.wait(ctx)
	}, servingtest.Waits),
	shuts("Shutdown says ErrServerClosed", func(s *base, ctx context.Context) error {
		if err := s.Shutdown(ctx); err != nil {
			return err
		}
		return serving.ErrServerClosed
	}, servingtest.Listener),
	shuts("the listeners are closed first, and then it is noted", func(s *base, ctx context.Context) error {
		s.mu.Lock()
		all := s.listeners
		s.mu.Unlock()
		for _, ln := range all {
			ln.Close()
		}
		return s.Shutdown(ctx)
	}, servingtest.Listener),
	shuts("a listener that does not close well is the last", func(s *base, ctx context.Context) error {
		s.mu.Lock()
		s.ended = true
		for _, ln := range s.listeners {
			if ln.Close() != nil {
				break
			}
		}
		s.mu.Unlock()
		err := s.wait(ctx)
		if err != nil {
			s.cut()
		}
		return err
	}, servingtest.Listener),
	shuts(
		"ctx is not looked at",
		func(s *base, _ context.Context) error { return s.Shutdown(context.Background()) },
		servingtest.Context,
	),
	shuts("ctx is looked at once", shutdownLooksOnce, servingtest.Context),
	shuts("ctx ends Shutdown, and nobody is cut", func(s *base, ctx context.Context) error {
		s.end()
		return s.wait(ctx)
	}, servingtest.Context),
	shuts("those who are cut are waited for", shutdownWaitsAfterCut, servingtest.Context),
	shuts("a cut is no error", func(s *base, ctx context.Context) error {
		s.Shutdown(ctx)
		return nil
	}, servingtest.Context),
	shuts("a cut has an error of its own", func(s *base, ctx context.Context) error {
		if s.Shutdown(ctx) != nil {
			return errors.New("clients were cut off")
		}
		return nil
	}, servingtest.Context),
	shuts("every ctx was cancelled", func(s *base, ctx context.Context) error {
		if s.Shutdown(ctx) != nil {
			return context.Canceled
		}
		return nil
	}, servingtest.Context),
	shuts("the cause of ctx", func(s *base, ctx context.Context) error {
		if s.Shutdown(ctx) != nil {
			return context.Cause(ctx)
		}
		return nil
	}, servingtest.Context).MayPassElsewhere("the cause of a ctx stays behind there"),
	shuts("cut with a word", shutdownCutsWith(func(conn net.Conn) { io.WriteString(conn, "bye\n") }),
		servingtest.Context),
	shuts("cut with a reset", shutdownCutsWith(func(conn net.Conn) {
		if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
			tcp.SetLinger(0)
		}
	}), servingtest.Context),
	shuts("only the writing half is cut", shutdownHalfCuts, servingtest.Context),
	shuts("cut with a deadline", shutdownTimes, servingtest.Context),
	shuts("the end of ctx reopens nothing and closes one", shutdownCutsOne, servingtest.Context),
	serves("the clients of an earlier Serve are forgotten", serveForgetsClients, servingtest.Context,
		servingtest.Close),
	answer("who leaves takes the client behind it along", func(h func(net.Conn)) server {
		s := newBase(h)
		s.talk = takesAlong()
		return s
	}, servingtest.Context, servingtest.Close),
	answer("a number is given twice", newNumbering, servingtest.Close),
	closes("Close cuts nobody", func(s *base) error {
		s.end()
		return nil
	}, servingtest.Close),
	closes("Close waits for the handlers", func(s *base) error {
		s.Close()
		return s.wait(context.Background())
	}, servingtest.Close),
	closes("Close leaves the listeners open", func(s *base) error {
		s.mu.Lock()
		s.ended = true
		s.mu.Unlock()
		s.cut()
		return nil
	}, servingtest.Close),
	closes("Close says ErrServerClosed", func(s *base) error {
		s.Close()
		return serving.ErrServerClosed
	}, servingtest.Close),
	closes("Close does not say that the server has ended", closeForgets, servingtest.Close),
	closes("Close returns what closing the listeners has returned", func(s *base) (err error) {
		s.mu.Lock()
		for _, ln := range s.listeners {
			err = errors.Join(err, ln.Close())
		}
		s.mu.Unlock()
		s.Close()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		return err
	}, servingtest.Close),
	closes("Close sets a deadline first", func(s *base) error {
		s.each(func(conn net.Conn) { conn.SetDeadline(time.Unix(1, 0)) })
		return s.Close()
	}, servingtest.Close),
	closes("Close resets a *net.TCPConn", func(s *base) error {
		s.end()
		s.each(func(conn net.Conn) {
			if tcp, ok := conn.(*net.TCPConn); ok {
				tcp.SetLinger(0)
			}
			conn.Close()
		})
		return nil
	}, servingtest.Close).MayPassElsewhere(noTCPConn),
	closes("Close cuts a *net.TCPConn by half", func(s *base) error {
		s.end()
		s.each(func(conn net.Conn) {
			if tcp, ok := conn.(*net.TCPConn); ok {
				tcp.CloseWrite()
				return
			}
			conn.Close()
		})
		return nil
	}, servingtest.Close).MayPassElsewhere(noTCPConn),
	talks("a *net.TCPConn is closed with a reset", func(s *base, conn net.Conn) {
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		go s.serve(conn)
	}, servingtest.Handler, servingtest.Close).MayPassElsewhere(noTCPConn),
	closes("Close cuts the first 5", closeFive, servingtest.Close),
	closes("Close goes on until one does not close well", closeUntilError, servingtest.Close),
	serves("a late client is served", serveLateClient, servingtest.Nobody),
	serves("a late client is left open", serveForgetsLate, servingtest.Nobody),
	serves("a late client is told", serveTellsLate, servingtest.Nobody),
	serves("Serve begins again", serveBeginsAgain, servingtest.Nobody),
	serves("a late Serve leaves its listener open", serveLateOpen, servingtest.Nobody),
	serves("a late Serve accepts first", serveLateAccepts, servingtest.Nobody),
	closes("a second Close returns what closing the connections has returned", func(s *base) (err error) {
		again := s.hasEnded()
		s.end()
		s.each(func(conn net.Conn) {
			if closed := conn.Close(); again {
				err = errors.Join(err, closed)
			}
		})
		return err
	}, servingtest.Again),
	shuts("one Shutdown at a time", func(s *base, ctx context.Context) error {
		s.locked.Lock()
		defer s.locked.Unlock()
		return s.Shutdown(ctx)
	}, servingtest.Again),
	closes("a channel is closed twice", closeTwice, servingtest.Again),
	closes("the second Close is an error", closeOnce, servingtest.Again),
	answer(
		"Shutdown waits with the lock held",
		func(h func(net.Conn)) server { return &locking{base: newBase(h)} },
		servingtest.Again,
	),
	shuts("the second Shutdown returns at once", shutdownSecondAtOnce, servingtest.Again),
	shuts("the second Shutdown is an error", shutdownSecondFails, servingtest.Again),
	serves("Serve waits for its clients", serveWaits, servingtest.Accept, servingtest.Listener,
		servingtest.Close),
	serves(
		"the listener is left open after an error",
		serveLeavesListener,
		servingtest.Accept,
		servingtest.Nobody,
	),
	counting("the clients of all servers are counted together", servingtest.Alone),
}

// base is a server that gets everything right. The answers above replace a step of it.
type base struct {
	handle func(net.Conn)
	talk   func(s *base, conn net.Conn) // what becomes of a client that was counted in

	mu        sync.Mutex
	ended     bool
	listeners []net.Listener
	clients   map[net.Conn]bool
	handlers  sync.WaitGroup
	locked    sync.Mutex    // for steps that need one
	closing   chan struct{} // likewise
	places    chan struct{} // likewise
}

func newBase(handle func(net.Conn)) *base {
	talk := func(s *base, conn net.Conn) { go s.serve(conn) }
	return &base{
		handle: handle, talk: talk,
		clients: map[net.Conn]bool{}, closing: make(chan struct{}), places: make(chan struct{}, 128),
	}
}

// talks, serves, shuts and closes are answers of which one step is wrong.
func talks(name string, talk func(s *base, conn net.Conn), fails ...string) check.Answer {
	return answer(name, func(h func(net.Conn)) server {
		s := newBase(h)
		s.talk = talk
		return s
	}, fails...)
}

func serves(name string, serve func(s *base, ln net.Listener) error, fails ...string) check.Answer {
	return answer(name, func(h func(net.Conn)) server { return withServe{newBase(h), serve} }, fails...)
}

func shuts(
	name string,
	shutdown func(s *base, ctx context.Context) error,
	fails ...string,
) check.Answer {
	return answer(
		name,
		func(h func(net.Conn)) server { return withShutdown{newBase(h), shutdown} },
		fails...)
}

func closes(name string, close func(s *base) error, fails ...string) check.Answer {
	return answer(name, func(h func(net.Conn)) server { return withClose{newBase(h), close} }, fails...)
}

type (
	withServe struct {
		*base
		serve func(s *base, ln net.Listener) error
	}
	withShutdown struct {
		*base
		shutdown func(s *base, ctx context.Context) error
	}
	withClose struct {
		*base
		close func(s *base) error
	}
)

func (s withServe) Serve(ln net.Listener) error           { return s.serve(s.base, ln) }
func (s withShutdown) Shutdown(ctx context.Context) error { return s.shutdown(s.base, ctx) }
func (s withClose) Close() error                          { return s.close(s.base) }

func (s *base) Serve(ln net.Listener) error {
	defer ln.Close()
	if !s.opened(ln) {
		return serving.ErrServerClosed
	}
	return s.accept(ln, func(err error) error {
		if s.hasEnded() {
			return serving.ErrServerClosed
		}
		return err
	})
}

// accept is the loop of Serve, which ends with what result makes of the error of Accept.
func (s *base) accept(ln net.Listener, result func(error) error) error {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return result(err)
		}
		if s.admit(conn) {
			s.talk(s, conn)
		} else {
			conn.Close()
		}
	}
}

func (s *base) Shutdown(ctx context.Context) error {
	s.end()
	err := s.wait(ctx)
	if err != nil {
		s.cut()
	}
	return err
}

func (s *base) Close() error {
	s.end()
	s.cut()
	return nil
}

func (s *base) serve(conn net.Conn) {
	defer s.leave(conn)
	defer conn.Close()
	recovering(conn, s.handle)
}

// recovering is handle without its panics.
func recovering(conn net.Conn, handle func(net.Conn)) (panicked any) {
	defer func() { panicked = recover() }()
	handle(conn)
	return nil
}

func (s *base) admit(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.clients[conn] = true
		s.handlers.Add(1)
	}
	return !s.ended
}

func (s *base) leave(conn net.Conn) {
	s.mu.Lock()
	delete(s.clients, conn)
	s.mu.Unlock()
	s.handlers.Done()
}

func (s *base) opened(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners = append(s.listeners, ln)
	return !s.ended
}

func (s *base) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, ln := range s.listeners {
		ln.Close()
	}
}

func (s *base) hasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

func (s *base) cut() { s.each(func(conn net.Conn) { conn.Close() }) }

// each calls f for every connection.
func (s *base) each(f func(net.Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.clients {
		f(conn)
	}
}

// served returns a channel that is closed when nobody is served any more.
func (s *base) served() <-chan struct{} {
	served := make(chan struct{})
	go func() {
		s.handlers.Wait()
		close(served)
	}()
	return served
}

func (s *base) wait(ctx context.Context) error {
	select {
	case <-s.served():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func talkProbes(s *base, conn net.Conn) {
	go func() {
		conn.Read(make([]byte, 1))
		s.serve(conn)
	}()
}

func talkWraps(s *base, conn net.Conn) {
	go func() {
		defer s.leave(conn)
		guard(struct{ net.Conn }{conn}, s.handle)
	}()
}

func talkClosesAtOnce(s *base, conn net.Conn) {
	go s.serve(conn)
	conn.Close()
}

func talkTwice(s *base, conn net.Conn) {
	go func() {
		defer s.leave(conn)
		defer conn.Close()
		recovering(conn, s.handle)
		recovering(conn, s.handle)
	}()
}

func talkTimes(s *base, conn net.Conn) {
	conn.SetDeadline(time.Now().Add(time.Hour))
	go s.serve(conn)
}

func talkNeverCloses(s *base, conn net.Conn) {
	go func() {
		defer s.leave(conn)
		recovering(conn, s.handle)
	}()
}

func closeWrite(conn net.Conn) { conn.(interface{ CloseWrite() error }).CloseWrite() }

func talkHalfCloses(s *base, conn net.Conn) {
	go func() {
		defer s.leave(conn)
		recovering(conn, s.handle)
		closeWrite(conn)
	}()
}

func talkPanicSkipsClose(s *base, conn net.Conn) {
	go func() {
		defer s.leave(conn)
		if recovering(conn, s.handle) == nil {
			conn.Close()
		}
	}()
}

func talkTellsPanic(s *base, conn net.Conn) {
	go func() {
		defer s.leave(conn)
		defer conn.Close()
		if recovering(conn, s.handle) != nil {
			io.WriteString(conn, "internal server error\n")
		}
	}()
}

func talkAborts(s *base, conn net.Conn) {
	go func() {
		defer s.leave(conn)
		defer conn.Close()
		recovering(conn, s.handle)
		conn.(interface{ SetLinger(int) error }).SetLinger(0)
	}()
}

func talkDoneBeforeClose(s *base, conn net.Conn) {
	go func() {
		defer conn.Close()
		defer s.leave(conn)
		recovering(conn, s.handle)
	}()
}

// numbering gives each client the number of those that are there, which another one may have.
type numbering struct {
	*base
	byNumber map[int]net.Conn // under locked
}

func newNumbering(h func(net.Conn)) server {
	s := numbering{newBase(h), map[int]net.Conn{}}
	s.talk = func(b *base, conn net.Conn) {
		s.locked.Lock()
		defer s.locked.Unlock()
		number := len(s.byNumber)
		s.byNumber[number] = conn
		go func() {
			b.serve(conn)
			s.locked.Lock()
			defer s.locked.Unlock()
			delete(s.byNumber, number)
		}()
	}
	return s
}

func (s numbering) Close() error {
	s.end()
	s.locked.Lock()
	defer s.locked.Unlock()
	for _, conn := range s.byNumber {
		conn.Close()
	}
	return nil
}

// takesAlong keeps the clients in a slice, of which it deletes one too many.
func takesAlong() func(s *base, conn net.Conn) {
	var order []net.Conn // under s.locked
	return func(s *base, conn net.Conn) {
		s.locked.Lock()
		defer s.locked.Unlock()
		order = append(order, conn)
		go func() {
			s.serve(conn)
			s.locked.Lock()
			defer s.locked.Unlock()
			i := slices.Index(order, conn)
			if i < 0 {
				return
			}
			end := min(i+2, len(order))
			s.mu.Lock()
			for _, gone := range order[i:end] {
				delete(s.clients, gone)
			}
			s.mu.Unlock()
			order = slices.Delete(order, i, end)
		}()
	}
}

func talkPanicSkipsDone(s *base, conn net.Conn) {
	go func() {
		defer conn.Close()
		if recovering(conn, s.handle) == nil {
			conn.Close()
			s.leave(conn)
		}
	}()
}

// ends is a Serve that returns what result makes of the error of Accept.
func ends(result func(s *base, err error) error) func(s *base, ln net.Listener) error {
	return func(s *base, ln net.Listener) error {
		defer ln.Close()
		if !s.opened(ln) {
			return serving.ErrServerClosed
		}
		return s.accept(ln, func(err error) error { return result(s, err) })
	}
}

func talkBounded(s *base, conn net.Conn) {
	s.places <- struct{}{}
	go func() {
		defer func() { <-s.places }()
		s.serve(conn)
	}()
}

func serveLocked(s *base, ln net.Listener) error {
	s.locked.Lock()
	defer s.locked.Unlock()
	return s.Serve(ln)
}

func serveLeavesListener(s *base, ln net.Listener) error {
	if !s.opened(ln) {
		return serving.ErrServerClosed
	}
	return s.accept(ln, func(err error) error {
		if s.hasEnded() {
			return serving.ErrServerClosed
		}
		return err
	})
}

func serveWaits(s *base, ln net.Listener) error {
	err := s.Serve(ln)
	s.handlers.Wait()
	return err
}

func serveKnowsLast(s *base, ln net.Listener) error {
	s.mu.Lock()
	s.listeners = nil
	s.mu.Unlock()
	return s.Serve(ln)
}

func serveForgetsListeners(s *base, ln net.Listener) error {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.listeners = nil
	}()
	return s.Serve(ln)
}

func serveForgetsFirst(s *base, ln net.Listener) error {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.ended {
			s.listeners = s.listeners[1:]
		}
	}()
	return s.Serve(ln)
}

func serveForgetsClients(s *base, ln net.Listener) error {
	s.mu.Lock()
	s.clients = map[net.Conn]bool{}
	s.mu.Unlock()
	return s.Serve(ln)
}

// forgetful has a Shutdown that looks around for clients, and a Serve that forgets them when Accept fails.
type forgetful struct{ withServe }

func (s forgetful) Shutdown(ctx context.Context) error { return shutdownLooksAround(s.base, ctx) }

func shutdownLooksAround(s *base, ctx context.Context) error {
	s.end()
	for {
		left := 0
		s.each(func(net.Conn) { left++ })
		if left == 0 {
			return nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			s.cut()
			return ctx.Err()
		}
	}
}

func shutdownClosesRead(s *base, ctx context.Context) error {
	s.end()
	s.each(func(conn net.Conn) {
		if tcp, ok := conn.(interface{ CloseRead() error }); ok {
			tcp.CloseRead()
		}
	})
	return s.Shutdown(ctx)
}

func shutdownWaitsFirst(s *base, ctx context.Context) error {
	defer s.end()
	if err := s.wait(ctx); err != nil {
		s.cut()
		return err
	}
	return nil
}

func shutdownAtOnce(s *base, _ context.Context) error {
	s.end()
	return nil
}

func shutdownWaits(long time.Duration) func(s *base, ctx context.Context) error {
	return func(s *base, ctx context.Context) error {
		s.end()
		select {
		case <-s.served():
		case <-time.After(long):
		case <-ctx.Done():
			s.cut()
			return ctx.Err()
		}
		return nil
	}
}

// shutdownOne takes the first one that leaves for the last.
func shutdownOne(s *base, ctx context.Context) error {
	s.end()
	count := func() (n int) {
		s.each(func(net.Conn) { n++ })
		return n
	}
	for begun := count(); count() > 0 && count() == begun; {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			s.cut()
			return ctx.Err()
		}
	}
	return nil
}

// serveCountsLate has a lock, so that Add and Wait do not race.
func serveCountsLate(s *base, ln net.Listener) error {
	defer ln.Close()
	if !s.opened(ln) {
		return serving.ErrServerClosed
	}
	for {
		conn, err := ln.Accept()
		switch {
		case s.hasEnded():
			if err == nil {
				conn.Close()
			}
			return serving.ErrServerClosed
		case err != nil:
			return err
		}
		go func() {
			s.mu.Lock()
			s.clients[conn] = true
			late := &sync.WaitGroup{} // another one: the old one may be waited for by now
			late.Add(1)
			if !s.ended {
				late = &s.handlers
				late.Add(1)
			}
			s.mu.Unlock()
			defer late.Done()
			guard(conn, s.handle)
			s.mu.Lock()
			delete(s.clients, conn)
			s.mu.Unlock()
		}()
	}
}

func shutdownLooksOnce(s *base, ctx context.Context) error {
	s.end()
	if ctx.Err() != nil {
		s.cut()
		return ctx.Err()
	}
	return s.wait(context.Background())
}

func shutdownWaitsAfterCut(s *base, ctx context.Context) error {
	err := s.Shutdown(ctx)
	s.handlers.Wait()
	return err
}

func shutdownHalfCuts(s *base, ctx context.Context) error {
	s.end()
	err := s.wait(ctx)
	if err != nil {
		s.each(closeWrite)
	}
	return err
}

func shutdownTimes(s *base, ctx context.Context) error {
	s.end()
	err := s.wait(ctx)
	if err != nil {
		s.each(func(conn net.Conn) { conn.SetDeadline(time.Unix(1, 0)) })
	}
	return err
}

// shutdownCutsWith does something to each connection before it closes it.
func shutdownCutsWith(farewell func(net.Conn)) func(s *base, ctx context.Context) error {
	return func(s *base, ctx context.Context) error {
		s.end()
		err := s.wait(ctx)
		if err != nil {
			s.each(func(conn net.Conn) {
				farewell(conn)
				conn.Close()
			})
		}
		return err
	}
}

func shutdownCutsOne(s *base, ctx context.Context) error {
	s.end()
	err := s.wait(ctx)
	if err != nil {
		var once sync.Once
		s.each(func(conn net.Conn) { once.Do(func() { conn.Close() }) })
	}
	return err
}

func closeForgets(s *base) error {
	s.mu.Lock()
	for _, ln := range s.listeners {
		ln.Close()
	}
	s.mu.Unlock()
	s.cut()
	return nil
}

func closeUntilError(s *base) error {
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.clients {
		if conn.Close() != nil {
			break
		}
	}
	return nil
}

func closeFive(s *base) error {
	s.end()
	n := 0
	s.each(func(conn net.Conn) {
		if n++; n <= 5 {
			conn.Close()
		}
	})
	return nil
}

func serveLateClient(s *base, ln net.Listener) error {
	defer ln.Close()
	if !s.opened(ln) {
		return serving.ErrServerClosed
	}
	for {
		conn, err := ln.Accept()
		if err != nil && s.hasEnded() {
			return serving.ErrServerClosed
		}
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.clients[conn] = true
		s.handlers.Add(1)
		s.mu.Unlock()
		go s.serve(conn)
	}
}

func serveForgetsLate(s *base, ln net.Listener) error {
	return s.Serve(forgetting{ln, s})
}

// forgetting loses the clients that come late.
type forgetting struct {
	net.Listener
	s *base
}

func (f forgetting) Accept() (net.Conn, error) {
	conn, err := f.Listener.Accept()
	if err == nil && f.s.hasEnded() {
		return nil, net.ErrClosed
	}
	return conn, err
}

func serveTellsLate(s *base, ln net.Listener) error {
	return s.Serve(telling{ln, s})
}

// telling says to the clients that come late why they are not served.
type telling struct {
	net.Listener
	s *base
}

func (t telling) Accept() (net.Conn, error) {
	conn, err := t.Listener.Accept()
	if err == nil && t.s.hasEnded() {
		io.WriteString(conn, "the server is closed\n")
	}
	return conn, err
}

func serveBeginsAgain(s *base, ln net.Listener) error {
	s.mu.Lock()
	s.ended = false
	s.mu.Unlock()
	return s.Serve(ln)
}

func serveLateOpen(s *base, ln net.Listener) error {
	if s.hasEnded() {
		return serving.ErrServerClosed
	}
	return s.Serve(ln)
}

func serveLateAccepts(s *base, ln net.Listener) error {
	defer ln.Close()
	if !s.opened(ln) {
		ln.Close()
	}
	return s.accept(ln, func(err error) error {
		if s.hasEnded() {
			return serving.ErrServerClosed
		}
		return err
	})
}

func closeTwice(s *base) error {
	close(s.closing)
	return s.Close()
}

func closeOnce(s *base) error {
	if s.hasEnded() {
		s.cut()
		return serving.ErrServerClosed
	}
	return s.Close()
}

// locking has one lock for all that Shutdown and Close do.
type locking struct {
	*base
	mu sync.Mutex
}

func (s *locking) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.base.Shutdown(ctx)
}

func (s *locking) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.base.Close()
}

func shutdownSecondAtOnce(s *base, ctx context.Context) error {
	if s.hasEnded() {
		return nil
	}
	return s.Shutdown(ctx)
}

func shutdownSecondFails(s *base, ctx context.Context) error {
	if s.hasEnded() {
		return serving.ErrServerClosed
	}
	return s.Shutdown(ctx)
}

// counting is an answer with a variable of the package. Each case gets one of its own, because cases of two
// tests may run beside each other.
func counting(name string, fails ...string) check.Answer {
	shared := func() check.Answer {
		all := &everybody{}
		return answer(name, func(h func(net.Conn)) server {
			s := newBase(h)
			all.look(func() { all.servers = append(all.servers, s) })
			return withShutdown{s, all.shutdown}
		}, fails...)
	}
	a := shared() // for a process that runs one case
	for i := range a.Lab.Cases {
		a.Lab.Cases[i].Run = func(c *check.C) { shared().Lab.Cases[i].Run(c) }
	}
	return a
}

// everybody is what all servers share.
type everybody struct {
	mu      sync.Mutex
	servers []*base
}

func (e *everybody) look(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

// shutdown waits until no server has a client.
func (e *everybody) shutdown(s *base, ctx context.Context) error {
	s.end()
	for {
		clients := 0
		e.look(func() {
			for _, server := range e.servers {
				server.each(func(net.Conn) { clients++ })
			}
		})
		if clients == 0 {
			return s.wait(ctx)
		}
		select {
		case <-ctx.Done():
			s.cut()
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}
