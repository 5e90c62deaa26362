package osfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A replacement that ends before its rename leaves the old file and nothing beside it; one that is whole leaves the new one, the owner's alone.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	holds := func(what, want string) {
		t.Helper()
		b, err := os.ReadFile(path)
		list, err2 := os.ReadDir(dir)
		if err != nil || err2 != nil || string(b) != want || len(list) != 1 {
			t.Errorf("%s: %q, %v; folder %v, %v", what, b, err, list, err2)
		}
	}
	if err := Replace(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	holds("made", "old")
	failed := errors.New("no")
	for _, at := range []ReplaceStep{ReplaceWrite, ReplaceSync, ReplaceRename, ReplaceFolder} {
		var seen []ReplaceStep
		err := ReplaceWatched(path, []byte("new"), func(s ReplaceStep) error {
			if seen = append(seen, s); s == at {
				return failed
			}
			return nil
		})
		if !errors.Is(err, failed) || len(seen) != int(at)+1 {
			t.Errorf("step %d: %v, asked before %v", at, err, seen)
		}
		if at < ReplaceFolder {
			holds("not renamed", "old")
		}
	}
	holds("renamed", "new")
	if err := os.WriteFile(path+TempSuffix, []byte("what a crash left, and longer"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Replace(path, []byte("after")); err != nil {
		t.Fatal(err)
	}
	holds("after a crash", "after")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
