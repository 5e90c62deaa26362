//go:build unix

package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/cluster/consensus"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/enginetest"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
)

const (
	sector = 512 // bytes that a disk writes whole or not at all
	half   = ", half"
)

// smallLog closes segments, cuts the log and stores the state all the time.
func smallLog(c *engine.Config) {
	c.Log.SegmentSize, c.Log.SnapshotThreshold, c.Log.TrailingLogs, c.Log.SnapshotInterval = 32<<10, 30, 5, 5*time.Millisecond
	c.SaveEvery = 12
}

// dieAt gives the configuration of a process that ends itself by SIGKILL when it comes to a step for the nth time; of a step with
// ", half" the first sectors are written before. nil for no step.
func dieAt(step, nth string) func(*engine.Config) {
	if step == "" {
		return nil
	}
	n, err := strconv.ParseInt(nth, 10, 64)
	if err != nil {
		panic(err)
	}
	left := new(atomic.Int64)
	left.Store(n)
	step, torn := strings.CutSuffix(step, half)
	return func(c *engine.Config) {
		smallLog(c)
		c.Log.Watch = func(op consensus.Op) error {
			cut := (op.Offset+int64(len(op.Data)/2))&^(sector-1) - op.Offset
			if op.Step != step || torn && cut <= 0 || left.Add(-1) != 0 {
				return nil
			}
			if torn {
				f, err := os.OpenFile(op.Path, os.O_RDWR, 0)
				if err != nil {
					return err
				}
				if _, err := f.WriteAt(op.Data[:cut], op.Offset); err != nil {
					return err
				}
			}
			if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
				return err
			}
			select {}
		}
	}
}

// killSteps are the engine's steps and the log's, and the log's writes torn in the middle.
func killSteps() []string {
	out := append([]string(nil), engine.Steps...)
	for _, s := range consensus.Steps {
		if strings.HasPrefix(s, "mend ") { // what a torn write leaves brings them about
			out = append(out, consensus.StepLogWrite+half)
		}
		out = append(out, s)
	}
	return out
}

// importer makes an engine of a backup of the one under test.
func importer(t *testing.T, r *rig) func(*engine.Engine) (*engine.Engine, func() error, error) {
	return func(e *engine.Engine) (*engine.Engine, func() error, error) {
		from, to := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "imported")
		was := r.eng
		r.eng = e
		r.backUp(from)
		r.eng = was
		if _, err := engine.Restore(context.Background(), engine.RestoreConfig{Backup: from, DataDir: to}); err != nil {
			return nil, nil, err
		}
		copyKeys(t, r.dir, to)
		other, _, err := openDir(to)
		if err != nil {
			return nil, nil, err
		}
		return other, func() error { err := other.Close(); _ = os.RemoveAll(to); return err }, nil
	}
}

// holds checks the files of a data directory after a fault, opens it and holds the engine to all thirteen invariants.
func holds(t *testing.T, dir, where string, c *enginetest.Checker) {
	t.Helper()
	if found, err := engine.CheckFiles(dir); err != nil || len(found) > 0 {
		t.Fatalf("%s: files: %v, %v", where, found, err)
	}
	// Small segments here too: a segment keeps the size with which it was made, and one that was full when the process died is followed by one of this
	// opening. Of the usual size, it would not be full again within a child's life.
	eng, _, err := openDirWith(dir, smallLog)
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	breaches, err := c.Check(context.Background(), eng)
	for _, b := range breaches {
		t.Errorf("%s: %s", where, b)
	}
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	if err := eng.Close(); err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// toldBy turns the lines of a killed child into what the checker remembers.
func toldBy(keys identity.Keys, acks []acknowledged) (out []enginetest.Ack) {
	for _, a := range acks {
		ack := enginetest.Ack{Actor: keys.Operator.Public(), Action: a.id, Index: a.index, Entries: a.events + 1}
		if a.events < 0 {
			ack.Actor, ack.Entries = testKey(9).Public(), 1
		}
		out = append(out, ack)
	}
	return out
}

// kill -9 at every named step of the whole write path, then all thirteen invariants.
func TestKillAtEachStep(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	steps := killSteps()
	rounds, total := soakRounds(t, len(steps)), 0
	reached := map[string]int{}
	var r *rig
	var c *enginetest.Checker
	for round := range rounds {
		if round%len(steps) == 0 {
			r = newRigWith(t, time.Now, smallLog)
			r.create("First", "owner", testKey(1).Public())
			r.create("Second", "owner", testKey(1).Public())
			r.close()
			c = &enginetest.Checker{}
		}
		step, nth := steps[round%len(steps)], 1+random.IntN(12)
		if strings.HasPrefix(step, "meta ") {
			nth = 1 + random.IntN(3) // at opening, and when a segment is closed
		} else if strings.HasPrefix(step, "m") || step == consensus.StepLogCreate || step == consensus.StepLogDelete || step == engine.StepStoreSync {
			nth = 1 // rare
		}
		limit := 30 * time.Second
		began := time.Now()
		acks := killRound(t, r.dir, round, limit, killVariable+"_STEP="+step, fmt.Sprintf("%s_NTH=%d", killVariable, nth))
		if time.Since(began) < limit {
			reached[step]++
		}
		total += len(acks)
		c.Acknowledged(toldBy(r.keys, acks)...)
		where := fmt.Sprintf("seed %d round %d, killed at %s %d", seed, round, step, nth)
		if next := (round + 1) % len(steps); next < len(steps) && round+1 < rounds && strings.HasPrefix(steps[next], "mend ") {
			continue // opening mends, and the next round is to be killed at that
		}
		c.Import = nil
		if round%len(steps) == len(steps)-1 || round == rounds-1 {
			c.Import = importer(t, r)
		}
		holds(t, r.dir, where, c)
	}
	for i, s := range steps {
		if i < rounds && reached[s] == 0 {
			t.Errorf("seed %d: no child ever came to %q", seed, s)
		}
	}
	t.Logf("seed %d: %d kills at %d steps, %d actions acknowledged, 13 invariants after each", seed, rounds, len(steps), total)
	if total < rounds {
		t.Errorf("only %d actions acknowledged in %d rounds: nothing was tried", total, rounds)
	}
}
