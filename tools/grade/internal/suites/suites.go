// Package suites has the suites of all labs, for an answer in another process.
package suites

import (
	"socketbook/tools/grade/internal/remote"

	"socketbook/labs/01/oneshottest"
	"socketbook/labs/02/talklooptest"
	"socketbook/labs/03/reconnecttest"
	"socketbook/labs/04/stickytest"
	"socketbook/labs/05/framingtest"
	"socketbook/labs/06/transfertest"
	"socketbook/labs/07/datagramtest"
	"socketbook/labs/08/crowdtest"
	"socketbook/labs/09/servingtest"
	"socketbook/labs/10/portstest"
	"socketbook/labs/11/statestest"
	"socketbook/labs/12/roomtest"
	"socketbook/labs/13/reliabletest"
	"socketbook/labs/14/filestest"
	"socketbook/labs/15/patiencetest"
	"socketbook/labs/16/fortresstest"
)

// All is in the order of the labs. go test ./tools/grade/internal/suites -update writes this file.
var All = []remote.Suite{
	remote.Of(oneshottest.Suite),
	remote.Of(talklooptest.Suite),
	remote.Of(reconnecttest.Suite),
	remote.Of(stickytest.Suite),
	remote.Of(framingtest.Suite),
	remote.Of(transfertest.Suite),
	remote.Of(datagramtest.Suite),
	remote.Of(crowdtest.Suite),
	remote.Of(servingtest.Suite),
	remote.Of(portstest.Suite),
	remote.Of(statestest.Suite),
	remote.Of(roomtest.Suite),
	remote.Of(reliabletest.Suite),
	remote.Of(filestest.Suite),
	remote.Of(patiencetest.Suite),
	remote.Of(fortresstest.Suite),
}

// Find returns the suite of a lab.
func Find(number string) (s remote.Suite, ok bool) {
	for _, s := range All {
		if s.Table().Number == number {
			return s, true
		}
	}
	return s, false
}
