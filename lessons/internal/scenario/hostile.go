package scenario

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// Attacked is what came of an attack on one server.
type Attacked struct {
	Server string // its name
	Answer string // what an honest client was answered meanwhile; "" if nothing
	Met    error  // what it met instead

	In   int      // attackers for which the server still has a connection
	Told []string // what the server told the others, each sentence once
	Log  string   // the line of its log that matters
	Ran  bool     // its shell ran what came from the attacker

	Memory      int64 // bytes by which it has grown; addresses, not all in use
	Descriptors int   // by which it has grown; 0 where the system does not tell
	Over        bool  // its process has ended
}

// attack is an attack on one server, while it goes on.
type attack struct {
	Attacked
	*Siege
	rec       *timeline.Recorder
	ask       func(conn net.Conn, text string) (answer string, err error)
	before    Figures
	attackers []*attacker
	shown     int // how many of them are in the picture
}

// attacker is a connection to the server. What goes through Conn is in the picture, unless the attacker is
// one of many.
type attacker struct {
	net.Conn
	raw net.Conn // the same without the picture
}

// attackEach attacks the servers, one after the other.
func attackEach(servers []Besieged, play func(a *attack) error) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		for _, b := range servers {
			attacked, err := b.attacked(rec, play)
			if err != nil {
				return o, fmt.Errorf("%s: %w", b.Name, err)
			}
			o.Attacked = append(o.Attacked, attacked)
		}
		return o, nil
	}
}

func (b Besieged) attacked(rec *timeline.Recorder, play func(a *attack) error) (Attacked, error) {
	if b.Descriptors+b.Queue > 0 && runtime.GOOS != "linux" {
		return Attacked{}, fmt.Errorf("the limits of this scene are Linux's: %w", errors.ErrUnsupported)
	}
	siege, err := b.Begin()
	if err != nil {
		return Attacked{}, err
	}
	defer siege.End()
	a := &attack{Siege: siege, rec: rec, ask: b.Ask, shown: 1}
	a.Server = b.Name
	defer a.leave()
	if a.before, err = a.Figures(); err != nil {
		return Attacked{}, err
	}
	rec.State(0, "the server is %s", b.Name)
	err = play(a)
	return a.Attacked, err
}

// leave ends what is left of the attack.
func (a *attack) leave() {
	for _, conn := range a.attackers {
		conn.raw.Close()
	}
}

// measure asks for the figures, if the process is still there.
func (a *attack) measure() {
	now, err := a.Figures()
	if err != nil {
		<-a.ended
		a.Over = true
		return
	}
	a.Memory = now.Memory - a.before.Memory
	a.Descriptors = max(0, now.Descriptors-a.before.Descriptors)
}

// outcome returns what, or, if the server's process has ended, that it has: then the line of its
// log in which text is says why.
func (a *attack) outcome(what, text string) (string, error) {
	if !a.Over {
		return what, nil
	}
	line, err := a.logged(text)
	if err != nil {
		return "", err
	}
	a.Log = line
	a.rec.Note("server", nil, "log: %s", line)
	return "its process has ended", nil
}

// settle measures when the server has closed its connections but for those of attackers that are in.
func (a *attack) settle() error {
	err := pollFor(loopback.Patience, "the server to close its connections", func() bool {
		a.measure()
		return a.Over || a.Descriptors <= a.In
	})
	if err != nil {
		return fmt.Errorf("%w: %d are open, for %d attackers", err, a.Descriptors, a.In)
	}
	return nil
}

// dial lets an attacker come, from an address of this machine or "".
func (a *attack) dial(from string) (*attacker, error) { return a.dialWithin(loopback.Patience, from) }

func (a *attack) dialWithin(limit time.Duration, from string) (*attacker, error) {
	dialer := net.Dialer{Timeout: limit}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	who := new(attacker)
	connect := func(addr string) (conn net.Conn, err error) {
		conn, err = dialer.Dial("tcp", addr)
		who.raw = conn
		return conn, err
	}
	var err error
	if len(a.attackers) < a.shown {
		who.Conn, err = a.rec.Dial("attacker", a.Addr, connect)
	} else {
		who.Conn, err = connect(a.Addr)
	}
	if errors.Is(err, syscall.EADDRNOTAVAIL) && from != "" {
		return nil, fmt.Errorf("this machine does not have the address %s: %w", from, errors.ErrUnsupported)
	}
	if err != nil {
		return nil, err
	}
	a.attackers = append(a.attackers, who)
	return who, who.SetDeadline(time.Now().Add(loopback.Patience))
}

