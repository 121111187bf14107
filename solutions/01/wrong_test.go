package oneshot_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"socketbook/labs/01/oneshottest"
	oneshot "socketbook/solutions/01"
	"socketbook/tools/check"
)

// noTCPConn says why a mistake does nothing in another process.
const noTCPConn = "its connection is no *net.TCPConn there"

// wrong are the mistakes that people make, each with exactly the cases that must fail on it. The
// failure text of a case in testdata is the one that the first answer named for it provokes.
var wrong = []check.Answer{
	answering("the whole buffer is sent back", answerWholeBuffer, oneshottest.Upper),
	answering("z is forgotten", answerNotZ, oneshottest.Upper),
	answering("letter by letter", answerByLetter, oneshottest.Upper),
	answering("the last byte is taken for a line end", answerCutsLast, oneshottest.Upper),
	answering("waits for a line end", answerLine, oneshottest.Upper),
	answering("a letter behind an apostrophe stays as it is", answerByWord, oneshottest.Upper),
	answering("bytes.ToUpper", answerToUpper, oneshottest.Others),
	answering("everything from a on is a letter", answerFromA, oneshottest.Others),
	answering("spaces and line ends are trimmed", answerTrims, oneshottest.Others),
	answering("reads to the end of the stream", answerReadAll, oneshottest.OneRead),
	answering("waits for 1024 bytes", answerReadFull, oneshottest.OneRead),
	answering("a buffer of 256 bytes", answerSmall, oneshottest.OneRead),
	answering("a buffer of 4096 bytes", answerLarge, oneshottest.OneRead),
	answering("waits for the client to close", answerLoop, oneshottest.OneRead),
	answering("the answer in pieces of 256 bytes", answerInChunks, oneshottest.OneRead),
	answering("the end is an empty message", answerIgnoresReadError, oneshottest.Silent),
	answering("the error of Write ignored", answerIgnoresWriteError, oneshottest.Unsent),
	answering("never closed", answerStaysOpen, oneshottest.Closes, oneshottest.Silent, oneshottest.Unsent),
	answering(
		"only the writing half is closed",
		answerHalfCloses,
		oneshottest.Closes,
		oneshottest.Silent,
		oneshottest.Unsent,
	),
	answering("closed only when all went well", answerClosesLast, oneshottest.Silent, oneshottest.Unsent),
	answering("closed before the answer", answerClosesFirst, oneshottest.Upper),
	answering("leaving is no error", answerLeavingIsFine, oneshottest.Silent, oneshottest.Unsent),
	answering("every error is io.EOF", answerAlwaysEOF, oneshottest.Silent, oneshottest.Unsent),
	answering("an error of its own for a reset", answerResetIsOwn, oneshottest.Silent),
	answering(
		"an error of its own for an answer that cannot be sent",
		answerUnsentIsOwn,
		oneshottest.Unsent,
	),

	answering("blank messages are not answered",
		answerUnless(func(m string) bool { return strings.TrimSpace(m) == "" }), oneshottest.Others),
	answering("quit is not answered", answerUnless(func(m string) bool { return m == "quit" }),
		oneshottest.Upper),
	answering("a moment for what may still come", answerSleeps(time.Second, 0), oneshottest.Upper),
	answering("a moment before it closes", answerSleeps(0, time.Second), oneshottest.Upper),
	answering("no patience", answerWithin(100*time.Millisecond), oneshottest.Upper, oneshottest.Silent),
	answering("closed in the background", answerClosesInBackground, oneshottest.Closes),
	answering("the error of Close is returned", answerReturnsClose, oneshottest.Closes),
	answering(
		"only the writing half of a *net.TCPConn is closed",
		answerHalfClosesTCP,
		oneshottest.Closes,
		oneshottest.Silent,
		oneshottest.Unsent,
	).MayPassElsewhere(noTCPConn),
	answering("a deadline that passes is no error", answerTimeoutIsFine, oneshottest.Silent),
	answering("left open when a deadline has passed", answerOpenAfterTimeout, oneshottest.Silent),
	answering("one buffer for all calls of Answer", answerSharesBuffer, oneshottest.Closes),
	answering("the error of Close instead of that of Read", answerPrefersClose, oneshottest.Silent, oneshottest.Unsent),
	answering("a part of the answer is enough", answerPartIsFine, oneshottest.Unsent),

	asking("reads to the end of the stream, in Ask", askReadAll, oneshottest.Ask),
	asking("the whole buffer is the answer", askWholeBuffer, oneshottest.Ask),
	asking("reads before it writes", askReadsFirst, oneshottest.Ask),
	asking("a line end is added", askAddsLineEnd, oneshottest.Ask),
	asking("the line end in a Write of its own", askTwoWrites, oneshottest.Ask),
	asking("the answer is as long as the question", askSameLength, oneshottest.Ask),
	asking("a zero byte ends the answer", askTrimsZeros, oneshottest.Ask),
	asking("the question in upper case, where it stands", askRaises, oneshottest.Ask),
	asking("the question wiped out once it is sent", askWipes, oneshottest.Ask),
	asking("the slice of the question is the buffer for the answer", askReadsIntoMessage, oneshottest.Ask),
	asking("zero bytes are cut off the question", askCutsZeros, oneshottest.Ask),
	asking(
		"Ask closes the connection",
		askCloses,
		oneshottest.Again,
		oneshottest.Refused,
		oneshottest.Left,
	),
	asking("Ask closes its half", askHalfCloses, oneshottest.Again, oneshottest.Left),
	asking("one buffer for all answers", oneBuffer(), oneshottest.Again),
	asking(
		"Ask closes the connection after an error",
		askClosesAfterError,
		oneshottest.Refused,
		oneshottest.Left,
	),
	asking("a bufio.Reader that reads ahead", askBufio, oneshottest.Ask),
	asking("a deadline left behind", askDeadline, oneshottest.Ask),
	asking("an empty message is sent", askEmpty, oneshottest.Refused),
	asking("a long message is cut", askCuts, oneshottest.Refused),
	asking("no limit", askNoLimit, oneshottest.Refused),
	asking("no answer to no message, and no error", askEmptyIsFine, oneshottest.Refused),
	asking("the end is an empty answer", askEndIsEmpty, oneshottest.Left),
	asking("the error of Write ignored, in Ask", askIgnoresWriteError, oneshottest.Left),
	asking("both errors ignored", askIgnoresErrors, oneshottest.Left),
	asking("a reset is taken for the end", askResetIsEnd, oneshottest.Left),
	asking("an error of its own, in Ask", askErrorIsOwn, oneshottest.Left),
	asking("a Read after a Write that failed", askReadsOn, oneshottest.Left),
	asking("asked again when the server has left", askAgainAfterEOF, oneshottest.Left),
	asking("a second Write after one that failed", askWritesAgain, oneshottest.Left),
	asking("a deadline left behind after an error", askLeavesDeadline, oneshottest.Left),
	asking("no patience, in Ask", askWithin(100*time.Millisecond), oneshottest.Ask),
	asking("waits for 100 ms and no longer", askGivesUp, oneshottest.Ask),
	asking("a blank message is none", askRefusesBlank, oneshottest.Ask),
	asking("letters are counted instead of bytes", askCountsLetters, oneshottest.Refused),
	asking("half of a *net.TCPConn is closed", askHalfClosesTCP, oneshottest.Again, oneshottest.Refused,
		oneshottest.Left).
		MayPassElsewhere(noTCPConn),
	asking("closed when an answer fills the buffer", askClosesWhenFull, oneshottest.Again),
	asking("answers are remembered", askRemembers(), oneshottest.Again),
	asking("a line end behind the message, in its array", askAppends, oneshottest.Ask),
	answering("one buffer for all that Answer reads", answerReadsIntoOne, oneshottest.Closes).
		MayPassElsewhere("what a Read has brought is there when it returns"),
	answering("a second try when a deadline has passed", answerTriesAgain, oneshottest.Silent),
	asking("a second try when a deadline has passed, in Ask", askTriesAgain, oneshottest.Left),
	asking("one question at a time", askWaitsItsTurn(), oneshottest.Again),
	asking("answers cut from one long array", askCutsFromOne(), oneshottest.Again).
		MayPassElsewhere("answers are copied on their way"),
	asking("buffers of 1024 bytes cut from one long array", askSlices(), oneshottest.Again).
		MayPassElsewhere("answers are copied on their way"),
	asking("the question is taken for a format", askFormats, oneshottest.Ask),
	asking("an answer with the word ERROR is an error", askObeysErrors, oneshottest.Ask),
	asking("a byte order mark is cut off", askCutsMark, oneshottest.Ask),
	asking("the length in 16 bits", askShortLength, oneshottest.Refused),
	asking("an empty message is the end", askEmptyIsEnd, oneshottest.Refused),
	answering("a timer that closes, and is never stopped", answerTimed, oneshottest.Closes).
		MayPassElsewhere(noTimers),
	asking("a timer that is stopped only when an answer came", askTimed, oneshottest.Again).
		MayPassElsewhere(noTimers),
}

