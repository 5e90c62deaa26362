package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger/backup"
)

// backUp adds a part to the backup in dir.
func (r *rig) backUp(dir string) backup.Part {
	r.t.Helper()
	parts, err := backup.Open(dir)
	if err != nil && nexus.CodeOf(err) != nexus.CodeNotFound {
		r.t.Fatal(err)
	}
	h := backup.Header{Cluster: r.gen.Cluster}
	var from, size uint64
	if len(parts) == 0 {
		h.Genesis = r.gen.MarshalFile()
	} else {
		from, size = parts[len(parts)-1].ToIndex, parts[len(parts)-1].ToSize
	}
	var answer bytes.Buffer
	if err := r.eng.Backup(&answer, from, size); err != nil {
		r.t.Fatal(err)
	}
	p, err := backup.Append(dir, parts, h, &answer)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// sell posts n sales of a unit in one action.
func (r *rig) sell(unit nexus.ID, name string, n int) {
	r.t.Helper()
	post := state.RevenuePost{Source: state.OperatorSource}
	for i := range n {
		post.Events = append(post.Events, state.RevenueEvent{Unit: unit, EventID: fmt.Sprintf("%s-%d", name, i), Kind: "sale", Currency: "USD",
			Minor: int64(i) + 1, TimeMs: 1})
	}
	if _, err := r.do(r.operator(), state.KindRevenuePost, nexus.ID{}, post); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) facts() (hash, root nexus.Hash, size uint64) {
	r.eng.View(func(s *state.State) { hash, root, size = s.Hash(), s.Chain.Root(), s.Chain.Size() })
	return hash, root, size
}

func copyKeys(t *testing.T, from, to string) {
	t.Helper()
	copyTree(t, filepath.Join(from, identity.KeysDir), filepath.Join(to, identity.KeysDir))
}

// A backup made in parts while the node serves gives, restored elsewhere, the same state, root and stored entries; the
// restored node goes on, backs up into the same directory, and starts again.
func TestBackupRestores(t *testing.T) {
	t.Parallel()
	r, parts := newRig(t), filepath.Join(t.TempDir(), "backup")
	r.fill(2000)
	r.backUp(parts)
	unit := r.create("Later", "owner", testKey(1).Public())
	r.sell(unit, "later", 40)
	p := r.backUp(parts)
	hash, root, size := r.facts()
	if p.Part != 2 || p.ToSize != size || p.Records == 0 || p.Records > 3 {
		t.Fatalf("second part %d holds %d records up to entry %d of %d", p.Part, p.Records, p.ToSize, size)
	}
	r.close()
	to := filepath.Join(t.TempDir(), "restored")
	seen := func(nexus.ID) (uint64, nexus.Hash, error) { return size, root, nil }
	got, err := engine.Restore(context.Background(), engine.RestoreConfig{Backup: parts, DataDir: to, Seen: seen})
	if err != nil || got.Root != root || got.Entries != size || !got.NoKeys || got.Parts != 2 {
		t.Fatalf("restored %+v, %v; want root %s of %d entries", got, err, root, size)
	}
	copyKeys(t, r.dir, to)
	if found, err := engine.CheckFiles(to); err != nil || len(found) > 0 {
		t.Fatalf("restored files: %v, %v", found, err)
	}
	r.dir = to
	for round := range 2 {
		r.open()
		if h, rt, s := r.facts(); round == 0 && (h != hash || rt != root || s != size) {
			t.Fatalf("the restored state differs: %d entries of %d", s, size)
		}
		r.sell(unit, fmt.Sprintf("after-%d", round), 5)
		r.backUp(parts)
		if rep, err := r.eng.Verify(context.Background()); err != nil || len(rep.Findings) > 0 {
			t.Fatalf("verify after the restore: %v, %v", rep.Findings, err)
		}
		r.close()
	}
	if _, err := engine.Restore(context.Background(), engine.RestoreConfig{Backup: parts, DataDir: t.TempDir(), Check: true, Seen: seen}); err != nil {
		t.Errorf("check of all four parts: %v", err)
	}
	if _, err := engine.Restore(context.Background(), engine.RestoreConfig{Backup: parts, DataDir: to}); nexus.CodeOf(err) != nexus.CodeConflict {
		t.Errorf("restore over a ledger: %v", err)
	}
}

// hostile hurts copies of a backup and demands that the restore refuses.
type hostile struct {
	t              *testing.T
	parts, foreign string
	random         *rand.Rand
}

func partFile(n int) string { return fmt.Sprintf("part-%06d.nxb", n) }

func (h hostile) refused(name string, want nexus.Code, cfg engine.RestoreConfig, hurt func(t *testing.T, dir string)) {
	h.t.Run(name, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "copy")
		copyTree(t, h.parts, dir)
		hurt(t, dir)
		cfg.Backup = dir
		if cfg.DataDir == "" {
			cfg.DataDir = filepath.Join(t.TempDir(), "data")
		}
		if got, err := engine.Restore(context.Background(), cfg); nexus.CodeOf(err) != want {
			t.Fatalf("restored %+v, %v; want %s", got, err, want)
		}
		if _, err := os.Stat(filepath.Join(cfg.DataDir, engine.RestoringDir)); err == nil {
			t.Error("left a half-built ledger")
		}
	})
}

