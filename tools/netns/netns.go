// Package netns gives a scene a private network: a loopback interface of its own with 127.0.0.1 and
// ::1, every port free, sysctls that can be set, and nobody else's traffic. An ordinary user may
// have one on Linux.
//
// [Run] starts the program again in a new user, network and pid namespace (user_namespaces(7),
// network_namespaces(7), pid_namespaces(7)) and calls a registered function there. Two processes
// run inside:
//
//   - the keeper, pid 1 of the new pid namespace. It holds CAP_NET_ADMIN and CAP_NET_RAW, which
//     count in the private network only, brings lo up, sets sysctls, and ends with whoever
//     started it. When it ends the kernel ends every process inside;
//   - the function, in a process of its own without any capability, with no_new_privs set
//     (prctl(2)). It and the programs that it starts are ordinary users: port 80 is refused as it
//     is outside. It asks the keeper through the methods of [Network].
//
// The user keeps the uid and gid. Root's are seen as 65534 inside, because uid 0 would bring all
// capabilities back at the next execve (capabilities(7)), and the scenes would show what only root
// sees. Unless [Options.Sealed] is set, root's files still belong to that process, and so do those
// in /proc/sys.
//
// The program must call [Main] first thing in main, and in TestMain:
//
//	func init() { netns.Register("hello", hello) }
//
//	func main() {
//		netns.Main()
//		err := netns.Run(ctx, netns.Options{Func: "hello", Line: func(line []byte) { … }})
//	}
//
// Where the system does not allow one, Run and [Probe] return a [*Refusal] that says why, and
// errors.Is(err, errors.ErrUnsupported) holds. Every system but Linux refuses.
package netns

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// Func is a function that runs inside a private network. An error that it returns becomes an error
// of [Run]. Processes that still run inside when it returns are killed.
type Func func(n *Network) error

// Options say what runs inside, and what it finds there.
type Options struct {
	Func string   // the registered function
	Args []string // its arguments, [Network.Args]; at most some 100 KiB

	// Files are open inside, too, as [Network.Files]. Run makes them blocking (os.File.Fd), so
	// that deadlines no longer end a Read of theirs. The caller closes its own.
	Files []*os.File

	// Line gets each line of standard output without its end, at most 1 MiB, valid until it
	// returns. nil drops them. Standard input is empty.
	Line   func(line []byte)
	Stderr io.Writer // standard error; nil stands for os.Stderr

	Sysctls []string // set before the function starts, in this order: "net.core.somaxconn=2"
	Hosts   string   // what /etc/hosts says inside; "" leaves the system's

	// Proc mounts a fresh /proc. Without it /proc shows the processes outside, under their
	// numbers there; /proc/self and /proc/sys/net are right in any case.
	Proc bool

	// Setup is a registered function that the keeper calls before Func starts, in a mount namespace
	// of its own (mount_namespaces(7)) where it may mount: it has CAP_SYS_ADMIN besides. Nothing
	// that it mounts is seen outside.
	Setup string

	// Sealed is for code that nobody has read. The function gets IPC and mount namespaces of its
	// own, cannot make further namespaces, and cannot ask the keeper for anything. If root calls
	// Run, the function is user and group 65534 outside, too: root's files do not belong to it, and
	// the program's file must be executable for everybody.
	Sealed bool
}

// Network is the private network as the function sees it. Its methods may be called from any
// goroutine. In a sealed network they return an error.
type Network struct {
	Args  []string
	Files []*os.File

	ask func(r request, fd int) (opened int, err error) // fd and opened may be none
}

const none = -1 // for a descriptor

// SetSysctl sets a sysctl of the private network by its name in sysctl(8), such as
// "net.ipv4.tcp_syn_retries". Names outside net are refused.
func (n *Network) SetSysctl(name, value string) error {
	_, err := n.ask(request{Op: opSysctl, Name: name, Value: value}, none)
	return err
}

// Up brings lo up, as it is when the function starts. ::1 comes back with it.
func (n *Network) Up() error {
	_, err := n.ask(request{Op: opUp}, none)
	return err
}

// Down takes lo down: what is sent is lost without an error, and ::1 goes. Listeners and
// connections survive it.
func (n *Network) Down() error {
	_, err := n.ask(request{Op: opDown}, none)
	return err
}

// Packet opens a packet socket (packet(7)): AF_PACKET, SOCK_RAW, not blocking, and bound to
// nothing, so that it receives nothing yet. Opening one takes CAP_NET_RAW, using it takes none. The
// caller closes it.
func (n *Network) Packet() (*os.File, error) {
	fd, err := n.ask(request{Op: opPacket}, none)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "packet socket"), nil
}

// SetDropping makes the kernel drop whatever arrives for a TCP or UDP socket, as if it had been
// lost on the way, until it is called with false. What the socket sends still goes out. It is a
// filter that lets 0 bytes through (SO_ATTACH_FILTER, socket(7)). net.Dialer.Control can set it
// before the handshake.
func (n *Network) SetDropping(c syscall.RawConn, on bool) error {
	r := request{Op: opDrop}
	if !on {
		r.Op = opKeep
	}
	var failed error
	err := c.Control(func(fd uintptr) { _, failed = n.ask(r, int(fd)) })
	return errors.Join(err, failed)
}

// A request is what the function asks of the keeper.
type request struct {
	Op          string
	Name, Value string
}

const (
	opSysctl = "sysctl"
	opUp     = "up"
	opDown   = "down"
	opPacket = "packet"
	opDrop   = "drop"
	opKeep   = "keep"
	opFailed = "failed" // the function returned the error Value
)

// Refusal is the error of a system that does not allow a private network, or of a kernel that lacks
// something that was asked for, such as a sysctl.
type Refusal struct {
	Step string // what was tried: "clone", "lo", "packet socket", "sysctl NAME", "mount /proc" …
	Err  error  // why it failed; a syscall.Errno on Linux
	Hint string // who forbids it, and what would allow it; "" if that is unknown
}

func (r *Refusal) Error() string {
	text := fmt.Sprintf("no private network here: %s: %v", r.Step, r.Err)
	if r.Hint != "" {
		text += " (" + r.Hint + ")"
	}
	return text
}

func (r *Refusal) Unwrap() error { return r.Err }

// Is makes every refusal errors.ErrUnsupported.
func (r *Refusal) Is(target error) bool { return target == errors.ErrUnsupported }

var funcs = map[string]Func{}

// Register gives f a name, by which it is found again when the program has been started inside.
// Call it from init or from a package variable, so that it is done before [Main]. A name that is
// taken panics.
func Register(name string, f Func) {
	if name == "" || funcs[name] != nil {
		panic("netns: the name " + name + " is empty or taken")
	}
	funcs[name] = f
}
