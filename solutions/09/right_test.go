package serving_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	serving "socketbook/solutions/09"
	"socketbook/tools/check"
)

// right are the reference and correct answers in other styles.
var right = []check.Answer{
	answer("the reference", func(h func(net.Conn)) server { return &serving.Server{Handle: h} }),
	answer("one lock and a condition", func(h func(net.Conn)) server { return newConditional(h) }),
	answer("a goroutine that knows everything", func(h func(net.Conn)) server { return newActor(h) }),
	answer("a look from time to time", func(h func(net.Conn)) server { return &polling{handle: h} }),
	answer("contexts", func(h func(net.Conn)) server { return newContextual(h) }),
	answer(
		"Shutdown waits for Serve as well",
		func(h func(net.Conn)) server { return &thorough{handle: h} },
	),
	answer("a channel for each client", func(h func(net.Conn)) server { return &channels{handle: h} }),
	answer("several goroutines in Accept", func(h func(net.Conn)) server { return &acceptors{channels{handle: h}} }),
	answer("flags, and who looks at them", func(h func(net.Conn)) server { return &flags{handle: h} }),
}

// guard calls handle, closes conn and says nothing.
func guard(conn net.Conn, handle func(net.Conn)) {
	defer func() {
		_ = recover()
		_ = conn.Close()
	}()
	handle(conn)
}

// conditional counts by hand. Its Serve deletes the listener that it is done with.
type conditional struct {
	handle    func(net.Conn)
	mu        sync.Mutex
	left      *sync.Cond
	ended     bool
	listeners map[net.Listener]struct{}
	clients   map[net.Conn]struct{}
}

func newConditional(handle func(net.Conn)) *conditional {
	s := &conditional{
		handle:    handle,
		listeners: map[net.Listener]struct{}{},
		clients:   map[net.Conn]struct{}{},
	}
	s.left = sync.NewCond(&s.mu)
	return s
}

func (s *conditional) Serve(ln net.Listener) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer ln.Close()
	if s.ended {
		return fmt.Errorf("serving %v: %w", ln.Addr(), serving.ErrServerClosed)
	}
	s.listeners[ln] = struct{}{}
	defer delete(s.listeners, ln)
	for {
		s.mu.Unlock()
		conn, err := ln.Accept()
		s.mu.Lock()
		if s.ended {
			if err == nil {
				conn.Close()
			}
			return serving.ErrServerClosed
		}
		if err != nil {
			return err
		}
		s.clients[conn] = struct{}{}
		go func() {
			guard(conn, s.handle)
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.clients, conn)
			s.left.Broadcast()
		}()
	}
}

func (s *conditional) Shutdown(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.left.Broadcast()
	})
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
	for len(s.clients) > 0 {
		if ctx.Err() != nil {
			s.cut()
			return ctx.Err()
		}
		s.left.Wait()
	}
	return nil
}

func (s *conditional) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
	s.cut()
	return nil
}

func (s *conditional) end() {
	s.ended = true
	for ln := range s.listeners {
		ln.Close()
	}
}

func (s *conditional) cut() {
	for conn := range s.clients {
		conn.Close()
	}
}

// actor has one goroutine for all that is to be known; it runs as long as there is something to know,
// and is started again for the next question.
type actor struct {
	handle func(net.Conn)
	state  chan *actorState // holds the state when nobody looks at it
}

type actorState struct {
	ended     bool
	listeners []net.Listener
	clients   []net.Conn
	empty     chan struct{} // closed when the last client leaves
}

func newActor(handle func(net.Conn)) *actor {
	s := &actor{handle: handle, state: make(chan *actorState, 1)}
	s.state <- &actorState{empty: closedChannel()}
	return s
}

func closedChannel() chan struct{} {
	ch := make(chan struct{})
	close(ch)
	return ch
}

func (s *actor) ask(f func(st *actorState)) {
	st := <-s.state
	defer func() { s.state <- st }()
	f(st)
}

func (s *actor) Serve(ln net.Listener) error {
	defer ln.Close()
	ended := false
	s.ask(func(st *actorState) {
		ended = st.ended
		st.listeners = append(st.listeners, ln)
	})
	for !ended {
		conn, err := ln.Accept()
		s.ask(func(st *actorState) {
			if ended = st.ended; ended || err != nil {
				return
			}
			if len(st.clients) == 0 {
				st.empty = make(chan struct{})
			}
			st.clients = append(st.clients, conn)
		})
		switch {
		case err == nil && ended:
			conn.Close()
		case err == nil:
			go s.talk(conn)
		case !ended:
			return errors.Join(errors.New("accept"), err)
		}
	}
	return serving.ErrServerClosed
}

func (s *actor) talk(conn net.Conn) {
	guard(conn, s.handle)
	s.ask(func(st *actorState) {
		st.clients = slices.DeleteFunc(st.clients, func(c net.Conn) bool { return c == conn })
		if len(st.clients) == 0 {
			close(st.empty)
		}
	})
}

