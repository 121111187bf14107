package files_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode"

	"socketbook/labs/14/filestest"
	"socketbook/tools/check"
)

// noTCPConn says why a mistake does nothing in another process.
const noTCPConn = "its connection is no *net.TCPConn there"

// wrong are the mistakes that people make, each with exactly the cases that must fail on it. The
// failure text of a case in testdata is the one that the first answer named for it provokes.
var wrong = []check.Answer{
	but("a big-endian length", func(s *steps) { s.frame = framed(binary.BigEndian, 0, "") }, filestest.Kept),
	but("a length that counts itself", func(s *steps) { s.frame = framed(binary.LittleEndian, 4, "") },
		filestest.Kept),
	but("a line end behind the JSON", func(s *steps) { s.frame = framed(binary.LittleEndian, 0, "\n") },
		filestest.Kept),
	but("no offset when nothing is here", asking(func(m map[string]any) {
		if m["offset"] == 0.0 {
			delete(m, "offset")
		}
	}), filestest.Kept),
	but("the file read to the end of the stream", func(s *steps) {
		s.receive = func(r io.Reader, w io.Writer, _ int64) error { _, err := io.Copy(w, r); return err }
	}, filestest.Kept),
	but("an empty file never made", func(s *steps) {
		s.keep = func(folder *os.Root, name string) error {
			if info, err := folder.Stat(name + ".part"); err == nil && info.Size() == 0 {
				return nil
			}
			return folder.Rename(name+".part", name)
		}
	}, filestest.Kept),
	but("the part left, and copied", func(s *steps) { s.keep = copied(os.O_TRUNC) }, filestest.Kept),
	but("a longer file overwritten in part", func(s *steps) {
		s.keep = func(folder *os.Root, name string) error {
			return errors.Join(copied(0)(folder, name), folder.Remove(name+".part"))
		}
	}, filestest.Kept),
	but("other parts cleared away", func(s *steps) {
		s.keep = func(folder *os.Root, name string) error {
			err := folder.Rename(name+".part", name)
			parts, _ := fs.Glob(folder.FS(), "*.part")
			for _, part := range parts {
				folder.Remove(part)
			}
			return err
		}
	}, filestest.Kept),
	but("the part gets its name only if the name is free", func(s *steps) {
		s.keep = func(folder *os.Root, name string) error {
			if _, err := folder.Lstat(name); err == nil {
				return errors.New("the file exists")
			}
			return folder.Rename(name+".part", name)
		}
	}, filestest.Kept),
	but("unknown keys refused", func(s *steps) {
		s.parse = func(text []byte) (answer header, err error) {
			decoder := json.NewDecoder(bytes.NewReader(text))
			decoder.DisallowUnknownFields()
			answer.TotalSize = -1
			return answer, decoder.Decode(&answer)
		}
	}, filestest.Kept),
	around("the connection closed behind the answer", func(conn net.Conn, fetch func() error) error {
		defer conn.Close()
		return fetch()
	}, filestest.Kept),
	around("a deadline of a minute", func(conn net.Conn, fetch func() error) error {
		conn.SetReadDeadline(time.Now().Add(time.Minute))
		defer conn.SetReadDeadline(time.Time{})
		return fetch()
	}, filestest.Kept),
	around("gives up after a tenth of a second", func(conn net.Conn, fetch func() error) error {
		timer := time.AfterFunc(100*time.Millisecond, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
		defer timer.Stop()
		return fetch()
	}, filestest.Kept),
	around("only a *net.TCPConn closed", func(conn net.Conn, fetch func() error) error {
		if tcp, ok := conn.(*net.TCPConn); ok {
			defer tcp.Close()
		}
		return fetch()
	}, filestest.Kept).MayPassElsewhere(noTCPConn),
	around("a goroutine left behind", func(_ net.Conn, fetch func() error) error {
		never := make(chan int)
		go func() { <-never }()
		return fetch()
	}, filestest.Kept),

	reading(
		"a bufio.Reader made anew in each call",
		func(conn net.Conn) io.Reader { return bufio.NewReader(conn) },
		filestest.Pieces,
	),
	around("one call at a time", func(_ net.Conn, fetch func() error) error {
		oneAtATime.Lock()
		defer oneAtATime.Unlock()
		return fetch()
	}, filestest.Pieces),

	but("io.EOF passed on from the length", func(s *steps) { s.readFrame = frameWith(readFull, readAll) },
		filestest.Cut),
	but("io.EOF passed on from the SHA-256", func(s *steps) {
		s.readSum = func(r io.Reader) ([]byte, error) { return readFull(r, 32) }
	}, filestest.Cut),
	but("bytes that come with an error are lost", func(s *steps) {
		s.receive = func(r io.Reader, w io.Writer, size int64) error {
			return right14.receive(reader(func(p []byte) (int, error) {
				n, err := r.Read(p)
				if err != nil {
					n = 0
				}
				return n, err
			}), w, size)
		}
	}, filestest.Cut, filestest.Progress),
	around("a closed connection is an unexpected end", func(_ net.Conn, fetch func() error) error {
		err := fetch()
		if errors.Is(err, net.ErrClosed) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}, filestest.Cut),
	answer("the error of Write ignored", func(conn net.Conn, name, dir string, progress progressFunc) error {
		return right14.fetch(mutated{conn, conn.Read, func(p []byte) (int, error) {
			conn.Write(p)
			return len(p), nil
		}}, name, dir, progress)
	}, filestest.Cut),
	answer(
		"the length and the JSON written, and only the last error looked at",
		func(conn net.Conn, name, dir string, progress progressFunc) error {
			return right14.fetch(mutated{conn, conn.Read, func(p []byte) (int, error) {
				conn.Write(p[:4])
				n, err := conn.Write(p[4:])
				return 4 + n, err
			}}, name, dir, progress)
		},
		filestest.Cut,
	),

	but("all of it kept in memory, and written after an error, too", func(s *steps) {
		s.receive = func(r io.Reader, w io.Writer, size int64) error {
			var all bytes.Buffer
			err := right14.receive(r, &all, size)
			for all.Len() > 0 {
				w.Write(all.Next(32 << 10))
			}
			return err
		}
	}, filestest.Progress),
	but("a buffer of total_size, if that is possible", func(s *steps) {
		s.receive = func(r io.Reader, w io.Writer, size int64) error {
			buf := make([]byte, min(size, 64<<20))
			for size > 0 {
				n, err := r.Read(buf[:min(size, int64(len(buf)))])
				w.Write(buf[:n])
				if size -= int64(n); err == io.EOF && size > 0 {
					err = io.ErrUnexpectedEOF
				}
				if err != nil && size > 0 {
					return err
				}
			}
			return nil
		}
	}, filestest.Progress),
	but("a buffer of total_size", func(s *steps) {
		s.receive = func(r io.Reader, w io.Writer, size int64) error {
			buf := make([]byte, 1000)
			if size > 1<<60 { // a smaller one may even be had
				buf = make([]byte, size)
			}
			for size > 0 {
				n, err := r.Read(buf[:min(size, 1000)])
				w.Write(buf[:n])
				if size -= int64(n); err == io.EOF && size > 0 {
					err = io.ErrUnexpectedEOF
				}
				if err != nil && size > 0 {
					return err
				}
			}
			return nil
		}
	}, filestest.Progress),

	but("a part that is complete gets its name unseen", func(s *steps) {
		s.receive = func(r io.Reader, w io.Writer, size int64) error {
			if size == 0 {
				return errComplete
			}
			return right14.receive(r, w, size)
		}
		s.finish = func(folder *os.Root, name string, err error) error {
			if err == errComplete {
				err = folder.Rename(name+".part", name)
			}
			return err
		}
	}, filestest.Verified),

	but("the part not truncated", func(s *steps) {
		s.restart = func(part *os.File, sum hash.Hash) error {
			sum.Reset()
			_, err := part.Seek(0, io.SeekStart)
			return err
		}
	}, filestest.Replaced),
	but("the part truncated, and written behind its old end", func(s *steps) {
		s.restart = func(part *os.File, sum hash.Hash) error {
			sum.Reset()
			return part.Truncate(0)
		}
	}, filestest.Replaced),

	but("the SHA-256 read, and not compared", func(s *steps) {
		s.same = func(_, _ []byte) bool { return true }
	}, filestest.Verified),
	but("an empty file not verified", func(s *steps) {
		s.same = func(got, want []byte) bool { return bytes.Equal(got, want) || bytes.Equal(got, emptySum[:]) }
	}, filestest.Verified),
	but("a wrong file left in the part", func(s *steps) {
		s.spoilt = func(*os.Root, *os.File, string) error { return errors.New("another SHA-256") }
	}, filestest.Verified),
	but("the file of that name removed with the wrong one", func(s *steps) {
		s.spoilt = func(folder *os.Root, part *os.File, name string) error {
			folder.Remove(name)
			return right14.spoilt(folder, part, name)
		}
	}, filestest.Verified),
	around("another request after a wrong file", func(conn net.Conn, fetch func() error) error {
		err := fetch()
		if err != nil && strings.Contains(err.Error(), "another SHA-256") {
			return fetch()
		}
		return err
	}, filestest.Verified),

	believing(
		"an error of the server",
		func(answer, _ header) bool { return answer.Error != "" },
		filestest.Refused,
	),
	believing("an answer that has an error and a file_name", func(answer, _ header) bool {
		return answer.Error != "" && answer.FileName != ""
	}, filestest.Refused),
	but("an object in a list", func(s *steps) {
		s.parse = func(text []byte) (answer header, err error) {
			return right14.parse(bytes.Trim(text, "[]"))
		}
	}, filestest.Refused),
	but("files of a terabyte not believed", func(s *steps) {
		s.believe = func(answer, request header) error {
			if answer.TotalSize > 1<<40 {
				return errors.New("so much is not believed")
			}
			return right14.believe(answer, request)
		}
	}, filestest.Progress),
	but("the server's words lost", func(s *steps) {
		s.believe = func(answer, request header) error {
			if answer.Error != "" {
				return errors.New("the server refuses")
			}
			return right14.believe(answer, request)
		}
	}, filestest.Refused),
	but("file_name compared before error is read", func(s *steps) {
		s.believe = func(answer, request header) error {
			if answer.FileName != request.FileName {
				return errors.New("another file_name")
			}
			return right14.believe(answer, request)
		}
	}, filestest.Refused),
	but("the part removed when the server says no", func(s *steps) {
		s.finish = func(folder *os.Root, name string, err error) error {
			if err != nil && err.Error() == "no such file" {
				folder.Remove(name + ".part")
			}
			return err
		}
	}, filestest.Refused),
	believing("another file_name", func(answer, request header) bool {
		return answer.FileName != request.FileName && answer.FileName != ""
	}, filestest.Refused),
	believing("a smaller offset", func(answer, request header) bool {
		return 0 < answer.Offset && answer.Offset < request.Offset && answer.Offset < answer.TotalSize
	}, filestest.Refused),
	but("null taken for 0", func(s *steps) {
		s.parse = func(text []byte) (answer header, err error) {
			var keys map[string]json.RawMessage
			err = json.Unmarshal(text, &keys)
			if _, here := keys["total_size"]; !here {
				answer.TotalSize = -1
			}
			return answer, errors.Join(err, json.Unmarshal(text, &answer))
		}
	}, filestest.Refused),
	answer(
		"the part emptied as soon as the answer begins at 0",
		func(conn net.Conn, name, dir string, progress progressFunc) error {
			s := right14
			var part *os.File
			s.open = func(folder *os.Root, name string) (_ *os.File, err error) {
				part, err = right14.open(folder, name)
				return part, err
			}
			s.believe = func(answer, request header) error {
				if answer.Error == "" && answer.Offset == 0 && answer.TotalSize >= 0 {
					part.Truncate(0)
				}
				return right14.believe(answer, request)
			}
			return s.fetch(conn, name, dir, progress)
		},
		filestest.Refused,
	),
	but("an absent total_size taken for 0", func(s *steps) {
		s.parse = func(text []byte) (answer header, err error) { return answer, json.Unmarshal(text, &answer) }
	}, filestest.Refused),

	but("numbers of 32 bits", func(s *steps) {
		s.parse = func(text []byte) (answer header, err error) {
			answer, err = right14.parse(text)
			answer.TotalSize = int64(int32(answer.TotalSize))
			return answer, err
		}
	}, filestest.Progress),

	but("any length of JSON", func(s *steps) { s.readFrame = frameUpTo(1 << 31) }, filestest.Refused),

	naming("any name", func(string) bool { return true }, filestest.Names),
	naming("what is local on this system", filepath.IsLocal, filestest.Names),
	naming("ASCII only", func(name string) bool {
		return onEverySystem(name) && !strings.ContainsFunc(name, func(r rune) bool { return r > 127 })
	}, filestest.Names),
	naming("devices without an extension only", func(name string) bool {
		return onEverySystem(name) || device(name) && strings.Contains(name, ".")
	}, filestest.Names),
	naming("everything that begins like a device refused", func(name string) bool {
		return onEverySystem(name) && !strings.HasPrefix(strings.ToUpper(name), "CON")
	}, filestest.Names),
	naming("COM and any fourth letter refused", func(name string) bool {
		stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
		return onEverySystem(name) && (len(stem) != 4 || !strings.HasPrefix(stem, "COM"))
	}, filestest.Names),
	naming("only the digits from 0 to 9", func(name string) bool {
		return onEverySystem(name) &&
			!strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII && unicode.IsDigit(r) })
	}, filestest.Names),
	answer(
		"a name that is too long found out when the part is made",
		func(conn net.Conn, name, dir string, progress progressFunc) error {
			if len(name) > 150 {
				_, _, err := right14.talk(conn, name, 0, nil)
				return errors.Join(err, errors.New("file name too long"))
			}
			return right14.fetch(conn, name, dir, progress)
		},
		filestest.Names,
	),
	naming("a backslash allowed", func(name string) bool {
		return onEverySystem(strings.ReplaceAll(name, `\`, "_"))
	}, filestest.Names),
	naming("control characters allowed", func(name string) bool {
		return onEverySystem(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) && r > 0 {
				return '_'
			}
			return r
		}, name))
	}, filestest.Names),
	naming("the last control character allowed", func(name string) bool {
		return onEverySystem(strings.ReplaceAll(name, "\x1f", "_"))
	}, filestest.Names),
	naming("the name of a part allowed", func(name string) bool {
		return onEverySystem(name) || onEverySystem(strings.TrimSuffix(name, ".part")) && name != ".part"
	}, filestest.Names),
	answer(
		"the last element of the name taken",
		func(conn net.Conn, name, dir string, progress progressFunc) error {
			return right14.fetch(conn, filepath.Base(name), dir, progress)
		},
		filestest.Names,
	),
	but("JSON put together without quoting", func(s *steps) {
		s.plain = func(name string) bool { return onEverySystem(strings.ReplaceAll(name, `"`, "_")) }
		s.frame = func(r header) []byte {
			text := fmt.Sprintf(`{"command":"get","file_name":"%s","total_size":0,"offset":%d,"sha256":"%s"}`,
				r.FileName, r.Offset, r.SHA256)
			return append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...)
		}
	}, filestest.Names),
	but("the folder made if it is not there", func(s *steps) {
		s.openRoot = func(dir string) (*os.Root, error) {
			os.MkdirAll(dir, 0o755)
			return os.OpenRoot(dir)
		}
	}, filestest.Names),
	answer("the folder opened when the answer has come", fetchFolderLate, filestest.Names),

	but("links followed within the folder", func(s *steps) {
		s.open = func(folder *os.Root, part string) (*os.File, error) {
			return folder.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o666)
		}
	}, filestest.InTheWay),
	but("the file that a link leads to replaced", func(s *steps) {
		s.keep = func(folder *os.Root, name string) error {
			path := filepath.Join(folder.Name(), name)
			if to, err := os.Readlink(path); err == nil {
				path = filepath.Join(folder.Name(), to)
			}
			return os.Rename(filepath.Join(folder.Name(), name+".part"), path)
		}
	}, filestest.InTheWay),
	but("an empty folder at the part removed", func(s *steps) {
		s.open = func(folder *os.Root, part string) (*os.File, error) {
			if info, err := folder.Lstat(part); err == nil && !info.Mode().IsRegular() {
				if err := folder.Remove(part); err != nil {
					return nil, err
				}
			}
			return right14.open(folder, part)
		}
	}, filestest.InTheWay),
	but("a folder at the part removed", func(s *steps) {
		s.open = func(folder *os.Root, part string) (*os.File, error) {
			if info, err := folder.Lstat(part); err == nil && !info.Mode().IsRegular() {
				folder.RemoveAll(part)
			}
			return right14.open(folder, part)
		}
	}, filestest.InTheWay),
	but("whatever has the name removed before the part is renamed", func(s *steps) {
		s.keep = func(folder *os.Root, name string) error {
			folder.RemoveAll(name)
			return right14.keep(folder, name)
		}
	}, filestest.InTheWay),
	but("the error of Rename ignored", func(s *steps) {
		s.keep = func(folder *os.Root, name string) error {
			right14.keep(folder, name)
			return nil
		}
	}, filestest.InTheWay),

	but("progress not told where it begins", func(s *steps) { s.begin = func(header, progressFunc) {} },
		filestest.Progress),
	but("progress told of the pieces", func(s *steps) { s.count = func(_, n int64) int64 { return n } },
		filestest.Progress),
	answer(
		"progress not told of bytes that come with an error",
		func(conn net.Conn, name, dir string, progress progressFunc) error {
			failed := false
			noting := mutated{conn, func(p []byte) (int, error) {
				n, err := conn.Read(p)
				failed = err != nil
				return n, err
			}, conn.Write}
			return right14.fetch(noting, name, dir, func(done, total int64) {
				if !failed {
					progress(done, total)
				}
			})
		},
		filestest.Progress,
	),
	telling("progress in percent", func(progress progressFunc) progressFunc {
		return func(done, total int64) { progress(done*100/max(total, 1), 100) }
	}, filestest.Progress),
	telling("progress at the end only", func(progress progressFunc) progressFunc {
		return func(done, total int64) {
			if done == total {
				progress(done, total)
			}
		}
	}, filestest.Progress),
	telling("progress told of every byte", func(progress progressFunc) progressFunc {
		told := int64(-1)
		return func(done, total int64) {
			if told < 0 {
				told = done - 1 // the first one tells the offset
			}
			for told < done {
				told++
				progress(told, total)
			}
		}
	}, filestest.Progress),
	telling("progress every 2 MiB", func(progress progressFunc) progressFunc {
		var last int64
		return func(done, total int64) {
			if done == total || last == 0 || done-last >= 2<<20 {
				progress(done, total)
				last = done
			}
		}
	}, filestest.Progress),
	telling("progress told of 64 KiB at least", func(progress progressFunc) progressFunc {
		var last int64
		return func(done, total int64) {
			if last == 0 || done-last >= 64<<10 {
				progress(done, total)
				last = done
			}
		}
	}, filestest.Progress),

	// what several cases find
	but(
		"one Read for the length",
		func(s *steps) { s.readFrame = frameWith(oneRead, readAll) },
		filestest.Pieces,
		filestest.Cut,
	),
	but("one Read for the SHA-256", func(s *steps) {
		s.readSum = func(r io.Reader) ([]byte, error) { return oneRead(r, 32) }
	}, filestest.Pieces, filestest.Cut),
	but("the SHA-256 left unread", func(s *steps) {
		s.readSum = func(io.Reader) ([]byte, error) { return nil, nil }
		s.same = func(_, _ []byte) bool { return true }
	}, filestest.Pieces, filestest.Cut, filestest.Verified, filestest.Names),
	but("io.EOF passed on from the file", func(s *steps) {
		s.receive = func(r io.Reader, w io.Writer, size int64) error { _, err := io.CopyN(w, r, size); return err }
	}, filestest.Cut, filestest.Progress),
	but("the part removed after an error", func(s *steps) {
		s.finish = func(folder *os.Root, name string, err error) error {
			if err != nil {
				folder.Remove(name + ".part")
			}
			return err
		}
	}, filestest.Cut, filestest.Resumed, filestest.Replaced, filestest.Refused),
	but("the file that had the name removed first", func(s *steps) {
		s.restart = func(part *os.File, sum hash.Hash) error {
			os.Remove(strings.TrimSuffix(part.Name(), ".part"))
			return right14.restart(part, sum)
		}
	}, filestest.Cut, filestest.Replaced, filestest.Verified, filestest.InTheWay),
	but("pieces of 4 KiB, and an incomplete one thrown away", func(s *steps) {
		s.receive = func(r io.Reader, w io.Writer, size int64) error {
			for size > 0 {
				piece, err := readAll(r, int(min(size, 4096)))
				if err != nil {
					return err
				}
				w.Write(piece)
				size -= int64(len(piece))
			}
			return nil
		}
	}, filestest.Cut, filestest.Resumed, filestest.Replaced),
	but("a buffered writer that is not flushed after an error", func(s *steps) {
		s.receive = func(r io.Reader, w io.Writer, size int64) error {
			buffered := bufio.NewWriter(w)
			if err := right14.receive(r, struct{ io.Writer }{buffered}, size); err != nil {
				return err
			}
			return buffered.Flush()
		}
	}, filestest.Cut, filestest.Resumed, filestest.Replaced),
	around("every error is an unexpected end", func(_ net.Conn, fetch func() error) error {
		if fetch() != nil {
			return io.ErrUnexpectedEOF
		}
		return nil
	}, filestest.Cut, filestest.Refused),
	around("errors in other words", func(_ net.Conn, fetch func() error) error {
		if err := fetch(); err != nil {
			return fmt.Errorf("fetching: %v", err)
		}
		return nil
	}, filestest.Cut, filestest.Progress),
	but("the file written under its name at once", func(s *steps) {
		s.restart = func(part *os.File, sum hash.Hash) error {
			os.Rename(part.Name(), strings.TrimSuffix(part.Name(), ".part"))
			return right14.restart(part, sum)
		}
		s.keep = func(*os.Root, string) error { return nil }
	}, filestest.Cut, filestest.Resumed, filestest.Replaced, filestest.Verified, filestest.Refused),
	answer("the part renamed before the SHA-256 has come", fetchRenamedEarly, filestest.Cut, filestest.Verified),
	answer("the part never looked at", func(conn net.Conn, name, dir string, progress progressFunc) error {
		return fetchForgetful(conn, name, dir, progress)
	}, filestest.Resumed, filestest.Replaced, filestest.Cut, filestest.Verified, filestest.Refused),
	but("sha256 in capitals", asking(func(m map[string]any) {
		m["sha256"] = strings.ToUpper(m["sha256"].(string))
	}), filestest.Cut, filestest.Resumed, filestest.Replaced, filestest.Verified, filestest.Refused),
	but("what is here asked for as total_size", asking(func(m map[string]any) {
		m["total_size"] = m["offset"]
	}), filestest.Cut, filestest.Resumed, filestest.Replaced, filestest.Verified, filestest.Refused),
	but("a part of at most 1 MiB", func(s *steps) {
		s.size = func(part *os.File, sum hash.Hash) (int64, error) {
			return io.Copy(sum, io.LimitReader(part, 1<<20))
		}
	}, filestest.Resumed),
	but("the SHA-256 of the first 32 KiB of the part", func(s *steps) {
		s.size = func(part *os.File, sum hash.Hash) (int64, error) {
			io.CopyN(sum, part, 32<<10)
			return part.Seek(0, io.SeekEnd)
		}
	}, filestest.Resumed, filestest.Replaced),
	but("the SHA-256 of what came only", func(s *steps) { s.anew = true }, filestest.Resumed, filestest.Replaced,
		filestest.Verified, filestest.Refused),
	but("the answer's offset not looked at", func(s *steps) {
		s.restart = func(*os.File, hash.Hash) error { return nil }
	}, filestest.Replaced, filestest.Verified),
	but("the hash not begun anew", func(s *steps) {
		s.restart = func(part *os.File, _ hash.Hash) error { return right14.restart(part, sha256.New()) }
	}, filestest.Replaced, filestest.Verified),
	but("a part of another file is an error", func(s *steps) {
		s.believe = func(answer, request header) error {
			if answer.Error == "" && answer.Offset < request.Offset {
				return errors.New("not the file that I know")
			}
			return right14.believe(answer, request)
		}
	}, filestest.Replaced, filestest.Verified),
	around("the connection closed after an error", func(conn net.Conn, fetch func() error) error {
		err := fetch()
		if err != nil {
			conn.Close()
		}
		return err
	}, filestest.Cut, filestest.Resumed, filestest.Replaced, filestest.Verified, filestest.Refused,
		filestest.Names),
	but("something behind the JSON", func(s *steps) {
		s.parse = func(text []byte) (answer header, err error) {
			answer.TotalSize = -1
			err = json.NewDecoder(bytes.NewReader(text)).Decode(&answer)
			return answer, err
		}
	}, filestest.Refused),
	believing("an offset when nothing is here", func(answer, request header) bool {
		return request.Offset == 0 && 0 < answer.Offset && answer.Offset <= answer.TotalSize
	}, filestest.Refused),
	but("numbers of float64", func(s *steps) {
		s.parse = func(text []byte) (answer header, err error) {
			var loose struct {
				FileName  string  `json:"file_name"`
				TotalSize float64 `json:"total_size"`
				Offset    float64 `json:"offset"`
				Error     string  `json:"error"`
			}
			loose.TotalSize = -1
			err = json.Unmarshal(text, &loose)
			return header{
				FileName: loose.FileName, TotalSize: int64(loose.TotalSize), Offset: int64(loose.Offset),
				Error: loose.Error,
			}, err
		}
	}, filestest.Refused, filestest.Progress),
	answer(
		"progress told before the answer",
		func(conn net.Conn, name, dir string, progress progressFunc) error {
			if info, err := os.Stat(filepath.Join(dir, name+".part")); err == nil {
				progress(info.Size(), info.Size())
			}
			return right14.fetch(conn, name, dir, progress)
		},
		filestest.Refused,
		filestest.Progress,
	),
}

