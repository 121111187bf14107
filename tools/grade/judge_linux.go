package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
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

// With a sandbox the judge is in a box, too: it sees its own program and the folder that it shares with the
// children, and so a link that a student leaves there leads nowhere. It cannot make boxes from inside; it
// asks for children over a socket, and gets the judge's end of each child's stream: unix(7), SCM_RIGHTS.

// request is what a judge asks for, and what it says.
type request struct {
	ID      uint64         `json:"id,omitempty"`
	Start   bool           `json:"start,omitempty"`   // a child
	End     uint64         `json:"end,omitempty"`     // of the child that this request started
	Grace   time.Duration  `json:"grace,omitempty"`   // before it is ended
	Verdict *check.Verdict `json:"verdict,omitempty"` // no answer is wanted
}

// reply is the answer to a request. A descriptor comes with that to a Start.
type reply struct {
	ID      uint64 `json:"id"`
	Error   string `json:"error,omitempty"` // there is no child
	Printed string `json:"printed,omitempty"`
	Status  string `json:"status,omitempty"` // "" for 0
	Ended   bool   `json:"ended,omitempty"`  // it had to be
}

// longestMessage is less than what a socket takes at once. JSON may make six bytes of one.
const longestMessage = 1 << 20

// mostPrinted is how much of a child's prints is handed on, in bytes.
const mostPrinted = 24 << 10

// asking is a judge's end of the socket.
type asking struct {
	conn    *net.UnixConn
	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan answered
}

type answered struct {
	reply
	fd int
}

func newAsking() (*asking, error) {
	c, err := net.FileConn(os.NewFile(3, "control"))
	if err != nil {
		return nil, err
	}
	a := &asking{conn: c.(*net.UnixConn), waiting: map[uint64]chan answered{}}
	go a.read()
	return a, nil
}

func (a *asking) read() {
	buffer, rights := make([]byte, longestMessage), make([]byte, unix.CmsgSpace(4))
	for {
		n, oob, _, _, err := a.conn.ReadMsgUnix(buffer, rights)
		var r answered
		if err == nil && n > 0 {
			err = json.Unmarshal(buffer[:n], &r.reply)
		}
		if err != nil || n == 0 { // who started this judge has gone
			os.Exit(1)
		}
		if r.fd, err = descriptor(rights[:oob]); err != nil {
			os.Exit(1)
		}
		a.mu.Lock()
		waiting := a.waiting[r.ID]
		delete(a.waiting, r.ID)
		a.mu.Unlock()
		waiting <- r
	}
}

// descriptor takes the descriptor out of a control message; -1 if there is none.
func descriptor(oob []byte) (int, error) {
	if len(oob) == 0 {
		return -1, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(messages) != 1 {
		return -1, errors.Join(err, errors.New("a control message was expected"))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, errors.Join(err, errors.New("one descriptor was expected"))
	}
	unix.CloseOnExec(fds[0])
	return fds[0], nil
}

func (a *asking) send(r request) error {
	text, err := json.Marshal(r)
	if err == nil {
		_, err = a.conn.Write(text)
	}
	return err
}

func (a *asking) ask(r request) (answered, error) {
	answer := make(chan answered, 1)
	a.mu.Lock()
	a.last++
	r.ID = a.last
	a.waiting[r.ID] = answer
	a.mu.Unlock()
	if err := a.send(r); err != nil {
		return answered{}, err
	}
	return <-answer, nil
}

func (a *asking) say(v check.Verdict) error {
	v.Report = v.Report[:min(len(v.Report), longestLines)]
	return a.send(request{Verdict: &v})
}

// start asks for a child.
func (a *asking) start() (*remote.Process, error) {
	r, err := a.ask(request{Start: true})
	if err == nil && r.Error != "" {
		err = errors.New(r.Error)
	}
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(r.fd), "stream")
	stream, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return nil, err
	}
	number := r.ID
	return &remote.Process{Stream: stream.(*net.UnixConn), End: func(grace time.Duration) (string, error) {
		r, err := a.ask(request{End: number, Grace: grace})
		switch {
		case err != nil:
			return "", err
		case r.Ended:
			return r.Printed, remote.ErrEnded
		case r.Status != "":
			return r.Printed, errors.New(r.Status)
		}
		return r.Printed, nil
	}}, nil
}

