package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// carried is what crosses in the tests below.
type carried struct {
	N     int8
	Text  string
	Bytes []byte
	Lists [][]byte
	Words []string
	Err   error
	At    time.Time
	Inner *struct{ F float32 }
	Map   map[string]int
	Conn  net.Conn
	Each  func(int) error
	Any   any
	Array [2]bool
}

type carrying struct{ F func(carried) carried }

// FuzzDecode: whatever a child sends, the judge does not panic, and makes nothing of it that is out of
// proportion.
func FuzzDecode(f *testing.F) {
	valid := func() []byte {
		s, err := newSide(false, io.Discard, reflect.TypeFor[carrying]())
		require.NoError(f, err)
		e := begin(nil, kindReturn, 2, 1)
		s.encodeValues(e, []reflect.Value{reflect.ValueOf(carried{
			N: 1, Text: "a", Bytes: []byte("b"), Lists: [][]byte{{1}, nil, {}}, Words: []string{"w"},
			Err: fmt.Errorf("x: %w", io.EOF), At: time.Now(), Inner: &struct{ F float32 }{1}, Any: "x",
			Map: map[string]int{"k": 1},
		})}, true)
		return frame(e)
	}
	f.Add(valid())
	f.Add(header(60<<20, 0))
	f.Add(frame(callOf(3, 1, 1, mRead, 10)))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := newSide(true, io.Discard, reflect.TypeFor[carrying]())
		require.NoError(t, err)
		in := reader{newReader(bytes.NewReader(data)), func(*message, int) []byte { return nil }}
		for {
			m, err := in.next()
			if err != nil {
				return
			}
			text := *m.body
			s.decodeAny(&text)
			files := *m.body
			s.decodeError(&files)
			s.codec.Lock()
			s.decodeRegions(m.body)
			s.decode(m.body, reflect.TypeFor[carried]())
			s.codec.Unlock()
			m.body.end()
		}
	})
}

// cross sends a value to the other side.
func cross[T any](t *testing.T, from, to *side, v T) (got T) {
	t.Helper()
	e := &encoder{}
	from.encodeValues(e, []reflect.Value{reflect.ValueOf(&v).Elem()}, false)
	d := newDecoder(e.b)
	to.codec.Lock()
	defer to.codec.Unlock()
	to.decodeRegions(d)
	reflect.ValueOf(&got).Elem().Set(to.decode(d, reflect.TypeFor[T]()))
	require.NoError(t, d.end())
	return got
}

func sides(t *testing.T) (judge, child *side) {
	judge, err := newSide(true, io.Discard, reflect.TypeFor[carrying]())
	require.NoError(t, err)
	child, err = newSide(false, io.Discard, reflect.TypeFor[carrying]())
	require.NoError(t, err)
	return judge, child
}

func TestErrorsCross(t *testing.T) {
	judge, child := sides(t)
	cable := errors.New("the cable is cut")
	for _, err := range []error{
		nil, io.EOF, syscall.ECONNRESET, cable, fmt.Errorf("a: %w", cable), errors.Join(io.EOF, cable),
		&net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.EPIPE)},
		&net.OpError{Op: "read", Net: "udp", Err: os.ErrDeadlineExceeded},
		&os.PathError{Op: "open", Path: "x", Err: os.ErrNotExist}, context.DeadlineExceeded,
	} {
		there := cross(t, judge, child, err)
		require.Equal(t, fmt.Sprint(err), fmt.Sprint(there))
		for _, target := range []error{
			io.EOF, syscall.ECONNRESET, syscall.EPIPE, os.ErrDeadlineExceeded,
			os.ErrNotExist,
		} {
			require.Equal(t, errors.Is(err, target), errors.Is(there, target), "%v %v", err, target)
		}
		var timeout, timeoutThere net.Error
		require.Equal(t, errors.As(err, &timeout), errors.As(there, &timeoutThere))
		if timeout != nil {
			require.Equal(t, timeout.Timeout(), timeoutThere.Timeout())
		}
		require.Equal(t, err, cross(t, child, judge, there), "it comes back as the same")
		require.ErrorIs(t, cross(t, child, judge, fmt.Errorf("wrapped: %w", cmpOr(there))), cmpOr(err))
	}
}