// upper is right.
func upper(b []byte) []byte {
	up := bytes.Clone(b)
	for i, c := range up {
		if 'a' <= c && c <= 'z' {
			up[i] = c - 32
		}
	}
	return up
}

// answerWith is Answer with another way of turning the message into the answer.
func answerWith(conn net.Conn, turn func([]byte) []byte) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	if err != nil {
		return err
	}
	_, err = conn.Write(turn(buf[:n]))
	return err
}

func answerWholeBuffer(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	if _, err := conn.Read(buf); err != nil {
		return err
	}
	_, err := conn.Write(upper(buf))
	return err
}

func answerNotZ(conn net.Conn) error {
	return answerWith(conn, func(message []byte) []byte {
		for i, c := range message {
			if c >= 'a' && c < 'z' {
				message[i] = c - 32
			}
		}
		return message
	})
}

func answerByLetter(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	if err != nil {
		return err
	}
	for _, c := range upper(buf[:n]) {
		if _, err := conn.Write([]byte{c}); err != nil {
			return err
		}
	}
	return nil
}

// answerCutsLast was tried out with nc, where every message ends with a line end.
func answerCutsLast(conn net.Conn) error {
	return answerWith(conn, func(message []byte) []byte { return upper(message[:len(message)-1]) })
}

func answerClosesFirst(conn net.Conn) error {
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	conn.Close()
	if err != nil {
		return err
	}
	conn.Write(upper(buf[:n]))
	return nil
}

