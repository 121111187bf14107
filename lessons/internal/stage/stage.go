// Package stage is what the main functions of all lessons share: the command line, the roles of
// server and client, signals, running the recorded scenes, and errors that say what to type next.
//
// It keeps the lessons' own files free of plumbing: server.go and client.go hold plain net code and
// nothing else.
package stage

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unicode"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"

	"socketbook/lessons/internal/course"
	"socketbook/lessons/internal/scenario"
	"socketbook/tools/netns"
	"socketbook/tools/timeline"
)

// Lesson is what a lesson hands to Main. TCP lessons fill in Listen and Serve, UDP lessons
// ListenPacket and ServePacket. Its title is in package course.
type Lesson struct {
	Number string // the folder below lessons/: "04"

	Listen       func(addr string) (net.Listener, error)
	Serve        func(ln net.Listener) error // until ln is closed, which is no error
	ListenPacket func(addr string) (net.PacketConn, error)
	ServePacket  func(pc net.PacketConn) error // until pc is closed, which is no error
	Dial         func(addr string) (net.Conn, error)
	Talk         scenario.TalkFunc // until in ends; does not close conn

	// Shutdown, where a server has it, ends Serve when the server is interrupted: it lets the clients
	// finish, or cuts them off when ctx ends, and returns ctx's error then.
	Shutdown func(ctx context.Context) error

	// ServerFlags and ClientFlags, in a lesson that has flags of its own, register those of one
	// side, with their usage. They may set l's fields, there and when a flag is read: l is a copy
	// for one run.
	ServerFlags, ClientFlags func(l *Lesson, flags *flag.FlagSet)

	RunsCommands bool // the server executes what it is sent: it may listen on loopback only
	Segments     bool // its scenes record segments: -pcap FILE writes them
	Chats        bool // either side may leave whenever it likes: a server that does is no error

	// In and Out are what the user of a server types and sees. They are set before ServerFlags and
	// Serve are called.
	In  io.Reader
	Out io.Writer

	Scenes []Scene
}

// Scene is one recorded demonstration.
type Scene struct {
	Name string // kebab case; as in the bug ledger if the scene shows or fixes a bug
	Line string // what happens, in one line

	// Naive is played with the code of naive.go, Run with that of server.go and client.go; either may
	// be nil. NaiveLine stands for Line above the naive take, where what one sees there differs.
	NaiveLine  string
	Naive, Run scenario.Play

	// Varies says that how far it gets differs from play to play: no recording of it is kept.
	Varies bool

	// Slow is for a scene of seconds. The tests play it once, beside other slow ones, and share what
	// they recorded.
	Slow bool

	// Plot, in a scene that measures, draws its SVG from the events of one take. nil: the timeline.
	Plot func(w io.Writer, title string, events []timeline.Event) error
}

// Statuses of a lesson's process.
const (
	done   = 0
	failed = 1 // the network or the peer failed
	misuse = 2 // wrong usage
)

const defaultAddr = "127.0.0.1:8080"

// Main runs a lesson with the arguments of the process and ends the process.
func Main(l Lesson) {
	netns.Main() // a scene in a private network starts the program again
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := Run(ctx, l, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// Run does what Main does, up to the end of the process, and returns the status. An interrupt is
// the end of ctx.
func Run(ctx context.Context, l Lesson, args []string, in io.Reader, out, errs io.Writer) int {
	s := &session{Lesson: l, in: in, out: &output{Writer: out}, errs: errs}
	status := s.run(ctx, args)
	err := s.out.failure()
	if err != nil && status == done && !readerLeft(err) {
		return s.fail("writing to standard output: %v; is the disk full?", cause(err))
	}
	return status
}

func (s *session) run(ctx context.Context, args []string) int {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		switch args[0] {
		case "server":
			return s.server(ctx, args[1:])
		case "client":
			return s.client(ctx, args[1:])
		}
		if slices.Contains(s.names(), args[0]) {
			return s.misuse("%q is a scene: %s", args[0], s.command("-scene "+args[0]))
		}
		return s.misuse(
			"%q is no role: a lesson is run as server, as client, or without a role to see its "+
				"scenes (-list names them)", args[0])
	}
	return s.scenes(ctx, args)
}

// session is one run of a lesson's command line.
type session struct {
	Lesson
	in   io.Reader
	out  *output
	errs io.Writer
}

// output remembers the first error of a writer: the lessons' own code does not look.
type output struct {
	io.Writer
	mu   sync.Mutex
	err  error
	last byte
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
	if n > 0 {
		o.last = p[n-1]
	}
	return n, err
}

// open reports whether the last line was begun and not ended.
func (o *output) open() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last != 0 && o.last != '\n'
}

func (o *output) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// command is how this lesson is called, for messages that say what to type next.
func (s *session) command(rest string) string {
	return strings.TrimSpace("go run ./lessons/" + s.Number + " " + rest)
}

func (s *session) misuse(format string, args ...any) int {
	s.complain(format, args...)
	return misuse
}

func (s *session) fail(format string, args ...any) int {
	s.complain(format, args...)
	return failed
}