var errComplete = errors.New("nothing is missing")

var emptySum = sha256.Sum256(nil)

var oneAtATime sync.Mutex

// around does something before or after the right answer.
func around(name string, f func(conn net.Conn, fetch func() error) error, fails ...string) check.Answer {
	return answer(name, func(conn net.Conn, name, dir string, progress progressFunc) error {
		return f(conn, func() error { return right14.fetch(conn, name, dir, progress) })
	}, fails...)
}

// naming has another idea of what a plain name is.
func naming(name string, plain func(name string) bool, fails ...string) check.Answer {
	return but(name, func(s *steps) { s.plain = plain }, fails...)
}

// believing believes an answer that cannot be true.
func believing(name string, too func(answer, request header) bool, fails ...string) check.Answer {
	return but(name+" believed", func(s *steps) {
		s.believe = func(answer, request header) error {
			if too(answer, request) {
				return nil
			}
			return right14.believe(answer, request)
		}
	}, fails...)
}

// telling tells progress something else.
func telling(name string, change func(progressFunc) progressFunc, fails ...string) check.Answer {
	return answer(name, func(conn net.Conn, name, dir string, progress progressFunc) error {
		return right14.fetch(conn, name, dir, change(progress))
	}, fails...)
}

// reading reads from conn through something of its own.
func reading(name string, through func(conn net.Conn) io.Reader, fails ...string) check.Answer {
	return answer(name, func(conn net.Conn, name, dir string, progress progressFunc) error {
		return right14.fetch(mutated{conn, through(conn).Read, conn.Write}, name, dir, progress)
	}, fails...)
}

