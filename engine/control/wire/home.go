package wire

import (
	stdslices "slices"
	"sort"
	"strings"
	"time"
)

// Home is what belongs to one identity: the answer of `nexus home`, and the console's view of that name. It holds nothing of
// anybody else's, whatever the reader may see elsewhere.
type Home struct {
	Time      time.Time     `json:"time"` // of the picture that units and slices are from
	Owner     string        `json:"owner"`
	OwnerKey  string        `json:"owner_key"`
	Units     []UnitRow     `json:"units"`     // units, mini-platforms and channels that this identity owns
	Slices    []SliceRow    `json:"slices"`    // of those
	Tallies   []TallyRow    `json:"tallies"`   // of those: what the proof is of
	Money     []MoneyRow    `json:"money"`     // periods of ownership of this identity, also of units that it gave away
	Totals    []MoneySum    `json:"totals"`    // of those units, by currency
	Usage     []UsageRow    `json:"usage"`     // of those units that have a slice
	Used      []UsedMonth   `json:"used"`      // of those units: what the ledger has of their newest month, at list prices
	Exits     []ExitRow     `json:"exits"`     // of those units that leave, or left and are still kept
	Proposals []ProposalRow `json:"proposals"` // that wait for the owner's word
	Waiting   []ProposalRow `json:"waiting"`   // that the owner opened or signed, and that wait for others
	Notices   []NoticeRow   `json:"notices"`   // unread, oldest first
	Overflow  uint64        `json:"overflow"`  // notices that the inbox had no room for; they stand in the ledger
	Complete  bool          `json:"complete"`  // day and month figures hold all entries
}

// UsageRow is what one unit's slice carried, as all edges metered it live, and how it kept its latency budget. What of it stands in the
// ledger, with its list price, is in UsedMonth.
type UsageRow struct {
	Unit       string    `json:"unit"` // label
	UnitID     string    `json:"unit_id"`
	Since      time.Time `json:"since"` // the node's start: bytes and requests count from then
	BytesIn    uint64    `json:"bytes_in"`
	BytesOut   uint64    `json:"bytes_out"`
	Requests   uint64    `json:"requests"`
	Sessions   int       `json:"sessions"`           // held now
	Month      string    `json:"month"`              // YYYY-MM, UTC, that the next is of; "" when no minute was judged
	Attainment *float64  `json:"attainment_percent"` // minutes within the latency budget, of those judged; nil: none
}

// usageOf joins what slices carried with their service record.
func usageOf(since time.Time, rows []SliceRow, record *ServiceRecord) []UsageRow {
	out := []UsageRow{}
	for i := range rows {
		s := &rows[i]
		u := UsageRow{Unit: s.Label, UnitID: s.Unit, Since: since, BytesIn: s.BytesIn, BytesOut: s.BytesOut, Requests: s.Requests, Sessions: s.Sessions}
		for _, r := range record.Units {
			if n := len(r.Months); r.Unit == s.Label && n > 0 {
				u.Month, u.Attainment = r.Months[n-1].Month, r.Months[n-1].Attainment
			}
		}
		out = append(out, u)
	}
	return out
}

// HomeOf leaves of what an identity may see what is its own.
func HomeOf(o *Overview, m *Money, p *Proposals, n *Notices, record *ServiceRecord, used *Used, exits *Exits) Home {
	key := o.Identity.Key
	h := Home{Time: o.Time, Owner: o.Identity.Name, OwnerKey: key, Units: []UnitRow{}, Slices: []SliceRow{}, Tallies: []TallyRow{}, Money: []MoneyRow{},
		Totals: []MoneySum{}, Exits: []ExitRow{}, Proposals: []ProposalRow{}, Waiting: []ProposalRow{}, Overflow: n.Overflow, Complete: m.Read >= m.Entries}
	own := map[string]bool{}
	for _, u := range o.Units {
		if own[u.ID] = u.Owner == key; own[u.ID] {
			h.Units = append(h.Units, u)
		}
	}
	for _, s := range o.Slices {
		if own[s.Unit] {
			h.Slices = append(h.Slices, s)
		}
	}
	for _, t := range o.Tallies {
		if own[t.UnitID] {
			h.Tallies = append(h.Tallies, t)
		}
	}
	for _, x := range exits.Exits {
		if own[x.UnitID] && x.Closed.IsZero() {
			h.Exits = append(h.Exits, x)
		}
	}
	for _, r := range m.Rows {
		if r.OwnerKey == key {
			h.Money = append(h.Money, r)
		}
	}
	for _, x := range p.Proposals {
		switch {
		case x.Yours:
			h.Proposals = append(h.Proposals, x)
		case x.WaitsFor() != "" && x.signedBy(key):
			h.Waiting = append(h.Waiting, x)
		}
	}
	h.Used = []UsedMonth{}
	for _, u := range used.Units {
		if own[u.UnitID] {
			h.Used = append(h.Used, u)
		}
	}
	h.Notices = stdslices.DeleteFunc(stdslices.Clone(n.Notices), func(row NoticeRow) bool { return settled(&row, p.Proposals) })
	h.Totals, h.Usage = homeTotals(h.Money), usageOf(o.Node.Started, h.Slices, record)
	return h
}

// Awaits gives the proposal that a notice says awaits its reader's word, "" for any other notice.
func (n *NoticeRow) Awaits() string {
	rest, ok := strings.CutPrefix(n.Text, "proposal ")
	id, after, _ := strings.Cut(rest, " ")
	if !ok || !strings.HasPrefix(after, "awaits your word") {
		return ""
	}
	return id
}

// ProposalsMost is how many proposals one answer holds at most, newest first.
const ProposalsMost = 1000

// settled reports whether a notice asks for a word that was given, or that nobody waits for any more: its proposal is not among those that
// wait for it. Where there may be more of these than were told, it stays.
func settled(n *NoticeRow, pending []ProposalRow) bool {
	id := n.Awaits()
	return id != "" && len(pending) < ProposalsMost && !stdslices.ContainsFunc(pending, func(p ProposalRow) bool { return p.ID == id && p.Yours })
}

// homeTotals adds rows up by currency, in the order of their names. Each row counts with what was posted in its own period of ownership.
func homeTotals(rows []MoneyRow) []MoneySum {
	out := []MoneySum{}
	at := map[string]int{}
	for i := range rows {
		r := &rows[i]
		k, seen := at[r.Currency]
		if !seen {
			k = len(out)
			at[r.Currency], out = k, append(out, MoneySum{Currency: r.Currency})
		}
		t := &out[k]
		addPart(&t.Today, r.Today)
		addPart(&t.Month, r.Month)
		t.All.Creator += r.Earned
		t.Pending += r.Pending
		t.Payable += r.Payable
		t.Held += r.Held
		t.OnItsWay += r.OnItsWay
		t.Paid += r.Paid
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Currency < out[j].Currency })
	return out
}

func addPart(to *MoneyPart, p MoneyPart) {
	to.Gross += p.Gross
	to.Creator += p.Creator
	to.Platform += p.Platform
	to.Events += p.Events
}
