package revenue_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/revenue"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// rig is a real engine in a directory of its own, seen as the import sees a node.
type rig struct {
	eng  *engine.Engine
	gen  identity.Genesis
	keys identity.Keys

	failAfter int // Do fails from this call on with lost; 0: never
	lost      error
	calls     int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	gen, err := identity.NewGenesis(dir, identity.GenesisOptions{Profile: identity.ProfileDev})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := identity.LoadKeys(dir, gen)
	if err != nil {
		t.Fatal(err)
	}
	act, err := engine.Found(gen, keys.Platform)
	if err != nil {
		t.Fatal(err)
	}
	eng, err := engine.Open(engine.Config{DataDir: dir, NodeName: "test", Cluster: gen.Cluster, Node: keys.Node, Genesis: act,
		Bus: bus.New(bus.Limits{}), Logger: slog.New(slog.DiscardHandler), Capacity: engine.Capacity{CPUMilli: 2000, MemoryBytes: 8 << 30, NetworkBps: 1e9}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	})
	return &rig{eng: eng, gen: gen, keys: keys}
}

func (r *rig) Units(context.Context) (out []wire.UnitRow, err error) {
	r.eng.View(func(s *state.State) {
		for _, u := range s.SortedUnits() {
			out = append(out, engine.UnitRow(s, u))
		}
	})
	return out, nil
}

func (r *rig) Unit(_ context.Context, word string) (row wire.UnitRow, err error) {
	err = nexus.Errf("find", nexus.CodeNotFound, word, "", "no unit")
	r.eng.View(func(s *state.State) {
		if u, ok := s.FindUnit(word); ok {
			row, err = engine.UnitRow(s, u), nil
		}
	})
	return row, err
}

func (r *rig) Do(ctx context.Context, a nexus.Action) (nexus.Receipt, error) {
	if r.calls++; r.failAfter > 0 && r.calls > r.failAfter {
		return nexus.Receipt{}, r.lost
	}
	return r.eng.Do(ctx, a)
}

func (r *rig) Try(_ context.Context, a nexus.Action) ([]wire.Verdict, error) {
	d, err := r.eng.DryRun(a)
	if len(d.Verdicts) == 0 {
		return nil, err
	}
	return r.eng.WireVerdicts(&d), err
}

// config imports a text by display name, creating what is missing.
func (r *rig) config(text string) revenue.Config {
	return revenue.Config{Node: r, Signer: r.keys.Operator, Cluster: r.gen.Cluster, CreateMissing: true, CreateAs: nexus.KindIMVU,
		Options: revenue.Options{UnitBy: "shop"},
		Open:    func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
}

func (r *rig) run(t *testing.T, c revenue.Config) (revenue.Result, error) {
	t.Helper()
	return revenue.Import(context.Background(), c)
}

// total adds up what the ledger shows per display name.
func (r *rig) gross() map[string]int64 {
	out := map[string]int64{}
	for _, row := range r.eng.Tally(false).Units {
		out[row.Name] += row.Gross
	}
	return out
}

func line(id, shop string, amount int64, more string) string {
	return fmt.Sprintf(`{"id":%q,"shop":%q,"amount":%d,"currency":"USD","time":"2026-01-31T12:00:00Z"%s}`+"\n", id, shop, amount, more)
}

func TestFilmGrosses(t *testing.T) {
	t.Parallel()
	const path = "../../testdata/revenue/film-grosses.jsonl"
	r := newRig(t)
	c := r.config("")
	c.Options.UnitBy, c.Open = "distributor", func() (io.ReadCloser, error) { return os.Open(path) }
	got, err := r.run(t, c)
	if err != nil || got.UnitsMade != 167 || got.Posted != 2937 || got.Duplicates != 0 || got.BadLines != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	want := map[string]int64{}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		var film struct {
			Distributor string
			Amount      int64
		}
		if err := json.Unmarshal([]byte(text), &film); err != nil {
			t.Fatal(err)
		}
		want[film.Distributor] += film.Amount
	}
	rows := r.eng.Tally(false).Units
	if len(rows) != len(want) {
		t.Fatalf("%d tallies, want %d", len(rows), len(want))
	}
	for _, row := range rows {
		creator := (want[row.Name]*55 + 99) / 100
		if row.Gross != want[row.Name] || row.Creator != creator || row.Platform != row.Gross-creator || row.Kind != "imvu" {
			t.Errorf("%s: %+v, want gross %d and creator %d", row.Name, row, want[row.Name], creator)
		}
	}
	size := r.eng.Store().Size()
	if got, err = r.run(t, c); err != nil || got.Posted != 0 || got.Duplicates != 2937 || got.UnitsMade != 0 || r.eng.Store().Size() != size {
		t.Fatalf("second import: %+v, %v, %d entries more", got, err, r.eng.Store().Size()-size)
	}
}

