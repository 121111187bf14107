package scenario

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// ServerType is what a type of server can do.
type ServerType interface {
	Serve(ln net.Listener) error
	Shutdown(ctx context.Context) error
	Close() error
}

// NewServer returns a server whose handler is answer, for that many clients at the same time; 0: no
// limit.
type NewServer func(answer AnswerFunc, most int) ServerType

// DialFunc is how a client connects.
type DialFunc func(addr string) (net.Conn, error)

// stop ends a server whose clients have left or are leaving.
func stop(s ServerType, server *Server) {
	ctx, cancel := context.WithTimeout(context.Background(), loopback.Patience)
	defer cancel()
	s.Shutdown(ctx)
	server.Stop()
}

// closed waits until the server has closed n connections.
func closed(rec *timeline.Recorder, n int) error {
	return wait(rec, "the server to close "+plural(n, "connection"),
		timeline.Happened("server", timeline.Close, n))
}

// joins lets a client connect and say who it is, and reads the answer.
func joins(rec *timeline.Recorder, side, addr string, dial DialFunc) (net.Conn, error) {
	conn, err := rec.Dial(side, addr, dial)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(loopback.Patience))
	if _, err := exchange(conn, "i am "+side); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// Graceful shuts two servers down: the first one's client goes on for a while, the second one's stays
// until ctx ends. Got are the answers that the first client had after the call, Met what a client met
// that came then, Took how long the second call took.
func Graceful(newServer NewServer, answer AnswerFunc, dial DialFunc) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		s := newServer(answer, 0)
		server, err := Start(rec, s.Serve)
		if err != nil {
			return o, err
		}
		defer stop(s, server)
		conn, err := joins(rec, "client 1", server.Addr, dial)
		if err != nil {
			return o, err
		}
		defer conn.Close()
		ended := make(chan error, 1)
		rec.Note("server", nil, "calls Shutdown")
		go func() { ended <- s.Shutdown(context.Background()) }()
		rec.Note("server", nil, "Serve returns: %v", server.Returned())
		if _, o.Met = rec.Dial("client 2", server.Addr, dial); o.Met == nil {
			return o, errors.New("a client is connected to a listener that should be closed")
		}
		reply, err := exchange(conn, "one more")
		if err != nil {
			return o, err
		}
		o.Got = append(o.Got, reply)
		conn.Close()
		if err := <-ended; err != nil {
			return o, err
		}
		rec.Note("server", nil, "Shutdown returns")
		rec.Verdict("client 1 was answered after Shutdown was called, and Shutdown returned when it had "+
			"left; client 2, which came in between: %s", reason(o.Met))
		return o, outOfTime(rec, &o, newServer(answer, 0), dial)
	}
}

// outOfTime calls Shutdown on a server whose client stays.
func outOfTime(rec *timeline.Recorder, o *Outcome, s ServerType, dial DialFunc) error {
	server, err := Start(rec, s.Serve)
	if err != nil {
		return err
	}
	defer stop(s, server)
	conn, err := joins(rec, "client 2", server.Addr, dial)
	if err != nil {
		return err
	}
	defer conn.Close()
	rec.Note("server", nil, "calls Shutdown, for at most %v", Hang)
	begin := time.Now() // before the context, whose time begins here
	ctx, cancel := context.WithTimeout(context.Background(), Hang)
	defer cancel()
	err = s.Shutdown(ctx)
	o.Took = append(o.Took, time.Since(begin))
	if err == nil {
		return errors.New("no error came of Shutdown, and the client is still there")
	}
	rec.Note("server", nil, "Shutdown returns: %v", err)
	n, met := conn.Read(make([]byte, 1))
	if n > 0 || met == nil {
		return errors.New("the client that should be cut off was sent something")
	}
	server.Returned()
	rec.Verdict("client 2 stayed on another server, and was cut off after %v: Shutdown returned %q",
		Hang, err)
	return nil
}

