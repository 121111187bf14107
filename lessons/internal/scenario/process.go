package scenario

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// Children are the processes of a lesson that answer one client each.
type Children struct {
	Dial func(addr string) (net.Conn, error)

	// Program returns the program, not yet started; it answers the client on its descriptor 3.
	Program func() *exec.Cmd
}

// HandOverFunc starts cmd with a copy of conn as its descriptor 3. What it keeps open is the caller's
// to close; nil is nothing.
type HandOverFunc func(conn net.Conn, cmd *exec.Cmd) (kept io.Closer, err error)

// Processes lets two clients talk at the same time to a server that gives each of them a process. Got
// are their answers, N how many processes there were.
func Processes(c Children, serve func(ln net.Listener, program func() *exec.Cmd) error) Play {
	return onUnix(func(rec *timeline.Recorder) (o Outcome, err error) {
		ln, err := loopback.Listen()
		if err != nil {
			return o, err
		}
		defer ln.Close()
		server := &handingServer{Listener: ln, rec: rec}
		server.changed = sync.NewCond(&server.mu)
		served := make(chan error, 1)
		go func() {
			err := serve(server, server.program(c))
			ln.Close() // as a lesson's main function does
			served <- err
		}()
		conns := make([]net.Conn, 2)
		for i := range conns {
			side := fmt.Sprint("client ", i+1)
			if conns[i], err = rec.Dial(side, ln.Addr().String(), c.Dial); err != nil {
				return o, err
			}
			defer conns[i].Close()
			conns[i].SetDeadline(time.Now().Add(loopback.Patience))
			answer, err := exchange(conns[i], "i am "+side)
			if err != nil {
				return o, err
			}
			o.Got = append(o.Got, answer)
		}
		pids := server.pids(2)
		o.N = len(pids)
		rec.State(0, "both clients are connected; the server has %d child processes", o.N)
		for _, conn := range conns {
			conn.Close()
		}
		ln.Close()
		err = <-served
		for _, pid := range pids {
			err = errors.Join(err, waitGone(pid, loopback.Patience))
		}
		rec.Verdict("%d clients answered by %d processes, none of which is left", len(o.Got), o.N)
		return o, err
	})
}

// handingServer is a listener that notes what a server does, and the programs that it starts.
type handingServer struct {
	net.Listener
	rec *timeline.Recorder

	mu       sync.Mutex
	changed  *sync.Cond
	accepts  int // calls of Accept that have begun
	programs []*exec.Cmd
}

func (s *handingServer) Accept() (net.Conn, error) {
	s.mu.Lock()
	s.accepts++
	n := s.accepts
	s.changed.Broadcast()
	s.mu.Unlock()
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	name := fmt.Sprint("client ", n)
	s.rec.Note("server", nil, "accepts %s", name)
	return &handedConn{conn, s.rec, name}, nil
}

func (s *handingServer) program(c Children) func() *exec.Cmd {
	return func() *exec.Cmd {
		cmd := c.Program()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.programs = append(s.programs, cmd)
		return cmd
	}
}

// pids returns the processes of n clients when all have been started: the server accepts the next one.
func (s *handingServer) pids(n int) (pids []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.accepts <= n {
		s.changed.Wait()
	}
	for _, cmd := range s.programs {
		if cmd.Process != nil {
			pids = append(pids, cmd.Process.Pid)
		}
	}
	return pids
}

// handedConn is a connection that a server hands to a process.
type handedConn struct {
	net.Conn
	rec    *timeline.Recorder
	client string
}

func (c *handedConn) File() (*os.File, error) {
	file, err := c.Conn.(*net.TCPConn).File()
	c.rec.Note("server", nil, "copies the descriptor of %s, for a process", c.client)
	return file, err
}

func (c *handedConn) Close() error {
	c.rec.Note("server", nil, "closes its connection with %s", c.client)
	return c.Conn.Close()
}

