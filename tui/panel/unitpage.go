package panel

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// UnitTabs are the tabs of a unit's page.
func UnitTabs() []string {
	return []string{"identity", "envelope", "names", "mail", "slice", "money", "chain", "snapshots", "lifecycle"}
}

// Unit draws one tab of a unit's page. d is what the node said when it was opened, nil while it was not asked or refused.
func (p *Page) Unit(o *wire.Overview, u *wire.UnitRow, d *wire.UnitDetail, entries *wire.UnitEntries, tab int) {
	symbol, style := state(p.th, dormancy(u))
	p.Field("unit", u.Label+" "+u.Name, theme.Strong)
	p.Field("status", symbol+" "+dormancy(u), style)
	switch tab {
	case 0:
		p.unitIdentity(o, u, d)
	case 1:
		p.Field("envelope", envelope(&u.Envelope)+", "+count(u.Envelope.Processes)+" processes", theme.Plain)
		p.Field("", "ceilings, not reservations; gate 7 judges what is asked, gate 15 that less needs the owner's signature", theme.Faint)
		p.Field("used", "not measured: the compute fabric is not built, so no bar is drawn", theme.Warn)
		p.Change(fmt.Sprintf("nexus imvu scale %s --cpu %s --memory %s", u.Label, number(u.Envelope.CPUCores), memoryFlag(u.Envelope.MemoryBytes)))
	case 2:
		p.unitNames(u, d)
	case 3:
		p.Field("mail", "not built: the mail fabric answers nothing yet; gate 5 already judges who may send", theme.Warn)
	case 4:
		p.unitSlice(o, u)
	case 5:
		p.unitMoney(o, u, d)
	case 6:
		p.unitChain(u, d, entries)
	case 7:
		p.Field("snapshots", "not built: they come with the compute fabric; gate 12 already judges them", theme.Warn)
	case 8:
		p.unitLifecycle(u, d)
	}
	p.Blank()
	if check := UnitCheck(tab, u.Label); check != "" {
		p.Command(check)
	}
	p.Command(unitCommand(u))
}

// UnitCheck is the command line that re-verifies what a tab of a unit's page shows, "" where showing the unit is all that there is.
func UnitCheck(tab int, label string) string {
	switch tab {
	case 0:
		return "nexus platform prove " + label
	case 4:
		return "nexus slices show " + label
	case 5:
		return "nexus revenue tally --unit " + label
	}
	return ""
}

func unitCommand(u *wire.UnitRow) string {
	if u.Kind == "channel" {
		return "nexus stream show " + u.Label
	}
	return "nexus " + noun(u.Kind) + " show " + u.Label
}

func (p *Page) unitIdentity(o *wire.Overview, u *wire.UnitRow, d *wire.UnitDetail) {
	p.Field("id", u.ID, theme.Plain)
	p.Field("kind", u.Kind+", split "+u.Rule, theme.Plain)
	p.Field("owner", u.OwnerName+" "+u.Owner, theme.Plain)
	p.Field("jurisdiction", u.Jurisdiction, theme.Plain)
	p.Field("domain", u.Domain, theme.Plain)
	p.Field("envelope", envelope(&u.Envelope)+", "+count(u.Envelope.Processes)+" processes", theme.Plain)
	for i := range o.Slices {
		if r := &o.Slices[i]; r.Unit == u.ID || r.Label == u.Label {
			word, style := sliceState(r)
			p.Field("slice", fmt.Sprintf("%s, %s, p99 %s of %s ms, %s", word, r.Class, ms(p.th, r.P99Ms), number(budget(r)), bits(r.RateBps)), style)
		}
	}
	for i := range o.Tallies {
		if r := &o.Tallies[i]; r.UnitID == u.ID || r.Unit == u.Label {
			p.Field("money", fmt.Sprintf("%s %s gross, the creator's part %s (%s)", money(r.Gross, r.Currency), r.Currency,
				money(r.Creator, r.Currency), r.Rule), theme.Plain)
		}
	}
	if d == nil {
		return
	}
	p.Field("created", fmt.Sprintf("%s, decision %d", moment(d.Created), d.CreatedIndex), theme.Plain)
	if d.Parent != "" {
		p.Field("platform", d.Parent, theme.Plain)
	}
}

