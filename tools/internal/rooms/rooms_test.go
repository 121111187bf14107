package rooms

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A room is a set of packages with one rule. In its patterns NN stands for the number in the path of
// the package that is looked at.
type room struct {
	name   string
	paths  string // of its packages, below the module
	ours   string // what its code may import from the module
	libs   string // what its code may import from elsewhere, besides the standard library
	brings string // what its imports may bring into the program besides
	tests  string // what its tests may import besides, from the module and from elsewhere
}

const (
	text     = `golang\.org/x/text/.*`
	sys      = `golang\.org/x/sys/.*`
	testify  = `github\.com/stretchr/testify/.*`
	script   = `github\.com/rogpeppe/go-internal/(testscript|txtar)`
	gopacket = `github\.com/gopacket/gopacket(/.*)?`
	under    = `tools/(timeline|loopback)`
	suite    = `labs/NN/[a-z]+test`

	// what the tools may use besides
	libraries = text + `|` + sys + `|` + script + `|` + gopacket + `|golang\.org/x/term` +
		`|github\.com/aymanbagabas/go-udiff(/.*)?|github\.com/charmbracelet/x/ansi` +
		`|github\.com/clipperhouse/displaywidth|github\.com/mattn/go-runewidth` +
		`|github\.com/yuin/goldmark(/.*)?|github\.com/chromedp/.*` +
		`|github\.com/landlock-lsm/go-landlock(/.*)?|github\.com/vbauerster/mpb/v8(/.*)?`
)

// rooms in the order in which they are tried; the first that matches counts.
var rooms = []room{
	{name: "the catalogue", paths: `lessons`, ours: `lessons/internal/course`},
	{
		name: "a lesson", paths: `lessons/\d\d`,
		// which gopacket needs
		ours: `lessons/internal/.*|` + under, libs: text, brings: sys + `|` + gopacket + `|golang\.org/x/net/bpf`,
	},
	{name: "the course", paths: `lessons/internal/course`},
	{
		name: "scenes about segments", paths: `lessons/internal/segments`,
		ours: `lessons/internal/(course|stage|scenario)|tools/(timeline|loopback|netns|fault|wire)`,
		libs: text, brings: sys + `|` + gopacket + `|golang\.org/x/net/bpf`, // which gopacket needs
	},
	{
		name: "what lessons share, for their tests", paths: `lessons/internal/stage/stagetest`,
		ours: `lessons/internal/(course|stage|scenario)|tools/(timeline|loopback|netns|fault)`,
		libs: text + `|` + testify + `|` + script, brings: `.*`,
	},
	{
		name: "what lessons share", paths: `lessons/internal/.*`,
		ours:  `lessons/internal/(course|stage|scenario)|tools/(timeline|loopback|netns|fault)`,
		tests: `lessons/internal/stage/stagetest`, libs: text, brings: sys,
	},
	{name: "a lab", paths: `labs/\d\d`, libs: text, tests: suite},
	{
		name: "a solution", paths: `solutions/\d\d`,
		libs: text, tests: suite + `|tools/(check|fault|loopback|timeline)`,
	},
	{
		name: "a suite", paths: `labs/\d\d/[a-z]+test`,
		ours: `tools/(check|fault|loopback|timeline)`, libs: text + `|` + testify, brings: `.*`,
	},
	{name: "the libraries under the lessons", paths: under, ours: under, libs: text},
	{name: "private networks", paths: `tools/netns`, libs: sys},
	{name: "segments", paths: `tools/wire`, ours: `tools/netns`, libs: gopacket + `|` + sys, brings: `.*`},
	{
		name: "the libraries under the suites", paths: `tools/(check|fault)`,
		ours: `tools/(check|fault|loopback|timeline)`, libs: text,
	},
	{
		name: "the tools that know the suites", paths: `tools/(grade(/.*)?|watch)`,
		ours: `lessons|tools/.*|labs/\d\d/[a-z]+test`, libs: libraries, brings: `.*`,
	},
	{
		name: "what the tools' tests share", paths: `tools/internal/[a-z]+test`,
		ours: `tools/.*`, libs: libraries + `|` + testify, brings: `.*`,
	},
	{name: "the tools", paths: `tools/.*`, ours: `lessons|tools/.*`, libs: libraries, brings: `.*`},
}

// matches reports whether a path is one of a pattern's, for a package with the given number.
func matches(pattern, path, number string) bool {
	pattern = strings.ReplaceAll(pattern, "NN", number)
	return pattern != "" && regexp.MustCompile("^("+pattern+")$").MatchString(path)
}

var numbered = regexp.MustCompile(`^(?:labs|solutions)/(\d\d)`)

// listed is what `go list -test -json` says of a package, as far as it matters here.
type listed struct {
	ImportPath string
	ForTest    string
	Standard   bool
	Imports    []string
	Deps       []string
}

const module = "socketbook/"

func TestRooms(t *testing.T) {
	fields := "-json=ImportPath,ForTest,Standard,Imports,Deps"
	cmd := exec.Command("go", "list", "-deps", "-test", fields, "./...")
	cmd.Dir = "../../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	dec := json.NewDecoder(strings.NewReader(string(out)))
	all := map[string]listed{}
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
		all[p.ImportPath] = p
	}
	checked := 0
	for _, p := range all {
		path, ours := strings.CutPrefix(plain(p.ImportPath), module)
		if !ours || strings.HasSuffix(path, ".test") {
			continue
		}
		checked++
		for _, complaint := range breaches(all, p, path) {
			t.Error(complaint)
		}
	}
	require.Greater(t, checked, 20, "packages looked at")
}

