package roomtest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"socketbook/tools/check"
	"socketbook/tools/fault"
)

const (
	maxLine = 1024 // bytes before the end of a line
	maxName = 20   // characters
	crowd   = 22   // members
	talkers = 10   // members who all say something
	silent  = 80   // clients without a name, too
	kept    = 16   // lines that are kept for a member that does not read
	most    = 1000 // lines, after which it has left
	some    = 300  // lines that are kept, or the member has left
	flood   = 90   // lines
	batch   = 14   // lines: with a leaving, and one whose Write has not returned, no more than are kept
	talks   = 70   // lines; the longest ones are more than 64 KiB together
	few     = 6    // lines: twice that, and three leavings, are no more than are kept

	badName = "a name has 1 to 20 letters and digits; your name?"
)

func quote(text string) string { return strconv.Quote(text) }

func (s suite) name(c *check.C) {
	for _, cut := range c.Cuts(2) {
		c.Variation("Serve is running; two clients connect and send their names, %s", cut.Name)
		r, _ := s.open(c)
		for _, name := range []string{"anna", "ben"} {
			p := r.dial()
			p.sendsIn(cut, name)
			p.isHere(name)
		}
		r.quiet(r.members...)
		r.close()
	}
	c.Variation("Serve is running; %d clients come that say nothing, and %d members one after the other",
		silent, crowd)
	c.Rule("Serve accepts clients, however many: one that never says a name is in nobody's way.",
		"No limit to how many there are, and a goroutine for each one.")
	r, _ := s.open(c)
	for range silent {
		r.silent()
	}
	for _, p := range r.clients {
		p.hears("your name?")
	}
	for i := range crowd {
		r.enters(fmt.Sprintf("member%d", i))
	}
	r.quiet(r.members...)
	r.close()
}

// takesTime has a client that takes its time, and another one.
func (s suite) takesTime(c *check.C) {
	c.Variation(
		"Serve is running; a client says nothing for a while; another one sends its name, and is silent, too",
	)
	c.Rule("A client is a member when it has sent a good name, and is told nothing of members "+
		"before. It may be silent for as long as it likes, with and without a name, and nobody waits for it.",
		"Enter a client in the map when its name is good. A goroutine for each client asks for its name; the loop "+
			"that calls Accept does not. No deadline for Read.")
	r, _ := s.open(c)
	late := r.dial()
	r.enters("anna")
	c.Late(250 * time.Millisecond)
	late.sends("ben")
	late.isHere("ben")
	r.close()
}

func (s suite) says(c *check.C) {
	r, members := s.open(c, "anna", "ben", "carl")
	for _, line := range []string{
		"hello", "", " ", "你好, \xff\xfe and \x00", "100%d %s %!", "* ben has left", "your name?", "exit now",
		"Exit", "exit ", " exit", "no exit", "\rexit", "quit", "anna", "ben",
		"anna: I am not anna", `\n`, "\tx\v", "/quit", "\ufeffBOM\ufeff", "a\rb",
	} {
		c.Variation("Serve is running; anna, ben and carl are there; each says %s", quote(line))
		for _, p := range members {
			p.says(line)
		}
	}
	c.Variation("Serve is running; anna, ben and carl are there; anna says the same twice")
	members[0].says("twice")
	members[0].says("twice")
	r.quiet(members...)
	r.close()

	c.Variation("Serve is running; %d members are there, and each says something", talkers)
	r, _ = s.open(c)
	for i := range talkers {
		r.enters(fmt.Sprintf("member%d", i))
	}
	for _, p := range r.members {
		p.says("hello from " + p.name)
	}
	r.quiet(r.members...)
	r.close()

	c.Variation("Serve is running; anna and ben are there, and both say 60 lines, at the same time")
	r, members = s.open(c, "anna", "ben")
	for i := range 60 {
		line := fmt.Sprintf("line %d", i)
		for _, p := range members {
			p.sends(line)
		}
		members[0].hears("ben: " + line)
		members[1].hears("anna: " + line)
	}
	r.close()

	c.Variation("Serve was called twice, for two rooms; anna is in both, ben in the second one")
	r, members = s.open(c, "anna")
	other, others := s.open(c, "anna", "ben")
	members[0].says("is anybody here?")
	others[0].says("hello")
	r.quiet(append(members, others...)...)
	r.close()
	other.close()
}

