// Lesson 14: file transfer. A file has its name when all of it is there; a transfer that was cut goes on.
package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"

	"socketbook/lessons/internal/stage"
)

var lesson = stage.Lesson{
	Number: "14",
	Listen: listen, ServerFlags: serverFlags, Dial: dial, ClientFlags: clientFlags,
	Scenes: scenes,
}

func main() { stage.Main(lesson) }

// serverFlags registers the flags of the server, and lets l serve as they say.
func serverFlags(l *stage.Lesson, flags *flag.FlagSet) {
	s := &server{}
	l.Serve = func(ln net.Listener) error {
		if s.folder != nil {
			defer s.folder.Close()
		}
		return s.serve(ln)
	}
	flags.Func("folder", "keeps files in `FOLDER`", openFolder(&s.folder))
}

// clientFlags registers the flags of the client, and lets l talk as they say.
func clientFlags(l *stage.Lesson, flags *flag.FlagSet) {
	c := &client{}
	if stage.IsTerminal(os.Stderr) {
		c.terminal = os.Stderr
	}
	l.Talk = func(conn net.Conn, in io.Reader, out io.Writer) error {
		if c.folder == nil {
			if err := openFolder(&c.folder)("."); err != nil {
				return err
			}
		}
		defer c.folder.Close()
		return c.talk(conn, in, out)
	}
	flags.Func("folder", "your files are in `FOLDER`", openFolder(&c.folder))
}

// openFolder returns the function of a flag that names a folder, which it opens.
func openFolder(folder **os.Root) func(name string) error {
	return func(name string) (err error) {
		if *folder, err = os.OpenRoot(name); err != nil {
			return fmt.Errorf("%w; it names a folder that exists", err)
		}
		return nil
	}
}
