package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	stdslices "slices"
	"strconv"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// A unit's own policy (SPEC section 1): a list of rules that its owner signs. Each rule can only forbid, ask for the guardian's
// word, or limit how often; there is no rule that permits. So whatever a policy says, it only ever tightens the gates, and a
// document that tries otherwise is refused when it is read. docs/policies.md is the reference.

// Bounds of a policy. All of it lives in memory, in a snapshot and in one entry.
const (
	MaxPolicyBytes     = 4000 // canonical; below what a proposal may carry
	maxPolicyRules     = 32
	maxPolicyTerms     = 8
	maxPolicyValues    = 16
	maxPolicyNameBytes = 40
	maxPolicyTextBytes = 253
	maxPolicyCount     = 100
	minPolicyPerMs     = 60 * 1000
	maxPolicyPerMs     = 31 * 24 * 60 * 60 * 1000
)

// Effects of a rule. Stored: never change a word.
const (
	EffectDeny    = "deny"
	EffectApprove = "require-approval"
	EffectLimit   = "limit"
)

// UnitPolicy is the whole policy of a unit. The zero value forbids nothing.
type UnitPolicy struct {
	Guardian nexus.PublicKey // whose word require-approval needs; zero: none. A guardian's word is also needed to loosen the policy
	Rules    []PolicyRule
}

// PolicyRule is one rule: it concerns an action of one of the kinds when every term holds.
type PolicyRule struct {
	Name   string // unique in the policy; the refusal names it
	Effect string
	On     []string // kinds of action, in order
	When   []PolicyTerm
	Count  uint32 // limit: so many that took effect ...
	PerMs  int64  // ... within this time, by the log
}

// PolicyTerm compares one field of the action with values.
type PolicyTerm struct {
	Field  string // of the action's body, or actor.role, actor.key, actor.owner, time.hour, time.weekday
	Op     string // eq, ne, lt, le, gt, ge, in, not-in, prefix, suffix
	Values []string
}

// policyKinds gives an empty body of each kind that a policy can speak of: changes to the unit by action on it.
func policyKinds() map[string]any {
	return map[string]any{KindRouteSet: RouteSet{}, KindRouteDrop: RouteSet{}, KindSliceSet: SliceSet{}, KindUnitScale: UnitScale{},
		KindUnitSuspend: UnitReason{}, KindUnitResume: UnitReason{}, KindDomainClaim: DomainClaim{}, KindUnitTransfer: UnitTransfer{},
		KindSliceSessions: SliceSessions{}}
}

// policyKinds are those of the level: before level 6 a policy could not speak of a session cap, and the refusal names what it can speak of.
func (s *State) policyKinds() map[string]any {
	kinds := policyKinds()
	if !s.sixth() {
		delete(kinds, KindSliceSessions)
	}
	return kinds
}

// PolicyKinds lists the kinds of action that a policy can speak of, sorted.
func PolicyKinds() []string { return sortedKeys(policyKinds()) }

// The types of a field.
const (
	fieldNumber = "number"
	fieldText   = "text"
	fieldFlag   = "flag"
)

// actorFields are those that do not come from the body.
func actorFields() map[string]string {
	return map[string]string{"actor.role": fieldText, "actor.key": fieldText, "actor.owner": fieldFlag, "time.hour": fieldNumber,
		"time.weekday": fieldNumber}
}

// PolicyFields lists the fields that a rule on a kind can compare, with their types: number, text or flag.
func PolicyFields(kind string) map[string]string {
	out := actorFields()
	body, ok := policyKinds()[kind]
	if !ok {
		return out
	}
	t := reflect.TypeOf(body)
	for i := range t.NumField() {
		out[fieldWord(t.Field(i).Name)] = fieldType(t.Field(i).Type)
	}
	return out
}

func fieldType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int64, reflect.Uint8, reflect.Uint32, reflect.Uint64:
		return fieldNumber
	case reflect.Bool:
		return fieldFlag
	}
	return fieldText
}

// fieldWord writes a Go name as people do: CPUMilli is cpu_milli.
func fieldWord(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		isUpper := c >= 'A' && c <= 'Z'
		lowerBefore := i > 0 && name[i-1] >= 'a' && name[i-1] <= 'z'
		lowerAfter := i+1 < len(name) && name[i+1] >= 'a' && name[i+1] <= 'z'
		if i > 0 && isUpper && (lowerBefore || lowerAfter) {
			b.WriteByte('_')
		}
		b.WriteByte(c | 0x20)
	}
	return b.String()
}

func policyErr(subject, hint, format string, args ...any) *nexus.Error {
	return nexus.Errf("policy", nexus.CodeMalformed, subject, hint, format, args...)
}

