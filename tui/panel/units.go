package panel

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// The units panel: IMVUs and mini-platforms with owner, envelope and domain.
func unitsPanel() Panel {
	return Panel{ID: Units, View: 6, Title: "Units", Sections: []Section{SecUnits},
		Len: func(in Input) int { return len(in.Overview.Units) },
		Key: func(in Input, i int) string { return in.Overview.Units[i].ID },
		Text: func(in Input, i int) string {
			u := &in.Overview.Units[i]
			return strings.Join([]string{u.Label, u.Name, u.Kind, u.OwnerName, u.Status, u.Domain, u.Jurisdiction,
				dormancy(u)}, " ")
		},
		Target: func(in Input, i int) Target {
			u := &in.Overview.Units[i]
			return Target{Kind: UnitTarget, Key: u.ID, Label: u.Label}
		},
		Sorts: []string{"label", "name", "owner", "status"},
		Less: func(in Input) func(a, b int) int {
			u := in.Overview.Units
			switch in.Sort {
			case 1:
				return func(a, b int) int { return cmp.Compare(strings.ToLower(u[a].Name), strings.ToLower(u[b].Name)) }
			case 2:
				return func(a, b int) int { return cmp.Compare(u[a].OwnerName, u[b].OwnerName) }
			case 3:
				return func(a, b int) int { return cmp.Compare(dormancy(&u[a]), dormancy(&u[b])) }
			}
			return nil
		},
		Value:   func(in Input, i int) string { return in.Overview.Units[i].ID },
		Item:    func(in Input, i int) any { return in.Overview.Units[i] },
		Command: func(in Input, i int) string { return unitCommand(&in.Overview.Units[i]) },
		Draw:    drawUnits}
}

func dormancy(u *wire.UnitRow) string {
	if u.Dormant {
		return "dormant"
	}
	return u.Status
}

func envelope(e *wire.Envelope) string {
	cores := " cores "
	if e.CPUCores == 1 {
		cores = " core "
	}
	return fmt.Sprintf("%s%s%s %s", number(e.CPUCores), cores, bytesSize(e.MemoryBytes), bytesSize(e.StorageBytes))
}

func drawUnits(in Input) []string {
	s, th := newSheet(in), in.Theme
	dormant, label := 0, 8
	for i := range in.Overview.Units {
		label = max(label, min(len(in.Overview.Units[i].Label), 12))
		if in.Overview.Units[i].Dormant {
			dormant++
		}
	}
	total := max(in.Overview.UnitsTotal, len(in.Overview.Units))
	words := ""
	if dormant > 0 {
		words = count(uint64(dormant)) + " dormant"
	}
	if in.Overview.Cut && total > len(in.Overview.Units) { // nobody is to take the beginning for all of them
		words = "the first " + count(uint64(len(in.Overview.Units))) + ", asking for the others"
	}
	s.title(6, "Units", words, count(uint64(total))+" in all", theme.Plain)
	name, owner := max(min(in.Width-50-label, 28), 10), 15
	if in.Width < 60 { // what a unit is called and how it stands; its owner is on its page
		name, owner = max(in.Width-17-label, 5), 0
	}
	s.head(func(l *theme.Line) {
		l.Space(3).Cell(theme.Faint, "unit", label+2).Cell(theme.Faint, "name", name).Cell(theme.Faint, "owner", owner).
			Cell(theme.Faint, "status", 12)
		if in.Width >= 90 {
			l.Cell(theme.Faint, "tag", 9)
		}
		if in.Width >= 110 {
			l.Cell(theme.Faint, "envelope", 26)
		}
		l.Add(theme.Faint, "domain")
	})
	s.rows("no unit yet: `nexus imvu create -i` opens the guided wizard", func(l *theme.Line, i int, text theme.Style) {
		u := &in.Overview.Units[i]
		symbol, style := state(th, dormancy(u))
		l.Cell(text, theme.Clean(u.Label), label+1).Space(1).Cell(text, theme.Clean(u.Name), name-1).Space(1).
			Cell(theme.Plain, theme.Clean(u.OwnerName), max(owner-1, 0)).Space(min(owner, 1)).Cell(style, symbol+" "+theme.Clean(dormancy(u)), 12)
		if in.Width >= 90 {
			l.Cell(theme.Faint, theme.Clean(u.Jurisdiction), 8).Space(1)
		}
		if in.Width >= 110 {
			l.Cell(theme.Plain, envelope(&u.Envelope), 26)
		}
		l.Add(theme.Faint, theme.Clean(u.Domain))
	})
	return s.done()
}
