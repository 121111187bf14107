package sticky_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"socketbook/labs/04/stickytest"
	sticky "socketbook/solutions/04"
	"socketbook/tools/check"
)

// wrong are the mistakes that people make, each with exactly the cases that must fail on it. The
// failure text of a case in testdata is the one that the first answer named for it provokes.
var wrong = []check.Answer{
	diagnosing("only messages that are not whole are reported", diagnoseOnlyBad, stickytest.SeesWhole),
	diagnosing(
		"message by message, number by number",
		diagnoseByNumber,
		stickytest.SeesGlued,
		stickytest.SeesCut,
	),
	diagnosing(
		"the numbers of messages are compared",
		diagnoseByCount,
		stickytest.SeesGlued,
		stickytest.SeesCut,
	),
	diagnosing("contents are searched for", diagnoseBySearching, stickytest.SeesGlued),
	diagnosing("only the neighbour behind counts", diagnoseBehind, stickytest.SeesGlued),
	diagnosing("a shared edge counts as glue", diagnoseTouching, stickytest.SeesWhole),
	diagnosing("an empty received message cuts", diagnoseEmptyCuts, stickytest.SeesCut),
	diagnosing("glued or cut, but not both", diagnoseEither, stickytest.SeesBoth),
	diagnosing("only the first piece is looked at", diagnoseFirstPiece, stickytest.SeesBoth),
	diagnosing("an empty message is whole", diagnoseEmptyWhole, stickytest.SeesMissing),
	diagnosing("a message without its end is missing", diagnosePartMissing, stickytest.SeesMissing),
	diagnosing("a message without its end is whole", diagnosePartWhole, stickytest.SeesMissing),
	diagnosing("lengths only", diagnoseLengths, stickytest.SeesForeign),
	diagnosing("extra bytes go unnoticed", diagnoseNoExtra, stickytest.SeesForeign),
	diagnosing("Lost is the difference of the lengths", diagnoseDifference, stickytest.SeesForeign),
	diagnosing("foreign bytes do not glue", diagnoseForeignSmooth, stickytest.SeesForeign),
	diagnosing("an index out of range when nothing came", diagnosePanics, stickytest.SeesMissing),
	diagnosing("only the first five hundred messages", diagnoseFew, stickytest.SeesAll),
	diagnosing("append to the first message", diagnoseAppends, stickytest.SeesAll),
	diagnosing("append to the first received message", diagnoseAppendsReceived, stickytest.SeesAll),
	diagnosing("empty received messages deleted", diagnoseDeletes, stickytest.SeesCut),
	keeping("one slice of fates for all calls", oneSliceOfFates, stickytest.SeesAll),
	diagnosing("lost characters are counted", diagnoseCharacters, stickytest.SeesMissing),
	diagnosing("a zero byte ends a message", diagnoseZeroEnds, stickytest.SeesWhole),
	diagnosing(
		"an empty received message inside a message is glue",
		diagnoseEmptyGlues,
		stickytest.SeesCut,
	),
	diagnosing("a nil message is none", diagnoseNilIsNone, stickytest.SeesMissing),
	diagnosing("nil messages replaced by empty ones", diagnoseNilToEmpty, stickytest.SeesMissing),
	diagnosing(
		"foreign bytes glue only behind the beginning of the message",
		diagnoseForeignBehindStart,
		stickytest.SeesForeign,
	),
	diagnosing(
		"a foreign message glues what it lies in the place of",
		diagnoseForeignInPlace,
		stickytest.SeesForeign,
	),
	diagnosing("no more than 1 MiB is compared", diagnoseOneMiB, stickytest.SeesAll),
	provoking("one Write for both", provokeOneWrite, stickytest.Sticks),
	provoking("glued by hand", provokeByHand, stickytest.Sticks),
	provoking("nothing is read", provokeReadsNothing, stickytest.Sticks),
	provoking("a Read after each Write", provokeReadsTwice, stickytest.Sticks),
	provoking("a buffer of 1024 bytes", provokeSmallBuffer, stickytest.Sticks),
	provoking("closed at the end", provokeCloses, stickytest.Sticks),
	provoking("waited for before it is sent", provokeWaitsTooEarly, stickytest.Sticks),
	provoking("no waiting", provokeNoWait, stickytest.SticksSlow),
	provoking("a pause before the Read", provokePauses, stickytest.SticksSlow),
	provoking("waited for the first message only", provokeWaitsForFirst, stickytest.SticksSlow),
	provoking("waited for one byte of the second", provokeWaitsForMore, stickytest.SticksSlow),
	provoking("io.ReadFull instead of waiting", provokeReadFull, stickytest.SticksSlow),
	provoking("a goroutine left behind", provokeLeavesWaiter, stickytest.Sticks),
	provoking("what was sent is returned", provokeReturnsSent, stickytest.Sticks),
	provoking("the error of the second Write is ignored", provokeIgnoresSecond, stickytest.Refuses),
	provoking("an empty message is sent", provokeEmpty, stickytest.Refuses),
	provoking("only the first message is checked", provokeHalfEmpty, stickytest.Refuses),
	provoking("the errors of Write are ignored", provokeIgnoresWrite, stickytest.Refuses),
	provoking("the error of queued is ignored", provokeIgnoresQueued, stickytest.Refuses),
	provoking("the error of Read is ignored", provokeIgnoresRead, stickytest.Refuses),
	provoking("an error of its own for everything", provokeHidesCause, stickytest.Refuses),
	provoking("closed when something fails", provokeClosesFailed, stickytest.Refuses),
	provoking("closed when a message is empty", provokeClosesEmpty, stickytest.Refuses),
	provoking("a byte with each Write", provokeByBytes, stickytest.Sticks),
	provoking("a deadline left behind", provokeLeavesDeadline, stickytest.Sticks),
	keeping("one buffer for all calls", oneBuffer, stickytest.Sticks),
	diagnosing("an end mark appended to the list of received messages", diagnoseMarksEnd, stickytest.SeesAll),
	diagnosing("positions of 16 bits", diagnoseShortPositions, stickytest.SeesAll),
	diagnosing("nothing is lost when only empty messages came", diagnoseEmptyLosesNothing,
		stickytest.SeesMissing),
	keeping("equal fates share a slice", sharedFates, stickytest.SeesAll),
	provoking("what came is trimmed", provokeTrims, stickytest.Sticks),
	keeping("equal messages share a result", sharedResults, stickytest.Sticks),
	provoking("16 KiB together are refused", provokeRefusesMost, stickytest.Sticks),
	provoking("half-closed after the messages", provokeHalfCloses, stickytest.Sticks),
	provoking("an empty Write at the end", provokeFlushes, stickytest.Sticks),
	provoking("what came goes through a string of characters", provokeAsText, stickytest.Sticks),
	provoking("read into the array behind first", provokeIntoFirst, stickytest.Sticks),
	provoking("waits no longer than a twentieth of a second", provokeImpatiently, stickytest.SticksSlow),
	provoking(
		"io.EOF is not an error",
		deafTo(func(_, _ int, err error) bool { return err == io.EOF }),
		stickytest.Refuses,
	),
	provoking(
		"a peer that has gone is not an error",
		deafTo(func(_, _ int, err error) bool { return err == syscall.EPIPE || err == net.ErrClosed }),
		stickytest.Refuses,
	),
	provoking(
		"an error with a full count dropped",
		deafTo(func(n, size int, err error) bool { return err != nil && n == size }),
		stickytest.Refuses,
	),
	provoking(
		"an error counts only when nothing was written",
		deafTo(func(n, size int, err error) bool { return err != nil && n > 0 && n < size }),
		stickytest.Refuses,
	),
	diagnosing("compared character by character", diagnoseAsText, stickytest.SeesForeign),
	diagnosing("foreign characters are counted", diagnoseForeignCharacters, stickytest.SeesForeign),
	diagnosing("no more foreign bytes than lost ones", diagnoseForeignAsLost, stickytest.SeesForeign),
	diagnosing("equal ones of the same number are whole", diagnosePairs, stickytest.SeesForeign),
	diagnosing("an empty received message makes forget what glued", diagnoseForgets, stickytest.SeesBoth),
	keeping("the same slices give the same report", sameSlices, stickytest.SeesAll),
	provoking("white space counts as empty", provokeBlank, stickytest.Sticks),
	keeping("an error is remembered", rememberedError, stickytest.Refuses),
	diagnosing("two received messages are looked at", diagnoseTwoPieces, stickytest.SeesBoth),
	diagnosing("an empty received message ends the search", diagnoseEmptyEnds, stickytest.SeesBoth),
	keeping("all reports without fates share a slice", sharedNone, stickytest.SeesAll),
	provoking("read after the second Write has failed", provokeDrains, stickytest.Refuses),
	keeping("all results lie in one array", resultsInOneArray, stickytest.Sticks).
		MayPassElsewhere("a result is a copy there"),
}

