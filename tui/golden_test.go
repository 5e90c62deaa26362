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

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
	"github.com/BobbyBlanco400/nexus-cos/tui/tuitest"
)

var update = flag.Bool("update", false, "rewrite the golden screens; read the diff before committing")

// scene is a state of the console worth a picture.
type scene struct {
	name string
	keys []string
}

// scenes are all views, every kind of page, and what lies over them.
func scenes() []scene {
	return []scene{{"overview", nil}, {"launch", []string{"1"}}, {"slices", []string{"2"}}, {"gates", []string{"3"}}, {"splits", []string{"4"}},
		{"cluster", []string{"5"}}, {"units", []string{"6"}}, {"media", []string{"7"}}, {"audit", []string{"8"}}, {"messages", []string{"9"}},
		{"home", []string{"H"}}, {"home-unit", []string{"H", "j", "j", "j", "enter"}}, {"log", []string{"L"}},
		{"phase", []string{"1", "g", "j", "j", "j", "j", "j", "j", "enter"}}, {"slice", []string{"2", "enter"}}, {"gate",
			[]string{"3", "g", "j", "j", "j", "j", "j", "j", "enter"}},
		{"class", []string{"4", "enter"}}, {"account", []string{"4", "enter", "enter"}}, {"proof", []string{"4", "enter", "enter", "enter"}},
		{"entry", []string{"4", "enter", "enter", "j", "j", "enter"}}, {"node", []string{"5", "enter"}}, {"unit", []string{"6", "enter"}},
		{"unit-names", []string{"6", "enter", "l", "l"}}, {"unit-chain", []string{"6", "enter", "h", "h", "h"}}, {"evidence", []string{"8", "enter"}},
		{"chain", []string{"8", "l"}}, {"findings", []string{"8", "h"}}, {"help", []string{"?"}}, {"filtered", []string{"8", "/", "deny", "enter"}},
		{"marked", []string{"6", "space", "space"}}, {"palette", []string{":", "imvu s"}}, {"arguments", []string{":", "imvu scale "}},
		{"confirm", []string{"6", "S"}}, {"irreversible", []string{":", "imvu rollback IMVU-003", "enter", "IMVU"}}, {"output", []string{":", "imvu list", "enter"}},
		{"searched", []string{"8", "enter", "/", "gate", "enter"}}, {"paused", []string{"p"}}, {"quit", []string{"q"}}}
}

// goldenSizes are the layouts.
func goldenSizes() [][2]int { return [][2]int{{40, 8}, {80, 24}, {120, 36}, {160, 48}} }

// looks are the colour modes with two themes each.
func looks() map[string]theme.Options {
	out := map[string]theme.Options{}
	for name, c := range map[string]theme.Color{"none": theme.ColorNone, "16": theme.Color16, "256": theme.Color256, "true": theme.ColorTrue} {
		for _, look := range []string{"dark", "high-contrast"} {
			out[name+" "+look], _ = theme.Options{Color: c}.BuiltIn(look)
		}
	}
	return out
}

func (s scene) drive(t *testing.T, th theme.Options, size [2]int) *driven {
	d := drive(t, th, size[0], size[1], func(o *Options) { o.Launching = true })
	d.show1(tuitest.Overview())
	d.send(logMsg{page: wire.LogPage{Next: 900, Lines: logFixture()}})
	d.screen() // pages know their lines once they were drawn
	for _, k := range s.keys {
		d.press(k)
		d.screen()
	}
	return d
}

func logFixture() []string {
	var out []string
	for i, line := range []string{`"level":"INFO","msg":"member","component":"cluster","event":"join","node":"vm"`, `"level":"DEBUG","msg":"tick"`,
		`"level":"WARN","msg":"deny G07 IMVU-003 imvu.scale asked=8 envelope=4","component":"gates","index":120440`,
		`"level":"ERROR","msg":"a line that is long enough to be wrapped on every screen but the widest, because somebody put a whole story into it and then went on about it for a while","component":"edge"`,
		`"level":"INFO","msg":"tenant says \u001b[2J\u202e","component":"edge"`} {
		out = append(out, fmt.Sprintf(`{"time":"2026-03-14T14:22:0%d.114Z",%s}`, i, line))
	}
	return append(out, "a line that is no JSON")
}

// Every scene at every size: the text and the style of each cell are as recorded, in four colour modes and two themes. A style is
// a name in the record; what a theme makes of it is checked against the theme itself, so one record holds for all.
func TestGoldenScreens(t *testing.T) {
	t.Parallel()
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			var record strings.Builder
			for _, size := range goldenSizes() {
				recordSize(t, &record, s, size)
			}
			compareGolden(t, s.name+".golden", record.String())
		})
	}
}

