package framing_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unicode/utf8"

	"socketbook/labs/05/framingtest"
	framing "socketbook/solutions/05"
	"socketbook/tools/check"
)

// wrong are the mistakes that people make, each with exactly the cases that must fail on it. The
// failure text of a case in testdata is the one that the first answer named for it provokes.
var wrong = []check.Answer{
	answer(
		"big endian on both sides",
		framingtest.Lab{WriteMessage: writeBigEndian, ReadMessage: readBigEndian},
		framingtest.Write,
		framingtest.Read,
	),
	reading("one Read for the header", readHeaderOnce, framingtest.Header, framingtest.EndInside),
	reading("one Read for the payload", readPayloadOnce, framingtest.Payload, framingtest.EndInside),
	reading("1024 at a time, whatever is left", readBy1024, framingtest.PastTheEnd),
	reading(
		"a bufio.Reader made anew in each call",
		readBufio,
		framingtest.PastTheEnd,
		framingtest.Refused,
	),
	reading("the end is always unexpected", readEndUnexpected, framingtest.EndBetween),
	reading("io.EOF of the payload passed on", readEOFInside, framingtest.EndInside),
	reading("every error is the end", readAllErrorsEnd, framingtest.EndBetween, framingtest.EndInside),
	reading("a cut message returned as if it were whole", readCutIsWhole, framingtest.EndInside),
	reading("the loop ignores the end", readEndless, framingtest.EndBetween, framingtest.EndInside),
	reading("memory allocated before the check", readAllocatesFirst, framingtest.Refused),
	reading("an unsigned length", readUnsigned, framingtest.Refused),
	reading("no check of the length", readUnchecked, framingtest.Refused),
	reading("the limit itself refused", readLimitRefused, framingtest.Refused),
	reading("the limit counts the header", readLimitWithHeader, framingtest.Refused),
	keeping("one buffer for all messages", oneBuffer, framingtest.Conversation),
	reading("a goroutine left behind", readLeavesGoroutine, framingtest.Read),
	reading("an empty message waits for a byte", readEmptyWaits, framingtest.Read),
	writing("an empty message is not written", writeNotEmpty, framingtest.Write),
	writing("a length of two bytes", writeShortLength, framingtest.Write),
	writing("the length counts the header", writeLengthOfAll, framingtest.Write),
	writing("the length counts characters", writeCountsCharacters, framingtest.Write),
	writing("written into a buffer that is not flushed", writeUnflushed, framingtest.Write),
	writing("n of a short Write ignored", writeIgnoresN, framingtest.BadWrite),
	writing("the error of the header ignored", writeIgnoresHeaderError, framingtest.BadWrite),
	writing("a length that wraps", writeWraps, framingtest.BadWrite),
	writing("writes again until it works", writeRetries, framingtest.BadWrite),
	reading(
		"a reader has to be a connection",
		readNeedsConn,
		framingtest.EndBetween,
		framingtest.EndInside,
		framingtest.Refused,
		framingtest.Conversation,
	),
	reading(
		"the connection closed after a message",
		readCloses,
		framingtest.PastTheEnd,
		framingtest.EndBetween,
		framingtest.EndInside,
		framingtest.Refused,
	),
	writing("the connection closed after a message is written", writeCloses, framingtest.Write),
	reading(
		"a deadline for the payload",
		readDeadline,
		framingtest.PastTheEnd,
		framingtest.EndBetween,
		framingtest.EndInside,
		framingtest.Refused,
	),
	writing("a deadline for writing", writeDeadline, framingtest.BadWrite, framingtest.Conversation),
	writing("a long payload turned round while it is written", writeTurningLong, framingtest.Write),
	writing("a connection closed when a write has failed", writeClosing, framingtest.BadWrite),
	writing("the count of a long payload not looked at", writeLongUnseen, framingtest.BadWrite),
	reading("a buffer for each length", readBuffers, framingtest.Conversation),
	reading("a reset told in other words", readOwnWords, framingtest.EndBetween, framingtest.EndInside),
	reading("a reset in the payload told in other words", readOwnWordsInside, framingtest.EndInside),
	reading("a limit besides limit", readOwnLimit, framingtest.EndInside, framingtest.Conversation),
	reading("a buffer of 1 MiB for every message", readIntoArray, framingtest.EndInside),
	reading(
		"bytes that come with the end are lost",
		readErrorFirst,
		framingtest.EndInside,
		framingtest.Conversation,
	),
	reading("0 bytes taken for the end", readZeroIsEnd, framingtest.Conversation),
	reading(
		"an error that says yes to everything",
		readAgreeing,
		framingtest.EndBetween,
		framingtest.EndInside,
	),
	writing("the payload written after an error of the header", writeOn, framingtest.BadWrite),
	writing("a long payload in several messages", writeSeveral, framingtest.Write),
	writing("the last, shorter piece forgotten", writeWholePieces, framingtest.Write),
	reading("a cut header filled up with zeros", readFilledUp, framingtest.EndInside),
	writing("the count compared with the payload alone", writeCountsPayload, framingtest.BadWrite),
	writing("an error with a full count dropped", writeCountIsAll, framingtest.BadWrite),
	writing("long payloads cut", writeCutting, framingtest.BadWrite),
	writing("the caller's payload wiped out", writeWiping, framingtest.Write),
	writing("the length put behind the payload's array", writeShifting, framingtest.Write),
	reading("limit cut to 32 bits", readLimit32, framingtest.Refused),
	reading("a buffer of limit bytes", readLimitBuffer, framingtest.Refused),
	reading("a capacity of limit bytes", readLimitCapacity, framingtest.Refused),
	keeping("one header for all calls", oneHeader, framingtest.Conversation),
	keeping("one buffer for all that is written", oneOutBuffer, framingtest.Conversation),
	reading(
		"a deadline set when something is wrong",
		readDeadlineOnError,
		framingtest.EndBetween,
		framingtest.EndInside,
		framingtest.Refused,
	),
	reading(
		"a timeout or a closed connection taken for the end",
		readThrough(func(n int, err error) (int, error) {
			if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
				err = io.EOF
			}
			return n, err
		}),
		framingtest.EndBetween,
		framingtest.EndInside,
	),
	reading(
		"read again after a timeout",
		readThrough(func(n int, err error) (int, error) {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = nil
			}
			return n, err
		}),
		framingtest.EndBetween,
		framingtest.EndInside,
	),
	reading(
		"an error that comes with bytes taken for the end",
		readThrough(func(n int, err error) (int, error) {
			if n > 0 && err != nil {
				err = io.EOF
			}
			return n, err
		}),
		framingtest.EndInside,
	),
	reading("a cut header is both kinds of end", readBothEnds, framingtest.EndInside),
	reading("the limit as an unsigned number of 32 bits", readLimitUnsigned, framingtest.Refused),
	reading("the limit as a floating number", readLimitFloat, framingtest.Refused),
	reading("4 MiB for a short message", readRoomy, framingtest.Refused),
	keeping(
		"nothing is read after a length was refused",
		nothingAfterRefusal,
		framingtest.Refused,
		framingtest.Conversation,
	).
		MayPassElsewhere("all that it is given can be compared there"),
	keeping("equal payloads share a slice", sharedPayloads, framingtest.Conversation),
	keeping("at most a thousand messages", atMostThousand, framingtest.Conversation),
	keeping("ten readers at a time", tenAtATime, framingtest.Conversation),
	reading("gives up after 75 ms", readImpatiently, framingtest.Conversation),
	reading("a full buffer is read on", readOn, framingtest.PastTheEnd),
	reading("a second Read without bytes is an error", readTwoEmpty, framingtest.Conversation),
	reading("an empty payload is read, too", readEmptyPayload, framingtest.Conversation),
	reading("a line feed behind a carriage return is skipped", readSkipsLineFeed, framingtest.Conversation),
	writing("a length of three bytes", writeThreeBytes, framingtest.BadWrite),
	writing("a nil payload is an error", writeNotNil, framingtest.Write),
	writing("closed when a write fails", writeClosesFailed, framingtest.BadWrite),
	writing("a peer that has gone is not an error", writeToNobody, framingtest.BadWrite),
	writing("written again after a timeout", writeAgainLater, framingtest.BadWrite),
	writing("the count of the header ignored", writeCountsAfterHeader, framingtest.BadWrite),
	writing("a Write of no bytes ends the loop", writeUntilNothing, framingtest.BadWrite),
	writing("the sign of an int32 tells what is too long", writeSign, framingtest.BadWrite),
	reading("bytes of the length over 127 taken for negative", readSignedBytes, framingtest.Read),
	reading("at most 60 Reads of 0 bytes in a message", readFewEmpty, framingtest.Conversation),
	reading("the end beside the last of several pieces is an error", readEndBeside, framingtest.Conversation),
	keeping("the slices of all messages lie in one array", oneArray, framingtest.Conversation),
	reading("limit 0 lets nothing through", readLimitNothing, framingtest.Refused),
	keeping(
		"what failed once is not tried again",
		failedForGood,
		framingtest.EndBetween,
		framingtest.Refused,
		framingtest.BadWrite,
		framingtest.Conversation,
	).
		MayPassElsewhere("all that it is given can be compared there"),
	reading("pieces of which only the first is missed", readInPieces, framingtest.EndInside),
	reading("bytes of a header that come with the end are lost", readEndFirst, framingtest.EndInside),
	reading("a buffered reader for long payloads", readLongBuffered, framingtest.Conversation),
	reading("one more Read of the payload after a timeout", readTwice, framingtest.EndInside),
	keeping("a map of writers", writersKnown, framingtest.Conversation).
		MayPassElsewhere("all that it is given can be compared there"),
	writing("the payload is given up after 75 ms", writeImpatiently, framingtest.Conversation),
	writing("the payload turned round while it is written", writeTurning, framingtest.Write),
	writing("all sent again after a short Write", writeFromTheStart, framingtest.BadWrite),
}

