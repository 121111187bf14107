package patience_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"socketbook/labs/15/patiencetest"
	patience "socketbook/solutions/15"
	"socketbook/tools/check"
)

type (
	callFunc = func(ctx context.Context, conn net.Conn, request []byte, idle, total time.Duration) ([]byte,
		error)
	dialFunc = func(ctx context.Context) (net.Conn, error)
)

// right are the reference and correct answers in other styles.
var right = []check.Answer{
	answer("the reference", reference),
	answer("a goroutine that waits for the end of ctx, and recursion", patiencetest.Lab{
		Call: callWatched, WriteAll: writeAllRecursive, Dial: dialInLoop,
	}),
	answer("everything in a goroutine, with timers", patiencetest.Lab{
		Call: callInGoroutine, WriteAll: writeAllInChunks, Dial: dialWithTimer,
	}),
	answer("the nearer of two deadlines, under a lock", patiencetest.Lab{
		Call: callNearest, WriteAll: writeAllCopy, Dial: dialRecursive,
	}),
	answer("timers alone, and causes", patiencetest.Lab{
		Call: callTimers, WriteAll: patience.WriteAll, Dial: dialInGoroutine,
	}),
	answer("a type for the call, and one buffer", patiencetest.Lab{
		Call: callObject, WriteAll: writeAllSwitch, Dial: dialWithContext,
	}),
	answer("read deadlines that the reader itself checks", patiencetest.Lab{
		Call: callTwoDeadlines, WriteAll: patience.WriteAll, Dial: patience.Dial,
	}),
	answer("the length byte by byte", patiencetest.Lab{
		Call: callByteByByte, WriteAll: patience.WriteAll, Dial: patience.Dial,
	}),
	answer("a moment late in all that it does", patiencetest.Lab{
		Call: callLate, WriteAll: patience.WriteAll, Dial: dialLate,
	}),
}

// watch sets a deadline in the past when ctx ends. The function that it returns ends the watching.
func watch(ctx context.Context, conn net.Conn) (done func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-ctx.Done():
			conn.SetDeadline(time.Now())
		case <-quit:
		}
	}()
	return func() {
		close(quit)
		<-ended
		conn.SetDeadline(time.Time{})
	}
}

func callWatched(
	ctx context.Context,
	conn net.Conn,
	request []byte,
	idle, total time.Duration,
) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if total != 0 {
		limited, cancel := context.WithDeadline(ctx, time.Now().Add(total))
		defer cancel()
		ctx = limited
	}
	conn.SetDeadline(time.Time{})
	done := watch(ctx, conn)
	defer done()
	why := func(err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		}
		return err
	}
	for _, part := range [][]byte{binary.LittleEndian.AppendUint32(nil, uint32(len(request))), request} {
		if _, err := conn.Write(part); err != nil {
			return nil, why(err)
		}
	}
	fill := func(p []byte) error {
		for len(p) > 0 {
			if idle > 0 {
				conn.SetReadDeadline(time.Now().Add(idle))
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			n, err := conn.Read(p)
			if p = p[n:]; err != nil && len(p) > 0 {
				return why(err)
			}
		}
		return nil
	}
	head := make([]byte, 4)
	if err := fill(head); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(head)
	if size > 4<<20 {
		return nil, errors.New("the response is too long, or its length is negative")
	}
	body := make([]byte, size)
	return body, fill(body)
}

// oneByOne reads a few bytes one by one, as those of a length are.
type oneByOne struct{ net.Conn }

func (o oneByOne) Read(p []byte) (int, error) {
	if len(p) <= 4 {
		p = p[:min(1, len(p))]
	}
	return o.Conn.Read(p)
}

func callByteByByte(
	ctx context.Context, conn net.Conn, request []byte, idle, total time.Duration,
) ([]byte, error) {
	return patience.Call(ctx, oneByOne{conn}, request, idle, total)
}

// late pauses before it writes, and inside. A deadline that ends a call is a moment ahead.
type late struct{ net.Conn }