// recordSize writes one size of a scene: its text, the styles, and the lines that look otherwise without colours.
func recordSize(t *testing.T, record *strings.Builder, s scene, size [2]int) {
	full, _ := theme.Options{Color: theme.Color256}.BuiltIn("dark")
	d := s.drive(t, full, size)
	text, styles := apart(t, d.theme(), d.screen())
	fmt.Fprintf(record, "== %dx%d\n", size[0], size[1])
	for i := range text {
		fmt.Fprintf(record, "%s\n", strings.TrimRight("|"+text[i], " "))
	}
	for i := range styles {
		if runs := runLengths(styles[i]); runs != "" {
			fmt.Fprintf(record, "%d %s\n", i, runs)
		}
	}
	noted := false
	for name, o := range looks() {
		d := s.drive(t, o, size)
		view := d.screen()
		if o.Color == theme.ColorNone {
			if strings.Contains(view, "\x1b") {
				t.Fatalf("%s %v %s: an escape without colours", s.name, size, name)
			}
			for i, line := range strings.Split(view, "\n") {
				if strings.TrimRight(line, " ") != strings.TrimRight(text[i], " ") && !noted {
					fmt.Fprintf(record, "none %d|%s\n", i, strings.TrimRight(line, " "))
				}
			}
			noted = true
			continue
		}
		if want := painted(d.theme(), text, styles); collapse(view) != collapse(want) {
			t.Errorf("%s %v in %s is not the recorded screen in that theme:\n%q\nwant\n%q", s.name, size, name, collapse(view), collapse(want))
		}
	}
}

// letters of styles in the records: plain, strong, faint, accent, good, warn, bad, info.
const letters = "psfagwbi"

// apart takes a drawn screen apart into text and, per line, the letter of each byte's style.
func apart(t *testing.T, th *theme.Theme, view string) (text []string, styles []string) {
	byCode := map[string]byte{}
	for s := range len(letters) {
		on, _, _ := strings.Cut(th.Text(theme.Style(s), "x"), "x")
		byCode[on] = letters[s]
	}
	for _, line := range strings.Split(view, "\n") {
		var plainLine, style strings.Builder
		now := byte('p')
		for i := 0; i < len(line); {
			if line[i] != 0x1b {
				plainLine.WriteByte(line[i])
				style.WriteByte(now)
				i++
				continue
			}
			end := i + strings.IndexByte(line[i:], 'm') + 1
			code := line[i:end]
			switch letter, ok := byCode[code]; {
			case code == "\x1b[0m":
				now = 'p'
			case ok:
				now = letter
			default:
				t.Fatalf("%q is no style of the theme in %q", code, line)
			}
			i = end
		}
		text, styles = append(text, plainLine.String()), append(styles, style.String())
	}
	return text, styles
}

// runLengths writes a line's styles as runs, "" when all of it is plain.
func runLengths(styles string) string {
	styles = strings.TrimRight(styles, "p")
	var out []string
	for i := 0; i < len(styles); {
		n := i
		for n < len(styles) && styles[n] == styles[i] {
			n++
		}
		out = append(out, fmt.Sprintf("%d%c", n-i, styles[i]))
		i = n
	}
	return strings.Join(out, " ")
}

// painted draws recorded text and styles in a theme.
func painted(th *theme.Theme, text, styles []string) string {
	lines := make([]string, len(text))
	for i := range text {
		var b []byte
		for k := 0; k < len(text[i]); {
			n := k
			for n < len(text[i]) && styles[i][n] == styles[i][k] {
				n++
			}
			b = th.Paint(b, theme.Style(strings.IndexByte(letters, styles[i][k])), text[i][k:n])
			k = n
		}
		lines[i] = string(b)
	}
	return strings.Join(lines, "\n")
}

// collapse writes a screen as code and text of each run, so that two ways to say the same are equal: blanks carry no style.
func collapse(view string) string {
	var out strings.Builder
	now, said := "", ""
	for i := 0; i < len(view); {
		if view[i] == 0x1b {
			end := i + strings.IndexByte(view[i:], 'm') + 1
			if now = view[i:end]; now == "\x1b[0m" {
				now = ""
			}
			i = end
			continue
		}
		if view[i] != ' ' && view[i] != '\n' && now != said {
			fmt.Fprintf(&out, "<%s>", strings.ReplaceAll(now, "\x1b", ""))
			said = now
		}
		out.WriteByte(view[i])
		i++
	}
	return out.String()
}

// What no theme changes: an empty node, a lost one, and the ASCII set.
func TestGoldenStates(t *testing.T) {
	t.Parallel()
	d := drive(t, theme.Options{}, 80, 24, nil)
	d.show1(&wire.Overview{Time: tuitest.Time(), Node: wire.NodeInfo{Name: "edge-1", State: wire.NodeServing}})
	compareGolden(t, "empty-80x24.golden", d.screen())
	d = drive(t, theme.Options{Color: theme.Color256}, 80, 24, nil)
	d.show1(tuitest.Overview())
	d.send(pictureMsg{picture: picture{overview: tuitest.Overview(), lost: true, lostAt: tuitest.Time().Add(time.Second),
		cause: context.DeadlineExceeded}})
	compareGolden(t, "lost-80x24.golden", d.screen())
	var all strings.Builder
	for _, s := range scenes() {
		view := s.drive(t, theme.Options{ASCII: true}, [2]int{80, 24}).screen()
		for i, r := range view {
			if r > 0x7e && !strings.Contains("新星工作室системa👩‍👩‍👧‍👦", string(r)) {
				t.Errorf("%s: %q at byte %d is outside ASCII and no tenant's", s.name, r, i)
			}
		}
		if s.name == "overview" || s.name == "slice" || s.name == "log" {
			fmt.Fprintf(&all, "== %s\n%s\n", s.name, view)
		}
	}
	compareGolden(t, "ascii-80x24.golden", all.String())
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
