package main

import (
	"fmt"
	"net"
)

// listen binds an address. 端口被占用时返回错误。
func listen(addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", addr, err)
	}
	return ln, nil
}

// serve answers one client. 服务器一次只回答一个客户端，读到的字节数由内核决定，而不是由发送方决定。
func serve(ln net.Listener) error {
	conn, err := ln.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	buf := make([]byte, 1024)
	n, err := conn.Read(buf) // 👩‍💻 reads at most 1024 bytes
	if err != nil {
		return err
	}
	fmt.Println("got", n, "bytes")
	_, err = conn.Write(buf[:n])
	return err
}

const greeting = "<script>document.title = 'owned'</script> & \"quotes\""

// upper makes letters large.
func upper(b []byte) []byte {
	up := make([]byte, len(b))
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		up[i] = c
	}
	return up
}

func one() int   { return 1 }
func two() int   { return 2 }
func three() int { return 3 }

// café has a combining accent; [31m is an escape sequence and ‮ turns the text round.
var aligned = "a	tab	in the middle"
