//go:build unix

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/internal/gittest"
)

// A page goes to a file, and through a link to the file behind it; nothing else is touched, and nothing hangs.
func TestPageReplacesOnlyAPage(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string) (stderr string, status int) {
		_, stderr, status = command(t, 0, nil, "testdata/before", "testdata/after", "-html", name)
		return stderr, status
	}
	require.NoError(t, os.Mkdir(at("pages"), 0o755))
	require.NoError(t, os.WriteFile(at("pages/real.html"), nil, 0o644))
	require.NoError(t, os.Symlink("pages/real.html", at("link.html")))
	for range 2 { // over an empty file, then over the page
		stderr, status := write(at("link.html"))
		require.Zero(t, status, stderr)
		target, err := os.Readlink(at("link.html"))
		require.NoError(t, err, "the link was replaced")
		require.Equal(t, "pages/real.html", target)
		page, err := os.ReadFile(at("pages/real.html"))
		require.NoError(t, err)
		require.Contains(t, string(page), generator)
	}

	require.NoError(t, syscall.Mkfifo(at("pipe"), 0o644))
	require.NoError(t, os.Symlink("pipe", at("link-to-pipe")))
	require.NoError(t, os.Symlink("nowhere", at("dangling")))
	for name, want := range map[string]string{
		"pipe":         " is there already and is no regular file: not replaced; -html - writes to standard output\n",
		"link-to-pipe": " is there already and is no regular file: not replaced; -html - writes to standard output\n",
		"dangling":     " is a link to a file that is not there: not replaced\n",
	} {
		before, err := os.Lstat(at(name))
		require.NoError(t, err)
		stderr, status := write(at(name))
		require.Equal(t, 1, status, name)
		require.Equal(t, "diff: "+at(name)+want, stderr)
		after, err := os.Lstat(at(name))
		require.NoError(t, err)
		require.True(t, os.SameFile(before, after), "%s was replaced", name)
	}
	left, err := filepath.Glob(at(".diff-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestALinkKeepsItsName(t *testing.T) {
	dir := t.TempDir()
	gittest.WriteTree(t, dir, map[string]string{"real/target.go": "package a\n", "other/p.go": "package b\n"})
	link := filepath.Join(dir, "p.go")
	require.NoError(t, os.Symlink("real/target.go", link))
	for _, other := range []string{filepath.Join(dir, "other"), filepath.Join(dir, "other", "p.go")} {
		out, stderr, status := command(t, 0, nil, "-stat", link, other)
		require.Zero(t, status, stderr)
		require.Equal(t, "p.go +1 −1\n", out)
		out, stderr, status = command(t, 0, nil, "-stat", other, link)
		require.Zero(t, status, stderr)
		require.Equal(t, "p.go +1 −1\n", out)
	}
}

// A pager that could not start, or that failed before it read anything, has shown nothing.
func TestPagerThatFails(t *testing.T) {
	for pager, shows := range map[string]bool{
		"no-such-pager-anywhere":   true,  // the shell's status is 127
		"/":                        true,  // 126
		`less "`:                   true,  // 2
		"exit 1":                   true,  //
		"cat >/dev/null; exit 126": false, // it has read all
		"cat >/dev/null":           false,
	} {
		out, _, status := command(t, 100, map[string]string{"PAGER": pager}, "testdata/before", "testdata/after")
		require.Zero(t, status, pager)
		require.Equal(t, shows, strings.Contains(withoutColour(out), "+     for {"), "%s: %s", pager, out)
	}
}

// Ctrl-C reaches what the pager's shell runs: the shell of this pager sends itself the signal, and dies of it.
func TestInterruptEndsThePager(t *testing.T) {
	out, _, status := command(t, 100, map[string]string{"PAGER": "cat >/dev/null; kill -INT $$; echo survived"}, "testdata/before", "testdata/after")
	require.Zero(t, status)
	require.Empty(t, out)
}

// A pager such as an editor with windows leaves its shell at once and reads on in the background.
func TestPagerInTheBackground(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o644))
	got := make(chan []byte)
	go func() {
		text, _ := os.ReadFile(fifo)
		got <- text
	}()
	long := strings.Repeat("a line that fills the pipe\n", 10_000)
	var out bytes.Buffer
	getenv := map[string]string{"PAGER": "exec 3<&0; cat <&3 >'" + fifo + "' 2>&1 &"}
	require.True(t, page(long, func(name string) string { return getenv[name] }, &out, &out))
	require.True(t, long == string(<-got), "the pager did not get the whole text")
}
