package engine_test

import (
	"context"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// forged are actions that nobody entitled signed as they stand.
func forged(r *rig) map[string]nexus.Action {
	now := time.Now()
	base, err := engine.NewAction(r.operator(), r.gen.Cluster, state.KindPlatformCreate, nexus.ID{}, state.UnitCreate{Name: "Forged"}, now)
	if err != nil {
		r.t.Fatal(err)
	}
	signed := func(s nexus.Signer, change func(*nexus.Action)) nexus.Action {
		a := base
		change(&a)
		a.Signature = nil
		a, err := nexus.SignAction(s, a)
		if err != nil {
			r.t.Fatal(err)
		}
		return a
	}
	altered := func(change func(*nexus.Action)) nexus.Action {
		a := base
		a.Body, a.Signature = append([]byte(nil), a.Body...), append([]byte(nil), a.Signature...)
		change(&a)
		return a
	}
	stranger := testKey(77)
	byStranger := signed(stranger, func(*nexus.Action) {})
	foreignSignature := altered(func(a *nexus.Action) { a.Signature = byStranger.Signature })
	return map[string]nexus.Action{
		"unsigned":                     altered(func(a *nexus.Action) { a.Signature = nil }),
		"a signature of zeros":         altered(func(a *nexus.Action) { clear(a.Signature) }),
		"a bit of the signature":       altered(func(a *nexus.Action) { a.Signature[9] ^= 1 }),
		"body changed after signing":   altered(func(a *nexus.Action) { a.Body = nexus.Encode(state.UnitCreate{Name: "Mine"}) }),
		"kind changed after signing":   altered(func(a *nexus.Action) { a.Kind = state.KindIMVUCreate }),
		"id changed after signing":     altered(func(a *nexus.Action) { a.ID[0] ^= 1 }),
		"unit changed after signing":   altered(func(a *nexus.Action) { a.Unit = nexus.ID{1} }),
		"life prolonged after":         altered(func(a *nexus.Action) { a.ExpiresMs++ }),
		"time changed after signing":   altered(func(a *nexus.Action) { a.TimeMs-- }),
		"re-signed by another key":     foreignSignature,
		"re-signed as a stranger's":    byStranger,
		"signed for another cluster":   signed(r.operator(), func(a *nexus.Action) { a.Cluster = nexus.ID{9} }),
		"expired":                      signed(r.operator(), func(a *nexus.Action) { a.TimeMs, a.ExpiresMs = a.TimeMs-7200_000, a.TimeMs-3600_000 }),
		"signed an hour in the future": signed(r.operator(), func(a *nexus.Action) { a.TimeMs, a.ExpiresMs = a.TimeMs+3600_000, a.ExpiresMs+3600_000 }),
	}
}

// TestForgedActions holds both lines: the door refuses, and so does the machine when a node that should know better proposes the
// action all the same, by gate 1.
func TestForgedActions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, a := range forged(r) {
		var before, after int
		r.eng.View(func(s *state.State) { before = len(s.Units) })
		if rec, err := r.eng.Do(context.Background(), a); err == nil || rec.Allowed {
			t.Errorf("%s: the door answers %+v, %v", name, rec, err)
		}
		r.eng.View(func(s *state.State) { after = len(s.Units) })
		if before != after {
			t.Errorf("%s: %d units became %d", name, before, after)
		}
		data, err := r.eng.CommandOf(a)
		if err != nil {
			t.Fatal(err)
		}
		var cmd state.Command
		if err := nexus.Decode(data, &cmd); err != nil {
			t.Fatal(err)
		}
		r.eng.View(func(s *state.State) {
			d, _ := s.Try(&cmd, func([]byte) ([]byte, error) { return nil, nil })
			if len(d.Verdicts) == 0 || d.Allow || d.Verdicts[0].Allow {
				t.Errorf("%s: the machine decides allow %t", name, d.Allow)
			}
		})
	}
	if _, err := r.do(r.operator(), state.KindPlatformCreate, nexus.ID{}, state.UnitCreate{Name: "Forged"}); err != nil {
		t.Errorf("the genuine action is refused too: %v", err)
	}
}

// TestReorderedCommands applies a ledger's own commands again, in order and in any other: only the order that was gives the roots
// that were signed, and an index that does not rise is no command.
func TestReorderedCommands(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, name := range []string{"One", "Two", "Three"} {
		r.create(name, "owner", testKey(5).Public())
	}
	var log []ledger.Record
	if err := r.eng.Store().Records(0, r.eng.Store().Applied(), func(rec ledger.Record) error {
		log = append(log, rec)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	replay := func(order []int, indexOf func(place int) uint64) (same int, err error) {
		sets, err := rules.Sets()
		if err != nil {
			t.Fatal(err)
		}
		s, store := state.NewWith(sets), map[string][]byte{}
		for place, i := range order {
			out, err := s.Apply(indexOf(place), log[i].Term, log[i].Command, func(k []byte) ([]byte, error) { return store[string(k)], nil })
			if err != nil {
				return same, err
			}
			for _, kv := range out.Puts {
				store[string(kv.Key)] = kv.Value
			}
			if out.Record.Root == log[place].Root {
				same++
			}
		}
		return same, nil
	}
	index := func(place int) uint64 { return log[place].Index }
	order := make([]int, len(log))
	for i := range order {
		order[i] = i
	}
	if same, err := replay(order, index); err != nil || same != len(log) {
		t.Fatalf("in order: %d of %d roots, %v", same, len(log), err)
	}
	last := len(log) - 1
	for _, pair := range [][2]int{{last - 1, last}, {last - 2, last}, {1, last}} {
		swapped := append([]int(nil), order...)
		swapped[pair[0]], swapped[pair[1]] = swapped[pair[1]], swapped[pair[0]]
		same, err := replay(swapped, index)
		if err == nil && same > pair[0] {
			t.Errorf("commands %v swapped: %d of %d roots are as signed", pair, same, len(log))
		}
	}
	if _, err := replay(order, func(place int) uint64 { return log[min(place, 1)].Index }); err == nil {
		t.Error("the same index twice is applied")
	}
}
