package scenario

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/netns"
	"socketbook/tools/timeline"
)

// serverPort is the port of servers in private networks, where every port is free.
const serverPort = "8080"

// StillListening lets a server listen, with SO_REUSEADDR, and others on the same port: on the same
// address, on all of them, and on others. Then two with SO_REUSEPORT share a port. Got is what came of
// each attempt, N how many of those with SO_REUSEPORT were given clients.
func StillListening(listen func(addr string) (net.Listener, error)) PrivatePlay {
	return func(_ *netns.Network, rec *timeline.Recorder) (o Outcome, err error) {
		first, err := listen("127.0.0.1:" + serverPort)
		if err != nil {
			return o, err
		}
		first = rec.Listener("server", first)
		defer first.Close()
		for _, host := range []string{"127.0.0.1", "0.0.0.0", "127.0.0.2", "[::1]"} {
			addr, result := host+":"+serverPort, free
			ln, err := listen(addr)
			if err != nil {
				result = reason(err)
			} else {
				ln.Close()
			}
			o.Got = append(o.Got, result)
			rec.Note("server 2", nil, "listen on %s: %s", addr, result)
		}
		rec.Verdict("while the first one listens: the same address: %s; all addresses: %s; another "+
			"address of this machine: %s", o.Got[0], o.Got[1], o.Got[2])
		if o.N, err = sharedPort(rec); err == nil {
			rec.Verdict("two listeners with SO_REUSEPORT share a port: of %d connections each had some", shared)
		}
		return o, err
	}
}

// shared is how many connections sharedPort makes. That all go to one of two listeners has a chance of
// one in 2^63.
const shared = 64

// sharedPort lets two listeners have one port, and returns how many of them have clients queueing.
func sharedPort(rec *timeline.Recorder) (busy int, err error) {
	config := net.ListenConfig{Control: reusePort}
	var listeners []*net.TCPListener
	for _, side := range []string{"server", "server 2"} {
		ln, err := config.Listen(context.Background(), "tcp", "127.0.0.1:8081")
		if err != nil {
			return 0, err
		}
		rec.Note(side, nil, "listen on 127.0.0.1:8081 with SO_REUSEPORT: %s", free)
		defer ln.Close()
		listeners = append(listeners, ln.(*net.TCPListener))
	}
	for range shared {
		conn, err := net.Dial("tcp", "127.0.0.1:8081")
		if err != nil {
			return 0, err
		}
		defer conn.Close()
	}
	err = pollFor(loopback.Patience, "all connections in the accept queues", func() bool {
		queued := 0
		busy = 0
		for _, ln := range listeners {
			n, _, _ := acceptQueue(ln)
			queued += n
			busy += min(n, 1)
		}
		return queued == shared
	})
	if err == nil && busy != 2 {
		err = errors.New("one of two listeners had all connections")
	}
	return busy, err
}

// FourPorts is a private network where connections to one server can be made from four ports, which
// none gives back before its minute of TIME_WAIT is over.
var FourPorts = PrivateNetwork{Sysctls: []string{
	"net.ipv4.ip_local_port_range=40000 40003", "net.ipv4.tcp_tw_reuse=0",
}}

// PortsRunOut lets a client send six messages. Got is what it printed, Met what it met, and N how many
// connections are in TIME_WAIT afterwards.
func PortsRunOut(
	listen func(addr string) (net.Listener, error), serve func(net.Listener) error,
	dial func(addr string) (net.Conn, error), converse ConverseFunc,
) PrivatePlay {
	return func(_ *netns.Network, rec *timeline.Recorder) (o Outcome, err error) {
		ln, err := listen("127.0.0.1:" + serverPort)
		if err != nil {
			return o, err
		}
		server := StartOn(rec, ln, serve)
		dials := 0
		recorded := func(addr string) (net.Conn, error) {
			conn, err := rec.Dial("client", addr, dial)
			if err == nil {
				dials++
				conn.SetDeadline(time.Now().Add(loopback.Patience))
			}
			return conn, err
		}
		lines := []string{"one", "two", "three", "four", "five", "six"}
		out := &printed{rec: rec, side: "client"}
		o.Met = converse(recorded, server.Addr, strings.NewReader(strings.Join(lines, "\n")+"\n"), out)
		o.Got = out.lines()
		server.Idle(dials + 1)
		if err := server.Stop(); err != nil {
			return o, err
		}
		err = pollFor(loopback.Patience, "TIME_WAIT", func() bool {
			o.N = inTimeWait(server.Addr)
			return o.N == dials
		})
		rec.State(o.N, "%s: %s, in TIME_WAIT on the client's side", server.Addr, plural(o.N, "connection"))
		said := "nothing went wrong"
		if o.Met != nil {
			said = fmt.Sprintf("the next dial failed: %s", reason(o.Met))
		}
		rec.Verdict("6 messages over %s: %d answered; %s", plural(dials, "connection"), len(o.Got), said)
		return o, err
	}
}

