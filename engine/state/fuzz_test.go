package state_test

import (
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// FuzzApply gives the machine any bytes as a command: it may refuse or halt with an error, never panic, and after an error
// it stands where it stood.
func FuzzApply(f *testing.F) {
	w := newTown(f)
	for _, kind := range state.Kinds() {
		for _, body := range []any{[]byte{}, []byte{0}, state.UnitReason{Reason: "r"}, state.UnitCreate{Name: "N", Percent: 55}} {
			f.Add(w.command(w.action(w.operator, kind, w.imvu, body)))
		}
	}
	f.Add(w.command(w.action(w.operator, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource,
		Events: []state.RevenueEvent{sale(w.imvu, "x", 5), sale(w.imvu, "y", -5)}})))
	f.Add([]byte{})
	snapshot := w.a.Snapshot()
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := state.Restore(w.chain, snapshot)
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.Apply(w.index+1, 1, data, w.look)
		if err != nil {
			if s.Hash() != w.a.Hash() {
				t.Fatalf("after %v the state has changed", err)
			}
			return
		}
		if !out.Repeated && (len(out.Record.Entries) == 0 || len(out.Decision.Verdicts) != 17) {
			t.Fatalf("%d entries, %d verdicts", len(out.Record.Entries), len(out.Decision.Verdicts))
		}
	})
}

// FuzzBody signs any body under any kind by a key that may do much, so that what is behind the signatures is reached.
func FuzzBody(f *testing.F) {
	w := newTown(f)
	for i, body := range []any{state.UnitCreate{Name: "N", Percent: 55, OwnerName: "eve", OwnerKey: signer(50).Public()},
		state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{sale(w.imvu, "x", 5)}},
		state.RevenuePost{Source: state.OperatorSource, FirstSeq: 1, Events: []state.RevenueEvent{sale(w.imvu, "", -5)}},
		state.SourceRegister{Name: "s", Class: 1, Key: signer(51).Public()}, state.SliceSet{Class: "bulk", GuaranteedBps: 1},
		state.RouteSet{Host: "a.b", Backend: "http://127.0.0.1:1"}, state.IdentityChange{Old: w.ada.Public(), New: signer(52).Public()},
		state.NodeAdmit{Key: signer(53).Public()}, state.UnitScale{CPUMilli: 1}, state.AuditFinding{Code: "c"}} {
		for kind := range len(state.Kinds()) {
			f.Add(uint8(kind), uint8(i), nexus.Encode(body))
		}
	}
	snapshot := w.a.Snapshot()
	f.Fuzz(func(t *testing.T, kind, who uint8, body []byte) {
		s, err := state.Restore(w.chain, snapshot)
		if err != nil {
			t.Fatal(err)
		}
		actor := []nexus.Signer{w.operator, w.ada, w.node, w.world.platform}[who%4]
		unit := []nexus.ID{{}, w.imvu, w.platform, w.probe, {1}}[who/4%5]
		mine := *w.world // what signs reports to this t
		mine.t = t
		cmd := mine.command(mine.action(actor, state.Kinds()[int(kind)%len(state.Kinds())], unit, body))
		out, err := s.Apply(w.index+1, 1, cmd, w.look)
		if err != nil {
			t.Fatalf("a known kind halts the machine: %v", err)
		}
		if out.Record.Root != s.Chain.Root() {
			t.Fatal("the record does not end where the log ends")
		}
	})
}

// FuzzRestore gives any bytes as a snapshot: refused, or restored to a state with that very snapshot.
func FuzzRestore(f *testing.F) {
	w := newTown(f)
	f.Add(w.a.Snapshot())
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := state.Restore(w.chain, data)
		if err == nil && len(s.Units) == len(w.a.Units) {
			_ = s.DesiredHash()
		}
		if err != nil && s != nil {
			t.Fatal("a refused snapshot gives a state")
		}
	})
}