func (p *Page) unitNames(u *wire.UnitRow, d *wire.UnitDetail) {
	p.Field("domain", u.Domain, theme.Plain)
	p.Field("stage", u.StageDomain, theme.Plain)
	p.Field("zone", "not built: no DNS fabric answers for it; gates 3 and 4 judge claims", theme.Warn)
	if d == nil {
		return
	}
	for _, name := range d.Domains {
		p.Field("claimed", name, theme.Plain)
	}
	for _, r := range d.Routes {
		p.Field("route", fmt.Sprintf("%s to %s, decision %d", r.Host, r.Backend, r.Index), theme.Plain)
		p.Command("nexus route prove " + r.Host)
	}
	if len(d.Routes) == 0 {
		p.Field("route", "none: nexus route set "+u.Label+" HOST BACKEND leads a name somewhere", theme.Faint)
	}
}

func (p *Page) unitSlice(o *wire.Overview, u *wire.UnitRow) {
	for i := range o.Slices {
		if o.Slices[i].Unit == u.ID || o.Slices[i].Label == u.Label {
			p.sliceFacts(&o.Slices[i], nil)
			return
		}
	}
	p.Field("slice", u.Slice, theme.Plain)
	p.Field("", "not at this node's gateway: a dormant unit has none, a suspended one's is taken away", theme.Faint)
}

// memoryFlag writes a size as a flag takes it: a bare number is GiB.
func memoryFlag(bytes uint64) string {
	if bytes%(1<<30) == 0 {
		return strconv.FormatUint(bytes>>30, 10)
	}
	return strconv.FormatUint(bytes>>20, 10) + "MiB"
}

func (p *Page) unitMoney(o *wire.Overview, u *wire.UnitRow, d *wire.UnitDetail) {
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
		p.Field("revenue", "none yet: its source reports it; nexus revenue sources says who does", theme.Faint)
	}
	if d == nil {
		return
	}
	for _, past := range d.Imported {
		p.Field("imported", fmt.Sprintf("%s entries of log %s; no account of this platform", count(past.Entries), past.Origin), theme.Plain)
		for _, e := range past.Earned {
			p.Field("", fmt.Sprintf("earned there: %s gross %s, creator %s, platform %s", e.Currency, money(e.Gross, e.Currency),
				money(e.Creator, e.Currency), money(e.Platform, e.Currency)), theme.Plain)
		}
	}
}

func (p *Page) unitChain(u *wire.UnitRow, d *wire.UnitDetail, entries *wire.UnitEntries) {
	if d != nil {
		p.Field("entries", fmt.Sprintf("%d, newest %s", d.Sequence, d.Head), theme.Plain)
		p.Field("", "each names the one before by its hash: nothing of this unit can be left out unseen", theme.Faint)
	}
	if entries == nil {
		p.Field("", "asking the node for them", theme.Info)
		return
	}
	for i := range entries.Entries {
		e := &entries.Entries[i]
		p.line(func(l *theme.Line) {
			l.Space(1).Right(theme.Plain, strconv.FormatUint(e.UnitSeq, 10), 6).Space(2).Cell(theme.Faint, moment(e.Time), 21).Cell(theme.Plain, e.Kind, 12).
				Right(theme.Faint, "entry "+strconv.FormatUint(e.Seq, 10), 14).Space(2).Add(theme.Faint, e.Commitment)
		})
	}
	if entries.Next > 0 {
		p.Field("", fmt.Sprintf("older ones lie below entry %d of the log", entries.Next), theme.Faint)
	}
}

func (p *Page) unitLifecycle(u *wire.UnitRow, d *wire.UnitDetail) {
	p.Field("standing", dormancy(u), theme.Plain)
	for _, row := range [][2]string{{"suspend", "nexus imvu suspend " + u.Label}, {"resume", "nexus imvu resume " + u.Label},
		{"transfer", "nexus " + noun(u.Kind) + " transfer " + u.Label}, {"exit", "nexus " + noun(u.Kind) + " exit --imvu-id " + u.Label}} {
		p.Field(row[0], row[1], theme.Faint)
	}
	p.Field("", strings.Join([]string{"S suspends or resumes", "e scales", ": offers the rest"}, ", "), theme.Faint)
}

