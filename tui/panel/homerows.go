package panel

import (
	"fmt"
	"strconv"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// HomeRow is one row of the home: the sums over all first, then what waits for the owner's word, what was not read, and what is theirs.
type HomeRow struct {
	Total    *wire.MoneySum // of one currency
	Beside   beside         // what of the total stands beside the split; besideNone is the total itself
	Proposal *wire.ProposalRow
	Waiting  *wire.ProposalRow // one's own, that waits for others
	Others   int               // of those, how many have no row of their own
	Notice   *wire.NoticeRow
	More     int // unread notices that have no row of their own
	Exit     *wire.ExitRow
	Unit     *wire.UnitRow // nil in a row of money of a unit that was given away
	Money    *wire.MoneyRow
	Tally    *wire.TallyRow
	Usage    *wire.UsageRow
}

// HomeRows lays a home out in rows; nil has none.
func HomeRows(h *wire.Home) []HomeRow {
	if h == nil {
		return nil
	}
	out := totalRows(h)
	for i := range h.Proposals {
		out = append(out, HomeRow{Proposal: &h.Proposals[i]})
	}
	out = append(append(out, waitingRows(h)...), noticeRows(h)...)
	for i := range h.Exits {
		out = append(out, HomeRow{Exit: &h.Exits[i]})
	}
	usage, current, tallies, placed := map[string]*wire.UsageRow{}, map[string][]*wire.MoneyRow{}, talliesOf(h), map[*wire.MoneyRow]bool{}
	for i := range h.Usage {
		usage[h.Usage[i].UnitID] = &h.Usage[i]
	}
	for i := range h.Money {
		if m := &h.Money[i]; m.Current {
			current[m.UnitID] = append(current[m.UnitID], m)
		}
	}
	for i := range h.Units {
		row := HomeRow{Unit: &h.Units[i], Usage: usage[h.Units[i].ID]}
		for _, m := range current[row.Unit.ID] {
			row.Money, row.Tally, placed[m] = m, tallies[account{m.UnitID, m.Currency}], true
			out = append(out, row)
			row.Usage = nil // the unit's, whatever the currency: said once
		}
		if row.Money == nil {
			out = append(out, row)
		}
	}
	for k := range h.Money {
		if m := &h.Money[k]; !placed[m] {
			out = append(out, HomeRow{Money: m})
		}
	}
	return out
}

// beside names what of a currency stands beside the split.
type beside int

const (
	besideNone beside = iota
	onItsWay
	heldBack
	announced
)

// besides says in which words, and by which command line, each of them is shown.
var besides = [...]struct{ form, line string }{onItsWay: {"%s on its way to you", "revenue payout list"}, heldBack: {"%s held", "revenue hold list"},
	announced: {"%s of gross announced, not counted yet", "revenue pending"}}

// minor is how much of a total a row is about: what is owed of the total itself.
func (b beside) minor(t *wire.MoneySum) int64 {
	return [...]int64{besideNone: t.Payable, onItsWay: t.OnItsWay, heldBack: t.Held, announced: t.Pending}[b]
}

// words says it, "" when there is nothing to say.
func (b beside) words(t *wire.MoneySum) string {
	if b == besideNone || b.minor(t) == 0 {
		return ""
	}
	return fmt.Sprintf(besides[b].form, nexus.Money{Minor: b.minor(t), Currency: t.Currency})
}

// totalRows are a row for each currency, and one for all that stands beside its split.
func totalRows(h *wire.Home) []HomeRow {
	var out []HomeRow
	for i := range h.Totals {
		t := &h.Totals[i]
		out = append(out, HomeRow{Total: t})
		for b := onItsWay; b <= announced; b++ {
			if b.words(t) != "" {
				out = append(out, HomeRow{Total: t, Beside: b})
			}
		}
	}
	return out
}

// waitingShown is how many proposals that wait for others have a row each.
const waitingShown = 3

// waitingRows are the newest proposals of one's own that wait for others, and a row that leads to the rest.
func waitingRows(h *wire.Home) []HomeRow {
	var out []HomeRow
	for i := range h.Waiting {
		if i == waitingShown {
			return append(out, HomeRow{Others: len(h.Waiting) - i})
		}
		out = append(out, HomeRow{Waiting: &h.Waiting[i]})
	}
	return out
}

// noticesShown is how many notices have a row each, so that what is earned is not pushed off the screen by what is to read.
const noticesShown = 4

// noticeRows are the newest unread notices, and a row that leads to the rest.
func noticeRows(h *wire.Home) []HomeRow {
	var out []HomeRow
	more := 0
	for i := len(h.Notices) - 1; i >= 0; i-- {
		switch {
		case announces(&h.Notices[i], h.Proposals):
		case len(out) < noticesShown:
			out = append(out, HomeRow{Notice: &h.Notices[i]})
		default:
			more++
		}
	}
	if more > 0 {
		out = append(out, HomeRow{More: more})
	}
	return out
}

// announces reports whether a notice says no more than that a proposal waits which has a row of its own.
func announces(n *wire.NoticeRow, waiting []wire.ProposalRow) bool {
	for i := range waiting {
		if n.Awaits() == waiting[i].ID {
			return true
		}
	}
	return false
}

// account is where a tally is found: an owner may have thousands of units.
type account struct{ unit, currency string }

func talliesOf(h *wire.Home) map[account]*wire.TallyRow {
	out := map[account]*wire.TallyRow{}
	for i := range h.Tallies {
		t := &h.Tallies[i]
		if at := (account{t.UnitID, t.Currency}); out[at] == nil {
			out[at] = t
		}
	}
	return out
}

// Label is the unit that a row is about, "" for none.
func (r HomeRow) Label() string {
	switch {
	case r.Unit != nil:
		return r.Unit.Label
	case r.Money != nil:
		return r.Money.Unit
	case r.Proposal != nil:
		return r.Proposal.Unit
	case r.Waiting != nil:
		return r.Waiting.Unit
	case r.Notice != nil:
		return r.Notice.Unit
	case r.Exit != nil:
		return r.Exit.Unit
	}
	return ""
}

func (r HomeRow) key() string {
	switch {
	case r.Total != nil:
		return fmt.Sprintf("total|%s|%d", r.Total.Currency, r.Beside)
	case r.Proposal != nil:
		return "proposal|" + r.Proposal.ID
	case r.Waiting != nil:
		return "waiting|" + r.Waiting.ID
	case r.Others > 0:
		return "others"
	case r.Notice != nil:
		return fmt.Sprintf("notice|%d", r.Notice.ID)
	case r.More > 0:
		return "more"
	case r.Exit != nil:
		return "exit|" + r.Exit.UnitID
	case r.Money != nil:
		return fmt.Sprintf("money|%s|%s|%d", r.Money.UnitID, r.Money.Currency, r.Money.Period)
	}
	return "unit|" + r.Unit.ID
}

// RowKey names a row among those of a home.
func (r HomeRow) RowKey() string { return r.key() }

func (r HomeRow) text() string {
	parts := []string{r.Label()}
	switch {
	case r.Total != nil:
		parts = append(parts, "all", r.Total.Currency, "owed", r.Beside.words(r.Total))
	case r.Proposal != nil:
		parts = append(parts, "decide", r.Proposal.Words(), r.Proposal.Proposer, r.Proposal.Reason)
	case r.Waiting != nil:
		parts = append(parts, "waiting for", r.Waiting.Words(), r.Waiting.WaitsFor(), r.Waiting.Reason)
	case r.Others > 0:
		parts = append(parts, "waiting", "more for others")
	case r.Notice != nil:
		parts = append(parts, "notice", wire.Human(r.Notice.Text))
	case r.More > 0:
		parts = append(parts, "notice", "more to read")
	case r.Exit != nil:
		parts = append(parts, "leaving", r.Exit.Name, r.Exit.Words())
	}
	if r.Unit != nil {
		parts = append(parts, r.Unit.Name, r.Unit.Kind, r.Unit.Status)
	}
	if r.Money != nil {
		parts = append(parts, r.Money.Name, r.Money.Currency, r.Money.Rule)
	}
	return strings.Join(parts, " ")
}

func (r HomeRow) target() Target {
	switch {
	case r.Total != nil && r.Beside != besideNone:
		return Target{Kind: CommandTarget, Key: r.key(), Text: besides[r.Beside].line}
	case r.Total != nil:
		return Target{Kind: CommandTarget, Key: r.key(), Text: "revenue balance"}
	case r.Proposal != nil:
		line := "approvals show " + r.Proposal.ID
		return Target{Kind: CommandTarget, Key: r.key(), Text: line}
	case r.Waiting != nil:
		return Target{Kind: CommandTarget, Key: r.key(), Text: "approvals show " + r.Waiting.ID}
	case r.Others > 0:
		return Target{Kind: CommandTarget, Key: r.key(), Text: "approvals list --status pending"}
	case r.Notice != nil:
		line := fmt.Sprintf("notices show %d", r.Notice.ID)
		return Target{Kind: CommandTarget, Key: r.key(), Text: line}
	case r.More > 0:
		return Target{Kind: CommandTarget, Key: r.key(), Text: "notices list"}
	case r.Exit != nil:
		return Target{Kind: ExitTarget, Key: r.Exit.UnitID, Label: r.Exit.Unit}
	case r.Tally != nil:
		return accountTarget(r.Tally)
	case r.Unit != nil:
		return Target{Kind: UnitTarget, Key: r.Unit.ID, Label: r.Unit.Label}
	}
	return Target{Kind: CommandTarget, Key: r.key(), Text: "revenue balance --unit " + r.Money.Unit}
}

func (r HomeRow) value() string {
	switch {
	case r.Total != nil:
		return money(r.Beside.minor(r.Total), r.Total.Currency)
	case r.Proposal != nil:
		return r.Proposal.ID
	case r.Waiting != nil:
		return r.Waiting.ID
	case r.Others > 0:
		return strconv.Itoa(r.Others)
	case r.Notice != nil:
		return r.Notice.Text
	case r.More > 0:
		return strconv.Itoa(r.More)
	case r.Exit != nil:
		return r.Exit.Words()
	case r.Money != nil:
		return money(r.Money.Earned, r.Money.Currency)
	}
	return r.Unit.ID
}

func (r HomeRow) command() string {
	t := r.target()
	switch t.Kind {
	case CommandTarget:
		return "nexus " + t.Text
	case AccountTarget:
		return "nexus revenue tally --unit " + t.Label
	case ExitTarget:
		return ExitCommand(t.Label)
	}
	return unitCommand(r.Unit)
}

func (r HomeRow) item() any {
	switch {
	case r.Total != nil:
		return r.Total
	case r.Proposal != nil:
		return r.Proposal
	case r.Waiting != nil:
		return r.Waiting
	case r.Others > 0:
		return r.Others
	case r.Notice != nil:
		return r.Notice
	case r.More > 0:
		return r.More
	case r.Exit != nil:
		return r.Exit
	case r.Money != nil:
		return r.Money
	}
	return r.Unit
}
