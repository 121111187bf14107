package ports_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"socketbook/labs/10/portstest"
	ports "socketbook/solutions/10"
	"socketbook/tools/check"
)

type (
	socket     = ports.Socket
	parseFunc  = func(io.Reader) ([]socket, error)
	blocksFunc = func([]socket, netip.AddrPort, bool) (socket, bool)
)

// right are the reference and correct answers in other styles.
var right = []check.Answer{
	answer("the reference", reference),
	answer("all at once, and every column by hand", portstest.Adapt(parseAll, blocksTwice)),
	answer("a regular expression, and a filter", portstest.Adapt(parseRegexp, blocksFiltered)),
	answer("a bufio.Reader, and numbers of 32 bits", portstest.Adapt(parseLines, blocksAsText)),
	answer("fmt.Fscan, and a sorted copy", portstest.Adapt(parseScanning, blocksSorted)),
	answer("in a goroutine, and by prefixes", portstest.Adapt(parseElsewhere, blocksPrefixes)),
	answer("lines pulled one by one, and a filter", portstest.Adapt(parsePulled, blocksFiltered)),
}

// names are the states, at their numbers.
var names = strings.Fields("- ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE " +
	"CLOSE_WAIT LAST_ACK LISTEN CLOSING")

func parseAll(table io.Reader) ([]socket, error) {
	text, err := io.ReadAll(table)
	if err != nil {
		return nil, err
	}
	var all []socket
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if f[0] == "sl" {
			continue
		}
		s, err := columns(f)
		if err != nil {
			return all, err
		}
		all = append(all, s)
	}
	return all, nil
}

// parsePulled asks a reader of lines for the next one whenever it is done with the one before.
func parsePulled(table io.Reader) (all []socket, err error) {
	next, stop := iter.Pull2(func(yield func(string, error) bool) {
		lines := bufio.NewReader(table)
		for more := true; more; {
			line, err := lines.ReadString('\n')
			if err == io.EOF {
				more, err = false, nil
			}
			if line != "" || err != nil {
				more = yield(line, err) && more && err == nil
			}
		}
	})
	defer stop()
	for line, err, ok := next(); ok; line, err, ok = next() {
		if err != nil {
			return all, err
		}
		f := strings.Fields(line)
		if f[0] == "sl" {
			continue
		}
		s, err := columns(f)
		if err != nil {
			return all, err
		}
		all = append(all, s)
	}
	return all, nil
}

// columns makes a socket of the fields of a row, of which all those that matter are there.
func columns(f []string) (s socket, err error) {
	if len(f) < 10 {
		return s, errors.New("a row is too short")
	}
	local, err1 := byHand(f[1])
	remote, err2 := byHand(f[2])
	state, err3 := strconv.ParseUint(f[3], 16, 8)
	uid, err4 := strconv.ParseUint(f[7], 10, 32)
	inode, err5 := strconv.ParseUint(f[9], 10, 64)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return s, err
	}
	if len(f[3]) != 2 || state < 1 || int(state) >= len(names) {
		return s, fmt.Errorf("state %d", state)
	}
	return socket{local, remote, names[state], uint32(uid), inode}, nil
}

// byHand takes the digits two by two.
func byHand(text string) (a netip.AddrPort, err error) {
	i := strings.IndexByte(text, ':')
	if i != 8 && i != 32 || len(text) != i+5 {
		return a, fmt.Errorf("%q is not an address", text)
	}
	b := make([]byte, i/2)
	for k := range b {
		n, err := strconv.ParseUint(text[2*k:2*k+2], 16, 8)
		if err != nil {
			return a, err
		}
		b[k^3] = byte(n)
	}
	port, err := strconv.ParseUint(text[i+1:], 16, 16)
	if err != nil {
		return a, err
	}
	addr, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), nil
}

var line = regexp.MustCompile(`^ *\S+ +([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) +` +
	`([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) +(0[1-9AB]) +\S+ +\S+ +\S+ +(\d+) +\S+ +(\d+)( |$)`)

func parseRegexp(table io.Reader) (all []socket, err error) {
	scanner := bufio.NewScanner(table)
	for scanner.Scan() {
		if strings.HasPrefix(strings.TrimSpace(scanner.Text())+" ", "sl ") {
			continue
		}
		m := line.FindStringSubmatch(scanner.Text())
		if m == nil {
			err = cmp.Or(err, fmt.Errorf("not a row: %s", scanner.Text()))
			continue
		}
		s, rowErr := columns([]string{"", m[1] + ":" + m[2], m[3] + ":" + m[4], m[5], "", "", "", m[6], "", m[7]})
		err = cmp.Or(err, rowErr)
		all = append(all, s)
	}
	return all, cmp.Or(scanner.Err(), err)
}

// parseLines reads an address as one or four numbers.
func parseLines(table io.Reader) ([]socket, error) {
	lines := bufio.NewReaderSize(table, 16)
	var all []socket
	for {
		text, err := lines.ReadString('\n')
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("after %d sockets: %w", len(all), err)
		}
		if f := strings.Fields(text); len(f) > 0 && f[0] != "sl" {
			s, rowErr := columns(f)
			if rowErr != nil {
				return nil, rowErr
			}
			s.Local, s.Remote = asNumbers(f[1]), asNumbers(f[2])
			all = append(all, s)
		}
		if err == io.EOF {
			return all, nil
		}
	}
}