func (s suite) names(c *check.C) {
	r, members := s.open(c, "anna")
	p := r.dial()
	for _, name := range []string{
		"", " ", "anna maria", "*", "a-b", "_", "anna!", "anna:", "\xff", "ca\xffrl", "x\x00", "😀", " anna", "anna ", "\tanna",
		"carl\r\r", "\r", "\ufeffcarl", "½", "Ⅷ", "e\u0301",
		strings.Repeat("x", maxName+1), strings.Repeat("é", maxName+1), strings.Repeat("x", 1000),
	} {
		c.Variation(
			"Serve is running; anna is there; a client, which was asked for its name, sends %s",
			quoted(name),
		)
		if strings.HasSuffix(name, "\r\r") {
			c.Rule("One \"\\r\" right before the \"\\n\" is not part of a line, and so not of a name. Another one "+
				"before that is, and no name has one.",
				"strings.TrimSuffix takes one off, strings.TrimRight all of them.")
		}
		p.sends(name)
		p.hears(badName)
	}
	r.quiet(members[0], p)
	for _, name := range []string{
		"a", "7", "Anna", "张三", "josé", strings.Repeat("x", maxName), strings.Repeat("é", maxName),
		strings.Repeat("中", maxName), strings.Repeat("𠮷", maxName), "٣", "exit2", "EXIT",
	} {
		c.Variation(
			"Serve is running; anna is there; a client, which was asked for its name, sends %s; so does "+
				"another one",
			quote(name),
		)
		p.sends(name)
		p.isHere(name)
		p = r.dial()
		p.sends(name)
		p.hears(name + " is taken; your name?")
	}
	r.close()

	c.Variation(
		"Serve is running; anna and ben are there; a client sends names that are taken or bad, again and again",
	)
	r, _ = s.open(c, "anna", "ben")
	p = r.dial()
	for i := range 30 {
		name := []string{"anna", "anna", "ben", "a b", "a b"}[i%5] // some twice, one right after the other
		p.sends(name)
		if name == "a b" {
			p.hears(badName)
		} else {
			p.hears(name + " is taken; your name?")
		}
	}
	r.quiet(r.members...)
	p.sends("carl")
	p.isHere("carl")
	r.close()

	c.Variation("Serve is running; anna is there; five clients, which were asked for their names, all send zoe")
	r, members = s.open(c, "anna")
	var five []*client
	for range 5 {
		five = append(five, r.dial())
	}
	for _, p := range five {
		p.sends("zoe")
	}
	for _, p := range five {
		switch line := p.line(); line {
		case "* zoe is here":
			r.members = append(r.members, p)
		case "zoe is taken; your name?":
		default:
			c.Fail("a client has sent the name zoe, as others have, and got %s", quoted(line))
		}
	}
	if n := len(r.members) - 1; n != 1 {
		c.Fail("%d members have the name zoe: look whether a name is free, and enter it, under one lock", n)
	}
	members[0].hears("* zoe is here")
	r.members[1].name = "zoe"
	r.quiet(append(five, members[0])...)
	r.close()
}

func (s suite) nameless(c *check.C) {
	ways := []struct {
		what, hint string
		do         func(p *client)
	}{
		{"sends exit", "Look for exit before you look whether it is a name.", func(p *client) { p.sends("exit") }},
		{
			"is refused a name, and sends exit",
			"Read a name as you read every other line, and look for exit each time.",
			func(p *client) {
				p.sends("-")
				p.hears(badName)
				p.sends("exit")
			},
		},
		{
			"is refused a name that is taken, and sends exit",
			"A name that was refused is not the client's: keep it when it is entered in the map, and not before.",
			func(p *client) {
				p.sends("ben")
				p.hears("ben is taken; your name?")
				p.sends("exit")
			},
		},
		{
			"ends its stream", "An error of Read, and io.EOF is one, is the end of the visit: close the connection.",
			func(p *client) { p.CloseWrite() },
		},
		{
			"resets its connection", "Every error of Read is the end of the visit: close the connection.",
			func(p *client) { p.Reset() },
		},
		{
			"ends its stream in the middle of its name",
			"What the end of the stream has cut off is no line, and so no name. bufio.Scanner returns it all " +
				"the same.",
			func(p *client) {
				p.sendsBytes(fault.Whole, "carl")
				p.CloseWrite()
			},
		},
		{
			"sends 1025 bytes without an end",
			"The limit of 1024 bytes holds for names, too, and is looked at before the line has an end: " +
				"bufio.NewReaderSize(conn, 1025) and ReadSlice('\\n').",
			func(p *client) { p.sendsBytes(fault.Whole, strings.Repeat("x", maxLine+1)) },
		},
	}
	for _, way := range ways {
		c.Variation(
			"Serve is running; anna and ben are there; a client without a name hears nothing, and %s",
			way.what,
		)
		r, members := s.open(c, "anna", "ben")
		p, q := r.dial(), r.dial()
		members[0].says("hello")
		members[1].says("hi")
		q.sends("ben")
		q.hears("ben is taken; your name?")
		members[0].says("how are you?")
		r.quiet(append(members, p, q)...)
		c.Rule("A client leaves without a name as with one, by exit, the end of its stream, an error, "+
			"or more than 1024 bytes without an end. Then its connection is closed, and nobody hears of it.", way.hint)
		way.do(p)
		p.isClosed()
		r.quiet(append(members, p, q)...)
		members[0].says("still here")
		c.Rule("A member is told what happens from its coming on, and first of all that it is here.",
			"Send a line to those who are members when it is said; keep none for later ones.")
		carl := r.enters("carl")
		r.quiet(append(r.members, q)...)
		c.Rule("A client without a name is told nothing of members, neither that they come nor that they leave.",
			"Tell members only, whatever there is to tell.")
		carl.sends("exit") // what the members are told is for another case
		r.members = members
		r.quiet(q)
		r.close()
	}
	c.Variation("a client has connected, and every Write to it fails; Serve is called; anna comes")
	c.Rule("A Write that fails ends the visit, that of a client without a name too: its connection is closed.",
		"Look at the error of every Write, that of the first question too. The Read behind it may never return.")
	r := &room{c: c, ln: c.Listen()}
	p := r.silent()
	p.Conn().Break(0, fault.Failures("write")[0])
	r.call = c.Start("Serve(ln)", func() { r.err = s.lab.Serve(r.ln) })
	p.isClosed()
	r.quiet(r.enters("anna"))
	r.close()
}

