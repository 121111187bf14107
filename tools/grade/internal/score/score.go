// Package score has what tools/grade knows of a graded answer, and the file that keeps it: every
// other output is derived from these rows.
package score

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"

	"socketbook/tools/check"
)

// Status is what became of one student's answer to one lab.
type Status string

// The statuses. Only Graded, NotStarted and Held rows can have points.
const (
	Graded         Status = "graded"
	NotStarted     Status = "not-started"      // the file is still the starter
	DoesNotCompile Status = "does-not-compile" // Output has the compiler's words
	TimedOut       Status = "timed-out"        // the suite did not finish
	Void           Status = "void"             // refused; a person has to look at it
	Missing        Status = "missing"          // nothing was handed in
	Held           Status = "held"             // left out of gradebooks: the roster says so; WouldBe is the rest
	GraderError    Status = "grader-error"     // this machine could not grade it; it has to be tried again
)

// Statuses are all of them, in the order in which they are listed.
var Statuses = []Status{
	Graded, NotStarted, DoesNotCompile, TimedOut, Void, Missing, Held, GraderError,
}

// Version is that of a row's format.
const Version = 1

// Case is what became of one case of a suite.
type Case struct {
	Case    string `json:"case"`
	Points  int    `json:"points"`
	Of      int    `json:"of"`
	Outcome string `json:"outcome"` // check.Passed, check.Failed, check.NotRun or check.Error
	Message string `json:"message"`
	Report  string `json:"report,omitempty"` // what a student reads about a failed case
}

// Row is what one student earned in one lab: a line of results.jsonl.
type Row struct {
	V       int     `json:"v"`
	Student string  `json:"student"`
	Lab     string  `json:"lab"` // "05"
	Points  int     `json:"points"`
	Of      int     `json:"of"`
	Status  Status  `json:"status"`
	Reason  string  `json:"reason"`  // one line: why it is not graded; "" for most
	Sandbox string  `json:"sandbox"` // in which it ran; "" if nothing ran
	Cases   []Case  `json:"cases"`
	WouldBe Status  `json:"would_be,omitempty"` // the status of a held row, if nobody had held it
	Output  string  `json:"output,omitempty"`   // the compiler's words
	Notes   string  `json:"notes,omitempty"`    // what is worth knowing about what was handed in
	Source  string  `json:"source,omitempty"`   // SHA-256 of the file that was handed in
	Format  string  `json:"format,omitempty"`   // SHA-256 of it after gofmt
	Suite   string  `json:"suite,omitempty"`    // which version of the suite graded it
	Seconds float64 `json:"seconds,omitempty"`  // wall time of the suite
}

// Key is what rows are sorted by, and what is unique in a file.
type Key struct{ Student, Lab string }

// Key returns the row's key.
func (r Row) Key() Key { return Key{r.Student, r.Lab} }

// Perfect reports whether nothing is missing.
func (r Row) Perfect() bool { return r.Of > 0 && r.Points == r.Of }

// Compare orders rows by student and lab, byte by byte.
func Compare(a, b Row) int {
	return cmp.Or(strings.Compare(a.Student, b.Student), strings.Compare(a.Lab, b.Lab))
}

// New is the row of an answer before anything has run: every case of the suite at 0. The total is the
// suite's.
func New(student string, lab check.Lab, suite string, status Status, reason string) Row {
	r := Row{
		V: Version, Student: student, Lab: lab.Number, Status: status, Reason: reason, Suite: suite,
	}
	for _, cs := range lab.Cases {
		r.Cases = append(r.Cases, Case{Case: cs.Name, Of: cs.Points, Outcome: check.NotRun, Message: reason})
		r.Of += cs.Points
	}
	return r
}

