package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/grade/internal/intake"
	"socketbook/tools/grade/internal/sandbox"
	"socketbook/tools/grade/internal/score"
	"socketbook/tools/grade/internal/source"
	"socketbook/tools/grade/internal/verdict"
)

// job is what a grader gets: one student's answers, which have passed the intake.
type job struct {
	student string
	labs    []lab
	files   map[string]intake.File // by number of the lab; there is one for each of labs
	seed    uint64                 // 0: each file has its own
}

// grader makes the verdicts. Its method may be called from several goroutines.
type grader interface {
	// Grade returns a row for each lab of the job, in their order, and what failed for the machine's
	// reasons as score.GraderError. When ctx ends it returns early; its rows do not count then.
	Grade(ctx context.Context, j job) []score.Row
	// Close ends what still runs and removes what was built.
	Close() error
}

// engine is the grader: it looks at the source, builds it in a box, and lets a judge call it.
type engine struct {
	module *module
	kind   sandbox.Kind
	name   string // of the sandbox, as it stands in the rows
	work   string
	count  atomic.Int64
}

// The kinds of -sandbox.
const (
	autoSandbox       = "auto"
	namespacesSandbox = "namespaces"
	dockerSandbox     = "docker"
	noSandbox         = "none"
)

// findSandbox returns the kind for what -sandbox says. There is no way from auto to none but the one that
// somebody types.
func findSandbox(name string) (sandbox.Kind, error) {
	switch name {
	case noSandbox:
		return sandbox.None, nil
	case dockerSandbox:
		for _, mark := range []string{"/.dockerenv", "/run/.containerenv"} {
			if _, err := os.Stat(mark); err == nil {
				return sandbox.None, nil
			}
		}
		return "", wrongUse(
			"-sandbox docker: this is not inside a container; README.md of tools/grade has the line that " +
				"runs grade in one",
		)
	case autoSandbox, namespacesSandbox:
		if err := sandbox.Probe(); err != nil {
			return "", &failure{misuse, fmt.Errorf("%w; -sandbox none grades without a sandbox: "+
				"README.md of tools/grade says what does not hold then", err)}
		}
		return sandbox.Namespaces, nil
	}
	return "", wrongUse("-sandbox %s: there are auto, namespaces, docker and none", name)
}

// newEngine returns what grades. Tests put something else here.
var newEngine = func(ctx context.Context, r *run, work string) (grader, error) {
	kind, err := findSandbox(r.sandbox)
	if err != nil {
		return nil, err
	}
	name := string(kind)
	if r.sandbox == dockerSandbox {
		name = dockerSandbox
	}
	work, err = filepath.Abs(work)
	if err != nil {
		return nil, err
	}
	m, err := newModule(ctx, r.root, filepath.Join(work, "module"), r.labs)
	if err != nil {
		return nil, err
	}
	return &engine{module: m, kind: kind, name: name, work: work}, nil
}

func (e *engine) Close() error { return nil }

func (e *engine) Grade(ctx context.Context, j job) []score.Row {
	rows := make([]score.Row, len(j.labs))
	for i, l := range j.labs {
		rows[i] = score.New(j.student, l.suite, l.sum, score.GraderError, "this lab was not reached")
		file, text := path.Base(l.File), j.files[l.Number].Text
		if refusals := source.Check(l.Number, file, text); len(refusals) > 0 {
			rows[i].End(score.Void, sentence(file, refusals))
			continue
		}
		// go test has a test beside it, of the package that the lab's file is named for.
		if is, must := source.Package(text), strings.TrimSuffix(file, ".go"); is != "" && is != must {
			why := fmt.Sprintf("%s is of the package %s, and must be of %s", file, is, must)
			rows[i].End(score.DoesNotCompile, why)
		}
	}
	s := &submission{engine: e, job: j, rows: rows}
	if err := s.grade(ctx); err != nil {
		for i := range rows {
			if rows[i].Status == score.GraderError {
				rows[i].End(score.GraderError, score.Plain(err.Error()))
			}
		}
	}
	return rows
}

// sentence says why a file is refused.
func sentence(file string, refusals []source.Refusal) string {
	var parts []string
	for _, r := range refusals {
		where := file
		if r.Line > 0 {
			where = fmt.Sprintf("%s:%d", file, r.Line)
		}
		parts = append(parts, where+": "+r.Rule)
	}
	return score.Plain(strings.Join(parts, "; "))
}