func answerLine(conn net.Conn) error {
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadBytes('\n')
	if err != nil {
		return err
	}
	_, err = conn.Write(upper(line))
	return err
}

func answerToUpper(conn net.Conn) error { return answerWith(conn, bytes.ToUpper) }

// answerByWord takes care that "it's" does not become "IT'S".
func answerByWord(conn net.Conn) error {
	return answerWith(conn, func(message []byte) []byte {
		up := upper(message)
		for i := 1; i < len(message); i++ {
			if message[i-1] == '\'' {
				up[i] = message[i]
			}
		}
		return up
	})
}

func answerFromA(conn net.Conn) error {
	return answerWith(conn, func(message []byte) []byte {
		for i, c := range message {
			if c >= 'a' {
				message[i] = c - 32
			}
		}
		return message
	})
}

func answerTrims(conn net.Conn) error {
	return answerWith(conn, func(message []byte) []byte { return upper(bytes.TrimSpace(message)) })
}

func answerReadAll(conn net.Conn) error {
	defer conn.Close()
	message, err := io.ReadAll(io.LimitReader(conn, 1024))
	if err != nil {
		return err
	}
	if len(message) == 0 {
		return io.EOF
	}
	_, err = conn.Write(upper(message))
	return err
}

func answerReadFull(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	n, err := io.ReadFull(conn, buf)
	if err != nil && n == 0 {
		return err
	}
	_, err = conn.Write(upper(buf[:n]))
	return err
}

