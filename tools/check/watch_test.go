package check_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

// one runs a suite of one case and returns the report of its failure; "" if it passes.
func one(run func(c *check.C)) string {
	lab := check.Lab{
		Number: "00",
		File:   "none.go",
		Cases:  []check.Case{{Name: "one", Points: 10, Rule: "r", Hint: "h", Run: run}},
	}
	return check.Verdicts(lab, 1)[0].Report
}

// TestPatience: what waits but comes to an end on its own is no hang.
func TestPatience(t *testing.T) {
	for name, answer := range map[string]func(conn net.Conn){
		"a deadline": func(conn net.Conn) {
			conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			conn.Read(make([]byte, 1))
		},
		"a deadline set from beside": func(conn net.Conn) {
			conn.SetReadDeadline(time.Now().Add(time.Hour))
			timer := time.AfterFunc(0, func() { conn.SetReadDeadline(time.Now()) })
			defer timer.Stop()
			conn.Read(make([]byte, 1))
		},
		"a sleep": func(net.Conn) { time.Sleep(100 * time.Millisecond) },
		"a receive from a timer": func(net.Conn) {
			<-time.After(200 * time.Millisecond)
		},
		"a select beside a reader": func(conn net.Conn) {
			done := make(chan error)
			go func() {
				_, err := conn.Read(make([]byte, 1))
				done <- err
			}()
			select {
			case <-done:
			case <-time.After(200 * time.Millisecond):
				conn.Close()
				<-done
			}
		},
		"a wait for grandchildren": func(net.Conn) {
			var wg sync.WaitGroup
			wg.Add(1)
			go func() {
				go func() {
					defer wg.Done()
					time.Sleep(200 * time.Millisecond)
				}()
			}()
			wg.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, one(func(c *check.C) {
				conn, _ := c.Connect()
				c.Do("answer(conn)", func() { answer(conn) })
			}))
		})
	}
}

// TestHangs: what waits forever is given up, and told with its line and what the suite has sent.
func TestHangs(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(conn net.Conn)
		want   string
	}{
		"in Read": {
			func(conn net.Conn) { io.ReadFull(conn, make([]byte, 4)) },
			"blocked in Read at watch_test.go:",
		},
		"after a deadline": {
			func(conn net.Conn) { conn.SetReadDeadline(time.Time{}); io.ReadAll(conn) },
			"blocked in Read at watch_test.go:",
		},
		"in a goroutine": {func(conn net.Conn) {
			done := make(chan error)
			go func() {
				_, err := io.ReadAll(conn)
				done <- err
			}()
			<-done
		}, "blocked in Read at watch_test.go:"},
		"on a mutex": {func(net.Conn) {
			var mu sync.Mutex
			mu.Lock()
			mu.Lock()
		}, "blocked at watch_test.go:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := one(func(c *check.C) {
				conn, peer := c.Connect()
				c.Say("the suite has sent 3 of 4 header bytes")
				peer.Send([]byte("abc"))
				c.Do("answer(conn)", func() { tt.answer(conn) })
			})
			require.Contains(t, report, tt.want)
			require.Contains(t, report, "waited 1.5s for answer(conn) to return; ")
			require.Contains(
				t,
				report,
				"; nothing more will come (the suite has sent 3 of 4 header bytes)\n",
			)
		})
	}
}

// TestAwait: the suite waits for what the answer does while it goes on.
func TestAwait(t *testing.T) {
	t.Parallel()
	upper := func(conn net.Conn) {
		defer conn.Close()
		for {
			buf := make([]byte, 100)
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			conn.Write([]byte(strings.ToUpper(string(buf[:n]))))
		}
	}
	talk := func(c *check.C, answer func(net.Conn)) {
		conn, peer := c.Connect()
		call := c.Start("answer(conn)", func() { answer(conn) })
		for i, want := range []string{"ONE", "ONETWO"} {
			peer.Send([]byte([]string{"one", "two"}[i]))
			c.Await("the answer "+want, func() bool { return len(peer.Received()) >= len(want) })
			c.WantText("answer", string(peer.Received()), want)
		}
		peer.CloseWrite()
		call.Wait()
		c.Await("the connection to be closed", func() bool { return peer.Over() != nil })
	}
	require.Empty(t, one(func(c *check.C) { talk(c, upper) }))
	require.Contains(t, one(func(c *check.C) {
		talk(c, func(conn net.Conn) { conn.Read(make([]byte, 100)) })
	}), "waited for the answer ONE, but your code has returned")
	require.Contains(t, one(func(c *check.C) {
		talk(c, func(conn net.Conn) { io.ReadAll(conn) })
	}), "blocked in Read at watch_test.go:")
	require.Contains(t, one(func(c *check.C) {
		talk(c, func(conn net.Conn) {
			conn.Read(make([]byte, 100))
			conn.Write([]byte("one"))
			io.ReadAll(conn)
		})
	}), "answer: wrong text")
	require.Contains(t, one(func(c *check.C) {
		talk(c, func(conn net.Conn) {
			for buf := make([]byte, 100); ; {
				n, _ := conn.Read(buf)
				conn.Write([]byte(strings.ToUpper(string(buf[:n]))))
			}
		})
	}), "is stuck in a loop at watch_test.go:")
}

