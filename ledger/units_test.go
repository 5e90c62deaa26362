package ledger_test

import (
	"crypto/sha256"
	"reflect"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/ledgertest"
	"pgregory.net/rapid"
)

// TestUnitMap: what the chain commits to is what its entries add up to; a map stays as it is while the chain goes on; a chain
// restored with its balances gives the same root, one restored without them another.
func TestUnitMap(t *testing.T) {
	t.Parallel()
	m := ledgertest.NewMaker(7)
	m.Genesis(5)
	for i := range 20 {
		m.Next(i)
	}
	before := m.Chain.Units()
	checkCommitments(t, m.Chain, before)
	root := before.Root()
	for i := range 5 {
		m.Next(i + 1)
	}
	after := m.Chain.Units()
	if before.Root() != root || after.Root() == root {
		t.Fatal("a map changed after it was taken, or the next one did not")
	}
	checkCommitments(t, m.Chain, after)
	again, err := ledger.RestoreChain(m.Chain.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	if err := again.RestoreBalances(m.Chain.Balances()); err != nil {
		t.Fatal(err)
	}
	if again.Units().Root() != after.Root() || !reflect.DeepEqual(again.Balances(), m.Chain.Balances()) {
		t.Fatal("a restored chain commits to something else")
	}
	bare, err := ledger.RestoreChain(m.Chain.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	if bare.Units().Root() == after.Root() {
		t.Fatal("balances are not part of the commitment")
	}
	wrong := m.Chain.Balances()
	wrong[0].Balances[0].Minor++
	if err := bare.RestoreBalances(wrong); nexus.CodeOf(err) != nexus.CodeMalformed {
		t.Fatalf("balances that are no double entry: %v", err)
	}
}

func checkCommitments(t *testing.T, c *ledger.Chain, m *ledger.UnitMap) {
	t.Helper()
	n := 0
	for _, u := range c.Snapshot().Units {
		n++
		p := m.Prove(u.Unit)
		if !p.Present || p.Commitment.Seq != u.Seq || p.Commitment.Head != u.Head {
			t.Fatalf("unit %s: %+v, chain at %d %s", u.Unit, p.Commitment, u.Seq, u.Head)
		}
		if err := p.Check(m.Root()); err != nil {
			t.Fatal(err)
		}
		p.Commitment.Seq--
		if p.Check(m.Root()) == nil {
			t.Fatal("a shorter chain is proved too")
		}
	}
	if m.Len() != n {
		t.Fatalf("%d units in the map, %d in the chain", m.Len(), n)
	}
	absent := m.Prove(nexus.ID{1, 2, 3})
	if absent.Present || absent.Check(m.Root()) != nil {
		t.Fatal("the absence of a unit is not proved")
	}
}

// What a checkpoint commits to for a unit is the canonical form, however it is written.
func TestUnitCommitmentIsCanonical(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := ledger.UnitCommitment{Unit: nexus.ID{1, 2}, Seq: rapid.Uint64().Draw(t, "seq"), Head: nexus.Hash{3}}
		for range rapid.IntRange(0, 40).Draw(t, "balances") {
			c.Balances = append(c.Balances, ledger.Balance{Currency: rapid.StringN(0, 5, -1).Draw(t, "currency"),
				Account: ledger.AccountKind(rapid.Uint8().Draw(t, "account")), Minor: rapid.Int64().Draw(t, "minor")})
		}
		if want := sha256.Sum256(nexus.AppendCanonical([]byte("nexus-unit-v1\n"), c)); c.Hash() != want {
			t.Fatalf("%+v hashes to %x, want %x", c, c.Hash(), want)
		}
	})
}
