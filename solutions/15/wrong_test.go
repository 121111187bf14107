package patience_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"testing/iotest"
	"time"

	"socketbook/labs/15/patiencetest"
	patience "socketbook/solutions/15"
	"socketbook/tools/check"
)

// wrong are the mistakes that people make, each with exactly the cases that must fail on it. The
// failure text of a case in testdata is the one that the first answer named for it provokes.
var wrong = []check.Answer{
	calling("the length in big-endian", parts{order: binary.BigEndian}.call, patiencetest.Exchange),
	calling("the length counts its own four bytes", parts{counts: 4}.call, patiencetest.Exchange),
	calling("a buffered reader made in the call", parts{reader: func(r io.Reader) io.Reader {
		return bufio.NewReader(r)
	}}.call, patiencetest.Exchange),
	calling("one Read for the response", parts{full: func(r io.Reader, p []byte) (int, error) {
		return r.Read(p)
	}}.call, patiencetest.Exchange),
	calling("bytes that come with an error do not count", parts{full: fullOrError}.call, patiencetest.Exchange),
	calling("byte by byte", byteByByte, patiencetest.Exchange),
	calling("responses of up to 64 KiB", parts{most: 1 << 16}.call, patiencetest.Exchange),
	calling("one buffer for all responses", sharedBuffer(), patiencetest.Exchange),
	calling("one call at a time in the whole program", oneAtATime(), patiencetest.Exchange),
	calling("the header put in front in the caller's array", headerInPlace, patiencetest.Exchange),
	calling("an empty response is an error", parts{least: 1}.call, patiencetest.Exchange),

	calling(
		"the context is not looked at",
		func(_ context.Context, conn net.Conn, request []byte, idle, total time.Duration,
		) ([]byte, error) {
			return patience.Call(context.Background(), conn, request, idle, total)
		},
		patiencetest.Cancel,
	),

	calling("no idle", parts{idle: func(time.Duration) time.Duration { return 0 }}.call,
		patiencetest.Silence),
	calling("no total", parts{total: func(time.Duration) time.Duration { return 0 }}.call,
		patiencetest.Silence),
	calling("idle of 0 is no time at all", parts{always: true}.call, patiencetest.Silence, patiencetest.Cancel),
	calling("idle of 0 is 30 seconds", parts{idle: func(d time.Duration) time.Duration {
		if d == 0 {
			return 30 * time.Second
		}
		return d
	}}.call, patiencetest.Silence),
	calling(
		"the two limits mixed up",
		func(ctx context.Context, conn net.Conn, request []byte, idle, total time.Duration,
		) ([]byte, error) {
			return patience.Call(ctx, conn, request, total, idle)
		},
		patiencetest.Silence,
	),
	calling("twice as long as idle", parts{idle: func(d time.Duration) time.Duration { return 2 * d }}.call,
		patiencetest.Silence),
	calling(
		"total in the words of a Read",
		parts{why: func(_ context.Context, err error) error { return err }}.call,
		patiencetest.Silence,
		patiencetest.Cancel,
	),
	calling("idle as context.DeadlineExceeded", parts{why: func(ctx context.Context, err error) error {
		if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
			return context.DeadlineExceeded
		}
		return endOf(ctx, err)
	}}.call, patiencetest.Silence),
	calling("both errors when total has passed", parts{why: func(ctx context.Context, err error) error {
		if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil {
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return err
	}}.call, patiencetest.Silence, patiencetest.Cancel),
	calling("errors of its own for the limits", parts{why: func(ctx context.Context, err error) error {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return errors.New("timeout")
		}
		return err
	}}.call, patiencetest.Silence, patiencetest.Cancel),
	calling("polling", polling, patiencetest.Exchange),

	calling("idle begins once", parts{idleBegins: 1}.call, patiencetest.Drip),
	calling("idle begins anew with each part of the response", parts{idleBegins: 2}.call, patiencetest.Drip),
	calling("idle for the writing, too", parts{idleWrites: true}.call, patiencetest.Drip),
	calling("total begins anew with each byte", parts{renews: true}.call, patiencetest.Drip),
	calling("total begins when the request is written", parts{totalLate: true}.call, patiencetest.Drip),
	calling(
		"total begins anew when the request is written",
		func(ctx context.Context, conn net.Conn, request []byte, idle, total time.Duration,
		) ([]byte, error) {
			return nearest(ctx, conn, request, idle, total, true)
		},
		patiencetest.Drip,
	),
	calling("only Reads have a limit", parts{past: net.Conn.SetReadDeadline}.call,
		patiencetest.Drip, patiencetest.Cancel),

	calling(
		"the context is looked at before the call only",
		func(ctx context.Context, conn net.Conn, request []byte,
			idle, total time.Duration,
		) ([]byte, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return patience.Call(context.Background(), conn, request, idle, total)
		},
		patiencetest.Cancel,
	),
	calling(
		"the request is sent although the context has ended",
		parts{sendsAnyway: true}.call,
		patiencetest.Cancel,
	),
	calling("only Writes are ended", parts{past: net.Conn.SetWriteDeadline}.call,
		patiencetest.Silence, patiencetest.Cancel),
	calling("the connection closed when the context ends", parts{past: func(conn net.Conn, _ time.Time) error {
		return conn.Close()
	}}.call, patiencetest.Silence, patiencetest.Cancel),
	calling(
		"the error of Read when the context has ended",
		parts{why: func(ctx context.Context, err error) error {
			if errors.Is(err, os.ErrDeadlineExceeded) && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return ctx.Err()
			}
			return err
		}}.call,
		patiencetest.Cancel,
	),
	calling("always context.Canceled", parts{why: func(ctx context.Context, err error) error {
		if !errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() == nil {
			return err
		}
		return context.Canceled
	}}.call, patiencetest.Silence, patiencetest.Cancel),
	calling(
		"the deadline of the context, and not its end",
		func(ctx context.Context, conn net.Conn, request []byte,
			idle, total time.Duration,
		) ([]byte, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			own := context.Background()
			if at, ok := ctx.Deadline(); ok {
				var cancel context.CancelFunc
				own, cancel = context.WithDeadline(own, at)
				defer cancel()
			}
			return patience.Call(own, conn, request, idle, total)
		},
		patiencetest.Cancel,
	),

	calling("a later deadline hides the end", parts{blind: true}.call, patiencetest.Lost),
	calling("the end looked for before the deadline is set", parts{looksFirst: true}.call, patiencetest.Lost),
	calling("two deadlines under one lock, and the end not looked for", lockedApart, patiencetest.Lost),

	calling("the function not stopped", func(ctx context.Context, conn net.Conn, request []byte,
		idle, total time.Duration,
	) ([]byte, error) {
		context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
		return patience.Call(ctx, conn, request, idle, total)
	}, patiencetest.After),
	calling("a timer for total that is not stopped", func(ctx context.Context, conn net.Conn, request []byte,
		idle, total time.Duration,
	) ([]byte, error) {
		begun := time.Now()
		response, err := patience.Call(ctx, conn, request, idle, total)
		if err == nil && total > 0 {
			time.AfterFunc(total-time.Since(begun), func() { conn.SetDeadline(time.Unix(1, 0)) })
		}
		return response, err
	}, patiencetest.After),
	calling("the function stopped, and not waited for", parts{hurries: true}.call, patiencetest.After),
	calling("a goroutine that watches the context to its end", watching,
		patiencetest.Exchange, patiencetest.After),
	calling("a deadline left behind", parts{keeps: func(error) bool { return true }}.call, patiencetest.After),
	calling("a deadline left behind by an error", parts{keeps: func(err error) bool { return err != nil }}.call,
		patiencetest.After),
	calling("the connection closed by an error", func(ctx context.Context, conn net.Conn, request []byte,
		idle, total time.Duration,
	) ([]byte, error) {
		response, err := patience.Call(ctx, conn, request, idle, total)
		if err != nil {
			conn.Close()
		}
		return response, err
	}, patiencetest.After),
	calling("the connection closed by an idle peer", func(ctx context.Context, conn net.Conn, request []byte,
		idle, total time.Duration,
	) ([]byte, error) {
		response, err := patience.Call(ctx, conn, request, idle, total)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			conn.Close()
		}
		return response, err
	}, patiencetest.After),
	calling("the caller's deadline stays", parts{trusts: true}.call, patiencetest.After),
	calling(
		"only the caller's deadline for Reads is taken back",
		parts{trustsWrites: true}.call,
		patiencetest.After,
	),

	calling(
		"io.EOF when nothing has come",
		parts{end: func(err error) error { return err }}.call,
		patiencetest.Ends,
	),
	calling("an end is a closed connection", parts{end: func(err error) error {
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			return net.ErrClosed
		}
		return err
	}}.call, patiencetest.Ends),
	calling("every timeout is idle", parts{why: func(ctx context.Context, err error) error {
		if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return os.ErrDeadlineExceeded
		}
		return err
	}}.call, patiencetest.Ends),
	calling("the length is not looked at", parts{most: math.MaxInt32}.call, patiencetest.Ends),
	calling("a negative length is an empty response", parts{negative: true}.call, patiencetest.Ends),
	calling("a length over the limit is cut", parts{cuts: true}.call, patiencetest.Ends),
	calling("errors in other words", parts{end: func(err error) error {
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err == nil || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		return fmt.Errorf("reading: %v", err)
	}}.call, patiencetest.Ends),
	calling("an error of Write ignored", parts{wrote: func(error) error { return nil }}.call,
		patiencetest.Ends),
	calling("an error of Read is the end", parts{end: func(err error) error {
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return io.ErrUnexpectedEOF
		}
		return err
	}}.call, patiencetest.Ends),

	writing("one Write", func(w io.Writer, data []byte) (int, error) { return w.Write(data) }),
	writing("one Write more", func(w io.Writer, data []byte) (int, error) {
		n, err := w.Write(data)
		if err == nil && n < len(data) {
			var k int
			k, err = w.Write(data[n:])
			n += k
		}
		return n, err
	}),
	writing("what was taken beside an error is not counted", func(w io.Writer, data []byte) (n int, err error) {
		for n < len(data) {
			k, err := w.Write(data[n:])
			if err != nil {
				return n, err
			}
			if n += k; k == 0 {
				return n, io.ErrShortWrite
			}
		}
		return n, nil
	}),
	writing("an error beside the last byte does not count", func(w io.Writer, data []byte) (int, error) {
		n, err := patience.WriteAll(w, data)
		if n == len(data) {
			err = nil
		}
		return n, err
	}),
	writing("0 beside an error", func(w io.Writer, data []byte) (int, error) {
		n, err := patience.WriteAll(w, data)
		if err != nil {
			n = 0
		}
		return n, err
	}),
	writing("always the length", func(w io.Writer, data []byte) (int, error) {
		_, err := patience.WriteAll(w, data)
		return len(data), err
	}),
	writing("how much the last Write has taken", func(w io.Writer, data []byte) (n int, err error) {
		for len(data) > 0 {
			if n, err = w.Write(data); err != nil {
				return n, err
			}
			if data = data[n:]; n == 0 {
				return n, io.ErrShortWrite
			}
		}
		return n, nil
	}),
	writing("on and on when nothing is taken", func(w io.Writer, data []byte) (n int, err error) {
		for n < len(data) && err == nil {
			var k int
			k, err = w.Write(data[n:])
			n += k
		}
		return n, err
	}),
	writing("nothing taken is an error of its own", func(w io.Writer, data []byte) (int, error) {
		n, err := patience.WriteAll(w, data)
		if err == io.ErrShortWrite {
			err = errors.New("stuck")
		}
		return n, err
	}),
	writing("tried again after an error", func(w io.Writer, data []byte) (int, error) {
		n, err := patience.WriteAll(w, data)
		if err == nil || err == io.ErrShortWrite {
			return n, err
		}
		k, err := patience.WriteAll(w, data[n:])
		return n + k, err
	}),
	writing("io.Copy", func(w io.Writer, data []byte) (int, error) {
		n, err := io.Copy(w, &onlyReader{data})
		return int(n), err
	}),
	writing("through a buffer", func(w io.Writer, data []byte) (int, error) {
		b := bufio.NewWriter(w)
		n, err := b.Write(data)
		return n, errors.Join(err, b.Flush())
	}),

	dialling("one try", func(p *dialParts) { p.tries = func(int) int { return 1 } }, patiencetest.Tries),
	dialling(
		"one try more",
		func(p *dialParts) { p.tries = func(n int) int { return n + 1 } },
		patiencetest.Tries,
	),
	dialling(
		"always the same pause",
		func(p *dialParts) { p.next = func(d time.Duration) time.Duration { return d } },
		patiencetest.Tries,
	),
	dialling("pauses that grow by the same", func(p *dialParts) {
		first := time.Duration(-1)
		p.next = func(d time.Duration) time.Duration {
			if first < 0 {
				first = d
			}
			return d + first
		}
	}, patiencetest.Tries),
	dialling("pauses three times as long each time", func(p *dialParts) {
		p.next = func(d time.Duration) time.Duration { return 3 * d }
	}, patiencetest.Tries),
	dialling("no pause", func(p *dialParts) { p.next = func(time.Duration) time.Duration { return 0 } },
		patiencetest.Tries),
	dialling(
		"pauses without a bound",
		func(p *dialParts) { p.bound = func(d, _ time.Duration) time.Duration { return d } },
		patiencetest.Tries,
	),
	dialling("the first pause is not bounded", func(p *dialParts) {
		p.bound = func(d, _ time.Duration) time.Duration { return d }
		p.after = func(d, most time.Duration) time.Duration { return min(d, most) }
	}, patiencetest.Tries),
	dialling("a bound of 0 taken for none", func(p *dialParts) {
		p.bound = func(d, most time.Duration) time.Duration {
			if most == 0 {
				return d
			}
			return min(d, most)
		}
	}, patiencetest.Tries),
	dialling("a pause grows as long as it is below the bound", func(p *dialParts) {
		first := true
		p.bound = func(d, most time.Duration) time.Duration {
			if first {
				d = min(d, most)
			}
			first = false
			return d
		}
		p.after = func(d, most time.Duration) time.Duration {
			if d/2 >= most {
				return d / 2
			}
			return d
		}
	}, patiencetest.Tries),
	dialling("pauses by shifting", func(p *dialParts) {
		first, try := time.Duration(-1), 0
		p.bound = func(d, most time.Duration) time.Duration {
			if first < 0 {
				first = d
			}
			try++
			return min(first<<(try-1), most)
		}
	}, patiencetest.Tries),
	dialling("a pause after the last try", func(p *dialParts) { p.late = true }, patiencetest.Tries),
	dialling("a pause before the first try", func(p *dialParts) { p.early = true }, patiencetest.Tries),
	dialling(
		"a ticker from the beginning of a try",
		func(p *dialParts) { p.fromBegin = true },
		patiencetest.Tries,
	),
	dialling("the error of the first try", func(p *dialParts) { p.first = true }, patiencetest.Tries),
	dialling("an error of its own", func(p *dialParts) { p.own = true }, patiencetest.Tries),
	dialling("a timeout of dial taken for the end of the context", func(p *dialParts) {
		p.final = func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }
	}, patiencetest.Tries),
	dialling("only timeouts are tried again", func(p *dialParts) {
		p.final = func(err error) bool {
			t, ok := errors.AsType[net.Error](err)
			return !ok || !t.Timeout()
		}
	}, patiencetest.Tries),
	dialling("a deadline left on the connection", func(p *dialParts) {
		p.got = func(conn net.Conn) net.Conn {
			conn.SetDeadline(time.Now().Add(time.Minute))
			return conn
		}
	}, patiencetest.Tries),
	dialling("the deadline of the context left on the connection", func(p *dialParts) {
		p.bind = func(ctx context.Context, conn net.Conn) {
			if end, ok := ctx.Deadline(); ok {
				conn.SetDeadline(end)
			}
		}
	}, patiencetest.Tries),
	dialling("no pause taken for one of its own", func(p *dialParts) {
		p.bound = func(d, most time.Duration) time.Duration {
			if d == 0 {
				d = 100 * time.Millisecond
			}
			return min(d, most)
		}
	}, patiencetest.Tries),
	dialling("the connection wrapped", func(p *dialParts) {
		p.got = func(conn net.Conn) net.Conn { return struct{ net.Conn }{conn} }
	}, patiencetest.Tries),

	dialling("a pause by time.Sleep", func(p *dialParts) { p.sleeps = true }, patiencetest.Gone),
	dialling("dial without the context", func(p *dialParts) {
		p.ctx = func(context.Context) context.Context { return context.Background() }
	}, patiencetest.Gone),
	dialling(
		"the context not looked at before the first try",
		func(p *dialParts) { p.blind = true },
		patiencetest.Gone,
	),
	dialling(
		"the error of dial when the context has ended",
		func(p *dialParts) { p.dials = true },
		patiencetest.Gone,
	),
	dialling("a limit for each try", func(p *dialParts) {
		p.ctx = func(ctx context.Context) context.Context {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			context.AfterFunc(ctx, cancel)
			return ctx
		}
	}, patiencetest.Tries),
	dialling("an error of its own when the context has ended", func(p *dialParts) { p.ownEnd = true },
		patiencetest.Gone),
	dialling("the connection forgotten when the context has ended", func(p *dialParts) { p.forgets = true },
		patiencetest.Gone),
	dialling("the connection closed when the context ends later", func(p *dialParts) {
		p.bind = func(ctx context.Context, conn net.Conn) {
			context.AfterFunc(ctx, func() { conn.Close() })
		}
	}, patiencetest.Gone),
}

