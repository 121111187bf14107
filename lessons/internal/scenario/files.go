package scenario

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// FileSides are the two sides of a file transfer, each with the folder that its files are in.
type FileSides struct {
	Answer func(conn net.Conn, folder *os.Root) error // closes conn
	Talk   func(conn net.Conn, folder *os.Root, in io.Reader, out io.Writer) error
}

// folders are those of a client and of a server.
type folders struct{ client, server *os.Root }

// inFolders lets a play have two fresh folders, which are removed in the end.
func inFolders(play func(rec *timeline.Recorder, f folders) (Outcome, error)) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		var f folders
		for _, folder := range []**os.Root{&f.client, &f.server} {
			dir, err := os.MkdirTemp("", "socketbook-")
			if err != nil {
				return o, err
			}
			defer os.RemoveAll(dir)
			if *folder, err = os.OpenRoot(dir); err != nil {
				return o, err
			}
			defer (*folder).Close()
		}
		return play(rec, f)
	}
}

// fileConversation lets a client say some lines to a server over a fresh connection. on, unless nil,
// stands in for each end of it. It returns what the client printed, and how both sides ended.
func fileConversation(
	rec *timeline.Recorder, sides FileSides, f folders, on func(c, s net.Conn) (net.Conn, net.Conn),
	lines ...string,
) (printedLines []string, talked, answered, err error) {
	c, s, err := Pair(rec)
	if err != nil {
		return nil, nil, nil, err
	}
	defer c.Close()
	defer s.Close()
	if on != nil {
		c, s = on(c, s)
	}
	c, s = copied{c}, copied{s}
	done := inBackground(func() error { return sides.Answer(s, f.server) })
	talk := func(conn net.Conn, in io.Reader, out io.Writer) error {
		return sides.Talk(conn, f.client, in, out)
	}
	printedLines, talked = Talk(rec, "client", talk, c, lines...)
	c.Close()
	return printedLines, talked, <-done, nil
}

// copied is a connection whose bytes pass through this program, where they are recorded. The kernel would
// copy them between a file and a socket without it.
type copied struct{ net.Conn }

// stored is what is in a folder: each name, and what the file begins with or how long it is.
func stored(folder *os.Root) (files []string, err error) {
	err = fs.WalkDir(folder.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := folder.ReadFile(name)
		files = append(files, name+" "+brief(string(content)))
		return err
	})
	return files, err
}

// listed is a list of files for a sentence.
func listed(files []string) string {
	if len(files) == 0 {
		return "nothing"
	}
	return strings.Join(files, ", ")
}

// PutListGet lets a client put a file, ask for the list, and get a file that the server has. Got is what it
// printed, and then what its folder has.
func PutListGet(sides FileSides) Play {
	return inFolders(func(rec *timeline.Recorder, f folders) (o Outcome, err error) {
		err = errors.Join(f.client.WriteFile("hello.txt", []byte("hello"), 0o666),
			f.server.WriteFile("报告.txt", []byte("all is well\n"), 0o666))
		if err != nil {
			return o, err
		}
		printed, talked, answered, err := fileConversation(rec, sides, f, nil,
			"put hello.txt", "list", "get 报告.txt")
		if err := errors.Join(err, talked, answered); err != nil {
			return o, err
		}
		here, err := stored(f.client)
		if err != nil {
			return o, err
		}
		there, err := stored(f.server)
		o.Got = append(printed, here...)
		rec.Verdict("the client has %s; the server has %s", listed(here), listed(there))
		return o, err
	})
}

// TwoRequests sends two requests back to back, as TwoCommands does: the server comes when both are in its
// queue. Got are the files that came, each as its name and its content.
func TwoRequests(
	send func(w io.Writer, name string) error, receive func(r io.Reader) (name, content string, err error),
	answer func(conn net.Conn, folder *os.Root) error,
) Play {
	return inFolders(func(rec *timeline.Recorder, f folders) (o Outcome, err error) {
		names := []string{"a.txt", "b.txt"}
		for _, name := range names {
			if err := f.server.WriteFile(name, []byte("this is "+name), 0o666); err != nil {
				return o, err
			}
		}
		c, s, err := Pair(rec)
		if err != nil {
			return o, err
		}
		defer c.Close()
		output, err := backToBack(rec, c, s, names, send,
			func(conn net.Conn) error { return answer(conn, f.server) })
		if err != nil {
			return o, err
		}
		for r := strings.NewReader(string(output)); r.Len() > 0; {
			name, content, err := receive(r)
			if err != nil {
				return o, err
			}
			o.Got = append(o.Got, name+": "+content)
		}
		rec.Verdict("2 requests were in the queue at once; %s came: %q", plural(len(o.Got), "answer"), o.Got)
		return o, nil
	})
}

