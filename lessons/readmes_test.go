package lessons

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// texts are what people read here and in the labs, by path from this folder.
func texts(t *testing.T) map[string]string {
	names := []string{"../README.md"}
	for _, pattern := range []string{"*.md", "[0-9][0-9]/*.md", "../labs/*.md", "../labs/[0-9][0-9]/*.md"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, found, pattern)
		names = append(names, found...)
	}
	all := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		all[name] = string(text)
	}
	return all
}

var (
	details = regexp.MustCompile(`(?s)<details>.*?</details>`)
	summary = regexp.MustCompile(`(?s)<details>\s*<summary>.+?</summary>\n\n.*?\n *</details>`)
)

// words counts what has a letter or a digit.
func words(text string) (n int) {
	for field := range strings.FieldsSeq(text) {
		if strings.ContainsFunc(field, func(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }) {
			n++
		}
	}
	return n
}

// A README is short, and says in its first lines how long it takes and what comes before it.
func TestREADMEsAreShort(t *testing.T) {
	for name, text := range texts(t) {
		require.Len(t, summary.FindAllString(text, -1), strings.Count(text, "<details>"),
			"%s: <details>, a summary, an empty line, and </details> on a line of its own", name)
		if name == "CLAIMS.md" { // a table to look things up in
			continue
		}
		seen := words(details.ReplaceAllString(text, ""))
		t.Logf("%-20s %4d words, %4d with details", name, seen, words(text))
		require.LessOrEqual(t, seen, 1300, "%s: words outside <details>", name)
		require.LessOrEqual(t, words(text), 2500, "%s: words", name)
		_, rest, _ := strings.Cut(text, "\n\n")
		first, _, _ := strings.Cut(rest, "\n\n")
		require.Regexp(t, `^\*About \d+ minutes?\b[^*]* Before it: [^*]+\*$`, first, "%s: its first lines", name)
	}
}

// A lesson has a picture, its diff, its lab, and an answer to each question.
func TestREADMEsAreWhole(t *testing.T) {
	tried := regexp.MustCompile(`(?s)\n## Try this\n(.*?)(\n## |$)`)
	for _, l := range written() {
		text := source(t, l.Number+"/README.md")
		require.Regexp(t, `!\[[^\]]+\]\(testdata/[a-z0-9-]+\.svg\)`, text, "lesson %s", l.Number)
		require.True(t, strings.Contains(text, "go run ./tools/diff "+l.Number), "lesson %s: its diff", l.Number)
		lab := "](../../labs/" + l.Number + "/README.md)"
		if _, err := os.Stat("../labs/" + l.Number); err != nil { // planned
			lab = "](../../labs/README.md)"
		}
		require.True(t, strings.Contains(text, lab), "lesson %s: no link %s", l.Number, lab)
		section := tried.FindStringSubmatch(text)
		require.NotNil(t, section, "lesson %s", l.Number)
		questions := regexp.MustCompile(`(?m)^\d+\. `).FindAllString(details.ReplaceAllString(section[1], ""), -1)
		require.NotEmpty(t, questions, "lesson %s", l.Number)
		require.Len(t, details.FindAllString(section[1], -1), len(questions), "lesson %s: answers", l.Number)
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	fenced  = regexp.MustCompile("(?s)```.*?```")
)

// Every link that stays in the project leads somewhere.
func TestLinks(t *testing.T) {
	for name, text := range texts(t) {
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			if strings.HasPrefix(m[1], "https://") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := name
			if file != "" {
				target = filepath.Join(filepath.Dir(name), file)
			}
			_, err := os.Stat(target)
			require.NoError(t, err, "%s: a link to %s", name, m[1])
			if anchor != "" {
				linked, err := os.ReadFile(target)
				require.NoError(t, err)
				require.Contains(t, anchors(string(linked)), anchor, "%s: a link to %s", name, m[1])
			}
		}
	}
}

