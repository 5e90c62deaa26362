package consensus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// Group is the running log. Safe for concurrent use.
type Group struct {
	cfg     Config
	machine Machine
	raft    *raft.Raft
	store   *guardedStore
	lock    *os.File

	// inFlight holds one token per proposal without an answer; Close drains by taking all of them.
	inFlight  chan struct{}
	turnstile cohorts
	closing   chan struct{} // closed when Close begins
	closeOne  sync.Once
	closeErr  error

	stored chan struct{} // closed when the newest batch that came as Later is stored and judged; set by raft's goroutine, under mu

	failedSignal chan struct{} // closed by the first failure
	failedOut    chan error    // carries it, then is closed

	mu      sync.Mutex // guards problem and stored
	problem error
}

// Propose replicates data as one command and returns the machine's result with the command's log index once
// ApplyBatch of it has returned, that is: durable. Concurrent callers share log writes and transactions. An error
// of code unavailable after the command was handed over (context ended, group failed) leaves the outcome unknown:
// ask again with the same action id. data must not be changed afterwards.
func (g *Group) Propose(ctx context.Context, data []byte) (result any, index uint64, err error) {
	if len(data) == 0 || len(data) > MaxProposal {
		return nil, 0, nexus.Errf("propose", nexus.CodeMalformed, fmt.Sprintf("command of %d bytes", len(data)),
			"send smaller batches", "must have 1 to %d bytes", MaxProposal)
	}
	if err := g.enter(ctx, "propose"); err != nil {
		return nil, 0, err
	}
	member, err := g.turnstile.enter(ctx, g.failedSignal)
	if err != nil {
		<-g.inFlight
		return nil, 0, g.unavailable("propose", err)
	}
	future := g.raft.Apply(data, 0)
	if err := g.wait(ctx, "propose", future, func() { g.turnstile.leave(member) }); err != nil {
		return nil, 0, err
	}
	result, index = future.Response(), future.Index()
	if later, ok := result.(Later); ok {
		result = later() // it has come: wait waited for it
	}
	if halt, ok := result.(Halt); ok {
		return nil, index, &nexus.Error{Op: "propose", Code: nexus.CodeUnavailable, Subject: fmt.Sprintf("index %d", index),
			Cause: halt, Hint: "see nexus status; mend the cause and restart the node"}
	}
	return result, index, nil
}

// Barrier returns when everything committed before the call has been applied.
func (g *Group) Barrier(ctx context.Context) error {
	if err := g.enter(ctx, "barrier"); err != nil {
		return err
	}
	if err := g.wait(ctx, "barrier", g.raft.Barrier(0), nil); err != nil {
		return err
	}
	g.settle()
	if err := g.failure(); err != nil {
		return g.unavailable("barrier", err)
	}
	return nil
}

// watchStored judges a batch that the machine is still storing, when it has.
func (g *Group) watchStored(judge func() error) {
	done := make(chan struct{})
	g.mu.Lock()
	g.stored = done
	g.mu.Unlock()
	go func() {
		defer close(done)
		if err := judge(); err != nil {
			g.fail(err)
		}
	}()
}

// settle waits until every batch that was applied is stored, or the group has failed.
func (g *Group) settle() {
	g.mu.Lock()
	stored := g.stored
	g.mu.Unlock()
	if stored == nil {
		return
	}
	select {
	case <-stored:
	case <-g.failedSignal:
	}
}

// Snapshot syncs the machine, writes a marker and cuts the log now instead of at the threshold. Nothing new since the
// last marker is no error.
func (g *Group) Snapshot(ctx context.Context) error {
	if err := g.enter(ctx, "snapshot"); err != nil {
		return err
	}
	err := g.wait(ctx, "snapshot", g.raft.Snapshot(), nil)
	if errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return nil
	}
	return err
}

// enter takes a place among the proposals in flight.
func (g *Group) enter(ctx context.Context, op string) error {
	select {
	case <-g.failedSignal:
		return g.unavailable(op, g.failure())
	case <-g.closing:
		return g.unavailable(op, errors.New("node is stopping"))
	case <-ctx.Done():
		return g.unavailable(op, ctx.Err())
	default:
	}
	select {
	case g.inFlight <- struct{}{}:
		return nil
	case <-g.failedSignal:
		return g.unavailable(op, g.failure())
	case <-g.closing:
		return g.unavailable(op, errors.New("node is stopping"))
	case <-ctx.Done():
		return g.unavailable(op, ctx.Err())
	}
}

