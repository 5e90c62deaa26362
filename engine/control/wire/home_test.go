package wire

import (
	stdslices "slices"
	"testing"
	"time"
)

// What was used is of one's own slices, with the newest month of their record; who has no record has no figure instead of a good one.
func TestHomeOfHasTheUsageOfItsOwnSlices(t *testing.T) {
	t.Parallel()
	since, kept := time.Unix(1_700_000_000, 0), 99.5
	o := &Overview{Node: NodeInfo{Started: since}, Identity: Identity{Key: "mine"},
		Units: []UnitRow{{ID: "a", Label: "IMVU-001", Owner: "mine"}, {ID: "b", Label: "IMVU-002", Owner: "theirs"}, {ID: "c", Label: "IMVU-003", Owner: "mine"}},
		Slices: []SliceRow{{Unit: "a", Label: "IMVU-001", BytesIn: 1, BytesOut: 2, Requests: 3, Sessions: 4}, {Unit: "b", Label: "IMVU-002", BytesIn: 9},
			{Unit: "c", Label: "IMVU-003"}}}
	record := &ServiceRecord{Units: []ServiceUnit{{Unit: "IMVU-002", Months: []ServiceMonth{{Month: "2026-02"}}},
		{Unit: "IMVU-001", Months: []ServiceMonth{{Month: "2026-01"}, {Month: "2026-02", Attainment: &kept}}}}}
	h := HomeOf(o, &Money{}, &Proposals{}, &Notices{}, record, &Used{}, &Exits{})
	if len(h.Usage) != 2 {
		t.Fatalf("usage %+v", h.Usage)
	}
	first := h.Usage[0]
	if first.Attainment == nil || *first.Attainment != kept {
		t.Errorf("attainment %v", first.Attainment)
	}
	first.Attainment = nil
	if want := (UsageRow{Unit: "IMVU-001", UnitID: "a", Since: since, BytesIn: 1, BytesOut: 2, Requests: 3, Sessions: 4, Month: "2026-02"}); first != want {
		t.Errorf("%+v, want %+v", first, want)
	}
	if second := h.Usage[1]; second.Unit != "IMVU-003" || second.Attainment != nil || second.Month != "" {
		t.Errorf("a unit without a record: %+v", second)
	}
}

// A notice that asks for a word goes from the home when the word was given, the proposal ended, and not before; any other stays.
func TestHomeOfKeepsNoNoticeOfWhatWasDecided(t *testing.T) {
	t.Parallel()
	note := func(id uint64, text string) NoticeRow { return NoticeRow{ID: id, Text: text} }
	n := &Notices{Notices: []NoticeRow{note(1, "proposal aa awaits your word: x"), note(2, "proposal bb awaits your word: y"),
		note(3, "proposal cc awaits your word: applied already"), note(4, "proposal aa (x) is applied"), note(5, "envelope of IMVU-001 is now 3 cores")}}
	p := &Proposals{Proposals: []ProposalRow{{ID: "aa"}, {ID: "bb", Yours: true}}}
	h := HomeOf(&Overview{}, &Money{}, p, n, &ServiceRecord{}, &Used{}, &Exits{})
	var got []uint64
	for _, x := range h.Notices {
		got = append(got, x.ID)
	}
	if !stdslices.Equal(got, []uint64{2, 4, 5}) || len(n.Notices) != 5 || n.Notices[0].ID != 1 {
		t.Errorf("notices %v of %+v", got, n.Notices)
	}
}

// The sums of a home are of its owner's own times of ownership, in the order of the currencies' names.
func TestHomeOfAddsUpItsOwnersTimesOnly(t *testing.T) {
	t.Parallel()
	row := func(owner, currency string, current bool, today, earned int64) MoneyRow {
		part := MoneyPart{Creator: today}
		return MoneyRow{UnitID: "a", OwnerKey: owner, Currency: currency, Current: current, Today: part, Month: part, Earned: earned}
	}
	m := &Money{Rows: []MoneyRow{row("mine", "USD", false, 5, 9), row("theirs", "USD", true, 7, 7), row("mine", "EUR", true, 1, 1)}}
	h := HomeOf(&Overview{Identity: Identity{Key: "mine"}}, m, &Proposals{}, &Notices{}, &ServiceRecord{}, &Used{}, &Exits{})
	if len(h.Totals) != 2 || h.Totals[0].Currency != "EUR" || h.Totals[1].Today.Creator != 5 || h.Totals[1].Month.Creator != 5 || h.Totals[1].All.Creator != 9 {
		t.Errorf("totals %+v", h.Totals)
	}
}
