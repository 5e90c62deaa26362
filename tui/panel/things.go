package panel

import (
	"fmt"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// Thing draws the page of something that is in the Overview itself, so it stays live. It reports false when the thing
// is no longer there.
func (p *Page) Thing(o *wire.Overview, t Target) bool {
	switch t.Kind {
	case PhaseTarget:
		p.phase(&o.Launch.Phases[min(max(t.Number, 1), wire.PhaseCount)-1], &o.Launch)
		return true
	case MemberTarget:
		for i := range o.Edges {
			if "edge "+o.Edges[i].Name == t.Key {
				p.edge(&o.Edges[i])
				return true
			}
		}
		for i := range o.Cluster {
			if o.Cluster[i].Node+o.Cluster[i].Name == t.Key {
				p.member(&o.Cluster[i])
				return true
			}
		}
	case TextTarget:
		p.Field("message", t.Text, theme.Plain)
		return true
	}
	return false
}

func (p *Page) phase(ph *wire.Phase, launch *wire.Launch) {
	symbol, style := state(p.th, ph.Status)
	p.Field("phase", fmt.Sprintf("%d %s: %s", ph.Number, ph.Name, ph.Title), theme.Strong)
	p.Field("status", symbol+" "+ph.Status, style)
	if ph.Reason != "" {
		p.Field("reason", ph.Reason, style)
	}
	p.Field("started", moment(ph.Started), theme.Plain)
	p.Field("took", duration(ph.DurationMs), theme.Plain)
	p.Blank()
	p.Heading(checksWords(ph.Checks))
	for _, i := range worstFirst(ph.Checks) {
		c := &ph.Checks[i]
		symbol, style := state(p.th, c.Status)
		p.line(func(l *theme.Line) {
			l.Space(1).Add(style, symbol+" ").Cell(theme.Plain, theme.Clean(c.Name), max(min(p.width-30, 40), 10)).Cell(style,
				c.Status, 9)
			l.Add(theme.Plain, theme.Clean(c.Figure()))
		})
		if c.Detail != "" {
			p.Field("", c.Detail, theme.Faint)
		}
		if c.Remedy != "" {
			p.Field("  fix", c.Remedy, theme.Warn)
		}
	}
	p.Blank()
	p.Field("log", launch.Log, theme.Faint)
	p.Field("report", launch.Report, theme.Faint)
	p.Command("nexus status")
}

// worstFirst are the places of checks, those that did not pass before the others: they are what the page is opened for.
func worstFirst(checks []wire.Check) []int {
	out := make([]int, 0, len(checks))
	for _, passed := range []bool{false, true} {
		for i := range checks {
			if (checks[i].Status == wire.StatusPassed) == passed {
				out = append(out, i)
			}
		}
	}
	return out
}

// checksWords counts checks, and those of them that did not pass.
func checksWords(checks []wire.Check) string {
	worse := 0
	for i := range checks {
		if checks[i].Status != wire.StatusPassed {
			worse++
		}
	}
	words := plural(len(checks), "check")
	if worse > 0 {
		words += fmt.Sprintf(", %d of them not passed", worse)
	}
	return words
}

func zeroMeans(bps uint64, words string) string {
	if bps == 0 {
		return words
	}
	return bits(float64(bps))
}

func (p *Page) member(m *wire.MemberRow) {
	symbol, style := state(p.th, m.State)
	if m.State == "failed" {
		style = theme.Bad
	}
	p.Field("node", m.Name, theme.Strong)
	p.Field("state", symbol+" "+m.State, style)
	p.Field("key", m.Node, theme.Plain)
	p.Field("role", m.Role+", "+admission(m.Admitted), theme.Plain)
	p.Field("address", m.Addr, theme.Plain)
	if m.RTTMs == nil {
		p.Field("round trip", "not measured", theme.Faint)
	} else {
		p.Field("round trip", ms(p.th, m.RTTMs)+" ms", theme.Plain)
	}
	p.Field("last seen", moment(m.LastSeen), theme.Plain)
	if !m.Admitted {
		p.Field("", "gossip alone grants nothing: an operator's signed action admits a node; until then it carries no "+
			"traffic", theme.Warn)
	}
	p.Blank()
	p.Command("nexus cluster members")
}

// noun is the command-line word for a kind of unit.
func noun(kind string) string {
	if kind == "imvu" || kind == "" {
		return "imvu"
	}
	return "platform"
}

// edge is the page of a process that serves as an edge.
func (p *Page) edge(e *wire.EdgeRow) {
	style := theme.Good
	switch {
	case e.Lost():
		style = theme.Bad
	case e.State != wire.EdgeServing:
		style = theme.Warn
	}
	p.Field("edge", e.Name, theme.Strong)
	p.Field("state", e.State+" since "+moment(e.Since), style)
	if e.Cause != "" {
		p.Field("cause", e.Cause, style)
	}
	if e.Group != "" {
		p.Field("classes", "the "+e.Group+" ones, beside another process of edge "+e.Edge, theme.Plain)
	}
	addresses := strings.Join(e.Addresses, " ")
	if addresses == "" {
		addresses = "none of its own: connections are handed on to it"
	}
	p.Field("addresses", addresses, theme.Plain)
	if e.ReportAgeMs == nil {
		p.Field("carries", "it has not reported yet", theme.Faint)
		return
	}
	word := "carries"
	if e.Lost() {
		word = "carried"
	}
	p.Field(word, fmt.Sprintf("%s, %s; %s, %d of them streams", plural(e.Slices, "slice"), plural(e.Hosts, "host"), plural(int(e.Connections), "connection"),
		e.Streams), theme.Plain)
	p.Field("requests", fmt.Sprintf("%d since its start, %d refused; %d in flight, %d wait", e.Requests, e.Refused, e.InFlight, e.Queue), theme.Plain)
	p.Field("rate", fmt.Sprintf("%.2f Mbit/s", e.RateBps/1e6), theme.Plain)
	p.Field("p99", ms(p.th, e.P99Ms)+" ms added, of the slice with the worst", theme.Plain)
	p.Field("link", ms(p.th, e.LinkRTTMs)+" ms to its home and back", theme.Plain)
	if e.BackendsOut > 0 {
		p.Field("backends", plural(e.BackendsOut, "backend")+" out", theme.Bad)
	}
}
