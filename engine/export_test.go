package engine

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	stdslices "slices"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// CommandOf wraps an action as admission does.
func (e *Engine) CommandOf(a nexus.Action) ([]byte, error) {
	ev := state.Evidence{Node: e.cfg.Node.Public(), NowMs: e.clock().UnixMilli(), Digest: a.Digest()}
	if _, err := rand.Read(ev.Salt[:]); err != nil {
		return nil, err
	}
	sig, err := e.cfg.Node.Sign(ev.SigningBytes())
	ev.Signature = sig
	return nexus.Encode(state.Command{Action: a, Evidence: ev}), err
}

// SaveState stores the state now.
func (e *Engine) SaveState() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.saveState()
}

// MaxBatchBytes bounds one transaction of the store.
func (e *Engine) MaxBatchBytes() int { return e.store.MaxBatchBytes() }

// UnitSeqs lists a unit's entries of the first size entries: as readers walk, or over every record.
func (e *Engine) UnitSeqs(unit nexus.ID, size uint64, plain bool) (out []uint64, err error) {
	add := func(r *ledger.Record, i int) error {
		out = append(out, r.FirstSeq+uint64(i))
		return nil
	}
	if plain {
		w := unitWalk{e: e, ctx: context.Background(), unit: unit, size: size, fn: add}
		return out, w.plain()
	}
	err = e.unitEntries(context.Background(), unit, size, add)
	return out, err
}

// WalkUnit walks along a unit's entries as readers do, or over every record, until ctx ends.
func (e *Engine) WalkUnit(ctx context.Context, unit nexus.ID, plain bool) (n int, err error) {
	w := unitWalk{e: e, ctx: ctx, unit: unit, size: e.store.Size(), fn: func(*ledger.Record, int) error { n++; return nil }}
	if plain {
		return n, w.plain()
	}
	return n, w.byIndex()
}

// LastOf finds a unit's newest entry by the index alone.
func (e *Engine) LastOf(unit nexus.ID, size uint64) (uint64, bool) {
	return e.lastByIndex(unit, size, 0)
}

// IndexState tells whether the index is filled, how many segments are stored, and how many wait for that.
func (e *Engine) IndexState() (loaded bool, stored uint64, ready int) {
	e.units.mu.Lock()
	defer e.units.mu.Unlock()
	return e.units.loaded, e.units.stored, len(e.units.ready)
}

// ChangeIndex rewrites what the first stored segment says of a unit.
func (e *Engine) ChangeIndex(unit nexus.ID, change func(places []uint32) []uint32) error {
	return e.ChangeIndexAt(0, bucketOf(unit), unit, change)
}

// ChangeIndexAt rewrites what bucket n of stored segment k says of a unit.
func (e *Engine) ChangeIndexAt(k uint64, n int, unit nexus.ID, change func(places []uint32) []uint32) error {
	v, _, err := e.viewIndex(unit)
	if err != nil {
		return err
	}
	b, err := v.bucket(k, n)
	if err != nil {
		return err
	}
	out, found := bucket{}, false
	for i := range b.Units {
		u := b.Units[i]
		if u.Unit == unit {
			places, err := u.places()
			if err != nil {
				return err
			}
			u, found = placesOf(unit, change(places)), true
		}
		out.Units = append(out.Units, u)
	}
	if !found {
		out.Units = append(out.Units, placesOf(unit, change(nil)))
		stdslices.SortFunc(out.Units, func(x, y unitPlaces) int { return bytes.Compare(x.Unit[:], y.Unit[:]) })
	}
	return e.PutIndex(k, n, nexus.Encode(out))
}

// SpoilIndex stores bytes after the places of a unit, in bucket n of stored segment k.
func (e *Engine) SpoilIndex(k uint64, n int, unit nexus.ID) error {
	v, _, err := e.viewIndex(unit)
	if err != nil {
		return err
	}
	b, err := v.bucket(k, n)
	if err != nil {
		return err
	}
	for i := range b.Units {
		if b.Units[i].Unit == unit {
			b.Units[i].Deltas = append(b.Units[i].Deltas, 1)
		}
	}
	return e.PutIndex(k, n, nexus.Encode(b))
}

// PutIndexMeta stores bytes as what says how many segments are stored.
func (e *Engine) PutIndexMeta(raw []byte) error {
	return e.commitState(ledger.Batch{Applied: e.store.Applied(), Puts: []ledger.KV{{Key: []byte(unitIndexMeta), Value: raw}}})
}

// IndexMeta is such bytes.
func IndexMeta(segments, entries uint64) []byte { return nexus.Encode(segmentMeta{segments, entries}) }

// RemakeIndex makes the index anew now.
func (e *Engine) RemakeIndex() error {
	e.units.mu.Lock()
	e.distrustIndex(errors.New("a test"))
	e.units.mu.Unlock()
	return e.loadIndex()
}

// TellIndex tells the index of a record, as a commit does.
func (e *Engine) TellIndex(r ledger.Record) { e.indexed([]ledger.Record{r}) }

// VagueIndex has bucket n of stored segment k tell nothing.
func (e *Engine) VagueIndex(k uint64, n int) error {
	return e.PutIndex(k, n, nexus.Encode(bucket{Vague: true}))
}

// PutIndex stores bytes as bucket n of segment k.
func (e *Engine) PutIndex(k uint64, n int, raw []byte) error {
	return e.commitState(ledger.Batch{Applied: e.store.Applied(), Puts: []ledger.KV{{Key: bucketKey(k, n), Value: raw}}})
}

// IndexBucket is the bucket of a unit.
func IndexBucket(unit nexus.ID) int { return bucketOf(unit) }

// FullSegment is a segment of units, one entry each, whose ids begin alike: how large what is stored of them is, and whether it tells.
func FullSegment(units int) (size int, tells bool, err error) {
	of := map[nexus.ID][]uint32{}
	for i := range units {
		of[nexus.ID{1, byte(i >> 16), byte(i >> 8), byte(i)}] = []uint32{uint32(i)}
	}
	s := newSegment(pointers(of))
	var b bucket
	err = nexus.Decode(s[bucketOf(nexus.ID{1})], &b)
	return len(s[bucketOf(nexus.ID{1})]), !b.Vague && len(b.Units) == units, err
}

// DropIndex has the engine go on without its index, until somebody asks for it.
func (e *Engine) DropIndex() {
	e.units.mu.Lock()
	defer e.units.mu.Unlock()
	e.units.loaded = false
}

// IndexOf fills an index with records, and gives how many segments and bytes came out whole.
func IndexOf(records []ledger.Record) (segments, size int, err error) {
	x := newUnitIndex(segmentMeta{Entries: indexSegment})
	for i := range records {
		if err := x.add(&records[i]); err != nil {
			return 0, 0, err
		}
	}
	for _, s := range x.ready {
		for n := range s {
			size += len(s[n])
		}
	}
	return len(x.ready), size, nil
}

func pointers(units map[nexus.ID][]uint32) map[nexus.ID]*[]uint32 {
	out := map[nexus.ID]*[]uint32{}
	for unit, places := range units {
		out[unit] = &places
	}
	return out
}
