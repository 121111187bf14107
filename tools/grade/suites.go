package main

import (
	"socketbook/labs/01/oneshottest"
	"socketbook/labs/02/talklooptest"
	"socketbook/labs/03/reconnecttest"
	"socketbook/labs/04/stickytest"
	"socketbook/labs/05/framingtest"
	"socketbook/labs/06/transfertest"
	"socketbook/labs/07/datagramtest"
	"socketbook/tools/grade/internal/remote"
)

// suites are those of all labs. This file is written by go test ./tools/grade -update.
var suites = []remote.Suite{
	remote.Of(oneshottest.Suite),
	remote.Of(talklooptest.Suite),
	remote.Of(reconnecttest.Suite),
	remote.Of(stickytest.Suite),
	remote.Of(framingtest.Suite),
	remote.Of(transfertest.Suite),
	remote.Of(datagramtest.Suite),
}
