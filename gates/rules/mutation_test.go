package rules_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/gates/gatetest"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
)

// This file mutates the gates and holds that something hostile then gets through: a gate, or a single refusal of a gate,
// whose loss nobody would notice is either not needed or not tested.

// hostile is one case that the whole chain refuses.
type hostile struct {
	name   string
	gate   int // the gate that the case is about
	reason string
	facts  func() gates.Facts
}

// hostiles is the table: the bad sample of each gate and each fact flipped.
func hostiles(t *testing.T) []hostile {
	t.Helper()
	var out []hostile
	c := chain(t)
	for _, g := range rules.All() {
		out = append(out, hostile{name: "bad sample", gate: g.Number, facts: g.Bad})
	}
	for _, x := range flips() {
		from := x.from
		if from == nil {
			from = rules.All()[x.gate-1].Good
		}
		out = append(out, hostile{name: fmt.Sprintf("%s=%v", x.path, x.to), gate: x.gate, facts: func() gates.Facts {
			f := from()
			v, ok := field(&f, x.path)
			switch {
			case !ok:
				t.Fatalf("gate %d: no fact %s", x.gate, x.path)
			case x.to == nil:
				v.SetBool(!v.Bool())
			default:
				v.Set(reflect.ValueOf(x.to).Convert(v.Type()))
			}
			return f
		}})
	}
	for i := range out {
		d := decide(c, out[i].facts())
		v := d.Verdicts[out[i].gate-1]
		if d.Allow || v.Allow {
			t.Errorf("gate %d, %s: not hostile, the whole chain says allow %t", out[i].gate, out[i].name, d.Allow)
		}
		out[i].reason = v.ReasonCode
	}
	return out
}

// mutant is the chain with one gate's check changed.
func mutant(t *testing.T, number int, change func(gates.Verdict) gates.Verdict) *gates.Chain {
	t.Helper()
	list := rules.All()
	check := list[number-1].Check
	list[number-1].Check = func(f *gates.Facts) gates.Verdict { return change(check(f)) }
	c, err := gates.NewChain(list)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestDeletingAGateLetsHostilesThrough takes each gate away in turn, as whoever builds a chain by hand would: the 16 that
// are left allow cases that the 17 refuse. That NewChain builds no such chain is held by TestEachGateIsNeeded.
func TestDeletingAGateLetsHostilesThrough(t *testing.T) {
	t.Parallel()
	table := hostiles(t)
	for i := range gates.Count {
		list := rules.All()
		left := append(list[:i:i], list[i+1:]...)
		through, own := 0, 0
		for _, h := range table {
			if h.gate == i+1 {
				own++
			}
			f, allow := h.facts(), true
			for k := range left {
				allow = allow && left[k].Check(&f).Allow
			}
			if allow {
				through++
			}
			if allow && h.gate != i+1 {
				t.Errorf("gate %d deleted: the case %q of gate %d gets through", i+1, h.name, h.gate)
			}
		}
		if through == 0 {
			t.Errorf("gate %d %s deleted: all %d hostile cases are refused all the same; nobody would miss it", i+1,
				gates.Names()[i], len(table))
		}
		if own < 2 {
			t.Errorf("gate %d %s: %d hostile cases", i+1, gates.Names()[i], own)
		}
	}
}

// TestABluntedGateIsFound makes each gate allow always, in a chain that builds: hostile cases get through, the proof of
// launch phase 6 fails for that gate and no other, and the set no longer replays the decisions that it took.
func TestABluntedGateIsFound(t *testing.T) {
	t.Parallel()
	table, whole := hostiles(t), chain(t)
	for number := 1; number <= gates.Count; number++ {
		blunt := mutant(t, number, func(v gates.Verdict) gates.Verdict {
			return gates.Verdict{Allow: true, Concerned: v.Concerned, ReasonCode: "ok"}
		})
		through := 0
		for _, h := range table {
			f := h.facts()
			if decide(blunt, f).Allow {
				through++
				if _, same := blunt.Replay(decide(whole, f)); same {
					t.Errorf("gate %d blunted: replays %q as if nothing had changed", number, h.name)
				}
			}
		}
		if through == 0 {
			t.Errorf("gate %d blunted: no hostile case gets through", number)
		}
		for _, p := range gatetest.Prove(blunt) {
			if p.Proven() == (p.Gate == number) {
				t.Errorf("gate %d blunted: gate %d proven %t", number, p.Gate, p.Proven())
			}
		}
	}
}

// TestEachRefusalIsNeeded goes one level deeper: it turns one refusal of one gate, by its reason code, into an allow.
func TestEachRefusalIsNeeded(t *testing.T) {
	t.Parallel()
	table := hostiles(t)
	type refusal struct {
		gate   int
		reason string
	}
	needed := map[refusal]bool{}
	for _, h := range table {
		r := refusal{h.gate, h.reason}
		if needed[r] {
			continue
		}
		soft := mutant(t, r.gate, func(v gates.Verdict) gates.Verdict {
			if v.ReasonCode == r.reason {
				return gates.Verdict{Allow: true, Concerned: true, ReasonCode: "ok"}
			}
			return v
		})
		needed[r] = decide(soft, h.facts()).Allow
	}
	if len(needed) < 60 {
		t.Errorf("only %d refusals in the table", len(needed))
	}
	for r, ok := range needed {
		if !ok {
			t.Errorf("gate %d: with the refusal %s gone, none of its cases gets through", r.gate, r.reason)
		}
	}
}
