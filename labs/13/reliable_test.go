package reliable_test

import (
	"testing"

	reliable "socketbook/labs/13"
	"socketbook/labs/13/reliabletest"
)

func TestReliable(t *testing.T) {
	reliabletest.Run(t, reliabletest.Lab{Send: reliable.Send, Receive: reliable.Receive})
}
