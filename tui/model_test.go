package tui

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	stdslices "slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// fuzzFor is how long keys and sizes are thrown at the console: ten minutes in the long form.
func fuzzFor() time.Duration {
	if os.Getenv("NEXUS_SOAK") == "1" {
		return 10 * time.Minute
	}
	return 3 * time.Second
}

// Any size, any keys: no panic, exactly as many lines as the terminal has, none wider.
func TestRandomSizesAndKeys(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	keys := []string{"?", "/", "deny", "(", "enter", "enter", "esc", "tab", "shift+tab", "j", "k", "g", "G", "pgdown", "pgup",
		"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "p", "s", "r", "c", "x", "-", "ctrl+l", "backspace", "q", "新", "space", "M",
		":", ":", "imvu", " ", "exit IMVU-003", "up", "down", "left", "right", "h", "l", "[", "]", "z", "n", "N", "u", "v", "y", "Y", "T", "m", "R",
		"L", "f", "w", "i", "S", "e", "+", "~im", "!", "ctrl+u"}
	pictures := []*wire.Overview{tuitest.Overview(), {}, tuitest.Overview()}
	pictures[2].Decisions, pictures[2].Slices = pictures[2].Decisions[3:5], nil
	d := drive(t, theme.Options{Color: theme.Color256}, 80, 24, func(o *Options) { o.Launching = true })
	step := 0
	for end := time.Now().Add(fuzzFor()); time.Now().Before(end); step++ {
		switch random.IntN(10) {
		case 0:
			d.send(tea.WindowSizeMsg{Width: 1 + random.IntN(300), Height: 1 + random.IntN(100)})
		case 1:
			d.send(tea.WindowSizeMsg{Width: 36 + random.IntN(8), Height: 5 + random.IntN(6)})
		case 2:
			d.show1(pictures[random.IntN(len(pictures))])
		case 4:
			d.send(logMsg{page: wire.LogPage{Lines: logFixture()[:1+random.IntN(5)], Next: int64(step)}})
		case 5:
			d.send(tea.MouseMsg{X: random.IntN(d.width + 2), Y: random.IntN(d.height + 2), Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
		case 3:
			d.send(pictureMsg{picture: picture{overview: pictures[0], lost: true, lostAt: tuitest.Time(),
				cause: errors.New("gone\x1b[2J")}})
		default:
			d.press(keys[random.IntN(len(keys))])
		}
		d.screen()
	}
	if step < 20 {
		t.Errorf("%d steps: something waited instead", step)
	}
	d.send(tea.WindowSizeMsg{})
	if d.View() != "" {
		t.Error("a terminal of no size shows something")
	}
}

// Each edge of the layout and one cell below it.
func TestBreakpoints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		width, height int
		want          size
	}{{39, 8, tiny}, {40, 7, tiny}, {40, 8, compact}, {79, 24, compact}, {80, 23, compact}, {80, 24, full}, {119, 36,
		full}, {120, 35, full},
		{120, 36, beside}, {159, 48, beside}, {160, 47, beside}, {160, 48, wide}, {300, 100, wide}, {1, 1, tiny}} {
		if got := classOf(c.width, c.height); got != c.want {
			t.Errorf("%dx%d is class %d, want %d", c.width, c.height, got, c.want)
		}
		if c.want == tiny {
			continue
		}
		for _, slow := range []bool{false, true} {
			total := 0
			for _, b := range overviewBands(c.want, c.width, c.height-chromeHeight, panel.Stream, slow) {
				total += b.height
				for _, col := range b.columns {
					sum := 0
					for _, s := range col.slots {
						sum += s.height
					}
					if sum != b.height {
						t.Errorf("%dx%d: a column of %d in a band of %d", c.width, c.height, sum, b.height)
					}
				}
			}
			if total != c.height-chromeHeight {
				t.Errorf("%dx%d: bands are %d high, the body %d", c.width, c.height, total, c.height-chromeHeight)
			}
		}
	}
}

// Nothing fast shares its lines with something slow, except the evidence that closes on a slow link.
func TestFastAndSlowShareNoLine(t *testing.T) {
	t.Parallel()
	fast := map[panel.ID]bool{panel.Slices: true, panel.Stream: true, panel.Splits: true}
	for _, class := range []size{full, beside, wide} {
		for _, slow := range []bool{false, true} {
			for _, b := range overviewBands(class, 200, 60, panel.Stream, slow) {
				var kinds []bool
				for _, col := range b.columns {
					for _, s := range col.slots {
						if s.id == panel.Pane && !slow {
							continue
						}
						kinds = append(kinds, fast[s.id])
					}
				}
				if stdslices.Contains(kinds, true) && (stdslices.Contains(kinds, false) || len(b.columns) > 1 && slow) {
					t.Errorf("class %d, slow %v: %+v", class, slow, b)
				}
			}
		}
	}
}

