// Package browsertest opens the workbook in a real browser. It is a package of its own so that the
// other tests of the command need not be linked with a browser's protocol.
package browsertest

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"socketbook/tools/internal/coursetest"
)

// browser starts Chromium, or skips. Each call of the function that it returns opens a tab.
func browser(t *testing.T) (tab func() context.Context) {
	t.Helper()
	if os.Getenv("CI") != "true" && os.Getenv("SOCKETBOOK_BROWSER") == "" {
		t.Skip("a browser takes two minutes: CI=true or SOCKETBOOK_BROWSER=1 runs this test")
	}
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI must have Chromium")
		}
		t.Skip("there is no Chromium here to open the page in: install chromium and this test runs")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.DisableGPU, chromedp.Flag("disable-quic",
			true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("host-resolver-rules", "MAP evil.example 127.0.0.1"))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium's own sandbox refuses to run as root
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 9*time.Minute)
	t.Cleanup(cancel)
	first, cancel := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		_ = chromedp.Cancel(first) // waits until the browser has gone
		cancel()
	})
	require.NoError(t, chromedp.Do(first), "starting %s", path)
	used := false
	return func() context.Context {
		if !used {
			used = true
			return first
		}
		ctx, cancel := chromedp.NewContext(first)
		t.Cleanup(cancel)
		require.NoError(t, chromedp.Do(ctx))
		return ctx
	}
}

// server is a workbook that runs.
type server struct {
	t      *testing.T
	root   string
	tmp    string // its folder for temporary files
	binary string
	cmd    *exec.Cmd
	url    string // without the slash at its end
	addr   string
}

// start makes a course and serves it.
func start(t *testing.T, answer string) *server {
	t.Helper()
	s := &server{
		t: t, tmp: t.TempDir(), root: coursetest.New(t, answer, "lessons", "tools"),
		binary: filepath.Join(t.TempDir(), "workbook.exe"),
	}
	out, err := exec.Command("go", "build", "-o", s.binary, "socketbook/tools/workbook").CombinedOutput()
	require.NoError(t, err, "%s", out)
	s.run("127.0.0.1:0")
	t.Cleanup(s.end)
	return s
}

func (s *server) run(addr string) {
	s.cmd = exec.Command(s.binary, "-no-open", "-addr", addr)
	s.cmd.Dir = s.root
	s.cmd.Stderr = os.Stderr
	s.cmd.Env = append(os.Environ(), "TMPDIR="+s.tmp)
	out, err := s.cmd.StdoutPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, s.cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(s.t, err)
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "workbook on ")
	require.True(s.t, ok, line)
	s.url = strings.TrimSuffix(url, "/")
	s.addr = strings.Split(url, "/")[2]
}

func (s *server) end() {
	if s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		_ = s.cmd.Wait()
	}
}

func do(t *testing.T, ctx context.Context, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	require.NoError(t, chromedp.Do(ctx, actions...))
}

func value[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	require.NoError(t, err, expression)
	return v
}

// until waits until a condition of the page's is true.
func until(t *testing.T, ctx context.Context, what, condition string) {
	t.Helper()
	deadline := time.Now().Add(40 * time.Second)
	for !value[bool](t, ctx, "!!("+condition+")") {
		if time.Now().After(deadline) {
			screenshot(t, ctx, "never")
			t.Fatalf("never saw that %s; the page says:\n%s", what, value[string](t, ctx, "document.body.innerText"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func media(features map[string]string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		var list []*emulation.MediaFeature
		for name, value := range features {
			list = append(list, &emulation.MediaFeature{Name: name, Value: value})
		}
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: list})
		return err
	})
}

// screenshot keeps a picture of the page where SCREENSHOTS names a folder, for a person to look at.
func screenshot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644))
}

// play plays a scene of the page, and waits for the end of this run of it.
func play(t *testing.T, ctx context.Context, scene string) {
	t.Helper()
	section := `document.querySelector("#` + scene + `")`
	before := value[string](t, ctx, section+`.dataset.run ?? ""`)
	value[bool](t, ctx, section+`.querySelector("form.play button").click(), true`)
	until(t, ctx, "scene "+scene+" has finished",
		section+`.dataset.phase == "finished" && `+section+`.dataset.run != `+strconv.Quote(before))
}

