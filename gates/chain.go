package gates

import (
	"crypto/sha256"
	"fmt"
	stdslices "slices"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// ReasonGateFault is the reason code of a gate that could not answer. A fault refuses: a broken gate never lets
// through.
const ReasonGateFault = "gate_fault"

// ReasonNotConcerned is the reason code of a gate that has nothing to judge in the facts. It allows.
const ReasonNotConcerned = "not_concerned"

// Names gives the slugs of the 17 gates in order (SPEC section 1). They are part of the constitution, so a chain that
// says otherwise is not built.
func Names() [Count]string {
	return [Count]string{"identity-binding", "imvu-isolation", "domain-ownership", "dns-authority-scoping",
		"mail-attribution", "revenue-metering", "resource-quota", "network-path-governance", "jurisdiction-tagging",
		"consent-logging", "audit-logging", "immutable-snapshots", "exit-portability", "no-silent-redirection",
		"no-silent-throttling", "no-cross-imvu-leakage", "platform-non-repudiation"}
}

// Chain is the 17 gates in order. It is immutable after NewChain and safe for concurrent use.
type Chain struct {
	gates [Count]Gate
	hash  nexus.Hash
}

// NewChain builds the chain. It refuses (CodeInternal, because the list is part of the program) anything but the 17
// gates of the constitution in order, each complete: a rule, a version from 1, a check, both samples, and either an
// enforcer or a word on what will enforce it.
func NewChain(list []Gate) (*Chain, error) {
	bad := func(subject, format string, args ...any) (*Chain, error) {
		return nil, nexus.Errf("build gates", nexus.CodeInternal, subject, "list all 17 in gates/rules/order.go", format,
			args...)
	}
	if len(list) != Count {
		return bad(fmt.Sprintf("%d gates", len(list)), "exactly %d are mandatory", Count)
	}
	c := &Chain{}
	for i, name := range Names() {
		g := list[i]
		subject := fmt.Sprintf("gate %d %q", g.Number, g.Name)
		switch {
		case g.Number != i+1 || g.Name != name:
			return bad(subject, "place %d belongs to %q", i+1, name)
		case g.Rule == "" || g.Version < 1:
			return bad(subject, "no rule text or no version")
		case g.Check == nil || g.Good == nil || g.Bad == nil:
			return bad(subject, "check or a sample is missing")
		case (g.Enforcer == "") == (g.Later == ""):
			return bad(subject, "states an enforcer or what will enforce it, not both and not neither")
		}
		c.gates[i] = g
	}
	c.hash = hashGates(c.gates[:])
	return c, nil
}

// hashGates is the identity of a gate set: SHA-256 over number, name, rule and version of each gate.
func hashGates(list []Gate) nexus.Hash {
	b := []byte("nexus-gate-set-v1\n")
	for _, g := range list {
		b = nexus.AppendCanonical(b, uint64(g.Number))
		b = nexus.AppendCanonical(b, g.Name)
		b = nexus.AppendCanonical(b, g.Rule)
		b = nexus.AppendCanonical(b, uint64(g.Version))
	}
	return sha256.Sum256(b)
}

// Hash is the GateSetHash: SHA-256 over number, name, rule and version of each gate in order. Two nodes with different
// hashes must not decide for one log.
func (c *Chain) Hash() nexus.Hash { return c.hash }

// Gates gives the gates in order, as a copy.
func (c *Chain) Gates() []Gate { return stdslices.Clone(c.gates[:]) }

// Name gives a gate's slug by its number, "" outside 1 to 17.
func (c *Chain) Name(number int) string {
	if number < 1 || number > Count {
		return ""
	}
	return c.gates[number-1].Name
}

// DecisionInput is what a decision carries beside the facts: which action, by whom, and when in the log.
type DecisionInput struct {
	Action nexus.ID
	Digest nexus.Hash // of the action
	Kind   string
	Actor  nexus.PublicKey
	Unit   nexus.ID
	Index  uint64 // command index
	TimeMs int64  // log time, Unix milliseconds
}

// Decide runs all 17 gates over the facts, always all of them, and allows only when every one allows. It is a pure
// function of its arguments: every replica and every replay gets the same decision. f must not be nil and is not kept.
func (c *Chain) Decide(f *Facts, in DecisionInput) Decision {
	digest, encoded := DigestFacts(f)
	d := Decision{Action: in.Action, Digest: in.Digest, Kind: in.Kind, Actor: in.Actor, Unit: in.Unit, Index: in.Index,
		TimeMs: in.TimeMs, GateSet: c.hash, FactsDigest: digest, Facts: encoded, Allow: true,
		Verdicts: make([]Verdict, Count)}
	for i := range c.gates {
		d.Verdicts[i] = ask(&c.gates[i], f)
		d.Allow = d.Allow && d.Verdicts[i].Allow
	}
	return d
}

// ask runs one gate. A gate that panics, or answers without a reason code, refuses with gate_fault; the panic's own
// text is left out because it may differ from replica to replica.
func ask(g *Gate, f *Facts) (v Verdict) {
	defer func() {
		if recover() != nil {
			v = fault(g)
		}
	}()
	v = g.Check(f)
	if v.ReasonCode == "" {
		v = fault(g)
	}
	v.Gate = uint8(g.Number)
	return v
}

func fault(g *Gate) Verdict {
	return Verdict{Gate: uint8(g.Number), Concerned: true, ReasonCode: ReasonGateFault,
		Observed: "gate " + g.Name + " could not judge these facts",
		Required: "every gate answers before anything is done",
		Fix:      "report this decision's index to the maintainers; a version with the gate mended can decide"}
}

// Replay runs the gates again over the facts stored in a decision and reports whether everything a gate set decides is
// identical: facts digest, gate set, verdicts and answer. A false means that the stored decision was altered, or was
// made by another gate set, which the GateSet of the returned decision tells. Facts that do not decode give a refusal
// without verdicts.
func (c *Chain) Replay(d Decision) (Decision, bool) {
	in := DecisionInput{Action: d.Action, Digest: d.Digest, Kind: d.Kind, Actor: d.Actor, Unit: d.Unit, Index: d.Index,
		TimeMs: d.TimeMs}
	var f Facts
	if err := DecodeFacts(d.Facts, &f); err != nil {
		return Decision{Action: d.Action, Digest: d.Digest, Kind: d.Kind, Actor: d.Actor, Unit: d.Unit, Index: d.Index,
			TimeMs: d.TimeMs, GateSet: c.hash, FactsDigest: sha256.Sum256(d.Facts), Facts: d.Facts}, false
	}
	again := c.Decide(&f, in)
	same := again.FactsDigest == d.FactsDigest && again.GateSet == d.GateSet && again.Allow == d.Allow &&
		stdslices.Equal(again.Verdicts, d.Verdicts)
	return again, same
}
