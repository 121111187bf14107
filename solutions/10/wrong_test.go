package ports_test

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"socketbook/labs/10/portstest"
	ports "socketbook/solutions/10"
	"socketbook/tools/check"
)

// wrong are the mistakes that people make, each with exactly the cases that must fail on it. The
// failure text of a case in testdata is the one that the first answer named for it provokes.
var wrong = []check.Answer{
	parsing("addresses as they are written", addressing(func([]byte) {}), portstest.Rows),
	parsing("an address of sixteen bytes turned round as a whole", addressing(slices.Reverse[[]byte]),
		portstest.IPv6),
	parsing("only IPv4 addresses turned round", addressing(func(b []byte) {
		if len(b) == 4 {
			slices.Reverse(b)
		}
	}), portstest.IPv6),
	parsing("a mapped address left as it is", rowByRow(func(f []string) (socket, error) {
		s, err := columns(f)
		s.Local, s.Remote = mappedAgain(f[1], s.Local), mappedAgain(f[2], s.Remote)
		return s, err
	}), portstest.IPv6),
	parsing("every address with ffff before its last four bytes is mapped", rowByRow(
		func(f []string) (socket, error) {
			s, err := columns(f)
			if b := s.Local.Addr().As16(); b[10] == 0xff && b[11] == 0xff {
				s.Local = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12:])), s.Local.Port())
			}
			return s, err
		}), portstest.IPv6),
	parsing("the port turned round as well", changed(func(s *socket) {
		s.Local = netip.AddrPortFrom(s.Local.Addr(), s.Local.Port()<<8|s.Local.Port()>>8)
	}), portstest.Rows),
	parsing("no remote address", changed(func(s *socket) { s.Remote = netip.AddrPort{} }), portstest.Rows),
	parsing("the header taken for a row", parseHeader, portstest.Rows),
	parsing("only the first line taken for a header", parseOneHeader, portstest.Long),
	parsing("listeners only", keeping(func(s socket) bool { return s.State == ports.Listen }),
		portstest.Rows),
	parsing("sockets without an inode left out", keeping(func(s socket) bool { return s.Inode != 0 }),
		portstest.Rows),
	parsing("one socket for each local address", parseUnique, portstest.Rows),
	parsing("sorted by port", parseSorted, portstest.Rows),
	parsing("the inode is the last column", rowByRow(func(f []string) (socket, error) {
		s, err := columns(f)
		s.Inode, _ = strconv.ParseUint(f[len(f)-1], 10, 64)
		return s, err
	}), portstest.Rows),
	parsing("uid and inode in hexadecimal", rowByRow(func(f []string) (socket, error) {
		s, err := columns(f)
		uid, _ := strconv.ParseUint(f[7], 16, 32)
		s.UID = uint32(uid)
		return s, err
	}), portstest.Rows),
	parsing("an inode of 32 bits", changed(func(s *socket) { s.Inode = uint64(uint32(s.Inode)) }),
		portstest.Rows),
	parsing("an inode of 63 bits, and no sign", rowByRow(func(f []string) (socket, error) {
		s, err := columns(f)
		if s.Inode > math.MaxInt64 {
			err = errors.New("the inode is too large")
		}
		return s, err
	}), portstest.Rows),
	parsing("every row has seventeen columns", rowByRow(func(f []string) (socket, error) {
		if len(f) < 17 {
			return socket{}, fmt.Errorf("%d columns", len(f))
		}
		return columns(f)
	}), portstest.Rows),
	parsing("the end of the table is an error", parseEnd, portstest.Rows),
	parsing("a goroutine left behind", parseLeaves, portstest.Rows),
	parsing("CLOSING forgotten", changed(func(s *socket) {
		if s.State == ports.Closing {
			s.State = ""
		}
	}), portstest.States, portstest.Long),
	parsing("FIN_WAIT1 and FIN_WAIT2 exchanged", changed(func(s *socket) {
		switch s.State {
		case ports.FinWait1:
			s.State = ports.FinWait2
		case ports.FinWait2:
			s.State = ports.FinWait1
		}
	}), portstest.States, portstest.Long),
	parsing("the first line passed over, header or not", parseFirstLost, portstest.Long),
	parsing("a header is a line that begins with sl", parseSlot, portstest.Long, portstest.Malformed),
	parsing("a header has its usual words", parseHeaderWords, portstest.Long),
	parsing("equal rows are one socket", func(table io.Reader) ([]socket, error) {
		all, err := ports.Parse(table)
		return slices.Compact(all), err
	}, portstest.Long),
	parsing("every row has twelve columns", rowByRow(func(f []string) (socket, error) {
		if len(f) < 12 {
			return socket{}, fmt.Errorf("%d columns", len(f))
		}
		return columns(f)
	}), portstest.Long),
	parsing("the number of the row checked", rowByRow(func(f []string) (socket, error) {
		if _, err := strconv.Atoi(strings.TrimSuffix(f[0], ":")); err != nil {
			return socket{}, err
		}
		return columns(f)
	}), portstest.Long),
	parsing("ReadLine, which cuts a line at 4,096 bytes", parseReadLine, portstest.Long),
	parsing("one Read of 64 KiB", parseOneRead, portstest.Long, portstest.Malformed),
	parsing("4,096 rows at most", func(table io.Reader) ([]socket, error) {
		all, err := ports.Parse(table)
		return all[:min(len(all), 4096)], err
	}, portstest.Long),
	parsing("a table of 1 MiB at most", func(table io.Reader) ([]socket, error) {
		return ports.Parse(io.LimitReader(table, 1<<20))
	}, portstest.Long),
	parsing("0 bytes taken for the end", func(table io.Reader) ([]socket, error) {
		return ports.Parse(seen{table, func(n int, err error) (int, error) {
			if n == 0 && err == nil {
				err = io.EOF
			}
			return n, err
		}})
	}, portstest.Long),
	parsing("bytes that come with the end are lost", func(table io.Reader) ([]socket, error) {
		return ports.Parse(seen{table, func(n int, err error) (int, error) {
			if err != nil {
				n = 0
			}
			return n, err
		}})
	}, portstest.Long),
	parsing("a last line without a line feed is lost", parseWholeLines, portstest.Long),
	shared("one slice for all calls", oneSlice, portstest.Rows),
	parsing("lines that are not rows are passed over", parsePassing, portstest.Malformed),
	parsing("a goroutine left behind when a line is not a row", parseLeavesReader, portstest.Malformed),
	parsing("what is wrong is zero", parseZero, portstest.Malformed),
	parsing("a failed Read taken for the end", parseDeaf, portstest.Malformed),
	parsing("the sockets so far, and no error", parsePartial, portstest.Malformed),
	parsing("an error of its own for a failed Read", func(table io.Reader) ([]socket, error) {
		all, err := ports.Parse(table)
		if err != nil {
			err = fmt.Errorf("cannot parse: %v", err)
		}
		return all, err
	}, portstest.Malformed),
	parsing("an unknown state keeps its number", parseUnknown, portstest.Malformed),
	parsing("Sscanf, which does not look behind the port", parseSscanf, portstest.Malformed),
	parsing("a uid cut to 32 bits", parseUIDCut, portstest.Malformed),
	parsing("an address of any number of groups", rowByRow(func(f []string) (socket, error) {
		if len(f[1])%8 == 5 && len(f[1]) > 37 {
			f[1] = f[1][:32] + f[1][len(f[1])-5:]
		}
		return columns(f)
	}), portstest.Malformed),
	parsing("bytes that an address lacks are 0", rowByRow(func(f []string) (socket, error) {
		if addr, port, _ := strings.Cut(f[1], ":"); len(addr) == 6 {
			f[1] = addr + "00:" + port
		}
		return columns(f)
	}), portstest.Malformed),
	parsing("a state of any length", rowByRow(func(f []string) (socket, error) {
		f[3] = fmt.Sprintf("%02s", strings.TrimLeft(f[3], "0"))
		return columns(f)
	}), portstest.Malformed),
	parsing("noughts before a port of four digits", rowByRow(func(f []string) (socket, error) {
		if addr, port, _ := strings.Cut(f[1], ":"); len(port) == 5 && port[0] == '0' {
			f[1] = addr + ":" + port[1:]
		}
		return columns(f)
	}), portstest.Malformed),
	parsing("anything between an address and its port", rowByRow(func(f []string) (socket, error) {
		for _, i := range []int{1, 2} {
			if n := len(f[i]) - 5; n > 0 {
				f[i] = f[i][:n] + ":" + f[i][n+1:]
			}
		}
		return columns(f)
	}), portstest.Malformed),
	parsing("a uid in any notation of Go", rowByRow(func(f []string) (socket, error) {
		if uid, err := strconv.ParseUint(f[7], 0, 32); err == nil {
			f[7] = strconv.FormatUint(uid, 10)
		}
		return columns(f)
	}), portstest.Malformed),
	parsing("a whole row makes up for a failed Read behind it", parseUnfinished, portstest.Malformed),
	parsing("an error that comes with bytes is waited for again", func(table io.Reader) ([]socket, error) {
		return ports.Parse(seen{table, func(n int, err error) (int, error) {
			if n > 0 && err != io.EOF {
				err = nil
			}
			return n, err
		}})
	}, portstest.Malformed),
	parsing("os.ErrClosed taken for the end", func(table io.Reader) ([]socket, error) {
		return ports.Parse(seen{table, func(n int, err error) (int, error) {
			if err == os.ErrClosed {
				err = io.EOF
			}
			return n, err
		}})
	}, portstest.Malformed),
	parsing("io.ErrUnexpectedEOF taken for the end", func(table io.Reader) ([]socket, error) {
		return ports.Parse(seen{table, func(n int, err error) (int, error) {
			if err == io.ErrUnexpectedEOF {
				err = io.EOF
			}
			return n, err
		}})
	}, portstest.Malformed),

	blocking("only ports are compared", judged(anyAddress, linux), portstest.Same),
	blocking("the remote end counts too", blocksRemote, portstest.Same),
	blocking("all of 127.0.0.0/8 is one address", judged(func(a, b netip.Addr) bool {
		return bothLoopback(a, b) || overlap(a, b)
	}, linux), portstest.Same),
	blocking("with SO_REUSEADDR nothing is in the way", judged(overlap, func(_ string, reuse bool) bool {
		return !reuse
	}), portstest.Same),
	blocking("a port looked for in a text", func(all []socket, want netip.AddrPort, reuse bool) (socket, bool) {
		text := fmt.Sprintf(":%d", want.Port())
		for _, s := range all {
			if port := s.Local.Port(); port != want.Port() && strings.Contains(s.Local.String(), text) {
				if found, ok := ports.Blocks(all, netip.AddrPortFrom(want.Addr(), port), reuse); ok {
					return found, ok
				}
			}
		}
		return ports.Blocks(all, want, reuse)
	}, portstest.Same),
	blocking("ports compared as the ends of texts", func(all []socket, want netip.AddrPort, reuse bool) (
		socket, bool,
	) {
		for _, s := range all {
			if strings.HasSuffix(s.Local.String(), fmt.Sprint(want.Port())) &&
				meet(netip.AddrPortFrom(s.Local.Addr(), want.Port()), want) && linux(s.State, reuse) {
				return ports.Blocks(append([]socket{s}, all...), netip.AddrPortFrom(want.Addr(), s.Local.Port()), reuse)
			}
		}
		return socket{}, false
	}, portstest.Same),
	blocking("a sentinel appended to the caller's slice", func(all []socket, want netip.AddrPort, reuse bool) (
		socket, bool,
	) {
		all = append(all, socket{Local: want})
		return ports.Blocks(all[:len(all)-1], want, reuse)
	}, portstest.Same),
	blocking("the socket that is returned is empty", func(all []socket, want netip.AddrPort, reuse bool) (
		socket, bool,
	) {
		_, blocked := ports.Blocks(all, want, reuse)
		return socket{}, blocked
	}, portstest.Same),
	blocking("no wildcards", judged(func(a, b netip.Addr) bool { return a == b }, linux), portstest.Wildcards),
	blocking("only the socket may be a wildcard", judged(func(a, b netip.Addr) bool {
		return overlap(a, b) && (a == b || a.IsUnspecified())
	}, linux), portstest.Wildcards),
	blocking("only the address that is wanted may be a wildcard", judged(func(a, b netip.Addr) bool {
		return overlap(a, b) && (a == b || b.IsUnspecified())
	}, linux), portstest.Wildcards),
	blocking("SO_REUSEADDR lets a wildcard and an address listen, as BSD does", blocksBSD,
		portstest.Wildcards),
	blocking("a wildcard of one family is one of both", judged(func(a, b netip.Addr) bool {
		return a == b || a.IsUnspecified() || b.IsUnspecified()
	}, linux), portstest.Families),
	blocking("[::] is IPv6 only", judged(func(a, b netip.Addr) bool {
		return a.Is4() == b.Is4() && overlap(a, b)
	}, linux), portstest.Families),
	blocking("[::] is dual-stack only when it is wanted", judged(func(a, b netip.Addr) bool {
		return overlap(a, b) && (a.Is4() || b.Is6())
	}, linux), portstest.Families),
	blocking("[::] is dual-stack only when it is there", judged(func(a, b netip.Addr) bool {
		return overlap(a, b) && (a.Is6() || b.Is4())
	}, linux), portstest.Families),
	blocking("the two wildcards are strangers", judged(func(a, b netip.Addr) bool {
		return overlap(a, b) && (a == b || !a.IsUnspecified() || !b.IsUnspecified())
	}, linux), portstest.Families),
	blocking("a mapped address is an IPv6 address", blocksMapped, portstest.Families),
	blocking("the last four bytes are compared", judged(func(a, b netip.Addr) bool {
		x, y := a.As16(), b.As16()
		return overlap(a, b) || a.Is4() != b.Is4() && [4]byte(x[12:]) == [4]byte(y[12:])
	}, linux), portstest.Families),
	blocking("every socket is in the way, always", judged(overlap, func(string, bool) bool { return true }),
		portstest.Reuse),
	blocking("only listeners are in the way, always", judged(overlap, func(state string, _ bool) bool {
		return state == ports.Listen
	}), portstest.Reuse),
	blocking("SO_REUSEADDR the wrong way round", judged(overlap, func(state string, reuse bool) bool {
		return linux(state, !reuse)
	}), portstest.Reuse),
	blocking("TIME_WAIT is in nobody's way", judged(overlap, func(state string, reuse bool) bool {
		return state != ports.TimeWait && linux(state, reuse)
	}), portstest.Reuse),
	blocking("only TIME_WAIT is in the way without SO_REUSEADDR", judged(overlap,
		func(state string, reuse bool) bool {
			return state == ports.Listen || state == ports.TimeWait && !reuse
		}), portstest.Reuse),
	blocking("SO_REUSEADDR is for TIME_WAIT alone", judged(overlap, func(state string, reuse bool) bool {
		return linux(state, reuse && state == ports.TimeWait)
	}), portstest.Reuse),
	blocking("SYN_RECV is in the way", judged(overlap, func(state string, reuse bool) bool {
		return state == ports.Listen || !reuse
	}), portstest.Reuse),
	blocking("a socket without a program is in the way in TIME_WAIT only", func(all []socket,
		want netip.AddrPort, reuse bool,
	) (socket, bool) {
		return ports.Blocks(slices.DeleteFunc(slices.Clone(all), func(s socket) bool {
			return s.Inode == 0 && s.State != ports.TimeWait
		}), want, reuse)
	}, portstest.Reuse),
	blocking("a connection with another machine is not in the way", func(
		sockets []socket, want netip.AddrPort, reuse bool,
	) (socket, bool) {
		near := slices.DeleteFunc(slices.Clone(sockets), func(s socket) bool {
			return s.State != ports.Listen && s.Remote.Port() != 0 && s.Remote.Addr() != s.Local.Addr()
		})
		return ports.Blocks(near, want, reuse)
	}, portstest.Reuse),
	blocking("a closed socket is in nobody's way", judged(overlap, func(state string, reuse bool) bool {
		return state != ports.Close && linux(state, reuse)
	}), portstest.Reuse),
	blocking("the first in the way, listener or not", blocksFirst, portstest.Which),
	blocking("the last listener", blocksLast, portstest.Which),
	blocking("the socket with the very address goes first", blocksExact, portstest.Which),
	blocking("a socket of a program goes before one without", blocksOwned, portstest.Which),
	blocking("only the first socket on the port is looked at", blocksOnlyFirst, portstest.Which),
	blocking("the caller's slice is sorted", blocksSorts, portstest.Which),
	blocking("port 0 is a port like any other", func(all []socket, want netip.AddrPort, reuse bool) (
		socket, bool,
	) {
		for _, s := range all {
			if want.Port() == 0 && s.Local.Port() == 0 {
				return s, true
			}
		}
		return ports.Blocks(all, want, reuse)
	}, portstest.Which),
	blocking("port 0 is every port", func(all []socket, want netip.AddrPort, reuse bool) (socket, bool) {
		if want.Port() == 0 && len(all) > 0 {
			return all[0], true
		}
		return ports.Blocks(all, want, reuse)
	}, portstest.Which),
	blocking("a thousand sockets at most", func(all []socket, want netip.AddrPort, reuse bool) (socket, bool) {
		return ports.Blocks(all[:min(len(all), 1000)], want, reuse)
	}, portstest.Which),
}

