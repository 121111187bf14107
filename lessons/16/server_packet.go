package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
)

// maxPacket is the size of the largest datagram, in bytes. It passes every network that QUIC passes (RFC
// 9000, 14).
const maxPacket = 1200

// help is what the server answers over UDP: far more than it was asked.
const help = `This server runs four commands.

    date       the date and the time of the server, with its time zone
    echo       its arguments, with one space between two of them
    hostname   the name of the machine on which the server runs
    whoami     the name of the user as whom the server runs

It takes them over TCP, on the port of the same number. A request is a header, and behind it the command.
A header is the length of a JSON object in 4 bytes, least significant byte first, and behind it the object:
{"status":0,"total_size":10}. The total_size is the number of bytes behind the header, here those of the
command. An answer has the same form: status is the exit status of the command, and behind the header is
what it printed. A command that is not in the list above is not run, and its status is -1. So is the status
of a request that breaks a rule; after that answer the server closes the connection.
`

// A packet begins with a token: a request with the one that the client was given, or with noToken, and a
// space and the question behind it. An answer without a token is help.
const (
	tokenSize = 32 // hexadecimal digits
	noToken   = "--------------------------------"
)

// packetServer answers each address only when it has shown that it receives there.
type packetServer struct {
	secret [sha256.Size]byte // nobody else can make a token
	log    sparseLog
}

func newPacketServer() *packetServer {
	s := new(packetServer)
	rand.Read(s.secret[:]) // never fails
	return s
}

// token belongs to an address. Whoever sends it has received it there: the server need not remember whom it
// gave one.
func (s *packetServer) token(to net.Addr) string {
	mac := hmac.New(sha256.New, s.secret[:])
	fmt.Fprint(mac, to)
	return hex.EncodeToString(mac.Sum(nil))[:tokenSize]
}

// servePacket answers questions. What comes with another token than that of its sender may be forged: the
// answer is a token, and is never longer than the question. It returns nil when pc is closed. The caller
// closes pc.
func (s *packetServer) servePacket(pc net.PacketConn) error {
	buf := make([]byte, maxPacket+1) // a question that fills it is too long, whatever else is cut off
	for {
		n, from, err := pc.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			s.log.printf("reading a question: %v", err) // on Windows of one that was too long
			continue
		}
		if n < tokenSize+len(" ?") || n > maxPacket {
			continue // a short one has no question, and an answer might be longer
		}
		answer := help
		if token := s.token(from); !hmac.Equal(buf[:tokenSize], []byte(token)) {
			answer = token
		}
		if _, err := pc.WriteTo([]byte(answer), from); err != nil {
			s.log.printf("client %v: writing an answer: %v", from, err)
		}
	}
}
