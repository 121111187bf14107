package stagetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/course"
	"socketbook/lessons/internal/stage"
	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// commandLine runs the scripts in testdata, which are the same for all lessons, and those that the
// lesson has in its own testdata. Besides testscript's commands they have
//
//	lesson [-interrupted] ARGS [<FILE] [>full]   the lesson's command, in this process
//	status N PATTERN                            how it ended, with one line on standard error
//	events SCENE FILE                           it has printed the events of that scene and nothing else; they make the picture in FILE
//	serve                                       starts the lesson's server; sets $SERVER
//	nothing-sent                                nothing has come to $TAKEN
//
// and the variables $NUMBER, $TITLE, $FIRST (scene), $SCENES (their number), $FREE (an address
// where nobody listens), $TAKEN (where somebody does and never answers) and $LEAVER (where a server
// leaves without an answer).
func commandLine(t *testing.T, l stage.Lesson) {
	c := &commands{t: t, l: l}
	own, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	all, err := filepath.Glob("../internal/stage/stagetest/testdata/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, all)
	testscript.RunT(inOrder{t}, testscript.Params{
		Files: append(all, own...),
		Setup: c.setup,
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "tcp":
				return l.Listen != nil, nil
			case "commands":
				return l.RunsCommands, nil
			case "chats":
				return l.Chats, nil
			}
			return false, errors.New("no such condition")
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"lesson": c.lesson, "status": c.status, "events": c.events,
			"serve": c.serve, "nothing-sent": c.nothingSent,
		},
	})
}

// inOrder runs scripts one after the other: in one process they share the logger.
type inOrder struct{ *testing.T }

func (t inOrder) Parallel()     {}
func (t inOrder) Verbose() bool { return testing.Verbose() }

func (t inOrder) Run(name string, f func(testscript.T)) {
	t.T.Run(name, func(t *testing.T) { f(inOrder{t}) })
}

// commands are those that the scripts have for a lesson.
type commands struct {
	t     *testing.T
	l     stage.Lesson
	ended int              // the status of the command that ran last
	ln    *net.TCPListener // taken, or
	pc    net.PacketConn
}

func (c *commands) setup(env *testscript.Env) error {
	lesson, _ := course.Find(c.l.Number)
	env.Setenv("NUMBER", c.l.Number)
	env.Setenv("TITLE", regexp.QuoteMeta(lesson.Title))
	env.Setenv("FIRST", c.l.Scenes[0].Name)
	env.Setenv("SCENES", strconv.Itoa(len(c.l.Scenes)))
	if c.l.Listen == nil {
		free, err := loopback.FreePacketAddr()
		require.NoError(c.t, err)
		env.Setenv("FREE", free)
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(c.t, err)
		env.Defer(func() { pc.Close() })
		env.Setenv("TAKEN", pc.LocalAddr().String())
		c.pc = pc
		return nil
	}
	free, err := loopback.FreeAddr()
	require.NoError(c.t, err)
	env.Setenv("FREE", free)
	ln, err := loopback.Listen()
	require.NoError(c.t, err)
	env.Defer(func() { ln.Close() })
	env.Setenv("TAKEN", ln.Addr().String())
	c.ln = ln.(*net.TCPListener)
	leaver, err := loopback.Listen()
	require.NoError(c.t, err)
	env.Defer(func() { leaver.Close() })
	env.Setenv("LEAVER", leaver.Addr().String())
	go leave(leaver)
	return nil
}

// leave takes a message from each client, and closes the connection.
func leave(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		conn.Read(make([]byte, 1024))
		conn.Close()
	}
}

