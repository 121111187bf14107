package patience_test

import (
	"flag"
	"testing"

	"socketbook/labs/15/patiencetest"
	patience "socketbook/solutions/15"
	"socketbook/tools/check"
)

var update = flag.Bool("update", false, "write the failure texts in testdata instead of comparing them")

// reference is the answer in patience.go.
var reference = patiencetest.Lab{
	Call: patience.Call, WriteAll: patience.WriteAll, Dial: patience.Dial,
}

func TestPatience(t *testing.T) { patiencetest.Run(t, reference) }

func TestSuiteGradesRight(t *testing.T) {
	check.Prove(t, check.Proof{
		Right:  right,
		Wrong:  wrong,
		Golden: "testdata/failures",
		Update: *update,
	})
}

func answer(name string, lab patiencetest.Lab, fails ...string) check.Answer {
	return check.Answer{Name: name, Lab: patiencetest.Suite(lab), Fails: fails}
}
