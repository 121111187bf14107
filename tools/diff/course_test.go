package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/clipperhouse/displaywidth"
	"github.com/stretchr/testify/require"

	"socketbook/lessons"
	"socketbook/tools/internal/gittest"
	"socketbook/tools/internal/rowdiff"
)

// small is a course of three lessons under testdata.
func small() course {
	return course{root: "testdata/course", lessons: []lessons.Lesson{
		{Number: "01", Title: "Once", Written: true},
		{Number: "02", Title: "Forever", BuildsOn: "01", Written: true, MaxAdded: 10, MaxRemoved: 10},
		{Number: "03", Title: "粘包", BuildsOn: "02", Written: true, MaxAdded: 5, MaxRemoved: 5},
		{Number: "04", Title: "Planned", BuildsOn: "03"},
	}}
}

func TestStepTable(t *testing.T) {
	steps, err := small().steps()
	require.NoError(t, err)
	require.Equal(t, `    lesson   on  server  client  both     at most  others
01  Once     -   +7 −0   +3 −0   +10 −0            +0 −0
02  Forever  01  +5 −3   +0 −0   +5 −3    +10 −10  +3 −0
03  粘包     02  +5 −0   +2 −0   +7 −0 !  +5 −5    +0 −3
! more lines than the step may change

on       the lesson it builds on
server   lines added to and removed from server.go
client   the same for client.go
both     the two files together
at most  how much this step may change the two files
others   the other Go files, without main.go and tests

A step in full: go run ./tools/diff 03
`, table(steps, 60, false))
	require.Equal(t, `01 Once
   on -  server +7 -0  client +3 -0
   both +10 -0  others +0 -0
02 Forever
   on 01  server +5 -3  client +0 -0
   both +5 -3  at most +10 -10
   others +3 -0
03 粘包
   on 02  server +5 -0  client +2 -0
   both +7 -0 !  at most +5 -5
   others +0 -3
! more lines than the step may change

on       the lesson it builds on
server   lines added to and removed from
         server.go
client   the same for client.go
both     the two files together
at most  how much this step may change
         the two files
others   the other Go files, without
         main.go and tests

A step in full: go run ./tools/diff 03
`, table(steps, 40, true))
}

// Every column is explained, and no line is wider than the terminal.
func TestTheTableFits(t *testing.T) {
	for _, columnsOfTerminal := range []int{20, 40, 60, 80, 120} {
		out, stderr, status := command(t, columnsOfTerminal, nil)
		require.Zero(t, status, stderr)
		for row := range strings.Lines(out) {
			require.LessOrEqual(t, displaywidth.String(strings.TrimSuffix(row, "\n")), columnsOfTerminal, out)
		}
		for _, c := range columns {
			require.Regexp(t, `(?m)^`+c.name+` +`+strings.Fields(c.meaning)[0], out)
		}
	}
}

func TestStepOverItsBudget(t *testing.T) {
	for _, test := range []struct {
		server, client, budget lineCount
		want                   bool
	}{
		{lineCount{6, 3}, lineCount{4, 2}, lineCount{10, 5}, false},
		{lineCount{7, 3}, lineCount{4, 2}, lineCount{10, 5}, true},
		{lineCount{6, 3}, lineCount{4, 3}, lineCount{10, 5}, true},
		{lineCount{6, 3}, lineCount{4, 2}, lineCount{}, false},
	} {
		s := step{server: test.server, client: test.client, budget: test.budget}
		require.Equal(t, test.want, s.over(), test)
	}
}

func TestReadingOrder(t *testing.T) {
	want := []string{
		"server.go", "client.go", "naive.go", "framing.go", "scenes.go", "main.go",
		"lesson_test.go", "README.md", "data.txt", "sub/a.go",
	}
	got := slices.Sorted(slices.Values(want))
	slices.SortFunc(got, readingOrder)
	require.Equal(t, want, got)
}

func TestWhichFilesAreRead(t *testing.T) {
	folder := tree{label: "it", fsys: fstest.MapFS{
		"a.go": {}, "main.go": {}, "a_test.go": {}, "notes.txt": {}, "sub/b.go": {},
		".hidden.go": {}, ".git/c.go": {}, "sub/.d.go": {},
	}}
	for allFiles, want := range map[bool][]string{
		false: {"a.go"},
		true:  {"a.go", "a_test.go", "main.go", "notes.txt", "sub/b.go"},
	} {
		files, err := folder.read(allFiles)
		require.NoError(t, err)
		require.Equal(t, want, slices.Sorted(maps.Keys(files)))
	}
}

