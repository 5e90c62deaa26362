//go:build unix

package bundle_test

import (
	"context"
	"os"
	"path/filepath"
	stdslices "slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bundle"
)

// What killed attempts left goes, by its age; what one is writing stays, whatever its age, and so does all that is no leftover.
func TestLeftoversAreRemoved(t *testing.T) {
	t.Parallel()
	from, to := newRig(t), newRig(t)
	unit, ada := from.populate()
	got := from.leave(unit, ada)
	if _, err := bundle.Take(context.Background(), to.eng, got.Dir, from.eng.NodeKey(), to.keys.Operator.Public()); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(to.eng.DataDir(), engine.ImportsDir)
	name := func(n byte) string { return nexus.Hash{n}.String() }
	put := func(age time.Duration, path string) {
		t.Helper()
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		for at := path; at != dir; at = filepath.Dir(at) {
			if err := os.Chtimes(at, time.Time{}, time.Now().Add(-age)); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(3*time.Hour, name(1)+".partial/statements/2026-01.json")
	put(3*time.Hour, name(2)+".evidence.partial")
	put(time.Minute, name(3)+".partial/unit.json")
	put(time.Minute, name(4)+".evidence.partial")
	put(3*time.Hour, name(5)+".partial/unit.json") // being written, with the evidence beside it
	put(3*time.Hour, name(5)+".evidence.partial")
	put(3*time.Hour, name(6)+".partial") // a file where a folder should be
	for _, path := range []string{name(5) + ".partial", name(5) + ".evidence.partial"} {
		lock, err := os.Open(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
			t.Fatal(err)
		}
	}
	whole := []string{got.Report.Digest.String(), got.Report.Digest.String() + ".evidence"}
	live := []string{name(5) + ".evidence.partial", name(5) + ".partial"}
	young := []string{name(3) + ".partial", name(4) + ".evidence.partial"}
	for _, step := range []struct {
		age  time.Duration
		gone int
		stay []string
	}{{time.Hour, 3, stdslices.Concat(whole, live, young)}, {0, 2, stdslices.Concat(whole, live)}, {0, 0, stdslices.Concat(whole, live)}} {
		gone, err := bundle.RemoveLeftovers(to.eng.DataDir(), step.age)
		var stay []string
		list, err2 := os.ReadDir(dir)
		for _, d := range list {
			stay = append(stay, d.Name())
		}
		stdslices.Sort(step.stay)
		if err != nil || err2 != nil || len(gone) != step.gone || !stdslices.Equal(stay, step.stay) {
			t.Errorf("older than %v: removed %q, %v; there is\n%s\nwant\n%s", step.age, gone, err, strings.Join(stay, "\n"), strings.Join(step.stay, "\n"))
		}
	}
	sameTree(t, got.Dir, engine.ImportPath(to.eng.DataDir(), got.Report.Digest))
	if gone, err := bundle.RemoveLeftovers(filepath.Join(t.TempDir(), "none"), 0); err != nil || len(gone) != 0 {
		t.Errorf("a directory without imports: %q, %v", gone, err)
	}
}

// Removing leftovers all the time spoils no attempt that is under way: what is kept is whole.
func TestLeftoversBesideImports(t *testing.T) {
	t.Parallel()
	from, to := newRig(t), newRig(t)
	unit, ada := from.populate()
	got := from.leave(unit, ada)
	stop := make(chan struct{})
	var removing sync.WaitGroup
	removing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := bundle.RemoveLeftovers(to.eng.DataDir(), 0); err != nil {
				t.Errorf("remove: %v", err)
				return
			}
		}
	})
	kept := engine.ImportPath(to.eng.DataDir(), got.Report.Digest)
	done := 0
	for tries := 0; done < 6 && tries < 300; tries++ { // an attempt that meets a removal is told of a conflict
		if err := os.RemoveAll(kept); err != nil {
			t.Fatal(err)
		}
		switch _, err := bundle.Take(context.Background(), to.eng, got.Dir, from.eng.NodeKey(), to.keys.Operator.Public()); {
		case err == nil:
			done++
			sameTree(t, got.Dir, kept)
		case nexus.CodeOf(err) != nexus.CodeConflict:
			t.Errorf("take: %v", err)
		}
	}
	close(stop)
	removing.Wait()
	if done < 6 {
		t.Errorf("taken in %d times", done)
	}
}
