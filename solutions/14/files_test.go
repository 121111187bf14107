package files_test

import (
	"flag"
	"testing"

	"socketbook/labs/14/filestest"
	files "socketbook/solutions/14"
	"socketbook/tools/check"
)

var update = flag.Bool("update", false, "write the failure texts in testdata instead of comparing them")

func TestFiles(t *testing.T) { filestest.Run(t, filestest.Lab{Fetch: files.Fetch}) }

func TestSuiteGradesRight(t *testing.T) {
	check.Prove(t, check.Proof{
		Right:  right,
		Wrong:  wrong,
		Golden: "testdata/failures",
		Update: *update,
	})
}

func answer(name string, fetch fetchFunc, fails ...string) check.Answer {
	return check.Answer{Name: name, Lab: filestest.Suite(filestest.Lab{Fetch: fetch}), Fails: fails}
}
