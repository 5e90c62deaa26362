package panel

import (
	"strings"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// A chargeback is called one, and what was taken back names the event that it was taken from.
func TestMoneyEntriesAreNamed(t *testing.T) {
	t.Parallel()
	entry := func(kind string, body map[string]any) wire.Entry {
		return wire.Entry{Kind: kind, Body: body, Postings: []wire.Posting{{Account: "source", Ref: "shop", Minor: -100, Currency: "USD"},
			{Account: "creator", Minor: 55, Currency: "USD"}, {Account: "platform", Minor: 45, Currency: "USD"}}}
	}
	page := wire.UnitEntries{Entries: []wire.Entry{entry("revenue", map[string]any{"EventID": "s-1", "Kind": "sale", "RefundOf": ""}),
		entry("refund", map[string]any{"EventID": "f00d", "Kind": "refund", "RefundOf": "s-1"}),
		entry("refund", map[string]any{"EventID": "beef", "Kind": "chargeback", "RefundOf": "s-2"})}}
	l := AccountListing(theme.New(theme.Options{}), Target{Currency: "USD"}, &wire.Overview{}, page)
	for i, want := range [][2]string{{"revenue", "shop s-1"}, {"refund", "shop of s-1"}, {"chargeback", "shop of s-2"}} {
		if cells := l.Items[i].Cells; cells[2].Text != want[0] || cells[3].Text != want[1] {
			t.Errorf("entry %d: %q %q, want %q", i, cells[2].Text, cells[3].Text, want)
		}
	}
}

// What is owed is drilled to the entries that made it: not the split's alone, also what was set aside, sent or paid for other reasons.
func TestOwedIsMadeOfItsEntries(t *testing.T) {
	t.Parallel()
	move := func(kind string, currency string, body map[string]any) wire.Entry {
		return wire.Entry{Seq: 7, Kind: kind, Body: body, Postings: []wire.Posting{{Account: "owner", Minor: -2000, Currency: currency},
			{Account: "held", Ref: "878a", Minor: 2000, Currency: currency}}}
	}
	page := wire.UnitEntries{Entries: []wire.Entry{move("hold", "USD", map[string]any{"Verb": "placed", "Reason": "x"}),
		move("transfer", "USD", map[string]any{"Reason": "studio rent"}), move("hold", "JPY", map[string]any{"Verb": "placed"}), {Kind: "unit"}}}
	l := AccountListing(theme.New(theme.Options{}), Target{Unit: "u", Label: "IMVU-001", Currency: "USD"}, &wire.Overview{}, page)
	if len(l.Items) != 3 || l.Items[0].Target.Kind != UnitTarget || l.Items[0].Target.Key != "u" {
		t.Fatalf("%d items: %+v", len(l.Items), l.Items)
	}
	for i, want := range [][3]string{{"hold", "placed", "owed -20.00"}, {"transfer", "studio rent", "owed -20.00"}} {
		item := l.Items[i+1]
		if c := item.Cells; c[2].Text != want[0] || c[3].Text != want[1] || c[5].Text != want[2] || item.Target.Kind != EntryTarget || item.Target.Index != 7 {
			t.Errorf("move %d: %+v, want %v", i, item, want)
		}
	}
}

// What is on its way, held or announced is not lost between what was earned and what is owed.
func TestMoneyBesideTheSplitIsSaid(t *testing.T) {
	t.Parallel()
	if got := BesideWords(&wire.MoneySum{Currency: "USD"}); got != "" {
		t.Errorf("of nothing: %q", got)
	}
	got := BesideWords(&wire.MoneySum{Currency: "USD", OnItsWay: 545750, Held: 100, Pending: 7500})
	if want := "USD 5,457.50 on its way to you; USD 1.00 held; USD 75.00 of gross announced, not counted yet"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	m := func(currency string) wire.MoneyRow {
		return wire.MoneyRow{UnitID: "u", Currency: currency, Current: true}
	}
	h := &wire.Home{Units: []wire.UnitRow{{ID: "u"}}, Usage: []wire.UsageRow{{UnitID: "u", BytesOut: 9}}, Money: []wire.MoneyRow{m("EUR"), m("USD")},
		Totals: []wire.MoneySum{{Currency: "USD", OnItsWay: 545750}}}
	if rows := HomeRows(h)[2:]; len(rows) != 2 || rows[0].Usage == nil || rows[1].Usage != nil {
		t.Errorf("what a slice carried is said %+v", rows)
	}
}

// A click on a row below the sums is on that row and no other, whether the sums stand above the rows or among them.
func TestRowsOfTheHomeAreWhereTheyAreSaidToBe(t *testing.T) {
	t.Parallel()
	h := &wire.Home{Complete: true, Units: []wire.UnitRow{{ID: "u", Label: "IMVU-001"}, {ID: "v", Label: "IMVU-002"}},
		Totals: []wire.MoneySum{{Currency: "USD", Payable: 1, Held: 2}, {Currency: "JPY"}}}
	rows := HomeRows(h)
	index := make([]int, len(rows))
	for i := range index {
		index[i] = i
	}
	for _, height := range []int{6, 20} {
		var at RowsAt
		lines := homePanel().Draw(Input{Theme: theme.New(theme.Options{}), Width: 80, Height: height, Home: h, Index: index, Cursor: len(rows) - 1, At: &at})
		if at.Count == 0 || at.First+at.Count > len(rows) {
			t.Fatalf("%d high: %+v of %d rows", height, at, len(rows))
		}
		for i := range at.Count {
			want := rows[at.First+i].Label()
			if want == "" {
				want = rows[at.First+i].Total.Currency
			}
			if line := lines[at.Line+i]; !strings.Contains(line, want) {
				t.Errorf("%d high, row %d: %q, want %q", height, at.First+i, line, want)
			}
		}
	}
}

// A unit that came from another log shows what it earned there, and sends nobody to record revenue of their own.
func TestAnImportedPastIsShown(t *testing.T) {
	t.Parallel()
	p := &Page{th: theme.New(theme.Options{}), width: 100}
	u := &wire.UnitRow{ID: "u", Label: "IMVU-002", Envelope: wire.Envelope{CPUCores: 2, MemoryBytes: 4 << 30}}
	p.unitMoney(&wire.Overview{}, u, &wire.UnitDetail{UnitRow: *u, Imported: []wire.ImportedRow{{Origin: "76c662f9", Entries: 20077, Time: time.Unix(0, 0),
		Earned: []wire.ImportedAmount{{Currency: "USD", Gross: 200, Creator: 110, Platform: 90}}}}})
	text := strings.Join(p.lines, "\n")
	for _, want := range []string{"20,077 entries of log 76c662f9", "USD gross 2.00, creator 1.10, platform 0.90", "its source reports it"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if got := memoryFlag(4 << 30); got != "4" || memoryFlag(512<<20) != "512MiB" {
		t.Errorf("a flag says %q", got)
	}
}