// calling, writing and dialling are answers of which the rest is the reference.
func calling(name string, call callFunc, fails ...string) check.Answer {
	return answer(name, patiencetest.Lab{Call: call, WriteAll: patience.WriteAll, Dial: patience.Dial}, fails...)
}

func writing(name string, write func(w io.Writer, data []byte) (int, error)) check.Answer {
	return answer(name, patiencetest.Lab{Call: patience.Call, WriteAll: write, Dial: patience.Dial},
		patiencetest.Written)
}

func dialling(name string, change func(p *dialParts), fails ...string) check.Answer {
	return answer(name, patiencetest.Lab{
		Call: patience.Call, WriteAll: patience.WriteAll,
		Dial: func(ctx context.Context, dial dialFunc, tries int, pause, most time.Duration) (net.Conn, error) {
			var p dialParts
			change(&p)
			return p.dial(ctx, dial, tries, pause, most)
		},
	}, fails...)
}

// onlyReader keeps io.Copy from using a method of bytes.Reader.
type onlyReader struct{ data []byte }

func (r *onlyReader) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}

// parts are what may be wrong in a call.
type parts struct {
	order       binary.ByteOrder
	counts      int // bytes of the header that the length counts
	least, most int // of a response
	negative    bool
	cuts        bool

	reader func(io.Reader) io.Reader
	full   func(r io.Reader, p []byte) (int, error)
	wrote  func(error) error
	end    func(error) error                          // of a Read
	why    func(ctx context.Context, err error) error // of the call

	idle, total  func(time.Duration) time.Duration
	always       bool // a deadline for idle, also when it is 0
	idleBegins   int  // how often; 0: with each Read
	idleWrites   bool
	renews       bool // total
	totalLate    bool
	past         func(conn net.Conn, t time.Time) error
	sendsAnyway  bool
	blind        bool // does not look at the context after a deadline
	looksFirst   bool
	hurries      bool
	keeps        func(error) bool
	trusts       bool
	trustsWrites bool
}