func TestTooManyFiles(t *testing.T) {
	many := fstest.MapFS{}
	for n := range maxFiles {
		many[fmt.Sprintf("%04d.go", n)] = &fstest.MapFile{}
	}
	files, err := tree{label: "it", fsys: many}.read(false)
	require.NoError(t, err)
	require.Len(t, files, maxFiles)
	many["one-more.go"] = &fstest.MapFile{}
	_, err = tree{label: "it", fsys: many}.read(false)
	require.EqualError(t, err, "it has more than 1000 files; name a smaller folder")

	blank := &fstest.MapFile{Data: []byte(strings.Repeat("\n", maxLines))}
	large := fstest.MapFS{"1.go": blank, "2.go": blank, "3.go": blank, "4.go": blank}
	_, err = tree{label: "it", fsys: large}.read(false)
	require.NoError(t, err)
	large["5.go"] = &fstest.MapFile{Data: []byte("\n")}
	_, err = tree{label: "it", fsys: large}.read(false)
	require.EqualError(t, err, "it has more than 32 MiB or 800000 lines of text; name a smaller folder")
	wide := &fstest.MapFile{Data: []byte(strings.Repeat("x", maxFile))}
	large = fstest.MapFS{"17.go": {Data: []byte("x")}}
	for n := range maxFolder / maxFile {
		large[fmt.Sprintf("%02d.go", n)] = wide
	}
	_, err = tree{label: "it", fsys: large}.read(false)
	require.EqualError(t, err, "it has more than 32 MiB or 800000 lines of text; name a smaller folder")
}

func TestFindLesson(t *testing.T) {
	c := small()
	for _, arg := range []string{"2", "02", "lessons/02", "lessons/02/", "./lessons/02", "./lessons/02/"} {
		l, ok, err := c.find(arg)
		require.NoError(t, err, arg)
		require.True(t, ok, arg)
		require.Equal(t, "Forever", l.Title, arg)
	}
	for _, arg := range []string{"./02", "../lessons/02", "labs/02", "002", "", "x", "lessons"} {
		_, ok, err := c.find(arg)
		require.NoError(t, err, arg)
		require.False(t, ok, arg)
	}
	for arg, want := range map[string]string{
		"9":  "there is no lesson 09; there are 01 Once, 02 Forever, 03 粘包",
		"04": "lesson 04, Planned, is planned and not written yet; there are 01 Once, 02 Forever, 03 粘包",
	} {
		_, _, err := c.find(arg)
		require.EqualError(t, err, want)
		require.ErrorAs(t, err, new(usageError))
	}
}

// What a student edited is what is shown; outside the module it is what was built in.
func TestLessonsComeFromTheDisk(t *testing.T) {
	dir := t.TempDir()
	gittest.WriteTree(t, dir, map[string]string{
		"go.mod":               "module socketbook\n",
		"lessons/02/server.go": "package edited\n",
		"labs/x.go":            "package x\n",
	})
	for _, from := range []string{dir, filepath.Join(dir, "labs"), filepath.Join(dir, "lessons", "02")} {
		c := openCourse(from)
		l, _, err := c.find("02")
		require.NoError(t, err)
		tree, err := c.tree(l)
		require.NoError(t, err)
		files, err := tree.read(false)
		require.NoError(t, err)
		require.Equal(t, map[string]content{"server.go": {text: "package edited\n"}}, files)

		_, err = c.tree(lessons.Lesson{Number: "03"})
		require.ErrorContains(t, err, "lesson 03: ")
	}

	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module other\n"), 0o644))
	c := openCourse(filepath.Join(dir, "labs"))
	require.Empty(t, c.root, "another module's lessons folder is none of ours")
	l, _, err := c.find("01")
	require.NoError(t, err)
	tree, err := c.tree(l)
	require.NoError(t, err)
	built, err := fs.ReadFile(tree.fsys, "main.go")
	require.NoError(t, err)
	require.Contains(t, string(built), "package main")
}

// A link in a folder that somebody handed in does not show a file outside of it.
func TestLinksDoNotLeaveTheFolder(t *testing.T) {
	dir := t.TempDir()
	gittest.WriteTree(t, dir, map[string]string{
		"secret.go":      "package secret\n",
		"handed-in/a.go": "package a\n",
	})
	if err := os.Symlink("../secret.go", filepath.Join(dir, "handed-in", "framing.go")); err != nil {
		t.Skip("this system lets nobody make a symbolic link here:", err)
	}
	tree, err := openTree(filepath.Join(dir, "handed-in"))
	require.NoError(t, err)
	files, err := tree.read(false)
	require.NoError(t, err)
	require.Empty(t, files["framing.go"].text)
	require.Contains(t, files["framing.go"].skipped, "cannot be read in ")
	require.True(t, files["framing.go"].unread)
}

