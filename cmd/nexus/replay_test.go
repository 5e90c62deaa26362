package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// writeLines writes launch lines as -o json does.
func writeLines(t *testing.T, lines ...any) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run.ndjson")
	var b []byte
	for _, l := range lines {
		raw, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		b = append(append(b, raw...), '\n')
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The last picture holds what the lines said; earlier ones are not changed by later lines.
func TestReplayFoldsLines(t *testing.T) {
	t.Parallel()
	lines := sampleLines()
	r, err := readRecording(writeLines(t, append(lines[:7:7], map[string]any{"type": "later.kind", "time": "2026-03-14T14:22:07Z"}, lines[7])...))
	if err != nil || len(r.pictures) != len(lines) {
		t.Fatalf("%d pictures, %v", len(r.pictures), err)
	}
	last := r.pictures[len(r.pictures)-1]
	p := last.Launch.Phases[6]
	if last.Launch.Status != wire.StatusDegraded || last.Node.State != wire.NodeDegraded || last.Launch.DurationMs != 7 || last.Launch.Report != "report.txt" ||
		p.Status != wire.StatusDegraded || len(p.Checks) != 1 || p.Checks[0].Remedy == "" || last.Launch.Phases[1].Status != wire.StatusPending {
		t.Errorf("%+v", last.Launch)
	}
	if early := r.pictures[2].Launch; early.Status != wire.StatusRunning || len(early.Phases[6].Checks) != 0 || early.Phases[6].Status != wire.StatusRunning {
		t.Errorf("the third picture became %+v", early)
	}
	if _, err := r.Decision(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "recording") {
		t.Errorf("a decision: %v", err)
	}
}

// Pictures come at the recorded pace, a long pause is cut, and the last one stays.
func TestReplayKeepsPace(t *testing.T) {
	t.Parallel()
	lines := sampleLines()
	end := lines[7].(wire.LaunchFinishedLine)
	end.Time = end.Time.Add(time.Hour)
	lines[7] = end
	path := writeLines(t, lines...)
	synctest.Test(t, func(t *testing.T) {
		r, err := readRecording(path)
		if err != nil {
			t.Fatal(err)
		}
		r.pace = true
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun, shown := time.Now(), []time.Duration(nil)
		if err := r.Watch(ctx, func(*wire.Overview) { shown = append(shown, time.Since(begun)) }); err != nil {
			t.Error(err)
		}
		if len(shown) != 8 || shown[6] != 6*time.Millisecond || shown[7] != shown[6]+replayPauseMax || time.Since(begun) != time.Minute {
			t.Errorf("pictures after %v, the end after %v", shown, time.Since(begun))
		}
	})
}

// Without a terminal a recording is printed as lines and the command ends, also for one that breaks off.
func TestReplayWithoutATerminal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines []any
		want  string
	}{"whole": {sampleLines(), "launch: degraded in 7 ms, report report.txt"}, "broken off": {sampleLines()[:5], "phase 7 of 12: compute running"}} {
		code, out, errs := runApp(t, nil, "console", "--replay", writeLines(t, c.lines...))
		if code != 0 || !strings.Contains(out, c.want) || !strings.Contains(out, "check in phase 1: clock passed, 0.4 ms, limit 10") ||
			!strings.Contains(errs, "printing lines") {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", name, code, out, errs)
		}
	}
}

// A file that is no recording is refused with the line, in words.
func TestReplayRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for text, want := range map[string]string{
		"": "line 1: the file is empty", "{}\n": "line 1", "not json\n": "line 1",
		`{"type":"phase.started","phase":1}` + "\n":                                      "begins with one version line",
		`{"type":"version","schema":"2.0"}` + "\n":                                       "schema 1.x",
		`{"type":"version","schema":"1.3"}` + "\n{\"type\":":                             "line 2",
		`{"type":"version","schema":"1.3"}` + "\n" + `{"type":"version","schema":"1.0"}`: "line 2",
		`{"type":"version","schema":"1.3"}` + "\n" + `{"type":"phase.check","phase":13}`: "names a phase that is not there",
	} {
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, errs := runApp(t, nil, "console", "--replay", path); code != 2 || !strings.Contains(errs, want) {
			t.Errorf("%q: exit %d, %s", text, code, errs)
		}
	}
	for _, args := range [][]string{{"console", "--replay", filepath.Join(dir, "none")}, {"console", "--replay", dir, "--node", "/x"}} {
		if code, _, _ := runApp(t, nil, args...); code != 2 {
			t.Errorf("%v: exit %d", args, code)
		}
	}
}
