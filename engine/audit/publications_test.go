package audit

import (
	"errors"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/publication"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// A month that is over and not published is a finding once its time is up, and so is one whose figures are not what the entries add up to.
func TestMissingAndFalsePublicationsAreFindings(t *testing.T) {
	t.Parallel()
	honest := func(month uint32) (publication.Exits, error) {
		return publication.Exits{Month: state.MonthText(month), Size: 9}, nil
	}
	broken := func(uint32) (publication.Exits, error) { return publication.Exits{}, errors.New("x") }
	published := func(list ...uint32) map[uint32]state.Published {
		out := map[uint32]state.Published{}
		for _, m := range list {
			d, _ := honest(m)
			out[m] = state.Published{Month: m, Size: 9, Digest: d.Digest()}
		}
		return out
	}
	over := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) // October's end
	lying := published(202609, 202610)
	lying[202610] = state.Published{Month: 202610, Size: 9}
	shorter := published(202609, 202610)
	shorter[202610] = state.Published{Month: 202610, Size: 8, Digest: shorter[202610].Digest}
	for name, c := range map[string]struct {
		held  map[uint32]state.Published
		after time.Duration // after October
		up    time.Duration // of the node
		made  func(uint32) (publication.Exits, error)
		want  int
	}{
		"all there":             {published(202609, 202610), 3 * time.Hour, 90 * time.Hour, honest, 0},
		"on its way":            {published(202609), publishPatience, 90 * time.Hour, honest, 0},
		"late":                  {published(202609), publishPatience + time.Second, 90 * time.Hour, honest, 1},
		"late, just started":    {published(202609), 90 * time.Hour, publishStart, honest, 0},
		"late, and long up":     {published(202609), 90 * time.Hour, publishStart + time.Second, honest, 1},
		"none at all":           {published(), 3 * time.Hour, 90 * time.Hour, honest, 1},
		"a gap":                 {published(202610), 3 * time.Hour, 90 * time.Hour, honest, 1},
		"false figures":         {lying, 3 * time.Hour, 90 * time.Hour, honest, 1},
		"a shorter ledger":      {shorter, 3 * time.Hour, 90 * time.Hour, honest, 1},
		"entries not readable":  {published(202609, 202610), 3 * time.Hour, 90 * time.Hour, broken, 2},
		"the month not over":    {published(202609), -time.Second, 90 * time.Hour, honest, 0},
		"nothing over and none": {published(), -40 * 24 * time.Hour, 90 * time.Hour, honest, 0},
	} {
		var s scrub
		now := over.Add(c.after)
		s.months(&months{first: 202609, held: c.held, now: now, opened: now.Add(-c.up), made: c.made})
		if len(s.findings) != c.want {
			t.Errorf("%s: %d findings, want %d: %+v", name, len(s.findings), c.want, s.findings)
		}
		for _, f := range s.findings {
			if f.Where != publishedExits || f.Evidence == "" || f.Required == "" {
				t.Errorf("%s: finding %+v", name, f)
			}
		}
	}
}
