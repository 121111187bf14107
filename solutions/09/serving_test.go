package serving_test

import (
	"context"
	"flag"
	"io"
	"log"
	"net"
	"os"
	"testing"

	"socketbook/labs/09/servingtest"
	serving "socketbook/solutions/09"
	"socketbook/tools/check"
)

var update = flag.Bool("update", false, "write the failure texts in testdata instead of comparing them")

// reference is the answer in serving.go.
var reference = servingtest.Lab{New: func(handle func(net.Conn)) servingtest.Server {
	return servingtest.Of(&serving.Server{Handle: handle}, serving.ErrServerClosed)
}}

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // what the reference says about its clients
	os.Exit(m.Run())
}

func TestServing(t *testing.T) { servingtest.Run(t, reference) }

func TestSuiteGradesRight(t *testing.T) {
	check.Prove(t, check.Proof{
		Right:  right,
		Wrong:  wrong,
		Golden: "testdata/failures",
		Update: *update,
	})
}

// server is what answers are.
type server interface {
	Serve(ln net.Listener) error
	Shutdown(ctx context.Context) error
	Close() error
}

func answer(name string, make func(handle func(net.Conn)) server, fails ...string) check.Answer {
	lab := servingtest.Lab{New: func(handle func(net.Conn)) servingtest.Server {
		return servingtest.Of(make(handle), serving.ErrServerClosed)
	}}
	return check.Answer{Name: name, Lab: servingtest.Suite(lab), Fails: fails}
}
