package transfer_test

import (
	"testing"

	transfer "socketbook/labs/06"
	"socketbook/labs/06/transfertest"
)

func TestTransfer(t *testing.T) {
	transfertest.Run(t, transfertest.Lab{
		Describe: transfer.Describe,
		Send:     transfer.Send,
		Receive:  transfer.Receive,
	})
}
