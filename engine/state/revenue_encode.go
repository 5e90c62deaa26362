package state

import "encoding/binary"

// AppendTo appends the body's canonical bytes to dst: what nexus.AppendCanonical writes, without reflection. Producers write batches of
// thousands of events, and on one machine with the ledger they take their time from it.
func (p *RevenuePost) AppendTo(dst []byte) []byte {
	text := func(s string) {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
		dst = append(dst, s...)
	}
	text(p.Source)
	dst = binary.AppendUvarint(dst, p.FirstSeq)
	dst = binary.AppendUvarint(dst, uint64(len(p.Events)))
	for i := range p.Events {
		e := &p.Events[i]
		dst = append(dst, e.Unit[:]...)
		text(e.EventID)
		text(e.Kind)
		text(e.Currency)
		dst = binary.AppendVarint(dst, e.Minor)
		dst = binary.AppendVarint(dst, e.TimeMs)
		dst = binary.AppendUvarint(dst, uint64(len(e.Memo)))
		dst = append(dst, e.Memo...)
		text(e.RefundOf)
	}
	return dst
}

// sizeMax bounds the bytes of AppendTo.
func (p *RevenuePost) sizeMax() int {
	n := len(p.Source) + 3*binary.MaxVarintLen64
	for i := range p.Events {
		e := &p.Events[i]
		n += len(e.Unit) + len(e.EventID) + len(e.Kind) + len(e.Currency) + len(e.Memo) + len(e.RefundOf) + 7*binary.MaxVarintLen64
	}
	return n
}

// Encode gives the body's canonical bytes.
func (p *RevenuePost) Encode() []byte { return p.AppendTo(make([]byte, 0, p.sizeMax())) }
