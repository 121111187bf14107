package remote

import (
	"context"
	"fmt"
	"net"
	"reflect"
	"time"
)

var (
	errorType   = reflect.TypeFor[error]()
	timeType    = reflect.TypeFor[time.Time]()
	contextType = reflect.TypeFor[context.Context]()
	addrType    = reflect.TypeFor[net.Addr]()
	byteType    = reflect.TypeFor[byte]()
)

// elements lists the element types of all slices in a type, in an order that depends on the form of the
// type only. It is an error if a value of the type cannot be carried.
func elements(t reflect.Type, seen map[reflect.Type]bool, all *[]reflect.Type) error {
	if seen[t] || t == errorType || t == timeType || t == contextType || t == addrType {
		return nil
	}
	seen[t] = true
	var parts []reflect.Type
	switch t.Kind() {
	case reflect.Chan, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128, reflect.Uintptr:
		return fmt.Errorf("a %v cannot be carried to another process", t)
	case reflect.Interface:
		if t.NumMethod() > 0 && fitting(^shape(0), t) == nil {
			return fmt.Errorf("a %v cannot be carried to another process: no proxy has its methods", t)
		}
	case reflect.Slice:
		*all = append(*all, t.Elem())
		parts = append(parts, t.Elem())
	case reflect.Array, reflect.Pointer:
		parts = append(parts, t.Elem())
	case reflect.Map:
		parts = append(parts, t.Key(), t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() {
				parts = append(parts, f.Type)
			}
		}
	case reflect.Func:
		if t.IsVariadic() {
			return fmt.Errorf("a %v cannot be carried to another process: it is variadic", t)
		}
		for i := range t.NumIn() {
			parts = append(parts, t.In(i))
		}
		for i := range t.NumOut() {
			parts = append(parts, t.Out(i))
		}
	}
	for _, part := range parts {
		if err := elements(part, seen, all); err != nil {
			return err
		}
	}
	return nil
}