func (s suite) whole(c *check.C) {
	const many = 7
	c.Variation("Serve is running; anna and ben are there; ben says %d lines of 700 bytes, all in one segment",
		many)
	c.Rule("A Read may bring many lines, more than 1024 bytes in all: the limit is that of one line. They come "+
		"in the order in which they were said.", "Take whole lines off what has come before you look how much "+
		"is left. One goroutine writes to a member, one line after the other.")
	r, members := s.open(c, "anna", "ben")
	var lines, heard []string
	for i := range many {
		lines = append(lines, fmt.Sprintf("line %d ", i)+strings.Repeat("x", 693))
		heard = append(heard, "ben: "+lines[i])
	}
	members[1].sends(lines...)
	members[0].hears(heard...)
	r.quiet(members...)
	r.close()

	c.Variation("Serve is running; anna and ben are there; ben says %d lines and ends his stream", batch)
	c.Rule("The lines that have come before the end of the stream count, all of them.",
		"The end comes behind the lines, on the same way: a channel of its own for it, in a select, "+
			"overtakes them. And 16 lines at least may wait for a member before it is let go.")
	r, members = s.open(c, "anna", "ben")
	lines, heard = nil, nil
	for i := range batch {
		lines = append(lines, fmt.Sprintf("line %d", i))
		heard = append(heard, "ben: "+lines[i])
	}
	members[1].sends(lines...)
	members[1].CloseWrite()
	members[0].hears(heard...)
	c.Rule("The end of the stream is the end of the visit, also if the client has closed its writing half "+
		"only: the others are told, and the server closes the connection with Close.",
		"When Read returns io.EOF, the visit is over. Nobody tells whether the other half is still open.")
	members[1].left()
	r.close()

	for _, cut := range c.Cuts(1, 3, 7) {
		c.Variation(
			"Serve is running; anna is there; a client sends its name and six lines together, %s",
			cut.Name,
		)
		r, members := s.open(c, "anna")
		p := r.dial()
		p.sendsBytes(cut, "ben\r\n你好\none\r\n\n\r\n two \rthree\r\r\nexit \n")
		p.isHere("ben")
		members[0].hears("ben: 你好", "ben: one", "ben: ", "ben: ", "ben:  two \rthree\r", "ben: exit ")
		r.quiet(r.members...)
		r.close()
	}
	for _, reset := range []bool{false, true} {
		c.Variation("Serve is running; ben leaves in the middle of a line")
		c.Rule("What the end of the stream has cut off is not a line. The end of the stream, and every error of "+
			"Read, is the end of the visit: the others are told once that the member has left.",
			"Look for a \"\\n\" before you take something for a line; bufio.Scanner does not. One place where a "+
				"member leaves, for all ways to leave.")
		r, members := s.open(c, "anna", "ben")
		ben := members[1]
		ben.says("how much is it?")
		ben.sendsBytes(fault.After(2), "100")
		r.quiet(members...)
		c.Say("ben's stream ends")
		if reset {
			ben.Reset()
		} else {
			ben.CloseWrite()
		}
		ben.left()
		r.quiet(r.members...)
		r.close()
	}
	for _, end := range []string{"\n", "\r\n"} {
		c.Variation("Serve is running; ben sends exit without the end of the line, and the end later: %s",
			quote(end))
		c.Rule("The line exit ends the visit of a member, and that of a client without a name. A "+
			"\"\\r\" before the "+
			"end is not part of it.", "Take the end off before you look what the line says.")
		r, members := s.open(c, "anna", "ben")
		members[1].sendsBytes(fault.After(2), "exit")
		r.quiet(members...)
		members[0].says("are you there?")
		members[1].sendsBytes(fault.Whole, end)
		members[1].left()
		p := r.dial()
		p.sendsBytes(fault.Whole, "exit"+end)
		p.isClosed()
		r.close()
	}
}

