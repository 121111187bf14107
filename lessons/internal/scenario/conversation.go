package scenario

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// Talking starts a server and lets a client talk to it, line by line. Got is what the client
// printed.
func Talking(p Programs, lines ...string) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		server, err := Start(rec, p.Serve)
		if err != nil {
			return o, err
		}
		defer server.Stop()
		conn, err := rec.Dial("client", server.Addr, p.Dial)
		if err != nil {
			return o, err
		}
		defer conn.Close()
		o.Got, err = Talk(rec, "client", p.Talk, conn, lines...)
		return o, err
	}
}

// BothListen lets a client and a server meet that each do what they are given. Stuck is whether they
// ended up waiting for each other.
func BothListen(client, server func(net.Conn) error) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		silence := &standoff{rec: rec}
		wc, ws := silence.watch(c, s, c, s)
		both(func() error { return client(wc) }, func() error { return server(ws) })
		o.Stuck = silence.happened()
		return o, nil
	})
}

// NobodyThere dials an address on which nobody listens. Met is what the client is told.
func NobodyThere(dial func(addr string) (net.Conn, error)) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		addr, err := loopback.FreeAddr()
		if err != nil {
			return o, err
		}
		conn, err := rec.Dial("client", addr, dial)
		if err == nil {
			return o, conn.Close()
		}
		o.Met = err
		rec.Note("client", nil, "is told: %v", err)
		return o, nil
	}
}

// SecondMessage sends two messages over one connection, and reads an answer to each. Got are the
// answers, Met the error that the client met instead of one.
func SecondMessage(p Programs) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		server, err := Start(rec, p.Serve)
		if err != nil {
			return o, err
		}
		defer server.Stop()
		conn, err := rec.Dial("client", server.Addr, p.Dial)
		if err != nil {
			return o, err
		}
		defer conn.Close()
		for i, message := range []string{"one", "two"} {
			answer, err := exchange(conn, message)
			if err != nil {
				o.Met = err
				break
			}
			o.Got = append(o.Got, answer)
			server.Listening(i + 2)      // for the next message, or it has closed
			if i == 0 && server.Over() { // then let its farewell arrive before we speak again
				loopback.WaitQueued(conn, 1)
				rec.State(0, "the server has gone; the client does not know yet")
			}
		}
		rec.Verdict("2 messages sent on one connection, %d answered", len(o.Got))
		return o, nil
	}
}

// SecondClient lets a first client talk and leave as it likes, and then a second one come. Got is
// the second client's answer, Met the error that it met instead.
func SecondClient(p Programs, first func(conn net.Conn) error) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		server, err := Start(rec, p.Serve)
		if err != nil {
			return o, err
		}
		defer server.Stop()
		conn, err := rec.Dial("client 1", server.Addr, p.Dial)
		if err != nil {
			return o, err
		}
		err = first(conn)
		conn.Close()
		if err != nil {
			return o, err
		}
		server.Idle(2) // it waits for the next client, or it has gone
		rec.State(0, "client 1 has left, and the server has noticed")

		var answer string
		conn, o.Met = rec.Dial("client 2", server.Addr, p.Dial)
		if o.Met == nil {
			defer conn.Close()
			answer, o.Met = exchange(conn, "anybody?")
		}
		if o.Met != nil {
			rec.Verdict("the client after the first one is not served: %s", reason(o.Met))
			return o, nil
		}
		o.Got = []string{answer}
		rec.Verdict("the client after the first one is served")
		return o, nil
	}
}

// Leave is a first client for SecondClient: one message, one answer, goodbye.
func Leave(conn net.Conn) error {
	_, err := exchange(conn, "hello")
	return err
}

// Abort is a first client for SecondClient: one message, one answer, and a reset instead of a
// goodbye.
func Abort(conn net.Conn) error {
	if _, err := exchange(conn, "hello"); err != nil {
		return err
	}
	return loopback.Abort(conn)
}

// LeaveUnread is a first client for SecondClient: 5000 bytes, and gone when the answers are in its
// queue. Closing with unread bytes makes its kernel send a reset.
func LeaveUnread(conn net.Conn) error {
	if _, err := conn.Write(bytes.Repeat([]byte("a"), 5000)); err != nil {
		return err
	}
	return loopback.WaitQueued(conn, 5000)
}

