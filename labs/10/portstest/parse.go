package portstest

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing/iotest"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

// stateNames are the states, at their numbers less one.
var stateNames = []string{
	"ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE",
	"CLOSE_WAIT", "LAST_ACK", listen, "CLOSING",
}

const (
	listen   = "LISTEN"
	synRecv  = "SYN_RECV"
	timeWait = "TIME_WAIT"
)

// The lines above the rows.
const (
	header4 = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout " +
		"inode                                                     \n"
	header6 = "  sl  local_address                         remote_address                        st " +
		"tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
)

// row writes a socket as the kernel does on a little-endian machine: tcp4_seq_show and tcp6_seq_show
// in Linux's net/ipv4/tcp_ipv4.c and net/ipv6/tcp_ipv6.c.
func row(i int, s Socket) string {
	queues, timer, more := "00000000:00000000", "00:00000000", " 1 0000000000000000 20 4 30 10 -1"
	switch s.State {
	case listen:
		more = " 1 0000000000000000 100 0 0 10 0"
	case timeWait:
		timer, more = "03:0000176F", " 3 0000000000000000"
	case "FIN_WAIT1", "LAST_ACK", "CLOSING":
		queues, timer = "00000001:00000000", "01:00000014"
	}
	line := fmt.Sprintf(
		"%4d: %s %s %02X %s %s 00000000 %5d        0 %d%s",
		i,
		address(s.Local),
		address(s.Remote),
		1+slices.Index(stateNames, s.State),
		queues,
		timer,
		s.UID,
		s.Inode,
		more,
	)
	if netip.MustParseAddrPort(s.Local).Addr().Is4() {
		line = fmt.Sprintf("%-149s", line)
	}
	return line + "\n"
}

func address(text string) string {
	a := netip.MustParseAddrPort(text)
	var digits strings.Builder
	for word := range slices.Chunk(a.Addr().AsSlice(), 4) {
		fmt.Fprintf(&digits, "%08X", binary.LittleEndian.Uint32(word))
	}
	return fmt.Sprintf("%s:%04X", digits.String(), a.Port())
}

// table writes a header and the sockets.
func table(header string, sockets ...Socket) string {
	var text strings.Builder
	text.WriteString(header)
	for i, s := range sockets {
		text.WriteString(row(i, s))
	}
	return text.String()
}

// listening is a socket that waits for clients.
func listening(local string, uid uint32, inode uint64) Socket {
	return Socket{local, noRemote(local), listen, uid, inode}
}

// noRemote is the remote address of a socket that has none.
func noRemote(local string) string {
	if netip.MustParseAddrPort(local).Addr().Is4() {
		return "0.0.0.0:0"
	}
	return "[::]:0"
}

// parse calls Parse and records what it returned.
func (s suite) parse(c *check.C, r io.Reader) (sockets []Socket, err error) {
	c.Do("Parse(table)", func() { sockets, err = s.lab.Parse(r) })
	if err != nil {
		c.Step("Parse returned the error %s", check.Err(err))
	} else {
		c.Step("Parse returned %s, nil", several(sockets))
	}
	return sockets, err
}

// wantSockets parses r and compares the sockets.
func (s suite) wantSockets(c *check.C, r io.Reader, want []Socket) {
	got, err := s.parse(c, r)
	same(c, got, err, want)
}

// same compares what Parse has returned.
func same(c *check.C, got []Socket, err error, want []Socket) {
	c.WantNil("Parse", err)
	if !slices.Equal(got, want) && slices.Equal(ordered(got), ordered(want)) {
		c.Fail("Parse returned the sockets in another order than that of the rows")
	}
	for i := range min(len(got), len(want)) {
		g, w := got[i], want[i]
		if g == w {
			continue
		}
		where := fmt.Sprintf("socket %d of %d", i+1, len(want))
		c.WantText(where+", Local", g.Local, w.Local)
		c.WantText(where+", Remote", g.Remote, w.Remote)
		c.WantText(where+", State", g.State, w.State)
		if g.UID != w.UID || g.Inode != w.Inode {
			c.Rule("uid has up to 32 bits and inode up to 64, in decimal digits.",
				"strconv.ParseUint(s, 10, 32) and strconv.ParseUint(s, 10, 64): ParseInt and Atoi have one bit less.")
			c.Fail("%s: got the uid %d and the inode %d, want %d and %d", where, g.UID, g.Inode, w.UID, w.Inode)
		}
	}
	if len(got) != len(want) {
		c.Fail("the table has %d rows, and Parse returned %d sockets", len(want), len(got))
	}
}

