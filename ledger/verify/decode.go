package verify

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// reader decodes canonical data (docs/encoding.md) without copying; the first error sticks.
type reader struct {
	b   []byte
	err error
}

var (
	errShort  = errors.New("ends too early")
	errVarint = errors.New("a number longer than needed or cut short")
)

const lengthMax = 16 << 20 // of any length or count in canonical data

func (r *reader) uint() uint64 {
	if r.err != nil {
		return 0
	}
	if len(r.b) > 0 && r.b[0] < 0x80 {
		x := r.b[0]
		r.b = r.b[1:]
		return uint64(x)
	}
	x, n := binary.Uvarint(r.b)
	if n <= 0 || n > 1 && r.b[n-1] == 0 {
		r.err = errVarint
		return 0
	}
	r.b = r.b[n:]
	return x
}

// bounded reads a number that must fit its type.
func (r *reader) bounded(limit uint64, what string) uint64 {
	x := r.uint()
	if r.err == nil && x > limit {
		r.err = fmt.Errorf("%s %d, at most %d", what, x, limit)
	}
	return x
}

func (r *reader) int() int64 {
	u := r.uint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *reader) take(n uint64) []byte {
	if r.err != nil {
		return nil
	}
	if n > uint64(len(r.b)) || n > lengthMax {
		r.err = errShort
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) bytes() []byte { return r.take(r.uint()) }

func (r *reader) hash() (h [32]byte) {
	copy(h[:], r.take(32))
	return h
}

func (r *reader) id() (id [16]byte) {
	copy(id[:], r.take(16))
	return id
}

func (r *reader) end() error {
	if r.err == nil && len(r.b) != 0 {
		r.err = fmt.Errorf("%d bytes left over", len(r.b))
	}
	return r.err
}

// The kinds of entry and account this package knows rules for.
const (
	kindGenesis  = 1
	kindDecision = 2
	kindRevenue  = 3
	kindRefund   = 4
	kindUnit     = 5
	kindRollup   = 9

	kindOwnership = 19
	kindBinding   = 22
	kindPending   = 23
	kindTransfer  = 24
	kindHold      = 25
	kindPayout    = 26
	kindStatement = 27
	kindDispute   = 28
	kindUsage     = 12
	kindPublished = 31
	kindPrices    = 33
	kindExit      = 34
	kindExitDone  = 35
	kindImport    = 36
	kindMax       = 36

	accountSource   = 1
	accountCreator  = 2
	accountPlatform = 3
	accountOwner    = 4
	accountHeld     = 5
	accountPayout   = 6
	accountPaid     = 7
	accountDues     = 8
	accountMax      = 8
)

// Record is the stored form of one command, as a CommandCheck sees it. Its slices are valid during the call only.
type Record struct {
	Index    uint64
	Term     uint64
	TimeMs   int64
	Salt     [16]byte
	Command  []byte
	FirstSeq uint64
	Entries  [][]byte
	Root     [32]byte
}

// parse fills r from canonical bytes and keeps its slices for the next record.
func (r *Record) parse(b []byte) error {
	in := reader{b: b}
	r.Index, r.Term, r.TimeMs, r.Salt = in.uint(), in.uint(), in.int(), in.id()
	r.Command, r.FirstSeq = in.bytes(), in.uint()
	n := in.uint()
	r.Entries = r.Entries[:0]
	if in.err == nil && (n == 0 || n > uint64(len(in.b))) {
		return fmt.Errorf("%d entries", n)
	}
	for range n {
		r.Entries = append(r.Entries, in.bytes())
		if in.err != nil {
			break
		}
	}
	r.Root = in.hash()
	return in.end()
}

type posting struct {
	account  uint64
	ref      []byte
	currency []byte
	minor    int64
}

type entry struct {
	seq, index uint64
	timeMs     int64
	unit       [16]byte
	unitSeq    uint64
	unitPrev   [32]byte
	kind       uint64
	body       []byte
	postings   []posting
}

func (e *entry) parse(b []byte) error {
	in := reader{b: b}
	e.seq, e.index, e.timeMs = in.uint(), in.uint(), in.int()
	e.unit, e.unitSeq, e.unitPrev = in.id(), in.uint(), in.hash()
	e.kind, e.body = in.uint(), in.bytes()
	n := in.uint()
	e.postings = e.postings[:0]
	if in.err == nil && n > uint64(len(in.b)) {
		return errShort
	}
	for range n {
		p := posting{account: in.uint(), ref: in.bytes(), currency: in.bytes(), minor: in.int()}
		if in.err != nil {
			break
		}
		if p.account < accountSource || p.account > accountMax {
			return fmt.Errorf("account %d is none", p.account)
		}
		e.postings = append(e.postings, p)
	}
	if err := in.end(); err != nil {
		return err
	}
	if e.kind < kindGenesis || e.kind > kindMax || kindWords[e.kind] == "" {
		return fmt.Errorf("kind %d is none that this version knows", e.kind)
	}
	return nil
}

// unitBody holds what the checks need of a unit's entry; the whole is decoded so that it is known to be canonical.
type unitBody struct {
	unit    [16]byte
	parent  [16]byte
	kind    uint64
	percent uint64
	label   []byte
	verb    []byte
}

func (u *unitBody) parse(b []byte) error {
	in := reader{b: b}
	u.unit, u.parent = in.id(), in.id()
	u.kind, u.percent = in.bounded(255, "kind"), in.bounded(255, "percent")
	u.label = in.bytes()
	for range 4 { // name, slug, jurisdiction, domain
		in.bytes()
	}
	in.hash() // owner
	u.verb = in.bytes()
	in.bytes() // detail
	return in.end()
}

type revenueBody struct {
	source       []byte
	eventID      []byte
	producerSeq  uint64
	class        uint64
	currency     []byte
	minor        int64
	grossAfter   int64
	creatorAfter int64
	eventKind    []byte
	timeMs       int64
	refundOf     []byte
}

func (v *revenueBody) parse(b []byte) error {
	in := reader{b: b}
	v.source, v.eventID, v.producerSeq = in.bytes(), in.bytes(), in.uint()
	v.eventKind = in.bytes()
	v.class = in.bounded(255, "source class")
	v.currency, v.minor = in.bytes(), in.int()
	v.timeMs = in.int()
	in.bytes() // memo
	v.grossAfter, v.creatorAfter = in.int(), in.int()
	v.refundOf = in.bytes()
	return in.end()
}
