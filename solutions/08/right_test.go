package crowd_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"socketbook/tools/check"
)

// right are the reference and correct answers in other styles.
var right = []check.Answer{
	answer("the reference", reference, nil),
	serves("a place is taken before Accept", servePlaceFirst),
	serves("everybody is accepted, and waits in a goroutine", serveAcceptsAll),
	serves("a condition and a queue", serveQueue),
	serves("places are counted, and looked at from time to time", servePolling),
	serves("one client is served at each look", serveOneByOne),
	relays("loops by hand", relayLoops),
	relays("a reader and a writer for each way", relayChannels),
	relays("one way in the caller's goroutine", relayHere),
	relays("a WaitGroup, and the first error once", relayOnce),
	relays("deadlines end the other way", relayDeadline),
	relays("the end is looked for from time to time", relayLooks),
	relays("the end of a way is looked for, and a Read that brings nothing is slept over", relayPauses),
}

// guard calls handle, closes conn and says nothing.
func guard(conn net.Conn, handle func(net.Conn)) {
	defer func() {
		_ = recover()
		_ = conn.Close()
	}()
	handle(conn)
}

// closed is what Serve returns.
func closed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// servePlaceFirst leaves the clients in the queue of the listener until there is a place.
func servePlaceFirst(ln net.Listener, limit int, handle func(net.Conn)) error {
	places := make(chan struct{}, limit)
	var clients sync.WaitGroup
	for {
		places <- struct{}{}
		conn, err := ln.Accept()
		if err != nil {
			clients.Wait()
			return closed(err)
		}
		clients.Add(1)
		go func() {
			defer clients.Done()
			defer func() { <-places }()
			guard(conn, handle)
		}()
	}
}

// serveAcceptsAll has a goroutine for each client, also for those that wait.
func serveAcceptsAll(ln net.Listener, limit int, handle func(net.Conn)) error {
	places := make(chan struct{}, limit)
	var clients sync.WaitGroup
	defer clients.Wait()
	defer ln.Close()
	for {
		conn, err := ln.Accept()
		if err != nil {
			return closed(err)
		}
		clients.Go(func() {
			defer conn.Close() // after the place is free, and once more
			places <- struct{}{}
			defer func() { <-places }()
			guard(conn, handle)
		})
	}
}

// serveQueue keeps the clients that wait in a slice.
func serveQueue(ln net.Listener, limit int, handle func(net.Conn)) error {
	var mu sync.Mutex
	changed := sync.NewCond(&mu)
	running := 0
	var waiting []net.Conn
	var next func() // starts what may be started; under mu
	next = func() {
		for running < limit && len(waiting) > 0 {
			conn := waiting[0]
			waiting = waiting[1:]
			running++
			go func() {
				guard(conn, handle)
				mu.Lock()
				defer mu.Unlock()
				running--
				next()
				changed.Broadcast()
			}()
		}
	}
	for {
		conn, err := ln.Accept()
		mu.Lock()
		if err != nil {
			for running > 0 || len(waiting) > 0 {
				changed.Wait()
			}
			mu.Unlock()
			return closed(err)
		}
		waiting = append(waiting, conn)
		next()
		mu.Unlock()
	}
}

// servePolling knows neither channels nor conditions.
func servePolling(ln net.Listener, limit int, handle func(net.Conn)) error {
	var running atomic.Int64
	defer func() {
		for running.Load() > 0 {
			time.Sleep(time.Millisecond)
		}
	}()
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		} else if err != nil {
			return fmt.Errorf("serving a crowd: %w", err)
		}
		for running.Load() >= int64(limit) {
			time.Sleep(2 * time.Millisecond)
		}
		running.Add(1)
		go func() {
			defer running.Add(-1)
			defer conn.Close()
			defer func() {
				if r := recover(); r != nil {
					log.Print(r)
				}
			}()
			handle(conn)
		}()
	}
}

// serveOneByOne serves at most one client each time that it looks.
func serveOneByOne(ln net.Listener, limit int, handle func(net.Conn)) error {
	conns, failed := make(chan net.Conn, 1), make(chan error, 1)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				close(conns)
				failed <- err
				return
			}
			conns <- conn
		}
	}()
	var running atomic.Int64
	for open := true; open || running.Load() > 0; time.Sleep(3 * time.Millisecond) {
		if running.Load() >= int64(limit) {
			continue
		}
		select {
		case conn, ok := <-conns:
			if open = ok; ok {
				running.Add(1)
				go func() {
					defer running.Add(-1)
					guard(conn, handle)
				}()
			}
		default:
		}
	}
	return closed(<-failed)
}

func closeWrite(conn net.Conn) error { return conn.(interface{ CloseWrite() error }).CloseWrite() }

