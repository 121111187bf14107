package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/stage/stagetest"
)

// fullDisk makes a command see a disk of 256 KiB at dir.
func fullDisk(t *testing.T, cmd *exec.Cmd, dir string) {
	cmd.Args = append([]string{"sh", "-c", `mount -t tmpfs -o size=256k none "$0" && exec "$@"`, dir, cmd.Path},
		cmd.Args[1:]...)
	sh, err := exec.LookPath("sh")
	require.NoError(t, err)
	cmd.Path = sh
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
}

// needMounts skips a test where an ordinary user may not mount a disk of its own.
func needMounts(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "true")
	fullDisk(t, cmd, t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("a mount in a namespace is required here: %v: %s", err, out)
		}
		t.Skipf("mounting in a namespace is not allowed here: %v: %s", err, out)
	}
}

// The disk is full: the side that it belongs to says so, and the next request is answered.
func TestFullDisk(t *testing.T) {
	needMounts(t)
	big := strings.Repeat("x", 1<<20)
	t.Run("of the server", func(t *testing.T) {
		cmd := stagetest.Command(t, "server", "-addr", "127.0.0.1:0", "-folder", ".")
		cmd.Dir = t.TempDir()
		cmd.Args[len(cmd.Args)-1] = cmd.Dir
		fullDisk(t, cmd, cmd.Dir)
		var logged bytes.Buffer
		cmd.Stderr = &logged
		s := stagetest.Start(t, cmd)
		here := folder(t, map[string]string{"big.bin": big, "a.txt": "hello"})
		var out bytes.Buffer
		conn, err := dial(s.Addr)
		require.NoError(t, err)
		err = talkFrom(conn, here, strings.NewReader("put a.txt\nput big.bin\nlist\nput a.txt\n"), &out)
		require.ErrorContains(t, err, "2 of 4 requests failed")
		said := resultsIn(out.String())
		require.Equal(t, []string{
			"put a.txt: done",
			"put big.bin: failed: the server says \"no space left on device\"",
			"            5 a.txt",
			"put a.txt: failed: the server says \"no space left on device\"",
		}, said)
		conn.Close()
		require.NoError(t, cmd.Process.Kill())
		cmd.Wait()
		require.Contains(t, logged.String(), `"put" of "big.bin": no space left on device`)
	})
	t.Run("of the client", func(t *testing.T) {
		dir := t.TempDir()
		addr := serverOf(t, map[string]string{"big.bin": big, "a.txt": "hello"})
		cmd := stagetest.Command(t, "client", "-addr", addr, "-folder", dir)
		fullDisk(t, cmd, dir)
		out, errs, status := stagetest.Output(t, cmd, "get a.txt, big.bin\nlist\n")
		require.Equal(t, 1, status)
		require.Contains(t, errs, "1 of 3 requests failed")
		require.Equal(t, []string{
			"get a.txt: done",
			"get big.bin: failed: no space left on device",
			"            5 a.txt",
			"      1048576 big.bin",
		}, resultsIn(out))
	})
}

// resultsIn leaves the lines about progress out.
func resultsIn(out string) (lines []string) {
	for line := range strings.Lines(out) {
		if !strings.HasSuffix(line, " %\n") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

// A folder that nobody may write to is said, in the system's words; one can still get files from it.
func TestReadOnlyFolder(t *testing.T) {
	root, err := os.OpenRoot("/sys/kernel") // not even for the administrator
	require.NoError(t, err)
	defer root.Close()
	quiet(t)
	var out bytes.Buffer
	here := folder(t, map[string]string{"a.txt": "hello"})
	require.ErrorContains(t, converse(t, root, here, "put a.txt\n", &out), "1 of 1 requests failed")
	require.Regexp(t, `^put a.txt: failed: the server says "(permission denied|read-only file system)"\n$`,
		out.String())
	out.Reset()
	there := folder(t, map[string]string{"a.txt": "hello"})
	require.ErrorContains(t, converse(t, there, root, "get a.txt\n", &out), "1 of 1 requests failed")
	require.Regexp(t, "^get a.txt: failed: (permission denied|read-only file system)\n$", out.String())
}

// A pipe in the folder makes nobody wait.
func TestPipeInTheFolder(t *testing.T) {
	root := folder(t, map[string]string{"b.txt": "hello"})
	for _, name := range []string{"a.txt", "b.txt.part"} {
		require.NoError(t, syscall.Mkfifo(filepath.Join(root.Name(), name), 0o666))
	}
	_, _, err := openFile(root, "a.txt")
	require.ErrorContains(t, err, "it is not a file")
	_, err = openPart(root, "a.txt")
	require.ErrorContains(t, err, "it is not a file")
	_, err = openPart(root, "b.txt")
	require.ErrorContains(t, err, "no file of ours")
	require.NoError(t, converse(t, root, folder(t, nil), "list\n", io.Discard))
}