// TestPrompt: code that waits for what will not come, or for a timer, is given up as soon as it rests.
func TestPrompt(t *testing.T) {
	begin := time.Now()
	for _, wait := range []func(conn net.Conn){
		func(conn net.Conn) { io.ReadAll(conn) },
		func(conn net.Conn) { time.Sleep(time.Second) },
	} {
		require.Regexp(t, "waited for an answer; blocked .*at watch_test.go:", one(func(c *check.C) {
			conn, peer := c.Connect()
			c.Start("answer(conn)", func() { wait(conn) })
			c.Prompt("an answer", func() bool { return len(peer.Received()) > 0 })
		}))
	}
	require.Less(t, time.Since(begin), time.Second+time.Second/2)

	require.Empty(t, one(func(c *check.C) {
		conn, peer := c.Connect()
		call := c.Start("answer(conn)", func() { io.Copy(conn, conn) })
		for range 50 {
			before := len(peer.Received())
			peer.Send([]byte("x"))
			c.Prompt("an answer", func() bool { return len(peer.Received()) > before })
		}
		peer.CloseWrite()
		c.Prompt("the end", call.Ended)
	}))
}

// TestConnectTCP: the code under test gets a *net.TCPConn, and whether it has closed it is known.
func TestConnectTCP(t *testing.T) {
	require.Empty(t, one(func(c *check.C) {
		for _, closes := range []bool{false, true} {
			conn, peer := c.ConnectTCP()
			peer.Send([]byte("hello"))
			c.Do("answer(conn)", func() {
				tcp := conn.(*net.TCPConn)
				buf := make([]byte, 9)
				n, _ := tcp.Read(buf)
				tcp.Write(buf[:n])
				tcp.CloseWrite()
				if closes {
					tcp.Close()
				}
			})
			c.Await("an answer", func() bool { return string(peer.Received()) == "hello" && peer.Over() == io.EOF })
			require.Equal(t, closes, check.IsClosed(conn))
		}
	}))
	require.Empty(t, one(func(c *check.C) {
		ln := c.ListenTCP()
		peer, err := ln.Dial()
		require.NoError(t, err)
		c.Do("serve(ln)", func() {
			conn, _ := ln.Accept()
			conn.(*net.TCPConn).Close()
		})
		c.Await("the end", func() bool { return peer.Over() == io.EOF })
	}))
}

// TestDeadlines: a deadline that is left behind, and one that is near, each with a rule about deadlines.
func TestDeadlines(t *testing.T) {
	set := func(ahead time.Duration, want func(c *check.C, peer *fault.Peer)) string {
		return one(func(c *check.C) {
			conn, peer := c.Connect()
			c.Do("ask(conn)", func() { conn.SetDeadline(time.Now().Add(ahead)) })
			want(c, peer)
		})
	}
	patience := func(c *check.C, peer *fault.Peer) { c.WantPatience("ask", peer.Conn(), time.Minute) }
	require.Regexp(t, "(?s)left a deadline.*rule +A deadline stays",
		set(time.Minute, func(c *check.C, peer *fault.Peer) {
			c.WantUntimed("ask", peer.Conn())
		}))
	require.Regexp(t, `(?s)set a deadline only \S+ ahead.*rule +The other side may`,
		set(50*time.Second, patience))
	require.Empty(t, set(time.Minute, patience))
	require.Empty(t, set(-time.Second, patience)) // wakes a Read
}

// TestServe: a listener, clients one after the other, temporary errors, and a loop that does not notice the
// end.
func TestServe(t *testing.T) {
	t.Parallel()
	serve := func(ln net.Listener) error {
		for {
			conn, err := ln.Accept()
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			if err != nil {
				continue
			}
			io.Copy(conn, conn)
			conn.Close()
		}
	}
	suite := func(c *check.C, serve func(net.Listener) error) {
		ln := c.Listen()
		call := c.Start("Serve(ln)", func() { serve(ln) })
		ln.Fail(errors.New("temporary"), os.ErrDeadlineExceeded)
		for range 3 {
			peer, err := ln.Dial()
			c.WantNil("dialling", err)
			peer.Send([]byte("hi"))
			peer.CloseWrite()
			c.Await("the echo", func() bool { return peer.Over() != nil })
			c.WantBytes("echo", peer.Received(), []byte("hi"))
		}
		ln.Close()
		call.Wait()
	}
	require.Empty(t, one(func(c *check.C) { suite(c, serve) }))
	require.Contains(t, one(func(c *check.C) {
		suite(c, func(ln net.Listener) error {
			for {
				if conn, err := ln.Accept(); err == nil {
					io.Copy(conn, conn)
					conn.Close()
				}
			}
		})
	}), "is stuck in a loop at watch_test.go:")
	require.Contains(t, one(func(c *check.C) {
		suite(c, func(ln net.Listener) error {
			_, err := ln.Accept()
			return err
		})
	}), "waited for the echo, but your code has returned")
	require.Contains(t, one(func(c *check.C) {
		suite(c, func(ln net.Listener) error {
			for range 3 {
				ln.Accept()
			}
			_, err := ln.Accept()
			return err
		})
	}), "waited 1.5s for the echo; blocked in Accept at watch_test.go:")
}

// TestLoops: a loop that ignores every error is ended.
func TestLoops(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(c *check.C){
		"reading": func(c *check.C) {
			conn, peer := c.Connect()
			peer.CloseWrite()
			c.Do("answer(conn)", func() {
				for {
					conn.Read(make([]byte, 1))
				}
			})
		},
		"writing": func(c *check.C) {
			w := c.Writer(&fault.Writer{Err: io.ErrClosedPipe})
			c.Do("answer(w)", func() {
				for {
					w.Write([]byte("x"))
				}
			})
		},
	} {
		require.Contains(t, one(run), "is stuck in a loop at watch_test.go:", name)
	}
}
