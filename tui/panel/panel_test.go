package panel_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

func input(p *panel.Panel, o *wire.Overview, th *theme.Theme, width, height int) panel.Input {
	in := panel.Input{Overview: o, Theme: th, Width: width, Height: height, AgeMs: 1000,
		Local: []panel.Note{{Time: "14:22:07", Level: "command", Text: "nexus gates explain 1"}}}
	from := p
	for _, q := range panel.All() {
		if p.ID == panel.Pane && q.ID == panel.Stream {
			from = &q
		}
	}
	if from.Len != nil {
		for i := range from.Len(in) {
			in.Index = append(in.Index, i)
		}
	}
	return in
}

// Whatever the size, a panel is exactly as high as asked for and no line is wider; padded lines are exactly as wide.
func TestPanelsKeepTheirPlace(t *testing.T) {
	t.Parallel()
	for _, o := range []*wire.Overview{tuitest.Overview(), {}} {
		for _, p := range panel.All() {
			for _, ascii := range []bool{false, true} {
				th := theme.New(theme.Options{ASCII: ascii})
				for width := 1; width <= 200; width += 7 {
					for height := 1; height <= 30; height += 3 {
						in := input(&p, o, th, width, height)
						in.Full, in.Focus, in.Cursor, in.Filter = width%2 == 0, height%2 == 0, height, "x"
						checkLines(t, p.Title, p.Draw(in), width, height, false)
						in.Pad = true
						checkLines(t, p.Title, p.Draw(in), width, height, true)
					}
				}
			}
		}
	}
}

func checkLines(t *testing.T, name string, lines []string, width, height int, padded bool) {
	t.Helper()
	if len(lines) != height {
		t.Fatalf("%s at %dx%d: %d lines", name, width, height, len(lines))
	}
	for _, line := range lines {
		w := theme.Width(line)
		if w > width || padded && w != width || strings.ContainsAny(line, "\x1b\n\r") {
			t.Fatalf("%s at %dx%d, padded %v: line of %d cells %q", name, width, height, padded, w, line)
		}
	}
}

// A row keeps its name when others come and go, so no two rows may share one; and enter opens something on each.
func TestRowsHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	for _, p := range panel.All() {
		if p.Len == nil {
			continue
		}
		in := input(&p, tuitest.Overview(), theme.New(theme.Options{}), 80, 24)
		seen := map[string]bool{}
		for i := range p.Len(in) {
			key := p.Key(in, i)
			if seen[key] || key == "" {
				t.Errorf("%s: row %d shares the name %q", p.Title, i, key)
			}
			seen[key] = true
			if p.Target(in, i).Kind == panel.NoTarget {
				t.Errorf("%s: enter on row %d opens nothing", p.Title, i)
			}
			if p.Text(in, i) == "" {
				t.Errorf("%s: a filter sees nothing of row %d", p.Title, i)
			}
		}
	}
}

// An empty panel says what to do next.
func TestEmptyPanelsSayWhatToDo(t *testing.T) {
	t.Parallel()
	want := map[panel.ID]string{panel.Slices: "nexus imvu create", panel.Splits: "nexus revenue",
		panel.Cluster: "nexus cluster invite",
		panel.Units:   "nexus imvu create -i", panel.Stream: "every signed action", panel.Gates: "no gate is loaded",
		panel.Messages: "nothing to report"}
	for _, p := range panel.All() {
		words, listed := want[p.ID]
		if !listed {
			continue
		}
		in := panel.Input{Overview: &wire.Overview{}, Theme: theme.New(theme.Options{}), Width: 160, Height: 10, AgeMs: -1}
		if got := strings.Join(p.Draw(in), "\n"); !strings.Contains(got, words) {
			t.Errorf("%s does not say %q:\n%s", p.Title, words, got)
		}
		in.Filter = "x"
		if got := strings.Join(p.Draw(in), "\n"); !strings.Contains(got, "no row matches") {
			t.Errorf("%s does not say that the filter hides all:\n%s", p.Title, got)
		}
	}
}

