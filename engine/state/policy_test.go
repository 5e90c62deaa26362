package state_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// rules builds a policy from a document; no name of a guardian is resolved.
func policy(t failer, doc string, guardian nexus.Signer) state.UnitPolicy {
	t.Helper()
	p, err := state.ParsePolicy([]byte(doc), func(string) (nexus.PublicKey, error) { return guardian.Public(), nil })
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	return p
}

func (w *court) setPolicy(by nexus.Signer, p state.UnitPolicy) *state.Outcome {
	var base uint64
	if have, ok := w.a.PolicyOf(w.imvu); ok {
		base = have.Version
	}
	return w.do(by, state.KindPolicySet, w.imvu, state.PolicySet{Base: base, Policy: p})
}

func (w *court) mustPolicy(doc string) {
	w.t.Helper()
	if out := w.setPolicy(w.ada, policy(w.t, doc, w.bob)); !out.Receipt.Allowed || out.Err != nil {
		w.t.Fatalf("%s: %+v, %v", doc, out.Receipt, out.Err)
	}
}

const noBigScale = `{"rules":[{"name":"small","effect":"deny","on":["imvu.scale"],"when":[{"field":"cpu_milli","op":"gt","value":4000}]}]}`

func TestPolicyForbidsAndOnlyItsOwnerSetsIt(t *testing.T) {
	t.Parallel()
	w := newCourt(t)
	for name, by := range map[string]nexus.Signer{"an operator": w.operator, "a stranger": w.bob, "the node": w.node} {
		if out := w.setPolicy(by, policy(t, noBigScale, w.bob)); out.Receipt.Allowed {
			t.Errorf("%s set the policy of somebody's unit", name)
		}
	}
	w.mustPolicy(noBigScale)
	e := w.a.Units[w.imvu].Envelope
	big := state.UnitScale{CPUMilli: 5000, MemoryBytes: e.MemoryBytes, StorageBytes: e.StorageBytes, Processes: e.Processes}
	refusedFor(t, w.do(w.ada, state.KindUnitScale, w.imvu, big), 7, `"small"`)
	big.CPUMilli = 4000
	w.must(w.ada, state.KindUnitScale, w.imvu, big)
	// The version that a policy replaces is part of what is signed.
	invalidFor(t, w.do(w.ada, state.KindPolicySet, w.imvu, state.PolicySet{Base: 0}), nexus.CodeConflict, "version 1 is in force")
	w.swap()
	// A proposal is held to the policy as well, when it is opened and when it is granted.
	big.CPUMilli = 2000
	p := w.openAs(w.operator, state.KindUnitScale, w.imvu, big, 0)
	w.mustPolicy(`{"rules":[{"name":"none","effect":"deny","on":["imvu.scale"]}]}`)
	refusedFor(t, w.do(w.ada, state.KindProposalGrant, w.imvu, word(p)), 7, `"none"`)
	w.swap()
	w.check()
}

func TestPolicyLimitsCountWhatTookEffect(t *testing.T) {
	t.Parallel()
	w := newCourt(t)
	w.mustPolicy(`{"rules":[{"name":"slow","effect":"limit","on":["route.drop","route.set"],"count":2,"per_s":60}]}`)
	for i := range 2 {
		refusedFor(t, w.do(w.ada, state.KindRouteDrop, w.imvu, state.RouteSet{Host: "nowhere"}), 8, "nobody holds host")
		w.must(w.ada, state.KindRouteSet, w.imvu, w.route(fmt.Sprintf("http://127.0.0.1:%d", 9100+i)))
		w.swap()
	}
	refusedFor(t, w.do(w.ada, state.KindRouteSet, w.imvu, w.route("http://127.0.0.1:9103")), 8, `"slow"`)
	// A new version under the same name counts on; another name starts anew.
	w.mustPolicy(`{"rules":[{"name":"slow","effect":"limit","on":["route.set"],"count":2,"per_s":60}]}`)
	refusedFor(t, w.do(w.ada, state.KindRouteSet, w.imvu, w.route("http://127.0.0.1:9103")), 8, `"slow"`)
	w.now += 61_000
	w.must(w.ada, state.KindRouteSet, w.imvu, w.route("http://127.0.0.1:9104"))
	w.swap()
	w.check()
}

const guarded = `{"guardian":"bob","rules":[{"name":"two","effect":"require-approval","on":["route.set"]},
	{"name":"never","effect":"deny","on":["imvu.suspend"]}]}`

