package tui

import (
	"context"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
)

// Verb is one verb of the command line, as the palette offers it.
type Verb struct {
	Path   string // such as "imvu scale"
	Args   string // such as "UNIT"; empty: none
	Short  string // a clause
	Danger keymap.Danger
	// Why says why the verb cannot be used from the console, empty when it can.
	Why string
}

// Outcome is what a command line came to.
type Outcome struct {
	Code int    // exit code (CLI.md): 4 is a gate's refusal
	Out  string // results
	Err  string // everything else
	// Undo is the command line that brings back what was there before, nil when nothing can.
	Undo []string
}

// Commands is the command line as the console needs it: the same tree, the same checks, the same signed actions. All methods are
// safe for concurrent use and return soon after ctx ends.
type Commands interface {
	// Verbs lists all verbs, in the order of the help.
	Verbs() []Verb
	// Run executes a command line without the leading "nexus", as the session's identity. A read-only session's requests say so to
	// the node, which refuses acts. Tables come folded into lines of so many columns, 0 for as wide as they are.
	Run(ctx context.Context, args []string, readOnly bool, columns int) Outcome
	// Complete offers what may stand where the last of args, possibly empty, stands; each with an explanation after a tab.
	Complete(ctx context.Context, args []string) []string
}

// splitWords takes a command line apart as a shell would: blanks separate, quotes group, a backslash takes the next byte as it
// is. An open quote ends with the line.
func splitWords(line string) []string {
	var words []string
	var word strings.Builder
	in, quote := false, rune(0)
	escaped := false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			in, escaped = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			in, quote = true, r
		case r == ' ' || r == '\t':
			if in {
				words = append(words, word.String())
				word.Reset()
			}
			in = false
		default:
			in = true
			word.WriteRune(r)
		}
	}
	if in {
		words = append(words, word.String())
	}
	return words
}

// commandLine writes words so that a shell, and splitWords, read them as they are.
func commandLine(words []string) string {
	out := make([]string, 0, len(words))
	for _, w := range words {
		if w == "" || strings.ContainsFunc(w, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,@%+", r))
		}) {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		out = append(out, w)
	}
	return strings.Join(out, " ")
}

// verbOf finds the verb that a command line begins with: the longest path.
func verbOf(verbs []Verb, args []string) (Verb, bool) {
	for n := min(len(args), 4); n > 0; n-- {
		path := strings.Join(args[:n], " ")
		for _, v := range verbs {
			if v.Path == path {
				return v, true
			}
		}
	}
	return Verb{}, false
}

// fuzzy scores how well a text answers what was typed: every rune in order, more for beginnings of words and for runs. It is
// negative when a rune is missing.
func fuzzy(typed, text string) int {
	have := []rune(strings.ToLower(text))
	score, at, run := 0, 0, 0
	for _, w := range strings.ToLower(typed) {
		if w == ' ' {
			run = 0
			continue
		}
		found := -1
		for i := at; i < len(have); i++ {
			if have[i] == w {
				found = i
				break
			}
		}
		if found < 0 {
			return -1
		}
		switch {
		case found == at && at > 0:
			run++
			score += 2 + run
		case found == 0 || have[found-1] == ' ' || have[found-1] == '-':
			run = 0
			score += 6
		default:
			run = 0
			score++
		}
		at = found + 1
	}
	return score*8 - len(have)/4
}