// longestLine is what a complaint is cut to, in characters: a peer may have put a name of 60 KB
// into it.
const longestLine = 600

// complain prints one line, on a line of its own. What a peer put into it, a file name say, cannot
// control the reader's terminal.
func (s *session) complain(format string, args ...any) {
	if IsTerminal(s.out.Writer) && s.out.open() { // an answer broke off in the middle of a line
		fmt.Fprintln(s.out)
	}
	text := []rune(fmt.Sprintf(format, args...))
	if len(text) > longestLine {
		half := longestLine / 2
		text = append(append(text[:half:half], []rune(" … ")...), text[len(text)-half:]...)
	}
	var line strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			line.WriteRune(r)
		} else {
			line.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	if f, ok := s.errs.(*os.File); ok && IsTerminal(f) && terminalWidth(f) > 0 {
		fmt.Fprintln(s.errs, wrapComplaint(line.String(), terminalWidth(f)))
		return
	}
	fmt.Fprintln(s.errs, line.String())
}

// parse reads flags. It returns false, and the status to end with, when the lesson should not go on.
func (s *session) parse(flags *flag.FlagSet, args []string) (int, bool) {
	flags.SetOutput(io.Discard)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		s.usage(s.out)
		return done, false
	case err != nil && s.roleOf(err) != "":
		return s.misuse("%v without a role: %s", err, s.command(s.roleOf(err))), false
	case err != nil:
		return s.misuse("%v; %s says which flags there are", err, s.command("-help")), false
	case flags.NArg() > 0:
		return s.misuse("%q is one argument too many: a role comes first, then flags; %s shows how",
			flags.Arg(0), s.command("-help")), false
	}
	return done, true
}

// roleOf returns the command that a flag belongs to which package flag has not found, or "".
func (s *session) roleOf(err error) string {
	name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	switch {
	case !ok:
		return ""
	case name == "addr":
		return "server -addr " + defaultAddr
	case name == "expose" && s.RunsCommands:
		return "server -expose"
	}
	for _, role := range []string{"server", "client"} {
		for _, f := range s.own(role) {
			if f.Name == name {
				command, _ := flagUsage(role, f)
				return command
			}
		}
	}
	return ""
}

// given reports whether a flag was given, be it with its default value.
func given(flags *flag.FlagSet, name string) bool {
	found := false
	flags.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

func (s *session) usage(w io.Writer) {
	l, _ := course.Find(s.Number)
	fmt.Fprintf(w, "Lesson %s: %s\n\n", s.Number, l.Title)
	row := func(rest, what string) { fmt.Fprintf(w, "  %-48s %s\n", s.command(rest), what) } // 80 columns
	row("", "all scenes, both sides here")
	row("-scene NAME", "one scene")
	row("-list", "the scenes, one line each")
	row("-json", "the events as JSON lines")
	row("-svg FILE", "the picture also as SVG")
	if s.Segments {
		row("-pcap FILE", "the segments, for Wireshark")
	}
	row("-ascii", "nothing but ASCII")
	row("server -addr "+defaultAddr, "one side; Ctrl-C ends it")
	if s.RunsCommands {
		row("server -expose", "allows any -addr: see below")
	}
	for _, f := range s.own("server") {
		row(flagUsage("server", f))
	}
	row("client -addr "+defaultAddr, "the other; sends your lines")
	for _, f := range s.own("client") {
		row(flagUsage("client", f))
	}
	if s.RunsCommands {
		fmt.Fprintf(w,
			"\nThis server runs commands for anybody who connects.\nIt listens on loopback only, "+
				"unless -expose is given.\n")
	}
}

// flagUsage describes a lesson's own flag, in the words that it was registered with.
func flagUsage(role string, f *flag.Flag) (command, what string) {
	value, what := flag.UnquoteUsage(f)
	return strings.TrimSpace(role + " -" + f.Name + " " + value), what
}

// own lists the lesson's own flags for a role.
func (s *session) own(role string) []*flag.Flag {
	l := s.Lesson
	flags := flag.NewFlagSet(role, flag.ContinueOnError)
	l.register(role, flags)
	var list []*flag.Flag
	flags.VisitAll(func(f *flag.Flag) { list = append(list, f) })
	return list
}

// register lets the lesson register its own flags for a role.
func (l *Lesson) register(role string, flags *flag.FlagSet) {
	own := l.ClientFlags
	if role == "server" {
		own = l.ServerFlags
	}
	if own != nil {
		own(l, flags)
	}
}

// Encoding returns the function of a flag that names an encoding, which it stores.
func Encoding(e *encoding.Encoding) func(name string) error {
	return func(name string) (err error) {
		if *e, err = htmlindex.Get(name); err != nil {
			err = errors.New("no such encoding; known are utf-8, gbk, gb18030, big5, shift_jis, euc-kr, " +
				"iso-8859-1, windows-1252 and the others of the WHATWG list")
		}
		return err
	}
}

// IsTerminal reports whether a stream is a terminal, with the standard library's means.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull) // a character device too, but nobody sits there
	return err != nil || !os.SameFile(info, null)
}
