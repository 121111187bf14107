//go:build unix

package intake

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is not a file is not opened, and a file without an end is not read.
func TestWhatIsNotAFile(t *testing.T) {
	dir := write(
		t,
		t.TempDir(),
		map[string]string{
			"ok/framing.go": answer, "linked/x": "", "sparse/x": "", "fifo/x": "",
			"lab/labs/07/x": "", "wrapped/main/x": "", "beside/framing.go": answer,
			"zipped.zip": zipOf(t, item{name: "labs/05", text: "/", mode: os.ModeSymlink}),
		},
	)
	secret := write(t, t.TempDir(), map[string]string{"framing.go": "package secret\n"})
	require.NoError(t, os.Symlink(filepath.Join(secret, "framing.go"), filepath.Join(dir, "linked/framing.go")))
	require.NoError(t, os.Symlink(secret, filepath.Join(dir, "outside")))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "deep"), 0o755))
	require.NoError(t, os.Symlink(secret, filepath.Join(dir, "deep/labs")))
	for _, name := range []string{"lab/labs/05", "wrapped/main/labs", "beside/labs"} {
		require.NoError(t, os.Symlink(secret, filepath.Join(dir, name)))
	}
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "fifo/framing.go"), 0o644))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe.zip"), 0o644))
	f, err := os.Create(filepath.Join(dir, "sparse/framing.go"))
	require.NoError(t, err)
	require.NoError(t, f.Truncate(10<<30))
	require.NoError(t, f.Close())
	got, _ := collected(t, nil, dir)
	require.Equal(t, map[string]string{
		"ok":      answer,
		"linked":  "framing.go is a symbolic link; only a regular file is read",
		"outside": "outside is a symbolic link, not a folder or an archive",
		"deep":    "labs is a symbolic link, not a folder; links are not followed",
		"lab":     "labs/05 is a symbolic link, not a folder; links are not followed",
		"wrapped": "main/labs is a symbolic link, not a folder; links are not followed",
		"zipped":  "labs/05 is a symbolic link, not a folder; links are not followed",
		"beside":  answer,
		"fifo":    "framing.go is a named pipe; only a regular file is read",
		"pipe":    "pipe.zip is a named pipe, not a folder or an archive",
		"sparse":  "framing.go has 10737418240 bytes; an answer has at most 262144",
	}, got)
	for _, name := range []string{"deep", "lab"} { // alone, they are no folders of a class
		got, _ := collected(t, nil, filepath.Join(dir, name))
		require.Contains(t, got[name], "links are not followed")
		require.Len(t, got, 1)
	}
	// in place of a file that was listed
	text, err := readRegular(filepath.Join(dir, "fifo"), "framing.go")
	require.Error(t, err)
	require.Empty(t, text)
	_, err = readRegular(filepath.Join(dir, "linked"), "framing.go")
	require.Error(t, err)
}
