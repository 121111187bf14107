// Workbook is the course as a local page: scenes play in place, labs run at every save.
//
//	go run ./tools/workbook
//
// Its first line is the page's address, which it also opens in the browser. Ctrl-C ends it, and
// every program that it has started.
//
// The page runs programs, so it can be reached from this machine only, and by nobody who does not
// know the random token in its address. The token is kept in .socketbook/token, so that a bookmark
// stays good; -new-token replaces it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"socketbook/tools/internal/labrun"
	"socketbook/tools/internal/progress"
	"socketbook/tools/internal/runner"
)

// Statuses of the command.
const (
	done   = 0
	failed = 1
	misuse = 2
)

func main() {
	runner.Supervise()
	os.Exit(command(os.Args[1:], os.Stdout, os.Stderr))
}

const usage = `usage: go run ./tools/workbook [flags]

  -addr 127.0.0.1:0   where to listen: an address of this machine alone; port 0 picks one
  -no-open            do not open the browser
  -new-token          a new address; pages and bookmarks with the old one stop working
`

type options struct {
	addr             string
	noOpen, newToken bool
}

// command is the whole program; it returns the status.
func command(args []string, out, errs io.Writer) int {
	complain := func(status int, format string, values ...any) int {
		fmt.Fprintf(errs, "workbook: %s\n", fmt.Sprintf(format, values...))
		return status
	}
	var o options
	f := flag.NewFlagSet("workbook", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.addr, "addr", "127.0.0.1:0", "")
	f.BoolVar(&o.noOpen, "no-open", false, "")
	f.BoolVar(&o.newToken, "new-token", false, "")
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(out, usage)
		return done
	case err != nil:
		return complain(misuse, "%v (go run ./tools/workbook -help)", err)
	case f.NArg() > 0:
		return complain(misuse, "%q is one argument too many (go run ./tools/workbook -help)", f.Arg(0))
	}
	root, err := runner.FindRoot(".")
	if err != nil {
		return complain(failed, "%v", err)
	}
	listeners, err := listen(o.addr)
	var wrong usageError
	switch {
	case errors.As(err, &wrong):
		return complain(misuse, "%v", err)
	case err != nil:
		return complain(failed, "%v", err)
	}
	defer func() {
		for _, ln := range listeners {
			ln.Close()
		}
	}()
	store := progress.Open(root, func(sentence string) { complain(0, "%s", sentence) })
	token, err := loadToken(store, o.newToken)
	if err != nil {
		return complain(failed, "%v", err)
	}
	builder, err := runner.NewBuilder(root)
	if err != nil {
		return complain(failed, "%v", err)
	}
	defer builder.Close()
	labs, err := labrun.Labs(root)
	if err != nil {
		complain(0, "%v; the page shows the lessons only", err)
	}
	for _, lab := range labs {
		labrun.KeepStarter(root, store, lab)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	book, err := newBook(ctx, builder, store, labs, token)
	if err != nil {
		return complain(failed, "%v", err)
	}
	address := listeners[0].Addr().String()
	page := "http://" + address + "/" + token + "/"
	book.restart = "go run ./tools/workbook -addr " + address
	if _, err := fmt.Fprintf(out, "workbook on %s\nCtrl-C ends it.\n", page); err != nil {
		return complain(failed, "writing: %v", err)
	}
	if !o.noOpen {
		if err := openBrowser(page); err != nil {
			complain(0, "no browser was opened (%v): open the address above", err)
		}
	}
	err = serve(ctx, book.handler(port(listeners[0])), listeners)
	book.close()
	if err != nil {
		return complain(failed, "%v", err)
	}
	return done
}

// usageError is wrong usage, as a sentence.
type usageError string

func (e usageError) Error() string { return string(e) }

func port(ln net.Listener) int { return ln.Addr().(*net.TCPAddr).Port }

// listen listens on this machine's own address, 127.0.0.1 or ::1, and on the same port of the other
// one if it can be had: a browser may take "localhost" for either. No other address can be given.
func listen(addr string) ([]net.Listener, error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, usageError(fmt.Sprintf("-addr %s: an address is HOST:PORT, such as "+
			"127.0.0.1:8000", strconv.Quote(addr)))
	}
	number, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, usageError(fmt.Sprintf("-addr %s: a port is a number from 0 to 65535", strconv.Quote(addr)))
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if four, six := netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback(); err != nil ||
		ip != four && ip != six {
		return nil, usageError(fmt.Sprintf("-addr %s: refused: the page runs programs, so it "+
			"listens on 127.0.0.1 or [::1] only, where no other machine reaches it", strconv.Quote(addr)))
	}
	first, err := net.Listen("tcp", netip.AddrPortFrom(ip, uint16(number)).String())
	if err != nil {
		var errno syscall.Errno
		if errors.As(err, &errno) && (errno == syscall.EADDRINUSE || errno == 10048) { // 10048: WSAEADDRINUSE
			return nil, fmt.Errorf("listening on %s: another program has this port, perhaps "+
				"another workbook; without -addr a free one is taken", addr)
		}
		return nil, fmt.Errorf("listening on %s: %w", addr, err)
	}
	other := netip.IPv6Loopback()
	if ip.Is6() {
		other = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	listeners := []net.Listener{first}
	if second, err := net.Listen("tcp", netip.AddrPortFrom(other, uint16(port(first))).String()); err == nil {
		listeners = append(listeners, second)
	}
	return listeners, nil
}

const (
	headerLimit   = 5 * time.Second // for a request to arrive
	bodyLimit     = 10 * time.Second
	idleLimit     = time.Minute
	shutdownLimit = time.Second
	maxHeader     = 16 << 10 // bytes; browsers send less than one thousand
)

// serve answers until ctx ends.
func serve(ctx context.Context, h http.Handler, listeners []net.Listener) error {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: headerLimit, ReadTimeout: bodyLimit, IdleTimeout: idleLimit,
		MaxHeaderBytes: maxHeader,
		BaseContext:    func(net.Listener) context.Context { return ctx },
	}
	failed := make(chan error, len(listeners))
	for _, ln := range listeners {
		go func() { failed <- server.Serve(ln) }()
	}
	select {
	case err := <-failed:
		server.Close()
		return fmt.Errorf("serving the page: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownLimit)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		server.Close()
	}
	return nil
}

// openBrowser asks the system to show a page.
func openBrowser(page string) error {
	var cmd *exec.Cmd
	switch runtime.GOOS {
	case "windows":
		cmd = exec.Command("rundll32", "url.dll,FileProtocolHandler", page)
	case "darwin":
		cmd = exec.Command("open", page)
	default:
		if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
			return errors.New("there is no desktop here")
		}
		cmd = exec.Command("xdg-open", page)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // the browser is the reader's, and outlives this program
	return nil
}
