// Package files is the reference answer to lab 14: a file is fetched over a connection, and a transfer
// that was cut goes on.
package files

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
)

const (
	headerSize = 4        // bytes in front of a JSON: its length, int32, little-endian
	maxHeader  = 64 << 10 // bytes of JSON; a header is a few fields
	maxName    = 200      // bytes; with .part behind it, it stays below the 255 of most systems
	partial    = ".part"  // the end of an incomplete file's name
)

var (
	// plainName is the name of a file in a folder on every system, unless it is reserved.
	plainName = regexp.MustCompile(`^[\pL\pN_]([\pL\pN_ .-]*[\pL\pN_])?$`)
	// reserved is what Windows takes for a device, whatever follows the dot, and what is a part.
	reserved = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])([ .]|$)|\.part$`)
)

// header is a request, or what precedes a file.
type header struct {
	Command   string `json:"command,omitempty"`
	FileName  string `json:"file_name"`
	TotalSize int64  `json:"total_size"`       // bytes of the whole file
	Offset    int64  `json:"offset"`           // bytes of it that are here already
	SHA256    string `json:"sha256,omitempty"` // of these, in hexadecimal digits
	Error     string `json:"error,omitempty"`  // why no file follows
}

// Fetch gets the file name over conn and keeps it in the folder dir. What came of it before is in
// name.part, and is not sent again. progress is told how many of the file's bytes are here. The file has
// its name when all of it is here and its SHA-256 is right.
//
// The error is io.ErrUnexpectedEOF, wrapped, when the server leaves in the middle. What came stays for the
// next call. Fetch does not close conn.
func Fetch(conn net.Conn, name, dir string, progress func(done, total int64)) error {
	if !plainName.MatchString(name) || reserved.MatchString(name) || len(name) > maxName {
		return fmt.Errorf("%.80q is not a plain name such as report.txt", name)
	}
	folder, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("opening the folder: %w", err)
	}
	defer folder.Close()
	info, err := folder.Lstat(name + partial)
	if err == nil && !info.Mode().IsRegular() { // to open a link would follow it
		return fmt.Errorf("%s%s is in the way: it is not a file", name, partial)
	}
	part, err := folder.OpenFile(name+partial, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return fmt.Errorf("opening the part: %w", err)
	}
	if err := errors.Join(complete(conn, name, part, progress), part.Close()); err != nil {
		return fmt.Errorf("getting %s: %w", name, err)
	}
	return folder.Rename(name+partial, name)
}

// complete asks for what part lacks of a file, and receives it. It returns nil when part is the whole file.
func complete(conn net.Conn, name string, part *os.File, progress func(done, total int64)) error {
	sum := sha256.New()
	here, err := io.Copy(sum, part)
	if err != nil {
		return fmt.Errorf("reading the part: %w", err)
	}
	request := header{Command: "get", FileName: name, Offset: here, SHA256: fmt.Sprintf("%x", sum.Sum(nil))}
	if err := writeHeader(conn, request); err != nil {
		return fmt.Errorf("sending the request: %w", err)
	}
	answer, err := readAnswer(conn, request)
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if answer.Offset == 0 { // nothing is here, or it is not the beginning of this file
		sum.Reset()
		_, err := part.Seek(0, io.SeekStart)
		if err := errors.Join(err, part.Truncate(0)); err != nil {
			return fmt.Errorf("emptying the part: %w", err)
		}
	}
	bar := &counter{answer.Offset, answer.TotalSize, progress}
	progress(answer.Offset, answer.TotalSize)
	missing := answer.TotalSize - answer.Offset
	if err := copyAll(io.MultiWriter(part, sum, bar), conn, missing, "file"); err != nil {
		return err
	}
	var want bytes.Buffer
	if err := copyAll(&want, conn, sha256.Size, "SHA-256"); err != nil {
		return err
	}
	if got := sum.Sum(nil); !bytes.Equal(got, want.Bytes()) {
		changed := fmt.Errorf("it was changed on the way: its SHA-256 is %x, the sender's %x", got, want.Bytes())
		return errors.Join(changed, part.Truncate(0)) // nothing to go on from
	}
	return nil
}

// writeHeader writes the length of a header's JSON, and the JSON.
func writeHeader(w io.Writer, h header) error {
	text, _ := json.Marshal(h) // never fails
	_, err := w.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...))
	return err
}

// readAnswer reads a header, and takes nothing from r beyond it. What cannot be true is an error.
func readAnswer(r io.Reader, request header) (answer header, err error) {
	var length, text bytes.Buffer
	if err := copyAll(&length, r, headerSize, "length"); err != nil {
		return answer, err
	}
	size := int32(binary.LittleEndian.Uint32(length.Bytes()))
	if size < 0 || size > maxHeader {
		return answer, fmt.Errorf("a JSON of %d bytes is announced, allowed are 0 to %d", size, maxHeader)
	}
	if err := copyAll(&text, r, int64(size), "JSON"); err != nil {
		return answer, err
	}
	answer.TotalSize = -1 // stays if the field is absent
	switch err := json.Unmarshal(text.Bytes(), &answer); {
	case err != nil:
		return answer, fmt.Errorf("it is not the JSON it should be: %w", err)
	case answer.Error != "":
		return answer, fmt.Errorf("the server says %.200q", answer.Error)
	case answer.FileName != request.FileName:
		return answer, fmt.Errorf("it is about another file: %.80q", answer.FileName)
	case answer.Offset != 0 && answer.Offset != request.Offset:
		return answer, fmt.Errorf("it goes on at byte %d, and %d are here", answer.Offset, request.Offset)
	case answer.TotalSize < answer.Offset:
		return answer, fmt.Errorf("total_size is absent, negative or less than offset: %.80q", &text)
	}
	return answer, nil
}

// copyAll copies size bytes from r to w. An earlier end is io.ErrUnexpectedEOF.
func copyAll(w io.Writer, r io.Reader, size int64, what string) error {
	n, err := io.CopyN(w, r, size)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("got %d of %d bytes of the %s: %w", n, size, what, err)
	}
	return nil
}

// counter counts what is written to it, and tells progress.
type counter struct {
	done, total int64
	progress    func(done, total int64)
}

func (c *counter) Write(b []byte) (int, error) {
	c.done += int64(len(b))
	c.progress(c.done, c.total)
	return len(b), nil
}
