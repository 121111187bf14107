package transfer_test

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"socketbook/labs/06/transfertest"
	"socketbook/tools/check"
)

type (
	describeFunc = func(payload io.ReadSeeker) (size int64, sum string, err error)
	sendFunc     = func(w io.Writer, name string, size int64, sum string, payload io.Reader) error
	receiveFunc  = func(r io.Reader, dir string) (name string, verified bool, err error)
)

// right are the reference and correct answers in other styles.
var right = []check.Answer{
	answer("the reference", reference),
	answer(
		"loops, a temporary file that is renamed, and a sum made afterwards",
		transfertest.Lab{Describe: describeInLoops, Send: sendInLoops, Receive: receiveInLoops},
	),
	answer(
		"a folder for what is not complete yet, and File.ReadFrom",
		transfertest.Lab{Describe: describeInLoops, Send: sendInLoops, Receive: receiveInFolder},
	),
	answer(
		"decoders on limited readers, and a goroutine",
		transfertest.Lab{Describe: describeBySeeking, Send: sendBuffered, Receive: receiveInGoroutine},
	),
	answer(
		"a map for the header, and a goroutine that stores",
		transfertest.Lab{Describe: describeInLoops, Send: sendByEncoder, Receive: receiveIntoMap},
	),
}

// describeInLoops reads as a Python programmer would write it.
func describeInLoops(payload io.ReadSeeker) (int64, string, error) {
	hash := md5.New()
	total := int64(0)
	for {
		piece := make([]byte, 1024)
		n, err := payload.Read(piece)
		hash.Write(piece[:n])
		total += int64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, "", err
		}
	}
	if _, err := payload.Seek(-total, io.SeekCurrent); err != nil {
		return 0, "", err
	}
	return total, fmt.Sprintf("%x", hash.Sum(nil)), nil
}

func sendInLoops(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	if size < 0 {
		return errors.New("negative")
	}
	text, err := json.MarshalIndent(map[string]string{"name": name}, "", "  ") // for its quoting
	if err != nil {
		return err
	}
	quoted := strings.TrimSuffix(strings.TrimPrefix(string(text), "{\n  \"name\": "), "\n}")
	md5Quoted, err := json.Marshal(sum)
	if err != nil {
		return err
	}
	text = fmt.Appendf(nil, "{\"file_name\": %s, \"total_size\": %d, \"md5\": %s}", quoted, size, md5Quoted)
	if len(text) > 65536 {
		return errors.New("too long")
	}
	n := len(text)
	if err := writeAll(w, []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}); err != nil {
		return err
	}
	if err := writeAll(w, text); err != nil {
		return err
	}
	for size > 0 {
		piece := make([]byte, min(size, 4096))
		n, err := payload.Read(piece)
		if werr := writeAll(w, piece[:n]); werr != nil {
			return werr
		}
		size -= int64(n)
		if err != nil && size > 0 {
			return fmt.Errorf("%d bytes of the payload are missing: %w", size, err)
		}
	}
	return nil
}

