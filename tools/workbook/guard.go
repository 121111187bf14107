package main

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"socketbook/tools/internal/progress"
)

const (
	tokenBytes = 16       // 128 bits: nobody guesses them
	maxBody    = 64 << 10 // bytes of a request; a form has less than a hundred
	pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
		"connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
	imagePolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors " +
		"'none'; form-action 'none'; sandbox"
)

// loadToken returns the token that is kept, or makes one.
func loadToken(store *progress.Store, anew bool) (string, error) {
	dir, err := store.Dir()
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "token")
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !anew {
		return "", fmt.Errorf("reading the page's token: %w; -new-token makes another", err)
	}
	token := strings.TrimSpace(string(text))
	if raw, err := hex.DecodeString(token); err == nil && len(raw) == tokenBytes && !anew {
		return token, os.Chmod(name, 0o600)
	}
	raw := make([]byte, tokenBytes)
	rand.Read(raw) // never fails
	token = hex.EncodeToString(raw)
	return token, progress.WriteFile(name, []byte(token+"\n"), 0o600)
}

// guard lets only those requests through that come from the page itself, or from its reader typing
// its address.
//
// A page of any origin can make the reader's browser send requests here. It does not know the
// token, and its requests are told by their headers. A name of its own that leads to 127.0.0.1 (DNS
// rebinding) makes it the same origin, but then the name is in the Host header. The token is in the
// path and not in a cookie, because cookies of 127.0.0.1 go to every port there.
type guard struct {
	hosts []string
	token string
	next  http.Handler // is given paths without the token
}

func newGuard(port int, token string, next http.Handler) http.Handler {
	var hosts []string
	for _, host := range []string{"127.0.0.1", "[::1]", "localhost"} {
		hosts = append(hosts, fmt.Sprintf("%s:%d", host, port))
	}
	return &guard{hosts, token, http.NewCrossOriginProtection().Handler(next)}
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if !slices.Contains(g.hosts, r.Host) {
		http.Error(w, "this server answers for 127.0.0.1, [::1] and localhost only", http.StatusMisdirectedRequest)
		return
	}
	given, rest, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	odd := strings.Contains(rest, "..") || strings.Contains("/"+rest, "//")
	if !ok || odd || subtle.ConstantTimeCompare([]byte(given), []byte(g.token)) != 1 {
		http.Error(w, "the page's whole address is in the first line that go run ./tools/workbook "+
			"prints", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost {
		http.Error(w, "only GET, HEAD and POST are known here", http.StatusMethodNotAllowed)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	inner := r.Clone(r.Context())
	inner.URL.Path, inner.URL.RawPath = "/"+rest, ""
	g.next.ServeHTTP(w, inner)
}
