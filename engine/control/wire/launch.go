package wire

import (
	_ "embed" // the schema is part of the program
	"time"
)

// Statuses of a phase, a check and a launch (SPEC section 2). Pending and running never end a launch.
const (
	StatusPending  = "pending"
	StatusRunning  = "running"
	StatusPassed   = "passed"
	StatusFailed   = "failed"
	StatusDegraded = "degraded"
	StatusSkipped  = "skipped"
)

// PhaseCount is the number of phases of a launch.
const PhaseCount = 12

// PhaseName is the name and the title of one phase.
type PhaseName struct{ Name, Title string }

// PhaseNames lists the phases in their fixed order; phase n is element n-1.
func PhaseNames() [PhaseCount]PhaseName {
	return [PhaseCount]PhaseName{
		{"preflight", "Repository validation"},
		{"scrub", "Stack scrubbing & audit"},
		{"nn5g", "NN-5G layer"},
		{"mini-platforms", "Mini-platform integration"},
		{"front-facing", "Front-facing modules"},
		{"core", "Core infrastructure"},
		{"compute", "Compute fabric"},
		{"dns-mail", "DNS & mail"},
		{"nexus-net", "Nexus-Net"},
		{"validation", "Validation & testing"},
		{"compliance", "Compliance verification"},
		{"status", "Final system status"},
	}
}

// Launch is the state of the node's latest launch.
type Launch struct {
	Status     string            `json:"status"`
	Started    time.Time         `json:"started"`
	DurationMs int64             `json:"duration_ms"` // so far while it runs
	Phases     [PhaseCount]Phase `json:"phases"`
	Report     string            `json:"report"` // path, empty until phase 12
	Log        string            `json:"log"`    // path
	Existing   int               `json:"existing"`
	Changed    int               `json:"changed"`
}

// Phase is one phase with its checks so far.
type Phase struct {
	Number     int       `json:"number"`
	Name       string    `json:"name"`
	Title      string    `json:"title"`
	Status     string    `json:"status"`
	Reason     string    `json:"reason"` // why it is not passed
	Started    time.Time `json:"started,omitzero"`
	DurationMs int64     `json:"duration_ms"`
	Checks     []Check   `json:"checks"`
}

// Check is one named measurement. Value and Limit share Unit; nil when the check is not a number.
type Check struct {
	Name   string   `json:"name"`
	Status string   `json:"status"`
	Value  *float64 `json:"value,omitempty"`
	Unit   string   `json:"unit,omitempty"`
	Limit  *float64 `json:"limit,omitempty"`
	Bound  string   `json:"bound,omitempty"`  // what Limit is to Value: Bound*; of a check with a limit
	Detail string   `json:"detail,omitempty"` // what was observed, in words
	Remedy string   `json:"remedy,omitempty"` // how to mend it, an order
}

// LaunchSchema is the JSON Schema (draft 2020-12) of one line of `nexus launch -o json`, printed by `nexus schema launch`.
//
//go:embed launch.schema.json
var LaunchSchema string

// LaunchSchemaVersion is what the first line says of the lines. Within a major version fields are only added.
const LaunchSchemaVersion = "1.1"

// Types of the lines of `nexus launch -o json` (CLI.md), one JSON object each.
const (
	LineVersion        = "version"
	LinePhaseStarted   = "phase.started"
	LinePhaseCheck     = "phase.check"
	LinePhaseFinished  = "phase.finished"
	LineLaunchFinished = "launch.finished"
)

// VersionLine is the first line.
type VersionLine struct {
	Type    string    `json:"type"`    // LineVersion
	Version string    `json:"version"` // of the program
	Schema  string    `json:"schema"`  // of these lines, "1.1": a new minor only adds fields
	Time    time.Time `json:"time"`
}

// PhaseStartedLine says that a phase begins.
type PhaseStartedLine struct {
	Type  string    `json:"type"` // LinePhaseStarted
	Phase int       `json:"phase"`
	Name  string    `json:"name"`
	Time  time.Time `json:"time"`
}

// PhaseCheckLine is one check as soon as it is known.
type PhaseCheckLine struct {
	Type   string    `json:"type"` // LinePhaseCheck
	Phase  int       `json:"phase"`
	Check  string    `json:"check"`
	Status string    `json:"status"`
	Value  *float64  `json:"value,omitempty"`
	Unit   string    `json:"unit,omitempty"`
	Limit  *float64  `json:"limit,omitempty"`
	Bound  string    `json:"bound,omitempty"`
	Detail string    `json:"detail,omitempty"`
	Remedy string    `json:"remedy,omitempty"`
	Time   time.Time `json:"time"`
}

// PhaseFinishedLine ends a phase.
type PhaseFinishedLine struct {
	Type       string    `json:"type"` // LinePhaseFinished
	Phase      int       `json:"phase"`
	Name       string    `json:"name"`
	Status     string    `json:"status"`
	Reason     string    `json:"reason,omitempty"`
	DurationMs int64     `json:"duration_ms"`
	Time       time.Time `json:"time"`
}

// LaunchFinishedLine is the last line; the exit code follows from its status.
type LaunchFinishedLine struct {
	Type         string            `json:"type"` // LineLaunchFinished
	Status       string            `json:"status"`
	Passed       int               `json:"passed"`
	Failed       int               `json:"failed"`
	Degraded     int               `json:"degraded"`
	Skipped      int               `json:"skipped"`
	DurationMs   int64             `json:"duration_ms"`
	Report       string            `json:"report"`
	ReportSHA256 string            `json:"report_sha256"` // hexadecimal
	Addresses    map[string]string `json:"addresses"`
	Time         time.Time         `json:"time"`
}
