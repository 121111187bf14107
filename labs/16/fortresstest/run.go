package fortresstest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

const (
	short  = 300 * time.Millisecond // a limit that the suite lets pass
	late   = 700 * time.Millisecond // by so much it may be late on a machine that is busy
	early  = 20 * time.Millisecond  // by so much clocks may differ
	enough = 10 * time.Second       // for several answers

	behind = "behind the output, and not yours"
)

// generous are limits that nobody meets by accident.
var generous = Limits{
	MaxClients: 200, MaxHeader: 1024, MaxCommand: 1500, MaxOutput: 64 << 10,
	Request: time.Minute, Run: time.Minute, Answer: time.Minute,
}

// with returns generous limits, but for what f sets.
func with(f func(l *Limits)) Limits {
	l := generous
	f(&l)
	return l
}

// The commands that the suite's run knows; of every other one it returns the words, each in a line.
const (
	orderFail  = "fail"  // and the number of one of failures
	orderPanic = "panic" // and the number of one of panics
	orderBig   = "big"   // and how many bytes
	orderWait  = "wait"  // and a name: until the suite lets it go on, or ctx ends
)

var errStopped = errors.New("stopped")

// server is one call of Serve, and what has happened so far.
type server struct {
	c       *check.C
	ln      net.Listener
	dialler *fault.Listener
	call    *check.Call
	err     error // what Serve returned
	clients []*client

	calls    atomic.Int32 // of run
	mu       sync.Mutex
	waiting  map[string]*wait
	patience time.Duration // of await, while nothing moves: less than short, if a limit is as short
	kept     []byte        // what orderBig returns a part of
	outputs  [][]byte      // those of failures, with behind in the room behind them
}

// wait is a command that waits.
type wait struct {
	release func()
	onward  chan struct{}
	began   atomic.Int32 // calls
	stopped atomic.Int32 // calls whose ctx has ended
	at      atomic.Int64 // when the last of them has, as of time.Since(epoch)
	deaf    bool         // it waits for onward when its ctx has ended, too
	content bool         // it returns no error when its ctx has ended
}

// epoch is when the clocks of the suite begin.
var epoch = time.Now()

// prepare makes a listener. Clients may connect to it before serve is called.
func prepare(c *check.C) *server {
	ln := c.Listen()
	s := &server{c: c, ln: ln, dialler: ln, waiting: map[string]*wait{}, patience: 200 * time.Millisecond}
	for _, f := range failures {
		s.outputs = append(s.outputs, slices.Clip([]byte(string(f.output) + behind))[:len(f.output)])
	}
	return s
}

func (s *server) serve(lab Lab, limits Limits) *server {
	if min(limits.Request, limits.Run, limits.Answer) > short {
		s.patience = 700 * time.Millisecond // no limit passes meanwhile
	}
	s.call = s.c.Start("Serve(ln, limits, run)", func() { s.err = lab.Serve(s.ln, limits, s.run) })
	return s
}

// start is prepare and serve.
func (s suite) start(c *check.C, limits Limits) *server { return prepare(c).serve(s.lab, limits) }

// waits prepares for a client that asks for a command that waits.
func (s *server) waits(name string) *wait {
	w := &wait{onward: make(chan struct{})}
	w.release = sync.OnceFunc(func() { close(w.onward) })
	s.c.Cleanup(w.release)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[name] = w
	return w
}

// run is what Serve calls.
func (s *server) run(ctx context.Context, command []string) ([]byte, error) {
	s.calls.Add(1)
	number := 0
	if len(command) == 2 {
		number, _ = strconv.Atoi(command[1])
	}
	switch {
	case len(command) != 2:
	case command[0] == orderFail:
		return s.outputs[number], failures[number].err
	case command[0] == orderPanic:
		panics[number]()
	case command[0] == orderBig:
		return s.kept[:number], nil
	case command[0] == orderWait:
		s.mu.Lock()
		w := s.waiting[command[1]]
		s.mu.Unlock()
		return w.wait(ctx)
	}
	return []byte(output(command)), nil
}

