package transfer_test

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"socketbook/labs/06/transfertest"
	transfer "socketbook/solutions/06"
	"socketbook/tools/check"
)

// wrong are the mistakes that people make, each with exactly the cases that must fail on it. The
// failure text of a case in testdata is the one that the first answer named for it provokes.
var wrong = []check.Answer{
	describing("the payload left at its end", describeLeft, transfertest.Describe),
	describing("one Read for the payload", describeOnce, transfertest.Describe),
	describing("the md5 in base64", describeBase64, transfertest.Describe),
	describing("the error of Read ignored", describeIgnored, transfertest.Describe),
	describing("the error of Seek ignored", describeNoSeek, transfertest.Describe),
	describing("the payload closed when it is described", describeClosing, transfertest.Describe),
	describing("all of the payload read to sum it", describeWhole, transfertest.Long),

	describing("an md5 without its leading zeros", describeNoZeros, transfertest.Describe),
	describing("what was summed before an error counts in the next call", describeKept(), transfertest.Describe),

	sending("the keys of a map, which are sorted", sendMap, transfertest.Send),
	sending("a big-endian length", sendBigEndian, transfertest.Send),
	sending("the length counts itself", sendLengthOfAll, transfertest.Send),
	sending("the length counts characters", sendCharacters, transfertest.Send),
	sending("JSON put together without quoting", sendUnquoted, transfertest.Send),
	sending("JSON put together with quotes of Go", sendGoQuotes, transfertest.Send),
	sending("the connection closed behind the transfer", sendClosing, transfertest.Send),
	sending("the writing half closed behind the transfer", sendHalfClosing, transfertest.Send),
	sending("the payload closed when it is sent", sendClosingPayload, transfertest.Send),
	sending("a deadline for what is written", sendDeadline, transfertest.Send),
	sending("the word md5 instead of the sum", sendLiteral, transfertest.Send),
	sending("all of the payload, whatever was announced", sendEverything, transfertest.Send),
	sending("a short payload sent as if it were whole", sendShort, transfertest.BadSend),
	sending("a header of any length is sent", sendAnyHeader, transfertest.BadSend),
	sending("a negative size announced", sendNegative, transfertest.BadSend),
	sending("the error of the header ignored", sendHeaderIgnored, transfertest.BadSend),
	sending("n of a short Write ignored", sendIgnoresN, transfertest.BadSend),
	sending("writes again until it works", sendRetries, transfertest.BadSend),
	sending("the last element of the name sent", renaming(filepath.Base), transfertest.Send),
	sending("the name trimmed", renaming(strings.TrimSpace), transfertest.Send),
	sending("the writer closed when the payload is short", sendClosesShort, transfertest.BadSend),
	sending("n of a short Write of the payload ignored", sendIgnoresNOfPayload, transfertest.BadSend),
	sending("a size of float64", sendFloat, transfertest.Long),
	sending("a size of 32 bits", sendInt32, transfertest.Long),
	sending("all of the payload read before it is sent", sendWhole, transfertest.Long),

	receiving("waits for the end of the stream", receiveToEnd, transfertest.Receive),
	receiving("unknown keys refused", receiveStrict, transfertest.Receive),
	receiving("a longer file overwritten in part", receiveOver, transfertest.Receive),
	receiving("the buffer not flushed", receiveUnflushed, transfertest.Receive),
	receiving("the temporary file left", receiveTemporary, transfertest.Receive),
	receiving("the folder made if it is not there", receiveMakes, transfertest.Receive),
	receiving("a decoder on the connection", receiveDecoder, transfertest.Receive),
	receiving(
		"a decoder that leaves what is behind the object",
		receiveDecoderLimited,
		transfertest.Pieces,
		transfertest.Refused,
	),
	receiving("a deadline for what is read", receiveDeadline, transfertest.Receive),
	receiving("a cut payload stored as if it were whole", receiveCut, transfertest.Ends, transfertest.Long),
	receiving("io.EOF inside a transfer passed on", receiveEOF, transfertest.Ends, transfertest.Long),
	receiving("the end is always unexpected", receiveUnexpected, transfertest.Ends),
	receiving("an absent total_size taken for 0", receiveNoSize, transfertest.Refused),
	receiving("a negative total_size taken for 0", receiveNegative, transfertest.Refused),
	receiving("bytes that are not UTF-8 replaced", receiveAnyText, transfertest.Refused),
	receiving("a total_size of float64", receiveFloat, transfertest.Refused, transfertest.Long),
	receiving("a header of any length", receiveAnyLength, transfertest.Refused),
	receiving("a header must be shorter than the limit", receiveLimitRefused, transfertest.Receive),
	receiving("the md5 not compared", receiveUnchecked, transfertest.Verified),
	receiving(
		"an md5 that is no checksum refused",
		receiveAlwaysChecked,
		transfertest.Verified,
		transfertest.Long,
	),
	receiving("the md5 compared as text", receiveCompareText, transfertest.Verified),
	receiving("the file left when the md5 differs", receiveKeepsChanged, transfertest.Verified),
	receiving(
		"a byte order mark cut off",
		changing(func(text []byte) []byte { return bytes.TrimPrefix(text, []byte("\ufeff")) }),
		transfertest.Refused,
	),
	receiving(
		"the first object of a list taken",
		changing(func(text []byte) []byte { return bytes.Trim(text, "[]") }),
		transfertest.Refused,
	),
	receiving("names in lower case", changing(bytes.ToLower), transfertest.Receive),
	receiving("other files cleared away", receiveClears, transfertest.Names),
	receiving(
		"a part name that somebody thought of",
		receivePartNamed("~a.txt.download"),
		transfertest.Names,
	),
	receiving("a prefix without its separator", receivePrefixOfPath, transfertest.Names),
	receiving("links in folders followed", receiveLinksInside, transfertest.Names),
	receiving("file_name trusted", receiveTrusting, transfertest.Names),
	receiving("the last element of the name taken", receiveBase, transfertest.Names),
	receiving("names that begin with two dots refused", receivePrefix, transfertest.Names),
	receiving("names that contain two dots refused", receiveDots, transfertest.Names),
	receiving("the name refused after the payload", receiveLate, transfertest.Names),
	receiving("links followed", receiveLinks, transfertest.Names),
	receiving("a temporary name that is always the same", receivePart(os.O_TRUNC), transfertest.Names),
	receiving("a temporary name that may be taken", receivePart(os.O_EXCL), transfertest.Names),
	receiving("a total_size of 32 bits", receiveInt32, transfertest.Long),
	receiving("a total_size that is thought too large", receiveNotLarge, transfertest.Long),
	receiving("all of the payload read before it is stored", receiveWhole, transfertest.Long),
	receiving("memory for all of the payload", receiveBuffer, transfertest.Long),
	receiving("one Read for the JSON", receiveOneRead, transfertest.Pieces, transfertest.Ends),
	receiving("one Read for the length", receiveOneReadLength, transfertest.Pieces, transfertest.Ends),
	receiving(
		"a bufio.Reader made anew in each call",
		receiveBufio,
		transfertest.Pieces,
		transfertest.Refused,
		transfertest.Names,
	),
	receiving("a cut file left in the folder", receiveLeaves, transfertest.Ends, transfertest.Verified),
	receiving(
		"the connection closed after an error",
		receiveClosing,
		transfertest.Ends,
		transfertest.Refused,
		transfertest.Verified,
		transfertest.Names,
		transfertest.Long,
	),
	describing("2 MiB read at a time", describeMuch, transfertest.Long),
	sending("a header of 65536 bytes refused", sendLess, transfertest.Send),
	sending("a path cleaned", sendClean, transfertest.Send),
	sending("closed when the payload is short", sendHangingUp, transfertest.BadSend),
	receiving(
		"a timeout or a closed connection taken for the end",
		receiveThrough(func(n int, err error) (int, error) {
			if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
				err = io.EOF
			}
			return n, err
		}),
		transfertest.Ends,
	),
	receiving(
		"bytes that come with io.EOF are lost",
		receiveThrough(func(n int, err error) (int, error) {
			if err == io.EOF {
				n = 0
			}
			return n, err
		}),
		transfertest.Pieces,
	),
	receiving("a backslash in a name repaired", receiveRepaired, transfertest.Names),
	describing("a Read of 0 bytes taken for the end", describeHasty, transfertest.Describe),
	describing("the payload closed when it fails", describeClosesFailed, transfertest.Describe),
	sending("the size as text", sendText, transfertest.Send),
	sending("n of a short Write of the length ignored", sendIgnoresNOfLength, transfertest.BadSend),
	sending("an error that comes with all bytes ignored", sendCounts, transfertest.BadSend),
	sending("writes again after a timeout", sendPatient, transfertest.BadSend),
	sending("the name measured before it is escaped", sendMeasured, transfertest.BadSend),
	sending("a copy of all that was sent kept", sendKeeps, transfertest.Long),
	receiving(
		"the escapes of JSON left in the name",
		changing(func(text []byte) []byte { return bytes.ReplaceAll(text, []byte(`\u`), []byte(`\\u`)) }),
		transfertest.Receive,
	),
	receiving("the accents of a name composed", receiveComposed, transfertest.Receive),
	receiving("ends of lines turned into those of Unix", storing(copyAsText), transfertest.Receive),
	receiving("an empty folder left", receiveLeavesFolder, transfertest.Receive),
	receiving(
		"what is behind the object not looked at",
		changing(func(text []byte) []byte {
			var object json.RawMessage
			if json.NewDecoder(bytes.NewReader(text)).Decode(&object) != nil {
				return text
			}
			return object
		}),
		transfertest.Refused,
	),
	receiving(
		"a file_name of null taken for a word",
		changing(func(text []byte) []byte {
			return bytes.ReplaceAll(text, []byte(`"file_name": null`), []byte(`"file_name": "null"`))
		}),
		transfertest.Refused,
	),
	receiving(
		"UTF-8 looked for in the name alone",
		changing(func(text []byte) []byte {
			at := bytes.Index(text, []byte(`, "owner"`))
			if at < 0 {
				return text
			}
			return append(text[:at:at], bytes.ToValidUTF8(text[at:], nil)...)
		}),
		transfertest.Refused,
	),
	receiving("half of the md5 compared", storing(copyHalfCompared), transfertest.Verified),
	receiving("a temporary name made from the header", receivePartOfHeader, transfertest.Names),
	receiving("a folder for parts that is always the same", receiveInParts, transfertest.Names),
	receiving("a folder of that name removed", receiveRemovesFolder, transfertest.Names),
	receiving("a name that ends with .. refused after the payload", receiveUpLate, transfertest.Names),
	receiving("the file read back whole for its sum", storing(copyReadBack), transfertest.Long),
	describing("the error of one Seek of two ignored", describeHalfLooked, transfertest.Describe),
	describing("an unexpected end of the payload taken for its end", describeUnexpected, transfertest.Describe),
	sending("the sum not quoted", sendSumUnquoted, transfertest.Send),
	sending("no name at all refused", sendNamed, transfertest.Send),
	sending("a size of 0 taken for all there is", sendAllForNone, transfertest.Send),
	sending("a size of -1 let pass", sendMinusOne, transfertest.BadSend),
	receiving("all keys decoded", looking(decodesAll), transfertest.Receive),
	receiving("escapes undone as in Go", looking(unquotesName), transfertest.Receive),
	receiving("total_size searched in the text", receiveSearched, transfertest.Receive),
	receiving("a file of the same size taken for the same", receiveSameSize, transfertest.Receive),
	receiving("a path that is not the shortest refused", receiveCleanOnly, transfertest.Receive),
	receiving("40 Reads of nothing are enough", receiveImpatient, transfertest.Pieces),
	receiving(
		"zeros behind the object cut off",
		changing(func(text []byte) []byte { return bytes.TrimRight(text, "\x00") }),
		transfertest.Refused,
	),
	receiving("white space of Unicode cut off", changing(bytes.TrimSpace), transfertest.Refused),
	receiving("fields of the header before kept", receiveKeepsFields(), transfertest.Refused,
		transfertest.Verified),
	receiving("the name of the header before kept", receiveKeepsName(), transfertest.Refused),
	receiving("the temporary file left when it cannot be renamed", receiveUnrenamed, transfertest.Names),
	receiving(
		"0x cut off an md5",
		changing(func(text []byte) []byte { return bytes.ReplaceAll(text, []byte(`"0x`), []byte(`"`)) }),
		transfertest.Verified,
	),
	receiving("wide digits taken for hexadecimal ones", looking(refusesWide), transfertest.Verified),
	receiving("a temporary name that is longer than the name", receiveLonger, transfertest.Names),
	receiving("a folder of the name left when the payload is cut", receiveBelow(false), transfertest.Names),
	receiving("of the folders of the name only the last removed", receiveBelow(true), transfertest.Names),
	receiving("a link to a file that exists followed", receiveResolved, transfertest.Names),
	receiving("keys inside other keys count", changing(hoisted), transfertest.Receive),
	receiving("a header that comes with io.EOF taken for cut", receiveHastily, transfertest.Pieces),
	receiving("2 MiB in front of the disk", storing(copyBuffered), transfertest.Long),
}