// CutOff calls Close when a handler has sent half of its answer. Got is what the client read before it
// met the end, Met what the handler met when it went on, N how many bytes it would have sent.
func CutOff(newServer NewServer, dial DialFunc) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		halves := []string{"the first half, ", "and the second half"}
		half, closed, handled := make(chan error, 1), make(chan struct{}), make(chan error, 1)
		s := newServer(func(conn net.Conn) error {
			_, err := conn.Write([]byte(halves[0]))
			half <- err
			<-closed
			_, err = conn.Write([]byte(halves[1]))
			handled <- err
			return err
		}, 0)
		server, err := Start(rec, s.Serve)
		if err != nil {
			return o, err
		}
		defer stop(s, server)
		conn, err := rec.Dial("client", server.Addr, dial)
		if err != nil {
			return o, err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(loopback.Patience))
		if err := <-half; err != nil {
			return o, err
		}
		rec.Note("server", nil, "calls Close")
		err = s.Close()
		rec.Note("server", nil, "Serve returns: %v", server.Returned())
		close(closed)
		o.Met = <-handled
		got, rerr := io.ReadAll(conn)
		o.Got, o.N = []string{string(got)}, len(halves[0]+halves[1])
		rec.Verdict("the client read %d of %d bytes and then the end: nothing told it that the rest is missing",
			len(got), o.N)
		return o, errors.Join(err, rerr)
	}
}

// TooMany lets a client come that is one too many, and again when the other one has left. Got is what it
// read each time.
func TooMany(newServer NewServer, answer AnswerFunc, dial DialFunc) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		s := newServer(func(conn net.Conn) error { return answer(borrowed{conn}) }, 1)
		server, err := Start(rec, s.Serve)
		if err != nil {
			return o, err
		}
		defer stop(s, server)
		first, err := joins(rec, "client 1", server.Addr, dial)
		if err != nil {
			return o, err
		}
		defer first.Close()
		second, err := rec.Dial("client 2", server.Addr, dial)
		if err != nil {
			return o, err
		}
		defer second.Close()
		second.SetDeadline(time.Now().Add(loopback.Patience))
		told, err := io.ReadAll(second)
		if err != nil {
			return o, err
		}
		second.Close()
		first.Close()
		if err := closed(rec, 2); err != nil {
			return o, err
		}
		again, err := rec.Dial("client 2", server.Addr, dial)
		if err != nil {
			return o, err
		}
		defer again.Close()
		again.SetDeadline(time.Now().Add(loopback.Patience))
		reply, err := exchange(again, "me too")
		if err != nil {
			return o, err
		}
		again.Close()
		if err := closed(rec, 3); err != nil {
			return o, err
		}
		o.Got = []string{string(told), reply}
		rec.Verdict("client 2 was told %q; when client 1 had left, it was served",
			strings.TrimSpace(string(told)))
		return o, nil
	}
}

// borrowed is a connection that a handler does not close: the server does, when it has counted the
// client out.
type borrowed struct{ net.Conn }

func (borrowed) Close() error { return nil }

// unreliable is a listener whose first accepts fail.
type unreliable struct {
	net.Listener
	failure error
	times   int

	mu     sync.Mutex
	begins []time.Time // of accepts
	failed []time.Time
}

func (l *unreliable) Accept() (net.Conn, error) {
	l.mu.Lock()
	l.begins = append(l.begins, time.Now())
	fails := len(l.failed) < l.times
	if fails {
		l.failed = append(l.failed, time.Now())
	}
	l.mu.Unlock()
	if fails {
		failure := os.NewSyscallError("accept4", l.failure)
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: failure}
	}
	return l.Listener.Accept()
}

// pauses are the times between a failure and the next accept.
func (l *unreliable) pauses() (list []time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range min(len(l.failed), len(l.begins)-1) {
		list = append(list, l.begins[i+1].Sub(l.failed[i]))
	}
	return list
}

