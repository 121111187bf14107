package verdict

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"socketbook/tools/check"
	"socketbook/tools/grade/internal/remote"
	"socketbook/tools/grade/internal/sandbox"
	"socketbook/tools/grade/internal/score"
)

// answering is the other end: it has the boxes in which the children run.
type answering struct {
	ctx    context.Context
	conn   *net.UnixConn
	task   Task
	boxes  chan *sandbox.Box // that nothing runs in
	mu     sync.Mutex
	living map[uint64]*child
}

type child struct {
	process *sandbox.Process
	box     *sandbox.Box
}

// InBoxes runs a judge in a box, and the children in others.
func InBoxes(ctx context.Context, t Task, boxes chan *sandbox.Box, box *sandbox.Box, shared string,
) (verdicts []check.Verdict, err error) {
	t.Boxes = true
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	for _, fd := range ends {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, longestMessage) // what the system allows
	}
	ours, theirs := os.NewFile(uintptr(ends[0]), "control"), os.NewFile(uintptr(ends[1]), "control")
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		theirs.Close()
		return nil, err
	}
	defer conn.Close()
	limits := sandbox.RunLimits
	limits.Time, limits.Memory, limits.Processes = labLimit, judgeMemory, 512
	limits.OpenFiles, limits.Tmp = 1024, 256<<20
	judge, err := box.Start(ctx, sandbox.Command{
		Path: t.Judge, Files: []*os.File{theirs}, Limits: limits, Complete: true,
		Env: []string{TaskVariable + "=" + string(text), "TMPDIR=" + shared},
	})
	theirs.Close()
	if err != nil {
		return nil, err
	}
	a := &answering{
		ctx: ctx, conn: conn.(*net.UnixConn), task: t, boxes: boxes, living: map[uint64]*child{},
	}
	said := make(chan []check.Verdict, 1)
	go func() { said <- a.serve() }()
	result := judge.Wait()
	verdicts = <-said // the judge's end is closed
	a.endAll()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case result.End == sandbox.TimedOut:
		return nil, ErrTooLong
	case result.End == sandbox.OutOfRoom:
		return nil, ErrTooMuch
	case result.Sentence(limits) != "":
		return nil, fmt.Errorf(
			"the judge did not finish: %s: %s",
			result.Sentence(limits),
			lastLine(string(result.Stderr)),
		)
	}
	return verdicts, nil
}

// serve answers until the judge has ended.
func (a *answering) serve() (verdicts []check.Verdict) {
	var all sync.WaitGroup
	defer all.Wait()
	buffer := make([]byte, longestMessage)
	for {
		n, _, _, _, err := a.conn.ReadMsgUnix(buffer, nil)
		var r request
		if err != nil || n == 0 || json.Unmarshal(buffer[:n], &r) != nil {
			return verdicts
		}
		switch {
		case r.Verdict != nil:
			verdicts = append(verdicts, *r.Verdict)
		case r.Start:
			all.Go(func() { a.start(r) })
		case r.End != 0:
			all.Go(func() { a.end(r) })
		}
	}
}

func (a *answering) reply(r reply, files ...*os.File) {
	text, err := json.Marshal(r)
	if err != nil {
		return
	}
	var rights []byte
	if len(files) > 0 {
		var fds []int
		for _, f := range files {
			fds = append(fds, int(f.Fd()))
		}
		rights = unix.UnixRights(fds...)
	}
	_, _, _ = a.conn.WriteMsgUnix(text, rights, nil) // when the judge has gone nobody waits for it
}

// start starts a child in a free box.
func (a *answering) start(r request) {
	box := <-a.boxes
	in, out, process, err := a.run(box)
	if err != nil {
		a.boxes <- box
		a.reply(reply{ID: r.ID, Error: cmp.Or(err.Error(), "no child")})
		return
	}
	a.mu.Lock()
	a.living[r.ID] = &child{process, box}
	a.mu.Unlock()
	a.reply(reply{ID: r.ID}, in, out)
	in.Close()
	out.Close()
}

// run starts a child, and returns the judge's ends of the pipes to it.
func (a *answering) run(box *sandbox.Box) (in, out *os.File, p *sandbox.Process, err error) {
	cmd := exec.Cmd{Env: []string{}}
	started, err := remote.AttachPipes(&cmd)
	if err != nil {
		return nil, nil, nil, err
	}
	p, err = box.Start(a.ctx, sandbox.Command{
		Path: a.task.Child, Args: []string{a.task.Arg}, Env: cmd.Env, Files: cmd.ExtraFiles, Complete: true,
		Limits: sandbox.RunLimits,
	})
	in, out = started()
	if err != nil {
		in.Close()
		out.Close()
	}
	return in, out, p, err
}

// end waits for a child, or ends it.
func (a *answering) end(r request) {
	a.mu.Lock()
	c := a.living[r.End]
	delete(a.living, r.End)
	a.mu.Unlock()
	if c == nil {
		a.reply(reply{ID: r.ID, Ended: true})
		return
	}
	timer := time.NewTimer(r.Grace)
	defer timer.Stop()
	select {
	case <-c.process.Done():
	case <-timer.C:
		c.process.Kill()
	}
	result := c.process.Wait()
	a.boxes <- c.box
	answer := reply{ID: r.ID, Ended: result.End == sandbox.Stopped}
	answer.Printed = score.Cut(string(result.Stdout)+string(result.Stderr), mostPrinted)
	switch result.End {
	case sandbox.Exited:
		if result.Status != 0 {
			answer.Status = fmt.Sprintf("exit status %d", result.Status)
		}
	case sandbox.Signalled:
		answer.Status = "signal: " + result.Signal
	default:
		answer.Status = result.Sentence(sandbox.RunLimits)
	}
	a.reply(answer)
}

// endAll ends what a judge has left behind that was ended itself.
func (a *answering) endAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.living {
		c.process.Kill()
		c.process.Wait()
		a.boxes <- c.box
	}
	clear(a.living)
}