// Whole reports whether the row is one that New, Enter, End and Hold can make: it has one of the statuses,
// the points of the cases that have passed, and none if it was not graded.
func (r Row) Whole() bool {
	points, of := 0, 0
	for _, c := range r.Cases {
		if c.Of < 0 || c.Points != 0 && c.Outcome != check.Passed || c.Outcome == check.Passed && c.Points != c.Of {
			return false
		}
		points, of = points+c.Points, of+c.Of
	}
	status := r.Status
	if status == Held {
		status = r.WouldBe
	} else if r.WouldBe != "" {
		return false
	}
	if status == Held || !slices.Contains(Statuses, status) || points > 0 && status != Graded && status != NotStarted {
		return false
	}
	return r.Points == points && r.Of == of
}

// End gives the row a status that is about all of its cases: none has points.
func (r *Row) End(status Status, reason string) {
	r.Status, r.Reason, r.Points = status, reason, 0
	for i, c := range r.Cases {
		r.Cases[i] = Case{Case: c.Case, Of: c.Of, Outcome: check.NotRun, Message: reason}
	}
}

// Enter writes down what became of a case. A case that the suite does not have is not entered, and
// points beyond the suite's do not exist.
func (r *Row) Enter(name, outcome, message, report string) bool {
	i := slices.IndexFunc(r.Cases, func(c Case) bool { return c.Case == name })
	if i < 0 {
		return false
	}
	c := &r.Cases[i]
	c.Outcome, c.Message, c.Report = outcome, Cut(message, longestMessage), Cut(report, longestReport)
	if c.Points = 0; outcome == check.Passed {
		c.Points = c.Of
	}
	r.Points = 0
	for _, c := range r.Cases {
		r.Points += c.Points
	}
	return true
}

const (
	longestMessage = 2 << 10  // bytes of a case's message
	longestReport  = 16 << 10 // bytes of a case's report
	longestOutput  = 32 << 10 // bytes of what a compiler says
)

// Cut shortens a text to about most bytes, and says so in it.
func Cut(s string, most int) string {
	if len(s) <= most {
		return strings.ToValidUTF8(s, "\ufffd")
	}
	half := most / 2
	return strings.ToValidUTF8(fmt.Sprintf("%s\n… %d bytes are left out …\n%s",
		s[:half], len(s)-2*half, s[len(s)-half:]), "\ufffd")
}

// CutOutput is Cut for what a compiler says.
func CutOutput(s string) string { return Cut(strings.TrimSpace(s), longestOutput) }

// Hold makes a row of a student whose grades are held back.
func (r *Row) Hold() {
	if r.Status != Held {
		r.WouldBe, r.Status = r.Status, Held
	}
}

// Unhold undoes Hold.
func (r *Row) Unhold() {
	if r.Status == Held {
		r.Status, r.WouldBe = r.WouldBe, ""
	}
}

// Write writes rows as lines.
func Write(w io.Writer, rows []Row) error {
	for _, r := range rows {
		if err := Encode(w, r, ""); err != nil {
			return err
		}
	}
	return nil
}

// Encode writes v as JSON and a line end. What is not printable is escaped, beyond what JSON asks for:
// somebody may look at the file in a terminal.
func Encode(w io.Writer, v any, indent string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	for _, r := range b.String() {
		switch {
		case unicode.IsPrint(r) || r == '\n':
			out.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(out, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(out, `\u%04x\u%04x`, high, low)
		}
	}
	return out.Flush()
}

const longestLine = 8 << 20 // bytes of a row: ten cases with the longest reports have far fewer

// Plain makes a text fit for one line of a terminal or a report: what is not printable is written
// as Go does in strings, so that a name cannot move the cursor or hide what it says.
func Plain(s string) string { return plain(s, "") }

// PlainText is Plain for several lines.
func PlainText(s string) string { return plain(strings.ReplaceAll(s, "\r\n", "\n"), "\n\t") }

func plain(s, allowed string) string {
	ok := func(r rune) bool { return unicode.IsPrint(r) || strings.ContainsRune(allowed, r) }
	if strings.IndexFunc(s, func(r rune) bool { return !ok(r) || r == unicode.ReplacementChar }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if ok(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}