func TestGuardian(t *testing.T) {
	t.Parallel()
	w := newCourt(t)
	w.mustPolicy(guarded)
	refusedFor(t, w.do(w.ada, state.KindRouteSet, w.imvu, w.route("http://127.0.0.1:9000")), 8, `"two"`)
	p := w.openAs(w.ada, state.KindRouteSet, w.imvu, w.route("http://127.0.0.1:9000"), 0)
	if len(p.Parties) != 2 || p.Parties[1].Role != state.PartyGuardian || p.Parties[1].Key != w.bob.Public() {
		t.Fatalf("parties %+v", p.Parties)
	}
	refusedFor(t, w.do(w.carl, state.KindProposalGrant, w.imvu, word(p)), 1, "no word to give")
	w.swap()
	w.must(w.bob, state.KindProposalGrant, w.imvu, word(p))
	if w.backend() != "http://127.0.0.1:9000" {
		t.Error("the route did not change with the guardian's word")
	}
	// Looser needs the guardian, tighter does not; a stolen owner's key cannot shake the guardian off.
	loose := policy(t, `{"rules":[]}`, w.bob)
	refusedFor(t, w.setPolicy(w.ada, loose), 1, "1 of 2 signatures")
	other := policy(t, strings.ReplaceAll(guarded, "never", "nevermore"), w.bob)
	refusedFor(t, w.setPolicy(w.ada, other), 1, "1 of 2 signatures")
	refusedFor(t, w.setPolicy(w.ada, policy(t, guarded, w.carl)), 1, "1 of 2 signatures")
	w.mustPolicy(strings.Replace(guarded, `{"name":"two"`, `{"name":"more","effect":"deny","on":["domain.claim"]},{"name":"two"`, 1))
	q := w.openAs(w.ada, state.KindPolicySet, w.imvu, state.PolicySet{Base: 2, Policy: loose}, 0)
	w.must(w.bob, state.KindProposalGrant, w.imvu, word(q))
	if have, _ := w.a.PolicyOf(w.imvu); have.Version != 3 || len(have.Policy.Rules) != 0 {
		t.Errorf("policy %+v", have)
	}
	w.swap()
	w.check()
}

// What needs the guardian's word does not happen in his silence, nor by a word on something else; the policy stands as it was.
func TestAGuardiansSilenceIsRefusal(t *testing.T) {
	t.Parallel()
	w := newCourt(t)
	w.mustPolicy(guarded)
	loose := state.PolicySet{Base: 1, Policy: policy(t, `{"rules":[]}`, w.bob)}
	p := w.openAs(w.ada, state.KindPolicySet, w.imvu, loose, 0)
	q := w.openAs(w.ada, state.KindRouteSet, w.imvu, w.route("http://127.0.0.1:9000"), 0)
	for name, by := range map[string]nexus.Signer{"the owner again": w.ada, "an operator": w.operator, "a stranger": w.carl, "the node": w.node} {
		if out := w.do(by, state.KindProposalGrant, w.imvu, word(p)); out.Receipt.Allowed {
			t.Errorf("%s loosened the policy", name)
		}
	}
	crossed := word(p)
	crossed.Change = q.Change
	invalidFor(t, w.do(w.bob, state.KindProposalGrant, w.imvu, crossed), nexus.CodeConflict, "its digest is")
	w.now = max(p.ExpiresMs, q.ExpiresMs)
	for _, late := range []*state.Proposal{p, q} {
		invalidFor(t, w.do(w.bob, state.KindProposalGrant, w.imvu, word(late)), nexus.CodeConflict, "silence was refusal")
		w.must(w.node, state.KindProposalExpire, w.imvu, word(late))
	}
	if have, _ := w.a.PolicyOf(w.imvu); have.Version != 1 || len(have.Policy.Rules) != 2 || w.backend() != "" {
		t.Errorf("policy %+v, backend %q", have, w.backend())
	}
	w.swap()
	w.check()
}

// A guardian binds the owner who named it: not the next one, and not once its key is gone; a rotated key keeps its word.
func TestGuardiansEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then func(w *court) (owner nexus.Signer)
		free bool
	}{
		"revoked": {func(w *court) nexus.Signer { w.revoke(w.bob); return w.ada }, true},
		"rotated": {func(w *court) nexus.Signer { w.rotate(w.bob, signer(60)); return w.ada }, false},
		"the owner rotated": {func(w *court) nexus.Signer {
			w.rotate(w.ada, signer(61))
			return signer(61)
		}, false},
		"another owner": {func(w *court) nexus.Signer {
			p := w.openAs(w.ada, state.KindUnitTransfer, w.imvu, to(w.carl), 0)
			w.must(w.carl, state.KindProposalGrant, w.imvu, word(p))
			w.must(w.operator, state.KindProposalGrant, w.imvu, word(p))
			return w.carl
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCourt(t)
			w.mustPolicy(guarded)
			owner := c.then(w)
			if out := w.setPolicy(owner, state.UnitPolicy{}); out.Receipt.Allowed != c.free {
				t.Errorf("allowed %v: %+v", out.Receipt.Allowed, out.Receipt)
			}
			// What the policy forbids stands all the same until somebody who may changes it.
			if !c.free {
				refusedFor(t, w.do(owner, state.KindUnitSuspend, w.imvu, state.UnitReason{}), 16, `"never"`)
			}
			w.swap()
			w.check()
		})
	}
}

