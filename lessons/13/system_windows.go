package main

import "syscall"

// What this system says of a datagram that is too long is WSAEMSGSIZE. Of one sent to a port where nobody
// is it would say WSAECONNRESET, but package net has turned that off: WSAECONNREFUSED is never met here.
// Package syscall has no names for the two below.
const (
	errMessageSize = syscall.Errno(10040)
	errRefused     = syscall.Errno(10061)
)
