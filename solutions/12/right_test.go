package room_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	room "socketbook/solutions/12"
	"socketbook/tools/check"
)

// right are the reference and correct answers in other styles.
var right = []check.Answer{
	answer("the reference", room.Serve),
	answer("a goroutine that is the room", serveActor),
	answer("a slice for each member, and a condition", serveSlices),
	answer("the last lines are still sent", serveLastLines),
	answer("lines are read byte by byte", serveBytes),
	answer("queues are looked at from time to time", servePolling),
	answer("a context ends everything", serveContext),
	answer("no more than 16 lines, those that are being written included", serveSixteen),
	answer("who has too many lines is looked for from time to time", serveSweeping),
}

var goodName = regexp.MustCompile(`^[\p{L}\p{Nd}]+$`)

// good reports whether a name may be used.
func good(name string) bool {
	return utf8.ValidString(name) && utf8.RuneCountInString(name) <= 20 && goodName.MatchString(name)
}

const bad = "a name has 1 to 20 letters and digits; your name?"

// end is what Serve returns.
func end(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("room: %w", err)
}

// serveActor has one goroutine that knows who is there; all others send it what has happened.
func serveActor(ln net.Listener) error {
	events := make(chan func(here map[string]*talker))
	over := make(chan struct{})
	go func() {
		defer close(over)
		here := map[string]*talker{}
		for event := range events {
			event(here)
		}
	}()
	var all sync.WaitGroup
	var conns sync.Map
	for {
		conn, err := ln.Accept()
		if err != nil {
			conns.Range(func(conn, _ any) bool {
				conn.(net.Conn).Close()
				return true
			})
			all.Wait()
			close(events)
			<-over
			return end(err)
		}
		conns.Store(conn, true)
		all.Go(func() {
			defer conns.Delete(conn)
			defer conn.Close()
			(&talker{conn: conn, events: events, all: &all}).stay()
		})
	}
}

type talker struct {
	name   string
	conn   net.Conn
	lines  chan string
	events chan<- func(map[string]*talker)
	all    *sync.WaitGroup
}

func (t *talker) stay() {
	lines := bufio.NewReaderSize(t.conn, 1025)
	question := "your name?"
	for entered := false; !entered; {
		if _, err := io.WriteString(t.conn, question+"\n"); err != nil {
			return
		}
		name, ok := next(lines)
		if !ok {
			return
		}
		if !good(name) {
			question = bad
			continue
		}
		question = name + " is taken; your name?"
		t.name = name
		answer := make(chan bool)
		t.events <- func(here map[string]*talker) {
			if here[name] == nil {
				t.lines = make(chan string, 300)
				here[name] = t
				tellAll(here, nil, "* "+name+" is here")
			}
			answer <- here[name] == t
		}
		entered = <-answer
	}
	t.all.Go(t.write)
	for {
		line, ok := next(lines)
		if !ok {
			break
		}
		t.events <- func(here map[string]*talker) {
			if here[t.name] == t {
				tellAll(here, t, t.name+": "+line)
			}
		}
	}
	t.events <- func(here map[string]*talker) { t.leave(here) }
}

func (t *talker) write() {
	for line := range t.lines {
		if _, err := io.WriteString(t.conn, line+"\n"); err != nil {
			t.conn.Close()
			for range t.lines { // until the room has noticed
			}
		}
	}
}

func (t *talker) leave(here map[string]*talker) {
	if here[t.name] != t {
		return
	}
	delete(here, t.name)
	t.conn.Close()
	close(t.lines)
	tellAll(here, nil, "* "+t.name+" has left")
}

func tellAll(here map[string]*talker, but *talker, line string) {
	for _, t := range here {
		if t == but {
			continue
		}
		select {
		case t.lines <- line:
		default:
			t.leave(here)
		}
	}
}

// next is the next line; not ok if the client has left.
func next(lines *bufio.Reader) (line string, ok bool) {
	b, err := lines.ReadSlice('\n')
	if err != nil {
		return "", false
	}
	line, _ = strings.CutSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	return line, line != "exit"
}

// hall is a room with one lock, whose members have slices. Its steps can be replaced.
type hall struct {
	mu    sync.Mutex
	here  map[string]*guest
	conns map[net.Conn]bool // true for those with a name
	all   sync.WaitGroup

	read   func(lines *bufio.Reader) (line string, ok bool)
	good   func(name string) bool
	taken  func(h *hall, name string) bool
	told   func(h *hall, g *guest)              // that g has come
	says   func(h *hall, g *guest, line string) // what g has sent
	put    func(h *hall, g *guest, line string) // a line into what waits for g
	closes func(h *hall, g *guest)              // what becomes of the connection of one that leaves
	leaves func(h *hall, g *guest)
	write  func(h *hall, g *guest)
	cut    func(h *hall) // when Accept has failed
	end    func(err error) error
	tries  int // before a client is sent away; 0 for any number
	asked  int // lookups of a name that two want
	over   chan struct{}
	asks   []string // the question, and what is said about a name that is bad, or taken
}