// SliceSeries are a slice's three lines for a chart.
func SliceSeries(points []wire.SlicePoint) []Series {
	out := []Series{{Name: "p99.9", Style: theme.Faint, Letter: "+"}, {Name: "p99", Style: theme.Good, Letter: "*"}, {Name: "p50", Style: theme.Info, Letter: "."}}
	for i := range points {
		out[0].Values = append(out[0].Values, points[i].P999Ms)
		out[1].Values = append(out[1].Values, points[i].P99Ms)
		out[2].Values = append(out[2].Values, points[i].P50Ms)
	}
	return out
}

// chartRows is the height of the chart on a slice's page.
const chartRows = 9

// Slice is a slice's page: facts, the chart over time with its limit, and the distribution. d is nil until the node answered.
func (p *Page) Slice(r *wire.SliceRow, d *wire.SliceDetail) {
	p.sliceFacts(r, d)
	p.Blank()
	if d == nil {
		p.Field("", "asking the node for its series", theme.Info)
		return
	}
	p.Heading(fmt.Sprintf("added ms over %d s, a point a second of the minute before; limit %s", len(d.Points), number(budget(r))))
	p.lines = append(p.lines, Chart(p.th, p.width, chartRows, budget(r), "ms", SliceSeries(d.Points)...)...)
	p.line(func(l *theme.Line) {
		l.Space(chartLabel+1).Add(theme.Faint, "older").Space(max(l.Left()-3, 0)).Add(theme.Faint, "now")
	})
	p.line(func(l *theme.Line) { legend(l, p.th, SliceSeries(d.Points)) })
	p.Blank()
	p.Heading("distribution of the last minute's probes: added ms up to, share, count")
	p.histogram(d.Buckets, budget(r))
	p.Blank()
	p.sliceEdges(&d.SliceRow)
	p.Command("nexus slices show " + r.Slice)
	p.Command("nexus slices record " + r.Label)
}

// histogram draws a bar a bucket; buckets above the limit are in the alert style.
func (p *Page) histogram(buckets []wire.Bucket, limit float64) {
	var total uint64
	for _, b := range buckets {
		total += b.Count
	}
	if total == 0 {
		p.Field("", "nothing measured in the last minute", theme.Faint)
		return
	}
	below := 0.0
	for _, b := range buckets {
		name, style := "more", theme.Good
		if b.UpToMs != nil {
			name = number(*b.UpToMs)
		}
		if below >= limit {
			style = theme.Bad
		}
		share := float64(b.Count) / float64(total)
		room := max(p.width-40, 8)
		bar := strings.Repeat(p.bar(), int(share*float64(room)+0.5))
		if b.Count > 0 && bar == "" {
			bar = p.bar()
		}
		p.line(func(l *theme.Line) {
			l.Right(theme.Faint, name, 8).Space(1).Right(theme.Plain, fmt.Sprintf("%.1f %%", 100*share), 8).Right(theme.Plain,
				count(b.Count), 9).Space(2).Add(style, bar)
		})
		if b.UpToMs != nil {
			below = *b.UpToMs
		}
	}
}

func (p *Page) bar() string {
	if p.th.ASCII {
		return "#"
	}
	return "█"
}

