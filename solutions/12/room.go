// Package room is the reference answer to lab 12: a chat room in lines.
package room

import (
	"bufio"
	"errors"
	"fmt"
	"io"
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
	r := &room{members: map[string]*member{}, conns: map[net.Conn]bool{}}
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
		r.mu.Lock()
		r.conns[conn] = true
		r.mu.Unlock()
		visits.Go(func() { r.visit(conn) })
	}
}

// room is a chat of many. A write waits for a peer that does not read, so each member has a queue, and a
// goroutine that writes what is in it. Whoever speaks waits for nobody.
type room struct {
	mu      sync.Mutex
	members map[string]*member // by name
	conns   map[net.Conn]bool  // also those without a name
}

type member struct {
	name  string
	conn  net.Conn
	queue chan string // closed when the member is no longer in the room
}

// visit is the stay of one client. An error means that it has left.
func (r *room) visit(conn net.Conn) {
	defer func() {
		conn.Close()
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.conns, conn)
	}()
	lines := bufio.NewReaderSize(conn, maxLine+len("\n"))
	m, err := r.welcome(conn, lines)
	if err != nil {
		return
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		m.write()
	}()
	for {
		line, err := readLine(lines)
		if err != nil {
			break
		}
		r.mu.Lock()
		r.tell(m, m.name+": "+line)
		r.mu.Unlock()
	}
	r.mu.Lock()
	r.remove(m)
	r.mu.Unlock()
	<-written
}

// welcome asks for a name until it is told one that is free.
func (r *room) welcome(conn net.Conn, lines *bufio.Reader) (*member, error) {
	question := "your name?"
	for {
		if _, err := fmt.Fprintln(conn, question); err != nil {
			return nil, err
		}
		name, err := readLine(lines)
		if err != nil {
			return nil, err
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

// enter adds a member and tells everybody. It returns nil if the name is taken.
func (r *room) enter(name string, conn net.Conn) *member {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members[name] != nil {
		return nil
	}
	m := &member{name, conn, make(chan string, maxQueue)}
	r.members[name] = m
	r.tell(nil, "* "+name+" is here")
	return m
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
			r.remove(m)
		}
	}
}

// remove takes a member out of the room, unless it is out already, closes its connection and tells the
// others. The caller holds mu.
func (r *room) remove(m *member) {
	if r.members[m.name] != m {
		return
	}
	delete(r.members, m.name)
	close(m.queue)
	m.conn.Close() // wakes the goroutines that read and write
	r.tell(nil, "* "+m.name+" has left")
}

// write sends a member what is in its queue. If that fails, it ends the visit.
func (m *member) write() {
	for line := range m.queue {
		if _, err := io.WriteString(m.conn, line+"\n"); err != nil {
			m.conn.Close()
			return
		}
	}
}

func (r *room) closeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.conns {
		conn.Close()
	}
}

// readLine returns the next line, without its end. "exit" is the end of the stream, what that has cut off
// is no line, and one that is too long is an error.
func readLine(lines *bufio.Reader) (string, error) {
	line, err := lines.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	text := strings.TrimSuffix(string(line[:len(line)-1]), "\r")
	if text == farewell {
		return "", io.EOF
	}
	return text, nil
}

func validName(name string) bool {
	other := func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }
	return name != "" && utf8.RuneCountInString(name) <= maxName && strings.IndexFunc(name, other) < 0
}
