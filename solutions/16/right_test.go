package fortress_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"socketbook/labs/16/fortresstest"
	fortress "socketbook/solutions/16"
	"socketbook/tools/check"
)

type (
	limits    = fortresstest.Limits
	runFunc   = fortresstest.Command
	serveFunc = func(ln net.Listener, l limits, run runFunc) error
)

// right are the reference and correct answers in other styles.
var right = []check.Answer{
	answer("the reference", fortresstest.Adapt(fortress.Serve).Serve),
	flawed("a lock, a map of clients, and a byte read ahead", func(*fort) {}),
	flawed("four goroutines accept", func(f *fort) { f.acceptors = 4 }),
	flawed("the answer in three Writes, and the end of the stream behind a refusal", func(f *fort) {
		f.write = writeParts
		f.refuse = func(v *visitor, why error) {
			if v.f.write(v, -1, []byte("refused: no\n")) == nil {
				v.conn.(interface{ CloseWrite() error }).CloseWrite()
				v.conn.SetReadDeadline(time.Now().Add(v.f.limits.Answer))
				io.Copy(io.Discard, v)
			}
		}
	}),
	flawed("at most 64 KiB are thrown away", func(f *fort) {
		f.refuse = func(v *visitor, why error) {
			v.tell(why)
			v.conn.SetReadDeadline(time.Now().Add(v.f.limits.Answer))
			io.CopyN(io.Discard, v, 64<<10)
		}
	}),
	flawed("timers close what takes too long", func(f *fort) {
		f.write = func(v *visitor, status int, payload []byte) error {
			timer := time.AfterFunc(v.f.limits.Answer, func() { v.conn.Close() })
			defer timer.Stop()
			_, err := v.conn.Write(encode(status, payload))
			return err
		}
	}),
	flawed("looks for the client every 10 ms", func(f *fort) { f.watch = watchPolling }),
	flawed("looks every 3 ms whether run has returned", func(f *fort) {
		f.call = func(v *visitor, ctx context.Context, command []string) (output []byte, err error) {
			var returned atomic.Bool
			go func() {
				output, err = v.call(ctx, command)
				returned.Store(true)
			}()
			for !returned.Load() {
				time.Sleep(3 * time.Millisecond)
			}
			return output, err
		}
	}),
	flawed("each Write has 20 ms, and goes on until Answer has passed", func(f *fort) {
		f.write = func(v *visitor, status int, payload []byte) error {
			message := encode(status, payload)
			for until := time.Now().Add(f.limits.Answer); ; {
				v.conn.SetWriteDeadline(time.Now().Add(min(time.Until(until), 20*time.Millisecond)))
				n, err := v.conn.Write(message)
				message = message[n:]
				if !errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(until) {
					return err
				}
			}
		}
	}),
	answer("Close wakes who reads, and waits for it", func(ln net.Listener, l limits, run runFunc) error {
		return newFort(l, run).serve(waking{ln})
	}),
	answer("a goroutine that reads, and timers", serveSelect),
	answer("the next request is read meanwhile", serveAhead),
	answer("a MiB is read ahead, to the byte", serveMiB),
	flawed("looks for bytes every 10 ms, and is late after Accept has failed and when it closes", lateFort),
}

// lateFort reads with short deadlines, again and again, also while somebody else closes the connection.
func lateFort(f *fort) {
	var until sync.Map // visitor → the end of its time
	f.pause = func() { time.Sleep(100 * time.Millisecond) }
	f.leave = func(v *visitor) {
		time.Sleep(15 * time.Millisecond)
		v.leave()
	}
	f.await = func(v *visitor, _ bool) { until.Store(v, time.Now().Add(f.limits.Request)) }
	f.read = func(v *visitor, p []byte) (int, error) {
		end, _ := until.Load(v)
		for {
			left := time.Until(end.(time.Time))
			v.conn.SetReadDeadline(time.Now().Add(min(left, 10*time.Millisecond)))
			n, err := v.conn.Read(p)
			if n > 0 || left < 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				return n, err
			}
		}
	}
	f.refuse = func(v *visitor, why error) {
		if v.tell(why) == nil {
			until.Store(v, time.Now().Add(f.limits.Answer))
			io.Copy(io.Discard, v)
		}
	}
}

// errors that have a text for the client.
var (
	errFull  = errors.New("full")
	errPanic = errors.New("the command panicked")
	errLong  = errors.New("the output is too long")
)

