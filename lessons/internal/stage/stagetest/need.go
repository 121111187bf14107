package stagetest

import (
	"runtime"
	"testing"
)

// NeedShell skips a test whose commands are written for a POSIX shell where the lessons' server has
// another one.
func NeedShell(t testing.TB) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the commands of this test are written for sh, and Windows has cmd.exe")
	}
}
