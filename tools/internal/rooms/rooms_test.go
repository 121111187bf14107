package rooms

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A room is a set of packages with one rule.
type room struct {
	name  string
	paths *regexp.Regexp // of its packages, below the module
	ours  *regexp.Regexp // what its code may import from the module
	libs  *regexp.Regexp // what its code may import from elsewhere, and what may be in the program at all
	tests *regexp.Regexp // what its tests may import besides, from the module and from elsewhere
}

func re(s string) *regexp.Regexp { return regexp.MustCompile("^(" + s + ")$") }

const (
	text    = `golang\.org/x/text/.*`
	testify = `github\.com/stretchr/testify/.*`
)

// rooms in the order in which they are tried; the first that matches counts.
var rooms = []room{
	{"the catalogue", re(`lessons`), re(``), re(``), re(testify)},
	{"a lesson", re(`lessons/\d\d`), re(`lessons/internal/.*|tools/timeline|tools/loopback`), re(text), re(testify)},
	{"what lessons share, for their tests", re(`lessons/internal/stage/stagetest`), re(`lessons/internal/.*|tools/timeline|tools/loopback`), re(text + `|` + testify + `|.*`), re(``)},
	{"what lessons share", re(`lessons/internal/.*`), re(`lessons/internal/.*|tools/timeline|tools/loopback`), re(text), re(testify)},
	{"a student's answer", re(`(labs|solutions)/\d\d`), re(``), re(text), re(`labs/\d\d/[a-z]+test|tools/(check|fault|loopback|timeline)|` + testify)},
	{"a suite", re(`labs/\d\d/[a-z]+test`), re(`tools/(check|fault|loopback|timeline)`), re(text + `|` + testify + `|.*`), re(testify)},
	{"the libraries under the lessons", re(`tools/(timeline|loopback)`), re(`tools/(timeline|loopback)`), re(text), re(`tools/(timeline|loopback)|` + testify)},
	{"the libraries under the suites", re(`tools/(check|fault)`), re(`tools/(check|fault|loopback|timeline)`), re(text), re(`lessons|tools/.*|` + testify)},
	{"the tools", re(`tools/.*`), re(`lessons|tools/.*`), re(`.*`), re(`lessons|tools/.*|.*`)},
}

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
	cmd := exec.Command("go", "list", "-deps", "-test", "-json=ImportPath,ForTest,Standard,Imports,Deps", "./...")
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
	var r *room
	for i := range rooms {
		if rooms[i].paths.MatchString(path) {
			r = &rooms[i]
			break
		}
	}
	if r == nil {
		return []string{path + " belongs to no room"}
	}
	say := func(what, arrow string) {
		found = append(found, path+" ("+r.name+") "+what+" "+arrow)
	}
	for _, imported := range p.Imports {
		imported = plain(imported)
		if all[imported].Standard || imported == p.ImportPath || imported == "C" {
			continue
		}
		if inside, ok := strings.CutPrefix(imported, module); ok {
			if inside == path || r.ours.MatchString(inside) || isTest && r.tests.MatchString(inside) {
				continue
			}
			say("may not import", inside)
		} else if !r.libs.MatchString(imported) && !(isTest && r.tests.MatchString(imported)) {
			say("may not import", imported)
		}
	}
	if isTest {
		return found
	}
	for _, dep := range p.Deps { // what comes with the imports counts, too
		dep = plain(dep)
		if !all[dep].Standard && !strings.HasPrefix(dep, module) && !r.libs.MatchString(dep) {
			say("brings along", dep)
		}
	}
	return found
}

// plain takes " [socketbook/x.test]" off an import path, which marks a package as compiled for a test.
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
		{"lessons/04", "net", false, true},
		{"lessons/04", "golang.org/x/text/encoding", false, true},
		{"lessons/04", "socketbook/tools/timeline", false, true},
		{"lessons/04", "socketbook/lessons/05", false, false},
		{"lessons/04", "socketbook/tools/check", false, false},
		{"lessons/04", "github.com/stretchr/testify/require", false, false},
		{"lessons/04", "github.com/stretchr/testify/require", true, true},
		{"lessons/04", "socketbook/lessons", true, false},
		{"labs/05", "socketbook/tools/timeline", false, false},
		{"labs/05", "socketbook/solutions/05", true, false},
		{"labs/05", "socketbook/labs/05/framingtest", true, true},
		{"labs/05/framingtest", "socketbook/labs/05", false, false},
		{"solutions/05", "socketbook/labs/05", true, false},
		{"solutions/05", "golang.org/x/sys/unix", true, false},
		{"tools/timeline", "golang.org/x/term", false, false},
		{"tools/loopback", "socketbook/lessons/internal/stage", false, false},
		{"tools/diff", "golang.org/x/term", false, true},
		{"tools/diff", "socketbook/lessons", false, true},
		{"tools/diff", "socketbook/lessons/04", false, false},
		{"elsewhere", "net", false, false},
	} {
		p := listed{ImportPath: module + test.path, Imports: []string{test.imports}}
		if test.test {
			p.ForTest = p.ImportPath
		}
		require.Equal(t, test.ok, len(breaches(all, p, test.path)) == 0, "%s imports %s", test.path, test.imports)
	}
}
