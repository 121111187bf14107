package score

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// longestName is how many bytes of a student's id a file name has; file systems allow 255.
const longestName = 120

// hashDigits of an id's hash tell it from others whose names would be the same. With eight of them, two ids that
// have the same ones are found within a second.
const hashDigits = 32

// FileName is the name under which a student's files are written: the id, with everything that is
// not a letter, a digit or one of "-_.@+ " replaced. Two ids never have the same name.
func FileName(id string) string {
	var b strings.Builder
	safe := true
	for i, r := range id {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9',
			strings.ContainsRune("-_@+", r), strings.ContainsRune(". ", r) && i > 0 && i < len(id)-1,
			0x3400 <= r && r <= 0x9fff, 0xc0 <= r && r <= 0x24f && r != 0xd7 && r != 0xf7,
			0xac00 <= r && r <= 0xd7a3, 0x3041 <= r && r <= 0x30ff, 0x370 < r && r <= 0x4ff:
			b.WriteRune(r)
		default:
			b.WriteByte('_')
			safe = false
		}
	}
	name := b.String()
	if len(name) > longestName {
		name, safe = strings.ToValidUTF8(name[:longestName], ""), false
	}
	// The names of devices on Windows, whatever follows behind a dot.
	stem, _, _ := strings.Cut(strings.ToLower(name), ".")
	switch stem {
	case "", "con", "prn", "aux", "nul":
		safe = false
	}
	if len(stem) == 4 && (strings.HasPrefix(stem, "com") || strings.HasPrefix(stem, "lpt")) {
		safe = false
	}
	if strings.Contains(name, "~") || !safe {
		name = fmt.Sprintf(
			"%s~%s",
			strings.ReplaceAll(strings.TrimRight(name, ". "), "~", "_"),
			Hash([]byte(id))[:hashDigits],
		)
		if stem == "con" || stem == "prn" || stem == "aux" || stem == "nul" || len(stem) == 4 {
			name = "_" + name
		}
	}
	return name
}

// Hash is the SHA-256 of a text, in hexadecimal.
func Hash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
