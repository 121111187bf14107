package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert/yaml"
	"github.com/stretchr/testify/require"
)

// document reads the i-th document of a recipe.
func document(t testing.TB, name string, i int) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("recipes", name))
	require.NoError(t, err)
	var v map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(strings.Split(string(text), "\n---\n")[i]), &v))
	return v
}

// at follows a path of keys and indices.
func at(t testing.TB, v any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch key := step.(type) {
		case string:
			m, ok := v.(map[string]any)
			require.True(t, ok, "%v in %v", key, path)
			require.Contains(t, m, key, path)
			v = m[key]
		case int:
			list, ok := v.([]any)
			require.True(t, ok && len(list) > key, "%v in %v", key, path)
			v = list[key]
		}
	}
	return v
}

// understood fails unless the command knows the flags of a command line in a recipe.
func understood(t testing.TB, line string) {
	t.Helper()
	args := strings.Fields(strings.NewReplacer(`"`, "", "\\\n", " ").Replace(line))
	var o options
	f := o.flags("grade")
	if args[0] == "merge" {
		args = args[1:]
	}
	_, err := parse(f, args)
	require.NoError(t, err, line)
}

func TestKubernetes(t *testing.T) {
	require.Equal(t, []any{"Ingress", "Egress"}, at(t, document(t, "kubernetes.yaml", 1), "spec", "policyTypes"))
	require.Empty(t, at(t, document(t, "kubernetes.yaml", 1), "spec", "podSelector"), "all pods")
	job := at(t, document(t, "kubernetes.yaml", 2), "spec")
	require.Equal(t, "Indexed", at(t, job, "completionMode"))
	require.Equal(t, 2, at(t, job, "backoffLimitPerIndex"))
	rule := at(t, job, "podFailurePolicy", "rules", 0)
	require.Equal(t, "FailIndex", at(t, rule, "action"))
	require.Contains(t, at(t, rule, "onExitCodes", "values"), mismatch)
	pod := at(t, job, "template", "spec")
	require.Equal(t, "Never", at(t, pod, "restartPolicy"), "podFailurePolicy needs it")
	require.Equal(t, false, at(t, pod, "automountServiceAccountToken"))
	require.Equal(t, true, at(t, pod, "securityContext", "runAsNonRoot"))
	box := at(t, pod, "containers", 0)
	require.Equal(t, at(t, rule, "onExitCodes", "containerName"), at(t, box, "name"))
	require.Equal(t, true, at(t, box, "securityContext", "readOnlyRootFilesystem"))
	require.Equal(t, false, at(t, box, "securityContext", "allowPrivilegeEscalation"))
	require.Equal(t, []any{"ALL"}, at(t, box, "securityContext", "capabilities", "drop"))
	require.Equal(t, at(t, job, "completions"), 8)
	require.Equal(t, "SHARDS", at(t, box, "env", 0, "name"))
	require.Equal(t, "8", at(t, box, "env", 0, "value"), "as many as completions")
	var flags []string
	for _, arg := range at(t, box, "args").([]any) {
		flags = append(flags, arg.(string))
	}
	understood(t, strings.Join(flags, " "))
}

func TestGitHubActions(t *testing.T) {
	jobs := at(t, document(t, "github-actions.yml", 0), "jobs")
	require.Equal(t, false, at(t, jobs, "shard", "strategy", "fail-fast"))
	steps := at(t, jobs, "shard", "steps")
	grading := at(t, steps, 4)
	for _, s := range systems {
		if s.name == "GitHub Actions" {
			require.Equal(t, "${{ strategy.job-index }}", at(t, grading, "env", s.index))
			require.Equal(t, "${{ strategy.job-total }}", at(t, grading, "env", s.total))
		}
	}
	understood(t, strings.TrimPrefix(at(t, grading, "run").(string), "./grade "))
	require.Equal(t, "shard", at(t, jobs, "merge", "needs"))
	understood(t, strings.TrimPrefix(at(t, jobs, "merge", "steps", 4, "run").(string), "./grade "))
	require.Equal(t, false, at(t, steps, 0, "with", "persist-credentials"))
}

