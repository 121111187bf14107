// Package gosyntax reads Go source as tokens: what to colour, and where each function begins and ends.
// It works on source that does not compile and on text that is no Go at all, so that a tool can show
// whatever a student wrote.
package gosyntax

import (
	"bytes"
	"go/scanner"
	"go/token"
	"strings"
)

// Class says what a piece of source is, for the one who picks its colour.
type Class uint8

const (
	Plain Class = iota
	Keyword
	Literal // strings and characters
	Number
	Comment
	Builtin  // predeclared: error, len, nil, …
	Function // the name of a function where it is declared
)

// Span is a run of bytes of one class: source[Start:End].
type Span struct {
	Start, End int
	Class      Class
}

// Func is a function as it stands in a file.
type Func struct {
	Name        string // "serve"; "Server.Serve" for a method
	First, Last int    // its lines, counted from 1: from the comment above it to the closing brace
	Line        int    // the line with the word func; First when there is no comment
}

// item is one token with its place in the source.
type item struct {
	start, end int // byte offsets
	line, last int // the lines on which it begins and ends
	tok        token.Token
	text       string
}

// scan returns every token of src, comments and automatic semicolons included. Errors are passed over:
// the scanner goes on behind them.
func scan(src []byte) []item {
	fset := token.NewFileSet()
	file := fset.AddFile("", fset.Base(), len(src))
	var s scanner.Scanner
	s.Init(file, src, func(token.Position, string) {}, scanner.ScanComments)

	items := make([]item, 0, len(src)/4+16) // about four bytes a token: to grow the slice is slow
	for {
		pos, tok, text := s.Scan()
		if tok == token.EOF {
			return items
		}
		it := item{start: file.Offset(pos), tok: tok, text: text}
		// The scanner drops carriage returns from comments and raw strings; the end is where the source
		// says it is.
		it.end = it.start + length(src[it.start:], tok, text)
		it.line = file.Line(pos)
		it.last = it.line + bytes.Count(src[it.start:it.end], []byte("\n"))
		items = append(items, it)
	}
}

// length returns how many bytes of src, which begins with the token, the token takes.
func length(src []byte, tok token.Token, text string) int {
	switch {
	case tok == token.SEMICOLON && text == "\n":
		return 0 // inserted by the scanner
	case text == "":
		return min(len(tok.String()), len(src))
	}
	n := 0
	for _, c := range []byte(text) {
		for n < len(src) && src[n] != c && src[n] == '\r' {
			n++
		}
		n++
	}
	return min(n, len(src))
}

// Read returns the spans of src that have a class, in order, between which it is Plain, and the
// functions that it declares at its top level, in order.
func Read(src []byte) ([]Span, []Func) {
	items := scan(src)
	return highlight(items), functions(items)
}

func highlight(items []item) []Span {
	var spans []Span
	for i, it := range items {
		if class := classOf(items, i); class != Plain {
			spans = append(spans, Span{it.start, it.end, class})
		}
	}
	return spans
}

func classOf(items []item, i int) Class {
	it := items[i]
	switch {
	case it.tok == token.COMMENT:
		return Comment
	case it.tok == token.STRING || it.tok == token.CHAR:
		return Literal
	case it.tok == token.INT || it.tok == token.FLOAT || it.tok == token.IMAG:
		return Number
	case it.tok.IsKeyword():
		return Keyword
	case it.tok != token.IDENT:
		return Plain
	case declares(items, i):
		return Function
	case predeclared[it.text] && (i == 0 || items[i-1].tok != token.PERIOD):
		return Builtin
	}
	return Plain
}

// declares reports whether the identifier items[i] is the name in a declaration: func NAME, or func
// (RECEIVER) NAME(.
func declares(items []item, i int) bool {
	if i > 0 && items[i-1].tok == token.FUNC {
		return true
	}
	if i == 0 || items[i-1].tok != token.RPAREN || i+1 == len(items) || items[i+1].tok != token.LPAREN {
		return false
	}
	open := i - 1
	for open > 0 && items[open].tok != token.LPAREN {
		open--
	}
	return open > 0 && items[open-1].tok == token.FUNC
}

// predeclared holds the identifiers of the universe block; see "Predeclared identifiers" in the Go
// specification.
var predeclared = func() map[string]bool {
	names := make(map[string]bool)
	for name := range strings.FieldsSeq(`any bool byte comparable complex64 complex128 error float32 float64
		int int8 int16 int32 int64 rune string uint uint8 uint16 uint32 uint64 uintptr true false iota nil
		append cap clear close complex copy delete imag len make max min new panic print println real
		recover`) {
		names[name] = true
	}
	return names
}()

func functions(items []item) []Func {
	var (
		funcs   []Func
		depth   int
		comment item // the comments that end on the line above, as one
		start   = true
	)
	for i := 0; i < len(items); i++ {
		it := items[i]
		switch it.tok {
		case token.COMMENT:
			if comment.last == 0 || comment.last+1 != it.line {
				comment = it
			}
			comment.last = it.last
			continue
		case token.LPAREN, token.LBRACE, token.LBRACK:
			depth++
		case token.RPAREN, token.RBRACE, token.RBRACK:
			depth = max(depth-1, 0)
		case token.FUNC:
			if depth == 0 && start {
				name, end := declaration(items[i:])
				if name == "" {
					break // a function literal, or half a declaration
				}
				f := Func{Name: name, First: it.line, Line: it.line, Last: items[i+end].last}
				if comment.last != 0 && comment.last+1 == it.line {
					f.First = comment.line
				}
				funcs = append(funcs, f)
				i += end
			}
		}
		start = items[i].tok == token.SEMICOLON && depth == 0
	}
	return funcs
}

// declaration reads a function from its word func: its name, and the index of its last token. The name
// is "" where the source has none.
func declaration(items []item) (name string, end int) {
	var receiver string
	i := 1
	if i < len(items) && items[i].tok == token.LPAREN {
		for ; i < len(items) && items[i].tok != token.RPAREN && items[i].tok != token.LBRACK; i++ {
			if items[i].tok == token.IDENT {
				receiver = items[i].text + "."
			}
		}
		for ; i < len(items) && items[i].tok != token.RPAREN; i++ {
			continue // the receiver's type parameters
		}
		i++
	}
	if i >= len(items) || items[i].tok != token.IDENT {
		return "", 0
	}
	name = receiver + items[i].text

	depth := 0
	for end = i; i < len(items); i++ {
		switch items[i].tok {
		case token.LPAREN, token.LBRACE, token.LBRACK:
			depth++
		case token.RPAREN, token.RBRACE, token.RBRACK:
			depth--
		case token.SEMICOLON:
			if depth <= 0 {
				return name, i
			}
		}
		if items[i].tok != token.COMMENT {
			end = i
		}
	}
	return name, end
}