type header struct {
	FileName  string `json:"file_name"`
	TotalSize int64  `json:"total_size"`
	MD5       string `json:"md5"`
}

func describeLeft(payload io.ReadSeeker) (int64, string, error) {
	hash := md5.New()
	size, err := io.Copy(hash, payload)
	if err != nil {
		return 0, "", err
	}
	if _, err := payload.Seek(0, io.SeekCurrent); err != nil {
		return 0, "", err
	}
	return size, hex.EncodeToString(hash.Sum(nil)), nil
}

func describeOnce(payload io.ReadSeeker) (int64, string, error) {
	buf := make([]byte, 1<<20)
	n, err := payload.Read(buf)
	if err != nil && err != io.EOF {
		return 0, "", err
	}
	_, err = payload.Seek(0, io.SeekStart)
	return int64(n), fmt.Sprintf("%x", md5.Sum(buf[:n])), err
}

func describeBase64(payload io.ReadSeeker) (int64, string, error) {
	size, sum, err := transfer.Describe(payload)
	digest, _ := hex.DecodeString(sum)
	return size, base64.StdEncoding.EncodeToString(digest), err
}

func describeIgnored(payload io.ReadSeeker) (int64, string, error) {
	hash := md5.New()
	size, _ := io.Copy(hash, payload)
	_, err := payload.Seek(0, io.SeekStart)
	return size, hex.EncodeToString(hash.Sum(nil)), err
}

