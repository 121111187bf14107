package stage

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// endGrace is how long an interrupted server may take to return from its serve function before the
// process ends anyway.
const endGrace = 100 * time.Millisecond

// shutdownGrace is how long the clients of a server that has a Shutdown may take to finish.
const shutdownGrace = 5 * time.Second

// server plays the server's side alone.
func (s *session) server(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	addr := flags.String("addr", defaultAddr, "")
	expose := new(bool)
	if s.RunsCommands {
		expose = flags.Bool("expose", false, "")
	}
	in, shown := s.terminal()
	s.In = in
	s.Out, _ = visible(shown)
	s.register("server", flags)
	if status, ok := s.parse(flags, args); !ok {
		return status
	}
	if status, ok := s.checkAddr(*addr); !ok {
		return status
	}
	logged, _ := visible(s.errs)
	log.SetFlags(0)
	log.SetOutput(logged)
	l, err := s.listen(*addr)
	if err != nil {
		return s.fail("%s", s.explainListen(*addr, err))
	}
	defer l.end.Close()
	if s.RunsCommands && !*expose && !onLoopback(l.at) { // a name may mean something else by now
		return s.refuse(*addr)
	}
	return s.serveUntil(ctx, l)
}

// refuse says why a server that runs commands does not listen on an address.
func (s *session) refuse(addr string) int {
	return s.misuse("-addr %s: refused: this server runs commands for anybody who connects, and that address "+
		"can be reached from other machines; use 127.0.0.1, or add -expose if you mean it", addr)
}

// listening is a server's socket, and what serves it until it is closed.
type listening struct {
	serve func() error
	end   io.Closer
	at    net.Addr
}

func (s *session) listen(addr string) (listening, error) {
	if s.ListenPacket != nil {
		pc, err := s.ListenPacket(addr)
		if err != nil {
			return listening{}, err
		}
		return listening{func() error { return s.ServePacket(pc) }, pc, pc.LocalAddr()}, nil
	}
	ln, err := s.Listen(addr)
	if err != nil {
		return listening{}, err
	}
	return listening{func() error { return s.Serve(ln) }, ln, ln.Addr()}, nil
}

// serveUntil serves until ctx ends.
func (s *session) serveUntil(ctx context.Context, l listening) int {
	if _, err := fmt.Fprintf(s.out, "listening on %s\n", l.at); err != nil {
		return s.fail("telling on standard output that the server listens on %s: %v", l.at, cause(err))
	}
	served := make(chan error, 1)
	go func() { served <- l.serve() }()
	select {
	case err := <-served:
		if err != nil && ctx.Err() == nil {
			return s.fail("serving on %s: %s", l.at, s.explainPeer("client", l.at.String(), err))
		}
	case <-ctx.Done(): // interrupted
		if s.Shutdown != nil {
			s.shutDown()
			return done
		}
		l.end.Close()
		select {
		case <-served:
		case <-time.After(endGrace): // in the middle of a conversation, which ends with the process
		}
	}
	return done
}

// shutDown lets the clients of an interrupted server finish, until shutdownGrace has passed or the next
// interrupt comes.
func (s *session) shutDown() {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(ctx) }()
	select {
	case err := <-ended:
		if err == nil {
			return
		}
	case <-time.After(endGrace):
		s.complain("interrupted: nobody is accepted any more, and the clients that are connected have %v "+
			"to finish; interrupt again to cut them off", shutdownGrace)
		select {
		case err := <-ended:
			if err == nil {
				s.complain("the clients have finished")
				return
			}
		case <-time.After(shutdownGrace + endGrace): // somebody changed the lesson, and it does not return
		}
	}
	s.complain("the clients that were still connected have been cut off")
}

