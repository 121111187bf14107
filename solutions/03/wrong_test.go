package reconnect_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"socketbook/labs/03/reconnecttest"
	reconnect "socketbook/solutions/03"
	"socketbook/tools/check"
	"socketbook/tools/loopback"
)

// noTCPConn says why a mistake does nothing in another process.
const noTCPConn = "its connection is no *net.TCPConn there"

// wrong are the mistakes that people make, each with exactly the cases that must fail on it. The
// failure text of a case in testdata is the one that the first answer named for it provokes. Those that take
// long stand at the beginning, so that nobody waits for them in the end.
var wrong = []check.Answer{
	answer("one client, and that is all", serveOnce, reconnecttest.Clients),
	answer("no recover", serveWithoutRecover, reconnecttest.Panic),
	answer("never closed", serveNeverCloses, reconnecttest.Closed, reconnecttest.Panic),
	answer(
		"the handler's error is returned",
		serveReturnsHandlerError,
		reconnecttest.Closed,
		reconnecttest.Error,
		reconnecttest.BreakOff,
	),
	answer("tries again at once", serveSpins, reconnecttest.Pause),
	answer(
		"an error keeps its place in the WaitGroup",
		serveErrorSkipsDone,
		reconnecttest.Error,
		reconnecttest.BreakOff,
	),
	answer("a panic keeps its slot", servePanicKeepsSlot, reconnecttest.Panic),
	answer("a panic skips the Done of the WaitGroup", servePanicSkipsDone, reconnecttest.Panic),
	answer("the pause grows without a bound", serveWith(times(2.4)), reconnecttest.Pause),
	answer("only a handler that succeeds ends the row", serveResetsLate, reconnecttest.Pause),
	answer("the pause grows and is never reset", serveGrowsPause, reconnecttest.Pause),
	answer("only a handler that succeeds ends the row, and the fifth pause is longer", serveResetsLateAtFifth,
		reconnecttest.Pause),
	answer("the errors in a row of all calls are counted together", serveCountsForAll(), reconnecttest.Pause),
	answer("a pause of 200 ms", serveWith(fixed(200*time.Millisecond)), reconnecttest.Pause),
	answer("the pause grows too soon", serveWith(func(before time.Duration) time.Duration {
		return min(before+60*time.Millisecond, 300*time.Millisecond)
	}), reconnecttest.Pause),
	answer("closed while the handler works", serveClosesAtOnce, reconnecttest.Clients),
	answer("a byte is read to see whether the client is there", serveProbes, reconnecttest.Clients),
	answer("the listener is closed after the first client", serveClosesListener, reconnecttest.Clients),
	answer("the connection is handed over in a wrapping", serveWraps, reconnecttest.Clients),
	answer("closed when the next client comes", serveClosesLast, reconnecttest.Closed, reconnecttest.Panic),
	answer(
		"a deferred Close in the body of the loop",
		serveDefersInLoop,
		reconnecttest.Closed,
		reconnecttest.Panic,
	),
	answer("the error of Close ends Serve", serveChecksClose, reconnecttest.Closed),
	answer(
		"only io.EOF counts as leaving",
		serveKnowsEOF,
		reconnecttest.Closed,
		reconnecttest.Error,
		reconnecttest.BreakOff,
	),
	answer(
		"the handler's net.ErrClosed is taken for the listener's",
		serveMixesErrors,
		reconnecttest.Error,
	),
	answer(
		"the handler is called until it succeeds",
		serveRetriesHandler,
		reconnecttest.Closed,
		reconnecttest.Error,
	),
	answer("one recover around the loop", serveRecoversOutside, reconnecttest.Panic),
	answer("a panic skips the Close", servePanicSkipsClose, reconnecttest.Panic),
	answer("a panic becomes the error of Serve", servePanicIsError, reconnecttest.Panic),
	answer(
		"gives up after a client that broke off",
		serveGivesUpOnReset,
		reconnecttest.Error,
		reconnecttest.BreakOff,
	),
	answer("the closed listener is an error", serveClosedIsError, reconnecttest.Listener),
	answer("net.ErrClosed compared with ==", serveComparesErrClosed, reconnecttest.Listener),
	answer("Accept is asked once more after the end", serveAsksAgain, reconnecttest.Listener),
	answer("nobody is waited for", serveWaitsForNobody, reconnecttest.Finish),
	answer("conversations are cut when the listener closes", serveCutsAfter(0), reconnecttest.Finish),
	answer("nobody is waited for after an error", serveWaitsWhenClosed, reconnecttest.Finish),
	answer("Done before Close", serveDoneBeforeClose, reconnecttest.Finish),
	answer("only the first client is waited for", serveWaitsForFirst, reconnecttest.Finish),
	answer("only one client is waited for, whichever leaves first", serveWaitsForOne, reconnecttest.Finish),
	answer("one error ends the conversations of all", serveCutsAll, reconnecttest.Error, reconnecttest.Panic),
	answer("an address is a *net.TCPAddr", serveAssertsAddress, reconnecttest.Clients).
		MayPassElsewhere("every address is a *net.TCPAddr there"),
	answer("an error skips the Close", serveErrorSkipsClose, reconnecttest.Closed),
	answer("only the writing half is closed", serveHalfCloses, reconnecttest.Closed),
	answer("closed with a reset", serveAborts, reconnecttest.Closed),
	answer("the handler is called once more", serveTwice, reconnecttest.Clients),
	answer("gives up after 100 clients", giveUpAfter(100, nil), reconnecttest.Clients),
	answer("gives up after 10 errors of handlers", giveUpAfter(10, isError), reconnecttest.Error),
	answer("gives up after 20 panics", giveUpAfter(20, isPanic), reconnecttest.Panic),
	answer("clients are counted in their own goroutine", serveAddsLate, reconnecttest.Finish).
		MayPassElsewhere("the next Accept comes later there, so that the goroutine wins the race"),
	answer("clients are waited for, but not for long", serveWaitsFor(20*time.Millisecond), reconnecttest.Finish),
	answer("io.EOF of Accept is the end", serveEOFIsEnd, reconnecttest.Permanent),
	answer("every accept error is returned", serveReturnsAll, reconnecttest.Temporary),
	answer("only EMFILE passes", serveKnowsEMFILE, reconnecttest.Temporary),
	answer("temporary only when not wrapped", serveAsserts, reconnecttest.Temporary),
	answer("one error unwrapped after the other", serveUnwraps, reconnecttest.Listener, reconnecttest.Temporary),
	answer("Temporary alone says what passes", serveAsksTemporary, reconnecttest.Temporary),
	answer("a temporary error closes the listener", serveClosesAfterError, reconnecttest.Temporary),
	answer("gives way instead of waiting", serveYields, reconnecttest.Pause),
	answer("a retry loop that looks at no error", serveRetriesBlindly, reconnecttest.Pause,
		reconnecttest.Permanent),
	answer("errors are counted, and the count is never reset", serveCountsErrors, reconnecttest.Pause),
	answer("gives up after 100 temporary errors", serveCountsTo100, reconnecttest.Pause),
	answer(
		"every accept error is survived",
		serveContinues,
		reconnecttest.Listener,
		reconnecttest.Pause,
		reconnecttest.Permanent,
	),
	answer(
		"the error of Accept is not looked at",
		serveIgnoresErrors,
		reconnecttest.Listener,
		reconnecttest.Temporary,
		reconnecttest.Permanent,
	),
	answer(
		"every accept error is the end, and none is told",
		serveHidesErrors,
		reconnecttest.Temporary,
		reconnecttest.Permanent,
	),
	answer("every net.Error is temporary", serveBelievesNetError, reconnecttest.Permanent),
	answer(
		"an assertion that panics",
		serveAssertsWithoutOK,
		reconnecttest.Temporary,
		reconnecttest.Permanent,
	),
	answer("the error is told, not passed on", serveHidesCause, reconnecttest.Permanent),
	answer("four clients at a time, and no more", serveAtMostFour, reconnecttest.Clients),
	answer(
		"conversations are cut soon after the listener has closed",
		serveCutsAfter(60*time.Millisecond),
		reconnecttest.Finish,
	),
	answer("waits 60 ms for clients, and then for nobody", serveWaitsFor(60*time.Millisecond),
		reconnecttest.Finish),
	answer("the client is told the error", serveTellsError, reconnecttest.Closed, reconnecttest.Error),
	answer("the client is told about a panic", serveTellsPanic, reconnecttest.Panic),
	answer("what the handler has left over is read", serveReadsRest, reconnecttest.Closed,
		reconnecttest.Error, reconnecttest.Panic),
	answer("clients that have left are not served", serveSkipsTheDead, reconnecttest.BreakOff).
		MayPassElsewhere(noTCPConn),
	answer("left open after net.ErrClosed", serveErrClosedSkipsClose, reconnecttest.Closed),
	answer("only the writing half of a *net.TCPConn is closed", serveHalfClosesTCP, reconnecttest.Closed).
		MayPassElsewhere(noTCPConn),
	answer("a deadline that passes is the end", serveEndsAtTimeout, reconnecttest.Error),
	answer("a handler's invalid argument is the end", serveEndsAtEINVAL, reconnecttest.Error),
	answer("a panic with nil is no panic of the handler's", servePanicNil, reconnecttest.Panic).
		MayPassElsewhere("the panic comes as an error of another type there"),
	answer("the last error of a handler is returned", serveKeepsError, reconnecttest.Error,
		reconnecttest.BreakOff),
	answer("one wrapping is taken off the error by hand", serveUnwrapsOnce, reconnecttest.Listener),
	answer("the words of the error", serveReadsWords, reconnecttest.Listener),
	answer("the last temporary error is returned", serveKeepsTemporary, reconnecttest.Listener, reconnecttest.Pause),
	answer("gives up at the tenth error in a row", serveCountsRow, reconnecttest.Pause),
	answer("the pause halves", serveWith(times(0.5)), reconnecttest.Pause),
	answer("a deadline for the whole conversation", serveWithDeadline, reconnecttest.Clients),
	answer("an error of Accept cuts all conversations", serveCutsAtErrors, reconnecttest.Temporary),
	answer("all errors of Accept are returned together", serveJoinsErrors, reconnecttest.Permanent),
	answer("pauses only while too many files are open", servePausesForFiles, reconnecttest.Pause),
	answer("an error of a handler keeps its slot", serveErrorKeepsSlot, reconnecttest.Error),
	answer("a pause after a handler that failed", servePausesForHandlers, reconnecttest.Error),
	answer("after an error of Accept a client has to leave first", serveWaitsForLeaving,
		reconnecttest.Temporary),
	answer("the errors of handlers are returned with that of Accept", serveJoinsHandlerErrors,
		reconnecttest.Permanent),
	answer("what sounds like an end is one", serveGuessesEnd, reconnecttest.Permanent),
	answer("what the newest handler has returned is returned", serveKeepsNewest, reconnecttest.Error),
	answer("a panic of the newest handler is returned", serveKeepsNewestPanic, reconnecttest.Panic),
	answer("all are closed when nobody is served any more", serveClosesInGroups, reconnecttest.Closed),
	answer("who waits in Serve's own queue is dropped", serveDropsQueue, reconnecttest.Finish),
	answer("a *net.TCPConn is not read any more when the listener closes", serveClosesRead,
		reconnecttest.Finish).
		MayPassElsewhere(noTCPConn),
	answer("Close is called until it succeeds", serveClosesUntilNil, reconnecttest.Closed),
	answer("a panic after a Close is passed on", servePanicsOnClosed, reconnecttest.Panic),
	answer("a *net.TCPConn is closed with a reset", serveAbortsTCP, reconnecttest.Closed).
		MayPassElsewhere(noTCPConn),
	answer("an error of Accept forgets who is being served", serveForgetsServed, reconnecttest.Finish),
	answer("a ticker instead of a pause", serveTicks, reconnecttest.Pause),
	answer("errors counted in a map", serveCountsKinds, reconnecttest.Closed, reconnecttest.Error).
		MayPassElsewhere("every error can be compared there"),
	answer("the variable for errors.As outlives the loop", serveKeepsNetError, reconnecttest.Permanent),
}

