package check_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/check"
)

// TestFewThreads: a right answer of a user who may have few threads is not graded, and the suite says so
// before it lacks one, which would end it.
func TestFewThreads(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("needs root, to become a user who runs nothing else")
		}
		t.Skip("needs root, to become a user who runs nothing else")
	}
	built, err := hostileLab()
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "threads")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	require.NoError(t, os.Chmod(dir, 0o777)) // the other user's as well
	text, err := os.ReadFile(built)
	require.NoError(t, err)
	binary, results := filepath.Join(dir, "hostile.test"), filepath.Join(dir, "results")
	require.NoError(t, os.WriteFile(binary, text, 0o755))
	limit := `ulimit -p 8 2>&- || ulimit -u 8` // whichever this shell calls it
	cmd := exec.Command("sh", "-c", limit+`; exec "$0" -test.v`, binary)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOSTILE=", check.ResultsVariable+"="+results)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 47113, Gid: 47113}}
	out, err := cmd.CombinedOutput()
	require.Error(t, err, string(out))
	require.Regexp(t, `(?m)^    lab 05: not graded: a suite needs up to \d+ threads at a time; this user may `+
		`have 8 \(ulimit -u\), and \d of them are taken: end other programs, or raise the limit$`, string(out))
	for _, r := range tenRows(t, results) {
		require.Equal(t, check.Error, r.Outcome, r.Case+": "+r.Message)
	}
}
