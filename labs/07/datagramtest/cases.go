package datagramtest

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	oldrand "math/rand"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"weak"

	"socketbook/tools/check"
)

const (
	roomy   = 1000                  // a limit that is not meant to matter, in bytes
	plenty  = 20                    // tries of which only a few are needed
	short   = 20 * time.Millisecond // a wait that an answer with a timer of its own takes in full
	ages    = time.Hour             // a wait that nobody takes in full
	largest = 65507 - idSize        // bytes; what a datagram over IPv4 carries behind the id
)

var errUnplugged = errors.New("the cable is unplugged")

var (
	hello = []byte("hello")
	long  = bytes.Repeat([]byte("socket "), 10_000)
)

// want ends the case unless the answer is this one.
func want(c *check.C, answer []byte, err error, body []byte) {
	c.WantNil("Exchange", err)
	if len(answer) < len(body) && bytes.HasPrefix(body, answer) {
		c.Rule(
			"The answer is all of the datagram behind the id: no part of it is passed off as the whole.",
			"A Read into a buffer that is too short cuts the datagram, without an error. Make room for 65507 bytes "+
				"in front of each Read, and return buf[8:n], n being its result.",
		)
	}
	c.WantBytes("the answer", answer, body)
}

// wantRequests ends the case unless n datagrams have come, all with this body behind an id.
func (w *wire) wantRequests(n int, body []byte) {
	requests := w.requests()
	for _, r := range requests {
		if len(r.id) < idSize {
			w.c.Fail("your code sent a datagram of %d bytes, too short for an id of %d", len(r.id), idSize)
		}
		w.c.WantBytes("behind the first 8 bytes, which are the id", r.body, body)
	}
	if len(requests) != n {
		w.c.Fail("your code sent %s, not %d", datagrams(len(requests)), n)
	}
}

// datagrams says how many.
func datagrams(n int) string {
	if n == 1 {
		return "1 datagram"
	}
	return fmt.Sprintf("%d datagrams", n)
}

func (s suite) answer(c *check.C) {
	for _, pair := range [][2][]byte{
		{hello, []byte("HELLO")},
		{{0, 0xff, 0}, {0xfe, 0}},
		{long[:300], long[7:600]},
		{[]byte(" Hello\r\n"), []byte("\tHELLO \r\n")},
	} {
		c.Variation("a new connection; the suite answers with %s", text(pair[1]))
		w := s.answering(c, pair[1])
		answer, err := s.exchange(w, pair[0], roomy, 3, ages)
		if all := w.requests(); len(all) > 1 && all[0].id == all[1].id && bytes.Equal(all[0].body, all[1].body) {
			c.Rule(
				"The request is sent again only when wait has passed and no answer has come.",
				"In each try, call Write once and then Read, until the answer is there or the deadline has passed.",
			)
		}
		w.wantRequests(1, pair[0])
		want(c, answer, err, pair[1])
		c.Step("the suite overwrites this answer, which is the caller's, and the next one is the same")
		clear(answer)
		c.Rule(
			"Each call returns the answer to its own request, even if the bytes are the same as before.",
			"Keep nothing between calls, and leave no goroutine in Read: it would take the next answer. The id tells "+
				"what is late or doubled, not the bytes behind it.",
		)
		answer, err = s.exchange(w, pair[0], roomy, 3, ages)
		if check.Is(err, os.ErrDeadlineExceeded) {
			w.wantUntimed()
		}
		want(c, answer, err, pair[1])
	}
	c.Variation("a new connection; the suite answers with what it is asked, as an echo does")
	c.Rule(
		"What begins with the id is the answer, also if it is the same as the request.",
		"Compare the id, and nothing else: a connected socket does not hear what it has sent itself.",
	)
	w := s.connect(c, func(_ int, r request) []datagram { return []datagram{reply(r, r.body)} })
	answer, err := s.exchange(w, hello, roomy, 3, ages)
	want(c, answer, err, hello)

	c.Variation("a new connection; the suite answers with the id of the request, a word, and the id once more")
	c.Rule(
		"The answer is what stands behind the id, whatever it is.",
		"Cut off the first 8 bytes: answer[8:].",
	)
	w = s.connect(c, func(_ int, r request) []datagram { return []datagram{reply(r, []byte(r.id+" and "+r.id))} })
	answer, err = s.exchange(w, hello, roomy, 3, ages)
	id := w.requests()[0].id
	want(c, answer, err, []byte(id+" and "+id))
}

func (s suite) empty(c *check.C) {
	c.Variation("a new connection; the answer is empty")
	w := s.answering(c, nil)
	answer, err := s.exchange(w, hello, roomy, 3, ages)
	want(c, answer, err, nil)
	w.wantRequests(1, hello)

	c.Variation("a new connection; request and answer are empty")
	w = s.answering(c, nil)
	answer, err = s.exchange(w, nil, roomy, 3, ages)
	want(c, answer, err, nil)
	w.wantRequests(1, nil)

	c.Variation("a new connection; request and answer are empty, and nothing more is allowed")
	c.Rule(
		"An answer may have up to limit bytes, the id not counted: none, if limit is 0.",
		"Compare n-8 with limit, and refuse only what is more.",
	)
	w = s.answering(c, nil)
	answer, err = s.exchange(w, nil, 0, 3, ages)
	want(c, answer, err, nil)
	w.wantRequests(1, nil)
}

