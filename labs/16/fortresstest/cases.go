package fortresstest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

const (
	crowd   = 40      // clients at the same time: each has two descriptors
	many    = 105     // requests or clients, after which somebody might think it enough
	ahead   = 1 << 20 // bytes that Serve may read ahead
	much    = 8 << 20 // bytes that Serve may allocate
	drop    = 10 * time.Millisecond
	nothing = "" // what a heartbeat brings
)

// largest are limits that limit nothing.
var largest = Limits{
	math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt64, math.MaxInt64, math.MaxInt64,
}

func (s suite) answers(c *check.C) {
	c.Variation("Serve is running; two clients ask in turn, and a third one says nothing")
	r := s.start(c, generous)
	r.dial()
	p, q := r.dial(), r.dial()
	for _, command := range []string{
		"date", "echo hello world", "  two   spaces ", "你好 naïve 😀", "100%d %s", `"quoted" \n 'x'`,
		"rm -rf / ; ls > x && y | z", "a", strings.Repeat("long ", 200),
	} {
		p.asks(command)
		q.asks(command)
	}
	for _, command := range []string{"", " ", "     "} {
		calls := r.calls.Load()
		p.requests(command)
		p.hears(answer(0, nothing))
		if r.calls.Load() > calls {
			c.Fail("a request without a word was sent, and run was called for it")
		}
	}
	p.asks("date")
	p.leaves()
	q.asks("still here")
	r.stop()

	for _, header := range []string{
		`{"total_size": 4}`, `{"total_size":4,"status":0}`, ` { "total_size" : 4 } `, "{\n\t\"total_size\": 4\r\n}",
		`{"status": 0, "total_size": 4, "name": "你好", "more": {"total_size": [1, null]}}`,
	} {
		c.Variation("Serve is running; a client sends a request with the header %s", strconv.Quote(header))
		r = s.start(c, generous)
		p = r.dial()
		p.sends(fault.Whole, message(header, "date"))
		p.hears(answer(0, "date\n"))
		p.leaves()
		r.stop()
	}

	c.Variation("Serve is running; a request has a header of MaxHeader bytes and a command of MaxCommand bytes")
	r = s.start(c, generous)
	p = r.dial()
	command := strings.Repeat("x", generous.MaxCommand)
	header := fmt.Sprintf(`{"total_size":%d`, len(command))
	header += strings.Repeat(" ", generous.MaxHeader-len(header)-1) + "}"
	for range 2 {
		p.sends(fault.Whole, message(header, command))
		p.hears(answer(0, command+"\n"))
	}
	r.stop()

	c.Variation("Serve is running, with the largest limits; a command is large, and so is an output")
	r = s.start(c, largest)
	r.kept = big(3 << 19)
	p = r.dial()
	p.asks(strings.Repeat("x", 100_000))
	p.requests(fmt.Sprint(orderBig, " ", len(r.kept)))
	p.hears(answer(0, string(r.kept)))
	p.asks("date")
	p.leaves()
	r.stop()

	c.Variation("Serve is running; the commands of %d clients take long; others come and go", crowd/2)
	r = s.start(c, generous)
	silent := r.dial()
	w := r.waits("x")
	defer w.release()
	var all []*client
	for range crowd / 2 {
		p := r.dial()
		p.requests(orderWait + " x")
		all = append(all, p)
	}
	for range 3 {
		r.newcomer().leaves()
	}
	if !r.await("run to be called", func() bool { return int(w.began.Load()) == len(all) }) {
		c.Fail("%d clients have sent a request, and run was called for %d of them", len(all), w.began.Load())
	}
	c.Late()
	silent.asks("hello")
	c.Say("the commands are done")
	w.release()
	for _, p := range all {
		p.hears(answer(0, "went on\n"))
	}
	r.stop()

	c.Variation("Serve is running; %d clients come one after the other", many)
	r = s.start(c, generous)
	for range many {
		r.newcomer().leaves()
	}
	r.stop()

	c.Variation("Serve was called twice; a client connects to each")
	r, other := s.start(c, with(func(l *Limits) { l.MaxClients = 1 })), s.start(c, with(func(l *Limits) { l.MaxClients = 1 }))
	p, q = r.newcomer(), other.newcomer()
	p.leaves()
	q.asks("still here")
	r.stop()
	other.stop()
}

// big is data in which every byte is different from those around it.
func big(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i + i>>8 + i>>16)
	}
	return b
}

