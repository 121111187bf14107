package attacks

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// Submission is an attack of the part submissions, and what must come out. In its file, a txtar archive
// (https://pkg.go.dev/golang.org/x/tools/txtar), stand what it does, then a head, then the files that
// are handed in:
//
//	lab:     05                        the lab that it answers
//	expect:  void, does-not-compile    one of these is its row's status
//	points:  0                         and it has at most that many, which are its honest ones
//	reason:  unsafe                    the row's reason contains that, if it is void
//	says:    under way                 a failure of it contains that, if it is graded
//	sandbox: yes                       only a sandbox holds it
//	clean:   yes                       its control characters are in no output, and no cell begins with =
//	student: =cmd                      under which it is handed in, with escapes; else the attack's name
//	archive: zip                       zip, tar or tar.gz; else a folder
//
// Lines of what txtar has no words for, as often as needed. In a folder they are made in earnest;
// "entry", "entries", "hardlink" and "device" are for archives only:
//
//	link:    PATH -> TARGET            a symbolic link
//	fifo:    PATH
//	folder:  PATH
//	sparse:  PATH BYTES                a file without a block
//	pad:     PATH BYTES                a comment, appended
//	append:  PATH TEXT                 with escapes
//	zeros:   PATH BYTES                a file of zeros, which an archive makes small
//	entry:   NAME                      the first file again, under this name, with escapes
//	entries: NUMBER                    that many empty files
//	hardlink: PATH -> TARGET           tar only
//	device:  PATH                      tar only
//	cut:     PERCENT                   of the archive are left
type Submission struct {
	Name    string
	What    string
	Lab     string
	Status  []string
	Points  int
	Reason  string
	Says    string
	Sandbox bool
	Clean   bool
	Student string
	archive string
	extras  []extra
	files   []txtar.File
}

type extra struct{ kind, path, value string }

// Submissions returns the attacks of the part submissions of the module in root, by name.
func Submissions(root string) ([]Submission, error) {
	paths, err := filepath.Glob(filepath.Join(root, Folder, "submissions", "*.txt"))
	if err != nil || len(paths) == 0 {
		where := filepath.Join(root, Folder)
		return nil, errors.Join(err, fmt.Errorf("there are no submissions in %s", where))
	}
	var all []Submission
	for _, path := range paths {
		s, err := readSubmission(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, s)
	}
	return all, nil
}

func readSubmission(path string) (s Submission, err error) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		return s, err
	}
	s = Submission{Name: strings.TrimSuffix(filepath.Base(path), ".txt"), files: archive.Files}
	s.Student = s.Name
	what, head, _ := strings.Cut(string(archive.Comment), "\n\n")
	s.What = strings.Join(strings.Fields(what), " ")
	for line := range strings.Lines(head) {
		key, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if !ok {
			return s, fmt.Errorf("%q has no colon", line)
		}
		if err := s.set(strings.TrimSpace(key), value); err != nil {
			return s, err
		}
	}
	if s.What == "" || s.Lab == "" || len(s.Status) == 0 {
		return s, errors.New("a submission says what it does, its lab, and what it expects")
	}
	return s, nil
}

func (s *Submission) set(key, value string) (err error) {
	switch key {
	case "lab":
		s.Lab = value
	case "expect":
		for status := range strings.SplitSeq(value, ",") {
			s.Status = append(s.Status, strings.TrimSpace(status))
		}
	case "points":
		s.Points, err = strconv.Atoi(value)
	case "reason":
		s.Reason = value
	case "says":
		s.Says = value
	case "sandbox":
		s.Sandbox = value == "yes"
	case "clean":
		s.Clean = value == "yes"
	case "student":
		s.Student, err = unescape(value)
	case "archive":
		s.archive = value
	case "entry":
		value, err = unescape(value)
		s.extras = append(s.extras, extra{key, value, ""})
	case "link", "hardlink":
		path, target, _ := strings.Cut(value, " -> ")
		s.extras = append(s.extras, extra{key, path, target})
	case "fifo", "folder", "sparse", "pad", "append", "zeros", "entries", "device", "cut":
		path, value, _ := strings.Cut(value, " ")
		s.extras = append(s.extras, extra{key, path, value})
	default:
		err = fmt.Errorf("%q is not known", key)
	}
	return err
}

