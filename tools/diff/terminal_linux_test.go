package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// In "go run ./tools/diff 05 | head" standard output is a pipe, and the reader's terminal is the one
// that standard error goes to, or that standard input comes from.
func TestBehindAPipeTheTerminalGivesTheWidth(t *testing.T) {
	// A new pseudo-terminal each time.
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI must have pseudo-terminals:", err)
		}
		t.Skip("there are no pseudo-terminals here:", err)
	}
	defer terminal.Close()
	size := [4]uint16{24, 90} // rows, columns, and pixels that nobody reads
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, terminal.Fd(), syscall.TIOCSWINSZ,
		uintptr(unsafe.Pointer(&size)))
	require.Zero(t, errno)

	for name, set := range map[string]func(*exec.Cmd){
		"standard error": func(cmd *exec.Cmd) { cmd.Stderr = terminal },
		"standard input": func(cmd *exec.Cmd) { cmd.Stdin = terminal },
	} {
		cmd := exec.Command("stages", "testdata/before", "testdata/after")
		cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "COLUMNS=")
		set(cmd)
		out, err := cmd.Output()
		require.NoError(t, err, name)
		first, _, _ := strings.Cut(string(out), "\n")
		require.Len(t, []rune(first), 90, name)
	}
}
