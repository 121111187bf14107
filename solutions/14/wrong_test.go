package files_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"os"

	"socketbook/tools/check"
)

// wrong are the mistakes that people make, each with exactly the cases that must fail on it. The
// failure text of a case in testdata is the one that the first answer named for it provokes.
var wrong = []check.Answer{}

// header is a request or an answer.
type header struct {
	Command   string `json:"command,omitempty"`
	FileName  string `json:"file_name"`
	TotalSize int64  `json:"total_size"`
	Offset    int64  `json:"offset"`
	SHA256    string `json:"sha256,omitempty"`
	Error     string `json:"error,omitempty"`
}

// steps are those of Fetch; each wrong answer has another one of them.
type steps struct {
	plain     func(name string) bool
	openRoot  func(dir string) (*os.Root, error)
	open      func(folder *os.Root, part string) (*os.File, error)
	size      func(part *os.File, sum hash.Hash) (int64, error)
	frame     func(request header) []byte
	readFrame func(r io.Reader) ([]byte, error)
	parse     func(text []byte) (header, error)
	believe   func(answer, request header) error
	restart   func(part *os.File, sum hash.Hash) error
	receive   func(r io.Reader, w io.Writer, size int64) error
	readSum   func(r io.Reader) ([]byte, error)
	same      func(got, want []byte) bool
	spoilt    func(folder *os.Root, part *os.File, name string) error
	keep      func(folder *os.Root, name string) error
	begin     func(answer header, progress func(done, total int64)) // tells it for the first time
	count     func(done, n int64) int64
	finish    func(folder *os.Root, name string, err error) error // is told every error
}

// right14 is right.
var right14 = steps{
	plain:    onEverySystem,
	openRoot: os.OpenRoot,
	open: func(folder *os.Root, part string) (*os.File, error) {
		if info, err := folder.Lstat(part); err == nil && !info.Mode().IsRegular() {
			return nil, errors.New("it is not a file")
		}
		return folder.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o666)
	},
	size: func(part *os.File, sum hash.Hash) (int64, error) { return io.Copy(sum, part) },
	frame: func(request header) []byte {
		text, _ := json.Marshal(request)
		return append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...)
	},
	readFrame: func(r io.Reader) ([]byte, error) {
		head, err := readAll(r, 4)
		if err != nil {
			return nil, err
		}
		size := int32(binary.LittleEndian.Uint32(head))
		if size < 0 || size > 65536 {
			return nil, errors.New("no length")
		}
		return readAll(r, int(size))
	},
	parse: func(text []byte) (answer header, err error) {
		answer.TotalSize = -1
		err = json.Unmarshal(text, &answer)
		return answer, err
	},
	believe: func(answer, request header) error {
		switch {
		case answer.Error != "":
			return errors.New(answer.Error)
		case answer.FileName != request.FileName, answer.TotalSize < answer.Offset,
			answer.Offset != 0 && answer.Offset != request.Offset:
			return errors.New("this cannot be true")
		}
		return nil
	},
	restart: func(part *os.File, sum hash.Hash) error {
		sum.Reset()
		_, err := part.Seek(0, io.SeekStart)
		return errors.Join(err, part.Truncate(0))
	},
	receive: func(r io.Reader, w io.Writer, size int64) error {
		_, err := io.CopyN(w, r, size)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	},
	readSum: func(r io.Reader) ([]byte, error) { return readAll(r, 32) },
	same:    bytes.Equal,
	spoilt: func(folder *os.Root, _ *os.File, name string) error {
		return errors.Join(folder.Remove(name+".part"), errors.New("another SHA-256"))
	},
	keep:   func(folder *os.Root, name string) error { return folder.Rename(name+".part", name) },
	begin:  func(answer header, progress func(done, total int64)) { progress(answer.Offset, answer.TotalSize) },
	count:  func(done, n int64) int64 { return done + n },
	finish: func(_ *os.Root, _ string, err error) error { return err },
}

// fetch is Fetch.
func (s steps) fetch(conn net.Conn, name, dir string, progress func(done, total int64)) error {
	if !s.plain(name) {
		return errors.New("not a plain name")
	}
	folder, err := s.openRoot(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	part, err := s.open(folder, name+".part")
	if err != nil {
		return err
	}
	defer part.Close()
	return s.finish(folder, name, s.complete(conn, name, folder, part, progress))
}

func (s steps) complete(conn net.Conn, name string, folder *os.Root, part *os.File,
	progress func(done, total int64),
) error {
	sum := sha256.New()
	here, err := s.size(part, sum)
	if err != nil {
		return err
	}
	offset, total, err := s.talk(conn, name, here, sum.Sum(nil))
	if err != nil {
		return err
	}
	if offset == 0 {
		if err := s.restart(part, sum); err != nil {
			return err
		}
	}
	s.begin(header{Offset: offset, TotalSize: total}, progress)
	done := offset
	tell := writer(func(p []byte) {
		done = s.count(done, int64(len(p)))
		progress(done, total)
	})
	if err := s.receive(conn, io.MultiWriter(part, sum, tell), total-offset); err != nil {
		return err
	}
	want, err := s.readSum(conn)
	if err != nil {
		return err
	}
	if !s.same(sum.Sum(nil), want) {
		part.Close()
		return s.spoilt(folder, part, name)
	}
	part.Close()
	return s.keep(folder, name)
}

// talk sends a request, and reads the answer.
func (s steps) talk(conn io.ReadWriter, name string, here int64, sum []byte) (offset, total int64, err error) {
	request := header{Command: "get", FileName: name, Offset: here, SHA256: hex.EncodeToString(sum)}
	if _, err := conn.Write(s.frame(request)); err != nil {
		return 0, 0, err
	}
	text, err := s.readFrame(conn)
	if err != nil {
		return 0, 0, err
	}
	answer, err := s.parse(text)
	if err == nil {
		err = s.believe(answer, request)
	}
	return answer.Offset, answer.TotalSize, err
}

// writer is called with what is written to it.
type writer func(p []byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

var _ = fmt.Sprint