func answerSmall(conn net.Conn) error { return answerUpTo(conn, 256) }
func answerLarge(conn net.Conn) error { return answerUpTo(conn, 4096) }

func answerUpTo(conn net.Conn, most int) error {
	defer conn.Close()
	buf := make([]byte, most)
	n, err := conn.Read(buf)
	if err != nil {
		return err
	}
	_, err = conn.Write(upper(buf[:n]))
	return err
}

func answerInChunks(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(upper(buf[:n]), 256) {
		if _, err := conn.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}

// answerLoop is a server for many messages; this one is to answer one.
func answerLoop(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	for answers := 0; ; answers++ {
		n, err := conn.Read(buf)
		if err == io.EOF && answers > 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := conn.Write(upper(buf[:n])); err != nil {
			return err
		}
	}
}

func answerStaysOpen(conn net.Conn) error {
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	if err != nil {
		return err
	}
	_, err = conn.Write(upper(buf[:n]))
	return err
}

func answerHalfCloses(conn net.Conn) error {
	err := answerStaysOpen(conn)
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	return err
}

func answerClosesLast(conn net.Conn) error {
	if err := answerStaysOpen(conn); err != nil {
		return err
	}
	conn.Close()
	return nil
}

func answerIgnoresReadError(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	n, _ := conn.Read(buf)
	_, err := conn.Write(upper(buf[:n]))
	return err
}

// answerLeavingIsFine is right in the next lesson, where a client may leave between two messages.
func answerLeavingIsFine(conn net.Conn) error {
	err := oneshot.Answer(conn)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

func answerAlwaysEOF(conn net.Conn) error {
	if err := oneshot.Answer(conn); err != nil {
		return io.EOF
	}
	return nil
}

func answerResetIsOwn(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	if err == io.EOF {
		return err
	}
	if err != nil {
		return errors.New("the connection was reset")
	}
	_, err = conn.Write(upper(buf[:n]))
	return err
}

func answerUnsentIsOwn(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	if err != nil {
		return err
	}
	if _, err := conn.Write(upper(buf[:n])); err != nil {
		return fmt.Errorf("answering: %v", err)
	}
	return nil
}

func answerIgnoresWriteError(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	if err != nil {
		return err
	}
	conn.Write(upper(buf[:n]))
	return nil
}

// answerUnless is Answer, except for messages that are not worth an answer.
func answerUnless(worthless func(message string) bool) func(conn net.Conn) error {
	return func(conn net.Conn) error {
		defer conn.Close()
		buf := make([]byte, 1024)
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		if worthless(string(buf[:n])) {
			return nil
		}
		_, err = conn.Write(upper(buf[:n]))
		return err
	}
}

// answerSleeps takes its time before it writes, and before it closes.
func answerSleeps(first, last time.Duration) func(conn net.Conn) error {
	return func(conn net.Conn) error {
		buf := make([]byte, 1024)
		n, err := conn.Read(buf)
		if err == nil {
			time.Sleep(first)
			_, err = conn.Write(upper(buf[:n]))
			time.Sleep(last)
		}
		conn.Close()
		return err
	}
}

func answerWithin(patience time.Duration) func(conn net.Conn) error {
	return func(conn net.Conn) error {
		conn.SetReadDeadline(time.Now().Add(patience))
		return oneshot.Answer(conn)
	}
}

func answerClosesInBackground(conn net.Conn) error {
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	if err == nil {
		_, err = conn.Write(upper(buf[:n]))
	}
	if err != nil {
		conn.Close()
		return err
	}
	go conn.Close()
	return nil
}

func answerReturnsClose(conn net.Conn) error {
	if err := oneshot.Answer(open{conn}); err != nil {
		conn.Close()
		return err
	}
	return conn.Close()
}

// open is a connection that its user does not close.
type open struct{ net.Conn }

func (open) Close() error { return nil }

// answerHalfClosesTCP knows that a *net.TCPConn can do more than a net.Conn.
func answerHalfClosesTCP(conn net.Conn) error {
	err := oneshot.Answer(open{conn})
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.CloseWrite()
	} else {
		conn.Close()
	}
	return err
}

func answerTimeoutIsFine(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if err == nil {
		_, err = conn.Write(upper(buf[:n]))
	}
	return err
}

func answerOpenAfterTimeout(conn net.Conn) error {
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	defer conn.Close()
	if err == nil {
		_, err = conn.Write(upper(buf[:n]))
	}
	return err
}

func answerPartIsFine(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	if err != nil {
		return err
	}
	if n, err := conn.Write(upper(buf[:n])); n == 0 {
		return err
	}
	return nil
}

// askWith is Ask with another way of reading the answer.
func askWith(conn net.Conn, message []byte, read func() ([]byte, error)) ([]byte, error) {
	if len(message) == 0 || len(message) > 1024 {
		return nil, errors.New("no message")
	}
	if _, err := conn.Write(message); err != nil {
		return nil, err
	}
	return read()
}

func askReadAll(conn net.Conn, message []byte) ([]byte, error) {
	return askWith(conn, message, func() ([]byte, error) { return io.ReadAll(conn) })
}

func askWholeBuffer(conn net.Conn, message []byte) ([]byte, error) {
	return askWith(conn, message, func() ([]byte, error) {
		buf := make([]byte, 1024)
		_, err := conn.Read(buf)
		return buf, err
	})
}

// askReadsFirst expects a greeting, as some servers send one.
func askReadsFirst(conn net.Conn, message []byte) ([]byte, error) {
	if _, err := conn.Read(make([]byte, 1024)); err != nil {
		return nil, err
	}
	return oneshot.Ask(conn, message)
}

func askAddsLineEnd(conn net.Conn, message []byte) ([]byte, error) {
	return oneshot.Ask(conn, append(bytes.Clone(message), '\n'))
}

func askTwoWrites(conn net.Conn, message []byte) ([]byte, error) {
	return askWith(conn, message, func() ([]byte, error) {
		if _, err := conn.Write([]byte("\n")); err != nil {
			return nil, err
		}
		buf := make([]byte, 1024)
		n, err := conn.Read(buf)
		return buf[:n], err
	})
}

func askSameLength(conn net.Conn, message []byte) ([]byte, error) {
	return askWith(conn, message, func() ([]byte, error) {
		answer := make([]byte, len(message))
		_, err := io.ReadFull(conn, answer)
		return answer, err
	})
}

func askTrimsZeros(conn net.Conn, message []byte) ([]byte, error) {
	answer, err := oneshot.Ask(conn, message)
	return bytes.TrimRight(answer, "\x00"), err
}

// askRaises does the server's work, in the caller's slice.
func askRaises(conn net.Conn, message []byte) ([]byte, error) {
	copy(message, upper(message))
	return oneshot.Ask(conn, message)
}

// askWipes leaves no traces.
func askWipes(conn net.Conn, message []byte) ([]byte, error) {
	return askWith(conn, message, func() ([]byte, error) {
		clear(message)
		buf := make([]byte, 1024)
		n, err := conn.Read(buf)
		return buf[:n], err
	})
}

// askReadsIntoMessage saves an allocation when the caller's slice happens to have room.
func askReadsIntoMessage(conn net.Conn, message []byte) ([]byte, error) {
	return askWith(conn, message, func() ([]byte, error) {
		buf := append(message, make([]byte, 1024)...)[:1024]
		n, err := conn.Read(buf)
		return buf[:n], err
	})
}

func askCutsZeros(conn net.Conn, message []byte) ([]byte, error) {
	return oneshot.Ask(conn, bytes.TrimRight(message, "\x00"))
}

func askCloses(conn net.Conn, message []byte) ([]byte, error) {
	defer conn.Close()
	return oneshot.Ask(conn, message)
}

// askHalfCloses tells the server where the question ends.
func askHalfCloses(conn net.Conn, message []byte) ([]byte, error) {
	return askWith(conn, message, func() ([]byte, error) {
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
		buf := make([]byte, 1024)
		n, err := conn.Read(buf)
		return buf[:n], err
	})
}

// oneBuffer saves an allocation a question, at the cost of the answers before.
func oneBuffer() func(conn net.Conn, message []byte) ([]byte, error) {
	buf := make([]byte, 1024)
	return func(conn net.Conn, message []byte) ([]byte, error) {
		answer, err := oneshot.Ask(conn, message)
		return buf[:copy(buf, answer)], err
	}
}

func askEmpty(conn net.Conn, message []byte) ([]byte, error) {
	if len(message) > 1024 {
		return nil, errors.New("too long")
	}
	if _, err := conn.Write(message); err != nil {
		return nil, err
	}
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	return buf[:n], err
}

func askCuts(conn net.Conn, message []byte) ([]byte, error) {
	return oneshot.Ask(conn, message[:min(len(message), 1024)])
}

func askNoLimit(conn net.Conn, message []byte) ([]byte, error) {
	if len(message) == 0 {
		return nil, errors.New("nothing to ask")
	}
	return askUnchecked(conn, message)
}

func askUnchecked(conn net.Conn, message []byte) ([]byte, error) {
	if _, err := conn.Write(message); err != nil {
		return nil, err
	}
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	return buf[:n], err
}

func askEmptyIsFine(conn net.Conn, message []byte) ([]byte, error) {
	if len(message) == 0 {
		return nil, nil
	}
	return oneshot.Ask(conn, message)
}

// askEndIsEmpty does what a Python programmer expects of recv.
func askEndIsEmpty(conn net.Conn, message []byte) ([]byte, error) {
	answer, err := oneshot.Ask(conn, message)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	return answer, err
}

func askIgnoresWriteError(conn net.Conn, message []byte) ([]byte, error) {
	if len(message) == 0 || len(message) > 1024 {
		return nil, errors.New("no message")
	}
	conn.Write(message)
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	return buf[:n], err
}

func askIgnoresErrors(conn net.Conn, message []byte) ([]byte, error) {
	if len(message) == 0 || len(message) > 1024 {
		return nil, errors.New("no message")
	}
	conn.Write(message)
	buf := make([]byte, 1024)
	n, _ := conn.Read(buf)
	return buf[:n], nil
}

// askResetIsEnd looks at the words of an error.
func askResetIsEnd(conn net.Conn, message []byte) ([]byte, error) {
	answer, err := oneshot.Ask(conn, message)
	if err != nil && strings.Contains(err.Error(), "reset") {
		return nil, io.EOF
	}
	return answer, err
}

func askErrorIsOwn(conn net.Conn, message []byte) ([]byte, error) {
	answer, err := oneshot.Ask(conn, message)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.New("no answer")
	}
	return answer, err
}

