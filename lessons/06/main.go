// Lesson 06: a JSON header. It carries a name, a size of any magnitude and a checksum.
package main

import (
	"os"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"

	"socketbook/lessons/internal/stage"
)

// charset is how the client decodes answers; the flag -encoding names another one.
var charset encoding.Encoding = unicode.UTF8

// folder is where the client saves answers, under the names that the server gives them; the flag -save names it.
var folder *os.Root

var lesson = stage.Lesson{
	Number: "06", Title: "JSON header",
	Listen: listen, Serve: serve, Dial: dial, Talk: talk,
	RunsCommands: true, Encoding: &charset, Folder: &folder,
	Scenes: scenes,
}

func main() { stage.Main(lesson) }
