// Lesson 06: a JSON header. It carries a name, a size of any magnitude and a checksum.
package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/text/encoding/unicode"

	"socketbook/lessons/internal/stage"
)

var lesson = stage.Lesson{
	Number: "06",
	Listen: listen, Serve: serve, Dial: dial, ClientFlags: clientFlags,
	RunsCommands: true,
	Scenes:       scenes,
}

func main() { stage.Main(lesson) }

// clientFlags registers the flags of the client, and lets l talk as they say.
func clientFlags(l *stage.Lesson, flags *flag.FlagSet) {
	c := &client{charset: unicode.UTF8}
	l.Talk = c.talk
	flags.Func("encoding", "answers are in `NAME`, say gbk", stage.Encoding(&c.charset))
	flags.Func("save", "answers go to `FOLDER` too", func(name string) error {
		folder, err := os.OpenRoot(name)
		if err != nil {
			return fmt.Errorf("%w; it names a folder that exists", err)
		}
		l.Talk = func(conn net.Conn, in io.Reader, out io.Writer) error {
			defer folder.Close()
			c.folder = folder
			return c.talk(conn, in, out)
		}
		return nil
	})
}
