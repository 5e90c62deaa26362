package tui

import (
	"bufio"
	"context"
	"fmt"
	"io"
	stdslices "slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/tui/keymap"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// plainPrompt ends the first lines where commands are taken, in place of plainWelcome.
const plainPrompt = "console: from here on a line for each change; type a command such as imvu list, overview to hear how things are, help, " +
	"or quit; ctrl-c leaves too, and the node goes on"

// plainHelp answers help.
const plainHelp = "help: every verb of nexus, without that word: a few letters of one offer it by number; overview: how things are; quit, or the end of " +
	"the input: leave; what disrupts asks for yes, what is hard to take back for a name and then yes"

// prompt takes command lines in the plain form of the console: the verbs of the palette, run by the same code, with the same questions, one line
// each. It is not safe for concurrent use.
type prompt struct {
	o      *PlainOptions
	now    picture   // the newest one
	offers []Verb    // by number, of the last line
	asked  []string  // a command line that waits for its answer
	name   string    // to be typed before it, for what is irreversible; empty: only yes
	armed  time.Time // when the name was typed; zero: not yet
	left   bool      // the reader asked to leave
}

// takesLines begins to read command lines, where they are taken; a nil channel where they are not. The end of the input calls over,
// so that what it asked for is given up: ctrl-c of a guest is that end.
func (o *PlainOptions) takesLines(ctx context.Context, over func()) (<-chan string, *prompt) {
	if o.In == nil || o.Commands == nil {
		return nil, &prompt{o: o}
	}
	typed := make(chan string)
	go readLines(ctx, o.In, typed, over)
	return typed, &prompt{o: o}
}

// welcome is the last of the first lines.
func (o *PlainOptions) welcome() string {
	if o.In == nil || o.Commands == nil {
		return plainWelcome
	}
	return plainPrompt
}

// readLines hands on what is typed, a line each, until in ends or ctx does, then calls over and closes lines. At the end of ctx it goes on until
// the line that is being typed is ended, so nobody waits for it.
func readLines(ctx context.Context, in io.Reader, lines chan<- string, over func()) {
	defer close(lines)
	defer over()
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 0, 256), commandMax)
	for s.Scan() {
		select {
		case lines <- s.Text():
		case <-ctx.Done():
			return
		}
	}
}

// answer does what a line asks for and gives the lines that say what came of it.
func (p *prompt) answer(ctx context.Context, line string) []string {
	words := splitWords(strings.TrimPrefix(strings.TrimSpace(line), ":"))
	if len(words) > 0 && words[0] == "nexus" {
		words = words[1:]
	}
	if p.asked != nil {
		return p.answered(ctx, strings.TrimSpace(line))
	}
	if len(words) == 0 {
		return nil
	}
	if n, err := strconv.Atoi(words[0]); err == nil && len(words) == 1 && len(p.offers) > 0 {
		if n < 1 || n > len(p.offers) {
			return []string{fmt.Sprintf("choice: %d is none; there are 1 to %d", n, len(p.offers))}
		}
		if v := p.offers[n-1]; v.Args != "" || v.Danger > keymap.Reads {
			return []string{"usage: " + v.Path + " " + v.Args + ": " + v.Short + "; type it whole, or with --help for its flags"}
		}
		words = strings.Fields(p.offers[n-1].Path)
	}
	p.offers = nil
	switch words[0] {
	case "quit", "q":
		p.left = true
		return []string{"console: left; the node goes on"}
	case "help", "?":
		return []string{plainHelp}
	case "overview":
		all := &Printer{}
		return append(all.ownLines(ctx, *p.o, p.now), all.lines(p.now)...)
	}
	return p.perform(ctx, words)
}

