package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// whoHas lists the processes that have a socket which listens on a TCP port, each once. Processes of
// other users are seen by root only. It does what ss -ltnp does, in two steps.
func whoHas(port int) (pids []int, err error) {
	inodes, err := listening(port)
	if len(inodes) == 0 || err != nil {
		return nil, err
	}
	descriptors, err := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, descriptor := range descriptors {
		target, _ := os.Readlink(descriptor) // "socket:[4711]"; "" if it is closed by now
		if slices.Contains(inodes, strings.Trim(target, "socket:[]")) {
			pid, _ := strconv.Atoi(strings.Split(descriptor, "/")[2])
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids), err
}

// listening reads the kernel's tables of TCP sockets (proc_net_tcp(5)) and returns the inodes of those
// that listen on a port.
//
//	sl  local_address rem_address   st tx_queue:rx_queue tr:tm->when retrnsmt   uid  timeout inode
//	0:  0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711
func listening(port int) (inodes []string, err error) {
	const stateListen = "0A"
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if os.IsNotExist(err) { // a kernel without IPv6
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the table of sockets: %w", err)
		}
		for row := range strings.Lines(string(text)) {
			f := strings.Fields(row)
			if len(f) > 9 && f[3] == stateListen && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				inodes = append(inodes, f[9])
			}
		}
	}
	return inodes, nil
}
