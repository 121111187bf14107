package book

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"

	"socketbook/tools/check"
	"socketbook/tools/grade/internal/score"
)

// suite is made up: the formats do not know the labs.
func suite(number string) check.Lab {
	return check.Lab{Number: number, File: "framing.go", Cases: []check.Case{
		{Name: "a message is read back", Points: 3},
		{Name: "the end, between two messages, is io.EOF", Points: 5},
		{
			Name:   "a conversation of many messages comes through as it was sent, whatever the pieces, and the end of it is seen by both",
			Points: 2,
		},
	}}
}

// nasty are ids, names and prints that somebody may have.
var nasty = []string{
	"ada", "李雷", `O'Neil "Quotes" <b>`, "=cmd|' /C calc'!A0", "+1", "-1", "@here", "a,b;c\td",
	"esc\x1b[31mred\x1b]0;x\a",
	"nul\x00byte", "bidi\u202egpj.exe", "../../etc/passwd", "con", "]]>&lt;", "line\r\nbreak", "\ufeffbom",
	"…\u0301é",
	"`code` **bold** | pipe", "::error::x", "</script><script>alert(1)</script>", "x.y.z", "%2e%2e", "A B",
	"\U0001f469\u200d\U0001f4bb",
	strings.Repeat("很长", 100), "\u2028ls",
}

// made is a class of made-up results, with a roster or without.
func made(t testing.TB, roster string) (dir string, rows []score.Row) {
	t.Helper()
	dir = t.TempDir()
	b := Batch{Seed: 1, Shard: 1, Of: 1, NoTimes: true, Notices: []string{"x \x1b[2J is passed over"}}
	if roster != "" {
		b.Roster = []byte(roster)
	}
	for _, number := range []string{"05", "07"} {
		l := Lab{Number: number, Title: "a title", Suite: "abc"}
		for _, cs := range suite(number).Cases {
			l.Cases = append(l.Cases, BatchCase{cs.Name, cs.Points})
		}
		b.Labs = append(b.Labs, l)
	}
	for i, id := range nasty {
		for _, number := range []string{"05", "07"} {
			lab := suite(number)
			row := score.New(id, lab, "abc", score.Graded, "")
			row.Sandbox = "namespaces"
			row.Notes = "1 other file is ignored: " + score.Plain(nasty[(i+3)%len(nasty)])
			row.Source, row.Format = "s", fmt.Sprint("f", i/2)
			row.Enter(lab.Cases[0].Name, check.Passed, "", "")
			row.Enter(
				lab.Cases[1].Name,
				check.Failed,
				nasty[(i+1)%len(nasty)],
				"1. sent\n```\n"+nasty[(i+1)%len(nasty)],
			)
			row.Enter(lab.Cases[2].Name, check.NotRun, "not run because it failed", "")
			switch i {
			case 1:
				row.End(score.DoesNotCompile, "framing.go does not compile")
				row.Output = "# socketbook/labs/05\nframing.go:1:1: \x1b]0;x\a" + strings.Repeat("no ", 1<<18)
				row.Output = score.CutOutput(row.Output)
			case 2:
				row.End(score.Void, "framing.go:7: an import of net/http")
			case 3:
				row.End(score.Missing, "nothing was handed in")
			case 4:
				row.End(score.GraderError, "no loopback")
			case 5:
				row.Hold()
			case 6:
				row.Enter(lab.Cases[1].Name, check.Failed, "printed a lot", strings.Repeat("print\x1b[31m\x00", 1<<20/11))
			case 7:
				row.Enter(lab.Cases[1].Name, check.Passed, "", "")
				row.Enter(lab.Cases[2].Name, check.Passed, "", "")
			}
			rows = append(rows, row)
		}
	}
	name := filepath.Join(dir, "journal")
	f, err := os.Create(name)
	require.NoError(t, err)
	require.NoError(t, score.Write(f, rows))
	require.NoError(t, f.Close())
	x := score.NewIndex()
	defer x.Close()
	torn, err := x.Add(name, score.Newer)
	require.NoError(t, err)
	require.Zero(t, torn)
	require.NoError(t, b.Save(dir))
	require.NoError(t, Write(dir, b, x))
	slices.SortFunc(rows, score.Compare)
	return dir, rows
}

