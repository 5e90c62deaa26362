package consensus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

func TestProposeGroupsConcurrentCallers(t *testing.T) {
	t.Parallel()
	p := mustOpen(t, t.TempDir(), nil)
	const callers, each = 64, 20
	var wg sync.WaitGroup
	var indexes sync.Map
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				data := fmt.Sprintf("caller %d command %d", c, i)
				result, index, err := p.group.Propose(context.Background(), []byte(data))
				if err != nil || result != fmt.Sprintf("%d:%.40s", index, data) {
					t.Errorf("got %v, %v", result, err)
				}
				if _, twice := indexes.LoadOrStore(index, data); twice {
					t.Errorf("index %d answered twice", index)
				}
			}
		})
	}
	wg.Wait()
	if got := len(p.machine.seen); got != callers*each {
		t.Fatalf("machine saw %d commands, want %d", got, callers*each)
	}
	if b := p.machine.batches.Load(); b > callers*each/4 {
		t.Errorf("%d batches for %d commands: callers are not grouped", b, callers*each)
	}
	s := p.group.Status()
	if s.State != "leader" || s.Voters != 1 || !s.Healthy || s.StoreP99 <= 0 || s.Leader != "node-1" ||
		s.Applied != p.machine.Applied() || s.InFlight != 0 {
		t.Errorf("status %+v", s)
	}
	mustClose(t, p)
	for i := 1; i < len(p.machine.seen); i++ {
		if p.machine.seen[i].Index <= p.machine.seen[i-1].Index {
			t.Fatal("indexes do not rise")
		}
	}
}

func TestReopenSkipsWhatTheMachineHolds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range 4 {
		p := mustOpen(t, dir, nil)
		if got := len(p.machine.seen); got != round*5 {
			t.Fatalf("round %d: machine holds %d commands, want %d", round, got, round*5)
		}
		for i := range 5 {
			mustPropose(t, p.group, fmt.Sprintf("round %d command %d", round, i))
		}
		mustClose(t, p)
		findings, err := CheckFiles(p.raftDir(), p.machine.Applied())
		if err != nil || len(findings) > 0 {
			t.Fatalf("round %d: findings %v, error %v", round, findings, err)
		}
	}
}

func TestEmptyMachineIsReplayedFromTheLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := mustOpen(t, dir, nil)
	for i := range 30 {
		mustPropose(t, p.group, fmt.Sprint("command ", i))
	}
	mustClose(t, p)
	if err := os.Remove(filepath.Join(dir, "machine")); err != nil {
		t.Fatal(err)
	}
	p2 := mustOpen(t, dir, nil)
	if len(p2.machine.seen) != 30 || string(p2.machine.seen[29].Data) != "command 29" {
		t.Fatalf("replayed %d commands", len(p2.machine.seen))
	}
	mustClose(t, p2)
}

func TestLogIsCutBehindMarkers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := mustOpen(t, dir, small)
	for i := range 400 {
		mustPropose(t, p.group, fmt.Sprintf("%d %s", i, strings.Repeat("x", 500)))
	}
	if err := p.group.Snapshot(context.Background()); err != nil {
		t.Fatal(err)
	}
	s := p.group.Status()
	if s.FirstLog < 300 || s.LastSnapshot < 300 || p.machine.syncs.Load() == 0 {
		t.Errorf("log not cut: %+v, %d syncs", s, p.machine.syncs.Load())
	}
	mustClose(t, p)
	files, err := filepath.Glob(filepath.Join(p.raftDir(), "log", "*.wal"))
	if err != nil || len(files) > 4 {
		t.Errorf("%d segments left, error %v", len(files), err)
	}
	report, err := Inspect(p.raftDir(), p.machine.Applied())
	if err != nil || len(report.Findings) > 0 || report.Marker != s.LastSnapshot {
		t.Fatalf("report %+v, error %v", report, err)
	}
	// The machine lost what the log no longer has.
	if err := os.Remove(filepath.Join(dir, "machine")); err != nil {
		t.Fatal(err)
	}
	if _, err := openPlace(dir, small); err == nil {
		t.Fatal("opened on a machine that lacks what was cut")
	} else if !strings.Contains(err.Error(), "cut up to applied") || nexus.CodeOf(err) != nexus.CodeCorrupt {
		t.Fatalf("error %v", err)
	}
}

