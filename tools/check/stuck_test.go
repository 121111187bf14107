package check

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// restless is an adversary that is at rest whenever it is asked. If it moves, something happens between two questions.
type restless struct {
	c     *C
	moves bool
}

func (r restless) Quiet() bool {
	if r.moves {
		r.c.poke()
	}
	return true
}
func (r restless) Starved() bool { return false }
func (r restless) Spun() []byte  { return nil }
func (r restless) Stop()         {}

// TestStuckOnlyAtRest: code that waits when its stack is taken is not stuck if something has happened meanwhile, even if all is at
// rest before and after.
func TestStuckOnlyAtRest(t *testing.T) {
	for _, moves := range []bool{true, false} {
		c := &C{wake: make(chan struct{}, 1)}
		c.watch(restless{c, moves})
		cond := sync.NewCond(new(sync.Mutex))
		over := false
		call := c.Start("waits", func() {
			cond.L.Lock()
			defer cond.L.Unlock()
			for !over {
				cond.Wait()
			}
		})
		if moves {
			require.Never(t, func() bool { return c.stuck() != nil }, 50*time.Millisecond, time.Millisecond)
		} else {
			require.Eventually(t, func() bool { return c.stuck() != nil }, 10*time.Second, time.Millisecond)
		}
		cond.L.Lock()
		over = true
		cond.L.Unlock()
		cond.Broadcast()
		require.Eventually(t, call.Ended, 10*time.Second, time.Millisecond)
	}
}
