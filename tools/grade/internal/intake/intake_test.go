package intake

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/simplifiedchinese"
)

var labs = []Lab{{"05", "labs/05/framing.go"}, {"07", "labs/07/datagram.go"}}

const answer = "package framing\n"

// write makes files below a folder.
func write(t testing.TB, dir string, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		full := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		require.NoError(t, os.WriteFile(full, []byte(text), 0o644))
	}
	return dir
}

// item is an entry of an archive.
type item struct {
	name, text string
	mode       os.FileMode
	link       byte // a type of tar's
}

func zipOf(t testing.TB, items ...item) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, it := range items {
		h := &zip.FileHeader{Name: it.name, Method: zip.Deflate}
		h.SetMode(it.mode | 0o644)
		w, err := z.CreateHeader(h)
		require.NoError(t, err)
		_, err = io.WriteString(w, it.text)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.String()
}

func tarOf(t testing.TB, items ...item) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, it := range items {
		h := &tar.Header{Name: it.name, Mode: 0o644, Size: int64(len(it.text)), Typeflag: tar.TypeReg}
		if it.link != 0 {
			h.Typeflag, h.Linkname, h.Size = it.link, "/etc/passwd", 0
		}
		require.NoError(t, w.WriteHeader(h))
		if h.Size > 0 {
			_, err := io.WriteString(w, it.text)
			require.NoError(t, err)
		}
	}
	require.NoError(t, w.Close())
	return b.String()
}

