package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"socketbook/tools/grade/internal/book"
	"socketbook/tools/grade/internal/score"
)

// merge makes one set of results of those of several shards. Their order does not matter, and neither does
// it if one comes twice.
func merge(_ context.Context, args []string, out, errs io.Writer) error {
	f := flag.NewFlagSet("merge", flag.ContinueOnError)
	dir := f.String("out", defaultOut, "")
	shards, err := parse(f, args)
	if err != nil {
		return err
	}
	if len(shards) == 0 {
		return wrongUse("grade merge -out DIR SHARD…: name the folders of the shards")
	}
	began := time.Now()
	x := score.NewIndex()
	defer x.Close()
	var batches []book.Batch
	for _, shard := range shards {
		if realPath(shard) == realPath(*dir) {
			return wrongUse("-out %s is one of the shards, which merge does not change: name another folder", *dir)
		}
		b, err := book.LoadBatch(shard)
		if err != nil {
			return &failure{misuse, err}
		}
		if len(batches) > 0 {
			if err := batches[0].Fits(b); err != nil {
				return &failure{mismatch, fmt.Errorf("%s and %s do not fit together: %w", shards[0], shard, err)}
			}
		}
		torn, err := x.Add(filepath.Join(shard, "results.jsonl"), score.Better)
		if errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("the shard %s is not complete: run it again with -resume", shard)
		} else if err != nil {
			return err
		}
		if torn > 0 {
			return fmt.Errorf("%s: %d lines are no results: run the shard again",
				filepath.Join(shard, "results.jsonl"), torn)
		}
		batches = append(batches, b)
	}
	b, missing := merged(batches)
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return &failure{misuse, fmt.Errorf("making the folder for the results: %w", err)}
	}
	unlock, err := lock(*dir)
	if err != nil {
		return &failure{misuse, err}
	}
	defer unlock()
	if err := b.Save(*dir); err != nil {
		return &failure{misuse, err}
	}
	if err := publish(*dir, b, x, began, out, errs, false); err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("shards are missing: %s of %d; their students are in none of the results",
			strings.Join(missing, ", "), batches[0].Of)
	}
	return nil
}

const mostNamed = 100 // shards that are missing

// merged is the batch of the whole class, and which shards of it are not there.
func merged(batches []book.Batch) (b book.Batch, missing []string) {
	batches = slices.Clone(batches)
	slices.SortStableFunc(batches, func(a, b book.Batch) int { return a.Shard - b.Shard })
	b = batches[0]
	here := map[int]bool{}
	b.Notices = nil
	for _, one := range batches {
		here[one.Shard] = true
		if one.Began < b.Began {
			b.Began = one.Began
		}
		for _, n := range one.Notices {
			if !slices.Contains(b.Notices, n) {
				b.Notices = append(b.Notices, n)
			}
		}
	}
	for i := 1; i <= b.Of && len(missing) <= mostNamed; i++ {
		if len(missing) == mostNamed {
			missing = append(missing, "…")
		} else if !here[i] {
			missing = append(missing, fmt.Sprint(i))
		}
	}
	b.Shard, b.Of = 1, 1
	return b, missing
}