func (s suite) long(c *check.C) {
	longest := strings.Repeat("x", maxLine-1) + "y"
	for _, cut := range []fault.Cut{fault.Whole, fault.After(maxLine), fault.Random(c.Seed(), 200)} {
		c.Variation("Serve is running; ben says lines of %d bytes, %s", maxLine, cut.Name)
		r, members := s.open(c, "anna", "ben")
		for range 2 {
			members[1].sendsIn(cut, longest)
			members[0].hears("ben: " + longest)
		}
		members[1].says("short")
		r.close()
	}
	c.Variation("Serve is running; ben says %d bytes, \"\\r\" and \"\\n\"", maxLine-1)
	r, members := s.open(c, "anna", "ben")
	members[1].sends(longest[1:] + "\r")
	heard := strings.TrimSuffix(members[0].line(), "\r") // whether that is taken off is for another case
	c.WantText("what anna got", heard, "ben: "+longest[1:])
	members[1].says("short")
	r.close()

	c.Variation("Serve is running; anna and ben are there; ben says %d lines of %d bytes, one at a time",
		talks, maxLine)
	c.Rule("The limit is that of one line. A client may say as many lines as it likes, however much they are all "+
		"together.", "Count anew at each line, or not at all: bufio.NewReaderSize(conn, 1025) does. "+
		"io.LimitReader counts everything.")
	r, members = s.open(c, "anna", "ben")
	for range talks {
		members[1].says(longest)
	}
	r.close()

	c.Variation("Serve is running; anna and a member with a name of %d letters are there; it says %d bytes",
		maxName, maxLine)
	r, members = s.open(c, "anna", strings.Repeat("x", maxName))
	members[1].says(longest)
	r.close()

	c.Variation("Serve is running; a client sends %d bytes for its name", maxLine)
	r, _ = s.open(c)
	p := r.dial()
	p.sends(longest)
	p.line() // what it is told is for another case
	r.close()

	for _, line := range []string{
		strings.Repeat("x", maxLine+1), strings.Repeat("é", maxLine/2) + "x", strings.Repeat("x", maxLine) + "\r",
		strings.Repeat("x", 100_000), strings.Repeat("x", 1<<20+1),
	} {
		for _, end := range []string{"", "\nmore\n"} {
			c.Variation(
				"Serve is running; ben sends %d bytes without an end, and then %s",
				len(line),
				quoted(end),
			)
			r, members := s.open(c, "anna", "ben")
			cut := fault.Random(c.Seed(), 50_000)
			if len(line) < 2*maxLine {
				cut = fault.Whole
			}
			members[1].Send(cut.Pieces([]byte(line + end))...)
			members[1].left()
			r.quiet(members...)
			r.enters("carl").says("hello")
			r.close()
		}
	}
}

