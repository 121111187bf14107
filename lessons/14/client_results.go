package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// failure is an error that concerns one file. The conversation goes on.
type failure string

func (f failure) Error() string { return string(f) }

func failuref(format string, args ...any) failure { return failure(fmt.Sprintf(format, args...)) }

// fileFailure is what the system says of a file, without the path: where the folder is stays here.
func fileFailure(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return failure("no such file")
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	if link, ok := errors.AsType[*os.LinkError](err); ok {
		err = link.Err
	}
	return failure(err.Error())
}

// results prints what came of each request, and counts.
type results struct {
	out         io.Writer
	all, failed int
}

// add prints a failure, and returns any other error: it ends the conversation.
func (r *results) add(request string, err error) error {
	r.all++
	failed, ok := errors.AsType[failure](err)
	switch {
	case ok:
		r.failed++
		fmt.Fprintf(r.out, "%s: failed: %v\n", request, failed)
	case err == nil:
		fmt.Fprintf(r.out, "%s: done\n", request)
	default:
		return fmt.Errorf("%s: %w", request, err)
	}
	return nil
}
