package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	stdslices "slices"
	"sync"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// The index by unit (docs/decisions/0046-index-by-unit.md): which entries of the log are a unit's. The log is cut into segments of one
// length; what a whole segment holds is stored in a few values, spread by unit id, so that one event costs no key. It is derived: whatever
// reads by it holds each entry to the unit's chain, and goes on without it when it does not fit.
const (
	indexSegment    = 1 << 18 // entries
	segmentBuckets  = 64
	bucketBytesMax  = 512 << 10 // a bucket above that is stored as one that does not tell
	loadAtOpen      = 1 << 20   // entries without index that Open reads; more are read by the first who asks
	unitIndexPrefix = "x/u/"
	unitIndexMeta   = unitIndexPrefix + "meta"
)

// segmentMeta says how many segments from the first are stored, and of how many entries each.
type segmentMeta struct {
	Segments uint64
	Entries  uint64
}

// bucket is the stored form of a segment's units whose ids begin with the same six bits, sorted by id. Vague: too large to tell.
type bucket struct {
	Vague bool
	Units []unitPlaces
}

// unitPlaces are the places of a unit's entries within a segment, rising, each but the first as the difference to the one before.
type unitPlaces struct {
	Unit   nexus.ID
	Count  uint32
	Deltas []byte // uvarints
}

// segment is one that is not stored yet, by bucket.
type segment [segmentBuckets][]byte

// unitIndex is the index in memory. Commits add to it, readers take a view of it.
type unitIndex struct {
	loading sync.Mutex // one reader fills it at a time

	mu      sync.Mutex // guards what follows
	length  uint64     // entries of a segment
	loaded  bool
	anew    bool                   // what is stored was found wrong: it is made from the first entry on
	next    uint64                 // entries that it covers
	stored  uint64                 // segments in the store
	ready   []*segment             // the segments after those
	current map[nexus.ID]*[]uint32 // places in the segment after those; pointers, so that an entry of a known unit writes no map
}

func newUnitIndex(m segmentMeta) *unitIndex {
	return &unitIndex{length: m.Entries, stored: m.Segments, next: m.Segments * m.Entries, current: map[nexus.ID]*[]uint32{}}
}

// add takes the entries of a record that the index does not cover yet.
func (x *unitIndex) add(r *ledger.Record) error {
	if r.FirstSeq > x.next {
		return fmt.Errorf("index by unit: record %d begins at entry %d, the index ends at %d", r.Index, r.FirstSeq, x.next)
	}
	for i := x.next - r.FirstSeq; i < uint64(len(r.Entries)); i++ {
		unit, err := ledger.EntryUnit(r.Entries[i])
		if err != nil {
			return err
		}
		places := x.current[unit]
		if places == nil {
			places = new([]uint32)
			x.current[unit] = places
		}
		*places = append(*places, uint32(x.next%x.length))
		if x.next++; x.next%x.length == 0 {
			x.ready = append(x.ready, newSegment(x.current))
			x.current = map[nexus.ID]*[]uint32{}
		}
	}
	return nil
}

func newSegment(units map[nexus.ID]*[]uint32) *segment {
	var buckets [segmentBuckets]bucket
	for unit, places := range units {
		b := &buckets[bucketOf(unit)]
		b.Units = append(b.Units, placesOf(unit, *places))
	}
	var s segment
	for i := range buckets {
		b := &buckets[i]
		stdslices.SortFunc(b.Units, func(x, y unitPlaces) int { return bytes.Compare(x.Unit[:], y.Unit[:]) })
		if s[i] = nexus.Encode(*b); len(s[i]) > bucketBytesMax {
			s[i] = nexus.Encode(bucket{Vague: true})
		}
	}
	return &s
}

func placesOf(unit nexus.ID, places []uint32) unitPlaces {
	u := unitPlaces{Unit: unit, Count: uint32(len(places))}
	before := uint32(0)
	for _, at := range places {
		u.Deltas = binary.AppendUvarint(u.Deltas, uint64(at-before))
		before = at
	}
	return u
}

func bucketOf(unit nexus.ID) int { return int(unit[0] >> 2) }

func bucketKey(segment uint64, n int) []byte {
	return append(binary.BigEndian.AppendUint64([]byte(unitIndexPrefix), segment), byte(n))
}