// unanswered is a call that nobody answers.
func (s suite) unanswered(c *check.C, tries int, wait time.Duration) {
	c.Variation("a new connection")
	var w *wire
	w = s.connect(c, func(i int, _ request) []datagram {
		if i > tries+5 { // it would go on forever
			w.peer.Conn().Close()
		}
		return nil
	})
	c.Say("the suite drops every request")
	var before atomic.Value // the deadline that had passed when the last Write began
	w.peer.Conn().Before("Write", func() error {
		before.Store(w.peer.Conn().Did().Passed)
		return nil
	})
	begin := time.Now()
	_, err := s.exchange(w, hello, roomy, tries, wait)
	took, all := time.Since(begin), time.Duration(tries)*wait
	passed := w.peer.Conn().Did().Passed
	if passed.After(begin) { // which a machine that stands still does not move
		took = passed.Sub(begin)
	}
	if writes := w.peer.Conn().Did().Writes; writes > len(w.requests()) && writes <= tries {
		c.Rule(
			"A deadline that has passed ends every later call, and SetDeadline is about Write as well.",
			"Use SetReadDeadline, or set the new deadline before Write.",
		)
		c.Fail("your code called Write %d times, and sent %s", writes, datagrams(len(w.requests())))
	}
	w.wantRequests(tries, hello)
	c.WantError("nobody has answered", err, os.ErrDeadlineExceeded)
	c.WantOpen("Exchange", w.peer.Conn())
	if passed.After(begin) && passed == before.Load() {
		c.Fail("the call was over as soon as the last request was sent: each one is waited for, the last one too")
	}
	if took < all {
		if set := w.peer.Conn().Did().Longest; set > 0 && set < wait/2 {
			c.Rule(oneDeadline, noPolling)
			c.Fail("the longest read deadline of the call gave the answer %v; wait is %v", round(set), wait)
		}
		c.Fail(
			"the call was over after %v, and %d tries of %v take %v: each request is waited "+
				"for, the last one too",
			took.Round(time.Millisecond),
			tries,
			wait,
			all,
		)
	}
	s.wantDeadlines(w, 0, all) // the second one may be counted from the beginning
}

func (s suite) silence(c *check.C) {
	s.unanswered(c, 1, short)
	c.Variation("a new connection; the suite answers at once")
	w := s.answering(c, hello)
	answer, err := s.exchange(w, hello, roomy, 3, ages)
	want(c, answer, err, hello)
	s.wantDeadlines(
		w,
		ages/2,
		ages,
	) // half: the machine may stand still between time.Now and SetReadDeadline
}

// manyTries answers at once, so that none but the first is needed.
func (s suite) manyTries(c *check.C) {
	for _, tries := range []int{1 << 8, 1 << 16, math.MaxInt} {
		c.Variation("a new connection; the suite answers at once; there might be %d tries", tries)
		w := s.answering(c, hello)
		answer, err := s.exchange(w, hello, roomy, tries, ages)
		want(c, answer, err, hello)
	}
}

// letGo looks whether a connection is still held on to when the call is over.
func (s suite) letGo(c *check.C) {
	if c.Elsewhere() {
		return
	}
	c.Variation("a new connection; the suite answers at once, and then nobody needs conn any more")
	w := s.answering(c, hello)
	lent := lend(w)
	answer, err := s.exchange(w, hello, roomy, 3, ages)
	want(c, answer, err, hello)
	s.wantLetGo(w, lent)

	c.Variation("a new connection; the suite answers nothing, and then nobody needs conn any more")
	w = s.connect(c, func(int, request) []datagram { return nil })
	lent = lend(w)
	_, err = s.exchange(w, hello, roomy, 1, short)
	c.WantError("nobody has answered", err, os.ErrDeadlineExceeded)
	s.wantLetGo(w, lent)
}

// lend puts something around the connection of w that nothing but the code under test can hold on to.
func lend(w *wire) weak.Pointer[failing] {
	lent := &failing{Conn: w.conn} // which does not fail
	w.conn = lent
	return weak.Make(lent)
}

// wantLetGo ends the case unless the code under test has let go of what it was lent.
func (s suite) wantLetGo(w *wire, kept weak.Pointer[failing]) {
	w.conn = nil
	w.c.WantLetGo("Exchange", func() bool { return kept.Value() != nil })
}

// wantDeadlines ends the case unless the read deadlines, if there were any, gave from least to most, and
// none is left.
func (s suite) wantDeadlines(w *wire, least, most time.Duration) {
	conn := w.peer.Conn()
	w.wantUntimed()
	if got := conn.Did().Longest; got > 0 && (got < least || got > most) {
		if got < least {
			w.c.Rule(oneDeadline, noPolling)
		}
		w.c.Fail("the longest read deadline of the call gave the answer %v, and not what wait says", round(got))
	}
}

func round(d time.Duration) time.Duration { return d.Round(time.Microsecond) }

// What is said of deadlines that are too short.
const (
	oneDeadline = "A try has one deadline, for all of wait. Shorter ones, set again and again (polling), are " +
		"not accepted."
	noPolling = "Set time.Now().Add(wait) once a try, behind Write. Read returns as soon as something comes."
)

// wantUntimed ends the case if a deadline is left.
func (w *wire) wantUntimed() {
	w.c.WantUntimed("Exchange", w.peer.Conn())
}

// What is said of tries that are shorter than wait.
const (
	lasts    = "A try lasts as long as wait says, however many tries there may be."
	overflow = "tries times wait may be more than a time.Duration can be: do not multiply, add wait once a try."
)

// loses is what a call meets whose first requests are lost.
type loses struct {
	lost, tries int
	wait        time.Duration
	answers     int // to each of the others
}

