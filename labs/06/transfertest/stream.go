package transfertest

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

// frame puts the length in front of a JSON text, true or not, and the payload behind it.
func frame(text, payload string) []byte {
	return append(length(int32(len(text))), text+payload...)
}

func length(n int32) []byte {
	return binary.LittleEndian.AppendUint32(nil, uint32(n))
}

// header is the JSON as a correct Send writes it.
func header(name string, size int64, sum string) string {
	text, err := json.Marshal(struct {
		FileName  string `json:"file_name"`
		TotalSize int64  `json:"total_size"`
		MD5       string `json:"md5"`
	}{name, size, sum})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func sumOf(payload string) string {
	sum := md5.Sum([]byte(payload))
	return hex.EncodeToString(sum[:])
}

// transfer is a whole transfer, and where its payload begins.
func transfer(name, payload string) (data []byte, at int) {
	data = frame(header(name, int64(len(payload)), sumOf(payload)), payload)
	return data, len(data) - len(payload)
}

// send hands data over as cut says.
func send(c *check.C, peer *fault.Peer, cut fault.Cut, data []byte) {
	pieces := cut.Pieces(data)
	c.Say("the suite has sent %s", telling(pieces))
	peer.Send(pieces...)
}

// telling shows what is sent: the length in hexadecimal and the rest as text, with bars between a few
// pieces.
func telling(pieces [][]byte) string {
	if len(pieces) > 4 {
		return fmt.Sprintf("%s, in %d pieces", telling([][]byte{bytes.Join(pieces, nil)}), len(pieces))
	}
	var parts []string
	at := 0
	for _, piece := range pieces {
		length := piece[:max(0, min(len(piece), 4-at))]
		var words []string
		if len(length) > 0 {
			words = append(words, check.Bytes(length))
		}
		if text := piece[len(length):]; len(text) > 0 {
			words = append(words, quoted(text))
		}
		parts = append(parts, strings.Join(words, " "))
		at += len(piece)
	}
	return strings.Join(parts, " | ")
}

// quoted shows text, and the beginning of long text.
func quoted(b []byte) string {
	const most = 120
	end := ""
	if len(b) > most+20 {
		end = fmt.Sprintf(" … (%d bytes)", len(b))
		b = b[:most]
	}
	odd := func(r rune) bool { return r == '`' || !unicode.IsPrint(r) }
	if bytes.Contains(b, []byte{'"'}) && !bytes.ContainsFunc(b, odd) {
		return "`" + strings.ToValidUTF8(string(b), "\uFFFD") + "`" + end
	}
	return strconv.Quote(string(b)) + end
}

// source is a payload: data, and then zeros up to size. The zero value is empty.
type source struct {
	data      string
	size      int64 // if it is more than data has
	most      int   // bytes that one Read returns; 0 means as many as fit
	endsLate  bool  // io.EOF comes with a Read of its own, as bytes.Reader does it, and not with the last bytes
	hesitates bool  // before each Read that returns some bytes, 50 return none, and no error
	fails     error // instead of the byte at failsAt
	failsAt   int64
	seekErr   error
	seekFails int                  // the call of Seek that fails; 0 means all
	look      func(at int64) error // called by each Read that reaches this place

	mu      sync.Mutex
	at      int64
	reads   int
	seeks   int
	largest int  // bytes that one Read has returned at most
	broken  bool // errBroken was returned
	closed  bool
}

// Close is not for the code under test, which was only lent the payload.
func (s *source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// wantOpen ends the case if function has closed the payload.
func (s *source) wantOpen(c *check.C, function string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.Fail("%s called Close on the payload, which is for the caller to close", function)
	}
}

// wantLittle ends the case if a Read had room for more than may be in memory.
func (s *source) wantLittle(c *check.C) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.largest > allowed {
		c.Fail("one Read took %d KiB of the payload into memory; %d KiB are allowed", s.largest>>10, allowed>>10)
	}
}

// tell says that what broke off was not the disk.
func (s *source) tell(c *check.C) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		c.Step("the suite ended the payload after %d KiB, with an error of its own", s.at>>10)
	}
}

func (s *source) len() int64 { return max(s.size, int64(len(s.data))) }

