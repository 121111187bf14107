package reliable_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"socketbook/labs/13/reliabletest"
	reliable "socketbook/solutions/13"
	"socketbook/tools/check"
)

// wrong are the mistakes that people make, each with exactly the cases that must fail on it. The
// failure text of a case in testdata is the one that the first answer named for it provokes.
var wrong = []check.Answer{
	sending("little-endian numbers", sendWith(sendParts{number: func(i int) []byte {
		return binary.LittleEndian.AppendUint32(nil, uint32(i))
	}}), reliabletest.Sends),
	sending("numbers from 1", sendWith(sendParts{number: func(i int) []byte { return big(uint32(i + 1)) }}),
		reliabletest.Sends),
	sending("one bit instead of a number", sendWith(sendParts{number: func(i int) []byte {
		return big(uint32(i % 2))
	}}), reliabletest.Sends),
	sending("a number of one byte, at the end", sendWith(sendParts{number: func(i int) []byte {
		return big(uint32(byte(i)))
	}}), reliabletest.Sends),
	sending("all messages before the first acknowledgement", sendAllAtOnce, reliabletest.Sends),
	sending("the header in a datagram of its own", sendInTwo, reliabletest.Sends),
	sending(
		"empty messages left out",
		func(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error {
			var full [][]byte
			for _, m := range messages {
				if len(m) > 0 {
					full = append(full, m)
				}
			}
			return reliable.Send(conn, full, wait, tries)
		},
		reliabletest.Sends,
	),
	sending(
		"messages cut to 1024 bytes",
		func(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error {
			var cut [][]byte
			for _, m := range messages {
				cut = append(cut, m[:min(len(m), 1024)])
			}
			return reliable.Send(conn, cut, wait, tries)
		},
		reliabletest.Sends,
	),
	sending("always the same run", sendWith(sendParts{run: func() []byte { return []byte("my run 1") }}),
		reliabletest.Sends),
	keeping("runs that are counted", countedRuns, reliabletest.Sends),
	keeping("one run for the whole program", oneRun, reliabletest.Sends),
	sending("the header put in front in the caller's array", sendShifting, reliabletest.Sends),
	sending(
		"a goroutine left behind",
		func(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error {
			never := make(chan int)
			go func() { <-never }()
			return reliable.Send(conn, messages, wait, tries)
		},
		reliabletest.Sends,
	),
	sending(
		"the connection closed after the last message",
		func(conn net.Conn, messages [][]byte, wait time.Duration,
			tries int,
		) error {
			defer conn.Close()
			return reliable.Send(conn, messages, wait, tries)
		},
		reliabletest.Sends,
	),
	sending("a deadline left behind", sendWith(sendParts{keepsDeadline: func(error) bool { return true }}),
		reliabletest.Sends),
	sending("a deadline left behind after an error", sendWith(sendParts{
		keepsDeadline: func(err error) bool { return err != nil },
	}), reliabletest.Silence),

	sending("another run in each try", sendWith(sendParts{again: func(d []byte) {
		rand.Read(d[1:9])
	}}), reliabletest.Lost, reliabletest.Silence),
	sending("another number in each try", sendWith(sendParts{again: func(d []byte) {
		binary.BigEndian.PutUint32(d[9:], binary.BigEndian.Uint32(d[9:])+1)
	}}), reliabletest.Lost, reliabletest.Silence),
	sending("the tries of all messages counted together", sendTriesTogether, reliabletest.Lost),
	sending("one end for the whole call", func(conn net.Conn, messages [][]byte, wait time.Duration,
		tries int,
	) error {
		end := time.Now().Add(wait * time.Duration(tries))
		return reliable.Send(ending{conn, end}, messages, wait, tries)
	}, reliabletest.Lost),
	sending("the queue emptied before the next try", sendWith(sendParts{empties: true}), reliabletest.Lost),
	sending("one long wait instead of several tries", func(conn net.Conn, messages [][]byte, wait time.Duration,
		tries int,
	) error {
		return reliable.Send(conn, messages, wait*time.Duration(tries), 1)
	}, reliabletest.Lost, reliabletest.Silence),
	sending("the deadline set in the first try only", sendOneDeadline, reliabletest.Lost, reliabletest.Silence),
	sending("the last try not waited for", sendLastUnawaited, reliabletest.Silence),
	sending("one try more", func(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error {
		return reliable.Send(conn, messages, wait, tries+1)
	}, reliabletest.Silence),
	sending("waits that grow", sendGrowing, reliabletest.Silence),
	sending("an error of its own when nobody answers", func(conn net.Conn, messages [][]byte, wait time.Duration,
		tries int,
	) error {
		err := reliable.Send(conn, messages, wait, tries)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = errors.New("lost")
		}
		return err
	}, reliabletest.Silence),
	sending("what is lost is given up, and the next one sent", sendOn, reliabletest.Silence),
	sending("no error when only the last message is lost", sendLastLost, reliabletest.Silence),

	sending(
		"any datagram is an acknowledgement",
		sendWith(sendParts{is: func(_, _ []byte) bool { return true }}),
		reliabletest.Others,
	),
	sending("whatever begins with A is an acknowledgement", sendWith(sendParts{is: func(got, _ []byte) bool {
		return len(got) > 0 && got[0] == 'A'
	}}), reliabletest.Others),
	sending(
		"the number of the acknowledgement is not looked at",
		sendWith(sendParts{is: func(got, want []byte) bool {
			return len(got) == 13 && bytes.Equal(got[:9], want[:9])
		}}),
		reliabletest.Others,
	),
	sending(
		"the run of the acknowledgement is not looked at",
		sendWith(sendParts{is: func(got, want []byte) bool {
			return len(got) == 13 && got[0] == 'A' && bytes.Equal(got[9:], want[9:])
		}}),
		reliabletest.Others,
	),
	sending(
		"the letter of the acknowledgement is not looked at",
		sendWith(sendParts{is: func(got, want []byte) bool {
			return len(got) == 13 && bytes.Equal(got[1:], want[1:])
		}}),
		reliabletest.Others,
	),
	sending("what is missing is taken from the datagram before", sendWith(sendParts{is: func(got, want []byte) bool {
		return len(got) <= 13 && bytes.Equal(got[:13], want)
	}}), reliabletest.Others),
	sending("an acknowledgement may have something behind it", sendWith(sendParts{is: bytes.HasPrefix}),
		reliabletest.Others),
	sending("the last byte of the number is enough", sendWith(sendParts{is: func(got, want []byte) bool {
		return len(got) == 13 && bytes.Equal(got[:9], want[:9]) && got[12] == want[12]
	}}), reliabletest.Others),
	sending("another datagram ends the try", sendWith(sendParts{impatient: true}), reliabletest.Others),
	sending("the wait begins anew with each datagram", sendWith(sendParts{renews: true}), reliabletest.Others),

	sending("an error of Write ignored", sendWith(sendParts{wrote: func(error) error { return nil }}),
		reliabletest.SendFails),
	sending("a timeout of Write taken for one of the try", sendWith(sendParts{wrote: func(err error) error {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		return err
	}}), reliabletest.SendFails),
	sending("an error of Read taken for a timeout", sendWith(sendParts{read: func(error) error {
		return os.ErrDeadlineExceeded
	}}), reliabletest.SendFails),
	sending("connection refused taken for a timeout", sendWith(sendParts{read: func(err error) error {
		if errors.Is(err, syscall.ECONNREFUSED) {
			return os.ErrDeadlineExceeded
		}
		return err
	}}), reliabletest.SendFails),
	sending("whatever calls itself a timeout taken for that of the try", sendWith(sendParts{read: func(err error) error {
		if late, ok := err.(net.Error); ok && late.Timeout() {
			return os.ErrDeadlineExceeded
		}
		return err
	}}), reliabletest.SendFails),
	sending("errors in other words", sendWith(sendParts{read: func(err error) error {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("read: %v", err)
		}
		return err
	}}), reliabletest.SendFails),
	sending("a closed connection is no error", func(conn net.Conn, messages [][]byte, wait time.Duration,
		tries int,
	) error {
		err := reliable.Send(conn, messages, wait, tries)
		if errors.Is(err, net.ErrClosed) {
			err = nil
		}
		return err
	}, reliabletest.SendFails),
	sending("only the first Write is looked at", sendFirstWrite, reliabletest.SendFails),

	receiving(
		"acknowledged before it is delivered",
		receiveWith(receiveParts{early: true}),
		reliabletest.Delivers,
	),
	receiving("one buffer for all messages", receiveWith(receiveParts{shares: true}), reliabletest.Delivers),
	receiving("one array for all messages, of which each slice has the rest", func(conn net.Conn, deliver func([]byte)) error {
		array := make([]byte, 0, 1<<20)
		return reliable.Receive(conn, func(m []byte) {
			from := len(array)
			array = append(array, m...)
			deliver(array[from:])
		})
	}, reliabletest.Delivers),
	receiving("a buffer of 1024 bytes", receiveWith(receiveParts{size: 1024}), reliabletest.Delivers),
	receiving("the acknowledgement carries the message", receiveWith(receiveParts{ack: func(d []byte) []byte {
		return append([]byte("A"), d[1:]...)
	}}), reliabletest.Delivers),
	receiving(
		"the number that is expected next is acknowledged",
		receiveWith(receiveParts{ack: func(d []byte) []byte {
			ack := append([]byte("A"), d[1:9]...)
			return append(ack, big(binary.BigEndian.Uint32(d[9:])+1)...)
		}}),
		reliabletest.Delivers,
	),
	receiving("empty messages not delivered", receiveWith(receiveParts{skips: func(m []byte) bool {
		return len(m) == 0
	}}), reliabletest.Delivers),
	receiving("the header delivered, too", func(conn net.Conn, deliver func([]byte)) error {
		return reliable.Receive(conn, func(m []byte) { deliver(append([]byte("M"), m...)) })
	}, reliabletest.Delivers),
	receiving("a message that is said twice is taken for a copy", receiveNoRepeats, reliabletest.Delivers),
	receiving("a deadline for each Read", func(conn net.Conn, deliver func([]byte)) error {
		conn.SetReadDeadline(time.Now().Add(time.Minute))
		return reliable.Receive(conn, deliver)
	}, reliabletest.Delivers),

	receiving("copies are not acknowledged", receiveWith(receiveParts{copies: func(_, _ uint32) (bool, bool) {
		return false, false
	}}), reliabletest.Copies),
	receiving("copies are delivered again", receiveWith(receiveParts{copies: func(_, _ uint32) (bool, bool) {
		return true, true
	}}), reliabletest.Copies),
	receiving("only the last message can be a copy", receiveWith(receiveParts{copies: func(number, next uint32) (
		bool, bool,
	) {
		return false, number+1 == next
	}}), reliabletest.Copies),
	receiving("one number for all runs", receiveWith(receiveParts{key: func([]byte) string { return "" }}),
		reliabletest.Copies, reliabletest.Early),
	receiving(
		"a run of four bytes",
		receiveWith(receiveParts{key: func(run []byte) string { return string(run[:4]) }}),
		reliabletest.Copies,
	),
	receiving("the last bytes of a run do not count", receiveWith(receiveParts{key: func(run []byte) string {
		return string(run[4:])
	}}), reliabletest.Copies),
	receiving("a new run makes the old one forgotten", receiveWith(receiveParts{most: 1}), reliabletest.Copies,
		reliabletest.Early),
	receiving("a hundred runs are remembered", receiveWith(receiveParts{most: 100}), reliabletest.Copies),
	receiving(
		"numbers of one byte",
		receiveWith(receiveParts{narrow: func(n uint32) uint32 { return n & 0xff }}),
		reliabletest.Copies,
		reliabletest.Early,
	),

	receiving("a gap is nothing", receiveWith(receiveParts{gaps: func(uint32, uint32) (bool, bool) {
		return true, true
	}}), reliabletest.Early),
	receiving(
		"what comes too early is acknowledged",
		receiveWith(receiveParts{gaps: func(uint32, uint32) (bool, bool) {
			return false, true
		}}),
		reliabletest.Early,
	),
	receiving(
		"numbers of two bytes",
		receiveWith(receiveParts{narrow: func(n uint32) uint32 { return n & 0xffff }}),
		reliabletest.Early,
	),
	receiving("signed numbers", receiveWith(receiveParts{gaps: func(number, _ uint32) (bool, bool) {
		return false, int32(number) < 0
	}}), reliabletest.Early),
	receiving("the first number that comes is the first", receiveWith(receiveParts{gaps: func(_, next uint32) (
		bool, bool,
	) {
		return next == 0, next == 0
	}}), reliabletest.Early),
	receiving("the length is not looked at", receiveWith(receiveParts{valid: func(d []byte) bool {
		return d[0] == 'M'
	}}), reliabletest.Early),
	receiving("the letter is not looked at", receiveWith(receiveParts{valid: func(d []byte) bool {
		return len(d) >= 13
	}}), reliabletest.Early),
	receiving("a small letter will do", receiveWith(receiveParts{valid: func(d []byte) bool {
		return len(d) >= 13 && (d[0] == 'M' || d[0] == 'm')
	}}), reliabletest.Early),
	receiving("an empty datagram ends it", receiveEmptyEnds, reliabletest.Early),
	receiving("anything else is an error", receiveStrict, reliabletest.Early),

	receiving(
		"a closed connection is an error",
		receiveWith(receiveParts{ends: func(err error) error { return err }}),
		reliabletest.ReceiveEnd,
	),
	receiving("every error is the end", receiveWith(receiveParts{ends: func(error) error { return nil }}),
		reliabletest.ReceiveEnd),
	receiving("a timeout is the end", receiveWith(receiveParts{ends: func(err error) error {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		return notClosed(err)
	}}), reliabletest.ReceiveEnd),
	receiving("reads on after an error", receiveOn, reliabletest.ReceiveEnd),
	receiving("errors of Write ignored", receiveWith(receiveParts{deaf: true}), reliabletest.ReceiveEnd),
	receiving("errors in other words than Read's", receiveWith(receiveParts{ends: func(err error) error {
		if notClosed(err) == nil {
			return nil
		}
		return fmt.Errorf("receiving: %v", err)
	}}), reliabletest.ReceiveEnd),
	receiving("the connection closed after an error", func(conn net.Conn, deliver func([]byte)) error {
		err := reliable.Receive(conn, deliver)
		if err != nil {
			conn.Close()
		}
		return err
	}, reliabletest.ReceiveEnd),

	keeping("one lock for Send and Receive", oneLock, reliabletest.Together),
	keeping("Receive is told by Send which run is right", oneRunOfBoth, reliabletest.Delivers),
}

func big(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// sendParts are the parts of Send that may be wrong; those that are nil are right.
type sendParts struct {
	run           func() []byte
	number        func(i int) []byte
	again         func(datagram []byte) // what is done to a datagram before it is sent again
	is            func(got, want []byte) bool
	wrote, read   func(err error) error
	keepsDeadline func(err error) bool
	impatient     bool // another datagram ends a try
	renews        bool // another datagram begins the wait anew
	empties       bool // one more Read before a message is sent again
}

func sendWith(p sendParts) sendFunc {
	if p.run == nil {
		p.run = func() []byte { return []byte(rand.Text()[:8]) }
	}
	if p.number == nil {
		p.number = func(i int) []byte { return big(uint32(i)) }
	}
	if p.is == nil {
		p.is = bytes.Equal
	}
	return func(conn net.Conn, messages [][]byte, wait time.Duration, tries int) (err error) {
		defer func() {
			if p.keepsDeadline == nil || !p.keepsDeadline(err) {
				conn.SetReadDeadline(time.Time{})
			}
		}()
		run := p.run()
		for i, m := range messages {
			id := append(bytes.Clone(run), p.number(i)...)
			datagram := bytes.Join([][]byte{[]byte("M"), id, m}, nil)
			if err := p.deliver(conn, datagram, append([]byte("A"), id...), wait, tries); err != nil {
				return err
			}
		}
		return nil
	}
}

func (p sendParts) deliver(conn net.Conn, datagram, ack []byte, wait time.Duration, tries int) error {
	buf := make([]byte, 2000)
	for try := range tries {
		if try > 0 && p.again != nil {
			p.again(datagram)
			copy(ack[1:], datagram[1:])
		}
		if try > 0 && p.empties {
			conn.SetReadDeadline(time.Now().Add(time.Millisecond))
			conn.Read(buf)
		}
		_, err := conn.Write(datagram)
		if p.wrote != nil {
			err = p.wrote(err)
		}
		if err != nil {
			return err
		}
		conn.SetReadDeadline(time.Now().Add(wait))
		for {
			n, err := conn.Read(buf)
			if err != nil && p.read != nil {
				err = p.read(err)
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return err
			}
			if p.is(buf[:n], ack) {
				return nil
			}
			if p.impatient {
				break
			}
			if p.renews {
				conn.SetReadDeadline(time.Now().Add(wait))
			}
		}
	}
	return os.ErrDeadlineExceeded
}

func sendAllAtOnce(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error {
	defer conn.SetReadDeadline(time.Time{})
	run := []byte(rand.Text()[:8])
	waiting := map[string]bool{}
	buf := make([]byte, 2000)
	for range tries {
		for i, m := range messages {
			id := string(run) + string(big(uint32(i)))
			if _, err := conn.Write([]byte("M" + id + string(m))); err != nil {
				return err
			}
			waiting["A"+id] = true
		}
		conn.SetReadDeadline(time.Now().Add(wait))
		for len(waiting) > 0 {
			n, err := conn.Read(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return err
			}
			delete(waiting, string(buf[:n]))
		}
		if len(waiting) == 0 {
			return nil
		}
	}
	return os.ErrDeadlineExceeded
}

// twice is a connection on which each datagram is sent in two.
type twice struct{ net.Conn }

func (t twice) Write(p []byte) (int, error) {
	n, err := t.Conn.Write(p[:13])
	if err == nil && len(p) > 13 {
		k, werr := t.Conn.Write(p[13:])
		n, err = n+k, werr
	}
	return n, err
}

func sendInTwo(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error {
	return reliable.Send(twice{conn}, messages, wait, tries)
}

func countedRuns() reliabletest.Lab {
	var runs atomic.Uint64
	send := sendWith(sendParts{run: func() []byte { return binary.BigEndian.AppendUint64(nil, runs.Add(1)) }})
	return reliabletest.Lab{Send: send, Receive: reliable.Receive}
}

func oneRun() reliabletest.Lab {
	run := []byte(rand.Text()[:8])
	return reliabletest.Lab{
		Send:    sendWith(sendParts{run: func() []byte { return run }}),
		Receive: reliable.Receive,
	}
}

// sendShifting makes room for the header in the caller's array, if there is some.
func sendShifting(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error {
	for i, m := range messages {
		if cap(m) > len(m) {
			messages[i] = append(m, 0)[:len(m)]
		}
	}
	return reliable.Send(conn, messages, wait, tries)
}

func sendTriesTogether(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error {
	c := &counting{Conn: conn, left: tries + len(messages)}
	return reliable.Send(c, messages, wait, tries)
}

// counting is a connection that takes a number of datagrams.
type counting struct {
	net.Conn
	left int
}

func (c *counting) Write(p []byte) (int, error) {
	if c.left--; c.left < 0 {
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Write(p)
}

// onceTimed is a connection of which only the first deadline counts.
type onceTimed struct {
	net.Conn
	set bool
}

func (o *onceTimed) SetReadDeadline(t time.Time) error {
	if !t.IsZero() && o.set {
		return nil
	}
	o.set = true
	return o.Conn.SetReadDeadline(t)
}

func sendOneDeadline(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error {
	return reliable.Send(&onceTimed{Conn: conn}, messages, wait, tries)
}

// ending has no deadline behind its end.
type ending struct {
	net.Conn
	end time.Time
}

func (e ending) SetReadDeadline(t time.Time) error {
	if t.After(e.end) {
		t = e.end
	}
	return e.Conn.SetReadDeadline(t)
}

func sendLastUnawaited(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error {
	c := &hasty{Conn: conn, tries: tries}
	return reliable.Send(c, messages, wait, tries)
}

// hasty is a connection on which nobody waits after the last of several equal datagrams.
type hasty struct {
	net.Conn
	tries, sent int
	last        string
}

func (h *hasty) Write(p []byte) (int, error) {
	if string(p) != h.last {
		h.sent, h.last = 0, string(p)
	}
	h.sent++
	return h.Conn.Write(p)
}

func (h *hasty) SetReadDeadline(t time.Time) error {
	if h.sent == h.tries && !t.IsZero() {
		t = time.Now()
	}
	return h.Conn.SetReadDeadline(t)
}

// growing is a connection on which each wait is longer than the one before.
type growing struct {
	net.Conn
	extra time.Duration
}

func (g *growing) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		t = t.Add(g.extra)
		g.extra = 3*g.extra + 30*time.Millisecond
	}
	return g.Conn.SetReadDeadline(t)
}

func sendGrowing(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error {
	if wait > time.Minute || tries > 20 {
		return reliable.Send(conn, messages, wait, tries)
	}
	return reliable.Send(&growing{Conn: conn}, messages, wait, tries)
}

func sendOn(conn net.Conn, messages [][]byte, wait time.Duration, tries int) (err error) {
	run := []byte(rand.Text()[:8])
	defer conn.SetReadDeadline(time.Time{})
	for i, m := range messages {
		id := append(bytes.Clone(run), big(uint32(i))...)
		lost := sendParts{is: bytes.Equal}.deliver(conn, bytes.Join([][]byte{[]byte("M"), id, m}, nil),
			append([]byte("A"), id...), wait, tries)
		err = errors.Join(err, lost)
		if lost != nil && (!errors.Is(lost, os.ErrDeadlineExceeded) || tries == 1) {
			return err
		}
	}
	return err
}

// sendLastLost returns nil when nobody has acknowledged the last of several messages.
func sendLastLost(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error {
	n := &noting{Conn: conn}
	err := reliable.Send(n, messages, wait, tries)
	if len(messages) > 1 && n.number == uint32(len(messages)-1) && errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// noting knows the number of the last message.
type noting struct {
	net.Conn
	number uint32
}

func (n *noting) Write(p []byte) (int, error) {
	n.number = binary.BigEndian.Uint32(p[9:])
	return n.Conn.Write(p)
}

// sendFirstWrite reports an error of a Write only when it is the first one of a message.
func sendFirstWrite(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error {
	return reliable.Send(&forgiving{Conn: conn}, messages, wait, tries)
}

type forgiving struct {
	net.Conn
	last string
}

func (f *forgiving) Write(p []byte) (int, error) {
	n, err := f.Conn.Write(p)
	if string(p) == f.last {
		return len(p), nil
	}
	f.last = string(p)
	return n, err
}

// receiveParts are the parts of Receive that may be wrong; those that are nil are right. copies and
// gaps say whether such a message is delivered, and whether it is acknowledged.
type receiveParts struct {
	valid        func(datagram []byte) bool
	key          func(run []byte) string
	narrow       func(number uint32) uint32
	copies, gaps func(number, next uint32) (delivered, acknowledged bool)
	ack          func(datagram []byte) []byte
	skips        func(message []byte) bool
	ends         func(err error) error
	size         int  // of the buffer
	most         int  // runs that are remembered
	early        bool // acknowledged first
	shares       bool // no copy of the message
	deaf         bool // to errors of Write
}

func receiveWith(p receiveParts) receiveFunc {
	if p.valid == nil {
		p.valid = func(d []byte) bool { return len(d) >= 13 && d[0] == 'M' }
	}
	if p.key == nil {
		p.key = func(run []byte) string { return string(run) }
	}
	if p.narrow == nil {
		p.narrow = func(n uint32) uint32 { return n }
	}
	if p.copies == nil {
		p.copies = func(uint32, uint32) (bool, bool) { return false, true }
	}
	if p.gaps == nil {
		p.gaps = func(uint32, uint32) (bool, bool) { return false, false }
	}
	if p.ack == nil {
		p.ack = func(d []byte) []byte { return append([]byte("A"), d[1:13]...) }
	}
	if p.ends == nil {
		p.ends = notClosed
	}
	if p.size == 0 {
		p.size = 65507
	}
	return func(conn net.Conn, deliver func([]byte)) error {
		buf, next := make([]byte, p.size), map[string]uint32{}
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return p.ends(err)
			}
			d := buf[:n]
			if !p.valid(d) {
				continue
			}
			key, number := p.key(d[1:9]), p.narrow(binary.BigEndian.Uint32(d[9:13]))
			if _, known := next[key]; !known && p.most > 0 && len(next) == p.most {
				clear(next)
			}
			delivered, acknowledged := true, true
			switch e := p.narrow(next[key]); {
			case number < e:
				delivered, acknowledged = p.copies(number, e)
			case number > e:
				delivered, acknowledged = p.gaps(number, e)
			}
			if delivered {
				next[key] = max(next[key], number+1)
			}
			if p.early && acknowledged {
				conn.Write(p.ack(d))
			}
			if m := d[13:]; delivered && (p.skips == nil || !p.skips(m)) {
				if !p.shares {
					m = bytes.Clone(m)
				}
				deliver(m)
			}
			if p.early || !acknowledged {
				continue
			}
			if _, err := conn.Write(p.ack(d)); err != nil && !p.deaf {
				return p.ends(err)
			}
		}
	}
}

func receiveNoRepeats(conn net.Conn, deliver func([]byte)) error {
	last := "\x00nothing"
	return reliable.Receive(conn, func(m []byte) {
		if string(m) != last {
			last = string(m)
			deliver(m)
		}
	})
}

// nonEmpty is a connection whose Read takes an empty datagram for the end.
type nonEmpty struct{ net.Conn }

func (e nonEmpty) Read(p []byte) (int, error) {
	n, err := e.Conn.Read(p)
	if n == 0 && err == nil {
		err = net.ErrClosed
	}
	return n, err
}

func receiveEmptyEnds(conn net.Conn, deliver func([]byte)) error {
	return reliable.Receive(nonEmpty{conn}, deliver)
}

// strict is a connection whose Read fails when something else comes.
type strict struct{ net.Conn }

func (s strict) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if err == nil && (n < 13 || p[0] != 'M') {
		err = errors.New("not a message")
	}
	return n, err
}

func receiveStrict(conn net.Conn, deliver func([]byte)) error {
	return reliable.Receive(strict{conn}, deliver)
}

func receiveOn(conn net.Conn, deliver func([]byte)) error {
	for {
		if err := reliable.Receive(conn, deliver); err == nil {
			return nil
		}
	}
}

func oneLock() reliabletest.Lab {
	var lock sync.Mutex
	errBusy := errors.New("one call at a time")
	return reliabletest.Lab{
		Send: func(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error {
			if !lock.TryLock() {
				return errBusy
			}
			defer lock.Unlock()
			return reliable.Send(conn, messages, wait, tries)
		},
		Receive: func(conn net.Conn, deliver func([]byte)) error {
			if !lock.TryLock() {
				return errBusy
			}
			defer lock.Unlock()
			return reliable.Receive(conn, deliver)
		},
	}
}

// oneRunOfBoth works as long as both halves are in one program.
func oneRunOfBoth() reliabletest.Lab {
	var runs sync.Map
	return reliabletest.Lab{
		Send: sendWith(sendParts{run: func() []byte {
			run := []byte(rand.Text()[:8])
			runs.Store(string(run), true)
			return run
		}}),
		Receive: receiveWith(receiveParts{valid: func(d []byte) bool {
			if len(d) < 13 || d[0] != 'M' {
				return false
			}
			_, known := runs.Load(string(d[1:9]))
			return known
		}}),
	}
}
