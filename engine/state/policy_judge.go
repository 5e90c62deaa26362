package state

import (
	"reflect"
	stdslices "slices"
	"strconv"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// asked is an action as a policy sees it.
type asked struct {
	kind  string
	body  []byte
	actor nexus.PublicKey
	role  gates.Role
	owner bool  // the actor owns the unit
	nowMs int64 // log time
}

// fields reads what the rules of a kind can compare; false when the body is none of the kind, which the state refuses itself.
func (q *asked) fields() (map[string]string, bool) {
	out := map[string]string{"actor.role": roleWord(q.role), "actor.key": q.actor.String(), "actor.owner": strconv.FormatBool(q.owner),
		"time.hour": strconv.FormatInt(q.nowMs/3_600_000%24, 10), "time.weekday": strconv.FormatInt((q.nowMs/86_400_000+3)%7+1, 10)}
	empty, ok := policyKinds()[q.kind]
	if !ok {
		return nil, false
	}
	v := reflect.New(reflect.TypeOf(empty))
	if nexus.Decode(q.body, v.Interface()) != nil {
		return nil, false
	}
	v = v.Elem()
	for i := range v.NumField() {
		out[fieldWord(v.Type().Field(i).Name)] = fieldText1(v.Field(i))
	}
	return out, true
}

// fieldText1 writes one field of a body as text: numbers in decimal, flags as true or false, keys and ids in their own form.
func fieldText1(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(v.Uint(), 10)
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.String:
		return v.String()
	}
	if s, ok := v.Interface().(interface{ String() string }); ok {
		return s.String()
	}
	return ""
}

func roleWord(r gates.Role) string {
	switch r {
	case gates.RoleOperator:
		return "operator"
	case gates.RoleCreator:
		return "creator"
	case gates.RoleSource:
		return "source"
	case gates.RoleNode:
		return "node"
	case gates.RolePlatform:
		return "platform"
	}
	return "none"
}

// concerns reports whether a rule is about an action: its kind is named and every term holds.
func (r *PolicyRule) concerns(kind string, fields map[string]string) bool {
	return stdslices.Contains(r.On, kind) &&
		!stdslices.ContainsFunc(r.When, func(t PolicyTerm) bool { return !t.holds(fields[t.Field]) })
}

// holds compares. Validate has seen to it that numbers are numbers; both sides are int64 or uint64 in decimal.
func (t *PolicyTerm) holds(have string) bool {
	switch t.Op {
	case "eq":
		return have == t.Values[0]
	case "ne":
		return have != t.Values[0]
	case "in":
		return stdslices.Contains(t.Values, have)
	case "not-in":
		return !stdslices.Contains(t.Values, have)
	case "prefix":
		return strings.HasPrefix(have, t.Values[0])
	case "suffix":
		return strings.HasSuffix(have, t.Values[0])
	}
	x, errX := strconv.ParseInt(have, 10, 64)
	y, errY := strconv.ParseInt(t.Values[0], 10, 64)
	if errX != nil || errY != nil {
		return true // a number that cannot be compared is held to concern the rule: it can only tighten
	}
	switch t.Op {
	case "lt":
		return x < y
	case "le":
		return x <= y
	case "gt":
		return x > y
	default:
		return x >= y
	}
}

// broken lists the rules that an action breaks, by name, and which limits it counts for when it takes effect. uses gives
// the times of what counted for a limit.
func (p *UnitPolicy) broken(q *asked, guarded bool, uses func(rule string) []int64) (names, counts []string) {
	if len(p.Rules) == 0 {
		return nil, nil
	}
	fields, ok := q.fields()
	if !ok {
		return nil, nil
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		if !r.concerns(q.kind, fields) {
			continue
		}
		switch r.Effect {
		case EffectDeny:
			names = append(names, r.Name)
		case EffectApprove:
			if !guarded {
				names = append(names, r.Name)
			}
		case EffectLimit:
			counts = append(counts, r.Name)
			n := 0
			for _, at := range uses(r.Name) {
				if at > q.nowMs-r.PerMs {
					n++
				}
			}
			if n >= int(r.Count) {
				names = append(names, r.Name)
			}
		}
	}
	return names, counts
}

// asksGuardian reports whether a rule of the policy wants the guardian's word for an action.
func (p *UnitPolicy) asksGuardian(q *asked) bool {
	if p.Guardian.IsZero() {
		return false
	}
	fields, ok := q.fields()
	return ok && stdslices.ContainsFunc(p.Rules, func(r PolicyRule) bool {
		return r.Effect == EffectApprove && r.concerns(q.kind, fields)
	})
}

// Trial runs a policy over actions of the past or of a wish, without a state: `policy try` and `gates what-if`.
type Trial struct {
	policy UnitPolicy
	uses   map[string][]int64
}

// NewTrial makes one. The policy must be valid.
func NewTrial(p UnitPolicy) *Trial { return &Trial{policy: p, uses: map[string][]int64{}} }

// Breaks names the rules that an action would break; guarded says that the guardian's word is with it.
func (t *Trial) Breaks(kind string, body []byte, actor nexus.PublicKey, role gates.Role, owns, guarded bool, nowMs int64) []string {
	names, _ := t.policy.broken(&asked{kind, body, actor, role, owns, nowMs}, guarded, func(r string) []int64 { return t.uses[r] })
	return names
}

// Took counts an action that took effect for the limits.
func (t *Trial) Took(kind string, body []byte, actor nexus.PublicKey, role gates.Role, owns bool, nowMs int64) {
	_, counts := t.policy.broken(&asked{kind, body, actor, role, owns, nowMs}, true, func(string) []int64 { return nil })
	for _, name := range counts {
		t.uses[name] = keepUses(append(t.uses[name], nowMs))
	}
}

// keepUses bounds the times of a limit: no limit counts more than maxPolicyCount.
func keepUses(times []int64) []int64 {
	if over := len(times) - maxPolicyCount; over > 0 {
		times = append([]int64(nil), times[over:]...)
	}
	return times
}