// span is a range of bytes of a stream.
type span struct{ from, to int }

// lay lays messages end to end.
func lay(messages [][]byte) (all []span) {
	at := 0
	for _, m := range messages {
		all = append(all, span{at, at + len(m)})
		at += len(m)
	}
	return all
}

// diagnoseWith is the reference in another dress; judge says of a message that has come at least in part
// whether it is glued, and whether cut.
func diagnoseWith(
	sent, received [][]byte,
	judge func(m span, arrived int, pieces []span) (glued, cut bool),
) stickytest.Report {
	report := diagnoseReference(sent, received)
	arrived := len(bytes.Join(sent, nil)) - report.Lost
	for i, m := range lay(sent) {
		if m.from < min(m.to, arrived) {
			glued, cut := judge(m, arrived, lay(received))
			report.Fates[i] = word(true, glued, cut)
		}
	}
	return report
}

// judge is right; the answers below change a detail of it.
func judge(m span, arrived int, pieces []span) (glued, cut bool) {
	cut = m.to > arrived
	m.to = min(m.to, arrived)
	for _, p := range pieces {
		if p.from < m.to && p.to > m.from && p.from < p.to {
			glued = glued || p.from < m.from || p.to > m.to
			cut = cut || p.from > m.from || p.to < m.to
		}
	}
	return glued, cut
}

