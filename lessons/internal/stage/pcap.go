package stage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
)

const pcapHead = 24 // bytes before the first packet

// pcapMagic is how a file with times in nanoseconds begins, written on a machine of the same byte order
// (draft-ietf-opsawg-pcap, section 4).
var pcapMagic = string(binary.NativeEndian.AppendUint32(nil, 0xa1b23c4d))

// otherMagic is the same on a machine of the other byte order.
var otherMagic = string([]byte{pcapMagic[3], pcapMagic[2], pcapMagic[1], pcapMagic[0]})

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
