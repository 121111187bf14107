package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A disk on another machine, or a full one, may refuse the last bytes when the file is closed. No folder
// of this machine does that, so a process of the test's own has the kernel refuse its close(2).
func TestCloseFails(t *testing.T) {
	if folder := os.Getenv("CLOSE_FAILS_IN"); folder != "" {
		fmt.Println(saveWithoutClose(folder))
		os.Exit(0)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestCloseFails$")
	folder := t.TempDir()
	cmd.Env = append(os.Environ(), "CLOSE_FAILS_IN="+folder)
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "close "+filepath.Join(folder, "a.txt")+": input/output error\n", string(out))
}

// saveWithoutClose reads a message whose last bytes come when close(2) has begun to fail.
func saveWithoutClose(folder string) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	c := client{folder: root}
	message := frame(`{"file_name": "a.txt", "total_size": 2}`, "hi")
	last := len(message) - 1
	r := io.MultiReader(bytes.NewReader(message[:last]), refusal{}, bytes.NewReader(message[last:]))
	return c.readMessage(r, io.Discard)
}

// refusal is a reader of nothing that makes each close(2) of this process fail from then on.
type refusal struct{}

func (refusal) Read([]byte) (int, error) {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_CLOSE, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EIO)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, err
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return 0, errno
	}
	return 0, io.EOF
}
