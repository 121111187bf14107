package main

import (
	"testing"

	"socketbook/lessons/internal/stage/stagetest"
)

func TestMain(m *testing.M) { stagetest.Main(m, lesson) }

func TestLesson(t *testing.T) { stagetest.Lesson(t, lesson) }