// places decodes where a unit's entries are in a segment.
func (u *unitPlaces) places() ([]uint32, error) {
	out, in, at := make([]uint32, 0, u.Count), u.Deltas, uint64(0)
	for i := range u.Count {
		d, n := binary.Uvarint(in)
		if at += d; n <= 0 || i > 0 && d == 0 || at > 1<<32-1 {
			return nil, fmt.Errorf("index by unit: place %d of unit %s is none", i, u.Unit)
		}
		out, in = append(out, uint32(at)), in[n:]
	}
	if len(in) > 0 {
		return nil, fmt.Errorf("index by unit: %d bytes after the places of unit %s", len(in), u.Unit)
	}
	return out, nil
}

// indexed tells the index what was committed.
func (e *Engine) indexed(records []ledger.Record) {
	x := &e.units
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range records {
		if !x.loaded {
			return
		}
		if err := x.add(&records[i]); err != nil {
			e.distrustIndex(err)
		}
	}
}

// distrustIndex has the index made anew by the next who asks. Callers hold its lock.
func (e *Engine) distrustIndex(why error) {
	e.units.loaded, e.units.anew = false, true
	e.cfg.Logger.Warn("index by unit is made anew", "component", "engine", "error", why)
}

// storeIndex stores the segments that are whole, a transaction each. A crash between leaves fewer of them, which a restart makes up for.
func (e *Engine) storeIndex() error {
	x := &e.units
	x.mu.Lock()
	ready, from, length := x.ready, x.stored, x.length
	if !x.loaded {
		ready = nil
	}
	x.mu.Unlock()
	for i, s := range ready {
		b := ledger.Batch{Applied: e.store.Applied()}
		for n := range s {
			b.Puts = append(b.Puts, ledger.KV{Key: bucketKey(from+uint64(i), n), Value: s[n]})
		}
		b.Puts = append(b.Puts, ledger.KV{Key: []byte(unitIndexMeta), Value: nexus.Encode(segmentMeta{from + uint64(i) + 1, length})})
		if err := e.commitState(b); err != nil {
			return err
		}
		x.mu.Lock()
		if x.stored == from+uint64(i) { // not made anew meanwhile
			x.stored, x.ready = x.stored+1, x.ready[1:]
		}
		x.mu.Unlock()
	}
	return nil
}

// openIndex fills the index when little is missing in it; the rest waits for the first who asks.
func (e *Engine) openIndex() error {
	meta, err := e.storedIndex()
	if err != nil || e.store.Size() > meta.Segments*meta.Entries+loadAtOpen {
		return err
	}
	return e.loadIndex()
}

// storedIndex says what is stored. What is not of this length, or more than the ledger can fill, is none: the index is derived, and a
// mistake in it keeps no node from starting.
func (e *Engine) storedIndex() (segmentMeta, error) {
	want := segmentMeta{Entries: indexSegment}
	if e.cfg.IndexSegment > 0 {
		want.Entries = e.cfg.IndexSegment
	}
	v, err := e.lookup([]byte(unitIndexMeta))
	if err != nil || v == nil {
		return want, err
	}
	var meta segmentMeta
	if nexus.Decode(v, &meta) != nil || meta.Entries != want.Entries || meta.Segments > e.store.Size()/meta.Entries {
		return want, nil
	}
	return meta, nil
}

// loadIndex fills the index from what is stored and from the entries after it, while commands go on.
func (e *Engine) loadIndex() error {
	x := &e.units
	x.loading.Lock()
	defer x.loading.Unlock()
	x.mu.Lock()
	loaded, anew := x.loaded, x.anew
	x.mu.Unlock()
	if loaded {
		return nil
	}
	meta, err := e.storedIndex()
	if err != nil {
		return err
	}
	if anew {
		meta.Segments = 0
	}
	made := newUnitIndex(meta)
	index, err := e.fillIndex(made, 0)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, err := e.fillIndex(made, index); err != nil { // what was committed meanwhile
		return err
	}
	x.length, x.next, x.stored, x.ready, x.current, x.loaded, x.anew = made.length, made.next, made.stored, made.ready, made.current, true, false
	return nil
}

// fillIndex adds the records after index, or those that the index does not cover, and gives the last one's index.
func (e *Engine) fillIndex(made *unitIndex, index uint64) (uint64, error) {
	applied := e.store.Applied() // before the size: what comes between is read the next time
	if index == 0 && made.next > 0 {
		if made.next >= e.store.Size() {
			return applied, nil
		}
		r, err := e.store.RecordBySeq(made.next)
		if err != nil {
			return 0, err
		}
		index, applied = r.Index-1, max(applied, r.Index)
	}
	err := e.store.Records(index+1, applied, func(r ledger.Record) error {
		index = r.Index
		return made.add(&r)
	})
	return index, err
}