// Validate reports the first thing that is wrong with a policy. A field that one of a rule's kinds does not have, a value of
// another type, a number out of range: all are found here, so that no rule can be in force that silently never holds.
func (p *UnitPolicy) Validate() error { return p.validate(policyKinds()) }

func (p *UnitPolicy) validate(kinds map[string]any) error {
	if n := len(nexus.Encode(*p)); n > MaxPolicyBytes {
		return policyErr("policy", fmt.Sprintf("at most %d bytes", MaxPolicyBytes), "%d bytes", n)
	}
	if len(p.Rules) > maxPolicyRules {
		return policyErr("policy", fmt.Sprintf("at most %d rules", maxPolicyRules), "%d rules", len(p.Rules))
	}
	names := map[string]bool{}
	for i := range p.Rules {
		r := &p.Rules[i]
		if names[r.Name] {
			return policyErr(fmt.Sprintf("rule %q", r.Name), "give each rule a name of its own", "stands twice")
		}
		names[r.Name] = true
		if err := r.validate(!p.Guardian.IsZero(), kinds); err != nil {
			return err
		}
	}
	return nil
}

func (r *PolicyRule) validate(guardian bool, kinds map[string]any) error {
	subject := fmt.Sprintf("rule %q", clipTo(r.Name, maxPolicyNameBytes))
	bad := func(hint, format string, args ...any) error { return policyErr(subject, hint, format, args...) }
	if err := ValidName(r.Name); err != nil || len(r.Name) > maxPolicyNameBytes {
		return bad(fmt.Sprintf("letters, digits, dots, hyphens, underscores, at most %d", maxPolicyNameBytes), "the name is none")
	}
	switch {
	case r.Effect == "allow" || r.Effect == "permit":
		return bad("deny, require-approval or limit", "a policy can only tighten the gates; it cannot %s what they refuse", r.Effect)
	case r.Effect != EffectDeny && r.Effect != EffectApprove && r.Effect != EffectLimit:
		return bad("deny, require-approval or limit", "effect %q", clipTo(r.Effect, 40))
	case r.Effect == EffectApprove && !guardian:
		return bad("name the guardian whose approval it is", "nobody is named to approve")
	case r.Effect == EffectLimit && (r.Count < 1 || r.Count > maxPolicyCount || r.PerMs < minPolicyPerMs || r.PerMs > maxPolicyPerMs):
		return bad(fmt.Sprintf("count from 1 to %d, per from 1m to 744h", maxPolicyCount), "count %d per %d ms", r.Count, r.PerMs)
	case r.Effect != EffectLimit && (r.Count != 0 || r.PerMs != 0):
		return bad("count and per belong to limit", "count %d per %d ms", r.Count, r.PerMs)
	case len(r.On) == 0 || !stdslices.IsSorted(r.On) || len(stdslices.Compact(stdslices.Clone(r.On))) != len(r.On):
		return bad("kinds of action in order, each once", "on %q", r.On)
	case len(r.When) > maxPolicyTerms:
		return bad(fmt.Sprintf("at most %d terms", maxPolicyTerms), "%d terms", len(r.When))
	}
	for _, kind := range r.On {
		if _, ok := kinds[kind]; !ok {
			return bad("one of "+strings.Join(sortedKeys(kinds), ", "), "a policy cannot speak of %q", clipTo(kind, 40))
		}
		fields := PolicyFields(kind)
		for i := range r.When {
			if why := r.When[i].wrong(fields); why != "" {
				return bad("the fields of "+kind+" are "+strings.Join(sortedKeys(fields), ", "), "term %d on %s: %s", i+1, kind, why)
			}
		}
	}
	return nil
}

// wrong says why a term cannot be held against a kind with these fields; empty when it can.
func (t *PolicyTerm) wrong(fields map[string]string) string {
	typ, ok := fields[t.Field]
	if !ok {
		return fmt.Sprintf("no field %q", clipTo(t.Field, 40))
	}
	ops := map[string]string{fieldNumber: "eq ne lt le gt ge in not-in", fieldText: "eq ne in not-in prefix suffix", fieldFlag: "eq ne"}[typ]
	list := t.Op == "in" || t.Op == "not-in"
	switch {
	case !stdslices.Contains(strings.Fields(ops), t.Op):
		return fmt.Sprintf("%q does not compare a %s; use %s", clipTo(t.Op, 40), typ, ops)
	case len(t.Values) == 0 || len(t.Values) > maxPolicyValues || !list && len(t.Values) != 1:
		return fmt.Sprintf("%d values for %s", len(t.Values), t.Op)
	}
	for _, v := range t.Values {
		switch n, err := strconv.ParseInt(v, 10, 64); {
		case len(v) > maxPolicyTextBytes:
			return fmt.Sprintf("a value of %d bytes, at most %d", len(v), maxPolicyTextBytes)
		case typ == fieldNumber && (err != nil || strconv.FormatInt(n, 10) != v):
			return fmt.Sprintf("%q is no whole number", clipTo(v, 40))
		case typ == fieldFlag && v != "true" && v != "false":
			return fmt.Sprintf("%q is neither true nor false", clipTo(v, 40))
		}
	}
	return ""
}

