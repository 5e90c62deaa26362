package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

func TestHowAGuaranteeWasKept(t *testing.T) {
	t.Parallel()
	worst := 97.999
	for _, c := range []struct {
		row  wire.SliceRow
		want string
	}{
		{wire.SliceRow{}, "nothing is guaranteed: a fair share"},
		{wire.SliceRow{GuaranteedBps: 1}, "not measured: nothing was asked for yet"},
		{wire.SliceRow{GuaranteedBps: 1, GuaranteeWindows: 7, GuaranteeKept: 7},
			"- % in the worst window of the last minute; kept in 7 of 7 windows of 2 s with traffic"},
		{wire.SliceRow{GuaranteeWindows: 7, GuaranteeKept: 6, GuaranteePercent: &worst},
			"97.9 % in the worst window of the last minute; kept in 6 of 7 windows of 2 s with traffic"},
	} {
		if got := keptText(c.row); got != c.want {
			t.Errorf("%+v:\n%s\nwant %s", c.row, got, c.want)
		}
	}
	for name, table := range map[string]*table{"list": sliceTable([]wire.SliceRow{{Label: "A", GuaranteePercent: &worst}, {Label: "B"}}),
		"top": topTable([]wire.SliceRow{{Label: "A", GuaranteePercent: &worst}, {Label: "B"}})} {
		var b bytes.Buffer
		if err := table.print(&b); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(b.String(), "\n")
		at := strings.Index(lines[0], "KEPT %") + len("KEPT %")
		if at < len("KEPT %") || !strings.HasSuffix(lines[1][:at], "97.9") || !strings.HasSuffix(lines[2][:at], " -") {
			t.Errorf("%s:\n%s", name, b.String())
		}
	}
}