func read(t testing.TB, dir string, name ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{dir}, name...)...))
	require.NoError(t, err)
	return text
}

// printable fails if a text could control a terminal.
func printable(t testing.TB, what string, text []byte) {
	t.Helper()
	require.True(t, utf8.Valid(text), what)
	require.NotRegexp(
		t,
		"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u0080-\u009f\u202a-\u202e\u2066-\u2069]",
		string(text),
		what,
	)
}

func TestResults(t *testing.T) {
	dir, rows := made(t, "")
	var got []score.Row
	printable(t, "results.jsonl", read(t, dir, "results.jsonl"))
	lines := bufio.NewScanner(bytes.NewReader(read(t, dir, "results.jsonl")))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var keys map[string]any
		require.NoError(t, json.Unmarshal(lines.Bytes(), &keys))
		for _, key := range []string{
			"v", "student", "lab", "points", "of", "status", "reason", "sandbox",
			"cases",
		} {
			require.Contains(t, keys, key)
		}
		var row score.Row
		require.NoError(t, json.Unmarshal(lines.Bytes(), &row))
		total, of := 0, 0
		for _, c := range row.Cases {
			total, of = total+c.Points, of+c.Of
		}
		require.Equal(t, []int{total, of}, []int{row.Points, row.Of})
		require.Equal(t, 10, row.Of, "the total is the suite's, whatever was reported")
		got = append(got, row)
	}
	require.NoError(t, lines.Err())
	require.Equal(t, rows, got)
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// Gradescope's results.json, from its specification of autograders.
func TestGradescope(t *testing.T) {
	dir, rows := made(t, "")
	files, err := os.ReadDir(filepath.Join(dir, "gradescope"))
	require.NoError(t, err)
	require.Len(t, files, len(nasty))
	for _, id := range nasty {
		text := read(t, dir, "gradescope", score.FileName(id)+".json")
		var result struct {
			Score  *float64 `json:"score"`
			Output *string  `json:"output"`
			Tests  []struct {
				Score        *float64 `json:"score"`
				MaxScore     *float64 `json:"max_score"`
				Status       string   `json:"status"`
				Name         string   `json:"name"`
				Number       string   `json:"number"`
				Output       string   `json:"output"`
				OutputFormat string   `json:"output_format"`
			} `json:"tests"`
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		require.NoError(t, d.Decode(&result))
		require.Equal(t, id == nasty[2], result.Score != nil, "a score of the whole only for void")
		require.Len(t, result.Tests, 6)
		total, numbers := 0.0, map[string]bool{}
		for _, one := range result.Tests {
			require.NotNil(t, one.Score)
			require.NotNil(t, one.MaxScore)
			require.Contains(t, []string{"passed", "failed"}, one.Status)
			require.Equal(t, one.Status == "passed", *one.Score == *one.MaxScore)
			require.Equal(t, "text", one.OutputFormat)
			require.Regexp(t, `^\d+\.\d+$`, one.Number)
			printable(t, one.Name, []byte(one.Output+one.Name))
			numbers[one.Number] = true
			total += *one.Score
		}
		require.Len(t, numbers, 6)
		points := 0
		for _, row := range rows {
			if row.Student == id {
				points += row.Points
			}
		}
		require.Equal(t, float64(points), total)
		require.Less(t, len(text), 200<<10)
	}
}

// What was held says what it would be, and one void lab does not take the points of another.
func TestHeldAndVoid(t *testing.T) {
	dir := t.TempDir()
	for status, says := range map[score.Status]string{
		score.Graded:         "held: in no gradebook",
		score.NotStarted:     "not started: the file is still the starter; held: in no gradebook",
		score.Void:           "not graded, for a person to look at: an import; held: in no gradebook",
		score.DoesNotCompile: "an import; held: in no gradebook",
		score.GraderError: "not graded yet, because the grading machine failed: an import; held: in no " +
			"gradebook",
	} {
		row := score.New("ada", suite("05"), "abc", status, "an import")
		if status == score.Graded {
			row.Reason = ""
		}
		row.Hold()
		other := score.New("ada", suite("07"), "abc", score.Graded, "")
		other.Enter(suite("07").Cases[0].Name, check.Passed, "", "")
		other.Hold()
		c := &class{dir: dir}
		for _, o := range []output{newFeedback(c), newGradescope(c)} {
			require.NoError(t, o.add(student{id: "ada", rows: []score.Row{row, other}}))
			require.NoError(t, o.close())
		}
		lab05, lab07, _ := strings.Cut(string(read(t, dir, "feedback", "ada.md")), "## Lab 07")
		require.Contains(t, lab05, "\n\n"+says+"\n\n", status)
		require.Equal(t, status == score.Graded, strings.Contains(lab05, "read back: **0 of 3**"), status)
		require.Contains(t, lab07, "read back: 3 of 3")
		var result map[string]any
		require.NoError(t, json.Unmarshal(read(t, dir, "gradescope", "ada.json"), &result))
		require.NotContains(t, result, "score", status)
		require.Contains(t, result["output"], says)
	}
}

// Classroom 50's result.json: every field, and the identity from the environment.
func TestClassroom50(t *testing.T) {
	for name, value := range map[string]string{
		"CLASSROOM": "net", "ASSIGNMENT": "labs", "SUBMISSION_TAG": "submit/1", "COMMIT_URL": "https://c",
		"RELEASE_URL": "https://r", "USERNAME": "",
	} {
		t.Setenv(name, value)
	}
	dir, rows := made(t, "")
	for _, id := range nasty {
		var result map[string]any
		require.NoError(t, json.Unmarshal(read(t, dir, "classroom50", score.FileName(id)+".json"), &result))
		points, tests := 0.0, result["tests"].([]any)
		for _, row := range rows {
			if row.Student == id {
				points += float64(row.Points)
			}
		}
		delete(result, "tests")
		require.Equal(t, map[string]any{
			"schema": "classroom50/result/v1", "classroom": "net", "assignment": "labs", "usernames": []any{id},
			"submission": "submit/1", "commit": "https://c", "release": "https://r", "review": "https://c",
			"datetime": "1970-01-01T00:00:00Z", "score": points, "max-score": 20.0,
		}, result)
		names := map[string]bool{}
		for _, one := range tests {
			fields := one.(map[string]any)
			require.Len(t, fields, 4)
			name := fields["test-name"].(string)
			require.LessOrEqual(t, len(name), 100)
			require.True(t, utf8.ValidString(name))
			names[name] = true
			for _, number := range []string{"score", "max-score"} {
				n := fields[number].(float64)
				require.Equal(t, n, float64(int(n)), "an integer")
			}
			require.Equal(t, fields["passed"], fields["score"] == fields["max-score"])
		}
		require.Len(t, names, 6)
	}
	t.Setenv("USERNAME", "octo")
	dir, _ = made(t, "")
	require.Contains(t, string(read(t, dir, "classroom50", "ada.json")), `"octo"`)
	t.Setenv("CLASSROOM", "")
	dir, _ = made(t, "")
	require.NotContains(t, string(read(t, dir, "classroom50", "ada.json")), "octo", "Windows sets USERNAME, too")
}

// JUnit as Jenkins' junit-10.xsd has it: which element holds which, and which attributes an element may have
// and must have.
func TestJUnit(t *testing.T) {
	dir, rows := made(t, "")
	text := read(t, dir, "junit.xml")
	printable(t, "junit.xml", text)
	type rule struct{ parents, attributes, required []string }
	rules := map[string]rule{
		"testsuites": {[]string{""}, []string{"name", "time", "tests", "failures", "errors"}, nil},
		"testsuite": {
			[]string{"testsuites"},
			[]string{
				"name",
				"tests",
				"failures",
				"errors",
				"group",
				"time",
				"skipped",
				"timestamp",
				"hostname",
				"id",
				"package",
				"file",
				"log",
				"url",
			},
			[]string{"name", "tests", "failures", "errors"},
		},
		"properties": {[]string{"testsuite"}, nil, nil},
		"property":   {[]string{"properties"}, []string{"name", "value"}, []string{"name", "value"}},
		"testcase": {
			[]string{"testsuite"},
			[]string{"name", "time", "classname", "group"},
			[]string{"name", "classname"},
		},
		"failure": {[]string{"testcase"}, []string{"type", "message"}, []string{"message"}},
		"error":   {[]string{"testcase"}, []string{"type", "message"}, []string{"message"}},
		"skipped": {[]string{"testcase"}, []string{"type", "message"}, []string{"message"}},
	}
	surefire := regexp.MustCompile(`^(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?$`)
	d := xml.NewDecoder(bytes.NewReader(text))
	var open []string
	cases, suites := map[string]bool{}, map[string]bool{}
	var counts, said map[string]int
	points := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		switch e := token.(type) {
		case xml.StartElement:
			r, known := rules[e.Name.Local]
			require.True(t, known, e.Name.Local)
			parent := ""
			if len(open) > 0 {
				parent = open[len(open)-1]
			}
			require.Contains(t, r.parents, parent)
			open = append(open, e.Name.Local)
			has := map[string]string{}
			for _, a := range e.Attr {
				require.Contains(t, r.attributes, a.Name.Local)
				require.NotContains(t, has, a.Name.Local)
				has[a.Name.Local] = a.Value
			}
			for _, name := range r.required {
				require.Contains(t, has, name, e.Name.Local)
			}
			switch e.Name.Local {
			case "testsuite":
				require.NotContains(t, suites, has["name"])
				suites[has["name"]] = true
				require.Regexp(t, `(?s)^socketbook\.[^.]+\.lab0[57]$`, has["name"])
				require.Regexp(t, surefire, has["time"])
				counts, said = map[string]int{}, map[string]int{}
				for _, name := range []string{"tests", "failures", "errors", "skipped"} {
					said[name], err = strconv.Atoi(has[name])
					require.NoError(t, err)
				}
			case "property":
				if earned, _, ok := strings.Cut(has["value"], "/"); ok && has["name"] != "points" {
					n, err := strconv.Atoi(earned)
					require.NoError(t, err)
					points += n
				}
			case "testcase":
				key := has["classname"] + "\x00" + has["name"]
				require.NotContains(t, cases, key, "unique in its class")
				cases[key] = true
				counts["tests"]++
			case "failure":
				counts["failures"]++
			case "error":
				counts["errors"]++
			case "skipped":
				counts["skipped"]++
			}
		case xml.EndElement:
			open = open[:len(open)-1]
			if e.Name.Local == "testsuite" {
				for name, n := range said {
					require.Equal(t, counts[name], n, name)
				}
			}
		}
	}
	require.Len(t, suites, len(rows))
	require.Len(t, cases, 3*len(rows))
	want := 0
	for _, row := range rows {
		want += row.Points
	}
	require.Equal(t, want, points)
}

