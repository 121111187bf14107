package sticky_test

import (
	"flag"
	"testing"

	"socketbook/labs/04/stickytest"
	sticky "socketbook/solutions/04"
	"socketbook/tools/check"
)

var update = flag.Bool("update", false, "write the failure texts in testdata instead of comparing them")

// reference is the answer in sticky.go.
var reference = stickytest.Lab{Diagnose: diagnoseReference, Provoke: sticky.Provoke}

func diagnoseReference(sent, received [][]byte) stickytest.Report {
	return stickytest.Report(sticky.Diagnose(sent, received))
}

func TestSticky(t *testing.T) { stickytest.Run(t, reference) }

func TestSuiteGradesRight(t *testing.T) {
	check.Prove(t, check.Proof{
		Right:  right,
		Wrong:  wrong,
		Golden: "testdata/failures",
		Update: *update,
	})
}

func answer(name string, lab stickytest.Lab, fails ...string) check.Answer {
	return check.Answer{Name: name, Lab: stickytest.Suite(lab), Fails: fails}
}

// diagnosing and provoking are answers of which the other half is the reference.
func diagnosing(name string, diagnose diagnoseFunc, fails ...string) check.Answer {
	return answer(name, stickytest.Lab{Diagnose: diagnose, Provoke: sticky.Provoke}, fails...)
}

func provoking(name string, provoke provokeFunc, fails ...string) check.Answer {
	return answer(name, stickytest.Lab{Diagnose: diagnoseReference, Provoke: provoke}, fails...)
}

// keeping is answer for mistakes that keep something between calls: each case gets a lab of its
// own, because cases of two tests may run beside each other.
func keeping(name string, lab func() stickytest.Lab, fails ...string) check.Answer {
	a := answer(name, lab(), fails...)
	for i := range a.Lab.Cases {
		a.Lab.Cases[i].Run = func(c *check.C) { stickytest.Suite(lab()).Cases[i].Run(c) }
	}
	return a
}
