package slices

import (
	"fmt"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Class says how a slice is treated beside others. Values are stored in the ledger: never renumber.
type Class uint8

// The classes. ClassSpecs describes each.
const (
	ClassControl     Class = 1
	ClassRealtime    Class = 2
	ClassLive        Class = 3
	ClassVideo       Class = 4
	ClassInteractive Class = 5
	ClassDefault     Class = 6
	ClassBulk        Class = 7
)

// GatewayConnectionsMax is how many connections a gateway takes of all slices together when it is given no number (edge.Config): what a
// session cap is judged by. The verdicts in the ledger name it, so another number needs a level of the rules (decision 10).
const GatewayConnectionsMax = 16384

// DropRule bounds the time and the number of requests that wait in a slice's queue (CoDel on queue age: once requests
// have waited longer than TargetMs for a whole IntervalMs, the oldest ones are answered 503 at a rising rate).
type DropRule struct {
	TargetMs   int64 // queue age that is fine for ever, milliseconds
	IntervalMs int64 // how long the age may stay above TargetMs before dropping starts, milliseconds
	MaxWaitMs  int64 // no request waits longer than this, milliseconds
	QueueMax   int   // requests waiting at most; the next one is answered 503 at once
}

// ClassSpec is the description of one class.
type ClassSpec struct {
	Class         Class
	Name          string   // the word in CLI, JSON and configuration
	FiveQI        uint8    // 3GPP TS 23.501 table 5.7.4-1
	Priority      uint8    // 3GPP priority level, 1 is served first; counts inside guaranteed rates only
	SST           uint8    // slice/service type: 1 eMBB, 2 URLLC
	DelayBudgetMs int64    // added latency allowed at the 99th percentile, milliseconds
	TurnsMax      int      // requests at once that began a moment ago, beside another slice; see package edge
	InFlightMax   int      // requests worked on at once when the slice names no number
	SessionsMax   int      // connections at once when the slice names no number
	Drop          DropRule // when waiting turns into refusal
	Purpose       string   // one line for help and reference pages
}

// ClassSpecs lists every class, most urgent first. The list is the reference page, the help text and the parser.
func ClassSpecs() []ClassSpec {
	return []ClassSpec{
		{
			Class: ClassControl, Name: "control", FiveQI: 5, Priority: 10, SST: 2, DelayBudgetMs: 10,
			TurnsMax: 16, InFlightMax: 64, SessionsMax: 4096, Drop: DropRule{20, 100, 2000, 256},
			Purpose: "signalling of the platform itself: probes, membership, console; given by an operator only",
		},
		{
			Class: ClassRealtime, Name: "realtime", FiveQI: 82, Priority: 19, SST: 2, DelayBudgetMs: 10,
			TurnsMax: 8, InFlightMax: 32, SessionsMax: 4096, Drop: DropRule{5, 50, 500, 128},
			Purpose: "input events, remote control: late is as bad as lost",
		},
		{
			Class: ClassLive, Name: "live", FiveQI: 71, Priority: 56, SST: 1, DelayBudgetMs: 150,
			TurnsMax: 4, InFlightMax: 32, SessionsMax: 8192, Drop: DropRule{50, 200, 5000, 512},
			Purpose: "live media up and down: Nexus Stream",
		},
		{
			Class: ClassVideo, Name: "video", FiveQI: 4, Priority: 50, SST: 1, DelayBudgetMs: 300,
			TurnsMax: 4, InFlightMax: 32, SessionsMax: 8192, Drop: DropRule{100, 500, 10000, 512},
			Purpose: "buffered video with a guaranteed rate: Nexus OTT Mini",
		},
		{
			Class: ClassInteractive, Name: "interactive", FiveQI: 80, Priority: 68, SST: 1, DelayBudgetMs: 10,
			TurnsMax: 4, InFlightMax: 64, SessionsMax: 4096, Drop: DropRule{50, 200, 5000, 512},
			Purpose: "pages and APIs that somebody waits for; what a new unit gets",
		},
		{
			Class: ClassDefault, Name: "default", FiveQI: 8, Priority: 80, SST: 1, DelayBudgetMs: 300,
			TurnsMax: 2, InFlightMax: 32, SessionsMax: 4096, Drop: DropRule{200, 1000, 10000, 512},
			Purpose: "web, mail and feeds without a promise of speed",
		},
		{
			Class: ClassBulk, Name: "bulk", FiveQI: 9, Priority: 90, SST: 1, DelayBudgetMs: 1000,
			TurnsMax: 1, InFlightMax: 8, SessionsMax: 1024, Drop: DropRule{1000, 5000, 30000, 256},
			Purpose: "downloads, uploads, exports: takes what the others leave",
		},
	}
}

// Spec gives the description of a class; ok is false for a number that is no class.
func (c Class) Spec() (spec ClassSpec, ok bool) {
	for _, s := range ClassSpecs() {
		if s.Class == c {
			return s, true
		}
	}
	return ClassSpec{}, false
}

// Group is a latency group: classes whose connections an edge with several processes serves in one of them
// (docs/decisions/0052-a-worker-per-latency-group.md).
type Group string

// The groups.
const (
	GroupPrompt  Group = "prompt"  // a delay budget of at most promptMs: somebody waits for each answer
	GroupPatient Group = "patient" // all others
)

// promptMs is the largest delay budget of the prompt group, milliseconds.
const promptMs = 10

// Groups lists the groups; the first one is that of the edge's doors.
func Groups() []Group { return []Group{GroupPrompt, GroupPatient} }

// Group gives the class's latency group; a number that is no class has patience.
func (c Class) Group() Group {
	if spec, ok := c.Spec(); ok && spec.DelayBudgetMs <= promptMs {
		return GroupPrompt
	}
	return GroupPatient
}

// String gives the class's word, "class(9)" for an unknown number.
func (c Class) String() string {
	if s, ok := c.Spec(); ok {
		return s.Name
	}
	return fmt.Sprintf("class(%d)", uint8(c))
}

// MarshalText implements encoding.TextMarshaler.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with ParseClass.
func (c *Class) UnmarshalText(b []byte) error {
	parsed, err := ParseClass(string(b))
	if err != nil {
		return err
	}
	*c = parsed
	return nil
}

// ParseClass reads a class's word, exactly as listed. An unknown one is refused with the list.
func ParseClass(word string) (Class, error) {
	specs := ClassSpecs()
	names := make([]string, len(specs))
	for i, s := range specs {
		if s.Name == word {
			return s.Class, nil
		}
		names[i] = s.Name
	}
	return 0, nexus.Errf("slice", nexus.CodeMalformed, fmt.Sprintf("class %q", word),
		"one of "+strings.Join(names, ", "), "unknown class")
}