// folder makes a folder for one submission. The caller removes it.
func (e *engine) folder() (dir string, err error) {
	dir = filepath.Join(e.work, fmt.Sprintf("submission-%d", e.count.Add(1)))
	for _, dir := range []string{dir, filepath.Join(dir, "bin"), filepath.Join(dir, "shared")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// submission is one job under way.
type submission struct {
	*engine
	job
	rows []score.Row
	dir  string // its folder
}

// open are the indices of the labs that have no verdict yet.
func (s *submission) open() (all []int) {
	for i, r := range s.rows {
		if r.Status == score.GraderError {
			all = append(all, i)
		}
	}
	return all
}

func (s *submission) grade(ctx context.Context) (err error) {
	if len(s.open()) == 0 {
		return nil
	}
	for _, i := range s.open() {
		s.rows[i].Sandbox = s.name
	}
	if s.dir, err = s.folder(); err != nil {
		return err
	}
	defer func() {
		if removeErr := sandbox.RemoveAll(s.dir); err == nil {
			err = removeErr
		}
	}()
	if err := s.build(ctx); err != nil || len(s.open()) == 0 {
		return err
	}
	judge, end, err := s.judges(ctx, s.dir)
	if err != nil {
		return err
	}
	defer end()
	return s.judge(judge)
}

// build builds the children of all labs that have no verdict yet, with one go command.
func (s *submission) build(ctx context.Context) error {
	box, err := sandbox.Open(sandbox.Config{
		Kind: s.kind, Folders: append(s.module.golang.Folders(), sandbox.Folder{Path: s.module.dir},
			sandbox.Folder{Path: s.dir}),
		Program: s.module.box,
	})
	if err != nil {
		return err
	}
	defer box.Close()
	return s.buildWith(func(labs []int) (trouble, error) { return s.try(ctx, box, labs) })
}

// buildWith builds until what is left has no complaints: when a lab does not compile, the others are built
// without it.
func (s *submission) buildWith(try func(labs []int) (trouble, error)) error {
	for alone := false; ; {
		labs := s.open()
		if len(labs) == 0 {
			return nil
		}
		t, err := try(labs)
		switch {
		case err != nil || t == trouble{}:
			return err
		case s.blame(labs, t):
			continue
		case alone || t.ended == "":
			return errors.New("the go command failed: " + lastLine(t.output+t.ended))
		}
		alone = true // one of them has taken too much
		for _, i := range labs {
			if t, err = try([]int{i}); err != nil {
				return err
			} else if t.ended != "" {
				s.blame([]int{i}, t)
			}
		}
	}
}

// try builds some labs.
func (s *submission) try(ctx context.Context, box *sandbox.Box, labs []int) (t trouble, err error) {
	var built []lab
	for _, i := range labs {
		built = append(built, s.labs[i])
	}
	overlay, err := s.module.overlay(s.dir, s.module.labs, built, s.files)
	if err != nil {
		return t, err
	}
	if t, err = s.compile(ctx, box, overlay); err != nil || t != (trouble{}) {
		return t, err
	}
	flags := append(slices.Clone(vetFlags), "-overlay="+overlay)
	for _, l := range built {
		flags = append(flags, "./labs/"+l.Number)
	}
	return s.goCommand(ctx, box, "vet", flags, nil)
}

// vetFlags are the checks that go test makes before it runs a test (go help test), on packages that
// buildFlags have compiled already.
var vetFlags = []string{
	"-trimpath", "-atomic", "-bool", "-buildtags", "-directive", "-errorsas", "-ifaceassert", "-nilfunc",
	"-printf", "-slog", "-stringintconv", "-tests",
}

// compile builds the children's program and fetches it.
func (s *submission) compile(
	ctx context.Context,
	box *sandbox.Box,
	overlay string,
) (t trouble, err error) {
	f, err := os.OpenFile(s.program(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return t, err
	}
	defer f.Close()
	out := filepath.Join(box.Tmp(), "out"+exe)
	args := append(slices.Clone(buildFlags), "-overlay="+overlay, "-o", out, "./"+childFolder)
	return s.goCommand(ctx, box, "build", args, []sandbox.Fetch{{Path: out, To: f}})
}

// program is the children's.
func (s *submission) program() string { return filepath.Join(s.dir, "bin", "child"+exe) }

// trouble is what keeps a lab from being built; empty if nothing does.
type trouble struct {
	output string // of the go command
	ended  string // which limit has ended it, as a sentence about "it"
}

// goCommand runs the go command.
func (s *submission) goCommand(
	ctx context.Context,
	box *sandbox.Box,
	verb string,
	args []string,
	fetch []sandbox.Fetch,
) (t trouble, err error) {
	env := s.module.golang.Env()
	if s.kind == sandbox.None {
		env = append(env, os.Environ()...)
		env = append(env, s.module.golang.Env()...)
	}
	result, err := box.Run(ctx, sandbox.Command{
		Path: s.module.golang.Command(), Args: append([]string{verb}, args...), Dir: s.module.dir, Env: env,
		Fetch: fetch, Limits: sandbox.BuildLimits,
	})
	sentence := result.Sentence(sandbox.BuildLimits)
	switch {
	case err != nil:
		return t, err
	case ctx.Err() != nil:
		return t, ctx.Err()
	case result.Fetched != nil:
		return t, result.Fetched
	case sentence == "":
		return t, nil
	}
	switch result.End {
	case sandbox.Exited:
		return trouble{output: string(result.Stdout) + string(result.Stderr)}, nil
	case sandbox.TimedOut, sandbox.OutOfRoom, sandbox.TooLoud:
		return trouble{ended: sentence}, nil
	}
	return t, fmt.Errorf("the go command did not finish: %s", sentence)
}

// blame gives the labs that the go command complains of their verdict, and reports whether it has found
// one. What it says of one lab alone is about that one.
func (s *submission) blame(labs []int, t trouble) (blamed bool) {
	byLab, rest := complaints(t.output)
	for _, i := range labs {
		row, file := &s.rows[i], path.Base(s.labs[i].File)
		text, ok := byLab[s.labs[i].Number]
		switch {
		case !ok && len(labs) > 1:
			continue
		case t.ended != "":
			row.End(score.DoesNotCompile, file+" was not compiled to the end: "+t.ended)
		default:
			if !ok {
				text = rest
			}
			row.End(score.DoesNotCompile, file+" does not compile, or go vet refuses it")
			// The file has another name here; the student knows it by its own.
			name := regexp.MustCompile(`\S*submission-\d+[/\\]` + s.labs[i].Number + `\.go\b`)
			row.Output = score.CutOutput(name.ReplaceAllString(text, s.labs[i].File))
		}
		blamed = true
	}
	return blamed
}

// lastLine is the last line of a text that has something in it.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// casesAtOnce is how many cases of a lab are graded at once: they wait more than they work.
const casesAtOnce = 4

// ownSeed is the seed of a file when -seed names none. It comes from the file's bytes: on every machine and
// each time it is the same, and a file cannot hold a table of the answers that go test shows for this very
// seed.
func ownSeed(text []byte) uint64 {
	sum := sha256.Sum256(text)
	return binary.BigEndian.Uint64(sum[:])>>1 + 1
}

// judge lets a judge make the verdict of each lab.
func (s *submission) judge(verdicts func(verdict.Task) ([]check.Verdict, error)) error {
	for _, i := range s.open() {
		row := &s.rows[i]
		began := time.Now()
		all, err := verdicts(verdict.Task{
			Lab: s.labs[i].Number, Seed: cmp.Or(s.seed, ownSeed(s.files[s.labs[i].Number].Text)),
			Judge: s.module.judge, AtOnce: casesAtOnce,
			Child: s.program(), Arg: s.labs[i].Number,
		})
		row.Seconds = time.Since(began).Seconds()
		if errors.Is(err, verdict.ErrTooLong) || errors.Is(err, verdict.ErrTooMuch) {
			row.End(score.TimedOut, err.Error())
			continue
		} else if err != nil {
			return err
		}
		enter(row, all)
	}
	return nil
}

// enter writes the verdicts of a lab into its row. One case that the machine could not run makes all of it an
// answer that has to be graded again.
func enter(row *score.Row, all []check.Verdict) {
	row.Status, row.Reason = score.Graded, ""
	started, failed := false, ""
	for _, v := range all {
		row.Enter(v.Case, v.Outcome, v.Message, v.Report)
		started = started || v.Outcome != check.NotRun && !v.NotStarted
		if v.Outcome == check.Error {
			failed = cmp.Or(failed, v.Message, "a case could not be run")
		}
	}
	switch {
	case failed != "":
		row.End(score.GraderError, failed)
	case !started:
		row.End(score.NotStarted, "the file is still the starter")
	}
}

// judges returns what lets a judge make a verdict, one at a time. The children's program is in the
// folder bin of dir; in its folder shared are the files that judge and children both see.
func (e *engine) judges(ctx context.Context, dir string,
) (judge func(verdict.Task) ([]check.Verdict, error), end func(), err error) {
	if e.kind == sandbox.None {
		return func(t verdict.Task) ([]check.Verdict, error) { return verdict.Here(ctx, t) }, func() {}, nil
	}
	shared := filepath.Join(dir, "shared")
	var open []*sandbox.Box
	end = func() {
		for _, box := range open {
			box.Close()
		}
	}
	begin := func(folder string) (*sandbox.Box, error) {
		box, err := sandbox.Open(sandbox.Config{Program: e.module.box, Folders: []sandbox.Folder{
			{Path: folder}, {Path: shared, Writable: true},
		}})
		if err == nil {
			open = append(open, box)
			err = box.Own(shared)
		}
		return box, err
	}
	its, err := begin(e.module.judge)
	boxes := make(chan *sandbox.Box, casesAtOnce)
	for range casesAtOnce {
		if err == nil {
			var box *sandbox.Box
			box, err = begin(filepath.Join(dir, "bin"))
			boxes <- box
		}
	}
	if err != nil {
		end()
		return nil, nil, err
	}
	return func(t verdict.Task) ([]check.Verdict, error) {
		return verdict.InBoxes(ctx, t, boxes, its, shared)
	}, end, nil
}