func (w *wait) wait(ctx context.Context) ([]byte, error) {
	w.began.Add(1)
	select {
	case <-w.onward:
		return []byte("went on\n"), nil
	case <-ctx.Done():
	}
	w.at.Store(int64(time.Since(epoch)))
	w.stopped.Add(1)
	if w.deaf {
		<-w.onward
	}
	if w.content {
		return []byte("so far\n"), nil
	}
	return nil, errStopped
}

func output(words []string) string { return strings.Join(words, "\n") + "\n" }

// message is a message as it is on the wire.
func message(header, payload string) string {
	return string(binary.LittleEndian.AppendUint32(nil, uint32(len(header)))) + header + payload
}

// request is that of an honest client.
func request(command string) string {
	return message(fmt.Sprintf(`{"status":0,"total_size":%d}`, len(command)), command)
}

// answer is what the server has to send.
func answer(status int, payload string) string {
	return message(fmt.Sprintf(`{"status":%d,"total_size":%d}`, status, len(payload)), payload)
}

// client is a client of the suite's.
type client struct {
	*fault.Peer
	s     *server
	name  string
	heard int           // bytes that were looked at
	since time.Duration // epoch: when it has connected, or sent its last request
	acted atomic.Int64  // since epoch: the last Write or Close of the server
	shut  atomic.Int64  // since epoch: Close, of a client that is watched
	hasty atomic.Bool   // the server has closed it too soon after its last Write
}

// dial connects a client.
func (s *server) dial() *client {
	p := s.connect()
	s.clients = append(s.clients, p)
	p.name = fmt.Sprintf("client %d", len(s.clients))
	s.c.Step("%s connected", p.name)
	return p
}

func (s *server) connect() *client {
	since := time.Since(epoch)
	peer, err := s.dialler.Dial()
	if err != nil && s.call != nil && s.call.Ended() {
		s.c.Fail("Serve has returned (%s), and Accept has not failed", check.Err(s.err))
	} else if err != nil {
		s.c.NotGraded("no connection on 127.0.0.1 could be made: %v", err)
	}
	return &client{Peer: peer, s: s, since: since}
}

// sends sends bytes, in pieces.
func (p *client) sends(cut fault.Cut, data string) {
	p.s.c.Say("%s has sent %s", p.name, quoted(data))
	p.Send(cut.Pieces([]byte(data))...)
}

func (p *client) requests(command string) {
	p.since = time.Since(epoch)
	p.s.c.Say("%s has sent the request %s", p.name, quoted(command))
	p.Send([]byte(request(command)))
}

// asks sends a request and waits for its answer.
func (p *client) asks(command string) {
	p.requests(command)
	p.hears(answer(0, output(strings.Fields(command))))
}

// newcomer is a client that has been answered once.
func (s *server) newcomer() *client {
	p := s.dial()
	p.asks("hello again")
	return p
}

// hears waits for bytes, which must come next.
func (p *client) hears(want string) {
	p.gets(want)
	p.s.c.Step("%s got the answer %s", p.name, quoted(want))
}

// gets is hears, and says nothing when they come.
func (p *client) gets(want string) {
	s := p.s
	got := func() []byte { return p.Received()[p.heard:] }
	moved := func() int { return p.Conn().Did().Taken + len(p.Received()) }
	begin := time.Now()
	// each Read and each answer may take a while
	for before := -1; before < moved() && time.Since(begin) < enough; {
		before = moved()
		s.await("the answer to "+p.name, func() bool {
			return moved() > before || len(got()) >= len(want) || p.Over() != nil
		})
	}
	text := string(got())
	if len(text) >= len(want) {
		text = text[:len(want)]
	}
	if why, whole, _ := refusal(got()); whole && !strings.HasPrefix(want, text) {
		s.c.Fail("%s was refused: %s", p.name, quoted(why))
	}
	if len(text) < len(want) && strings.HasPrefix(want, text) {
		switch {
		case s.call.Ended():
			s.c.Fail("Serve has returned (%s), and %s waits for its answer", check.Err(s.err), p.name)
		case p.Over() != nil:
			s.c.Fail("the connection of %s has ended (%v) after %d of %d bytes of the answer",
				p.name, p.Over(), len(text), len(want))
		}
		s.c.Fail("%s waits for its answer, has got %d of %d bytes of it, and nothing happens",
			p.name, len(text), len(want))
	}
	s.c.WantText("what "+p.name+" got", text, want)
	p.heard += len(want)
}

