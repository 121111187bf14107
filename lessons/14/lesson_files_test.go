package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/stage/stagetest"
	"socketbook/tools/loopback"
)

var (
	kills    = flag.Int("kills", 20, "how often TestKilled kills a program in the middle of a transfer")
	megabyte = flag.Int64("megabytes", 64, "how much TestFlatMemory and TestLongFileIsResumed send")
)

// pair returns the two ends of a connection, which are closed with the test.
func pair(t testing.TB) (client, server *net.TCPConn) {
	client, server, err := loopback.TCP()
	require.NoError(t, err)
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	deadline := time.Now().Add(loopback.Patience)
	require.NoError(t, errors.Join(client.SetDeadline(deadline), server.SetDeadline(deadline)))
	return client, server
}

// inMemory is a connection whose peer has sent everything and reads nothing.
type inMemory struct {
	net.Conn
	io.Reader
}

func (c *inMemory) Read(p []byte) (int, error) { return c.Reader.Read(p) }

func (c *inMemory) Write(p []byte) (int, error) { return len(p), nil }

func (c *inMemory) Close() error { return nil }

func (c *inMemory) SetReadDeadline(time.Time) error { return nil }

func (c *inMemory) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// quiet keeps what servers log out of the output.
func quiet(t testing.TB) {
	log.SetOutput(io.Discard)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
}

// What an earlier transfer has left is used if it is the beginning of the file, and only then, in both
// directions.
func TestResume(t *testing.T) {
	content := strings.Repeat("0123456789", 1000)
	for part, resumed := range map[string]bool{
		"":                     false,
		content[:1]:            true,
		content[:4000]:         true,
		content:                true,
		content[:4000] + "x":   false, // another version of the file
		strings.ToUpper("abc"): false,
		content + "and more":   false, // beyond the end
	} {
		whole := map[string]string{"a.txt": content}
		begun := map[string]string{"a.txt.part": part}
		for _, command := range []string{"put", "get"} {
			from, to := folder(t, whole), folder(t, begun)
			here, there := from, to
			if command == "get" {
				here, there = to, from
			}
			var out bytes.Buffer
			require.NoError(t, converse(t, there, here, command+" a.txt\n", &out))
			require.Equal(t, resumed, strings.Contains(out.String(),
				fmt.Sprintf("goes on at %d of 10000 bytes\n", len(part))), out.String())
			require.Equal(t, map[string]string{"a.txt": content}, files(t, to))
		}
	}
}

func files(t testing.TB, root *os.Root) map[string]string {
	found := map[string]string{}
	entries, err := os.ReadDir(root.Name())
	require.NoError(t, err)
	for _, e := range entries {
		content, err := root.ReadFile(e.Name())
		require.NoError(t, err)
		found[e.Name()] = string(content)
	}
	return found
}

// A file without a byte is a file.
func TestEmptyFile(t *testing.T) {
	from, to := folder(t, map[string]string{"a.txt": ""}), folder(t, nil)
	require.NoError(t, converse(t, from, to, "get a.txt\n", io.Discard))
	require.Equal(t, map[string]string{"a.txt": ""}, files(t, to))
	require.NoError(t, converse(t, to, from, "put a.txt\n", io.Discard))
	require.Equal(t, map[string]string{"a.txt": ""}, files(t, to))
}

// A sender that goes on beyond what is here would leave a hole.
func TestWrongOffset(t *testing.T) {
	for _, h := range []header{
		{TotalSize: 10, Offset: 5},
		{TotalSize: 10, Offset: 4},
		{TotalSize: 2, Offset: 3},
		{TotalSize: 10, Offset: 1 << 40},
	} {
		root := folder(t, map[string]string{"a.txt.part": "abc", "a.txt": "old"})
		p, err := openPart(root, "a.txt")
		require.NoError(t, err)
		err = p.receive(strings.NewReader(""), h, nil)
		p.Close()
		require.ErrorContains(t, err, "and 3 are here")
		require.Equal(t, map[string]string{"a.txt.part": "abc", "a.txt": "old"}, files(t, root))
	}
}

