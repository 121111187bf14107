package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/internal/labrun"
	"socketbook/tools/internal/progress"
	"socketbook/tools/internal/runner"
)

// commandVariable makes the test binary the command.
const commandVariable = "WORKBOOK_TEST_COMMAND"

func TestMain(m *testing.M) {
	runner.Supervise()
	if os.Getenv(commandVariable) != "" {
		os.Unsetenv(commandVariable)
		main()
	}
	os.Exit(m.Run())
}

const testToken = "0123456789abcdef0123456789abcdef"

// serveBook serves a book of a course without code: the pages are there, and nothing can be built.
func serveBook(t *testing.T) (b *book, base string) {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "go.mod"), []byte("module socketbook\n"), 0o644))
	folder := filepath.Join(root, "labs", "05")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "README.md"), []byte("# Lab 05: a title\n\nYou edit "+
		"one file, `labs/05/framing.go`. <script>alert(1)</script>\n"), 0o644))
	builder, err := runner.NewBuilder(root)
	require.NoError(t, err)
	labs, err := labrun.Labs(root)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	b, err = newBook(ctx, builder, progress.Open(root, func(s string) { t.Error(s) }), labs, testToken)
	require.NoError(t, err)
	listeners, err := listen("127.0.0.1:0")
	require.NoError(t, err)
	var served sync.WaitGroup
	served.Go(func() { require.NoError(t, serve(ctx, b.handler(port(listeners[0])), listeners)) })
	t.Cleanup(func() {
		stop()
		served.Wait()
		b.close()
		builder.Close()
	})
	return b, fmt.Sprintf("http://127.0.0.1:%d", port(listeners[0]))
}