// TestWorkbook opens one workbook; what its parts do to the course does not concern the others.
func TestWorkbook(t *testing.T) {
	tab := browser(t)
	s := start(t, coursetest.Split)
	ctx := tab()
	do(t, ctx, chromedp.EmulateViewport(1280, 900))
	t.Run("keyboard", func(t *testing.T) { keyboard(t, ctx, s) })
	t.Run("scene", func(t *testing.T) { scene(t, ctx, s) })
	t.Run("accessible", func(t *testing.T) { accessible(t, ctx, s) })
	t.Run("narrow", func(t *testing.T) { narrow(t, ctx, s) })
	t.Run("live", func(t *testing.T) { live(t, ctx, tab(), tab(), s) })
	t.Run("many events", func(t *testing.T) { many(t, ctx, s) })
	t.Run("no script", func(t *testing.T) { noScript(t, tab(), s) })
	t.Run("another origin", func(t *testing.T) { foreign(t, tab(), s) })
	t.Run("server gone", func(t *testing.T) { gone(t, ctx, s) })
	t.Run("browser killed", func(t *testing.T) { killed(t, ctx, s) })
}

// tabTo presses the Tab key until something has the focus, and looks whether that can be seen.
func tabTo(t *testing.T, ctx context.Context, selector string) {
	t.Helper()
	for range 400 {
		do(t, ctx, chromedp.KeyEvent(kb.Tab))
		if value[bool](t, ctx, `document.activeElement.matches(`+strconv.Quote(selector)+`)`) {
			require.NotEqual(t, "none", value[string](t, ctx,
				`getComputedStyle(document.activeElement).outlineStyle`), "where the focus is cannot be seen")
			return
		}
	}
	t.Fatalf("Tab never came to %s", selector)
}

