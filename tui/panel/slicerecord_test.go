package panel_test

import (
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// A slice's page shows what of its record is posted and what is not, and what share of both was kept; 100 % is all of it, never nearly all.
func TestASlicesPageShowsItsRecord(t *testing.T) {
	t.Parallel()
	month := func(kept, broken, void, breaches, short uint64) []wire.ServiceMonth {
		return []wire.ServiceMonth{{Month: "2026-11", Kept: kept, Broken: broken, Void: void, Breaches: breaches, ShortBreaches: short}}
	}
	waits := wire.MinuteCounts{Kept: 12, Broken: 1, Void: 2}
	for _, c := range []struct {
		row    wire.MinuteCounts
		record *wire.ServiceUnit
		want   string
	}{
		{wire.MinuteCounts{}, nil, ""},
		{waits, nil, "not posted    12 kept, 1 broken, 2 void"},
		{wire.MinuteCounts{}, &wire.ServiceUnit{}, "record, min   no minute of this month was judged yet: one is, when probes measured in it"},
		{waits, &wire.ServiceUnit{SincePost: waits}, "record, min   this month: nothing posted yet, which is done once an hour\n" +
			"not posted    12 kept, 1 broken, 2 void; with them 92.3076 %"},
		{waits, &wire.ServiceUnit{Months: month(44_620, 1, 3, 1, 0)}, // what was told together counts, not what the picture has
			"record, min   2026-11: 99.9977 %; 44,620 kept, 1 broken, 3 void, 1 breach\nnot posted    nothing: all that was judged is in the record"},
		{waits, &wire.ServiceUnit{SincePost: waits, Months: month(60, 0, 0, 1, 1)},
			"record, min   2026-11: 100.0000 %; 60 kept, 0 broken, 0 void, 2 breaches\nnot posted    12 kept, 1 broken, 2 void; with them 98.6301 %"},
		{wire.MinuteCounts{}, &wire.ServiceUnit{SincePost: wire.MinuteCounts{Void: 4}, Months: month(0, 0, 9, 0, 0)},
			"record, min   2026-11: 0 kept, 0 broken, 9 void\nnot posted    0 kept, 0 broken, 4 void"},
		{wire.MinuteCounts{}, &wire.ServiceUnit{Months: month(0, 0, 0, 0, 1)}, // windows of a guaranteed rate are told before minutes are
			"record, min   no minute of 2026-11 was judged yet: one is, when probes measured in it, 1 breach"},
	} {
		p := panel.NewPage(theme.New(theme.Options{}), 200)
		p.Slice(&wire.SliceRow{Label: "IMVU-001", MinutesSincePost: c.row}, &wire.SliceDetail{Record: c.record})
		var got []string
		for _, line := range p.Lines() {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "record, ") || strings.HasPrefix(line, "not posted") {
				got = append(got, line)
			}
		}
		if text := strings.Join(got, "\n"); text != c.want {
			t.Errorf("%+v %+v:\n%s\nwant\n%s", c.row, c.record, text, c.want)
		}
		if text := strings.Join(p.Lines(), "\n"); !strings.Contains(text, "nexus slices record IMVU-001") {
			t.Errorf("no command line shows the record:\n%s", text)
		}
	}
}

// On every width the record stands whole, in words that are not cut.
func TestARecordIsReadOnNarrowScreens(t *testing.T) {
	t.Parallel()
	waits := wire.MinuteCounts{Kept: 59, Broken: 1}
	month := wire.ServiceMonth{Month: "2026-11", Kept: 44_600, Broken: 20, Void: 20, Breaches: 3}
	d := wire.SliceDetail{Record: &wire.ServiceUnit{SincePost: waits, Months: []wire.ServiceMonth{month}}}
	for _, width := range []int{40, 80, 120, 160} {
		p := panel.NewPage(theme.New(theme.Options{}), width)
		p.Slice(&wire.SliceRow{Label: "IMVU-001"}, &d)
		text := strings.Join(strings.Fields(strings.Join(p.Lines(), " ")), " ")
		for _, want := range []string{"record, min 2026-11: 99.9551 %; 44,600 kept, 20 broken, 20 void, 3 breaches",
			"not posted 59 kept, 1 broken, 0 void; with them 99.9529 %"} {
			if !strings.Contains(text, want) {
				t.Errorf("%d columns: no %q in\n%s", width, want, strings.Join(p.Lines(), "\n"))
			}
		}
	}
}
