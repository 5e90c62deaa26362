package engine

import (
	"context"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// What comes due by itself is made an entry by the node's own signed action; the state refuses what is not due.
const (
	sweepEvery = 5 * time.Second
	sweepMost  = 64 // acts of one kind in one round; the rest follows in the next
)

func (e *Engine) sweepLoop(ctx context.Context) {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		if err := e.Sweep(ctx); err != nil && ctx.Err() == nil {
			e.cfg.Logger.Warn("due entries not posted; tried again soon", "component", "engine", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// Sweep posts what is due now: the level of the rules of this version, the end of proposals that nobody decided, and the
// ownership entries that a rotation left for later, what falls due about money, the times of units that left, and the months that are to be
// published.
func (e *Engine) Sweep(ctx context.Context) error {
	if err := e.raiseRules(ctx); err != nil {
		return err
	}
	if err := e.switchGates(ctx); err != nil {
		return err
	}
	if err := e.carryOut(ctx); err != nil {
		return err
	}
	if err := e.sweepMoney(ctx); err != nil {
		return err
	}
	if err := e.sweepExits(ctx); err != nil {
		return err
	}
	if err := e.sweepPublications(ctx); err != nil {
		return err
	}
	var due []state.Proposal
	moves := 0
	e.View(func(s *state.State) {
		moves = s.UnsettledMoves()
		for _, p := range s.DueProposals(e.clock().UnixMilli(), sweepMost) {
			due = append(due, *p)
		}
	})
	for i := range due {
		p := &due[i]
		_, err := e.Act(ctx, state.KindProposalExpire, p.Unit, state.ProposalDecide{Proposal: p.ID, Change: p.Change})
		// A party may have decided between the look and the act: then there is nothing to end.
		if err != nil && nexus.CodeOf(err) != nexus.CodeConflict && nexus.CodeOf(err) != nexus.CodeRefused {
			return err
		}
	}
	if moves == 0 {
		return nil
	}
	_, err := e.Act(ctx, state.KindOwnershipSettle, nexus.ID{}, struct{}{})
	return err
}

// raiseRules brings the ledger to the rules of this version, one level an entry. From there on they hold; what stands before
// is replayed as it was decided.
func (e *Engine) raiseRules(ctx context.Context) error {
	for {
		var level uint32
		e.View(func(s *state.State) { level = s.Rules })
		if level >= state.RulesMax {
			return nil
		}
		_, err := e.Act(ctx, state.KindClusterRules, nexus.ID{}, state.RulesRaise{Level: level + 1})
		if err == nil {
			continue
		}
		// Another sweep may have taken this very step between the look and the act.
		var now uint32
		e.View(func(s *state.State) { now = s.Rules })
		if now == level {
			return err
		}
	}
}