func TestDrillDownToEvidenceAndProof(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 80, 60, nil)
	d.show1(tuitest.Overview())
	d.press("8", "enter")
	evidence := d.screen()
	for _, want := range []string{"Decision #120440", "nexus gates explain 120440", "G17 platform-non-repudiation",
		"observed"} {
		if !strings.Contains(evidence, want) {
			t.Errorf("the evidence lacks %q:\n%s", want, evidence)
		}
	}
	d.press("esc", "4", "j", "j", "j", "j", "enter")
	account := d.screen()
	for _, want := range []string{"4 splits › IMVU-001 USD", "the tally", "120400", "11.00"} {
		if !strings.Contains(account, want) {
			t.Errorf("the account lacks %q:\n%s", want, account)
		}
	}
	d.press("j", "enter")
	if got := d.screen(); !strings.Contains(got, "Unit IMVU-001") || !strings.Contains(got, "[identity]") {
		t.Errorf("the money does not lead to the unit:\n%s", got)
	}
	d.press("esc", "j", "enter")
	if got := d.screen(); !strings.Contains(got, "Entry 120400") || !strings.Contains(got, "recomputed here") ||
		!strings.Contains(got, "nexus ledger prove 120400") {
		t.Errorf("a transaction does not lead to its entry:\n%s", got)
	}
	d.press("esc", "k", "k", "enter")
	proof := d.screen()
	for _, want := range []string{"Proof of IMVU-001 USD", "ceil(1000000 x 55 / 100) = 550000", "equal to the ledger",
		"nexus ledger prove IMVU-001",
		"nexus revenue tally --unit IMVU-001", "recomputed", "cosigners"} {
		if !strings.Contains(proof, want) {
			t.Errorf("the proof lacks %q:\n%s", want, proof)
		}
	}
	d.press("c")
	if !strings.Contains(d.screen(), "sent to the clipboard") {
		t.Error("copying says nothing")
	}
	d.press("esc", "9")
	for _, want := range []string{"nexus gates explain 120440", "nexus revenue tally --unit IMVU-001"} {
		if !strings.Contains(d.screen(), want) {
			t.Errorf("the command log lacks %q:\n%s", want, d.screen())
		}
	}
	d.press("3", "j", "j", "j", "j", "j", "j", "enter")
	if got := d.screen(); !strings.Contains(got, "3 gates › Gate 7") || !strings.Contains(got, "DENY") || !strings.Contains(got, "the rule of resource-quota") {
		t.Errorf("a gate does not lead to its denials:\n%s", got)
	}
	d.press("enter")
	if got := d.screen(); !strings.Contains(got, "Gate 7 › Decision #120440") {
		t.Errorf("a denial does not lead to its evidence:\n%s", got)
	}
}

// An answer that comes after the user went elsewhere is dropped.
func TestALateAnswerIsDropped(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 80, 24, nil)
	d.show1(tuitest.Overview())
	d.model.view = 8
	_, first := d.Update(tea.KeyMsg{Type: tea.KeyEnter})
	d.press("esc", "j")
	_, second := d.Update(tea.KeyMsg{Type: tea.KeyEnter})
	late := first()
	d.Update(second())
	d.Update(late)
	if got := d.screen(); !strings.Contains(got, "Decision #120439") || d.top().data.(*wire.Decision).Index != 120439 {
		t.Errorf("the late answer won:\n%s", got)
	}
}

func TestRefusedEvidenceSaysWhy(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 80, 24, nil)
	d.backend.Refuse(nexus.Errf("decision", nexus.CodeRefused, "index 120440", "ask its owner",
		"gate 16 no-cross-imvu-leakage"))
	d.show1(tuitest.Overview())
	d.press("8", "enter")
	if got := d.screen(); !strings.Contains(got, "gate 16") || !strings.Contains(got, "(ask its") {
		t.Errorf("the refusal is not shown:\n%s", got)
	}
}

