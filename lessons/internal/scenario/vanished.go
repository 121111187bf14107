package scenario

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/netns"
	"socketbook/tools/timeline"
)

// What the system may take to give a peer up that has vanished.
const (
	userTimeout = 300 * time.Millisecond // with bytes that nobody acknowledges
	keepAlive   = time.Second            // the least that can be set: the first probe then, the end after another
)

// Vanished lets clients vanish in the middle of a conversation with answer. Nothing reaches client
// 1 any more, and it says nothing; of client 2 a heartbeat still comes, and its answer is
// acknowledged by nobody (TCP_USER_TIMEOUT); withKeepAlive, there is also a client 3 that says
// nothing, and whose connection has keep-alive. Client 1 is answered with a short limit, the others
// with one that does not matter. ask is a client's question while it is there, beat one of which it
// sees no answer.
//
// Stuck is whether the server would wait for client 1 forever, Met what answer returned when the system had
// given client 2 up, Took how long that took, and then the end of client 3.
func Vanished(answer LimitedAnswer, ask, beat AskFunc, withKeepAlive bool) PrivatePlay {
	return func(n *netns.Network, rec *timeline.Recorder) (Outcome, error) {
		return undisturbed(rec, func(rec *timeline.Recorder, limit time.Duration) (Outcome, bool, error) {
			sides := []*vanishing{
				{side: "client 1", answer: answer(limit)},
				{
					side: "client 2", answer: answer(loopback.Patience),
					prepare: func(conn *net.TCPConn) error { return giveUp(conn, userTimeout) },
				},
			}
			if withKeepAlive {
				config := net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive, Count: 1}
				sides = append(sides, &vanishing{
					side: "client 3", answer: answer(loopback.Patience),
					prepare: func(conn *net.TCPConn) error { return conn.SetKeepAliveConfig(config) },
				})
			}
			return vanished(n, rec, sides, ask, beat)
		})
	}
}

func vanished(
	n *netns.Network, rec *timeline.Recorder, sides []*vanishing, ask, beat AskFunc,
) (o Outcome, disturbed bool, err error) {
	ln, err := loopback.Listen()
	if err != nil {
		return o, false, err
	}
	defer ln.Close()
	for _, v := range sides {
		if err := v.connect(rec, ln); err != nil {
			return o, false, err
		}
		defer v.end()
	}
	for _, v := range slices.Backward(sides) {
		if _, _, err := ask(v.c, ""); err != nil {
			return o, true, nil // client 1's limit has passed
		}
		if err := v.vanish(n); err != nil {
			return o, false, err
		}
	}
	rec.State(0, "the clients have vanished: nothing reaches them any more")
	first, second := sides[0], sides[1]
	begin := time.Now()
	asked := make(chan error, 1)
	go func() {
		_, _, err := beat(second.c, "")
		asked <- err
	}()
	for _, v := range sides[1:] {
		err := v.returns(rec)
		o.Took = append(o.Took, time.Since(begin))
		if v == second {
			o.Met = err
		}
	}
	if o.Stuck = !first.s.limited.Load(); o.Stuck {
		rec.Verdict("client 1: the server waits for it, and nothing will end that")
	} else {
		first.returns(rec)
	}
	if !second.c.limited.Load() {
		rec.Verdict("client 2 itself waits for the answer to its heartbeat, until its system gives up, " +
			"after some 15 minutes") // tcp_retries2, tcp(7)
		rec.State(0, "client 2 waits for the answer to its heartbeat; the scene ends that")
		second.c.Conn.SetReadDeadline(time.Now())
		<-asked
		return o, false, nil
	}
	err = <-asked
	rec.Verdict("client 2 itself: no answer to its heartbeat: %s", reason(err))
	return o, false, nil
}

// vanishing is a conversation whose client vanishes.
type vanishing struct {
	side    string
	answer  AnswerFunc
	prepare func(conn *net.TCPConn) error // the server's end; nil: nothing
	raw     syscall.RawConn               // of the client's end
	c, s    *watchedEnd
	ended   chan error
}

