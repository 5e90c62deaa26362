package engine

import (
	"crypto/sha256"
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster/consensus"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

// Keys and sizes of the stored state snapshot.
const (
	snapshotMetaKey  = "x/s/meta"
	snapshotChunkLen = 256 << 10
	snapshotEvery    = 4096      // commands; a restart applies at most that many again
	snapshotEntries  = 1_000_000 // or that many ledger entries
	maxLoadBytes     = nexus.MaxCanonicalLen * 64
)

// snapshotMeta says where the newest whole snapshot stands. Chunks are written first, this last: a crash between leaves
// the older generation in force.
type snapshotMeta struct {
	Index      uint64
	Generation uint8
	Length     uint64
	Chunks     uint64
	SHA256     nexus.Hash
}

// applied is what a proposer is answered.
type applied struct {
	out *state.Outcome
}

// ApplyBatch implements consensus.Machine: every command through the same Apply, in memory; then, while the next batch is applied, one
// transaction, the head file and the answers (storing.go). A crash before the transaction leaves the commands in the replicated log;
// after it, in the store; the head file is behind or ahead of the store then, never ahead of the log.
func (e *Engine) ApplyBatch(cmds []consensus.Command) []any {
	results := make([]any, len(cmds))
	halt := func(err error) []any {
		for i := range results {
			results[i] = consensus.Halt{Err: err}
		}
		return results
	}
	e.mu.Lock()
	err := e.step(StepApply)
	var s *storing
	if err == nil {
		s, err = e.applyLocked(cmds)
	}
	before := e.storing.Load()
	if err == nil {
		e.storing.Store(s) // before the lock is given back: who reads the state waits for it
	}
	e.mu.Unlock()
	if before != nil { // one batch is being stored, one being applied: the rest waits in the log
		<-before.answered
		if before.err != nil {
			err = before.err
			if s != nil {
				s.fail(err)
			}
		}
	}
	if err != nil {
		return halt(err)
	}
	go e.carry(s)
	for i := range results {
		results[i] = s.answer(i)
	}
	if err := e.saveWhenDue(s); err != nil {
		return halt(err)
	}
	return results
}

// applyLocked applies a batch in memory and says what is to be stored of it. The caller holds mu.
func (e *Engine) applyLocked(cmds []consensus.Command) (*storing, error) {
	b := &pendingBatch{e: e, overlay: map[string][]byte{}}
	if before := e.storing.Load(); before != nil {
		b.before = before.overlay
	}
	s := &storing{overlay: b.overlay, stored: make(chan struct{}), answered: make(chan struct{})}
	size := e.state.Chain.Size()
	for _, c := range cmds {
		out, err := e.state.Apply(c.Index, c.Term, c.Data, b.look)
		if err != nil {
			return nil, fmt.Errorf("apply: %w", err)
		}
		s.outs = append(s.outs, out)
		s.rows = append(s.rows, e.rowOf(out))
		b.add(c.Index, out)
	}
	e.sinceSnapshot += len(cmds)
	e.sinceEntries += e.state.Chain.Size() - size
	s.batch, s.head = b, e.standing()
	s.last = consensus.Head{Index: e.state.Index, Term: cmds[len(cmds)-1].Term, Root: s.head.cp.Root, Size: s.head.cp.Size}
	return s, nil
}

// saveWhenDue stores the state once enough has come since the last time. Everything applied is stored before.
func (e *Engine) saveWhenDue(s *storing) error {
	if e.sinceSnapshot < e.cfg.SaveEvery && e.sinceEntries < snapshotEntries {
		return nil
	}
	<-s.answered
	if s.err != nil {
		return s.err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.saveState()
	if nexus.CodeOf(err) != nexus.CodeUnavailable {
		return err
	}
	// The commands are durable; a full disk only makes the next restart apply more of them again.
	e.sinceSnapshot, e.sinceEntries = 0, 0
	e.cfg.Logger.Warn("state not saved", "component", "engine", "index", e.state.Index, "error", err)
	return nil
}

// pendingBatch gathers outcomes into store batches below the store's limit and shows their keys to the commands after.
type pendingBatch struct {
	e       *Engine
	b       ledger.Batch
	size    int
	whole   []ledger.Batch // full ones, in order
	overlay map[string][]byte
	before  map[string][]byte // overlay of the batch that is being stored; nobody writes to it any more
}

func (p *pendingBatch) look(key []byte) ([]byte, error) {
	if v, ok := p.overlay[string(key)]; ok {
		return v, nil
	}
	if v, ok := p.before[string(key)]; ok {
		return v, nil
	}
	return p.e.lookup(key)
}

func (p *pendingBatch) add(index uint64, out *state.Outcome) {
	if !out.Repeated {
		n := ledger.Batch{Records: []ledger.Record{out.Record}, Grown: []merkle.Grown{out.Grown}, Puts: out.Puts}.Size()
		if p.size+n > p.e.store.MaxBatchBytes()*9/10 && len(p.b.Records) > 0 {
			p.cut("")
		}
		p.size += n
		p.b.Records = append(p.b.Records, out.Record)
		p.b.Grown = append(p.b.Grown, out.Grown)
		p.b.Puts = append(p.b.Puts, out.Puts...)
		for _, kv := range out.Puts {
			p.overlay[string(kv.Key)] = kv.Value
		}
	}
	p.b.Applied = index
}

// cut ends one transaction's worth.
func (p *pendingBatch) cut(checkpoint string) {
	p.b.Checkpoint = checkpoint
	p.whole = append(p.whole, p.b)
	p.b, p.size = ledger.Batch{Applied: p.b.Applied}, 0
}

// commit stores what was gathered, the last of it with a checkpoint.
func (p *pendingBatch) commit(checkpoint string) error {
	p.cut(checkpoint)
	for _, b := range p.whole {
		if err := p.e.step(StepCommit); err != nil {
			return err
		}
		if err := p.e.store.Commit(b); err != nil {
			return err
		}
		p.e.indexed(b.Records)
		if err := p.e.step(StepCommitted); err != nil {
			return err
		}
	}
	p.whole = nil
	return nil
}

// standing describes a checkpoint over the chain as it stands in memory, not signed yet. The caller holds mu.
func (e *Engine) standing() *signedHead {
	st := e.state
	units := st.Chain.Units()
	cp := ledger.Checkpoint{Cluster: st.Cluster, Size: st.Chain.Size(), Root: st.Chain.Root(), Index: st.Index, Units: units.Root()}
	return &signedHead{cp: cp, at: e.clock(), units: units}
}

// sign signs it.
func (e *Engine) sign(h *signedHead) (err error) {
	h.text, err = ledger.SignCheckpoint(e.cfg.Node, h.cp.Origin(), h.cp)
	return err
}

// signHead signs the head again after a restart, so that a checkpoint exists before the first new command.
func (e *Engine) signHead() error {
	h := e.standing()
	if err := e.sign(h); err != nil {
		return err
	}
	e.checkpoint.Store(h)
	return nil
}

// lookup reads one of the engine's keys; nil when absent.
func (e *Engine) lookup(key []byte) ([]byte, error) {
	v, err := e.store.Get(key)
	if nexus.CodeOf(err) == nexus.CodeNotFound {
		return nil, nil
	}
	return v, err
}

// Applied implements consensus.Machine.
func (e *Engine) Applied() uint64 { return e.store.Applied() }

// Sync implements consensus.Machine: called before the replicated log is cut.
func (e *Engine) Sync() error {
	if err := e.step(StepStoreSync); err != nil {
		return err
	}
	return e.store.Sync()
}

// saveState stores the state in chunks under the generation not in force, then points to it. Callers hold mu or are the
// last user. A state that a failed transaction left ahead of the store is not saved: its commands are in the replicated log
// and would otherwise be applied on top of their own effects, which halts every restart.
func (e *Engine) saveState() error {
	if e.state.Index != e.store.Applied() {
		return nil
	}
	data := e.state.Snapshot()
	var old snapshotMeta
	if v, err := e.lookup([]byte(snapshotMetaKey)); err != nil {
		return err
	} else if v != nil {
		if err := nexus.Decode(v, &old); err != nil {
			return err
		}
	}
	meta := snapshotMeta{Index: e.state.Index, Generation: 1 - old.Generation&1, Length: uint64(len(data)), SHA256: sha256.Sum256(data)}
	b := ledger.Batch{Applied: e.store.Applied()}
	for len(data) > 0 {
		n := min(snapshotChunkLen, len(data))
		b.Puts = append(b.Puts, ledger.KV{Key: snapshotChunkKey(meta.Generation, meta.Chunks), Value: data[:n]})
		data, meta.Chunks = data[n:], meta.Chunks+1
		if b.Size()+2*snapshotChunkLen > e.store.MaxBatchBytes() {
			if err := e.commitState(b); err != nil {
				return err
			}
			b.Puts = nil
		}
	}
	b.Puts = append(b.Puts, ledger.KV{Key: []byte(snapshotMetaKey), Value: nexus.Encode(meta)})
	e.sinceSnapshot, e.sinceEntries = 0, 0
	if err := e.commitState(b); err != nil {
		return err
	}
	return e.storeIndex()
}

// commitState stores a part of the state; the last has the pointer to all of them.
func (e *Engine) commitState(b ledger.Batch) error {
	if err := e.step(StepSaveState); err != nil {
		return err
	}
	return e.store.Commit(b)
}

func snapshotChunkKey(generation uint8, n uint64) []byte {
	return fmt.Appendf(nil, "x/s/%d/%08d", generation, n)
}

// loadState restores the newest snapshot and applies every later record again through the live code path. What comes out
// must equal what is stored, byte for byte.
func (e *Engine) loadState() error {
	st, err := e.readSnapshot()
	if err != nil {
		return err
	}
	e.state = st
	err = e.store.Records(st.Index+1, e.store.Applied(), func(r ledger.Record) error {
		out, err := e.state.Apply(r.Index, r.Term, r.Command, e.lookup)
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		if out.Repeated || out.Record.Root != r.Root {
			return nexus.Errf("replay", nexus.CodeCorrupt, fmt.Sprintf("record %d", r.Index), "run nexus ledger verify --offline",
				"applied again it gives another root than the stored one")
		}
		return nil
	})
	e.state.Trust(&e.seen)
	// Repetitions after the last record made none, but moved the index; the head file and other replicas count them.
	e.state.Index = max(e.state.Index, e.store.Applied())
	return err
}

func (e *Engine) readSnapshot() (*state.State, error) {
	v, err := e.lookup([]byte(snapshotMetaKey))
	if err != nil || v == nil {
		return state.NewWith(e.sets), err
	}
	corrupt := func(format string, args ...any) error {
		return nexus.Errf("open engine", nexus.CodeCorrupt, "state snapshot", "run nexus ledger verify --offline", format, args...)
	}
	var meta snapshotMeta
	if err := nexus.Decode(v, &meta); err != nil {
		return nil, err
	}
	if meta.Length > maxLoadBytes {
		return nil, corrupt("length %d", meta.Length)
	}
	data := make([]byte, 0, meta.Length)
	for n := range meta.Chunks {
		c, err := e.store.Get(snapshotChunkKey(meta.Generation, n))
		if err != nil {
			return nil, err
		}
		data = append(data, c...)
	}
	if sha256.Sum256(data) != meta.SHA256 {
		return nil, corrupt("digest differs")
	}
	st, err := state.RestoreWith(e.sets, data)
	if err == nil && !st.Complete() {
		return state.NewWith(e.sets), nil // of an older version: the whole log is applied again
	}
	return st, err
}

// checkHead compares what was acknowledged before the start with what stands after it: a cut or swapped tail is found here.
func (e *Engine) checkHead() error {
	h, err := e.head.Read()
	if err != nil {
		return err
	}
	e.rlock()
	defer e.mu.RUnlock()
	size := e.state.Chain.Size()
	if h.Index > e.state.Index || h.Size > size {
		return nexus.Errf("open engine", nexus.CodeCorrupt, "ledger tail", "restore the data directory from a backup",
			"command %d and %d entries were acknowledged, %d and %d stand", h.Index, h.Size, e.state.Index, size)
	}
	if h.Size == 0 {
		return nil
	}
	root, err := e.rootAt(h.Size)
	if err != nil {
		return err
	}
	if root != h.Root {
		return nexus.Errf("open engine", nexus.CodeCorrupt, "ledger tail", "restore the data directory from a backup",
			"root at %d entries is %s, acknowledged was %s", h.Size, root, nexus.Hash(h.Root))
	}
	return nil
}
