// Package book writes what comes out of a class that was graded: for students, for gradebooks, and for
// whoever looks after both. Everything is made from the same rows, in one pass over them.
package book

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"socketbook/tools/grade/internal/intake"
	"socketbook/tools/grade/internal/score"
	"socketbook/tools/internal/progress"
)

// Batch is what the rows do not say: which class, which suites. It is kept beside them, so that shards
// can be merged without the submissions.
type Batch struct {
	V       int      `json:"v"`
	Labs    []Lab    `json:"labs"`
	Seed    uint64   `json:"seed"` // 0: each file has its own
	Sandbox string   `json:"sandbox"`
	Shard   int      `json:"shard"` // from 1
	Of      int      `json:"shards"`
	NoTimes bool     `json:"no_times"`
	Roster  []byte   `json:"roster,omitempty"` // the file
	Notices []string `json:"notices,omitempty"`
	Began   string   `json:"began,omitempty"` // RFC 3339; not with NoTimes
	// Unknown are students whom the roster does not have.
	Unknown []string `json:"unknown,omitempty"`
}

// Lab is one that was graded.
type Lab struct {
	Number string      `json:"number"`
	Title  string      `json:"title"`
	Suite  string      `json:"suite"`
	Cases  []BatchCase `json:"cases"`
}

// BatchCase is one case of a lab's suite.
type BatchCase struct {
	Case string `json:"case"`
	Of   int    `json:"of"`
}

// Points is what a lab is worth.
func (l Lab) Points() (of int) {
	for _, c := range l.Cases {
		of += c.Of
	}
	return of
}

const batchName, resultsName = "batch.json", "results.jsonl"

// ErrNoResults is the error of a folder that has none.
var ErrNoResults = errors.New("has no results of grade")

// Save writes the batch into a folder.
func (b Batch) Save(dir string) error {
	b.V = score.Version
	var text bytes.Buffer
	if err := score.Encode(&text, b, " "); err != nil {
		return err
	}
	return progress.WriteFile(filepath.Join(dir, batchName), text.Bytes(), 0o644)
}

// LoadBatch reads the batch of a folder.
func LoadBatch(dir string) (Batch, error) {
	var b Batch
	f, err := score.Open(filepath.Join(dir, batchName))
	if errors.Is(err, fs.ErrNotExist) {
		return b, fmt.Errorf("%s %w", dir, ErrNoResults)
	} else if err != nil {
		return b, err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		return b, err
	}
	if err := json.Unmarshal(text, &b); err != nil {
		return b, fmt.Errorf("%s: %w", filepath.Join(dir, batchName), err)
	}
	if b.V != score.Version {
		return b, fmt.Errorf("%s is of version %d; this program reads version %d",
			filepath.Join(dir, batchName), b.V, score.Version)
	}
	if b.Shard < 1 || b.Shard > b.Of {
		return b, fmt.Errorf("%s is of shard %d of %d, which is none", filepath.Join(dir, batchName), b.Shard, b.Of)
	}
	return b, nil
}

// Seeds says what the random choices of the suites come from.
func (b Batch) Seeds() string {
	if b.Seed == 0 {
		return "a seed of its own for each file"
	}
	return fmt.Sprintf("seed %d", b.Seed)
}

// Fits returns why two shards do not belong to one class: another suite, another roster. No second run of
// either mends that.
func (b Batch) Fits(other Batch) error {
	switch {
	case b.Of != other.Of:
		return fmt.Errorf("one is of %d shards, the other of %d", b.Of, other.Of)
	case b.Seed != other.Seed:
		return fmt.Errorf("one was made with %s, the other with %s", b.Seeds(), other.Seeds())
	case b.NoTimes != other.NoTimes:
		return errors.New("one was made with -no-times, the other without")
	case !bytes.Equal(b.Roster, other.Roster):
		return errors.New("they were made with different rosters")
	case len(b.Labs) != len(other.Labs):
		return errors.New("they were made with different labs")
	}
	for i, l := range b.Labs {
		if l.Number != other.Labs[i].Number {
			return errors.New("they were made with different labs")
		}
		if l.Suite != other.Labs[i].Suite {
			return fmt.Errorf("they were made with different suites of lab %s", l.Number)
		}
	}
	return nil
}

// roster reads the roster; nil if there was none.
func (b Batch) roster() (*intake.Roster, error) {
	if b.Roster == nil {
		return nil, nil
	}
	return intake.ParseRoster(b.Roster)
}