func changePart(t *testing.T, dir string, n int, fn func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(dir, partFile(n))
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, fn(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func removePart(n int) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		if err := os.Remove(filepath.Join(dir, partFile(n))); err != nil {
			t.Fatal(err)
		}
	}
}

// bytes hurts part n at random places.
func (h hostile) bytes(n int) {
	none := engine.RestoreConfig{}
	for range 12 {
		h.refused(fmt.Sprintf("flip in part %d", n), nexus.CodeCorrupt, none, func(t *testing.T, dir string) {
			changePart(t, dir, n, func(b []byte) []byte {
				at := h.random.IntN(len(b))
				b[at] ^= 1 << h.random.IntN(8)
				t.Logf("byte %d of %d", at, len(b))
				return b
			})
		})
		h.refused(fmt.Sprintf("cut of part %d", n), nexus.CodeCorrupt, none, func(t *testing.T, dir string) {
			changePart(t, dir, n, func(b []byte) []byte { return b[:h.random.IntN(len(b))] })
		})
	}
	h.refused(fmt.Sprintf("part %d longer", n), nexus.CodeCorrupt, none, func(t *testing.T, dir string) {
		changePart(t, dir, n, func(b []byte) []byte { return append(b, 0) })
	})
	h.refused(fmt.Sprintf("part %d of another cluster", n), nexus.CodeCorrupt, none, func(t *testing.T, dir string) {
		b, err := os.ReadFile(filepath.Join(h.foreign, partFile(n)))
		if err != nil {
			t.Fatal(err)
		}
		changePart(t, dir, n, func([]byte) []byte { return b })
	})
}

