package keymap

import (
	"bufio"
	"fmt"
	"io"
	stdslices "slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// keyLinesMax bounds a key file.
const keyLinesMax = 500

// Parse reads a key file: lines "action = key, key", # begins a comment line. Mistakes, unknown actions and conflicts name the
// file and the line. The result is what New takes.
func Parse(file string, r io.Reader) (map[string][]string, error) {
	override, lines := map[string][]string{}, map[string]int{}
	sc := bufio.NewScanner(r)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		wrong := func(hint, format string, args ...any) error {
			return nexus.Errf("keys", nexus.CodeUsage, fmt.Sprintf("%s line %d", file, n), hint, format, args...)
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		switch {
		case n > keyLinesMax:
			return nil, wrong("keep it short", "more than %d lines", keyLinesMax)
		case !ok:
			return nil, wrong("write action = key, key", "%q has no =", name)
		case lines[name] > 0:
			return nil, wrong("keep one of them", "%s is set in line %d too", name, lines[name])
		}
		for _, k := range strings.Split(value, ",") {
			if k = strings.TrimSpace(k); k == "" {
				continue
			}
			if !isKey(k) { // it would never come from a terminal, and the action would have no key
				return nil, wrong(keyHint(k), "%q is no key", k)
			}
			override[name] = append(override[name], k)
		}
		lines[name] = n
		if len(override[name]) == 0 {
			return nil, wrong("give at least one key", "%s has none", name)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, nexus.Errf("keys", nexus.CodeUsage, file, "", "%v", err)
	}
	_, err := build(override, func(name string) string {
		if n := lines[name]; n > 0 {
			return fmt.Sprintf("%s (%s line %d)", name, file, n)
		}
		return name
	})
	return override, err
}

// isKey reports whether a terminal can send a key of that name.
func isKey(k string) bool {
	if rest, ok := strings.CutPrefix(k, "alt+"); ok {
		return isKey(rest)
	}
	if n := utf8.RuneCountInString(k); n == 1 {
		r, _ := utf8.DecodeRuneInString(k)
		return unicode.IsPrint(r) && r != ' '
	}
	if rest, ok := strings.CutPrefix(k, "ctrl+"); ok {
		return len(rest) == 1 && (rest[0] >= 'a' && rest[0] <= 'z' || strings.Contains("@\\]^_", rest)) || moves(rest)
	}
	if rest, ok := strings.CutPrefix(k, "shift+"); ok {
		return rest == "tab" || moves(rest)
	}
	if n, err := strconv.Atoi(strings.TrimPrefix(k, "f")); err == nil && k[0] == 'f' {
		return n >= 1 && n <= 20
	}
	return moves(k) || stdslices.Contains([]string{"enter", "esc", "tab", "space", "backspace", "insert", "delete"}, k)
}

func moves(k string) bool {
	return stdslices.Contains([]string{"up", "down", "left", "right", "home", "end", "pgup", "pgdown"}, k)
}

// keyHint guesses which key was meant.
func keyHint(k string) string {
	if meant := strings.ReplaceAll(strings.ToLower(k), "-", "+"); isKey(meant) {
		return "did you mean " + meant + "?"
	}
	return "such as b, Q, space, enter, pgdown, f5, ctrl+x or alt+x"
}
