package main

import (
	"context"
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

// naiveRun reads standard output to its end, and then standard error. A command that fills the second pipe before
// it closes the first waits for naiveRun, and naiveRun waits for the command. The end of ctx kills the command.
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