// NextClient lets a second client connect and send while the first one is served, which goes on,
// and then the first one leave. Got is the second client's answer, Met the error that it met
// instead: a server that ends closes its listener, and the kernel resets the connections that
// nobody has accepted.
func NextClient(p Programs) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		server, err := Start(rec, p.Serve)
		if err != nil {
			return o, err
		}
		defer server.Stop()
		first, err := rec.Dial("client 1", server.Addr, p.Dial)
		if err != nil {
			return o, err
		}
		defer first.Close()
		if _, err := exchange(first, "hello"); err != nil {
			return o, err
		}
		second, err := rec.Dial("client 2", server.Addr, p.Dial)
		if err != nil {
			return o, err
		}
		defer second.Close()
		if _, err := second.Write([]byte("anybody?")); err != nil {
			return o, err
		}
		rec.State(0, "client 2 is connected and has sent; it waits in the listener's queue")
		if _, err := exchange(first, "one more"); err != nil {
			return o, err
		}
		first.Close()
		server.Idle(2) // it has accepted the next client, or it has gone

		buf := make([]byte, 1024)
		second.SetReadDeadline(time.Now().Add(loopback.Patience)) // a watchdog
		n, err := second.Read(buf)
		if err != nil {
			o.Met = err
			rec.Verdict("the client that waited in the queue is not served: %s", reason(err))
			return o, nil
		}
		o.Got = []string{string(buf[:n])}
		rec.Verdict("the client that waited in the queue is served when the first one has left")
		return o, nil
	}
}

// ListeningIsEnough lets a client connect, send and close its writing half before the server calls
// Accept, which is only then let in. Got is the answer, and N how many bytes were in the queue when
// Accept returned, before the server's first read.
func ListeningIsEnough(
	listen func(addr string) (net.Listener, error), dial func(addr string) (net.Conn, error),
	answer AnswerFunc,
) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		ln, err := listen("127.0.0.1:0")
		if err != nil {
			return o, err
		}
		defer rec.Listener("server", ln).Close()
		conn, err := rec.Dial("client", ln.Addr().String(), dial)
		if err != nil {
			return o, err
		}
		defer conn.Close()
		const message = "hello"
		if _, err := conn.Write([]byte(message)); err != nil {
			return o, err
		}
		closeWrite(conn)
		rec.State(0, "the client is connected, has sent and has said goodbye; "+
			"the server has only called listen")
		accepted, err := rec.Accept("server", func() (net.Conn, error) {
			return loopback.AcceptFrom(ln, conn)
		})
		if err != nil {
			return o, err
		}
		if err := Late(rec, accepted, len(message)); err != nil {
			return o, err
		}
		if o.N, err = loopback.Queued(accepted, 1024); err != nil {
			return o, err
		}
		if err := answer(accepted); err != nil {
			return o, err
		}
		output, err := io.ReadAll(conn)
		if err != nil {
			return o, err
		}
		o.Got = []string{string(output)}
		rec.Verdict("%d bytes were waiting when accept returned; they were answered: %q", o.N, output)
		return o, nil
	}
}

// UpperGBK lets a client talk to a server twice, with one Chinese text: in UTF-8, and in GBK. Got is
// what the answers say, each decoded as it was encoded.
func UpperGBK(p Programs, text string) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		gbk, err := simplifiedchinese.GBK.NewEncoder().String(text)
		if err != nil {
			return o, err
		}
		answers, err := Talking(p, text, gbk)(rec)
		if err != nil {
			return o, err
		}
		if len(answers.Got) != 2 {
			return o, fmt.Errorf("%d answers instead of two: %q", len(answers.Got), answers.Got)
		}
		decoded, err := simplifiedchinese.GBK.NewDecoder().String(answers.Got[1])
		if err != nil {
			return o, err
		}
		o.Got = []string{answers.Got[0], decoded}
		for i, encoding := range []string{"UTF-8", "GBK"} {
			sent := []string{text, gbk}[i]
			rec.Verdict("in %s: %s is % x; % x came back, which is %s",
				encoding, text, sent, answers.Got[i], o.Got[i])
		}
		return o, nil
	}
}
