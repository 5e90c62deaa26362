package panel

import (
	"fmt"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// The cluster panel: members as gossip sees them, with what the replicated state says about each, then the processes that serve as edges.
func clusterPanel() Panel {
	return Panel{ID: Cluster, View: 5, Title: "Cluster", Sections: []Section{SecCluster},
		Len: func(in Input) int { return len(in.Overview.Cluster) + len(edgesOf(in)) },
		Key: func(in Input, i int) string {
			if e := edgeAt(in, i); e != nil {
				return "edge " + e.Name
			}
			return in.Overview.Cluster[i].Node + in.Overview.Cluster[i].Name
		},
		Text: func(in Input, i int) string {
			if e := edgeAt(in, i); e != nil {
				return strings.Join([]string{e.Name, e.State, "edge", e.Group, strings.Join(e.Addresses, " ")}, " ")
			}
			m := &in.Overview.Cluster[i]
			return strings.Join([]string{m.Name, m.State, m.Role, m.Addr, admission(m.Admitted)}, " ")
		},
		Target: func(in Input, i int) Target {
			if e := edgeAt(in, i); e != nil {
				return Target{Kind: MemberTarget, Key: "edge " + e.Name, Label: e.Name}
			}
			m := &in.Overview.Cluster[i]
			return Target{Kind: MemberTarget, Key: m.Node + m.Name, Label: m.Name}
		},
		Value: func(in Input, i int) string {
			if e := edgeAt(in, i); e != nil {
				return strings.Join(e.Addresses, " ")
			}
			return in.Overview.Cluster[i].Addr
		},
		Item: func(in Input, i int) any {
			if e := edgeAt(in, i); e != nil {
				return *e
			}
			return in.Overview.Cluster[i]
		},
		Command: func(in Input, i int) string {
			if edgeAt(in, i) != nil {
				return "nexus cluster edges"
			}
			return "nexus cluster members"
		},
		Draw: drawCluster}
}

// edgesOf lists the edges to show: none while the node's own gateway is the only one.
func edgesOf(in Input) []wire.EdgeRow {
	if len(in.Overview.Edges) < 2 {
		return nil
	}
	return in.Overview.Edges
}

// edgeAt is the edge of a row, nil for a member's.
func edgeAt(in Input, i int) *wire.EdgeRow {
	if k, edges := i-len(in.Overview.Cluster), edgesOf(in); k >= 0 && k < len(edges) {
		return &edges[k]
	}
	return nil
}

func admission(admitted bool) string {
	if admitted {
		return "admitted"
	}
	return "unadmitted"
}

func drawCluster(in Input) []string {
	s, th := newSheet(in), in.Theme
	states := map[string]int{}
	for i := range in.Overview.Cluster {
		states[in.Overview.Cluster[i].State]++
	}
	right, style := fmt.Sprintf("%d alive", states["alive"]), theme.Good
	if states["suspect"] > 0 {
		right, style = right+fmt.Sprintf(", %d suspect", states["suspect"]), theme.Warn
	}
	if states["failed"] > 0 {
		right, style = right+fmt.Sprintf(", %d FAILED", states["failed"]), theme.Bad
	}
	edges := edgesOf(in)
	lost := 0
	for i := range edges {
		if edges[i].Lost() {
			lost++
		}
	}
	if len(in.Overview.Cluster) == 0 {
		right, style = "alone", theme.Faint
	}
	if len(edges) > 0 && in.Width >= 60 {
		right += fmt.Sprintf(", %d edges", len(edges)-lost)
	}
	if lost > 0 {
		right, style = right+fmt.Sprintf(", %d DOWN", lost), theme.Bad
	}
	right, style = asOf(in, right, style)
	s.title(5, "Cluster", "", right, style)
	name := max(min(in.Width-62, 24), 10)
	s.head(func(l *theme.Line) {
		l.Space(3).Cell(theme.Faint, "node", name).Cell(theme.Faint, "state", 11).Right(theme.Faint, "rtt ms", 7).Space(2).
			Cell(theme.Faint, "role", 9).Cell(theme.Faint, "admission", 11).Add(theme.Faint, "address")
	})
	s.rows("this node is alone: `nexus cluster invite` prints a token, `nexus launch --join` uses it",
		func(l *theme.Line, i int, text theme.Style) {
			if e := edgeAt(in, i); e != nil {
				drawEdge(th, l, e, name, text)
				return
			}
			m := &in.Overview.Cluster[i]
			symbol, style := state(th, m.State)
			if m.State == "failed" {
				style = theme.Bad
			}
			l.Cell(text, theme.Clean(m.Name), name-1).Space(1).Cell(style, symbol+" "+theme.Clean(m.State),
				11).Right(theme.Plain, ms(th, m.RTTMs), 7).
				Space(2).Cell(theme.Plain, theme.Clean(m.Role), 9)
			if m.Admitted {
				l.Cell(theme.Faint, admission(true), 11)
			} else {
				l.Cell(theme.Warn, admission(false), 11)
			}
			words := m.Addr
			if m.State != "alive" && !m.LastSeen.IsZero() {
				words = "seen " + m.LastSeen.UTC().Format("15:04:05") + " " + m.Addr
			}
			l.Add(theme.Faint, theme.Clean(words))
		})
	return s.done()
}

// drawEdge is a row of an edge, in the columns of members: its round trip is that of its link, and in the place of admission and address stands what
// it carries, or why it is lost.
func drawEdge(th *theme.Theme, l *theme.Line, e *wire.EdgeRow, name int, text theme.Style) {
	symbol, style := th.Symbols.Passed, theme.Good
	switch {
	case e.Lost():
		symbol, style = th.Symbols.Failed, theme.Bad
	case e.State != wire.EdgeServing:
		symbol, style = th.Symbols.Degraded, theme.Warn
	}
	l.Cell(text, theme.Clean(e.Name), name-1).Space(1).Cell(style, symbol+" "+theme.Clean(e.State), 11).Right(theme.Plain, ms(th, e.LinkRTTMs), 7).
		Space(2).Cell(theme.Plain, "edge", 9)
	if e.Lost() {
		l.Add(theme.Bad, theme.Clean(e.Cause)+", since "+e.Since.UTC().Format("15:04:05"))
		return
	}
	if e.BackendsOut > 0 {
		l.Add(theme.Bad, plural(e.BackendsOut, "backend")+" out, ")
	}
	l.Add(theme.Plain, fmt.Sprintf("p99 %s ms, %.1f Mbit/s, %s, %d requests", ms(th, e.P99Ms), e.RateBps/1e6,
		plural(int(e.Connections), "connection"), e.Requests))
	if e.Group != "" {
		l.Add(theme.Faint, ", "+theme.Clean(e.Group)+" classes")
	}
}
