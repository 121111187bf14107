package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
)

// naiveServe has a goroutine for each client, however many there are, and ends at the first accept that
// fails.
func naiveServe(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting a client: %w", err)
		}
		go naiveAnswer(conn)
	}
}

// serveSome is naiveServe with a limit: as long as there are that many clients it does not accept.
func serveSome(ln net.Listener, most int) error {
	places := make(chan struct{}, most)
	for {
		places <- struct{}{}
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting a client: %w", err)
		}
		go func() {
			naiveAnswer(conn)
			<-places
		}()
	}
}

// naiveAnswer speaks the protocol, believes whatever a client says, and lets the shell run it.
func naiveAnswer(conn net.Conn) error {
	defer conn.Close()
	for {
		command, err := naiveRead(conn)
		if err != nil {
			return err
		}
		log.Printf("client %s: %s", conn.RemoteAddr(), command)
		output, _ := shell(context.Background(), string(command)).CombinedOutput()
		if err := naiveWrite(conn, output); err != nil {
			return err
		}
	}
}

// naiveRead takes as much as the client announces, and waits for it as long as that takes.
func naiveRead(conn net.Conn) (command []byte, err error) {
	var size [headerSize]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(conn, int64(binary.LittleEndian.Uint32(size[:]))))
	if err != nil {
		return nil, err
	}
	var h header
	if err := json.Unmarshal(text, &h); err != nil {
		return nil, err
	}
	command = make([]byte, h.TotalSize)
	_, err = io.ReadFull(conn, command)
	return command, err
}

func naiveWrite(conn net.Conn, output []byte) error {
	text, err := json.Marshal(header{0, int64(len(output))})
	if err != nil {
		return err
	}
	message := binary.LittleEndian.AppendUint32(nil, uint32(len(text)))
	_, err = conn.Write(append(append(message, text...), output...))
	return err
}

// serveInTurn is the server of lesson 04, as the tutorials have it: one client after the other, and what a
// read returns is a command.
func serveInTurn(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting a client: %w", err)
		}
		answerReads(conn)
	}
}

func answerReads(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, 1024)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		log.Printf("client %s: %s", conn.RemoteAddr(), buf[:n])
		output, _ := shell(context.Background(), string(buf[:n])).CombinedOutput()
		if _, err := conn.Write(output); err != nil {
			return err
		}
	}
}

// naiveServePacket answers every address that a datagram names as its source.
func naiveServePacket(pc net.PacketConn) error {
	buf := make([]byte, maxPacket)
	for {
		_, from, err := pc.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		pc.WriteTo([]byte(help), from)
	}
}