// client plays the client's side alone.
func (s *session) client(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("client", flag.ContinueOnError)
	addr := flags.String("addr", defaultAddr, "")
	s.register("client", flags)
	if status, ok := s.parse(flags, args); !ok {
		return status
	}
	if status, ok := s.checkAddr(*addr); !ok {
		return status
	}
	if tcp, err := net.ResolveTCPAddr("tcp", *addr); err == nil && tcp.Port == 0 {
		return s.misuse(
			"-addr %s: nobody can be reached at port 0; it lets a server take a free port: use "+
				"the address that the server printed after \"listening on\"", *addr)
	}
	logged, _ := visible(s.errs)
	log.SetFlags(0)
	log.SetOutput(logged)

	conn, err := s.Dial(*addr)
	if err != nil {
		return s.fail("%s", s.explainDial(*addr, err))
	}
	defer conn.Close()
	return s.talkUntil(ctx, conn, *addr)
}

// talkUntil lets the client talk to the server at addr until its input ends, or ctx does.
func (s *session) talkUntil(ctx context.Context, conn net.Conn, addr string) int {
	talked := make(chan error, 1)
	go func() {
		in, shown := s.terminal()
		out, end := visible(shown)
		talked <- cmp.Or(s.Talk(conn, in, out), end())
	}()
	select {
	case err := <-talked:
		var file *fs.PathError
		switch {
		case err == nil || s.out.failure() != nil: // Run says what is wrong with standard output
		case errors.As(err, &file) && (file.Op == "write" || file.Op == "close"):
			return s.fail("saving an answer: writing %s: %v; is the disk full?", file.Path, cause(err))
		default:
			return s.fail("talking to %s: %s", addr, s.explainPeer("server", addr, err))
		}
	case <-ctx.Done(): // interrupted
		fmt.Fprintln(s.out)
	}
	return done
}

// terminal returns what the user types and what a program prints for the user. On a terminal there is a
// prompt.
func (s *session) terminal() (in io.Reader, out io.Writer) {
	if !IsTerminal(s.in) {
		return s.in, s.out
	}
	p := &prompter{in: s.in, out: s.out}
	return p, p
}

const prompt = ">>> "

// prompter prints the prompt whenever the program behind it wants to read a line from the terminal. What
// the program prints meanwhile gets lines of its own: what the user has typed so far stays above, and in
// the system's own line editor.
type prompter struct {
	in io.Reader

	mu      sync.Mutex
	out     io.Writer
	waiting bool // for the user; the prompt stands there
}

func (p *prompter) Read(b []byte) (int, error) {
	p.show(true, prompt)
	n, err := p.in.Read(b)
	end := ""
	if errors.Is(err, io.EOF) {
		end = "\n"
	}
	p.show(false, end)
	return n, err
}

func (p *prompter) show(waiting bool, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = waiting
	io.WriteString(p.out, text)
}

func (p *prompter) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.waiting {
		return p.out.Write(b)
	}
	_, err := fmt.Fprintf(p.out, "\n%s%s", b, prompt)
	return len(b), err
}

// checkAddr refuses what cannot be an address before anything is tried.
func (s *session) checkAddr(addr string) (int, bool) {
	host, port, err := net.SplitHostPort(addr)
	if err == nil {
		var n int
		if n, err = strconv.Atoi(port); err == nil && (n < 0 || n > 65535) {
			err = errors.New("out of range")
		}
	}
	if err != nil {
		return s.misuse("-addr %q: an address is HOST:PORT with a port from 0 to 65535, such as %s",
			addr, defaultAddr), false
	}
	if host != "" && net.ParseIP(host) == nil && host != "localhost" {
		if _, err := net.LookupHost(host); err != nil {
			return s.misuse(
				"-addr %q: the host %q has no address here; use 127.0.0.1 for this machine", addr,
				host), false
		}
	}
	return done, true
}

// onLoopback reports whether only this machine can reach a listener. Its address says so, not the
// name that it was asked for: a name may mean one address now and another one when it is looked up
// again.
func onLoopback(bound net.Addr) bool {
	tcp, ok := bound.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
