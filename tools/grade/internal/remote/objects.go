package remote

import (
	"context"
	"errors"
	"io"
	"maps"
	"math/bits"
	"net"
	"reflect"
	"time"
)

// method is one that an object may have.
type method uint

const (
	mCall method = iota // of a function
	mRead
	mWrite
	mClose
	mCloseRead
	mCloseWrite
	mSeek
	mLocalAddr
	mRemoteAddr
	mSetDeadline
	mSetReadDeadline
	mSetWriteDeadline
	mSetLinger
	mSetNoDelay
	mSetKeepAlive
	mAccept
	mAddr
	mReadFrom // of a net.PacketConn
	mWriteTo
)

// shape is the set of methods that an object has, of those in the list.
type shape uint64

func shapeOf(all ...method) (s shape) {
	for _, m := range all {
		s |= 1 << m
	}
	return s
}

// What an object may do, by the interface that it has.
var abilities = []struct {
	m method
	t reflect.Type
}{
	{mRead, reflect.TypeFor[io.Reader]()},
	{mWrite, reflect.TypeFor[io.Writer]()},
	{mClose, reflect.TypeFor[io.Closer]()},
	{mCloseRead, reflect.TypeFor[interface{ CloseRead() error }]()},
	{mCloseWrite, reflect.TypeFor[interface{ CloseWrite() error }]()},
	{mSeek, reflect.TypeFor[io.Seeker]()},
	{mLocalAddr, reflect.TypeFor[interface{ LocalAddr() net.Addr }]()},
	{mRemoteAddr, reflect.TypeFor[interface{ RemoteAddr() net.Addr }]()},
	{mSetDeadline, reflect.TypeFor[interface{ SetDeadline(time.Time) error }]()},
	{mSetReadDeadline, reflect.TypeFor[interface{ SetReadDeadline(time.Time) error }]()},
	{mSetWriteDeadline, reflect.TypeFor[interface{ SetWriteDeadline(time.Time) error }]()},
	{mSetLinger, reflect.TypeFor[interface{ SetLinger(int) error }]()},
	{mSetNoDelay, reflect.TypeFor[interface{ SetNoDelay(bool) error }]()},
	{mSetKeepAlive, reflect.TypeFor[interface{ SetKeepAlive(bool) error }]()},
	{mAccept, reflect.TypeFor[interface{ Accept() (net.Conn, error) }]()},
	{mAddr, reflect.TypeFor[interface{ Addr() net.Addr }]()},
	{mReadFrom, reflect.TypeFor[interface {
		ReadFrom([]byte) (int, net.Addr, error)
	}]()},
	{mWriteTo, reflect.TypeFor[interface {
		WriteTo([]byte, net.Addr) (int, error)
	}]()},
}

func look(v any) (s shape) {
	t := reflect.TypeOf(v)
	for _, a := range abilities {
		if t.Implements(a.t) {
			s |= 1 << a.m
		}
	}
	return s
}

// object is one of the other side.
type object struct {
	s      *side
	number uint64
}

// The methods of proxies, a few at a time.
type (
	reads         struct{ *object }
	writes        struct{ *object }
	closes        struct{ *object }
	closesRead    struct{ *object }
	closesWrite   struct{ *object }
	seeks         struct{ *object }
	addresses     struct{ *object }
	readDeadline  struct{ *object }
	writeDeadline struct{ *object }
	deadline      struct{ *object }
	tunes         struct{ *object }
	lingers       struct{ *object }
	accepts       struct{ *object }
	packets       struct{ *object }
)

type connection struct {
	reads
	writes
	closes
	addresses
	deadline
	readDeadline
	writeDeadline
}

func newConnection(o *object) connection {
	return connection{
		reads{o}, writes{o}, closes{o}, addresses{o}, deadline{o}, readDeadline{o}, writeDeadline{o},
	}
}

var connMethods = shapeOf(mRead, mWrite, mClose, mLocalAddr, mRemoteAddr, mSetDeadline, mSetReadDeadline,
	mSetWriteDeadline)

