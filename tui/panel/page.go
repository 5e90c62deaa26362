package panel

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// Page is a text of any length about one thing; the console scrolls it.
type Page struct {
	th    *theme.Theme
	width int
	lines []string
}

// NewPage starts a page of lines of at most width cells.
func NewPage(th *theme.Theme, width int) *Page { return &Page{th: th, width: width} }

// Lines gives the page.
func (p *Page) Lines() []string { return p.lines }

func (p *Page) line(build func(l *theme.Line)) {
	l := p.th.NewLine(p.width)
	build(l)
	p.lines = append(p.lines, l.String())
}

// Blank adds an empty line.
func (p *Page) Blank() { p.lines = append(p.lines, "") }

// Heading adds a line that begins a part.
func (p *Page) Heading(text string) {
	p.line(func(l *theme.Line) { l.Space(1).Add(theme.Accent, text) })
}

// Field adds a label and a value, wrapped under itself.
func (p *Page) Field(label, value string, style theme.Style) {
	const indent = 14
	if value == "" {
		value = p.th.Symbols.Dash
	}
	if len(label) >= indent { // the label of a hash in a long path
		label = label[:indent-1]
	}
	for i, text := range theme.Wrap(theme.Clean(value), max(p.width-indent-1, 1)) {
		p.line(func(l *theme.Line) {
			if i > 0 {
				label = ""
			}
			l.Space(1).Cell(theme.Faint, label, indent-1).Space(1).Add(style, text)
		})
	}
}

// Command adds the command line that shows or re-verifies the same without the console.
func (p *Page) Command(cmd string) { p.Field("check it with", "$ "+cmd, theme.Strong) }

// Change is the command line that changes what is shown.
func (p *Page) Change(cmd string) { p.Field("change with", "$ "+cmd, theme.Strong) }

// DecisionCommand is the command line that shows a decision again.
func DecisionCommand(index uint64) string {
	return "nexus gates explain " + strconv.FormatUint(index, 10)
}

// Decision is the evidence of one decision: who asked what, the verdicts of all gates, and where the log holds it.
func (p *Page) Decision(d *wire.Decision) {
	symbol, word, style := decisionState(p.th, &d.DecisionRow)
	if d.InVain() {
		word = "in vain: all gates allowed it, and nothing was done"
	}
	p.Field("verdict", symbol+" "+word, style)
	action := strings.TrimSpace(d.Action + " " + d.UnitLabel)
	if words := wire.Means(d.Action); words != "" {
		action += "; " + words
	}
	p.Field("action", action, theme.Plain)
	p.Field("actor", strings.TrimSpace(d.ActorName+" "+d.Actor), theme.Plain)
	p.Field("decided", fmt.Sprintf("%s, index %d", moment(d.Time), d.Index), theme.Plain)
	if d.Verdict == wire.VerdictDeny {
		p.Field("reason", d.Reason, theme.Bad)
		p.Field("fix", d.Fix, theme.Warn)
	}
	if d.InVain() {
		p.Field("reason", decisionReason(&d.DecisionRow), theme.Warn)
		p.Field("fix", d.Fix, theme.Warn)
	}
	p.Command(DecisionCommand(d.Index))
	p.Blank()
	p.Heading("verdicts of all 17 gates")
	if len(d.Verdicts) != wire.GateCount {
		p.Field("", fmt.Sprintf("only %d verdicts came: do not trust this decision", len(d.Verdicts)), theme.Bad)
	}
	p.Verdicts(d.Verdicts)
	p.Blank()
	p.Heading("where the log holds it")
	p.Field("entry", fmt.Sprintf("%d of %d", d.Entry, d.Size), theme.Plain)
	p.Field("facts", d.FactsDigest, theme.Plain)
	p.Field("gate set", d.GateSet, theme.Plain)
	p.Field("action id", d.ActionID, theme.Plain)
	p.Field("digest", d.Digest, theme.Plain)
	p.Field("leaf", d.Leaf, theme.Plain)
	p.hashes("inclusion", d.Proof)
	p.note(d.Checkpoint)
}

