package engine

import (
	"crypto/sha256"
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster/consensus"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
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

// applied is what ApplyBatch answers one proposer.
type applied struct {
	out *state.Outcome
}

// ApplyBatch implements consensus.Machine: every command through the same Apply, then one transaction, then the head
// file, then the answers. A crash before the transaction leaves the commands in the replicated log; after it, in the
// store; between transaction and head file, the head is behind, which is allowed.
func (e *Engine) ApplyBatch(cmds []consensus.Command) []any {
	results := make([]any, len(cmds))
	e.mu.Lock()
	err := e.step(StepApply)
	if err == nil {
		err = e.applyLocked(cmds, results)
	}
	e.mu.Unlock()
	if err == nil {
		err = e.step(StepAnswer)
	}
	if err != nil {
		for i := range results {
			results[i] = consensus.Halt{Err: err}
		}
		return results
	}
	for _, r := range results {
		e.publish(r.(applied).out)
	}
	return results
}

func (e *Engine) applyLocked(cmds []consensus.Command, results []any) error {
	b := pendingBatch{e: e, overlay: map[string][]byte{}}
	before := e.state.Chain.Size()
	for i, c := range cmds {
		out, err := e.state.Apply(c.Index, c.Term, c.Data, b.look)
		if err != nil {
			return fmt.Errorf("apply: %w", err)
		}
		results[i] = applied{out}
		if err := b.add(c.Index, out); err != nil {
			return err
		}
	}
	e.sinceSnapshot += len(cmds)
	if err := b.finish(); err != nil {
		return err
	}
	st := e.state
	if err := e.head.Write(consensus.Head{Index: st.Index, Term: cmds[len(cmds)-1].Term, Root: st.Chain.Root(), Size: st.Chain.Size()}); err != nil {
		return err
	}
	e.version.Add(1)
	e.sinceEntries += e.state.Chain.Size() - before
	if e.sinceSnapshot >= e.cfg.SaveEvery || e.sinceEntries >= snapshotEntries {
		err := e.saveState()
		if nexus.CodeOf(err) != nexus.CodeUnavailable {
			return err
		}
		// The commands are durable; a full disk only makes the next restart apply more of them again.
		e.sinceSnapshot, e.sinceEntries = 0, 0
		e.cfg.Logger.Warn("state not saved", "component", "engine", "index", st.Index, "error", err)
	}
	return nil
}

// pendingBatch gathers outcomes into store batches below the store's limit and shows their keys to the commands after.
type pendingBatch struct {
	e       *Engine
	b       ledger.Batch
	size    int
	overlay map[string][]byte
}

func (p *pendingBatch) look(key []byte) ([]byte, error) {
	if v, ok := p.overlay[string(key)]; ok {
		return v, nil
	}
	return p.e.lookup(key)
}

func (p *pendingBatch) add(index uint64, out *state.Outcome) error {
	if !out.Repeated {
		one := ledger.Batch{Records: []ledger.Record{out.Record}, Leaves: out.Leaves, Puts: out.Puts}
		if n := one.Size(); p.size+n > p.e.store.MaxBatchBytes()*9/10 && len(p.b.Records) > 0 {
			if err := p.commit(""); err != nil {
				return err
			}
		}
		p.size += one.Size()
		p.b.Records = append(p.b.Records, out.Record)
		p.b.Leaves = append(p.b.Leaves, out.Leaves...)
		p.b.Puts = append(p.b.Puts, out.Puts...)
		for _, kv := range out.Puts {
			p.overlay[string(kv.Key)] = kv.Value
		}
	}
	p.b.Applied = index
	return nil
}

func (p *pendingBatch) commit(checkpoint string) error {
	p.b.Checkpoint = checkpoint
	if err := p.e.step(StepCommit); err != nil {
		return err
	}
	if err := p.e.store.Commit(p.b); err != nil {
		return err
	}
	if err := p.e.step(StepCommitted); err != nil {
		return err
	}
	p.b = ledger.Batch{Applied: p.b.Applied}
	p.size = 0
	return nil
}

func (p *pendingBatch) finish() error {
	h, err := p.e.newHead()
	if err != nil {
		return err
	}
	if err := p.commit(h.text); err != nil {
		return err
	}
	p.e.checkpoint.Store(h)
	return nil
}

// newHead signs a checkpoint over the chain as it stands in memory.
func (e *Engine) newHead() (*signedHead, error) {
	st := e.state
	units := st.Chain.Units()
	cp := ledger.Checkpoint{Cluster: st.Cluster, Size: st.Chain.Size(), Root: st.Chain.Root(), Index: st.Index, Units: units.Root()}
	text, err := ledger.SignCheckpoint(e.cfg.Node, cp.Origin(), cp)
	if err != nil {
		return nil, err
	}
	return &signedHead{cp: cp, text: text, at: e.clock(), units: units}, nil
}

// signHead signs the head again after a restart, so that a checkpoint exists before the first new command.
func (e *Engine) signHead() error {
	h, err := e.newHead()
	if err != nil {
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
	return e.commitState(b)
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

// checkHead compares what was last acknowledged with what stands: a cut or swapped tail is found here.
func (e *Engine) checkHead() error {
	h, err := e.head.Read()
	if err != nil {
		return err
	}
	e.mu.RLock()
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
