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
	Filter   Action = "filter"
	Drill    Action = "drill"
	Back     Action = "back"
	Next     Action = "next-panel"
	Previous Action = "previous-panel"
	Up       Action = "up"
	Down     Action = "down"
	PageUp   Action = "page-up"
	PageDown Action = "page-down"
	Top      Action = "top"
	Bottom   Action = "bottom"
	Pause    Action = "pause"
	Rerun    Action = "rerun"
	Sort     Action = "sort"
	Copy     Action = "copy"
	Dismiss  Action = "dismiss"
	Last     Action = "last-view"
	Redraw   Action = "redraw"
	Quit     Action = "quit"
	Abort    Action = "interrupt"
	View     Action = "view" // view-0 to view-9; Binding.Number says which
)

// Binding is one row of the table.
type Binding struct {
	Action  Action
	Number  int // of the view, for View
	Keys    []string
	Hint    string // one word for the footer, empty: not shown there
	Help    string // a clause for the help page
	Views   []int  // where it works, nil: everywhere
	Changes bool   // it changes something, so it is off in read-only mode
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
	t := []Binding{
		{Action: Help, Keys: []string{"?"}, Hint: "help", Help: "this page"},
		{Action: Filter, Keys: []string{"/"}, Hint: "filter",
			Help: "rows that match a regular expression; ! inverts, empty clears"},
		{Action: Drill, Keys: []string{"enter"}, Hint: "evidence", Help: "open the selected row: evidence, proof, checks"},
		{Action: Back, Keys: []string{"esc", "backspace"}, Hint: "back", Help: "close page, filter or question; then " +
			"the overview"},
		{Action: Next, Keys: []string{"tab"}, Hint: "panel", Help: "next panel"},
		{Action: Previous, Keys: []string{"shift+tab"}, Help: "previous panel"},
		{Action: Up, Keys: []string{"k", "up"}, Help: "up one row"},
		{Action: Down, Keys: []string{"j", "down"}, Help: "down one row"},
		{Action: PageUp, Keys: []string{"pgup", "ctrl+b"}, Help: "up one page"},
		{Action: PageDown, Keys: []string{"pgdown", "ctrl+f"}, Help: "down one page"},
		{Action: Top, Keys: []string{"g", "home"}, Help: "first row, where the newest are"},
		{Action: Bottom, Keys: []string{"G", "end"}, Help: "last row"},
		{Action: Pause, Keys: []string{"p"}, Hint: "pause", Help: "hold the picture; the node goes on"},
		{Action: Sort, Keys: []string{"s"}, Help: "slices by p99, by rate or by label", Views: []int{0, 2}},
		{Action: Rerun, Keys: []string{"r"}, Help: "run a failed phase and what depends on it again", Views: []int{0, 1},
			Changes: true},
		{Action: Copy, Keys: []string{"c"}, Help: "copy the command that shows or re-verifies this (OSC 52)"},
		{Action: Dismiss, Keys: []string{"x"}, Help: "take the alert off the alert line; it stays in messages"},
		{Action: Last, Keys: []string{"-"}, Help: "the view before this one"},
		{Action: Redraw, Keys: []string{"ctrl+l"}, Help: "draw the whole screen again"},
		{Action: Quit, Keys: []string{"q"}, Hint: "quit", Help: "leave; asks first when this session launched the node"},
		{Action: Abort, Keys: []string{"ctrl+c"}, Help: "leave; asks first while a launch of this session runs"},
	}
	for n, title := range Views() {
		t = append(t, Binding{Action: View, Number: n, Keys: []string{fmt.Sprint(n)}, Help: title})
	}
	return t
}

// Views are the titles of the views by number.
func Views() [10]string {
	return [10]string{"overview", "launch", "slices", "gates", "splits", "cluster", "units", "media", "audit", "messages"}
}

// Map finds bindings by key.
type Map struct {
	list  []Binding
	byKey map[string][]int
}

// New builds the map with the keys of some bindings replaced by name. An unknown name, an empty list and a key that
// would mean two things in one view are errors that name both.
func New(override map[string][]string) (*Map, error) {
	m := &Map{list: table(), byKey: map[string][]int{}}
	known := map[string]bool{}
	for i := range m.list {
		b := &m.list[i]
		known[b.Name()] = true
		if keys, ok := override[b.Name()]; ok {
			if len(keys) == 0 {
				return nil, nexus.Errf("keys", nexus.CodeUsage, "key of "+b.Name(), "give at least one key", "none given")
			}
			b.Keys = stdslices.Clone(keys)
		}
	}
	for name := range override {
		if !known[name] {
			return nil, nexus.Errf("keys", nexus.CodeUsage, fmt.Sprintf("action %q", name), "see `?` in the console",
				"unknown action")
		}
	}
	for i, b := range m.list {
		for _, k := range b.Keys {
			for _, j := range m.byKey[k] {
				if overlap(b.Views, m.list[j].Views) {
					return nil, nexus.Errf("keys", nexus.CodeUsage, fmt.Sprintf("key %q", k), "choose another key for one of them",
						"means both %s and %s", m.list[j].Name(), b.Name())
				}
			}
			m.byKey[k] = append(m.byKey[k], i)
		}
	}
	return m, nil
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

// Hints are the footer's pairs of key and word for a view.
func (m *Map) Hints(view int) [][2]string {
	var out [][2]string
	for _, b := range m.List(view) {
		if b.Hint != "" {
			out = append(out, [2]string{b.Keys[0], b.Hint})
		}
	}
	return out
}

// String shows a binding's keys as help prints them.
func (b Binding) String() string { return strings.Join(b.Keys, " ") }
