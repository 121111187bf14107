package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// What all clients may cost together. While a client is served it holds a request or an answer, and a
// goroutine: maxClients × (maxHeader + maxCommand + 2 × maxOutput + 16 KiB) is less than 40 MiB.
const (
	maxClients = 256      // at the same time; each is a descriptor, and memory
	maxRunning = 4        // programs at the same time; each is a process, and some descriptors
	maxCommand = 1 << 10  // bytes; more than anybody types
	maxOutput  = 64 << 10 // bytes of each stream that a program prints; those allowed print a line
)

// listen asks the system for the address and lets clients queue up for it.
func listen(addr string) (net.Listener, error) {
	return net.Listen("tcp", addr)
}

// ErrServerClosed is what Serve returns after Shutdown or Close.
var ErrServerClosed = errors.New("the server was closed")

// What a client is told that the server has no room for.
var (
	errTooMany     = errors.New("too many clients; come back later")
	errTooManyHere = errors.New("too many clients from your address; close one of them")
)

// A Handler has the server's half of a conversation with one client. When Handle returns, the server
// closes conn; that Handle has closed it already does no harm. An error or a panic of Handle is one
// line in the log (net.ErrClosed is none after Shutdown or Close), and all other clients are served on.
// When the client is cut off, conn is closed and ctx ends: Handle returns soon.
type Handler interface {
	Handle(ctx context.Context, conn net.Conn) error
}

// HandlerFunc is a function that serves as a Handler.
type HandlerFunc func(ctx context.Context, conn net.Conn) error

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, conn net.Conn) error { return f(ctx, conn) }

// A Server lets its Handler have each client, in a goroutine of its own. The exported fields are set
// before Serve is called. The methods may be called from any goroutine. A server that was shut down or
// closed does not serve again.
type Server struct {
	Handler       Handler // not nil
	MaxClients    int     // at the same time; the next one is told so. 0: no limit
	MaxPerAddress int     // of these, from one IP address or one IPv6 /64. 0: no limit

	log       sparseLog
	mu        sync.Mutex
	ended     bool // by Shutdown or Close
	listeners []net.Listener
	clients   map[net.Conn]context.CancelFunc // ends the handler's context
	addresses map[string]int                  // how many clients each has
	handlers  sync.WaitGroup
}

// What Serve waits before it accepts again when accept has failed: twice as long each time.
const (
	firstPause   = 5 * time.Millisecond
	longestPause = time.Second
)

// Serve accepts clients on ln until Shutdown or Close is called; then it returns ErrServerClosed, at
// once or after the pause that it is in. It is called once for each listener. An accept that fails for
// the moment, because no descriptor is left, say, is tried again; any other failure is returned, and
// the clients that are there keep their handlers. In every case Serve closes ln.
func (s *Server) Serve(ln net.Listener) error {
	defer ln.Close()
	if !s.opened(ln) {
		return ErrServerClosed
	}
	pause := time.Duration(0)
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			s.start(conn)
		case s.hasEnded():
			return ErrServerClosed
		case temporary(err):
			pause = min(max(2*pause, firstPause), longestPause)
			log.Printf("accepting a client: %v; trying again in %v", err, pause)
			time.Sleep(pause)
		default:
			return fmt.Errorf("accepting a client: %w", err)
		}
	}
}

// Shutdown ends the server politely: it closes the listeners, waits until every client has been served
// to the end, and returns nil. If ctx ends before, it cuts off the clients that are still there, waits
// for their handlers, which end what they do, and returns ctx's error. Called again, it waits again.
func (s *Server) Shutdown(ctx context.Context) error {
	s.end()
	served := make(chan struct{})
	go func() {
		s.handlers.Wait()
		close(served)
	}()
	select {
	case <-served:
		return nil
	case <-ctx.Done():
		if s.cutOff() == 0 { // the last one has just left
			return nil
		}
		<-served
		return ctx.Err()
	}
}

// Close ends the server at once: it closes the listeners and all connections, and does not wait for
// the handlers, which meet net.ErrClosed. It always returns nil.
func (s *Server) Close() error {
	s.end()
	s.cutOff()
	return nil
}

// start lets the handler have conn, or closes it with the reason why not.
func (s *Server) start(conn net.Conn) {
	ctx, err := s.admit(conn)
	if err != nil {
		tell(conn, err) // a new connection has room for it
		conn.Close()
		s.log.printf("client %s: %v", conn.RemoteAddr(), err)
		return
	}
	go func() {
		defer s.leave(conn)
		err := s.handle(ctx, conn)
		if errors.Is(err, net.ErrClosed) && s.hasEnded() { // we cut it off
			return
		}
		if err != nil { // there is nobody to return it to
			s.log.printf("client %s: %v", conn.RemoteAddr(), err)
		}
	}()
}

// handle calls the handler, and makes an error of a panic.
func (s *Server) handle(ctx context.Context, conn net.Conn) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the handler panicked: %v", p)
		}
	}()
	return s.Handler.Handle(ctx, conn)
}

