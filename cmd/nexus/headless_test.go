package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

func ptr[T any](v T) *T { return &v }

// sampleLines are a short launch with everything that a line can hold.
func sampleLines() []any {
	at := func(ms int) time.Time {
		return time.Date(2026, 3, 14, 14, 22, 7, 0, time.UTC).Add(time.Duration(ms) * time.Millisecond)
	}
	return []any{
		wire.VersionLine{Type: wire.LineVersion, Version: "v0.1.0", Schema: wire.LaunchSchemaVersion, Time: at(0)},
		wire.PhaseStartedLine{Type: wire.LinePhaseStarted, Phase: 1, Name: "preflight", Time: at(1)},
		wire.PhaseStartedLine{Type: wire.LinePhaseStarted, Phase: 7, Name: "compute", Time: at(2)},
		wire.PhaseCheckLine{Type: wire.LinePhaseCheck, Phase: 1, Check: "clock", Status: wire.StatusPassed, Value: ptr(0.4), Unit: "ms", Limit: ptr(10.0),
			Time: at(3)},
		wire.PhaseCheckLine{Type: wire.LinePhaseCheck, Phase: 7, Check: "memory", Status: wire.StatusDegraded, Detail: "100% of it\n::set-env name=A::b",
			Remedy: "boot with ##[x]", Time: at(4)},
		wire.PhaseFinishedLine{Type: wire.LinePhaseFinished, Phase: 1, Name: "preflight", Status: wire.StatusPassed, DurationMs: 3, Time: at(5)},
		wire.PhaseFinishedLine{Type: wire.LinePhaseFinished, Phase: 7, Name: "compute", Status: wire.StatusDegraded, Reason: "memory: all | of it",
			DurationMs: 3, Time: at(6)},
		wire.LaunchFinishedLine{Type: wire.LineLaunchFinished, Status: wire.StatusDegraded, Passed: 1, Degraded: 1, Skipped: 10, DurationMs: 7,
			Report: "report.txt", ReportSHA256: strings.Repeat("0a", 32), Addresses: map[string]string{"api": "127.0.0.1:1"}, Time: at(7)},
	}
}

// headlessRun prints lines with an environment, and gives both streams.
func headlessRun(t *testing.T, env map[string]string, flags []string, lines []any) (out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	home := t.TempDir()
	getenv := func(key string) string {
		if key == "HOME" {
			return home
		}
		return env[key]
	}
	a := &app{in: strings.NewReader(""), out: &stdout, err: &stderr, getenv: getenv, now: time.Now}
	cmd := a.root()
	if err := cmd.ParseFlags(flags); err != nil {
		t.Fatal(err)
	}
	if err := a.configure(cmd); err != nil {
		t.Fatal(err)
	}
	h := a.newHeadless()
	for _, l := range lines {
		h.line(l)
	}
	h.stop()
	h.stop()
	return stdout.String(), stderr.String()
}

// Without a CI service: one line a change, in the order of happening, the verdict alone on stdout.
func TestHeadlessPrintsLines(t *testing.T) {
	t.Parallel()
	out, errs := headlessRun(t, nil, nil, sampleLines())
	if !strings.HasPrefix(out, "launch DEGRADED: 1 passed") || strings.Contains(errs, "DEGRADED:") {
		t.Errorf("stdout %q, stderr %q", out, errs)
	}
	if strings.Index(errs, "clock") > strings.Index(errs, "memory") || strings.Contains(errs, "::group") {
		t.Errorf("stderr %q", errs)
	}
}

