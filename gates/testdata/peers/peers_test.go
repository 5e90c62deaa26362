// Package peers holds the gates against other policy engines: the same verdicts first, then the time. It is a module of its
// own, so that neither the program nor its tests depend on those engines (docs/decisions/0016). Run it with make peers.
package peers

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"github.com/cedar-policy/cedar-go"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
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

func decide(c *gates.Chain, f *gates.Facts) gates.Decision {
	return c.Decide(f, gates.DecisionInput{Kind: f.Kind, Actor: f.Identity.Actor, Unit: f.Unit.ID, Index: 1, TimeMs: f.NowMs})
}

// expressed are the gates whose rules the four languages can all say: comparisons of the facts, no loops over lists, no
// sums (docs/decisions/0016). The texts of the rules are in rules_test.go.
var expressed = []int{4, 5, 10, 11, 12, 13, 14, 17}

// flatten gives the facts that the expressed gates read as one flat record, the form that suits all three languages. A
// zero id is the empty string. Of the slices only the first element is there: Facts have 0 or 1.
func flatten(f *gates.Facts) map[string]any {
	m := map[string]any{"read": f.Read, "role": int64(f.Identity.Role), "unit": hex(f.Unit.ID), "owns": f.Unit.ActorOwns,
		"audit_privileged": f.Audit.Privileged, "audit_planned": f.Audit.EntryPlanned, "audit_writable": f.Audit.LogWritable,
		"audit_touches": f.Audit.TouchesLog, "exit_status": f.Exit.Status, "exit_hinders": f.Exit.Hinders,
		"exit_is": f.Exit.IsExit, "exit_refusing": f.Exit.Refusing, "exit_by_owner": f.Exit.ByOwner,
		"platform_acts": f.Platform.Acts, "platform_signed": f.Platform.Signed, "platform_logged": f.Platform.Logged,
		"platform_denies": f.Platform.Denies}
	z, has := first(f.Zone)
	m["zone"], m["zone_any"], m["zone_over"], m["zone_unit"], m["zone_in"] = has, z.QueryAny, z.OverRate, hex(z.ZoneUnit), z.InZone
	l, has := first(f.Mail)
	m["mail"], m["mail_from"], m["mail_from_unit"], m["mail_auth"] = has, l.From, hex(l.FromUnit), l.Authenticated
	m["mail_session"], m["mail_here"] = hex(l.SessionUnit), l.RecipientHere
	c, has := first(f.Consent)
	m["consent"], m["consent_purpose"], m["consent_removes"], m["consent_required"] = has, c.Purpose, c.Removes, c.Required
	m["consent_recorded"], m["consent_by_subject"], m["consent_subject"] = c.Recorded, c.BySubject, ""
	if !c.Subject.IsZero() {
		m["consent_subject"] = c.Subject.String()
	}
	s, has := first(f.Snapshot)
	m["snap"], m["snap_mutates"], m["snap_of"], m["snap_exists"] = has, s.Mutates, hex(s.OfUnit), s.Exists
	m["snap_digest"], m["snap_stored"] = hash(s.Digest), hash(s.Stored)
	r, has := first(f.Route)
	m["route"], m["route_entry"], m["route_exists"], m["route_changes"] = has, r.PublicEntry, r.Exists, r.Changes
	m["route_approved"] = r.OwnerApproved
	return m
}

func first[T any](list []T) (v T, has bool) {
	if len(list) == 0 {
		return v, false
	}
	return list[0], true
}

