// Package intake finds out who has handed in what. Nothing of a submission is ever unpacked or
// copied by the names in it: a few named files are read, and everything else is counted.
package intake

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/unicode/norm"

	"socketbook/tools/grade/internal/score"
)

const (
	longestFile    = 256 << 10 // bytes of an answer; the references have about 5,000
	longestArchive = 32 << 20  // bytes of one student's archive: a clone with its history has fewer
	mostUnpacked   = 256 << 20 // bytes that a student's archive is unpacked to in the search for answers
	mostEntries    = 20_000    // of a submission that are looked at
	mostStudents   = 100_000   // entries of the folder of a class
)

// Submission is what one student has handed in. It is read when it is needed, with Load.
type Submission struct {
	ID      string
	Name    string // of the roster; "" if it is not there
	Email   string
	Hold    bool
	Unknown bool   // there is a roster, and it does not have this student
	Path    string // where it is, for messages; "" if nothing was handed in
	Trouble string // why nothing of it can be graded
	sources []source
}

// source is one of the files or folders that make up a submission.
type source struct {
	path string
	as   string            // the name under which a single file counts; "" for a folder or an archive
	odd  map[string]string // what the archive of the class had in place of files: "a symbolic link"
}

// File is an answer to a lab.
type File struct {
	Text    []byte // nil if there is none
	Path    string // inside the submission
	Trouble string // why it is refused
}

// Answers are what a submission holds.
type Answers struct {
	Files map[string]File // by number of the lab; a lab that is not here is missing
	Notes []string        // sentences about the rest
}

// Lab is what the intake has to know of a lab.
type Lab struct {
	Number string
	File   string // "labs/05/framing.go"
}

// Class is everybody, sorted by id.
type Class struct {
	Students []Submission
	Notices  []string // what was passed over, a line each
}

const mostClassNotices = 1000

// Collect finds the submissions below the paths, and matches them with the roster, which may be nil.
// Archives of a whole class are unpacked into the folder scratch, which the caller removes.
func Collect(paths []string, labs []Lab, roster *Roster, scratch string) (Class, error) {
	c := collector{labs: labs, roster: roster, scratch: scratch, byID: map[string]int{}}
	if roster != nil {
		c.class.Notices = append(c.class.Notices, roster.Notices...)
	}
	for _, p := range paths {
		if err := c.argument(p); err != nil {
			return Class{}, err
		}
	}
	if roster != nil {
		for _, p := range roster.People {
			if _, here := c.byID[fold(p.ID)]; !here {
				c.class.Students = append(c.class.Students, Submission{
					ID: p.ID, Name: p.Name, Email: p.Email, Hold: p.Hold,
				})
			}
		}
	}
	slices.SortFunc(c.class.Students, func(a, b Submission) int { return strings.Compare(a.ID, b.ID) })
	if more := len(c.class.Notices) - mostClassNotices; more > 0 {
		c.class.Notices = append(c.class.Notices[:mostClassNotices], fmt.Sprintf(
			"%d more such lines are left out", more))
	}
	return c.class, nil
}

type collector struct {
	labs     []Lab
	roster   *Roster
	scratch  string
	unpacked int
	class    Class
	byID     map[string]int // folded ids
}

func (c *collector) notice(format string, args ...any) {
	c.class.Notices = append(c.class.Notices, score.Plain(fmt.Sprintf(format, args...)))
}

// argument takes one path of the command line: a submission, or a folder or an archive with one entry
// for each student.
func (c *collector) argument(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return fmt.Errorf("reading the submissions: %w", err)
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	base := filepath.Base(abs)
	switch {
	case info.IsDir():
		if c.isSubmission(abs) {
			if n := c.others(abs); n > 0 {
				c.notice("%s is taken for one submission, because a lab's file is in it; %d folders and archives in "+
					"it look like submissions, too: if it is a class, move that file away", base, n)
			}
			c.add(base, name, source{path: abs})
			return nil
		}
		return c.folder(abs, nil)
	case archiveName(base) == "":
		return fmt.Errorf("%s is neither a folder nor a .zip, .tar or .tar.gz file", score.Plain(name))
	}
	index, err := readArchive(abs, nil, 0)
	if err != nil {
		c.add(strings.TrimSuffix(base, archiveName(base)), name, source{path: abs})
		return nil
	}
	if c.holdsAnswers(index.paths()) {
		c.add(strings.TrimSuffix(base, archiveName(base)), name, source{path: abs})
		return nil
	}
	c.unpacked++
	into := filepath.Join(c.scratch, fmt.Sprintf("class-%d", c.unpacked))
	odd, notices, err := unpackClass(abs, into)
	for _, n := range notices {
		c.notice("%s: %s", base, n)
	}
	if err != nil {
		return fmt.Errorf("unpacking %s: %w", score.Plain(name), err)
	}
	return c.folder(into, odd)
}

