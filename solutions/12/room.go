// Package room is the reference answer to lab 12: a chat room in lines.
package room

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

const (
	maxLine  = 1024 // bytes of a line, without its end
	maxName  = 20   // characters
	maxQueue = 64   // lines that wait for a member who reads slowly
	farewell = "exit"
)

// Serve is a chat room: everybody reads what everybody else says. When Accept fails it closes all
// connections and returns: nil if ln was closed, and else the error of Accept. The caller closes ln.
func Serve(ln net.Listener) error {
	r := &room{clients: map[*client]bool{}, members: map[string]*client{}}
	var visits sync.WaitGroup
	for {
		conn, err := ln.Accept()
		if err != nil {
			r.closeAll()
			visits.Wait()
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("accepting a client: %w", err)
		}
		c := r.arrive(conn)
		visits.Go(c.write)
		visits.Go(func() { r.visit(c) })
	}
}

// room is a chat of many. A write waits for a peer that does not read, so each client has a queue, and a
// goroutine that writes what is in it. Whoever speaks waits for nobody.
type room struct {
	mu      sync.Mutex
	clients map[*client]bool   // also those without a name
	members map[string]*client // by name
}

// client is a member when it has a name.
type client struct {
	name  string
	conn  net.Conn    // whoever closes it ends the visit
	queue chan string // closed at the end of the visit
}

func (r *room) arrive(conn net.Conn) *client {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &client{conn: conn, queue: make(chan string, maxQueue)}
	r.clients[c] = true
	return c
}

func (r *room) closeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.clients {
		c.conn.Close()
	}
}

// visit is the stay of one client, until it leaves or nothing can be read or written.
func (r *room) visit(c *client) {
	defer r.leave(c)
	lines := bufio.NewReaderSize(c.conn, maxLine+len("\n")) // what does not fit is an error
	question := "your name?"
	for {
		if question != "" {
			if _, err := fmt.Fprintln(c.conn, question); err != nil {
				return
			}
		}
		line, err := readLine(lines)
		if err != nil || line == farewell {
			return
		}
		question = r.hear(c, line)
	}
}

// hear takes a line: a client's name, and then what the member says. It returns what to ask, if the client
// still needs a name.
func (r *room) hear(c *client, line string) (question string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case c.name != "":
		r.tell(c, c.name+": "+line)
	case !validName(line):
		return fmt.Sprintf("a name has 1 to %d letters and digits; your name?", maxName)
	case r.members[line] != nil:
		return line + " is taken; your name?"
	default:
		c.name, r.members[line] = line, c
		r.tell(nil, "* "+line+" is here")
	}
	return ""
}

// tell puts a line into the queue of every member but the speaker, and ends the visit of those whose queue
// is full: they read too slowly. The caller holds mu.
func (r *room) tell(speaker *client, line string) {
	for _, m := range r.members {
		if m == speaker {
			continue
		}
		select {
		case m.queue <- line:
		default:
			m.conn.Close()
		}
	}
}

// leave is the end of a visit, however it came to that. If it was a member's, the others are told.
func (r *room) leave(c *client) {
	c.conn.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.clients, c)
	delete(r.members, c.name)
	close(c.queue)
	if c.name != "" {
		r.tell(nil, "* "+c.name+" has left")
	}
}

// write sends a member what is in its queue. If that fails, it ends the visit.
func (c *client) write() {
	for line := range c.queue {
		if _, err := fmt.Fprintln(c.conn, line); err != nil {
			c.conn.Close()
			return
		}
	}
}

// readLine returns the next line, without its end. What the end of the stream has cut off comes with an
// error, and so does the beginning of a line that is too long.
func readLine(lines *bufio.Reader) (string, error) {
	line, err := lines.ReadSlice('\n')
	text := strings.TrimSuffix(string(line), "\n")
	return strings.TrimSuffix(text, "\r"), err
}

func validName(name string) bool {
	other := func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }
	return name != "" && utf8.RuneCountInString(name) <= maxName && strings.IndexFunc(name, other) < 0
}
