package check

import (
	"fmt"
	"io"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"time"

	"socketbook/tools/fault"
)

// WantBytes ends the case unless got is want; the failure shows both around the first byte that differs.
func (c *C) WantBytes(what string, got, want []byte) {
	if string(got) != string(want) {
		c.end(Failed, diffBytes(got, want), "%s: wrong bytes", what)
	}
}

// WantText ends the case unless got is want; the failure shows both as quoted text, with a caret.
func (c *C) WantText(what, got, want string) {
	if got != want {
		c.end(Failed, diffText(got, want), "%s: wrong text", what)
	}
}

// WantNil ends the case unless err is nil.
func (c *C) WantNil(what string, err error) {
	if err != nil {
		c.Fail("%s failed: %s", what, said(err))
	}
}

// WantError ends the case unless Is(got, want).
func (c *C) WantError(what string, got, want error) {
	if Is(got, want) {
		return
	}
	detail := fmt.Sprintf("got   %s\nwant  %s, alone or wrapped with %%w", Err(got), Err(want))
	if got != nil && strings.HasSuffix(": "+said(got), ": "+want.Error()) {
		detail += "\n" + onlyWords
	}
	c.end(Failed, detail, "%s: wrong error", what)
}

// onlyWords explains an error that reads like the right one.
const onlyWords = "the words are there, but errors.Is does not find the error: %v, %s and " +
	"errors.New make " +
	"a new one"

// WantMet ends the case unless err is one that a Read or Write of conn has returned, and not
// io.EOF. happened says why there is one: "the connection was reset".
func (c *C) WantMet(happened string, err error, conn witness) {
	errs := conn.Did().Errs
	met := func(e error) bool { return Is(err, e) }
	unexpected := Is(err, io.ErrUnexpectedEOF) && !slices.Contains(errs, io.ErrUnexpectedEOF)
	if !Is(err, io.EOF) && !unexpected && slices.ContainsFunc(errs, met) {
		return
	}
	if Is(err, io.EOF) && slices.ContainsFunc(errs, met) {
		c.Fail(
			"%s, and the error says so, but it is io.EOF as well, which means an orderly end: %s",
			happened,
			Err(err),
		)
	}
	if err != nil && slices.ContainsFunc(errs,
		func(e error) bool { return strings.Contains(said(err), e.Error()) }) {
		c.end(Failed, onlyWords, "%s, and what was returned only reads like that error: %s", happened, Err(err))
	}
	c.Fail(
		"%s, but the error is %s: return what the call that failed returned, alone or wrapped with %%w",
		happened,
		Err(err),
	)
}

// witness is a connection that tells what was done to it.
type witness interface{ Did() fault.Did }

// WantOpen ends the case if function has closed a connection that it was only lent, or half of it.
func (c *C) WantOpen(function string, conn witness) {
	if closed := conn.Did().Closed; closed != "" {
		c.Fail(
			"%s called %s on the connection, which belongs to the caller: leave it open",
			function,
			closed,
		)
	}
}

// WantNoDeadline ends the case if function has set a deadline, where it may not.
func (c *C) WantNoDeadline(function string, conn witness) {
	if method := conn.Did().Deadline; method != "" {
		c.Fail(
			"%s called %s on the connection: how long to wait is for the caller to decide",
			function,
			method,
		)
	}
}

// WantUntimed ends the case if function has left a deadline behind.
func (c *C) WantUntimed(function string, conn witness) {
	if conn.Did().Timed {
		c.Rule("A deadline stays until it is taken back: it also ends what the caller does later.",
			"Take it back on every way out, after an error too: defer conn.SetDeadline(time.Time{}), "+
				"below the line that sets it.")
		c.Fail(
			"%s left a deadline on the connection, which belongs to the caller",
			function,
		)
	}
}

// WantPatience ends the case if function has set a deadline that is nearer than least.
func (c *C) WantPatience(function string, conn witness, least time.Duration) {
	if d := conn.Did(); d.Patience > 0 && d.Patience < least-time.Second {
		c.Rule(fmt.Sprintf("The other side may take its time: a deadline is at least %v ahead.", least),
			"Leave the deadline out: nobody asks for one.")
		c.Fail("%s set a deadline only %v ahead", function, d.Patience.Round(time.Millisecond))
	}
}

// WantLetGo ends the case if something that function was given is still held on to when it has returned: by a
// timer with a function, by a goroutine, or by a variable. kept asks a weak pointer to it. In another
// process it does nothing, because nobody can tell.
func (c *C) WantLetGo(function string, kept func() bool) {
	if c.Elsewhere() {
		return
	}
	for pause := time.Millisecond; kept(); pause *= 2 {
		if pause > time.Second {
			c.out.Leak = true
			if left := c.leftBehind(); len(left) > 0 {
				c.Rule("What a call has started has ended when it returns.",
					"Make the goroutine end on every way out, and wait for it before you return.")
				c.Fail("%s has returned, and left a goroutine behind (%s%s), which holds on to what it was given",
					function, left[0].state, at(left[0].students()))
			}
			c.Rule(
				"What a call has started has ended when it returns. A timer with a function is such a thing: it "+
					"would act in the middle of something else.",
				"Stop the timer on every way out, with defer. Keep no connection in variables outside of the "+
					"function.",
			)
			c.Fail("%s has returned, and a timer with a function, or a variable, still holds on to what it was "+
				"given", function)
		}
		<-time.After(pause)
		runtime.GC()
	}
}

// maxWrapped is how many errors Is looks at.
const maxWrapped = 100

// Is is errors.Is for what the code under test returns. Of such an error it calls Unwrap, and
// neither Is nor As: these can say anything. An error that panics, or wraps more than a hundred, is
// none that is looked for.
func Is(err, target error) (is bool) {
	defer func() {
		if recover() != nil {
			is = false
		}
	}()
	next := []error{err}
	for steps := 0; len(next) > 0 && steps < maxWrapped; steps++ {
		err, next = next[0], next[1:]
		switch e := err.(type) {
		case nil:
			if target == nil {
				return true
			}
			continue
		case interface{ Unwrap() error }:
			next = append(next, e.Unwrap())
		case interface{ Unwrap() []error }:
			next = append(next, e.Unwrap()...)
		}
		if reflect.ValueOf(err).Comparable() && err == target {
			return true
		}
	}
	return false
}

// said is the text of an error of the code under test, or of what it has panicked with. fmt survives a
// method that panics.
func said(v any) string { return cut(fmt.Sprint(v)) }

// Err writes an error for a step, or "nil".
func Err(err error) string {
	if err == nil {
		return "nil"
	}
	return fmt.Sprintf("%q", said(err))
}
