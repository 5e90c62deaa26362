package panel

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// ClassListing lists the accounts under one rule and currency, as the picture has them.
func ClassListing(th *theme.Theme, o *wire.Overview, rule, currency string) *Listing {
	l := &Listing{Empty: "no account of this rule has revenue in this currency", Command: "nexus revenue tally",
		Columns: []Column{{Name: "unit", Width: 11}, {Name: "name"}, {Name: "owner", Width: 12, From: 100}, {Name: "events", Width: 8, Right: true, From: 60},
			{Name: "gross", Width: 14, Right: true, From: 60}, {Name: "creator", Width: 14, Right: true}, {Name: "platform", Width: 14, Right: true, From: 90},
			{Name: "", Width: 6}}}
	for i := range o.Tallies {
		r := &o.Tallies[i]
		if r.Rule != rule || r.Currency != currency {
			continue
		}
		mark, style := "BROKEN", theme.Bad
		if SplitHolds(r) {
			mark, style = th.Symbols.Equal, theme.Good
		}
		l.Items = append(l.Items, Item{Key: r.UnitID + "|" + r.Currency, Target: accountTarget(r), Value: money(r.Creator, r.Currency), Data: r,
			Cells: []Cell{{Text: r.Unit}, {Text: r.Name}, {Text: r.Owner, Style: theme.Faint}, {Text: count(r.Events)},
				{Text: money(r.Gross, r.Currency)}, {Text: money(r.Creator, r.Currency)}, {Text: money(r.Platform, r.Currency)}, {Text: mark, Style: style}}})
	}
	return l
}

func accountTarget(r *wire.TallyRow) Target {
	unit := r.UnitID
	if unit == "" {
		unit = r.Unit
	}
	return Target{Kind: AccountTarget, Key: r.UnitID + "|" + r.Unit + "|" + r.Channel + "|" + r.Currency, Unit: unit, Label: r.Unit, Currency: r.Currency}
}

// AccountListing lists what made one tally and what is owed of it: first the tally itself with its proof and the unit with all else that it
// has, then the unit's money entries, newest first. Transfers, holds and payouts change what the owner is owed and no part of the split.
func AccountListing(th *theme.Theme, t Target, o *wire.Overview, page wire.UnitEntries) *Listing {
	l := &Listing{Empty: "no money entry in this part of the log", Command: "nexus revenue tally --unit " + t.Label,
		Columns: []Column{{Name: "entry", Width: 9, Right: true}, {Name: "time", Width: 20, From: 60}, {Name: "kind", Width: 10}, {Name: "event"},
			{Name: "gross", Width: 14, Right: true, From: 100}, {Name: "creator", Width: 14, Right: true}, {Name: "platform", Width: 14, Right: true, From: 120}}}
	for i := range o.Tallies {
		r := &o.Tallies[i]
		if (r.UnitID == t.Unit || r.Unit == t.Unit) && r.Currency == t.Currency {
			l.Items = append(l.Items, Item{Key: "tally", Value: money(r.Creator, r.Currency), Data: r,
				Target: Target{Kind: TallyTarget, Key: t.Key, Unit: t.Unit, Label: t.Label, Currency: t.Currency},
				Cells: []Cell{{}, {Text: "the tally", Style: theme.Strong}, {Text: r.Rule, Style: theme.Strong}, {Text: "enter: its proof", Style: theme.Info},
					{Text: money(r.Gross, r.Currency), Style: theme.Strong}, {Text: money(r.Creator, r.Currency), Style: theme.Strong},
					{Text: money(r.Platform, r.Currency), Style: theme.Strong}}})
		}
	}
	if t.Unit != "" {
		l.Items = append(l.Items, Item{Key: "unit", Value: t.Unit, Target: Target{Kind: UnitTarget, Key: t.Unit, Label: t.Label},
			Cells: []Cell{{}, {}, {Text: "the unit", Style: theme.Strong}, {Text: "enter: its page", Style: theme.Info}}})
	}
	for i := range page.Entries {
		e := &page.Entries[i]
		if item, ok := owedItem(e, t.Currency); ok {
			l.Items = append(l.Items, item)
		}
		if e.Kind != "revenue" && e.Kind != "refund" {
			continue
		}
		var gross, creator, platform int64
		currency, source := "", ""
		for _, p := range e.Postings {
			currency = p.Currency
			switch p.Account {
			case "creator":
				creator += p.Minor
			case "platform":
				platform += p.Minor
			default:
				source = p.Ref
			}
		}
		gross = creator + platform
		if currency != "" && currency != t.Currency {
			continue
		}
		l.Items = append(l.Items, entryItem(e, []Cell{{Text: strconv.FormatUint(e.Seq, 10)}, {Text: moment(e.Time), Style: theme.Faint},
			{Text: moneyKind(e)}, {Text: moneyEvent(e, source), Style: theme.Faint},
			{Text: money(gross, currency)}, {Text: money(creator, currency)}, {Text: money(platform, currency)}}))
	}
	if page.Next > 0 {
		l.Foot = fmt.Sprintf("older entries lie below entry %d of the log: nexus revenue journal --unit %s has all", page.Next, t.Label)
	}
	return l
}

