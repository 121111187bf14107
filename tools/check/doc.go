// Package check is the engine of the labs' suites: it runs the cases of a lab on an answer, watches
// over calls that hang, crash or do harm, writes the failures that students read, and counts the
// points.
//
// # Terms
//
// An answer is what somebody hands in: a student's, the reference in solutions/, or a known-wrong
// one. A [Lab] is a suite, a table of cases, applied to one answer. A [Case] tests one rule. The
// same table is run by
//
//   - [Run], for students: each case a subtest, in processes of its own, with points and the results file;
//   - [Verdicts], for tools: in this process, one row for each case;
//   - [Prove], in solutions/NN: on the reference, on other right answers and on the wrong ones.
//
// The files are read in this order, and each knows only those behind it: proof, elsewhere, run, worker,
// group, machine, source, report, lab, memory, watch, connect, want, case, results, flags, diff, files,
// stacks.
//
// # A lab
//
// Copy labs/05 and solutions/05; they are the model.
//
//	labs/NN/subject.go             the starter: documented functions that do panic("not started")
//	labs/NN/subject_test.go        one call: subjecttest.Run(t, subjecttest.Lab{…})
//	labs/NN/subjecttest/           Lab (the student's functions), Suite (the table), Run; cases.go
//	labs/NN/README.md              the task, complete without a look at the suite, and the points
//	solutions/NN/subject.go        the reference, to be read beside the starter
//	solutions/NN/right_test.go     var right: the reference, and at least two in other styles
//	solutions/NN/wrong_test.go     var wrong: at least ten wrong answers
//	solutions/NN/subject_test.go   Run on the reference, and Prove
//
// TestSolutionsInPlaceOfStarters and TestStarters of this package find a new lab by its folder. So does
// tools/grade: go test ./tools/grade/internal/suites -update adds the lab to its list, and the tests of
// that package and of tools/grade say what is missing. For the grader
//
//   - Suite sets [Lab].Answer to the struct that it was applied to;
//   - subject_test.go needs no declaration besides its one test: its call of Run is compiled into the
//     program of the student's code, with the same imports;
//   - what a suite embeds is below its own folder, subjecttest;
//   - what a student may import is in tools/grade/internal/source, in allowed.go. A lab that needs more
//     gets a line there.
//
// # Across a process boundary
//
// A grader of strangers' code makes its verdict in a process where no such code runs: the functions
// of the Lab struct are then stubs that carry calls to another process, and every object that a
// call was given is carried back to the suite, method by method. For this to work in every lab:
//
//   - A Lab struct has fields of func type only. Their parameters and results are basic types, slices,
//     errors, time.Time and time.Duration, structs of the suite with exported fields, interfaces of the
//     standard library or of the suite, and functions of all these. A type of the student's is none of
//     them: where the student makes something, the field is a constructor that returns functions.
//   - A suite hands out what it has made (connections, listeners, readers, writers, callbacks, contexts)
//     as interfaces, and asks for no *net.TCPConn, no descriptor and no SyscallConn. A folder goes by its
//     path.
//   - What was done to an object is asked of the object, which stays with the suite: [fault.Conn.Did]. A
//     suite looks at slices up to their length, and at errors with [Is], never at unexported state.
//   - An error that comes back is the same one if the suite or the standard library made it, and else only
//     a text that wraps others.
//   - Time is real. A deadline arrives as a point in time, some microseconds late; a suite that waits has
//     to be told by the object what the other side waits for, and not by a clock of its own.
//   - Whatever only the other process knows (allocated bytes, goroutines, slices changed behind their
//     length) is asked through C only: Allocated, Largest, InUse, Resting, and what is left behind.
//   - A slice is lent with what is behind it in its array, and what is written into it comes back: bytes
//     with each call of an object, everything else when the call returns. What code returns comes with
//     up to 4 KiB behind it. One of more than 16 MiB must be zeros, which are not sent. None is a
//     package variable, which others see.
//
// Some mistakes do nothing there, those with a *net.TCPConn for example: [Answer].Elsewhere says why.
//
// [VerdictsElsewhere] is the engine's side of it; [Lab].Answer is the struct that Suite was applied to.
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
//			c.WantOpen("ReadMessage", peer.Conn())
//		}
//	}
//
// Do waits for the call; Start lets it run, and Await waits for something else meanwhile: an answer
// in peer.Received(), or the end of the connection in peer.Over(). To see that a call does not
// return yet, await that it has ended or that the code is Resting, and look which. Every call has
// to be waited for. C's methods end the case when something is wrong, so there is nothing to
// return. They are called from the case's own goroutine, never inside Do's function. C.Listen is
// for code that accepts, C.Datagrams for UDP, C.Writer for an io.Writer that takes bytes badly,
// C.Cleanup for files. C.Prompt is Await for what has to come without a wait. C.ConnectTCP and
// C.ListenTCP hand out a *net.TCPConn, for code that does something else then; its witness is
// IsClosed, or a Write of the suite's. The ways in which a connection can break are fault.Failures.
// What the suite itself cannot do is NotGraded, not Fail.
//
// What has to be random comes from C.Seed. The verdict must not depend on it: a mistake that only
// some seeds find also needs a variation that always finds it. The rule says what is right, the
// hint what to do next; neither repeats the message. Needs names earlier cases without which this
// one says nothing new: it is reported as not run then, even where it has begun beside them.
//
// What takes long, because it waits for a clock, goes into Also: Run and each function of Also has a process
// of its own, beside the others. A first variation that takes long holds all others up where the case is one
// that needs none: what needs it, and what needs that, begins when this variation has passed.
//
// C.Allocated, C.Largest and C.InUse measure memory. The runtime counts it for the whole process: a case
// that measures sets Memory, and then it has a process of its own in proofs, too.
//
// Sleeping is never needed. Send does not block; a Read on the student's side returns at most one
// piece, so a pause is a cut; Settle waits until both sides have all that was sent.
//
// # Hanging
//
// A wait that takes 1.5 s is given up (6 s, as long as the code computes or something is on its
// way), and reported with the student's line, the call that blocks, and the words of the last Say.
// When all calls have returned, nothing is left behind and nothing is on its way, it is given up at
// once. Calls that go on after a hundred errors are ended. A machine that stands still does not
// count.
//
// What is left when the calls have returned fails the case too: goroutines that they started, and,
// in Run, open files. That costs one case, however many see it.
//
// # A wrong answer
//
// Write the mistake as people make it, ten lines or so, right in everything else, and name the
// exact cases that must fail. Cases that are not run for want of another are not among them. The
// order matters in one way: the first answer that is named for a case provides its failure text in
// testdata/failures (go test ./solutions/NN -update; read the text as a student would before you
// commit it). Line numbers and ports are masked there.
//
// Many answers run in one process at a time, so a wrong answer must not exit, panic outside its
// call, or race; that is tested here, with testdata/hostile.
//
// # What is not defended
//
// In Run, a worker runs one case and ends; on Unix all that it has started is ended with it. So a
// student's code can exit, panic in a goroutine, overflow its stack, fill the memory, print fake
// lines, close its files or spin: the case that it was in fails, is told why, and no other. But the
// worker also makes the verdict, and code that runs before anything is called shares the first
// process with the results file. Run is for code that one trusts. Imports outside the standard
// library and golang.org/x/text, and init functions, are refused to keep labs simple, not safe.
package check
