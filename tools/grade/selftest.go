package main

import (
	"context"
	"io"
)

func selftest(context.Context, []string, io.Writer, io.Writer) error { return nil }
