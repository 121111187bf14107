package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"socketbook/tools/grade/internal/book"
	"socketbook/tools/grade/internal/intake"
	"socketbook/tools/grade/internal/sandbox"
	"socketbook/tools/grade/internal/score"
	"socketbook/tools/internal/runner"
)

// options are those of the command line.
type options struct {
	labs, out, roster, sandbox, only, shard string
	atOnce                                  int
	seed                                    uint64
	resume, failed, json, noTimes           bool
	submissions                             []string
}

// defaultOut is where results go; git ignores it.
const defaultOut = ".grades"

func (o *options) flags(name string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.StringVar(&o.labs, "labs", "", "")
	f.StringVar(&o.out, "out", defaultOut, "")
	f.StringVar(&o.roster, "roster", "", "")
	f.StringVar(&o.sandbox, "sandbox", "auto", "")
	f.StringVar(&o.only, "only", "", "")
	f.StringVar(&o.shard, "shard", "", "")
	f.IntVar(&o.atOnce, "j", runtime.NumCPU(), "")
	f.Uint64Var(&o.seed, "seed", 0, "")
	f.BoolVar(&o.resume, "resume", false, "")
	f.BoolVar(&o.failed, "failed", false, "")
	f.BoolVar(&o.json, "json", false, "")
	f.BoolVar(&o.noTimes, "no-times", false, "")
	return f
}

// grade is the command without a word in front.
func grade(ctx context.Context, args []string, out, errs io.Writer) error {
	var o options
	var err error
	if o.submissions, err = parse(o.flags("grade"), args); err != nil {
		return err
	}
	switch {
	case len(o.submissions) == 0 && o.roster == "":
		return wrongUse("name the submissions: folders, .zip, .tar or .tar.gz files, or a folder with one " +
			"entry for each student (grade -help)")
	case o.atOnce < 1 || o.atOnce > 256:
		return wrongUse("-j %d: from 1 to 256 submissions at a time", o.atOnce)
	}
	root, err := runner.FindRoot(".")
	if err != nil {
		return &failure{misuse, err}
	}
	labs, err := findLabs(root, o.labs)
	if err != nil {
		return err
	}
	r := &run{options: o, root: root, labs: labs, out: out, errs: errs}
	return r.run(ctx)
}

// run is one grading of a class.
type run struct {
	options
	root      string
	labs      []lab
	out, errs io.Writer
	part      part
	roster    *intake.Roster
	class     intake.Class
	batch     book.Batch
	index     *score.Index // what is known from earlier runs, and then everything
	engine    grader
	began     time.Time

	mu      sync.Mutex
	journal *os.File
	counts  map[score.Status]int

	unwritten error // why standard output has not all rows
}

// The folder of a run has these besides the outputs, until it is complete.
const (
	journalName = "journal.jsonl"
	workName    = ".work"
)

func (r *run) say(format string, args ...any) {
	fmt.Fprintf(r.errs, "grade: %s\n", score.PlainText(fmt.Sprintf(format, args...)))
}

func (r *run) run(ctx context.Context) (err error) {
	r.began, r.counts = time.Now(), map[score.Status]int{}
	if r.part, err = findPart(r.shard, os.Getenv); err != nil {
		return err
	}
	if r.shard != "" { // shards may share a folder
		r.options.out = filepath.Join(r.options.out, r.part.folder())
	}
	if r.options.roster != "" {
		if r.roster, err = intake.ReadRoster(r.options.roster); err != nil {
			return &failure{misuse, err}
		}
	}
	if err := r.apart(); err != nil {
		return err
	}
	unlock, err := r.prepare()
	if err != nil {
		return &failure{misuse, err}
	}
	defer unlock()
	work := filepath.Join(r.options.out, workName)
	defer sandbox.RemoveAll(work)
	if err := r.collect(work); err != nil {
		return err
	}
	todo, err := r.todo()
	if err != nil {
		return err
	}
	defer r.index.Close()
	if err := r.batch.Save(r.options.out); err != nil {
		return &failure{misuse, err}
	}
	if err := r.fitsOthers(); err != nil {
		return err
	}
	if err := r.grade(ctx, todo, work); err != nil {
		return err
	}
	return r.finish()
}

// apart refuses to write the results among the submissions: the next run would take them for some. Hidden
// folders, such as .grades, are none.
func (r *run) apart() error {
	out := realPath(r.options.out)
	for _, s := range r.submissions {
		rel, err := filepath.Rel(realPath(s), out)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		hidden := rel != "." && (strings.HasPrefix(rel, ".") || strings.Contains(rel, string(filepath.Separator)+"."))
		if !hidden {
			return wrongUse("-out %s is among the submissions of %s: name a folder of its own", r.options.out, s)
		}
	}
	return nil
}

