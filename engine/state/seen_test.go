package state_test

import (
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// A machine that trusts what the door has checked takes those very bytes and no others: one bit more and it looks for itself. And what
// it makes of them is, byte for byte, what a machine makes that checks everything.
func TestSeenSignatures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var seen state.Seen
	w.a.Trust(&seen) // one replica of two: apply compares them after every command
	honest := w.command(w.action(w.operator, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "Shop", OwnerName: "ada", OwnerKey: signer(31).Public()}))
	var cmd state.Command
	if err := nexus.Decode(honest, &cmd); err != nil {
		t.Fatal(err)
	}
	forget := seen.Note(&cmd, honest)
	if out := w.apply(honest); !out.Receipt.Allowed {
		t.Fatalf("an honest command: %+v", out.Receipt)
	}
	forget()

	// The bytes of another command were checked; these are one bit off.
	sound := w.command(w.action(w.operator, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "Two", OwnerName: "ada"}))
	if err := nexus.Decode(sound, &cmd); err != nil {
		t.Fatal(err)
	}
	defer seen.Note(&cmd, sound)()
	cmd.Action.Signature[5] ^= 1
	if out := w.apply(nexus.Encode(cmd)); out.Receipt.Allowed {
		t.Error("a forged signature was taken for one that had been checked")
	}

	// Evidence that does not fit is not remembered, so that the machine finds out like any other.
	forged := w.command(w.action(w.operator, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "Three", OwnerName: "ada"}))
	if err := nexus.Decode(forged, &cmd); err != nil {
		t.Fatal(err)
	}
	cmd.Evidence.Signature[5] ^= 1
	forged = nexus.Encode(cmd)
	defer seen.Note(&cmd, forged)()
	if out := w.apply(forged); out.Receipt.Allowed {
		t.Error("evidence that no node signed was taken")
	}
	w.check()
	w.replay()
}