// askReadsOn hopes that an answer comes although the question did not go out.
func askReadsOn(conn net.Conn, message []byte) ([]byte, error) {
	if len(message) == 0 || len(message) > 1024 {
		return nil, errors.New("no message")
	}
	_, werr := conn.Write(message)
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	if werr != nil {
		err = werr
	}
	return buf[:n], err
}

func askClosesAfterError(conn net.Conn, message []byte) ([]byte, error) {
	answer, err := oneshot.Ask(conn, message)
	if err != nil {
		conn.Close()
	}
	return answer, err
}

func askBufio(conn net.Conn, message []byte) ([]byte, error) {
	return oneshot.Ask(readsAhead{conn, bufio.NewReader(conn)}, message)
}

type readsAhead struct {
	net.Conn
	r *bufio.Reader
}

func (r readsAhead) Read(p []byte) (int, error) { return r.r.Read(p) }

func askDeadline(conn net.Conn, message []byte) ([]byte, error) {
	conn.SetDeadline(time.Now().Add(time.Minute))
	return oneshot.Ask(conn, message)
}

func askAgainAfterEOF(conn net.Conn, message []byte) ([]byte, error) {
	answer, err := oneshot.Ask(conn, message)
	if errors.Is(err, io.EOF) {
		return oneshot.Ask(conn, message)
	}
	return answer, err
}

