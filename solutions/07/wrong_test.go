package datagram_test

import (
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	oldrand "math/rand"
	mathrand "math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unicode/utf8"

	"socketbook/labs/07/datagramtest"
	datagram "socketbook/solutions/07"
	"socketbook/tools/check"
)

// wrong are the mistakes that people make, each with exactly the cases that must fail on it. The
// failure text of a case in testdata is the one that the first answer named for it provokes.
var wrong = []check.Answer{
	answer("no id in front of the request", withoutID, datagramtest.Answer),
	answer("the id left in the answer", withID, datagramtest.Answer),
	answer("id and request in two Writes", twoWrites, datagramtest.Answer),
	answer("an id of four bytes", shortID, datagramtest.Answer),
	answer("an empty answer taken for none", emptyIsNone, datagramtest.Empty),
	answer("an empty request not sent", emptyNotSent, datagramtest.Empty),
	answer("one try more than asked for", oneMore, datagramtest.Silence),
	answer("no deadline", listening(readWithoutDeadline), datagramtest.Silence),
	answer("asks until it is answered", forEver, datagramtest.Silence),
	answer("asks once", once, datagramtest.Silence),
	answer("an error that does not say that it is a timeout", ownError, datagramtest.Silence),
	answer("the caller's wait ignored", patient, datagramtest.Silence),
	answer("milliseconds taken for nanoseconds", nanoseconds, datagramtest.Silence),
	answer("every error counts as a lost answer", listening(readAllErrorsTimeout), datagramtest.Broken),
	answer("the deadline left on the connection", deadlineLeft, datagramtest.Silence),
	answer("the deadline left after an error", deadlineLeftOnErrors, datagramtest.Broken),
	answer("the error of Write ignored", writeIgnored, datagramtest.Broken),
	answer("tries again when Write fails", writeAgain, datagramtest.Broken),
	answer("a goroutine left behind", readerLeft, datagramtest.Silence),
	answer("one deadline for all tries", oneDeadline, datagramtest.Silence),
	answer("a deadline twice as long as wait", twiceAsLong, datagramtest.Silence),
	answer("the error of a later Write ignored", laterWriteIgnored, datagramtest.Broken),
	answer("the request wiped out once it is sent", wiping, datagramtest.Answer),
	answer("room for limit bytes and the id", roomForAll, datagramtest.Limit),
	answer("a new id for each try", newIDs, datagramtest.Lost),
	answer("the answer to the last try not awaited", lastNotAwaited, datagramtest.Silence),
	answer("the same id for all calls", sameID, datagramtest.Stale, datagramtest.Forged),
	answer("ids that count", counting(), datagramtest.Forged),
	answer("the time as an id", identified(clockBig), datagramtest.Forged),
	answer("the time as an id, little-endian", identified(clockLittle), datagramtest.Forged),
	answer("the last digits of the time as an id", identified(clockDigits), datagramtest.Forged),
	answer("an id of the process and the time", identified(processAndClock), datagramtest.Forged),
	answer("ids that count in random steps", identified(striding()), datagramtest.Forged),
	answer("two random bytes in an id of eight", identified(twoRandom()), datagramtest.Forged),
	answer("a buffer of just the limit", listening(readCut), datagramtest.Limit),
	answer("1024 bytes whatever the limit", listening(read1024), datagramtest.Limit),
	answer("no limit", listening(readUnlimited), datagramtest.Limit),
	answer("the limit counts the id", limitWithID, datagramtest.Empty, datagramtest.Limit),
	answer("an answer that is too long asked for again", longIsLost, datagramtest.Limit),
	answer(
		"any datagram believed",
		listening(readAny),
		datagramtest.Stale,
		datagramtest.Forged,
		datagramtest.Limit,
	),
	answer(
		"another datagram ends the call",
		listening(readFirst),
		datagramtest.Stale,
		datagramtest.Forged,
		datagramtest.Limit,
	),
	answer("another datagram ends the try", anotherEndsTry, datagramtest.Stale, datagramtest.Forged),
	answer("four bytes of the id compared", listening(readHalf), datagramtest.Forged),
	answer("a short datagram makes it panic", listening(readSlices), datagramtest.Forged),
	answer("the id looked for anywhere", listening(readContains), datagramtest.Forged),
	answer("the length of a datagram not looked at", listening(readBeyond), datagramtest.Forged),
	answer("a deadline for each Read", listening(readRenewing), datagramtest.Flood),
	answer("a timer for each datagram", timerForEach, datagramtest.Flood),
	answer("one buffer for all calls", oneBuffer(), datagramtest.Conversation),
	answer("the connection closed at the end", closing, datagramtest.Answer),
	answer("the first byte of the id not compared", listening(readAllButFirst), datagramtest.Forged),
	answer("four random bytes twice as an id", identified(doubled), datagramtest.Forged),
	answer("ids from a generator with a fixed seed", identified(seeded()), datagramtest.Forged),
	answer("a counter behind a hash as an id", identified(hashed()), datagramtest.Forged),
	answer("a hundred other datagrams are enough", atMostHundred, datagramtest.Forged),
	answer("ten tries at most", atMostTen, datagramtest.Silence),
	answer("equal answers share a slice", sharing(), datagramtest.Answer),
	answer("an interrupted Read or one without an answer tried again", readAgain, datagramtest.Broken),
	answer("white space cut off the answer", trimmed, datagramtest.Answer),
	answer("a deadline for Write that has passed", writeTimed, datagramtest.Silence),
	answer("a list as long as there are tries", listed, datagramtest.Silence),
	answer("a timer left behind", timerLeft, datagramtest.Silence).
		MayPassElsewhere("what its variables hold on to cannot be seen there"),
	answer("later tries in lower case", laterLower, datagramtest.Lost),
	answer("the bytes of the id compared in any order", listening(readSorted), datagramtest.Forged),
	answer("four random bytes and their complement as an id", identified(complement), datagramtest.Forged),
	answer("equal requests asked only once", remembering(), datagramtest.Forged),
	answer("the last try never refused", lastNotRefused, datagramtest.Broken),
	answer("half of the id kept for the next call", identified(sliding()), datagramtest.Forged),
	answer("one byte of the id made anew in each call", identified(patched()), datagramtest.Forged),
	answer("the last byte of the id a checksum", identified(checksummed), datagramtest.Forged),
	answer("bytes from a generator with a fixed seed", identified(seededBytes()), datagramtest.Forged),
	answer("short datagrams put together", listening(readAtLeast), datagramtest.Forged),
	answer("an id of letters compared without regard to case", lettersFolded, datagramtest.Forged),
	answer("the first datagram of the second try thrown away", secondTryEmptied, datagramtest.Lost),
	answer("an id compared as text, up to a zero byte", comparedAsText(), datagramtest.Forged),
	answer("an answer like the request passed over", echoPassedOver, datagramtest.Answer),
	answer("in later tries, the first datagram or none", firstOrNone, datagramtest.Flood),
	answer("a buffer as long as the last datagram", listening(readShrinking), datagramtest.Stale,
		datagramtest.Forged),
	answer("a thousand other datagrams are enough", atMostThousand, datagramtest.Flood),
	answer("tries times wait as the end of the call", multiplied, datagramtest.Lost),
	answer("tries in a byte", triesInByte, datagramtest.Silence),
	answer("a limit of 16 bits", limit16, datagramtest.Limit),
	answer("room for 65000 bytes", listening(read65000), datagramtest.Limit),
	answer("a limit of characters", listening(readCharacters), datagramtest.Limit),
	answer("the errors of all tries together", joined, datagramtest.Lost),
	answer("what comes is read over what is sent", readOver, datagramtest.Flood, datagramtest.Conversation),
	answer("the id cut out wherever it stands", listening(readWithoutID), datagramtest.Answer),
	answer("64 buffers in turn", buffersInTurn(), datagramtest.Conversation).
		MayPassElsewhere("what its variables hold on to cannot be seen there"),
	answer("the room behind the request read into", readsBehind, datagramtest.Answer),
	answer("a timer left behind when nobody answers", timerLeftSilent, datagramtest.Silence).
		MayPassElsewhere("what its variables hold on to cannot be seen there"),
}

