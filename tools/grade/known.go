package main

import (
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"socketbook/tools/check"
	"socketbook/tools/grade/internal/sandbox"
	"socketbook/tools/grade/internal/verdict"
)

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
		chosen := t.choose(l, len(answers))
		if t.named != "" {
			chosen = nil
			for i, a := range answers {
				if strings.Contains(a.name, t.named) {
					chosen = append(chosen, i)
				}
			}
		}
		t.heading("lab %s: %d of %d right and known-wrong answers", l.Number, len(chosen), len(answers))
		var all sync.WaitGroup
		next := make(chan int)
		for range knownAtOnce * t.atOnce {
			all.Go(func() {
				for i := range next {
					what := fmt.Sprintf("lab %s, answer %d, %q", l.Number, i, answers[i].name)
					t.report(what, t.one(ctx, e, l, program, strconv.Itoa(i), answers[i]))
				}
			})
		}
		for _, i := range chosen {
			if ctx.Err() == nil {
				next <- i
			}
		}
		close(next)
		all.Wait()
	}
}

// knownAtOnce is how many known answers are graded in the place of one submission: most of the
// wrong ones hang, which takes time and nothing else.
const knownAtOnce = 3

// choose returns which of n answers are graded: the reference, which is the first, and one in oneIn
// of the others.
func (t *tester) choose(l lab, n int) (chosen []int) {
	r := rand.New(rand.NewPCG(t.seed, uint64(n)))
	for i := range n {
		if r.IntN(t.oneIn) == 0 || i == 0 {
			chosen = append(chosen, i)
		}
	}
	return chosen
}

// answer is one of solutions/.
type answer struct {
	name      string
	elsewhere string // why it may pass, "" if it may not
	fails     []string
}

// differs says what is wrong with the verdicts; "" if nothing is.
func (a answer) differs(verdicts []check.Verdict) string {
	var wrong []string
	for _, v := range verdicts {
		named := slices.Contains(a.fails, v.Case)
		switch {
		case named && v.Outcome == check.Passed && a.elsewhere != "":
		case named != (v.Outcome == check.Failed), v.Outcome == check.Error:
			wrong = append(wrong, fmt.Sprintf("%q is %s: %s", v.Case, v.Outcome, v.Message))
		}
	}
	return strings.Join(wrong, "; ")
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
	if wrong := a.differs(verdicts); wrong != "" {
		return errors.New(wrong)
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
		files[answers+"/answers_"+base+".go"] = fmt.Sprintf("//line %s:1\n%s", filepath.Base(name), text)
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
		fmt.Printf("%%q %%q", a.Name, a.Elsewhere)
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
	if err := golang.Warm(ctx, root, "build", args...); err != nil {
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

// readAnswers reads what the program of the answers prints: a line of quoted texts for each.
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
		if len(words) < 2 {
			return nil, fmt.Errorf("an answer without a name: %q", line)
		}
		all = append(all, answer{words[0], words[1], words[2:]})
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
