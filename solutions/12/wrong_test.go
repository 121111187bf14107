package room_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"socketbook/labs/12/roomtest"
	"socketbook/tools/check"
)

// wrong are the mistakes that people make, each with exactly the cases that must fail on it. The
// failure text of a case in testdata is the one that the first answer named for it provokes.
var wrong = []check.Answer{
	answer("one client after the other", serveInTurn, roomtest.Name),
	flawed("nobody is asked", func(h *hall) { h.asks[0] = "" }, roomtest.Name),
	flawed("a question without an end", func(h *hall) { h.asks[0] = "your name? " }, roomtest.Name),
	flawed("one read is one line", func(h *hall) { h.read = readOnce }, roomtest.Name),
	flawed("the newcomer is not told", func(h *hall) {
		h.told = func(h *hall, g *guest) { h.tell(g, "* "+g.name+" is here") }
	}, roomtest.Name),
	flawed("only the newcomer is told", func(h *hall) {
		h.told = func(h *hall, g *guest) { h.put(h, g, "* "+g.name+" is here") }
	}, roomtest.Name),
	flawed("a visit lasts 100 ms", func(h *hall) {
		h.told = func(h *hall, g *guest) {
			time.AfterFunc(100*time.Millisecond, func() { g.conn.Close() })
			h.tell(nil, "* "+g.name+" is here")
		}
	}, roomtest.Name),
	flawed("who is silent for a minute has to go", func(h *hall) {
		h.told = func(h *hall, g *guest) {
			g.conn.SetReadDeadline(time.Now().Add(time.Minute))
			h.tell(nil, "* "+g.name+" is here")
		}
	}, roomtest.Name),
	over("a Read looks from time to time", func(conn net.Conn) net.Conn {
		conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		return &reading{conn, func(n int, err error) (int, error, bool) {
			again := n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
			if again {
				err = conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			}
			return n, err, again
		}}
	}, roomtest.Name),
	answer("a hundred at once", func(ln net.Listener) error {
		return newHall().serve(limited{ln, make(chan bool, 100)})
	}, roomtest.Name),
	flawed("room for ten", func(h *hall) {
		h.taken = func(h *hall, name string) bool { return h.here[name] != nil || len(h.here) == 10 }
	}, roomtest.Name),

	flawed("the speaker hears itself", says(func(h *hall, g *guest, line string) {
		h.tell(nil, g.name+": "+line)
	}), roomtest.Says),
	flawed("the line is a format", says(func(h *hall, g *guest, line string) {
		var none []any
		h.tell(g, fmt.Sprintf(g.name+": "+line, none...))
	}), roomtest.Says),
	flawed("spaces around a line are lost", says(func(h *hall, g *guest, line string) {
		h.tell(g, g.name+": "+strings.TrimSpace(line))
	}), roomtest.Says),
	flawed("an empty line is not said", says(func(h *hall, g *guest, line string) {
		if line != "" {
			h.tell(g, g.name+": "+line)
		}
	}), roomtest.Says),
	flawed("what is not UTF-8 is repaired", says(func(h *hall, g *guest, line string) {
		h.tell(g, g.name+": "+strings.ToValidUTF8(line, "?"))
	}), roomtest.Says),
	flawed("a line ends at a zero byte", says(func(h *hall, g *guest, line string) {
		line, _, _ = strings.Cut(line, "\x00")
		h.tell(g, g.name+": "+line)
	}), roomtest.Says),
	flawed("no space behind the name", says(func(h *hall, g *guest, line string) {
		h.tell(g, g.name+":"+line)
	}), roomtest.Says),
	flawed("what begins with / is a command", says(func(h *hall, g *guest, line string) {
		if !strings.HasPrefix(line, "/") {
			h.tell(g, g.name+": "+line)
		}
	}), roomtest.Says),
	flawed("what looks like the room's own is not said", says(func(h *hall, g *guest, line string) {
		if !strings.HasPrefix(line, "* ") {
			h.tell(g, g.name+": "+line)
		}
	}), roomtest.Says),
	flawed("the name of another member is asked for again, not said", says(func(h *hall, g *guest, line string) {
		if other := h.here[line]; other != nil && other != g {
			h.put(h, g, line+" is taken; your name?")
			return
		}
		h.tell(g, g.name+": "+line)
	}), roomtest.Says),
	flawed("the same line is not said twice", sayNews, roomtest.Says),
	flawed("a hundred lines, and no more", sayHundred, roomtest.Says),
	flawed("only one other hears", says(func(h *hall, g *guest, line string) {
		for _, other := range h.here {
			if other != g {
				h.put(h, other, g.name+": "+line)
				return
			}
		}
	}), roomtest.Says),
	flawed("exit in capitals", func(h *hall) {
		h.read = func(lines *bufio.Reader) (string, bool) {
			line, ok := next(lines)
			return line, ok && !strings.EqualFold(line, "exit")
		}
	}, roomtest.Says),
	flawed("a line that begins with exit", func(h *hall) {
		h.read = func(lines *bufio.Reader) (string, bool) {
			line, ok := next(lines)
			return line, ok && !strings.HasPrefix(line, "exit")
		}
	}, roomtest.Says),
	sharing("one room for all listeners", roomtest.Says),

	flawed(
		"every name is good",
		func(h *hall) { h.good = func(name string) bool { return name != "" } },
		roomtest.Names,
	),
	flawed("names of 21 characters", func(h *hall) {
		h.good = func(name string) bool {
			return good(name) || utf8.RuneCountInString(name) == 21 && goodName.MatchString(name)
		}
	}, roomtest.Names),
	flawed("the length of a name in bytes", func(h *hall) {
		h.good = func(name string) bool { return len(name) <= 20 && good(name) }
	}, roomtest.Names),
	flawed("the length of a name as UTF-16 counts it", func(h *hall) {
		h.good = func(name string) bool { return len(utf16.Encode([]rune(name))) <= 20 && good(name) }
	}, roomtest.Names),
	flawed("names in ASCII only", func(h *hall) {
		h.good = func(name string) bool { return good(name) && len(name) == utf8.RuneCountInString(name) }
	}, roomtest.Names),
	flawed("spaces around a name are lost", func(h *hall) {
		h.good = func(name string) bool { return good(strings.TrimSpace(name)) }
	}, roomtest.Names),
	flawed("anna and Anna are the same", func(h *hall) {
		h.taken = func(h *hall, name string) bool {
			for other := range h.here {
				if strings.EqualFold(name, other) {
					return true
				}
			}
			return false
		}
	}, roomtest.Names),
	flawed(
		"a name can be had twice",
		func(h *hall) { h.taken = func(*hall, string) bool { return false } },
		roomtest.Names,
	),
	over("who asks twice for a name that is taken has to go", func(conn net.Conn) net.Conn {
		return &strict{Conn: conn}
	}, roomtest.Names),
	flawed(
		"one answer for taken and bad",
		func(h *hall) { h.asks[2] = " " + h.asks[1] },
		roomtest.Names,
	),
	flawed(
		"the plain question is asked again",
		func(h *hall) { h.asks[1] = h.asks[0] },
		roomtest.Names,
	),
	flawed("looked up first, and entered later", func(h *hall) {
		h.taken = func(h *hall, name string) bool {
			taken := h.here[name] != nil
			if name == "zoe" {
				h.asked++
			}
			for i := 0; name == "zoe" && h.asked < 2 && i < 200; i++ { // so that it is seen each time
				h.mu.Unlock()
				time.Sleep(time.Millisecond)
				h.mu.Lock()
			}
			return taken
		}
	}, roomtest.Names),
	flawed("a half is a digit", func(h *hall) {
		h.good = func(name string) bool {
			return good(name) || name != "" && strings.IndexFunc(name, func(c rune) bool {
				return !unicode.IsLetter(c) && !unicode.IsNumber(c)
			}) < 0 && utf8.RuneCountInString(name) <= 20
		}
	}, roomtest.Names),
	flawed("bytes that are no character are looked over", func(h *hall) {
		h.good = func(name string) bool { return good(strings.ToValidUTF8(name, "")) }
	}, roomtest.Names),
	flawed("ten tries", func(h *hall) { h.tries = 10 }, roomtest.Names),

	flawed("the nameless hear what is said", tellNameless, roomtest.Nameless),
	flawed("the nameless have left", leaveNameless, roomtest.Nameless),
	flawed("who was refused a name leaves under it", leaveRefused, roomtest.Nameless),
	flawed("the nameless hear who has left", tellNamelessWhoLeft, roomtest.Nameless),
	flawed("a client without a name hears a last word", func(h *hall) {
		h.closes = func(_ *hall, g *guest) {
			if g.name == "" {
				io.WriteString(g.conn, "bye\n")
			}
			g.conn.Close()
		}
	}, roomtest.Nameless),
	over("a first Write that fails is ignored", func(conn net.Conn) net.Conn { return &mild{Conn: conn} },
		roomtest.Nameless),
	flawed(
		"half a name is a name",
		func(h *hall) { h.read = readHalves },
		roomtest.Nameless,
		roomtest.Whole,
	),

	flawed("a new reader for each line", func(h *hall) { h.read = readAnew }, roomtest.Whole),
	flawed("the carriage return stays", func(h *hall) { h.read = readCarriage }, roomtest.Whole),
	flawed("all carriage returns are taken off", func(h *hall) {
		h.read = func(lines *bufio.Reader) (string, bool) {
			line, ok := next(lines)
			line = strings.TrimRight(line, "\r")
			return line, ok && line != "exit"
		}
	}, roomtest.Names, roomtest.Whole),

	flawed("exit and a carriage return is a line", func(h *hall) { h.read = readExitExactly }, roomtest.Whole),
	over("many lines in one Read are too long", func(conn net.Conn) net.Conn { return &hasty{Conn: conn} },
		roomtest.Whole),

	flawed("no limit", func(h *hall) { h.read = readUnlimited }, roomtest.Nameless, roomtest.Long),
	flawed("the limit is looked at when the line is whole", func(h *hall) { h.read = readThenLook },
		roomtest.Nameless, roomtest.Long),
	flawed("a carriage return is one byte too many", func(h *hall) { h.read = readEndOfTwo }, roomtest.Long),
	flawed("1024 characters", func(h *hall) { h.read = readCharacters }, roomtest.Long),
	flawed("a limit of 1023", func(h *hall) {
		h.read = func(lines *bufio.Reader) (string, bool) {
			line, ok := next(lines)
			return line, ok && len(line) < 1024
		}
	}, roomtest.Long),
	flawed(
		"a long line is cut into several",
		func(h *hall) { h.read = readPieces },
		roomtest.Nameless,
		roomtest.Long,
	),
	flawed(
		"a long line is left out",
		func(h *hall) { h.read = readSkips },
		roomtest.Nameless,
		roomtest.Long,
	),
	flawed("the beginning of a long line is said", func(h *hall) { h.read = readBeginnings() },
		roomtest.Nameless, roomtest.Long),

	flawed("nobody is told", func(h *hall) { h.leaves = func(h *hall, g *guest) { h.out(g) } },
		roomtest.Whole, roomtest.Long, roomtest.Leaves),
	flawed("a leaving is told twice", func(h *hall) {
		h.leaves = func(h *hall, g *guest) {
			h.leave(g)
			h.tell(nil, "* "+g.name+" has left")
		}
	}, roomtest.Whole, roomtest.Long, roomtest.Leaves),
	flawed("the name stays taken", stayTaken, roomtest.Leaves),
	flawed("a name that was refused stays taken", stayRefused, roomtest.Leaves),
	flawed("the connection stays open", func(h *hall) {
		h.closes = func(*hall, *guest) {}
	}, roomtest.Nameless, roomtest.Whole, roomtest.Long, roomtest.Leaves),
	flawed("who leaves is told as well", func(h *hall) {
		h.closes = func(_ *hall, g *guest) {
			if g.name != "" {
				io.WriteString(g.conn, "* "+g.name+" has left\n")
			}
			g.conn.Close()
		}
	}, roomtest.Long, roomtest.Leaves),
	flawed("what follows exit is said", sayAfterExit, roomtest.Nameless, roomtest.Whole, roomtest.Leaves),
	flawed("only the writing half is closed", func(h *hall) {
		h.closes = func(_ *hall, g *guest) { g.conn.(interface{ CloseWrite() error }).CloseWrite() }
	}, roomtest.Nameless, roomtest.Whole, roomtest.Long, roomtest.Leaves),
	flawed("exit is said, too", sayExit, roomtest.Nameless, roomtest.Whole, roomtest.Leaves),
	flawed("the others have to go as well", func(h *hall) {
		h.leaves = func(h *hall, g *guest) {
			h.leave(g)
			for conn := range h.conns {
				conn.Close()
			}
		}
	}, roomtest.Whole, roomtest.Long, roomtest.Leaves),
	flawed("a Write that fails is ignored", func(h *hall) { h.write = writeIgnoring }, roomtest.Leaves),
	flawed(
		"a Write that fails ends the writing, and nothing else",
		func(h *hall) { h.write = writeEnding },
		roomtest.Leaves,
	),

	over("what comes with an error is lost", func(conn net.Conn) net.Conn {
		return &reading{conn, func(n int, err error) (int, error, bool) {
			if err != nil {
				n = 0
			}
			return n, err, false
		}}
	}, roomtest.Leaves),
	over("a Read that has timed out is called again", func(conn net.Conn) net.Conn {
		return &reading{conn, func(n int, err error) (int, error, bool) {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return n, nil, n == 0
			}
			return n, err, false
		}}
	}, roomtest.Leaves),

	flawed("written with the lock held", func(h *hall) {
		h.put = func(_ *hall, g *guest, line string) {
			if _, err := io.WriteString(g.conn, line+"\n"); err != nil {
				g.conn.Close()
			}
		}
	}, roomtest.Slow),
	flawed(
		"written with the lock held, for a second",
		func(h *hall) { h.put = putWithDeadline },
		roomtest.Slow,
	),
	flawed("eight lines are kept", atMost(8), roomtest.Whole, roomtest.Slow),
	flawed("who does not read for a minute has to go", func(h *hall) {
		h.write = func(h *hall, g *guest) {
			g.conn.SetWriteDeadline(time.Now().Add(time.Minute))
			h.writeAll(g)
		}
	}, roomtest.Slow),
	flawed("who does not read says one line and no more", says(func(h *hall, g *guest, line string) {
		h.tell(g, g.name+": "+line)
		for len(g.wait) > 0 && !g.gone {
			h.mu.Unlock()
			time.Sleep(time.Millisecond)
			h.mu.Lock()
		}
	}), roomtest.Slow),
	flawed("the newcomer is told with the lock held", func(h *hall) {
		h.told = func(h *hall, g *guest) {
			io.WriteString(g.conn, "* "+g.name+" is here\n")
			h.tell(g, "* "+g.name+" is here")
		}
	}, roomtest.Slow),
	answer("asked where Accept is called", func(ln net.Listener) error {
		h := newHall()
		h.asks[0] = ""
		return h.serve(asking{ln})
	}, roomtest.Slow),
	answer("a bad name is answered with the lock held", func(ln net.Listener) error {
		h := newHall()
		return h.serve(wrapping{ln, func(conn net.Conn) net.Conn { return locking{conn, &h.mu, bad} }})
	}, roomtest.Slow),
	answer("a name is refused with the lock held, under which it was looked up", func(ln net.Listener) error {
		h := newHall()
		return h.serve(wrapping{ln, func(conn net.Conn) net.Conn {
			return locking{conn, &h.mu, " is taken; your name?"}
		}})
	}, roomtest.Slow),
	flawed("the last lines are waited for", func(h *hall) {
		h.closes = func(_ *hall, g *guest) {
			if !g.gone {
				g.conn.Close()
			}
		}
		h.write = func(h *hall, g *guest) {
			h.writeAll(g)
			g.conn.Close()
		}
	}, roomtest.Slow),
	flawed("everything is kept", atMost(1<<30), roomtest.Dropped),
	flawed("a limit in bytes, without what is being written", func(h *hall) {
		h.put = func(h *hall, g *guest, line string) {
			g.wait = append(g.wait, line)
			g.more.Signal()
			if len(strings.Join(g.wait, "\n")) > 10_000 {
				h.leaves(h, g)
			}
		}
	}, roomtest.Dropped),
	flawed("what does not fit is lost", func(h *hall) {
		h.put = func(h *hall, g *guest, line string) {
			if len(g.wait) < 100 {
				h.append(g, line)
			}
		}
	}, roomtest.Dropped),
	flawed("who is dropped keeps the connection", dropped((*hall).forget), roomtest.Dropped),
	flawed(
		"who is dropped goes without a word",
		dropped(func(h *hall, g *guest) { h.out(g) }),
		roomtest.Dropped,
	),
	flawed("who speaks waits for room", putWaiting, roomtest.Dropped),
	flawed("lines are lost before the member has to go", func(h *hall) {
		lost := map[*guest]int{}
		h.put = func(h *hall, g *guest, line string) {
			if len(g.wait) < 200 {
				h.append(g, line)
			} else if lost[g]++; lost[g] > 700 {
				h.leaves(h, g)
			}
		}
	}, roomtest.Dropped),
	flawed("nobody else gets the line for which a member had no room", says(func(h *hall, g *guest, line string) {
		for _, name := range slices.Sorted(maps.Keys(h.here)) {
			if other := h.here[name]; other != g {
				h.put(h, other, g.name+": "+line)
				if other.gone {
					return
				}
			}
		}
	}), roomtest.Dropped),
	flawed("who leaves takes out whoever has the name", func(h *hall) {
		h.leaves = func(h *hall, g *guest) {
			if g = h.here[g.name]; g != nil {
				h.leave(g)
			}
		}
	}, roomtest.Dropped),

	flawed("the writing is not waited for in the end", func(h *hall) {
		h.write = func(h *hall, g *guest) {
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				h.writeAll(g)
			}()
			select {
			case <-ended:
			case <-h.over:
			}
		}
		h.cut = func(h *hall) {
			close(h.over)
			h.closeAll()
		}
	}, roomtest.Ends),
	answer("nobody is waited for in the end", serveWaitsForNobody, roomtest.Ends),
	flawed("only who waits in Read is woken in the end", func(h *hall) {
		h.cut = func(h *hall) {
			h.mu.Lock()
			defer h.mu.Unlock()
			for conn := range h.conns {
				conn.SetReadDeadline(time.Now())
			}
		}
	}, roomtest.Ends),
	answer("a timeout of Accept is no end", func(ln net.Listener) error {
		return newHall().serve(insisting{ln})
	}, roomtest.Ends),
	flawed("connections stay open in the end", func(h *hall) { h.cut = func(*hall) {} }, roomtest.Ends),
	flawed("only members are closed in the end", func(h *hall) {
		h.cut = func(h *hall) {
			h.mu.Lock()
			defer h.mu.Unlock()
			for _, g := range h.here {
				g.conn.Close()
			}
		}
	}, roomtest.Ends),
	flawed(
		"the closed listener is an error",
		func(h *hall) { h.end = func(err error) error { return err } },
		roomtest.Ends,
	),
	flawed(
		"every error is the closed listener",
		func(h *hall) { h.end = func(error) error { return nil } },
		roomtest.Ends,
	),
	flawed("io.EOF of Accept is nothing", func(h *hall) {
		h.end = func(err error) error {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return end(err)
		}
	}, roomtest.Ends),
	flawed("net.ErrClosed counts in a net.OpError only", func(h *hall) {
		h.end = func(err error) error {
			if errors.As(err, new(*net.OpError)) {
				return end(err)
			}
			return fmt.Errorf("accept: %w", err)
		}
	}, roomtest.Ends),
	perCase(func() check.Answer {
		var mu sync.Mutex
		var all []*hall
		return flawed("the end of one room is that of all", func(h *hall) {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, h)
			h.cut = func(*hall) {
				mu.Lock()
				defer mu.Unlock()
				for _, h := range all {
					h.closeAll()
				}
			}
		}, roomtest.Ends)
	}),
	flawed("the error is told, not passed on", func(h *hall) {
		h.end = func(err error) error {
			if end(err) == nil {
				return nil
			}
			return fmt.Errorf("accept: %v", err)
		}
	}, roomtest.Ends),
}

