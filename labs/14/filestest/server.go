package filestest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

// answer is what the server sends: a frame, the bytes of the file behind it, and their SHA-256.
type answer struct {
	text, file string // text is the JSON
	sum        []byte
}

// answerOf is what an honest server answers whoever has that much of a file already.
func answerOf(name, file, here string) answer {
	offset := 0
	if strings.HasPrefix(file, here) {
		offset = len(here)
	}
	return answer{textOf(name, int64(len(file)), int64(offset)), file[offset:], sumOf(file)}
}

// textOf is the JSON of an answer.
func textOf(name string, size, offset int64) string {
	return fmt.Sprintf(`{"file_name":%q,"total_size":%d,"offset":%d}`, name, size, offset)
}

func sumOf(file string) []byte {
	sum := sha256.Sum256([]byte(file))
	return sum[:]
}

func (a answer) bytes() []byte {
	return slices.Concat(length(len(a.text)), []byte(a.text), []byte(a.file), a.sum)
}

// at is where the file begins in the answer.
func (a answer) at() int { return 4 + len(a.text) }

// whole cuts the answer so that none of its parts comes in pieces; only a file over 16,000 bytes
// does, always.
func (a answer) whole() fault.Cut {
	cuts := []int{4, a.at()}
	for n := 16_000; n < len(a.file); n += 16_000 {
		cuts = append(cuts, a.at()+n)
	}
	return fault.After(append(cuts, a.at()+len(a.file))...)
}

// place says how far the first n bytes of the answer go.
func (a answer) place(n int) string {
	for _, part := range []struct {
		size int
		name string
	}{{4, "the length"}, {len(a.text), "the JSON"}, {len(a.file), "the file"}, {len(a.sum), "the SHA-256"}} {
		if n < part.size {
			return fmt.Sprintf("%d of %d bytes of %s", n, part.size, part.name)
		}
		n -= part.size
	}
	return "all of it"
}

// String is the answer, for a step.
func (a answer) String() string {
	words := check.Bytes(length(len(a.text))) + " " + shown(a.text)
	if a.file != "" || a.sum != nil {
		words += fmt.Sprintf(", %s, %s", shown(a.file), check.Bytes(a.sum))
	}
	return words
}

func length(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }

// shown is text for a step: quoted if it has to be, and only the beginning of a long one.
func shown(text string) string {
	const most = 160 // bytes
	end := ""
	if len(text) > most+20 {
		text, end = text[:most], fmt.Sprintf(" … (%d bytes)", len(text))
	}
	odd := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
	if strings.HasPrefix(text, "{") && !strings.ContainsFunc(text, odd) {
		return text + end
	}
	return fmt.Sprintf("%q%s", text, end)
}

// try is one call of Fetch.
type try struct {
	c     *check.C
	peer  *fault.Peer
	call  *check.Call
	part  string // the path of NAME.part
	asked int    // bytes that the suite has received on this connection, and looked at
	sent  int    // bytes of the answer
	err   error

	mu      sync.Mutex
	calls   int        // of progress
	most    int        // of them; 0 if that does not matter
	told    [][2]int64 // what it was called with, done and total, but for steps within a MiB
	early   string     // a call that was too early; "" for none
	arrived func() int64
}

// counts has progress compared with what came of an answer that goes on at offset.
func (t *try) counts(a answer, offset int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.arrived = func() int64 { return offset + int64(max(0, t.peer.Conn().Did().Taken-a.at())) }
}

// begin calls Fetch, on a connection of Connect.
func (s suite) begin(c *check.C, conn net.Conn, peer *fault.Peer, name, dir string) *try {
	t := &try{c: c, peer: peer, part: filepath.Join(dir, name+partial), asked: len(peer.Received())}
	what := fmt.Sprintf("Fetch(conn, %s, dir, progress)", shown(name))
	c.Say("the suite has called %s, and sent nothing", what)
	t.call = c.Start(what, func() { t.err = s.lab.Fetch(conn, name, dir, t.progress) })
	return t
}

// progress notes what it is told.
func (t *try) progress(done, total int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls++
	if t.most > 0 && t.calls > t.most { // it would take minutes, from another process
		t.peer.Conn().Close()
	}
	call := [2]int64{done, total}
	// there may be millions of calls, and what the suite keeps counts as memory of Fetch
	if n := len(t.told); n > 1 && call[1] == t.told[n-1][1] && call[0] >= t.told[n-1][0] &&
		t.told[n-1][0] >= t.told[n-2][0] && call[0]-t.told[n-2][0] <= mib {
		t.told[n-1] = call
	} else {
		t.told = append(t.told, call)
	}
	if t.arrived == nil || t.early != "" {
		return
	}
	if here := t.arrived(); done > here {
		t.early = fmt.Sprintf("progress(%d, %d) was called when %d bytes of the file were here", done, total, here)
	}
}

// often reports whether progress was called more often than it may be.
func (t *try) often() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.most > 0 && t.calls > t.most
}

// last is what progress was told last; 0 if nothing.
func (t *try) last() (done int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.told) == 0 {
		return 0
	}
	return t.told[len(t.told)-1][0]
}