// accepting is a Serve that gets the errors of Accept right, and does with each client what serve does. An
// error of serve ends it.
func accepting(ln net.Listener, serve func(conn net.Conn) error) error {
	for {
		conn, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case passes(err):
			time.Sleep(pause)
		case err != nil:
			return err
		default:
			if err := serve(conn); err != nil {
				return err
			}
		}
	}
}

// serving is a Serve that gets its clients right, and asks whenWrong what to do about an error of Accept:
// go on, or return what it returns.
func serving(ln net.Listener, handle handler, whenWrong func(error) (goOn bool, result error)) error {
	for {
		conn, err := ln.Accept()
		if err == nil {
			guard(conn, handle)
			continue
		}
		if goOn, result := whenWrong(err); !goOn {
			return result
		}
	}
}

// recovering is handle without its panics.
func recovering(conn net.Conn, handle handler) error {
	defer func() { _ = recover() }()
	return handle(conn)
}

func serveOnce(ln net.Listener, handle handler) error {
	conn, err := ln.Accept()
	if err != nil {
		return err
	}
	guard(conn, handle)
	return nil
}

func serveClosesAtOnce(ln net.Listener, handle handler) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	return accepting(ln, func(conn net.Conn) error {
		defer conn.Close()
		clients.Go(func() { recovering(conn, handle) })
		return nil
	})
}