func (s *actor) Shutdown(ctx context.Context) error {
	var empty chan struct{}
	s.ask(func(st *actorState) {
		st.end()
		empty = st.empty
	})
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
	}
	s.ask((*actorState).cut)
	return ctx.Err()
}

func (s *actor) Close() error {
	s.ask((*actorState).end)
	s.ask((*actorState).cut)
	return nil
}

func (st *actorState) end() {
	st.ended = true
	for _, ln := range st.listeners {
		ln.Close()
	}
}

func (st *actorState) cut() {
	for _, conn := range st.clients {
		conn.Close()
	}
}

// polling asks from time to time whether the clients have gone, as net/http does.
type polling struct {
	handle    func(net.Conn)
	mu        sync.RWMutex
	ended     atomic.Bool
	listeners sync.Map
	clients   sync.Map
}

func (s *polling) Serve(ln net.Listener) error {
	defer ln.Close()
	s.listeners.Store(ln, true)
	for !s.ended.Load() {
		conn, err := ln.Accept()
		s.mu.RLock()
		ended := s.ended.Load()
		if err == nil && !ended {
			s.clients.Store(conn, true)
		}
		s.mu.RUnlock()
		switch {
		case err != nil && !ended:
			return err
		case err == nil && ended:
			conn.Close()
		case err == nil:
			go func() {
				defer s.clients.Delete(conn)
				guard(conn, s.handle)
			}()
		}
	}
	return serving.ErrServerClosed
}

func (s *polling) Shutdown(ctx context.Context) error {
	s.end()
	clock := time.NewTicker(10 * time.Millisecond)
	defer clock.Stop()
	for {
		empty := true
		s.clients.Range(func(any, any) bool {
			empty = false
			return false
		})
		if empty {
			return nil
		}
		select {
		case <-clock.C:
		case <-ctx.Done():
			s.cut()
			return ctx.Err()
		}
	}
}

func (s *polling) Close() error {
	s.end()
	s.cut()
	return nil
}

func (s *polling) end() {
	s.mu.Lock()
	s.ended.Store(true)
	s.mu.Unlock()
	s.listeners.Range(func(ln, _ any) bool {
		ln.(net.Listener).Close()
		return true
	})
}

func (s *polling) cut() {
	s.clients.Range(func(conn, _ any) bool {
		conn.(net.Conn).Close()
		return true
	})
}

// contextual has a context for the end, and one for the cut: whoever has something to close waits for it.
type contextual struct {
	handle      func(net.Conn)
	mu          sync.Mutex
	clients     sync.WaitGroup
	ended, cuts context.Context
	end, cut    context.CancelFunc
}

func newContextual(handle func(net.Conn)) *contextual {
	s := &contextual{handle: handle}
	s.ended, s.end = context.WithCancel(context.Background())
	s.cuts, s.cut = context.WithCancel(context.Background())
	return s
}

func (s *contextual) Serve(ln net.Listener) error {
	var once sync.Once
	shut := func() { once.Do(func() { ln.Close() }) }
	defer shut()
	stop := context.AfterFunc(s.ended, shut)
	defer stop()
	for {
		if s.ended.Err() != nil {
			return serving.ErrServerClosed
		}
		conn, err := ln.Accept()
		s.mu.Lock()
		ended := s.ended.Err() != nil
		if !ended && err == nil {
			s.clients.Add(1)
		}
		s.mu.Unlock()
		if err != nil && !ended {
			return err
		}
		if err != nil {
			return serving.ErrServerClosed
		}
		if ended {
			conn.Close()
			continue
		}
		go func() {
			defer s.clients.Done()
			stop := context.AfterFunc(s.cuts, func() { conn.Close() })
			defer stop()
			guard(conn, s.handle)
		}()
	}
}

func (s *contextual) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.end()
	s.mu.Unlock()
	gone, left := context.WithCancel(ctx)
	defer left()
	var served atomic.Bool
	go func() {
		s.clients.Wait()
		served.Store(true)
		left()
	}()
	<-gone.Done()
	if served.Load() {
		return nil
	}
	s.cut()
	return ctx.Err()
}

func (s *contextual) Close() error {
	s.mu.Lock()
	s.end()
	s.mu.Unlock()
	s.cut()
	return nil
}

// thorough waits until every Serve has returned, before it waits for clients.
type thorough struct {
	handle    func(net.Conn)
	mu        sync.Mutex
	ended     bool
	listeners []net.Listener
	conns     map[net.Conn]bool
	all       sync.WaitGroup // calls of Serve, and handlers
}

func (s *thorough) Serve(ln net.Listener) error {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		ln.Close()
		return serving.ErrServerClosed
	}
	s.listeners = append(s.listeners, ln)
	s.all.Add(1)
	s.mu.Unlock()
	defer s.all.Done()
	defer ln.Close()
	for {
		conn, err := ln.Accept()
		s.mu.Lock()
		ended := s.ended
		if err == nil && !ended {
			if s.conns == nil {
				s.conns = make(map[net.Conn]bool)
			}
			s.conns[conn] = true
			s.all.Go(func() {
				guard(conn, s.handle)
				s.mu.Lock()
				defer s.mu.Unlock()
				delete(s.conns, conn)
			})
		}
		s.mu.Unlock()
		if err == nil && ended {
			conn.Close()
		}
		if ended {
			return serving.ErrServerClosed
		}
		if err != nil {
			return err
		}
	}
}