// A transfer that ends early, in whatever way, leaves the file that was there, and a part for the next one.
func TestCut(t *testing.T) {
	quiet(t)
	full := message(t, "a.txt", "hello")
	for cut := range len(full) {
		root := folder(t, map[string]string{"a.txt": "old"})
		sent := frame(t, header{Command: "put", FileName: "a.txt"}) + full[:cut]
		err := answerFrom(&inMemory{Reader: strings.NewReader(sent)}, root)
		have := max(0, min(5, cut-(len(full)-sha256.Size-5)))
		want := map[string]string{"a.txt": "old"}
		if have > 0 {
			want["a.txt.part"] = "hello"[:have]
		}
		require.Equal(t, want, files(t, root), "after %d of %d bytes", cut, len(full))
		if have > 0 {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		}
	}
	client, server := pair(t)
	root := folder(t, nil)
	answered := make(chan error, 1)
	go func() { answered <- answerFrom(server, root) }()
	require.NoError(t, writeHeader(client, header{Command: "put", FileName: "a.txt"}))
	_, err := readHeader(client)
	require.NoError(t, err)
	_, err = io.WriteString(client, full[:len(full)-sha256.Size])
	require.NoError(t, err)
	require.NoError(t, loopback.Abort(client))
	require.ErrorIs(t, <-answered, io.ErrUnexpectedEOF, "a reset in the middle is said, as an end is")
}

// A second owner of a part is refused, whatever program it is, until the first one is done.
func TestOneOwner(t *testing.T) {
	root := folder(t, nil)
	p, err := openPart(root, "a.txt")
	require.NoError(t, err)
	_, err = openPart(root, "a.txt")
	require.ErrorContains(t, err, "received already")
	addr := serverOf(t, map[string]string{"a.txt": "x"})
	out, _, status := stagetest.Client(t, addr, "get a.txt\n", "-folder", root.Name())
	require.Equal(t, 1, status)
	require.Equal(t, "get a.txt: failed: it is being received already; try again later\n", out)
	p.Close()
	require.Empty(t, files(t, root), "an empty part does not stay")
	p, err = openPart(root, "a.txt")
	require.NoError(t, err)
	p.Close()
}

// serverOf starts a server in this process, and returns its address.
func serverOf(t testing.TB, content map[string]string) string {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	root := folder(t, content)
	var clients sync.WaitGroup
	served := make(chan error, 1)
	go func() { served <- serveFrom(&waitingListener{ln, &clients}, root) }()
	t.Cleanup(func() {
		ln.Close()
		require.NoError(t, <-served)
		clients.Wait()
	})
	return ln.Addr().String()
}

// waitingListener counts the connections that are open.
type waitingListener struct {
	net.Listener
	open *sync.WaitGroup
}

func (l *waitingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.open.Add(1)
	return &waitingConn{conn, sync.OnceFunc(l.open.Done)}, nil
}

type waitingConn struct {
	net.Conn
	closed func()
}

func (c *waitingConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

// A link that somebody has left in the folder is not followed, be it for the part or for the file.
func TestLinks(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(outside, []byte("secret"), 0o666))
	for _, name := range []string{"a.txt", "a.txt.part"} {
		for _, target := range []string{outside, "b.txt"} {
			root := folder(t, map[string]string{"b.txt": "mine"})
			err := os.Symlink(target, filepath.Join(root.Name(), name))
			if err != nil && runtime.GOOS == "windows" {
				t.Skip("making a link needs a privilege on Windows:", err)
			}
			require.NoError(t, err)
			if _, err := os.Readlink(filepath.Join(root.Name(), name)); err != nil {
				t.Skip("links cannot be made here:", err)
			}
			_, err = openPart(root, "a.txt")
			require.Error(t, err, "%s is a link to %s", name, target)
			got, err := root.ReadFile("b.txt")
			require.NoError(t, err)
			require.Equal(t, "mine", string(got))
			if name == "a.txt" && target == outside {
				_, _, err = openFile(root, "a.txt")
				require.ErrorContains(t, err, "escapes")
			}
		}
	}
}

// If our disk refuses the file, the rest of it is read all the same: the next request is found.
func TestWriteFails(t *testing.T) {
	root := folder(t, nil)
	p, err := openPart(root, "a.txt")
	require.NoError(t, err)
	require.NoError(t, p.file.Close()) // so that every write fails
	wire := strings.NewReader(message(t, "a.txt", strings.Repeat("x", 100_000)) + "next")
	h, err := readHeader(wire)
	require.NoError(t, err)
	err = p.receive(wire, h, nil)
	require.IsType(t, failure(""), err)
	require.ErrorContains(t, err, "closed")
	rest, err := io.ReadAll(wire)
	require.NoError(t, err)
	require.Equal(t, "next", string(rest))
}