// flawed is a hall with a flaw.
func flawed(name string, flaw func(h *hall), fails ...string) check.Answer {
	return answer(name, func(ln net.Listener) error {
		h := newHall()
		flaw(h)
		return h.serve(ln)
	}, fails...)
}

func says(f func(h *hall, g *guest, line string)) func(h *hall) {
	return func(h *hall) { h.says = f }
}

func serveInTurn(ln net.Listener) error {
	h := newHall()
	for {
		conn, err := ln.Accept()
		if err != nil {
			return end(err)
		}
		h.visit(conn)
	}
}

// over is a hall whose connections are wrapped.
func over(name string, wrap func(net.Conn) net.Conn, fails ...string) check.Answer {
	return answer(name, func(ln net.Listener) error { return newHall().serve(wrapping{ln, wrap}) }, fails...)
}

type wrapping struct {
	net.Listener
	wrap func(net.Conn) net.Conn
}

func (w wrapping) Accept() (net.Conn, error) {
	conn, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return w.wrap(conn), nil
}

// reading has another opinion of what Read returns, and of whether to call it again.
type reading struct {
	net.Conn
	look func(n int, err error) (int, error, bool)
}

func (r *reading) Read(p []byte) (int, error) {
	for {
		n, err, again := r.look(r.Conn.Read(p))
		if !again {
			return n, err
		}
	}
}