// keyboard goes the whole way by keys alone: from the map to lesson 04, to the scene, a step, the
// sources, the lab, and there from 7 to 10 points.
func keyboard(t *testing.T, ctx context.Context, s *server) {
	do(t, ctx, chromedp.Navigate(s.url+"/"), chromedp.KeyEvent(kb.Tab))
	require.Equal(t, "To the content", value[string](t, ctx, `document.activeElement.textContent`))
	tabTo(t, ctx, `.map a[href$="/lessons/04"]`)
	do(t, ctx, chromedp.KeyEvent(kb.Enter))
	until(
		t,
		ctx,
		"lesson 04 is there",
		`location.pathname.endsWith("/lessons/04") && document.readyState == "complete"`,
	)
	tabTo(t, ctx, `#glue form.play button`)
	do(t, ctx, chromedp.KeyEvent(kb.Enter))
	until(t, ctx, "the scene has finished", `document.querySelector("#glue").dataset.phase == "finished"`)
	require.Contains(t, value[string](t, ctx, `document.querySelector("#status").textContent`),
		"scene glue finished, ")
	shown := `[...document.querySelectorAll("#glue .view text.dim.end, #glue .view text.end.dim")].length`
	until(t, ctx, "the rows", shown+" > 5")
	all := value[int](t, ctx, shown)
	do(t, ctx, chromedp.KeyEvent(kb.ArrowLeft), chromedp.KeyEvent(kb.ArrowLeft))
	until(t, ctx, "two rows less", shown+" == "+strconv.Itoa(all-2))
	do(t, ctx, chromedp.KeyEvent(kb.ArrowRight))
	until(t, ctx, "one row more", shown+" == "+strconv.Itoa(all-1))
	// behind the last one, the first
	do(t, ctx, chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight))
	until(t, ctx, "one row", shown+" == 1")
	do(t, ctx, chromedp.KeyEvent(kb.ArrowLeft), chromedp.KeyEvent("."))
	until(t, ctx, "all rows, replayed", shown+" == "+strconv.Itoa(all))
	tabTo(t, ctx, `#glue .view`)
	do(t, ctx, chromedp.KeyEvent(kb.Home))
	second := `document.querySelector("#glue .bytes").textContent.includes("send 5")` +
		` && document.querySelector("#glue .bytes").textContent.includes("77 6f 72 6c 64")`
	for range 8 { // down the rows, until it is there
		if value[bool](t, ctx, second) {
			break
		}
		do(t, ctx, chromedp.KeyEvent(kb.ArrowDown))
	}
	until(t, ctx, "the bytes of the second send", second)
	require.Contains(t, value[string](t, ctx, `document.querySelector("#glue .bytes").textContent`),
		"server recv 10 took B")
	tabTo(t, ctx, `#glue summary`)
	do(t, ctx, chromedp.KeyEvent(kb.Enter))
	until(t, ctx, "the table", `document.querySelectorAll("#glue table tbody tr").length > 5`)

	value[bool](t, ctx, `document.querySelector("#main").focus(), true`)
	tabTo(t, ctx, `a[href$="/lessons/04/source"]`)
	do(t, ctx, chromedp.KeyEvent(kb.Enter))
	until(
		t,
		ctx,
		"the sources",
		`location.pathname.endsWith("/source") && document.querySelector("#server\\.go .new")`,
	)
	tabTo(t, ctx, `.diff summary`)
	do(t, ctx, chromedp.KeyEvent(kb.Enter))
	require.True(t, value[bool](t, ctx, `document.activeElement.parentElement.open`))

	do(t, ctx, chromedp.Navigate(s.url+"/labs/"), chromedp.KeyEvent(kb.Tab))
	tabTo(t, ctx, `.map a[href$="/labs/05"]`)
	do(t, ctx, chromedp.KeyEvent(kb.Enter))
	until(t, ctx, "7 points", `document.querySelector("#live .score")?.textContent.startsWith("7 of 10 points")`)
	tabTo(t, ctx, `.cases summary`)
	do(t, ctx, chromedp.KeyEvent(kb.Enter))
	require.Contains(t, value[string](t, ctx, `document.activeElement.parentElement.innerText`),
		"One Read may return fewer bytes")
	coursetest.Write(t, s.root, coursetest.Wrong)
	until(
		t,
		ctx,
		"the build error",
		`document.querySelector("#live .trouble")?.textContent.includes("undefined: io.ReadFul")`,
	)
	require.Contains(t, value[string](t, ctx, `document.querySelector("#live .stale").textContent`),
		"7 of 10 points")
	coursetest.Write(t, s.root, coursetest.Right)
	until(
		t,
		ctx,
		"10 points",
		`document.querySelector("#live .score")?.textContent.startsWith("10 of 10 points, fixed 3, broke 0")`,
	)
	require.Equal(t, "lab 05: 10 of 10 points, fixed 3, broke 0",
		value[string](t, ctx, `document.querySelector("#status").textContent`))
	tabTo(t, ctx, `#live a[href$="/lessons/06"]`) // and what comes next
	do(t, ctx, chromedp.Navigate(s.url+"/"))
	require.Contains(t, value[string](t, ctx, `document.body.textContent`), "10 of 10 points")

	// Single keys can be switched off.
	do(t, ctx, chromedp.KeyEvent("/"))
	require.Equal(t, "q", value[string](t, ctx, `document.activeElement.id`))
	press := func(what, after string) { // by the page's own hand: the browser's may miss a page that is replaced
		until(t, ctx, "the button", `document.readyState === "complete" &&
			document.querySelector('button[name="keys"]')`)
		value[bool](t, ctx, `document.querySelector('button[name="keys"]').click(), true`)
		until(t, ctx, what, `document.readyState === "complete" && `+after)
	}
	press("keys are off", `!("keys" in document.body.dataset)`)
	do(t, ctx, chromedp.KeyEvent("/"))
	require.NotEqual(t, "q", value[string](t, ctx, `document.activeElement.id`))
	press("keys are on", `"keys" in document.body.dataset`)
}