// table reads a CSV file as spreadsheets do, with a byte order mark and CRLF.
func table(t testing.TB, text []byte) [][]string {
	t.Helper()
	require.True(t, bytes.HasPrefix(text, []byte(bom)))
	require.Equal(t, bytes.Count(text, []byte("\n")), bytes.Count(text, []byte("\r\n")))
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte(bom))))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	require.NoError(t, err)
	return rows
}

func TestGradesCSV(t *testing.T) {
	dir, rows := made(t, "")
	text := read(t, dir, "grades.csv")
	printable(t, "grades.csv", text)
	got := table(t, text)
	require.Equal(t, []string{"id", "name", "email", "Lab 05", "Lab 07", "total", "of", "notes"}, got[0])
	require.Len(t, got, len(nasty), "a header, and everybody who is not held")
	byID := map[string][]string{}
	for _, row := range got[1:] {
		for _, cell := range row {
			require.NotRegexp(t, "^[=+\\-@\t\r]", cell, "a formula")
		}
		byID[row[0]] = row
	}
	require.NotContains(t, byID, "'-1", "held")
	require.Equal(t, []string{
		"'=cmd|' /C calc'!A0", "", "", "0", "0", "0", "20",
		"lab 05 missing; lab 07 missing; the id begins like a formula and has an apostrophe in front here",
	},
		byID["'=cmd|' /C calc'!A0"])
	require.Equal(
		t,
		[]string{"'+1", "", "", "", "", "", "20"},
		byID["'+1"][:7],
		"a grader's error is not 0 points",
	)
	require.Equal(t, []string{"ada", "", "", "3", "3", "6", "20", ""}, byID["ada"])
	for _, row := range rows {
		if row.Student == `a,b;c`+"\td" {
			require.Equal(t, 10, row.Points)
		}
	}
}

