package filestest

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

const (
	name = "a.txt"
	old  = "what had the name before" // a file
)

var (
	long    = strings.Repeat("socket ", 14_000) // 98,000 bytes
	longest = strings.Repeat(long, 11)          // over 1 MiB
)

func (s suite) kept(c *check.C) {
	dir := folder(c)
	for _, v := range []struct{ says, name, file string }{
		{"a file of 5 bytes", name, "hello"},
		{"a file of 0 bytes", "empty", ""},
		{"a file with zeros, line ends and bytes over 127", "data.bin", "\x00\r\n\n\xff\x00\x1a{}\n"},
		{"a file that looks like an answer", "page.html", string(answerOf(name, "hello", "").bytes())},
		{"a file of 98000 bytes", "film.mkv", long},
	} {
		c.Variation("a new connection; %s", v.says)
		holds(c, dir, nil)
		s.fetch(c, dir, v.name, v.file, "")
		c.Rule("When Fetch returns nil, the file has its name, its part is gone, and nothing else was "+
			"made. The file "+
			"is what comes behind the JSON of the answer, without the 32 bytes of SHA-256.",
			"Write to NAME.part, and rename it when the SHA-256 has been compared. Make no other file.")
		wantFolder(c, dir, content{v.name: v.file})
	}
	c.Variation("a new connection; other files are in the folder, and a longer one has the name")
	c.Rule("The file replaces one of the same name. Other files stay as they are, also parts of other names.",
		"Rename NAME.part to NAME: that replaces a file, on every system. Touch no other name.")
	others := content{name: old, "b.txt": "b", "a.txt.part2": "c", "a.txt.tmp": "f", "b.txt.part": "d", "a": "e"}
	holds(c, dir, others)
	s.fetch(c, dir, name, "hello", "")
	others[name] = "hello"
	wantFolder(c, dir, others)

	for _, text := range []string{
		"\n{ \"owner\" : {\"name\": [7]},\"offset\" : 0,\r\n\t\"total_size\":5, \"file_name\" : \"a.txt\" } ",
		`{"file_name":"\u0061.txt","total_size":5,"offset":0,"sha256":"","error":"","command":""}`,
	} {
		c.Variation("a new connection; the answer is the same JSON in other words")
		c.Rule("The keys of an answer may come in any order, with white space around them. Other keys mean "+
			"nothing, and neither does an empty error.",
			"Leave the JSON to json.Unmarshal, and look at the fields that the README names.")
		s.answered(c, dir, answer{text, "hello", sumOf("hello")}, false)
	}
	c.Variation("a new connection that is a *net.TCPConn")
	holds(c, dir, nil)
	conn, peer := c.ConnectTCP()
	t := s.begin(c, conn, peer, name, dir)
	t.asks(name, "")
	t.send(answerOf(name, long, ""), fault.Whole)
	c.WantNil("Fetch", t.ends())
	if check.IsClosed(conn) {
		c.Fail("Fetch has closed the connection, which belongs to the caller")
	}
	wantFolder(c, dir, content{name: long})
}

func (s suite) late(c *check.C) {
	c.Variation("a new connection; the answer is late")
	s.answered(c, folder(c), answerOf(name, "hello", ""), true)
}

// answered has Fetch get hello, from an answer that may be late.
func (s suite) answered(c *check.C, dir string, a answer, late bool) {
	holds(c, dir, nil)
	conn, peer := c.Connect()
	t := s.begin(c, conn, peer, name, dir)
	t.asks(name, "")
	if late {
		c.Late(250 * time.Millisecond)
	}
	t.send(a, a.whole())
	c.WantNil("Fetch", t.ends())
	wantFolder(c, dir, content{name: "hello"})
}

func (s suite) pieces(c *check.C) {
	file := long[:300]
	a, b := answerOf(name, file, ""), answerOf("b.txt", "hello", "")
	dir := folder(c)
	cuts := c.Cuts(2, 14, a.at()+1, a.at()+300+1, len(a.bytes())-1)
	for i, cut := range slices.Insert(cuts, 1, fault.After(len(a.bytes())), fault.After(3, 4, a.at()-1)) {
		c.Variation("a new connection; two answers, %s", cut.Name)
		holds(c, dir, nil)
		conn, peer := c.Connect()
		t := s.begin(c, conn, peer, name, dir)
		t.asks(name, "")
		if i == 1 { // nothing is behind it yet
			t.send(a, fault.Whole)
		} else {
			c.Say("the suite has answered %s, and behind it %s", a, b)
			peer.Send(cut.Pieces(append(a.bytes(), b.bytes()...))...)
			c.Settle()
		}
		c.WantNil("Fetch", t.ends())
		if taken := peer.Conn().Did().Taken; taken != len(a.bytes()) {
			c.Fail("the answer has %d bytes, but Fetch has taken %d", len(a.bytes()), taken)
		}
		t = s.begin(c, conn, peer, "b.txt", dir)
		t.asks("b.txt", "")
		if i == 1 {
			t.send(b, fault.Whole)
		}
		c.WantNil("Fetch", t.ends())
		wantFolder(c, dir, content{name: file, "b.txt": "hello"})
	}
	s.together(c, dir)
}

