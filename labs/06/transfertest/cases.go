package transfertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

const maxHeader = 64 << 10 // bytes of JSON

// anyBytes is what a text would not have: ends of lines as on Windows, zeros, and all other bytes.
var anyBytes = func() string {
	text := "line\r\nline\n\x1a"
	for i := range 256 {
		text += string([]byte{byte(i)})
	}
	return text
}()

var (
	errBroken = errors.New("the suite broke off the payload")
	long      = strings.Repeat("socket ", 14_000)
)

func (s suite) describe(c *check.C) {
	described := "" // all payloads so far
	for _, v := range []struct {
		says string
		src  *source
	}{
		{"of 5 bytes", &source{data: "hello", endsLate: true}},
		{"of 0 bytes", &source{}},
		{"whose md5 begins with a zero", &source{data: zeroFirst(), endsLate: true}},
		{"of 98000 bytes, at most 1000 in each Read", &source{data: long, most: 1000, endsLate: true}},
		{"of 98000 bytes, the last of which come together with io.EOF", &source{data: long}},
		{
			"of 98000 bytes; before each Read that returns some, 50 return 0 bytes and no error",
			&source{data: long, hesitates: true, endsLate: true},
		},
	} {
		c.Variation("a payload %s", v.says)
		if v.src.hesitates || !v.src.endsLate && v.src.len() > 0 {
			c.Rule(oddReads("payload"))
		}
		size, sum, err := s.callDescribe(c, v.src)
		c.WantNil("Describe", err)
		before := described
		described += v.src.data
		if before != "" && (sum == sumOf(described) || size == int64(len(described))) {
			c.Rule(
				"The functions may be called any number of times, in turn: each call begins anew.",
				"Make the hash in Describe, and keep no number between calls.",
			)
		}
		if size != v.src.len() {
			c.Fail("the size is %d, and the payload has %d bytes", size, v.src.len())
		}
		c.WantText("the md5", sum, sumOf(v.src.data))
		if v.src.at != 0 {
			c.Fail("the payload now stands at byte %d: what is sent begins there", v.src.at)
		}
	}
	for _, broken := range []error{errBroken, io.ErrUnexpectedEOF, io.ErrNoProgress, os.ErrDeadlineExceeded} {
		for _, at := range []int64{5, 0, 98000} {
			c.Variation("a payload that fails after %d of 98000 bytes: %v", at, broken)
			_, _, err := s.callDescribe(c, &source{data: long, fails: broken, failsAt: at})
			c.WantError("Describe", err, broken)
		}
	}
	c.Variation("a payload of 5 bytes, after one that failed")
	c.Rule("The functions may be called any number of times, in turn: each call begins anew.",
		"Make the hash in Describe, or reset it before the first byte, and keep no number between calls.")
	size, sum, err := s.callDescribe(c, &source{data: "hello", endsLate: true})
	c.WantNil("Describe", err)
	if size != 5 {
		c.Fail("the size is %d, and the payload has 5 bytes", size)
	}
	c.WantText("the md5", sum, sumOf("hello"))

	c.Variation("a payload that cannot go back, such as a pipe")
	cannot := errors.New("illegal seek")
	_, _, err = s.callDescribe(c, &source{data: "hello", seekErr: cannot})
	c.WantError("Describe", err, cannot)
	for call := 1; call <= 3; call++ {
		c.Variation("a payload of which only call %d of Seek fails", call)
		src := &source{data: "hello", seekErr: cannot, seekFails: call}
		_, _, err := s.callDescribe(c, src)
		if src.seeks >= call {
			c.WantError("Describe", err, cannot)
		}
	}
}

// zeroFirst is a payload whose md5 begins with a zero.
func zeroFirst() string {
	for i := 0; ; i++ {
		if payload := fmt.Sprint("payload ", i); sumOf(payload)[0] == '0' {
			return payload
		}
	}
}

// callDescribe calls Describe, which has to leave the payload open, whatever it returns.
func (s suite) callDescribe(c *check.C, payload *source) (size int64, sum string, err error) {
	c.Do("Describe(payload)", func() { size, sum, err = s.lab.Describe(payload) })
	c.Step("Describe(payload) returned %d, %q, %s", size, sum, check.Err(err))
	payload.wantOpen(c, "Describe")
	return size, sum, err
}

// callSend calls Send, which has to leave w and the payload open, whatever it returns.
func (s suite) callSend(
	c *check.C,
	w io.Writer,
	name string,
	size int64,
	sum string,
	payload *source,
) (err error) {
	what := fmt.Sprintf("Send(w, %s, %d, %q, payload)", brief(name), size, sum)
	lent, ok := w.(*lentWriter)
	if !ok {
		lent = &lentWriter{Writer: w}
	}
	if _, ok := w.(*fault.Writer); ok {
		w = lent
	}
	c.Do(what, func() { err = s.lab.Send(w, name, size, sum, payload) })
	c.Step("%s returned %s", what, check.Err(err))
	if lent.did != "" {
		c.Fail("Send called %s on the connection, which belongs to the caller: leave it alone", lent.did)
	}
	payload.wantOpen(c, "Send")
	return err
}

// brief quotes a name, which may be very long.
func brief(name string) string {
	if len(name) > 200 {
		return fmt.Sprintf("a name of %d bytes", len(name))
	}
	return quoted([]byte(name))
}

// callReceive calls Receive, which has to leave the connection alone, whatever it returns.
func (s suite) callReceive(
	c *check.C,
	r io.Reader,
	dir string,
	peer *fault.Peer,
) (name string, verified bool, err error) {
	c.Do("Receive(conn, dir)", func() { name, verified, err = s.lab.Receive(r, dir) })
	c.Step("Receive(conn, dir) returned %q, %v, %s", name, verified, check.Err(err))
	if peer != nil {
		wantUntouched(c, "Receive", peer)
	}
	return name, verified, err
}

// wantUntouched ends the case if function has closed its connection, or set a deadline on it.
func wantUntouched(c *check.C, function string, peer *fault.Peer) {
	c.WantOpen(function, peer.Conn())
	c.WantNoDeadline(function, peer.Conn())
}

func (s suite) send(c *check.C) {
	for _, v := range []struct {
		name, payload, sum, beyond string
	}{
		{"report.txt", "hello", sumOf("hello"), ""},
		{`a "quoted" name \ 报告.txt`, "hello", sumOf("hello"), ""},
		{"a\x01\x7f.txt", "hello", sumOf("hello"), ""},
		{"folder/ Report 1.TXT ", "hello", sumOf("hello"), ""},
		// a header that is just short enough, however it is written
		{strings.Repeat("x", maxHeader-300), "hello", sumOf("hello"), ""},
		{"empty", "", "", ""},
		{"", "hello", sumOf("hello"), ""},
		{`zero ` + "\x00" + ` <b>&amp; 100%20 %s`, "hello", ` the "sum" \ of ` + "\x01hello\n", ""},
		{"growing.log", "", sumOf(""), ", and more that was not there when it was described"},
		{"long.txt", long, "MD5 unknown", ""},
		{"./a//b/../c.txt", "hello", "md5", ""},
		{"u\u0308 \u2028 \ufffd \ufeff \U0001F600", "hello", "u\u0308", ""},
		{"growing.log", "hello", sumOf("hello"), ", and more that was not there when it was described"},
		{"lines", anyBytes, sumOf(anyBytes), ""},
	} {
		c.Variation("a new connection; a payload of %d bytes%s", len(v.payload), v.beyond)
		conn, peer := c.Connect()
		err := s.callSend(
			c,
			conn,
			v.name,
			int64(len(v.payload)),
			v.sum,
			&source{data: v.payload + v.beyond, most: 50_000, endsLate: true},
		)
		if err != nil {
			c.Rule(
				"name and sum may be any text, even none, as long as the header has at most 65536 bytes.",
				"Refuse none of them, and change none: they go into the header as they are.",
			)
		}
		c.WantNil("Send", err)
		c.Settle()
		payload := s.wantHeader(c, peer.Received(), v.name, int64(len(v.payload)), v.sum)
		c.WantBytes("behind the header", payload, []byte(v.payload))
	}
	s.headerOf(c, maxHeader)
	for _, v := range []struct {
		says string
		src  *source
	}{
		{"the last of which come together with io.EOF", &source{data: "hello", most: 3}},
		{
			"before each Read that returns some, 50 return none, and no error",
			&source{data: "hello", most: 3, hesitates: true, endsLate: true},
		},
	} {
		c.Variation("a payload of 5 bytes, %s", v.says)
		c.Rule(oddReads("payload"))
		w := c.Writer(&fault.Writer{})
		c.WantNil("Send", s.callSend(c, w, "x", 5, "", v.src))
		c.WantBytes("behind the header", s.wantHeader(c, w.Taken(), "x", 5, ""), []byte("hello"))
	}

	c.Variation("a new connection; two transfers")
	conn, peer := c.Connect()
	for _, payload := range []string{"one", "two!"} {
		src := &source{data: payload}
		err := s.callSend(c, conn, payload+".txt", src.len(), sumOf(payload), src)
		c.WantNil("Send", err)
		wantUntouched(c, "Send", peer)
	}
	c.Settle()
	first := s.wantHeader(c, peer.Received(), "one.txt", 3, sumOf("one"))
	at := min(3, len(first))
	c.WantBytes("behind the first header", first[:at], []byte("one"))
	second := s.wantHeader(c, first[at:], "two!.txt", 4, sumOf("two!"))
	c.WantBytes("behind the second header", second, []byte("two!"))
}