// ask sends a request as change has made it.
func ask(t *testing.T, method, address string, body io.Reader, change func(*http.Request)) *http.Response {
	t.Helper()
	r, err := http.NewRequest(method, address, body)
	require.NoError(t, err)
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if change != nil {
		change(r)
	}
	client := &http.Client{CheckRedirect: func(*http.Request,
		[]*http.Request,
	) error {
		return http.ErrUseLastResponse
	}}
	resp, err := client.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func bodyOf(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(b)
}

// Requests as a hostile page can have them made, one for each rule.
func TestForgedRequests(t *testing.T) {
	t.Parallel()
	b, base := serveBook(t)
	page := base + "/" + testToken
	u, err := url.Parse(base)
	require.NoError(t, err)
	host := func(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }
	header := func(pairs ...string) func(*http.Request) {
		return func(r *http.Request) {
			for i := 0; i < len(pairs); i += 2 {
				r.Header.Set(pairs[i], pairs[i+1])
			}
		}
	}
	form := func() io.Reader { return strings.NewReader("keys=off") }
	for name, test := range map[string]struct {
		method, address string
		body            io.Reader
		change          func(*http.Request)
		want            int
	}{
		"as the page does":   {"GET", page + "/", nil, nil, 200},
		"by its other names": {"GET", page + "/", nil, host("localhost:" + u.Port()), 200},
		"by its IPv6 name":   {"GET", page + "/", nil, host("[::1]:" + u.Port()), 200},
		"DNS rebinding":      {"GET", page + "/", nil, host("evil.example:" + u.Port()), 421},
		"DNS rebinding, same origin": {"POST", page + "/settings", form(), func(r *http.Request) {
			r.Host = "evil.example:" + u.Port()
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}, 421},
		"another port in Host": {"GET", page + "/", nil, host("127.0.0.1:80"), 421},
		"no port in Host":      {"GET", page + "/", nil, host("127.0.0.1"), 421},
		"a name that begins as ours": {
			"GET", page + "/", nil,
			host("localhost.evil.example:" + u.Port()), 421,
		},
		"a trailing dot":                  {"GET", page + "/", nil, host("localhost.:" + u.Port()), 421},
		"another loopback address":        {"GET", page + "/", nil, host("127.0.0.2:" + u.Port()), 421},
		"no token":                        {"GET", base + "/", nil, nil, 404},
		"no token, a page":                {"GET", base + "/lessons/04", nil, nil, 404},
		"no token, an asset":              {"GET", base + "/static/workbook.js", nil, nil, 404},
		"no token, the stream":            {"GET", base + "/events?tab=" + testToken, nil, nil, 404},
		"a wrong token":                   {"GET", base + "/" + strings.Repeat("0", 32) + "/", nil, nil, 404},
		"the beginning of the token":      {"GET", base + "/" + testToken[:31] + "/", nil, nil, 404},
		"the token in upper case":         {"GET", base + "/" + strings.ToUpper(testToken) + "/", nil, nil, 404},
		"the token in a cookie":           {"GET", base + "/", nil, header("Cookie", "token="+testToken), 404},
		"the token behind another folder": {"GET", base + "/x/../" + testToken + "/", nil, nil, 404},
		"a form of another origin": {
			"POST", page + "/settings", form(),
			header("Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"), 403,
		},
		"a form of another port": {
			"POST", page + "/settings", form(),
			header("Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:80"), 403,
		},
		"a form of an old browser": {
			"POST", page + "/settings", form(),
			header("Origin", "http://evil.example"), 403,
		},
		"a form of a sandboxed frame": {"POST", page + "/settings", form(), header("Origin", "null"), 403},
		"the page's own form": {
			"POST", page + "/settings", form(),
			header("Sec-Fetch-Site", "same-origin", "Origin", base), 303,
		},
		"a change by GET": {"GET", page + "/settings?keys=off", nil, nil, 405},
		"a scene by GET":  {"GET", page + "/play?lesson=04&scene=glue", nil, nil, 405},
		"another method":  {"PUT", page + "/settings", form(), nil, 405},
		"a preflight": {
			"OPTIONS", page + "/play", nil,
			header("Origin", "https://evil.example", "Access-Control-Request-Method", "POST"), 405,
		},
		"a lesson that is none": {
			"POST", page + "/play",
			strings.NewReader("lesson=../labs/05&scene=glue"), nil, 404,
		},
		"a lesson that is planned": {
			"POST", page + "/play",
			strings.NewReader("lesson=16&scene=glue"), nil, 404,
		},
		"a scene that is a flag": {
			"POST", page + "/play",
			strings.NewReader("lesson=04&scene=-svg"), nil, 404,
		},
		"a scene of another lesson": {
			"POST", page + "/play",
			strings.NewReader("lesson=04&scene=forged"), nil, 404,
		},
		"a lab that is none": {"POST", page + "/labs/..%2f05", form(), nil, 404},
		"a tab with a name of its own kind": {
			"POST", page + "/follow",
			strings.NewReader("lab=05&tab=<script>"), nil, 404,
		},
		"a file outside": {
			"GET", page + "/files/04/testdata/..%2f..%2fcatalog.go",
			nil, nil, 404,
		},
		"a source as a picture": {"GET", page + "/files/04/testdata/client.py", nil, nil, 404},
		"the templates":         {"GET", page + "/templates/layout.html", nil, nil, 404},
		"a large form": {
			"POST", page + "/play",
			strings.NewReader("lesson=04&scene=glue&x=" + strings.Repeat("x", maxBody)), nil, 400,
		},
		"no such run": {"GET", page + "/runs/1", nil, nil, 404},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, b.store.Update(func(s *progress.State) { s.NoKeys = false }))
			r := ask(t, test.method, test.address, test.body, test.change)
			require.Equal(t, test.want, r.StatusCode, bodyOf(t, r))
			require.Equal(t, test.want == 303, b.store.Load().NoKeys, "whether something was changed")
			require.Equal(t, pagePolicy, r.Header.Get("Content-Security-Policy"))
			require.Equal(t, "nosniff", r.Header.Get("X-Content-Type-Options"))
			require.Equal(t, "no-referrer", r.Header.Get("Referrer-Policy"))
			require.Equal(t, "same-origin", r.Header.Get("Cross-Origin-Resource-Policy"))
			require.Empty(t, r.Header.Get("Access-Control-Allow-Origin"))
			require.Empty(t, r.Header.Get("Set-Cookie"))
		})
	}
	require.Empty(t, b.runs, "something was played")
}

