package bundle_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bundle"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// A populated unit leaves one cluster and lives on in another: same id, same rule, its past as evidence; a second move carries the first.
func TestAUnitMovesWithItsHistory(t *testing.T) {
	t.Parallel()
	from, to, third := newRig(t), newRig(t), newRig(t)
	unit, ada := from.populate()
	var before state.Account
	from.eng.View(func(s *state.State) { before = *s.Accounts[state.AccountKey{Unit: unit, Currency: "USD"}] })
	first := from.leave(unit, ada)
	if rep := first.Report; rep.Statements != 2 || rep.Export.Entries < 20 {
		t.Fatalf("bundle %+v", rep)
	}
	wish, err := bundle.Take(context.Background(), to.eng, first.Dir, from.eng.NodeKey(), to.keys.Operator.Public())
	if err != nil {
		t.Fatal(err)
	}
	rec := to.must(to.keys.Operator, state.KindUnitImport, nexus.ID{}, wish.Body())
	var made state.UnitImported
	if err := nexus.Decode(rec.Result, &made); err != nil || made.ID != unit || made.Known || made.Label != "IMVU-001" {
		t.Fatalf("imported as %+v, %v", made, err)
	}
	to.eng.View(func(s *state.State) {
		got := s.ImportsOf(unit)
		want := state.ImportedBalance{Currency: "USD", Gross: before.Gross, Creator: before.Creator, Platform: before.Platform}
		if len(got) != 1 || len(got[0].Balances) != 1 || got[0].Balances[0] != want || got[0].Manifest != first.Report.Digest {
			t.Errorf("imported %+v, want %+v", got, want)
		}
		if s.Accounts[state.AccountKey{Unit: unit, Currency: "USD"}] != nil {
			t.Error("the past became an account of this platform")
		}
		if n := s.SessionCap(unit); n != 321 {
			t.Errorf("it left with a cap of 321 sessions and has one of %d", n)
		}
	})
	to.sell(unit, "new", 100, "") // and an event id of the past may come again here: it is another platform's
	to.sell(unit, "a", 1, "")
	second := to.leave(unit, ada)
	if len(second.Report.Came) != 1 || second.Report.Came[0].Digest != first.Report.Digest {
		t.Fatalf("the second bundle came with %+v", second.Report.Came)
	}
	inner := filepath.Join(second.Dir, verify.ImportedDir, first.Report.Digest.String())
	sameTree(t, first.Dir, inner)

	// The same once more: a third cluster sees both pasts, each under its own log's key.
	wish, err = bundle.Take(context.Background(), third.eng, second.Dir, to.eng.NodeKey(), third.keys.Operator.Public())
	if err != nil {
		t.Fatal(err)
	}
	third.must(ada, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "ada", Key: ada.Public(), Role: 2})
	third.must(ada, state.KindUnitImport, nexus.ID{}, wish.Body())
	last := third.bundle(unit)
	if len(last.Report.Came) != 1 || len(last.Report.Came[0].Came) != 1 {
		t.Errorf("the third bundle came with %+v", last.Report.Came)
	}
	if again := third.must(ada, state.KindUnitImport, nexus.ID{}, wish.Body()); nexus.Decode(again.Result, &made) != nil || !made.Known {
		t.Errorf("taken in twice: %+v", made)
	}
	swapImported(t, to, second, from.bundle(unit), first.Report.Digest)
	// And all three logs still verify.
	for _, r := range []*rig{from, to, third} {
		if rep, err := r.eng.Verify(context.Background()); err != nil || len(rep.Findings) > 0 || rep.Verified != rep.Entries {
			t.Errorf("ledger: %+v, %v", rep, err)
		}
	}
}

// swapImported puts another bundle of the same unit and log in the place of the one that was taken in, signed by the node that took it.
func swapImported(t *testing.T, by *rig, outer, other bundle.Received, taken nexus.Hash) {
	t.Helper()
	dir := copyTree(t, outer.Dir)
	place := filepath.Join(dir, verify.ImportedDir, taken.String())
	if err := os.RemoveAll(place); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(place, os.DirFS(other.Dir)); err != nil {
		t.Fatal(err)
	}
	by.resign(t, dir, outer.Report.Manifest.Unit.ID, nil)
	rep, err := bundle.Check(context.Background(), dir, by.eng.NodeKey())
	if err != nil || !strings.Contains(strings.Join(rep.Findings, "\n"), "is another bundle than the one that was taken in") {
		t.Errorf("another imported bundle: %q, %v", rep.Findings, err)
	}
}

