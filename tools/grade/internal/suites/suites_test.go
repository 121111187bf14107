package suites

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write suites.go anew")

// The suites are those on disk.
func TestSuites(t *testing.T) {
	folders, err := filepath.Glob("../../../../labs/[0-9][0-9]/*test")
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	var imports, list strings.Builder
	for _, folder := range folders {
		pkg := filepath.Base(folder)
		fmt.Fprintf(&imports, "\t\"socketbook/labs/%s/%s\"\n", filepath.Base(filepath.Dir(folder)), pkg)
		fmt.Fprintf(&list, "\tremote.Of(%s.Suite),\n", pkg)
	}
	was, err := os.ReadFile("suites.go")
	require.NoError(t, err)
	was = bytes.ReplaceAll(was, []byte("\r\n"), []byte("\n"))
	is := regexp.MustCompile(`(\t"socketbook/labs/.*\n)+`).ReplaceAllLiteral(was, []byte(imports.String()))
	is = regexp.MustCompile(`(\tremote\.Of.*\n)+`).ReplaceAllLiteral(is, []byte(list.String()))
	is, err = format.Source(is)
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile("suites.go", is, 0o644))
		return
	}
	require.Equal(t, string(is), string(was), "go test ./tools/grade/internal/suites -update")
	for i, s := range All {
		table := s.Table()
		require.Equal(t, filepath.Base(filepath.Dir(folders[i])), table.Number)
		require.NotNil(t, table.Answer, "%s: Suite has to set Answer to the struct that it is applied to: "+
			"go doc ./tools/check", folders[i])
	}
}