// realPath is a path without links, as far as it is there.
func realPath(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if is, err := filepath.EvalSymlinks(path); err == nil {
		return is
	}
	if parent := filepath.Dir(path); parent != path {
		return filepath.Join(realPath(parent), filepath.Base(path))
	}
	return path
}

// prepare makes the folder of the results and takes possession of it.
func (r *run) prepare() (unlock func(), err error) {
	if err := os.MkdirAll(r.options.out, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder for the results: %w", err)
	}
	unlock, err = lock(r.options.out)
	if err != nil {
		return nil, err
	}
	work := filepath.Join(r.options.out, workName)
	for _, name := range []string{"results.jsonl", journalName} { // read, or written on, after an earlier run
		name = filepath.Join(r.options.out, name)
		if info, gone := os.Stat(name); gone == nil && !info.Mode().IsRegular() {
			err = errors.Join(err, fmt.Errorf("%s is not a regular file", name))
		}
	}
	if err == nil {
		err = sandbox.RemoveAll(work) // of a run that was killed
	}
	if err == nil {
		err = os.Mkdir(work, 0o700)
	}
	if err != nil {
		unlock()
		return nil, fmt.Errorf("using the folder for the results: %w", err)
	}
	// A killed run leaves files that were not yet whole.
	for _, dir := range []string{"", "feedback", "gradescope", "classroom50"} {
		left, _ := filepath.Glob(filepath.Join(r.options.out, dir, ".new-*"))
		for _, name := range left {
			os.Remove(name)
		}
	}
	return unlock, nil
}

// collect finds out who is in the class, and describes the batch.
func (r *run) collect(work string) (err error) {
	if r.class, err = intake.Collect(r.submissions, intakeLabs(r.labs), r.roster, work); err != nil {
		return &failure{misuse, err}
	}
	if len(r.class.Students) == 0 {
		return wrongUse("there is no submission in %s", strings.Join(r.submissions, ", "))
	}
	for _, n := range r.class.Notices {
		r.say("%s", n)
	}
	b := book.Batch{
		Seed: r.seed, Sandbox: r.sandbox, Shard: r.part.i, Of: r.part.n, NoTimes: r.noTimes,
		Notices: r.class.Notices,
	}
	if !r.noTimes {
		b.Began = r.began.UTC().Format("2006-01-02T15:04:05Z")
	}
	if r.roster != nil {
		b.Roster = r.roster.Text
	}
	for _, l := range r.labs {
		one := book.Lab{Number: l.Number, Title: l.title, Suite: l.sum}
		for _, cs := range l.suite.Cases {
			one.Cases = append(one.Cases, book.BatchCase{Case: cs.Name, Of: cs.Points})
		}
		b.Labs = append(b.Labs, one)
	}
	r.batch = b
	return nil
}