func (s *thorough) Shutdown(ctx context.Context) error {
	s.end(false)
	served := make(chan error, 1)
	go func() {
		s.all.Wait()
		served <- nil
	}()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		s.end(true)
		return ctx.Err()
	}
}

func (s *thorough) Close() error {
	s.end(true)
	return nil
}

func (s *thorough) end(cut bool) {
	s.mu.Lock()
	s.ended = true
	listeners := slices.Clone(s.listeners)
	conns := slices.Collect(maps.Keys(s.conns))
	s.mu.Unlock()
	for _, ln := range listeners {
		ln.Close()
	}
	for _, conn := range conns {
		if cut {
			conn.Close()
		}
	}
}

// channels has a channel for each client, which is closed when it has gone.
type channels struct {
	handle    func(net.Conn)
	mu        sync.Mutex
	ended     bool
	listeners []net.Listener
	gone      map[net.Conn]chan struct{}
}

func (s *channels) Serve(ln net.Listener) error {
	defer ln.Close()
	s.mu.Lock()
	s.listeners = append(s.listeners, ln)
	ended := s.ended
	s.mu.Unlock()
	if ended {
		return serving.ErrServerClosed
	}
	for {
		conn, err := ln.Accept()
		s.mu.Lock()
		if s.ended {
			s.mu.Unlock()
			if conn != nil {
				conn.Close()
			}
			return serving.ErrServerClosed
		}
		if err != nil {
			s.mu.Unlock()
			return err
		}
		if s.gone == nil {
			s.gone = map[net.Conn]chan struct{}{}
		}
		gone := make(chan struct{})
		s.gone[conn] = gone
		s.mu.Unlock()
		go func() {
			defer close(gone)
			guard(conn, s.handle)
		}()
	}
}

func (s *channels) Shutdown(ctx context.Context) error {
	s.end()
	s.mu.Lock()
	waits := slices.Collect(maps.Values(s.gone))
	s.mu.Unlock()
	for _, gone := range waits {
		select {
		case <-gone:
		case <-ctx.Done():
			s.Close()
			return ctx.Err()
		}
	}
	return nil
}

func (s *channels) Close() error {
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.gone {
		conn.Close()
	}
	return nil
}

func (s *channels) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, ln := range s.listeners {
		ln.Close()
	}
}

// acceptors has three goroutines in Accept for each listener.
type acceptors struct{ channels }

func (s *acceptors) Serve(ln net.Listener) error {
	shared := &firstError{Listener: ln}
	results := make(chan error)
	for range 3 {
		go func() { results <- s.channels.Serve(shared) }() // the first that returns closes ln
	}
	err := errors.Join(<-results, <-results, <-results)
	if errors.Is(err, serving.ErrServerClosed) {
		return serving.ErrServerClosed
	}
	return shared.err
}

// firstError keeps the first error of Accept: the others come because the listener is closed then.
type firstError struct {
	net.Listener
	once sync.Once
	err  error
}

func (l *firstError) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		l.once.Do(func() { l.err = err })
	}
	return conn, err
}

// flags closes nothing itself: who serves a client or a listener looks at the flags from time to time.
type flags struct {
	handle  func(net.Conn)
	mu      sync.RWMutex
	ended   bool
	cut     atomic.Bool
	clients atomic.Int64
}

const look = 10 * time.Millisecond

func (s *flags) Serve(ln net.Listener) error {
	defer ln.Close()
	if s.hasEnded() {
		return serving.ErrServerClosed
	}
	over, gone := make(chan struct{}), make(chan struct{})
	defer func() {
		close(over)
		<-gone
	}()
	go func() {
		defer close(gone)
		for !s.hasEnded() {
			select {
			case <-over:
				return
			case <-time.After(look):
			}
		}
		ln.Close()
	}()
	for {
		conn, err := ln.Accept()
		s.mu.RLock()
		ended := s.ended
		if err == nil && !ended {
			s.clients.Add(1)
		}
		s.mu.RUnlock()
		switch {
		case ended && err == nil:
			conn.Close()
		case ended:
			return serving.ErrServerClosed
		case err != nil:
			return err
		default:
			s.serve(conn)
		}
	}
}

func (s *flags) serve(conn net.Conn) {
	var over atomic.Bool
	go func() {
		defer over.Store(true)
		guard(conn, s.handle)
	}()
	go func() {
		defer s.clients.Add(-1)
		for !over.Load() {
			time.Sleep(look)
			if s.cut.Load() {
				conn.Close()
			}
		}
	}()
}

func (s *flags) Shutdown(ctx context.Context) error {
	s.end()
	for s.clients.Load() > 0 {
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), s.Close())
		}
		time.Sleep(look)
	}
	return nil
}

func (s *flags) Close() error {
	s.end()
	s.cut.Store(true)
	return nil
}

func (s *flags) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

func (s *flags) hasEnded() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ended
}