func diagnoseOnlyBad(sent, received [][]byte) stickytest.Report {
	report := diagnoseReference(sent, received)
	var fates []string
	for _, f := range report.Fates {
		if f != stickytest.Whole {
			fates = append(fates, f)
		}
	}
	report.Fates = fates
	return report
}

func diagnoseByNumber(sent, received [][]byte) stickytest.Report {
	report := diagnoseReference(sent, received)
	for i, m := range sent {
		switch {
		case i >= len(received):
			report.Fates[i] = stickytest.Missing
		case bytes.Equal(m, received[i]):
			report.Fates[i] = stickytest.Whole
		case len(received[i]) > len(m):
			report.Fates[i] = stickytest.Glued
		default:
			report.Fates[i] = stickytest.Cut
		}
	}
	return report
}

func diagnoseByCount(sent, received [][]byte) stickytest.Report {
	report := diagnoseReference(sent, received)
	for i := range report.Fates {
		switch {
		case len(received) < len(sent):
			report.Fates[i] = stickytest.Glued
		case len(received) > len(sent):
			report.Fates[i] = stickytest.Cut
		}
	}
	return report
}

func diagnoseBySearching(sent, received [][]byte) stickytest.Report {
	report := diagnoseReference(sent, received)
	for i, m := range sent {
		fate := stickytest.Cut
		for _, r := range received {
			if bytes.Equal(r, m) {
				fate = stickytest.Whole
				break
			}
			if bytes.Contains(r, m) {
				fate = stickytest.Glued
			}
		}
		if report.Fates[i] != stickytest.Missing {
			report.Fates[i] = fate
		}
	}
	return report
}

func diagnoseBehind(sent, received [][]byte) stickytest.Report {
	return diagnoseWith(sent, received, func(m span, arrived int, pieces []span) (glued, cut bool) {
		_, cut = judge(m, arrived, pieces)
		for _, p := range pieces {
			glued = glued || p.from < m.to && m.to < p.to
		}
		return glued, cut
	})
}

func diagnoseTouching(sent, received [][]byte) stickytest.Report {
	return diagnoseWith(sent, received, func(m span, arrived int, pieces []span) (glued, cut bool) {
		_, cut = judge(m, arrived, pieces)
		for _, p := range pieces {
			glued = glued || p.from <= m.to && m.from <= p.to && p != m
		}
		return glued, cut
	})
}

func diagnoseEmptyCuts(sent, received [][]byte) stickytest.Report {
	return diagnoseWith(sent, received, func(m span, arrived int, pieces []span) (glued, cut bool) {
		glued, cut = judge(m, arrived, pieces)
		n := 0
		for _, p := range pieces {
			if p.from >= m.from && p.to <= m.to {
				n++
			}
		}
		return glued, cut || n > 1
	})
}

func diagnoseEither(sent, received [][]byte) stickytest.Report {
	return diagnoseWith(sent, received, func(m span, arrived int, pieces []span) (glued, cut bool) {
		glued, cut = judge(m, arrived, pieces)
		return glued && !cut, cut
	})
}

func diagnoseFirstPiece(sent, received [][]byte) stickytest.Report {
	return diagnoseWith(sent, received, func(m span, arrived int, pieces []span) (glued, cut bool) {
		_, cut = judge(m, arrived, pieces)
		for i, p := range pieces {
			if p.from <= m.from && m.from < p.to {
				glued, _ = judge(m, arrived, pieces[i:i+1])
			}
		}
		return glued, cut
	})
}

func diagnoseEmptyWhole(sent, received [][]byte) stickytest.Report {
	report := diagnoseReference(sent, received)
	for i, m := range sent {
		if len(m) == 0 {
			report.Fates[i] = stickytest.Whole
		}
	}
	return report
}

func diagnosePartMissing(sent, received [][]byte) stickytest.Report {
	report := diagnoseReference(sent, received)
	in := len(bytes.Join(received, nil))
	for i, m := range lay(sent) {
		if report.Foreign == 0 && m.to > in {
			report.Fates[i] = stickytest.Missing
		}
	}
	return report
}

