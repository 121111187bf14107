package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"socketbook/tools/check"
	"socketbook/tools/grade/internal/attacks"
	"socketbook/tools/grade/internal/intake"
	"socketbook/tools/grade/internal/sandbox"
	"socketbook/tools/grade/internal/score"
	"socketbook/tools/grade/internal/verdict"
	"socketbook/tools/internal/runner"
)

// selftest grades answers whose points are known, on this machine and with its sandbox: the references, the
// starters, the right and known-wrong answers of solutions/, and the attacks. It says what came out
// otherwise.
func selftest(ctx context.Context, args []string, out, errs io.Writer) error {
	var o options
	f := flag.NewFlagSet("selftest", flag.ContinueOnError)
	f.StringVar(&o.labs, "labs", "", "")
	f.StringVar(&o.sandbox, "sandbox", autoSandbox, "")
	f.IntVar(&o.atOnce, "j", runtime.NumCPU(), "")
	f.Uint64Var(&o.seed, "seed", 1, "")
	rest, err := parse(f, args)
	switch {
	case err != nil:
		return err
	case len(rest) > 0:
		return wrongUse("grade selftest takes flags only, not %s", rest[0])
	case o.atOnce < 1:
		return wrongUse("-j %d: at least 1", o.atOnce)
	}
	root, err := runner.FindRoot(".")
	if err != nil {
		return &failure{misuse, err}
	}
	labs, err := findLabs(root, o.labs)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "socketbook-selftest-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.Chmod(work, 0o755); err != nil { // in a box everybody is somebody else
		return err
	}
	t := &tester{options: o, root: root, labs: labs, work: work, out: out}
	e, err := newEngine(ctx, &run{options: o, root: root, labs: labs}, work)
	if err != nil {
		return err
	}
	defer e.Close()
	if real, ok := e.(*engine); ok {
		t.known(ctx, real)
	}
	t.class(ctx)
	t.boxes(ctx)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if t.wrong > 0 {
		return fmt.Errorf("%d of %d came out otherwise: do not grade with this machine before you know why", t.wrong, t.tried)
	}
	fmt.Fprintf(out, "all %d came out as they must\n", t.tried)
	return nil
}

type tester struct {
	options
	root, work string
	labs       []lab
	out        io.Writer
	mu         sync.Mutex
	tried      int
	wrong      int
}

// report counts one answer, and prints it if it came out otherwise.
func (t *tester) report(what string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tried++
	if err != nil {
		t.wrong++
		fmt.Fprintf(t.out, "%s: %s\n", score.Plain(what), score.Plain(score.Cut(err.Error(), 1000)))
	}
}

func (t *tester) heading(format string, args ...any) { fmt.Fprintf(t.out, format+"\n", args...) }

