package wire

import (
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
	h := HomeOf(o, &Money{}, &Proposals{}, &Notices{}, record)
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
