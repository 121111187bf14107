package main

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"regexp"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
)

// dial connects to the server at addr.
func dial(addr string) (net.Conn, error) {
	return net.Dial("tcp", addr)
}

// client holds what the user has chosen with flags.
type client struct {
	charset encoding.Encoding // of the answers
	folder  *os.Root          // to save answers in, under their names; nil: they are not saved
}

// talk sends each line of in as one command and prints the answer, until in ends or says quit.
// It does not close conn: whoever dialled does.
func (c *client) talk(conn net.Conn, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() && lines.Text() != "quit" {
		if lines.Text() == "" { // 0 bytes would put nothing on the wire, and the answer would never come
			continue
		}
		if n := len(lines.Bytes()); n > maxRead {
			return fmt.Errorf("a command of %d bytes: the server takes at most %d, as one read", n, maxRead)
		}
		if _, err := conn.Write(lines.Bytes()); err != nil {
			return fmt.Errorf("sending a command: %w", err)
		}
		line := &openLine{Writer: out}
		text := transform.NewWriter(line, c.charset.NewDecoder())
		if err := c.readMessage(conn, text); err != nil {
			return fmt.Errorf("reading an answer: %w", err)
		}
		if err := text.Close(); err != nil {
			return fmt.Errorf("decoding an answer: %w", err)
		}
		if !line.ended {
			fmt.Fprintln(out)
		}
	}
	return lines.Err()
}

// readMessage reads one message, copies its payload to w as it comes, and takes nothing from r beyond it.
func (c *client) readMessage(r io.Reader, w io.Writer) error {
	var head [headerSize]byte
	if n, err := io.ReadFull(r, head[:]); err != nil {
		return fmt.Errorf("got %d of %d header bytes: %w", n, headerSize, err)
	}
	h, err := decodeHeader(r, head)
	if err != nil {
		return err
	}
	if c.folder == nil {
		return readPayload(r, w, h)
	}
	file, err := createFile(c.folder, h.FileName)
	if err != nil {
		return fmt.Errorf("saving it: %w", err)
	}
	err = readPayload(r, io.MultiWriter(w, file), h)
	if cerr := file.Close(); err == nil { // a disk may refuse the last bytes as late as this
		err = cerr
	}
	return err
}

// openLine is a writer that knows whether the last line was ended.
type openLine struct {
	io.Writer
	ended bool
}

func (l *openLine) Write(p []byte) (int, error) {
	if len(p) > 0 {
		l.ended = p[len(p)-1] == '\n'
	}
	return l.Writer.Write(p)
}

const maxPayload = 1 << 40 // bytes; an answer that announces more is not believed

const maxHeader = 64 << 10 // bytes of JSON; a header is a few fields

// decodeHeader reads the JSON that head announces. What cannot be true is an error that names the field.
func decodeHeader(r io.Reader, head [headerSize]byte) (h header, err error) {
	size := int64(int32(binary.LittleEndian.Uint32(head[:])))
	if size < 0 || size > maxHeader {
		return h, fmt.Errorf("the header announces %d bytes: not from 0 to %d", size, maxHeader)
	}
	var text bytes.Buffer
	if err := copyAll(&text, r, size, "header"); err != nil {
		return h, err
	}
	h.TotalSize = -1 // stays if the field is absent
	switch err := json.Unmarshal(text.Bytes(), &h); {
	case err != nil:
		return h, fmt.Errorf("the header is not the JSON it should be: %w", err)
	case !utf8.Valid(text.Bytes()):
		return h, fmt.Errorf("the header is not UTF-8: file_name %.80q, md5 %.80q", h.FileName, h.MD5)
	case h.TotalSize < 0:
		return h, fmt.Errorf("the header's total_size is absent or negative: %.80q", &text)
	case h.TotalSize > maxPayload:
		return h, fmt.Errorf("the header's total_size is %d bytes: at most %d are believed",
			h.TotalSize, maxPayload)
	}
	return h, nil
}

// copyAll copies size bytes from r to w. An earlier end is io.ErrUnexpectedEOF.
func copyAll(w io.Writer, r io.Reader, size int64, what string) error {
	n, err := io.CopyN(w, r, size)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("got %d of %d %s bytes: %w", n, size, what, err)
	}
	return nil
}

// readPayload copies the payload that h describes to w, and compares its checksum.
func readPayload(r io.Reader, w io.Writer, h header) error {
	sum := md5.New()
	if err := copyAll(io.MultiWriter(w, sum), r, h.TotalSize, "payload"); err != nil {
		return err
	}
	if want, err := hex.DecodeString(h.MD5); err != nil || len(want) != md5.Size {
		log.Printf("client: %.80q is not verified: its md5 is %.80q", h.FileName, h.MD5)
	} else if got := sum.Sum(nil); !bytes.Equal(got, want) {
		return fmt.Errorf("%.80q was changed on the way: its md5 is %x, the header says %x", h.FileName, got, want)
	}
	return nil
}

var (
	plainName = regexp.MustCompile(`^[\pL\pN_]([\pL\pM\pN_ .()+-]*[\pL\pM\pN_()+-])?$`)
	// device is what Windows takes for a device, whatever follows the dot; see "Naming Files" in
	// its documentation.
	device = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])([ .]|$)`)
)

// createFile creates a file in folder under a name that a peer has chosen: no path, no hidden file, no
// option of a command, nothing that controls a terminal. The folder itself refuses links that leave it.
func createFile(folder *os.Root, name string) (*os.File, error) {
	if !plainName.MatchString(name) || device.MatchString(name) {
		return nil, fmt.Errorf("file_name is %.80q, not a plain name such as report.txt", name)
	}
	return folder.Create(name)
}
