package state_test

import (
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/publication"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// at moves the log's time on to a moment.
func (w *world) at(year int, month time.Month, day, hour int) {
	w.now = time.Date(year, month, day, hour, 0, 0, 0, time.UTC).UnixMilli()
}

// press makes what an honest node publishes of a world.
type press struct {
	w    *world
	fold *publication.Fold
	read int
}

// of gives what is published for a month.
func (p *press) of(month uint32) (state.PublicationIssue, publication.Exits) {
	p.w.t.Helper()
	for ; p.read < len(p.w.records); p.read++ {
		r, err := ledger.ParseRecord(p.w.records[p.read])
		if err != nil {
			p.w.t.Fatalf("%v", err)
		}
		for _, e := range r.Entries {
			if err := p.fold.Add(e); err != nil {
				p.w.t.Fatalf("%v", err)
			}
		}
	}
	d, ok := p.fold.Month(month)
	if !ok {
		p.w.t.Fatalf("no month %d", month)
	}
	d.Cluster = p.w.cluster
	for i := len(p.w.records) - 1; i >= 0 && d.Root.IsZero(); i-- {
		if r, err := ledger.ParseRecord(p.w.records[i]); err == nil && r.Next() == d.Size {
			d.Root = r.Root
		}
	}
	return state.PublicationIssue{What: state.PublishedExits, Month: month, Size: d.Size, Root: d.Root, Digest: d.Digest()}, d
}

// restless is a house of which eve left and came back, failed, and left again, from December 2025 to February 2026.
func restless(t *testing.T) (*house, *press) {
	w := newHouse(t)
	p := &press{w: w.world, fold: publication.NewFold()}
	for m := uint32(197001); m < 202511; m = state.NextMonth(m) { // the world begins in 1970
		w.at(int(m/100), time.Month(m%100)+1, 1, 0)
		b, _ := p.of(m)
		w.must(w.node, state.KindPublicationIssue, nexus.ID{}, b)
	}
	w.at(2025, 12, 5, 0)
	b, _ := p.of(202511)
	w.must(w.node, state.KindPublicationIssue, nexus.ID{}, b)
	w.must(w.eve, state.KindExitBegin, w.unit, state.ExitBegin{})
	w.must(w.eve, state.KindExitCancel, w.unit, state.ExitBegin{})
	w.must(w.eve, state.KindExitBegin, w.unit, state.ExitBegin{})
	w.must(w.node, state.KindExitFail, w.unit, state.ExitFail{Step: state.ExitStepWrite, Code: nexus.CodeUnavailable})
	w.must(w.eve, state.KindExitFail, w.unit, state.ExitFail{Step: state.ExitStepCheck, Code: nexus.CodeCorrupt})
	w.at(2026, 1, 7, 0)
	w.must(w.eve, state.KindExitComplete, w.unit, w.complete())
	w.must(w.eve, state.KindExitCancel, w.unit, state.ExitBegin{})
	w.at(2026, 2, 2, 0)
	return w, p
}

func TestExitFailuresAreEntriesOfWhatWasSeen(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	bad := state.ExitFail{Step: state.ExitStepFetch, Code: nexus.CodeUnavailable}
	if out := w.do(w.eve, state.KindExitFail, w.unit, bad); out.Err == nil {
		t.Error("an exit that nobody began fails")
	}
	w.must(w.eve, state.KindExitBegin, w.unit, state.ExitBegin{})
	for name, who := range map[string]nexus.Signer{"another creator": w.bob, "an operator": w.operator, "a stranger": signer(99)} {
		if out := w.do(who, state.KindExitFail, w.unit, bad); out.Receipt.Allowed {
			t.Errorf("%s states a failure that was never seen", name)
		}
	}
	for _, b := range []state.ExitFail{{Step: "eve is late", Code: nexus.CodeConflict}, {Step: state.ExitStepFetch, Code: "eve@example.org"}, {}} {
		if out := w.do(w.eve, state.KindExitFail, w.unit, b); out.Err == nil {
			t.Errorf("a text of one's own is taken: %+v", b)
		}
	}
	out := w.must(w.node, state.KindExitFail, w.unit, state.ExitFail{Step: state.ExitStepWrite, Code: nexus.CodeUnavailable})
	e := entriesOf(t, out, ledger.KindExit)
	var body ledger.ExitBody
	if len(e) != 1 || nexus.Decode(e[0].Body, &body) != nil || body.Verb != "failed" || body.Reason != "write: unavailable" || e[0].Unit != w.unit {
		t.Fatalf("entries %+v, body %+v", e, body)
	}
	w.must(w.eve, state.KindExitFail, w.unit, bad)
	w.swap()
	if f := w.b.ExitFailuresOf(w.unit); f.Count != 2 || f.Step != state.ExitStepFetch {
		t.Errorf("remembered: %+v", f)
	}
	w.must(w.eve, state.KindExitComplete, w.unit, w.complete())
	if out := w.do(w.eve, state.KindExitFail, w.unit, bad); out.Err == nil {
		t.Error("an exit fails that is complete")
	}
	w.check()
	w.verified()
}

func TestMonthsArePublishedOnceInOrderAndWhenOver(t *testing.T) {
	t.Parallel()
	w, p := restless(t)
	good, d := p.of(202512)
	if d.Asked != 2 || d.Stayed != 1 || d.Open != 1 || d.OpenLate != 1 || d.FailedNode != 1 || d.FailedOwner != 1 || d.FailedUnits != 1 || d.Left != 0 {
		t.Errorf("December: %+v", d)
	}
	refused := map[string]state.PublicationIssue{}
	add := func(name string, change func(*state.PublicationIssue)) {
		b := good
		change(&b)
		refused[name] = b
	}
	add("another thing", func(b *state.PublicationIssue) { b.What = "revenue" })
	add("a month that runs", func(b *state.PublicationIssue) { b.Month = 202602 })
	add("a month passed over", func(b *state.PublicationIssue) { b.Month = 202601 })
	add("a month twice", func(b *state.PublicationIssue) { b.Month = 202511 })
	add("no month", func(b *state.PublicationIssue) { b.Month = 202513 })
	add("no digest", func(b *state.PublicationIssue) { b.Digest = nexus.Hash{} })
	add("more entries than there are", func(b *state.PublicationIssue) { b.Size = w.a.Chain.Size() + 1000 })
	for name, b := range refused {
		if out := w.do(w.node, state.KindPublicationIssue, nexus.ID{}, b); out.Err == nil {
			t.Errorf("%s is published", name)
		}
	}
	for name, who := range map[string]nexus.Signer{"an operator": w.operator, "a creator": w.eve, "a stranger": signer(99)} {
		if out := w.do(who, state.KindPublicationIssue, nexus.ID{}, good); out.Receipt.Allowed {
			t.Errorf("%s publishes", name)
		}
	}
	w.must(w.node, state.KindPublicationIssue, nexus.ID{}, good)
	next, d := p.of(202601)
	if took := int64(33 * 24 * time.Hour / time.Millisecond); d.OpenBefore != 1 || d.Left != 1 || d.Late != 1 || d.CameBack != 1 || d.Open != 0 ||
		d.LongestMs > took || d.LongestMs < took-1000 || d.MedianMs != d.LongestMs || d.TotalMs != d.ShortestMs {
		t.Errorf("January: %+v", d)
	}
	w.must(w.node, state.KindPublicationIssue, nexus.ID{}, next)
	w.swap()
	if all := w.b.Published(); all[len(all)-1].Month != 202601 || all[len(all)-1].Digest != next.Digest {
		t.Errorf("after a restart the newest is %+v", all[len(all)-1])
	}
	w.check()
	w.verified()
}

// While nothing stands behind a month's end, an entry that came after the figures were made must not be left out of them.
func TestPublicationHoldsTheMonthsLastEntry(t *testing.T) {
	t.Parallel()
	w, p := restless(t)
	b, _ := p.of(202512)
	w.must(w.node, state.KindPublicationIssue, nexus.ID{}, b)
	b, _ = p.of(202601)
	w.must(w.node, state.KindPublicationIssue, nexus.ID{}, b)
	w.at(2026, 2, 28, 23)
	w.must(w.eve, state.KindExitBegin, w.unit, state.ExitBegin{})
	b, _ = p.of(202602)
	w.must(w.eve, state.KindExitCancel, w.unit, state.ExitBegin{}) // between the figures and their entry
	w.at(2026, 3, 1, 0)
	if out := w.do(w.node, state.KindPublicationIssue, nexus.ID{}, b); out.Err == nil {
		t.Fatal("figures that leave the month's last entries out are published")
	}
	w.verified()
}

// A node that lies publishes what every replica can take; the independent checker recounts it from the entries.
func TestLyingPublicationsAreFound(t *testing.T) {
	t.Parallel()
	lie := map[string]func(*publication.Exits){
		"an exit fewer":       func(d *publication.Exits) { d.Asked-- },
		"no failure":          func(d *publication.Exits) { d.FailedNode, d.FailedOwner, d.FailedUnits = 0, 0, 0 },
		"none late":           func(d *publication.Exits) { d.OpenLate = 0 },
		"another cluster":     func(d *publication.Exits) { d.Cluster[0] ^= 1 },
		"another month":       func(d *publication.Exits) { d.Month = "2025-11" },
		"a shorter ledger":    func(d *publication.Exits) { d.Size -= 3 },
		"the root of another": func(d *publication.Exits) { d.Root[0] ^= 1 },
	}
	for name, change := range lie {
		w, p := restless(t)
		b, d := p.of(202512)
		change(&d)
		b.Digest, b.Size, b.Root = d.Digest(), d.Size, d.Root
		w.must(w.node, state.KindPublicationIssue, nexus.ID{}, b)
		if found := findings(t, w.records); len(found) != 1 || !strings.Contains(found[0], "publishes for 2025-12") {
			t.Errorf("%s: found %q", name, found)
		}
	}
}
