package state_test

import (
	stdslices "slices"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

const dayMs = 24 * hourMs

// complete is what eve's client sends when the bundle of all her entries is verified.
func (w *house) complete() state.ExitComplete {
	head := w.heads[w.unit]
	return state.ExitComplete{Manifest: nexus.Hash{1}, Size: w.a.Chain.Size(), UnitSeq: head.Seq, UnitHead: head.Head, Files: 9, Bytes: 1000}
}

func (w *house) status() string { return w.a.Units[w.unit].Status }

// refusedBy13 wants gate 13 among those that refuse, with nothing but the decision written.
func refusedBy13(t *testing.T, name string, out *state.Outcome) {
	t.Helper()
	if out.Receipt.Allowed || !stdslices.Contains(out.Receipt.Gates, 13) || len(out.Record.Entries) > 2 {
		t.Errorf("%s: allowed %v, gates %v, %v, %d entries", name, out.Receipt.Allowed, out.Receipt.Gates, out.Err, len(out.Record.Entries))
	}
}

// The platform tries everything it has against a unit that leaves; the exit completes all the same.
func TestNothingHindersAnExit(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	refusedBy13(t, "exit by an operator", w.do(w.operator, state.KindExitBegin, w.unit, state.ExitBegin{}))
	refusedBy13(t, "exit by another creator", w.do(w.bob, state.KindExitBegin, w.unit, state.ExitBegin{}))
	w.must(w.eve, state.KindRouteSet, w.unit, state.RouteSet{Host: w.a.Units[w.unit].Domain, Backend: "http://127.0.0.1:9100"})
	begun := w.must(w.eve, state.KindExitBegin, w.unit, state.ExitBegin{Reason: "moving"})
	var at state.ExitBegun
	if err := nexus.Decode(begun.Receipt.Result, &at); err != nil {
		t.Fatal(err)
	}
	if e := entriesOf(t, begun, ledger.KindExit); len(e) != 1 || e[0].UnitSeq != at.UnitSeq || w.status() != state.StatusExiting {
		t.Fatalf("begun: %+v, result %+v, unit %s", e, at, w.status())
	}
	hostile := map[string]struct {
		kind string
		body any
	}{
		"suspend":  {state.KindUnitSuspend, state.UnitReason{Reason: "unpaid"}},
		"shrink":   {state.KindUnitScale, state.UnitScale{CPUMilli: 1, MemoryBytes: 1, StorageBytes: 1, Processes: 1}},
		"throttle": {state.KindSliceSet, state.SliceSet{Class: "bulk", CeilingBps: 1}},
		"re-route": {state.KindRouteSet, state.RouteSet{Host: w.a.Units[w.unit].Domain, Backend: "http://127.0.0.1:9"}},
		"drop":     {state.KindRouteDrop, state.RouteSet{Host: w.a.Units[w.unit].Domain}},
		"hold":     {state.KindHoldPlace, state.HoldPlace{Currency: "USD", Minor: 1, LifeMs: hourMs, Reason: "r"}},
		"transfer": {state.KindUnitTransfer, state.UnitTransfer{To: w.operator.Public()}},
		"empty":    {state.KindExitComplete, w.complete()},
		"cancel":   {state.KindExitCancel, state.ExitBegin{Reason: "no"}},
		"settle":   {state.KindExitSettle, struct{}{}},
	}
	try := func(when string) {
		for name, h := range hostile {
			refusedBy13(t, name+" "+when, w.do(w.operator, h.kind, w.unit, h.body))
		}
		refusedBy13(t, "settle by a node "+when, w.do(w.node, state.KindExitSettle, w.unit, struct{}{}))
		w.swap()
		w.check()
	}
	try("while it leaves")
	if u := w.a.Units[w.unit]; !w.a.Serving(u) {
		t.Error("a unit that leaves is not served")
	}
	w.must(w.eve, state.KindExitComplete, w.unit, w.complete())
	if w.status() != state.StatusExited {
		t.Fatalf("unit is %s", w.status())
	}
	try("after it left")
}

// An operator revokes the owner's key and suspends the unit first: the owner leaves all the same.
func TestARevokedOwnerLeaves(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	w.must(w.operator, state.KindUnitSuspend, w.unit, state.UnitReason{Reason: "r"})
	w.must(w.operator, state.KindIdentityRevoke, nexus.ID{}, state.IdentityChange{Old: w.eve.Public(), Reason: "r"})
	w.must(w.eve, state.KindExitBegin, w.unit, state.ExitBegin{})
	if w.a.Serving(w.a.Units[w.unit]) {
		t.Error("leaving ended a suspension")
	}
	w.must(w.eve, state.KindExitComplete, w.unit, w.complete())
	w.must(w.eve, state.KindExitCancel, w.unit, state.ExitBegin{})
	if w.status() != "suspended" {
		t.Errorf("back as %s", w.status())
	}
	w.check()
}

func TestAnExitIsCompletedWithItsOwnBundleOnly(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	invalidFor(t, w.do(w.eve, state.KindExitComplete, w.unit, w.complete()), nexus.CodeConflict, "is active")
	invalidFor(t, w.do(w.eve, state.KindExitCancel, w.unit, state.ExitBegin{}), nexus.CodeConflict, "no exit to end")
	before := w.complete() // a bundle from before the exit began
	w.must(w.eve, state.KindExitBegin, w.unit, state.ExitBegin{})
	invalidFor(t, w.do(w.eve, state.KindExitBegin, w.unit, state.ExitBegin{}), nexus.CodeConflict, "leaving already")
	for name, c := range map[string]struct {
		change func(*state.ExitComplete)
		code   nexus.Code
	}{
		"old bundle":                  {func(b *state.ExitComplete) { *b = before }, nexus.CodeConflict},
		"future":                      {func(b *state.ExitComplete) { b.UnitSeq += 100 }, nexus.CodeConflict},
		"longer log":                  {func(b *state.ExitComplete) { b.Size += 100 }, nexus.CodeConflict},
		"no log":                      {func(b *state.ExitComplete) { b.Size = 0 }, nexus.CodeConflict},
		"one entry more of the unit":  {func(b *state.ExitComplete) { b.UnitSeq = w.a.Chain.Head(w.unit).Seq + 1 }, nexus.CodeConflict},
		"a log shorter than the unit": {func(b *state.ExitComplete) { b.Size = b.UnitSeq - 1 }, nexus.CodeConflict},
		"one entry more of the log":   {func(b *state.ExitComplete) { b.Size = w.a.Chain.Size() + 1 }, nexus.CodeConflict},
		"too many files":              {func(b *state.ExitComplete) { b.Files = 1<<20 + 1 }, nexus.CodeMalformed},
		"too large":                   {func(b *state.ExitComplete) { b.Bytes = 1<<50 + 1 }, nexus.CodeMalformed},
		"no manifest":                 {func(b *state.ExitComplete) { b.Manifest = nexus.Hash{} }, nexus.CodeMalformed},
		"no head":                     {func(b *state.ExitComplete) { b.UnitHead = nexus.Hash{} }, nexus.CodeMalformed},
		"no file":                     {func(b *state.ExitComplete) { b.Files = 0 }, nexus.CodeMalformed},
		"negative":                    {func(b *state.ExitComplete) { b.Bytes = -1 }, nexus.CodeMalformed},
	} {
		b := w.complete()
		c.change(&b)
		if out := w.do(w.eve, state.KindExitComplete, w.unit, b); nexus.CodeOf(out.Err) != c.code || w.status() != state.StatusExiting {
			t.Errorf("%s: %v, unit %s", name, out.Err, w.status())
		}
	}
	invalidFor(t, w.do(w.world.platform, state.KindExitBegin, w.platformUnit(), state.ExitBegin{}), nexus.CodeConflict, "platform itself")
	w.must(w.eve, state.KindExitComplete, w.unit, w.complete())
	invalidFor(t, w.do(w.eve, state.KindExitBegin, w.unit, state.ExitBegin{}), nexus.CodeConflict, "has left already")
	w.check()
}

func (w *house) platformUnit() nexus.ID { return w.a.Labels["PLAT-001"] }

// Grace, release, retention, by the log's clock: hosts go after 30 days, the policy after 90, the money never.
func TestTimesOfAnExit(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	w.must(w.eve, state.KindPolicySet, w.unit, state.PolicySet{Policy: state.UnitPolicy{Rules: []state.PolicyRule{
		{Name: "no-drop", Effect: state.EffectDeny, On: []string{state.KindRouteDrop}}}}})
	w.must(w.eve, state.KindExitBegin, w.unit, state.ExitBegin{})
	w.must(w.eve, state.KindExitComplete, w.unit, w.complete())
	done, _ := w.a.ExitOf(w.unit)
	if done.Done.GraceMs-done.DoneMs != 30*dayMs || done.Done.RetainMs-done.DoneMs != 90*dayMs {
		t.Fatalf("times %+v", done)
	}
	due := func(at int64) int { return len(w.a.DueExits(at, 10)) }
	if due(done.Done.GraceMs-1) != 0 || due(done.Done.GraceMs) != 1 {
		t.Error("the grace ends at another time")
	}
	w.now = done.Done.GraceMs - 1000
	w.must(w.eve, state.KindExitCancel, w.unit, state.ExitBegin{}) // in the last second
	w.must(w.eve, state.KindExitBegin, w.unit, state.ExitBegin{})
	w.must(w.eve, state.KindExitComplete, w.unit, w.complete())
	done, _ = w.a.ExitOf(w.unit)
	w.now = done.Done.GraceMs
	invalidFor(t, w.do(w.eve, state.KindExitCancel, w.unit, state.ExitBegin{}), nexus.CodeConflict, "grace ended")
	w.must(w.node, state.KindExitSettle, w.unit, struct{}{})
	if _, bound := w.a.Domains[w.a.Units[w.unit].Domain]; bound || w.a.Serving(w.a.Units[w.unit]) {
		t.Error("hosts stayed after the time of grace")
	}
	w.swap()
	refusedBy13(t, "closed too early", w.do(w.node, state.KindExitSettle, w.unit, struct{}{}))
	w.now = done.Done.RetainMs
	w.must(w.node, state.KindExitSettle, w.unit, struct{}{})
	if _, has := w.a.PolicyOf(w.unit); has || w.status() != state.StatusClosed || due(w.now+1000*dayMs) != 0 {
		t.Errorf("unit is %s, policy %v", w.status(), has)
	}
	w.swap()
	w.check()
}

// What is owed when a unit has left is paid whatever the schedule's day and threshold; a manual destination stays the owner's to ask.
func TestWhatIsOwedIsPaidAfterTheExit(t *testing.T) {
	t.Parallel()
	for schedule, paid := range map[string]int{state.ScheduleMonthly: 1, state.ScheduleManual: 0} {
		w := newHouse(t)
		w.must(w.operator, state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{
			{Unit: w.unit, EventID: "a", Kind: "sale", Currency: "USD", Minor: 1000, TimeMs: 1}}})
		w.must(w.eve, state.KindPayoutSet, w.unit, state.PayoutSet{Schedule: schedule, Destination: "acct",
			Thresholds: []ledger.MinorLimit{{Currency: "USD", Minor: 1_000_000}}})
		w.must(w.eve, state.KindHoldPlace, w.unit, state.HoldPlace{Currency: "USD", Minor: 100, LifeMs: 100 * dayMs, Reason: "r"})
		w.must(w.eve, state.KindExitBegin, w.unit, state.ExitBegin{})
		if len(w.a.DueHolds(w.now, 9)) != 1 || len(w.a.DuePayouts(w.now, 9)) != 0 {
			t.Errorf("%s: holds and payouts due while it leaves: %d, %d", schedule, len(w.a.DueHolds(w.now, 9)), len(w.a.DuePayouts(w.now, 9)))
		}
		hold := w.a.DueHolds(w.now, 9)[0]
		w.must(w.node, state.KindHoldExpire, w.unit, state.HoldEnd{Hold: hold.ID})
		w.must(w.eve, state.KindExitComplete, w.unit, w.complete())
		keys := w.a.DuePayouts(w.now+1000, 9)
		if len(keys) != paid {
			t.Fatalf("%s: %d payouts due", schedule, len(keys))
		}
		if paid == 0 {
			continue
		}
		w.must(w.node, state.KindPayoutOpen, w.unit, state.PayoutOpen{Currency: "USD"})
		if p := w.a.PurseOf(state.PurseKey{Unit: w.unit, Currency: "USD"}); p.OnItsWay != 550 {
			t.Errorf("on its way: %+v", p)
		}
		if len(w.a.DuePayouts(w.now+1000, 9)) != 0 {
			t.Error("nothing is owed and a payout is due")
		}
		w.check()
	}
}