func askWritesAgain(conn net.Conn, message []byte) ([]byte, error) {
	answer, err := oneshot.Ask(conn, message)
	if fail := (*net.OpError)(nil); errors.As(err, &fail) && fail.Op == "write" {
		return oneshot.Ask(conn, message)
	}
	return answer, err
}

func askLeavesDeadline(conn net.Conn, message []byte) ([]byte, error) {
	conn.SetDeadline(time.Now().Add(time.Minute))
	answer, err := oneshot.Ask(conn, message)
	if err != nil && len(message) > 0 && len(message) <= 1024 {
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	return answer, err
}

func askWithin(patience time.Duration) func(conn net.Conn, message []byte) ([]byte, error) {
	return func(conn net.Conn, message []byte) ([]byte, error) {
		conn.SetReadDeadline(time.Now().Add(patience))
		defer conn.SetReadDeadline(time.Time{})
		return oneshot.Ask(conn, message)
	}
}

// askGivesUp has a clock of its own instead of a deadline.
func askGivesUp(conn net.Conn, message []byte) ([]byte, error) {
	return askWith(conn, message, func() ([]byte, error) {
		clock := time.AfterFunc(100*time.Millisecond, func() { conn.SetReadDeadline(time.Now()) })
		defer clock.Stop()
		buf := make([]byte, 1024)
		n, err := conn.Read(buf)
		return buf[:n], err
	})
}

func askRefusesBlank(conn net.Conn, message []byte) ([]byte, error) {
	if len(bytes.TrimSpace(message)) == 0 {
		return nil, errors.New("nothing to ask")
	}
	return oneshot.Ask(conn, message)
}

func askCountsLetters(conn net.Conn, message []byte) ([]byte, error) {
	if n := utf8.RuneCount(message); n < 1 || n > 1024 {
		return nil, errors.New("too long, or too short")
	}
	return askUnchecked(conn, message)
}

func askHalfClosesTCP(conn net.Conn, message []byte) ([]byte, error) {
	answer, err := oneshot.Ask(conn, message)
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.CloseWrite()
	}
	return answer, err
}