func writeAll(w io.Writer, data []byte) error {
	for len(data) > 0 {
		n, err := w.Write(data)
		if err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// readAll returns exactly n bytes, or io.EOF if there were none.
func readAll(r io.Reader, n int) ([]byte, error) {
	var all []byte
	for len(all) < n {
		piece := make([]byte, n-len(all))
		k, err := r.Read(piece)
		all = append(all, piece[:k]...)
		switch {
		case len(all) == n:
		case err == io.EOF && len(all) == 0:
			return nil, io.EOF
		case err == io.EOF:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
	}
	return all, nil
}

func receiveInLoops(r io.Reader, dir string) (name string, verified bool, err error) {
	length, err := readAll(r, 4)
	if err != nil {
		return "", false, err
	}
	n := int(int32(length[0]) | int32(length[1])<<8 | int32(length[2])<<16 | int32(length[3])<<24)
	if n < 0 || n > 65536 {
		return "", false, errors.New("bad length")
	}
	text, err := readAll(r, n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return "", false, err
	}
	var h struct {
		Name *string `json:"file_name"`
		Size *int64  `json:"total_size"`
		MD5  string  `json:"md5"`
	}
	if err := json.Unmarshal(text, &h); err != nil || !utf8.Valid(text) {
		return "", false, fmt.Errorf("bad header: %v", err)
	}
	if h.Name == nil || h.Size == nil || *h.Size < 0 {
		return "", false, errors.New("file_name or total_size is missing")
	}
	name = *h.Name
	if !filepath.IsLocal(name) || name != filepath.Base(name) || name == "." {
		return "", false, fmt.Errorf("a bad file_name: %q", name)
	}
	temporary, err := os.CreateTemp(dir, "incoming-")
	if err != nil {
		return "", false, err
	}
	defer os.Remove(temporary.Name()) // which fails when it has been renamed
	defer temporary.Close()
	for left := *h.Size; left > 0; {
		piece := make([]byte, min(left, 4096))
		n, err := r.Read(piece)
		if err == io.EOF && int64(n) < left {
			return "", false, io.ErrUnexpectedEOF
		}
		if err != nil && err != io.EOF {
			return "", false, err
		}
		if _, err := temporary.Write(piece[:n]); err != nil {
			return "", false, err
		}
		left -= int64(n)
	}
	if digits, err := hex.DecodeString(h.MD5); err == nil && len(digits) == 16 {
		if _, err := temporary.Seek(0, io.SeekStart); err != nil {
			return "", false, err
		}
		_, sum, err := describeInLoops(temporary)
		if err != nil {
			return "", false, err
		}
		if !strings.EqualFold(sum, h.MD5) {
			return "", false, errors.New("the md5 is wrong")
		}
		verified = true
	}
	if err := temporary.Close(); err != nil {
		return "", false, err
	}
	return name, verified, os.Rename(temporary.Name(), filepath.Join(dir, name))
}

func describeBySeeking(payload io.ReadSeeker) (int64, string, error) {
	size, err := payload.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, "", err
	}
	if _, err := payload.Seek(0, io.SeekStart); err != nil {
		return 0, "", err
	}
	hash := md5.New()
	if n, err := bufio.NewReader(payload).WriteTo(hash); err != nil {
		return 0, "", err
	} else if n != size {
		return 0, "", fmt.Errorf("read %d of %d bytes", n, size)
	}
	_, err = payload.Seek(0, io.SeekStart)
	return size, hex.EncodeToString(hash.Sum(nil)), err
}

func sendBuffered(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	text := []byte(`{"file_name":`)
	for _, part := range []any{name, size, sum} {
		piece, err := json.Marshal(part)
		if err != nil {
			return err
		}
		text = append(text, piece...)
		switch part.(type) {
		case int64:
			text = append(text, `,"md5":`...)
		case string:
			if !bytes.Contains(text, []byte(`"total_size"`)) {
				text = append(text, `,"total_size":`...)
			}
		}
	}
	text = append(text, '}')
	if size < 0 || len(text) > 1<<16 {
		return errors.New("the header would be refused")
	}
	buffered := bufio.NewWriter(w)
	if err := binary.Write(buffered, binary.LittleEndian, int32(len(text))); err != nil {
		return err
	}
	buffered.Write(text)
	n, err := io.Copy(buffered, io.LimitReader(payload, size))
	if err == nil && n < size {
		err = fmt.Errorf("the payload has %d bytes and not %d", n, size)
	}
	if err != nil {
		return err // what is in the buffer need not be sent any more
	}
	return buffered.Flush()
}

// receiveInGoroutine lets a decoder read the header, and a goroutine sum what the other one stores.
func receiveInGoroutine(r io.Reader, dir string) (name string, verified bool, err error) {
	var length int32
	if err := binary.Read(r, binary.LittleEndian, &length); err != nil {
		return "", false, err
	}
	if length < 0 || length > 1<<16 {
		return "", false, fmt.Errorf("length %d", length)
	}
	h := struct {
		Name string          `json:"file_name"`
		Size json.RawMessage `json:"total_size"`
		MD5  string          `json:"md5"`
	}{}
	var text bytes.Buffer
	limited := &io.LimitedReader{R: io.TeeReader(r, &text), N: int64(length)}
	derr := json.NewDecoder(limited).Decode(&h)
	if _, err := io.Copy(io.Discard, limited); err != nil { // what the decoder has left
		return "", false, err
	}
	if limited.N > 0 && derr != nil && !errors.Is(derr, io.EOF) && !errors.Is(derr, io.ErrUnexpectedEOF) {
		return "", false, derr
	}
	if limited.N > 0 {
		return "", false, io.ErrUnexpectedEOF
	}
	size, err := strconv.ParseInt(string(h.Size), 10, 64)
	if derr != nil || err != nil || size < 0 || h.Name == "" || !utf8.Valid(text.Bytes()) ||
		!json.Valid(text.Bytes()) {
		return "", false, fmt.Errorf("refused: %v", errors.Join(fmt.Errorf("%v", derr), err))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", false, err
	}
	defer root.Close()
	file, err := root.OpenFile(h.Name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return "", false, err
	}
	defer func() {
		if cerr := file.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			root.Remove(h.Name)
		}
	}()
	pr, pw := io.Pipe()
	sums := make(chan string)
	go func() {
		hash := md5.New()
		io.Copy(hash, pr)
		sums <- hex.EncodeToString(hash.Sum(nil))
	}()
	buffered := bufio.NewWriter(file)
	n, err := io.Copy(io.MultiWriter(buffered, pw), bufio.NewReader(io.LimitReader(r, size)))
	pw.Close()
	sum := <-sums
	switch {
	case err != nil:
		return "", false, err
	case n < size:
		return "", false, fmt.Errorf("%d of %d bytes: %w", n, size, io.ErrUnexpectedEOF)
	}
	if err := buffered.Flush(); err != nil {
		return "", false, err
	}
	if len(h.MD5) != 32 || strings.Trim(strings.ToLower(h.MD5), "0123456789abcdef") != "" {
		return h.Name, false, nil
	}
	if strings.ToLower(h.MD5) != sum {
		return "", false, fmt.Errorf("md5 %s, not %s", sum, h.MD5)
	}
	return h.Name, true, nil
}

func sendByEncoder(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(struct { // which ends with a newline
		N string `json:"file_name"`
		S int64  `json:"total_size"`
		M string `json:"md5"`
	}{name, size, sum}); err != nil {
		return err
	}
	if size < 0 || text.Len() > 64*1024 {
		return fmt.Errorf("cannot announce %d bytes with a header of %d", size, text.Len())
	}
	head := append(binary.LittleEndian.AppendUint32(nil, uint32(text.Len())), text.Bytes()...)
	n, err := io.Copy(w, io.MultiReader(bytes.NewReader(head), &io.LimitedReader{R: payload, N: size}))
	if err == nil && n-int64(len(head)) < size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// receiveIntoMap hands pieces to a goroutine that stores and sums them.
func receiveIntoMap(r io.Reader, dir string) (string, bool, error) {
	length := make([]byte, 4)
	if _, err := io.ReadFull(r, length); err != nil {
		return "", false, err
	}
	if binary.LittleEndian.Uint32(length) > 65536 { // negative numbers too
		return "", false, errors.New("the header is too long")
	}
	text := make([]byte, binary.LittleEndian.Uint32(length))
	if _, err := io.ReadFull(r, text); err == io.EOF && len(text) > 0 {
		return "", false, io.ErrUnexpectedEOF
	} else if err != nil {
		return "", false, err
	}
	if !utf8.Valid(text) {
		return "", false, errors.New("not UTF-8")
	}
	fields := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&fields) != nil || !json.Valid(text) { // Decode stops behind the object
		return "", false, errors.New("not JSON")
	}
	name, ok := fields["file_name"].(string)
	number, isNumber := fields["total_size"].(json.Number)
	size, err := number.Int64()
	if !ok || !isNumber || err != nil || size < 0 || name == "" || name == "." || name == ".." ||
		strings.ContainsAny(name, `/\:`) {
		return "", false, fmt.Errorf("a header that cannot be true: %v", fields)
	}
	path := filepath.Join(dir, name)
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return "", false, fmt.Errorf("%s is there and is no file", name)
	}
	file, err := os.Create(path)
	if err != nil {
		return "", false, err
	}
	hash := md5.New()
	pieces, stored := make(chan []byte, 4), make(chan error)
	go func() {
		var failed error
		for piece := range pieces {
			hash.Write(piece)
			if _, err := file.Write(piece); err != nil {
				failed = err
			}
		}
		stored <- errors.Join(failed, file.Close())
	}()
	for size > 0 && err == nil {
		piece := make([]byte, min(size, 64<<10))
		var n int
		n, err = io.ReadAtLeast(r, piece, 1)
		size -= int64(n)
		pieces <- piece[:n]
	}
	close(pieces)
	serr := <-stored
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = serr
	}
	sum, _ := fields["md5"].(string)
	want, herr := hex.DecodeString(sum)
	verified := herr == nil && len(want) == 16
	if err == nil && verified && !bytes.Equal(want, hash.Sum(nil)) {
		err = errors.New("changed on the way")
	}
	if err != nil {
		os.Remove(path)
		return name, false, err
	}
	return name, verified, nil
}

