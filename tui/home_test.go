package tui

import (
	stdslices "slices"
	"strings"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

func pictureOf(role string) *wire.Overview {
	o := tuitest.Overview()
	o.Identity.Roles = []string{role}
	return o
}

// A creator's console opens at the home, an operator's at the overview; whoever pressed a key first stays where they are.
func TestTheHomeIsWhereACreatorBegins(t *testing.T) {
	t.Parallel()
	for role, want := range map[string]int{"creator": keymap.HomeNumber, "operator": 0} {
		d := drive(t, theme.Options{}, 80, 24, nil)
		d.show1(pictureOf(role))
		if d.model.view != want {
			t.Errorf("a console of role %s opens in view %d, want %d", role, d.model.view, want)
		}
	}
	d := drive(t, theme.Options{}, 80, 24, nil)
	d.press("6")
	d.show1(pictureOf("creator"))
	if d.model.view != 6 {
		t.Errorf("a key was pressed before the first picture, and the view is %d", d.model.view)
	}
	d = drive(t, theme.Options{}, 80, 24, nil)
	d.show1(pictureOf("creator"))
	if text := plain(d.screen()); !strings.Contains(text, "Home of aria") || !strings.Contains(text, "1 to decide, 1 to read") {
		t.Errorf("the home says\n%s", text)
	}
}

// Each key of the home runs the verb of the command line for the row under the cursor, and only there.
func TestKeysOfTheHomeRunTheirVerbs(t *testing.T) {
	t.Parallel()
	c := &homeCommands{}
	d := drive(t, theme.Options{}, 120, 36, func(o *Options) { o.Commands = c })
	d.show1(pictureOf("creator"))
	d.screen()
	proposal := d.home.Proposals[0].ID
	d.press("o") // on a proposal there is no notice
	d.press("a", "y")
	d.press("d", "y")
	d.press("j", "a") // signed already
	if text := plain(d.screen()); !strings.Contains(text, "you have signed it; it waits for new-owner ben, platform") {
		t.Errorf("approving what was signed says\n%s", text)
	}
	d.press("d", "y")
	d.press("j", "a", "o")
	d.press("j", "t", "esc")
	label := d.home.Units[0].Label
	want := []string{"approvals grant " + proposal, "approvals refuse " + proposal, "approvals withdraw " + d.home.Waiting[0].ID, "notices read 4",
		"revenue statement --unit " + label + " --month 2026-03 --draft"}
	if !stdslices.Equal(ranLines(c.ran), want) {
		t.Errorf("ran %q, want %q", ranLines(c.ran), want)
	}
	d.press("X")
	if got := d.line.String(); got != "imvu exit --imvu-id "+label {
		t.Errorf("the exit key begins %q", got)
	}
	d.press("esc", "e")
	if got := d.line.String(); !strings.HasPrefix(got, "imvu scale "+label+" ") {
		t.Errorf("the scale key begins %q", got)
	}
}

// What was asked for is shown: a statement that is issued by asking for it, and all notices when the last row's key reads them.
func TestWhatWasAskedForIsShown(t *testing.T) {
	t.Parallel()
	c := &homeCommands{}
	d := drive(t, theme.Options{}, 120, 36, func(o *Options) { o.Commands = c })
	d.show1(pictureOf("creator"))
	d.screen()
	for i := range uint64(9) {
		d.home.Notices = append(d.home.Notices, wire.NoticeRow{ID: 100 + i, Text: "price list 1 holds"})
	}
	d.versions[panel.SecHome]++
	for i, r := range panel.HomeRows(d.home) {
		if r.More > 0 {
			d.press("g")
			for range i {
				d.press("j")
			}
		}
	}
	d.press("o")
	if got := ranLines(c.ran); len(got) != 1 || got[0] != "notices read" || !strings.Contains(plain(d.screen()), "$ nexus notices read") {
		t.Errorf("ran %q:\n%s", got, plain(d.screen()))
	}
	d.press("esc", ":")
	for _, r := range "revenue statement --unit IMVU-001 --month 2026-02" {
		d.press(string(r))
	}
	d.press("enter", "y")
	if text := plain(d.screen()); !strings.Contains(text, "$ nexus revenue statement") || strings.Contains(text, "no way back") {
		t.Errorf("the statement is not shown:\n%s", text)
	}
}

// What the home shows holds nothing of others, whatever the reader may see elsewhere.
func TestTheHomeHoldsNothingOfOthers(t *testing.T) {
	t.Parallel()
	h, err := tuitest.NewBackend(nil).Home(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	own := map[string]bool{}
	for _, u := range h.Units {
		own[u.ID] = true
		if u.Owner != h.OwnerKey {
			t.Errorf("%s is of %s", u.Label, u.Owner)
		}
	}
	if len(own) == 0 || len(own) == len(tuitest.Overview().Units) || len(h.Money) == 0 || len(h.Proposals) != 1 || len(h.Waiting) != 1 {
		t.Fatalf("%d units of %d, %d rows of money, %d proposals: nothing was left out, or all", len(own),
			len(tuitest.Overview().Units), len(h.Money), len(h.Proposals))
	}
	for _, r := range h.Money {
		if !own[r.UnitID] {
			t.Errorf("money of %s", r.Unit)
		}
	}
	for _, s := range h.Slices {
		if !own[s.Unit] {
			t.Errorf("slice of %s", s.Label)
		}
	}
}

// homeCommands knows the verbs of the home.
type homeCommands struct{ fakeCommands }

func (f *homeCommands) Verbs() []Verb {
	return append(f.fakeCommands.Verbs(), Verb{Path: "approvals grant", Danger: keymap.Disruptive},
		Verb{Path: "approvals refuse", Danger: keymap.Disruptive}, Verb{Path: "approvals withdraw", Danger: keymap.Disruptive},
		Verb{Path: "notices read", Danger: keymap.Reversible}, Verb{Path: "revenue statement", Danger: keymap.Disruptive},
		Verb{Path: "revenue balance"}, Verb{Path: "revenue payout list"}, Verb{Path: "revenue hold list"}, Verb{Path: "revenue pending"},
		Verb{Path: "platform prove"}, Verb{Path: "slices show"}, Verb{Path: "imvu show"})
}

// ranLines takes off what the fake notes beside each line.
func ranLines(ran []string) []string {
	var out []string
	for _, r := range ran {
		line, _, _ := strings.Cut(r, " (read-only")
		out = append(out, line)
	}
	return out
}

// A session that changes nothing is offered no key that does, neither in the line of keys nor as what to do next; any other is offered those that
// do something for the row under the cursor.
func TestReadOnlyOffersNoActs(t *testing.T) {
	t.Parallel()
	for _, readOnly := range []bool{false, true} {
		d := drive(t, theme.Options{}, 190, 40, func(o *Options) { o.ReadOnly = readOnly })
		d.show1(tuitest.Overview())
		d.press("H", "g")
		for row, r := range panel.HomeRows(d.home) {
			got := plainText(d.screen())
			for act, useful := range map[string]bool{"a approve": r.Proposal != nil, "d refuse": r.Proposal != nil, "o mark read": r.Notice != nil || r.More > 0,
				"e scale": r.Label() != "", "X exit unit": r.Label() != "", "W new unit": true} {
				if strings.Contains(got, act) != (useful && !readOnly) {
					t.Errorf("read-only %v, row %d: %q is offered %v:\n%s", readOnly, row, act, strings.Contains(got, act), got)
				}
			}
			next := d.nextAtHome()
			for _, act := range []string{"approves", "marks it read", "exit unit", "suspends"} {
				if readOnly && strings.Contains(next, act) {
					t.Errorf("read-only, row %d: next is %q", row, next)
				}
			}
			d.press("j")
		}
		d.home.Money, d.home.Tallies = nil, nil // units that earned nothing yet
		d.versions[panel.SecHome]++
		d.press("G")
		if next := d.nextAtHome(); strings.Contains(next, "suspends") == readOnly {
			t.Errorf("read-only %v: a unit without money is followed by %q", readOnly, next)
		}
		d.press("6")
		if got := plainText(d.screen()); strings.Contains(got, "e scale") == readOnly {
			t.Errorf("read-only %v: units offer:\n%s", readOnly, got)
		}
	}
}

// Leaving is nobody's to frighten somebody out of: the question says that it can be taken back, and how the exit stands is shown live, on the
// row and on its page, to a creator who does nothing but look.
func TestAnExitIsShownAsItGoesOn(t *testing.T) {
	t.Parallel()
	now := tuitest.Time()
	d := drive(t, theme.Options{}, 80, 24, func(o *Options) {
		o.Commands, o.Now = &homeCommands{}, func() time.Time { return now }
	})
	d.show1(pictureOf("creator"))
	d.screen()
	unit := d.home.Units[0]
	d.press("j", "j", "j", "X", "enter")
	if text := plain(d.screen()); strings.Contains(text, "cannot be undone") || strings.Contains(text, "irreversible") ||
		!strings.Contains(text, "comes back with") {
		t.Errorf("the question says\n%s", text)
	}
	d.press("esc")
	exit := wire.ExitRow{Unit: unit.Label, UnitID: unit.ID, Name: unit.Name, Status: "exiting", Serving: true, Begun: tuitest.Time(),
		Progress: &wire.ExitProgress{Started: tuitest.Time(), Part: 12, Of: 26, Percent: 42, Bytes: 5 << 20, Rate: 1 << 20, File: "journal.csv"}}
	ask := func() {
		d.backend.Leave(exit)
		now = now.Add(2 * time.Second)
		o := pictureOf("creator")
		o.Node.Addresses["ssh"] = "0.0.0.0:2222"
		d.show1(o)
	}
	ask()
	if text := plain(d.screen()); !strings.Contains(text, "leaving   "+unit.Label+"  42 %, file 12 of 26, 5.0 MiB sent at 1.0 MiB/s") {
		t.Errorf("the home says\n%s", text)
	}
	d.press("g")
	for range stdslices.IndexFunc(panel.HomeRows(d.home), func(r panel.HomeRow) bool { return r.Exit != nil }) {
		d.press("j")
	}
	d.press("enter")
	if text := plain(d.screen()); !strings.Contains(text, "Exit of "+unit.Label) || !strings.Contains(text, " 42 %") || !strings.Contains(text, "--cancel") ||
		!strings.Contains(text, "ssh -A -p 2222 HOST imvu exit --imvu-id") || !strings.Contains(text, "--export-path -") {
		t.Errorf("the page says\n%s", text)
	}
	exit.Progress.Percent, exit.Progress.Part = 88, 23
	ask()
	if text := plain(d.screen()); !strings.Contains(text, " 88 %") || !strings.Contains(text, "file 23 of 26") {
		t.Errorf("the open page says\n%s", text)
	}
	exit.Progress.Percent, exit.Progress.Ended, exit.Status, exit.Completed = 100, tuitest.Time(), "exited", tuitest.Time()
	ask()
	if text := plain(d.screen()); !strings.Contains(text, "█ 100 %") || !strings.Contains(text, "stands        left ") {
		t.Errorf("the page of one that left says\n%s", text)
	}
}

// A page about one's unit takes the unit's keys, the last esc of a creator leads home and no further, and a key that works elsewhere names the key
// that leads there.
func TestACreatorStaysAtHome(t *testing.T) {
	t.Parallel()
	c := &homeCommands{}
	d := drive(t, theme.Options{}, 120, 36, func(o *Options) { o.Commands = c })
	d.show1(pictureOf("creator"))
	d.screen()
	label := d.home.Units[0].Label
	d.press("j", "j", "j", "enter")
	if text := plain(d.screen()); !strings.Contains(text, "the tally") {
		t.Fatalf("no account was opened:\n%s", text)
	}
	d.press("t")
	if want := []string{"revenue statement --unit " + label + " --month 2026-03 --draft"}; !stdslices.Equal(ranLines(c.ran), want) {
		t.Errorf("ran %q, want %q", ranLines(c.ran), want)
	}
	d.press("esc", "esc", "esc", "esc")
	if d.model.view != keymap.HomeNumber {
		t.Errorf("esc led to view %d", d.model.view)
	}
	if text := plain(d.screen()); !strings.Contains(text, "this is your home; 0 shows the whole node") {
		t.Errorf("the screen says\n%s", text)
	}
	d.press("0", "t")
	if text := plain(d.screen()); !strings.Contains(text, "t works in 6 units, H home") {
		t.Errorf("the screen says\n%s", text)
	}
	d.press("esc")
	if d.model.view != keymap.HomeNumber {
		t.Errorf("esc in the overview led to view %d", d.model.view)
	}
}

// What was begun and not finished is said at once, where a creator comes in.
func TestAWaitingDraftIsSaid(t *testing.T) {
	t.Parallel()
	waits := "the half-finished creation of \"Nova\", at slice"
	d := drive(t, theme.Options{}, 80, 24, func(o *Options) { o.Draft = func() string { return waits } })
	d.show1(pictureOf("creator"))
	if text := plain(d.screen()); !strings.Contains(text, "W goes on with "+waits) {
		t.Errorf("the home says\n%s", text)
	}
}

// Each sum of the home leads to what it is made of: what is owed, on its way, held, or announced. The cursor begins below them, at what waits for
// the owner's word, and goes up to them; where the screen is too low for all of them they are rows like the others.
func TestSumsOfTheHomeLeadToTheirParts(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{80, 24}, {160, 48}, {40, 8}} {
		c := &homeCommands{}
		d := drive(t, theme.Options{}, size[0], size[1], func(o *Options) { o.Commands = c })
		d.show1(pictureOf("creator"))
		d.screen()
		d.home.Totals = []wire.MoneySum{{Currency: "USD", Payable: 599, OnItsWay: 700, Held: 20, Pending: 7700}}
		d.versions[panel.SecHome]++
		d.startHome()
		if row, ok := d.homeRow(); !ok || row.Proposal == nil {
			t.Errorf("%v: the cursor begins on %+v", size, row)
		}
		d.press("g")
		for i, want := range []string{"revenue balance", "revenue payout list", "revenue hold list", "revenue pending"} {
			if text := plain(d.screen()); !strings.Contains(lineOfCursor(text), []string{"USD", "7.00", "0.20", "77.00"}[i]) {
				t.Errorf("%v: the cursor is not on the sum of %q:\n%s", size, want, text)
			}
			d.press("enter")
			if got := ranLines(c.ran); len(got) != i+1 || got[i] != want || c.columns != size[0]-panel.PageMargin {
				t.Errorf("%v: sum %d ran %q for %d columns, want %q", size, i, got, c.columns, want)
			}
			d.press("esc", "j")
		}
		if row, ok := d.homeRow(); !ok || row.Proposal == nil {
			t.Errorf("%v: below the sums lies %+v", size, row)
		}
	}
}

// A newcomer who came without an agent is told how to come in so that something can be made, and whoever made a first unit, how it earns.
func TestNewcomersAreToldWhatNext(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 80, 24, func(o *Options) { o.Hosted = true })
	d.backend.Who.ReadOnly = true
	d.show1(pictureOf("creator"))
	d.screen()
	d.home = &wire.Home{Owner: "aria"}
	d.versions[panel.SecHome]++
	if text := onOneLine(d); !strings.Contains(text, "this session makes nothing: no agent came along to sign with; connect with ssh -A") {
		t.Errorf("the home says\n%s", text)
	}
	d.backend.Who.ReadOnly = false
	d.home = &wire.Home{Owner: "aria", Units: []wire.UnitRow{{ID: "a", Label: "IMVU-001", Status: "active"}}}
	d.versions[panel.SecHome]++
	if next := d.nextAtHome(); !strings.Contains(next, "it earns what a source reports, :revenue sources") {
		t.Errorf("next to a unit that earned nothing: %q", next)
	}
}

