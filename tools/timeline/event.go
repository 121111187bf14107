// Package timeline records what really crosses a connection and draws it.
//
// A [Recorder] wraps listeners, connections and packet connections from outside: the program under observation is
// plain net code and does not know. Every call that the program makes is passed on as it is, once, with the same
// buffer, and its result is handed back as it came; the recorder only writes down what happened.
//
// [Compare] and [Verdicts] say what became of the messages; [Text] and [SVG] draw the lanes; [WriteJSON] writes one
// event a line.
package timeline

import (
	"encoding/json"
	"io"
)

// Op says what happened.
type Op string

// The operations. Send and Recv carry bytes; a Recv of 0 bytes without an error is an empty datagram.
const (
	Listen     Op = "listen"
	Accept     Op = "accept"
	Dial       Op = "dial"
	Send       Op = "send"
	Recv       Op = "recv"
	EOF        Op = "eof"         // a read met the end of the stream: the peer closed, or closed its writing side
	Reset      Op = "reset"       // a read or write failed because the peer's side has gone (RST)
	Timeout    Op = "timeout"     // a read, write or accept met its deadline; N bytes had passed
	Close      Op = "close"       // this side closed the connection or the listener
	CloseWrite Op = "close-write" // this side closed its writing half
	State      Op = "state"       // something measured: bytes in a queue, the state of a connection
	Note       Op = "note"        // what a program made of the bytes, in its own terms
	Verdict    Op = "verdict"     // a sentence computed from the events before it
)

// previewBytes is how much of a payload an event keeps. Pictures and verdicts need no more.
const previewBytes = 256

// Event is one thing that happened on one side of one connection.
//
// Events are numbered in an order that respects cause and effect: a send has a lower Seq than the receive of its
// bytes, a dial than its accept, a close than the end of file it causes.
type Event struct {
	Seq   int    `json:"seq"`            // from 1
	US    int64  `json:"us"`             // microseconds since the recorder was made
	Scene string `json:"scene"`          // name of the scene
	Side  string `json:"side,omitempty"` // "client", "server", "client 2" …; "" for the scene itself
	Conn  string `json:"conn,omitempty"` // "tcp1", "udp1" …: the same on both sides of one connection
	Op    Op     `json:"op"`
	N     int    `json:"n"`              // bytes
	Data  []byte `json:"data,omitempty"` // the first 256 bytes; base64 in JSON
	Text  string `json:"text,omitempty"` // readable preview of Data, an address, or a sentence
	Err   string `json:"err,omitempty"`  // why it failed, without addresses

	pending bool // begun, not yet over
}

// packet reports whether the event belongs to datagrams, which keep their boundaries.
func (e Event) packet() bool { return len(e.Conn) > 2 && e.Conn[:3] == "udp" }

// onTheWay reports whether a send put something out: bytes, or a datagram, which may be empty.
func (e Event) onTheWay() bool { return e.Err == "" && (e.N > 0 || e.packet()) }

// brokenSend reports whether the event is a send that failed on the way, after N bytes. Failed reads carry no data.
func (e Event) brokenSend() bool {
	return (e.Op == Reset || e.Op == Timeout) && len(e.Data) > 0
}

// WriteJSON writes one event as one JSON object on each line.
func WriteJSON(w io.Writer, events []Event) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, e := range events {
		if err := enc.Encode(e); err != nil {
			return err
		}
	}
	return nil
}