// foreign is the log of another cluster with one unit's chain, and what it proves of it.
func foreign(t *testing.T, owner nexus.PublicKey, creator, platform int64) ledger.ImportBody {
	t.Helper()
	c, key := ledger.NewChain(), signer(90)
	id, cluster := nexus.ID{0xAB}, nexus.ID{0x99}
	c.Append(1, 1, [16]byte{}, []ledger.Draft{{Kind: ledger.KindGenesis, Body: []byte{1}}, {Unit: id, Kind: ledger.KindUnit, Body: []byte{1}},
		{Unit: id, Kind: ledger.KindRevenue, Body: []byte{1}, Postings: []ledger.Posting{
			{Account: ledger.AccountSource, Ref: "s", Currency: "USD", Minor: -creator - platform},
			{Account: ledger.AccountCreator, Currency: "USD", Minor: creator}, {Account: ledger.AccountPlatform, Currency: "USD", Minor: platform}}}})
	m := c.Units()
	cp := ledger.Checkpoint{Cluster: cluster, Size: c.Size(), Root: c.Root(), Index: 1, Units: m.Root()}
	text, err := ledger.SignCheckpoint(key, cp.Origin(), cp)
	if err != nil {
		t.Fatal(err)
	}
	p := m.Prove(id)
	return ledger.ImportBody{Unit: id, Origin: cluster, Key: key.Public(), Checkpoint: text, Owner: owner, Kind: nexus.KindIMVU, Percent: 55,
		Seq: p.Commitment.Seq, Head: p.Commitment.Head, Balances: p.Commitment.Balances, Siblings: p.Proof.Siblings, Manifest: nexus.Hash{5}}
}

