package tuitest

import (
	"fmt"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// Many makes n units, each with a tally, and the picture of a node that has them: the first wire.UnitRowsMax of each and how many there are.
func Many(n int) (o *wire.Overview, units []wire.UnitRow, tallies []wire.TallyRow) {
	for i := range n {
		id, label := nexus.DeriveID("many", fmt.Append(nil, i)).String(), fmt.Sprintf("IMVU-%03d", i+1)
		units = append(units, wire.UnitRow{ID: id, Label: label, Name: fmt.Sprintf("Film %05d", i), Kind: "imvu", OwnerName: fmt.Sprintf("owner-%d", i%997),
			Status: "active", Domain: fmt.Sprintf("film-%05d.nexus.localhost", i), Rule: "55/45", Jurisdiction: "US-CCPA", Dormant: i%2 == 0})
		gross := int64(100 * (i + 1))
		tallies = append(tallies, wire.TallyRow{Unit: label, UnitID: id, Label: label, Name: fmt.Sprintf("Film %05d", i), Kind: "imvu", Rule: "55/45",
			Currency: "USD", Gross: gross, Creator: 55 * (gross / 100), Platform: 45 * (gross / 100), Events: 1, PostedTime: Time().Add(-time.Hour)})
	}
	o = Overview()
	o.Units, o.UnitsTotal = units[:min(n, wire.UnitRowsMax)], n
	o.Tallies, o.TalliesTotal = tallies[:min(n, wire.TallyRowsMax)], n
	o.Totals = []wire.TotalRow{{Rule: "55/45", Currency: "USD", Units: n}}
	for i := range tallies {
		t := &o.Totals[0]
		t.Gross, t.Creator, t.Platform = t.Gross+tallies[i].Gross, t.Creator+tallies[i].Creator, t.Platform+tallies[i].Platform
		t.Events++
	}
	o.Cut = n > wire.UnitRowsMax
	return o, units, tallies
}
