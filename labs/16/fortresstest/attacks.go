package fortresstest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

// announced lets clients announce more than they send.
func (s suite) announced(c *check.C) {
	header := func(size uint32) string { return string(binary.LittleEndian.AppendUint32(nil, size)) + "{" }
	payload := func(size int64) string { return message(fmt.Sprintf(`{"total_size":%d}`, size), "x") }
	allowed := slices.Repeat([]string{header(16 << 20), payload(16 << 20)}, 5)
	for _, v := range []struct {
		limits Limits
		what   string
		datas  []string
	}{
		{generous, "more than is allowed", []string{
			header(math.MaxInt32), header(256 << 20), payload(math.MaxInt32), payload(1 << 40),
		}},
		{largest, "much, and all of it is allowed", allowed},
		{
			with(func(l *Limits) { l.MaxHeader, l.MaxCommand = 16<<20, 16<<20 }),
			"as much as is allowed",
			allowed,
		},
	} {
		c.Variation("Serve is running; clients announce %s, and send a byte of it", v.what)
		before := c.InUse()
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
		most := max(much, uint64(len(all)+2)<<20) // 1 MiB for each client, and one more
		if allocated > most {
			c.Fail("a few bytes have come, and Serve has allocated more than %d MiB", most>>20)
		}
		if c.InUse()-before > int64(most) {
			c.Fail("clients have connected, a few bytes have come, and Serve keeps more than %d MiB", most>>20)
		}
		r.newcomer()
		r.stop()
	}

	c.Variation(
		"Serve is running; a client announces 2147483647 bytes, is refused, and sends %d MiB of them",
		2*much>>20,
	)
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
	for tries := 1; c.InUse()-before > much; tries++ {
		if tries == 3 {
			c.Fail(
				"what a refused client sends is to be thrown away, and Serve keeps more than %d MiB of it",
				much>>20,
			)
		}
		// on a busy machine Serve still reads, and what it throws away meanwhile counts, too
		swallowed(attacker, []string{header(math.MaxInt32)}, 2*much)
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
	var sent atomic.Int64 // a queue of all of them would keep the machine busy
	p.Conn().Before("Read", func() error {
		<-time.After(drop)
		if i := sent.Add(1); i <= int64(len(data)) {
			p.Send([]byte(data[i-1 : i]))
		}
		return nil
	})
	sent.Add(1)
	p.Send([]byte(data[:1]))
}

// parts sends a request of which the length, the header and the payload are complete so much later.
func (p *client) parts(command string, length, header, payload time.Duration) {
	p.s.c.Say("%s begins to send a request: its length is complete after %v, its header after %v, its payload "+
		"after %v", p.name, length, header, payload)
	data := request(command)
	ends := map[int]time.Duration{4: length, len(data) - len(command): header, len(data): payload}
	begin := sync.OnceValue(time.Now) // the server's time has begun when it reads for the first time
	p.Conn().Before("Read", func() error {
		begin()
		if after, ok := ends[p.Conn().Did().Taken+1]; ok {
			<-time.After(time.Until(begin().Add(after)))
		}
		return nil
	})
	p.Send(fault.After(3, 4, len(data)-len(command)-1, len(data)-len(command), len(data)-1).Pieces([]byte(data))...)
}

// honest lets a client come, ask and go. Where limits are short it comes again if it was too slow: the
// machine may be busy.
func (s *server) honest() {
	want := answer(0, "hello\n")
	for tries := 1; ; tries++ {
		p := s.connect()
		p.name = "an honest client"
		p.Send([]byte(request("hello")))
		s.await("the answer to "+p.name, func() bool {
			return len(p.Received()) >= len(want) || p.Over() != nil
		})
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
	const endless = 9000 // bytes: more than can come before the case is over
	limits := with(func(l *Limits) {
		l.Request, l.Answer, l.MaxHeader, l.MaxCommand = limit, short, endless, endless
	})
	slowly := message(fmt.Sprintf(`{"total_size":%d}`, endless), strings.Repeat("x", endless))
	c.Variation(
		"three clients have sent a request, one of them half of the next one, too; Serve is called; Request is "+
			"%v, Answer %v; other clients come, and all are silent or slow",
		limit,
		short,
	)
	r := prepare(c)
	all := []*client{r.dial(), r.dial(), r.dial()}
	for i, p := range all {
		if i < 2 {
			p.requests("hello")
		} else {
			p.sends(fault.Whole, request("hello")+slowly[:30])
		}
		p.times("Write")
		p.watches(short)
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
		func(p *client) { p.drips(message(strings.Repeat(" ", endless), "")) },
		func(p *client) { p.drips(slowly) },
		func(p *client) { p.parts("date", limit/2, limit, limit*3/2) },
		func(p *client) { p.parts("date", limit*4/5, limit*4/5, limit*7/5) },
		func(p *client) { p.parts("date", 0, limit*4/5, limit*7/5) },
		func(p *client) { p.sends(fault.Whole, slowly[:30]) },
	} {
		if i == 3 {
			r.honest()
		}
		p := r.dial()
		p.times("Write")
		p.watches(short)
		do(p)
		all = append(all, p)
	}
	for _, p := range all {
		p.isTold(
			p.notCut(r.within(limit), limit),
			fmt.Sprintf("Request has passed, and no whole request of %s has come", p.name),
		)
		if p.soon(limit) {
			c.Fail("%s was refused before Request had passed", p.name)
		}
	}
	r.honest()
	for _, p := range all {
		p.isClosed(
			r.within(short),
			fmt.Sprintf("%s was refused, goes on as before, and Answer has passed", p.name),
		)
		if p.hasty.Load() {
			c.Rule("What a refused client still sends is thrown away until its stream ends or Answer has passed.",
				"Set a new deadline for reading behind the refusal: that of the request has passed.")
			c.Fail("%s was refused, and its connection was closed before Answer had passed", p.name)
		}
	}
	r.honest()
	r.stop()

	limits.Request = short
	limits.Answer = time.Minute
	c.Variation(
		"two clients have sent a request, one of them another one behind it, and two have sent one to another "+
			"listener; Serve is called for both; Request is %v, and the commands of the first two take longer",
		short,
	)
	r = prepare(c)
	w := r.waits("x")
	defer w.release()
	beside := prepare(c)
	p, q, third, fourth := r.dial(), r.dial(), beside.dial(), beside.dial()
	third.name, fourth.name = "client 3", "client 4"
	p.requests(orderWait + " x")
	p.requests("date")
	q.requests(orderWait + " x")
	third.requests("")
	fourth.requests("hello")
	var goOn []func()
	held := func() bool { return true }
	for _, one := range []*client{third, fourth} {
		before := held
		isHeld, release := one.Conn().Hold("Write")
		held = func() bool { return before() && isHeld() }
		goOn = append(goOn, sync.OnceFunc(release))
		defer goOn[len(goOn)-1]()
	}
	next := sync.OnceFunc(func() {
		q.Send([]byte(request("date")))
		<-time.After(drop) // it is there before the answer has been sent, and in time
	})
	q.Conn().Before("Write", func() error {
		next()
		return nil
	})
	r.serve(s.lab, limits)
	beside.serve(s.lab, limits)
	r.await("run to be called", func() bool { return w.began.Load() == 2 && held() })
	begin := time.Now() // the time of both requests has begun before
	c.Await("the command to take its time", func() bool {
		return r.call.Ended() || time.Since(begin) > short+short/4
	})
	c.Say("the command is done, after %v", short+short/4)
	w.release()
	c.Say("the answers to the other two were held up as long, and behind them their next requests have come")
	third.Send([]byte(request("date")))
	fourth.Send([]byte(request("date")))
	<-time.After(drop)
	for _, release := range goOn {
		release()
	}
	p.hears(answer(0, "went on\n") + answer(0, "date\n"))
	q.hears(answer(0, "went on\n"))
	c.Say("the next request of %s has come while the answer was sent", q.name)
	q.hears(answer(0, "date\n"))
	third.hears(answer(0, nothing) + answer(0, "date\n"))
	fourth.hears(answer(0, "hello\n") + answer(0, "date\n"))
	r.stop()
	beside.stop()
}

func (s suite) context(c *check.C) {
	c.Variation(
		"Serve is running; Run is %v; two clients ask for a command that waits for the end of ctx, one of "+
			"them twice; the other one has ended its stream",
		short,
	)
	r := s.start(c, with(func(l *Limits) { l.Run = short }))
	first, second, once := r.waits("first"), r.waits("second"), r.waits("once")
	defer first.release()
	defer second.release()
	defer once.release()
	once.content = true
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
	q.hears(answer(0, "so far\n"))
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
	last.sends(fault.Whole, request(orderWait+" stays")+request("date"))
	if !r.await("run to be called", func() bool { return gone.began.Load() == 1 && stays.began.Load() == 2 }) {
		c.Fail(
			"three clients have sent a request, and run was called for %d",
			gone.began.Load()+stays.began.Load(),
		)
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

	c.Variation("Serve is running; a client asks for a command that waits for the end of ctx; the next Read " +
		"from it fails")
	failed := r.waits("failed")
	defer failed.release()
	p = r.dial()
	all := len(request(orderWait + " failed"))
	p.Conn().Before("Read", func() error {
		if p.Conn().Did().Taken == all {
			return fault.Failures("read")[3]
		}
		return nil
	})
	p.requests(orderWait + " failed")
	p.isClosed(r.await, "a Read from "+p.name+" has failed")
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
	c.Variation(
		"Serve is running; Answer is %v; four clients do not read: what they have asked for, or that they "+
			"are refused; one is refused and stays",
		short,
	)
	r := s.start(c, with(func(l *Limits) { l.Answer = short }))
	beside := s.start(c, with(func(l *Limits) { l.Request, l.Run = short, short }))
	noisy := beside.dial()
	noisy.name = "the client of another call, with a long Answer,"
	noisy.sends(fault.Whole, "\xff\xff\xff\xff")
	noisy.isTold(beside.await, noisy.name+" has sent noise")
	other := r.newcomer()
	w := r.waits("x")
	defer w.release()
	patient := r.dial()
	patient.requests(orderWait + " x")
	p, q, failing, bad := r.newcomer(), r.dial(), r.dial(), r.dial()
	var awake check.Stopwatch // the deadline for p's first answer is to be an old one
	c.Await("a moment to pass", func() bool { return awake.Read() > 3*early })
	for _, one := range []*client{p, q, failing, bad} {
		defer one.stopsReading()()
	}
	p.requests("hello")
	failing.requests(orderFail + " 0")
	q.sends(fault.Whole, request("")+request("hello"))
	for _, one := range []*client{p, q, failing, bad} {
		one.times("Close")
	}
	bad.sends(fault.Whole, "\xff\xff\xff\xff")
	stays := r.dial()
	stays.times("Close")
	stays.sends(fault.Whole, "\xff\xff\xff\xff")
	other.asks("still here")
	r.newcomer()
	for _, one := range []*client{p, q, failing, bad} {
		one.isClosed(
			r.within(short),
			fmt.Sprintf("Answer has passed, and %s has not taken its answer", one.name),
		)
		if one.soon(short) {
			c.Fail("the connection of %s was closed before Answer had passed", one.name)
		}
	}
	c.Rule("What a refused client still sends is thrown away until its stream ends or Answer has passed.",
		"Answer is the limit for that, too: set the deadline for reading once, behind the refusal.")
	stays.isTold(r.await, stays.name+" has sent noise")
	stays.isClosed(
		r.within(short),
		fmt.Sprintf("Answer has passed, and %s was refused and has stayed", stays.name),
	)
	stays.isTold(r.await, stays.name+" has sent noise")
	if stays.soon(short) {
		c.Fail("the connection of %s was closed before Answer had passed", stays.name)
	}
	if noisy.closed() {
		c.Fail("the connection of %s was closed before Answer had passed", noisy.name)
	}
	beside.stop()
	c.Rule("limits.Answer is the time for an answer, from when it is written: a client may be connected "+
		"for longer, and a command may take longer.",
		"Set the deadline for Writes right before each answer.")
	w.release()
	patient.hears(answer(0, "went on\n"))
	c.Rule("", "") // that of the case again
	if n := r.calls.Load(); n > 7 {
		c.Fail("run was called for a client that has not taken the answer before")
	}
	other.asks("still here")
	r.newcomer()
	r.stop()

	c.Variation("Serve is running; the first Write of an answer takes %v", 2*early)
	c.Rule("limits.Answer is the time for all of an answer, however many Writes it takes.",
		"Set the deadline once, before the first Write of the answer.")
	r = prepare(c)
	slow := &slowly{Listener: r.ln}
	r.ln = slow
	r.kept = big(generous.MaxOutput)
	r.serve(s.lab, with(func(l *Limits) { l.Request, l.Run = generous.Answer/2, generous.Answer/2 }))
	p = r.dial()
	p.requests(fmt.Sprint(orderBig, " ", len(r.kept)))
	want := answer(0, string(r.kept))
	r.await("the answer to "+p.name, func() bool { return len(p.Received()) >= len(want) || p.Over() != nil })
	if slow.shortened.Load() && len(p.Received()) < len(want) {
		c.Fail("for an answer, Serve has set a deadline long before Answer (%v) has passed, and given up at it",
			generous.Answer)
	}
	p.hears(want)
	if slow.renewed.Load() {
		c.Fail("for a later Write of the same answer, Serve has set a deadline that is further ahead")
	}
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

// slowly is a listener for one client, to which the first Write takes a while. It looks whether the
// deadline is another one at a later Write.
type slowly struct {
	net.Listener
	renewed   atomic.Bool // the deadline of a later Write was behind the limit
	shortened atomic.Bool // that of the first one was much too early, and has passed
}

func (s *slowly) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &slowConn{Conn: conn, from: s}, nil
}

type slowConn struct {
	net.Conn
	from *slowly

	mu    sync.Mutex
	at    time.Time     // the deadline for Writes
	ahead time.Duration // of the time when it was set
	began time.Time     // the first Write
}

// Write lets a deadline of the first Write pass that is much too early, however far ahead it is. Who looks
// again and again, with short deadlines, writes again.
func (s *slowConn) Write(p []byte) (int, error) {
	s.mu.Lock()
	first := s.began.IsZero()
	if first {
		s.began = time.Now()
	}
	passes := first && !s.at.IsZero() && s.ahead < generous.Answer*3/4
	if s.at.After(s.began.Add(generous.Answer + early)) {
		s.from.renewed.Store(true)
	}
	s.mu.Unlock()
	if first {
		<-time.After(2 * early)
	}
	if passes {
		s.from.shortened.Store(true)
		return 0, os.ErrDeadlineExceeded
	}
	return s.Conn.Write(p)
}

func (s *slowConn) ends(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.ahead = t, time.Until(t)
}

func (s *slowConn) SetDeadline(t time.Time) error {
	s.ends(t)
	return s.Conn.SetDeadline(t)
}

func (s *slowConn) SetWriteDeadline(t time.Time) error {
	s.ends(t)
	return s.Conn.SetWriteDeadline(t)
}

// tooMany connects a client for which there is no place.
func (s *server) tooMany() {
	p := s.dial()
	because := "MaxClients clients are connected, and " + p.name + " is one more"
	p.isTold(s.await, because)
	p.isClosed(s.await, because)
}

// makesRoom waits until the place of a client that was closed is free: who looks again and again, whether
// something has ended, may need a moment for it.
func (s *server) makesRoom() {
	awake := clock(5 * time.Millisecond)
	s.c.Await("a place to become free", func() bool { return s.call.Ended() || awake() > 2*early })
	s.rests()
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
	// it has its place before others come
	r.await("run to be called", func() bool { return w.began.Load() == 1 })
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
		c.Variation(
			"Serve is running; MaxClients is %d, and that many are connected; one of them %s",
			most,
			way.what,
		)
		p := all[0]
		way.do(p)
		p.isClosed(r.await, p.name+" has left")
		r.makesRoom()
		all = append(all[1:1:1], append([]*client{r.newcomer()}, all[1:]...)...)
		r.tooMany()
		r.rests()
	}
	c.Variation(
		"Serve is running; MaxClients is %d, and that many are connected; one of them sends noise, is "+
			"refused, and stays",
		most,
	)
	stays := all[0]
	stays.sends(fault.Whole, "\xff\xff\xff\xff")
	stays.isTold(r.await, stays.name+" has sent noise")
	r.rests()
	r.tooMany()
	stays.goes(stays.name + " has sent noise")
	r.makesRoom()
	r.newcomer()
	w.release()
	r.stop()

	c.Variation(
		"Serve was called twice; MaxClients is 1, and %d; to the first one %d clients come one after another",
		generous.MaxClients, more)
	r = s.start(c, with(func(l *Limits) { l.MaxClients = 1 }))
	other := s.start(c, generous)
	for range more {
		p := r.newcomer()
		r.tooMany()
		p.leaves()
		r.makesRoom()
	}
	r.stop()
	other.stop()

	c.Variation(
		"Serve is running; MaxClients is the largest int; %d clients connect, and the last one asks first",
		crowd,
	)
	r = s.start(c, largest)
	all = nil
	for range crowd {
		all = append(all, r.dial())
	}
	for i := range all {
		all[len(all)-1-i].asks("hello")
	}
	r.stop()

	c.Variation(
		"Serve is running; MaxClients is %d; %d clients connect and reset their connections",
		most,
		more,
	)
	r = s.start(c, with(func(l *Limits) { l.MaxClients = most }))
	for range more {
		r.dial().Reset()
	}
	for _, p := range r.clients {
		p.isClosed(r.await, p.name+" has reset its connection")
	}
	r.makesRoom()
	r.newcomer()
	r.stop()

	c.Variation("two clients connect, and Serve is called; MaxClients is 1; each Write to them fails")
	r = prepare(c)
	one, another := r.dial(), r.dial() // which of them is one too many is the server's choice
	one.Conn().Break(10, fault.Failures("write")[0])
	another.Conn().Break(10, fault.Failures("write")[0])
	r.serve(s.lab, with(func(l *Limits) { l.MaxClients = 1 }))
	if !r.await("the end of a connection", func() bool { return one.closed() || another.closed() }) {
		c.Fail("MaxClients clients are connected, one more has come, and the Write to it has failed; the " +
			"server has not called Close on its connection")
	}
	r.stop()
}
