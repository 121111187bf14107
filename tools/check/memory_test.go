package check

import (
	"runtime"
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

// TestHeapInUse: both objects and stacks count, whichever a call takes without end.
func TestHeapInUse(t *testing.T) {
	const size = 32 << 20
	runtime.GC()
	before := HeapInUse()
	there, done := make(chan bool), make(chan bool)
	defer close(done)
	go deep(size>>10, there, done)
	<-there
	stacks := HeapInUse()
	require.Greater(t, stacks, before+size/2)
	held = make([]byte, size)
	require.Greater(t, HeapInUse(), stacks+size/2)
	held = nil
}

// deep calls itself n times with 1 KiB of its stack each.
func deep(n int, there, done chan bool) (sum byte) {
	var pad [1 << 10]byte
	if pad[n%len(pad)]++; n == 0 {
		there <- true
		<-done
		return pad[0]
	}
	return deep(n-1, there, done) + pad[n%len(pad)]
}
