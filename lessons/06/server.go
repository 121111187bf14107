package main

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"regexp"
	"strings"
)

const maxRead = 1024 // bytes; a command is one read, of at most that many

const headerSize = 4 // bytes: an int32, little-endian, as Python's struct.pack('<i', n) writes it

// listen asks the system for the address and lets clients queue up for it.
func listen(addr string) (net.Listener, error) {
	return net.Listen("tcp", addr)
}

// serve answers one client after the other, whatever one of them does.
// It returns nil when ln is closed. The caller closes ln.
func serve(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting a client: %w", err)
		}
		if err := answer(conn); err != nil {
			log.Printf("client %s: %v", conn.RemoteAddr(), err)
		}
	}
}

// answer runs each command and sends what it printed, until the client leaves, and closes conn.
func answer(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, maxRead+1) // room to notice a longer one
	for {
		n, err := conn.Read(buf)
		if n > 0 { // a read may return bytes and an error at once: the bytes come first
			command, cerr := commandLine(buf[:n])
			if cerr != nil {
				return fmt.Errorf("refused: %w; nothing was run", cerr)
			}
			werr := writeMessage(conn, "answer.txt", run(command))
			if peerGone(werr) {
				return nil
			}
			if werr != nil {
				return fmt.Errorf("writing an answer: %w", werr)
			}
		}
		if peerGone(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a command: %w", err)
		}
	}
}

// run executes a command line in the shell, with nothing to read, and returns its standard output
// and then its standard error. Of each it keeps maxOutput bytes; the last line says how many were
// cut off.
func run(command string) []byte {
	cmd := shell(command)
	var stdout, stderr limited
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil { // it was not even started
		fmt.Fprintln(&stderr, err)
	}
	output := append(stdout.kept, stderr.kept...)
	if cut := stdout.cut + stderr.cut; cut > 0 {
		output = fmt.Appendf(output, "\n[%d more bytes were printed, and cut off]\n", cut)
	}
	return output
}

// peerGone reports whether err means that the peer has gone. A peer says so in three ways: end of file
// (it closed), a reset (it aborted, or left bytes unread), a broken pipe (we wrote after its reset had come).
func peerGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, errReset) || errors.Is(err, errBrokenPipe)
}

// httpRequest is how the first line of an HTTP request ends. A web page can make a browser send one
// to this port.
var httpRequest = regexp.MustCompile(` HTTP/[0-9.]+\r?(\n|$)`)

// commandLine returns the command in a request: one line of text, with or without its end.
func commandLine(request []byte) (string, error) {
	line := strings.TrimSuffix(strings.TrimSuffix(string(request), "\n"), "\r")
	control := strings.IndexFunc(line, func(c rune) bool { return c < ' ' })
	switch {
	case strings.Contains(line[:min(4, len(line))], "\x00"): // as a length of 4 bytes has it
		return "", errors.New("requests carry no header here")
	case httpRequest.MatchString(line):
		return "", errors.New("an HTTP request")
	case len(request) > maxRead || control >= 0:
		return "", fmt.Errorf("not one line of at most %d bytes", maxRead)
	}
	return line, nil
}

const maxOutput = 16 << 20 // bytes; nobody reads more, and a command may print for as long as it likes

// limited keeps the first maxOutput bytes that are written to it, and counts the others.
type limited struct {
	kept []byte
	cut  int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), maxOutput-len(l.kept))
	l.kept = append(l.kept, p[:n]...)
	l.cut += len(p) - n
	return len(p), nil
}

// writeMessage writes a header for payload, and then payload.
func writeMessage(w io.Writer, name string, payload []byte) error {
	head, err := encodeHeader(header{name, int64(len(payload)), fmt.Sprintf("%x", md5.Sum(payload))})
	if err != nil {
		return err
	}
	_, err = w.Write(append(head, payload...)) // two writes may cost a segment more
	return err
}

// encodeHeader returns the length of h's JSON in 4 bytes, and the JSON.
func encodeHeader(h header) (head []byte, err error) {
	text, err := json.Marshal(h)
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...), err
}

// header describes a payload. It is sent as JSON, with the fields in this order.
type header struct {
	FileName  string `json:"file_name"`
	TotalSize int64  `json:"total_size"` // bytes
	MD5       string `json:"md5"`        // of the payload, in hex
}