func (s suite) order(c *check.C) {
	for _, cut := range c.Cuts(2, 4, 20, 45) {
		c.Variation("Serve is running; a client sends five requests together, %s, and ends its stream", cut.Name)
		r := s.start(c, generous)
		p := r.dial()
		commands := []string{"echo hello", "你好", "", "x", "echo good bye"}
		all, want := "", ""
		for _, command := range commands {
			all += request(command)
			if words := strings.Fields(command); len(words) > 0 {
				want += answer(0, output(words))
			} else {
				want += answer(0, nothing)
			}
		}
		p.sends(cut, all)
		p.CloseWrite()
		p.hears(want)
		p.isClosed(r.await, "the stream of "+p.name+" has ended, and all requests are answered")
		c.Await("the end to arrive", func() bool { return p.Over() != nil })
		c.WantError("the end of the connection of "+p.name, p.Over(), io.EOF)
		c.WantText("what client 1 got behind the answers", string(p.Received()[p.heard:]), "")
		r.stop()
	}

	c.Variation("Serve is running; a client sends %d requests and ends its stream", many)
	r := s.start(c, generous)
	p := r.dial()
	all, want := "", ""
	for i := range many {
		command := fmt.Sprint("count ", i)
		all += request(command)
		want += answer(0, output(strings.Fields(command)))
	}
	p.sends(fault.Random(c.Seed(), 400), all)
	p.CloseWrite()
	p.hears(want)
	p.isClosed(r.await, "the stream of client 1 has ended")
	r.stop()

	c.Variation("Serve is running; the request of a client comes slowly")
	r = s.start(c, generous)
	p = r.dial()
	p.sends(fault.Whole, request("date")[:2])
	r.rests()
	p.sends(fault.Whole, request("date")[2:20])
	c.Late()
	p.sends(fault.Whole, request("date")[20:])
	p.hears(answer(0, "date\n"))
	r.stop()

	s.oneByOne(c)
	s.halves(c)
}

// oneByOne looks that requests wait, and where.
func (s suite) oneByOne(c *check.C) {
	c.Variation("Serve is running; the command of a client takes long, and its next requests have come")
	r := s.start(c, generous)
	w := r.waits("x")
	defer w.release()
	p := r.dial()
	p.requests(orderWait + " x")
	p.requests(orderWait + " x")
	p.requests("date")
	r.rests()
	if n := r.calls.Load(); n > 1 {
		c.Fail("run was called for the next request of %s before the first one was answered", p.name)
	}
	c.WantText("what client 1 got", string(p.Received()), "")
	const piece = 32 << 10
	sent, filler := p.Conn().Did().Taken, strings.Repeat(request(strings.Repeat("x", 1000)), piece/1000)
	for before := -1; p.Conn().Did().Taken > before && sent <= ahead+2*piece; {
		before = p.Conn().Did().Taken
		p.Send([]byte(filler))
		sent += len(filler)
		r.rests()
	}
	c.Say("client 1 has sent %d bytes of requests, of which Serve has read %d", sent, p.Conn().Did().Taken)
	if p.Conn().Did().Taken > ahead {
		c.Fail("the first command of client 1 is not done, and Serve has read more than 1 MiB ahead")
	}
	c.Say("the command is done")
	w.release()
	p.hears(answer(0, "went on\n") + answer(0, "went on\n") + answer(0, "date\n"))
	r.stop()
}

// halves lets clients vanish in the middle.
func (s suite) halves(c *check.C) {
	whole := request("echo hello")
	for i, at := range []int{0, 2, 4, 20, len(whole) - 1, len(whole) - 1} {
		c.Variation("Serve is running; a client is answered, sends %d of %d bytes of a request, and is gone",
			at, len(whole))
		r := s.start(c, generous)
		other := r.newcomer()
		p := r.newcomer()
		p.sends(fault.After(1), whole[:at])
		if i%2 == 0 {
			c.Say("client 2 has reset its connection")
			p.Reset()
		} else {
			c.Say("client 2 has ended its stream")
			p.CloseWrite()
		}
		p.isClosed(r.await, "client 2 is gone")
		if r.calls.Load() > 2 {
			c.Fail("run was called for a request that has not come, not all of it")
		}
		other.asks("still here")
		r.stop()
	}
	const (
		failed  = "When a Read or a Write has failed, whatever the error is, the client is closed."
		ignored = "Look at the error of every call, and leave the loop."
	)
	c.Variation("Serve is running; the Write of an answer fails, and the next request is there")
	r := s.start(c, generous)
	p := r.dial()
	c.Rule(failed, ignored)
	p.Conn().Break(10, fault.Failures("write")[0])
	p.sends(fault.Whole, whole+whole)
	p.isClosed(r.await, "a Write to client 1 has failed")
	if r.calls.Load() > 1 {
		c.Fail("a Write has failed, and run was called for the next request")
	}
	r.newcomer()
	r.stop()

	c.Variation("clients connect, and Serve is called; a Read from each of them fails")
	c.Rule(failed, ignored)
	r = prepare(c)
	for _, err := range fault.Failures("read") {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		c.Step("for the next client: %v", err)
		r.dial().Conn().Before("Read", func() error { return err })
	}
	r.serve(s.lab, generous)
	for _, p := range r.clients {
		p.isClosed(r.await, "a Read from "+p.name+" has failed")
	}
	r.newcomer()
	r.stop()
}

