package lessons

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The four readers of FRAMING.md return what a writer can have written, within their limits, and never more
// than there is.
func FuzzFraming(f *testing.F) {
	for _, seed := range []string{
		"", "\x05\x00\x00\x00hello", "\xff\xff\xff\xff", "hello\n", "half", "\x00\x01\x00\x02\x00\x00\x00\x03",
		`{"from":"anna","text":"hi"}`, `{"from":1}`, `[[[[[[`, strings.Repeat("x", 2000) + "\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		const limit = 1024
		if message, err := readLength(bytes.NewReader(stream), limit); err == nil {
			require.LessOrEqual(t, len(message), limit)
			var again bytes.Buffer
			require.NoError(t, writeLength(&again, message))
			require.True(t, bytes.HasPrefix(stream, again.Bytes()))
		}
		if line, err := readLine(bufio.NewReaderSize(bytes.NewReader(stream), limit)); err == nil {
			require.Less(t, len(line), limit)
			var again bytes.Buffer
			require.NoError(t, writeLine(&again, line))
			require.True(t, bytes.HasPrefix(stream, again.Bytes()))
		}
		if m, err := readReading(bytes.NewReader(stream)); err == nil {
			var again bytes.Buffer
			require.NoError(t, writeReading(&again, m))
			require.True(t, bytes.HasPrefix(stream, again.Bytes()))
		}
		limited := &io.LimitedReader{R: bytes.NewReader(stream)}
		if m, err := readSay(json.NewDecoder(limited), limited); err == nil {
			var again bytes.Buffer
			require.NoError(t, writeSay(&again, m))
			limited := &io.LimitedReader{R: &again}
			same, err := readSay(json.NewDecoder(limited), limited)
			require.NoError(t, err)
			require.Equal(t, m, same)
		}
	})
}