type readFunc = func(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error)

// listening asks as it should, and leaves the waiting to read.
func listening(read readFunc) exchangeFunc {
	return func(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
		id := make([]byte, 8)
		rand.Read(id)
		return asking(conn, id, request, limit, tries, wait, read)
	}
}

func asking(
	conn net.Conn,
	id, request []byte,
	limit, tries int,
	wait time.Duration,
	read readFunc,
) ([]byte, error) {
	defer conn.SetReadDeadline(time.Time{})
	for range tries {
		if _, err := conn.Write(bytes.Join([][]byte{id, request}, nil)); err != nil {
			return nil, err
		}
		answer, err := read(conn, id, limit, wait)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return answer, err
		}
	}
	return nil, os.ErrDeadlineExceeded
}

var errTooLong = errors.New("the answer is too long")

// readRight is what the functions below do otherwise.
func readRight(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
	conn.SetReadDeadline(time.Now().Add(wait))
	return readOn(conn, id, limit)
}

// readOn reads under the deadline that is set.
func readOn(conn net.Conn, id []byte, limit int) ([]byte, error) {
	buf := make([]byte, 65507)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		answer, ours := bytes.CutPrefix(buf[:n], id)
		if ours && len(answer) > limit {
			return nil, errTooLong
		}
		if ours {
			return answer, nil
		}
	}
}

func withID(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	return listening(func(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
		answer, err := readRight(conn, id, limit, wait)
		if err != nil {
			return nil, err
		}
		return append(bytes.Clone(id), answer...), nil
	})(conn, request, limit, tries, wait)
}

// withoutID is the client of lesson 07, with tries.
func withoutID(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	return asking(conn, nil, request, limit, tries, wait, readRight)
}

