package timeline_test

import (
	"bytes"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// What recording costs an echo of 1 KiB over loopback, in which both ends are recorded; at most 30 % are
// meant. Plain and recorded echoes take turns, a hundred at a time, so that a busy machine slows both; the
// medians are reported:
//
//	go test ./tools/timeline -run - -bench Recording
func BenchmarkRecording(b *testing.B) {
	rec := timeline.NewRecorder("echo")
	plain := echo(b, func(_ string, c net.Conn) net.Conn { return c })
	recorded := echo(b, rec.Conn)
	var without, with []time.Duration
	for b.Loop() {
		without, with = append(without, plain()), append(with, recorded())
	}
	slices.Sort(without)
	slices.Sort(with)
	x, y := float64(without[len(without)/2]), float64(with[len(with)/2])
	b.ReportMetric(0, "ns/op") // of both, which says nothing
	b.ReportMetric(x, "ns/plain")
	b.ReportMetric(y, "ns/recorded")
	b.ReportMetric(100*(y-x)/x, "%more")
}

// echo opens a connection to a server that echoes, and returns how long an echo takes when it is called, on
// the average of a hundred.
func echo(b *testing.B, wrap func(string, net.Conn) net.Conn) func() time.Duration {
	c, s, err := loopback.TCP()
	require.NoError(b, err)
	client, server := wrap("client", c), wrap("server", s)
	ended := make(chan struct{})
	b.Cleanup(func() {
		client.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		defer server.Close()
		buf := make([]byte, 1024)
		for {
			n, err := server.Read(buf)
			if err != nil {
				return
			}
			server.Write(buf[:n])
		}
	}()
	out, in := bytes.Repeat([]byte("socketbook "), 94)[:1024], make([]byte, 1024)
	return func() time.Duration {
		const echoes = 100
		start := time.Now()
		for range echoes {
			client.Write(out)
			_, err := io.ReadFull(client, in)
			require.NoError(b, err)
		}
		return time.Since(start) / echoes
	}
}
