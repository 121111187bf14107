package main

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage/stagetest"
	"socketbook/tools/loopback"
)

func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // for processes that a scene ends
	scenario.ServeBesieged(besieged)
	stagetest.Main(m, lesson)
}

func TestLesson(t *testing.T) { stagetest.Lesson(t, lesson) }

// requireServed asks that an honest client was answered, by a server that has hardly grown.
func requireServed(t *testing.T, a scenario.Attacked) {
	t.Helper()
	require.NoError(t, a.Met)
	require.Equal(t, "hello", a.Answer)
	require.False(t, a.Over)
	require.False(t, a.Ran)
	require.Less(t, a.Memory, int64(16<<20))
	require.LessOrEqual(t, a.Descriptors, a.In)
}

func TestBugSlowDrip(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "slow-drip").Attacked[0]
	require.Equal(t, 20, got.In)
	require.Empty(t, got.Told)
}

func TestFixSlowDrip(t *testing.T) {
	got := stagetest.Play(t, lesson, "slow-drip").Attacked[0]
	requireServed(t, got)
	require.Zero(t, got.In)
	require.Equal(t, []string{"refused: no command came within 250ms, or not all of it"}, got.Told)
}

func TestBugAnnounced2gib(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "announced-2gib").Attacked[0]
	require.GreaterOrEqual(t, got.Memory, int64(1<<31-1))
	require.Equal(t, 1, got.In, "it waits for them")
}

func TestFixAnnounced2gib(t *testing.T) {
	got := stagetest.Play(t, lesson, "announced-2gib").Attacked[0]
	requireServed(t, got)
	require.Len(t, got.Told, 1)
	require.Contains(t, got.Told[0], "a payload of 2147483647 bytes is announced")
}

func TestBugEndlessHeader(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "endless-header").Attacked[0]
	require.Greater(t, got.Memory, int64(64<<20))
}

func TestFixEndlessHeader(t *testing.T) {
	got := stagetest.Play(t, lesson, "endless-header").Attacked[0]
	requireServed(t, got)
	require.Len(t, got.Told, 1)
	require.Contains(t, got.Told[0], "a header of 2147483647 bytes is announced")
}

func TestBugGarbage(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "garbage").Attacked
	require.True(t, got[0].Over)
	require.Equal(t, "panic: runtime error: makeslice: len out of range", got[0].Log)
	require.True(t, loopback.Is(got[0].Met, syscall.ECONNREFUSED), "%v", got[0].Met)
	require.True(t, got[1].Ran)
}

func TestFixGarbage(t *testing.T) {
	got := stagetest.Play(t, lesson, "garbage").Attacked[0]
	requireServed(t, got)
	require.Len(t, got.Told, 3)
}

func TestBugHalfOpen(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "half-open").Attacked
	require.Equal(t, 20, got[0].In)
	require.NoError(t, got[0].Met)
	require.ErrorIs(t, got[1].Met, os.ErrDeadlineExceeded, "one after the other: nobody else is served")
}

func TestFixHalfOpen(t *testing.T) {
	got := stagetest.Play(t, lesson, "half-open").Attacked[0]
	requireServed(t, got)
	require.Zero(t, got.In)
}

func TestBugFlood(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "flood").Attacked[0]
	require.Equal(t, 100, got.In)
	require.Empty(t, got.Told)
}

func TestFixFlood(t *testing.T) {
	got := stagetest.Play(t, lesson, "flood").Attacked[0]
	requireServed(t, got)
	require.Equal(t, []string{"refused: " + errTooManyHere.Error()}, got.Told)
}

func TestBugNoDescriptors(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "no-descriptors").Attacked[0]
	require.True(t, got.Over)
	require.Contains(t, got.Log, "too many open files")
	require.True(t, loopback.Is(got.Met, syscall.ECONNREFUSED), "%v", got.Met)
}

func TestFixNoDescriptors(t *testing.T) {
	got := stagetest.Play(t, lesson, "no-descriptors").Attacked[0]
	requireServed(t, got)
	require.Contains(t, got.Told, "refused: "+errTooMany.Error())
}

func TestBugFullQueue(t *testing.T) {
	for _, got := range stagetest.PlayNaive(t, lesson, "full-queue").Attacked {
		require.Error(t, got.Met, "%s: the dial has timed out", got.Server)
		require.Empty(t, got.Told, "nobody is told anything")
	}
}

func TestFixFullQueue(t *testing.T) {
	got := stagetest.Play(t, lesson, "full-queue").Attacked[0]
	requireServed(t, got)
	require.Equal(t, []string{"refused: " + errTooManyHere.Error()}, got.Told)
}

func TestBugControlCharacters(t *testing.T) {
	for _, got := range stagetest.PlayNaive(t, lesson, "control-characters").Attacked {
		require.Equal(t, "client 192.0.2.1:8080: all is well", got.Log, "a line of its own")
	}
}

func TestFixControlCharacters(t *testing.T) {
	got := stagetest.Play(t, lesson, "control-characters").Attacked[0]
	requireServed(t, got)
	require.True(
		t,
		strings.HasPrefix(got.Log, "client 127.0.0.1:"),
		"the line of the one who sent it: %s",
		got.Log,
	)
	require.True(t, printable(got.Log), "%q", got.Log)
}

func TestBugBrowser(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "browser").Attacked
	require.Equal(t, 1, got[0].In, "it waits for 1.4 GB")
	require.True(t, got[1].Ran)
}

func TestFixBrowser(t *testing.T) {
	got := stagetest.Play(t, lesson, "browser").Attacked[0]
	requireServed(t, got)
	require.Len(t, got.Told, 1)
	require.Contains(t, got.Told[0], "a header of 1414745936 bytes is announced", "POST, as a number")
}

func TestBugReflected(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "reflected")
	require.Greater(t, got.N, 20*3*len(question))
}

func TestFixReflected(t *testing.T) {
	got := stagetest.Play(t, lesson, "reflected")
	require.LessOrEqual(t, got.N, 3*len(question))
	require.Equal(t, []string{help}, got.Got)
}