// failures are what run returns for orderFail.
var failures = []struct {
	output []byte
	err    error
}{
	{nil, errors.New("no such file")},
	{[]byte("half an output\n"), errors.New("the disk is full")},
	{[]byte("no end"), errors.New("exit status 2")},
	{[]byte("\x00\x1b[2J\xff\n"), errors.New("\x1b[2J\x07\nclient 192.0.2.1: all is well")},
	{nil, errors.New("\"quotes\" \\ and 你好, \xff \u202e \u009b 100%d %!s")},
	{nil, errors.New("")},
	{nil, io.EOF},
	{nil, net.ErrClosed},
	{nil, context.Canceled},
	{nil, os.ErrDeadlineExceeded},
	{nil, fmt.Errorf("starting it: %w", syscall.EMFILE)},
	{nil, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}},
}

const secret = "the password is 1234"

var panics = []func(){
	func() { panic(secret) },
	func() { panic(errors.New(secret)) },
	func() { panic(io.EOF) },
	func() { visits[secret]++ },
	func() { panic(nil) },
}

// visits is nil: nobody has made the map.
var visits map[string]int

func (s suite) fails(c *check.C) {
	c.Variation("Serve is running; a client asks for commands that fail")
	r := s.start(c, generous)
	other := r.newcomer()
	p := r.newcomer()
	for i, f := range failures {
		c.Variation("Serve is running; run returns the output %s and the error %q",
			quoted(string(f.output)), f.err.Error())
		p.requests(fmt.Sprint(orderFail, " ", i))
		p.hears(answer(1, string(f.output)+"error: "+strconv.Quote(f.err.Error())+"\n"))
		p.asks("still here")
	}
	for i := range panics {
		c.Variation("Serve is running; run panics")
		p.requests(fmt.Sprint(orderPanic, " ", i))
		p.hears(answer(1, "error: \"the command panicked\"\n"))
		p.asks("still here")
		other.asks("me too")
	}
	p.leaves()
	r.stop()

	const tooLong = "error: \"the output is too long\"\n"
	for _, most := range []int{1, 1000, 100_000} {
		r := s.start(c, with(func(l *Limits) { l.MaxOutput = most }))
		r.kept = big(most + 5000)
		kept := bytes.Clone(r.kept)
		p := r.dial()
		for _, n := range []int{most, most + 1, most + 5000, most - 1, 0} {
			c.Variation("Serve is running; MaxOutput is %d, and run returns %d bytes and no error", most, n)
			p.requests(fmt.Sprint(orderBig, " ", n))
			if n <= most {
				p.hears(answer(0, string(r.kept[:n])))
			} else {
				p.hears(answer(1, string(r.kept[:most])+tooLong))
			}
			if !bytes.Equal(r.kept, kept) {
				c.Fail("Serve has written into the output, which belongs to run")
			}
		}
		if most == 1 {
			c.Variation("Serve is running; MaxOutput is 1, and run returns more and an error")
			p.requests(orderFail + " 1")
			p.hears(answer(1, "herror: \"the disk is full\"\n"))
		}
		r.stop()
	}
}

// broken are requests that break a rule, the first three with any limits, and what is wrong with them.
func broken() []struct{ what, data string } {
	noise := strings.Repeat("\x00\x8b\xff noise \r\n", 2000)
	sized := func(size string) string { return message(`{"status":0,"total_size":`+size+`}`, "date") }
	long := strings.Repeat("x", generous.MaxCommand+1)
	return []struct{ what, data string }{
		{"a header of -1 bytes", "\xff\xff\xff\xff" + noise},
		{"a header of -2147483648 bytes", "\x00\x00\x00\x80"},
		{"total_size -1", sized("-1") + noise},
		{"a header of 2147483647 bytes", "\xff\xff\xff\x7f" + noise},
		{"a header of MaxHeader + 1 bytes", message(`{"total_size":4}`+strings.Repeat(" ", generous.MaxHeader-15), "date")},
		{"a header of 65540 bytes", "\x04\x00\x01\x00"},
		{"a header of no bytes", message("", "")},
		{"the request of a browser", "POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\ndate\n"},
		{"a header that is noise", message("\x8b\x00\xff\xfe", noise)},
		{"half a JSON object as its header", message(`{"total_size":4`, "date")},
		{"two JSON objects in its header", message(`{"total_size":4}{}`, "date")},
		{"a JSON list as its header", message(`[4]`, "date")},
		{"a JSON number as its header", message(`4`, "date")},
		{"null as its header", message(`null`, "date")},
		{"a header without total_size", message(`{"status":0}`, "date")},
		{"total_size -9223372036854775808", sized("-9223372036854775808")},
		{"total_size 9223372036854775807", sized("9223372036854775807")},
		{"total_size 18446744073709551620", sized("18446744073709551620")},
		{"total_size 4294967300", sized("4294967300")},
		{"total_size 4.5", sized("4.5")},
		{"total_size null", sized("null")},
		{`total_size "4"`, sized(`"4"`)},
		{"total_size [4]", sized("[4]")},
		{"total_size MaxCommand + 1, and that many bytes", request(long) + noise},
		{"total_size MaxCommand + 1, and nothing behind it", request(long)[:40]},
		{"a zero byte in its command", request("da\x00te")},
		{"a line end in its command", request("date\n")},
		{"a tab in its command", request("echo\tx")},
		{"an escape sequence in its command", request("echo \x1b[2J\x1b]0;owned\x07") + noise},
		{"DEL in its command", request("\x7f")},
		{"invalid UTF-8 in its command", request("caf\xe9")},
		{"half a character at the end of its command", request("echo \xe4\xbd")},
		{"a control character of two bytes in its command", request("echo \u009b2J")},
		{"a character that turns text around in its command", request("echo \u202e")},
		{"U+3000 in its command", request("echo\u3000x")},
	}
}