func TestHaltStopsTheGroup(t *testing.T) {
	t.Parallel()
	p := mustOpen(t, t.TempDir(), nil)
	mustPropose(t, p.group, "good")
	broken := errors.New("invariant broken")
	p.machine.refuse = func(c Command) error {
		if string(c.Data) == "bad" {
			return broken
		}
		return nil
	}
	_, _, err := p.group.Propose(context.Background(), []byte("bad"))
	if !errors.Is(err, broken) || nexus.CodeOf(err) != nexus.CodeUnavailable {
		t.Fatalf("error %v", err)
	}
	if err := <-p.group.Failed(); !errors.Is(err, broken) {
		t.Fatalf("failed with %v", err)
	}
	if _, _, err := p.group.Propose(context.Background(), []byte("later")); !errors.Is(err, broken) {
		t.Fatalf("accepted after a halt: %v", err)
	}
	if s := p.group.Status(); s.Healthy || !strings.Contains(s.Problem, "invariant") {
		t.Errorf("status %+v", s)
	}
	if len(p.machine.seen) != 1 {
		t.Errorf("machine holds %d commands", len(p.machine.seen))
	}
	mustClose(t, p)
}

// badStore is a disk that hangs, fails or rots on demand.
type badStore struct {
	rawLogStore
	hang    chan struct{} // StoreLogs waits on it when not nil
	armed   atomic.Bool
	fail    error
	rot     uint64 // index that reads as damaged once raft has written
	written atomic.Bool
}

func (b *badStore) StoreLogs(logs []*raft.Log) error {
	b.written.Store(true)
	if b.armed.Load() {
		if b.hang != nil {
			<-b.hang
		}
		if b.fail != nil {
			return b.fail
		}
	}
	return b.rawLogStore.StoreLogs(logs)
}

func (b *badStore) GetLog(index uint64, l *raft.Log) error {
	if b.rot == index && b.written.Load() {
		return errors.New("log entry does not match its SHA-256")
	}
	return b.rawLogStore.GetLog(index, l)
}

func TestHungDiskIsNoticed(t *testing.T) {
	t.Parallel()
	bad := &badStore{hang: make(chan struct{})}
	p := mustOpen(t, t.TempDir(), func(c *Config) {
		c.LogStoreTimeout = 200 * time.Millisecond
		c.wrapStore = func(r rawLogStore) rawLogStore { bad.rawLogStore = r; return bad }
	})
	mustPropose(t, p.group, "before")
	bad.armed.Store(true)
	_, _, err := p.group.Propose(context.Background(), []byte("hangs"))
	if nexus.CodeOf(err) != nexus.CodeUnavailable {
		t.Fatalf("error %v", err)
	}
	if err := <-p.group.Failed(); !strings.Contains(err.Error(), "did not answer within") {
		t.Fatalf("failed with %v", err)
	}
	if p.group.Status().Healthy {
		t.Error("still healthy")
	}
	if err := p.group.Close(); err == nil {
		t.Error("close of a hung disk says nothing")
	}
	close(bad.hang)
}

func TestFailedWriteEndsTheGroup(t *testing.T) {
	t.Parallel()
	bad := &badStore{fail: errors.New("no space left on device")}
	dir := t.TempDir()
	p := mustOpen(t, dir, func(c *Config) {
		c.wrapStore = func(r rawLogStore) rawLogStore { bad.rawLogStore = r; return bad }
	})
	mustPropose(t, p.group, "before")
	bad.armed.Store(true)
	if _, _, err := p.group.Propose(context.Background(), []byte("fails")); !errors.Is(err, bad.fail) {
		t.Fatalf("error %v", err)
	}
	if err := <-p.group.Failed(); !errors.Is(err, bad.fail) {
		t.Fatalf("failed with %v", err)
	}
	mustClose(t, p)
	p = mustOpen(t, dir, nil)
	mustPropose(t, p.group, "after")
	mustClose(t, p)
}