// fort is a server with a lock and a map of clients. Its steps can be replaced.
type fort struct {
	limits    limits
	run       runFunc
	acceptors int

	mu      sync.Mutex
	clients map[*visitor]bool
	over    bool
	all     sync.WaitGroup
	base    context.Context

	valid   func(l limits) bool
	passing func(err error) bool
	pause   func()
	end     func(err error) error
	admit   func(f *fort) bool // with the lock
	tooMany func(v *visitor)
	stay    func(v *visitor)
	leave   func(v *visitor)
	cut     func(f *fort) // when Accept has failed
	await   func(v *visitor, first bool)
	read    func(v *visitor, p []byte) (int, error)
	request func(v *visitor) ([]string, error)
	parse   func(text []byte) (size int64, err error)
	take    func(v *visitor, what string, size int64, most int) ([]byte, error)
	words   func(text []byte) ([]string, error)
	execute func(v *visitor, command []string) (status int, payload []byte)
	call    func(v *visitor, ctx context.Context, command []string) ([]byte, error)
	timeout func(v *visitor) (context.Context, context.CancelFunc)
	watch   func(v *visitor, cancel func()) (stop func())
	leaves  func(err error) bool // what watch has met
	wrap    func(v *visitor, output []byte, err error) (status int, payload []byte)
	write   func(v *visitor, status int, payload []byte) error
	refuse  func(v *visitor, why error)
}

// visitor is one client.
type visitor struct {
	f     *fort
	conn  net.Conn
	ctx   context.Context
	ahead []byte // was read while run was running
	n     int    // requests
}

func newFort(l limits, run runFunc) *fort {
	return &fort{
		limits: l, run: run, acceptors: 1, clients: map[*visitor]bool{},
		valid:   valid,
		passing: passing,
		pause:   func() { time.Sleep(5 * time.Millisecond) },
		end:     end,
		admit:   func(f *fort) bool { return len(f.clients) < f.limits.MaxClients },
		tooMany: func(v *visitor) {
			v.tell(errFull)
			v.conn.Close()
		},
		stay:    (*visitor).stay,
		leave:   (*visitor).leave,
		cut:     (*fort).closeAll,
		await:   func(v *visitor, _ bool) { v.conn.SetReadDeadline(time.Now().Add(v.f.limits.Request)) },
		read:    func(v *visitor, p []byte) (int, error) { return v.conn.Read(p) },
		request: (*visitor).request,
		parse:   parse,
		take:    take,
		words:   words,
		execute: (*visitor).execute,
		call:    (*visitor).call,
		timeout: func(v *visitor) (context.Context, context.CancelFunc) {
			return context.WithTimeout(v.ctx, v.f.limits.Run)
		},
		watch:  (*visitor).watch,
		leaves: func(err error) bool { return err != io.EOF && !errors.Is(err, os.ErrDeadlineExceeded) },
		wrap:   wrap,
		write: func(v *visitor, status int, payload []byte) error {
			v.conn.SetWriteDeadline(time.Now().Add(v.f.limits.Answer))
			_, err := v.conn.Write(encode(status, payload))
			return err
		},
		refuse: func(v *visitor, why error) {
			if v.tell(why) == nil {
				v.conn.SetReadDeadline(time.Now().Add(v.f.limits.Answer))
				io.Copy(io.Discard, v)
			}
		},
	}
}

func valid(l limits) bool {
	return l.MaxClients > 0 && l.MaxHeader > 0 && l.MaxCommand > 0 && l.MaxOutput > 0 &&
		l.Request > 0 && l.Run > 0 && l.Answer > 0
}

func passing(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ECONNABORTED)
}

// end is what Serve returns.
func end(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("fortress: %w", err)
}

func (f *fort) serve(ln net.Listener) error {
	if !f.valid(f.limits) {
		return errors.New("a limit is not positive")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f.base = ctx
	failed := make(chan error, f.acceptors)
	for range f.acceptors {
		f.all.Go(func() { failed <- f.accept(ln) })
	}
	err := <-failed
	if f.acceptors > 1 {
		ln.Close()
	}
	cancel()
	f.cut(f)
	f.all.Wait()
	return f.end(err)
}

func (f *fort) accept(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if err != nil && f.passing(err) {
			f.pause()
			continue
		}
		if err != nil {
			return err
		}
		v := &visitor{f: f, conn: conn, ctx: f.base}
		f.mu.Lock()
		admitted := f.admit(f) && !f.over
		if admitted {
			f.clients[v] = true
		}
		f.mu.Unlock()
		if !admitted {
			f.tooMany(v)
			continue
		}
		f.all.Go(func() {
			defer f.leave(v)
			f.stay(v)
		})
	}
}

func (f *fort) closeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	for v := range f.clients {
		v.conn.Close()
	}
}