func hex(id nexus.ID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

func hash(h nexus.Hash) string {
	if h.IsZero() {
		return ""
	}
	return h.String()
}

// peer is one other policy engine. prepare turns a flat record into the engine's own input, outside the clock; what it
// returns decides once.
type peer struct {
	name    string
	prepare func(map[string]any) (func() bool, error)
}

func peers(t testing.TB) []peer {
	t.Helper()
	return []peer{{"cel", celPeer(t)}, {"cedar", cedarPeer(t)}, {"opa", opaPeer(t)}}
}

// celPeer compiles one typed expression over all rules, constants folded.
func celPeer(t testing.TB) func(map[string]any) (func() bool, error) {
	t.Helper()
	var options []cel.EnvOption
	for name, v := range flatten(&gates.Facts{}) {
		kind := cel.BoolType
		switch v.(type) {
		case string:
			kind = cel.StringType
		case int64:
			kind = cel.IntType
		}
		options = append(options, cel.Variable(name, kind))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		t.Fatal(err)
	}
	tree, issues := env.Compile("!((" + strings.Join(celRules, ") || (") + "))")
	if issues.Err() != nil {
		t.Fatal(issues.Err())
	}
	program, err := env.Program(tree, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		t.Fatal(err)
	}
	return func(m map[string]any) (func() bool, error) {
		input, err := cel.NewActivation(m)
		return func() bool {
			out, _, err := program.Eval(input)
			if err != nil {
				t.Fatal(err)
			}
			return out.Value() == true
		}, err
	}
}

// cedarPeer has one forbidding policy a gate and one that permits what none forbids.
func cedarPeer(t testing.TB) func(map[string]any) (func() bool, error) {
	t.Helper()
	set, err := cedar.NewPolicySetFromBytes("gates.cedar", []byte(cedarRules))
	if err != nil {
		t.Fatal(err)
	}
	return func(m map[string]any) (func() bool, error) {
		record := cedar.RecordMap{}
		for name, v := range m {
			switch v := v.(type) {
			case bool:
				record[cedar.String(name)] = cedar.Boolean(v)
			case string:
				record[cedar.String(name)] = cedar.String(v)
			case int64:
				record[cedar.String(name)] = cedar.Long(v)
			}
		}
		request := cedar.Request{Principal: cedar.NewEntityUID("Identity", "a"), Action: cedar.NewEntityUID("Action", "act"),
			Resource: cedar.NewEntityUID("Unit", "u"), Context: cedar.NewRecord(record)}
		return func() bool {
			answer, diagnostic := cedar.Authorize(set, cedar.EntityMap{}, request)
			if len(diagnostic.Errors) > 0 {
				t.Fatal(diagnostic.Errors)
			}
			return answer == cedar.Allow
		}, nil
	}
}

// opaPeer prepares the query once and parses each input once, as a service that embeds OPA does.
func opaPeer(t testing.TB) func(map[string]any) (func() bool, error) {
	t.Helper()
	ctx := context.Background()
	query, err := rego.New(rego.Query("data.nexus.gates.allow"), rego.Module("gates.rego", regoRules), rego.StrictBuiltinErrors(true)).
		PrepareForEval(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return func(m map[string]any) (func() bool, error) {
		input, err := ast.InterfaceToValue(m)
		return func() bool {
			out, err := query.Eval(ctx, rego.EvalParsedInput(input))
			if err != nil || len(out) != 1 {
				t.Fatalf("%v: %d results", err, len(out))
			}
			return out[0].Expressions[0].Value == true
		}, err
	}
}

// sayOfExpressed is what the chain says as far as the expressed gates go: that all of them allow.
func sayOfExpressed(d gates.Decision) bool {
	for _, n := range expressed {
		if !d.Verdicts[n-1].Allow {
			return false
		}
	}
	return true
}

// TestPeersDecideAlike holds the rules of the other languages to those of the gates: on the allowed and the refused sample
// of all 17 gates, and on each of them with every single fact turned (a flag flipped, a name, id or digest taken away,
// another role). Figures of BenchmarkPeers mean something only while this holds.
func TestPeersDecideAlike(t *testing.T) {
	t.Parallel()
	c, all := chain(t), peers(t)
	counts := map[bool]int{}
	refusedBy := map[int]int{}
	check := func(what string, f gates.Facts) {
		d := decide(c, &f)
		want := sayOfExpressed(d)
		counts[want]++
		for _, n := range d.Refusing() {
			refusedBy[n]++
		}
		for _, p := range all {
			judge, err := p.prepare(flatten(&f))
			if err != nil {
				t.Fatal(err)
			}
			if got := judge(); got != want {
				t.Errorf("%s: %s says %v, gates %v say %v (refusing: %v)", what, p.name, got, expressed, want, d.Refusing())
			}
		}
	}
	for _, g := range c.Gates() {
		for i, sample := range []func() gates.Facts{g.Good, g.Bad} {
			what := g.Name + []string{" good", " bad"}[i]
			check(what, sample())
			for n := 0; ; n++ {
				f := sample()
				left := n
				field := turn(reflect.ValueOf(&f).Elem(), &left)
				if field == "" {
					break
				}
				check(what+", "+field, f)
			}
		}
	}
	t.Logf("allowed %d, refused %d, by gate %v", counts[true], counts[false], refusedBy)
	for _, n := range expressed {
		if refusedBy[n] < 10 {
			t.Errorf("only %d samples are refused by gate %d: too few to compare", refusedBy[n], n)
		}
	}
	if counts[true] < 500 || counts[false] < 100 {
		t.Errorf("%d allowed, %d refused: too few to compare", counts[true], counts[false])
	}
}

// turn changes the n-th fact below v to something else and gives its name, "" when there are fewer; n is counted down.
func turn(v reflect.Value, n *int) string {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if name := turn(v.Field(i), n); name != "" {
				return v.Type().Field(i).Name + "." + name
			}
		}
		return ""
	case reflect.Slice:
		for i := range v.Len() {
			if name := turn(v.Index(i), n); name != "" {
				return name
			}
		}
		return ""
	}
	if *n--; *n >= 0 {
		return ""
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Uint8:
		v.SetUint(v.Uint() + 1)
	default:
		v.SetZero()
	}
	return "turned"
}

// BenchmarkPeers decides the allowed and the refused sample of each expressed gate in turn. An operation is one
// decision. "chain" is the whole of the gate chain: facts encoded and hashed, 17 verdicts with evidence. "checks" are the
// checks of the expressed gates alone, with their reasons. The others answer yes or no, from an input made beforehand.
func BenchmarkPeers(b *testing.B) {
	c, all := chain(b), peers(b)
	for i, word := range []string{"allowed", "refused"} {
		var facts []gates.Facts
		var checks []func(*gates.Facts) gates.Verdict
		for _, n := range expressed {
			g := c.Gates()[n-1]
			facts = append(facts, []func() gates.Facts{g.Good, g.Bad}[i]())
			checks = append(checks, g.Check)
		}
		run := func(name string, judges []func() bool) {
			b.Run(word+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for n := 0; b.Loop(); n++ {
					if judges[n%len(judges)]() != (i == 0) {
						b.Fatalf("sample %d: not %s", n%len(judges), word)
					}
				}
			})
		}
		var whole, few []func() bool
		for k := range facts {
			f := &facts[k]
			whole = append(whole, func() bool { return decide(c, f).Allow })
			few = append(few, func() bool {
				allow := true
				for _, check := range checks {
					allow = check(f).Allow && allow
				}
				return allow
			})
		}
		run("chain", whole)
		run("checks", few)
		for _, p := range all {
			var judges []func() bool
			for k := range facts {
				judge, err := p.prepare(flatten(&facts[k]))
				if err != nil {
					b.Fatal(err)
				}
				judges = append(judges, judge)
			}
			run(p.name, judges)
		}
	}
}