// A hundred clients put or get a file each, at the same time.
func TestHundred(t *testing.T) {
	const clients = 100
	content := func(i int) string { return strings.Repeat(fmt.Sprintf("file %2d ", i), 10_000+i) }
	there := map[string]string{}
	for i := 0; i < clients; i += 2 {
		there[fmt.Sprint(i)] = content(i)
	}
	addr := serverOf(t, there)
	begin := make(chan struct{})
	var all sync.WaitGroup
	failed := make(chan error, clients)
	check := folder(t, nil)
	for i := range clients {
		here := folder(t, nil)
		command := "get"
		if i%2 == 1 {
			command = "put"
			require.NoError(t, here.WriteFile(fmt.Sprint(i), []byte(content(i)), 0o666))
		}
		all.Go(func() {
			<-begin
			err := converseWith(addr, here, fmt.Sprintf("%s %d\n", command, i))
			if err == nil && command == "put" { // get it back, into another folder
				err = converseWith(addr, check, fmt.Sprintf("get %d\n", i))
				here = check
			}
			got, rerr := here.ReadFile(fmt.Sprint(i))
			if err == nil && rerr == nil && string(got) != content(i) {
				err = errors.New("another file")
			}
			failed <- errors.Join(err, rerr)
		})
	}
	close(begin)
	all.Wait()
	for range clients {
		require.NoError(t, <-failed)
	}
}

