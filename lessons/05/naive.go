package main

import (
	"encoding/binary"
	"io"
)

// naiveReadMessage reads as the tutorials do: the header with one read, the payload with reads of
// 1024 whatever is left, each read decoded by itself, and no error looked at.
func (c *client) naiveReadMessage(r io.Reader, w io.Writer) error {
	head := make([]byte, headerSize)
	r.Read(head)
	size := int(int32(binary.LittleEndian.Uint32(head)))
	buf := make([]byte, maxRead)
	for got := 0; got < size; {
		n, _ := r.Read(buf)
		got += n
		text, _ := c.charset.NewDecoder().Bytes(buf[:n])
		w.Write(text)
	}
	return nil
}

// naiveEncodeHeader converts the size without looking whether it fits.
func naiveEncodeHeader(size int64) (head [headerSize]byte, err error) {
	binary.LittleEndian.PutUint32(head[:], uint32(int32(size)))
	return head, nil
}

// naiveDecodeHeader takes the bytes in network order. Many protocols use it; this one does not.
func naiveDecodeHeader(head [headerSize]byte) (int64, error) {
	return int64(int32(binary.BigEndian.Uint32(head[:]))), nil
}

// naiveCollect collects a payload as data += piece does with Python's bytes and Go's strings: they
// cannot grow, so every piece makes a new one, and all that came before is copied into it. It counts
// the bytes that are copied.
func naiveCollect(r io.Reader) (size, copied int, err error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, 0, err
	}
	size = int(binary.LittleEndian.Uint32(head[:]))
	data, piece := "", make([]byte, maxRead)
	for len(data) < size {
		n, err := io.ReadFull(r, piece[:min(maxRead, size-len(data))]) // pieces of 1024, whatever a read brings
		if err != nil {
			return len(data), copied, err
		}
		data += string(piece[:n])
		copied += len(data)
	}
	return size, copied, nil
}
