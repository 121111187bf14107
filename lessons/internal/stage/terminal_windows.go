package stage

import (
	"errors"
	"os"
	"syscall"
	"unsafe"
)

var (
	kernel32        = syscall.NewLazyDLL("kernel32.dll")
	setConsoleMode  = kernel32.NewProc("SetConsoleMode")
	consoleGeometry = kernel32.NewProc("GetConsoleScreenBufferInfo")
)

// enableColour asks the console to understand ANSI sequences, which Windows 10 and later do on request.
func enableColour(f *os.File) bool {
	const virtualTerminal = 0x4 // ENABLE_VIRTUAL_TERMINAL_PROCESSING
	var mode uint32
	if err := syscall.GetConsoleMode(syscall.Handle(f.Fd()), &mode); err != nil {
		return false
	}
	ok, _, _ := setConsoleMode.Call(f.Fd(), uintptr(mode|virtualTerminal))
	return ok != 0
}

// terminalWidth asks the console for its columns; 0 if it does not say.
func terminalWidth(f *os.File) int {
	var info struct { // CONSOLE_SCREEN_BUFFER_INFO
		size, cursor struct{ x, y int16 }
		attributes   uint16
		window       struct{ left, top, right, bottom int16 }
		largest      struct{ x, y int16 }
	}
	if ok, _, _ := consoleGeometry.Call(f.Fd(), uintptr(unsafe.Pointer(&info))); ok == 0 {
		return 0
	}
	return int(info.window.right-info.window.left) + 1
}

// readerLeft reports whether err means that nobody reads a pipe any more, such as one to more.
func readerLeft(err error) bool {
	// ERROR_NO_DATA, ERROR_PIPE_NOT_CONNECTED
	const noData, notConnected = syscall.Errno(232), syscall.Errno(233)
	return errors.Is(err, syscall.ERROR_BROKEN_PIPE) || errors.Is(err, noData) || errors.Is(err, notConnected)
}
