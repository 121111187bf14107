package check

import (
	"testing"

	"github.com/stretchr/testify/require"
)

var held []byte

// A line that allocates pieces of several sizes is known by the size of each, and not by all together.
func TestLargest(t *testing.T) {
	for range 2 {
		for _, size := range []int{32 << 20, 8 << 20, 24 << 20, 8 << 20} {
			Largest()
			held = make([]byte, size)
			require.EqualValues(t, size, Largest())
			held = nil
		}
	}
}
