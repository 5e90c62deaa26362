package engine

import (
	"context"
	"path/filepath"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/cluster/witness"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

// CosignedFile is where the newest cosigned checkpoint is kept, under the data directory. It may be lost: it is asked for again.
const CosignedFile = "cosigned.note"

// cosignWait bounds how long what leaves the node waits for its witnesses.
const cosignWait = 5 * time.Second

// SignedHead is a checkpoint with the cosignatures that it has.
type SignedHead struct {
	Checkpoint ledger.Checkpoint
	Note       string
	Cosigners  int // distinct outside keys whose cosignatures were verified; never the node's own
	Time       time.Time
}

func (h *signedHead) public() SignedHead {
	if h == nil {
		return SignedHead{}
	}
	return SignedHead{Checkpoint: h.cp, Note: h.text, Cosigners: h.cosigners, Time: h.at}
}

// cosignedLog is the ledger as its witnesses are shown it.
type cosignedLog struct{ e *Engine }

// Hashes implements witness.Log.
func (l cosignedLog) Hashes(nodes []merkle.Node) ([]nexus.Hash, error) {
	return l.e.store.Hashes(nodes)
}

// Head implements witness.Log.
func (l cosignedLog) Head() witness.Head { return l.e.checkpoint.Load().candidate() }

func (h *signedHead) candidate() witness.Head {
	if h == nil {
		return witness.Head{}
	}
	return witness.Head{Note: h.text, Size: h.cp.Size, Of: h}
}

// openFeeder prepares the feeding of witnesses, when there are any. Nothing of it stands in the way of a command: it looks at the
// newest checkpoint from beside.
func (e *Engine) openFeeder() (err error) {
	if len(e.cfg.Witnesses) == 0 {
		return nil
	}
	e.feeder, err = witness.NewFeeder(witness.FeederConfig{Log: cosignedLog{e}, LogKey: e.NodeKey(), Targets: e.cfg.Witnesses,
		File: filepath.Join(e.cfg.DataDir, CosignedFile), Logger: e.cfg.Logger, Pace: e.cfg.WitnessPace})
	return err
}

// with gives the head that a feeder's answer is of, cosignatures in its note.
func with(c witness.Cosigned) *signedHead {
	h, ok := c.Of.(*signedHead)
	if !ok {
		return nil
	}
	out := *h
	out.text, out.cosigners = c.Note, c.Cosigners
	return &out
}

// newest is the newest signed checkpoint with the cosignatures that it has by now; nil before the first.
func (e *Engine) newest() *signedHead {
	h := e.checkpoint.Load()
	if h == nil || e.feeder == nil {
		return h
	}
	return with(e.feeder.Known(h.candidate()))
}

// attested is a checkpoint of at least the present size, cosigned when witnesses answer within cosignWait: what stands in files that
// leave the node.
func (e *Engine) attested(ctx context.Context) *signedHead {
	return e.attestedFrom(ctx, e.checkpoint.Load())
}

// attestedFrom is the same from the size of h on.
func (e *Engine) attestedFrom(ctx context.Context, h *signedHead) *signedHead {
	if h == nil || e.feeder == nil {
		return h
	}
	ctx, cancel := context.WithTimeout(ctx, cosignWait)
	defer cancel()
	if c := with(e.feeder.Cosign(ctx, h.cp.Size)); c != nil {
		return c
	}
	return h
}

// NewestHead is the newest signed checkpoint with the cosignatures that it has by now. It covers every acknowledged entry.
func (e *Engine) NewestHead() SignedHead { return e.newest().public() }

// AttestedHead is a checkpoint that covers every entry acknowledged so far, cosigned when witnesses answer within five seconds.
func (e *Engine) AttestedHead(ctx context.Context) SignedHead { return e.attested(ctx).public() }

// PublishedHead is the checkpoint for outsiders: with witnesses the newest that was cosigned, unless that has waited too long. It never
// goes back to a smaller one while the engine is open.
func (e *Engine) PublishedHead() SignedHead {
	if e.feeder == nil {
		return e.newest().public()
	}
	if h := with(e.feeder.Published()); h != nil {
		return h.public()
	}
	return e.newest().public()
}

// CosignVersion grows whenever something about witnesses changes.
func (e *Engine) CosignVersion() uint64 {
	if e.feeder == nil {
		return 0
	}
	return e.feeder.Version()
}

// Witnesses lists the witnesses of this log in the order they were named.
func (e *Engine) Witnesses() []wire.WitnessRow {
	out := []wire.WitnessRow{}
	if e.feeder == nil {
		return out
	}
	size := e.checkpoint.Load().candidate().Size
	for _, s := range e.feeder.Status() {
		row := wire.WitnessRow{Name: s.Name, Key: s.Key, URL: s.URL, Status: wire.WitnessCosigning, Size: s.Size, Lag: size - min(s.Size, size),
			Cosigned: s.Time, Since: s.Since.UTC()}
		switch {
		case s.Conflict:
			row.Status = wire.WitnessConflict
		case s.Err != nil:
			row.Status = wire.WitnessFailing
		case s.Time.IsZero():
			row.Status = wire.WitnessWaiting
		}
		if s.Err != nil {
			row.Error = s.Err.Error()
		}
		if s.Since.IsZero() {
			row.Since = time.Time{}
		}
		out = append(out, row)
	}
	return out
}