// headerOf has a header of that many bytes sent, or refused if that is too long. How many bytes are not of
// the name, a first transfer tells.
func (s suite) headerOf(c *check.C, size int) {
	c.Variation("a payload of 5 bytes, and a short name")
	w := c.Writer(&fault.Writer{})
	c.WantNil("Send", s.callSend(c, w, "x", 5, "", &source{data: "hello", endsLate: true}))
	c.WantBytes("behind the header", s.wantHeader(c, w.Taken(), "x", 5, ""), []byte("hello"))
	rest := len(w.Taken()) - 4 - len("hello") - len("x")

	c.Variation("a payload of 5 bytes, and a name that makes the header %d bytes long", size)
	name := strings.Repeat("x", size-rest)
	w = c.Writer(&fault.Writer{})
	err := s.callSend(c, w, name, 5, "", &source{data: "hello", endsLate: true})
	if size <= maxHeader {
		if err != nil {
			c.Rule(
				"The JSON may have up to 65536 bytes. The four bytes of the length do not count.",
				"Compare the length of the JSON that you are about to send, and refuse only what is more.",
			)
		}
		c.WantNil("Send", err)
		c.WantBytes("behind the header", s.wantHeader(c, w.Taken(), name, 5, ""), []byte("hello"))
	} else if taken := w.Taken(); err == nil && len(taken) > len(name) && len(taken) <= 4+maxHeader+len("hello") &&
		bytes.HasSuffix(taken, []byte("hello")) { // it has left out white space
		c.WantBytes("behind the header", s.wantHeader(c, taken, name, 5, ""), []byte("hello"))
	} else if err == nil || w.Calls() > 0 {
		c.Fail(
			"Send returned %s and wrote %d bytes; a header of more than %d bytes is an error, and "+
				"nothing is written",
			check.Err(err),
			len(w.Taken()),
			maxHeader,
		)
	}
}

// wantHeader ends the case unless data begins with this header, and returns what is behind it.
func (s suite) wantHeader(c *check.C, data []byte, name string, size int64, sum string) (payload []byte) {
	c.Step("the suite received %s", telling([][]byte{data}))
	if len(data) < 4 {
		c.Fail("the length alone has 4 bytes, and %d came", len(data))
	}
	n := int64(int32(uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24))
	if n < 0 || n > int64(len(data)-4) {
		c.Fail(
			"the first 4 bytes are % x, a length of %d in little-endian; %d bytes follow in all",
			data[:4],
			n,
			len(data)-4,
		)
	}
	text := data[4 : 4+n]
	c.WantText("the keys of the JSON", keys(c, text), "file_name total_size md5")
	var h struct {
		FileName  string          `json:"file_name"`
		TotalSize json.RawMessage `json:"total_size"`
		MD5       string          `json:"md5"`
	}
	if err := json.Unmarshal(text, &h); err != nil {
		c.Fail("the header is not as it should be: %v", err)
	}
	c.WantText("file_name", h.FileName, name)
	c.WantText("total_size", string(h.TotalSize), fmt.Sprint(size))
	c.WantText("md5", h.MD5, sum)
	return data[4+n:]
}

// keys returns the keys of a JSON object in their order.
func keys(c *check.C, text []byte) string {
	if !json.Valid(text) {
		c.Fail(
			"the %d bytes behind the length are not JSON: %s",
			len(text),
			quoted(text[:min(len(text), 200)]),
		)
	}
	var names []string
	decoder := json.NewDecoder(bytes.NewReader(text))
	for depth, key := 0, false; ; {
		token, err := decoder.Token()
		if err != nil {
			return strings.Join(names, " ")
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			key = true
			continue
		case json.Delim('}'), json.Delim(']'):
			depth--
			continue
		}
		if key && depth == 1 {
			names = append(names, fmt.Sprint(token))
		}
		key = !key
	}
}

func (s suite) badSend(c *check.C) {
	const name = "report.txt"
	sum := sumOf("hello")
	hello := func() *source { return &source{data: "hello", most: 2, endsLate: true} }

	c.Variation("a writer that takes everything")
	good := c.Writer(&fault.Writer{})
	c.WantNil("Send", s.callSend(c, good, name, 5, sum, hello()))
	whole := good.Taken()

	fails := func(w *fault.Writer, says string) {
		c.Variation("a writer that takes %d of %d bytes and then fails%s", w.Room, len(whole), says)
		w = c.Writer(w)
		c.WantError("Send", s.callSend(c, w, name, 5, sum, hello()), w.Err)
		if w.Tried() > 0 {
			c.Fail("after the error Send offered the writer %d bytes more", w.Tried())
		}
	}
	for _, room := range []int{0, 2, 20, len(whole) - 5, len(whole) - 3} {
		fails(&fault.Writer{Room: room, Err: errors.New("the cable is cut")}, "")
	}
	for _, room := range []int{4, len(whole) - 5} {
		fails(
			&fault.Writer{Room: room, Full: true, Err: errors.New("the cable is cut")},
			": the error comes with the last byte that is taken",
		)
	}
	for _, err := range []error{os.ErrDeadlineExceeded, net.ErrClosed, syscall.EINTR, syscall.EAGAIN} {
		fails(&fault.Writer{Room: 20, Err: err}, fmt.Sprint(": ", err))
		fails(&fault.Writer{Room: len(whole) - 3, Err: err}, fmt.Sprint(": ", err))
	}
	s.trips(c)
	for _, most := range []int{1, 30} {
		c.Variation("a writer that takes at most %d bytes a call and returns no error", most)
		w := c.Writer(&fault.Writer{Most: most})
		if err := s.callSend(c, w, name, 5, sum, hello()); err == nil {
			c.WantBytes("Send returned nil; taken by the writer", w.Taken(), whole)
		}
	}
	payload := long[:300]
	good = c.Writer(&fault.Writer{})
	c.WantNil("Send", s.callSend(c, good, name, 300, sumOf(payload), &source{data: payload}))
	whole = good.Taken()
	for _, most := range []int{200, len(whole) - 1} {
		c.Variation(
			"a payload of 300 bytes, and a writer that takes at most %d bytes a call and returns no error",
			most,
		)
		w := c.Writer(&fault.Writer{Most: most})
		if s.callSend(c, w, name, 300, sumOf(payload), &source{data: payload}) == nil {
			c.WantBytes("Send returned nil; taken by the writer", w.Taken(), whole)
		}
	}
	c.Variation("a new connection, and a payload of 5 bytes, where 8 are announced")
	conn, peer := c.Connect()
	if s.callSend(c, conn, name, 8, sum, hello()) == nil {
		c.Fail("Send returned no error, and the other side waits for 3 bytes more")
	}
	wantUntouched(c, "Send", peer)

	for _, err := range []error{
		errBroken, os.ErrDeadlineExceeded, syscall.EAGAIN,
		io.ErrUnexpectedEOF, io.ErrClosedPipe, io.ErrNoProgress, os.ErrClosed,
	} {
		for _, at := range []int64{3, 0} {
			c.Variation("a payload that fails after %d of 5 bytes: %v", at, err)
			src := &source{data: "hello", fails: err, failsAt: at}
			c.WantError("Send", s.callSend(c, c.Writer(&fault.Writer{}), name, 5, sum, src), err)
		}
	}
	c.Variation("a payload of 0 bytes, where 8 are announced")
	if s.callSend(c, c.Writer(&fault.Writer{}), name, 8, sum, &source{}) == nil {
		c.Fail("Send returned no error, and the other side waits for 8 bytes")
	}

	s.headerOf(c, maxHeader+1)

	c.Variation("a payload of 5 bytes, where 8 are announced")
	w := c.Writer(&fault.Writer{})
	if s.callSend(c, w, name, 8, sum, hello()) == nil {
		c.Fail("Send returned no error, and the other side waits for 3 bytes more")
	}
	for _, v := range []struct {
		says, name string
		size       int64
	}{
		{"a size of -5", name, -5},
		{"a size of -1", name, -1},
		{"a size of -9223372036854775808", name, math.MinInt64},
		{"a name of 22000 Chinese characters", strings.Repeat("文", 22_000), 5},
		{"a name of 40000 quotation marks, which JSON writes as two bytes each", strings.Repeat(`"`, 40_000), 5},
	} {
		c.Variation("%s", v.says)
		w := c.Writer(&fault.Writer{})
		err := s.callSend(c, w, v.name, v.size, sum, hello())
		switch {
		case w.Calls() > 0:
			c.Fail("Send wrote %d bytes; this header is refused by whoever receives it", len(w.Taken()))
		case err == nil:
			c.Fail("Send returned no error, and wrote nothing")
		}
	}
}