func endOf(ctx context.Context, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (p parts) call(
	ctx context.Context,
	conn net.Conn,
	request []byte,
	idle, total time.Duration,
) ([]byte, error) {
	if err := ctx.Err(); err != nil && !p.sendsAnyway {
		return nil, err
	}
	switch {
	case p.trusts:
	case p.trustsWrites:
		conn.SetReadDeadline(time.Time{})
	default:
		conn.SetDeadline(time.Time{})
	}
	if p.idle != nil {
		idle = p.idle(idle)
	}
	if p.total != nil {
		total = p.total(total)
	}
	if p.past == nil {
		p.past = net.Conn.SetDeadline
	}
	limited, begins := ctx, func() {}
	if total > 0 {
		var cancel context.CancelCauseFunc
		limited, cancel = context.WithCancelCause(ctx)
		defer cancel(nil)
		if p.renews || p.totalLate {
			timer := time.AfterFunc(time.Hour, func() { cancel(context.DeadlineExceeded) })
			defer timer.Stop()
			begins = func() { timer.Reset(total) }
			if p.renews {
				begins()
			}
		} else {
			var stop context.CancelFunc
			limited, stop = context.WithTimeout(ctx, total)
			defer stop()
		}
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(limited, func() {
		defer close(ended)
		p.past(conn, time.Unix(1, 0))
	})
	response, err := p.exchange(&reader{parts: p, ctx: limited, conn: conn, idle: idle, renew: begins}, request)
	if !stop() && !p.hurries {
		<-ended
	}
	if p.keeps == nil || !p.keeps(err) {
		conn.SetDeadline(time.Time{})
	}
	if p.why != nil {
		return response, p.why(limited, err)
	}
	if limited.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, context.Cause(limited)
	}
	return response, err
}

func (p parts) exchange(r *reader, request []byte) ([]byte, error) {
	if p.order == nil {
		p.order = binary.LittleEndian
	}
	if p.most == 0 {
		p.most = 4 << 20
	}
	if p.full == nil {
		p.full = io.ReadFull
	}
	if p.end == nil {
		p.end = func(err error) error {
			if err == io.EOF {
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
	head := make([]byte, 4)
	p.order.PutUint32(head, uint32(len(request)+p.counts))
	if p.idleWrites && r.idle > 0 {
		r.conn.SetWriteDeadline(time.Now().Add(r.idle))
	}
	_, err := patience.WriteAll(r.conn, append(head[:4:4], request...))
	if p.wrote != nil {
		err = p.wrote(err)
	}
	if err != nil {
		return nil, err
	}
	if p.totalLate {
		r.renew()
	}
	var from io.Reader = r
	if p.reader != nil {
		from = p.reader(r)
	}
	r.part()
	if _, err := p.full(from, head); err != nil {
		return nil, p.end(err)
	}
	size := int(int32(p.order.Uint32(head))) - p.counts
	switch {
	case size < 0 && p.negative:
		return nil, nil
	case size > p.most && p.cuts:
		size = p.most
	case size < p.least || size > p.most:
		return nil, fmt.Errorf("a length of %d", size)
	}
	response := make([]byte, max(size, 0))
	r.part()
	_, err = p.full(from, response)
	return response, p.end(err)
}

// reader reads with the limit idle.
type reader struct {
	parts
	ctx   context.Context
	conn  net.Conn
	idle  time.Duration
	renew func()
	begun int
}

// part begins a part of the response.
func (r *reader) part() {
	if r.idleBegins > 0 && r.begun < r.idleBegins && r.idle > 0 {
		r.begun++
		r.conn.SetReadDeadline(time.Now().Add(r.idle))
	}
}

func (r *reader) Read(b []byte) (int, error) {
	if r.looksFirst && r.ctx.Err() != nil {
		return 0, os.ErrDeadlineExceeded
	}
	total := time.Time{} // when it ends, if that is nearer
	if (r.idle > 0 || r.always) && r.idleBegins == 0 {
		until := time.Now().Add(r.idle)
		if r.blind || r.looksFirst { // of the two, only a cancellation is missed, and not by chance total
			if end, limited := r.ctx.Deadline(); limited && end.Before(until) {
				until, total = end, end
			}
		}
		r.conn.SetReadDeadline(until)
	}
	if !r.blind && !r.looksFirst && r.ctx.Err() != nil {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := r.conn.Read(b)
	if !total.IsZero() && !time.Now().Before(total) && errors.Is(err, os.ErrDeadlineExceeded) {
		<-r.ctx.Done() // which happens at the same time
	}
	if n > 0 && r.renews {
		r.renew()
	}
	return n, err
}

// byteByByte has an hour for everything, as the largest response has in the suite.
func byteByByte(ctx context.Context, conn net.Conn, request []byte, idle, total time.Duration) ([]byte, error) {
	if idle < time.Hour || total < time.Hour {
		return patience.Call(ctx, conn, request, idle, total)
	}
	return parts{reader: iotest.OneByteReader}.call(ctx, conn, request, 0, 0)
}

// fullOrError is io.ReadFull for people who look at the error first.
func fullOrError(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) {
		k, err := r.Read(p[n:])
		if err != nil {
			return n, err
		}
		n += k
	}
	return n, nil
}

func sharedBuffer() callFunc {
	buf := map[net.Conn][]byte{}
	var mu sync.Mutex
	return func(ctx context.Context, conn net.Conn, request []byte, idle, total time.Duration) ([]byte, error) {
		response, err := patience.Call(ctx, conn, request, idle, total)
		mu.Lock()
		defer mu.Unlock()
		if len(buf[conn]) < len(response) {
			buf[conn] = make([]byte, 2*len(response))
		}
		return buf[conn][:copy(buf[conn], response)], err
	}
}

func oneAtATime() callFunc {
	var mu sync.Mutex
	return func(ctx context.Context, conn net.Conn, request []byte, idle, total time.Duration) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		return patience.Call(ctx, conn, request, idle, total)
	}
}

func headerInPlace(
	ctx context.Context,
	conn net.Conn,
	request []byte,
	idle, total time.Duration,
) ([]byte, error) {
	request = append(request, "\r\n"...)
	return patience.Call(ctx, conn, request[:len(request)-2], idle, total)
}

// polling lets a Read wait for a moment only, and looks then.
func polling(ctx context.Context, conn net.Conn, request []byte, idle, total time.Duration) ([]byte, error) {
	const moment = 5 * time.Millisecond
	began := time.Now()
	return parts{
		idle: func(time.Duration) time.Duration { return moment },
		full: func(r io.Reader, p []byte) (int, error) {
			last := time.Now()
			for n := 0; ; {
				k, err := io.ReadFull(r, p[n:])
				if n += k; k > 0 {
					last = time.Now()
				}
				switch {
				case n == len(p):
					return n, nil
				case ctx.Err() != nil:
					return n, ctx.Err()
				case total > 0 && time.Since(began) > total:
					return n, context.DeadlineExceeded
				case idle > 0 && time.Since(last) > idle || !errors.Is(err, os.ErrDeadlineExceeded):
					return n, err
				}
			}
		},
	}.call(ctx, conn, request, idle, total)
}

// lockedApart sets both deadlines under a lock, and looks at nothing.
func lockedApart(
	ctx context.Context,
	conn net.Conn,
	request []byte,
	idle, total time.Duration,
) ([]byte, error) {
	c := &lockedConn{Conn: conn}
	return parts{blind: true, past: func(_ net.Conn, t time.Time) error { return c.SetDeadline(t) }}.
		call(ctx, c, request, idle, total)
}

type lockedConn struct {
	net.Conn
	mu sync.Mutex
}

func (c *lockedConn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Conn.SetDeadline(t)
}

func (c *lockedConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Conn.SetReadDeadline(t)
}

// watching leaves its goroutine to the end of the context.
func watching(ctx context.Context, conn net.Conn, request []byte, idle, total time.Duration) ([]byte, error) {
	go func() {
		<-ctx.Done()
		conn.SetDeadline(time.Unix(1, 0))
	}()
	return patience.Call(ctx, conn, request, idle, total)
}

// dialParts are what may be wrong in a dial.
type dialParts struct {
	tries  func(int) int
	bound  func(d, most time.Duration) time.Duration // before a pause
	next   func(d time.Duration) time.Duration
	after  func(d, most time.Duration) time.Duration // after next
	ctx    func(context.Context) context.Context
	final  func(error) bool
	got    func(net.Conn) net.Conn
	bind   func(context.Context, net.Conn)
	early  bool // a pause before the first try
	late   bool // a pause after the last one
	sleeps bool
	blind  bool // the context is not looked at before the first try
	first  bool // the error of the first try
	own    bool
	ownEnd bool

	fromBegin bool
	dials     bool
	forgets   bool
}

func (p *dialParts) dial(
	ctx context.Context,
	dial dialFunc,
	tries int,
	pause, most time.Duration,
) (net.Conn, error) {
	over := func() error {
		if p.ownEnd {
			return errors.New("cancelled")
		}
		return ctx.Err()
	}
	if p.tries != nil {
		tries = p.tries(tries)
	}
	if p.bound == nil {
		p.bound = func(d, most time.Duration) time.Duration { return min(d, most) }
	}
	if p.next == nil {
		p.next = func(d time.Duration) time.Duration { return 2 * d }
	}
	given := ctx
	if p.ctx != nil {
		given = p.ctx(ctx)
	}
	wait := func(begun time.Time) error {
		d := p.bound(pause, most)
		pause = p.next(d)
		if p.after != nil {
			pause = p.after(pause, most)
		}
		if p.fromBegin {
			d -= time.Since(begun)
		}
		if p.sleeps {
			time.Sleep(d)
			return nil
		}
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return over()
		}
	}
	if p.early {
		wait(time.Now())
	}
	var errs []error
	for try := 1; try <= tries; try++ {
		if ctx.Err() != nil && !(p.blind && try == 1) {
			return nil, over()
		}
		begun := time.Now()
		conn, err := dial(given)
		if err == nil {
			if p.forgets && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if p.bind != nil {
				p.bind(ctx, conn)
			}
			if p.got != nil {
				conn = p.got(conn)
			}
			return conn, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			if p.dials {
				return nil, err
			}
			return nil, over()
		}
		if p.final != nil && p.final(err) {
			return nil, err
		}
		if try < tries || p.late {
			if err := wait(begun); err != nil {
				return nil, err
			}
		}
	}
	if p.own {
		return nil, errors.New("no connection")
	}
	if p.first {
		return nil, errs[0]
	}
	return nil, errs[len(errs)-1]
}
