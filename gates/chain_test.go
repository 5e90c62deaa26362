package gates_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
)

func ruleChain(t testing.TB) *gates.Chain {
	t.Helper()
	c, err := rules.Chain()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func decideSample(c *gates.Chain, f gates.Facts, index uint64) gates.Decision {
	return c.Decide(&f, gates.DecisionInput{Action: nexus.ID{1}, Digest: nexus.Hash{2}, Kind: f.Kind,
		Actor: f.Identity.Actor, Unit: f.Unit.ID, Index: index, TimeMs: f.NowMs})
}

func TestNewChainRefusesAnythingElse(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func([]gates.Gate) []gates.Gate{
		"none":         func([]gates.Gate) []gates.Gate { return nil },
		"sixteen":      func(l []gates.Gate) []gates.Gate { return l[:16] },
		"eighteen":     func(l []gates.Gate) []gates.Gate { return append(l, l[16]) },
		"swapped":      func(l []gates.Gate) []gates.Gate { l[3], l[4] = l[4], l[3]; return l },
		"one twice":    func(l []gates.Gate) []gates.Gate { l[3] = l[4]; return l },
		"renumbered":   func(l []gates.Gate) []gates.Gate { l[0].Number = 2; return l },
		"renamed":      func(l []gates.Gate) []gates.Gate { l[0].Name = "identity"; return l },
		"no rule":      func(l []gates.Gate) []gates.Gate { l[5].Rule = ""; return l },
		"no version":   func(l []gates.Gate) []gates.Gate { l[5].Version = 0; return l },
		"no check":     func(l []gates.Gate) []gates.Gate { l[5].Check = nil; return l },
		"no good":      func(l []gates.Gate) []gates.Gate { l[5].Good = nil; return l },
		"no bad":       func(l []gates.Gate) []gates.Gate { l[5].Bad = nil; return l },
		"no enforcer":  func(l []gates.Gate) []gates.Gate { l[5].Enforcer = ""; return l },
		"both claimed": func(l []gates.Gate) []gates.Gate { l[5].Later = "soon"; return l },
	} {
		c, err := gates.NewChain(change(rules.All()))
		if err == nil || c != nil || nexus.CodeOf(err) != nexus.CodeInternal {
			t.Errorf("%s: chain %v, error %v", name, c, err)
		}
	}
	c := ruleChain(t)
	if c.Name(0) != "" || c.Name(18) != "" || c.Name(17) != "platform-non-repudiation" {
		t.Error("names are wrong")
	}
	c.Gates()[0].Check = nil // a copy: the chain stays whole
	if d := decideSample(c, rules.All()[0].Good(), 1); !d.Allow {
		t.Error("the chain was changed through Gates")
	}
}

func TestGateSetHashFollowsRules(t *testing.T) {
	t.Parallel()
	base := ruleChain(t).Hash()
	if base.IsZero() || base != ruleChain(t).Hash() {
		t.Fatal("hash is zero or not the same twice")
	}
	for name, change := range map[string]func(*gates.Gate){
		"rule":    func(g *gates.Gate) { g.Rule += "." },
		"version": func(g *gates.Gate) { g.Version++ },
	} {
		list := rules.All()
		change(&list[8])
		c, err := gates.NewChain(list)
		if err != nil {
			t.Fatal(err)
		}
		if c.Hash() == base {
			t.Errorf("another %s, the same hash", name)
		}
	}
}

// TestFaultyGateRefuses: a gate that panics or says nothing refuses for itself, and the other 16 still answer.
func TestFaultyGateRefuses(t *testing.T) {
	t.Parallel()
	for name, check := range map[string]func(*gates.Facts) gates.Verdict{
		"panic":   func(*gates.Facts) gates.Verdict { panic(fmt.Sprintf("%p", &struct{ int }{})) },
		"runtime": func(f *gates.Facts) gates.Verdict { return gates.Verdict{Gate: uint8(len(f.Domain[7].Name))} },
		"nothing": func(*gates.Facts) gates.Verdict { return gates.Verdict{Allow: true} },
	} {
		list := rules.All()
		list[6].Check = check
		c, err := gates.NewChain(list)
		if err != nil {
			t.Fatal(err)
		}
		d, again := decideSample(c, list[0].Good(), 1), decideSample(c, list[0].Good(), 1)
		v := d.Verdicts[6]
		if d.Allow || v.Allow || v.ReasonCode != gates.ReasonGateFault || v.Gate != 7 || v.Fix == "" {
			t.Errorf("%s: %+v", name, v)
		}
		if got := d.Refusing(); len(d.Verdicts) != gates.Count || len(got) != 1 || got[0] != 7 {
			t.Errorf("%s: %d verdicts, refused by %v", name, len(d.Verdicts), got)
		}
		if !reflect.DeepEqual(d, again) {
			t.Errorf("%s: not the same twice", name)
		}
	}
}

func TestDecideIsDeterministicAndComplete(t *testing.T) {
	t.Parallel()
	c := ruleChain(t)
	for _, g := range rules.All() {
		for _, sample := range []func() gates.Facts{g.Good, g.Bad} {
			want := nexus.Encode(decideSample(c, sample(), 9))
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					d := decideSample(ruleChain(t), sample(), 9)
					if string(nexus.Encode(d)) != string(want) {
						t.Errorf("gate %d: another decision from the same facts", g.Number)
					}
				})
			}
			wg.Wait()
			var back gates.Decision
			if err := nexus.Decode(want, &back); err != nil {
				t.Fatal(err)
			}
			if again, same := c.Replay(back); !same || again.GateSet != c.Hash() {
				t.Errorf("gate %d: replay of the stored decision differs", g.Number)
			}
		}
	}
}

