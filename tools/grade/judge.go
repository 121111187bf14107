package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/grade/internal/remote"
	"socketbook/tools/internal/runner"
)

// A judge is a process of this program that grades one lab of one student. The student's code runs in others,
// the children, which the judge starts, or asks for, one for each case. A judge has a folder for temporary
// files of its own, which lab 06 shares with the child, and when it has to be ended, nobody else's
// results are lost.

// judgeVariable is in the environment of a judge: its task, as JSON.
const judgeVariable = "SOCKETBOOK_JUDGE"

// task is what a judge has to do.
type task struct {
	Lab    string `json:"lab"`
	Seed   uint64 `json:"seed"`
	Child  string `json:"child"`  // the program of the student's code
	Boxes  bool   `json:"boxes"`  // children are asked for, over descriptor 3
	AtOnce int    `json:"atOnce"` // cases
}

const (
	casesAtOnce  = 4                // they wait more than they work
	labLimit     = 60 * time.Second // for all cases of a lab; a reference takes a second
	longestLines = 64 << 10         // bytes of a report that are handed on
)

// judgeMain turns this process into a judge if it was started as one, and does not return then. It is called
// first thing in main, and in TestMain.
func judgeMain() {
	text := os.Getenv(judgeVariable)
	if text == "" {
		return
	}
	os.Unsetenv(judgeVariable)
	var t task
	err := json.Unmarshal([]byte(text), &t)
	if err == nil {
		err = t.judge()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func (t task) judge() error {
	i := slices.IndexFunc(suites, func(s remote.Suite) bool { return s.Table().Number == t.Lab })
	if i < 0 {
		return fmt.Errorf("there is no suite for lab %q", t.Lab)
	}
	start := t.start
	say := func(v check.Verdict) error {
		text, err := json.Marshal(v)
		if err == nil {
			_, err = fmt.Printf("%s\n", text)
		}
		return err
	}
	if t.Boxes {
		c, err := newAsking()
		if err != nil {
			return err
		}
		start, say = c.start, c.say
	}
	for _, v := range suites[i].Judge(t.Seed, t.AtOnce, start) {
		v.Report = v.Report[:min(len(v.Report), longestLines)]
		if err := say(v); err != nil {
			return fmt.Errorf("handing on a verdict: %w", err)
		}
	}
	return nil
}

// start starts a child without a sandbox.
func (t task) start() (*remote.Process, error) {
	cmd := exec.Command(t.Child)
	cmd.Env = []string{"TMPDIR=" + os.TempDir(), "HOME=" + os.TempDir(), "PATH=/usr/bin:/bin"}
	if runtime.GOOS == "windows" {
		cmd.Env = []string{"TMP=" + os.TempDir(), "TEMP=" + os.TempDir(), "SystemRoot=" + os.Getenv("SystemRoot")}
	}
	cmd.Dir = os.TempDir()
	return remote.Start(cmd)
}

// errTooLong is the error of a judge that was ended.
var errTooLong = fmt.Errorf("the lab took more than %v", labLimit)

// withoutBox runs a judge, and the children, without a sandbox. When it returns, no process of them is left, as
// far as the system tells who they are.
func withoutBox(ctx context.Context, t task) (verdicts []check.Verdict, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	var wrong error
	o := runner.Run(ctx, runner.Command{
		Path: self, Dir: filepath.Dir(t.Child), Limit: labLimit,
		Env: []string{judgeVariable + "=" + string(text)},
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
		return nil, errTooLong
	case o.Status != 0 || wrong != nil:
		return nil, fmt.Errorf("the judge ended with status %d: %s", o.Status, lastLine(o.Printed))
	}
	return verdicts, nil
}