func TestCanvas(t *testing.T) {
	roster := "Student,ID,SIS User ID,SIS Login ID,Section,\"Lab 05 (1234)\",Quiz (9)\r\n" +
		",,,,,Manual Posting,\r\n    Points Possible,,,,,10,100\r\n" +
		"\"Lovelace, Ada\",1,u1,ada,=S1,9,88\r\n李雷,2,u2,李雷,S1,,\r\n\"Held, H\",3,u3,-1,S1,4,\r\nNobody,4,u4,nobody,S1,,7\r\nError,5,u5,+1,S1,3,\r\n\"Student, Test\",6,,,S1,,\r\n"
	dir, _ := made(t, roster)
	require.Equal(t, [][]string{
		{"Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Lab 05 (1234)", "Quiz (9)", "Lab 07"},
		{"", "", "", "", "", "Manual Posting", ""},
		{"    Points Possible", "", "", "", "", "10", "100", "10"},
		{"Lovelace, Ada", "1", "u1", "ada", "=S1", "3", "88", "3"},
		{"李雷", "2", "u2", "李雷", "S1", "0", "", "0"},
		{"Held, H", "3", "u3", "-1", "S1", "4", ""},
		{"Nobody", "4", "u4", "nobody", "S1", "", "7"},
		{"Error", "5", "u5", "+1", "S1", "3", ""},
		{"Student, Test", "6", "", "", "S1", "", ""},
	}, table(t, read(t, dir, "canvas.csv")))
	require.NoFileExists(t, filepath.Join(dir, "moodle.csv"))
	require.Contains(t, string(read(t, dir, "grades.csv")), "not in the roster")
}