func length(header []byte) int { return int(int32(binary.LittleEndian.Uint32(header))) }

// check32 is the check that most of the answers below get right.
func check32(n, limit int) error {
	if n < 0 || n > limit {
		return fmt.Errorf("refused: %d bytes, limit %d", n, limit)
	}
	return nil
}

// payloadOf reads n bytes and gets the end right.
func payloadOf(r io.Reader, n int) ([]byte, error) {
	payload := make([]byte, n)
	_, err := io.ReadFull(r, payload)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return payload, err
}

func readBigEndian(r io.Reader, limit int) ([]byte, error) {
	header := make([]byte, 4)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	n := int(int32(binary.BigEndian.Uint32(header)))
	if err := check32(n, limit); err != nil {
		return nil, err
	}
	return payloadOf(r, n)
}

func writeBigEndian(w io.Writer, payload []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), payload...))
	return err
}

func writeCountsCharacters(w io.Writer, payload []byte) error {
	if len(payload) > math.MaxInt32 {
		return errors.New("too long")
	}
	header := binary.LittleEndian.AppendUint32(nil, uint32(utf8.RuneCount(payload)))
	n, err := w.Write(append(header, payload...))
	if err == nil && n < len(header)+len(payload) {
		err = io.ErrShortWrite
	}
	return err
}

