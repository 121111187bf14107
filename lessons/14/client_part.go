package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

const partial = ".part" // the end of an incomplete file's name

// part is an incomplete file. It has the name of the complete one with .part behind it, and one owner at
// a time.
type part struct {
	file   *os.File
	folder *os.Root
	has    header    // its name, how many bytes of it are here, and their SHA-256
	sum    hash.Hash // of the bytes that are here
	err    error     // the first one of file: nothing more is written then
}

// openPart opens what an earlier transfer has left of a file, or begins a new one. Each error is a
// failure. The caller closes the part.
func openPart(folder *os.Root, name string) (*part, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if info, err := folder.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, failure("it is not a file")
	}
	file, err := folder.OpenFile(name+partial, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fileFailure(err)
	}
	p := &part{file: file, folder: folder, has: header{FileName: name}, sum: sha256.New()}
	err = lock(file)
	if errors.Is(err, errLocked) {
		file.Close()
		return nil, failure("it is being received already; try again later")
	}
	if err != nil {
		file.Close()
		return nil, fileFailure(err)
	}
	if !p.inPlace() { // the owner before us has finished it; or somebody has put a link there
		file.Close()
		return nil, failuref("%s%s is no file of ours; try again, or remove it", name, partial)
	}
	p.has.Offset, err = io.Copy(p.sum, file)
	if err != nil {
		file.Close()
		return nil, fileFailure(err)
	}
	if p.has.Offset > 0 {
		p.has.SHA256 = fmt.Sprintf("%x", p.sum.Sum(nil))
	}
	return p, nil
}

// inPlace reports whether the file that was opened is still the one that has the name.
func (p *part) inPlace() bool {
	opened, err := p.file.Stat()
	named, nerr := p.folder.Lstat(p.has.FileName + partial)
	return err == nil && nerr == nil && opened.Mode().IsRegular() && os.SameFile(opened, named)
}

// receive completes the part with what follows h, and gives it its final name. A transfer that is cut
// leaves the part for the next one. If the disk refuses it, what the peer sends is read all the same, so
// that the next message is found. The error is a failure then.
func (p *part) receive(r io.Reader, h header, bar *progress) error {
	switch {
	case h.Offset == 0: // what is here is not the beginning of this file, or nothing
		p.restart()
	case h.Offset != p.has.Offset || h.Offset > h.TotalSize:
		return fmt.Errorf("the file would go on at byte %d, and %d are here", h.Offset, p.has.Offset)
	}
	err := readPayload(r, io.MultiWriter(p, p.sum, bar.of(h)), h.TotalSize-h.Offset, p.sum)
	_, changed := errors.AsType[failure](err)
	switch {
	case err != nil && !changed: // the connection has ended
		return err
	case p.err != nil:
		return fileFailure(p.err)
	case changed: // nothing to go on from
		p.restart()
		return err
	}
	return p.finish()
}

// Write writes to the file, until that fails. The error is kept in p.
func (p *part) Write(b []byte) (int, error) {
	if p.err == nil {
		_, p.err = p.file.Write(b)
	}
	return len(b), nil
}

func (p *part) restart() {
	p.sum.Reset()
	p.err = p.file.Truncate(0)
	if p.err == nil {
		_, p.err = p.file.Seek(0, io.SeekStart)
	}
}

// finish gives the complete file its name, once it would survive a power failure. The file is ours as long
// as it is open.
func (p *part) finish() error {
	err := p.file.Sync()
	if err == nil {
		err = p.folder.Rename(p.has.FileName+partial, p.has.FileName)
	}
	if err == nil {
		err = syncFolder(p.folder)
	}
	if err != nil {
		return fileFailure(err)
	}
	return nil
}

// Close closes the file, and removes it if it is empty.
func (p *part) Close() {
	if info, err := p.file.Stat(); err == nil && info.Size() == 0 && p.inPlace() {
		p.folder.Remove(p.has.FileName + partial)
	}
	p.file.Close() // nothing is written any more: finish has its errors
}

// openFile opens a file that is to be sent, and returns the size that it has now. Each error is a failure.
// The caller closes the file.
func openFile(folder *os.Root, name string) (*os.File, int64, error) {
	if err := checkName(name); err != nil {
		return nil, 0, err
	}
	info, err := folder.Stat(name)
	if err == nil && !info.Mode().IsRegular() { // to open a pipe would wait
		return nil, 0, failure("it is not a file")
	}
	if err != nil {
		return nil, 0, fileFailure(err)
	}
	file, err := folder.Open(name)
	if err != nil {
		return nil, 0, fileFailure(err)
	}
	if info, err = file.Stat(); err != nil {
		file.Close()
		return nil, 0, fileFailure(err)
	}
	return file, info.Size(), nil
}
