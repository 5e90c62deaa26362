package gates

import (
	"crypto/sha256"
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Count is the number of gates. It is part of the constitution (SPEC section 1) and never changes.
const Count = 17

// Gate is one rule. Gates are pure: they read Facts, touch nothing else, and give the same verdict for the same facts
// on every replica and at every replay.
type Gate struct {
	Number int
	Name   string // slug of SPEC section 1: "identity-binding"
	Rule   string // the rule in one sentence
	// Version of the rule, from 1. Raise it with every change after which some facts could get another verdict or another
	// reason code: it enters the hash of the gate set, and a node whose set differs must not decide (DESIGN section 1).
	Version int
	// Enforcer names what makes reality obey the verdict, "" while that fabric is not built; then Enforced is false
	// everywhere and Later says what will enforce it.
	Enforcer string
	Later    string
	Check    func(*Facts) Verdict
	Good     func() Facts // a sample that this gate allows
	Bad      func() Facts // a sample that this gate refuses
}

// Enforced reports whether something makes reality obey this gate's verdicts in this version.
func (g Gate) Enforced() bool { return g.Enforcer != "" }

// Verdict is one gate's answer.
type Verdict struct {
	Gate       uint8
	Allow      bool
	Concerned  bool   // false: the action has nothing that this gate judges
	ReasonCode string // stable word: "not_concerned", "ok", "unsigned", "foreign_zone"
	Observed   string // what is
	Required   string // what the rule asks for
	Fix        string // the smallest change that would be allowed; empty when allowed
}

// Decision is the answer of all 17 to one action. Canonical: it is stored in the decision entry.
type Decision struct {
	Action      nexus.ID
	Digest      nexus.Hash // of the action
	Kind        string
	Actor       nexus.PublicKey
	Unit        nexus.ID
	Index       uint64 // command index
	TimeMs      int64  // log time
	GateSet     nexus.Hash
	FactsDigest nexus.Hash
	Facts       []byte // canonical Facts, so that anyone can run the gates again
	Allow       bool
	Verdicts    []Verdict // 17, in order
}

// FirstRefusal gives the first refusing verdict, false when all allow.
func (d *Decision) FirstRefusal() (Verdict, bool) {
	for _, v := range d.Verdicts {
		if !v.Allow {
			return v, true
		}
	}
	return Verdict{}, false
}

// Refusing gives the numbers of the refusing gates.
func (d *Decision) Refusing() []int {
	var out []int
	for _, v := range d.Verdicts {
		if !v.Allow {
			out = append(out, int(v.Gate))
		}
	}
	return out
}

// factsBytesTypical is a little more than the facts of a creation take, so that encoding them allocates once.
const factsBytesTypical = 640

// DigestFacts is the SHA-256 of the encoded facts.
func DigestFacts(f *Facts) (nexus.Hash, []byte) {
	b := EncodeFacts(f)
	return sha256.Sum256(b), b
}

// EncodeFacts gives the canonical bytes of the facts, without the empty parts at the end that came later.
func EncodeFacts(f *Facts) []byte {
	b := nexus.AppendCanonical(make([]byte, 0, factsBytesTypical), *f)
	tails := f.tails()
	for i := len(tails) - 1; i >= 0 && tails[i] == 0; i-- {
		b = b[:len(b)-1] // an empty slice is one zero byte
	}
	return b
}

// DecodeFacts reads what EncodeFacts wrote in this version or an earlier one, and nothing else.
func DecodeFacts(b []byte, f *Facts) error {
	full := append([]byte(nil), b...)
	var err error
	for range len(f.tails()) + 1 { // one byte more for each part that is not there; at most one length fits
		*f = Facts{}
		if err = nexus.Decode(full, f); err == nil {
			break
		}
		full = append(full, 0)
	}
	if err == nil && len(EncodeFacts(f)) != len(b) { // an empty part that was written all the same
		err = nexus.Errf("decode facts", nexus.CodeMalformed, fmt.Sprintf("%d bytes", len(b)), "", "not the one encoding")
	}
	return err
}