func sameTree(t *testing.T, a, b string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(a, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		rel, _ := filepath.Rel(a, path)
		x, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		y, err := os.ReadFile(filepath.Join(b, rel))
		if err != nil || !bytes.Equal(x, y) {
			t.Errorf("%s differs: %v", rel, err)
		}
		return nil
	})
	if err != nil || files < 20 {
		t.Errorf("%d files compared, %v", files, err)
	}
}

func TestAnExitWantsThisNodesBundle(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	unit, ada := r.populate()
	r.must(ada, state.KindExitBegin, unit, state.ExitBegin{})
	m := r.bundle(unit).Report.Manifest
	body := state.ExitComplete{Manifest: nexus.Hash{1}, Size: m.Size, UnitSeq: m.UnitSeq, UnitHead: m.UnitHead, Files: 1, Bytes: 1}
	for name, change := range map[string]func(*state.ExitComplete){
		"one entry less": func(b *state.ExitComplete) { b.UnitSeq-- },
		"another head":   func(b *state.ExitComplete) { b.UnitHead[3] ^= 1 },
		"shorter log":    func(b *state.ExitComplete) { b.Size -= 5 },
	} {
		wrong := body
		change(&wrong)
		size := r.eng.Store().Size()
		if _, err := r.do(ada, state.KindExitComplete, unit, wrong); nexus.CodeOf(err) != nexus.CodeConflict || r.eng.Store().Size() != size {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.sell(unit, "meanwhile", 5, "") // service goes on while the bundle is fetched
	r.must(ada, state.KindExitComplete, unit, body)
}

func TestAnImportWantsItsEvidence(t *testing.T) {
	t.Parallel()
	from, to := newRig(t), newRig(t)
	unit, ada := from.populate()
	got := from.leave(unit, ada)
	wish, err := bundle.Evidence(got.Dir, &got.Report)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.do(to.keys.Operator, state.KindUnitImport, nexus.ID{}, wish.Body()); nexus.CodeOf(err) != nexus.CodeConflict {
		t.Errorf("without the bundle: %v", err)
	}
	if _, err := bundle.Take(context.Background(), to.eng, got.Dir, key(66).Public(), to.keys.Operator.Public()); nexus.CodeOf(err) != nexus.CodeCorrupt {
		t.Errorf("under another key: %v", err)
	}
	if _, err := bundle.Take(context.Background(), to.eng, got.Dir, from.eng.NodeKey(), to.keys.Operator.Public()); err != nil {
		t.Fatal(err)
	}
	stolen := wish
	stolen.Evidence.Owner = key(9).Public()
	if _, err := to.do(to.keys.Operator, state.KindUnitImport, nexus.ID{}, stolen.Body()); nexus.CodeOf(err) != nexus.CodeConflict {
		t.Errorf("for another owner: %v", err)
	}
	to.must(to.keys.Operator, state.KindUnitImport, nexus.ID{}, wish.Body())
	// A node whose evidence went says so instead of writing a bundle without it.
	if err := os.RemoveAll(engine.ImportPath(to.eng.DataDir(), got.Report.Digest)); err != nil {
		t.Fatal(err)
	}
	if _, err := to.receive(unit, &bundle.Receiver{Target: filepath.Join(t.TempDir(), "x")}); err == nil {
		t.Error("a bundle without its imported history was written")
	}
}

// resign lets the node's own key sign what was changed: what remains is found by the content alone.
func (r *rig) resign(t *testing.T, dir string, unit nexus.ID, change func(*verify.Manifest)) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, verify.ManifestFile))
	if err != nil {
		t.Fatal(err)
	}
	var m verify.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	for i := range m.Files {
		b, err := os.ReadFile(filepath.Join(dir, m.Files[i].Path))
		if err == nil {
			m.Files[i].Size, m.Files[i].SHA256 = int64(len(b)), sha(b)
		}
	}
	if change != nil {
		change(&m)
	}
	if raw, err = m.Bytes(); err != nil {
		t.Fatal(err)
	}
	signature, err := r.eng.SignBundle(unit, raw)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{verify.ManifestFile: raw, verify.SignatureFile: []byte(signature)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// The slice's contract in a bundle names the session cap that the owner set.
func TestTheBundleNamesTheSessionCap(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	unit, _ := r.populate()
	raw, err := os.ReadFile(filepath.Join(r.bundle(unit).Dir, "slice.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s bundle.Slice
	if err := json.Unmarshal(raw, &s); err != nil || s.MaxSessions != 321 {
		t.Errorf("the slice is %+v, %v", s, err)
	}
}
