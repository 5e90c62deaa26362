package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// bodyOf gives an empty body of an action kind; nil for a kind that people do not send.
func bodyOf(kind string) any {
	switch kind {
	case state.KindIMVUCreate, state.KindPlatformCreate, state.KindChannelCreate, state.KindProbeCreate:
		return &state.UnitCreate{}
	case state.KindUnitScale:
		return &state.UnitScale{}
	case state.KindUnitSuspend, state.KindUnitResume, state.KindProbeRetire:
		return &state.UnitReason{}
	case state.KindSliceSet:
		return &state.SliceSet{}
	case state.KindSliceSessions:
		return &state.SliceSessions{}
	case state.KindExitBegin, state.KindExitCancel:
		return &state.ExitBegin{}
	case state.KindExitFail:
		return &state.ExitFail{}
	case state.KindExitComplete:
		return &state.ExitComplete{}
	case state.KindRouteSet, state.KindRouteDrop:
		return &state.RouteSet{}
	case state.KindDomainClaim:
		return &state.DomainClaim{}
	case state.KindSourceRegister, state.KindSourceClose:
		return &state.SourceRegister{}
	case state.KindRevenuePost:
		return &state.RevenuePost{}
	case state.KindIdentityIssue:
		return &state.IdentityIssue{}
	case state.KindIdentityRevoke, state.KindIdentityRotate, state.KindIdentityRecover, state.KindIdentityComplete, state.KindIdentityCancel:
		return &state.IdentityChange{}
	case state.KindNodeAdmit, state.KindNodeRemove:
		return &state.NodeAdmit{}
	case state.KindClusterRekey:
		return &state.ClusterRekey{}
	case state.KindLedgerEdit:
		return &state.LedgerEdit{}
	case state.KindReportPost:
		return &state.ReportPost{}
	case state.KindAuditFinding:
		return &state.AuditFinding{}
	case state.KindPhaseRerun:
		return &state.PhaseRerun{}
	case state.KindNodeStop:
		return &struct{}{}
	case state.KindPolicySet:
		return &state.PolicySet{}
	case state.KindConsentGive, state.KindConsentWithdraw:
		return &state.ConsentStatement{}
	case state.KindConsentUse:
		return &state.ConsentUse{}
	case state.KindIdentityBind, state.KindIdentityAttest:
		return &state.BindingStatement{}
	case state.KindIdentityUnbind:
		return &state.BindingEnd{}
	case state.KindIdentityErase:
		return &state.IdentityErase{}
	case state.KindGateSetSwitch:
		return &state.GateSetSwitch{}
	case state.KindUnitTransfer:
		return &state.UnitTransfer{}
	case state.KindProposalOpen:
		return &state.ProposalOpen{}
	case state.KindProposalGrant, state.KindProposalRefuse, state.KindProposalWithdraw, state.KindProposalExpire:
		return &state.ProposalDecide{}
	}
	return moneyBody(kind)
}

// moneyBody gives an empty body for the kinds about money beside the split; nil for any other.
func moneyBody(kind string) any {
	switch kind {
	case state.KindPendingOpen:
		return &state.PendingOpen{}
	case state.KindPendingPost, state.KindPendingVoid, state.KindPendingExpire:
		return &state.PendingSettle{}
	case state.KindTransferMake:
		return &state.TransferMake{}
	case state.KindHoldPlace:
		return &state.HoldPlace{}
	case state.KindHoldRelease, state.KindHoldCapture, state.KindHoldExpire:
		return &state.HoldEnd{}
	case state.KindPayoutSet:
		return &state.PayoutSet{}
	case state.KindPayoutOpen:
		return &state.PayoutOpen{}
	case state.KindPayoutPost, state.KindPayoutVoid:
		return &state.PayoutSettle{}
	case state.KindStatementIssue:
		return &state.StatementIssue{}
	case state.KindPricesPublish:
		return &state.PricesPublish{}
	case state.KindDisputeOpen:
		return &state.DisputeOpen{}
	case state.KindDisputeAnswer, state.KindDisputeWithdraw:
		return &state.DisputeEnd{}
	}
	return nil
}