// together has several calls under way at a time, each with a connection of its own.
func (s suite) together(c *check.C, dir string) {
	const calls = 6
	c.Variation("%d calls at a time, each on a new connection, for files in one folder", calls)
	c.Rule("Calls on different connections do not wait for each other, and share nothing.",
		"Give every call variables of its own, and hold no lock while it reads.")
	holds(c, dir, nil)
	var tries []*try
	var answers []answer
	want := content{}
	for i := range calls {
		name := string(rune('a'+i)) + ".txt"
		want[name] = long[i : 2000+100*i]
		conn, peer := c.Connect()
		t := s.begin(c, conn, peer, name, dir)
		t.asks(name, "")
		a := answerOf(name, want[name], "")
		t.upTo(a, a.at()+1000)
		tries, answers = append(tries, t), append(answers, a)
	}
	s.inStep(tries)
	for i, t := range slices.Backward(tries) {
		t.upTo(answers[i], len(answers[i].bytes()))
	}
	for _, t := range slices.Backward(tries) {
		c.WantNil("Fetch", t.ends())
	}
	wantFolder(c, dir, want)
}

// inStep has the next Read of each call return when all of them have their bytes: who shares the place
// where they are has those of another call.
func (s suite) inStep(tries []*try) {
	all := make(chan struct{})
	var reads atomic.Int64
	for _, t := range tries {
		var once sync.Once
		t.peer.Conn().AfterRead(func(int) error {
			once.Do(func() {
				if reads.Add(1) == int64(len(tries)) {
					close(all)
				}
				select {
				case <-all:
				case <-time.After(time.Second): // somebody waits for somebody else, and the case finds out
				}
			})
			return nil
		})
	}
}

// came is what a part has when the first n bytes of an answer came that goes on behind here.
func came(a answer, here string, n int) string {
	return here + a.file[:min(max(n-a.at(), 0), len(a.file))]
}

// wantPart ends the case unless the folder holds the old file and this part.
func wantPart(c *check.C, dir, part string) {
	want := content{name: old}
	if part != "" {
		want[name+partial] = part
	}
	wantFolder(c, dir, want)
}

func (s suite) cut(c *check.C) {
	dir := folder(c)
	file := "whole!"
	for _, here := range []string{"", "wh"} {
		a := answerOf(name, file, here)
		for n := range len(a.bytes()) {
			edge := n < 6 || a.at()-2 < n && n < a.at()+len(file)+2 || n > len(a.bytes())-2
			if !edge && n%8 > 0 || here != "" && 0 < n && n < a.at() {
				continue // all bytes of a part are alike, and each takes time
			}
			c.Variation("a new connection, closed after %d bytes of the answer", n)
			prepare(c, dir, here)
			conn, peer := c.Connect()
			t := s.begin(c, conn, peer, name, dir)
			t.asks(name, here)
			t.upTo(a, n)
			t.over()
			c.WantError("the answer ended too early", t.ends(), io.ErrUnexpectedEOF)
			wantPart(c, dir, came(a, here, n))
		}
	}
	a := answerOf(name, file, "")
	for _, n := range []int{0, 2, a.at() - 1, a.at(), a.at() + 5, a.at() + 6, len(a.bytes()) - 1} {
		c.Variation("a new connection, reset after %d bytes of the answer", n)
		prepare(c, dir, "")
		conn, peer := c.Connect()
		t := s.begin(c, conn, peer, name, dir)
		t.asks(name, "")
		t.upTo(a, n)
		peer.Reset()
		c.Step("the suite has reset the connection, behind these bytes")
		c.WantMet("the connection was reset", t.ends(), peer.Conn())
		wantPart(c, dir, came(a, "", n))
	}
	s.broken(c, dir, a)
	s.meanwhile(c, dir)
}

// prepare makes the folder hold a file of the name, and a part if there is to be one.
func prepare(c *check.C, dir, part string) {
	files := content{name: old}
	if part != "" {
		files[name+partial] = part
	}
	holds(c, dir, files)
}

