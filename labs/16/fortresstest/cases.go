package fortresstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
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
		"date", "Echo Hello WORLD", "  two   spaces ", "你好 naïve 😀", "100%d %s", `"quoted" \n 'x'`,
		"rm -rf / ; ls > x && y | z", "a", "echo \ufffd", strings.Repeat("long ", 200),
	} {
		p.asks(command)
		q.asks(command)
	}
	for _, command := range []string{"", " ", "     "} {
		calls := r.calls.Load()
		p.requests(command)
		r.await("the answer to "+p.name, func() bool { return len(p.Received()) > p.heard || r.calls.Load() > calls })
		if r.calls.Load() > calls {
			c.Fail("a request without a word was sent, and run was called for it")
		}
		p.hears(answer(0, nothing))
	}
	p.asks("date")
	p.leaves()
	q.asks("still here")
	r.stop()

	for _, header := range []string{
		`{"total_size": 4}`, `{"total_size":4,"status":0}`, ` { "total_size" : 4 } `, "{\n\t\"total_size\": 4\r\n}",
		`{"status": 0, "total_size": 4, "name": "你好", "more": {"total_size": [1, null]}}`,
		`{"status": "ok", "total_size": 4}`,
	} {
		c.Variation("Serve is running; a client sends a request with the header %s", strconv.Quote(header))
		r = s.start(c, generous)
		p = r.dial()
		p.sends(fault.Whole, message(header, "date"))
		p.hears(answer(0, "date\n"))
		p.leaves()
		r.stop()
	}

	c.Variation(
		"Serve is running; a request has a header of MaxHeader bytes and a command of MaxCommand bytes",
	)
	c.Rule("A header may have MaxHeader bytes, and a command MaxCommand bytes: more is refused, and no less.",
		"Refuse a number only if it is above its limit.")
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

	c.Variation("Serve is running; an output has zeros, bytes over 127 and no line end")
	c.Rule("An output is sent as it is.", "It is not always text: trim nothing, and put nothing behind it.")
	r = s.start(c, generous)
	r.kept = big(300)
	p = r.dial()
	p.requests(fmt.Sprint(orderBig, " ", len(r.kept)))
	p.hears(answer(0, string(r.kept)))
	r.stop()

	c.Variation("Serve is running, with the largest limits; a command is large, and so is an output")
	overflow := func() {
		c.Rule("Each limit may be the largest number of its type.",
			"Compare numbers in the larger of their two types, add nothing to a limit, and make nothing as large as "+
				"one: it may overflow.")
	}
	overflow()
	r = s.start(c, largest)
	r.kept = big(3 << 19)
	p = r.dial()
	c.Rule("A header may be longer than what one Read brings, if MaxHeader allows it.",
		"Read on until as many bytes have come as the length says: io.ReadFull does so, and io.CopyN.")
	p.sends(fault.Whole, message(`{"total_size":4`+strings.Repeat(" ", 70_000)+"}", "date"))
	p.hears(answer(0, "date\n"))
	c.Rule("A command may be longer than what one Read brings, and than what Serve reads ahead. Byte by "+
		"byte is too slow for it.",
		"Read the payload with io.CopyN, or in a loop with a slice of some KiB.")
	before := p.Conn().Did()
	p.asks(strings.Repeat("x", ahead+5))
	did := p.Conn().Did()
	if reads, taken := did.Reads-before.Reads, did.Taken-before.Taken; reads > taken/2 {
		c.Fail("the request was sent at once, and Serve has read %d bytes with %d Reads", taken, reads)
	}
	overflow()
	p.requests(fmt.Sprint(orderBig, " ", len(r.kept)))
	p.hears(answer(0, string(r.kept)))
	p.asks("date")
	p.leaves()
	r.stop()

	c.Variation("Serve is running, and each limit is 1; a client sends a request and ends its stream")
	r = s.start(c, Limits{1, 1, 1, 1, 1, 1, 1})
	p = r.dial()
	p.requests("x")
	p.CloseWrite()
	p.isClosed(r.await, "the limits of "+p.name+" have passed")
	if r.call.Ended() {
		c.Fail("Serve has returned (%s), and no limit is below 1", check.Err(r.err))
	}
	r.stop()

	c.Variation("Serve is running; %d clients come one after the other", many)
	r = s.start(c, generous)
	for range many {
		r.newcomer().leaves()
	}
	r.stop()

	c.Variation("Serve is running; MaxClients is 2, and two clients are connected")
	c.Rule("MaxClients clients are served at the same time, and not one less.",
		"Refuse a client only if MaxClients others are connected.")
	r = s.start(c, with(func(l *Limits) { l.MaxClients = 2 }))
	r.newcomer()
	r.newcomer()
	r.stop()

	c.Variation("Serve was called twice; a client connects to each")
	c.Rule("Calls of Serve know nothing of each other.", "Keep nothing in a variable of the package.")
	r = s.start(c, with(func(l *Limits) { l.MaxClients = 1 }))
	other := s.start(c, with(func(l *Limits) { l.MaxClients, l.MaxOutput = 2, 20 }))
	r.kept, other.kept = big(30), bytes.Repeat([]byte("x"), 19)
	p, q = r.newcomer(), other.newcomer()
	other.newcomer()
	p.requests(orderBig + " 30")
	q.requests(orderBig + " 19")
	p.hears(answer(0, string(r.kept)))
	q.hears(answer(0, string(other.kept)))
	p.leaves()
	q.asks("still here")
	r.stop()
	c.Say("the listener of the first one is closed")
	q.asks("still here")
	other.stop()
}