func (s suite) leaves(c *check.C) {
	ways := []struct {
		what string
		do   func(p *client)
	}{
		{"sends exit", func(p *client) { p.sends("exit") }},
		{"sends exit and one more line", func(p *client) { p.sends("exit", "and one more thing") }},
		{"ends its stream", func(p *client) { p.CloseWrite() }},
		{"sends exit and ends its stream", func(p *client) {
			p.sends("exit")
			p.CloseWrite()
		}},
		{"resets its connection", func(p *client) { p.Reset() }},
		{"sends exit and resets its connection", func(p *client) {
			p.sends("exit")
			p.Reset()
		}},
	}
	for _, way := range ways {
		c.Variation("Serve is running; anna, ben and carl are there; ben %s", way.what)
		r, members := s.open(c, "anna", "ben", "carl")
		anna, ben := members[0], members[1]
		way.do(ben)
		ben.left()
		anna.says("he has gone")
		r.quiet(append(r.members, ben)...)
		r.enters("ben").says("I am back")
		anna.says("welcome")
		r.quiet(r.members...)
		r.close()
	}
	for _, err := range fault.Failures("write") {
		c.Variation("Serve is running; anna, ben and carl are there; a Write to ben fails: %v", err)
		r, members := s.open(c, "anna", "ben", "carl")
		members[1].Conn().Break(3, err)
		members[0].sends("hello")
		if members[2].hearsWithout([]string{"anna: hello"}) != nil {
			members[1].left(members[2])
		} else {
			members[1].left()
		}
		members[0].says("he has gone")
		r.enters("ben")
		r.quiet(r.members...)
		r.close()
	}
	for _, err := range append(fault.Failures("read"), io.EOF) {
		c.Variation("Serve is running; anna, ben and carl are there; a Read from ben brings a line and fails: %v",
			err)
		r, members := s.open(c, "anna", "ben", "carl")
		c.Rule("What a Read brings together with an error counts; then the error, whatever it is, ends the visit.",
			"Look at the bytes that Read has returned first, and at the error behind them, as bufio.Reader does.")
		const line = "the last thing that you hear of me"
		left := len(line + "\n")
		members[1].Conn().AfterRead(func(n int) error {
			if left -= n; left > 0 {
				return nil // a small buffer; the error comes with the end of the line
			}
			return err
		})
		members[1].says(line)
		members[1].left()
		members[0].says("he has gone")
		r.enters("ben")
		r.quiet(r.members...)
		r.close()
	}
	for _, err := range fault.Failures("read")[4:] {
		c.Variation("Serve is running; anna is there; a Read from a client without a name fails: %v", err)
		r, _ := s.open(c, "anna")
		p := r.dial()
		p.Conn().Before("Read", func() error { return err })
		p.sends("-") // which ends the Read before
		p.isClosed()
		r.close()
	}
	c.Variation("Serve is running; anna is there; a Read brings the name of a client, ben, and fails")
	c.Rule("What a Read brings together with an error counts, a name, too; then the error ends the visit.",
		"Look at the bytes that Read has returned first, and at the error behind them, as bufio.Reader does.")
	r, members := s.open(c, "anna")
	p := r.dial()
	left := len("ben\n")
	p.Conn().AfterRead(func(n int) error {
		if left -= n; left > 0 {
			return nil
		}
		return fault.Failures("read")[0]
	})
	p.sends("ben")
	members[0].hears("* ben is here", "* ben has left")
	p.isClosed()
	r.close()

	c.Variation("Serve is running; anna and ben are there; a client asks for the name ben, before " +
		"and after ben leaves")
	c.Rule("A name is free when the member that has it has left, also for a client that was refused it before.",
		"Look at the members who are there now, and remember nothing else.")
	r, members = s.open(c, "anna", "ben")
	p = r.dial()
	p.sends("ben")
	if p.line() == "ben is taken; your name?" { // else that is for another case
		members[1].sends("exit")
		members[1].left()
		r.quiet()
		p.heard = len(p.Received()) // which it should not have: that is for another case
		p.sends("ben")
		p.isHere("ben")
	}
	r.close()
}

func (s suite) allLeave(c *check.C) {
	c.Variation("Serve is running; all leave, and others come")
	r, _ := s.open(c)
	for round := range 2 {
		if round > 0 { // nobody is there who hears that the last one has left
			still := c.Still(patience)
			c.Await("the room to be quiet", func() bool { return r.call.Ended() || still() })
		}
		for _, name := range []string{"anna", "ben", "carl"} {
			r.enters(name)
		}
		for len(r.members) > 0 {
			p := r.members[0]
			p.sends("exit")
			p.left()
		}
	}
	r.close()
}

func (s suite) slow(c *check.C) {
	c.Variation("Serve is running; anna, ben and carl are there; ben does not read")
	r, members := s.open(c, "anna", "ben", "carl")
	anna, ben, carl := members[0], members[1], members[2]
	r.quiet() // each Write to ben has returned
	reads := ben.stopsReading()
	r.members = []*client{anna, carl}
	want := []string{
		"anna: hello",
		"carl: hello, anna",
		"* dora is here",
		"dora: hello, all",
		"* dora has left",
	}
	anna.says("hello")
	carl.says("hello, anna")
	dora := r.enters("dora")
	dora.says("hello, all")
	dora.sends("exit")
	dora.left()
	for i := range kept/2 - len(want) {
		line := fmt.Sprintf("line %d", i)
		anna.says(line)
		want = append(want, "anna: "+line)
	}
	ben.readsOnce()
	r.quiet()
	for ben.waiting(len(want)) < kept {
		line := fmt.Sprintf("line %d", len(want))
		carl.says(line)
		want = append(want, "carl: "+line)
	}
	for _, line := range []string{"I can speak, all the same", "as often as I like", "whether I read or not"} {
		ben.sends(line)
		r.tells("ben: " + line)
	}
	c.Say("ben reads again")
	reads()
	ben.hears(want...)
	r.members = append(r.members, ben)
	ben.says("hello again")
	anna.says("hello again, too")
	r.quiet(anna, ben, carl)
	r.close()

	for _, way := range []struct {
		what string
		do   func(p *client)
	}{
		{"sends exit", func(p *client) { p.sends("exit") }},
		{"ends his stream", func(p *client) { p.CloseWrite() }},
		{"resets his connection", func(p *client) { p.Reset() }},
	} {
		c.Variation("Serve is running; ben does not read, and %s", way.what)
		r, members = s.open(c, "anna", "ben", "carl")
		c.Rule("A member that does not read may leave like every other one: its leaving is announced, and its "+
			"connection is closed. The lines that wait for it may be lost.",
			"Close the connection first: that ends the Write that waits. Do not wait until the lines are written.")
		members[1].stopsReading()
		r.members = []*client{members[0], members[2]}
		for range 3 {
			members[0].says("hello")
		}
		way.do(members[1])
		members[1].left()
		members[0].says("he has gone")
		r.quiet(r.members...)
		r.close()
	}

	c.Variation("Serve is running; anna is there; a client, which was asked for its name, does not read, and " +
		"sends a name")
	r, members = s.open(c, "anna")
	p := r.dial()
	reads = p.stopsReading()
	p.sends("ben")
	members[0].hears("* ben is here")
	r.enters("carl").says("hello")
	reads()
	p.hears("* ben is here", "* carl is here", "carl: hello")
	r.close()

	c.Variation("a client that does not read has connected, and Serve is called; anna and ben come")
	r = &room{c: c, ln: c.Listen()}
	r.silent().stopsReading()
	r.call = c.Start("Serve(ln)", func() { r.err = s.lab.Serve(r.ln) })
	r.enters("anna")
	r.enters("ben")
	r.quiet(r.members...)
	r.close()

	c.Variation("Serve is running; a client does not read, and sends %d bad names; anna and ben come", flood)
	other, _ := s.open(c)
	p = other.dial()
	p.stopsReading()
	p.Send([]byte(strings.Repeat("- \n", flood)))
	other.quiet()
	other.enters("anna")
	other.enters("ben")
	other.quiet(other.members...)
	other.close()

	c.Variation("Serve is running; anna is there; a client does not read, and asks for the name anna "+
		"%d times; ben "+
		"comes", flood)
	other, _ = s.open(c, "anna")
	p = other.dial()
	p.stopsReading()
	p.Send([]byte(strings.Repeat("anna\n", flood)))
	other.await("the answer to be written", c.Resting)
	ben = other.dial()
	ben.sends("ben")
	here := func() bool { return strings.Contains(string(ben.Received()), "* ben is here\n") }
	if !other.await("what ben is to get", here) {
		c.Fail("ben waits for \"* ben is here\", and nothing happens")
	}
	other.close()
}

