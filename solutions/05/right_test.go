package framing_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"

	"socketbook/labs/05/framingtest"
	"socketbook/tools/check"
)

type (
	readFunc  = func(r io.Reader, limit int) ([]byte, error)
	writeFunc = func(w io.Writer, payload []byte) error
)

// right are the reference and correct answers in other styles.
var right = []check.Answer{
	answer("the reference", reference),
	answer(
		"loops of plain Read and Write",
		framingtest.Lab{WriteMessage: writeInLoops, ReadMessage: readInLoops},
	),
	answer(
		"encoding binary and a growing buffer",
		framingtest.Lab{WriteMessage: writeFromBuffer, ReadMessage: readIntoBuffer},
	),
	answer(
		"net.Buffers, and one piece of the payload after the other",
		framingtest.Lab{WriteMessage: writeNetBuffers, ReadMessage: readByCopying},
	),
	answer(
		"bufio and goroutines",
		framingtest.Lab{WriteMessage: writeBuffered, ReadMessage: readInGoroutine},
	),
}

// readInLoops does by hand what io.ReadFull does, as a Python programmer would write it.
func readInLoops(r io.Reader, limit int) ([]byte, error) {
	header, err := receive(r, 4)
	if err != nil {
		return nil, err
	}
	n := int(int32(header[0]) | int32(header[1])<<8 | int32(header[2])<<16 | int32(header[3])<<24)
	if n < 0 || n > limit {
		return nil, errors.New("bad length")
	}
	payload, err := receive(r, n)
	if err == io.EOF {
		return nil, io.ErrUnexpectedEOF
	}
	return payload, err
}

// receive returns exactly n bytes, or io.EOF if there were none.
func receive(r io.Reader, n int) ([]byte, error) {
	var all []byte
	for len(all) < n {
		piece := make([]byte, min(n-len(all), 1024))
		k, err := r.Read(piece)
		all = append(all, piece[:k]...)
		switch {
		case err == io.EOF && len(all) == 0:
			return nil, io.EOF
		case err == io.EOF && len(all) < n:
			return nil, io.ErrUnexpectedEOF
		case err != nil && err != io.EOF:
			return nil, err
		}
	}
	return all, nil
}

func writeInLoops(w io.Writer, payload []byte) error {
	if len(payload) > math.MaxInt32 {
		return errors.New("too long")
	}
	n := len(payload)
	for _, part := range [][]byte{{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}, payload} {
		for len(part) > 0 {
			k, err := w.Write(part)
			if err != nil {
				return err
			}
			part = part[k:]
		}
	}
	return nil
}

// readIntoBuffer trusts the length no further than bytes have come.
func readIntoBuffer(r io.Reader, limit int) ([]byte, error) {
	var n int32
	if err := binary.Read(r, binary.LittleEndian, &n); err != nil {
		return nil, err
	}
	if n < 0 || int64(n) > int64(limit) {
		return nil, fmt.Errorf("length %d, limit %d", n, limit)
	}
	var payload bytes.Buffer
	if got, err := io.CopyN(&payload, r, int64(n)); err == io.EOF {
		return nil, fmt.Errorf("%d of %d bytes: %w", got, n, io.ErrUnexpectedEOF)
	} else if err != nil {
		return nil, err
	}
	return payload.Bytes(), nil
}

func writeFromBuffer(w io.Writer, payload []byte) error {
	if int64(len(payload)) > math.MaxInt32 {
		return fmt.Errorf("%d bytes are too many", len(payload))
	}
	var message bytes.Buffer
	binary.Write(&message, binary.LittleEndian, int32(len(payload)))
	message.Write(payload)
	_, err := io.Copy(w, bytes.NewReader(message.Bytes()))
	return err
}

// readInGoroutine reads ahead, but no further than the message goes.
func readInGoroutine(r io.Reader, limit int) ([]byte, error) {
	header, err := io.ReadAll(io.LimitReader(r, 4))
	switch {
	case err != nil:
		return nil, err
	case len(header) == 0:
		return nil, io.EOF
	case len(header) < 4:
		return nil, io.ErrUnexpectedEOF
	}
	n := int64(int32(binary.LittleEndian.Uint32(header)))
	if n < 0 || n > int64(limit) {
		return nil, errors.New("refused")
	}
	type result struct {
		payload []byte
		err     error
	}
	done := make(chan result)
	go func() {
		payload, err := io.ReadAll(bufio.NewReader(io.LimitReader(r, n)))
		if err == nil && int64(len(payload)) < n {
			err = io.ErrUnexpectedEOF
		}
		done <- result{payload, err}
	}()
	got := <-done
	return got.payload, got.err
}

func writeBuffered(w io.Writer, payload []byte) error {
	if len(payload) > math.MaxInt32 {
		return errors.New("too long for the header")
	}
	buffered := bufio.NewWriter(w)
	buffered.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(payload)))) // errors stay until Flush
	buffered.Write(payload)
	return buffered.Flush()
}

// writeNetBuffers looks at the total afterwards: what a short Write has left out is told then.
func writeNetBuffers(w io.Writer, payload []byte) error {
	if len(payload) > math.MaxInt32 {
		return errors.New("too long")
	}
	message := net.Buffers{binary.LittleEndian.AppendUint32(nil, uint32(len(payload))), payload}
	n, err := message.WriteTo(w)
	if err == nil && n < 4+int64(len(payload)) {
		err = io.ErrShortWrite
	}
	return err
}

// readByCopying lets the payload grow as it comes.
func readByCopying(r io.Reader, limit int) ([]byte, error) {
	var size int32
	if err := binary.Read(r, binary.LittleEndian, &size); err != nil {
		return nil, err
	}
	if size < 0 || int(size) > limit {
		return nil, fmt.Errorf("%d bytes are announced", size)
	}
	var payload bytes.Buffer
	if _, err := io.CopyN(&payload, r, int64(size)); err == io.EOF {
		return nil, io.ErrUnexpectedEOF
	} else if err != nil {
		return nil, err
	}
	return payload.Bytes(), nil
}
