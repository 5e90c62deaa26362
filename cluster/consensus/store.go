package consensus

import (
	"errors"
	"fmt"
	"io"
	stdslices "slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// rawLogStore is what the group needs of raft-wal's WAL.
type rawLogStore interface {
	raft.LogStore
	raft.StableStore
	raft.MonotonicLogStore
	io.Closer
}

// guardedStore stands between raft and its log: it gives every write a time limit, turns any failed write into the
// end of the group, and keeps damaged entries from raft, which would panic on the error.
type guardedStore struct {
	raw     rawLogStore
	segment func(index uint64) string
	timeout time.Duration
	fail    func(error)     // ends the group; never blocks
	failed  <-chan struct{} // closed by fail
	closing chan struct{}   // closed when raft has been told to shut down

	// opening is true until raft writes for the first time. Before that a bad entry is returned as an error, because
	// raft reads in the goroutine of Open; later raft would panic, so the reader is held until the group closes.
	opening atomic.Bool

	writes chan storeWrite // to the one goroutine that writes, unbuffered
	done   chan struct{}   // closed when that goroutine has returned

	mu        sync.Mutex // guards the figures below
	latencies [1024]time.Duration
	count     uint64
}

type storeWrite struct {
	run    func() error
	result chan error // one place, so that the writer never waits for a caller that gave up
}

func newGuardedStore(raw rawLogStore, g *Group, segment func(uint64) string) *guardedStore {
	s := &guardedStore{raw: raw, segment: segment, timeout: g.cfg.LogStoreTimeout, fail: g.fail, failed: g.failedSignal,
		closing: make(chan struct{}), writes: make(chan storeWrite), done: make(chan struct{})}
	s.opening.Store(true)
	go s.writer()
	return s
}

func (s *guardedStore) writer() {
	defer close(s.done)
	for w := range s.writes {
		w.result <- w.run()
	}
}

// write runs one write in the writer goroutine and waits for it at most timeout. After that the disk may still do it;
// the group is over, so nobody builds on either outcome.
func (s *guardedStore) write(what string, run func() error) error {
	select {
	case <-s.failed:
		return nexus.Errf(what, nexus.CodeUnavailable, "log", "restart the node", "stopped after a failure")
	default:
	}
	timer := time.NewTimer(s.timeout)
	defer timer.Stop()
	w := storeWrite{run: run, result: make(chan error, 1)}
	select {
	case s.writes <- w:
	case <-timer.C:
		return s.hung(what)
	}
	select {
	case err := <-w.result:
		return err
	case <-timer.C:
		return s.hung(what)
	}
}

func (s *guardedStore) hung(what string) error {
	err := nexus.Errf(what, nexus.CodeUnavailable, "log", "check the disk, then restart the node",
		"the disk did not answer within %s", s.timeout)
	s.fail(err)
	return err
}

// StoreLog implements raft.LogStore.
func (s *guardedStore) StoreLog(log *raft.Log) error { return s.StoreLogs([]*raft.Log{log}) }

// StoreLogs implements raft.LogStore. An error ends the group: after a failed write or fsync nobody knows what the
// disk holds until it is read again from the start.
func (s *guardedStore) StoreLogs(logs []*raft.Log) error {
	s.opening.Store(false)
	start := time.Now()
	err := s.write("write log", func() error { return s.raw.StoreLogs(logs) })
	if err != nil {
		err = &nexus.Error{Op: "write log", Code: nexus.CodeUnavailable, Subject: fmt.Sprintf("index %d", logs[0].Index),
			Cause: err, Hint: "check disk space and the disk, then restart the node"}
		s.fail(err)
		return err
	}
	s.mu.Lock()
	s.latencies[s.count%uint64(len(s.latencies))] = time.Since(start)
	s.count++
	s.mu.Unlock()
	return nil
}

// figures gives the number of writes and the 99th percentile of the last 1024.
func (s *guardedStore) figures() (count uint64, p99 time.Duration) {
	s.mu.Lock()
	count = s.count
	sorted := stdslices.Clone(s.latencies[:min(count, uint64(len(s.latencies)))])
	s.mu.Unlock()
	if len(sorted) == 0 {
		return 0, 0
	}
	stdslices.Sort(sorted)
	return count, sorted[(len(sorted)*99-1)/100]
}

// GetLog implements raft.LogStore. An entry that does not read as it was written is never served.
func (s *guardedStore) GetLog(index uint64, l *raft.Log) error {
	err := s.raw.GetLog(index, l)
	if err == nil && l.Index != index {
		err = fmt.Errorf("log index %d where %d belongs", l.Index, index)
	}
	if err == nil || errors.Is(err, raft.ErrLogNotFound) && !s.holds(index) {
		return err
	}
	err = &nexus.Error{Op: "read log", Code: nexus.CodeCorrupt,
		Subject: fmt.Sprintf("%s, index %d", s.segment(index), index), Cause: err,
		Hint: "stop the node, check the disk, restore the directory from a backup"}
	if s.opening.Load() {
		return err
	}
	s.fail(err)
	<-s.closing
	*l = raft.Log{Index: index, Type: raft.LogNoop} // raft is shutting down and the machine is cut off
	return nil
}

// holds reports whether the log claims to hold an index, so that its absence is damage.
func (s *guardedStore) holds(index uint64) bool {
	first, errFirst := s.raw.FirstIndex()
	last, errLast := s.raw.LastIndex()
	return errFirst == nil && errLast == nil && first > 0 && first <= index && index <= last
}

// FirstIndex implements raft.LogStore.
func (s *guardedStore) FirstIndex() (uint64, error) { return s.raw.FirstIndex() }

// LastIndex implements raft.LogStore.
func (s *guardedStore) LastIndex() (uint64, error) { return s.raw.LastIndex() }

// DeleteRange implements raft.LogStore. An error leaves the log uncut, which is safe: raft tries again.
func (s *guardedStore) DeleteRange(from, to uint64) error {
	return s.write("cut log", func() error { return s.raw.DeleteRange(from, to) })
}

// IsMonotonic implements raft.MonotonicLogStore.
func (s *guardedStore) IsMonotonic() bool { return s.raw.IsMonotonic() }

// Set implements raft.StableStore.
func (s *guardedStore) Set(key, value []byte) error {
	return s.stable(func() error { return s.raw.Set(key, value) })
}

// SetUint64 implements raft.StableStore.
func (s *guardedStore) SetUint64(key []byte, value uint64) error {
	return s.stable(func() error { return s.raw.SetUint64(key, value) })
}

// stable writes term or vote. raft panics when a term cannot be written, so the error ends the group and raft is held
// until it shuts down.
func (s *guardedStore) stable(run func() error) error {
	err := s.write("write term and vote", run)
	if err == nil {
		return err
	}
	s.fail(err)
	<-s.closing
	return nil
}

// Get implements raft.StableStore; a key never set reads as empty.
func (s *guardedStore) Get(key []byte) ([]byte, error) { return s.raw.Get(key) }

// GetUint64 implements raft.StableStore; a key never set reads as 0.
func (s *guardedStore) GetUint64(key []byte) (uint64, error) { return s.raw.GetUint64(key) }

// release lets held readers go. Call it after raft was told to shut down.
func (s *guardedStore) release() { close(s.closing) }

// close stops the writer and closes the log, waiting at most timeout for a hung disk.
func (s *guardedStore) close() error {
	close(s.writes)
	closed := make(chan error, 1)
	go func() {
		<-s.done
		closed <- s.raw.Close()
	}()
	timer := time.NewTimer(s.timeout)
	defer timer.Stop()
	select {
	case err := <-closed:
		return err
	case <-timer.C:
		return nexus.Errf("close log", nexus.CodeUnavailable, "log", "check the disk", "did not close within %s", s.timeout)
	}
}
