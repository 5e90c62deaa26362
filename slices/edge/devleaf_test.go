package edge

import (
	"bytes"
	"crypto/tls"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// leavesOf lists the files of leaves.
func leavesOf(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, devLeafFolder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestProcessesShareTheirLeaves: authorities that are opened on one folder, as by the workers of a supervisor and by the node itself, show one leaf for a
// host, also when all are asked at the same moment and when one leaf follows another.
func TestProcessesShareTheirLeaves(t *testing.T) {
	t.Parallel()
	const processes = 8
	dir := t.TempDir()
	var all []*DevCA
	for range processes {
		ca, err := OpenDevCA(dir)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, ca)
	}
	now := time.Now()
	var serials []string
	for _, at := range []time.Time{now, now.Add(devLeafTerm)} { // the second is another leaf's time
		shown := make([]*tls.Certificate, processes)
		var asking sync.WaitGroup
		for i, ca := range all {
			asking.Go(func() {
				leaf, err := ca.sharedLeaf("a.test", at)
				if err != nil {
					t.Error(err)
				}
				shown[i] = leaf
			})
		}
		asking.Wait()
		for i, leaf := range shown {
			if leaf == nil || !bytes.Equal(leaf.Certificate[0], shown[0].Certificate[0]) {
				t.Fatalf("process %d shows another leaf than process 0", i)
			}
		}
		if left := shown[0].Leaf.NotAfter.Sub(at); left < devLeafLife/3 || left > devLeafLife {
			t.Errorf("the leaf is good for %s more", left)
		}
		if life := shown[0].Leaf.NotAfter.Sub(shown[0].Leaf.NotBefore); life >= 14*24*time.Hour {
			t.Errorf("a life of %s: browsers take no hash of it", life)
		}
		serials = append(serials, shown[0].Leaf.SerialNumber.String())
	}
	if serials[0] == serials[1] {
		t.Error("no other leaf in the last third of its life")
	}
	if files := leavesOf(t, dir); len(files) != 2 {
		t.Errorf("%d files for two leaves: %v", len(files), files)
	}
	again, err := OpenDevCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	if leaf, err := again.Certificate("A.test"); err != nil || leaf.Leaf.SerialNumber.String() != serials[0] {
		t.Errorf("after a restart another leaf is shown, %v", err)
	}
}

// TestLeavesThatAreNone: a file that this authority did not make, that is another host's, damaged, outdated or readable by others is replaced, once.
func TestLeavesThatAreNone(t *testing.T) {
	t.Parallel()
	other := newCA(t)
	for name, damage := range map[string]func(ca *DevCA, path string) error{
		"damaged": func(_ *DevCA, path string) error { return os.Truncate(path, 100) },
		"empty":   func(_ *DevCA, path string) error { return os.Truncate(path, 0) },
		"readable by others": func(_ *DevCA, path string) error {
			return os.Chmod(path, 0o644)
		},
		"of another authority": func(_ *DevCA, path string) error {
			leaf, err := other.Certificate("a.test")
			if err == nil {
				err = os.Remove(path)
			}
			if err == nil {
				_, err = writeLeaf(path, leaf)
			}
			return err
		},
		"of another host": func(ca *DevCA, path string) error {
			if _, err := ca.Certificate("b.test"); err != nil {
				return err
			}
			term, _ := termOf(time.Now())
			return os.Rename(ca.leafFile("b.test", term), path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			first, err := OpenDevCA(dir)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := first.Certificate("a.test"); err != nil {
				t.Fatal(err)
			}
			term, _ := termOf(time.Now())
			if err := damage(first, first.leafFile("a.test", term)); err != nil {
				t.Fatal(err)
			}
			var shown []*tls.Certificate
			for range 2 {
				ca, err := OpenDevCA(dir)
				if err != nil {
					t.Fatal(err)
				}
				leaf, err := ca.Certificate("a.test")
				if err != nil {
					t.Fatal(err)
				}
				if leaf.Leaf.CheckSignatureFrom(ca.cert) != nil || leaf.Leaf.VerifyHostname("a.test") != nil {
					t.Error("the leaf is not this authority's for this host")
				}
				shown = append(shown, leaf)
			}
			if !bytes.Equal(shown[0].Certificate[0], shown[1].Certificate[0]) {
				t.Error("the new leaf is not shared")
			}
		})
	}
}

// TestOldLeavesAreSwept: what is left of terms that are over, or half written, goes when the authority is opened; the rest stays.
func TestOldLeavesAreSwept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca, err := OpenDevCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Duration{0, -devLeafTerm, -2 * devLeafTerm, -9 * devLeafTerm} {
		if _, err := ca.sharedLeaf("a.test", time.Now().Add(at)); err != nil {
			t.Fatal(err)
		}
	}
	half := filepath.Join(dir, devLeafFolder, "new-123")
	if err := os.WriteFile(half, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(half, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDevCA(dir); err != nil {
		t.Fatal(err)
	}
	if files := leavesOf(t, dir); len(files) != 2 {
		t.Errorf("left are %v", files)
	}
}

// TestNoFolderForLeaves: a folder that cannot be written is an error that names it.
func TestNoFolderForLeaves(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca, err := OpenDevCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, devLeafFolder), nil, 0o600); err != nil { // a file where the folder should be
		t.Fatal(err)
	}
	if _, err := ca.Certificate("a.test"); err == nil {
		t.Error("a leaf that no other process can know is shown")
	}
	if s := ca.Status("a.test"); s.Error == "" {
		t.Error("the status says nothing of it")
	}
}
