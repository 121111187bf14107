// Package filestest is the suite of lab 14. The task that it tests is in labs/14/README.md; how a
// suite is made, in the documentation of package check.
package filestest

import (
	"net"
	"testing"

	"socketbook/tools/check"
)

// Lab is what a student hands in.
type Lab struct {
	Fetch func(conn net.Conn, name, dir string, progress func(done, total int64)) error
}

// Run grades lab.
func Run(t *testing.T, lab Lab) {
	t.Helper()
	check.Run(t, Suite(lab))
}

// The names of the cases.
const (
	Kept     = "a file is asked for and kept under its name"
	Pieces   = "an answer that comes in pieces is put together, and nothing behind it is read"
	Cut      = "what came of a file that was cut stays in the part"
	Resumed  = "a part is completed from where it ends"
	Replaced = "a part of another file is replaced"
	Verified = "a file with another SHA-256 is an error and is not kept"
	Refused  = "an answer that says no or cannot be true is an error"
	Names    = "a name or a folder that cannot be right is refused before anything is sent"
	InTheWay = "links and folders in the way are not followed and not removed"
	Progress = "a file of any length passes through, and progress tells how far"
)

// Suite is the table of cases, applied to lab.
func Suite(lab Lab) check.Lab {
	s := suite{lab}
	return check.Lab{Number: "14", File: "files.go", Answer: lab, Cases: []check.Case{
		{
			Name:   Kept,
			Points: 1,
			Run:    s.kept,
			Also:   []func(*check.C){s.late},
			Scene:  "put-list-get",
			Rule: "A request is 4 bytes of length (little-endian) and a JSON with command, " +
				"file_name, total_size (0) and offset. The file is what comes behind the JSON of " +
				"the answer, without the 32 bytes of SHA-256 at its end; it replaces a file of " +
				"the same name. The connection is left as it was.",
			Hint: "Marshal a struct, and put its length in front with " +
				"binary.LittleEndian.AppendUint32. Read as many bytes of JSON as the length " +
				"says, and no more; then the file, and then 32 bytes. Write the file to NAME.part, " +
				"and rename it when the SHA-256 has been compared.",
		},
		{
			Name:   Pieces,
			Points: 1,
			Run:    s.pieces,
			Scene:  "pipelined",
			Needs:  []string{Kept},
			Rule: "The answer may be cut anywhere, also in its length, its JSON and its SHA-256. " +
				"What is behind it belongs to the next call: take all of the answer from the " +
				"connection, and not a byte more.",
			Hint: "io.ReadFull for the length, the JSON and the SHA-256, and io.CopyN for the " +
				"file. A bufio.Reader or a json.Decoder on the connection reads ahead.",
		},
		{
			Name:   Cut,
			Points: 1,
			Run:    s.cut,
			Scene:  "cut-and-resumed",
			Needs:  []string{Kept},
			Rule: "When the connection ends before the answer does, the error is " +
				"io.ErrUnexpectedEOF, and else what Read or Write returned. All the bytes of the " +
				"file that came are in NAME.part, nothing else is, and a file that had the name " +
				"before is as it was.",
			Hint: "Write what comes to NAME.part at once, also the last bytes before the error, " +
				"and do not remove it. io.ReadFull and io.CopyN return io.EOF in some places: " +
				"turn it into io.ErrUnexpectedEOF.",
		},
		{
			Name:   Resumed,
			Points: 1,
			Run:    s.resumed,
			Scene:  "cut-and-resumed",
			Needs:  []string{Kept},
			Rule:   resumedRule,
			Hint:   resumedHint,
		},
		{
			Name:   Replaced,
			Points: 1,
			Run:    s.replaced,
			Scene:  "cut-and-resumed",
			Needs:  []string{Kept},
			Rule: "An answer with offset 0 brings all of the file: what is in the part is not the " +
				"beginning of it. Nothing of the old part stays, and the SHA-256 begins anew.",
			Hint: "Truncate(0) makes a file empty, and the next Write still goes where the last " +
				"one ended: Seek(0, io.SeekStart). Reset the hash, too.",
		},
		{
			Name:   Verified,
			Points: 1,
			Run:    s.verified,
			Scene:  "changed",
			Needs:  []string{Kept},
			Rule: "The last 32 bytes are the SHA-256 of the whole file. If that of what is here " +
				"is another one, Fetch returns an error, the part is gone or empty, the name has " +
				"what it had before, and the connection can be used again.",
			Hint: "Read all 32 bytes, and compare them with Sum(nil) before you rename. All bytes of the part " +
				"count, and all 32 of the sum. If they differ remove the part: os.Remove.",
		},
		{
			Name:   Refused,
			Points: 1,
			Run:    s.refused,
			Scene:  "pipelined",
			Needs:  []string{Kept},
			Rule: "An answer with an error, and one that cannot be true, ends Fetch: with an " +
				"error, before anything behind the JSON is read, and with the folder as it was. " +
				"The error contains what the server says.",
			Hint: "Look at the length first, then at error, then at file_name, offset and " +
				"total_size, and only then touch the part. An absent number is 0 in a struct: " +
				"begin with TotalSize: -1.",
		},
		{
			Name:   Names,
			Points: 1,
			Run:    s.names,
			Scene:  "bad-names",
			Needs:  []string{Kept},
			Rule: "A name is a plain one on every system, or it is refused: with an error, before " +
				"anything is sent, and with nothing written anywhere. So is a folder that is not " +
				"there.",
			Hint: "Write a function that looks at the name before anything else. filepath.IsLocal " +
				"alone knows only the system it runs on. os.OpenRoot fails if dir is not a " +
				"folder.",
		},
		{
			Name:   InTheWay,
			Points: 1,
			Run:    s.inTheWay,
			Scene:  "bad-names",
			Needs:  []string{Resumed},
			Rule: "A link is not followed, neither at NAME.part nor at NAME: what it leads to is " +
				"neither changed nor told to the server. A folder stays as it is, and is an " +
				"error.",
			Hint: "Lstat tells what is at NAME.part without following it: go on if there is " +
				"nothing, or a regular file. os.Rename replaces a link, and fails for a folder: " +
				"look at its error.",
		},
		{
			Name:   Progress,
			Points: 1,
			Run:    s.progress,
			Memory: true,
			Scene:  "cut-and-resumed",
			Needs:  []string{Resumed, Replaced},
			Rule: "progress is called with the offset of the answer first, then at least once for " +
				"each MiB that comes, and at last with the size; it counts bytes of the file that " +
				"are here, and never goes back. At most 1 MiB of the file is in memory.",
			Hint: "Begin with answer.Offset, add what each Write to the part had, and call " +
				"progress each time; io.MultiWriter can do that beside the file and the hash. Use " +
				"int64, and no buffer of total_size.",
		},
	}}
}

const (
	resumedRule = "If NAME.part has bytes, the request says how many (offset) and their SHA-256, in " +
		"lower-case hexadecimal digits. If the answer has the same offset, the file goes on there. The " +
		"SHA-256 behind it is that of the whole file, what was here included."
	resumedHint = "Open the part for reading and writing, and io.Copy it into the hash: that counts it, " +
		"and the next write goes to its end. Use the same hash for what comes."
)

type suite struct{ lab Lab }