// TestReplayFindsAlteredDecisions: whatever is changed in a stored decision, running the gates again shows it.
func TestReplayFindsAlteredDecisions(t *testing.T) {
	t.Parallel()
	c := ruleChain(t)
	otherFacts := encoded(rules.All()[0].Good())
	for name, change := range map[string]func(*gates.Decision){
		"answer":     func(d *gates.Decision) { d.Allow = !d.Allow },
		"verdict":    func(d *gates.Decision) { d.Verdicts[5].Allow, d.Allow = true, true },
		"text":       func(d *gates.Decision) { d.Verdicts[5].Observed += "!" },
		"verdicts":   func(d *gates.Decision) { d.Verdicts = d.Verdicts[:16] },
		"facts":      func(d *gates.Decision) { d.Facts = otherFacts },
		"cut facts":  func(d *gates.Decision) { d.Facts = d.Facts[:len(d.Facts)-1] },
		"no facts":   func(d *gates.Decision) { d.Facts = nil },
		"digest":     func(d *gates.Decision) { d.FactsDigest[0] ^= 1 },
		"gate set":   func(d *gates.Decision) { d.GateSet[0] ^= 1 },
		"both facts": func(d *gates.Decision) { d.Facts = otherFacts; d.FactsDigest, _ = gates.DigestFacts(&gates.Facts{}) },
	} {
		d := decideSample(c, rules.All()[5].Bad(), 3)
		change(&d)
		if _, same := c.Replay(d); same {
			t.Errorf("%s altered: replay saw nothing", name)
		}
	}
	d := decideSample(c, rules.All()[5].Bad(), 3)
	if again, same := c.Replay(d); !same || !reflect.DeepEqual(again, d) {
		t.Error("an untouched decision does not replay")
	}
	d.Facts = []byte{0xff}
	if again, _ := c.Replay(d); again.Allow || len(again.Verdicts) != 0 {
		t.Error("facts that do not decode gave an answer")
	}
}

func TestNamesAreTheConstitutions(t *testing.T) {
	t.Parallel()
	for i, name := range gates.Names() {
		if name != strings.ToLower(name) || strings.Contains(name, " ") || rules.All()[i].Name != name {
			t.Errorf("gate %d is called %q and %q", i+1, name, rules.All()[i].Name)
		}
	}
}