func TestRotWhileReplayingIsAnErrorAndNoCrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := mustOpen(t, dir, nil)
	for i := range 20 {
		mustPropose(t, p.group, fmt.Sprint("command ", i))
	}
	mustClose(t, p)
	if err := os.Remove(filepath.Join(dir, "machine")); err != nil {
		t.Fatal(err)
	}
	bad := &badStore{rot: 12}
	_, err := openPlace(dir, func(c *Config) {
		c.wrapStore = func(r rawLogStore) rawLogStore { bad.rawLogStore = r; return bad }
	})
	if nexus.CodeOf(err) != nexus.CodeCorrupt || !strings.Contains(err.Error(), "index 12") ||
		!strings.Contains(err.Error(), ".wal") {
		t.Fatalf("error %v", err)
	}
}

func TestOneProcessPerDirectoryAndOneNodePerLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := mustOpen(t, dir, nil)
	if _, err := openPlace(dir, nil); nexus.CodeOf(err) != nexus.CodeConflict {
		t.Errorf("second open: %v", err)
	}
	mustPropose(t, p.group, "one")
	mustClose(t, p)
	_, err := openPlace(dir, func(c *Config) { c.NodeID = "node-2" })
	if nexus.CodeOf(err) != nexus.CodeConflict {
		t.Errorf("open as another node: %v", err)
	}
	p = mustOpen(t, dir, nil)
	mustClose(t, p)
	if err := p.group.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if _, _, err := p.group.Propose(context.Background(), []byte("late")); nexus.CodeOf(err) != nexus.CodeUnavailable {
		t.Errorf("propose after close: %v", err)
	}
}

func TestCloseAnswersEveryProposal(t *testing.T) {
	t.Parallel()
	p := mustOpen(t, t.TempDir(), nil)
	var answered, accepted atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for {
				_, _, err := p.group.Propose(context.Background(), []byte("command"))
				answered.Add(1)
				if err != nil {
					return
				}
				accepted.Add(1)
			}
		})
	}
	eventually(t, "some answers", func() bool { return accepted.Load() > 50 })
	if err := p.group.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if got := int64(len(p.machine.seen)); got != accepted.Load() {
		t.Errorf("machine holds %d commands, %d were acknowledged", got, accepted.Load())
	}
}

func TestConfigAndProposalLimits(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{}, {Dir: "x"}, {Dir: "x", NodeID: "n", SegmentSize: 1},
		{Dir: "x", NodeID: "n", MaxInFlight: -1},
		{Dir: "x", NodeID: "n", SnapshotInterval: 1}, {Dir: "x", NodeID: "n", LogStoreTimeout: -1}} {
		if _, err := Open(c, &fileMachine{}); nexus.CodeOf(err) != nexus.CodeUsage {
			t.Errorf("config %+v: %v", c, err)
		}
	}
	p := mustOpen(t, t.TempDir(), nil)
	defer mustClose(t, p)
	for _, n := range []int{0, MaxProposal + 1} {
		if _, _, err := p.group.Propose(context.Background(), make([]byte, n)); nexus.CodeOf(err) != nexus.CodeMalformed {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := p.group.Propose(ctx, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled context: %v", err)
	}
}

// TestNothingLeaks is not parallel: it counts goroutines.
func TestNothingLeaks(t *testing.T) {
	before := runtime.NumGoroutine()
	dir := t.TempDir()
	for range 3 {
		p := mustOpen(t, dir, small)
		for range 100 {
			mustPropose(t, p.group, "command")
		}
		mustClose(t, p)
	}
	eventually(t, "all goroutines ended", func() bool { return runtime.NumGoroutine() <= before })
}