// twoWrites writes as if into a stream.
func twoWrites(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	defer conn.SetReadDeadline(time.Time{})
	id := make([]byte, 8)
	rand.Read(id)
	for range tries {
		for _, part := range [][]byte{id, request} {
			if _, err := conn.Write(part); err != nil {
				return nil, err
			}
		}
		answer, err := readRight(conn, id, limit, wait)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return answer, err
		}
	}
	return nil, os.ErrDeadlineExceeded
}

func shortID(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	id := make([]byte, 4)
	rand.Read(id)
	return asking(conn, id, request, limit, tries, wait, readRight)
}

func emptyIsNone(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	return listening(func(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
		answer, err := readRight(conn, id, limit, wait)
		if err == nil && len(answer) == 0 {
			err = os.ErrDeadlineExceeded
		}
		return answer, err
	})(conn, request, limit, tries, wait)
}

func emptyNotSent(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	if len(request) == 0 {
		return nil, nil
	}
	return datagram.Exchange(conn, request, limit, tries, wait)
}

func readWithoutDeadline(conn net.Conn, id []byte, limit int, _ time.Duration) ([]byte, error) {
	return readOn(conn, id, limit)
}

func oneMore(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	return datagram.Exchange(conn, request, limit, tries+1, wait)
}

// forEver gives up when the connection does.
func forEver(conn net.Conn, request []byte, limit, _ int, wait time.Duration) ([]byte, error) {
	return datagram.Exchange(conn, request, limit, 1_000_000_000, wait)
}

func once(conn net.Conn, request []byte, limit, _ int, wait time.Duration) ([]byte, error) {
	return datagram.Exchange(conn, request, limit, 1, wait)
}

func ownError(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	answer, err := datagram.Exchange(conn, request, limit, tries, wait)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("no answer after %d tries", tries)
	}
	return answer, err
}

// keeping is a connection whose deadline nobody takes away.
type keeping struct{ net.Conn }

func (c keeping) SetReadDeadline(t time.Time) error {
	if t.IsZero() {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

func deadlineLeft(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	return datagram.Exchange(keeping{conn}, request, limit, tries, wait)
}

// deadlineLeftOnErrors takes it away where the example does: after an answer, and when there is none.
func deadlineLeftOnErrors(
	conn net.Conn,
	request []byte,
	limit, tries int,
	wait time.Duration,
) ([]byte, error) {
	id := make([]byte, 8)
	rand.Read(id)
	for range tries {
		conn.SetReadDeadline(time.Now().Add(wait))
		if _, err := conn.Write(append(id[:8:8], request...)); err != nil {
			return nil, err
		}
		answer, err := readOn(conn, id, limit)
		if err == nil {
			conn.SetReadDeadline(time.Time{})
			return answer, nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, err
		}
	}
	conn.SetReadDeadline(time.Time{})
	return nil, os.ErrDeadlineExceeded
}

func patient(conn net.Conn, request []byte, limit, tries int, _ time.Duration) ([]byte, error) {
	return datagram.Exchange(conn, request, limit, tries, time.Second)
}

func nanoseconds(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	return datagram.Exchange(conn, request, limit, tries, time.Duration(wait.Milliseconds()))
}

// readerLeft starts a goroutine that reads, and returns when the time is over. The goroutine reads on.
func readerLeft(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	id := make([]byte, 8)
	rand.Read(id)
	type result struct {
		answer []byte
		err    error
	}
	results := make(chan result, 1)
	go func() {
		answer, err := readOn(conn, id, limit)
		results <- result{answer, err}
	}()
	for range tries {
		if _, err := conn.Write(append(id[:8:8], request...)); err != nil {
			return nil, err
		}
		select {
		case r := <-results:
			return r.answer, r.err
		case <-time.After(wait):
		}
	}
	return nil, os.ErrDeadlineExceeded
}

func oneDeadline(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	conn.SetReadDeadline(time.Now().Add(wait))
	return listening(readWithoutDeadline)(conn, request, limit, tries, wait)
}

func newIDs(
	conn net.Conn,
	request []byte,
	limit, tries int,
	wait time.Duration,
) (answer []byte, err error) {
	for range tries {
		answer, err = datagram.Exchange(conn, request, limit, 1, wait)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
	}
	return answer, err
}

func lastNotAwaited(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	defer conn.SetReadDeadline(time.Time{})
	id := make([]byte, 8)
	rand.Read(id)
	for try := 1; ; try++ {
		if _, err := conn.Write(append(id[:8:8], request...)); err != nil {
			return nil, err
		}
		if try == tries {
			return nil, os.ErrDeadlineExceeded
		}
		answer, err := readRight(conn, id, limit, wait)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return answer, err
		}
	}
}

func sameID(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	return asking(conn, []byte("socket 1"), request, limit, tries, wait, readRight)
}

func counting() exchangeFunc {
	var last atomic.Uint64
	return func(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
		id := binary.LittleEndian.AppendUint64(nil, last.Add(1))
		return asking(conn, id, request, limit, tries, wait, readRight)
	}
}

// identified makes the id of a call otherwise than at random.
func identified(id func() []byte) exchangeFunc {
	return func(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
		return asking(conn, id(), request, limit, tries, wait, readRight)
	}
}

var lastMicro atomic.Int64

// clock returns the time in nanoseconds, and not the same microsecond twice, however slowly the system's
// clock ticks.
func clock() uint64 {
	for {
		now, last := time.Now().UnixNano(), lastMicro.Load()
		if now/1000 > last && lastMicro.CompareAndSwap(last, now/1000) {
			return uint64(now)
		}
	}
}

func clockBig() []byte { return binary.BigEndian.AppendUint64(nil, clock()) }

func clockLittle() []byte { return binary.LittleEndian.AppendUint64(nil, clock()) }

func clockDigits() []byte { return fmt.Appendf(nil, "%08d", clock()/1000%1e8) }

func processAndClock() []byte {
	id := binary.BigEndian.AppendUint32(nil, uint32(os.Getpid()))
	return binary.BigEndian.AppendUint32(id, uint32(clock()%1e9))
}

func striding() func() []byte {
	var last atomic.Uint64
	return func() []byte {
		step := make([]byte, 8)
		rand.Read(step)
		return binary.BigEndian.AppendUint64(nil, last.Add(binary.BigEndian.Uint64(step)>>5))
	}
}

// twoRandom never makes the same id twice: of 65,536 two of some seventy are the same in one run of thirty.
func twoRandom() func() []byte {
	var made sync.Map
	return func() []byte {
		for {
			id := []byte("socket..")
			rand.Read(id[6:])
			if _, again := made.LoadOrStore(string(id), true); !again {
				return id
			}
		}
	}
}

func readAny(conn net.Conn, _ []byte, limit int, wait time.Duration) ([]byte, error) {
	conn.SetReadDeadline(time.Now().Add(wait))
	buf := make([]byte, 65507)
	n, err := conn.Read(buf)
	if err != nil {
		return nil, err
	}
	answer := buf[min(8, n):n]
	if len(answer) > limit {
		return nil, errTooLong
	}
	return answer, nil
}

func readFirst(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
	conn.SetReadDeadline(time.Now().Add(wait))
	buf := make([]byte, 65507)
	n, err := conn.Read(buf)
	if err != nil {
		return nil, err
	}
	answer, ours := bytes.CutPrefix(buf[:n], id)
	if !ours {
		return nil, errors.New("this is not the answer")
	}
	if len(answer) > limit {
		return nil, errTooLong
	}
	return answer, nil
}

func anotherEndsTry(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	return listening(func(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
		answer, err := readFirst(conn, id, limit, wait)
		if err != nil && err.Error() == "this is not the answer" {
			err = os.ErrDeadlineExceeded
		}
		return answer, err
	})(conn, request, limit, tries, wait)
}

func readHalf(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
	conn.SetReadDeadline(time.Now().Add(wait))
	buf := make([]byte, 65507)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if n < 8 || binary.LittleEndian.Uint32(buf) != binary.LittleEndian.Uint32(id) {
			continue
		}
		if n-8 > limit {
			return nil, errTooLong
		}
		return buf[8:n], nil
	}
}

