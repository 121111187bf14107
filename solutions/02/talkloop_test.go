package talkloop_test

import (
	"flag"
	"io"
	"net"
	"testing"

	"socketbook/labs/02/talklooptest"
	talkloop "socketbook/solutions/02"
	"socketbook/tools/check"
)

var update = flag.Bool("update", false, "write the failure texts in testdata instead of comparing them")

// reference is the answer in talkloop.go.
var reference = talklooptest.Lab{Answer: talkloop.Answer, Converse: talkloop.Converse}

func TestTalkloop(t *testing.T) {
	t.Parallel() // most of it is waiting
	talklooptest.Run(t, reference)
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

func answer(name string, lab talklooptest.Lab, fails ...string) check.Answer {
	return check.Answer{Name: name, Lab: talklooptest.Suite(lab), Fails: fails}
}

// answering and conversing are answers of which one half is the reference.
func answering(name string, f func(conn net.Conn) error, fails ...string) check.Answer {
	return answer(name, talklooptest.Lab{Answer: f, Converse: talkloop.Converse}, fails...)
}

func conversing(
	name string,
	f func(conn net.Conn, in io.Reader, out io.Writer) error,
	fails ...string,
) check.Answer {
	return answer(name, talklooptest.Lab{Answer: talkloop.Answer, Converse: f}, fails...)
}