func importOf(ev ledger.ImportBody) state.UnitImport {
	return state.UnitImport{Evidence: ev, Label: "IMVU-042", Name: "Mover", Slug: "mover", OwnerName: "mona", Jurisdiction: "EU-GDPR", Class: "interactive",
		Envelope: state.Envelope{CPUMilli: 1000, MemoryBytes: 1 << 30, StorageBytes: 1 << 30, Processes: 64}}
}

func TestAUnitComesFromAnotherLog(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	mona := signer(91)
	ev := foreign(t, mona.Public(), 551, 450)
	refusedFor(t, w.do(w.bob, state.KindUnitImport, nexus.ID{}, importOf(ev)), 1, "who did not sign")
	out := w.must(w.operator, state.KindUnitImport, nexus.ID{}, importOf(ev))
	u := w.a.Units[ev.Unit]
	if u == nil || u.Label != "IMVU-042" || u.Owner != mona.Public() || w.a.Identities[mona.Public()].Role != gates.RoleCreator {
		t.Fatalf("unit %+v", u)
	}
	if len(w.a.EarnedBy(ev.Unit)) != 0 || len(entriesOf(t, out, ledger.KindImport)) != 1 {
		t.Error("the past became a debt of this platform, or has no entry")
	}
	got := w.a.ImportsOf(ev.Unit)
	if len(got) != 1 || len(got[0].Balances) != 1 || got[0].Balances[0] != (state.ImportedBalance{Currency: "USD", Gross: 1001, Creator: 551, Platform: 450}) {
		t.Fatalf("remembered %+v", got)
	}
	size := len(w.heads)
	again := w.must(w.operator, state.KindUnitImport, nexus.ID{}, importOf(ev))
	var r state.UnitImported
	if err := nexus.Decode(again.Receipt.Result, &r); err != nil || !r.Known || r.Label != "IMVU-042" || len(again.Record.Entries) != 1 || len(w.heads) != size {
		t.Errorf("taken in twice: %+v, %v", r, err)
	}
	other := ev
	other.Manifest = nexus.Hash{6}
	if out := w.do(w.operator, state.KindUnitImport, nexus.ID{}, importOf(other)); nexus.CodeOf(out.Err) != nexus.CodeConflict {
		t.Errorf("a taken id: %v", out.Err)
	}
	// Labels before and after the one that came are given as if it were not there, and never twice.
	seen := map[string]bool{"IMVU-042": true}
	for range 45 {
		id := w.create(w.operator, state.KindIMVUCreate, state.UnitCreate{Name: "n" + w.a.Chain.Root().String()[:20]})
		if l := w.a.Units[id].Label; seen[l] {
			t.Fatalf("label %s twice", l)
		} else {
			seen[l] = true
		}
	}
	w.swap()
	w.check()
}

