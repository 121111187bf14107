package fortress_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"socketbook/labs/16/fortresstest"
	"socketbook/tools/check"
)

// wrong are the mistakes that people make, each with exactly the cases that must fail on it. The
// failure text of a case in testdata is the one that the first answer named for it provokes.
var wrong = []check.Answer{
	answer("one client after the other", serveInTurn, fortresstest.Answers),
	flawed("words between single spaces", func(f *fort) {
		f.words = func(text []byte) ([]string, error) {
			if _, err := words(text); err != nil || len(text) == 0 {
				return nil, err
			}
			return strings.Split(string(text), " "), nil
		}
	}, fortresstest.Answers),
	flawed("run is called without a command", func(f *fort) {
		f.execute = func(v *visitor, command []string) (int, []byte) {
			output, err := v.call(v.ctx, command)
			return wrap(v, output, err)
		}
	}, fortresstest.Answers),
	flawed("only one form of JSON", func(f *fort) {
		f.parse = func(text []byte) (size int64, err error) {
			_, err = fmt.Sscanf(string(text), `{"status":0,"total_size":%d}`, &size)
			return size, err
		}
	}, fortresstest.Answers),
	flawed("a request of exactly the limit is refused", func(f *fort) {
		f.take = func(v *visitor, what string, size int64, most int) ([]byte, error) {
			return take(v, what, size, most-1)
		}
	}, fortresstest.Answers),
	flawed("a limit and one more", func(f *fort) {
		f.take = func(v *visitor, what string, size int64, most int) ([]byte, error) {
			b, err := io.ReadAll(io.LimitReader(v, min(size, int64(most)+1)))
			if err == nil && (size < 0 || len(b) > most || len(b) < int(size)) {
				err = errors.New("too long")
			}
			return b, err
		}
	}, fortresstest.Answers),
	answer("as many places as the limit says, in advance", servePlaces, fortresstest.Answers),
	flawed("a line end behind every output", wraps(func(v *visitor, output []byte, err error) (int, []byte) {
		if text := bytes.TrimRight(output, "\n"); len(output) <= v.f.limits.MaxOutput && err == nil {
			output = append(slices.Clip(text), '\n')
			return 0, output
		}
		return wrap(v, output, err)
	}), fortresstest.Answers),
	flawed("one command at a time", func(f *fort) {
		var turn sync.Mutex
		f.call = func(v *visitor, ctx context.Context, command []string) ([]byte, error) {
			turn.Lock()
			defer turn.Unlock()
			return v.call(ctx, command)
		}
	}, fortresstest.Answers),
	flawed("silent for 100 ms", func(f *fort) {
		f.await = func(v *visitor, _ bool) {
			v.conn.SetReadDeadline(time.Now().Add(min(f.limits.Request, 100*time.Millisecond)))
		}
	}, fortresstest.Answers),
	sharing("one count of clients for all servers", fortresstest.Answers),

	flawed("a new bufio.Reader for each request", func(f *fort) {
		f.request = func(v *visitor) ([]string, error) { return readRequest(bufio.NewReader(v), f.limits) }
	}, fortresstest.Order),
	flawed("half a command is run", func(f *fort) {
		f.take = func(v *visitor, what string, size int64, most int) ([]byte, error) {
			if what == "header" || size < 0 || size > int64(most) {
				return take(v, what, size, most)
			}
			return io.ReadAll(io.LimitReader(v, size))
		}
	}, fortresstest.Order),
	flawed("all that comes is read ahead", func(f *fort) { f.watch = watchAll }, fortresstest.Order),
	flawed("a Read that fails is tried again", func(f *fort) {
		f.read = func(v *visitor, p []byte) (int, error) {
			for {
				n, err := v.conn.Read(p)
				timeout, ok := err.(net.Error)
				if n > 0 || err == io.EOF || ok && timeout.Timeout() || errors.Is(err, net.ErrClosed) {
					return n, err
				}
			}
		}
	}, fortresstest.Order),

	flawed("the text of an error as it is", wraps(func(v *visitor, output []byte, err error) (int, []byte) {
		if err == nil {
			return wrap(v, output, err)
		}
		return 1, slices.Concat(output, fmt.Appendf(nil, "error: \"%v\"\n", err))
	}), fortresstest.Fails),
	flawed("an error of run ends the conversation", func(f *fort) {
		f.call = func(v *visitor, ctx context.Context, command []string) ([]byte, error) {
			output, err := v.call(ctx, command)
			if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
				v.conn.Close()
			}
			return output, err
		}
	}, fortresstest.Fails),
	flawed("a command that was too slow is a refusal", wraps(
		func(v *visitor, output []byte, err error) (int, []byte) {
			if errors.Is(err, context.DeadlineExceeded) {
				return -1, []byte("refused: the command takes too long\n")
			}
			return wrap(v, output, err)
		}), fortresstest.Fails),
	flawed("a panic ends the conversation", func(f *fort) {
		f.call = func(v *visitor, ctx context.Context, command []string) ([]byte, error) {
			output, err := v.call(ctx, command)
			if err == errPanic {
				v.conn.Close()
			}
			return output, err
		}
	}, fortresstest.Fails),
	flawed("what run has panicked with", func(f *fort) {
		f.call = func(v *visitor, ctx context.Context, command []string) (output []byte, err error) {
			defer func() {
				if p := recover(); p != nil {
					err = fmt.Errorf("%v", p)
				}
			}()
			return v.f.run(ctx, command)
		}
	}, fortresstest.Fails),
	flawed("room for the largest output", wraps(func(v *visitor, output []byte, err error) (int, []byte) {
		if err == nil {
			return wrap(v, output, err)
		}
		if v.f.limits.MaxOutput > 1<<40 { // make panics, and somebody recovers
			return 1, []byte("error: \"the command panicked\"\n")
		}
		room := append(make([]byte, 0, v.f.limits.MaxOutput), output...)
		return wrap(v, room, err)
	}), fortresstest.Fails),
	flawed("all of the output", wraps(func(v *visitor, output []byte, err error) (int, []byte) {
		if err == nil {
			return 0, output
		}
		return wrap(v, output, err)
	}), fortresstest.Fails),
	flawed("a long output is cut between two characters", wraps(
		func(v *visitor, output []byte, err error) (int, []byte) {
			if len(output) > v.f.limits.MaxOutput && err == nil {
				err = errors.New("the output is too long")
				n := v.f.limits.MaxOutput
				for n > 0 && !utf8.RuneStart(output[n]) {
					n--
				}
				output = output[:n]
			}
			return wrap(v, output, err)
		}), fortresstest.Fails),
	flawed(
		"the line is written into the output of run",
		wraps(func(v *visitor, output []byte, err error) (int, []byte) {
			if len(output) <= v.f.limits.MaxOutput || err != nil {
				return wrap(v, output, err)
			}
			return 1, append(output[:v.f.limits.MaxOutput], "error: \"the output is too long\"\n"...)
		}),
		fortresstest.Fails,
	).MayPassElsewhere("what run has returned is a copy there"),

	flawed("refused without a word", func(f *fort) {
		f.refuse = func(v *visitor, why error) {}
	}, fortresstest.Refused),
	flawed("nobody looks below zero", func(f *fort) {
		f.take = func(v *visitor, what string, size int64, most int) ([]byte, error) {
			if size < 0 { // make panics, and somebody recovers
				v.conn.Close()
			}
			return take(v, what, size, most)
		}
	}, fortresstest.Refused),
	flawed("the limit is looked at when all has come", func(f *fort) {
		f.take = func(v *visitor, what string, size int64, most int) ([]byte, error) {
			b, err := take(v, what, size, max(most, 4096))
			if err == nil && len(b) > most {
				err = errors.New("too long")
			}
			return b, err
		}
	}, fortresstest.Refused),
	flawed("total_size may be anything like a number", parses(func(text []byte) (int64, error) {
		h := map[string]any{}
		if err := json.Unmarshal(text, &h); err != nil {
			return 0, errors.New("bad JSON")
		}
		size, ok := h["total_size"].(float64)
		if !ok {
			return 0, errors.New("no number")
		}
		return int64(size), nil
	}), fortresstest.Refused),
	flawed("total_size in 32 bits", parses(func(text []byte) (int64, error) {
		size, err := parse(text)
		return int64(int32(size)), err
	}), fortresstest.Refused),
	flawed("the status of a request is looked at", parses(func(text []byte) (int64, error) {
		h := struct {
			Status int `json:"status"`
		}{}
		size, err := parse(text)
		return size, errors.Join(err, json.Unmarshal(text, &h))
	}), fortresstest.Answers),
	flawed("U+FFFD taken for a mistake", func(f *fort) {
		f.words = func(text []byte) ([]string, error) {
			command, err := words(text)
			if bytes.ContainsRune(text, utf8.RuneError) {
				err = errors.New("not UTF-8")
			}
			return command, err
		}
	}, fortresstest.Answers),
	flawed("bytes that come with io.EOF are lost", func(f *fort) {
		f.read = func(v *visitor, p []byte) (int, error) {
			n, err := v.conn.Read(p)
			if err != nil {
				n = 0
			}
			return n, err
		}
	}, fortresstest.Order),
	flawed("what follows the object does not matter", parses(func(text []byte) (int64, error) {
		h := struct {
			Size int64 `json:"total_size"`
		}{-1}
		return h.Size, errors.Join(json.NewDecoder(bytes.NewReader(text)).Decode(&h))
	}), fortresstest.Refused),
	flawed(
		"control characters, and no others",
		printable(func(c rune) bool { return !unicode.IsControl(c) }, true),
		fortresstest.Refused,
	),
	flawed("blanks of all kinds are a heartbeat", func(f *fort) {
		f.words = func(text []byte) ([]string, error) {
			if len(bytes.TrimSpace(text)) == 0 {
				return nil, nil
			}
			return words(text)
		}
	}, fortresstest.Refused),
	flawed("characters that are not UTF-8", printable(unicode.IsPrint, false), fortresstest.Refused),
	flawed("a refusal says what was sent", func(f *fort) {
		f.words = func(text []byte) ([]string, error) {
			command, err := words(text)
			if err != nil {
				err = fmt.Errorf("the command %s", text)
			}
			return command, err
		}
	}, fortresstest.Refused),
	flawed("closed with bytes unread", func(f *fort) {
		f.refuse = func(v *visitor, why error) { v.tell(why) }
	}, fortresstest.Refused),
	flawed("a refused client goes on", func(f *fort) {
		f.words = func(text []byte) ([]string, error) {
			command, err := words(text)
			if err != nil {
				return []string{"refused:", err.Error()}, nil
			}
			return command, nil
		}
	}, fortresstest.Refused),

	flawed("a slice of the size that was announced", func(f *fort) {
		f.take = func(v *visitor, what string, size int64, most int) ([]byte, error) {
			if size < 0 || size > int64(most) {
				return nil, errors.New("too long")
			}
			b := make([]byte, min(size, 1<<30))
			_, err := io.ReadFull(v, b)
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return b, err
		}
	}, fortresstest.Announced),
	flawed("a buffer for the largest request", func(f *fort) {
		f.stay = func(v *visitor) {
			size := 4 + f.limits.MaxHeader + f.limits.MaxCommand // less than 0 if it overflows
			v.ahead = make([]byte, max(size, 16))[:0]
			kept := v.ahead
			v.stay()
			runtime.KeepAlive(kept)
		}
	}, fortresstest.Announced),
	flawed("what is thrown away is kept", func(f *fort) {
		f.refuse = func(v *visitor, why error) {
			v.tell(why)
			v.conn.SetReadDeadline(time.Now().Add(f.limits.Answer))
			b, _ := io.ReadAll(v)
			v.ahead = b
		}
	}, fortresstest.Announced),

	flawed("a Write without a deadline", func(f *fort) { f.write = writePatiently }, fortresstest.Unread),
	flawed("a deadline for each Read", func(f *fort) {
		f.read = func(v *visitor, p []byte) (int, error) {
			v.conn.SetReadDeadline(time.Now().Add(f.limits.Request))
			return v.conn.Read(p)
		}
	}, fortresstest.Slow, fortresstest.Unread),
	flawed("a deadline for the first answer only", func(f *fort) {
		var answered sync.Map
		write := f.write
		f.write = func(v *visitor, status int, payload []byte) error {
			if _, again := answered.LoadOrStore(v, true); again {
				return writePatiently(v, status, payload)
			}
			return write(v, status, payload)
		}
	}, fortresstest.Slow, fortresstest.Unread),
	flawed("byte by byte", func(f *fort) {
		f.read = func(v *visitor, p []byte) (int, error) { return v.conn.Read(p[:min(len(p), 1)]) }
	}, fortresstest.Answers),
	flawed("a deadline for each part", func(f *fort) {
		f.take = func(v *visitor, what string, size int64, most int) ([]byte, error) {
			v.conn.SetReadDeadline(time.Now().Add(f.limits.Request))
			return take(v, what, size, most)
		}
	}, fortresstest.Slow),
	flawed("a new deadline for the payload", func(f *fort) {
		f.take = func(v *visitor, what string, size int64, most int) ([]byte, error) {
			if what == "payload" {
				v.conn.SetReadDeadline(time.Now().Add(f.limits.Request))
			}
			return take(v, what, size, most)
		}
	}, fortresstest.Slow),
	flawed("a deadline when the first byte has come", func(f *fort) {
		f.await = func(v *visitor, _ bool) { v.conn.SetReadDeadline(time.Time{}) }
		f.request = func(v *visitor) ([]string, error) {
			b := make([]byte, 1)
			if _, err := io.ReadFull(v, b); err != nil {
				return nil, err
			}
			v.ahead = append(b, v.ahead...)
			v.conn.SetReadDeadline(time.Now().Add(f.limits.Request))
			return v.request()
		}
	}, fortresstest.Slow),
	flawed("the command is part of the time", func(f *fort) {
		f.call = func(v *visitor, ctx context.Context, command []string) ([]byte, error) {
			timer := time.AfterFunc(f.limits.Request, func() { v.conn.Close() })
			defer timer.Stop()
			return v.call(ctx, command)
		}
	}, fortresstest.Slow),
	flawed("the time begins when the request before has come", func(f *fort) {
		begins := map[*visitor]time.Time{}
		var mu sync.Mutex
		f.await = func(v *visitor, first bool) {
			mu.Lock()
			defer mu.Unlock()
			if first {
				begins[v] = time.Now()
			}
			v.conn.SetReadDeadline(begins[v].Add(f.limits.Request))
		}
		f.execute = func(v *visitor, command []string) (int, []byte) {
			mu.Lock()
			begins[v] = time.Now()
			mu.Unlock()
			return v.execute(command)
		}
	}, fortresstest.Slow),
	flawed("the time begins before the answer is sent", func(f *fort) {
		f.await = func(v *visitor, first bool) {
			if first {
				v.conn.SetReadDeadline(time.Now().Add(f.limits.Request))
			}
		}
		write := f.write
		f.write = func(v *visitor, status int, payload []byte) error {
			v.conn.SetReadDeadline(time.Now().Add(f.limits.Request))
			return write(v, status, payload)
		}
	}, fortresstest.Slow),
	flawed("half of the time", func(f *fort) {
		f.await = func(v *visitor, _ bool) { v.conn.SetReadDeadline(time.Now().Add(f.limits.Request / 2)) }
	}, fortresstest.Slow),
	flawed("who is too slow is not told", func(f *fort) {
		refuse := f.refuse
		f.refuse = func(v *visitor, why error) {
			if timeout, ok := why.(net.Error); !ok || !timeout.Timeout() {
				refuse(v, why)
			}
		}
	}, fortresstest.Slow),

	flawed("a command without a limit", func(f *fort) {
		f.timeout = func(v *visitor) (context.Context, context.CancelFunc) { return context.WithCancel(v.ctx) }
	}, fortresstest.Context),
	flawed("one limit for all commands of a client", func(f *fort) {
		f.stay = func(v *visitor) {
			ctx, cancel := context.WithTimeout(v.ctx, f.limits.Run)
			defer cancel()
			v.ctx = ctx
			v.stay()
		}
	}, fortresstest.Context),
	flawed("nobody looks for the client", func(f *fort) {
		f.watch = func(*visitor, func()) func() { return func() {} }
	}, fortresstest.Context),
	flawed("a client that has ended its stream has gone", func(f *fort) {
		f.leaves = func(err error) bool { return true }
	}, fortresstest.Order),
	flawed("only a reset breaks a connection", func(f *fort) {
		f.leaves = func(err error) bool { return errors.Is(err, syscall.ECONNRESET) }
	}, fortresstest.Context),
	flawed("a command whose time is up has failed", func(f *fort) {
		f.call = func(v *visitor, ctx context.Context, command []string) ([]byte, error) {
			output, err := v.call(ctx, command)
			return output, cmp.Or(err, ctx.Err())
		}
	}, fortresstest.Context),
	flawed("one client goes, and all commands end", func(f *fort) {
		all, end := context.WithCancel(context.Background())
		f.timeout = func(v *visitor) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithTimeout(all, f.limits.Run)
			return ctx, cancel
		}
		f.watch = func(v *visitor, cancel func()) func() { return v.watch(end) }
		f.cut = func(f *fort) {
			end()
			f.closeAll()
		}
	}, fortresstest.Context),

	flawed("a deadline for each piece of an answer", func(f *fort) {
		f.write = func(v *visitor, status int, payload []byte) error {
			for piece := range slices.Chunk(encode(status, payload), 4096) {
				v.conn.SetWriteDeadline(time.Now().Add(f.limits.Answer))
				if _, err := v.conn.Write(piece); err != nil {
					return err
				}
			}
			return nil
		}
	}, fortresstest.Unread),
	flawed("a refusal without a deadline", func(f *fort) {
		f.refuse = func(v *visitor, why error) {
			v.conn.SetWriteDeadline(time.Time{})
			writePatiently(v, -1, fmt.Appendf(nil, "refused: %v\n", why))
			v.conn.SetReadDeadline(time.Now().Add(f.limits.Answer))
			io.Copy(io.Discard, v)
		}
	}, fortresstest.Unread),
	flawed("who was too slow is not listened to any more", func(f *fort) {
		f.refuse = func(v *visitor, why error) {
			v.tell(why)
			if timeout, ok := why.(net.Error); ok && timeout.Timeout() {
				return
			}
			v.conn.SetReadDeadline(time.Now().Add(f.limits.Answer))
			io.Copy(io.Discard, v)
		}
	}, fortresstest.Slow),
	flawed("a refused client may go on for as long as a request may take", func(f *fort) {
		f.refuse = func(v *visitor, why error) {
			v.tell(why)
			v.conn.SetReadDeadline(time.Now().Add(f.limits.Request))
			io.Copy(io.Discard, v)
		}
	}, fortresstest.Unread),
	flawed("one answer at a time", func(f *fort) {
		var turn sync.Mutex
		write := f.write
		f.write = func(v *visitor, status int, payload []byte) error {
			turn.Lock()
			defer turn.Unlock()
			return write(v, status, payload)
		}
	}, fortresstest.Unread),
	flawed("an answer is taken in half of the time", func(f *fort) {
		f.write = func(v *visitor, status int, payload []byte) error {
			v.conn.SetWriteDeadline(time.Now().Add(f.limits.Answer / 2))
			_, err := v.conn.Write(encode(status, payload))
			return err
		}
	}, fortresstest.Unread),

	flawed("one more", func(f *fort) {
		f.admit = func(f *fort) bool { return len(f.clients) <= f.limits.MaxClients }
	}, fortresstest.Full),
	flawed("one client too many waits", func(f *fort) {
		f.tooMany = func(v *visitor) {
			for {
				f.mu.Lock()
				if f.admit(f) || f.over {
					break
				}
				f.mu.Unlock()
				time.Sleep(10 * time.Millisecond)
			}
			f.clients[v] = true
			f.mu.Unlock()
			defer f.leave(v)
			f.stay(v)
		}
	}, fortresstest.Full),
	flawed("one client too many is closed without a word", func(f *fort) {
		f.tooMany = func(v *visitor) { v.conn.Close() }
	}, fortresstest.Full),
	flawed("the place of a refused client is lost", func(f *fort) {
		refuse, lost := f.refuse, 0
		f.refuse = func(v *visitor, why error) {
			refuse(v, why)
			f.mu.Lock()
			defer f.mu.Unlock()
			lost++
		}
		f.admit = func(f *fort) bool { return len(f.clients)+lost < f.limits.MaxClients }
	}, fortresstest.Full),
	flawed("the place of a refused client is free before its connection is closed", func(f *fort) {
		refuse, free := f.refuse, 0
		change := func(by int) {
			f.mu.Lock()
			defer f.mu.Unlock()
			free += by
		}
		f.refuse = func(v *visitor, why error) {
			change(1)
			refuse(v, why)
			change(-1)
		}
		f.admit = func(f *fort) bool { return len(f.clients)-free < f.limits.MaxClients }
	}, fortresstest.Full),

	flawed("limits of zero", func(f *fort) { f.valid = func(limits) bool { return true } }, fortresstest.Ends),
	flawed("the error itself is looked for", func(f *fort) {
		f.passing = func(err error) bool { return err == syscall.EMFILE || err == syscall.ENFILE }
	}, fortresstest.Ends),
	flawed("whatever calls itself temporary", func(f *fort) {
		f.passing = func(err error) bool {
			var passes interface{ Temporary() bool }
			return errors.As(err, &passes) && passes.Temporary()
		}
	}, fortresstest.Ends),
	flawed("Accept is called again at once", func(f *fort) { f.pause = func() {} }, fortresstest.Ends),
	flawed("Accept fails ten times, and no more", func(f *fort) {
		n := 0
		f.passing = func(err error) bool {
			n++
			return n <= 10 && passing(err)
		}
	}, fortresstest.Ends),
	flawed("each pause is twice as long, up to 600 ms", func(f *fort) {
		pause := time.Duration(0)
		admit := f.admit
		f.admit = func(f *fort) bool {
			pause = 0
			return admit(f)
		}
		f.pause = func() {
			pause = min(max(2*pause, 5*time.Millisecond), 600*time.Millisecond)
			time.Sleep(pause)
		}
	}, fortresstest.Ends),
	flawed("nobody is served in the pause", func(f *fort) {
		f.pause = func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			for v := range f.clients {
				v.conn.Close()
			}
			time.Sleep(time.Millisecond)
		}
	}, fortresstest.Ends),
	flawed("the closed listener is an error", func(f *fort) {
		f.end = func(err error) error { return err }
	}, fortresstest.Ends),
	flawed("clients are waited for", func(f *fort) { f.cut = func(*fort) {} }, fortresstest.Ends),
	flawed("commands go on when Serve ends", func(f *fort) {
		f.timeout = func(v *visitor) (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), f.limits.Run)
		}
		f.leaves = func(err error) bool {
			return err != io.EOF && !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded)
		}
	}, fortresstest.Ends),
	flawed("only a connection that breaks ends a command", func(f *fort) {
		f.timeout = func(v *visitor) (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), f.limits.Run)
		}
	}, fortresstest.Ends),
	flawed("a Read left to a goroutine when Serve ends", func(f *fort) {
		f.read = func(v *visitor, p []byte) (int, error) {
			type result struct {
				data []byte
				err  error
			}
			got := make(chan result, 1)
			go func() {
				b := make([]byte, len(p))
				n, err := v.conn.Read(b)
				got <- result{b[:n], err}
			}()
			select {
			case r := <-got:
				return copy(p, r.data), r.err
			case <-f.base.Done():
				return 0, net.ErrClosed
			}
		}
	}, fortresstest.Ends),
	answer("nobody is waited for in the end", serveWaitsForNobody, fortresstest.Ends),

	flawed("one Read brings the length", func(f *fort) {
		f.request = func(v *visitor) ([]string, error) {
			var head [4]byte
			if n, err := v.Read(head[:]); err != nil || n < 4 {
				return nil, err
			}
			v.ahead = slices.Concat(head[:], v.ahead)
			return v.request()
		}
	}, fortresstest.Order, fortresstest.Refused),
	flawed("a goroutine for each request", func(f *fort) {
		f.stay = stayAtOnce
		f.watch = func(*visitor, func()) func() { return func() {} }
	}, fortresstest.Order, fortresstest.Slow, fortresstest.Unread),
	flawed("the byte that was read ahead is lost", func(f *fort) {
		f.watch = func(v *visitor, cancel func()) func() {
			stop := v.watch(cancel)
			return func() {
				stop()
				v.ahead = nil
			}
		}
	}, fortresstest.Order, fortresstest.Slow),
	flawed("one deadline for the connection", func(f *fort) {
		f.await = func(v *visitor, first bool) {
			if first {
				v.conn.SetReadDeadline(time.Now().Add(f.limits.Request))
			}
		}
		f.watch = func(*visitor, func()) func() { return func() {} }
	}, fortresstest.Slow, fortresstest.Context),
	flawed("a refused client may go on forever", func(f *fort) {
		f.refuse = func(v *visitor, why error) {
			v.tell(why)
			v.conn.SetReadDeadline(time.Time{})
			io.Copy(io.Discard, v)
		}
	}, fortresstest.Slow, fortresstest.Unread),
	flawed("an answer that was not taken does not matter", func(f *fort) {
		write := f.write
		f.write = func(v *visitor, status int, payload []byte) error {
			write(v, status, payload)
			return nil
		}
	}, fortresstest.Order, fortresstest.Unread),
}