func asNumbers(text string) netip.AddrPort {
	var b []byte
	for ; len(text) > 5; text = text[8:] {
		n, _ := strconv.ParseUint(text[:8], 16, 32)
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	port, _ := strconv.ParseUint(text[1:], 16, 16)
	addr, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(addr.Unmap(), uint16(port))
}

func parseScanning(table io.Reader) (all []socket, err error) {
	var text bytes.Buffer
	if _, err := text.ReadFrom(table); err != nil {
		return nil, err
	}
	for _, row := range strings.Split(strings.TrimSpace(text.String()), "\n") {
		f := make([]string, 10)
		n, _ := fmt.Sscan(row, &f[0], &f[1], &f[2], &f[3], &f[4], &f[5], &f[6], &f[7], &f[8], &f[9])
		if n == 0 || f[0] == "sl" {
			continue
		}
		s, err := columns(f[:n])
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func parseElsewhere(table io.Reader) (all []socket, err error) {
	rows, failed := make(chan string), make(chan error, 1)
	go func() {
		defer close(rows)
		text, err := io.ReadAll(table)
		failed <- err
		for row := range strings.SplitSeq(string(text), "\n") {
			rows <- row
		}
	}()
	for row := range rows {
		if f := strings.Fields(row); len(f) > 0 && f[0] != "sl" {
			s, rowErr := columns(f)
			all, err = append(all, s), cmp.Or(err, rowErr)
		}
	}
	return all, cmp.Or(<-failed, err)
}

// blocksTwice looks for a listener first, and then for the others.
func blocksTwice(sockets []socket, want netip.AddrPort, reuse bool) (socket, bool) {
	for _, s := range sockets {
		if s.State == ports.Listen && meet(s.Local, want) {
			return s, true
		}
	}
	for _, s := range sockets {
		if !reuse && s.State != ports.SynRecv && meet(s.Local, want) {
			return s, true
		}
	}
	return socket{}, false
}

func meet(a, b netip.AddrPort) bool {
	x, y := a.Addr().Unmap(), b.Addr().Unmap()
	if a.Port() != b.Port() || a.Port() == 0 {
		return false
	}
	if x.IsUnspecified() && (x.Is6() || y.Is4()) {
		return true
	}
	return y.IsUnspecified() && (y.Is6() || x.Is4()) || x == y
}

func blocksFiltered(sockets []socket, want netip.AddrPort, reuse bool) (found socket, ok bool) {
	var inTheWay []socket
	for _, s := range sockets {
		counts := s.State == ports.Listen || !reuse && s.State != ports.SynRecv
		if counts && meet(s.Local, want) {
			inTheWay = append(inTheWay, s)
		}
	}
	if len(inTheWay) == 0 {
		return found, false
	}
	i := slices.IndexFunc(inTheWay, func(s socket) bool { return s.State == "LISTEN" })
	return inTheWay[max(i, 0)], true
}

// blocksAsText compares addresses as text.
func blocksAsText(sockets []socket, want netip.AddrPort, reuse bool) (found socket, ok bool) {
	w := want.Addr().Unmap().String()
	for _, s := range slices.Backward(sockets) {
		a := s.Local.Addr().String()
		v4 := strings.Contains(a, ".") && strings.Contains(w, ".")
		v6 := strings.Contains(a, ":") && strings.Contains(w, ":")
		same := a == w || a == "::" || w == "::" ||
			v4 && (a == "0.0.0.0" || w == "0.0.0.0") || v6 && (a == "::" || w == "::")
		if !same || s.Local.Port() != want.Port() || want.Port() == 0 {
			continue
		}
		switch s.State {
		case "LISTEN":
			found, ok = s, true
		case "SYN_RECV":
		default:
			if !reuse && !(ok && found.State == "LISTEN") {
				found, ok = s, true
			}
		}
	}
	return found, ok
}

func blocksSorted(sockets []socket, want netip.AddrPort, reuse bool) (socket, bool) {
	own := slices.Clone(sockets)
	slices.SortStableFunc(own, func(a, b socket) int {
		rank := map[bool]int{true: 0, false: 1}
		return rank[a.State == ports.Listen] - rank[b.State == ports.Listen]
	})
	for _, s := range own {
		if s.State != ports.SynRecv && (s.State == ports.Listen || !reuse) && meet(s.Local, want) {
			return s, true
		}
	}
	return socket{}, false
}

// blocksPrefixes takes a wildcard for a network of no bits.
func blocksPrefixes(sockets []socket, want netip.AddrPort, reuse bool) (first socket, any bool) {
	network := func(a netip.Addr) netip.Prefix {
		if a.IsUnspecified() {
			return netip.PrefixFrom(a, 0)
		}
		return netip.PrefixFrom(a, a.BitLen())
	}
	wanted := network(want.Addr().Unmap())
	for _, s := range sockets {
		own := network(s.Local.Addr())
		dual := own.Bits() == 0 && own.Addr().Is6() || wanted.Bits() == 0 && wanted.Addr().Is6()
		if want.Port() == 0 || want.Port() != s.Local.Port() || !dual && !own.Overlaps(wanted) {
			continue
		}
		if s.State == ports.Listen {
			return s, true
		}
		if !any && !reuse && s.State != ports.SynRecv {
			first, any = s, true
		}
	}
	return first, any
}