// send lets an attacker come and send something.
func (a *attack) send(text string) (*attacker, error) {
	who, err := a.dial("")
	if err == nil {
		_, err = io.WriteString(who, text)
	}
	return who, err
}

// fates reads what the server tells the attackers, until it closes their connections or watch has passed.
// In and Told are what comes of it.
func (a *attack) fates(watch time.Duration) {
	deadline := time.Now().Add(watch)
	for _, who := range a.attackers {
		a.await(who, time.Until(deadline))
	}
}

// await does it for one attacker.
func (a *attack) await(who *attacker, watch time.Duration) {
	who.SetReadDeadline(time.Now().Add(watch))
	told, err := io.ReadAll(who)
	if isTimeout(err) {
		a.In++
		return
	}
	who.Close()
	if text := payloadOf(told); text != "" && !slices.Contains(a.Told, text) {
		a.Told = append(a.Told, text)
	}
}

// payloadOf is what follows the header of a message, or all of it.
func payloadOf(message []byte) string {
	if len(message) > 4 {
		if end := 4 + int64(binary.LittleEndian.Uint32(message)); end < int64(len(message)) {
			message = message[end:]
		}
	}
	return strings.TrimSuffix(string(message), "\n")
}

// honest lets an honest client connect and ask. It has the time watch for each.
func (a *attack) honest(watch time.Duration) {
	conn, err := a.rec.Dial("client", a.Addr, func(addr string) (net.Conn, error) {
		return net.DialTimeout("tcp", addr, watch)
	})
	if err != nil {
		a.Met = err
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(watch))
	a.Answer, a.Met = a.ask(conn, "hello")
	a.Answer = strings.TrimSpace(a.Answer)
}

// verdict says what came of the attack, and how the honest client fared.
func (a *attack) verdict(format string, args ...any) {
	client := fmt.Sprintf("was answered %q", a.Answer)
	switch {
	case a.Met == nil:
	case isTimeout(a.Met):
		client = "waited in vain"
	default:
		client = "met " + reason(a.Met)
	}
	a.rec.Verdict("%s: %s; an honest client %s", a.Server, fmt.Sprintf(format, args...), client)
}

func isTimeout(err error) bool {
	var late net.Error
	return errors.As(err, &late) && late.Timeout()
}

// still says how many attackers are connected, and what the others were told.
func (a *attack) still() string {
	n := len(a.attackers)
	if a.In == n {
		return fmt.Sprintf("all %d attackers are still connected", n)
	}
	return fmt.Sprintf("%d of %d attackers are still connected, and the others were %s", a.In, n, a.told())
}

func (a *attack) told() string {
	if len(a.Told) == 0 {
		return "told nothing"
	}
	var quoted []string
	for _, text := range a.Told {
		quoted = append(quoted, fmt.Sprintf("%q", text))
	}
	return "told " + strings.Join(quoted, " and ")
}

// manyAttackers are enough to show that something grows with their number.
const manyAttackers = 20

// dialMany lets attackers come.
func (a *attack) dialMany(n int, from func(i int) string) error {
	for i := range n {
		if _, err := a.dial(from(i)); err != nil {
			return err
		}
	}
	a.rec.State(n, "and %d others", n-1)
	return nil
}

func fromAnywhere(int) string { return "" }

// SlowDrips lets attackers send a request a byte at a time. In are those that are still connected
// after watch.
func SlowDrips(watch time.Duration, servers ...Besieged) Play {
	return attackEach(servers, func(a *attack) error {
		if err := a.dialMany(manyAttackers, fromAnywhere); err != nil {
			return err
		}
		for _, who := range a.attackers {
			if _, err := io.WriteString(who, headerOf(`{"status":0,"total_size":1000}`)); err != nil {
				return err
			}
		}
		a.rec.State(0, "each of them sends a byte every 10 ms")
		stop := make(chan struct{})
		dripped := inBackground(func() error { return dripAll(stop, a.attackers) })
		a.honest(loopback.Patience)
		a.fates(watch)
		close(stop)
		if err := errors.Join(<-dripped, a.settle()); err != nil {
			return err
		}
		a.verdict("%s", a.still())
		return nil
	})
}