// refusal looks for a refusal at the beginning of what a client has got. problem says what is wrong with it.
func refusal(b []byte) (why string, whole bool, problem string) {
	if len(b) < 4 {
		return "", false, "it is not whole"
	}
	size := binary.LittleEndian.Uint32(b)
	b = b[4:]
	if size > 100 || len(b) < int(size) {
		return "", false, "it is not whole"
	}
	header, rest := string(b[:size]), b[size:]
	n := -1
	fmt.Sscanf(header, `{"status":-1,"total_size":%d}`, &n)
	switch {
	case n < 0 || header != fmt.Sprintf(`{"status":-1,"total_size":%d}`, n):
		return "", false, "its header is " + quoted(header)
	case len(rest) < n:
		return "", false, "it is not whole"
	}
	why = string(rest[:n])
	line, ended := strings.CutSuffix(why, "\n")
	isControl := func(r rune) bool { return !unicode.IsPrint(r) }
	switch {
	case !strings.HasPrefix(why, "refused: "):
		problem = `it does not begin with "refused: "`
	case !ended:
		problem = `it does not end with "\n"`
	case !utf8.ValidString(line) || strings.ContainsFunc(line, isControl):
		problem = "it has characters that cannot be printed"
	case len(rest) > n:
		problem = "more was sent behind it: " + quoted(string(rest[n:]))
	}
	return why, true, problem
}

// isTold waits until a client has been refused.
func (p *client) isTold(waits func(what string, cond func() bool) bool, because string) {
	s := p.s
	got := func() []byte { return p.Received()[p.heard:] }
	waits("what "+p.name+" is told", func() bool {
		_, whole, _ := refusal(got())
		return whole || p.Over() != nil
	})
	why, whole, problem := refusal(got())
	switch {
	case whole && problem == "":
		s.c.Step("%s got the refusal %s", p.name, quoted(why))
		return
	case whole:
		s.c.Fail("%s, and what it was told is %s: %s", because, quoted(why), problem)
	case len(got()) > 0:
		s.c.Fail("%s, and what it got is %s, not a refusal: %s", because, quoted(string(got())), problem)
	case p.Over() != nil:
		s.c.Fail("%s, and it was not told so before its connection ended", because)
	}
	s.c.Fail("%s, and it is not told so", because)
}

// notCut waits as waits does. If a client that is slow has got nothing, it says why: a limit is for something
// else.
func (p *client) notCut(
	waits func(what string, cond func() bool) bool, limit time.Duration,
) func(what string, cond func() bool) bool {
	c := p.s.c
	return func(what string, cond func() bool) bool {
		ok := waits(what, cond)
		if len(p.Received()) > p.heard || p.Over() == nil {
			return ok
		}
		if time.Duration(p.shut.Load())-p.since < limit-early {
			c.Rule("Request is the time for a request to come, and Answer the time for a client to take an answer. "+
				"Neither limits the other, and who is too slow is told so.",
				"SetWriteDeadline before a Write: SetDeadline would go on for the next Read.")
			c.Fail("%s was told nothing, and its connection was closed before Request had passed", p.name)
		}
		c.Rule("A client whose request does not come in time is told so, and has Answer to take that.",
			"Send the refusal before Close, with a deadline of its own: that of the last answer may have passed.")
		return ok
	}
}