func (s suite) lost(c *check.C, all ...loses) {
	const many = 5 * plenty // datagrams; fewer than overflow the buffer in which they wait
	for _, v := range all {
		c.Variation("a new connection")
		w := s.connect(c, func(i int, r request) (sent []datagram) {
			if i >= v.lost {
				sent = []datagram{reply(r, []byte("HELLO")), reply(r, []byte("HELLO"))}[:v.answers]
			}
			return sent
		})
		var writes atomic.Int64
		w.peer.Conn().Before("Write", func() error { // it would go on for a long time
			if writes.Add(1) > many {
				return errUnplugged
			}
			return nil
		})
		c.Say("the suite loses the first %d and answers those that follow", v.lost)
		asks := []byte("Hello, World ")
		begin := time.Now()
		answer, err := s.exchange(w, asks, roomy, v.tries, v.wait)
		took := time.Since(begin)
		least := time.Duration(v.lost) * v.wait
		if writes.Load() > many {
			c.Rule(lasts, overflow)
			c.Fail("your code sent %d datagrams in %v, though each was answered that was not lost", many,
				took.Round(time.Millisecond))
		}
		want(c, answer, err, []byte("HELLO"))
		if took < least {
			c.Rule(lasts, overflow)
			c.Fail("your code asked again too early: %v after the first time, and %v had to pass", took, least)
		}
		for _, r := range w.requests() {
			c.WantBytes("behind the id", r.body, asks)
			if r.id != w.requests()[0].id {
				c.Fail("the tries of one call carry different ids")
			}
		}
	}
}

// second is a call of which the second request is answered, and no other.
func (s suite) second(c *check.C) {
	c.Variation("a new connection")
	w := s.connect(c, func(i int, r request) (sent []datagram) {
		if i == 1 {
			sent = append(sent, reply(r, []byte("HELLO")))
		}
		return sent
	})
	c.Say("the suite answers the second one, and no other")
	c.Rule(
		"A datagram that begins with the id is the answer, whichever try it answers and whenever it comes.",
		"Look at every datagram that Read brings, in each try; throw none away without looking.",
	)
	answer, err := s.exchange(w, hello, roomy, plenty, 3*short)
	want(c, answer, err, []byte("HELLO"))
}

func (s suite) stale(c *check.C) {
	c.Variation("a new connection; the answer to the first request comes when the second one is asked")
	var first request
	w := s.connect(c, func(i int, r request) []datagram {
		if i == 0 {
			first = r
			return nil
		}
		return []datagram{reply(first, []byte("stale")), reply(r, []byte("fresh"))}
	})
	_, err := s.exchange(w, []byte("one"), roomy, 1, short)
	c.WantError("nobody has answered", err, os.ErrDeadlineExceeded)
	w.wantUntimed()
	answer, err := s.exchange(w, []byte("two"), roomy, 3, ages)
	want(c, answer, err, []byte("fresh"))

	c.Variation("a new connection; the first request is answered four times")
	w = s.connect(c, func(i int, r request) []datagram {
		if i == 0 {
			return []datagram{
				reply(r, []byte("first")),
				reply(r, []byte("first")),
				reply(r, []byte("first")),
				reply(r, []byte("first")),
			}
		}
		return []datagram{reply(r, []byte("second"))}
	})
	answer, err = s.exchange(w, []byte("one"), roomy, 2, ages)
	want(c, answer, err, []byte("first"))
	answer, err = s.exchange(w, []byte("two"), roomy, 2, ages)
	want(c, answer, err, []byte("second"))
	if sent := len(w.requests()); sent > 2 {
		c.Fail(
			"your code sent %s for two requests that were answered at once: a stale answer does not "+
				"end a try",
			datagrams(sent),
		)
	}
}

// guesses are ids that a forger tries who has seen those before: the same again, those that a
// counter would come to, in either byte order, and what people begin with.
func guesses(before []string) (ids []string) {
	numbers := []uint64{0, 1, 2}
	ids = []string{"\xff\xff\xff\xff\xff\xff\xff\xff"}
	for i, id := range before {
		ids = append(ids, id)
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			n := order.Uint64([]byte(id))
			step := uint64(1)
			if i > 0 {
				step = n - order.Uint64([]byte(before[i-1]))
			}
			numbers = append(numbers, n+1, n-1, n+step)
		}
	}
	for _, n := range numbers {
		ids = append(
			ids,
			string(binary.LittleEndian.AppendUint64(nil, n)),
			string(binary.BigEndian.AppendUint64(nil, n)),
		)
	}
	return ids
}

// closeTo returns datagrams that share something with id.
func closeTo(id string) []datagram {
	var all []datagram
	for i := range idSize {
		wrong := []byte(id)
		wrong[i] ^= 1
		says := fmt.Sprintf(`"FORGED" behind an id of which byte %d is wrong`, i+1)
		all = append(all, junk(append(wrong, "FORGED"...), says))
	}
	turned := id[1:] + id[:1]
	if turned != id {
		all = append(all, junk([]byte(turned+"FORGED"), `"FORGED" behind the bytes of the id in another order`))
	}
	half, other := []byte(id), []byte(id)
	for i := range 4 {
		half[4+i] ^= 0xff
		other[i] ^= 0xff
	}
	return append(
		all,
		junk(nil, "an empty datagram"),
		junk([]byte(id[:3]), "3 bytes of the id"),
		junk(other, "8 bytes, of which the last 4 are those of the id"),
		junk([]byte(id[:7]), "7 bytes of the id"),
		junk(append(half, "FORGED"...), `"FORGED" behind an id of which half is wrong`),
		junk([]byte("FORGED"+id), `"FORGED" in front of the id`),
		junk(long[:5000], "5000 bytes without the id"),
	)
}

