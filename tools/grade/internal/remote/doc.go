// Package remote makes a verdict where no student's code runs.
//
// The judge is a program that is built from the untouched project: it has the suite of a lab, and
// every connection, listener, reader and clock that a case hands out. The student's code is in
// another program, the child, which only carries out calls. The functions of the suite's Lab struct
// are stubs in the judge. A stub sends its arguments over one stream and waits. Whatever the suite
// hands over stays in the judge, under a number; the child gets a proxy for it, and each call of the
// proxy is a message that is carried out in the judge, on the original. So a suite sees what was
// done to its connections as it does when everything runs in one process, and what a child says
// about itself earns it nothing but the few things that only it can know: its stacks, its memory,
// and its open files.
//
// For each case there is a fresh child.
//
//	suite := remote.Of(framingtest.Suite)                    // in the judge
//	verdicts := suite.Judge(seed, atOnce, func() (*remote.Process, error) {
//		return remote.Start(exec.Command("./child05"))   // or in a sandbox, with Attach
//	})
//
//	remote.Serve(framingtest.Lab{WriteMessage: …})           // all that the child's main does
//
// The files are read in this order, and each knows only those behind it: start, judge, child, side, objects,
// values, regions, errors, wire.
package remote
