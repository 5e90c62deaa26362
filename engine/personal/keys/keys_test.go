package keys

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

var eva = Ref{Subject: nexus.PublicKey{7}, Number: 0}

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, nexus.ID{1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMadeFoundDestroyed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "personal")
	s := open(t, dir)
	if _, err := s.Find(eva); nexus.CodeOf(err) != nexus.CodeNotFound {
		t.Fatalf("a key that nobody made: %v", err)
	}
	k, err := s.Make(eva, true)
	if err != nil || k.Secret == ([32]byte{}) {
		t.Fatal(k, err)
	}
	other, err := s.Make(Ref{Subject: eva.Subject, Number: 1}, true)
	if err != nil || other.Secret == k.Secret {
		t.Fatal("the second key is the first", err)
	}
	for _, again := range []*Store{s, open(t, dir)} {
		if got, err := again.Make(eva, true); err != nil || *got != *k {
			t.Fatalf("made again: another key, %v", err)
		}
	}
	info, err := os.Stat(s.path(eva))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info.Mode(), err)
	}
	if list, err := s.List(); err != nil || len(list) != 2 || list[0] != eva {
		t.Fatal(list, err)
	}
	// What is overwritten is the file itself, not a new one in its place.
	held, err := os.Open(s.path(eva))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	for i, want := range []bool{true, false} {
		if had, err := s.Destroy(eva); err != nil || had != want {
			t.Fatalf("destroyed the %d. time: %v, %v", i+1, had, err)
		}
	}
	left := make([]byte, 4096)
	n, _ := held.Read(left)
	if n == 0 || bytes.Contains(left[:n], k.Secret[:]) || bytes.HasPrefix(left, []byte(fileMagic)) {
		t.Errorf("the removed file still holds the key, or was not overwritten (%d bytes)", n)
	}
	for _, again := range []*Store{s, open(t, dir)} {
		if _, err := again.Find(eva); nexus.CodeOf(err) != nexus.CodeNotFound {
			t.Errorf("after its destruction: %v", err)
		}
	}
	if got, err := s.Find(Ref{Subject: eva.Subject, Number: 1}); err != nil || *got != *other {
		t.Error("the other key went with it", err)
	}
}

func TestOpenRefusesAndMends(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "personal")
	s := open(t, dir)
	k, err := s.Make(eva, true)
	if err != nil {
		t.Fatal(err)
	}
	path := s.path(eva)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		whole[i] ^= 1
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, dir).Find(eva); nexus.CodeOf(err) != nexus.CodeCorrupt {
			t.Fatalf("byte %d changed: %v", i, err)
		}
		if _, err := open(t, dir).Make(eva, true); nexus.CodeOf(err) != nexus.CodeCorrupt {
			t.Fatalf("byte %d changed: a new key in the place of a damaged one, %v", i, err)
		}
		whole[i] ^= 1
	}
	// A key under another's name, or of another cluster.
	stranger := Ref{Subject: nexus.PublicKey{8}}
	if err := os.WriteFile(s.path(stranger), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Find(stranger); nexus.CodeOf(err) != nexus.CodeCorrupt {
		t.Errorf("a key under another's name: %v", err)
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	foreign, err := Open(dir, nexus.ID{2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := foreign.Find(eva); nexus.CodeOf(err) != nexus.CodeCorrupt {
		t.Errorf("in another cluster: %v", err)
	}
	// A crash while a key was written, and one while it was destroyed.
	if err := os.WriteFile(path+tempSuffix, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := open(t, dir).Find(eva); err != nil || *got != *k {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + tempSuffix); !os.IsNotExist(err) {
		t.Error("what was half written is still there")
	}
	if err := os.WriteFile(path, make([]byte, len(whole)), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if had, err := s.Destroy(eva); err != nil || !had {
		t.Errorf("a file that was overwritten and not removed: %v, %v", had, err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, nexus.ID{1}); nexus.CodeOf(err) != nexus.CodeUnfit {
		t.Errorf("a directory that others may read: %v", err)
	}
}

// No file but the one that was written is a key.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		f.Fatal(err)
	}
	s := open(f, dir)
	if _, err := s.Make(eva, true); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(s.path(eva))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(s.path(eva))), b, 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := open(t, dir).Find(eva)
		if err == nil && (k.Subject != eva.Subject || k.Number != eva.Number) {
			t.Fatalf("a key of %s", k.Subject)
		}
	})
}

// Keys that anybody can have made, for persons whom the ledger does not know, leave half of the room to those whom it knows; what was made
// is found again by either.
func TestStrangersDoNotFillTheStore(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "personal"))
	s.most = 8
	made := map[bool]int{}
	for i := range byte(20) {
		for _, known := range []bool{false, true} {
			if known && i < 10 { // strangers come first, and many
				continue
			}
			_, err := s.Make(Ref{Subject: nexus.PublicKey{i, 1}, Number: uint32(i)}, known)
			if err == nil {
				made[known]++
			} else if nexus.CodeOf(err) != nexus.CodeUnavailable {
				t.Fatal(err)
			}
		}
	}
	if made[false] != 4 || made[true] != 4 {
		t.Errorf("made for strangers %d, for known persons %d", made[false], made[true])
	}
	if _, err := s.Make(Ref{Subject: nexus.PublicKey{0, 1}}, false); err != nil {
		t.Errorf("a stranger's key that is there: %v", err)
	}
}