func TestQuitting(t *testing.T) {
	t.Parallel()
	launching := func(o *Options) { o.Launching = true }
	for name, c := range map[string]struct {
		options func(*Options)
		keys    []string
		ended   bool
		quit    Quit
		stops   bool
	}{
		"attached":         {nil, []string{"q"}, true, QuitDetach, false},
		"launching asks":   {launching, []string{"q"}, false, QuitLost, false},
		"leave it serving": {launching, []string{"q", "l"}, true, QuitDetach, false},
		"stop":             {launching, []string{"q", "s"}, true, QuitStop, true},
		"cancel":           {launching, []string{"q", "esc"}, false, QuitLost, false},
		"an odd key is no": {launching, []string{"q", "z"}, false, QuitLost, false},
		"interrupt asks":   {launching, []string{"ctrl+c"}, false, QuitLost, false},
		"twice leaves":     {launching, []string{"ctrl+c", "ctrl+c"}, true, QuitDetach, false},
		"read-only cannot stop": {func(o *Options) { o.Launching, o.ReadOnly = true, true }, []string{"q", "s"}, false,
			QuitLost, false},
		"interrupted, not ours":  {nil, []string{"ctrl+c"}, true, QuitDetach, false},
		"question, then nothing": {launching, []string{"q", "c", "q", "l"}, true, QuitDetach, false},
	} {
		d := drive(t, theme.Options{}, 80, 24, c.options)
		d.show1(tuitest.Overview())
		d.press(c.keys...)
		if d.ended != c.ended || d.quit != c.quit || stdslices.Contains(d.backend.Calls(), "stop") != c.stops {
			t.Errorf("%s: ended %v quit %q calls %v", name, d.ended, d.quit, d.backend.Calls())
		}
	}
	d := drive(t, theme.Options{}, 80, 24, launching)
	d.backend.Refuse(errors.New("busy"))
	d.show1(tuitest.Overview())
	d.press("q", "s")
	if d.ended || d.asking != noQuestion || !strings.Contains(d.screen(), "did not stop: busy") {
		t.Errorf("a node that does not stop ends the console: %v\n%s", d.ended, d.screen())
	}
}

func TestRerun(t *testing.T) {
	t.Parallel()
	failed := tuitest.Overview()
	failed.Launch.Phases[7].Status, failed.Launch.Phases[7].Reason = wire.StatusFailed, "port 53 is taken by named"
	d := drive(t, theme.Options{}, 80, 24, nil)
	d.show1(failed)
	if got := d.screen(); !strings.Contains(got, "08 dns-mail failed") {
		t.Errorf("the strip does not name the failed phase:\n%s", got)
	}
	d.press("r")
	if !stdslices.Contains(d.backend.Calls(), "rerun 8") || !strings.Contains(d.screen(), "phase 8 dns-mail runs again") {
		t.Errorf("calls %v:\n%s", d.backend.Calls(), d.screen())
	}
	d = drive(t, theme.Options{}, 80, 24, nil)
	d.show1(tuitest.Overview())
	d.press("r")
	if len(d.backend.Calls()) != 0 || !strings.Contains(d.screen(), "no phase failed") {
		t.Errorf("calls %v:\n%s", d.backend.Calls(), d.screen())
	}
	d = drive(t, theme.Options{}, 80, 24, func(o *Options) { o.ReadOnly = true })
	d.show1(failed)
	d.press("r")
	if stdslices.Contains(d.backend.Calls(), "rerun 8") || !strings.Contains(d.screen(), "r is off: this session is read-only") ||
		!strings.Contains(d.screen(), " RO ") {
		t.Errorf("read-only ran something: %v\n%s", d.backend.Calls(), d.screen())
	}
	d.press("4", "r")
	if !strings.Contains(d.screen(), "works in 0 overview, 1 launch") {
		t.Errorf("a key of another view is not explained:\n%s", d.screen())
	}
}

func TestPauseHoldsThePicture(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 80, 24, nil)
	d.show1(tuitest.Overview())
	d.press("p")
	later := tuitest.Overview()
	later.Decisions = append([]wire.DecisionRow{{Index: 120442, Verdict: wire.VerdictDeny, Action: "later.act"},
		{Index: 120441, Verdict: wire.VerdictAllow}}, later.Decisions...)
	d.show1(later)
	if got := d.screen(); !strings.Contains(got, "PAUSED, 2 new") || strings.Contains(got, "later.act") {
		t.Errorf("paused:\n%s", got)
	}
	d.press("p")
	if got := d.screen(); !strings.Contains(got, "LIVE") || !strings.Contains(got, "later.act") {
		t.Errorf("going on:\n%s", got)
	}
}

