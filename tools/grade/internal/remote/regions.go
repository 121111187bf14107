package remote

import (
	"bytes"
	"reflect"
	"slices"
	"unsafe"
)

// region is an array of which both sides have a copy, because a slice of it has crossed. Whoever
// carries out a call tells with the result what has changed in it, and whoever makes one tells with the
// arguments: so a slice that was lent, or kept, reads as if there were one array.
type region struct {
	number uint64
	mem    reflect.Value // a slice of all of it
	last   reflect.Value // a copy, as it was when the other side last heard; invalid if nobody looks
	zeros  bool          // too large to be sent, and never written to
	told   []change      // the last ones that the other side has told of, without what is in them
}

// change is a part of a region that has changed. Those of one side are numbered, because messages of two
// threads may be read in another order than they were written in.
type change struct {
	*region
	number   uint64
	from, to int
	now      reflect.Value // all of the region, at the moment in which this was seen
}

const (
	mostSent     = 16 << 20 // bytes of a region that are sent; more than that is zeros
	mostLooked   = 1 << 20  // bytes of a region in which changes are looked for
	mostRegions  = 256      // in which changes are looked for: the last ones
	mostLookedAt = 4 << 20  // bytes of them together
	mostTheirs   = 256 << 20
	mostBehind   = 4 << 10 // bytes behind the length of a slice of the child's
	mostTold     = 32      // changes of a region that are remembered
)

func start(v reflect.Value) uintptr { return uintptr(v.UnsafePointer()) }

func (r *region) size() uintptr { return uintptr(r.mem.Len()) * r.mem.Type().Elem().Size() }

// offset returns where a slice of n elements lies in the region; -1 if it does not.
func (r *region) offset(v reflect.Value, n int) int {
	elem := v.Type().Elem()
	if r.mem.Type().Elem() != elem || elem.Size() == 0 || start(v) < start(r.mem) {
		return -1
	}
	off := start(v) - start(r.mem)
	if off%elem.Size() != 0 || off+uintptr(n)*elem.Size() > r.size() {
		return -1
	}
	return int(off / elem.Size())
}

// look makes the region one in which changes are looked for.
func (r *region) look() {
	if r.zeros || r.size() > mostLooked {
		return
	}
	r.last = reflect.MakeSlice(r.mem.Type(), r.mem.Len(), r.mem.Len())
	reflect.Copy(r.last, r.mem)
}

// extent is how many elements of a slice cross: what is behind its length too. Of the child's that is so if
// it is not much.
func (s *side) extent(v reflect.Value) int {
	if s.judge || uintptr(v.Cap()-v.Len())*v.Type().Elem().Size() <= mostBehind {
		return v.Cap()
	}
	return v.Len()
}

// nesting is how deep slices lie in each other in a type: 2 for [][]byte.
func nesting(t reflect.Type, seen map[reflect.Type]bool) (depth int) {
	if seen[t] {
		return 0
	}
	seen[t] = true
	defer delete(seen, t)
	switch t.Kind() {
	case reflect.Slice:
		return 1 + nesting(t.Elem(), seen)
	case reflect.Array:
		return nesting(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			depth = max(depth, nesting(t.Field(i).Type, seen))
		}
	}
	return depth
}

// collect finds the slices in a value that lie in no region yet, those inside others first.
func (s *side) collect(v reflect.Value, found *[]reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		n := s.extent(v)
		if n == 0 || v.Type().Elem().Size() == 0 {
			return
		}
		if nesting(v.Type().Elem(), map[reflect.Type]bool{}) > 0 {
			all := v.Slice(0, n)
			for i := range n {
				s.collect(all.Index(i), found)
			}
		}
		*found = append(*found, v.Slice(0, n))
	case reflect.Array:
		for i := range v.Len() {
			s.collect(v.Index(i), found)
		}
	case reflect.Struct:
		if v.Type() == timeType {
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				s.collect(v.Field(i), found)
			}
		}
	}
}

// news is what a message has to tell of regions.
type news struct {
	fresh   []*region
	changed []change
}

// changes finds out what has changed in regions.
func (s *side) changes(regions []*region) (all []change) {
	for _, r := range regions {
		if !r.last.IsValid() || same(r.mem, r.last) {
			continue
		}
		// somebody may be at work on it: what is told is what is remembered
		now := reflect.MakeSlice(r.mem.Type(), r.mem.Len(), r.mem.Len())
		reflect.Copy(now, r.mem)
		from, to := 0, now.Len()
		for from < to && same(now.Slice(from, from+1), r.last.Slice(from, from+1)) {
			from++
		}
		for from < to && same(now.Slice(to-1, to), r.last.Slice(to-1, to)) {
			to--
		}
		if from < to {
			s.lastChange++
			all = append(all, change{r, s.lastChange, from, to, now})
		}
	}
	return all
}