func (c *commands) lesson(ts *testscript.TestScript, neg bool, args []string) {
	ctx, in, out := context.Background(), "", ts.Stdout()
	var rest []string
	for _, arg := range args {
		name, isInput := strings.CutPrefix(arg, "<")
		switch {
		case arg == "-interrupted":
			cancelled, cancel := context.WithCancel(ctx)
			cancel()
			ctx = cancelled
		case isInput:
			in = ts.ReadFile(name)
		case arg == ">full":
			out = full{}
		default:
			if strings.HasSuffix(arg, ".svg") {
				arg = ts.MkAbs(arg)
			}
			rest = append(rest, arg)
		}
	}
	l := c.l
	l.Dial = func(addr string) (net.Conn, error) {
		conn, err := c.l.Dial(addr)
		if err == nil && c.pc != nil && addr == c.pc.LocalAddr().String() {
			conn = hurried{conn} // nothing will ever come from there
		}
		return conn, err
	}
	c.ended = stage.Run(ctx, l, rest, strings.NewReader(in), out, ts.Stderr())
	if neg != (c.ended != 0) {
		ts.Fatalf("status %d", c.ended)
	}
}

// full is a standard output on a full disk.
type full struct{}

func (full) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}
}

// hurried is a connection on which a wait for what never comes is short, if the program has a
// deadline.
type hurried struct{ net.Conn }

func (h hurried) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		t = time.Now().Add(time.Millisecond)
	}
	return h.Conn.SetReadDeadline(t)
}

func (c *commands) status(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	says := ts.ReadFile("stderr")
	if c.ended != want {
		ts.Fatalf("status %d, not %d", c.ended, want)
	}
	if strings.Count(says, "\n") != 1 || !strings.HasSuffix(says, "\n") {
		ts.Fatalf("not one line on standard error: %q", says)
	}
	if !regexp.MustCompile(args[1]).MatchString(says) {
		ts.Fatalf("it does not say %q", args[1])
	}
}

// events reads back what the lesson has streamed, and draws the picture from it that the lesson has
// drawn from what it recorded.
func (c *commands) events(ts *testscript.TestScript, _ bool, args []string) {
	lines := map[string]*bytes.Buffer{}
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		var e timeline.Event
		ts.Check(json.Unmarshal([]byte(line), &e))
		if lines[e.Scene] == nil {
			lines[e.Scene] = &bytes.Buffer{}
		}
		lines[e.Scene].WriteString(line)
	}
	i := slices.IndexFunc(c.l.Scenes, func(sc stage.Scene) bool { return sc.Name == args[0] })
	takes := c.l.Scenes[i].Takes()
	if len(lines) != len(takes) {
		ts.Fatalf("events of %d takes, not of %d", len(lines), len(takes))
	}
	var scenes []timeline.Scene
	for _, take := range takes {
		if lines[take.Name()] == nil {
			ts.Fatalf("no event of %s", take.Name())
		}
		events, err := timeline.ReadJSON(lines[take.Name()])
		ts.Check(err)
		scenes = append(scenes, timeline.Scene{Title: take.Title, Events: events})
	}
	var svg strings.Builder
	ts.Check(timeline.SVG(&svg, scenes))
	if ts.ReadFile(args[1]) != svg.String() {
		ts.Fatalf("the events make another picture than the one in %s", args[1])
	}
}

func (c *commands) serve(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) > 0 {
		ts.Fatalf("usage: serve")
	}
	ts.Setenv("SERVER", Server(c.t).Addr)
}

func (c *commands) nothingSent(ts *testscript.TestScript, _ bool, _ []string) {
	buf := make([]byte, 10)
	if c.ln != nil {
		ts.Check(c.ln.SetDeadline(time.Now().Add(loopback.Patience)))
		conn, err := c.ln.Accept()
		ts.Check(err)
		defer conn.Close()
		ts.Check(conn.SetDeadline(time.Now().Add(loopback.Patience)))
		if n, _ := conn.Read(buf); n > 0 {
			ts.Fatalf("the client sent %q", buf[:n])
		}
		return
	}
	ts.Check(c.pc.SetDeadline(time.Now().Add(loopback.Patience)))
	_, err := c.pc.WriteTo([]byte("end"), c.pc.LocalAddr())
	ts.Check(err)
	n, _, err := c.pc.ReadFrom(buf)
	ts.Check(err)
	if string(buf[:n]) != "end" {
		ts.Fatalf("the client sent %q", buf[:n])
	}
}
