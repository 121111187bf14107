package ports_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	ports "socketbook/solutions/10"
)

// TestAsTheKernelDoes: of real sockets the reference, and so the suite, says what a real bind says.
func TestAsTheKernelDoes(t *testing.T) {
	var differences []string
	for range 3 { // another program's client may have one of the ports for a moment, but not three times
		if differences = compare(t); differences == nil {
			return
		}
	}
	t.Error(strings.Join(differences, "\n"))
}

// situation is a socket of a server on a port of its own.
type situation struct {
	local netip.AddrPort
	state string
	reuse bool
}

// compare makes all situations, and then binds to all kinds of addresses with their ports.
func compare(t *testing.T) (differences []string) {
	var all []situation
	for _, addr := range []string{"127.0.0.1", "0.0.0.0", "[::1]", "[::]"} {
		for _, state := range []string{
			ports.Listen, ports.Established, ports.FinWait2, ports.CloseWait, ports.TimeWait,
		} {
			for _, reuse := range []bool{true, false} {
				ln, err := listen(addr+":0", reuse)
				if err != nil && strings.Contains(addr, ":") {
					continue // no IPv6
				}
				require.NoError(t, err)
				defer ln.Close()
				local := netip.MustParseAddrPort(ln.Addr().String())
				if state != ports.Listen {
					bring(t, ln, state)
				}
				all = append(all, situation{local, state, reuse})
			}
		}
	}
	sockets := eventually(t, all)
	for _, s := range all {
		for _, addr := range []string{"127.0.0.1", "127.0.0.2", "0.0.0.0", "[::1]", "[::]"} {
			want := netip.MustParseAddrPort(fmt.Sprintf("%s:%d", addr, s.local.Port()))
			blocker, blocked := ports.Blocks(sockets, want, s.reuse)
			second, err := listen(want.String(), s.reuse)
			if err == nil {
				second.Close()
			} else if !errors.Is(err, syscall.EADDRINUSE) {
				continue // no IPv6
			}
			if blocked != (err != nil) && !taken(t, want.Port()) {
				differences = append(differences, fmt.Sprintf("%v, bind to %s: %v; Blocks says %v, %v", s, want,
					err, blocker, blocked))
			}
		}
	}
	return differences
}

// bring connects a client to ln and brings the accepted socket into a state. Then only that is left on the
// server's side.
func bring(t *testing.T, ln net.Listener, state string) {
	addr := netip.MustParseAddrPort(ln.Addr().String())
	if addr.Addr().IsUnspecified() { // an IPv6 client of [::] would keep 0.0.0.0 busy; see the lab's README
		addr = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), addr.Port())
	}
	client, err := net.Dial("tcp", addr.String())
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	server, err := ln.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })
	require.NoError(t, ln.Close())
	switch state {
	case ports.FinWait2:
		require.NoError(t, server.(*net.TCPConn).CloseWrite())
	case ports.CloseWait:
		require.NoError(t, client.(*net.TCPConn).CloseWrite())
	case ports.TimeWait:
		require.NoError(t, server.(*net.TCPConn).CloseWrite())
		require.NoError(t, client.Close())
		server.Close()
	}
}

func listen(addr string, reuse bool) (net.Listener, error) {
	network := "tcp4"
	if strings.HasPrefix(addr, "[") {
		network = "tcp" // [::] is dual-stack
	}
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		value := 0
		if reuse {
			value = 1
		}
		var set error
		err := raw.Control(func(fd uintptr) {
			set = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, value)
		})
		return errors.Join(err, set)
	}}
	return config.Listen(context.Background(), network, addr)
}

// taken reports whether the port is not that of one socket alone: the kernel may have chosen it for a
// client of another program.
func taken(t *testing.T, port uint16) bool {
	n := 0
	for _, k := range tables(t) {
		if k.Local.Port() == port {
			n++
		}
	}
	return n > 1
}

// tables reads the kernel's own tables.
func tables(t *testing.T) (sockets []ports.Socket) {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if os.IsNotExist(err) {
			continue
		}
		require.NoError(t, err)
		rows, err := ports.Parse(f)
		f.Close()
		require.NoError(t, err, table)
		sockets = append(sockets, rows...)
	}
	return sockets
}

// eventually reads the tables until every situation has come about.
func eventually(t *testing.T, all []situation) (sockets []ports.Socket) {
	missing := func(s situation) bool {
		return !slices.ContainsFunc(sockets, func(k ports.Socket) bool {
			return k.Local.Port() == s.local.Port() && k.State == s.state
		})
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		sockets = tables(t)
		i := slices.IndexFunc(all, missing)
		if i < 0 {
			return sockets
		}
		if time.Now().After(end) {
			t.Fatalf("%v has not come about", all[i])
		}
	}
}
