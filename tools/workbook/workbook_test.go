package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/lessons"
	"socketbook/tools/internal/coursetest"
	"socketbook/tools/internal/progress"
	"socketbook/tools/timeline"
)

// Every page is there, is well made, and links to nothing that is not there.
func TestPages(t *testing.T) {
	t.Parallel()
	b, base := serveBook(t)
	require.NoError(t, b.store.Update(func(s *progress.State) {
		s.Labs["05"], s.Played["04/glue"] = progress.Lab{Points: 7, Of: 10}, true
	}))
	links := regexp.MustCompile(`(?:href|src|action)="(/` + testToken + `[^"#]*)(#[^"]*)?"`)
	queue, seen, pages := []string{"/" + testToken + "/"}, map[string]bool{}, map[string]string{}
	fragments := map[string]string{} // page and fragment → where it is linked
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		r := ask(t, "GET", base+path, nil, nil)
		if strings.HasSuffix(path, "/play") || strings.HasSuffix(path, "/settings") {
			require.Equal(t, 405, r.StatusCode)
			continue
		}
		text := bodyOf(t, r)
		require.Equal(t, 200, r.StatusCode, path)
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
			continue
		}
		most := 200 << 10
		if strings.HasSuffix(path, "/source") { // two lessons' sources, side by side
			most *= 2
		}
		require.Less(t, len(text), most, "%s has %d bytes", path, len(text))
		pages[path] = text
		for _, m := range links.FindAllStringSubmatch(text, -1) {
			queue = append(queue, strings.ReplaceAll(m[1], "&amp;", "&"))
			if m[2] != "" {
				fragments[m[1]+m[2]] = path
			}
		}
	}
	for link, from := range fragments {
		path, id, _ := strings.Cut(link, "#")
		require.Contains(t, pages[path], `id="`+id+`"`, "%s links to %s", from, link)
	}
	written := 0
	for _, l := range lessons.Course {
		if !l.Written {
			continue
		}
		written++
		page := pages["/"+testToken+"/lessons/"+l.Number]
		require.Contains(t, page, "<h1 ")
		for _, s := range b.lesson(l.Number).Scenes {
			require.Equal(t, 1, strings.Count(page, `<section class="scene" id="`+s.Name+`"`),
				"lesson %s, scene %s", l.Number, s.Name)
		}
		require.Contains(t, pages["/"+testToken+"/lessons/"+l.Number+"/source"], `id="server.go"`)
	}
	require.Equal(t, written, len(b.lessons))
	for _, bug := range lessons.Ledger {
		_, ok := b.lesson(bug.Shown).scene(bug.ID)
		require.True(t, ok, "bug %s of lesson %s has no scene", bug.ID, bug.Shown)
	}
	require.Contains(t, pages["/"+testToken+"/"],
		"1 of "+strconv.Itoa(len(b.lesson("04").Scenes))+" scenes played.")
	require.Contains(t, pages["/"+testToken+"/"], "7 of 10 points")
	lab := pages["/"+testToken+"/labs/05"]
	require.NotContains(t, lab, "<script>alert")
	require.NotContains(t, lab, "alert(1)</script>")
	for path, page := range pages {
		require.NotContains(t, page, ` style="`, path) // the policy would refuse it
		require.NotRegexp(t, `<script(?: src="/`+testToken+`/static/workbook.js" type="module")?>[^<]`, page)
		require.NotRegexp(t, ` on[a-z]+=`, regexp.MustCompile(`(?s)<pre.*?</pre>`).ReplaceAllString(page, ""), path)
	}
}

