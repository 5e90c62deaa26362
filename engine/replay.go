package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// ReplayCommandsMax bounds a replay of the log that was not asked for expressly: a few seconds on two cores.
const ReplayCommandsMax = 20_000

// errReplayEnd ends the walk over the records at the decision that was asked for.
var errReplayEnd = errors.New("end of replay")

// ReplayLog takes a decision again the way it was taken: an empty state, every stored command up to that index applied by the
// live code, and what comes out held against what is stored. Gates alone cannot tell whether the facts they were given were
// true; this can. More than most commands are not replayed, and Why says so; 0 means all. One replay runs at a time, outside
// every lock of the engine.
func (e *Engine) ReplayLog(ctx context.Context, index, most uint64) (wire.LogReplay, error) {
	out := wire.LogReplay{}
	if most > 0 && index > most {
		out.Why = fmt.Sprintf("%d commands come before it, more than %d; nexus gates explain %d --full replays them", index, most, index)
		return out, nil
	}
	if !e.replaying.TryLock() {
		out.Why = "another replay is running; ask again"
		return out, nil
	}
	defer e.replaying.Unlock()
	start := time.Now()
	s := state.NewWith(e.sets)
	err := e.store.Records(0, index, func(r ledger.Record) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		got, err := s.Apply(r.Index, r.Term, r.Command, e.lookup)
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		out.Commands++
		if what := recordDiffers(&r, got); what != "" {
			out.Differs = fmt.Sprintf("command %d: %s", r.Index, what)
			return errReplayEnd
		}
		return nil
	})
	if err != nil && !errors.Is(err, errReplayEnd) {
		return out, err
	}
	hash := s.Hash()
	out.Done, out.Same, out.StateHash, out.DurationMs = true, out.Differs == "", hash.String(), time.Since(start).Milliseconds()
	if out.Same && s.Index != index {
		return out, nexus.Errf("replay decision", nexus.CodeNotFound, fmt.Sprintf("decision %d", index), "see nexus gates log", "no such record")
	}
	return out, nil
}

// recordDiffers names the first thing that a command gave otherwise than it is stored.
func recordDiffers(r *ledger.Record, got *state.Outcome) string {
	switch {
	case got.Repeated:
		return "was a repetition now"
	case len(got.Record.Entries) != len(r.Entries):
		return fmt.Sprintf("%d entries, stored are %d", len(got.Record.Entries), len(r.Entries))
	}
	for i := range r.Entries {
		if !bytes.Equal(r.Entries[i], got.Record.Entries[i]) {
			if i == 0 {
				return "another decision"
			}
			return fmt.Sprintf("another effect in entry %d", r.FirstSeq+uint64(i))
		}
	}
	if got.Record.Root != r.Root {
		return "another tree root"
	}
	return ""
}
