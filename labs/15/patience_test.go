package patience_test

import (
	"testing"

	patience "socketbook/labs/15"
	"socketbook/labs/15/patiencetest"
)

func TestPatience(t *testing.T) {
	patiencetest.Run(t, patiencetest.Lab{
		Call:     patience.Call,
		WriteAll: patience.WriteAll,
		Dial:     patience.Dial,
	})
}
