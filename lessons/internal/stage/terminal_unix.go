//go:build !windows

package stage

import (
	"errors"
	"os"
	"syscall"
)

// enableColour reports whether a terminal understands ANSI sequences: on Unix all but the dumb ones do.
func enableColour(*os.File) bool { return true }

// readerLeft reports whether err means that nobody reads a pipe any more, such as one to head or less.
func readerLeft(err error) bool { return errors.Is(err, syscall.EPIPE) }
