package stagetest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDiffering(t *testing.T) {
	for _, c := range []struct{ want, got, says string }{
		{"a\nb\nc\n", "a\nb\nc\n", ""},
		{"a\nb\nc\n", "a\nB\nc\n", "\n- b\n+ B"},
		{"a\na\n", "a\n", "\n- a"},
		{"a\n", "a\na", "\n+ a"},
		{"a\nb\n", "b\na\n", "the same lines in another order"},
		{"", strings.Repeat("x\n", 30), strings.Repeat("\n+ x", 20) + "\nand 10 lines more"},
	} {
		require.Equal(t, c.says, differing(c.want, c.got))
	}
}