func (v *visitor) leave() {
	v.conn.Close()
	v.f.mu.Lock()
	defer v.f.mu.Unlock()
	delete(v.f.clients, v)
}

// Read brings what was read ahead first.
func (v *visitor) Read(p []byte) (int, error) {
	if len(v.ahead) > 0 {
		n := copy(p, v.ahead)
		v.ahead = v.ahead[n:]
		return n, nil
	}
	return v.f.read(v, p)
}

func (v *visitor) stay() {
	for ; ; v.n++ {
		v.f.await(v, v.n == 0)
		command, err := v.f.request(v)
		if err == io.EOF {
			return
		}
		if err != nil {
			v.f.refuse(v, err)
			return
		}
		status, payload := v.f.execute(v, command)
		if v.f.write(v, status, payload) != nil {
			return
		}
	}
}

func (v *visitor) request() ([]string, error) {
	var head [4]byte
	if _, err := io.ReadFull(v, head[:]); err != nil {
		return nil, err
	}
	text, err := v.f.take(v, "header", int64(int32(binary.LittleEndian.Uint32(head[:]))), v.f.limits.MaxHeader)
	if err != nil {
		return nil, err
	}
	size, err := v.f.parse(text)
	if err != nil {
		return nil, err
	}
	payload, err := v.f.take(v, "payload", size, v.f.limits.MaxCommand)
	if err != nil {
		return nil, err
	}
	return v.f.words(payload)
}

// parse finds total_size.
func parse(text []byte) (int64, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return 0, fmt.Errorf("bad JSON: %q", err.Error())
	}
	size, err := strconv.ParseInt(string(fields["total_size"]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("bad total_size %q", fields["total_size"])
	}
	return size, nil
}

// take reads what was announced, in steps.
func take(v *visitor, what string, size int64, most int) (b []byte, err error) {
	if size < 0 || size > int64(most) {
		return nil, fmt.Errorf("%s of %d bytes", what, size)
	}
	for int64(len(b)) < size {
		step := make([]byte, min(size-int64(len(b)), 4<<10))
		if _, err := io.ReadFull(v, step); err != nil {
			return nil, io.ErrUnexpectedEOF
		}
		b = append(b, step...)
	}
	return b, nil
}

func words(text []byte) ([]string, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("no UTF-8")
	}
	for _, c := range string(text) {
		if !unicode.IsPrint(c) {
			return nil, fmt.Errorf("the character %U", c)
		}
	}
	return strings.Fields(string(text)), nil
}

func (v *visitor) execute(command []string) (status int, payload []byte) {
	if len(command) == 0 {
		return 0, nil
	}
	ctx, cancel := v.f.timeout(v)
	defer cancel()
	stop := v.f.watch(v, cancel)
	output, err := v.f.call(v, ctx, command)
	stop()
	return v.f.wrap(v, output, err)
}

func (v *visitor) call(ctx context.Context, command []string) (output []byte, err error) {
	panicked := true
	defer func() {
		if panicked {
			recover()
			output, err = nil, errPanic
		}
	}()
	output, err = v.f.run(ctx, command)
	panicked = false
	return output, err
}

// watch reads one byte ahead, as net/http does.
func (v *visitor) watch(cancel func()) (stop func()) {
	if len(v.ahead) > 0 {
		return func() {}
	}
	v.conn.SetReadDeadline(time.Time{})
	over := make(chan []byte, 1)
	go func() {
		b := make([]byte, 1)
		n, err := v.conn.Read(b)
		if err != nil && v.f.leaves(err) {
			cancel()
		}
		over <- b[:n]
	}()
	return func() {
		v.conn.SetReadDeadline(time.Now())
		v.ahead = <-over
	}
}

func wrap(v *visitor, output []byte, err error) (status int, payload []byte) {
	if len(output) > v.f.limits.MaxOutput {
		output = output[:v.f.limits.MaxOutput]
		if err == nil {
			err = errLong
		}
	}
	if err == nil {
		return 0, output
	}
	return 1, slices.Concat(output, fmt.Appendf(nil, "error: %q\n", err.Error()))
}

func encode(status int, payload []byte) []byte {
	header := fmt.Sprintf(`{"status":%d,"total_size":%d}`, status, len(payload))
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(header)))
	return append(append(b, header...), payload...)
}

func (v *visitor) tell(why error) error {
	return v.f.write(v, -1, fmt.Appendf(nil, "refused: %v\n", why))
}

