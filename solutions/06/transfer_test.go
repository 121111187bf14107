package transfer_test

import (
	"flag"
	"testing"

	"socketbook/labs/06/transfertest"
	transfer "socketbook/solutions/06"
	"socketbook/tools/check"
)

var update = flag.Bool("update", false, "write the failure texts in testdata instead of comparing them")

// reference is the answer in transfer.go.
var reference = transfertest.Lab{Describe: transfer.Describe, Send: transfer.Send, Receive: transfer.Receive}

func TestTransfer(t *testing.T) { transfertest.Run(t, reference) }

func TestSuiteGradesRight(t *testing.T) {
	check.Prove(t, check.Proof{
		Right:  right,
		Wrong:  wrong,
		Golden: "testdata/failures",
		Update: *update,
	})
}

func answer(name string, lab transfertest.Lab, fails ...string) check.Answer {
	return check.Answer{Name: name, Lab: transfertest.Suite(lab), Fails: fails}
}

// describing, sending and receiving are answers of which one function is not the reference's.
func describing(name string, describe describeFunc, fails ...string) check.Answer {
	lab := reference
	lab.Describe = describe
	return answer(name, lab, fails...)
}

func sending(name string, send sendFunc, fails ...string) check.Answer {
	lab := reference
	lab.Send = send
	return answer(name, lab, fails...)
}

func receiving(name string, receive receiveFunc, fails ...string) check.Answer {
	lab := reference
	lab.Receive = receive
	return answer(name, lab, fails...)
}
