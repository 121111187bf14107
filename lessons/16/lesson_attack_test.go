package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/tools/loopback"
)

var attackTime = flag.Duration("attack", 0, "how long each attack of TestAttacks lasts: 10s, say; "+
	"then the naive server is attacked, too, and times are judged")

// What a server may grow by, and how long an honest client may wait, while somebody attacks.
const (
	mostGrowth   = 64 << 20 // bytes
	mostPatience = 100 * time.Millisecond
	naiveEnd     = 200 << 20 // bytes; a naive server is ended here
	descriptors  = 512       // that an attacked process may have
)

// Each attack, with honest clients beside it: all of them get the right answers, and the server stays small.
func TestAttacks(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil || runtime.GOOS != "linux" {
		t.Skip("attackers need an address of their own, and the server a limit on descriptors: Linux has both")
	}
	ln.Close()
	t.Logf("%-20s %-9s %8s %6s %9s %9s %9s %10s %9s %12s", "attack", "server", "answers", "wrong", "median",
		"99 %", "slowest", "memory", "resident", "descriptors")
	for _, attacker := range scenario.Attackers {
		t.Run(attacker.Name, func(t *testing.T) {
			besieged := hardened
			besieged.Server += ", also over UDP"
			besieged.Descriptors = descriptors
			honest, last := 20, 100*time.Millisecond
			if *attackTime > 0 {
				honest, last = 100, *attackTime
			}
			s := siege(t, besieged, attacker, honest, last)
			t.Log(s)
			if *attackTime > 0 {
				besieged = naive
				besieged.Server += ", also over UDP"
				if attacker.Name == "no-descriptors" {
					besieged.Descriptors = descriptors
				}
				t.Log(siege(t, besieged, attacker, honest, last))
				require.Less(t, s.slowest(), mostPatience)
			}
			require.False(t, s.over, "the server has ended")
			require.Empty(t, s.wrong, "honest clients that did not get their answer")
			require.NotEmpty(t, s.took)
			require.Less(t, s.memory, int64(mostGrowth))
			require.Less(t, s.descriptors, descriptors)
		})
	}
}

// besiegement is what came of an attack with honest clients beside it.
type besiegement struct {
	attack, server string
	took           []time.Duration
	wrong          []error
	memory         int64 // bytes by which the process grew
	resident       string
	descriptors    int // at most
	over           bool
	after          time.Duration
}

func (b besiegement) slowest() time.Duration { return slices.Max(append(b.took, 0)) }

func (b besiegement) String() string {
	slices.Sort(b.took)
	share := func(percent int) time.Duration { // the time within which so many were answered
		if len(b.took) == 0 {
			return 0
		}
		return b.took[len(b.took)*percent/100].Round(10 * time.Microsecond)
	}
	text := fmt.Sprintf("%-20s %-9s %8d %6d %9s %9s %9s %6d MiB %9s %12d", b.attack, b.server, len(b.took),
		len(b.wrong), share(50), share(99), b.slowest().Round(10*time.Microsecond), b.memory>>20, b.resident,
		b.descriptors)
	if b.over {
		text += fmt.Sprintf(" ended after %v", b.after.Round(time.Millisecond))
	}
	if len(b.wrong) > 0 {
		text += fmt.Sprintf(" (%v)", b.wrong[0])
	}
	return text
}

// siege attacks a server for a while, and until each of the honest clients beside it has asked once.
func siege(
	t *testing.T, besieged scenario.Besieged, attacker scenario.Attacker, honest int, last time.Duration,
) besiegement {
	s, err := besieged.Begin()
	require.NoError(t, err)
	defer s.End()
	before, err := s.Figures()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), last)
	defer cancel()
	attack, stop := context.WithCancel(t.Context())
	defer stop()
	var attackers, clients sync.WaitGroup
	var mu sync.Mutex
	b := besiegement{attack: attacker.Name, server: besieged.Name}
	attackers.Go(func() { attacker.Attack(attack, s.Addr) })
	for i := range honest {
		clients.Go(func() {
			c := honestClient{name: fmt.Sprint(i), addr: s.Addr, ask: besieged.Ask, stays: i%2 == 0}
			defer c.leave()
			const pause = 100 * time.Millisecond
			time.Sleep(pause * time.Duration(i) / time.Duration(honest)) // not all at once
			for round := 0; round == 0 || ctx.Err() == nil; round++ {
				took, err := c.asks(round)
				mu.Lock()
				if err != nil {
					b.wrong = append(b.wrong, err)
				} else {
					b.took = append(b.took, took)
				}
				mu.Unlock()
				select {
				case <-ctx.Done():
				case <-time.After(pause):
				}
			}
		})
	}
	begin := time.Now()
	for running := true; running; {
		select {
		case <-ctx.Done():
			running = false
		case <-time.After(20 * time.Millisecond):
		}
		now, err := s.Figures()
		b.resident = peak(s.Pid())
		if err != nil {
			b.over, b.after = true, time.Since(begin)
			cancel()
			break
		}
		b.memory = now.Memory - before.Memory
		b.descriptors = max(b.descriptors, now.Descriptors)
		if besieged.Name == naive.Name && b.memory > naiveEnd {
			b.after = time.Since(begin)
			b.over = true
			cancel()
			break
		}
	}
	clients.Wait()
	stop()
	attackers.Wait()
	return b
}

// peak is the most memory that a process has really used (VmHWM in proc_pid_status(5)).
func peak(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	var kB int
	fmt.Sscan(rest, &kB)
	return fmt.Sprintf("%d MiB", kB>>10)
}

// honestClient asks again and again, on one connection or each time on a new one.
type honestClient struct {
	name, addr string
	ask        func(conn net.Conn, text string) (string, error)
	stays      bool
	conn       net.Conn
}

func (c *honestClient) asks(round int) (time.Duration, error) {
	begin := time.Now()
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.addr, loopback.Patience)
		if err != nil {
			return 0, err
		}
		c.conn = conn
	}
	c.conn.SetDeadline(begin.Add(loopback.Patience))
	text := fmt.Sprintf("I am client %s, and this is round %d", c.name, round)
	answer, err := c.ask(c.conn, text)
	if err == nil && answer != text+"\n" {
		err = errors.New(answer)
	}
	took := time.Since(begin)
	if !c.stays || err != nil {
		c.leave()
	}
	return took, err
}

func (c *honestClient) leave() {
	if c.conn != nil {
		loopback.Abort(c.conn)
		c.conn = nil
	}
}