func describeNoSeek(payload io.ReadSeeker) (int64, string, error) {
	hash := md5.New()
	size, err := io.Copy(hash, payload)
	payload.Seek(0, io.SeekStart)
	return size, hex.EncodeToString(hash.Sum(nil)), err
}

func describeWhole(payload io.ReadSeeker) (int64, string, error) {
	data, err := io.ReadAll(payload)
	if err != nil {
		return 0, "", err
	}
	_, err = payload.Seek(0, io.SeekStart)
	return int64(len(data)), fmt.Sprintf("%x", md5.Sum(data)), err
}

// describeClosing closes files, as whoever has opened them does again.
func describeClosing(payload io.ReadSeeker) (int64, string, error) {
	size, sum, err := transfer.Describe(payload)
	if closer, ok := payload.(io.Closer); ok {
		closer.Close()
	}
	return size, sum, err
}

// sendHeader is the head of the reference; the mistakes below are made with what it returns.
func sendHeader(name string, size int64, sum string) (text []byte, err error) {
	if size < 0 {
		return nil, errors.New("negative size")
	}
	text, err = json.Marshal(header{name, size, sum})
	if err == nil && len(text) > 65536 {
		err = errors.New("the header is too long")
	}
	return text, err
}

// sendAs sends a header with the length that is given.
func sendAs(w io.Writer, length, text []byte, size int64, payload io.Reader) error {
	head := append(length, text...)
	if n, err := w.Write(head); err != nil {
		return err
	} else if n < len(head) {
		return io.ErrShortWrite
	}
	_, err := io.CopyN(w, payload, size)
	return err
}

func little(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }

func sendMap(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	text, err := json.Marshal(map[string]any{"file_name": name, "total_size": size, "md5": sum})
	if err != nil || size < 0 || len(text) > 65536 {
		return errors.New("bad header")
	}
	return sendAs(w, little(len(text)), text, size, payload)
}

func sendBigEndian(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	text, err := sendHeader(name, size, sum)
	if err != nil {
		return err
	}
	return sendAs(w, binary.BigEndian.AppendUint32(nil, uint32(len(text))), text, size, payload)
}

func sendLengthOfAll(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	text, err := sendHeader(name, size, sum)
	if err != nil {
		return err
	}
	return sendAs(w, little(4+len(text)), text, size, payload)
}

func sendCharacters(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	text, err := sendHeader(name, size, sum)
	if err != nil {
		return err
	}
	return sendAs(w, little(utf8.RuneCount(text)), text, size, payload)
}

func sendUnquoted(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	text := fmt.Appendf(nil, `{"file_name": "%s", "total_size": %d, "md5": "%s"}`, name, size, sum)
	if size < 0 || len(text) > 65536 {
		return errors.New("bad header")
	}
	return sendAs(w, little(len(text)), text, size, payload)
}

// sendGoQuotes quotes control characters as JSON does not.
func sendGoQuotes(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	text := fmt.Appendf(nil, `{"file_name": %q, "total_size": %d, "md5": %q}`, name, size, sum)
	if size < 0 || len(text) > 65536 {
		return errors.New("bad header")
	}
	return sendAs(w, little(len(text)), text, size, payload)
}

func sendClosing(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	if closer, ok := w.(io.Closer); ok {
		defer closer.Close()
	}
	return transfer.Send(w, name, size, sum, payload)
}

func sendHalfClosing(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	if half, ok := w.(interface{ CloseWrite() error }); ok {
		defer half.CloseWrite()
	}
	return transfer.Send(w, name, size, sum, payload)
}

func sendClosingPayload(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	if closer, ok := payload.(io.Closer); ok {
		defer closer.Close()
	}
	return transfer.Send(w, name, size, sum, payload)
}

func sendDeadline(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	if conn, ok := w.(interface{ SetWriteDeadline(time.Time) error }); ok {
		conn.SetWriteDeadline(time.Now().Add(time.Hour))
	}
	return transfer.Send(w, name, size, sum, payload)
}

// sendLiteral is what the tutorials do.
func sendLiteral(w io.Writer, name string, size int64, _ string, payload io.Reader) error {
	return transfer.Send(w, name, size, "md5", payload)
}

func sendEverything(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	text, err := sendHeader(name, size, sum)
	if err != nil {
		return err
	}
	if err := sendAs(w, little(len(text)), text, 0, payload); err != nil {
		return err
	}
	_, err = io.Copy(w, payload)
	return err
}

func sendShort(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	text, err := sendHeader(name, size, sum)
	if err != nil {
		return err
	}
	if err := sendAs(w, little(len(text)), text, 0, payload); err != nil {
		return err
	}
	_, err = io.Copy(w, io.LimitReader(payload, size))
	return err
}

func sendAnyHeader(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	text, err := json.Marshal(header{name, size, sum})
	if err != nil || size < 0 {
		return errors.New("bad header")
	}
	return sendAs(w, little(len(text)), text, size, payload)
}

func sendNegative(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	text, err := json.Marshal(header{name, size, sum})
	if err != nil || len(text) > 65536 {
		return errors.New("bad header")
	}
	return sendAs(w, little(len(text)), text, size, payload)
}

func sendHeaderIgnored(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	text, err := sendHeader(name, size, sum)
	if err != nil {
		return err
	}
	w.Write(little(len(text)))
	w.Write(text)
	_, err = io.CopyN(w, payload, size)
	return err
}

func sendIgnoresN(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	text, err := sendHeader(name, size, sum)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(little(len(text)), text...)); err != nil {
		return err
	}
	_, err = io.CopyN(w, payload, size)
	return err
}

// stubborn writes on when a Write has failed.
type stubborn struct{ io.Writer }

func (s stubborn) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		n, _ := s.Writer.Write(p[done:])
		done += n
	}
	return len(p), nil
}

func sendRetries(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	return transfer.Send(stubborn{w}, name, size, sum, payload)
}

func sendInt32(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	if size < 0 {
		return errors.New("negative size")
	}
	text, err := json.Marshal(struct {
		FileName  string `json:"file_name"`
		TotalSize int32  `json:"total_size"`
		MD5       string `json:"md5"`
	}{name, int32(size), sum})
	if err != nil || len(text) > 65536 {
		return errors.New("bad header")
	}
	return sendAs(w, little(len(text)), text, size, payload)
}

func sendWhole(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	if size < 0 {
		return errors.New("negative size")
	}
	data, err := io.ReadAll(io.LimitReader(payload, size))
	if err != nil {
		return err
	}
	if int64(len(data)) < size {
		return io.ErrUnexpectedEOF
	}
	return transfer.Send(w, name, size, sum, bytes.NewReader(data))
}

// The steps of Receive, done right.

func readLength(r io.Reader) (int, error) {
	length := make([]byte, 4)
	if _, err := io.ReadFull(r, length); err != nil {
		return 0, err
	}
	n := int(int32(binary.LittleEndian.Uint32(length)))
	if n < 0 || n > 65536 {
		return 0, fmt.Errorf("a header of %d bytes", n)
	}
	return n, nil
}

func readText(r io.Reader) ([]byte, error) {
	n, err := readLength(r)
	if err != nil {
		return nil, err
	}
	text := make([]byte, n)
	_, err = io.ReadFull(r, text)
	return text, inside(err)
}