// owedItem is the row of an entry that changed what the owner is owed beside the split; false for every other.
func owedItem(e *wire.Entry, currency string) (Item, bool) {
	for _, p := range e.Postings {
		if p.Account != "owner" || p.Currency != currency {
			continue
		}
		what := bodyField(e.Body, "verb")
		if what == "" {
			what = bodyField(e.Body, "reason")
		}
		return entryItem(e, []Cell{{Text: strconv.FormatUint(e.Seq, 10)}, {Text: moment(e.Time), Style: theme.Faint}, {Text: e.Kind, Style: theme.Info},
			{Text: what, Style: theme.Faint}, {}, {Text: "owed " + money(p.Minor, p.Currency), Style: theme.Info}}), true
	}
	return Item{}, false
}

// moneyKind is what an entry did to the tally: a chargeback stands in the log as a refund of that kind.
func moneyKind(e *wire.Entry) string {
	if kind := bodyField(e.Body, "kind"); e.Kind == "refund" && kind == "chargeback" {
		return "chargeback"
	}
	return e.Kind
}

// moneyEvent names the event; of what was taken back, the event that it was taken back from.
func moneyEvent(e *wire.Entry, source string) string {
	if of := bodyField(e.Body, "refund_of"); of != "" {
		return strings.TrimSpace(source + " of " + of)
	}
	return strings.TrimSpace(source + " " + bodyField(e.Body, "event", "event_id", "id"))
}

func entryItem(e *wire.Entry, cells []Cell) Item {
	return Item{Key: "entry " + strconv.FormatUint(e.Seq, 10), Cells: cells, Value: e.Commitment, Data: e,
		Target: Target{Kind: EntryTarget, Key: strconv.FormatUint(e.Seq, 10), Index: e.Seq}}
}

// bodyField finds the first of some fields in an entry's described body, at the top or one level down, whatever its spelling.
func bodyField(body any, names ...string) string {
	fields, _ := body.(map[string]any)
	for _, name := range names {
		for key, v := range fields {
			if strings.EqualFold(strings.ReplaceAll(key, "_", ""), strings.ReplaceAll(name, "_", "")) {
				if s := fmt.Sprint(v); s != "" && s != "<nil>" {
					return s
				}
			}
		}
	}
	return ""
}

// GateListing lists decisions that one gate refused, newest first.
func GateListing(th *theme.Theme, o *wire.Overview, number int, page wire.Decisions) *Listing {
	l := decisionListing(th, o.Gates, page, fmt.Sprintf("nexus gates log --gate %d", number))
	l.Empty = "this gate has refused nothing that you may see; it judged every decision all the same"
	return l
}

func decisionListing(th *theme.Theme, gates []wire.GateRow, page wire.Decisions, command string) *Listing {
	l := &Listing{Command: command, Columns: []Column{{Name: "index", Width: 8, Right: true}, {Name: "time", Width: 20, From: 60}, {Name: "verdict", Width: 8},
		{Name: "unit", Width: 10}, {Name: "action", Width: 18}, {Name: "actor", Width: 14, From: 100}, {Name: "reason", From: 70}}}
	for i := range page.Decisions {
		d := &page.Decisions[i]
		symbol, word, style := decisionState(th, d)
		l.Items = append(l.Items, Item{Key: decisionKey(d.Index), Value: strconv.FormatUint(d.Index, 10), Data: d,
			Target: Target{Kind: DecisionTarget, Key: strconv.FormatUint(d.Index, 10), Index: d.Index},
			Cells: []Cell{{Text: strconv.FormatUint(d.Index, 10)}, {Text: moment(d.Time), Style: theme.Faint},
				{Text: symbol + " " + word, Style: style},
				{Text: orDash(th, d.UnitLabel)}, {Text: d.Action}, {Text: actor(d)}, {Text: decisionReason(d), Style: theme.Faint}}})
	}
	if page.Next > 0 {
		l.Foot = fmt.Sprintf("older ones: %s --before %d", command, page.Next)
	}
	return l
}