// trips has one call of Write go wrong, the first ones and the last, with short payloads and long ones.
func (s suite) trips(c *check.C) {
	broken := errors.New("the cable is cut")
	none, half, all := func(int) int { return 0 }, func(n int) int { return n / 2 }, func(n int) int { return n }
	trips := []struct {
		says string
		trip
	}{
		{"takes half of its bytes and returns no error", trip{take: half}},
		{"takes none of its bytes and fails", trip{take: none, err: broken}},
		{"takes half of its bytes and fails", trip{take: half, err: broken}},
		{"takes all of its bytes and fails", trip{take: all, err: broken}},
	}
	for _, payload := range []string{"hello", long} {
		send := func(trip trip) (w *lentWriter, err error) {
			taken := c.Writer(&fault.Writer{})
			w = &lentWriter{Writer: taken, taken: taken, trip: trip}
			src := &source{data: payload, most: max(2, len(payload)/2), endsLate: true}
			return w, s.callSend(c, w, "report.txt", src.len(), sumOf(payload), src)
		}
		c.Variation("a payload of %d bytes, and a writer that takes everything", len(payload))
		good, err := send(trip{})
		c.WantNil("Send", err)
		for _, call := range slices.Compact([]int{1, 2, 3, good.calls}) {
			for _, t := range trips {
				c.Variation("a payload of %d bytes, and a writer of which call %d %s", len(payload), call, t.says)
				if t.err == nil {
					c.Rule(
						"A Write may take fewer bytes than it is given, those of the length among them.",
						"Look at n as well as at err. binary.Write and fmt.Fprint do not look at n: put the length "+
							"in front of the JSON, and write both with one Write.",
					)
				}
				t.trip.call = call
				w, err := send(t.trip)
				switch {
				case t.err != nil && w.calls > call:
					c.Fail("after the error Send called Write again")
				case t.err != nil && len(w.taken.Taken()) < len(good.taken.Taken()): // io.CopyN drops the last one
					c.WantError("Send", err, broken)
				case t.err == nil && err == nil:
					c.WantBytes("Send returned nil; taken by the writer", w.taken.Taken(), good.taken.Taken())
				}
			}
		}
	}
}

// wantStored ends the case unless the folder holds one file with this name and payload, and nothing
// else. It removes the file, so that the folder is empty again.
func wantStored(c *check.C, dir, name, payload string) {
	wantFiles(c, dir, name)
	got, err := check.ReadFile(dir, name)
	c.WantNil("reading the file", err)
	c.WantBytes("the file "+name, got, []byte(payload))
	c.WantNil("removing the file", os.Remove(filepath.Join(dir, name)))
}

// wantFiles ends the case unless the folder holds just these files.
func wantFiles(c *check.C, dir string, want ...string) {
	c.WantText("the files in the folder", strings.Join(files(c, dir), ", "), strings.Join(want, ", "))
}

// wantReceived receives one transfer and ends the case unless it is stored and verified.
func (s suite) wantReceived(
	c *check.C,
	r io.Reader,
	dir, name, payload string,
	peer *fault.Peer,
) {
	got, verified, err := s.callReceive(c, r, dir, peer)
	c.WantNil("Receive", err)
	c.WantText("the name", got, name)
	if !verified {
		c.Fail("the md5 is right, and Receive says that it was not verified")
	}
	wantStored(c, dir, name, payload)
}

func (s suite) receive(c *check.C) {
	outer, dir := folder(c)
	for _, v := range []struct{ says, name, text, payload string }{
		{"a file", "report.txt", "", "hello"},
		{"a file of 0 bytes", "empty", "", ""},
		{"a name with spaces at its ends, and capitals", " Report 1.TXT ", "", "hello"},
		{"a file of 98000 bytes", "最终 报告.txt", "", long},
		{
			"a key that Receive does not know, and another order", "a.txt",
			fmt.Sprintf(`{"md5":%q,"owner":{"name":["root"]},"total_size":5,"file_name":"a.txt"}`,
				sumOf("hello")), "hello",
		},
		{
			"keys that Receive knows inside a key that it does not know, and in a text", "a.txt",
			fmt.Sprintf(`{"old":{"file_name":"b.txt","total_size":7,"md5":"md5"},"say":"\"total_size\": 7",`+
				`"file_name":"a.txt","total_size":5,"md5":%q}`, sumOf("hello")), "hello",
		},
		{
			"keys that Receive knows inside a key that it does not know, behind its own", "a.txt",
			fmt.Sprintf(`{"file_name":"a.txt","total_size":5,"md5":%q,"old":{"file_name":"b.txt","total_size":7},`+
				`"older":[{"file_name":"c.txt","total_size":9,"md5":"md5"}]}`, sumOf("hello")), "hello",
		},
		{
			"all escapes of JSON's in a key that Receive does not know", "a.txt",
			fmt.Sprintf(`{"say":"\" \\ \/ \b \f \n \r \t \u0041","file_name":"a.txt","total_size":5,"md5":%q}`,
				sumOf("hello")), "hello",
		},
		{
			"a number that is too large for a float64, in a key that Receive does not know", "a.txt",
			fmt.Sprintf(`{"weight":1e400,"file_name":"a.txt","total_size":5,"md5":%q}`, sumOf("hello")), "hello",
		},
		{
			"a file_name and an md5 with escapes, two for one character among them", "\U0001F600 报.txt",
			fmt.Sprintf(`{"file_name":"\ud83d\ude00 \u62a5.txt","total_size":5,"md5":"\u00%x%s"}`,
				sumOf("hello")[0], sumOf("hello")[1:]), "hello",
		},
		{
			"a file_name with an escape of JSON's", "a.txt",
			fmt.Sprintf(`{"file_name":"\u0061.txt","total_size":5,"md5":%q}`, sumOf("hello")), "hello",
		},
		{"a name with an accent that is a character of its own", "u\u0308.txt", "", "hello"},
		{"a file with bytes of all kinds, line ends of Windows among them", "lines", "", anyBytes},
		{"white space, also at the end", "a.txt", fmt.Sprintf("\n{ \"file_name\" : "+
			"\"a.txt\",\n\t\"total_size\" : 5, \"md5\" : %q }\r\n \n", sumOf("hello")), "hello"},
		{"a header of 65536 bytes, most of them in a key that Receive does not know", "a.txt", padded("hello"), "hello"},
	} {
		c.Variation("a new connection; %s", v.says)
		switch {
		case strings.Contains(v.text, `\u`):
			c.Rule(
				`Texts may have any escapes of JSON's: "\u0061" is "a".`,
				"Have json.Unmarshal make a string of it. A json.RawMessage is the text as it was written.",
			)
		case len(v.text) == maxHeader:
			c.Rule(
				"The length is at most 65536. A header of just that many bytes is a good one.",
				"Refuse only what is more: n > 65536.",
			)
		}
		conn, peer := c.Connect()
		if v.text == "" {
			v.text = header(v.name, int64(len(v.payload)), sumOf(v.payload))
		}
		send(c, peer, fault.Whole, frame(v.text, v.payload))
		s.wantReceived(c, conn, dir, v.name, v.payload, peer)
	}
	data, _ := transfer("a.txt", "hello")
	for _, before := range []string{"what was there before", "HELLO"} {
		c.Variation("a new connection; a file where one of %d bytes has this name already", len(before))
		conn, peer := c.Connect()
		place(c, filepath.Join(dir, "a.txt"), before)
		send(c, peer, fault.Whole, data)
		s.wantReceived(c, conn, dir, "a.txt", "hello", peer)
	}
	c.Variation("a new connection; the folder does not exist")
	conn, peer := c.Connect()
	send(c, peer, fault.Whole, data)
	if _, _, err := s.callReceive(c, conn, filepath.Join(outer, "nowhere"), nil); err == nil {
		c.Fail("there is no folder to store the file in, and Receive returned no error")
	}
	wantFiles(c, outer, "inbox/")
	s.relative(c)
}