func TestUnitsAreDormantAndInCustody(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if _, err := r.run(t, r.config(line("a", "Ann", 100, ""))); err != nil {
		t.Fatal(err)
	}
	row, err := r.Unit(context.Background(), "ann")
	if err != nil || !row.Dormant || row.OwnerName != state.PlatformName || row.Owner == r.keys.Operator.Public().String() {
		t.Errorf("%+v, %v", row, err)
	}
}

func TestInterruptedImportIsCompleted(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 2500 {
		text.WriteString(line(fmt.Sprintf("e%d", i), fmt.Sprintf("Shop %d", i%3), int64(i+1), ""))
	}
	want := map[string]int64{}
	for i := range 2500 {
		want[fmt.Sprintf("Shop %d", i%3)] += int64(i + 1)
	}
	for stop := 1; stop <= 5; stop++ {
		t.Run(fmt.Sprintf("after %d actions", stop), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.failAfter, r.lost = stop, nexus.Errf("ask node", nexus.CodeNoNode, "socket", "", "gone")
			first, err := r.run(t, r.config(text.String()))
			if nexus.CodeOf(err) != nexus.CodeNoNode {
				t.Fatalf("%+v, %v", first, err)
			}
			r.failAfter = 0
			second, err := r.run(t, r.config(text.String()))
			if err != nil || first.Posted+second.Posted != 2500 || first.UnitsMade+second.UnitsMade != 3 || second.Duplicates != first.Posted {
				t.Fatalf("%+v then %+v, %v", first, second, err)
			}
			for name, gross := range r.gross() {
				if gross != want[name] {
					t.Errorf("%s: %d, want %d", name, gross, want[name])
				}
			}
		})
	}
}

// TestLostAnswer: the node applied the action, its answer was lost; the same import again is a look-up.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.config(line("a", "Ann", 100, ""))
	lossy := &losing{rig: r}
	c.Node = lossy
	if _, err := r.run(t, c); !errors.Is(err, errAnswerLost) {
		t.Fatal(err)
	}
	got, err := r.run(t, r.config(line("a", "Ann", 100, "")))
	if err != nil || r.gross()["Ann"] != 100 {
		t.Fatalf("%+v, %v, gross %d", got, err, r.gross()["Ann"])
	}
}

var errAnswerLost = errors.New("answer lost")

type losing struct{ *rig }

func (l *losing) Do(ctx context.Context, a nexus.Action) (nexus.Receipt, error) {
	r, err := l.rig.Do(ctx, a)
	if err == nil {
		err = errAnswerLost
	}
	return r, err
}

func TestBadLineAppliesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if _, err := r.run(t, r.config(line("known", "Ann", 100, ""))); err != nil {
		t.Fatal(err)
	}
	text := line("new", "Ann", 1, "") + line("known", "Ann", 101, "") + line("x", "Bo", 5, "") + "{\n" + line("x", "Bo", 6, "") +
		line("r", "Ann", -101, `,"refund_of":"known"`) + line("r2", "Ann", -100, `,"refund_of":"known"`) + line("late", "Cy", -1, `,"refund_of":"none"`) +
		line("u", "IMVU-009", 5, "")
	var lines []int
	c := r.config(text)
	c.Bad = func(e *revenue.LineError) { lines = append(lines, e.Line) }
	size := r.eng.Store().Size()
	got, err := r.run(t, c)
	if nexus.CodeOf(err) != nexus.CodeRefused || got.BadLines != 6 || got.Posted != 0 || r.eng.Store().Size() != size {
		t.Fatalf("%+v, %v, lines %v, %d entries more", got, err, lines, r.eng.Store().Size()-size)
	}
	want := map[int]bool{2: true, 4: true, 5: true, 6: true, 8: true, 9: true}
	for _, n := range lines {
		if !want[n] {
			t.Errorf("line %d was reported", n)
		}
	}
	c.Continue = true
	got, err = r.run(t, c)
	if nexus.CodeOf(err) != nexus.CodeRefused || got.Posted != 3 || got.BadLines != 6 {
		t.Fatalf("continued: %+v, %v", got, err)
	}
	if g := r.gross(); g["Ann"] != 1 || g["Bo"] != 5 || len(g) != 2 {
		t.Errorf("tallies %v", g)
	}
}

