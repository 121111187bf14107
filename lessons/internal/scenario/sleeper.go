package scenario

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"socketbook/tools/loopback"
)

// sleepAt, in the environment, is where the program sleep of a scene says that it has started.
const sleepAt = "SOCKETBOOK_SLEEP_AT"

// SleepIfAsked turns the process into the program sleep, if a command of a scene has started it as that.
// It sleeps for as many seconds as its argument says. Meanwhile it is connected to the scene, which sees by
// that whether it is still there. Call it first in main and in TestMain.
func SleepIfAsked() {
	addr := os.Getenv(sleepAt)
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	if addr == "" || name != "sleep" || len(os.Args) != 2 {
		return
	}
	parent := os.Getppid() // as long as the scene does not know of this process, its shell has not ended
	seconds, err := strconv.Atoi(os.Args[1])
	conn, derr := net.Dial("tcp", addr)
	if err := errors.Join(err, derr); err != nil {
		fmt.Fprintln(os.Stderr, "sleep:", err)
		os.Exit(1)
	}
	go func() {
		waitEnd(parent)
		conn.Write([]byte{orphan})
	}()
	conn.SetReadDeadline(time.Now().Add(time.Duration(seconds) * time.Second))
	for buf := make([]byte, 1); ; {
		if _, err := conn.Read(buf); err != nil {
			os.Exit(0)
		}
		conn.Write(buf) // it is still there
	}
}

// orphan is what a sleeper writes when the shell that has started it has ended.
const orphan = 'o'

// Sleepers are the programs sleep that commands of this process start from now on.
type Sleepers struct {
	ln  net.Listener
	dir string
	env map[string]string // as it was
}

// sleepersAlone lets one scene at a time change the environment.
var sleepersAlone sync.Mutex

// NewSleepers puts a program sleep before all others in PATH. The caller calls Close.
func NewSleepers() (*Sleepers, error) {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return nil, err
	}
	ln, err := loopback.Listen()
	if err == nil {
		err = putSleep(dir)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	sleepersAlone.Lock()
	s := &Sleepers{ln, dir, map[string]string{}}
	path := dir + string(os.PathListSeparator) + os.Getenv("PATH")
	for name, value := range map[string]string{"PATH": path, sleepAt: ln.Addr().String()} {
		s.env[name] = os.Getenv(name)
		os.Setenv(name, value)
	}
	return s, nil
}

// putSleep puts this program into a folder, as sleep.
func putSleep(dir string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if runtime.GOOS != "windows" {
		return os.Symlink(program, filepath.Join(dir, "sleep"))
	}
	from, err := os.Open(program) // links need a permission there
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create(filepath.Join(dir, "sleep.exe"))
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// Close makes the environment what it was.
func (s *Sleepers) Close() {
	s.ln.Close()
	for name, value := range s.env {
		os.Setenv(name, value)
	}
	sleepersAlone.Unlock()
	_ = pollFor(loopback.Patience, "the program sleep to be free", func() bool { // Windows keeps what runs
		return os.RemoveAll(s.dir) == nil
	})
}

// Next waits until a sleeper has started. The caller calls its End.
func (s *Sleepers) Next() (*Sleeper, error) {
	s.ln.(*net.TCPListener).SetDeadline(time.Now().Add(loopback.Patience))
	conn, err := s.ln.Accept()
	if err != nil {
		return nil, fmt.Errorf("no command has started sleep: %w", err)
	}
	return &Sleeper{conn}, nil
}

// A Sleeper is a process of a command.
type Sleeper struct{ conn net.Conn }

// Outlives waits until the sleeper has ended, or the shell that has started it, and reports whether the
// sleeper goes on then. A process that was killed may take a while to end, and answers nothing meanwhile.
func (s *Sleeper) Outlives() (bool, error) {
	s.conn.SetDeadline(time.Now().Add(loopback.Patience))
	buf := make([]byte, 1)
	_, err := s.conn.Read(buf)
	if err == nil { // the shell has ended
		s.conn.Write([]byte("?"))
		_, err = s.conn.Read(buf)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false, fmt.Errorf("neither sleep nor its shell has ended: %w", err)
	}
	return err == nil, nil // otherwise its connection was closed, or reset
}

// End ends the sleeper, if it has not ended, and returns when it has.
func (s *Sleeper) End() {
	closeWrite(s.conn)
	s.conn.SetReadDeadline(time.Now().Add(loopback.Patience))
	io.Copy(io.Discard, s.conn)
	s.conn.Close()
}
