package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/windows"
)

// The console is asked to obey escape sequences, and is afterwards as it was before.
func TestTheConsoleObeysEscapeSequences(t *testing.T) {
	console, err := os.OpenFile("CONOUT$", os.O_RDWR, 0)
	if err != nil {
		t.Skip("this process has no console:", err)
	}
	defer console.Close()
	mode := func() (mode uint32) {
		require.NoError(t, windows.GetConsoleMode(windows.Handle(console.Fd()), &mode))
		return mode
	}
	found := mode()
	without := found &^ windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING
	require.NoError(t, windows.SetConsoleMode(windows.Handle(console.Fd()), without))
	defer func() { _ = windows.SetConsoleMode(windows.Handle(console.Fd()), found) }()

	ok, restore := escapeSequences(console)
	require.True(t, ok)
	require.NotZero(t, mode()&windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING)
	restore()
	require.Equal(t, without, mode())

	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	ok, restore = escapeSequences(w)
	require.False(t, ok, "a pipe is not a console")
	restore()
}
