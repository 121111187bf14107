package main

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"unicode/utf8"
)

// naiveReadMessage reads as the tutorials do: the JSON with one read, however long it claims to be,
// and a checksum that nobody looks at.
func naiveReadMessage(r io.Reader, w io.Writer) error {
	var head [headerSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	text := make([]byte, binary.LittleEndian.Uint32(head[:]))
	n, err := r.Read(text)
	if err != nil {
		return err
	}
	var h header
	if err := json.Unmarshal(text[:n], &h); err != nil {
		return err
	}
	_, err = io.CopyN(w, r, h.TotalSize)
	return err
}

// naiveEncodeHeader counts characters, as len(json.dumps(h, ensure_ascii=False)) does. What is sent
// are bytes.
func naiveEncodeHeader(h header) (head []byte, err error) {
	text, err := json.Marshal(h)
	length := utf8.RuneCount(text)
	return append(binary.LittleEndian.AppendUint32(nil, uint32(length)), text...), err
}
