package stage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"socketbook/tools/timeline"
)

// SVG draws recorded takes of this scene.
func (sc Scene) SVG(w io.Writer, takes []timeline.Scene) error {
	if sc.Plot != nil && len(takes) == 1 {
		return sc.Plot(w, takes[0].Title, takes[0].Events)
	}
	return timeline.SVG(w, takes)
}

// writeSVG writes a picture to a file. One that is there already is replaced if a lesson wrote it,
// and only then.
func (s *session) writeSVG(name string, chosen []Scene, takes []timeline.Scene) int {
	var picture bytes.Buffer
	draw := timeline.SVG
	if len(chosen) == 1 {
		draw = chosen[0].SVG
	}
	err := draw(&picture, takes)
	if err == nil {
		err = os.WriteFile(name, picture.Bytes(), 0o666)
	}
	if err != nil {
		return s.fail("writing the picture: %v; give a file in a folder that exists and that you "+
			"may write to", err)
	}
	return done
}

// replaceable returns an error if there is a file of that name which has something in it and does not
// begin as what a lesson writes; wrong says what it is then.
func replaceable(name, wrong string, beginnings ...string) error {
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
	for _, beginning := range beginnings {
		begins := make([]byte, len(beginning))
		if n, _ := f.ReadAt(begins, 0); string(begins[:n]) == beginning {
			return nil
		}
	}
	return fmt.Errorf("%s is there already and %s: not replaced; give another name, or remove it", name, wrong)
}
