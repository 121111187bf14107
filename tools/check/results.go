package check

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// ResultsVariable names the environment variable that holds the absolute path of the results file.
const ResultsVariable = "SOCKETBOOK_RESULTS"

// The outcomes of a case.
const (
	Passed = "passed"
	Failed = "failed"
	NotRun = "not-run"
)

// Result is one line of the results file. The last line about a case counts, unless one is void; a lab without lines
// has no points.
type Result struct {
	Lab     string `json:"lab"` // "05"
	Case    string `json:"case"`
	Points  int    `json:"points"` // earned
	Of      int    `json:"of"`     // what the case is worth
	Outcome string `json:"outcome"`
	Message string `json:"message"`
	Void    bool   `json:"void,omitempty"` // somebody tampered with the run: the lab has no points, whatever other lines say
}

// ReadResults reads a results file and returns the last line about each case, in the order of the first ones.
func ReadResults(r io.Reader) ([]Result, error) {
	type key struct{ lab, name string }
	var all []Result
	place := map[key]int{}
	void := map[string]string{} // lab → message
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var one Result
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return nil, fmt.Errorf("results file, line %d: %w", n, err)
		}
		if one.Void {
			void[one.Lab] = one.Message
		}
		k := key{one.Lab, one.Case}
		if i, ok := place[k]; ok {
			all[i] = one
			continue
		}
		place[k] = len(all)
		all = append(all, one)
	}
	for i, one := range all {
		if why, ok := void[one.Lab]; ok {
			all[i].Points, all[i].Outcome, all[i].Message, all[i].Void = 0, NotRun, why, true
		}
	}
	return all, lines.Err()
}

// resultsFile is the file that the environment names; nil if it names none. Labs are graded at the same time by several processes, so
// every batch of lines is appended with one write.
type resultsFile struct {
	name    string
	file    *os.File
	lab     string
	from    int64 // size of the file before the first line of this run
	written []byte
	broken  bool // a line of ours may be missing
}

// openResults opens the file that the environment names.
func openResults(lab string) (*resultsFile, error) {
	name := os.Getenv(ResultsVariable)
	if name == "" {
		return nil, nil
	}
	if !filepath.IsAbs(name) {
		return nil, fmt.Errorf("%s=%s is not an absolute path; a test runs in its package's folder, so give the whole path", ResultsVariable, name)
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot write the results: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &resultsFile{name: name, file: f, lab: lab, from: info.Size()}, nil
}

func (r *resultsFile) append(results []Result) error {
	if r == nil {
		return nil
	}
	var b bytes.Buffer
	for _, one := range results {
		line, err := json.Marshal(one)
		if err != nil {
			return err
		}
		b.Write(append(line, '\n'))
	}
	r.written = append(r.written, b.Bytes()...)
	_, err := r.file.Write(b.Bytes())
	r.broken = r.broken || err != nil
	return err
}

// foreign reports whether the lab has lines in the file, written since it was opened, that are not ours.
func (r *resultsFile) foreign() (bool, error) {
	if r == nil || r.broken {
		return false, nil
	}
	added, err := r.added()
	if err != nil {
		return false, err
	}
	var ours []byte
	for _, line := range bytes.SplitAfter(added, []byte("\n")) {
		var one Result
		if err := json.Unmarshal(line, &one); len(bytes.TrimSpace(line)) > 0 && (err != nil || one.Lab == r.lab) {
			ours = append(ours, line...)
		}
	}
	return !bytes.Equal(ours, r.written), nil
}

// added returns the lines written since the file was opened. Another lab may be in the middle of writing one: it is given a
// second to finish.
func (r *resultsFile) added() ([]byte, error) {
	for deadline := time.Now().Add(time.Second); ; <-time.After(time.Millisecond) {
		added, err := io.ReadAll(io.NewSectionReader(r.file, r.from, 1<<30))
		if err != nil || len(added) == 0 || added[len(added)-1] == '\n' || time.Now().After(deadline) {
			return added, err
		}
	}
}

// replaced reports whether another file, or none, stands in the place of the one that was opened. From then on, lines go there.
func (r *resultsFile) replaced() (bool, error) {
	if r == nil {
		return false, nil
	}
	ours, err := r.file.Stat()
	if err != nil {
		return false, err
	}
	if now, err := os.Stat(r.name); err == nil && os.SameFile(now, ours) {
		return false, nil
	}
	f, err := os.OpenFile(r.name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return true, err
	}
	r.file.Close()
	r.file = f
	return true, nil
}

func (r *resultsFile) close() error {
	if r == nil {
		return nil
	}
	return r.file.Close()
}