const moment = 8 * time.Millisecond

func (l late) Write(p []byte) (int, error) {
	time.Sleep(moment)
	half := len(p) / 2
	n, err := l.Conn.Write(p[:half])
	if err != nil {
		return n, err
	}
	time.Sleep(moment)
	more, err := l.Conn.Write(p[half:])
	return n + more, err
}

func (l late) SetDeadline(t time.Time) error {
	if soon := time.Now().Add(time.Millisecond); !t.IsZero() && t.Before(soon) {
		t = soon
	}
	return l.Conn.SetDeadline(t)
}

func callLate(
	ctx context.Context, conn net.Conn, request []byte, idle, total time.Duration,
) ([]byte, error) {
	return patience.Call(ctx, late{conn}, request, idle, total)
}

func dialLate(ctx context.Context, dial dialFunc, tries int, pause, most time.Duration) (net.Conn, error) {
	time.Sleep(moment)
	defer time.Sleep(moment)
	return patience.Dial(ctx, func(ctx context.Context) (net.Conn, error) {
		defer time.Sleep(moment)
		return dial(ctx)
	}, tries, pause, most)
}

func writeAllRecursive(w io.Writer, data []byte) (int, error) {
	if len(data) == 0 {
		return 0, nil
	}
	n, err := w.Write(data)
	if err != nil || n == len(data) {
		return n, err
	}
	if n == 0 {
		return 0, fmt.Errorf("nothing was taken: %w", io.ErrShortWrite)
	}
	more, err := writeAllRecursive(w, data[n:])
	return n + more, err
}