// wantTold ends the case unless progress was told of everything from the first byte to the last one.
func (t *try) wantTold(first, last, total int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.c
	if len(t.told) == 0 {
		c.Fail("progress was not called")
	}
	c.Step("progress was called %d times: first with %d, at last with %d", t.calls, t.told[0],
		t.told[len(t.told)-1])
	switch {
	case t.early != "":
		c.Fail("%s", t.early)
	case t.told[0][0] != first:
		c.Fail("the first call of progress is to say that %d bytes are here", first)
	}
	before := first
	for _, call := range t.told {
		switch {
		case call[1] != total:
			c.Fail("progress was told that the file has %d bytes, and it has %d", call[1], total)
		case call[0] < before:
			c.Fail("progress was told of %d bytes, after it had been told of %d", call[0], before)
		case call[0]-before > mib:
			c.Fail("progress was told of %d bytes, and then of %d: that is more than 1 MiB more", before, call[0])
		}
		before = call[0]
	}
	if before != last {
		c.Fail("the last call of progress is to say that %d bytes are here", last)
	}
}

// wantNothingTold ends the case if progress was called.
func (t *try) wantNothingTold() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.told) > 0 {
		t.c.Fail("progress was called with %d, and no file came", t.told[0])
	}
}

// asks waits for the request, and ends the case unless it asks for what is not here of the file.
func (t *try) asks(name, here string) {
	c := t.c
	received := func() []byte { return t.peer.Received()[t.asked:] }
	whole := func(got []byte) bool {
		return len(got) >= 4 && len(got)-4 >= int(int32(binary.LittleEndian.Uint32(got)))
	}
	var awake check.Stopwatch
	before := t.asked
	stuck := func() bool { // with a part of it; who pauses between two Writes goes on
		if written := t.peer.Conn().Did().Written; written > before {
			awake, before = check.Stopwatch{}, written
		}
		return awake.Read() > time.Second/2 && before > t.asked && c.Resting()
	}
	c.Await("the request", func() bool { return t.call.Ended() || whole(received()) || stuck() })
	if t.call.Ended() {
		t.heard()
	}
	got := received()
	if len(got) == 0 && t.call.Ended() {
		c.Step("Fetch returned %s", check.Err(t.err))
		c.Fail("Fetch has returned without a request")
	}
	c.Step("the suite received %s", shownFrame(got))
	if len(got) < 4 {
		c.Fail("the length alone has 4 bytes, and %d came", len(got))
	}
	if n := int32(binary.LittleEndian.Uint32(got)); int(n) != len(got)-4 {
		c.Fail("the first 4 bytes are % x, a length of %d in little-endian; %d bytes of JSON follow", got[:4], n,
			len(got)-4)
	}
	decoder := json.NewDecoder(bytes.NewReader(got[4:]))
	decoder.UseNumber()
	fields := map[string]any{}
	if err := decoder.Decode(&fields); err != nil {
		c.Fail("the request is not the JSON it should be: %v", err)
	}
	want := [][2]string{
		{"command", `"get"`},
		{"file_name", strconv.Quote(name)},
		{"total_size", "0"},
		{"offset", fmt.Sprint(len(here))},
		{"sha256", strconv.Quote(hex.EncodeToString(sumOf(here)))},
	}
	if here == "" { // then nobody looks at it
		want = want[:4]
	}
	for i, field := range want {
		value, ok := fields[field[0]]
		if valueOf(value) != field[1] { // every case asks
			t.rule(i > 2, here)
		}
		if !ok {
			c.Fail("the request has no %s", field[0])
		}
		c.WantText(field[0], valueOf(value), field[1])
	}
	t.asked += len(got)
}

// rule sets the rule of a request that says something else than what is here. state is whether it says it in
// its offset or sha256.
func (t *try) rule(state bool, here string) {
	_, err := os.Lstat(t.part)
	switch {
	case state && here != "":
		t.c.Rule(resumedRule, resumedHint)
	case state && errors.Is(err, fs.ErrNotExist):
		t.c.Rule("offset is how many bytes NAME.part has in this folder now. Without a part it is 0, whatever has "+
			"come in another call.",
			"Look into the folder in each call, and keep nothing from one call to the next.")
	case !state:
		t.c.Rule("A request has the command get, the file_name that Fetch was called with, and a total_size of 0, "+
			"also if a part of the file is here.",
			"Marshal a struct that has json:\"total_size\" without omitempty, and leave TotalSize at 0.")
	}
}

// valueOf is a value of JSON as it is written.
func valueOf(v any) string {
	if text, ok := v.(string); ok {
		return strconv.Quote(text)
	}
	return fmt.Sprint(v)
}

func shownFrame(frame []byte) string {
	n := min(4, len(frame))
	return check.Bytes(frame[:n]) + " " + shown(string(frame[n:]))
}

// send sends all of an answer.
func (t *try) send(a answer, cut fault.Cut) {
	t.c.Say("the suite has answered %s", a)
	t.peer.Send(cut.Pieces(a.bytes())...)
}