func (a *app) tryCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "try ACTION [FIELD=VALUE]...", Short: "Ask all 17 gates about an action without doing it",
		Long: `ACTION is a kind such as imvu.create; its fields are given as FIELD=VALUE, or as JSON with --body (- reads stdin). Nothing is
recorded. Exits 4 when a gate refuses.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("ACTION", "one of "+strings.Join(triable(), ", "), "is required")
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return triable(), cobra.ShellCompDirectiveNoFileComp
		},
		Example: `  nexus gates try imvu.create name=Shop owner_name=eva cpu_milli=4000
  nexus gates try ledger.edit seq=3
  nexus gates try imvu.scale --unit IMVU-001 memory_bytes=1073741824
  nexus gates try revenue.post --body '{"source":"operator","events":[{"unit":"IMVU-001","event_id":"a","kind":"sale","currency":"USD","minor":1}]}'`}
	cmd.Flags().String("unit", "", "unit acted on, by id, label or slug")
	cmd.Flags().String("body", "", "fields as JSON; - reads them from stdin, @FILE from a file")
	cmd.RunE = a.withNode(func(ctx context.Context, n *node, cmd *cobra.Command, args []string) error {
		body, err := n.tryBody(ctx, cmd, args)
		if err != nil {
			return err
		}
		var unit nexus.ID
		if word, _ := cmd.Flags().GetString("unit"); word != "" {
			if _, unit, err = n.unit(ctx, word); err != nil {
				return err
			}
		}
		act, err := engine.NewAction(n.Signer(), n.Cluster(), args[0], unit, body, a.now())
		if err != nil {
			return err
		}
		verdicts, invalid := n.Try(ctx, act)
		if len(verdicts) == 0 && invalid != nil {
			return invalid
		}
		return a.showTry(args[0], verdicts, invalid)
	})
	return cmd
}

func triable() []string {
	var out []string
	for _, k := range state.Kinds() {
		if bodyOf(k) != nil {
			out = append(out, k)
		}
	}
	return out
}

func (n *node) tryBody(ctx context.Context, cmd *cobra.Command, args []string) (any, error) {
	body := bodyOf(args[0])
	if body == nil {
		return nil, usage(fmt.Sprintf("action %q", args[0]), "one of "+strings.Join(triable(), ", "), "unknown")
	}
	text, _ := cmd.Flags().GetString("body")
	if text != "" {
		raw, err := n.app.argument(text)
		if err != nil {
			return nil, err
		}
		if raw, err = n.unitWords(ctx, raw); err != nil {
			return nil, err
		}
		if err := fillJSON(body, raw); err != nil {
			return nil, err
		}
	}
	for _, arg := range args[1:] {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, usage(fmt.Sprintf("argument %q", arg), "write FIELD=VALUE", "not a field")
		}
		if value, err := n.keyNamed(ctx, body, name, value); err != nil {
			return nil, err
		} else if err := setField(body, name, value); err != nil {
			return nil, err
		}
	}
	return reflect.ValueOf(body).Elem().Interface(), nil
}

// keyNamed gives the key of an identity that is named where a body wants a key; any other value is given back as it is.
func (n *node) keyNamed(ctx context.Context, body any, name, value string) (string, error) {
	t := reflect.TypeOf(body).Elem()
	f, found := t.FieldByNameFunc(func(s string) bool { return fieldName(s) == fieldName(name) })
	var key nexus.PublicKey
	if !found || f.Type != reflect.TypeOf(key) || key.UnmarshalText([]byte(value)) == nil {
		return value, nil
	}
	row, err := n.findIdentity(ctx, value)
	return row.Key, err
}

// argument reads a value that may be stdin (-) or a file (@FILE).
func (a *app) argument(text string) ([]byte, error) {
	const limit = 1 << 20
	switch {
	case text == "-":
		return io.ReadAll(io.LimitReader(a.in, limit))
	case strings.HasPrefix(text, "@") && a.guest != nil:
		return nil, errNoFile(text[1:])
	case strings.HasPrefix(text, "@"):
		b, err := os.ReadFile(text[1:])
		if err != nil {
			return nil, usage("--body "+text, "give a file that exists", "%w", err)
		}
		return b, nil
	}
	return []byte(text), nil
}

// fieldName folds a name as people write it (owner_name, OwnerName) to one form.
func fieldName(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s))
}

// fieldNames lists the fields of a body as they are written: owner_name.
func fieldNames(body any) []string {
	t := reflect.TypeOf(body).Elem()
	var out []string
	for i := range t.NumField() {
		out = append(out, snake(t.Field(i).Name))
	}
	return out
}

// snake writes a Go name with underscores: OwnerName is owner_name, CPUMilli is cpu_milli.
func snake(s string) string {
	var b strings.Builder
	for i, r := range s {
		upper := r >= 'A' && r <= 'Z'
		if upper && i > 0 {
			before, after := s[i-1], byte(0)
			if i+1 < len(s) {
				after = s[i+1]
			}
			if before >= 'a' && before <= 'z' || before >= 'A' && before <= 'Z' && after >= 'a' && after <= 'z' {
				b.WriteByte('_')
			}
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

// setField sets one field of a body from text.
func setField(body any, name, value string) error {
	v := reflect.ValueOf(body).Elem()
	f := v.FieldByNameFunc(func(s string) bool { return fieldName(s) == fieldName(name) })
	bad := func(format string, args ...any) error {
		return usage(fmt.Sprintf("%s=%q", name, value), "the fields are "+strings.Join(fieldNames(body), ", "), format, args...)
	}
	if !f.IsValid() {
		return bad("unknown field")
	}
	if t, ok := f.Addr().Interface().(interface{ UnmarshalText([]byte) error }); ok {
		if err := t.UnmarshalText([]byte(value)); err != nil {
			return bad("%w", err)
		}
		return nil
	}
	switch f.Kind() {
	case reflect.String:
		f.SetString(value)
	case reflect.Bool:
		b, err := strconv.ParseBool(value)
		if err != nil {
			return bad("not true or false")
		}
		f.SetBool(b)
	case reflect.Int64:
		i, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return bad("not a number")
		}
		f.SetInt(i)
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		u, err := strconv.ParseUint(value, 10, f.Type().Bits())
		if err != nil {
			return bad("not a number in range")
		}
		f.SetUint(u)
	default:
		return bad("give it in --body")
	}
	return nil
}

// fillJSON reads JSON with names as people write them into a body; unknown names are refused.
func fillJSON(body any, raw []byte) error {
	bad := func(err error) error {
		return usage("--body", "a JSON object with the fields "+strings.Join(fieldNames(body), ", "), "%w", err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return bad(err)
	}
	folded, err := json.Marshal(foldNames(value))
	if err != nil {
		return bad(err)
	}
	into := json.NewDecoder(bytes.NewReader(folded))
	into.DisallowUnknownFields()
	if err := into.Decode(body); err != nil {
		return bad(err)
	}
	return nil
}

// foldNames folds the names of every object: encoding/json then finds the fields, for it does not mind capitals.
func foldNames(value any) any {
	switch x := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, v := range x {
			out[fieldName(k)] = foldNames(v)
		}
		return out
	case []any:
		for i := range x {
			x[i] = foldNames(x[i])
		}
	}
	return value
}

// unitWords replaces labels and slugs under "unit" and "parent" by ids, so that bodies can be written by hand.
func (n *node) unitWords(ctx context.Context, raw []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var value any
	if d.Decode(&value) != nil {
		return raw, nil // fillJSON says what is wrong
	}
	var walk func(v any) error
	walk = func(v any) error {
		switch x := v.(type) {
		case map[string]any:
			for k, item := range x {
				word, isText := item.(string)
				if key := fieldName(k); isText && word != "" && (key == "unit" || key == "parent") {
					_, id, err := n.unit(ctx, word)
					if err != nil {
						return err
					}
					x[k] = id.String()
				} else if err := walk(item); err != nil {
					return err
				}
			}
		case []any:
			for _, item := range x {
				if err := walk(item); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := walk(value); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// showTry prints the verdicts. A refusal exits 4; what the state could not take exits by its own code.
func (a *app) showTry(kind string, verdicts []wire.Verdict, invalid error) error {
	out := struct {
		Action   string         `json:"action"`
		Verdict  string         `json:"verdict"`
		Gates    []int          `json:"gates"`
		Invalid  *wire.Problem  `json:"invalid,omitempty"`
		Verdicts []wire.Verdict `json:"verdicts"`
	}{Action: kind, Verdict: wire.VerdictAllow, Gates: []int{}, Invalid: wire.ProblemOf(invalid), Verdicts: verdicts}
	for _, v := range verdicts {
		if v.Verdict == wire.VerdictDeny {
			out.Verdict = wire.VerdictDeny
			out.Gates = append(out.Gates, v.Gate)
		}
	}
	err := a.print(out, func(w io.Writer) error {
		if err := printVerdicts(w, verdicts); err != nil {
			return err
		}
		_, err := fmt.Fprintf(w, "%s: %s\n", kind, out.Verdict)
		return err
	})
	switch {
	case err != nil:
		return err
	case out.Verdict == wire.VerdictDeny:
		return nexus.Errf("gates try", nexus.CodeRefused, kind, "", "would be refused by gate %s", strings.Trim(fmt.Sprint(out.Gates), "[]"))
	}
	return invalid
}
