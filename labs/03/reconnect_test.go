package reconnect_test

import (
	"testing"

	reconnect "socketbook/labs/03"
	"socketbook/labs/03/reconnecttest"
)

func TestReconnect(t *testing.T) {
	reconnecttest.Run(t, reconnecttest.Lab{
		Serve: reconnect.Serve,
	})
}
