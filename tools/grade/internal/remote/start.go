package remote

import (
	"errors"
	"os/exec"
	"sync"
	"time"
)

// Start starts cmd as a child, without any sandbox but, on Unix, a process group of its own. Its standard
// output and error are taken.
func Start(cmd *exec.Cmd) (*Process, error) { return startWith(cmd, Attach) }

func startWith(cmd *exec.Cmd, attach func(*exec.Cmd) (func() (Stream, error), error)) (*Process, error) {
	started, err := attach(cmd)
	if err != nil {
		return nil, err
	}
	prints := &bothEnds{}
	cmd.Stdout, cmd.Stderr = prints, prints
	ownGroup(cmd)
	cmd.WaitDelay = time.Second // for what it has started and left behind
	err = cmd.Start()
	stream, streamErr := started()
	if err = errors.Join(err, streamErr); err != nil {
		if cmd.Process != nil {
			endGroup(cmd)
			cmd.Wait()
		}
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return &Process{stream, func(grace time.Duration) (string, error) {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case err := <-ended:
			endGroup(cmd)
			return prints.String(), err
		case <-timer.C:
		}
		endGroup(cmd)
		<-ended
		return prints.String(), ErrEnded
	}}, nil
}

const keptPrints = 64 << 10 // bytes of each end of what a child prints

// bothEnds keeps the beginning and the end of what is written to it.
type bothEnds struct {
	mu   sync.Mutex
	text []byte
}

func (b *bothEnds) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for rest := p; len(rest) > 0; {
		part := rest[:min(len(rest), keptPrints)]
		rest = rest[len(part):]
		b.text = append(b.text, part...)
		if len(b.text) > 4*keptPrints {
			left := "\n… a part is left out …\n"
			end := b.text[len(b.text)-2*keptPrints:]
			b.text = append(append(b.text[:keptPrints:keptPrints], left...), end...)
		}
	}
	return len(p), nil
}

func (b *bothEnds) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}
