package theme

import (
	"io"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
)

// Style names what a piece of text is for, never a colour.
type Style uint8

// The styles.
const (
	Plain    Style = iota // the terminal's own foreground
	Strong                // headings, the selected row
	Faint                 // secondary text, rules between panels
	Accent                // names of panels, keys
	Good                  // passed, allow, OK
	Warn                  // degraded, NEAR
	Bad                   // failed, deny, OVER
	Info                  // running, pending notice
	styleEnd              // number of styles
)

// Color says how many colours a session's terminal shows.
type Color uint8

// The colour profiles, in rising order.
const (
	ColorNone Color = iota
	Color16
	Color256
	ColorTrue
)

// Options choose a theme.
type Options struct {
	Color Color
	Light bool // light background
	ASCII bool // no symbols outside ASCII: C locale, linux console, ambiguous-wide terminals
	Muted bool // everything faint: the picture is old because the node is lost
	// Palette replaces the tones of Light or dark; nil: those. A palette is immutable.
	Palette *Palette
	// Name is what the theme is called: one of Names, or a user's; empty: dark or light by Light.
	Name string
}

// Theme is one session's look. It is immutable and safe for concurrent use.
type Theme struct {
	Options
	Symbols  Symbols
	Renderer *lipgloss.Renderer // for libraries that want lipgloss styles (huh)
	paint    [styleEnd]brush
	styles   [styleEnd]lipgloss.Style
}

// brush holds a style's bytes, taken once from lipgloss: painting a cell is then two appends.
type brush struct{ on, off string }

// Symbols are the glyphs of one character set; every symbol is one cell wide.
type Symbols struct {
	Passed, Failed, Degraded, Skipped, Running, Pending string
	Alert, Cursor, Rule, Bar, Equal, Ellipsis, Dash     string
	Limit                                               string   // a line at a limit
	Mark                                                string   // a marked row
	Crumb                                               string   // between the parts of a path
	Spark                                               []string // rising
	SparkOver                                           string   // a cell over its limit, when colour cannot say so
}

func symbols(ascii bool) Symbols {
	if ascii {
		return Symbols{Passed: "+", Failed: "x", Degraded: "!", Skipped: "-", Running: "*", Pending: ".", Alert: "!",
			Cursor: ">", Rule: "-", Bar: "|", Equal: "=", Ellipsis: "~", Dash: "-", Limit: "-", Mark: "@", Crumb: ">",
			Spark: []string{".", ":", "-", "=", "+", "*", "#"}, SparkOver: "!"}
	}
	return Symbols{Passed: "✔", Failed: "✘", Degraded: "▲", Skipped: "○", Running: "◐", Pending: "·", Alert: "!",
		Cursor: "▸", Rule: "─", Bar: "│", Equal: "=", Ellipsis: "…", Dash: "–", Limit: "╌", Mark: "◆", Crumb: "›",
		Spark: []string{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}, SparkOver: "!"}
}

// New builds a theme. The renderer writes nowhere: it only knows the profile.
func New(o Options) *Theme {
	profile := map[Color]termenv.Profile{ColorNone: termenv.Ascii, Color16: termenv.ANSI, Color256: termenv.ANSI256,
		ColorTrue: termenv.TrueColor}[o.Color]
	r := lipgloss.NewRenderer(io.Discard, termenv.WithProfile(profile))
	r.SetColorProfile(profile)
	r.SetHasDarkBackground(!o.Light)
	t := &Theme{Options: o, Symbols: symbols(o.ASCII), Renderer: r}
	for s := range styleEnd {
		st := t.define(s)
		t.styles[s] = st
		on, off, _ := strings.Cut(st.Render("x"), "x")
		t.paint[s] = brush{on, off}
	}
	return t
}

// define is the palette. Sixteen-colour terminals keep their owner's colours; richer ones get tones whose contrast is
// at least 4.5:1 on black and on white.
func (t *Theme) define(s Style) lipgloss.Style {
	base := t.Renderer.NewStyle()
	tone := func(dark, light, ansi string) lipgloss.Style {
		switch {
		case t.Color == Color16:
			return base.Foreground(lipgloss.Color(ansi))
		case t.Light:
			return base.Foreground(lipgloss.Color(light))
		default:
			return base.Foreground(lipgloss.Color(dark))
		}
	}
	if t.Muted {
		return base.Faint(t.Color != ColorNone)
	}
	if p := t.Palette; p != nil && p.base != "" && !p.set[s] { // as the theme that the user's goes out from
		o, _ := t.BuiltIn(p.base)
		under := Theme{Options: o, Renderer: t.Renderer}
		return under.define(s)
	} else if p != nil {
		return p.tones[s].style(base, t.Color)
	}
	switch s {
	case Strong:
		return base.Bold(true)
	case Faint:
		return tone("245", "242", "8")
	case Accent:
		return tone("80", "24", "6")
	case Good:
		return tone("78", "22", "2")
	case Warn:
		return tone("221", "94", "3")
	case Bad:
		return tone("210", "124", "1").Bold(true)
	case Info:
		return tone("117", "25", "4")
	default:
		return base
	}
}

// Lipgloss gives a style to a library that wants one.
func (t *Theme) Lipgloss(s Style) lipgloss.Style { return t.styles[s] }

// Paint appends text in a style to dst.
func (t *Theme) Paint(dst []byte, s Style, text string) []byte {
	b := t.paint[s]
	if text == "" || b.on == "" {
		return append(dst, text...)
	}
	dst = append(dst, b.on...)
	dst = append(dst, text...)
	return append(dst, b.off...)
}

// Text gives text in a style.
func (t *Theme) Text(s Style, text string) string { return string(t.Paint(nil, s, text)) }
