package score

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/check"
)

func TestFileName(t *testing.T) {
	names := map[string]string{}
	for _, id := range []string{
		"ada", "李雷", "a.b@x.org", "A B", "..", ".", "../x", ".hidden", "con", "CON", "nul.txt", "com1",
		"comet", "a/b", "a_b",
		"a\\b", "a:b", "a\x00b", "a~b", "a ", " a", "a.", "", strings.Repeat("长", 100), strings.Repeat("长",
			101), "é", "e\u0301",
		"!&%$$#", "!?&(!?", // whose hashes begin with the same eight digits
	} {
		name := FileName(id)
		require.NotContains(t, names, name, "%q and %q", id, names[name])
		names[name] = id
		require.Less(t, len(name), 200)
		require.NotRegexp(t, "[/\\\\:*?\"<>|\x00-\x1f]|^\\.|[. ]$|(?i)^(con|nul|com1)(\\.|~|$)", name, "%q", id)
	}
	require.Equal(t, "a.b@x.org", FileName("a.b@x.org"))
	require.Equal(t, "李雷", FileName("李雷"))
}

var lab = check.Lab{Number: "05", Cases: []check.Case{{Name: "one", Points: 4}, {Name: "two", Points: 6}}}

func TestTheTotalIsTheSuites(t *testing.T) {
	r := New("ada", lab, "", GraderError, "not reached")
	require.Equal(t, []int{0, 10}, []int{r.Points, r.Of})
	require.True(t, r.Enter("two", check.Passed, "", ""))
	require.False(t, r.Enter("three", check.Passed, "", ""), "a case that the suite does not have")
	require.Equal(t, []int{6, 10}, []int{r.Points, r.Of})
	r.Enter("two", check.Failed, "", "")
	require.Equal(t, []int{0, 10}, []int{r.Points, r.Of})
	r.Enter("one", check.Passed, "", "")
	r.End(TimedOut, "too long")
	require.Equal(t, []int{0, 10}, []int{r.Points, r.Of})
}

// Lines that a killed grader has left half-written are passed over, and rows that are graded again count.
func TestIndex(t *testing.T) {
	dir := t.TempDir()
	journal := filepath.Join(dir, "j")
	var b bytes.Buffer
	rows := []Row{
		New("bob", lab, "", GraderError, ""),
		New("ada", lab, "", Graded, ""),
		New("ada", lab, "", Void, "x"),
	}
	require.NoError(t, Write(&b, rows))
	b.WriteString(`{"v":1,"student":"eve","la` + "\n" + strings.Repeat("x", longestLine+10) + "\n\nnull\n[]\n")
	require.NoError(t, os.WriteFile(journal, b.Bytes(), 0o644))
	other := filepath.Join(dir, "o")
	require.NoError(t, os.WriteFile(other, func() []byte {
		var b bytes.Buffer
		again := New("bob", lab, "", Graded, "")
		again.Enter("one", check.Passed, "", "")
		require.NoError(t, Write(&b, []Row{again}))
		return b.Bytes()
	}(), 0o644))
	for _, order := range [][]string{{journal, other}, {other, journal}, {other, journal, other}} {
		x := NewIndex()
		for _, name := range order {
			torn, err := x.Add(name, Better)
			require.NoError(t, err)
			require.Equal(t, name == journal, torn > 0)
		}
		var got []string
		for rows, err := range x.Students() {
			require.NoError(t, err)
			require.Len(t, rows, 1)
			got = append(got, rows[0].Student+" "+string(rows[0].Status))
		}
		require.Equal(t, "bob graded", got[1])
		require.Len(t, got, 2)
		x.Close()
	}
	x := NewIndex()
	defer x.Close()
	_, err := x.Add(journal, Newer)
	require.NoError(t, err)
	row, _ := x.Get(Key{"ada", "05"})
	require.Equal(t, Void, row.Status)
	require.NoError(t, os.WriteFile(other, []byte(`{"v":2,"student":"a","lab":"05"}`), 0o644))
	_, err = x.Add(other, Newer)
	require.ErrorContains(t, err, "is of version 2; this program reads version 1")
}

// What could not be graded is so in a held row, too.
func TestBetterOfHeld(t *testing.T) {
	dir := t.TempDir()
	failed, graded := New("ada", lab, "", GraderError, "no machine"), New("ada", lab, "", Graded, "")
	for i := range 20 { // the sums of lines choose between two that were graded
		failed.Seconds, graded.Seconds = float64(i), float64(i)
		for _, rows := range [][]Row{{failed, graded}, {graded, failed}} {
			x := NewIndex()
			for i, row := range rows {
				row.Hold()
				var b bytes.Buffer
				require.NoError(t, Write(&b, []Row{row}))
				name := filepath.Join(dir, fmt.Sprint(i))
				require.NoError(t, os.WriteFile(name, b.Bytes(), 0o644))
				_, err := x.Add(name, Better)
				require.NoError(t, err)
			}
			row, _ := x.Get(Key{"ada", "05"})
			require.Equal(t, Graded, row.Status)
			require.True(t, row.Held)
			x.Close()
		}
	}
}

// TestRowsThatNobodyMade: a row with another status, or with points that its cases do not have, is no result.
func TestRowsThatNobodyMade(t *testing.T) {
	name := filepath.Join(t.TempDir(), "rows")
	for _, change := range []func(r *Row){
		func(r *Row) { r.Status = "<b>graded" },
		func(r *Row) { r.Status = "" },
		func(r *Row) { r.WouldBe, r.Status = "x", Held },
		func(r *Row) { r.Points = 99 },
		func(r *Row) { r.Points = -1 },
		func(r *Row) { r.Of = 0 },
		func(r *Row) { r.Cases = nil },
		func(r *Row) { r.Cases[0].Points, r.Points = r.Cases[0].Of+1, r.Cases[0].Of+1 },
		func(r *Row) { r.Cases[0].Points, r.Points = -1, -1 },
		func(r *Row) { r.Cases[1].Outcome = check.Failed },
		func(r *Row) { r.Cases[0].Outcome = check.Passed },
		func(r *Row) { r.Cases[1].Points, r.Points = 3, 3 },
		func(r *Row) { r.Status = Void },
		func(r *Row) { r.Status, r.WouldBe = Held, TimedOut },
		func(r *Row) { r.WouldBe = Void },
	} {
		row := New("ada", lab, "", Graded, "")
		require.True(t, row.Enter("two", check.Passed, "", ""))
		require.True(t, row.Whole())
		change(&row)
		var b bytes.Buffer
		require.NoError(t, Write(&b, []Row{row}))
		require.NoError(t, os.WriteFile(name, b.Bytes(), 0o644))
		x := NewIndex()
		torn, err := x.Add(name, Better)
		require.NoError(t, err)
		require.Equal(t, 1, torn, "%+v", row)
		require.Empty(t, x.Keys())
		x.Close()
	}
}
