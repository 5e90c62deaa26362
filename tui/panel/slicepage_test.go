package panel_test

import (
	"strings"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/panel"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// A slice's page says which breaches are open, and that a slice which wants more than it may waits for its own ceiling; else neither line is there.
func TestASlicesPageSaysWhyItIsLate(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 28, 1, 18, 0, 0, time.UTC)
	over, short, ceiling := "over its budget since 2026-11-28 01:18Z", "less than its guaranteed rate since 2026-11-28 01:18Z", "at its ceiling: what"
	for _, c := range []struct {
		row  wire.SliceRow
		want []string
	}{
		{wire.SliceRow{}, nil},
		{wire.SliceRow{RateBps: 8e6}, nil}, // of the gateway's capacity
		{wire.SliceRow{CeilingBps: 8e6, RateBps: 7.7e6}, nil},
		{wire.SliceRow{CeilingBps: 8e6, RateBps: 7.9e6, OverSince: &at}, []string{over, ceiling}},
		{wire.SliceRow{ShortSince: &at}, []string{short}},
		{wire.SliceRow{OverSince: &at, ShortSince: &at}, []string{over + "; " + short}},
	} {
		p := panel.NewPage(theme.New(theme.Options{}), 200)
		p.Slice(&c.row, nil)
		text := strings.Join(p.Lines(), "\n")
		for _, line := range []string{over, short, ceiling} {
			wanted := strings.Contains(strings.Join(c.want, "\n"), line)
			if strings.Contains(text, line) != wanted {
				t.Errorf("%+v: %q wanted: %t\n%s", c.row, line, wanted, text)
			}
		}
	}
}
