package timeline

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Preview makes bytes readable on one line: printable UTF-8 as it is, everything else escaped: \n,
// \x00, \u200d. It carries no control characters, so that no peer can write to the reader's terminal.
// It looks at the first 256 bytes.
func Preview(b []byte) string {
	return preview(b[:min(len(b), previewBytes)], len(b) > previewBytes)
}

// preview makes bytes readable; cut says that there were more.
func preview(b []byte, cut bool) string {
	if !cut {
		return escaped(b)
	}
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if tail := b[len(b)-i:]; utf8.RuneStart(tail[0]) { // half a character is one that was cut here
			if !utf8.FullRune(tail) {
				b = b[:len(b)-i]
			}
			break
		}
	}
	return escaped(b) + "…"
}

func escaped(b []byte) string {
	var q strings.Builder
	for i := 0; i < len(b); {
		if ' ' <= b[i] && b[i] < 0x7f {
			q.WriteByte(b[i])
			i++
			continue
		}
		r, size := utf8.DecodeRune(b[i:])
		switch {
		case r == '\n':
			q.WriteString(`\n`)
		case r == '\t':
			q.WriteString(`\t`)
		case r == '\r':
			q.WriteString(`\r`)
		case r == utf8.RuneError && size == 1, r < ' ', r == 0x7f:
			fmt.Fprintf(&q, `\x%02x`, b[i])
		case unicode.IsPrint(r):
			q.WriteRune(r)
		default: // invisible, or not a character: direction marks, joiners, private use
			fmt.Fprintf(&q, `\u%04x`, r)
		}
		i += size
	}
	return q.String()
}

// longestText bounds what a picture shows of a name or a sentence, in characters.
const longestText = 400

// clean makes a text harmless, readable on one line and not too long: what is not printable in it is
// escaped, and what is not UTF-8 replaced, as JSON does.
func clean(s string) string {
	head, count := s, 0
	for at := range s {
		if count++; count > longestText {
			head = s[:at]
			break
		}
	}
	head = escaped([]byte(string([]rune(head))))
	if count > longestText {
		head += "…"
	}
	return head
}

// Width is the number of terminal columns that s takes: 2 for East Asian wide characters and emoji, 0
// for combining marks. An emoji with a skin tone or U+FE0F, which asks for the coloured form, is one
// character of 2 columns, as are keycaps; families and others put together by U+200D, which [Preview]
// escapes, count as many. Letters that join, as in Devanagari, are counted one by one; terminals do
// not agree on them.
func Width(s string) int {
	n := 0
	for len(s) > 0 {
		size, columns := character(s)
		n += columns
		s = s[size:]
	}
	return n
}

// character measures the first character of s with what modifies it, in bytes and in columns.
func character(s string) (size, columns int) {
	base, first := utf8.DecodeRuneInString(s)
	size, columns = first, runeWidth(base)
	for size < len(s) {
		r, n := utf8.DecodeRuneInString(s[size:])
		switch {
		case r == emojiForm && size == first && hasEmojiForm(base):
			columns = 2
		case firstTone <= r && r <= lastTone && columns == 2:
		case runeWidth(r) > 0:
			return size, columns
		}
		size += n
	}
	return size, columns
}

func hasEmojiForm(r rune) bool {
	return unicode.In(r, unicode.So, unicode.Sm) || strings.ContainsRune("0123456789#*‼⁉", r)
}

const (
	emojiForm = '\ufe0f' // variation selector 16
	firstTone = 0x1f3fb  // skin tones
	lastTone  = 0x1f3ff
)

func runeWidth(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Cut shortens s to at most columns terminal columns; what was cut is marked by an ellipsis, if there
// is room for it.
func Cut(s string, columns int, ellipsis string) string {
	if Width(s) <= columns {
		return s
	}
	room := columns - Width(ellipsis)
	if room < 0 {
		room, ellipsis = columns, ""
	}
	for i := 0; ; {
		size, n := character(s[i:])
		if n > room {
			return s[:i] + ellipsis
		}
		i, room = i+size, room-n
	}
}

// pad fills s with blanks to columns terminal columns.
func pad(s string, columns int) string {
	return s + strings.Repeat(" ", max(0, columns-Width(s)))
}
