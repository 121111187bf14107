package sandbox

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// spent is the processor time of this process and of all that it has waited for, in ms.
func spent() (ms float64) {
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if unix.Getrusage(who, &u) == nil {
			ms += float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
		}
	}
	return ms
}

func benchmark(b *testing.B, kind Kind, fresh bool) {
	box := func() *Box {
		box, err := Open(Config{Kind: kind, Folders: []Folder{{Path: program}}})
		require.NoError(b, err)
		return box
	}
	before := spent()
	shared := box()
	for b.Loop() {
		in := shared
		if fresh {
			in = box()
		}
		r, err := in.Run(b.Context(), Command{Path: program, Args: []string{"exit", "0"}, Limits: small})
		require.NoError(b, err)
		require.Equal(b, Exited, r.End)
		if fresh {
			require.NoError(b, in.Close())
		}
	}
	require.NoError(b, shared.Close())
	b.ReportMetric((spent()-before)/float64(b.N), "cpu-ms/op")
}

// What the sandbox costs: a command in a box that is open, in one of its own, and without.
func BenchmarkOpenBox(b *testing.B)  { benchmark(b, Namespaces, false) }
func BenchmarkFreshBox(b *testing.B) { benchmark(b, Namespaces, true) }
func BenchmarkNone(b *testing.B)     { benchmark(b, None, false) }