// mutated is a connection with other methods.
type mutated struct {
	net.Conn
	read, write func(p []byte) (int, error)
}

func (m mutated) Read(p []byte) (int, error)  { return m.read(p) }
func (m mutated) Write(p []byte) (int, error) { return m.write(p) }

// device reports whether onEverySystem refuses the name because of Windows' devices only.
func device(name string) bool {
	return !onEverySystem(name) && onEverySystem("x"+name)
}

// fetchRenamedEarly gives the file its name when its last byte has come.
func fetchRenamedEarly(conn net.Conn, name, dir string, progress progressFunc) error {
	s := right14
	var err error
	s.readSum = func(r io.Reader) ([]byte, error) {
		err = os.Rename(filepath.Join(dir, name+".part"), filepath.Join(dir, name))
		return right14.readSum(r)
	}
	s.keep = func(*os.Root, string) error { return err }
	return s.fetch(conn, name, dir, progress)
}

// fetchForgetful begins anew each time.
func fetchForgetful(conn net.Conn, name, dir string, progress progressFunc) error {
	s := right14
	s.size = func(part *os.File, _ hash.Hash) (int64, error) { return 0, part.Truncate(0) }
	return s.fetch(conn, name, dir, progress)
}

// fetchFolderLate asks first, and then looks where to put the file.
func fetchFolderLate(conn net.Conn, name, dir string, progress progressFunc) error {
	if _, err := os.ReadDir(dir); err == nil || !onEverySystem(name) {
		return right14.fetch(conn, name, dir, progress)
	}
	if _, _, err := right14.talk(conn, name, 0, nil); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), nil, 0o666)
}

