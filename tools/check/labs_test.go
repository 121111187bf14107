package check_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/check"
)

// starter is what every function of an untouched lab does.
const starter = `panic("not started")`

// labNumbers are the labs that exist: "01", "05".
func labNumbers(t *testing.T) []string {
	folders, err := filepath.Glob("../../labs/[0-9][0-9]")
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	var numbers []string
	for _, f := range folders {
		numbers = append(numbers, filepath.Base(f))
	}
	return numbers
}

// handedIn returns the files of a lab or of a solution that a student would hand in, below the module's
// root.
func handedIn(t *testing.T, folder string) []string {
	files, err := filepath.Glob(filepath.Join("../..", folder, "*.go"))
	require.NoError(t, err)
	var names []string
	for _, f := range files {
		if !strings.HasSuffix(f, "_test.go") {
			names = append(names, folder+"/"+filepath.Base(f))
		}
	}
	return names
}

// verdict is one run of the go command over all labs.
type verdict struct {
	out     string
	failed  error
	results []check.Result
}

// gradeAll runs the go command over all labs, once for each name: the answer does not change while the
// tests run.
func gradeAll(t *testing.T, name string, args ...string) verdict {
	once, _ := verdicts.LoadOrStore(name, sync.OnceValues(func() (v verdict, err error) {
		file := filepath.Join(scratch(), name+".jsonl")
		v.out, v.failed = goCommand([]string{check.ResultsVariable + "=" + file}, args...)
		f, err := os.Open(file)
		if err != nil {
			return v, fmt.Errorf("%w; the go command printed:\n%s", err, v.out)
		}
		defer f.Close()
		v.results, err = check.ReadResults(f)
		return v, err
	}))
	v, err := once.(func() (verdict, error))()
	require.NoError(t, err)
	return v
}

var verdicts sync.Map // name → func() (verdict, error)

// pointsOf adds up what each lab has earned.
func pointsOf(results []check.Result) map[string]int {
	earned := map[string]int{}
	for _, r := range results {
		earned[r.Lab] += r.Points
	}
	return earned
}

// TestSolutionsInPlaceOfStarters: with the solutions laid over the labs, every lab has ten of ten points.
func TestSolutionsInPlaceOfStarters(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("../../solutions"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("this copy of the project was given out without solutions/")
	}
	replace := map[string]string{}
	want := map[string]int{}
	args := []string{"test", "-count=1", "-v"}
	for _, n := range labNumbers(t) {
		for _, file := range handedIn(t, "solutions/"+n) {
			replace["labs/"+n+"/"+filepath.Base(file)] = file
		}
		for _, file := range handedIn(t, "labs/"+n) {
			require.Contains(t, replace, file, "the solution lacks a file of the lab")
		}
		want[n] = 10
		args = append(args, "./labs/"+n)
	}
	o, err := overlay("solutions.json", replace)
	require.NoError(t, err)
	v := gradeAll(t, "solutions", append(args, "-overlay="+o)...)
	require.NoError(t, v.failed, v.out)
	require.Equal(t, want, pointsOf(v.results))
	for n := range want {
		require.Contains(t, v.out, "    lab "+n+": 10/10 points\n")
	}
}

// TestStarters: an untouched lab compiles and vets, and fails with one line and no points.
func TestStarters(t *testing.T) {
	t.Parallel()
	args := []string{"test", "-count=1"}
	vet := []string{"vet"}
	var pattern strings.Builder
	want := map[string]int{}
	for _, n := range labNumbers(t) {
		for _, file := range handedIn(t, "labs/"+n) {
			text, err := os.ReadFile(filepath.Join("../..", file))
			require.NoError(t, err)
			if !strings.Contains(string(text), starter) {
				if os.Getenv("CI") != "" {
					t.Fatalf("%s is not a starter: no function of it does %s", file, starter)
				}
				t.Skipf("%s has been filled in, so there is no starter to test", file)
			}
			fmt.Fprintf(&pattern, `--- FAIL: Test\w+ \(\d+\.\d+s\)\n`+
				`    lab %s is not started: fill in %s \(0/10 points, as expected of a starter\)\n`+
				`FAIL\nFAIL\tsocketbook/labs/%s\t\d+\.\d+s\n`, n, regexp.QuoteMeta(file), n)
		}
		want[n] = 0
		args = append(args, "./labs/"+n)
		vet = append(vet, "./labs/"+n+"/...")
	}
	out, err := goCommand(nil, vet...)
	require.NoError(t, err, out)
	v := gradeAll(t, "starters", args...)
	require.Error(t, v.failed)
	require.Regexp(t, "^"+pattern.String()+"FAIL\n$", v.out)
	require.Equal(t, want, pointsOf(v.results))
	for _, r := range v.results {
		require.Equal(t, check.NotRun, r.Outcome)
		require.Contains(t, r.Message, "is not started")
	}
}

// TestTableOfLabs: labs/README.md says of each lab the minutes that its own README says.
func TestTableOfLabs(t *testing.T) {
	table, err := os.ReadFile("../../labs/README.md")
	require.NoError(t, err)
	for _, n := range labNumbers(t) {
		text, err := os.ReadFile("../../labs/" + n + "/README.md")
		require.NoError(t, err)
		minutes := regexp.MustCompile(`\*About (\d+) minutes\. Before it: `).FindSubmatch(text)
		require.NotNil(t, minutes, n)
		row := fmt.Sprintf(`\| \[%s\]\(%s/README\.md\) \| [^|]+ \| %s \| [^|]*lessons? [^|]+ \|\n`,
			n, n, minutes[1])
		require.Regexp(t, row, string(table), n)
	}
}

// TestFailureInTheReadme: the failure that labs/README.md explains is one that the suite of lab 05 prints.
func TestFailureInTheReadme(t *testing.T) {
	readme, err := os.ReadFile("../../labs/README.md")
	require.NoError(t, err)
	printed, err := os.ReadFile(
		"../../solutions/05/testdata/failures/a-header-that-comes-in-pieces-is-put-together.txt",
	)
	if os.IsNotExist(err) && os.Getenv("CI") == "" {
		t.Skip("this copy of the project was given out without solutions/")
	}
	require.NoError(t, err)
	_, text, _ := strings.Cut(string(printed), "\n\n")
	text, _, _ = strings.Cut(text, "again ")
	require.Contains(t, string(readme), text)
}

// TestRecordingsInSuites: the recordings that suites play are those of the lessons, to the byte.
func TestRecordingsInSuites(t *testing.T) {
	copies, err := filepath.Glob("../../labs/[0-9][0-9]/*test/testdata/*.jsonl")
	require.NoError(t, err)
	require.NotEmpty(t, copies)
	for _, file := range copies {
		number := filepath.Base(filepath.Dir(filepath.Dir(filepath.Dir(file))))
		copied, err := os.ReadFile(file)
		require.NoError(t, err)
		recorded, err := os.ReadFile(
			filepath.Join("../../lessons", number, "testdata/recordings", filepath.Base(file)),
		)
		require.NoError(t, err)
		require.True(t, string(recorded) == string(copied), "%s is not the recording of lesson %s", file, number)
	}
}