// A request of a gigabyte, and a thousand connections that say nothing: the page goes on.
func TestMuch(t *testing.T) {
	t.Parallel()
	_, base := serveBook(t)
	address := strings.TrimPrefix(base, "http://")
	huge, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer huge.Close()
	_, err = fmt.Fprintf(huge, "POST /%s/play HTTP/1.1\r\nHost: %s\r\nContent-Type: "+
		"application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\nx=", testToken, address, 1<<30)
	require.NoError(t, err)
	sent := int64(0)
	for part := make([]byte, 1<<20); err == nil && sent < 1<<30; {
		var n int
		n, err = huge.Write(part)
		sent += int64(n)
	}
	require.Error(t, err, "the whole gigabyte was taken")
	require.Less(t, sent, int64(64<<20))

	var idle []net.Conn
	for range 1000 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			break // the system's limit, not ours
		}
		idle = append(idle, conn)
	}
	require.Greater(t, len(idle), 100)
	require.Equal(t, 200, ask(t, "GET", base+"/"+testToken+"/", nil, nil).StatusCode)
	for _, conn := range idle {
		conn.Close()
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	store := progress.Open(root, func(s string) { t.Error(s) })
	one, err := loadToken(store, false)
	require.NoError(t, err)
	require.Regexp(t, `^[0-9a-f]{32}$`, one)
	name := filepath.Join(root, ".socketbook", "token")
	require.NoError(t, os.Chmod(name, 0o644))
	again, err := loadToken(store, false)
	require.NoError(t, err)
	require.Equal(t, one, again)
	info, err := os.Stat(name)
	require.NoError(t, err)
	if os.PathSeparator == '/' {
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	other, err := loadToken(store, true)
	require.NoError(t, err)
	require.NotEqual(t, one, other)
	for _, broken := range []string{"", "short", other + "00", strings.Repeat("x", 32), "../../"} {
		require.NoError(t, os.WriteFile(name, []byte(broken), 0o600))
		fresh, err := loadToken(store, false)
		require.NoError(t, err)
		require.Regexp(t, `^[0-9a-f]{32}$`, fresh)
	}
}

// Only this machine's own addresses can be listened on.
func TestListen(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{
		"0.0.0.0:0", ":0", "[::]:0", "127.0.0.2:0", "192.168.1.1:0",
		"example.org:0", "[::ffff:127.0.0.1]:0", "localhost.:0", "127.0.0.1", "127.0.0.1:x",
		"127.0.0.1:-1", "127.0.0.1:65536", "",
	} {
		_, err := listen(addr)
		var wrong usageError
		require.ErrorAs(t, err, &wrong, addr)
	}
	for _, addr := range []string{"127.0.0.1:0", "localhost:0"} {
		listeners, err := listen(addr)
		require.NoError(t, err)
		for _, ln := range listeners {
			require.True(t, ln.Addr().(*net.TCPAddr).IP.IsLoopback())
			require.Equal(t, port(listeners[0]), port(ln))
		}
		_, err = listen(listeners[0].Addr().String())
		require.ErrorContains(t, err, "another program has this port, perhaps another workbook")
		for _, ln := range listeners {
			ln.Close()
		}
	}
}

// What a page of another origin sees when it does know the token: nothing, because no answer allows it.
func TestRecorderOfHeaders(t *testing.T) {
	t.Parallel()
	h := newGuard(80, testToken, http.HandlerFunc(func(w http.ResponseWriter,
		r *http.Request,
	) {
		fmt.Fprint(w, r.URL.Path)
	}))
	r := httptest.NewRequest("GET", "/"+testToken+"/lessons/04", nil)
	r.Host = "localhost:80"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, "/lessons/04", w.Body.String())
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'")
}