// isSubmission reports whether a folder is one submission rather than the folder of a class.
func (c *collector) isSubmission(dir string) bool {
	at := func(name string) (fs.FileInfo, error) {
		return os.Lstat(filepath.Join(dir, filepath.FromSlash(name)))
	}
	for _, lab := range c.labs {
		if _, err := at(path.Base(lab.File)); err == nil {
			return true
		} else if errors.Is(err, fs.ErrPermission) {
			return false // it is dir that cannot be read
		}
		if _, err := at(lab.File); err == nil || errors.Is(err, fs.ErrPermission) {
			return true
		}
		for name := path.Dir(lab.File); name != "."; name = path.Dir(name) {
			if info, err := at(name); err == nil && info.Mode()&fs.ModeSymlink != 0 {
				return true
			}
		}
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// others counts what could be submissions of their own in a folder that is one.
func (c *collector) others(dir string) (n int) {
	entries, _ := readDir(dir, mostStudents)
	for _, e := range entries {
		if archiveName(e.Name()) != "" || e.IsDir() && c.isSubmission(filepath.Join(dir, e.Name())) {
			n++
		}
	}
	return n
}

// holdsAnswers is isSubmission for the content of an archive, where a folder may be around it all.
func (c *collector) holdsAnswers(paths []string) bool {
	top := wrapper(paths)
	if _, known := c.roster.Find(studentOf(strings.TrimSuffix(top, "/"), c.roster, nil)); known {
		top = ""
	}
	for _, lab := range c.labs {
		for _, name := range []string{lab.File, path.Base(lab.File)} {
			if slices.Contains(paths, name) || top != "" && slices.Contains(paths, top+name) {
				return true
			}
		}
	}
	return slices.Contains(paths, "go.mod") || top != "" && slices.Contains(paths, top+"go.mod")
}

// wrapper returns the folder that everything is in, with a slash, or "".
func wrapper(paths []string) string {
	top := ""
	for _, p := range paths {
		first, _, inside := strings.Cut(p, "/")
		if clutter(first) {
			continue
		}
		if !inside || top != "" && first != top {
			return ""
		}
		top = first
	}
	switch top {
	case "", "labs", "lessons", "solutions", "tools":
		return ""
	}
	return top + "/"
}

// clutter is what systems put beside files.
func clutter(name string) bool {
	return name == "__MACOSX" || strings.HasPrefix(name, ".") || name == "Thumbs.db" || name == "desktop.ini"
}

// canvasFile is a name in Canvas's archive of all submissions: who, perhaps LATE, two numbers, the file.
var canvasFile = regexp.MustCompile(`^(.+?)(?:_LATE)?_(\d+)_(\d+)_(.+)$`)

// again is what Canvas and browsers put behind the name of a file that came before: "-1", " (1)".
var again = regexp.MustCompile(`(?:-\d+| \(\d+\))(\.go|\.zip|\.tar|\.tar\.gz|\.tgz)$`)

// moodleFolder is a folder in Moodle's archive: the student's name, a number, and the kind of answer.
var moodleFolder = regexp.MustCompile(`^(.+)_(\d+)_assignsubmission_(\w+)$`)

// beside reports whether a folder holds what a student has typed into Moodle, beside the folder of files.
func beside(name string, entries []fs.DirEntry) bool {
	m := moodleFolder.FindStringSubmatch(name)
	if m == nil || m[3] == "file_" {
		return false
	}
	files := m[1] + "_" + m[2] + "_assignsubmission_file_"
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.IsDir() && e.Name() == files })
}