// State is a word and a symbol; without colours nothing is lost. A measurement that was not taken is a dash.
func TestStatesAreWords(t *testing.T) {
	t.Parallel()
	all := ""
	for _, p := range panel.All() {
		all += strings.Join(p.Draw(input(&p, tuitest.Overview(), theme.New(theme.Options{}), 160, 40)), "\n")
	}
	for _, word := range []string{"OVER", "NEAR", "OK", "idle", "DENY", "allow", "passed", "degraded", "skipped",
		"running", "pending", "alive",
		"suspect", "failed", "unadmitted", "dormant", "not yet", "all hold"} {
		if !strings.Contains(all, word) {
			t.Errorf("no screen says %q", word)
		}
	}
	for _, line := range strings.Split(all, "\n") {
		if strings.Contains(line, "idle one") && strings.Contains(line, "interactive") && !strings.Contains(line, "–") {
			t.Errorf("a slice without measurements shows %q", line)
		}
	}
}

// The console's formula is SPEC section 1's, for any gross total.
func TestCreatorTotal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ gross, percent, want int64 }{{1_000_000, 55, 550_000}, {500_000, 80, 400_000}, {1, 55,
		1}, {2, 55, 2}, {3, 55, 2},
		{-1, 55, 0}, {-3, 55, -1}, {-1999, 80, -1599}, {0, 80, 0}, {9223372036854775807, 55, 5072854620270126694}} {
		if got := panel.CreatorTotal(c.gross, c.percent); got != c.want {
			t.Errorf("ceil(%d * %d / 100) = %d, want %d", c.gross, c.percent, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		gross, percent := rapid.Int64().Draw(t, "gross"), rapid.SampledFrom([]int64{55, 80}).Draw(t, "percent")
		// ceil(x/100) = -floor(-x/100), and big.Int's Div floors for a positive divisor.
		x := new(big.Int).Mul(big.NewInt(-gross), big.NewInt(percent))
		if gross == -gross && gross != 0 {
			x = new(big.Int).Mul(new(big.Int).Neg(big.NewInt(gross)), big.NewInt(percent))
		}
		want := new(big.Int).Neg(new(big.Int).Div(x, big.NewInt(100)))
		if got := panel.CreatorTotal(gross, percent); got != want.Int64() {
			t.Fatalf("got %d, want %s", got, want)
		}
	})
}

// A tally that the formula does not give is called broken, whatever the node says.
func TestABrokenSplitIsSeen(t *testing.T) {
	t.Parallel()
	o := tuitest.Overview()
	o.Tallies[1].Creator++
	o.Tallies[1].Platform--
	for _, p := range panel.All() {
		if p.ID != panel.Splits {
			continue
		}
		got := strings.Join(p.Draw(input(&p, o, theme.New(theme.Options{}), 120, 20)), "\n")
		if !strings.Contains(got, "1 split BROKEN") || strings.Count(got, "BROKEN") != 2 {
			t.Errorf("a shifted cent is not shown:\n%s", got)
		}
	}
	pg := panel.NewPage(theme.New(theme.Options{}), 80)
	pg.Proof(&wire.Proof{Unit: "IMVU-001", Currency: "USD", Rule: "55/45", CreatorPercent: 55, Gross: 3, Creator: 1,
		Platform: 2})
	got := strings.Join(pg.Lines(), "\n")
	if !strings.Contains(got, "DIFFERS") || !strings.Contains(got, "ceil(3 x 55 / 100) = 2") || !strings.Contains(got,
		"NOT verified") {
		t.Errorf("a wrong proof passes:\n%s", got)
	}
}