// writeUnflushed writes what does not fit into the buffer.
func writeUnflushed(w io.Writer, payload []byte) error {
	if len(payload) > math.MaxInt32 {
		return errors.New("too long")
	}
	buffer := bufio.NewWriter(w)
	binary.Write(buffer, binary.LittleEndian, int32(len(payload)))
	_, err := buffer.Write(payload)
	return err
}

func readHeaderOnce(r io.Reader, limit int) ([]byte, error) {
	header := make([]byte, 4)
	if _, err := r.Read(header); err != nil {
		return nil, err
	}
	n := length(header)
	if err := check32(n, limit); err != nil {
		return nil, err
	}
	return payloadOf(r, n)
}

func readPayloadOnce(r io.Reader, limit int) ([]byte, error) {
	header := make([]byte, 4)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	n := length(header)
	if err := check32(n, limit); err != nil {
		return nil, err
	}
	payload := make([]byte, n)
	k, err := r.Read(payload)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return payload[:k], err
}

// readBy1024 is the loop of the tutorials: while len(data) < n: data += conn.recv(1024).
func readBy1024(r io.Reader, limit int) ([]byte, error) {
	header := make([]byte, 4)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	n := length(header)
	if err := check32(n, limit); err != nil {
		return nil, err
	}
	var data []byte
	for len(data) < n {
		buf := make([]byte, 1024)
		k, err := r.Read(buf)
		data = append(data, buf[:k]...)
		if err == io.EOF {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
	}
	return data, nil
}

func readBufio(r io.Reader, limit int) ([]byte, error) {
	return framing.ReadMessage(bufio.NewReader(r), limit)
}

func readEndUnexpected(r io.Reader, limit int) ([]byte, error) {
	payload, err := framing.ReadMessage(r, limit)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return payload, err
}

func readEOFInside(r io.Reader, limit int) ([]byte, error) {
	header := make([]byte, 4)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	n := length(header)
	if err := check32(n, limit); err != nil {
		return nil, err
	}
	payload := make([]byte, n)
	_, err := io.ReadFull(r, payload)
	return payload, err
}

func readAllErrorsEnd(r io.Reader, limit int) ([]byte, error) {
	header := make([]byte, 4)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, io.EOF
	}
	n := length(header)
	if err := check32(n, limit); err != nil {
		return nil, err
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return nil, io.EOF
	}
	return payload, nil
}

func readCutIsWhole(r io.Reader, limit int) ([]byte, error) {
	payload, err := framing.ReadMessage(r, limit)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return payload, nil
	}
	return payload, err
}

// readEndless takes a Read of no bytes for one that will bring some the next time.
func readEndless(r io.Reader, limit int) ([]byte, error) {
	fill := func(buf []byte) []byte {
		for got := 0; got < len(buf); {
			k, _ := r.Read(buf[got:])
			got += k
		}
		return buf
	}
	n := length(fill(make([]byte, 4)))
	if err := check32(n, limit); err != nil {
		return nil, err
	}
	return fill(make([]byte, n)), nil
}

func readAllocatesFirst(r io.Reader, limit int) ([]byte, error) {
	header := make([]byte, 4)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	n := length(header)
	if n < 0 {
		return nil, errors.New("negative length")
	}
	payload := make([]byte, n)
	if n > limit {
		return nil, fmt.Errorf("%d bytes are over the limit of %d", n, limit)
	}
	_, err := io.ReadFull(r, payload)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return payload, err
}

func readUnsigned(r io.Reader, limit int) ([]byte, error) {
	header := make([]byte, 4)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	n := int64(binary.LittleEndian.Uint32(header))
	if n > int64(limit) {
		return nil, errors.New("over the limit")
	}
	payload, err := io.ReadAll(io.LimitReader(r, n))
	if err == nil && int64(len(payload)) < n {
		err = io.ErrUnexpectedEOF
	}
	return payload, err
}

func readUnchecked(r io.Reader, _ int) ([]byte, error) {
	header := make([]byte, 4)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	return payloadOf(r, length(header))
}

func readLimitRefused(r io.Reader, limit int) ([]byte, error) {
	return framing.ReadMessage(r, limit-1)
}

func readLimitWithHeader(r io.Reader, limit int) ([]byte, error) {
	return framing.ReadMessage(r, limit-4)
}

// oneBuffer saves an allocation a message, at the cost of the messages before.
func oneBuffer() framingtest.Lab {
	buf := make([]byte, 1<<16)
	return framingtest.Lab{
		WriteMessage: framing.WriteMessage,
		ReadMessage: func(r io.Reader, limit int) ([]byte, error) {
			payload, err := framing.ReadMessage(r, limit)
			return buf[:copy(buf, payload)], err
		},
	}
}

func readLeavesGoroutine(r io.Reader, limit int) ([]byte, error) {
	progress := make(chan int)
	go func() {
		for range progress { // nobody closes it
		}
	}()
	payload, err := framing.ReadMessage(r, limit)
	progress <- len(payload)
	return payload, err
}