// TwoAddresses is a private network where the name "both" has two addresses.
var TwoAddresses = PrivateNetwork{
	Hosts: "127.0.0.1 localhost both\n::1 localhost both\n",
}

// TwoFamilies lets a client dial a name with two addresses, whose server listens on one of them: on
// ::1; on 127.0.0.1, while ::1 refuses; on 127.0.0.1, while whatever is sent to ::1 is lost. Got is
// where the client got to, or why it did not; N is how many dials succeeded; Took is how long each took.
func TwoFamilies(
	listen func(addr string) (net.Listener, error), dial func(addr string) (net.Conn, error),
) PrivatePlay {
	return func(n *netns.Network, rec *timeline.Recorder) (o Outcome, err error) {
		addrs, err := net.LookupHost("both")
		if err != nil {
			return o, err
		}
		rec.State(len(addrs), "the name both has %d addresses: 127.0.0.1 and ::1", len(addrs))
		six, four := "[::1]:"+serverPort, "127.0.0.1:"+serverPort
		for _, c := range []struct {
			addr   string
			silent bool
			what   string
		}{
			{six, false, "the server listens on ::1"},
			{four, false, "the server listens on 127.0.0.1, and ::1 refuses"},
			{four, true, "the server listens on 127.0.0.1, and ::1 is silent"},
		} {
			rec.State(0, "%s", c.what)
			result, took, err := familyDial(n, rec, c.addr, c.silent, listen, dial)
			if err != nil {
				return o, err
			}
			if !strings.HasPrefix(result, "connected") {
				o.Met = errors.New(result)
			} else {
				o.N++
			}
			o.Got, o.Took = append(o.Got, result), append(o.Took, took)
			rec.Verdict("%s: the client is %s", c.what, result)
		}
		return o, nil
	}
}

// familyDial lets a server listen on addr and a client dial the name. silent makes ::1 lose what
// arrives.
func familyDial(
	n *netns.Network, rec *timeline.Recorder, addr string, silent bool,
	listen func(addr string) (net.Listener, error), dial func(addr string) (net.Conn, error),
) (result string, took time.Duration, err error) {
	ln, err := listen(addr)
	if err != nil {
		return "", 0, err
	}
	ln = rec.Listener("server", ln)
	defer ln.Close()
	if silent {
		config := net.ListenConfig{}
		config.SetMultipathTCP(false) // Go's default for listeners, which takes no filter
		lost, err := config.Listen(context.Background(), "tcp", "[::1]:"+serverPort)
		if err != nil {
			return "", 0, err
		}
		defer lost.Close()
		raw, err := lost.(syscall.Conn).SyscallConn()
		if err != nil {
			return "", 0, err
		}
		if err := n.SetDropping(raw, true); err != nil {
			return "", 0, err
		}
	}
	begin := time.Now()
	conn, err := rec.Dial("client", "both:"+serverPort, dial)
	took = time.Since(begin)
	if err != nil {
		return "lost: " + reason(err), took, nil
	}
	defer conn.Close()
	accepted, err := ln.Accept()
	if err != nil {
		return "", took, err
	}
	accepted.Close()
	return "connected to " + conn.RemoteAddr().String(), took, nil
}

// Wildcard listens on addresses that stand for more than one, and dials 127.0.0.1 and ::1. Got is, for
// each, which of the two got through.
func Wildcard() PrivatePlay {
	return func(_ *netns.Network, rec *timeline.Recorder) (o Outcome, err error) {
		for _, c := range []struct{ network, host string }{
			{"tcp", "0.0.0.0"},
			{"tcp", "[::]"},
			{"tcp", ""},
			{"tcp4", "0.0.0.0"},
			{"tcp6", "[::]"},
			{"tcp", "127.0.0.1"},
		} {
			ln, err := net.Listen(c.network, c.host+":"+serverPort)
			if err != nil {
				return o, err
			}
			call := fmt.Sprintf("net.Listen(%q, %q)", c.network, c.host+":"+serverPort)
			rec.Note("server", nil, "%s: listens on %s", call, ln.Addr())
			var reached []string
			for _, host := range []string{"127.0.0.1", "[::1]"} {
				if conn, err := net.Dial("tcp", host+":"+serverPort); err == nil {
					conn.Close()
					reached = append(reached, host)
				}
			}
			ln.Close()
			o.Got = append(o.Got, strings.Join(reached, " and "))
			rec.Verdict("%s is reached at %s", call, o.Got[len(o.Got)-1])
		}
		return o, nil
	}
}