// scene plays both versions of a scene, by a click, and measures.
func scene(t *testing.T, ctx context.Context, s *server) {
	do(t, ctx, chromedp.Navigate(s.url+"/lessons/04#two-pipes"))
	until(t, ctx, "the paint", `performance.getEntriesByName("first-contentful-paint").length`)
	t.Logf("first paint of lesson 04 after %.0f ms",
		value[float64](t, ctx, `performance.getEntriesByName("first-contentful-paint")[0].startTime`))
	do(t, ctx, chromedp.Click(chromedp.CSS("#two-pipes form.play button")))
	until(
		t,
		ctx,
		"both have finished",
		`document.querySelector("#two-pipes").dataset.phase == "finished" &&
			document.querySelectorAll("#two-pipes figure").length == 2`,
	)
	require.Equal(t, []string{"two-pipes, naive.go", "two-pipes, fixed"},
		value[[]string](t, ctx, `[...document.querySelectorAll("#two-pipes figcaption")].map(e => e.textContent)`))
	require.True(
		t,
		value[bool](
			t,
			ctx,
			`(([a, b]) => a.top == b.top && a.left < b.left)(
				[...document.querySelectorAll("#two-pipes figure")].map(f => f.getBoundingClientRect()))`,
		),
		"they are side by side",
	)
	screenshot(t, ctx, "two-pipes")

	value[bool](t, ctx, `(() => {
		window.seen = 0
		const began = performance.now()
		new MutationObserver(() => {
			if (!window.seen && document.querySelector("#split .view text")) window.seen = performance.now() - began
		}).observe(document.querySelector("#split"), { subtree: true, childList: true })
		document.querySelector("#split form.play button").click()
		return true
	})()`)
	until(t, ctx, "the first event", `window.seen`)
	t.Logf("the first event was on the screen %.0f ms after the click", value[float64](t, ctx, `window.seen`))
	until(t, ctx, "the end", `document.querySelector("#split").dataset.phase == "finished"`)

	// The back button, and a link into the page.
	do(t, ctx, chromedp.Navigate(s.url+"/claims"))
	do(t, ctx, chromedp.Click(chromedp.CSS(`a[href$="/lessons/04#no-delay"]`)))
	until(t, ctx, "the scene that the claim is about", `document.querySelector(":target")?.id == "no-delay"`)
	value[bool](t, ctx, `history.back(), true`)
	until(t, ctx, "the claims", `location.pathname.endsWith("/claims") && document.readyState == "complete"`)
	value[bool](t, ctx, `document.querySelector("#filter").focus(), true`)
	do(t, ctx, chromedp.KeyEvent("Nagle"))
	until(
		t,
		ctx,
		"fewer claims",
		`(shown => shown > 0 && shown < 40)(document.querySelectorAll("#claims > li:not([hidden])").length)`,
	)
}

// axe finds axe-core: npm install axe-core, here or further up, or AXE names the file.
func axe(t *testing.T) string {
	t.Helper()
	name := os.Getenv("AXE")
	for dir := ".."; name == "" && len(dir) < 20; dir += "/.." {
		if _, err := os.Stat(dir + "/node_modules/axe-core/axe.min.js"); err == nil {
			name = dir + "/node_modules/axe-core/axe.min.js"
		}
	}
	text, err := os.ReadFile(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI must have axe-core")
		}
		t.Skip("there is no axe-core here to judge the pages: npm install axe-core, or set AXE to " +
			"its axe.min.js")
	}
	return string(text)
}

// accessible has axe-core look at every kind of page, with a scene played and a lab run, in both themes.
func accessible(t *testing.T, ctx context.Context, s *server) {
	source := axe(t)
	coursetest.Write(t, s.root, coursetest.Split)
	for _, colours := range []string{"light", "dark"} {
		do(t, ctx, media(map[string]string{"prefers-color-scheme": colours}))
		for name, path := range map[string]string{
			"map": "/", "course": "/course", "lesson": "/lessons/04", "source": "/lessons/05/source",
			"labs": "/labs/", "lab": "/labs/05",
			"claims": "/claims", "search": "/search?q=header", "problem": "/lessons/99",
		} {
			do(t, ctx, chromedp.Navigate(s.url+path))
			switch name {
			case "lesson":
				for _, scene := range []string{"glue", "two-pipes", "residue"} {
					play(t, ctx, scene)
				}
				value[bool](
					t,
					ctx,
					`document.querySelector("#glue .view").focus(), document.querySelector("#glue details").open = true`,
				)
				until(t, ctx, "the table", `document.querySelectorAll("#glue table tbody tr").length > 5`)
			case "lab":
				until(
					t,
					ctx,
					"7 points",
					`document.querySelector("#live .score")?.textContent.startsWith("7 of 10 points")`,
				)
				value[bool](t, ctx, `document.querySelectorAll("details").forEach(d => d.open = true), true`)
			}
			value[bool](t, ctx, source+"\n;true")
			found, err := chromedp.Run(
				ctx,
				chromedp.Evaluate[[]string](`axe.run({ resultTypes: ["violations"] }).then(r => r.violations
				.filter(v => ["serious", "critical"].includes(v.impact))
				.flatMap(v => v.nodes.slice(0, 5).map(
					n => v.id + ": " + n.html.slice(0, 200) + " " + (n.any[0]?.message ?? ""))))`,
					chromedp.EvalAwaitPromise),
			)
			require.NoError(t, err)
			require.Empty(t, found, "%s, %s", name, colours)
			screenshot(t, ctx, name+"-"+colours)
		}
	}
	do(t, ctx, media(map[string]string{"prefers-color-scheme": "light", "forced-colors": "active"}),
		chromedp.Navigate(s.url+"/lessons/04#glue"))
	value[bool](t, ctx, `document.querySelector("#glue form.play button").click(), true`)
	until(t, ctx, "the scene", `document.querySelector("#glue .view text")`)
	value[bool](t, ctx, `document.querySelector("#glue").scrollIntoView(), true`)
	screenshot(t, ctx, "forced-colours")
	do(t, ctx, media(map[string]string{"prefers-color-scheme": "light", "forced-colors": "none"}))
}

