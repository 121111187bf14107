package reliable_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	randv2 "math/rand/v2"
	"net"
	"os"
	"time"

	"socketbook/labs/13/reliabletest"
	"socketbook/tools/check"
)

type (
	sendFunc    = func(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error
	receiveFunc = func(conn net.Conn, deliver func(message []byte)) error
)

// right are the reference and correct answers in other styles.
var right = []check.Answer{
	answer("the reference", reference),
	answer("a goroutine that reads, and a timer",
		reliabletest.Lab{Send: sendWithTimer, Receive: receiveInGoroutine}),
	answer("one loop for all, and the datagram turned into its acknowledgement",
		reliabletest.Lab{Send: sendInOneLoop, Receive: receiveInPlace}),
	answer("both deadlines, and a set of all that was delivered",
		reliabletest.Lab{Send: sendBothDeadlines, Receive: receiveWithSet}),
	answer("structs and binary.Read", reliabletest.Lab{Send: sendStructs, Receive: receiveStructs}),
	answer("two functions of one type",
		reliabletest.Lab{Send: sendAsType, Receive: receiveSwitching}),
	answer("all is made before the first Write, and one receiver for each sender",
		reliabletest.Lab{Send: sendPrepared, Receive: receiveApart}),
}

// sendWithTimer has a goroutine that reads all the time, and sets no deadline but the one that ends it.
func sendWithTimer(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error {
	if len(messages) == 0 {
		return nil
	}
	acks, failed := make(chan string), make(chan error, 1)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				failed <- err
				return
			}
			select {
			case acks <- string(buf[:n]):
			case <-quit:
				return
			}
		}
	}()
	defer func() {
		close(quit)
		conn.SetReadDeadline(time.Unix(1, 0))
		<-done
		conn.SetReadDeadline(time.Time{})
	}()
	run := rand.Text()[:8]
	for i, m := range messages {
		number := string(binary.BigEndian.AppendUint32(nil, uint32(i)))
		acknowledged := false
		for try := 0; try < tries && !acknowledged; try++ {
			if _, err := conn.Write([]byte("M" + run + number + string(m))); err != nil {
				return err
			}
			timer := time.NewTimer(wait)
			for waiting := true; waiting && !acknowledged; {
				select {
				case ack := <-acks:
					acknowledged = ack == "A"+run+number
				case err := <-failed:
					return err
				case <-timer.C:
					waiting = false
				}
			}
			timer.Stop()
		}
		if !acknowledged {
			return os.ErrDeadlineExceeded
		}
	}
	return nil
}

// receiveInGoroutine waits for the goroutine that does the work.
func receiveInGoroutine(conn net.Conn, deliver func([]byte)) error {
	result := make(chan error)
	go func() { result <- receiveWithSet(conn, deliver) }()
	return <-result
}

// sendInOneLoop counts tries down and goes on to the next message in the same loop.
func sendInOneLoop(conn net.Conn, messages [][]byte, wait time.Duration, tries int) (err error) {
	defer func() { err = errors.Join(err, conn.SetReadDeadline(time.Time{})) }()
	run := binary.NativeEndian.AppendUint64(nil, randv2.Uint64())
	buf := make([]byte, 1<<16)
	for i, left := 0, tries; i < len(messages); {
		if left == 0 {
			return fmt.Errorf("message %d: %w", i, os.ErrDeadlineExceeded)
		}
		left--
		head := append(run, 0, 0, 0, 0)
		binary.BigEndian.PutUint32(head[8:], uint32(i))
		datagram := bytes.Join([][]byte{[]byte("M"), head, messages[i]}, nil)
		if _, err := conn.Write(datagram); err != nil {
			return err
		}
		conn.SetReadDeadline(time.Now().Add(wait))
		for {
			n, err := conn.Read(buf)
			if ne, ok := err.(net.Error); ok && ne.Timeout() && errors.Is(err, os.ErrDeadlineExceeded) {
				break
			} else if err != nil {
				return err
			}
			if n == 13 && buf[0] == 'A' && bytes.Equal(buf[1:n], head) {
				i, left = i+1, tries
				break
			}
		}
	}
	return nil
}