func (s suite) forged(c *check.C) {
	c.Variation(
		"a new connection; the requests are answered, each time a moment after somebody else has tried to",
	)
	var before []string
	w := s.connect(c, func(i int, r request) (sent []datagram) {
		for _, id := range guesses(before) {
			sent = append(sent, junk([]byte(id+"FORGED"), `"FORGED" behind an id that was guessed`))
		}
		before = append(before, r.id)
		sent = append(sent, reply(r, []byte("HELLO")))
		return sent
	})
	for range 3 {
		answer, err := s.exchange(w, hello, roomy, 3, ages)
		want(c, answer, err, []byte("HELLO"))
	}
	c.Variation(
		"a new connection; a call that is answered, and one where other datagrams come before the answer",
	)
	w = s.connect(c, func(i int, r request) (sent []datagram) {
		if i > 0 {
			for range 120 { // more than somebody may be willing to pass over
				sent = append(sent, junk([]byte(r.id[:i]), "a byte of the id"))
			}
			sent = append(sent, closeTo(r.id)...)
			sent = append(sent, junk([]byte(r.id[:5]), "5 bytes of the id"))
		}
		return append(sent, reply(r, []byte("HELLO")))
	})
	for i := range 2 {
		answer, err := s.exchange(w, hello, roomy, 3, ages)
		want(c, answer, err, []byte("HELLO"))
		if sent := len(w.requests()); sent > i+1 {
			c.Fail("your code asked again although the answer was there: other datagrams end no try")
		}
	}
	c.Variation("a new connection; in front of each answer comes one with the letters of the id in the " +
		"other case")
	w = s.connect(c, func(_ int, r request) []datagram {
		turned := otherCase(r.id)
		if turned == r.id { // it has no letters
			return []datagram{reply(r, []byte("HELLO"))}
		}
		wrong := junk([]byte(turned+"FORGED"), `"FORGED" behind an id whose letters have the other case`)
		return []datagram{wrong, reply(r, []byte("HELLO"))}
	})
	for range 12 { // of ids that are hexadecimal digits, one in 43 has no letter
		answer, err := s.exchange(w, hello, roomy, 3, ages)
		want(c, answer, err, []byte("HELLO"))
	}
	s.zeros(c)
}

// zeros has so many calls answered, each behind forged answers, that some ids have a zero byte, which ends
// what some take for text.
func (s suite) zeros(c *check.C) {
	const calls = 256
	c.Variation(
		"a new connection; %d calls; in front of each answer comes one with the last byte of the id wrong",
		calls,
	)
	w := s.connect(c, func(_ int, r request) []datagram {
		return append(closeTo(r.id)[idSize-1:idSize:idSize], reply(r, []byte("HELLO")))
	})
	var err error
	var answer []byte
	what := fmt.Sprintf("Exchange(conn, \"hello\", limit %d, tries 3, wait %v)", roomy, ages)
	for i := 0; i < calls && err == nil && (i == 0 || string(answer) == "HELLO"); i++ {
		c.Do(what, func() { answer, err = s.lab.Exchange(w.conn, hello, roomy, 3, ages) })
	}
	c.Await("what was sent to arrive", w.peer.Rested)
	if all := w.requests(); len(all) > 0 {
		last := all[len(all)-1].id
		c.Step("the last id was % x", last)
		if bytes.IndexByte([]byte(last), 0) >= 0 {
			c.Rule(
				"All 8 bytes of the id count, those behind a zero byte among them.",
				"An id is no text: compare buf[:8] with it by bytes.Equal, and trim nothing.",
			)
		}
	}
	want(c, answer, err, []byte("HELLO"))
}

// otherCase makes small letters of capitals, and capitals of small letters.
func otherCase(id string) string {
	turned := []byte(id)
	for i, b := range turned {
		if small := b | 0x20; 'a' <= small && small <= 'z' {
			turned[i] ^= 0x20
		}
	}
	return string(turned)
}

