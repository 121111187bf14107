package crowd_test

import (
	"testing"

	crowd "socketbook/labs/08"
	"socketbook/labs/08/crowdtest"
)

func TestCrowd(t *testing.T) {
	crowdtest.Run(t, crowdtest.Lab{
		Serve: crowd.Serve,
		Relay: crowd.Relay,
	})
}
