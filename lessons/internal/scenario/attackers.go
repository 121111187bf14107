package scenario

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"
)

// An Attacker attacks a server for as long as it is told to. The scenes show one attack of each kind.
type Attacker struct {
	Name string // that of the scene

	// attack is one attack, which is made again and again until ctx ends.
	attack     func(ctx context.Context, conn net.Conn)
	goroutines int
	pause      time.Duration // of each of them, before it comes again
	network    string        // "tcp", or "udp"
}

// Attackers are all kinds of them.
var Attackers = []Attacker{
	{Name: "slow-drip", goroutines: 300, pause: longPause, attack: dripOne},
	{Name: "announced-2gib", goroutines: 50, pause: longPause, attack: says(announcement)},
	{Name: "endless-header", goroutines: 8, attack: sendsWithoutEnd},
	{Name: "garbage", goroutines: 8, pause: shortPause, attack: makesNoise},
	{Name: "half-open", goroutines: 300, pause: longPause, attack: says("")},
	{Name: "flood", goroutines: 16, pause: shortPause, attack: func(context.Context, net.Conn) {}},
	{Name: "no-descriptors", goroutines: 600, pause: longPause, attack: says("\x1c")},
	{Name: "full-queue", goroutines: 16, pause: shortPause, attack: func(_ context.Context, conn net.Conn) {
		io.WriteString(conn, headerOf("{")) // and away, without a look at the answer
	}},
	{Name: "control-characters", goroutines: 8, pause: shortPause, attack: says(Request(forged))},
	{Name: "browser", goroutines: 8, pause: shortPause, attack: func(ctx context.Context, conn net.Conn) {
		says(page(conn.RemoteAddr().String()))(ctx, conn)
	}},
	{Name: "reflected", goroutines: 8, pause: shortPause, network: "udp", attack: asksInAnothersName},
}

// Attack attacks the server at addr until ctx ends, from another address than 127.0.0.1 where there is one.
// It returns when all its connections are closed.
func (a Attacker) Attack(ctx context.Context, addr string) {
	network := "tcp"
	var from net.Addr = &net.TCPAddr{IP: net.ParseIP(attackersAddress)}
	if a.network == "udp" {
		network, from = "udp", &net.UDPAddr{IP: net.ParseIP(attackersAddress)}
	}
	dialer := net.Dialer{LocalAddr: from}
	var all sync.WaitGroup
	for i := range a.goroutines {
		all.Go(func() {
			rest(ctx, a.pause*time.Duration(i)/time.Duration(a.goroutines)) // not all at once
			for ctx.Err() == nil {
				conn, err := dialer.DialContext(ctx, network, addr)
				if err != nil { // the server has ended, say
					rest(ctx, longPause)
					continue
				}
				stop := context.AfterFunc(ctx, func() { conn.Close() })
				a.attack(ctx, conn)
				stop()
				abort(conn)
				rest(ctx, a.pause)
			}
		})
	}
	all.Wait()
}

// attackersAddress is where attackers come from. Linux and Windows have all of 127.0.0.0/8.
const attackersAddress = "127.0.0.2"

// Pauses of attackers, each of which is a goroutine. Without them the attackers would take the processor from
// the server, which they share here: a network is slower.
const (
	shortPause = 5 * time.Millisecond   // thousands of attempts a second
	longPause  = 100 * time.Millisecond // of those who keep what they get, and come again when they get nothing
)

func rest(ctx context.Context, pause time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}

// abort closes a connection without TIME_WAIT: an attacker has only so many ports.
func abort(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// says sends something and waits until the server closes the connection, or for a second.
func says(text string) func(context.Context, net.Conn) {
	return func(_ context.Context, conn net.Conn) {
		conn.SetDeadline(time.Now().Add(time.Second))
		if _, err := io.WriteString(conn, text); err != nil && text != "" {
			return
		}
		io.Copy(io.Discard, conn)
	}
}

// asksInAnothersName sends a hundred questions over UDP, and reads no answer.
func asksInAnothersName(_ context.Context, conn net.Conn) {
	for range 100 {
		io.WriteString(conn, strings.Repeat("-", 32)+" help")
	}
}

// dripOne sends a byte each 50 ms.
func dripOne(ctx context.Context, conn net.Conn) {
	io.WriteString(conn, headerOf(`{"status":0,"total_size":1000}`))
	for ctx.Err() == nil {
		conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		_, err := io.Copy(io.Discard, conn)
		if err == nil || !isTimeout(err) {
			return
		}
		if _, err := io.WriteString(conn, "x"); err != nil {
			return
		}
	}
}

func sendsWithoutEnd(_ context.Context, conn net.Conn) {
	chunk := []byte("\xff\xff\xff\x7f" + strings.Repeat("x", 64<<10))
	for {
		if _, err := conn.Write(chunk); err != nil {
			return
		}
	}
}

// makesNoise sends bytes at random, or a request in which some are changed.
func makesNoise(_ context.Context, conn net.Conn) {
	text := []byte(headerOf(`{"status":0,"total_size":10}`) + "echo hello")
	if rand.N(2) == 0 {
		text = make([]byte, rand.N(4096))
	}
	for range 1 + rand.N(len(text)+1) {
		if len(text) > 0 {
			text[rand.N(len(text))] = byte(rand.N(256))
		}
	}
	conn.SetDeadline(time.Now().Add(time.Second))
	conn.Write(text)
	if rand.N(2) == 0 {
		closeWrite(conn)
	}
	io.Copy(io.Discard, conn)
}