// upTo sends the first n bytes of an answer, or what is missing of them. The length, the JSON, the
// file and the SHA-256 come in one piece each.
func (t *try) upTo(a answer, n int) {
	if t.sent == 0 {
		t.c.Step("the answer is %s", a)
	}
	t.c.Say("the suite has sent %d of %d bytes of the answer: %s", n, len(a.bytes()), a.place(n))
	from := 0
	for _, piece := range a.whole().Pieces(a.bytes()[:n]) {
		if skip := max(t.sent-from, 0); skip < len(piece) {
			t.peer.Send(piece[skip:])
		}
		from += len(piece)
	}
	t.sent = n
}

// over ends the stream.
func (t *try) over() {
	t.peer.CloseWrite()
	t.c.Step("the suite has closed its side")
}

// waits waits until Fetch has taken what was sent of the answer, and waits for more.
func (t *try) waits() {
	t.c.Await("Fetch to wait for the rest", func() bool {
		return t.call.Ended() || t.peer.Conn().Did().Taken == t.sent && t.c.Resting()
	})
}

// ends waits until Fetch returns.
func (t *try) ends() error {
	t.call.Wait()
	return t.returned()
}

// heard waits until all that Fetch has written has reached the suite.
func (t *try) heard() {
	t.c.Await("what Fetch has written to arrive", func() bool {
		return t.peer.Over() != nil || t.peer.Conn().Did().Written <= len(t.peer.Received())
	})
}

// returned looks at what Fetch has left. It has to leave the connection alone, whatever it returns.
func (t *try) returned() error {
	t.c.Step("Fetch returned %s", check.Err(t.err))
	t.c.WantOpen("Fetch", t.peer.Conn())
	t.c.WantNoDeadline("Fetch", t.peer.Conn())
	t.heard()
	if more := t.peer.Received()[t.asked:]; len(more) > 0 {
		t.c.Fail("Fetch has sent something that nobody has asked for: %s", shownFrame(more))
	}
	return t.err
}

// fetch fetches a file from an honest server, over a connection of its own.
func (s suite) fetch(c *check.C, dir, name, file, here string) {
	conn, peer := c.Connect()
	s.fetchOver(c, conn, peer, dir, name, file, here)
}

// fetchOver fetches a file from an honest server.
func (s suite) fetchOver(c *check.C, conn net.Conn, peer *fault.Peer, dir, name, file, here string) {
	t := s.begin(c, conn, peer, name, dir)
	t.asks(name, here)
	a := answerOf(name, file, here)
	t.send(a, a.whole())
	c.WantNil("Fetch", t.ends())
}

// content is what a folder holds: name → content.
type content map[string]string

// folder makes an empty folder, which is the only thing in another one. Both are removed when the
// case is over.
func folder(c *check.C) (dir string) {
	outer, err := os.MkdirTemp("", "socketbook-")
	if err != nil {
		c.NotGraded("no folder for the files could be made: %v", err)
	}
	c.Cleanup(func() { os.RemoveAll(outer) })
	dir = filepath.Join(outer, "inbox")
	must(c, os.Mkdir(dir, 0o755))
	return dir
}

// holds makes a folder hold these files and nothing else.
func holds(c *check.C, dir string, files content) {
	entries, err := os.ReadDir(dir)
	must(c, err)
	for _, entry := range entries {
		if _, ok := files[entry.Name()]; !ok || !entry.Type().IsRegular() {
			must(c, os.RemoveAll(filepath.Join(dir, entry.Name())))
		}
	}
	put(c, dir, files)
}

// put writes files into a folder.
func put(c *check.C, dir string, files content) {
	folder, err := os.OpenRoot(dir) // so that no link leads out of it
	must(c, err)
	defer folder.Close()
	for _, name := range sorted(files) {
		got, err := check.ReadFile(dir, name)
		if err != nil || string(got) != files[name] { // to write takes longer
			must(c, folder.RemoveAll(name)) // whatever the code under test has put there
			must(c, folder.WriteFile(name, []byte(files[name]), 0o644))
		}
		c.Step("in the folder is %s: %s", name, shown(files[name]))
	}
}

// must ends the case when the suite's own files fail.
func must(c *check.C, err error) {
	if err != nil {
		c.FolderError(err)
	}
}

func sorted(files content) (names []string) {
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// wantFolder ends the case unless the folder holds just these files. An empty part is none.
func wantFolder(c *check.C, dir string, want content) {
	got := content{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := check.ReadFile(filepath.Split(path))
		name, _ := filepath.Rel(dir, path)
		if _, wanted := want[name]; wanted || len(data) > 0 || !strings.HasSuffix(name, partial) {
			got[filepath.ToSlash(name)] = string(data)
		}
		return err
	})
	c.WantNil("reading the folder", err)
	c.WantText("the files in the folder", strings.Join(sorted(got), ", "), strings.Join(sorted(want), ", "))
	for name := range want {
		if !bytes.Equal([]byte(got[name]), []byte(want[name])) {
			c.WantBytes("the file "+name, []byte(got[name]), []byte(want[name]))
		}
	}
}

const partial = ".part"
