// Package transfertest is the suite of lab 06. The task that it tests is in labs/06/README.md; how
// a suite is made, in the documentation of package check.
package transfertest

import (
	"io"
	"testing"

	"socketbook/tools/check"
)

// Lab is what a student hands in.
type Lab struct {
	Describe func(payload io.ReadSeeker) (size int64, sum string, err error)
	Send     func(w io.Writer, name string, size int64, sum string, payload io.Reader) error
	Receive  func(r io.Reader, dir string) (name string, verified bool, err error)
}

// Run grades lab.
func Run(t *testing.T, lab Lab) {
	t.Helper()
	check.Run(t, Suite(lab))
}

// The names of the cases.
const (
	Describe = "a payload is described by its size and its md5, and can be read again"
	Send     = "a transfer is sent as a length, a JSON header and the payload"
	BadSend  = "a transfer that cannot be sent as announced is an error"
	Receive  = "a transfer is received and stored under its name"
	Pieces   = "a transfer that comes in pieces is put together, and nothing behind it is read"
	Ends     = "a transfer that is cut is an error and leaves no file"
	Refused  = "a header that cannot be true is refused before the payload is read"
	Verified = "an md5 that differs is an error, and text that is not an md5 is not"
	Names    = "a name that leaves the folder is refused"
	Long     = "a payload of any length is announced exactly and never held in memory"
)

// Suite is the table of cases, applied to lab.
func Suite(lab Lab) check.Lab {
	s := suite{lab}
	return check.Lab{Number: "06", File: "transfer.go", Answer: lab, Cases: []check.Case{
		{
			Name:   Describe,
			Points: 1,
			Run:    s.describe,
			Scene:  "checksum",
			Rule: "The checksum stands in front of the payload, so the payload is read twice: " +
				"once for its size and its MD5 (32 lower-case hexadecimal digits), and again, from " +
				"its beginning, to be sent. An error on the way is returned.",
			Hint: "io.Copy into md5.New() counts and sums at once. Then Seek(0, io.SeekStart), " +
				"and look at the error of both.",
		},
		{
			Name:   Send,
			Points: 1,
			Run:    s.send,
			Scene:  "no-name",
			Rule: "A transfer is 4 bytes of length (little-endian) of the JSON in bytes; a JSON " +
				"object of file_name, total_size and md5, in this order and as they are given; and " +
				"exactly total_size bytes of payload. The next one may follow: Send closes nothing " +
				"and sets no deadline.",
			Hint: "json.Marshal keeps the order of a struct's fields, sorts the keys of a map, " +
				"and escapes what needs it. io.CopyN copies that many bytes and no more.",
		},
		{
			Name:   BadSend,
			Points: 1,
			Run:    s.badSend,
			Scene:  "long-header",
			Needs:  []string{Send},
			Rule: "nil means that all of it is written. A payload that fails or ends early is an " +
				"error, and so is a Write that fails, after which nothing more is written. A " +
				"negative size, and a header over 65536 bytes, is an error before anything is " +
				"written.",
			Hint: "Check size and the length of the JSON first. Look at both results of every " +
				"Write and at both of the copy: io.CopyN says io.EOF when the payload was too " +
				"short.",
		},
		{
			Name:   Receive,
			Points: 1,
			Run:    s.receive,
			Scene:  "unknown-key",
			Rule: "Receive takes one transfer from the stream, stores exactly its payload in dir " +
				"under file_name, instead of a file that has this name already, leaves nothing else " +
				"there, and returns without waiting for more. Keys that it does not know, the order " +
				"of keys and white space around them mean nothing.",
			Hint: "Read four bytes, then so many of JSON, then total_size of payload: " +
				"io.ReadFull and io.CopyN stop there, io.Copy waits for the end of the stream.",
		},
		{
			Name:   Pieces,
			Points: 1,
			Run:    s.pieces,
			Scene:  "split-json",
			Needs:  []string{Receive},
			Rule: "The stream may be cut anywhere, and several transfers may lie in it. Each " +
				"call takes all of its own transfer and not a byte of the next, and leaves the " +
				"connection open, without a deadline.",
			Hint: "Read the JSON with io.ReadFull. A json.Decoder or a bufio.Reader on the " +
				"connection itself reads ahead; on an io.LimitReader it cannot, but read what it " +
				"leaves there.",
		},
		{
			Name:   Ends,
			Points: 1,
			Run:    s.ends,
			Lesson: "05",
			Scene:  "cut-short",
			Needs:  []string{Receive},
			Rule: "When the stream ends before a transfer the error is io.EOF; inside one it is " +
				"io.ErrUnexpectedEOF; a connection that breaks is its own error. No file stays " +
				"behind, neither under the name nor under another one. The connection is left to " +
				"the caller, who closes it.",
			Hint: "io.ReadFull returns io.EOF when it has read nothing, and io.CopyN after a " +
				"part, too: inside a transfer turn it into io.ErrUnexpectedEOF. Close and remove " +
				"the file when anything has failed.",
		},
		{
			Name:   Refused,
			Points: 1,
			Run:    s.refused,
			Scene:  "no-size",
			Needs:  []string{Receive},
			Memory: true,
			Rule: "The header comes from a stranger. A length below 0 or above 65536 is refused " +
				"before memory is allocated and before anything more is read; invalid JSON, and " +
				"JSON that is not an object, is not UTF-8, has no file_name that is text, or no " +
				"total_size that is a whole number from 0 to 9223372036854775807, before any of the " +
				"payload is read. The error is not io.EOF, and the connection stays open.",
			Hint: "Test the length before make. Take total_size as an int64: a float64 lets 5.5 " +
				"pass, and rounds what is large. An absent field looks like 0 in a struct: begin " +
				"with TotalSize: -1, or use a pointer. json.Unmarshal takes bytes that are not " +
				"UTF-8: ask utf8.Valid.",
		},
		{
			Name:   Verified,
			Points: 1,
			Run:    s.verified,
			Scene:  "checksum",
			Needs:  []string{Receive},
			Rule: "An md5 of 32 hexadecimal digits, of either case, is compared: if it differs, " +
				"the payload was changed on the way, which is an error, and no file stays behind. " +
				"Anything else, or none, means not verified: the payload is delivered all the same.",
			Hint: "hex.DecodeString tells what is hexadecimal, and bytes compare without regard " +
				"to case. Sum while you copy, with io.MultiWriter, and remove the file if the sums " +
				"differ.",
		},
		{
			Name:   Names,
			Points: 1,
			Run:    s.names,
			Scene:  "path-name",
			Needs:  []string{Receive},
			Rule: "A file_name that leads out of dir, an absolute one, and one that names no " +
				"file is refused before the payload is read, and not stored under another name. " +
				"Nothing is written through a link that leads out of dir, and other files in dir " +
				"stay as they are. Dots inside a name are harmless.",
			Hint: "os.OpenRoot opens dir so that nothing outside of it can be reached: create, " +
				"and remove, the file through it. For another name meanwhile, os.CreateTemp finds " +
				"one that is free.",
		},
		{
			Name:   Long,
			Points: 1,
			Run:    s.long,
			Scene:  "big",
			Needs:  []string{Describe, Send, Receive},
			Memory: true,
			Rule: "A total_size needs 64 bits. A payload passes through in pieces, and never is " +
				"more than 1 MiB of it in memory.",
			Hint: "Use int64 for sizes, and io.Copy or io.CopyN for payloads: they hold 32 KiB " +
				"at a time. io.ReadAll and make([]byte, size) hold everything.",
		},
	}}
}

type suite struct{ lab Lab }
