package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// RunFunc runs a command line until ctx ends, and returns its exit status and what it has printed.
type RunFunc func(ctx context.Context, command string) (status int, output []byte)

// runsOne reads one command from conn, runs it, sends what it has printed, and closes conn.
func runsOne(ctx context.Context, conn net.Conn, run RunFunc) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	if err != nil {
		return err
	}
	if _, output := run(ctx, string(buf[:n])); len(output) > 0 {
		_, err = conn.Write(output)
	}
	return err
}

// SlowCommand sends a command that starts sleep, and waits for it, longer than its limit allows. Got is the
// answer, Stuck whether the server would have waited on when the limit had passed, N how many processes of
// the command were left then.
func SlowCommand(run RunFunc, command string) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		sleepers, err := NewSleepers()
		if err != nil {
			return o, err
		}
		defer sleepers.Close()
		ctx, cancel := context.WithCancelCause(context.Background())
		served := make(chan error, 1)
		go func() { served <- runsOne(ctx, s, run) }()
		defer func() { <-served }()
		defer cancel(nil)
		if _, err := c.Write([]byte(command)); err != nil {
			return o, err
		}
		sleep, err := sleepers.Next()
		if err != nil {
			return o, err
		}
		defer sleep.End()
		rec.State(0, "the shell has started sleep, and waits for it")
		<-time.After(Hang)
		limit := fmt.Errorf("its limit of %v has passed", Hang)
		rec.Note("server", nil, "ends the command: %v", limit)
		cancel(limit)
		outlives, err := sleep.Outlives()
		if err != nil {
			return o, err
		}
		if outlives {
			o.N = 1
			<-time.After(Hang)
			o.Stuck = len(served) == 0
			rec.State(0, "the shell has ended; sleep goes on, and the server still waits for what it may print")
			sleep.End()
		}
		answer, err := io.ReadAll(c)
		o.Got = []string{string(answer)}
		if o.Stuck {
			rec.Verdict("the limit ended the shell alone: sleep went on, and the server waited for it, "+
				"until the scene ended both after %v", Hang)
		} else {
			rec.Verdict("the limit ended the shell and sleep, and the client was told %q", answer)
		}
		return o, err
	})
}

// KeyboardFunc is a RunFunc whose command may read what is typed at the server.
type KeyboardFunc func(ctx context.Context, command string, keyboard io.Reader) (status int, output []byte)

// WaitsForInput sends a command that reads its standard input. Got is the answer, Stuck whether it waited
// until somebody typed something at the server.
func WaitsForInput(run KeyboardFunc, command string) Play {
	return onPair(func(rec *timeline.Recorder, c, s net.Conn) (o Outcome, err error) {
		keys := &keyboard{asked: make(chan struct{}), typed: make(chan struct{})}
		served := make(chan error, 1)
		go func() {
			served <- runsOne(context.Background(), s, func(ctx context.Context, command string) (int, []byte) {
				return run(ctx, command, keys)
			})
		}()
		if _, err := c.Write([]byte(command)); err != nil {
			return o, err
		}
		select {
		case err = <-served:
		case <-keys.asked:
			o.Stuck = true
			<-time.After(Hang)
			rec.State(0, "somebody types a line at the server, and ends the input")
			close(keys.typed)
			err = <-served
		}
		answer, rerr := io.ReadAll(c)
		o.Got = []string{string(answer)}
		if o.Stuck {
			rec.Verdict("the command waited for the server's keyboard; the client was sent what was typed "+
				"there: %q", answer)
		} else {
			rec.Verdict("the command found nothing to read, and ended; the client was sent %q", answer)
		}
		return o, errors.Join(err, rerr)
	})
}

// keyboard has nothing to read until somebody types, and then one line.
type keyboard struct {
	once         sync.Once
	asked, typed chan struct{}
	line         *strings.Reader
}

func (k *keyboard) Read(p []byte) (int, error) {
	k.once.Do(func() {
		k.line = strings.NewReader("typed at the server\n")
		close(k.asked)
	})
	<-k.typed
	return k.line.Read(p)
}

