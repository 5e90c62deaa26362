package slicing_test

import (
	"context"
	stdslices "slices"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/fabric"
	"github.com/BobbyBlanco400/nexus-cos/engine/slicing"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// table is a gateway that remembers what it was given.
type table struct{ got *edge.Table }

func (g *table) Swap(t *edge.Table) error { g.got = t; return nil }

// minter mints over one allowed decision at index 7 and one refused at index 8.
func minter(t *testing.T, node string) *gates.Minter {
	t.Helper()
	chain, err := gates.NewChain(rules.All())
	if err != nil {
		t.Fatal(err)
	}
	list := rules.All()
	good, bad := list[7].Good(), list[7].Bad()
	decide := func(f *gates.Facts, index uint64) gates.Decision {
		return chain.Decide(f, gates.DecisionInput{Action: nexus.ID{byte(index)}, Digest: nexus.Hash{byte(index)}, Kind: f.Kind, Index: index})
	}
	committed := map[uint64]gates.Decision{7: decide(&good, 7), 8: decide(&bad, 8)}
	return gates.NewMinter(node, func(index uint64) (gates.Decision, bool) { d, ok := committed[index]; return d, ok })
}

func spec(unit nexus.ID, host string) fabric.Spec[slicing.Body] {
	s := slices.Default(unit, "u")
	return fabric.Spec[slicing.Body]{Unit: unit, Index: 7, Body: slicing.Body{Slice: s,
		Routes: []edge.Route{{Host: host, Unit: unit, SliceID: s.ID, RouteIndex: 7}}}}
}

// TestPermits: nothing changes at the edge without a permit of this node for this unit, minted from a committed decision that
// allowed it; and what was in force stays in force.
func TestPermits(t *testing.T) {
	t.Parallel()
	m, gw := minter(t, "here"), &table{}
	f := slicing.New(m, gw)
	unit, other := nexus.ID{1}, nexus.ID{2}
	want := spec(unit, "a.nexus.localhost")
	mint := func(m *gates.Minter, index uint64, id nexus.ID, generation uint64) gates.Permit {
		p, err := m.Mint(index, fabric.Resource(slicing.Name, id), generation)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if _, err := m.Mint(8, fabric.Resource(slicing.Name, unit), 8); err == nil {
		t.Error("a refused decision gave a permit")
	}
	if _, err := m.Mint(9, fabric.Resource(slicing.Name, unit), 9); err == nil {
		t.Error("a decision that was never committed gave a permit")
	}
	good := mint(m, 7, unit, 7)
	want.Digest = good.Digest()
	for name, p := range map[string]gates.Permit{"zero": {}, "of another unit": mint(m, 7, other, 7),
		"of another node": mint(minter(t, "elsewhere"), 7, unit, 7)} {
		if err := f.Apply(context.Background(), p, want); err == nil {
			t.Errorf("a permit that is %s was taken", name)
		}
	}
	if gw.got != nil {
		t.Fatal("the gateway changed without a permit")
	}
	if err := f.Apply(context.Background(), good, want); err != nil {
		t.Fatal(err)
	}
	if index, ok := f.Observe(unit); !ok || index != 7 || len(gw.got.Routes()) != 1 {
		t.Errorf("observed %d %v, %d routes", index, ok, len(gw.got.Routes()))
	}
	if err := f.Apply(context.Background(), good, want); err == nil {
		t.Error("a used permit was taken again")
	}
	if err := f.Remove(context.Background(), mint(m, 7, unit, 8), want); err != nil {
		t.Fatal(err)
	}
	if _, ok := f.Observe(unit); ok || len(gw.got.Routes()) != 0 {
		t.Error("still there after its removal")
	}
}

// TestBadSpecChangesNothing: a host that another unit holds is refused before the permit is used up.
func TestBadSpecChangesNothing(t *testing.T) {
	t.Parallel()
	m, gw := minter(t, "here"), &table{}
	f := slicing.New(m, gw)
	apply := func(unit nexus.ID, host string) (gates.Permit, error) {
		p, err := m.Mint(7, fabric.Resource(slicing.Name, unit), 7)
		if err != nil {
			t.Fatal(err)
		}
		s := spec(unit, host)
		s.Digest = p.Digest()
		return p, f.Apply(context.Background(), p, s)
	}
	if _, err := apply(nexus.ID{1}, "a.nexus.localhost"); err != nil {
		t.Fatal(err)
	}
	before := gw.got
	p, err := apply(nexus.ID{2}, "a.nexus.localhost")
	if err == nil || gw.got != before {
		t.Fatalf("a host held by another unit: %v", err)
	}
	s := spec(nexus.ID{2}, "b.nexus.localhost")
	s.Digest = p.Digest()
	if err := f.Apply(context.Background(), p, s); err != nil {
		t.Errorf("the permit was used up by a refusal: %v", err)
	}
}

// TestEveryKindIsSorted: whoever adds a kind of action says whether the edge changes by it. Those that begin with a word here change money, words, keys
// or records; the rest is named.
func TestEveryKindIsSorted(t *testing.T) {
	t.Parallel()
	words := []string{"identity.", "source.", "revenue.", "pending.", "transfer.", "hold.", "payout.", "statement.", "dispute.", "chargeback", "report.",
		"audit.", "cluster.", "node.", "policy.", "consent.", "notice.", "phase.", "session.", "publication.", "prices.", "usage."}
	named := []string{state.KindLedgerEdit, state.KindSliceMinutes, state.KindSliceBreach, state.KindSliceShort, state.KindProposalOpen, state.KindProposalRefuse,
		state.KindProposalWithdraw, state.KindProposalExpire, state.KindExitFail}
	changing := 0
	for _, kind := range state.Kinds() {
		not := stdslices.Contains(named, kind) || stdslices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(kind, w) })
		if slicing.Changes(kind) == not {
			t.Errorf("%s: changes the edge %v, among those that do not %v", kind, slicing.Changes(kind), not)
		}
		if slicing.Changes(kind) {
			changing++
		}
	}
	if changing == 0 || slicing.Changes("no.kind") {
		t.Errorf("%d kinds change the edge, an unknown one %v", changing, slicing.Changes("no.kind"))
	}
}
