// Package keymap is the table of the console's keys: what each does, where, and how it is explained. Help, hints and
// conflict checks are made from the table, so a key can neither be undocumented nor mean two things.
//
// It imports the standard library and the root package only. A Map is immutable and safe for concurrent use.
package keymap

import (
	"fmt"
	stdslices "slices"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Action is what a key does.
type Action string

// The actions.
const (
	Help     Action = "help"
	Palette  Action = "palette"
	Filter   Action = "filter"
	FindNext Action = "find-next"
	FindPrev Action = "find-previous"
	Drill    Action = "drill"
	Back     Action = "back"
	Older    Action = "history-back"
	Newer    Action = "history-forward"
	Next     Action = "next-panel"
	Previous Action = "previous-panel"
	Up       Action = "up"
	Down     Action = "down"
	Left     Action = "left-tab"
	Right    Action = "right-tab"
	PageUp   Action = "page-up"
	PageDown Action = "page-down"
	Top      Action = "top"
	Bottom   Action = "bottom"
	Zoom     Action = "zoom"
	Mark     Action = "mark"
	Marked   Action = "only-marked"
	Pause    Action = "pause"
	Follow   Action = "follow"
	Wrap     Action = "wrap"
	Level    Action = "level"
	Rerun    Action = "rerun"
	Scale    Action = "scale"
	Standing Action = "suspend-resume"
	Create   Action = "create"
	Guide    Action = "guide"
	Undo     Action = "undo"
	Sort     Action = "sort"
	Value    Action = "copy-value"
	Row      Action = "copy-row"
	Copy     Action = "copy"
	Verify   Action = "verify"
	Dismiss  Action = "dismiss"
	Last     Action = "last-view"
	Theme    Action = "theme"
	Mouse    Action = "mouse"
	ReadOnly Action = "read-only"
	LogView  Action = "log"
	HomeView Action = "home"
	Grant    Action = "grant"
	Refuse   Action = "refuse"
	Seen     Action = "read-notice"
	Month    Action = "statement"
	Exit     Action = "exit"
	Redraw   Action = "redraw"
	Suspend  Action = "stop-job"
	Quit     Action = "quit"
	Abort    Action = "interrupt"
	View     Action = "view" // view-0 to view-9; Binding.Number says which
)

// Danger says what an act may cost.
type Danger uint8

// The levels.
const (
	Reads        Danger = iota // changes nothing
	Reversible                 // done at once, and can be undone
	Disruptive                 // asks first, "no" unless told otherwise, with what it touches
	Irreversible               // the name of what is lost must be typed, and seconds pass before it can be confirmed
)

// String is the word for the level.
func (d Danger) String() string {
	return [...]string{"reads", "reversible", "disruptive", "irreversible"}[min(d, Irreversible)]
}

// LogNumber is the number of the log's view; it has a letter, not a digit.
const LogNumber = 10

// HomeNumber is the number of the home's view; it has a letter too.
const HomeNumber = 11

// ViewCount is the number of views.
const ViewCount = HomeNumber + 1

// Binding is one row of the table.
type Binding struct {
	Action  Action
	Number  int // of the view, for View
	Keys    []string
	Hint    string // one word for the footer, empty: not shown there
	Help    string // a clause for the help page
	Views   []int  // where it works, nil: everywhere
	Changes bool   // it changes something, so it is off in read-only mode
	Danger  Danger // of what it does
	Verb    string // the verb of the command line that does the same; every binding that changes something has one
}

// Name is what configuration calls the binding.
func (b Binding) Name() string {
	if b.Action == View {
		return fmt.Sprintf("view-%d", b.Number)
	}
	return string(b.Action)
}

// On reports whether the binding works in a view.
func (b Binding) On(view int) bool { return b.Views == nil || stdslices.Contains(b.Views, view) }

// table lists all bindings in the order of help and footer. Only keys that exist on plain terminals are used.
func table() []Binding {
	t := append([]Binding{
		{Action: Help, Keys: []string{"?"}, Hint: "help", Help: "this page"},
		{Action: Palette, Keys: []string{":", "ctrl+p"}, Hint: "command", Help: "any verb of the command line, and the console's own; tab completes"},
		{Action: Filter, Keys: []string{"/"}, Hint: "filter",
			Help: "rows that match: a regular expression, /! those that do not, /~ fuzzy; on a page and in the log: search"},
		{Action: FindNext, Keys: []string{"n"}, Help: "next match of the search"},
		{Action: FindPrev, Keys: []string{"N"}, Help: "match before"},
		{Action: Drill, Keys: []string{"enter"}, Hint: "open", Help: "open the selected row: its parts, its evidence, its proof"},
		{Action: Back, Keys: []string{"esc", "backspace"}, Hint: "back", Help: "close question, page or filter; then the overview, or a creator's home"},
		{Action: Older, Keys: []string{"["}, Help: "where you were before"},
		{Action: Newer, Keys: []string{"]"}, Help: "forward again"},
		{Action: Next, Keys: []string{"tab"}, Hint: "panel", Help: "next panel of the overview, next tab of a page"},
		{Action: Previous, Keys: []string{"shift+tab"}, Help: "panel or tab before"},
		{Action: Up, Keys: []string{"k", "up"}, Help: "up one row"},
		{Action: Down, Keys: []string{"j", "down"}, Help: "down one row"},
		{Action: Left, Keys: []string{"h", "left"}, Help: "tab to the left"},
		{Action: Right, Keys: []string{"l", "right"}, Help: "tab to the right"},
		{Action: PageUp, Keys: []string{"pgup", "ctrl+b"}, Help: "up one page"},
		{Action: PageDown, Keys: []string{"pgdown", "ctrl+f"}, Help: "down one page"},
		{Action: Top, Keys: []string{"g", "home"}, Help: "first row; the newest, except in the log"},
		{Action: Bottom, Keys: []string{"G", "end"}, Help: "last row"},
		{Action: Zoom, Keys: []string{"z"}, Help: "the panel alone on the screen, and back", Views: []int{0, 1, 2, 3, 4, 5, 6, 8, 9}},
		{Action: Mark, Keys: []string{"space"}, Help: "mark the row; copies and acts take all marked rows"},
		{Action: Marked, Keys: []string{"M"}, Help: "show marked rows only, and all again"},
		{Action: Pause, Keys: []string{"p"}, Hint: "pause", Help: "hold the picture and count what is new; the node goes on"},
		{Action: Follow, Keys: []string{"f"}, Help: "stay at the newest row", Views: []int{0, 8, 9, LogNumber}},
		{Action: Wrap, Keys: []string{"w"}, Help: "wrap long lines, or cut them", Views: []int{LogNumber}},
		{Action: Level, Keys: []string{"i"}, Help: "least level shown: debug, info, warning, error", Views: []int{LogNumber}},
		{Action: Sort, Keys: []string{"s"}, Help: "next order of the rows", Views: []int{0, 2, 3, 4, 6}},
		{Action: Rerun, Keys: []string{"r"}, Help: "run a failed or degraded phase and what depends on it again", Views: []int{0, 1},
			Changes: true, Danger: Reversible, Verb: "launch rerun"},
		{Action: Create, Keys: []string{"+"}, Hint: "new unit", Help: "create a unit: the command line, begun",
			Views: []int{6, HomeNumber}, Changes: true, Danger: Reversible,
			Verb: "imvu create"},
		{Action: Guide, Keys: []string{"W"}, Help: "create a unit, guided: a step at a time, all gates asked before the last", Changes: true,
			Danger: Reversible, Verb: "imvu create"},
		{Action: Scale, Keys: []string{"e"}, Hint: "scale",
			Help: "change the unit's ceilings: the command line with what they are now", Views: []int{6, HomeNumber}, Changes: true,
			Danger: Reversible, Verb: "imvu scale"},
		{Action: Standing, Keys: []string{"S"}, Help: "suspend the unit, or end its suspension", Views: []int{6, HomeNumber}, Changes: true,
			Danger: Disruptive, Verb: "imvu suspend"},
		{Action: Undo, Keys: []string{"u"}, Help: "undo the last act of this console, by a new signed action", Changes: true, Danger: Reversible,
			Verb: "imvu scale"},
		{Action: Value, Keys: []string{"y"}, Hint: "copy", Help: "copy the row's value: id, hash or amount (OSC 52)"},
		{Action: Row, Keys: []string{"Y"}, Help: "copy the row as JSON"},
		{Action: Copy, Keys: []string{"c"}, Help: "copy the command line that shows or re-verifies this"},
		{Action: Verify, Keys: []string{"v"}, Help: "run that command line now and show what it says"},
		{Action: Dismiss, Keys: []string{"x"}, Help: "take the alert off the alert line; it stays in messages"},
		{Action: Last, Keys: []string{"-"}, Help: "the view before this one, and back"},
		{Action: LogView, Keys: []string{"L"}, Help: "the node's log: follow, search, level, wrap"},
		{Action: HomeView, Keys: []string{"H"}, Help: "home: your own units, your money with its proof, what waits for your word"},
		{Action: Theme, Keys: []string{"T"}, Help: "next theme: dark, light, high-contrast, mono, yours"},
		{Action: Mouse, Keys: []string{"m"}, Help: "mouse on or off; off, the terminal's own selection works"},
		{Action: ReadOnly, Keys: []string{"R"}, Help: "read-only on; off asks first. The node itself refuses acts meanwhile"},
		{Action: Redraw, Keys: []string{"ctrl+l"}, Help: "draw the whole screen again"},
		{Action: Suspend, Keys: []string{"ctrl+z"}, Help: "suspend the console as a job of your shell"},
		{Action: Quit, Keys: []string{"q"}, Hint: "quit", Help: "leave; asks first when this session launched the node", Danger: Irreversible},
		{Action: Abort, Keys: []string{"ctrl+c"}, Help: "leave; asks first while a launch of this session runs"},
	}, homeTable()...)
	for n, title := range Views() {
		if n < LogNumber {
			t = append(t, Binding{Action: View, Number: n, Keys: []string{fmt.Sprint(n)}, Help: title})
		}
	}
	return t
}

// homeTable lists the bindings that the home brought.
func homeTable() []Binding {
	return []Binding{
		{Action: Grant, Keys: []string{"a"}, Hint: "approve", Help: "sign the proposal that waits for your word; asks first", Views: []int{HomeNumber},
			Changes: true, Danger: Disruptive, Verb: "approvals grant"},
		{Action: Refuse, Keys: []string{"d"}, Hint: "refuse", Help: "refuse the proposal, or take back one of yours, for good; asks first",
			Views: []int{HomeNumber}, Changes: true,
			Danger: Disruptive, Verb: "approvals refuse"},
		{Action: Seen, Keys: []string{"o"}, Hint: "mark read", Help: "mark the notice read; the mark is signed and stands in the ledger",
			Views: []int{HomeNumber}, Changes: true, Danger: Reversible, Verb: "notices read"},
		{Action: Month, Keys: []string{"t"}, Hint: "statement", Help: "the unit's statement of the running month, as far as it is", Views: []int{6, HomeNumber}},
		{Action: Exit, Keys: []string{"X"}, Hint: "exit unit", Help: "the unit leaves with all that is its own: the command line, begun; asks for its name",
			Views: []int{6, HomeNumber}, Changes: true, Danger: Irreversible, Verb: "imvu exit"},
	}
}

// Views are the titles of the views by number.
func Views() [ViewCount]string {
	return [ViewCount]string{"overview", "launch", "slices", "gates", "splits", "cluster", "units", "media", "audit", "messages", "log", "home"}
}

// Map finds bindings by key.
type Map struct {
	list  []Binding
	byKey map[string][]int
}

// New builds the map with the keys of some bindings replaced by name. An unknown name, an empty list and a key that
// would mean two things in one view are errors that name both.
func New(override map[string][]string) (*Map, error) {
	return build(override, func(name string) string { return name })
}

// build is New with words for where a binding's keys come from.
func build(override map[string][]string, where func(name string) string) (*Map, error) {
	m := &Map{list: table(), byKey: map[string][]int{}}
	known := map[string]bool{}
	for i := range m.list {
		b := &m.list[i]
		known[b.Name()] = true
		if keys, ok := override[b.Name()]; ok {
			if len(keys) == 0 {
				return nil, nexus.Errf("keys", nexus.CodeUsage, "key of "+where(b.Name()), "give at least one key", "none given")
			}
			b.Keys = stdslices.Clone(keys)
		}
	}
	for name := range override {
		if !known[name] {
			return nil, nexus.Errf("keys", nexus.CodeUsage, fmt.Sprintf("action %s", where(name)), actionHint(name, known), "unknown action")
		}
	}
	for i, b := range m.list {
		for _, k := range b.Keys {
			for _, j := range m.byKey[k] {
				if overlap(b.Views, m.list[j].Views) {
					return nil, nexus.Errf("keys", nexus.CodeUsage, fmt.Sprintf("key %q", k), "choose another key for one of them",
						"means both %s and %s", where(m.list[j].Name()), where(b.Name()))
				}
			}
			m.byKey[k] = append(m.byKey[k], i)
		}
	}
	return m, nil
}

// actionHint guesses which action was meant: the one whose name begins most alike.
func actionHint(name string, known map[string]bool) string {
	best, most := "", 2
	for k := range known {
		n := 0
		for n < min(len(k), len(name)) && k[n] == name[n] {
			n++
		}
		if n > most || n == most && best != "" && k < best {
			best, most = k, n
		}
	}
	if best == "" {
		return "the actions stand in docs/reference/keys.md"
	}
	return "did you mean " + best + "?"
}

func overlap(a, b []int) bool {
	if a == nil || b == nil {
		return true
	}
	for _, v := range a {
		if stdslices.Contains(b, v) {
			return true
		}
	}
	return false
}

// Find gives the binding of a key in a view. When the key belongs to other views only, elsewhere is that binding.
func (m *Map) Find(key string, view int) (b Binding, ok bool, elsewhere *Binding) {
	for _, i := range m.byKey[key] {
		if m.list[i].On(view) {
			return m.list[i], true, nil
		}
		elsewhere = &m.list[i]
	}
	return Binding{}, false, elsewhere
}

// All gives every binding in the order of the table.
func (m *Map) All() []Binding { return stdslices.Clone(m.list) }

// List gives the bindings of a view in the order of the table.
func (m *Map) List(view int) []Binding {
	var out []Binding
	for _, b := range m.list {
		if b.On(view) {
			out = append(out, b)
		}
	}
	return out
}

// Key is the first key of an action, for texts that mention it.
func (m *Map) Key(a Action) string {
	for _, b := range m.list {
		if b.Action == a {
			return b.Keys[0]
		}
	}
	return ""
}

// KeyOfView is the first key of a view that has a number.
func (m *Map) KeyOfView(number int) string {
	for _, b := range m.list {
		if b.Action == View && b.Number == number {
			return b.Keys[0]
		}
	}
	return ""
}

// Changes reports whether an action changes something, so that it is off in read-only mode.
func (m *Map) Changes(a Action) bool {
	return stdslices.ContainsFunc(m.list, func(b Binding) bool { return b.Action == a && b.Changes })
}

// Hints are the footer's pairs of key and word for a view; a session that is read-only is offered no key that changes something. Every frame
// asks for them: no list is made for it.
func (m *Map) Hints(view int, readOnly bool) [][2]string {
	out := make([][2]string, 0, len(m.list)/2)
	for i := range m.list {
		if b := &m.list[i]; b.Hint != "" && !(readOnly && b.Changes) && b.On(view) {
			out = append(out, [2]string{b.Keys[0], b.Hint})
		}
	}
	return out
}

// String shows a binding's keys as help prints them.
func (b Binding) String() string { return strings.Join(b.Keys, " ") }