// admit counts a client in, if there is room for it, and returns the context of its handler.
func (s *Server) admit(conn net.Conn) (context.Context, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, ErrServerClosed
	}
	if s.MaxClients > 0 && len(s.clients) >= s.MaxClients {
		return nil, errTooMany
	}
	if s.MaxPerAddress > 0 && s.addresses[host(conn)] >= s.MaxPerAddress {
		return nil, errTooManyHere
	}
	if s.clients == nil {
		s.clients = map[net.Conn]context.CancelFunc{}
		s.addresses = map[string]int{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.clients[conn] = cancel
	s.addresses[host(conn)]++
	s.handlers.Add(1) // never after end, so that Wait has seen all
	return ctx, nil
}

// leave counts a client out, and closes its connection.
func (s *Server) leave(conn net.Conn) {
	s.mu.Lock()
	s.clients[conn]()
	delete(s.clients, conn)
	s.addresses[host(conn)]--
	if s.addresses[host(conn)] == 0 { // or the map would keep every address that ever came
		delete(s.addresses, host(conn))
	}
	s.mu.Unlock()
	conn.Close()
	s.handlers.Done()
}

// host is what clients of one place have in common: an IPv4 address, or the first half of an IPv6 address,
// because whoever has one of those has 2⁶⁴ (RFC 4291, 2.5.4).
func host(conn net.Conn) string {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok { // the clients of a Unix socket are all on this machine
		return ""
	}
	if tcp.IP.To4() != nil {
		return tcp.IP.String()
	}
	return tcp.IP.Mask(net.CIDRMask(64, 128)).String()
}

// opened notes a listener, so that end can close it, and reports whether the server is still to serve.
func (s *Server) opened(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners = append(s.listeners, ln)
	return !s.ended
}

// end closes the listeners. From now on nobody is admitted.
func (s *Server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, ln := range s.listeners {
		ln.Close()
	}
}

func (s *Server) hasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// cutOff closes the connections, ends what the handlers do, and returns how many there were.
func (s *Server) cutOff() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn, cancel := range s.clients {
		conn.Close()
		cancel()
	}
	return len(s.clients)
}

// temporary reports whether accept may succeed in a moment, after an error of this kind.
func temporary(err error) bool {
	return slices.ContainsFunc(errsTemporary, func(e error) bool { return errors.Is(err, e) })
}

// commands runs what its clients send, if it is allowed, and waits for nothing without a limit.
type commands struct {
	idle  time.Duration // for a client's next command, all of it
	limit time.Duration // for a command, and every process that it starts
	write time.Duration // for the system to take an answer
}

// answer runs each command and sends its status and what it printed, until the client leaves, a limit
// has passed or a rule is broken, and closes conn. When ctx ends, so does the command that is running.
func (c *commands) answer(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	for {
		command, err := c.read(conn)
		if peerGone(err) {
			return nil
		}
		if err != nil {
			return refuse(conn, err)
		}
		status, output := c.execute(ctx, command)
		err = writeMessage(conn, c.write, status, output)
		if peerGone(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("writing an answer: %w", err)
		}
	}
}

// read reads a command, or says what is wrong with it.
func (c commands) read(conn net.Conn) (command string, err error) {
	_, text, err := readMessage(conn, c.idle, maxCommand)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "", fmt.Errorf("no command came within %v, or not all of it", c.idle)
	case err != nil:
		return "", fmt.Errorf("reading a command: %w", err)
	case !printable(string(text)):
		return "", fmt.Errorf("the command %.60q has characters that cannot be printed", text)
	}
	return string(text), nil
}

// execute runs a command within its limit. An empty one is a heartbeat: the client asks whether anybody is
// there.
func (c *commands) execute(ctx context.Context, command string) (status int, output []byte) {
	words := strings.Fields(command)
	if len(words) == 0 {
		return 0, nil
	}
	run, ok := allowed[words[0]]
	if !ok {
		return noStatus, fmt.Appendf(nil, "%.60q is not allowed; %s are\n", command, names())
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.limit,
		fmt.Errorf("its limit of %v has passed", c.limit))
	defer cancel()
	return run(ctx, words[1:])
}

const noStatus = -1 // of a command that was ended, or was not even started

// waitDelay is how long run waits, when the program has ended, for whoever else may print into its answer.
const waitDelay = 100 * time.Millisecond

// run executes a program, when its turn has come, with nothing to read, until ctx ends; no process
// that it has started stays behind, unless runTree misses it. It returns its exit status, its standard
// output and then its standard error. Of each it keeps maxOutput bytes.
func run(ctx context.Context, program string) (status int, output []byte) {
	select {
	case running <- struct{}{}:
		defer func() { <-running }()
	case <-ctx.Done():
		return noStatus, []byte("too many commands at the same time; come back later\n")
	}
	cmd := exec.CommandContext(ctx, program)
	var stdout, stderr limited
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = waitDelay
	err := runTree(cmd)
	output = append(stdout.kept, stderr.kept...)
	if cut := stdout.cut + stderr.cut; cut > 0 {
		output = fmt.Appendf(output, "\n[%d more bytes were printed, and cut off]\n", cut)
	}
	switch {
	case ctx.Err() != nil: // before err, which only says that it was killed
		return noStatus, fmt.Appendf(output, "[ended: %v]\n", context.Cause(ctx))
	case cmd.ProcessState == nil: // it was not even started
		return noStatus, fmt.Appendln(output, err)
	}
	return cmd.ProcessState.ExitCode(), output
}

// limited keeps the first maxOutput bytes that are written to it, and counts the others.
type limited struct {
	kept []byte
	cut  int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), maxOutput-len(l.kept))
	l.kept = append(l.kept, p[:n]...)
	l.cut += len(p) - n
	return len(p), nil
}

// peerGone reports whether err means that the peer has gone. A peer says so in three ways: end of file
// (it closed), a reset (it aborted, or left bytes unread), a broken pipe (we wrote after its reset had come).
// One that has vanished says nothing: after a while the system gives it up.
func peerGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, errReset) || errors.Is(err, errBrokenPipe) ||
		errors.Is(err, errVanished)
}