// readEmptyWaits reads before it asks whether anything is left to read.
func readEmptyWaits(r io.Reader, limit int) ([]byte, error) {
	header := make([]byte, 4)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	n := length(header)
	if err := check32(n, limit); err != nil {
		return nil, err
	}
	var payload []byte
	for {
		buf := make([]byte, max(n-len(payload), 1))
		k, err := r.Read(buf)
		payload = append(payload, buf[:k]...)
		if len(payload) >= n {
			return payload, nil
		}
		if err == io.EOF {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
	}
}

func writeNotEmpty(w io.Writer, payload []byte) error {
	if len(payload) == 0 {
		return nil
	}
	return framing.WriteMessage(w, payload)
}

func writeShortLength(w io.Writer, payload []byte) error {
	header := make([]byte, 4)
	binary.LittleEndian.PutUint16(header, uint16(len(payload)))
	_, err := w.Write(append(header, payload...))
	return err
}

func writeLengthOfAll(w io.Writer, payload []byte) error {
	_, err := w.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(4+len(payload))), payload...))
	return err
}

func writeIgnoresN(w io.Writer, payload []byte) error {
	if len(payload) > math.MaxInt32 {
		return errors.New("too long")
	}
	if err := binary.Write(w, binary.LittleEndian, int32(len(payload))); err != nil {
		return err
	}
	_, err := w.Write(payload)
	return err
}

func writeIgnoresHeaderError(w io.Writer, payload []byte) error {
	if len(payload) > math.MaxInt32 {
		return errors.New("too long")
	}
	w.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(payload))))
	n, err := w.Write(payload)
	if err == nil && n < len(payload) {
		err = io.ErrShortWrite
	}
	return err
}

func writeWraps(w io.Writer, payload []byte) error {
	for _, part := range [][]byte{binary.LittleEndian.AppendUint32(nil, uint32(int32(len(payload)))), payload} {
		n, err := w.Write(part)
		if err == nil && n < len(part) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// writeRetries believes that a failed Write only needs patience.
func writeRetries(w io.Writer, payload []byte) error {
	if len(payload) > math.MaxInt32 {
		return errors.New("too long")
	}
	message := append(binary.LittleEndian.AppendUint32(nil, uint32(len(payload))), payload...)
	for len(message) > 0 {
		n, _ := w.Write(message)
		message = message[n:]
	}
	return nil
}

// readNeedsConn forgets that r is an io.Reader.
func readNeedsConn(r io.Reader, limit int) ([]byte, error) {
	r.(net.Conn).LocalAddr()
	return framing.ReadMessage(r, limit)
}

func readCloses(r io.Reader, limit int) ([]byte, error) {
	if conn, ok := r.(io.Closer); ok {
		defer conn.Close()
	}
	return framing.ReadMessage(r, limit)
}

func writeCloses(w io.Writer, payload []byte) error {
	if conn, ok := w.(io.Closer); ok {
		defer conn.Close()
	}
	return framing.WriteMessage(w, payload)
}

func readDeadline(r io.Reader, limit int) ([]byte, error) {
	if conn, ok := r.(net.Conn); ok {
		conn.SetReadDeadline(time.Now().Add(time.Hour))
	}
	return framing.ReadMessage(r, limit)
}

// writeDeadline takes back what it has set, but the caller's own deadline is lost.
func writeDeadline(w io.Writer, payload []byte) error {
	if conn, ok := w.(net.Conn); ok {
		conn.SetDeadline(time.Now().Add(time.Hour))
		defer conn.SetDeadline(time.Time{})
	}
	return framing.WriteMessage(w, payload)
}

func readOwnWords(r io.Reader, limit int) ([]byte, error) {
	payload, err := framing.ReadMessage(r, limit)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("broken")
	}
	return payload, err
}

func readOwnWordsInside(r io.Reader, limit int) ([]byte, error) {
	header := make([]byte, 4)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	n := length(header)
	if err := check32(n, limit); err != nil {
		return nil, err
	}
	payload, err := payloadOf(r, n)
	if err != nil && err != io.ErrUnexpectedEOF {
		err = fmt.Errorf("reading the payload: %v", err)
	}
	return payload, err
}

func readOwnLimit(r io.Reader, limit int) ([]byte, error) {
	return framing.ReadMessage(r, min(limit, math.MaxUint16))
}

// readLimitWith does everything right but what bad and buffer do.
func readLimitWith(
	r io.Reader,
	limit int,
	bad func(n int32) bool,
	buffer func(n int32) []byte,
) ([]byte, error) {
	header := make([]byte, 4)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	n := int32(binary.LittleEndian.Uint32(header))
	if n < 0 || bad(n) {
		return nil, fmt.Errorf("refused: %d bytes, limit %d", n, limit)
	}
	payload := buffer(n)
	_, err := io.ReadFull(r, payload)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return payload, err
}

func readLimit32(r io.Reader, limit int) ([]byte, error) {
	return readLimitWith(
		r,
		limit,
		func(n int32) bool { return n > int32(limit) },
		func(n int32) []byte { return make([]byte, n) },
	)
}

func readLimitBuffer(r io.Reader, limit int) ([]byte, error) {
	return readLimitWith(
		r,
		limit,
		func(n int32) bool { return int(n) > limit },
		func(n int32) []byte { return make([]byte, limit)[:n] },
	)
}

func readLimitCapacity(r io.Reader, limit int) ([]byte, error) {
	return readLimitWith(
		r,
		limit,
		func(n int32) bool { return int(n) > limit },
		func(n int32) []byte { return make([]byte, n, limit) },
	)
}

// oneHeader has a package variable for four bytes that both functions use.
func oneHeader() framingtest.Lab {
	var header [4]byte
	read := func(r io.Reader, limit int) ([]byte, error) {
		if _, err := io.ReadFull(r, header[:]); err != nil {
			return nil, err
		}
		n := length(header[:])
		if err := check32(n, limit); err != nil {
			return nil, err
		}
		return payloadOf(r, n)
	}
	write := func(w io.Writer, payload []byte) error {
		if len(payload) > math.MaxInt32 {
			return errors.New("too long")
		}
		binary.LittleEndian.PutUint32(header[:], uint32(len(payload)))
		for _, part := range [][]byte{header[:], payload} {
			if n, err := w.Write(part); err != nil {
				return err
			} else if n < len(part) {
				return io.ErrShortWrite
			}
		}
		return nil
	}
	return framingtest.Lab{WriteMessage: write, ReadMessage: read}
}

// oneOutBuffer is used again, perhaps while somebody still writes it.
func oneOutBuffer() framingtest.Lab {
	var out []byte
	return framingtest.Lab{
		ReadMessage: framing.ReadMessage,
		WriteMessage: func(w io.Writer, payload []byte) error {
			if len(payload) > math.MaxInt32 {
				return errors.New("too long")
			}
			out = append(binary.LittleEndian.AppendUint32(out[:0], uint32(len(payload))), payload...)
			n, err := w.Write(out)
			if err == nil && n < len(out) {
				err = io.ErrShortWrite
			}
			return err
		},
	}
}

func readIntoArray(r io.Reader, limit int) ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	n := length(header[:])
	if err := check32(n, min(limit, 1<<20)); err != nil {
		return nil, err
	}
	return payloadOf(r, n)
}