// rowByRow is a right Parse, but for what it makes of the fields of a row.
func rowByRow(row func(f []string) (socket, error)) parseFunc {
	return func(table io.Reader) (all []socket, err error) {
		lines := bufio.NewScanner(table)
		for lines.Scan() {
			f := strings.Fields(lines.Text())
			if len(f) > 0 && f[0] == "sl" {
				continue
			}
			if len(f) < 10 {
				return nil, fmt.Errorf("%d columns", len(f))
			}
			s, err := row(f)
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
		return all, lines.Err()
	}
}

// addressing is a right Parse, but for what turn does to the bytes of an address.
func addressing(turn func(b []byte)) parseFunc {
	address := func(text string, right netip.AddrPort) netip.AddrPort {
		b, _ := hex.DecodeString(text[:len(text)-5])
		turn(b)
		addr, _ := netip.AddrFromSlice(b)
		return netip.AddrPortFrom(addr.Unmap(), right.Port())
	}
	return rowByRow(func(f []string) (socket, error) {
		s, err := columns(f)
		if err != nil {
			return s, err
		}
		s.Local, s.Remote = address(f[1], s.Local), address(f[2], s.Remote)
		return s, nil
	})
}

// changed is a right Parse, but for what change does to a socket.
func changed(change func(s *socket)) parseFunc {
	return rowByRow(func(f []string) (socket, error) {
		s, err := columns(f)
		change(&s)
		return s, err
	})
}

// keeping returns the sockets that keep says.
func keeping(keep func(s socket) bool) parseFunc {
	return func(table io.Reader) ([]socket, error) {
		all, err := ports.Parse(table)
		return slices.DeleteFunc(all, func(s socket) bool { return !keep(s) }), err
	}
}

// mappedAgain undoes Unmap.
func mappedAgain(digits string, a netip.AddrPort) netip.AddrPort {
	if len(digits) > 13 {
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
	}
	return a
}

func parseHeader(table io.Reader) ([]socket, error) {
	text, err := io.ReadAll(table)
	if err != nil {
		return nil, err
	}
	return ports.Parse(strings.NewReader(strings.ReplaceAll(string(text), "  sl ", "  0: ")))
}

func parseOneHeader(table io.Reader) ([]socket, error) {
	lines := bufio.NewReader(table)
	if _, err := lines.ReadString('\n'); err == io.EOF {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return parseHeader(lines)
}

func parseFirstLost(table io.Reader) ([]socket, error) {
	lines := bufio.NewReader(table)
	if _, err := lines.ReadString('\n'); err != nil && err != io.EOF {
		return nil, err
	}
	return ports.Parse(lines)
}

func parseSlot(table io.Reader) ([]socket, error) {
	return parseWith(table, func(line string) string {
		if strings.HasPrefix(strings.TrimSpace(line), "sl") {
			return "sl"
		}
		return line
	})
}

func parseHeaderWords(table io.Reader) ([]socket, error) {
	return parseWith(table, func(line string) string {
		if !strings.Contains(line, "local_address") {
			return strings.Replace(line, "sl", "0", 1)
		}
		return line
	})
}

// parseWith is a right Parse of lines that change has changed.
func parseWith(table io.Reader, change func(line string) string) ([]socket, error) {
	lines, text := bufio.NewScanner(table), ""
	for lines.Scan() {
		text += change(lines.Text()) + "\n"
	}
	if lines.Err() != nil {
		return nil, lines.Err()
	}
	return ports.Parse(strings.NewReader(text))
}

func parseReadLine(table io.Reader) ([]socket, error) {
	lines, text := bufio.NewReader(table), ""
	for {
		line, _, err := lines.ReadLine()
		if err == io.EOF {
			return ports.Parse(strings.NewReader(text))
		}
		if err != nil {
			return nil, err
		}
		text += string(line) + "\n"
	}
}

func parseUnfinished(table io.Reader) ([]socket, error) {
	lines, text := bufio.NewReader(table), ""
	for {
		line, err := lines.ReadString('\n')
		if err != nil && err != io.EOF && line == "" {
			return nil, err
		}
		text += line
		if err != nil {
			return ports.Parse(strings.NewReader(text))
		}
	}
}

func parseUnique(table io.Reader) (unique []socket, err error) {
	all, err := ports.Parse(table)
	for _, s := range all {
		if !slices.ContainsFunc(unique, func(u socket) bool { return u.Local == s.Local }) {
			unique = append(unique, s)
		}
	}
	return unique, err
}

func parseSorted(table io.Reader) ([]socket, error) {
	all, err := ports.Parse(table)
	slices.SortFunc(all, func(a, b socket) int { return int(a.Local.Port()) - int(b.Local.Port()) })
	return all, err
}

func parseEnd(table io.Reader) ([]socket, error) {
	all, err := ports.Parse(table)
	if err == nil {
		err = io.EOF
	}
	return all, err
}

func parseLeaves(table io.Reader) ([]socket, error) {
	all, err := ports.Parse(table)
	rows := make(chan socket)
	go func() {
		for _, s := range all {
			rows <- s
		}
	}()
	return all, err
}

// parseLeavesReader lets a goroutine read the lines, which has nobody left to give them to when one is bad.
func parseLeavesReader(table io.Reader) (all []socket, err error) {
	lines := make(chan string, 16)
	failed := make(chan error, 1)
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(table)
		for scanner.Scan() {
			lines <- scanner.Text()
		}
		failed <- scanner.Err()
	}()
	for line := range lines {
		some, err := ports.Parse(strings.NewReader(line))
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, <-failed
}

func parseOneRead(table io.Reader) ([]socket, error) {
	buf := make([]byte, 64<<10)
	n, err := table.Read(buf)
	if err != nil && err != io.EOF {
		return nil, err
	}
	return ports.Parse(strings.NewReader(string(buf[:n])))
}

// seen is a reader whose results look changes.
type seen struct {
	io.Reader
	look func(n int, err error) (int, error)
}

func (s seen) Read(p []byte) (int, error) { return s.look(s.Reader.Read(p)) }

func parseWholeLines(table io.Reader) ([]socket, error) {
	lines, whole := bufio.NewReader(table), ""
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			return ports.Parse(strings.NewReader(whole))
		}
		if err != nil {
			return nil, err
		}
		whole += line
	}
}

