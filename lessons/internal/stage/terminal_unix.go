//go:build !windows

package stage

import "os"

// enableColour reports whether a terminal understands ANSI sequences: on Unix all but the dumb ones do.
func enableColour(*os.File) bool { return true }
