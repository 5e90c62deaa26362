package state

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	stdslices "slices"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// Revenue in two phases: a source announces an event, and later posts it (whole or in part) or voids it; past its time it expires.
// Pending amounts count in no split (SPEC section 1). The event id is taken from the announcement on, for ever, as that of any event.

// Bounds of pending events. Lives in milliseconds.
const (
	PendingLifeMs       = 7 * 24 * 60 * 60 * 1000
	PendingLifeMinMs    = 60 * 1000
	PendingLifeMaxMs    = 30 * 24 * 60 * 60 * 1000
	MaxPendingPerSource = 4096
	maxPendingMemoBytes = 1024
)

// Pending is an announced event that waits. Settled ones are entries in the ledger and nothing more.
type Pending struct {
	ID          nexus.ID
	Source      string
	Event       RevenueEvent // as announced
	OpenedMs    int64
	ExpiresMs   int64
	OpenedIndex uint64
}

// PendingOpen is the body of pending.open, signed by the source.
type PendingOpen struct {
	Source string
	Event  RevenueEvent // above zero, with an id, refunding nothing
	LifeMs int64        // 0: seven days; a minute to thirty days
}

// PendingOpened is its result.
type PendingOpened struct {
	ID        nexus.ID
	ExpiresMs int64
	Duplicate bool // it was announced before with the same content
}

// PendingSettle is the body of pending.post and pending.void, signed by the source, and of pending.expire, by a node.
type PendingSettle struct {
	Pending nexus.ID
	Minor   int64 // of pending.post: what is posted, at most what was announced; 0: all of it
	Reason  string
}

// digest is of the announcement: under the same id a plain event is another one.
func (b *PendingOpen) digest() nexus.Hash {
	return sha256.Sum256(nexus.AppendCanonical([]byte("nexus-pending-v1\n"), *b))
}

// single prepares a batch of one event, through the checks and gate 6 as any batch.
func (st *step) single(source string, e RevenueEvent) *batch {
	b := &batch{st: st, accounts: map[AccountKey]*Account{}, clearing: map[string]*int64{}, refs: map[string]*eventRef{}}
	b.body = RevenuePost{Source: source, Events: []RevenueEvent{e}}
	b.facts = gates.RevenueFacts{Source: source, Events: 1, SplitPercent: 55, RequiredPercent: 55}
	src, ok := st.s.Sources[source]
	if !ok {
		return b
	}
	b.src = src
	b.facts.SourceKnown, b.facts.SourceActive, b.facts.SourceClass = true, src.Active, src.Class
	b.facts.ActorIsSource = src.Key == st.cmd.Action.Actor
	u := st.s.Units[e.Unit]
	b.checkUnit(u)
	why := b.faultOf(&b.body.Events[0], u, false)
	switch {
	case why != "":
	case e.Minor < 0 || e.RefundOf != "":
		why = "only a sale can be pending"
	case u.Status == "retired":
		why = "unit " + u.Label + " is retired"
	}
	if why != "" {
		b.fault(0, why)
	}
	return b
}

func (st *step) pendingOpen() error {
	var b PendingOpen
	if !st.body(&b) {
		return nil
	}
	e := b.Event
	w := st.single(b.Source, e)
	life := orNumber(b.LifeMs, PendingLifeMs)
	if life < PendingLifeMinMs || life > PendingLifeMaxMs {
		st.fail(nexus.CodeMalformed, fmt.Sprintf("life of %d ms", life), "a minute to thirty days", "out of range")
	}
	if len(e.Memo) > maxPendingMemoBytes {
		st.fail(nexus.CodeMalformed, "memo", fmt.Sprintf("at most %d bytes", maxPendingMemoBytes), "%d bytes", len(e.Memo))
	}
	var err error
	if w.src != nil && w.facts.FirstOffender == 0 {
		err = st.announce(w, &b, life)
	}
	st.facts.Revenue = []gates.RevenueFacts{w.facts}
	return err
}