func serveProbes(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			return conn.Close()
		}
		guard(conn, handle)
		return nil
	})
}

func serveClosesListener(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		defer ln.Close()
		guard(conn, handle)
		return nil
	})
}

// serveClosesAfterError wants to be rid of a listener that has failed.
func serveClosesAfterError(ln net.Listener, handle handler) error {
	return serving(ln, handle, func(err error) (bool, error) {
		if errors.Is(err, net.ErrClosed) {
			return false, nil
		}
		ln.Close()
		if passes(err) {
			time.Sleep(pause)
			return true, nil
		}
		return false, err
	})
}

// serveWraps wants to look at what is read later on.
func serveWraps(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		guard(struct{ net.Conn }{conn}, handle)
		return nil
	})
}

func serveNeverCloses(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		if err := recovering(conn, handle); err != nil {
			log.Print(err)
		}
		return nil
	})
}

// serveClosesLast does what Python does when the name conn is bound to the next connection.
func serveClosesLast(ln net.Listener, handle handler) error {
	var last net.Conn
	return accepting(ln, func(conn net.Conn) error {
		if last != nil {
			last.Close()
		}
		last = conn
		recovering(conn, handle)
		return nil
	})
}

func serveDefersInLoop(ln net.Listener, handle handler) error {
	for {
		conn, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case passes(err):
			time.Sleep(pause)
			continue
		case err != nil:
			return err
		}
		defer conn.Close()
		recovering(conn, handle)
	}
}

func serveChecksClose(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		recovering(conn, handle)
		return conn.Close()
	})
}

func serveReturnsHandlerError(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		defer conn.Close()
		return recovering(conn, handle)
	})
}

func serveKnowsEOF(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		defer conn.Close()
		if err := recovering(conn, handle); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		return nil
	})
}

// serveMixesErrors has one place for all errors.
func serveMixesErrors(ln net.Listener, handle handler) error {
	for {
		conn, err := ln.Accept()
		accepted := err == nil
		if accepted {
			err = recovering(conn, handle)
			conn.Close()
		}
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case accepted:
		case passes(err):
			time.Sleep(pause)
		default:
			return err
		}
	}
}

func serveRetriesHandler(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		defer conn.Close()
		for recovering(conn, handle) != nil {
		}
		return nil
	})
}

func serveErrorSkipsDone(ln net.Listener, handle handler) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	return accepting(ln, func(conn net.Conn) error {
		clients.Add(1)
		go func() {
			defer conn.Close()
			if err := recovering(conn, handle); err != nil {
				log.Print(err)
				return
			}
			conn.Close()
			clients.Done()
		}()
		return nil
	})
}

func serveWithoutRecover(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		defer conn.Close()
		handle(conn)
		return nil
	})
}

func serveRecoversOutside(ln net.Listener, handle handler) error {
	defer func() {
		if r := recover(); r != nil {
			log.Print(r)
		}
	}()
	return accepting(ln, func(conn net.Conn) error {
		defer conn.Close()
		handle(conn)
		return nil
	})
}

func servePanicSkipsClose(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		defer func() { _ = recover() }()
		handle(conn)
		conn.Close()
		return nil
	})
}

func servePanicKeepsSlot(ln net.Listener, handle handler) error {
	slots := make(chan struct{}, 8)
	var clients sync.WaitGroup
	defer clients.Wait()
	return accepting(ln, func(conn net.Conn) error {
		slots <- struct{}{}
		clients.Go(func() {
			defer conn.Close()
			defer func() { _ = recover() }()
			handle(conn)
			<-slots
		})
		return nil
	})
}

func servePanicSkipsDone(ln net.Listener, handle handler) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	return accepting(ln, func(conn net.Conn) error {
		clients.Add(1)
		go func() {
			defer func() { _ = recover() }()
			defer conn.Close()
			handle(conn)
			conn.Close()
			clients.Done()
		}()
		return nil
	})
}

func servePanicIsError(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) (err error) {
		defer conn.Close()
		defer func() {
			if recover() != nil {
				err = errors.New("the handler panicked")
			}
		}()
		handle(conn)
		return nil
	})
}

