package engine

import (
	"context"
	"io"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// Export writes the ledger up to a checkpoint of now, cosigned where witnesses answer, as JSON lines that a recipient checks with the node's public key alone
// (docs/proofs.md): every record, or with a unit that unit's entries and the proof that none was left out. The first form
// reads all of the log, the second what holds an entry of the unit; memory stays bounded. A unit without entries gives the proof of that.
func (e *Engine) Export(ctx context.Context, w io.Writer, unit *nexus.ID) error {
	return e.exportAt(ctx, w, unit, e.attested(ctx))
}

func (e *Engine) exportAt(ctx context.Context, w io.Writer, unit *nexus.ID, h *signedHead) error {
	if h == nil {
		return nexus.Errf("export", nexus.CodeUnavailable, "checkpoint", "try again when the node is up", "there is none yet")
	}
	key, err := ledger.VerifierKey(h.cp.Origin(), e.NodeKey())
	if err != nil {
		return err
	}
	head := verify.ExportHeader{Key: key, Checkpoint: h.text}
	if unit == nil {
		out := verify.NewExportWriter(w, head)
		if err := e.records(ctx, h, func(r ledger.Record) error { return out.Record(r.Encode()) }); err != nil {
			return err
		}
		return out.Close()
	}
	if head.Unit, err = e.unitProof(ctx, h, *unit); err != nil {
		return err
	}
	out := verify.NewExportWriter(w, head)
	if head.Unit.Present {
		err = e.unitEntries(ctx, *unit, h.cp.Size, func(r *ledger.Record, i int) error {
			return out.Entry(ledger.EntrySalt(r.Salt, uint32(i)), r.Entries[i])
		})
	}
	if err != nil {
		return err
	}
	return out.Close()
}

// records calls fn for every record under the checkpoint.
func (e *Engine) records(ctx context.Context, h *signedHead, fn func(ledger.Record) error) error {
	return e.store.Records(0, h.cp.Index, func(r ledger.Record) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return fn(r)
	})
}

// unitProof proves what the checkpoint says of a unit.
func (e *Engine) unitProof(ctx context.Context, h *signedHead, unit nexus.ID) (*verify.UnitProof, error) {
	p := h.units.Prove(unit)
	out := &verify.UnitProof{ID: unit, Present: p.Present, Balances: []verify.BalanceLine{}, Siblings: p.Proof.Siblings}
	if out.Siblings == nil {
		out.Siblings = []nexus.Hash{}
	}
	if p.Proof.HasOther {
		out.Other = &verify.OtherLeaf{ID: p.Proof.Other, Hash: p.Proof.OtherHash}
	}
	if !p.Present {
		return out, nil
	}
	out.Sequence, out.Head = p.Commitment.Seq, p.Commitment.Head
	for _, b := range p.Commitment.Balances {
		out.Balances = append(out.Balances, verify.BalanceLine{Currency: b.Currency, Account: uint64(b.Account), Minor: b.Minor})
	}
	last, err := e.lastBefore(ctx, h.cp.Size, unit, out.Sequence)
	if err != nil {
		return nil, err
	}
	incl, err := ledger.InclusionProof(e.store, last, h.cp.Size)
	if err != nil {
		return nil, err
	}
	out.Inclusion = &verify.EntryInclusion{Entry: last, Proof: incl}
	return out, nil
}

// lastBefore finds a unit's newest entry of the first size entries, by the index, or from their end backwards when the index says another
// than the number given.
func (e *Engine) lastBefore(ctx context.Context, size uint64, unit nexus.ID, number uint64) (uint64, error) {
	if seq, ok := e.lastByIndex(unit, size, number); ok {
		return seq, nil
	}
	for seq := size; seq > 0; {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		r, err := e.store.RecordBySeq(seq - 1)
		if err != nil {
			return 0, err
		}
		for ; seq > r.FirstSeq; seq-- {
			entry, err := r.Entry(seq - 1)
			if err != nil {
				return 0, err
			}
			if entry.Unit == unit {
				return seq - 1, nil
			}
		}
	}
	return 0, nexus.Errf("prove unit", nexus.CodeCorrupt, "unit "+unit.String(), "run nexus ledger verify", "the map has it, the log has no entry of it")
}

// EntryProof is the content of a file that proves one entry under a checkpoint of now, cosigned where witnesses answer.
func (e *Engine) EntryProof(ctx context.Context, seq uint64) ([]byte, error) {
	h := e.attested(ctx)
	entry, err := e.store.Entry(seq)
	if err != nil {
		return nil, err
	}
	incl, err := ledger.InclusionProof(e.store, seq, h.cp.Size)
	if err != nil {
		return nil, err
	}
	l, err := verify.NewEntryLine(entry.Salt, entry.Bytes)
	if err != nil {
		return nil, err
	}
	return e.encodeProof(h, verify.Proof{Type: verify.ProofInclusion, Entry: &l, Proof: incl})
}

// ConsistencyProof is the content of a file that proves that a checkpoint of now, cosigned where witnesses answer, continues an older
// one of this log.
func (e *Engine) ConsistencyProof(ctx context.Context, older string) ([]byte, error) {
	h := e.attested(ctx)
	cp, err := ledger.OpenCheckpoint(older, h.cp.Origin(), e.NodeKey())
	if err != nil {
		return nil, err
	}
	proof, err := ledger.ConsistencyProof(e.store, cp.Size, h.cp.Size)
	if err != nil {
		return nil, err
	}
	return e.encodeProof(h, verify.Proof{Type: verify.ProofConsistency, Older: older, Proof: proof})
}

func (e *Engine) encodeProof(h *signedHead, p verify.Proof) ([]byte, error) {
	key, err := ledger.VerifierKey(h.cp.Origin(), e.NodeKey())
	if err != nil {
		return nil, err
	}
	p.Key, p.Checkpoint = key, h.text
	if p.Proof == nil {
		p.Proof = []nexus.Hash{}
	}
	return verify.EncodeProof(p)
}
