package panel

import (
	"fmt"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// The cluster panel: members as gossip sees them, with what the replicated state says about each.
func clusterPanel() Panel {
	return Panel{ID: Cluster, View: 5, Title: "Cluster", Sections: []Section{SecCluster},
		Len: func(in Input) int { return len(in.Overview.Cluster) },
		Key: func(in Input, i int) string { return in.Overview.Cluster[i].Node + in.Overview.Cluster[i].Name },
		Text: func(in Input, i int) string {
			m := &in.Overview.Cluster[i]
			return strings.Join([]string{m.Name, m.State, m.Role, m.Addr, admission(m.Admitted)}, " ")
		},
		Target: func(in Input, i int) Target {
			m := &in.Overview.Cluster[i]
			return Target{Kind: MemberTarget, Key: m.Node + m.Name, Label: m.Name}
		},
		Value:   func(in Input, i int) string { return in.Overview.Cluster[i].Addr },
		Item:    func(in Input, i int) any { return in.Overview.Cluster[i] },
		Command: func(Input, int) string { return "nexus cluster members" },
		Draw:    drawCluster}
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
	if len(in.Overview.Cluster) == 0 {
		right, style = "alone", theme.Faint
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