// narrow looks for pages that have to be scrolled sideways: on a phone, and magnified to 200 % on a
// small screen.
func narrow(t *testing.T, ctx context.Context, s *server) {
	for _, width := range []int64{390, 640} {
		do(t, ctx, chromedp.EmulateViewport(width, 844))
		for name, path := range map[string]string{
			"map": "/", "course": "/course", "lesson": "/lessons/04", "lesson7": "/lessons/07",
			"source": "/lessons/05/source", "labs": "/labs/", "lab": "/labs/05",
			"claims": "/claims", "search": "/search?q=header",
		} {
			do(t, ctx, chromedp.Navigate(s.url+path))
			if name == "lesson" {
				for _, scene := range []string{"residue", "two-pipes"} {
					play(t, ctx, scene)
				}
				value[bool](
					t,
					ctx,
					`document.querySelector("#residue").scrollIntoView(),
						document.querySelector("#residue .view").focus(), true`,
				)
			}
			if name == "lab" {
				until(t, ctx, "the result", `document.querySelector("#live .score")`)
			}
			require.LessOrEqual(
				t,
				value[int64](t, ctx, `document.documentElement.scrollWidth`),
				width,
				"%s at %d pixels; wide: %v",
				name,
				width,
				value[[]string](
					t,
					ctx,
					`[...document.querySelectorAll("body *")]
						.filter(e => e.getBoundingClientRect().right > innerWidth + 1 &&
							!e.closest(".wide, pre, .view, .hex"))
						.map(e => e.tagName + "." + e.className + " " + e.textContent.slice(0, 30)).slice(0, 5)`,
				),
			)
			screenshot(t, ctx, name+"-"+strconv.FormatInt(width, 10))
		}
	}
	do(t, ctx, chromedp.EmulateViewport(1280, 900))
}

// fake is a program in the place of a lesson, which prints lines when it is told to: each file with
// a name from 0 on is printed as it appears.
func fake(t *testing.T, s *server, lesson, body string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	folder := filepath.Join(s.root, "lessons", lesson)
	require.NoError(t, os.RemoveAll(folder))
	require.NoError(t, os.MkdirAll(folder, 0o755))
	source := "package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n\t\"time\"\n)\n\nconst dir = " + strconv.Quote(
		dir,
	) + "\n\nvar _ = os.Stdout\n\nfunc main() {\n" + body + "\n}\n\nfunc wait() { " +
		"time.Sleep(time.Millisecond) }\n\nvar _ = fmt.Sprint\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "main.go"), []byte(source), 0o644))
	return dir
}