func (s suite) refused(c *check.C) {
	r := s.start(c, generous)
	other := r.newcomer()
	for i, b := range broken() {
		c.Variation("Serve is running; a client sends a request with %s", b.what)
		p := r.dial()
		if i%2 == 1 {
			p.asks("hello")
		}
		calls := r.calls.Load()
		p.sends(fault.Whole, b.data)
		p.isTold(r.await, p.name+" has sent a request with "+b.what)
		p.goes(p.name + " has sent a request with " + b.what)
		if r.calls.Load() > calls {
			c.Fail("%s has sent a request with %s, and run was called", p.name, b.what)
		}
	}
	other.asks("still here")
	r.newcomer()
	r.stop()

	r = s.start(c, largest)
	for _, b := range broken()[:3] {
		c.Variation("Serve is running, with the largest limits; a client sends a request with %s", b.what)
		p := r.dial()
		p.sends(fault.Whole, b.data)
		p.isTold(r.await, p.name+" has sent a request with "+b.what)
	}
	r.stop()

	for _, cut := range c.Cuts(4, 20) {
		c.Variation("Serve is running; a client sends a request with total_size -1, %s, and many others", cut.Name)
		r := s.start(c, generous)
		p := r.dial()
		p.sends(cut, message(`{"status":0,"total_size":-1}`, ""))
		p.isTold(r.await, p.name+" has sent a request with total_size -1")
		p.sends(fault.Whole, strings.Repeat(request("date"), 500))
		p.stays()
		p.goes(p.name + " has sent a request with total_size -1")
		r.stop()
	}
}

// stays looks that a client that was told has the time to read it.
func (p *client) stays() {
	r := p.s
	r.rests()
	if p.closed() {
		r.c.Fail("%s was refused, and its connection was closed at once: if anything is unread, or still comes, "+
			"it is reset, and the client may not get what it was told", p.name)
	}
}

// goes lets a client that was refused end its stream.
func (p *client) goes(because string) {
	r := p.s
	r.c.Say("%s has ended its stream", p.name)
	p.CloseWrite()
	p.isClosed(r.await, p.name+" was refused, and has ended its stream")
	p.isTold(r.await, because)
}

// announced lets clients announce more than they send.
func (s suite) announced(c *check.C) {
	header := func(size uint32) string { return string(binary.LittleEndian.AppendUint32(nil, size)) + "{" }
	payload := func(size int64) string { return message(fmt.Sprintf(`{"total_size":%d}`, size), "x") }
	for _, v := range []struct {
		limits Limits
		what   string
		datas  []string
	}{
		{generous, "more than is allowed", []string{
			header(math.MaxInt32), header(256 << 20), payload(math.MaxInt32), payload(1 << 40),
		}},
		{largest, "much, and all of it is allowed", []string{header(256 << 20), payload(256 << 20)}},
	} {
		c.Variation("Serve is running; clients announce %s, and send a byte of it", v.what)
		r := s.start(c, v.limits)
		r.newcomer()
		var all []*client
		for _, data := range v.datas {
			p := r.dial()
			all = append(all, p)
			c.Say("%s has sent %s", p.name, quoted(data))
		}
		allocated := c.Allocated("Serve to read what has come", func() {
			for i, p := range all {
				p.Send([]byte(v.datas[i]))
			}
			swallowed(all, v.datas, 0)
		})
		if allocated > much {
			c.Fail("a few bytes have come, and Serve has allocated more than %d MiB", much>>20)
		}
		r.newcomer()
		r.stop()
	}

	c.Variation("Serve is running; a client announces 2147483647 bytes, is refused, and sends %d MiB of them", 2*much>>20)
	r := s.start(c, generous)
	p := r.newcomer()
	attacker := []*client{r.dial()}
	before := c.InUse()
	c.Say("%s sends them all, and does not end its stream", attacker[0].name)
	c.Do("Serve to read what has come", func() {
		chunk := bytes.Repeat([]byte("x"), 1<<20)
		attacker[0].Send([]byte(header(math.MaxInt32)))
		for range 2 * much >> 20 {
			attacker[0].Send(chunk)
		}
		swallowed(attacker, []string{header(math.MaxInt32)}, 2*much)
	})
	if c.InUse()-before > much {
		c.Fail("what a refused client sends is to be thrown away, and Serve keeps more than %d MiB of it", much>>20)
	}
	p.asks("still here")
	r.newcomer()
	r.stop()
}

// swallowed waits until all clients are closed, or have nothing left that Serve could read, and Serve has
// noticed; at most a second.
func swallowed(all []*client, datas []string, more int) {
	for begin := time.Now(); time.Since(begin) < time.Second; time.Sleep(time.Millisecond) {
		busy := false
		for i, p := range all {
			d := p.Conn().Did()
			waits := d.Taken == len(datas[i])+more && d.Reads > d.Brought
			busy = busy || !waits && !p.closed()
		}
		if !busy {
			return
		}
	}
}