// serveGivesUpOnReset takes a broken connection for a broken network.
func serveGivesUpOnReset(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		defer conn.Close()
		err := recovering(conn, handle)
		if err != nil &&
			(errors.Is(err, syscall.ECONNRESET) || errors.Is(err,
				syscall.EPIPE) || strings.Contains(err.Error(), "forcibly")) {
			return err
		}
		return nil
	})
}

func serveClosedIsError(ln net.Listener, handle handler) error {
	return serving(ln, handle, func(err error) (bool, error) {
		if passes(err) {
			time.Sleep(pause)
			return true, nil
		}
		return false, err
	})
}

func serveComparesErrClosed(ln net.Listener, handle handler) error {
	return serving(ln, handle, func(err error) (bool, error) {
		if err == net.ErrClosed {
			return false, nil
		}
		if passes(err) {
			time.Sleep(pause)
			return true, nil
		}
		return false, err
	})
}

// serveAsksAgain makes sure that the listener is really closed.
func serveAsksAgain(ln net.Listener, handle handler) error {
	return serving(ln, handle, func(err error) (bool, error) {
		if errors.Is(err, net.ErrClosed) {
			_, err = ln.Accept()
			if errors.Is(err, net.ErrClosed) {
				return false, nil
			}
		}
		if passes(err) {
			time.Sleep(pause)
			return true, nil
		}
		return false, err
	})
}

func serveWaitsForNobody(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		go guard(conn, handle)
		return nil
	})
}

// serveWaitsWhenClosed waits in one of the places where it returns.
func serveWaitsWhenClosed(ln net.Listener, handle handler) error {
	var clients sync.WaitGroup
	err := accepting(ln, func(conn net.Conn) error {
		clients.Go(func() { guard(conn, handle) })
		return nil
	})
	if err == nil {
		clients.Wait()
	}
	return err
}

// serveDoneBeforeClose has its deferred calls in the wrong order.
func serveDoneBeforeClose(ln net.Listener, handle handler) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	return accepting(ln, func(conn net.Conn) error {
		clients.Add(1)
		go func() {
			defer conn.Close()
			defer clients.Done()
			recovering(conn, handle)
		}()
		return nil
	})
}

// serveCutsAfter hangs up on everybody, as a server does that wants to end quickly.
func serveCutsAfter(grace time.Duration) func(net.Listener, handler) error {
	return func(ln net.Listener, handle handler) error { return serveCuts(ln, handle, grace) }
}

func serveCuts(ln net.Listener, handle handler, grace time.Duration) error {
	var mu sync.Mutex
	var conns []net.Conn
	var clients sync.WaitGroup
	err := accepting(ln, func(conn net.Conn) error {
		mu.Lock()
		conns = append(conns, conn)
		mu.Unlock()
		clients.Go(func() {
			guard(conn, handle)
			mu.Lock()
			conns = slices.DeleteFunc(conns, func(c net.Conn) bool { return c == conn })
			mu.Unlock()
		})
		return nil
	})
	defer time.AfterFunc(grace, func() {
		mu.Lock()
		defer mu.Unlock()
		for _, conn := range conns {
			conn.Close()
		}
	}).Stop()
	clients.Wait()
	return err
}

// serveCutsAll is errgroup.WithContext: a mistake with one client is the end for all.
func serveCutsAll(ln net.Listener, handle handler) error {
	var conns sync.Map
	var clients sync.WaitGroup
	defer clients.Wait()
	return accepting(ln, func(conn net.Conn) error {
		conns.Store(conn, true)
		clients.Go(func() {
			good := false
			guard(conn, func(conn net.Conn) error {
				err := handle(conn)
				var broken *net.OpError // a client that has left is no mistake
				good = err == nil || errors.As(err, &broken)
				return err
			})
			conns.Delete(conn)
			if good {
				return
			}
			conns.Range(func(other, _ any) bool {
				other.(net.Conn).Close()
				return true
			})
		})
		return nil
	})
}

// serveWaitsForFirst serves the first client itself, when it has set somebody else to accept the next.
func serveWaitsForFirst(ln net.Listener, handle handler) error {
	result := make(chan error, 1)
	var lead func()
	lead = func() {
		var conn net.Conn
		err := accepting(ln, func(c net.Conn) error {
			conn = c
			return io.EOF
		})
		if conn == nil {
			result <- err
			return
		}
		go lead()
		guard(conn, handle)
	}
	lead()
	return <-result
}

// serveWaitsForOne waits until somebody has left.
func serveWaitsForOne(ln net.Listener, handle handler) error {
	var mu sync.Mutex
	leaving, active := sync.NewCond(&mu), 0
	err := accepting(ln, func(conn net.Conn) error {
		mu.Lock()
		defer mu.Unlock()
		active++
		go func() {
			guard(conn, handle)
			mu.Lock()
			defer mu.Unlock()
			active--
			leaving.Broadcast()
		}()
		return nil
	})
	mu.Lock()
	defer mu.Unlock()
	if active > 0 {
		leaving.Wait()
	}
	return err
}

// serveAssertsAddress wants to write the port into its log.
func serveAssertsAddress(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		log.Print("a client from port ", conn.RemoteAddr().(*net.TCPAddr).Port)
		guard(conn, handle)
		return nil
	})
}

// serveUnwraps does not know that an error may wrap two.
func serveUnwraps(ln net.Listener, handle handler) error {
	wraps := func(err, target error) bool {
		for err != nil && err != target {
			err = errors.Unwrap(err)
		}
		return err != nil
	}
	return serving(ln, handle, func(err error) (bool, error) {
		if wraps(err, net.ErrClosed) {
			return false, nil
		}
		var passing net.Error
		//lint:ignore SA1019 deprecated, and still what the task names
		if errors.As(err, &passing) && passing.Temporary() || wraps(err, syscall.EMFILE) ||
			wraps(err, syscall.ENFILE) || wraps(err, syscall.ECONNABORTED) {
			time.Sleep(pause)
			return true, nil
		}
		return false, err
	})
}

