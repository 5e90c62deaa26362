package engine_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
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