// readErrorFirst looks at the error before it uses the bytes.
func readErrorFirst(r io.Reader, limit int) ([]byte, error) {
	return readLoop(r, limit, func(n int, err error) (int, error) {
		if err != nil {
			return 0, err
		}
		return n, nil
	})
}

func readZeroIsEnd(r io.Reader, limit int) ([]byte, error) {
	return readLoop(r, limit, func(n int, err error) (int, error) {
		if n == 0 && err == nil {
			err = io.EOF
		}
		return n, err
	})
}

// readLoop reads with a loop of its own; look is what it makes of the results of a Read.
func readLoop(r io.Reader, limit int, look func(int, error) (int, error)) ([]byte, error) {
	fill := func(p []byte) error {
		for got := 0; got < len(p); {
			n, err := look(r.Read(p[got:]))
			if got += n; got == len(p) {
				break
			}
			if err == io.EOF && got > 0 {
				return io.ErrUnexpectedEOF
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	var header [4]byte
	if err := fill(header[:]); err != nil {
		return nil, err
	}
	n := length(header[:])
	if err := check32(n, limit); err != nil {
		return nil, err
	}
	payload := make([]byte, n)
	if err := fill(payload); err == io.EOF {
		return nil, io.ErrUnexpectedEOF
	} else if err != nil {
		return nil, err
	}
	return payload, nil
}

func message(payload []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(payload))), payload...)
}

func writeCountsPayload(w io.Writer, payload []byte) error {
	if len(payload) > math.MaxInt32 {
		return errors.New("too long")
	}
	n, err := w.Write(message(payload))
	if err == nil && n < len(payload) {
		err = io.ErrShortWrite
	}
	return err
}

func writeCountIsAll(w io.Writer, payload []byte) error {
	if len(payload) > math.MaxInt32 {
		return errors.New("too long")
	}
	n, err := w.Write(message(payload))
	if n == 4+len(payload) {
		return nil
	}
	return errors.Join(io.ErrShortWrite, err)
}

func writeCutting(w io.Writer, payload []byte) error {
	if len(payload) > math.MaxInt32 {
		return errors.New("too long")
	}
	return framing.WriteMessage(w, payload[:min(len(payload), 1<<20)])
}

func writeWiping(w io.Writer, payload []byte) error {
	err := framing.WriteMessage(w, payload)
	if err == nil {
		clear(payload)
	}
	return err
}

// writeShifting makes room for the header in the caller's array, if there is some.
func writeShifting(w io.Writer, payload []byte) error {
	if len(payload) > math.MaxInt32 {
		return errors.New("too long")
	}
	whole := append(payload, 0, 0, 0, 0)
	copy(whole[4:], payload)
	binary.LittleEndian.PutUint32(whole, uint32(len(payload)))
	n, err := w.Write(whole)
	if err == nil && n < len(whole) {
		err = io.ErrShortWrite
	}
	return err
}

// agreeing is an error that is whatever it is compared with.
type agreeing struct{}

func (agreeing) Error() string   { return "as you like it" }
func (agreeing) Is(error) bool   { return true }
func (agreeing) As(any) bool     { return false }
func (agreeing) Timeout() bool   { return true }
func (agreeing) Temporary() bool { return true }

func readAgreeing(r io.Reader, limit int) ([]byte, error) {
	payload, err := framing.ReadMessage(r, limit)
	if err != nil {
		err = agreeing{}
	}
	return payload, err
}

// writeOn returns the right error, and too late.
func writeOn(w io.Writer, payload []byte) error {
	if len(payload) > math.MaxInt32 {
		return errors.New("too long")
	}
	whole := message(payload)
	n, err := w.Write(whole[:4])
	k, perr := w.Write(whole[4:])
	if err = errors.Join(err, perr); err == nil && n+k < len(whole) {
		err = io.ErrShortWrite
	}
	return err
}

