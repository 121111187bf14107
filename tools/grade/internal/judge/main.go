// Judge grades one lab of one student, for tools/grade, which starts it. The student's code runs in other
// processes, the children, one for each case, which the judge starts, or asks for. It has a folder for
// temporary files of its own, which lab 06 shares with the child; and when it has to be ended, nobody
// else's results are lost.
//
// It is a program of its own because in a box it has to run without the system's libraries.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"socketbook/tools/check"
	"socketbook/tools/grade/internal/remote"
	"socketbook/tools/grade/internal/suites"
	"socketbook/tools/grade/internal/verdict"
)

func main() {
	var t verdict.Task
	err := json.Unmarshal([]byte(os.Getenv(verdict.TaskVariable)), &t)
	if err == nil {
		err = judge(t)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "this program is started by tools/grade, and by nobody else:", err)
		os.Exit(1)
	}
}

func judge(t verdict.Task) error {
	suite, ok := suites.Find(t.Lab)
	if !ok {
		return fmt.Errorf("there is no suite for lab %q", t.Lab)
	}
	if !t.Boxes {
		if err := closeMemory(); err != nil {
			return err
		}
		if err := os.Chdir(os.TempDir()); err != nil { // where a relative path begins, for the children, too
			return err
		}
	}
	start := func() (*remote.Process, error) { return startHere(t) }
	say := func(v check.Verdict) error {
		text, err := json.Marshal(v)
		if err == nil {
			_, err = fmt.Printf("%s\n", text)
		}
		return err
	}
	if t.Boxes {
		c, err := verdict.NewAsking()
		if err != nil {
			return err
		}
		start, say = c.Start, c.Say
	}
	for _, v := range suite.Judge(t.Seed, t.AtOnce, start) {
		if err := say(v); err != nil {
			return fmt.Errorf("handing on a verdict: %w", err)
		}
	}
	return nil
}

// startHere starts a child without a sandbox.
func startHere(t verdict.Task) (*remote.Process, error) {
	cmd := exec.Command(t.Child, t.Arg)
	tmp := os.TempDir()
	cmd.Dir, cmd.Env = tmp, []string{"TMPDIR=" + tmp, "HOME=" + tmp, "PATH=/usr/bin:/bin"}
	if runtime.GOOS == "windows" { // without SystemRoot there are no sockets
		cmd.Env = []string{"TMP=" + tmp, "TEMP=" + tmp, "SystemRoot=" + os.Getenv("SystemRoot")}
	}
	return remote.Start(cmd)
}
