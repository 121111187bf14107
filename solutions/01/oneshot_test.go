package oneshot_test

import (
	"flag"
	"net"
	"testing"

	"socketbook/labs/01/oneshottest"
	oneshot "socketbook/solutions/01"
	"socketbook/tools/check"
)

var update = flag.Bool("update", false, "write the failure texts in testdata instead of comparing them")

// reference is the answer in oneshot.go.
var reference = oneshottest.Lab{Answer: oneshot.Answer, Ask: oneshot.Ask}

func TestOneshot(t *testing.T) {
	t.Parallel() // most of it is waiting
	oneshottest.Run(t, reference)
}

func TestSuiteGradesRight(t *testing.T) {
	t.Parallel()
	check.Prove(t, check.Proof{
		Right:  right,
		Wrong:  wrong,
		Golden: "testdata/failures",
		Update: *update,
	})
}

func answer(name string, lab oneshottest.Lab, fails ...string) check.Answer {
	return check.Answer{Name: name, Lab: oneshottest.Suite(lab), Fails: fails}
}

// answering and asking are answers of which one half is the reference.
func answering(name string, f func(conn net.Conn) error, fails ...string) check.Answer {
	return answer(name, oneshottest.Lab{Answer: f, Ask: oneshot.Ask}, fails...)
}

func asking(
	name string,
	f func(conn net.Conn, message []byte) ([]byte, error),
	fails ...string,
) check.Answer {
	return answer(name, oneshottest.Lab{Answer: oneshot.Answer, Ask: f}, fails...)
}
