package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
	"golang.org/x/text/width"

	"socketbook/tools/grade/internal/score"
)

// meter shows how far a run is: a bar on a terminal, else a line for each submission.
type meter struct {
	to       io.Writer
	rows     io.Writer // gets the rows as JSON lines; nil without -json
	failed   error     // of the first of these that could not be written
	bar      bool
	columns  int
	total    int
	began    time.Time
	noTimes  bool
	mu       sync.Mutex
	done     int
	inHand   []string
	lastDraw time.Time
}

func newMeter(r *run, total int) *meter {
	p := &meter{to: r.out, total: total, began: time.Now(), noTimes: r.noTimes}
	if r.json {
		p.to, p.rows = r.errs, r.out
	}
	if f, ok := p.to.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 30 {
			p.bar, p.columns = true, columns
		}
	}
	return p
}

// begin says that a submission is being graded.
func (p *meter) begin(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inHand = append(p.inHand, id)
	p.draw(false)
}

// add says that it was.
func (p *meter) add(rows []score.Row) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	id := rows[0].Student
	if i := slices.Index(p.inHand, id); i >= 0 {
		p.inHand = slices.Delete(p.inHand, i, i+1)
	}
	if p.rows != nil && p.failed == nil {
		p.failed = score.Write(p.rows, rows)
	}
	if p.bar {
		p.draw(p.done == p.total)
		return
	}
	points, of, seconds := 0, 0, 0.0
	var notes []string
	for _, row := range rows {
		points, of, seconds = points+row.Points, of+row.Of, seconds+row.Seconds
		if row.Status != score.Graded {
			notes = append(notes, fmt.Sprintf("%s %s", row.Lab, row.Status))
		}
	}
	line := fmt.Sprintf(
		"%*d/%d  %s  %d/%d",
		len(fmt.Sprint(p.total)),
		p.done,
		p.total,
		score.Plain(id),
		points,
		of,
	)
	if len(notes) > 0 {
		line += "  " + strings.Join(notes, ", ")
	}
	if !p.noTimes {
		line += fmt.Sprintf("  %.1f s", seconds)
	}
	fmt.Fprintln(p.to, line)
}

const redraw = 100 * time.Millisecond // a terminal far away is not flooded

// draw writes the bar over itself.
func (p *meter) draw(last bool) {
	if !p.bar || time.Since(p.lastDraw) < redraw && !last {
		return
	}
	p.lastDraw = time.Now()
	const cells = 20
	full := p.done * cells / p.total
	left := ""
	if p.done > 0 && p.done < p.total {
		each := time.Since(p.began) / time.Duration(p.done)
		left = fmt.Sprintf(", %v left", (each * time.Duration(p.total-p.done)).Round(time.Second))
	}
	line := fmt.Sprintf("[%s%s] %d/%d%s  %s", strings.Repeat("#", full), strings.Repeat(".", cells-full),
		p.done, p.total, left, score.Plain(strings.Join(p.inHand, ", ")))
	fmt.Fprintf(p.to, "\r\x1b[K%s", cutToWidth(line, p.columns-1))
}

// cutToWidth shortens a line to so many columns. The course's library for that is not used: what it
// does when a program starts takes longer than all else, and the sandbox starts this program again
// for every command.
func cutToWidth(line string, columns int) string {
	for i, r := range line {
		columns--
		if kind := width.LookupRune(r).Kind(); kind == width.EastAsianWide || kind == width.EastAsianFullwidth {
			columns--
		}
		if columns < 0 {
			return line[:i]
		}
	}
	return line
}

// end takes the bar away.
func (p *meter) end() {
	if p.bar {
		fmt.Fprint(p.to, "\r\x1b[K")
	}
}