// ChainListing lists entries of the log with what each commits to, newest first.
func ChainListing(th *theme.Theme, page wire.Entries) *Listing {
	l := &Listing{Empty: "the log is empty", Command: "nexus ledger show", Columns: []Column{{Name: "entry", Width: 9, Right: true}, {Name: "time", Width: 20},
		{Name: "kind", Width: 14}, {Name: "decision", Width: 9, Right: true, From: 70}, {Name: "in unit", Width: 8, Right: true, From: 90}, {Name: "commitment"}}}
	for i := len(page.Entries) - 1; i >= 0; i-- {
		e := &page.Entries[i]
		own := th.Symbols.Dash
		if e.UnitSeq > 0 {
			own = count(e.UnitSeq)
		}
		l.Items = append(l.Items, entryItem(e, []Cell{{Text: strconv.FormatUint(e.Seq, 10)}, {Text: moment(e.Time), Style: theme.Faint}, {Text: e.Kind},
			{Text: strconv.FormatUint(e.Index, 10), Style: theme.Faint}, {Text: own, Style: theme.Faint}, {Text: e.Commitment, Style: theme.Faint}}))
	}
	if n := len(page.Entries); n > 0 && page.Entries[0].Seq > 0 {
		l.Foot = fmt.Sprintf("%d of %d entries; all of them: nexus ledger show, all re-checked: v (nexus ledger verify)", n, page.Size)
	}
	return l
}

// FindingsListing lists what an audit found.
func FindingsListing(th *theme.Theme, r wire.AuditReport) *Listing {
	l := &Listing{Command: "nexus audit", Empty: fmt.Sprintf("no finding: %d units and %d checks, scrubbed %s", r.Units, r.Checks, moment(r.Time)),
		Columns: []Column{{Name: "unit", Width: 10}, {Name: "where", Width: 24}, {Name: "what"}, {Name: "required", Width: 30, From: 110}}}
	for i := range r.Findings {
		f := &r.Findings[i]
		text := strings.Join([]string{f.Where, f.What, f.Required, f.Evidence}, "; ")
		l.Items = append(l.Items, Item{Key: strconv.Itoa(i) + f.Where, Value: f.What, Data: f, Target: Target{Kind: TextTarget, Text: text},
			Cells: []Cell{{Text: orDash(th, f.Unit)}, {Text: f.Where}, {Text: f.What, Style: theme.Bad}, {Text: f.Required, Style: theme.Faint}}})
	}
	return l
}

// Entry is one ledger entry with the way to the signed checkpoint. included says that this client recomputed it.
func (p *Page) Entry(e *wire.EntryProof, included bool) {
	p.Field("entry", fmt.Sprintf("%d of %d, kind %s", e.Seq, e.Size, e.Kind), theme.Strong)
	p.Field("time", fmt.Sprintf("%s, decision %d", moment(e.Time), e.Index), theme.Plain)
	if e.UnitSeq > 0 {
		p.Field("unit", fmt.Sprintf("%s, its entry number %d", e.Unit, e.UnitSeq), theme.Plain)
		p.Field("before it", e.UnitPrev, theme.Faint)
	}
	for _, x := range e.Postings {
		p.Field("posting", strings.TrimSpace(fmt.Sprintf("%s %s %s %s", x.Account, x.Ref, money(x.Minor, x.Currency), x.Currency)), theme.Plain)
	}
	p.Command(fmt.Sprintf("nexus ledger prove %d", e.Seq))
	p.Blank()
	p.Heading("what it says")
	p.JSON(e.Body)
	p.Blank()
	p.Heading("the log holds it")
	if included {
		p.Field("inclusion", p.th.Symbols.Passed+" recomputed here: bytes, commitment, leaf, path, signed root", theme.Good)
	} else {
		p.Field("inclusion", p.th.Symbols.Failed+" NOT verified by this client", theme.Bad)
	}
	p.Field("commitment", e.Commitment, theme.Plain)
	p.Field("salt", e.Salt, theme.Faint)
	p.Field("leaf", e.Leaf, theme.Plain)
	p.hashes("path", e.Inclusion)
	p.Field("root", e.Root, theme.Plain)
	p.note(e.Checkpoint)
}

