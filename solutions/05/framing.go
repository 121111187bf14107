// Package framing is the reference answer to lab 05: messages on a stream, each with its length in front.
package framing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

const headerSize = 4 // bytes: the payload's length, int32, little-endian

// WriteMessage writes one message to w: the length of payload as 4 bytes, then payload. It returns
// nil only when the whole message is written.
func WriteMessage(w io.Writer, payload []byte) error {
	if len(payload) > math.MaxInt32 {
		return fmt.Errorf(
			"a payload of %d bytes does not fit a header that counts to %d",
			len(payload),
			math.MaxInt32,
		)
	}
	message := make([]byte, 0, headerSize+len(payload))
	message = binary.LittleEndian.AppendUint32(message, uint32(len(payload)))
	message = append(message, payload...)
	n, err := w.Write(message)
	if err == nil && n < len(message) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("writing a message, %d of %d bytes: %w", n, len(message), err)
	}
	return nil
}

// ReadMessage reads one message from r and returns its payload. It takes exactly that message from r.
//
// The error is io.EOF when r ends before a message, and io.ErrUnexpectedEOF, wrapped, when it ends
// inside one. A length below 0 or above limit is refused before the payload is read.
func ReadMessage(r io.Reader, limit int) ([]byte, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err == io.EOF {
		return nil, io.EOF
	} else if err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	size := int32(binary.LittleEndian.Uint32(header[:]))
	if size < 0 || int(size) > limit {
		return nil, fmt.Errorf("a message of %d bytes is announced, allowed are 0 to %d", size, limit)
	}
	payload := make([]byte, size)
	n, err := io.ReadFull(r, payload)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("reading the payload, %d of %d bytes: %w", n, size, err)
	}
	return payload, nil
}
