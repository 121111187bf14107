// Package coursetest makes a small course to try the tools on: lab 05 with its real suite, and
// whatever else a test asks for. What a student has done in the clone that the tests run in does
// not matter.
package coursetest

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/tools/check"
	"socketbook/tools/internal/runner"
)

// Answers to lab 05.
const (
	Starter = `// Package framing is lab 05.
package framing

import "io"

// WriteMessage writes one message.
func WriteMessage(w io.Writer, payload []byte) error {
	panic("not started")
}

// ReadMessage reads one message.
func ReadMessage(r io.Reader, limit int) ([]byte, error) {
	panic("not started")
}
`
	Right = before + "io.ReadFull(r, header[:])" + after // 10 points
	// takes the first piece of a header for all of it: 7 points
	Split = before + "r.Read(header[:])" + after
	Wrong = before + "io.ReadFul(r, header[:])" + after // does not compile
	Hangs = before + "io.ReadFull(r, make([]byte, 5))" + after

	before = `package framing

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
)

func WriteMessage(w io.Writer, payload []byte) error {
	if len(payload) > math.MaxInt32 {
		return errors.New("too long")
	}
	var header [4]byte
	binary.LittleEndian.PutUint32(header[:], uint32(len(payload)))
	for _, part := range [][]byte{header[:], payload} {
		if n, err := w.Write(part); err != nil {
			return err
		} else if n < len(part) {
			return io.ErrShortWrite
		}
	}
	return nil
}

func ReadMessage(r io.Reader, limit int) ([]byte, error) {
	var header [4]byte
	if _, err := `
	after = `; err != nil {
		return nil, err
	}
	n := int(int32(binary.LittleEndian.Uint32(header[:])))
	if n < 0 || n > limit {
		return nil, errors.New("a length that cannot be")
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(r, payload); errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	} else if err != nil {
		return nil, err
	}
	return payload, nil
}
`
)

// Each course has a folder of its own. Without the folders' names in it, what is compiled for one
// serves all.
func init() { os.Setenv("GOFLAGS", os.Getenv("GOFLAGS")+" -trimpath") }

// New makes the course, with lab 05 as answer has it, and returns its folder. Folders such as
// "lessons" are copied from the clone besides.
func New(t testing.TB, answer string, folders ...string) string {
	t.Helper()
	from, err := runner.FindRoot(".")
	require.NoError(t, err)
	root := t.TempDir()
	folders = append(folders, "labs/05")
	if !slices.Contains(folders, "tools") {
		folders = append(folders, "tools/check", "tools/fault", "tools/loopback", "tools/timeline")
	}
	for _, folder := range folders {
		require.NoError(t, os.CopyFS(filepath.Join(root, folder), os.DirFS(filepath.Join(from, folder))))
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(from, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(root, name), text, 0o644))
	}
	Write(t, root, answer)
	return root
}

// Small makes a course with nothing but a small lab 05.
func Small(t testing.TB, answer string) string {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "go.mod"),
		[]byte("module socketbook\n\ngo 1.26.0\n"), 0o644))
	AddSmall(t, root, "05", answer)
	return root
}

// AddSmall adds a lab with a suite of one case, which passes when a function of the student's
// returns: answer is its body. It is built and run in a third of the time that a real suite takes.
func AddSmall(t testing.TB, root, number, answer string) {
	t.Helper()
	folder := filepath.Join(root, "labs", number)
	require.NoError(t, os.MkdirAll(folder, 0o755))
	for name, text := range map[string]string{
		"framing.go": SmallAnswer(answer),
		"README.md":  "# Lab " + number + ": a title\n\nYou edit one file, `labs/" + number + "/framing.go`.\n",
		"framing_test.go": `package framing

import (
	"flag"
	"os"
	"testing"
)

var _ = flag.Uint64("seed", 0, "")

func TestFraming(t *testing.T) {
	t.Run("the case", func(t *testing.T) { answer() })
	passed := []byte("{\"lab\":\"` + number +
			`\",\"case\":\"the case\",\"points\":1,\"of\":1,\"outcome\":\"passed\"}\n")
	if err := os.WriteFile(os.Getenv("` + check.ResultsVariable + `"), passed, 0o600); err != nil {
		t.Fatal(err)
	}
}
`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644))
	}
}

// SmallAnswer is the file of a small lab.
func SmallAnswer(answer string) string {
	return "package framing\n\nimport (\n\t\"os\"\n\t\"os/exec\"\n)\n\nvar _, _ = os.Getpid, " +
		"exec.Command\n\n" +
		"func answer() {\n\t" + answer + "\n}\n"
}

// Write puts an answer into lab 05.
func Write(t testing.TB, root, answer string) {
	t.Helper()
	require.NoError(t, os.WriteFile(File(root), []byte(answer), 0o644))
}

// File is what a student edits in lab 05.
func File(root string) string { return filepath.Join(root, "labs", "05", "framing.go") }