// newRegions makes regions for the slices in values that have none, and, if that is asked for, finds out
// what has changed in the others. Call it with the lock, and encode with the same lock.
func (s *side) newRegions(values []reflect.Value, changes bool) (n news) {
	s.forget()
	var found []reflect.Value
	if changes {
		n.changed = s.changes(s.looked)
	}
	for _, c := range n.changed {
		for i := c.from; i < c.to; i++ {
			s.collect(c.now.Index(i), &found)
		}
	}
	for _, v := range values {
		s.collect(v, &found)
	}
	var fresh []*region
	depth := func(v reflect.Value) int { return nesting(v.Type(), map[reflect.Type]bool{}) }
	slices.SortStableFunc(found, func(a, b reflect.Value) int {
		if d := depth(a) - depth(b); d != 0 {
			return d
		}
		return int(start(a)>>1) - int(start(b)>>1)
	})
	for _, v := range found {
		if at, _ := s.lies(v, v.Len()); at != nil {
			continue
		}
		if k := len(fresh) - 1; k >= 0 && overlap(fresh[k].mem, v) { // grow it
			first := fresh[k].mem
			end := max(start(first)+fresh[k].size(), start(v)+uintptr(v.Len())*v.Type().Elem().Size())
			n := int((end - start(first)) / v.Type().Elem().Size())
			// of one array, because they overlap
			fresh[k].mem = reflect.SliceAt(v.Type().Elem(), first.UnsafePointer(), n)
			continue
		}
		s.lastRegion += 2
		r := &region{number: s.lastRegion, mem: v.Slice3(0, v.Len(), v.Len())}
		fresh = append(fresh, r)
		s.regions[r.number] = r
		s.looked = append(s.looked, r)
	}
	for _, r := range fresh {
		r.zeros = s.judge && r.mem.Type().Elem().Kind() == reflect.Uint8 && r.size() > mostSent
		r.look()
	}
	n.fresh = fresh
	return n
}

// forget stops looking at the oldest regions, when there are many.
func (s *side) forget() {
	total := uintptr(0)
	for i := len(s.looked) - 1; i >= 0; i-- {
		if r := s.looked[i]; r.last.IsValid() {
			total += r.size()
		}
		if len(s.looked)-i > mostRegions || total > mostLookedAt {
			s.looked = slices.Delete(s.looked, 0, i+1)
			return
		}
	}
}

func overlap(a, b reflect.Value) bool {
	size := b.Type().Elem().Size()
	return a.Type().Elem() == b.Type().Elem() && start(b) < start(a)+uintptr(a.Len())*size &&
		start(a) < start(b)+uintptr(b.Len())*size && (start(b)-start(a))%size == 0
}

// lies finds the region in which a slice of n elements lies, and where.
func (s *side) lies(v reflect.Value, n int) (r *region, off int) {
	for _, r := range slices.Backward(s.looked) {
		if off := r.offset(v, n); off >= 0 {
			return r, off
		}
	}
	return nil, 0
}

// encodeRegions tells what newRegions has found.
func (s *side) encodeRegions(e *encoder, n news) {
	e.uint(uint64(len(n.fresh)))
	for _, r := range n.fresh {
		e.uint(r.number)
		e.uint(uint64(slices.Index(s.types, r.mem.Type().Elem())))
		e.uint(uint64(r.mem.Len()))
		e.bool(r.zeros)
		switch {
		case r.last.IsValid():
			s.encodeElements(e, r.last)
		case !r.zeros:
			s.encodeElements(e, r.mem)
		}
	}
	s.encodeChanges(e, n.changed)
}

func (s *side) encodeChanges(e *encoder, all []change) {
	e.uint(uint64(len(all)))
	for _, c := range all {
		e.uint(c.region.number)
		e.uint(c.number)
		e.uint(uint64(c.from))
		e.uint(uint64(c.to - c.from))
		s.encodeElements(e, c.now.Slice(c.from, c.to))
		c.last = c.now
	}
}

func (s *side) encodeElements(e *encoder, v reflect.Value) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		e.b = append(e.b, v.Bytes()...)
		return
	}
	for i := range v.Len() {
		s.encode(e, v.Index(i))
	}
}

func (s *side) decodeElements(d *decoder, v reflect.Value) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		if len(d.rest) < v.Len() {
			d.fail()
			return
		}
		copy(v.Bytes(), d.rest)
		d.rest = d.rest[v.Len():]
		return
	}
	for i := range v.Len() {
		if d.err != nil {
			return
		}
		v.Index(i).Set(s.decode(d, v.Type().Elem()))
	}
}