func inside(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func parse(text []byte) (header, error) {
	h := header{TotalSize: -1}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, err
	}
	if h.TotalSize < 0 || h.FileName == "" || !utf8.Valid(text) {
		return h, errors.New("a header that cannot be true")
	}
	return h, nil
}

func readHeader(r io.Reader) (header, error) {
	text, err := readText(r)
	if err != nil {
		return header{}, err
	}
	return parse(text)
}

// again puts a header that has been read, perhaps wrongly, in front of r for the reference.
func again(h header, r io.Reader, dir string) (string, bool, error) {
	text, err := json.Marshal(h)
	if err != nil {
		return "", false, err
	}
	return transfer.Receive(
		io.MultiReader(bytes.NewReader(little(len(text))), bytes.NewReader(text), r),
		dir,
	)
}

// copyTo copies the payload to w and compares its md5.
func copyTo(w io.Writer, r io.Reader, h header) (verified bool, err error) {
	hash := md5.New()
	if _, err := io.CopyN(io.MultiWriter(w, hash), r, h.TotalSize); err != nil {
		return false, inside(err)
	}
	return compare(h, hash.Sum(nil))
}

func compare(h header, sum []byte) (verified bool, err error) {
	want, err := hex.DecodeString(h.MD5)
	if err != nil || len(want) != 16 {
		return false, nil
	}
	if !bytes.Equal(want, sum) {
		return false, errors.New("the payload was changed on the way")
	}
	return true, nil
}

// into stores a payload in a file that is open, and removes it after an error.
func into(file *os.File, r io.Reader, h header) (string, bool, error) {
	verified, err := copyTo(file, r, h)
	file.Close()
	if err != nil {
		os.Remove(file.Name())
	}
	return h.FileName, verified, err
}

func local(name string) bool {
	return filepath.IsLocal(name) && name == filepath.Base(name) && name != "."
}

func receiveToEnd(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	var payload bytes.Buffer
	if _, err := io.Copy(&payload, r); err != nil {
		return "", false, err
	}
	return again(h, &payload, dir)
}

func receiveStrict(r io.Reader, dir string) (string, bool, error) {
	text, err := readText(r)
	if err != nil {
		return "", false, err
	}
	h := header{TotalSize: -1}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&h); err != nil || !utf8.Valid(text) || h.TotalSize < 0 {
		return "", false, fmt.Errorf("bad header: %v", err)
	}
	return again(h, r, dir)
}

func receiveOver(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", false, err
	}
	defer root.Close()
	file, err := root.OpenFile(h.FileName, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return "", false, err
	}
	return into(file, r, h)
}

func receiveUnflushed(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", false, err
	}
	defer root.Close()
	file, err := root.Create(h.FileName)
	if err != nil {
		return "", false, err
	}
	defer file.Close()
	verified, err := copyTo(bufio.NewWriter(file), r, h)
	if err != nil {
		root.Remove(h.FileName)
	}
	return h.FileName, verified, err
}

func receiveTemporary(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	if !local(h.FileName) {
		return "", false, errors.New("a bad name")
	}
	temporary, err := os.CreateTemp(dir, "incoming-")
	if err != nil {
		return "", false, err
	}
	name, verified, err := into(temporary, r, h)
	if err != nil {
		return name, verified, err
	}
	data, err := os.ReadFile(temporary.Name())
	if err != nil {
		return name, verified, err
	}
	return name, verified, os.WriteFile(filepath.Join(dir, h.FileName), data, 0o644)
}

func receiveMakes(r io.Reader, dir string) (string, bool, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", false, err
	}
	return transfer.Receive(r, dir)
}

func receiveOneRead(r io.Reader, dir string) (string, bool, error) {
	n, err := readLength(r)
	if err != nil {
		return "", false, err
	}
	text := make([]byte, n)
	if n > 0 {
		if n, err = r.Read(text); err != nil {
			return "", false, inside(err)
		}
	}
	h, err := parse(text[:n])
	if err != nil {
		return "", false, err
	}
	return again(h, r, dir)
}

func receiveOneReadLength(r io.Reader, dir string) (string, bool, error) {
	length := make([]byte, 4)
	if _, err := r.Read(length); err != nil {
		return "", false, err
	}
	return transfer.Receive(io.MultiReader(bytes.NewReader(length), r), dir)
}

// receiveDecoder finds the end of the JSON by itself, and does not look at the length.
func receiveDecoder(r io.Reader, dir string) (string, bool, error) {
	if _, err := readLength(r); err != nil {
		return "", false, err
	}
	var text json.RawMessage
	if err := json.NewDecoder(r).Decode(&text); err != nil {
		return "", false, inside(err)
	}
	h, err := parse(text)
	if err != nil {
		return "", false, err
	}
	return again(h, r, dir)
}

// receiveDecoderLimited cannot read too far, but it can stop too early.
func receiveDecoderLimited(r io.Reader, dir string) (string, bool, error) {
	n, err := readLength(r)
	if err != nil {
		return "", false, err
	}
	limited := &io.LimitedReader{R: r, N: int64(n)}
	var text json.RawMessage
	if err := json.NewDecoder(limited).Decode(&text); err != nil {
		if limited.N == 0 {
			err = errors.New("no JSON")
		}
		return "", false, inside(err)
	}
	h, err := parse(text)
	if err != nil {
		return "", false, err
	}
	return again(h, r, dir)
}

func receiveBufio(r io.Reader, dir string) (string, bool, error) {
	return transfer.Receive(bufio.NewReader(r), dir)
}

func receiveDeadline(r io.Reader, dir string) (string, bool, error) {
	if conn, ok := r.(interface{ SetReadDeadline(time.Time) error }); ok {
		conn.SetReadDeadline(time.Now().Add(time.Hour))
	}
	return transfer.Receive(r, dir)
}

// receiveClosing leaves nobody the choice.
func receiveClosing(r io.Reader, dir string) (string, bool, error) {
	name, verified, err := transfer.Receive(r, dir)
	if closer, ok := r.(io.Closer); ok && err != nil {
		closer.Close()
	}
	return name, verified, err
}

// receiving what is cut needs a way to create; this is the right one.
func create(dir, name string) (*os.File, *os.Root, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, err
	}
	file, err := root.Create(name)
	if err != nil {
		root.Close()
	}
	return file, root, err
}

func receiveLeaves(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	file, root, err := create(dir, h.FileName)
	if err != nil {
		return "", false, err
	}
	defer root.Close()
	defer file.Close()
	verified, err := copyTo(file, r, h)
	return h.FileName, verified, err
}

func receiveCut(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	file, root, err := create(dir, h.FileName)
	if err != nil {
		return "", false, err
	}
	defer root.Close()
	hash := md5.New()
	n, err := io.Copy(io.MultiWriter(file, hash), io.LimitReader(r, h.TotalSize))
	file.Close()
	verified := false
	if err == nil && n == h.TotalSize {
		verified, err = compare(h, hash.Sum(nil))
	}
	if err != nil {
		root.Remove(h.FileName)
	}
	return h.FileName, verified, err
}

func receiveEOF(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	file, root, err := create(dir, h.FileName)
	if err != nil {
		return "", false, err
	}
	defer root.Close()
	hash := md5.New()
	_, err = io.CopyN(io.MultiWriter(file, hash), r, h.TotalSize)
	file.Close()
	verified := false
	if err == nil {
		verified, err = compare(h, hash.Sum(nil))
	}
	if err != nil {
		root.Remove(h.FileName)
	}
	return h.FileName, verified, err
}