func cmpOr(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}

func TestTimesCross(t *testing.T) {
	judge, child := sides(t)
	now := time.Now()
	for _, at := range []time.Time{{}, time.Unix(1, 0), now, now.Add(time.Hour), time.Unix(1<<40, 5)} {
		got := cross(t, child, judge, at)
		require.Equal(t, at.IsZero(), got.IsZero())
		require.WithinDuration(t, at, got, time.Millisecond)
		require.True(t, got.Equal(cross(t, child, judge, at)), "equal times stay equal")
	}
}

// TestCancelOvertakes: a context may be done before the message that brings it is read, and one is done for
// the other side before that gets the next message of a thread.
func TestCancelOvertakes(t *testing.T) {
	judge, child := sides(t)
	var sent bytes.Buffer
	child.out = &writer{out: &sent}
	ctx, cancel := context.WithCancel(t.Context())
	e := &encoder{}
	child.encodeContext(e, ctx)
	cancel()
	child.send(begin(nil, kindCall, 3, 1), nil)
	in := reader{newReader(&sent), func(*message, int) []byte { return nil }}
	m, err := in.next()
	require.NoError(t, err)
	require.Equal(t, kindCancel, m.kind, "before the call")
	require.NoError(t, judge.dispatch(m, nil))
	there := judge.decodeContext(newDecoder(e.b))
	require.Equal(t, context.Canceled, there.Err())
	require.Empty(t, judge.early)

	cancelled := func(number uint64) error {
		e := &encoder{}
		e.bool(false)
		e.uint(number)
		e.bool(false)
		return judge.cancel(newDecoder(e.b))
	}
	for number := range uint64(mostObjects) {
		require.NoError(t, cancelled(1000+number))
	}
	require.Error(t, cancelled(1), "so many contexts there cannot be")
}

// TestCancelledTogether: whoever sends waits for a context that somebody else is about to tell of.
func TestCancelledTogether(t *testing.T) {
	for range 1000 {
		judge, child := sides(t)
		var sent bytes.Buffer
		judge.out = &writer{out: &sent}
		ctx, cancel := context.WithCancel(t.Context())
		e := &encoder{}
		judge.encodeContext(e, ctx)
		there := child.decodeContext(newDecoder(e.b))
		var others sync.WaitGroup
		cancel()
		for range 4 {
			others.Go(judge.cancelled)
		}
		runtime.Gosched()
		judge.send(begin(nil, kindReturn, 3, 1), nil)
		others.Wait()
		in := reader{newReader(&sent), func(*message, int) []byte { return nil }}
		m, err := in.next()
		require.NoError(t, err)
		require.Equal(t, kindCancel, m.kind, "before the return")
		require.NoError(t, child.dispatch(m, nil))
		require.Error(t, there.Err())
	}
}

// TestDeadlinesTogether: a deadline that has passed on one side has passed on the other one, too,
// before that takes the next message of a thread.
func TestDeadlinesTogether(t *testing.T) {
	for _, first := range []string{"the side that made it", "the other side"} {
		judge, child := sides(t)
		var sent, answered bytes.Buffer
		judge.out, child.out = &writer{out: &sent}, &writer{out: &answered}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		e := &encoder{}
		judge.encodeContext(e, ctx)
		there := child.decodeContext(newDecoder(e.b))
		tells, told, hears, late := judge, &sent, child, there
		if first == "the other side" {
			tells, told, hears, late = child, &answered, judge, ctx
		}
		e = &encoder{}
		e.bool(first == "the other side")
		e.uint(judge.lastObject)
		e.bool(true)
		require.NoError(t, hears.cancel(newDecoder(e.b)))
		hears.settle()
		require.Equal(t, context.DeadlineExceeded, late.Err(), first)
		require.Empty(t, hears.due)

		<-ctx.Done()
		<-there.Done()
		tells.cancelled()
		in := reader{newReader(told), func(*message, int) []byte { return nil }}
		m, err := in.next()
		require.NoError(t, err)
		require.Equal(t, kindCancel, m.kind)
		require.NoError(t, hears.dispatch(m, nil))
		require.Len(t, hears.due, 1)
	}
}

