package tui

import (
	"strconv"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// aligner keeps columns in place behind text whose width terminals do not agree on: joined emoji, skin tones, flags, characters with
// a selector, marks that combine. One terminal shows a family in two cells, another in eight; tmux 3.3 counts a heart with its selector
// as one cell and a thumb with its tone as four. Whatever the terminal makes of such text, the next character is then put where this
// program counted it to be: the cells are erased first, in case it takes fewer, and the line cannot wrap, in case it takes more.
//
// Like slimmer, each call stands alone. Where the column is not known the text goes as it is.
type aligner struct {
	out    []byte // of the last call, kept for its room
	column int    // of the cursor; negative: not known
}

// align gives the bytes to send for p: p itself when nothing in it is in dispute. They are valid until the next call.
func (a *aligner) align(p []byte) []byte {
	if !anyDisputed(p) {
		return p
	}
	a.out, a.column = a.out[:0], -1
	for len(p) > 0 {
		n := sequence(p)
		switch {
		case n > 0:
			a.column = columnAfter(a.column, p[:n])
			a.out = append(a.out, p[:n]...)
		case p[0] == 0x1b: // without its end: the rest goes as it is
			return append(a.out, p...)
		case p[0] < 0x20:
			if n = 1; p[0] == '\r' {
				a.column = 0
			}
			a.out = append(a.out, p[0])
		default:
			for n < len(p) && p[n] >= 0x20 {
				n++
			}
			a.text(p[:n])
		}
		p = p[n:]
	}
	return a.out
}

// text writes characters, and goes back to the right column after each group of which one is in dispute.
func (a *aligner) text(p []byte) {
	state := -1
	for len(p) > 0 {
		group, width, disputed := 0, 0, false
		for rest := p; len(rest) > 0; {
			cluster, after, w, next := uniseg.FirstGraphemeCluster(rest, state)
			bad := inDispute(cluster, w)
			if group > 0 && bad != disputed {
				break
			}
			group, width, disputed, rest, state = group+len(cluster), width+w, bad, after, next
		}
		if a.column >= 0 && disputed {
			a.column += width
			a.out = append(append(append(a.out, "\x1b["...), strconv.Itoa(max(width, 1))...), "X\x1b[?7l"...)
			a.out = append(a.out, p[:group]...)
			a.out = append(append(append(a.out, "\x1b[?7h\x1b["...), strconv.Itoa(a.column+1)...), 'G')
		} else {
			if a.column >= 0 {
				a.column += width
			}
			a.out = append(a.out, p[:group]...)
		}
		p = p[group:]
	}
}

// inDispute reports whether terminals may differ on the width of a character of w cells. On single characters of letters, lines, blocks
// and the ideographs of East Asia they do not; where a locale makes some of them wide, symbols are ASCII (tui/theme).
func inDispute(cluster []byte, w int) bool {
	if cluster[0] < utf8.RuneSelf {
		return len(cluster) > 1
	}
	r, n := utf8.DecodeRune(cluster)
	return n < len(cluster) || w == 0 || disputedRune(r) && w == 2
}

// disputedRune reports pictures: in newer Unicode wide, in older terminals not.
func disputedRune(r rune) bool { return r >= 0x1f000 && r < 0x20000 || r >= 0x2300 && r < 0x2c00 }

// anyDisputed finds out cheaply whether p may hold a character in dispute. Nearly all frames hold none.
func anyDisputed(p []byte) bool {
	for i := 0; i < len(p); {
		if p[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(p[i:])
		switch {
		case r >= 0xa0 && r < 0x300, r >= 0x370 && r < 0x483, r >= 0x2010 && r < 0x2028, r >= 0x2500 && r < 0x2600, r >= 0x2800 && r < 0x2900,
			r >= 0x3040 && r < 0x3099, r >= 0x30a0 && r < 0x3100, r >= 0x3400 && r < 0xa000, r >= 0xac00 && r < 0xd7a4:
		default:
			if c, _, w, _ := uniseg.FirstGraphemeCluster(p[i:], -1); inDispute(c, w) || w == 0 {
				return true
			}
		}
		i += n
	}
	return false
}

// columnAfter is where the cursor stands after an escape sequence; negative when that is not known.
func columnAfter(column int, seq []byte) int {
	if len(seq) < 3 || seq[1] != '[' {
		if len(seq) == 2 && (seq[1] == '7' || seq[1] == '=' || seq[1] == '>') || seq[1] == ']' || seq[1] == 'P' {
			return column
		}
		return -1
	}
	params := string(seq[2 : len(seq)-1])
	number := func(text string) int {
		if n, err := strconv.Atoi(text); err == nil && n > 0 {
			return n
		}
		return 1
	}
	switch seq[len(seq)-1] {
	case 'H', 'f':
		for i := range len(params) {
			if params[i] == ';' {
				return number(params[i+1:]) - 1
			}
		}
		return 0
	case 'G':
		return number(params) - 1
	case 'C':
		if column >= 0 {
			return column + number(params)
		}
		return column
	case 'm', 'K', 'J', 'X', 'h', 'l', 'A', 'B', 'n', 'c', 'q', 't':
		return column
	}
	return -1
}
