package scenario

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// Nobody lets a client send to a port where nobody is, and wait for an answer. Met is the error that
// it met: os.ErrDeadlineExceeded when nothing came, after Hang; Stuck is whether that is so.
func Nobody(open Open) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		addr, err := loopback.FreePacketAddr()
		if err != nil {
			return o, err
		}
		conn, err := open(rec, addr)
		if err != nil {
			return o, err
		}
		defer conn.Close()
		sayWhoIsHeard(rec, conn)
		if _, err := conn.Write([]byte("anybody?")); err != nil {
			return o, err
		}
		rec.State(0, "the send reported no error")
		wait := refusalTime()
		if hearsAnybody(conn) { // and is told nothing
			wait = Hang
		}
		conn.SetReadDeadline(time.Now().Add(wait))
		_, o.Met = conn.Read(make([]byte, 1024))
		if o.Stuck = errors.Is(o.Met, os.ErrDeadlineExceeded); o.Stuck {
			rec.Verdict("the send reported no error, and the read would wait forever")
		} else {
			rec.Verdict("the send reported no error, the next call does: %s", reason(o.Met))
		}
		return o, nil
	}
}

// hearsAnybody tells the sockets of Unconnected from those of Connected.
func hearsAnybody(conn net.Conn) bool {
	_, ok := conn.(net.PacketConn)
	return ok
}

func sayWhoIsHeard(rec *timeline.Recorder, conn net.Conn) {
	if hearsAnybody(conn) {
		rec.State(0, "the client's socket is not connected: it hears from anybody")
	} else {
		rec.State(0, "the client's socket is connected: it hears from that address alone")
	}
}

// refusalTime bounds the wait for the word that nobody took a datagram. It comes at once, and the
// bound is a watchdog; on Windows Go switches it off, and it never comes.
func refusalTime() time.Duration {
	if runtime.GOOS == "windows" {
		return Hang
	}
	return loopback.Patience
}

// Forged lets a third socket answer the client before the server does. Got is what the client
// printed.
func Forged(serve func(net.PacketConn) error, open Open, talk TalkFunc) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		pc, err := listenPacket()
		if err != nil {
			return o, err
		}
		may := make(chan struct{}) // closed when the server may answer
		answer := sync.OnceFunc(func() { close(may) })
		server := StartPacketOn(&slowConn{rec.PacketConn("server", pc), may}, serve)
		defer server.Stop()
		defer answer()
		conn, err := open(rec, server.Addr)
		if err != nil {
			return o, err
		}
		defer conn.Close()
		sayWhoIsHeard(rec, conn)
		terr, ferr := both(func() (err error) {
			o.Got, err = Talk(rec, "client", talk, conn, "hello")
			return err
		}, func() error {
			defer answer()
			return forge(rec, conn.LocalAddr().String())
		})
		if err := errors.Join(terr, ferr); err != nil {
			return o, err
		}
		server.Idle(2)
		rec.Verdict("the client asked the server, and printed %q", o.Got)
		return o, nil
	}
}

// forge waits until the server has the client's message, sends an answer in its place, and waits
// until the client has printed it or the attacker is told that nobody took it.
func forge(rec *timeline.Recorder, client string) error {
	ctx, cancel := context.WithTimeout(context.Background(), loopback.Patience)
	defer cancel()
	arrived := timeline.Happened("server", timeline.Recv, 1)
	if err := rec.Wait(ctx, "the message to reach the server", arrived); err != nil {
		return err
	}
	rec.State(0, "the server takes its time; a third socket does not")
	var raw net.Conn
	attacker, err := rec.Dial("attacker", client, func(addr string) (conn net.Conn, err error) {
		raw, err = net.Dial("udp", addr)
		return raw, err
	})
	if err != nil {
		return err
	}
	defer attacker.Close()
	if _, err := attacker.Write([]byte("FORGED")); err != nil {
		return err
	}
	refused := make(chan error, 1)
	raw.SetReadDeadline(time.Now().Add(refusalTime()))
	go func() {
		_, err := raw.Read(make([]byte, 1))
		refused <- err
		cancel()
	}()
	printed := timeline.Happened("client", timeline.Note, 1)
	if rec.Wait(ctx, "the forged answer to be printed", printed) == nil {
		raw.SetReadDeadline(time.Now())
		<-refused
	} else if err := <-refused; !errors.Is(err, os.ErrDeadlineExceeded) {
		rec.Note("attacker", nil, "is told: %s", reason(err))
	} else if runtime.GOOS != "windows" {
		return fmt.Errorf("the forged answer was neither printed nor refused: %w", err)
	}
	rec.State(0, "now the server answers")
	return nil
}

// slowConn is a server's socket on which the answers wait until may is closed.
type slowConn struct {
	net.PacketConn
	may chan struct{}
}

func (c *slowConn) WriteTo(b []byte, to net.Addr) (int, error) {
	<-c.may
	return c.PacketConn.WriteTo(b, to)
}