// TestReapAfterTheEnd: the stream may end between the question which goroutines there are and its
// answer's use.
func TestReapAfterTheEnd(t *testing.T) {
	judge, _ := sides(t)
	waits := &thread{number: 3, inbox: make(chan message, 1), expects: true}
	judge.threads[waits.number] = waits
	judge.end(errOver)
	require.NotPanics(t, func() { judge.reap(func(*thread) bool { return true }) })
	_, open := <-waits.inbox
	require.False(t, open)
}

// TestSlicesShare: slices of one array are slices of one array on the other side, with what is behind them.
func TestSlicesShare(t *testing.T) {
	judge, child := sides(t)
	array := []byte("hello, world")
	got := cross(t, judge, child, carried{Bytes: array[:5], Lists: [][]byte{array[3:7], array[7:]}})
	require.Equal(t, "hello", string(got.Bytes))
	require.Equal(t, "hello, world", string(got.Bytes[:len(array)]))
	got.Bytes[4] = 'X'
	require.Equal(t, "lX, ", string(got.Lists[0]))

	judge, child = sides(t)
	array = []byte("hello, world")
	got = cross(t, child, judge, carried{Bytes: array[:5:8], Lists: [][]byte{array[5:7]}})
	require.Equal(t, ", ", string(got.Lists[0]))
	_ = append(got.Bytes, '!')
	require.Equal(t, "! ", string(got.Lists[0]), "the child's are, too")
	large := make([]byte, 5, 5+mostBehind+1)
	require.Equal(t, 5, cap(cross(t, child, judge, carried{Bytes: large}).Bytes), "if it is not much")
}

// TestChangesOvertake: messages in which one array has changed may be read in another order than they were
// written in, and somebody may be at work on the array while it is written.
func TestChangesOvertake(t *testing.T) {
	judge, child := sides(t)
	array := []byte("0123456789")
	there := cross(t, child, judge, carried{Bytes: array}).Bytes
	write := func(what string, at int) []byte {
		copy(array[at:], what)
		e := &encoder{}
		child.encodeChanges(e, child.changes(child.looked))
		return e.b
	}
	read := func(message []byte) {
		d := newDecoder(message)
		judge.decodeChanges(d, false)
		require.NoError(t, d.end())
	}
	first, second, third := write("abcdefgh", 1), write("XY", 3), write("Z", 6)
	read(third)
	read(second)
	require.Equal(t, "012XY5Z789", string(there))
	read(first)
	require.Equal(t, "0abXYeZgh9", string(there))
	require.Equal(t, string(array), string(there))
	e := &encoder{}
	judge.encodeChanges(e, judge.changes(judge.looked))
	require.Equal(t, []byte{0}, e.b, "nothing goes back")

	array[0] = '-'
	changed := child.changes(child.looked)
	array[0] = '0' // before it is encoded
	e = &encoder{}
	child.encodeChanges(e, changed)
	read(e.b)
	require.Equal(t, "-", string(there[:1]))
	read(write("", 0))
	require.Equal(t, string(array), string(there))

	lists := cross(t, child, judge, carried{Lists: [][]byte{array}}).Lists
	e = &encoder{}
	e.uint(1)
	for _, v := range []uint64{child.lastRegion, 100, 0, 1} {
		e.uint(v)
	}
	d := newDecoder(e.b)
	judge.decodeChanges(d, false)
	require.Error(t, d.err, "slices change when a call returns only")
	require.Equal(t, string(array), string(lists[0]))
}