// broken has Read and Write fail in ways that somebody could take for something else.
func (s suite) broken(c *check.C, dir string, a answer) {
	for _, err := range fault.Failures("read") {
		s.breaks(c, dir, a, a.at()+3, "with", err)
		s.breaks(c, dir, a, a.at()+3, "after", err)
	}
	for i, n := range []int{3, a.at() - 1, a.at() + len(a.file), len(a.bytes()) - 1} {
		s.breaks(c, dir, a, n, "with", fault.Failures("read")[i])
	}
	for _, n := range []int{a.at() - 1, a.at() + 3, a.at() + len(a.file)} {
		t := s.breaking(c, dir, a, n, "with", io.EOF)
		c.Rule("Bytes count, also those that Read returns together with io.EOF: they go into the part.",
			"Use the n bytes of Read first, and then look at its error. io.CopyN does so.")
		c.WantError("the answer ended too early", t.err, io.ErrUnexpectedEOF)
		wantPart(c, dir, came(a, "", n))
	}
	for _, err := range []error{io.EOF, fault.Failures("read")[0]} {
		t := s.breaking(c, dir, a, len(a.bytes()), "with", err)
		c.Rule("When the last bytes of an answer come together with an error, the file is here.",
			"Use the n bytes of Read first, and then look at its error. io.ReadFull does so.")
		c.WantNil("Fetch", t.err)
		wantFolder(c, dir, content{name: a.file})
	}
	for i, err := range fault.Failures("write") {
		at := []int{10, 2}[i%2] // behind the length, and in it
		c.Variation("a connection whose Write fails: %v", err)
		c.Rule(brokenRule, "Look at the error of every Write, and write no more.")
		prepare(c, dir, "wh")
		conn, peer := c.Connect()
		peer.Conn().Break(at, err)
		again := false
		peer.Conn().Before("Write", func() error {
			again = again || peer.Conn().Did().Written == at
			return nil
		})
		t := s.begin(c, conn, peer, name, dir)
		peer.Send(a.bytes()) // for who reads all the same
		t.call.Wait()
		t.heard()
		t.asked = len(peer.Received())
		c.WantError("Write failed", t.ends(), err)
		if again {
			c.Fail("after the error of Write, Fetch has called it again")
		}
		wantPart(c, dir, "wh")
	}
}

const brokenRule = "When Read or Write fails, wherever that is, the error is the one that it returned, " +
	"whichever it is. What was in the part stays there, and bytes that come with the error count."

// breaks has Read fail with byte n of an answer, or after it.
func (s suite) breaks(c *check.C, dir string, a answer, n int, when string, err error) {
	t := s.breaking(c, dir, a, n, when, err)
	c.Rule(brokenRule, "Only io.EOF is an end. Return every other error, alone or wrapped with %w.")
	c.WantError("Read failed", t.err, err)
	if err != io.ErrUnexpectedEOF && check.Is(t.err, io.ErrUnexpectedEOF) {
		c.Fail("the connection broke, but the error is an end of the stream, too: %s", check.Err(t.err))
	}
	wantPart(c, dir, came(a, "", n))
}

// breaking is a call of Fetch that has ended because Read fails with byte n of an answer, or after it.
func (s suite) breaking(c *check.C, dir string, a answer, n int, when string, err error) *try {
	c.Variation("a connection whose Read fails %s byte %d of the answer: %v", when, n, err)
	prepare(c, dir, "")
	conn, peer := c.Connect()
	taken := 0
	peer.Conn().AfterRead(func(k int) error {
		if taken += k; taken == n && when == "with" {
			return err
		}
		return nil
	})
	peer.Conn().Before("Read", func() error {
		if taken == n { // it stays broken
			return err
		}
		return nil
	})
	t := s.begin(c, conn, peer, name, dir)
	t.asks(name, "")
	t.upTo(a, n)
	t.ends()
	return t
}

// meanwhile looks into the folder in the middle of a file, and before the last byte of its SHA-256.
func (s suite) meanwhile(c *check.C, dir string) {
	c.Variation("a new connection; the answer comes in three parts")
	c.Rule("The file has its name when all of it is there and verified, and not before. A file that had "+
		"the name before keeps it until then.",
		"Write to NAME.part, and rename it at the very end.")
	prepare(c, dir, "")
	conn, peer := c.Connect()
	t := s.begin(c, conn, peer, name, dir)
	t.asks(name, "")
	a := answerOf(name, "hello, world", "")
	for _, n := range []int{a.at() + 5, len(a.bytes()) - 1} {
		t.upTo(a, n)
		t.waits()
		switch got, err := check.ReadFile(dir, name); {
		case err != nil:
			c.Fail("the file that had the name before is gone, and the new one is not here yet")
		case string(got) != old:
			c.Fail("%s is another file already, with %d bytes: %s", name, len(got), shown(string(got)))
		}
	}
	t.upTo(a, len(a.bytes()))
	c.WantNil("Fetch", t.ends())
	wantFolder(c, dir, content{name: "hello, world"})
}