// copyByHand is io.Copy. It says nothing about the end of from.
func copyByHand(to io.Writer, from io.Reader) error {
	buf := make([]byte, 1000)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				return werr
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

func relayLoops(a, b net.Conn) error {
	results := make(chan error)
	way := func(to, from net.Conn) {
		err := copyByHand(to, from)
		if err == nil {
			_ = closeWrite(to) // if that fails the other way meets it
		}
		results <- err
	}
	go way(a, b)
	go way(b, a)
	first := <-results
	if first != nil {
		a.Close()
		b.Close()
	}
	second := <-results
	a.Close()
	b.Close()
	if first == nil {
		first = second
	}
	return first
}

// relayChannels reads ahead by a few buffers.
func relayChannels(a, b net.Conn) error {
	stop := make(chan struct{})
	var first error
	fails := sync.OnceFunc(func() {
		close(stop)
		a.Close()
		b.Close()
	})
	var once sync.Once
	fail := func(err error) {
		once.Do(func() { first = err })
		fails()
	}
	var all sync.WaitGroup
	way := func(to, from net.Conn) {
		pieces := make(chan []byte, 4)
		all.Go(func() {
			defer close(pieces)
			for {
				buf := make([]byte, 4096)
				n, err := from.Read(buf)
				if n > 0 {
					select {
					case pieces <- buf[:n]:
					case <-stop:
						return
					}
				}
				if errors.Is(err, io.EOF) {
					return
				}
				if err != nil {
					once.Do(func() { first = err }) // before the other way can meet what fails does
					pieces <- nil                   // what came before is written first
					return
				}
			}
		})
		all.Go(func() {
			for piece := range pieces {
				if piece == nil {
					fails()
					return
				}
				if _, err := to.Write(piece); err != nil {
					fail(err)
					for range pieces { // so that the reader does not wait
					}
					return
				}
			}
			closeWrite(to)
		})
	}
	way(a, b)
	way(b, a)
	all.Wait()
	fails()
	return first
}

// relayHere needs one more goroutine and not two.
func relayHere(a, b net.Conn) error {
	var mu sync.Mutex
	var first error
	way := func(to, from net.Conn) {
		_, err := io.CopyBuffer(
			struct{ io.Writer }{to},
			struct{ io.Reader }{from},
			make([]byte, 64<<10),
		)
		if err == nil {
			closeWrite(to)
			return
		}
		mu.Lock()
		if first == nil {
			first = err
		}
		mu.Unlock()
		a.Close()
		b.Close()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		way(a, b)
	}()
	way(b, a)
	<-done
	return errors.Join(first, ignore(a.Close()), ignore(b.Close()))
}

func ignore(error) error { return nil }

func relayOnce(a, b net.Conn) (err error) {
	var both sync.WaitGroup
	var once sync.Once
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		both.Go(func() {
			to, from := way[0], way[1]
			if _, e := io.Copy(to, from); e != nil {
				once.Do(func() {
					err = fmt.Errorf("relay: %w", e)
					a.Close()
					b.Close()
				})
			} else if half, ok := to.(interface{ CloseWrite() error }); ok {
				half.CloseWrite()
			}
		})
	}
	both.Wait()
	a.Close()
	b.Close()
	return err
}

// relayDeadline ends what waits with a deadline that has passed, and not with Close.
func relayDeadline(a, b net.Conn) error {
	defer a.Close()
	defer b.Close()
	results := make(chan error, 2)
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		go func() {
			err := copyByHand(way[0], way[1])
			if err == nil {
				err = closeWrite(way[0])
			}
			results <- err
		}()
	}
	err := <-results
	if err != nil {
		a.SetDeadline(time.Unix(1, 0))
		b.SetDeadline(time.Unix(1, 0))
		<-results
		return err
	}
	return <-results
}

// relayLooks does not wait for its goroutines: it looks at them.
func relayLooks(a, b net.Conn) error {
	var ended atomic.Int32
	var first atomic.Pointer[error]
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		go func() {
			defer ended.Add(1)
			err := copyByHand(way[0], way[1])
			if err == nil {
				err = closeWrite(way[0])
			}
			if err != nil {
				first.CompareAndSwap(nil, &err)
			}
		}()
	}
	for ended.Load() < 2 {
		if first.Load() != nil {
			a.Close()
			b.Close()
		}
		time.Sleep(3 * time.Millisecond)
	}
	a.Close()
	b.Close()
	if err := first.Load(); err != nil {
		return *err
	}
	return nil
}

// relayPauses passes on the end of a way when it looks. It takes back deadlines that nobody has set.
func relayPauses(a, b net.Conn) error {
	a.SetDeadline(time.Time{})
	b.SetDeadline(time.Time{})
	type way struct {
		to, from    net.Conn
		over, ended bool
	}
	var mu sync.Mutex
	ways := []*way{{to: a, from: b}, {to: b, from: a}}
	var first error
	for _, w := range ways {
		go func() {
			buf := make([]byte, 4096)
			var err error
			for err == nil {
				var n int
				if n, err = w.from.Read(buf); n == 0 && err == nil {
					time.Sleep(time.Millisecond)
				} else if n > 0 {
					if _, werr := w.to.Write(buf[:n]); werr != nil {
						err = fmt.Errorf("writing: %w", werr) // not io.EOF itself, whatever it is
					}
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if w.over = true; err != io.EOF && first == nil {
				first = err
			}
		}()
	}
	for over := 0; over < 2; time.Sleep(10 * time.Millisecond) {
		mu.Lock()
		over = 0
		for _, w := range ways {
			if w.over {
				over++
			}
			if w.over && !w.ended && first == nil {
				w.ended = true
				closeWrite(w.to)
			}
		}
		if over == 2 || first != nil {
			a.Close()
			b.Close()
		}
		mu.Unlock()
	}
	return first
}
