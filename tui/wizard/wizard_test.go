package wizard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/creack/pty"
	"github.com/hinshun/vt10x"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

// outcome is what Run came to.
type outcome struct {
	req     wire.UnitCreate
	created wire.UnitCreated
	err     error
}

// console is the wizard on a terminal of its own.
type console struct {
	*tuitest.Screen
	t     *testing.T
	ended chan outcome
}

func start(t *testing.T, o Options, width, height int) *console {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close(); tty.Close() })
	if err := pty.Setsize(master, &pty.Winsize{Cols: uint16(width), Rows: uint16(height)}); err != nil {
		t.Fatal(err)
	}
	c := &console{Screen: tuitest.NewScreen(master, vt10x.New(vt10x.WithSize(width, height))), t: t, ended: make(chan outcome, 1)}
	o.In, o.Out = tty, tty
	go func() {
		req, created, err := Run(t.Context(), o)
		c.ended <- outcome{req, created, err}
	}()
	return c
}

func (c *console) await(words ...string) {
	c.t.Helper()
	for end := time.Now().Add(time.Minute); !c.Shows(words...); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("the screen does not show %q:\n%s", words, c.Text())
		}
	}
}

func (c *console) press(keys string) {
	c.t.Helper()
	if err := c.Press(keys); err != nil {
		c.t.Fatal(err)
	}
}

func (c *console) end() outcome {
	c.t.Helper()
	select {
	case o := <-c.ended:
		return o
	case <-time.After(time.Minute):
		c.t.Fatalf("the wizard does not end:\n%s", c.Text())
		return outcome{}
	}
}

// A first unit with defaults: six enters and a name (the target of the console's research).
func TestDefaultsMakeAUnit(t *testing.T) {
	t.Parallel()
	node := tuitest.NewBackend(nil)
	draft := filepath.Join(t.TempDir(), "draft.json")
	c := start(t, Options{Backend: node, DraftFile: draft}, 80, 24)
	c.await("welcome", "exit portability", "Making it costs nothing")
	c.press("\r")
	c.await("identity", "you sign as maria", "SHA256:91bc07aaUutGAuMvyRgMBvUe6xxqqvR3gJvYiB7SFmk")
	c.press("\r")
	c.await("step 3", "Name")
	c.press("Nova")
	c.await("nova.imvu-NNN.nexus.localhost")
	c.press("\r")
	c.await("envelope", "standard")
	c.press("\r")
	c.await("jurisdiction", "US-CCPA")
	c.press("\r")
	c.await("slice", "interactive", "10 ms")
	c.press("\r\r")
	c.await("revenue", "55/45", "USD 10,000.00 you get USD 5,500.00")
	c.press("\r")
	c.await("step 8 of 9 review", "All 17 gates would allow it", "G17 platform-non-repudiation", "Create it?")
	c.press("\r")
	end := c.end()
	want := wire.UnitCreate{Kind: "imvu", Name: "Nova", Jurisdiction: "US-CCPA", Class: "interactive",
		Envelope: wire.Envelope{CPUCores: 2, MemoryBytes: 4 << 30, StorageBytes: 50 << 30, Processes: 512}}
	if end.err != nil || end.req != want || end.created.Unit.Label != "IMVU-007" {
		t.Errorf("it came to %+v", end)
	}
	c.await("created", "IMVU-007 Nova", "nexus imvu show IMVU-007", "gates explain 120442")
	if _, err := os.Stat(draft); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the draft stays after the creation: %v", err)
	}
}

