package reliable_test

import (
	"flag"
	"testing"

	"socketbook/labs/13/reliabletest"
	reliable "socketbook/solutions/13"
	"socketbook/tools/check"
)

var update = flag.Bool("update", false, "write the failure texts in testdata instead of comparing them")

// reference is the answer in reliable.go.
var reference = reliabletest.Lab{Send: reliable.Send, Receive: reliable.Receive}

func TestReliable(t *testing.T) { reliabletest.Run(t, reference) }

func TestSuiteGradesRight(t *testing.T) {
	check.Prove(t, check.Proof{
		Right:  right,
		Wrong:  wrong,
		Golden: "testdata/failures",
		Update: *update,
	})
}

func answer(name string, lab reliabletest.Lab, fails ...string) check.Answer {
	return check.Answer{Name: name, Lab: reliabletest.Suite(lab), Fails: fails}
}

// sending and receiving are answers of which one half is the reference.
func sending(name string, send sendFunc, fails ...string) check.Answer {
	return answer(name, reliabletest.Lab{Send: send, Receive: reliable.Receive}, fails...)
}

func receiving(name string, receive receiveFunc, fails ...string) check.Answer {
	return answer(name, reliabletest.Lab{Send: reliable.Send, Receive: receive}, fails...)
}

// keeping is answer for mistakes that keep something between calls: each case gets a lab of its own.
func keeping(name string, lab func() reliabletest.Lab, fails ...string) check.Answer {
	a := answer(name, lab(), fails...)
	for i := range a.Lab.Cases {
		a.Lab.Cases[i].Run = func(c *check.C) { reliabletest.Suite(lab()).Cases[i].Run(c) }
	}
	return a
}