// proxies are the kinds of proxies that there are. An object gets the one that has all of its methods,
// or as many as possible.
var proxies = []struct {
	has shape
	new func(o *object) any
}{
	{shapeOf(mRead), func(o *object) any { return &struct{ reads }{reads{o}} }},
	{shapeOf(mRead, mClose), func(o *object) any {
		return &struct {
			reads
			closes
		}{reads{o}, closes{o}}
	}},
	{shapeOf(mRead, mSeek), func(o *object) any {
		return &struct {
			reads
			seeks
		}{reads{o}, seeks{o}}
	}},
	{shapeOf(mRead, mSeek, mClose), func(o *object) any {
		return &struct {
			reads
			seeks
			closes
		}{reads{o}, seeks{o}, closes{o}}
	}},
	{shapeOf(mWrite), func(o *object) any { return &struct{ writes }{writes{o}} }},
	{shapeOf(mWrite, mClose), func(o *object) any {
		return &struct {
			writes
			closes
		}{writes{o}, closes{o}}
	}},
	{shapeOf(mWrite, mClose, mCloseWrite, mSetDeadline, mSetWriteDeadline), func(o *object) any {
		return &struct {
			writes
			closes
			closesWrite
			deadline
			writeDeadline
		}{writes{o}, closes{o}, closesWrite{o}, deadline{o}, writeDeadline{o}}
	}},
	{shapeOf(mRead, mWrite), func(o *object) any {
		return &struct {
			reads
			writes
		}{reads{o}, writes{o}}
	}},
	{shapeOf(mRead, mWrite, mClose), func(o *object) any {
		return &struct {
			reads
			writes
			closes
		}{reads{o}, writes{o}, closes{o}}
	}},
	{shapeOf(mClose), func(o *object) any { return &struct{ closes }{closes{o}} }},
	{connMethods, func(o *object) any { return &struct{ connection }{newConnection(o)} }},
	{connMethods | shapeOf(mCloseWrite), func(o *object) any {
		return &struct {
			connection
			closesWrite
		}{newConnection(o), closesWrite{o}}
	}},
	{connMethods | shapeOf(mCloseWrite, mCloseRead), func(o *object) any {
		return &struct {
			connection
			closesWrite
			closesRead
		}{newConnection(o), closesWrite{o}, closesRead{o}}
	}},
	{connMethods | shapeOf(mCloseWrite, mSetLinger), func(o *object) any {
		return &struct {
			connection
			closesWrite
			lingers
		}{newConnection(o), closesWrite{o}, lingers{o}}
	}},
	{
		connMethods | shapeOf(mCloseWrite, mCloseRead, mSetLinger, mSetNoDelay, mSetKeepAlive),
		func(o *object) any {
			return &struct {
				connection
				closesWrite
				closesRead
				lingers
				tunes
			}{newConnection(o), closesWrite{o}, closesRead{o}, lingers{o}, tunes{o}}
		},
	},
	{shapeOf(mAccept, mClose, mAddr), func(o *object) any {
		return &struct {
			accepts
			closes
		}{accepts{o}, closes{o}}
	}},
	{shapeOf(mAccept, mClose, mAddr, mSetDeadline), func(o *object) any {
		return &struct {
			accepts
			closes
			deadline
		}{accepts{o}, closes{o}, deadline{o}}
	}},
	{
		connMethods&^shapeOf(mRead, mWrite, mRemoteAddr) | shapeOf(mReadFrom, mWriteTo),
		func(o *object) any {
			return &struct {
				packets
				closes
				deadline
				readDeadline
				writeDeadline
			}{packets{o}, closes{o}, deadline{o}, readDeadline{o}, writeDeadline{o}}
		},
	},
}

// fitting returns what makes the proxy with the most methods of has that is a t; nil if there is none.
func fitting(has shape, t reflect.Type) (best func(o *object) any) {
	most := -1
	for _, p := range proxies {
		n := bits.OnesCount64(uint64(p.has))
		if p.has&^has == 0 && n > most && reflect.TypeOf(p.new(nil)).Implements(t) {
			best, most = p.new, n
		}
	}
	return best
}