// copied copies the part, and leaves it.
func copied(flags int) func(folder *os.Root, name string) error {
	return func(folder *os.Root, name string) error {
		data, err := folder.ReadFile(name + ".part")
		if err != nil {
			return err
		}
		file, err := folder.OpenFile(name, os.O_WRONLY|os.O_CREATE|flags, 0o666)
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = file.Write(data)
		return err
	}
}

// oneRead returns what one Read brings, and zeros for the rest.
func oneRead(r io.Reader, n int) ([]byte, error) {
	data := make([]byte, n)
	k, err := r.Read(data)
	if k > 0 {
		err = nil
	}
	return data, err
}

// readFull returns io.EOF when nothing came.
func readFull(r io.Reader, n int) ([]byte, error) {
	data := make([]byte, n)
	_, err := io.ReadFull(r, data)
	return data, err
}

// frameWith reads a length and a JSON each in a way of its own.
func frameWith(length, text func(r io.Reader, n int) ([]byte, error)) func(r io.Reader) ([]byte, error) {
	return func(r io.Reader) ([]byte, error) {
		head, err := length(r, 4)
		if err != nil {
			return nil, err
		}
		size := int32(binary.LittleEndian.Uint32(head))
		if size < 0 || size > 65536 {
			return nil, errors.New("no length")
		}
		return text(r, int(size))
	}
}