// anchors are the ids that headings get.
func anchors(text string) (ids []string) {
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		id := strings.Map(func(c rune) rune {
			switch {
			case unicode.IsLetter(c), unicode.IsDigit(c), c == '-', c == '_':
				return unicode.ToLower(c)
			case c == ' ':
				return '-'
			}
			return -1
		}, m[1])
		ids = append(ids, id)
	}
	return ids
}

var (
	block    = regexp.MustCompile("(?s)```([a-z]*)\n(.*?)```")
	inline   = regexp.MustCompile("`([^`\n]+)`")
	aCommand = regexp.MustCompile(`\b(go (?:run|test|doc) [^|&;)]+|python3 lessons[^|&;)]+)`)
)

// The commands in the texts name lessons, scenes, roles, tests and tools that there are. Tests run what they
// name: the scenes, the roles of the command line, tools/diff, the Python programs.
func TestCommands(t *testing.T) {
	for name, text := range texts(t) {
		var candidates []string
		for _, m := range block.FindAllStringSubmatch(text, -1) {
			if m[1] == "" || m[1] == "text" || m[1] == "sh" {
				candidates = append(candidates, strings.Split(m[2], "\n")...)
			}
		}
		for _, m := range inline.FindAllStringSubmatch(block.ReplaceAllString(text, ""), -1) {
			candidates = append(candidates, m[1])
		}
		for _, candidate := range candidates {
			for _, command := range aCommand.FindAllString(candidate, -1) {
				command, _, _ = strings.Cut(command, "  ") // what it does follows
				requireCommand(t, name, strings.Fields(command))
			}
		}
	}
}

// A block with commands that no test runs, because they need a second terminal or a program of the reader's
// system, has that said just before it.
func TestCommandsByHand(t *testing.T) {
	alone := regexp.MustCompile(`^([A-Z_]+=\S+ )?(go (run|test|doc) [^|]*|$)`)
	role := regexp.MustCompile(`^go run \./lessons/\d\d (server|client)`)
	for name, text := range texts(t) {
		for _, m := range block.FindAllStringSubmatchIndex(text, -1) {
			if m[2] != m[3] { // a language
				continue
			}
			for line := range strings.SplitSeq(text[m[4]:m[5]], "\n") {
				if role.MatchString(line) || !alone.MatchString(line) && !strings.HasPrefix(line, "'") { // printed
					require.Contains(t, text[max(0, m[0]-120):m[0]], "terminal", "%s: %s", name, line)
				}
			}
		}
	}
}

func requireCommand(t *testing.T, name string, c []string) {
	command := strings.Join(c, " ")
	switch {
	case c[0] == "python3":
		_, err := os.Stat("../" + c[1])
		require.NoError(t, err, "%s: %s", name, command)
		return
	case c[1] == "doc":
		return
	}
	packages := 0
	for i, word := range c[2:] {
		if !strings.HasPrefix(word, "./") {
			continue
		}
		packages++
		if _, err := os.Stat("../solutions"); err != nil && strings.HasPrefix(word, "./solutions/") {
			continue // this copy of the project was given out without them: labs/README.md
		}
		folder := strings.TrimSuffix(word, "...")
		_, err := os.Stat(filepath.Join("..", folder))
		require.NoError(t, err, "%s: %s", name, command)
		number, ok := strings.CutPrefix(word, "./lessons/")
		lab := strings.HasPrefix(word, "./labs/")
		if !ok && !lab || strings.HasSuffix(word, "...") || number == "NN" {
			continue
		}
		args := c[3+i:]
		if c[1] == "test" {
			requireTests(t, name, command, filepath.Join("..", word), c[2:])
			continue
		}
		for j, arg := range args {
			switch {
			case arg == "-scene" && args[j+1] != "NAME":
				require.Contains(t, scenesOf(t, number), args[j+1], "%s: %s", name, command)
			case j == 0 && !strings.HasPrefix(arg, "-"):
				require.Contains(t, []string{"server", "client"}, arg, "%s: %s", name, command)
			}
		}
	}
	require.NotZero(t, packages, "%s: %s names no package", name, command)
}

