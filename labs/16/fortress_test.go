package fortress_test

import (
	"testing"

	fortress "socketbook/labs/16"
	"socketbook/labs/16/fortresstest"
)

func TestFortress(t *testing.T) {
	fortresstest.Run(t, fortresstest.Adapt(fortress.Serve))
}
