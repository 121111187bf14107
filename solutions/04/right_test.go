package sticky_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sort"
	"time"

	"socketbook/labs/04/stickytest"
	"socketbook/tools/check"
)

type (
	diagnoseFunc = func(sent, received [][]byte) stickytest.Report
	provokeFunc  = func(client, server net.Conn, queued func(n int) error, first, second []byte) ([]byte, error)
)

// right are the reference and correct answers in other styles.
var right = []check.Answer{
	answer("the reference", reference),
	answer(
		"byte by byte, and a writer beside the reader",
		stickytest.Lab{Diagnose: diagnoseByBytes, Provoke: provokeFromGoroutine},
	),
	answer(
		"sets of ends, and net.Buffers",
		stickytest.Lab{Diagnose: diagnoseByEnds, Provoke: provokeBuffers},
	),
	answer(
		"two fingers, and waiting for each message",
		stickytest.Lab{Diagnose: diagnoseInOnePass, Provoke: provokeStepwise},
	),
	answer(
		"a deadline that is taken back, waiting for more and more, and a look whether more came",
		stickytest.Lab{Diagnose: diagnoseByEnds, Provoke: provokeWithDeadline},
	),
}

var errEmpty = errors.New("an empty message")

// diagnoseByBytes gives each byte of both streams the number of its message.
func diagnoseByBytes(sent, received [][]byte) stickytest.Report {
	type place struct {
		message int
		b       byte
	}
	label := func(messages [][]byte) (all []place) {
		for i, m := range messages {
			for _, b := range m {
				all = append(all, place{i, b})
			}
		}
		return all
	}
	out, in := label(sent), label(received)
	arrived := 0
	for arrived < len(out) && arrived < len(in) && out[arrived].b == in[arrived].b {
		arrived++
	}
	report := stickytest.Report{Lost: len(out) - arrived, Foreign: len(in) - arrived}
	for i, m := range sent {
		holders := map[int]int{} // received message → bytes of m in it
		for k := range arrived {
			if out[k].message == i {
				holders[in[k].message]++
			}
		}
		glued, whole := false, false
		for piece, mine := range holders {
			glued = glued || mine < len(received[piece])
			whole = whole || mine == len(m)
		}
		report.Fates = append(report.Fates, word(len(holders) > 0, glued, !whole))
	}
	return report
}

func word(any, glued, cut bool) string {
	if !any {
		return "missing"
	}
	return map[[2]bool]string{
		{false, false}: "whole", {true, false}: "glued", {false, true}: "cut",
		{true, true}: "glued and cut",
	}[[2]bool{glued, cut}]
}

// diagnoseByEnds asks where received messages begin and end: a message is clean at an edge that is one of
// these.
func diagnoseByEnds(sent, received [][]byte) stickytest.Report {
	arrived, total := 0, 0
	all := bytes.Join(received, []byte{})
	for _, m := range sent {
		for _, b := range m {
			if arrived == total && arrived < len(all) && all[arrived] == b {
				arrived++
			}
			total++
		}
	}
	edges := []int{0}
	for _, r := range received {
		if len(r) > 0 {
			edges = append(edges, edges[len(edges)-1]+len(r))
		}
	}
	isEdge := func(at int) bool {
		i := sort.SearchInts(edges, at)
		return i < len(edges) && edges[i] == at
	}
	fates := make([]string, 0, len(sent))
	from := 0
	for _, m := range sent {
		to := from + len(m)
		last := min(to, arrived)
		inside := sort.SearchInts(
			edges,
			last,
		) > sort.SearchInts(
			edges,
			from+1,
		) // an edge lies between the two
		fates = append(fates, word(from < last, !isEdge(from) || !isEdge(last), inside || last < to))
		from = to
	}
	return stickytest.Report{Fates: fates, Lost: total - arrived, Foreign: len(all) - arrived}
}

// diagnoseInOnePass goes along both lists at once.
func diagnoseInOnePass(sent, received [][]byte) stickytest.Report {
	var report stickytest.Report
	type state struct{ any, glued, cut bool }
	states := make([]state, len(sent))
	i, at := 0, 0 // in the sent messages
	same := true
	for _, piece := range received {
		members := map[int]bool{}
		strange := false
		for _, b := range piece {
			for i < len(sent) && at == len(sent[i]) {
				i, at = i+1, 0
			}
			if same = same && i < len(sent) && sent[i][at] == b; !same {
				strange = true
				report.Foreign++
				continue
			}
			members[i] = true
			at++
		}
		for m := range members {
			states[m].glued = states[m].glued || len(members) > 1 || strange
			states[m].cut = states[m].cut || states[m].any
			states[m].any = true
		}
	}
	for k, m := range sent {
		s := &states[k]
		switch {
		case k == i && at < len(m):
			report.Lost += len(m) - at
			s.cut = true
		case k > i:
			report.Lost += len(m)
		}
		report.Fates = append(report.Fates, word(s.any, s.glued, s.cut))
	}
	return report
}

// provokeFromGoroutine has a program for each side.
func provokeFromGoroutine(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	if len(first)*len(second) == 0 {
		return nil, errEmpty
	}
	written := make(chan error, 1)
	go func() {
		_, err := client.Write(first)
		if err == nil {
			_, err = client.Write(second)
		}
		written <- err
	}()
	if err := <-written; err != nil {
		return nil, err
	}
	if err := queued(len(first) + len(second)); err != nil {
		return nil, err
	}
	buf := make([]byte, 64<<10)
	n, err := server.Read(buf)
	return buf[:n], err
}

// provokeBuffers writes both slices with one call, which writes each of them by itself, and reads with one
// that reads no further.
func provokeBuffers(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	if len(first) == 0 || len(second) == 0 {
		return nil, errEmpty
	}
	messages := net.Buffers{first, second}
	total, err := messages.WriteTo(client)
	if err != nil {
		return nil, err
	}
	if err := queued(int(total)); err != nil {
		return nil, err
	}
	both := make([]byte, total)
	_, err = io.ReadFull(server, both) // one Read, because everything is there
	return both, err
}

// provokeStepwise waits more often than it has to.
func provokeStepwise(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	if len(first) == 0 || len(second) == 0 {
		return nil, errEmpty
	}
	sum := 0
	for _, m := range [][]byte{first, second} {
		n, err := io.Copy(client, bytes.NewReader(m))
		if err != nil {
			return nil, err
		}
		sum += int(n)
		for _, part := range []int{1, sum / 2, sum} {
			if err := queued(part); err != nil {
				return nil, err
			}
		}
	}
	buf := make([]byte, sum+1)
	n, err := server.Read(buf)
	if err != nil {
		return nil, err
	}
	return append([]byte{}, buf[:n]...), nil
}

// provokeWithDeadline trusts nobody, and takes its deadlines back.
func provokeWithDeadline(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	for _, end := range []net.Conn{client, server} {
		end.SetDeadline(time.Now().Add(time.Minute))
		defer end.SetDeadline(time.Time{})
	}
	got, err := provokeFromGoroutine(client, server, func(n int) error {
		for some := 1; some < n; some *= 2 {
			if err := queued(some); err != nil {
				return err
			}
		}
		return queued(n)
	}, first, second)
	if err != nil {
		return nil, err
	}
	server.SetReadDeadline(time.Now().Add(time.Millisecond))
	if n, err := server.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, errors.New("something follows the messages")
	}
	return got, nil
}