func (p *Page) sliceFacts(r *wire.SliceRow, d *wire.SliceDetail) {
	word, style := sliceState(r)
	p.Field("slice", r.Slice+" of "+r.Label+" "+r.Name, theme.Strong)
	p.Field("state", fmt.Sprintf("%s, class %s, budget %s ms, %s samples", word, r.Class, number(budget(r)), count(r.Samples)), style)
	p.line(func(l *theme.Line) {
		l.Space(1).Cell(theme.Faint, "added ms", 13).Space(1)
		figures(l, p.th, figure{"p50", r.P50Ms}, figure{"p99", r.P99Ms}, figure{"p99.9", r.P999Ms})
	})
	p.line(func(l *theme.Line) {
		l.Space(1).Cell(theme.Faint, "beside them", 13).Space(1)
		figures(l, p.th, figure{"baseline p50", r.BaselineP50Ms}, figure{"p99", r.BaselineP99Ms}, figure{"gateway p99", r.GatewayP99Ms})
	})
	p.Field("bandwidth", fmt.Sprintf("now %s, guarantee %s, ceiling %s", bits(r.RateBps), zeroMeans(r.GuaranteedBps, "none: a fair share"),
		zeroMeans(r.CeilingBps, "the gateway's capacity")), theme.Plain)
	if r.AtCeiling() {
		p.Field("", "at its ceiling: what is more waits for it, the probes too", theme.Warn)
	}
	if r.OwnP99Ms > 0 {
		own := r.OwnP99Ms
		p.Field("own limits", "made "+ms(p.th, &own)+" ms of the p99: its ceiling, its places; judged by the rest", theme.Plain)
	}
	if text, style := guaranteeKept(r); text != "" {
		p.Field("kept", text, style)
	}
	if text := breaches(r); text != "" {
		p.Field("breach", text, theme.Bad)
	}
	var rec *wire.ServiceUnit
	if d != nil {
		rec = d.Record
	}
	p.sliceRecord(r.MinutesSincePost, rec)
	if r.SessionCap > 0 {
		of := ""
		if !r.CapIsOwn {
			of = ", the class's number"
		}
		p.Field("session cap", count(uint64(r.SessionCap))+" connections at once"+of, theme.Plain)
	}
	p.Field("load", fmt.Sprintf("in flight %s, queue %s, refused %s, dropped %s", count(uint64(max(r.InFlight, 0))), count(uint64(max(r.Queue, 0))),
		count(r.Refused), count(r.Dropped)), theme.Plain)
	if r.Sessions > 0 || r.Planned > 0 || r.Recovered > 0 {
		p.Field("sessions", fmt.Sprintf("%s that move between edges, round trip ms p50 %s p99 %s", count(uint64(max(r.Sessions, 0))), ms(p.th, r.TripP50Ms),
			ms(p.th, r.TripP99Ms)), theme.Plain)
		p.Field("hand-offs", fmt.Sprintf("%s in the last minute; %s planned, %s after a dead or silent edge", count(uint64(max(r.PerMinute, 0))),
			count(r.Planned), count(r.Recovered)), theme.Plain)
	}
	text, style := sliceServed(r)
	p.Field("served", text, style)
}

// keptLeast is the share of what is owed that makes a window kept, percent (slices/shape).
const keptLeast = 98

// guaranteeKept says how a guaranteed rate was kept; nothing of a slice to which none is promised. A share is cut, not rounded.
func guaranteeKept(r *wire.SliceRow) (string, theme.Style) {
	windows := fmt.Sprintf("%s of %s windows of 2 s with traffic", count(r.GuaranteeKept), count(r.GuaranteeWindows))
	switch worst := r.GuaranteePercent; {
	case r.GuaranteeWindows == 0 && r.GuaranteedBps == 0:
		return "", theme.Plain
	case r.GuaranteeWindows == 0:
		return "not measured: nothing was asked for yet", theme.Faint
	case worst == nil:
		return windows + ", none in the last minute", theme.Plain
	case *worst < keptLeast:
		return fmt.Sprintf("%.1f %% in the worst window of the last minute; %s", math.Floor(*worst*10)/10, windows), theme.Bad
	default:
		return fmt.Sprintf("%.1f %% in the last minute; %s", math.Floor(*worst*10)/10, windows), theme.Good
	}
}

// breaches says which breaches of the service-level record are open.
func breaches(r *wire.SliceRow) string {
	var open []string
	if r.OverSince != nil {
		open = append(open, "over its budget since "+r.OverSince.UTC().Format("2006-01-02 15:04Z"))
	}
	if r.ShortSince != nil {
		open = append(open, "less than its guaranteed rate since "+r.ShortSince.UTC().Format("2006-01-02 15:04Z"))
	}
	return strings.Join(open, "; ")
}

// GateHead is what stands above a gate's decisions.
func (p *Page) GateHead(g *wire.GateRow) {
	p.Field("gate", gateName(g.Gate, g.Name), theme.Strong)
	p.Field("rule", g.Rule, theme.Plain)
	enforced, style := "yes, by "+g.EnforcedBy, theme.Good
	if !g.Enforced {
		enforced, style = "not yet: "+g.EnforcedBy, theme.Warn
	}
	p.Field("enforced", enforced, style)
	p.Field("verdicts", fmt.Sprintf("allowed %s, denied %s", count(g.Allowed), count(g.Denied)), theme.Plain)
	if g.Cosigners != nil {
		p.Field("cosigners", cosigners(*g.Cosigners), theme.Plain)
	}
}

// figure is a measured latency with its name.
type figure struct {
	label string
	v     *float64
}

func figures(l *theme.Line, th *theme.Theme, rows ...figure) {
	for _, row := range rows {
		l.Add(theme.Faint, row.label+" ").Add(theme.Plain, ms(th, row.v)+"  ")
	}
}
