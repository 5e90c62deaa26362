package suite

import (
	"context"
	"fmt"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
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
	return s.env.Engine.Do(ctx, a)
}

// create makes a probe unit under one of the two rules and remembers to retire it.
func (s *session) create(ctx context.Context, percent uint8) (*probe, error) {
	name := fmt.Sprintf("%s probe %d/%d", s.suite, percent, 100-percent)
	rec, err := s.do(ctx, state.KindProbeCreate, nexus.ID{}, state.UnitCreate{Name: name, Percent: percent})
	if err != nil {
		return nil, err
	}
	p := probe{percent: int64(percent), made: rec}
	if err := nexus.Decode(rec.Result, &p.unit); err != nil {
		return nil, err
	}
	s.probes = append(s.probes, p)
	return &p, nil
}

// retireAll takes the probes' resources away. A probe that stays behind is a failed check.
func (s *session) retireAll(ctx context.Context) {
	gone := 0
	for _, p := range s.probes {
		if _, err := s.do(ctx, state.KindProbeRetire, p.unit.ID, state.UnitReason{Reason: "suite " + s.suite + " ended"}); err != nil {
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
