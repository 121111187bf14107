package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
)

// naiveAnswer runs one command with naiveRun, and sends what it printed.
func naiveAnswer(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, maxRead)
	n, err := conn.Read(buf)
	if err != nil {
		return err
	}
	_, err = conn.Write(naiveRun(ctx, string(buf[:n])))
	return err
}

// naiveRun reads standard output to its end, and then standard error. A command that fills the
// second pipe before it closes the first waits for naiveRun, and naiveRun waits for the command.
// The end of ctx kills the command.
func naiveRun(ctx context.Context, command string) []byte {
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return []byte(err.Error())
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return []byte(err.Error())
	}
	if err := cmd.Start(); err != nil {
		return []byte(err.Error())
	}
	out, _ := io.ReadAll(stdout)
	errs, _ := io.ReadAll(stderr)
	cmd.Wait()
	return append(out, errs...)
}

// sendTwice sends the errors with one write and the output with another, as two calls of Python's send do.
func sendTwice(w io.Writer, errs, output []byte) error {
	if len(errs) > 0 {
		if _, err := w.Write(errs); err != nil {
			return err
		}
	}
	_, err := w.Write(output)
	return err
}

// naiveReadAll takes a read that does not fill the buffer for the last one of an answer.
func naiveReadAll(r io.Reader) (message []byte, err error) {
	buf := make([]byte, maxRead)
	for {
		n, err := r.Read(buf)
		message = append(message, buf[:n]...)
		if err != nil || n < maxRead {
			return message, err
		}
	}
}

// naiveLoop takes what each read brings for one command, whatever it is.
func naiveLoop(conn net.Conn) error {
	defer conn.Close()
	buf := make([]byte, maxRead)
	for {
		n, err := conn.Read(buf)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := conn.Write(run(string(buf[:n]))); err != nil {
			return err
		}
	}
}

// naivePrint prints what each read brings with a line end behind it, as Python's print does.
func naivePrint(r io.Reader, out io.Writer) error {
	buf := make([]byte, maxRead)
	for {
		n, err := r.Read(buf)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n", buf[:n])
	}
}