func dialInLoop(ctx context.Context, dial dialFunc, tries int, pause, most time.Duration) (net.Conn, error) {
	var last error
	for i := range tries {
		if i > 0 {
			if pause > most {
				pause = most
			}
			timer := time.NewTimer(pause)
			select {
			case <-ctx.Done():
				timer.Stop()
				return nil, ctx.Err()
			case <-timer.C:
			}
			pause += pause
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		conn, err := dial(ctx)
		if err == nil {
			return conn, nil
		}
		last = err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, last
}

// callInGoroutine lets a goroutine read and write without limits, and has all limits itself.
func callInGoroutine(
	ctx context.Context,
	conn net.Conn,
	request []byte,
	idle, total time.Duration,
) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	var over <-chan time.Time
	if total > 0 {
		over = time.After(total)
	}
	progress, result := make(chan struct{}), make(chan error, 1)
	quit := make(chan struct{})
	var response []byte
	go func() {
		tell := func() {
			select {
			case progress <- struct{}{}:
			case <-quit:
			}
		}
		result <- func() error {
			defer close(progress)
			out := make([]byte, 4, 4+len(request))
			binary.LittleEndian.PutUint32(out, uint32(len(request)))
			if _, err := conn.Write(append(out, request...)); err != nil {
				return err
			}
			tell()
			var got []byte
			for want := 4; len(got) < want; {
				p := make([]byte, want-len(got))
				n, err := conn.Read(p)
				if got = append(got, p[:n]...); len(got) == 4 && want == 4 {
					size := int32(binary.LittleEndian.Uint32(got))
					if size < 0 || size > 4194304 {
						return fmt.Errorf("a length of %d", size)
					}
					want += int(size)
				}
				if err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				if err != nil && len(got) < want {
					return err
				}
				tell()
			}
			response = got[4:]
			return nil
		}()
	}()
	var silent *time.Timer
	var silence <-chan time.Time
	var why error
	for why == nil {
		select {
		case _, more := <-progress:
			if !more {
				return response, <-result
			}
			if idle > 0 {
				if silent != nil {
					silent.Stop()
				}
				silent = time.NewTimer(idle)
				silence = silent.C
			}
		case <-silence:
			why = fmt.Errorf("nothing came for %v: %w", idle, os.ErrDeadlineExceeded)
		case <-over:
			why = fmt.Errorf("not done in %v: %w", total, context.DeadlineExceeded)
		case <-ctx.Done():
			why = ctx.Err()
		}
	}
	close(quit)
	conn.SetDeadline(time.Unix(0, 1))
	<-result
	conn.SetDeadline(time.Time{})
	return nil, why
}

func writeAllInChunks(w io.Writer, data []byte) (n int, err error) {
	for chunk := range slices.Chunk(data, 3000) {
		for len(chunk) > 0 {
			k, err := w.Write(chunk)
			n, chunk = n+k, chunk[k:]
			if err == nil && k < 1 {
				err = io.ErrShortWrite
			}
			if err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func dialWithTimer(
	ctx context.Context,
	dial dialFunc,
	tries int,
	pause, most time.Duration,
) (net.Conn, error) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var errs []error
	for ; tries > 0; tries-- {
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		conn, err := dial(ctx)
		switch {
		case ctx.Err() != nil:
			if conn != nil {
				conn.Close()
			}
			return nil, ctx.Err()
		case err == nil:
			return conn, nil
		}
		errs = append(errs, err)
		timer.Reset(min(pause, most))
		pause = 2 * min(pause, most)
	}
	return nil, errors.Join(errs...)
}

// callNearest sets one deadline before each Read, and lets nobody set it meanwhile.
func callNearest(
	ctx context.Context,
	conn net.Conn,
	request []byte,
	idle, total time.Duration,
) ([]byte, error) {
	return nearest(ctx, conn, request, idle, total, false)
}

// nearest is callNearest, if total does not begin anew when the request is written.
func nearest(
	ctx context.Context,
	conn net.Conn,
	request []byte,
	idle, total time.Duration,
	anew bool,
) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("call: %w", ctx.Err())
	}
	var end time.Time
	if total > 0 {
		end = time.Now().Add(total)
	}
	var mu sync.Mutex
	cancelled := false
	ended := make(chan bool, 1)
	conn.SetDeadline(end)
	stop := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		cancelled = true
		conn.SetDeadline(time.Unix(1, 0))
		ended <- true
	})
	defer func() {
		if !stop() {
			<-ended
		}
		conn.SetDeadline(time.Time{})
	}()
	why := func(err error) error {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case cancelled:
			return ctx.Err()
		case total > 0 && !time.Now().Before(end):
			return context.DeadlineExceeded
		}
		return err
	}
	read := func(p []byte) error {
		got := 0
		for got < len(p) {
			mu.Lock()
			if !cancelled && idle > 0 {
				next := time.Now().Add(idle)
				if total > 0 && end.Before(next) {
					next = end
				}
				conn.SetReadDeadline(next)
			}
			mu.Unlock()
			n, err := conn.Read(p[got:])
			got += n
			if got < len(p) && err != nil {
				if err == io.EOF {
					return io.ErrUnexpectedEOF
				}
				return why(err)
			}
		}
		return nil
	}
	var message bytes.Buffer
	binary.Write(&message, binary.LittleEndian, int32(len(request)))
	message.Write(request)
	if _, err := message.WriteTo(conn); err != nil {
		return nil, why(err)
	}
	if mu.Lock(); anew && total > 0 && !cancelled {
		end = time.Now().Add(total)
		conn.SetReadDeadline(end)
	}
	mu.Unlock()
	var head [4]byte
	if err := read(head[:]); err != nil {
		return nil, err
	}
	var size int32
	binary.Read(bytes.NewReader(head[:]), binary.LittleEndian, &size)
	if size < 0 || size > 1<<22 {
		return nil, fmt.Errorf("%d bytes: too long", size)
	}
	body := make([]byte, size)
	if err := read(body); err != nil {
		return nil, err
	}
	return body, nil
}

// writeAllCopy writes pieces of a copy.
func writeAllCopy(w io.Writer, data []byte) (int, error) {
	rest := bytes.Clone(data)
	for len(rest) > 0 {
		n, err := w.Write(rest[:min(len(rest), 1024)])
		rest = rest[n:]
		if n == 0 && err == nil {
			err = io.ErrShortWrite
		}
		if err != nil {
			return len(data) - len(rest), err
		}
	}
	return len(data), nil
}