func TestForgedHistoryIsRefused(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	mona := signer(91)
	for name, c := range map[string]struct {
		change func(*ledger.ImportBody)
		code   nexus.Code
	}{
		"other key":       {func(b *ledger.ImportBody) { b.Key = signer(92).Public() }, nexus.CodeCorrupt},
		"other log":       {func(b *ledger.ImportBody) { b.Origin = nexus.ID{0x98} }, nexus.CodeCorrupt},
		"other unit":      {func(b *ledger.ImportBody) { b.Unit = nexus.ID{0xAC} }, nexus.CodeCorrupt},
		"fewer entries":   {func(b *ledger.ImportBody) { b.Seq-- }, nexus.CodeCorrupt},
		"other head":      {func(b *ledger.ImportBody) { b.Head[0] ^= 1 }, nexus.CodeCorrupt},
		"other rule":      {func(b *ledger.ImportBody) { b.Percent = 80 }, nexus.CodeMalformed},
		"platform's rule": {func(b *ledger.ImportBody) { b.Percent, b.Kind = 80, nexus.KindPlatform }, nexus.CodeCorrupt},
		"no manifest":     {func(b *ledger.ImportBody) { b.Manifest = nexus.Hash{} }, nexus.CodeMalformed},
		"more money": {func(b *ledger.ImportBody) {
			b.Balances = stdslices.Clone(b.Balances)
			b.Balances[1].Minor++
		}, nexus.CodeCorrupt},
		"a split of its own": {func(b *ledger.ImportBody) { *b = foreign(t, mona.Public(), 500, 500) }, nexus.CodeCorrupt},
		"another log's checkpoint under this log's name": {func(b *ledger.ImportBody) {
			name := ledger.Checkpoint{Cluster: b.Origin}.Origin()
			cp, err := ledger.OpenCheckpoint(b.Checkpoint, name, b.Key)
			if err != nil {
				t.Fatal(err)
			}
			cp.Cluster = nexus.ID{0x98}
			if b.Checkpoint, err = ledger.SignCheckpoint(signer(90), name, cp); err != nil {
				t.Fatal(err)
			}
		}, nexus.CodeCorrupt},
		"this very log": {func(b *ledger.ImportBody) { *b = foreign(t, mona.Public(), 55, 45); b.Origin = w.cluster }, nexus.CodeCorrupt},
	} {
		ev := foreign(t, mona.Public(), 55, 45)
		c.change(&ev)
		if out := w.do(w.operator, state.KindUnitImport, nexus.ID{}, importOf(ev)); nexus.CodeOf(out.Err) != c.code || w.a.Units[ev.Unit] != nil {
			t.Errorf("%s: allowed %v, %v", name, out.Receipt.Allowed, out.Err)
		}
	}
	w.check()
}