// folder takes a folder with an entry for each student.
func (c *collector) folder(dir string, odd map[string]string) error {
	entries, err := readDir(dir, mostStudents)
	if err != nil {
		return fmt.Errorf("reading the submissions: %w", err)
	}
	files := map[string][]source{} // single files, by student
	var order []string
	numbers := map[string][]string{} // of the students of Canvas or Moodle with a name
	note := func(name string, form *regexp.Regexp) {
		m := form.FindStringSubmatch(name)
		if m != nil && !slices.Contains(numbers[m[1]], m[2]) {
			numbers[m[1]] = append(numbers[m[1]], m[2])
		}
	}
	for _, e := range entries {
		if e.IsDir() {
			note(e.Name(), moodleFolder)
		} else {
			note(e.Name(), canvasFile)
		}
	}
	for name := range odd {
		if !strings.Contains(name, "/") {
			note(name, canvasFile)
		}
	}
	for _, e := range entries {
		name := e.Name()
		full := filepath.Join(dir, name)
		single := ""
		who := strings.TrimSuffix(name, archiveName(name))
		if m := canvasFile.FindStringSubmatch(name); m != nil && !e.IsDir() {
			single = again.ReplaceAllString(m[4], "$1")
			who = c.canvasStudent(m[1], m[2], numbers[m[1]])
		}
		switch {
		case clutter(name):
		case e.IsDir() && beside(name, entries):
			c.notice("%s is no folder of files, and is passed over", name)
		case e.IsDir():
			c.add(studentOf(name, c.roster, numbers), name, source{path: full, odd: below(odd, name)})
		case single != "" && e.Type().IsRegular() && (c.isAnswer(single) || archiveName(single) != ""):
			if _, known := files[who]; !known {
				order = append(order, who)
			}
			as := single
			if archiveName(single) != "" {
				as = ""
			}
			files[who] = append(files[who], source{path: full, as: as})
		case !e.Type().IsRegular():
			c.refuse(who, name, fmt.Sprintf("%s is %s, not a folder or an archive", name, kind(e.Type())))
		case archiveName(name) != "":
			c.add(who, name, source{path: full})
		case otherArchive.MatchString(name):
			if single == "" {
				who = otherArchive.ReplaceAllString(name, "")
			}
			c.refuse(who, name, name+" cannot be read: hand in a folder, .zip, .tar or .tar.gz")
		default:
			c.notice("%s is not a submission and is passed over: it is neither a folder nor an archive", name)
		}
	}
	for _, who := range order {
		c.add(who, files[who][0].path, files[who]...)
	}
	for _, name := range slices.Sorted(maps.Keys(odd)) { // in the archive of a class, in place of a folder or a file
		if strings.Contains(name, "/") {
			continue
		}
		who := studentOf(strings.TrimSuffix(name, archiveName(name)), c.roster, numbers)
		if m := canvasFile.FindStringSubmatch(name); m != nil {
			who = c.canvasStudent(m[1], m[2], numbers[m[1]])
			_, here := c.byID[fold(c.idOf(who))]
			if here && !c.isAnswer(again.ReplaceAllString(m[4], "$1")) && archiveName(m[4]) == "" {
				c.notice("%s is %s, and is passed over", name, odd[name])
				continue
			}
		}
		c.refuse(who, name, fmt.Sprintf("%s is %s, not a folder or an archive", name, odd[name]))
	}
	if len(entries) == mostStudents {
		c.notice("%s has more than %d entries; the others were not looked at", dir, mostStudents)
	}
	return nil
}

// canvasStudent is the id of a student of Canvas, who has a name and a number there. Others may have the same
// name: numbers are theirs.
func (c *collector) canvasStudent(name, number string, numbers []string) string {
	if p, ok := c.roster.Find(number); ok {
		return p.ID
	}
	_, taken := c.roster.Find(name)
	if len(numbers) > 1 || taken && c.roster.Kind == Canvas { // whose students all have their numbers
		return name + "_" + number
	}
	return name
}

// otherArchive are names of archives that nothing here reads.
var otherArchive = regexp.MustCompile(`(?i)\.(rar|7z|tar\.xz|tar\.bz2|txz|tbz2?|gz)$`)

func (c *collector) isAnswer(name string) bool {
	return slices.ContainsFunc(c.labs, func(l Lab) bool { return path.Base(l.File) == name })
}

// below keeps what is inside a folder.
func below(odd map[string]string, dir string) map[string]string {
	var inside map[string]string
	for name, what := range odd {
		if rest, ok := strings.CutPrefix(name, dir+"/"); ok {
			if inside == nil {
				inside = map[string]string{}
			}
			inside[rest] = what
		}
	}
	return inside
}