// relative receives two transfers into a new folder that is named from the working directory on.
func (s suite) relative(c *check.C) {
	_, dir := folder(c)
	dir = filepath.Join(dir, "below") // deeper than the others, so that no path fits by accident
	if err := os.Mkdir(dir, 0o755); err != nil {
		c.NotGraded("a folder in a temporary folder could not be made: %v", err)
	}
	here, err := os.Getwd()
	if err != nil {
		return
	}
	relative, err := filepath.Rel(here, dir)
	if err != nil {
		return // as on Windows, where the folder may be on another drive
	}
	c.Variation("a new connection; two transfers, into a folder with a relative path")
	c.Rule(
		"A relative path begins at the working directory, which is that of the whole program and stays.",
		"Leave out os.Chdir: join dir and the name, or open dir with os.OpenRoot.",
	)
	relative = "." + string(filepath.Separator) + relative + string(filepath.Separator)
	conn, peer := c.Connect()
	for _, name := range []string{"one.txt", "two.txt"} {
		data, _ := transfer(name, "hello")
		send(c, peer, fault.Whole, data)
		_, _, err := s.callReceive(c, conn, relative, peer)
		c.WantNil("Receive", err)
		wantStored(c, dir, name, "hello")
	}
}

func (s suite) pieces(c *check.C) {
	text := fmt.Sprintf(`{"file_name": "a.txt", "total_size": 300, "md5": %q}`+"\n", sumOf(long[:300]))
	first := frame(text, long[:300])
	second, _ := transfer("b.txt", "hello")
	at := 4 + len(text)
	_, dir := folder(c)
	for _, cut := range c.Cuts(2, 14, at, len(first)+2) {
		c.Variation("a new connection; two transfers, %s", cut.Name)
		conn, peer := c.Connect()
		send(c, peer, cut, append(bytes.Clone(first), second...))
		c.Settle()
		s.wantReceived(c, conn, dir, "a.txt", long[:300], peer)
		if taken := peer.Conn().Did().Taken; taken != len(first) {
			c.Fail(
				"the transfer ends after byte %d of the stream, but Receive has taken %d bytes",
				len(first),
				taken,
			)
		}
		s.wantReceived(c, conn, dir, "b.txt", "hello", peer)
	}
	s.odd(c, dir)

	c.Variation("a reader that returns at most 999 bytes each time: a header of 65536 bytes, a payload of " +
		"98000, and a second transfer behind it")
	big := frame(padded(long), long)
	r := &source{data: string(append(big, second...)), most: 999, endsLate: true}
	s.wantReceived(c, r, dir, "a.txt", long, nil)
	if taken := int(r.at); taken != len(big) {
		c.Fail("the transfer ends after byte %d of the stream, but Receive has taken %d bytes", len(big), taken)
	}
}

// padded is a header of 65536 bytes.
func padded(payload string) string {
	text := fmt.Sprintf(`{"x": "", "file_name": "a.txt", "total_size": %d, "md5": %q}`, len(payload), sumOf(payload))
	return strings.Replace(text, `""`, `"`+strings.Repeat("x", maxHeader-len(text))+`"`, 1)
}

// oddReads returns the rule and the hint about what io.Reader allows and a connection does not do.
func oddReads(what string) (rule, hint string) {
	return what + " is any io.Reader: bytes count, whatever error comes with them, and 0 bytes without " +
			"an error are no end.",
		"io.Copy, io.CopyN and io.ReadFull know all this. In a loop of your own use the n bytes first, " +
			"then look at the error, and read on after 0, nil."
}

func (s suite) odd(c *check.C, dir string) {
	for _, v := range []struct {
		says, payload string
		r             func(data []byte, at int) io.Reader
	}{
		{"returns the last bytes together with io.EOF", long[:300], func(data []byte, at int) io.Reader {
			return io.MultiReader(bytes.NewReader(data[:at]), &source{data: string(data[at:])})
		}},
		{
			"returns all bytes of a header together with io.EOF, for a file of 0 bytes", "",
			func(data []byte, _ int) io.Reader {
				return io.MultiReader(bytes.NewReader(data[:4]), &source{data: string(data[4:])})
			},
		},
		{
			"returns 0 bytes and no error 50 times before each Read, of which none returns more than 20 bytes",
			long[:300], func(data []byte, _ int) io.Reader {
				return &source{data: string(data), most: 20, hesitates: true, endsLate: true}
			},
		},
	} {
		c.Variation("a reader that is not a connection, and %s", v.says)
		c.Rule(oddReads("r"))
		data, at := transfer("a.txt", v.payload)
		s.wantReceived(c, v.r(data, at), dir, "a.txt", v.payload, nil)
	}
}

func (s suite) ends(c *check.C) {
	data, at := transfer("a.txt", long[:60])
	_, dir := folder(c)
	cuts := []fault.Cut{fault.After(4, at), fault.Bytes}
	for i, n := range []int{len(data) - 1, at + 1, at, at - 1, 14, 4, 3, 1, 0} {
		cut := cuts[i%2]
		c.Variation(
			"a new connection, %s, closed after %d of %d bytes; the payload begins at %d",
			cut.Name,
			n,
			len(data),
			at,
		)
		conn, peer := c.Connect()
		if n > 0 {
			send(c, peer, cut, data[:n])
		}
		peer.CloseWrite()
		c.Step("the suite closed its side")
		_, _, err := s.callReceive(c, conn, dir, peer)
		if n > 0 {
			c.WantError("inside a transfer", err, io.ErrUnexpectedEOF)
		} else {
			c.WantError("before a transfer", err, io.EOF)
			if check.Is(err, io.ErrUnexpectedEOF) {
				c.Fail("before a transfer: the error is io.ErrUnexpectedEOF, but nothing was cut")
			}
		}
		wantFiles(c, dir)
	}
	for _, n := range []int{len(data) - 1, at, at - 1, 3, 0} {
		c.Variation(
			"a new connection, reset after %d of %d bytes; the payload begins at %d",
			n,
			len(data),
			at,
		)
		conn, peer := c.Connect()
		if n > 0 {
			send(c, peer, fault.After(4, at), data[:n])
		}
		peer.Reset()
		c.Step("the suite reset the connection when they were read")
		_, _, err := s.callReceive(c, conn, dir, peer)
		c.WantMet("the connection was reset", err, peer.Conn())
		wantFiles(c, dir)
	}
	s.broken(c, dir)

	c.Variation("a new connection, closed after %d of %d bytes; a file of 5 bytes has the name already",
		len(data)-1, len(data))
	c.Rule(
		"When Receive returns an error, the folder holds nothing of the transfer. The file that had the name "+
			"before may stay, or be gone.",
		"Remove the file when anything has failed, whether it was there before or not.",
	)
	place(c, filepath.Join(dir, "a.txt"), "HELLO")
	conn, peer := c.Connect()
	send(c, peer, fault.Whole, data[:len(data)-1])
	peer.CloseWrite()
	s.callReceive(c, conn, dir, peer)
	if _, err := os.Lstat(filepath.Join(dir, "a.txt")); err == nil {
		wantStored(c, dir, "a.txt", "HELLO")
	}
	c.Variation("a new connection; the folder does not exist")
	conn, peer = c.Connect()
	send(c, peer, fault.Whole, data)
	s.callReceive(c, conn, filepath.Join(dir, "nowhere"), peer)
	os.Remove(filepath.Join(dir, "nowhere")) // that there is one now is another case
}

