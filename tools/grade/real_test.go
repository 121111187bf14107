package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/grade/internal/score"
	"socketbook/tools/internal/coursetest"
)

// Real answers to a real lab: right, half right, not compiling, untouched. The failure texts are those that
// go test prints.
func TestRealAnswers(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	for id, text := range map[string]string{
		"right": coursetest.Right, "split": coursetest.Split, "wrong": coursetest.Wrong, "starter": coursetest.Starter,
	} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, id), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, id, "framing.go"), []byte(text), 0o644))
	}
	var stdout, stderr bytes.Buffer
	status := command(t.Context(), []string{"-labs", "05", "-sandbox", "none", "-out", out, "-j", "2", dir}, &stdout, &stderr)
	require.Equal(t, 0, status, stderr.String())
	rows := map[string]score.Row{}
	for line := range strings.Lines(tree(t, out)["results.jsonl"]) {
		var row score.Row
		require.NoError(t, json.Unmarshal([]byte(line), &row))
		rows[row.Student] = row
	}
	for id, want := range map[string]struct {
		points int
		status score.Status
	}{
		"right": {10, score.Graded}, "split": {7, score.Graded}, "wrong": {0, score.DoesNotCompile}, "starter": {0, score.NotStarted},
	} {
		require.Equal(t, want.status, rows[id].Status, "%s: %s", id, rows[id].Reason)
		require.Equal(t, want.points, rows[id].Points, id)
		require.Equal(t, "none", rows[id].Sandbox)
	}
	require.Contains(t, rows["wrong"].Output, "undefined: io.ReadFul")
	require.Contains(t, tree(t, out)["feedback/split.md"], "rule       One Read may return fewer bytes than it was asked for")
	entries, err := filepath.Glob(filepath.Join(out, ".*"))
	require.NoError(t, err)
	require.Empty(t, entries)
}
