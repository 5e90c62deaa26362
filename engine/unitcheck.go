package engine

import (
	"context"
	"errors"
	"fmt"
	stdslices "slices"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// indexCheck compares what the index by unit lists with what the units' chains count. Where a part of the index does not tell, the log's
// records are counted in its place, a segment at a time.
type indexCheck struct {
	e      *Engine
	v      *indexView
	units  map[nexus.ID]bool // whose chains are compared
	counts map[nexus.ID]uint64
	wrong  []wire.Finding
	vague  int // buckets that do not tell
}

// checkIndex gives what is wrong with the index, which is made anew then, and what could not be told. Error: of the log, or ctx has ended.
func (e *Engine) checkIndex(ctx context.Context) (findings []wire.Finding, notes []string, err error) {
	if err := e.loadIndex(); err != nil {
		return nil, nil, err
	}
	c := indexCheck{e: e, units: map[nexus.ID]bool{}, counts: map[nexus.ID]uint64{}}
	var units *ledger.UnitMap
	e.View(func(s *state.State) {
		x := &e.units
		x.mu.Lock()
		defer x.mu.Unlock()
		if c.v = e.segmentsAt(s.Chain.Size()); c.v == nil {
			return
		}
		for unit, places := range x.current {
			c.counts[unit] = uint64(len(*places))
		}
		if h := e.checkpoint.Load(); h == nil || h.cp.Size != c.v.next {
			c.v = nil
		} else {
			units = h.units
		}
		for id := range s.Units {
			c.units[id] = true
		}
	})
	if c.v == nil {
		return nil, []string{"the index by unit was not compared with the chains: it is being made anew; verify again"}, nil
	}
	c.units[nexus.ID{}] = true
	for k := range c.v.stored + uint64(len(c.v.ready)) {
		if err := c.segment(ctx, k); err != nil {
			return nil, nil, err
		}
	}
	c.compare(units)
	if c.vague > 0 {
		notes = append(notes, fmt.Sprintf("the index by unit lists too many units in %d of its parts to tell: the log was counted in their place, "+
			"and is read whole for those units", c.vague))
	}
	if len(c.wrong) > 0 {
		e.units.mu.Lock()
		e.distrustIndex(fmt.Errorf("index by unit: %d findings", len(c.wrong)))
		e.units.mu.Unlock()
	}
	return c.wrong, notes, nil
}

// segment counts what one segment lists.
func (c *indexCheck) segment(ctx context.Context, k uint64) error {
	vague := map[int]bool{}
	for n := range segmentBuckets {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := c.bucket(k, n)
		if errors.Is(err, errVague) {
			vague[n] = true
			c.vague++
		} else if err != nil {
			c.wrong = append(c.wrong, wire.Finding{Where: fmt.Sprintf("index by unit, segment %d, part %d", k, n), What: err.Error(),
				Required: "what it lists; the index is made anew"})
			vague[n] = true // its units are counted all the same, so that the finding is this and not one for each of them
		}
	}
	if len(vague) == 0 {
		return nil
	}
	return c.log(ctx, k*c.v.length, (k+1)*c.v.length, func(unit nexus.ID) {
		if vague[bucketOf(unit)] {
			c.counts[unit]++
		}
	})
}

// bucket counts what one bucket of a segment lists, all of it or, with an error, nothing.
func (c *indexCheck) bucket(k uint64, n int) error {
	b, err := c.v.bucket(k, n)
	if err != nil {
		return err
	}
	if b.Vague {
		return errVague
	}
	for i := range b.Units {
		places, err := b.Units[i].places()
		if err != nil {
			return err
		}
		if last := len(places) - 1; last < 0 || uint64(places[last]) >= c.v.length || bucketOf(b.Units[i].Unit) != n {
			return fmt.Errorf("index by unit: unit %s is listed with %d places, the last is not within the segment, or in another's part", b.Units[i].Unit, len(places))
		}
	}
	for i := range b.Units {
		c.counts[b.Units[i].Unit] += uint64(b.Units[i].Count)
	}
	return nil
}

// log calls fn for the unit of each entry from one place of the log to another.
func (c *indexCheck) log(ctx context.Context, from, to uint64, fn func(nexus.ID)) error {
	first, err := c.e.store.RecordBySeq(from)
	if err != nil {
		return err
	}
	err = c.e.store.Records(first.Index, c.e.store.Applied(), func(r ledger.Record) error {
		if r.FirstSeq >= to {
			return errPast
		}
		for i, raw := range r.Entries {
			if seq := r.FirstSeq + uint64(i); seq < from || seq >= to {
				continue
			}
			unit, err := ledger.EntryUnit(raw)
			if err != nil {
				return err
			}
			fn(unit)
		}
		return ctx.Err()
	})
	if errors.Is(err, errPast) {
		return nil
	}
	return err
}

// compare finds the units of which the index lists other numbers of entries than their chains have, and those that have none.
func (c *indexCheck) compare(units *ledger.UnitMap) {
	for id := range c.counts {
		c.units[id] = true
	}
	for id := range c.units {
		if at, _ := units.Get(id); c.counts[id] != at.Seq {
			c.wrong = append(c.wrong, wire.Finding{Where: "index by unit " + id.String(), What: fmt.Sprintf("lists %d entries", c.counts[id]),
				Required: fmt.Sprintf("%d, as many as the unit's chain has; the index is made anew", at.Seq)})
		}
	}
	stdslices.SortFunc(c.wrong, func(a, b wire.Finding) int {
		if a.Where < b.Where {
			return -1
		}
		return 1
	})
}
