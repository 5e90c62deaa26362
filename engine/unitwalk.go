package engine

import (
	"context"
	"errors"
	"fmt"
	"sort"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// indexView is the index as of one moment: what it covers does not change any more.
type indexView struct {
	e       *Engine
	length  uint64
	next    uint64
	stored  uint64
	ready   []*segment
	current map[nexus.ID][]uint32 // of the units asked for
}

// viewIndex takes a view for a unit, and what the unit's chain counts at that moment. It is filled first if nobody did.
func (e *Engine) viewIndex(unit nexus.ID) (v *indexView, entries uint64, err error) {
	if err := e.loadIndex(); err != nil {
		return nil, 0, err
	}
	e.View(func(s *state.State) {
		x := &e.units
		x.mu.Lock()
		defer x.mu.Unlock()
		if v = e.segmentsAt(s.Chain.Size()); v != nil {
			entries = s.Chain.Head(unit).Seq
			v.current = map[nexus.ID][]uint32{}
			if p := x.current[unit]; p != nil {
				v.current[unit] = (*p)[:len(*p):len(*p)]
			}
		}
	})
	if v == nil {
		return nil, 0, errors.New("index by unit: it is being made")
	}
	return v, entries, nil
}

// segmentsAt is a view of the segments that are whole, nil unless the index covers just so many entries. Callers hold its lock.
func (e *Engine) segmentsAt(size uint64) *indexView {
	x := &e.units
	if !x.loaded || x.next != size {
		return nil
	}
	return &indexView{e: e, length: x.length, next: x.next, stored: x.stored, ready: x.ready[:len(x.ready):len(x.ready)]}
}

func (v *indexView) segments() uint64 { return (v.next + v.length - 1) / v.length }

// places gives where a unit's entries are in segment k, rising.
func (v *indexView) places(k uint64, unit nexus.ID) ([]uint32, error) {
	if k == v.stored+uint64(len(v.ready)) {
		return v.current[unit], nil
	}
	b, err := v.bucket(k, bucketOf(unit))
	if err != nil {
		return nil, err
	}
	if b.Vague {
		return nil, errVague
	}
	i := sort.Search(len(b.Units), func(i int) bool { return string(b.Units[i].Unit[:]) >= string(unit[:]) })
	if i == len(b.Units) || b.Units[i].Unit != unit {
		return nil, nil
	}
	places, err := b.Units[i].places()
	if n := len(places); err == nil && n > 0 && uint64(places[n-1]) >= v.length {
		err = fmt.Errorf("index by unit: place %d of unit %s is past segment %d", places[n-1], unit, k)
	}
	return places, err
}

func (v *indexView) bucket(k uint64, n int) (b bucket, err error) {
	var raw []byte
	if k < v.stored {
		raw, err = v.e.store.Get(bucketKey(k, n))
	} else {
		raw = v.ready[k-v.stored][n]
	}
	if err == nil {
		err = nexus.Decode(raw, &b)
	}
	return b, err
}

// errPast ends a scan at the place that was asked for.
var errPast = errors.New("past the place asked for")

// errVague: a part of the index was too large to store.
var errVague = errors.New("index by unit: a segment does not tell")

// unitEntries calls fn for a unit's entries of the first size entries, in order, each with its record and its place there. It reads
// the records that hold one, by the index, and holds every entry to the unit's chain; where the index does not fit, it reads on without.
func (e *Engine) unitEntries(ctx context.Context, unit nexus.ID, size uint64, fn func(r *ledger.Record, i int) error) error {
	w := unitWalk{e: e, ctx: ctx, unit: unit, size: size, fn: fn}
	err := w.byIndex()
	var misfit *indexMisfit
	if errors.As(err, &misfit) {
		if misfit.wrong {
			e.units.mu.Lock()
			e.distrustIndex(misfit)
			e.units.mu.Unlock()
		}
		err = w.plain()
	}
	return err
}

// indexMisfit says why a walk goes on without the index.
type indexMisfit struct {
	wrong bool // it is made anew
	why   error
}

func (m *indexMisfit) Error() string { return m.why.Error() }

// unitWalk is one walk along a unit's chain.
type unitWalk struct {
	e    *Engine
	ctx  context.Context //nolint:containedctx // of this walk alone
	unit nexus.ID
	size uint64
	fn   func(r *ledger.Record, i int) error

	record ledger.Record // read last
	number uint64        // of the unit's entries that fn was given
	next   uint64        // entries before it are done with
}

func (w *unitWalk) byIndex() error {
	misfit := func(wrong bool, err error) error { return &indexMisfit{wrong, err} }
	v, entries, err := w.e.viewIndex(w.unit)
	if err != nil {
		return misfit(false, err)
	}
	if w.size > v.next {
		return misfit(false, fmt.Errorf("index by unit: it covers %d entries of %d", v.next, w.size))
	}
	listed := uint64(0)
	for k := range v.segments() {
		places, err := v.places(k, w.unit)
		if err != nil {
			return misfit(!errors.Is(err, errVague), err)
		}
		listed += uint64(len(places))
	}
	if listed != entries {
		return misfit(true, fmt.Errorf("index by unit: it lists %d entries of unit %s, whose chain has %d", listed, w.unit, entries))
	}
	for k := range v.segments() {
		places, err := v.places(k, w.unit)
		if err != nil {
			return misfit(true, err)
		}
		for _, at := range places {
			done, err := w.at(k*v.length + uint64(at))
			if done || err != nil {
				return err
			}
		}
	}
	return nil
}

// at gives the entry that the index says is the unit's next. It is read also past the size: that it is the next one shows that none
// before was left out.
func (w *unitWalk) at(seq uint64) (done bool, err error) {
	if len(w.record.Entries) == 0 || seq >= w.record.Next() {
		if err := w.ctx.Err(); err != nil {
			return false, err
		}
		if w.record, err = w.e.store.RecordBySeq(seq); err != nil {
			return false, err
		}
	}
	unit, number, err := ledger.EntryPlace(w.record.Entries[seq-w.record.FirstSeq])
	if err != nil {
		return false, err
	}
	if unit != w.unit || number != w.number+1 {
		return false, &indexMisfit{true, fmt.Errorf("index by unit: entry %d is number %d of unit %s, not number %d of unit %s", seq, number, unit,
			w.number+1, w.unit)}
	}
	if seq >= w.size {
		return true, nil
	}
	return false, w.give(&w.record, seq)
}

func (w *unitWalk) give(r *ledger.Record, seq uint64) error {
	w.number, w.next = w.number+1, seq+1
	return w.fn(r, int(seq-r.FirstSeq))
}

// plain goes on from where the walk stands, over every record.
func (w *unitWalk) plain() error {
	from := uint64(0)
	if w.next > 0 && w.next < w.size {
		r, err := w.e.store.RecordBySeq(w.next)
		if err != nil {
			return err
		}
		from = r.Index
	}
	if w.next >= w.size {
		return nil
	}
	err := w.e.store.Records(from, w.e.store.Applied(), func(r ledger.Record) error {
		if r.FirstSeq >= w.size {
			return errPast
		}
		if err := w.ctx.Err(); err != nil {
			return err
		}
		for i, raw := range r.Entries {
			seq := r.FirstSeq + uint64(i)
			if seq < w.next || seq >= w.size {
				continue
			}
			unit, err := ledger.EntryUnit(raw)
			if err != nil {
				return err
			}
			if unit != w.unit {
				continue
			}
			if err := w.give(&r, seq); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errPast) {
		return nil
	}
	return err
}

// lastByIndex finds a unit's newest entry of the first size entries by the index; false when the index cannot tell, or says another
// than number of the unit's chain (0: any).
func (e *Engine) lastByIndex(unit nexus.ID, size, number uint64) (uint64, bool) {
	v, _, err := e.viewIndex(unit)
	if err != nil || size > v.next {
		return 0, false
	}
	for k := v.segments(); k > 0; k-- {
		places, err := v.places(k-1, unit)
		if err != nil {
			return 0, false
		}
		i := sort.Search(len(places), func(i int) bool { return (k-1)*v.length+uint64(places[i]) >= size })
		if i == 0 {
			continue
		}
		seq := (k-1)*v.length + uint64(places[i-1])
		entry, err := e.store.Entry(seq)
		if err != nil {
			return 0, false
		}
		of, at, err := ledger.EntryPlace(entry.Bytes)
		return seq, err == nil && of == unit && (number == 0 || at == number)
	}
	return 0, false
}
