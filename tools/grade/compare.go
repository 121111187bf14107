package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"socketbook/tools/check"
	"socketbook/tools/grade/internal/score"
)

// compare says whose points changed between two sets of results, and by which case.
func compare(_ context.Context, args []string, out, _ io.Writer) error {
	rest, err := parse(flag.NewFlagSet("compare", flag.ContinueOnError), args)
	if err != nil {
		return err
	}
	if len(rest) != 2 {
		return wrongUse("grade compare OLD NEW: name two folders with results, or two results.jsonl files")
	}
	var sides [2]*score.Index
	for i, name := range rest {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			name = filepath.Join(name, "results.jsonl")
		}
		sides[i] = score.NewIndex()
		defer sides[i].Close()
		if _, err := sides[i].Add(name, score.Newer); err != nil {
			return &failure{misuse, fmt.Errorf("reading the results: %w", err)}
		}
	}
	was, is := sides[0], sides[1]
	var lines []string
	up, down, same, other := 0, 0, 0, 0
	for _, k := range is.Keys() {
		label := fmt.Sprintf("%s lab %s", score.Plain(k.Student), k.Lab)
		if _, known := was.Get(k); !known {
			other++
			lines = append(lines, label+": only in "+rest[1])
			continue
		}
		before, err := was.Row(k)
		if err != nil {
			return err
		}
		after, err := is.Row(k)
		if err != nil {
			return err
		}
		text := changes(before, after)
		switch {
		case after.Points > before.Points:
			up++
		case after.Points < before.Points:
			down++
		case text != "":
			other++
		default:
			same++
			continue
		}
		lines = append(lines, fmt.Sprintf("%s: %d → %d%s", label, before.Points, after.Points, text))
	}
	for _, k := range was.Keys() {
		if _, known := is.Get(k); !known {
			other++
			lines = append(lines, fmt.Sprintf("%s lab %s: only in %s", score.Plain(k.Student), k.Lab, rest[0]))
		}
	}
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
	fmt.Fprintf(
		out,
		"%d answers have more points, %d fewer, %d differ otherwise, %d are the same\n",
		up,
		down,
		other,
		same,
	)
	return nil
}

// changes names what differs between two rows of an answer.
func changes(before, after score.Row) string {
	var parts []string
	if before.Status != after.Status {
		parts = append(parts, fmt.Sprintf("%s → %s", before.Status, after.Status))
	}
	if before.Of != after.Of {
		parts = append(parts, fmt.Sprintf("of %d → of %d", before.Of, after.Of))
	}
	for _, c := range after.Cases {
		i := slices.IndexFunc(before.Cases, func(b score.Case) bool { return b.Case == c.Case })
		switch {
		case i < 0:
			parts = append(parts, fmt.Sprintf("%s now: %s (a new case)", c.Outcome, c.Case))
		case before.Cases[i].Outcome != c.Outcome:
			text := fmt.Sprintf("%s → %s: %s", before.Cases[i].Outcome, c.Outcome, c.Case)
			if c.Outcome == check.Failed && c.Message != "" {
				text += " (" + score.Plain(c.Message) + ")"
			}
			parts = append(parts, text)
		case before.Cases[i].Points != c.Points:
			parts = append(parts, fmt.Sprintf("%d → %d points: %s", before.Cases[i].Points, c.Points, c.Case))
		}
	}
	for _, c := range before.Cases {
		if !slices.ContainsFunc(after.Cases, func(a score.Case) bool { return a.Case == c.Case }) {
			parts = append(parts, fmt.Sprintf("was %s: %s (no case any more)", c.Outcome, c.Case))
		}
	}
	if before.Source != "" && after.Source != "" && before.Source != after.Source {
		parts = append(parts, "another file was handed in")
	}
	if len(parts) == 0 {
		return ""
	}
	return "\n    " + strings.Join(parts, "\n    ")
}
