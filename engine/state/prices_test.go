package state_test

import (
	"fmt"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

func pricesFrom(month uint32, minor int64) state.PricesPublish {
	return state.PricesPublish{FromMonth: month, Currency: "USD", Lines: []ledger.PriceLine{{Meter: state.MeterBytesIn, Per: 1_000_000, Minor: minor},
		{Meter: state.MeterRequests, Per: 1000, Minor: 1}}}
}

func usageOfHour(w *house, unit nexus.ID, counts ...ledger.UsageCount) state.UsagePost {
	return state.UsagePost{FromMs: w.now - hourMs, ToMs: w.now, Rows: []state.UsageRow{{Unit: unit, Counts: counts}}}
}

func TestPriceListsFollowEachOtherAndAreAnnouncedAhead(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	w.at(2026, 3, 10, 0)
	good := pricesFrom(202603, 5)
	for name, who := range map[string]nexus.Signer{"a creator": w.eve, "a stranger": signer(99), "a node": w.node} {
		if out := w.do(who, state.KindPricesPublish, nexus.ID{}, good); out.Receipt.Allowed {
			t.Errorf("%s sets the prices", name)
		}
	}
	for name, b := range map[string]state.PricesPublish{
		"from a month that is over": pricesFrom(202602, 5),
		"from no month":             pricesFrom(202613, 5),
		"below zero":                pricesFrom(202603, -5),
		"in no currency":            {FromMonth: 202603, Currency: "XXX", Lines: good.Lines},
		"in test money":             {FromMonth: 202603, Currency: "XTS", Lines: good.Lines},
		"without lines":             {FromMonth: 202603, Currency: "USD"},
		"for an unknown meter":      {FromMonth: 202603, Currency: "USD", Lines: []ledger.PriceLine{{Meter: "smiles", Per: 1, Minor: 1}}},
		"twice for a meter":         {FromMonth: 202603, Currency: "USD", Lines: []ledger.PriceLine{good.Lines[0], good.Lines[0]}},
		"per nothing":               {FromMonth: 202603, Currency: "USD", Lines: []ledger.PriceLine{{Meter: state.MeterBytesIn, Minor: 1}}},
	} {
		if out := w.do(w.operator, state.KindPricesPublish, nexus.ID{}, b); out.Err == nil {
			t.Errorf("a list %s is taken", name)
		}
	}
	unread := len(w.a.InboxOf(w.eve.Public()).List)
	out := w.must(w.operator, state.KindPricesPublish, nexus.ID{}, good)
	box := w.a.InboxOf(w.eve.Public()).List
	if len(entriesOf(t, out, ledger.KindPrices)) != 1 || len(box) != unread+1 || !strings.Contains(box[len(box)-1].Text, "price list 1 holds from 2026-03") {
		t.Errorf("entries and notices: %+v", box)
	}
	for name, b := range map[string]state.PricesPublish{
		"for the same month":             pricesFrom(202603, 4),
		"for an earlier month":           pricesFrom(202602, 4),
		"for a month less than 30 d off": pricesFrom(202604, 4), // 22 days
	} {
		if out := w.do(w.operator, state.KindPricesPublish, nexus.ID{}, b); out.Err == nil {
			t.Errorf("a second list %s is taken", name)
		}
	}
	w.must(w.operator, state.KindPricesPublish, nexus.ID{}, pricesFrom(202605, 4))
	w.swap()
	for month, want := range map[uint32]uint32{202602: 0, 202603: 1, 202604: 1, 202605: 2, 202701: 2} {
		if l, _ := w.b.PricesIn(month); l.Number != want {
			t.Errorf("in %d list %d holds, want %d", month, l.Number, want)
		}
	}
	w.check()
	w.verified()
}

// Thirty days are 30 times 24 hours of log time: a millisecond less is refused.
func TestThirtyDaysBetweenAPriceListAndItsMonth(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	w.at(2026, 3, 10, 0)
	w.must(w.operator, state.KindPricesPublish, nexus.ID{}, pricesFrom(202603, 5))
	w.at(2026, 6, 1, 0)
	begin := w.now
	w.now = begin - state.PricesNoticeMs + 1
	if out := w.do(w.operator, state.KindPricesPublish, nexus.ID{}, pricesFrom(202606, 4)); out.Err == nil ||
		!strings.Contains(out.Err.Error(), "less than 30 days") {
		t.Errorf("a millisecond short: %v", out.Err)
	}
	other := newHouse(t)
	other.at(2026, 3, 10, 0)
	other.must(other.operator, state.KindPricesPublish, nexus.ID{}, pricesFrom(202603, 5))
	other.now = begin - state.PricesNoticeMs
	if out := other.do(other.operator, state.KindPricesPublish, nexus.ID{}, pricesFrom(202606, 4)); out.Err != nil {
		t.Errorf("30 days ahead: %v", out.Err)
	}
}

// Every owner hears of a list, in as many commands as it takes, once.
func TestEveryOwnerIsToldOfAPriceList(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	const owners = 300
	key := func(i int) nexus.PublicKey { return nexus.PublicKey{0: 7, 1: byte(i), 2: byte(i >> 8), 31: 1} }
	for i := range owners {
		w.create(w.operator, state.KindIMVUCreate, state.UnitCreate{Name: fmt.Sprintf("Shop %d", i), OwnerName: fmt.Sprintf("owner-%d", i),
			OwnerKey: key(i)})
	}
	w.at(2026, 3, 10, 0)
	w.must(w.operator, state.KindPricesPublish, nexus.ID{}, pricesFrom(202603, 5))
	told := func() (n int) {
		for i := range owners {
			for _, m := range w.a.InboxOf(key(i)).List {
				if strings.Contains(m.Text, "price list 1") {
					n++
				}
			}
		}
		return n
	}
	if n := told(); n > 256 || n < 200 || !w.a.PricesUntold() {
		t.Fatalf("told at once: %d", n)
	}
	w.swap()
	w.must(w.node, state.KindPricesTell, nexus.ID{}, struct{}{})
	if n := told(); n != owners || w.a.PricesUntold() {
		t.Errorf("told %d of %d owners", n, owners)
	}
	if out := w.do(w.node, state.KindPricesTell, nexus.ID{}, struct{}{}); out.Err == nil {
		t.Error("owners are told twice")
	}
	w.check()
	w.verified()
}

func TestUsageIsStatedByNodesAndNamesItsPrices(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	w.at(2026, 3, 10, 0)
	count := ledger.UsageCount{Meter: state.MeterBytesIn, Quantity: 10_000_000}
	for name, who := range map[string]nexus.Signer{"the unit's owner": w.eve, "an operator": w.operator, "another": w.bob} {
		if out := w.do(who, state.KindUsagePost, nexus.ID{}, usageOfHour(w, w.unit, count)); out.Receipt.Allowed {
			t.Errorf("%s states usage", name)
		}
	}
	for name, b := range map[string]state.UsagePost{
		"of no unit":        usageOfHour(w, nexus.ID{9}, count),
		"of nothing":        usageOfHour(w, w.unit),
		"of an odd meter":   usageOfHour(w, w.unit, ledger.UsageCount{Meter: "smiles", Quantity: 1}),
		"of zero":           usageOfHour(w, w.unit, ledger.UsageCount{Meter: state.MeterBytesIn}),
		"of a meter twice":  usageOfHour(w, w.unit, count, count),
		"of a long time":    {FromMs: w.now - 3*hourMs, ToMs: w.now, Rows: usageOfHour(w, w.unit, count).Rows},
		"of the future":     {FromMs: w.now, ToMs: w.now + hourMs, Rows: usageOfHour(w, w.unit, count).Rows},
		"across two months": {FromMs: 1772323200000 - hourMs, ToMs: 1772323200000 + 1, Rows: usageOfHour(w, w.unit, count).Rows},
	} {
		if out := w.do(w.node, state.KindUsagePost, nexus.ID{}, b); out.Err == nil {
			t.Errorf("usage %s is taken", name)
		}
	}
	gross := len(w.a.Accounts)
	before := usageOfHour(w, w.unit, count)
	out := w.must(w.node, state.KindUsagePost, nexus.ID{}, before)
	if again := w.do(w.node, state.KindUsagePost, nexus.ID{}, before); again.Err == nil {
		t.Error("the same hour counts twice")
	}
	body := func(out *state.Outcome) (b ledger.UsageBody) {
		e := entriesOf(t, out, ledger.KindUsage)
		if len(e) != 1 || e[0].Unit != w.unit || len(e[0].Postings) != 0 || nexus.Decode(e[0].Body, &b) != nil {
			t.Fatalf("entries %+v", e)
		}
		return b
	}
	if b := body(out); b.List != 0 || !b.Prices.IsZero() {
		t.Errorf("before there was a list: %+v", b)
	}
	w.must(w.operator, state.KindPricesPublish, nexus.ID{}, pricesFrom(202603, 5))
	w.now += hourMs
	list, _ := w.a.PricesIn(202603)
	if b := body(w.must(w.node, state.KindUsagePost, nexus.ID{}, usageOfHour(w, w.unit, count))); b.List != 1 || b.Prices != list.Digest() {
		t.Errorf("under a list: %+v", b)
	}
	w.swap()
	if m, ok := w.b.UsageOf(w.unit); !ok || m.Month != 202603 || len(m.Lines) != 2 || m.Lines[1].List != 1 || m.Lines[1].Quantity != count.Quantity {
		t.Errorf("the month: %+v", m)
	}
	if len(w.a.Accounts) != gross {
		t.Error("usage made an account: it must not touch the split")
	}
	w.check()
	w.verified()
}

// A price is exact, rounds down once, and refuses what does not fit.
func TestListPriceIsExact(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		quantity   uint64
		per, minor int64
		want       int64
		ok         bool
	}{{999_999, 1_000_000, 1, 0, true}, {1_000_000, 1_000_000, 1, 1, true}, {10, 3, 1, 3, true}, {1 << 63, 1 << 20, 3, 3 << 43, true},
		{1<<64 - 1, 1, 1, 0, false}, {1<<64 - 1, 2, 1, 1<<63 - 1, true}, {1<<64 - 1, 3, 9, 0, false}, {5, 0, 1, 0, false}, {5, 1, -1, 0, false}} {
		got, ok := ledger.PriceLine{Meter: "m", Per: c.per, Minor: c.minor}.Amount(c.quantity)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%d at %d per %d: %d, %t; want %d, %t", c.quantity, c.minor, c.per, got, ok, c.want, c.ok)
		}
	}
}