// announce looks the event id up and prepares the entry.
func (st *step) announce(w *batch, b *PendingOpen, life int64) error {
	e := &w.body.Events[0]
	key := string(EventKey(e.Unit, w.src.Name, e.EventID))
	p := &Pending{ID: nexus.DeriveID("pending", st.s.Cluster[:], []byte(key)), Source: w.src.Name, Event: *e, OpenedMs: st.now, ExpiresMs: st.now + life,
		OpenedIndex: st.index}
	ref, err := w.ref(key)
	if err != nil {
		return err
	}
	if ref != nil && ref.Digest == b.digest() {
		w.facts.Duplicates++
		st.result = nexus.Encode(PendingOpened{ID: p.ID, Duplicate: true})
		st.effect = func() {}
		return nil
	}
	if ref != nil {
		w.facts.Conflicts++
		w.fault(0, fmt.Sprintf("event id %q was used at index %d with other content", e.EventID, ref.Index))
		return nil
	}
	waiting := 0
	for _, x := range st.s.money.order {
		if x.Source == p.Source {
			waiting++
		}
	}
	if waiting >= MaxPendingPerSource {
		st.fail(nexus.CodeConflict, "pending events of source "+p.Source, "post or void some", "%d wait, at most %d", waiting, MaxPendingPerSource)
	}
	// Nothing of it is there to be refunded until it is posted.
	w.put(key, &eventRef{Index: st.index, Digest: b.digest(), Minor: e.Minor, Currency: e.Currency, Refunds: []refundRef{{st.index, -e.Minor}}})
	st.effect = func() {
		w.store()
		st.s.putPending(p)
		st.pendingEntry(p, "opened", 0, "")
		st.result = nexus.Encode(PendingOpened{ID: p.ID, ExpiresMs: p.ExpiresMs})
		st.events = append(st.events, nexus.Event{Type: "pending.opened", Index: st.index, Unit: e.Unit})
	}
	return nil
}

// store keeps the changed event references beside the entries.
func (b *batch) store() {
	for _, key := range b.order {
		b.st.puts = append(b.st.puts, ledger.KV{Key: []byte(key), Value: nexus.Encode(*b.refs[key])})
	}
}

func (st *step) pendingEntry(p *Pending, verb string, posted int64, reason string) {
	st.draft(p.Event.Unit, ledger.KindPending, ledger.PendingBody{Verb: verb, Pending: p.ID, Source: p.Source, EventID: p.Event.EventID, Kind: p.Event.Kind,
		Currency: p.Event.Currency, Minor: p.Event.Minor, Posted: posted, EventTimeMs: p.Event.TimeMs, ExpiresMs: p.ExpiresMs, Reason: reason})
}

// waitingPending finds what an action settles; nil: said why.
func (st *step) waitingPending() (*Pending, *PendingSettle) {
	var b PendingSettle
	if !st.body(&b) {
		return nil, nil
	}
	st.text("reason", b.Reason)
	p := st.s.money.Pendings[b.Pending]
	if p == nil {
		st.fail(nexus.CodeNotFound, "pending event "+b.Pending.String(), "list them with nexus revenue pending",
			"none waits under this id: it was settled, or never was")
		return nil, nil
	}
	return p, &b
}

// pendingPost makes the announced event, or part of it, revenue. The split is that of the moment it is posted.
func (st *step) pendingPost() error {
	p, b := st.waitingPending()
	if p == nil {
		return nil
	}
	e := p.Event
	e.Minor = orNumber(b.Minor, p.Event.Minor)
	if e.Minor < 0 || e.Minor > p.Event.Minor {
		st.fail(nexus.CodeMalformed, fmt.Sprintf("amount %d", e.Minor), "post at most what was announced", "%d was announced", p.Event.Minor)
		return nil
	}
	if st.now >= p.ExpiresMs {
		st.fail(nexus.CodeConflict, "pending event "+p.ID.String(), "record it anew under another id", "expired %d s ago", (st.now-p.ExpiresMs)/1000)
	}
	w := st.single(p.Source, e)
	if w.src != nil && w.facts.FirstOffender == 0 {
		key := string(EventKey(e.Unit, p.Source, e.EventID))
		ref, err := w.ref(key)
		if err != nil {
			return err
		}
		if ref == nil {
			return nexus.Errf("pending.post", nexus.CodeCorrupt, "pending event "+p.ID.String(), "run nexus ledger verify --offline", "its event id is not stored")
		}
		ref.Refunds = append(ref.Refunds, refundRef{st.index, e.Minor})
		w.put(key, ref)
		w.post(0, &w.body.Events[0], &batchUnit{unit: st.s.Units[e.Unit]})
	}
	st.facts.Revenue = []gates.RevenueFacts{w.facts}
	st.effect = func() {
		w.apply()
		st.s.dropPending(p)
		st.pendingEntry(p, "posted", e.Minor, b.Reason)
	}
	return nil
}