// shared is for mistakes that keep something between calls: each case gets an answer of its own.
func shared(name string, lab func() portstest.Lab, fails ...string) check.Answer {
	a := answer(name, lab(), fails...)
	for i := range a.Lab.Cases {
		a.Lab.Cases[i].Run = func(c *check.C) { portstest.Suite(lab()).Cases[i].Run(c) }
	}
	return a
}

func oneSlice() portstest.Lab {
	var all []socket
	return portstest.Adapt(func(table io.Reader) ([]socket, error) {
		got, err := ports.Parse(table)
		all = append(all, got...)
		return all, err
	}, ports.Blocks)
}

func parsePassing(table io.Reader) (all []socket, err error) {
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		if s, err := columns(strings.Fields(lines.Text())); err == nil {
			all = append(all, s)
		}
	}
	return all, lines.Err()
}

func parseZero(table io.Reader) ([]socket, error) {
	return rowByRow(func(f []string) (socket, error) {
		s, err := columns(f)
		if err != nil && strings.Contains(err.Error(), "ParseUint") {
			err = nil
		}
		return s, err
	})(table)
}

func parseDeaf(table io.Reader) ([]socket, error) {
	return ports.Parse(seen{table, func(n int, err error) (int, error) {
		if err != nil {
			err = io.EOF
		}
		return n, err
	}})
}