func diagnosePartWhole(sent, received [][]byte) stickytest.Report {
	return diagnoseWith(sent, received, func(m span, arrived int, pieces []span) (glued, cut bool) {
		m.to = min(m.to, arrived)
		return judge(m, arrived, pieces)
	})
}

func diagnoseLengths(sent, received [][]byte) stickytest.Report {
	report := stickytest.Report{}
	out, in := len(bytes.Join(sent, nil)), len(bytes.Join(received, nil))
	report.Lost, report.Foreign = max(0, out-in), max(0, in-out)
	for _, m := range lay(sent) {
		glued, cut := judge(m, in, lay(received))
		report.Fates = append(report.Fates, word(m.from < min(m.to, in), glued, cut))
	}
	return report
}

func diagnoseNoExtra(sent, received [][]byte) stickytest.Report {
	report := diagnoseReference(sent, received)
	report.Foreign = 0
	return report
}

func diagnoseDifference(sent, received [][]byte) stickytest.Report {
	report := diagnoseReference(sent, received)
	report.Lost = len(bytes.Join(sent, nil)) - len(bytes.Join(received, nil))
	return report
}

func diagnoseForeignSmooth(sent, received [][]byte) stickytest.Report {
	return diagnoseWith(sent, received, func(m span, arrived int, pieces []span) (glued, cut bool) {
		for i := range pieces {
			pieces[i].to = min(pieces[i].to, arrived)
		}
		return judge(m, arrived, pieces)
	})
}

func diagnosePanics(sent, received [][]byte) stickytest.Report {
	if len(sent) > 0 && len(received[0]) == 0 && len(received) == 1 {
		return diagnoseReference(sent, nil)
	}
	return diagnoseReference(sent, received)
}

// diagnoseAppends puts the stream together in the array behind the first message, which is the caller's.
func diagnoseAppends(sent, received [][]byte) stickytest.Report {
	if len(sent) == 0 {
		return diagnoseReference(sent, received)
	}
	stream := sent[0]
	for _, m := range sent[1:] {
		stream = append(stream, m...)
	}
	return diagnoseReference(sent, received)
}

func diagnoseAppendsReceived(sent, received [][]byte) stickytest.Report {
	var stream []byte
	for i, m := range received {
		if i == 0 {
			stream = m
		} else {
			stream = append(stream, m...)
		}
	}
	return diagnoseReference(sent, received)
}

// diagnoseDeletes forgets that slices.DeleteFunc works in the caller's slice.
func diagnoseDeletes(sent, received [][]byte) stickytest.Report {
	received = slices.DeleteFunc(received, func(m []byte) bool { return len(m) == 0 })
	return diagnoseReference(sent, received)
}

func diagnoseFew(sent, received [][]byte) stickytest.Report {
	report := diagnoseReference(sent, received)
	report.Fates = report.Fates[:min(len(report.Fates), 500)]
	return report
}

func oneSliceOfFates() stickytest.Lab {
	var fates []string
	return stickytest.Lab{
		Provoke: sticky.Provoke,
		Diagnose: func(sent, received [][]byte) stickytest.Report {
			report := diagnoseReference(sent, received)
			fates = append(fates[:0], report.Fates...)
			report.Fates = fates
			return report
		},
	}
}

func provokeOneWrite(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	if len(first) == 0 || len(second) == 0 {
		return nil, errEmpty
	}
	both := append(bytes.Clone(first), second...)
	if _, err := client.Write(both); err != nil {
		return nil, err
	}
	if err := queued(len(both)); err != nil {
		return nil, err
	}
	n, err := server.Read(both)
	return both[:n], err
}

// receiving does everything up to the Read right.
func receiving(
	client net.Conn,
	queued func(n int) error,
	first, second []byte,
	read func(both int) ([]byte, error),
) ([]byte, error) {
	if len(first) == 0 || len(second) == 0 {
		return nil, errEmpty
	}
	if _, err := client.Write(first); err != nil {
		return nil, err
	}
	if _, err := client.Write(second); err != nil {
		return nil, err
	}
	if err := queued(len(first) + len(second)); err != nil {
		return nil, err
	}
	return read(len(first) + len(second))
}

// readOnce reads once, into a buffer of size bytes.
func readOnce(server net.Conn, size int) ([]byte, error) {
	buf := make([]byte, size)
	n, err := server.Read(buf)
	return buf[:n], err
}

func provokeByHand(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	return receiving(client, queued, first, second, func(int) ([]byte, error) {
		one, err := readOnce(server, len(first))
		if err != nil {
			return nil, err
		}
		two, err := readOnce(server, len(second))
		return append(one, two...), err
	})
}