// The scenes that are read from a lesson's source are those that it has.
func TestScenes(t *testing.T) {
	t.Parallel()
	b, _ := serveBook(t)
	for _, l := range b.lessons {
		t.Run(l.Number, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("go", "run", "./lessons/"+l.Number, "-list")
			// as anybody runs it, so that the go command need not link anew
			cmd.Dir, cmd.Env = "../..", append(os.Environ(), "GOFLAGS=")
			out, err := cmd.Output()
			require.NoError(t, err)
			var want, got []string
			for line := range strings.Lines(string(out)) {
				want = append(want, strings.Join(strings.Fields(line), " "))
			}
			for _, s := range l.Scenes {
				got = append(got, strings.Join(strings.Fields(s.Name+" "+s.Line), " "))
			}
			require.Equal(t, want, got)
		})
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	b, base := serveBook(t)
	page := func(query string) string {
		return bodyOf(t, ask(t, "GET", base+"/"+testToken+"/search?q="+strings.ReplaceAll(query, " ",
			"+"), nil, nil))
	}
	require.Contains(t, page("粘包"), "Lesson 04, 04 Sticky packets")
	require.Contains(t, page("nagle"), "/lessons/04#nagle")
	require.Contains(t, page("ReadFull HEADER"), "lessons/05/client.go")
	require.Contains(t, page("no such words anywhere"), "Nothing in the course has all of")
	require.Contains(t, page("<script>alert(1)</script>"), "“&lt;script&gt;alert(1)&lt;/script&gt;”")
	require.Contains(t, page(""), "Type a word")
	hits, more := b.find("the")
	require.Len(t, hits, mostHits)
	require.Positive(t, more)
	_, _ = b.find(strings.Repeat("粘", 100)) // cut in the middle of a character

	text := bodyOf(t, ask(t, "GET", base+"/"+testToken+"/claims?q=nagle", nil, nil))
	require.Contains(t, text, "Nagle")
	require.Regexp(t, `/lessons/04#(no-delay|nagle|nagle-joins)">play 04 `, text)
	require.NotContains(t, text, "half-open pool")
	all, total := b.claims("")
	require.Len(t, all, total)
}

func TestHeadings(t *testing.T) {
	t.Parallel()
	names := newIDs([]string{"glue"})
	for _, test := range [][2]string{
		{"The words", "the-words"},
		{"粘包 是什么?", "粘包-是什么"},
		{"The words", "the-words-2"},
		{"glue", "glue-2"},
		{"!?", "section"},
	} {
		require.Equal(t, test[1], string(names.Generate([]byte(test[0]), 0)))
	}
	p := &page{
		book: &book{token: "T", lessons: []*lessonPage{{Lesson: lessons.Lesson{Number: "05"}}}},
		dir:  "lessons/04", placed: map[string]bool{},
	}
	html, err := p.render([]byte("# 标题\n\n<details>\n<summary>more <b>of</b> it &amp; <i " +
		"onclick=x>that</i></summary>\n\ntext <b>bold</b>\n\n</details>\n\n<iframe " +
		"src=x></iframe>\n\n[a](../05/README.md) [b](server.go) [c](javascript:alert(1)) " +
		"[d](https://example.org)\n"))
	require.NoError(t, err)
	text := string(html)
	require.Contains(t, text, `<h1 id="标题">`)
	require.Contains(t, text, "<details>\n<summary>more of it &amp; &lt;i "+
		"onclick=x&gt;that&lt;/i&gt;</summary>")
	require.NotContains(t, text, "iframe")
	html, err = p.render([]byte("Type it, and\n`second`, `one`\nand\n中文 end\n"))
	require.NoError(t, err)
	require.Equal(t, "<p>Type it, and\n<code>second</code>, <code>one</code>\nand\n中文 end</p>\n", string(html))
	require.NotContains(t, text, "<b>")
	require.Contains(t, text, `<a href="/T/lessons/05">a</a> <a href="/T/lessons/04/source#server.go">b</a> <a href="/T/">c</a> <a href="https://example.org">d</a>`)
}

func event(seq int, us, end int64, op timeline.Op, more ...func(*timeline.Event)) timeline.Event {
	e := timeline.Event{Seq: seq, US: us, End: end, Side: "client", Conn: "tcp1", Op: op}
	for _, f := range more {
		f(&e)
	}
	return e
}

func lineOf(t testing.TB, e timeline.Event) []byte {
	text, err := json.Marshal(e)
	require.NoError(t, err)
	return text
}

