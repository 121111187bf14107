package datagram_test

import (
	"testing"

	datagram "socketbook/labs/07"
	"socketbook/labs/07/datagramtest"
)

func TestDatagram(t *testing.T) {
	datagramtest.Run(t, datagramtest.Lab{Exchange: datagram.Exchange})
}
