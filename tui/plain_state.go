package tui

import (
	"fmt"
	"maps"
	stdslices "slices"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// sliceLines tells a slice when its state changes, not each sample.
func (p *Printer) sliceLines(o *wire.Overview) []string {
	var out []string
	now := make(map[string]string, len(o.Slices))
	for i := range o.Slices {
		r := &o.Slices[i]
		word := panel.SliceState(r)
		now[r.Slice] = word
		if p.slices[r.Slice] == word {
			continue
		}
		line := fmt.Sprintf("slice: %s %s", theme.Clean(r.Label), word)
		if r.P99Ms != nil {
			line += fmt.Sprintf(", p99 %.2f ms of %.1f", *r.P99Ms, r.BudgetMs)
		}
		out = append(out, line)
	}
	p.slices = now
	return out
}

// splitLines tells the totals that changed.
func (p *Printer) splitLines(o *wire.Overview) []string {
	before := map[[2]string]wire.TotalRow{}
	if p.last != nil {
		for _, t := range p.last.Totals {
			before[[2]string{t.Rule, t.Currency}] = t
		}
	}
	var out []string
	for _, t := range o.Totals {
		if before[[2]string{t.Rule, t.Currency}] == t {
			continue
		}
		amount := func(minor int64) string { return nexus.Money{Minor: minor, Currency: t.Currency}.Decimal() }
		out = append(out, fmt.Sprintf("splits: %s %s, gross %s, creator %s, platform %s, %d events, %d units", t.Rule,
			t.Currency,
			amount(t.Gross), amount(t.Creator), amount(t.Platform), t.Events, t.Units))
	}
	return out
}

// memberLines tells members that came, went or changed.
func (p *Printer) memberLines(o *wire.Overview) []string {
	before := map[string]string{}
	if p.last != nil {
		for _, m := range p.last.Cluster {
			before[m.Name] = m.State
		}
	}
	out := p.edgeLines(o)
	for _, m := range o.Cluster {
		if before[m.Name] != m.State {
			out = append(out, fmt.Sprintf("member: %s %s, %s", theme.Clean(m.Name), m.State, theme.Clean(m.Addr)))
		}
		delete(before, m.Name)
	}
	if p.last == nil {
		return out
	}
	for _, m := range p.last.Cluster {
		if _, gone := before[m.Name]; gone {
			out = append(out, "member: "+theme.Clean(m.Name)+" gone")
		}
	}
	return out
}

// edgeLines tells which edges stand otherwise than before.
func (p *Printer) edgeLines(o *wire.Overview) []string {
	before := map[string]string{}
	if p.last != nil {
		for i := range p.last.Edges {
			before[p.last.Edges[i].Name] = p.last.Edges[i].State
		}
	}
	var out []string
	for i := range o.Edges {
		e := &o.Edges[i]
		if before[e.Name] != e.State {
			line := fmt.Sprintf("edge: %s %s", theme.Clean(e.Name), e.State)
			if e.Cause != "" {
				line += ", " + theme.Clean(e.Cause)
			}
			out = append(out, line)
		}
		delete(before, e.Name)
	}
	for _, name := range stdslices.Sorted(maps.Keys(before)) {
		out = append(out, "edge: "+theme.Clean(name)+" gone")
	}
	return out
}
