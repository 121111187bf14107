package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/grade/internal/score"
	"socketbook/tools/internal/labrun"
	"socketbook/tools/internal/runner"
)

// local grades by running a lab's own test, in a copy of the project that has the student's file in it.
type local struct {
	root  string
	labs  []lab
	turns chan *runner.Builder // copies of the project that nobody uses at the moment
	all   []*runner.Builder
}

// newLocal makes n copies of the project below the folder work.
func newLocal(root, work string, labs []lab, n int) (*local, error) {
	l := &local{root: root, labs: labs, turns: make(chan *runner.Builder, n)}
	for i := range n {
		b, err := runner.NewBuilder(filepath.Join(work, fmt.Sprintf("copy-%d", i+1)))
		if err == nil {
			l.all = append(l.all, b)
			err = copyProject(root, b.Root, labs)
		}
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		l.turns <- b
	}
	return l, nil
}

// copyProject copies what a lab's test is built from, and nothing that students hand in.
func copyProject(root, to string, labs []lab) error {
	names := []string{"go.mod", "go.sum", "tools/check", "tools/fault", "tools/loopback", "tools/timeline"}
	for _, l := range labs {
		names = append(names, "labs/"+l.Number)
	}
	for _, name := range names {
		err := filepath.WalkDir(filepath.Join(root, name), func(file string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && d.Name() == "testdata" {
				return fs.SkipDir
			} else if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, file)
			if err != nil || d.IsDir() || strings.HasPrefix(rel, "tools") && strings.HasSuffix(rel, "_test.go") {
				return err
			}
			text, err := os.ReadFile(file)
			if err == nil {
				err = os.MkdirAll(filepath.Dir(filepath.Join(to, rel)), 0o700)
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(to, rel), text, 0o600)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("copying the project: %w", err)
		}
	}
	return nil
}

func (l *local) Sandbox() string { return "none" }

func (l *local) Close() error {
	var err error
	for _, b := range l.all {
		err = errors.Join(err, b.Close())
	}
	return err
}

func (l *local) Grade(ctx context.Context, j job) []score.Row {
	b := <-l.turns
	defer func() { l.turns <- b }()
	var rows []score.Row
	for _, one := range j.labs {
		row := score.New(j.student, one.suite, one.sum, score.GraderError, "")
		row.Sandbox = l.Sandbox()
		began := time.Now()
		if err := l.one(ctx, b, one, j, &row); err != nil {
			row.End(score.GraderError, score.Plain(err.Error()))
		}
		row.Seconds = time.Since(began).Seconds()
		rows = append(rows, row)
	}
	return rows
}

func (l *local) one(ctx context.Context, b *runner.Builder, one lab, j job, row *score.Row) error {
	file := filepath.Join(b.Root, filepath.FromSlash(one.File))
	if err := os.WriteFile(file, j.files[one.Number].Text, 0o600); err != nil {
		return fmt.Errorf("putting the answer into its place: %w", err)
	}
	r, err := labrun.Run(ctx, b, labrun.Lab{Number: one.Number, File: one.File}, labrun.Options{Seed: j.seed})
	var refused *runner.BuildError
	switch {
	case errors.As(err, &refused):
		row.End(score.DoesNotCompile, path.Base(one.File)+" does not compile")
		row.Output = score.CutOutput(refused.Output)
		return nil
	case err != nil && strings.Contains(err.Error(), "did not finish"):
		row.End(score.TimedOut, err.Error())
		return nil
	case err != nil:
		return err
	}
	row.Status, row.Reason = score.Graded, ""
	for _, c := range r.Cases {
		row.Enter(c.Name, c.Outcome, c.Message, c.Report)
		if c.Outcome == check.Error {
			row.Status, row.Reason = score.GraderError, c.Message
		}
	}
	switch {
	case strings.Contains(r.Note, " is not started: "):
		row.Status, row.Reason = score.NotStarted, "the file is still the starter"
	case len(r.Cases) == 0:
		row.Reason = r.Note
	}
	return nil
}
