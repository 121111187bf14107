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
	{Number: "04", Title: "Sticky packets", BuildsOn: "03", Idea: "TCP carries bytes, not messages: they stick together and are cut apart.", Written: true, MaxAdded: 100, MaxRemoved: 30}, // a server that runs commands: what it refuses and where it stops are part of it
	{Number: "05", Title: "Struct header", BuildsOn: "04", Idea: "Four bytes in front of each answer say how long it is.", Written: true, MaxAdded: 60, MaxRemoved: 30},
	{Number: "06", Title: "JSON header", BuildsOn: "05", Idea: "A header that carries a name, a size of any magnitude and a checksum.", Written: true, MaxAdded: 100, MaxRemoved: 30}, // a name that a peer chooses becomes a file: which names may is part of it
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
	Fixed    string // the lesson that fixes it, perhaps one that is not written; the same number when naive.go shows the wrong way beside the right one; "" when it lies in the protocol and no lesson can
	Scenario string // the function in lessons/internal/scenario that both run
	TestBug  string // in the lesson that shows it: asserts that the bug is there
	TestFix  string // in the lesson that fixes it: the same scenario, the opposite asserted; "" while no lesson does
}

// Ledger lists every bug of the course, in the order in which the reader meets them.
var Ledger = []Bug{
	{"both-listen", "Both sides read first, and nobody ever speaks.", "01", "01", "BothListen", "TestBugBothListen", "TestFixBothListen"},
	{"second-message", "The same client sends again and meets the end of the stream.", "01", "02", "SecondMessage", "TestBugSecondMessage", "TestFixSecondMessage"},
	{"second-client", "A second client is refused: the server has gone.", "01", "03", "NextClient", "TestBugSecondClient", "TestFixSecondClient"},
	{"empty-line", "A write of 0 bytes puts nothing on the wire, and both sides wait.", "02", "02", "EmptyLine", "TestBugEmptyLine", "TestFixEmptyLine"},
	{"spin", "A reader that ignores the end of the stream reads 0 bytes for ever.", "02", "02", "Spin", "TestBugSpin", "TestFixSpin"},
	{"reset", "A client that aborts ends the server with an error.", "02", "02", "Reset", "TestBugReset", "TestFixReset"},
	{"unread-answer", "A client that leaves without reading makes the write fail with a broken pipe, which catching only the reset misses.", "02", "02", "UnreadAnswer", "TestBugUnreadAnswer", "TestFixUnreadAnswer"},
	{"next-client", "After the first client has left nobody is served.", "02", "03", "NextClient", "TestBugNextClient", "TestFixNextClient"},
	{"never-closed", "A handler returns without closing, and the peer never sees the end.", "03", "03", "NeverClosed", "TestBugNeverClosed", "TestFixNeverClosed"},
	{"second-waits", "A second client is connected and gets no answer until the first one leaves.", "03", "08", "SecondWaits", "TestBugSecondWaits", ""},
	{"glue", "Two sends arrive as one read.", "04", "05", "Glue", "TestBugGlue", "TestFixGlue"},
	{"split", "One send arrives as several reads.", "04", "05", "Split", "TestBugSplit", "TestFixSplit"},
	{"residue", "The rest of a long answer is taken for the answer to the next command.", "04", "05", "Residue", "TestBugResidue", "TestFixResidue"},
	{"two-commands", "Two commands sent back to back reach the shell as one.", "04", "14", "TwoCommands", "TestBugTwoCommands", ""},
	{"silent-command", "A command that prints nothing sends nothing, and both sides wait.", "04", "05", "SilentCommand", "TestBugSilentCommand", "TestFixSilentCommand"},
	{"cut-character", "A character across the edge of a read is broken.", "04", "05", "CutCharacter", "TestBugCutCharacter", "TestFixCutCharacter"},
	{"pause", "Sleeping between sends costs time, and a late reader still gets them as one.", "04", "05", "Pause", "TestBugPause", "TestFixPause"},
	{"no-delay", "With TCP_NODELAY two segments still arrive as one read.", "04", "05", "NoDelay", "TestBugNoDelay", "TestFixNoDelay"},
	{"two-pipes", "A runner that reads one pipe to its end hangs when the command fills the other.", "04", "04", "TwoPipes", "TestBugTwoPipes", "TestFixTwoPipes"},
	{"split-header", "The header comes in two pieces, and one read takes the first for all of it.", "05", "05", "SplitHeader", "TestBugSplitHeader", "TestFixSplitHeader"},
	{"over-read", "Asking for 1024 bytes whatever is left takes the start of the next message.", "05", "05", "OverRead", "TestBugOverRead", "TestFixOverRead"},
	{"cut-short", "The stream ends in the middle of a message, and the reader waits for the rest for ever.", "05", "05", "CutShort", "TestBugCutShort", "TestFixCutShort"},
	{"byte-order", "A reader that takes the bytes from the other end sees 50331648 instead of 3.", "05", "05", "ByteOrder", "TestBugByteOrder", "TestFixByteOrder"},
	{"overflow", "A length over 2^31-1 turns negative in a careless conversion.", "05", "05", "LengthOverflow", "TestBugOverflow", "TestFixOverflow"},
	{"no-name", "Only a number fits into the header: no name, no checksum, no size over 2 GiB.", "05", "06", "NoName", "TestBugNoName", "TestFixNoName"},
	{"split-json", "The JSON comes in pieces, or is longer than one read brings.", "06", "06", "SplitJSON", "TestBugSplitJSON", "TestFixSplitJSON"},
	{"checksum", "A payload is changed on the way, and nobody compares the checksum.", "06", "06", "Changed", "TestBugChecksum", "TestFixChecksum"},
	{"truncated", "A buffer shorter than the datagram cuts it, and the rest is gone.", "07", "07", "Truncated", "TestBugTruncated", "TestFixTruncated"},
	{"overflow", "A reader that does not read loses datagrams, and nobody is told.", "07", "", "QueueOverflow", "TestBugOverflow", ""},
	{"both-wait", "The answer never comes, and without a deadline the client waits for ever.", "07", "07", "BothWait", "TestBugBothWait", "TestFixBothWait"},
	{"forged", "An unconnected client believes whoever answers first.", "07", "07", "Forged", "TestBugForged", "TestFixForged"},
}