// Pipelined lets a client get three files, one of which the server does not have, and ask for the
// list. The server comes when the three requests are in its queue. Got is what the client printed,
// N how many requests it had sent before it read the first answer.
func Pipelined(sides FileSides) Play {
	return inFolders(func(rec *timeline.Recorder, f folders) (o Outcome, err error) {
		for _, name := range []string{"a.txt", "b.txt"} {
			if err := f.server.WriteFile(name, []byte("this is "+name), 0o666); err != nil {
				return o, err
			}
		}
		var late error
		held := func(c, s net.Conn) (net.Conn, net.Conn) {
			sent := &sentSoFar{Conn: c, when: make(chan struct{}), writes: 3}
			return sent, &readsWhen{Conn: s, when: sent.when, first: func() {
				late = Late(rec, s, sent.n)
				o.N = timeline.Count(rec.Events(), "client", timeline.Send)
			}}
		}
		printed, _, answered, err := fileConversation(rec, sides, f, held, "get a.txt, nope.txt, b.txt", "list")
		o.Got = printed
		rec.Verdict("%s were sent before the first answer was read; one failed, and the others did not",
			plural(o.N, "request"))
		return o, errors.Join(err, late, answered)
	})
}

// sentSoFar counts what is sent, and tells when a number of writes have been made.
type sentSoFar struct {
	net.Conn
	when   chan struct{}
	writes int
	n      int // bytes of these
}

func (c *sentSoFar) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if c.writes > 0 {
		c.n += n
		if c.writes--; c.writes == 0 {
			close(c.when)
		}
	}
	return n, err
}

// readsWhen makes the first read wait.
type readsWhen struct {
	net.Conn
	when  chan struct{}
	first func() // nil after the first read
}

func (c *readsWhen) Read(p []byte) (int, error) {
	if c.first != nil {
		select {
		case <-c.when:
		case <-time.After(loopback.Patience):
		}
		c.first()
		c.first = nil
	}
	return c.Conn.Read(p)
}

// The file of CutAndResumed, and how much of the first connection's bytes the network lets through.
const (
	wholeFile = 3000
	cutAfter  = 1200
)

// CutAndResumed lets a client put a file. The connection ends when cutAfter bytes of what the client has
// to send for it have passed; then the client tries again. Got is what the server's folder has after
// the first try, and after the second one. N is how many bytes of the file the second connection carried.
func CutAndResumed(sides FileSides) Play {
	return inFolders(func(rec *timeline.Recorder, f folders) (o Outcome, err error) {
		content := strings.Repeat("0123456789", wholeFile/10)
		if err := f.client.WriteFile("film.bin", []byte(content), 0o666); err != nil {
			return o, err
		}
		cut := func(c, s net.Conn) (net.Conn, net.Conn) { return &cutConn{Conn: c, left: cutAfter}, s }
		for _, on := range []func(c, s net.Conn) (net.Conn, net.Conn){cut, nil} {
			before := bytesSent(rec.Events(), "client")
			_, talked, _, err := fileConversation(rec, sides, f, on, "put film.bin")
			if err != nil {
				return o, err
			}
			if on == nil && talked != nil {
				return o, talked
			}
			there, err := stored(f.server)
			if err != nil {
				return o, err
			}
			o.Got = append(o.Got, there...)
			o.N = bytesSent(rec.Events(), "client") - before
			rec.Verdict("%d bytes sent; the server has %s", o.N, listed(there))
		}
		return o, nil
	})
}

func bytesSent(events []timeline.Event, side string) (n int) {
	for _, e := range events {
		if e.Side == side && e.Op == timeline.Send {
			n += e.N
		}
	}
	return n
}

// errCable is how a write to a cutConn fails.
var errCable = errors.New("the cable is cut")

// cutConn lets left bytes through, and then closes the connection.
type cutConn struct {
	net.Conn
	left int
}

func (c *cutConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p[:min(len(p), c.left)])
	c.left -= n
	if err == nil && n < len(p) {
		err = errors.Join(errCable, c.Conn.Close())
	}
	return n, err
}

// FileMessages is how a stage sends files and receives them, without anything else in between.
type FileMessages struct {
	Send    func(w io.Writer, name string, file io.ReadSeeker, size int64) error
	Receive func(r io.Reader) (name, content string, err error)
}

// Grows sends two files, of which the first one grows as soon as it is read. Got are the files that were
// received, each as its name and its content, Met is the error that the receiver met.
func Grows(m FileMessages) Play {
	const log, more = "10:00 started", ", 10:01 somebody came, 10:02 he left"
	return twoFiles(m, log, "the second file\n", func(rec *timeline.Recorder, file *os.File) error {
		rec.State(len(more), "one.txt is being read, and grows by %d bytes", len(more))
		_, err := file.WriteAt([]byte(more), int64(len(log)))
		return err
	})
}

