package state_test

import (
	"net/url"
	"path/filepath"
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
		state.SliceSessions{Sessions: 1}, state.SliceShort{Open: true, UntilMs: 2, GuaranteedBps: 1, Windows: 2, Short: 1, WorstPpm: 1},
		state.ClusterRekey{Generation: 2},
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

// FuzzParseBackend: what is accepted is one of the two forms in its only spelling.
func FuzzParseBackend(f *testing.F) {
	for _, s := range []string{"http://127.0.0.1:80", "http://localhost:8080", "http://[::1]:443", "dir:/srv/site", "dir:/a/../b", "http://127.0.0.1:080",
		"http://127.0.0.1:0", "http://a.b:99999", "http://user@127.0.0.1:1", "http://127.0.0.1:1/x", "dir:", "", "http://"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		addr, dir, err := state.ParseBackend(s)
		switch {
		case err != nil:
			if nexus.CodeOf(err) != nexus.CodeMalformed || addr != "" || dir != "" {
				t.Fatalf("%q: %q, %q, %v", s, addr, dir, err)
			}
		case (addr == "") == (dir == ""):
			t.Fatalf("%q gives address %q and folder %q", s, addr, dir)
		case dir != "" && (s != "dir:"+dir || !filepath.IsAbs(dir) || filepath.Clean(dir) != dir):
			t.Fatalf("%q gives folder %q", s, dir)
		case addr != "":
			u, err := url.Parse(s)
			if err != nil || s != "http://"+addr || u.Host != addr || u.Port() == "" || u.User != nil || u.Path != "" {
				t.Fatalf("%q gives address %q, as a URL %+v, %v", s, addr, u, err)
			}
		}
	})
}