// headerOf is a header behind its length.
func headerOf(json string) string {
	return string(binary.LittleEndian.AppendUint32(nil, uint32(len(json)))) + json
}

// Request is a command in the protocol of lessons 15 and 16.
func Request(command string) string {
	return headerOf(fmt.Sprintf(`{"status":0,"total_size":%d}`, len(command))) + command
}

// dripAll sends a byte on each connection every 10 ms.
func dripAll(stop <-chan struct{}, attackers []*attacker) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return nil
		case <-tick.C:
		}
		for _, who := range attackers {
			who.raw.Write([]byte("x")) // fails when the server has closed
		}
	}
}

// HalfOpen lets attackers connect and say nothing, as if they had vanished. In are those that are still
// connected after watch. The honest client waits for as long as patience.
func HalfOpen(watch, patience time.Duration, servers ...Besieged) Play {
	return attackEach(servers, func(a *attack) error {
		if err := a.dialMany(manyAttackers, fromAnywhere); err != nil {
			return err
		}
		a.honest(patience)
		a.fates(watch)
		if err := a.settle(); err != nil {
			return err
		}
		a.verdict("%s", a.still())
		return nil
	})
}

// twoGiB is what an int32 can announce at most.
const twoGiB = 1<<31 - 1

// announcement is the header of a request of 2 GiB.
var announcement = headerOf(fmt.Sprintf(`{"status":0,"total_size":%d}`, twoGiB))

// Announced2GiB lets an attacker announce a request of 2 GiB, and send nothing of it.
func Announced2GiB(watch time.Duration, servers ...Besieged) Play {
	return attackEach(servers, func(a *attack) error {
		if _, err := a.send(announcement); err != nil {
			return err
		}
		a.fates(watch)
		a.honest(loopback.Patience)
		if err := a.settle(); err != nil {
			return err
		}
		a.verdict("after %d bytes it took %s of memory; the attacker was %s",
			len(announcement), amount(a.Memory), a.told())
		return nil
	})
}

// endlessBytes are what EndlessHeader sends of a header that does not end.
const endlessBytes = 64 << 20

// amount says how much memory something took, as far as that is the same each time.
func amount(bytes int64) string {
	switch {
	case bytes >= twoGiB:
		return "2 GiB"
	case bytes >= endlessBytes:
		return "more than 64 MiB"
	case bytes <= 16<<20:
		return "less than 16 MiB"
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}

// EndlessHeader lets an attacker announce a header of 2 GiB, and send it, up to 64 MiB.
func EndlessHeader(watch time.Duration, servers ...Besieged) Play {
	return attackEach(servers, func(a *attack) error {
		who, err := a.send("\xff\xff\xff\x7f" + `{"status":0,"x":"`)
		if err != nil {
			return err
		}
		a.rec.State(0, "and so on: 64 MiB, if the server takes them")
		sent := inBackground(func() error {
			chunk := []byte(strings.Repeat("x", 64<<10))
			for range endlessBytes / len(chunk) {
				if _, err := who.raw.Write(chunk); err != nil {
					break // the server takes no more
				}
			}
			return nil
		})
		a.fates(watch)
		err = <-sent
		a.honest(loopback.Patience)
		err = errors.Join(err, a.settle())
		a.verdict("it took %s of memory; the attacker was %s", amount(a.Memory), a.told())
		return err
	})
}

// noise is no request: bytes of another protocol, something else than JSON, and a size below zero.
var noise = []string{
	"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x9a\x1f\xd3\x07\x5e",
	headerOf("\x8b\x02}{\x00\xff\xfe'\"x"),
	headerOf(`{"status":0,"total_size":-1}`),
}

// Garbage sends a server what is no request, piece by piece, each on a connection of its own.
func Garbage(servers ...Besieged) Play {
	return attackEach(servers, func(a *attack) error {
		a.shown = len(noise)
		for _, piece := range noise {
			who, err := a.send(piece)
			if err != nil {
				return err
			}
			closeWrite(who.raw)
			a.await(who, loopback.Patience)
		}
		if len(a.Told) == 0 { // a server that ends closes its connections first
			a.Ended()
		}
		if err := a.settle(); err != nil {
			return err
		}
		what, err := a.outcome("the attacker was "+a.told(), "panic: ")
		if err != nil {
			return err
		}
		a.honest(loopback.Patience)
		a.verdict("%s", what)
		return nil
	})
}

// made is the file that attackers let a shell make.
const made = "made-by-an-attacker"

// NoiseForAShell sends noise with a > in it to a server that gives what it reads to a shell. Ran is whether
// there is a file then.
func NoiseForAShell(servers ...Besieged) Play {
	return forAShell(func(string) string { return "q7~%k@2x>" + made }, servers)
}

// BrowserForAShell is Browser for such a server.
func BrowserForAShell(servers ...Besieged) Play { return forAShell(page, servers) }

func forAShell(request func(addr string) string, servers []Besieged) Play {
	return attackEach(servers, func(a *attack) error {
		who, err := a.send(request(a.Addr))
		if err != nil {
			return err
		}
		a.Ran = pollFor(loopback.Patience, "the file", func() bool { return a.made(made) }) == nil
		who.Close()
		a.honest(loopback.Patience)
		if err := a.settle(); err != nil {
			return err
		}
		what := "nothing was run"
		if a.Ran {
			what = fmt.Sprintf("its shell made a file, %s", made)
		}
		a.verdict("%s", what)
		return nil
	})
}

// OneAfterTheOther returns a play of several.
func OneAfterTheOther(plays ...Play) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		for _, play := range plays {
			next, err := play(rec)
			if err != nil {
				return o, err
			}
			o.Attacked = append(o.Attacked, next.Attacked...)
		}
		return o, nil
	}
}