// serveAsksTemporary leaves out the error numbers.
func serveAsksTemporary(ln net.Listener, handle handler) error {
	return serving(ln, handle, func(err error) (bool, error) {
		if errors.Is(err, net.ErrClosed) {
			return false, nil
		}
		var passing net.Error
		//lint:ignore SA1019 deprecated, and still what the task names
		if errors.As(err, &passing) && passing.Temporary() {
			time.Sleep(pause)
			return true, nil
		}
		return false, err
	})
}

func serveReturnsAll(ln net.Listener, handle handler) error {
	return serving(ln, handle, func(err error) (bool, error) {
		if errors.Is(err, net.ErrClosed) {
			return false, nil
		}
		return false, err
	})
}

func serveKnowsEMFILE(ln net.Listener, handle handler) error {
	return serving(ln, handle, func(err error) (bool, error) {
		if errors.Is(err, net.ErrClosed) {
			return false, nil
		}
		if errors.Is(err, syscall.EMFILE) {
			time.Sleep(pause)
			return true, nil
		}
		return false, err
	})
}

func serveAsserts(ln net.Listener, handle handler) error {
	return serving(ln, handle, func(err error) (bool, error) {
		if errors.Is(err, net.ErrClosed) {
			return false, nil
		}
		//lint:ignore SA1019 deprecated, and still what the task names
		if t, ok := err.(net.Error); ok && t.Temporary() {
			time.Sleep(pause)
			return true, nil
		}
		return false, err
	})
}

// serveCountsErrors means five in a row.
func serveCountsErrors(ln net.Listener, handle handler) error {
	errs := 0
	return serving(ln, handle, func(err error) (bool, error) {
		if errors.Is(err, net.ErrClosed) {
			return false, nil
		}
		if errs++; errs > 5 || !passes(err) {
			return false, err
		}
		time.Sleep(pause)
		return true, nil
	})
}

func serveSpins(ln net.Listener, handle handler) error {
	return serving(ln, handle, func(err error) (bool, error) {
		if errors.Is(err, net.ErrClosed) {
			return false, nil
		}
		return passes(err), err
	})
}

// serveYields hopes that something else will be done first.
func serveYields(ln net.Listener, handle handler) error {
	return serving(ln, handle, func(err error) (bool, error) {
		if errors.Is(err, net.ErrClosed) {
			return false, nil
		}
		time.Sleep(0)
		return passes(err), err
	})
}

func serveRetriesBlindly(ln net.Listener, handle handler) error {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil && !passes(err) {
			return err
		}
		for err != nil {
			time.Sleep(pause)
			conn, err = ln.Accept()
		}
		guard(conn, handle)
	}
}

// serveGrowsPause makes its pause longer with every error of its life.
func serveGrowsPause(ln net.Listener, handle handler) error {
	wait := pause
	return serving(ln, handle, func(err error) (bool, error) {
		if errors.Is(err, net.ErrClosed) {
			return false, nil
		}
		if !passes(err) {
			return false, err
		}
		time.Sleep(wait)
		wait *= 3
		return true, nil
	})
}

func serveContinues(ln net.Listener, handle handler) error {
	return serving(ln, handle, func(err error) (bool, error) {
		log.Print(err)
		return true, nil
	})
}

func serveIgnoresErrors(ln net.Listener, handle handler) error {
	for {
		conn, _ := ln.Accept()
		func() {
			defer conn.Close()
			recovering(conn, handle)
		}()
	}
}

func serveHidesErrors(ln net.Listener, handle handler) error {
	return serving(ln, handle, func(error) (bool, error) { return false, nil })
}

func serveBelievesNetError(ln net.Listener, handle handler) error {
	return serving(ln, handle, func(err error) (bool, error) {
		if errors.Is(err, net.ErrClosed) {
			return false, nil
		}
		if nerr := net.Error(nil); errors.As(err, &nerr) {
			time.Sleep(pause)
			return true, nil
		}
		return false, err
	})
}

func serveAssertsWithoutOK(ln net.Listener, handle handler) error {
	return serving(ln, handle, func(err error) (bool, error) {
		if errors.Is(err, net.ErrClosed) {
			return false, nil
		}
		//lint:ignore SA1019 deprecated, and still what the task names
		if err.(net.Error).Temporary() {
			time.Sleep(pause)
			return true, nil
		}
		return false, err
	})
}

func serveHidesCause(ln net.Listener, handle handler) error {
	err := reconnect.Serve(ln, handle)
	if err != nil {
		return errors.New("the server has stopped")
	}
	return nil
}

func serveErrorSkipsClose(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		panicked := true
		func() {
			defer func() {
				if panicked {
					_ = recover()
					conn.Close()
				}
			}()
			err := handle(conn)
			panicked = false
			if err != nil {
				log.Print(err)
				return
			}
			conn.Close()
		}()
		return nil
	})
}

func serveHalfCloses(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		recovering(conn, handle)
		conn.(interface{ CloseWrite() error }).CloseWrite()
		return nil
	})
}

func serveAborts(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		recovering(conn, handle)
		conn.(interface{ SetLinger(int) error }).SetLinger(0)
		conn.Close()
		return nil
	})
}

func serveTwice(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		if recovering(conn, handle) == nil {
			recovering(conn, handle)
		}
		conn.Close()
		return nil
	})
}

var errEnough = errors.New("that is enough")

func isError(err error, panicked bool) bool { return err != nil && !panicked }
func isPanic(_ error, panicked bool) bool   { return panicked }

// giveUpAfter counts the clients that count, and has enough after so many.
func giveUpAfter(most int, counts func(err error, panicked bool) bool) func(net.Listener, handler) error {
	return func(ln net.Listener, handle handler) error {
		n := 0
		return accepting(ln, func(conn net.Conn) error {
			defer conn.Close()
			panicked := true
			err := func() (err error) {
				defer func() { _ = recover() }()
				err = handle(conn)
				panicked = false
				return err
			}()
			if counts == nil || counts(err, panicked) {
				n++
			}
			if n > most {
				return errEnough
			}
			return nil
		})
	}
}

