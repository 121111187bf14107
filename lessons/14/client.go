package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

// dial connects to the server at addr.
func dial(addr string) (net.Conn, error) {
	return net.Dial("tcp", addr)
}

// client holds what the user has chosen with flags.
type client struct {
	folder   *os.Root // files are put from it, and got into it
	terminal *os.File // to draw a bar on; nil: a line per 10 % is printed
}

// talk does what each line of in says, until in ends or says quit: put NAME, get NAME, or list. Several
// names have commas between them. A failure is printed, and costs its file alone. It does not close conn:
// whoever dialled does.
func (c *client) talk(conn net.Conn, in io.Reader, out io.Writer) error {
	r := &results{out: out}
	lines := bufio.NewScanner(in)
	for lines.Scan() && lines.Text() != "quit" {
		command, names, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		var err error
		switch command {
		case "":
			continue
		case "put":
			err = c.put(conn, splitNames(names), r)
		case "get":
			err = c.get(conn, splitNames(names), r)
		default: // list, or what the server refuses
			err = c.list(conn, header{Command: command, FileName: names}, r)
		}
		if err != nil {
			return err
		}
	}
	if r.failed > 0 {
		return fmt.Errorf("%d of %d requests failed", r.failed, r.all)
	}
	return lines.Err()
}

func splitNames(list string) []string {
	names := strings.Split(list, ",")
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
	}
	return names
}

// put sends files, one after the other.
func (c *client) put(conn net.Conn, names []string, r *results) error {
	for _, name := range names {
		if err := r.add("put "+name, c.putOne(conn, name, r.out)); err != nil {
			return err
		}
	}
	return nil
}

// putOne sends the part of a file that the server does not have, and waits until it is stored.
func (c *client) putOne(conn net.Conn, name string, out io.Writer) error {
	file, size, err := openFile(c.folder, name)
	if err != nil {
		return err
	}
	defer file.Close()
	request := header{Command: "put", FileName: name, TotalSize: size}
	if err := writeHeader(conn, request); err != nil {
		return fmt.Errorf("sending a request: %w", err)
	}
	has, err := readAnswer(conn)
	if err != nil {
		return err
	}
	bar := &progress{what: "put " + name, out: out, terminal: c.terminal}
	defer bar.end()
	if err := sendFile(conn, file, size, has, bar); err != nil {
		return fmt.Errorf("sending %.80q: %w", name, err)
	}
	_, err = readAnswer(conn)
	return err
}

const maxPipelined = 16 // requests that nobody has answered: more might fill all buffers, and both would wait

// get asks for several files at once, and receives them one after the other.
func (c *client) get(conn net.Conn, names []string, r *results) error {
	for len(names) > 0 {
		n := min(len(names), maxPipelined)
		if err := c.getSome(conn, names[:n], r); err != nil {
			return err
		}
		names = names[n:]
	}
	return nil
}

func (c *client) getSome(conn net.Conn, names []string, r *results) error {
	var parts []*part
	for _, name := range names {
		p, err := openPart(c.folder, name)
		if err != nil {
			r.add("get "+name, err)
			continue
		}
		defer p.Close()
		parts = append(parts, p)
		request := p.has
		request.Command = "get"
		if err := writeHeader(conn, request); err != nil {
			return fmt.Errorf("sending a request: %w", err)
		}
	}
	for _, p := range parts {
		what := "get " + p.has.FileName
		h, err := readAnswer(conn)
		if err == nil {
			bar := &progress{what: what, out: r.out, terminal: c.terminal}
			err = p.receive(conn, h, bar)
			bar.end()
		}
		if err := r.add(what, err); err != nil {
			return err
		}
	}
	return nil
}

const maxList = 4 << 20 // bytes; a list that is announced as longer is not believed

// list prints the text that answers a request.
func (c *client) list(conn net.Conn, request header, r *results) error {
	if err := writeHeader(conn, request); err != nil {
		return fmt.Errorf("sending a request: %w", err)
	}
	h, err := readAnswer(conn)
	if err == nil && h.TotalSize > maxList {
		err = fmt.Errorf("a list of %d bytes: at most %d are read", h.TotalSize, maxList)
	}
	if err != nil {
		return r.add(request.Command, err)
	}
	r.all++
	return copyAll(r.out, conn, h.TotalSize, "list")
}

// readAnswer reads a header. One that says why there is no answer is a failure.
func readAnswer(r io.Reader) (header, error) {
	h, err := readHeader(r)
	if err != nil {
		return h, fmt.Errorf("reading an answer: %w", err)
	}
	if h.Error != "" {
		return h, failuref("the server says %.200q", h.Error)
	}
	return h, nil
}

// readHeader reads a header, and takes nothing from r beyond it.
func readHeader(r io.Reader) (h header, err error) {
	var head [headerSize]byte
	if n, err := io.ReadFull(r, head[:]); err != nil {
		return h, fmt.Errorf("got %d of %d header bytes: %w", n, headerSize, err)
	}
	return decodeHeader(r, head)
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
		return h, fmt.Errorf("the header is not UTF-8: file_name %.80q", h.FileName)
	case h.TotalSize < 0:
		return h, fmt.Errorf("the header's total_size is absent or negative: %.80q", &text)
	case h.TotalSize > maxPayload:
		return h, fmt.Errorf("the header's total_size is %d bytes: at most %d are believed",
			h.TotalSize, maxPayload)
	case h.Offset < 0:
		return h, fmt.Errorf("the header's offset is negative: %d", h.Offset)
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

// readPayload copies size bytes to w, and compares the SHA-256 that follows them with sum, which has seen
// what w was given.
func readPayload(r io.Reader, w io.Writer, size int64, sum hash.Hash) error {
	var want bytes.Buffer
	err := copyAll(w, r, size, "file")
	if err == nil {
		err = copyAll(&want, r, sha256.Size, "SHA-256")
	}
	if peerGone(err) { // a reset cuts a file as the end of the stream does
		return fmt.Errorf("%v: %w", err, io.ErrUnexpectedEOF)
	}
	if err != nil {
		return err
	}
	if got := sum.Sum(nil); !bytes.Equal(got, want.Bytes()) {
		return failuref("it was changed on the way: its SHA-256 begins with %.8x, the sender's with %.8x",
			got, want.Bytes())
	}
	return nil
}

var (
	plainName = regexp.MustCompile(`^[\pL\pN_]([\pL\pM\pN_ .()+-]*[\pL\pM\pN_()+-])?$`)
	// device is what Windows takes for a device, whatever follows the dot; see "Naming Files" in
	// its documentation.
	device = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])([ .]|$)`)
)

const maxName = 200 // bytes; with .part behind it, it stays below the 255 of most systems

// checkName refuses a name that a peer has chosen, unless it is the name of a file in a folder on every
// system: no path, no hidden file, no option of a command, nothing that controls a terminal.
func checkName(name string) error {
	if !plainName.MatchString(name) || device.MatchString(name) || len(name) > maxName ||
		strings.EqualFold(filepath.Ext(name), partial) {
		return failure("not a plain name such as report.txt")
	}
	return nil
}