// Lines become recordings: a call that blocked is replaced by what it returned, or forgotten when
// its own side ended it; and the second recording begins when the numbers begin anew.
func TestLines(t *testing.T) {
	t.Parallel()
	told := 0
	p := &play{Scene: "x", both: true, changed: func() { told++ }}
	for _, e := range []timeline.Event{
		event(2, 10, 11, timeline.Send),
		event(1, 5, 0, timeline.Accept), // blocks
		event(3, 12, 0, timeline.Recv),
		event(1, 5, 20_000, timeline.Accept),
		event(3, 12, 30_000, timeline.Recv, func(e *timeline.Event) { e.Err = "closed by its own side" }),
		event(4, 31_000, 31_000, timeline.Verdict),
		event(1, 3, 4, timeline.Dial),
		event(2, 5, 6, timeline.Verdict),
		event(3, 7, 8, timeline.Close),
	} {
		require.True(t, p.line(lineOf(t, e)))
	}
	require.True(t, p.line([]byte("panic: \x1b[31m<script>")))
	require.True(t, p.line([]byte(`{"seq":0}`)))
	_, _, takes := p.snapshot()
	require.Len(t, takes, 2)
	var seqs [][]int
	for _, events := range takes {
		var s []int
		for _, e := range events {
			require.NotZero(t, e.End)
			s = append(s, e.Seq)
		}
		seqs = append(seqs, s)
	}
	require.Equal(t, [][]int{{2, 1, 4}, {1, 2, 3}}, seqs)
	require.Equal(t, []string{"x, naive.go", "x, fixed"}, []string{p.title(0), p.title(1)})
	require.Equal(t, []string{`panic: \x1b[31m<script>`, `{"seq":0}`}, p.odd)
	require.Equal(t, 11, told)
	for i := range mostEvents {
		if !p.line(lineOf(t, event(10+i, 1, 2, timeline.Send))) {
			require.Equal(t, mostEvents, p.count)
			return
		}
	}
	t.Fatal("there was no end")
}

// What is told piece by piece is what is laid out at the end.
func TestChanges(t *testing.T) {
	t.Parallel()
	var events []timeline.Event
	var s shown
	var rows []json.RawMessage
	rec := timeline.NewRecorder("x")
	for i := range 30 {
		rec.Note("client", nil, "note %d", i)
		events = rec.Events()
		took, err := s.changes("x", events)
		require.NoError(t, err)
		require.LessOrEqual(t, len(took.Changed), 2, "more is told than has changed")
		for i, at := range took.At {
			for at >= len(rows) {
				rows = append(rows, nil)
			}
			rows[at] = took.Changed[i]
		}
		rows = rows[:took.Total]
	}
	var whole shown
	all, err := whole.changes("x", events)
	require.NoError(t, err)
	require.Equal(t, all.Changed, rows)
	nothing, err := s.changes("x", events)
	require.NoError(t, err)
	require.Empty(t, nothing.Changed)
}

// BenchmarkChanges lays out and compares a long recording of which no two rows are alike.
func BenchmarkChanges(b *testing.B) {
	events := manyEvents(10_000)
	var s shown
	for b.Loop() {
		_, err := s.changes("x", events)
		require.NoError(b, err)
	}
}

func manyEvents(n int) []timeline.Event {
	var events []timeline.Event
	for i := 0; i < n; i += 2 {
		us, data := int64(i*20+1), []byte(fmt.Sprintf("message %d", i))
		events = append(events,
			timeline.Event{
				Seq: i + 1, US: us, End: us + 3, Side: "client", Conn: "tcp1", Op: timeline.Send,
				N: len(data), Data: data, Text: string(data),
			},
			timeline.Event{
				Seq: i + 2, US: us + 1, End: us + 9, Side: "server", Conn: "tcp1",
				Op: timeline.Recv, N: len(data), Data: data, Text: string(data),
			})
	}
	return events
}

