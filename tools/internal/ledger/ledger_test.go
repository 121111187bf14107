package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/lessons"
	"socketbook/tools/timeline"
)

// Two rows of the ledger differ in what is seen where the bug is, and in what is seen where it is
// fixed.
func TestRowsDiffer(t *testing.T) {
	takes := play(t)
	var rows []string
	bugs, fixes := map[string][]timeline.Event{}, map[string][]timeline.Event{}
	for _, b := range lessons.Ledger {
		row := b.Shown + " " + b.ID
		rows = append(rows, row)
		shown := takes[b.Shown+" "+b.ID]
		require.NotEmpty(t, shown, row)
		bugs[row] = shown[0] // the naive take comes first
		if b.TestFix() != "" {
			fixed := takes[b.Fixed+" "+b.ID]
			require.NotEmpty(t, fixed, row)
			fixes[row] = fixed[len(fixed)-1]
		}
	}
	for i, one := range rows {
		for _, other := range rows[:i] {
			require.Error(t, agree(bugs[one], bugs[other]), "the bugs %s and %s look the same", other, one)
			if fixes[one] != nil && fixes[other] != nil {
				require.Error(t, agree(fixes[one], fixes[other]), "the fixes of %s and %s look the same", other, one)
			}
		}
	}
}

// play plays all scenes of all written lessons, as a reader would, and returns the takes of each:
// "04 glue".
func play(t *testing.T) map[string][][]timeline.Event {
	dependOn(t, "../../../lessons", "../../loopback", "../../timeline")
	dir := t.TempDir()
	args := []string{"build", "-o", dir}
	for _, l := range lessons.Course {
		if l.Written {
			args = append(args, "socketbook/lessons/"+l.Number)
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	takes := map[string][][]timeline.Event{}
	for _, l := range lessons.Course {
		if !l.Written {
			continue
		}
		name := filepath.Join(dir, l.Number)
		if runtime.GOOS == "windows" {
			name += ".exe"
		}
		out, err := exec.CommandContext(t.Context(), name, "-json").Output()
		require.NoError(t, err, "lesson %s", l.Number)
		for _, take := range split(t, out) {
			scene := l.Number + " " + take[0].Scene
			takes[scene] = append(takes[scene], take)
		}
	}
	return takes
}

// dependOn looks at the files below some folders, from which another process builds: go test keeps a
// result for as long as the files that the test itself has looked at are the same.
func dependOn(t *testing.T, folders ...string) {
	for _, folder := range folders {
		require.NoError(t, filepath.WalkDir(folder, func(name string, _ fs.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(name)
			}
			return err
		}))
	}
}

// split reads events, one a line, and begins a new take wherever the numbers begin again.
func split(t *testing.T, lines []byte) (takes [][]timeline.Event) {
	dec := json.NewDecoder(bytes.NewReader(lines))
	last := 0
	for {
		var e timeline.Event
		err := dec.Decode(&e)
		if errors.Is(err, io.EOF) {
			return takes
		}
		require.NoError(t, err)
		if len(takes) == 0 || e.Seq <= last || e.Scene != takes[len(takes)-1][0].Scene {
			takes = append(takes, nil)
		}
		last = e.Seq
		takes[len(takes)-1] = append(takes[len(takes)-1], e)
	}
}

// agree returns an error that says where two recordings differ: side by side and connection by
// connection, the calls and their bytes, in order; reads that follow each other count as one.
func agree(a, b []timeline.Event) error {
	one, other := calls(a), calls(b)
	for side := range other {
		if one[side] == nil {
			return fmt.Errorf("%s is in one of them", side)
		}
	}
	for side, of := range one {
		if !slices.EqualFunc(of, other[side], same) {
			return fmt.Errorf("%s does something else", side)
		}
	}
	return nil
}

func same(a, b timeline.Event) bool {
	return a.Op == b.Op && a.N == b.N && bytes.Equal(a.Data, b.Data)
}

// calls lists what each side did on each connection.
func calls(events []timeline.Event) map[string][]timeline.Event {
	list := map[string][]timeline.Event{}
	for _, e := range events {
		switch e.Op {
		case timeline.State, timeline.Note, timeline.Verdict:
			continue
		}
		side := e.Side + " " + e.Conn
		if n := len(list[side]); e.Op == timeline.Recv && n > 0 && list[side][n-1].Op == timeline.Recv {
			read := &list[side][n-1]
			read.N += e.N
			read.Data = append(slices.Clone(read.Data), e.Data...)
			continue
		}
		list[side] = append(list[side], e)
	}
	return list
}
