package intake

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/unicode/norm"

	"socketbook/tools/grade/internal/score"
)

// The kinds of a roster: whose export it is.
const (
	Plain  = "plain"  // id,name,email and, if there is one, hold
	Canvas = "canvas" // Student, ID, SIS User ID, SIS Login ID, Section, …
	Moodle = "moodle" // Username, ID number, Email address, …
)

// Person is a student of the roster.
type Person struct {
	ID    string // under which the student appears everywhere
	Name  string
	Email string
	Hold  bool // grades are not to be handed out
	Row   int  // of Roster.Rows
	// Aliases are the other names that a submission may come under, without regard to case.
	Aliases []string
}

// Roster is a class list. Its cells are kept as they came, because Canvas and Moodle want them back so.
type Roster struct {
	Kind    string
	Text    []byte     // the file
	Comma   rune       // between its cells
	Rows    [][]string // all of them
	Header  int        // the row with the names of the columns; -1 if there is none
	Points  int        // Canvas's row "Points Possible"; -1 if there is none
	Column  map[string]int
	People  []Person // in the order of the rows
	Notices []string // rows that were passed over, and why
	byAlias map[string]int
}

// A roster of a university has some ten thousand rows.
const (
	longestRoster = 32 << 20 // bytes
	mostPeople    = 200_000
	mostNotices   = 100 // about rows
)

// ReadRoster reads a class list: Canvas's or Moodle's export, or id,name,email. It may be UTF-8, with a
// byte order mark or without, UTF-16 with one, or else GBK (GB18030), and its cells may be separated by
// commas, semicolons or tabs.
func ReadRoster(name string) (*Roster, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("reading the roster: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > longestRoster {
		return nil, fmt.Errorf("the roster %s is not a file of at most %d MiB", name, longestRoster>>20)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading the roster: %w", err)
	}
	r, err := ParseRoster(text)
	if err != nil {
		return nil, fmt.Errorf("the roster %s %w", name, err)
	}
	return r, nil
}

// ParseRoster reads a class list from a text.
func ParseRoster(text []byte) (*Roster, error) {
	plain := decode(text)
	if strings.Contains(plain, "\x00") {
		return nil, errors.New("has zero bytes and is no text; save it as CSV in UTF-8")
	}
	r := &Roster{
		Text: text, Kind: Plain, Header: -1, Points: -1, Column: map[string]int{}, byAlias: map[string]int{},
	}
	r.Comma = separator(plain)
	const end = "\x00end" // a row of its own, unless a quotation mark before it is not closed
	reader := csv.NewReader(strings.NewReader(plain + "\n" + end))
	reader.Comma, reader.FieldsPerRecord, reader.LazyQuotes = r.Comma, -1, true
	for len(r.Rows) < mostPeople {
		row, err := reader.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("is not a CSV file: %w", err)
		}
		last := row[len(row)-1]
		if last == end && len(row) == 1 {
			break
		}
		if strings.HasSuffix(last, end) {
			line, _ := reader.FieldPos(len(row) - 1)
			return nil, fmt.Errorf("has a quotation mark in line %d that is not closed: all that follows is one "+
				"cell", line)
		}
		r.Rows = append(r.Rows, row)
	}
	if r.findHeader(); r.Header < 0 {
		r.assumeColumns()
	}
	if _, ok := r.Column["id"]; !ok && len(r.Rows) > 0 {
		return nil, fmt.Errorf("has no column for the students' ids: its first row is %q; "+
			"name the columns id,name,email, or use the export of Canvas or Moodle as it is",
			score.Plain(strings.Join(r.Rows[max(r.Header, 0)], ",")))
	}
	for i, row := range r.Rows {
		r.read(i, row)
	}
	if len(r.People) == 0 {
		return nil, fmt.Errorf("names no students")
	}
	if more := len(r.Notices) - mostNotices; more > 0 {
		r.Notices = append(r.Notices[:mostNotices], fmt.Sprintf("%d more rows of the roster are passed over", more))
	}
	return r, nil
}

// decode makes UTF-8 of a text of unknown encoding, and line feeds of carriage returns, if these alone end its
// lines. It takes byte order marks off: two programs may have put one there.
func decode(text []byte) string {
	plain := utf8Of(text)
	if !strings.Contains(plain, "\n") {
		plain = strings.ReplaceAll(plain, "\r", "\n")
	}
	return plain
}

func utf8Of(text []byte) string {
	switch {
	case bytes.HasPrefix(text, []byte{0xff, 0xfe}), bytes.HasPrefix(text, []byte{0xfe, 0xff}):
		utf16 := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
		if plain, err := utf16.NewDecoder().Bytes(text); err == nil {
			return string(plain)
		}
	case utf8.Valid(text):
		return strings.TrimLeft(string(text), "\ufeff")
	}
	plain, _ := simplifiedchinese.GB18030.NewDecoder().Bytes(text) // never an error: U+FFFD instead
	return string(plain)
}

// separator is what the first line that has a separator has most of.
func separator(text string) rune {
	for line := range strings.Lines(text) {
		best, most := ',', 0
		for _, c := range ",;\t" {
			if n := strings.Count(line, string(c)); n > most {
				best, most = c, n
			}
		}
		if most > 0 {
			return best
		}
	}
	return ','
}