// studentOf is the id that the name of a folder or an archive stands for. Students of Moodle may have one name,
// and several numbers.
func studentOf(name string, roster *Roster, numbers map[string][]string) string {
	if m := moodleFolder.FindStringSubmatch(name); m != nil {
		if _, ok := roster.Find("participant " + m[2]); ok {
			return "participant " + m[2]
		}
		if len(numbers[m[1]]) > 1 {
			return m[1] + "_" + m[2]
		}
		return m[1]
	}
	return name
}

func (c *collector) refuse(who, name, trouble string) {
	c.add(who, name, source{})
	if i, ok := c.byID[fold(c.idOf(who))]; ok {
		s := &c.class.Students[i]
		if s.Trouble == "" {
			s.Trouble, s.sources = score.Plain(trouble), nil
		}
	}
}

// idOf is who, as the roster has it, or else as valid text.
func (c *collector) idOf(who string) string { return ID(who, c.roster) }

// ID is the id of the student whose folder or archive has a name, without its ending. The roster may be nil.
func ID(who string, roster *Roster) string {
	if !utf8.ValidString(who) { // a name from a system that does not use UTF-8
		who, _ = simplifiedchinese.GB18030.NewDecoder().String(who)
	}
	if p, ok := roster.Find(who); ok {
		return p.ID
	}
	return norm.NFC.String(strings.TrimSpace(who))
}

// add enters a submission. The same student twice is trouble: which of the two counts is not for a
// program to say.
func (c *collector) add(who, name string, sources ...source) {
	id := c.idOf(who)
	if id == "" || id == "." || id == ".." {
		id = "_" + id
	}
	if i, twice := c.byID[fold(id)]; twice {
		s := &c.class.Students[i]
		s.Trouble = score.Plain(fmt.Sprintf("handed in more than once, as %s and as %s: keep one of them",
			s.Path, name))
		s.sources = nil
		c.notice("%s was %s", s.ID, s.Trouble)
		return
	}
	s := Submission{ID: id, Path: name, sources: sources}
	if p, ok := c.roster.Find(who); ok {
		s.Name, s.Email, s.Hold = p.Name, p.Email, p.Hold
	} else if c.roster != nil {
		s.Unknown = true
		c.notice("%s is not in the roster: graded, and left out of the gradebooks made from it", id)
	}
	c.byID[fold(id)] = len(c.class.Students)
	c.class.Students = append(c.class.Students, s)
}

