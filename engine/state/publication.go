package state

import (
	stdslices "slices"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// What is owed to the public each month: counts, times and failures of exits (SPEC section 5). The figures are a pure fold over the entries
// of kinds exit and exit-done (engine/publication), so failures of an exit are entries too, and the publication's own entry holds its digest
// alone. A month is published once, after it is over, from all entries with a log time before its end, and no month is passed over.

// The kinds of action about it.
const (
	KindExitFail         = "exit.fail"
	KindPublicationIssue = "publication.issue"
)

// PublishedExits is the one thing that is published monthly. Stored: never change the word.
const PublishedExits = "exits"

// The steps at which an exit can fail. Stored: never change a word. A step is all that a failure says: a text of anybody's own has no place
// in what is published.
const (
	ExitStepWrite = "write" // the node could not write the bundle
	ExitStepFetch = "fetch" // the stream broke off on its way
	ExitStepCheck = "check" // what arrived is not a bundle that verifies
	ExitStepStore = "store" // it could not be put in its place
	ExitStepEnd   = "end"   // the node did not take the verified bundle for the whole
)

// ExitSteps lists them in the order in which an exit comes to them.
var ExitSteps = []string{ExitStepWrite, ExitStepFetch, ExitStepCheck, ExitStepStore, ExitStepEnd}

const (
	maxExitFailures = 1000 // of one exit: beyond it nothing new is learned
	maxPublished    = 1200 // a hundred years of months
)

// ExitFail is the body of exit.fail, signed by the owner or by the node, each for what it saw itself.
type ExitFail struct {
	Step string
	Code nexus.Code
}

// ExitFailures is what is remembered of an exit's failures while it is under way.
type ExitFailures struct {
	Unit   nexus.ID
	Count  uint32
	LastMs int64
	Step   string
}

// PublicationIssue is the body of publication.issue, signed by a node.
type PublicationIssue struct {
	What   string
	Month  uint32 // YYYYMM, UTC; over, and the one after the last published
	Size   uint64 // entries of the ledger with a log time before the month's end
	Root   nexus.Hash
	Digest nexus.Hash // of the document
}

// Published is one month's publication.
type Published struct {
	What   string
	Month  uint32
	Size   uint64
	Root   nexus.Hash
	Digest nexus.Hash
	Index  uint64
	Entry  uint64 // its entry in the ledger
	TimeMs int64
}

// Published lists the months published, oldest first. The list is the caller's.
func (s *State) Published() []Published { return append([]Published(nil), s.published...) }

// ExitFailuresOf says what is remembered of the failures of a unit's exit under way.
func (s *State) ExitFailuresOf(unit nexus.ID) ExitFailures {
	if f := s.exitFailures[unit]; f != nil {
		return *f
	}
	return ExitFailures{Unit: unit}
}

func (st *step) exitFail() error {
	var b ExitFail
	u := st.existing()
	if !st.body(&b) || u == nil {
		return nil
	}
	own := st.facts.Unit.ActorOwns
	st.measured() // the node for what it saw itself; an operator has seen nothing
	st.facts.Identity.MayIssue = st.facts.Identity.MayIssue || own
	st.facts.Exit.IsExit = own
	st.reach(u, "ledger", st.facts.Identity.MayIssue)
	x := st.s.exits[u.ID]
	subject := "failure of the exit of " + u.Label
	held := st.s.ExitFailuresOf(u.ID)
	switch {
	case x == nil || u.Status != StatusExiting:
		st.fail(nexus.CodeConflict, subject, "see nexus imvu exit-status", "the unit is %s, not %s", u.Status, StatusExiting)
	case !stdslices.Contains(ExitSteps, b.Step) || !knownCode(b.Code):
		st.fail(nexus.CodeMalformed, subject, "a step of an exit and a code of nexus errors", "step %q, code %q", clip(b.Step), clip(string(b.Code)))
	case held.Count >= maxExitFailures:
		st.fail(nexus.CodeConflict, subject, "mend what is wrong: nexus imvu exit-status", "%d are recorded already", held.Count)
	}
	st.effect = func() {
		if st.s.exitFailures == nil {
			st.s.exitFailures = map[nexus.ID]*ExitFailures{}
		}
		st.s.exitFailures[u.ID] = &ExitFailures{Unit: u.ID, Count: held.Count + 1, LastMs: st.now, Step: b.Step}
		st.exitEntry(u, x, "failed", b.Step+": "+string(b.Code))
	}
	return nil
}

// knownCode keeps words of anybody's own out of what is published.
func knownCode(c nexus.Code) bool {
	switch c {
	case nexus.CodeMalformed, nexus.CodeNotFound, nexus.CodeConflict, nexus.CodeRefused, nexus.CodeUnavailable, nexus.CodeCorrupt,
		nexus.CodeUnfit, nexus.CodeInternal:
		return true
	}
	return false
}

// publicationIssue takes a month's publication. The node that takes it has held the digest to the entries (engine.checkPublication); what
// every replica can hold it to is here. While nothing stands after the month's end, the size must be that of the whole ledger: an entry of
// the month that came in between makes the figures others.
func (st *step) publicationIssue() error {
	var b PublicationIssue
	if !st.body(&b) {
		return nil
	}
	st.measured()
	end, ok := MonthEndMs(b.Month)
	last := Published{}
	if n := len(st.s.published); n > 0 {
		last = st.s.published[n-1]
	}
	size := st.s.Chain.Size()
	subject := "publication of " + PublishedExits + " for " + MonthText(b.Month)
	switch {
	case b.What != PublishedExits:
		st.fail(nexus.CodeMalformed, subject, "publish "+PublishedExits, "nothing else is published monthly")
	case !ok:
		st.fail(nexus.CodeMalformed, subject, "a month as YYYYMM", "no such month")
	case st.now < end:
		st.fail(nexus.CodeConflict, subject, "wait until it is over", "the month ends at %s", dayText(end))
	case last.Month != 0 && b.Month != NextMonth(last.Month):
		st.fail(nexus.CodeConflict, subject, "publish "+MonthText(NextMonth(last.Month))+" next",
			"the last one is for %s: no month is published twice or passed over",
			MonthText(last.Month))
	case b.Size < last.Size || b.Size > size || st.s.TimeMs < end && b.Size != size:
		st.fail(nexus.CodeConflict, subject, "compute it again", "made from %d entries, of the ledger's %d", b.Size, size)
	case b.Digest.IsZero() || b.Root.IsZero():
		st.fail(nexus.CodeMalformed, subject, "give the document's digest and the ledger's root", "missing")
	case len(st.s.published) >= maxPublished:
		st.fail(nexus.CodeConflict, subject, "", "%d months are published already", len(st.s.published))
	}
	st.effect = func() {
		st.s.published = append(st.s.published[:len(st.s.published):len(st.s.published)], Published{What: b.What, Month: b.Month, Size: b.Size, Root: b.Root,
			Digest: b.Digest, Index: st.index, Entry: size + 1 + uint64(len(st.drafts)), TimeMs: st.now}) // the decision stands first
		st.draft(nexus.ID{}, ledger.KindPublication, ledger.PublicationBody(b))
		st.events = append(st.events, nexus.Event{Type: "publication.issued", Index: st.index})
	}
	return nil
}

func publicationsPart() part {
	type picture struct {
		Published []Published
		Failures  []ExitFailures // by unit id
	}
	return part{name: "publications", save: func(s *State) []byte {
		if len(s.published)+len(s.exitFailures) == 0 {
			return nil
		}
		p := picture{Published: s.published}
		for _, id := range sortedIDs(s.exitFailures) {
			p.Failures = append(p.Failures, *s.exitFailures[id])
		}
		return nexus.Encode(p)
	}, load: func(s *State, b []byte) error {
		var p picture
		if err := nexus.Decode(b, &p); err != nil {
			return err
		}
		s.published = p.Published
		s.exitFailures = map[nexus.ID]*ExitFailures{}
		for i := range p.Failures {
			s.exitFailures[p.Failures[i].Unit] = &p.Failures[i]
		}
		return nil
	}}
}