// broken has a reader break with errors that somebody could take for something else.
func (s suite) broken(c *check.C, dir string) {
	data, at := transfer("a.txt", long[:60])
	for _, n := range []int{0, 3, at - 1, at, len(data) - 1} {
		for _, err := range []error{
			errors.New("the cable is cut"),
			io.ErrClosedPipe, io.ErrNoProgress, net.ErrClosed, os.ErrDeadlineExceeded,
			syscall.EPIPE, syscall.ECONNRESET, syscall.EINTR, syscall.EAGAIN,
		} {
			c.Variation(
				"a reader that breaks after %d of %d bytes, the payload begins at %d: %v",
				n,
				len(data),
				at,
				err,
			)
			c.Rule(
				"When the stream breaks, wherever that is, the error is the one that Read returned, "+
					"whichever it is.",
				"Only io.EOF is an end. Return every other error, alone or wrapped with %w.",
			)
			_, _, got := s.callReceive(c, &source{data: string(data), fails: err, failsAt: int64(n)}, dir, nil)
			c.WantError("Receive", got, err)
			if check.Is(got, io.EOF) || check.Is(got, io.ErrUnexpectedEOF) {
				c.Fail("the stream broke, but the error is an end of it, too: %s", check.Err(got))
			}
			wantFiles(c, dir)
		}
	}
}

// much is more memory than the suite itself needs meanwhile, and less than what is announced.
const much = 64 << 20 // bytes

func (s suite) refused(c *check.C) {
	_, dir := folder(c)
	for _, v := range []struct{ says, text string }{
		{"JSON that ends too early", `{"file_name": "a.txt", "total_`},
		{"no JSON at all", ""},
		{"a word behind the object", `{"file_name": "a.txt", "total_size": 5} x`},
		{"a brace too many behind the object", `{"file_name": "a.txt", "total_size": 5}}`},
		{"zero bytes behind the object", `{"file_name": "a.txt", "total_size": 5}` + "\x00\x00\x00"},
		{"a form feed behind the object", `{"file_name": "a.txt", "total_size": 5}` + "\f"},
		{
			"a word far behind the object",
			`{"file_name": "a.txt", "total_size": 5}` + strings.Repeat(" ", 5000) + "x" + strings.Repeat(" ", 5000),
		},
		{"JSON that is not an object", `["a.txt", 5]`},
		{"the word null instead of an object", `null`},
		{"an object inside a list", `[{"file_name": "a.txt", "total_size": 5}]`},
		{"a byte order mark in front of the object", "\ufeff" + `{"file_name": "a.txt", "total_size": 5}`},
		{"no total_size", `{"file_name": "a.txt", "md5": "md5"}`},
		{"a total_size of null", `{"file_name": "a.txt", "total_size": null}`},
		{"a total_size of true", `{"file_name": "a.txt", "total_size": true}`},
		{"a total_size of -5", `{"file_name": "a.txt", "total_size": -5}`},
		{"a total_size that is text", `{"file_name": "a.txt", "total_size": "5"}`},
		{"a total_size of 5.5", `{"file_name": "a.txt", "total_size": 5.5}`},
		{"a total_size of 2 to the power of 63", `{"file_name": "a.txt", "total_size": 9223372036854775808}`},
		{"a file_name that is a number", `{"file_name": 7, "total_size": 5}`},
		{"a file_name of null", `{"file_name": null, "total_size": 5}`},
		{"no file_name", `{"total_size": 5}`},
		{"a file_name in GBK, where JSON is UTF-8", "{\"file_name\": \"\xd6\xd0.txt\", \"total_size\": 5}"},
		{
			"text that is not UTF-8 under a key that Receive does not know",
			"{\"file_name\": \"a.txt\", \"total_size\": 5, \"owner\": \"\xd6\xd0\"}",
		},
	} {
		c.Variation("a new connection; a header with %s", v.says)
		if strings.Contains(v.says, "behind") {
			c.Rule(
				"All bytes of the header together are one JSON object, with nothing but white space around it: "+
					"blanks, tabs and ends of lines.",
				"A json.Decoder stops behind the first value. json.Unmarshal looks at everything, and so does "+
					"json.Valid.",
			)
		}
		s.refuse(c, dir, frame(v.text, "hello"), 4+len(v.text))
	}
	c.Variation("a new connection; a header of 65537 bytes")
	text := header("a.txt", 5, sumOf("hello"))
	text += strings.Repeat(" ", maxHeader+1-len(text))
	s.refuse(c, dir, frame(text, "hello"), 4)
	for _, n := range []int32{-1, math.MinInt32, 256 << 20, math.MaxInt32} {
		c.Variation("a new connection; a header of %d bytes is announced", n)
		s.refuse(c, dir, append(length(n), `{"file_name": "a.txt", "total_size": 5}hello`...), 4)
	}

	for _, v := range []struct{ says, text string }{
		{"without total_size", `{"file_name": "a.txt"}`},
		{"without file_name", `{"total_size": 5}`},
		{"with a file_name of null", `{"file_name": null, "total_size": 5}`},
	} {
		c.Variation("a new connection; a transfer that is good, and then another one, %s", v.says)
		c.Rule(
			"Each transfer has a header of its own: what it lacks is not taken from the one before.",
			"Decode every header into a variable that is made in the same call.",
		)
		conn, peer := c.Connect()
		data, _ := transfer("a.txt", "hello")
		send(c, peer, fault.Whole, append(data, frame(v.text, "hello")...))
		s.wantReceived(c, conn, dir, "a.txt", "hello", peer)
		if _, _, err := s.callReceive(c, conn, dir, peer); err == nil {
			c.Fail("Receive returned no error")
		}
		wantFiles(c, dir)
	}
}

// refuse sends data and closes. Receive has to refuse it after the bytes up to at.
func (s suite) refuse(c *check.C, dir string, data []byte, at int) {
	conn, peer := c.Connect()
	send(c, peer, fault.Whole, data)
	peer.CloseWrite()
	var name string
	var verified bool
	var err error
	allocated := uint64(0)
	if at > 4 {
		_, _, err = s.callReceive(c, conn, dir, peer)
	} else {
		allocated = c.Allocated(
			"Receive(conn, dir)",
			func() { name, verified, err = s.lab.Receive(conn, dir) },
		)
		c.Step("Receive(conn, dir) returned %q, %v, %s", name, verified, check.Err(err))
	}
	switch taken := peer.Conn().Did().Taken; {
	case err == nil:
		c.Fail("Receive returned no error")
	case check.Is(err, io.EOF):
		c.Fail("the error is io.EOF, which says that the other side has finished properly")
	case allocated > much:
		c.Fail("Receive allocated more than %d MiB before it refused", much>>20)
	case taken > at:
		c.Fail("Receive has taken %d bytes; it could have refused after %d", taken, at)
	}
	wantFiles(c, dir)
	wantUntouched(c, "Receive", peer)
}