func provokeReadsNothing(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	return receiving(client, queued, first, second, func(int) ([]byte, error) {
		_, err := server.Read(nil)
		return append(bytes.Clone(first), second...), err
	})
}

func provokeReadsTwice(client, server net.Conn, _ func(n int) error, first, second []byte) ([]byte, error) {
	if len(first) == 0 || len(second) == 0 {
		return nil, errEmpty
	}
	var both []byte
	for _, m := range [][]byte{first, second} {
		if _, err := client.Write(m); err != nil {
			return nil, err
		}
		got, err := readOnce(server, 64<<10)
		if err != nil {
			return nil, err
		}
		both = append(both, got...)
	}
	return both, nil
}

func provokeSmallBuffer(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	return receiving(
		client,
		queued,
		first,
		second,
		func(int) ([]byte, error) { return readOnce(server, 1024) },
	)
}

func provokeCloses(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	defer client.Close()
	return sticky.Provoke(client, server, queued, first, second)
}

func provokeWaitsTooEarly(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	if len(first) == 0 || len(second) == 0 {
		return nil, errEmpty
	}
	if err := queued(len(first) + len(second)); err != nil {
		return nil, err
	}
	return sticky.Provoke(client, server, queued, first, second)
}

// noQueue is for answers that leave queued alone.
func noQueue(int) error { return nil }

func provokeNoWait(client, server net.Conn, _ func(n int) error, first, second []byte) ([]byte, error) {
	return sticky.Provoke(client, server, noQueue, first, second)
}

func provokePauses(client, server net.Conn, _ func(n int) error, first, second []byte) ([]byte, error) {
	return receiving(client, noQueue, first, second, func(both int) ([]byte, error) {
		time.Sleep(2 * time.Millisecond)
		return readOnce(server, both)
	})
}

func provokeWaitsForFirst(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	return sticky.Provoke(client, server, func(int) error { return queued(len(first)) }, first, second)
}

func provokeWaitsForMore(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	return sticky.Provoke(client, server, func(int) error { return queued(len(first) + 1) }, first, second)
}

func provokeReadFull(client, server net.Conn, _ func(n int) error, first, second []byte) ([]byte, error) {
	return receiving(client, noQueue, first, second, func(both int) ([]byte, error) {
		buf := make([]byte, both)
		_, err := io.ReadFull(server, buf)
		return buf, err
	})
}

// provokeLeavesWaiter has a goroutine wait for a signal that nobody gives when all goes well.
func provokeLeavesWaiter(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	failed := make(chan error)
	go func() { <-failed }()
	got, err := sticky.Provoke(client, server, queued, first, second)
	if err != nil {
		failed <- err
	}
	return got, err
}

func provokeEmpty(client, server net.Conn, queued func(n int) error, first, second []byte) ([]byte, error) {
	for _, m := range [][]byte{first, second} {
		if _, err := client.Write(m); err != nil {
			return nil, err
		}
	}
	if err := queued(len(first) + len(second)); err != nil {
		return nil, err
	}
	return readOnce(server, len(first)+len(second))
}

func provokeHalfEmpty(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	if len(first) == 0 {
		return nil, errEmpty
	}
	return provokeEmpty(client, server, queued, first, second)
}

func provokeIgnoresWrite(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	if len(first) == 0 || len(second) == 0 {
		return nil, errEmpty
	}
	client.Write(first)
	client.Write(second)
	if err := queued(len(first) + len(second)); err != nil {
		return nil, err
	}
	return readOnce(server, len(first)+len(second))
}

func provokeIgnoresQueued(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	return sticky.Provoke(client, server, func(n int) error {
		queued(n)
		return nil
	}, first, second)
}

func provokeIgnoresRead(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	return receiving(client, queued, first, second, func(both int) ([]byte, error) {
		got, _ := readOnce(server, both)
		return got, nil
	})
}

func provokeHidesCause(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	got, err := sticky.Provoke(client, server, queued, first, second)
	if err != nil {
		return nil, errors.New("it did not work")
	}
	return got, nil
}

func provokeClosesFailed(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	got, err := sticky.Provoke(client, server, queued, first, second)
	if err != nil && len(first)*len(second) > 0 {
		client.Close()
		server.Close()
	}
	return got, err
}

func provokeClosesEmpty(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	if len(first)*len(second) == 0 {
		client.Close()
	}
	return sticky.Provoke(client, server, queued, first, second)
}

func provokeByBytes(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	if len(first) == 0 || len(second) == 0 {
		return nil, errEmpty
	}
	for i := range first[1:] {
		if _, err := client.Write(first[i : i+1]); err != nil {
			return nil, err
		}
	}
	return receiving(client, queued, first[len(first)-1:], second, func(int) ([]byte, error) {
		if err := queued(len(first) + len(second)); err != nil {
			return nil, err
		}
		return readOnce(server, len(first)+len(second))
	})
}