func TestLabColumn(t *testing.T) {
	for header, want := range map[string]int{
		"Student,Lab 05 quiz (7),Lab 05 (12)":                            2,
		"Student,Lab 05 quiz (7),lab 5":                                  2,
		"Name,Quiz: Lab 05 rules (Real),Assignment: Lab 05 (Real)":       2,
		"Name,Assignment: Lab 05 (Real),Assignment: Lab 05 (Percentage)": 1,
		"Student,Lab 15 (1),Lab 05 framing (12)":                         2,
		"Student,Prelab 05 (1),Lab 050 (2)":                              -1,
	} {
		require.Equal(t, want, labColumn(strings.Split(header, ","), "05"), header)
	}
}

func TestMoodle(t *testing.T) {
	roster := "First name,Last name,Username,ID number,Email address,Assignment: Lab 05 (Real)\n" +
		"Ada,Lovelace,ada,7,ada@x.org,-\n雷,李,李雷,8,li@x.org,-\n"
	dir, _ := made(t, roster)
	require.Equal(t, [][]string{
		{
			"First name",
			"Last name",
			"Username",
			"ID number",
			"Email address",
			"Assignment: Lab 05 (Real)",
			"Lab 07",
		},
		{"Ada", "Lovelace", "ada", "7", "ada@x.org", "3", "3"},
		{"雷", "李", "李雷", "8", "li@x.org", "0", "0"},
	}, table(t, read(t, dir, "moodle.csv")))
}

