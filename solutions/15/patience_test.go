package patience_test

import (
	"flag"
	"testing"

	"socketbook/labs/15/patiencetest"
	patience "socketbook/solutions/15"
)

var update = flag.Bool("update", false, "write the failure texts in testdata instead of comparing them")

// reference is the answer in patience.go.
var reference = patiencetest.Lab{
	Call: patience.Call, WriteAll: patience.WriteAll, Dial: patience.Dial,
}

func TestPatience(t *testing.T) { patiencetest.Run(t, reference) }