// receiveInFolder keeps the file in a folder of its own, inside dir, until it is complete.
func receiveInFolder(r io.Reader, dir string) (name string, verified bool, err error) {
	text, err := headerOf(r)
	if err != nil {
		return "", false, err
	}
	h := struct {
		FileName  string `json:"file_name"`
		TotalSize int64  `json:"total_size"`
		MD5       any    `json:"md5"`
	}{TotalSize: -1}
	if err := json.Unmarshal(text, &h); err != nil {
		return "", false, err
	}
	if !utf8.Valid(text) || h.TotalSize < 0 || !filepath.IsLocal(h.FileName) ||
		filepath.Base(h.FileName) != h.FileName ||
		h.FileName == "." {
		return "", false, fmt.Errorf("refused: %.100q", text)
	}
	half, err := os.MkdirTemp(dir, "half-")
	if err != nil {
		return "", false, err
	}
	defer os.RemoveAll(half)
	file, err := os.Create(filepath.Join(half, "payload"))
	if err != nil {
		return "", false, err
	}
	defer file.Close()
	n, err := file.ReadFrom(io.LimitReader(r, h.TotalSize))
	if err == nil && n < h.TotalSize {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return "", false, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", false, err
	}
	hash := md5.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", false, err
	}
	sum, _ := h.MD5.(string)
	if want, err := hex.DecodeString(sum); err == nil && len(want) == md5.Size {
		if verified = bytes.Equal(want, hash.Sum(nil)); !verified {
			return "", false, errors.New("changed on the way")
		}
	}
	return h.FileName, verified, os.Rename(file.Name(), filepath.Join(dir, h.FileName))
}

// headerOf reads the length and the JSON.
func headerOf(r io.Reader) ([]byte, error) {
	var length int32
	if err := binary.Read(r, binary.LittleEndian, &length); err != nil {
		return nil, err
	}
	if length < 0 || length > 65536 {
		return nil, fmt.Errorf("a header of %d bytes", length)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(r, text); err == io.EOF {
		return nil, io.ErrUnexpectedEOF
	} else if err != nil {
		return nil, err
	}
	return text, nil
}
