package suite

import (
	"context"
	"fmt"
	stdslices "slices"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// probe is one unit that a suite made.
type probe struct {
	unit    state.UnitCreated
	percent int64
	made    nexus.Receipt // of its creation
}

// do signs an action with the node's key and takes it through the door.
func (s *session) do(ctx context.Context, kind string, unit nexus.ID, body any) (nexus.Receipt, error) {
	a, err := engine.NewAction(s.env.Node, s.env.Engine.Cluster(), kind, unit, body, time.Now())
	if err != nil {
		return nexus.Receipt{}, err
	}
	rec, err := s.env.Engine.Do(ctx, a)
	if rec.Index > 0 {
		s.acts = append(s.acts, rec.Index)
	}
	return rec, err
}

// create makes a probe unit under one of the two rules and remembers to retire it.
func (s *session) create(ctx context.Context, percent uint8) (*probe, error) {
	name := fmt.Sprintf("%s probe %d/%d", s.suite, percent, 100-percent)
	rec, err := s.do(ctx, state.KindProbeCreate, nexus.ID{}, state.UnitCreate{Name: name, Percent: percent})
	if err != nil {
		return nil, err
	}
	return s.adopt(rec)
}

// adopt remembers a unit that the suite made, so that it is retired.
func (s *session) adopt(rec nexus.Receipt) (*probe, error) {
	p := probe{made: rec}
	if err := nexus.Decode(rec.Result, &p.unit); err != nil {
		return nil, err
	}
	s.env.Engine.View(func(st *state.State) { p.percent = int64(st.Units[p.unit.ID].Percent) })
	s.probes = append(s.probes, p)
	return &p, nil
}

// retireAll takes the probes' resources away. A probe that stays behind is a failed check.
func (s *session) retireAll(ctx context.Context) {
	gone := 0
	for _, p := range s.probes {
		if s.retired(p.unit.ID) {
			gone++
			continue
		}
		if _, err := s.do(ctx, state.KindProbeRetire, p.unit.ID,
			state.UnitReason{Reason: "suite " + s.suite + " ended"}); err != nil {
			s.broken("retire "+p.unit.Label, err)
			continue
		}
		if s.retired(p.unit.ID) {
			gone++
		}
	}
	s.equal("probes removed", gone, len(s.probes), "units", "retired, without hosts and routes; their entries stay",
		"retire them by hand: see nexus gates log")
}

// retired reports whether nothing of a probe is left but its entries.
func (s *session) retired(id nexus.ID) (ok bool) {
	s.env.Engine.View(func(st *state.State) {
		u := st.Units[id]
		ok = u != nil && u.Status == "retired"
		for _, unit := range st.Domains {
			ok = ok && unit != id
		}
		for _, r := range st.Routes {
			ok = ok && r.Unit != id
		}
	})
	return ok
}

// desired is the digest of all that a suite must not change.
func (s *session) desired() (h nexus.Hash) {
	s.env.Engine.View(func(st *state.State) { h = st.DesiredHash() })
	return h
}

// untouched checks that the suite changed no real account. The digest over everything but probes settles it, unless
// others acted meanwhile; then the entries of the suite's own acts do, one by one.
func (s *session) untouched(before nexus.Hash) {
	const name, remedy = "real accounts untouched", "compare nexus gates log since the suite began"
	after := s.desired()
	detail := fmt.Sprintf("state of everything but probes: %s before, %s after", before.String()[:16], after.String()[:16])
	foreign, err := s.foreignEntries()
	if err != nil {
		s.broken(name, err)
		return
	}
	s.equal("entries in real units", foreign, 0, "entries", fmt.Sprintf("made by the suite's own %d acts", len(s.acts)),
		remedy)
	if after != before && s.othersActed() {
		detail += "; others acted meanwhile, the entries of the suite's own acts are checked instead"
		s.require(foreign == 0, name, detail, remedy)
		return
	}
	s.require(after == before, name, detail, remedy)
}

// foreignEntries counts the entries of the suite's own acts in chains of units that are not its probes, and postings
// that are not in test money.
func (s *session) foreignEntries() (n int, err error) {
	own := map[nexus.ID]bool{{}: true} // decisions about no unit stand in the platform's chain
	for _, p := range s.probes {
		own[p.unit.ID] = true
	}
	for _, index := range s.acts {
		rec, err := s.store.Record(index)
		if err != nil {
			return n, err
		}
		for seq := rec.FirstSeq; seq < rec.Next(); seq++ {
			e, err := rec.Entry(seq)
			if err != nil {
				return n, err
			}
			real := !own[e.Unit]
			for _, p := range e.Postings {
				real = real || p.Currency != nexus.TestCurrency
			}
			if real {
				n++
			}
		}
	}
	return n, nil
}

// othersActed reports whether a command that is not the suite's was applied since its first.
func (s *session) othersActed() (yes bool) {
	if len(s.acts) == 0 {
		return true
	}
	err := s.store.Records(stdslices.Min(s.acts), s.store.Applied(), func(r ledger.Record) error {
		yes = yes || !stdslices.Contains(s.acts, r.Index)
		return nil
	})
	return yes && err == nil
}
