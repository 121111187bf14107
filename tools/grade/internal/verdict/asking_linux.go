package verdict

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"socketbook/tools/check"
	"socketbook/tools/grade/internal/remote"
)

// With a sandbox the judge is in a box, too: it sees its own program and the folder that it shares with the
// children, and so a link that a student leaves there leads nowhere. It cannot make boxes from inside; it
// asks for children over a socket, and gets its ends of the pipes to each: unix(7), SCM_RIGHTS.

// request is what a judge asks for, and what it says.
type request struct {
	ID      uint64         `json:"id,omitempty"`
	Start   bool           `json:"start,omitempty"`   // a child
	End     uint64         `json:"end,omitempty"`     // of the child that this request started
	Grace   time.Duration  `json:"grace,omitempty"`   // before it is ended
	Verdict *check.Verdict `json:"verdict,omitempty"` // no answer is wanted
}

// reply is the answer to a request. Two descriptors come with that to a Start.
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

// Asking is a judge's end of the socket.
type Asking struct {
	conn    *net.UnixConn
	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan answered
}

type answered struct {
	reply
	fds []int // of a pipe from the child, and of one to it
}

// NewAsking takes the socket that the judge was started with.
func NewAsking() (*Asking, error) {
	c, err := net.FileConn(os.NewFile(3, "control"))
	if err != nil {
		return nil, err
	}
	a := &Asking{conn: c.(*net.UnixConn), waiting: map[uint64]chan answered{}}
	go a.read()
	return a, nil
}

func (a *Asking) read() {
	buffer, rights := make([]byte, longestMessage), make([]byte, unix.CmsgSpace(2*4))
	for {
		n, oob, _, _, err := a.conn.ReadMsgUnix(buffer, rights)
		var r answered
		if err == nil && n > 0 {
			err = json.Unmarshal(buffer[:n], &r.reply)
		}
		if err != nil || n == 0 { // who started this judge has gone
			os.Exit(1)
		}
		if r.fds, err = descriptors(rights[:oob]); err != nil {
			os.Exit(1)
		}
		a.mu.Lock()
		waiting := a.waiting[r.ID]
		delete(a.waiting, r.ID)
		a.mu.Unlock()
		waiting <- r
	}
}

// descriptors takes the two descriptors out of a control message; none if there is no message.
func descriptors(oob []byte) ([]int, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(messages) != 1 {
		return nil, errors.Join(err, errors.New("a control message was expected"))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 2 {
		return nil, errors.Join(err, errors.New("two descriptors were expected"))
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
	return fds, nil
}

func (a *Asking) send(r request) error {
	text, err := json.Marshal(r)
	if err == nil {
		_, err = a.conn.Write(text)
	}
	return err
}

func (a *Asking) ask(r request) (answered, error) {
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

// Say hands on a verdict.
func (a *Asking) Say(v check.Verdict) error {
	v.Report = v.Report[:min(len(v.Report), longestReport)]
	return a.send(request{Verdict: &v})
}

// Start asks for a child.
func (a *Asking) Start() (*remote.Process, error) {
	r, err := a.ask(request{Start: true})
	switch {
	case err != nil:
		return nil, err
	case r.Error != "":
		return nil, errors.New(r.Error)
	case len(r.fds) == 0:
		return nil, errors.New("the descriptors of the child's pipes were lost on the way")
	}
	stream, err := remote.Pipes(r.fds[0], r.fds[1])
	if err != nil {
		return nil, err
	}
	number := r.ID
	return &remote.Process{Stream: stream, End: func(grace time.Duration) (string, error) {
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
