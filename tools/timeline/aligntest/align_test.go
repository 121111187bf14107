// Package aligntest measures what tools/timeline draws with a library that timeline may not use. It
// is a package of its own because lessons import timeline.
package aligntest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"socketbook/tools/timeline"
)

var texts = []string{
	"plain", "你好，世界", "한국어", "ｆｕｌｌ", "é and e\u0301", "😀😀", "👍🏽", "❤️", "☺️", "❤\u0301\ufe0f",
	"👍\u0301🏽", "1️⃣", "#️⃣", "↔️", "©️", "❤", "☺", "🇩🇪",
	"ab\u0301\u0302c", strings.Repeat("长", 100), strings.Repeat("❤️", 100), strings.Repeat("👍🏽",
		100), strings.Repeat("e\u0301", 100),
}

func TestWidth(t *testing.T) {
	for _, text := range texts {
		require.Equal(t, ansi.StringWidth(text), timeline.Width(text), "%q", text)
		for columns := 3; columns < 12; columns++ {
			cut := timeline.Cut(text, columns, "…")
			require.LessOrEqual(t, ansi.StringWidth(cut), columns)
			require.GreaterOrEqual(t, ansi.StringWidth(cut), min(columns-1, ansi.StringWidth(text)),
				"%q in %d columns", text, columns)
			require.True(t, strings.HasPrefix(text, strings.TrimSuffix(cut, "…")))
		}
	}
}

// The lanes stand where they should, whatever the texts are.
func TestAligned(t *testing.T) {
	for _, text := range texts {
		data := []byte(text)
		preview := timeline.Preview(data)
		event := func(side string, op timeline.Op) timeline.Event {
			return timeline.Event{Side: side, Conn: "tcp1", Op: op, N: len(data), Data: data, Text: preview}
		}
		events := []timeline.Event{
			event("client", timeline.Send), event("server", timeline.Recv), event("server",
				timeline.Send), {Side: "server", Op: timeline.Note, Text: "here"},
		}
		for i := range events {
			events[i].Seq, events[i].US, events[i].End = i+1, int64(10*i+1), int64(10*i+5)
		}
		for _, width := range []int{60, 80, 100, 120} {
			for _, box := range []bool{false, true} {
				var out strings.Builder
				require.NoError(t, timeline.Text(&out, events, timeline.Style{Width: width, Box: box}))
				lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
				lane := strings.Index(lines[0], "server")
				seen := 0
				for _, line := range lines[2:] { // below the lanes' names and the connection's
					require.LessOrEqual(t, ansi.StringWidth(line), width, line)
					for _, word := range []string{"recv", "here"} {
						if before, _, ok := strings.Cut(line, word); ok {
							seen++
							require.Equal(t, lane, ansi.StringWidth(before), fmt.Sprintf("%s\n%s", word, out.String()))
						}
					}
				}
				require.Equal(t, 2, seen)
			}
		}
	}
}
