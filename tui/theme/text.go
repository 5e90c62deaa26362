package theme

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// Clean makes text from elsewhere safe to show: control bytes, escape sequences, direction overrides, line breaks and
// broken UTF-8 appear as visible escapes, so that a unit's name cannot move the cursor or pretend to be another line.
func Clean(s string) string {
	if isPlainASCII(s) {
		return s
	}
	clean := true
	for i, r := range s {
		if unsafeRune(r) || r == utf8.RuneError && s[i] != 0xef {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n <= 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteByte(' ')
		case unsafeRune(r) && r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case unsafeRune(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// unsafeRune says whether a rune may act on the terminal or on the reader instead of being read. The joiner and the
// variation selectors stay, for scripts and emoji need them; marks that reorder text do not.
func unsafeRune(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0:
		return true
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x061c:
		return true
	case r == 0x2028, r == 0x2029, r == 0xfeff, r == 0x00ad, r == 0x200b, r >= 0xe0000 && r < 0xe0100:
		return true
	case r == 0x200d || r == 0x200c:
		return false
	}
	return unicode.Is(unicode.Co, r)
}

func isPlainASCII(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// Width is the number of terminal cells of clean text, counted by grapheme.
func Width(s string) int {
	if isPlainASCII(s) {
		return len(s)
	}
	return uniseg.StringWidth(s)
}

// Cut shortens clean text to at most width cells, the last of them the ellipsis when something was left out. A
// two-cell grapheme is never halved.
func (t *Theme) Cut(s string, width int) string {
	if width <= 0 {
		return ""
	}
	if isPlainASCII(s) && len(s) <= width || Width(s) <= width {
		return s
	}
	room := width - Width(t.Symbols.Ellipsis)
	if isPlainASCII(s) {
		return s[:room] + t.Symbols.Ellipsis
	}
	used, end, state, rest := 0, 0, -1, s
	for len(rest) > 0 {
		cluster, next, w, st := uniseg.FirstGraphemeClusterInString(rest, state)
		if used+w > room {
			break
		}
		used, end, rest, state = used+w, end+len(cluster), next, st
	}
	return s[:end] + t.Symbols.Ellipsis
}

// Wrap breaks clean text at spaces into lines of at most width cells; a word longer than a line is cut hard. A two-cell
// grapheme that a line of one cell cannot hold is left out.
func Wrap(s string, width int) []string {
	if width < 1 {
		return nil
	}
	var lines []string
	line, used := "", 0
	for _, word := range strings.Fields(s) {
		w := Width(word)
		if used > 0 && used+1+w <= width {
			line, used = line+" "+word, used+1+w
			continue
		}
		if used > 0 {
			lines, line, used = append(lines, line), "", 0
		}
		if w <= width {
			line, used = word, w
			continue
		}
		pieces := hardCut(word, width)
		if n := len(pieces); n > 0 {
			lines = append(lines, pieces[:n-1]...)
			line, used = pieces[n-1], Width(pieces[n-1])
		}
	}
	if used > 0 {
		lines = append(lines, line)
	}
	return lines
}

// hardCut cuts a word into pieces of at most width cells, in one pass: a word may be as long as a message.
func hardCut(s string, width int) []string {
	var pieces []string
	used, start, end, state, rest := 0, 0, 0, -1, s
	for len(rest) > 0 {
		cluster, next, w, st := uniseg.FirstGraphemeClusterInString(rest, state)
		if used+w > width {
			if end > start {
				pieces = append(pieces, s[start:end])
			}
			used, start = 0, end
			if w > width {
				start, w = end+len(cluster), 0
			}
		}
		used, end, rest, state = used+w, end+len(cluster), next, st
	}
	if end > start {
		pieces = append(pieces, s[start:end])
	}
	return pieces
}

// Hard cuts clean text into pieces of at most width cells, blanks included.
func Hard(s string, width int) []string {
	if width < 1 {
		return nil
	}
	return hardCut(s, width)
}

// lastGrapheme gives the last grapheme of a text.
func lastGrapheme(s string) string {
	if s == "" || s[len(s)-1] < utf8.RuneSelf {
		return s[max(len(s)-1, 0):]
	}
	last, state, rest := "", -1, s
	for len(rest) > 0 {
		last, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
	}
	return last
}
