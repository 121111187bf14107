//go:build !linux && !darwin && !windows

package stage

import "os"

// terminalWidth asks the terminal for its columns; 0 if it does not say.
func terminalWidth(*os.File) int { return 0 }
