package verify_test

import (
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// TestTheMapOfUnitsIsRecomputed: the writer's map and the checker's own agree, and a signed map that leaves something out of a
// unit, or says another balance, is found although the log itself is whole.
func TestTheMapOfUnitsIsRecomputed(t *testing.T) {
	t.Parallel()
	m, src := history(t)
	if report := run(t, m, src); !report.UnitsChecked || report.FindingsTotal != 0 {
		t.Fatalf("units checked %v, findings %v", report.UnitsChecked, report.Findings)
	}
	cp := ledger.Checkpoint{Cluster: m.Cluster, Size: m.Chain.Size(), Root: m.Chain.Root(), Index: m.Chain.LastIndex()}
	for name, change := range map[string]func(*ledger.Checkpoint){
		"another root": func(cp *ledger.Checkpoint) { cp.Units = m.Chain.Units().Root(); cp.Units[5] ^= 1 },
		"no map":       func(cp *ledger.Checkpoint) {},
	} {
		forged := cp
		change(&forged)
		text, err := ledger.SignCheckpoint(m.Signer, forged.Origin(), forged)
		if err != nil {
			t.Fatal(err)
		}
		src.values["m/checkpoint"] = []byte(text)
		report := run(t, m, src)
		if name == "no map" { // of a version before the map: nothing to compare, and the report says so
			if report.UnitsChecked || report.FindingsTotal != 0 {
				t.Errorf("%s: %+v", name, report.Findings)
			}
			continue
		}
		if report.FindingsTotal != 1 || !strings.Contains(report.Findings[0].What, "commits to units") {
			t.Errorf("%s: findings %v", name, report.Findings)
		}
	}
}
