package tui

import (
	"bytes"
	"strconv"
)

// slimmer rewrites what goes to the terminal into fewer bytes that show the same. The renderer sends every changed line
// whole, ten times a second: a run of blanks becomes "erase n cells, move n right", and a style that is put off and on
// again is left alone. It was measured to save a sixth of a busy wide overview (docs/bench.md).
//
// Each call stands alone: it takes nothing for granted about the style in force when it begins, and leaves the one that
// the bytes asked for.
type slimmer struct {
	out []byte // of the last call, kept for its room

	now     string // style in force: the settings since the last reset
	known   bool   // whether it is known at all
	reset   bool   // a reset is asked for and not written yet
	pending []byte // settings asked for after it
	plain   bool   // blanks may be erased cells: no background, no reverse, no underline
}

// runLeast is the shortest run of blanks that is worth two sequences: below, they are no shorter.
const runLeast = 9

// slim gives the bytes to send for p. They are valid until the next call.
func (s *slimmer) slim(p []byte) []byte {
	s.out, s.now, s.known, s.reset, s.pending, s.plain = s.out[:0], "", false, false, s.pending[:0], false
	for len(p) > 0 {
		n := sequence(p)
		switch {
		case n > 0 && p[1] == '[' && p[n-1] == 'm':
			s.style(p[:n])
		case n > 0:
			s.turn()
			s.out = append(s.out, p[:n]...)
		default:
			s.turn()
			n = s.text(p)
		}
		p = p[n:]
	}
	s.turn()
	return s.out
}

// text copies up to the next escape sequence and gives how much that was.
func (s *slimmer) text(p []byte) int {
	n := bytes.IndexByte(p, 0x1b)
	switch {
	case n < 0:
		n = len(p)
	case n == 0: // a sequence without its end: the rest goes as it is
		s.out = append(s.out, p...)
		return len(p)
	}
	for i := 0; i < n; {
		run := 0
		for i+run < n && p[i+run] == ' ' {
			run++
		}
		switch {
		case run >= runLeast && s.plain:
			count := strconv.Itoa(run)
			s.out = append(append(append(append(append(s.out, "\x1b["...), count...), "X\x1b["...), count...), 'C')
			i += run
		case run > 0:
			s.out = append(s.out, p[i:i+run]...)
			i += run
		default:
			s.out = append(s.out, p[i])
			i++
		}
	}
	return n
}

// style notes a setting; turn writes it before the next thing that can be seen.
func (s *slimmer) style(seq []byte) {
	if params := seq[2 : len(seq)-1]; len(params) == 0 || string(params) == "0" {
		s.reset, s.pending = true, s.pending[:0]
		return
	}
	s.pending = append(s.pending, seq...)
}

// turn writes the style that is asked for when it is another than the one in force.
func (s *slimmer) turn() {
	if !s.reset && len(s.pending) == 0 {
		return
	}
	want := string(s.pending)
	if !s.reset {
		want = s.now + want
	}
	if !s.known || want != s.now {
		if s.reset && (!s.known || s.now != "") {
			s.out = append(s.out, "\x1b[m"...)
		}
		s.out = append(s.out, s.pending...)
	}
	s.known = s.known || s.reset
	s.plain = s.known && onlyInk(want)
	s.now, s.reset, s.pending = want, false, s.pending[:0]
}

// onlyInk reports whether settings change nothing that shows on a blank: bold, faint and colours of the letters.
func onlyInk(settings string) bool {
	for _, one := range bytes.Split([]byte(settings), []byte("m")) {
		params := string(bytes.TrimPrefix(one, []byte("\x1b[")))
		switch {
		case params == "" || params == "1" || params == "2":
		case len(params) > 3 && params[:3] == "38;" && bytes.Count(one, []byte(";")) == inkParts(params):
		case len(params) == 2 && (params[0] == '3' || params[0] == '9') && params[1] >= '0' && params[1] <= '7':
		default:
			return false
		}
	}
	return true
}

// inkParts is the number of semicolons in a colour that sets nothing else: 38;5;N or 38;2;R;G;B.
func inkParts(params string) int {
	if len(params) > 4 && params[:5] == "38;5;" {
		return 2
	}
	return 4
}

// sequence is the length of the escape sequence at the beginning of p, 0 when there is none or its end is missing.
func sequence(p []byte) int {
	if len(p) < 2 || p[0] != 0x1b {
		return 0
	}
	switch p[1] {
	case '[':
		for i := 2; i < len(p); i++ {
			if p[i] >= 0x40 && p[i] <= 0x7e {
				return i + 1
			}
		}
	case ']', 'P', '_', '^', 'X': // strings, up to BEL or ST
		for i := 2; i < len(p); i++ {
			if p[i] == 0x07 {
				return i + 1
			}
			if p[i] == '\\' && p[i-1] == 0x1b {
				return i + 1
			}
		}
	default:
		return 2
	}
	return 0
}