func TestPolicyDocumentsThatAreRefused(t *testing.T) {
	t.Parallel()
	rule := func(s string) string {
		return `{"rules":[{"name":"r","effect":"deny","on":["imvu.scale"]` + s + `}]}`
	}
	for doc, want := range map[string]string{
		`{"rules":[{"name":"r","effect":"allow","on":["imvu.scale"]}]}`:                                                "can only tighten",
		`{"rules":[{"name":"r","effect":"deny","on":["imvu.exit"]}]}`:                                                  "cannot speak of",
		`{"rules":[{"name":"r","effect":"deny","on":["policy.set"]}]}`:                                                 "cannot speak of",
		`{"rules":[{"name":"r","effect":"deny","on":[]}]}`:                                                             "on []",
		`{"rules":[{"name":"r","effect":"require-approval","on":["imvu.scale"]}]}`:                                     "nobody is named",
		`{"rules":[{"name":"r","effect":"limit","on":["imvu.scale"],"count":0,"per_s":60}]}`:                           "count 0",
		`{"rules":[{"name":"r","effect":"limit","on":["imvu.scale"],"count":1,"per_s":9223372036854775807}]}`:          "per_s",
		`{"rules":[{"name":"","effect":"deny","on":["imvu.scale"]}]}`:                                                  "name is none",
		`{"rules":[{"name":"r","effect":"deny","on":["imvu.scale"]},{"name":"r","effect":"deny","on":["route.set"]}]}`: "stands twice",
		`{"rules":[],"allow":true}`:                                       "unknown field",
		`{"rules":[]} {"rules":[]}`:                                       "something follows",
		rule(`,"count":3`):                                                "belong to limit",
		rule(`,"when":[{"field":"host","op":"eq","value":"x"}]`):          "no field",
		rule(`,"when":[{"field":"cpu_milli","op":"prefix","value":"4"}]`): "does not compare",
		rule(`,"when":[{"field":"cpu_milli","op":"gt","value":4.5}]`):     "no whole number",
		rule(`,"when":[{"field":"cpu_milli","op":"gt","value":"+4"}]`):    "no whole number",
		rule(`,"when":[{"field":"cpu_milli","op":"gt","values":[1,2]}]`):  "2 values",
		rule(`,"when":[{"field":"actor.owner","op":"eq","value":"yes"}]`): "neither true nor false",
		rule(`,"when":[{"field":"cpu_milli","op":"gt"}]`):                 "0 values",
		`{"rules":[{"name":"r","effect":"deny","on":["imvu.scale","route.set"],"when":[{"field":"host","op":"eq","value":"x"}]}]}`: "no field",
		`[]`: "document",
		``:   "document",
	} {
		if _, err := state.ParsePolicy([]byte(doc), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", doc, err, want)
		}
	}
	many := `{"rules":[` + strings.TrimSuffix(strings.Repeat(`{"name":"r","effect":"deny","on":["imvu.scale"]},`, 33), ",") + `]}`
	if _, err := state.ParsePolicy([]byte(many), nil); err == nil {
		t.Error("33 rules are taken")
	}
	// The machine checks again: what does not come from the parser is held to the same.
	w := newCourt(t)
	bad := state.UnitPolicy{Rules: []state.PolicyRule{{Name: "r", Effect: "allow", On: []string{"imvu.scale"}}}}
	invalidFor(t, w.setPolicy(w.ada, bad), nexus.CodeMalformed, "can only tighten")
}

func TestPolicyTerms(t *testing.T) {
	t.Parallel()
	body := nexus.Encode(state.UnitScale{CPUMilli: 4000, MemoryBytes: 1 << 30})
	monday := int64(4 * 86_400_000) // 1970-01-05, 00:00 UTC
	for term, want := range map[string]bool{
		`{"field":"cpu_milli","op":"ge","value":4000}`: true, `{"field":"cpu_milli","op":"gt","value":4000}`: false,
		`{"field":"cpu_milli","op":"le","value":4000}`: true, `{"field":"cpu_milli","op":"lt","value":4000}`: false,
		`{"field":"cpu_milli","op":"ne","value":4000}`: false, `{"field":"cpu_milli","op":"in","values":[1,4000]}`: true,
		`{"field":"cpu_milli","op":"not-in","values":[1,4000]}`: false, `{"field":"memory_bytes","op":"lt","value":-1}`: false,
		`{"field":"actor.role","op":"eq","value":"operator"}`: true, `{"field":"actor.owner","op":"eq","value":true}`: false,
		`{"field":"actor.role","op":"prefix","value":"oper"}`: true, `{"field":"actor.role","op":"suffix","value":"x"}`: false,
		`{"field":"time.weekday","op":"eq","value":1}`: true, `{"field":"time.hour","op":"eq","value":3}`: true,
		`{"field":"time.hour","op":"in","values":[22,23,0]}`: false,
	} {
		p := policy(t, `{"rules":[{"name":"r","effect":"deny","on":["imvu.scale"],"when":[`+term+`]}]}`, signer(9))
		got := state.NewTrial(p).Breaks(state.KindUnitScale, body, signer(3).Public(), gates.RoleOperator, false, false, monday+3*3_600_000)
		if len(got) == 1 != want {
			t.Errorf("%s: breaks %v", term, got)
		}
	}
}

