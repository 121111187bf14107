package remote

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"
)

// A message is a header of 8 bytes, the lengths of what follows (big-endian): a body, of which this
// package knows the form, and raw bytes, what a Read has brought or a Write takes. The body begins
// with the kind, the thread and the sender's goroutine.
const (
	headerSize = 8
	maxMessage = 64 << 20  // bytes of body and raw together
	maxHeld    = 192 << 20 // bytes of messages that have come and are not carried out yet
	chunk      = 1 << 20   // bytes; memory is taken as bytes come, not as they are announced
	together   = 4 << 10   // bytes of raw that are sent with the body in one Write
	patience   = 5 * time.Second
)

type kind byte

const (
	kindCall kind = 1 + iota
	kindReturn
	kindPanic
	kindExit   // the goroutine of the other side ends, with runtime.Goexit
	kindCancel // a context is done
	kindRewrite
	kindAsk
	kindTell
	kinds
)

func (k kind) String() string {
	names := [...]string{"", "call", "return", "panic", "exit", "cancel", "rewrite", "ask", "tell"}
	return names[min(int(k), len(names)-1)]
}

// message is one that has come. raw is nil if it was put elsewhere already; rawLen is its length.
type message struct {
	kind      kind
	thread    uint64
	goroutine int
	body      *decoder
	raw       []byte
	rawLen    int
}

func (m message) size() int64 { return int64(cap(m.body.rest)) + int64(cap(m.raw)) }

// encoder builds a message.
type encoder struct{ b []byte }

func (e *encoder) byte(v byte)     { e.b = append(e.b, v) }
func (e *encoder) uint(v uint64)   { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) int(v int64)     { e.b = binary.AppendVarint(e.b, v) }
func (e *encoder) bytes(v []byte)  { e.uint(uint64(len(v))); e.b = append(e.b, v...) }
func (e *encoder) string(v string) { e.uint(uint64(len(v))); e.b = append(e.b, v...) }
func (e *encoder) float(v float64) { e.b = binary.BigEndian.AppendUint64(e.b, math.Float64bits(v)) }

func (e *encoder) bool(v bool) {
	if v {
		e.byte(1)
	} else {
		e.byte(0)
	}
}

// errMalformed is what a decoder says of what no encoder has written.
var errMalformed = errors.New("a message is malformed")

// decoder reads what an encoder has written. After the first thing that is wrong all that it returns is
// zero, and err says that something was. It never panics, and what it makes is not larger than budget.
type decoder struct {
	rest   []byte
	err    error
	budget int64 // bytes that may still be made of it
	depth  int   // of values in each other
}

func newDecoder(body []byte) *decoder {
	return &decoder{rest: body, budget: int64(len(body)) + 64<<20}
}

func (d *decoder) fail() {
	d.rest = nil
	if d.err == nil {
		d.err = errMalformed
	}
}

// end reports whether everything was right, and nothing is left.
func (d *decoder) end() error {
	if len(d.rest) > 0 {
		d.fail()
	}
	return d.err
}

// spend takes n things of so many bytes from the budget.
func (d *decoder) spend(n int, size uintptr) bool {
	if size > 0 && int64(n) > d.budget/int64(size) {
		d.fail()
		return false
	}
	d.budget -= int64(n) * int64(size)
	return true
}

func (d *decoder) byte() byte {
	if len(d.rest) == 0 {
		d.fail()
		return 0
	}
	v := d.rest[0]
	d.rest = d.rest[1:]
	return v
}

func (d *decoder) bool() bool {
	v := d.byte()
	if v > 1 {
		d.fail()
	}
	return v == 1
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) float() float64 {
	if len(d.rest) < 8 {
		d.fail()
		return 0
	}
	v := binary.BigEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return math.Float64frombits(v)
}

// upTo reads a number that is at most most.
func (d *decoder) upTo(most int) int {
	v := d.uint()
	if v > uint64(max(most, 0)) {
		d.fail()
		return 0
	}
	return int(v)
}

// count reads the number of things that follow, each of which has a byte at least.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.rest)) { // what is left behind the number itself
		d.fail()
		return 0
	}
	return int(n)
}

// bytes reads bytes, which lie in the message.
func (d *decoder) bytes() []byte {
	n := d.count()
	v := d.rest[:n:n]
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) string() string { return string(d.bytes()) }

// reader reads messages from a stream.
type reader struct {
	in *bufio.Reader
	// into returns where the raw bytes of a message are to be put, at least so many; nil for nowhere
	// in particular.
	into func(m *message, n int) []byte
}

func newReader(in io.Reader) *bufio.Reader { return bufio.NewReaderSize(in, 64<<10) }

// next reads one message. An error of the stream is returned as it is.
func (r reader) next() (m message, err error) {
	var header [headerSize]byte
	if _, err = io.ReadFull(r.in, header[:]); err != nil {
		return m, err
	}
	n, raw := int64(binary.BigEndian.Uint32(header[:])), int64(binary.BigEndian.Uint32(header[4:]))
	if n+raw > maxMessage {
		return m, fmt.Errorf("%w: %d bytes are announced", errMalformed, n+raw)
	}
	body, err := r.read(int(n))
	if err != nil {
		return m, err
	}
	m.body = newDecoder(body)
	m.kind, m.thread, m.goroutine = kind(m.body.byte()), m.body.uint(), m.body.upTo(math.MaxInt32)
	m.rawLen = int(raw)
	if m.body.err != nil || m.kind == 0 || m.kind >= kinds {
		return m, fmt.Errorf("%w: it begins with % x", errMalformed, body[:min(len(body), 8)])
	}
	if raw == 0 {
		return m, nil
	}
	if there := r.into(&m, int(raw)); there != nil {
		_, err = io.ReadFull(r.in, there[:raw])
	} else {
		m.raw, err = r.read(int(raw))
	}
	return m, err
}

func (r reader) read(n int) ([]byte, error) {
	b := make([]byte, min(n, chunk))
	_, err := io.ReadFull(r.in, b)
	for err == nil && len(b) < n {
		at, more := len(b), min(n-len(b), max(chunk, len(b)))
		b = append(b, make([]byte, more)...)
		_, err = io.ReadFull(r.in, b[at:])
	}
	return b, err
}

// writer writes messages to a stream, one at a time.
type writer struct {
	mu    sync.Mutex
	out   io.Writer
	limit func(time.Time) error // sets the deadline of the next Write; nil for none
}

// begin begins a message in b, which is used again.
func begin(b []byte, k kind, thread uint64, goroutine int) *encoder {
	e := &encoder{append(b[:0], make([]byte, headerSize)...)}
	e.byte(byte(k))
	e.uint(thread)
	e.uint(uint64(goroutine))
	return e
}

// send sends a message that begin has begun.
func (w *writer) send(e *encoder, raw []byte) error {
	n := len(e.b) - headerSize
	if n+len(raw) > maxMessage {
		return fmt.Errorf("a message of %d bytes, and no more than %d can be carried", n+len(raw), maxMessage)
	}
	binary.BigEndian.PutUint32(e.b, uint32(n))
	binary.BigEndian.PutUint32(e.b[4:], uint32(len(raw)))
	if len(raw) <= together {
		e.b, raw = append(e.b, raw...), nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.limit != nil {
		w.limit(time.Now().Add(patience))
	}
	_, err := w.out.Write(e.b)
	if err == nil && len(raw) > 0 {
		_, err = w.out.Write(raw)
	}
	return err
}