// Feedback and summary are Markdown in which nothing of a student's is markup.
func TestMarkdown(t *testing.T) {
	dir, _ := made(t, "id,name\nada,<i>Ada</i> [x](http://evil)\n")
	md := goldmark.New(goldmark.WithExtensions(extension.GFM))
	html := func(text []byte) string {
		var b bytes.Buffer
		require.NoError(t, md.Convert(text, &b))
		return b.String()
	}
	tags := regexp.MustCompile(`<[^>]*>`)
	allowed := regexp.MustCompile(
		`^</?(h1|h2|h3|p|ul|li|pre|strong|table|thead|tbody|tr|th|td|code)( class="language-text"| style="text-align:right"| align="right")?>$`,
	)
	for _, id := range nasty {
		text := read(t, dir, "feedback", score.FileName(id)+".md")
		printable(t, id, text)
		require.Less(t, len(text), 200<<10)
		for _, tag := range tags.FindAllString(html(text), -1) {
			require.Regexp(t, allowed, tag, "%q", id)
		}
	}
	text := read(t, dir, "summary.md")
	printable(t, "summary.md", text)
	for _, tag := range tags.FindAllString(html(text), -1) {
		require.Regexp(t, allowed, tag)
	}
	ada := html(read(t, dir, "feedback", "ada.md"))
	require.Contains(t, ada, "<h1>ada (&lt;i&gt;Ada&lt;/i&gt; [x](http://evil)): 6 of 20 points</h1>")
}

// The names of cases come from a file, too: another suite's, or what somebody has written into it.
func TestOddCase(t *testing.T) {
	dir := t.TempDir()
	row := score.New("ada", suite("05"), "abc", score.Graded, "")
	odd := "x\x1b]0;x\a <b>"
	row.Cases = append(row.Cases, score.Case{Case: odd, Outcome: check.Failed, Message: "no", Report: odd})
	name := filepath.Join(dir, "journal")
	f, err := os.Create(name)
	require.NoError(t, err)
	require.NoError(t, score.Write(f, []score.Row{row}))
	require.NoError(t, f.Close())
	x := score.NewIndex()
	defer x.Close()
	_, err = x.Add(name, score.Newer)
	require.NoError(t, err)
	b := Batch{Seed: 1, Shard: 1, Of: 1, NoTimes: true, Labs: []Lab{{Number: "05", Title: "a title", Suite: "abc"}}}
	require.NoError(t, b.Save(dir))
	require.NoError(t, Write(dir, b, x))
	for _, name := range []string{
		"summary.html", "summary.md", "results.jsonl", "grades.csv", "junit.xml", "feedback/ada.md",
		"gradescope/ada.json", "classroom50/ada.json",
	} {
		text := read(t, dir, name)
		require.NotContains(t, string(text), "\x1b", name)
		printable(t, name, text)
	}
	require.Contains(t, string(read(t, dir, "summary.html")), `x\x1b]0;x\a &lt;b&gt;`)
}

func TestSummaryPage(t *testing.T) {
	dir, _ := made(t, "")
	text := string(read(t, dir, "summary.html"))
	printable(t, "summary.html", []byte(text))
	matches := func(pattern string) bool { return regexp.MustCompile(pattern).MatchString(text) }
	require.False(t, matches(`<script>alert|ZgotmplZ`))
	require.False(t, matches(`(?i)(src|href)="(https?:)?//`), "no network")
	require.True(
		t,
		matches(`content="default-src &#39;none&#39;; style-src &#39;sha256-\S+; script-src &#39;sha256-`),
	)
	require.True(t, matches(`href="feedback/ada.md"`))
}

// In GitHub Actions the summary of the step has less than 1 MiB.
func TestStepSummary(t *testing.T) {
	name := filepath.Join(t.TempDir(), "step")
	t.Setenv("GITHUB_STEP_SUMMARY", name)
	t.Setenv("GITHUB_ACTIONS", "true")
	dir, _ := made(t, "")
	require.Equal(t, read(t, dir, "summary.md"), read(t, name))
}

// A file is there whole or not at all.
func TestAFullDisk(t *testing.T) {
	dir := t.TempDir()
	f := create(dir, "a")
	f.printf("half")
	f.err = errors.New("no space left on device")
	require.ErrorContains(t, f.close(), "a: no space left on device")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}
