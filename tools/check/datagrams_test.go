package check_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/tools/check"
)

// TestDatagramHang: a Read without a deadline, after a request that was lost, is told as one.
func TestDatagramHang(t *testing.T) {
	t.Parallel()
	start := time.Now()
	got := one(func(c *check.C) {
		conn, _ := c.Datagrams()
		c.Say("the suite drops the request")
		c.Do("Exchange(conn)", func() {
			conn.Write([]byte("hello"))
			conn.Read(make([]byte, 100))
		})
	})
	require.Regexp(
		t,
		`blocked in Read at datagrams_test.go:\d+; nothing more will come \(the suite drops the request\)`,
		got,
	)
	require.Less(t, time.Since(start), 10*time.Second)
}

// TestDatagramTimer: a Read that a timer of the code under test ends is none.
func TestDatagramTimer(t *testing.T) {
	require.Empty(t, one(func(c *check.C) {
		conn, _ := c.Datagrams()
		c.Do("Exchange(conn)", func() {
			time.AfterFunc(50*time.Millisecond, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
			conn.Read(make([]byte, 100))
		})
	}))
}
