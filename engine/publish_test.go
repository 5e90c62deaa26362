package engine_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/engine/statement"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// printer is a ledger whose months pass as the test says.
type printer struct {
	*rig
	nowMs atomic.Int64
}

func newPrinter(t *testing.T) *printer {
	p := &printer{}
	p.nowMs.Store(time.Date(2026, 10, 20, 12, 0, 0, 0, time.UTC).UnixMilli())
	p.rig = newRigAt(t, func() time.Time { return time.UnixMilli(p.nowMs.Add(1)) })
	return p
}

func (p *printer) must(s nexus.Signer, kind string, unit nexus.ID, body any) {
	p.t.Helper()
	if _, err := p.do(s, kind, unit, body); err != nil {
		p.t.Fatalf("%s: %v", kind, err)
	}
}

func (p *printer) sweep() {
	p.t.Helper()
	if err := p.eng.Sweep(context.Background()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *printer) published() (list []state.Published) {
	p.eng.View(func(s *state.State) { list = s.Published() })
	return list
}

// leavers gives October two units that ask to leave: one fails once and is there still, the other stays. It ends in November.
func (p *printer) leavers() {
	ada, bob := testKey(1), testKey(2)
	shop, club := p.create("Shop", "ada", ada.Public()), p.create("Club", "bob", bob.Public())
	p.must(ada, state.KindExitBegin, shop, state.ExitBegin{})
	p.must(ada, state.KindExitFail, shop, state.ExitFail{Step: state.ExitStepFetch, Code: nexus.CodeUnavailable})
	p.must(bob, state.KindExitBegin, club, state.ExitBegin{})
	p.must(bob, state.KindExitCancel, club, state.ExitBegin{})
	p.sweep()
	p.nowMs.Store(time.Date(2026, 11, 1, 0, 0, 1, 0, time.UTC).UnixMilli())
}

func (p *printer) options() verify.Options {
	return verify.Options{Cluster: p.gen.Cluster, Key: p.eng.NodeKey()}
}

// export checks the whole ledger as a stranger does.
func (p *printer) findings() (out []string) {
	p.t.Helper()
	var b bytes.Buffer
	if err := p.eng.Export(context.Background(), &b, nil); err != nil {
		p.t.Fatal(err)
	}
	rep, err := verify.CheckExport(context.Background(), &b, p.options())
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range rep.Findings {
		out = append(out, f.String())
	}
	return out
}

// A list that was not announced is not found.
func TestAPriceListThatIsNotThere(t *testing.T) {
	t.Parallel()
	p := newPrinter(t)
	p.must(p.operator(), state.KindPricesPublish, nexus.ID{}, state.PricesPublish{FromMonth: 202611, Currency: "USD",
		Lines: []ledger.PriceLine{{Meter: state.MeterBytesOut, Per: 1_000_000_000, Minor: 5}}})
	for number, want := range map[uint32]nexus.Code{0: nexus.CodeNotFound, 1: "", 2: nexus.CodeNotFound} {
		if _, err := p.eng.PublishedPrices(context.Background(), number); nexus.CodeOf(err) != want {
			t.Errorf("list %d: %v", number, err)
		}
	}
}

func TestMonthlyPublicationOfExits(t *testing.T) {
	t.Parallel()
	p := newPrinter(t)
	p.leavers()
	p.sweep()
	p.sweep()
	list := p.published()
	if len(list) != 1 || list[0].Month != 202610 {
		t.Fatalf("published %+v", list)
	}
	file, err := p.eng.PublishedExits(context.Background(), 202610)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := verify.CheckPublication(file, p.options())
	if err != nil {
		t.Fatal(err)
	}
	d := rep.Exits
	if d == nil || d.Month != "2026-10" || d.Asked != 2 || d.Stayed != 1 || d.Open != 1 || d.OpenLate != 1 || d.FailedOwner != 1 || d.Size != list[0].Size {
		t.Errorf("published %+v", d)
	}
	for _, personal := range []string{`"ada"`, "Shop", "IMVU-001"} { // three bare letters come by chance in a hash
		if bytes.Contains(file, []byte(personal)) {
			t.Errorf("the publication names %q", personal)
		}
	}
	if _, err := p.eng.PublishedExits(context.Background(), 202611); nexus.CodeOf(err) != nexus.CodeNotFound {
		t.Errorf("a month that runs: %v", err)
	}
	if found := p.findings(); len(found) > 0 {
		t.Errorf("the whole ledger: %q", found)
	}
	p.close()
	p.open() // the fold begins anew, and comes to the same
	if again, err := p.eng.PublishedExits(context.Background(), 202610); err != nil || len(again) == 0 {
		t.Errorf("after a restart: %v", err)
	}
	p.nowMs.Store(time.Date(2027, 2, 3, 0, 0, 0, 0, time.UTC).UnixMilli()) // asleep for a winter: no month is passed over
	p.sweep()
	if list := p.published(); len(list) != 4 || list[3].Month != 202701 {
		t.Errorf("published %+v", list)
	}
	if found := p.findings(); len(found) > 0 {
		t.Errorf("the whole ledger: %q", found)
	}
}

// What a lying client or another node asks to be published is refused before it is an entry.
func TestForgedPublicationsAreRefusedAtTheDoor(t *testing.T) {
	t.Parallel()
	p := newPrinter(t)
	p.leavers()
	d, err := p.eng.ExitsOf(context.Background(), 202610)
	if err != nil {
		t.Fatal(err)
	}
	good := state.PublicationIssue{What: state.PublishedExits, Month: 202610, Size: d.Size, Root: d.Root, Digest: d.Digest()}
	d.Asked--
	for name, change := range map[string]func(*state.PublicationIssue){
		"other figures":    func(b *state.PublicationIssue) { b.Digest = d.Digest() },
		"a shorter ledger": func(b *state.PublicationIssue) { b.Size-- },
		"another root":     func(b *state.PublicationIssue) { b.Root[0] ^= 1 },
		"not the first":    func(b *state.PublicationIssue) { b.Month = 202609 },
		"a running month":  func(b *state.PublicationIssue) { b.Month = 202611 },
	} {
		b := good
		change(&b)
		if _, err := p.do(p.keys.Node, state.KindPublicationIssue, nexus.ID{}, b); err == nil {
			t.Errorf("%s: published", name)
		}
	}
	if _, err := p.do(p.operator(), state.KindPublicationIssue, nexus.ID{}, good); err == nil {
		t.Error("an operator publishes")
	}
	if list := p.published(); len(list) != 0 {
		t.Fatalf("published %+v", list)
	}
	p.sweep()
	if list := p.published(); len(list) != 1 {
		t.Errorf("the honest one: %+v", list)
	}
}

// A publication's file proves itself with the public key alone, and nothing of it can be changed.
func TestTamperedPublicationFilesAreFound(t *testing.T) {
	t.Parallel()
	p, other := newPrinter(t), newPrinter(t)
	for _, x := range []*printer{p, other} {
		x.leavers()
		x.must(x.operator(), state.KindPricesPublish, nexus.ID{}, state.PricesPublish{FromMonth: 202611, Currency: "USD",
			Lines: []ledger.PriceLine{{Meter: state.MeterBytesOut, Per: 1_000_000_000, Minor: 5}}})
		x.sweep()
	}
	exits, err := p.eng.PublishedExits(context.Background(), 202610)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.eng.PublishedExits(context.Background(), 202610)
	if err != nil {
		t.Fatal(err)
	}
	prices, err := p.eng.PublishedPrices(context.Background(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{"exits": exits, "prices": prices} {
		rep, err := verify.CheckPublication(file, p.options())
		if err != nil || rep.What != name {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := verify.CheckPublication(file, verify.Options{Key: p.eng.NodeKey()}); err != nil {
			t.Errorf("%s, with the bare key: %v", name, err)
		}
		for _, o := range []verify.Options{other.options(), {Key: other.eng.NodeKey()}, {}} {
			if _, err := verify.CheckPublication(file, o); err == nil {
				t.Errorf("%s passes under another key", name)
			}
		}
	}
	cut := func(file []byte, from, to string) string {
		_, rest, _ := strings.Cut(string(file), from)
		part, _, _ := strings.Cut(rest, to)
		return part
	}
	signed := func(by []byte) string {
		return strings.Replace(string(exits), cut(exits, `"signature":"`, `","proof`), cut(by, `"signature":"`, `","proof`), 1)
	}
	for name, file := range map[string]string{
		"a count":                strings.Replace(string(exits), `"asked":2`, `"asked":1`, 1),
		"a count that fits":      strings.Replace(strings.Replace(string(exits), `"asked":2`, `"asked":3`, 1), `"stayed":1`, `"stayed":2`, 1),
		"the failures":           strings.Replace(string(exits), `"failures_seen_by_owner":1,"exits_with_failures":1`, `"failures_seen_by_owner":0,"exits_with_failures":0`, 1),
		"the month":              strings.Replace(string(exits), `"month":"2026-10"`, `"month":"2026-09"`, 1),
		"the log":                strings.Replace(string(exits), p.gen.Cluster.String(), other.gen.Cluster.String(), 1),
		"another log's":          string(foreign),
		"another's signature":    signed(foreign),
		"its own over another":   signed(prices),
		"no signature":           strings.Replace(string(exits), cut(exits, `"signature":"`, `","proof`), "", 1),
		"a price list as exits":  strings.Replace(string(prices), `"what":"prices"`, `"what":"exits"`, 1),
		"a price":                strings.Replace(string(prices), `"amount":5`, `"amount":4`, 1),
		"the month of the price": strings.Replace(string(prices), `"from":"2026-11"`, `"from":"2026-12"`, 1),
		"a word more":            string(exits) + " ",
		"another spelling":       strings.Replace(string(exits), `"asked":2`, `"asked": 2`, 1),
		"an unknown field":       strings.Replace(string(exits), `"asked":2`, `"liked":1,"asked":2`, 1),
		"nothing":                "",
	} {
		if file == string(exits) || file == string(prices) {
			t.Errorf("%s: nothing was changed", name)
		}
		if _, err := verify.CheckPublication([]byte(file), p.options()); err == nil {
			t.Errorf("%s: taken for a publication", name)
		}
	}
}

// A statement that was issued before anything was metered comes out as it was issued; one after it holds what was used.
func TestStatementsKeepTheFormTheyWereIssuedIn(t *testing.T) {
	t.Parallel()
	p := newPrinter(t)
	shop := p.create("Shop", "ada", testKey(1).Public())
	p.must(p.operator(), state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{
		{Unit: shop, EventID: "a", Kind: "sale", Currency: "USD", Minor: 1000, TimeMs: p.nowMs.Load()}}})
	p.nowMs.Store(time.Date(2026, 11, 1, 0, 0, 1, 0, time.UTC).UnixMilli())
	d, _, err := p.eng.Statement(shop, 202610)
	if err != nil {
		t.Fatal(err)
	}
	if first := sha256.Sum256(nexus.AppendCanonical([]byte("nexus-statement-v1\n"), d.First)); d.Digest() != nexus.Hash(first) {
		t.Errorf("without usage the digest is %s, not that of the first form", d.Digest())
	}
	p.must(p.operator(), state.KindStatementIssue, shop, state.StatementIssue{Month: 202610, Size: d.Size, Digest: d.Digest()})
	p.must(p.operator(), state.KindPricesPublish, nexus.ID{}, state.PricesPublish{FromMonth: 202611, Currency: "EUR",
		Lines: []ledger.PriceLine{{Meter: state.MeterBytesOut, Per: 1000, Minor: 7}}})
	now := p.nowMs.Load()
	p.must(p.keys.Node, state.KindUsagePost, nexus.ID{}, state.UsagePost{FromMs: now - 50, ToMs: now, Rows: []state.UsageRow{{Unit: shop,
		Counts: []ledger.UsageCount{{Meter: state.MeterBytesOut, Quantity: 1999}}}}})
	again, issued, err := p.eng.Statement(shop, 202610)
	if err != nil || issued == nil || again.Version != statement.FormFirst || again.Digest() != d.Digest() || len(again.Usage.Lines) > 0 {
		t.Errorf("October again: form %d, %v, %v", again.Version, issued, err)
	}
	next, _, err := p.eng.Statement(shop, 202611)
	if err != nil {
		t.Fatal(err)
	}
	want := statement.UsageLine{List: 1, Meter: state.MeterBytesOut, Quantity: 1999, Per: 1000, Price: 7, Currency: "EUR", Amount: 13}
	if next.Version != statement.FormUsage || len(next.Usage.Lines) != 1 || next.Usage.Lines[0] != want || len(next.Usage.Lists) != 1 {
		t.Errorf("November: %+v", next.Usage)
	}
	if len(next.Accounts) != 1 || next.Accounts[0].Closing != 550 || next.Accounts[0].Creator != 0 {
		t.Errorf("usage touched the account: %+v", next.Accounts)
	}
	if found := p.findings(); len(found) > 0 {
		t.Errorf("the whole ledger: %q", found)
	}
}
