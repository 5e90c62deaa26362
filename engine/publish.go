package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/publication"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// exitBook is the fold over the ledger that monthly publications come from. It goes on from where it stands; the first look of a process
// reads the whole ledger once, about a second per few million entries.
type exitBook struct {
	mu    sync.Mutex
	fold  *publication.Fold // nil: not begun
	index uint64            // last command read
}

// exitFold calls fn with the fold as of now. Error: what could not be read; the next call starts over.
func (e *Engine) exitFold(ctx context.Context, fn func(*publication.Fold) error) error {
	b := &e.exitBook
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fold == nil {
		b.fold, b.index = publication.NewFold(), 0
	}
	applied := e.store.Applied()
	if applied > b.index {
		err := e.store.Records(b.index+1, applied, func(r ledger.Record) error {
			for _, raw := range r.Entries {
				if err := b.fold.Add(raw); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
		if err != nil {
			b.fold = nil
			return err
		}
		b.index = applied
	}
	return fn(b.fold)
}

// ExitsOf computes the publication of exits for a month YYYYMM from the stored entries. Of a month that runs it is what stands so far. Error:
// nexus.CodeNotFound for a month before the ledger's first.
func (e *Engine) ExitsOf(ctx context.Context, month uint32) (publication.Exits, error) {
	var d publication.Exits
	err := e.exitFold(ctx, func(f *publication.Fold) error {
		var ok bool
		if d, ok = f.Month(month); !ok {
			return nexus.Errf("exits", nexus.CodeNotFound, state.MonthText(month), "ask for "+state.MonthText(f.First())+" or later", "before the ledger's first entry")
		}
		return nil
	})
	if err != nil {
		return d, err
	}
	d.Cluster = e.cfg.Cluster
	d.Root, err = e.RootAt(d.Size)
	return d, err
}

// FirstMonth is the month YYYYMM of the ledger's first entry, the first that is published; 0 while there is none. It reads one record: no
// month has to be over for anybody to ask.
func (e *Engine) FirstMonth() (uint32, error) {
	if e.store.Size() == 0 {
		return 0, nil
	}
	r, err := e.store.RecordBySeq(0)
	return state.MonthOf(r.TimeMs), err
}

// OpenedAt is when this engine began to serve, by its clock.
func (e *Engine) OpenedAt() time.Time { return e.opened }

// sweepPublications publishes the months that are over, oldest first, a few in a round, and tells owners of new price lists.
func (e *Engine) sweepPublications(ctx context.Context) error {
	const most = 12
	settled := func(err error) error { // another node was first, or an entry came in between: the next round computes it again
		switch nexus.CodeOf(err) {
		case nexus.CodeConflict, nexus.CodeRefused:
			return nil
		}
		return err
	}
	for range most {
		var last uint32
		untold := false
		e.View(func(s *state.State) {
			if p := s.Published(); len(p) > 0 {
				last = p[len(p)-1].Month
			}
			untold = s.PricesUntold()
		})
		if untold {
			if _, err := e.Act(ctx, state.KindPricesTell, nexus.ID{}, struct{}{}); settled(err) != nil {
				return err
			}
		}
		month := state.NextMonth(last)
		if last == 0 {
			var err error
			if month, err = e.FirstMonth(); err != nil || month == 0 {
				return err
			}
		}
		end, ok := state.MonthEndMs(month)
		if !ok || e.clock().UnixMilli() < end {
			return nil
		}
		d, err := e.ExitsOf(ctx, month)
		if err != nil {
			return err
		}
		_, err = e.Act(ctx, state.KindPublicationIssue, nexus.ID{}, state.PublicationIssue{What: state.PublishedExits, Month: month, Size: d.Size, Root: d.Root,
			Digest: d.Digest()})
		if err != nil {
			return settled(err)
		}
	}
	return nil
}

// checkPublication refuses, before consensus, a publication that says something else than the entries do. What it lets through the audit and
// every reader hold to the entries again.
func (e *Engine) checkPublication(a *nexus.Action) error {
	if a.Kind != state.KindPublicationIssue {
		return nil
	}
	var b state.PublicationIssue
	if err := nexus.Decode(a.Body, &b); err != nil {
		return nil // the state words the refusal, as an entry
	}
	end, ok := state.MonthEndMs(b.Month)
	if !ok || e.clock().UnixMilli() < end || b.What != state.PublishedExits {
		return nil
	}
	ctx := context.Background()
	d, err := e.ExitsOf(ctx, b.Month)
	if err != nil {
		return err
	}
	first, err := e.FirstMonth()
	if err != nil {
		return err
	}
	fresh := false
	e.View(func(s *state.State) { fresh = len(s.Published()) == 0 })
	if got := d.Digest(); got != b.Digest || d.Size != b.Size || d.Root != b.Root || fresh && b.Month != first {
		return nexus.Errf(a.Kind, nexus.CodeConflict, "publication for "+state.MonthText(b.Month), "ask the node for it again",
			"the document has the digest %s over %d entries, not %s over %d; the first is for %s", got, d.Size, b.Digest, b.Size, state.MonthText(first))
	}
	return nil
}

// PublishedExits makes the file of a month's publication: the document, the node's signature over it, and the proof that the ledger commits
// to it. Errors: nexus.CodeNotFound when the month is not published, nexus.CodeCorrupt when made again it is another than was published.
func (e *Engine) PublishedExits(ctx context.Context, month uint32) ([]byte, error) {
	var p *state.Published
	e.View(func(s *state.State) {
		for _, x := range s.Published() {
			if x.Month == month {
				p = &x
			}
		}
	})
	if p == nil {
		return nil, nexus.Errf("exits", nexus.CodeNotFound, state.MonthText(month), "nexus exits lists what is published", "is not published")
	}
	d, err := e.ExitsOf(ctx, month)
	if err != nil {
		return nil, err
	}
	if got := d.Digest(); got != p.Digest {
		return nil, nexus.Errf("exits", nexus.CodeCorrupt, state.MonthText(month), "run nexus ledger verify",
			"made again it has the digest %s, published was %s", got, p.Digest)
	}
	return e.publicationFile(ctx, verify.PublicationExits, &d, p.Digest, p.Entry)
}

// PublishedPrices makes the file of a price list. Error: nexus.CodeNotFound.
func (e *Engine) PublishedPrices(ctx context.Context, number uint32) ([]byte, error) {
	var l state.PriceList
	e.View(func(s *state.State) {
		if all := s.PriceLists(); number > 0 && int(number) <= len(all) {
			l = all[number-1]
		}
	})
	if l.Number == 0 {
		return nil, nexus.Errf("prices", nexus.CodeNotFound, fmt.Sprintf("price list %d", number), "nexus revenue prices lists them", "there is none")
	}
	return e.publicationFile(ctx, verify.PublicationPrices, publication.PricesOf(e.cfg.Cluster, &l.PricesBody), l.Digest(), l.Entry)
}

func (e *Engine) publicationFile(ctx context.Context, what string, doc any, digest nexus.Hash, entry uint64) ([]byte, error) {
	raw, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	cp := ledger.Checkpoint{Cluster: e.cfg.Cluster}
	signature, err := ledger.SignNote(e.cfg.Node, cp.Origin(), verify.PublicationText(e.cfg.Cluster, what, digest))
	if err != nil {
		return nil, err
	}
	proof, err := e.EntryProof(ctx, entry)
	if err != nil {
		return nil, err
	}
	return verify.EncodePublication(verify.Publication{What: what, Document: raw, Signature: signature, Proof: proof})
}
