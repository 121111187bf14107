package fortress_test

import (
	"flag"
	"testing"

	"socketbook/labs/16/fortresstest"
	fortress "socketbook/solutions/16"
	"socketbook/tools/check"
)

var update = flag.Bool("update", false, "write the failure texts in testdata instead of comparing them")

// reference is the answer in fortress.go.
var reference = fortresstest.Adapt(fortress.Serve)

func TestFortress(t *testing.T) { fortresstest.Run(t, reference) }

func TestSuiteGradesRight(t *testing.T) {
	check.Prove(t, check.Proof{
		Right:  right,
		Wrong:  wrong,
		Golden: "testdata/failures",
		Update: *update,
	})
}

func answer(name string, serve serveFunc, fails ...string) check.Answer {
	return check.Answer{Name: name, Lab: fortresstest.Suite(fortresstest.Lab{Serve: serve}), Fails: fails}
}
