package theme_test

import (
	"math"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// A tenant's name must not act on the terminal (SPEC section 7, the hostile unit).
func TestCleanLeavesNothingThatActs(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain":            "plain",
		"\x1b[2Jgone":      `\x1b[2Jgone`,
		"a\r\nb\tc":        `a\x0d\nb c`,
		"\u009b31m":        `\x9b31m`,
		"a\u202eb":         `a\u202eb`,
		"\xffx":            `\xffx`,
		"新星 é 👩‍👩‍👧‍👦":     "新星 é 👩‍👩‍👧‍👦",
		"\x00\x7f":         `\x00\x7f`,
		"x\u2028y\ufeffz":  `x\u2028y\ufeffz`,
		"real \ufffd kept": "real \ufffd kept",
	} {
		if got := theme.Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a", "新星工作室", "👩‍👩‍👧‍👦🇩🇪", "e\u0301\u0301", "\x1b]0;x\a", "\xff\xfe",
		strings.Repeat("ab ", 50)} {
		f.Add(s, 7)
	}
	th := theme.New(theme.Options{})
	f.Fuzz(func(t *testing.T, s string, width int) {
		width = width % 200
		clean := theme.Clean(s)
		for _, r := range clean {
			if r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e {
				t.Fatalf("Clean(%q) kept %U", s, r)
			}
		}
		if again := theme.Clean(clean); again != clean {
			t.Fatalf("Clean is not stable: %q then %q", clean, again)
		}
		if cut := th.Cut(clean, width); theme.Width(cut) > max(width, 0) {
			t.Fatalf("Cut(%q, %d) = %q is %d wide", clean, width, cut, theme.Width(cut))
		}
		for _, line := range theme.Wrap(clean, width) {
			if theme.Width(line) > width {
				t.Fatalf("Wrap(%q, %d) gave %q", clean, width, line)
			}
		}
		l := th.NewLine(width)
		l.Add(theme.Good, clean).Cell(theme.Bad, clean, 9).Right(theme.Plain, clean, 9).Fill(theme.Faint, "-", 3)
		if got := theme.Width(l.Padded()); got != max(width, 0) {
			t.Fatalf("a padded line of %d cells is %d wide: %q", width, got, l.Padded())
		}
	})
}

