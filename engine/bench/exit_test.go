package bench

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

func TestExitBenchLeavesAndComesBack(t *testing.T) {
	dir := t.TempDir()
	r, err := Run(context.Background(), "exit", Options{Dir: dir, Runs: 2, Case: "1000 events"})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != 2 || len(r.Notes) != 2 {
		t.Fatalf("got %d rows and %d notes, want 2 and 2: %+v", len(r.Rows), len(r.Notes), r)
	}
	for _, row := range r.Rows {
		if row.Runs != 2 || row.Unit != "ms" || row.Min <= 0 || row.Value < row.Min || row.Max < row.Value {
			t.Errorf("not two runs of milliseconds: %+v", row)
		}
	}
	// The creation and the exits make some entries more than the sales; a neighbour's 1000 must not be among them.
	entries, _, _ := strings.Cut(r.Rows[0].Detail, " ")
	if len(entries) != 4 || entries < "1000" || entries > "1100" {
		t.Errorf("%s entries left with a unit of 1000 sales: %s", entries, r.Rows[0].Detail)
	}
	if !strings.Contains(r.Rows[0].Detail, "alarm at 2h0m0s: met") {
		t.Errorf("the alarm is not judged: %s", r.Rows[0].Detail)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestLeaveIsARealExit holds the measured way to its end: the unit has left, its bundle is in place.
func TestLeaveIsARealExit(t *testing.T) {
	dir := t.TempDir()
	sc, err := newScratch(filepath.Join(dir, "node"))
	if err != nil {
		t.Fatal(err)
	}
	defer sc.eng.Close()
	leaver, err := sc.newLeaver(t.Context(), dir, 5)
	if err != nil {
		t.Fatal(err)
	}
	got, took, err := leaver.leave(t.Context(), filepath.Join(dir, "bundle"))
	if err != nil || took <= 0 {
		t.Fatalf("took %v: %v", took, err)
	}
	var status string
	var exit state.Exit
	sc.eng.View(func(s *state.State) { status = s.Units[leaver.unit].Status; exit, _ = s.ExitOf(leaver.unit) })
	if status != state.StatusExited || exit.Done.Manifest != got.Report.Digest {
		t.Errorf("status %s, manifest %s, want %s and %s", status, exit.Done.Manifest, state.StatusExited, got.Report.Digest)
	}
	if got.Report.Export.Totals == nil || got.Report.Manifest.Unit.ID != leaver.unit {
		t.Errorf("the bundle is not of the unit: %+v", got.Report.Manifest.Unit)
	}
	if _, _, err := leaver.leave(t.Context(), filepath.Join(dir, "again")); nexus.CodeOf(err) != nexus.CodeConflict {
		t.Errorf("a unit that left leaves again: %v", err)
	}
}

func TestUnknownCases(t *testing.T) {
	if _, err := Run(context.Background(), "exit", Options{Dir: t.TempDir(), Runs: 1, Case: "nothing"}); nexus.CodeOf(err) != nexus.CodeUsage {
		t.Errorf("a case that does not exist: %v", err)
	}
	if rows, err := Run(context.Background(), "ledger", Options{Dir: t.TempDir(), Runs: 1, Case: "nothing"}); nexus.CodeOf(err) != nexus.CodeUsage {
		t.Errorf("a case of the ledger that does not exist: %v, %v", rows, err)
	}
	if budgetWord(2, 1) != "MISSED" || budgetWord(1, 1) != "met" {
		t.Error("the limit itself is met, above it is missed")
	}
}