// ParentsCopy lets a client be answered by a process and then close its writing half, once for each
// way to hand a connection over. The process meets the end and ends; the client reads on, for as long
// as watch. N is how many clients saw the end; Stuck is whether one did not.
func ParentsCopy(c Children, watch time.Duration, ways ...HandOverFunc) Play {
	return onUnix(func(rec *timeline.Recorder) (o Outcome, err error) {
		for i, handOver := range ways {
			side := fmt.Sprint("client ", i+1)
			h, err := c.handOver(rec, side, handOver)
			if err != nil {
				return o, err
			}
			defer h.close()
			if _, err := exchange(h.client, "hello"); err != nil {
				return o, err
			}
			closeWrite(h.client)
			if err := waitExited(h.cmd.Process.Pid, loopback.Patience); err != nil {
				return o, err
			}
			rec.State(0, "the process that answered %s has ended", side)
			h.client.SetReadDeadline(time.Now().Add(watch))
			if _, err := h.client.Read(make([]byte, 1)); err == io.EOF {
				o.N++
			}
			if err := waitGone(h.cmd.Process.Pid, loopback.Patience); err != nil {
				return o, err
			}
		}
		o.Stuck = o.N < len(ways)
		rec.Verdict("the process has ended for %s; %d saw the end", plural(len(ways), "client"), o.N)
		return o, nil
	})
}

// Zombie lets a client be answered by a process, and leave. Stuck is whether the process, which has
// ended, stays in the process table for as long as watch.
func Zombie(c Children, watch time.Duration, handOver HandOverFunc) Play {
	return onUnix(func(rec *timeline.Recorder) (o Outcome, err error) {
		h, err := c.handOver(rec, "client", handOver)
		if err != nil {
			return o, err
		}
		defer h.close()
		if _, err := exchange(h.client, "hello"); err != nil {
			return o, err
		}
		h.client.Close()
		pid := h.cmd.Process.Pid
		if err := waitExited(pid, loopback.Patience); err != nil {
			return o, err
		}
		rec.State(0, "the process that answered has ended")
		o.Stuck = waitGone(pid, watch) != nil
		if o.Stuck {
			rec.State(0, "its entry is still in the process table%s: nobody has waited for it", state(pid))
			h.cmd.Wait()
			rec.Verdict("the process is a zombie until somebody waits for it")
		} else {
			rec.Verdict("the process has gone: the server waited for it")
		}
		return o, nil
	})
}

// handed is a client whose server's half was handed to a process.
type handed struct {
	client net.Conn
	cmd    *exec.Cmd
	server net.Conn
	kept   io.Closer
}

func (h *handed) close() {
	h.client.Close()
	h.server.Close()
	if h.kept != nil {
		h.kept.Close()
	}
}

// handOver connects a client and hands the other end to a process.
func (c Children) handOver(
	rec *timeline.Recorder, side string, handOver HandOverFunc,
) (*handed, error) {
	ln, err := loopback.Listen()
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	h := &handed{cmd: c.Program()}
	if h.client, err = rec.Dial(side, ln.Addr().String(), c.Dial); err != nil {
		return nil, err
	}
	h.client.SetDeadline(time.Now().Add(loopback.Patience))
	if h.server, err = loopback.AcceptFrom(ln, h.client); err != nil {
		h.client.Close()
		return nil, err
	}
	rec.Note("server", nil, "accepts %s", side)
	conn := &handedConn{h.server, rec, side}
	if h.kept, err = handOver(conn, h.cmd); err != nil {
		h.close()
		return nil, err
	}
	if h.kept == io.Closer(conn) { // closed as h.server: no note may say that the server does it
		h.kept = nil
	}
	return h, nil
}

// onUnix is for plays that hand a descriptor to a new process.
func onUnix(play Play) Play {
	if unix {
		return play
	}
	return func(*timeline.Recorder) (Outcome, error) {
		err := fmt.Errorf("no socket can be handed to a new process here: %w", errors.ErrUnsupported)
		return Outcome{}, err
	}
}
