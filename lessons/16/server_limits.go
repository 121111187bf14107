package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// allowed are the commands that there are. No shell reads what a client has sent, and no program
// gets it as an argument: behind a hyphen it would be an option.
var allowed = map[string]func(ctx context.Context, arguments []string) (status int, output []byte){
	"date":     date,
	"echo":     echo,
	"hostname": program("hostname"),
	"whoami":   program("whoami"),
}

func names() string { return strings.Join(slices.Sorted(maps.Keys(allowed)), ", ") }

func date(context.Context, []string) (status int, output []byte) {
	return 0, time.Now().AppendFormat(nil, time.RFC1123Z+"\n")
}

func echo(_ context.Context, arguments []string) (status int, output []byte) {
	return 0, []byte(strings.Join(arguments, " ") + "\n")
}

// program returns a command that runs a program of the system, without arguments.
func program(name string) func(context.Context, []string) (int, []byte) {
	return func(ctx context.Context, _ []string) (status int, output []byte) { return run(ctx, name) }
}

// running has room for a value for each program that may run.
var running = make(chan struct{}, maxRunning)

// printable reports whether a text cannot control what shows it: a terminal, or the lines of a log.
func printable(text string) bool {
	return utf8.ValidString(text) &&
		!strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) })
}

const (
	refusal   = time.Second // which a client has to take note of it
	maxUnread = 64 << 10    // bytes that a client may have sent beyond what was read
)

// tell sends a client why it is refused.
func tell(conn net.Conn, why error) error {
	return writeMessage(conn, refusal, noStatus, fmt.Appendf(nil, "refused: %v\n", why))
}

// refuse tells a client why, throws away what it still sends, and returns why. A connection that is
// closed with bytes unread is reset, and the client may lose what it was told (RFC 2525, 2.17).
func refuse(conn net.Conn, why error) error {
	if err := tell(conn, why); err != nil {
		return why
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	if err := conn.SetReadDeadline(time.Now().Add(refusal)); err == nil {
		io.CopyN(io.Discard, conn, maxUnread)
	}
	return why
}

const maxLines = 20 // a second; a client can cause thousands, and they fill the disk

// sparseLog writes the first maxLines of each second. The next line after that says how many were left out.
type sparseLog struct {
	mu     sync.Mutex
	second time.Time
	lines  int
}

func (l *sparseLog) printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.second) >= time.Second {
		if left := l.lines - maxLines; left > 0 {
			log.Printf("and %d lines more", left)
		}
		l.second, l.lines = now, 0
	}
	l.lines++
	if l.lines <= maxLines {
		log.Printf(format, args...)
	}
}