// drips makes each Read bring one byte, and take its time.
func (p *client) drips(data string) {
	p.s.c.Say("%s begins to send %s, one byte every %v", p.name, quoted(data), drop)
	p.Conn().Before("Read", func() error {
		<-time.After(drop)
		return nil
	})
	p.Send(fault.Bytes.Pieces([]byte(data))...)
}

// parts sends a request of which the length, the header and the payload each take that long to come.
func (p *client) parts(each time.Duration, command string) {
	p.s.c.Say("%s begins to send a request: every %v the rest of the length, the header or the payload comes",
		p.name, each)
	data := request(command)
	ends := []int{4, len(data) - len(command), len(data)}
	begin := sync.OnceValue(time.Now) // the server's time has begun when it reads for the first time
	p.Conn().Before("Read", func() error {
		begin()
		for i, end := range ends {
			if p.Conn().Did().Taken == end-1 {
				<-time.After(time.Until(begin().Add(time.Duration(i+1) * each)))
			}
		}
		return nil
	})
	p.Send(fault.After(3, 4, ends[1]-1, ends[1], ends[2]-1).Pieces([]byte(data))...)
}

// honest lets a client come, ask and go. Where limits are short it comes again if it was too slow: the
// machine may be busy.
func (s *server) honest() {
	want := answer(0, "hello\n")
	for tries := 1; ; tries++ {
		p := s.connect()
		p.name = "an honest client"
		p.Send([]byte(request("hello")))
		s.await("the answer to "+p.name, func() bool { return len(p.Received()) >= len(want) || p.Over() != nil })
		if tries == 5 || string(p.Received()) == want {
			s.c.Say("an honest client has asked")
			p.hears(want)
			p.CloseWrite()
			return
		}
	}
}

func (s suite) slow(c *check.C) {
	const limit = 500 * time.Millisecond
	limits := with(func(l *Limits) { l.Request, l.Answer = limit, short })
	slowly := message(`{"total_size":500}`, strings.Repeat("x", 500))
	c.Variation("two clients have sent a request; Serve is called; Request is %v, Answer %v; other clients come, "+
		"and all are silent or slow", limit, short)
	r := prepare(c)
	all := []*client{r.dial(), r.dial()}
	for _, p := range all {
		p.requests("hello")
		p.times("Write")
	}
	r.serve(s.lab, limits)
	for i, p := range all {
		p.hears(answer(0, "hello\n"))
		if i == 0 {
			p.drips(slowly)
		}
	}
	for i, do := range []func(p *client){
		func(p *client) { c.Step("%s says nothing", p.name) },
		func(p *client) { p.drips("\x00\x04\x00\x00" + strings.Repeat(" ", 500)) },
		func(p *client) { p.drips(slowly) },
		func(p *client) { p.parts(limit/2, "date") },
		func(p *client) { p.sends(fault.Whole, slowly[:30]) },
	} {
		if i == 3 {
			r.honest()
		}
		p := r.dial()
		p.times("Write")
		do(p)
		all = append(all, p)
	}
	for _, p := range all {
		p.isTold(r.within(limit), fmt.Sprintf("Request has passed, and no whole request of %s has come", p.name))
		if p.soon(limit) {
			c.Fail("%s was refused before Request had passed", p.name)
		}
	}
	r.honest()
	for _, p := range all {
		p.isClosed(r.within(short), fmt.Sprintf("%s was refused, goes on as before, and Answer has passed", p.name))
	}
	r.honest()
	r.stop()

	limits.Request = short
	limits.Answer = time.Minute
	c.Variation("two clients have sent a request, one of them another one behind it; Serve is called; Request is %v, "+
		"and the command takes longer", short)
	r = prepare(c)
	w := r.waits("x")
	defer w.release()
	p, q := r.dial(), r.dial()
	p.requests(orderWait + " x")
	p.requests("date")
	q.requests(orderWait + " x")
	r.serve(s.lab, limits)
	begin := time.Now()
	c.Await("the command to take its time", func() bool {
		return r.call.Ended() || time.Since(begin) > short+short/4
	})
	c.Say("the command is done, after %v", short+short/4)
	w.release()
	p.hears(answer(0, "went on\n") + answer(0, "date\n"))
	q.hears(answer(0, "went on\n"))
	r.stop()
}

