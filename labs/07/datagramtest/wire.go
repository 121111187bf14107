package datagramtest

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

const idSize = 8 // bytes in front of every request and every answer

// wire is one UDP conversation, and what there is to tell about it: an id is called by the number
// of the first request that had it, because the ids themselves are random.
type wire struct {
	c    *check.C
	peer *fault.DatagramPeer
	conn net.Conn // the student's

	mu   sync.Mutex
	ids  []string
	last request
	log  []string
}

// request is a request as the suite has received it; id is shorter than 8 bytes if all of it is.
type request struct {
	id   string
	body []byte
}

func parse(datagram []byte) request {
	at := min(idSize, len(datagram))
	return request{string(datagram[:at]), datagram[at:]}
}

// datagram is what the suite sends, and how it is told.
type datagram struct {
	data []byte
	says string
}

// connect begins a conversation; script decides what each request is answered with, from what has
// been asked so far. Nothing is to be called on c in there.
func (s suite) connect(c *check.C, script func(i int, r request) []datagram) *wire {
	conn, peer := c.Datagrams()
	w := &wire{c: c, peer: peer, conn: conn}
	peer.Answer(func(i int, data []byte) (answers [][]byte) {
		r := parse(data)
		w.mu.Lock()
		if !slices.Contains(w.ids, r.id) {
			w.ids = append(w.ids, r.id)
		}
		w.last = r
		text := fmt.Sprintf("the suite received %s, and ", w.words(data))
		w.mu.Unlock()
		sent := script(i, r)
		if len(r.id) < idSize {
			sent, text = nil, text+"cannot answer: it is too short for an id"
		} else if len(sent) == 0 {
			text += "dropped it"
		} else {
			text += "sent " + w.list(sent)
		}
		for _, d := range sent {
			answers = append(answers, d.data)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.log = append(w.log, text)
		return answers
	})
	return w
}

// answering begins a conversation in which every request is answered with the same body.
func (s suite) answering(c *check.C, body []byte) *wire {
	w := s.connect(c, answered(body))
	c.Say("the suite answers each request with one datagram, at once")
	return w
}

// answered answers every request with the same body.
func answered(body []byte) func(int, request) []datagram {
	return func(_ int, r request) []datagram { return []datagram{reply(r, body)} }
}

func reply(r request, body []byte) datagram {
	return datagram{data: append([]byte(r.id), body...)}
}

// junk is no answer. says is how it is told.
func junk(data []byte, says string) datagram { return datagram{data, says} }

// words tells what is in a datagram whose id is known.
func (w *wire) words(data []byte) string {
	r := parse(data)
	if i := slices.Index(w.ids, r.id); i >= 0 && len(r.id) == idSize {
		return fmt.Sprintf("[id %d] %s", i+1, text(r.body))
	}
	return check.Bytes(data)
}

// list tells what is sent; the same several times in a row is one step.
func (w *wire) list(sent []datagram) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var parts []string
	times := 1
	for i, d := range sent {
		if d.says == "" {
			d.says = w.words(d.data)
		}
		sent[i].says = d.says
		if i > 0 && d.says == sent[i-1].says {
			times++
			parts[len(parts)-1] = fmt.Sprintf("%s (%d times)", d.says, times)
			continue
		}
		times = 1
		parts = append(parts, d.says)
	}
	return strings.Join(parts, ", then ")
}

// text shows a body: quoted when it is short text, "(nothing)", or its length.
func text(body []byte) string {
	switch {
	case len(body) == 0:
		return "(nothing)"
	case len(body) <= 24 && !slices.ContainsFunc(body, func(b byte) bool { return b < ' ' || b > '~' }):
		return fmt.Sprintf("%q", body)
	}
	return check.Bytes(body)
}

// requests returns the requests received so far.
func (w *wire) requests() (all []request) {
	for _, data := range w.peer.Requests() {
		all = append(all, parse(data))
	}
	return all
}

// behind is what follows a request in the caller's array: more than a datagram has room for.
var behind = bytes.Repeat([]byte("the caller's "), 6000)

// exchange calls the student's function, and records what went back and forth and what it returned.
func (s suite) exchange(
	w *wire,
	request []byte,
	limit, tries int,
	wait time.Duration,
) (answer []byte, err error) {
	what := fmt.Sprintf(
		"Exchange(conn, %s, limit %d, tries %d, wait %v)",
		text(request),
		limit,
		tries,
		wait,
	)
	lent := append(slices.Clone(request), behind...)
	w.c.Do(what, func() { answer, err = s.lab.Exchange(w.conn, lent[:len(request)], limit, tries, wait) })
	w.c.Await("what was sent to arrive", w.peer.Rested)
	w.tell()
	w.c.Step("%s returned %s, %s", what, text(answer), check.Err(err))
	before := append(slices.Clone(request), behind...)
	if !bytes.Equal(lent, before) {
		w.c.Rule(
			"request belongs to the caller: it is not changed, and neither is what follows it in its array.",
			"Put id and request into a slice of your own, made with make. append(request, …) and "+
				"slices.Insert write into the array behind it.",
		)
	}
	w.c.WantBytes(
		"the caller's request and what follows it in its array, which Exchange may not change",
		lent,
		before,
	)
	if err == nil { // otherwise the suite may have closed it
		w.c.WantOpen("Exchange", w.peer.Conn())
	}
	return answer, err
}

// tell records what has happened since it was last called.
func (w *wire) tell() {
	w.mu.Lock()
	log := w.log
	w.log = nil
	w.mu.Unlock()
	const most = 6 // on each side of a long list
	for i, line := range log {
		switch {
		case i < most || i >= len(log)-most:
			w.c.Step("%s", line)
		case i == most:
			w.c.Step("and so on, %d times", len(log)-2*most)
		}
	}
}