// strict says only once that a name is taken.
type strict struct {
	net.Conn
	last string
}

func (s *strict) Write(p []byte) (int, error) {
	if string(p) == s.last && strings.HasSuffix(s.last, " is taken; your name?\n") {
		return 0, net.ErrClosed
	}
	s.last = string(p)
	return s.Conn.Write(p)
}

// mild has no first Write that fails.
type mild struct {
	net.Conn
	wrote bool
}

func (m *mild) Write(p []byte) (int, error) {
	n, err := m.Conn.Write(p)
	if !m.wrote {
		m.wrote = true
		return len(p), nil
	}
	return n, err
}

// hasty takes what one Read has brought for one line.
type hasty struct {
	net.Conn
	ahead []byte
	err   error // what came with it
}

func (h *hasty) Read(p []byte) (int, error) {
	if len(h.ahead) == 0 {
		buf := make([]byte, 64<<10)
		if h.err != nil {
			return 0, h.err
		}
		n, err := h.Conn.Read(buf)
		if n > 1026 {
			return 0, errors.New("line too long")
		}
		h.ahead, h.err = buf[:n], err
	}
	n := copy(p, h.ahead)
	h.ahead = h.ahead[n:]
	return n, nil
}

// locking writes what ends with end with the lock held.
type locking struct {
	net.Conn
	mu  *sync.Mutex
	end string
}