// live looks at a scene while it runs: a call that blocks, the page loaded anew in the middle, a
// second tab, hostile text, and the program's end when its page is closed.
func live(t *testing.T, ctx, other, third context.Context, s *server) {
	dir := fake(t, s, "01", `	for i := 0; ; i++ {
		for {
			text, err := os.ReadFile(fmt.Sprint(dir, "/", i))
			if err == nil {
				os.Stdout.Write(text)
				break
			}
			wait()
		}
	}`)
	n := 0
	write := func(line string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "new"), []byte(line+"\n"), 0o644))
		require.NoError(t, os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, strconv.Itoa(n))))
		n++
	}
	scene := "#second-message"
	text := `(document.querySelector("` + scene + ` .view")?.textContent ?? "")`
	do(t, ctx, chromedp.Navigate(s.url+"/lessons/01"))
	value[bool](t, ctx, `document.querySelector("`+scene+` form.play button").click(), true`)
	write(`{"seq":1,"us":10,"scene":"x","side":"server","conn":"tcp1","op":"recv"}`)
	until(t, ctx, "that the read waits", text+`.includes("recv: waiting")`)
	write(
		`{"seq":2,"us":20000,"us_end":20010,"scene":"x","side":"client","conn":"tcp1","op":"send","n":38,"data":"PGltZyBzcmM9eCBvbmVycm9yPSJkb2N1bWVudC50aXRsZT0xIj4=","text":"<img src=x onerror=\"document.title=1\">"}`,
	)
	until(t, ctx, "the send", text+`.includes("<img src=x")`)
	do(t, ctx, chromedp.Reload())
	until(t, ctx, "the send, after the page was loaded anew",
		text+`.includes("<img src=x") && `+text+`.includes("recv: waiting")`)
	write(
		`{"seq":1,"us":10,"us_end":20020,"scene":"x","side":"server","conn":"tcp1","op":"recv","n":38,"data":"PGltZyBzcmM9eCBvbmVycm9yPSJkb2N1bWVudC50aXRsZT0xIj4=","text":"<img src=x onerror=\"document.title=1\">"}`,
	)
	until(t, ctx, "the read", text+`.includes("recv 38")`)
	require.Equal(t, 0, value[int](t, ctx, `document.querySelectorAll("`+scene+` img").length`))

	// A third tab has a lab.
	coursetest.Write(t, s.root, coursetest.Split)
	do(t, third, chromedp.Navigate(s.url+"/labs/05"))
	until(
		t,
		third,
		"7 points",
		`document.querySelector("#live .score")?.textContent.startsWith("7 of 10 points")`,
	)

	// Another tab has scenes of its own.
	do(t, other, chromedp.Navigate(s.url+"/lessons/02"))
	value[bool](t, other, `document.querySelector("section.scene form.play button").click(), true`)
	until(t, other, "the other tab's scene has finished",
		`document.querySelector("section.scene").dataset.phase == "finished"`)
	require.Empty(t, value[string](t, ctx, `document.querySelector("`+scene+` .trouble").textContent`))

	// The page goes: the program ends.
	require.True(t, s.plays())
	do(t, ctx, chromedp.Navigate("about:blank"))
	require.Eventually(t, func() bool { return !s.plays() }, 30*time.Second, 50*time.Millisecond,
		"the scene goes on without a page")
	do(t, other, chromedp.Navigate("about:blank")) // tabs that are hidden are slow
	do(t, third, chromedp.Navigate("about:blank"))
}

// plays reports whether a program of lesson 01 runs.
func (s *server) plays() bool {
	out, _ := exec.Command("pgrep", "-f", s.tmp+"/.*/01-[0-9]+.exe").Output()
	return len(out) > 0
}