func TestPagesNameTheirCommand(t *testing.T) {
	t.Parallel()
	th, o := theme.New(theme.Options{}), tuitest.Overview()
	pg := panel.NewPage(th, 80)
	d := wire.Decision{DecisionRow: o.Decisions[0], Verdicts: tuitest.Verdicts(true)}
	pg.Decision(&d)
	text := strings.Join(pg.Lines(), "\n")
	for i, name := range tuitest.GateNames() {
		if !strings.Contains(text, fmt.Sprintf("G%02d %s", i+1, name)) {
			t.Errorf("gate %d is missing", i+1)
		}
	}
	for _, want := range []string{"nexus gates explain 120440", "observed", "cpu at most 4"} {
		if !strings.Contains(text, want) {
			t.Errorf("the evidence lacks %q:\n%s", want, text)
		}
	}
	short := panel.NewPage(th, 80)
	d.Verdicts = d.Verdicts[:16]
	short.Decision(&d)
	if !strings.Contains(strings.Join(short.Lines(), "\n"), "do not trust") {
		t.Error("a decision with 16 verdicts looks whole")
	}
	for _, target := range []panel.Target{{Kind: panel.PhaseTarget, Number: 7}, {Kind: panel.MemberTarget,
		Key: "88aa0303edge-4"}, {Kind: panel.MemberTarget, Key: "edge west\x1b[2J"},
		{Kind: panel.MemberTarget, Key: "edge front.2"}, {Kind: panel.TextTarget, Text: "x"}} {
		for width := 1; width < 170; width += 13 {
			page := panel.NewPage(th, width)
			if !page.Thing(o, target) {
				t.Fatalf("%+v is not found", target)
			}
			checkLines(t, "page", page.Lines(), width, len(page.Lines()), false)
		}
	}
	if panel.NewPage(th, 80).Thing(o, panel.Target{Kind: panel.MemberTarget, Key: "gone"}) {
		t.Error("a node that is not there is shown")
	}
}

// Every page keeps to its width, whatever the width and the character set.
func TestPagesKeepToTheirWidth(t *testing.T) {
	t.Parallel()
	o, b := tuitest.Overview(), tuitest.NewBackend(nil)
	slice, err := b.Slice(t.Context(), "slice-3")
	if err != nil {
		t.Fatal(err)
	}
	unit, err := b.Unit(t.Context(), o.Units[3].ID)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := b.UnitEntries(t.Context(), o.Units[3].ID)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := b.EntryProof(t.Context(), 9)
	if err != nil {
		t.Fatal(err)
	}
	for _, ascii := range []bool{false, true} {
		th := theme.New(theme.Options{ASCII: ascii})
		for width := 1; width < 170; width += 7 {
			draw := func(name string, build func(p *panel.Page)) {
				p := panel.NewPage(th, width)
				build(p)
				checkLines(t, fmt.Sprintf("%s at %d", name, width), p.Lines(), width, len(p.Lines()), false)
			}
			draw("slice", func(p *panel.Page) { p.Slice(&slice.SliceRow, &slice) })
			draw("slice, not asked yet", func(p *panel.Page) { p.Slice(&o.Slices[6], nil) })
			draw("entry", func(p *panel.Page) { p.Entry(&entry, true) })
			draw("gate", func(p *panel.Page) { p.GateHead(&o.Gates[1]) })
			draw("output", func(p *panel.Page) { p.Output("imvu list", 4, "wide\tline "+strings.Repeat("新", 90), "no\x1b[2J") })
			for tab := range panel.UnitTabs() {
				draw("unit", func(p *panel.Page) { p.Unit(o, &o.Units[3], &unit, &entries, tab) })
			}
		}
	}
}