// readDir lists a folder, sorted, up to a number of entries.
func readDir(dir string, most int) ([]fs.DirEntry, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(most)
	if err != nil && len(entries) == 0 && !isEnd(err) {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// kind says what something is that is not a regular file.
func kind(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	case mode.IsDir():
		return "a folder"
	}
	return "not a regular file"
}

// content is a list of what a submission holds.
type content struct {
	files   map[string]entry // by path, with slashes
	strange []string         // names that lead out of the submission
	more    bool             // not everything was looked at
}

// entry is a file of a submission.
type entry struct {
	size   int64
	odd    string // what it is, if it is not a regular file
	folder bool   // that cannot be read; others are no entries
	twice  bool   // an archive, or Canvas for one student, has it more than once
	text   []byte // of an archive's entry, if it was asked for
	read   func() ([]byte, error)
}

func (c content) paths() []string {
	var all []string
	for p := range c.files {
		all = append(all, p)
	}
	slices.Sort(all)
	return all
}

// Load reads a submission's answers to the labs.
func (s Submission) Load(labs []Lab) Answers {
	a := Answers{Files: map[string]File{}}
	if s.Trouble != "" {
		for _, lab := range labs {
			a.Files[lab.Number] = File{Trouble: s.Trouble}
		}
		return a
	}
	wanted := map[string]bool{}
	for _, lab := range labs {
		wanted[path.Base(lab.File)] = true
	}
	all := content{files: map[string]entry{}}
	for _, src := range s.sources {
		var one content
		var err error
		switch {
		case src.as != "":
			one, err = singleFile(src)
		case archiveName(src.path) != "":
			one, err = readArchive(src.path, wanted, mostUnpacked)
		default:
			one, err = readFolder(src)
		}
		if err != nil {
			for _, lab := range labs {
				a.Files[lab.Number] = File{Trouble: score.Plain(err.Error())}
			}
			return a
		}
		for p, e := range one.files {
			if _, known := all.files[p]; known {
				e.twice = true
			}
			all.files[p] = e
		}
		all.strange = append(all.strange, one.strange...)
		all.more = all.more || one.more
	}
	a.pick(all, labs)
	return a
}

// pick takes the labs' files out of what there is.
func (a *Answers) pick(all content, labs []Lab) {
	paths := all.paths()
	around := slices.Clone(paths)
	for i, p := range around {
		if all.files[p].folder {
			around[i] += "/"
		}
	}
	top := wrapper(around)
	used := map[string]bool{}
	for _, lab := range labs {
		base := path.Base(lab.File)
		var found []string
		for _, p := range []string{lab.File, base, top + lab.File, top + base} {
			if _, ok := all.files[p]; ok && !slices.Contains(found, p) {
				found = append(found, p)
			}
		}
		if len(found) == 0 {
			if p, f := all.inTheWay(lab.File, top+lab.File); f.Trouble != "" {
				a.Files[lab.Number], used[p] = f, true
				continue
			}
			if a.almost(paths, lab); all.more {
				a.Files[lab.Number] = File{Trouble: fmt.Sprintf(
					"it has more than %d entries; this file is not among those that were looked at", mostEntries,
				)}
			}
			continue
		}
		used[found[0]] = true
		if len(found) > 1 {
			a.note("%s counts for lab %s, and %s does not", found[0], lab.Number, found[1])
		}
		a.Files[lab.Number] = take(found[0], all.files[found[0]])
	}
	var rest []string
	for _, p := range paths {
		if !used[p] {
			rest = append(rest, p)
		}
	}
	if n := len(rest); n > 0 {
		more := ""
		if n > 3 || all.more {
			more = ", …"
		}
		files := "files are"
		if n == 1 {
			files = "file is"
		}
		a.note("%d other %s ignored: %s%s", n, files, strings.Join(rest[:min(n, 3)], ", "), more)
	}
	if all.more {
		a.note("it has more than %d entries; the others were not looked at", mostEntries)
	}
	if n := len(all.strange); n > 0 {
		a.note("%d names that lead out of it are ignored: %s", n, all.strange[0])
	}
}

func (a *Answers) note(format string, args ...any) {
	a.Notes = append(a.Notes, score.Plain(score.Cut(fmt.Sprintf(format, args...), 500)))
}

// almost says which file may have been meant.
func (a *Answers) almost(paths []string, lab Lab) {
	base := path.Base(lab.File)
	for _, p := range paths {
		name := again.ReplaceAllString(path.Base(p), "$1")
		if strings.EqualFold(name, base) || strings.EqualFold(name, base+".txt") {
			a.note("%s is not taken for lab %s: the file has to be %s or %s", p, lab.Number, lab.File, base)
			return
		}
	}
}

// inTheWay returns what stands in the place of a folder that would lead to one of the paths: a link, or a
// folder that cannot be read.
func (c content) inTheWay(paths ...string) (p string, f File) {
	for _, p := range paths {
		for p = path.Dir(p); p != "."; p = path.Dir(p) {
			switch e := c.files[p]; {
			case e.odd != "":
				return p, File{Path: p, Trouble: score.Plain(fmt.Sprintf("%s is %s, not a folder; links are not followed",
					p, e.odd))}
			case e.folder:
				return p, take(p, e)
			}
		}
	}
	return "", File{}
}

// take reads an answer, if it is one.
func take(p string, e entry) File {
	f := File{Path: p}
	say := func(format string, args ...any) File {
		f.Trouble = score.Plain(fmt.Sprintf("%s %s", p, fmt.Sprintf(format, args...)))
		return f
	}
	switch {
	case e.odd != "":
		return say("is %s; only a regular file is read", e.odd)
	case e.twice:
		return say("was handed in more than once")
	case e.size > longestFile:
		return say("has %d bytes; an answer has at most %d", e.size, longestFile)
	}
	text, err := e.text, error(nil)
	if e.read != nil {
		text, err = e.read()
	}
	if err != nil {
		return say("cannot be read: %v", cause(err))
	}
	if f.Text = text; f.Text == nil {
		f.Text = []byte{}
	}
	return f
}

// cause is the error without the operation and the path.
func cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
