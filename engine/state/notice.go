package state

import (
	"fmt"
	stdslices "slices"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/personal"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Notices to owners are must-deliver (SPEC section 1): each is an entry in the ledger and lies in its owner's inbox until it
// was read. Nothing unread is pushed out; what an inbox has no room for is counted, with the decisions between which to look. Whoever signed an act
// knows of it: a notice of it stands in the ledger, for gate 15 and for whoever reads a unit's chain, and lies in their own inbox as read.

// Bounds of an inbox.
const (
	MaxInbox            = 1000                 // notices of one owner
	maxInboxTextBytes   = 512                  // the whole text stands in the ledger
	maxInboxSealedBytes = 1280                 // of a text with sealed words in it
	attemptQuietMs      = 60 * 60 * 1000       // the same attempt within an hour is counted on the unread notice of the first
	maxAttemptsCounted  = 1_000_000_000        // then the count stands still
	noticeOverflowText  = "your inbox is full" // beginning of the overflow entry
)

// InboxNotice is one notice with its marks.
type InboxNotice struct {
	ID          uint64 // counts per owner, from 1
	Index       uint64 // decision it comes from
	TimeMs      int64
	Unit        nexus.ID // zero: about the identity
	Text        string
	Times       uint64 // how often it happened
	Topic       string // equal topics within an hour are one notice; empty: never
	DeliveredMs int64  // shown to the owner's client; 0: not yet
	ReadMs      int64  // 0: not yet
}

// Overflow counts the notices that an inbox had no room for. They are in the ledger, from decision First to Last.
type Overflow struct {
	Count uint64
	First uint64
	Last  uint64
}

// Inbox holds the notices of one owner, oldest first.
type Inbox struct {
	Next     uint64
	List     []InboxNotice
	Overflow Overflow
}

// NoticeMark is the body of notice.mark, signed by the owner of the inbox: what was shown and what was read.
type NoticeMark struct {
	Delivered uint64   // all up to this id
	ReadUpTo  uint64   // all up to this id
	Read      []uint64 // these; at most MaxInbox
	Overflow  uint64   // the owner has seen that so many had no room: the count starts anew
}

// NoticeMarked is its result.
type NoticeMarked struct {
	Unread   uint64
	Overflow uint64
}

// notice records a must-deliver message to a unit's owner.
func (st *step) notice(u *Unit, format string, args ...any) {
	st.noticeTo(u.Owner, u.ID, format, args...)
}

// noticeTo records a must-deliver message about a unit (zero: about the identity itself) to anybody.
func (st *step) noticeTo(to nexus.PublicKey, unit nexus.ID, format string, args ...any) {
	st.send(to, unit, "", clip(fmt.Sprintf(format, args...)))
}

// send puts a notice into the ledger and the inbox. One of the same topic within an hour only counts.
func (st *step) send(to nexus.PublicKey, unit nexus.ID, topic, text string) {
	box := st.s.inboxOf(to)
	if topic != "" && box.again(topic, st.now) {
		return
	}
	st.draft(unit, ledger.KindNotice, Notice{Index: st.index, TimeMs: st.now, Unit: unit, To: to, Text: text})
	own := st.s.Rules >= RulesOwnActs && to == st.cmd.Action.Actor
	if !own {
		st.events = append(st.events, nexus.Event{Type: "notice.sent", Index: st.index, Unit: unit, MustDeliver: true, Data: to.String()})
	}
	most := maxInboxTextBytes
	if personal.Holds(text) { // a sealed text is longer than its words, and of no use in part
		most = maxInboxSealedBytes
	}
	n := InboxNotice{Index: st.index, TimeMs: st.now, Unit: unit, Text: clipTo(text, most), Times: 1, Topic: topic}
	if own {
		n.DeliveredMs, n.ReadMs = st.now, st.now
	}
	if box.put(n) || box.Overflow.Count > 1 || st.s.Rules < RulesOwnership {
		return
	}
	st.draft(nexus.ID{}, ledger.KindNotice, Notice{Index: st.index, TimeMs: st.now, To: to,
		Text: fmt.Sprintf("%s: %d notices are unread; those from decision %d on are in the ledger only", noticeOverflowText, MaxInbox, st.index)})
}

// again counts a repetition on the unread notice of the same topic.
func (b *Inbox) again(topic string, nowMs int64) bool {
	for i := len(b.List) - 1; i >= 0; i-- {
		n := &b.List[i]
		if n.Topic == topic && n.ReadMs == 0 && nowMs-n.TimeMs < attemptQuietMs {
			n.Times = min(n.Times+1, maxAttemptsCounted)
			return true
		}
	}
	return false
}

// put adds a notice. In a full inbox the oldest one that was read makes room; when none was read, the new one is counted
// instead and false returned, unless it is read itself: then it stands in the ledger, and nobody misses it here.
func (b *Inbox) put(n InboxNotice) bool {
	if len(b.List) >= MaxInbox {
		read := stdslices.IndexFunc(b.List, func(n InboxNotice) bool { return n.ReadMs != 0 })
		switch {
		case read < 0 && n.ReadMs != 0:
			return true
		case read < 0:
			if b.Overflow.Count == 0 {
				b.Overflow.First = n.Index
			}
			b.Overflow.Count, b.Overflow.Last = b.Overflow.Count+1, n.Index
			return false
		}
		b.List = stdslices.Delete(b.List, read, read+1)
	}
	b.Next++
	n.ID = b.Next
	b.List = append(b.List, n)
	return true
}

// unread counts what was not read.
func (b *Inbox) unread() (n uint64) {
	for i := range b.List {
		if b.List[i].ReadMs == 0 {
			n++
		}
	}
	return n
}

func (s *State) inboxOf(key nexus.PublicKey) *Inbox {
	if s.inboxes == nil {
		s.inboxes = map[nexus.PublicKey]*Inbox{}
	}
	if s.inboxes[key] == nil {
		s.inboxes[key] = &Inbox{}
	}
	return s.inboxes[key]
}

// InboxOf gives a copy of an owner's inbox.
func (s *State) InboxOf(key nexus.PublicKey) Inbox {
	b := s.inboxes[key]
	if b == nil {
		return Inbox{}
	}
	out := *b
	out.List = stdslices.Clone(b.List)
	return out
}

// moveInbox hands an inbox to the successor of a key, behind what it has already.
func (s *State) moveInbox(from, to nexus.PublicKey) {
	old := s.inboxes[from]
	if old == nil {
		return
	}
	delete(s.inboxes, from)
	box := s.inboxOf(to)
	for _, n := range old.List {
		box.put(n)
	}
	if o := old.Overflow; o.Count > 0 {
		if box.Overflow.Count == 0 {
			box.Overflow.First = o.First
		}
		box.Overflow.Count, box.Overflow.Last = box.Overflow.Count+o.Count, max(box.Overflow.Last, o.Last)
	}
}

func (st *step) noticeMark() error {
	var b NoticeMark
	if !st.body(&b) {
		return nil
	}
	key := st.cmd.Action.Actor
	box := st.s.inboxes[key]
	switch {
	case box == nil:
		st.fail(nexus.CodeNotFound, "inbox of "+st.s.nameOf(key), "see nexus notices list", "is empty")
	case len(b.Read) > MaxInbox:
		st.fail(nexus.CodeMalformed, fmt.Sprintf("%d marks", len(b.Read)), fmt.Sprintf("at most %d", MaxInbox), "too many")
	case b.Delivered > box.Next || b.ReadUpTo > box.Next:
		st.fail(nexus.CodeConflict, "inbox of "+st.s.nameOf(key), "mark what was shown", "its newest notice is %d", box.Next)
	case b.Overflow > box.Overflow.Count:
		st.fail(nexus.CodeConflict, "inbox of "+st.s.nameOf(key), "mark what was shown", "%d had no room, not %d", box.Overflow.Count, b.Overflow)
	}
	st.effect = func() {
		for i := range box.List {
			n := &box.List[i]
			if n.DeliveredMs == 0 && n.ID <= max(b.Delivered, b.ReadUpTo) {
				n.DeliveredMs = st.now
			}
			if n.ReadMs == 0 && (n.ID <= b.ReadUpTo || stdslices.Contains(b.Read, n.ID)) {
				n.ReadMs = st.now
				n.DeliveredMs = orNumber(n.DeliveredMs, st.now)
			}
		}
		if b.Overflow > 0 && b.Overflow == box.Overflow.Count {
			box.Overflow = Overflow{}
		}
		st.result = nexus.Encode(NoticeMarked{Unread: box.unread(), Overflow: box.Overflow.Count})
	}
	return nil
}

// tellOfAttempt tells an owner of a refused attempt on the unit by the platform's side: a re-route, a throttling, a hindered
// exit, a transfer, anything that the unit's own policy forbids. Attempts of strangers stay in the decision log: keys are free, and
// their noise would bury what counts.
func (st *step) tellOfAttempt(d *gates.Decision) {
	u := st.s.Units[st.facts.Unit.ID]
	id := &st.facts.Identity
	if u == nil || u.Kind == nexus.KindProbe || u.Owner == id.Actor || !id.SignatureValid || id.Role != gates.RoleOperator && id.Role != gates.RolePlatform &&
		id.Role != gates.RoleNode {
		return
	}
	v, _ := d.FirstRefusal()
	for _, g := range []int{13, 14, 15} { // the reason that says most
		if w := d.Verdicts[g-1]; !w.Allow {
			v = w
		}
	}
	observed := v.Observed
	if st.s.fourth() { // gates see keys only
		observed = strings.ReplaceAll(observed, "identity "+id.Actor.Short(), st.s.nameOf(id.Actor))
	}
	topic := fmt.Sprintf("attempt %d %s %s", v.Gate, d.Kind, id.Actor.Short())
	st.send(u.Owner, u.ID, topic, clip(fmt.Sprintf("refused: %s on %s by %s (gate %d %s: %s); nothing was changed", d.Kind, u.Label,
		st.s.nameOf(id.Actor), v.Gate, st.s.chain.Name(int(v.Gate)), observed)))
}

// noticesPart saves the inboxes by key.
func noticesPart() part {
	type held struct {
		Key   nexus.PublicKey
		Inbox Inbox
	}
	type picture struct{ Inboxes []held }
	return part{name: "notices", save: func(s *State) []byte {
		if len(s.inboxes) == 0 {
			return nil
		}
		var p picture
		for _, key := range sortedPublic(s.inboxes) {
			p.Inboxes = append(p.Inboxes, held{key, *s.inboxes[key]})
		}
		return nexus.Encode(p)
	}, load: func(s *State, b []byte) error {
		var p picture
		if err := nexus.Decode(b, &p); err != nil {
			return err
		}
		for i := range p.Inboxes {
			*s.inboxOf(p.Inboxes[i].Key) = p.Inboxes[i].Inbox
		}
		return nil
	}}
}

// adoptNotices puts the notices of a snapshot that knew no inboxes into them, unread.
func (s *State) adoptNotices(list []Notice) {
	for _, n := range list {
		s.inboxOf(n.To).put(InboxNotice{Index: n.Index, TimeMs: n.TimeMs, Unit: n.Unit, Text: clipTo(n.Text, maxInboxTextBytes), Times: 1})
	}
}
