package talkloop_test

import (
	"testing"

	talkloop "socketbook/labs/02"
	"socketbook/labs/02/talklooptest"
)

func TestTalkloop(t *testing.T) {
	talklooptest.Run(t, talklooptest.Lab{
		Answer:   talkloop.Answer,
		Converse: talkloop.Converse,
	})
}