func TestFilterAndItsMistakes(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 80, 24, nil)
	d.show1(tuitest.Overview())
	d.press("8", "/", "!allow", "enter")
	if got := d.screen(); strings.Contains(got, "allow all") || !strings.Contains(got, "DENY") || !strings.Contains(got,
		"/!allow") {
		t.Errorf("inverse filter:\n%s", got)
	}
	d.press("/", "ctrl+u", "(", "enter")
	if got := d.screen(); !strings.Contains(got, "missing closing )") {
		t.Errorf("a bad expression:\n%s", got)
	}
	d.press("esc", "esc")
	if got := d.screen(); !strings.Contains(got, "allow all") {
		t.Errorf("the filter stays after esc:\n%s", got)
	}
}

// The cursor stays on its row when newer rows push it down; at the top it stays at the top.
func TestTheCursorFollowsItsRow(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 80, 24, nil)
	d.show1(tuitest.Overview())
	d.press("8", "j", "j")
	later := tuitest.Overview()
	later.Decisions = append([]wire.DecisionRow{{Index: 120441, Verdict: wire.VerdictAllow}}, later.Decisions...)
	d.show1(later)
	d.press("enter")
	if d.top().target.Index != 120438 {
		t.Errorf("enter opened decision %d, the cursor stood on 120438", d.top().target.Index)
	}
	d.press("esc", "g")
	again := tuitest.Overview()
	again.Decisions = append([]wire.DecisionRow{{Index: 120442, Verdict: wire.VerdictAllow}}, later.Decisions...)
	d.show1(again)
	if d.press("enter"); d.top().target.Index != 120442 {
		t.Errorf("at the top enter opened %d", d.top().target.Index)
	}
}

// Only what changed is drawn again: the same data in a new snapshot draws nothing.
func TestPanelsAreDrawnOnlyWhenTheyChanged(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 160, 48, nil)
	d.show1(tuitest.Overview())
	before := d.screen()
	versions := d.versions
	d.show1(tuitest.Overview())
	if d.versions != versions || d.screen() != before {
		t.Error("an equal snapshot counts as a change")
	}
	o := tuitest.Overview()
	o.Slices[0].InFlight = 77
	d.show1(o)
	for s := range panel.SectionCount {
		if changed := d.versions[s] != versions[s]; changed != (s == panel.SecSlices) {
			t.Errorf("section %d changed: %v", s, changed)
		}
	}
}

func TestLostAndFoundAgain(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{Color: theme.Color256}, 80, 24, nil)
	d.show1(tuitest.Overview())
	bright := d.screen()
	d.send(pictureMsg{picture: picture{overview: d.shown, lost: true, lostAt: tuitest.Time(),
		cause: errors.New("connection refused")}})
	grey := d.screen()
	if !strings.Contains(plainText(grey), "node lost at 14:22:07, reconnecting") || !strings.Contains(plainText(grey),
		"IMVU-003") ||
		!strings.Contains(plainText(grey), "LOST") {
		t.Errorf("lost:\n%s", plainText(grey))
	}
	if strings.Contains(grey, "38;5;") {
		t.Error("the old picture is not greyed")
	}
	d.show1(d.shown)
	d.press("esc")
	if got := d.screen(); got != bright {
		t.Errorf("found again:\n%s", plainText(got))
	}
	d.press("9")
	if got := plainText(d.screen()); !strings.Contains(got, "answers again") || !strings.Contains(got, "node lost") {
		t.Errorf("messages:\n%s", got)
	}
}

// A press of a key and a picture with one panel changed, then the screen: the budget is 0.3 ms (research, 4.2).
func BenchmarkViewOnePanelDirty(b *testing.B) {
	d := drive(b, theme.Options{Color: theme.Color256}, 160, 48, nil)
	pictures := [2]*wire.Overview{tuitest.Overview(), tuitest.Overview()}
	for i := range pictures[1].Slices {
		pictures[1].Slices[i].RateBps++
		pictures[1].Slices[i].InFlight++
	}
	d.show1(pictures[0])
	d.View()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		d.show(pictures[i&1])
		b.StartTimer()
		d.View()
	}
}

func BenchmarkAcceptPicture(b *testing.B) {
	d := drive(b, theme.Options{Color: theme.Color256}, 160, 48, nil)
	pictures := [2]*wire.Overview{tuitest.Overview(), tuitest.Overview()}
	pictures[1].Slices[6].RateBps++
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		d.show(pictures[i&1])
	}
}

