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
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	files "socketbook/solutions/14"
	"socketbook/tools/check"
)

type (
	fetchFunc    = func(conn net.Conn, name, dir string, progress progressFunc) error
	progressFunc = func(done, total int64)
)

// right are the reference and correct answers in other styles.
var right = []check.Answer{
	answer("the reference", files.Fetch),
	answer("a function for each step", right14.fetch),
	answer("loops and paths, as a Python programmer writes them", fetchInLoops),
	answer("a buffered writer, and a sum made afterwards", fetchBuffered),
	answer("a goroutine that reads and one that writes", fetchInGoroutines),
	answer("a file that is appended to, and opened for each piece", fetchAppending),
	answer("ReadFrom, binary.Read and a limited decoder", fetchReadFrom),
	answer("what is in the way is replaced, and nothing is made before something comes", fetchReplacing),
	answer("a pause inside each Write", fetchPausing),
	answer("progress is told every thousand bytes", fetchTelling),
}

// onEverySystem is checkName by hand.
func onEverySystem(name string) bool {
	if name == "" || len(name) > 150 || !utf8.ValidString(name) || name[0] == '.' || name[0] == ' ' {
		return false
	}
	for _, r := range name {
		if unicode.IsControl(r) || strings.ContainsRune(`/\:<>"|?*`, r) {
			return false
		}
	}
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	for _, device := range []string{"CON", "PRN", "AUX", "NUL"} {
		if stem == device {
			return false
		}
	}
	if len(stem) == 4 && (stem[:3] == "COM" || stem[:3] == "LPT") && '0' <= stem[3] && stem[3] <= '9' {
		return false
	}
	return !strings.EqualFold(filepath.Ext(name), ".part")
}

// readAll returns n bytes, or what came of them and io.ErrUnexpectedEOF.
func readAll(r io.Reader, n int) ([]byte, error) {
	all := make([]byte, 0, n)
	for len(all) < n {
		k, err := r.Read(all[len(all):n])
		all = all[:len(all)+k]
		if err == io.EOF && len(all) < n {
			return all, io.ErrUnexpectedEOF
		}
		if err != nil && len(all) < n {
			return all, err
		}
	}
	return all, nil
}

