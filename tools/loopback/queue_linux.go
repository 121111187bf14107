package loopback

import "syscall"

const (
	tcpInfo   = syscall.TCP_INFO // tcp(7)
	tcpClosed = 7                // TCP_CLOSE in the kernel's tcp_states.h
)