func (s suite) resumed(c *check.C) {
	dir := folder(c)
	for _, v := range []struct {
		says       string
		file, here string
	}{
		{"1 byte is here", "hello", "h"},
		{"all but 1 byte is here", "hello", "hell"},
		{"all of it is here", "hello", "hello"},
		{"64 KiB of 98000 bytes are here", long, long[:64<<10]},
		{"97999 of 98000 bytes are here", long, long[:97_999]},
		{"1050000 of 1078000 bytes are here", longest, longest[:1_050_000]},
	} {
		c.Variation("a new connection; %s", v.says)
		prepare(c, dir, v.here)
		s.fetch(c, dir, name, v.file, v.here)
		wantFolder(c, dir, content{name: v.file})
	}
	c.Variation("a new connection; the part is empty")
	holds(c, dir, content{name + partial: ""})
	s.fetch(c, dir, name, "hello", "")
	wantFolder(c, dir, content{name: "hello"})

	c.Variation("three connections, one after the other; the file is cut twice")
	file := long[:1000]
	holds(c, dir, content{"b.txt.part": "of another file"})
	here := ""
	for _, n := range []int{400, 700} {
		conn, peer := c.Connect()
		t := s.begin(c, conn, peer, name, dir)
		t.asks(name, here)
		a := answerOf(name, file, here)
		t.upTo(a, a.at()+n-len(here))
		t.over()
		t.ends()
		here = file[:n]
	}
	s.fetch(c, dir, name, file, here)
	wantFolder(c, dir, content{"b.txt.part": "of another file", name: file})
}

func (s suite) replaced(c *check.C) {
	dir := folder(c)
	for _, v := range []struct{ says, file, here string }{
		{"a shorter one", "hello, world", "HELLO"},
		{"one that differs in its last byte", "hello, world", "hellO"},
		{"one of the same length", "hello", "jello"},
		{"a longer one", "hello", "hello, world"},
		{"one, and the file is empty now", "", "hello"},
		{"a long one", long[:70_000], long[1:]},
	} {
		c.Variation("a new connection; the part is of another file: %s", v.says)
		prepare(c, dir, v.here)
		s.fetch(c, dir, name, v.file, v.here)
		wantFolder(c, dir, content{name: v.file})
	}
	c.Variation("two connections; the part is of another file, and the new one is cut")
	here, file := "the old one, and long", "the new one"
	prepare(c, dir, here)
	conn, peer := c.Connect()
	t := s.begin(c, conn, peer, name, dir)
	t.asks(name, here)
	a := answerOf(name, file, here)
	t.upTo(a, a.at()+7)
	t.over()
	t.ends()
	wantPart(c, dir, file[:7])
	s.fetch(c, dir, name, file, file[:7])
	wantFolder(c, dir, content{name: file})
}

func (s suite) verified(c *check.C) {
	dir := folder(c)
	flipped := func(i int) []byte {
		sum := sumOf("hello, world")
		sum[i] ^= 0x10
		return sum
	}
	all, rest := textOf(name, 12, 0), textOf(name, 12, 5)
	for _, v := range []struct {
		says, here string
		a          answer
	}{
		{"a byte of the file is another one", "", answer{all, "hello, World", sumOf("hello, world")}},
		{"the first byte of the SHA-256 is wrong", "", answer{all, "hello, world", flipped(0)}},
		{"the last byte of the SHA-256 is wrong", "", answer{all, "hello, world", flipped(31)}},
		{"the SHA-256 is that of nothing", "", answer{all, "hello, world", sumOf("")}},
		{"the SHA-256 is all zeros", "", answer{all, "hello, world", make([]byte, 32)}},
		{"an empty file with another SHA-256", "", answer{textOf(name, 0, 0), "", flipped(3)}},
		{"the part was changed, and goes on", "HELLO", answer{rest, ", world", sumOf("hello, world")}},
		{"the SHA-256 is that of the rest only", "hello", answer{rest, ", world", sumOf(", world")}},
		{"all of it is here, and it is another file", "hello, World", answer{textOf(name, 12, 12), "", flipped(0)}},
		{"the part is replaced", "HELLO", answer{all, "hello, world", sumOf("HELLOhello, world")}},
	} {
		c.Variation("a new connection; %s", v.says)
		prepare(c, dir, v.here)
		conn, peer := c.Connect()
		t := s.begin(c, conn, peer, name, dir)
		t.asks(name, v.here)
		t.send(v.a, v.a.whole())
		if t.ends() == nil {
			c.Fail("the file is not the one that has this SHA-256, and Fetch returned no error")
		}
		wantPart(c, dir, "")

		c.Step("the same connection, once more")
		t = s.begin(c, conn, peer, name, dir)
		t.asks(name, "")
		good := answerOf(name, "hello, world", "")
		t.send(good, good.whole())
		c.WantNil("Fetch", t.ends())
		wantFolder(c, dir, content{name: "hello, world"})
	}
}