// answering is the other end: it has the boxes in which the children run.
type answering struct {
	ctx    context.Context
	conn   *net.UnixConn
	child  string
	boxes  chan *sandbox.Box // that nothing runs in
	mu     sync.Mutex
	living map[uint64]*child
}

type child struct {
	process *sandbox.Process
	box     *sandbox.Box
}

// inBoxes runs a judge in a box, and the children in others.
func inBoxes(ctx context.Context, t task, boxes chan *sandbox.Box, box *sandbox.Box, shared string,
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
	self, err := os.Executable()
	if err != nil {
		theirs.Close()
		return nil, err
	}
	limits := sandbox.RunLimits
	limits.Time, limits.Memory, limits.Processes = labLimit, 2<<30, 512
	limits.OpenFiles, limits.Tmp = 1024, 256<<20
	judge, err := box.Start(ctx, sandbox.Command{
		Path: self, Files: []*os.File{theirs}, Limits: limits,
		Env: []string{judgeVariable + "=" + string(text), "TMPDIR=" + shared},
	})
	theirs.Close()
	if err != nil {
		return nil, err
	}
	a := &answering{
		ctx: ctx, conn: conn.(*net.UnixConn), child: t.Child, boxes: boxes, living: map[uint64]*child{},
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
		return nil, errTooLong
	case result.Sentence(limits) != "":
		return nil, fmt.Errorf("the judge did not finish: %s: %s", result.Sentence(limits), lastLine(string(result.Stderr)))
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

func (a *answering) reply(r reply, fd *os.File) {
	text, err := json.Marshal(r)
	if err != nil {
		return
	}
	var rights []byte
	if fd != nil {
		rights = unix.UnixRights(int(fd.Fd()))
	}
	_, _, _ = a.conn.WriteMsgUnix(text, rights, nil) // when the judge has gone nobody waits for it
}

// start starts a child in a free box.
func (a *answering) start(r request) {
	box := <-a.boxes
	stream, process, err := a.run(box)
	if err != nil {
		a.boxes <- box
		a.reply(reply{ID: r.ID, Error: cmp.Or(err.Error(), "no child")}, nil)
		return
	}
	a.mu.Lock()
	a.living[r.ID] = &child{process, box}
	a.mu.Unlock()
	a.reply(reply{ID: r.ID}, stream)
	stream.Close()
}

// run starts a child, and returns the judge's end of its stream.
func (a *answering) run(box *sandbox.Box) (stream *os.File, p *sandbox.Process, err error) {
	cmd := exec.Cmd{Env: []string{}}
	started, err := remote.Attach(&cmd)
	if err != nil {
		return nil, nil, err
	}
	p, err = box.Start(a.ctx, sandbox.Command{
		Path: a.child, Env: cmd.Env, Files: cmd.ExtraFiles, Limits: sandbox.RunLimits,
	})
	ours, streamErr := started()
	if err = errors.Join(err, streamErr); err != nil {
		if ours != nil {
			ours.Close()
		}
		if p != nil {
			p.Kill()
		}
		return nil, nil, err
	}
	defer ours.Close()
	stream, err = ours.(*net.UnixConn).File()
	return stream, p, err
}

// end waits for a child, or ends it.
func (a *answering) end(r request) {
	a.mu.Lock()
	c := a.living[r.End]
	delete(a.living, r.End)
	a.mu.Unlock()
	if c == nil {
		a.reply(reply{ID: r.ID, Ended: true}, nil)
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
	a.reply(answer, nil)
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