// frameUpTo has another limit.
func frameUpTo(limit int64) func(r io.Reader) ([]byte, error) {
	return func(r io.Reader) ([]byte, error) {
		head, err := readAll(r, 4)
		if err != nil {
			return nil, err
		}
		size := int64(binary.LittleEndian.Uint32(head))
		if size > limit {
			return nil, errors.New("too long")
		}
		var text bytes.Buffer
		if _, err := io.CopyN(&text, r, size); err == io.EOF {
			err = io.ErrUnexpectedEOF
			return nil, err
		} else if err != nil {
			return nil, err
		}
		return text.Bytes(), nil
	}
}

// reader is called for what is read from it.
type reader func(p []byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

// but is the right answer with another step.
func but(name string, change func(s *steps), fails ...string) check.Answer {
	s := right14
	change(&s)
	return answer(name, s.fetch, fails...)
}

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
	begin     func(answer header, progress progressFunc) // tells it for the first time
	count     func(done, n int64) int64
	finish    func(folder *os.Root, name string, err error) error // is told every error
	anew      bool                                                // forgets the hash of the part
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
	begin:  func(answer header, progress progressFunc) { progress(answer.Offset, answer.TotalSize) },
	count:  func(done, n int64) int64 { return done + n },
	finish: func(_ *os.Root, _ string, err error) error { return err },
}

// fetch is Fetch.
func (s steps) fetch(conn net.Conn, name, dir string, progress progressFunc) error {
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
	progress progressFunc,
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
	if s.anew {
		sum.Reset()
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
func (s steps) talk(
	conn io.ReadWriter,
	name string,
	here int64,
	sum []byte,
) (offset, total int64, err error) {
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

// framed writes frames with another length, and something behind them.
func framed(order binary.AppendByteOrder, more int, behind string) func(request header) []byte {
	return func(request header) []byte {
		text, _ := json.Marshal(request)
		return append(append(order.AppendUint32(nil, uint32(len(text)+more)), text...), behind...)
	}
}

// asking changes the JSON of the request.
func asking(change func(m map[string]any)) func(s *steps) {
	return func(s *steps) {
		s.frame = func(request header) []byte {
			text, _ := json.Marshal(request)
			m := map[string]any{}
			json.Unmarshal(text, &m)
			change(m)
			text, _ = json.Marshal(m)
			return append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...)
		}
	}
}
