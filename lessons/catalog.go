// Package lessons is the catalogue of the course: the lessons in order, the ledger of the bugs that
// they show and fix, and the texts and sources of the lessons themselves. The tools read it; a test
// holds it against the folders.
package lessons

import (
	"embed"
	"strings"

	"socketbook/lessons/internal/course"
)

// Files holds every written lesson as it is on disk: "04/server.go", "04/README.md", "README.md".
//
//go:embed README.md [0-9][0-9]
var Files embed.FS

// Lesson is one stage of the course.
type Lesson = course.Lesson

// Course is the course in reading order.
var Course = course.Lessons

// Find returns the lesson with that number, "04" or "4".
func Find(number string) (Lesson, bool) { return course.Find(number) }

// Bug is one row of the ledger: a mistake that a lesson lets the reader watch, and where it is fixed.
type Bug struct {
	ID    string // kebab case; the scenes that show and fix it have the same name
	Shown string // the lesson that shows it

	// Fixed is the lesson that fixes it, perhaps one that is not written: the same one when naive.go
	// shows the wrong way beside the right one; "" when the protocol has it and no lesson can.
	Fixed string

	Sentence string // what goes wrong
}

// TestBug is the name of the test in the lesson that shows the bug: it plays the scene and asserts
// that the bug is there.
func (b Bug) TestBug() string { return "TestBug" + camel(b.ID) }

// TestFix is the name of the test in the lesson that fixes the bug: it plays the scene of the same
// name there and asserts the opposite. "" while no written lesson fixes it.
func (b Bug) TestFix() string {
	if l, _ := Find(b.Fixed); !l.Written {
		return ""
	}
	return "TestFix" + camel(b.ID)
}

