package rules_test

import (
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/gates/gatetest"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
)

func chain(t testing.TB) *gates.Chain {
	t.Helper()
	c, err := rules.Chain()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func decide(c *gates.Chain, f gates.Facts) gates.Decision {
	return c.Decide(&f, gates.DecisionInput{Kind: f.Kind, Actor: f.Identity.Actor, Unit: f.Unit.ID, Index: 1,
		TimeMs: f.NowMs})
}

func TestEveryGateProvesItself(t *testing.T) {
	t.Parallel()
	proofs := gatetest.Prove(chain(t))
	if len(proofs) != gates.Count {
		t.Fatalf("%d proofs", len(proofs))
	}
	for _, p := range proofs {
		if !p.Proven() {
			t.Errorf("gate %d %s: %+v", p.Gate, p.Name, p)
		}
	}
}

// TestProveFindsBrokenGates holds the prover itself: a gate that always allows, always refuses or is impure is found.
func TestProveFindsBrokenGates(t *testing.T) {
	t.Parallel()
	calls := 0
	broken := map[string]func(*gates.Facts) gates.Verdict{
		"always allows":  alwaysAllow,
		"always refuses": func(*gates.Facts) gates.Verdict { return gates.Verdict{ReasonCode: "no", Concerned: true} },
		"panics":         func(*gates.Facts) gates.Verdict { panic("broken") },
		"no reason code": func(*gates.Facts) gates.Verdict { return gates.Verdict{Allow: true} },
		"counts": func(f *gates.Facts) gates.Verdict {
			calls++
			return gates.Verdict{Allow: f.Identity.SignatureValid, Concerned: true, ReasonCode: "ok",
				Observed: string(rune('a' + calls)),
				Required: "r", Fix: "f"}
		},
	}
	for name, check := range broken {
		list := rules.All()
		list[0].Check = check
		c, err := gates.NewChain(list)
		if err != nil {
			t.Fatal(err)
		}
		if p := gatetest.Prove(c)[0]; p.Proven() {
			t.Errorf("%s: proven all the same: %+v", name, p)
		}
	}
}

func alwaysAllow(*gates.Facts) gates.Verdict {
	return gates.Verdict{Allow: true, Concerned: true, ReasonCode: "ok"}
}

// TestEachGateIsNeeded is the mutation check: without any one gate there is no chain, and with it blunted its bad
// sample passes, so no other gate hides its loss.
func TestEachGateIsNeeded(t *testing.T) {
	t.Parallel()
	for i := range gates.Count {
		list := rules.All()
		bad := list[i].Bad()
		if c, err := gates.NewChain(append(list[:i:i], list[i+1:]...)); err == nil || c != nil {
			t.Errorf("gate %d deleted: a chain of 16 was built", i+1)
		}
		if d := decide(chain(t), bad); d.Allow {
			t.Errorf("gate %d: bad sample allowed", i+1)
		}
		list = rules.All()
		list[i].Check = alwaysAllow
		c, err := gates.NewChain(list)
		if err != nil {
			t.Fatal(err)
		}
		if d := decide(c, bad); !d.Allow {
			t.Errorf("gate %d blunted: its bad sample is still refused, by %v", i+1, d.Refusing())
		}
	}
}

func TestEnforcedNowIsHonest(t *testing.T) {
	t.Parallel()
	later := map[int]bool{2: true, 4: true, 5: true, 7: true, 12: true}
	for _, g := range rules.All() {
		if g.Enforced() == later[g.Number] {
			t.Errorf("gate %d %s: enforced %t", g.Number, g.Name, g.Enforced())
		}
	}
}

func TestJurisdictions(t *testing.T) {
	t.Parallel()
	if n := len(rules.Jurisdictions()); n != 16 {
		t.Errorf("%d jurisdictions", n)
	}
	for _, j := range rules.Jurisdictions() {
		if !rules.Known(j.Tag) || j.Meaning == "" {
			t.Errorf("%+v is not known to Known, or has no meaning", j)
		}
	}
	for _, tag := range []string{"", "us-ccpa", "EU", "XX-NONE", "US-CCPA "} {
		if rules.Known(tag) {
			t.Errorf("%q is known", tag)
		}
	}
}

// TestZeroFactsAreRefused: facts that were forgotten never pass.
func TestZeroFactsAreRefused(t *testing.T) {
	t.Parallel()
	d := decide(chain(t), gates.Facts{})
	if got := d.Refusing(); d.Allow || len(got) < 2 || got[0] != 1 {
		t.Errorf("zero facts refused by %v", got)
	}
}

func BenchmarkDecideCreate(b *testing.B) {
	c := chain(b)
	f := rules.All()[0].Good()
	in := gates.DecisionInput{Kind: f.Kind, Actor: f.Identity.Actor, Unit: f.Unit.ID, Index: 1, TimeMs: f.NowMs}
	b.ReportAllocs()
	for b.Loop() {
		if d := c.Decide(&f, in); !d.Allow {
			b.Fatal("refused")
		}
	}
}

// BenchmarkSeventeenChecks is the judging alone, without encoding and hashing the facts for the record.
func BenchmarkSeventeenChecks(b *testing.B) {
	list := rules.All()
	f := list[0].Good()
	b.ReportAllocs()
	for b.Loop() {
		for i := range list {
			if !list[i].Check(&f).Allow {
				b.Fatal("refused")
			}
		}
	}
}