func (s suite) refused(c *check.C) {
	const here = "hello"
	dir := folder(c)
	for _, v := range []struct{ says, text string }{
		{"JSON that ends too early", `{"file_name":"a.txt","total_`},
		{"no JSON at all", ""},
		{"JSON that is not an object", `["a.txt",12,5]`},
		{"a list of one object", "[" + textOf(name, 12, 5) + "]"},
		{"null", `null`},
		{"something behind the object", textOf(name, 12, 5) + "{}"},
		{"no total_size", `{"file_name":"a.txt","offset":0}`},
		{"a total_size of null", `{"file_name":"a.txt","total_size":null,"offset":0}`},
		{"a total_size of -1", textOf(name, -1, 0)},
		{"a total_size that is text", `{"file_name":"a.txt","total_size":"12","offset":5}`},
		{"a total_size of 12.5", `{"file_name":"a.txt","total_size":12.5,"offset":5}`},
		{
			"a total_size of 2 to the power of 63",
			`{"file_name":"a.txt","total_size":9223372036854775808,"offset":5}`,
		},
		{"an offset that was not asked for: 4", textOf(name, 12, 4)},
		{"an offset that was not asked for: 6", textOf(name, 12, 6)},
		{"an offset of -5", textOf(name, 12, -5)},
		{"an offset that is text", `{"file_name":"a.txt","total_size":12,"offset":"5"}`},
		{"an offset behind the end of the file", textOf(name, 4, 5)},
		{"another file_name", textOf("b.txt", 12, 5)},
		{"another file_name, and an offset of 0", textOf("b.txt", 12, 0)},
		{"a file_name that leads out of the folder", textOf("../a.txt", 12, 5)},
		{"a file_name in capitals", textOf("A.TXT", 12, 5)},
		{"no file_name", `{"total_size":12,"offset":5}`},
		{"a file_name that is a number", `{"file_name":7,"total_size":12,"offset":5}`},
	} {
		c.Variation("a new connection; 5 bytes are here; an answer with %s", v.says)
		s.refuse(c, dir, here, append(answer{text: v.text}.bytes(), ", world"...), 4+len(v.text))
	}
	c.Variation("a new connection; nothing is here; an answer with an offset of 5")
	a := answer{text: textOf(name, 12, 5), file: ", world", sum: sumOf("hello, world")}
	s.refuse(c, dir, "", a.bytes(), a.at())
	c.Variation("a new connection; 5 bytes are here; a JSON of 65537 bytes")
	text := textOf(name, 12, 5)
	text += strings.Repeat(" ", 1<<16+1-len(text))
	s.refuse(c, dir, here, append(answer{text: text}.bytes(), ", world"...), 4)
	for _, n := range []int{-1, math.MinInt32, 256 << 20, math.MaxInt32} {
		c.Variation("a new connection; 5 bytes are here; a JSON of %d bytes is announced", n)
		s.refuse(c, dir, here, append(length(n), textOf(name, 12, 5)+", world"...), 4)
	}
	c.Variation("a new connection; a JSON of 65536 bytes, which is allowed")
	c.Rule("A JSON may have up to 65536 bytes, and no more.", "Refuse a length only if it is above 65536.")
	padding := `{"x":"` + strings.Repeat("x", 1<<16)
	text = textOf(name, 5, 0)
	text = padding[:1<<16-len(text)-1] + `",` + text[1:]
	s.answered(c, dir, answer{text, "hello", sumOf("hello")}, false)

	for _, part := range []string{"", here} {
		c.Variation("a new connection; the server says no, and then yes")
		c.Rule("An answer with an error that is not empty has nothing behind it. Fetch returns an error whose "+
			"text contains the server's, and the next call can use the connection.",
			"Look at error first: such an answer may have no file_name. Then "+
				"fmt.Errorf(\"the server says %q\", answer.Error).")
		prepare(c, dir, part)
		conn, peer := c.Connect()
		for i, says := range []string{
			"no such file", "try again, or later",
			"没有这个文件: it is in use by another program, " +
				"so come back when that has been closed, or ask for another one",
			"no \"a.txt\" here\n",
		} {
			text := fmt.Sprintf(`{"total_size":0,"error":%q}`, says)
			if i == 1 { // what else it has means nothing
				text = strings.TrimSuffix(textOf(name, 12, 0), "}") + fmt.Sprintf(`,"error":%q}`, says)
			}
			t := s.begin(c, conn, peer, name, dir)
			t.asks(name, part)
			t.send(answer{text: text}, fault.Whole)
			got := check.Err(t.ends())
			if !strings.Contains(got, escaped(says)) && !strings.Contains(got, escaped(escaped(says))) {
				c.Fail("the server says %q, and Fetch returned %s", says, got)
			}
			wantPart(c, dir, part)
			t.wantNothingTold()
		}
		t := s.begin(c, conn, peer, name, dir)
		t.asks(name, part)
		a := answerOf(name, "hello, world", part)
		t.send(a, a.whole())
		c.WantNil("Fetch", t.ends())
		wantFolder(c, dir, content{name: "hello, world"})
	}
}

