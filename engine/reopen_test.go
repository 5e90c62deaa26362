//go:build unix

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster/consensus"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// The last command before a crash may be a repetition, which makes no record: several callers sent the same action at
// once. A directory as kill -9 leaves it then must open, at the same state.
func TestReopenAfterRepetition(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 5 {
		a, err := engine.NewAction(r.operator(), r.gen.Cluster, state.KindReportPost, nexus.ID{}, state.ReportPost{Name: "r"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		first, repeated := 0, 0
		for range 8 {
			wg.Go(func() {
				rec, err := r.eng.Do(context.Background(), a)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err != nil:
					t.Error(err)
				case rec.Repeated:
					repeated++
				default:
					first++
				}
			})
		}
		wg.Wait()
		if first != 1 || repeated != 7 {
			t.Fatalf("%d callers were first, %d were told it was done", first, repeated)
		}
		var want nexus.Hash
		r.eng.View(func(s *state.State) { want = s.Hash() })
		left := filepath.Join(t.TempDir(), "left")
		copyTree(t, r.dir, left)
		eng, _, err := openDir(left)
		if err != nil {
			t.Fatal(err)
		}
		eng.View(func(s *state.State) {
			if s.Hash() != want {
				t.Errorf("the reopened state differs, at index %d", s.Index)
			}
		})
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	}
}

// behindItsHead is a node whose store stands behind its head file by 15 commands, as after a loss of power; fewer come to a batch. Also what
// the head file said after some of them.
func behindItsHead(t *testing.T) (r *rig, cp ledger.Checkpoint, earlier []byte) {
	t.Helper()
	r = newRigWith(t, time.Now, func(c *engine.Config) { c.Log.MaxInFlight = 4 })
	unit := r.create("First", "owner", testKey(1).Public())
	r.close()
	dir, before := filepath.Join(r.dir, engine.LedgerDir), filepath.Join(t.TempDir(), "before")
	copyTree(t, dir, before)
	r.open()
	for n := range 15 {
		if _, err := r.eng.Do(context.Background(), r.sale(unit, fmt.Sprint("sale-", n), 100)); err != nil {
			t.Fatal(err)
		}
		if n == 7 {
			var err error
			if earlier, err = os.ReadFile(consensus.HeadPath(filepath.Join(r.dir, engine.RaftDir))); err != nil {
				t.Fatal(err)
			}
		}
	}
	cp, _, _ = r.eng.Head()
	r.close()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	copyTree(t, before, dir)
	return r, cp, earlier
}

// After a kill the store may stand behind the head file, which is written beside its transactions, and after a loss of power far behind, since
// it is not synced with them. The start catches up from the log, in as many batches as it takes.
func TestOpensBehindItsHead(t *testing.T) {
	t.Parallel()
	r, cp, _ := behindItsHead(t)
	r.open()
	if now, _, _ := r.eng.Head(); now.Size != cp.Size || now.Root != cp.Root {
		t.Errorf("opened at %d entries, %d were acknowledged", now.Size, cp.Size)
	}
	if _, err := r.do(r.operator(), state.KindReportPost, nexus.ID{}, state.ReportPost{Name: "r"}); err != nil {
		t.Fatal(err)
	}
	r.close()
	head, err := consensus.OpenHead(consensus.HeadPath(filepath.Join(r.dir, engine.RaftDir)))
	if err != nil {
		t.Fatal(err)
	}
	if h, err := head.Read(); err != nil || h.Size <= cp.Size {
		t.Errorf("the head file stays at %d entries, %v", h.Size, err)
	}
	if err := head.Close(); err != nil {
		t.Fatal(err)
	}
}

// What catching up comes to is held to what the head file said, which it does not write over before: another root, or a log that ends
// earlier, is no ledger to go on with.
func TestCatchingUpIsHeldToTheHead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		earlier bool // the file is that of the middle of the log
		change  func(h *consensus.Head)
	}{
		"another root":             {false, func(h *consensus.Head) { h.Root[3] ^= 1 }},
		"another root, as of then": {true, func(h *consensus.Head) { h.Root[3] ^= 1 }},
		"further on":               {false, func(h *consensus.Head) { h.Index += 100 }},
		"of more entries":          {false, func(h *consensus.Head) { h.Size++ }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _, earlier := behindItsHead(t)
			path := consensus.HeadPath(filepath.Join(r.dir, engine.RaftDir))
			if c.earlier {
				if err := os.WriteFile(path, earlier, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			head, err := consensus.OpenHead(path)
			if err != nil {
				t.Fatal(err)
			}
			h, err := head.Read()
			if err != nil {
				t.Fatal(err)
			}
			c.change(&h)
			if err := errors.Join(head.Write(h), head.Close()); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time the store has caught up
				if err := r.tryOpen(); nexus.CodeOf(err) != nexus.CodeCorrupt {
					t.Fatalf("opened: %v", err)
				}
			}
		})
	}
}
