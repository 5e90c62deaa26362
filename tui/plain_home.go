package tui

import (
	"fmt"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// Home gives the lines between the home before and h: at first the whole of it, what waits for its owner's word first; then what changed. The
// same home again gives none.
func (p *Printer) Home(h *wire.Home) []string {
	var out []string
	say := func(key, line string) {
		if p.said[key] != line {
			out = append(out, line)
		}
		p.now[key] = line
	}
	p.now = map[string]string{}
	waits, _ := panel.HomeWaits(h)
	say("home", fmt.Sprintf("home: of %s, %s, %s", theme.Clean(h.Owner), plainCount(len(h.Units), "unit"), waits))
	for i := range h.Proposals {
		x := &h.Proposals[i]
		say("proposal|"+x.ID, theme.Clean(fmt.Sprintf("decide: %s, %s, asked by %s; nexus approvals grant %s, or refuse; silence until %s refuses too", x.Unit,
			x.Words(), x.Proposer, x.ID, x.Expires.UTC().Format("2006-01-02 15:04Z"))))
	}
	for i := range h.Waiting {
		x := &h.Waiting[i]
		say("waiting|"+x.ID, theme.Clean(fmt.Sprintf("waiting: %s, %s, for %s until %s; nexus approvals show %s", x.Unit, x.Words(), x.WaitsFor(),
			x.Expires.UTC().Format("2006-01-02 15:04Z"), x.ID)))
	}
	for i := range h.Exits {
		say("exit|"+h.Exits[i].UnitID, theme.Clean("leaving: "+h.Exits[i].Unit+", "+h.Exits[i].Words()))
	}
	for i := range h.Totals {
		t := &h.Totals[i]
		amount := func(minor int64) string { return nexus.Money{Minor: minor, Currency: t.Currency}.Decimal() }
		line := fmt.Sprintf("money: %s, your share: %s today, %s this month, %s in all; owed to you %s", t.Currency,
			amount(t.Today.Creator), amount(t.Month.Creator), amount(t.All.Creator), amount(t.Payable))
		if beside := panel.BesideWords(t); beside != "" {
			line += "; " + beside
		}
		say("total|"+t.Currency, line)
	}
	for _, r := range panel.HomeRows(h) {
		if r.Unit != nil || r.Money != nil {
			say("row|"+r.RowKey(), plainUnit(r))
		}
	}
	for i := range h.Notices {
		n := &h.Notices[i]
		if n.Awaits() == "" { // what waits was told above
			said := strings.TrimPrefix(n.Unit+", "+wire.Human(n.Text), ", ") // some are about no unit
			say(fmt.Sprintf("notice|%d", n.ID), theme.Clean(fmt.Sprintf("notice: %s; nexus notices read %d", said, n.ID)))
		}
	}
	if len(h.Units)+len(h.Money) == 0 {
		say("none", "home: nothing of yours is here yet; nexus imvu create -i guides you to a unit")
	}
	for key := range p.said {
		id, ok := strings.CutPrefix(key, "proposal|")
		if !ok {
			id, ok = strings.CutPrefix(key, "waiting|")
		}
		if ok && p.now["proposal|"+id] == "" && p.now["waiting|"+id] == "" {
			out = append(out, "decided: proposal "+id+" waits no more")
		}
	}
	p.said = p.now
	return out
}

// plainUnit is one of the owner's units, with its money in one currency and whether this program finds the same split.
func plainUnit(r panel.HomeRow) string {
	status := "given away"
	name := ""
	if r.Unit != nil {
		status, name = r.Unit.Status, r.Unit.Name
	} else {
		name = r.Money.Name
	}
	line := fmt.Sprintf("unit: %s %s, %s", r.Label(), name, status)
	if r.Money == nil {
		return theme.Clean(line + ", no revenue yet")
	}
	m := r.Money
	amount := func(minor int64) string { return nexus.Money{Minor: minor, Currency: m.Currency}.Decimal() }
	line += fmt.Sprintf(", %s, your share in all %s of gross %s", m.Currency, amount(m.Earned), amount(m.All.Gross))
	switch {
	case r.Tally == nil:
	case panel.SplitHolds(r.Tally):
		line += ", the split recomputed here is the same; nexus ledger prove " + m.Unit + " --currency " + m.Currency + " proves it"
	default:
		line += ", the split recomputed here is ANOTHER: do not trust this figure"
	}
	return theme.Clean(line)
}

func plainCount(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