func (s suite) dropped(c *check.C) {
	c.Variation("Serve is running; anna, ben and carl are there; ben does not read; anna says %d "+
		"lines, and ben "+
		"reads again", some)
	c.Rule("A member that does not read holds up nobody. The lines that wait for it come in order, and none is "+
		"missing. If there are too many, the member leaves: its connection is closed, and the others are told.",
		"A line that has no place is the end of the visit: never wait for a place, and never drop the line "+
			"itself. It is an end like every other: the member is taken out of the map, closed and announced.")
	r, members := s.open(c, "anna", "ben", "carl")
	anna, ben, carl := members[0], members[1], members[2]
	reads := ben.stopsReading()
	c.Say("anna begins to say lines")
	var heard []string
	var gone []string // of whom carl was told that they have left
	for said := 0; said < some; said += few {
		heard = append(heard, anna.saysMany(carl, said, few, &gone)...)
	}
	r.members = []*client{anna, carl}
	r.quiet()
	heard = append(heard, anna.saysMany(carl, some, 1, &gone)...)
	r.quiet()
	if len(gone) == 0 { // a right answer may have decided to let ben go, and do it a little later
		r.await("ben to leave or to stay", func() bool { return ben.Conn().Did().Closed == "Close" })
	}
	if len(gone) == 0 && ben.Conn().Did().Closed == "Close" {
		c.Say("the connection of ben is closed")
		gone = append(gone, "")
		carl.hearsLeft([]*client{ben}, nil)
	}
	reads()
	if len(gone) == 0 {
		for lines := range slices.Chunk(heard, batch) {
			ben.hears(lines...)
		}
	} else {
		anna.hears("* ben has left")
		ben.isClosed()
	}
	r.quiet(anna, carl)
	r.close()

	c.Variation("Serve is running; anna, ben, carl, dora and eve are there; ben, dora and eve do not read, but "+
		"for one Write each; anna says %d lines that wait for them", most+1)
	r, members = s.open(c, "anna", "ben", "carl", "dora", "eve")
	anna, ben, carl = members[0], members[1], members[2]
	slow := []*client{ben, members[3], members[4]}
	for _, p := range slow {
		defer p.stopsReading()()
	}
	r.members = []*client{anna, carl}
	c.Say("anna begins to say lines")
	gone = nil
	for said, once := 0, false; ; {
		n := 0 // how many more it takes until there are too many for each of them
		for _, p := range slow {
			n = max(n, most+1-p.waiting(said))
		}
		if n > 0 && !once && said > most/2 {
			once = true
			for _, p := range slow {
				p.readsOnce()
			}
			r.quiet()
			continue
		} else if n == 0 {
			break
		}
		n = min(n, few)
		anna.saysMany(carl, said, n, &gone)
		said += n
	}
	carl.hearsLeft(slow, gone)
	anna.hearsLeft(slow, nil)
	for _, p := range slow {
		p.isClosed()
	}
	anna.says("they have gone")
	r.enters("ben").says("I am back")
	r.quiet(r.members...)
	r.close()

	c.Variation("Serve is running; anna, ben and carl are there; ben does not read, a Read from him takes a " +
		"while, and he has to go; another ben comes; then the Read returns")
	c.Rule("The name belongs to the member who has it now. Who has left before has nothing to do with it.",
		"When a member is taken out of the map compare the member, not only its name.")
	r, members = s.open(c, "anna", "ben", "carl")
	anna, ben, carl = members[0], members[1], members[2]
	defer ben.stopsReading()()
	released := make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	c.Cleanup(release)
	ben.Conn().Before("Read", func() error {
		<-released
		return nil
	})
	ben.sendsBytes(fault.Whole, "half") // which ends the Read before
	another := r.dial()
	r.quiet()
	c.Say("anna says up to %d lines", most+1)
	gone = nil
	for said := 0; said < most+1 && gone == nil; said += few {
		anna.saysMany(carl, said, min(few, most+1-said), &gone)
	}
	r.members = []*client{anna, carl}
	r.quiet()
	if gone != nil || len(carl.Received()) > carl.heard { // else the goroutine that reads has to say so first
		carl.hearsLeft([]*client{ben}, gone)
		anna.hearsLeft([]*client{ben}, nil)
		another.heard = len(another.Received()) // that it should have heard nothing is for another case
		another.sends("ben")
		another.isHere("ben")
		another.says("I am another one")
		release()
		ben.isClosed()
		r.quiet(r.members...)
		anna.says("who are you?")
	}
	r.close()
}

