//go:build !windows

package main

import "socketbook/lessons/internal/scenario"

// What the scenes send to this system's shell.
const (
	waitsForSleep = "sleep 60 & wait"
	readsInput    = "cat"
)

var printNothing = []string{"true", "exit 3", "cd /", `[ "$PWD" = / ]`}

var now scenario.NowFunc = readNow
