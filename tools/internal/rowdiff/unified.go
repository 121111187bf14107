package rowdiff

import (
	"fmt"
	"strings"
)

// Unified writes the rows as the hunks of a unified diff, which `patch` and `git apply` accept below a
// pair of "---" and "+++" lines; "" when nothing differs. heading names what surrounds a line of the
// old text, for the reader: mostly a function; it may be nil.
//
// The format is GNU diff's: https://www.gnu.org/software/diffutils/manual/html_node/Detailed-Unified.html
func Unified(rows []Row, context int, heading func(oldLine int) string) string {
	var out strings.Builder
	for _, h := range hunksOf(rows, context) {
		writeHunk(&out, rows, h[0], h[1], heading)
	}
	return out.String()
}

// hunksOf returns the stretches of rows, from and to, that hold the differences with context equal rows
// around them.
func hunksOf(rows []Row, context int) [][2]int {
	if context < 0 {
		context = len(rows)
	}
	var hunks [][2]int
	for i, r := range rows {
		if r.Same() {
			continue
		}
		from, to := max(i-context, 0), min(i+1+context, len(rows))
		if n := len(hunks); n > 0 && from <= hunks[n-1][1] {
			hunks[n-1][1] = to
		} else {
			hunks = append(hunks, [2]int{from, to})
		}
	}
	return hunks
}

func writeHunk(out *strings.Builder, rows []Row, from, to int, heading func(int) string) {
	// A side without lines is numbered by the line before it.
	beforeOld, beforeNew := lastNumbers(rows[:from])
	oldLines, newLines := 0, 0
	for _, r := range rows[from:to] {
		oldLines += min(r.Old.Number, 1)
		newLines += min(r.New.Number, 1)
	}
	fmt.Fprintf(out, "@@ -%s +%s @@", extent(beforeOld, oldLines), extent(beforeNew, newLines))
	if heading != nil {
		if h := heading(beforeOld + 1); h != "" {
			out.WriteString(" " + h)
		}
	}
	out.WriteByte('\n')

	// Within a block, all that goes comes before all that is new.
	for i := from; i < to; {
		if rows[i].Same() {
			writeLine(out, ' ', rows[i].Old.Text)
			i++
			continue
		}
		end := i
		for end < to && !rows[end].Same() {
			end++
		}
		for _, r := range rows[i:end] {
			if r.Old.Number != 0 {
				writeLine(out, '-', r.Old.Text)
			}
		}
		for _, r := range rows[i:end] {
			if r.New.Number != 0 {
				writeLine(out, '+', r.New.Text)
			}
		}
		i = end
	}
}

// extent gives the lines of one side of a hunk as its header has them.
func extent(before, lines int) string {
	switch lines {
	case 0:
		return fmt.Sprintf("%d,0", before)
	case 1:
		return fmt.Sprint(before + 1)
	}
	return fmt.Sprintf("%d,%d", before+1, lines)
}

// lastNumbers returns the numbers of the last old and the last new line of rows; 0 where there is none.
func lastNumbers(rows []Row) (oldNumber, newNumber int) {
	for i := len(rows) - 1; i >= 0 && (oldNumber == 0 || newNumber == 0); i-- {
		oldNumber = max(oldNumber, rows[i].Old.Number)
		newNumber = max(newNumber, rows[i].New.Number)
	}
	return oldNumber, newNumber
}

func writeLine(out *strings.Builder, mark byte, text string) {
	out.WriteByte(mark)
	out.WriteString(text)
	if !strings.HasSuffix(text, "\n") {
		out.WriteString("\n\\ No newline at end of file\n")
	}
}
