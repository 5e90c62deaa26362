package state_test

import (
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// recorded is a session of eve's that ended now.
func recorded(w *house, id string) state.SessionRecord {
	return state.SessionRecord{Session: id, Key: w.eve.Public(), StartMs: w.now - 60_000, EndMs: w.now, Bytes: 512, SHA256: nexus.Hash{7}, Truncated: true}
}

// Only a node may state what it showed; each session is recorded once, and the record outlives a snapshot.
func TestSessionsAreRecordedByNodesOnly(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	w.now = 10 * hourMs
	first := recorded(w, "00aa11bb22")
	for _, who := range []nexus.KeySigner{w.eve, w.bob, w.operator} {
		if out := w.do(who, state.KindSessionRecord, nexus.ID{}, first); out.Receipt.Allowed {
			t.Error("somebody else than a node states a recording")
		}
	}
	if len(w.a.Recordings()) != 0 {
		t.Fatal("a refused recording is kept")
	}
	out := w.must(w.node, state.KindSessionRecord, nexus.ID{}, first)
	entries := entriesOf(t, out, ledger.KindRecording)
	if len(entries) != 1 {
		t.Fatalf("%d entries", len(entries))
	}
	body, ok := state.DescribeBody(ledger.KindRecording, entries[0].Body).(*state.RecordingEntry)
	if !ok || body.Record != first || body.Node != w.node.Public() || !entries[0].Unit.IsZero() {
		t.Errorf("the entry holds %+v", body)
	}
	if again := w.do(w.node, state.KindSessionRecord, nexus.ID{}, first); nexus.CodeOf(again.Err) != nexus.CodeConflict {
		t.Errorf("the same session twice: %v", again.Err)
	}
	w.swap()
	if list := w.a.Recordings(); len(list) != 1 || list[0] != *body {
		t.Errorf("kept: %+v", list)
	}
	w.check()
}

func TestARecordingThatContradictsItselfIsRefused(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	w.now = 10 * hourMs
	for name, c := range map[string]struct {
		change func(*state.SessionRecord)
		want   nexus.Code
	}{
		"short id":     {func(r *state.SessionRecord) { r.Session = "00aa" }, nexus.CodeMalformed},
		"upper case":   {func(r *state.SessionRecord) { r.Session = "00AA11BB22" }, nexus.CodeMalformed},
		"backwards":    {func(r *state.SessionRecord) { r.EndMs = r.StartMs - 1 }, nexus.CodeMalformed},
		"in future":    {func(r *state.SessionRecord) { r.EndMs = w.now + hourMs }, nexus.CodeMalformed},
		"empty":        {func(r *state.SessionRecord) { r.Bytes = 0 }, nexus.CodeMalformed},
		"no digest":    {func(r *state.SessionRecord) { r.SHA256 = nexus.Hash{} }, nexus.CodeMalformed},
		"unknown key":  {func(r *state.SessionRecord) { r.Key = nexus.PublicKey{9} }, nexus.CodeNotFound},
		"whole, taken": {func(*state.SessionRecord) {}, ""},
	} {
		r := recorded(w, "00aa11bb22")
		c.change(&r)
		if out := w.do(w.node, state.KindSessionRecord, nexus.ID{}, r); nexus.CodeOf(out.Err) != c.want || c.want == "" && !out.Receipt.Allowed {
			t.Errorf("%s: %v, want %q", name, out.Err, c.want)
		}
	}
	w.check()
}