func receiveInPlace(conn net.Conn, deliver func([]byte)) error {
	expected := map[[8]byte]uint32{}
	for {
		buf := make([]byte, 65536)
		n, err := conn.Read(buf)
		if err != nil {
			return notClosed(err)
		}
		if n < 13 || buf[0] != 'M' {
			continue
		}
		run, number := [8]byte(buf[1:9]), binary.BigEndian.Uint32(buf[9:13])
		switch e := expected[run]; {
		case number > e:
			continue
		case number == e:
			expected[run] = e + 1
			deliver(buf[13:n:n])
		}
		ack := bytes.Clone(buf[:13])
		ack[0] = 'A'
		if _, err := conn.Write(ack); err != nil {
			return notClosed(err)
		}
	}
}

func notClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func sendBothDeadlines(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error {
	var run [8]byte
	rand.Read(run[:])
	for i := range messages {
		if err := sendOne(conn, run, uint32(i), messages[i], wait, tries); err != nil {
			conn.SetDeadline(time.Time{})
			return err
		}
	}
	return conn.SetDeadline(time.Time{})
}

func sendOne(conn net.Conn, run [8]byte, number uint32, m []byte, wait time.Duration, tries int) error {
	for range tries {
		if err := conn.SetDeadline(time.Now().Add(wait)); err != nil {
			return err
		}
		datagram := make([]byte, 13+len(m))
		datagram[0] = 'M'
		copy(datagram[1:], run[:])
		binary.BigEndian.PutUint32(datagram[9:], number)
		copy(datagram[13:], m)
		if _, err := conn.Write(datagram); err != nil {
			return err
		}
		for {
			reply := make([]byte, 14) // one more than is expected: what is longer shows
			n, err := conn.Read(reply)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return err
			}
			if n == 13 && reply[0] == 'A' && string(reply[1:13]) == string(datagram[1:13]) {
				return nil
			}
		}
	}
	return fmt.Errorf("gave up: %w", os.ErrDeadlineExceeded)
}

// receiveWithSet remembers every message, not only the number of the next one.
func receiveWithSet(conn net.Conn, deliver func([]byte)) error {
	type key struct {
		run    string
		number uint32
	}
	delivered := map[key]bool{}
	buf := make([]byte, 65507)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return notClosed(err)
		}
		if n < 13 || buf[0] != 'M' {
			continue
		}
		k := key{string(buf[1:9]), binary.BigEndian.Uint32(buf[9:])}
		if !delivered[k] {
			if k.number > 0 && !delivered[key{k.run, k.number - 1}] {
				continue
			}
			deliver(append([]byte(nil), buf[13:n]...))
			delivered[k] = true
		}
		if _, err := conn.Write(append([]byte{'A'}, buf[1:13]...)); err != nil {
			return notClosed(err)
		}
	}
}

type wireHeader struct {
	Kind   byte
	Run    [8]byte
	Number uint32
}

func sendStructs(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error {
	defer conn.SetReadDeadline(time.Time{})
	h := wireHeader{Kind: 'M'}
	rand.Read(h.Run[:])
messages:
	for _, m := range messages {
		var datagram bytes.Buffer
		binary.Write(&datagram, binary.BigEndian, h)
		datagram.Write(m)
		for range tries {
			if _, err := conn.Write(datagram.Bytes()); err != nil {
				return fmt.Errorf("Send: %w", err)
			}
			until := time.Now().Add(wait)
			conn.SetReadDeadline(until)
			for {
				var buf [2000]byte
				n, err := conn.Read(buf[:])
				if errors.Is(err, os.ErrDeadlineExceeded) {
					break
				}
				if err != nil {
					return fmt.Errorf("Send: %w", err)
				}
				var got wireHeader
				binary.Decode(buf[:13], binary.BigEndian, &got)
				if want := (wireHeader{'A', h.Run, h.Number}); n == 13 && got == want {
					h.Number++
					continue messages
				}
			}
		}
		return fmt.Errorf("Send: %w", os.ErrDeadlineExceeded)
	}
	return nil
}

func receiveStructs(conn net.Conn, deliver func([]byte)) error {
	next := make(map[[8]byte]int)
	buf := make([]byte, 70000)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return notClosed(err)
		}
		var h wireHeader
		r := bytes.NewReader(buf[:n])
		if binary.Read(r, binary.BigEndian, &h) != nil || h.Kind != 'M' || int64(h.Number) > int64(next[h.Run]) {
			continue
		}
		if int64(h.Number) == int64(next[h.Run]) {
			next[h.Run]++
			m := make([]byte, r.Len())
			r.Read(m)
			deliver(m)
		}
		h.Kind = 'A'
		var ack bytes.Buffer
		binary.Write(&ack, binary.BigEndian, h)
		if _, err := conn.Write(ack.Bytes()); err != nil {
			return notClosed(err)
		}
	}
}

