// Package panel draws the parts of the console: each panel turns one immutable Overview into lines of text, each page
// turns one piece of evidence into lines.
//
// Promises: pure functions of their input, no clock, no state; never more lines than asked for, none wider than asked
// for; text that is not ours goes through theme.Clean; a measurement that was not taken is a dash. All panels follow
// one pattern: a declaration (title, rows, keys of rows, what enter opens) and a Draw, listed in All.
//
// It imports the root package, engine/control/wire, tui/theme and tui/keymap; no Bubble Tea.
package panel

import (
	"regexp"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/tui/theme"
)

// ID names a panel.
type ID uint8

// The panels. The first ones carry the numbers of their views.
const (
	None ID = iota
	Launch
	Slices
	Gates
	Splits
	Cluster
	Units
	Stream // gate decisions, newest first
	Messages
	Pane // short evidence of the selected decision, beside Stream
	idEnd
)

// Count is the number of panel ids, for tables indexed by ID.
const Count = int(idEnd)

// Section is a part of an Overview that changes on its own; a panel is redrawn when one of its sections changed.
type Section uint8

// The sections.
const (
	SecNode Section = iota
	SecLaunch
	SecSlices
	SecGates
	SecDecisions
	SecSplits
	SecCluster
	SecUnits
	SecAlerts
	SecLocal // messages and commands of this console
	SectionCount
)

// Kind of thing that enter opens.
type Kind uint8

// The kinds.
const (
	NoTarget Kind = iota
	PhaseTarget
	SliceTarget
	GateTarget // the audit view, filtered to the gate
	DecisionTarget
	TallyTarget
	TotalTarget // the splits view, filtered to the rule and currency
	MemberTarget
	UnitTarget
	TextTarget // a message, shown whole
)

// Target is what enter opens on a row.
type Target struct {
	Kind     Kind
	Key      string // of the row
	Number   int    // phase or gate
	Index    uint64 // decision
	Unit     string // unit id of a tally
	Label    string
	Currency string
	Text     string
}

// Input is all that a panel sees.
type Input struct {
	Overview *wire.Overview
	Local    []Note // messages and commands of this console, newest first
	Theme    *theme.Theme
	Width    int
	Height   int
	Pad      bool  // fill lines to Width: another panel stands to the right
	Focus    bool  // the cursor is here
	Full     bool  // the panel has the screen to itself
	Index    []int // rows to show, in order, after sort and filter
	Cursor   int   // position in Index
	Sort     int
	Filter   string // as typed, for the title; empty when there is none
	Paused   bool
	NewRows  int // decisions since the pause began
	AgeMs    int64
}

// Note is a message of the console itself or a command that it stands for.
type Note struct {
	Time  string
	Level string // wire.Level*, or "command"
	Text  string
}

// Panel is one entry of the list.
type Panel struct {
	ID       ID
	View     int // its view number, -1: no view of its own
	Title    string
	Sections []Section
	// Len, Key and Text describe the rows: how many, a name that stays with a row when others come and go, and what a
	// filter sees. Len may be nil: no rows.
	Len    func(in Input) int
	Key    func(in Input, i int) string
	Text   func(in Input, i int) string
	Target func(in Input, i int) Target
	Less   func(in Input) func(a, b int) int // order for in.Sort, nil or returning nil: as it comes
	Draw   func(in Input) []string
}

// All lists the panels in the order of their ids.
func All() []Panel {
	return []Panel{launchPanel(), slicesPanel(), gatesPanel(), splitsPanel(), clusterPanel(), unitsPanel(), streamPanel(),
		messagesPanel(), panePanel()}
}

// FilterTextMax bounds a filter, in bytes.
const FilterTextMax = 200

// Filter keeps rows by a regular expression, or with a leading ! the rows that do not match.
type Filter struct {
	Text    string
	re      *regexp.Regexp
	inverse bool
}

// ParseFilter reads what the user typed; empty text gives nil, no filter.
func ParseFilter(text string) (*Filter, error) {
	expr, inverse := strings.CutPrefix(text, "!")
	if expr == "" {
		return nil, nil
	}
	if len(text) > FilterTextMax {
		return nil, nexus.Errf("filter", nexus.CodeMalformed, "filter", "a shorter one", "longer than %d bytes",
			FilterTextMax)
	}
	re, err := regexp.Compile("(?i)" + expr)
	if err != nil {
		return nil, nexus.Errf("filter", nexus.CodeMalformed, "filter "+theme.Clean(text),
			"a regular expression such as deny|G08",
			"%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return &Filter{Text: text, re: re, inverse: inverse}, nil
}

// Keep reports whether a row stays. A nil filter keeps all.
func (f *Filter) Keep(text string) bool {
	return f == nil || f.re.MatchString(text) != f.inverse
}
