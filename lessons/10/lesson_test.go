package main

import (
	"testing"

	"socketbook/lessons/internal/stage/stagetest"
)

func TestMain(m *testing.M) { stagetest.Main(m, lesson) }
