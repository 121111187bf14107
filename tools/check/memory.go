package check

import (
	"fmt"
	"runtime"
)

// Allocated is Do for a call that must not allocate much: it returns about how many bytes were
// allocated while it ran. The runtime counts for the whole process, so the case has to have its
// Memory field set.
func (c *C) Allocated(what string, f func()) (bytes uint64) {
	c.measures()
	var after uint64
	before := c.allocated()
	c.Do(what, func() {
		f()
		after = c.allocated()
	})
	return after - before
}

// allocated is how many bytes have been allocated so far.
func (c *C) allocated() uint64 {
	if c.elsewhere != nil {
		return c.elsewhere.Allocated()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// InUse returns how many bytes of the heap something still refers to: call it twice and compare.
// Unlike the other methods it may be called inside Do's function. The case has to have its Memory
// field set.
func (c *C) InUse() int64 {
	c.measures()
	if c.elsewhere != nil {
		return c.elsewhere.InUse()
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// measures stops a suite that measures memory while other cases may run.
func (c *C) measures() {
	if !c.spec.Memory {
		panic(fmt.Sprintf("case %q measures memory, and its Memory field is not set", c.spec.Name))
	}
}
