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
	"errors"
	"regexp"
	"regexp/syntax"
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
	Media // what is not there yet, and what is
	Home  // what belongs to whoever looks
	Pane  // short evidence of the selected decision, beside Stream
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
	SecHome  // what the node said of this identity's own things
	SectionCount
)

// Kind of thing that enter opens.
type Kind uint8

// The kinds.
const (
	NoTarget Kind = iota
	PhaseTarget
	SliceTarget
	GateTarget // its rule and its decisions
	DecisionTarget
	TallyTarget
	MemberTarget
	UnitTarget
	TextTarget    // a message, shown whole
	ClassTarget   // the accounts under a rule and currency
	AccountTarget // a tally: its proof, then its transactions
	EntryTarget   // one ledger entry, with the proof of its inclusion
	OutputTarget  // what a command line said
	ChainTarget   // the newest entries of the log
	FindingsTarget
	RowTarget     // a row shown as JSON
	ExitTarget    // a unit that leaves, as the home shows it live
	CommandTarget // Text is a command line that reads: it is run, and what it says is shown
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
	Home     *wire.Home // nil until the node said it
	Rows     []HomeRow  // HomeRows of Home; nil: worked out where they are needed
	Local    []Note     // messages and commands of this console, newest first
	Theme    *theme.Theme
	Width    int
	Height   int
	Pad      bool  // fill lines to Width: another panel stands to the right
	Focus    bool  // the cursor is here
	Full     bool  // the panel has the screen to itself
	Index    []int // rows to show, in order, after sort and filter
	Cursor   int   // position in Index
	Sort     int
	Order    string // of the rows, for the title; empty for the panel's own
	Filter   string // as typed, for the title; empty when there is none
	Paused   bool
	// Create is the key that makes a unit, empty in a read-only session, which makes none.
	Create string
	// ReadOnly says why a read-only session makes nothing, and what to do about it; empty in any other.
	ReadOnly string
	// MarkedOnly is the key that shows all rows again while only marked ones are shown, else empty.
	MarkedOnly string
	Lost       bool             // the node does not answer: what is shown is how it was
	NewRows    int              // decisions since the pause began
	At         *RowsAt          // when not nil, Draw says there where it put the rows
	Marked     func(i int) bool // nil: no row is
	AgeMs      int64
}

// RowsAt says where a drawing holds rows: from which of its lines on, the position of the first and how many.
type RowsAt struct{ Line, First, Count int }

// Note is a message of the console itself or a command that it stands for.
type Note struct {
	Time  string
	Level string // wire.Level*, or "command"
	Text  string
}

// HomeView is the number of the home's view; it has a letter, not a digit (tui/keymap says the same number).
const HomeView = 11

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
	Sorts  []string                          // names of the orders; nil: one only
	// Value is what copying a row's value gives, Item the row itself, Command the command line that shows or re-verifies it.
	Value   func(in Input, i int) string
	Item    func(in Input, i int) any
	Command func(in Input, i int) string
	Draw    func(in Input) []string
}

// All lists the panels in the order of their ids.
func All() []Panel {
	return []Panel{launchPanel(), slicesPanel(), gatesPanel(), splitsPanel(), clusterPanel(), unitsPanel(), streamPanel(),
		messagesPanel(), mediaPanel(), homePanel(), panePanel()}
}

// FilterTextMax bounds a filter, in bytes.
const FilterTextMax = 200

// Filter keeps rows by a regular expression, with a leading ! the rows that do not match, with a leading ~ those that hold
// what was typed in order but not in a row.
type Filter struct {
	Text    string
	re      *regexp.Regexp
	literal string // in lower case, in the place of re: what is typed mostly, and found many times faster in twenty thousand rows
	loose   []rune // in lower case, in the place of re
	inverse bool
}

// ParseFilter reads what the user typed; empty text gives nil, no filter.
func ParseFilter(text string) (*Filter, error) {
	expr, inverse := strings.CutPrefix(text, "!")
	expr, loose := strings.CutPrefix(expr, "~")
	if expr == "" {
		return nil, nil
	}
	if len(text) > FilterTextMax {
		return nil, nexus.Errf("filter", nexus.CodeMalformed, "filter", "a shorter one", "longer than %d bytes",
			FilterTextMax)
	}
	f := &Filter{Text: text, inverse: inverse}
	switch {
	case loose:
		f.loose = []rune(strings.ToLower(strings.Join(strings.Fields(expr), "")))
		if len(f.loose) == 0 {
			return nil, nil
		}
		return f, nil
	case regexp.QuoteMeta(expr) == expr:
		f.literal = strings.ToLower(expr)
		return f, nil
	}
	re, err := regexp.Compile("(?i)" + expr)
	if err != nil {
		why := err.Error()
		if s := (*syntax.Error)(nil); errors.As(err, &s) { // without the expression, which is longer than what was typed
			why = s.Code.String()
		}
		return nil, nexus.Errf("filter", nexus.CodeMalformed, theme.Clean(text), "a regular expression such as deny|G08, or ~ and any letters of it",
			"%s", why)
	}
	f.re = re
	return f, nil
}

// inOrder reports whether a text in lower case has all runes in their order, with anything between them.
func inOrder(text string, runes []rune) bool {
	at := 0
	for _, r := range text {
		if r == runes[at] {
			if at++; at == len(runes) {
				return true
			}
		}
	}
	return false
}

// Keep reports whether a row stays. A nil filter keeps all.
func (f *Filter) Keep(text string) bool {
	found := false
	switch {
	case f == nil:
		return true
	case f.literal != "":
		found = strings.Contains(strings.ToLower(text), f.literal)
	case f.loose != nil:
		found = inOrder(strings.ToLower(text), f.loose)
	default:
		found = f.re.MatchString(text)
	}
	return found != f.inverse
}
