package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"time"
)

const headerSize = 4 // bytes: an int32, little-endian, as Python's struct.pack('<i', n) writes it

// listen asks the system for the address and lets clients queue up for it.
func listen(addr string) (net.Listener, error) {
	return net.Listen("tcp", addr)
}

// server keeps files in a folder, and sends them.
type server struct {
	folder *os.Root
}

// serve answers many clients at once. It returns nil when ln is closed, and leaves the clients that are
// still there to their goroutines. The caller closes ln.
func (s *server) serve(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting a client: %w", err)
		}
		go func() {
			if err := s.answer(conn); err != nil { // nobody waits for this goroutine
				log.Printf("client %s: %v", conn.RemoteAddr(), err)
			}
		}()
	}
}

// answer does what each request asks for, in their order, until the client leaves, and closes conn.
func (s *server) answer(conn net.Conn) error {
	defer conn.Close()
	for {
		request, err := readHeader(conn)
		if peerGone(err) {
			return nil
		}
		if err != nil {
			dismiss(conn, err)
			return fmt.Errorf("reading a request: %w", err)
		}
		err = s.do(conn, request)
		if failed, ok := errors.AsType[failure](err); ok { // the next request may be possible
			log.Printf("client %s: %s: %v", conn.RemoteAddr(), request, failed)
			err = writeHeader(conn, header{Error: failed.Error()})
		}
		if peerGone(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", request, err)
		}
	}
}

// do answers one request. A failure that it returns is the answer.
func (s *server) do(conn net.Conn, request header) error {
	if s.folder == nil {
		return failure("this server has no folder; its -folder names one")
	}
	switch request.Command {
	case "put":
		return s.put(conn, request)
	case "get":
		return s.get(conn, request)
	case "list":
		return s.list(conn)
	}
	return failure("not put, get or list")
}

// put says how much of the file is here already, and receives the rest.
func (s *server) put(conn net.Conn, request header) error {
	part, err := openPart(s.folder, request.FileName)
	if err != nil {
		return err
	}
	defer part.Close()
	if err := writeHeader(conn, part.has); err != nil {
		return err
	}
	h, err := readHeader(conn)
	if err != nil {
		return err
	}
	if h.Command != "" {
		return fmt.Errorf("%.80q came where the file was to begin", h.Command)
	}
	if err := part.receive(conn, h, nil); err != nil {
		return err
	}
	return writeHeader(conn, header{FileName: request.FileName, TotalSize: h.TotalSize})
}

// get sends the part of a file that the client does not have.
func (s *server) get(conn net.Conn, request header) error {
	file, size, err := openFile(s.folder, request.FileName)
	if err != nil {
		return err
	}
	defer file.Close()
	return sendFile(conn, file, size, request, nil)
}

// peerGone reports whether err means that the peer has gone. A peer says so in three ways: end of file
// (it closed), a reset (it aborted, or left bytes unread), a broken pipe (we wrote after its reset had come).
func peerGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, errReset) || errors.Is(err, errBrokenPipe)
}

const lastCall = 500 * time.Millisecond // for what a client that is dismissed still sends

// dismiss tells a client why the conversation ends, and reads what it has sent meanwhile: a close with
// bytes unread would be a reset, and the client might never read the reason.
func dismiss(conn net.Conn, why error) {
	err := errors.Join(writeHeader(conn, header{Error: why.Error()}),
		conn.SetReadDeadline(time.Now().Add(lastCall)))
	if err == nil {
		io.CopyN(io.Discard, conn, maxHeader)
	}
}

// writeHeader writes a header with nothing behind it.
func writeHeader(w io.Writer, h header) error {
	head, err := encodeHeader(h)
	if err != nil {
		return err
	}
	_, err = w.Write(head)
	return err
}

// encodeHeader returns the length of h's JSON in 4 bytes, and the JSON.
func encodeHeader(h header) (head []byte, err error) {
	text, err := json.Marshal(h)
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...), err
}

// header is a request, an answer, or what precedes a file. It is sent as JSON, with the fields in this
// order.
type header struct {
	Command   string `json:"command,omitempty"` // of a request: put, get or list
	FileName  string `json:"file_name"`
	TotalSize int64  `json:"total_size"`       // bytes of the file, or of a list
	Offset    int64  `json:"offset"`           // bytes of it that the receiver has already
	SHA256    string `json:"sha256,omitempty"` // of these, in hex: that the sender can compare
	Error     string `json:"error,omitempty"`  // of an answer: why there is no other one
}

// String is a request in one line, whatever a peer has put into it.
func (h header) String() string { return fmt.Sprintf("%.20q of %.80q", h.Command, h.FileName) }

// sendFile sends size bytes of file, but for the beginning that the receiver has already, and then the
// SHA-256 of all of them. If has is the beginning of another file, it sends everything. After an error w
// is of no use: the receiver waits for the rest.
func sendFile(w io.Writer, file io.ReadSeeker, size int64, has header, bar *progress) error {
	h := header{FileName: has.FileName, TotalSize: size}
	sum := sha256.New()
	if has.Offset <= size {
		if err := copyAll(sum, file, has.Offset, "file"); err != nil {
			return fmt.Errorf("comparing its beginning: %w", err)
		}
		if fmt.Sprintf("%x", sum.Sum(nil)) == has.SHA256 {
			h.Offset = has.Offset
		}
	}
	if h.Offset == 0 {
		sum.Reset()
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	buffered := bufio.NewWriter(w) // so that a short file does not take three segments
	if err := writeHeader(buffered, h); err != nil {
		return err
	}
	err := copyAll(io.MultiWriter(buffered, sum, bar.of(h)), file, size-h.Offset, "file")
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("it became shorter while it was sent: %v", err)
	}
	if err != nil {
		return err
	}
	buffered.Write(sum.Sum(nil)) // Flush returns its error
	return buffered.Flush()
}