// A unit that left comes home: to its owner, with what it earned elsewhere beside what it earned here.
func TestAUnitComesHome(t *testing.T) {
	t.Parallel()
	w := newHouse(t)
	ev := foreign(t, w.eve.Public(), 55, 45)
	b := importOf(ev)
	w.must(w.eve, state.KindUnitImport, nexus.ID{}, b)
	w.unit = ev.Unit
	w.must(w.eve, state.KindExitBegin, w.unit, state.ExitBegin{})
	w.must(w.eve, state.KindExitComplete, w.unit, w.complete())
	x, _ := w.a.ExitOf(w.unit)
	w.now = x.Done.GraceMs
	w.must(w.node, state.KindExitSettle, w.unit, struct{}{})
	b.Evidence.Manifest = nexus.Hash{9}
	stolen := b
	stolen.Evidence.Owner = w.bob.Public()
	if out := w.do(w.bob, state.KindUnitImport, nexus.ID{}, stolen); nexus.CodeOf(out.Err) != nexus.CodeConflict {
		t.Errorf("another owner takes it: %v", out.Err)
	}
	w.must(w.eve, state.KindUnitImport, nexus.ID{}, b)
	u := w.a.Units[w.unit]
	if _, left := w.a.ExitOf(w.unit); left || !w.a.Serving(u) || w.a.Domains[u.Domain] != w.unit || len(w.a.ImportsOf(w.unit)) != 2 {
		t.Errorf("back as %+v", u)
	}
	w.swap()
	w.check()
}
