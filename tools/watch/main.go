// Watch runs a lab at every save.
//
//	go run ./tools/watch         the lab worked on last, or else the first that is not perfect
//	go run ./tools/watch 05      a lab
//	go run ./tools/watch -list   the points of all labs, as they were when they were last run
//
// The lab runs at once, and again whenever the content of its file has changed. A save during a run
// ends the run, with every process that it has started, and begins a new one. Keys are listed below
// each result; ? explains them.
//
// Without a terminal there is one run, as plain text. The status is then that of the lab: 0 when it
// is perfect, 1 when it is not or could not be run. It is 2 for wrong usage. With a terminal it is
// 0.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"

	"socketbook/tools/internal/labrun"
	"socketbook/tools/internal/progress"
	"socketbook/tools/internal/runner"
)

// Statuses of the command.
const (
	done   = 0
	failed = 1
	misuse = 2
)

func main() {
	runner.Supervise()
	os.Exit(command(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

const usage = `usage: go run ./tools/watch [-list] [-seed N] [LAB]

  go run ./tools/watch         the lab worked on last, or else the first that is not perfect
  go run ./tools/watch 05      a lab, run at every save of its file
  go run ./tools/watch -list   the points of all labs

  -seed N   every run makes the same random choices
  -ascii    nothing but ASCII in the frame
`

type options struct {
	list, ascii bool
	seed        uint64
	lab         string
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("watch", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.BoolVar(&o.list, "list", false, "")
	f.BoolVar(&o.ascii, "ascii", false, "")
	f.Uint64Var(&o.seed, "seed", 0, "")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		o.lab = f.Arg(0)
		if err := f.Parse(f.Args()[1:]); err != nil { // flags behind the lab
			return o, err
		}
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is one argument too many: there is one lab at a time", f.Arg(0))
	}
	return o, nil
}

// command is the whole program; it returns the status.
func command(args []string, in, out, errs *os.File) int {
	complain := func(status int, format string, values ...any) int {
		fmt.Fprintf(errs, "watch: %s\n", clean(fmt.Sprintf(format, values...)))
		return status
	}
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(out, usage)
		return done
	}
	if err != nil {
		return complain(misuse, "%v (go run ./tools/watch -help)", err)
	}
	root, err := runner.FindRoot(".")
	if err != nil {
		return complain(failed, "%v", err)
	}
	labs, err := labrun.Labs(root)
	if err != nil {
		return complain(failed, "%v", err)
	}
	store := progress.Open(root, func(sentence string) { complain(0, "%s", sentence) })
	state := store.Load()
	style := styleOf(out, o.ascii)
	if o.list {
		fmt.Fprint(out, style.list(labs, state, -1))
		return done
	}
	at := start(labs, state)
	if o.lab != "" {
		if at, err = labrun.Find(labs, o.lab); err != nil {
			return complain(misuse, "%v", err)
		}
	}
	for _, lab := range labs {
		labrun.KeepStarter(root, store, lab)
	}
	builder, err := runner.NewBuilder(root)
	if err != nil {
		return complain(failed, "%v", err)
	}
	defer builder.Close()
	if term.IsTerminal(int(in.Fd())) && term.IsTerminal(int(out.Fd())) {
		s := &session{
			root: root, labs: labs, at: at, store: store, builder: builder,
			terminal: &terminal{in: in, out: out}, style: style,
		}
		s.seed.Store(o.seed)
		if err := s.run(); err != nil {
			return complain(failed, "%v", err)
		}
		return done
	}
	return once(builder, store, labs[at], o, style, out, complain)
}

// start is the lab to begin with.
func start(labs []labrun.Lab, state progress.State) int {
	for i, lab := range labs {
		if lab.Number == state.Lab {
			return i
		}
	}
	for i, lab := range labs {
		if !state.Labs[lab.Number].Perfect() {
			return i
		}
	}
	return 0
}

// once makes one run for whoever reads the output later.
func once(b *runner.Builder, store *progress.Store, lab labrun.Lab, o options, st style, out io.Writer,
	complain func(int, string, ...any) int,
) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	seed := o.seed
	if seed == 0 {
		seed = 1 + rand.Uint64N(9999)
	}
	r, err := labrun.Run(ctx, b, lab, labrun.Options{Seed: seed})
	var refused *runner.BuildError
	switch {
	case ctx.Err() != nil:
		return complain(failed, "interrupted")
	case errors.As(err, &refused):
		fmt.Fprintf(out, "%s does not build:\n%s\n", lab.File, clean(refused.Error()))
		return failed
	case err != nil:
		return complain(failed, "%v", err)
	}
	remember(store, lab, r, func(sentence string) { complain(0, "%s", sentence) })
	st.colour = false
	var text strings.Builder
	fmt.Fprintf(&text, "%s, seed %d\n", lab.Name(), r.Seed)
	st.score(&text, labrun.State{Lab: lab, Result: &r})
	st.failures(&text, r)
	fmt.Fprint(out, text.String())
	if r.Perfect() {
		return done
	}
	return failed
}

// remember writes the points down.
func remember(store *progress.Store, lab labrun.Lab, r labrun.Result, say func(string)) {
	if r.Of == 0 {
		return
	}
	err := store.Update(func(s *progress.State) {
		s.Lab, s.Labs[lab.Number] = lab.Number, progress.Lab{Points: r.Points, Of: r.Of}
	})
	if err != nil {
		say("the points were not written down: " + err.Error())
	}
}
