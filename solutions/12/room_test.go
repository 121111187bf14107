package room_test

import (
	"flag"
	"net"
	"testing"

	"socketbook/labs/12/roomtest"
	room "socketbook/solutions/12"
	"socketbook/tools/check"
)

var update = flag.Bool("update", false, "write the failure texts in testdata instead of comparing them")

// reference is the answer in room.go.
var reference = roomtest.Lab{Serve: room.Serve}

func TestRoom(t *testing.T) { roomtest.Run(t, reference) }

func TestSuiteGradesRight(t *testing.T) {
	check.Prove(t, check.Proof{
		Right:  right,
		Wrong:  wrong,
		Golden: "testdata/failures",
		Update: *update,
	})
}

func answer(name string, serve func(ln net.Listener) error, fails ...string) check.Answer {
	return check.Answer{Name: name, Lab: roomtest.Suite(roomtest.Lab{Serve: serve}), Fails: fails}
}