// random looks at the ids of many calls. Ids whose bytes are random, be it only digits, have a byte
// in common, or two bytes of which one tells the other, once in 10^20 times; they rise, or fall no
// more than once, in less than one of 10^16: in either byte order 2^24 of 24! orders do.
func (s suite) random(c *check.C) {
	const calls = 24
	c.Variation("a new connection; %d calls, one after the other, each of which is answered at once", calls)
	w := s.answering(c, []byte("HELLO"))
	var err error
	what := fmt.Sprintf("Exchange(conn, \"hello\", limit %d, tries 3, wait %v)", roomy, ages)
	for i := 0; i < calls && err == nil; i++ {
		c.Do(what, func() { _, err = s.lab.Exchange(w.conn, hello, roomy, 3, ages) })
	}
	c.Await("what was sent to arrive", w.peer.Rested)
	var ids, shown []string
	for _, r := range w.requests() {
		ids, shown = append(ids, r.id), append(shown, fmt.Sprintf("% x", r.id))
	}
	c.Step("the first ids were %s", strings.Join(shown[:min(3, len(shown))], ", "))
	c.WantNil("Exchange", err)
	if len(ids) != calls {
		c.Fail("your code sent %s in %d calls, each of which was answered at once", datagrams(len(ids)), calls)
	}
	all := func(same func(id string) bool) bool {
		return !slices.ContainsFunc(ids, func(id string) bool { return !same(id) })
	}
	for i := range idSize {
		if all(func(id string) bool { return id[i] == ids[0][i] }) {
			c.Fail("byte %d of the id is %02x in all %d calls: it is not random", i+1, ids[0][i], calls)
		}
	}
	stay := 0 // bytes that are what they were in the call before
	for i := range idSize {
		for k := 1; k < calls; k++ {
			if ids[k][i] == ids[k-1][i] {
				stay++
			}
		}
		for k := range idSize {
			moves := true
			for n := 1; n < calls; n++ {
				moves = moves && ids[n][i] == ids[n-1][k]
			}
			if moves && i != k {
				c.Fail("byte %d of an id is byte %d of the id of the call before, in all %d calls", i+1, k+1, calls)
			}
		}
		others := func(id string) (sum byte) {
			for k := range idSize {
				if k != i {
					sum += id[k]
				}
			}
			return sum
		}
		if all(func(id string) bool { return id[i]-others(id) == ids[0][i]-others(ids[0]) }) {
			c.Fail("byte %d of the id is the sum of the others in all %d calls: it is not random", i+1, calls)
		}
		for k := range i {
			if all(func(id string) bool { return id[i]^id[k] == ids[0][i]^ids[0][k] }) {
				c.Fail(
					"byte %d of the id tells byte %d in all %d calls: they are equal, or differ in the same bits",
					k+1,
					i+1,
					calls,
				)
			}
		}
	}
	if stay > idSize*calls/2 {
		c.Fail(
			"from one call to the next most bytes of the id stay: %d of %d; each byte has to be random in each call",
			stay,
			idSize*(calls-1),
		)
	}
	for _, order := range []binary.ByteOrder{binary.BigEndian, binary.LittleEndian} {
		falls := 0
		for i := 1; i < len(ids); i++ {
			if order.Uint64([]byte(ids[i])) < order.Uint64([]byte(ids[i-1])) {
				falls++
			}
		}
		if falls <= 1 { // a clock that begins anew is still one
			c.Fail(
				"the ids rise from call to call, as a clock or a counter does: what comes next can " +
					"be guessed",
			)
		}
	}
	known := fixedSeeds()
	for _, id := range ids {
		if known[id] {
			c.Fail("the id % x comes from a generator with a fixed seed, or from a counter behind a hash: the "+
				"same ids follow each other in every run, so that they can be known beforehand", id)
		}
	}
}

// fixedSeeds returns the ids that the generators of math/rand make from the seeds that people write.
func fixedSeeds() map[string]bool {
	const calls = 2000 // in one process, before and in random
	ids := map[string]bool{}
	seeds := []uint64{0, 1, 2, 3, 7, 42, 123, 1234, 12345}
	var sources []func() rand.Source
	for _, a := range seeds {
		sources = append(sources, func() rand.Source { return oldrand.New(oldrand.NewSource(int64(a))) })
		for _, b := range seeds {
			sources = append(sources, func() rand.Source { return rand.NewPCG(a, b) })
		}
	}
	sources = append(sources, func() rand.Source { return rand.NewChaCha8([32]byte{}) })
	for _, seed := range append(seeds, 4, 5, 8, 9, 10, 99, 100, 1000, 2024, 2025, 2026) {
		made := func() *oldrand.Rand { return oldrand.New(oldrand.NewSource(int64(seed))) }
		read, intn, int63 := made(), made(), made()
		for range 100 {
			id := make([]byte, idSize)
			read.Read(id)
			ids[string(id)] = true
			for i := range id {
				id[i] = byte(intn.Intn(256))
			}
			ids[string(id)] = true
			n := uint64(int63.Int63())
			ids[string(binary.LittleEndian.AppendUint64(nil, n))] = true
			ids[string(binary.BigEndian.AppendUint64(nil, n))] = true
		}
	}
	for _, source := range sources {
		gen := source()
		bytewise := rand.New(source())
		for range calls / len(sources) * 4 {
			n := gen.Uint64()
			ids[string(binary.LittleEndian.AppendUint64(nil, n))] = true
			ids[string(binary.BigEndian.AppendUint64(nil, n))] = true
			id := make([]byte, idSize)
			for i := range id {
				id[i] = byte(bytewise.Uint32())
			}
			ids[string(id)] = true
		}
	}
	for n := range uint64(200) { // a counter is one, behind whatever hash
		number := binary.LittleEndian.AppendUint64(nil, n)
		for _, made := range [][]byte{number, binary.BigEndian.AppendUint64(nil, n), fmt.Append(nil, n)} {
			a, b, d := md5.Sum(made), sha1.Sum(made), sha256.Sum256(made)
			for _, hash := range [][]byte{a[:], b[:], d[:]} {
				ids[string(hash[:idSize])] = true
				ids[fmt.Sprintf("%x", hash)[:idSize]] = true
			}
		}
	}
	return ids
}

