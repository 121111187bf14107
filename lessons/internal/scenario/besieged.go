package scenario

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"socketbook/tools/loopback"
)

// Besieged is a server that is attacked, in a process of its own: its memory and its descriptors are not
// those of its attackers.
type Besieged struct {
	Name   string // "naive.go"
	Server string // which one of those that ServeBesieged was given

	// Ask sends an honest request to say something, and returns what is said.
	Ask func(conn net.Conn, text string) (answer string, err error)

	Descriptors int // that its process may have open; 0: as many as the system allows
	Queue       int // connections that wait to be accepted; 0: as many as the system allows
}

// besiegedRole is the first argument of such a process. The others are the fields of Besieged.
const besiegedRole = "besieged"

// ServeBesieged is the whole program of a process that a Besieged has started; in any other process it does
// nothing. It serves on a free port until its standard input ends. Each line of that asks for its Figures.
func ServeBesieged(servers map[string]func(net.Listener) error) {
	if len(os.Args) != 5 || os.Args[1] != besiegedRole {
		return
	}
	descriptors, derr := strconv.Atoi(os.Args[3])
	queue, qerr := strconv.Atoi(os.Args[4])
	serve := servers[os.Args[2]]
	err := errors.Join(derr, qerr)
	if serve == nil || err != nil {
		endBesieged(fmt.Errorf("%q: no such server: %w", os.Args[2:], err))
	}
	ln, err := loopback.Listen()
	if err == nil && descriptors > 0 {
		err = allowDescriptors(descriptors)
	}
	if err == nil && queue > 0 {
		err = shortenQueue(ln, queue)
	}
	if err != nil {
		endBesieged(err)
	}
	log.SetFlags(0)
	fmt.Println("listening on", ln.Addr())
	go func() { endBesieged(serve(ln)) }()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		json.NewEncoder(os.Stdout).Encode(figuresNow())
	}
	os.Exit(0)
}

func endBesieged(err error) {
	fmt.Fprintln(os.Stderr, "the server has ended:", err)
	os.Exit(1)
}

// Figures are what a process has at a moment.
type Figures struct {
	Memory      int64 // bytes that it has had from the system at most; addresses, not all in use
	Descriptors int   // that are open; 0 where the system does not tell
	Goroutines  int
}

func figuresNow() Figures {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Figures{Memory: int64(m.Sys), Descriptors: openDescriptors(), Goroutines: runtime.NumGoroutine()}
}

// Siege is the process of a Besieged.
type Siege struct {
	Addr string
	dir  string // in which it runs

	cmd     *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Reader
	ended   chan struct{} // closed when the process has ended
	mu      sync.Mutex
	changed *sync.Cond
	lines   []string // of its log
	whole   bool     // they are all
}

// Begin starts the server. The caller calls End.
func (b Besieged) Begin() (*Siege, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, besiegedRole, b.Server, strconv.Itoa(b.Descriptors), strconv.Itoa(b.Queue))
	cmd.Dir = dir
	in, ierr := cmd.StdinPipe()
	out, oerr := cmd.StdoutPipe()
	errs, eerr := cmd.StderrPipe()
	if err := errors.Join(ierr, oerr, eerr, cmd.Start()); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	s := &Siege{dir: dir, cmd: cmd, input: in, output: bufio.NewReader(out), ended: make(chan struct{})}
	s.changed = sync.NewCond(&s.mu)
	line, err := s.output.ReadString('\n')
	go s.readLog(errs)
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		s.End()
		return nil, fmt.Errorf("the server's first line is %q; on standard error: %q", line, s.Lines())
	}
	s.Addr = addr
	return s, nil
}

// mostLines is how many lines of a log are kept. A naive server writes as many as its attackers like.
const mostLines = 1000

func (s *Siege) readLog(errs io.Reader) {
	lines := bufio.NewReader(errs)
	for {
		line, err := lines.ReadString('\n')
		s.mu.Lock()
		if line != "" && len(s.lines) < mostLines {
			s.lines = append(s.lines, strings.TrimSuffix(line, "\n"))
		}
		s.whole = err != nil
		s.changed.Broadcast()
		s.mu.Unlock()
		if err != nil {
			break
		}
	}
	s.cmd.Wait()
	close(s.ended)
}

// Lines returns the first lines of its log.
func (s *Siege) Lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.lines...)
}

// logged waits for a line of its log in which text is, or for the end of it, and returns the line.
func (s *Siege) logged(text string) (string, error) {
	expired := false
	watchdog := time.AfterFunc(loopback.Patience, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		expired = true
		s.changed.Broadcast()
	})
	defer watchdog.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for _, line := range s.lines {
			if strings.Contains(line, text) {
				return line, nil
			}
		}
		if s.whole || expired {
			return "", fmt.Errorf("the server has not logged a line with %q: %q", text, s.lines)
		}
		s.changed.Wait()
	}
}

// Figures asks the process. Only one goroutine may ask at a time.
func (s *Siege) Figures() (f Figures, err error) {
	if _, err = io.WriteString(s.input, "\n"); err != nil {
		return f, err
	}
	line, err := s.output.ReadBytes('\n')
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(line, &f)
}

// Ended waits until the process has ended, for as long as loopback.Patience, and reports whether it has.
func (s *Siege) Ended() bool {
	select {
	case <-s.ended:
		return true
	case <-time.After(loopback.Patience):
		return false
	}
}

// Pid is the process's.
func (s *Siege) Pid() int { return s.cmd.Process.Pid }

// made reports whether the process has made a file of this name.
func (s *Siege) made(name string) bool {
	_, err := os.Stat(filepath.Join(s.dir, name))
	return err == nil
}

// End ends the process, waits for it, and removes what it has made.
func (s *Siege) End() {
	s.input.Close()
	watchdog := time.AfterFunc(loopback.Patience, func() { s.cmd.Process.Kill() })
	defer watchdog.Stop()
	<-s.ended
	os.RemoveAll(s.dir)
}