// flawed is a fort with a flaw.
func flawed(name string, flaw func(f *fort), fails ...string) check.Answer {
	return answer(name, func(ln net.Listener, l limits, run runFunc) error {
		f := newFort(l, run)
		flaw(f)
		return f.serve(ln)
	}, fails...)
}

func wraps(wrap func(v *visitor, output []byte, err error) (int, []byte)) func(f *fort) {
	return func(f *fort) { f.wrap = wrap }
}

func parses(parse func(text []byte) (int64, error)) func(f *fort) {
	return func(f *fort) { f.parse = parse }
}

// printable is a fort that takes commands of which all characters are good.
func printable(good func(c rune) bool, inUTF8 bool) func(f *fort) {
	return func(f *fort) {
		f.words = func(text []byte) ([]string, error) {
			bad := func(c rune) bool { return !good(c) && c != utf8.RuneError }
			if inUTF8 && !utf8.Valid(text) || bytes.ContainsFunc(text, bad) {
				return nil, errors.New("cannot be printed")
			}
			return strings.Fields(string(text)), nil
		}
	}
}

func serveInTurn(ln net.Listener, l limits, run runFunc) error {
	f := newFort(l, run)
	f.base = context.Background()
	for {
		conn, err := ln.Accept()
		if err != nil {
			return end(err)
		}
		v := &visitor{f: f, conn: conn, ctx: f.base}
		f.stay(v)
		conn.Close()
	}
}