const mostObjects = 100_000

const (
	objectNil = iota
	objectMine
	objectYours
)

// export gives a number to what the other side may call: a function, which is always new, or an object.
func (s *side) export(v reflect.Value) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastObject++
	s.mine[s.lastObject] = v
	return s.lastObject
}

// encodeObject encodes something that has methods.
func (s *side) encodeObject(e *encoder, v any) {
	if v == nil {
		e.byte(objectNil)
		return
	}
	same := reflect.TypeOf(v).Comparable() && reflect.ValueOf(v).Comparable()
	if same {
		s.mu.Lock()
		theirs, isTheirs := s.numberOf[v]
		mine := s.numbers[v]
		s.mu.Unlock()
		if isTheirs {
			e.byte(objectYours)
			e.uint(theirs)
			return
		}
		if mine > 0 {
			e.byte(objectMine)
			e.uint(mine)
			e.uint(uint64(look(v)))
			return
		}
	}
	number := s.export(reflect.ValueOf(v))
	if same {
		s.mu.Lock()
		s.numbers[v] = number
		s.mu.Unlock()
	}
	e.byte(objectMine)
	e.uint(number)
	e.uint(uint64(look(v)))
}

// decodeObject sets v, which is of an interface type.
func (s *side) decodeObject(d *decoder, v reflect.Value) {
	switch d.byte() {
	case objectNil:
	case objectYours:
		s.mu.Lock()
		mine, ok := s.mine[d.uint()]
		s.mu.Unlock()
		if !ok || !mine.Type().Implements(v.Type()) {
			d.fail()
			return
		}
		v.Set(mine)
	case objectMine:
		number, has := d.uint(), shape(d.uint())
		s.mu.Lock()
		defer s.mu.Unlock()
		p, ok := s.theirs[number]
		if !ok && d.err == nil {
			if create := fitting(has, v.Type()); create != nil && len(s.theirs) < mostObjects {
				p = create(&object{s, number})
				s.theirs[number], s.numberOf[p] = p, number
			}
		}
		if p == nil || !reflect.TypeOf(p).Implements(v.Type()) {
			d.fail()
			return
		}
		v.Set(reflect.ValueOf(p))
	default:
		d.fail()
	}
}

// conn encodes and decodes a net.Conn.
func (s *side) encodeConn(e *encoder, c net.Conn) { s.encodeObject(e, c) }

func (s *side) decodeConn(d *decoder) (c net.Conn) {
	s.decodeObject(d, reflect.ValueOf(&c).Elem())
	return c
}

// ask makes a call of one method: args are encoded, and what comes back is decoded by results.
func (o *object) ask(m method, args func(e *encoder), results func(d *decoder)) {
	o.s.callMethod(o.number, m, args, nil, nil, func(d *decoder, _ int) { results(d) })
}

// fails makes a call that returns an error and nothing else.
func (o *object) fails(m method, args func(e *encoder)) (err error) {
	o.ask(m, args, func(d *decoder) { err = o.s.decodeError(d) })
	return err
}

func (o reads) Read(p []byte) (n int, err error) {
	room := p[:min(len(p), mostRead)]
	o.s.callMethod(o.number, mRead, func(e *encoder) { e.uint(uint64(len(room))) }, nil, room,
		func(d *decoder, came int) {
			n = came
			err = o.s.decodeError(d)
		})
	return n, err
}

func (o writes) Write(p []byte) (n int, err error) {
	for {
		part := p[:min(len(p), mostWritten)]
		k := 0
		o.s.callMethod(o.number, mWrite, nil, part, nil, func(d *decoder, _ int) {
			k = int(d.int())
			err = o.s.decodeError(d)
		})
		n += k
		if err != nil || k != len(part) || len(part) == len(p) {
			return n, err
		}
		p = p[len(part):]
	}
}

func (o closes) Close() error           { return o.fails(mClose, nil) }
func (o closesRead) CloseRead() error   { return o.fails(mCloseRead, nil) }
func (o closesWrite) CloseWrite() error { return o.fails(mCloseWrite, nil) }

