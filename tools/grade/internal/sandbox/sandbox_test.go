package sandbox

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever the sizes of the writes: the beginning and the end are kept, and their lengths add up.
func TestEnds(t *testing.T) {
	const limit = 100
	for _, size := range []int{1, 7, 49, 50, 51, 99, 100, 101, 150, 1000} {
		for _, total := range []int{0, 1, 99, 100, 101, 149, 150, 151, 5000} {
			text := []byte(strings.Repeat("0123456789abcdefghijklmnopqrstuvwxyz", 200)[:total])
			e := newEnds(limit, make(chan End, 3))
			for rest := text; len(rest) > 0; rest = rest[min(size, len(rest)):] {
				_, err := e.Write(rest[:min(size, len(rest))])
				require.NoError(t, err)
			}
			want := text
			if total > limit {
				want = fmt.Appendf(nil, "%s\n… %d bytes are left out …\n%s",
					text[:limit/2], total-limit, text[total-limit/2:])
			}
			require.Equal(t, string(want), string(e.bytes()), "%d bytes in writes of %d", total, size)
		}
	}
	ended := make(chan End, 3)
	e := newEnds(limit, ended)
	_, _ = e.Write(bytes.Repeat([]byte("x"), limit*Flood))
	require.Empty(t, ended)
	_, _ = e.Write([]byte("x"))
	require.Equal(t, TooLoud, <-ended)
}

// Who has filled a folder is not told of memory. By its first word tools/check knows the sentence.
func TestOutOfRoom(t *testing.T) {
	l := Limits{Memory: 512 << 20, Tmp: 64 << 20}
	r := Result{End: OutOfRoom, Memory: 100 << 20}
	require.Equal(t, "it had more than 64 MiB of files, or folders too deep, and was ended", r.Sentence(l))
	r.Memory = 513 << 20
	require.Equal(t, "it took more than 512 MiB of memory and was ended", r.Sentence(l))
}
