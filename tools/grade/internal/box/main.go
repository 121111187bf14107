// Box is the program that tools/grade starts for each box, and that becomes each command in it: package
// sandbox says how. tools/grade could do both itself. But it is a large program, which takes
// milliseconds of a processor to begin, and in a box there is a new process for each case of each lab.
package main

import (
	"fmt"
	"os"

	"socketbook/tools/grade/internal/sandbox"
)

func main() {
	sandbox.Main()
	fmt.Fprintln(os.Stderr, "this program is started by tools/grade, and by nobody else")
	os.Exit(1)
}
