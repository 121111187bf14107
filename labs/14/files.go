// Package files is lab 14: a file is fetched over a connection, and a transfer that was cut goes on. The
// task is in README.md.
package files

import "net"

// Fetch gets the file name over conn and keeps it in the folder dir. What came of it before is not sent
// again. progress is told how many of the file's bytes are here.
func Fetch(conn net.Conn, name, dir string, progress func(done, total int64)) error {
	panic("not started")
}
