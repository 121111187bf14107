package rowdiff

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/internal/gittest"
)

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
	gittest.Need(t, "git")
	oldTree, newTree, files := generatedTrees()
	for _, context := range []int{0, 3, All} {
		t.Run(fmt.Sprint("context ", context), func(t *testing.T) {
			dir := t.TempDir()
			gittest.WriteTree(t, dir, oldTree)
			gittest.Git(t, dir, Patch(files, context), "apply", "--whitespace=nowarn")
			gittest.RequireTree(t, dir, newTree)
		})
	}
}

func TestPatchAppliesThePatch(t *testing.T) {
	gittest.Need(t, "patch")
	oldTree, newTree, files := generatedTrees()
	dir := t.TempDir()
	gittest.WriteTree(t, dir, oldTree)
	cmd := exec.Command("patch", "-p1", "--binary", "--no-backup-if-mismatch")
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(Patch(files, 3))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	gittest.RequireTree(t, dir, newTree)
}

// Word for word what git writes.
func TestEmptyFilesInAPatch(t *testing.T) {
	empty := ""
	require.Equal(t, "diff --git a/e b/e\nnew file mode 100644\nindex 0000000..e69de29\n",
		Patch([]*File{CompareFile("e", nil, &empty)}, 3))
	require.Equal(t, "diff --git a/e b/e\ndeleted file mode 100644\nindex e69de29..0000000\n",
		Patch([]*File{CompareFile("e", &empty, nil)}, 3))
}

func TestNoMoreLinesThanGit(t *testing.T) {
	gittest.Need(t, "git")
	oldTree, newTree, files := generatedTrees()
	dir := t.TempDir()
	gittest.WriteTree(t, filepath.Join(dir, "old"), oldTree)
	gittest.WriteTree(t, filepath.Join(dir, "new"), newTree)
	ours := 0
	for _, f := range files {
		added, removed := Count(f.Rows)
		ours += added + removed
	}
	gits := gittest.Lines(t, dir)
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
		gittest.Need(b, "git")
		dir := b.TempDir()
		gittest.WriteTree(b, dir, map[string]string{"old": oldText, "new": newText})
		for b.Loop() {
			gittest.Git(b, dir, "", "diff", "--no-index", "old", "new")
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