// The widths agree with what the renderer counts when it decides whether a line needs cutting.
func TestWidthAgreesWithTheRenderer(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"ascii", "新星工作室", "👩‍👩‍👧‍👦 family", "🇩🇪", "e\u0301", "✔ ✘ ▲ ○ ◐ · ▸ ─ │ … –", "▁▂▃▄▅▆▇█",
		"système"} {
		if got, want := theme.Width(s), ansi.StringWidth(s); got != want {
			t.Errorf("Width(%q) = %d, the renderer counts %d", s, got, want)
		}
	}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  map[string]string
		want theme.Options
	}{
		"nothing known": {map[string]string{}, theme.Options{ASCII: true}},
		"xterm": {map[string]string{"TERM": "xterm-256color", "LANG": "C.UTF-8"},
			theme.Options{Color: theme.Color256}},
		"true colour": {map[string]string{"TERM": "xterm", "COLORTERM": "truecolor", "LC_ALL": "de_DE.utf8"},
			theme.Options{Color: theme.ColorTrue}},
		"no color": {map[string]string{"TERM": "xterm-256color", "NO_COLOR": "1", "LANG": "C.UTF-8"}, theme.Options{}},
		"dumb":     {map[string]string{"TERM": "dumb", "LANG": "C.UTF-8"}, theme.Options{}},
		"linux console": {map[string]string{"TERM": "linux", "LANG": "C.UTF-8"}, theme.Options{Color: theme.Color16,
			ASCII: true}},
		"C locale": {map[string]string{"TERM": "screen", "LC_ALL": "C", "LANG": "C.UTF-8"},
			theme.Options{Color: theme.Color16, ASCII: true}},
		"light terminal": {map[string]string{"TERM": "xterm", "LANG": "C.UTF-8", "COLORFGBG": "0;15"},
			theme.Options{Color: theme.Color16, Light: true}},
		"dark by setting": {map[string]string{"TERM": "xterm", "LANG": "C.UTF-8", "COLORFGBG": "15;0"},
			theme.Options{Color: theme.Color16}},
	} {
		if got := theme.Detect(func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

// Without colours no byte of an escape sequence is written at all.
func TestNoColorMeansNoEscape(t *testing.T) {
	t.Parallel()
	th := theme.New(theme.Options{Color: theme.ColorNone})
	for s := theme.Plain; s <= theme.Info; s++ {
		if got := th.Text(s, "word"); got != "word" {
			t.Errorf("style %d: %q", s, got)
		}
	}
	over := 20.0
	if got := th.NewLine(3).Spark([]*float64{&over, nil}, 10, 3).Padded(); got != " ! " {
		t.Errorf("a bar over its limit without colours: %q", got)
	}
}

// Every tone of the 256-colour palette can be read: 4.5 to 1 against black, and in the light theme against white.
func TestContrast(t *testing.T) {
	t.Parallel()
	for _, light := range []bool{false, true} {
		th := theme.New(theme.Options{Color: theme.Color256, Light: light})
		for s := theme.Faint; s <= theme.Info; s++ {
			text := th.Text(s, "x")
			i := strings.Index(text, "38;5;")
			if i < 0 {
				t.Fatalf("style %d has no colour: %q", s, text)
			}
			code := 0
			for _, c := range text[i+5:] {
				if c < '0' || c > '9' {
					break
				}
				code = code*10 + int(c-'0')
			}
			lum := luminance(code)
			ratio := (lum + 0.05) / 0.05
			if light {
				ratio = 1.05 / (lum + 0.05)
			}
			if ratio < 4.5 {
				t.Errorf("light %v, style %d, colour %d: contrast %.1f", light, s, code, ratio)
			}
		}
	}
}

// luminance is the relative luminance of a colour of the 256-colour cube or grey ramp.
func luminance(code int) float64 {
	r, g, b := 0, 0, 0
	if code >= 232 {
		r = 8 + 10*(code-232)
		g, b = r, r
	} else {
		levels := [6]int{0, 95, 135, 175, 215, 255}
		code -= 16
		r, g, b = levels[code/36], levels[code/6%6], levels[code%6]
	}
	linear := func(v int) float64 {
		c := float64(v) / 255
		if c <= 0.03928 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
}

// FuzzParsePalette: no theme file makes the reader panic, and a complaint about it never acts on the terminal.
func FuzzParsePalette(f *testing.F) {
	f.Add("good = #00d75f bold\n# a comment\nbad = 9\n")
	f.Add("good = \x1b]0;x\a\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := theme.ParsePalette("mine", "file", strings.NewReader(text))
		if (p == nil) != (err != nil) {
			t.Fatalf("%v with %v", p, err)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\x1b\a\u009b") {
			t.Fatalf("%q acts on the terminal", err)
		}
	})
}

// A colour is written with # as in the reader's own advice, with blanks around the =; a comment begins with # too, behind it.
func TestColoursOfAThemeFileAreNoComments(t *testing.T) {
	t.Parallel()
	const text = "# mine\ngood = #7fd88f\nbad=#ff6f91 bold # loud\nwarn = 214 #amber\ninfo = default # as it is\n"
	p, err := theme.ParsePalette("mine", "mine.theme", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	th := theme.New(theme.Options{Color: theme.ColorTrue, Palette: p})
	for style, want := range map[theme.Style]string{theme.Good: "38;2;127;216;143", theme.Bad: "1;38;2;255;111;145", theme.Warn: "38;5;214", theme.Info: ""} {
		if got := th.Text(style, "x"); want == "" && got != "x" || !strings.Contains(got, want) {
			t.Errorf("style %d is drawn %q, want %q in it", style, got, want)
		}
	}
	for _, empty := range []string{"good =\n", "good = # green\n"} {
		if _, err := theme.ParsePalette("mine", "mine.theme", strings.NewReader(empty)); err == nil || !strings.Contains(err.Error(), "good has no colour") {
			t.Errorf("%q: %v", empty, err)
		}
	}
}

// A theme file changes what it names and leaves the rest to the theme that it goes out from; without one the rest is plain.
func TestAThemeFileGoesOutFromAnother(t *testing.T) {
	t.Parallel()
	look := func(o theme.Options, s theme.Style) string { return theme.New(o).Text(s, "x") }
	for _, base := range theme.Names() {
		p, err := theme.ParsePalette("mine", "f", strings.NewReader("base = "+base+"\ngood = #123456 bold\n"))
		if err != nil {
			t.Fatal(err)
		}
		for _, color := range []theme.Color{theme.ColorNone, theme.Color16, theme.Color256, theme.ColorTrue} {
			under, _ := theme.Options{Color: color}.BuiltIn(base)
			mine := theme.Options{Color: color, Palette: p}
			if look(mine, theme.Bad) != look(under, theme.Bad) || look(mine, theme.Faint) != look(under, theme.Faint) {
				t.Errorf("%s in colours %v: %q, want %q", base, color, look(mine, theme.Bad), look(under, theme.Bad))
			}
			if color == theme.ColorTrue && !strings.Contains(look(mine, theme.Good), "38;2;18;52;86") {
				t.Errorf("%s: the style that is set is %q", base, look(mine, theme.Good))
			}
		}
	}
	bare, err := theme.ParsePalette("mine", "f", strings.NewReader("good = 3\n"))
	if err != nil || look(theme.Options{Color: theme.ColorTrue, Palette: bare}, theme.Bad) != "x" {
		t.Errorf("without a base: %v", err)
	}
	for text, want := range map[string]string{"base = dusk\n": "no built-in theme", "base = dark\nbase = mono\n": "set twice", "base\n": "has no ="} {
		if _, err := theme.ParsePalette("mine", "f", strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