func (s suite) verified(c *check.C) {
	sum := sumOf("transfer 100 to you")
	_, dir := folder(c)
	for _, v := range []struct {
		says, md5, payload string
		verified, refused  bool
	}{
		{"a payload that was changed on the way", `, "md5": "` + sum + `"`, "transfer 900 to you", false, true},
		{
			"the same in capital letters", `, "md5": "` + strings.ToUpper(sum) + `"`, "transfer 900 to you",
			false, true,
		},
		{
			"an md5 of which only the first digit is wrong", `, "md5": "` + other(sum[:1]) + sum[1:] + `"`,
			"transfer 100 to you", false, true,
		},
		{
			"an md5 of which only the last digit is wrong", `, "md5": "` + sum[:31] + other(sum[31:]) + `"`,
			"transfer 100 to you", false, true,
		},
		{
			"an md5 of which only digit 20 is wrong", `, "md5": "` + sum[:19] + other(sum[19:20]) + sum[20:] + `"`,
			"transfer 100 to you", false, true,
		},
		{"an md5 of zeros", `, "md5": "` + strings.Repeat("0", 32) + `"`, "transfer 100 to you", false, true},
		{"0 bytes, and the md5 of others", `, "md5": "` + sum + `"`, "", false, true},
		{
			"98000 bytes, of which the last was changed on the way", `, "md5": "` + sumOf(long) + `"`,
			long[:len(long)-1] + "!", false, true,
		},
		{"an md5 that is right", `, "md5": "` + sum + `"`, "transfer 100 to you", true, false},
		{
			"an md5 that is right, in capital letters", `, "md5": "` + strings.ToUpper(sum) + `"`,
			"transfer 100 to you", true, false,
		},
		{
			"an md5 that is right, in capital and small letters",
			`, "md5": "` + strings.ToUpper(sum[:16]) + sum[16:] + `"`, "transfer 100 to you", true, false,
		},
		{"no md5, behind a transfer that had one", "", "transfer 900 to you", false, false},
		{"an md5 that is right", `, "md5": "` + sum + `"`, "transfer 100 to you", true, false},
		{"no md5, behind a transfer that had the right one for it", "", "transfer 100 to you", false, false},
		{"the word md5 instead of one", `, "md5": "md5"`, "transfer 100 to you", false, false},
		{"an md5 of no characters", `, "md5": ""`, "transfer 100 to you", false, false},
		{"an md5 that lacks a digit", `, "md5": "` + sum[1:] + `"`, "transfer 100 to you", false, false},
		{"an md5 of 34 digits", `, "md5": "` + sum + `00"`, "transfer 100 to you", false, false},
		{
			"an md5 of 32 characters that are no digits", `, "md5": "` + strings.Repeat("z", 32) + `"`,
			"transfer 100 to you", false, false,
		},
		{"an md5 with a space in front", `, "md5": " ` + sum + `"`, "transfer 100 to you", false, false},
		{"an md5 with a line end behind", `, "md5": "` + sum + `\n"`, "transfer 100 to you", false, false},
		{"an md5 with 0x in front", `, "md5": "0x` + sum + `"`, "transfer 100 to you", false, false},
		{"an md5 with colons", `, "md5": "` + sum[:16] + ":" + sum[16:] + `"`, "transfer 100 to you", false, false},
		{
			"an md5 of 32 digits that are wide, as Chinese keyboards write them",
			`, "md5": "` + strings.Repeat("１", 32) + `"`, "transfer 100 to you", false, false,
		},
		{"no md5", "", "transfer 100 to you", false, false},
	} {
		c.Variation("a new connection; %s", v.says)
		conn, peer := c.Connect()
		send(
			c,
			peer,
			fault.Whole,
			frame(
				fmt.Sprintf(`{"file_name": "a.txt", "total_size": %d%s}`, len(v.payload), v.md5),
				v.payload,
			),
		)
		_, verified, err := s.callReceive(c, conn, dir, peer)
		if v.refused {
			if err == nil {
				c.Fail("the payload is not the one that was sent, and Receive returned no error")
			}
			wantFiles(c, dir)
			continue
		}
		c.WantNil("Receive", err)
		wantStored(c, dir, "a.txt", v.payload)
		if verified != v.verified {
			c.Fail("Receive returned verified %v", verified)
		}
	}
}

// other returns another hexadecimal digit.
func other(digit string) string {
	if digit == "0" {
		return "1"
	}
	return "0"
}

func (s suite) names(c *check.C) {
	outer, dir := folder(c)
	for _, name := range []string{
		"../escaped.txt", "../../escaped.txt", "a/../../escaped.txt",
		"./../escaped.txt", "../inbox-escaped.txt", "/escaped.txt", "..", ".", "", "a/..",
	} {
		c.Variation("a new connection; a file_name of %q", name)
		s.refuseName(c, outer, dir, name)
	}
	c.Variation("a new connection; a file_name that is the whole path of a file outside of the folder")
	s.refuseName(c, outer, dir, filepath.Join(os.TempDir(), "socketbook-escaped.txt"))

	kept := filepath.Join(outer, "kept.txt")
	place(c, kept, "what was there before")
	c.Variation("a new connection; a file_name of \"../kept.txt\", which is there already")
	s.refuseName(c, outer, dir, "../kept.txt")
	c.WantNil("removing the file", os.Remove(kept))
	s.folderOfThatName(c, dir)

	for _, name := range []string{
		"a..b.txt", "..hidden", ".profile", "-rf", "~a.txt", "100%20.txt", "$HOME", "a&amp;b.txt", longName(dir),
	} {
		c.Variation("a new connection; a file_name of %q, which stays in the folder", name)
		c.Rule(
			"Every name that stays in the folder is a good one, as it is, and as long as the file system allows.",
			"Refuse only what leads out. Add nothing to the name, not even meanwhile: os.CreateTemp(dir, \"\") finds "+
				"a name that is free.",
		)
		conn, peer := c.Connect()
		data, _ := transfer(name, "hello")
		send(c, peer, fault.Whole, data)
		s.wantReceived(c, conn, dir, name, "hello", peer)
	}
	s.kept(c, dir)
	s.below(c, dir)
	s.link(c, outer, dir)
	s.beside(c)
	s.outside(c, outer, dir)
}

// outside looks whether a part of a payload that nobody else has lies in a file outside of dir, where people
// keep what is not complete: in the folder for temporary files, the working directory, and above dir.
func (s suite) outside(c *check.C, outer, dir string) {
	here, err := os.Getwd()
	if err != nil {
		c.FolderError(err)
	}
	places := []string{os.TempDir(), here, outer}
	was := map[string]bool{}
	look := func(see func(path string)) {
		for _, place := range places {
			entries, _ := os.ReadDir(place) // a folder that cannot be read holds nothing of ours
			for _, entry := range entries {
				if entry.Type().IsRegular() {
					see(filepath.Join(place, entry.Name()))
				}
			}
		}
	}
	c.Variation("a new connection; a file_name of \"mine.txt\"; the payload of 60 bytes comes in two parts")
	c.Rule(
		"During the transfer Receive may use another name in dir, and nothing outside of it.",
		"os.CreateTemp(dir, …) makes a file in dir. One in os.TempDir() may be on another disk, and is read by "+
			"others.",
	)
	payload := fmt.Sprintf("%-60s", filepath.Base(outer)) // a name that nobody else has
	data, at := transfer("mine.txt", payload)
	conn, peer := c.Connect()
	look(func(path string) { was[path] = true })
	call := c.Start("Receive(conn, dir)", func() { _, _, err = s.lab.Receive(conn, dir) })
	peer.Send(data[:at+30])
	c.Step("the suite has sent the header and half of the payload")
	c.Await(
		"Receive to wait for the rest",
		func() bool { return call.Ended() || c.Resting() || peer.Conn().Did().Timed },
	)
	kept := ""
	look(func(path string) {
		if was[path] {
			return
		}
		if got, err := check.ReadFile(filepath.Split(path)); err == nil && len(got) > 0 &&
			strings.HasPrefix(payload, string(got)) {
			kept = path
		}
	})
	peer.Send(data[at+30:])
	call.Wait()
	if kept != "" {
		where := "above it, or the working directory"
		if filepath.Dir(kept) == filepath.Clean(os.TempDir()) {
			where = "for temporary files"
		}
		c.Fail("Receive keeps what has come of the payload outside of dir, in a file in the folder %s", where)
	}
	c.WantNil("Receive", err)
}

// folderOfThatName sends a file with the name of a folder that is not empty.
func (s suite) folderOfThatName(c *check.C, dir string) {
	below := filepath.Join(dir, "reports")
	if err := os.Mkdir(below, 0o755); err != nil {
		c.NotGraded("a folder in a temporary folder could not be made: %v", err)
	}
	place(c, filepath.Join(below, "kept.txt"), "what was there before")
	c.Variation("a new connection; a file_name of \"reports\", which is a folder with a file in it")
	c.Rule(
		"A file is replaced by one of the same name. A folder stays, with all that is in it.",
		"os.Rename and os.Remove refuse a folder that is not empty; os.RemoveAll does not.",
	)
	conn, peer := c.Connect()
	data, _ := transfer("reports", "hello")
	send(c, peer, fault.Whole, data)
	_, _, err := s.callReceive(c, conn, dir, peer)
	if now := files(c, dir); len(now) > 1 && slices.Contains(now, "reports/kept.txt") {
		c.Rule(
			"When Receive returns an error, whichever it is, the folder holds nothing of the transfer.",
			"Remove the temporary file on every way out, also when os.Rename fails: write defer os.Remove below the "+
				"line that makes it.",
		)
	}
	wantFiles(c, dir, "reports/kept.txt")
	if err == nil {
		c.Fail("the folder is still there, and Receive returned no error")
	}
	c.WantNil("removing the folder", os.RemoveAll(below))
}

