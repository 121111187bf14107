// Package browsertest opens the workbook in a real browser. It is a package of its own so that the other tests of the
// command need not be linked with a browser's protocol.
package browsertest

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"socketbook/tools/internal/coursetest"
)

// browser starts Chromium, or skips. Each call of the function that it returns opens a tab.
func browser(t *testing.T) (tab func() context.Context) {
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
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()),
		chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium's own sandbox refuses to run as root
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 8*time.Minute)
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
	binary string
	cmd    *exec.Cmd
	url    string // without the slash at its end
	addr   string
}

// start makes a course and serves it.
func start(t *testing.T, answer string) *server {
	t.Helper()
	s := &server{t: t, root: coursetest.New(t, answer, "lessons", "tools"), binary: filepath.Join(t.TempDir(), "workbook.exe")}
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
	deadline := time.Now().Add(time.Minute)
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

// A scene is played, and everything that the page offers for it is tried.
func TestScene(t *testing.T) {
	tab := browser(t)
	s := start(t, coursetest.Split)
	ctx := tab()
	do(t, ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(s.url+"/lessons/04#glue"))
	do(t, ctx, chromedp.Click(chromedp.CSS("#glue form.play button")))
	until(t, ctx, "the scene has finished", `document.querySelector("#glue").dataset.phase == "finished"`)
	require.Contains(t, value[string](t, ctx, `document.querySelector("#glue .view").textContent`), `recv 10 "helloworld"  A+B`)
	require.Contains(t, value[string](t, ctx, `document.querySelector("#status").textContent`), "scene glue finished, ")
	do(t, ctx, chromedp.KeyEvent("\t"))
	value[bool](t, ctx, `document.querySelector("#glue .view").focus(), document.querySelector("#glue").scrollIntoView(), true`)
	screenshot(t, ctx, "glue")
	do(t, ctx, chromedp.EmulateViewport(390, 844), media(map[string]string{"prefers-color-scheme": "dark"}))
	value[bool](t, ctx, `document.querySelector("#glue").scrollIntoView(), true`)
	time.Sleep(300 * time.Millisecond)
	screenshot(t, ctx, "glue-phone-dark")
}