type guest struct {
	name string
	conn net.Conn
	wait []string
	gone bool
	more *sync.Cond
}

func newHall() *hall {
	return &hall{
		here: map[string]*guest{}, conns: map[net.Conn]bool{}, over: make(chan struct{}),
		read: next, good: good, end: end,
		taken:  func(h *hall, name string) bool { return h.here[name] != nil },
		told:   func(h *hall, g *guest) { h.tell(nil, "* "+g.name+" is here") },
		says:   func(h *hall, g *guest, line string) { h.tell(g, g.name+": "+line) },
		put:    (*hall).append,
		closes: func(_ *hall, g *guest) { g.conn.Close() },
		leaves: (*hall).leave,
		write:  (*hall).writeAll,
		cut:    (*hall).closeAll,
		asks:   []string{"your name?\n", bad + "\n", " is taken; your name?\n"},
	}
}

func serveSlices(ln net.Listener) error { return newHall().serve(ln) }

func (h *hall) serve(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if err != nil {
			h.cut(h)
			h.all.Wait()
			return h.end(err)
		}
		h.mu.Lock()
		h.conns[conn] = false
		h.mu.Unlock()
		h.all.Go(func() { h.visit(conn) })
	}
}

func (h *hall) closeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for conn := range h.conns {
		conn.Close()
	}
}

func (h *hall) visit(conn net.Conn) {
	g := &guest{conn: conn, more: sync.NewCond(&h.mu)}
	lines := bufio.NewReaderSize(conn, 1025)
	defer func() {
		h.closes(h, g)
		h.mu.Lock()
		delete(h.conns, conn)
		h.mu.Unlock()
	}()
	question := h.asks[0]
	for tries := 1; g.name == "" && (h.tries == 0 || tries <= h.tries); tries++ {
		if _, err := io.WriteString(conn, question); err != nil {
			return
		}
		name, ok := h.read(lines)
		switch {
		case !ok:
			return
		case !h.good(name):
			question = h.asks[1]
		case !h.enter(g, name):
			question = name + h.asks[2]
		}
	}
	if g.name == "" {
		return
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		h.write(h, g)
	}()
	for {
		line, ok := h.read(lines)
		h.mu.Lock()
		if !ok || g.gone {
			h.leaves(h, g)
			h.mu.Unlock()
			break
		}
		h.says(h, g, line)
		h.mu.Unlock()
	}
	<-written
}

func (h *hall) enter(g *guest, name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.taken(h, name) {
		return false
	}
	g.name = name
	h.here[name] = g
	h.conns[g.conn] = true
	h.told(h, g)
	return true
}

func (h *hall) tell(but *guest, line string) {
	for _, name := range slices.Sorted(maps.Keys(h.here)) {
		if g := h.here[name]; g != nil && g != but { // a put may have made it leave
			h.put(h, g, line)
		}
	}
}

func (h *hall) append(g *guest, line string) {
	g.wait = append(g.wait, line)
	g.more.Signal()
	if len(g.wait) > 500 {
		h.leaves(h, g)
	}
}

func (h *hall) leave(g *guest) {
	if h.out(g) {
		h.tell(nil, "* "+g.name+" has left")
	}
}

// out is leave without a word.
func (h *hall) out(g *guest) bool {
	if g.gone {
		return false
	}
	g.gone = true
	delete(h.here, g.name)
	h.closes(h, g)
	g.more.Signal()
	return true
}

func (h *hall) writeAll(g *guest) {
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
		if _, err := io.WriteString(g.conn, strings.Join(lines, "\n")+"\n"); err != nil {
			g.conn.Close()
			return
		}
	}
}

// serveLastLines still sends a member that has left what was said before, but not for long.
func serveLastLines(ln net.Listener) error {
	h := newHall()
	h.closes = func(_ *hall, g *guest) {
		if g.gone {
			g.conn.SetDeadline(time.Now().Add(50 * time.Millisecond))
		} else {
			g.conn.Close()
		}
	}
	h.write = func(h *hall, g *guest) {
		defer g.conn.Close()
		h.writeAll(g)
	}
	return h.serve(ln)
}

// serveBytes knows no ReadSlice.
func serveBytes(ln net.Listener) error {
	h := newHall()
	h.read = func(lines *bufio.Reader) (string, bool) {
		var line []byte
		for {
			b, err := lines.ReadByte()
			switch {
			case err != nil:
				return "", false
			case b == '\n':
				if n := len(line); n > 0 && line[n-1] == '\r' {
					line = line[:n-1]
				}
				return string(line), string(line) != "exit"
			case len(line) == 1024:
				return "", false
			}
			line = append(line, b)
		}
	}
	return h.serve(ln)
}