func writeParts(v *visitor, status int, payload []byte) error {
	v.conn.SetWriteDeadline(time.Now().Add(v.f.limits.Answer))
	b := encode(status, payload)
	header := len(b) - len(payload)
	for _, part := range [][]byte{b[:4], b[4:header], payload} {
		if _, err := v.conn.Write(part); err != nil {
			return err
		}
	}
	return nil
}

func watchPolling(v *visitor, cancel func()) (stop func()) {
	if len(v.ahead) > 0 {
		return func() {}
	}
	ended := make(chan bool)
	over := make(chan []byte, 1)
	go func() {
		b := make([]byte, 1)
		for {
			v.conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			n, err := v.conn.Read(b)
			if err != nil && v.f.leaves(err) {
				cancel()
			}
			if n > 0 || err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
				over <- b[:n]
				return
			}
			select {
			case <-ended:
				over <- nil
				return
			default:
			}
		}
	}()
	return func() {
		close(ended)
		v.ahead = <-over
	}
}

// serveSelect has a goroutine that reads for each client, all the time, and timers instead of deadlines.
func serveSelect(ln net.Listener, l limits, run runFunc) error {
	f := newFort(l, run)
	f.await = func(*visitor, bool) {}
	f.watch = func(*visitor, func()) func() { return func() {} }
	f.stay = func(v *visitor) {
		pieces, broken := make(chan []byte), make(chan struct{})
		var err error
		done := make(chan struct{})
		defer close(done)
		f.all.Go(func() {
			defer close(pieces)
			for err == nil {
				b := make([]byte, 4<<10)
				n := 0
				n, err = v.conn.Read(b)
				if err != nil && err != io.EOF {
					close(broken)
				}
				select {
				case pieces <- b[:n]:
				case <-done:
					return
				}
			}
		})
		var timer <-chan time.Time
		in := readerFunc(func(p []byte) (int, error) {
			for len(v.ahead) == 0 {
				select {
				case b, ok := <-pieces:
					if !ok {
						return 0, err
					}
					v.ahead = b
				case <-timer:
					return 0, os.ErrDeadlineExceeded
				}
			}
			n := copy(p, v.ahead)
			v.ahead = v.ahead[n:]
			return n, nil
		})
		for {
			timer = time.After(l.Request)
			command, err := readRequest(in, l)
			if err == io.EOF {
				return
			}
			if err != nil {
				if v.tell(err) == nil {
					timer = time.After(l.Answer)
					io.Copy(io.Discard, in)
				}
				return
			}
			status, payload := 0, []byte(nil)
			if len(command) > 0 {
				ctx, cancel := context.WithTimeout(v.ctx, l.Run)
				watched := make(chan struct{})
				go func() {
					defer close(watched)
					select {
					case <-broken:
						cancel()
					case <-ctx.Done():
					}
				}()
				output, err := v.call(ctx, command)
				cancel()
				<-watched
				status, payload = wrap(v, output, err)
			}
			if f.write(v, status, payload) != nil {
				return
			}
		}
	}
	return f.serve(ln)
}

// store is what was read ahead for a client.
type store struct {
	mu      sync.Mutex
	changed *sync.Cond
	data    []byte
	err     error
	until   time.Time // when the time is up
	over    bool
}

// room waits until there is less than a MiB, and returns how much is missing; 0 when it is over.
func (s *store) room() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.data) == 1<<20 && !s.over {
		s.changed.Wait()
	}
	if s.over {
		return 0
	}
	return 1<<20 - len(s.data)
}

// fill reads until there is a MiB, and goes on when something was taken.
func (s *store) fill(conn net.Conn) error {
	b := make([]byte, 32<<10)
	for room := s.room(); room > 0; room = s.room() {
		n, err := conn.Read(b[:min(room, len(b))])
		s.change(func() { s.data, s.err = append(s.data, b[:n]...), err })
		if err != nil {
			return err
		}
	}
	return io.EOF
}

// Read brings what is there.
func (s *store) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.data) == 0 && s.err == nil && time.Now().Before(s.until) {
		s.changed.Wait()
	}
	n := copy(p, s.data)
	s.data = s.data[n:]
	s.changed.Broadcast()
	switch {
	case n > 0:
		return n, nil
	case s.err != nil:
		return 0, s.err
	}
	return 0, os.ErrDeadlineExceeded
}

// change runs f under the lock and tells everybody.
func (s *store) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.changed.Broadcast()
}

