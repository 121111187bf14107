package intake

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

func isEnd(err error) bool { return errors.Is(err, io.EOF) }

// readFolder lists a submission that is a folder. Links are not followed: not in it, and not by its files.
func readFolder(src source) (content, error) {
	c := content{files: map[string]entry{}}
	root, err := os.OpenRoot(src.path)
	if err != nil {
		return c, fmt.Errorf("the folder cannot be read: %w", cause(err))
	}
	defer root.Close()
	seen := 1 // itself
	err = walk(root, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && p == ".":
			return err
		case err != nil: // a folder, which was seen before, and cannot be read
			c.files[p] = entry{folder: true, read: func() ([]byte, error) { return nil, err }}
			return nil
		case d.IsDir() && p != "." && (clutter(d.Name()) || d.Name() == "node_modules"):
			return fs.SkipDir
		}
		if seen++; seen > mostEntries {
			c.more = true
			return fs.SkipAll
		}
		if d.IsDir() {
			return nil
		}
		if clutter(d.Name()) {
			return nil
		}
		e := entry{}
		if !d.Type().IsRegular() {
			e.odd = kind(d.Type())
		} else if info, err := d.Info(); err == nil {
			e.size = info.Size()
		}
		e.read = func() ([]byte, error) { return readRegular(src.path, p) }
		c.files[p] = e
		return nil
	})
	if err != nil && !errors.Is(err, fs.SkipAll) {
		return c, fmt.Errorf("the folder cannot be read: %w", cause(err))
	}
	for p, what := range src.odd {
		c.files[p] = entry{odd: what}
	}
	return c, nil
}

// walk is fs.WalkDir for a folder on disk. That calls names in GBK, which are no UTF-8, an invalid argument.
func walk(root *os.Root, p string, visit fs.WalkDirFunc) error {
	f, err := root.Open(p)
	if err != nil {
		return visit(p, nil, err)
	}
	entries, err := f.ReadDir(-1)
	f.Close()
	if err != nil {
		if err := visit(p, nil, err); err != nil {
			return err
		}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		name := path.Join(p, e.Name())
		err := visit(name, e, nil)
		if errors.Is(err, fs.SkipDir) {
			continue
		}
		if err == nil && e.IsDir() {
			err = walk(root, name, visit)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readRegular reads a file of a folder, whatever has been put in its place since it was listed.
func readRegular(dir, p string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(filepath.FromSlash(p), os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > longestFile {
		return nil, errors.New("it is not what it was when it was listed")
	}
	return readSmall(f)
}

func readSmall(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, longestFile+1))
	if err == nil && len(text) > longestFile {
		err = fmt.Errorf("it has more than %d bytes", longestFile)
	}
	return text, err
}

// singleFile is a submission of a file without a folder.
func singleFile(src source) (content, error) {
	info, err := os.Lstat(src.path)
	if err != nil {
		return content{}, err
	}
	e := entry{size: info.Size()}
	if !info.Mode().IsRegular() {
		e.odd = kind(info.Mode())
	}
	e.read = func() ([]byte, error) { return readRegular(filepath.Dir(src.path), filepath.Base(src.path)) }
	return content{files: map[string]entry{src.as: e}}, nil
}

// archiveName returns the ending of an archive's name that can be read, or "".
func archiveName(name string) string {
	lower := strings.ToLower(name)
	for _, ending := range []string{".zip", ".tar.gz", ".tgz", ".tar"} {
		if strings.HasSuffix(lower, ending) {
			return name[len(name)-len(ending):]
		}
	}
	return ""
}

// member is one entry of an archive.
type member struct {
	name string // as it stands there
	mode fs.FileMode
	size int64
	read func() (io.ReadCloser, error) // nil for a folder
}

// eachMember calls f for the entries of an archive, in their order. What has been unpacked of a .tar.gz
// at its end is at most limit bytes, if there is a limit.
func eachMember(name string, limit int64, f func(member) error) error {
	file, err := os.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return fmt.Errorf("the archive cannot be read: %w", cause(err))
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("the archive is %s", kind(info.Mode()))
	case limit > 0 && info.Size() > longestArchive:
		return fmt.Errorf("the archive has %d MiB; one of more than %d MiB is not read: "+
			"hand in the labs' files alone", info.Size()>>20, longestArchive>>20)
	}
	if strings.EqualFold(filepath.Ext(name), ".zip") {
		return zipMembers(file, info.Size(), f)
	}
	r := io.Reader(bufio.NewReader(file))
	if strings.HasSuffix(strings.ToLower(name), "gz") {
		if r, err = gzip.NewReader(r); err != nil {
			return fmt.Errorf("the archive is not a .tar.gz file: %w", err)
		}
	}
	if limit > 0 {
		r = &bounded{r: r, left: limit}
	}
	return tarMembers(tar.NewReader(r), f)
}

func zipMembers(file io.ReaderAt, size int64, f func(member) error) error {
	z, err := zip.NewReader(file, size)
	if err != nil && z == nil {
		return fmt.Errorf("the archive is not a .zip file: %w", err)
	}
	for _, one := range z.File {
		name := one.Name
		if one.NonUTF8 || !utf8.ValidString(name) { // as Windows in China writes them
			name, _ = simplifiedchinese.GB18030.NewDecoder().String(name)
		}
		m := member{name: name, mode: one.Mode(), size: int64(min(one.UncompressedSize64, 1<<62))}
		if m.mode.IsRegular() {
			m.read = one.Open
		}
		if one.Flags&1 != 0 {
			m.read = func() (io.ReadCloser, error) { return nil, errors.New("the archive has a password") }
		}
		if err := f(m); err != nil {
			return err
		}
	}
	return nil
}

func tarMembers(t *tar.Reader, f func(member) error) error {
	for {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, tar.ErrInsecurePath):
		case errors.Is(err, errBomb):
			return err
		case err != nil:
			return fmt.Errorf("the archive is damaged: %w", err)
		}
		m := member{name: h.Name, mode: h.FileInfo().Mode(), size: h.Size}
		if h.Typeflag == tar.TypeLink {
			m.mode |= fs.ModeSymlink // a hard link is not a file of its own either
		}
		if m.mode.IsRegular() {
			m.read = func() (io.ReadCloser, error) { return io.NopCloser(t), nil }
		}
		if err := f(m); err != nil {
			return err
		}
	}
}