func receiveUnexpected(r io.Reader, dir string) (string, bool, error) {
	name, verified, err := transfer.Receive(r, dir)
	return name, verified, inside(err)
}

func receiveNoSize(r io.Reader, dir string) (string, bool, error) {
	text, err := readText(r)
	if err != nil {
		return "", false, err
	}
	var h header
	if err := json.Unmarshal(text, &h); err != nil || !utf8.Valid(text) {
		return "", false, fmt.Errorf("bad header: %v", err)
	}
	return again(h, r, dir)
}

func receiveNegative(r io.Reader, dir string) (string, bool, error) {
	text, err := readText(r)
	if err != nil {
		return "", false, err
	}
	h := header{TotalSize: math.MinInt64}
	if err := json.Unmarshal(text, &h); err != nil || !utf8.Valid(text) || h.TotalSize == math.MinInt64 {
		return "", false, fmt.Errorf("bad header: %v", err)
	}
	h.TotalSize = max(0, h.TotalSize)
	return again(h, r, dir)
}

func receiveFloat(r io.Reader, dir string) (string, bool, error) {
	text, err := readText(r)
	if err != nil {
		return "", false, err
	}
	h := struct {
		FileName  string  `json:"file_name"`
		TotalSize float64 `json:"total_size"`
		MD5       string  `json:"md5"`
	}{TotalSize: -1}
	if err := json.Unmarshal(text, &h); err != nil || !utf8.Valid(text) || h.TotalSize < 0 {
		return "", false, fmt.Errorf("bad header: %v", err)
	}
	return again(header{h.FileName, int64(h.TotalSize), h.MD5}, r, dir)
}

func receiveNotLarge(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	if h.TotalSize > 1<<40 {
		return "", false, errors.New("nobody sends that much")
	}
	return again(h, r, dir)
}

func receiveAnyText(r io.Reader, dir string) (string, bool, error) {
	text, err := readText(r)
	if err != nil {
		return "", false, err
	}
	h, err := parse(bytes.ToValidUTF8(text, []byte("\uFFFD")))
	if err != nil {
		return "", false, err
	}
	return again(h, r, dir)
}

func receiveAnyLength(r io.Reader, dir string) (string, bool, error) {
	length := make([]byte, 4)
	if _, err := io.ReadFull(r, length); err != nil {
		return "", false, err
	}
	n := int32(binary.LittleEndian.Uint32(length))
	if n < 0 {
		return "", false, errors.New("a negative length")
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return "", false, inside(err)
	}
	h, err := parse(text)
	if err != nil {
		return "", false, err
	}
	return again(h, r, dir)
}

func receiveLimitRefused(r io.Reader, dir string) (string, bool, error) {
	text, err := readText(r)
	if err != nil {
		return "", false, err
	}
	if len(text) >= 65536 {
		return "", false, errors.New("the header is too long")
	}
	h, err := parse(text)
	if err != nil {
		return "", false, err
	}
	return again(h, r, dir)
}

// receiveUnchecked looks at the md5 only to say that there is one.
func receiveUnchecked(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	sum, err := hex.DecodeString(h.MD5)
	h.MD5 = ""
	name, _, rerr := again(h, r, dir)
	return name, rerr == nil && err == nil && len(sum) == 16, rerr
}

func receiveAlwaysChecked(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	if sum, err := hex.DecodeString(h.MD5); err != nil || len(sum) != 16 {
		return "", false, errors.New("the md5 is none")
	}
	return again(h, r, dir)
}

func receiveCompareText(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	capitals := strings.ToLower(h.MD5) != h.MD5
	name, verified, err := again(h, r, dir)
	if err == nil && verified && capitals {
		os.Remove(filepath.Join(dir, name))
		return name, false, errors.New("the md5 differs")
	}
	return name, verified, err
}

func receiveKeepsChanged(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	hash, sum := md5.New(), h.MD5
	h.MD5 = ""
	name, _, err := again(h, io.TeeReader(r, hash), dir)
	if err != nil {
		return name, false, err
	}
	h.MD5 = sum
	verified, err := compare(h, hash.Sum(nil))
	return name, verified, err
}

// receiveNamed stores under a path that somebody has made of the name.
func receiveNamed(r io.Reader, h header, path string) (string, bool, error) {
	file, err := os.Create(path)
	if err != nil {
		return "", false, err
	}
	return into(file, r, h)
}

func receiveTrusting(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	return receiveNamed(r, h, filepath.Join(dir, h.FileName))
}

// receiveBase keeps the file in the folder, under a name that nobody has sent.
func receiveBase(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	h.FileName = filepath.Base(h.FileName)
	return again(h, r, dir)
}

func receivePrefix(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	if strings.HasPrefix(h.FileName, "..") || filepath.IsAbs(h.FileName) {
		return "", false, errors.New("the name leaves the folder")
	}
	return again(h, r, dir)
}

func receiveDots(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	if strings.Contains(h.FileName, "..") {
		return "", false, errors.New("the name leaves the folder")
	}
	return again(h, r, dir)
}

func receiveLate(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	temporary, err := os.CreateTemp(dir, "incoming-")
	if err != nil {
		return "", false, err
	}
	name, verified, err := into(temporary, r, h)
	if err != nil {
		return name, verified, err
	}
	if !local(h.FileName) {
		os.Remove(temporary.Name())
		return "", false, errors.New("a bad name")
	}
	return name, verified, os.Rename(temporary.Name(), filepath.Join(dir, h.FileName))
}

// receivePart stores under the name and ".part" until the payload is complete. how is what becomes of a
// file that has this name.
func receivePart(how int) receiveFunc {
	return func(r io.Reader, dir string) (string, bool, error) {
		h, err := readHeader(r)
		if err != nil {
			return "", false, err
		}
		if !local(h.FileName) {
			return "", false, errors.New("a bad name")
		}
		path := filepath.Join(dir, h.FileName)
		part, err := os.OpenFile(path+".part", os.O_CREATE|os.O_WRONLY|how, 0o644)
		if err != nil {
			return "", false, err
		}
		name, verified, err := into(part, r, h)
		if err == nil {
			err = os.Rename(part.Name(), path)
		}
		return name, verified, err
	}
}

func receiveLinks(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	if !local(h.FileName) {
		return "", false, errors.New("a bad name")
	}
	return receiveNamed(r, h, filepath.Join(dir, h.FileName))
}

func receiveInt32(r io.Reader, dir string) (string, bool, error) {
	text, err := readText(r)
	if err != nil {
		return "", false, err
	}
	var h struct {
		TotalSize int32 `json:"total_size"`
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return "", false, err
	}
	return transfer.Receive(
		io.MultiReader(bytes.NewReader(little(len(text))), bytes.NewReader(text), r),
		dir,
	)
}

func receiveWhole(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	if !local(h.FileName) {
		return "", false, errors.New("a bad name")
	}
	payload, err := io.ReadAll(io.LimitReader(r, h.TotalSize))
	if err != nil {
		return "", false, err
	}
	return again(h, bytes.NewReader(payload), dir)
}