// TwoFiles sends two files of some lines, which nobody changes. Got and Met are those of Grows.
func TwoFiles(m FileMessages) Play {
	return twoFiles(
		m,
		"line one\nline two",
		"line three\n",
		func(*timeline.Recorder, *os.File) error { return nil },
	)
}

// twoFiles sends two files. change is called when the first one is read for the first time.
func twoFiles(
	m FileMessages, first, second string, change func(rec *timeline.Recorder, file *os.File) error,
) Play {
	return inFolders(func(rec *timeline.Recorder, f folders) (o Outcome, err error) {
		c, s, err := Pair(rec)
		if err != nil {
			return o, err
		}
		defer c.Close()
		defer s.Close()
		sent := 0
		for i, content := range []string{first, second} {
			name := []string{"one.txt", "two.txt"}[i]
			if err := f.client.WriteFile(name, []byte(content), 0o666); err != nil {
				return o, err
			}
			file, err := f.client.OpenFile(name, os.O_RDWR, 0)
			if err != nil {
				return o, err
			}
			defer file.Close()
			var r io.ReadSeeker = file
			if i == 0 {
				r = &changing{file, func(file *os.File) error { return change(rec, file) }}
			}
			w := &countingWriter{Writer: c}
			if err := m.Send(w, name, r, int64(len(content))); err != nil {
				return o, err
			}
			sent += w.n
		}
		if err := Late(rec, s, sent); err != nil {
			return o, err
		}
		closeWrite(c)
		for {
			name, content, err := m.Receive(s)
			if errors.Is(err, io.EOF) {
				break
			}
			if o.Met = err; err != nil {
				rec.Note("server", nil, "meets: %v", err)
				break
			}
			rec.Note("server", []byte(content), "%s:", name)
			o.Got = append(o.Got, name+": "+content)
		}
		told := ""
		if o.Met != nil {
			told = ", and then an error: " + o.Met.Error()
		}
		rec.Verdict("2 files sent, %d received%s", len(o.Got), told)
		return o, nil
	})
}

// changing is a file that somebody else changes when it is read for the first time.
type changing struct {
	*os.File
	change func(file *os.File) error // nil: it was changed
}

func (c *changing) Read(p []byte) (int, error) {
	if c.change != nil {
		if err := c.change(c.File); err != nil {
			return 0, err
		}
		c.change = nil
	}
	return c.File.Read(p)
}

// WriteTo would not be noticed.
func (c *changing) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{c})
}

// Shrinks sends a file that becomes shorter as soon as it is read. Met is what the sender met; Got is
// what the receiver was told.
func Shrinks(m FileMessages) Play {
	return inFolders(func(rec *timeline.Recorder, f folders) (o Outcome, err error) {
		c, s, err := Pair(rec)
		if err != nil {
			return o, err
		}
		defer s.Close()
		content := strings.Repeat("half of this goes away\n", 400)
		if err := f.client.WriteFile("notes.txt", []byte(content), 0o666); err != nil {
			return o, err
		}
		file, err := f.client.OpenFile("notes.txt", os.O_RDWR, 0)
		if err != nil {
			return o, err
		}
		defer file.Close()
		shrink := func(file *os.File) error {
			rec.State(len(content)/2, "notes.txt is being read, and is cut to %d bytes", len(content)/2)
			return file.Truncate(int64(len(content) / 2))
		}
		o.Met = m.Send(c, "notes.txt", &changing{file, shrink}, int64(len(content)))
		c.Close()
		if o.Met != nil {
			rec.Note("client", nil, "meets: %v", o.Met)
		}
		_, _, told := m.Receive(s)
		if told != nil {
			rec.Note("server", nil, "meets: %v", told)
			o.Got = []string{told.Error()}
		}
		rec.Verdict("the sender: %v; the receiver: %v", o.Met, told)
		return o, nil
	})
}

// BadNames lets a peer put files under names of its choice: request writes a request for one. Got
// is what it was answered each time; N is how many files there are afterwards, in the server's
// folder and outside.
func BadNames(
	answer func(conn net.Conn, folder *os.Root) error, request func(w io.Writer, name string) error,
	read func(r io.Reader) (answer string, err error), names ...string,
) Play {
	return inFolders(func(rec *timeline.Recorder, f folders) (o Outcome, err error) {
		if err := f.server.Mkdir("inner", 0o777); err != nil {
			return o, err
		}
		inner, err := f.server.OpenRoot("inner")
		if err != nil {
			return o, err
		}
		defer inner.Close()
		c, s, err := Pair(rec)
		if err != nil {
			return o, err
		}
		defer c.Close()
		done := inBackground(func() error { return answer(s, inner) })
		for _, name := range names {
			if err := request(c, name); err != nil {
				return o, err
			}
			said, err := read(c)
			if err != nil {
				return o, err
			}
			rec.Note("client", nil, "is told: %s", said)
			o.Got = append(o.Got, said)
		}
		c.Close()
		if err := <-done; err != nil {
			return o, err
		}
		there, err := stored(f.server)
		o.N = len(there)
		rec.Verdict("%d names were tried on one connection; the server has %s", len(names), listed(there))
		return o, err
	})
}