// The chart shows what it was given: the line at the limit, what is over it as such, how far it went, and nothing when there is nothing.
func TestChart(t *testing.T) {
	t.Parallel()
	th := theme.New(theme.Options{Color: theme.Color256})
	bad := strings.TrimSuffix(th.Text(theme.Bad, "x"), "x\x1b[0m")
	low, high := 2.0, 35.0
	series := panel.Series{Name: "p99", Style: theme.Good, Letter: "*", Values: []*float64{&low, &low, nil, &high}}
	text := strings.Join(panel.Chart(th, 60, 9, 10, "ms", series), "\n")
	for _, want := range []string{"10.0 ms", "to 35.00", "╌", bad} {
		if !strings.Contains(text, want) {
			t.Errorf("the chart lacks %q:\n%q", want, text)
		}
	}
	calm := panel.Series{Name: "p99", Style: theme.Good, Letter: "*", Values: []*float64{&low}}
	if text := strings.Join(panel.Chart(th, 60, 9, 10, "ms", calm), "\n"); !strings.Contains(text, "20.0") || strings.Contains(text, "to ") {
		t.Errorf("a calm chart does not end at twice the limit:\n%q", text)
	}
	if text := strings.Join(panel.Chart(th, 60, 9, 10, "ms", panel.Series{Values: []*float64{nil}}), ""); !strings.Contains(text, "nothing measured") {
		t.Errorf("a chart of nothing says %q", text)
	}
	ascii := strings.Join(panel.Chart(theme.New(theme.Options{ASCII: true}), 60, 9, 10, "ms", series), "\n")
	if !strings.Contains(ascii, "*") || !strings.Contains(ascii, "----") {
		t.Errorf("without braille:\n%s", ascii)
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filter, text string
		keep         bool
	}{{"deny", "DENY G07", true}, {"!deny", "DENY G07", false}, {"!deny", "allow", true}, {"G0[78]", "G08", true}, {"",
		"anything", true}, {"!", "anything", true}} {
		f, err := panel.ParseFilter(c.filter)
		if err != nil || f.Keep(c.text) != c.keep {
			t.Errorf("filter %q on %q: %v", c.filter, c.text, err)
		}
	}
	for _, bad := range []string{"(", strings.Repeat("a", panel.FilterTextMax+1)} {
		if _, err := panel.ParseFilter(bad); err == nil {
			t.Errorf("filter %.10q was accepted", bad)
		}
	}
}

// Digits of money are never cut off, however narrow the screen: a rounded figure says that it is one.
func TestMoneyIsNeverCut(t *testing.T) {
	t.Parallel()
	o := &wire.Overview{Tallies: []wire.TallyRow{{Unit: "IMVU-001", Rule: "55/45", Currency: "USD", Gross: 13827510419900,
		Creator: 7605130730945, Platform: 6222379688955, Events: 2937}}}
	for _, p := range panel.All() {
		if p.ID != panel.Splits {
			continue
		}
		for width := 40; width <= 200; width++ {
			got := strings.Join(p.Draw(input(&p, o, theme.New(theme.Options{}), width, 5)), "\n")
			if !strings.Contains(got, "76,051,307,309.45") && !strings.Contains(got, "~76,051M") {
				t.Fatalf("at %d cells the creator's money is\n%s", width, got)
			}
			if strings.Contains(got, "138,275") && (!strings.Contains(got, "138,275,104,199.00") || !strings.Contains(got, "62,223,796,889.55")) {
				t.Fatalf("at %d cells a figure is missing:\n%s", width, got)
			}
		}
	}
}

// FuzzTyped: no line of a log and no filter makes the panels panic; a line that is not JSON is shown whole.
func FuzzTyped(f *testing.F) {
	f.Add(`{"level":"warn","msg":"m","time":"2026-01-02T03:04:05Z","a":[1]}`)
	f.Add("!~ab(")
	f.Add("deny|G08")
	f.Fuzz(func(t *testing.T, text string) {
		line := panel.ParseLogLine(text)
		if !strings.Contains(text, "{") && text != "null" && strings.TrimSpace(text) != "null" && line.Text != text {
			t.Errorf("%q is shown as %q", text, line.Text)
		}
		if rank := line.Rank(); rank < 0 || rank > 3 {
			t.Errorf("%q ranks %d", text, rank)
		}
		if filter, err := panel.ParseFilter(text); err != nil && filter != nil || filter != nil && filter.Text != text {
			t.Errorf("%q became %+v, %v", text, filter, err)
		}
	})
}