func readSlices(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
	conn.SetReadDeadline(time.Now().Add(wait))
	buf := make([]byte, 65507)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if got, answer := buf[:8], buf[8:n]; bytes.Equal(got, id) {
			if len(answer) > limit {
				return nil, errTooLong
			}
			return answer, nil
		}
	}
}

func readContains(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
	conn.SetReadDeadline(time.Now().Add(wait))
	buf := make([]byte, 65507)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if bytes.Contains(buf[:n], id) {
			if n-8 > limit {
				return nil, errTooLong
			}
			return bytes.Replace(buf[:n], id, nil, 1), nil
		}
	}
}

// readBeyond compares what lies in the buffer, however much of it this datagram has brought.
func readBeyond(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
	conn.SetReadDeadline(time.Now().Add(wait))
	buf := make([]byte, 65507)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if bytes.Equal(buf[:8], id) {
			if n-8 > limit {
				return nil, errTooLong
			}
			return buf[8:max(8, n)], nil
		}
	}
}

func read1024(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
	return readInto(conn, id, make([]byte, 1024), wait)
}

func readCut(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
	return readInto(conn, id, make([]byte, 8+limit), wait)
}

func readUnlimited(conn net.Conn, id []byte, _ int, wait time.Duration) ([]byte, error) {
	return readInto(conn, id, make([]byte, 65507), wait)
}

func readInto(conn net.Conn, id, buf []byte, wait time.Duration) ([]byte, error) {
	conn.SetReadDeadline(time.Now().Add(wait))
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if answer, ours := bytes.CutPrefix(buf[:n], id); ours {
			return answer, nil
		}
	}
}

func limitWithID(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	return datagram.Exchange(conn, request, limit-8, tries, wait)
}

func longIsLost(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	return listening(func(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
		answer, err := readRight(conn, id, limit, wait)
		if err == errTooLong {
			err = os.ErrDeadlineExceeded
		}
		return answer, err
	})(conn, request, limit, tries, wait)
}

