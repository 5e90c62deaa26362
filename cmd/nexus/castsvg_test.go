package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hinshun/vt10x"
)

// The pictures of docs/console.md are states of recorded sessions: `make pictures` records them on a real node, and this draws them, the
// same bytes for the same recording.

// picturesDir holds each picture beside its recording.
const picturesDir = "../../docs/images/"

// docPicture is one picture: the last state of its recording that shows all of some words.
type docPicture struct {
	name  string
	title string
	shows []string
}

func docPictures() []docPicture {
	return []docPicture{
		{"console-overview", "the overview at 120x36", []string{"1 Launch 12/12", "IMVU-002 Night Show     interactive", "IMVU-004 Own", "5 Cluster"}},
		{"console-evidence", "the evidence of a refused decision at 120x40", []string{"Decision #", "G06 revenue-metering"}},
		{"console-home", "the home of a creator at 120x30", []string{"Home of eva", "your share", "decide    IMVU-001"}},
		{"console-wizard", "the review of the guided creation at 100x30", []string{"New unit rec step 8 of 9", "All 17 gates would allow it"}},
	}
}

// replayCast plays a recording (asciicast v2) into a terminal, and draws its last state that shows all words.
func replayCast(cast []byte, title string, words []string) (svg []byte, err error) {
	lines := bytes.Split(bytes.TrimSpace(cast), []byte("\n"))
	var head struct{ Version, Width, Height int }
	if err := json.Unmarshal(lines[0], &head); err != nil || head.Version != 2 {
		return nil, fmt.Errorf("no asciicast v2: %v", err)
	}
	vt := vt10x.New(vt10x.WithSize(head.Width, head.Height))
	for i, line := range lines[1:] {
		var event [3]any
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+2, err)
		}
		data, _ := event[2].(string)
		switch event[1] {
		case "r":
			if _, err := fmt.Sscanf(data, "%dx%d", &head.Width, &head.Height); err != nil {
				return nil, fmt.Errorf("line %d: %w", i+2, err)
			}
			vt.Resize(head.Width, head.Height)
		case "o":
			_, _ = vt.Write([]byte(data)) // never fails
		}
		if screen := vt.String(); !containsAll(screen, words) {
			continue
		}
		svg = drawScreen(vt, head.Width, head.Height, title)
	}
	if svg == nil {
		return nil, errors.New("no state shows " + strings.Join(words, ", "))
	}
	return svg, nil
}

func containsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// Measures of a picture, in its own units, and the colours of the terminal it stands for.
const (
	cellWidth, cellHeight, margin = 7.2, 15, 8
	inkDefault, paperDefault      = "#d0d0d0", "#14161b"
)

