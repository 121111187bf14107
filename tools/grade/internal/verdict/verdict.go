// Package verdict lets a judge grade one lab of one student: the program of package judge, in a process of
// its own, without a sandbox or in a box.
package verdict

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/internal/runner"
)

// TaskVariable is in the environment of a judge: its task, as JSON.
const TaskVariable = "SOCKETBOOK_JUDGE"

// Task is what a judge has to do.
type Task struct {
	Lab    string `json:"lab"`
	Seed   uint64 `json:"seed"`
	Judge  string `json:"judge"`  // its program
	Child  string `json:"child"`  // the program of the student's code
	Arg    string `json:"arg"`    // its argument
	Boxes  bool   `json:"boxes"`  // children are asked for, over descriptor 3
	AtOnce int    `json:"atOnce"` // cases
}

const (
	labLimit      = 60 * time.Second // for all cases of a lab; a reference takes a second
	longestReport = 64 << 10         // bytes of a report that are handed on
)

// ErrTooLong is the error of a judge that was ended.
var ErrTooLong = fmt.Errorf("the lab took more than %v", labLimit)

// ErrTooMuch is the error of a judge that had no memory left. No suite needs nearly as much for itself: it
// had to hold what the answer has sent, or left in a folder.
var ErrTooMuch = fmt.Errorf("what the code sent took the suite more than %d MiB of memory, or what it left "+
	"in its folder is too much or too deep", judgeMemory>>20)

const judgeMemory = 2 << 30

// Here runs a judge, and the children, without a sandbox. When it returns, no process of them is left, as
// far as the system tells who they are.
func Here(ctx context.Context, t Task) (verdicts []check.Verdict, err error) {
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	var wrong error
	o := runner.Run(ctx, runner.Command{
		Path: t.Judge, Dir: filepath.Dir(t.Child), Limit: labLimit,
		Env: []string{TaskVariable + "=" + string(text)},
		Line: func(line []byte) {
			var v check.Verdict
			if err := json.Unmarshal(line, &v); err != nil {
				wrong = errors.Join(wrong, err)
				return
			}
			verdicts = append(verdicts, v)
		},
	})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case o.Err != nil:
		return nil, o.Err
	case o.Late:
		return nil, ErrTooLong
	case o.Status != 0 || wrong != nil:
		return nil, fmt.Errorf("the judge ended with status %d: %s", o.Status, lastLine(o.Printed))
	}
	return verdicts, nil
}

// lastLine is the last line of a text that has something in it.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}