func readRenewing(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
	buf := make([]byte, 65507)
	for {
		conn.SetReadDeadline(time.Now().Add(wait))
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		answer, ours := bytes.CutPrefix(buf[:n], id)
		if ours && len(answer) > limit {
			return nil, errTooLong
		}
		if ours {
			return answer, nil
		}
	}
}

func readAllErrorsTimeout(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
	answer, err := readRight(conn, id, limit, wait)
	if err != nil && err != errTooLong {
		err = os.ErrDeadlineExceeded
	}
	return answer, err
}

func writeIgnored(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	defer conn.SetReadDeadline(time.Time{})
	id := make([]byte, 8)
	rand.Read(id)
	for range tries {
		conn.Write(append(id[:8:8], request...))
		answer, err := readRight(conn, id, limit, wait)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return answer, err
		}
	}
	return nil, os.ErrDeadlineExceeded
}

func writeAgain(
	conn net.Conn,
	request []byte,
	limit, tries int,
	wait time.Duration,
) (answer []byte, err error) {
	defer conn.SetReadDeadline(time.Time{})
	id := make([]byte, 8)
	rand.Read(id)
	for range tries {
		if _, err = conn.Write(append(id[:8:8], request...)); err != nil {
			continue
		}
		answer, err = readRight(conn, id, limit, wait)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
	}
	return answer, err
}

func oneBuffer() exchangeFunc {
	var buffers sync.Map // by addresses: calls on several connections run at the same time
	return func(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
		answer, err := datagram.Exchange(conn, request, limit, tries, wait)
		kept, _ := buffers.LoadOrStore(ends(conn), make([]byte, 65507))
		buf := kept.([]byte)
		return buf[:copy(buf, answer)], err
	}
}

// ends names a connection without holding on to it.
func ends(conn net.Conn) string { return fmt.Sprint(conn.LocalAddr(), conn.RemoteAddr()) }

func closing(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	defer conn.Close()
	return datagram.Exchange(conn, request, limit, tries, wait)
}

// laterWriteIgnored looks at the error of the first Write only.
func laterWriteIgnored(
	conn net.Conn,
	request []byte,
	limit, tries int,
	wait time.Duration,
) ([]byte, error) {
	return datagram.Exchange(&laterWrites{Conn: conn}, request, limit, tries, wait)
}

type laterWrites struct {
	net.Conn
	writes int
}

func (l *laterWrites) Write(p []byte) (int, error) {
	n, err := l.Conn.Write(p)
	if l.writes++; l.writes > 1 {
		return len(p), nil
	}
	return n, err
}

func wiping(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	defer clear(request)
	return datagram.Exchange(conn, request, limit, tries, wait)
}

// roomForAll makes a buffer that an answer of limit bytes just does not fill.
func roomForAll(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	return listening(func(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
		conn.SetReadDeadline(time.Now().Add(wait))
		buf := make([]byte, limit+9)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return nil, err
			}
			answer, ours := bytes.CutPrefix(buf[:n], id)
			if ours && len(answer) > limit {
				return nil, errTooLong
			}
			if ours {
				return answer, nil
			}
		}
	})(conn, request, limit, tries, wait)
}

func twiceAsLong(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	return datagram.Exchange(conn, request, limit, tries, 2*wait)
}

// seen is a connection whose Reads look changes.
type seen struct {
	net.Conn
	look func(p []byte, n int, err error) (int, error)
}

func (s seen) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	return s.look(p, n, err)
}

// readAllButFirst compares with an offset of one too many.
func readAllButFirst(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
	return readRight(seen{conn, func(p []byte, n int, err error) (int, error) {
		if n >= len(id) && bytes.Equal(p[1:len(id)], id[1:]) {
			p[0] = id[0]
		}
		return n, err
	}}, id, limit, wait)
}

func doubled() []byte {
	half := make([]byte, 4)
	rand.Read(half)
	return append(half, half...)
}

// hashed makes ids that look random, and are the same in every run of the program.
func hashed() func() []byte {
	var calls atomic.Uint64
	return func() []byte {
		hash := md5.Sum(fmt.Append(nil, calls.Add(1)%fresh))
		return hash[:8]
	}
}

// timerForEach waits anew behind each datagram: a goroutine reads, and select has a time.After in the loop.
func timerForEach(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	id := make([]byte, 8)
	rand.Read(id)
	type result struct {
		data []byte
		err  error
	}
	results, over := make(chan result), make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			buf := make([]byte, 1<<16)
			n, err := conn.Read(buf)
			select {
			case results <- result{buf[:n], err}:
			case <-over:
				return
			}
			if err != nil {
				return
			}
		}
	})
	defer conn.SetReadDeadline(time.Time{})
	defer reader.Wait()
	defer conn.SetReadDeadline(time.Unix(1, 0))
	defer close(over)
	for range tries {
		if _, err := conn.Write(append(id[:8:8], request...)); err != nil {
			return nil, err
		}
		for waiting := true; waiting; {
			select {
			case <-time.After(wait):
				waiting = false
			case r := <-results:
				answer, ours := bytes.CutPrefix(r.data, id)
				switch {
				case r.err != nil:
					return nil, r.err
				case ours && len(answer) > limit:
					return nil, errTooLong
				case ours:
					return answer, nil
				}
			}
		}
	}
	return nil, os.ErrDeadlineExceeded
}

