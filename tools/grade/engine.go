package main

import (
	"context"

	"socketbook/tools/grade/internal/intake"
	"socketbook/tools/grade/internal/score"
)

// job is what a grader gets: one student's answers, which have passed the intake.
type job struct {
	student string
	labs    []lab
	files   map[string]intake.File // by number of the lab; there is one for each of labs
	seed    uint64
}

// grader makes the verdicts. Its method may be called from several goroutines.
type grader interface {
	// Grade returns a row for each lab of the job, in their order, and what failed for the machine's
	// reasons as score.GraderError. When ctx ends it returns early; its rows do not count then.
	Grade(ctx context.Context, j job) []score.Row
	// Sandbox is what holds the code of the students, as it stands in the rows.
	Sandbox() string
	// Close ends what still runs and removes what was built.
	Close() error
}