func askClosesWhenFull(conn net.Conn, message []byte) ([]byte, error) {
	answer, err := oneshot.Ask(conn, message)
	if len(answer) == 1024 {
		conn.Close()
	}
	return answer, err
}

// askRemembers saves the way to the server for a question that was asked before.
func askRemembers() func(conn net.Conn, message []byte) ([]byte, error) {
	var mu sync.Mutex // the suite runs its cases one after the other, and proofs beside each other
	known := map[net.Conn]map[string][]byte{}
	return func(conn net.Conn, message []byte) ([]byte, error) {
		mu.Lock()
		answers := known[conn]
		if answers == nil {
			answers = map[string][]byte{}
			known[conn] = answers
		}
		answer, ok := answers[string(message)]
		mu.Unlock()
		if ok {
			return answer, nil
		}
		answer, err := oneshot.Ask(conn, message)
		if err == nil {
			answers[string(message)] = answer
		}
		return answer, err
	}
}

var answerBuffer [1024]byte

func answerSharesBuffer(conn net.Conn) error {
	defer conn.Close()
	n, err := conn.Read(answerBuffer[:])
	if err != nil {
		return err
	}
	_, err = conn.Write(answerBuffer[:copy(answerBuffer[:], upper(answerBuffer[:n]))])
	return err
}

func answerPrefersClose(conn net.Conn) error {
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	if err == nil {
		_, err = conn.Write(upper(buf[:n]))
	}
	if closing := conn.Close(); closing != nil && err != nil {
		return closing
	}
	return err
}

// askAppends thinks better of it when the line end is already there.
func askAppends(conn net.Conn, message []byte) ([]byte, error) {
	line := append(message, '\n')
	return oneshot.Ask(conn, line[:len(message)])
}