// AcceptError lets accept fail three times, with an error that passes, while a client waits. Got is the
// client's answer, Met the error that it met instead, N how many accepts failed, Took the server's
// pauses after them.
func AcceptError(serve func(net.Listener) error, failure error, dial DialFunc) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		ln, err := loopback.Listen()
		if err != nil {
			return o, err
		}
		failing := &unreliable{Listener: ln, failure: failure, times: 3}
		conn, err := rec.Dial("client", ln.Addr().String(), dial)
		if err != nil {
			ln.Close()
			return o, err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(loopback.Patience))
		if _, err := conn.Write([]byte("hello")); err != nil {
			ln.Close()
			return o, err
		}
		server := StartOn(rec, failing, UntilClosed(serve))
		defer server.Stop()
		buf := make([]byte, 1024)
		n, err := conn.Read(buf)
		conn.Close()
		o.N, o.Took = len(failing.failed), failing.pauses()
		if err != nil {
			o.Met = err
			server.Returned()
			rec.Verdict("accept failed once (%s), and the server ended; the client that had connected: %s",
				reason(failure), reason(err))
			return o, nil
		}
		if err := closed(rec, 1); err != nil {
			return o, err
		}
		o.Got = []string{string(buf[:n])}
		rec.Verdict("accept failed %d times (%s); the server paused, longer each time, "+
			"and then served the client", o.N, reason(failure))
		return o, nil
	}
}

// OpenListener lets a server end because accept fails for good, and then start again on its address. Got
// is what came of that, Met what a client met that dialled in between, Stuck whether it waited instead.
func OpenListener(serve func(net.Listener) error, failure error, dial DialFunc, again Listening) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		addr, err := quietAddr()
		if err != nil {
			return o, err
		}
		ln, err := again.Listen(addr)
		if err != nil {
			return o, err
		}
		defer ln.Close()
		failing := &unreliable{Listener: ln, failure: failure, times: 1}
		failed := serve(rec.Listener("server", failing))
		if failed == nil {
			return o, errors.New("accept failed for good, and the server returned no error")
		}
		rec.Note("server", nil, "Serve returns: %s", reason(failed))
		conn, err := rec.Dial("client", addr, dial)
		if err == nil {
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(Hang))
			_, err = exchange(conn, "anybody?")
			o.Stuck = errors.Is(err, os.ErrDeadlineExceeded)
		}
		o.Met = err
		o.Got = []string{free}
		if err := again.again(rec, addr); err != nil {
			o.Got[0] = reason(err)
		}
		met := reason(o.Met)
		if o.Stuck {
			met = "connected, and never answered"
		}
		rec.Verdict("the server has ended; a client: %s; the server, started again: %s", met, o.Got[0])
		return o, nil
	}
}

// UnixSocket lets a client talk over a Unix socket, and ends the server. Got is the answer, N how many
// files of the socket are left.
func UnixSocket(newServer NewServer, answer AnswerFunc) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		dir, err := os.MkdirTemp("", "")
		if err != nil {
			return o, err
		}
		defer os.RemoveAll(dir)
		const name = "talk.sock"
		path := filepath.Join(dir, name)
		ln, err := net.Listen("unix", path)
		if err != nil {
			return o, fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
		}
		s := newServer(answer, 0)
		server := StartOn(rec, shortlyNamed{ln, name}, s.Serve)
		defer stop(s, server)
		conn, err := rec.Dial("client", name, func(string) (net.Conn, error) {
			return net.Dial("unix", path)
		})
		if err != nil {
			return o, err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(loopback.Patience))
		reply, err := exchange(conn, "hello")
		if err != nil {
			return o, err
		}
		conn.Close()
		if err := closed(rec, 1); err != nil {
			return o, err
		}
		if err := s.Shutdown(context.Background()); err != nil {
			return o, err
		}
		rec.Note("server", nil, "Serve returns: %v", server.Returned())
		files, err := os.ReadDir(dir)
		o.Got, o.N = []string{reply}, len(files)
		left := "its file has gone"
		if o.N > 0 {
			left = "its file is left"
		}
		rec.Verdict("the same Serve, on a Unix socket, answered %q; when the listener was closed, %s",
			reply, left)
		return o, err
	}
}