// same reports whether two slices hold the same: of slices in them it looks at where they lie.
func same(a, b reflect.Value) bool {
	if a.Type().Elem().Kind() == reflect.Uint8 {
		return bytes.Equal(a.Bytes(), b.Bytes())
	}
	size := a.Len() * int(a.Type().Elem().Size())
	raw := func(v reflect.Value) []byte { return unsafe.Slice((*byte)(v.UnsafePointer()), size) }
	if bytes.Equal(raw(a), raw(b)) { // the usual case, and much faster
		return true
	}
	for i := range a.Len() {
		if !identical(a.Index(i), b.Index(i)) {
			return false
		}
	}
	return true
}

func identical(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Slice:
		return a.Len() == b.Len() && a.Cap() == b.Cap() && a.UnsafePointer() == b.UnsafePointer()
	case reflect.Struct:
		for i := range a.NumField() {
			if a.Type().Field(i).IsExported() && !identical(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Bool, reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32,
		reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64:
		return a.Equal(b)
	}
	return true // what else there is is not looked at
}

// decodeRegions is the other side of encodeRegions. Call it with the lock.
func (s *side) decodeRegions(d *decoder) {
	s.lent = nil
	for range d.count() {
		number, elem, n := d.uint(), s.types[d.upTo(len(s.types)-1)], d.uint()
		zeros := d.bool()
		if d.err != nil || s.regions[number] != nil || number%2 == s.lastRegion%2 ||
			zeros && (s.judge || elem.Kind() != reflect.Uint8) {
			d.fail()
			return
		}
		r := &region{number: number, zeros: zeros}
		if zeros {
			r.mem = reflect.ValueOf(zeroBytes(int(n)))
		} else {
			// an element takes a byte of the message at least
			if n > uint64(len(d.rest)) || !d.spend(int(n), elem.Size()) {
				d.fail()
				return
			}
			r.mem = reflect.MakeSlice(reflect.SliceOf(elem), int(n), int(n))
			s.theirBytes += int64(r.size())
			if s.judge && s.theirBytes > mostTheirs {
				d.fail()
				return
			}
			s.decodeElements(d, r.mem)
		}
		s.regions[number] = r
		r.look()
		s.looked = append(s.looked, r)
		if d.err != nil {
			return
		}
	}
	s.decodeChanges(d, true)
}

// decodeChanges is the other side of encodeChanges. Call it with the lock. During a call, only bytes may
// change: the suite may look at them meanwhile.
func (s *side) decodeChanges(d *decoder, all bool) {
	for range d.count() {
		r, number := s.regions[d.uint()], d.uint()
		if r == nil || r.zeros || !all && r.mem.Type().Elem() != byteType {
			d.fail()
			return
		}
		from := d.upTo(r.mem.Len())
		to := from + d.upTo(r.mem.Len()-from)
		now := reflect.MakeSlice(r.mem.Type(), to-from, to-from)
		s.decodeElements(d, now)
		if d.err != nil {
			return
		}
		for i := from; i < to; {
			// up to where the next later change begins or ends
			part, later := to, false
			for _, c := range r.told {
				switch {
				case c.number < number:
				case c.from <= i && i < c.to:
					part, later = min(part, c.to), true
				case i < c.from:
					part = min(part, c.from)
				}
			}
			if !later {
				reflect.Copy(r.mem.Slice(i, part), now.Slice(i-from, part-from))
				if r.last.IsValid() {
					reflect.Copy(r.last.Slice(i, part), now.Slice(i-from, part-from))
				}
			}
			i = part
		}
		if r.told = append(r.told, change{number: number, from: from, to: to}); len(r.told) > mostTold {
			r.told = r.told[1:]
		}
	}
}

const (
	sliceNil = iota
	sliceEmpty
	sliceOf
)

// encodeSlice encodes a slice that newRegions has seen.
func (s *side) encodeSlice(e *encoder, v reflect.Value) {
	n := s.extent(v)
	r, off := s.lies(v, n)
	switch {
	case v.IsNil():
		e.byte(sliceNil)
	case n == 0 || r == nil:
		e.byte(sliceEmpty)
	default:
		e.byte(sliceOf)
		e.uint(r.number)
		e.uint(uint64(off))
		e.uint(uint64(v.Len()))
		e.uint(uint64(min(v.Cap(), r.mem.Len()-off)))
	}
}

func (s *side) decodeSlice(d *decoder, t reflect.Type) reflect.Value {
	switch d.byte() {
	case sliceNil:
		return reflect.Zero(t)
	case sliceEmpty:
		return reflect.MakeSlice(t, 0, 0)
	case sliceOf:
		r := s.regions[d.uint()]
		if r == nil || r.mem.Type().Elem() != t.Elem() {
			break
		}
		from := d.upTo(r.mem.Len())
		n := d.upTo(r.mem.Len() - from)
		end := d.upTo(r.mem.Len() - from)
		if n > end || d.err != nil {
			break
		}
		s.lent = append(s.lent, r)
		return r.mem.Slice3(from, from+n, from+end).Convert(t)
	}
	d.fail()
	return reflect.Zero(t)
}
