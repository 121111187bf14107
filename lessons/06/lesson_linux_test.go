//go:build amd64 || arm64

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
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
	filter := []syscall.SockFilter{
		{Code: syscall.BPF_LD | syscall.BPF_W | syscall.BPF_ABS}, // the number of the call
		{Code: syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K, K: syscall.SYS_CLOSE, Jf: 1},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: retErrno | uint32(syscall.EIO)},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: retAllow},
	}
	program := syscall.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if _, _, errno := syscall.Syscall(syscall.SYS_PRCTL, setNoNewPrivs, 1, 0); errno != 0 {
		return 0, errno
	}
	number := map[string]uintptr{"amd64": 317, "arm64": 277}[runtime.GOARCH] // of seccomp(2)
	_, _, errno := syscall.Syscall(number, setModeFilter, allThreads, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return 0, errno
	}
	return 0, io.EOF
}

// From linux/seccomp.h and linux/prctl.h.
const (
	setModeFilter = 1
	allThreads    = 1 // SECCOMP_FILTER_FLAG_TSYNC
	retErrno      = 0x00050000
	retAllow      = 0x7fff0000
	setNoNewPrivs = 38
)