// Flood lets attackers come from one address. In are those that were let in, of n; most are as many as the
// server lets in.
func Flood(n, most int, servers ...Besieged) Play {
	return attackEach(servers, func(a *attack) error {
		if err := a.dialMany(n, func(int) string { return attackersAddress }); err != nil {
			return err
		}
		for _, who := range a.attackers[min(most, n):] { // those that come too late are told so
			a.await(who, loopback.Patience)
		}
		a.In = min(most, n)
		a.honest(loopback.Patience)
		if err := a.settle(); err != nil {
			return err
		}
		a.verdict("%s", a.still())
		return nil
	})
}

// NoDescriptorsLeft lets attackers come, each from an address of its own, more of them than the server may
// have descriptors for. They stay until the server ends their connections.
func NoDescriptorsLeft(n int, servers ...Besieged) Play {
	return attackEach(servers, func(a *attack) error {
		for i := range n {
			_, err := a.dial(fmt.Sprint("127.0.1.", i+1))
			if err != nil && len(a.attackers) > 0 { // the server has ended
				break
			}
			if err != nil {
				return err
			}
		}
		a.rec.State(n, "and others, up to %d", n)
		a.fates(loopback.Patience)
		if len(a.Told) == 0 {
			a.Ended()
		}
		if err := a.settle(); err != nil {
			return err
		}
		what, err := a.outcome("the attackers were "+a.told(), "ended")
		if err != nil {
			return err
		}
		a.honest(loopback.Patience)
		a.verdict("%s", what)
		return nil
	})
}

// FullQueue lets attackers come from one address, until the server takes no more or n have come. places are
// those that the server has for them. The honest client, from another address, waits for as long as watch.
func FullQueue(n, places int, watch time.Duration, servers ...Besieged) Play {
	return attackEach(servers, func(a *attack) error {
		what := ""
		for i := range n {
			limit := loopback.Patience
			if i > places {
				limit = watch
			}
			who, err := a.dialWithin(limit, attackersAddress)
			if isTimeout(err) {
				what = fmt.Sprintf("%d attackers fill its places and its queue", i)
				break
			}
			if err != nil {
				return err
			}
			if i >= places {
				a.await(who, watch)
				continue
			}
			accepted := func() bool {
				a.measure()
				return a.Over || a.Descriptors == i+1
			}
			if err := pollFor(loopback.Patience, "the server to accept", accepted); err != nil {
				return err
			}
			a.In++
		}
		if what == "" {
			what = a.still()
		}
		a.honest(watch)
		if err := a.settle(); err != nil {
			return err
		}
		a.verdict("%s", what)
		return nil
	})
}

// forged is a command that looks, in a log, as if its second line were another client's, and that clears
// the screen of whoever looks.
const forged = "echo \x1b[2J\x1b]0;owned\x07\nclient 192.0.2.1:8080: all is well"