func TestRefundsInOneFile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	text := line("s", "Ann", 100, "") + line("r1", "Ann", -60, `,"refund_of":"s"`) + line("r2", "Ann", -40, `,"refund_of":"s"`)
	if got, err := r.run(t, r.config(text)); err != nil || got.Posted != 3 || r.gross()["Ann"] != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	// Its sale stands in the ledger, and is repeated in the file: three ways to count it, one answer.
	if got, err := r.run(t, r.config(text+line("r3", "Ann", -1, `,"refund_of":"s"`))); err == nil || got.BadLines != 1 {
		t.Fatalf("more than the sale: %+v, %v", got, err)
	}
}

// TestRefundsAcrossBatches: the sale, its first refund and the one too many stand in three batches of the check.
func TestRefundsAcrossBatches(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if _, err := r.run(t, r.config(line("first", "Ann", 1, ""))); err != nil {
		t.Fatal(err)
	}
	filler := func(from int) string {
		var b strings.Builder
		for i := range revenue.BatchEvents {
			b.WriteString(line(fmt.Sprintf("f%d", from+i), "Ann", 1, ""))
		}
		return b.String()
	}
	good := line("s", "Ann", 100, "") + filler(0) + line("r1", "Ann", -60, `,"refund_of":"s"`) + filler(2000) + line("r2", "Ann", -40, `,"refund_of":"s"`)
	got, err := r.run(t, r.config(good+filler(4000)+line("r3", "Ann", -1, `,"refund_of":"s"`)))
	if nexus.CodeOf(err) != nexus.CodeRefused || got.BadLines != 1 || got.Posted != 0 {
		t.Fatalf("one too many: %+v, %v", got, err)
	}
	if got, err := r.run(t, r.config(good)); err != nil || got.Posted != 2003 || r.gross()["Ann"] != 2001 {
		t.Fatalf("%+v, %v, gross %d", got, err, r.gross()["Ann"])
	}
}

func TestUnknownUnitsNeedTheFlag(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.config(line("a", "Ann", 100, ""))
	c.CreateMissing = false
	if got, err := r.run(t, c); nexus.CodeOf(err) != nexus.CodeMalformed || got.BadLines != 1 || len(r.gross()) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestForeignSource(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if _, err := r.run(t, r.config(line("a", "Ann", 100, ""))); err != nil {
		t.Fatal(err)
	}
	c := r.config(line("b", "Ann", 100, ""))
	c.Source = state.ProbeSource
	if got, err := r.run(t, c); nexus.CodeOf(err) != nexus.CodeRefused || got.Posted != 0 || r.gross()["Ann"] != 100 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestFileThatChanges(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.config("")
	opened := 0
	c.Open = func() (io.ReadCloser, error) {
		opened++
		return io.NopCloser(strings.NewReader(line("a", "Ann", int64(opened/4+1), ""))), nil
	}
	if got, err := r.run(t, c); nexus.CodeOf(err) != nexus.CodeConflict || got.Posted != 0 {
		t.Errorf("%+v, %v after %d readings", got, err, opened)
	}
}

// TestRefusalIsNotForEver: an id that was refused is final, so the same import must go on under another one.
func TestRefusalIsNotForEver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	now := time.Now()
	c := r.config(line("a", "Ann", 100, ""))
	c.Now = func() time.Time { return now }
	if _, err := r.run(t, c); err != nil {
		t.Fatal(err)
	}
	b := r.config(line("b", "Ann", 100, ""))
	b.Now = c.Now
	b.Node = &closing{rig: r}
	if _, err := r.run(t, b); nexus.CodeOf(err) != nexus.CodeRefused {
		t.Fatalf("the source was closed in between: %v", err)
	}
	r.source(t, state.KindSourceRegister, state.SourceRegister{Name: "second", Class: state.ClassAttested, Key: r.keys.Operator.Public()})
	b.Node, b.Source = r, "second"
	if got, err := r.run(t, b); err != nil || got.Posted != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func (r *rig) source(t *testing.T, kind string, body state.SourceRegister) {
	t.Helper()
	a, err := engine.NewAction(r.keys.Operator, r.gen.Cluster, kind, nexus.ID{}, body, time.Now())
	if err == nil {
		_, err = r.eng.Do(context.Background(), a)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// closing closes the source between the check and the first post.
type closing struct {
	*rig
	done bool
}

func (c *closing) Do(ctx context.Context, a nexus.Action) (nexus.Receipt, error) {
	if !c.done {
		c.done = true
		act, err := engine.NewAction(c.keys.Operator, c.gen.Cluster, state.KindSourceClose, nexus.ID{}, state.SourceRegister{Name: state.OperatorSource}, time.Now())
		if err != nil {
			return nexus.Receipt{}, err
		}
		if _, err := c.eng.Do(ctx, act); err != nil {
			return nexus.Receipt{}, err
		}
	}
	return c.rig.Do(ctx, a)
}