func parsePartial(table io.Reader) (all []socket, err error) {
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); f[0] != "sl" {
			s, err := columns(f)
			if err != nil {
				return all, nil
			}
			all = append(all, s)
		}
	}
	return all, lines.Err()
}

func parseUnknown(table io.Reader) ([]socket, error) {
	return rowByRow(func(f []string) (socket, error) {
		state, err := strconv.ParseUint(f[3], 16, 8)
		if err == nil && (state == 0 || state > 11) {
			f[3] = "01"
		}
		return columns(f)
	})(table)
}

func parseSscanf(table io.Reader) ([]socket, error) {
	return rowByRow(func(f []string) (socket, error) {
		for i := 1; i <= 2 && len(f[i]) == 14; i++ {
			f[i] = f[i][:13]
		}
		return columns(f)
	})(table)
}

func parseUIDCut(table io.Reader) ([]socket, error) {
	return rowByRow(func(f []string) (socket, error) {
		uid, err := strconv.ParseUint(f[7], 10, 64)
		if err == nil {
			f[7] = strconv.Itoa(int(uint32(uid)))
		}
		return columns(f)
	})(table)
}

// judged is a right Blocks, but for what the two judges say.
func judged(collide func(has, want netip.Addr) bool, counts func(state string, reuse bool) bool) blocksFunc {
	return func(sockets []socket, want netip.AddrPort, reuse bool) (first socket, found bool) {
		addr := want.Addr().Unmap()
		for _, s := range sockets {
			if want.Port() == 0 || s.Local.Port() != want.Port() || !collide(s.Local.Addr(), addr) ||
				!counts(s.State, reuse) {
				continue
			}
			if s.State == ports.Listen {
				return s, true
			}
			if !found {
				first, found = s, true
			}
		}
		return first, found
	}
}