// drawScreen writes a screen as SVG: a run of cells of one look is one text of that very width, whatever font draws it.
func drawScreen(vt vt10x.Terminal, columns, rows int, title string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" font-family="DejaVu Sans Mono,Menlo,Consolas,monospace" font-size="12" `+
		`xml:space="preserve"><title>%s</title><rect width="100%%" height="100%%" fill="%s"/>`+"\n", float64(columns)*cellWidth+2*margin,
		rows*cellHeight+2*margin, escaped(title), paperDefault)
	for y := range rows {
		for x := 0; x < columns; {
			first := vt.Cell(x, y)
			n, text := 0, ""
			for x+n < columns && sameLook(vt.Cell(x+n, y), first) {
				text += string(max(vt.Cell(x+n, y).Char, ' '))
				n++
			}
			drawRun(&b, first, float64(x)*cellWidth+margin, y*cellHeight+margin, n, text)
			x += n
		}
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func sameLook(a, b vt10x.Glyph) bool { return a.FG == b.FG && a.BG == b.BG && a.Mode == b.Mode }

func drawRun(b *bytes.Buffer, g vt10x.Glyph, x float64, y, cells int, text string) {
	paper := colour(g.BG, paperDefault)
	if g.BG == vt10x.DefaultFG { // reversed
		paper = inkDefault
	}
	if paper != paperDefault {
		fmt.Fprintf(b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", x, y, float64(cells)*cellWidth, cellHeight, paper)
	}
	ink := colour(g.FG, inkDefault)
	if g.FG == vt10x.DefaultBG { // reversed
		ink = paperDefault
	}
	const bold = 1 << 2 // as the parser numbers it
	weight := ""
	if g.Mode&bold != 0 {
		weight = ` font-weight="bold"`
	}
	letters := []rune(text)
	for at := 0; at < len(letters); { // viewers fold blanks: words that more than one parts stand for themselves
		end := at
		for end < len(letters) && (letters[end] != ' ' || end+1 < len(letters) && letters[end+1] != ' ' && end > at) {
			end++
		}
		if end > at {
			fmt.Fprintf(b, `<text x="%.1f" y="%d" fill="%s" textLength="%.1f"%s>%s</text>`+"\n", x+float64(at)*cellWidth, y+cellHeight-4, ink,
				float64(end-at)*cellWidth, weight, escaped(string(letters[at:end])))
		}
		at = max(end, at+1)
	}
}

// colour gives one of xterm's 256 colours.
func colour(c vt10x.Color, def string) string {
	basic := [...]string{"#000000", "#cd3131", "#0dbc79", "#c9b458", "#2472c8", "#bc3fbc", "#11a8cd", "#d0d0d0",
		"#666666", "#f14c4c", "#23d18b", "#f5f543", "#3b8eea", "#d670d6", "#29b8db", "#ffffff"}
	switch {
	case c == vt10x.DefaultFG, c == vt10x.DefaultBG, c > 0xff:
		return def
	case c < 16:
		return basic[c]
	case c < 232:
		level := func(v vt10x.Color) vt10x.Color {
			if v == 0 {
				return 0
			}
			return 55 + 40*v
		}
		n := c - 16
		return fmt.Sprintf("#%02x%02x%02x", level(n/36), level(n/6%6), level(n%6))
	}
	grey := 8 + 10*(c-232)
	return fmt.Sprintf("#%02x%02x%02x", grey, grey, grey)
}

func escaped(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // to memory
	return b.String()
}

// A small recording by hand: what shows, where, in which look; the state is the last that has the words, not the last of all.
func TestReplayCastDrawsAState(t *testing.T) {
	t.Parallel()
	cast := `{"version":2,"width":20,"height":3}` + "\n" + `[0.1,"o","\u001b[Hfirst <&>"]` + "\n" + `[0.2,"r","18x2"]` + "\n" +
		`[0.3,"o","\u001b[1;10Ha   b c\u001b[2;3H\u001b[1;38;5;196mred\u001b[0m \u001b[7mrev\u001b[0m"]` + "\n" + `[0.4,"o","\u001b[2J"]` + "\n"
	got, err := replayCast([]byte(cast), "a <title>", []string{"first", "red"})
	if err != nil {
		t.Fatal(err)
	}
	want := `<svg xmlns="http://www.w3.org/2000/svg" width="146" height="46" font-family="DejaVu Sans Mono,Menlo,Consolas,monospace" font-size="12" ` +
		`xml:space="preserve"><title>a &lt;title&gt;</title><rect width="100%" height="100%" fill="#14161b"/>
<text x="8.0" y="19" fill="#d0d0d0" textLength="72.0">first &lt;&amp;&gt;a</text>
<text x="101.6" y="19" fill="#d0d0d0" textLength="21.6">b c</text>
<text x="22.4" y="34" fill="#ff0000" textLength="21.6" font-weight="bold">red</text>
<rect x="51.2" y="23" width="21.6" height="15" fill="#d0d0d0"/>
<text x="51.2" y="34" fill="#14161b" textLength="21.6">rev</text>
</svg>
`
	if string(got) != want {
		t.Errorf("drawn\n%s\nwant\n%s", got, want)
	}
	for _, bad := range []string{"", "{}", cast[:40], `{"version":2,"width":2,"height":2}` + "\n[1,2", cast} {
		if svg, err := replayCast([]byte(bad), "", []string{"never"}); err == nil {
			t.Errorf("%q gives %q", bad, svg)
		}
	}
}

// Each picture of the documentation is what its recording shows: none was made or touched by hand.
func TestPicturesAreOfTheirRecordings(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/console.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range docPictures() {
		cast, err := os.ReadFile(picturesDir + p.name + ".cast")
		if err != nil {
			t.Fatal(err)
		}
		want, err := replayCast(cast, p.title, p.shows)
		if err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		if got, err := os.ReadFile(picturesDir + p.name + ".svg"); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s.svg is not what its recording shows (%v): make pictures", p.name, err)
		}
		if !bytes.Contains(page, []byte("images/"+p.name+".svg")) {
			t.Errorf("docs/console.md does not show %s", p.name)
		}
	}
}
