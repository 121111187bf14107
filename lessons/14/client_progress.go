package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// progress shows how much of a file has been transferred: a bar on a terminal, elsewhere a line per 10 %.
// It counts what is written to it. nil shows nothing.
type progress struct {
	what        string    // put or get, and the name
	out         io.Writer // for lines
	terminal    *os.File  // for the bar; nil: there is none
	done, total int64     // bytes
	shown       int64     // percent
}

// of returns where to write the payload that follows h.
func (p *progress) of(h header) io.Writer {
	if p == nil {
		return io.Discard
	}
	p.done, p.total = h.Offset, h.TotalSize
	if h.Offset > 0 {
		fmt.Fprintf(p.out, "%s: goes on at %d of %d bytes\n", p.what, h.Offset, h.TotalSize)
		p.shown = p.percent()
	}
	return p
}

func (p *progress) Write(b []byte) (int, error) {
	p.done += int64(len(b))
	now := p.percent()
	switch {
	case p.terminal != nil && now > p.shown:
		p.shown = now
		bar := strings.Repeat("#", int(now/5)) + strings.Repeat(" ", 20-int(now/5))
		fmt.Fprintf(p.terminal, "\r[%s] %3d %%  %.20s", bar, now, p.what)
	case p.terminal == nil && now/10 > p.shown/10 && now < 100: // that it is done will be printed
		p.shown = now
		fmt.Fprintf(p.out, "%s: %d %%\n", p.what, now/10*10)
	}
	return len(b), nil
}

func (p *progress) percent() int64 {
	if p.total == 0 {
		return 100
	}
	return p.done * 100 / p.total
}

// end takes the bar away.
func (p *progress) end() {
	if p.terminal != nil && p.shown > 0 {
		fmt.Fprintf(p.terminal, "\r%s\r", strings.Repeat(" ", 72))
	}
}
