package theme

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/charmbracelet/lipgloss"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Names lists the themes that are built in, in the order of the theme key.
func Names() []string { return []string{"dark", "light", "high-contrast", "mono"} }

// Tone is how one style looks: a foreground (a number of the 256-colour palette, or #rrggbb), and attributes.
type Tone struct {
	Foreground             string
	Bold, Faint, Underline bool
	Reverse                bool
	sixteen                string // of the first sixteen colours, when another is wanted there
}

// Palette is a theme's tones. It is immutable once made.
type Palette struct {
	Name  string
	tones [styleEnd]Tone
	set   [styleEnd]bool // by a theme file
	base  string         // theme of the styles that a file does not set; empty: they look plain
}

// styleNames are the words of theme files, by Style.
var styleNames = [styleEnd]string{"plain", "strong", "faint", "accent", "good", "warn", "bad", "info"}

// StyleNames lists what a theme file may set.
func StyleNames() []string { return append([]string(nil), styleNames[:]...) }

// BuiltIn gives the options of a theme by name, keeping colours and character set; false for a name that is not built in.
func (o Options) BuiltIn(name string) (Options, bool) {
	o.Palette, o.Name = nil, name
	switch name {
	case "dark":
		o.Light = false
	case "light":
		o.Light = true
	case "high-contrast":
		o.Palette = highContrast(o.Light)
	case "mono":
		o.Palette = mono()
	default:
		return o, false
	}
	return o, true
}

// highContrast uses the strongest tones of either background, and bold for what matters: every one is at least 7:1. What is plain keeps the
// terminal's own foreground, so that a background taken for the other one never hides the whole screen.
func highContrast(light bool) *Palette {
	p := &Palette{Name: "high-contrast"}
	tones := [styleEnd][2]string{Faint: {"252", "236"}, Accent: {"51", "18"}, Good: {"46", "22"},
		Warn: {"226", "52"}, Bad: {"217", "88"}, Info: {"123", "17"}}
	sixteen := [styleEnd]string{Faint: "7", Accent: "14", Good: "10", Warn: "11", Bad: "9", Info: "14"}
	for s := range styleEnd {
		t := Tone{Foreground: tones[s][0], sixteen: sixteen[s], Bold: s == Strong || s == Accent || s == Warn || s == Bad, Reverse: s == Bad}
		if light {
			t.Foreground, t.sixteen = tones[s][1], ""
		}
		p.tones[s] = t
	}
	return p
}

// mono says everything with weight: no colour at all, for terminals and eyes that have none.
func mono() *Palette {
	p := &Palette{Name: "mono"}
	p.tones[Strong].Bold, p.tones[Faint].Faint, p.tones[Accent].Bold = true, true, true
	p.tones[Warn].Underline, p.tones[Bad].Reverse, p.tones[Bad].Bold = true, true, true
	return p
}

// style makes a tone real in a colour profile.
func (t Tone) style(base lipgloss.Style, c Color) lipgloss.Style {
	if c == ColorNone {
		return base
	}
	fg := t.Foreground
	if c == Color16 && t.sixteen != "" {
		fg = t.sixteen
	}
	if fg != "" && (c != Color16 || t.sixteen != "" || t.Foreground[0] == '#' || len(t.Foreground) < 3) {
		base = base.Foreground(lipgloss.Color(fg))
	}
	return base.Bold(t.Bold).Faint(t.Faint).Underline(t.Underline).Reverse(t.Reverse)
}

// themeLinesMax bounds a theme file.
const themeLinesMax = 200

// ParsePalette reads a theme file: lines "style = foreground [bold] [faint] [underline] [reverse]", # begins a comment. A
// foreground is #rrggbb, 0 to 255, or "default". Styles that are not named look as in the theme that a line "base = NAME" names, a built-in
// one, and plain without it. Mistakes name the file and the line.
func ParsePalette(name, file string, r io.Reader) (*Palette, error) {
	p := &Palette{Name: name}
	set := map[string]bool{}
	sc := bufio.NewScanner(r)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		wrong := func(hint, format string, args ...any) error {
			return nexus.Errf("theme", nexus.CodeUsage, fmt.Sprintf("%s line %d", file, n), hint, format, args...)
		}
		key, value, ok := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		if key == "base" && ok {
			if err := p.baseOn(strings.TrimSpace(value)); err != nil {
				return nil, wrong("one of "+strings.Join(Names(), ", "), "%v", err)
			}
			continue
		}
		style, known := styleOf(key)
		switch {
		case n > themeLinesMax:
			return nil, wrong("keep it short", "more than %d lines", themeLinesMax)
		case !ok:
			return nil, wrong("write style = colour", "%q has no =", Clean(line))
		case !known:
			return nil, wrong("base, or one of "+strings.Join(StyleNames(), ", "), "%q is no style", Clean(key))
		case set[key]:
			return nil, wrong("keep one of them", "%s is set twice", key)
		}
		set[key] = true
		words := beforeComment(strings.Fields(value))
		if len(words) == 0 {
			return nil, wrong("such as: good = #00d75f bold, or default", "%s has no colour", key)
		}
		tone, err := parseTone(words)
		if err != nil {
			return nil, wrong("such as: good = #00d75f bold", "%s: %v", key, err)
		}
		p.tones[style], p.set[style] = tone, true
	}
	if err := sc.Err(); err != nil {
		return nil, nexus.Errf("theme", nexus.CodeUsage, file, "", "%v", err)
	}
	return p, nil
}

// baseOn takes a built-in theme for what the file does not set.
func (p *Palette) baseOn(name string) error {
	switch _, ok := (Options{}).BuiltIn(name); {
	case p.base != "":
		return fmt.Errorf("base is set twice")
	case !ok:
		return fmt.Errorf("base: %q is no built-in theme", Clean(name))
	}
	p.base = name
	return nil
}

// beforeComment leaves a comment out. A colour begins with # as well, but only the first word is one, and no comment of its own.
func beforeComment(words []string) []string {
	for i, w := range words {
		if w[0] == '#' && (i > 0 || w == "#") {
			return words[:i]
		}
	}
	return words
}

func styleOf(word string) (Style, bool) {
	for s, name := range styleNames {
		if name == word {
			return Style(s), true
		}
	}
	return 0, false
}

func parseTone(words []string) (Tone, error) {
	var t Tone
	for i, w := range words {
		switch w {
		case "bold":
			t.Bold = true
		case "faint":
			t.Faint = true
		case "underline":
			t.Underline = true
		case "reverse":
			t.Reverse = true
		case "default":
		default:
			if i > 0 {
				return t, fmt.Errorf("%q is no attribute", Clean(w))
			}
			if err := checkColour(w); err != nil {
				return t, err
			}
			t.Foreground = w
		}
	}
	return t, nil
}

func checkColour(w string) error {
	if strings.HasPrefix(w, "#") && len(w) == 7 {
		if _, err := strconv.ParseUint(w[1:], 16, 32); err == nil {
			return nil
		}
	}
	if n, err := strconv.ParseUint(w, 10, 8); err == nil && n <= 255 && strconv.FormatUint(n, 10) == w {
		return nil
	}
	return fmt.Errorf("%q is no colour: write #rrggbb, 0 to 255 or default", Clean(w))
}