// seeded makes the same ids in every run of the program: startSeeded begins one.
func seeded() func() []byte {
	return func() []byte {
		seedMu.Lock()
		defer seedMu.Unlock()
		if seedCalls%fresh == 0 {
			seedGen = mathrand.NewPCG(1, 2)
		}
		seedCalls++
		return binary.LittleEndian.AppendUint64(nil, seedGen.Uint64())
	}
}

var (
	seedMu    sync.Mutex
	seedGen   *mathrand.PCG
	seedCalls int
)

func startSeeded() {
	seedMu.Lock()
	defer seedMu.Unlock()
	seedGen = mathrand.NewPCG(1, 2)
}

func atMostHundred(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	others := 0
	return datagram.Exchange(seen{conn, func(p []byte, n int, err error) (int, error) {
		if others++; others > 100 && err == nil && wait > time.Minute {
			err = errors.New("too many datagrams that are not the answer")
		}
		return n, err
	}}, request, limit, tries, wait)
}

func atMostTen(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	return datagram.Exchange(conn, request, limit, min(tries, 10), wait)
}

// sharing saves memory for answers that are alike.
func sharing() exchangeFunc {
	var known sync.Map
	return func(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
		answer, err := datagram.Exchange(conn, request, limit, tries, wait)
		same, _ := known.LoadOrStore(string(answer), answer)
		return same.([]byte), err
	}
}

func readAgain(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	return datagram.Exchange(seen{conn, func(_ []byte, n int, err error) (int, error) {
		if err == io.EOF || errors.Is(err, syscall.EINTR) {
			err = nil
		}
		return n, err
	}}, request, limit, tries, wait)
}

func trimmed(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	answer, err := datagram.Exchange(conn, request, limit, tries, wait)
	return bytes.TrimSpace(answer), err
}

// writeTimed sets a deadline for both directions behind the first Write.
func writeTimed(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	defer conn.SetDeadline(time.Time{})
	return listening(func(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
		conn.SetDeadline(time.Now().Add(wait))
		return readOn(conn, id, limit)
	})(conn, request, limit, tries, wait)
}

func listed(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	asked := make([]time.Time, 0, tries)
	return listening(func(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
		asked = append(asked, time.Now())
		return readRight(conn, id, limit, wait)
	})(conn, request, limit, tries, wait)
}

// timerLeft does not stop the timer of a try that was answered.
func timerLeft(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	return listening(func(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
		over := make(chan bool)
		time.AfterFunc(wait, func() {
			conn.SetReadDeadline(time.Unix(1, 0))
			close(over)
		})
		answer, err := readOn(conn, id, limit)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			<-over
			conn.SetReadDeadline(time.Time{})
		}
		return answer, err
	})(conn, request, limit, tries, wait)
}

func laterLower(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	id := make([]byte, 8)
	rand.Read(id)
	answer, err := asking(conn, id, request, limit, 1, wait, readRight)
	if tries == 1 || !errors.Is(err, os.ErrDeadlineExceeded) {
		return answer, err
	}
	return asking(conn, id, bytes.ToLower(request), limit, tries-1, wait, readRight)
}

// lettersFolded has 32 random bits as an id, in hexadecimal digits.
func lettersFolded(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	id := fmt.Appendf(nil, "%08x", mathrand.Uint32())
	return asking(conn, id, request, limit, tries, wait, readFolded)
}

func readFolded(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
	conn.SetReadDeadline(time.Now().Add(wait))
	for buf := make([]byte, 65507); ; {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if n < 8 || !bytes.EqualFold(buf[:8], id) {
			continue
		}
		if n-8 > limit {
			return nil, errTooLong
		}
		return buf[8:n], nil
	}
}

// comparedAsText takes a zero byte for the end of the id. So that it is found each time, every hundredth id
// has one, and no other.
func comparedAsText() exchangeFunc {
	var calls atomic.Int64
	return func(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
		id := make([]byte, 8)
		rand.Read(id)
		id = bytes.ReplaceAll(id, []byte{0}, []byte{1})
		if calls.Add(1)%100 == 0 {
			id[5] = 0
		}
		return asking(conn, id, request, limit, tries, wait, readText)
	}
}

func readText(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
	text, _, _ := bytes.Cut(id, []byte{0})
	conn.SetReadDeadline(time.Now().Add(wait))
	for buf := make([]byte, 65507); ; {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if n < 8 || !bytes.HasPrefix(buf[:8], text) {
			continue
		}
		if n-8 > limit {
			return nil, errTooLong
		}
		return buf[8:n], nil
	}
}