// shortlyNamed is a listener whose address has no folder in it, which differs from run to run.
type shortlyNamed struct {
	net.Listener
	name string
}

func (l shortlyNamed) Addr() net.Addr { return &net.UnixAddr{Name: l.name, Net: "unix"} }

// PanickingHandler lets the handler of one client panic, in a server that is a process of its own, while
// another client is connected. Got are the answers that the others had after that, Met what the other
// client met instead.
//
// command returns the server: its first line says where it listens, it answers a message with its second
// word, and panics if there is none. It ends when its standard input does.
func PanickingHandler(command func() *exec.Cmd, dial DialFunc) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		server, err := startLogging(command())
		if err != nil {
			return o, err
		}
		defer server.end()
		first, err := rec.Dial("client 1", server.addr, dial)
		if err != nil {
			return o, err
		}
		defer first.Close()
		first.SetDeadline(time.Now().Add(loopback.Patience))
		if _, err := exchange(first, "two words"); err != nil {
			return o, err
		}
		second, err := rec.Dial("client 2", server.addr, dial)
		if err != nil {
			return o, err
		}
		defer second.Close()
		second.SetDeadline(time.Now().Add(loopback.Patience))
		if reply, err := exchange(second, "one"); err == nil {
			return o, fmt.Errorf("the handler answered %q instead of panicking", reply)
		}
		second.Close()
		line := <-server.logged
		rec.Note("server", nil, "log: %s", line)
		if !strings.HasPrefix(line, "panic: ") { // otherwise the process is ending
			answer, err := exchange(first, "served on")
			if err != nil {
				return o, err
			}
			o.Got = []string{answer}
			rec.Verdict("one handler panicked; the server logged a line, and client 1 was served on")
			return o, nil
		}
		<-server.ended
		if _, o.Met = first.Read(make([]byte, 1)); o.Met == nil {
			return o, errors.New("the client was sent something by a process that has ended")
		}
		_, refused := rec.Dial("client 2", server.addr, dial)
		if refused == nil {
			return o, errors.New("a client is connected to a process that has ended")
		}
		rec.Verdict("one handler panicked, and the process ended; client 1 lost its connection, "+
			"and client 2 came again: %s", reason(refused))
		return o, nil
	}
}

// loggingServer is a server in a process of its own, whose log is read.
type loggingServer struct {
	addr   string
	logged chan string   // the first line of its log; closed when there is none
	ended  chan struct{} // closed when the process has ended
	input  io.Closer
	cmd    *exec.Cmd
}

func startLogging(cmd *exec.Cmd) (*loggingServer, error) {
	in, ierr := cmd.StdinPipe()
	out, oerr := cmd.StdoutPipe()
	log, lerr := cmd.StderrPipe()
	if err := errors.Join(ierr, oerr, lerr); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &loggingServer{
		logged: make(chan string, 1), ended: make(chan struct{}), input: in, cmd: cmd,
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	go func() {
		lines := bufio.NewScanner(log)
		if lines.Scan() {
			s.logged <- lines.Text()
		}
		close(s.logged)
		io.Copy(io.Discard, log)
		cmd.Wait()
		close(s.ended)
	}()
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		s.end()
		return nil, fmt.Errorf("the server's first line is %q", line)
	}
	s.addr = addr
	return s, nil
}

// end ends the process, and kills it if it does not end.
func (s *loggingServer) end() {
	s.input.Close()
	watchdog := time.AfterFunc(loopback.Patience, func() { s.cmd.Process.Kill() })
	defer watchdog.Stop()
	<-s.ended
}