// ExitStatus lets a client send commands that print nothing. Got is what it printed after each.
func ExitStatus(
	newServer NewServer,
	answer AnswerFunc,
	dial DialFunc,
	talk TalkFunc,
	commands ...string,
) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		s := newServer(answer, 0)
		server, err := Start(rec, s.Serve)
		if err != nil {
			return o, err
		}
		defer stop(s, server)
		conn, err := rec.Dial("client", server.Addr, dial)
		if err != nil {
			return o, err
		}
		defer conn.Close()
		for _, command := range commands {
			lines, err := Talk(rec, "client", talk, conn, command)
			if err != nil {
				return o, err
			}
			printed := strings.TrimSpace(strings.Join(lines, " "))
			o.Got = append(o.Got, printed)
			if printed == "" {
				printed = "nothing"
			}
			rec.Verdict("%s: the client printed %s", command, printed)
		}
		conn.Close()
		return o, closed(rec, 1)
	}
}

// IdleClient lets a client come that says nothing, to a server with room for one, and then another one. Got
// is what the second one was told, each time that it came; Stuck is whether the first one would have stayed
// forever.
func IdleClient(newServer NewServer, answer LimitedAnswer, dial DialFunc, ask AskFunc) Play {
	return func(rec *timeline.Recorder) (Outcome, error) {
		return undisturbed(rec, func(rec *timeline.Recorder, limit time.Duration) (Outcome, bool, error) {
			s := newServer(func(conn net.Conn) error {
				answer(limit)(borrowed{conn}) // its error says which limit has passed
				return nil
			}, 1)
			return idleClient(rec, s, dial, ask)
		})
	}
}

func idleClient(
	rec *timeline.Recorder, s ServerType, dial DialFunc, ask AskFunc,
) (o Outcome, disturbed bool, err error) {
	server, err := Start(rec, s.Serve)
	if err != nil {
		return o, false, err
	}
	defer stop(s, server)
	first, err := rec.Dial("client 1", server.Addr, dial)
	if err != nil {
		return o, false, err
	}
	defer first.Close()
	server.Listening(1)
	if err := o.comes(rec, server.Addr, dial, ask, true); err != nil {
		return o, true, nil // client 1 has already lost its place
	}
	patience := loopback.Patience
	if !server.limited() { // it waits, and no deadline will end that
		patience = Hang
	}
	first.SetReadDeadline(time.Now().Add(patience))
	_, met := first.Read(make([]byte, 1))
	if o.Stuck = errors.Is(met, os.ErrDeadlineExceeded); !o.Stuck {
		if err := closed(rec, 2); err != nil {
			return o, false, err
		}
	}
	if err := o.comes(rec, server.Addr, dial, ask, o.Stuck); err != nil {
		return o, true, nil
	}
	stays := "was sent away when its time was over"
	if o.Stuck {
		stays = "keeps its place: the server waits for it without a limit"
	}
	rec.Verdict("client 1 said nothing, and %s; client 2: %s, and later: %s", stays, o.Got[0], o.Got[1])
	return o, o.Got[0] == o.Got[1] != o.Stuck, nil
}

// AskFunc sends a command over conn, and returns its status and what it has printed. An empty command is a
// heartbeat.
type AskFunc func(conn net.Conn, command string) (status int, output []byte, err error)

// comes lets client 2 come and ask whether anybody is there. When the server is full it only reads: the reset
// that answers a question may take away what it was told (Windows).
func (o *Outcome) comes(rec *timeline.Recorder, addr string, dial DialFunc, ask AskFunc, full bool) error {
	conn, err := rec.Dial("client 2", addr, dial)
	if err != nil {
		return err
	}
	defer conn.Close()
	if full {
		conn = mute{conn}
	}
	status, output, err := ask(conn, "")
	if status == 0 {
		output = []byte("answered")
	}
	o.Got = append(o.Got, string(output))
	return err
}

// mute is a connection over which nothing is sent.
type mute struct{ net.Conn }

func (mute) Write(p []byte) (int, error) { return len(p), nil }