// isClosed waits until the server has called Close on a connection.
func (p *client) isClosed(waits func(what string, cond func() bool) bool, because string) {
	if !waits("the end of the connection of "+p.name, p.closed) {
		p.s.c.Fail("%s, and the server has not called Close on its connection", because)
	}
	p.s.c.Step("the connection of %s is closed", p.name)
}

func (p *client) closed() bool { return p.Conn().Did().Closed == "Close" }

// leaves ends the stream of a client, of which all requests are answered.
func (p *client) leaves() {
	p.s.c.Say("%s has ended its stream", p.name)
	p.CloseWrite()
	p.isClosed(p.s.await, p.name+" has ended its stream")
	if more := p.Received()[p.heard:]; len(more) > 0 {
		p.s.c.Fail("%s got %s, and has not asked for it", p.name, quoted(string(more)))
	}
}

// await waits for cond. It gives up, and returns false, when Serve has returned, or when nothing moves
// any more.
func (s *server) await(what string, cond func() bool) bool {
	awake := clock(50 * time.Millisecond) // as the engine counts, which gives up later
	s.c.Await(what, func() bool {
		return cond() || s.call.Ended() ||
			awake() > s.patience && s.c.Resting() && s.c.Resting()
	})
	if s.call.Ended() {
		s.c.Settle()
	}
	return cond()
}

// within waits for cond, which is due when a limit has passed, and returns false when it is late.
func (s *server) within(limit time.Duration) func(what string, cond func() bool) bool {
	return func(what string, cond func() bool) bool {
		awake := clock(50 * time.Millisecond)
		s.c.Await(what, func() bool { return cond() || s.call.Ended() || awake() > limit+late })
		return cond()
	}
}

// times notes when the server writes to a client, or closes it.
func (p *client) times(method string) {
	p.Conn().Before(method, func() error {
		p.acted.Store(int64(time.Since(epoch)))
		return nil
	})
}

// watches notes whether the server closes a client long before a limit has passed since its last Write.
func (p *client) watches(limit time.Duration) {
	p.Conn().Before("Close", func() error {
		p.shut.CompareAndSwap(0, int64(time.Since(epoch)))
		if time.Since(epoch)-time.Duration(p.acted.Load()) < limit/2 {
			p.hasty.Store(true)
		}
		return nil
	})
}

// soon reports whether the server has written or closed before a limit had passed.
func (p *client) soon(limit time.Duration) bool {
	return time.Duration(p.acted.Load())-p.since < limit-early
}

// clock returns a function that tells how long the suite itself has been awake since its first call:
// code that looks around from time to time needs the processor, too. most is what counts of one sleep.
func clock(most time.Duration) func() time.Duration {
	var total time.Duration
	last := time.Now()
	return func() time.Duration {
		now := time.Now()
		total += min(now.Sub(last), most)
		last = now
		return total
	}
}

// rests waits until Serve has done all that it does for now. Code that looks around from time to time, with
// deadlines, never rests.
func (s *server) rests() {
	awake := clock(25 * time.Millisecond)
	s.c.Await("Serve to wait for clients", func() bool {
		return s.call.Ended() || s.c.Resting() || awake() > 200*time.Millisecond
	})
}

// stop ends Serve at the end of a variation that is not about how it ends.
func (s *server) stop() {
	for _, w := range s.waiting {
		w.release()
	}
	s.dialler.Close()
	for _, p := range s.clients {
		p.CloseWrite()
	}
	awake := clock(25 * time.Millisecond)
	s.c.Await("Serve to end", func() bool {
		return s.call.Ended() || awake() > 2*early && s.c.Resting() || awake() > time.Second
	})
}

// quoted is text in quotes, shortened.
func quoted(text string) string {
	const most = 90
	if text == "" {
		return "nothing"
	}
	if len(text) <= most {
		return strconv.Quote(text)
	}
	return fmt.Sprintf("%s … (%d bytes)", strconv.Quote(text[:most/2]), len(text))
}
