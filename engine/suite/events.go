package suite

import (
	"fmt"
	"math/rand/v2"

	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// eventsPerBatchMax keeps a batch far below what one action may carry.
const eventsPerBatchMax = 96

// feed makes seeded random events of one probe: sales of one minor unit, ordinary and large ones, refunds of what is
// left of earlier sales, and the same event once more.
type feed struct {
	random *rand.Rand
	prefix string
	made   int
	sales  []sale
}

type sale struct {
	event state.RevenueEvent
	left  int64 // not refunded yet
}

func newFeed(s *session, name string) *feed {
	return &feed{random: s.random, prefix: fmt.Sprintf("%x-%s", s.seed, name)}
}

// event gives the next id to an amount.
func (f *feed) event(p *probe, minor int64) state.RevenueEvent {
	f.made++
	return state.RevenueEvent{Unit: p.unit.ID, EventID: fmt.Sprintf("%s-%d", f.prefix, f.made), Kind: "sale",
		Currency: "XTS", Minor: minor, TimeMs: 1_700_000_000_000 + int64(f.made)}
}

func (f *feed) sale(p *probe, minor int64) state.RevenueEvent {
	e := f.event(p, minor)
	f.sales = append(f.sales, sale{event: e, left: minor})
	return e
}

// refund takes back part of an earlier sale; false when nothing is left of any it looked at.
func (f *feed) refund(p *probe) (state.RevenueEvent, bool) {
	for range 8 {
		if len(f.sales) == 0 {
			break
		}
		s := &f.sales[f.random.IntN(len(f.sales))]
		if s.left == 0 {
			continue
		}
		amount := 1 + f.random.Int64N(s.left)
		s.left -= amount
		e := f.event(p, -amount)
		e.Kind, e.RefundOf = "refund", s.event.EventID
		return e, true
	}
	return state.RevenueEvent{}, false
}

// batch makes n events; fresh are those that are not repetitions.
func (f *feed) batch(p *probe, n int) (all, fresh []state.RevenueEvent) {
	for len(all) < n {
		var e state.RevenueEvent
		isNew := true
		switch roll := f.random.IntN(100); {
		case roll < 35:
			e = f.sale(p, 1)
		case roll < 65:
			e = f.sale(p, 1+f.random.Int64N(10_000))
		case roll < 72:
			e = f.sale(p, 1+f.random.Int64N(1_000_000_000_000))
		case roll < 82 && len(f.sales) > 0:
			e, isNew = f.sales[f.random.IntN(len(f.sales))].event, false
		default:
			var ok bool
			if e, ok = f.refund(p); !ok {
				e = f.sale(p, 1)
			}
		}
		all = append(all, e)
		if isNew {
			fresh = append(fresh, e)
		}
	}
	return all, fresh
}