func TestWhoseTheSessionCapIs(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{"7 connections at once": sessionCapText(7, true),
		"1024 connections at once, the class's number": sessionCapText(1024, false),
		"the class's number":                           ownCapText(0), "9 connections at once": ownCapText(9)} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	var b bytes.Buffer
	if err := sliceTable([]wire.SliceRow{{Label: "A", SessionCap: 77}}).print(&b); err != nil || !strings.Contains(b.String(), "SESSION CAP") ||
		!strings.Contains(b.String(), " 77 ") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// TestAProbeThatGoesOnIsSomethingNew: with as many probes of the last minute as a moment before, new ones have been measured all the same.
func TestAProbeThatGoesOnIsSomethingNew(t *testing.T) {
	t.Parallel()
	p99, over := 0.5, 11.0
	row := func(label string, p99 *float64, probes uint64) wire.SliceRow {
		return wire.SliceRow{Slice: "id of " + label, Label: label, P99Ms: p99, BudgetMs: 10, Samples: 300, Probes: probes}
	}
	before := []wire.SliceRow{row("GOES-ON", &p99, 900), row("STANDS", &p99, 900), row("OVER", &over, 900)}
	var said bytes.Buffer
	a := &app{err: &said}
	if err := a.judgeProbe(before[:1], []wire.SliceRow{row("GOES-ON", &p99, 915)}); err != nil || said.Len() > 0 {
		t.Errorf("probed 15 times more: %v, %s", err, said.String())
	}
	err := a.judgeProbe(before, []wire.SliceRow{row("GOES-ON", &p99, 915), row("STANDS", &p99, 900), row("OVER", &over, 915), row("NEW", nil, 0)})
	want := "slice of STANDS: nothing new was measured\nslice of OVER: p99 of 11.00 ms is over its budget of 10 ms\nslice of NEW: nothing new was measured\n"
	if err == nil || said.String() != want {
		t.Errorf("%v\n%swant\n%s", err, said.String(), want)
	}
}

// TestTheRecordShowsWhatIsOpen: a breach is seen with its evidence before any minute is posted; no figure stands for minutes that are not known yet.
func TestTheRecordShowsWhatIsOpen(t *testing.T) {
	t.Parallel()
	at, kept, worst := time.Date(2026, 11, 28, 1, 18, 20, 0, time.UTC), 99.5, 61.29
	var b bytes.Buffer
	if err := serviceTable([]wire.ServiceUnit{
		{Unit: "OPEN", Months: []wire.ServiceMonth{{Month: "2026-11", Breaches: 1, ShortBreaches: 1, ShortWindows: 7, WorstPercent: &worst}},
			Breach: &wire.ServiceBreach{Since: at, P99Ms: 1087.751}, Short: &wire.ServiceShort{Since: at, Windows: 30, Short: 2, WorstPercent: worst}},
		{Unit: "KEPT", BudgetMs: 10, Months: []wire.ServiceMonth{{Month: "2026-11", Kept: 199, Broken: 1, WorstP99Ms: 12.5, Attainment: &kept}}},
		{Unit: "NONE"},
	}).print(&b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	for i, want := range []string{"UNIT NAME MONTH ATTAINMENT % KEPT min BROKEN VOID BREACHES WORST P99 ms BUDGET SHORT NOW",
		"OPEN - 2026-11 - 0 0 0 2 - 0 7 OVER since 2026-11-28 01:18Z: p99 1087.75 ms; SHORT since 2026-11-28 01:18Z: 2 of 30 windows, the worst with 61.2 %",
		"KEPT - 2026-11 99.5000 199 1 0 0 12.50 10 0 kept", "NONE - - - - - - - - 0 - -"} {
		if got := strings.Join(strings.Fields(lines[i]), " "); got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	}
	for want, row := range map[string]wire.SliceRow{"none is open": {}, "over its budget since 2026-11-28 01:18Z; " +
		"less than its guaranteed rate since 2026-11-28 01:18Z: nexus slices record A": {Label: "A", OverSince: &at, ShortSince: &at}} {
		if got := breachText(&row); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestWhatAFlagCannotBe: a value that is no value is refused in words of the command line, not of the library.
func TestWhatAFlagCannotBe(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{
		"slices set A --sessions -1":                         `invalid argument "-1" for "--sessions" flag: not a whole number from 0 up`,
		"slices set A --sessions 9e9":                        `invalid argument "9e9" for "--sessions" flag: not a whole number from 0 up`,
		"slices set A --sessions 1e9999":                     "not a whole number from 0 up",
		"slices set A --sessions " + strings.Repeat("9", 30): "out of range",
		"slices set A --budget 5":                            "without a unit: ms, s, m or h",
		"slices set A --budget 5x":                           "not a duration such as 10ms, 30s or 5m",
		"slices set A --budget soon":                         "not a duration such as 10ms, 30s or 5m",
		"slices top --count x":                               "not a whole number (see",
		"slices top --nothing":                               "unknown flag: --nothing",
	} {
		code, _, said := runApp(t, nil, strings.Fields(words)...)
		if code != exitUsage || !strings.Contains(said, want) || strings.Contains(said, "strconv") || strings.Contains(said, "time: ") {
			t.Errorf("%s: exit %d, %s", words, code, said)
		}
	}
}

// TestALateSliceMayBeAtItsCeiling: only a slice with a ceiling of its own can be at it, and then the command says what its latency is.
func TestALateSliceMayBeAtItsCeiling(t *testing.T) {
	t.Parallel()
	for want, row := range map[string]wire.SliceRow{"8.00 Mbit/s\n": {RateBps: 8e6}, "7.80 Mbit/s\n": {RateBps: 7.8e6, CeilingBps: 8e6},
		"7.90 Mbit/s, at its ceiling: what is more waits for it, the probes too\n": {RateBps: 7.9e6, CeilingBps: 8e6}} {
		var b bytes.Buffer
		if err := printSlice(&b, row); err != nil || !strings.Contains(b.String(), want) {
			t.Errorf("%v\n%s\nwant %s", err, b.String(), want)
		}
	}
}

// TestWhatASlicePromises: rates are said in units that lose nothing.
func TestWhatASlicePromises(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{"a fair share, ceiling the gateway's capacity": bandwidth(0, 0),
		"1 bit/s guaranteed, ceiling 8 Mbit/s": bandwidth(1, 8e6), "500 Mbit/s guaranteed": bandwidth(5e8, 0), "1.5 Gbit/s guaranteed": bandwidth(15e8, 0)} {
		if !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestTopShowsASlicesOwnLimits: what they made of the p99 and the state that is left by them; on a narrow terminal rows are broken between columns.
func TestTopShowsASlicesOwnLimits(t *testing.T) {
	t.Parallel()
	p99 := 12.6
	row := func(label string, own float64) wire.SliceRow {
		return wire.SliceRow{Label: label, Class: "bulk", P99Ms: &p99, OwnP99Ms: own, BudgetMs: 10, Samples: 300}
	}
	page := picture{columns: 80}
	if err := topTable([]wire.SliceRow{row("AT-ITS-OWN", 9.25), row("LATE", 0), {Label: "NEW"}}).print(&page); err != nil {
		t.Fatal(err)
	}
	text := page.String()
	cells := func(label string) []string {
		_, line, _ := strings.Cut(text, "\n"+label)
		line, _, _ = strings.Cut(line, "\n")
		return strings.Fields(line)
	}
	for label, want := range map[string]string{"AT-ITS-OWN": "- bulk OWN - 12.60 9.25", "LATE": "- bulk OVER - 12.60 0.00", "NEW": "- - idle - - -"} {
		if got := strings.Join(cells(label), " "); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q\n%s", label, got, want, text)
		}
	}
	for _, line := range strings.Split(text, "\n") {
		if len(line) > 80 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
}