func (l locking) Write(p []byte) (int, error) {
	if bytes.HasSuffix(p, []byte(l.end+"\n")) {
		l.mu.Lock()
		defer l.mu.Unlock()
	}
	return l.Conn.Write(p)
}

// limited has as many connections at a time as fit into slots.
type limited struct {
	net.Listener
	slots chan bool
}

func (l limited) Accept() (net.Conn, error) {
	l.slots <- true
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &slot{conn, sync.OnceFunc(func() { <-l.slots })}, nil
}

type slot struct {
	net.Conn
	free func()
}

func (s *slot) Close() error {
	s.free()
	return s.Conn.Close()
}

// asking writes the question before the client has a goroutine of its own.
type asking struct{ net.Listener }

func (a asking) Accept() (net.Conn, error) {
	conn, err := a.Listener.Accept()
	if err == nil {
		io.WriteString(conn, "your name?\n")
	}
	return conn, err
}

// insisting calls Accept again after a timeout.
type insisting struct{ net.Listener }

func (i insisting) Accept() (net.Conn, error) {
	for {
		conn, err := i.Listener.Accept()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return conn, err
		}
	}
}

// sharing is an answer with a variable of the package. Each case gets one of its own, because cases of two
// tests may run beside each other.
func sharing(name string, fails ...string) check.Answer {
	return perCase(func() check.Answer {
		var mu sync.Mutex
		var everybody *hall
		return flawed(name, func(h *hall) {
			mu.Lock()
			defer mu.Unlock()
			if everybody == nil || len(everybody.here) == 0 {
				everybody = h
			}
			other := everybody
			h.told = func(h *hall, g *guest) { h.tell(nil, "* "+g.name+" is here") }
			h.says = func(h *hall, g *guest, line string) {
				h.tell(g, g.name+": "+line)
				if other != h {
					other.mu.Lock()
					other.tell(nil, g.name+": "+line)
					other.mu.Unlock()
				}
			}
		}, fails...)
	})
}

