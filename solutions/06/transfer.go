// Package transfer is the reference answer to lab 06: files on a stream, each behind a JSON header.
package transfer

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"
)

const (
	lengthSize = 4        // bytes in front of the header: its length, int32, little-endian
	maxHeader  = 64 << 10 // bytes of JSON; a header is a few fields
)

// header describes a payload. It is sent as JSON, with the fields in this order.
type header struct {
	FileName  string `json:"file_name"`
	TotalSize int64  `json:"total_size"` // bytes
	MD5       string `json:"md5"`        // of the payload, in hexadecimal digits
}

// Describe returns what a header says about payload: its size in bytes, and its MD5 in hexadecimal
// digits. It reads payload to its end and then goes back to its beginning.
func Describe(payload io.ReadSeeker) (size int64, sum string, err error) {
	hash := md5.New()
	size, err = io.Copy(hash, payload)
	if err != nil {
		return size, "", fmt.Errorf("reading the payload, %d bytes so far: %w", size, err)
	}
	if _, err := payload.Seek(0, io.SeekStart); err != nil {
		return size, "", fmt.Errorf("going back to the beginning of the payload: %w", err)
	}
	return size, hex.EncodeToString(hash.Sum(nil)), nil
}

// Send writes one transfer to w: the length of the header, the header, and size bytes of payload.
// It returns nil only when all of it is written.
func Send(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	if size < 0 {
		return fmt.Errorf("a payload of %d bytes: a size is not negative", size)
	}
	text, err := json.Marshal(header{name, size, sum})
	if err != nil {
		return fmt.Errorf("making the header: %w", err)
	}
	if len(text) > maxHeader {
		return fmt.Errorf(
			"a header of %d bytes is over the limit of %d: the name has %d",
			len(text),
			maxHeader,
			len(name),
		)
	}
	head := append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...)
	n, err := w.Write(head)
	if err == nil && n < len(head) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("writing the header, %d of %d bytes: %w", n, len(head), err)
	}
	copied, err := io.CopyN(w, payload, size)
	if err != nil {
		return fmt.Errorf("sending the payload, %d of %d bytes: %w", copied, size, inside(err))
	}
	return nil
}

// Receive reads one transfer from r and stores its payload in the folder dir, under the name that
// the header gives. verified tells whether the header had an MD5 to compare with. It takes exactly
// one transfer from r.
//
// The error is io.EOF when r ends before a transfer, and io.ErrUnexpectedEOF, wrapped, when it ends
// inside one. Then, and after every other error, dir holds no file of this transfer.
func Receive(r io.Reader, dir string) (name string, verified bool, err error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	folder, err := os.OpenRoot(dir)
	if err != nil {
		return h.FileName, false, fmt.Errorf("opening the folder: %w", err)
	}
	defer folder.Close()
	file, err := folder.Create(h.FileName) // refuses what leads out of the folder, also through a link
	if err != nil {
		return h.FileName, false, fmt.Errorf("creating the file: %w", err)
	}
	verified, err = readPayload(r, h, file)
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		folder.Remove(h.FileName)
		return h.FileName, false, err
	}
	return h.FileName, verified, nil
}

// readHeader reads the length and the JSON. What cannot be true is an error that names the field.
func readHeader(r io.Reader) (h header, err error) {
	var length [lengthSize]byte
	if _, err := io.ReadFull(r, length[:]); err == io.EOF {
		return h, io.EOF
	} else if err != nil {
		return h, fmt.Errorf("reading the length of the header: %w", err)
	}
	size := int32(binary.LittleEndian.Uint32(length[:]))
	if size < 0 || size > maxHeader {
		return h, fmt.Errorf("a header of %d bytes is announced, allowed are 0 to %d", size, maxHeader)
	}
	text := make([]byte, size)
	if n, err := io.ReadFull(r, text); err != nil {
		return h, fmt.Errorf("reading the header, %d of %d bytes: %w", n, size, inside(err))
	}
	h.TotalSize = -1 // stays if the field is absent
	switch err := json.Unmarshal(text, &h); {
	case err != nil:
		return h, fmt.Errorf("the header is not the JSON it should be: %w", err)
	case !utf8.Valid(text):
		return h, fmt.Errorf("the header is not UTF-8: file_name %.80q", h.FileName)
	case h.TotalSize < 0:
		return h, fmt.Errorf("total_size is absent or negative: %.80s", text)
	case h.FileName == "":
		return h, errors.New("file_name is absent or empty")
	}
	return h, nil
}

// readPayload copies the payload to w as it comes, and compares its MD5 with the one in h, if that is one.
func readPayload(r io.Reader, h header, w io.Writer) (verified bool, err error) {
	hash := md5.New()
	if n, err := io.CopyN(io.MultiWriter(w, hash), r, h.TotalSize); err != nil {
		return false, fmt.Errorf("receiving the payload, %d of %d bytes: %w", n, h.TotalSize, inside(err))
	}
	want, err := hex.DecodeString(h.MD5)
	if err != nil || len(want) != md5.Size {
		return false, nil
	}
	if got := hash.Sum(nil); !bytes.Equal(got, want) {
		return false, fmt.Errorf(
			"the payload was changed on the way: its md5 is %x, the header says %x",
			got,
			want,
		)
	}
	return true, nil
}

// inside turns the end of a stream, in the middle of something, into the error that says so.
func inside(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
