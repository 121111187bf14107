// Package lessons is the course as data: the lessons in order, the ledger of the bugs that they show and fix, and
// the texts and sources of the lessons themselves. The tools read it; a test holds it against the folders.
package lessons

import "embed"

// Files holds every written lesson as it stands on disk: "04/server.go", "04/README.md", "README.md".
//
//go:embed README.md [0-9][0-9]
var Files embed.FS

// Lesson is one stage of the course.
type Lesson struct {
	Number   string // folder below lessons/, two digits
	Title    string
	BuildsOn string // the lesson it began as a copy of; "" for the first
	Idea     string // what is new here, in one sentence
	Written  bool   // false: planned, has no folder yet and cannot be run

	// What server.go and client.go together may differ by from the lesson it builds on, in lines.
	// 0, 0 means no limit: the first lesson, and one that changes the protocol (UDP).
	MaxAdded, MaxRemoved int
}

// Course is the course in reading order.
var Course = []Lesson{
	{Number: "01", Title: "One-shot echo", Idea: "Listen, accept, read, write, close: one client, one message, one answer.", Written: true},
	{Number: "02", Title: "Talk loop", BuildsOn: "01", Idea: "Many messages on one connection, and all the ways in which it can end.", Written: true, MaxAdded: 60, MaxRemoved: 30},
	{Number: "03", Title: "Accept loop", BuildsOn: "02", Idea: "Client after client, whatever one of them does.", Written: true, MaxAdded: 60, MaxRemoved: 30},
	{Number: "04", Title: "Sticky packets", BuildsOn: "03", Idea: "TCP carries bytes, not messages: they stick together and are cut apart.", Written: true, MaxAdded: 60, MaxRemoved: 30},
	{Number: "05", Title: "Struct header", BuildsOn: "04", Idea: "Four bytes in front of each answer say how long it is.", Written: true, MaxAdded: 60, MaxRemoved: 30},
	{Number: "06", Title: "JSON header", BuildsOn: "05", Idea: "A header that carries a name, a size of any magnitude and a checksum.", Written: true, MaxAdded: 60, MaxRemoved: 30},
	{Number: "07", Title: "UDP: nothing sticks", BuildsOn: "03", Idea: "Datagrams keep their boundaries, and may vanish.", Written: true},
	{Number: "08", Title: "Many clients at once", BuildsOn: "03", Idea: "A goroutine for each client, or a process."},
	{Number: "09", Title: "A server type", BuildsOn: "08", Idea: "Handler, Serve, Shutdown: what Python calls socketserver."},
	{Number: "10", Title: "Address already in use", BuildsOn: "03", Idea: "TIME_WAIT, SO_REUSEADDR, and who holds the port."},
	{Number: "11", Title: "Handshake and farewell", BuildsOn: "03", Idea: "The segments and the states behind dial, close and reset."},
	{Number: "12", Title: "Chat over TCP", BuildsOn: "02", Idea: "Both sides speak whenever they like."},
	{Number: "13", Title: "Chat over UDP, in GB2312", BuildsOn: "07", Idea: "Two programs that listen and send, and an encoding that lacks characters."},
	{Number: "14", Title: "File transfer", BuildsOn: "06", Idea: "put, get and list: framed both ways, checked, resumable."},
	{Number: "15", Title: "Deadlines", BuildsOn: "09", Idea: "Nothing waits for ever."},
	{Number: "16", Title: "Hostile peers", BuildsOn: "15", Idea: "A server that goes on serving while somebody attacks it."},
}

// Find returns the lesson with that number, "04" or "4".
func Find(number string) (Lesson, bool) {
	if len(number) == 1 {
		number = "0" + number
	}
	for _, l := range Course {
		if l.Number == number {
			return l, true
		}
	}
	return Lesson{}, false
}

// Bug is one row of the ledger: a mistake that a lesson lets the reader watch, and where it is put right.
type Bug struct {
	ID       string // kebab case; the scene has the same name
	Sentence string // what goes wrong
	Shown    string // the lesson that shows it
	Fixed    string // the lesson that fixes it; the same number when naive.go shows the wrong way beside the right one
	Scenario string // the function in lessons/internal/scenario that both run
	TestBug  string // in the lesson that shows it: asserts that the bug is there
	TestFix  string // in the lesson that fixes it: the same scenario, the opposite asserted; "" while that lesson is not written
}
