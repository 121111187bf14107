package main

import (
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// terminal is the student's, in raw mode while keys are read.
type terminal struct {
	in, out *os.File
	mu      sync.Mutex
	before  *term.State // nil unless it is raw
}

func (t *terminal) raw() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, err := term.MakeRaw(int(t.in.Fd()))
	if err == nil && t.before == nil {
		t.before = before
	}
	return err
}

// restore makes the terminal what it was. It may be called twice.
func (t *terminal) restore() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.before != nil {
		_ = term.Restore(int(t.in.Fd()), t.before)
		t.before = nil
	}
}

// print writes text. A raw terminal does not begin a line at its left edge by itself.
func (t *terminal) print(text string) {
	t.mu.Lock()
	raw := t.before != nil
	t.mu.Unlock()
	if raw {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	_, _ = t.out.WriteString(text) // the terminal may have gone; a signal says so
}

// keys reads what is typed, one read for each receive from more, so that nothing is taken from an
// editor that runs in between. It closes the channel when there is nothing more to read.
func (t *terminal) keys(more <-chan struct{}) <-chan []byte {
	typed := make(chan []byte)
	go func() {
		defer close(typed)
		for range more {
			buf := make([]byte, 64)
			n, err := t.in.Read(buf)
			if n > 0 {
				typed <- buf[:n]
			}
			if err != nil || n == 0 {
				return
			}
		}
	}()
	return typed
}