// long has commands that take long.
func (s suite) long(c *check.C) {
	c.Variation("Serve is running; the commands of %d clients take long; others come and go", crowd/2)
	c.Rule("Each client is served beside the others. A command may take as long as Run, and its client waits.",
		"No lock around run, and no limit but Run while it runs: take back the deadline of Request.")
	r := s.start(c, generous)
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
		c.Fail(
			"%d clients have sent a request, and run was called for %d of them",
			len(all),
			w.began.Load(),
		)
	}
	c.Late(250 * time.Millisecond)
	silent.asks("hello")
	c.Say("the commands are done")
	w.release()
	for _, p := range all {
		p.hears(answer(0, "went on\n"))
	}
	r.stop()
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
		c.Variation(
			"Serve is running; a client sends five requests together, %s, and ends its stream",
			cut.Name,
		)
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
	all := ""
	var wants []string
	for i := range many {
		command := fmt.Sprint("count ", i)
		all += request(command)
		wants = append(wants, answer(0, output(strings.Fields(command))))
	}
	p.sends(fault.Random(c.Seed(), 400), all)
	p.CloseWrite()
	for _, want := range wants { // who looks again and again may need a moment for each
		p.gets(want)
	}
	c.Step("%s got all the answers", p.name)
	p.isClosed(r.await, "the stream of client 1 has ended")
	r.stop()

	c.Variation("Serve is running; a client ends its stream while its command is running")
	c.Rule("Who has ended its stream still reads: io.EOF ends neither the command nor the connection "+
		"before the answer is sent.",
		"Look at the error of the Read that waits during run: io.EOF is not that of a broken connection.")
	r = s.start(c, generous)
	w := r.waits("x")
	defer w.release()
	p = r.dial()
	p.requests(orderWait + " x")
	r.await("run to be called", func() bool { return w.began.Load() == 1 })
	c.Say("%s has ended its stream", p.name)
	p.CloseWrite()
	r.rests()
	if w.stopped.Load() > 0 {
		c.Fail("%s has ended its stream, and ctx has ended", p.name)
	}
	c.Say("the command is done")
	w.release()
	p.hears(answer(0, "went on\n"))
	p.isClosed(r.await, "the stream of "+p.name+" has ended, and its request is answered")
	r.stop()

	c.Variation("Serve is running; Read brings the last of two requests together with io.EOF")
	c.Rule("Bytes that Read returns together with io.EOF count: what they ask for is answered.",
		"Use the n bytes of Read first, and then look at its error. bufio.Reader and io.ReadFull do so.")
	both := request("echo hello") + request("date")
	r = s.start(c, generous)
	p = r.dial()
	p.Conn().AfterRead(func(n int) error {
		if p.Conn().Did().Taken+n == len(both) {
			return io.EOF
		}
		return nil
	})
	p.sends(fault.After(len(request("echo hello"))), both)
	p.CloseWrite()
	p.hears(answer(0, "echo\nhello\n") + answer(0, "date\n"))
	p.isClosed(r.await, "the stream of client 1 has ended")
	r.stop()

	s.oneByOne(c)
	s.halves(c)
}

