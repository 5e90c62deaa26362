package state

import (
	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// A unit leaves (SPEC section 5, Exit; gate 13): active or suspended -> exiting -> exited -> closed. Its owner begins and completes it, free
// and without anybody's leave; while it is under way the unit goes on serving and nothing but the owner's exit touches it. It is complete
// when the owner holds a verified bundle. From then on the owner has 30 days to come back before resources go, and what is not money stays
// in memory for 90. All times are the log's. Money never goes: what is owed stays owed and is paid, what was earned stays in the ledger.

// The kinds of action of an exit.
const (
	KindExitBegin    = "exit.begin"
	KindExitCancel   = "exit.cancel"
	KindExitComplete = "exit.complete"
	KindExitSettle   = "exit.settle"
)

// The standings of a unit that leaves. Stored: never change a word.
const (
	StatusExiting = "exiting" // the bundle is being fetched
	StatusExited  = "exited"  // the owner has it
	StatusClosed  = "closed"  // the time of retention is over
)

// Times of an exit, milliseconds.
const (
	ExitGraceMs  = 30 * 24 * 60 * 60 * 1000 // after the exit is complete, before resources go; until then the owner can come back
	ExitRetainMs = 90 * 24 * 60 * 60 * 1000 // after the exit is complete
	ExitAlarmMs  = 2 * 60 * 60 * 1000       // an exit that takes longer is shown as late
	exitPayEvery = 24 * 60 * 60 * 1000      // between payouts of what is still owed to a unit's owner who has left
	maxExitBytes = 1 << 50                  // that a bundle may claim
	maxExitFiles = 1 << 20
)

// ExitBegin is the body of exit.begin and exit.cancel, signed by the owner.
type ExitBegin struct{ Reason string }

// ExitBegun is the result of exit.begin.
type ExitBegun struct{ UnitSeq uint64 } // number of its entry in the unit's chain: a bundle that completes the exit holds it

// ExitComplete is the body of exit.complete, signed by the owner after the bundle was verified.
type ExitComplete struct {
	Manifest nexus.Hash // SHA-256 of MANIFEST.json
	Size     uint64     // entries of the ledger that the bundle was made from
	UnitSeq  uint64     // of the unit's chain, all in the bundle
	UnitHead nexus.Hash // commitment of the last of them
	Files    uint32
	Bytes    int64
}

// Exit is what is remembered of a unit that leaves or has left.
type Exit struct {
	Unit       nexus.ID
	Was        string // standing before
	BegunMs    int64
	BegunIndex uint64
	BegunSeq   uint64 // in the unit's chain
	Done       ledger.ExitDoneBody
	DoneMs     int64 // 0: not complete
	DoneIndex  uint64
	ReleasedMs int64 // resources went
	ClosedMs   int64
}

// ExitOf gives what is remembered of a unit's exit; false when it neither leaves nor left.
func (s *State) ExitOf(unit nexus.ID) (Exit, bool) {
	x := s.exits[unit]
	if x == nil {
		return Exit{}, false
	}
	return *x, true
}

// Exits lists all, by unit id.
func (s *State) Exits() []Exit {
	out := make([]Exit, 0, len(s.exits))
	for _, id := range sortedIDs(s.exits) {
		out = append(out, *s.exits[id])
	}
	return out
}

// Serving reports whether a unit's hosts are to be served: it is active, or it leaves from being active and its resources have not gone.
func (s *State) Serving(u *Unit) bool {
	if u.Dormant || u.Status == "active" {
		return !u.Dormant
	}
	x := s.exits[u.ID]
	return x != nil && x.Was == "active" && x.ReleasedMs == 0 && leaving(u)
}

// leaving reports whether a unit leaves or has left and is within its retention.
func leaving(u *Unit) bool { return u.Status == StatusExiting || u.Status == StatusExited }

// ownersExit says that an action is the owner's own step of an exit; anybody else's word is one that hinders it.
func (st *step) ownersExit(u *Unit) {
	own := st.facts.Unit.ActorOwns
	st.facts.Exit.IsExit, st.facts.Exit.Hinders = own, !own
	st.reach(u, "ledger", own)
}

func (st *step) exitBegin() error {
	var b ExitBegin
	u := st.existing()
	if !st.body(&b) || u == nil {
		return nil
	}
	st.facts.Exit.IsExit = true
	st.reach(u, "ledger", st.facts.Unit.ActorOwns)
	st.text("reason", b.Reason)
	switch {
	case u.Owner == st.s.Platform:
		st.fail(nexus.CodeConflict, "unit "+u.Label, "back the ledger up instead (nexus ledger backup)", "belongs to the platform itself")
	case u.Status == StatusExiting:
		st.fail(nexus.CodeConflict, "unit "+u.Label, "fetch the bundle: nexus imvu exit --imvu-id "+u.Label, "is leaving already")
	case u.Status == StatusExited || u.Status == StatusClosed:
		st.fail(nexus.CodeConflict, "unit "+u.Label, "see nexus imvu exit-status", "has left already")
	}
	st.effect = func() {
		x := &Exit{Unit: u.ID, Was: u.Status, BegunMs: st.now, BegunIndex: st.index,
			BegunSeq: st.s.Chain.Head(u.ID).Seq + 2} // the decision stands before it
		st.s.putExit(x)
		delete(st.s.exitFailures, u.ID) // of an exit that ended
		u.Status = StatusExiting
		st.exitEntry(u, x, "begun", b.Reason)
		st.unitEntry(u, StatusExiting)
		st.notice(u, "%s is leaving, as you asked; it goes on serving, and nobody can suspend, shrink, re-route or delay it now. "+
			"Fetch what is yours: nexus imvu exit --imvu-id %s", u.Label, u.Label)
		st.result = nexus.Encode(ExitBegun{UnitSeq: x.BegunSeq})
	}
	return nil
}

// putExit remembers an exit.
func (s *State) putExit(x *Exit) {
	if s.exits == nil {
		s.exits = map[nexus.ID]*Exit{}
	}
	s.exits[x.Unit] = x
}

func (st *step) exitEntry(u *Unit, x *Exit, verb, reason string) {
	st.draft(u.ID, ledger.KindExit, ledger.ExitBody{Verb: verb, Unit: u.ID, By: st.cmd.Action.Actor, Was: x.Was, GraceMs: x.Done.GraceMs,
		RetainMs: x.Done.RetainMs, Reason: reason})
	st.events = append(st.events, nexus.Event{Type: "exit." + verb, Index: st.index, Unit: u.ID, MustDeliver: true})
}

// exitCancel brings the owner back, while the exit is under way and for the time of grace after it.
func (st *step) exitCancel() error {
	var b ExitBegin
	u := st.existing()
	if !st.body(&b) || u == nil {
		return nil
	}
	st.ownersExit(u)
	st.facts.Exit.Refusing = !st.facts.Unit.ActorOwns
	st.text("reason", b.Reason)
	x := st.s.exits[u.ID]
	switch {
	case x == nil || !leaving(u):
		st.fail(nexus.CodeConflict, "unit "+u.Label, "see nexus imvu exit-status", "is %s: there is no exit to end", u.Status)
		return nil
	case x.DoneMs != 0 && st.now >= x.Done.GraceMs:
		st.fail(nexus.CodeConflict, "unit "+u.Label, "import the bundle: nexus imvu import DIR", "its time of grace ended at %s", dayText(x.Done.GraceMs))
	}
	st.effect = func() {
		delete(st.s.exits, u.ID)
		u.Status = x.Was
		st.exitEntry(u, x, "cancelled", b.Reason)
		st.unitEntry(u, u.Status)
		st.notice(u, "%s stays, as you asked; it is %s", u.Label, u.Status)
	}
	return nil
}

// exitComplete is the owner's word that the verified bundle is in hand. The node that takes it has held size and head against the log
// (engine.checkExit); what every replica can hold it to is here.
func (st *step) exitComplete() error {
	var b ExitComplete
	u := st.existing()
	if !st.body(&b) || u == nil {
		return nil
	}
	st.ownersExit(u)
	x := st.s.exits[u.ID]
	head := st.s.Chain.Head(u.ID)
	subject := "exit of " + u.Label
	switch {
	case x == nil || u.Status != StatusExiting:
		st.fail(nexus.CodeConflict, subject, "begin it: nexus imvu exit --imvu-id "+u.Label, "the unit is %s, not %s", u.Status, StatusExiting)
		return nil
	case b.UnitSeq < x.BegunSeq || b.UnitSeq > head.Seq || b.Size < b.UnitSeq || b.Size > st.s.Chain.Size():
		st.fail(nexus.CodeConflict, subject, "fetch the bundle again", "made from %d entries of the unit in a log of %d; the exit began with number %d, there are %d",
			b.UnitSeq, b.Size, x.BegunSeq, head.Seq)
	case b.Manifest.IsZero() || b.UnitHead.IsZero() || b.Files == 0 || b.Files > maxExitFiles || b.Bytes <= 0 || b.Bytes > maxExitBytes:
		st.fail(nexus.CodeMalformed, subject, "complete it with the manifest of the bundle", "manifest, head, number or size of files out of range")
	}
	st.effect = func() {
		x.DoneMs, x.DoneIndex = st.now, st.index
		x.Done = ledger.ExitDoneBody{Unit: u.ID, Manifest: b.Manifest, Size: b.Size, UnitSeq: b.UnitSeq, UnitHead: b.UnitHead, Files: b.Files, Bytes: b.Bytes,
			GraceMs: st.now + ExitGraceMs, RetainMs: st.now + ExitRetainMs}
		u.Status = StatusExited
		st.draft(u.ID, ledger.KindExitDone, x.Done)
		st.unitEntry(u, StatusExited)
		st.notice(u, "%s has left: bundle %s, %d files. You can come back until %s (nexus imvu exit --cancel); then its hosts and routes go. "+
			"What is owed to you stays owed and is paid", u.Label, b.Manifest, b.Files, dayText(x.Done.GraceMs))
		st.events = append(st.events, nexus.Event{Type: "exit.completed", Index: st.index, Unit: u.ID, MustDeliver: true})
	}
	return nil
}

// exitDue says which step of a finished exit time has come for: "" none.
func (x *Exit) exitDue(nowMs int64) string {
	switch {
	case x.DoneMs == 0:
	case x.ReleasedMs == 0 && nowMs >= x.Done.GraceMs:
		return "released"
	case x.ReleasedMs != 0 && x.ClosedMs == 0 && nowMs >= x.Done.RetainMs:
		return "closed"
	}
	return ""
}

// DueExits lists up to most units for which a node should settle the next step at a log time.
func (s *State) DueExits(nowMs int64, most int) []nexus.ID {
	var out []nexus.ID
	for _, id := range sortedIDs(s.exits) {
		if len(out) < most && s.exits[id].exitDue(nowMs) != "" {
			out = append(out, id)
		}
	}
	return out
}

// exitSettle is a node's word that the time of grace or of retention is over. Before its time it would harm a unit that has left, so gate
// 13 refuses it.
func (st *step) exitSettle() error {
	u := st.existing()
	if u == nil {
		return nil
	}
	st.byNode()
	x := st.s.exits[u.ID]
	due := ""
	if x != nil {
		due = x.exitDue(st.now)
	}
	st.facts.Exit.IsExit, st.facts.Exit.Hinders = due != "", due == ""
	st.reach(u, "ledger", st.facts.Identity.MayIssue)
	if due == "" {
		st.fail(nexus.CodeConflict, "exit of "+u.Label, "wait", "nothing is due")
		return nil
	}
	st.effect = func() {
		if due == "released" {
			st.release(u)
			x.ReleasedMs = st.now
			st.exitEntry(u, x, due, "the time of grace is over")
			st.unitEntry(u, u.Status)
			st.notice(u, "the hosts and routes of %s are gone; its ledger stays, and what is owed to you is paid", u.Label)
			return
		}
		delete(st.s.policies, u.ID)
		x.ClosedMs, u.Status = st.now, StatusClosed
		st.exitEntry(u, x, due, "the time of retention is over")
		st.unitEntry(u, StatusClosed)
	}
	return nil
}

// release takes a unit's hosts, routes, guarantee and session cap away.
func (st *step) release(u *Unit) {
	u.Slice.GuaranteedBps = 0
	st.s.setSessionCap(u.ID, 0)
	if r := st.s.short[u.ID]; r != nil { // nothing is guaranteed any more, and nobody will measure it
		r.Open = SliceShort{}
	}
	for _, host := range sortedKeys(st.s.Routes) {
		if st.s.Routes[host].Unit == u.ID {
			delete(st.s.Routes, host)
		}
	}
	for _, name := range sortedKeys(st.s.Domains) {
		if st.s.Domains[name] == u.ID {
			delete(st.s.Domains, name)
		}
	}
}

// leftPayout reports whether what is still owed to an owner who has left is paid now, whatever threshold and schedule say; only a
// destination that the owner wants to be asked for stays the owner's to ask.
func (s *State) leftPayout(k PurseKey, t *PayoutTerms, nowMs int64) bool {
	u, x := s.Units[k.Unit], s.exits[k.Unit]
	if u == nil || x == nil || u.Status != StatusExited && u.Status != StatusClosed || t.Schedule == ScheduleManual {
		return false
	}
	from := x.DoneMs
	for _, p := range t.Last {
		if p.Currency == k.Currency {
			from = max(from, p.OpenedMs+exitPayEvery)
		}
	}
	return nowMs >= from && s.payoutsOpen(k) < maxPayoutsOpen &&
		s.OwedIn(k.Unit, int(k.Period), k.Currency).Payable() > 0
}

// exitsPart saves what is remembered of exits and imports.
func exitsPart() part {
	type picture struct {
		Exits   []Exit
		Imports []Imported
	}
	return part{name: "exits", save: func(s *State) []byte {
		if len(s.exits)+len(s.imports) == 0 {
			return nil
		}
		p := picture{Exits: s.Exits()}
		for _, id := range sortedIDs(s.imports) {
			p.Imports = append(p.Imports, s.imports[id]...)
		}
		return nexus.Encode(p)
	}, load: func(s *State, b []byte) error {
		var p picture
		if err := nexus.Decode(b, &p); err != nil {
			return err
		}
		for i := range p.Exits {
			s.putExit(&p.Exits[i])
		}
		for _, m := range p.Imports {
			s.putImport(m)
		}
		return nil
	}}
}

// hindersExit marks an act of others on a unit that leaves. Units that do not are left as they were judged before.
func (st *step) hindersExit(u *Unit) {
	if leaving(u) && u.Owner != st.cmd.Action.Actor {
		st.facts.Exit.Hinders = true
	}
}

// byOwnerOrOperator reports whether the actor is a key's holder or an operator.
func (st *step) byOwnerOrOperator(key nexus.PublicKey) bool {
	return st.cmd.Action.Actor == key || st.facts.Identity.Role == gates.RoleOperator
}
