//go:build unix

package bundle_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bundle"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// In the place of a file may stand anything that has its name. A pipe without a writer would never end, a link leads out of the folder; each
// is a finding, whoever reads the folder: the recipients' checker follows links, the node's does not.
func TestOnlyPlainFilesAreRead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	unit, _ := r.populate()
	good := r.bundle(unit)
	for _, name := range []string{verify.ManifestFile, verify.SignatureFile, verify.ExportFile, "unit.json"} {
		for what, stand := range map[string]func(path string) error{
			"a pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
			"a link":   func(path string) error { return os.Symlink(filepath.Join(good.Dir, name), path) },
			"a folder": func(path string) error { return os.Mkdir(path, 0o700) },
		} {
			dir := copyTree(t, good.Dir)
			remove(name)(t, dir)
			if err := stand(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			for by, check := range map[string]func() (verify.BundleReport, error){
				"node": func() (verify.BundleReport, error) { return bundle.Check(context.Background(), dir, r.eng.NodeKey()) },
				"recipients": func() (verify.BundleReport, error) {
					return verify.CheckBundle(context.Background(), os.DirFS(dir), verify.Options{Key: r.eng.NodeKey()})
				},
			} {
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					if rep, err := check(); err != nil || rep.Clean() || !strings.HasPrefix(rep.Findings[0], name+": is ") {
						t.Errorf("%s in place of %s, %s: findings %q, %v", what, name, by, rep.Findings, err)
					}
				}()
				select {
				case <-ended:
				case <-time.After(20 * time.Second):
					t.Fatalf("%s in place of %s: the check of the %s does not end", what, name, by)
				}
			}
		}
	}
}

// What is demanded of a checkpoint is demanded of a bundle's too: cosignatures, and the history seen before.
func TestABundleIsHeldToWitnessesAndToWhatWasSeen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	unit, _ := r.populate()
	good := r.bundle(unit)
	k, err := verify.NewWitnessKey("witness.example", key(44).Public())
	if err != nil {
		t.Fatal(err)
	}
	m := &good.Report.Manifest
	body, _, _ := strings.Cut(m.Checkpoint, "\n\n")
	sig, err := key(44).Sign(verify.CosignatureMessage(body+"\n", 1_800_000_000))
	if err != nil {
		t.Fatal(err)
	}
	plain := verify.Options{Key: r.eng.NodeKey()}
	demanding := plain
	demanding.Witnesses, demanding.Quorum = []verify.WitnessKey{k}, 1
	other := plain
	other.Pinned = []verify.Pin{{Size: m.Size, Root: nexus.Hash{1}}}
	cosigned := copyTree(t, good.Dir)
	line := k.CosignatureLine(1_800_000_000, sig)
	quoted := func(s string) string { return strings.TrimSuffix(jsonText(t, s), `"`) }
	edit("export.jsonl", quoted(m.Checkpoint), quoted(m.Checkpoint+line))(t, cosigned)
	retrail(t, filepath.Join(cosigned, "export.jsonl"))
	r.resign(t, cosigned, unit, func(m *verify.Manifest) { m.Checkpoint += line })
	for name, c := range map[string]struct {
		dir  string
		o    verify.Options
		want string // "": clean
	}{
		"nothing demanded":   {good.Dir, plain, ""},
		"cosigned by nobody": {good.Dir, demanding, "cosigned by 0 of the 1 witnesses"},
		"cosigned":           {cosigned, demanding, ""},
		"another history":    {good.Dir, other, "another root than the checkpoint seen before"},
	} {
		rep, err := verify.CheckBundle(context.Background(), os.DirFS(c.dir), c.o)
		if err != nil || rep.Clean() != (c.want == "") || !strings.Contains(strings.Join(rep.Findings, "\n"), c.want) {
			t.Errorf("%s: findings %q, %v", name, rep.Findings, err)
		}
		if c.dir == cosigned && rep.Export.Cosigners != 1 {
			t.Errorf("%s: %d cosigners", name, rep.Export.Cosigners)
		}
	}
}