func TestGitLab(t *testing.T) {
	ci := document(t, "gitlab-ci.yml", 0)
	require.Equal(t, 8, at(t, ci, "grade", "parallel"))
	for _, job := range []string{"grade", "merge"} {
		_, line, ok := strings.Cut(at(t, ci, job, "script", 0).(string), " && grade ")
		require.True(t, ok)
		understood(t, line)
	}
	require.Equal(t, "grades/junit*.xml", at(t, ci, "merge", "artifacts", "reports", "junit"))
}

// program returns the path of a program that a recipe needs.
func program(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// script runs a recipe with this binary as the command.
func script(t testing.TB, env []string, args ...string) string {
	t.Helper()
	text, err := scriptCommand(t, env, args...).CombinedOutput()
	require.NoError(t, err, "%s", text)
	return string(text)
}

func scriptCommand(t testing.TB, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), append(env, asCommand+"=1", "GRADE="+self)...)
	return cmd
}

func TestGNUParallel(t *testing.T) {
	program(t, "parallel")
	dir, out := class(t, 12, points), filepath.Join(t.TempDir(), "out")
	whole := t.TempDir()
	status, _, stderr := grades(t, "-labs", "05", "-out", whole, "-no-times", dir)
	require.Equal(t, 0, status, stderr)
	env := []string{"SHARDS=3", "FLAGS=-labs 05", "HOME=" + t.TempDir()}
	script(t, env, "sh", "recipes/gnu-parallel.sh", dir, out)
	same(t, tree(t, whole), tree(t, filepath.Join(out, "all")))
	log := tree(t, out)["joblog"]
	require.Equal(t, 4, strings.Count(log, "\n"))
	script(t, env, "sh", "recipes/gnu-parallel.sh", dir, out) // nothing is left to do
	require.Equal(t, log, tree(t, out)["joblog"])
}

// A result is published for every answer, and none when the machine has failed.
func TestGradescopeScript(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("Gradescope's containers have Linux")
	}
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	for answer, want := range map[string]float64{
		"points 6":                      6,
		"points 0":                      0,
		"does-not-compile":              0,
		"timed-out":                     0,
		strings.Repeat("void", 256<<10): 0,
		"error":                         -1,
		"no file of the lab":            0,
	} {
		base := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(base, "submission"), 0o755))
		name := "framing.go"
		if answer == "no file of the lab" {
			name = "main.go"
		}
		require.NoError(t, os.WriteFile(filepath.Join(base, "submission", name), []byte(answer), 0o644))
		cmd := scriptCommand(t, []string{"AUTOGRADER=" + base, "PROJECT=" + root, "GRADE_USER=root"},
			"bash", "recipes/gradescope/run_autograder")
		text, err := cmd.CombinedOutput()
		if want < 0 {
			require.Error(t, err, "Gradescope says that the autograder failed")
			require.Contains(t, string(text), "because the grading machine failed: no connection on 127.0.0.1")
			require.NoFileExists(t, filepath.Join(base, "results/results.json"))
			continue
		}
		require.NoError(t, err, "%s", text)
		var result struct{ Tests []struct{ Score float64 } }
		require.NoError(t, json.Unmarshal([]byte(tree(t, base)["results/results.json"]), &result))
		total := 0.0
		for _, one := range result.Tests {
			total += one.Score
		}
		require.Equal(t, want, total)
		require.Len(t, result.Tests, 10)
	}
}

// What a recipe says of itself: which sandbox it has, and what was not tried.
func TestRecipesSayWhatTheyHave(t *testing.T) {
	for _, name := range []string{
		"kubernetes.yaml", "github-actions.yml", "gitlab-ci.yml",
		"gnu-parallel.sh", "gradescope/run_autograder",
	} {
		text, err := os.ReadFile(filepath.Join("recipes", name))
		require.NoError(t, err)
		require.Regexp(t, regexp.MustCompile(`(?s)Sandbox here: .*[Uu]ntested`), string(text), name)
	}
}