// perCase is an answer that keeps something in variables, which each case has for itself.
func perCase(shared func() check.Answer) check.Answer {
	a := shared() // for a process that runs one case
	for i := range a.Lab.Cases {
		a.Lab.Cases[i].Run = func(c *check.C) { shared().Lab.Cases[i].Run(c) }
	}
	return a
}

// serveWaitsForNobody lets another goroutine close what is open.
func serveWaitsForNobody(ln net.Listener) error {
	failed := make(chan error, 1)
	go newHall().serve(announced{ln, failed})
	return end(<-failed)
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

// sayAfterExit closes the connection, and goes on with what it has read ahead.
func sayAfterExit(h *hall) {
	exited := map[*guest]bool{}
	h.read = func(lines *bufio.Reader) (string, bool) {
		line, ok := next(lines)
		return line, ok || line == "exit"
	}
	h.says = func(h *hall, g *guest, line string) {
		if line == "exit" {
			exited[g] = true
			delete(h.here, g.name)
			g.conn.Close()
			line = "* " + g.name + " has left"
		} else {
			line = g.name + ": " + line
		}
		h.tell(g, line)
	}
	h.leaves = func(h *hall, g *guest) {
		if !exited[g] {
			h.leave(g)
			return
		}
		g.gone = true
		g.more.Signal()
	}
}

func readOnce(lines *bufio.Reader) (string, bool) {
	if lines.Buffered() > 0 {
		lines.Discard(lines.Buffered())
	}
	if _, err := lines.Peek(1); err != nil {
		return "", false
	}
	b, _ := lines.Peek(lines.Buffered())
	line := strings.TrimSuffix(string(b), "\n")
	return line, line != "exit"
}

func sayNews(h *hall) {
	last := ""
	h.says = func(h *hall, g *guest, line string) {
		if line = g.name + ": " + line; line != last {
			last = line
			h.tell(g, line)
		}
	}
}

func sayHundred(h *hall) {
	n := 0
	h.says = func(h *hall, g *guest, line string) {
		if n++; n <= 100 {
			h.tell(g, g.name+": "+line)
		}
	}
}

func sayExit(h *hall) {
	h.read = func(lines *bufio.Reader) (string, bool) {
		line, ok := next(lines)
		return line, ok || line == "exit"
	}
	h.says = func(h *hall, g *guest, line string) {
		h.tell(g, g.name+": "+line)
		if line == "exit" {
			h.leave(g)
		}
	}
}

// tellNameless forgets that a connection is not a member.
func tellNameless(h *hall) {
	h.says = func(h *hall, g *guest, line string) {
		h.tell(g, g.name+": "+line)
		for conn, named := range h.conns {
			if !named {
				io.WriteString(conn, g.name+": "+line+"\n")
			}
		}
	}
}

func tellNamelessWhoLeft(h *hall) {
	h.leaves = func(h *hall, g *guest) {
		if !h.out(g) {
			return
		}
		h.tell(nil, "* "+g.name+" has left")
		for conn, named := range h.conns {
			if !named {
				io.WriteString(conn, "* "+g.name+" has left\n")
			}
		}
	}
}

func leaveNameless(h *hall) {
	h.closes = func(h *hall, g *guest) {
		g.conn.Close()
		if g.name == "" {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.tell(nil, "*  has left")
		}
	}
}

// leaveRefused keeps the name before it looks whether it is free.
func leaveRefused(h *hall) {
	refused := ""
	h.taken = func(h *hall, name string) bool {
		if h.here[name] == nil {
			return false
		}
		refused = name
		return true
	}
	h.closes = func(h *hall, g *guest) {
		g.conn.Close()
		if g.name != "" {
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if refused != "" {
			h.tell(nil, "* "+refused+" has left")
		}
		refused = ""
	}
}

// readHalves is what a bufio.Scanner does.
func readHalves(lines *bufio.Reader) (string, bool) {
	b, err := lines.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) || err != nil && len(b) == 0 {
		return "", false
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	return line, line != "exit"
}

// readAnew loses what the reader before has read ahead.
func readAnew(lines *bufio.Reader) (string, bool) {
	line, ok := next(lines)
	lines.Discard(lines.Buffered())
	return line, ok
}

func readCarriage(lines *bufio.Reader) (string, bool) {
	b, err := lines.ReadSlice('\n')
	if err != nil {
		return "", false
	}
	line := string(b[:len(b)-1])
	return line, line != "exit"
}

func readExitExactly(lines *bufio.Reader) (string, bool) {
	line, ok := readCarriage(lines)
	return strings.TrimSuffix(line, "\r"), ok
}

func readEndOfTwo(lines *bufio.Reader) (string, bool) {
	line, ok := readCarriage(lines)
	text := strings.TrimSuffix(line, "\r")
	end := 1 + len(line) - len(text)
	return text, ok && text != "exit" && len(line)+end <= 1025
}

func readUnlimited(lines *bufio.Reader) (string, bool) {
	line, err := lines.ReadString('\n')
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	return line, err == nil && line != "exit"
}

func readThenLook(lines *bufio.Reader) (string, bool) {
	line, ok := readUnlimited(lines)
	return line, ok && len(line) <= 1024
}

func readPieces(lines *bufio.Reader) (string, bool) {
	b, err := lines.ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		return "", false
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	return line, line != "exit"
}

func readSkips(lines *bufio.Reader) (string, bool) {
	for {
		line, ok := readUnlimited(lines)
		if !ok || len(line) <= 1024 {
			return line, ok
		}
	}
}

func readCharacters(lines *bufio.Reader) (string, bool) {
	var line []byte
	for n := 0; n <= 1024; {
		b, err := lines.ReadByte()
		if err != nil {
			return "", false
		}
		if b == '\n' {
			text := strings.TrimSuffix(string(line), "\r")
			return text, text != "exit"
		}
		line = append(line, b)
		if utf8.RuneStart(b) {
			n++
		}
	}
	return "", false
}

// readBeginnings ends the visit at the next line.
func readBeginnings() func(lines *bufio.Reader) (string, bool) {
	return func(lines *bufio.Reader) (string, bool) {
		b, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			begin := string(bytes.Clone(b))
			lines.Reset(strings.NewReader(""))
			return begin, true
		}
		if err != nil {
			return "", false
		}
		line := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
		return line, line != "exit"
	}
}

func stayTaken(h *hall) {
	taken := map[string]bool{}
	h.taken = func(_ *hall, name string) bool {
		before := taken[name]
		taken[name] = true
		return before
	}
}

func stayRefused(h *hall) {
	refused := map[string]bool{}
	h.taken = func(h *hall, name string) bool {
		if h.here[name] != nil {
			refused[name] = true
		}
		return refused[name]
	}
}

func writeIgnoring(h *hall, g *guest) { h.writeWith(g, func(error) bool { return true }) }

func writeEnding(h *hall, g *guest) { h.writeWith(g, func(err error) bool { return err == nil }) }

// writeWith writes line by line, as long as goOn says so.
func (h *hall) writeWith(g *guest, goOn func(err error) bool) {
	for {
		h.mu.Lock()
		for len(g.wait) == 0 && !g.gone {
			g.more.Wait()
		}
		lines := g.wait
		g.wait = nil
		h.mu.Unlock()
		if len(lines) == 0 {
			return
		}
		for _, line := range lines {
			if _, err := io.WriteString(g.conn, line+"\n"); !goOn(err) {
				return
			}
		}
	}
}

func putWithDeadline(h *hall, g *guest, line string) {
	g.conn.SetWriteDeadline(time.Now().Add(time.Second))
	if _, err := io.WriteString(g.conn, line+"\n"); err != nil {
		g.conn.Close()
	}
}

func atMost(n int) func(h *hall) {
	return func(h *hall) {
		h.put = func(h *hall, g *guest, line string) {
			g.wait = append(g.wait, line)
			g.more.Signal()
			if len(g.wait) > n {
				h.leaves(h, g)
			}
		}
	}
}

// dropped is a hall that does with those who do not read what drop does.
func dropped(drop func(h *hall, g *guest)) func(h *hall) {
	return func(h *hall) {
		h.put = func(h *hall, g *guest, line string) {
			g.wait = append(g.wait, line)
			g.more.Signal()
			if len(g.wait) > 500 {
				drop(h, g)
			}
		}
	}
}

// forget announces that g has left, and leaves its connection to itself.
func (h *hall) forget(g *guest) {
	delete(h.here, g.name)
	h.tell(nil, "* "+g.name+" has left")
}

func putWaiting(h *hall) {
	h.put = func(h *hall, g *guest, line string) {
		for len(g.wait) > 100 && !g.gone {
			h.mu.Unlock()
			time.Sleep(time.Millisecond)
			h.mu.Lock()
		}
		h.append(g, line)
	}
}
