// Package gatetest is the conformance runner of the gates: launch phase 6 proves with it that each gate allows one good
// and refuses one bad action, and the tests of gates/rules hold every gate to the same demands.
//
// Promises: it only runs pure code and changes nothing. It must not import the testing package, so that the program can
// carry it, and of this module it imports the root and package gates only.
package gatetest

import (
	"bytes"
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// Proof is what one gate showed on its two samples, run through the whole chain.
type Proof struct {
	Gate        int
	Name        string
	GoodAllowed bool   // all 17 allow the good sample, and this gate was concerned
	BadRefused  bool   // this gate refuses the bad sample, with a reason and a fix, and no other gate does
	Reason      string // reason code of the bad sample's refusal
	Fault       string // what is wrong when one of the two does not hold; empty when both do
}

// Proven reports whether both hold.
func (p Proof) Proven() bool { return p.GoodAllowed && p.BadRefused && p.Fault == "" }

// Prove runs the good and the bad sample of every gate through the chain, in order: 17 proofs.
func Prove(chain *gates.Chain) []Proof {
	out := make([]Proof, 0, gates.Count)
	for _, g := range chain.Gates() {
		out = append(out, prove(chain, g))
	}
	return out
}

func prove(chain *gates.Chain, g gates.Gate) Proof {
	p := Proof{Gate: g.Number, Name: g.Name}
	good, bad := decide(chain, g.Good()), decide(chain, g.Bad())
	own := good.Verdicts[g.Number-1]
	p.GoodAllowed = good.Allow && own.Concerned
	refusal := bad.Verdicts[g.Number-1]
	p.Reason = refusal.ReasonCode
	others := bad.Refusing()
	p.BadRefused = !refusal.Allow && len(others) == 1 && complete(refusal)
	switch {
	case !good.Allow:
		v, _ := good.FirstRefusal()
		p.Fault = fmt.Sprintf("good sample refused by gate %d: %s: %s", v.Gate, v.ReasonCode, v.Observed)
	case !own.Concerned:
		p.Fault = "good sample does not concern the gate"
	case refusal.Allow:
		p.Fault = "bad sample allowed"
	case len(others) != 1:
		p.Fault = fmt.Sprintf("bad sample refused by gates %v", others)
	case !p.BadRefused:
		p.Fault = "refusal lacks reason, observed, required or fix, or is a fault"
	default:
		p.Fault = impure(chain, g)
	}
	return p
}

// complete reports whether a refusal tells an operator everything: what is, what must be, and the way out.
func complete(v gates.Verdict) bool {
	return v.Concerned && v.ReasonCode != "" && v.ReasonCode != gates.ReasonGateFault && v.Observed != "" &&
		v.Required != "" && v.Fix != ""
}

// impure says how a gate broke purity on its samples: changed the facts, gave another answer the second time, or gave
// one that a replay of the stored facts does not give.
func impure(chain *gates.Chain, g gates.Gate) string {
	for _, sample := range []func() gates.Facts{g.Good, g.Bad} {
		f := sample()
		before := nexus.Encode(f)
		first, second := g.Check(&f), g.Check(&f)
		if !bytes.Equal(before, nexus.Encode(f)) {
			return "the check changed the facts"
		}
		if first != second {
			return "the check answered differently the second time"
		}
		if _, same := chain.Replay(decide(chain, f)); !same {
			return "a replay of the stored facts answered differently"
		}
	}
	return ""
}

func decide(chain *gates.Chain, f gates.Facts) gates.Decision {
	return chain.Decide(&f, gates.DecisionInput{Kind: f.Kind, Actor: f.Identity.Actor, Unit: f.Unit.ID, Index: 1,
		TimeMs: f.NowMs})
}
