package lessons

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every claim has evidence that there is, and none waits for a lesson that is written.
func TestClaims(t *testing.T) {
	ids, verdicts := map[string]bool{}, map[Verdict]int{}
	scenes, tests := map[string]bool{}, map[string]bool{}
	for _, l := range written() {
		for scene := range scenesOf(t, l.Number) {
			scenes[l.Number+" "+scene] = true
		}
		files, err := filepath.Glob(l.Number + "/*_test.go")
		require.NoError(t, err)
		for _, file := range files {
			for name := range functions(t, file) {
				tests[l.Number+" "+name] = true
			}
		}
	}
	for _, chapter := range Claims {
		for _, c := range chapter.Claims {
			require.Regexp(t, `^00[0-4]-C\d\d$`, c.ID)
			require.False(t, ids[c.ID], "%s is there twice", c.ID)
			ids[c.ID] = true
			verdicts[c.Verdict]++
			require.NotEmpty(t, c.Said, c.ID)
			require.NotEmpty(t, c.So, c.ID)
			require.NotContains(t, c.Said+c.Quote+c.So, "|", "%s: a column of a table", c.ID)
			for _, e := range evidence(c) {
				switch kind(e) {
				case "scene":
					require.True(t, scenes[e], "%s: there is no scene %s", c.ID, e)
				case "test":
					require.True(t, tests[e], "%s: there is no test %s", c.ID, e)
				default:
					require.Contains(t, linked(e), "](https://", "%s: what kind of reference is %s?", c.ID, e)
				}
			}
			if c.Waits != "" {
				l, ok := Find(c.Waits)
				require.True(t, ok && !l.Written, "%s waits for lesson %s", c.ID, c.Waits)
			}
			require.True(t, c.Evidence != "" || c.Waits != "", "%s has no evidence", c.ID)
		}
	}
	require.Equal(t, map[Verdict]int{Wrong: 19, Partly: 102, Slip: 8}, verdicts, "129 of the 313 claims")
	t.Log("the claims are answered\n" + strings.Join(answers(), "\n"))
}

func evidence(c Claim) []string {
	if c.Evidence == "" {
		return nil
	}
	return strings.Split(c.Evidence, "; ")
}

var (
	ofLesson = regexp.MustCompile(`^(\d\d) (\S+)$`)
	aTest    = regexp.MustCompile(`^\d\d (Test|Fuzz)[A-Z]`)
)

// kind tells scenes, tests and references apart.
func kind(evidence string) string {
	switch {
	case aTest.MatchString(evidence):
		return "test"
	case ofLesson.MatchString(evidence):
		return "scene"
	}
	return "reference"
}

// references are the kinds of them, each with its address.
var references = []struct {
	form *regexp.Regexp
	link string
}{
	{regexp.MustCompile(`^RFC (\d+) ([\d.]+)$`), "[RFC $1, " +
		"$2](https://www.rfc-editor.org/rfc/rfc$1#section-$2)"},
	{regexp.MustCompile(`^RFC (\d+)$`), "[RFC $1](https://www.rfc-editor.org/rfc/rfc$1)"},
	{regexp.MustCompile(`^([a-z_-]+)\((\d)\)$`), "[$1($2)](https://man7.org/linux/man-pages/man$2/$1.$2.html)"},
	{regexp.MustCompile(`^Python ([a-z]+)$`), "[Python's $1](https://docs.python.org/3/library/$1.html)"},
	{regexp.MustCompile(`^CPython (\S+)$`), "[CPython, " +
		"$1](https://github.com/python/cpython/blob/3.11/$1)"},
	{regexp.MustCompile(`^Linux (\S+)$`), "[Linux, $1](https://github.com/torvalds/linux/blob/v6.18/$1)"},
	{regexp.MustCompile(`^Windows error (\d+)$`), "[Windows' error " +
		"$1](https://learn.microsoft.com/windows/win32/winsock/windows-sockets-error-codes-2)"},
}

// linked is a piece of evidence in Markdown.
func linked(evidence string) string {
	if m := ofLesson.FindStringSubmatch(evidence); m != nil {
		return fmt.Sprintf("[%s](%[1]s/README.md) `%s`", m[1], m[2])
	}
	for _, r := range references {
		if r.form.MatchString(evidence) {
			return r.form.ReplaceAllString(evidence, r.link)
		}
	}
	return evidence
}

// answers says how many claims are answered by what: the strongest evidence of each counts.
func answers() []string {
	count := map[string]int{}
	for _, chapter := range Claims {
		for _, c := range chapter.Claims {
			kinds := map[string]bool{}
			for _, e := range evidence(c) {
				kinds[kind(e)] = true
			}
			switch {
			case kinds["scene"]:
				count["1 by a scene, which you can run"]++
			case kinds["test"]:
				count["2 by a test"]++
			case kinds["reference"] && c.Waits == "":
				count["3 by a reference"]++
			case kinds["reference"]:
				count["4 by a reference, until lesson "+c.Waits+" shows it"]++
			default:
				count["5 not yet: lesson "+c.Waits+" will"]++
			}
		}
	}
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(count)) {
		lines = append(lines, fmt.Sprintf("| %s | %d |", key[2:], count[key]))
	}
	return lines
}

const claimsIntro = `# What the tutorials say, and what is so

This course answers five tutorials on Python's sockets, which we call 000 to 004. They make 313 claims. 184 of them are right.
Here are the other 129, in the order in which the course gets to them. *Wrong* is what is not so. *Partly* is what leaves
something out, or holds in one case and is said of all. A *slip* is a line of code that cannot work.

Do not believe us either. The scenes and tests in the last column you can run, the references you can read:

` + "```" + `
go run ./lessons/04 -scene glue                  # a scene
go test ./lessons/04 -run 'TestRun$' -v          # a test
` + "```" + `

| the claims are answered | |
|---|---|
`

// CLAIMS.md is written from the ledger.
func TestClaimsPage(t *testing.T) {
	var page strings.Builder
	page.WriteString(claimsIntro)
	for _, line := range answers() {
		page.WriteString(line + "\n")
	}
	for _, chapter := range Claims {
		fmt.Fprintf(&page, "\n## %s\n\n| | what is said | what is so | see for yourself "+
			"|\n|---|---|---|---|\n", chapter.Title)
		for _, c := range chapter.Claims {
			said := c.Said
			if c.Quote != "" {
				said += " 「" + c.Quote + "」"
			}
			var see []string
			for _, e := range evidence(c) {
				see = append(see, linked(e))
			}
			if c.Waits != "" {
				see = append(see, "lesson "+c.Waits+" will show it")
			}
			fmt.Fprintf(&page, "| %s, *%s* | %s | %s | %s |\n", c.ID, c.Verdict, said, c.So, strings.Join(see, "; "))
		}
	}
	if *update {
		require.NoError(t, os.WriteFile("CLAIMS.md", []byte(page.String()), 0o644))
		return
	}
	text, err := os.ReadFile("CLAIMS.md")
	require.NoError(t, err)
	require.Equal(t, page.String(), string(text), "CLAIMS.md; go test ./lessons -update writes it anew")
}
