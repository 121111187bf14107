// Package browsertest opens the pages of tools/diff in a real browser. It is a package of its own so
// that the other tests of the command need not be linked with a browser's protocol.
package browsertest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// browser starts Chromium, or skips.
func browser(t *testing.T) context.Context {
	t.Helper()
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
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium's own sandbox refuses to run as root
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits until the browser has gone
		cancel()
	})
	require.NoError(t, chromedp.Do(ctx), "starting %s", path)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// command builds tools/diff.
func command(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "diff.exe")
	out, err := exec.Command("go", "build", "-o", binary, "socketbook/tools/diff").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
}

func run(t *testing.T, binary string, args ...string) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func fileURL(path string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
}

func value[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	require.NoError(t, err, expression)
	return v
}

func scheme(name string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
		})
		return err
	})
}

// screenshot keeps a picture of the whole page where SCREENSHOTS names a folder, for a person to look at.
func screenshot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644))
}

func TestPagesInABrowser(t *testing.T) {
	ctx := browser(t)
	binary, dir := command(t), t.TempDir()
	fixture := filepath.Join(dir, "fixture.html")
	run(t, binary, "-html", fixture, "testdata/before", "testdata/after")
	course := filepath.Join(dir, "course")
	run(t, binary, "-html", course)

	pages, err := filepath.Glob(filepath.Join(course, "*.html"))
	require.NoError(t, err)
	require.Greater(t, len(pages), 5)
	themes := []string{"dark"} // the layout is the same in both
	if os.Getenv("SCREENSHOTS") != "" {
		themes = []string{"light", "dark"}
	}
	for _, page := range append(pages, fixture) {
		name := strings.TrimSuffix(filepath.Base(page), ".html")
		t.Run(name, func(t *testing.T) {
			unfold := func(open bool) {
				value[bool](t, ctx, fmt.Sprintf(
					`document.querySelectorAll("details").forEach(d => d.open = %v), true`, open))
			}
			for _, width := range []int64{390, 1280} {
				for _, colours := range themes {
					require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(width, 844),
						scheme(colours), chromedp.Navigate(fileURL(page))))
					require.LessOrEqual(t, value[int64](t, ctx, `document.documentElement.scrollWidth`),
						width, "the page scrolls sideways")
					unfold(true)
					require.LessOrEqual(t, value[int64](t, ctx, `document.documentElement.scrollWidth`),
						width, "the unfolded page scrolls sideways")
					require.Empty(t, value[[]string](t, ctx, `
						[...document.querySelectorAll(".side code, .side del, .side ins, h1, h2, td")]
							.filter(e => e.scrollWidth > e.clientWidth + 1)
							.filter(e => getComputedStyle(e).display != "inline")
							.map(e => e.textContent)`), "text is cut off")
					unfold(false)
					screenshot(t, ctx, name+"-"+colours+"-"+map[int64]string{
						390:  "phone",
						1280: "wide",
					}[width])
				}
			}
		})
	}
	t.Run("keyboard", func(t *testing.T) { keyboard(t, ctx, fixture) })
	t.Run("contrast", func(t *testing.T) { contrast(t, ctx, fixture) })
	t.Run("nothing runs and nothing is fetched", func(t *testing.T) { closed(t, ctx, dir, fixture) })
}

// keyboard opens and closes the first fold with the Tab, Enter and space keys alone.
func keyboard(t *testing.T, ctx context.Context, page string) {
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(fileURL(page))))
	require.False(t, value[bool](t, ctx, `document.querySelector("details").open`))
	reached := false
	for range 50 {
		require.NoError(t, chromedp.Do(ctx, chromedp.KeyEvent(kb.Tab)))
		if reached = value[bool](t, ctx,
			`document.activeElement == document.querySelector("summary")`); reached {
			break
		}
	}
	require.True(t, reached, "Tab never came to the first fold")
	require.NotEqual(t, "none", value[string](t, ctx,
		`getComputedStyle(document.activeElement).outlineStyle`), "where the focus is cannot be seen")
	require.NoError(t, chromedp.Do(ctx, chromedp.KeyEvent(kb.Enter)))
	require.True(t, value[bool](t, ctx, `document.querySelector("details").open`))
	require.True(t, value[bool](t, ctx,
		`document.querySelector("details .row").getBoundingClientRect().height > 0`))
	require.NoError(t, chromedp.Do(ctx, chromedp.KeyEvent(" ")))
	require.False(t, value[bool](t, ctx, `document.querySelector("details").open`))
	require.NoError(t, chromedp.Do(ctx, chromedp.Click(chromedp.CSS("summary"))))
	require.True(t, value[bool](t, ctx, `document.querySelector("details").open`), "opened by a click")
}

// contrast holds every piece of text to a ratio of 4.5 against what is behind it (WCAG 2.2, 1.4.3).
func contrast(t *testing.T, ctx context.Context, page string) {
	for _, colours := range []string{"light", "dark"} {
		require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(1280, 844), scheme(colours),
			chromedp.Navigate(fileURL(page))))
		require.Empty(t, value[[]string](t, ctx, `(() => {
			const parts = c => c.match(/[\d.]+/g).map(Number)
			const light = c => parts(c).slice(0, 3)
				.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
				.reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0)
			const behind = e => {
				for (; e; e = e.parentElement) {
					const c = getComputedStyle(e).backgroundColor
					if (parts(c)[3] !== 0) return c
				}
				return "rgb(255, 255, 255)"
			}
			const poor = new Set()
			for (const e of document.querySelectorAll("body *")) {
				if (![...e.childNodes].some(n => n.nodeType == 3 && n.data.trim())) continue
				const [a, b] = [light(getComputedStyle(e).color), light(behind(e))]
				const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05)
				const what = e.className + " " + e.textContent.slice(0, 20)
				if (ratio < 4.5) poor.add(what + " " + ratio.toFixed(2))
			}
			return [...poor]
		})()`), "text in the %s theme that is hard to read", colours)
	}
}

// closed demands that hostile text in a file stays text, and that the policy stops a script and a
// request if one ever came in.
func closed(t *testing.T, ctx context.Context, dir, page string) {
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(fileURL(page))))
	require.Equal(t, 0, value[int](t, ctx, `document.scripts.length`))
	require.Equal(t, 0, value[int](t, ctx, `performance.getEntriesByType("resource").length`))
	require.NotEqual(t, "owned", value[string](t, ctx, `document.title`))
	require.Contains(t, value[string](t, ctx, `document.body.textContent`),
		`<script>document.title = 'owned'</script> & \"quotes\"`)

	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	hostile := `<main><script>document.title = "owned"</script>` +
		`<img src="` + server.URL + `" onload="document.title = 'owned'"/>`
	// Without the policy the probe must succeed, or it proves nothing.
	for policy, want := range map[bool]int32{true: 0, false: 1} {
		asked.Store(0)
		injected := strings.Replace(string(text), "<main>", hostile, 1)
		if !policy {
			injected = strings.Replace(injected, "Content-Security-Policy", "none", 1)
		}
		probe := filepath.Join(dir, "probe.html")
		require.NoError(t, os.WriteFile(probe, []byte(injected), 0o644))
		require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(fileURL(probe))))
		require.Equal(t, !policy, value[string](t, ctx, `document.title`) == "owned",
			"policy %v: the script", policy)
		require.Equal(t, want, asked.Load(), "policy %v: requests", policy)
	}
}