func (s suite) slowly(c *check.C) {
	c.Variation("Serve is running; the request of a client comes slowly")
	r := s.start(c, generous)
	p := r.dial()
	p.sends(fault.Whole, request("date")[:2])
	r.rests()
	p.sends(fault.Whole, request("date")[2:20])
	c.Late(250 * time.Millisecond)
	p.sends(fault.Whole, request("date")[20:])
	p.hears(answer(0, "date\n"))
	r.stop()
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
	first := len(request(orderWait + " x")) // which is not ahead
	sent, filler := p.Conn().Did().Taken, strings.Repeat(request(strings.Repeat("x", 1000)), piece/1000)
	for before := -1; p.Conn().Did().Taken > before && sent <= ahead+2*piece; {
		before = p.Conn().Did().Taken
		p.Send([]byte(filler))
		sent += len(filler)
		r.rests()
	}
	c.Say("client 1 has sent %d bytes of requests, of which Serve has read %d", sent, p.Conn().Did().Taken)
	if p.Conn().Did().Taken > first+ahead {
		c.Fail("the first command of client 1 is not done, and Serve has read more than 1 MiB ahead")
	}
	c.Say("the command is done")
	w.release()
	p.hears(answer(0, "went on\n") + answer(0, "went on\n") + answer(0, "date\n"))
	for range piece / 1000 {
		p.gets(answer(0, strings.Repeat("x", 1000)+"\n"))
	}
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
	{nil, errors.New("\"quotes\" \\ and 你好, \xff \u202e \u009b \u3000 100%d %!s")},
	{nil, errors.New("")},
	{nil, errors.New(strings.Repeat("the disk is full, ", 300))},
	{nil, io.EOF},
	{nil, net.ErrClosed},
	{nil, context.Canceled},
	{nil, context.DeadlineExceeded},
	{nil, os.ErrDeadlineExceeded},
	{nil, fmt.Errorf("starting it: %w", syscall.EMFILE)},
	{nil, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}},
}

const tooLong = "error: \"the output is too long\"\n"

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
		c.Variation("Serve is running; run returns the output %s and the error %s",
			quoted(string(f.output)), quoted(f.err.Error()))
		p.requests(fmt.Sprint(orderFail, " ", i))
		p.hears(answer(1, string(f.output)+"error: "+strconv.Quote(f.err.Error())+"\n"))
		if got := r.outputs[i]; string(got[:cap(got)]) != string(f.output)+behind {
			c.Fail("Serve has written into the output, or behind it: the slice belongs to run")
		}
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

	c.Variation("Serve is running, with the largest limits; run returns an output and an error")
	c.Rule("Each limit may be the largest number of its type, and an error is answered as with any other.",
		"Add nothing to a limit, and make nothing as large as one: it may overflow.")
	r = s.start(c, largest)
	p = r.dial()
	p.requests(orderFail + " 1")
	p.hears(answer(1, "half an output\nerror: \"the disk is full\"\n"))
	r.stop()

	for _, most := range []int{1, 900, 100_000} { // what is big is cut inside what looks like a character at 900
		r := s.start(c, with(func(l *Limits) { l.MaxOutput = most }))
		r.kept = big(most + 5000)
		kept := bytes.Clone(r.kept)
		p := r.dial()
		for _, n := range []int{most, most + 1, most + 5000, most - 1, 0} {
			c.Variation("Serve is running; MaxOutput is %d, and run returns %d bytes and no error", most, n)
			c.Rule("An output of at most MaxOutput bytes is sent with status 0. Of a longer one MaxOutput bytes are "+
				"sent, and then the line that says so. The output belongs to run.",
				"Cut the output only if it is longer, and copy it before you append to it.")
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
		{
			"a header of MaxHeader + 1 bytes",
			message(`{"total_size":4}`+strings.Repeat(" ", generous.MaxHeader-15), "date"),
		},
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
		{"a tab as its command", request("\t")},
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
	c.Variation("Serve is running; a client sends noise, is refused, and resets its connection")
	p := r.dial()
	p.sends(fault.Whole, "\xff\xff\xff\xff")
	p.isTold(r.await, p.name+" has sent noise")
	p.Reset()
	p.isClosed(r.await, p.name+" was refused, and has reset its connection")

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
		c.Variation(
			"Serve is running; a client sends a request with total_size -1, %s, and many others",
			cut.Name,
		)
		r := s.start(c, generous)
		p := r.dial()
		p.sends(cut, message(`{"status":0,"total_size":-1}`, ""))
		p.isTold(r.await, p.name+" has sent a request with total_size -1")
		p.sends(fault.Whole, strings.Repeat(request("date"), 1800))
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