// Whatever a policy says, it never turns a refusal into a permission, and what it adds is refusals only.
func TestPolicyOnlyTightens(t *testing.T) {
	t.Parallel()
	kinds := state.PolicyKinds()
	rapid.Check(t, func(t *rapid.T) {
		w := newTown(t)
		rules := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) state.PolicyRule {
			kind := rapid.SampledFrom(kinds).Draw(t, "kind")
			r := state.PolicyRule{Name: fmt.Sprint("r", rapid.IntRange(0, 1_000_000).Draw(t, "name")), On: []string{kind},
				Effect: rapid.SampledFrom([]string{state.EffectDeny, state.EffectLimit}).Draw(t, "effect")}
			if r.Effect == state.EffectLimit {
				r.Count, r.PerMs = uint32(rapid.IntRange(1, 3).Draw(t, "count")), 60_000
			}
			if rapid.Bool().Draw(t, "term") {
				r.When = []state.PolicyTerm{{Field: "actor.role", Op: rapid.SampledFrom([]string{"eq", "ne"}).Draw(t, "op"), Values: []string{"creator"}}}
			}
			return r
		}), 0, 4).Draw(t, "rules")
		p := state.UnitPolicy{Rules: rules}
		if p.Validate() != nil {
			return
		}
		e := w.a.Units[w.imvu].Envelope
		bodies := map[string]any{state.KindUnitScale: state.UnitScale(e), state.KindUnitSuspend: state.UnitReason{}, state.KindUnitResume: state.UnitReason{},
			state.KindRouteSet: state.RouteSet{Host: w.a.Units[w.imvu].Domain, Backend: "http://127.0.0.1:9000"},
			state.KindSliceSet: state.SliceSet{Class: "interactive", CeilingBps: 1 << 20}, state.KindSliceSessions: sessions(9),
			state.KindDomainClaim: state.DomainClaim{Name: "x.example"},
			state.KindRouteDrop:   state.RouteSet{Host: w.a.Units[w.imvu].Domain}, state.KindUnitTransfer: state.UnitTransfer{To: w.operator.Public()}}
		for _, kind := range kinds {
			for _, by := range []nexus.KeySigner{w.ada, w.operator, signer(77)} {
				var cmd state.Command
				if err := nexus.Decode(w.command(w.action(by, kind, w.imvu, bodies[kind])), &cmd); err != nil {
					t.Fatal(err)
				}
				bare, _ := w.a.TryUnder(&cmd, w.look, &state.UnitPolicy{})
				with, _ := w.a.TryUnder(&cmd, w.look, &p)
				for g := range bare.Verdicts {
					if !bare.Verdicts[g].Allow && with.Verdicts[g].Allow {
						t.Fatalf("%s by %s: gate %d refuses without the policy and allows with it: %s", kind, by.Public().Short(), g+1, p.JSON())
					}
				}
			}
		}
	})
}

// What people read back is what they can set again, byte for byte.
func FuzzPolicy(f *testing.F) {
	for _, s := range []string{noBigScale, guarded, `{"rules":[]}`, `{"rules":[{"name":"a","effect":"limit","on":["route.set"],"count":1,"per_s":61}]}`} {
		f.Add([]byte(s))
	}
	key := func(word string) (nexus.PublicKey, error) {
		var k nexus.PublicKey
		if k.UnmarshalText([]byte(word)) == nil {
			return k, nil
		}
		if word == "bob" {
			return signer(40).Public(), nil
		}
		return k, errors.New("nobody")
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := state.ParsePolicy(text, key)
		if err != nil {
			return
		}
		again, err := state.ParsePolicy(p.JSON(), key)
		if err != nil || string(nexus.Encode(again)) != string(nexus.Encode(p)) {
			t.Fatalf("%s reads back as %s: %v", p.JSON(), again.JSON(), err)
		}
		if !p.Tightens(&p) {
			t.Fatalf("%s is looser than itself", p.JSON())
		}
	})
}