// servePlaces has a channel with a place for each client that there may be.
func servePlaces(ln net.Listener, l limits, run runFunc) error {
	f := newFort(l, run)
	places := make(chan bool, max(l.MaxClients, 0))
	f.admit = func(f *fort) bool { return len(f.clients) < cap(places) }
	return f.serve(ln)
}

// sharing is an answer with a variable of the package. Each case gets one of its own, because cases of two
// tests may run beside each other.
func sharing(name string, fails ...string) check.Answer {
	shared := func() check.Answer {
		var mu sync.Mutex
		n := 0
		count := func(by int) int {
			mu.Lock()
			defer mu.Unlock()
			n += by
			return n
		}
		return flawed(name, func(f *fort) {
			f.admit = func(f *fort) bool { return count(0) < f.limits.MaxClients }
			stay := f.stay
			f.stay = func(v *visitor) {
				count(1)
				defer count(-1)
				stay(v)
			}
		}, fails...)
	}
	a := shared()
	for i := range a.Lab.Cases {
		a.Lab.Cases[i].Run = func(c *check.C) { shared().Lab.Cases[i].Run(c) }
	}
	return a
}

// serveWaitsForNobody lets another goroutine close what is open.
func serveWaitsForNobody(ln net.Listener, l limits, run runFunc) error {
	f := newFort(l, run)
	if !f.valid(l) {
		return errors.New("a limit is not positive")
	}
	failed := make(chan error, 1)
	f.end = func(err error) error { return nil }
	f.cut = func(f *fort) { f.closeAll() }
	go f.serve(announced{ln, failed})
	return end(<-failed)
}