// waiting is how many of the lines that were meant for p, all that it has not looked at, have not come.
func (p *client) waiting(lines int) int {
	return lines - strings.Count(string(p.Received()[p.heard:]), "\n")
}

// saysMany says n lines, the first of which is said to be number first, and waits until other has heard
// them. Who has left meanwhile is added to gone.
func (p *client) saysMany(other *client, first, n int, gone *[]string) (heard []string) {
	var lines []string
	for i := range n {
		lines = append(lines, fmt.Sprintf("line %d", first+i))
		heard = append(heard, p.name+": "+lines[i])
	}
	p.Send([]byte(strings.Join(lines, "\n") + "\n"))
	*gone = append(*gone, other.hearsWithout(heard)...)
	return heard
}

// hearsLeft waits until p was told that all of these have left, each once; told are the lines that it has
// got before.
func (p *client) hearsLeft(all []*client, told []string) {
	got := func() string { return strings.Join(told, "") + string(p.Received()[p.heard:]) }
	for _, other := range all {
		line := "* " + other.name + " has left\n"
		p.r.await("what "+p.name+" is to get", func() bool {
			return strings.Contains(got(), line) || p.Over() != nil
		})
		switch strings.Count(got(), line) {
		case 0:
			p.r.c.Fail("%s waits for %s, has got %s, and nothing happens", p.name, quoted(line), quoted(got()))
		case 1:
			p.r.step("%s got %s", p.name, quoted(line))
		default:
			p.r.c.Fail("%s was told twice that %s has left", p.name, other.name)
		}
	}
	p.heard += len(got()) - len(strings.Join(told, ""))
}

// hearsWithout waits for lines, between which others may be that say who has left; it returns these.
func (p *client) hearsWithout(lines []string) (left []string) {
	got := func() (lines, left []string) { // those that are whole
		all := strings.SplitAfter(string(p.Received()[p.heard:]), "\n")
		for _, line := range all[:len(all)-1] {
			if strings.HasPrefix(line, "* ") && strings.HasSuffix(line, " has left\n") {
				left = append(left, line)
			} else {
				lines = append(lines, line)
			}
		}
		return lines, left
	}
	p.r.await("what "+p.name+" is to get", func() bool {
		came, _ := got()
		return len(came) >= len(lines) || p.Over() != nil
	})
	came, left := got()
	text, want := strings.Join(came, ""), strings.Join(lines, "\n")+"\n"
	if len(came) < len(lines) && strings.HasPrefix(want, text) && p.Over() == nil && !p.r.call.Ended() {
		p.r.c.Fail("%s, who reads, waits for %s, has got %s, and nothing happens",
			p.name, quoted(want), quoted(text))
	}
	p.r.c.WantText("what "+p.name+" got", text, want)
	p.heard += len(text) + len(strings.Join(left, ""))
	return left
}