// A slice is judged by enough probes and by what the machine itself does: not over for one late probe after a launch, nor for a machine
// that is too slow for everybody.
func TestSliceIsNotOverForAFewProbes(t *testing.T) {
	t.Parallel()
	ms := func(v float64) *float64 { return &v }
	for want, r := range map[string]wire.SliceRow{
		"idle": {Samples: 0},
		"new":  {Samples: 99, P99Ms: ms(24.3), BaselineP99Ms: ms(0.5)},
		"OVER": {Samples: 100, P99Ms: ms(24.3), BaselineP99Ms: ms(10)},
		"HOST": {Samples: 100, P99Ms: ms(24.3), BaselineP99Ms: ms(10.1)},
		"OWN":  {Samples: 100, P99Ms: ms(24.3), BaselineP99Ms: ms(1), OwnP99Ms: 14.3},
		"OK":   {Samples: 100, P99Ms: ms(7.9), BaselineP99Ms: ms(10.1)},
		"NEAR": {Samples: 300, P99Ms: ms(8.1)},
	} {
		r.BudgetMs = 10
		if got := panel.SliceState(&r); got != want {
			t.Errorf("%d probes, p99 %v: %s, want %s", r.Samples, r.P99Ms, got, want)
		}
		th := theme.New(theme.Options{})
		title := ""
		for _, p := range panel.All() {
			if p.ID == panel.Slices {
				title = p.Draw(panel.Input{Overview: &wire.Overview{Slices: []wire.SliceRow{r}}, Theme: th, Width: 100, Height: 4, Index: []int{0}})[0]
			}
		}
		words := map[string]string{"idle": "measuring", "new": "measuring", "OVER": "1 OVER", "HOST": "machine too slow", "OK": "all within budget",
			"NEAR": "all within budget", "OWN": "1 at own limits"}[want]
		if !strings.Contains(title, words) {
			t.Errorf("%s is headed %q, want %q", want, title, words)
		}
	}
}

// What did not pass stands above what did: a phase is opened to see why.
func TestPhaseShowsWhatDidNotPassFirst(t *testing.T) {
	o := tuitest.Overview()
	o.Launch.Phases[0].Checks = []wire.Check{{Name: "cores", Status: wire.StatusPassed}, {Name: "clock", Status: wire.StatusDegraded, Remedy: "install chrony"},
		{Name: "disk", Status: wire.StatusFailed}}
	p := panel.NewPage(theme.New(theme.Options{}), 80)
	p.Thing(o, panel.Target{Kind: panel.PhaseTarget, Number: 1})
	text := strings.Join(p.Lines(), "\n")
	at := func(word string) int { return strings.Index(text, word) }
	if !strings.Contains(text, "3 checks, 2 of them not passed") || at("clock ") < 0 || at("clock ") > at("disk ") || at("disk ") > at("cores ") {
		t.Errorf("%s", text)
	}
}

// The counters of a gate are whole on the smallest screen, beside whether it is enforced.
func TestGateCountersFitTheSmallestScreen(t *testing.T) {
	o := tuitest.Overview()
	th := theme.New(theme.Options{})
	o.Gates[0].Allowed, o.Gates[0].Denied, o.Gates[0].Enforced = 88_123, 2, true
	for _, p := range panel.All() {
		if p.ID != panel.Gates {
			continue
		}
		text := strings.Join(p.Draw(panel.Input{Overview: o, Theme: th, Width: 40, Height: 6, Full: true, Index: []int{0, 1, 2}}), "\n")
		if !strings.Contains(text, " 88,123     2  "+th.Symbols.Passed) || !strings.Contains(text, "allow  deny") {
			t.Errorf("%s", text)
		}
	}
}

