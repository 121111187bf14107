package timeline

import (
	"io"
	"sync"
	"time"
)

// Stream writes each event as a line of JSON when its call returns, and a line without us_end, n and
// err for a call that still blocks after 10 ms; the line of its return has the same seq. Lines are
// written by a goroutine, so that w holds up nobody whose calls are recorded. The caller calls stop
// once; it writes what is left and returns the first error of w, after which nothing is written.
func (r *Recorder) Stream(w io.Writer) (stop func() error) {
	s := &stream{r: r, w: w, over: make(chan struct{}), told: map[int]bool{}}
	var running sync.WaitGroup
	running.Go(s.run)
	return func() error {
		close(s.over)
		running.Wait()
		s.write()
		return s.err
	}
}

type stream struct {
	r       *Recorder
	w       io.Writer
	over    chan struct{}
	written int          // how many of the recorder's returns
	looked  int          // how many of its calls have returned, or have a line that says they block
	told    map[int]bool // seq of calls that have such a line, and have not returned
	err     error
}

func (s *stream) run() {
	for s.err == nil {
		next := s.write()
		select {
		case <-s.over:
			return
		case <-next.change:
		case <-next.start:
		case <-next.due:
		}
	}
}

// next is what a stream waits for: the next return, and the moment when a call that blocks now is
// worth a line or, if none blocks, the next begin.
type next struct {
	change, start <-chan struct{}
	due           <-chan time.Time
}

// write writes what has happened since it was last called.
func (s *stream) write() next {
	entries, next := s.take()
	if s.err == nil {
		s.err = WriteJSON(s.w, s.r.previewed(entries))
	}
	return next
}

// take copies what is new.
func (s *stream) take() (lines []entry, next next) {
	r := s.r
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range r.returned[s.written:] {
		e := *r.events.at(i)
		if e.Err != closedHere || s.told[e.Seq] { // who read that it blocks has to read that it is over
			lines = append(lines, e)
		}
		delete(s.told, e.Seq)
	}
	s.written = len(r.returned)
	next.change = waitFor(&r.changed)
	for now := r.now(); s.looked < r.events.len; s.looked++ {
		e := *r.events.at(s.looked)
		if !e.blocks() {
			continue
		}
		if left := e.US + slow - now; left > 0 { // those that began later have longer
			next.due = time.After(time.Duration(left) * time.Microsecond)
			return lines, next
		}
		s.told[e.Seq] = true
		lines = append(lines, e)
	}
	next.start = waitFor(&r.started)
	return lines, next
}