// serveMiB has a goroutine that reads a MiB ahead for each client.
func serveMiB(ln net.Listener, l limits, run runFunc) error {
	f := newFort(l, run)
	f.stay = func(v *visitor) {
		base, broken := context.WithCancel(v.ctx)
		defer broken()
		s := &store{}
		s.changed = sync.NewCond(&s.mu)
		defer s.change(func() { s.over = true })
		f.all.Go(func() {
			if s.fill(v.conn) != io.EOF {
				broken()
			}
		})
		within := func(limit time.Duration) (stop func() bool) {
			s.change(func() { s.until = time.Now().Add(limit) })
			return time.AfterFunc(limit, func() { s.change(func() {}) }).Stop
		}
		for {
			stop := within(l.Request)
			command, err := readRequest(s, l)
			if stop(); err == io.EOF {
				return
			}
			if err != nil {
				if v.tell(err) == nil {
					defer within(l.Answer)()
					io.Copy(io.Discard, s)
				}
				return
			}
			status, payload := 0, []byte(nil)
			if len(command) > 0 {
				ctx, cancel := context.WithTimeout(base, l.Run)
				output, err := v.call(ctx, command)
				cancel()
				status, payload = wrap(v, output, err)
			}
			if f.write(v, status, payload) != nil {
				return
			}
		}
	}
	return f.serve(ln)
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// readRequest reads a request with a JSON decoder, and a limit that is a reader.
func readRequest(in io.Reader, l limits) ([]string, error) {
	var size int32
	if err := binary.Read(in, binary.LittleEndian, &size); err != nil {
		return nil, err
	}
	if size < 1 || int(size) > l.MaxHeader {
		return nil, errors.New("the size of the header is wrong")
	}
	var h struct {
		Size *int64 `json:"total_size"`
	}
	text, err := io.ReadAll(io.LimitReader(in, int64(size)))
	switch {
	case err != nil:
		return nil, err
	case len(text) < int(size):
		return nil, io.ErrUnexpectedEOF
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&h); err != nil {
		return nil, errors.New("the header is wrong")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("something is behind the header")
	}
	if h.Size == nil || *h.Size < 0 || *h.Size > int64(l.MaxCommand) {
		return nil, errors.New("the size of the command is wrong")
	}
	var b strings.Builder
	if n, err := io.CopyN(&b, in, *h.Size); err != nil {
		return nil, fmt.Errorf("%d bytes: %w", n, errors.Join(err))
	}
	return words([]byte(b.String()))
}

// serveAhead reads the next request while a command is running.
func serveAhead(ln net.Listener, l limits, run runFunc) error {
	f := newFort(l, run)
	type message struct {
		command []string
		err     error
	}
	f.stay = func(v *visitor) {
		in := bufio.NewReaderSize(v.conn, 1<<10)
		next := make(chan message, 1)
		begin := func() {
			f.all.Go(func() {
				command, err := readRequest(in, l)
				next <- message{command, err}
			})
		}
		begin()
		for {
			v.conn.SetReadDeadline(time.Now().Add(l.Request))
			m := <-next
			if m.err == io.EOF {
				return
			}
			if m.err != nil {
				f.refuse(v, m.err)
				return
			}
			v.conn.SetReadDeadline(time.Now().Add(math.MaxInt64))
			ctx, cancel := context.WithTimeout(v.ctx, l.Run)
			begin()
			over := make(chan struct{})
			var status int
			var payload []byte
			f.all.Go(func() {
				defer close(over)
				if len(m.command) > 0 {
					output, err := v.call(ctx, m.command)
					status, payload = wrap(v, output, err)
				}
			})
			select {
			case <-over:
			case m := <-next:
				if oe := new(net.OpError); errors.As(m.err, &oe) { // not a refusal, and not the end
					cancel()
				}
				next <- m
				<-over
			}
			cancel()
			if f.write(v, status, payload) != nil {
				v.conn.Close()
				<-next
				return
			}
		}
	}
	return f.serve(ln)
}

// waking is a listener with connections of which Close ends each Read with a deadline before it closes.
type waking struct{ net.Listener }

func (l waking) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &waker{Conn: conn}, nil
}

type waker struct {
	net.Conn
	mu     sync.Mutex
	closed bool
	reads  sync.WaitGroup
}

func (c *waker) Read(p []byte) (int, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return 0, net.ErrClosed
	}
	c.reads.Add(1)
	c.mu.Unlock()
	defer c.reads.Done()
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		err = net.ErrClosed
	}
	return n, err
}

func (c *waker) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	return c.Conn.SetReadDeadline(t)
}

func (c *waker) Close() error {
	c.mu.Lock()
	c.closed = true
	c.Conn.SetReadDeadline(time.Unix(1, 0))
	c.mu.Unlock()
	c.reads.Wait()
	return c.Conn.Close()
}
