package crowd_test

import (
	"flag"
	"io"
	"log"
	"net"
	"os"
	"testing"

	"socketbook/labs/08/crowdtest"
	crowd "socketbook/solutions/08"
	"socketbook/tools/check"
)

var update = flag.Bool("update", false, "write the failure texts in testdata instead of comparing them")

// reference is the answer in crowd.go.
var reference = crowdtest.Lab{Serve: crowd.Serve, Relay: crowd.Relay}

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // what the reference says about its clients
	os.Exit(m.Run())
}

func TestCrowd(t *testing.T) { crowdtest.Run(t, reference) }

func TestSuiteGradesRight(t *testing.T) {
	check.Prove(t, check.Proof{
		Right:  right,
		Wrong:  wrong,
		Golden: "testdata/failures",
		Update: *update,
	})
}

type (
	server = func(ln net.Listener, limit int, handle func(net.Conn)) error
	relay  = func(a, b net.Conn) error
)

// serves and relays are answers of which the other half is the reference, whose cases are left out.
func serves(name string, serve server, fails ...string) check.Answer {
	a := answer(name, crowdtest.Lab{Serve: serve, Relay: crowd.Relay}, fails)
	leaveOut(a.Lab.Cases[relayCases:])
	return a
}

func relays(name string, relay relay, fails ...string) check.Answer {
	a := answer(name, crowdtest.Lab{Serve: crowd.Serve, Relay: relay}, fails)
	leaveOut(a.Lab.Cases[:relayCases])
	return a
}

const relayCases = 5 // the first case of Relay

func leaveOut(cases []check.Case) {
	for i := range cases {
		cases[i].Run = func(*check.C) {}
	}
}

func answer(name string, lab crowdtest.Lab, fails []string) check.Answer {
	return check.Answer{Name: name, Lab: crowdtest.Suite(lab), Fails: fails}
}
