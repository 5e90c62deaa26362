package tui

import (
	"bytes"
	"fmt"
	"io"
	stdslices "slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

func typist(t *testing.T) (*prompt, *fakeCommands, *time.Time) {
	t.Helper()
	c, clock := &fakeCommands{}, tuitest.Time()
	o := &PlainOptions{Backend: tuitest.NewBackend(tuitest.Overview()), Commands: c, Now: func() time.Time { return clock }}
	return &prompt{o: o, now: picture{overview: tuitest.Overview()}}, c, &clock
}

// What is typed in the plain form is run by the palette's rules: what reads and what can be taken back at once, what disrupts after a yes, what is
// hard to take back after the name, a pause and a yes. Nothing is done by any other answer.
func TestPlainRunsByThePalettesRules(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		typed []string // "+4s" lets time pass
		ran   string
		says  string // of the last line
	}{
		"reads":                {[]string{"imvu list"}, "imvu list", "done: nexus imvu list"},
		"as in a shell":        {[]string{"nexus imvu list"}, "imvu list", "done: nexus imvu list"},
		"as in the palette":    {[]string{":imvu list"}, "imvu list", "done: nexus imvu list"},
		"reversible":           {[]string{"imvu scale IMVU-001 --cpu 3"}, "imvu scale IMVU-001 --cpu 3", "way back: imvu scale back"},
		"disruptive asks":      {[]string{"imvu suspend IMVU-001"}, "", "disruptive: Suspend a unit"},
		"and does it":          {[]string{"imvu suspend IMVU-001", "yes"}, "imvu suspend IMVU-001", "done: nexus imvu suspend IMVU-001"},
		"or not":               {[]string{"imvu suspend IMVU-001", "imvu list"}, "", "nothing was done"},
		"nothing is not yes":   {[]string{"imvu suspend IMVU-001", ""}, "", "nothing was done"},
		"a number is not yes":  {[]string{"imvu suspend IMVU-001", "1"}, "", "nothing was done"},
		"help runs no act":     {[]string{"imvu suspend --help"}, "imvu suspend --help", "done: nexus imvu suspend --help"},
		"name":                 {[]string{"imvu rollback IMVU-001 --to x"}, "", "answer: type IMVU-001 to go on"},
		"yes is not the name":  {[]string{"imvu rollback IMVU-001 --to x", "yes"}, "", "nothing was done"},
		"too soon":             {[]string{"imvu rollback IMVU-001 --to x", "IMVU-001", "yes"}, "", "too soon"},
		"after the pause":      {[]string{"imvu rollback IMVU-001 --to x", "IMVU-001", "+4s", "yes"}, "imvu rollback IMVU-001 --to x", "done:"},
		"too soon and then":    {[]string{"imvu rollback IMVU-001", "IMVU-001", "yes", "+4s", "yes"}, "imvu rollback IMVU-001", "done:"},
		"no after the pause":   {[]string{"imvu rollback IMVU-001 --to x", "IMVU-001", "+4s", "no"}, "", "nothing was done"},
		"nobody is frightened": {[]string{"imvu exit IMVU-001"}, "", "it goes on serving, and until 30 days"},
		"the way back":         {[]string{"imvu exit IMVU-001 --cancel"}, "imvu exit IMVU-001 --cancel", "done:"},
		"not built":            {[]string{"imvu start IMVU-001"}, "", "off: imvu start: not built in this version"},
		"offers":               {[]string{"tally"}, "", "choice 1: revenue tally, Figures and their split"},
		"a number takes one":   {[]string{"tally", "1"}, "revenue tally", "done: nexus revenue tally"},
		"a number acts never":  {[]string{"suspend", "1"}, "", "usage: imvu suspend UNIT"},
		"no such number":       {[]string{"tally", "7"}, "", "choice: 7 is none"},
		"numbers do not last":  {[]string{"tally", "help", "1"}, "", "no verb begins with 1;"},
		"no verb":              {[]string{"\x1b[2Jzz"}, "", `no verb begins with \x1b[2Jzz;`},
		"overview":             {[]string{"overview"}, "", "slice: IMVU-003 OVER"},
		"nothing":              {[]string{" "}, "", ""},
	} {
		p, commands, clock := typist(t)
		commands.undo = strings.Fields(map[bool]string{true: "imvu scale back"}[name == "reversible"])
		var said []string
		for _, line := range c.typed {
			if strings.HasPrefix(line, "+") {
				*clock = clock.Add(4 * time.Second)
				continue
			}
			said = p.answer(t.Context(), line)
		}
		want := []string(nil)
		if c.ran != "" {
			want = []string{c.ran + " (read-only false)"}
		}
		text := strings.Join(said, "\n")
		if !stdslices.Equal(commands.ran, want) || !strings.Contains(text, c.says) || strings.ContainsRune(text, '\x1b') {
			t.Errorf("%s: ran %q, says\n%s", name, commands.ran, text)
		}
	}
}

// A session that signs nothing runs what reads and says why nothing else.
func TestPlainReadOnlyRefusesActs(t *testing.T) {
	t.Parallel()
	p, c, _ := typist(t)
	p.o.ReadOnly = true
	if said := p.answer(t.Context(), "imvu scale IMVU-001 --cpu 3"); len(c.ran) != 0 || !strings.Contains(fmt.Sprint(said), "read-only") {
		t.Errorf("ran %q, says %q", c.ran, said)
	}
	c.code = 4
	said := p.answer(t.Context(), "imvu list")
	if !stdslices.Equal(c.ran, []string{"imvu list (read-only true)"}) || !stdslices.Contains(said, "exit 4: nexus imvu list") ||
		!stdslices.Contains(said, `IMVU-001  Aria\x1b[2J Music`) || !stdslices.Contains(said, "decision 57") {
		t.Errorf("ran %q, says %q", c.ran, said)
	}
}

// Commands are taken between the lines that say what changes; quit and the end of the input leave.
func TestPlainTakesCommandsWhileItTells(t *testing.T) {
	t.Parallel()
	for _, last := range []string{"quit", ""} {
		synctest.Test(t, func(t *testing.T) {
			node, out, c := tuitest.NewBackend(tuitest.Overview()), &bytes.Buffer{}, &fakeCommands{}
			in, keys := io.Pipe()
			go func() {
				time.Sleep(3 * time.Second)
				_, _ = io.WriteString(keys, "imvu list\n") // what comes of it is read below
				later := tuitest.Overview()
				later.Decisions = append([]wire.DecisionRow{{Index: later.Decisions[0].Index + 1, Verdict: wire.VerdictAllow}}, later.Decisions...)
				node.Show(later)
				time.Sleep(3 * time.Second)
				if last == "" {
					_ = keys.Close()
					return
				}
				_, _ = io.WriteString(keys, last+"\n")
			}()
			r, err := Plain(t.Context(), PlainOptions{Backend: node, Out: out, In: in, Commands: c})
			if err != nil || r.Quit != QuitDetach || int(r.Bytes) != out.Len() || len(c.ran) != 1 {
				t.Errorf("%+v, %v, ran %q", r, err, c.ran)
			}
			at := -1
			for _, want := range []string{plainPrompt, "done: nexus imvu list", "gates: 1 allowed, 0 denied"} {
				next := strings.Index(out.String(), want)
				if next <= at {
					t.Errorf("%q does not come after what it should:\n%s", want, out)
				}
				at = next
			}
			if strings.Contains(out.String(), "another session") {
				t.Errorf("it sends the reader elsewhere:\n%s", out)
			}
			_ = in.Close()
		})
	}
}
