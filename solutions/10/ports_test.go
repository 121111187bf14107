package ports_test

import (
	"flag"
	"testing"

	"socketbook/labs/10/portstest"
	ports "socketbook/solutions/10"
	"socketbook/tools/check"
)

var update = flag.Bool("update", false, "write the failure texts in testdata instead of comparing them")

// reference is the answer in ports.go.
var reference = portstest.Adapt(ports.Parse, ports.Blocks)

func TestPorts(t *testing.T) { portstest.Run(t, reference) }

func TestSuiteGradesRight(t *testing.T) {
	check.Prove(t, check.Proof{
		Right:  right,
		Wrong:  wrong,
		Golden: "testdata/failures",
		Update: *update,
	})
}

func answer(name string, lab portstest.Lab, fails ...string) check.Answer {
	return check.Answer{Name: name, Lab: portstest.Suite(lab), Fails: fails}
}

// parsing and blocking are answers of which one half is the reference.
func parsing(name string, parse parseFunc, fails ...string) check.Answer {
	return answer(name, portstest.Adapt(parse, ports.Blocks), fails...)
}

func blocking(name string, blocks blocksFunc, fails ...string) check.Answer {
	return answer(name, portstest.Adapt(ports.Parse, blocks), fails...)
}
