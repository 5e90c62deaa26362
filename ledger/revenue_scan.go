package ledger

import (
	"encoding/binary"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// RevenueLine is what figures by day and month need of a revenue entry.
type RevenueLine struct {
	Seq      uint64
	TimeMs   int64 // log time
	Unit     nexus.ID
	EventMs  int64  // event time
	Currency string // shares no memory with the entry
	Minor    int64
	Creator  int64 // what the entry posted to the creator
	Platform int64 // and to the platform
}

// ScanRevenue reads a revenue or refund entry without decoding the whole of it: such entries are read by the million. False for any
// other kind. Error: nexus.CodeMalformed.
func ScanRevenue(entry []byte) (RevenueLine, bool, error) {
	var l RevenueLine
	p := parser{b: entry}
	l.Seq = p.uvarint()
	p.uvarint() // index
	l.TimeMs = p.varint()
	copy(l.Unit[:], p.take(16))
	p.uvarint() // sequence in the unit
	p.take(32)
	kind := EntryKind(p.uvarint())
	if p.err != nil {
		return l, false, p.err
	}
	if kind != KindRevenue && kind != KindRefund {
		return l, false, nil
	}
	body := parser{b: p.bytes()}
	body.bytes()   // source
	body.bytes()   // event id
	body.uvarint() // producer sequence
	body.bytes()   // kind
	body.uvarint() // class
	l.Currency = string(body.bytes())
	l.Minor = body.varint()
	l.EventMs = body.varint()
	for range p.uvarint() {
		account := AccountKind(p.uvarint())
		p.bytes() // ref
		p.bytes() // currency: an entry of revenue has one
		switch minor := p.varint(); account {
		case AccountCreator:
			l.Creator += minor
		case AccountPlatform:
			l.Platform += minor
		}
		if p.err != nil {
			break
		}
	}
	if body.err != nil {
		return l, false, body.err
	}
	return l, true, p.err
}

// KindOf reads an entry's kind without decoding the rest. Error: nexus.CodeMalformed.
func KindOf(entry []byte) (EntryKind, error) {
	p := parser{b: entry}
	p.uvarint() // sequence
	p.uvarint() // index
	p.varint()  // log time
	p.take(16)  // unit
	p.uvarint() // sequence in the unit
	p.take(32)
	return EntryKind(p.uvarint()), p.err
}

// EntryPlace reads whose chain an entry stands in, and at which place from 1, without decoding the rest. Error: nexus.CodeMalformed.
func EntryPlace(entry []byte) (unit nexus.ID, number uint64, err error) {
	p := parser{b: entry}
	p.uvarint() // sequence
	p.uvarint() // index
	p.varint()  // log time
	copy(unit[:], p.take(16))
	number = p.uvarint()
	return unit, number, p.err
}

// EntryUnit reads whose chain an entry stands in without decoding the rest; it runs once for every entry. Error: nexus.CodeMalformed.
func EntryUnit(entry []byte) (nexus.ID, error) {
	var unit nexus.ID
	at := 0
	for range 3 { // sequence, index, log time
		for n := 1; at < len(entry) && entry[at] >= 0x80 && n < binary.MaxVarintLen64; n++ {
			at++
		}
		at++
	}
	if len(entry) >= at+len(unit) {
		return nexus.ID(entry[at : at+len(unit)]), nil
	}
	p := parser{b: entry} // words the refusal
	p.uvarint()
	p.uvarint()
	p.varint()
	copy(unit[:], p.take(16))
	return unit, p.err
}

// EntryHead is what an entry says before its body.
type EntryHead struct {
	Seq    uint64
	TimeMs int64
	Unit   nexus.ID
	Kind   EntryKind
}

// HeadOf reads an entry's head without decoding the rest. Error: nexus.CodeMalformed.
func HeadOf(entry []byte) (EntryHead, error) {
	var h EntryHead
	p := parser{b: entry}
	h.Seq = p.uvarint()
	p.uvarint() // index
	h.TimeMs = p.varint()
	copy(h.Unit[:], p.take(16))
	p.uvarint() // sequence in the unit
	p.take(32)
	h.Kind = EntryKind(p.uvarint())
	return h, p.err
}