// A platform with own values for somebody else: taken name, refusing gate, going back, and another try.
func TestMistakesAreMended(t *testing.T) {
	t.Parallel()
	node := tuitest.NewBackend(nil)
	c := start(t, Options{Backend: node}, 100, 34)
	c.await("What shall it be?")
	c.press("j\r")
	c.await("Who shall own it?")
	c.press("j\r")
	c.await("Name of the owner")
	c.press("\r")
	c.await("a name, or go back and own it yourself")
	c.press("trae\r")
	c.await("plat-NNN")
	c.press("taken\r")
	c.await("IMVU-001 has it", "choose another name")
	c.press("\x15fine\r") // ctrl+u empties the line
	c.await("envelope", "own values")
	c.press("jj\r")
	c.await("values", "512MiB")
	c.press("\x158\r\x15lots\r")
	c.await("a number of GB such as 8, or 512MiB")
	c.press("\x15512MiB\r\r\r")
	c.await("jurisdiction")
	c.press("\r")
	c.await("Class of the slice")
	c.press("\r\r")
	c.await("mini-platform splits 80/20")
	c.press("\r")
	c.await("1 of 17 gates would refuse it", "DENY G07", "8 cores, 512MiB memory", "owned by trae")
	c.press("k\r") // "create it" while a gate refuses
	c.await("the gates refuse it as it stands")
	for _, word := range []string{"mini-platform splits", "Class of the slice", "jurisdiction", "values"} {
		c.press("\x1b")
		c.await(word)
	}
	c.await("CPU cores > 8") // going back lost nothing
	c.press("\x154\r")
	c.await("Memory    > 512MiB")
	c.press("\r\r\r")
	c.await("jurisdiction")
	c.press("\r")
	c.await("Class of the slice")
	c.press("\r\r")
	c.await("80/20")
	c.press("\r")
	c.await("All 17 gates would allow it")
	node.Refuse(errors.New("disk full"))
	c.press("\r")
	c.await("disk full")
	node.Refuse(nil)
	c.press("\x1b")
	c.await("mini-platform splits")
	c.press("\r")
	c.await("Create it?")
	c.press("\r")
	end := c.end()
	if end.err != nil || end.req.Owner != "trae" || end.req.Envelope.CPUCores != 4 ||
		end.req.Envelope.MemoryBytes != 512<<20 ||
		end.created.Unit.Label != "PLAT-004" {
		t.Errorf("it came to %+v", end)
	}
}

// Leaving keeps the draft, and the next run goes on where it was; flags overrule it.
func TestADraftIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	node, path := tuitest.NewBackend(nil), filepath.Join(t.TempDir(), "draft.json")
	c := start(t, Options{Backend: node, DraftFile: path}, 80, 24)
	c.await("What shall it be?")
	c.press("\r")
	c.await("Who shall own it?")
	c.press("\r")
	c.await("step 3")
	c.press("half a na")
	c.await("half a na")
	c.press("\x03")
	if end := c.end(); !errors.Is(end.err, ErrLeft) {
		t.Fatalf("leaving gave %v", end.err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the draft: %v, %v", info, err)
	}
	c = start(t, Options{Backend: node, DraftFile: path, Prefill: wire.UnitCreate{Jurisdiction: "EU-GDPR"}}, 80, 24)
	c.await("step 3", "half a na", "The draft that was kept goes on")
	c.press("\x03")
	c.end()
	d, err := loadDraft(path)
	if err != nil || d.Name != "half a na" || d.Jurisdiction != "EU-GDPR" || d.Step != "name" {
		t.Errorf("the draft became %+v, %v", d, err)
	}
	if calls := node.Calls(); len(calls) != 0 {
		t.Errorf("the node was asked %v", calls)
	}
}

// The accessible form asks the same in plain lines; input may come all at once.
func TestAccessible(t *testing.T) {
	t.Parallel()
	answers := strings.Join([]string{"", "", "<", "", "", "Nova Té", "9", "4", "4", "512MiB", "", "100", "2", "", "none", "77",
		"", "1"}, "\n") + "\n"
	node, out := tuitest.NewBackend(nil), &bytes.Buffer{}
	req, created, err := Run(t.Context(), Options{Backend: node, In: strings.NewReader(answers), Out: out,
		Accessible: true})
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if req.Name != "Nova Té" || req.Envelope.MemoryBytes != 512<<20 || req.Envelope.Processes != 100 || req.Sessions != 77 ||
		req.Jurisdiction != "EU-GDPR" ||
		created.Unit.Label != "IMVU-007" {
		t.Errorf("%+v\n%s", req, out)
	}
	for _, want := range []string{"Step 1 of 9: welcome.", "Please type a number from 1 to 4.", `Not possible: session cap "none": not a number of connections`,
		"slice class interactive with at most 77 connections at once",
		"gate 17 platform-non-repudiation: allow", "Step 10 of 10: create.", "created"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the lines lack %q:\n%s", want, out)
		}
	}
	if strings.ContainsAny(out.String(), "\x1b\r▸─") {
		t.Errorf("the lines move the cursor or draw:\n%q", out)
	}
}

