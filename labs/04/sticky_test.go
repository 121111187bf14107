package sticky_test

import (
	"testing"

	sticky "socketbook/labs/04"
	"socketbook/labs/04/stickytest"
)

func TestSticky(t *testing.T) {
	stickytest.Run(t, stickytest.Lab{
		Diagnose: func(sent, received [][]byte) stickytest.Report {
			return stickytest.Report(sticky.Diagnose(sent, received))
		},
		Provoke: sticky.Provoke,
	})
}
