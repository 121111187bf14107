//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/internal/gittest"
)

// A page goes to a file, and through a link to the file behind it; nothing else is touched, and nothing
// hangs.
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
	irregular := " is there already and is not a regular file: not replaced; " +
		"-html - writes to standard output\n"
	for name, want := range map[string]string{
		"pipe":         irregular,
		"link-to-pipe": irregular,
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
		out, _, status := command(t, 100, map[string]string{"PAGER": pager}, "testdata/before",
			"testdata/after")
		require.Zero(t, status, pager)
		require.Equal(t, shows, strings.Contains(withoutColour(out), "+     for {"), "%s: %s", pager, out)
	}
}

// Ctrl-C reaches what the pager's shell runs: the shell of this pager sends itself the signal, and dies
// of it.
func TestInterruptEndsThePager(t *testing.T) {
	out, _, status := command(t, 100,
		map[string]string{"PAGER": "cat >/dev/null; kill -INT $$; echo survived"}, "testdata/before",
		"testdata/after")
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

// Pipes that were named are read, as by diff <(one) <(other); each is opened once, and a pipe has no name.
func TestStreams(t *testing.T) {
	dir := t.TempDir()
	stream := func(text string) string {
		name := filepath.Join(dir, fmt.Sprintf("fifo%d", len(text)))
		require.NoError(t, syscall.Mkfifo(name, 0o600))
		go func() { _ = os.WriteFile(name, []byte(text), 0o600) }()
		return name
	}
	out, stderr, status := command(t, 0, nil, "-u", stream("a\nb\n"), stream("a\nb\nc\n"))
	require.Zero(t, status, stderr)
	require.Equal(t, "diff --git a/stream b/stream\n"+
		"--- a/stream\n+++ b/stream\n@@ -1,2 +1,3 @@\n a\n b\n+c\n", out)

	server, err := os.ReadFile("testdata/before/server.go")
	require.NoError(t, err)
	out, stderr, status = command(t, 0, nil, "-stat", stream(string(server)), "testdata/after/server.go")
	require.Zero(t, status, stderr)
	require.Equal(t, "server.go +21 −19: serve, listen (moved)\n", out)

	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	_, err = w.WriteString("a\n")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	fd := fmt.Sprintf("/dev/fd/%d", r.Fd())
	out, stderr, status = command(t, 0, nil, fd, stream("a\n"))
	require.Zero(t, status, stderr)
	require.Contains(t, out, fd+" and "+filepath.Join(dir, "fifo2")+" are the same.")

	_, stderr, status = command(t, 0, nil, fd, fd)
	require.Equal(t, 2, status)
	require.Contains(t, stderr, fd+" and "+fd+" are the same stream, which is read only once")

	_, stderr, status = command(t, 0, nil, "/dev/zero", "testdata/after/server.go")
	require.Equal(t, 1, status)
	require.Equal(t, "diff: /dev/zero: more than 64 MiB, too large to compare\n", stderr)
}

// A file that cannot be read is named, and the status is 1, in a folder as alone; the other files are
// compared.
func TestAFileThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	gittest.WriteTree(t, dir, map[string]string{
		"a/server.go": "package a\n", "a/pipe.go": "package a\n", "a/sub/x.go": "package a\n",
		"a/x.go": "package a\n", "a/both.go": "package a\n", "b/x.go": "package b\n",
		"outside.go": "package secret\n",
	})
	require.NoError(t, os.Symlink("../outside.go", at("b/server.go")))
	require.NoError(t, os.Symlink("nowhere", at("b/both.go")))
	require.NoError(t, os.Symlink("sub", at("a/link.go")))
	require.NoError(t, syscall.Mkfifo(at("b/pipe.go"), 0o600))
	want := strings.ReplaceAll(`diff: server.go cannot be read in DIR/b: path escapes from parent
diff: both.go cannot be read in DIR/b: no such file or directory
diff: link.go cannot be read in DIR/a: it is a link to a folder
diff: pipe.go cannot be read in DIR/b: it is a pipe, a socket or a device
`, "DIR", filepath.ToSlash(dir))
	for _, mode := range []string{"-all", "-stat", "-u", "-html=-"} {
		out, stderr, status := command(t, 0, nil, mode, at("a"), at("b"))
		require.Equal(t, 1, status, mode)
		require.Equal(t, want, stderr, mode)
		require.Contains(t, out, "x.go", mode)
		require.Contains(t, out, "server.go", mode)
		require.NotContains(t, out, "secret", mode)
	}
	for other, why := range map[string]string{
		at("b"):         at("b/server.go") + ": path escapes from parent",
		at("b/both.go"): at("b/both.go") + ": no such file or directory",
		at("a/sub/x"):   at("a/sub/x") + ": no such file or directory",
	} {
		out, stderr, status := command(t, 0, nil, at("a/server.go"), other)
		require.Equal(t, 1, status)
		require.Empty(t, out)
		require.Equal(t, "diff: "+why+"\n", stderr)
	}
	// A pipe in a folder, which nobody named, is not opened.
	_, stderr, status := command(t, 0, nil, at("a/pipe.go"), at("b"))
	require.Equal(t, 1, status)
	require.Equal(t, "diff: "+at("b/pipe.go")+": it is a pipe, a socket or a device\n", stderr)
}

// A step of the course whose file cannot be read would count as 0 lines: there is no table, and there
// are no pages.
func TestACourseThatCannotBeRead(t *testing.T) {
	c := small()
	c.root = t.TempDir()
	require.NoError(t, os.CopyFS(c.root, os.DirFS("testdata/course")))
	server := filepath.Join(c.root, "lessons", "02", "server.go")
	require.NoError(t, os.Remove(server))
	require.NoError(t, os.Symlink("nowhere", server))
	_, err := c.steps()
	require.EqualError(t, err, "server.go cannot be read in lessons/02: no such file or directory")
	site := filepath.Join(c.root, "site")
	require.Equal(t, err, writeCourse(c, options{html: site}, world{}))
	require.NoDirExists(t, site)

	require.NoError(t, os.Remove(server))
	require.NoError(t, os.WriteFile(server, []byte("package main\n"), 0o600))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(filepath.Dir(server), "NOTES")))
	var out bytes.Buffer
	err = writeCourse(c, options{html: site, allFiles: true}, world{stdout: &out})
	require.EqualError(t, err, "NOTES cannot be read in lessons/02: no such file or directory\n"+
		"NOTES cannot be read in lessons/02: no such file or directory") // by the steps to 02 and to 03
	require.FileExists(t, filepath.Join(site, "03.html"))
}

// Archives packed on Chinese Windows bring names that are not UTF-8.
func TestNamesThatAreNotUTF8(t *testing.T) {
	dir := t.TempDir()
	name := "\xd7\xf7\xd2\xb5\x1b[2J.go" // 作业 in GBK, and an escape sequence
	for _, side := range []string{"a", "b"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, side), 0o755))
		err := os.WriteFile(filepath.Join(dir, side, name), []byte("package "+side+"\n"), 0o600)
		if err != nil {
			t.Skip("this file system takes UTF-8 names only:", err)
		}
	}
	out, stderr, status := command(t, 80, nil, "-stat", filepath.Join(dir, "a"), filepath.Join(dir, "b"))
	require.Zero(t, status, stderr)
	require.Equal(t, `\xd7\xf7ҵ␛[2J.go +1 −1`+"\n", out)
}