// servePolling has writers that look around every 5 ms.
func servePolling(ln net.Listener) error {
	var mu sync.RWMutex
	type place struct {
		lines chan string
		conn  net.Conn
	}
	queues := map[string]place{}
	var open []net.Conn
	var all sync.WaitGroup
	tell := func(but, line string) (full []string) { // under mu
		for name, q := range queues {
			if name == but {
				continue
			}
			if len(q.lines) == cap(q.lines) {
				full = append(full, name)
			} else {
				q.lines <- line
			}
		}
		return full
	}
	var leave func(name string, q place)
	leave = func(name string, q place) {
		if q != (place{}) && queues[name] == q {
			delete(queues, name)
			close(q.lines)
			q.conn.Close()
			for _, other := range tell("", "* "+name+" has left") {
				leave(other, queues[other])
			}
		}
	}
	visit := func(conn net.Conn) {
		defer conn.Close()
		lines := bufio.NewReaderSize(conn, 1025)
		name, q := "", place{make(chan string, 900), conn}
		for question := "your name?"; name == ""; {
			if _, err := fmt.Fprintln(conn, question); err != nil {
				return
			}
			line, ok := next(lines)
			if !ok {
				return
			}
			mu.Lock()
			if !good(line) {
				question = bad
			} else if queues[line] != (place{}) {
				question = line + " is taken; your name?"
			} else {
				name = line
				queues[name] = q
				tell("", "* "+name+" is here")
			}
			mu.Unlock()
		}
		var writer sync.WaitGroup
		writer.Go(func() {
			defer conn.Close()
			for {
				select {
				case line, ok := <-q.lines:
					if !ok {
						return
					}
					if _, err := fmt.Fprintln(conn, line); err != nil {
						return
					}
				default:
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
		for {
			line, ok := next(lines)
			mu.Lock()
			if !ok {
				leave(name, q)
				mu.Unlock()
				break
			}
			for _, full := range tell(name, name+": "+line) {
				leave(full, queues[full])
			}
			mu.Unlock()
		}
		writer.Wait()
	}
	for {
		conn, err := ln.Accept()
		if err != nil {
			for _, conn := range open {
				conn.Close()
			}
			all.Wait()
			return end(err)
		}
		open = append(open, conn)
		all.Go(func() { visit(conn) })
	}
}

// serveContext closes connections by a context.
func serveContext(ln net.Listener) error {
	ctx, cancel := context.WithCancel(context.Background())
	h := newHall()
	var closers sync.WaitGroup
	defer closers.Wait()
	defer cancel()
	return h.serve(closing{ln, ctx, &closers})
}

// closing hands out connections that are closed when ctx ends.
type closing struct {
	net.Listener
	ctx context.Context
	all *sync.WaitGroup
}

func (c closing) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.all.Go(func() {
			<-c.ctx.Done()
			conn.Close()
		})
	}
	return conn, err
}

// serveSixteen keeps no line more than it has to, and writes all that wait with one call.
func serveSixteen(ln net.Listener) error {
	h := newHall()
	written := map[*guest]int{} // lines in a Write that has not returned
	h.put = func(h *hall, g *guest, line string) {
		if g.wait = append(g.wait, line); len(g.wait)+written[g] > 16 {
			h.leaves(h, g)
		}
		g.more.Signal()
	}
	h.write = func(h *hall, g *guest) {
		h.mu.Lock()
		defer h.mu.Unlock()
		for {
			for len(g.wait) == 0 && !g.gone {
				g.more.Wait()
			}
			if g.gone {
				return
			}
			text := strings.Join(g.wait, "\n") + "\n"
			g.wait, written[g] = nil, len(g.wait)
			h.mu.Unlock()
			_, err := io.WriteString(g.conn, text)
			h.mu.Lock()
			if written[g] = 0; err != nil {
				h.leaves(h, g)
				return
			}
		}
	}
	return h.serve(ln)
}

// serveSweeping closes the connection of one that leaves at once, and takes it out a little later. Every 20 ms
// it looks who has too many lines.
func serveSweeping(ln net.Listener) error {
	h := newHall()
	var full []*guest
	h.put = func(_ *hall, g *guest, line string) {
		if len(g.wait) == 290 {
			if !slices.Contains(full, g) {
				full = append(full, g)
			}
			return
		}
		g.wait = append(g.wait, line)
		g.more.Signal()
	}
	h.leaves = func(h *hall, g *guest) {
		g.conn.Close()
		h.mu.Unlock()
		time.Sleep(40 * time.Millisecond)
		h.mu.Lock()
		h.leave(g)
	}
	h.cut = func(h *hall) {
		close(h.over)
		h.closeAll()
	}
	h.all.Go(func() {
		clock := time.NewTicker(20 * time.Millisecond)
		defer clock.Stop()
		for {
			select {
			case <-h.over:
				return
			case <-clock.C:
			}
			h.mu.Lock()
			all := full
			full = nil
			for _, g := range all {
				h.leaves(h, g)
			}
			h.mu.Unlock()
		}
	})
	return h.serve(ln)
}
