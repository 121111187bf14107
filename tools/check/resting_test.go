package check

import (
	"io"
	"iter"
	"net"
	"os"
	"os/signal"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestResting: a call that waits for what it has started is told from one that returns without waiting.
func TestResting(t *testing.T) {
	serve := func(wait bool) string {
		run := func(c *C) {
			ln := c.Listen()
			peer, err := ln.Dial()
			c.WantNil("Dial", err)
			call := c.Start("serve(ln)", func() {
				var wg sync.WaitGroup
				accepted := make(chan net.Conn)
				go func() { // so that the news of the closed listener takes a way round
					defer close(accepted)
					for {
						conn, err := ln.Accept()
						if err != nil {
							return
						}
						accepted <- conn
					}
				}()
				for conn := range accepted {
					wg.Go(func() {
						defer conn.Close()
						io.Copy(conn, conn)
					})
				}
				if wait {
					wg.Wait()
				}
			})
			peer.Send([]byte("hello"))
			c.Await("an answer", func() bool { return len(peer.Received()) == 5 })
			ln.Close()
			c.Await("serve to notice it", func() bool { return call.Ended() || c.Resting() })
			if call.Ended() {
				c.Fail("returned too early")
			}
			peer.CloseWrite()
			call.Wait()
		}
		return Case{Run: run}.run(options{}).Message
	}
	for range 20 {
		require.Empty(t, serve(true))
		require.Equal(t, "returned too early", serve(false))
	}
}

// TestPull: whoever has pulled a value out of an iterator waits for the coroutine that makes it, and the
// coroutine for whoever pulls the next one.
func TestPull(t *testing.T) {
	run := func(c *C) {
		conn, peer := c.Connect()
		call := c.Start("answer(conn)", func() {
			next, stop := iter.Pull(func(yield func(byte) bool) {
				b := make([]byte, 1)
				for _, err := conn.Read(b); err == nil && yield(b[0]); _, err = conn.Read(b) {
				}
			})
			defer stop()
			next() // which reads in the coroutine
			conn.Read(make([]byte, 1))
		})
		c.Await("the read of the coroutine", c.Resting)
		peer.Send([]byte("h"))
		c.Await("the read behind it", c.Resting)
		peer.CloseWrite()
		call.Wait()
	}
	require.Empty(t, Case{Run: run}.run(options{}).Message)
}

// TestMutexes: whoever waits for a mutex of the code under test waits for another goroutine; one of the
// library's or of the adversary's is free in a moment.
func TestMutexes(t *testing.T) {
	const lock = "internal/sync.runtime_SemacquireMutex(0x0?)\n\t/go/src/runtime/sema.go:95 +0x25\n" +
		"internal/sync.(*Mutex).Lock(...)\n\t/go/src/internal/sync/mutex.go:70\n" +
		"sync.(*Mutex).Lock(...)\n\t/go/src/sync/mutex.go:46\n"
	for owner, moves := range map[string]bool{
		"": false, "socketbook/labs/08.Serve(0x1)": false, "sync.(*Once).Do(...)": false,
		"socketbook/tools/fault.(*Conn).Write(0x1)": true, "sync.(*Pool).pinSlow(0x1)": true,
		"encoding/json.cachedTypeFields(0x1)": true, "io.(*pipe).write(0x1)": false,
		"net.(*pipe).write(0x1)": false,
	} {
		g := goroutine{state: "sync.Mutex.Lock", calls: lock}
		if owner != "" {
			g.calls += owner + "\n\t/x/y.go:1 +0x2\nsocketbook/labs/08.Serve(0x1)\n\t/x/labs/08/crowd.go:2 +0x3\n"
		}
		require.Equal(t, moves, g.moves(), owner)
	}
}

// TestSignals: the goroutine that os/signal keeps is nobody's.
func TestSignals(t *testing.T) {
	run := func(c *C) {
		done := make(chan bool)
		call := c.Start("answer()", func() {
			signals := make(chan os.Signal, 1)
			signal.Notify(signals, os.Interrupt)
			defer signal.Stop(signals)
			select {
			case <-signals:
			case <-done:
			}
		})
		c.Await("answer to rest", c.Resting)
		close(done)
		call.Wait()
	}
	require.Empty(t, Case{Run: run}.run(options{}).Message)
}

// TestRecord: a connection of the suite's own is in the timeline.
func TestRecord(t *testing.T) {
	run := func(c *C) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		conn := c.Record("you", theirs)
		c.Do("answer(conn)", func() { conn.Close() })
		c.Fail("look")
	}
	require.Contains(t, Case{Run: run}.run(options{timeline: true}).Timeline, "close")
	require.Empty(t, Case{Run: run}.run(options{}).Timeline)
}

// TestInside: the message about a hang names the call that blocks, also when that is one of the suite's
// functions.
func TestInside(t *testing.T) {
	for want, functions := range map[string][]string{
		"Read": {
			"sync.(*Cond).Wait", "socketbook/tools/fault.(*Conn).await",
			"socketbook/tools/fault.(*Conn).Read", "io.ReadFull", "socketbook/labs/05.ReadMessage",
		},
		"queued": {
			"sync.(*Cond).Wait", "socketbook/labs/04/stickytest.(*network).wait",
			"socketbook/labs/04/stickytest.(*network).queued",
			"socketbook/labs/04/stickytest.(*network).queued-fm", "socketbook/labs/04.Provoke",
		},
		"Write": {
			"sync.(*Cond).Wait", "socketbook/labs/04/stickytest.clientEnd.Write",
			"net.(*Buffers).WriteTo", "socketbook/labs/04.Provoke",
		},
		"": {
			"sync.(*Mutex).Lock", "socketbook/labs/05.ReadMessage",
			"socketbook/labs/05/framingtest.suite.readMessage.func1",
		},
	} {
		var g goroutine
		for _, f := range functions {
			g.calls += f + "(0x1)\n\t/home/student/file.go:1 +0x1d\n"
		}
		require.Equal(t, want, g.inside())
	}
}
