package state

import (
	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// RefusalFlood is the body of audit.flood: validly signed actions of one identity that one gate refused for one reason so
// often that a node counted them instead of making an entry of each (DESIGN section 1, Refusals).
type RefusalFlood struct {
	Actor   nexus.PublicKey // zero: keys that are no identities here, taken together
	Gate    uint8
	Reason  string // reason code of the verdict
	Kind    string // of the newest action
	Count   uint64
	FirstMs int64      // node's clock, Unix milliseconds
	LastMs  int64      //
	Actions nexus.Hash // SHA-256 over the one before and the action's digest, in order, from zero: who kept the actions can prove them
}

// refusalFlood counts what a node rolled up. The counters stand beside those of decisions, which count entries.
func (st *step) refusalFlood() error {
	var b RefusalFlood
	if !st.body(&b) {
		return nil
	}
	st.byNode()
	st.text("flood", b.Reason, b.Kind)
	if b.Gate < 1 || b.Gate > gates.Count || b.Count == 0 {
		st.fail(nexus.CodeMalformed, "flood", "a gate from 1 to 17 and a count above 0", "gate %d, count %d", b.Gate, b.Count)
	}
	st.effect = func() {
		st.s.floods[b.Gate-1] += b.Count
		st.draft(nexus.ID{}, ledger.KindRefusalRollup, b)
		st.events = append(st.events, nexus.Event{Type: "audit.flood", Index: st.index, MustDeliver: true})
	}
	return nil
}

// Floods counts the refusals of each gate that were rolled up, gate 1 first.
func (s *State) Floods() [gates.Count]uint64 { return s.floods }

func floodsPart() part {
	type picture struct{ Counts []uint64 }
	return part{name: "floods", save: func(s *State) []byte {
		if s.floods == [gates.Count]uint64{} {
			return nil
		}
		return nexus.Encode(picture{s.floods[:]})
	}, load: func(s *State, b []byte) error {
		var p picture
		err := nexus.Decode(b, &p)
		copy(s.floods[:], p.Counts)
		return err
	}}
}
