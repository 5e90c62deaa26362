//go:build linux

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster/consensus"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/enginetest"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// A clock that jumps hours forth and back under a running node, also over restarts: every action is taken, and all invariants
// hold, log time among them.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	var offset atomic.Int64
	r := newRigAt(t, func() time.Time { return time.Now().Add(time.Duration(offset.Load())) })
	unit := r.create("First", "owner", testKey(1).Public())
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 3))
	var c enginetest.Checker
	for i := range 40 {
		offset.Store(random.Int64N(int64(4*time.Hour)) - int64(2*time.Hour))
		post := state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{
			{Unit: unit, EventID: fmt.Sprint("jump-", i), Kind: "sale", Currency: "USD", Minor: int64(i) + 1, TimeMs: 1}}}
		a, err := engine.NewAction(r.operator(), r.gen.Cluster, state.KindRevenuePost, nexus.ID{}, post, r.clock())
		if err != nil {
			t.Fatal(err)
		}
		rec, err := r.eng.Do(context.Background(), a)
		if err != nil {
			t.Fatalf("seed %d: action %d at an offset of %s: %v", seed, i, time.Duration(offset.Load()), err)
		}
		c.Acknowledged(enginetest.Ack{Actor: a.Actor, Action: a.ID, Index: rec.Index, Entries: 2})
		if i%15 == 14 {
			r.close()
			r.open()
		}
	}
	r.close()
	holds(t, r.dir, fmt.Sprint("seed ", seed), &c)
}

// balance is what the history of one unit's gross is made of: an amount added, or a reading.
type balance struct {
	unit  nexus.ID
	add   int64 // 0: a reading
	gross int64 // what was read
}

// balances is the sequential machine that the engine must look like: one number a unit.
var balances = porcupine.Model{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
		byUnit := map[nexus.ID][]porcupine.Operation{}
		for _, op := range all {
			u := op.Input.(balance).unit
			byUnit[u] = append(byUnit[u], op)
		}
		var out [][]porcupine.Operation
		for _, ops := range byUnit {
			out = append(out, ops)
		}
		return out
	},
	Init: func() any { return int64(0) },
	Step: func(before, input, output any) (bool, any) {
		in := input.(balance)
		if in.add != 0 {
			return true, before.(int64) + in.add
		}
		return output.(int64) == before.(int64), before
	},
	Equal: func(a, b any) bool { return a == b },
}

// failing is an engine whose disk fails now and then, and that is opened again each time. Callers see what creators' programs
// see: an error whose outcome is unknown, and a node that comes back.
type failing struct {
	r     *rig
	armed atomic.Bool
	count atomic.Int64
	every int64

	mu  sync.RWMutex // held to read while the engine is used, to write while it is exchanged
	eng *engine.Engine
}

func (f *failing) watch(op consensus.Op) error {
	switch op.Step {
	case consensus.StepLogWrite, consensus.StepLogSync, consensus.StepHeadWrite, consensus.StepHeadSync, engine.StepCommit, engine.StepCommitted:
		if f.armed.Load() && f.count.Add(1)%f.every == 0 {
			return errors.New("input/output error")
		}
	}
	return nil
}

// again closes the engine that failed, if it is still the same, and opens the directory anew.
func (f *failing) again(was *engine.Engine) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.eng != was {
		return nil
	}
	f.armed.Store(false)
	_ = f.eng.Close() // of a failed engine it says what failed
	if err := f.r.tryOpen(); err != nil {
		return err
	}
	f.eng = f.r.eng
	f.armed.Store(true)
	return nil
}

func (f *failing) use(fn func(*engine.Engine) error) error {
	for {
		f.mu.RLock()
		eng := f.eng
		err := fn(eng)
		f.mu.RUnlock()
		if nexus.CodeOf(err) != nexus.CodeUnavailable {
			return err
		}
		if err := f.again(eng); err != nil {
			return err
		}
	}
}

// Commands and reads of several callers, over a disk that fails and an engine that starts again, look like one after the other.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	rounds := soakRounds(t, 2)
	restarts := int64(0)
	for round := range rounds {
		f := &failing{every: 40 + int64(seed+uint64(round))%50}
		f.r = newRigWith(t, time.Now, func(c *engine.Config) { smallLog(c); c.Log.Watch = f.watch })
		f.eng = f.r.eng
		units := []nexus.ID{f.r.create("First", "owner", testKey(1).Public()), f.r.create("Second", "owner", testKey(1).Public())}
		f.armed.Store(true)
		history, c, err := f.history(units, seed+uint64(round))
		if err != nil {
			t.Fatalf("seed %d round %d: %v", seed, round, err)
		}
		f.armed.Store(false)
		if got := porcupine.CheckOperationsTimeout(balances, history, time.Minute); got != porcupine.Ok {
			t.Fatalf("seed %d round %d: a history of %d operations is %s", seed, round, len(history), got)
		}
		f.r.close()
		holds(t, f.r.dir, fmt.Sprintf("seed %d round %d", seed, round), c)
		restarts += f.count.Load() / f.every
	}
	t.Logf("seed %d: %d histories, %d failures", seed, rounds, restarts)
	if restarts == 0 {
		t.Error("nothing failed")
	}
}

