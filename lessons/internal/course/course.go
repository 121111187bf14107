// Package course is the course as data: what each lesson is called, what it is about, and which one
// it builds on. Nothing else says so; the catalogue, the lessons' own command lines and the tables in
// the READMEs take it from here.
package course

// Lesson is one stage of the course.
type Lesson struct {
	Number   string // folder below lessons/, two digits
	Title    string
	BuildsOn string // the lesson it began as a copy of; "" for the first
	Idea     string // what is new here, in one sentence
	Written  bool   // false: planned, has no folder yet and cannot be run

	// What server.go and client.go together may differ by from the lesson it builds on, in lines.
	// 0, 0 means no limit. Reason says why they are not the usual 60 and 30, "" if they are.
	MaxAdded, MaxRemoved int
	Reason               string

	// Changes lists the functions, types and constants of server.go and client.go that the lesson it
	// builds on has, too, and that differ, each with the reason. All others are equal to the byte.
	Changes map[string]string
}

// What a step may add and remove, unless it has a reason for more. Readability goes first: no line is
// crammed for it.
const (
	usuallyAdded   = 60
	usuallyRemoved = 30
)

// Lessons are in reading order.
var Lessons = withBudgets([]Lesson{
	{
		Number: "01", Title: "One-shot echo", Written: true,
		Idea:   "Listen, accept, read, write, close: one client, one message, one answer.",
		Reason: "the first lesson, all of which is new",
	},
	{
		Number: "02", Title: "Talk loop", BuildsOn: "01", Written: true,
		Idea: "Many messages on one connection, and all the ways in which it can end.",
		Changes: map[string]string{
			"serve":  "its comment: the client is answered until it leaves",
			"answer": "the loop, and the ways in which it ends",
			"talk":   "the loop, and the empty line",
		},
	},
	{
		Number: "03", Title: "Accept loop", BuildsOn: "02", Written: true,
		Idea: "Client after client, whatever one of them does.",
		Changes: map[string]string{
			"serve": "the loop around accept",
		},
	},
	{
		Number: "04", Title: "Sticky packets", BuildsOn: "03", Written: true,
		Idea:     "TCP carries bytes, not messages: they stick together and are cut apart.",
		MaxAdded: 110, MaxRemoved: 40,
		Reason: "the bug needs answers of any length: the server runs commands, refuses what is " +
			"none and bounds what they print; the client decodes",
		Changes: map[string]string{
			"maxRead": "its comment: a read has room to notice a longer command",
			"answer":  "runs commands",
			"talk":    "has its user's encoding, and reads through readMessage",
		},
	},
	{
		Number: "05", Title: "Struct header", BuildsOn: "04", Written: true,
		Idea: "Four bytes in front of each answer say how long it is.",
		Changes: map[string]string{
			"answer":      "sends through writeMessage",
			"readMessage": "reads the header, and all of the payload",
		},
	},
	{
		Number: "06", Title: "JSON header", BuildsOn: "05", Written: true,
		Idea:     "A header that carries a name, a size of any magnitude and a checksum.",
		MaxAdded: 100, MaxRemoved: 40,
		Reason: "each field of the header has a use: a file to save to, a checksum to compare",
		Changes: map[string]string{
			"answer":       "gives the answer a name",
			"writeMessage": "fills in the header's fields",
			"encodeHeader": "the header is JSON",
			"decodeHeader": "the header is JSON",
			"client":       "has a folder to save to",
			"maxPayload":   "a size has 8 bytes now, and a file may have more than 2 GiB",
			"talk":         "readMessage is a method, which knows the folder",
			"readMessage":  "saves, and compares the checksum",
		},
	},
	{
		Number: "07", Title: "UDP: nothing sticks", BuildsOn: "03", Written: true,
		Idea:   "Datagrams keep their boundaries, and may vanish.",
		Reason: "another protocol: no connection, nothing to accept",
		Changes: map[string]string{
			"listen": "a socket for datagrams, and no queue of clients",
			"dial":   "sends nothing",
			"talk":   "has a deadline; an empty line is a message, and a line can be too long",
		},
	},
	{
		Number: "08", Title: "Many clients at once", BuildsOn: "03", Written: true,
		Idea: "A goroutine for each client, or a process.",
		Changes: map[string]string{
			"serve": "the loop is in serveEach, which answers each client in a goroutine of its own",
		},
	},
	{
		Number: "09", Title: "A server type", BuildsOn: "08", Written: true,
		Idea:     "Handler, Serve, Shutdown: what Python calls socketserver.",
		MaxAdded: 190, MaxRemoved: 30,
		Reason: "a type with everything that whoever imports it may ask for, and the comments that say so",
	},
	{
		Number: "10", Title: "Address already in use", BuildsOn: "03", Written: true,
		Idea: "TIME_WAIT, SO_REUSEADDR, and who holds the port.",
		Changes: map[string]string{
			"listen": "sets SO_REUSEADDR, which Go does by default",
			"dial":   "its comment: a name with several addresses",
		},
	},
	{
		Number: "11", Title: "Handshake and farewell", BuildsOn: "03", Written: true,
		Idea: "The segments and the states behind dial, close and reset.",
		Changes: map[string]string{
			"listen": "asks for TCP alone, not multipath TCP",
		},
	},
	{
		Number: "12", Title: "Chat over TCP", BuildsOn: "02", Written: true,
		Idea:     "Both sides speak whenever they like, in lines; and a room for many.",
		MaxAdded: 130, MaxRemoved: 70,
		Reason: "both sides read and write at the same time, and messages are lines",
		Changes: map[string]string{
			"serve": "is a room: each client has a goroutine that serves it",
			"talk":  "hears and says at the same time",
		},
	},
	{
		Number: "13", Title: "Chat over UDP, in GB2312", BuildsOn: "07", Written: true,
		Idea:     "Two programs that listen and send, an encoding that lacks characters, and numbers against loss.",
		MaxAdded: 100, MaxRemoved: 70,
		Reason: "nobody answers any more: both sides hear and say at the same time",
		Changes: map[string]string{
			"servePacket": "prints what is said, and answers nobody",
			"talk":        "hears and says at the same time",
		},
	},
	{
		Number: "14", Title: "File transfer", BuildsOn: "06", Written: true,
		Idea:     "put, get and list: framed both ways, checked, resumable.",
		MaxAdded: 320, MaxRemoved: 160,
		Reason: "requests are framed too, both sides send and receive files, and a failure costs its file alone",
		Changes: map[string]string{
			"serve":        "answers many clients at once, as in lesson 08",
			"answer":       "reads requests with a header, and answers what fails",
			"header":       "is a request, an answer, or what precedes a file",
			"client":       "has no encoding: files are bytes",
			"talk":         "puts, gets and lists",
			"decodeHeader": "has an offset, and no md5",
			"readPayload":  "compares the SHA-256, which follows the payload",
		},
	},
	{
		Number: "15", Title: "Deadlines", BuildsOn: "09", Written: true,
		Idea:     "Nothing waits forever: not a read, not a write, not a dial, not a command.",
		MaxAdded: 180, MaxRemoved: 90,
		Reason: "the server runs commands again, each with a limit, and its client says now and then that " +
			"it is still there",
		Changes: map[string]string{
			"Handler":     "has a context, which ends when its client is cut off",
			"HandlerFunc": "has that context",
			"Handle":      "has that context",
			"Server":      "keeps how to end each handler's context",
			"Shutdown":    "waits for the handlers that it has cut off: their commands end with them",
			"start":       "hands the context on, and refuses with a message",
			"handle":      "hands the context on",
			"admit":       "makes the context",
			"leave":       "ends the context",
			"cutOff":      "ends the contexts, too",
			"answer":      "runs commands, and waits for nothing without a limit",
			"peerGone":    "a fourth way: the system has given up a peer that has vanished",
			"dial":        "has a limit",
			"talk":        "sends heartbeats, and prints how a command ended",
		},
	},
	{
		Number: "16", Title: "Hostile peers", BuildsOn: "15", Written: true,
		Idea:     "A server that goes on serving while somebody attacks it.",
		MaxAdded: 100, MaxRemoved: 30,
		Reason: "each attack needs a limit of its own, and each limit its reason",
		Changes: map[string]string{
			"errTooMany": "too many from one address is something else",
			"Server":     "counts the clients of each address, and has a log of limited length",
			"start":      "a refusal is told and logged",
			"admit":      "a limit for each address",
			"leave":      "counts the address, too",
			"commands":   "its comment: what is allowed",
			"answer":     "tells the client why it is refused",
			"execute":    "a list of commands instead of the shell",
			"waitDelay":  "its comment: a program instead of the shell",
			"run":        "a program, when its turn has come",
			"nextLine":   "a refusal may answer a heartbeat",
		},
	},
})

func withBudgets(lessons []Lesson) []Lesson {
	for i, l := range lessons {
		if l.Reason == "" {
			lessons[i].MaxAdded, lessons[i].MaxRemoved = usuallyAdded, usuallyRemoved
		}
	}
	return lessons
}

// Find returns the lesson with that number, "04" or "4".
func Find(number string) (Lesson, bool) {
	if len(number) == 1 {
		number = "0" + number
	}
	for _, l := range Lessons {
		if l.Number == number {
			return l, true
		}
	}
	return Lesson{}, false
}