// Whatever happens to a backup's files is refused, and the data directory stays without a ledger.
func TestHostileBackups(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	r := newRig(t)
	h := hostile{t: t, parts: filepath.Join(t.TempDir(), "backup"), foreign: filepath.Join(t.TempDir(), "foreign"),
		random: rand.New(rand.NewPCG(seed, 0))}
	unit := r.create("First", "owner", testKey(1).Public())
	other := newRig(t)
	for i := range 3 {
		r.sell(unit, fmt.Sprint(i), 3)
		r.backUp(h.parts)
		other.create(fmt.Sprintf("Unit %d", i), "owner", testKey(1).Public())
		other.backUp(h.foreign)
	}
	_, root, size := r.facts()
	other.close()
	for n := 1; n <= 3; n++ {
		h.bytes(n)
	}
	none, nothing := engine.RestoreConfig{}, func(*testing.T, string) {}
	h.refused("first part missing", nexus.CodeCorrupt, none, removePart(1))
	h.refused("part in between missing", nexus.CodeCorrupt, none, removePart(2))
	h.refused("parts in another order", nexus.CodeCorrupt, none, func(t *testing.T, dir string) {
		for _, step := range [][2]string{{partFile(2), "x"}, {partFile(3), partFile(2)}, {"x", partFile(3)}} {
			if err := os.Rename(filepath.Join(dir, step[0]), filepath.Join(dir, step[1])); err != nil {
				t.Fatal(err)
			}
		}
	})
	seen := func(back uint64) func(nexus.ID) (uint64, nexus.Hash, error) {
		return func(nexus.ID) (uint64, nexus.Hash, error) { return size - back, root, nil }
	}
	h.refused("newest part missing, later checkpoint seen", nexus.CodeConflict, engine.RestoreConfig{Seen: seen(0)}, removePart(3))
	h.refused("another history seen", nexus.CodeCorrupt, engine.RestoreConfig{Seen: seen(2)}, nothing)
	h.refused("into another cluster's directory", nexus.CodeConflict, engine.RestoreConfig{DataDir: other.dir}, nothing)
	h.refused("empty", nexus.CodeNotFound, none, func(t *testing.T, dir string) { removePart(1)(t, dir); removePart(2)(t, dir); removePart(3)(t, dir) })
}

// Parts of one cluster from two diverged histories do not mix, also when both are signed by the real node.
func TestMixedIncrements(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	unit := r.create("First", "owner", testKey(1).Public())
	one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	r.backUp(one)
	copyTree(t, one, two)
	r.sell(unit, "a", 1)
	r.backUp(two)
	p := r.backUp(one)
	r.sell(unit, "b", 1)
	r.backUp(two)
	third, err := os.ReadFile(filepath.Join(two, "part-000003.nxb"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Open(one); err != nil || p.Part != 2 {
		t.Fatalf("part %d, %v", p.Part, err)
	}
	// The same records were cut at another place: part 3 of one names part 2 of the other.
	r.sell(unit, "c", 1)
	four := filepath.Join(t.TempDir(), "four")
	r.backUp(four)
	r.sell(unit, "d", 1)
	r.backUp(four)
	if err := os.WriteFile(filepath.Join(four, "part-000003.nxb"), third, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Open(four); nexus.CodeOf(err) != nexus.CodeCorrupt {
		t.Fatalf("mixed parts: %v", err)
	}
}

// A restore that was cut short leaves a directory that nothing opens, and the same restore ends it.
func TestUnfinishedRestore(t *testing.T) {
	t.Parallel()
	r, parts := newRig(t), filepath.Join(t.TempDir(), "backup")
	r.create("First", "owner", testKey(1).Public())
	r.backUp(parts)
	_, root, _ := r.facts()
	r.close()
	for _, d := range []string{engine.LedgerDir, engine.RaftDir} {
		if err := os.RemoveAll(filepath.Join(r.dir, d)); err != nil {
			t.Fatal(err)
		}
	}
	// Ledger and log deleted together: without the marker the same cluster would be founded again, silently.
	if err := r.tryOpen(); nexus.CodeOf(err) != nexus.CodeCorrupt {
		t.Fatalf("ledger and log are gone, opening gives %v", err)
	}
	if found, err := engine.CheckFiles(r.dir); err != nil || len(found) == 0 {
		t.Fatalf("ledger and log are gone, the files give %v, %v", found, err)
	}
	for _, d := range []string{engine.LedgerDir, engine.RaftDir, engine.RestoringDir} { // as an end between the two renames leaves it
		if err := os.MkdirAll(filepath.Join(r.dir, d, "half"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.tryOpen(); nexus.CodeOf(err) != nexus.CodeUnfit {
		t.Fatalf("an unfinished restore opens: %v", err)
	}
	got, err := engine.Restore(context.Background(), engine.RestoreConfig{Backup: parts, DataDir: r.dir})
	if err != nil || got.Root != root || got.NoKeys {
		t.Fatalf("restored %+v, %v", got, err)
	}
	r.open()
	if _, again, _ := r.facts(); again != root {
		t.Errorf("root %s, want %s", again, root)
	}
}
