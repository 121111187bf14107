package check

import (
	"flag"
	"os"
	"testing"
	"time"
)

const (
	// labTime is how long all cases of a lab may take when one of them has failed, so that the verdict comes
	// within 20 seconds. What has not begun by then is not run.
	labTime = 18 * time.Second
	// mostTime is how long they may take otherwise: a machine may be busy with something else.
	mostTime = time.Minute
)

// The flags exist in test binaries only.
var (
	seedFlag      = new(uint64)
	timelineFlag  = new(bool)
	inProcessFlag = new(bool)
)

func init() {
	if testing.Testing() {
		flag.Uint64Var(seedFlag, "seed", 0, "replay what a lab's suite does at random; 0 picks a `number`")
		flag.BoolVar(timelineFlag, "timeline", os.Getenv("SOCKETBOOK_TIMELINE") != "",
			"print the recorded timeline of each failed case of a lab (also SOCKETBOOK_TIMELINE=1)")
		flag.BoolVar(inProcessFlag, "inprocess", false,
			"run a lab's cases in the test process itself, for a debugger; a crash then ends them all")
	}
}
