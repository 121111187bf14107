package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"socketbook/lessons/internal/scenario"
	"socketbook/lessons/internal/stage/stagetest"
	"socketbook/tools/loopback"
	"socketbook/tools/timeline"
)

func TestMain(m *testing.M) { stagetest.Main(m, lesson) }

func TestLesson(t *testing.T) { stagetest.Lesson(t, lesson) }

// What comes of each call that fails: an error, a line in the log, and which connections are closed.
func TestFailures(t *testing.T) {
	stagetest.Failures(
		t,
		stagetest.Serves("serve", serve, "a", "`az{ @AZ[ é"),
		stagetest.Talks("talk", talk, "h\n\nho\nquit\nnever sent\n", "H", "HO"),
		stagetest.Serves("naiveServe", naiveServe, "hi", "ho"),
	)
}

func TestThreeWay(t *testing.T) {
	got := stagetest.Play(t, lesson, "three-way")
	require.Equal(t, []string{"SYN", "SYN ACK", "ACK"}, got.Got)
	var rows []string
	for _, e := range got.Events {
		switch {
		case e.Header != nil && e.Header.Flags == "SYN":
			rows = append(rows, "SYN")
		case e.Header != nil && e.Header.Seq == 1 && e.N == 0 && e.Side == "client":
			rows = append(rows, "ACK")
		case e.Op == timeline.Dial || e.Op == timeline.Accept:
			rows = append(rows, string(e.Op))
		}
	}
	require.Equal(t, []string{"dial", "SYN", "ACK", "accept"}, rows[:4], "in the order of their times")
	inside(t, got.Events)
}

// inside checks that each segment with bytes crossed the wire while its send was at work, and before
// the read of its bytes returned: the clocks agree.
func inside(t *testing.T, events []timeline.Event) {
	segments := 0
	for _, e := range events {
		if e.Header == nil || e.N == 0 {
			continue
		}
		segments++
		var sent, read bool
		for _, call := range events {
			sent = sent || call.Op == timeline.Send && call.Side == e.Side && call.US <= e.US && e.US <= call.End
			read = read || call.Op == timeline.Recv && call.Side == e.Header.To && e.US <= call.End
		}
		require.True(t, sent && read, "%s of the %s at %d us", e.Header, e.Side, e.US)
	}
	require.NotZero(t, segments)
}

func TestAck(t *testing.T) {
	got := stagetest.Play(t, lesson, "ack")
	require.Equal(t, []string{"alone", "with the answer"}, got.Got)
}

func TestHalfClose(t *testing.T) {
	got := stagetest.Play(t, lesson, "half-close")
	require.Equal(t, []string{"FIN_WAIT2", "CLOSE_WAIT", "TIME_WAIT", "gone"}, got.Got)
	fin := int64(0)
	for _, e := range got.Events {
		if e.Header != nil && e.Side == "client" && strings.Contains(e.Header.Flags, "FIN") {
			fin = e.US
		}
		if e.Header != nil && e.Side == "server" && e.N > 0 {
			require.NotZero(t, fin, "bytes came back after the FIN")
			return
		}
	}
	require.Fail(t, "no bytes came back")
}

func TestFourWay(t *testing.T) {
	got := stagetest.Play(t, lesson, "four-way")
	require.Equal(t, []string{"FIN ACK, FIN ACK, ACK", "FIN ACK, ACK, FIN ACK, ACK"}, got.Got)
}

func TestTimeWait(t *testing.T) {
	require.Equal(t, []string{"client", "server"}, stagetest.Play(t, lesson, "time-wait").Got)
}

func TestRefused(t *testing.T) {
	got := stagetest.Play(t, lesson, "refused")
	require.ErrorContains(t, got.Met, "connection refused")
	require.Equal(t, []string{"SYN", "RST ACK"}, got.Got)
}

func TestReset(t *testing.T) {
	got := stagetest.Play(t, lesson, "reset")
	require.Equal(t, 3, got.N, "one RST each")
	require.Equal(t, []string{"connection reset by peer", "connection reset by peer", "broken pipe"}, got.Got)
}

