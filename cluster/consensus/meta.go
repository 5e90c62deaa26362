package consensus

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	stdslices "slices"
	"sync"
	"time"

	"github.com/hashicorp/raft-wal/types"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

const metaMagic = "NXMETA1\n"

var metaNames = [2]string{"meta-a", "meta-b"}

// metaState is what the two meta files hold: which segments make up the log, and raft's term and vote.
type metaState struct {
	NextSegmentID uint64
	Segments      []metaSegment
	Stable        []metaPair // sorted by key
}

type metaSegment struct {
	ID, BaseIndex, MinIndex, MaxIndex uint64
	Codec, IndexStart                 uint64
	CreateNs, SealNs                  int64 // Unix nanoseconds, 0 for the zero time
	SizeLimit                         uint32
}

type metaPair struct {
	Key   string
	Value []byte
}

// metaStore implements raft-wal's MetaStore: the whole state in one small file, written alternately to two names,
// each time replaced as a whole (docs/decisions/0003-raft-meta-file.md).
type metaStore struct {
	watch Watch

	mu         sync.Mutex // guards all below
	dir        string
	generation uint64
	state      metaState
	closed     bool
}

var _ types.MetaStore = (*metaStore)(nil)

// readMeta loads both files without changing anything. found is false when neither exists.
func readMeta(dir string) (generation uint64, state metaState, found bool, findings []Finding) {
	var generations [2]uint64
	var present [2]bool
	for i, name := range metaNames {
		path := filepath.Join(dir, name)
		raw, err := readBounded(path, maxSealedFile)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		present[i], found = true, true
		var gen uint64
		var body []byte
		if err == nil {
			gen, body, err = openSealed(metaMagic, raw)
		}
		var s metaState
		if err == nil {
			err = nexus.Decode(body, &s)
		}
		if err == nil && (gen == 0 || gen%2 != uint64(i)) {
			err = fmt.Errorf("holds generation %d of the other file", gen)
		}
		if err != nil {
			findings = append(findings, Finding{File: path, What: "log meta file: " + err.Error()})
			continue
		}
		generations[i] = gen
		if gen > generation {
			generation, state = gen, s
		}
	}
	if len(findings) == 0 && found {
		// The first write makes meta-b (generation 1) alone; from the second on both exist with neighbouring numbers.
		older := min(generations[0], generations[1])
		if older+1 != generation || (generation == 1) == (present[0] && present[1]) {
			findings = append(findings, Finding{File: filepath.Join(dir, metaNames[(generation+1)%2]),
				What: fmt.Sprintf("log meta file: generation %d where %d is expected", older, generation-1)})
		}
	}
	return generation, state, found, findings
}

// Load implements types.MetaStore.
func (m *metaStore) Load(dir string) (types.PersistentState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	generation, state, _, findings := readMeta(dir)
	if len(findings) > 0 {
		return types.PersistentState{}, corruptErr("open log", findings[0])
	}
	m.dir, m.generation, m.state = dir, generation, state
	return state.persistent(), nil
}

// CommitState implements types.MetaStore.
func (m *metaStore) CommitState(p types.PersistentState) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := fromPersistent(p)
	next.Stable = m.state.Stable
	return m.commitLocked(next)
}

// GetStable implements types.MetaStore; nil for a key never set.
func (m *metaStore) GetStable(key []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.state.Stable {
		if p.Key == string(key) {
			return stdslices.Clone(p.Value), nil
		}
	}
	return nil, nil
}

// SetStable implements types.MetaStore.
func (m *metaStore) SetStable(key, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	pairs := make(map[string][]byte, len(m.state.Stable)+1)
	for _, p := range m.state.Stable {
		pairs[p.Key] = p.Value
	}
	pairs[string(key)] = stdslices.Clone(value)
	next := m.state
	next.Stable = nil
	for _, k := range stdslices.Sorted(maps.Keys(pairs)) {
		next.Stable = append(next.Stable, metaPair{Key: k, Value: pairs[k]})
	}
	return m.commitLocked(next)
}

// Close implements types.MetaStore.
func (m *metaStore) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

func (m *metaStore) commitLocked(next metaState) error {
	if m.closed {
		return types.ErrClosed
	}
	generation := m.generation + 1
	path := filepath.Join(m.dir, metaNames[generation%2])
	if err := replaceFile(m.watch, metaSteps, path, sealFile(metaMagic, generation, nexus.Encode(next))); err != nil {
		return ioError("write log meta", path, err)
	}
	m.generation, m.state = generation, next
	return nil
}

// segmentOf names the file that holds a log index, for error messages.
func (m *metaStore) segmentOf(index uint64) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := "no segment"
	for _, s := range m.state.Segments {
		if s.BaseIndex <= index {
			name = filepath.Join(m.dir, s.fileName())
		}
	}
	return name
}

func (s metaSegment) fileName() string { return fmt.Sprintf("%020d-%016x.wal", s.BaseIndex, s.ID) }

func (s metaSegment) sealed() bool { return s.SealNs != 0 }

func (s metaState) persistent() types.PersistentState {
	out := types.PersistentState{NextSegmentID: s.NextSegmentID}
	for _, seg := range s.Segments {
		out.Segments = append(out.Segments, types.SegmentInfo{ID: seg.ID, BaseIndex: seg.BaseIndex, MinIndex: seg.MinIndex,
			MaxIndex: seg.MaxIndex, Codec: seg.Codec, IndexStart: seg.IndexStart, SizeLimit: seg.SizeLimit,
			CreateTime: fromNs(seg.CreateNs), SealTime: fromNs(seg.SealNs)})
	}
	return out
}

func fromPersistent(p types.PersistentState) metaState {
	out := metaState{NextSegmentID: p.NextSegmentID}
	for _, seg := range p.Segments {
		out.Segments = append(out.Segments, metaSegment{ID: seg.ID, BaseIndex: seg.BaseIndex, MinIndex: seg.MinIndex,
			MaxIndex: seg.MaxIndex, Codec: entryCodecID, IndexStart: seg.IndexStart, SizeLimit: seg.SizeLimit,
			CreateNs: toNs(seg.CreateTime), SealNs: toNs(seg.SealTime)})
	}
	return out
}

func toNs(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNs(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}