// columns are the names that a column goes by, in lower case. Moodle's depend on its language.
var columns = map[string][]string{
	"canvas id":   {"id"},
	"sis user id": {"sis user id"},
	"sis login":   {"sis login id"},
	"student":     {"student", "student name"},
	"section":     {"section"},
	"username":    {"username", "用户名", "使用者帳號"},
	"id number":   {"id number", "idnumber", "学号", "编号", "id號", "學號"},
	"first name":  {"first name", "firstname", "名", "名字"},
	"last name":   {"last name", "surname", "lastname", "姓", "姓氏"},
	"email":       {"email", "e-mail", "email address", "mail", "邮箱", "电子邮件", "电子邮件地址", "電子郵件信箱"},
	"id":          {"id", "student id", "student_id", "login", "学号", "學號"},
	"name":        {"name", "full name", "姓名", "名字", "full_name"},
	"hold":        {"hold", "held"},
	"identifier":  {"identifier", "标识符"}, // of Moodle's grading worksheet: "Participant 123"
}

// findHeader looks for the row that names the columns among the first few, and says whose it is.
func (r *Roster) findHeader() {
	for i, row := range r.Rows[:min(len(r.Rows), 10)] {
		at := func(what string) int {
			for _, name := range columns[what] {
				if j := slices.IndexFunc(row, func(cell string) bool {
					return strings.EqualFold(strings.TrimSpace(cell), name)
				}); j >= 0 {
					return j
				}
			}
			return -1
		}
		set := func(what string, from ...string) {
			for _, f := range from {
				if j := at(f); j >= 0 {
					r.Column[what] = j
					return
				}
			}
		}
		switch {
		case at("student") >= 0 && at("canvas id") >= 0 && at("section") >= 0:
			r.Kind = Canvas
			set("id", "canvas id")
			set("name", "student")
			set("sis user id", "sis user id")
			set("sis login", "sis login")
		case at("email") >= 0 && (at("first name") >= 0 || at("last name") >= 0 || at("username") >= 0 ||
			at("identifier") >= 0):
			r.Kind = Moodle
			set("id", "username", "email", "id number")
			set("username", "username")
			set("id number", "id number")
			set("email", "email")
			set("first name", "first name")
			set("last name", "last name")
			set("name", "name")
			set("identifier", "identifier")
		case at("id") >= 0:
			set("id", "id")
			set("name", "name")
			set("email", "email")
		default:
			continue
		}
		set("hold", "hold")
		r.Header = i
		return
	}
}

// assumeColumns takes a file without a header for id,name,email and hold.
func (r *Roster) assumeColumns() {
	if len(r.Rows) == 0 || len(r.Rows[0]) > 4 {
		return
	}
	for i, what := range []string{"id", "name", "email", "hold"} {
		if i < len(r.Rows[0]) {
			r.Column[what] = i
		}
	}
}

// cell returns the cell of a row in a column, or "".
func (r *Roster) cell(row []string, column string) string {
	if j, ok := r.Column[column]; ok && j < len(row) {
		return strings.TrimSpace(norm.NFC.String(row[j]))
	}
	return ""
}

var pointsPossible = regexp.MustCompile(`(?i)^\s*points possible\s*$`)

// read takes a person out of a row.
func (r *Roster) read(i int, row []string) {
	if i <= r.Header {
		return
	}
	if r.Kind == Canvas && len(row) > 0 && pointsPossible.MatchString(row[r.Column["name"]%len(row)]) {
		r.Points = i
		return
	}
	p := Person{Name: r.cell(row, "name"), Email: r.cell(row, "email"), Row: i}
	switch r.Kind {
	case Canvas:
		p.ID = r.cell(row, "id")
		p.Aliases = []string{r.cell(row, "sis login"), r.cell(row, "sis user id"), p.ID}
		if p.ID == "" && p.Aliases[0] == "" && p.Aliases[1] == "" {
			return // a row of Canvas's own, such as "Manual Posting"
		}
	case Moodle:
		if p.Name == "" {
			p.Name = strings.TrimSpace(r.cell(row, "first name") + " " + r.cell(row, "last name"))
		}
		p.Aliases = []string{r.cell(row, "username"), r.cell(row, "id number"), p.Email, p.Name}
		if m := participant.FindString(r.cell(row, "identifier")); m != "" {
			p.Aliases = append(p.Aliases, "participant "+m)
		}
	default:
		p.Aliases = []string{r.cell(row, "id"), p.Email}
	}
	p.Aliases = slices.DeleteFunc(p.Aliases, func(s string) bool { return s == "" })
	if len(p.Aliases) == 0 {
		if strings.TrimSpace(strings.Join(row, "")) != "" {
			r.Notices = append(r.Notices, fmt.Sprintf("row %d of the roster has no id and is passed over", i+1))
		}
		return
	}
	p.ID = p.Aliases[0]
	switch strings.ToLower(r.cell(row, "hold")) {
	case "", "0", "no", "n", "false", "-", "否":
	default:
		p.Hold = true
	}
	if k, known := r.byAlias[fold(p.ID)]; known && fold(r.People[k].ID) == fold(p.ID) {
		r.Notices = append(r.Notices, fmt.Sprintf(
			"%s is in the roster twice; row %d is passed over", score.Plain(p.ID), i+1))
		return
	}
	r.People = append(r.People, p)
	for _, alias := range p.Aliases {
		if k, known := r.byAlias[fold(alias)]; known && k != len(r.People)-1 {
			r.byAlias[fold(alias)] = -1 // two students share it: it names neither
		} else {
			r.byAlias[fold(alias)] = len(r.People) - 1
		}
	}
	r.byAlias[fold(p.ID)] = len(r.People) - 1
}

var participant = regexp.MustCompile(`\d+$`)

// fold makes names equal that differ in case or in how accents are written.
func fold(s string) string { return strings.ToLower(norm.NFC.String(strings.TrimSpace(s))) }

// Find returns the person that a name stands for.
func (r *Roster) Find(name string) (Person, bool) {
	if r == nil {
		return Person{}, false
	}
	if i, ok := r.byAlias[fold(name)]; ok && i >= 0 {
		return r.People[i], true
	}
	return Person{}, false
}