// killed ends the browser in the middle of a scene, and then the workbook: nothing is left.
func killed(t *testing.T, ctx context.Context, s *server) {
	fake(
		t,
		s,
		"01",
		`	fmt.Println("{\"seq\":1,\"us\":10,\"scene\":\"x\",\"side\":\"server\",\"conn\":\"tcp1\",\"op\":\"recv\"}"); for { wait() }`,
	)
	do(t, ctx, chromedp.Navigate(s.url+"/lessons/01"))
	value[bool](t, ctx, `document.querySelector("#second-message form.play button").click(), true`)
	until(
		t,
		ctx,
		"that the read waits",
		`document.querySelector("#second-message .view")?.textContent.includes("recv: waiting")`,
	)
	require.True(t, s.plays())
	require.NoError(t, chromedp.FromContext(ctx).Browser.Process().Kill())
	require.Eventually(t, func() bool { return !s.plays() }, 30*time.Second, 50*time.Millisecond,
		"the scene goes on without a browser")
	s.end()
	left, err := os.ReadDir(s.tmp)
	require.NoError(t, err)
	require.Empty(t, left)
	_, err = http.Get(s.url)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

// many lets a scene of 10,000 events grow, and counts the frames.
func many(t *testing.T, ctx context.Context, s *server) {
	fake(t, s, "02", `	for i := 0; i < 10000; i += 2 {
		fmt.Printf("{\"seq\":%d,\"us\":%d,\"us_end\":%d,\"scene\":\"x\",\"side\":\"client\",\"conn\":\"tcp1\",\"op\":\"send\",\"n\":4,\"data\":\"YWJjZA==\",\"text\":\"abcd%d\"}\n", i+1, i*20+1, i*20+3, i)
		fmt.Printf("{\"seq\":%d,\"us\":%d,\"us_end\":%d,\"scene\":\"x\",\"side\":\"server\",\"conn\":\"tcp1\",\"op\":\"recv\",\"n\":4,\"data\":\"YWJjZA==\",\"text\":\"abcd%d\"}\n", i+2, i*20+2, i*20+9, i)
		if i%20 == 0 {
			wait()
		}
	}`)
	do(t, ctx, chromedp.Navigate(s.url+"/lessons/02"))
	scene := "#" + value[string](t, ctx, `document.querySelector("section.scene").id`)
	value[bool](t, ctx, `(() => {
		document.querySelector("`+scene+` form.play button").click()
		window.frames_ = []
		const beat = now => { window.frames_.push(now); requestAnimationFrame(beat) }
		requestAnimationFrame(beat)
		return true
	})()`)
	until(t, ctx, "events", `document.querySelector("`+scene+` .view text")`)
	value[bool](t, ctx, `window.frames_.length = 0, document.querySelector("`+scene+`").scrollIntoView(), true`)
	until(t, ctx, "the end", `document.querySelector("`+scene+`").dataset.phase == "finished"`)
	rate := `(f => (f.length - 1) / (f.at(-1) - f[0]) * 1000)(window.frames_)`
	grows := value[float64](t, ctx, rate)
	value[bool](t, ctx, `(() => {
		window.frames_.length = 0
		window.ends_ = performance.now() + 2000
		const view = document.querySelector("`+scene+` .view")
		view.scrollTop = 0
		const scroll = now => { view.scrollTop += 97; if (now < window.ends_) requestAnimationFrame(scroll) }
		requestAnimationFrame(scroll)
		return true
	})()`)
	until(t, ctx, "two seconds of scrolling", `performance.now() > window.ends_`)
	scrolls := value[float64](t, ctx, rate)
	value[bool](t, ctx, `window.frames_.length = 0, window.ends_ = performance.now() + 2000, true`)
	until(t, ctx, "two seconds of nothing", `performance.now() > window.ends_`)
	idle := value[float64](t, ctx, rate)
	t.Logf("10,000 events: %.0f frames a second while it grows, %.0f while it scrolls, %.0f when "+
		"nothing happens", grows, scrolls, idle)
	if os.Getenv("SCREENSHOTS") != "" { // measured by a person, on a machine that does nothing else
		require.Greater(t, min(grows, scrolls), 30*min(1, idle/60))
	}

	// On paper all rows are there.
	value[bool](t, ctx, `document.querySelector("`+scene+` .view").scrollTop = 0, true`)
	clocks := `document.querySelectorAll("` + scene + ` .view text.end.dim").length`
	until(t, ctx, "some rows", clocks+" > 5 && "+clocks+" < 200")
	value[bool](t, ctx, `dispatchEvent(new Event("beforeprint")), true`)
	require.Greater(t, value[int](t, ctx, clocks), 4000)
	value[bool](t, ctx, `dispatchEvent(new Event("afterprint")), true`)
	require.Less(t, value[int](t, ctx, clocks), 200)
}

// noScript uses the page without JavaScript.
func noScript(t *testing.T, ctx context.Context, s *server) {
	do(t, ctx, chromedp.EmulateViewport(1280, 900),
		chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled,
				emulation.SetScriptExecutionDisabledParams{Value: true})
			return err
		}))
	do(t, ctx, chromedp.Navigate(s.url+"/lessons/04"), chromedp.Click(chromedp.CSS("#split form.play button")))
	until(
		t,
		ctx,
		"the picture",
		`location.pathname.includes("/runs/") && document.querySelector("main img")?.complete &&
			document.querySelector("main img").naturalWidth > 100`,
	)
	require.Contains(t, value[string](t, ctx, `document.querySelector("main table").textContent`), "recv")
	screenshot(t, ctx, "no-script-scene")
	coursetest.Write(t, s.root, coursetest.Right)
	do(t, ctx, chromedp.Navigate(s.url+"/labs/05"), chromedp.Click(chromedp.CSS("form.again button")))
	until(t, ctx, "10 points", `document.querySelector(".score")?.textContent.startsWith("10 of 10 points")`)
	screenshot(t, ctx, "no-script-lab")
}