func provokeLeavesDeadline(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	server.SetReadDeadline(time.Now().Add(time.Hour))
	return sticky.Provoke(client, server, queued, first, second)
}

func oneBuffer() stickytest.Lab {
	buf := make([]byte, 16<<10)
	return stickytest.Lab{
		Diagnose: diagnoseReference,
		Provoke: func(client, server net.Conn, queued func(n int) error, first, second []byte) ([]byte, error) {
			got, err := sticky.Provoke(client, server, queued, first, second)
			return buf[:copy(buf, got)], err
		},
	}
}

func diagnoseCharacters(sent, received [][]byte) stickytest.Report {
	r := diagnoseReference(sent, received)
	all := bytes.Join(sent, nil)
	r.Lost = utf8.RuneCount(all[len(all)-r.Lost:])
	return r
}

// diagnoseZeroEnds compares strings as C does.
func diagnoseZeroEnds(sent, received [][]byte) stickytest.Report {
	cut := func(messages [][]byte) (all [][]byte) {
		for _, m := range messages {
			m, _, _ = bytes.Cut(m, []byte{0})
			all = append(all, m)
		}
		return all
	}
	return diagnoseReference(cut(sent), cut(received))
}

func diagnoseEmptyGlues(sent, received [][]byte) stickytest.Report {
	r := diagnoseReference(sent, received)
	for i, message := range lay(sent) {
		for _, piece := range lay(received) {
			if piece.from == piece.to && message.from < piece.from && piece.from < message.to &&
				r.Fates[i] == stickytest.Cut {
				r.Fates[i] = stickytest.GluedAndCut
			}
		}
	}
	return r
}

func provokeReturnsSent(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	_, err := sticky.Provoke(client, server, queued, first, second)
	return append(bytes.Clone(first), second...), err
}

func provokeIgnoresSecond(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	if len(first) == 0 || len(second) == 0 {
		return nil, errEmpty
	}
	if _, err := client.Write(first); err != nil {
		return nil, err
	}
	client.Write(second)
	both := make([]byte, len(first)+len(second))
	if err := queued(len(both)); err != nil {
		return nil, err
	}
	n, err := server.Read(both)
	return both[:n], err
}

func diagnoseMarksEnd(sent, received [][]byte) stickytest.Report {
	return diagnoseReference(sent, append(received, nil))
}

func diagnoseShortPositions(sent, received [][]byte) stickytest.Report {
	return diagnoseWith(sent, received, func(m span, arrived int, pieces []span) (glued, cut bool) {
		for i := range pieces {
			pieces[i].to = int(uint16(pieces[i].to))
		}
		return judge(m, arrived, pieces)
	})
}

func diagnoseEmptyLosesNothing(sent, received [][]byte) stickytest.Report {
	report := diagnoseReference(sent, received)
	if len(received) > 0 && len(bytes.Join(received, nil)) == 0 {
		report.Lost = 0
	}
	return report
}

// sharedFates saves memory for reports that are alike.
func sharedFates() stickytest.Lab {
	var known sync.Map
	return stickytest.Lab{
		Provoke: sticky.Provoke,
		Diagnose: func(sent, received [][]byte) stickytest.Report {
			report := diagnoseReference(sent, received)
			fates, _ := known.LoadOrStore(strings.Join(report.Fates, ","), report.Fates)
			report.Fates = fates.([]string)
			return report
		},
	}
}

func sharedResults() stickytest.Lab {
	var known sync.Map
	return stickytest.Lab{
		Diagnose: diagnoseReference,
		Provoke: func(client, server net.Conn, queued func(n int) error, first, second []byte) ([]byte, error) {
			got, err := sticky.Provoke(client, server, queued, first, second)
			same, _ := known.LoadOrStore(string(got), got)
			return same.([]byte), err
		},
	}
}

func provokeRefusesMost(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	if len(first)+len(second) >= 16<<10 {
		return nil, errors.New("too much for the queue")
	}
	return sticky.Provoke(client, server, queued, first, second)
}

func provokeHalfCloses(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	return receiving(client, queued, first, second, func(both int) ([]byte, error) {
		if half, ok := client.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
		return readOnce(server, both)
	})
}

func provokeFlushes(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	return receiving(client, queued, first, second, func(both int) ([]byte, error) {
		if _, err := client.Write(nil); err != nil {
			return nil, err
		}
		return readOnce(server, both)
	})
}

func provokeAsText(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	got, err := sticky.Provoke(client, server, queued, first, second)
	return []byte(string([]rune(string(got)))), err
}