// requireTests asks that -run or -bench of a command matches a test in folder, and the case that it names
// a row of the lab's points.
func requireTests(t *testing.T, name, command, folder string, args []string) {
	for _, flag := range []string{"-run", "-bench"} {
		i := slices.Index(args, flag)
		if i < 0 || args[i+1] == "xxx" || args[i+1] == "." {
			continue
		}
		test, labCase, named := strings.Cut(strings.Trim(args[i+1], "'"), "/")
		if named {
			row := "| " + strings.ReplaceAll(labCase, "_", " ") + " |"
			text, err := os.ReadFile(filepath.Join(folder, "README.md"))
			require.NoError(t, err)
			require.Contains(t, string(text), row, "%s: %s", name, command)
		}
		pattern, err := regexp.Compile(test)
		require.NoError(t, err, "%s: %s", name, command)
		files, err := filepath.Glob(folder + "/*_test.go")
		require.NoError(t, err)
		matches := false
		for _, file := range files {
			for test := range functions(t, file) {
				matches = matches || testName.MatchString(test) && pattern.MatchString(test)
			}
		}
		require.True(t, matches, "%s: %s runs no test", name, command)
	}
}

// The claims that the texts name are in the ledger, and what they quote in Chinese is quoted there.
func TestQuotations(t *testing.T) {
	quotes := map[string]string{}
	for _, chapter := range Claims {
		for _, c := range chapter.Claims {
			quotes[c.ID] = c.Quote
		}
	}
	for name, text := range texts(t) {
		for _, id := range regexp.MustCompile(`\b00\d-C\d\d\b`).FindAllString(text, -1) {
			require.Contains(t, quotes, id, name)
		}
		for _, m := range regexp.MustCompile(`「([^」]+)」`).FindAllStringSubmatch(text, -1) {
			quoted := false
			for _, quote := range quotes {
				quoted = quoted || strings.Contains(quote, m[1])
			}
			require.True(t, quoted, "%s: 「%s」 is in no claim", name, m[1])
		}
	}
}

// unwelcome are phrases that read as a translation.
var unwelcome = []string{
	"for ever", "error that is no leaving", "has left, too", "json that is none", "md5 that is none",
	"runs in circles", "without a farewell", "put right", "set aside memory", "byte that counts least",
	"it is its own error", "is told with its line", "told once", "lies in the queue", "stands behind",
	"stands on", "of the suite's", "so many bytes", "exactly so many", "has got there", "sound answers",
	"sound code", "wants more", "sits in read", "did not come to this case", "did not come to an end",
	"who has closed conn afterwards", "try is over wait", "ends no try", "has received nothing to answer",
	"not looked at for a moment", "clock does not tremble", "said aloud",
}

// What people read here reads well: texts, scenes, verdicts, errors and comments.
func TestPhrases(t *testing.T) {
	names := slices.Collect(maps.Keys(texts(t)))
	require.NoError(t, filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && slices.Contains([]string{".md", ".go", ".txt", ".txtar", ".py"}, filepath.Ext(name)) &&
			name != "readmes_test.go" {
			names = append(names, name)
		}
		return err
	}))
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		plain := strings.ReplaceAll(strings.ToLower(string(text)), "`", "")
		for _, phrase := range unwelcome {
			require.Zero(t, lineOf(plain, phrase), "%s: %q", name, phrase)
		}
	}
	require.Equal(t, 2, lineOf("for everyone\nwaits for ever.", "for ever"))
}

// lineOf returns the number of the first line with these words; 0 if there is none.
func lineOf(text, words string) int {
	letter := func(b byte) bool { return 'a' <= b && b <= 'z' }
	for from := 0; ; {
		i := strings.Index(text[from:], words)
		if i < 0 {
			return 0
		}
		begin, end := from+i, from+i+len(words)
		if (begin == 0 || !letter(text[begin-1])) && (end == len(text) || !letter(text[end])) {
			return 1 + strings.Count(text[:begin], "\n")
		}
		from = begin + 1
	}
}
