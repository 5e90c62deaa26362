package revenue

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// window is how long one action keeps its id and times: an import that is started again within it sends the same bytes,
// so the node answers from the ledger. Afterwards the event ids and unit names keep a repetition from counting twice.
const window = 12 * time.Hour

// attempts and pause bound the retries of one action while the node is there but cannot serve (no leader, a full queue).
const (
	attempts = 5
	pause    = 200 * time.Millisecond
)

// post sends the batches in order. Each is applied whole or not at all.
func (im *importer) post(ctx context.Context) error {
	total := im.res.Lines - im.res.BadLines
	done, n := 0, 0
	err := im.each(func(batch []Event) error {
		im.progress(StagePost, done, total)
		if n >= len(im.digests) || im.digests[n] != digestOf(batch) {
			return nexus.Errf("revenue import", nexus.CodeConflict, "file", "import the file again: what is posted counts once",
				"changed since it was checked")
		}
		n++
		receipt, err := im.do(ctx, state.KindRevenuePost, im.body(batch))
		if err != nil {
			return fmt.Errorf("lines %d to %d: %w", batch[0].Line, batch[len(batch)-1].Line, err)
		}
		var posted state.RevenuePosted
		if err := nexus.Decode(receipt.Result, &posted); err != nil {
			return fmt.Errorf("answer of the node: %w", err)
		}
		im.res.Batches++
		if receipt.Repeated {
			im.res.Duplicates += posted.Posted + posted.Duplicates
		} else {
			im.res.Posted += posted.Posted
			im.res.Duplicates += posted.Duplicates
		}
		done += len(batch)
		return nil
	})
	im.progress(StagePost, done, total)
	return err
}

// body is the signed batch of the events.
func (im *importer) body(events []Event) state.RevenuePost {
	b := state.RevenuePost{Source: im.c.Source, Events: make([]state.RevenueEvent, 0, len(events))}
	for i := range events {
		e := &events[i]
		unit := im.units[e.Unit].id
		if made, ok := im.made[e.Unit]; ok {
			unit = made
		}
		b.Events = append(b.Events, state.RevenueEvent{Unit: unit, EventID: e.ID, Kind: e.Kind, Currency: e.Currency, Minor: e.Minor,
			TimeMs: e.TimeMs, Memo: e.Memo, RefundOf: e.RefundOf})
	}
	return b
}

// action signs a body. A repeatable one has its id and times from the cluster, the body and the present window, so that
// the same act sent again is the same action.
func (im *importer) action(kind string, body any, repeatable bool) (nexus.Action, error) {
	raw := nexus.Encode(body)
	now := im.c.Now()
	a := nexus.Action{Version: 1, Cluster: im.c.Cluster, Kind: kind, TimeMs: now.UnixMilli(), ExpiresMs: now.Add(window).UnixMilli(), Body: raw}
	if repeatable {
		start := now.Truncate(window)
		a.TimeMs, a.ExpiresMs = start.UnixMilli(), start.Add(2*window).UnixMilli()
		digest := sha256.Sum256(raw)
		a.ID = nexus.DeriveID("import", im.c.Cluster[:], []byte(kind), []byte(start.UTC().Format(time.RFC3339)), digest[:])
	} else if _, err := rand.Read(a.ID[:]); err != nil {
		return a, err
	}
	return nexus.SignAction(im.c.Signer, a)
}

// do applies a body once. An id under which the node refused before is final for that id; the state may allow it now, so
// it is asked again under a fresh one.
func (im *importer) do(ctx context.Context, kind string, body any) (nexus.Receipt, error) {
	a, err := im.action(kind, body, true)
	if err != nil {
		return nexus.Receipt{}, err
	}
	receipt, err := im.send(ctx, a)
	if err == nil || !receipt.Repeated {
		return receipt, err
	}
	if a, err = im.action(kind, body, false); err != nil {
		return nexus.Receipt{}, err
	}
	return im.send(ctx, a)
}

// send repeats the same action while the node cannot serve: a repetition of what was applied is a look-up.
func (im *importer) send(ctx context.Context, a nexus.Action) (receipt nexus.Receipt, err error) {
	for i := range attempts {
		receipt, err = im.c.Node.Do(ctx, a)
		if nexus.CodeOf(err) != nexus.CodeUnavailable {
			return receipt, err
		}
		select {
		case <-ctx.Done():
			return receipt, ctx.Err()
		case <-time.After(pause << i):
		}
	}
	return receipt, err
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