func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := s.len()
	if s.fails != nil {
		end = s.failsAt
	}
	if s.reads++; s.hesitates && s.reads%51 != 0 {
		return 0, nil
	}
	if s.most > 0 {
		p = p[:min(len(p), s.most)]
	}
	n := int(min(int64(len(p)), end-s.at))
	s.largest = max(s.largest, n)
	for done := 0; done < n; {
		if s.at < int64(len(s.data)) {
			k := copy(p[done:n], s.data[s.at:])
			s.at += int64(k)
			done += k
			continue
		}
		clear(p[done:n])
		s.at += int64(n - done)
		done = n
	}
	if s.look != nil {
		if err := s.look(s.at); err != nil {
			s.broken = true
			return n, err
		}
	}
	switch {
	case s.at < end, n > 0 && s.endsLate:
		return n, nil
	case s.fails != nil:
		s.broken = s.fails != io.EOF
		return n, s.fails
	}
	return n, io.EOF
}

func (s *source) Seek(offset int64, whence int) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seeks++; s.seekErr != nil && (s.seekFails == 0 || s.seekFails == s.seeks) {
		return 0, s.seekErr
	}
	switch whence {
	case io.SeekCurrent:
		offset += s.at
	case io.SeekEnd:
		offset += s.len()
	}
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	s.at = offset
	return offset, nil
}

// lentWriter is a writer that could be taken for a connection: it notes what it is not lent for.
type lentWriter struct {
	io.Writer
	did   string        // the method that was called last, "" for none
	taken *fault.Writer // Writer, if that is one
	calls int
	trip  trip
}

// trip says what goes wrong with one call of Write.
type trip struct {
	call int // 1 for the first one; 0 for none
	take func(n int) int
	err  error
}

func (w *lentWriter) Write(p []byte) (int, error) {
	if w.calls++; w.calls != w.trip.call {
		return w.Writer.Write(p)
	}
	n, _ := w.Writer.Write(p[:w.trip.take(len(p))])
	return n, w.trip.err
}

func (w *lentWriter) note(method string) error { w.did = method; return nil }

func (w *lentWriter) Read([]byte) (int, error)         { return 0, w.note("Read") }
func (w *lentWriter) Close() error                     { return w.note("Close") }
func (w *lentWriter) CloseWrite() error                { return w.note("CloseWrite") }
func (w *lentWriter) SetDeadline(time.Time) error      { return w.note("SetDeadline") }
func (w *lentWriter) SetReadDeadline(time.Time) error  { return w.note("SetReadDeadline") }
func (w *lentWriter) SetWriteDeadline(time.Time) error { return w.note("SetWriteDeadline") }
func (w *lentWriter) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (w *lentWriter) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

// sink takes everything, counts it and keeps the beginning.
type sink struct {
	mu    sync.Mutex
	head  []byte
	taken int64
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken += int64(len(p))
	s.head = append(s.head, p[:min(len(p), max(0, 1000-len(s.head)))]...)
	return len(p), nil
}

func (s *sink) Taken() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

// folder makes a folder named inbox inside one of its own, and returns both. They are removed when the case
// is over.
func folder(c *check.C) (outer, inbox string) {
	outer, err := os.MkdirTemp("", "socketbook-")
	if err == nil {
		c.Cleanup(func() { os.RemoveAll(outer) })
		inbox = filepath.Join(outer, "inbox")
		err = os.Mkdir(inbox, 0o755)
	}
	if err != nil {
		c.NotGraded("no folder for the files could be made: %v", err)
	}
	return outer, inbox
}

// files lists what lies below a folder, with slashes: files, and folders that are empty, such as "new/".
func files(c *check.C, folder string) (names []string) {
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return err
		}
		name, _ := filepath.Rel(folder, path)
		name = filepath.ToSlash(name)
		if !entry.IsDir() {
			names = append(names, name)
		} else if below, err := os.ReadDir(path); err == nil && len(below) == 0 {
			names = append(names, name+"/")
		}
		return nil
	})
	if err != nil {
		c.FolderError(err)
	}
	return names
}

// stored is how many bytes are in the files below a folder.
func stored(folder string) (total int64) {
	filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil // whatever is removed meanwhile
		}
		if info, err := entry.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	return total
}

// place writes a file of the suite's.
func place(c *check.C, file, content string) {
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		c.FolderError(err)
	}
}