// todo are the submissions that have to be graded: of this part of the class, without what an earlier run
// has done.
func (r *run) todo() ([]intake.Submission, error) {
	mine := slices.DeleteFunc(slices.Clone(r.class.Students), func(s intake.Submission) bool {
		return !r.part.has(s.ID)
	})
	results, journal := filepath.Join(r.options.out, "results.jsonl"), filepath.Join(r.options.out, journalName)
	r.index = score.NewIndex()
	if !r.resume && !r.failed && r.only == "" {
		if _, err := os.Stat(journal); err == nil {
			r.say("an earlier run in %s was interrupted, and begins anew; -resume would go on", r.options.out)
		}
		return mine, os.WriteFile(journal, nil, 0o644)
	}
	before, err := book.LoadBatch(r.options.out)
	if err != nil && !errors.Is(err, book.ErrNoResults) {
		return nil, err
	}
	if r.resume && err == nil && before.Seed != r.seed {
		return nil, wrongUse(
			"the results in %s were made with %s: give the same -seed, or none if none was given",
			r.options.out,
			before.Seeds(),
		)
	}
	for _, l := range before.Labs {
		if !slices.ContainsFunc(r.labs, func(mine lab) bool { return mine.Number == l.Number }) {
			return nil, wrongUse("the results in %s are of lab %s, too: name it with -labs, or another folder "+
				"with -out",
				r.options.out, l.Number)
		}
	}
	for _, name := range []string{results, journal} {
		if _, err := r.index.Add(name, score.Newer); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	known := map[string]bool{}
	for _, s := range mine {
		known[s.ID] = true
	}
	for _, k := range r.index.Keys() {
		inLabs := slices.ContainsFunc(r.labs, func(l lab) bool { return l.Number == k.Lab })
		if !known[k.Student] || !inLabs { // gone since, or of another part
			r.index.Drop(k)
		}
	}
	var todo []intake.Submission
	wanted, err := r.wanted(mine)
	if err != nil {
		return nil, err
	}
	for _, s := range mine {
		if wanted(s) {
			todo = append(todo, s)
		}
	}
	return todo, nil
}

// wanted returns which of the students are to be graded.
func (r *run) wanted(mine []intake.Submission) (func(intake.Submission) bool, error) {
	if r.only != "" {
		asked := map[string]bool{}
		for id := range strings.SplitSeq(r.only, ",") {
			id = strings.TrimSpace(id)
			if p, ok := r.roster.Find(id); ok {
				id = p.ID
			}
			if !slices.ContainsFunc(mine, func(s intake.Submission) bool { return s.ID == id }) {
				return nil, wrongUse("-only %s: nobody has this id; the folder of the results has them in grades.csv", id)
			}
			asked[id] = true
		}
		return func(s intake.Submission) bool { return asked[s.ID] }, nil
	}
	labs := intakeLabs(r.labs)
	return func(s intake.Submission) bool {
		answers := s.Load(labs)
		for _, l := range r.labs {
			row, known := r.index.Get(score.Key{Student: s.ID, Lab: l.Number})
			status, _ := beforehand(s, answers, l)
			switch {
			case !known, row.Status == score.GraderError:
				return true
			case r.failed && row.Points < row.Of:
				return true
			case r.resume && (row.Suite != l.sum || row.Source != sourceOf(answers.Files[l.Number])):
				return true
			case r.resume && status != score.GraderError && row.Status != status:
				return true
			}
		}
		return false
	}, nil
}

func sourceOf(f intake.File) string {
	if f.Text == nil {
		return ""
	}
	return score.Hash(f.Text)
}

// grade grades the submissions and keeps every row in the journal as soon as it is there.
func (r *run) grade(ctx context.Context, todo []intake.Submission, work string) (err error) {
	if len(todo) == 0 {
		return nil
	}
	if r.engine, err = newEngine(ctx, r, work); err != nil {
		if ctx.Err() != nil { // and err is of the go command, which was ended
			return fmt.Errorf("interrupted after 0 of %d submissions; go on with -resume", len(todo))
		}
		return err
	}
	defer func() { err = errors.Join(err, r.engine.Close()) }()
	if r.journal, err = r.openJournal(); err != nil {
		return err
	}
	defer r.journal.Close()
	p := newMeter(r, len(todo))
	defer p.end()
	var all sync.WaitGroup
	next := make(chan intake.Submission)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	for range min(r.atOnce, len(todo)) {
		all.Go(func() {
			for s := range next {
				p.begin(s.ID)
				rows := r.one(ctx, s)
				if ctx.Err() != nil {
					return
				}
				if err := r.keep(rows); err != nil {
					stop(err)
					return
				}
				p.add(rows)
			}
		})
	}
feed:
	for _, s := range todo {
		select {
		case next <- s:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	all.Wait()
	r.unwritten = p.failed
	if ctx.Err() == nil {
		return nil
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return fmt.Errorf("%w; when that is mended, go on with -resume", cause)
	}
	return fmt.Errorf("interrupted after %d of %d submissions; go on with -resume", p.done, len(todo))
}

func (r *run) openJournal() (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(r.options.out, journalName), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("writing the results: %w", err)
	}
	return f, nil
}

// keep writes the rows of a student down, in one write: whatever happens then, all of them are there or,
// if the machine fails in the middle, the student is graded again.
func (r *run) keep(rows []score.Row) error {
	var b bytes.Buffer
	b.WriteByte('\n') // what a killed run has begun ends here
	if err := score.Write(&b, rows); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.journal.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	return nil
}

// one grades one submission: all cases of all labs are at 0 before anything of it runs.
func (r *run) one(ctx context.Context, s intake.Submission) []score.Row {
	answers := s.Load(intakeLabs(r.labs))
	rows := make([]score.Row, len(r.labs))
	j := job{student: s.ID, files: answers.Files, seed: r.seed}
	var at []int // which rows the job's labs are
	for i, l := range r.labs {
		status, reason := beforehand(s, answers, l)
		if status == score.GraderError {
			j.labs, at = append(j.labs, l), append(at, i)
		}
		rows[i] = score.New(s.ID, l.suite, l.sum, status, reason)
	}
	if len(j.labs) > 0 {
		for k, row := range r.engine.Grade(ctx, j) {
			rows[at[k]] = row
		}
	}
	notes := strings.Join(answers.Notes, "; ")
	for i := range rows {
		row := &rows[i]
		file := answers.Files[row.Lab]
		row.Notes, row.Source = notes, sourceOf(file)
		if text := formatted(file.Text); text != nil {
			row.Format = score.Hash(text)
		}
		if r.noTimes {
			row.Seconds = 0
		}
		if s.Hold {
			row.Hold()
		}
	}
	return rows
}

// deepest is how deep code may be nested to be compared as gofmt writes it, counted in nodes of the syntax
// tree. A file of 256 KiB that is nested deeper would keep gofmt busy for hours: its time grows with the
// third power of the depth.
const deepest = 200

// formatted is a file as gofmt writes it, and nothing if it is no valid Go, or nested too deep.
func formatted(text []byte) []byte {
	f, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	if err != nil {
		return nil
	}
	depth, most := 0, 0
	ast.Inspect(f, func(n ast.Node) bool {
		if n == nil {
			depth--
			return false
		}
		depth++
		most = max(most, depth)
		return true
	})
	if most > deepest {
		return nil
	}
	as, err := format.Source(text)
	if err != nil {
		return nil
	}
	return as
}

// beforehand is what a lab has before anything of it runs: score.GraderError if it is to be graded.
func beforehand(s intake.Submission, answers intake.Answers, l lab) (status score.Status, reason string) {
	file, handedIn := answers.Files[l.Number]
	switch {
	case !handedIn && s.Path == "":
		return score.Missing, "nothing was handed in"
	case !handedIn:
		return score.Missing, l.File + " was not handed in"
	case file.Trouble != "":
		return score.Void, file.Trouble
	}
	return score.GraderError, "this lab was not reached"
}

// finish makes every output from the rows, and then the journal is not needed any more.
func (r *run) finish() error {
	journal := filepath.Join(r.options.out, journalName)
	if _, err := r.index.Add(journal, score.Newer); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if r.roster != nil { // rows of earlier runs were held as it was then
		for _, s := range r.class.Students {
			for _, l := range r.labs {
				r.index.Hold(score.Key{Student: s.ID, Lab: l.Number}, s.Hold)
			}
		}
	}
	err := publish(r.options.out, r.batch, r.index, r.began, r.out, r.errs, r.json)
	if err == nil && r.unwritten != nil {
		return fmt.Errorf("writing JSON lines to standard output: %w; the results have the same ones", r.unwritten)
	}
	return err
}

// publish writes the outputs of a batch and says how it went.
func publish(
	dir string,
	b book.Batch,
	x *score.Index,
	began time.Time,
	out, errs io.Writer,
	asJSON bool,
) error {
	if err := book.Write(dir, b, x); err != nil {
		return fmt.Errorf("%w; when that is mended, go on with -resume", err)
	}
	if err := os.Remove(filepath.Join(dir, journalName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	counts, students := map[score.Status]int{}, map[string]bool{}
	var unable []string
	for _, k := range x.Keys() {
		row, _ := x.Get(k)
		if row.Held {
			counts[score.Held]++
		} else {
			counts[row.Status]++
		}
		students[k.Student] = true
		if row.Status == score.GraderError {
			unable = append(unable, fmt.Sprintf("%s lab %s", score.Plain(k.Student), k.Lab))
		}
	}
	var parts []string
	for _, s := range score.Statuses {
		if counts[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	to := out
	if asJSON {
		to = errs
	}
	fmt.Fprintf(
		to,
		"%d students, %d answers: %s\n",
		len(students),
		len(x.Keys()),
		cmp.Or(strings.Join(parts, ", "), "none"),
	)
	fmt.Fprintf(to, "%s: grades.csv, summary.html, feedback/ and more; README.md of tools/grade says what\n",
		filepath.Join(dir, "results.jsonl"))
	if len(unable) > 0 {
		return fmt.Errorf("%d answers could not be graded (%s): their points are left out of gradebooks; "+
			"try them again with -resume", len(unable), abridged(unable))
	}
	return nil
}

// abridged is the beginning of a list.
func abridged(all []string) string {
	const most = 3
	if len(all) > most {
		return strings.Join(all[:most], ", ") + ", …"
	}
	return strings.Join(all, ", ")
}