// breaches lists the arrows of a package that its room does not allow.
func breaches(all map[string]listed, p listed, path string) []string {
	var found []string
	isTest := p.ForTest != ""
	path = strings.TrimSuffix(path, "_test")
	i := slices.IndexFunc(rooms, func(r room) bool { return matches(r.paths, path, "") })
	if i < 0 {
		return []string{path + " belongs to no room"}
	}
	r, number := rooms[i], ""
	if m := numbered.FindStringSubmatch(path); m != nil {
		number = m[1]
	}
	say := func(what, arrow string) {
		found = append(found, path+" ("+r.name+") "+what+" "+arrow)
	}
	for _, imported := range p.Imports {
		imported = plain(imported)
		inside, ours := strings.CutPrefix(imported, module)
		switch {
		case all[imported].Standard, imported == p.ImportPath, imported == "C", ours && inside == path:
		case ours && matches(r.ours, inside, number), !ours && matches(r.libs, imported, number):
		case isTest && (matches(r.tests, inside, number) || matches(testify, imported, number)):
		default:
			say("may not import", inside)
		}
	}
	if isTest {
		return found
	}
	for _, dep := range p.Deps { // what comes with the imports counts, too
		dep = plain(dep)
		allowed := r.libs + "|" + r.brings
		if !all[dep].Standard && !strings.HasPrefix(dep, module) && !matches(allowed, dep, number) {
			say("brings along", dep)
		}
	}
	return found
}

// plain takes " [socketbook/x.test]" off an import path, which marks a package as compiled for a
// test.
func plain(path string) string {
	path, _, _ = strings.Cut(path, " ")
	return path
}

// The rule itself: arrows that it must refuse, and some that it must allow.
func TestBreaches(t *testing.T) {
	all := map[string]listed{"net": {Standard: true}}
	for _, test := range []struct {
		path, imports string
		test, ok      bool
	}{
		{"lessons", "socketbook/lessons/internal/course", false, true},
		{"lessons", "socketbook/tools/timeline", true, false},
		{"lessons/04", "net", false, true},
		{"lessons/04", "golang.org/x/text/encoding", false, true},
		{"lessons/04", "golang.org/x/sys/unix", false, false},
		{"lessons/04", "socketbook/tools/timeline", false, true},
		{"lessons/04", "socketbook/lessons/internal/segments", false, true},
		{"lessons/04", "socketbook/lessons/05", false, false},
		{"lessons/04", "socketbook/tools/fault", false, false},
		{"lessons/04", "socketbook/tools/check", false, false},
		{"lessons/04", "github.com/stretchr/testify/require", false, false},
		{"lessons/04", "github.com/stretchr/testify/require", true, true},
		{"lessons/04", "socketbook/lessons", true, false},
		{"lessons/internal/course", "socketbook/tools/timeline", false, false},
		{"lessons/internal/scenario", "socketbook/tools/netns", false, true},
		{"lessons/internal/scenario", "socketbook/tools/wire", false, false},
		{"lessons/internal/scenario", "socketbook/lessons/internal/segments", false, false},
		{"lessons/internal/segments", "socketbook/tools/wire", false, true},
		{"lessons/internal/stage", "github.com/stretchr/testify/require", false, false},
		{"lessons/internal/stage/stagetest", "github.com/rogpeppe/go-internal/testscript", false, true},
		{"lessons/internal/stage/stagetest", "golang.org/x/term", false, false},
		{"labs/05", "socketbook/tools/timeline", false, false},
		{"labs/05", "socketbook/tools/timeline", true, false},
		{"labs/05", "socketbook/solutions/05", true, false},
		{"labs/05", "socketbook/labs/05/framingtest", true, true},
		{"labs/05", "socketbook/labs/06/transfertest", true, false},
		{"labs/05/framingtest", "socketbook/labs/05", false, false},
		{"labs/05/framingtest", "socketbook/tools/fault", false, true},
		{"labs/05/framingtest", "golang.org/x/term", false, false},
		{"solutions/05", "socketbook/labs/05", true, false},
		{"solutions/05", "socketbook/labs/05/framingtest", true, true},
		{"solutions/05", "socketbook/labs/05/framingtest", false, false},
		{"solutions/05", "socketbook/tools/check", true, true},
		{"solutions/05", "golang.org/x/sys/unix", true, false},
		{"tools/timeline", "golang.org/x/term", false, false},
		{"tools/timeline", "socketbook/tools/wire", false, false},
		{"tools/timeline", "socketbook/tools/loopback", false, true},
		{"tools/loopback", "socketbook/lessons/internal/stage", false, false},
		{"tools/check", "socketbook/lessons", true, false},
		{"tools/check", "socketbook/tools/fault", false, true},
		{"tools/netns", "golang.org/x/sys/unix", false, true},
		{"tools/netns", "socketbook/tools/loopback", false, false},
		{"tools/wire", "github.com/gopacket/gopacket/layers", false, true},
		{"tools/wire", "socketbook/tools/timeline", false, false},
		{"tools/diff", "golang.org/x/term", false, true},
		{"tools/diff", "github.com/spf13/cobra", false, false},
		{"tools/diff", "socketbook/lessons", false, true},
		{"tools/diff", "socketbook/lessons/internal/course", false, false},
		{"tools/diff", "socketbook/lessons/04", false, false},
		{"tools/diff", "socketbook/labs/05/framingtest", false, false},
		{"tools/grade", "socketbook/labs/05/framingtest", false, true},
		{"tools/grade", "socketbook/labs/05", false, false},
		{"elsewhere", "net", false, false},
	} {
		p := listed{ImportPath: module + test.path, Imports: []string{test.imports}}
		if test.test {
			p.ForTest = p.ImportPath
		}
		require.Equal(
			t,
			test.ok,
			len(breaches(all, p, test.path)) == 0,
			"%s imports %s",
			test.path,
			test.imports,
		)
	}
}