func (s suite) ends(c *check.C) {
	c.Variation("the listener is closed before Serve is called")
	r := &room{c: c, ln: c.Listen()}
	r.ln.Close()
	r.call = c.Start("Serve(ln)", func() { r.err = s.lab.Serve(r.ln) })
	r.returns(nil)

	for _, err := range []error{
		nil, // the suite closes the listener
		net.ErrClosed,
		fmt.Errorf("the tunnel has collapsed: %w", net.ErrClosed),
		errors.New("the network card is on fire"),
		&net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept", syscall.EBADF)},
		&net.OpError{Op: "accept", Net: "tcp", Err: os.ErrDeadlineExceeded},
		io.EOF,
	} {
		c.Variation(
			"Serve is running; members, one of whom does not read, and a client without a name are there",
		)
		r, members := s.open(c, "anna", "ben", "carl")
		r.dial()
		members[1].stopsReading()
		members[0].sends("hello")
		members[2].hears("anna: hello")
		r.end(err)
		r.returns(err)
		for _, p := range r.clients {
			p.isClosed()
		}
	}
	c.Variation(
		"Serve is running; anna is there; the listener is closed, and closing her connection takes a while",
	)
	r, members := s.open(c, "anna")
	var closing atomic.Bool
	released := make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	c.Cleanup(release)
	members[0].Conn().Before("Close", func() error {
		closing.Store(true)
		<-released
		return nil
	})
	r.end(nil)
	c.Await(
		"the connection to be closed",
		func() bool { return (closing.Load() || r.call.Ended()) && c.Resting() },
	)
	if r.call.Ended() {
		c.Fail("Serve has returned, and the connection of anna is not closed yet")
	}
	release()
	r.returns(nil)

	for _, who := range []string{"ben", "a client without a name"} {
		c.Variation("Serve is running; anna, ben and a client without a name are there; the listener is closed, "+
			"and a Write to %s takes a while", who)
		r, members = s.open(c, "anna", "ben")
		p := r.dial()
		var writing atomic.Bool
		written := make(chan struct{})
		write := sync.OnceFunc(func() { close(written) })
		c.Cleanup(write)
		if who == "ben" {
			p = members[1]
		}
		p.Conn().Before("Write", func() error {
			writing.Store(true)
			<-written
			return nil
		})
		if who == "ben" {
			members[0].sends("hello")
		} else {
			p.sends("-")
		}
		c.Await("the line to be written", func() bool { return writing.Load() || r.call.Ended() || c.Resting() })
		r.end(nil)
		c.Await("Serve to wait", func() bool { return r.call.Ended() || c.Resting() })
		if writing.Load() && r.call.Ended() {
			c.Fail("Serve has returned, and the goroutine that writes to %s is still running", who)
		}
		write()
		r.returns(nil)
	}

	for _, breaks := range []bool{false, true} {
		what := "does not read"
		if breaks {
			what = "cannot be written to any more"
		}
		c.Variation(
			"Serve is running; a client without a name %s, and sends %d bad names; the listener is closed",
			what, flood,
		)
		r, _ = s.open(c)
		p := r.dial()
		if breaks {
			p.Conn().Break(3, fault.Failures("write")[0])
		} else {
			p.stopsReading()
		}
		name := strings.Repeat("- ", 300) // few of them fit into a buffer
		r.step("a client has sent %s, %d times", quoted(name+"\n"), flood)
		p.Send([]byte(strings.Repeat(name+"\n", flood)))
		r.quiet()
		if breaks {
			p.isClosed()
		}
		r.end(nil)
		r.returns(nil)
		p.isClosed()
	}

	c.Variation("Serve was called twice, for two rooms; one listener is closed, then the other one")
	c.Rule("Each call of Serve is a room of its own: its end concerns its own clients only, and waits "+
		"for them only.",
		"What Serve needs are its own variables, or the fields of a struct that it makes; none is the package's.")
	r, _ = s.open(c, "anna", "ben")
	other, others := s.open(c, "anna", "ben")
	nameless := other.dial()
	r.end(nil)
	r.returns(nil)
	others[0].says("is anybody here?")
	other.quiet()
	nameless.heard = len(nameless.Received()) // that it should have heard nothing is for another case
	nameless.sends("carl")
	nameless.isHere("carl")
	other.quiet(other.members...)
	other.end(nil)
	other.returns(nil)

	c.Variation("Serve is running; a client has connected and gone; the listener is closed")
	r, members = s.open(c, "anna")
	members[0].sends("exit")
	members[0].left()
	r.end(nil)
	r.returns(nil)
}

// end lets Accept fail, or closes the listener if err is nil.
func (r *room) end(err error) {
	if err == nil {
		r.c.Say("the suite has closed the listener")
		r.ln.Close()
		return
	}
	r.c.Say("Accept returns the error %s", check.Err(err))
	r.ln.Fail(err)
}

func (r *room) returns(want error) {
	if !r.await("Serve to return", r.call.Ended) {
		r.c.Fail("Accept has failed, and Serve does not return")
	}
	r.step("Serve returned %s", check.Err(r.err))
	if want != nil && !errors.Is(want, net.ErrClosed) {
		r.c.WantError("what Serve returned", r.err, want)
	} else if r.err != nil {
		r.c.Fail("the error of Accept is net.ErrClosed, and Serve returned an error, not nil")
	}
}
