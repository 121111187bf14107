package talkloop_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"socketbook/labs/02/talklooptest"
	talkloop "socketbook/solutions/02"
	"socketbook/tools/check"
)

// noTCPConn says why a mistake does nothing in another process.
const noTCPConn = "its connection is no *net.TCPConn there"

// wrong are the mistakes that people make, each with exactly the cases that must fail on it. The
// failure text of a case in testdata is the one that the first answer named for it provokes.
var wrong = []check.Answer{
	answering("the end of file is an error", answerEOFIsError, talklooptest.End),
	answering("closed inside the loop", answerClosesInside, talklooptest.Talk),
	answering("one message only", answerOnce, talklooptest.Talk),
	answering("the whole buffer is sent back", answerWholeBuffer, talklooptest.Talk),
	answering("the buffer from the last message", answerStale, talklooptest.Talk),
	answering("waits for a line end", answerLines, talklooptest.Talk, talklooptest.Failure),
	answering("letter by letter", answerByLetter, talklooptest.Talk, talklooptest.Failure),
	answering("reads to the end of the stream", answerReadAll, talklooptest.Talk, talklooptest.Failure),
	answering("bytes.ToUpper", answerToUpper, talklooptest.Talk),
	answering("quit ends the loop of the server, too", answerObeys("quit"), talklooptest.Talk),
	answering("QUIT ends the loop of the server, too", answerObeys("QUIT"), talklooptest.Talk),
	answering("quit with a line end ends the loop of the server, too", answerObeys("quit\n"), talklooptest.Talk),
	answering(
		"only the end of file is leaving",
		answerEOFOnly,
		talklooptest.Reset,
		talklooptest.BrokenPipe,
	),
	answering("the reset compared with ==", answerCompares, talklooptest.Reset, talklooptest.BrokenPipe),
	answering("one error unwrapped after the other", answerUnwraps, talklooptest.Reset, talklooptest.BrokenPipe),
	answering("only a reset is leaving", answerResetOnly, talklooptest.BrokenPipe),
	answering("the error's words", answerWords, talklooptest.Reset, talklooptest.BrokenPipe),
	answering("Write may not fail", answerWriteMust, talklooptest.BrokenPipe),
	answering("every error is leaving", answerAnyError, talklooptest.Failure),
	answering("0 bytes are leaving", answerZeroBytes, talklooptest.Failure),
	answering("the client is told of an error", answerTells, talklooptest.Failure),
	answering("a connection closed by its own side has left", answerClosedIsGone, talklooptest.Failure),
	answering("the error of Write ignored", answerIgnoresWriteError, talklooptest.Failure),
	answering("never closed", answerStaysOpen, talklooptest.Closed),
	answering("closed at the end of file only", answerClosesAtEOF, talklooptest.Closed),
	answering("only the writing half is closed", answerHalfCloses, talklooptest.Closed),
	answering(
		"a line end behind every answer, even behind none",
		answerEOFOnce,
		talklooptest.End,
		talklooptest.Talk,
		talklooptest.Failure,
	),
	answering(
		"the loop ignores every error",
		answerSpins,
		talklooptest.End,
		talklooptest.Talk,
		talklooptest.Reset,
		talklooptest.BrokenPipe,
		talklooptest.Failure,
		talklooptest.Closed,
	),
	answering(
		"the error of Read ignored",
		answerIgnoresReadError,
		talklooptest.End,
		talklooptest.Talk,
		talklooptest.Reset,
		talklooptest.Failure,
		talklooptest.Closed,
	),

	conversing("the line end is sent", converseLineEnds, talklooptest.Lines),
	conversing("the line end in a Write of its own", converseTwoWrites, talklooptest.Lines),
	conversing("spaces are trimmed", converseTrims, talklooptest.Lines),
	conversing("word by word", converseWords, talklooptest.Lines),
	conversing("the whole buffer is printed", converseWholeBuffer, talklooptest.Lines),
	conversing("the answer is as long as the line", converseSameLength, talklooptest.Lines),
	conversing("answers one after the other on one line", converseOneLine, talklooptest.Lines),
	conversing("a prompt before each line", conversePrompts, talklooptest.Lines),
	conversing("printed at the end", conversePrintsLate, talklooptest.Lines),
	conversing("the whole input first", converseReadsAll, talklooptest.Lines),
	conversing("all lines first, then all answers", converseSendsAll, talklooptest.Lines),
	conversing("full duplex", converseFullDuplex, talklooptest.Lines),
	conversing("one read of the input is one line", converseOneRead, talklooptest.Lines),
	conversing(
		"all carriage returns are trimmed",
		typing(func(line string) string { return strings.TrimRight(line, "\r") }),
		talklooptest.Lines,
	),
	conversing("the answer is a format", printing(func(out io.Writer, answer string) error {
		printf := fmt.Fprintf // go vet sees through a plain call
		_, err := printf(out, answer+"\n")
		return err
	}), talklooptest.Lines),
	conversing("a line end only if there is none", printing(func(out io.Writer, answer string) error {
		_, err := io.WriteString(out, strings.TrimSuffix(answer, "\n")+"\n")
		return err
	}), talklooptest.Lines),
	conversing("answers made valid UTF-8", printing(func(out io.Writer, answer string) error {
		_, err := io.WriteString(out, strings.ToValidUTF8(answer, "?")+"\n")
		return err
	}), talklooptest.Lines),
	conversing("the error of the line end ignored", printing(func(out io.Writer, answer string) error {
		_, err := io.WriteString(out, answer)
		io.WriteString(out, "\n")
		return err
	}), talklooptest.Broken),
	conversing("the connection closed after an error", converseClosesAfterError, talklooptest.Broken),
	answering(
		"a connection closed by its own side while it writes has left",
		answerClosedWriteIsGone,
		talklooptest.Failure,
	),
	answering("64 KiB are answered, and no more", answerNoMore, talklooptest.Talk),
	answering(
		"reads on while it writes",
		answerReadsAhead,
		talklooptest.Talk,
		talklooptest.Failure,
	),
	answering("a full buffer calls for more", answerGathers, talklooptest.Talk),
	answering("an answer in several Writes", answerBufferedInPieces, talklooptest.Talk),
	answering("bytes that come with an error are lost", answerErrorFirst, talklooptest.Talk),
	answering("a deadline for the next message", answerInTime, talklooptest.Talk),
	answering(
		"every network error but a timeout and a close of our own is leaving",
		answerUnlessTimeout,
		talklooptest.Reset,
		talklooptest.BrokenPipe,
		talklooptest.Failure,
	),
	answering("every number of the system is leaving", answerAnyErrno, talklooptest.Failure),
	answering("an unexpected end is an end", answerUnexpectedIsEnd, talklooptest.Failure),
	answering("who has left is told by a *net.OpError only", answerNeedsOpError, talklooptest.Reset,
		talklooptest.BrokenPipe),
	answering("only the writing half of a *net.TCPConn is closed", answerHalfClosesTCP, talklooptest.Closed).
		MayPassElsewhere(noTCPConn),
	answering("closed in the background", answerClosesInBackground, talklooptest.Closed),
	answering("the error of Close is returned", answerReturnsClose, talklooptest.Closed),
	conversing(
		"lines made valid UTF-8",
		typing(func(line string) string { return strings.ToValidUTF8(line, "?") }),
		talklooptest.Lines,
	),
	conversing("exit is as good as quit", typing(func(line string) string {
		if line == "exit" {
			return "quit"
		}
		return line
	}), talklooptest.Lines),
	conversing("comments are skipped", typing(func(line string) string {
		if strings.HasPrefix(line, "#") {
			return ""
		}
		return line
	}), talklooptest.Lines),
	conversing("a line that repeats is sent once", converseOnceEach, talklooptest.Lines),
	conversing("no room for a carriage return", converseTightly, talklooptest.Lines),
	conversing("an answer that says QUIT ends it", printing(func(out io.Writer, answer string) error {
		if answer == "QUIT" {
			return io.EOF
		}
		_, err := fmt.Fprintln(out, answer)
		return err
	}), talklooptest.Lines),
	conversing("zero bytes are cut off the answer", printing(func(out io.Writer, answer string) error {
		_, err := fmt.Fprintln(out, strings.TrimRight(answer, "\x00"))
		return err
	}), talklooptest.Lines),
	conversing("4096 bytes of an answer", conversation{room: 4096}.converse, talklooptest.Lines),
	conversing("a moment for the rest of the answer", converseDrains, talklooptest.Lines),
	conversing("bytes of the answer that come with an error are lost", converseErrorFirst, talklooptest.Lines),
	conversing("a deadline that passes ends it without an error", converseTimeoutIsFine, talklooptest.Broken),
	conversing("the next line when a deadline has passed", converseTimeoutIsSkipped, talklooptest.Broken),
	conversing("an output that is full is no error", printing(func(out io.Writer, answer string) error {
		if n, err := io.WriteString(out, answer+"\n"); n <= len(answer) {
			return err
		}
		return nil
	}), talklooptest.Broken),
	conversing("an empty line is sent", converseSendsEmpty, talklooptest.Empty),
	conversing("an empty line ends it", converseEmptyEnds, talklooptest.Empty),
	conversing("an empty line is sent as a space", converseSpace, talklooptest.Empty),
	conversing("the error of the input first, then its bytes", converseInputError, talklooptest.Broken),
	conversing("the input breaks in the middle of a line, and that is its end", converseBreaksAtEnd,
		talklooptest.Broken),
	conversing("one bufio.Scanner for all calls of Converse", converseSharesScanner(), talklooptest.Lines),
	conversing("quit is sent", converseSendsQuit, talklooptest.Quit),
	conversing("quit is not known", converseNoQuit, talklooptest.Quit),
	conversing("what begins with quit is quit", conversePrefix, talklooptest.Quit),
	conversing("the last line without a line end is lost", converseLosesLast, talklooptest.Quit),
	conversing("the byte that comes with the end of the input is lost", converseLosesLastByte,
		talklooptest.Quit),
	conversing(
		"half of a *net.TCPConn is closed",
		converseHalfClosesTCP,
		talklooptest.Quit,
		talklooptest.Broken,
	).MayPassElsewhere(noTCPConn),
	conversing("a deadline left behind", converseLeavesDeadline, talklooptest.Quit, talklooptest.Broken),
	conversing("the end of the input is an error", converseEndIsError, talklooptest.Quit),
	conversing("the connection is closed", converseCloses, talklooptest.Quit, talklooptest.Broken),
	conversing(
		"half of the connection is closed",
		converseHalfCloses,
		talklooptest.Quit,
		talklooptest.Broken,
	),
	conversing("a server that leaves is as good as quit", converseLeftIsQuit, talklooptest.Broken),
	conversing("no look at the input's error", converseNoErr, talklooptest.Broken),
	conversing("no look at the output's error", converseNoOutErr, talklooptest.Broken),
	conversing("the error of Write ignored, in Converse", converseIgnoresWriteError, talklooptest.Broken),
	conversing("goes on after an error", converseGoesOn, talklooptest.Broken),
	conversing(
		"an error of its own for a message that cannot be sent",
		converseUnsentIsOwn,
		talklooptest.Broken,
	),
	conversing(
		"an error of its own for an answer that does not come",
		converseUnansweredIsOwn,
		talklooptest.Broken,
	),
	conversing("an error of its own for an input that breaks", converseInputIsOwn, talklooptest.Broken),
	answering("one buffer for all calls of Answer", answerSharesBuffer, talklooptest.Talk),
	answering("an error that comes with bytes is forgotten", answerForgets, talklooptest.Failure),
	answering("the rest after a part that Write took", answerWritesOn, talklooptest.Failure),
	conversing("an error that comes with an answer is forgotten", converseForgets, talklooptest.Broken),
	conversing("a bufio.Reader around the connection", converseReadsMore, talklooptest.Lines),
	conversing("a line that does not show is empty", typing(func(line string) string {
		if strings.Trim(line, "\t\x00") == "" {
			return ""
		}
		return line
	}), talklooptest.Lines),
	answering("half a character waits for the other half", answerKeepsHalves, talklooptest.Talk),
	answering("one buffer for all that Answer reads", answerReadsIntoOne, talklooptest.Talk).
		MayPassElsewhere("what a Read has brought is there when it returns"),
	answering("whatever sounds like an end is leaving", answerGuesses, talklooptest.Failure),
	answering("a deadline hurries the end", answerHurries, talklooptest.Failure),
	answering("the rest is read before a *net.TCPConn is closed", answerDrains, talklooptest.Failure).
		MayPassElsewhere(noTCPConn),
	conversing("the end that comes with an answer is forgotten", converseForgetsEnd, talklooptest.Broken),
	conversing("a byte order mark is cut off", typing(func(line string) string {
		return strings.TrimPrefix(line, "\ufeff")
	}), talklooptest.Lines),
	conversing("q is enough", typing(func(line string) string {
		if line == "q" {
			return "quit"
		}
		return line
	}), talklooptest.Quit),
	conversing("what does not show behind quit is no part of it", typing(func(line string) string {
		if strings.TrimRight(line, "\r\x00") == "quit" {
			return "quit"
		}
		return line
	}), talklooptest.Quit),
	answering("a thousand messages are enough", answerThousand, talklooptest.Talk),
	conversing("a hundred lines are enough", converseHundred, talklooptest.Lines),
	conversing("no error counts at the end of the input", converseForgivesLast, talklooptest.Broken),
	conversing("one conversation at a time", converseWaitsItsTurn(), talklooptest.Quit),
	conversing("one buffer for all calls of Converse", converseSharesBuffer, talklooptest.Quit).
		MayPassElsewhere("what a Read has brought is there when it returns"),
}

