package scenario

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

// A CrowdServer is a kind of server that Crowd measures, in a process of its own.
type CrowdServer struct {
	Kind    string           // "a goroutine each"
	Command func() *exec.Cmd // its first line says where it listens; nil if this machine lacks it
	Clients []int            // how many are connected when it is measured, in ascending order
}

// Measured is one row of Crowd's table. A row is a verdict, which Crowd writes with String.
type Measured struct {
	Kind            string
	Clients         int
	Each            float64 // kB of the server's memory for a client
	Median, Slowest time.Duration
}

const crowdColumns = "%-18s %7v %16s %12s %12s"

var crowdHeading = fmt.Sprintf(crowdColumns, "server", "clients", "memory", "first answer", "slowest")

func (m Measured) String() string {
	return fmt.Sprintf(crowdColumns, m.Kind, m.Clients, fmt.Sprintf("%.1f kB each", m.Each),
		ms(m.Median), ms(m.Slowest))
}

// Crowd connects many clients to each server, one after the other. Each sends a message, reads the
// answer and stays. Took are the median times to the first answer, of the rows in order.
//
// Memory is the proportional set size of the server's processes (PSS in proc_pid_smaps(5)), less what
// they had without clients. The kernel's own memory for connections is not in it.
func Crowd(servers ...CrowdServer) Play {
	return func(rec *timeline.Recorder) (o Outcome, err error) {
		if _, err := memory([]int{os.Getpid()}); err != nil {
			return o, fmt.Errorf("how much memory a process has is not told here: %w", errors.ErrUnsupported)
		}
		var rows []Measured
		for _, s := range servers {
			if s.Command == nil {
				o.Lacking = s.Kind
				rec.State(0, "not on this machine, and left out: %s", s.Kind)
				continue
			}
			measured, err := s.measure(rec)
			if err != nil {
				return o, fmt.Errorf("%s: %w", s.Kind, err)
			}
			rows = append(rows, measured...)
		}
		rec.Verdict("%s", crowdHeading)
		for _, row := range rows {
			rec.Verdict("%s", row)
			o.Took = append(o.Took, row.Median)
			o.N = max(o.N, row.Clients)
		}
		return o, nil
	}
}

// measure lets the clients of one server come.
func (s CrowdServer) measure(rec *timeline.Recorder) (rows []Measured, err error) {
	server, err := startServer(s.Command())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.end()) }()
	before, err := server.memory()
	if err != nil {
		return nil, err
	}
	var crowd crowd
	defer crowd.leave()
	for _, n := range s.Clients {
		if err := crowd.grow(server.addr, n); err != nil {
			return nil, err
		}
		now, err := server.memory()
		if err != nil {
			return nil, err
		}
		rec.State(n, "%s: %s connected, each has an answer", s.Kind, plural(n, "client"))
		median, slowest := crowd.times()
		rows = append(rows, Measured{s.Kind, n, max(0, float64(now-before)/float64(n)), median, slowest})
	}
	return rows, nil
}

// crowd are clients that are connected.
type crowd struct {
	conns []net.Conn
	took  []time.Duration
}

// grow lets clients come until there are n.
func (c *crowd) grow(addr string, n int) error {
	buf := make([]byte, 1024)
	for len(c.conns) < n {
		begin := time.Now()
		conn, err := net.Dial("tcp", addr)
		if errors.Is(err, syscall.EMFILE) {
			return fmt.Errorf("%d clients are connected, and this process may have no more files open; "+
				"ulimit -n %d allows them all", len(c.conns), n+100)
		}
		if err != nil {
			return err
		}
		c.conns = append(c.conns, conn)
		conn.SetDeadline(time.Now().Add(loopback.Patience))
		if _, err := conn.Write([]byte("hello")); err != nil {
			return err
		}
		if _, err := conn.Read(buf); err != nil {
			return err
		}
		c.took = append(c.took, time.Since(begin))
	}
	return nil
}

// times are the median and the longest time to a first answer.
func (c *crowd) times() (median, slowest time.Duration) {
	sorted := slices.Sorted(slices.Values(c.took))
	return sorted[len(sorted)/2], sorted[len(sorted)-1]
}

// leave resets the connections, so that no TIME_WAIT stays behind.
func (c *crowd) leave() {
	for _, conn := range c.conns {
		loopback.Abort(conn)
	}
}

// childServer is a server in a process of its own.
type childServer struct {
	cmd         *exec.Cmd
	addr        string
	interrupted chan os.Signal // closed when the server has ended
}

func startServer(cmd *exec.Cmd) (*childServer, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &childServer{cmd: cmd, interrupted: make(chan os.Signal, 1)}
	signal.Notify(s.interrupted, os.Interrupt, syscall.SIGTERM)
	go func() { // an interrupted lesson leaves no server behind
		if _, ok := <-s.interrupted; ok {
			cmd.Process.Kill()
		}
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		s.end()
		return nil, fmt.Errorf("the server's first line is %q", line)
	}
	s.addr = addr
	return s, nil
}

// end ends the server when the processes that it started have ended: their clients have left.
func (s *childServer) end() error {
	pid := s.cmd.Process.Pid
	err := pollFor(loopback.Patience, "the server's processes to end", func() bool {
		return len(tree(pid)) == 1
	})
	signal.Stop(s.interrupted)
	close(s.interrupted)
	s.cmd.Process.Kill()
	s.cmd.Wait()
	return err
}

// memory is that of the server and of the processes that it started, in kB.
func (s *childServer) memory() (int, error) { return memory(tree(s.cmd.Process.Pid)) }

// tree lists a process and its children.
func tree(pid int) []int {
	pids := []int{pid}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		text, _ := os.ReadFile(name) // of one that has ended: nothing
		_, rest, _ := strings.Cut(string(text), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			pids = append(pids, child)
		}
	}
	return pids
}

// memory adds up the proportional set sizes of processes, in kB.
func memory(pids []int) (sum int, err error) {
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return 0, err
		}
		_, rest, ok := strings.Cut(string(text), "\nPss:")
		f := strings.Fields(rest)
		if !ok || len(f) == 0 {
			return 0, errors.ErrUnsupported
		}
		kB, err := strconv.Atoi(f[0])
		if err != nil {
			return 0, err
		}
		sum += kB
	}
	return sum, nil
}
