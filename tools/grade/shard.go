package main

import (
	"fmt"
	"hash/fnv"
	"path/filepath"
	"strconv"
	"strings"

	"socketbook/tools/grade/internal/book"
)

// part is the i-th of n parts of a class, from 1.
type part struct{ i, n int }

// has reports whether a student is in the part. That depends on nothing but the id, so that a student more
// or less moves nobody else.
func (p part) has(id string) bool {
	h := fnv.New64a()
	h.Write([]byte(id))
	return int(h.Sum64()%uint64(p.n)) == p.i-1
}

// folder is where the results of a part go, below the folder that is named.
func (p part) folder() string { return fmt.Sprintf("shard-%d-of-%d", p.i, p.n) }

// fitsOthers compares the batch with those of the other shards that are in the same folder already.
func (r *run) fitsOthers() error {
	if r.shard == "" {
		return nil
	}
	pattern := filepath.Join(filepath.Dir(r.options.out), fmt.Sprintf("shard-*-of-%d", r.part.n))
	others, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	for _, dir := range others {
		other, err := book.LoadBatch(dir)
		if err != nil {
			continue // it has only begun; it will compare itself with this one
		}
		if err := r.batch.Fits(other); err != nil {
			return &failure{mismatch, fmt.Errorf("%s and %s do not fit together: %w", r.options.out, dir, err)}
		}
	}
	return nil
}

// system is a CI system that runs the same command several times, and how it tells them apart.
type system struct {
	name, index, total string
	first              int // the first index
}

// systems in the order in which they are looked for. For GitHub Actions the workflow passes on what the
// expressions strategy.job-index and strategy.job-total are. Kubernetes does not tell a pod how many there
// are: the manifest sets SHARDS.
var systems = []system{
	{"GitHub Actions", "STRATEGY_JOB_INDEX", "STRATEGY_JOB_TOTAL", 0},
	{"GitLab CI", "CI_NODE_INDEX", "CI_NODE_TOTAL", 1},
	{"Kubernetes", "JOB_COMPLETION_INDEX", "SHARDS", 0},
	{"CircleCI", "CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", 0},
	{"Buildkite", "BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT", 0},
	{"Slurm", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", 0},
}

// mostParts is more than any of the systems runs of one command.
const mostParts = 10_000

// findPart reads -shard.
func findPart(flag string, env func(string) string) (part, error) {
	switch flag {
	case "":
		return part{1, 1}, nil
	case "auto":
		return autoPart(env)
	}
	i, n, ok := strings.Cut(flag, "/")
	p := part{}
	var err1, err2 error
	p.i, err1 = strconv.Atoi(i)
	p.n, err2 = strconv.Atoi(n)
	if !ok || err1 != nil || err2 != nil || p.i < 1 || p.i > p.n || p.n > mostParts {
		return p, wrongUse("-shard %s: the form is I/N, from 1/N to N/N, or auto", flag)
	}
	return p, nil
}

func autoPart(env func(string) string) (part, error) {
	var names []string
	for _, s := range systems {
		index, total := env(s.index), env(s.total)
		names = append(names, s.index)
		if index == "" && total == "" {
			continue
		}
		if index == "" || total == "" {
			missing, there := s.total, s.index
			if index == "" {
				missing, there = there, missing
			}
			return part{}, wrongUse("-shard auto: %s is set and %s is not; %s needs both", there, missing, s.name)
		}
		i, err1 := strconv.Atoi(index)
		n, err2 := strconv.Atoi(total)
		first := s.first
		if s.name == "Slurm" { // an array begins where its script says
			if first, err1 = strconv.Atoi(env("SLURM_ARRAY_TASK_MIN")); err1 != nil {
				return part{}, wrongUse("-shard auto: SLURM_ARRAY_TASK_MIN is not set; Slurm needs it too")
			}
			i, err1 = strconv.Atoi(index)
		}
		p := part{i - first + 1, n}
		if err1 != nil || err2 != nil || p.i < 1 || p.i > p.n || p.n > mostParts {
			return part{}, wrongUse(
				"-shard auto: %s=%s and %s=%s is no part of a whole",
				s.index,
				index,
				s.total,
				total,
			)
		}
		return p, nil
	}
	return part{}, wrongUse("-shard auto: none of %s is set; write -shard I/N", strings.Join(names, ", "))
}
