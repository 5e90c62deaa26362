package nexus

import (
	"encoding/binary"
	"fmt"
	"reflect"
)

// The canonical encoding: one value, one byte string (vectors in testdata/vectors).
//
//	uint, int      shortest LEB128 varint; signed values zigzag first
//	bool           one byte, 0 or 1
//	string, bytes  length varint, then the bytes
//	[N]byte        the N bytes
//	slice          count varint, then the elements
//	struct         its exported fields in order of declaration, no names
//
// Maps, floats, pointers, interfaces and unexported fields do not occur in canonical data: a program that tries to
// encode one panics, because that is a mistake of the program and never of its input.

// MaxCanonicalLen bounds every length and count in canonical data, in bytes or elements.
const MaxCanonicalLen = 16 << 20

// Encode returns v's canonical bytes.
func Encode(v any) []byte { return AppendCanonical(nil, v) }

// AppendCanonical appends v's canonical bytes to dst.
func AppendCanonical(dst []byte, v any) []byte {
	return appendValue(dst, reflect.ValueOf(v))
}

func appendValue(dst []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return append(dst, 1)
		}
		return append(dst, 0)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return binary.AppendUvarint(dst, v.Uint())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return binary.AppendVarint(dst, v.Int())
	case reflect.String:
		dst = binary.AppendUvarint(dst, uint64(v.Len()))
		return append(dst, v.String()...)
	case reflect.Slice:
		dst = binary.AppendUvarint(dst, uint64(v.Len()))
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return append(dst, v.Bytes()...)
		}
		for i := range v.Len() {
			dst = appendValue(dst, v.Index(i))
		}
		return dst
	case reflect.Array:
		mustBeCanonical(v)
		for i := range v.Len() {
			dst = append(dst, byte(v.Index(i).Uint()))
		}
		return dst
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			mustBeCanonical(f)
			dst = appendValue(dst, f)
		}
		return dst
	default:
		panic(fmt.Sprintf("nexus: %s has no canonical encoding", v.Type()))
	}
}

// mustBeCanonical stops on an unexported field and on an array of anything but bytes: reflection would read both, and
// the decoder could not write them back.
func mustBeCanonical(v reflect.Value) {
	if !v.CanInterface() || v.Kind() == reflect.Array && v.Type().Elem().Kind() != reflect.Uint8 {
		panic(fmt.Sprintf("nexus: unexported field or array of non-bytes, %s, has no canonical encoding", v.Type()))
	}
}

// Decode fills the struct that v points to from canonical bytes. It refuses what Encode would not have written:
// a longer varint than needed, a length past the input or MaxCanonicalLen, a bool that is not 0 or 1, left-over bytes.
// So two different byte strings never decode to the same value.
func Decode(b []byte, v any) error {
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		panic("nexus: Decode needs a pointer")
	}
	d := decoder{b: b}
	d.value(p.Elem())
	if d.err == nil && d.off != len(b) {
		d.fail("%d bytes left over", len(b)-d.off)
	}
	return d.err
}

type decoder struct {
	b   []byte
	off int
	err error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = &Error{Op: "decode", Code: CodeMalformed, Subject: fmt.Sprintf("canonical data at byte %d", d.off),
			Cause: fmt.Errorf(format, args...)}
	}
}

func (d *decoder) uvarint() uint64 {
	if d.err != nil {
		return 0
	}
	x, n := binary.Uvarint(d.b[d.off:])
	if n <= 0 {
		d.fail("varint cut short or too long")
		return 0
	}
	if n > 1 && d.b[d.off+n-1] == 0 {
		d.fail("varint longer than needed")
		return 0
	}
	d.off += n
	return x
}

func (d *decoder) take(n uint64) []byte {
	if d.err != nil {
		return nil
	}
	if n > MaxCanonicalLen || n > uint64(len(d.b)-d.off) {
		d.fail("length %d past the end", n)
		return nil
	}
	out := d.b[d.off : d.off+int(n)]
	d.off += int(n)
	return out
}

func (d *decoder) value(v reflect.Value) {
	if d.err != nil {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		b := d.take(1)
		if len(b) == 1 && b[0] > 1 {
			d.fail("bool %d", b[0])
		}
		v.SetBool(len(b) == 1 && b[0] == 1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		x := d.uvarint()
		if v.OverflowUint(x) {
			d.fail("%d does not fit %s", x, v.Type())
			return
		}
		v.SetUint(x)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		u := d.uvarint()
		x := int64(u>>1) ^ -int64(u&1)
		if v.OverflowInt(x) {
			d.fail("%d does not fit %s", x, v.Type())
			return
		}
		v.SetInt(x)
	case reflect.String:
		v.SetString(string(d.take(d.uvarint())))
	case reflect.Slice:
		d.slice(v)
	case reflect.Array:
		mustBeCanonical(v)
		reflect.Copy(v, reflect.ValueOf(d.take(uint64(v.Len()))))
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			mustBeCanonical(f)
			d.value(f)
		}
	default:
		panic(fmt.Sprintf("nexus: %s has no canonical encoding", v.Type()))
	}
}

func (d *decoder) slice(v reflect.Value) {
	n := d.uvarint()
	v.SetZero() // what the slice held before is no part of the value; an empty one decodes to nil
	if v.Type().Elem().Kind() == reflect.Uint8 {
		if b := d.take(n); len(b) > 0 {
			v.SetBytes(append([]byte(nil), b...))
		}
		return
	}
	// An element takes at least one byte, so a count past the rest of the input is refused before memory is taken.
	if d.err != nil || n > MaxCanonicalLen || n > uint64(len(d.b)-d.off) {
		d.fail("count %d past the end", n)
		return
	}
	// Memory follows the elements really read: a count of 16 million wide structs over a few bytes costs nothing.
	for i := range int(n) {
		if i == v.Cap() {
			v.Grow(min(int(n)-i, max(i, 256)))
		}
		v.SetLen(i + 1)
		if d.value(v.Index(i)); d.err != nil {
			return
		}
	}
}
