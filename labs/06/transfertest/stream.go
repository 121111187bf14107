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
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

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

// header is the JSON as a sound Send writes it.
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

// telling shows what is sent: the length in hexadecimal and the rest as text, with bars between a few pieces.
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
	if bytes.Contains(b, []byte{'"'}) && !bytes.ContainsAny(b, "`\r\n\t") {
		return "`" + strings.ToValidUTF8(string(b), "\uFFFD") + "`" + end
	}
	return strconv.Quote(string(b)) + end
}

// source is a payload: data, and then zeros up to size. The zero value is empty.
type source struct {
	data     string
	size     int64 // if it is more than data has
	most     int   // bytes that one Read returns; 0 means as many as fit
	endsLate bool  // io.EOF comes with a Read of its own, as bytes.Reader does it, and not with the last bytes
	fails    error // instead of the byte at failsAt
	failsAt  int64
	seekErr  error
	look     func(at int64) error // called by each Read when it has got there

	mu sync.Mutex
	at int64
}

func (s *source) len() int64 { return max(s.size, int64(len(s.data))) }

func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := s.len()
	if s.fails != nil {
		end = s.failsAt
	}
	if s.most > 0 {
		p = p[:min(len(p), s.most)]
	}
	n := int(min(int64(len(p)), end-s.at))
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
			return n, err
		}
	}
	switch {
	case s.at < end, n > 0 && s.endsLate:
		return n, nil
	case s.fails != nil:
		return n, s.fails
	}
	return n, io.EOF
}

func (s *source) Seek(offset int64, whence int) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seekErr != nil {
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

// folder makes a folder named inbox inside one of its own, and returns both. They are removed when the case is over.
func folder(c *check.C) (outer, inbox string) {
	outer, err := os.MkdirTemp("", "socketbook-")
	if err == nil {
		c.Cleanup(func() { os.RemoveAll(outer) })
		inbox = filepath.Join(outer, "inbox")
		err = os.Mkdir(inbox, 0o755)
	}
	if err != nil {
		c.Fail("the suite could not make a folder: %v", err)
	}
	return outer, inbox
}

// files lists what lies below a folder, apart from folders, with slashes.
func files(c *check.C, folder string) (names []string) {
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, _ := filepath.Rel(folder, path)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		c.Fail("the suite could not look into its folder: %v", err)
	}
	return names
}

// stored is how many bytes lie in the files of a folder.
func stored(folder string) (total int64) {
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		if info, err := os.Lstat(filepath.Join(folder, entry.Name())); err == nil {
			total += info.Size()
		}
	}
	return total
}