// sender is Send's state as a type.
type sender struct {
	conn  net.Conn
	run   []byte
	wait  time.Duration
	tries int
}

func sendAsType(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error {
	s := sender{conn, make([]byte, 8), wait, tries}
	rand.Read(s.run)
	defer conn.SetDeadline(time.Time{})
	for i := 0; i < len(messages); i++ {
		if err := s.one(i, messages[i], 1); err != nil {
			return err
		}
	}
	return nil
}

// one calls itself for each try.
func (s sender) one(i int, m []byte, try int) error {
	id := binary.BigEndian.AppendUint32(bytes.Clone(s.run), uint32(i))
	if _, err := s.conn.Write(append(append([]byte{77}, id...), m...)); err != nil {
		return err
	}
	s.conn.SetReadDeadline(time.Now().Add(s.wait))
	buf := make([]byte, 100)
	for {
		n, err := s.conn.Read(buf)
		switch {
		case err == nil && string(buf[:n]) == "A"+string(id):
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded) && try < s.tries:
			return s.one(i, m, try+1)
		case err != nil:
			return err
		}
	}
}

func receiveSwitching(conn net.Conn, deliver func([]byte)) error {
	runs := map[string]*uint32{}
	for buf := make([]byte, 65507); ; {
		n, err := conn.Read(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return err
		case n < 13, buf[0] != 'M':
			continue
		}
		next := runs[string(buf[1:9])]
		if next == nil {
			next = new(uint32)
			runs[string(buf[1:9])] = next
		}
		number := binary.BigEndian.Uint32(buf[9:13])
		if number > *next {
			continue
		}
		if number == *next {
			deliver([]byte(string(buf[13:n])))
			*next++
		}
		if _, err := conn.Write([]byte("A" + string(buf[1:13]))); errors.Is(err, net.ErrClosed) {
			return nil
		} else if err != nil {
			return fmt.Errorf("acknowledging: %w", err)
		}
	}
}

// sendPrepared makes all datagrams, and what acknowledges them, before it sends the first.
func sendPrepared(conn net.Conn, messages [][]byte, wait time.Duration, tries int) error {
	run := make([]byte, 8)
	rand.Read(run)
	datagrams, acks := make([][]byte, len(messages)), make([]string, len(messages))
	for i, m := range messages {
		head := binary.BigEndian.AppendUint32(bytes.Clone(run), uint32(i))
		acks[i] = "A" + string(head)
		datagrams[i] = bytes.Join([][]byte{[]byte("M"), head, m}, nil)
	}
	defer conn.SetReadDeadline(time.Time{})
	buf := make([]byte, 64)
next:
	for i, datagram := range datagrams {
		for range tries {
			if _, err := conn.Write(datagram); err != nil {
				return err
			}
			err := conn.SetReadDeadline(time.Now().Add(wait))
			for err == nil {
				var n int
				if n, err = conn.Read(buf); err == nil && string(buf[:n]) == acks[i] {
					continue next
				}
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				return err
			}
		}
		return fmt.Errorf("message %d of %d: %w", i+1, len(messages), os.ErrDeadlineExceeded)
	}
	return nil
}

// receiveApart has a function for each sender, which keeps the number that it waits for.
func receiveApart(conn net.Conn, deliver func([]byte)) error {
	receivers := map[string]func(number uint32, message []byte) (known bool){}
	receiver := func() func(uint32, []byte) bool {
		var expected uint32
		return func(number uint32, message []byte) bool {
			if number == expected {
				expected++
				deliver(message)
				return true
			}
			return number < expected
		}
	}
	for {
		buf := make([]byte, 65507)
		n, err := conn.Read(buf)
		if err != nil {
			return notClosed(err)
		}
		if n < 13 || buf[0] != 'M' {
			continue
		}
		run := string(buf[1:9])
		if receivers[run] == nil {
			receivers[run] = receiver()
		}
		if !receivers[run](binary.BigEndian.Uint32(buf[9:13]), buf[13:n:n]) {
			continue
		}
		if _, err := conn.Write(append([]byte("A"), buf[1:13]...)); err != nil {
			return notClosed(err)
		}
	}
}