func (s suite) context(c *check.C) {
	c.Variation("Serve is running; Run is %v; two clients ask for a command that waits for the end of ctx, one of "+
		"them twice; the other one has ended its stream", short)
	r := s.start(c, with(func(l *Limits) { l.Run = short }))
	first, second, once := r.waits("first"), r.waits("second"), r.waits("once")
	defer first.release()
	defer second.release()
	defer once.release()
	p, q, other := r.dial(), r.dial(), r.newcomer()
	p.ends(orderWait+" first", first, nil)
	p.ends(orderWait+" second", second, func() {
		q.requests(orderWait + " once")
		q.CloseWrite()
		other.asks("still here")
	})
	p.asks("still here, too")
	if !r.within(short)("the end of ctx", func() bool { return once.stopped.Load() > 0 }) {
		c.Fail("Run has passed, and ctx has not ended")
	}
	q.hears(answer(1, "error: \"stopped\"\n"))
	q.isClosed(r.await, "the stream of "+q.name+" has ended, and all requests are answered")
	r.stop()

	c.Variation("Serve is running; three clients ask for a command that waits for the end of ctx; one of them " +
		"resets its connection")
	r = s.start(c, generous)
	gone, stays := r.waits("gone"), r.waits("stays")
	defer gone.release()
	defer stays.release()
	p, q, last := r.dial(), r.dial(), r.dial()
	p.asks("hello")
	p.requests(orderWait + " gone")
	q.requests(orderWait + " stays")
	q.CloseWrite()
	c.Say("%s has ended its stream, and waits for its answer", q.name)
	last.requests(orderWait + " stays")
	last.requests("date")
	if !r.await("run to be called", func() bool { return gone.began.Load() == 1 && stays.began.Load() == 2 }) {
		c.Fail("three clients have sent a request, and run was called for %d", gone.began.Load()+stays.began.Load())
	}
	r.rests()
	if gone.stopped.Load()+stays.stopped.Load() > 0 {
		c.Fail("ctx has ended, and neither has Run passed nor the connection broken")
	}
	c.Say("%s has reset its connection", p.name)
	p.Reset()
	if !r.await("the end of ctx", func() bool { return gone.stopped.Load() == 1 }) {
		c.Fail("%s has reset its connection while its command was running, and ctx has not ended", p.name)
	}
	p.isClosed(r.await, p.name+" has reset its connection")
	r.rests()
	if stays.stopped.Load() > 0 {
		c.Fail("%s has reset its connection, and the ctx of another client has ended", p.name)
	}
	c.Say("the commands of the others are done")
	stays.release()
	q.hears(answer(0, "went on\n"))
	q.isClosed(r.await, "the stream of "+q.name+" has ended, and all requests are answered")
	last.hears(answer(0, "went on\n") + answer(0, "date\n"))
	last.asks("still here")
	r.stop()
}

// ends asks for a command that waits, and waits for the end of its ctx.
func (p *client) ends(command string, w *wait, meanwhile func()) {
	r := p.s
	p.requests(command)
	if meanwhile != nil {
		meanwhile()
	}
	if !r.within(short)("the end of ctx", func() bool { return w.stopped.Load() > 0 }) {
		r.c.Fail("Run has passed, and ctx has not ended")
	}
	if time.Duration(w.at.Load())-p.since < short-early {
		r.c.Fail("ctx has ended before Run had passed")
	}
	p.hears(answer(1, "error: \"stopped\"\n"))
}

// stopsReading makes every Write to p wait, as it does when the buffers are full: until it reads again,
// the server closes the connection, or a deadline for the Write has passed.
func (p *client) stopsReading() (reads func()) {
	p.s.c.Say("%s does not read any more", p.name)
	again := make(chan struct{})
	under := p.Conn().Conn
	p.Conn().Before("Write", func() error {
		clock := time.NewTicker(time.Millisecond)
		defer clock.Stop()
		for {
			if _, err := under.Write(nil); err != nil {
				return err
			}
			select {
			case <-again:
				return nil
			case <-clock.C:
			}
		}
	})
	return sync.OnceFunc(func() { close(again) })
}

func (s suite) unread(c *check.C) {
	c.Variation("Serve is running; Answer is %v; three clients do not read: what they have asked for, or that they "+
		"are refused", short)
	r := s.start(c, with(func(l *Limits) { l.Answer = short }))
	other := r.newcomer()
	p, q, bad := r.newcomer(), r.dial(), r.dial()
	for _, one := range []*client{p, q, bad} {
		defer one.stopsReading()()
	}
	p.requests("hello")
	q.sends(fault.Whole, request("hello")+request("hello"))
	for _, one := range []*client{p, q, bad} {
		one.times("Close")
	}
	bad.sends(fault.Whole, "\xff\xff\xff\xff")
	other.asks("still here")
	r.newcomer()
	for _, one := range []*client{p, q, bad} {
		one.isClosed(r.within(short), fmt.Sprintf("Answer has passed, and %s has not taken its answer", one.name))
		if one.soon(short) {
			c.Fail("the connection of %s was closed before Answer had passed", one.name)
		}
	}
	if n := r.calls.Load(); n > 6 {
		c.Fail("run was called for a client that has not taken the answer before")
	}
	other.asks("still here")
	r.newcomer()
	r.stop()

	c.Variation("Serve is running; a client does not read for a while, and then reads again")
	r = s.start(c, generous)
	r.kept = big(generous.MaxOutput)
	p = r.newcomer()
	reads := p.stopsReading()
	defer reads()
	p.requests(fmt.Sprint(orderBig, " ", len(r.kept)))
	r.newcomer()
	r.rests()
	c.Say("%s reads again", p.name)
	reads()
	p.hears(answer(0, string(r.kept)))
	p.asks("date")
	p.leaves()
	r.stop()
}