func dialRecursive(
	ctx context.Context,
	dial dialFunc,
	tries int,
	pause, most time.Duration,
) (net.Conn, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	conn, err := dial(ctx)
	if err == nil {
		return conn, nil
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w (%w)", ctx.Err(), err)
	}
	if tries == 1 {
		return nil, err
	}
	if pause > most {
		pause = most
	}
	wait, cancel := context.WithTimeout(ctx, pause)
	defer cancel()
	<-wait.Done()
	return dialRecursive(ctx, dial, tries-1, 2*pause, most)
}

var errIdle = fmt.Errorf("silence: %w", os.ErrDeadlineExceeded)

// callTimers sets no deadline but one in the past: a timer ends a context for idle.
func callTimers(
	ctx context.Context,
	conn net.Conn,
	request []byte,
	idle, total time.Duration,
) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	conn.SetReadDeadline(time.Time{})
	conn.SetWriteDeadline(time.Time{})
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if total > 0 {
		var cancelTotal context.CancelFunc
		ctx, cancelTotal = context.WithTimeoutCause(
			ctx,
			total,
			fmt.Errorf("too long: %w", context.DeadlineExceeded),
		)
		defer cancelTotal()
	}
	var ends sync.WaitGroup
	ends.Add(1)
	stop := context.AfterFunc(ctx, func() {
		defer ends.Done()
		conn.SetDeadline(time.Unix(1, 0))
	})
	defer func() {
		if stop() {
			ends.Done()
		}
		ends.Wait()
		conn.SetDeadline(time.Time{})
	}()
	failed := func(err error) error {
		if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	message := append(binary.LittleEndian.AppendUint32(nil, uint32(len(request))), request...)
	if _, err := patience.WriteAll(conn, message); err != nil {
		return nil, failed(err)
	}
	var bell *time.Timer
	if idle > 0 {
		bell = time.AfterFunc(idle, func() { cancel(errIdle) })
		defer bell.Stop()
	}
	var all bytes.Buffer
	from := io.TeeReader(conn, &all)
	for want := 4; all.Len() < want; {
		n, err := from.Read(make([]byte, min(want-all.Len(), 1<<16)))
		if n > 0 && bell != nil && ctx.Err() == nil {
			bell.Reset(idle)
		}
		if want == 4 && all.Len() == 4 {
			size := int32(binary.LittleEndian.Uint32(all.Bytes()))
			if size < 0 || size > 4<<20 {
				return nil, errors.New("a bad length")
			}
			want += int(size)
		}
		if err != nil && all.Len() < want {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, failed(err)
		}
	}
	return all.Bytes()[4:], nil
}

// dialInGoroutine pauses in a goroutine.
func dialInGoroutine(
	ctx context.Context,
	dial dialFunc,
	tries int,
	pause, most time.Duration,
) (conn net.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err = patience.Dial(ctx, dial, tries, pause, most)
	}()
	<-done
	return conn, err
}

// caller is a call in progress.
type caller struct {
	net.Conn
	ctx  context.Context
	idle time.Duration
	buf  []byte
}