// FuzzFacts: whatever decodes as facts is judged by all 17 without a fault, the same way twice.
func FuzzFacts(f *testing.F) {
	for _, g := range rules.All() {
		f.Add(encoded(g.Good()))
		f.Add(encoded(g.Bad()))
	}
	f.Add(encoded(gates.Facts{}))
	f.Add(encoded(gates.Facts{Approval: []gates.ApprovalFacts{{Parties: 2}}}))
	c := ruleChain(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var facts gates.Facts
		if gates.DecodeFacts(b, &facts) != nil {
			return
		}
		d := decideSample(c, facts, 1)
		if len(d.Verdicts) != gates.Count || string(d.Facts) != string(b) {
			t.Fatalf("%d verdicts over %x", len(d.Verdicts), d.Facts)
		}
		for i, v := range d.Verdicts {
			if int(v.Gate) != i+1 || v.ReasonCode == gates.ReasonGateFault {
				t.Fatalf("gate %d: %+v", i+1, v)
			}
			if !v.Allow && (v.Observed == "" || v.Required == "" || v.Fix == "") {
				t.Fatalf("gate %d refuses without saying all: %+v", i+1, v)
			}
		}
		if _, same := c.Replay(d); !same {
			t.Fatal("replay differs")
		}
	})
}

// FuzzDecision: no stored bytes make a replay or a minter panic, and only whole decisions give permits.
func FuzzDecision(f *testing.F) {
	c := ruleChain(f)
	for _, g := range rules.All() {
		f.Add(nexus.Encode(decideSample(c, g.Good(), 1)))
		f.Add(nexus.Encode(decideSample(c, g.Bad(), 1)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d gates.Decision
		if nexus.Decode(b, &d) != nil {
			return
		}
		c.Replay(d)
		m := gates.NewMinter("node-1", func(uint64) (gates.Decision, bool) { return d, true })
		if p, err := m.Mint(d.Index, "slice/a", 1); err == nil && (!d.Allow || len(d.Verdicts) != gates.Count || p.IsZero()) {
			t.Fatalf("permit %+v for %+v", p, d)
		}
	})
}

func encoded(f gates.Facts) []byte { return gates.EncodeFacts(&f) }

// Facts that were stored before a part existed read as facts without it, and write the same bytes again: an old log
// replays byte for byte.
func TestEarlierFactsKeepTheirBytes(t *testing.T) {
	t.Parallel()
	with := rules.All()[0].Good()
	with.Approval = []gates.ApprovalFacts{{Parties: 2, Granted: 1}}
	without := with
	without.Approval = nil
	bound := without
	bound.Binding = []gates.BindingFacts{{Signed: true}}
	signal := without
	signal.Signal = []gates.SignalFacts{{Held: true}}
	limited := with
	limited.Limit = []gates.LimitFacts{{CPUMilli: 1}}
	capped := with
	capped.Session = []gates.SessionFacts{{Sessions: 1}}
	long, short := encoded(with), encoded(without)
	if full := nexus.Encode(without); !bytes.Equal(full, append(append([]byte(nil), short...), 0, 0, 0, 0, 0)) {
		t.Fatal("facts without the later parts are not the earlier form")
	}
	if full := nexus.Encode(with); !bytes.Equal(full, append(append([]byte(nil), long...), 0, 0, 0, 0)) {
		t.Fatal("facts with approvals alone are not the form from before bindings")
	}
	for _, want := range [][]byte{encoded(capped), encoded(limited), encoded(signal), encoded(bound), long, short} {
		var f gates.Facts
		if err := gates.DecodeFacts(want, &f); err != nil || !bytes.Equal(encoded(f), want) {
			t.Errorf("%d bytes read as %+v %+v, %v", len(want), f.Approval, f.Binding, err)
		}
		for cut := range len(want) {
			if err := gates.DecodeFacts(want[:cut], &f); err == nil && !bytes.Equal(want[:cut], short) && !bytes.Equal(want[:cut], long) {
				t.Errorf("the first %d of %d bytes read as whole facts", cut, len(want))
			}
		}
	}
	var f gates.Facts
	if err := gates.DecodeFacts(nexus.Encode(without), &f); err == nil {
		t.Error("a second encoding of the same facts is taken")
	}
}
