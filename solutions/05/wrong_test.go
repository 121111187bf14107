package framing_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"socketbook/labs/05/framingtest"
	framing "socketbook/solutions/05"
	"socketbook/tools/check"
)

// wrong are the mistakes that people make, each with exactly the cases that must fail on it. The failure text of a
// case in testdata is the one that the first answer named for it provokes.
var wrong = []check.Answer{
	answer("big endian on both sides", framingtest.Lab{WriteMessage: writeBigEndian, ReadMessage: readBigEndian}, framingtest.Write, framingtest.Read),
	reading("one Read for the header", readHeaderOnce, framingtest.Header, framingtest.EndInside),
	reading("one Read for the payload", readPayloadOnce, framingtest.Payload, framingtest.EndInside),
	reading("1024 at a time, whatever is left", readBy1024, framingtest.PastTheEnd),
	reading("a bufio.Reader made anew in each call", readBufio, framingtest.PastTheEnd),
	reading("the end is always unexpected", readEndUnexpected, framingtest.EndBetween),
	reading("io.EOF of the payload passed on", readEOFInside, framingtest.EndInside),
	reading("every error is the end", readAllErrorsEnd, framingtest.EndBetween, framingtest.EndInside),
	reading("a cut message returned as if it were whole", readCutIsWhole, framingtest.EndInside),
	reading("the loop ignores the end", readEndless, framingtest.EndBetween, framingtest.EndInside),
	reading("memory set aside before the check", readAllocatesFirst, framingtest.Refused),
	reading("an unsigned length", readUnsigned, framingtest.Refused),
	reading("no check of the length", readUnchecked, framingtest.Refused),
	reading("the limit itself refused", readLimitRefused, framingtest.Refused),
	reading("the limit counts the header", readLimitWithHeader, framingtest.Refused),
	reading("one buffer for all messages", oneBuffer(), framingtest.Conversation),
	reading("a goroutine left behind", readLeavesGoroutine, framingtest.Read),
	reading("an empty message waits for a byte", readEmptyWaits, framingtest.Read),
	writing("an empty message is not written", writeNotEmpty, framingtest.Write),
	writing("a length of two bytes", writeShortLength, framingtest.Write),
	writing("the length counts the header", writeLengthOfAll, framingtest.Write),
	writing("n of a short Write ignored", writeIgnoresN, framingtest.BadWrite),
	writing("the error of the header ignored", writeIgnoresHeaderError, framingtest.BadWrite),
	writing("a length that wraps", writeWraps, framingtest.BadWrite),
	writing("writes again until it works", writeRetries, framingtest.BadWrite),
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
func oneBuffer() readFunc {
	buf := make([]byte, 1<<20)
	return func(r io.Reader, limit int) ([]byte, error) {
		payload, err := framing.ReadMessage(r, limit)
		return buf[:copy(buf, payload)], err
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