// class grades the references, the starters and the attacks, as one class, and looks at the rows.
func (t *tester) class(ctx context.Context) {
	dir, out := filepath.Join(t.work, "class"), filepath.Join(t.work, "out")
	expect := map[score.Key]func(score.Row) error{}
	want := func(status score.Status, points int) func(score.Row) error {
		return func(r score.Row) error {
			if r.Status != status || r.Points != points {
				return fmt.Errorf("%d points, %s, and must have %d, %s (%s)", r.Points, r.Status, points, status, r.Reason)
			}
			return nil
		}
	}
	put := func(student string, l lab, from string) error {
		text, err := os.ReadFile(filepath.Join(t.root, filepath.FromSlash(from)))
		if err != nil {
			return err
		}
		to := filepath.Join(dir, student, filepath.FromSlash(l.File))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o644)
	}
	for _, l := range t.labs {
		if err := put("a reference", l, "solutions/"+l.Number+"/"+path.Base(l.File)); err == nil {
			expect[score.Key{Student: "a reference", Lab: l.Number}] = want(score.Graded, 10)
			// The same at the end of the class: whatever was done in between must not change it.
			_ = put("z reference", l, "solutions/"+l.Number+"/"+path.Base(l.File))
			expect[score.Key{Student: "z reference", Lab: l.Number}] = want(score.Graded, 10)
		}
		if text, err := starterOf(t.root, l); err == nil {
			to := filepath.Join(dir, "a starter", filepath.FromSlash(l.File))
			if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, text, 0o644)); err == nil {
				expect[score.Key{Student: "a starter", Lab: l.Number}] = want(score.NotStarted, 0)
			}
		}
	}
	submissions, err := attacks.Submissions(t.root)
	if err != nil {
		t.heading("no attacks: %v", err)
	}
	made := 0
	for _, s := range submissions {
		if !slices.ContainsFunc(t.labs, func(l lab) bool { return l.Number == s.Lab }) {
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.report("making the class", err)
			return
		}
		if _, err := s.Make(dir); err != nil {
			t.heading("%s cannot be made here: %v", s.Name, err)
			continue
		}
		made++
		expect[score.Key{Student: intake.ID(s.Student, nil), Lab: s.Lab}] = func(r score.Row) error {
			return s.Judge(string(r.Status), r.Points, r.Reason)
		}
	}
	t.heading("references, starters and %d hostile submissions", made)
	r := &run{
		options: options{
			submissions: []string{dir}, out: out, sandbox: t.sandbox, atOnce: t.atOnce, seed: t.seed, noTimes: true,
		},
		root: t.root, labs: t.labs, out: io.Discard, errs: io.Discard,
	}
	err = r.run(ctx)
	if _, missing := os.Stat(filepath.Join(out, "results.jsonl")); missing != nil {
		t.report("the class", errors.Join(err, missing))
		return
	}
	x := score.NewIndex()
	defer x.Close()
	if _, err := x.Add(filepath.Join(out, "results.jsonl"), score.Newer); err != nil {
		t.report("the class", err)
		return
	}
	for key, judge := range expect {
		if _, ok := x.Get(key); !ok {
			t.report(key.Student, errors.New("has no row"))
			continue
		}
		row, err := x.Row(key)
		if err == nil {
			err = judge(row)
		}
		t.report(fmt.Sprintf("%s, lab %s", key.Student, key.Lab), err)
	}
	t.report("what is written", clean(out))
}

var (
	control = regexp.MustCompile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\u009b|[\u202a-\u202e\u2066-\u2069]")
	formula = regexp.MustCompile(`(?m)(^|,)"?[=@+\t]`)
)

// clean reports outputs that would control a terminal, or a spreadsheet.
func clean(dir string) error {
	return filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		switch {
		case err != nil:
			return err
		case control.Match(text):
			return fmt.Errorf("%s has control characters", d.Name())
		case filepath.Ext(name) == ".csv" && formula.Match(text):
			return fmt.Errorf("%s has a formula", d.Name())
		}
		return nil
	})
}

// boxes lets the attacks on the sandbox run from inside, and those on the compiler.
func (t *tester) boxes(ctx context.Context) {
	if t.sandbox == noSandbox || t.sandbox == dockerSandbox {
		t.heading("attacks on the sandbox: there is none")
		return
	}
	t.heading("attacks on the sandbox, from inside, and on the compiler")
	err := attacks.Try(ctx, t.root, t.atOnce, func(string, string) bool { return true },
		func(part, name string, err error) { t.report(part+" "+name, err) })
	if err != nil {
		t.report("attacks on the sandbox", err)
	}
}

// known grades the right and known-wrong answers of solutions/: each must fail exactly the cases that are
// named for it there.
func (t *tester) known(ctx context.Context, e *engine) {
	for _, l := range t.labs {
		program := filepath.Join(t.work, "answers"+l.Number+exe)
		answers, err := buildAnswers(ctx, t.root, t.work, program, l)
		if errors.Is(err, os.ErrNotExist) {
			t.heading("lab %s: this copy of the project was given out without solutions/", l.Number)
			continue
		} else if err != nil {
			t.report("the answers of lab "+l.Number, err)
			continue
		}
		t.heading("lab %s: %d right and known-wrong answers", l.Number, len(answers))
		var all sync.WaitGroup
		next := make(chan int)
		for range t.atOnce {
			all.Go(func() {
				for i := range next {
					what := fmt.Sprintf("lab %s, answer %d, %q", l.Number, i, answers[i].name)
					t.report(what, t.one(ctx, e, l, program, strconv.Itoa(i), answers[i]))
				}
			})
		}
		for i := range answers {
			if ctx.Err() == nil {
				next <- i
			}
		}
		close(next)
		all.Wait()
	}
}