// escaped is what %q writes between its quotes.
func escaped(text string) string {
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
}

// refuse sends data and closes. Fetch has to refuse it after the bytes up to at.
func (s suite) refuse(c *check.C, dir, here string, data []byte, at int) {
	prepare(c, dir, here)
	conn, peer := c.Connect()
	t := s.begin(c, conn, peer, name, dir)
	t.asks(name, here)
	c.Say("the suite has sent %s, and closed its side", shownFrame(data))
	peer.Send(fault.After(4, at).Pieces(data)...)
	peer.CloseWrite()
	err := t.ends()
	if err == nil {
		c.Fail("Fetch returned no error")
	}
	t.wantNothingTold()
	if taken := peer.Conn().Did().Taken; taken > at {
		c.Fail("Fetch has taken %d bytes; it could have refused after %d", taken, at)
	}
	wantPart(c, dir, here)
}

func (s suite) names(c *check.C) {
	dir := folder(c)
	conn, peer := c.Connect()
	peer.Send(answerOf(name, "hello", "").bytes()) // for who asks all the same
	for _, name := range []string{
		"", ".", "..", "../escaped.txt", "a/../../escaped.txt", "sub/escaped.txt", "/escaped.txt", "a/",
		filepath.Join(os.TempDir(), "socketbook-escaped.txt"), `..\escaped.txt`, `sub\escaped.txt`,
		`C:\escaped.txt`, "C:escaped.txt", "a.txt:stream", `\\host\share\a.txt`,
		"a\x00.txt", "a.txt\x00", "a\n.txt", "a.txt\n", "\x1b[2J.txt", "a\x1f.txt", "a\x7f.txt", "\t",
		"nul", "NUL", "con", "Con.txt", "aux.tar.gz", "prn.", "COM1", "com9.log", "lpt1", "LPT9.txt",
		"a.txt.part", "A.TXT.PART", ".part",
	} {
		c.Variation("a connection on which nothing was asked yet; the name %q", name)
		prepare(c, dir, "")
		s.begin(c, conn, peer, name, dir).refuses(dir)
		wantPart(c, dir, "")
	}
	for _, v := range []struct{ says, inside string }{{"does not exist", "nowhere"}, {"is a file", name}} {
		c.Variation("a connection on which nothing was asked yet; the folder %s", v.says)
		c.Rule("A folder that is not there is an error, before anything is sent, and Fetch does not make it.",
			"Open the folder, or the part in it, before you send the request, and look at the error.")
		prepare(c, dir, "")
		s.begin(c, conn, peer, "b.txt", filepath.Join(dir, v.inside)).refuses(dir)
		wantPart(c, dir, "")
	}

	conn, peer = c.Connect()
	holds(c, dir, nil)
	for _, name := range []string{
		"a", "7", "a..b.txt", "a-b_c d.tar.gz", "Ünïcode.txt", "最终报告.txt", "𠮷野家.txt", "_x_", "a.part.txt", "part",
		"nullable.txt", "console", "com.txt", "com10", "comb.txt", "lpt", "auxiliary.nul", "第٣章.txt",
		strings.Repeat("x", 100),
	} {
		c.Variation("the next request on a connection; the name %q, which is a plain one", name)
		c.Rule(
			"At most 100 bytes of letters and digits of any language and _, with dots, hyphens and spaces between "+
				"them, are a plain name, unless they are a device or end in .part.",
			"Refuse what the README's table refuses, and no more: unicode.IsLetter knows all languages, and only "+
				"what is in front of the first dot can be a device.",
		)
		s.fetchOver(c, conn, peer, dir, name, "hello", "")
		wantFolder(c, dir, content{name: "hello"})
		must(c, os.Remove(filepath.Join(dir, name)))
	}
	for _, name := range []string{
		`a"b.txt`, `a","command":"put`, "a<b>.txt", "a%20d.txt", "-a", " a", "a ", "a.", "~", "$HOME",
		strings.Repeat("x", 251), strings.Repeat("最", 100), // with .part, too long for most systems
	} {
		s.upToYou(c, dir, name)
	}
}

// refuses ends the case unless Fetch refuses a name or a folder before it sends anything.
func (t *try) refuses(dir string) {
	err := t.ends()
	if err == nil {
		t.c.Fail("Fetch returned no error")
	}
	if d := t.peer.Conn().Did(); d.Taken > 0 {
		t.c.Fail("Fetch has read %d bytes before it refused", d.Taken)
	}
	files, err := os.ReadDir(filepath.Dir(dir))
	must(t.c, err)
	if len(files) > 1 {
		t.c.Fail("Fetch has made something outside of the folder, too")
	}
}

