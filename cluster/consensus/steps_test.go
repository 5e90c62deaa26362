//go:build unix

package consensus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// soakRounds is how often a fault is tried: short by default, 1,000 times in `make soak`, or NEXUS_SOAK_ROUNDS times.
func soakRounds(t *testing.T, short int) int {
	t.Helper()
	if os.Getenv("NEXUS_SOAK") == "" {
		return short
	}
	text := os.Getenv("NEXUS_SOAK_ROUNDS")
	if text == "" {
		return 1000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("NEXUS_SOAK_ROUNDS is %q, not a number of rounds", text)
	}
	return n
}

// half marks a step at which the first half of the bytes, up to a border between sectors, are written before the end comes: the kernel
// copies whole pages.
const half = ", half"

// killer gives the Watch of a process that ends itself by SIGKILL at the nth time it comes to a step; nil for no step.
func killer(step, nth string) Watch {
	if step == "" {
		return nil
	}
	left := new(atomic.Int64)
	n, err := strconv.ParseInt(nth, 10, 64)
	if err != nil {
		panic(err)
	}
	left.Store(n)
	step, torn := strings.CutSuffix(step, half)
	return func(op Op) error {
		cut := int64(len(op.Data) / 2)
		if step == StepLogWrite {
			cut = (op.Offset+cut)&^(sector-1) - op.Offset
		}
		if op.Step != step || torn && cut <= 0 || left.Add(-1) != 0 {
			return nil
		}
		if torn {
			if err := writeAt(op.Path, op.Data[:cut], op.Offset); err != nil {
				return err
			}
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			return err
		}
		select {}
	}
}

func writeAt(path string, b []byte, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, at)
	return errors.Join(err, f.Close())
}

// killSteps are all steps, and the writes torn in the middle. A torn write of the log comes before each step of mending, which
// only what it leaves brings about.
func killSteps() (out []string) {
	for _, s := range Steps {
		switch {
		case strings.HasPrefix(s, "mend "):
			out = append(out, StepLogWrite+half)
		case strings.HasSuffix(s, " write") && s != StepHeadWrite: // the head's record lies within one sector
			out = append(out, s+half)
		}
		out = append(out, s)
	}
	return append(out, stepMachineWrite, stepMachineWrite+half, stepMachineSync)
}