func upper(b []byte) []byte {
	up := bytes.Clone(b)
	for i := range up {
		up[i] = raise(up[i])
	}
	return up
}

// answerWith is a correct Answer with another idea of leaving, and of turning a message into its answer.
func answerWith(conn net.Conn, left func(error) bool, turn func([]byte) []byte) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			_, werr := conn.Write(turn(buf[:n]))
			err = cmp.Or(werr, err)
		}
		if left(err) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func answerSpins(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	for {
		n, _ := conn.Read(buf)
		conn.Write(upper(buf[:n]))
	}
}

func answerEOFIsError(conn net.Conn) error {
	return answerWith(conn, func(err error) bool { return err != io.EOF && gone(err) }, upper)
}

// answerEOFOnce writes before it looks at the error.
func answerEOFOnce(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	for {
		n, err := conn.Read(buf)
		if _, werr := conn.Write(append(upper(buf[:n]), '\n')); werr != nil {
			err = werr
		}
		if gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func answerClosesInside(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	for {
		n, err := conn.Read(buf)
		if err == nil {
			_, err = conn.Write(upper(buf[:n]))
			conn.Close()
		}
		if gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// answerOnce is the answer to the lab before.
func answerOnce(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	if err == nil {
		_, err = conn.Write(upper(buf[:n]))
	}
	if gone(err) {
		return nil
	}
	return err
}

func answerWholeBuffer(conn net.Conn) error {
	return answerWith(conn, gone, func(message []byte) []byte { return upper(message[:cap(message)]) })
}

// answerObeys returns an Answer that takes what is meant for the client's loop as an order.
func answerObeys(order string) func(conn net.Conn) error {
	return func(conn net.Conn) error {
		defer conn.Close()
		buf := make([]byte, 1024)
		for {
			n, err := conn.Read(buf)
			if err == nil && string(buf[:n]) == order {
				return nil
			}
			if n > 0 {
				_, werr := conn.Write(upper(buf[:n]))
				err = cmp.Or(werr, err)
			}
			if gone(err) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
}

// answerStale cuts what it sends at the first zero byte, as a C programmer would, and so sends the
// rest of a longer message before.
func answerStale(conn net.Conn) error {
	return answerWith(conn, gone, func(message []byte) []byte {
		all := message[:cap(message)]
		if end := bytes.IndexByte(all, 0); end >= 0 {
			all = all[:end]
		}
		return upper(all)
	})
}

func answerByLetter(conn net.Conn) error {
	return answerWith(conn, gone, func(message []byte) []byte {
		for _, b := range upper(message[:len(message)-1]) {
			conn.Write([]byte{b})
		}
		return upper(message[len(message)-1:])
	})
}

func answerLines(conn net.Conn) error {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if _, err := fmt.Fprintf(conn, "%s\n", upper(lines.Bytes())); err != nil && !gone(err) {
			return err
		}
	}
	if gone(lines.Err()) {
		return nil
	}
	return lines.Err()
}

func answerReadAll(conn net.Conn) error {
	defer conn.Close()
	all, err := io.ReadAll(conn)
	if err == nil {
		_, err = conn.Write(upper(all))
	}
	if gone(err) {
		return nil
	}
	return err
}

func answerToUpper(conn net.Conn) error { return answerWith(conn, gone, bytes.ToUpper) }

func answerEOFOnly(conn net.Conn) error {
	return answerWith(conn, func(err error) bool { return err == io.EOF }, upper)
}

func answerCompares(conn net.Conn) error {
	return answerWith(
		conn,
		func(err error) bool { return err == io.EOF || err == syscall.ECONNRESET || err == syscall.EPIPE },
		upper,
	)
}

// answerUnwraps does not know that an error may wrap two.
func answerUnwraps(conn net.Conn) error {
	return answerWith(conn, func(err error) bool {
		for ; err != nil; err = errors.Unwrap(err) {
			if err == io.EOF || err == syscall.ECONNRESET || err == syscall.EPIPE {
				return true
			}
		}
		return false
	}, upper)
}

// answerResetOnly is the tutorials' except ConnectionResetError.
func answerResetOnly(conn net.Conn) error {
	return answerWith(conn, func(err error) bool {
		return err == io.EOF || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.Errno(10054))
	}, upper)
}

// answerTells writes to the client what the caller is to know.
func answerTells(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	for {
		n, err := conn.Read(buf)
		if n == 0 && err != nil && !gone(err) {
			fmt.Fprintf(conn, "error: %v\n", err)
		}
		if n > 0 {
			_, werr := conn.Write(upper(buf[:n]))
			err = cmp.Or(werr, err)
		}
		if gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func answerWords(conn net.Conn) error {
	return answerWith(conn, func(err error) bool {
		return err == io.EOF ||
			err != nil &&
				(strings.Contains(err.Error(), "reset by peer") || strings.Contains(err.Error(), "broken pipe") ||
					strings.Contains(err.Error(), "forcibly closed"))
	}, upper)
}

// answerWriteMust expects the client to leave while it reads, and at no other time.
func answerWriteMust(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			if _, err := conn.Write(upper(buf[:n])); err != nil {
				return err
			}
		}
		if gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func answerAnyError(conn net.Conn) error {
	return answerWith(conn, func(err error) bool { return err != nil }, upper)
}

// answerZeroBytes is Python's: if not data: break.
func answerZeroBytes(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	for {
		n, _ := conn.Read(buf)
		if n == 0 {
			return nil
		}
		if _, err := conn.Write(upper(buf[:n])); gone(err) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func answerIgnoresReadError(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	for {
		n, _ := conn.Read(buf)
		if n == 0 {
			continue
		}
		_, err := conn.Write(upper(buf[:n]))
		if gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func answerClosedIsGone(conn net.Conn) error {
	return answerWith(
		conn,
		func(err error) bool { return gone(err) || errors.Is(err, net.ErrClosed) },
		upper,
	)
}

func answerIgnoresWriteError(conn net.Conn) error {
	return talkloop.Answer(quiet{conn})
}

// unclosed is a connection that its user forgets to close.
type unclosed struct{ net.Conn }

func (unclosed) Close() error { return nil }

func answerStaysOpen(conn net.Conn) error { return talkloop.Answer(unclosed{conn}) }

func answerClosesAtEOF(conn net.Conn) error {
	buf := make([]byte, 1024)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			_, werr := conn.Write(upper(buf[:n]))
			err = cmp.Or(werr, err)
		}
		if err == io.EOF {
			return conn.Close()
		}
		if gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func answerHalfCloses(conn net.Conn) error {
	err := answerStaysOpen(conn)
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	return err
}

// exchange is what the answers below do with a line, if nothing else is said.
func exchange(conn net.Conn, out io.Writer, line string) error {
	if _, err := conn.Write([]byte(line)); err != nil {
		return err
	}
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	if n > 0 {
		_, werr := fmt.Fprintf(out, "%s\n", buf[:n])
		err = cmp.Or(werr, err)
	}
	return err
}

// each calls do with every line before quit that is not empty.
func each(in io.Reader, do func(line string) error) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() && lines.Text() != "quit" {
		if lines.Text() == "" {
			continue
		}
		if err := do(lines.Text()); err != nil {
			return err
		}
	}
	return lines.Err()
}

func converseLineEnds(conn net.Conn, in io.Reader, out io.Writer) error {
	return each(in, func(line string) error { return exchange(conn, out, line+"\n") })
}

func converseTwoWrites(conn net.Conn, in io.Reader, out io.Writer) error {
	return each(in, func(line string) error {
		half := len(line) / 2
		if _, err := io.WriteString(conn, line[:half]); err != nil {
			return err
		}
		return exchange(conn, out, line[half:])
	})
}

func converseTrims(conn net.Conn, in io.Reader, out io.Writer) error {
	return each(in, func(line string) error {
		if line = strings.TrimSpace(line); line == "" {
			return nil
		}
		return exchange(conn, out, line)
	})
}

func converseWords(conn net.Conn, in io.Reader, out io.Writer) error {
	for {
		var word string
		if _, err := fmt.Fscan(in, &word); err == io.EOF || word == "quit" {
			return nil
		} else if err != nil {
			return err
		}
		if err := exchange(conn, out, word); err != nil {
			return err
		}
	}
}

func converseWholeBuffer(conn net.Conn, in io.Reader, out io.Writer) error {
	return each(in, func(line string) error {
		if _, err := io.WriteString(conn, line); err != nil {
			return err
		}
		buf := make([]byte, 1024)
		if _, err := conn.Read(buf); err != nil {
			return err
		}
		_, err := fmt.Fprintln(out, string(buf))
		return err
	})
}

func converseSameLength(conn net.Conn, in io.Reader, out io.Writer) error {
	return each(in, func(line string) error {
		if _, err := io.WriteString(conn, line); err != nil {
			return err
		}
		answer := make([]byte, len(line))
		if _, err := io.ReadFull(conn, answer); err != nil {
			return err
		}
		_, err := fmt.Fprintln(out, string(answer))
		return err
	})
}

func converseOneLine(conn net.Conn, in io.Reader, out io.Writer) error {
	return each(in, func(line string) error {
		if _, err := io.WriteString(conn, line); err != nil {
			return err
		}
		buf := make([]byte, 1024)
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		_, err = out.Write(buf[:n])
		return err
	})
}

func conversePrompts(conn net.Conn, in io.Reader, out io.Writer) error {
	return each(in, func(line string) error {
		if _, err := io.WriteString(out, ">>> "); err != nil {
			return err
		}
		return exchange(conn, out, line)
	})
}

func conversePrintsLate(conn net.Conn, in io.Reader, out io.Writer) error {
	screen := bufio.NewWriter(out)
	if err := talkloop.Converse(conn, in, screen); err != nil {
		return err
	}
	return screen.Flush()
}

func converseReadsAll(conn net.Conn, in io.Reader, out io.Writer) error {
	all, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	return talkloop.Converse(conn, bytes.NewReader(all), out)
}

func converseSendsAll(conn net.Conn, in io.Reader, out io.Writer) error {
	sent := 0
	err := each(in, func(line string) error {
		sent++
		_, err := io.WriteString(conn, line)
		return err
	})
	for range sent {
		buf := make([]byte, 1024)
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n", buf[:n])
	}
	return err
}

// converseFullDuplex prints what comes whenever it comes, and sends meanwhile.
func converseFullDuplex(conn net.Conn, in io.Reader, out io.Writer) error {
	asked, printed := make(chan bool, 1000), make(chan error)
	go func() {
		buf := make([]byte, 1024)
		for range asked {
			n, err := conn.Read(buf)
			if err == nil {
				_, err = fmt.Fprintf(out, "%s\n", buf[:n])
			}
			if err != nil {
				printed <- err
				return
			}
		}
		printed <- nil
	}()
	err := each(in, func(line string) error {
		_, err := io.WriteString(conn, line)
		asked <- true
		return err
	})
	close(asked)
	return errors.Join(err, <-printed)
}

// converseOneRead works as long as somebody types, because a terminal hands over line by line.
func converseOneRead(conn net.Conn, in io.Reader, out io.Writer) error {
	buf := make([]byte, 4096)
	for {
		n, err := in.Read(buf)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		line := strings.TrimRight(string(buf[:n]), "\r\n")
		if line == "quit" {
			return nil
		}
		if line == "" {
			continue
		}
		if err := exchange(conn, out, line); err != nil {
			return err
		}
	}
}

func converseSendsEmpty(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() && lines.Text() != "quit" {
		if err := exchange(conn, out, lines.Text()); err != nil {
			return err
		}
	}
	return lines.Err()
}

func converseEmptyEnds(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() && lines.Text() != "quit" && lines.Text() != "" {
		if err := exchange(conn, out, lines.Text()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// converseSpace has heard that empty messages hang, and makes sure that none is empty.
func converseSpace(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() && lines.Text() != "quit" {
		line := lines.Text()
		if line == "" {
			line = " "
		}
		if err := exchange(conn, out, line); err != nil {
			return err
		}
	}
	return lines.Err()
}

// converseInputError gives up what has come together with an error.
func converseInputError(conn net.Conn, in io.Reader, out io.Writer) error {
	return talkloop.Converse(conn, inputError{in}, out)
}

type inputError struct{ from io.Reader }

func (e inputError) Read(p []byte) (int, error) {
	n, err := e.from.Read(p)
	if err != nil && err != io.EOF {
		n = 0
	}
	return n, err
}

func converseSendsQuit(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if lines.Text() == "" {
			continue
		}
		if err := exchange(conn, out, lines.Text()); err != nil {
			return err
		}
		if lines.Text() == "quit" {
			break
		}
	}
	return lines.Err()
}

func converseNoQuit(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if lines.Text() == "" {
			continue
		}
		if err := exchange(conn, out, lines.Text()); err != nil {
			return err
		}
	}
	return lines.Err()
}

func conversePrefix(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "quit") {
		if lines.Text() == "" {
			continue
		}
		if err := exchange(conn, out, lines.Text()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// byReadString is a loop around ReadString; ended says what becomes of its error.
func byReadString(conn net.Conn, in io.Reader, out io.Writer, ended func(error) error) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return ended(err)
		}
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if line == "quit" {
			return nil
		}
		if line == "" {
			continue
		}
		if err := exchange(conn, out, line); err != nil {
			return err
		}
	}
}

func converseLosesLast(conn net.Conn, in io.Reader, out io.Writer) error {
	return byReadString(conn, in, out, func(err error) error {
		if err == io.EOF {
			return nil
		}
		return err
	})
}

func converseEndIsError(conn net.Conn, in io.Reader, out io.Writer) error {
	return byReadString(conn, in, out, func(err error) error { return err })
}

func converseCloses(conn net.Conn, in io.Reader, out io.Writer) error {
	defer conn.Close()
	return talkloop.Converse(conn, in, out)
}

func converseHalfCloses(conn net.Conn, in io.Reader, out io.Writer) error {
	err := talkloop.Converse(conn, in, out)
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	return err
}

func converseLeftIsQuit(conn net.Conn, in io.Reader, out io.Writer) error {
	err := talkloop.Converse(conn, in, out)
	if gone(err) {
		return nil
	}
	return err
}

func converseNoErr(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() && lines.Text() != "quit" {
		if lines.Text() == "" {
			continue
		}
		if err := exchange(conn, out, lines.Text()); err != nil {
			return err
		}
	}
	return nil
}

func converseNoOutErr(conn net.Conn, in io.Reader, out io.Writer) error {
	return printing(func(out io.Writer, answer string) error {
		fmt.Fprintln(out, answer)
		return nil
	})(conn, in, out)
}

func converseIgnoresWriteError(conn net.Conn, in io.Reader, out io.Writer) error {
	return talkloop.Converse(quiet{conn}, in, out)
}

// converseGoesOn logs the error, and reads the next line.
func converseGoesOn(conn net.Conn, in io.Reader, out io.Writer) error {
	return each(in, func(line string) error {
		if err := exchange(conn, out, line); err != nil {
			log.Print(err)
		}
		return nil
	})
}

func converseUnsentIsOwn(conn net.Conn, in io.Reader, out io.Writer) error {
	return each(in, func(line string) error {
		if _, err := io.WriteString(conn, line); err != nil {
			return errors.New("the server is gone")
		}
		return exchange(sent{conn}, out, line)
	})
}

// sent is a connection on which the message is out already.
type sent struct{ net.Conn }

func (sent) Write(p []byte) (int, error) { return len(p), nil }

// quiet is a connection of whose Write nobody looks at the error.
type quiet struct{ net.Conn }

func (q quiet) Write(p []byte) (int, error) {
	q.Conn.Write(p)
	return len(p), nil
}

func converseUnansweredIsOwn(conn net.Conn, in io.Reader, out io.Writer) error {
	return each(in, func(line string) error {
		if _, err := io.WriteString(conn, line); err != nil {
			return err
		}
		buf := make([]byte, 1024)
		n, err := conn.Read(buf)
		if n > 0 {
			if _, err := fmt.Fprintf(out, "%s\n", buf[:n]); err != nil {
				return err
			}
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("no answer: %v", err)
		}
		return err
	})
}

func converseInputIsOwn(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() && lines.Text() != "quit" {
		if lines.Text() == "" {
			continue
		}
		if err := exchange(conn, out, lines.Text()); err != nil {
			return err
		}
	}
	if lines.Err() != nil {
		return errors.New("cannot read the input")
	}
	return nil
}

type converseFunc = func(conn net.Conn, in io.Reader, out io.Writer) error

// typing and printing are Converse, right but for what becomes of a line or of an answer.
func typing(change func(line string) string) converseFunc {
	return conversation{line: change}.converse
}

func printing(print func(out io.Writer, answer string) error) converseFunc {
	return conversation{print: print}.converse
}

type conversation struct {
	room  int // for an answer; 0 means 1024
	line  func(line string) string
	print func(out io.Writer, answer string) error
}

func (c conversation) converse(conn net.Conn, in io.Reader, out io.Writer) error {
	lines, buf := bufio.NewScanner(in), make([]byte, cmp.Or(c.room, 1024))
	for lines.Scan() {
		line := lines.Text()
		if c.line != nil {
			line = c.line(line)
		}
		switch line {
		case "":
			continue
		case "quit":
			return nil
		}
		if _, err := io.WriteString(conn, line); err != nil {
			return err
		}
		n, err := conn.Read(buf)
		if n > 0 && c.print == nil {
			_, werr := fmt.Fprintf(out, "%s\n", buf[:n])
			err = cmp.Or(werr, err)
		} else if n > 0 {
			err = cmp.Or(c.print(out, string(buf[:n])), err)
		}
		if err != nil {
			return err
		}
	}
	return lines.Err()
}

func converseClosesAfterError(conn net.Conn, in io.Reader, out io.Writer) error {
	err := talkloop.Converse(conn, in, out)
	if err != nil {
		conn.Close()
	}
	return err
}

// answerClosedWriteIsGone believes that whoever cannot be written to has left.
func answerClosedWriteIsGone(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			_, err := conn.Write(upper(buf[:n]))
			if errors.Is(err, net.ErrClosed) || gone(err) {
				return nil
			}
			if err != nil {
				return err
			}
		}
		if gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// answerNoMore has a budget for each client.
func answerNoMore(conn net.Conn) error {
	return talkloop.Answer(budget{conn, new(int)})
}

type budget struct {
	net.Conn
	spent *int
}

func (b budget) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if *b.spent += n; *b.spent > 64<<10 {
		return 0, io.EOF
	}
	return n, err
}

// answerUnlessTimeout knows what is not leaving instead of what is.
func answerUnlessTimeout(conn net.Conn) error {
	defer conn.Close()
	for {
		b := make([]byte, 64<<10)
		n, err := conn.Read(b)
		if n > 0 {
			for i := range b[:n] {
				b[i] = raise(b[i])
			}
			_, werr := conn.Write(b[:n])
			err = errors.Join(err, werr)
		}
		var op *net.OpError
		switch {
		case errors.Is(err, io.EOF), errors.As(err, &op) && !op.Timeout() && !errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return err
		}
	}
}

// answerReadsAhead loses no time: while an answer is on its way, the next message is read.
func answerReadsAhead(conn net.Conn) error {
	answers, written := make(chan []byte, 16), make(chan error, 1)
	go func() {
		var failed error
		for a := range answers {
			if failed == nil {
				_, failed = conn.Write(a)
			}
		}
		written <- failed
	}()
	defer conn.Close()
	for {
		buf := make([]byte, 1024)
		n, err := conn.Read(buf)
		if n > 0 {
			answers <- upper(buf[:n])
		}
		if err != nil {
			close(answers)
			if err = cmp.Or(<-written, err); gone(err) {
				return nil
			}
			return err
		}
	}
}

// answerGathers believes that a message which fills the buffer goes on.
func answerGathers(conn net.Conn) error { return talkloop.Answer(gathering{conn}) }

type gathering struct{ net.Conn }

func (g gathering) Read(p []byte) (int, error) {
	half := len(p) / 2
	n, err := g.Conn.Read(p[:half])
	if n == half && err == nil {
		var more int
		more, err = g.Conn.Read(p[half:])
		n += more
	}
	return n, err
}

func answerBufferedInPieces(conn net.Conn) error {
	return talkloop.Answer(inPieces{conn, bufio.NewWriterSize(conn, 512)})
}

type inPieces struct {
	net.Conn
	w *bufio.Writer
}

func (i inPieces) Write(p []byte) (int, error) {
	for _, b := range p {
		i.w.WriteByte(b) // an error stays until Flush
	}
	return len(p), i.w.Flush()
}

// answerErrorFirst looks at the error of Read first.
func answerErrorFirst(conn net.Conn) error { return talkloop.Answer(errorFirst{conn}) }

func converseErrorFirst(conn net.Conn, in io.Reader, out io.Writer) error {
	return talkloop.Converse(errorFirst{conn}, in, out)
}

type errorFirst struct{ net.Conn }

func (e errorFirst) Read(p []byte) (int, error) {
	n, err := e.Conn.Read(p)
	if err != nil {
		return 0, err
	}
	return n, nil
}

func answerInTime(conn net.Conn) error {
	return talkloop.Answer(impatient{conn})
}

type impatient struct{ net.Conn }

func (i impatient) Write(p []byte) (int, error) {
	n, err := i.Conn.Write(p)
	if err == nil {
		i.SetReadDeadline(time.Now().Add(time.Minute)) // for the next message
	}
	return n, err
}

func answerAnyErrno(conn net.Conn) error {
	return answerWith(conn, func(err error) bool {
		var errno syscall.Errno
		return errors.Is(err, io.EOF) || errors.As(err, &errno)
	}, upper)
}

func answerUnexpectedIsEnd(conn net.Conn) error {
	return answerWith(conn, func(err error) bool {
		return gone(err) || errors.Is(err,
			io.ErrUnexpectedEOF)
	}, upper)
}

// answerNeedsOpError takes every connection for one of package net.
func answerNeedsOpError(conn net.Conn) error {
	return answerWith(conn, func(err error) bool {
		var op *net.OpError
		return errors.Is(err, io.EOF) || errors.As(err, &op) && gone(op)
	}, upper)
}

// answerHalfClosesTCP knows that a *net.TCPConn can do more than a net.Conn.
func answerHalfClosesTCP(conn net.Conn) error {
	err := answerStaysOpen(conn)
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.CloseWrite()
	} else {
		conn.Close()
	}
	return err
}

func answerClosesInBackground(conn net.Conn) error {
	err := answerStaysOpen(conn)
	go conn.Close()
	return err
}

func answerReturnsClose(conn net.Conn) error {
	if err := answerStaysOpen(conn); err != nil {
		conn.Close()
		return err
	}
	return conn.Close()
}

func converseOnceEach(conn net.Conn, in io.Reader, out io.Writer) error {
	last := ""
	return typing(func(line string) string {
		if line == last {
			return ""
		}
		last = line
		return line
	})(conn, in, out)
}

// converseTightly has room for a line and one byte more.
func converseTightly(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 1025), 1025)
	for lines.Scan() && lines.Text() != "quit" {
		if lines.Text() == "" {
			continue
		}
		if err := exchange(conn, out, lines.Text()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// converseDrains waits for 20 ms whether more of the answer comes.
func converseDrains(conn net.Conn, in io.Reader, out io.Writer) error {
	return talkloop.Converse(draining{conn}, in, out)
}

type draining struct{ net.Conn }

func (d draining) Read(p []byte) (int, error) {
	n, err := d.Conn.Read(p)
	if err == nil {
		d.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		more, _ := d.Conn.Read(p[n:])
		d.SetReadDeadline(time.Time{})
		n += more
	}
	return n, err
}

// converseLosesLastByte looks at the error of the input first.
func converseLosesLastByte(conn net.Conn, in io.Reader, out io.Writer) error {
	return talkloop.Converse(conn, byBytes{in}, out)
}

// byBytes reads byte by byte.
type byBytes struct{ r io.Reader }

func (b byBytes) Read(p []byte) (int, error) {
	n, err := b.r.Read(p[:1])
	if err != nil {
		return 0, err
	}
	return n, nil
}

func converseHalfClosesTCP(conn net.Conn, in io.Reader, out io.Writer) error {
	err := talkloop.Converse(conn, in, out)
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.CloseWrite()
	}
	return err
}

func converseLeavesDeadline(conn net.Conn, in io.Reader, out io.Writer) error {
	conn.SetDeadline(time.Now().Add(time.Minute))
	return talkloop.Converse(conn, in, out)
}

func converseTimeoutIsFine(conn net.Conn, in io.Reader, out io.Writer) error {
	if err := talkloop.Converse(conn, in, out); !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return nil
}

func converseTimeoutIsSkipped(conn net.Conn, in io.Reader, out io.Writer) error {
	return each(in, func(line string) error {
		if err := exchange(conn, out, line); !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		return nil
	})
}

var answerBuffer [1024]byte

func answerSharesBuffer(conn net.Conn) error {
	return talkloop.Answer(sharing{conn})
}

// sharing is a connection whose messages all go through answerBuffer.
type sharing struct{ net.Conn }

func (s sharing) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(answerBuffer[:min(len(p), len(answerBuffer))])
	return copy(p, answerBuffer[:n]), err
}

func (s sharing) Write(p []byte) (int, error) {
	return s.Conn.Write(answerBuffer[:copy(answerBuffer[:], p)])
}

// forgetful is a connection whose Read returns an error only if it has brought nothing.
type forgetful struct{ net.Conn }

func (f forgetful) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if n > 0 {
		err = nil
	}
	return n, err
}

func answerForgets(conn net.Conn) error { return talkloop.Answer(forgetful{conn}) }

func converseForgets(conn net.Conn, in io.Reader, out io.Writer) error {
	return talkloop.Converse(forgetful{conn}, in, out)
}

func answerWritesOn(conn net.Conn) error { return talkloop.Answer(stubborn{conn}) }

// stubborn is a connection that writes again what a Write has not taken.
type stubborn struct{ net.Conn }

func (s stubborn) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	if 0 < n && n < len(p) {
		more, err := s.Conn.Write(p[n:])
		return n + more, err
	}
	return n, err
}

func converseReadsMore(conn net.Conn, in io.Reader, out io.Writer) error {
	return talkloop.Converse(buffered{conn, bufio.NewReader(conn)}, in, out)
}

type buffered struct {
	net.Conn
	r *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

// answerKeepsHalves answers whole characters only.
func answerKeepsHalves(conn net.Conn) error { return talkloop.Answer(&wholeRunes{Conn: conn}) }

// wholeRunes is a connection whose Read keeps the beginning of a character back until the rest has come.
type wholeRunes struct {
	net.Conn
	kept []byte
}

func (w *wholeRunes) Read(p []byte) (int, error) {
	n := copy(p, w.kept)
	w.kept = w.kept[n:]
	m, err := w.Conn.Read(p[n:])
	n += m
	for i := n - 1; i >= 0 && i >= n-3 && err == nil; i-- {
		if utf8.RuneStart(p[i]) {
			if !utf8.FullRune(p[i:n]) {
				w.kept, n = bytes.Clone(p[i:n]), i
			}
			break
		}
	}
	return n, err
}

// answerReadsIntoOne has a buffer of its own for each answer, but not for what it reads.
func answerReadsIntoOne(conn net.Conn) error { return talkloop.Answer(reading{conn}) }

type reading struct{ net.Conn }

var messageBuffer [1024]byte

func (r reading) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(messageBuffer[:])
	return copy(p, messageBuffer[:n]), err
}

func answerGuesses(conn net.Conn) error {
	err := talkloop.Answer(conn)
	for _, end := range []error{syscall.ENOTCONN, syscall.EBADF, context.Canceled, io.ErrShortWrite} {
		if errors.Is(err, end) {
			return nil
		}
	}
	return err
}

func answerHurries(conn net.Conn) error {
	defer conn.SetDeadline(time.Now())
	return talkloop.Answer(conn)
}

// answerDrains has heard that unread bytes turn Close into a reset.
func answerDrains(conn net.Conn) error {
	defer conn.Close()
	err := talkloop.Answer(unclosed{conn})
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.CloseWrite()
		io.Copy(io.Discard, tcp)
	}
	return err
}

// converseForgetsEnd is right about other errors.
func converseForgetsEnd(conn net.Conn, in io.Reader, out io.Writer) error {
	return talkloop.Converse(endless{conn}, in, out)
}

// endless is a connection whose Read returns io.EOF only if it has brought nothing.
type endless struct{ net.Conn }

func (e endless) Read(p []byte) (int, error) {
	n, err := e.Conn.Read(p)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// converseWaitsItsTurn has one lock for all connections.
func converseWaitsItsTurn() func(conn net.Conn, in io.Reader, out io.Writer) error {
	var mu sync.Mutex
	return func(conn net.Conn, in io.Reader, out io.Writer) error {
		mu.Lock()
		defer mu.Unlock()
		return talkloop.Converse(conn, in, out)
	}
}

func converseSharesBuffer(conn net.Conn, in io.Reader, out io.Writer) error {
	return talkloop.Converse(receiving{conn}, in, out)
}

type receiving struct{ net.Conn }

var replyBuffer [1024]byte

func (r receiving) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(replyBuffer[:])
	return copy(p, replyBuffer[:n]), err
}

func answerThousand(conn net.Conn) error { return talkloop.Answer(&counting{conn, 1000}) }

// counting is a connection that pretends to be at its end after some Reads.
type counting struct {
	net.Conn
	left int
}

func (c *counting) Read(p []byte) (int, error) {
	if c.left--; c.left < 0 {
		return 0, io.EOF
	}
	return c.Conn.Read(p)
}

func converseHundred(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for n := 0; n < 100 && lines.Scan() && lines.Text() != "quit"; {
		if lines.Text() == "" {
			continue
		}
		n++
		if err := talkloop.Converse(conn, strings.NewReader(lines.Text()), out); err != nil {
			return err
		}
	}
	return lines.Err()
}

// converseBreaksAtEnd takes the last line that has no end for the end of the input, whatever ends it.
func converseBreaksAtEnd(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if err != nil && line == "" {
			if err == io.EOF {
				return nil
			}
			return err
		}
		one := conversation{}.converse(conn, strings.NewReader(line), out)
		if one != nil || err != nil || strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r") == "quit" {
			return one
		}
	}
}

// converseForgivesLast has no errors any more when it has met the end of the input.
func converseForgivesLast(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	for {
		line, inErr := lines.ReadString('\n')
		err := conversation{}.converse(conn, strings.NewReader(line), out)
		switch {
		case inErr == io.EOF:
			return nil
		case err != nil || strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r") == "quit":
			return err
		case inErr != nil:
			return inErr
		}
	}
}

// converseSharesScanner makes a bufio.Scanner of the first input.
func converseSharesScanner() converseFunc {
	var mu sync.Mutex
	var lines *bufio.Scanner
	return func(conn net.Conn, in io.Reader, out io.Writer) error {
		mu.Lock()
		defer mu.Unlock()
		if lines == nil {
			lines = bufio.NewScanner(in)
		}
		for lines.Scan() {
			line := lines.Text()
			if err := (conversation{}).converse(conn, strings.NewReader(line), out); err != nil || line == "quit" {
				return err
			}
		}
		return lines.Err()
	}
}