func (c *caller) fill(n int) ([]byte, error) {
	start := len(c.buf)
	for len(c.buf) < start+n {
		if c.idle > 0 {
			c.SetReadDeadline(time.Now().Add(c.idle))
		}
		select {
		case <-c.ctx.Done():
			return nil, c.ctx.Err()
		default:
		}
		room := make([]byte, start+n-len(c.buf))
		k, err := c.Read(room)
		c.buf = append(c.buf, room[:k]...)
		if len(c.buf) < start+n && err != nil {
			if errors.Is(err, io.EOF) {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return c.buf[start:], nil
}

func callObject(
	ctx context.Context,
	conn net.Conn,
	request []byte,
	idle, total time.Duration,
) (response []byte, err error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if total > 0 {
		limited, cancel := context.WithTimeout(ctx, total)
		defer cancel()
		ctx = limited
	}
	conn.SetDeadline(time.Time{})
	var wg sync.WaitGroup
	quit := make(chan struct{})
	wg.Go(func() {
		select {
		case <-quit:
		case <-ctx.Done():
			conn.SetReadDeadline(time.Unix(9, 0))
			conn.SetWriteDeadline(time.Unix(9, 0))
		}
	})
	defer func() {
		close(quit)
		wg.Wait()
		conn.SetDeadline(time.Time{})
		if err != nil && ctx.Err() != nil {
			err = fmt.Errorf("lab 15: %w", ctx.Err())
		}
	}()
	c := &caller{Conn: conn, ctx: ctx, idle: idle}
	out := net.Buffers{binary.LittleEndian.AppendUint32(nil, uint32(len(request))), request}
	if _, err := out.WriteTo(conn); err != nil {
		return nil, err
	}
	head, err := c.fill(4)
	if err != nil {
		return nil, err
	}
	size := int32(binary.LittleEndian.Uint32(head))
	if size < 0 || size > 4<<20 {
		return nil, fmt.Errorf("length %d", size)
	}
	return c.fill(int(size))
}

func writeAllSwitch(w io.Writer, data []byte) (n int, err error) {
	for {
		rest := data[n:]
		if len(rest) == 0 {
			return n, nil
		}
		switch k, err := w.Write(rest); {
		case err != nil:
			return n + k, fmt.Errorf("after %d bytes: %w", n+k, err)
		case k == 0:
			return n, io.ErrShortWrite
		default:
			n += k
		}
	}
}

// dialWithContext gives each try a context of its own.
func dialWithContext(
	ctx context.Context,
	dial dialFunc,
	tries int,
	pause, most time.Duration,
) (net.Conn, error) {
	for try := 0; ; try++ {
		own, cancel := context.WithCancel(ctx)
		if own.Err() != nil {
			cancel()
			return nil, ctx.Err()
		}
		conn, err := dial(own)
		cancel()
		if err == nil {
			return conn, conn.SetDeadline(time.Time{}) // dial may have had one
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if try == tries-1 {
			return nil, err
		}
		if pause > most {
			pause = most
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		pause <<= 1
	}
}

// callTwoDeadlines has a reader that asks, after each deadline that has passed, which one it was.
func callTwoDeadlines(
	ctx context.Context,
	conn net.Conn,
	request []byte,
	idle, total time.Duration,
) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	began := time.Now()
	var end time.Time
	if total > 0 {
		end = began.Add(total)
	}
	conn.SetDeadline(end)
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		conn.SetDeadline(time.Unix(1, 0))
	})
	response, err := func() ([]byte, error) {
		if _, err := conn.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(request)))); err != nil {
			return nil, err
		}
		if len(request) > 0 {
			if _, err := conn.Write(request); err != nil {
				return nil, err
			}
		}
		var got []byte
		need := 4
		for len(got) < need {
			if idle > 0 {
				d := time.Now().Add(idle)
				if !end.IsZero() && end.Before(d) {
					d = end
				}
				conn.SetReadDeadline(d)
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
			}
			chunk := make([]byte, min(need-len(got), 4096))
			n, err := conn.Read(chunk)
			got = append(got, chunk[:n]...)
			if len(got) == 4 && need == 4 {
				size := int32(binary.LittleEndian.Uint32(got))
				if size < 0 || size > 4194304 {
					return nil, fmt.Errorf("invalid length %d", size)
				}
				need = 4 + int(size)
			}
			if len(got) < need && err != nil {
				return nil, err
			}
		}
		return got[4:], nil
	}()
	if !stop() {
		<-interrupted
	}
	conn.SetDeadline(time.Time{})
	switch {
	case err == nil:
		return response, nil
	case err == io.EOF:
		return nil, io.ErrUnexpectedEOF
	case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded) && total > 0 && time.Since(began) >= total:
		return nil, context.DeadlineExceeded
	}
	return nil, err
}
