// Sockets that see or make whole packets, and those that set up interfaces.
//
//	expect: exited 0
package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

var _ = attack("raw_sockets", func() {
	for _, s := range [][3]int{
		{unix.AF_PACKET, unix.SOCK_RAW, 0}, {unix.AF_NETLINK, unix.SOCK_RAW, 0},
		{unix.AF_UNIX, unix.SOCK_STREAM, 0},
		{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP}, {unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6},
		{unix.AF_VSOCK, unix.SOCK_STREAM, 0}, {unix.AF_ALG, unix.SOCK_SEQPACKET, 0},
		{unix.AF_TIPC, unix.SOCK_STREAM, 0}, {unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP},
	} {
		_, err := unix.Socket(s[0], s[1], s[2])
		refused("socket", err, syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT, syscall.EPERM)
	}
	_, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	refused("socketpair", err, syscall.EAFNOSUPPORT)
})