func provokeIntoFirst(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	return receiving(client, queued, first, second, func(int) ([]byte, error) {
		buf := append(first, second...)
		n, err := server.Read(buf)
		return buf[:n], err
	})
}

// provokeImpatiently reads what there is when its time is up.
func provokeImpatiently(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	return sticky.Provoke(client, server, func(n int) error {
		waited := make(chan error, 1)
		go func() { waited <- queued(n) }()
		select {
		case err := <-waited:
			return err
		case <-time.After(50 * time.Millisecond):
			return nil
		}
	}, first, second)
}

// deafConn does not hear of some errors.
type deafConn struct {
	net.Conn
	ignores func(n, size int, err error) bool
}

func (d deafConn) Write(p []byte) (int, error) {
	n, err := d.Conn.Write(p)
	if d.ignores(n, len(p), err) {
		err = nil
	}
	return n, err
}

func (d deafConn) Read(p []byte) (int, error) {
	n, err := d.Conn.Read(p)
	if d.ignores(n, len(p), err) {
		err = nil
	}
	return n, err
}

// deafTo is the reference without those errors of Write and Read that ignores names.
func deafTo(ignores func(n, size int, err error) bool) provokeFunc {
	return func(client, server net.Conn, queued func(n int) error, first, second []byte) ([]byte, error) {
		return sticky.Provoke(deafConn{client, ignores}, deafConn{server, ignores}, queued, first, second)
	}
}

func diagnoseNilIsNone(sent, received [][]byte) stickytest.Report {
	var some [][]byte
	for _, m := range sent {
		if m != nil {
			some = append(some, m)
		}
	}
	return diagnoseReference(some, received)
}

func diagnoseNilToEmpty(sent, received [][]byte) stickytest.Report {
	for i := range sent {
		if sent[i] == nil {
			sent[i] = []byte{}
		}
	}
	return diagnoseReference(sent, received)
}

func diagnoseForeignBehindStart(sent, received [][]byte) stickytest.Report {
	return diagnoseWith(sent, received, func(m span, arrived int, pieces []span) (glued, cut bool) {
		_, cut = judge(m, arrived, pieces)
		last := min(m.to, arrived)
		for _, p := range pieces {
			if p.from < last && p.to > m.from {
				glued = glued || p.from < m.from || p.to > m.to || p.to > arrived && p.from == m.from
			}
		}
		return glued, cut
	})
}

// diagnoseForeignInPlace asks where the message would be if all of it had arrived.
func diagnoseForeignInPlace(sent, received [][]byte) stickytest.Report {
	return diagnoseWith(sent, received, func(m span, arrived int, pieces []span) (glued, cut bool) {
		_, cut = judge(m, arrived, pieces)
		for _, p := range pieces {
			if p.from < m.to && p.to > m.from {
				glued = glued || p.from < m.from || p.to > min(m.to, arrived)
			}
		}
		return glued, cut
	})
}

func diagnoseOneMiB(sent, received [][]byte) stickytest.Report {
	report := diagnoseReference(sent, received)
	if more := len(bytes.Join(sent, nil)) - report.Lost - 1<<20; more > 0 {
		report.Lost += more
		report.Foreign += more
	}
	return report
}

func provokeTrims(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	got, err := sticky.Provoke(client, server, queued, first, second)
	return bytes.TrimSpace(got), err
}

// diagnoseAsText turns what is not UTF-8 into the same character.
func diagnoseAsText(sent, received [][]byte) stickytest.Report {
	text := func(messages [][]byte) (all [][]byte) {
		for _, m := range messages {
			m = bytes.Clone(m)
			for i, b := range m {
				if b >= 0xfe { // never a byte of UTF-8
					m[i] = 0xff
				}
			}
			all = append(all, m)
		}
		return all
	}
	return diagnoseReference(text(sent), text(received))
}

func diagnoseForeignCharacters(sent, received [][]byte) stickytest.Report {
	report := diagnoseReference(sent, received)
	in := bytes.Join(received, nil)
	report.Foreign = utf8.RuneCount(in[len(in)-report.Foreign:])
	return report
}

func diagnoseForeignAsLost(sent, received [][]byte) stickytest.Report {
	report := diagnoseReference(sent, received)
	if report.Lost > 0 {
		report.Foreign = min(report.Foreign, report.Lost)
	}
	return report
}

// diagnosePairs trusts what looks alike, when there are as many received messages as sent ones.
func diagnosePairs(sent, received [][]byte) stickytest.Report {
	report := diagnoseReference(sent, received)
	for i, m := range sent {
		if len(sent) == len(received) && len(m) > 0 && bytes.Equal(m, received[i]) &&
			report.Fates[i] == stickytest.Missing {
			report.Fates[i] = stickytest.Whole
		}
	}
	return report
}