// serveAddsLate has a count under a mutex where others have a WaitGroup, whose Add the race detector would
// see.
func serveAddsLate(ln net.Listener, handle handler) error {
	var mu sync.Mutex
	clients, gone := 0, sync.NewCond(&mu)
	count := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		clients += n
		gone.Broadcast()
	}
	defer func() {
		mu.Lock()
		defer mu.Unlock()
		for clients > 0 {
			gone.Wait()
		}
	}()
	return accepting(ln, func(conn net.Conn) error {
		go func() {
			count(1)
			defer count(-1)
			guard(conn, handle)
		}()
		return nil
	})
}

func serveWaitsFor(patience time.Duration) func(net.Listener, handler) error {
	return func(ln net.Listener, handle handler) error { return serveForAWhile(ln, handle, patience) }
}

func serveForAWhile(ln net.Listener, handle handler, patience time.Duration) error {
	var clients sync.WaitGroup
	defer func() {
		done := make(chan bool)
		go func() {
			clients.Wait()
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(patience):
		}
	}()
	return accepting(ln, func(conn net.Conn) error {
		clients.Go(func() { guard(conn, handle) })
		return nil
	})
}

func serveEOFIsEnd(ln net.Listener, handle handler) error {
	return serving(ln, handle, func(err error) (bool, error) {
		switch {
		case errors.Is(err, net.ErrClosed), errors.Is(err, io.EOF):
			return false, nil
		case passes(err):
			time.Sleep(pause)
			return true, nil
		}
		return false, err
	})
}

func serveCountsTo100(ln net.Listener, handle handler) error {
	n := 0
	return serving(ln, handle, func(err error) (bool, error) {
		if errors.Is(err, net.ErrClosed) {
			return false, nil
		}
		if n++; n > 100 || !passes(err) {
			return false, err
		}
		time.Sleep(time.Millisecond)
		return true, nil
	})
}

// serveAtMostFour sends the fifth client away.
func serveAtMostFour(ln net.Listener, handle handler) error {
	slots := make(chan bool, 4)
	var clients sync.WaitGroup
	defer clients.Wait()
	return accepting(ln, func(conn net.Conn) error {
		select {
		case slots <- true:
			clients.Go(func() {
				defer func() { <-slots }()
				guard(conn, handle)
			})
		default:
			conn.Close()
		}
		return nil
	})
}

// closing is handle with another end: last is called when it has returned or panicked.
func closing(ln net.Listener, handle handler, last func(conn net.Conn, err error, thrown any)) error {
	return accepting(ln, func(conn net.Conn) error {
		var err error
		defer func() { last(conn, err, recover()) }()
		err = handle(conn)
		return nil
	})
}

func serveTellsError(ln net.Listener, handle handler) error {
	return closing(ln, handle, func(conn net.Conn, err error, _ any) {
		if err != nil {
			io.WriteString(conn, "error: "+err.Error()+"\n")
		}
		conn.Close()
	})
}

func serveTellsPanic(ln net.Listener, handle handler) error {
	return closing(ln, handle, func(conn net.Conn, _ error, thrown any) {
		if thrown != nil {
			io.WriteString(conn, "internal error\n")
		}
		conn.Close()
	})
}

// serveReadsRest avoids the reset that unread bytes would cause.
func serveReadsRest(ln net.Listener, handle handler) error {
	return closing(ln, handle, func(conn net.Conn, _ error, _ any) {
		conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		io.Copy(io.Discard, conn)
		conn.Close()
	})
}

// serveSkipsTheDead asks the system whether the client is still there.
func serveSkipsTheDead(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		if tcp, ok := conn.(*net.TCPConn); ok {
			if err := loopback.WaitQueued(tcp, 1); err != nil {
				return conn.Close()
			}
		}
		guard(conn, handle)
		return nil
	})
}

func serveErrClosedSkipsClose(ln net.Listener, handle handler) error {
	return closing(ln, handle, func(conn net.Conn, err error, _ any) {
		if !errors.Is(err, net.ErrClosed) {
			conn.Close()
		}
	})
}

// serveHalfClosesTCP knows that a *net.TCPConn can do more than a net.Conn.
func serveHalfClosesTCP(ln net.Listener, handle handler) error {
	return closing(ln, handle, func(conn net.Conn, _ error, _ any) {
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.CloseWrite()
		} else {
			conn.Close()
		}
	})
}

func serveEndsAtTimeout(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		defer conn.Close()
		if err := recovering(conn, handle); errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		return nil
	})
}

func serveEndsAtEINVAL(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		defer conn.Close()
		if err := recovering(conn, handle); errors.Is(err, syscall.EINVAL) {
			return err
		}
		return nil
	})
}

// servePanicNil knows that panic(nil) means nothing, as it did before Go 1.21.
func servePanicNil(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		defer conn.Close()
		defer func() {
			if r, ok := recover().(*runtime.PanicNilError); ok {
				panic(r)
			}
		}()
		handle(conn)
		return nil
	})
}

func serveKeepsError(ln net.Listener, handle handler) error {
	var last error
	err := accepting(ln, func(conn net.Conn) error {
		defer conn.Close()
		last = cmp.Or(recovering(conn, handle), last)
		return nil
	})
	return cmp.Or(err, last)
}

func serveUnwrapsOnce(ln net.Listener, handle handler) error {
	return serving(ln, handle, func(err error) (bool, error) {
		if op, ok := err.(*net.OpError); ok && op.Err == net.ErrClosed {
			return false, nil
		}
		if passes(err) {
			time.Sleep(pause)
			return true, nil
		}
		return false, err
	})
}