func receiveBuffer(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	file, root, err := create(dir, h.FileName)
	if err != nil {
		return "", false, err
	}
	defer root.Close()
	hash := md5.New()
	n, err := int64(0), error(nil)
	if h.TotalSize > 0 {
		n, err = io.CopyBuffer(
			io.MultiWriter(struct{ io.Writer }{file}, hash),
			struct{ io.Reader }{io.LimitReader(r, h.TotalSize)},
			make([]byte, h.TotalSize),
		)
	}
	file.Close()
	if err == nil && n < h.TotalSize {
		err = io.ErrUnexpectedEOF
	}
	verified := false
	if err == nil {
		verified, err = compare(h, hash.Sum(nil))
	}
	if err != nil {
		root.Remove(h.FileName)
	}
	return h.FileName, verified, err
}

func describeNoZeros(payload io.ReadSeeker) (int64, string, error) {
	size, sum, err := transfer.Describe(payload)
	return size, strings.TrimLeft(sum, "0"), err
}

func renaming(change func(string) string) sendFunc {
	return func(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
		return transfer.Send(w, change(name), size, sum, payload)
	}
}

func sendClosesShort(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	err := transfer.Send(w, name, size, sum, payload)
	if closer, ok := w.(io.Closer); ok && errors.Is(err, io.ErrUnexpectedEOF) {
		closer.Close()
	}
	return err
}

func sendIgnoresNOfPayload(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	return transfer.Send(&forgetful{w: w}, name, size, sum, payload)
}

// forgetful looks at the count of its first Write only.
type forgetful struct {
	w      io.Writer
	writes int
}

func (f *forgetful) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if f.writes++; f.writes > 1 && err == nil {
		n = len(p)
	}
	return n, err
}

func sendFloat(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	return transfer.Send(w, name, int64(float64(size)), sum, payload)
}

// changing is Receive, right but for what it does to the JSON first.
func changing(change func(text []byte) []byte) receiveFunc {
	return func(r io.Reader, dir string) (string, bool, error) {
		text, err := readText(r)
		if err != nil {
			return "", false, err
		}
		text = change(text)
		return transfer.Receive(
			io.MultiReader(bytes.NewReader(little(len(text))), bytes.NewReader(text), r),
			dir,
		)
	}
}

