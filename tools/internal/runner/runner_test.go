package runner

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// roleVariable makes the test binary a program that tests run.
const roleVariable = "RUNNER_TEST_ROLE"

func TestMain(m *testing.M) {
	Supervise()
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	os.Exit(m.Run())
}

func play(role string) int {
	switch role {
	case "talk":
		fmt.Print("one\ntwo\r\n\nlast")
		fmt.Fprintln(os.Stderr, "an error")
		fmt.Fprintln(os.Stderr, "temporary", os.TempDir())
		_ = os.WriteFile(filepath.Join(os.TempDir(), "left"), nil, 0o644)
		if _, err := os.Open("/dev/tty"); err == nil && runtime.GOOS != "windows" {
			return 4
		}
		return 3
	case "flood":
		out := bufio.NewWriter(os.Stdout)
		line := strings.Repeat("x", 1<<20-1) + "\n"
		for range 300 {
			out.WriteString(line)
			os.Stderr.WriteString(line)
		}
		for range 3 { // a line of 3 MiB
			out.WriteString(line[1:])
			out.WriteString("y")
		}
		out.Flush()
	case "wait":
		fmt.Println("waiting")
		time.Sleep(time.Hour)
	case "nest": // a tool that runs a program and is killed itself
		Run(context.Background(), Command{
			Path: os.Args[1], Args: os.Args[2:],
			Line: func(line []byte) { fmt.Printf("%s\n", line) },
		})
	}
	return 0
}

// program is this test binary in a role.
func program(role string) Command {
	return Command{Path: os.Args[0], Env: []string{roleVariable + "=" + role, "GORACE=atexit_sleep_ms=0"}}
}

func TestLinesAndStatus(t *testing.T) {
	c := program("talk")
	var lines []string
	c.Line = func(line []byte) { lines = append(lines, string(line)) }
	o := Run(t.Context(), c)
	require.Equal(t, []string{"one", "two", "", "last"}, lines)
	require.Equal(t, 3, o.Status)
	require.False(t, o.Stopped)
	first, rest, _ := strings.Cut(o.Printed, "\n")
	require.Equal(t, "an error", first)
	_, tmp, _ := strings.Cut(strings.TrimSpace(rest), "temporary ")
	require.NotEmpty(t, tmp)
	require.NoDirExists(t, tmp)

	c.Line = nil
	require.Contains(t, Run(t.Context(), c).Printed, "one\ntwo\r\n\nlast")
}

func TestAProgramThatIsNotThere(t *testing.T) {
	o := Run(t.Context(), Command{Path: filepath.Join(t.TempDir(), "nothing")})
	require.Equal(t, cannotStart, o.Status)
	require.Contains(t, o.Printed, "no such file")
}

// Much output takes little memory.
func TestFlood(t *testing.T) {
	c := program("flood")
	lines, longest := 0, 0
	c.Line = func(line []byte) { lines++; longest = max(longest, len(line)) }
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	o := Run(t.Context(), c)
	runtime.ReadMemStats(&after)
	require.Zero(t, o.Status)
	require.Equal(t, 304, lines)
	require.Equal(t, longestLine-1, min(longest, longestLine-1))
	require.LessOrEqual(t, longest, longestLine)
	require.Less(t, len(o.Printed), 3*keptErrors)
	require.Contains(t, o.Printed, "bytes are left out")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(32<<20))
}

func TestStopAndLimit(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	c := program("wait")
	c.Line = func([]byte) { stop() }
	o := Run(ctx, c)
	require.True(t, o.Stopped)
	require.False(t, o.Late)
	require.NotZero(t, o.Status)

	c = program("wait")
	c.Limit = 50 * time.Millisecond
	o = Run(t.Context(), c)
	require.True(t, o.Late)
}

func TestEnds(t *testing.T) {
	for _, n := range []int{
		0, 10, keptErrors, keptErrors + 1, 2 * keptErrors, 2*keptErrors + 1,
		10 * keptErrors,
	} {
		text := strings.Repeat("abcdefghij", n/10+1)[:n]
		for _, step := range []int{7, 4096, 1 << 20} {
			e := &ends{}
			for rest := text; rest != ""; rest = rest[min(step, len(rest)):] {
				_, _ = e.Write([]byte(rest[:min(step, len(rest))]))
			}
			if n <= 2*keptErrors {
				require.Equal(t, text, e.String())
				continue
			}
			want := fmt.Sprintf("%s\n… %d bytes are left out …\n%s", text[:keptErrors], n-2*keptErrors,
				text[n-keptErrors:])
			require.Equal(t, want, e.String(), "%d bytes in steps of %d", n, step)
		}
	}
}

func TestFindRoot(t *testing.T) {
	root, err := FindRoot(".")
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(root, "tools", "internal", "runner", "build.go"))
	_, err = FindRoot(t.TempDir())
	require.ErrorContains(t, err, "is not in a clone of socketbook")
}

// A small module stands for the course.
func TestBuild(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		name = filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
	write("go.mod", "module socketbook\n\ngo 1.26.0\n")
	write("lessons/04/main.go", "package main\n\nfunc main() { println(\"first\") }\n")
	write("labs/05/framing.go", "package framing\n")
	b, err := NewBuilder(root)
	require.NoError(t, err)
	defer func() {
		require.NoError(t, b.Close())
		require.NoDirExists(t, b.tmp)
	}()

	one, err := b.Lesson(t.Context(), "04")
	require.NoError(t, err)
	require.Equal(t, "first\n", Run(t.Context(), Command{Path: one}).Printed)
	again, err := b.Lesson(t.Context(), "04")
	require.NoError(t, err)
	require.Equal(t, one, again, "nothing has changed, and it was built again")

	write("lessons/04/main.go", "package main\n\nfunc main() { println(\"the second\") }\n")
	two, err := b.Lesson(t.Context(), "04")
	require.NoError(t, err)
	require.Equal(t, "the second\n", Run(t.Context(), Command{Path: two}).Printed)

	write("lessons/04/main.go", "package main\n\nfunc main() { undefined() }\n")
	_, err = b.Lesson(t.Context(), "04")
	var refused *BuildError
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Output, "undefined: undefined")

	_, err = b.Lab(t.Context(), "05")
	require.ErrorContains(t, err, "./labs/05 has no tests")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.Lab(ctx, "05")
	require.ErrorIs(t, err, context.Canceled)
}