func (s suite) limit(c *check.C) {
	for _, n := range []int{100, 60_000, 0} {
		if n > 0 {
			c.Variation("a new connection; an answer of exactly the limit, %d bytes", n)
			w := s.answering(c, long[:n])
			answer, err := s.exchange(w, hello, n, 3, ages)
			want(c, answer, err, long[:n])
		}
		for _, more := range []int{n + 1, n + 5000} {
			c.Variation("a new connection; an answer of %d bytes, where %d are allowed", more, n)
			s.overLimit(c, s.answering(c, long[:more]), n)
		}
	}
	c.Variation("a new connection; an answer of 120 bytes, which are 40 Chinese characters, where 100 bytes are " +
		"allowed")
	s.overLimit(c, s.answering(c, bytes.Repeat([]byte("报"), 40)), 100)

	c.Variation("a new connection; the limit is the largest int")
	c.Rule(
		"limit may be as large as an int can be. No datagram is, so that no answer is over this limit.",
		"limit+8 is negative then, and make([]byte, limit) panics. Compare n-8 with limit, and make room for "+
			"65507 bytes, whatever limit says.",
	)
	w := s.answering(c, hello)
	answer, err := s.exchange(w, hello, math.MaxInt, 3, ages)
	want(c, answer, err, hello)

	for _, limit := range []int{1 << 8, 1 << 16, 1 << 17, math.MaxInt32} {
		c.Variation("a new connection; the limit is %d", limit)
		w := s.answering(c, hello)
		answer, err := s.exchange(w, hello, limit, 3, ages)
		want(c, answer, err, hello)
	}
	c.Variation("a new connection; the largest answer that fits into a datagram")
	w = s.connect(c, func(_ int, r request) []datagram { return []datagram{reply(r, long[:largest])} })
	answer, err = s.exchange(w, long[:largest], largest, 1, short)
	if len(w.requests()) > 0 && !check.Is(err, os.ErrDeadlineExceeded) { // as on systems that carry less
		want(c, answer, err, long[:largest])
	}
	c.Variation("a new connection; a datagram over the limit that is not the answer comes before it")
	w = s.connect(c, func(_ int, r request) []datagram {
		return []datagram{
			junk(long[:500], "500 bytes without the id"),
			junk(long[:9000], "9000 bytes without the id"),
			reply(r, hello),
		}
	})
	answer, err = s.exchange(w, hello, 100, 3, ages)
	want(c, answer, err, hello)
}

// tooLongLater has the second try answered with more than the limit.
func (s suite) tooLongLater(c *check.C) {
	c.Variation("a new connection; the first request is lost, and the others are answered with 101 bytes, where " +
		"100 are allowed")
	w := s.connect(c, func(i int, r request) []datagram { return []datagram{reply(r, long[:101])}[:min(i, 1)] })
	_, err := s.exchange(w, hello, 100, plenty, 2*short)
	if check.Is(err, os.ErrDeadlineExceeded) && len(w.requests()) < plenty {
		c.Rule("An answer over the limit is an error of its own, also in a later try.",
			"Return this error alone. That an earlier try had no answer is over.")
		c.Fail("an answer had come that was too long, and the error is %s", check.Err(err))
	}
}

// overLimit ends the case unless an answer that is longer than limit is an error, at once.
func (s suite) overLimit(c *check.C, w *wire, limit int) {
	answer, err := s.exchange(w, hello, limit, 3, ages)
	switch {
	case err == nil:
		c.Fail("Exchange returned %d bytes without an error; the answer has more than %d", len(answer), limit)
	case len(w.requests()) > 1:
		c.Fail("your code asked again, %d times in all; the answer had come", len(w.requests()))
	case check.Is(err, os.ErrDeadlineExceeded):
		c.Fail("the error is os.ErrDeadlineExceeded, but the answer had come: it was too long")
	}
}

