package stage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

const pcapHead = 24 // bytes before the first packet

// pcapMagic is how a file with times in nanoseconds begins, written on a machine of the same byte order
// (draft-ietf-opsawg-pcap, section 4).
var pcapMagic = binary.NativeEndian.AppendUint32(nil, 0xa1b23c4d)

// otherMagic is the same on a machine of the other byte order.
var otherMagic = []byte{pcapMagic[3], pcapMagic[2], pcapMagic[1], pcapMagic[0]}

// writePcap writes the segments of all takes to one file.
func (s *session) writePcap(name string, takes [][]byte) int {
	var file []byte
	for _, take := range takes {
		switch {
		case len(take) < pcapHead:
		case file == nil:
			file = bytes.Clone(take)
		default:
			file = append(file, take[pcapHead:]...)
		}
	}
	if file == nil {
		fmt.Fprintf(s.errs, "%s is not written: no segments were recorded here\n", name)
		return done
	}
	if err := os.WriteFile(name, file, 0o666); err != nil {
		return s.fail("writing the segments: %v; give a file in a folder that exists and that you "+
			"may write to", err)
	}
	return done
}

// replaceablePcap returns an error if there is a file of that name which has something in it and is no
// recording of segments.
func replaceablePcap(name string) error {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%w; give a file in a folder that exists", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is there already and is no regular file: not replaced; give another "+
			"name", name)
	case info.Size() == 0:
		return nil
	}
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("%w; give another name", err)
	}
	defer f.Close()
	magic := make([]byte, len(pcapMagic))
	_, err = io.ReadFull(f, magic)
	if err != nil || !bytes.Equal(magic, pcapMagic) && !bytes.Equal(magic, otherMagic) {
		return fmt.Errorf("%s is there already and holds no segments of a lesson's: not replaced; "+
			"give another name, or remove it", name)
	}
	return nil
}
