package state_test

import (
	"bytes"
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
	forget := seen.Note(&cmd, cmd.Action.Digest(), honest)
	if out := w.apply(honest); !out.Receipt.Allowed {
		t.Fatalf("an honest command: %+v", out.Receipt)
	}
	forget()

	// The bytes of another command were checked; these are one bit off.
	sound := w.command(w.action(w.operator, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "Two", OwnerName: "ada"}))
	if err := nexus.Decode(sound, &cmd); err != nil {
		t.Fatal(err)
	}
	defer seen.Note(&cmd, cmd.Action.Digest(), sound)()
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
	defer seen.Note(&cmd, cmd.Action.Digest(), forged)()
	if out := w.apply(forged); out.Receipt.Allowed {
		t.Error("evidence that no node signed was taken")
	}
	w.check()
	w.replay()
}

// What the door has worked out is taken for the bytes in their place, and for nothing else: neither for equal bytes elsewhere nor after it was
// forgotten. The door here lies about a signature, so that it shows whose word was taken.
func TestSeenIsThePlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(w.operator, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: "Shop", OwnerName: "ada", OwnerKey: signer(31).Public()})
	var seen state.Seen
	forged := func(name string) (state.Command, []byte) {
		a := w.action(w.operator, state.KindIMVUCreate, nexus.ID{}, state.UnitCreate{Name: name, OwnerName: "ada"})
		a.Signature[5] ^= 1
		data := w.command(a)
		var cmd state.Command
		if err := nexus.Decode(data, &cmd); err != nil {
			t.Fatal(err)
		}
		return cmd, data
	}
	both := func(data []byte) bool {
		w.a.Trust(&seen)
		w.b.Trust(&seen)
		return w.apply(data).Receipt.Allowed
	}
	cmd, data := forged("Elsewhere")
	forget := seen.Note(&cmd, cmd.Action.Digest(), data)
	if both(bytes.Clone(data)) {
		t.Error("equal bytes in another place were taken for those of the door")
	}
	forget()
	cmd, data = forged("Forgotten")
	seen.Note(&cmd, cmd.Action.Digest(), data)()
	if both(data) {
		t.Error("a command was remembered after it was forgotten")
	}
	cmd, data = forged("Here")
	defer seen.Note(&cmd, cmd.Action.Digest(), data)()
	if !both(data) {
		t.Error("a command of the door was worked through again")
	}
	if out, err := w.a.Apply(w.index+1, 1, data[:len(data)-1], w.look); err == nil {
		t.Errorf("a command cut short was taken for the whole: %+v", out.Receipt)
	}
	// Bytes that are not the command's are not remembered under its name.
	cmd, data = forged("Other")
	digest := cmd.Action.Digest()
	cmd.Action.Body = bytes.Clone(cmd.Action.Body)
	cmd.Action.Body[len(cmd.Action.Body)-1] ^= 1
	defer seen.Note(&cmd, digest, data)()
	if both(data) {
		t.Error("a command was remembered for bytes that hold another one")
	}
}