func (v *vanishing) connect(rec *timeline.Recorder, ln net.Listener) (err error) {
	var client net.Conn
	c, err := rec.Dial(v.side, ln.Addr().String(), func(addr string) (net.Conn, error) {
		client, err = net.Dial("tcp", addr)
		return client, err
	})
	if err != nil {
		return err
	}
	s, err := rec.Accept("server", func() (net.Conn, error) {
		conn, err := loopback.AcceptFrom(ln, client)
		if err != nil {
			return nil, err
		}
		tcp := conn.(*net.TCPConn)
		if err := tcp.SetKeepAlive(false); err != nil || v.prepare == nil { // Go switches it on
			return tcp, err
		}
		return tcp, v.prepare(tcp)
	})
	if err != nil {
		c.Close()
		return err
	}
	if v.raw, err = client.(*net.TCPConn).SyscallConn(); err != nil {
		return err
	}
	watchdog := time.Now().Add(loopback.Patience)
	v.c, v.s, v.ended = &watchedEnd{Conn: c}, &watchedEnd{Conn: s}, make(chan error, 1)
	err = errors.Join(c.SetDeadline(watchdog), s.SetDeadline(watchdog))
	go func() { v.ended <- v.answer(v.s) }()
	return err
}

// vanish loses what comes for the client from now on.
func (v *vanishing) vanish(n *netns.Network) error { return n.SetDropping(v.raw, true) }

// returns waits until the server's half of the conversation has ended, and says how.
func (v *vanishing) returns(rec *timeline.Recorder) error {
	err := <-v.ended
	v.ended <- err
	met := err
	if last := v.s.met.Load(); last != nil {
		met = *last
	}
	does := "counts that as having left"
	if err != nil {
		does = "logs an error"
	}
	rec.Verdict("%s: the server's read: %s; Timeout()? %s; the server %s",
		v.side, reason(met), yes(timeout(met)), does)
	return err
}

func (v *vanishing) end() {
	v.c.Close() // that reaches the server, and ends its wait
	<-v.ended
	v.s.Close()
}

// watchedEnd is a connection that knows whether reads were given a deadline, and the error of the last one.
type watchedEnd struct {
	net.Conn
	limited atomic.Bool
	met     atomic.Pointer[error]
}

func (w *watchedEnd) SetReadDeadline(at time.Time) error {
	w.limited.Store(true)
	return w.Conn.SetReadDeadline(at)
}

func (w *watchedEnd) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		w.met.Store(&err)
	}
	return n, err
}

// StoppedProcess stops a server's process while a client is connected to it. Met is the error of
// the client's heartbeat, N how many segments came from the stopped process' system, without data.
//
// ask is a question that is answered, beat one that is not. command returns the server: its first line says
// where it listens, and it ends when its standard input does.
func StoppedProcess(command func() *exec.Cmd, ask, beat AskFunc) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		if !canPause {
			return o, fmt.Errorf("what the system answers for a stopped process is looked at on Linux only: %w",
				errors.ErrUnsupported)
		}
		server, err := startLogging(command())
		if err != nil {
			return o, err
		}
		defer server.end()
		var client *net.TCPConn
		conn, err := rec.Dial("client", server.addr, func(addr string) (net.Conn, error) {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				return nil, err
			}
			client = c.(*net.TCPConn)
			config := net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive, Count: 1}
			return c, client.SetKeepAliveConfig(config)
		})
		if err != nil {
			return o, err
		}
		defer conn.Close()
		raw, err := client.SyscallConn()
		if err != nil {
			return o, err
		}
		if _, _, err := ask(conn, ""); err != nil {
			return o, err
		}
		if err := pause(server.cmd.Process); err != nil {
			return o, err
		}
		defer goOn(server.cmd.Process)
		rec.State(0, "the server's process has been stopped (SIGSTOP)")
		_, _, o.Met = beat(conn, "")
		if o.Met == nil {
			return o, errors.New("a process that is stopped has answered")
		}
		unacked, before := 1, 0
		acked := func() bool {
			unacked, before, err = acknowledged(raw)
			return err != nil || unacked == 0
		}
		if perr := pollFor(loopback.Patience, "the heartbeat to be acknowledged", acked); perr != nil {
			return o, errors.Join(err, perr)
		}
		rec.State(0, "its system has acknowledged the heartbeat")
		probed := func() bool {
			_, now, ierr := acknowledged(raw)
			o.N, err = now-before, ierr
			return err != nil || o.N > 0
		}
		if perr := pollFor(loopback.Patience, "the answer to a keep-alive probe", probed); perr != nil {
			return o, errors.Join(err, perr)
		}
		rec.State(0, "its system has answered a keep-alive probe")
		rec.Verdict("the heartbeat: no answer: %s; keep-alive: its probe was answered, by the system of the "+
			"stopped process", reason(o.Met))
		return o, err
	}
}
