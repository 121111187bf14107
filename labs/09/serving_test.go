package serving_test

import (
	"net"
	"testing"

	serving "socketbook/labs/09"
	"socketbook/labs/09/servingtest"
)

func TestServing(t *testing.T) {
	servingtest.Run(t, servingtest.Lab{
		New: func(handle func(net.Conn)) servingtest.Server {
			s := &serving.Server{Handle: handle}
			return servingtest.Of(s, serving.ErrServerClosed)
		},
	})
}
