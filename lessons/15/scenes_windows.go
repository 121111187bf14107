package main

import "socketbook/lessons/internal/scenario"

// What the scenes send to this system's shell.
const (
	waitsForSleep = "sleep 60"
	readsInput    = "set /p line="
)

var printNothing = []string{"exit 0", "exit 3", `cd \`, `if not "%CD%"=="%SystemDrive%\" exit 1`}

var now scenario.NowFunc // nil: Go's reads on Windows are overlapped, and report when they are done