// secondTryEmptied means to throw away what the first try has left in the queue.
func secondTryEmptied(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	id := make([]byte, 8)
	rand.Read(id)
	try := 0
	read := func(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
		conn.SetReadDeadline(time.Now().Add(wait))
		if try++; try == 2 {
			conn.Read(make([]byte, 65507))
		}
		return readOn(conn, id, limit)
	}
	return asking(conn, id, request, limit, tries, wait, read)
}

func readSorted(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
	conn.SetReadDeadline(time.Now().Add(wait))
	for buf := make([]byte, 65507); ; {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if n < 8 || !bytes.Equal(slices.Sorted(slices.Values(buf[:8])), slices.Sorted(slices.Values(id))) {
			continue
		}
		if n-8 > limit {
			return nil, errTooLong
		}
		return bytes.Clone(buf[8:n]), nil
	}
}

func complement() []byte {
	id := make([]byte, 8)
	rand.Read(id[:4])
	for i := range 4 {
		id[4+i] = ^id[i]
	}
	return id
}

// remembering keeps the answers that have come over a connection.
func remembering() exchangeFunc {
	type question struct {
		ends, request string
		limit         int
	}
	var known sync.Map
	return func(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
		q := question{ends(conn), string(request), limit}
		if answer, ok := known.Load(q); ok {
			return bytes.Clone(answer.([]byte)), nil
		}
		answer, err := datagram.Exchange(conn, request, limit, tries, wait)
		if err == nil {
			known.Store(q, bytes.Clone(answer))
		}
		return answer, err
	}
}

// lastNotRefused takes every error of the last Read for silence.
func lastNotRefused(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	try := 0
	return listening(func(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
		answer, err := readRight(conn, id, limit, wait)
		if try++; errors.Is(err, syscall.ECONNREFUSED) && try == tries {
			err = os.ErrDeadlineExceeded
		}
		return answer, err
	})(conn, request, limit, tries, wait)
}

// sliding makes half an id in each call, and has the other half of the call before.
func sliding() func() []byte {
	var mu sync.Mutex
	last := make([]byte, 8)
	rand.Read(last)
	return func() []byte {
		mu.Lock()
		defer mu.Unlock()
		copy(last, last[4:])
		rand.Read(last[4:])
		return bytes.Clone(last)
	}
}

// patched makes one byte anew in each call.
func patched() func() []byte {
	var mu sync.Mutex
	last, calls := make([]byte, 8), 0
	rand.Read(last)
	return func() []byte {
		mu.Lock()
		defer mu.Unlock()
		calls++
		last[calls%8] += 1 + byte(mathrand.IntN(255)) // it is never the same id
		return bytes.Clone(last)
	}
}

func checksummed() []byte {
	id := make([]byte, 8)
	rand.Read(id[:7])
	for _, b := range id[:7] {
		id[7] += b
	}
	return id
}

// fresh is how many ids a seeded generator makes in a process that is new, which cases here share: more than
// one case needs, and no more than the suite knows.
const fresh = 80

// seededBytes is what seeded is, byte by byte and with the older package.
func seededBytes() func() []byte {
	var mu sync.Mutex
	var generator *oldrand.Rand
	calls := 0
	return func() []byte {
		mu.Lock()
		defer mu.Unlock()
		if calls%fresh == 0 {
			generator = oldrand.New(oldrand.NewSource(42))
		}
		calls++
		id := make([]byte, 8)
		for i := range id {
			id[i] = byte(generator.Intn(256))
		}
		return id
	}
}

// readAtLeast reads as if a datagram were a part of a stream.
func readAtLeast(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
	conn.SetReadDeadline(time.Now().Add(wait))
	for buf := make([]byte, 65507); ; {
		n, err := io.ReadAtLeast(conn, buf, 8)
		if err != nil {
			return nil, err
		}
		answer, ours := bytes.CutPrefix(buf[:n], id)
		if ours && len(answer) > limit {
			return nil, errTooLong
		}
		if ours {
			return bytes.Clone(answer), nil
		}
	}
}

var errFlooded = errors.New("too many other datagrams")

func atMostThousand(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	others := 0
	read := func(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
		conn.SetReadDeadline(time.Now().Add(wait))
		for buf := make([]byte, 65507); ; {
			n, err := conn.Read(buf)
			if err != nil {
				return nil, err
			}
			answer, ours := bytes.CutPrefix(buf[:n], id)
			if ours && len(answer) > limit {
				return nil, errTooLong
			}
			if ours {
				return bytes.Clone(answer), nil
			}
			if others++; others > 1000 && wait > time.Second {
				return nil, errFlooded
			}
		}
	}
	return listening(read)(conn, request, limit, tries, wait)
}

// multiplied lets no try last longer than the whole call may: ten times what all tries take, if that
// is a number.
func multiplied(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	all := 10 * time.Duration(tries) * wait
	if all > 0 {
		all += time.Hour // that a machine is slow is not the mistake
	}
	end := time.Now().Add(all)
	read := func(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
		deadline := time.Now().Add(wait)
		if end.Before(deadline) && time.Until(end) < 0 {
			deadline = end
		}
		conn.SetReadDeadline(deadline)
		return readOn(conn, id, limit)
	}
	return listening(read)(conn, request, limit, tries, wait)
}

