package oneshot_test

import (
	"testing"

	oneshot "socketbook/labs/01"
	"socketbook/labs/01/oneshottest"
)

func TestOneshot(t *testing.T) {
	oneshottest.Run(t, oneshottest.Lab{
		Answer: oneshot.Answer,
		Ask:    oneshot.Ask,
	})
}