// On a narrow screen a log line has the whole width below its time, and the first letter of its level.
func TestLogOnTheSmallestScreen(t *testing.T) {
	th := theme.New(theme.Options{})
	line := panel.ParseLogLine(`{"time":"2026-01-31T12:34:56Z","level":"WARN","component":"ssh","msg":"` + strings.Repeat("word ", 12) + `end"}`)
	in := panel.LogInput{Theme: th, Width: 40, Height: 6, Lines: []*panel.LogLine{&line}, Wrap: true}
	text := panel.DrawLog(in)
	if !strings.Contains(text[1], "12:34 W word word") || !strings.Contains(text[2], "word") || text[3] != "" ||
		!strings.Contains(strings.Join(text, "\n"), "end") {
		t.Errorf("%q", text)
	}
	for _, l := range text {
		if theme.Width(l) > 40 {
			t.Errorf("too wide: %q", l)
		}
	}
}

// Rows of different panels never share a name: what is marked in one would be marked in the other.
func TestKeysOfRowsAreOfOnePanelAlone(t *testing.T) {
	in := panel.Input{Overview: tuitest.Overview(), Theme: theme.New(theme.Options{})}
	of := map[string]panel.ID{}
	for _, p := range panel.All() {
		if p.ID != panel.Launch && p.ID != panel.Gates && p.ID != panel.Stream { // the others go by ids, which are of one thing wherever it is shown
			continue
		}
		for i := range p.Len(in) {
			if other, ok := of[p.Key(in, i)]; ok && other != p.ID {
				t.Errorf("row %q of panel %d and of panel %d", p.Key(in, i), p.ID, other)
			}
			of[p.Key(in, i)] = p.ID
		}
	}
	if of["phase 1"] == 0 || of["gate 1"] == 0 {
		t.Errorf("nothing was compared: %v", of)
	}
}

// The panel that keys go to is seen without colours.
func TestFocusIsSeenWithoutColours(t *testing.T) {
	th := theme.New(theme.Options{})
	for _, p := range panel.All() {
		if p.ID != panel.Launch && p.ID != panel.Slices {
			continue
		}
		in := panel.Input{Overview: tuitest.Overview(), Theme: th, Width: 80, Height: 3}
		without := p.Draw(in)[0]
		in.Focus = true
		with := p.Draw(in)[0]
		in.Full = true
		if alone := p.Draw(in)[0]; !strings.HasPrefix(with, th.Symbols.Cursor) || strings.HasPrefix(without, th.Symbols.Cursor) ||
			strings.HasPrefix(alone, th.Symbols.Cursor) {
			t.Errorf("%q %q %q", with, without, alone)
		}
	}
}

// What is typed is found in any case and script, whether it is a plain text, letters in their order or an expression.
func TestFiltersAreOfOneMind(t *testing.T) {
	const row = "IMVU-019 Ärger im Kino ΣΟΦΙΑ 1.5 GB"
	for text, want := range map[string]bool{"kino": true, "KINO": true, "ärger": true, "σοφια": true, "1.5": true, "1x5": false, `1\.5`: true, "k.no": true,
		"~imk": true, "~IMKINO": true, "~onik": false, "!kino": false, "!~onik": true, "!k.xo": true, "~ä σ": true, "im k": true, "im  k": false} {
		f, err := panel.ParseFilter(text)
		if err != nil || f.Keep(row) != want {
			t.Errorf("%q keeps the row: %v, want %v (%v)", text, !want, want, err)
		}
	}
	if f, err := panel.ParseFilter("~  "); f != nil || err != nil {
		t.Errorf("blanks alone filter: %v %v", f, err)
	}
}

// Numbers of the log stand as they are written.
func TestLogNumbersHaveNoExponent(t *testing.T) {
	line := panel.ParseLogLine(`{"msg":"ends","duration_ms":1901853,"part":0.25}`)
	if line.Text != "ends duration_ms=1901853 part=0.25" {
		t.Errorf("%q", line.Text)
	}
}