// encode encodes a value, of which the receiver knows the type.
func (s *side) encode(e *encoder, v reflect.Value) {
	switch t := v.Type(); {
	case t == errorType:
		err, _ := v.Interface().(error)
		s.encodeError(e, err)
		return
	case t == timeType:
		s.encodeTime(e, v.Interface().(time.Time))
		return
	case t == contextType:
		ctx, _ := v.Interface().(context.Context)
		s.encodeContext(e, ctx)
		return
	case t == addrType:
		a, _ := v.Interface().(net.Addr)
		encodeAddr(e, a)
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		e.bool(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.int(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		e.uint(v.Uint())
	case reflect.Float32, reflect.Float64:
		e.float(v.Float())
	case reflect.String:
		e.string(v.String())
	case reflect.Slice:
		s.encodeSlice(e, v)
	case reflect.Array:
		for i := range v.Len() {
			s.encode(e, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				s.encode(e, v.Field(i))
			}
		}
	case reflect.Pointer:
		e.bool(!v.IsNil())
		if !v.IsNil() {
			s.encode(e, v.Elem())
		}
	case reflect.Map:
		e.bool(!v.IsNil())
		e.uint(uint64(v.Len()))
		for key, value := range v.Seq2() {
			s.encode(e, key)
			s.encode(e, value)
		}
	case reflect.Func:
		if v.IsNil() {
			e.uint(0)
		} else {
			e.uint(s.export(v))
		}
	case reflect.Interface:
		if v.NumMethod() > 0 {
			s.encodeObject(e, v.Interface())
		} else {
			s.encodeAny(e, v.Interface())
		}
	default:
		panic(fmt.Sprintf("a %v cannot be carried to another process", v.Type()))
	}
}

// decode is the other side of encode.
func (s *side) decode(d *decoder, t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	if d.depth++; d.depth > mostNested {
		d.fail()
	}
	defer func() { d.depth-- }()
	if d.err != nil {
		return v
	}
	switch t {
	case errorType:
		set(v, s.decodeError(d))
		return v
	case timeType:
		v.Set(reflect.ValueOf(s.decodeTime(d)))
		return v
	case contextType:
		set(v, s.decodeContext(d))
		return v
	case addrType:
		set(v, decodeAddr(d))
		return v
	}
	switch t.Kind() {
	case reflect.Bool:
		v.SetBool(d.bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if n := d.int(); v.OverflowInt(n) {
			d.fail()
		} else {
			v.SetInt(n)
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if n := d.uint(); v.OverflowUint(n) {
			d.fail()
		} else {
			v.SetUint(n)
		}
	case reflect.Float32, reflect.Float64:
		v.SetFloat(d.float())
	case reflect.String:
		v.SetString(d.string())
	case reflect.Slice:
		v.Set(s.decodeSlice(d, t))
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).Set(s.decode(d, t.Elem()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if t.Field(i).IsExported() {
				v.Field(i).Set(s.decode(d, t.Field(i).Type))
			}
		}
	case reflect.Pointer:
		if d.bool() && d.spend(1, t.Elem().Size()) {
			v.Set(reflect.New(t.Elem()))
			v.Elem().Set(s.decode(d, t.Elem()))
		}
	case reflect.Map:
		there, n := d.bool(), d.count()
		if !there || !d.spend(n, t.Key().Size()+t.Elem().Size()+16) {
			return v
		}
		v.Set(reflect.MakeMap(t))
		for range n {
			key, value := s.decode(d, t.Key()), s.decode(d, t.Elem())
			if d.err != nil || !key.Comparable() {
				d.fail()
				return v
			}
			v.SetMapIndex(key, value)
		}
	case reflect.Func:
		if n := d.uint(); n > 0 {
			v.Set(s.function(t, n))
		}
	case reflect.Interface:
		if t.NumMethod() > 0 {
			s.decodeObject(d, v)
		} else {
			set(v, s.decodeAny(d))
		}
	}
	return v
}

const mostNested = 100 // values in each other

// set sets a value of an interface type.
func set(v reflect.Value, to any) {
	if to != nil {
		v.Set(reflect.ValueOf(to))
	}
}

const (
	anyNil = iota
	anyBool
	anyInt
	anyFloat
	anyString
	anyError
)

// encodeAny encodes what may be anything, such as the value of a panic: a bool, an int, a float64, a
// string or an error as it is, and everything else as its text.
func (s *side) encodeAny(e *encoder, v any) {
	switch v := v.(type) {
	case nil:
		e.byte(anyNil)
	case bool:
		e.byte(anyBool)
		e.bool(v)
	case int:
		e.byte(anyInt)
		e.int(int64(v))
	case float64:
		e.byte(anyFloat)
		e.float(v)
	case error:
		e.byte(anyError)
		s.encodeError(e, v)
	default:
		text := fmt.Sprint(v)
		e.byte(anyString)
		e.string(text[:min(len(text), mostText)])
	}
}

func (s *side) decodeAny(d *decoder) any {
	switch d.byte() {
	case anyNil:
		return nil
	case anyBool:
		return d.bool()
	case anyInt:
		return int(d.int())
	case anyFloat:
		return d.float()
	case anyString:
		return d.string()
	case anyError:
		if err := s.decodeError(d); err != nil {
			return err
		}
		return nil
	}
	d.fail()
	return nil
}

const (
	timeZero = iota
	timeNear // wall clock of the sender's epoch, and nanoseconds since then
	timeFar  // seconds and nanoseconds since 1970
)

const near = 100 * 365 * 24 * time.Hour

// encodeTime encodes a point in time. One that is near is told by its distance from a moment that the two
// sides agree on, so that equal times arrive as equal ones, and gets a reading of the receiver's
// monotonic clock.
func (s *side) encodeTime(e *encoder, t time.Time) {
	since := t.Sub(s.epoch)
	switch {
	case t.IsZero():
		e.byte(timeZero)
	case -near < since && since < near:
		e.byte(timeNear)
		e.int(s.epoch.UnixNano())
		e.int(int64(since))
	default:
		e.byte(timeFar)
		e.int(t.Unix())
		e.int(int64(t.Nanosecond()))
	}
}

func (s *side) decodeTime(d *decoder) time.Time {
	switch d.byte() {
	case timeZero:
	case timeNear:
		wall, since := d.int(), time.Duration(d.int())
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.theirEpoch.IsZero() {
			now := time.Now()
			s.theirEpoch = now.Add(time.Duration(wall - now.UnixNano()))
		}
		return s.theirEpoch.Add(since)
	case timeFar:
		return time.Unix(d.int(), d.int())
	default:
		d.fail()
	}
	return time.Time{}
}