// ControlCharacters sends a command with control characters. Log is what the server wrote about it.
func ControlCharacters(request func(command string) string, servers ...Besieged) Play {
	return attackEach(servers, func(a *attack) error {
		who, err := a.send(request(forged))
		if err != nil {
			return err
		}
		if _, err := who.Read(make([]byte, 1024)); err != nil {
			return err
		}
		who.Close()
		if a.Log, err = a.logged("all is well"); err != nil {
			return err
		}
		for _, line := range a.Lines() {
			a.rec.Note("server", nil, "log: %s", strings.Trim(strconv.Quote(line), `"`))
		}
		a.honest(loopback.Patience)
		if err := a.settle(); err != nil {
			return err
		}
		what := "it wrote one line into its log"
		if strings.HasPrefix(a.Log, "client 192.0.2.1") {
			what = "it wrote a line into its log that a client of another address seems to have caused"
		}
		a.verdict("%s", what)
		return nil
	})
}

// page is what a browser sends for a page of another origin that says
//
//	fetch("http://127.0.0.1:8080/", {method: "POST", mode: "no-cors", body: "…"})
//
// The page chooses the path: it is as long as makes the body begin with byte 1025.
func page(addr string) string {
	body := "echo x >" + made
	head := func(path string) string {
		return "POST /" + path + " HTTP/1.1\r\nHost: " + addr + "\r\nConnection: keep-alive\r\n" +
			fmt.Sprintf("Content-Length: %d\r\n", len(body)) +
			"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) " +
			"Chrome/140.0.0.0 Safari/537.36\r\nContent-Type: text/plain;charset=UTF-8\r\nAccept: */*\r\n" +
			"Origin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n" +
			"Referer: http://evil.example/\r\nAccept-Encoding: gzip, deflate, br\r\n\r\n"
	}
	path := strings.Repeat("x", 1024-len(head("")))
	return head(path) + body
}

// Browser sends what a browser sends for a page of another origin. In is 1 if the server waits for more
// after watch.
func Browser(watch time.Duration, servers ...Besieged) Play {
	return attackEach(servers, func(a *attack) error {
		if _, err := a.send(page(a.Addr)); err != nil {
			return err
		}
		a.fates(watch)
		a.honest(loopback.Patience)
		if err := a.settle(); err != nil {
			return err
		}
		what := "the browser was " + a.told()
		if a.In > 0 {
			what = "it takes the request for the beginning of a long header, and waits for the rest"
		}
		a.verdict("%s", what)
		return nil
	})
}

// Reflected sends a server questions in the name of a victim, over UDP. Anybody can write such a
// source; here the victim's own socket sends them, which makes the same datagrams. N are the bytes
// that reach the victim. Got is what an honest client is answered.
func Reflected(
	serve func(net.PacketConn) error, question string, ask func(conn net.Conn) (answer string, err error),
) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		server, err := StartPacket(rec, serve)
		if err != nil {
			return o, err
		}
		defer server.Stop()
		pc, err := listenPacket()
		if err != nil {
			return o, err
		}
		victim := rec.PacketConn("victim", pc)
		defer victim.Close()
		victim.SetDeadline(time.Now().Add(loopback.Patience))
		to, err := net.ResolveUDPAddr("udp", server.Addr)
		if err != nil {
			return o, err
		}
		const questions = 3
		rec.State(questions, "somebody sends the server %d questions in the victim's name", questions)
		for range questions {
			if _, err := victim.WriteTo([]byte(question), to); err != nil {
				return o, err
			}
		}
		buf := make([]byte, 64<<10)
		for range questions {
			n, _, err := victim.ReadFrom(buf)
			if err != nil {
				return o, err
			}
			o.N += n
		}
		conn, err := rec.Dial("client", server.Addr, func(addr string) (net.Conn, error) {
			return net.Dial("udp", addr)
		})
		if err != nil {
			return o, err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(loopback.Patience))
		answer, err := ask(conn)
		if err != nil {
			return o, err
		}
		o.Got = []string{answer}
		sent := questions * len(question)
		rec.Verdict("%d bytes in the victim's name brought it %d bytes, %.1f times as many; an honest client "+
			"was answered %d bytes", sent, o.N, float64(o.N)/float64(sent), len(answer))
		return o, nil
	}
}
