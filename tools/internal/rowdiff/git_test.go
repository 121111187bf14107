package rowdiff

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// git runs git in dir with nobody's configuration. A status of 1 is no error: to git diff it means "they differ".
func git(t testing.TB, dir, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_CEILING_DIRECTORIES="+dir, "GIT_DIR="+filepath.Join(dir, "none"))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1 || args[0] == "apply") {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

func needGit(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI must have git")
		}
		t.Skip("there is no git here to compare with: install git and this test runs")
	}
}

// writeTree writes files, by name, below dir.
func writeTree(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
}

// generatedTrees returns two trees of generated files; some are on one side only, some have awkward names.
func generatedTrees() (oldTree, newTree map[string]string, files []*File) {
	oldTree, newTree = make(map[string]string), make(map[string]string)
	for n := range 300 {
		oldText, newText := generated(n)
		name := fmt.Sprintf("d/%03d.go", n)
		switch n {
		case 20, 120:
			name = fmt.Sprintf("with space %d.txt", n)
		case 21:
			name = "客户端.go"
		}
		before, after := &oldText, &newText
		switch n % 40 {
		case 10:
			before = nil
		case 11:
			after = nil
		}
		if before != nil {
			oldTree[name] = oldText
		}
		if after != nil {
			newTree[name] = newText
		}
		files = append(files, CompareFile(name, before, after))
	}
	empty := ""
	oldTree["emptied"], newTree["filled"], newTree["born-empty"], oldTree["died-empty"] = "x\n", "x\n", "", ""
	x := "x\n"
	newTree["emptied"], oldTree["filled"] = "", ""
	files = append(files, CompareFile("emptied", &x, &empty), CompareFile("filled", &empty, &x),
		CompareFile("born-empty", nil, &empty), CompareFile("died-empty", &empty, nil))
	return oldTree, newTree, files
}

func TestGitAppliesThePatch(t *testing.T) {
	needGit(t)
	oldTree, newTree, files := generatedTrees()
	for _, context := range []int{0, 1, 3, All} {
		t.Run(fmt.Sprint("context ", context), func(t *testing.T) {
			dir := t.TempDir()
			writeTree(t, dir, oldTree)
			git(t, dir, Patch(files, context), "apply", "--whitespace=nowarn")
			requireTree(t, dir, newTree)
		})
	}
}

func TestPatchAppliesThePatch(t *testing.T) {
	if _, err := exec.LookPath("patch"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI must have patch")
		}
		t.Skip("there is no patch(1) here: install it and this test runs")
	}
	oldTree, newTree, files := generatedTrees()
	dir := t.TempDir()
	writeTree(t, dir, oldTree)
	cmd := exec.Command("patch", "-p1", "--binary", "--force", "--no-backup-if-mismatch")
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(Patch(files, 3))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	requireTree(t, dir, newTree)
}

// requireTree demands that dir holds those files and no other.
func requireTree(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	got := make(map[string]string)
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		text, err := os.ReadFile(path)
		got[filepath.ToSlash(name)] = string(text)
		return err
	}))
	require.Equal(t, len(want), len(got))
	for name, text := range want {
		require.Equal(t, text, got[name], name)
	}
}

// The lines that git counts: added plus removed, of all files together.
func gitLines(t *testing.T, dir string) int {
	t.Helper()
	total := 0
	for line := range strings.Lines(git(t, dir, "", "diff", "--patience", "--no-index", "--no-renames", "--numstat", "old", "new")) {
		var added, removed int
		_, err := fmt.Sscan(line, &added, &removed)
		require.NoError(t, err, line)
		total += added + removed
	}
	return total
}

func TestNoMoreLinesThanGit(t *testing.T) {
	needGit(t)
	oldTree, newTree, files := generatedTrees()
	dir := t.TempDir()
	writeTree(t, filepath.Join(dir, "old"), oldTree)
	writeTree(t, filepath.Join(dir, "new"), newTree)
	ours := 0
	for _, f := range files {
		added, removed := Count(f.Rows)
		ours += added + removed
	}
	gits := gitLines(t, dir)
	t.Logf("%d lines added and removed; git diff --patience: %d", ours, gits)
	require.LessOrEqual(t, float64(ours), 1.05*float64(gits))
}

// big returns two Go-like files of 10,000 lines that differ in about one line of ten, in 500 functions.
func big() (oldText, newText string) {
	r := rand.New(rand.NewPCG(1, 2))
	var a, b strings.Builder
	for n := range 500 {
		fmt.Fprintf(&a, "func f%d() error {\n", n)
		fmt.Fprintf(&b, "func f%d() error {\n", n)
		for line := range 17 {
			text := fmt.Sprintf("\tn, err := conn.Read(buf[%d:%d])\n", line, r.IntN(400))
			a.WriteString(text)
			switch r.IntN(20) {
			case 0:
				b.WriteString(strings.Replace(text, "Read", "Write", 1))
			case 1:
				b.WriteString(text + "\tif err != nil {\n\t\treturn err\n\t}\n")
			case 2:
			default:
				b.WriteString(text)
			}
		}
		a.WriteString("}\n\n")
		b.WriteString("}\n\n")
	}
	return a.String(), b.String()
}

func BenchmarkTenThousandLines(b *testing.B) {
	oldText, newText := big()
	b.Run("rowdiff", func(b *testing.B) {
		for b.Loop() {
			MarkMoves([]*File{CompareFile("big.go", &oldText, &newText)})
		}
	})
	b.Run("git", func(b *testing.B) {
		needGit(b)
		dir := b.TempDir()
		writeTree(b, dir, map[string]string{"old": oldText, "new": newText})
		for b.Loop() {
			git(b, dir, "", "diff", "--no-index", "old", "new")
		}
	})
	b.Run("nothing in common", func(b *testing.B) {
		other := strings.ReplaceAll(newText, "\n", " //\n")
		for b.Loop() {
			Compare(oldText, other)
		}
	})
	b.Run("few different lines", func(b *testing.B) {
		r := rand.New(rand.NewPCG(1, 2))
		short := func() string {
			var out strings.Builder
			for range 10_000 {
				out.WriteString([]string{"a\n", "b\n", "\n", "}\n"}[r.IntN(4)])
			}
			return out.String()
		}
		x, y := short(), short()
		for b.Loop() {
			Compare(x, y)
		}
	})
}
