package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxName  = 20 // characters
	maxQueue = 16 // lines that wait for a member who reads slowly
)

// room is a chat of many. A write waits for a peer that does not read, so each member has a queue, and a
// goroutine that writes what is in it. Whoever speaks waits for nobody.
type room struct {
	mu      sync.Mutex
	members map[string]*member // by name
}

type member struct {
	name  string
	conn  net.Conn
	queue chan string // closed when the member is no longer in the room
	last  string      // said to it at the very end; "" for nothing
}

func newRoom() *room { return &room{members: map[string]*member{}} }

// visit is the stay of one client: it is asked for a name, and then hears and is heard until it leaves.
// It closes conn.
func (r *room) visit(conn net.Conn) error {
	defer conn.Close()
	lines := newLineReader(conn)
	m, err := r.welcome(conn, lines)
	if err == nil {
		err = r.hear(m, lines)
	}
	if peerGone(err) || errors.Is(err, net.ErrClosed) { // it was dropped
		return nil
	}
	return err
}

// welcome asks for a name until it is told one that is free.
func (r *room) welcome(conn net.Conn, lines *bufio.Reader) (*member, error) {
	question := "your name?"
	for {
		if _, err := fmt.Fprintf(conn, "%s\n", question); err != nil {
			return nil, fmt.Errorf("asking for a name: %w", err)
		}
		name, err := readLine(lines)
		if err != nil {
			return nil, fmt.Errorf("reading a name: %w", err)
		}
		if name == farewell {
			return nil, io.EOF
		}
		if !validName(name) {
			question = fmt.Sprintf("a name has 1 to %d letters and digits; your name?", maxName)
		} else if m := r.enter(name, conn); m != nil {
			return m, nil
		} else {
			question = name + " is taken; your name?"
		}
	}
}

// hear passes on what a member says, until it leaves, and waits until the last line was sent to it.
func (r *room) hear(m *member, lines *bufio.Reader) error {
	written := make(chan struct{})
	go func() {
		defer close(written)
		m.write()
	}()
	for {
		line, err := readLine(lines)
		if err == nil && line != farewell {
			r.say(m, m.name+": "+line)
			continue
		}
		r.leave(m)
		<-written
		if err != nil {
			return fmt.Errorf("reading a line of %s: %w", m.name, err)
		}
		return nil
	}
}

// write sends a member what is in its queue, and closes the connection in the end.
func (m *member) write() {
	defer m.conn.Close() // ends the visit of a member that was dropped
	for line := range m.queue {
		if _, err := fmt.Fprintf(m.conn, "%s\n", line); err != nil {
			return
		}
	}
	if m.last != "" {
		fmt.Fprintf(m.conn, "%s\n", m.last)
	}
}

// enter adds a member and tells everybody. It returns nil if the name is taken.
func (r *room) enter(name string, conn net.Conn) *member {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members[name] != nil {
		return nil
	}
	m := &member{name: name, conn: conn, queue: make(chan string, maxQueue)}
	r.members[name] = m
	r.tell(nil, "* "+name+" is here")
	return m
}

// say tells everybody else what a member says.
func (r *room) say(m *member, line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tell(m, line)
}

// leave removes a member and tells the others.
func (r *room) leave(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(m, "has left", "")
}

// tell puts a line into the queue of everybody but the speaker, and drops those whose queue is full. The
// caller holds mu.
func (r *room) tell(speaker *member, line string) {
	for _, m := range r.members {
		if m == speaker {
			continue
		}
		select {
		case m.queue <- line:
		default:
			r.remove(m, "reads too slowly and has left", "* you read too slowly")
		}
	}
}

// remove takes a member out of the room, unless it is out already, and tells the others why. The caller
// holds mu.
func (r *room) remove(m *member, why, last string) {
	if r.members[m.name] != m {
		return
	}
	delete(r.members, m.name)
	m.last = last
	close(m.queue)
	m.conn.SetWriteDeadline(time.Now().Add(lastCall)) // what is left of the queue, and no longer
	r.tell(nil, "* "+m.name+" "+why)
}

func validName(name string) bool {
	other := func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }
	return name != "" && utf8.RuneCountInString(name) <= maxName && strings.IndexFunc(name, other) < 0
}
