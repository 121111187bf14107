package main

import (
	"os"
	"testing"

	"socketbook/lessons/internal/stage/stagetest"
)

func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // for processes that a scene ends
	panicIfAsked()
	stagetest.Main(m, lesson)
}

func TestLesson(t *testing.T) { stagetest.Lesson(t, lesson) }