// ordered is a sorted copy.
func ordered(sockets []Socket) []Socket {
	return slices.SortedFunc(slices.Values(sockets), func(a, b Socket) int {
		return cmp.Or(cmp.Compare(a.Inode, b.Inode), cmp.Compare(a.String(), b.String()))
	})
}

// several writes sockets for a step.
func several(sockets []Socket) string {
	const shown = 6
	if len(sockets) == 0 {
		return "no sockets"
	}
	var parts []string
	for _, s := range sockets[:min(len(sockets), shown)] {
		parts = append(parts, s.String())
	}
	if len(sockets) > shown {
		parts = append(parts, fmt.Sprintf("… (%d sockets)", len(sockets)))
	}
	return strings.Join(parts, " | ")
}

// String is a socket as it stands in a step.
func (s Socket) String() string { return s.Local + " – " + s.Remote + " " + s.State }

// hanging shows a table in a step, without the spaces at the ends of lines.
func hanging(c *check.C, text string) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for _, line := range lines[:min(len(lines), 4)] {
		c.Step("the table has the line %q", strings.TrimRight(line, " "))
	}
	if len(lines) > 4 {
		c.Step("and %d lines more", len(lines)-4)
	}
}

func (s suite) rows(c *check.C) {
	sockets := []Socket{
		listening("127.0.0.1:8080", 1000, 4711),
		listening("0.0.0.0:22", 0, 1),
		{"192.168.1.20:443", "10.0.0.7:51234", "ESTABLISHED", 33, 70001},
		{"1.2.3.4:258", "254.253.252.251:65535", "CLOSE_WAIT", 4294967294, 4294967297},
		{"127.0.0.1:8080", "127.0.0.1:50001", "ESTABLISHED", 1000, 4712},
		{"127.0.0.1:8080", "127.0.0.1:50002", "ESTABLISHED", 1000, math.MaxUint64},
		{"127.0.0.1:1", "127.0.0.2:2", timeWait, 0, 0},
	}
	for i, one := range sockets {
		c.Variation("/proc/net/tcp with one row")
		text := table(header4, one)
		hanging(c, text)
		got, err := s.parse(c, strings.NewReader(text))
		if i > 0 && slices.Equal(got, sockets[:i+1]) {
			c.Fail("Parse returned the sockets of earlier tables as well: each call begins without any")
		}
		same(c, got, err, []Socket{one})
	}
	c.Variation("/proc/net/tcp with all of them")
	text := table(header4, sockets...)
	hanging(c, text)
	s.wantSockets(c, strings.NewReader(text), sockets)
	for i, header := range []string{header4, header6} {
		c.Variation("%s of a machine without sockets: the header alone", []string{"/proc/net/tcp", "/proc/net/tcp6"}[i])
		c.Rule("A line whose first column is sl is a header, whatever else it says. It is passed over; that "+
			"there are no rows is no error.", "Compare the first column of the line, and nothing else.")
		hanging(c, header)
		s.wantSockets(c, strings.NewReader(header), nil)
	}
}

func (s suite) ipv6(c *check.C) {
	for _, v := range []struct{ local, remote, localIs, remoteIs string }{
		{"[::1]:8080", "[::]:0", "", ""},
		{"[2001:db8::1:2]:443", "[fe80::a1b2:c3ff:fed4:e5f6]:50000", "", ""},
		{"[102:304:506:708:90a:b0c:d0e:f10]:80", "[::2]:1", "", ""},
		{"[::ffff:127.0.0.1]:8080", "[::ffff:10.1.2.3]:40000", "127.0.0.1:8080", "10.1.2.3:40000"},
		{"[::ffff:0.0.0.0]:8080", "[::]:0", "0.0.0.0:8080", ""},
		{"[::7f00:1]:8080", "[64:ff9b::7f00:1]:80", "", ""},
		{"[2001:db8::ffff:7f00:1]:8080", "[::ffff:0:7f00:1]:80", "", ""},
	} {
		c.Variation("/proc/net/tcp6 with one row")
		one := Socket{v.local, v.remote, "ESTABLISHED", 1000, 99}
		text := table(header6, one)
		hanging(c, text)
		if v.localIs != "" {
			one.Local = v.localIs
		}
		if v.remoteIs != "" {
			one.Remote = v.remoteIs
		}
		s.wantSockets(c, strings.NewReader(text), []Socket{one})
	}
}

