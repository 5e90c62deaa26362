package identity

import (
	"os"
	"path/filepath"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// TestCrashWhileCreating puts a data directory into every state that a crash of NewGenesis can leave, and starts again.
func TestCrashWhileCreating(t *testing.T) {
	t.Parallel()
	whole, g := devCluster(t)
	names := []string{}
	for _, e := range must[[]os.DirEntry](t)(os.ReadDir(filepath.Join(whole, KeysDir))) {
		names = append(names, e.Name())
	}

	// Before the commit point: any part of the files in the new stage. The start makes a cluster as if nothing had been.
	for n := range len(names) + 1 {
		dir := filepath.Join(t.TempDir(), "data")
		for _, name := range names[:n] {
			writeFile(t, KeyPath(filepath.Join(dir, stageNew), name), readFile(t, KeyPath(whole, name)))
		}
		writeFile(t, filepath.Join(dir, stageNew, KeysDir, ".node.7.tmp"), []byte("half"))
		fresh := must[Genesis](t)(NewGenesis(dir, GenesisOptions{Profile: ProfileDev}))
		if fresh.Cluster == g.Cluster {
			t.Fatal("the abandoned cluster came back")
		}
		mustBeWhole(t, dir, fresh)
	}

	// After it: the first n keys are in place, with the last step the genesis too. The start completes the same cluster.
	for n := range len(names) + 2 {
		dir := filepath.Join(t.TempDir(), "data")
		ready := filepath.Join(dir, stageReady)
		if err := os.MkdirAll(filepath.Join(ready, KeysDir), dirMode); err != nil {
			t.Fatal(err)
		}
		for i, name := range names {
			to := KeyPath(ready, name)
			if i < n {
				to = KeyPath(dir, name)
			}
			writeFile(t, to, readFile(t, KeyPath(whole, name)))
		}
		to := filepath.Join(ready, GenesisFile)
		if n > len(names) {
			to = filepath.Join(dir, GenesisFile)
		}
		writeFile(t, to, readFile(t, filepath.Join(whole, GenesisFile)))
		if f := CheckFiles(dir); len(f) != 1 {
			t.Fatalf("interrupted after %d moves, yet findings %v", n, f)
		}
		if did := must[[]string](t)(Recover(dir)); len(did) != 1 {
			t.Errorf("did %v", did)
		}
		mustBeWhole(t, dir, g)
		_, err := NewGenesis(dir, GenesisOptions{Profile: ProfileDev})
		wantCode(t, err, nexus.CodeConflict)
	}
}

func mustBeWhole(t *testing.T, dir string, want Genesis) {
	t.Helper()
	if got := must[Genesis](t)(ReadGenesis(dir)); got.Hash() != want.Hash() {
		t.Fatal("another genesis")
	}
	if keys := must[Keys](t)(LoadKeys(dir, want)); keys.Operator == nil {
		t.Fatal("no operator key")
	}
	if f := CheckFiles(dir); len(f) != 0 {
		t.Fatal(f)
	}
	if entries := must[[]os.DirEntry](t)(os.ReadDir(dir)); len(entries) != 2 {
		t.Fatalf("left behind: %v", entries)
	}
	if did := must[[]string](t)(Recover(dir)); len(did) != 0 {
		t.Fatalf("nothing to do, yet did %v", did)
	}
}

func TestRecoverRemovesTemporaries(t *testing.T) {
	t.Parallel()
	dir, g := devCluster(t)
	writeFile(t, filepath.Join(dir, "."+GenesisFile+".5.tmp"), []byte("half"))
	writeFile(t, filepath.Join(dir, ".ledger.5.tmp"), []byte("of somebody else"))
	if did := must[[]string](t)(Recover(dir)); len(did) != 1 {
		t.Errorf("did %v", did)
	}
	if !exists(filepath.Join(dir, ".ledger.5.tmp")) {
		t.Error("removed a file of another package")
	}
	must[Keys](t)(LoadKeys(dir, g))
}

func TestPlaceFileReplacesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, stageReady, KeysDir, "node"), []byte("new"))
	writeFile(t, KeyPath(dir, "node"), []byte("old"))
	_, err := Recover(dir)
	wantCode(t, err, nexus.CodeConflict, KeyPath(dir, "node"))
	if got := string(readFile(t, KeyPath(dir, "node"))); got != "old" {
		t.Errorf("key is now %q", got)
	}
}

func TestUnwritableDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, nil)
	_, err := NewGenesis(filepath.Join(file, "data"), GenesisOptions{Profile: ProfileDev})
	if err == nil {
		t.Fatal("made a cluster below a file")
	}
	_, err = GenerateKey("/proc/nexus/key", "")
	if err == nil {
		t.Fatal("made a key in /proc")
	}
}