// On GitHub each phase is a group with its own checks, what was found an annotation, and no text of a tenant a command.
func TestHeadlessOnGitHub(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": filepath.Join(dir, "summary"), "GITHUB_OUTPUT": filepath.Join(dir, "output")}
	_, errs := headlessRun(t, env, nil, sampleLines())
	var commands []string
	open := ""
	for _, line := range strings.Split(errs, "\n") {
		if strings.Contains(line, "##[") {
			t.Errorf("%q could be read as a command", line)
		}
		switch {
		case strings.HasPrefix(line, "::group::"):
			open = line
		case strings.HasPrefix(line, "::endgroup::"):
			open = ""
		case strings.HasPrefix(line, "::"):
		case strings.Contains(line, "clock") && !strings.Contains(open, "preflight"),
			strings.Contains(line, "degraded memory") && !strings.Contains(open, "compute"):
			t.Errorf("%q stands in group %q", line, open)
		}
		if strings.HasPrefix(strings.TrimSpace(line), "::") {
			commands = append(commands, strings.SplitN(strings.TrimSpace(line), ":", 4)[2])
		}
	}
	if got := strings.Join(commands, " "); got != "group endgroup group endgroup warning title=phase 7 compute%3A memory" {
		t.Errorf("commands %q in\n%s", got, errs)
	}
	if !strings.Contains(errs, "100%25 of it") {
		t.Errorf("a per cent sign is not escaped:\n%s", errs)
	}
	summary, err := os.ReadFile(env["GITHUB_STEP_SUMMARY"])
	if err != nil || !strings.Contains(string(summary), `| 7 compute | degraded | 1 | 3 | memory: all \| of it |`) {
		t.Errorf("summary %q, %v", summary, err)
	}
	if output, err := os.ReadFile(env["GITHUB_OUTPUT"]); err != nil || !strings.Contains(string(output), "status=degraded\nreport=report.txt\n") {
		t.Errorf("outputs %q, %v", output, err)
	}
}

// No more annotations of a kind than the service shows.
func TestHeadlessAnnotationsAreBounded(t *testing.T) {
	t.Parallel()
	lines := []any{wire.PhaseStartedLine{Phase: 2, Name: "scrub"}}
	for i := range 30 {
		lines = append(lines, wire.PhaseCheckLine{Phase: 2, Check: fmt.Sprintf("file %d", i), Status: wire.StatusFailed})
	}
	lines = append(lines, wire.PhaseFinishedLine{Phase: 2, Name: "scrub", Status: wire.StatusFailed, Reason: "files"})
	_, errs := headlessRun(t, map[string]string{"GITHUB_ACTIONS": "true"}, nil, lines)
	if n := strings.Count(errs, "::error "); n != annotationsMax {
		t.Errorf("%d annotations", n)
	}
	if n := strings.Count(errs, "failed   file "); n != 30+annotationsMax {
		t.Errorf("%d checks are printed:\n%s", n, errs)
	}
}

// On GitLab sections open and close by name, those that passed folded.
func TestHeadlessOnGitLab(t *testing.T) {
	t.Parallel()
	_, errs := headlessRun(t, map[string]string{"GITLAB_CI": "true"}, nil, sampleLines())
	for _, want := range []string{":nexus_phase_01[collapsed=true]\r\x1b[0K[ 1/12] preflight", ":nexus_phase_07\r\x1b[0K[ 7/12] compute"} {
		if strings.Count(errs, want) != 1 {
			t.Errorf("%q is not there once:\n%q", want, errs)
		}
	}
	if strings.Count(errs, "\x1b[0Ksection_start:") != 2 || strings.Count(errs, "\x1b[0Ksection_end:") != 2 {
		t.Errorf("sections do not close:\n%q", errs)
	}
}

