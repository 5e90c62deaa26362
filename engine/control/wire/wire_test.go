package wire_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// Keys are a promise to scripts: every exported field has a tag, in snake_case, unique within its type.
func TestEveryFieldHasASnakeCaseKey(t *testing.T) {
	t.Parallel()
	for _, v := range []any{wire.Overview{}, wire.Decision{}, wire.Proof{}, wire.Tally{}, wire.Head{}, wire.Gates{},
		wire.Slices{}, wire.ActionRequest{}, wire.ActionAnswer{}, wire.UnitCreate{}, wire.UnitCreated{}, wire.Event{},
		wire.Problem{}, wire.VersionLine{}, wire.PhaseStartedLine{}, wire.PhaseCheckLine{}, wire.PhaseFinishedLine{},
		wire.LaunchFinishedLine{}, wire.Money{},
		wire.OwnerPeriods{}, wire.Pendings{}, wire.Holds{}, wire.Payouts{}, wire.Disputes{}, wire.FindingHistory{}} {
		checkKeys(t, reflect.TypeOf(v), map[reflect.Type]bool{})
	}
}

func checkKeys(t *testing.T, typ reflect.Type, seen map[reflect.Type]bool) {
	t.Helper()
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Array {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || seen[typ] || !strings.Contains(typ.PkgPath(), "control/wire") {
		return
	}
	seen[typ] = true
	keys := map[string]bool{}
	for i := range typ.NumField() {
		f := typ.Field(i)
		checkKeys(t, f.Type, seen)
		if f.Anonymous {
			continue
		}
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if key == "" || key != strings.ToLower(key) || strings.ContainsAny(key, "- ") || keys[key] {
			t.Errorf("%s.%s: key %q is missing, repeated or not snake_case", typ, f.Name, key)
		}
		keys[key] = true
	}
}

// What was not measured is null, never 0 (SPEC section 4).
func TestAnAbsentMeasurementIsNull(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(wire.SliceRow{History: []*float64{nil}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"p99_ms":null`, `"p50_ms":null`, `"p999_ms":null`, `"history":[null]`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s lacks %s", b, want)
		}
	}
}

// The lines of CLI.md, key by key.
func TestLaunchLines(t *testing.T) {
	t.Parallel()
	value, limit := 0.41, 10.0
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for want, line := range map[string]any{
		`{"type":"phase.started","phase":3,"name":"nn5g","time":"2026-01-02T03:04:05Z"}`: wire.PhaseStartedLine{
			Type: wire.LinePhaseStarted, Phase: 3, Name: wire.PhaseNames()[2].Name, Time: at},
		`{"type":"phase.check","phase":3,"check":"slice p99","status":"passed","value":0.41,"unit":"ms","limit":10,` +
			`"time":"2026-01-02T03:04:05Z"}`: wire.PhaseCheckLine{Type: wire.LinePhaseCheck, Phase: 3, Check: "slice p99",
			Status: wire.StatusPassed, Value: &value, Unit: "ms", Limit: &limit, Time: at},
		`{"type":"phase.finished","phase":3,"name":"nn5g","status":"passed","duration_ms":7,` +
			`"time":"2026-01-02T03:04:05Z"}`: wire.PhaseFinishedLine{Type: wire.LinePhaseFinished, Phase: 3, Name: "nn5g",
			Status: wire.StatusPassed, DurationMs: 7, Time: at},
	} {
		got, err := json.Marshal(line)
		if err != nil || string(got) != want {
			t.Errorf("got  %s (%v)\nwant %s", got, err, want)
		}
	}
}

func TestProblemKeepsAnErrorWhole(t *testing.T) {
	t.Parallel()
	in := nexus.Errf("imvu create", nexus.CodeConflict, `name "a"`, "choose another", "taken by IMVU-001")
	b, err := json.Marshal(wire.ProblemOf(in))
	if err != nil {
		t.Fatal(err)
	}
	var p wire.Problem
	if err := json.Unmarshal(b, &p); err != nil {
		t.Fatal(err)
	}
	out := p.Err()
	if out.Error() != in.Error() || nexus.CodeOf(out) != nexus.CodeConflict {
		t.Errorf("got %v, want %v", out, in)
	}
	if got := wire.ProblemOf(errors.New("odd")); got.Code != nexus.CodeInternal || got.Cause != "odd" {
		t.Errorf("a foreign error became %+v", got)
	}
	if wire.ProblemOf(nil) != nil || (*wire.Problem)(nil).Err() != nil {
		t.Error("nil must stay nil")
	}
}
