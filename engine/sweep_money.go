package engine

import (
	"context"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// sweepMoney posts what falls due about money: pending events that nobody settled, holds whose time is up or whose unit leaves, and the
// payouts of the owners' schedules. All through the one door; the state refuses what is not due.
func (e *Engine) sweepMoney(ctx context.Context) error {
	now := e.clock().UnixMilli()
	var pending []nexus.ID
	var holds []state.Hold
	var payouts []state.PurseKey
	e.View(func(s *state.State) {
		pending, holds, payouts = s.DuePending(now, sweepMost), s.DueHolds(now, sweepMost), s.DuePayouts(now, sweepMost)
	})
	// Somebody may have settled one between the look and the act: then there is nothing to end.
	settled := func(err error) error {
		switch nexus.CodeOf(err) {
		case nexus.CodeConflict, nexus.CodeNotFound, nexus.CodeRefused:
			return nil
		}
		return err
	}
	for _, id := range pending {
		if _, err := e.Act(ctx, state.KindPendingExpire, nexus.ID{}, state.PendingSettle{Pending: id}); settled(err) != nil {
			return err
		}
	}
	for i := range holds {
		if _, err := e.Act(ctx, state.KindHoldExpire, holds[i].Unit, state.HoldEnd{Hold: holds[i].ID}); settled(err) != nil {
			return err
		}
	}
	for _, k := range payouts {
		if _, err := e.Act(ctx, state.KindPayoutOpen, k.Unit, state.PayoutOpen{Period: k.Period, Currency: k.Currency}); settled(err) != nil {
			return err
		}
	}
	return nil
}