// camel turns "two-pipes" into "TwoPipes".
func camel(id string) string {
	var name strings.Builder
	for word := range strings.SplitSeq(id, "-") {
		name.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return name.String()
}

// Ledger lists every bug of the course, in the order in which the reader meets them.
var Ledger = []Bug{
	{"both-listen", "01", "01", "Both sides read first, and nobody ever speaks."},
	{"second-message", "01", "02", "The same client sends again and meets the end of the stream."},
	{"second-client", "01", "03", "A second client is refused: the server has gone."},
	{"empty-line", "02", "02", "A write of 0 bytes puts nothing on the wire, and both sides wait."},
	{"spin", "02", "02", "A reader that ignores the end of the stream reads 0 bytes forever."},
	{"reset", "02", "02", "A client that aborts ends the server with an error."},
	{
		"unread-answer", "02", "02",
		"A write to a client that has left fails with a broken pipe, too, not only a reset.",
	},
	{
		"swallowed", "02", "02",
		"Every error is taken for a client that has left, and the server's own mistakes stay hidden.",
	},
	{
		"close-inside", "02", "02",
		"The client closes inside its loop, and the second message meets a closed connection.",
	},
	{"next-client", "02", "03", "A client that waits in the queue is dropped when the first one leaves."},
	{"never-closed", "03", "03", "A handler returns without closing, and the peer never sees the end."},
	{"second-waits", "03", "08", "A second client is connected and gets no answer until the first one leaves."},
	{"glue", "04", "05", "Two sends arrive as one read."},
	{"split", "04", "05", "One send arrives as several reads."},
	{"residue", "04", "05", "The rest of a long answer is taken for the answer to the next command."},
	{"two-commands", "04", "14", "Two commands sent back to back reach the shell as one."},
	{"silent-command", "04", "05", "A command that prints nothing sends nothing, and both sides wait."},
	{"cut-character", "04", "05", "A character across the edge of a read is broken."},
	{"pause", "04", "05", "Sleeping between sends costs time, and a late reader still gets them as one."},
	{"no-delay", "04", "05", "With TCP_NODELAY two segments still arrive as one read."},
	{"two-pipes", "04", "04", "A runner that reads one pipe to its end hangs when the command fills the other."},
	{
		"one-behind", "04", "05",
		"An answer in two writes is read once, and every later answer comes one command late.",
	},
	{
		"full-buffer", "04", "05",
		"A read that fills the buffer is not taken for the last one, and the client waits for more.",
	},
	{"long-command", "04", "04", "A command longer than one read is run as two."},
	{"pieces", "04", "04", "A line end after each read breaks the line that lies across the edge."},
	{
		"quadratic", "05", "05",
		"Appending each piece to bytes that cannot grow copies all that came before, again and again.",
	},
	{"split-header", "05", "05", "The header comes in two pieces, and one read takes the first for all of it."},
	{"over-read", "05", "05", "Asking for 1024 bytes whatever is left takes bytes of the next message, too."},
	{
		"cut-short", "05", "05",
		"The stream ends in the middle of a message, and the reader reads 0 bytes forever.",
	},
	{"byte-order", "05", "05", "A reader that takes the bytes from the other end sees 50331648 instead of 3."},
	{"overflow", "05", "05", "A length from 2^31 to 2^32-1 turns negative in a careless conversion."},
	{"no-name", "05", "06", "Only a number fits into the header: no name, no checksum, no size of 2 GiB or more."},
	{"split-json", "06", "06", "The JSON comes in pieces, or is longer than one read brings."},
	{"characters", "06", "06", "The length is counted in characters, and the JSON has more bytes than that."},
	{"checksum", "06", "06", "A payload is changed on the way, and nobody compares the checksum."},
	{"truncated", "07", "07", "A buffer shorter than the datagram cuts it, and the rest is gone."},
	{"overflow", "07", "", "A reader that does not read loses datagrams, and nobody is told."},
	{"both-wait", "07", "07", "The answer never comes, and without a deadline the client waits forever."},
	{
		"doubled", "07", "13",
		"A datagram that comes twice is answered twice, and the client is one answer behind.",
	},
	{"overtaken", "07", "13", "The second datagram comes before the first one."},
	{"echo-loop", "07", "07", "A datagram with the server's own address as its sender is answered without end."},
	{"forged", "07", "07", "An unconnected client believes whoever answers first."},
	{"mixed-lines", "08", "08", "Two handlers write their log in pieces, and the lines are mixed."},
	{
		"error-elsewhere", "08", "08",
		"An error is looked for around accept; a read meets it, and nobody handles it.",
	},
	{
		"parents-copy", "08", "08",
		"The parent keeps its copy of a connection, and the client never sees the end.",
	},
	{"zombie", "08", "08", "Nobody waits for a process that has ended, and it stays in the process table."},
	{"cut-word", "08", "12", "The word that ends the conversation comes in two pieces and ends nothing."},
	{"relay", "08", "08", "A relay closes both sides at the first end, and the answer is lost."},
	{"panicking-handler", "09", "09", "The handler of one client panics, and the whole server ends."},
	{"accept-error", "09", "09", "One accept fails for a moment, and the server ends for good."},
	{
		"no-descriptors", "09", "09",
		"No descriptor is left, and the server calls accept again and again without a pause.",
	},
	{
		"open-listener", "09", "09",
		"A server ends and leaves its listener open, which keeps its port and goes on taking clients.",
	},
	{"restart", "10", "10", "A server that ended first cannot start again: its connection is in TIME_WAIT."},
	{"ports-run-out", "10", "10", "A connection for each message uses up the client's ports."},
	{"two-families", "10", "10", "A client tries one of a name's two addresses, and the server has the other."},
	{"close-wait", "11", "11", "A server forgets to close: its connections pile up in CLOSE_WAIT."},
	{"in-turn", "12", "12", "Each side speaks in turn, and whoever has two things to say waits."},
	{
		"slow-reader", "12", "12",
		"A room writes to its members one after the other, and waits for one who does not read.",
	},
	{"line-too-long", "12", "12", "A reader of lines stops at a long one, as if the peer had left."},
	{
		"cut-character", "12", "12",
		"Each read is printed as it comes, and a character that lies across two is broken.",
	},
	{"half-a-line", "12", "12", "The peer leaves in the middle of a line, and the half is taken for a line."},
	{"unencodable", "13", "13", "A character that the encoding lacks ends the chat, not only its line."},
	{"undecodable", "13", "13", "A message in another encoding ends the hearing, and nobody notices."},
	{"crossed-ports", "13", "13", "Two copies of a program send to one port and listen on another, and never meet."},
	{
		"gb2312-is-not-gbk", "13", "13",
		"What is called gb2312 sends characters of GBK, which the receiver does not have.",
	},
	{"one-bit", "13", "13", "A late copy has the number that a new message would have, and takes its place."},
	{"cut-and-resumed", "14", "14", "A transfer is cut, and a part of the file has the name of the whole."},
	{"grows", "14", "14", "A file grows while it is sent, and more comes than was announced."},
	{"line-by-line", "14", "14", "Files are sent line by line, and nobody can tell where one of them ends."},
	{
		"slow-command", "15", "15",
		"The limit ends a command's shell; what that has started goes on, and the server waits for it.",
	},
	{"waits-for-input", "15", "15", "A command reads its input, and waits for the server's keyboard."},
	{"exit-status", "15", "15", "How a command has ended is not in what it prints, and the client cannot tell."},
	{"idle", "15", "15", "A client says nothing, and keeps its place forever."},
	{"slow-drip", "15", "15", "A limit for each read begins anew with each byte, and never passes."},
	{
		"heartbeat", "15", "15",
		"A peer vanishes: nothing says so, and when the system gives it up, that is taken for a mistake.",
	},
	{"cancelled", "15", "15", "The deadline of a context that has ended is set late, and spoils the next read."},
	{"slow-drip", "16", "16", "Clients send a byte now and then, and keep their places forever."},
	{"announced-2gib", "16", "16", "A client announces 2 GiB, and the server makes room for them."},
	{"endless-header", "16", "16", "A header does not end, and the server keeps all of it."},
	{"garbage", "16", "16", "Noise makes a size below zero, and the panic of one client ends the server."},
	{"half-open", "16", "16", "Clients connect and say nothing, and keep their places forever."},
	{"flood", "16", "16", "All who come are let in, and one address takes all places."},
	{
		"no-descriptors", "16", "16",
		"More clients come than there are descriptors, and the accept that fails ends the server.",
	},
	{
		"full-queue", "16", "16",
		"A server without a free place does not accept: its queue fills up, and nobody is told.",
	},
	{
		"control-characters", "16", "16",
		"What a client sent goes into the log as it is, and writes lines of its own there.",
	},
	{"browser", "16", "16", "A page of another origin lets a browser send a request, and a shell runs its body."},
	{"reflected", "16", "16", "A short question with a forged source brings somebody else a long answer."},
}
