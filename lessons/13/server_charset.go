package main

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// charset is the encoding of the text on the wire. It refuses what it cannot say or read.
type charset struct {
	encoding.Encoding
	name string
	has  func(lead, trail byte) bool // of two bytes that Encoding knows; nil: all of them
}

// gb2312 is the part of GBK that GB 2312-80 has.
var gb2312 = charset{simplifiedchinese.GBK, "gb2312", inGB2312}

// encode returns the bytes for a text. The error names the first character that has none.
func (c charset) encode(text string) ([]byte, error) {
	var all []byte
	for i, r := range text {
		invalid := r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError))
		b, err := c.NewEncoder().Bytes([]byte(string(r)))
		if invalid || err != nil || !c.allowed(b) {
			return nil, fmt.Errorf("%q %w %s", r, errCannotSay, c.name)
		}
		all = append(all, b...)
	}
	return all, nil
}

var errCannotSay = errors.New("is not in")

// decode returns the text for bytes. The decoders of x/text never fail: they put U+FFFD for what
// they do not know.
func (c charset) decode(b []byte) (string, error) {
	text, err := c.NewDecoder().Bytes(b)
	if err != nil || strings.ContainsRune(string(text), utf8.RuneError) || !c.allowed(b) {
		return "", fmt.Errorf("not %s: % .16x", c.name, b)
	}
	return string(text), nil
}

// allowed reports whether has knows every character of two bytes.
func (c charset) allowed(b []byte) bool {
	for i := 0; c.has != nil && i < len(b); i++ {
		if b[i] < utf8.RuneSelf {
			continue
		}
		if i+1 == len(b) || !c.has(b[i], b[i+1]) {
			return false
		}
		i++
	}
	return true
}

// inGB2312 reports whether the standard has a character for two bytes. It has 94 rows (区) of 94
// cells (位); each number is sent with 0xA0 added. Not every cell is taken.
func inGB2312(lead, trail byte) bool {
	row, cell := int(lead)-0xA0, int(trail)-0xA0
	if cell < 1 || cell > 94 {
		return false
	}
	between := func(from, to int) bool { return from <= cell && cell <= to }
	switch row {
	case 1, 3: // punctuation; ASCII at full width
		return true
	case 2: // numerals in lists
		return between(17, 66) || between(69, 78) || between(81, 92)
	case 4: // hiragana
		return between(1, 83)
	case 5: // katakana
		return between(1, 86)
	case 6: // Greek
		return between(1, 24) || between(33, 56)
	case 7: // Cyrillic
		return between(1, 33) || between(49, 81)
	case 8: // pinyin with tones; zhuyin
		return between(1, 26) || between(37, 73)
	case 9: // box drawing
		return between(4, 79)
	case 55: // the end of the 3755 common characters, by pinyin
		return between(1, 89)
	}
	return 16 <= row && row <= 87 // 3755 by pinyin up to row 55, then 3008 by radical
}