// wait waits for a future; its place is given back, and answered called, only when raft has answered.
func (g *Group) wait(ctx context.Context, op string, future raft.Future, answered func()) error {
	done := make(chan error, 1)
	go func() {
		err := future.Error()
		if apply, ok := future.(raft.ApplyFuture); ok && err == nil {
			if later, ok := apply.Response().(Later); ok {
				if halt := halted([]any{later()}); halt != nil {
					g.fail(halt)
				}
			}
		}
		if answered != nil {
			answered()
		}
		<-g.inFlight
		done <- err
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		return g.unavailable(op, fmt.Errorf("%w; outcome unknown", ctx.Err()))
	case <-g.failedSignal:
		// The answer may have come at the same moment; it tells more.
		select {
		case err = <-done:
		default:
			return g.unavailable(op, fmt.Errorf("outcome unknown: %w", g.failure()))
		}
	}
	if err != nil {
		return g.unavailable(op, err)
	}
	return nil
}

func (g *Group) unavailable(op string, cause error) error {
	return &nexus.Error{Op: op, Code: nexus.CodeUnavailable, Subject: "ledger log", Cause: cause,
		Hint: "see nexus status, then try again with the same id"}
}

// Failed yields the first failure and is then closed: the group accepts nothing more, the process should say so and
// stop or serve reads only. It never yields after an orderly Close.
func (g *Group) Failed() <-chan error { return g.failedOut }

// fail records the first failure. It never blocks.
func (g *Group) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.problem != nil {
		return
	}
	g.problem = err
	close(g.failedSignal)
	g.failedOut <- err
	close(g.failedOut)
	g.cfg.Logger.Error("log stopped", "component", "consensus", "err", err)
}

func (g *Group) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.problem
}

// LastIndex is the newest log index on disk.
func (g *Group) LastIndex() uint64 { return g.raft.LastIndex() }

// Status gives a picture of the group; cheap enough for every frame of a console.
func (g *Group) Status() Status {
	_, leader := g.raft.LeaderWithID()
	s := Status{State: stateWord(g.raft.State()), Term: g.raft.CurrentTerm(), Leader: string(leader),
		Applied: g.machine.Applied(), Commit: g.raft.CommitIndex(), LastLog: g.raft.LastIndex(),
		InFlight: len(g.inFlight), Healthy: true}
	s.StoreWrites, s.StoreP99 = g.store.figures()
	s.LastSnapshot = g.lastMarker()
	if first, err := g.store.FirstIndex(); err == nil {
		s.FirstLog = first
	}
	for _, server := range g.raft.GetConfiguration().Configuration().Servers {
		if server.Suffrage == raft.Voter {
			s.Voters++
		}
	}
	if err := g.failure(); err != nil {
		s.Healthy, s.Problem = false, err.Error()
	}
	return s
}

func (g *Group) lastMarker() uint64 {
	markers, err := markerStore{dir: filepath.Join(g.cfg.Dir, "snapshots")}.list()
	if err != nil || len(markers) == 0 {
		return 0
	}
	return markers[0].Index
}

func stateWord(s raft.RaftState) string {
	switch s {
	case raft.Leader:
		return "leader"
	case raft.Candidate:
		return "candidate"
	case raft.Follower:
		return "follower"
	default:
		return "shutdown"
	}
}

// Close stops in order: no new proposals, those in flight get their answers, raft and the log close, the lock is
// given back. It waits for every goroutine, but at most three times LogStoreTimeout when the disk or the machine
// hangs; then it says so. Later calls return the same.
func (g *Group) Close() error {
	g.closeOne.Do(func() {
		close(g.closing)
		g.drain()
		g.closeErr = g.shutdown()
	})
	return g.closeErr
}

// drain takes every place, so that no proposal is without an answer; a failed group has none worth waiting for.
func (g *Group) drain() {
	timer := time.NewTimer(g.cfg.LogStoreTimeout)
	defer timer.Stop()
	for range cap(g.inFlight) {
		select {
		case g.inFlight <- struct{}{}:
		case <-g.failedSignal:
			return
		case <-timer.C:
			return
		}
	}
}

func (g *Group) shutdown() error {
	var err error
	if g.raft != nil {
		future := g.raft.Shutdown()
		g.store.release()
		stopped := make(chan error, 1)
		go func() { stopped <- future.Error() }()
		timer := time.NewTimer(g.cfg.LogStoreTimeout)
		defer timer.Stop()
		select {
		case err = <-stopped:
		case <-timer.C:
			err = nexus.Errf("close", nexus.CodeUnavailable, "ledger log", "check the disk",
				"state machine or log did not stop within %s", g.cfg.LogStoreTimeout)
		}
	}
	if g.store != nil {
		err = errors.Join(err, g.store.close())
	}
	return errors.Join(err, unlockDir(g.lock))
}

// lockDir makes sure that one process at a time works on the directory. The kernel gives the lock back at any death.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, ioError("open log", path, err)
	}
	if err := osfile.TryLock(file); err != nil {
		file.Close()
		return nil, nexus.Errf("open log", nexus.CodeConflict, dir, "stop the other node or choose another data directory",
			"held by another process")
	}
	return file, nil
}

func unlockDir(file *os.File) error {
	if file == nil {
		return nil
	}
	// Unlocked by name: closing alone would leave the lock to a copy of the descriptor in a process just forked.
	return errors.Join(osfile.Unlock(file), file.Close())
}