func triesInByte(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	if tries < 1<<30 {
		tries = int(uint8(tries))
	}
	return datagram.Exchange(conn, request, limit, tries, wait)
}

func limit16(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	return datagram.Exchange(conn, request, int(uint16(limit)), tries, wait)
}

func read65000(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
	conn.SetReadDeadline(time.Now().Add(wait))
	for buf := make([]byte, 65000); ; {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		answer, ours := bytes.CutPrefix(buf[:n], id)
		if ours && len(answer) > limit {
			return nil, errTooLong
		}
		if ours {
			return bytes.Clone(answer), nil
		}
	}
}

func buffersInTurn() exchangeFunc {
	var mu sync.Mutex
	var buffers [64][]byte
	for i := range buffers {
		buffers[i] = make([]byte, 0, 70_000)
	}
	turn := 0
	return func(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
		answer, err := datagram.Exchange(conn, request, limit, tries, wait)
		mu.Lock()
		defer mu.Unlock()
		turn++
		buffers[turn%64] = append(buffers[turn%64][:0], answer...)
		return buffers[turn%64], err
	}
}

// readsBehind takes the room behind the request for its own.
func readsBehind(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	answer, err := datagram.Exchange(conn, request, limit, tries, wait)
	if room := request[len(request):cap(request)]; len(room) >= 65507 {
		copy(room, answer)
	}
	return answer, err
}

// timerLeftSilent stops its timer when there is an answer.
func timerLeftSilent(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	timer := time.AfterFunc(time.Hour, func() { conn.Close() })
	answer, err := datagram.Exchange(conn, request, limit, tries, wait)
	if err == nil {
		timer.Stop()
	}
	return answer, err
}

// echoPassedOver takes an answer that is the same as the request for the request itself.
func echoPassedOver(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	return listening(func(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
		conn.SetReadDeadline(time.Now().Add(wait))
		for {
			answer, err := readOn(conn, id, limit)
			if err != nil || len(answer) == 0 || !bytes.Equal(answer, request) {
				return answer, err
			}
		}
	})(conn, request, limit, tries, wait)
}

// firstOrNone passes over other datagrams in the first try, and in the later ones also what is behind them.
func firstOrNone(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	try := 0
	return listening(func(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
		if try++; try == 1 {
			return readRight(conn, id, limit, wait)
		}
		conn.SetReadDeadline(time.Now().Add(wait))
		buf := make([]byte, 65507)
		for first := true; ; first = false {
			n, err := conn.Read(buf)
			if err != nil {
				return nil, err
			}
			answer, ours := bytes.CutPrefix(buf[:n], id)
			if ours && first && len(answer) <= limit {
				return answer, nil
			}
		}
	})(conn, request, limit, tries, wait)
}

// readShrinking reads into what the datagram before has left of the buffer.
func readShrinking(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
	conn.SetReadDeadline(time.Now().Add(wait))
	buf := make([]byte, 65507)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if answer, ours := bytes.CutPrefix(buf[:n], id); ours {
			if len(answer) > limit {
				return nil, errTooLong
			}
			return answer, nil
		}
		buf = buf[:max(n, len(id))]
	}
}

// readCharacters refuses an answer of more than limit characters.
func readCharacters(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
	answer, err := readRight(conn, id, math.MaxInt, wait)
	if err == nil && utf8.RuneCount(answer) > limit {
		err = errTooLong
	}
	return answer, err
}

func readWithoutID(conn net.Conn, id []byte, limit int, wait time.Duration) ([]byte, error) {
	answer, err := readRight(conn, id, limit, wait)
	return bytes.ReplaceAll(answer, id, nil), err
}

// joined adds to an error what was wrong in the tries before.
func joined(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	defer conn.SetReadDeadline(time.Time{})
	id := make([]byte, 8)
	rand.Read(id)
	var before error
	for range tries {
		if _, err := conn.Write(append(bytes.Clone(id), request...)); err != nil {
			return nil, err
		}
		answer, err := readRight(conn, id, limit, wait)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			before = err
		case err == errTooLong && before != nil:
			return nil, fmt.Errorf("%w (before that: %w)", err, before)
		default:
			return answer, err
		}
	}
	return nil, before
}

// readOver has one buffer for what it sends and for what it reads.
func readOver(conn net.Conn, request []byte, limit, tries int, wait time.Duration) ([]byte, error) {
	defer conn.SetReadDeadline(time.Time{})
	id := make([]byte, 8)
	rand.Read(id)
	buf := make([]byte, 65507)
	packet := append(append(buf[:0], id...), request...)
	for range tries {
		if _, err := conn.Write(packet); err != nil {
			return nil, err
		}
		conn.SetReadDeadline(time.Now().Add(wait))
		for {
			n, err := conn.Read(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return nil, err
			}
			answer, ours := bytes.CutPrefix(buf[:n], id)
			if ours && len(answer) > limit {
				return nil, errTooLong
			}
			if ours {
				return answer, nil
			}
		}
	}
	return nil, os.ErrDeadlineExceeded
}