func (s suite) states(c *check.C) {
	for i, name := range stateNames {
		c.Variation("/proc/net/tcp with a socket in state %02X", i+1)
		one := Socket{"127.0.0.1:8080", "127.0.0.1:50000", name, 1000, 5}
		s.wantSockets(c, strings.NewReader(table(header4, one)), []Socket{one})
	}
}

// mixed are sockets of both families and of rows with different columns.
func mixed(many int) (sockets4, sockets6 []Socket) {
	for i := range many {
		state := stateNames[i%len(stateNames)]
		local4 := fmt.Sprintf("10.%d.%d.%d:%d", i>>8&255, i&255, i%7, 1+i%65535)
		local6 := fmt.Sprintf("[2001:db8::%x]:%d", 1+i, 1+i%65535)
		sockets4 = append(sockets4, Socket{local4, "10.0.0.1:80", state, uint32(i), uint64(i) * 3})
		sockets6 = append(sockets6, Socket{local6, "[::1]:80", state, uint32(i), uint64(i) * 5})
	}
	return sockets4, sockets6
}

func (s suite) long(c *check.C) {
	sockets4, sockets6 := mixed(4)
	both := slices.Concat(sockets4, sockets6)
	text := table(header4, sockets4...) + table(header6, sockets6...)
	for _, cut := range c.Cuts(3, len(header4)-1, len(header4)+10, len(text)-40) {
		c.Variation("/proc/net/tcp and tcp6, one behind the other, come over a connection, %s", cut.Name)
		conn, peer := c.Connect()
		peer.Send(cut.Pieces([]byte(text))...)
		peer.CloseWrite()
		s.wantSockets(c, conn, both)
	}

	c.Variation("a table whose last line has no line feed")
	s.wantSockets(c, strings.NewReader(strings.TrimRight(text, "\n")), both)
	c.Variation("a table whose last bytes come together with io.EOF")
	s.wantSockets(c, iotest.DataErrReader(strings.NewReader(text)), both)
	c.Variation("a table of which every second Read returns 0 bytes and no error")
	s.wantSockets(c, &hesitant{r: strings.NewReader(text)}, both)

	s.odd(c)

	text, all := busy()
	c.Variation("a table of %d rows, %d bytes", len(all), len(text))
	s.wantSockets(c, iotest.HalfReader(strings.NewReader(text)), all)

	c.Variation("a table of more than 1 MiB, or of one row if the first Read has room for less than 512 bytes")
	wide := &ample{text: lengthy(), sockets: slices.Repeat([]Socket{all[0]}, lengthyRows+shortRows)}
	got, err := s.parse(c, wide)
	same(c, got, err, wide.sockets)
}

// odd lets Parse read what the kernel might write another time: everything but the five columns is different.
func (s suite) odd(c *check.C) {
	one := Socket{"127.0.0.1:8080", "10.0.0.7:50000", "ESTABLISHED", 1000, 4711}
	line := strings.TrimRight(row(0, one), " \n")
	columns := strings.Fields(line)
	for _, v := range []struct{ says, text string }{
		{"without a header", line},
		{"whose header is short", "sl\n" + line},
		{"whose header has other words, and more spaces before them", "        sl  here there\n" + line},
		{"with a row of ten columns", strings.Join(columns[:10], " ")},
		{"with a row of eleven columns", strings.Join(columns[:11], "   ")},
		{"with a row of 1,000 columns", line + strings.Repeat(" 0000", 1000-len(columns))},
		{"with a row that says sl and address in its last columns", line + " sl local_address"},
		{"with a row whose other columns are words", strings.Join(slices.Concat([]string{"slot"}, columns[1:4],
			[]string{"in", "out", "no"}, columns[7:8], []string{"soon"}, columns[9:10]), " ")},
	} {
		text := v.text + "\n" + row(7, one) // the same socket twice: a row is a row
		c.Variation("a table %s", v.says)
		hanging(c, text)
		s.wantSockets(c, strings.NewReader(text), []Socket{one, one})
	}
}

