package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// escapeSequences asks the console to obey escape sequences, which it shows as text otherwise, and
// reports whether it does (Windows 10 on). restore sets the console back for the program after this
// one.
func escapeSequences(console *os.File) (ok bool, restore func()) {
	handle := windows.Handle(console.Fd())
	var before uint32
	if err := windows.GetConsoleMode(handle, &before); err != nil {
		return false, func() {}
	}
	mode := before | windows.ENABLE_PROCESSED_OUTPUT | windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING
	if err := windows.SetConsoleMode(handle, mode); err != nil {
		return false, func() {}
	}
	return true, func() { _ = windows.SetConsoleMode(handle, before) }
}