func (st *step) pendingVoid() error {
	p, b := st.waitingPending()
	if p == nil {
		return nil
	}
	src := st.s.Sources[p.Source]
	st.facts.Identity.MayIssue = src != nil && src.Key == st.cmd.Action.Actor
	st.effect = func() { st.endPending(p, "voided", b.Reason) }
	return nil
}

// pendingExpire is a node's word that nobody settled it in time. It is refused when not due.
func (st *step) pendingExpire() error {
	p, _ := st.waitingPending()
	if p == nil {
		return nil
	}
	st.byNode()
	if st.now < p.ExpiresMs {
		st.fail(nexus.CodeConflict, "pending event "+p.ID.String(), "wait", "is not due for %d s", (p.ExpiresMs-st.now)/1000)
	}
	st.effect = func() { st.endPending(p, "expired", "nobody posted it in time") }
	return nil
}

func (st *step) endPending(p *Pending, verb, reason string) {
	st.s.dropPending(p)
	st.pendingEntry(p, verb, 0, reason)
	st.events = append(st.events, nexus.Event{Type: "pending." + verb, Index: st.index, Unit: p.Event.Unit})
}

func (s *State) putPending(p *Pending) {
	if s.money.Pendings == nil {
		s.money.Pendings = map[nexus.ID]*Pending{}
	}
	s.money.Pendings[p.ID] = p
	s.money.order = append(s.money.order, p)
}

func (s *State) dropPending(p *Pending) {
	delete(s.money.Pendings, p.ID)
	s.money.order = stdslices.DeleteFunc(stdslices.Clone(s.money.order), func(x *Pending) bool { return x == p })
}

// PendingList lists what waits, as it was opened. The list is the caller's, the events are not.
func (s *State) PendingList() []*Pending { return stdslices.Clone(s.money.order) }

// DuePending lists up to most that a node should end at a log time.
func (s *State) DuePending(nowMs int64, most int) []nexus.ID {
	var out []nexus.ID
	for _, p := range s.money.order {
		if len(out) < most && nowMs >= p.ExpiresMs {
			out = append(out, p.ID)
		}
	}
	return out
}

// Waiting is what is pending for a unit in one currency.
type Waiting struct {
	Minor int64
	Count uint64
}

// Add counts one more event, or with count -1 one less. Past 64 bits the sum stands still: it could never be posted whole.
func (w Waiting) Add(minor int64, count int) Waiting {
	if sum, ok := nexus.AddMinor(w.Minor, minor); ok {
		w.Minor = sum
	}
	w.Count += uint64(count)
	return w
}

// SortKeys orders accounts by the creation of their units, then by currency. Accounts of units that are not there go last.
func (s *State) SortKeys(keys []AccountKey) {
	place := make(map[nexus.ID]int, len(s.order))
	for i, u := range s.order {
		place[u.ID] = i - len(s.order)
	}
	stdslices.SortFunc(keys, func(a, b AccountKey) int {
		return cmp.Or(cmp.Compare(place[a.Unit], place[b.Unit]), strings.Compare(a.Currency, b.Currency))
	})
}

// PendingSums adds up what waits, by account.
func (s *State) PendingSums() map[AccountKey]Waiting {
	out := map[AccountKey]Waiting{}
	for _, p := range s.money.order {
		k := AccountKey{p.Event.Unit, p.Event.Currency}
		out[k] = out[k].Add(p.Event.Minor, 1)
	}
	return out
}