func (s suite) flood(c *check.C) {
	const tries, least, most = 2, 40 * time.Millisecond, 400 * time.Millisecond
	wait := least
	for runs := 1; s.flooded(c, tries, wait) >= wait/2 && runs < 8; runs++ {
		wait = min(2*wait, most) // the machine stood still, and a timer that begins anew was over
	}

	const many = 1100
	c.Variation("a new connection")
	w := s.connect(c, func(int, request) []datagram { return nil })
	c.Say("the suite sends %d other datagrams, one after the other, and then the answer", many)
	sent := 0
	w.peer.Flood(func() []byte {
		if sent++; sent <= many {
			return []byte("nobody asked")
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		return reply(w.last, []byte("HELLO")).data
	})
	answer, err := s.exchange(w, hello, roomy, tries, ages)
	c.Rule(
		"Other datagrams are ignored, however many they are.",
		"Count no datagrams. What ends a try is its answer, an error of Read, or the deadline.",
	)
	want(c, answer, err, []byte("HELLO"))
	s.junkAhead(c)
}

// junkAhead has another datagram come in each try, and the answer behind it in the later ones.
func (s suite) junkAhead(c *check.C) {
	c.Variation("a new connection; another datagram comes after each request, and behind it the answer, but not " +
		"after the first request")
	w := s.connect(c, func(i int, r request) []datagram {
		return []datagram{junk(long[:20], "20 other bytes"), reply(r, []byte("HELLO"))}[:1+min(i, 1)]
	})
	answer, err := s.exchange(w, hello, roomy, plenty, 2*short)
	c.Rule(
		"All tries of one call send the same bytes, whatever has come meanwhile.",
		"Read into a slice of its own: what is read into the one that is sent changes it.",
	)
	w.wantRequests(len(w.requests()), hello)
	c.Rule(
		"A datagram that does not begin with the id is ignored, in each try: what comes behind it may be the "+
			"answer.",
		"Go on reading until the answer is there or the try is over, in the later tries as in the first one.",
	)
	want(c, answer, err, []byte("HELLO"))
}

// flooded floods one call, and returns the longest pause between two datagrams.
func (s suite) flooded(c *check.C, tries int, wait time.Duration) time.Duration {
	c.Variation("a new connection")
	w := s.connect(c, func(int, request) []datagram { return nil })
	c.Say("the suite answers no request, and sends other datagrams, without a pause")
	var mu sync.Mutex
	var pause time.Duration
	n, last := 0, time.Now()
	rest := func() {
		pause, last = max(pause, time.Since(last)), time.Now()
	}
	w.peer.Flood(func() []byte {
		mu.Lock()
		defer mu.Unlock()
		rest()
		n++
		return binary.LittleEndian.AppendUint64(nil, uint64(n))[:n%9]
	})
	_, err := s.exchange(w, hello, roomy, tries, wait)
	if w.peer.Conn().Did().Endless {
		c.Fail(
			"other datagrams came, one after the other, and the %v of a try were never over: the "+
				"wait must not begin anew with each of them",
			wait,
		)
	}
	w.wantRequests(tries, hello)
	c.WantError("nobody has answered", err, os.ErrDeadlineExceeded)
	mu.Lock()
	defer mu.Unlock()
	rest()
	return pause
}

func (s suite) broken(c *check.C) {
	c.Variation("a new connection that is closed before the call")
	w := s.answering(c, hello)
	w.conn.Close()
	_, err := s.exchange(w, hello, roomy, 3, short)
	c.WantError("conn is closed", err, net.ErrClosed)
	s.wantOneWrite(w)

	c.Variation("a new connection; the largest request that fits into a datagram")
	w = s.answering(c, hello)
	answer, err := s.exchange(w, long[:largest], roomy, 3, ages)
	want(c, answer, err, hello)

	c.Variation("a new connection; a request of one byte more than fits into a datagram")
	w = s.answering(c, hello)
	_, err = s.exchange(w, long[:largest+1], roomy, 3, short)
	if err == nil || check.Is(err, os.ErrDeadlineExceeded) {
		c.Fail(
			"the request was not sent, but the error is %s: pass on what Write returned, alone or wrapped",
			check.Err(err),
		)
	}
	s.wantOneWrite(w)
	w.wantUntimed()

	for tries, err := range map[int]error{2: errUnplugged, 3: syscall.ECONNREFUSED} {
		c.Variation("a new connection; the first request is lost, and the second Write fails: %v", err)
		w = s.connect(c, func(int, request) []datagram { return nil })
		writes := 0
		w.peer.Conn().Before("Write", func() error {
			if writes++; writes > 1 {
				return err
			}
			return nil
		})
		_, got := s.exchange(w, hello, roomy, tries, short)
		c.WantError("the second Write", got, err)
		if n := w.peer.Conn().Did().Writes; n != 2 {
			c.Fail("your code called Write %d times; the second call failed, and an error ends the call", n)
		}
		w.wantUntimed()
		c.WantOpen("Exchange", w.peer.Conn())
	}

	c.Variation("a new connection; an answer of 101 bytes, where 100 are allowed")
	w = s.answering(c, long[:101])
	kept := lend(w)
	s.exchange(w, hello, 100, 3, ages) // what it returns is for another case
	w.wantUntimed()
	c.WantOpen("Exchange", w.peer.Conn())
	s.wantLetGo(w, kept)

	c.Variation("a new connection that somebody closes while Exchange waits")
	w = s.connect(c, func(int, request) []datagram {
		w.peer.Conn().Close()
		return nil
	})
	_, err = s.exchange(w, hello, roomy, 3, ages)
	c.WantError("conn is closed", err, net.ErrClosed)
	s.wantOneWrite(w)

	s.anyError(c)
	s.laterErrors(c)

	if runtime.GOOS == "windows" { // does not tell
		return
	}
	c.Variation("a new connection; nobody has the port any more")
	w = s.answering(c, hello)
	w.peer.Leave()
	_, err = s.exchange(w, hello, roomy, 3, ages)
	c.WantError("nobody has the port", err, syscall.ECONNREFUSED)
	s.wantOneWrite(w)
	w.wantUntimed()
	c.WantOpen("Exchange", w.peer.Conn())

	c.Variation("a new connection; nobody has the port any more, and the first try is the last one")
	w = s.answering(c, hello)
	w.peer.Leave()
	_, err = s.exchange(w, hello, roomy, 1, ages)
	c.WantError("nobody has the port", err, syscall.ECONNREFUSED)
}

// failing is a connection of which a Write fails, or every Read after the first Write.
type failing struct {
	net.Conn
	call string // "Read" or "Write"
	err  error
	from int // Writes before the one behind which Read fails
	pass int // Reads that bring something before one fails

	mu     sync.Mutex
	writes int
	failed int // calls
	late   bool
}

// fails returns an error if the call is to fail. After a few times it is another one.
func (f *failing) fails(call string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if call == "Write" {
		f.late = f.late || f.failed > 0
		f.writes++
	}
	if call != f.call || f.writes <= f.from || f.pass > 0 {
		return nil
	}
	if f.failed++; f.failed > 3 {
		return errors.New("the connection broke before")
	}
	return f.err
}

func (f *failing) Read(p []byte) (int, error) {
	if err := f.fails("Read"); err != nil {
		return 0, err
	}
	n, err := f.Conn.Read(p)
	if f.brought(err) {
		return n, nil
	}
	if err := f.fails("Read"); err != nil { // it began before the first Write
		return 0, err
	}
	return n, err
}

// brought counts what may come before a Read fails.
func (f *failing) brought(err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil || f.pass == 0 {
		return false
	}
	f.pass--
	return true
}

func (f *failing) Write(p []byte) (int, error) {
	if err := f.fails("Write"); err != nil {
		return 0, err
	}
	return f.Conn.Write(p)
}

func (f *failing) hasFailed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed > 0
}

func (f *failing) wroteLate() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.late
}

