package panel

import (
	"fmt"

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
	case SliceTarget:
		for i := range o.Slices {
			if o.Slices[i].Slice == t.Key {
				p.slice(&o.Slices[i])
				return true
			}
		}
	case MemberTarget:
		for i := range o.Cluster {
			if o.Cluster[i].Node+o.Cluster[i].Name == t.Key {
				p.member(&o.Cluster[i])
				return true
			}
		}
	case UnitTarget:
		for i := range o.Units {
			if o.Units[i].ID == t.Key {
				p.unit(o, &o.Units[i])
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
	p.Heading(plural(len(ph.Checks), "check"))
	for i := range ph.Checks {
		c := &ph.Checks[i]
		symbol, style := state(p.th, c.Status)
		p.line(func(l *theme.Line) {
			l.Space(1).Add(style, symbol+" ").Cell(theme.Plain, theme.Clean(c.Name), max(min(p.width-30, 40), 10)).Cell(style,
				c.Status, 9)
			if c.Value != nil {
				l.Add(theme.Plain, number(*c.Value))
				if c.Limit != nil {
					l.Add(theme.Faint, " of "+number(*c.Limit))
				}
				l.Add(theme.Plain, " "+theme.Clean(c.Unit))
			}
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

func (p *Page) slice(r *wire.SliceRow) {
	word, style := sliceState(r)
	p.Field("slice", r.Slice+" of "+r.Label+" "+r.Name, theme.Strong)
	p.Field("state", word, style)
	p.Field("class", fmt.Sprintf("%s, budget %s ms", r.Class, number(budget(r))), theme.Plain)
	p.Blank()
	p.Heading(fmt.Sprintf("added latency in ms, %s samples through the real listener", count(r.Samples)))
	for _, row := range []struct {
		label string
		v     *float64
	}{{"p50", r.P50Ms}, {"p99", r.P99Ms}, {"p99.9", r.P999Ms}, {"baseline p50", r.BaselineP50Ms}, {"gateway p99",
		r.GatewayP99Ms}} {
		p.Field(row.label, ms(p.th, row.v), theme.Plain)
	}
	p.Blank()
	p.Heading(fmt.Sprintf("p99 of the last minute, bars to %s ms", number(2*budget(r))))
	p.line(func(l *theme.Line) { l.Space(15).Spark(r.History, budget(r), wire.HistoryCellsMax) })
	p.Blank()
	p.Field("rate", bits(r.RateBps), theme.Plain)
	p.Field("guarantee", zeroMeans(r.GuaranteedBps, "none: a fair share of what is there"), theme.Plain)
	p.Field("ceiling", zeroMeans(r.CeilingBps, "the gateway's capacity"), theme.Plain)
	p.Field("in flight", count(uint64(max(r.InFlight, 0))), theme.Plain)
	p.Field("queue", count(uint64(max(r.Queue, 0))), theme.Plain)
	p.Field("refused", count(r.Refused), theme.Plain)
	p.Field("dropped", count(r.Dropped), theme.Plain)
	p.Blank()
	p.Command("nexus slices show " + r.Slice)
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
	p.Field("round trip", ms(p.th, m.RTTMs)+" ms", theme.Plain)
	p.Field("last seen", moment(m.LastSeen), theme.Plain)
	if !m.Admitted {
		p.Field("", "gossip alone grants nothing: an operator's signed action admits a node; until then it carries no "+
			"traffic", theme.Warn)
	}
	p.Blank()
	p.Command("nexus cluster members")
}

func (p *Page) unit(o *wire.Overview, u *wire.UnitRow) {
	symbol, style := state(p.th, dormancy(u))
	p.Field("unit", u.Label+" "+u.Name, theme.Strong)
	p.Field("status", symbol+" "+dormancy(u), style)
	p.Field("id", u.ID, theme.Plain)
	p.Field("kind", u.Kind+", split "+u.Rule, theme.Plain)
	p.Field("owner", u.OwnerName+" "+u.Owner, theme.Plain)
	p.Field("domain", u.Domain, theme.Plain)
	p.Field("stage", u.StageDomain, theme.Plain)
	p.Field("jurisdiction", u.Jurisdiction, theme.Plain)
	p.Field("slice", u.Slice, theme.Plain)
	p.Field("envelope", fmt.Sprintf("%s, %s processes (ceilings, not reservations)", envelope(&u.Envelope),
		count(u.Envelope.Processes)), theme.Plain)
	p.Blank()
	p.Heading("revenue")
	found := false
	for i := range o.Tallies {
		r := &o.Tallies[i]
		if r.UnitID != u.ID && r.Unit != u.Label {
			continue
		}
		found = true
		p.Field(r.Currency+" "+r.Rule, fmt.Sprintf("gross %s, creator %s, platform %s, %s", money(r.Gross, r.Currency),
			money(r.Creator, r.Currency), money(r.Platform, r.Currency), plural(int(r.Events), "event")), theme.Plain)
	}
	if !found {
		p.Field("", "none yet", theme.Faint)
	}
	p.Blank()
	p.Command("nexus " + noun(u.Kind) + " show " + u.Label)
}

// noun is the command-line word for a kind of unit.
func noun(kind string) string {
	if kind == "imvu" || kind == "" {
		return "imvu"
	}
	return "platform"
}