// overlap and linux are the right judges.
func overlap(a, b netip.Addr) bool {
	return meet(netip.AddrPortFrom(a, 1), netip.AddrPortFrom(b, 1))
}

func linux(state string, reuse bool) bool {
	return state == ports.Listen || !reuse && state != ports.SynRecv
}

func anyAddress(netip.Addr, netip.Addr) bool { return true }

func bothLoopback(a, b netip.Addr) bool {
	return a.Is4() && b.Is4() && a.IsLoopback() && b.IsLoopback()
}

func blocksRemote(sockets []socket, want netip.AddrPort, reuse bool) (socket, bool) {
	for _, s := range sockets {
		if s.Remote == want {
			return s, true
		}
	}
	return ports.Blocks(sockets, want, reuse)
}

func blocksBSD(sockets []socket, want netip.AddrPort, reuse bool) (socket, bool) {
	collide := overlap
	if reuse {
		collide = func(a, b netip.Addr) bool { return a == b }
	}
	return judged(collide, linux)(sockets, want, reuse)
}

func blocksMapped(sockets []socket, want netip.AddrPort, reuse bool) (socket, bool) {
	if want.Addr().Is4In6() {
		return socket{}, false
	}
	return ports.Blocks(sockets, want, reuse)
}

func blocksFirst(sockets []socket, want netip.AddrPort, reuse bool) (socket, bool) {
	for _, s := range sockets {
		if meet(s.Local, want) && linux(s.State, reuse) {
			return s, true
		}
	}
	return socket{}, false
}

