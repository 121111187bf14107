package framing_test

import (
	"flag"
	"testing"

	"socketbook/labs/05/framingtest"
	framing "socketbook/solutions/05"
	"socketbook/tools/check"
)

var update = flag.Bool("update", false, "write the failure texts in testdata instead of comparing them")

// reference is the answer in framing.go.
var reference = framingtest.Lab{WriteMessage: framing.WriteMessage, ReadMessage: framing.ReadMessage}

func TestFraming(t *testing.T) { framingtest.Run(t, reference) }

func TestSuiteGradesRight(t *testing.T) {
	check.Prove(t, check.Proof{
		Right:  right,
		Wrong:  wrong,
		Golden: "testdata/failures",
		Update: *update,
	})
}

func answer(name string, lab framingtest.Lab, fails ...string) check.Answer {
	return check.Answer{Name: name, Lab: framingtest.Suite(lab), Fails: fails}
}

// reading and writing are answers of which one half is the reference.
func reading(name string, read readFunc, fails ...string) check.Answer {
	return answer(name, framingtest.Lab{WriteMessage: framing.WriteMessage, ReadMessage: read}, fails...)
}

func writing(name string, write writeFunc, fails ...string) check.Answer {
	return answer(name, framingtest.Lab{WriteMessage: write, ReadMessage: framing.ReadMessage}, fails...)
}

// keeping is answer for mistakes that keep something between calls: each case gets a lab of its
// own, because cases of two tests may run beside each other.
func keeping(name string, lab func() framingtest.Lab, fails ...string) check.Answer {
	a := answer(name, lab(), fails...)
	for i := range a.Lab.Cases {
		a.Lab.Cases[i].Run = func(c *check.C) { framingtest.Suite(lab()).Cases[i].Run(c) }
	}
	return a
}