func gz(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

// one is what became of a student's lab 05: the text, or the trouble.
func one(s Submission) string {
	f, ok := s.Load(labs).Files["05"]
	switch {
	case !ok:
		return "missing"
	case f.Trouble != "":
		return f.Trouble
	}
	return string(f.Text)
}

// collected maps ids to what became of lab 05.
func collected(t testing.TB, roster *Roster, paths ...string) (map[string]string, Class) {
	t.Helper()
	class, err := Collect(paths, labs, roster, t.TempDir())
	require.NoError(t, err)
	got := map[string]string{}
	for _, s := range class.Students {
		require.NotContains(t, got, s.ID)
		got[s.ID] = one(s)
	}
	return got, class
}

// Whatever one student hands in, it is a line of its own, and the others are read.
func TestClass(t *testing.T) {
	dir := write(t, t.TempDir(), map[string]string{
		"plain/framing.go":                                answer,
		"nested/labs/05/framing.go":                       answer,
		"nested/labs/05/framing_test.go":                  "package cheat\n",
		"nested/go.mod":                                   "module cheat\n",
		"wrapped/socketbook-main/labs/05/framing.go":      answer,
		"wrapped/socketbook-main/solutions/05/framing.go": "package wrong\n",
		"other/notes.txt":                                 "hello",
		"case/Framing.go":                                 answer,
		"big/framing.go":                                  strings.Repeat("x", longestFile+1),
		"empty/framing.go":                                "",
		"hidden/.git/labs/05/framing.go":                  answer,
		"dir/framing.go/x":                                "",
		"zipped.zip":                                      zipOf(t, item{name: "framing.go", text: answer}),
		"windows.zip":                                     zipOf(t, item{name: `labs\05\framing.go`, text: answer}),
		"slip.zip": zipOf(
			t,
			item{name: "../../framing.go", text: "package slip\n"},
			item{name: "framing.go", text: answer},
		),
		"absolute.zip": zipOf(t, item{name: "/framing.go", text: answer}),
		"link.zip": zipOf(
			t,
			item{name: "framing.go", text: "/etc/passwd", mode: os.ModeSymlink},
		),
		"twice.zip": zipOf(
			t,
			item{name: "framing.go", text: answer},
			item{name: "./framing.go", text: "package b\n"},
		),
		"macos.zip": zipOf(
			t,
			item{name: "hw/framing.go", text: answer},
			item{name: "__MACOSX/hw/._framing.go"},
		),
		"bomb.zip": zipOf(
			t,
			item{name: "framing.go", text: strings.Repeat("\x00", 100<<20)},
		),
		"broken.zip": "PK\x03\x04 nothing",
		"tarred.tar.gz": gz(
			t,
			tarOf(t, item{name: "./framing.go", text: answer}),
		),
		"linked.tar": tarOf(t, item{name: "framing.go", link: tar.TypeLink}),
		"soft.tar": tarOf(
			t,
			item{name: "framing.go", link: tar.TypeSymlink},
		),
		"fifo.tgz": gz(
			t,
			tarOf(t, item{name: "framing.go", link: tar.TypeFifo}),
		),
		"torn.tar.gz":             gz(t, tarOf(t, item{name: "framing.go", text: answer}))[:60],
		"rar.rar":                 "Rar!",
		"readme.txt":              "hello",
		".DS_Store":               "",
		"吴 \x1b[31m/framing.go":   answer,
		"-labs/framing.go":        answer,
		"=cmd|' ' !A0/framing.go": answer,
	})
	got, class := collected(t, nil, dir)
	require.Equal(t, map[string]string{
		"plain": answer, "nested": answer, "wrapped": answer, "other": "missing", "case": "missing",
		"big":   "framing.go has 262145 bytes; an answer has at most 262144",
		"empty": "", "hidden": "missing", "dir": "missing",
		"zipped": answer, "windows": answer, "slip": answer, "absolute": "missing",
		"link":       "framing.go is a symbolic link; only a regular file is read",
		"twice":      "framing.go was handed in more than once",
		"macos":      answer,
		"bomb":       "framing.go has 104857600 bytes; an answer has at most 262144",
		"broken":     "the archive is not a .zip file: zip: not a valid zip file",
		"tarred":     answer,
		"linked":     "framing.go is a symbolic link; only a regular file is read",
		"soft":       "framing.go is a symbolic link; only a regular file is read",
		"fifo":       "framing.go is a named pipe; only a regular file is read",
		"torn":       "the archive is damaged: unexpected EOF",
		"rar":        "rar.rar cannot be read: hand in a folder, .zip, .tar or .tar.gz",
		"吴 \x1b[31m": answer, "-labs": answer, "=cmd|' ' !A0": answer,
	}, got)
	require.Equal(
		t,
		[]string{"readme.txt is not a submission and is passed over: it is neither a folder nor an archive"},
		class.Notices,
	)
	notes := map[string]string{}
	for _, s := range class.Students {
		notes[s.ID] = strings.Join(s.Load(labs).Notes, "; ")
	}
	require.Equal(t, "2 other files are ignored: go.mod, labs/05/framing_test.go", notes["nested"])
	require.Contains(
		t,
		notes["case"],
		"Framing.go is not taken for lab 05: the file has to be labs/05/framing.go or framing.go",
	)
	require.Equal(t, "1 names that lead out of it are ignored: ../../framing.go", notes["slip"])
}

// A header that lies about the size, and an archive that unpacks to more than anybody wants, cost no memory.
func TestBombs(t *testing.T) {
	dir := t.TempDir()
	many := []item{}
	for i := range mostEntries + 10 {
		many = append(many, item{name: fmt.Sprintf("d%d/framing.go", i), text: "x"})
	}
	write(t, dir, map[string]string{"many.zip": zipOf(t, many...)})
	f, err := os.Create(filepath.Join(dir, "bomb.tar.gz"))
	require.NoError(t, err)
	w, _ := gzip.NewWriterLevel(f, gzip.BestSpeed)
	z := tar.NewWriter(w)
	require.NoError(
		t,
		z.WriteHeader(&tar.Header{Name: "a", Size: mostUnpacked + 1<<20, Mode: 0o644, Typeflag: tar.TypeReg}),
	)
	_, err = io.CopyN(z, zeros{}, mostUnpacked+1<<20)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, f.Close())
	got, _ := collected(t, nil, dir)
	require.Equal(t, map[string]string{"many": "it has more than 20000 entries; this file is not among those that were looked at", "bomb": errBomb.Error()}, got)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// The archive of a whole class, as Canvas and Moodle make them.
func TestArchiveOfAClass(t *testing.T) {
	roster, err := ParseRoster([]byte("Student,ID,SIS User ID,SIS Login ID,Section,Lab 05 (77)\n" +
		"Points Possible,,,,,10\n\"Lovelace, Ada\",101,u1,ada,S1,\n\"Kernighan, Brian\",102,u2,bwk,S1,\n" +
		"\"Hopper, Grace\",106,u6,grace,S1,\n"))
	require.NoError(t, err)
	dir := write(t, t.TempDir(), map[string]string{
		"canvas.zip": zipOf(t, item{name: "lovelaceada_101_9001_framing-1.go", text: answer},
			item{name: "lovelaceada_101_9002_datagram.go", text: "package datagram\n"},
			item{name: "turingalan_105_9006_framing.go", text: answer},
			item{name: "turingalan_105_10007_framing-2.go", text: "package framing\n"},
			item{name: "turingalan_105_10008_notes-1.zip", text: zipOf(t, item{name: "a.txt"})},
			item{name: "turingalan_105_10009_notes-2.zip", text: zipOf(t, item{name: "a.txt"})},
			item{name: "kernighanbrian_LATE_102_9003_lab.zip", text: zipOf(t, item{name: "framing.go", text: answer})},
			item{name: "hoppergrace_106_9007_lab.rar", text: "Rar!"},
			item{name: "mallory_103_9004_framing.go", text: "/etc/passwd", mode: os.ModeSymlink},
			item{name: "../evil_104_9005_framing.go", text: answer}),
		"moodle.zip": zipOf(t, item{name: "Ada Lovelace_55_assignsubmission_file_/framing.go", text: answer},
			item{name: "Ada Lovelace_55_assignsubmission_file_/framing.go", text: answer},
			item{name: "李 雷_56_assignsubmission_file_/framing.go", text: answer},
			item{name: "李 雷_56_assignsubmission_onlinetext_/onlinetext.html", text: "<p>done"},
			item{name: "Grace Hopper_57_assignsubmission_onlinetext_/onlinetext.html", text: "<p>done"}),
	})
	got, class := collected(t, roster, filepath.Join(dir, "canvas.zip"))
	require.Equal(t, answer, got["ada"])
	require.Equal(t, answer, got["bwk"])
	require.Equal(t, map[string]string{
		"ada": answer, "bwk": answer, "turingalan": "framing.go was handed in more than once",
		"grace":   "hoppergrace_106_9007_lab.rar cannot be read: hand in a folder, .zip, .tar or .tar.gz",
		"mallory": "mallory_103_9004_framing.go is a symbolic link, not a folder or an archive",
	}, got)
	require.Equal(t, "Lovelace, Ada", class.Students[0].Name)
	require.Equal(t, "package datagram\n", string(class.Students[0].Load(labs).Files["07"].Text))

	got, class = collected(t, nil, filepath.Join(dir, "moodle.zip"))
	require.Equal(t, map[string]string{
		"Ada Lovelace": "framing.go is in the archive more than once; only a regular file is read", "李 雷": answer,
		"Grace Hopper": "missing",
	}, got)
	require.Equal(t,
		[]string{"李 雷_56_assignsubmission_onlinetext_ is no folder of files, and is passed over"}, class.Notices)
}

// TestLinksForStudents: what is said of the links in an archive does not change its order.
func TestLinksForStudents(t *testing.T) {
	roster, err := ParseRoster([]byte("id,name\nada,A\n"))
	require.NoError(t, err)
	items := []item{{name: "ada/framing.go", text: answer}}
	for _, id := range strings.Split("qwertyuiop", "") {
		items = append(items, item{name: id, text: "/etc", mode: os.ModeSymlink})
	}
	dir := write(t, t.TempDir(), map[string]string{"class.zip": zipOf(t, items...)})
	_, class := collected(t, roster, filepath.Join(dir, "class.zip"))
	require.Len(t, class.Notices, 10)
	require.True(t, slices.IsSorted(class.Notices), "%q", class.Notices)
}

// TestManyStrayFiles: what is said of a class has an end.
func TestManyStrayFiles(t *testing.T) {
	files := map[string]string{"ada/framing.go": answer}
	for i := range mostClassNotices + 5 {
		files[fmt.Sprintf("stray-%d.txt", i)] = ""
	}
	got, class := collected(t, nil, write(t, t.TempDir(), files))
	require.Equal(t, map[string]string{"ada": answer}, got)
	require.Len(t, class.Notices, mostClassNotices+1)
	require.Equal(t, "5 more such lines are left out", class.Notices[mostClassNotices])
}

// TestNamesThatCannotBeUnpacked: what cannot have its name on the disk is its student's affair.
func TestNamesThatCannotBeUnpacked(t *testing.T) {
	long := strings.Repeat("x", 250)
	dir := write(t, t.TempDir(), map[string]string{
		"canvas.zip": zipOf(t, item{name: "ada_101_9001_framing.go", text: answer},
			item{name: "ada_101_9002_" + long + ".go", text: answer},
			item{name: "bob_102_9003_" + long + ".zip", text: "x"},
			item{name: "eve_103_9004_framing.go", text: answer}, item{name: "eve_103_9004_framing.go", text: "x"}),
		"class.zip": zipOf(t, item{name: "ada/framing.go", text: answer}, item{name: "ada/" + long + long, text: "x"},
			item{name: "ada/" + long + long + "/", mode: os.ModeDir}, item{name: "ada/" + long + long + "/x", text: "x"},
			item{name: "bob", text: "x"}, item{name: "bob/", mode: os.ModeDir}),
	})
	got, class := collected(t, nil, filepath.Join(dir, "canvas.zip"))
	require.Equal(t, answer, got["ada"])
	require.Contains(t, got["bob"], "under a name that cannot be used here")
	require.Contains(t, got["eve"], "handed in more than once")
	require.Len(t, got, 3)
	require.Contains(t, class.Notices[0], "under a name that cannot be used here, and is passed over")
	got, _ = collected(t, nil, filepath.Join(dir, "class.zip"))
	require.Equal(t, answer, got["ada"])
	require.Contains(t, got["bob"], "under a name that cannot be used here")
	require.Len(t, got, 2)
}

// TestCanvasNames: who has somebody else's name in Canvas, or a login for a name, hands in nothing for them.
func TestCanvasNames(t *testing.T) {
	dir := write(t, t.TempDir(), map[string]string{
		"liwei_101_9001_framing.go": answer, "liwei_102_9002_datagram.go": "package datagram\n",
		"ada_103_9003_framing.go": answer, "eve_104_9004_framing.go": answer, "eve_104_9005_datagram.go": answer,
	})
	got, class := collected(t, nil, dir)
	require.Equal(t, map[string]string{"ada": answer, "eve": answer, "liwei_101": answer, "liwei_102": "missing"}, got)
	require.Empty(t, class.Notices)
	roster, err := ParseRoster([]byte("Student,ID,SIS User ID,SIS Login ID,Section\n" +
		"\"Lovelace, Ada\",201,u1,ada,S1,\n\"Wei, Li\",101,u2,liwei,S1,\n"))
	require.NoError(t, err)
	got, class = collected(t, roster, dir)
	require.Equal(t, map[string]string{
		"ada": "missing", "ada_103": answer, "eve": answer, "liwei": answer, "liwei_102": "missing",
	}, got)
	require.Len(t, class.Notices, 3, "those who are not in the roster")

	got, class = collected(t, nil, write(t, t.TempDir(), map[string]string{
		"李 雷_56_assignsubmission_file_/framing.go": answer, "李 雷_57_assignsubmission_file_/datagram.go": "x",
		"李 雷_57_assignsubmission_onlinetext_/onlinetext.html": "x", "Ada_58_assignsubmission_file_/framing.go": answer,
	}))
	require.Equal(t, map[string]string{"李 雷_56": answer, "李 雷_57": "missing", "Ada": answer}, got)
	require.Len(t, class.Notices, 1, "what was typed into Moodle")
}

// Names in GBK, as archives from Windows in China and old disks have them.
func TestNamesInGBK(t *testing.T) {
	gbk, err := simplifiedchinese.GBK.NewEncoder().String("李雷/framing.go")
	require.NoError(t, err)
	dir := write(
		t,
		t.TempDir(),
		map[string]string{
			"class.zip": zipOf(t, item{name: gbk, text: answer}, item{name: "a/framing.go", text: answer}),
		},
	)
	got, _ := collected(t, nil, filepath.Join(dir, "class.zip"))
	require.Equal(t, map[string]string{"李雷": answer, "a": answer}, got)
	if runtime.GOOS != "linux" {
		return // no such names on the disk
	}
	dir = write(t, t.TempDir(), map[string]string{
		"b/" + gbk: answer, "c/framing.go": answer, "c/\xff/a.txt": "a",
	})
	got, _ = collected(t, nil, dir)
	require.Equal(t, map[string]string{"b": answer, "c": answer}, got)
}

// A student of whom the archive of a class has nothing but a link is there.
func TestArchiveWithLinks(t *testing.T) {
	dir := write(t, t.TempDir(), map[string]string{"class.zip": zipOf(
		t,
		item{name: "a/framing.go", text: answer},
		item{name: "b/framing.go", text: "/etc/passwd", mode: os.ModeSymlink},
		item{name: "c/labs", text: "/", mode: os.ModeSymlink},
	)})
	got, _ := collected(t, nil, filepath.Join(dir, "class.zip"))
	require.Equal(t, map[string]string{
		"a": answer,
		"b": "framing.go is a symbolic link; only a regular file is read",
		"c": "labs is a symbolic link, not a folder; links are not followed",
	}, got)
}

// Which of two counts is not for a program to say.
func TestTheSameStudentTwice(t *testing.T) {
	dir := write(t, t.TempDir(), map[string]string{
		"ada/framing.go": answer, "Ada.zip": zipOf(t, item{name: "framing.go", text: answer}),
		"bob/framing.go": answer,
	})
	got, class := collected(t, nil, dir)
	require.Equal(t, map[string]string{
		"Ada": "handed in more than once, as Ada.zip and as ada: keep one of them", "bob": answer,
	}, got)
	require.Equal(
		t,
		[]string{"Ada was handed in more than once, as Ada.zip and as ada: keep one of them"},
		class.Notices,
	)
	roster, err := ParseRoster([]byte("id,name,email\nada,Ada,ada@x.org\n"))
	require.NoError(t, err)
	dir = write(t, t.TempDir(), map[string]string{"ada/framing.go": answer, "ada@x.org/framing.go": answer})
	got, _ = collected(t, roster, dir)
	require.Equal(
		t,
		map[string]string{"ada": "handed in more than once, as ada and as ada@x.org: keep one of them"},
		got,
	)
}

func TestArguments(t *testing.T) {
	dir := write(t, t.TempDir(), map[string]string{
		"ada/framing.go": answer, "bob.zip": zipOf(t, item{
			name: "bob-main/labs/05/framing.go",
			text: answer,
		}), "x.go": "",
	})
	got, _ := collected(t, nil, filepath.Join(dir, "ada"), filepath.Join(dir, "bob.zip"))
	require.Equal(t, map[string]string{"ada": answer, "bob": answer}, got)
	loose := write(t, t.TempDir(), map[string]string{"framing.go": answer, "ada/framing.go": "", "old/x.go": ""})
	got, class := collected(t, nil, loose)
	require.Equal(t, map[string]string{filepath.Base(loose): answer}, got)
	require.Len(t, class.Notices, 1)
	require.Contains(t, class.Notices[0], "1 folders and archives in it look like submissions, too")
	_, err := Collect([]string{filepath.Join(dir, "x.go")}, labs, nil, t.TempDir())
	require.ErrorContains(t, err, "x.go is neither a folder nor a .zip, .tar or .tar.gz file")
	_, err = Collect([]string{filepath.Join(dir, "nobody")}, labs, nil, t.TempDir())
	require.ErrorContains(t, err, "no such file")
}