// fetchInLoops reads as a Python programmer would write it.
func fetchInLoops(conn net.Conn, name, dir string, progress progressFunc) error {
	if !onEverySystem(name) {
		return errors.New("bad name")
	}
	final := filepath.Join(dir, name)
	partName := final + ".part"
	info, err := os.Lstat(partName)
	if err == nil && !info.Mode().IsRegular() {
		return errors.New("there is something else")
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("no folder: %v", err)
	}
	f, err := os.OpenFile(partName, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	var have int64
	for {
		piece := make([]byte, 1000)
		n, err := f.Read(piece)
		h.Write(piece[:n])
		have += int64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	request := map[string]any{"command": "get", "file_name": name, "total_size": 0, "offset": have}
	if have > 0 {
		request["sha256"] = hex.EncodeToString(h.Sum(nil))
	}
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	n := len(text)
	if _, err := conn.Write([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}); err != nil {
		return err
	}
	if _, err := conn.Write(text); err != nil {
		return err
	}
	head, err := readAll(conn, 4)
	if err != nil {
		return err
	}
	size := int(head[0]) | int(head[1])<<8 | int(head[2])<<16 | int(head[3])<<24
	if size > 65536 {
		return errors.New("too long")
	}
	if text, err = readAll(conn, size); err != nil {
		return err
	}
	var answer struct {
		FileName  *string `json:"file_name"`
		TotalSize *int64  `json:"total_size"`
		Offset    int64   `json:"offset"`
		Error     string  `json:"error"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("bad JSON: %w", err)
	}
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	if answer.TotalSize == nil || answer.FileName == nil || *answer.FileName != name {
		return errors.New("bad answer")
	}
	total := *answer.TotalSize
	if answer.Offset > total || answer.Offset < 0 || answer.Offset != 0 && answer.Offset != have {
		return errors.New("bad offset")
	}
	if answer.Offset == 0 {
		h = sha256.New()
		f.Close()
		if f, err = os.Create(partName); err != nil {
			return err
		}
		defer f.Close()
	}
	for done := answer.Offset; ; {
		progress(done, total)
		if done == total {
			break
		}
		piece, err := readAll(conn, int(min(total-done, 4096)))
		if _, werr := f.Write(piece); werr != nil {
			return werr
		}
		h.Write(piece)
		done += int64(len(piece))
		if err != nil {
			progress(done, total)
			return err
		}
	}
	want, err := readAll(conn, 32)
	if err != nil {
		return err
	}
	f.Close()
	if !bytes.Equal(h.Sum(nil), want) {
		os.Remove(partName)
		return errors.New("wrong sum")
	}
	return os.Rename(partName, final)
}

// ask sends a request for what is behind the first n bytes, and reads the answer.
func ask(conn io.ReadWriter, name string, n int64, sum []byte) (offset, total int64, err error) {
	return right14.talk(conn, name, n, sum)
}

// fetchBuffered writes with a buffer, and reads the whole part again when it is complete.
func fetchBuffered(conn net.Conn, name, dir string, progress progressFunc) (err error) {
	if !onEverySystem(name) {
		return errors.New("bad name")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if info, err := root.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return errors.New("it is not a file")
	}
	if info, err := root.Lstat(name + ".part"); err == nil && !info.Mode().IsRegular() {
		return errors.New("the part is not a file")
	}
	part, err := root.OpenFile(name+".part", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer part.Close()
	sumOf := func() (int64, []byte, error) {
		if _, err := part.Seek(0, io.SeekStart); err != nil {
			return 0, nil, err
		}
		sum := sha256.New()
		n, err := io.Copy(sum, part)
		return n, sum.Sum(nil), err
	}
	here, sum, err := sumOf()
	if err != nil {
		return err
	}
	offset, total, err := ask(conn, name, here, sum)
	if err != nil {
		return err
	}
	if err := part.Truncate(offset); err != nil {
		return err
	}
	if _, err := part.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	w := bufio.NewWriterSize(part, 100_000)
	defer func() { err = errors.Join(err, w.Flush()) }()
	done := offset
	progress(done, total)
	buf := make([]byte, 50_000)
	for done < total {
		n, err := conn.Read(buf[:min(int64(len(buf)), total-done)])
		w.Write(buf[:n])
		done += int64(n)
		progress(done, total)
		if err == io.EOF && done < total {
			return io.ErrUnexpectedEOF
		}
		if err != nil && done < total {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	want := [32]byte{}
	if _, err := io.ReadAtLeast(conn, want[:], len(want)); err == io.EOF {
		return io.ErrUnexpectedEOF
	} else if err != nil {
		return err
	}
	_, got, err := sumOf()
	if err != nil {
		return err
	}
	if string(got) != string(want[:]) {
		return errors.Join(errors.New("wrong sum"), part.Truncate(0))
	}
	if err := part.Sync(); err != nil {
		return err
	}
	return root.Rename(name+".part", name)
}

// fetchInGoroutines has one goroutine read, one write, and a third one that tells progress.
func fetchInGoroutines(conn net.Conn, name, dir string, progress progressFunc) error {
	if !onEverySystem(name) {
		return errors.New("bad name")
	}
	result := make(chan error)
	reports, reported := make(chan [2]int64), make(chan struct{})
	go func() {
		defer close(reported)
		for r := range reports {
			progress(r[0], r[1])
		}
	}()
	go func() {
		result <- piped(conn, name, dir, func(done, total int64) { reports <- [2]int64{done, total} })
	}()
	err := <-result
	close(reports)
	<-reported
	return err
}

func piped(conn net.Conn, name, dir string, tell progressFunc) error {
	steps := right14
	steps.receive = func(r io.Reader, w io.Writer, size int64) error {
		pr, pw := io.Pipe()
		go func() {
			n, err := io.Copy(pw, io.LimitReader(r, size))
			if err == nil && n < size {
				err = io.ErrUnexpectedEOF
			}
			pw.CloseWithError(err)
		}()
		_, err := io.Copy(w, pr)
		return err
	}
	return steps.fetch(conn, name, dir, tell)
}

// fetchAppending opens the part for each piece that comes, and hashes it with the old ones in the end.
func fetchAppending(conn net.Conn, name, dir string, progress progressFunc) error {
	if !onEverySystem(name) {
		return errors.New("bad name")
	}
	if _, err := os.ReadDir(dir); err != nil {
		return err
	}
	path := filepath.Join(dir, name+".part")
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return errors.New("there is no file, but something else")
	}
	sum := sha256.New()
	here := int64(0)
	if f, err := os.Open(path); err == nil {
		here, err = io.Copy(sum, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	offset, total, err := ask(conn, name, here, sum.Sum(nil))
	if err != nil {
		return err
	}
	if offset == 0 {
		os.Remove(path)
		sum = sha256.New()
	}
	appendTo := func(data []byte) error {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		sum.Write(data)
		return errors.Join(err, f.Close())
	}
	if err := appendTo(nil); err != nil {
		return err
	}
	progress(offset, total)
	for buf := make([]byte, 1<<16); offset < total; {
		n, err := conn.Read(buf[:min(1<<16, total-offset)])
		if aerr := appendTo(buf[:n]); aerr != nil {
			return aerr
		}
		offset += int64(n)
		progress(offset, total)
		if offset == total {
			break
		}
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("cut: %w", io.ErrUnexpectedEOF)
		}
		if err != nil {
			return err
		}
	}
	want, err := readAll(conn, 32)
	if err != nil {
		return err
	}
	if !bytes.Equal(want, sum.Sum(nil)) {
		return errors.Join(os.Remove(path), errors.New("wrong sum"))
	}
	return os.Rename(path, filepath.Join(dir, name))
}

// fetchReadFrom leaves the copying to the file, a quarter of a MiB at a time.
func fetchReadFrom(conn net.Conn, name, dir string, progress progressFunc) error {
	steps := right14
	steps.readFrame = func(r io.Reader) ([]byte, error) {
		var size int32
		err := binary.Read(r, binary.LittleEndian, &size)
		if err == nil && (size < 0 || size > 65536) {
			return nil, fmt.Errorf("%d bytes", size)
		}
		text := make([]byte, max(size, 0))
		if err == nil {
			_, err = io.ReadFull(r, text)
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return text, err
	}
	steps.receive = func(r io.Reader, w io.Writer, size int64) error {
		for size > 0 {
			n, err := io.Copy(w, io.LimitReader(r, min(size, 256<<10)))
			if err != nil {
				return err
			}
			if n == 0 {
				return io.ErrUnexpectedEOF
			}
			size -= n
		}
		return nil
	}
	return steps.fetch(conn, name, dir, progress)
}

// pausing writes in two pieces, some milliseconds apart.
type pausing struct{ net.Conn }

func (p pausing) Write(b []byte) (int, error) {
	half := len(b) / 2
	n, err := p.Conn.Write(b[:half])
	if err != nil {
		return n, err
	}
	time.Sleep(8 * time.Millisecond)
	more, err := p.Conn.Write(b[half:])
	return n + more, err
}

func fetchPausing(conn net.Conn, name, dir string, progress progressFunc) error {
	return files.Fetch(pausing{conn}, name, dir, progress)
}

func fetchTelling(conn net.Conn, name, dir string, progress progressFunc) error {
	told := int64(-1)
	return files.Fetch(conn, name, dir, func(done, total int64) {
		for ; told >= 0 && done-told > 1000; told += 1000 {
			progress(told+1000, total)
		}
		progress(done, total)
		told = done
	})
}

// fetchReplacing puts a file in the place of a link, and makes the part when its first byte comes.
func fetchReplacing(conn net.Conn, name, dir string, progress progressFunc) error {
	if !onEverySystem(name) {
		return errors.New("bad name")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, n := range []string{name, name + ".part"} {
		if info, err := root.Lstat(n); err == nil && info.IsDir() {
			return errors.New("a folder is in the way")
		} else if err == nil && info.Mode()&os.ModeSymlink != 0 {
			root.Remove(n)
		}
	}
	sum := sha256.New()
	here := int64(0)
	if part, err := root.Open(name + ".part"); err == nil {
		here, _ = io.Copy(sum, part)
		part.Close()
	}
	offset, total, err := ask(conn, name, here, sum.Sum(nil))
	if err != nil {
		return err
	}
	flags := os.O_WRONLY | os.O_CREATE
	if offset == 0 {
		flags |= os.O_TRUNC
		sum.Reset()
	}
	part, err := root.OpenFile(name+".part", flags, 0o666)
	if err != nil {
		return err
	}
	_, err = part.Seek(0, io.SeekEnd)
	progress(offset, total)
	if err == nil {
		done := offset
		tee := io.TeeReader(io.LimitReader(conn, total-offset), sum)
		for err == nil && done < total {
			var n int64
			n, err = io.CopyN(part, tee, min(total-done, 512<<10))
			if done += n; n > 0 {
				progress(done, total)
			}
		}
	}
	if cerr := part.Close(); err == nil {
		err = cerr
	}
	var want []byte
	if err == nil {
		want, err = readAll(conn, 32)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	if fmt.Sprintf("%x", sum.Sum(nil)) != fmt.Sprintf("%x", want) {
		root.Remove(name + ".part")
		return errors.New("another file came")
	}
	return root.Rename(name+".part", name)
}