// perform runs a command line or says what is in its way, by the rules of the palette.
func (p *prompt) perform(ctx context.Context, words []string) []string {
	verb, ok := verbOf(p.o.Commands.Verbs(), words)
	if leaves(verb.Path) && stdslices.Contains(words, "--cancel") {
		verb.Danger = keymap.Reversible // the way back
	}
	switch {
	case !ok:
		return p.offer(words)
	case verb.Why != "":
		return []string{"off: " + verb.Path + ": " + verb.Why}
	case verb.Danger > keymap.Reads && p.readOnly() && !dryRun(words):
		return []string{"off: " + verb.Path + ": this session is read-only; over SSH an agent signs (ssh -A)"}
	case verb.Danger < keymap.Disruptive || dryRun(words):
		return p.run(ctx, words)
	}
	p.asked, p.name, p.armed = words, "", time.Time{}
	effect := verb.Danger.String() + ": " + verb.Short
	if leaves(verb.Path) { // nobody is to be frightened out of leaving (gate 13)
		effect = verb.Short + "; it goes on serving, and until 30 days after it is complete it comes back with --cancel"
	}
	question := "question: nexus " + theme.Clean(commandLine(words)) + ", " + effect
	if verb.Danger < keymap.Irreversible {
		return []string{question, "answer: yes does it, anything else leaves everything as it is"}
	}
	p.name = words[len(words)-1]
	if p.now.overview != nil {
		p.name = unitNamed(words, p.now.overview.Units)
	}
	return []string{question, "answer: type " + theme.Clean(p.name) + " to go on, anything else leaves everything as it is"}
}

// answered takes the answer to a question.
func (p *prompt) answered(ctx context.Context, answer string) []string {
	yes := strings.EqualFold(answer, "yes") || strings.EqualFold(answer, "y")
	switch wait := armTime - p.o.Now().Sub(p.armed); {
	case p.name != "" && p.armed.IsZero() && answer == p.name:
		p.armed = p.o.Now()
		return []string{fmt.Sprintf("answer: yes does it, no sooner than in %d s; anything else leaves everything as it is", int(armTime.Seconds()))}
	case yes && p.name != "" && !p.armed.IsZero() && wait > 0:
		return []string{"answer: too soon, time to think again; yes does it, anything else leaves everything as it is"}
	case yes && (p.name == "" || !p.armed.IsZero()):
		words := p.asked
		p.asked = nil
		return p.run(ctx, words)
	}
	p.asked = nil
	return []string{"nothing was done"}
}

// run executes a command line and gives what it said, its result first.
func (p *prompt) run(ctx context.Context, words []string) []string {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	got := p.o.Commands.Run(ctx, words, p.readOnly(), 0)
	said := fmt.Sprintf("exit %d: nexus %s", got.Code, theme.Clean(commandLine(words)))
	if got.Code == 0 {
		said = "done: nexus " + theme.Clean(commandLine(words))
	}
	if got.Undo != nil {
		said += "; way back: " + theme.Clean(commandLine(got.Undo))
	}
	lines := []string{said}
	for _, text := range []string{got.Err, got.Out} {
		for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
			if line = strings.TrimRight(line, " "); line != "" {
				lines = append(lines, theme.Clean(line))
			}
		}
	}
	return lines
}

// offer lists the verbs that the words come near to, by number.
func (p *prompt) offer(words []string) []string {
	typed := strings.Join(words, " ")
	scores := map[string]int{}
	for _, v := range p.o.Commands.Verbs() {
		if s := fuzzy(typed, v.Path); s >= 0 && begins(typed, v.Path) && v.Why == "" {
			p.offers, scores[v.Path] = append(p.offers, v), s
		}
	}
	sort.SliceStable(p.offers, func(i, j int) bool { return scores[p.offers[i].Path] > scores[p.offers[j].Path] })
	p.offers = p.offers[:min(len(p.offers), choicesMax)]
	if len(p.offers) == 0 {
		return []string{fmt.Sprintf("no verb begins with %s; help says what there is", theme.Clean(typed))}
	}
	out := []string{fmt.Sprintf("no verb is %s; type a number:", theme.Clean(typed))}
	for i, v := range p.offers {
		out = append(out, fmt.Sprintf("choice %d: %s, %s", i+1, strings.TrimSpace(v.Path+" "+v.Args), v.Short))
	}
	return out
}

func (p *prompt) readOnly() bool { return p.o.ReadOnly || p.o.Backend.Identity().ReadOnly }