func theCourse(t *testing.T) course {
	t.Helper()
	c := openCourse(".")
	require.NotEmpty(t, c.root)
	return c
}

// texts reads the regular files of one side of a comparison.
func texts(files []*rowdiff.File, isNew bool) map[string]string {
	out := make(map[string]string)
	for _, f := range files {
		switch {
		case f.Skipped != "":
		case isNew && f.InNew:
			out[f.Name] = f.NewText
		case !isNew && f.InOld:
			out[f.Name] = f.OldText
		}
	}
	return out
}

// TestPairsOfLessons: no line is lost between two lessons, and git applies what is printed. The pairs are
// each lesson with itself and, both ways, with the one it builds on; in CI all that can be asked for.
func TestPairsOfLessons(t *testing.T) {
	c := theCourse(t)
	all := os.Getenv("CI") != ""
	for _, a := range c.written() {
		for _, b := range c.written() {
			if all || a.Number == b.Number || a.BuildsOn == b.Number || b.BuildsOn == a.Number {
				t.Run(a.Number+" "+b.Number, func(t *testing.T) { requirePair(t, c, a, b) })
			}
		}
	}
}

func requirePair(t *testing.T, c course, a, b lessons.Lesson) {
	t.Helper()
	cmp, err := c.resolve([]string{a.Number, b.Number}, true)
	require.NoError(t, err)
	for _, f := range cmp.files {
		require.Empty(t, f.Skipped, f.Name)
		oldText, newText := rowdiff.Texts(f.Rows)
		require.Equal(t, onDisk(t, c, a, f.Name), oldText, f.Name)
		require.Equal(t, onDisk(t, c, b, f.Name), newText, f.Name)
	}
	if !cmp.differs() {
		return // git apply refuses an empty patch
	}
	gittest.Need(t, "git")
	dir := t.TempDir()
	gittest.WriteTree(t, dir, texts(cmp.files, false))
	gittest.Git(t, dir, rowdiff.Patch(cmp.files, 3), "apply", "--whitespace=nowarn")
	gittest.RequireTree(t, dir, texts(cmp.files, true))
}

// onDisk is a file of a lesson; "" where the lesson has none of that name.
func onDisk(t *testing.T, c course, l lessons.Lesson, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.root, "lessons", l.Number, filepath.FromSlash(name)))
	if err != nil {
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	return string(text)
}

func TestNoMoreLinesThanGitOverTheCourse(t *testing.T) {
	gittest.Need(t, "git")
	c := theCourse(t)
	ours, gits := 0, 0
	for _, l := range c.written() {
		cmp, err := c.step(l, true)
		require.NoError(t, err)
		n := cmp.count(func(string) bool { return true })
		ours += n.added + n.removed

		dir := t.TempDir()
		gittest.WriteTree(t, filepath.Join(dir, "old"), texts(cmp.files, false))
		gittest.WriteTree(t, filepath.Join(dir, "new"), texts(cmp.files, true))
		gits += gittest.Lines(t, dir)
	}
	t.Logf("%d lines added and removed over the course; git diff --patience: %d", ours, gits)
	require.Positive(t, gits)
	require.LessOrEqual(t, float64(ours), 1.05*float64(gits))
}

// A step may change as many lines of server.go and client.go as the catalogue allows, and no more.
func TestStepsKeepTheirBudget(t *testing.T) {
	steps, err := theCourse(t).steps()
	require.NoError(t, err)
	for _, s := range steps {
		t.Run(s.number, func(t *testing.T) {
			require.False(t, s.over(),
				"lesson %s changes server.go by %s and client.go by %s; together at most %s\n"+
					"see: go run ./tools/diff %[1]s",
				s.number, s.server.text(false), s.client.text(false), s.budget.text(false))
			if s.budget == (lineCount{}) {
				require.Contains(t, []string{"01", "07"}, s.number,
					"the catalogue sets no MaxAdded and MaxRemoved for lesson %s: "+
						"only the first lesson and the change to UDP go without", s.number)
			}
			require.Positive(t, s.server.added+s.server.removed+s.client.added+s.client.removed,
				"lesson %s changes neither server.go nor client.go", s.number)
		})
	}
}

