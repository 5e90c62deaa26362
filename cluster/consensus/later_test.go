package consensus

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// lateMachine is a fileMachine whose results come when release is closed, and are a Halt when fault is set by then.
type lateMachine struct {
	*fileMachine
	release chan struct{}
	fault   error
	synced  chan struct{} // one value for each Sync
}

func (m *lateMachine) ApplyBatch(commands []Command) []any {
	results := m.fileMachine.ApplyBatch(commands)
	for i, r := range results {
		results[i] = Later(func() any {
			<-m.release
			if m.fault != nil {
				return Halt{Err: m.fault}
			}
			return r
		})
	}
	return results
}

func (m *lateMachine) Sync() error {
	m.synced <- struct{}{}
	return m.fileMachine.Sync()
}

// openLate opens a group over a lateMachine with one proposal under way; done takes its error.
func openLate(t *testing.T) (m *lateMachine, g *Group, done chan error) {
	t.Helper()
	p, err := openPlace(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.group.Close(); err != nil {
		t.Fatal(err)
	}
	m = &lateMachine{fileMachine: p.machine, release: make(chan struct{}), synced: make(chan struct{}, 8)}
	if g, err = Open(Config{Dir: p.raftDir(), NodeID: "node-1"}, m); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(g.Close(), p.machine.close()); err != nil {
			t.Error(err)
		}
	})
	done = make(chan error, 1)
	go func() {
		result, index, err := g.Propose(context.Background(), []byte("x"))
		if _, late := result.(Later); late || err == nil && index == 0 {
			err = errors.Join(err, errors.New("answered with a Later, or without an index"))
		}
		done <- err
	}()
	eventually(t, "the command is applied", func() bool { return m.batches.Load() > 0 })
	return m, g, done
}

// Nobody is answered and no barrier passes before a Later result has come.
func TestLaterResultsAreWaitedFor(t *testing.T) {
	t.Parallel()
	m, g, done := openLate(t)
	barrier := make(chan error, 1)
	go func() { barrier <- g.Barrier(context.Background()) }()
	select {
	case err := <-done:
		t.Fatalf("answered before it was stored: %v", err)
	case err := <-barrier:
		t.Fatalf("the barrier passed before it was stored: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	close(m.release)
	for _, c := range []chan error{done, barrier} {
		if err := <-c; err != nil {
			t.Error(err)
		}
	}
}

// A replay has no proposer: what it cannot store keeps the group from opening.
func TestReplayIsJudgedToo(t *testing.T) {
	t.Parallel()
	p := mustOpen(t, t.TempDir(), nil)
	mustPropose(t, p.group, "x")
	mustClose(t, p)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "raft"), 0o700); err != nil {
		t.Fatal(err)
	}
	empty, err := openMachine(dir) // it has applied nothing
	if err != nil {
		t.Fatal(err)
	}
	m := &lateMachine{fileMachine: empty, release: make(chan struct{}), fault: errors.New("disk gone"), synced: make(chan struct{}, 8)}
	close(m.release)
	g, err := Open(Config{Dir: p.raftDir(), NodeID: "node-1"}, m)
	if !errors.Is(err, m.fault) {
		t.Errorf("opened with %v", err)
	}
	if g != nil {
		_ = g.Close()
	}
	if m.batches.Load() == 0 {
		t.Error("nothing was applied again")
	}
	if err := empty.close(); err != nil {
		t.Error(err)
	}
}

// Nothing is cut from the log before a Later result has come.
func TestSnapshotWaitsForLaterResults(t *testing.T) {
	t.Parallel()
	m, g, done := openLate(t)
	snapshot := make(chan error, 1)
	go func() { snapshot <- g.Snapshot(context.Background()) }()
	select {
	case <-m.synced:
		t.Error("the machine was synced, for the log to be cut, before it was stored")
	case <-time.After(200 * time.Millisecond):
	}
	close(m.release)
	for _, c := range []chan error{done, snapshot} {
		if err := <-c; err != nil {
			t.Error(err)
		}
	}
}

// A Later result that is a Halt ends the group, as a Halt at once does, and the barrier says so.
func TestLaterHaltEndsTheGroup(t *testing.T) {
	t.Parallel()
	m, g, done := openLate(t)
	barrier := make(chan error, 1)
	go func() { barrier <- g.Barrier(context.Background()) }()
	m.fault = errors.New("disk gone")
	close(m.release)
	if err := <-done; nexus.CodeOf(err) != nexus.CodeUnavailable || !errors.Is(err, m.fault) {
		t.Errorf("answered %v", err)
	}
	if err := <-barrier; err == nil {
		t.Error("a barrier passed over what was never stored")
	}
	if err := <-g.Failed(); !errors.Is(err, m.fault) {
		t.Errorf("failed with %v", err)
	}
	if _, _, err := g.Propose(context.Background(), []byte("y")); nexus.CodeOf(err) != nexus.CodeUnavailable {
		t.Errorf("proposed after the end: %v", err)
	}
}
