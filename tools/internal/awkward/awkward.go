// Package awkward makes texts that are hard to show in columns, for tests.
package awkward

import (
	"math/rand/v2"
	"strings"
)

// pieces are what the lines are made of: wide, narrow and joined characters, accents, tabs, and
// what must never reach a terminal as it is.
var pieces = []string{
	"conn", "err", " ", " ", "\t", "客户端", "粘包", "，", "é", "e\u0301", "한국어", "ﾃｽﾄ", "👩‍💻", "🇩🇪", "👍🏽",
	"☁️", "✓", "…", "│",
	"\x1b[31m", "\x07", "\u202e", "\u200b", "\ufeff", "\xff", "\u0301", "\u0085", "\u00ad", "ไทย",
	"नमस्ते", "\u2028", "\r", "(", ")", ", ",
}

// Pair returns a text of 30 lines and an edited copy. The same seed gives the same pair.
func Pair(seed uint64) (oldText, newText string) {
	r := rand.New(rand.NewPCG(seed, 7))
	line := func() string {
		var b strings.Builder
		for range r.IntN(60) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		return b.String() + "\n"
	}
	var a, b strings.Builder
	for range 30 {
		text := line()
		a.WriteString(text)
		switch r.IntN(4) {
		case 0:
			b.WriteString(line())
		case 1:
			b.WriteString("x" + text)
		case 2:
			b.WriteString(text)
		}
	}
	return a.String(), b.String()
}