// upToYou has Fetch refuse a name before it sends anything, or fetch it under exactly this name.
func (s suite) upToYou(c *check.C, dir, name string) {
	c.Variation("a new connection; the name %q, which may be refused", name)
	c.Rule("A name is refused before anything is sent, or the file has exactly this name.",
		"Do not repair names, and let json.Marshal quote them.")
	holds(c, dir, nil)
	conn, peer := c.Connect()
	t := s.begin(c, conn, peer, name, dir)
	c.Await("a request, or an error", func() bool { return t.call.Ended() || len(peer.Received()) > 0 })
	if c.Settle(); len(peer.Received()) == 0 {
		if t.ends() == nil {
			c.Fail("Fetch returned no error, and has sent nothing")
		}
		wantFolder(c, dir, nil)
		return
	}
	t.asks(name, "")
	a := answerOf(name, "hello", "")
	t.send(a, a.whole())
	c.WantNil("Fetch, which has asked for it,", t.ends())
	wantFolder(c, dir, content{name: "hello"})
}

func (s suite) inTheWay(c *check.C) {
	const private = "private, and not for you"
	dir := folder(c)
	for _, v := range []struct{ at, to string }{
		{name + partial, "../private.txt"},
		{name + partial, "private.txt"},
		{name + partial, "../missing.txt"},
		{name + partial, "missing.txt"},
		{name, "../private.txt"},
		{name, "private.txt"},
		{name, "missing.txt"},
	} {
		c.Variation("a new connection; in the folder, %s is a link to %s", v.at, v.to)
		holds(c, dir, content{"private.txt": private})
		put(c, filepath.Dir(dir), content{"private.txt": private})
		if os.Symlink(v.to, filepath.Join(dir, v.at)) != nil {
			break // as on Windows, where not everybody may
		}
		conn, peer := c.Connect()
		t := s.begin(c, conn, peer, name, dir)
		c.Await("a request, or an error", func() bool { return t.call.Ended() || len(peer.Received()) > 0 })
		if c.Settle(); len(peer.Received()) > 0 {
			t.asks(name, "")
			a := answerOf(name, private+" and more", "")
			t.send(a, a.whole())
		}
		err := t.ends()
		for _, file := range []string{"private.txt", "../private.txt"} {
			got, err := check.ReadFile(filepath.Split(filepath.Join(dir, file)))
			if err != nil || string(got) != private {
				c.Fail("Fetch has changed %s", file)
			}
		}
		if strings.Contains(v.to, "missing") {
			if _, err := os.Lstat(filepath.Join(dir, v.to)); err == nil {
				c.Fail("Fetch has made %s, through the link", v.to)
			}
		}
		if err == nil {
			info, err := os.Lstat(filepath.Join(dir, name))
			if err != nil || !info.Mode().IsRegular() {
				c.Fail("Fetch returned nil, and %s is not a file", name)
			}
			wantFolder(c, dir, content{"private.txt": private, name: private + " and more"})
		}
	}
	s.folders(c, dir)
}

// folders puts a folder where a file is to be, before the call and in the middle of it.
func (s suite) folders(c *check.C, dir string) {
	for _, v := range []struct {
		at     string
		late   bool
		inside content
	}{
		{name + partial, false, content{"inside.txt": "inside"}},
		{name + partial, false, nil},
		{name, false, content{"inside.txt": "inside"}},
		{name, false, nil},
		{name, true, content{"inside.txt": "inside"}},
		{name, true, nil},
	} {
		when, what := "before the call", "an empty folder"
		if v.late {
			when = "while the file comes"
		}
		if v.inside != nil {
			what = "a folder with a file in it"
		}
		c.Variation("a new connection; in the folder, %s is %s, made %s", v.at, what, when)
		holds(c, dir, nil)
		make := func() {
			must(c, os.Mkdir(filepath.Join(dir, v.at), 0o755))
			put(c, filepath.Join(dir, v.at), v.inside)
		}
		if !v.late {
			make()
		}
		conn, peer := c.Connect()
		t := s.begin(c, conn, peer, name, dir)
		c.Await("a request, or an error", func() bool { return t.call.Ended() || len(peer.Received()) > 0 })
		if c.Settle(); v.late || len(peer.Received()) > 0 {
			t.asks(name, "")
			a := answerOf(name, "hello", "")
			if v.late {
				t.upTo(a, a.at()+2)
				t.waits()
				make()
			}
			t.upTo(a, len(a.bytes()))
		}
		err := t.ends()
		if info, gone := os.Lstat(filepath.Join(dir, v.at)); gone != nil || !info.IsDir() {
			c.Fail("Fetch has removed the folder %s", v.at)
		}
		wantFolder(c, filepath.Join(dir, v.at), v.inside)
		if err == nil {
			c.Fail("a folder is in the way at %s, and Fetch returned no error", v.at)
		}
	}
}

const (
	mib     = 1 << 20
	pending = 2 * mib // bytes; twice what the README allows, because something is always under way
)

