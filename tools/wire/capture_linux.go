package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"socketbook/tools/netns"
)

// Capture records the segments of a private network's lo. Its methods may be called from any
// goroutine.
type Capture struct {
	file  *os.File
	raw   syscall.RawConn
	start time.Time // by the system's clock, without a monotonic part
	done  chan struct{}

	mu       sync.Mutex
	buf      []byte
	decoder  *decoder
	segments []Segment
	lost     int // segments that found the socket's buffer full
	err      error
	changed  chan struct{} // closed and replaced when there are more segments, or an error
}

// Open begins to record. start is what [Segment.At] counts from: a time.Now of the same process.
// When Open returns, the kernel stamps every segment as it comes. Open one Capture before the
// programs start, and close it after them.
//
// The packet socket ignores what goes out, because lo would show each segment twice, going out and
// coming in (PACKET_IGNORE_OUTGOING, packet(7)). A segment that is lost because lo is down is not
// seen.
func Open(n *netns.Network, start time.Time) (*Capture, error) {
	file, err := n.Packet()
	if err != nil {
		return nil, fmt.Errorf("recording segments: %w", err)
	}
	c, err := listen(file, start)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("recording segments of lo: %w", err)
	}
	go c.read()
	return c, nil
}

// listen makes a warm Capture of a packet socket.
func listen(file *os.File, start time.Time) (*Capture, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = prepare(int(fd)) }); err != nil {
		return nil, err
	}
	c := &Capture{
		file: file, raw: raw, start: wallClock(start), done: make(chan struct{}),
		buf: make([]byte, maxFrame), decoder: newDecoder(), changed: make(chan struct{}),
	}
	if failed == nil {
		failed = c.warmUp()
	}
	return c, failed
}

// prepare binds the socket to lo, for all protocols. It sees nothing before.
func prepare(fd int) error {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return err
	}
	const buffer = 64 << 20 // bytes; the kernel takes it down to net.core.rmem_max
	for _, option := range []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_RCVBUF, buffer},
		{unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1},
		{unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1},
	} {
		if err := unix.SetsockoptInt(fd, option.level, option.name, option.value); err != nil {
			return err
		}
	}
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: lo.Index})
}

// wallClock turns a time into what the system's clock says at that moment. The two parts of a
// time.Now are read one after the other, and the machine may do something else in between; of a few
// readings the closest is taken.
func wallClock(start time.Time) time.Time {
	var best time.Time
	for range 5 {
		now := time.Now()
		if t := now.Round(0).Add(-now.Sub(start)); t.After(best) {
			best = t
		}
	}
	return best
}

// warmUp waits until the kernel stamps what it receives. It switches that on in the background
// after the first socket has asked for it, and until then a segment gets the time at which it is
// read. So a datagram is sent, and must have a stamp from before it was read.
func (c *Capture) warmUp() error {
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	defer udp.Close()
	self := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	deadline := time.Now().Add(5 * time.Second)
	if err := udp.SetReadDeadline(deadline); err != nil {
		return err
	}
	for time.Now().Before(deadline) {
		sent := time.Now().Round(0)
		if _, err := udp.WriteToUDPAddrPort([]byte("warm"), self); err != nil {
			return err
		}
		if _, _, err := udp.ReadFromUDPAddrPort(c.buf); err != nil {
			return err
		}
		received := time.Now().Round(0) // and recorded before
		frames, err := c.drain()
		if err != nil {
			return err
		}
		if len(frames) == 1 && !frames[0].at.Before(sent) && frames[0].at.Before(received) {
			return nil
		}
	}
	return errors.New("the kernel does not stamp packets")
}

// read takes in segments until the capture is closed.
func (c *Capture) read() {
	defer close(c.done)
	c.raw.Read(func(uintptr) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.takeIn()
		return false // wait for more
	})
}

// takeIn decodes what has been recorded. c.mu is held.
func (c *Capture) takeIn() {
	frames, err := c.drain()
	for _, f := range frames {
		s := c.decoder.decode(f.bytes, f.at)
		s.At = s.Time.Sub(c.start)
		c.segments = append(c.segments, s)
	}
	if err != nil && c.err == nil {
		c.err = err
	}
	if len(frames) > 0 || err != nil {
		close(c.changed)
		c.changed = make(chan struct{})
	}
}

type frame struct {
	bytes []byte
	at    time.Time
}

const maxFrame = 128 << 10 // bytes; lo's longest is 65,550

// drain returns everything that is in the socket's queue.
func (c *Capture) drain() (frames []frame, err error) {
	control := make([]byte, 64)
	failed := c.raw.Control(func(fd uintptr) {
		for {
			n, controlN, _, _, errno := unix.Recvmsg(int(fd), c.buf, control, 0)
			switch errno {
			case nil:
			case unix.EINTR, unix.ENETDOWN: // lo was taken down; it may come back
				continue
			case unix.EAGAIN:
				return
			default:
				err = errno
				return
			}
			at, ok := stamp(control[:controlN])
			if !ok {
				err = errors.New("a segment without a time")
				return
			}
			frames = append(frames, frame{slices.Clone(c.buf[:n]), at})
		}
	})
	if failed != nil {
		err = fmt.Errorf("the recording has ended: %w", os.ErrClosed)
	}
	return frames, err
}

// stamp finds the time that the kernel puts beside a packet (SO_TIMESTAMPNS, socket(7)).
func stamp(control []byte) (time.Time, bool) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return time.Time{}, false
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS {
			var t unix.Timespec
			if _, err := binary.Decode(m.Data, binary.NativeEndian, &t); err == nil {
				return time.Unix(t.Unix()), true
			}
		}
	}
	return time.Time{}, false
}

// Segments returns what has been recorded so far, in the order of time. lo delivers in the moment
// of sending: what a call has sent that has returned is there.
//
// The error says that something is missing: segments came faster than they were read.
func (c *Capture) Segments() ([]Segment, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.takeIn()
	if c.err != nil {
		return sorted(c.segments), c.err
	}
	err := c.raw.Control(func(fd uintptr) {
		stats, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
		if err == nil {
			c.lost += int(stats.Drops) // since it was asked last
		}
	})
	if err == nil && c.lost > 0 {
		err = fmt.Errorf("%d segments were not recorded: too many came at once", c.lost)
	}
	return sorted(c.segments), err
}

// sorted returns a copy in the order of time. Two processors may put what they stamped into the
// queue in another order.
func sorted(segments []Segment) []Segment {
	s := slices.Clone(segments)
	slices.SortStableFunc(s, func(a, b Segment) int { return a.Time.Compare(b.Time) })
	return s
}

// Wait blocks until the segments recorded so far fulfil the condition. When ctx ends first the
// error says what was waited for.
func (c *Capture) Wait(ctx context.Context, what string, cond func([]Segment) bool) error {
	for {
		c.mu.Lock()
		c.takeIn()
		segments, err, changed := sorted(c.segments), c.err, c.changed
		c.mu.Unlock()
		if cond(segments) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("waited for %s: %w", what, err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w", what, context.Cause(ctx))
		}
	}
}

// Close stops recording. Segments returns an error afterwards.
func (c *Capture) Close() error {
	err := c.file.Close()
	<-c.done
	return err
}