// answerReadsIntoOne has a buffer of its own for each answer, but not for what it reads.
func answerReadsIntoOne(conn net.Conn) error {
	defer conn.Close()
	n, err := conn.Read(messageBuffer[:])
	if err != nil {
		return err
	}
	_, err = conn.Write(upper(messageBuffer[:n]))
	return err
}

var messageBuffer [1024]byte

func answerTriesAgain(conn net.Conn) error { return oneshot.Answer(patient{conn}) }

func askTriesAgain(conn net.Conn, message []byte) ([]byte, error) {
	return oneshot.Ask(patient{conn}, message)
}

// patient is a connection that reads once more when a deadline has passed.
type patient struct{ net.Conn }

func (p patient) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return p.Conn.Read(b)
	}
	return n, err
}

// askWaitsItsTurn has one lock for all connections.
func askWaitsItsTurn() func(conn net.Conn, message []byte) ([]byte, error) {
	var mu sync.Mutex
	return func(conn net.Conn, message []byte) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		return oneshot.Ask(conn, message)
	}
}

// askCutsFromOne saves allocations: each answer is the next part of an array, with the room behind it.
func askCutsFromOne() func(conn net.Conn, message []byte) ([]byte, error) {
	var mu sync.Mutex
	var free []byte
	return func(conn net.Conn, message []byte) ([]byte, error) {
		answer, err := oneshot.Ask(conn, message)
		mu.Lock()
		defer mu.Unlock()
		if len(free) < len(answer) {
			free = make([]byte, 64<<10)
		}
		part := free[:copy(free, answer)]
		free = free[len(part):]
		return part, err
	}
}

// askSlices hands out slices of an array, each of which has room up to the end of the array.
func askSlices() func(conn net.Conn, message []byte) ([]byte, error) {
	var mu sync.Mutex
	var free []byte
	return func(conn net.Conn, message []byte) ([]byte, error) {
		answer, err := oneshot.Ask(conn, message)
		mu.Lock()
		defer mu.Unlock()
		if len(free) < 1024 {
			free = make([]byte, 64<<10)
		}
		part := free[:copy(free, answer)]
		free = free[1024:]
		return part, err
	}
}

func askFormats(conn net.Conn, message []byte) ([]byte, error) {
	if bytes.IndexByte(message, '%') < 0 {
		return oneshot.Ask(conn, message)
	}
	return oneshot.Ask(conn, fmt.Appendf(nil, string(message)+"%s", ""))
}

func askObeysErrors(conn net.Conn, message []byte) ([]byte, error) {
	answer, err := oneshot.Ask(conn, message)
	if bytes.HasPrefix(answer, []byte("ERROR")) {
		return nil, errors.New(string(answer))
	}
	return answer, err
}

func askCutsMark(conn net.Conn, message []byte) ([]byte, error) {
	answer, err := oneshot.Ask(conn, message)
	return bytes.TrimPrefix(answer, []byte("\ufeff")), err
}

func askShortLength(conn net.Conn, message []byte) ([]byte, error) {
	if int16(len(message)) > 1024 || len(message) == 0 {
		return nil, errors.New("a message has 1 to 1024 bytes")
	}
	if _, err := conn.Write(message); err != nil {
		return nil, err
	}
	answer := make([]byte, 1024)
	n, err := conn.Read(answer)
	return answer[:n], err
}

func askEmptyIsEnd(conn net.Conn, message []byte) ([]byte, error) {
	if len(message) == 0 {
		return nil, io.EOF
	}
	return oneshot.Ask(conn, message)
}

const noTimers = "what a timer holds on to is seen in its own process only"

func answerTimed(conn net.Conn) error {
	time.AfterFunc(time.Minute, func() { conn.Close() })
	return oneshot.Answer(conn)
}

func askTimed(conn net.Conn, message []byte) ([]byte, error) {
	timer := time.AfterFunc(time.Minute, func() { conn.SetReadDeadline(time.Now()) })
	answer, err := oneshot.Ask(conn, message)
	if err == nil {
		timer.Stop()
	}
	return answer, err
}
