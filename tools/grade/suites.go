package main

import (
	"socketbook/labs/01/oneshottest"
	"socketbook/labs/02/talklooptest"
	"socketbook/labs/03/reconnecttest"
	"socketbook/labs/04/stickytest"
	"socketbook/labs/05/framingtest"
	"socketbook/labs/06/transfertest"
	"socketbook/labs/07/datagramtest"
	"socketbook/tools/check"
)

// suites are those of all labs, without an answer: the names of the cases and their points.
var suites = []check.Lab{
	oneshottest.Suite(oneshottest.Lab{}),
	talklooptest.Suite(talklooptest.Lab{}),
	reconnecttest.Suite(reconnecttest.Lab{}),
	stickytest.Suite(stickytest.Lab{}),
	framingtest.Suite(framingtest.Lab{}),
	transfertest.Suite(transfertest.Lab{}),
	datagramtest.Suite(datagramtest.Lab{}),
}
