//go:build unix

package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster/consensus"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/enginetest"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// page is what the kernel writes back at once, bytes.
const page = 4096

// memoryLogs reads the logs of Badger's memory tables, which it maps into memory.
func memoryLogs(dir string) (map[string][]byte, error) {
	names, err := filepath.Glob(filepath.Join(dir, engine.LedgerDir, "*.mem"))
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		out[filepath.Base(name)] = bytes.TrimRight(b, "\x00")
	}
	return out, nil
}

// The power goes and takes any of the pages that Badger changed since the last sync of the store; the replicated log, synced, is
// whole. The node starts by itself and holds everything that was acknowledged.
func TestPowerLossOfTheStore(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 5))
	rounds, losses := soakRounds(t, 4), 0
	for round := range rounds {
		var mu sync.Mutex
		synced, dir := map[string][]byte{}, ""
		r := newRigWith(t, time.Now, func(c *engine.Config) {
			smallLog(c)
			c.Log.SnapshotThreshold = uint64(20 + random.IntN(60))
			c.Log.Watch = func(op consensus.Op) error {
				if op.Step != engine.StepStoreSync {
					return nil
				}
				logs, err := memoryLogs(c.DataDir)
				mu.Lock()
				synced = logs
				mu.Unlock()
				return err
			}
		})
		unit := r.create("First", "owner", testKey(1).Public())
		var c enginetest.Checker
		for i := range 100 {
			post := state.RevenuePost{Source: state.OperatorSource}
			events := 1 + random.IntN(30)
			if random.IntN(4) == 0 {
				events = 120 // a record in a file of records, which is whole behind what is left of the table
			}
			for j := range events {
				post.Events = append(post.Events, state.RevenueEvent{Unit: unit, EventID: fmt.Sprintf("%d-%d", i, j), Kind: "sale", Currency: "USD",
					Minor: 1 + random.Int64N(1000), TimeMs: 1})
			}
			a, err := engine.NewAction(r.operator(), r.gen.Cluster, state.KindRevenuePost, nexus.ID{}, post, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			rec, err := r.eng.Do(context.Background(), a)
			if err != nil {
				t.Fatal(err)
			}
			c.Acknowledged(enginetest.Ack{Actor: a.Actor, Action: a.ID, Index: rec.Index, Entries: len(post.Events) + 1})
		}
		mu.Lock() // no sync, so no cut of the log, while the files are copied
		dir = t.TempDir()
		copyTree(t, r.dir, dir)
		losses += losePages(t, dir, synced, random)
		mu.Unlock()
		r.close()
		holds(t, dir, fmt.Sprintf("seed %d round %d", seed, round), &c)
	}
	t.Logf("seed %d: %d times without power, %d pages lost, 13 invariants after each", seed, rounds, losses)
	if losses == 0 {
		t.Error("nothing was lost")
	}
}

// losePages gives half of the pages that changed since the last sync back their content of then.
func losePages(t *testing.T, dir string, synced map[string][]byte, random *rand.Rand) (lost int) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, engine.LedgerDir, "*.mem"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("%v, %v", logs, err)
	}
	for _, path := range logs {
		now, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		was := append([]byte(nil), synced[filepath.Base(path)]...)
		was = append(was, make([]byte, max(0, len(now)-len(was)))...)
		for i := 0; i+page <= len(now); i += page {
			if !bytes.Equal(now[i:i+page], was[i:i+page]) && random.IntN(2) == 0 {
				copy(now[i:i+page], was[i:])
				lost++
			}
		}
		if err := os.WriteFile(path, now, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return lost
}
