package ports_test

import (
	"testing"

	ports "socketbook/labs/10"
	"socketbook/labs/10/portstest"
)

func TestPorts(t *testing.T) {
	portstest.Run(t, portstest.Adapt(ports.Parse, ports.Blocks))
}