// Verdicts adds one line per gate; a refusal is followed by what was observed, required, and the smallest fix.
func (p *Page) Verdicts(verdicts []wire.Verdict) {
	for i := range verdicts {
		v := &verdicts[i]
		symbol, style := state(p.th, v.Verdict)
		p.line(func(l *theme.Line) {
			l.Space(1).Add(style, symbol+" ").Cell(style, verdictWord(v.Verdict), 6).
				Cell(theme.Plain, gateName(v.Gate, theme.Clean(v.Name)), 28).Space(1).Cell(theme.Faint,
				theme.Clean(v.ReasonCode), 18).
				Space(1).Add(theme.Plain, theme.Clean(v.Reason))
		})
		if v.Verdict == wire.VerdictAllow {
			continue
		}
		for _, row := range [][2]string{{"observed", v.Observed}, {"required", v.Required}, {"fix", v.Fix}} {
			if row[1] != "" {
				p.Field("  "+row[0], row[1], theme.Plain)
			}
		}
	}
}

func (p *Page) hashes(label string, hashes []string) {
	if len(hashes) == 0 {
		p.Field(label, "no hashes: the leaf is the root", theme.Plain)
		return
	}
	for i, h := range hashes {
		p.Field(fmt.Sprintf("%s %d", label, i), h, theme.Faint)
	}
}

// note shows a signed note line by line, as it is verified.
func (p *Page) note(text string) {
	label := "checkpoint"
	for _, line := range strings.Split(text, "\n") {
		if line == "" { // the line before the signatures
			continue
		}
		p.Field(label, line, theme.Faint)
		label = ""
	}
}

// ProofCommands are the command lines that check a tally without the console.
func ProofCommands(p *wire.Proof) []string {
	tally := "nexus revenue tally --unit " + p.Unit
	if p.Command == "" || p.Command == tally {
		return []string{tally}
	}
	return []string{p.Command, tally}
}

// Proof shows a tally with the formula worked out and the way from the unit's last entry to the signed checkpoint.
func (p *Page) Proof(proof *wire.Proof) {
	formula, rest, ok := proofLines(proof)
	p.Field("unit", proof.Unit+" "+proof.UnitID, theme.Plain)
	p.Field("rule", fmt.Sprintf("%s in %s, %s", proof.Rule, proof.Currency, plural(int(proof.Events), "event")),
		theme.Plain)
	p.Field("gross", money(proof.Gross, proof.Currency), theme.Strong)
	p.Field("creator", money(proof.Creator, proof.Currency), theme.Strong)
	p.Field("platform", money(proof.Platform, proof.Currency), theme.Strong)
	for _, cmd := range ProofCommands(proof) {
		p.Command(cmd)
	}
	p.Blank()
	p.Heading("the formula, worked out here in minor units")
	p.Field("", formula, theme.Plain)
	p.Field("", rest, theme.Plain)
	if ok {
		p.Field("", p.th.Symbols.Passed+" equal to the ledger's figures", theme.Good)
	} else {
		p.Field("", p.th.Symbols.Failed+" DIFFERS from the ledger's figures", theme.Bad)
	}
	p.Blank()
	p.Heading("the log says so")
	if proof.Included {
		p.Field("inclusion", p.th.Symbols.Passed+" recomputed: the leaf is under the root", theme.Good)
	} else {
		p.Field("inclusion", p.th.Symbols.Failed+" NOT verified by this client", theme.Bad)
	}
	p.Field("unit entry", fmt.Sprintf("number %d of the unit, whose hash is", proof.Sequence), theme.Plain)
	p.Field("", proof.Head, theme.Plain)
	p.Field("log entry", fmt.Sprintf("%d of %d", proof.Entry, proof.Size), theme.Plain)
	p.Field("leaf", proof.Leaf, theme.Plain)
	p.hashes("path", proof.Inclusion)
	p.Field("root", proof.Root, theme.Plain)
	p.Field("cosigners", cosigners(proof.Cosigners), theme.Plain)
	p.note(proof.Checkpoint)
}

func cosigners(n int) string {
	switch n {
	case 0:
		return "0: only this node signed; an earlier checkpoint kept elsewhere is what would reveal a rewrite"
	case 1:
		return "1 other party signed it too"
	}
	return fmt.Sprintf("%d other parties signed it too", n)
}