// Several keys of one read count one by one, and a paste is never a command.
func TestKeysOfOneReadAndPastes(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 80, 24, nil)
	d.show1(tuitest.Overview())
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("8jj")})
	if d.model.view != 8 || d.cursors[panel.Stream].pos != 2 {
		t.Errorf("view %d, cursor %d", d.model.view, d.cursors[panel.Stream].pos)
	}
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("q"), Paste: true})
	if d.ended || !strings.Contains(d.screen(), "a paste is no command") {
		t.Errorf("a pasted q ended it: %v", d.ended)
	}
	d.press("/")
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("DENY"), Paste: true})
	d.press("enter")
	if got := d.screen(); strings.Contains(got, "allow all") {
		t.Errorf("a pasted filter:\n%s", got)
	}
}

// However narrow and deep, the line of keys ends with help and the way out, and the rule above a page names that page.
func TestTheWayOutIsAlwaysShown(t *testing.T) {
	t.Parallel()
	for _, width := range []int{40, 60, 80, 120} {
		d := drive(t, theme.Options{}, width, 24, nil)
		o := pictureOf("operator")
		o.Alerts = nil // on a narrow screen one takes the line of keys
		d.show1(o)
		for view := range 10 {
			d.press(fmt.Sprint(view))
			if text := plain(d.screen()); !strings.Contains(text, "? help  q quit") {
				t.Errorf("view %d at %d columns does not say how to leave:\n%s", view, width, text)
			}
		}
		d.press("4")
		for range 3 {
			d.screen()
			d.press("enter")
		}
		rule, _, _ := strings.Cut(plain(d.screen()), " esc back")
		if len(d.model.pages) < 3 {
			t.Fatalf("%d pages are open:\n%s", len(d.model.pages), plain(d.screen()))
		}
		if last := pageTitle(d.model.top()); !strings.Contains(rule, last) {
			t.Errorf("at %d columns the page %q of %d is not named: %q", width, last, len(d.model.pages), rule)
		}
	}
}

// An alert names the unit by its label where the decision has its id; what is no unit's id stays.
func TestAlertsNameUnits(t *testing.T) {
	t.Parallel()
	id, other := nexus.ID{7}.String(), nexus.ID{8}.String()
	o := pictureOf("operator")
	o.Units[0].ID, o.Units[0].Label = id, "IMVU-042"
	o.Alerts = []wire.Alert{{Time: tuitest.Time(), Level: wire.LevelWarning, Text: "reports for unit " + id + " and " + other}}
	d := drive(t, theme.Options{}, 120, 36, nil)
	d.show1(o)
	if text := plain(d.screen()); !strings.Contains(text, "reports for unit IMVU-042 and "+other) {
		t.Errorf("the alert says\n%s", text)
	}
}

// A session that only reads says so at every size.
func TestReadOnlyIsShownOnSmallScreens(t *testing.T) {
	t.Parallel()
	for _, width := range []int{40, 80, 120} {
		for _, only := range []bool{true, false} {
			d := drive(t, theme.Options{}, width, 8+width/5, func(o *Options) { o.ReadOnly = only })
			d.show1(pictureOf("operator"))
			first, _, _ := strings.Cut(plain(d.screen()), "\n")
			if strings.Contains(first, " RO ") != only {
				t.Errorf("at %d columns, read-only %v: %q", width, only, first)
			}
		}
	}
}

// A session that is recorded says so on every screen, not only before the first one.
func TestARecordedSessionIsShown(t *testing.T) {
	t.Parallel()
	for _, width := range []int{40, 80, 160} {
		for _, recorded := range []bool{true, false} {
			d := drive(t, theme.Options{}, width, 8+width/5, func(o *Options) { o.Recorded, o.ReadOnly = recorded, true })
			d.show1(pictureOf("operator"))
			for _, key := range []string{"1", "?"} {
				d.press(key)
				first, _, _ := strings.Cut(plain(d.screen()), "\n")
				if strings.Contains(first, " rec ") != recorded {
					t.Errorf("at %d columns, recorded %v: %q", width, recorded, first)
				}
			}
		}
	}
}

// A terminal that is too small says how large it must be, whatever else has to go for that.
func TestTooSmallSaysTheSize(t *testing.T) {
	t.Parallel()
	for width, want := range map[int]string{39: "launching 9/12 deny 37 needs 40x8", 30: "launching 9/12 needs 40x8", 22: "launching needs 40x8"} {
		d := drive(t, theme.Options{}, width, 5, nil)
		d.show1(tuitest.Overview())
		if got, _, _ := strings.Cut(plain(d.screen()), "\n"); strings.TrimRight(got, " ") != want {
			t.Errorf("at %d columns it says %q, want %q", width, got, want)
		}
	}
}
