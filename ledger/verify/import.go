package verify

import nexus "github.com/BobbyBlanco400/nexus-cos"

// Units that left and units that came from another log, recomputed with code of this package's own.

// exitEntry holds that an exit was completed with a bundle of entries that were there.
func (c *run) exitEntry(e *entry) {
	in := reader{b: e.body}
	unit, manifest := in.id(), in.hash()
	size, seq := in.uint(), in.uint()
	in.hash() // head
	in.bounded(1<<32-1, "files")
	bytes := in.int()
	grace, retain := in.int(), in.int()
	if err := in.end(); err != nil {
		c.foundEntry("not a canonical end of an exit: %v", err)
		return
	}
	if unit != e.unit || manifest == [32]byte{} || size > e.seq || seq == 0 || seq >= e.unitSeq || bytes <= 0 || grace <= e.timeMs || retain < grace {
		c.foundEntry("completes an exit with a bundle of %d of the unit's entries, %d of the log, which were not there, or for no time", seq, size)
	}
	if c.exits != nil && !c.probe(e.unit) {
		c.exits.done(e)
	}
}

// importEntry holds what another log is said to prove of a unit: the signature under its checkpoint, that checkpoint's map of units, and the
// constitution's split of what the unit had earned there.
func (c *run) importEntry(e *entry) {
	in := reader{b: e.body}
	p := UnitProof{ID: in.id(), Present: true}
	o := Options{Cluster: nexus.ID(in.id()), Key: nexus.PublicKey(in.hash())}
	note := string(in.bytes())
	in.hash() // owner
	kind, percent := in.bounded(255, "kind"), in.bounded(100, "percent")
	p.Sequence, p.Head = in.uint(), in.hash()
	for range in.bounded(1024, "balances") {
		p.Balances = append(p.Balances, BalanceLine{Currency: string(in.bytes()), Account: in.bounded(accountMax, "account"), Minor: in.int()})
		if in.err != nil {
			break
		}
	}
	for range in.bounded(128, "hashes") {
		p.Siblings = append(p.Siblings, in.hash())
		if in.err != nil {
			break
		}
	}
	in.hash() // manifest
	if err := in.end(); err != nil {
		c.foundEntry("not a canonical import: %v", err)
		return
	}
	if u := c.units[e.unit]; p.ID != e.unit || !u.known || u.kind != kind || u.percent != percent {
		c.foundEntry("takes unit %s in under another rule, or in the chain of %s", p.ID, nexus.ID(e.unit))
		return
	}
	pin, err := signed(note, "", &o)
	if err == nil {
		err = p.check(pin)
	}
	if err != nil {
		c.foundEntry("takes a unit in on evidence that proves nothing: %v", err)
		return
	}
	var currencies []string
	shares := map[string][2]int64{} // creator, platform
	for _, b := range p.Balances {
		x, seen := shares[b.Currency]
		if !seen {
			currencies = append(currencies, b.Currency)
		}
		switch b.Account {
		case accountCreator:
			x[0] = b.Minor
		case accountPlatform:
			x[1] = b.Minor
		}
		shares[b.Currency] = x
	}
	for _, currency := range currencies {
		x := shares[currency]
		gross, fits := nexus.AddMinor(x[0], x[1])
		if !fits || x[0] != creatorTotal(gross, percent) {
			c.foundEntry("takes a unit in whose shares in %s, %d of %d, are not the constitution's %d %%", currency, x[0], gross, percent)
		}
	}
}