func (o seeks) Seek(offset int64, whence int) (at int64, err error) {
	o.ask(mSeek, func(e *encoder) {
		e.int(offset)
		e.int(int64(whence))
	}, func(d *decoder) {
		at = d.int()
		err = o.s.decodeError(d)
	})
	return at, err
}

func (o *object) address(m method) (a net.Addr) {
	o.ask(m, nil, func(d *decoder) { a = decodeAddr(d) })
	return a
}

func (o addresses) LocalAddr() net.Addr  { return o.address(mLocalAddr) }
func (o addresses) RemoteAddr() net.Addr { return o.address(mRemoteAddr) }

func (o deadline) SetDeadline(t time.Time) error {
	return o.fails(mSetDeadline, func(e *encoder) { o.s.encodeTime(e, t) })
}

func (o readDeadline) SetReadDeadline(t time.Time) error {
	return o.fails(mSetReadDeadline, func(e *encoder) { o.s.encodeTime(e, t) })
}

func (o writeDeadline) SetWriteDeadline(t time.Time) error {
	return o.fails(mSetWriteDeadline, func(e *encoder) { o.s.encodeTime(e, t) })
}

func (o lingers) SetLinger(seconds int) error {
	return o.fails(mSetLinger, func(e *encoder) { e.int(int64(seconds)) })
}

func (o tunes) SetNoDelay(on bool) error {
	return o.fails(mSetNoDelay, func(e *encoder) { e.bool(on) })
}

func (o tunes) SetKeepAlive(on bool) error {
	return o.fails(mSetKeepAlive, func(e *encoder) { e.bool(on) })
}

func (o accepts) Accept() (c net.Conn, err error) {
	o.ask(mAccept, nil, func(d *decoder) {
		c = o.s.decodeConn(d)
		err = o.s.decodeError(d)
	})
	return c, err
}

func (o accepts) Addr() net.Addr { return o.address(mAddr) }

func (o packets) ReadFrom(p []byte) (n int, from net.Addr, err error) {
	room := p[:min(len(p), mostRead)]
	o.s.callMethod(o.number, mReadFrom, func(e *encoder) { e.uint(uint64(len(room))) }, nil, room,
		func(d *decoder, came int) {
			n = came
			from = decodeAddr(d)
			err = o.s.decodeError(d)
		})
	return n, from, err
}

func (o packets) WriteTo(p []byte, to net.Addr) (n int, err error) {
	o.s.callMethod(o.number, mWriteTo, func(e *encoder) { encodeAddr(e, to) }, p[:min(len(p), mostWritten)],
		nil, func(d *decoder, _ int) {
			n = int(d.int())
			err = o.s.decodeError(d)
		})
	return n, err
}

func (o packets) LocalAddr() net.Addr { return o.address(mLocalAddr) }

const (
	mostRead    = 4 << 20  // bytes that one Read of a proxy asks for at most
	mostWritten = 32 << 20 // bytes that one Write carries; more is sent with several
)

var errNoMethod = errors.New("an object has no such method")