// kill -9 at every named step of the write path: nothing is damaged, lost or applied twice, and each step is really reached.
func TestKillAtEachStep(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	steps := killSteps()
	rounds := soakRounds(t, len(steps))
	dir, acked, total := t.TempDir(), []string(nil), 0
	reached := map[string]int{}
	for round := range rounds {
		step, nth := steps[round%len(steps)], 1+random.IntN(30)
		switch {
		case strings.HasPrefix(step, "mend "):
			nth = 1
		case !strings.HasPrefix(step, StepLogWrite) && step != StepLogSync && !strings.HasPrefix(step, "head") && !strings.HasPrefix(step, "machine"):
			nth = 1 + random.IntN(3)
		}
		began := time.Now()
		acked = append(acked, killRound(t, dir, round, 20*time.Second, childVariable+"_STEP="+step, fmt.Sprintf("%s_NTH=%d", childVariable, nth))...)
		if time.Since(began) < 20*time.Second {
			reached[step]++
		}
		where := fmt.Sprintf("seed %d round %d, killed at %s %d", seed, round, step, nth)
		report, err := Inspect(dir+"/raft", 0)
		if err != nil || len(report.Findings) > 0 {
			t.Fatalf("%s: findings %v, error %v", where, report.Findings, err)
		}
		if (round+1)%len(steps) == 0 || round == rounds-1 || t.Failed() { // opening mends, and the next round wants to be killed at that
			p := mustOpen(t, dir, small)
			checkApplied(t, p.machine.seen, acked, where)
			mustClose(t, p)
			total, acked, dir = total+len(acked), nil, t.TempDir()
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	for i, s := range steps {
		if i < rounds && reached[s] == 0 {
			t.Errorf("seed %d: no child ever came to %q", seed, s)
		}
	}
	t.Logf("seed %d: %d kills at %d steps, %d acknowledged", seed, rounds, len(steps), total)
}

// errDisk is what a failing disk says.
var errDisk = errors.New("input/output error")

// hammer proposes from several goroutines until each has an error or n answers, and gives what was acknowledged.
func hammer(p *place, round string, n int, note func(string)) (acked []string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for c := range 4 {
		wg.Go(func() {
			for i := range n {
				name := fmt.Sprintf("round %s caller %d command %d ", round, c, i)
				_, index, err := p.group.Propose(context.Background(), []byte(name+strings.Repeat("x", 200*(i%20))))
				if err != nil {
					return
				}
				mu.Lock()
				line := fmt.Sprintf("%d %s", index, name)
				acked = append(acked, line)
				if note != nil {
					note(line)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return acked
}

// Each step in turn fails as on a dying disk, from some moment on: what was acknowledged before stands, what is acknowledged after it too, and
// a restart on a mended disk goes on without a tool.
func TestEachStepFails(t *testing.T) {
	t.Parallel()
	mustEnd := map[string]bool{StepLogWrite: true, StepLogSync: true, StepHeadWrite: true, StepHeadSync: true,
		stepMachineWrite: true, stepMachineSync: true}
	for _, step := range append(append([]string(nil), Steps...), stepMachineWrite, stepMachineSync) {
		if strings.HasPrefix(step, "mend ") {
			continue // tried by TestMendingFails
		}
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			var armed atomic.Bool
			var hits atomic.Int64
			watch := func(op Op) error {
				if armed.Load() && op.Step == step {
					hits.Add(1)
					return errDisk
				}
				return nil
			}
			p := mustOpen(t, dir, func(c *Config) { small(c); c.Watch = watch })
			acked := hammer(p, "before", 40, nil)
			armed.Store(true)
			acked = append(acked, hammer(p, "after", 60, nil)...)
			if err := p.group.Snapshot(context.Background()); err == nil && strings.HasPrefix(step, "marker ") && step != StepMarkerRemove && hits.Load() == 0 {
				t.Errorf("a marker was written without %s", step)
			}
			if hits.Load() == 0 {
				t.Error("the step was not reached")
			}
			if mustEnd[step] && p.group.failure() == nil {
				t.Error("the group goes on")
			}
			_ = p.close() // of a failed group it may say what failed
			report, err := Inspect(p.raftDir(), 0)
			if err != nil || len(report.Findings) > 0 {
				t.Fatalf("findings %v, error %v", report.Findings, err)
			}
			p = mustOpen(t, dir, small)
			checkApplied(t, p.machine.seen, acked, step)
			mustPropose(t, p.group, "afterwards")
			mustClose(t, p)
		})
	}
}

// The disk fails while the torn end of the log is being mended: the start says so, and the next one mends it.
func TestMendingFails(t *testing.T) {
	t.Parallel()
	for _, step := range []string{StepMendWrite, StepMendSync} {
		dir := t.TempDir()
		acked := killRound(t, dir, 0, 20*time.Second, childVariable+"_STEP="+StepLogWrite+half, childVariable+"_NTH=20")
		fail := func(op Op) error {
			if op.Step == step {
				return errDisk
			}
			return nil
		}
		if p, err := openPlace(dir, func(c *Config) { small(c); c.Watch = fail }); !errors.Is(err, errDisk) {
			t.Errorf("%s fails: %v", step, err)
			if err == nil {
				mustClose(t, p)
			}
		}
		p := mustOpen(t, dir, small)
		checkApplied(t, p.machine.seen, acked, step)
		mustPropose(t, p.group, "afterwards")
		mustClose(t, p)
	}
}

// A slow disk makes everything wait and loses nothing.
func TestSlowDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	slow := func(op Op) error {
		if strings.HasSuffix(op.Step, "sync") {
			time.Sleep(time.Duration(rand.Int64N(int64(15 * time.Millisecond)))) // the fault itself
		}
		return nil
	}
	p := mustOpen(t, dir, func(c *Config) { small(c); c.Watch = slow })
	acked := hammer(p, "slow", 40, nil)
	if len(acked) != 160 || p.group.failure() != nil {
		t.Errorf("%d acknowledged, %v", len(acked), p.group.failure())
	}
	mustClose(t, p)
	p = mustOpen(t, dir, small)
	checkApplied(t, p.machine.seen, acked, "slow disk")
	mustClose(t, p)
}

// A disk that hangs in a step of the log ends the group within its limit; what was acknowledged stands after a restart.
func TestHungSteps(t *testing.T) {
	t.Parallel()
	for _, step := range []string{StepLogWrite, StepLogSync, StepLogCreate, StepMetaSync, StepMetaRename} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			dir, release := t.TempDir(), make(chan struct{})
			var armed atomic.Bool
			hang := func(op Op) error {
				if armed.Load() && op.Step == step {
					<-release
				}
				return nil
			}
			p := mustOpen(t, dir, func(c *Config) { small(c); c.Watch = hang; c.LogStoreTimeout = 2 * time.Second })
			acked := hammer(p, "before", 10, nil)
			armed.Store(true)
			acked = append(acked, hammer(p, "after", 200, nil)...)
			if err := <-p.group.Failed(); err == nil || !strings.Contains(err.Error(), "did not answer within") {
				t.Errorf("failed with %v", err)
			}
			_ = p.group.Close() // says that the disk hangs
			close(release)
			<-p.group.store.done // the hung write has ended, as it has when the process is gone
			_ = p.machine.close()
			p = mustOpen(t, dir, small)
			checkApplied(t, p.machine.seen, acked, step)
			mustClose(t, p)
		})
	}
}
