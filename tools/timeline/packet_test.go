package timeline

import (
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDroppedDatagramsAreNotTheOnesThatCame(t *testing.T) {
	send := func(n int, data string) Event {
		return Event{Side: "client", Conn: "udp1", Op: Send, N: n, Data: []byte(data), Text: data}
	}
	recv := func(data string) Event {
		return Event{Side: "server", Conn: "udp1", Op: Recv, N: len(data), Data: []byte(data), Text: data}
	}
	tooBig := send(0, "x")
	tooBig.Err = "message too long"
	events := []Event{send(1, "a"), tooBig, send(1, "b"), send(4, "last"), recv("a"), recv("las"), {Side: "server", Conn: "udp1", Op: Recv, Err: "connection refused"}}
	for i := range events {
		events[i].Seq = i + 1
	}
	f := Flows(events)[0]
	require.Equal(t, []int{1, 1, 4}, f.Sends, "what could not be sent was not sent")
	require.Equal(t, 1, f.Dropped)
	require.Equal(t, 1, f.Truncated)
	require.Equal(t, "3 datagrams arrived as 2 reads; 1 of them cut short, the rest of it thrown away; 1 of 3 vanished", f.String())
}

func TestUnconnectedSocket(t *testing.T) {
	rec := NewRecorder(t.Name())
	open := func() net.PacketConn {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { pc.Close() })
		return pc
	}
	server, client, third := rec.PacketConn("server", open()), rec.Unconnected("client", open()), rec.Unconnected("third", open())
	rec.State(0, "ready")
	_, err := client.WriteTo(nil, server.LocalAddr())
	require.NoError(t, err)
	_, err = third.WriteTo([]byte("me"), client.LocalAddr())
	require.NoError(t, err)
	n, _, err := server.ReadFrom(make([]byte, 10))
	require.NoError(t, err)
	require.Zero(t, n)
	n, from, err := client.ReadFrom(make([]byte, 10))
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, third.LocalAddr().String(), from.String())

	n, err = client.WriteTo(make([]byte, 65508), server.LocalAddr())
	require.Error(t, err)
	require.Zero(t, n)
	events := rec.Events()
	failed := events[len(events)-1]
	require.Equal(t, Send, failed.Op)
	require.Zero(t, failed.N, "nothing was sent")
	require.NotEmpty(t, failed.Err)
	events = events[:len(events)-1]
	require.Equal(t, []string{"client", "third", "server"}, lanesOf(events), "clients stand on the left")
	require.Equal(t, 1, Count(events, "", Listen))
	var flows []string
	for _, f := range Flows(events) {
		flows = append(flows, f.From+" to "+f.To+": "+f.String())
	}
	require.Equal(t, []string{"client to server: 1 datagram arrived as 1 read", "third to client: 1 datagram arrived as 1 read"}, flows)
	var picture strings.Builder
	require.NoError(t, Text(&picture, events, Style{Width: 80}))
	require.Regexp(t, `send 0 bytes -+> recv 0 bytes`, picture.String())
	require.Regexp(t, `recv 2 "me" <-+ send 2 "me"`, picture.String())
}