// busy is the table of a machine with many sockets: more than any buffer of 64 KiB takes, and no
// more, because code that reads it byte by byte is right, too, and may have to ask another process
// for each of them.
var busy = sync.OnceValues(func() (string, []Socket) {
	sockets4, sockets6 := mixed(600)
	text := table(header4, sockets4...) + table(header6, sockets6...)
	return text, slices.Concat(sockets4, sockets6)
})

// All rows of lengthy are more than 1 MiB, and more than an array for "enough" would have.
const (
	lengthyRows = 80
	shortRows   = 4100
)

// lengthy is a table of a few rows, each of which is about as long as a row can be, and of many short ones.
var lengthy = sync.OnceValue(func() string {
	sockets4, _ := mixed(1)
	line := strings.TrimRight(row(0, sockets4[0]), " \n")
	short := strings.Join(strings.Fields(line)[:10], " ")
	return strings.Repeat(line+" "+strings.Repeat("0", 9000)+"\n", lengthyRows) + strings.Repeat(short+"\n", shortRows)
})

// ample is lengthy for code that reads on a large scale. Any other, for which busy has enough bytes,
// gets a single row.
type ample struct {
	text    string
	sockets []Socket
	asked   bool
}

func (a *ample) Read(p []byte) (int, error) {
	if !a.asked && len(p) < 512 {
		a.text, a.sockets = a.text[:1+strings.Index(a.text, "\n")], a.sockets[:1]
	}
	a.asked = true
	if a.text == "" {
		return 0, io.EOF
	}
	n := copy(p, a.text)
	a.text = a.text[n:]
	return n, nil
}

var errGone = errors.New("the disk is gone")

// gone is a reader that fails once, together with its last bytes.
type gone struct {
	text string
	err  error
}

func (g *gone) Read(p []byte) (int, error) {
	if g.text == "" {
		return 0, io.EOF
	}
	n := copy(p, g.text)
	if g.text = g.text[n:]; g.text == "" {
		return n, g.err
	}
	return n, nil
}

// hesitant is a reader that has nothing yet each time that it is asked for the first time.
type hesitant struct {
	r     io.Reader
	asked bool
}

func (h *hesitant) Read(p []byte) (int, error) {
	if h.asked = !h.asked; h.asked {
		return 0, nil
	}
	return h.r.Read(p)
}