func serveReadsWords(ln net.Listener, handle handler) error {
	return serving(ln, handle, func(err error) (bool, error) {
		if strings.Contains(err.Error(), "use of closed network connection") {
			return false, nil
		}
		if passes(err) {
			time.Sleep(pause)
			return true, nil
		}
		return false, err
	})
}

func serveKeepsTemporary(ln net.Listener, handle handler) error {
	var last error
	return serving(ln, handle, func(err error) (bool, error) {
		if errors.Is(err, net.ErrClosed) {
			return false, last
		}
		if passes(err) {
			last = err
			time.Sleep(pause)
			return true, nil
		}
		return false, err
	})
}

func serveCountsRow(ln net.Listener, handle handler) error {
	row := 0
	return accepting(counting{ln, &row}, func(conn net.Conn) error {
		guard(conn, handle)
		return nil
	})
}

// counting is a listener that makes an end of ten errors in a row.
type counting struct {
	net.Listener
	row *int
}

func (c counting) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil || !passes(err) {
		*c.row = 0
	} else if *c.row++; *c.row == 10 {
		return nil, errEnough
	}
	return conn, err
}

// serveWith has another idea of the pause: next returns it from the one before in the row, 0 for none.
func serveWith(next func(before time.Duration) time.Duration) func(net.Listener, handler) error {
	return func(ln net.Listener, handle handler) error {
		before := time.Duration(0)
		for {
			conn, err := ln.Accept()
			switch {
			case err == nil:
				before = 0
				guard(conn, handle)
			case errors.Is(err, net.ErrClosed):
				return nil
			case passes(err):
				before = next(before)
				time.Sleep(before)
			default:
				return err
			}
		}
	}
}

func fixed(pause time.Duration) func(time.Duration) time.Duration {
	return func(time.Duration) time.Duration { return pause }
}

func times(factor float64) func(time.Duration) time.Duration {
	return func(before time.Duration) time.Duration {
		return cmp.Or(time.Duration(float64(before)*factor), 5*time.Millisecond)
	}
}

func serveResetsLate(ln net.Listener, handle handler) error {
	wait := 5 * time.Millisecond
	return accepting(waiting{ln, &wait}, func(conn net.Conn) error {
		defer conn.Close()
		if recovering(conn, handle) == nil {
			wait = 5 * time.Millisecond
		}
		return nil
	})
}

// serveResetsLateAtFifth does the same, with pauses that are allowed as long as all handlers succeed.
func serveResetsLateAtFifth(ln net.Listener, handle handler) error {
	row := 0
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			failed := recovering(conn, handle)
			conn.Close()
			if failed == nil {
				row = 0
			}
		case errors.Is(err, net.ErrClosed):
			return nil
		case !passes(err):
			return err
		default:
			if row++; row < 5 {
				time.Sleep(5 * time.Millisecond)
			} else {
				time.Sleep(300 * time.Millisecond)
			}
		}
	}
}

// serveCountsForAll keeps the length of the row outside of Serve.
func serveCountsForAll() func(net.Listener, handler) error {
	var row atomic.Int32
	return func(ln net.Listener, handle handler) error {
		return serving(heeding{ln, func() { row.Store(0) }}, handle, func(err error) (bool, error) {
			if errors.Is(err, net.ErrClosed) {
				return false, nil
			}
			if !passes(err) {
				return false, err
			}
			time.Sleep(5 * time.Millisecond << min(row.Add(1)-1, 6))
			return true, nil
		})
	}
}

// heeding is a listener that tells of each client.
type heeding struct {
	net.Listener
	came func()
}

func (h heeding) Accept() (net.Conn, error) {
	conn, err := h.Listener.Accept()
	if err == nil {
		h.came()
	}
	return conn, err
}

// waiting is a listener that pauses after an error, and longer each time.
type waiting struct {
	net.Listener
	wait *time.Duration
}

func (w waiting) Accept() (net.Conn, error) {
	conn, err := w.Listener.Accept()
	if err != nil && passes(err) {
		time.Sleep(*w.wait)
		*w.wait = min(2**w.wait, time.Second)
	}
	return conn, err
}

// serveWithDeadline believes that an hour is enough for everybody.
func serveWithDeadline(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		conn.SetDeadline(time.Now().Add(time.Hour))
		guard(conn, handle)
		return nil
	})
}

// serveCutsAtErrors makes room for new clients when files are short.
func serveCutsAtErrors(ln net.Listener, handle handler) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	var served sync.Map
	for {
		conn, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case passes(err):
			served.Range(func(conn, _ any) bool {
				conn.(net.Conn).Close()
				return true
			})
			time.Sleep(pause)
			continue
		case err != nil:
			return err
		}
		served.Store(conn, true)
		clients.Go(func() {
			defer served.Delete(conn)
			guard(conn, handle)
		})
	}
}

func serveJoinsErrors(ln net.Listener, handle handler) error {
	var all error
	return serving(ln, handle, func(err error) (bool, error) {
		if errors.Is(err, net.ErrClosed) {
			return false, nil
		}
		all = errors.Join(all, err)
		if passes(err) {
			time.Sleep(pause)
			return true, nil
		}
		return false, all
	})
}

func servePausesForFiles(ln net.Listener, handle handler) error {
	return serving(ln, handle, func(err error) (bool, error) {
		switch {
		case errors.Is(err, net.ErrClosed):
			return false, nil
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
			time.Sleep(pause)
		case !passes(err):
			return false, err
		}
		return true, nil
	})
}

func serveErrorKeepsSlot(ln net.Listener, handle handler) error {
	slots := make(chan struct{}, 16)
	var clients sync.WaitGroup
	defer clients.Wait()
	return accepting(ln, func(conn net.Conn) error {
		slots <- struct{}{}
		clients.Go(func() {
			defer conn.Close()
			defer func() {
				if recover() != nil {
					<-slots
				}
			}()
			if handle(conn) == nil {
				<-slots
			}
		})
		return nil
	})
}