// tooMany connects a client for which there is no place.
func (s *server) tooMany() {
	p := s.dial()
	because := "MaxClients clients are connected, and " + p.name + " is one more"
	p.isTold(s.await, because)
	p.isClosed(s.await, because)
}

func (s suite) full(c *check.C) {
	const most = 3
	const more = 10
	c.Variation("Serve is running; MaxClients is %d; %d clients connect", most, most+more)
	r := s.start(c, with(func(l *Limits) { l.MaxClients = most }))
	w := r.waits("x")
	defer w.release()
	all := []*client{r.newcomer(), r.newcomer(), r.dial()}
	all[2].requests(orderWait + " x")
	for range more {
		r.tooMany()
	}
	all[0].asks("still here")
	r.rests()
	for _, way := range []struct {
		what string
		do   func(p *client)
	}{
		{"ends its stream", func(p *client) { p.CloseWrite() }},
		{"resets its connection", func(p *client) { p.Reset() }},
		{"ends its stream in the middle of a request", func(p *client) {
			p.sends(fault.Whole, request("date")[:20])
			p.CloseWrite()
		}},
		{"asks for a command that panics, and ends its stream", func(p *client) {
			p.requests(orderPanic + " 0")
			p.CloseWrite()
		}},
		{"sends noise, is refused and ends its stream", func(p *client) {
			p.sends(fault.Whole, "\xff\xff\xff\xff")
			p.CloseWrite()
		}},
		{"resets its connection while its command is running", func(p *client) {
			gone := r.waits("gone")
			defer gone.release()
			p.requests(orderWait + " gone")
			r.await("run to be called", func() bool { return gone.began.Load() == 1 })
			p.Reset()
		}},
	} {
		c.Variation("Serve is running; MaxClients is %d, and that many are connected; one of them %s", most, way.what)
		p := all[0]
		way.do(p)
		p.isClosed(r.await, p.name+" has left")
		r.rests()
		all = append(all[1:1:1], append([]*client{r.newcomer()}, all[1:]...)...)
		r.tooMany()
		r.rests()
	}
	w.release()
	r.stop()

	c.Variation("Serve is running; MaxClients is 1; %d clients come one after the other", more)
	r = s.start(c, with(func(l *Limits) { l.MaxClients = 1 }))
	for range more {
		p := r.newcomer()
		r.tooMany()
		p.leaves()
		r.rests()
	}
	r.stop()

	c.Variation("Serve is running; MaxClients is the largest int; %d clients connect, and the last one asks first", crowd)
	r = s.start(c, largest)
	all = nil
	for range crowd {
		all = append(all, r.dial())
	}
	for i := range all {
		all[len(all)-1-i].asks("hello")
	}
	r.stop()

	c.Variation("Serve is running; MaxClients is %d; %d clients connect and reset their connections", most, more)
	r = s.start(c, with(func(l *Limits) { l.MaxClients = most }))
	for range more {
		r.dial().Reset()
	}
	r.rests()
	r.newcomer()
	r.stop()
}

func (s suite) ends(c *check.C) {
	s.notPositive(c)
	s.passing(c)
	c.Variation("the listener is closed before Serve is called")
	r := prepare(c)
	r.dialler.Close()
	r.serve(s.lab, generous)
	r.returns(nil)

	for _, err := range []error{
		nil,
		errors.New("the network card is on fire"),
		&net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept", syscall.EBADF)},
		io.EOF,
		fmt.Errorf("accepting behind a proxy: %w", net.ErrClosed),
	} {
		c.Variation("Serve is running; clients are silent, in the middle of a request, wait for a command, do not " +
			"read, and are refused")
		r := s.start(c, generous)
		w := r.waits("x")
		defer w.release()
		r.dial()
		p, q, unread, bad := r.newcomer(), r.dial(), r.newcomer(), r.dial()
		p.sends(fault.Whole, request("date")[:20])
		q.requests(orderWait + " x")
		defer unread.stopsReading()()
		unread.requests("hello")
		bad.sends(fault.Whole, "\xff\xff\xff\xff")
		r.rests()
		r.end(err)
		if !r.await("the end of ctx", func() bool { return w.stopped.Load() == 1 }) {
			c.Fail("Accept has failed, and the ctx of run has not ended")
		}
		if check.Is(err, net.ErrClosed) {
			err = nil
		}
		r.returns(err)
		for _, p := range r.clients {
			p.isClosed(r.await, "Serve has returned")
		}
	}

	c.Variation("Serve is running; a command waits; the listener is closed, and the command takes a while to end")
	r = s.start(c, generous)
	w := r.waits("x")
	defer w.release()
	w.deaf = true
	r.dial().requests(orderWait + " x")
	r.await("run to be called", func() bool { return w.began.Load() == 1 })
	r.end(nil)
	r.rests()
	if r.call.Ended() {
		c.Fail("Serve has returned, and run has not")
	}
	c.Say("the command is done")
	w.release()
	r.returns(nil)

	c.Variation("Serve is running; a client is there; the listener is closed, and closing a connection takes a while")
	r = s.start(c, generous)
	p := r.newcomer()
	var closing atomic.Bool
	released := make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	defer release()
	p.Conn().Before("Close", func() error {
		closing.Store(true)
		<-released
		return nil
	})
	r.end(nil)
	c.Await("the connection to be closed", func() bool { return (closing.Load() || r.call.Ended()) && c.Resting() })
	if r.call.Ended() {
		c.Fail("Serve has returned, and the connection of %s is not closed yet", p.name)
	}
	release()
	r.returns(nil)
}