// messages reads a stream of Server-Sent Events.
func messages(t *testing.T, r *http.Response) func(event string) map[string]any {
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, 16<<20)
	return func(event string) map[string]any {
		t.Helper()
		name := ""
		for lines.Scan() {
			if s, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				name = s
			}
			if s, ok := strings.CutPrefix(lines.Text(), "data: "); ok && name == event {
				var m map[string]any
				require.NoError(t, json.Unmarshal([]byte(s), &m))
				return m
			}
		}
		t.Fatalf("the stream ended before %q: %v", event, lines.Err())
		return nil
	}
}

// workbook starts the command.
func workbook(t *testing.T, root, tmp string, args ...string) (cmd *exec.Cmd, page string) {
	t.Helper()
	cmd = exec.Command(os.Args[0], append([]string{"-no-open"}, args...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), commandVariable+"=1", "TMPDIR="+tmp, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	began := time.Now()
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	t.Logf("the first line came after %v", time.Since(began).Round(time.Millisecond))
	page, ok := strings.CutPrefix(strings.TrimSpace(line), "workbook on ")
	require.True(t, ok, line)
	return cmd, page
}

const oneTab = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// The command with a real course: a scene, a lesson that does not compile, one that hangs, one that
// prints without end, a lab; and nothing is left when it ends.
func TestCommand(t *testing.T) {
	t.Parallel()
	root := coursetest.New(t, coursetest.Split, "lessons", "tools")
	coursetest.AddSmall(t, root, "07", "")
	tmp := t.TempDir()
	cmd, page := workbook(t, root, tmp)
	post := func(path, form string) *http.Response {
		return ask(t, "POST", page+path, strings.NewReader(form+"&tab="+oneTab), nil)
	}
	watchdog, stop := context.WithTimeoutCause(t.Context(), 2*time.Minute,
		errors.New("the stream never said what was waited for"))
	defer stop()
	watched := func(r *http.Request) { *r = *r.WithContext(watchdog) }
	stream := ask(t, "GET", page+"events?tab="+oneTab, nil, watched)
	require.Equal(t, "text/event-stream", stream.Header.Get("Content-Type"))
	next := messages(t, stream)
	next("resync")
	until := func(scene, phase string) map[string]any {
		t.Helper()
		for {
			if m := next("run"); m["scene"] == scene && m["phase"] == phase {
				return m
			}
		}
	}
	require.Equal(t, 204, post("play", "lesson=04&scene=glue").StatusCode)
	m := until("glue", "finished")
	require.Contains(t, fmt.Sprint(m["takes"]), "the boundary after byte 5 is gone")
	require.Eventually(t, func() bool { return progress.Open(root, nil).Load().Played["04/glue"] },
		time.Minute, 10*time.Millisecond)
	began := time.Now()
	require.Equal(t, 204, post("play", "lesson=04&scene=two-pipes").StatusCode)
	until("two-pipes", "playing")
	t.Logf("once built, a scene plays after %v", time.Since(began).Round(time.Millisecond))
	require.Len(t, until("two-pipes", "finished")["takes"], 2)

	// Another connection is told everything again, whatever it says that it was told: by this start
	// of the workbook, by an earlier one, or by nobody.
	for _, last := range []string{"", "2", "999999999", "-1", "x"} {
		again := messages(t, ask(t, "GET", page+"events?tab="+oneTab, nil, func(r *http.Request) {
			watched(r)
			r.Header.Set("Last-Event-ID", last)
		}))
		require.NotEmpty(t, again("resync")["boot"])
		m := again("run")
		require.Equal(t, "two-pipes", m["scene"])
		require.Len(t, m["takes"], 2)
		require.Equal(t, "glue", again("run")["scene"])
	}

	// Without a script.
	r := ask(t, "POST", page+"play", strings.NewReader("lesson=04&scene=split"), nil)
	require.Equal(t, 303, r.StatusCode)
	where := strings.SplitN(page, "/", 4)
	address := where[0] + "//" + where[2] + r.Header.Get("Location")
	html := bodyOf(t, ask(t, "GET", address, nil, nil))
	require.Contains(t, html, "<td>recv</td><td>1024</td>")
	svg := ask(t, "GET", address+"/picture.svg", nil, nil)
	require.Equal(t, imagePolicy, svg.Header.Get("Content-Security-Policy"))
	require.True(t, strings.HasPrefix(bodyOf(t, svg), timeline.SVGBegin))
	require.Contains(t, bodyOf(t, ask(t, "POST", page+"labs/07", strings.NewReader(""), nil)), "1 of 1 points")

	// A program in the place of lesson 01.
	const scene = "second-message"
	require.NoError(t, os.RemoveAll(filepath.Join(root, "lessons", "01")))
	require.NoError(t, os.Mkdir(filepath.Join(root, "lessons", "01"), 0o755))
	change := func(body string) {
		text := "package main\n\nimport \"os\"\n\nfunc main() {\n" + body + "\nos.Stdout.Sync()\n}\n"
		require.NoError(t, os.WriteFile(filepath.Join(root, "lessons", "01", "main.go"), []byte(text), 0o644))
		require.Equal(t, 204, post("play", "lesson=01&scene="+scene).StatusCode)
	}
	change("undefined()")
	require.Contains(t, until(scene, "broken")["trouble"], "undefined: undefined")
	change(`os.Stdout.WriteString("no event <b>\x1b\n"); os.Stderr.WriteString("why\n"); os.Exit(3)`)
	for {
		trouble := until(scene, "broken")["trouble"].(string)
		if strings.Contains(trouble, "status 3") {
			require.Contains(t, trouble, "why")
			require.Contains(t, trouble, "The lesson printed a line that is no event:\nno event <b>\\x1b")
			break
		}
	}
	change("for { println() }")
	id := until(scene, "playing")["id"].(string)
	require.Equal(t, 404, post("play", "lesson=01&scene=no").StatusCode)
	require.Equal(t, 204, post("stop", "run="+id).StatusCode)
	for until(scene, "broken")["trouble"] != "stopped" {
	}

	require.Equal(t, 204, post("follow", "lab=05").StatusCode)
	lab := func(phase string) map[string]any {
		t.Helper()
		for {
			if m := next("lab"); m["phase"] == phase {
				return m
			}
		}
	}
	result := lab("done")["result"].(map[string]any)
	require.EqualValues(t, 7, result["points"])
	require.Contains(t, fmt.Sprint(result["cases"]), "/lessons/05#split-header")
	coursetest.Write(t, root, coursetest.Wrong)
	require.Contains(t, lab("refused")["trouble"], "undefined: io.ReadFul")
	coursetest.Write(t, root, coursetest.Right)
	m = lab("done")
	require.EqualValues(t, 10, m["result"].(map[string]any)["points"])
	require.Len(t, m["fixed"], 3)

	change(`select {}`)
	until(scene, "playing")
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	require.Empty(t, left)
	_, err = http.Get(page)
	require.Error(t, err)
	_, _ = io.Copy(io.Discard, stream.Body)

	// The same address again, with the same token.
	addr := strings.Split(page, "/")[2]
	_, second := workbook(t, root, tmp, "-addr", addr)
	require.Equal(t, page, second)
	_, third := workbook(t, root, tmp, "-new-token")
	require.NotEqual(t, strings.Split(page, "/")[3], strings.Split(third, "/")[3])
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	run := func(dir string, args ...string) (string, int) {
		cmd := exec.Command(os.Args[0], args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), commandVariable+"=1", "GORACE=atexit_sleep_ms=0")
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	for _, test := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"-addr", "0.0.0.0:80"}, 2, "refused: the page runs programs"},
		{[]string{"-wrong"}, 2, "flag provided but not defined"},
		{[]string{"04"}, 2, `"04" is one argument too many`},
		{[]string{"-help"}, 0, "usage: go run ./tools/workbook"},
	} {
		out, status := run(".", test.args...)
		require.Equal(t, test.status, status, out)
		require.Contains(t, out, test.want)
	}
	out, status := run(t.TempDir())
	require.Equal(t, 1, status)
	require.Contains(t, out, "is not in a clone of socketbook")
}
