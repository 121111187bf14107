package reconnect_test

import (
	"flag"
	"io"
	"log"
	"net"
	"os"
	"testing"

	"socketbook/labs/03/reconnecttest"
	reconnect "socketbook/solutions/03"
	"socketbook/tools/check"
)

var update = flag.Bool("update", false, "write the failure texts in testdata instead of comparing them")

// reference is the answer in reconnect.go.
var reference = reconnecttest.Lab{Serve: reconnect.Serve}

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // what the reference says about its clients
	os.Exit(m.Run())
}

func TestReconnect(t *testing.T) {
	t.Parallel() // most of it is waiting
	reconnecttest.Run(t, reference)
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

func answer(
	name string,
	serve func(ln net.Listener, handle func(net.Conn) error) error,
	fails ...string,
) check.Answer {
	return check.Answer{Name: name, Lab: reconnecttest.Suite(reconnecttest.Lab{Serve: serve}), Fails: fails}
}