func TestLostAndResent(t *testing.T) {
	got := stagetest.Play(t, lesson, "lost-and-resent")
	require.Equal(t, []string{"hello"}, got.Got)
	require.Equal(t, 3, got.N)
	var lost, again int
	for _, e := range got.Events {
		if e.Header != nil && e.N > 0 && e.Side == "client" {
			require.Equal(t, uint32(1), e.Header.Seq)
			lost, again = lost+count(e.Header.Lost), again+count(e.Header.Again)
		}
	}
	require.Equal(t, 2, lost)
	require.Equal(t, 2, again)
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestBugCloseWait(t *testing.T) {
	got := stagetest.PlayNaive(t, lesson, "close-wait")
	require.Equal(t, 5, got.N)
	require.Empty(t, got.Got, "no FIN of the server's")
}

func TestFixCloseWait(t *testing.T) {
	got := stagetest.Play(t, lesson, "close-wait")
	require.Zero(t, got.N)
	require.Len(t, got.Got, 5)
}

func TestLongShort(t *testing.T) {
	got := stagetest.Play(t, lesson, "long-short")
	require.Equal(t, []string{"18", "50"}, got.Got, "8+2N and 10N segments")
}

// Where there is no private network the recording of each take is shown, and said to be one.
func TestRecorded(t *testing.T) {
	why := fmt.Errorf("no private network here: clone: none today: %w", errors.ErrUnsupported)
	refused := func(*timeline.Recorder) (scenario.Outcome, error) { return scenario.Outcome{}, why }
	for _, sc := range lesson.Scenes {
		for _, take := range sc.Takes() {
			recording, err := recordings.ReadFile(path.Join("testdata/recordings", take.Name()+".jsonl"))
			require.NoError(t, err)
			rec := timeline.NewRecorder(take.Name())
			got, err := scenario.OrRecorded(refused, recording, madeOn)(rec)
			require.NoError(t, err)
			require.Equal(t, why.Error(), got.Lacking)
			require.Contains(t, rec.Events()[0].Text, "a recording, made on Linux 6.18")
			require.NotZero(t, timeline.Count(rec.Events(), "", timeline.Segment))
		}
	}
}

// Wireshark's reader takes the file, and its flags and lengths are those of the picture's rows.
func TestTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		if os.Getenv("CI") != "" && os.Getenv("WINEPREFIX") == "" {
			t.Fatal("tshark is not installed")
		}
		t.Skip("tshark is not installed: Wireshark's own reader is not asked")
	}
	for _, sc := range lesson.Scenes {
		t.Run(sc.Name, func(t *testing.T) {
			got := stagetest.Play(t, lesson, sc.Name)
			file := filepath.Join(t.TempDir(), "segments.pcap")
			require.NoError(t, os.WriteFile(file, got.Pcap, 0o600))
			cmd := exec.Command(tshark, "-n", "-r", file, "-T", "fields",
				"-e", "tcp.flags", "-e", "tcp.seq", "-e", "tcp.len")
			cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
			out, err := cmd.Output()
			require.NoError(t, err)
			var want []string
			for _, e := range got.Events {
				if e.Header != nil {
					want = append(want, fmt.Sprintf("%#04x %d %d", bits(e.Header.Flags), e.Header.Seq, e.N))
				}
			}
			var read []string
			for line := range strings.Lines(string(out)) {
				f := strings.Fields(line)
				require.Len(t, f, 3)
				flags, err := strconv.ParseUint(f[0], 0, 16)
				require.NoError(t, err)
				read = append(read, fmt.Sprintf("%#04x %s %s", flags, f[1], f[2]))
			}
			require.Equal(t, want, read)
		})
	}
}

// bits are the flags as they stand in the header (RFC 9293, section 3.1).
func bits(flags string) (b int) {
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"} {
		for word := range strings.FieldsSeq(flags) {
			if word == name {
				b |= 1 << i
			}
		}
	}
	return b
}

// -pcap replaces what a lesson wrote, and nothing else.
func TestPcapFile(t *testing.T) {
	stagetest.Play(t, lesson, "refused") // skips where there are no segments
	file := filepath.Join(t.TempDir(), "segments.pcap")
	for range 2 {
		_, errs, status := stagetest.Run(t.Context(), lesson, "", "-scene", "refused", "-pcap", file)
		require.Zero(t, status, errs)
		require.Empty(t, errs)
	}
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Greater(t, info.Size(), int64(24))
	mine := filepath.Join(t.TempDir(), "thesis.txt")
	require.NoError(t, os.WriteFile(mine, []byte("my thesis"), 0o600))
	_, errs, status := stagetest.Run(t.Context(), lesson, "", "-scene", "refused", "-pcap", mine)
	require.Equal(t, 1, status)
	require.Contains(t, errs, "not replaced")
	_, _, status = stagetest.Run(t.Context(), lesson, "", "-pcap", "")
	require.Equal(t, 2, status)
}

// A client may leave whenever it likes.
func TestLeaving(t *testing.T) { stagetest.Leaving(t, answer, "hello") }

func TestServeEnds(t *testing.T) {
	ln, err := loopback.Listen()
	require.NoError(t, err)
	ln.Close()
	require.NoError(t, serve(ln), "a closed listener is no error")
}

// A read may return bytes and an error at once, as every io.Reader may. The bytes come first.
func TestBytesBeforeTheError(t *testing.T) {
	client, server, err := loopback.TCP()
	require.NoError(t, err)
	_, err = client.Write([]byte("hello"))
	require.NoError(t, err)
	require.NoError(t, client.CloseWrite())
	require.NoError(t, answer(stagetest.BytesWithTheEnd(server)))
	answered, err := io.ReadAll(client)
	require.NoError(t, err)
	require.Equal(t, "HELLO", string(answered))
	client.Close()

	client, server, err = loopback.TCP()
	require.NoError(t, err)
	_, err = server.Write([]byte("HELLO"))
	require.NoError(t, err)
	require.NoError(t, server.CloseWrite())
	var out bytes.Buffer
	require.ErrorIs(t, talk(stagetest.BytesWithTheEnd(client), strings.NewReader("hello\n"), &out), io.EOF)
	require.Equal(t, "HELLO\n", out.String())
	client.Close()
	server.Close()
}

func TestPython(t *testing.T) {
	t.Run("its clients, our server", func(t *testing.T) {
		server := stagetest.Server(t)
		for range 2 {
			out, errs, status := stagetest.Output(t, stagetest.Python(t, "client.py", server.Addr),
				"hello\n\n你好\nquit\n")
			require.Zero(t, status, errs)
			require.Equal(t, "HELLO\n你好\n", out)
		}
	})
	t.Run("our clients, its server", func(t *testing.T) {
		server := stagetest.Start(t, stagetest.Python(t, "server.py"))
		for range 2 {
			out, errs, status := stagetest.Client(t, server.Addr, "hello\n\n你好\nquit\n")
			require.Zero(t, status, errs)
			require.Equal(t, "HELLO\n你好\n", out)
		}
	})
}
