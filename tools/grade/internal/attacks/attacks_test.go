package attacks

import (
	"archive/zip"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/grade/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	os.Exit(m.Run())
}

const root = "../../../.."

// every is set where all attacks run, and not the sample that has room in the normal run: each
// needs some processes, and the builds a compiler.
var every = os.Getenv("SOCKETBOOK_ATTACKS") != ""

func TestAttacks(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	require.NoError(t, os.Chmod(os.TempDir(), 0o755))
	names := map[string]int{}
	sample := func(part, _ string) bool {
		names[part]++
		return every || part == "box" && names[part]%5 == 0 || part == "build" && names[part]%9 == 0
	}
	tried := 0
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	files, _ := os.ReadDir("/proc/self/fd")
	err := Try(t.Context(), root, 2, sample, func(part, name string, err error) {
		tried++
		if err != nil {
			t.Errorf("%s/%s: %v", part, name, err)
		}
	})
	if errors.Is(err, errors.ErrUnsupported) && os.Getenv("CI") == "" {
		t.Skip("attacks run in a sandbox only: ", err)
	}
	require.NoError(t, err)
	require.GreaterOrEqual(t, names["box"], 60)
	require.GreaterOrEqual(t, names["build"], 15)
	require.GreaterOrEqual(t, tried, 12)
	mountsAfter, _ := os.ReadFile("/proc/self/mountinfo")
	filesAfter, _ := os.ReadDir("/proc/self/fd")
	require.Equal(t, string(mounts), string(mountsAfter))
	require.LessOrEqual(t, len(filesAfter), len(files)+4, "the runtime opens a few for itself")
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, left)
}

// An attack that does not have to be ended by its time has as much as there is: on a busy machine a short one
// ends what would have held.
func TestTime(t *testing.T) {
	box, err := Box(root)
	require.NoError(t, err)
	build, err := Build(root)
	require.NoError(t, err)
	for _, a := range slices.Concat(box, build) {
		if !slices.Contains(a.Ends, string(sandbox.TimedOut)) {
			require.GreaterOrEqual(t, a.Limits.Time, boxLimits.Time, a.Name)
		}
	}
}

// An attack that got through is reported: the judge of the attacks judges.
func TestJudge(t *testing.T) {
	a := Attack{Ends: []string{"exited 0", "timed out"}, Says: "x", Limits: boxLimits}
	good := sandbox.Result{End: sandbox.Exited, Stdout: []byte("held: x\n")}
	require.NoError(t, a.judge(good))
	for says, change := range map[string]func(a *Attack, r *sandbox.Result){
		"got through":            func(_ *Attack, r *sandbox.Result) { r.Stdout = []byte("broke: x\n") },
		"must end with exited 0": func(_ *Attack, r *sandbox.Result) { r.Status = 3 },
		"or timed out":           func(_ *Attack, r *sandbox.Result) { r.End = sandbox.TooLoud },
		"must say":               func(a *Attack, _ *sandbox.Result) { a.Says = "y" },
		"0 were":                 func(a *Attack, _ *sandbox.Result) { a.Left = 1 },
		"was fetched":            func(a *Attack, _ *sandbox.Result) { a.Fetch = true },
		"bytes of output were":   func(_ *Attack, r *sandbox.Result) { r.Stderr = make([]byte, 1<<20) },
	} {
		a, r := a, good
		change(&a, &r)
		require.ErrorContains(t, a.judge(r), says)
	}
	s := Submission{Status: []string{"graded", "void"}, Points: 2, Reason: "unsafe"}
	require.NoError(t, s.Judge("graded", 2, ""))
	require.NoError(t, s.Judge("void", 0, "line 3: the import unsafe"))
	require.ErrorContains(t, s.Judge("graded", 3, ""), "3 points")
	require.ErrorContains(t, s.Judge("void", 1, "unsafe"), "void and has 1")
	require.ErrorContains(t, s.Judge("void", 0, "line 3"), "must name")
	require.ErrorContains(t, s.Judge("missing", 0, ""), "must be graded or void")
	s.Says = "under way"
	require.NoError(t, s.Judge("graded", 2, "", "", "calls are under way"))
	require.ErrorContains(t, s.Judge("graded", 2, "", "something else"), "must say")
}

// Every submission can be handed in, and nothing comes to be beside its folder.
func TestSubmissions(t *testing.T) {
	all, err := Submissions(root)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(all), 100)
	class := t.TempDir()
	for _, s := range all {
		large := func(e extra) bool { return e.kind == "zeros" || e.kind == "entries" }
		if !every && slices.ContainsFunc(s.extras, large) {
			continue // takes a second
		}
		path, err := s.Make(class)
		if runtime.GOOS != "linux" && err != nil {
			continue // a name or a file that this system has not
		}
		require.NoError(t, err, s.Name)
		require.Equal(t, class, filepath.Dir(path), s.Name)
		_, err = os.Lstat(path)
		require.NoError(t, err, s.Name)
	}
	beside, err := os.ReadDir(filepath.Dir(class))
	require.NoError(t, err)
	require.Len(t, beside, 1)
	if runtime.GOOS != "linux" {
		return
	}
	at := func(name string) fs.FileMode {
		info, err := os.Lstat(filepath.Join(class, name, "labs/05/framing.go"))
		require.NoError(t, err)
		return info.Mode().Type()
	}
	require.Equal(t, fs.ModeSymlink, at("file_is_link"))
	require.Equal(t, fs.ModeNamedPipe, at("file_is_fifo"))
	require.Equal(t, fs.ModeDir, at("file_is_folder"))
	require.Equal(t, fs.FileMode(0), at("import_unsafe"))
	z, err := zip.OpenReader(filepath.Join(class, "zip_slip.zip"))
	require.NoError(t, err)
	defer z.Close()
	above := func(f *zip.File) bool { return strings.HasPrefix(f.Name, "../") }
	require.True(t, slices.ContainsFunc(z.File, above))
	text, err := os.ReadFile(filepath.Join(class, "file_is_binary/labs/05/framing.go"))
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(string(text), "\x00\xff"))
	require.NoError(t, sandbox.RemoveAll(class))
}