// carry calls a method of v, an object of this side, and encodes what it returns. brought are bytes that go
// back raw. It returns errMalformed for arguments that no proxy sends, before anything is called.
func (s *side) carry(v any, m method, d *decoder, raw []byte, e *encoder) (brought []byte, err error) {
	args := func(f func()) bool {
		if f != nil {
			f()
		}
		err = d.end()
		return err == nil
	}
	room := func() (p []byte, free func(), ok bool) {
		var n int
		if !args(func() { n = d.upTo(mostRead) }) {
			return nil, nil, false
		}
		free = func() { s.hold(-int64(n)) }
		if !s.hold(int64(n)) {
			free()
			err = errTooMuch
			return nil, nil, false
		}
		return make([]byte, n), free, true
	}
	fails := func(call func() error) { s.encodeError(e, call()) }
	at := func(set func(time.Time) error) {
		var t time.Time
		if args(func() { t = s.decodeTime(d) }) {
			fails(func() error { return set(t) })
		}
	}
	err = errNoMethod
	switch m {
	case mRead:
		if r, ok := v.(io.Reader); ok {
			if p, free, ok := room(); ok {
				defer free()
				n, failed := r.Read(p)
				brought = p[:max(0, min(n, len(p)))]
				s.encodeError(e, failed)
			}
		}
	case mWrite:
		if w, ok := v.(io.Writer); ok && args(nil) {
			n, failed := w.Write(raw)
			e.int(int64(n))
			s.encodeError(e, failed)
		}
	case mClose:
		if c, ok := v.(io.Closer); ok && args(nil) {
			fails(c.Close)
		}
	case mCloseRead:
		if c, ok := v.(interface{ CloseRead() error }); ok && args(nil) {
			fails(c.CloseRead)
		}
	case mCloseWrite:
		if c, ok := v.(interface{ CloseWrite() error }); ok && args(nil) {
			fails(c.CloseWrite)
		}
	case mSeek:
		if c, ok := v.(io.Seeker); ok {
			var offset int64
			var whence int
			if args(func() { offset, whence = d.int(), int(d.int()) }) {
				n, failed := c.Seek(offset, whence)
				e.int(n)
				s.encodeError(e, failed)
			}
		}
	case mLocalAddr:
		if c, ok := v.(interface{ LocalAddr() net.Addr }); ok && args(nil) {
			encodeAddr(e, c.LocalAddr())
		}
	case mRemoteAddr:
		if c, ok := v.(interface{ RemoteAddr() net.Addr }); ok && args(nil) {
			encodeAddr(e, c.RemoteAddr())
		}
	case mAddr:
		if c, ok := v.(interface{ Addr() net.Addr }); ok && args(nil) {
			encodeAddr(e, c.Addr())
		}
	case mSetDeadline:
		if c, ok := v.(interface{ SetDeadline(time.Time) error }); ok {
			at(c.SetDeadline)
		}
	case mSetReadDeadline:
		if c, ok := v.(interface{ SetReadDeadline(time.Time) error }); ok {
			at(c.SetReadDeadline)
		}
	case mSetWriteDeadline:
		if c, ok := v.(interface{ SetWriteDeadline(time.Time) error }); ok {
			at(c.SetWriteDeadline)
		}
	case mSetLinger:
		if c, ok := v.(interface{ SetLinger(int) error }); ok {
			var n int64
			if args(func() { n = d.int() }) {
				fails(func() error { return c.SetLinger(int(n)) })
			}
		}
	case mSetNoDelay:
		if c, ok := v.(interface{ SetNoDelay(bool) error }); ok {
			var on bool
			if args(func() { on = d.bool() }) {
				fails(func() error { return c.SetNoDelay(on) })
			}
		}
	case mSetKeepAlive:
		if c, ok := v.(interface{ SetKeepAlive(bool) error }); ok {
			var on bool
			if args(func() { on = d.bool() }) {
				fails(func() error { return c.SetKeepAlive(on) })
			}
		}
	case mAccept:
		if l, ok := v.(interface{ Accept() (net.Conn, error) }); ok && args(nil) {
			c, failed := l.Accept()
			s.encodeConn(e, c)
			s.encodeError(e, failed)
		}
	case mReadFrom:
		if c, ok := v.(interface {
			ReadFrom([]byte) (int, net.Addr, error)
		}); ok {
			if p, free, ok := room(); ok {
				defer free()
				n, from, failed := c.ReadFrom(p)
				brought = p[:max(0, min(n, len(p)))]
				encodeAddr(e, from)
				s.encodeError(e, failed)
			}
		}
	case mWriteTo:
		if c, ok := v.(interface {
			WriteTo([]byte, net.Addr) (int, error)
		}); ok {
			var to net.Addr
			if args(func() { to = decodeAddr(d) }) {
				n, failed := c.WriteTo(raw, to)
				e.int(int64(n))
				s.encodeError(e, failed)
			}
		}
	}
	return brought, err
}

// A context crosses by its deadline and by its end; its values do not.