func servePausesForHandlers(ln net.Listener, handle handler) error {
	return accepting(ln, func(conn net.Conn) error {
		err := recovering(conn, handle)
		conn.Close()
		if err != nil {
			time.Sleep(100 * time.Millisecond)
		}
		return nil
	})
}

// serveWaitsForLeaving thinks that a client which leaves is what too many open files need.
func serveWaitsForLeaving(ln net.Listener, handle handler) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	var served atomic.Int32
	left := make(chan struct{}, 1000)
	for {
		conn, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case passes(err):
			time.Sleep(pause)
			for len(left) > 0 {
				<-left
			}
			if served.Load() > 0 {
				<-left
			}
			continue
		case err != nil:
			return err
		}
		served.Add(1)
		clients.Go(func() {
			guard(conn, handle)
			served.Add(-1)
			left <- struct{}{}
		})
	}
}

func serveJoinsHandlerErrors(ln net.Listener, handle handler) error {
	var all error
	err := accepting(ln, func(conn net.Conn) error {
		defer conn.Close()
		all = errors.Join(all, recovering(conn, handle))
		return nil
	})
	if err != nil {
		err = errors.Join(err, all)
	}
	return err
}

func serveGuessesEnd(ln net.Listener, handle handler) error {
	err := reconnect.Serve(ln, handle)
	if errors.Is(err, context.Canceled) || errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}

// serveClosesRead tells the clients that it is time to leave.
func serveClosesRead(ln net.Listener, handle handler) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	var served sync.Map
	err := accepting(ln, func(conn net.Conn) error {
		served.Store(conn, true)
		clients.Go(func() {
			defer served.Delete(conn)
			guard(conn, handle)
		})
		return nil
	})
	served.Range(func(conn, _ any) bool {
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.CloseRead()
		}
		return true
	})
	return err
}

// serveKeepsNewest has one err for everything.
func serveKeepsNewest(ln net.Listener, handle handler) (err error) {
	if aerr := accepting(ln, func(conn net.Conn) error {
		defer conn.Close()
		err = nil
		err = recovering(conn, handle)
		return nil
	}); aerr != nil {
		return aerr
	}
	return err
}

func serveKeepsNewestPanic(ln net.Listener, handle handler) (err error) {
	if aerr := accepting(ln, func(conn net.Conn) error {
		defer conn.Close()
		defer func() {
			err = nil
			if p := recover(); p != nil {
				err = fmt.Errorf("a handler has panicked: %v", p)
			}
		}()
		_ = handle(conn)
		return nil
	}); aerr != nil {
		return aerr
	}
	return err
}

func serveClosesInGroups(ln net.Listener, handle handler) error {
	var (
		mu      sync.Mutex
		served  int
		done    []net.Conn
		clients sync.WaitGroup
	)
	defer clients.Wait()
	return accepting(ln, func(conn net.Conn) error {
		mu.Lock()
		served++
		mu.Unlock()
		clients.Go(func() {
			recovering(conn, handle)
			mu.Lock()
			defer mu.Unlock()
			done = append(done, conn)
			if served--; served > 0 {
				return
			}
			for _, conn := range done {
				conn.Close()
			}
			done = nil
		})
		return nil
	})
}

// serveDropsQueue serves one client after the other, and none any more when it is told to stop.
func serveDropsQueue(ln net.Listener, handle handler) error {
	queue := make(chan net.Conn, 100)
	var stopped atomic.Bool
	var server sync.WaitGroup
	server.Go(func() {
		for conn := range queue {
			if stopped.Load() {
				conn.Close()
				continue
			}
			guard(conn, handle)
		}
	})
	err := accepting(ln, func(conn net.Conn) error {
		queue <- conn
		return nil
	})
	stopped.Store(true)
	close(queue)
	server.Wait()
	return err
}

// serveClosesUntilNil gives up after 5 seconds, so that the goroutines end.
func serveClosesUntilNil(ln net.Listener, handle handler) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	return accepting(ln, func(conn net.Conn) error {
		clients.Go(func() {
			_ = recovering(conn, handle)
			for i := 0; conn.Close() != nil && i < 5000; i++ {
				time.Sleep(time.Millisecond)
			}
		})
		return nil
	})
}

func servePanicsOnClosed(ln net.Listener, handle handler) error {
	return closing(ln, handle, func(conn net.Conn, _ error, thrown any) {
		if err := conn.Close(); err != nil && thrown != nil {
			panic(thrown)
		}
	})
}

func serveAbortsTCP(ln net.Listener, handle handler) error {
	return closing(ln, handle, func(conn net.Conn, _ error, _ any) {
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		conn.Close()
	})
}

func serveForgetsServed(ln net.Listener, handle handler) error {
	served := &sync.WaitGroup{}
	for {
		conn, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			served.Wait()
			return nil
		case passes(err):
			served = &sync.WaitGroup{}
			time.Sleep(pause)
		case err != nil:
			served.Wait()
			return err
		default:
			served.Go(func() { guard(conn, handle) })
		}
	}
}

func serveTicks(ln net.Listener, handle handler) error {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	return serving(ln, handle, func(err error) (bool, error) {
		switch {
		case errors.Is(err, net.ErrClosed):
			return false, nil
		case passes(err):
			<-ticker.C
			return true, nil
		}
		return false, err
	})
}

func serveKeepsNetError(ln net.Listener, handle handler) error {
	var last interface{ Temporary() bool } // a net.Error has it
	return serving(ln, handle, func(err error) (bool, error) {
		if errors.Is(err, net.ErrClosed) {
			return false, nil
		}
		errors.As(err, &last)
		if passes(err) || last != nil && last.Temporary() {
			time.Sleep(pause)
			return true, nil
		}
		return false, err
	})
}

// serveCountsKinds counts how often each error has come.
func serveCountsKinds(ln net.Listener, handle handler) error {
	counts := map[error]int{}
	return closing(ln, handle, func(conn net.Conn, err error, _ any) {
		conn.Close()
		counts[err]++
	})
}
