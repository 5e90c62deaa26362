package bus

import (
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Filter says which events a subscriber wants. The zero value wants all. It must not be changed after Subscribe.
type Filter struct {
	// Types are event types or their nouns: "gate.denied" wants that one, "gate" every gate event. Empty: all.
	Types []string
	// Units wants events of these units only. Empty: all, also those without a unit.
	Units []nexus.ID
	// Match, if set, is asked last. It runs inside Publish: it must be quick, never block, never call the bus.
	Match func(nexus.Event) bool
	// Coalesce lets a newer lossy event replace a pending one of the same key: a panel wants the latest sample only.
	Coalesce bool
}

// Keyed is implemented by event data that coalesces more finely than by type and unit.
type Keyed interface{ CoalesceKey() string }

func (f Filter) wants(e nexus.Event) bool {
	return f.wantsType(e.Type) && f.wantsUnit(e.Unit) && (f.Match == nil || f.Match(e))
}

func (f Filter) wantsType(have string) bool {
	if len(f.Types) == 0 {
		return true
	}
	for _, want := range f.Types {
		if strings.HasPrefix(have, want) && (len(have) == len(want) || have[len(want)] == '.') {
			return true
		}
	}
	return false
}

func (f Filter) wantsUnit(have nexus.ID) bool {
	if len(f.Units) == 0 {
		return true
	}
	for _, want := range f.Units {
		if have == want {
			return true
		}
	}
	return false
}

// coalesceKey is what makes two lossy events the same row on a screen.
type coalesceKey struct {
	kind string
	unit nexus.ID
	data string
}

func keyOf(e nexus.Event) coalesceKey {
	k := coalesceKey{kind: e.Type, unit: e.Unit}
	if d, ok := e.Data.(Keyed); ok {
		k.data = d.CoalesceKey()
	}
	return k
}
