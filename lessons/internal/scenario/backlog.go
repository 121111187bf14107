package scenario

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/netns"
	"socketbook/tools/timeline"
)

// BacklogSysctls are those of the private network that Backlog plays in. The backlog is 2 instead of
// 4096. A dial gives up after about 3 seconds instead of two minutes. A handshake whose last ACK finds
// the accept queue full is answered with a reset: Backlog shows that a SYN is not.
var BacklogSysctls = []string{
	"net.core.somaxconn=2", "net.ipv4.tcp_syn_retries=1", "net.ipv4.tcp_abort_on_overflow=1",
}

// Backlog shows the two queues of a listener whose backlog is 2: a client that never sees the SYN ACK
// is in the SYN queue, three others fill the accept queue, and a fourth one dials in vain. Then the
// server accepts one, and the next dial succeeds. N is how many connections the queue took, Met what
// the dial met that found it full, and Took how long that took.
func Backlog(
	listen func(addr string) (net.Listener, error), dial func(addr string) (net.Conn, error),
) PrivatePlay {
	return func(n *netns.Network, rec *timeline.Recorder) (o Outcome, err error) {
		ln, err := listen("127.0.0.1:0")
		if err != nil {
			return o, err
		}
		addr := ln.Addr().String()
		q := &queues{rec: rec, ln: ln.(*net.TCPListener)}
		server := rec.Listener("server", ln)
		defer server.Close()
		if err := q.halfOpen(n); err != nil {
			return o, err
		}
		connect := func() error {
			conn, err := rec.Dial("client", addr, dial)
			if err == nil {
				o.N++
				q.conns = append(q.conns, conn)
			}
			return err
		}
		defer q.close()
		for queued := range 3 {
			if err := connect(); err != nil {
				return o, err
			}
			if err := q.show(queued + 1); err != nil {
				return o, err
			}
		}
		begin := time.Now()
		o.Met = connect()
		o.Took = []time.Duration{time.Since(begin)}
		if o.Met == nil {
			return o, errors.New("the fourth client was let in")
		}
		rec.State(0, "even though tcp_abort_on_overflow is 1, its SYN was dropped and not refused")
		conn, err := server.Accept()
		if err != nil {
			return o, err
		}
		q.conns = append(q.conns, conn)
		if err := q.show(2); err != nil {
			return o, err
		}
		queued := o.N
		if err := connect(); err != nil {
			return o, err
		}
		o.N = queued
		rec.Verdict("a backlog of 2 took %d connections; the next dial was not refused: it met %q after %s",
			o.N, reason(o.Met), ms(o.Took[0]))
		rec.Verdict("when the server had accepted one, the next dial succeeded")
		return o, nil
	}
}

// queues are those of a listener.
type queues struct {
	rec   *timeline.Recorder
	ln    *net.TCPListener
	conns []net.Conn // clients' ends, and those that were accepted
}

func (q *queues) close() {
	for _, conn := range q.conns {
		conn.Close()
	}
}

// show records what TCP_INFO says of the accept queue, when it has n connections: a dial returns when
// the SYN ACK has come, perhaps before the listener's kernel has seen the ACK.
func (q *queues) show(n int) error {
	var queued, backlog int
	var err error
	what := fmt.Sprintf("%s in the accept queue", plural(n, "connection"))
	perr := pollFor(loopback.Patience, what, func() bool {
		queued, backlog, err = acceptQueue(q.ln)
		return err != nil || queued == n
	})
	if err = errors.Join(err, perr); err == nil {
		q.rec.State(queued, "accept queue: %s; backlog: %d", plural(queued, "connection"), backlog)
	}
	return err
}

// halfOpen lets a client dial whose kernel drops whatever arrives for it, until it is in the SYN queue.
func (q *queues) halfOpen(n *netns.Network) error {
	ctx, cancel := context.WithCancel(context.Background())
	dialled := make(chan error, 1)
	go func() {
		dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
			return n.SetDropping(c, true)
		}}
		conn, err := dialer.DialContext(ctx, "tcp", q.ln.Addr().String())
		if err == nil {
			conn.Close()
		}
		dialled <- err
	}()
	half := 0
	err := pollFor(loopback.Patience, "a half-open connection", func() bool {
		half = halfOpenAt(q.ln.Addr().(*net.TCPAddr).Port)
		return half > 0
	})
	if err == nil {
		q.rec.State(half, "SYN queue: %s, of a client that never sees the SYN ACK",
			plural(half, "half-open connection"))
		err = q.show(0)
	}
	cancel()
	if derr := <-dialled; derr == nil {
		return errors.New("a client that sees no SYN ACK was connected")
	}
	return err
}

// halfOpenAt counts the connections in state SYN_RECV at a local port (proc_net_tcp). The table changes
// while it is read, and may show a connection twice.
func halfOpenAt(port int) int {
	const synRecv = "03"
	clients := map[string]bool{}
	table, _ := os.ReadFile("/proc/self/net/tcp")
	for row := range strings.Lines(string(table)) {
		f := strings.Fields(row)
		if len(f) > 3 && f[3] == synRecv && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
			clients[f[2]] = true
		}
	}
	return len(clients)
}