// What v runs is what re-verifies the thing under the eyes, and may be run by whoever asks: the whole ledger is the platform's to verify.
func TestVerifyRunsWhatItsAskerMay(t *testing.T) {
	t.Parallel()
	for role, want := range map[string]string{"creator": "revenue tally", "operator": "ledger verify"} {
		d, c := withCommands(t, nil)
		d.show1(pictureOf(role))
		d.press("4", "v")
		if got := ranLines(c.ran); len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("a %s at the splits ran %q, want %q", role, got, want)
		}
		d.press("esc", "8")
		if all := strings.Contains(plain(d.screen()), "v verify all"); all != (role == "operator") {
			t.Errorf("a %s is offered to verify all: %v", role, all)
		}
	}
	c := &homeCommands{}
	d := drive(t, theme.Options{}, 120, 36, func(o *Options) { o.Commands = c })
	d.show1(pictureOf("creator"))
	d.press("6", "enter")
	label := d.top().target.Label
	for tab, want := range panel.UnitTabs() {
		d.top().tab = tab
		c.ran = nil
		check := map[string]string{"identity": "platform prove ", "slice": "slices show ", "money": "revenue tally --unit "}[want]
		if check == "" {
			check = "imvu show "
		}
		if text := plain(d.screen()); !strings.Contains(text, "$ nexus "+check) {
			t.Errorf("%s names no %q:\n%s", want, check, text)
		}
		d.press("v")
		if got := ranLines(c.ran); len(got) != 1 || got[0] != check+label {
			t.Errorf("%s ran %q, want %q", want, got, check+label)
		}
		d.press("esc")
	}
}

