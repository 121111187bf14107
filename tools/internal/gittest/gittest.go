// Package gittest runs git and patch for tests that hold our diffs against theirs.
package gittest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Need skips the test where a program is missing, and fails it in CI.
func Need(t testing.TB, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI must have %s", program)
		}
		t.Skipf("there is no %s here to compare with: install it and this test runs", program)
	}
}

// Git runs git in dir, outside of any repository and with nobody's configuration. To git diff a status
// of 1 means "they differ", so that is an error only of other commands.
func Git(t testing.TB, dir, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_DIR="+filepath.Join(dir, "no repository"))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1 || args[0] != "diff") {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// Lines returns how many lines git adds and removes from the folder dir/old to the folder dir/new with
// its patience diff.
func Lines(t testing.TB, dir string) int {
	t.Helper()
	total := 0
	for line := range strings.Lines(Git(t, dir, "", "diff", "--patience", "--no-index", "--no-renames",
		"--numstat", "old", "new")) {
		var added, removed int
		_, err := fmt.Sscan(line, &added, &removed)
		require.NoError(t, err, line)
		total += added + removed
	}
	return total
}

// WriteTree writes files, by name, below dir.
func WriteTree(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
}

// RequireTree demands that dir holds those files and no other.
func RequireTree(t testing.TB, dir string, want map[string]string) {
	t.Helper()
	got := make(map[string]string)
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		got[filepath.ToSlash(name)] = string(text)
		return err
	}))
	for name, text := range want {
		require.Contains(t, got, name)
		require.Equal(t, text, got[name], name)
	}
	require.Len(t, got, len(want))
}