// policyDoc is a policy as people write it. Numbers and flags may stand as such; a single value needs no list.
type policyDoc struct {
	Guardian string          `json:"guardian,omitempty"`
	Rules    []policyRuleDoc `json:"rules"`
}

type policyRuleDoc struct {
	Name   string          `json:"name"`
	Effect string          `json:"effect"`
	On     []string        `json:"on"`
	When   []policyTermDoc `json:"when,omitempty"`
	Count  uint32          `json:"count,omitempty"`
	PerS   int64           `json:"per_s,omitempty"`
}

type policyTermDoc struct {
	Field  string `json:"field"`
	Op     string `json:"op"`
	Value  any    `json:"value,omitempty"`
	Values []any  `json:"values,omitempty"`
}

// ParsePolicy reads a policy as people write it, in JSON, and checks it whole. key turns the guardian's name into a key.
// Whatever order its lists of kinds stand in, the policy read is the same.
func ParsePolicy(text []byte, key func(name string) (nexus.PublicKey, error)) (UnitPolicy, error) {
	var doc policyDoc
	var p UnitPolicy
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil {
		return p, policyErr("document", "see docs/policies.md", "%v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return p, policyErr("document", "give one JSON object", "something follows it")
	}
	if doc.Guardian != "" {
		var err error
		if p.Guardian, err = key(doc.Guardian); err != nil {
			return p, err
		}
	}
	for _, r := range doc.Rules {
		rule := PolicyRule{Name: r.Name, Effect: r.Effect, On: stdslices.Clone(r.On), Count: r.Count}
		if r.PerS > maxPolicyPerMs/1000 || r.PerS < 0 {
			return p, policyErr(fmt.Sprintf("rule %q", clipTo(r.Name, maxPolicyNameBytes)), "per_s from 60 to 2678400", "per_s %d", r.PerS)
		}
		rule.PerMs = r.PerS * 1000
		stdslices.Sort(rule.On)
		for _, t := range r.When {
			values := t.Values
			if t.Value != nil {
				values = append([]any{t.Value}, values...)
			}
			term := PolicyTerm{Field: t.Field, Op: t.Op}
			for _, v := range values {
				term.Values = append(term.Values, fmt.Sprint(v))
			}
			rule.When = append(rule.When, term)
		}
		p.Rules = append(p.Rules, rule)
	}
	return p, p.Validate()
}

// JSON gives the policy as people write it, with the guardian's key; ParsePolicy of it gives the same policy.
func (p *UnitPolicy) JSON() []byte {
	doc := policyDoc{Rules: []policyRuleDoc{}}
	if !p.Guardian.IsZero() {
		doc.Guardian = p.Guardian.String()
	}
	for _, r := range p.Rules {
		rule := policyRuleDoc{Name: r.Name, Effect: r.Effect, On: r.On, Count: r.Count, PerS: r.PerMs / 1000}
		for _, t := range r.When {
			term := policyTermDoc{Field: t.Field, Op: t.Op}
			for _, v := range t.Values {
				term.Values = append(term.Values, v)
			}
			if len(term.Values) == 1 {
				term.Value, term.Values = term.Values[0], nil
			}
			rule.When = append(rule.When, term)
		}
		doc.Rules = append(doc.Rules, rule)
	}
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic(err) // plain strings and numbers
	}
	return append(b, '\n')
}

// Tightens reports whether a policy forbids at least what the one before it did, by its form: the same guardian, and every
// rule of the earlier one stands unchanged, or a limit got stricter. What it cannot see to be tighter counts as looser.
func (p *UnitPolicy) Tightens(before *UnitPolicy) bool {
	if p.Guardian != before.Guardian && !before.Guardian.IsZero() {
		return false
	}
	for i := range before.Rules {
		old := &before.Rules[i]
		kept := stdslices.ContainsFunc(p.Rules, func(r PolicyRule) bool {
			same := r
			if old.Effect == EffectLimit && r.Count <= old.Count && r.PerMs >= old.PerMs {
				same.Count, same.PerMs = old.Count, old.PerMs
			}
			return bytes.Equal(nexus.Encode(same), nexus.Encode(*old))
		})
		if !kept {
			return false
		}
	}
	return true
}
