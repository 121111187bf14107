package framing_test

import (
	"testing"

	framing "socketbook/labs/05"
	"socketbook/labs/05/framingtest"
)

func TestFraming(t *testing.T) {
	framingtest.Run(t, framingtest.Lab{
		WriteMessage: framing.WriteMessage,
		ReadMessage:  framing.ReadMessage,
	})
}