func readDeadlineOnError(r io.Reader, limit int) ([]byte, error) {
	payload, err := framing.ReadMessage(r, limit)
	if conn, ok := r.(net.Conn); ok && err != nil {
		conn.SetDeadline(time.Now())
	}
	return payload, err
}

// seen is a reader whose results look changes.
type seen struct {
	io.Reader
	look func(n int, err error) (int, error)
}

func (s seen) Read(p []byte) (int, error) { return s.look(s.Reader.Read(p)) }

// readThrough is the reference on a reader whose results look changes.
func readThrough(look func(n int, err error) (int, error)) readFunc {
	return func(r io.Reader, limit int) ([]byte, error) { return framing.ReadMessage(seen{r, look}, limit) }
}

func readBothEnds(r io.Reader, limit int) ([]byte, error) {
	payload, err := framing.ReadMessage(r, limit)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.Join(err, io.EOF)
	}
	return payload, err
}

func readLimitUnsigned(r io.Reader, limit int) ([]byte, error) {
	return readLimitWith(
		r,
		limit,
		func(n int32) bool { return uint32(n) > uint32(limit) },
		func(n int32) []byte { return make([]byte, n) },
	)
}

func readLimitFloat(r io.Reader, limit int) ([]byte, error) {
	return readLimitWith(
		r,
		limit,
		func(n int32) bool { return float32(n) > float32(limit) },
		func(n int32) []byte { return make([]byte, n) },
	)
}

func readRoomy(r io.Reader, limit int) ([]byte, error) {
	return readLimitWith(
		r,
		limit,
		func(n int32) bool { return int(n) > limit },
		func(n int32) []byte { return make([]byte, n, max(int(n), min(limit, 4<<20))) },
	)
}

func nothingAfterRefusal() framingtest.Lab {
	var refused sync.Map
	return framingtest.Lab{
		WriteMessage: framing.WriteMessage,
		ReadMessage: func(r io.Reader, limit int) ([]byte, error) {
			if _, ok := refused.Load(r); ok {
				return nil, errors.New("refused before")
			}
			payload, err := framing.ReadMessage(r, limit)
			if conn, ok := r.(net.Conn); ok && err != nil {
				refused.Store(conn, true)
			}
			return payload, err
		},
	}
}

// sharedPayloads saves memory for messages that are alike.
func sharedPayloads() framingtest.Lab {
	var known sync.Map
	return framingtest.Lab{
		WriteMessage: framing.WriteMessage,
		ReadMessage: func(r io.Reader, limit int) ([]byte, error) {
			payload, err := framing.ReadMessage(r, limit)
			same, _ := known.LoadOrStore(string(payload), payload)
			return same.([]byte), err
		},
	}
}

func atMostThousand() framingtest.Lab {
	var count atomic.Int32
	return framingtest.Lab{
		WriteMessage: framing.WriteMessage,
		ReadMessage: func(r io.Reader, limit int) ([]byte, error) {
			if count.Add(1) > 1000 {
				return nil, errors.New("enough")
			}
			return framing.ReadMessage(r, limit)
		},
	}
}

func tenAtATime() framingtest.Lab {
	places := make(chan struct{}, 10)
	return framingtest.Lab{
		WriteMessage: framing.WriteMessage,
		ReadMessage: func(r io.Reader, limit int) ([]byte, error) {
			places <- struct{}{}
			defer func() { <-places }()
			return framing.ReadMessage(r, limit)
		},
	}
}

// readImpatiently gives up on everything but a connection.
func readImpatiently(r io.Reader, limit int) ([]byte, error) {
	if _, ok := r.(net.Conn); ok || limit > 1<<20 {
		return framing.ReadMessage(r, limit)
	}
	type result struct {
		payload []byte
		err     error
	}
	done := make(chan result, 1)
	go func() {
		payload, err := framing.ReadMessage(r, limit)
		done <- result{payload, err}
	}()
	if got, ok := soon(done); ok {
		return got.payload, got.err
	}
	return nil, errors.New("nothing comes")
}

// soon waits for a value for 75 ms. A time in which this process had no processor counts as 25 ms of them.
func soon[T any](done <-chan T) (value T, ok bool) {
	for range 3 {
		select {
		case value = <-done:
			return value, true
		case <-time.After(25 * time.Millisecond):
		}
	}
	return value, false
}

// readOn looks whether more comes when its first buffer is full.
func readOn(r io.Reader, limit int) ([]byte, error) {
	payload, err := framing.ReadMessage(r, limit)
	if err == nil && len(payload) == bytes.MinRead {
		_, _ = r.Read(make([]byte, 1))
	}
	return payload, err
}

func readTwoEmpty(r io.Reader, limit int) ([]byte, error) {
	empty := 0
	return readThrough(func(n int, err error) (int, error) {
		if n > 0 {
			empty = 0
		} else if empty++; err == nil && empty > 1 {
			err = io.ErrNoProgress
		}
		return n, err
	})(r, limit)
}

// readEmptyPayload believes the end that it meets behind an empty message.
func readEmptyPayload(r io.Reader, limit int) ([]byte, error) {
	payload, err := framing.ReadMessage(r, limit)
	if err == nil && len(payload) == 0 {
		if _, err := r.Read(payload); err == io.EOF {
			return nil, io.ErrUnexpectedEOF
		}
	}
	return payload, err
}

func readSkipsLineFeed(r io.Reader, limit int) ([]byte, error) {
	payload, err := framing.ReadMessage(r, limit)
	if err == nil && len(payload) > 0 && payload[len(payload)-1] == '\r' {
		r.Read(make([]byte, 1))
	}
	return payload, err
}