// A silence is broken every ten seconds by a line that names what has not ended; never once there is a verdict.
func TestHeartbeatNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{"text": nil, "json": {"-o", "json"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var stdout, stderr bytes.Buffer
				home := t.TempDir()
				a := &app{in: strings.NewReader(""), out: &stdout, err: &stderr, now: time.Now, getenv: func(key string) string {
					return map[string]string{"HOME": home}[key]
				}}
				cmd := a.root()
				if err := cmd.ParseFlags(flags); err != nil {
					t.Fatal(err)
				}
				if err := a.configure(cmd); err != nil {
					t.Fatal(err)
				}
				h := a.newHeadless()
				lines := sampleLines()
				for _, l := range lines[:6] {
					h.line(l)
				}
				time.Sleep(25 * time.Second)
				synctest.Wait()
				got := stderr.String()
				if strings.Count(got, "waiting ") != 2 {
					t.Errorf("in 25 s of silence:\n%s", got)
				}
				for _, want := range []string{"1 of 12 phases have ended", "running: compute for 10 s of 60 s, 1 checks so far, last: memory",
					"not begun: scrub, nn5g (needs core)", "validation (needs scrub, nn5g, mini-platforms"} {
					if !strings.Contains(got, want) {
						t.Errorf("%q is missing:\n%s", want, got)
					}
				}
				h.line(lines[7])
				time.Sleep(time.Minute)
				synctest.Wait()
				if strings.Count(stderr.String(), "waiting ") != 2 || strings.Contains(stdout.String(), "waiting") {
					t.Errorf("after the verdict:\n%s\n%s", stderr.String(), stdout.String())
				}
				h.stop()
			})
		})
	}
}

// launchSchema compiles what the program prints.
func launchSchema(t interface {
	Helper()
	Fatal(args ...any)
}) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(wire.LaunchSchema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("launch.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("launch.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validLine(s *jsonschema.Schema, line string) error {
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// Each line is valid, and what is not a launch line is not.
func TestLaunchSchemaJudges(t *testing.T) {
	t.Parallel()
	s := launchSchema(t)
	out, _ := headlessRun(t, nil, []string{"-o", "json"}, sampleLines())
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(sampleLines()) {
		t.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines {
		if err := validLine(s, line); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	for old, bad := range map[string]string{`"phase":1,`: `"phase":13,`, `"name":"preflight"`: `"name":"pre"`, `"schema":"1.1"`: `"schema":"2.0"`,
		`"value":0.4,`: ``, `"status":"degraded","detail"`: `"status":"fine","detail"`, `"check":"clock",`: ``, `,"reason":"memory: all | of it"`: ``,
		`"time":"2026-03-14T14:22:07.003Z"`: `"time":"2026-03-14T14:22:07.003+01:00"`, `"type":"phase.check"`: `"type":"phase.chick"`,
		`"report_sha256":"0a`: `"report_sha256":"xx`, `"duration_ms":3`: `"duration_ms":"3"`} {
		judged := 0
		for _, line := range lines {
			if changed := strings.Replace(line, old, bad, 1); changed != line {
				judged++
				if validLine(s, changed) == nil {
					t.Errorf("valid: %s", changed)
				}
			}
		}
		if judged == 0 {
			t.Errorf("%s stands in no line", old)
		}
	}
}

// The schema and the types have the same fields, and the same ones may be absent.
func TestLaunchSchemaKnowsEveryField(t *testing.T) {
	t.Parallel()
	var doc struct {
		Defs map[string]struct {
			Required   []string
			Properties map[string]json.RawMessage
		} `json:"$defs"`
	}
	if err := json.Unmarshal([]byte(wire.LaunchSchema), &doc); err != nil {
		t.Fatal(err)
	}
	for name, line := range map[string]any{wire.LineVersion: wire.VersionLine{}, wire.LinePhaseStarted: wire.PhaseStartedLine{},
		wire.LinePhaseCheck: wire.PhaseCheckLine{}, wire.LinePhaseFinished: wire.PhaseFinishedLine{}, wire.LineLaunchFinished: wire.LaunchFinishedLine{}} {
		def, typ := doc.Defs[name], reflect.TypeOf(line)
		required := map[string]bool{}
		for _, r := range def.Required {
			required[r] = true
		}
		for i := range typ.NumField() {
			key, option, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if _, ok := def.Properties[key]; !ok || required[key] == (option == "omitempty") {
				t.Errorf("%s: field %s (%s) is not the schema's", name, key, option)
			}
			delete(def.Properties, key)
		}
		for key := range def.Properties {
			t.Errorf("%s: the schema has %s, the type does not", name, key)
		}
	}
}
