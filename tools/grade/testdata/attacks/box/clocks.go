// The clock is set, so that no limit is ever reached.
//
//	expect: exited 0
package main

import "golang.org/x/sys/unix"

var _ = attack("clocks", func() {
	refused("clock_settime", unix.ClockSettime(unix.CLOCK_REALTIME, &unix.Timespec{Sec: 1}), unix.EPERM)
	refused("settimeofday", unix.Settimeofday(&unix.Timeval{Sec: 1}), unix.EPERM)
	_, err := unix.Adjtimex(&unix.Timex{Modes: unix.ADJ_OFFSET, Offset: 1})
	refused("adjtimex", err, unix.EPERM)
})
