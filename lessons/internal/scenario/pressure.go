package scenario

import (
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"sync/atomic"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

const (
	pressureBuffer = 16 << 10 // bytes; the kernel doubles it
	pressurePiece  = 1 << 10  // bytes, one each millisecond
	pressureTotal  = 128 << 10
	pressureRows   = 12                     // of the table, before the reader begins; half as many after
	pressureStill  = 300 * time.Millisecond // longer than a stall that an acknowledgement will end
)

// BackPressure lets a writer send 1 KiB each millisecond to a reader that does not read until nothing
// moves any more: both queues are full and Write waits. Then the reader reads everything. The verdicts are
// a table of what the kernel holds, and where; N is how many bytes were written when nothing moved, Stuck
// whether a Write was waiting then.
func BackPressure() Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		writer, reader, err := pressurePair()
		if err != nil {
			return o, err
		}
		defer writer.Close()
		defer reader.Close()
		m := &pressure{writer: writer, reader: reader, begin: time.Now()}
		done := make(chan error, 1)
		go func() { done <- m.write() }()
		if err := m.sampleUntil(m.still); err != nil {
			return o, err
		}
		full := len(m.samples)
		o.N, o.Stuck = m.samples[full-1].written, m.written.Load() < pressureTotal
		rec.State(0, "nothing has moved for %v: both queues are full, and Write waits", pressureStill)
		go m.read()
		if err := m.sampleUntil(m.over); err != nil {
			return o, err
		}
		rec.State(pressureTotal, "the reader has read everything")
		for _, row := range append(pick(m.samples[:full], pressureRows),
			pick(m.samples[full:], pressureRows/2)...) {
			rec.Verdict("%s", row)
		}
		return o, <-done
	}
}

func pressurePair() (writer, reader *net.TCPConn, err error) {
	ln, err := loopback.ListenOptions("127.0.0.1:0", loopback.Options{ReceiveBuffer: pressureBuffer})
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	c, s, err := loopback.Connect(ln)
	if err != nil {
		return nil, nil, err
	}
	writer, reader = c.(*net.TCPConn), s.(*net.TCPConn)
	deadline := time.Now().Add(loopback.Patience)
	err = errors.Join(writer.SetWriteBuffer(pressureBuffer), writer.SetDeadline(deadline),
		reader.SetDeadline(deadline))
	return writer, reader, err
}

// pressure is a writer, a reader, and what was seen of them.
type pressure struct {
	writer, reader    *net.TCPConn
	written, beenRead atomic.Int64
	begin             time.Time
	samples           []pressureSample
}

type pressureSample struct {
	at                                   time.Duration
	written, notSent, received, beenRead int // bytes
}

func (s pressureSample) String() string {
	return fmt.Sprintf("%4d ms %4d kB written %4d kB not yet sent %4d kB received %4d kB read",
		s.at.Milliseconds(), s.written/1000, s.notSent/1000, s.received/1000, s.beenRead/1000)
}

func (m *pressure) write() error {
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for m.written.Load() < pressureTotal {
		n, err := m.writer.Write(make([]byte, pressurePiece))
		m.written.Add(int64(n))
		if err != nil {
			return err
		}
		<-pace.C
	}
	return m.writer.CloseWrite()
}

func (m *pressure) read() {
	buf := make([]byte, pressurePiece)
	for {
		n, err := m.reader.Read(buf)
		m.beenRead.Add(int64(n))
		if err != nil {
			return
		}
	}
}

// sampleUntil looks each millisecond, until cond holds.
func (m *pressure) sampleUntil(cond func() bool) error {
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for {
		notSent, received, err := loopback.Queues(m.writer, m.reader)
		if err != nil {
			return err
		}
		m.samples = append(m.samples, pressureSample{
			time.Since(m.begin), int(m.written.Load()), notSent, received, int(m.beenRead.Load()),
		})
		if cond() {
			return nil
		}
		if time.Since(m.begin) > loopback.Patience {
			return fmt.Errorf("the queues moved for %v", loopback.Patience)
		}
		<-pace.C
	}
}

// still reports whether nothing has moved for a while.
func (m *pressure) still() bool {
	last := m.samples[len(m.samples)-1]
	for i := len(m.samples) - 1; i >= 0; i-- {
		s := m.samples[i]
		if s.written != last.written || s.notSent != last.notSent || s.received != last.received {
			return false
		}
		if last.at-s.at > pressureStill {
			return true
		}
	}
	return false
}

// over reports whether everything was read.
func (m *pressure) over() bool { return m.beenRead.Load() == pressureTotal }

// pick takes so many of the samples in which something has moved, the first and the last among them.
func pick(samples []pressureSample, n int) (picked []pressureSample) {
	var moved []pressureSample
	for i, s := range samples {
		same := i > 0 && s.written == samples[i-1].written && s.received == samples[i-1].received &&
			s.beenRead == samples[i-1].beenRead
		if !same {
			moved = append(moved, s)
		}
	}
	for i := range n {
		picked = append(picked, moved[i*(len(moved)-1)/(n-1)])
	}
	return picked
}

var pressureRow = regexp.MustCompile(
	`^ *(\d+) ms +\d+ kB written +(\d+) kB not yet sent +(\d+) kB received +(\d+) kB read$`)

// PressurePlot draws what BackPressure has seen as an SVG: the two queues, and what was read, over time,
// from the rows of its table.
func PressurePlot(w io.Writer, title string, events []timeline.Event) error {
	p := plot{
		title: title, heading: "what waits in the kernel, and what was read",
		note: "1 KiB written each millisecond; the reader begins when nothing moves any more",
		x:    linear("ms since the first write"), y: linear("kB"),
		word: func(name string, x, y float64) string { return fmt.Sprintf("%s: %.0f kB at %.0f ms", name, y, x) },
	}
	for _, e := range events {
		m := pressureRow.FindStringSubmatch(e.Text)
		if m == nil || e.Op != timeline.Verdict {
			continue
		}
		at, _ := strconv.ParseFloat(m[1], 64)
		for i, name := range []string{"not yet sent", "received", "read"} {
			y, _ := strconv.ParseFloat(m[2+i], 64)
			p.add(name, at, y)
		}
	}
	_, err := io.WriteString(w, p.svg())
	return err
}