// unescape reads the escapes of a Go string.
func unescape(text string) (string, error) {
	return strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`)
}

// Judge compares a row of the results, and the messages of its failures, with what must come out; nil
// if it does.
func (s Submission) Judge(status string, points int, reason string, failures ...string) error {
	switch {
	case !slices.Contains(s.Status, status):
		return fmt.Errorf("its status is %q, and must be %s (reason: %s)",
			status, strings.Join(s.Status, " or "), reason)
	case points > s.Points:
		return fmt.Errorf("it has %d points; its honest ones are %d", points, s.Points)
	case points > 0 && status == "void":
		return fmt.Errorf("it is void and has %d points", points)
	case status == "void" && !strings.Contains(reason, s.Reason):
		return fmt.Errorf("the reason must name %q, and is %q", s.Reason, reason)
	case status == "graded" && !strings.Contains(strings.Join(failures, "\n"), s.Says):
		return fmt.Errorf("a failure must say %q: %q", s.Says, failures)
	}
	return nil
}

// Make hands the submission in below a folder that exists: a folder or an archive with the student's
// name. It returns its path, or an errors.ErrUnsupported if this system cannot make such a thing.
func (s Submission) Make(folder string) (path string, err error) {
	if strings.ContainsAny(s.Student, "/\x00") {
		return "", fmt.Errorf("no file can be called %q: %w", s.Student, errors.ErrUnsupported)
	}
	switch s.archive {
	case "":
		path = filepath.Join(folder, s.Student)
		return path, s.makeFolder(path)
	case "zip":
		path = filepath.Join(folder, s.Student+".zip")
		return path, s.makeArchive(path, s.writeZip)
	case "tar", "tar.gz":
		path = filepath.Join(folder, s.Student+"."+s.archive)
		return path, s.makeArchive(path, s.writeTar)
	}
	return "", fmt.Errorf("an archive %q is not known", s.archive)
}

func (s Submission) makeFolder(folder string) error {
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	for _, f := range s.files {
		if err := writeFile(filepath.Join(folder, f.Name), string(f.Data)); err != nil {
			return err
		}
	}
	for _, e := range s.extras {
		path := filepath.Join(folder, e.path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		size, _ := strconv.ParseInt(e.value, 10, 64)
		var err error
		switch e.kind {
		case "link":
			err = os.Symlink(e.value, path)
		case "fifo":
			err = makeFifo(path)
		case "folder":
			err = os.MkdirAll(path, 0o755)
		case "sparse", "zeros":
			if err = os.WriteFile(path, nil, 0o644); err == nil {
				err = os.Truncate(path, size)
			}
		case "pad":
			err = appendTo(path, "\n// "+strings.Repeat("x", int(size))+"\n")
		case "append":
			var text string
			if text, err = unescape(e.value); err == nil {
				err = appendTo(path, text)
			}
		default:
			err = fmt.Errorf("a folder has no %s", e.kind)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func appendTo(path, text string) error {
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(before, text...), 0o644)
}

func (s Submission) makeArchive(path string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	text := b.Bytes()
	for _, e := range s.extras {
		if percent, err := strconv.Atoi(e.path); e.kind == "cut" && err == nil {
			text = text[:len(text)*percent/100]
		}
	}
	return os.WriteFile(path, text, 0o644)
}

func (s Submission) writeZip(to io.Writer) error {
	z := zip.NewWriter(to)
	var failed error
	add := func(name string, mode os.FileMode, from io.Reader) {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		h.SetMode(mode)
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = io.Copy(w, from)
		}
		failed = errors.Join(failed, err)
	}
	for _, f := range s.files {
		add(f.Name, 0o644, bytes.NewReader(f.Data))
	}
	for _, e := range s.extras {
		size, _ := strconv.ParseInt(e.value, 10, 64)
		switch e.kind {
		case "entry":
			add(e.path, 0o644, bytes.NewReader(s.first()))
		case "entries":
			n, _ := strconv.Atoi(e.path)
			for i := range n {
				add(fmt.Sprint("many/", i), 0o644, strings.NewReader(""))
			}
		case "zeros":
			add(e.path, 0o644, io.LimitReader(zeros{}, size))
		case "link":
			add(e.path, 0o777|os.ModeSymlink, strings.NewReader(e.value))
		case "cut":
		default:
			return fmt.Errorf("a zip file has no %s", e.kind)
		}
	}
	return errors.Join(failed, z.Close())
}

func (s Submission) writeTar(to io.Writer) error {
	var compressed *gzip.Writer
	if s.archive == "tar.gz" {
		compressed = gzip.NewWriter(to)
		to = compressed
	}
	t := tar.NewWriter(to)
	var failed error
	add := func(h tar.Header, text []byte) {
		h.Mode, h.Size = 0o644, int64(len(text))
		err := t.WriteHeader(&h)
		if err == nil {
			_, err = t.Write(text)
		}
		failed = errors.Join(failed, err)
	}
	for _, f := range s.files {
		add(tar.Header{Typeflag: tar.TypeReg, Name: f.Name}, f.Data)
	}
	for _, e := range s.extras {
		switch e.kind {
		case "entry":
			add(tar.Header{Typeflag: tar.TypeReg, Name: e.path}, s.first())
		case "link":
			add(tar.Header{Typeflag: tar.TypeSymlink, Name: e.path, Linkname: e.value}, nil)
		case "hardlink":
			add(tar.Header{Typeflag: tar.TypeLink, Name: e.path, Linkname: e.value}, nil)
		case "device":
			add(tar.Header{Typeflag: tar.TypeBlock, Name: e.path, Devmajor: 254}, nil)
		case "fifo":
			add(tar.Header{Typeflag: tar.TypeFifo, Name: e.path}, nil)
		case "cut":
		default:
			return fmt.Errorf("a tar file has no %s", e.kind)
		}
	}
	failed = errors.Join(failed, t.Close())
	if compressed != nil {
		failed = errors.Join(failed, compressed.Close())
	}
	return failed
}

// first is the text of the first file; it is what must not count where it does not belong.
func (s Submission) first() []byte {
	if len(s.files) == 0 {
		return nil
	}
	return s.files[0].Data
}

// zeros is a reader of zeros.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