// inREADME finds the commands that a text tells its reader to type.
var inREADME = regexp.MustCompile("go run \\./tools/diff([^`\\n#]*)")

func TestREADMEsNameTheirDiff(t *testing.T) {
	c := theCourse(t)
	for _, l := range c.written() {
		t.Run(l.Number, func(t *testing.T) {
			readme, err := os.ReadFile(filepath.Join(c.root, "lessons", l.Number, "README.md"))
			require.NoError(t, err)
			commands := inREADME.FindAllStringSubmatch(string(readme), -1)
			require.NotEmpty(t, commands,
				"lessons/%s/README.md names no command to see what changed: "+
					"go run ./tools/diff %[1]s", l.Number)
			own := false
			for _, command := range commands {
				args := strings.Fields(command[1])
				own = own || len(args) > 0 && args[0] == l.Number
				out, stderr, status := commandFromRoot(t, c, args...)
				require.Zero(t, status, "%s: %s", command[0], stderr)
				require.NotEmpty(t, out, command[0])
			}
			require.True(t, own || l.BuildsOn == "",
				"lessons/%s/README.md names no diff of its own: go run ./tools/diff %[1]s", l.Number)
		})
	}
}

// commandFromRoot runs the command as a reader does, from the top of the module.
func commandFromRoot(t *testing.T, c course, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	root, err := filepath.Abs(c.root)
	require.NoError(t, err)
	t.Chdir(root)
	return command(t, 0, nil, args...)
}

func TestUnifiedOfTwoFilesAppliesToTheFirst(t *testing.T) {
	gittest.Need(t, "git")
	dir := t.TempDir()
	before, after := "package a\n\nfunc a() {}\n", "package a\n\nfunc b() {}\n"
	gittest.WriteTree(t, dir, map[string]string{"mine.go": before, "theirs.go": after})
	mine, theirs := filepath.Join(dir, "mine.go"), filepath.Join(dir, "theirs.go")
	patch, _, status := command(t, 0, nil, "-u", mine, theirs)
	require.Zero(t, status)
	gittest.Git(t, dir, patch, "apply")
	gittest.RequireTree(t, dir, map[string]string{"mine.go": after, "theirs.go": after})
}

// BenchmarkCommand measures the whole command, `go run` included, beside `go run` of a main that
// imports net, fmt and os and does nothing, in one run.
func BenchmarkCommand(b *testing.B) {
	dir := b.TempDir()
	gittest.WriteTree(b, dir, map[string]string{
		"go.mod": "module nothing\n",
		"main.go": "package main\n\nimport (\n\t\"fmt\"\n\t\"net\"\n\t\"os\"\n)\n\n" +
			"func main() {\n\tfmt.Fprintln(os.Stdout, net.IPv4len)\n}\n",
	})
	root := openCourse(".").root
	for name, run := range map[string]struct {
		dir  string
		args []string
	}{
		"nothing": {dir, []string{"run", "."}},
		"diff":    {root, []string{"run", "./tools/diff", "05"}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				goCommand(b, run.dir, run.args...)
			}
		})
	}
}

// BenchmarkTenThousandLines measures the command on two files of 10,000 lines that differ in one line of ten.
func BenchmarkTenThousandLines(b *testing.B) {
	dir := b.TempDir()
	var oldText, newText strings.Builder
	for n := range 10_000 {
		fmt.Fprintf(&oldText, "\tn%d, err := conn.Read(buf)\n", n)
		if n%10 == 0 {
			fmt.Fprintf(&newText, "\tn%d, err := conn.Read(header)\n", n)
		} else {
			fmt.Fprintf(&newText, "\tn%d, err := conn.Read(buf)\n", n)
		}
	}
	gittest.WriteTree(b, dir, map[string]string{"old.go": oldText.String(), "new.go": newText.String()})
	b.Run("diff", func(b *testing.B) {
		for b.Loop() {
			var out, errs strings.Builder
			before, after := filepath.Join(dir, "old.go"), filepath.Join(dir, "new.go")
			args := []string{"-color=always", "-width=120", before, after}
			status := run(args, world{stdout: &out, stderr: &errs, dir: dir, getenv: os.Getenv})
			if status != 0 {
				b.Fatal(errs.String())
			}
		}
	})
	b.Run("git", func(b *testing.B) {
		gittest.Need(b, "git")
		for b.Loop() {
			gittest.Git(b, dir, "", "diff", "--no-index", "--color=always", "old.go", "new.go")
		}
	})
}

func goCommand(b *testing.B, dir string, args ...string) {
	b.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