// A kept bundle that went, or was changed, is brought back by the same import once more; one that stands whole is left alone.
func TestTakingInAgainMendsWhatWasKept(t *testing.T) {
	t.Parallel()
	from, to := newRig(t), newRig(t)
	unit, ada := from.populate()
	got := from.leave(unit, ada)
	take := func() state.UnitImportSlice {
		t.Helper()
		wish, err := bundle.Take(context.Background(), to.eng, got.Dir, from.eng.NodeKey(), to.keys.Operator.Public())
		if err != nil {
			t.Fatal(err)
		}
		return wish
	}
	to.must(to.keys.Operator, state.KindUnitImport, nexus.ID{}, take().Body())
	kept := engine.ImportPath(to.eng.DataDir(), got.Report.Digest)
	for name, harm := range map[string]func(){
		"gone":    func() { _ = os.RemoveAll(kept) },
		"changed": func() { appendTo(t, filepath.Join(kept, "unit.json"), " ") },
		"none":    func() {},
	} {
		harm()
		before, _ := os.Stat(kept)
		take()
		sameTree(t, got.Dir, kept)
		if after, err := os.Stat(kept); err != nil || name == "none" && !os.SameFile(before, after) {
			t.Errorf("%s: kept anew, %v", name, err)
		}
	}
	if left := to.bundle(unit); len(left.Report.Came) != 1 {
		t.Errorf("came with %+v", left.Report.Came)
	}
}

// Many who take the same bundle in at once: each is told that it was kept or that another does it, and it is kept whole.
func TestManyTakeTheSameBundleIn(t *testing.T) {
	t.Parallel()
	from, to := newRig(t), newRig(t)
	unit, ada := from.populate()
	got := from.leave(unit, ada)
	results := make(chan error, 8)
	for range cap(results) {
		go func() {
			_, err := bundle.Take(context.Background(), to.eng, got.Dir, from.eng.NodeKey(), to.keys.Operator.Public())
			results <- err
		}()
	}
	done := 0
	for range cap(results) {
		switch err := <-results; {
		case err == nil:
			done++
		case nexus.CodeOf(err) != nexus.CodeConflict:
			t.Errorf("%v", err)
		}
	}
	if done == 0 {
		t.Error("nobody took it in")
	}
	sameTree(t, got.Dir, engine.ImportPath(to.eng.DataDir(), got.Report.Digest))
	list, err := os.ReadDir(filepath.Join(to.eng.DataDir(), engine.ImportsDir))
	if err != nil || len(list) != 2 {
		t.Errorf("imports holds %v, %v", list, err)
	}
}

// Nobody fills the node's disk with bundles that they could not import: another creator, or somebody unknown, is refused before a byte is kept.
func TestOthersBundlesAreNotTakenIn(t *testing.T) {
	t.Parallel()
	from, to := newRig(t), newRig(t)
	unit, ada := from.populate()
	got := from.leave(unit, ada)
	bob := key(5)
	to.must(bob, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "bob", Key: bob.Public(), Role: 2})
	for name, by := range map[string]nexus.PublicKey{"another creator": bob.Public(), "the owner, not known here": ada.Public()} {
		if _, err := bundle.Take(context.Background(), to.eng, got.Dir, from.eng.NodeKey(), by); nexus.CodeOf(err) != nexus.CodeRefused {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list, err := os.ReadDir(filepath.Join(to.eng.DataDir(), engine.ImportsDir)); err == nil || len(list) != 0 {
		t.Errorf("kept %v", list)
	}
	to.must(ada, state.KindIdentityIssue, nexus.ID{}, state.IdentityIssue{Name: "ada", Key: ada.Public(), Role: 2})
	wish, err := bundle.Take(context.Background(), to.eng, got.Dir, from.eng.NodeKey(), ada.Public())
	if err != nil {
		t.Fatal(err)
	}
	to.must(ada, state.KindUnitImport, nexus.ID{}, wish.Body())
}
