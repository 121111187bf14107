package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"time"
)

const headerSize = 4 // bytes: an int32, little-endian, as Python's struct.pack('<i', n) writes it

const maxHeader = 64 << 10 // bytes of JSON; a header is a few fields

// header describes a payload. It is sent as JSON, with the fields in this order, behind the length of
// the JSON in 4 bytes. A request has it, too: its payload is a command.
type header struct {
	Status    int   `json:"status"`     // how the command ended; 0 in a request
	TotalSize int64 `json:"total_size"` // bytes
}

// readMessage reads one message from conn, all of it within limit. A payload of more than most bytes is
// refused.
func readMessage(conn net.Conn, limit time.Duration, most int64) (status int, payload []byte, err error) {
	if err := conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return 0, nil, err
	}
	return decodeMessage(conn, most)
}

// writeMessage writes one message to conn, all of it within limit.
func writeMessage(conn net.Conn, limit time.Duration, status int, payload []byte) error {
	if err := conn.SetWriteDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	text, err := json.Marshal(header{status, int64(len(payload))})
	if err != nil {
		return err
	}
	message := append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...)
	message = append(message, payload...) // one write: it may cost a segment less than two
	if n, err := conn.Write(message); err != nil {
		return fmt.Errorf("%d of %d bytes went out: %w", n, len(message), err)
	}
	return nil
}

// decodeMessage reads one message, and takes nothing from r beyond it. What cannot be true is an error,
// and nothing is allocated for it.
func decodeMessage(r io.Reader, most int64) (status int, payload []byte, err error) {
	var size [headerSize]byte
	if n, err := io.ReadFull(r, size[:]); err != nil {
		return 0, nil, fmt.Errorf("got %d of %d header bytes: %w", n, headerSize, err)
	}
	text, err := readAll(r, int64(int32(binary.LittleEndian.Uint32(size[:]))), maxHeader, "header")
	if err != nil {
		return 0, nil, err
	}
	h := header{TotalSize: -1} // stays if the field is absent
	if err := json.Unmarshal(text, &h); err != nil {
		return 0, nil, fmt.Errorf("the header is not the JSON it should be: %w", err)
	}
	payload, err = readAll(r, h.TotalSize, most, "payload")
	return h.Status, payload, err
}

// readAll reads size bytes, if that is from 0 to most. An earlier end is io.ErrUnexpectedEOF.
func readAll(r io.Reader, size, most int64, what string) ([]byte, error) {
	if size < 0 || size > most {
		return nil, fmt.Errorf("a %s of %d bytes is announced: not from 0 to %d", what, size, most)
	}
	var buf bytes.Buffer
	n, err := io.CopyN(&buf, r, size)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("got %d of %d %s bytes: %w", n, size, what, err)
	}
	return buf.Bytes(), nil
}
