// Package check is the engine of the labs' suites: it runs the cases of a lab on an answer, watches over calls that
// hang, crash or do harm, writes the failures that students read, and counts the points.
//
// # Terms
//
// An answer is what somebody hands in: a student's, the reference in solutions/, or a known-wrong one. A [Lab] is a suite, a table
// of cases, applied to one answer. A [Case] tests one rule. The same table is run by
//
//   - [Run], for students: each case a subtest, in a second process, with points and the results file;
//   - [Failures], for tools and proofs: in this process, returning the cases that fail;
//   - [Prove], in solutions/NN: on the reference, on other right answers and on the wrong ones.
//
// # A lab
//
// Copy labs/05 and solutions/05; they are the model.
//
//	labs/NN/subject.go                  the starter: documented functions that do panic("not started"), nothing else
//	labs/NN/subject_test.go             one call: subjecttest.Run(t, subjecttest.Lab{…})
//	labs/NN/subjecttest/                Lab (the student's functions), Suite (the table), Run; the cases in cases.go
//	labs/NN/README.md                   the task, complete without a look at the suite, and the points
//	solutions/NN/subject.go             the reference, to be read beside the starter
//	solutions/NN/right_test.go          at least two sound answers in other styles
//	solutions/NN/wrong_test.go          at least ten wrong ones
//	solutions/NN/subject_test.go        Run on the reference, and Prove
//
// TestSolutionsInPlaceOfStarters and TestStarters of this package find a new lab by its folder.
//
// # A case
//
// Give it a constant for its name, which the wrong answers refer to, and a function of C:
//
//	func (s suite) endInside(c *check.C) {
//		for _, cut := range c.Cuts(2) {
//			c.Variation("a new connection, %s", cut.Name)        // begins the numbered steps anew
//			conn, peer := c.Connect()                            // conn is the student's, peer the suite's
//			c.Say("the suite has sent 3 of 4 header bytes")      // a step; also told when a call hangs
//			peer.Send(cut.Pieces([]byte{9, 0, 0})...)
//			peer.CloseWrite()
//			var err error
//			c.Do("ReadMessage(conn, 100)", func() { _, err = s.lab.ReadMessage(conn, 100) })
//			c.Step("ReadMessage returned %s", check.Err(err))
//			c.WantError("inside a message", err, io.ErrUnexpectedEOF)
//		}
//	}
//
// Do waits for the call; Start lets it run, and Await waits for something else meanwhile: an answer in peer.Received(), or
// the end of the connection in peer.Over(). To see that a call does not return yet, await that it has ended or that the code is
// Resting, and look which. Every call has to be waited for. C's methods end the case when something
// is wrong, so there is nothing to return. They are called from the case's own goroutine, never inside Do's function.
// C.Listen is for code that accepts, C.Datagrams for UDP, C.Writer for an io.Writer that takes bytes badly, C.Cleanup for files.
//
// What has to be random comes from C.Seed. The verdict must not depend on it: a mistake that only some seeds find also needs
// a variation that always finds it. The rule says what is right, the hint what to do next; neither repeats the
// message. Needs names earlier cases without which this one says nothing new; a case is then reported as not run.
//
// C.Allocated and C.InUse measure memory. The runtime counts it for the whole process, and a proof runs several answers in
// one: a case that measures sets Memory, and then no other case runs beside it.
//
// Sleeping is never needed. Send does not block; a Read on the student's side returns at most one piece, so a pause is
// a cut; Settle waits until both sides have all that was sent.
//
// # Hanging
//
// A call hangs when its goroutines all wait for each other or in Read or Accept on connections whose peer is at rest.
// That is seen in the goroutines' stacks and in the adversaries, so it takes no time. It is reported with the student's line, the
// call that blocks, and the words of the last Say. A select, a sleep or a deadline may end by itself; then the limit of
// 1.5 s holds. Set Timers in a case whose sound answers may use time.AfterFunc or receive from time.After while they
// read: there only the limit holds. Reads that go on after a hundred errors are ended as running in circles.
//
// What is left when the calls have returned fails the case too: goroutines that they started, and, in Run, open files.
//
// # A wrong answer
//
// Write the mistake as people make it, ten lines or so, right in everything else, and name the exact cases that must
// fail. Cases that are not run for want of another are not among them. The order matters in one way: the first answer
// that is named for a case provides its failure text in testdata/failures (go test ./solutions/NN -update; read
// the text as a student would before you commit it). Line numbers and ports are masked there.
//
// A wrong answer that costs its watchdog 1.5 s is one too many: make it hang in Read, not in a sleep. All answers run
// in one process, two at a time, so a wrong answer must not exit, panic outside its call, or race; that is tested
// here, with testdata/hostile.
//
// # What an answer cannot do
//
// In Run, the student's code runs in a second process, which is told neither the results file nor the real standard
// output. It can therefore exit, panic in a goroutine, overflow its stack, fill the memory, print fake lines, close its files or spin: the case
// that it was in fails, is told why, and the next case gets a fresh process. Zeros are written to the results file first.
// Imports outside the standard library and golang.org/x/text, and init functions, take all points.
//
// The first process contains the student's code as well, but only its package variables are set there. A goroutine that
// these have started, a line for this lab in the results file that the suite has not written, or another file in its place takes all points. A
// variable whose value exits with status 0 makes the go command print "ok" without a single line in the results file: for
// whoever counts points, no lines are no points. Against an answer written to attack the grader itself, only a
// sandbox around the whole test helps.
package check
