package stage

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/transform"

	"socketbook/tools/timeline"
)

// terminalEncoding is what a terminal takes a byte above 0x7F for.
type terminalEncoding int

const (
	onlyASCII terminalEncoding = iota // nothing, or a control character as in ISO 8859
	inUTF8
	multiByte // a part of a character, as in GBK
)

var (
	utf8Locale      = regexp.MustCompile(`(?i)utf-?8`)
	multiByteLocale = regexp.MustCompile(`(?i)\.(gb|big5|euc|sjis|shift)`)
)

// encodingOf asks the locale, as setlocale(3) does: the first of three variables that is set
// decides. In containers none is, and their terminals are UTF-8. Windows has no locale of that
// kind; package os writes UTF-8 to its console.
func encodingOf(goos string, getenv func(string) string) terminalEncoding {
	if goos == "windows" {
		return inUTF8
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		switch locale := getenv(name); {
		case utf8Locale.MatchString(locale):
			return inUTF8
		case multiByteLocale.MatchString(locale):
			return multiByte
		case locale != "":
			return onlyASCII
		}
	}
	return inUTF8
}

// drawing says what a terminal can show: colour not with NO_COLOR (no-color.org), box drawing only
// in UTF-8, and neither if it is dumb.
func drawing(encoding terminalEncoding, getenv func(string) string) (colour, box bool) {
	dumb := getenv("TERM") == "dumb"
	return !dumb && getenv("NO_COLOR") == "", !dumb && encoding == inUTF8
}

// visible returns a writer to out that a peer's bytes may be written to. If out is a terminal, they
// cannot control it: what would is shown instead, "\x1b" for an escape. Anything else gets the
// bytes as they are. The caller calls done after the last write, for a character that has begun.
func visible(out io.Writer) (w io.Writer, done func() error) {
	stream := out
	if p, ok := stream.(*prompter); ok {
		stream = p.out
	}
	if o, ok := stream.(*output); ok {
		stream = o.Writer
	}
	if !IsTerminal(stream) {
		return out, func() error { return nil }
	}
	t := transform.NewWriter(out, &controls{encoding: encodingOf(runtime.GOOS, os.Getenv)})
	return t, t.Close
}

// controls is a transformer that shows what would control a terminal: every control character but a
// line end and a tab, and what turns the direction of text (Trojan Source, CVE-2021-42574).
type controls struct {
	transform.NopResetter
	encoding terminalEncoding
}

func (c *controls) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		rest := src[nSrc:]
		if !atEOF && (string(rest) == "\r" || c.encoding == inUTF8 && !utf8.FullRune(rest)) {
			return nDst, nSrc, transform.ErrShortSrc
		}
		shown, size := c.show(rest)
		if nDst+len(shown) > len(dst) {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst += copy(dst[nDst:], shown)
		nSrc += size
	}
	return nDst, nSrc, nil
}

// show returns what is shown for the first character of b, and how many bytes that character takes.
func (c *controls) show(b []byte) (shown string, size int) {
	quoted := fmt.Sprintf(`\x%02x`, b[0])
	switch {
	case b[0] == '\n' || b[0] == '\t' || bytes.HasPrefix(b, []byte("\r\n")):
		return string(b[:1]), 1
	case b[0] < ' ' || b[0] == 0x7f || b[0] > 0x7f && c.encoding == onlyASCII:
		return quoted, 1
	case c.encoding != inUTF8:
		return string(b[:1]), 1
	}
	r, size := utf8.DecodeRune(b)
	switch {
	case r == utf8.RuneError && size == 1 && b[0] < 0xa0: // some terminals take it for a control of ISO 6429
		return quoted, 1
	case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
		return fmt.Sprintf(`\u%04x`, r), size
	}
	return string(b[:size]), size
}

// wrapWords breaks a text between words, in front of column width; later lines begin with indent. A
// word that is too long, an address say, stays in one piece.
func wrapWords(text, indent string, width int) string {
	var out strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		n := timeline.Width(word)
		switch {
		case i == 0:
		case column+1+n > width:
			out.WriteString("\n" + indent)
			column = len(indent)
		default:
			out.WriteByte(' ')
			column++
		}
		out.WriteString(word)
		column += n
	}
	return out.String()
}

// toType is a command in a complaint.
var toType = regexp.MustCompile(`go run [^;,]*`)

// wrapComplaint breaks a complaint between words, and no command that it names: whoever copies that
// gets one line.
func wrapComplaint(text string, width int) string {
	const blank = "\ue000" // for private use, so that no text has it
	held := toType.ReplaceAllStringFunc(text,
		func(command string) string { return strings.ReplaceAll(command, " ", blank) })
	return strings.ReplaceAll(wrapWords(held, "  ", width), blank, " ")
}
