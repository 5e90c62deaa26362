// Package split is the arithmetic of the constitution (SPEC section 1): 55/45 for an IMVU, 80/20 for a mini-platform
// and its channels, cumulative per (unit, currency), in integers.
//
// It promises: pure functions, no configuration, no rule but the two constants. It imports the root package only.
package split

import (
	"fmt"
	"math"
	"math/bits"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Rule is the creator's percentage. There are two; nothing stored or configured makes a third.
type Rule uint8

// The rules.
const (
	IMVU     Rule = 55
	Platform Rule = 80
)

// Valid reports whether r is one of the two rules.
func (r Rule) Valid() bool { return r == IMVU || r == Platform }

// String gives "55/45" or "80/20".
func (r Rule) String() string {
	if !r.Valid() {
		return fmt.Sprintf("rule(%d)", uint8(r))
	}
	return fmt.Sprintf("%d/%d", uint8(r), 100-uint8(r))
}

// ForKind gives the rule that follows from a unit's kind. A probe has none of its own: false.
func ForKind(kind nexus.UnitKind) (Rule, bool) {
	switch kind {
	case nexus.KindIMVU:
		return IMVU, true
	case nexus.KindPlatform, nexus.KindChannel:
		return Platform, true
	default:
		return 0, false
	}
}

// CreatorTotal is ceil(gross * rule / 100), toward plus infinity also below zero, through a product of 128 bits. With a
// rule at or below 100 the result always fits; an unknown rule panics, because it can only come from a mistake.
func CreatorTotal(gross int64, rule Rule) int64 {
	if !rule.Valid() {
		panic(fmt.Sprintf("split: no rule gives the creator %d %%", uint8(rule)))
	}
	magnitude := uint64(gross)
	if gross < 0 {
		magnitude = -magnitude
	}
	hi, lo := bits.Mul64(magnitude, uint64(rule))
	quotient, rest := bits.Div64(hi, lo, 100)
	if gross < 0 {
		// Toward plus infinity is toward zero here, which is what the division did. Two's complement makes the
		// conversion right for 2^63 too, though rules below 100 never reach it.
		return int64(-quotient)
	}
	if rest != 0 {
		quotient++
	}
	return int64(quotient)
}

// Totals is where a (unit, currency) stands.
type Totals struct {
	Gross   int64
	Creator int64
}

// Platform is the rest: gross less the creator's total.
func (t Totals) Platform() int64 { return t.Gross - t.Creator }

// At gives the totals for a gross total: they depend on nothing else, so not on the order of events.
func At(gross int64, rule Rule) Totals {
	return Totals{Gross: gross, Creator: CreatorTotal(gross, rule)}
}

// Post gives what one event of amount (negative: refund or chargeback) adds to the creator's and the platform's totals
// when the gross total before it was grossBefore. The deltas sum to amount. Error: nexus.CodeMalformed when the gross
// total, or what stands opposite it in the double entry, would pass 64 bits: so at -2^63 too. Nothing may be posted then.
func Post(grossBefore, amount int64, rule Rule) (creator, platform int64, err error) {
	after, ok := nexus.AddMinor(grossBefore, amount)
	if !ok || after == math.MinInt64 {
		return 0, 0, nexus.Errf("split", nexus.CodeMalformed, fmt.Sprintf("amount %d", amount),
			fmt.Sprintf("the gross total stands at %d and may not pass %d", grossBefore, int64(math.MaxInt64)),
			"the gross total would pass 64 bits")
	}
	before, then := At(grossBefore, rule), At(after, rule)
	// Neither difference can overflow: each is a share of amount, give or take the one unit of rounding.
	return then.Creator - before.Creator, then.Platform() - before.Platform(), nil
}
