package book

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"socketbook/tools/check"
	"socketbook/tools/grade/internal/score"
)

// largestJUnit is when another file is begun: GitLab reads no report of more than 30 MB.
const largestJUnit = 28 << 20

// junit is junit.xml, and junit-2.xml and so on for what has no room in it. A suite is one student's lab.
type junit struct {
	c     *class
	f     *file
	files int
}

func newJUnit(c *class) output {
	old, _ := filepath.Glob(filepath.Join(c.dir, "junit-*.xml")) // of a larger class
	for _, name := range old {
		os.Remove(name)
	}
	j := &junit{c: c}
	j.open()
	return j
}

func (j *junit) open() {
	j.files++
	name := "junit.xml"
	if j.files > 1 {
		name = fmt.Sprintf("junit-%d.xml", j.files)
	}
	j.f = create(j.c.dir, name)
	j.f.printf("%s<testsuites name=\"socketbook\">\n", xml.Header)
}

func (j *junit) close() error {
	j.f.printf("</testsuites>\n")
	return j.f.close()
}

// attribute makes a text fit for an attribute: what XML does not allow is written out.
func attribute(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(score.Plain(s))) // a bytes.Buffer takes everything
	return b.String()
}

func text(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(score.PlainText(s)))
	return b.String()
}

// className is what Jenkins and others show as package and class: a dot in an id would begin another
// package, so one that looks like it takes its place.
func className(student, lab string) string {
	return fmt.Sprintf("socketbook.%s.lab%s", strings.ReplaceAll(student, ".", "\u2024"), lab)
}

// verdict is the element of a case that did not pass.
func verdict(r score.Row, c score.Case) string {
	status := r.Status
	if status == score.Held {
		status = r.WouldBe
	}
	switch {
	case status == score.Graded && c.Outcome == check.Passed:
		return ""
	case status == score.GraderError, status == score.DoesNotCompile, status == score.TimedOut,
		status == score.Void, c.Outcome == check.Error:
		return "error"
	case status == score.Graded && c.Outcome == check.NotRun:
		return "skipped" // another case, which failed, says why
	}
	return "failure"
}

func (j *junit) add(s student) error {
	for _, r := range s.rows {
		if j.f.n > largestJUnit {
			if err := j.close(); err != nil {
				return err
			}
			j.open()
		}
		count := map[string]int{}
		for _, cs := range r.Cases {
			count[verdict(r, cs)]++
		}
		class := attribute(className(s.id, r.Lab))
		j.f.printf(
			"<testsuite name=\"%s\" tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"%d\" time=\"%.3f\">\n",
			class,
			len(r.Cases),
			count["failure"],
			count["error"],
			count["skipped"],
			r.Seconds,
		)
		j.f.printf("<properties>\n")
		property := func(name, value string) {
			j.f.printf("<property name=\"%s\" value=\"%s\"/>\n", attribute(name), attribute(value))
		}
		property("status", string(r.Status))
		property("points", fmt.Sprintf("%d/%d", r.Points, r.Of))
		for _, cs := range r.Cases {
			property(cs.Case, fmt.Sprintf("%d/%d", cs.Points, cs.Of))
		}
		j.f.printf("</properties>\n")
		for i, cs := range r.Cases {
			j.f.printf("<testcase classname=\"%s\" name=\"%s\" time=\"0\"", class, attribute(cs.Case))
			kind := verdict(r, cs)
			if kind == "" {
				j.f.printf("/>\n")
				continue
			}
			message := cmp.Or(cs.Message, words(r))
			body := story(cs)
			if i == 0 && r.Output != "" {
				body = r.Output
			}
			j.f.printf("><%s message=\"%s\" type=\"%s\">%s</%s></testcase>\n", kind, attribute(message),
				attribute(string(r.Status)), text(body), kind)
		}
		j.f.printf("</testsuite>\n")
	}
	return nil
}
