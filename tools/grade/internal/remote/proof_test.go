package remote_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/labs/01/oneshottest"
	"socketbook/labs/02/talklooptest"
	"socketbook/labs/03/reconnecttest"
	"socketbook/labs/04/stickytest"
	"socketbook/labs/05/framingtest"
	"socketbook/labs/06/transfertest"
	"socketbook/labs/07/datagramtest"
	"socketbook/tools/grade/internal/remote"
)

var suites = []remote.Suite{
	remote.Of(oneshottest.Suite), remote.Of(talklooptest.Suite), remote.Of(reconnecttest.Suite),
	remote.Of(stickytest.Suite), remote.Of(framingtest.Suite), remote.Of(transfertest.Suite),
	remote.Of(datagramtest.Suite),
}

var root, _ = filepath.Abs("../../../..")

// scratch is a folder for the whole run of the tests.
var scratch string

func TestMain(m *testing.M) {
	remote.AttackMain()
	os.Exit(func() int {
		var err error
		if scratch, err = os.MkdirTemp("", "remote"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(scratch)
		return m.Run()
	}())
}

// build builds a program of files that are not in the project: path below the root → text. The package
// main is in the folder dir.
func build(t *testing.T, dir string, files map[string]string) (program string) {
	t.Helper()
	folder, err := os.MkdirTemp(scratch, "build")
	require.NoError(t, err)
	replace := map[string]string{}
	for path, text := range files {
		file := filepath.Join(folder, fmt.Sprintf("%d.go", len(replace)))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		replace[filepath.Join(root, path)] = file
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	overlay := filepath.Join(folder, "overlay.json")
	require.NoError(t, os.WriteFile(overlay, text, 0o644))
	program = filepath.Join(folder, "child.exe")
	cmd := exec.Command("go", "build", "-overlay", overlay, "-o", program, "./"+dir)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// answers builds a program that is a child for any of the answers in a lab's solutions.
func answers(t *testing.T, lab string) (program string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, "solutions", lab, "*_test.go"))
	require.NoError(t, err)
	files, pkg := map[string]string{}, ""
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		base := filepath.Base(name)
		path := "solutions/" + lab + "/answers/" + strings.TrimSuffix(base, "_test.go") + "_answers.go"
		files[path] = "//line " + base + ":1\n" + string(text)
		for line := range strings.Lines(string(text)) {
			if after, ok := strings.CutPrefix(line, "package "); ok {
				pkg = strings.TrimSpace(after)
				break
			}
		}
	}
	files["solutions/"+lab+"/answers/export.go"] = fmt.Sprintf(`package %s

import (
	"fmt"
	"slices"
)

var answers = slices.Concat(right, wrong)

func Answer(i int) any { return answers[i].Lab.Answer }

func Print() {
	for _, a := range answers {
		fmt.Printf("%%q %%q\n", a.Name, a.Fails)
	}
}
`, pkg)
	dir := "tools/grade/internal/remote/child" + lab
	files[dir+"/main.go"] = fmt.Sprintf(`package main

import (
	"os"
	"strconv"

	answers "socketbook/solutions/%s/answers"
	"socketbook/tools/grade/internal/remote"
)

func main() {
	if len(os.Args) == 1 {
		answers.Print()
		return
	}
	i, _ := strconv.Atoi(os.Args[1])
	remote.Serve(answers.Answer(i))
}
`, lab)
	return build(t, dir, files)
}

// known is an answer in a lab's solutions.
type known struct {
	name  string
	fails []string
}

func list(t *testing.T, program string) (all []known) {
	t.Helper()
	out, err := exec.Command(program).Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		var a known
		_, err := fmt.Sscanf(line, "%q", &a.name)
		require.NoError(t, err)
		rest := strings.TrimSpace(line[strings.LastIndex(line, " ["):])
		rest = strings.Trim(rest, "[]")
		for rest != "" {
			var one string
			_, err := fmt.Sscanf(rest, "%q", &one)
			require.NoError(t, err)
			a.fails = append(a.fails, one)
			rest = strings.TrimSpace(strings.TrimPrefix(rest, fmt.Sprintf("%q", one)))
		}
		all = append(all, a)
	}
	return all
}

// differs are the wrong answers that may pass here and not in one process, and why. Nothing else may differ,
// and these in no case but those that they are named for.
var differs = map[string]string{
	"only the writing half of a *net.TCPConn is closed": noTCPConn,
	"half of a *net.TCPConn is closed":                  noTCPConn,
	"clients that have left are not served":             noTCPConn,
	"clients are counted in their own goroutine": "a race in the answer between a goroutine and the next Accept, " +
		"which takes longer here, so that the goroutine wins",
}

const noTCPConn = "what the code gets is no *net.TCPConn, so that it does not do what it does with one"

func TestAnswersOfSolutions(t *testing.T) {
	for _, suite := range suites {
		lab := suite.Table().Number
		t.Run(lab, func(t *testing.T) {
			program := answers(t, lab)
			for i, a := range list(t, program) {
				t.Run(a.name, func(t *testing.T) {
					t.Parallel()
					verdicts := suite.Judge(1, 4, func() (*remote.Process, error) {
						return remote.Start(exec.Command(program, fmt.Sprint(i)))
					})
					for _, v := range verdicts {
						named := slices.Contains(a.fails, v.Case)
						if differs[a.name] != "" && named && v.Outcome == "passed" {
							t.Logf("#%d %s: passed: %s", i, v.Case, differs[a.name])
							continue
						}
						if named != (v.Outcome == "failed") || v.Outcome == "error" {
							t.Errorf("#%d %s: %s\n%s", i, v.Case, v.Outcome, v.Report)
						}
					}
				})
			}
		})
	}
}
