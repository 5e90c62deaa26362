package bundle_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bundle"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// What a unit came with is carried to a backup and back only as the ledger says it was, and what lay at the place damaged is replaced.
func TestBundlesAreCarried(t *testing.T) {
	t.Parallel()
	ctx, from, to := context.Background(), newRig(t), newRig(t)
	unit, ada := from.populate()
	got := from.leave(unit, ada)
	wish, err := bundle.Take(ctx, to.eng, got.Dir, from.eng.NodeKey(), to.keys.Operator.Public())
	if err != nil {
		t.Fatal(err)
	}
	body, kept, back := &wish.Evidence, t.TempDir(), t.TempDir()
	carry := func(from, to string, b *ledger.ImportBody, want nexus.Code) {
		t.Helper()
		err := bundle.Carry(ctx, from, to, b)
		if nexus.CodeOf(err) != want || (want == "") != (err == nil) {
			t.Errorf("carried with %v, want code %q", err, want)
		}
		if whole := bundle.Kept(to, b); whole != (want == "") {
			t.Errorf("after %v the place says that it holds the bundle: %v", err, whole)
		}
	}
	foreign, other := *body, *body
	foreign.Key, other.Seq = key(66).Public(), body.Seq-1
	carry(to.eng.DataDir(), kept, &foreign, nexus.CodeCorrupt)
	carry(to.eng.DataDir(), kept, &other, nexus.CodeCorrupt)
	carry(t.TempDir(), kept, body, nexus.CodeNotFound)
	carry(to.eng.DataDir(), kept, body, "")
	sameTree(t, filepath.Join(to.eng.DataDir(), engine.ImportsDir), filepath.Join(kept, engine.ImportsDir))
	carry(kept, back, body, "")
	hurt := filepath.Join(engine.ImportPath(back, body.Manifest), "unit.json")
	if err := os.WriteFile(hurt, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	carry(kept, back, body, "") // over a damaged one
	sameTree(t, filepath.Join(kept, engine.ImportsDir), filepath.Join(back, engine.ImportsDir))
	appendTo(t, filepath.Join(engine.ImportPath(kept, body.Manifest), "README.txt"), "x")
	carry(kept, back, body, nexus.CodeCorrupt)
}
