package fortress_test

import (
	"testing"

	"socketbook/labs/16/fortresstest"
	fortress "socketbook/solutions/16"
)

// reference is the answer in fortress.go.
var reference = fortresstest.Adapt(fortress.Serve)

func TestFortress(t *testing.T) { fortresstest.Run(t, reference) }
