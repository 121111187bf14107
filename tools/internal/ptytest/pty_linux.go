// Package ptytest gives tests a pseudo-terminal: pty(7). It exists on Linux only.
package ptytest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Terminal is one, with a program in it.
type Terminal struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	Cmd    *exec.Cmd
	ended  chan error

	mu   sync.Mutex
	text strings.Builder
	seen int // bytes that Expect has passed
	more chan struct{}
}

// Start runs cmd in a new terminal of so many columns. The program is killed when the test ends, if
// it is still there.
func Start(t *testing.T, cmd *exec.Cmd, columns uint16) *Terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI must have pseudo-terminals:", err)
		}
		t.Skip("there are no pseudo-terminals here:", err)
	}
	fd := int(master.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	p := &Terminal{
		t: t, master: master, slave: slave, Cmd: cmd, ended: make(chan error, 1),
		more: make(chan struct{}, 1),
	}
	require.NoError(t, cmd.Start())
	go func() { p.ended <- cmd.Wait() }()
	go p.read()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		slave.Close()
		master.Close()
	})
	return p
}

func (p *Terminal) read() {
	buf := make([]byte, 4096)
	for {
		n, err := p.master.Read(buf)
		p.mu.Lock()
		p.text.Write(buf[:n])
		p.mu.Unlock()
		select {
		case p.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// Type sends keys.
func (p *Terminal) Type(keys string) {
	p.t.Helper()
	_, err := p.master.WriteString(keys)
	require.NoError(p.t, err)
}

// Expect waits until the terminal shows text, behind what was expected before, and returns what is
// in between.
func (p *Terminal) Expect(text string) string {
	p.t.Helper()
	deadline := time.After(time.Minute)
	for {
		p.mu.Lock()
		rest := p.text.String()[p.seen:]
		if i := strings.Index(rest, text); i >= 0 {
			p.seen += i + len(text)
			p.mu.Unlock()
			return rest[:i]
		}
		p.mu.Unlock()
		select {
		case <-p.more:
		case <-deadline:
			p.t.Fatalf("the terminal never showed %q; since the last expectation it has shown:\n%s", text, rest)
		}
	}
}

// Shown is all that was ever shown.
func (p *Terminal) Shown() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// End waits for the program's end and returns its status.
func (p *Terminal) End() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		p.t.Fatalf("the program did not end; it has shown:\n%s", p.Shown())
	}
	return p.Cmd.ProcessState.ExitCode()
}

// Cooked reports whether the terminal takes whole lines and echoes them, as shells leave it.
func (p *Terminal) Cooked() bool {
	p.t.Helper()
	settings, err := unix.IoctlGetTermios(int(p.slave.Fd()), unix.TCGETS)
	require.NoError(p.t, err)
	const cooked = unix.ICANON | unix.ECHO | unix.ISIG
	return settings.Lflag&cooked == cooked && settings.Oflag&unix.OPOST != 0
}