// JSON shows a value field by field, in order of the names.
func (p *Page) JSON(v any) {
	b, err := json.Marshal(v)
	var back any
	if err != nil || json.Unmarshal(b, &back) != nil || back == nil {
		p.Field("", "nothing that this version can read", theme.Faint)
		return
	}
	p.tree("", back, 0)
}

func (p *Page) tree(label string, v any, depth int) {
	fields, ok := v.(map[string]any)
	if !ok || depth > 3 {
		text, isText := v.(string)
		if !isText {
			b, _ := json.Marshal(v)
			text = string(b)
		}
		p.Field(label, text, theme.Plain)
		return
	}
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if inner, nested := fields[name].(map[string]any); nested && depth < 2 {
			p.Field(strings.Repeat(" ", depth)+name, "", theme.Plain)
			p.tree("", inner, depth+1)
			continue
		}
		p.tree(strings.Repeat(" ", depth)+name, fields[name], depth+3)
	}
}

// PageMargin is how much narrower than the screen the text of a page of output is, in cells.
const PageMargin = 2

// Output shows what a command line said.
func (p *Page) Output(command string, code int, out, errs string) {
	symbol, style, word := p.th.Symbols.Passed, theme.Good, "done"
	switch code {
	case 0:
	case 4:
		symbol, style, word = p.th.Symbols.Failed, theme.Bad, "refused by a gate"
	default:
		symbol, style, word = p.th.Symbols.Failed, theme.Bad, "failed"
	}
	p.Field("command", "$ nexus "+command, theme.Strong)
	p.Field("exit", fmt.Sprintf("%s %d, %s", symbol, code, word), style)
	for _, part := range []struct {
		text  string
		style theme.Style
	}{{errs, theme.Warn}, {out, theme.Plain}} {
		if strings.TrimSpace(part.text) == "" {
			continue
		}
		p.Blank()
		for _, line := range strings.Split(strings.TrimRight(part.text, "\n"), "\n") {
			for _, piece := range wrapKeeping(theme.Clean(strings.ReplaceAll(line, "\t", "    ")), max(p.width-PageMargin, 1)) {
				p.line(func(l *theme.Line) { l.Space(1).Add(part.style, piece) })
			}
		}
	}
}

// wrapKeeping breaks a line between words and keeps the blanks within it: tables stay tables. What goes on in the next line stands
// under the second column of a table or list, else under the text.
func wrapKeeping(s string, width int) []string {
	var out []string
	indent := hang(s, width)
	for theme.Width(s) > width {
		pieces := theme.Hard(s, width)
		if len(pieces) == 0 || pieces[0] == "" || !strings.HasPrefix(s, pieces[0]) { // narrower than one grapheme
			return append(out, pieces...)
		}
		head := pieces[0]
		if s[len(head):] != "" && s[len(head)] != ' ' { // within a word: before it, if the line holds more than that
			if at := strings.LastIndexByte(head, ' '); at > indent && strings.TrimSpace(head[:at]) != "" {
				head = head[:at]
			}
		}
		out = append(out, strings.TrimRight(head, " "))
		s = strings.Repeat(" ", indent) + strings.TrimLeft(s[len(head):], " ")
	}
	if strings.TrimSpace(s) != "" || len(out) == 0 {
		out = append(out, s)
	}
	return out
}

// hang is where the second column of a line begins, 0 without one, or with one too far right to leave the rest some room.
func hang(s string, width int) int {
	text := strings.TrimLeft(s, " ")
	at := strings.Index(text, "  ")
	if at < 0 {
		return min(len(s)-len(text), width/3)
	}
	column := theme.Width(s[:len(s)-len(text)+at]) + len(text[at:]) - len(strings.TrimLeft(text[at:], " "))
	if column > width/3 {
		return min(len(s)-len(text), width/3)
	}
	return column
}