func TestAccessibleRefusalsAndLeaving(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers []string
		words   []string
		err     error
	}{
		"end of input": {[]string{"", ""}, []string{"Step 3 of 9: name."}, ErrLeft},
		"leave":        {[]string{"", "", "x", "", "", "", "", "", "3"}, []string{"All 17 gates would allow it"}, ErrLeft},
		"bad name":     {[]string{"", "", "", "taken"}, []string{"Not possible: name: missing", "IMVU-001 has it"}, ErrLeft},
		"denied": {[]string{"", "", "x", "4", "8", "", "", "", "", "", "", "", "1", "2", "5"},
			[]string{"1 of 17 gates would refuse it", "DENY",
				"the gates refuse it as it stands", "What?", "CPU cores [8]"}, ErrLeft},
	} {
		out := &bytes.Buffer{}
		_, _, err := Run(t.Context(), Options{Backend: tuitest.NewBackend(nil),
			In: strings.NewReader(strings.Join(c.answers, "\n") + "\n"), Out: out,
			Accessible: true})
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		for _, w := range c.words {
			if w != "DENY" && !strings.Contains(out.String(), w) {
				t.Errorf("%s lacks %q:\n%s", name, w, out)
			}
		}
	}
}

// Every step keeps its place at every size: exactly as many lines as the terminal has, none wider, the question
// visible.
func TestStepsKeepTheirPlace(t *testing.T) {
	t.Parallel()
	for _, o := range []theme.Options{{}, {Color: theme.Color256}} {
		for width := 1; width <= 170; width += 13 {
			for height := 1; height <= 50; height += 4 {
				w, err := newSession(Options{Backend: tuitest.NewBackend(nil), Theme: o, Width: width, Height: height,
					Prefill: wire.UnitCreate{Name: "evil\x1b[2J", Owner: "新星", Envelope: wire.Envelope{CPUCores: 8}}})
				if err != nil {
					t.Fatal(err)
				}
				m := &model{session: w, ctx: t.Context(), huh: huhTheme(w.theme), keys: huhKeys(), width: width, height: height}
				m.verdicts = tuitest.Verdicts(true)
				for m.at = range m.path() {
					m.build(m.path()[m.at])
					m.problem = errors.New("a problem that is told \x1b[2J")
					lines := strings.Split(m.View(), "\n")
					if len(lines) != height {
						t.Fatalf("step %d at %dx%d: %d lines", m.at, width, height, len(lines))
					}
					for _, line := range lines {
						if strings.Contains(line, "\x1b[2J") {
							t.Fatalf("step %d lets an escape sequence through: %q", m.at, line)
						}
					}
				}
			}
		}
	}
}

func TestParsing(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]uint64{"8": 8 << 30, "0.5": 1 << 29, "512MiB": 512 << 20, "512 mib": 512 << 20,
		"2G": 2 << 30, "1GB": 1e9, "1TiB": 1 << 40} {
		if got, err := parseSize("memory", in); err != nil || got != want {
			t.Errorf("size %q: %d, %v; want %d", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "-1", "0", "lots", "NaN", "Inf", "1e40", "8 PB", "MiB"} {
		if got, err := parseSize("memory", bad); err == nil {
			t.Errorf("size %q became %d", bad, got)
		}
		if got, err := parseCores(bad); err == nil {
			t.Errorf("cores %q became %g", bad, got)
		}
		if got, err := parseProcesses(bad); err == nil {
			t.Errorf("processes %q became %d", bad, got)
		}
	}
	for _, bad := range []string{"", " a", "a\x1bb", strings.Repeat("x", 81), "\xff"} {
		if ValidName(bad) == nil {
			t.Errorf("name %q is accepted", bad)
		}
	}
	for _, good := range []string{strings.Repeat("新", 80), "夜の番組 🎬", "👩 Straße"} {
		if err := ValidName(good); err != nil {
			t.Error(err)
		}
	}
	// What is wrong is said once, in words, and what goes instead.
	for bad, want := range map[string]string{"crew 👨\u200d👩": "joined of several", "夜の\u3000番組": "a space of another kind (an ordinary space goes)",
		"a\u202eb": "U+202E, which is not seen", "a\x1bb": "U+001B, which cannot be printed"} {
		if err := ValidName(bad); err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "(") != 1 {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"8", "512MiB", "0.5", "", "1e9", "0x1p4", "١"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseSize("memory", s)
		if err == nil && (n == 0 || n > sizeBytesMax) {
			t.Fatalf("%q became %d", s, n)
		}
		if err == nil {
			if again, err := parseSize("memory", sizeText(n)); err != nil || again != n && n%1024 == 0 {
				t.Fatalf("%q: %d shown as %q reads as %d, %v", s, n, sizeText(n), again, err)
			}
		}
	})
}

