package tui

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

var update = flag.Bool("update", false, "rewrite the golden screens; read the diff before committing")

// driven is a model without a program: messages go in, screens come out, commands run at once.
type driven struct {
	*model
	t       testing.TB
	backend *tuitest.Backend
	ended   bool
}

func drive(t testing.TB, th theme.Options, width, height int, change func(*Options)) *driven {
	t.Helper()
	b := tuitest.NewBackend(nil)
	o := Options{Backend: b, Theme: th, Width: width, Height: height, Now: tuitest.Time}
	if change != nil {
		change(&o)
	}
	keys, err := keymap.New(o.Keys)
	if err != nil {
		t.Fatal(err)
	}
	return &driven{model: newModel(context.Background(), o, keys, &frameWriter{}), t: t, backend: b}
}

func (d *driven) send(msg tea.Msg) {
	_, cmd := d.Update(msg)
	if cmd == nil {
		return
	}
	switch answer := cmd().(type) {
	case nil:
	case tea.QuitMsg:
		d.ended = true
	case evidenceMsg, actMsg, stoppedMsg:
		d.send(answer)
	}
}

func (d *driven) show1(o *wire.Overview) { d.send(pictureMsg{picture: picture{overview: o}}) }

// press sends keys: one word a key, quoted text a rune each.
func (d *driven) press(keys ...string) {
	named := map[string]tea.KeyType{"enter": tea.KeyEnter, "esc": tea.KeyEsc, "tab": tea.KeyTab,
		"shift+tab": tea.KeyShiftTab, "down": tea.KeyDown,
		"up": tea.KeyUp, "pgdown": tea.KeyPgDown, "pgup": tea.KeyPgUp, "ctrl+c": tea.KeyCtrlC,
		"backspace": tea.KeyBackspace, "ctrl+l": tea.KeyCtrlL,
		"space": tea.KeySpace, "ctrl+u": tea.KeyCtrlU}
	for _, k := range keys {
		if t, ok := named[k]; ok {
			d.send(tea.KeyMsg{Type: t})
			continue
		}
		for _, r := range k {
			d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}})
		}
	}
}

// screen checks the promise of View and gives it.
func (d *driven) screen() string {
	d.t.Helper()
	view := d.View()
	lines := strings.Split(view, "\n")
	if len(lines) != d.height {
		d.t.Fatalf("%dx%d, view %d: %d lines", d.width, d.height, d.model.view, len(lines))
	}
	for _, line := range lines {
		if w := theme.Width(plainText(line)); w > d.width {
			d.t.Fatalf("%dx%d, view %d: line of %d cells %q", d.width, d.height, d.model.view, w, line)
		}
	}
	return view
}

// plainText takes the colours off: SGR sequences are all that a screen may hold.
func plainText(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != 0x1b {
			b.WriteByte(s[i])
			continue
		}
		for i < len(s) && s[i] != 'm' {
			i++
		}
	}
	return b.String()
}

// The main views at the sizes of the layout, in colour and without, with a fixed clock.
func TestGoldenScreens(t *testing.T) {
	t.Parallel()
	scenes := []struct {
		name string
		keys []string
	}{
		{"overview", nil}, {"launch", []string{"1"}}, {"slices", []string{"2"}}, {"gates", []string{"3"}}, {"splits",
			[]string{"4"}},
		{"cluster", []string{"5"}}, {"units", []string{"6"}}, {"audit", []string{"8"}}, {"messages", []string{"9"}},
		{"evidence", []string{"8", "enter"}}, {"proof", []string{"4", "G", "enter"}}, {"slice", []string{"2", "enter"}},
		{"help", []string{"?"}},
		{"filtered", []string{"8", "/", "deny", "enter"}}, {"quit", []string{"q"}},
	}
	modes := map[string]theme.Options{"color": {Color: theme.Color256}, "nocolor": {}, "ascii": {Color: theme.Color16,
		ASCII: true}}
	for _, s := range scenes {
		for _, size := range [][2]int{{40, 8}, {80, 24}, {120, 36}, {160, 48}} {
			for mode, th := range modes {
				if mode == "ascii" && (s.name != "overview" || size[0] != 80) {
					continue
				}
				name := fmt.Sprintf("%s-%dx%d-%s.golden", s.name, size[0], size[1], mode)
				d := drive(t, th, size[0], size[1], func(o *Options) { o.Launching = true })
				d.show1(tuitest.Overview())
				d.press(s.keys...)
				compareGolden(t, name, d.screen())
			}
		}
	}
	d := drive(t, theme.Options{}, 80, 24, nil)
	d.show1(&wire.Overview{Time: tuitest.Time(), Node: wire.NodeInfo{Name: "edge-1", State: wire.NodeServing}})
	compareGolden(t, "empty-80x24-nocolor.golden", d.screen())
	d = drive(t, theme.Options{Color: theme.Color256}, 80, 24, nil)
	d.show1(tuitest.Overview())
	d.send(pictureMsg{picture: picture{overview: tuitest.Overview(), lost: true, lostAt: tuitest.Time().Add(time.Second),
		cause: context.DeadlineExceeded}})
	compareGolden(t, "lost-80x24-color.golden", d.screen())
}

// compareGolden keeps escape bytes readable as the symbol for escape.
func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("..", "testdata", "frames", name)
	got = strings.ReplaceAll(got, "\x1b", "␛") + "\n"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test ./tui -run Golden -update, then read the diff):\ngot\n%s\nwant\n%s", name, got, want)
	}
}