func (s *side) encodeContext(e *encoder, ctx context.Context) {
	if ctx == nil {
		e.byte(objectNil)
		return
	}
	canCompare := reflect.ValueOf(ctx).Comparable()
	if canCompare {
		s.mu.Lock()
		number, ok := s.numberOf[ctx]
		s.mu.Unlock()
		if ok {
			e.byte(objectYours)
			e.uint(number)
			return
		}
	}
	number := s.export(reflect.ValueOf(ctx))
	e.byte(objectMine)
	e.uint(number)
	until, timed := ctx.Deadline()
	e.bool(timed)
	s.encodeTime(e, until)
	err := ctx.Err()
	s.encodeError(e, err)
	if err == nil && ctx.Done() != nil {
		s.mu.Lock()
		s.contexts[number] = ctx
		s.mu.Unlock()
		context.AfterFunc(ctx, s.cancelled)
	}
}

// cancelled tells the other side of every context that is done. When it returns they are told, also by
// somebody else: what is sent next must not overtake them.
func (s *side) cancelled() {
	s.telling.Lock()
	defer s.telling.Unlock()
	s.mu.Lock()
	var done []*encoder
	tell := func(contexts map[uint64]context.Context, yours bool) {
		for number, ctx := range contexts {
			if err := ctx.Err(); err != nil {
				e := begin(nil, kindCancel, 0, 0)
				e.bool(yours)
				e.uint(number)
				e.bool(err == context.DeadlineExceeded)
				done = append(done, e)
				delete(contexts, number)
			}
		}
	}
	tell(s.contexts, false)
	tell(s.timed, true)
	s.mu.Unlock()
	for _, e := range done {
		s.post(e, nil)
	}
}

func (s *side) decodeContext(d *decoder) context.Context {
	switch d.byte() {
	case objectNil:
		return nil
	case objectYours:
		s.mu.Lock()
		defer s.mu.Unlock()
		mine, ok := s.mine[d.uint()]
		if ok {
			if ctx, is := mine.Interface().(context.Context); is {
				return ctx
			}
		}
	case objectMine:
		number, timed, until := d.uint(), d.bool(), s.decodeTime(d)
		err := s.decodeError(d)
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, again := s.theirs[number]; d.err != nil || again || len(s.theirs) >= mostObjects {
			break
		}
		ctx, cancel := context.WithCancel(context.Background())
		if timed {
			ctx, cancel = context.WithDeadline(context.Background(), until)
			s.timed[number] = ctx
		}
		if err != nil || s.early[number] {
			cancel()
		}
		delete(s.early, number)
		s.theirs[number], s.numberOf[ctx] = ctx, number
		s.cancels[number] = cancel
		return ctx
	}
	d.fail()
	return nil
}

// cancel carries out a message. It may overtake the one that brings the context, or come while that one
// waits for its goroutine.
func (s *side) cancel(d *decoder) error {
	yours, number, deadline := d.bool(), d.uint(), d.bool()
	if err := d.end(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if deadline { // that is told by the timer of each side
		ctx, ok := s.theirs[number].(context.Context)
		if v := s.mine[number]; yours && v.IsValid() {
			ctx, ok = v.Interface().(context.Context)
		}
		if ok {
			s.due[dueKey{yours, number}] = ctx
		}
		return nil
	}
	if yours { // the other side has let go of it
		return nil
	}
	if cancel, ok := s.cancels[number]; ok {
		cancel()
	} else if len(s.early) >= mostObjects {
		return errMalformed
	} else {
		s.early[number] = true
	}
	return nil
}

// dueKey names a context: one of this side, or of the other side.
type dueKey struct {
	mine   bool
	number uint64
}

// settle waits until the deadlines have passed here, too, that have passed on the other side: the
// timers of two processes are not equally late.
func (s *side) settle() {
	const most = time.Second // by which they differ
	s.mu.Lock()
	due := maps.Clone(s.due)
	s.mu.Unlock()
	for key, ctx := range due {
		if until, timed := ctx.Deadline(); timed && time.Until(until) < most {
			select {
			case <-ctx.Done():
			case <-time.After(most):
			}
		}
		s.mu.Lock()
		delete(s.due, key)
		s.mu.Unlock()
	}
}