// bounded ends with an error when more than left bytes are read.
type bounded struct {
	r    io.Reader
	left int64
}

var errBomb = fmt.Errorf("the archive unpacks to more than %d MiB", mostUnpacked>>20)

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errBomb
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// inside returns the clean path of an entry, and whether it stays inside the archive.
func inside(name string) (string, bool) {
	name = strings.ReplaceAll(name, "\\", "/")
	clean := path.Clean(strings.TrimPrefix(name, "./"))
	bad := name == "" || strings.HasPrefix(name, "/") || clean == ".." || strings.HasPrefix(clean, "../") ||
		len(name) > 1 && name[1] == ':' || strings.ContainsRune(name, 0)
	return clean, !bad
}

// readArchive lists a student's archive, with the text of the files whose names are wanted. With no limit
// it is the instructor's.
func readArchive(name string, wanted map[string]bool, limit int64) (content, error) {
	c := content{files: map[string]entry{}}
	seen, kept := 0, int64(0)
	full := errors.New("enough")
	err := eachMember(name, limit, func(m member) error {
		if seen++; seen > mostEntries {
			c.more = true
			return full
		}
		p, ok := inside(m.name)
		switch {
		case m.mode.IsDir() && ok:
			return nil
		case !ok:
			c.strange = append(c.strange, m.name)
			return nil
		}
		for dir := range strings.SplitSeq(p, "/") {
			if clutter(dir) {
				return nil
			}
		}
		e := entry{size: m.size}
		if _, twice := c.files[p]; twice {
			e.twice = true
		}
		switch {
		case m.read == nil:
			e.odd = kind(m.mode)
		case wanted[path.Base(p)] && m.size <= longestFile:
			var err error
			e.text, err = readMember(m)
			if kept += int64(len(e.text)); kept > mostUnpacked || errors.Is(err, errBomb) {
				return errBomb
			} else if err != nil {
				e.read = func() ([]byte, error) { return nil, err }
			}
		}
		c.files[p] = e
		return nil
	})
	if errors.Is(err, full) {
		err = nil
	}
	return c, err
}

func readMember(m member) ([]byte, error) {
	r, err := m.read()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return readSmall(r)
}

const (
	longestMember = longestArchive // bytes of a file in the archive of a class
	longestClass  = 16 << 30       // bytes of all its files
)

const badName = "under a name that cannot be used here" // too long, or that of another file

// takes reports whether a file can be made in a folder, so that it was another one's name that could not.
func takes(root *os.Root) bool {
	const name = ".takes"
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return errors.Is(err, fs.ErrExist)
	}
	f.Close()
	return root.Remove(name) == nil
}

// unpackClass unpacks the archive of a class: regular files whose names stay inside it. Everything else
// is returned, as far as it matters: what stands in the place of files, and sentences.
func unpackClass(name, into string) (odd map[string]string, notices []string, err error) {
	if err := os.MkdirAll(into, 0o700); err != nil {
		return nil, nil, err
	}
	root, err := os.OpenRoot(into)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	odd = map[string]string{}
	total, strange := int64(0), 0
	err = eachMember(name, 0, func(m member) error {
		p, ok := inside(m.name)
		switch {
		case !ok:
			if strange++; strange <= 3 {
				notices = append(notices, fmt.Sprintf("%q leads out of the archive and is ignored", m.name))
			}
			return nil
		case m.mode.IsDir():
			err := root.MkdirAll(p, 0o700)
			if err != nil && takes(root) {
				odd[p] = badName
				return nil
			}
			return err
		}
		if dir := path.Dir(p); dir != "." { // whatever it is, the student is there
			if err := root.MkdirAll(dir, 0o700); err != nil {
				odd[p] = "a file in the place of a folder"
				return nil
			}
		}
		switch {
		case m.read == nil:
			odd[p] = kind(m.mode)
			return nil
		case m.size > longestMember:
			odd[p] = fmt.Sprintf("a file of %d MiB", m.size>>20)
			return nil
		}
		if total += m.size; total > longestClass {
			return fmt.Errorf("it unpacks to more than %d GiB", longestClass>>30)
		}
		f, err := root.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			odd[p] = "in the archive more than once"
			return nil
		} else if err != nil && takes(root) {
			odd[p] = badName
			return nil
		} else if err != nil {
			return err
		}
		r, err := m.read()
		if err == nil {
			_, err = io.Copy(f, io.LimitReader(r, longestMember))
			r.Close()
		}
		if closeErr := f.Close(); closeErr != nil {
			return closeErr
		}
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			return err // the disk is full
		}
		if err != nil {
			odd[p] = "damaged in the archive"
		}
		return nil
	})
	return odd, notices, err
}
