package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"sync"

	"socketbook/tools/grade/internal/attacks"
	"socketbook/tools/grade/internal/intake"
	"socketbook/tools/grade/internal/score"
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
	oneIn := f.Int("one-in", 1, "")
	named := f.String("answer", "", "")
	rest, err := parse(f, args)
	switch {
	case err != nil:
		return err
	case len(rest) > 0:
		return wrongUse("grade selftest takes flags only, not %s", rest[0])
	case o.atOnce < 1 || *oneIn < 1 || o.seed < 1:
		return wrongUse("-j, -one-in and -seed: at least 1")
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
	t := &tester{options: o, root: root, labs: labs, work: work, oneIn: *oneIn, named: *named, out: out}
	e, err := newEngine(ctx, &run{options: o, root: root, labs: labs}, work)
	if err != nil {
		return err
	}
	defer e.Close()
	if real, ok := e.(*engine); ok {
		t.known(ctx, real)
	}
	if t.named == "" {
		t.class(ctx)
		t.boxes(ctx)
	} else if t.tried == 0 {
		return wrongUse("-answer %q: no known answer has that in its name", t.named)
	}
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if t.wrong > 0 {
		return fmt.Errorf(
			"%d of %d came out otherwise: do not grade with this machine before you know why",
			t.wrong,
			t.tried,
		)
	}
	fmt.Fprintf(out, "all %d came out as they must\n", t.tried)
	return nil
}

type tester struct {
	options
	root, work string
	labs       []lab
	oneIn      int    // of so many known answers one is graded
	named      string // in the names of those that are graded, and nothing else is; "" for all
	out        io.Writer
	mu         sync.Mutex
	tried      int
	wrong      int
}

// unboxed reports whether what is graded is in no sandbox of ours.
func (t *tester) unboxed() bool { return t.sandbox == noSandbox || t.sandbox == dockerSandbox }

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
				return fmt.Errorf(
					"%d points, %s, and must have %d, %s (%s)",
					r.Points,
					r.Status,
					points,
					status,
					r.Reason,
				)
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
		if s.Sandbox && t.unboxed() {
			t.heading("%s is left out: only a sandbox holds it", s.Name)
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
			var failures []string
			for _, cs := range r.Cases {
				failures = append(failures, cs.Message)
			}
			return s.Judge(string(r.Status), r.Points, r.Reason, failures...)
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
	if t.unboxed() {
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