// history lets three callers post and two read, and gives what each was told and when.
func (f *failing) history(units []nexus.ID, seed uint64) (all []porcupine.Operation, c *enginetest.Checker, failed error) {
	c = &enginetest.Checker{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	began := time.Now()
	for caller := range 5 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(caller)))
			for n := range 40 {
				in := balance{unit: units[random.IntN(len(units))]}
				start := time.Since(began).Nanoseconds()
				var ack enginetest.Ack
				var err error
				if caller < 3 {
					in.add = 1 + random.Int64N(1000)
					ack, err = f.post(in, fmt.Sprintf("%d-%d", caller, n))
				} else {
					err = f.use(func(e *engine.Engine) error { in.gross = grossOf(e, in.unit); return nil })
				}
				op := porcupine.Operation{ClientId: caller, Input: in, Call: start, Output: in.gross, Return: time.Since(began).Nanoseconds()}
				mu.Lock()
				all, failed = append(all, op), errors.Join(failed, err)
				if in.add != 0 {
					c.Acknowledged(ack)
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return all, c, failed
}

// post sends one sale until it is acknowledged, with one id.
func (f *failing) post(in balance, event string) (ack enginetest.Ack, err error) {
	post := state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{
		{Unit: in.unit, EventID: event, Kind: "sale", Currency: "USD", Minor: in.add, TimeMs: 1}}}
	a, err := engine.NewAction(f.r.operator(), f.r.gen.Cluster, state.KindRevenuePost, nexus.ID{}, post, time.Now())
	if err != nil {
		return ack, err
	}
	err = f.use(func(e *engine.Engine) error {
		rec, err := e.Do(context.Background(), a)
		ack = enginetest.Ack{Actor: a.Actor, Action: a.ID, Index: rec.Index, Entries: 2}
		return err
	})
	return ack, err
}

func grossOf(e *engine.Engine, unit nexus.ID) (gross int64) {
	e.View(func(s *state.State) {
		if a := s.Accounts[state.AccountKey{Unit: unit, Currency: "USD"}]; a != nil {
			gross = a.Gross
		}
	})
	return gross
}

// A history that no order explains is found: a reading that forgets what was acknowledged before it began.
func TestStaleReadIsFound(t *testing.T) {
	t.Parallel()
	history := []porcupine.Operation{{Input: balance{add: 5}, Call: 0, Output: int64(0), Return: 1}, {Input: balance{}, Call: 2, Output: int64(0), Return: 3}}
	if porcupine.CheckOperations(balances, history) {
		t.Error("a stale reading passes")
	}
}

// fullVariable names the mount point of the small file system, in the process that has its own mounts.
const fullVariable = "NEXUS_ENGINE_TEST_FULL"

// The disk runs full at random moments under a writing node, down to the last byte: whatever the node does then, with room again it starts by
// itself, and nothing acknowledged is lost. The small file system is mounted for this test's own process alone.
func TestDiskFullAtRandom(t *testing.T) {
	if mount := os.Getenv(fullVariable); mount != "" {
		if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=640m"); err != nil {
			t.Fatal(err)
		}
		t.Setenv("TMPDIR", mount)
		fillAtRandom(t, mount)
		return
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestDiskFullAtRandom$", "-test.v", "-test.timeout=5h")
	cmd.Env = append(os.Environ(), fullVariable+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if id := os.Geteuid(); id != 0 { // root of a user namespace of its own may mount too
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: id, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}}
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Log("NOT TRIED: this user may not mount a file system; run it as root")
		return
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.SplitSeq(string(out), "\n") {
		if strings.Contains(line, "seed") {
			t.Log(strings.TrimSpace(line))
		}
	}
}

func fillAtRandom(t *testing.T, mount string) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 4))
	r := newRigWith(t, time.Now, smallLog)
	r.create("First", "owner", testKey(1).Public())
	r.create("Second", "owner", testKey(1).Public())
	r.close()
	var c enginetest.Checker
	ballast := filepath.Join(mount, "ballast")
	rounds := soakRounds(t, 3)
	for round := range rounds {
		after := time.Duration(20+random.IntN(200)) * time.Millisecond
		filled := make(chan error, 1)
		go func() {
			time.Sleep(after) // the random moment
			filled <- fill(ballast)
		}()
		acks := killRound(t, r.dir, round, after+400*time.Millisecond, killVariable+"_FULL=1")
		if err := <-filled; !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("the disk did not run full: %v", err)
		}
		if round%2 == 1 { // a start on the full disk may fail, and must not make anything worse
			acks = append(acks, killRound(t, r.dir, round+rounds, 300*time.Millisecond, killVariable+"_FULL=1")...)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		c.Acknowledged(toldBy(r.keys, acks)...)
		holds(t, r.dir, fmt.Sprintf("seed %d round %d, full after %s", seed, round, after), &c)
	}
	t.Logf("seed %d: %d times full, %d actions acknowledged, 13 invariants after each", seed, rounds, c.Acks())
}

// fill writes a file until there is no byte left, and gives the error that says so.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	for size := 4 << 20; size > 0; size /= 16 {
		for err = nil; err == nil; {
			_, err = io.WriteString(f, strings.Repeat("x", size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			break
		}
	}
	return errors.Join(err, f.Close())
}
