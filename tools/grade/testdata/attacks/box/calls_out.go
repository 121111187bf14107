// The internet, the cloud's own address, and a name server.
//
//	expect: exited 0
package main

import (
	"net"
	"time"
)

var _ = attack("calls_out", func() {
	for _, address := range []string{
		"1.1.1.1:53", "8.8.8.8:443", "169.254.169.254:80", "192.168.0.1:80", "10.0.0.1:22",
		"[2606:4700::1111]:53",
	} {
		for _, network := range []string{"tcp", "udp"} {
			if c, err := net.DialTimeout(network, address, time.Second); err == nil {
				if _, err = c.Write([]byte("x")); err == nil {
					broke("%s %s", network, address)
				}
			}
		}
	}
	if names, err := net.LookupHost("example.com"); err == nil {
		broke("%v", names)
	}
})
