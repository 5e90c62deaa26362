package panel

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// ExitCommand is the command line that shows an exit again.
func ExitCommand(unit string) string { return "nexus imvu exit-status --imvu-id " + unit }

// sshWay is the client's command line up to the node's SSH console, "" when there is none. A console that listens on every address, or on one that
// is nobody else's, leaves the host's name to whoever knows it.
func sshWay(door string) string {
	host, port, err := net.SplitHostPort(door)
	if err != nil {
		return ""
	}
	if ip, err := netip.ParseAddr(host); err == nil && (ip.IsUnspecified() || ip.IsLoopback()) {
		host = "HOST"
	}
	return "ssh -A -p " + port + " " + host
}

// exitCells is the width of the bar of an exit, in cells.
const exitCells = 40

// Exit shows where a unit's exit stands, and the way on from there; door is the address of the node's SSH console, "" for none.
func (p *Page) Exit(r *wire.ExitRow, door string) {
	p.Field("unit", r.Unit+" "+r.Name+" "+r.UnitID, theme.Strong)
	style := theme.Info
	if r.Progress != nil && r.Progress.Broke != "" || r.Late {
		style = theme.Warn
	}
	p.Field("stands", r.Words(), style)
	if g := r.Progress; g != nil {
		full := exitCells * min(max(g.Percent, 0), 100) / 100
		p.line(func(l *theme.Line) {
			l.Space(15).Add(theme.Good, strings.Repeat(p.bar(), full)).Add(theme.Faint, strings.Repeat(p.th.Symbols.Pending, exitCells-full)).
				Add(theme.Plain, fmt.Sprintf(" %d %%", g.Percent))
		})
		if g.Ended.IsZero() {
			p.Field("file", g.File, theme.Plain)
		}
		p.Field("fetch began", moment(g.Started), theme.Plain)
	}
	p.Field("begun", fmt.Sprintf("%s, decision %d", moment(r.Begun), r.Decision), theme.Plain)
	serving := "yes, all the while and for 30 days after"
	if !r.Serving {
		serving = "no"
	}
	p.Field("serving", serving, theme.Plain)
	if r.Late {
		p.Field("late", "under way for more than two hours; the same command goes on", theme.Warn)
	}
	if !r.Completed.IsZero() {
		p.Field("complete", moment(r.Completed), theme.Plain)
		p.Field("manifest", r.Manifest, theme.Plain)
		p.Field("back until", moment(r.GraceUntil), theme.Plain)
		p.Field("kept until", moment(r.RetainedUntil), theme.Plain)
	}
	var owed []string
	for _, o := range r.Owed {
		owed = append(owed, money(o.Minor, o.Currency)+" "+o.Currency)
	}
	if len(owed) > 0 {
		p.Field("owed to you", strings.Join(owed, ", ")+"; it stays owed and is paid", theme.Plain)
	}
	p.Command(ExitCommand(r.Unit))
	p.Blank()
	if r.Completed.IsZero() {
		p.Heading("take it with you, from your own machine")
		if way := sshWay(door); way != "" {
			p.Field("over ssh", way+" imvu exit --imvu-id "+r.Unit+" --export-path - > "+r.Unit+".tar", theme.Strong)
		}
		p.Field("on the node", "nexus imvu exit --imvu-id "+r.Unit, theme.Strong)
	}
	if r.Released.IsZero() {
		p.Field("come back", "nexus imvu exit --imvu-id "+r.Unit+" --cancel", theme.Strong)
	}
}