// notPositive calls Serve with limits that are none.
func (s suite) notPositive(c *check.C) {
	for i, set := range []func(l *Limits, n int){
		func(l *Limits, n int) { l.MaxClients = n },
		func(l *Limits, n int) { l.MaxHeader = n },
		func(l *Limits, n int) { l.MaxCommand = n },
		func(l *Limits, n int) { l.MaxOutput = n },
		func(l *Limits, n int) { l.Request = time.Duration(n) },
		func(l *Limits, n int) { l.Run = time.Duration(n) },
		func(l *Limits, n int) { l.Answer = time.Duration(n) },
	} {
		for _, n := range []int{0, -1} {
			name := []string{"MaxClients", "MaxHeader", "MaxCommand", "MaxOutput", "Request", "Run", "Answer"}[i]
			c.Variation("Serve is called, and limits.%s is %d; a client waits in the queue", name, n)
			c.Rule("Each limit is 1 or more. If one is not, Serve returns an error, at once and without a call of Accept.",
				"Look at all of them before you accept anybody.")
			r := prepare(c)
			counted := &counting{Listener: r.ln}
			r.ln = counted
			r.dial()
			r.serve(s.lab, with(func(l *Limits) { set(l, n) }))
			if !r.await("Serve to return", r.call.Ended) {
				c.Fail("limits.%s is %d, and Serve does not return", name, n)
			}
			if r.err == nil || counted.calls.Load() > 0 {
				c.Fail("limits.%s is %d, and Serve has called Accept %d times and returned %s",
					name, n, counted.calls.Load(), check.Err(r.err))
			}
		}
	}
}

// counting is a listener that tells how often Accept was called, and whether too soon after an error.
type counting struct {
	net.Listener
	calls, inside atomic.Int32
	failed        atomic.Pointer[time.Time]
	soon          atomic.Bool
	several       atomic.Bool // goroutines call Accept, and one of them need not have met the error
}

func (l *counting) Accept() (net.Conn, error) {
	l.calls.Add(1)
	if l.inside.Add(1) > 1 {
		l.several.Store(true)
	}
	defer l.inside.Add(-1)
	if at := l.failed.Swap(nil); at != nil && time.Since(*at) < time.Millisecond/2 {
		l.soon.Store(true)
	}
	conn, err := l.Listener.Accept()
	if now := time.Now(); err != nil {
		l.failed.Store(&now)
	}
	return conn, err
}

// passing lets Accept fail with errors that pass.
func (s suite) passing(c *check.C) {
	failed := func(errno syscall.Errno) error {
		return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", errno)}
	}
	errs := []error{
		failed(syscall.EMFILE), failed(syscall.ENFILE), failed(syscall.ECONNABORTED), syscall.EMFILE,
		fmt.Errorf("accepting behind a proxy: %w", failed(syscall.EMFILE)),
	}
	c.Variation("Serve is running; a client is there; Accept fails for a moment, again and again")
	c.Rule("EMFILE, ENFILE and ECONNABORTED pass. After such an error Serve waits for 1 to 100 ms, and calls Accept "+
		"again, however often that happens. Its clients are served meanwhile.",
		"Ask for these three with errors.Is, sleep, and go back to Accept.")
	r := prepare(c)
	counted := &counting{Listener: r.ln}
	r.ln = counted
	r.serve(s.lab, generous)
	p := r.newcomer()
	for i := range 12 {
		r.dialler.Fail(errs[i%len(errs)], errs[i%len(errs)])
		c.Say("Accept fails twice: %v", errs[i%len(errs)])
		p.asks("still here")
		r.newcomer().leaves()
	}
	if counted.soon.Load() && !counted.several.Load() {
		c.Fail("Accept has failed, and was called again less than 1 ms later")
	}
	r.end(nil)
	r.returns(nil)
}

// end lets Accept fail, or closes the listener if err is nil.
func (s *server) end(err error) {
	if err == nil {
		s.c.Say("the suite has closed the listener")
		s.dialler.Close()
		return
	}
	s.c.Say("Accept returns the error %s", check.Err(err))
	s.dialler.Fail(err)
}

func (s *server) returns(want error) {
	if !s.await("Serve to return", s.call.Ended) {
		s.c.Fail("Accept has failed, and Serve does not return")
	}
	s.c.Step("Serve returned %s", check.Err(s.err))
	if want != nil {
		s.c.WantError("what Serve returned", s.err, want)
	} else if s.err != nil {
		s.c.Fail("the listener was closed, and Serve returned an error, not nil")
	}
}
