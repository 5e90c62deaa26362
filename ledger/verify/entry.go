package verify

import (
	"math/bits"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// oneEntry checks one entry, number i of its record, and adds it to the tree.
func (c *run) oneEntry(i int, b []byte) {
	c.passPins()
	hash := commitment(c.record.Salt, i, b, &c.scratch)
	e := &c.entry
	if err := e.parse(b); err != nil {
		c.foundEntry("not a canonical entry: %v", err)
	} else {
		c.place(e, hash)
		c.content(i, e)
	}
	c.tree.add(leafHash(hash))
	c.report.Entries = c.tree.size
}

// place checks where the entry says it stands: in the log, in its command and in its unit's chain.
func (c *run) place(e *entry, hash [32]byte) {
	if e.seq != c.tree.size {
		c.foundEntry("calls itself entry %d", e.seq)
	}
	if e.index != c.record.Index || e.timeMs != c.record.TimeMs {
		c.foundEntry("says command %d at %d ms, its record %d at %d ms", e.index, e.timeMs, c.record.Index, c.record.TimeMs)
	}
	u := c.units[e.unit]
	if u == nil {
		u = &unit{}
		c.units[e.unit] = u
	}
	if e.unitSeq != u.seq+1 {
		c.foundEntry("number %d of unit %s follows number %d: something was left out or repeated",
			e.unitSeq, nexus.ID(e.unit), u.seq)
	}
	if e.unitPrev != u.head {
		c.foundEntry("does not carry the hash of the entry before it in unit %s", nexus.ID(e.unit))
	}
	u.seq, u.head = e.unitSeq, hash
}

// content checks what the entry says, by its kind.
func (c *run) content(i int, e *entry) {
	if !balanced(e.postings) {
		c.foundEntry("postings do not sum to zero in each currency")
	} else if !c.units[e.unit].book(e.postings) {
		c.foundEntry("a balance of unit %s passes 64 bits", nexus.ID(e.unit))
	}
	switch e.kind {
	case kindGenesis:
		if e.seq != uint64(i) || c.genesis { // entry i of the first record has sequence number i
			c.foundEntry("genesis after the first record")
		}
		c.genesis = true
		if c.bindings.cluster = c.o.Cluster; c.bindings.cluster.IsZero() {
			copy(c.bindings.cluster[:], e.body)
		}
	case kindDecision:
		c.decisions++
	case kindRollup:
		c.rollups++
	case kindUnit:
		c.unitEntry(e)
	case kindRevenue, kindRefund:
		c.revenueEntry(e)
		return
	case kindOwnership:
		c.ownershipEntry(e)
	case kindPending:
		c.pendingEntry(e)
		return
	case kindTransfer:
		c.transferEntry(e)
		return
	case kindHold:
		c.holdEntry(e)
		return
	case kindStatement:
		c.statementEntry(e)
	case kindBinding:
		c.bindingEntry(e)
	case kindDispute:
		c.disputeEntry(e)
	case kindExit:
		c.exitStep(e)
	case kindExitDone:
		c.exitEntry(e)
	case kindPublished:
		c.published(e)
	case kindPrices:
		c.pricesEntry(e)
	case kindUsage:
		c.usageEntry(e)
	case kindImport:
		c.importEntry(e)
	case kindPayout:
		c.payoutEntry(e)
		return
	}
	for _, p := range e.postings {
		if p.account != accountSource {
			c.foundEntry("moves a share without a revenue event")
			return
		}
	}
}

// balanced sums per currency in 128 bits, so that nothing can wrap round to zero.
func balanced(ps []posting) bool {
	for i := range ps {
		var hi, lo uint64
		for j := range ps {
			if string(ps[j].currency) != string(ps[i].currency) {
				continue
			}
			if j < i {
				hi, lo = 0, 0
				break // summed before
			}
			var carry uint64
			lo, carry = bits.Add64(lo, uint64(ps[j].minor), 0)
			hi, _ = bits.Add64(hi, uint64(ps[j].minor>>63), carry)
		}
		if hi != 0 || lo != 0 {
			return false
		}
	}
	return true
}

// unitEntry records a unit's rule. It follows from the kind and never changes (SPEC section 1).
func (c *run) unitEntry(e *entry) {
	var body unitBody
	if err := body.parse(e.body); err != nil {
		c.foundEntry("not a canonical unit: %v", err)
		return
	}
	if body.unit != e.unit {
		c.foundEntry("speaks of unit %s in the chain of %s", nexus.ID(body.unit), nexus.ID(e.unit))
		return
	}
	u := c.units[e.unit]
	if u.known {
		if u.kind != body.kind || u.percent != body.percent || u.parent != body.parent {
			c.foundEntry("changes kind, split or platform of unit %s", nexus.ID(body.unit))
		}
		return
	}
	fits := false
	switch nexus.UnitKind(body.kind) {
	case nexus.KindIMVU:
		fits = body.percent == 55
	case nexus.KindPlatform, nexus.KindChannel:
		fits = body.percent == 80
	case nexus.KindProbe:
		fits = body.percent == 55 || body.percent == 80
	}
	if !fits {
		c.foundEntry("unit of kind %d with %d %% for the creator", body.kind, body.percent)
		return
	}
	u.known, u.kind, u.percent, u.parent = true, body.kind, body.percent, body.parent
}

// revenueEntry recomputes the cumulative split: after every event creator = ceil(gross * percent / 100).
func (c *run) revenueEntry(e *entry) {
	var body revenueBody
	if err := body.parse(e.body); err != nil {
		c.foundEntry("not a canonical revenue event: %v", err)
		return
	}
	u := c.units[e.unit]
	if !u.known {
		c.foundEntry("revenue of unit %s, which no entry created", nexus.ID(e.unit))
		return
	}
	switch {
	case body.class < 1 || body.class > 3:
		c.foundEntry("source class %d is none", body.class)
	case len(body.source) == 0 || len(body.eventID) == 0 && body.producerSeq == 0:
		c.foundEntry("revenue without source or without an id")
	case (e.kind == kindRefund) != (body.minor < 0):
		c.foundEntry("amount %d has the wrong sign for its kind", body.minor)
	case nexus.UnitKind(u.kind) == nexus.KindProbe && string(body.currency) != nexus.TestCurrency:
		c.foundEntry("a probe earns %s", body.currency)
	}
	t := u.total(body.currency)
	gross, ok := nexus.AddMinor(t.Gross, body.minor)
	if !ok {
		c.foundEntry("gross total passes 64 bits")
		return
	}
	creator := creatorTotal(gross, u.percent)
	if body.grossAfter != gross || body.creatorAfter != creator {
		c.foundEntry("states gross %d and creator %d, recomputed %d and %d: %d %% of %s %d",
			body.grossAfter, body.creatorAfter, gross, creator, u.percent, body.currency, gross)
	}
	c.checkPostings(e, &body, creator-t.Creator, gross-creator-t.Platform)
	t.Gross, t.Creator, t.Platform = gross, creator, gross-creator
	t.Events++
	c.noteRevenue(e, &body)
}

// checkPostings holds the postings to the event: source -amount, creator and platform the two differences, no other.
func (c *run) checkPostings(e *entry, body *revenueBody, creator, platform int64) {
	var posted [accountPlatform + 1]int64
	var seen [accountPlatform + 1]bool
	for _, p := range e.postings {
		want := ""
		if p.account == accountSource {
			want = string(body.source)
		}
		if p.account > accountPlatform || string(p.currency) != string(body.currency) || string(p.ref) != want || seen[p.account] {
			c.foundEntry("posts twice to an account, or to one that is not its source's or its unit's")
			return
		}
		posted[p.account], seen[p.account] = p.minor, true
	}
	split := [...]int64{accountSource: -body.minor, accountCreator: creator, accountPlatform: platform}
	if posted != split {
		c.foundEntry("posts source %d, creator %d, platform %d; the split is %d, %d, %d",
			posted[1], posted[2], posted[3], split[1], split[2], split[3])
	}
}

func (u *unit) total(currency []byte) *Total {
	for i := range u.accounts {
		if u.accounts[i].currency == string(currency) {
			return &u.accounts[i].total
		}
	}
	u.accounts = append(u.accounts, account{currency: string(currency)})
	return &u.accounts[len(u.accounts)-1].total
}
