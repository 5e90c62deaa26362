// Package enginetest is for tests: it holds an engine to the thirteen invariants of the ledger (docs/faults.md), by name, after any
// fault.
//
// Promises: everything is recomputed from the stored records, never taken from the state under test; a Checker remembers what earlier
// calls saw, so that a history that changes between two starts is found. It must not be imported outside tests.
package enginetest

import (
	"context"
	"fmt"
	"math/big"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// Invariants names them; Breach.Invariant is an index into it, plus one.
var Invariants = [13]string{
	"debits equal credits in every currency",
	"a creator's total is within one minor unit of the exact share",
	"what was acknowledged is present",
	"no command is applied twice",
	"a unit's sequence has no gap",
	"balances equal the replay of the entries",
	"each checkpoint extends the one before",
	"every effect has one decision with 17 verdicts",
	"no effect follows a refusal",
	"a replica at the same index has the same state hash",
	"log time strictly rises",
	"an import of the export gives the same root, balances and state",
	"there are never two roots for one size",
}

// Breach is one finding.
type Breach struct {
	Invariant int // 1 to 13
	What      string
}

// String names the invariant.
func (b Breach) String() string {
	return fmt.Sprintf("invariant %d (%s): %s", b.Invariant, Invariants[b.Invariant-1], b.What)
}

// Ack is one acknowledged action.
type Ack struct {
	Actor   nexus.PublicKey
	Action  nexus.ID
	Index   uint64
	Entries int
}

// Checker remembers acknowledgements and history over many checks of one data directory. For one goroutine.
type Checker struct {
	// Import gives an engine made from an export (a backup) of e, and what closes it; nil: invariant 12 is not checked.
	Import func(e *engine.Engine) (*engine.Engine, func() error, error)

	acks        []Ack
	roots       map[uint64]nexus.Hash
	checkpoints []string // the newest of each check, oldest first
}

// Acknowledged adds what a caller was told to be durable.
func (c *Checker) Acknowledged(acks ...Ack) { c.acks = append(c.acks, acks...) }

// Acks counts them.
func (c *Checker) Acks() int { return len(c.acks) }

// check is one pass.
type check struct {
	*Checker
	eng      *engine.Engine
	breaches []Breach

	sums     map[string]*big.Int // of all postings, by currency
	accounts map[state.AccountKey]*account
	actions  map[actionKey]uint64 // command index by action
	heads    map[nexus.ID]ledger.UnitHead
	byIndex  map[uint64]int // entries of a record
	time     int64
	size     uint64
}

type actionKey struct {
	actor nexus.PublicKey
	id    nexus.ID
}

type account struct {
	gross, creator, platform big.Int
	events                   uint64
}

func (c *check) breach(n int, format string, args ...any) {
	if len(c.breaches) < 20 {
		c.breaches = append(c.breaches, Breach{n, fmt.Sprintf(format, args...)})
	}
}

// Check reads the whole ledger of an engine that nobody writes to. The error says that it could not be read.
func (c *Checker) Check(ctx context.Context, e *engine.Engine) ([]Breach, error) {
	if c.roots == nil {
		c.roots = map[uint64]nexus.Hash{}
	}
	k := &check{Checker: c, eng: e, sums: map[string]*big.Int{}, accounts: map[state.AccountKey]*account{}, actions: map[actionKey]uint64{},
		heads: map[nexus.ID]ledger.UnitHead{}, byIndex: map[uint64]int{}}
	if err := e.Store().Records(0, e.Store().Applied(), k.record); err != nil {
		return nil, err
	}
	for currency, sum := range k.sums {
		if sum.Sign() != 0 {
			k.breach(1, "all postings in %s add up to %s", currency, sum)
		}
	}
	k.balances()
	k.acknowledged()
	for _, part := range []func(context.Context) error{k.history, k.replica, k.independent, k.imported} {
		if err := part(ctx); err != nil {
			return k.breaches, err
		}
	}
	return k.breaches, nil
}

// record follows one record.
func (c *check) record(r ledger.Record) error {
	if r.TimeMs <= c.time && c.size > 0 {
		c.breach(11, "record %d at %d after %d", r.Index, r.TimeMs, c.time)
	}
	if r.FirstSeq != c.size {
		c.breach(13, "record %d begins at entry %d after %d", r.Index, r.FirstSeq, c.size)
	}
	c.time, c.size = r.TimeMs, r.Next()
	if was, seen := c.roots[c.size]; seen && was != r.Root {
		c.breach(13, "at %d entries the root is %s, was %s", c.size, r.Root, was)
	}
	c.roots[c.size] = r.Root
	c.byIndex[r.Index] = len(r.Entries)
	if err := c.decision(&r); err != nil {
		return err
	}
	for i, raw := range r.Entries {
		e, err := ledger.ParseEntry(raw)
		if err != nil {
			return err
		}
		if i > 0 && e.Kind == ledger.KindDecision {
			c.breach(8, "record %d has a second decision", r.Index)
		}
		c.entry(&r, i, &e, raw)
	}
	return nil
}

// decision judges the first entry of a record, which must be the decision of its command.
func (c *check) decision(r *ledger.Record) error {
	e, err := ledger.ParseEntry(r.Entries[0])
	if err != nil {
		return err
	}
	var d state.DecisionBody
	if e.Kind != ledger.KindDecision {
		c.breach(8, "record %d begins with an entry of kind %s", r.Index, e.Kind)
		return nil
	}
	if err := nexus.Decode(e.Body, &d); err != nil {
		return err
	}
	if len(d.Decision.Verdicts) != 17 || d.Decision.Index != r.Index {
		c.breach(8, "record %d has %d verdicts for command %d", r.Index, len(d.Decision.Verdicts), d.Decision.Index)
	}
	allowed := true
	for _, v := range d.Decision.Verdicts {
		allowed = allowed && v.Allow
	}
	if allowed != d.Decision.Allow {
		c.breach(8, "record %d: decision %t, verdicts %t", r.Index, d.Decision.Allow, allowed)
	}
	if (!allowed || d.Invalid != "") && len(r.Entries) > 1 {
		c.breach(9, "record %d: refused, and %d entries follow", r.Index, len(r.Entries)-1)
	}
	k := actionKey{d.Decision.Actor, d.Decision.Action}
	if was, twice := c.actions[k]; twice {
		c.breach(4, "action %s stands at %d and %d", k.id, was, r.Index)
	}
	c.actions[k] = r.Index
	return nil
}

// entry follows the unit's chain and adds the postings up.
func (c *check) entry(r *ledger.Record, i int, e *ledger.Entry, raw []byte) {
	head := c.heads[e.Unit]
	if e.UnitSeq != head.Seq+1 || e.UnitPrev != head.Head {
		c.breach(5, "entry %d is number %d of unit %s after %d", e.Seq, e.UnitSeq, e.Unit, head.Seq)
	}
	c.heads[e.Unit] = ledger.UnitHead{Seq: e.UnitSeq, Head: ledger.Commitment(ledger.EntrySalt(r.Salt, uint32(i)), raw)}
	own := map[string]*big.Int{}
	for _, p := range e.Postings {
		n := big.NewInt(p.Minor)
		for _, sums := range []map[string]*big.Int{own, c.sums} {
			if sums[p.Currency] == nil {
				sums[p.Currency] = new(big.Int)
			}
			sums[p.Currency].Add(sums[p.Currency], n)
		}
		if p.Account > ledger.AccountPlatform {
			continue
		}
		k := state.AccountKey{Unit: e.Unit, Currency: p.Currency}
		a := c.accounts[k]
		if a == nil {
			a = new(account)
			c.accounts[k] = a
		}
		switch p.Account {
		case ledger.AccountSource:
			a.gross.Sub(&a.gross, n) // the clearing account gives what the others get
			a.events++
		case ledger.AccountCreator:
			a.creator.Add(&a.creator, n)
		case ledger.AccountPlatform:
			a.platform.Add(&a.platform, n)
		}
	}
	for currency, sum := range own {
		if sum.Sign() != 0 {
			c.breach(1, "the postings of entry %d add up to %s %s", e.Seq, sum, currency)
		}
	}
}

// balances holds the accounts to the exact share and the state to the accounts.
func (c *check) balances() {
	c.eng.View(func(s *state.State) {
		for k, a := range c.accounts {
			u := s.Units[k.Unit]
			if u == nil {
				c.breach(6, "unit %s has money and is not there", k.Unit)
				continue
			}
			// |100*creator - percent*gross| < 100
			off := new(big.Int).Mul(&a.creator, big.NewInt(100))
			off.Sub(off, new(big.Int).Mul(&a.gross, big.NewInt(int64(u.Percent)))).Abs(off)
			if off.Cmp(big.NewInt(100)) >= 0 {
				c.breach(2, "%s of %s %s went to the creator of %s, the share is %d%%", &a.creator, &a.gross, k.Currency, k.Unit, u.Percent)
			}
			shown := s.Accounts[k]
			if shown == nil || a.gross.Cmp(big.NewInt(shown.Gross)) != 0 || a.creator.Cmp(big.NewInt(shown.Creator)) != 0 ||
				a.platform.Cmp(big.NewInt(shown.Platform)) != 0 || a.events != shown.Events {
				c.breach(6, "%s %s shows %+v, the entries add up to %s, %s, %s in %d events", k.Unit, k.Currency, shown, &a.gross, &a.creator,
					&a.platform, a.events)
			}
		}
		if len(s.Accounts) != len(c.accounts) {
			c.breach(6, "%d accounts are shown, the entries make %d", len(s.Accounts), len(c.accounts))
		}
		if s.Chain.Size() != c.size || c.size > 0 && s.Chain.Root() != c.roots[c.size] {
			c.breach(6, "the state stands at %d entries, the records at %d", s.Chain.Size(), c.size)
		}
	})
}

// acknowledged looks every acknowledged action up, in the records and by the engine's own index.
func (c *check) acknowledged() {
	for _, a := range c.acks {
		index, there := c.actions[actionKey{a.Actor, a.Action}]
		if !there || index != a.Index || a.Entries > 0 && c.byIndex[index] != a.Entries {
			c.breach(3, "action %s was acknowledged at %d with %d entries, stands %t at %d with %d", a.Action, a.Index, a.Entries, there, index,
				c.byIndex[index])
			continue
		}
		first, err := c.eng.EntryOfAction(a.Actor, a.Action)
		if err != nil {
			c.breach(3, "action %s is not found by its id: %v", a.Action, err)
			continue
		}
		if r, err := c.eng.Store().RecordBySeq(first); err != nil || r.Index != a.Index {
			c.breach(3, "action %s is found in record %d, not %d: %v", a.Action, r.Index, a.Index, err)
		}
	}
}

// history proves that the newest checkpoint continues each one seen before.
func (c *check) history(context.Context) error {
	cp, text, _ := c.eng.Head()
	if was, seen := c.roots[cp.Size]; seen && was != cp.Root {
		c.breach(13, "the checkpoint of %d entries has root %s, the record %s", cp.Size, cp.Root, was)
	}
	for _, older := range c.checkpoints {
		proof, err := c.eng.ConsistencyProof(context.Background(), older)
		if err == nil {
			_, err = verify.CheckProof(proof, verify.Options{Key: c.eng.NodeKey()})
		}
		if err != nil {
			c.breach(7, "an earlier checkpoint is not continued: %v", err)
		}
	}
	if n := len(c.checkpoints); n == 0 || c.checkpoints[n-1] != text {
		c.Checker.checkpoints = append(c.Checker.checkpoints, text)
	}
	return nil
}

// replica applies the whole log to an empty state: the same bytes must come out, and the same state.
func (c *check) replica(ctx context.Context) error {
	index, hash := position(c.eng)
	out, err := c.eng.ReplayLog(ctx, index, 0)
	if err != nil && nexus.CodeOf(err) != nexus.CodeNotFound { // the last command made no record of its own
		return err
	}
	if !out.Done || out.Differs != "" {
		c.breach(10, "replayed: %+v", out)
	} else if err == nil && out.StateHash != hash.String() {
		c.breach(10, "replayed to index %d the state is %s, the engine's is %s", index, out.StateHash, hash)
	}
	return nil
}

func position(e *engine.Engine) (index uint64, hash nexus.Hash) {
	e.View(func(s *state.State) { index, hash = s.Index, s.Hash() })
	return index, hash
}

// independent runs the checker that shares no code with the writer.
func (c *check) independent(ctx context.Context) error {
	rep, err := c.eng.Verify(ctx)
	if err != nil {
		return err
	}
	for _, f := range rep.Findings {
		c.breach(6, "independent checker: %+v", f)
	}
	if rep.Verified != rep.Entries || rep.Entries != c.size {
		c.breach(6, "independent checker: %d of %d entries, the records have %d", rep.Verified, rep.Entries, c.size)
	}
	return nil
}

// imported compares with an engine made from an export.
func (c *check) imported(context.Context) error {
	if c.Import == nil {
		return nil
	}
	other, end, err := c.Import(c.eng)
	if err != nil {
		c.breach(12, "import: %v", err)
		return nil
	}
	index, hash := position(c.eng)
	if i, h := position(other); i != index || h != hash {
		c.breach(12, "imported: index %d and state %s, exported %d and %s", i, h, index, hash)
	}
	if a, b := other.Tally(true), c.eng.Tally(true); fmt.Sprint(a.Units, a.Totals) != fmt.Sprint(b.Units, b.Totals) {
		c.breach(12, "imported balances %v, exported %v", a.Units, b.Units)
	}
	return end()
}
