package states_test

import (
	"flag"
	"testing"

	"socketbook/labs/11/statestest"
	states "socketbook/solutions/11"
	"socketbook/tools/check"
)

var update = flag.Bool("update", false, "write the failure texts in testdata instead of comparing them")

// reference is the answer in states.go.
var reference = statestest.Adapt(states.New)

func TestStates(t *testing.T) { statestest.Run(t, reference) }

func TestSuiteGradesRight(t *testing.T) {
	check.Prove(t, check.Proof{
		Right:  right,
		Wrong:  wrong,
		Golden: "testdata/failures",
		Update: *update,
	})
}

func answer(name string, lab statestest.Lab, fails ...string) check.Answer {
	return check.Answer{Name: name, Lab: statestest.Suite(lab), Fails: fails}
}