// Privileged lets an ordinary user listen on low ports, and again when the system allows ports from 80
// on. Got is what came of each attempt, Met what it met at first.
func Privileged(listen func(addr string) (net.Listener, error)) PrivatePlay {
	return func(n *netns.Network, rec *timeline.Recorder) (o Outcome, err error) {
		try := func(addr string) (result string, err error) {
			ln, err := listen(addr)
			result = "allowed"
			if err == nil {
				ln.Close()
			} else {
				result = reason(err)
			}
			o.Got = append(o.Got, result)
			rec.Note("server", nil, "listen on %s: %s", addr, result)
			return result, err
		}
		rec.State(0, "an ordinary user; net.ipv4.ip_unprivileged_port_start is 1024")
		low, err := try("127.0.0.1:80")
		o.Met = err
		last, _ := try("127.0.0.1:1023")
		next, _ := try("127.0.0.1:1024")
		rec.Verdict("port 80: %s; 1023: %s; 1024: %s", low, last, next)
		const from = "80"
		if err := n.SetSysctl("net.ipv4.ip_unprivileged_port_start", from); err != nil {
			return o, err
		}
		rec.State(0, "net.ipv4.ip_unprivileged_port_start is %s", from)
		below, _ := try("127.0.0.1:79")
		allowed, _ := try("127.0.0.1:80")
		rec.Verdict("with ip_unprivileged_port_start = %s, port 79: %s; 80: %s", from, below, allowed)
		return o, nil
	}
}

// PortZero lets the system choose ports, for a listener and for a client's end, first from Linux' own range
// and then from the one that IANA keeps for this. N is how many were chosen, all in their range.
func PortZero(
	listen func(addr string) (net.Listener, error), dial func(addr string) (net.Conn, error),
) PrivatePlay {
	return func(n *netns.Network, rec *timeline.Recorder) (o Outcome, err error) {
		linux, err := chosenFrom(rec, listen, dial)
		if err != nil {
			return o, err
		}
		if err := n.SetSysctl("net.ipv4.ip_local_port_range", "49152 65535"); err != nil {
			return o, err
		}
		iana, err := chosenFrom(rec, listen, dial)
		o.N, o.Got = 2*chosen, []string{linux, iana}
		rec.Verdict("%d ports for listeners and clients, all from %s", chosen, linux)
		rec.Verdict("set to IANA's range, another %d, all from %s", chosen, iana)
		return o, err
	}
}

// chosen is how many ports chosenFrom looks at.
const chosen = 20

// chosenFrom lets the system choose ports, and returns the range that it chooses from, of which each
// has to be: "32768 to 60999". The first two are recorded.
func chosenFrom(
	rec *timeline.Recorder, listen func(addr string) (net.Listener, error),
	dial func(addr string) (net.Conn, error),
) (string, error) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return "", err
	}
	var low, high int
	if _, err := fmt.Sscan(string(text), &low, &high); err != nil {
		return "", err
	}
	rec.State(0, "net.ipv4.ip_local_port_range is %d to %d", low, high)
	for range chosen / 2 {
		ports, err := choose(rec, listen, dial)
		if err != nil {
			return "", err
		}
		for _, port := range ports {
			if port < low || port > high {
				return "", fmt.Errorf("port %d is not from %d to %d", port, low, high)
			}
		}
		rec = timeline.NewRecorder("") // the others are not drawn
	}
	return fmt.Sprintf("%d to %d", low, high), nil
}

// choose listens on port 0 and dials, and returns the ports that the two were given.
func choose(
	rec *timeline.Recorder, listen func(addr string) (net.Listener, error),
	dial func(addr string) (net.Conn, error),
) (ports []int, err error) {
	ln, err := listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ln = rec.Listener("server", ln)
	defer ln.Close()
	conn, err := rec.Dial("client", ln.Addr().String(), dial)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return []int{ln.Addr().(*net.TCPAddr).Port, conn.LocalAddr().(*net.TCPAddr).Port}, nil
}