func writeThreeBytes(w io.Writer, payload []byte) error {
	if len(payload) > math.MaxInt32 {
		return errors.New("too long")
	}
	whole := message(payload)
	whole[3] = 0
	return writeAll(w, whole, nil)
}

// writeAll writes in a loop; goesOn, if there is one, says which errors do not end it.
func writeAll(w io.Writer, p []byte, goesOn func(err error) bool) error {
	for len(p) > 0 {
		n, err := w.Write(p)
		p = p[n:]
		if goesOn != nil && goesOn(err) {
			continue
		}
		if err == nil && n == 0 {
			err = io.ErrShortWrite
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func writeNotNil(w io.Writer, payload []byte) error {
	if payload == nil {
		return errors.New("no payload")
	}
	return framing.WriteMessage(w, payload)
}

func writeClosesFailed(w io.Writer, payload []byte) error {
	err := framing.WriteMessage(w, payload)
	if conn, ok := w.(io.Closer); ok && err != nil {
		conn.Close()
	}
	return err
}

func writeToNobody(w io.Writer, payload []byte) error {
	err := framing.WriteMessage(w, payload)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func writeAgainLater(w io.Writer, payload []byte) error {
	if len(payload) > math.MaxInt32 {
		return errors.New("too long")
	}
	return writeAll(w, message(payload), func(err error) bool {
		return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.EINTR)
	})
}

// writeCountsAfterHeader trusts binary.Write, which does not look at the count.
func writeCountsAfterHeader(w io.Writer, payload []byte) error {
	if len(payload) > math.MaxInt32 {
		return errors.New("too long")
	}
	if err := binary.Write(w, binary.LittleEndian, int32(len(payload))); err != nil {
		return err
	}
	return writeAll(w, payload, nil)
}

func writeUntilNothing(w io.Writer, payload []byte) error {
	if len(payload) > math.MaxInt32 {
		return errors.New("too long")
	}
	for p := message(payload); len(p) > 0; {
		n, err := w.Write(p)
		if p = p[n:]; n == 0 || err != nil {
			return err
		}
	}
	return nil
}

func writeSign(w io.Writer, payload []byte) error {
	size := int32(len(payload))
	if size < 0 {
		return errors.New("too long")
	}
	if err := writeAll(w, binary.LittleEndian.AppendUint32(nil, uint32(size)), nil); err != nil {
		return err
	}
	return writeAll(w, payload, nil)
}

// readSignedBytes has a byte for what an int8 is.
func readSignedBytes(r io.Reader, limit int) ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	n := 0
	for i, b := range header {
		n += int(int8(b)) << (8 * i)
	}
	if err := check32(n, limit); err != nil {
		return nil, err
	}
	return payloadOf(r, n)
}

func readFewEmpty(r io.Reader, limit int) ([]byte, error) {
	empty := 0
	return readThrough(func(n int, err error) (int, error) {
		if n == 0 && err == nil {
			if empty++; empty > 60 {
				err = io.ErrNoProgress
			}
		}
		return n, err
	})(r, limit)
}

// readEndBeside looks at the error first, unless the first Read of the payload has brought all of it.
func readEndBeside(r io.Reader, limit int) ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	n := length(header[:])
	if err := check32(n, limit); err != nil {
		return nil, err
	}
	payload := make([]byte, n)
	got, err := r.Read(payload)
	for got < n && err == nil {
		var k int
		if k, err = r.Read(payload[got:]); err == nil {
			got += k
		}
	}
	switch {
	case got == n:
		return payload, nil
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return nil, err
}

// oneArray saves allocations.
func oneArray() framingtest.Lab {
	var mu sync.Mutex
	var array []byte
	return framingtest.Lab{
		WriteMessage: framing.WriteMessage,
		ReadMessage: func(r io.Reader, limit int) ([]byte, error) {
			payload, err := framing.ReadMessage(r, limit)
			if len(payload) > 4096 || err != nil {
				return payload, err
			}
			mu.Lock()
			defer mu.Unlock()
			if len(payload) > len(array) {
				array = make([]byte, 4096)
			}
			place := array[:copy(array, payload)]
			array = array[len(place):]
			return place, nil
		},
	}
}

func readLimitNothing(r io.Reader, limit int) ([]byte, error) {
	payload, err := framing.ReadMessage(r, limit)
	if err == nil && limit == 0 {
		err = errors.New("nothing is allowed")
	}
	return payload, err
}

func failedForGood() framingtest.Lab {
	var failed sync.Map
	return framingtest.Lab{
		WriteMessage: func(w io.Writer, payload []byte) error {
			if err, ok := failed.Load(w); ok {
				return err.(error)
			}
			err := framing.WriteMessage(w, payload)
			if err != nil {
				failed.Store(w, err)
			}
			return err
		},
		ReadMessage: func(r io.Reader, limit int) ([]byte, error) {
			if err, ok := failed.Load(r); ok {
				return nil, err.(error)
			}
			payload, err := framing.ReadMessage(r, limit)
			if err != nil {
				failed.Store(r, err)
			}
			return payload, err
		},
	}
}

// writeImpatiently gives up on what cannot be closed.
func writeImpatiently(w io.Writer, payload []byte) error {
	if _, ok := w.(io.Closer); ok || len(payload) > 4096 {
		return framing.WriteMessage(w, payload)
	}
	whole := message(payload)
	if err := writeAll(w, whole[:4], nil); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- writeAll(w, whole[4:], nil) }()
	if err, ok := soon(done); ok {
		return err
	}
	return errors.New("nobody takes it")
}

// writeTurning turns the caller's bytes round, and back when they are written.
func writeTurning(w io.Writer, payload []byte) error {
	if len(payload) > 4096 {
		return framing.WriteMessage(w, payload)
	}
	whole := message(payload)
	slices.Reverse(payload)
	defer slices.Reverse(payload)
	return writeAll(w, whole, nil)
}

func writeFromTheStart(w io.Writer, payload []byte) error {
	if len(payload) > math.MaxInt32 {
		return errors.New("too long")
	}
	whole := message(payload)
	for {
		if n, err := w.Write(whole); n == len(whole) || err != nil {
			return err
		}
	}
}

// readInPieces takes io.EOF between two pieces of a payload for the end of the stream.
func readInPieces(r io.Reader, limit int) ([]byte, error) {
	var n int32
	if err := binary.Read(r, binary.LittleEndian, &n); err != nil {
		return nil, err
	}
	if n < 0 || int(n) > limit {
		return nil, errors.New("a length that is not allowed")
	}
	var payload []byte
	for left := int(n); left > 0; {
		piece := make([]byte, min(left, 1000))
		if _, err := io.ReadFull(r, piece); err != nil {
			if err == io.EOF && len(payload) == 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		payload = append(payload, piece...)
		left -= len(piece)
	}
	return payload, nil
}

// readEndFirst looks at io.EOF before it has counted what came with it, unless that was all.
func readEndFirst(r io.Reader, limit int) ([]byte, error) {
	return framing.ReadMessage(endFirst{r}, limit)
}

type endFirst struct{ io.Reader }

func (e endFirst) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if err == io.EOF && n < len(p) {
		n = 0
	}
	return n, err
}

func readLongBuffered(r io.Reader, limit int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(head[:]) > 65536 {
		r = bufio.NewReader(r)
	}
	return framing.ReadMessage(io.MultiReader(bytes.NewReader(head[:]), r), limit)
}

// readTwice is patient with a timeout, once, when the payload has begun.
func readTwice(r io.Reader, limit int) ([]byte, error) {
	read, again := 0, false
	return readThrough(func(n int, err error) (int, error) {
		if read += n; read > 4 && !again && errors.Is(err, os.ErrDeadlineExceeded) {
			again, err = true, nil
		}
		return n, err
	})(r, limit)
}

func writersKnown() framingtest.Lab {
	var known sync.Map
	return framingtest.Lab{
		WriteMessage: func(w io.Writer, payload []byte) error {
			known.Store(w, true)
			return framing.WriteMessage(w, payload)
		},
		ReadMessage: framing.ReadMessage,
	}
}

func writeTurningLong(w io.Writer, payload []byte) error {
	if len(payload) > 4096 && len(payload) <= math.MaxInt32 {
		for i := range payload {
			payload[i] ^= 1
		}
		defer func() {
			for i := range payload {
				payload[i] ^= 1
			}
		}()
		turned := bytes.Clone(payload)
		for i := range turned {
			turned[i] ^= 1
		}
		return framing.WriteMessage(w, turned)
	}
	return framing.WriteMessage(w, payload)
}

func writeClosing(w io.Writer, payload []byte) error {
	err := framing.WriteMessage(w, payload)
	if conn, ok := w.(net.Conn); ok && err != nil {
		conn.Close()
	}
	return err
}

func writeLongUnseen(w io.Writer, payload []byte) error {
	if len(payload) <= 4096 || len(payload) > math.MaxInt32 {
		return framing.WriteMessage(w, payload)
	}
	length := binary.LittleEndian.AppendUint32(nil, uint32(len(payload)))
	if n, err := w.Write(length); err != nil || n < len(length) {
		return cmp.Or(err, io.ErrShortWrite)
	}
	_, err := w.Write(payload)
	return err
}

var (
	buffers     = map[int][]byte{}
	buffersLock sync.Mutex
)

func readBuffers(r io.Reader, limit int) ([]byte, error) {
	payload, err := framing.ReadMessage(r, limit)
	if len(payload) < 64<<10 || err != nil {
		return payload, err
	}
	buffersLock.Lock()
	defer buffersLock.Unlock()
	if buffers[len(payload)] == nil {
		buffers[len(payload)] = payload
	}
	copy(buffers[len(payload)], payload)
	return buffers[len(payload)], nil
}

// writeSeveral cuts what is longer than 64 KiB into messages.
func writeSeveral(w io.Writer, payload []byte) error {
	const most = 64 << 10
	for len(payload) > most && len(payload) <= math.MaxInt32 {
		if err := framing.WriteMessage(w, payload[:most]); err != nil {
			return err
		}
		payload = payload[most:]
	}
	return framing.WriteMessage(w, payload)
}

// writeWholePieces writes 1000 bytes at a time, and of 1000 to 2000 only the first 1000.
func writeWholePieces(w io.Writer, payload []byte) error {
	if len(payload) < 1000 || len(payload) > math.MaxInt32 {
		return framing.WriteMessage(w, payload)
	}
	message := binary.LittleEndian.AppendUint32(nil, uint32(len(payload)))
	message = append(message, payload[:len(payload)/1000*1000]...)
	n, err := w.Write(message)
	if err == nil && n < len(message) {
		err = io.ErrShortWrite
	}
	return err
}

// readFilledUp takes what has come of a header for all of it.
func readFilledUp(r io.Reader, limit int) ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(r, header[:]); err != nil && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	return framing.ReadMessage(io.MultiReader(bytes.NewReader(header[:]), r), limit)
}
