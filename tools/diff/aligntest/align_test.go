// Package aligntest measures what tools/diff draws with libraries that the command does not use. It is
// a package of its own because one of them takes 20 ms to start, which the tests of the command line
// would pay at every command.
package aligntest

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/charmbracelet/x/ansi"
	"github.com/mattn/go-runewidth"
	"github.com/stretchr/testify/require"

	"socketbook/tools/internal/awkward"
	"socketbook/tools/internal/gittest"
)

// command builds tools/diff and returns a function that runs it and gives its rows.
func command(t *testing.T) func(args ...string) []string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "diff.exe")
	out, err := exec.Command("go", "build", "-o", binary, "socketbook/tools/diff").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return func(args ...string) []string {
		out, err := exec.Command(binary, args...).Output()
		require.NoError(t, err)
		return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	}
}

// awkwardFolders writes ten pairs of awkward files and returns the two folders.
func awkwardFolders(t *testing.T) (old, new string) {
	t.Helper()
	old, new = t.TempDir(), t.TempDir()
	a, b := map[string]string{"p.go": "package p\n"}, map[string]string{"p.go": "package q\n"}
	for seed := range uint64(10) {
		name := fmt.Sprintf("%d.go", seed)
		a[name], b[name] = awkward.Pair(seed)
	}
	gittest.WriteTree(t, old, a)
	gittest.WriteTree(t, new, b)
	return old, new
}

func TestEveryRowIsAsWideAsTheTerminal(t *testing.T) {
	diff := command(t)
	old, new := awkwardFolders(t)
	for _, width := range []int{20, 60, 80, 81, 120, 200} {
		for _, sides := range [][]string{{"../testdata/before", "../testdata/after"}, {old, new}, {"02"}} {
			for _, colour := range []string{"always", "never"} {
				for _, context := range []string{"-context=3", "-all"} {
					rows := diff(append(sides, "-width", fmt.Sprint(width), "-color", colour, context)...)
					require.Greater(t, len(rows), 30)
					for _, row := range rows {
						require.Equal(t, width, ansi.StringWidth(row), "%q", row)
						require.False(t, strings.ContainsFunc(ansi.Strip(row), func(r rune) bool {
							return unicode.IsControl(r) || strings.ContainsRune("\u202e\u200b\ufffd", r)
						}), "%q", row)
					}
				}
			}
		}
	}
}

// The same by a library with tables of its own; it agrees about Chinese text and emoji, not about every
// script.
func TestWidthsMeasuredByAnotherLibrary(t *testing.T) {
	diff := command(t)
	other := runewidth.NewCondition()
	other.EastAsianWidth = false
	for _, width := range []int{60, 80, 120, 200} {
		for _, row := range diff("../testdata/before", "../testdata/after", "-all", "-width",
			fmt.Sprint(width)) {
			require.Equal(t, width, other.StringWidth(row), "%q", row)
		}
	}
}

// The bar between the columns stands in the same column in every row.
func TestTheBarIsStraight(t *testing.T) {
	diff := command(t)
	old, new := awkwardFolders(t)
	bars := 0
	for _, row := range diff(filepath.Join(old, "3.go"), filepath.Join(new, "3.go"), "-all", "-width",
		"100") {
		if strings.HasPrefix(row, "──") || strings.TrimSpace(row) == "" {
			continue
		}
		require.Equal(t, "│", ansi.Cut(row, 49, 50), "%q", row)
		bars++
	}
	require.Greater(t, bars, 30)
}