// announced tells the error of Accept, if it is one that does not pass.
type announced struct {
	net.Listener
	failed chan<- error
}

func (a announced) Accept() (net.Conn, error) {
	conn, err := a.Listener.Accept()
	if err != nil && !passing(err) {
		a.failed <- err
	}
	return conn, err
}

// stayAtOnce answers each request in a goroutine of its own.
func stayAtOnce(v *visitor) {
	var all sync.WaitGroup
	defer all.Wait()
	var mu sync.Mutex
	for {
		v.f.await(v, false)
		command, err := v.f.request(v)
		if err == io.EOF {
			return
		}
		if err != nil {
			all.Wait()
			v.f.refuse(v, err)
			return
		}
		all.Go(func() {
			status, payload := v.f.execute(v, command)
			mu.Lock()
			defer mu.Unlock()
			v.f.write(v, status, payload)
		})
	}
}

// watchAll reads all that comes while a command is running.
func watchAll(v *visitor, cancel func()) (stop func()) {
	v.conn.SetReadDeadline(time.Time{})
	over := make(chan bool)
	var more []byte
	go func() {
		defer close(over)
		for {
			b := make([]byte, 32<<10)
			n, err := v.conn.Read(b)
			more = append(more, b[:n]...)
			if err != nil {
				if v.f.leaves(err) {
					cancel()
				}
				return
			}
		}
	}()
	return func() {
		v.conn.SetReadDeadline(time.Now())
		<-over
		v.ahead = append(v.ahead, more...)
	}
}

func writePatiently(v *visitor, status int, payload []byte) error {
	_, err := v.conn.Write(encode(status, payload))
	return err
}
