package files_test

import (
	"net"

	files "socketbook/solutions/14"
	"socketbook/tools/check"
)

type fetchFunc = func(conn net.Conn, name, dir string, progress func(done, total int64)) error

// right are the reference and correct answers in other styles.
var right = []check.Answer{
	answer("the reference", files.Fetch),
}
var wrong = []check.Answer{}