// longName is as long as a name may be here, so that nothing can be added to it.
func longName(dir string) string {
	name := strings.Repeat("x", 255)
	if path := filepath.Join(dir, name); os.WriteFile(path, nil, 0o644) != nil || os.Remove(path) != nil {
		return name[:200]
	}
	return name
}

// kept sends names that are fine on Unix, and on Windows lead into a folder or are not allowed. They may be
// refused, and not be changed.
func (s suite) kept(c *check.C, dir string) {
	if filepath.Separator == '\\' {
		return
	}
	for _, name := range []string{`a\b.txt`, "a:b*?.txt", "con", "a\nb.txt", "a\tb.txt", "a\x00.txt", "a.txt."} {
		c.Variation("a new connection; a file_name of %q, which may be refused", name)
		c.Rule(
			"A name is refused, or the file has exactly this name.",
			"Do not repair names: another name may be somebody else's file.",
		)
		conn, peer := c.Connect()
		data, _ := transfer(name, "hello")
		send(c, peer, fault.Whole, data)
		if got, _, err := s.callReceive(c, conn, dir, peer); err == nil {
			c.WantText("the name", got, name)
			wantStored(c, dir, name, "hello")
		}
		wantFiles(c, dir)
	}
}

// below sends a name with a folder, which may be refused or stored there. A transfer that fails leaves
// nothing of it.
func (s suite) below(c *check.C, dir string) {
	for _, name := range []string{"below/x.txt", "below/and/below/x.txt"} {
		c.Variation("a new connection; a file_name of %q, which may be refused; the payload is cut", name)
		c.Rule(
			"When Receive returns an error, the folder holds nothing of the transfer, not even an empty folder.",
			"Make the folders of such a name when the payload is complete, or remove all of them again; or refuse "+
				"the name.",
		)
		conn, peer := c.Connect()
		data, _ := transfer(name, "hello")
		send(c, peer, fault.Whole, data[:len(data)-1])
		peer.CloseWrite()
		if _, _, err := s.callReceive(c, conn, dir, peer); err == nil {
			c.Fail("Receive returned no error")
		}
		wantFiles(c, dir)
	}
}

// refuseName sends a whole transfer. Receive has to refuse it before the payload, and may not write
// anything anywhere.
func (s suite) refuseName(c *check.C, outer, dir, name string) {
	conn, peer := c.Connect()
	data, at := transfer(name, "hello")
	outside := dir
	if filepath.IsAbs(name) {
		outside = name
	}
	send(c, peer, fault.Whole, data)
	_, err := os.Lstat(outside)
	before := err == nil
	was := files(c, outer)
	_, _, rerr := s.callReceive(c, conn, dir, peer)
	is := files(c, outer)
	for _, file := range slices.Concat(is, was) { // a folder that is no longer empty is not listed any more
		path, _ := filepath.Rel(dir, filepath.Join(outer, file))
		path = filepath.ToSlash(path)
		emptied := strings.HasSuffix(file, "/") &&
			slices.ContainsFunc(was, func(before string) bool { return strings.HasPrefix(before, file) })
		switch {
		case !slices.Contains(is, file):
			c.Fail("Receive removed a file: it was %s, seen from the folder", path)
		case !slices.Contains(was, file) && !emptied:
			c.Fail("Receive stored the payload: the file is %s, seen from the folder", path)
		}
	}
	if _, err := os.Lstat(outside); err == nil && !before {
		os.Remove(outside)
		c.Fail("Receive wrote a file outside of the folder")
	}
	switch {
	case rerr == nil:
		c.Fail("Receive returned no error")
	case check.Is(rerr, io.EOF):
		c.Fail("the error is io.EOF, which says that the other side has finished properly")
	}
	if taken := peer.Conn().Did().Taken; taken > at {
		c.Fail("Receive read %d bytes of the payload before it refused the name", taken-at)
	}
}

// link sends a file with the name of a link that leads out of the folder. It may be refused, or take the
// link's place.
func (s suite) link(c *check.C, outer, dir string) {
	escaped := filepath.Join(outer, "escaped.txt")
	for _, v := range []struct{ says, name, to string }{
		{"../escaped.txt", "link.txt", filepath.Join("..", "escaped.txt")},
		{"link.txt", "second.txt", "link.txt"},
		{"the whole path of ../escaped.txt", "third.txt", escaped},
	} {
		if os.Symlink(v.to, filepath.Join(dir, v.name)) != nil {
			return // as on Windows, where not everybody may
		}
		c.Variation("a new connection; a file_name of %q, which is a link to %s", v.name, v.says)
		conn, peer := c.Connect()
		data, _ := transfer(v.name, "hello")
		send(c, peer, fault.Whole, data)
		_, _, err := s.callReceive(c, conn, dir, peer)
		switch _, escapes := os.Lstat(escaped); {
		case escapes == nil:
			c.Fail("Receive wrote ../escaped.txt, through the link")
		case check.Is(err, io.EOF):
			c.Fail("the error is io.EOF, which says that the other side has finished properly")
		}
	}
	s.linkToFile(c, outer, dir)
	c.Variation(
		"a new connection; a file_name of \"out/escaped.txt\"; in the folder is a link named out, " +
			"which leads to ..",
	)
	if os.Symlink("..", filepath.Join(dir, "out")) != nil {
		return
	}
	conn, peer := c.Connect()
	data, _ := transfer("out/escaped.txt", "hello")
	send(c, peer, fault.Whole, data)
	s.callReceive(c, conn, dir, peer)
	if _, err := os.Lstat(filepath.Join(outer, "escaped.txt")); err == nil {
		c.Fail("Receive wrote ../escaped.txt, through the link")
	}
}

// linkToFile is link, where the link leads to a file that exists.
func (s suite) linkToFile(c *check.C, outer, dir string) {
	const before = "what was there before"
	place(c, filepath.Join(outer, "there.txt"), before)
	defer os.Remove(filepath.Join(outer, "there.txt"))
	if os.Symlink(filepath.Join("..", "there.txt"), filepath.Join(dir, "fourth.txt")) != nil {
		return
	}
	c.Variation("a new connection; a file_name of %q, which is a link to the file ../there.txt", "fourth.txt")
	conn, peer := c.Connect()
	data, _ := transfer("fourth.txt", "hello")
	send(c, peer, fault.Whole, data)
	s.callReceive(c, conn, dir, peer)
	if text, err := os.ReadFile(filepath.Join(outer, "there.txt")); err != nil || string(text) != before {
		c.Fail("Receive wrote ../there.txt, through the link, or removed it")
	}
}

// meanwhile receives a.txt, and returns under which other names something was in the folder before it was
// complete.
func (s suite) meanwhile(c *check.C) (names []string) {
	_, dir := folder(c)
	c.Variation("a new connection; a file_name of \"a.txt\"; the payload comes in two parts")
	conn, peer := c.Connect()
	data, at := transfer("a.txt", long[:60])
	var err error
	call := c.Start("Receive(conn, dir)", func() { _, _, err = s.lab.Receive(conn, dir) })
	send(c, peer, fault.Whole, data[:at+30])
	c.Await(
		"Receive to wait for the rest",
		func() bool { return call.Ended() || c.Resting() || peer.Conn().Did().Timed },
	)
	for _, file := range files(c, dir) {
		if name, _, _ := strings.Cut(file, "/"); name != "a.txt" { // perhaps a folder
			names = append(names, name)
		}
	}
	send(c, peer, fault.Whole, data[at+30:])
	call.Wait()
	c.Step("Receive(conn, dir) returned %s", check.Err(err))
	c.WantNil("Receive", err)
	wantStored(c, dir, "a.txt", long[:60])
	return names
}

// neighbours are names that people give a file until a.txt is complete.
var neighbours = []string{
	".a.txt.part",
	".a.txt.tmp",
	"a.txt.part",
	"a.txt.temp",
	"a.txt.tmp",
	"notes.txt",
	"temp",
	"tmp",
}