// lineOfCursor is the line of a screen that the cursor is on.
func lineOfCursor(text string) string {
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, " ▸") {
			return line
		}
	}
	return ""
}

// However much there is to read, what is earned stays on the screen.
func TestNoticesLeaveRoomForTheMoney(t *testing.T) {
	t.Parallel()
	h := &wire.Home{Units: []wire.UnitRow{{ID: "a", Label: "IMVU-001"}}}
	for i := range 30 {
		h.Notices = append(h.Notices, wire.NoticeRow{ID: uint64(i + 1), Text: "x"})
	}
	rows := panel.HomeRows(h)
	if len(rows) != 6 || rows[0].Notice.ID != 30 || rows[4].More != 26 || rows[5].Unit == nil {
		t.Errorf("%d rows: %+v", len(rows), rows)
	}
}

// Leaving is announced after its name was typed; coming back is done at once.
func TestComingBackAsksNothing(t *testing.T) {
	t.Parallel()
	d, c := withCommands(t, nil)
	d.perform(splitWords("imvu exit --imvu-id IMVU-003 --announce"))
	if d.dialog == nil {
		t.Fatal("leaving asks nothing")
	}
	d.press("esc")
	if cmd := d.perform(splitWords("imvu exit --imvu-id IMVU-003 --cancel")); d.dialog != nil || cmd == nil {
		t.Fatalf("coming back asks: %+v", d.dialog)
	} else {
		cmd()
	}
	if !stdslices.Equal(c.ran, []string{"imvu exit --imvu-id IMVU-003 --cancel (read-only false)"}) {
		t.Errorf("ran %q", c.ran)
	}
}
