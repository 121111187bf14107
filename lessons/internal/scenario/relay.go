package scenario

import (
	"errors"
	"net"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// relay stands between a client and a server of datagrams, as a network does, and passes on what it
// likes. It is recorded as a third side.
type relay struct {
	front  net.PacketConn // the client takes it for the server
	back   net.Conn       // to the server
	client net.Addr       // who spoke last
	buf    []byte
}

// startRelay returns a relay to the server at addr. The caller closes it.
func startRelay(rec *timeline.Recorder, addr string) (*relay, error) {
	front, err := listenPacket()
	if err != nil {
		return nil, err
	}
	back, err := rec.Dial("relay", addr, func(addr string) (net.Conn, error) {
		return net.Dial("udp", addr)
	})
	if err != nil {
		front.Close()
		return nil, err
	}
	watchdog := time.Now().Add(loopback.Patience)
	r := &relay{front: rec.PacketConn("relay", front), back: back, buf: make([]byte, 2048)}
	return r, errors.Join(front.SetReadDeadline(watchdog), back.SetReadDeadline(watchdog))
}

func (r *relay) addr() string { return r.front.LocalAddr().String() }

func (r *relay) close() {
	r.front.Close()
	r.back.Close()
}

// request takes the client's next message.
func (r *relay) request() (message []byte, err error) {
	n, from, err := r.front.ReadFrom(r.buf)
	r.client = from
	return append(message, r.buf[:n]...), err
}

// ask passes a message on, as many times as it is told to, takes as many answers and passes them back.
func (r *relay) ask(message []byte, copies int) error {
	for range copies {
		if _, err := r.back.Write(message); err != nil {
			return err
		}
	}
	for range copies {
		n, err := r.back.Read(r.buf)
		if err != nil {
			return err
		}
		if _, err := r.front.WriteTo(r.buf[:n], r.client); err != nil {
			return err
		}
	}
	return nil
}

// through plays client against a server behind a relay, which does what pass says.
func through(
	p PacketPrograms, pass func(r *relay) error,
	client func(rec *timeline.Recorder, conn net.Conn) error,
) func(rec *timeline.Recorder) error {
	return func(rec *timeline.Recorder) error {
		server, err := StartPacket(rec, p.Serve)
		if err != nil {
			return err
		}
		defer server.Stop()
		r, err := startRelay(rec, server.Addr)
		if err != nil {
			return err
		}
		defer r.close()
		conn, err := rec.Dial("client", r.addr(), p.Dial)
		if err != nil {
			return err
		}
		defer conn.Close()
		perr, cerr := both(func() error { return pass(r) }, func() error { return client(rec, conn) })
		return errors.Join(perr, cerr)
	}
}

// Doubled lets a client talk through a relay that passes its first message on twice. Got is what the
// client printed.
func Doubled(p PacketPrograms) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		lines := []string{"one", "two", "three"}
		err = through(p, doubleFirst(len(lines)), func(rec *timeline.Recorder, conn net.Conn) (err error) {
			o.Got, err = Talk(rec, "client", p.Talk, conn, lines...)
			return err
		})(rec)
		rec.Verdict("the client sent %q and printed %q", lines, o.Got)
		return o, err
	}
}

// Overtaken lets a client send two messages through a relay that holds the first one until the second
// one has passed. Got are the answers in the order in which the client reads them.
func Overtaken(p PacketPrograms) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		sent := []string{"first", "second"}
		err = through(p, overtake(func() error { return nil }), func(rec *timeline.Recorder, conn net.Conn) error {
			for _, message := range sent {
				if _, err := conn.Write([]byte(message)); err != nil {
					return err
				}
			}
			buf := make([]byte, 1024)
			conn.SetReadDeadline(time.Now().Add(loopback.Patience))
			for range sent {
				n, err := conn.Read(buf)
				if err != nil {
					return err
				}
				o.Got = append(o.Got, string(buf[:n]))
			}
			return nil
		})(rec)
		rec.Verdict("the client sent %q and was answered %q", sent, o.Got)
		return o, err
	}
}

// doubleFirst passes so many messages on, the first one twice.
func doubleFirst(messages int) func(r *relay) error {
	return func(r *relay) error {
		for i := range messages {
			message, err := r.request()
			if err != nil {
				return err
			}
			copies := 1
			if i == 0 {
				copies = 2
			}
			if err := r.ask(message, copies); err != nil {
				return err
			}
		}
		return nil
	}
}

// overtake holds a message until the next one has passed. Meanwhile is called once it is held.
func overtake(meanwhile func() error) func(r *relay) error {
	return func(r *relay) error {
		held, err := r.request()
		if err != nil {
			return err
		}
		if err := meanwhile(); err != nil {
			return err
		}
		message, err := r.request()
		if err != nil {
			return err
		}
		return errors.Join(r.ask(message, 1), r.ask(held, 1))
	}
}