func diagnoseForgets(sent, received [][]byte) stickytest.Report {
	return diagnoseWith(sent, received, func(m span, arrived int, pieces []span) (glued, cut bool) {
		for i, p := range pieces {
			if p.from == p.to && m.from < p.from && p.from < m.to {
				glued, _ := judge(m, arrived, pieces[i+1:])
				return glued, true
			}
		}
		return judge(m, arrived, pieces)
	})
}

func sameSlices() stickytest.Lab {
	type call struct{ sent, received *[]byte }
	var mu sync.Mutex
	known := map[call]stickytest.Report{}
	return stickytest.Lab{
		Diagnose: func(sent, received [][]byte) stickytest.Report {
			report := diagnoseReference(sent, received)
			if len(sent) == 0 || len(received) == 0 {
				return report
			}
			mu.Lock()
			defer mu.Unlock()
			key := call{&sent[0], &received[0]}
			if before, ok := known[key]; ok && len(before.Fates) == len(sent) {
				before.Fates = slices.Clone(before.Fates)
				return before
			}
			known[key] = stickytest.Report{
				Fates:   slices.Clone(report.Fates),
				Lost:    report.Lost,
				Foreign: report.Foreign,
			}
			return report
		},
		Provoke: sticky.Provoke,
	}
}

func provokeBlank(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	if len(bytes.TrimSpace(first)) == 0 || len(bytes.TrimSpace(second)) == 0 {
		return nil, errors.New("nothing in it")
	}
	return sticky.Provoke(client, server, queued, first, second)
}

func rememberedError() stickytest.Lab {
	var mu sync.Mutex
	var broken error
	return stickytest.Lab{
		Diagnose: diagnoseReference,
		Provoke: func(
			client, server net.Conn,
			queued func(n int) error,
			first, second []byte,
		) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			if broken != nil {
				return nil, broken
			}
			return sticky.Provoke(client, server, func(n int) error {
				broken = queued(n)
				return broken
			}, first, second)
		},
	}
}

// resultsInOneArray has the next result in the room behind each one.
func resultsInOneArray() stickytest.Lab {
	var mu sync.Mutex
	room := make([]byte, 0, 1<<20)
	return stickytest.Lab{
		Diagnose: diagnoseReference,
		Provoke: func(
			client, server net.Conn,
			queued func(n int) error,
			first, second []byte,
		) ([]byte, error) {
			got, err := sticky.Provoke(client, server, queued, first, second)
			mu.Lock()
			defer mu.Unlock()
			from := len(room)
			room = append(room, got...)
			return room[from:], err
		},
	}
}

// diagnoseTwoPieces looks at no more than two pieces of a message for bytes that are not its own.
func diagnoseTwoPieces(sent, received [][]byte) stickytest.Report {
	return diagnoseWith(sent, received, func(m span, arrived int, pieces []span) (bool, bool) {
		_, cut := judge(m, arrived, pieces)
		pieces = slices.DeleteFunc(pieces, func(p span) bool { return p.to <= m.from })
		glued, _ := judge(m, arrived, pieces[:min(2, len(pieces))])
		return glued, cut
	})
}

// diagnoseEmptyEnds looks for bytes that are not the message's own only up to an empty piece.
func diagnoseEmptyEnds(sent, received [][]byte) stickytest.Report {
	return diagnoseWith(sent, received, func(m span, arrived int, pieces []span) (bool, bool) {
		_, cut := judge(m, arrived, pieces)
		pieces = slices.DeleteFunc(pieces, func(p span) bool { return p.to <= m.from })
		for i, p := range pieces {
			if p.from == p.to {
				pieces = pieces[:i]
				break
			}
		}
		glued, _ := judge(m, arrived, pieces)
		return glued, cut
	})
}

// sharedNone has one slice, with room behind it, for all reports without fates.
func sharedNone() stickytest.Lab {
	none := make([]string, 0, 8)
	lab := reference
	lab.Diagnose = func(sent, received [][]byte) stickytest.Report {
		report := reference.Diagnose(sent, received)
		if len(report.Fates) == 0 {
			report.Fates = none
		}
		return report
	}
	return lab
}

// provokeDrains takes the first message out of the queue when the second could not be sent.
func provokeDrains(
	client, server net.Conn,
	queued func(n int) error,
	first, second []byte,
) ([]byte, error) {
	if len(first) == 0 || len(second) == 0 {
		return nil, errEmpty
	}
	if _, err := client.Write(first); err != nil {
		return nil, err
	}
	if _, err := client.Write(second); err != nil {
		if queued(len(first)) == nil {
			server.Read(make([]byte, len(first)))
		}
		return nil, err
	}
	if err := queued(len(first) + len(second)); err != nil {
		return nil, err
	}
	return readOnce(server, len(first)+len(second))
}
