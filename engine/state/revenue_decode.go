package state

import (
	"encoding/binary"
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// decodePost reads a RevenuePost as nexus.Decode does, with the same refusals, without reflection: a batch holds thousands of
// events, and every replica decodes each. Memo slices point into b, which belongs to the committed command and never changes.
func decodePost(b []byte, p *RevenuePost) error {
	r := postReader{b: b}
	p.Source = r.text()
	p.FirstSeq = r.uvarint()
	n := r.uvarint()
	// An event takes at least 24 bytes, so a count past the rest of the input is refused before memory is taken.
	if r.err == nil && n > uint64(len(r.b)-r.off)/24 {
		r.fail("count %d past the end", n)
	}
	if r.err == nil && n > 0 {
		if uint64(cap(p.Events)) < n { // else zeroed room of an earlier batch (seen.go)
			p.Events = make([]RevenueEvent, n)
		}
		p.Events = p.Events[:n]
	}
	var kind, currency string // the same words again and again: kept once
	for i := range p.Events {
		r.event(&p.Events[i], &kind, &currency)
	}
	if r.err == nil && r.off != len(b) {
		r.fail("%d bytes left over", len(b)-r.off)
	}
	return r.err
}

type postReader struct {
	b   []byte
	off int
	err error
}

func (r *postReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = nexus.Errf("decode", nexus.CodeMalformed, fmt.Sprintf("canonical data at byte %d", r.off), "", format, args...)
	}
}

func (r *postReader) event(e *RevenueEvent, kind, currency *string) {
	copy(e.Unit[:], r.take(uint64(len(e.Unit))))
	e.EventID = r.text()
	e.Kind = r.word(kind)
	e.Currency = r.word(currency)
	e.Minor = r.varint()
	e.TimeMs = r.varint()
	if memo := r.take(r.uvarint()); len(memo) > 0 {
		e.Memo = memo
	}
	e.RefundOf = r.text()
}

func (r *postReader) uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	x, n := binary.Uvarint(r.b[r.off:])
	if n <= 0 || n > 1 && r.b[r.off+n-1] == 0 {
		r.fail("varint cut short, too long or longer than needed")
		return 0
	}
	r.off += n
	return x
}

func (r *postReader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *postReader) take(n uint64) []byte {
	if r.err != nil {
		return nil
	}
	if n > nexus.MaxCanonicalLen || n > uint64(len(r.b)-r.off) {
		r.fail("length %d past the end", n)
		return nil
	}
	out := r.b[r.off : r.off+int(n) : r.off+int(n)]
	r.off += int(n)
	return out
}

func (r *postReader) text() string { return string(r.take(r.uvarint())) }

// word reads a string that is likely the last one again.
func (r *postReader) word(last *string) string {
	if b := r.take(r.uvarint()); string(b) != *last {
		*last = string(b)
	}
	return *last
}