// receiveClears takes all that is not the file for leavings.
func receiveClears(r io.Reader, dir string) (string, bool, error) {
	name, verified, err := transfer.Receive(r, dir)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.Name() != name {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	return name, verified, err
}

// receivePartNamed stores under a name that is always the same until the payload is complete.
func receivePartNamed(part string) receiveFunc {
	return func(r io.Reader, dir string) (string, bool, error) {
		h, err := readHeader(r)
		if err != nil {
			return "", false, err
		}
		if !local(h.FileName) {
			return "", false, errors.New("a bad name")
		}
		file, err := os.Create(filepath.Join(dir, part))
		if err != nil {
			return "", false, err
		}
		name, verified, err := into(file, r, h)
		if err == nil {
			err = os.Rename(file.Name(), filepath.Join(dir, h.FileName))
		}
		return name, verified, err
	}
}

func receivePrefixOfPath(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	path := filepath.Join(dir, h.FileName)
	if !strings.HasPrefix(path, filepath.Clean(dir)) || filepath.IsAbs(h.FileName) ||
		path == filepath.Clean(dir) {
		return "", false, errors.New("the name leaves the folder")
	}
	os.Remove(path) // a link, perhaps
	return receiveNamed(r, h, path)
}

// receiveLinksInside looks at the last element of the name alone.
func receiveLinksInside(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	if !filepath.IsLocal(h.FileName) || h.FileName == "." {
		return "", false, errors.New("a bad name")
	}
	path := filepath.Join(dir, h.FileName)
	os.Remove(path)
	return receiveNamed(r, h, path)
}

func describeMuch(payload io.ReadSeeker) (size int64, sum string, err error) {
	size, sum, err = transfer.Describe(payload)
	if err == nil {
		_, err = io.ReadFull(payload, make([]byte, min(size, 2<<20)))
	}
	if err == nil {
		_, err = payload.Seek(0, io.SeekStart)
	}
	return size, sum, err
}

func sendLess(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	if text, err := json.Marshal(header{name, size, sum}); err == nil && len(text) >= 65536 {
		return errors.New("the header is too long")
	}
	return transfer.Send(w, name, size, sum, payload)
}

func sendClean(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	if name != filepath.Base(name) {
		name = path.Clean(name)
	}
	return transfer.Send(w, name, size, sum, payload)
}

// sendHangingUp hangs up, because what it has announced cannot be kept.
func sendHangingUp(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	err := transfer.Send(w, name, size, sum, payload)
	if conn, ok := w.(io.Closer); ok && errors.Is(err, io.ErrUnexpectedEOF) {
		conn.Close()
	}
	return err
}

// seen is a reader whose results look changes.
type seen struct {
	io.Reader
	look func(n int, err error) (int, error)
}

func (s seen) Read(p []byte) (int, error) { return s.look(s.Reader.Read(p)) }

// receiveThrough is the reference on a reader whose results look changes.
func receiveThrough(look func(n int, err error) (int, error)) receiveFunc {
	return func(r io.Reader, dir string) (string, bool, error) { return transfer.Receive(seen{r, look}, dir) }
}

// receiveRepaired stores the file under a name that no system minds.
func receiveRepaired(r io.Reader, dir string) (string, bool, error) {
	name, verified, err := transfer.Receive(r, dir)
	if repaired := strings.ReplaceAll(name, `\`, "_"); err == nil && repaired != name {
		return repaired, verified, os.Rename(filepath.Join(dir, name), filepath.Join(dir, repaired))
	}
	return name, verified, err
}

func describeHasty(payload io.ReadSeeker) (int64, string, error) {
	hash := md5.New()
	total := int64(0)
	for buf := make([]byte, 4096); ; {
		n, err := payload.Read(buf)
		hash.Write(buf[:n])
		total += int64(n)
		if n == 0 || err == io.EOF {
			break
		}
		if err != nil {
			return 0, "", err
		}
	}
	_, err := payload.Seek(0, io.SeekStart)
	return total, hex.EncodeToString(hash.Sum(nil)), err
}

func describeClosesFailed(payload io.ReadSeeker) (int64, string, error) {
	size, sum, err := transfer.Describe(payload)
	if closer, ok := payload.(io.Closer); ok && err != nil {
		closer.Close()
	}
	return size, sum, err
}

func sendText(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	if _, err := sendHeader(name, size, sum); err != nil {
		return err
	}
	text, err := json.Marshal(struct {
		FileName  string `json:"file_name"`
		TotalSize int64  `json:"total_size,string"`
		MD5       string `json:"md5"`
	}{name, size, sum})
	if err != nil {
		return err
	}
	return sendAs(w, little(len(text)), text, size, payload)
}

func sendIgnoresNOfLength(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	text, err := sendHeader(name, size, sum)
	if err != nil {
		return err
	}
	if _, err := w.Write(little(len(text))); err != nil {
		return err
	}
	return sendAs(w, nil, text, size, payload)
}

// counting looks at n first.
type counting struct{ io.Writer }

func (c counting) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	if n == len(p) {
		return n, nil
	}
	return n, err
}

func sendCounts(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	return transfer.Send(counting{w}, name, size, sum, payload)
}

// patient writes the rest when the time for it was over.
type patient struct{ io.Writer }

func (p patient) Write(data []byte) (int, error) {
	n, err := p.Writer.Write(data)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		more, err := p.Writer.Write(data[n:])
		return n + more, err
	}
	return n, err
}

func sendPatient(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	return transfer.Send(patient{w}, name, size, sum, payload)
}

func sendMeasured(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	text, err := json.Marshal(header{name, size, sum})
	rest, _ := json.Marshal(header{"", size, sum})
	if err != nil || size < 0 || len(rest)+len(name) > 65536 {
		return errors.New("bad header")
	}
	return sendAs(w, little(len(text)), text, size, payload)
}

func sendKeeps(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	var sent bytes.Buffer
	err := transfer.Send(w, name, size, sum, io.TeeReader(payload, &sent))
	if err == nil && int64(sent.Len()) != size {
		return io.ErrShortWrite
	}
	return err
}

func receiveComposed(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	h.FileName = norm.NFC.String(h.FileName)
	return again(h, r, dir)
}

// unixLines is a writer as a file opened for text is in other languages.
type unixLines struct{ io.Writer }

func (u unixLines) Write(p []byte) (int, error) {
	_, err := u.Writer.Write(bytes.ReplaceAll(p, []byte("\r\n"), []byte("\n")))
	return len(p), err
}

// storing is a Receive of which copy alone is wrong.
func storing(copy func(file *os.File, r io.Reader, h header) (verified bool, err error)) receiveFunc {
	return func(r io.Reader, dir string) (string, bool, error) {
		h, err := readHeader(r)
		if err != nil {
			return "", false, err
		}
		if !local(h.FileName) {
			return "", false, errors.New("a bad name")
		}
		file, err := os.CreateTemp(dir, "incoming-")
		if err != nil {
			return "", false, err
		}
		defer os.Remove(file.Name())
		defer file.Close()
		verified, err := copy(file, r, h)
		if err != nil {
			return "", false, err
		}
		return h.FileName, verified, os.Rename(file.Name(), filepath.Join(dir, h.FileName))
	}
}

func copyAsText(file *os.File, r io.Reader, h header) (bool, error) {
	return copyTo(unixLines{file}, r, h)
}

func copyHalfCompared(file *os.File, r io.Reader, h header) (bool, error) {
	hash := md5.New()
	if _, err := io.CopyN(io.MultiWriter(file, hash), r, h.TotalSize); err != nil {
		return false, inside(err)
	}
	want, err := hex.DecodeString(h.MD5)
	if err != nil || len(want) != 16 {
		return false, nil
	}
	return compare(h, append(hash.Sum(nil)[:8], want[8:]...))
}

func copyReadBack(file *os.File, r io.Reader, h header) (bool, error) {
	if _, err := io.CopyN(file, r, h.TotalSize); err != nil {
		return false, inside(err)
	}
	data, err := os.ReadFile(file.Name())
	if err != nil {
		return false, err
	}
	sum := md5.Sum(data)
	return compare(h, sum[:])
}

func receiveLeavesFolder(r io.Reader, dir string) (string, bool, error) {
	name, verified, err := transfer.Receive(r, dir)
	if err == nil {
		err = os.MkdirAll(filepath.Join(dir, "incoming"), 0o755)
	}
	return name, verified, err
}

func receivePartOfHeader(r io.Reader, dir string) (string, bool, error) {
	text, err := readText(r)
	if err != nil {
		return "", false, err
	}
	h, err := parse(text)
	if err != nil {
		return "", false, err
	}
	if !local(h.FileName) {
		return "", false, errors.New("a bad name")
	}
	part := filepath.Join(dir, fmt.Sprintf("%x", md5.Sum(text)))
	name, verified, err := receiveNamed(r, h, part)
	if err == nil {
		err = os.Rename(part, filepath.Join(dir, h.FileName))
	}
	return name, verified, err
}

func receiveInParts(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	if !local(h.FileName) {
		return "", false, errors.New("a bad name")
	}
	parts := filepath.Join(dir, ".parts")
	if err := os.Mkdir(parts, 0o755); err != nil && !os.IsExist(err) {
		return "", false, err
	}
	defer os.RemoveAll(parts)
	part := filepath.Join(parts, h.FileName)
	name, verified, err := receiveNamed(r, h, part)
	if err == nil {
		err = os.Rename(part, filepath.Join(dir, h.FileName))
	}
	return name, verified, err
}

func receiveRemovesFolder(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	if !local(h.FileName) {
		return "", false, errors.New("a bad name")
	}
	if err := os.RemoveAll(filepath.Join(dir, h.FileName)); err != nil {
		return "", false, err
	}
	return again(h, r, dir)
}

// receiveUpLate takes a/.. for a name.
func receiveUpLate(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	name := h.FileName
	if name != "." && name != ".." && !strings.HasPrefix(name, "../") && strings.HasSuffix(name, "/..") {
		h.FileName = "up"
	}
	stored, verified, err := again(h, r, dir)
	if err == nil && stored != name {
		os.Remove(filepath.Join(dir, stored))
		return "", false, errors.New("a bad name")
	}
	return name, verified, err
}

// describeHalfLooked seeks twice, and looks at one error of the two.
func describeHalfLooked(payload io.ReadSeeker) (int64, string, error) {
	size, _ := payload.Seek(0, io.SeekEnd)
	if _, err := payload.Seek(0, io.SeekStart); err != nil {
		return 0, "", err
	}
	_, sum, err := transfer.Describe(payload)
	return size, sum, err
}

func describeUnexpected(payload io.ReadSeeker) (int64, string, error) {
	hash := md5.New()
	size, err := io.Copy(hash, payload)
	if err != nil && err != io.ErrUnexpectedEOF {
		return 0, "", err
	}
	_, err = payload.Seek(0, io.SeekStart)
	return size, hex.EncodeToString(hash.Sum(nil)), err
}

// sendSumUnquoted quotes the name alone.
func sendSumUnquoted(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	quoted, err := json.Marshal(name)
	if err != nil {
		return err
	}
	text := fmt.Appendf(nil, `{"file_name":%s,"total_size":%d,"md5":"%s"}`, quoted, size, sum)
	if size < 0 || len(text) > 65536 {
		return errors.New("bad header")
	}
	return sendAs(w, little(len(text)), text, size, payload)
}

func sendNamed(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	if name == "" {
		return errors.New("no name")
	}
	return transfer.Send(w, name, size, sum, payload)
}

func sendAllForNone(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	err := transfer.Send(w, name, size, sum, payload)
	if err == nil && size == 0 {
		_, err = io.Copy(w, payload)
	}
	return err
}

// sendMinusOne takes -1 for "not known", as other functions do.
func sendMinusOne(w io.Writer, name string, size int64, sum string, payload io.Reader) error {
	if size != -1 {
		return transfer.Send(w, name, size, sum, payload)
	}
	text, err := json.Marshal(header{name, size, sum})
	if err != nil {
		return err
	}
	return sendAs(w, little(len(text)), text, 0, payload)
}

// looking refuses a header that look does not like.
func looking(look func(text []byte) error) receiveFunc {
	return func(r io.Reader, dir string) (string, bool, error) {
		text, err := readText(r)
		if err == nil {
			err = look(text)
		}
		if err != nil {
			return "", false, err
		}
		return transfer.Receive(
			io.MultiReader(bytes.NewReader(little(len(text))), bytes.NewReader(text), r),
			dir,
		)
	}
}

func decodesAll(text []byte) error {
	var all map[string]any
	return json.Unmarshal(text, &all)
}

func unquotesName(text []byte) error {
	var h struct {
		Name json.RawMessage `json:"file_name"`
	}
	if json.Unmarshal(text, &h) != nil || len(h.Name) == 0 || h.Name[0] != '"' {
		return errors.New("no file_name")
	}
	_, err := strconv.Unquote(string(h.Name))
	return err
}

// refusesWide compares what has 32 digits of any kind.
func refusesWide(text []byte) error {
	h, err := parse(text)
	if err != nil {
		return err
	}
	for _, r := range h.MD5 {
		if !unicode.Is(unicode.Hex_Digit, r) {
			return nil
		}
	}
	if _, err := hex.DecodeString(h.MD5); err != nil && utf8.RuneCountInString(h.MD5) == 32 {
		return errors.New("the md5 is wrong")
	}
	return nil
}

// receiveSearched finds the number behind the first total_size, wherever that is.
func receiveSearched(r io.Reader, dir string) (string, bool, error) {
	text, err := readText(r)
	if err != nil {
		return "", false, err
	}
	h, err := parse(text)
	if err != nil {
		return "", false, err
	}
	if found := regexp.MustCompile(`"total_size"\s*:\s*([0-9]+)`).FindSubmatch(text); found != nil {
		h.TotalSize, _ = strconv.ParseInt(string(found[1]), 10, 64)
	}
	return again(h, r, dir)
}

func receiveSameSize(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	info, err := os.Stat(filepath.Join(dir, h.FileName))
	if err != nil || !info.Mode().IsRegular() || info.Size() != h.TotalSize {
		return again(h, r, dir)
	}
	verified, err := copyTo(io.Discard, r, h)
	return h.FileName, verified, err
}

func receiveCleanOnly(r io.Reader, dir string) (string, bool, error) {
	if filepath.Clean(dir) != dir {
		return "", false, errors.New("this is no path of a folder")
	}
	return transfer.Receive(r, dir)
}

func receiveImpatient(r io.Reader, dir string) (string, bool, error) {
	nothing := 0
	return transfer.Receive(seen{r, func(n int, err error) (int, error) {
		if n > 0 {
			nothing = 0
		} else if nothing++; nothing == 40 && err == nil {
			err = io.ErrNoProgress
		}
		return n, err
	}}, dir)
}

// receiveKeepsFields decodes every header into the same variable.
func receiveKeepsFields() receiveFunc {
	var mu sync.Mutex
	h := header{TotalSize: -1}
	return func(r io.Reader, dir string) (string, bool, error) {
		text, err := readText(r)
		if err != nil {
			return "", false, err
		}
		mu.Lock()
		err = json.Unmarshal(text, &h)
		mine := h
		mu.Unlock()
		if err != nil {
			return "", false, err
		}
		return again(mine, r, dir)
	}
}

func receiveKeepsName() receiveFunc {
	var last atomic.Value
	return func(r io.Reader, dir string) (string, bool, error) {
		text, err := readText(r)
		if err != nil {
			return "", false, err
		}
		h := header{TotalSize: -1}
		h.FileName, _ = last.Load().(string)
		if err := json.Unmarshal(text, &h); err != nil {
			return "", false, err
		}
		last.Store(h.FileName)
		return again(h, r, dir)
	}
}

func receiveUnrenamed(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	if !local(h.FileName) {
		return "", false, errors.New("a bad name")
	}
	file, err := os.CreateTemp(dir, "")
	if err != nil {
		return "", false, err
	}
	name, verified, err := into(file, r, h)
	if err != nil {
		os.Remove(file.Name())
		return name, verified, err
	}
	return name, verified, os.Rename(file.Name(), filepath.Join(dir, name))
}

func receiveLonger(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	if !local(h.FileName) {
		return "", false, errors.New("a bad name")
	}
	file, err := os.CreateTemp(dir, h.FileName+".*")
	if err != nil {
		return "", false, err
	}
	defer os.Remove(file.Name())
	name, verified, err := into(file, r, h)
	if err == nil {
		err = os.Rename(file.Name(), filepath.Join(dir, name))
	}
	return name, verified, err
}

// receiveBelow makes the folders of a name, and, when that fails, removes the file and perhaps the last
// folder.
func receiveBelow(tidies bool) receiveFunc {
	return func(r io.Reader, dir string) (string, bool, error) {
		h, err := readHeader(r)
		if err != nil {
			return "", false, err
		}
		folder, err := os.OpenRoot(dir)
		if err != nil {
			return "", false, err
		}
		defer folder.Close()
		below := filepath.Dir(h.FileName)
		if filepath.IsLocal(h.FileName) && !strings.Contains(below, "..") {
			if err := folder.MkdirAll(below, 0o755); err != nil {
				return "", false, err
			}
		}
		name, verified, err := again(h, r, dir)
		if err != nil && tidies && below != "." {
			_ = folder.Remove(below)
		}
		return name, verified, err
	}
}

// receiveResolved stores the file where a link of its name leads.
func receiveResolved(r io.Reader, dir string) (string, bool, error) {
	h, err := readHeader(r)
	if err != nil {
		return "", false, err
	}
	path := filepath.Join(dir, h.FileName)
	if target, err := filepath.EvalSymlinks(path); err == nil && target != path && local(h.FileName) {
		return receiveNamed(r, h, target)
	}
	return again(h, r, dir)
}

// receiveHastily looks at the error of a Read before it looks whether the header is there.
func receiveHastily(r io.Reader, dir string) (string, bool, error) {
	length := make([]byte, 4)
	if _, err := io.ReadFull(r, length); err != nil {
		return "", false, err
	}
	n := int32(binary.LittleEndian.Uint32(length))
	if n < 0 || n > 65536 {
		return "", false, errors.New("a bad length")
	}
	text := make([]byte, n)
	for got := 0; got < len(text); {
		more, err := r.Read(text[got:])
		if got += more; err != nil {
			return "", false, inside(err)
		}
	}
	return transfer.Receive(io.MultiReader(bytes.NewReader(length), bytes.NewReader(text), r), dir)
}

// hoisted lets the keys of objects inside a header count as its own.
func hoisted(text []byte) []byte {
	var keys map[string]json.RawMessage
	if !utf8.Valid(text) || json.Unmarshal(text, &keys) != nil {
		return text
	}
	all := maps.Clone(keys)
	for _, value := range keys {
		var inside map[string]json.RawMessage
		if json.Unmarshal(value, &inside) == nil && len(inside) > 0 {
			maps.Copy(all, inside)
			text, _ = json.Marshal(all)
		}
	}
	return text
}

// describeKept has one hash, which it resets when a payload has been described.
func describeKept() describeFunc {
	var mu sync.Mutex
	hash := md5.New()
	return func(payload io.ReadSeeker) (int64, string, error) {
		mu.Lock()
		defer mu.Unlock()
		size, err := io.Copy(hash, payload)
		if err != nil {
			return 0, "", err
		}
		sum := hex.EncodeToString(hash.Sum(nil))
		hash.Reset()
		_, err = payload.Seek(0, io.SeekStart)
		return size, sum, err
	}
}

func copyBuffered(file *os.File, r io.Reader, h header) (bool, error) {
	buffered := bufio.NewWriterSize(file, 2<<20)
	verified, err := copyTo(buffered, r, h)
	if err == nil {
		err = buffered.Flush()
	}
	return verified, err
}
