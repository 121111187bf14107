package stage

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/transform"
)

func TestEncodingOfTheLocale(t *testing.T) {
	for _, c := range []struct {
		goos string
		env  map[string]string
		want terminalEncoding
	}{
		{"linux", map[string]string{"LANG": "en_GB.UTF-8"}, inUTF8},
		{"linux", map[string]string{"LANG": "zh_CN.utf8"}, inUTF8},
		{"darwin", map[string]string{"LC_CTYPE": "UTF-8"}, inUTF8},
		{"linux", map[string]string{"LC_ALL": "C.UTF-8", "LANG": "C"}, inUTF8},
		{"linux", nil, inUTF8},
		{"windows", map[string]string{"LC_ALL": "C"}, inUTF8},
		{"linux", map[string]string{"LC_ALL": "C", "LANG": "en_GB.UTF-8"}, onlyASCII},
		{"linux", map[string]string{"LC_CTYPE": "POSIX", "LANG": "en_GB.UTF-8"}, onlyASCII},
		{"linux", map[string]string{"LANG": "de_DE.ISO-8859-1"}, onlyASCII},
		{"linux", map[string]string{"LANG": "de_DE"}, onlyASCII},
		{"linux", map[string]string{"LC_ALL": "zh_CN.GBK", "LANG": "en_GB.UTF-8"}, multiByte},
		{"linux", map[string]string{"LANG": "zh_TW.Big5"}, multiByte},
		{"linux", map[string]string{"LANG": "ja_JP.eucJP"}, multiByte},
	} {
		require.Equal(t, c.want, encodingOf(c.goos, func(name string) string { return c.env[name] }), c)
	}
}

// NO_COLOR takes the colour away and nothing else; the characters depend on the terminal and its encoding.
func TestDrawing(t *testing.T) {
	for _, c := range []struct {
		encoding    terminalEncoding
		env         map[string]string
		colour, box bool
	}{
		{inUTF8, map[string]string{"TERM": "xterm"}, true, true},
		{inUTF8, map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, false, true},
		{inUTF8, map[string]string{"TERM": "dumb"}, false, false},
		{onlyASCII, map[string]string{"TERM": "xterm"}, true, false},
		{multiByte, map[string]string{"TERM": "xterm"}, true, false},
	} {
		colour, box := drawing(c.encoding, func(name string) string { return c.env[name] })
		require.Equal(t, []bool{c.colour, c.box}, []bool{colour, box}, c)
	}
}

// What a terminal obeys becomes visible, however the bytes are cut; what people read stays.
func TestControls(t *testing.T) {
	for _, c := range []struct {
		encoding terminalEncoding
		in, want string
	}{
		{inUTF8, "HELLO, 你好 é\tx\n", "HELLO, 你好 é\tx\n"},
		{inUTF8, "👩\u200d👩\u200d👧 \u00a0\ufffd", "👩\u200d👩\u200d👧 \u00a0\ufffd"},
		{inUTF8, "a\r\nb\r\n", "a\r\nb\r\n"},
		{inUTF8, "real\rfake\r", `real\x0dfake\x0d`},
		{inUTF8, "\x1b]0;title\a", `\x1b]0;title\x07`},
		{inUTF8, "\x1b]52;c;cm0gLXJm\x1b\\", `\x1b]52;c;cm0gLXJm\x1b\`},
		{inUTF8, "\x1b[2J\x1b[H\b\x7f\x00", `\x1b[2J\x1b[H\x08\x7f\x00`},
		{inUTF8, "\u009b2J", `\u009b2J`},
		{inUTF8, "\x9b2J \xe4\xbd", "\\x9b2J \xe4\xbd"},
		{inUTF8, "\xd6\xd0", "\xd6\xd0"},
		{inUTF8, "user\u202enimda", `user\u202enimda`},
		{onlyASCII, "é \x9b2J\x1b", `\xc3\xa9 \x9b2J\x1b`},
		{multiByte, "\xd6\xd0\x9b\x40 \x1b[2J", "\xd6\xd0\x9b\x40 " + `\x1b[2J`},
	} {
		whole := transform.NewReader(strings.NewReader(c.in), &controls{encoding: c.encoding})
		got, err := io.ReadAll(whole)
		require.NoError(t, err)
		require.Equal(t, c.want, string(got), "%q", c.in)

		var out strings.Builder
		w := transform.NewWriter(&out, &controls{encoding: c.encoding})
		_, err = io.Copy(w, iotest.OneByteReader(strings.NewReader(c.in)))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		require.Equal(t, c.want, out.String(), "%q, byte by byte", c.in)

		for size := range len(c.want) + 1 { // room for a part of it, up to all
			dst := make([]byte, size)
			written, read, err := (&controls{encoding: c.encoding}).Transform(dst, []byte(c.in), true)
			require.Equal(t, size < len(c.want), err == transform.ErrShortDst, "%q, %d bytes", c.in, size)
			rest, _, rerr := transform.String(&controls{encoding: c.encoding}, c.in[read:])
			require.NoError(t, rerr)
			require.Equal(t, c.want, string(dst[:written])+rest)
		}
	}
}

func TestWrapWords(t *testing.T) {
	text := "connecting to 127.0.0.1:45678: connection refused: nobody listens there; start the " +
		"server first: go run ./lessons/01 server -addr 127.0.0.1:45678"
	for _, width := range []int{40, 60} {
		wrapped := wrapWords(text, "  ", width)
		require.Equal(t, strings.Fields(text), strings.Fields(wrapped), "no word is broken")
		lines := strings.Split(wrapped, "\n")
		require.Greater(t, len(lines), 2)
		for i, line := range lines {
			require.LessOrEqual(t, len(line), width)
			require.Equal(t, i > 0, strings.HasPrefix(line, "  "))
		}
	}
	require.Equal(t, "字字 字字\n  字", wrapWords("字字 字字 字", "  ", 9), "a Chinese character takes two columns")
}

// Ports below 1024 belong to the administrator on Unix, and not on Windows.
func TestKeptPort(t *testing.T) {
	require.Equal(t, "ports below 1024 belong to the administrator", keptPort("linux"))
	require.NotContains(t, keptPort("windows"), "1024")
	require.Contains(t, keptPort("windows"), "netsh interface ipv4 show excludedportrange protocol=tcp")
}

// Each system has a command of its own that names the program behind a port.
func TestWhoHas(t *testing.T) {
	for _, c := range []struct {
		goos string
		udp  bool
		want string
	}{
		{"linux", false, "ss -lntp 'sport = :8080'"},
		{"linux", true, "ss -lnup 'sport = :8080'"},
		{"windows", false, "netstat -ano | findstr :8080"},
		{"windows", true, "netstat -ano | findstr :8080"},
		{"darwin", false, "lsof -nP -i :8080"},
		{"darwin", true, "lsof -nP -i :8080"},
	} {
		require.Equal(t, c.want, whoHas(c.goos, c.udp, "[::1]:8080"))
	}
}