// answer is one of solutions/.
type answer struct {
	name  string
	fails []string
}

// one grades an answer.
func (t *tester) one(ctx context.Context, e *engine, l lab, program, arg string, a answer) error {
	dir, err := e.folder()
	if err != nil {
		return err
	}
	defer sandbox.RemoveAll(dir)
	child := filepath.Join(dir, "bin", "child"+exe)
	if err := os.Link(program, child); err != nil {
		return err
	}
	judge, end, err := e.judges(ctx, dir)
	if err != nil {
		return err
	}
	defer end()
	verdicts, err := judge(verdict.Task{
		Lab: l.Number, Seed: t.seed, Judge: e.module.judge, Child: child, Arg: arg, AtOnce: casesAtOnce,
	})
	if err != nil {
		return err
	}
	var wrong []string
	for _, v := range verdicts {
		if named := slices.Contains(a.fails, v.Case); named != (v.Outcome == check.Failed) || v.Outcome == check.Error {
			wrong = append(wrong, fmt.Sprintf("%q is %s: %s", v.Case, v.Outcome, v.Message))
		}
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

// buildAnswers builds one program of all answers of a lab, which serves the one that its argument says. In
// solutions/ they are in tests; here they are a package beside it, by -overlay.
func buildAnswers(ctx context.Context, root, work, program string, l lab) ([]answer, error) {
	folder := filepath.Join(root, "solutions", l.Number)
	if _, err := os.Stat(folder); err != nil {
		return nil, err
	}
	tests, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil || len(tests) == 0 {
		return nil, errors.Join(err, os.ErrNotExist)
	}
	answers := "solutions/" + l.Number + "/answers"
	files := map[string]string{}
	pkg := ""
	for _, name := range tests {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.PackageClauseOnly)
		if err != nil {
			return nil, err
		}
		pkg = file.Name.Name
		base := strings.TrimSuffix(filepath.Base(name), "_test.go")
		files[answers+"/"+base+"_answers.go"] = fmt.Sprintf("//line %s:1\n%s", filepath.Base(name), text)
	}
	files[answers+"/export.go"] = fmt.Sprintf(`package %s

import (
	"fmt"
	"slices"
)

var answers = slices.Concat(right, wrong)

func Answer(i int) any { return answers[i].Lab.Answer }

func Print() {
	for _, a := range answers {
		fmt.Printf("%%q", a.Name)
		for _, name := range a.Fails {
			fmt.Printf(" %%q", name)
		}
		fmt.Println()
	}
}
`, pkg)
	main := "tools/grade/answers" + l.Number
	files[main+"/main.go"] = fmt.Sprintf(`package main

import (
	"os"
	"strconv"

	answers "socketbook/%s"
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
`, answers)
	overlay, err := writeOverlay(root, work, l.Number, files)
	if err != nil {
		return nil, err
	}
	golang, err := sandbox.FindGo(ctx, root)
	if err != nil {
		return nil, err
	}
	args := append(slices.Clone(buildFlags), "-overlay="+overlay, "-o", program, "./"+main)
	if err := golang.Warm(ctx, root, args...); err != nil {
		return nil, err
	}
	if err := os.Chmod(program, 0o755); err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, program).Output()
	if err != nil {
		return nil, err
	}
	return readAnswers(string(out))
}

// readAnswers reads what the program of the answers prints: a line of quoted names for each.
func readAnswers(text string) (all []answer, err error) {
	for line := range strings.Lines(text) {
		var words []string
		for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				return nil, err
			}
			word, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, err
			}
			words, line = append(words, word), line[len(quoted):]
		}
		all = append(all, answer{words[0], words[1:]})
	}
	return all, nil
}

// writeOverlay writes files that the project does not have, and returns what -overlay takes.
func writeOverlay(root, work, number string, files map[string]string) (string, error) {
	replace := map[string]string{}
	for name, text := range files {
		file := filepath.Join(work, fmt.Sprintf("answers-%s-%d.go", number, len(replace)))
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return "", err
		}
		replace[filepath.Join(root, filepath.FromSlash(name))] = file
	}
	return overlayFile(filepath.Join(work, "answers-"+number+".json"), replace)
}