// SameName lets two clients put a file of the same name: the second one tries when half of the first one's
// file has been sent. Got is what the second one's and then the first one's program printed, and what the
// server has in the end.
func SameName(serve func(ln net.Listener, folder *os.Root) error, sides FileSides) Play {
	return inFolders(func(rec *timeline.Recorder, f folders) (o Outcome, err error) {
		if err := f.client.Mkdir("second", 0o777); err != nil {
			return o, err
		}
		other, err := f.client.OpenRoot("second")
		if err != nil {
			return o, err
		}
		defer other.Close()
		err = errors.Join(f.client.WriteFile("film.bin", []byte(strings.Repeat("1", 2000)), 0o666),
			other.WriteFile("film.bin", []byte(strings.Repeat("2", 2000)), 0o666))
		if err != nil {
			return o, err
		}
		server, err := Start(rec, UntilClosed(func(ln net.Listener) error { return serve(ln, f.server) }))
		if err != nil {
			return o, err
		}
		half := &pausedConn{left: 1000, reached: make(chan struct{}), goOn: make(chan struct{})}
		put := func(side string, folder *os.Root, on func(net.Conn) net.Conn) ([]string, error) {
			conn, err := rec.Dial(side, server.Addr, func(addr string) (net.Conn, error) {
				return net.Dial("tcp", addr)
			})
			if err != nil {
				return nil, err
			}
			defer conn.Close()
			printed, _ := Talk(rec, side, func(conn net.Conn, in io.Reader, out io.Writer) error {
				return sides.Talk(on(conn), folder, in, out)
			}, conn, "put film.bin")
			return printed, nil
		}
		firstErr, secondErr := both(func() (err error) {
			defer half.reach()
			printed, err := put("client 1", f.client, func(conn net.Conn) net.Conn {
				half.Conn = conn
				return half
			})
			o.Got = append(o.Got, printed...)
			return err
		}, func() error {
			<-half.reached
			rec.State(0, "client 1 has sent half of its file")
			printed, err := put("client 2", other, func(conn net.Conn) net.Conn { return conn })
			rec.State(0, "client 2 has had its answer, and client 1 goes on")
			defer close(half.goOn)
			o.Got = append(o.Got, printed...)
			return err
		})
		err = errors.Join(firstErr, secondErr, server.Stop())
		there, serr := stored(f.server)
		o.Got = append(o.Got, there...)
		rec.Verdict("2 clients put a file of the same name at once; the server has %s", listed(there))
		return o, errors.Join(err, serr)
	})
}

// pausedConn pauses when left bytes have been written, until goOn is closed.
type pausedConn struct {
	net.Conn
	left          int
	reached, goOn chan struct{}
	once          sync.Once
}

func (c *pausedConn) reach() { c.once.Do(func() { close(c.reached) }) }

func (c *pausedConn) Write(p []byte) (int, error) {
	if len(p) <= c.left {
		c.left -= len(p)
		return c.Conn.Write(p)
	}
	n, err := c.Conn.Write(p[:c.left])
	if err != nil {
		return n, err
	}
	c.left = math.MaxInt
	c.reach()
	<-c.goOn
	m, err := c.Conn.Write(p[n:])
	return n + m, err
}

// ChangedFile lets a client put a file, of which one byte is changed on the way. Got is what it
// printed, and what the server has then.
func ChangedFile(sides FileSides) Play {
	return inFolders(func(rec *timeline.Recorder, f folders) (o Outcome, err error) {
		if err := f.client.WriteFile("note.txt", []byte("transfer 100 to you"), 0o666); err != nil {
			return o, err
		}
		rec.State(0, "one byte is changed on the way: 100 becomes 900")
		changed := func(c, s net.Conn) (net.Conn, net.Conn) { return &changingConn{c}, s }
		printed, _, answered, err := fileConversation(rec, sides, f, changed, "put note.txt")
		if err := errors.Join(err, answered); err != nil {
			return o, err
		}
		there, err := stored(f.server)
		o.Got = append(printed, there...)
		rec.Verdict("the client printed %q; the server has %s", printed, listed(there))
		return o, err
	})
}

type changingConn struct{ net.Conn }

func (c *changingConn) Write(p []byte) (int, error) {
	return c.Conn.Write(bytes.Replace(p, []byte("transfer 100"), []byte("transfer 900"), 1))
}
