// Memory in the queues of sockets that nobody reads.
//
//	expect: memory, exited 0
//	limits: memory=48M files=1024 time=20s
package main

import (
	"net"
	"time"
)

var _ = attack("sockets_full", func() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		broke("%v", err)
	}
	b := make([]byte, 8<<20)
	var all []net.Conn
	for {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			held("%d connections, then %v", len(all), err)
		}
		c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		c.Write(b)
		all = append(all, c)
	}
})
