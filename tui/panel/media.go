package panel

import (
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// The media view: the channels on Nexus Stream and Nexus OTT Mini, and what of them is not built.
func mediaPanel() Panel {
	return Panel{ID: Media, View: 7, Title: "Media", Sections: []Section{SecUnits, SecLaunch},
		Len: func(in Input) int { return len(mediaUnits(in.Overview)) },
		Key: func(in Input, i int) string { return mediaUnits(in.Overview)[i].ID },
		Text: func(in Input, i int) string {
			u := mediaUnits(in.Overview)[i]
			return strings.Join([]string{u.Label, u.Name, u.Kind, u.OwnerName, u.Status, u.Domain}, " ")
		},
		Target: func(in Input, i int) Target {
			u := mediaUnits(in.Overview)[i]
			return Target{Kind: UnitTarget, Key: u.ID, Label: u.Label}
		},
		Value:   func(in Input, i int) string { return mediaUnits(in.Overview)[i].ID },
		Item:    func(in Input, i int) any { return mediaUnits(in.Overview)[i] },
		Command: func(in Input, i int) string { return unitCommand(mediaUnits(in.Overview)[i]) },
		Draw:    drawMedia}
}

// mediaUnits are the platforms that carry media, and channels.
func mediaUnits(o *wire.Overview) []*wire.UnitRow {
	var out []*wire.UnitRow
	for i := range o.Units {
		if u := &o.Units[i]; u.Kind == "channel" || u.Kind == "platform" {
			out = append(out, u)
		}
	}
	return out
}

// frontPhase is the phase that brings the media fabrics up.
const frontPhase = 5

func drawMedia(in Input) []string {
	s, th := newSheet(in), in.Theme
	phase := &in.Overview.Launch.Phases[frontPhase-1]
	symbol, style := state(th, phase.Status)
	units := mediaUnits(in.Overview)
	s.title(7, "Media", "platforms and their channels", plural(len(units), "unit"), theme.Plain)
	s.next().Space(3).Add(theme.Faint, "phase 5 front-facing: ").Add(style, symbol+" "+phase.Status).Add(theme.Plain, "  "+theme.Clean(phase.Reason))
	s.end()
	if phase.Status != wire.StatusPassed {
		s.next().Space(3).Add(theme.Warn, "not built: live ingest, playback and video on demand. No bitrate, viewer or drop is shown because none is measured.")
		s.end()
	}
	s.head(func(l *theme.Line) {
		l.Space(3).Cell(theme.Faint, "unit", 10).Cell(theme.Faint, "kind", 10).Cell(theme.Faint, "name", 24).Cell(theme.Faint, "owner", 16).Add(theme.Faint, "status")
	})
	s.rows("no platform yet: a launch makes Nexus Stream and Nexus OTT Mini; :stream channel create --name NAME makes a channel",
		func(l *theme.Line, i int, text theme.Style) {
			u := units[i]
			symbol, style := state(th, dormancy(u))
			l.Cell(text, theme.Clean(u.Label), 9).Space(1).Cell(theme.Plain, u.Kind, 9).Space(1).Cell(text, theme.Clean(u.Name), 23).Space(1).
				Cell(theme.Plain, theme.Clean(u.OwnerName), 15).Space(1).Add(style, symbol+" "+theme.Clean(dormancy(u)))
		})
	return s.done()
}