func (s suite) progress(c *check.C) {
	dir := folder(c)
	for _, v := range []struct{ says, file, here string }{
		{"a file of 5 bytes, none of which is here", "hello", ""},
		{"an empty file", "", ""},
		{"5 of 12 bytes are here", "hello, world", "hello"},
		{"all of it is here", "hello", "hello"},
		{"the part is of another file", "hello", "HELLO, world"},
		{"90000 of 98000 bytes are here", long, long[:90_000]},
	} {
		c.Variation("a new connection; %s", v.says)
		holds(c, dir, nil)
		if v.here != "" {
			put(c, dir, content{name + partial: v.here})
		}
		a := answerOf(name, v.file, v.here)
		conn, peer := c.Connect()
		t := s.begin(c, conn, peer, name, dir)
		offset := int64(len(v.file) - len(a.file))
		t.counts(a, offset)
		t.asks(name, v.here)
		t.send(a, a.whole())
		c.WantNil("Fetch", t.ends())
		t.wantTold(offset, int64(len(v.file)), int64(len(v.file)))
		wantFolder(c, dir, content{name: v.file})
	}
	a := answerOf(name, "hello, world", "")
	for _, when := range []string{"with", "after"} {
		t := s.breaking(c, dir, a, a.at()+3, when, fault.Failures("read")[0])
		t.wantTold(0, 3, 12)
	}
	c.Variation("a new connection; a file comes with the SHA-256 of nothing")
	holds(c, dir, nil)
	conn, peer := c.Connect()
	t := s.begin(c, conn, peer, name, dir)
	t.counts(a, 0)
	t.asks(name, "")
	t.send(answer{a.text, a.file, sumOf("")}, a.whole())
	t.over()
	t.call.Wait()
	t.wantTold(0, 12, 12)
	s.long(c, dir, 256*mib, 0, 3*mib)
	s.long(c, dir, 4<<30+mib+3, mib, 100)
	s.long(c, dir, math.MaxInt64, 0, 5)
}

// long has a part of a file come that would fill the memory.
func (s suite) long(c *check.C, dir string, total, here, comes int64) {
	c.Variation("a new connection; %d bytes of %d are here; %d more come, and the connection ends", here, total,
		comes)
	if total > math.MaxUint32 {
		c.Rule("A file may have 9223372036854775807 bytes. What is announced takes no memory.",
			"Use int64, refuse no total_size that is not negative, and make no buffer of total_size.")
	}
	holds(c, dir, nil)
	part := filepath.Join(dir, name+partial)
	if here > 0 {
		must(c, os.WriteFile(part, make([]byte, here), 0o644))
	}
	stored := func() (size int64) {
		if info, err := os.Lstat(part); err == nil {
			size = info.Size()
		}
		return size
	}
	conn, peer := c.Connect()
	a := answer{text: textOf(name, total, here)}
	t := &try{c: c, peer: peer}
	if comes > mib {
		t.most = int(comes / 16)
	}
	t.counts(a, here)
	var lag string
	peer.Conn().AfterRead(func(int) error {
		arrived := t.arrived()
		switch size, told := stored(), t.last(); {
		case lag != "":
		case arrived-size > pending:
			lag = fmt.Sprintf("more than %d KiB were here, and not in the part: in memory, or elsewhere", pending>>10)
		case arrived-told > pending:
			lag = fmt.Sprintf("more than %d KiB were here of which progress had not been told", pending>>10)
		}
		return nil
	})
	peer.Send(a.whole().Pieces(a.bytes())...)
	for left := comes; left > 0; left -= 64 << 10 {
		peer.Send(make([]byte, min(left, 64<<10)))
	}
	peer.CloseWrite()
	c.Say("the suite has sent the beginning of an answer: %s", a)
	what := fmt.Sprintf("Fetch(conn, %s, dir, progress)", name)
	most := c.Largest(func() {
		c.Do(what, func() { t.err = s.lab.Fetch(conn, name, dir, t.progress) })
	})
	if t.often() {
		c.Rule("When MiBs come, progress is called at most once for 16 bytes of them, on average.",
			"Call it once for each buffer of some KiB, not for each byte: io.Copy uses 32 KiB.")
		c.Fail("progress was called more than %d times, for %d bytes", t.most, comes)
	}
	t.heard()
	t.asked = len(peer.Received())
	err := t.returned()
	if most > pending {
		c.Fail("Fetch has made a buffer of more than %d KiB, and at most 1 MiB of a file may be in memory", pending>>10)
	}
	if lag != "" {
		c.Fail("%s", lag)
	}
	c.WantError("the answer ended too early", err, io.ErrUnexpectedEOF)
	t.wantTold(here, here+comes, total)
	if size := stored(); size != here+comes {
		c.Fail("the part has %d bytes, and %d came", size, here+comes)
	}
}