func (s suite) malformed(c *check.C) {
	good := Socket{"127.0.0.1:8080", "10.0.0.7:50000", "ESTABLISHED", 1000, 4711}
	line := row(0, good)
	with := func(old, new string) string { return strings.Replace(line, old, new, 1) }
	for _, v := range []struct{ says, line string }{
		{"has no inode", "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  " +
			"1000        0\n"},
		{"is cut in the middle", line[:40] + "\n"},
		{"is text", "permission denied\n"},
		{"is text, and its first column begins with sl", "slab has no local_address\n"},
		{"has a local address without a port", with("0100007F:1F90", "0100007F")},
		{"has a local address of seven digits", with("0100007F:1F90", "100007F:1F90")},
		{"has a local address of six digits", with("0100007F:1F90", "00007F:1F90")},
		{"has a local address of thirty digits", with("0100007F:1F90", strings.Repeat("0", 30)+":1F90")},
		{"has a local address without a digit", with("0100007F:1F90", ":1F90")},
		{"has a local address of ten digits", with("0100007F:1F90", "000100007F:1F90")},
		{"has a local address of 31 digits", with("0100007F:1F90", strings.Repeat("0", 31)+":1F90")},
		{"has a local address of 16 digits", with("0100007F:1F90", "0100007F0100007F:1F90")},
		{"has a local address of 24 digits", with("0100007F:1F90", strings.Repeat("0", 24)+":1F90")},
		{"has a local address of 40 digits", with("0100007F:1F90", strings.Repeat("0", 40)+":1F90")},
		{"has a local address with a G in it", with("0100007F:1F90", "0100G07F:1F90")},
		{"has a dot between its local address and the port", with("0100007F:1F90", "0100007F.1F90")},
		{"has a dot between its remote address and the port", with("0700000A:C350", "0700000A.C350")},
		{"has a local address in dots", with("0100007F:1F90", "127.0.0.1:1F90")},
		{"has a local port of three digits", with("0100007F:1F90", "0100007F:1F9")},
		{"has a local port of five digits", with("0100007F:1F90", "0100007F:11F90")},
		{"has a local port of five digits", with("0100007F:1F90", "0100007F:01F90")},
		{"has a local port with a sign", with("0100007F:1F90", "0100007F:+F90")},
		{"has a local port that is not a number", with("0100007F:1F90", "0100007F:http")},
		{"has two ports", with("0100007F:1F90", "0100007F:1F90:1F91")},
		{"has a remote address of nine digits", with("0700000A:C350", "0700000AB:C350")},
		{"has a remote port with a G in it", with("0700000A:C350", "0700000A:C35G")},
		{"has the state 00", with(" 01 ", " 00 ")},
		{"has the state 0C", with(" 01 ", " 0C ")},
		{"has the state GG", with(" 01 ", " GG ")},
		{"has a state of one digit", with(" 01 ", " 1 ")},
		{"has a state of three digits", with(" 01 ", " 001 ")},
		{"has a uid that is not a number", with(" 1000 ", " root ")},
		{"has a uid in another notation", with(" 1000 ", " 0x3E8 ")},
		{"has a uid with a sign", with(" 1000 ", " +1000 ")},
		{"has a negative uid", with(" 1000 ", " -1 ")},
		{"has a uid of more than 32 bits", with(" 1000 ", " 4294967296 ")},
		{"has an inode that is not a number", with(" 4711 ", " 47x1 ")},
		{"has an inode with a sign", with(" 4711 ", " +4711 ")},
		{"has an inode of more than 64 bits", with(" 4711 ", " 18446744073709551616 ")},
		{"has a negative inode", with(" 4711 ", " -4711 ")},
	} {
		for _, last := range []bool{true, false} {
			text, where := header4+line+v.line, "the last line"
			if !last {
				text, where = header4+v.line+line, "the line before the last one"
			}
			c.Variation("/proc/net/tcp, in which %s %s", where, v.says)
			c.Step("this line is %q", strings.TrimRight(v.line, " \n"))
			if _, err := s.parse(c, strings.NewReader(text)); err == nil {
				c.Fail("a line %s, and Parse returned no error", v.says)
			}
		}
	}
	text, all := busy()
	c.Variation("a table of %d rows, of which the first is text", len(all))
	r := io.MultiReader(strings.NewReader(header4+"permission denied\n"), strings.NewReader(text))
	if _, err := s.parse(c, r); err == nil {
		c.Fail("a line is text, and Parse returned no error")
	}

	whole := strings.TrimRight(line, " \n")
	for _, failure := range append(fault.Failures("read"), os.ErrClosed, errGone) {
		for _, came := range []string{"", header4, header4 + line, header4 + line[:30], header4 + whole} {
			c.Variation("a reader that returns %d bytes of a table, and then fails: %v", len(came), failure)
			r := io.MultiReader(bytes.NewReader([]byte(came)), iotest.ErrReader(failure))
			_, err := s.parse(c, r)
			if strings.HasSuffix(came, "\n") || came == "" {
				c.WantError("a Read failed", err, failure)
			} else if err == nil { // two things are wrong, and either may be told
				c.Fail("a Read failed inside a row, and Parse returned no error")
			}
		}
	}
	for _, came := range []string{header4, header4 + line, header4 + line + line} {
		c.Variation("a reader that returns %d bytes of a table; the last of them come together with an error, and "+
			"then comes io.EOF", len(came))
		c.Rule("A Read may bring bytes together with an error, which need not come again. The error counts, too.",
			"Look at the error of each Read, also when it has brought bytes.")
		_, err := s.parse(c, &gone{text: came, err: errGone})
		c.WantError("a Read failed", err, errGone)
	}
	c.Variation("the table comes over a connection, which is reset behind a row")
	conn, peer := c.Connect()
	peer.Send([]byte(header4 + line))
	peer.Reset()
	_, err := s.parse(c, conn)
	c.WantMet("the connection was reset", err, peer.Conn())
}
