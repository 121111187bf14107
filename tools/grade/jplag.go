package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"socketbook/tools/grade/internal/intake"
	"socketbook/tools/grade/internal/score"
	"socketbook/tools/internal/labrun"
	"socketbook/tools/internal/progress"
	"socketbook/tools/internal/runner"
)

// exportJPlag writes submissions under pseudonyms, for JPlag or another search for copies that runs on
// somebody else's machine: the folder jplag has no name in it, and the key to the pseudonyms lies beside it.
func exportJPlag(_ context.Context, args []string, out, errs io.Writer) error {
	f := flag.NewFlagSet("export-jplag", flag.ContinueOnError)
	list, dir, rosterName := f.String(
		"labs",
		"",
		"",
	), f.String(
		"out",
		defaultOut,
		"",
	), f.String(
		"roster",
		"",
		"",
	)
	submissions, err := parse(f, args)
	if err != nil {
		return err
	}
	if len(submissions) == 0 {
		return wrongUse("grade export-jplag DIR: name the folder with the submissions")
	}
	root, err := runner.FindRoot(".")
	if err != nil {
		return &failure{misuse, err}
	}
	labs, err := findLabs(root, *list)
	if err != nil {
		return err
	}
	var roster *intake.Roster
	if *rosterName != "" {
		if roster, err = intake.ReadRoster(*rosterName); err != nil {
			return &failure{misuse, err}
		}
	}
	to := filepath.Join(*dir, "jplag")
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return &failure{misuse, fmt.Errorf("making the folder: %w", err)}
	}
	if err := os.Mkdir(to, 0o755); errors.Is(err, os.ErrExist) {
		return wrongUse("%s is there already: delete it, or name another folder with -out", to)
	} else if err != nil {
		return &failure{misuse, fmt.Errorf("making the folder: %w", err)}
	}
	scratch, err := os.MkdirTemp(*dir, workName+"-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	class, err := intake.Collect(submissions, intakeLabs(labs), roster, scratch)
	if err != nil {
		return &failure{misuse, err}
	}
	keys := pseudonyms(class.Students)
	written := map[string]int{}
	for _, s := range class.Students {
		answers := s.Load(intakeLabs(labs))
		for _, l := range labs {
			file := answers.Files[l.Number]
			if file.Trouble != "" {
				fmt.Fprintf(errs, "grade: %s is left out of lab %s: %s\n", score.Plain(s.ID), l.Number, file.Trouble)
			}
			if file.Text == nil {
				continue
			}
			if err := put(filepath.Join(to, l.Number, "submissions", keys[s.ID], path.Base(l.File)),
				file.Text); err != nil {
				return err
			}
			written[l.Number]++
		}
	}
	if err := writeKey(filepath.Join(*dir, "jplag-key.csv"), keys); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s has no names in it; %s says who is who, and stays here. For each lab type:\n",
		to, filepath.Join(*dir, "jplag-key.csv"))
	for _, l := range labs {
		if written[l.Number] == 0 {
			continue
		}
		starter, err := starterOf(root, l)
		base := ""
		if err != nil {
			fmt.Fprintf(errs, "grade: lab %s has no base code: %v\n", l.Number, err)
		} else {
			base = " -bc base"
			if err := put(filepath.Join(to, l.Number, "base", path.Base(l.File)), starter); err != nil {
				return err
			}
		}
		fmt.Fprintf(out, "  cd %s && java -jar jplag.jar -l go%s -r result submissions\n",
			filepath.Join(to, l.Number), base)
	}
	return nil
}

func put(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("writing the submissions: %w", err)
	}
	if err := os.WriteFile(name, text, 0o644); err != nil {
		return fmt.Errorf("writing the submissions: %w", err)
	}
	return nil
}

// starterOf is a lab's file as it was handed out.
func starterOf(root string, l lab) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(l.File)))
	if err == nil && bytes.Contains(text, []byte(`panic("not started")`)) {
		return text, nil
	}
	store := progress.Open(root, func(string) {})
	return labrun.Starter(root, store, labrun.Lab{Number: l.Number, File: l.File})
}

// pseudonyms gives every student a name that says nothing: it is random, so that nobody who knows the ids
// can compute it.
func pseudonyms(students []intake.Submission) map[string]string {
	names, used := map[string]string{}, map[string]bool{}
	for _, s := range students {
		for names[s.ID] == "" {
			var b [4]byte
			_, _ = rand.Read(b[:]) // never fails
			if name := "s" + hex.EncodeToString(b[:]); !used[name] {
				names[s.ID], used[name] = name, true
			}
		}
	}
	return names
}

func writeKey(name string, keys map[string]string) error {
	var b bytes.Buffer
	b.WriteString("\ufeff")
	t := csv.NewWriter(&b)
	rows := [][]string{}
	for id, pseudonym := range keys {
		if strings.ContainsRune("=+-@\t\r", rune(id[0])) {
			id = "'" + id
		}
		rows = append(rows, []string{pseudonym, score.Plain(id)})
	}
	slices.SortFunc(rows, slices.Compare)
	_ = t.WriteAll(append([][]string{{"pseudonym", "id"}}, rows...)) // a bytes.Buffer takes everything
	return progress.WriteFile(name, b.Bytes(), 0o600)
}