// foreign is a page of another origin that knows the whole address, and tries everything with it.
func foreign(t *testing.T, ctx context.Context, s *server) {
	state := func() string {
		text, _ := os.ReadFile(filepath.Join(s.root, ".socketbook", "state.json"))
		return string(text)
	}
	before := state()
	page := `<!DOCTYPE html><title>evil</title><body>
		<script>
		window.got = {}
		const note = (name, value) => { window.got[name] = String(value) }
		</script>
		<iframe id="frame" src="TARGET/"></iframe>
		<iframe name="sink"></iframe>
		<form id="form" method="post" target="sink" action="TARGET/settings"><input name="keys" value="off"></form>
		<img onload="note('img', 'loaded')" onerror="note('img', 'refused')" src="TARGET/files/04/testdata/split.svg">
		<script src="TARGET/static/workbook.js" type="module" crossorigin></script>
		<script>
		document.forms.form.submit()
		const stream = new EventSource("TARGET/events?tab=" + "b".repeat(32))
		stream.onmessage = stream.onopen = () => note("stream", "opened")
		stream.onerror = () => note("stream", "refused")
		fetch("TARGET/").then(r => r.text()).then(t => note("fetch", t), () => note("fetch", "refused"))
		fetch("TARGET/play", {
			method: "POST", mode: "no-cors", body: new URLSearchParams({ lesson: "04", scene: "nagle" }),
		}).then(r => note("post", r.type), () => note("post", "refused"))
		</script>`
	var address string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, strings.ReplaceAll(page, "TARGET", address))
	}))
	defer server.Close()
	for name, at := range map[string]string{
		"another port": server.URL,
		"a name":       strings.Replace(server.URL, "127.0.0.1", "evil.example", 1),
	} {
		for _, target := range []string{s.url, strings.Replace(s.url, "127.0.0.1", "evil.example", 1)} {
			address = target
			do(t, ctx, chromedp.Navigate(at))
			until(t, ctx, "all tries", `["img", "stream", "fetch", "post"].every(k => k in window.got)`)
			got := value[map[string]string](t, ctx, `window.got`)
			require.Equal(t, "refused", got["fetch"], name)
			require.Equal(t, "refused", got["stream"], name)
			require.Equal(t, "refused", got["img"], name)
			require.NotEqual(t, "basic", got["post"])
			until(
				t,
				ctx,
				"that the frame is refused",
				`(() => {
					try { return document.querySelector("#frame").contentDocument === null } catch { return true }
				})()`,
			)
		}
	}
	// Rebinding makes it the same origin; then the name gives it away.
	do(t, ctx, chromedp.Navigate(strings.Replace(s.url, "127.0.0.1", "evil.example", 1)+"/"))
	require.Contains(t, value[string](t, ctx, `document.body.textContent`), "this server answers for "+
		"127.0.0.1, [::1] and localhost only")
	require.Equal(t, before, state(), "something was played or changed")
}

// gone ends the workbook under its page, and starts it again.
func gone(t *testing.T, ctx context.Context, s *server) {
	coursetest.Write(t, s.root, coursetest.Right)
	do(t, ctx, chromedp.Navigate(s.url+"/labs/05"))
	until(t, ctx, "the result", `document.querySelector("#live .score")?.textContent.startsWith("10 of 10")`)
	s.end()
	until(t, ctx, "that it has gone", `!document.querySelector("#gone").hidden`)
	require.Contains(t, value[string](t, ctx, `document.querySelector("#gone").textContent`),
		"go run ./tools/workbook -addr "+s.addr)
	screenshot(t, ctx, "gone")
	coursetest.Write(t, s.root, coursetest.Split)
	s.run(s.addr)
	until(t, ctx, "that it is back", `document.querySelector("#gone").hidden`)
	until(t, ctx, "the new result", `document.querySelector("#live .score")?.textContent.startsWith("7 of 10")`)

	// A page on which nothing is live says it, too.
	do(t, ctx, chromedp.Navigate(s.url+"/claims"))
	s.end()
	until(t, ctx, "that it has gone", `!document.querySelector("#gone").hidden`)
	s.run(s.addr)
	until(t, ctx, "that it is back", `document.querySelector("#gone").hidden`)
}
