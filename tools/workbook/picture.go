package main

import (
	"encoding/json"
	"hash/maphash"

	"socketbook/tools/timeline"
)

// What the page is told of a picture. The server lays out; the page paints and decides nothing.
type (
	jsonRow struct {
		US     int64      `json:"us"`
		Cells  []jsonCell `json:"cells"`
		Folded string     `json:"folded,omitempty"`
	}
	jsonCell struct {
		Lane  int         `json:"lane"`
		Words string      `json:"words"`
		Data  *string     `json:"data,omitempty"` // the preview; absent where there is no payload
		Label string      `json:"label,omitempty"`
		Bytes []jsonBytes `json:"bytes,omitempty"`
		Tone  string      `json:"tone,omitempty"`
		Arrow string      `json:"arrow,omitempty"`
		Peer  int         `json:"peer"`

		Seq  int    `json:"seq"`
		Op   string `json:"op"`
		From int64  `json:"from"` // microseconds: the call began
		To   int64  `json:"to"`   // it returned; 0 while it blocks
		N    int    `json:"n,omitempty"`
		Raw  []byte `json:"raw,omitempty"` // the first bytes of the payload
		Conn string `json:"conn,omitempty"`
	}
	jsonBytes struct {
		Send   int    `json:"send"`
		Name   string `json:"name"`
		Sure   bool   `json:"sure"` // it is known which send these are of
		From   int    `json:"from"`
		To     int    `json:"to"`
		Of     int    `json:"of"`
		Unread bool   `json:"unread,omitempty"`
	}
)

var (
	tones = map[timeline.Tone]string{
		timeline.Bad: "bad", timeline.Said: "said",
		timeline.Remark: "remark", timeline.Waiting: "waiting",
	}
	arrows = map[timeline.Arrow]string{
		timeline.Leaves: "leaves", timeline.Arrives: "arrives",
		timeline.Lost: "lost",
	}
)

func rowOf(r timeline.Row) jsonRow {
	row := jsonRow{US: r.US, Folded: r.Folded()}
	for _, c := range r.Cells {
		e := c.Event
		cell := jsonCell{
			Lane: c.Lane, Words: c.Words, Label: c.Label, Tone: tones[c.Tone], Arrow: arrows[c.Arrow], Peer: c.Peer,
			Seq: e.Seq, Op: string(e.Op), From: e.US, To: e.End, N: e.N, Raw: e.Data, Conn: e.Conn,
		}
		if c.Data != "" || e.Op == timeline.Note && e.Data != nil {
			cell.Data = &c.Data
		}
		for _, b := range c.Bytes {
			cell.Bytes = append(cell.Bytes, jsonBytes{
				b.Send, b.String(), len(b.Names) == 1, b.From, b.To,
				b.Of, b.Unread,
			})
		}
		row.Cells = append(row.Cells, cell)
	}
	return row
}

// shown is what one page has been told of one take.
type shown struct {
	seed  maphash.Seed
	rows  []uint64 // hashes
	total int
}

// jsonTake is what has changed in a picture.
type jsonTake struct {
	Title    string            `json:"title"`
	Lanes    []string          `json:"lanes"`
	Total    int               `json:"total"`
	Changed  []json.RawMessage `json:"changed"` // rows
	At       []int             `json:"at"`      // their places
	Unread   string            `json:"unread,omitempty"`
	Verdicts []string          `json:"verdicts,omitempty"`
	Events   int               `json:"events"`
}

// changes lays a recording out and returns what differs from what was shown.
func (s *shown) changes(title string, events []timeline.Event) (jsonTake, error) {
	if s.rows == nil {
		s.seed = maphash.MakeSeed()
	}
	p := timeline.Lay(events)
	t := jsonTake{
		Changed: []json.RawMessage{}, At: []int{}, Title: title, Lanes: p.Lanes,
		Total: len(p.Rows), Unread: p.Unread, Verdicts: p.Verdicts, Events: len(events),
	}
	hashes := make([]uint64, len(p.Rows))
	for i, r := range p.Rows {
		text, err := json.Marshal(rowOf(r))
		if err != nil {
			return t, err
		}
		hashes[i] = maphash.Bytes(s.seed, text)
		if i >= len(s.rows) || s.rows[i] != hashes[i] {
			t.Changed, t.At = append(t.Changed, text), append(t.At, i)
		}
	}
	s.rows = hashes
	return t, nil
}
