package loopback

import "syscall"

// names holds what Windows calls the errors of Unix. See "Windows Sockets Error Codes" in Microsoft's
// documentation;
// package syscall has names for three of them only.
var names = map[syscall.Errno]syscall.Errno{
	syscall.EACCES:        syscall.WSAEACCES,
	syscall.EMSGSIZE:      10040, // WSAEMSGSIZE
	syscall.EADDRINUSE:    10048, // WSAEADDRINUSE
	syscall.EADDRNOTAVAIL: 10049, // WSAEADDRNOTAVAIL
	syscall.EPIPE:         syscall.WSAECONNABORTED,
	syscall.ECONNRESET:    syscall.WSAECONNRESET,
	syscall.ECONNREFUSED:  10061, // WSAECONNREFUSED
}
