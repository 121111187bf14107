package states_test

import (
	"testing"

	states "socketbook/labs/11"
	"socketbook/labs/11/statestest"
)

func TestStates(t *testing.T) {
	statestest.Run(t, statestest.Adapt(states.New))
}
