package progress

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUpdate(t *testing.T) {
	root := t.TempDir()
	var said []string
	s := Open(root, func(sentence string) { said = append(said, sentence) })
	require.Empty(t, s.Load().Lab)
	require.NoDirExists(t, filepath.Join(root, ".socketbook"), "looking makes no folder")
	var all sync.WaitGroup
	for _, scene := range strings.Split("abcdefghij", "") {
		all.Go(func() {
			require.NoError(t, s.Update(func(st *State) { st.Played["04/"+scene] = true }))
		})
	}
	all.Wait()
	require.NoError(t, s.Update(func(st *State) { st.Lab, st.Labs["05"] = "05", Lab{7, 10} }))
	other := Open(root, func(string) {}).Load()
	require.Equal(t, "05", other.Lab)
	require.Equal(t, Lab{7, 10}, other.Labs["05"])
	require.False(t, other.Labs["05"].Perfect())
	require.False(t, other.Labs["06"].Perfect())
	require.Len(t, other.Played, 10)
	left, err := filepath.Glob(filepath.Join(root, ".socketbook", ".new-*"))
	require.NoError(t, err)
	require.Empty(t, left)
	require.Empty(t, said)
}

func TestUnreadable(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "is broken",
		"{":                                 "is broken",
		"[]":                                "is broken",
		"\x00\xff":                          "is broken",
		`{"labs":{"05":{"points":7}}}`:      "is of version 0",
		`{"version":2,"labs":{"05":"new"}}`: "is broken",
		`{"version":99}`:                    "is of version 99, and this is version 1",
		strings.Repeat(" ", largest+1):      "is too large",
	} {
		root := t.TempDir()
		var said []string
		s := Open(root, func(sentence string) { said = append(said, sentence) })
		name := filepath.Join(root, ".socketbook", "state.json")
		require.NoError(t, os.Mkdir(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
		require.NoError(t, s.Update(func(st *State) { st.Labs["01"] = Lab{10, 10} }))
		require.Len(t, said, 1)
		require.Contains(t, said[0], want)
		require.NotContains(t, said[0], "\n")
		kept, err := os.ReadFile(name + ".unreadable")
		require.NoError(t, err)
		require.Equal(t, text, string(kept))
		require.True(t, s.Load().Labs["01"].Perfect())
		require.Len(t, said, 1)
	}
}
