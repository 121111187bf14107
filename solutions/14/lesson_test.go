package files_test

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	files "socketbook/solutions/14"
)

// TestServerOfTheLesson: the format is lesson 14's. Its server sends the reference a file, all of it, the
// rest of it, and all of it again because the part is another one's; and says why it has no other file.
func TestServerOfTheLesson(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "lesson.exe") // the end that Windows needs
	out, err := exec.Command("go", "build", "-o", program, "../../lessons/14").CombinedOutput()
	require.NoError(t, err, string(out))
	there, here := t.TempDir(), t.TempDir()
	content := strings.Repeat("socket ", 30_000)
	require.NoError(t, os.WriteFile(filepath.Join(there, "film.txt"), []byte(content), 0o666))

	server := exec.Command(program, "server", "-addr", "127.0.0.1:0", "-folder", there)
	stdout, err := server.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	defer server.Wait()
	defer server.Process.Kill()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	require.True(t, ok, line)
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()

	for _, part := range []string{"", content[:100_000], content[1:], content} {
		var first int64 = -1
		require.NoError(t, os.WriteFile(filepath.Join(here, "film.txt.part"), []byte(part), 0o666))
		require.NoError(t, files.Fetch(conn, "film.txt", here, func(done, total int64) {
			if first < 0 {
				first = done
			}
			require.EqualValues(t, len(content), total)
		}))
		got, err := os.ReadFile(filepath.Join(here, "film.txt"))
		require.NoError(t, err)
		require.True(t, string(got) == content, "%d bytes", len(got))
		if strings.HasPrefix(content, part) {
			require.EqualValues(t, len(part), first)
		} else {
			require.Zero(t, first)
		}
	}
	require.ErrorContains(t, files.Fetch(conn, "other.txt", here, nil), "no such file")
}