// anyError has Read and Write fail with errors that somebody could take for a timeout, or for nothing.
func (s suite) anyError(c *check.C) {
	for _, err := range []error{
		errUnplugged, io.EOF, io.ErrClosedPipe, net.ErrClosed, syscall.EINTR,
		syscall.ECONNREFUSED, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EPERM, syscall.ENOBUFS,
	} {
		for _, call := range []string{"Write", "Read"} {
			c.Variation("a new connection; the first %s fails: %v", call, err)
			w := s.answering(c, hello)
			f := &failing{Conn: w.conn, call: call, err: err}
			w.conn = f
			kept := weak.Make(f)
			_, got := s.exchange(w, hello, roomy, 3, ages)
			c.WantError("the "+call, got, err)
			if f.wroteLate() {
				c.Fail("your code called Write after the %s that failed; an error ends the call", call)
			}
			w.wantUntimed()
			c.WantOpen("Exchange", w.peer.Conn())
			if err == errUnplugged {
				s.wantLetGo(w, kept)
			}
		}
	}
}

// laterErrors has Read fail when the call has waited in vain once, and when another datagram has come.
func (s suite) laterErrors(c *check.C) {
	for _, err := range []error{errUnplugged, syscall.ECONNREFUSED} {
		var w *wire
		var f *failing
		var got error
		for wait := short; ; wait *= 2 {
			c.Variation("a new connection; the first request is lost; behind the second one Read fails: %v", err)
			w = s.connect(c, func(i int, _ request) []datagram { // a Read may have begun before
				return []datagram{junk(long[:20], "20 other bytes")}[:min(i, 1)]
			})
			f = &failing{Conn: w.conn, call: "Read", err: err, from: 1}
			w.conn = f
			_, got = s.exchange(w, hello, roomy, 3, wait)
			ownTimer := w.peer.Conn().Did().Longest == 0 // which may have been over before that Read
			if ownTimer && wait < 16*short && (f.wroteLate() || !check.Is(got, err)) {
				continue
			}
			c.WantError("the Read", got, err)
			if f.wroteLate() {
				c.Fail("your code called Write after the Read that failed; an error ends the call")
			}
			break
		}
		w.wantUntimed()

		c.Variation("a new connection; another datagram comes, and then Read fails: %v", err)
		w = s.connect(c, func(int, request) []datagram { return []datagram{junk(long[:20], "20 other bytes")} })
		f = &failing{Conn: w.conn, call: "Read", err: err, pass: 1}
		w.conn = f
		_, got = s.exchange(w, hello, roomy, 3, ages)
		if !f.hasFailed() {
			continue // the other datagram has ended the call, which is another case
		}
		c.WantError("the Read", got, err)
		if f.wroteLate() {
			c.Fail("your code called Write after the Read that failed; an error ends the call")
		}
		w.wantUntimed()
	}
}

func (s suite) wantOneWrite(w *wire) {
	switch n := w.peer.Conn().Did().Writes; {
	case n == 0:
		w.c.Fail("your code did not call Write: whether conn takes a request is for Write to say, with its error")
	case n > 1:
		w.c.Fail("your code called Write %d times; an error ends the call", n)
	}
}

func (s suite) conversation(c *check.C) {
	c.Variation("a new connection; some requests are lost, some answers come twice or late")
	rng, fate := rand.New(
		rand.NewPCG(c.Seed(), 7),
	), rand.New(
		rand.NewPCG(c.Seed(), 8),
	) // fate is the peer's
	var old []datagram
	lost := 0
	w := s.connect(c, func(_ int, r request) (sent []datagram) {
		if len(old) > 0 && lost < 2 && fate.IntN(3) == 0 { // there comes something else
			lost++
			return old[len(old)-1:]
		}
		if len(old) > 0 && fate.IntN(2) == 0 {
			sent = append(sent, old[fate.IntN(len(old))])
		}
		sent = append(sent, reply(r, bytes.ToUpper(r.body)))
		old = append(old, sent[len(sent)-1])
		if fate.IntN(3) == 0 {
			sent = append(sent, sent[len(sent)-1])
		}
		return sent
	})
	var asked, answers [][]byte
	for call := range 70 {
		request := fmt.Appendf(nil, "%d %s", call, long[:rng.IntN(20)])
		if call >= 30 && call < 46 { // two of each length, for who has some buffers
			request = append(request, long[:100*(call/2-14)]...)
		}
		answer, err := s.exchange(w, request, roomy, plenty, 2*short)
		c.WantNil("Exchange", err)
		asked, answers = append(asked, request), append(answers, answer)
		for i, answer := range answers {
			c.WantBytes(
				fmt.Sprintf("the answer of call %d, looked at after call %d", i+1, call+1),
				answer,
				bytes.ToUpper(asked[i]),
			)
		}
	}
	c.Step("the suite appends a byte to each answer")
	for i := range answers {
		answers[i] = append(answers[i], byte(i))
	}
	for i, answer := range answers {
		c.WantBytes(
			fmt.Sprintf("the answer of call %d and its byte", i+1),
			answer,
			append(bytes.ToUpper(asked[i]), byte(i)),
		)
	}
	all := w.requests()

	c.Variation("a new connection; two calls with answers of 60000 bytes")
	w = s.connect(c, func(i int, r request) []datagram { return []datagram{reply(r, long[i:60_000+i])} })
	first, err := s.exchange(w, []byte("one"), largest, 3, ages)
	c.WantNil("Exchange", err)
	before := bytes.Clone(first) // whether all of it is there is another case
	_, err = s.exchange(w, []byte("two"), largest, 3, ages)
	c.WantNil("Exchange", err)
	c.WantBytes("the answer of call 1, looked at after call 2", first, before)

	ids := map[string]string{}
	for _, r := range all {
		if body, ok := ids[r.id]; ok && body != string(r.body) {
			c.Fail("two calls have the same id")
		}
		ids[r.id] = string(r.body)
	}
}
