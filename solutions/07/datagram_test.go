package datagram_test

import (
	"flag"
	"testing"

	"socketbook/labs/07/datagramtest"
	datagram "socketbook/solutions/07"
	"socketbook/tools/check"
)

var update = flag.Bool("update", false, "write the failure texts in testdata instead of comparing them")

func TestDatagram(t *testing.T) {
	datagramtest.Run(t, datagramtest.Lab{Exchange: datagram.Exchange})
}

func TestSuiteGradesRight(t *testing.T) {
	startSeeded()
	check.Prove(t, check.Proof{
		Right:  right,
		Wrong:  wrong,
		Golden: "testdata/failures",
		Update: *update,
	})
}

func answer(name string, exchange exchangeFunc, fails ...string) check.Answer {
	return check.Answer{
		Name:  name,
		Lab:   datagramtest.Suite(datagramtest.Lab{Exchange: exchange}),
		Fails: fails,
	}
}