func converseWith(addr string, here *os.Root, lines string) error {
	conn, err := dial(addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	return talkFrom(conn, here, strings.NewReader(lines), io.Discard)
}

// sparse is a file of zeros that takes no room on the disk.
func sparse(t testing.TB, size int64) *os.File {
	file, err := os.Create(filepath.Join(t.TempDir(), "zeros"))
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	require.NoError(t, file.Truncate(size))
	return file
}

// Whatever the size of a file, the two sides together allocate a few buffers for it. -megabytes 5120 sends
// more than 4 GiB.
func TestFlatMemory(t *testing.T) {
	size := *megabyte << 20
	file := sparse(t, size)
	client, server, err := loopback.TCP()
	require.NoError(t, err)
	defer client.Close()
	defer server.Close()
	before := allocated()
	sent := make(chan error, 1)
	go func() { sent <- sendFile(server, file, size, header{FileName: "zeros"}, nil) }()
	h, err := readAnswer(client)
	require.NoError(t, err)
	require.Equal(t, size, h.TotalSize)
	sum := sha256.New()
	require.NoError(t, readPayload(client, sum, h.TotalSize, sum))
	require.NoError(t, <-sent)
	used := allocated() - before
	t.Logf("%d bytes allocated for %d", used, size)
	require.Less(t, used, uint64(4<<20), "all bytes that were allocated, also those given back")
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// A long file is announced with its size, and resumed near its end. What is stored is a hole. With
// -megabytes 5120 that is beyond 4 GiB, and takes half a minute.
func TestLongFileIsResumed(t *testing.T) {
	size := *megabyte << 20
	from, to := folder(t, nil), folder(t, nil)
	for root, size := range map[*os.Root]int64{from: size, to: size - 1000} {
		name := "zeros"
		if root == to {
			name += partial
		}
		file, err := root.Create(name)
		require.NoError(t, err)
		require.NoError(t, file.Truncate(size))
		require.NoError(t, file.Close())
	}
	client, server, err := loopback.TCP()
	require.NoError(t, err)
	answered := make(chan error, 1)
	go func() { answered <- answerFrom(server, from) }()
	var out bytes.Buffer
	require.NoError(t, talkFrom(client, to, strings.NewReader("get zeros\n"), &out))
	client.Close()
	require.NoError(t, <-answered)
	require.Contains(t, out.String(), fmt.Sprintf("goes on at %d of %d bytes", size-1000, size))
	info, err := to.Stat("zeros")
	require.NoError(t, err)
	require.Equal(t, size, info.Size())
}

// A program is killed while it receives a file: at a random byte, or, each third time, when it has
// all of them and stores the file. Its final name then has nothing or all of it, the part has the
// beginning, and the next try completes it. -kills says how often.
func TestKilled(t *testing.T) {
	quiet(t)
	content := make([]byte, 1<<20)
	random := rand.NewChaCha8([32]byte{'k'})
	random.Read(content)
	dice := rand.New(random)
	complete, parts := 0, 0
	for i := range *kills {
		receiver, sent := killedClient, len(message(t, "film.bin", string(content)))
		if i%2 == 1 {
			receiver = killedServer
			sent += len(frame(t, header{Command: "put", FileName: "film.bin", TotalSize: int64(len(content))}))
		}
		point, pause := int64(sent), time.Duration(dice.IntN(20_000))*time.Microsecond
		if i%3 > 0 {
			point, pause = dice.Int64N(point), pause/10
		}
		root := folder(t, nil)
		receiver(t, root, content, point, pause)
		found := files(t, root)
		for name, got := range found {
			switch name {
			case "film.bin":
				require.True(t, got == string(content), "kill %d at byte %d: a cut file has the final name", i, point)
				complete++
			case "film.bin.part":
				require.True(t, bytes.HasPrefix(content, []byte(got)), "kill %d: not a beginning", i)
				parts++
			default:
				t.Fatalf("kill %d left %s", i, name)
			}
		}
		here := folder(t, map[string]string{"film.bin": string(content)})
		require.NoError(t, putUnlocked(t, root, here))
		require.Len(t, files(t, root), 1)
		require.True(t, files(t, root)["film.bin"] == string(content), "kill %d: the next try completes it", i)
		removeFiles(t, root)
		removeFiles(t, here)
	}
	t.Logf("%d kills: %d times all, %d times a part", *kills, complete, parts)
}

// putUnlocked puts the file. Windows takes a moment to unlock what a process had locked that has ended; see
// "LockFileEx" in its documentation.
func putUnlocked(t *testing.T, there, here *os.Root) error {
	begin := time.Now()
	for {
		var out bytes.Buffer
		err := converse(t, there, here, "put film.bin\n", &out)
		if !strings.Contains(out.String(), "received already") || time.Since(begin) > loopback.Patience {
			return err
		}
		time.Sleep(10 * time.Millisecond) // nothing announces it
	}
}

// removeFiles makes room: there may be thousands of them before the test ends.
func removeFiles(t *testing.T, root *os.Root) {
	for name := range files(t, root) {
		require.NoError(t, root.Remove(name))
	}
}

// killedClient lets a client of its own process get the file into root, and kills it.
func killedClient(t *testing.T, root *os.Root, content []byte, point int64, pause time.Duration) {
	there := folder(t, map[string]string{"film.bin": string(content)})
	defer removeFiles(t, there)
	ln, err := loopback.Listen()
	require.NoError(t, err)
	defer ln.Close()
	cmd := stagetest.Command(t, "client", "-addr", ln.Addr().String(), "-folder", root.Name())
	cmd.Stdin = strings.NewReader("get film.bin\n")
	require.NoError(t, cmd.Start())
	conn, err := ln.Accept()
	require.NoError(t, err)
	answerFrom(&killing{Conn: conn, left: point, kill: func() {
		time.Sleep(pause) // a random point, between two bytes
		cmd.Process.Kill()
	}}, there)
	cmd.Wait()
}

// killedServer lets a client put the file to a server of its own process, and kills the server.
func killedServer(t *testing.T, root *os.Root, content []byte, point int64, pause time.Duration) {
	here := folder(t, map[string]string{"film.bin": string(content)})
	defer removeFiles(t, here)
	cmd := stagetest.Command(t, "server", "-addr", "127.0.0.1:0", "-folder", root.Name())
	s := stagetest.Start(t, cmd)
	conn, err := dial(s.Addr)
	require.NoError(t, err)
	defer conn.Close()
	k := &killing{Conn: conn, left: point, kill: func() {
		time.Sleep(pause)
		cmd.Process.Kill()
	}}
	talkFrom(k, here, strings.NewReader("put film.bin\n"), io.Discard)
	cmd.Process.Kill()
	cmd.Wait()
}

// killing kills the peer when left bytes have been written to it.
type killing struct {
	net.Conn
	left int64
	kill func()
	once sync.Once
}

func (k *killing) Write(p []byte) (int, error) {
	if k.left > int64(len(p)) {
		k.left -= int64(len(p))
		return k.Conn.Write(p)
	}
	n, err := k.Conn.Write(p[:k.left])
	k.once.Do(k.kill)
	k.left = math.MaxInt64
	if err != nil {
		return n, err
	}
	m, err := k.Conn.Write(p[n:])
	return n + m, err
}

func (k *killing) Close() error {
	k.once.Do(k.kill)
	return k.Conn.Close()
}

// BenchmarkThroughput sends a file over loopback: with io.Copy alone, with io.Copy and a SHA-256 at
// both ends, and as this lesson does it, in turns. It reports ours and the bare one as parts of the
// one with hashes: 1 means that headers, framing and the check cost nothing. into=file stores and
// flushes it as well.
func BenchmarkThroughput(b *testing.B) {
	const size = 256 << 20
	content := folder(b, nil)
	file, err := content.Create("film.bin")
	require.NoError(b, err)
	defer file.Close()
	random := rand.NewChaCha8([32]byte{'b'})
	_, err = io.CopyN(file, readerOf(random.Read), size)
	require.NoError(b, err)
	for _, into := range []string{"hash", "file"} {
		b.Run("into="+into, func(b *testing.B) {
			root := folder(b, nil)
			client, server, err := loopback.TCP()
			require.NoError(b, err)
			defer client.Close()
			defer server.Close()
			plain := func(send func() io.Writer) func() error {
				return func() error {
					if _, err := file.Seek(0, io.SeekStart); err != nil {
						return err
					}
					_, err := io.Copy(send(), io.LimitReader(file, size))
					return err
				}
			}
			// store has what is received written, flushed and renamed.
			store := func(receive func(w io.Writer) error) func() error {
				return func() error {
					if into == "hash" {
						return receive(io.Discard)
					}
					out, err := root.Create("plain.part")
					if err != nil {
						return err
					}
					plain := struct{ io.Writer }{out} // the runtime keeps the pipes that it would splice with
					return errors.Join(receive(plain), out.Sync(), out.Close(), root.Rename("plain.part", "plain"))
				}
			}
			bare := func() time.Duration {
				return carry(b, plain(func() io.Writer { return server }), store(func(w io.Writer) error {
					_, err := io.CopyN(w, client, size)
					return err
				}))
			}
			hashed := func() time.Duration {
				return carry(b, plain(func() io.Writer { return io.MultiWriter(server, sha256.New()) }),
					store(func(w io.Writer) error {
						_, err := io.CopyN(io.MultiWriter(w, sha256.New()), client, size)
						return err
					}))
			}
			ours := func() time.Duration {
				return carry(b, func() error {
					return sendFile(server, file, size, header{FileName: "film.bin"}, nil)
				}, func() error {
					h, err := readAnswer(client)
					if err != nil {
						return err
					}
					if into == "hash" {
						sum := sha256.New()
						return readPayload(client, io.MultiWriter(io.Discard, sum), h.TotalSize, sum)
					}
					p, err := openPart(root, "film.bin")
					if err != nil {
						return err
					}
					defer p.Close()
					return p.receive(client, h, nil)
				})
			}
			var took [3][]time.Duration
			b.SetBytes(3 * size)
			for b.Loop() {
				for i, run := range []func() time.Duration{bare, hashed, ours} {
					took[i] = append(took[i], run())
				}
			}
			for i := range took {
				slices.Sort(took[i])
			}
			median := func(i int) float64 { return took[i][len(took[i])/2].Seconds() }
			b.ReportMetric(median(1)/median(2), "ours/hashed")
			b.ReportMetric(median(1)/median(0), "bare/hashed")
			b.ReportMetric(size/median(2)/1e6, "ours-MB/s")
		})
	}
}

type readerOf func(p []byte) (int, error)

func (f readerOf) Read(p []byte) (int, error) { return f(p) }

// carry measures one transfer, from the first byte written to the last one read.
func carry(b *testing.B, send, receive func() error) time.Duration {
	begin := time.Now()
	sent := make(chan error, 1)
	go func() { sent <- send() }()
	if err := errors.Join(receive(), <-sent); err != nil {
		b.Fatal(err)
	}
	return time.Since(begin)
}
