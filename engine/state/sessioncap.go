package state

import (
	"fmt"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// The session cap of a slice: how many connections it may have at once at a gateway (docs/decisions/0073-session-caps.md). It came
// after the bodies of slice.set and of a slice's entry, which logs hold, so it is an action and a part of the state of its own.

// SliceSessions is the body of slice.sessions: the new session cap of a unit's slice.
type SliceSessions struct {
	Sessions uint32 // connections at once at one gateway; 0: the class's number
}

// SessionsEntry is the body of a KindSlice entry of slice.sessions; the other entries of that kind have a SliceSpec, which is longer.
type SessionsEntry struct {
	Sessions uint32 // as asked for; 0: the class's number
}

// sessionCap is a unit's cap in a snapshot.
type sessionCap struct {
	Unit     nexus.ID
	Sessions uint32
}

func sessionCapsPart() part {
	return part{name: "session-caps", save: func(s *State) []byte {
		var list []sessionCap
		for _, u := range s.order {
			if n := s.sessionCaps[u.ID]; n != 0 {
				list = append(list, sessionCap{u.ID, n})
			}
		}
		if list == nil {
			return nil
		}
		return nexus.Encode(list)
	}, load: func(s *State, b []byte) error {
		var list []sessionCap
		if err := nexus.Decode(b, &list); err != nil {
			return err
		}
		for _, c := range list {
			if s.Units[c.Unit] == nil || c.Sessions == 0 || s.sessionCaps[c.Unit] != 0 {
				return fmt.Errorf("cap of unit %s: no such unit, no cap, or its second", c.Unit)
			}
			s.setSessionCap(c.Unit, c.Sessions)
		}
		return nil
	}}
}

// setSessionCap gives a unit's slice a cap; 0 takes it away.
func (s *State) setSessionCap(unit nexus.ID, sessions uint32) {
	if s.sessionCaps == nil {
		s.sessionCaps = map[nexus.ID]uint32{}
	}
	if sessions == 0 {
		delete(s.sessionCaps, unit)
		return
	}
	s.sessionCaps[unit] = sessions
}

// SessionCap gives the session cap that a unit's slice was given: connections at once at a gateway; 0: the class's number holds.
func (s *State) SessionCap(unit nexus.ID) uint32 { return s.sessionCaps[unit] }

// sessionsInForce is what a cap comes to in a class: itself, or the class's number.
func sessionsInForce(sessions uint32, class string) int64 {
	c, err := slices.ParseClass(class)
	if err != nil { // of a unit's slice never: creation and slice.set refuse it
		return int64(sessions)
	}
	return int64(slices.Slice{Class: c, MaxSessions: int(sessions)}.Sessions())
}

func (st *step) sliceSessions() error {
	var b SliceSessions
	u := st.existing()
	if !st.body(&b) || u == nil {
		return nil
	}
	st.facts.Session = []gates.SessionFacts{{Sessions: sessionsInForce(b.Sessions, u.Slice.Class),
		Current: sessionsInForce(st.s.SessionCap(u.ID), u.Slice.Class), Most: slices.GatewayConnectionsMax,
		ByPolicy: st.facts.Unit.ActorOwns, OwnerApproved: st.ownerApproves(u), NoticeQueued: true}}
	st.here(u)
	st.reach(u, "network", st.administers(u))
	st.facts.Exit.Hinders = !st.ownerApproves(u)
	st.effect = func() {
		text := st.setCapText(u, b.Sessions)
		st.s.setSessionCap(u.ID, b.Sessions)
		u.UpdatedIndex = st.index
		st.draft(u.ID, ledger.KindSlice, SessionsEntry(b))
		st.notice(u, "%s", text)
		st.events = append(st.events, nexus.Event{Type: "slice.set", Index: st.index, Unit: u.ID, MustDeliver: true})
	}
	return nil
}

// sixth reports whether the rules of level 6 hold.
func (s *State) sixth() bool { return s.Rules >= RulesSessionCaps }

// capByClass are the facts of a slice without a cap of its own whose class, and with it the number in force, changes; else nil. Below level 6 that was
// no change of a cap (docs/decisions/0071-caps-that-stay.md).
func (st *step) capByClass(u *Unit, class string) []gates.SessionFacts {
	from, to := st.s.capsOfClasses(u, class)
	if from == to {
		return nil
	}
	return []gates.SessionFacts{{Sessions: to, Current: from, Most: slices.GatewayConnectionsMax, ByPolicy: st.facts.Unit.ActorOwns,
		OwnerApproved: st.ownerApproves(u), NoticeQueued: true}}
}

// capsOfClasses gives the cap in force before and after a change of class; the same number where the class does not say it.
func (s *State) capsOfClasses(u *Unit, class string) (from, to int64) {
	if _, err := slices.ParseClass(class); err != nil || !s.sixth() || s.SessionCap(u.ID) != 0 { // gate 8 refuses a class that there is not
		return 0, 0
	}
	return sessionsInForce(0, u.Slice.Class), sessionsInForce(0, class)
}

// capWords says in a notice what the cap has become, when it changed.
func capWords(f []gates.SessionFacts) string {
	if len(f) == 0 {
		return ""
	}
	return fmt.Sprintf(", at most %d connections at once in place of %d", f[0].Sessions, f[0].Current)
}

// sessionsText words a cap for people.
func sessionsText(sessions uint32, class string) string {
	n := sessionsInForce(sessions, class)
	if sessions == 0 {
		return fmt.Sprintf("%d connections at once, the number of class %s", n, class)
	}
	return fmt.Sprintf("%d connections at once", n)
}

// sliceEntry decodes the body of a KindSlice entry; nil when it is neither of the two forms.
func sliceEntry(body []byte) any {
	var spec SliceSpec
	if nexus.Decode(body, &spec) == nil {
		return &spec
	}
	var most SessionsEntry
	if nexus.Decode(body, &most) == nil {
		return &most
	}
	return nil
}
