package main

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

func proofKey(n byte) nexus.KeySigner {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	return nexus.KeySigner(ed25519.NewKeyFromSeed(seed))
}

// deed is a log in which ada's unit became bob's, among other entries, and the proofs that its node can make.
type deed struct {
	t       *testing.T
	chain   *ledger.Chain
	node    nexus.KeySigner
	unit    nexus.ID
	salt    [16]byte
	entries [][]byte
	leaves  []nexus.Hash
}

func newDeed(t *testing.T) *deed {
	d := &deed{t: t, chain: ledger.NewChain(), node: proofKey(1), unit: nexus.ID{0xAB}, salt: [16]byte{5}}
	d.add(ledger.Draft{Kind: ledger.KindGenesis, Body: []byte{1}},
		ledger.Draft{Unit: d.unit, Kind: ledger.KindUnit,
			Body: nexus.Encode(ledger.UnitBody{Unit: d.unit, Owner: proofKey(2).Public(), Kind: nexus.KindIMVU, Percent: 55})},
		ledger.Draft{Unit: nexus.ID{0xCD}, Kind: ledger.KindUnit, Body: nexus.Encode(ledger.UnitBody{Unit: d.unit, Owner: proofKey(4).Public()})},
		ledger.Draft{Unit: d.unit, Kind: ledger.KindOwnership, Body: nexus.Encode(state.OwnershipEntry{Verb: "transferred", Unit: d.unit,
			From: proofKey(2).Public(), To: proofKey(3).Public()})})
	return d
}

func (d *deed) add(drafts ...ledger.Draft) {
	d.entries, d.leaves = d.chain.Append(1, 1000, d.salt, drafts)
}

// proof is the proof by entry seq.
func (d *deed) proof(seq int, owner nexus.PublicKey) wire.OwnershipProof {
	d.t.Helper()
	cp := ledger.Checkpoint{Cluster: nexus.ID{7}, Size: d.chain.Size(), Root: d.chain.Root(), Index: 1, Units: d.chain.Units().Root()}
	text, err := ledger.SignCheckpoint(d.node, cp.Origin(), cp)
	if err != nil {
		d.t.Fatal(err)
	}
	p := wire.OwnershipProof{Unit: "IMVU-001", UnitID: d.unit.String(), Owner: owner.String(), OwnerName: "x", Node: d.node.Public().String()}
	p.Entry = wire.EntryProof{Entry: wire.Entry{Seq: uint64(seq), Salt: nexus.ID(ledger.EntrySalt(d.salt, uint32(seq))).String(), Bytes: d.entries[seq]},
		Size: cp.Size, Root: rootText(cp.Root), Checkpoint: text}
	for _, h := range inclusion(seq, d.leaves) {
		p.Entry.Inclusion = append(p.Entry.Inclusion, h.String())
	}
	return p
}

// inclusion is the path of one leaf of four.
func inclusion(seq int, leaves []nexus.Hash) []nexus.Hash {
	other := 2 - seq/2*2
	return []nexus.Hash{leaves[seq^1], merkle.NodeHash(leaves[other], leaves[other+1])}
}

// An ownership proof is believed by the key alone: whatever else in the file is changed, swapped or left out is found, or is not shown.
func TestForgedOwnershipProofs(t *testing.T) {
	t.Parallel()
	d := newDeed(t)
	bob, key := proofKey(3).Public(), d.node.Public().String()
	if p := d.proof(3, bob); checkOwner(&p, key) != nil {
		t.Fatal(checkOwner(&p, key))
	}
	other := newDeed(t)
	other.node = proofKey(9)
	for name, c := range map[string]struct {
		change func(p *wire.OwnershipProof)
		want   string
	}{
		"another owner":           {func(p *wire.OwnershipProof) { p.Owner = proofKey(2).Public().String() }, "gives it to key"},
		"another unit":            {func(p *wire.OwnershipProof) { p.UnitID = nexus.ID{0xAC}.String() }, "about another unit"},
		"in another unit's chain": {func(p *wire.OwnershipProof) { *p = d.proof(2, proofKey(4).Public()) }, "about another unit"},
		"no entry of an owner":    {func(p *wire.OwnershipProof) { *p = d.proof(0, nexus.PublicKey{}) }, "about another unit"},
		"a changed entry": {func(p *wire.OwnershipProof) {
			at := len(p.Entry.Bytes) - 1
			p.Entry.Bytes = append([]byte(nil), p.Entry.Bytes...)
			p.Entry.Bytes[at] ^= 1
		}, ""},
		"another salt":       {func(p *wire.OwnershipProof) { p.Entry.Salt = nexus.ID{1}.String() }, "inclusion"},
		"no salt":            {func(p *wire.OwnershipProof) { p.Entry.Salt = "" }, "salt"},
		"a hash changed":     {func(p *wire.OwnershipProof) { p.Entry.Inclusion[1] = nexus.Hash{1}.String() }, "inclusion"},
		"a hash left out":    {func(p *wire.OwnershipProof) { p.Entry.Inclusion = p.Entry.Inclusion[:1] }, "inclusion"},
		"a hash more":        {func(p *wire.OwnershipProof) { p.Entry.Inclusion = append(p.Entry.Inclusion, nexus.Hash{}.String()) }, "inclusion"},
		"another size":       {func(p *wire.OwnershipProof) { p.Entry.Size++ }, "of another tree"},
		"another root":       {func(p *wire.OwnershipProof) { p.Entry.Root = rootText(nexus.Hash{1}) }, "of another tree"},
		"signed by another":  {func(p *wire.OwnershipProof) { p.Entry.Checkpoint = other.proof(3, bob).Entry.Checkpoint }, ""},
		"no checkpoint":      {func(p *wire.OwnershipProof) { p.Entry.Checkpoint = "" }, ""},
		"a made-up log":      {func(p *wire.OwnershipProof) { *p = other.proof(3, bob) }, ""},
		"cut checkpoint":     {func(p *wire.OwnershipProof) { p.Entry.Checkpoint = p.Entry.Checkpoint[:len(p.Entry.Checkpoint)-20] }, ""},
		"unsigned text more": {func(p *wire.OwnershipProof) { p.Entry.Checkpoint = "x" + p.Entry.Checkpoint }, ""},
	} {
		p := d.proof(3, bob)
		c.change(&p)
		if err := checkOwner(&p, key); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := d.proof(3, bob)
	p.Node, p.Entry.Index, p.Entry.Time, p.Entry.Seq, p.Entry.Leaf = "another", 99, time.Unix(9, 0), 1, "none"
	if err := checkOwner(&p, key); err != nil || p.Node != key || p.Entry.Index != 1 || p.Entry.Time.UnixMilli() != 1000 || p.Entry.Seq != 3 ||
		p.Entry.Leaf != d.leaves[3].String() {
		t.Errorf("what nothing proves is shown: %+v, %v", p, err)
	}
	// One entry proves who became the owner with it, and the earlier one's still does: what is printed says so.
	earlier := d.proof(1, proofKey(2).Public())
	var out strings.Builder
	if err := checkOwner(&earlier, key); err != nil || printOwnership(&out, &earlier) != nil ||
		!strings.Contains(out.String(), "no later entry names another owner") {
		t.Errorf("an earlier owner's proof: %v\n%s", err, out.String())
	}
}
