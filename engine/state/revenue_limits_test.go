package state_test

import (
	"math"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// A gross total of -2^63 fits 64 bits and what stands opposite it does not: the batch is refused, and no replica stops over it.
func TestGrossWithoutAnOppositeIsRefused(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	post := func(last ...int64) *state.Outcome { // of the other unit something, so that the source's own balance has room
		b := state.RevenuePost{Source: state.OperatorSource, FirstSeq: 1, Events: []state.RevenueEvent{sale(w.imvu, "", 10)}}
		for _, minor := range last {
			b.Events = append(b.Events, sale(w.unit, "", minor))
		}
		return w.do(w.operator, state.KindRevenuePost, nexus.ID{}, b)
	}
	if out := post(-math.MaxInt64, -1); out.Receipt.Allowed {
		t.Errorf("posted: %+v", out.Receipt)
	}
	if out := post(-math.MaxInt64); out.Err != nil || !out.Receipt.Allowed {
		t.Errorf("the lowest that has an opposite: %+v, %v", out.Receipt, out.Err)
	}
	w.swap()
	w.check()
	w.verified()
}
