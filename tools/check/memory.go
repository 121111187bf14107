package check

import (
	"fmt"
	"runtime"
	"sync"
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

// Largest calls f, which may use Do, and returns how many bytes of memory were allocated at once
// meanwhile. It asks the profile of the heap, in which what is as large as a MiB is all but certain to
// be. The case has to have its Memory field set.
func (c *C) Largest(f func()) (bytes int64) {
	c.measures()
	largest := Largest
	if c.elsewhere != nil {
		largest = c.elsewhere.Largest
	}
	largest()
	f()
	return largest()
}

var profile struct {
	sync.Mutex
	last map[allocation]int64 // how often
}

// allocation is what the runtime counts in one record: objects of a size, from the same lines.
type allocation struct {
	stack [32]uintptr
	size  int64 // bytes
}

// Largest returns how many bytes of memory this process has allocated at once since the last call. It is
// for C.Largest, and for a process that carries out its calls.
func Largest() (bytes int64) {
	profile.Lock()
	defer profile.Unlock()
	runtime.GC()
	runtime.GC() // the profile is one collection late
	records := make([]runtime.MemProfileRecord, 1000)
	n, ok := runtime.MemProfile(records, true)
	for !ok {
		records = make([]runtime.MemProfileRecord, n+n/2)
		n, ok = runtime.MemProfile(records, true)
	}
	all := map[allocation]int64{}
	for _, r := range records[:n] {
		if r.AllocObjects == 0 {
			continue
		}
		a := allocation{r.Stack0, r.AllocBytes / r.AllocObjects}
		if all[a] = r.AllocObjects; all[a] > profile.last[a] {
			bytes = max(bytes, a.size)
		}
	}
	profile.last = all
	return bytes
}

// measures stops a suite that measures memory while other cases may run.
func (c *C) measures() {
	if !c.spec.Memory {
		panic(fmt.Sprintf("case %q measures memory, and its Memory field is not set", c.spec.Name))
	}
}