func FuzzDraft(f *testing.F) {
	good, err := json.Marshal(newDraft(wire.UnitCreate{Name: "x"}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("{}"))
	f.Add([]byte("[1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "draft")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		w, err := newSession(Options{Backend: tuitest.NewBackend(nil), DraftFile: path})
		if err != nil {
			t.Fatal(err)
		}
		m := &model{session: w, ctx: context.Background(), huh: huhTheme(w.theme), keys: huhKeys(), width: 80, height: 24}
		m.at = position(w.path(), w.draft.Step)
		m.build(m.path()[m.at])
		if m.Update(tea.WindowSizeMsg{Width: 60, Height: 20}); len(strings.Split(m.View(), "\n")) != 20 {
			t.Fatalf("a draft of %q draws %q", b, m.View())
		}
	})
}

// A refusal in the receipt is no success.
func TestARefusedReceiptIsAnError(t *testing.T) {
	t.Parallel()
	w, err := newSession(Options{Backend: refusing{tuitest.NewBackend(nil)}, Prefill: wire.UnitCreate{Name: "x"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.create(t.Context()); nexus.CodeOf(err) != nexus.CodeRefused || !strings.Contains(err.Error(),
		"smaller") {
		t.Errorf("a refusal gives %v", err)
	}
}

type refusing struct{ *tuitest.Backend }

func (refusing) CreateUnit(context.Context, wire.UnitCreate) (wire.UnitCreated, error) {
	return wire.UnitCreated{Receipt: nexus.Receipt{Allowed: false, Reason: "too large", Fix: "ask for a smaller one"}}, nil
}

// The console resumes a draft of a mini-platform as one: only what flags said overrules it. Before the first question esc leaves with the draft
// kept, and that a draft goes on is said where it goes on and no longer.
func TestAResumedDraftKeepsItsKind(t *testing.T) {
	t.Parallel()
	node, path := tuitest.NewBackend(nil), filepath.Join(t.TempDir(), "draft.json")
	if Waiting(path) != "" {
		t.Error("a draft waits before there is one")
	}
	c := start(t, Options{Backend: node, DraftFile: path}, 80, 24)
	c.await("What shall it be?", "esc leave, the draft is kept")
	c.press("j\r")
	c.await("Who shall own it?", "esc back")
	c.press("\r")
	c.await("Name >")
	c.press("Caf\u00e9")
	c.await("cafe.plat-NNN.nexus.localhost")
	c.press("\x03")
	c.end()
	if got := Waiting(path); got != "the half-finished creation of \"Caf\u00e9\", at name" {
		t.Errorf("waiting: %q", got)
	}
	c = start(t, Options{Backend: node, DraftFile: path}, 80, 24)
	c.await("cafe.plat-NNN.nexus.localhost", "The draft that was kept goes on")
	c.press("\x1b")
	c.await("Who shall own it?")
	if c.Shows("The draft that was kept goes on") {
		t.Errorf("it is said again:\n%s", c.Text())
	}
	c.press("\x1b")
	c.await("\u25b8 a mini-platform")
	c.press("\x1b")
	if end := c.end(); !errors.Is(end.err, ErrLeft) {
		t.Errorf("esc before the first question: %+v", end)
	}
	if d, err := loadDraft(path); err != nil || d.Kind != "platform" {
		t.Errorf("the draft became %+v, %v", d, err)
	}
}

// A film maker gets a channel on Nexus OTT Mini by the same way, without questions that a channel has no answer to. Blanks around a name are
// taken away, a name of blanks alone is missing, the end of a list is reached at 80x24, and the cursor of a text can be seen.
func TestAChannelIsMadeByTheWizard(t *testing.T) {
	t.Parallel()
	node := tuitest.NewBackend(nil)
	long := make([]Choice, 16)
	for i := range long {
		long[i] = Choice{fmt.Sprintf("J-%02d", i), strings.Repeat("very long words ", 8)}
	}
	c := start(t, Options{Backend: node, Jurisdictions: long}, 80, 24)
	c.await("What shall it be?", "up down choose", "a channel on Nexus Stream, live")
	c.press("jj\r")
	c.await("Who shall own it?")
	c.press("\r")
	c.await("step 3 of 7 name", "NAME.chan-NNN.nexus.localhost")
	c.press("   \r")
	c.await("name: missing")
	c.press(" Kino  ")
	c.await("kino.chan-NNN.nexus.localhost")
	c.press("\r")
	c.await("step 4 of 7 jurisdiction", "J-15")
	c.press("\r")
	c.await("Your channel on Nexus OTT Mini splits 80/20")
	c.press("\r")
	c.await("channel on Nexus OTT Mini Kino", "at kino.chan-NNN.nexus.localhost", "Create it?")
	c.press("\r")
	end := c.end()
	want := wire.UnitCreate{Kind: "channel", On: "ott", Name: "Kino", Jurisdiction: "US-CCPA"}
	if end.err != nil || end.req != want {
		t.Errorf("it came to %+v", end)
	}
}

// What the node has against a name is said without the name of the action that was tried.
func TestAProblemIsSaidToPeople(t *testing.T) {
	t.Parallel()
	err := nexus.Errf("imvu.create", nexus.CodeConflict, "name \"www\"", "choose another name", "is reserved")
	if got := problemWords(fmt.Errorf("asked: %w", err)); got != "name \"www\": is reserved (choose another name)" {
		t.Errorf("%q", got)
	}
	if got := problemWords(errors.New("disk full")); got != "disk full" {
		t.Errorf("%q", got)
	}
}

// The place where a typed letter goes is shown, also at the end of the text.
func TestTheCursorOfATextIsSeen(t *testing.T) {
	t.Parallel()
	w, err := newSession(Options{Backend: tuitest.NewBackend(nil), In: strings.NewReader(""), Out: io.Discard,
		Theme: theme.Options{Color: theme.ColorTrue}})
	if err != nil {
		t.Fatal(err)
	}
	m := &model{session: w, ctx: t.Context(), huh: huhTheme(w.theme), keys: huhKeys(), width: 80, height: 24}
	m.at = position(w.path(), "name")
	m.enter()
	for _, r := range "Nova" {
		m.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}})
	}
	if view := m.View(); !strings.Contains(view, "\x1b[7") && !strings.Contains(view, ";7m") && !strings.Contains(view, ";7;") {
		t.Errorf("no cell stands out:\n%q", view)
	}
}

// The session cap is asked for beside what the chosen class has, a higher one than a gateway takes is refused here, and the review says it. A cap that
// the node did not take is said on the card: the unit stands.
func TestTheSessionCapIsAskedFor(t *testing.T) {
	t.Parallel()
	node := capless{tuitest.NewBackend(nil)}
	c := start(t, Options{Backend: node, Classes: []Choice{{"interactive", "pages"}, {"bulk", "downloads"}}, SessionsMax: 16384,
		ClassSessions: map[string]int{"interactive": 4096, "bulk": 1024}, Prefill: wire.UnitCreate{Name: "Nova"}}, 80, 24)
	c.await("What shall it be?")
	c.press("\r\r\r\r\r")
	c.await("Class of the slice", "nothing typed: 4096, the number of class interactive")
	c.press("j\r")
	c.await("Session cap", "nothing typed: 1024, the number of class bulk")
	c.press("16385\r")
	c.await("session cap 16385: more than a gateway takes (at most 16384)")
	c.press("\x1500\r") // 0 is the class's number
	c.await("revenue")
	c.press("\x1b")
	c.await("Class of the slice")
	c.press("\r")
	c.await("Session cap")
	c.press("\x15500\r\r")
	c.await("slice class bulk with at most 500 connections at once", "Create it?")
	c.press("\r")
	if end := c.end(); end.err != nil || end.req.Sessions != 500 || end.req.Class != "bulk" {
		t.Errorf("it came to %+v", end)
	}
	c.await("not done", "its slice has the session cap of its class")
}

// capless makes units and gives no caps.
type capless struct{ *tuitest.Backend }

func (b capless) CreateUnit(ctx context.Context, req wire.UnitCreate) (wire.UnitCreated, error) {
	made, err := b.Backend.CreateUnit(ctx, req)
	made.Undone = "its slice has the session cap of its class"
	return made, err
}

// A wizard that somebody keeps says so in its top line at every step and width that has room for it, and no other does.
func TestARecordedWizardSaysSo(t *testing.T) {
	t.Parallel()
	for _, recorded := range []bool{true, false} {
		for _, width := range []int{14, 40, 80, 170} {
			w, err := newSession(Options{Backend: tuitest.NewBackend(nil), Recorded: recorded, Width: width, Height: 24})
			if err != nil {
				t.Fatal(err)
			}
			m := &model{session: w, ctx: t.Context(), huh: huhTheme(w.theme), keys: huhKeys(), width: width, height: 24}
			for m.at = range m.path() {
				m.build(m.path()[m.at])
				if top, _, _ := strings.Cut(m.View(), "\n"); strings.Contains(top, " rec ") != recorded {
					t.Errorf("recorded %t, step %d at width %d: %q", recorded, m.at, width, top)
				}
			}
		}
	}
}
