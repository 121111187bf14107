package intake

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// What cannot be read is not taken for what was not handed in. It is looked at as an ordinary user, whom
// permissions hold up.
func TestWhatCannotBeRead(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	dir := write(t, t.TempDir(), map[string]string{
		"file/framing.go": answer, "lab/labs/05/framing.go": answer, "labs/labs/05/framing.go": answer,
		"list/labs/05/framing.go": answer, "wrapper/main/labs/05/framing.go": answer,
		"student/framing.go": answer, "beside/framing.go": answer, "beside/labs/05/framing.go": "",
		"elsewhere/framing.go": answer, "elsewhere/notes/x": "", "none/labs/07/x": "",
		"archive.zip": zipOf(t, item{name: "framing.go", text: answer}),
	})
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o777))
	for name, mode := range map[string]os.FileMode{
		"file/framing.go": 0, "lab/labs/05": 0, "labs/labs": 0, "list/labs/05": 0o444, "wrapper/main": 0,
		"student": 0, "beside/labs": 0, "elsewhere/notes": 0, "none/labs/07": 0, "archive.zip": 0,
	} {
		require.NoError(t, os.Chmod(filepath.Join(dir, name), mode))
		defer os.Chmod(filepath.Join(dir, name), 0o700)
	}
	if os.Getuid() == 0 { // of this thread, for files
		require.NoError(t, syscall.Setfsuid(65534))
		defer syscall.Setfsuid(0)
	}
	got, _ := collected(t, nil, dir)
	require.Equal(t, map[string]string{
		"file":      "framing.go cannot be read: permission denied",
		"lab":       "labs/05 cannot be read: permission denied",
		"labs":      "labs cannot be read: permission denied",
		"list":      "labs/05 cannot be read: permission denied",
		"wrapper":   "main cannot be read: permission denied",
		"student":   "the folder cannot be read: permission denied",
		"beside":    answer,
		"elsewhere": answer,
		"none":      "missing",
		"archive":   "the archive cannot be read: permission denied",
	}, got)
	got, _ = collected(t, nil, filepath.Join(dir, "labs"))
	require.Equal(t, map[string]string{"labs": "labs cannot be read: permission denied"}, got)
	_, err := Collect([]string{filepath.Join(dir, "student")}, labs, nil, t.TempDir())
	require.ErrorIs(t, err, os.ErrPermission)
}
