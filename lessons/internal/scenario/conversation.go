package scenario

import (
	"bytes"
	"net"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// BothListen lets a client and a server meet that each do what they are given. It returns whether they ended up waiting for
// each other.
func BothListen(rec *timeline.Recorder, client, server func(net.Conn) error) (stuck bool, err error) {
	c, s, err := Pair(rec)
	if err != nil {
		return false, err
	}
	defer c.Close()
	defer s.Close()
	silence := &standoff{rec: rec}
	wc, ws := silence.watch(c, s, c, s)
	both(func() error { return client(wc) }, func() error { return server(ws) })
	return silence.happened(), nil
}

// SecondMessage sends two messages over one connection, and reads an answer to each. It returns the answers and the
// error that the client met instead of one, if it did.
func SecondMessage(rec *timeline.Recorder, p Programs) (answers []string, met error, err error) {
	server, err := Start(rec, p.Serve)
	if err != nil {
		return nil, nil, err
	}
	defer server.Stop()
	conn, err := rec.Dial("client", server.Addr, p.Dial)
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	for i, message := range []string{"one", "two"} {
		answer, err := exchange(conn, message)
		if err != nil {
			met = err
			break
		}
		answers = append(answers, answer)
		server.Listening(i + 2)      // for the next message, or it has closed
		if i == 0 && server.Over() { // then let its farewell arrive before we speak again
			loopback.WaitQueued(conn, 1)
			rec.State(0, "the server has gone; the client does not know yet")
		}
	}
	rec.Verdict("2 messages sent on one connection, %d answered", len(answers))
	return answers, met, nil
}

// NextClient lets a first client talk and leave as it likes, and then a second one come. It returns the second client's answer,
// or the error that it met.
func NextClient(rec *timeline.Recorder, p Programs, first func(conn net.Conn) error) (answer string, met error, err error) {
	server, err := Start(rec, p.Serve)
	if err != nil {
		return "", nil, err
	}
	defer server.Stop()
	conn, err := rec.Dial("client 1", server.Addr, p.Dial)
	if err != nil {
		return "", nil, err
	}
	if err := first(conn); err != nil {
		conn.Close()
		return "", nil, err
	}
	conn.Close()
	server.Idle(2) // it waits for the next client, or it has gone
	rec.State(0, "client 1 has left, and the server has noticed")

	conn, met = rec.Dial("client 2", server.Addr, p.Dial)
	if met == nil {
		defer conn.Close()
		answer, met = exchange(conn, "anybody?")
	}
	if met == nil {
		rec.Verdict("the client after the first one is served")
	} else {
		rec.Verdict("the client after the first one is not served: %s", reason(met))
	}
	return answer, met, nil
}

// Leave is a first client for NextClient: one message, one answer, goodbye.
func Leave(conn net.Conn) error {
	_, err := exchange(conn, "hello")
	return err
}

// Abort is a first client for NextClient: one message, one answer, and a reset instead of a goodbye.
func Abort(conn net.Conn) error {
	if _, err := exchange(conn, "hello"); err != nil {
		return err
	}
	return loopback.Abort(conn)
}

// LeaveUnread is a first client for NextClient: 5000 bytes, and gone when the answers lie in its queue. Closing with
// unread bytes makes its kernel send a reset.
func LeaveUnread(conn net.Conn) error {
	if _, err := conn.Write(bytes.Repeat([]byte("a"), 5000)); err != nil {
		return err
	}
	return loopback.WaitQueued(conn, 5000)
}
