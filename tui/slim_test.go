package tui

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hinshun/vt10x"
)

// slimPieces are what a renderer writes: styles, text, blanks, movements. Each has its width in cells.
func slimPieces() []string {
	return []string{"\x1b[0m", "\x1b[m", "\x1b[1m", "\x1b[38;5;245m", "\x1b[38;5;78m", "\x1b[31m", "\x1b[48;5;17m", "\x1b[7m", "\x1b[4m",
		"\x1b[38;5;1;4m", "\x1b[38;2;1;2;3m", "a", "imvu-042", "─────", "│", " ", strings.Repeat(" ", 5), strings.Repeat(" ", 8),
		strings.Repeat(" ", 9), strings.Repeat(" ", 17), "\r\n", "\x1b[K", "\x1b[H", "\x1b[2A", "\x1b]0;a title\x07", "\x1b[?25l"}
}

// pieces makes a stream of the fuzzer's bytes in which no line reaches the right margin, as in the renderer's.
func pieces(choice []byte, columns int) string {
	var b strings.Builder
	list, column := slimPieces(), 0
	for _, c := range choice {
		p := list[int(c)%len(list)]
		switch {
		case p == "\r\n" || p == "\x1b[H":
			column = 0
		case p[0] != 0x1b:
			n := len([]rune(p))
			if column+n >= columns {
				b.WriteString("\r\n")
				column = 0
			}
			column += n
		}
		b.WriteString(p)
	}
	return b.String()
}

// differs compares two screens as people see them: letters and all their attributes, of blanks only what shows on a blank.
func differs(a, b vt10x.Terminal, columns, rows int) string {
	const showsOnBlank = 1 | 2 // reverse and underline, as the parser numbers them
	for y := range rows {
		for x := range columns {
			p, q := a.Cell(x, y), b.Cell(x, y)
			if p.Char == ' ' && q.Char == ' ' {
				p.FG, q.FG, p.Mode, q.Mode = 0, 0, p.Mode&showsOnBlank, q.Mode&showsOnBlank
			}
			if p != q {
				return fmt.Sprintf("at %d,%d: %+v instead of %+v", x, y, q, p)
			}
		}
	}
	if p, q := a.Cursor(), b.Cursor(); p.X != q.X || p.Y != q.Y {
		return fmt.Sprintf("the cursor is at %d,%d instead of %d,%d", q.X, q.Y, p.X, p.Y)
	}
	return ""
}

// Whatever the renderer writes, in whatever portions, the slimmer bytes show the same and are never more.
func FuzzSlim(f *testing.F) {
	f.Add([]byte{3, 12, 0, 3, 14, 0, 11, 19, 21, 20}, []byte{22, 11, 19, 12}, byte(4))
	f.Add([]byte{6, 18, 0, 19, 12, 7, 19, 11, 8, 18, 9, 18, 11}, []byte{0, 19, 11}, byte(0))
	f.Add([]byte{12, 19, 12, 22, 0, 1, 2, 4, 4, 18, 11, 24, 25, 23, 10, 19, 5, 18, 13}, []byte{19, 0}, byte(9))
	f.Fuzz(func(t *testing.T, first, second []byte, before byte) {
		const columns, rows = 80, 24
		wide, slim := vt10x.New(vt10x.WithSize(columns, rows)), vt10x.New(vt10x.WithSize(columns, rows))
		full := strings.Repeat(strings.Repeat("#", columns-1)+"\r\n", int(before)%rows) // something to be erased
		var s slimmer
		for _, frame := range []string{full + "\x1b[H", pieces(first, columns), "\x1b[H" + pieces(second, columns)} {
			got := s.slim([]byte(frame))
			if len(got) > len(frame) {
				t.Fatalf("%q became the longer %q", frame, got)
			}
			_, _ = wide.Write([]byte(frame))
			_, _ = slim.Write(got)
			if d := differs(wide, slim, columns, rows); d != "" {
				t.Fatalf("%q became %q: %s", frame, got, d)
			}
		}
	})
}

func TestSlim(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"\x1b[0m" + strings.Repeat(" ", 12) + "x":                  "\x1b[m\x1b[12X\x1b[12Cx",
		"\x1b[0m" + strings.Repeat(" ", 8) + "x":                   "\x1b[m        x",
		strings.Repeat(" ", 12) + "x":                              strings.Repeat(" ", 12) + "x", // the style is not known
		"\x1b[0m\x1b[7m" + strings.Repeat(" ", 12):                 "\x1b[m\x1b[7m" + strings.Repeat(" ", 12),
		"\x1b[0ma\x1b[32mb\x1b[0m\x1b[32mc\x1b[0m\x1b[33md\x1b[0m": "\x1b[ma\x1b[32mbc\x1b[m\x1b[33md\x1b[m",
		"\x1b[0m\x1b]52;c;" + strings.Repeat(" ", 12) + "\x07":     "\x1b[m\x1b]52;c;" + strings.Repeat(" ", 12) + "\x07",
		"\x1b[0mcut \x1b]52;c" + strings.Repeat(" ", 12):           "\x1b[mcut \x1b]52;c" + strings.Repeat(" ", 12),
		"": "",
	} {
		var s slimmer
		if got := string(s.slim([]byte(in))); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
}
