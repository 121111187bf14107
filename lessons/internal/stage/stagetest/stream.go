package stagetest

import (
	"io"
	"net"
	"testing/iotest"
)

// BytesWithTheEnd returns conn with reads that return the last bytes together with the end of the
// stream, as every io.Reader may.
func BytesWithTheEnd(conn net.Conn) net.Conn {
	return &readsFrom{conn, iotest.DataErrReader(conn)}
}

// readsFrom is a connection that reads from somewhere else.
type readsFrom struct {
	net.Conn
	r io.Reader
}

func (c *readsFrom) Read(p []byte) (int, error) { return c.r.Read(p) }