// following adds to names those that a counter in them comes to next.
func following(names []string) (all []string) {
	number := regexp.MustCompile(`[0-9]{1,9}`)
	for _, name := range names {
		all = append(all, name)
		for more := range 10 {
			all = append(all, number.ReplaceAllStringFunc(name, func(digits string) string {
				n, _ := strconv.Atoi(digits)
				return strconv.Itoa(n + more + 1)
			}))
		}
	}
	return all
}

// beside receives a.txt into a folder where links that lead out of it lie already; other files, where links
// are not for everybody.
func (s suite) beside(c *check.C) {
	neighbours := slices.Concat(neighbours, following(s.meanwhile(c)))
	slices.Sort(neighbours)
	neighbours = slices.Compact(neighbours)
	outer, dir := folder(c)
	private, kept := filepath.Join(outer, "private.txt"), "what was there before"
	place(c, private, kept)
	what := "links to ../private.txt"
	for _, name := range neighbours {
		if os.Symlink(
			filepath.Join("..", "private.txt"),
			filepath.Join(dir, name),
		) != nil { // as on Windows
			what = "other files"
			place(c, filepath.Join(dir, name), kept)
		}
	}
	c.Variation(
		"a new connection; a file_name of \"a.txt\"; in the folder lie %s: %s",
		what,
		strings.Join(neighbours, ", "),
	)
	conn, peer := c.Connect()
	data, _ := transfer("a.txt", long[:60]) // as in meanwhile: a name may be made from the header
	send(c, peer, fault.Whole, data)
	_, _, err := s.callReceive(c, conn, dir, peer)
	if got, err := check.ReadFile(filepath.Split(private)); err != nil || string(got) != kept {
		c.Fail("Receive wrote ../private.txt, through a link")
	}
	for _, name := range neighbours {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil || info.Mode().IsRegular() && info.Size() != int64(len(kept)) {
			c.Fail("Receive changed or removed %s, which has nothing to do with this transfer", name)
		}
	}
	c.WantNil("Receive", err)
	got, err := check.ReadFile(dir, "a.txt")
	c.WantNil("reading the file", err)
	c.WantBytes("the file a.txt", got, []byte(long[:60]))
	wantFiles(c, dir, slices.Sorted(slices.Values(append([]string{"a.txt"}, neighbours...)))...)
}

func (s suite) long(c *check.C) {
	_, dir := folder(c)
	s.longDescribe(c)
	s.longSend(c)
	s.longReceive(c, dir)
	for _, size := range []int64{math.MaxInt32, math.MaxInt32 + 1, 5 << 30, 1<<53 + 1, math.MaxInt64} {
		c.Variation("a new connection; a header announces %d bytes, of which 5 come", size)
		c.Rule(
			"A total_size may be any number up to 9223372036854775807, however little comes of it.",
			"Use int64. Refuse no size for being large, and take no room for it before it comes, in memory or on the "+
				"disk.",
		)
		conn, peer := c.Connect()
		send(c, peer, fault.Whole, frame(header("film.mkv", size, ""), "hello"))
		peer.CloseWrite()
		_, _, err := s.callReceive(c, conn, dir, peer)
		c.WantError("inside a transfer", err, io.ErrUnexpectedEOF)

		const some = 2 * allowed // so that w has got the header, whatever is held back
		c.Variation("a payload of %d bytes, which fails after %d", size, some)
		w := &sink{}
		err = s.callSend(c, w, "film.mkv", size, "", &source{size: size, fails: errBroken, failsAt: some})
		c.WantError("Send", err, errBroken)
		s.wantHeader(c, w.head, "film.mkv", size, "")
	}
}

// longDescribe looks at what is in use when the last byte has been read.
func (s suite) longDescribe(c *check.C) {
	c.Variation("a payload of %d MiB", size>>20)
	src, held := s.pouring(c)
	_, _, err := s.callDescribe(c, src)
	c.WantNil("Describe", err)
	wantPoured(c, *held)
	src.wantLittle(c)
}

const (
	allowed = 1 << 20 // bytes of a payload that may be in memory
	size    = 4 << 20 // bytes of one that is looked at as it comes
)

const zerosSum = "b5cfa9d6c8febd618f91ac2843d50a1c" // the md5 of so many zeros

// pouring returns a payload that measures how much of it is in use when the last byte has been read.
func (s suite) pouring(c *check.C) (src *source, held *int64) {
	held = new(int64)
	before := int64(0)
	return &source{size: size, endsLate: true, look: func(at int64) error {
		switch {
		case before == 0:
			before = c.InUse()
		case at == size && *held == 0:
			*held = c.InUse() - before
		}
		return nil
	}}, held
}

func wantPoured(c *check.C, held int64) {
	if held > size/2 {
		c.Fail("at the end of the payload more than %d MiB of it are still in memory", size/2>>20)
	}
}

const (
	announced = 256 << 20       // bytes; a payload that is not worth storing
	comes     = 3 << 20         // bytes of it
	pending   = allowed * 3 / 2 // bytes; because something is always under way
)

// passing returns the beginning of a payload that watches how much of it has got through.
func passing(says string, end error, through func() int64) (src *source, fails *string) {
	fails = new(string)
	next := int64(pending)
	return &source{size: announced, most: 64 << 10, fails: end, failsAt: comes, look: func(at int64) error {
		if at < next {
			return nil
		}
		next += 512 << 10
		if got := through(); at-got > pending {
			*fails = fmt.Sprintf(
				"%d KiB of the payload had been read, and %s %d KiB of them: the rest is in "+
					"memory, or elsewhere",
				at>>10,
				says,
				got>>10,
			)
			return errBroken
		}
		return nil
	}}, fails
}

func (s suite) longSend(c *check.C) {
	c.Variation(
		"a payload of %d MiB, of which the suite watches the first %d MiB",
		announced>>20,
		comes>>20,
	)
	w := &sink{}
	src, fails := passing("w had got", errBroken, w.Taken)
	what := fmt.Sprintf("Send(w, \"film.mkv\", %d, \"\", payload)", announced)
	var err error
	allocated := c.Allocated(what, func() { err = s.lab.Send(w, "film.mkv", announced, "", src) })
	src.tell(c)
	c.Step("%s returned %s", what, check.Err(err))
	s.wantPassed(c, *fails, allocated)
	c.WantError("Send", err, errBroken)

	c.Variation("a payload of %d MiB", size>>20)
	src, held := s.pouring(c)
	c.WantNil("Send", s.callSend(c, &sink{}, "film.mkv", size, "", src))
	wantPoured(c, *held)
	src.wantLittle(c)
}

func (s suite) longReceive(c *check.C, dir string) {
	c.Variation("a payload of %d MiB, of which the suite sends the first %d MiB", announced>>20, comes>>20)
	src, fails := passing("the files in the folder had", io.EOF, func() int64 { return stored(dir) })
	r := io.MultiReader(bytes.NewReader(frame(header("film.mkv", announced, ""), "")), src)
	var name string
	var verified bool
	var err error
	allocated := c.Allocated("Receive(r, dir)", func() { name, verified, err = s.lab.Receive(r, dir) })
	src.tell(c)
	c.Step("Receive(r, dir) returned %q, %v, %s", name, verified, check.Err(err))
	s.wantPassed(c, *fails, allocated)
	c.WantError("inside a transfer", err, io.ErrUnexpectedEOF)

	c.Variation("a payload of %d MiB, with its md5", size>>20)
	src, held := s.pouring(c)
	text := header("film.mkv", size, zerosSum)
	r = io.MultiReader(bytes.NewReader(frame(text, "")), src)
	most := c.Largest(func() { _, _, err = s.callReceive(c, r, dir, nil) })
	c.WantNil("Receive", err)
	wantPoured(c, *held)
	if most > 2*allowed {
		c.Fail("Receive allocated %d KiB at once; %d KiB of the payload may be in memory", most>>10, allowed>>10)
	}
	src.wantLittle(c)
}

func (s suite) wantPassed(c *check.C, fails string, allocated uint64) {
	switch {
	case fails != "":
		c.Fail("%s", fails)
	case allocated > much:
		c.Fail("more than %d MiB of memory were allocated", much>>20)
	}
}