func blocksLast(sockets []socket, want netip.AddrPort, reuse bool) (socket, bool) {
	first, found := ports.Blocks(sockets, want, reuse)
	for _, s := range sockets {
		if s.State == ports.Listen && meet(s.Local, want) {
			first = s
		}
	}
	return first, found
}

func blocksExact(sockets []socket, want netip.AddrPort, reuse bool) (socket, bool) {
	for _, s := range sockets {
		if s.State == ports.Listen && s.Local == want && want.Port() != 0 {
			return s, true
		}
	}
	return ports.Blocks(sockets, want, reuse)
}

// blocksOwned names a socket that has an inode, if it can.
func blocksOwned(sockets []socket, want netip.AddrPort, reuse bool) (socket, bool) {
	first, any := ports.Blocks(sockets, want, reuse)
	if first.State == ports.Listen {
		return first, any
	}
	owned := slices.DeleteFunc(slices.Clone(sockets), func(s socket) bool { return s.Inode == 0 })
	if s, ok := ports.Blocks(owned, want, reuse); ok {
		return s, true
	}
	return first, any
}

func blocksOnlyFirst(sockets []socket, want netip.AddrPort, reuse bool) (socket, bool) {
	for _, s := range sockets {
		if meet(s.Local, want) {
			return ports.Blocks([]socket{s}, want, reuse)
		}
	}
	return socket{}, false
}

func blocksSorts(sockets []socket, want netip.AddrPort, reuse bool) (socket, bool) {
	found, blocked := ports.Blocks(sockets, want, reuse)
	slices.SortStableFunc(sockets, func(a, b socket) int { return int(a.Inode) - int(b.Inode) })
	return found, blocked
}
