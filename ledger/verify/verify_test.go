package verify_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	stdslices "slices"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/badgerstore"
	"github.com/BobbyBlanco400/nexus-cos/ledger/ledgertest"
	"github.com/BobbyBlanco400/nexus-cos/ledger/split"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
	"pgregory.net/rapid"
)

// memory is a Source in memory: what somebody who rewrites the files, seals and all, would leave.
type memory struct {
	values  map[string][]byte // opened
	broken  map[string]bool   // keys whose seal does not fit
	records []ledger.Record
}

func seal(key string, payload []byte) []byte {
	h := sha256.New()
	h.Write([]byte("nexus-seal-v1\n"))
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(key))))
	h.Write([]byte(key))
	h.Write(payload)
	out := binary.BigEndian.AppendUint32([]byte("nxs1"), uint32(len(payload)))
	return append(h.Sum(out), payload...)
}

func (m *memory) Scan(fn func(key, sealed []byte) error) error {
	for _, key := range stdslices.Sorted(func(yield func(string) bool) {
		for key := range m.values {
			if !yield(key) {
				return
			}
		}
	}) {
		sealed := seal(key, m.values[key])
		if m.broken[key] {
			sealed[len(sealed)-1] ^= 1
		}
		if err := fn([]byte(key), sealed); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Records(fn func(index uint64, encoded []byte) error) error {
	for _, r := range m.records {
		if err := fn(r.Index, r.Encode()); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Get(key []byte) ([]byte, error) {
	if value, ok := m.values[string(key)]; ok {
		return value, nil
	}
	return nil, nexus.Errf("get", nexus.CodeNotFound, string(key), "", "absent")
}

// stored writes the batches to a real store and takes its keys over.
func stored(t testing.TB, batches ...ledger.Batch) *memory {
	t.Helper()
	s, err := badgerstore.Open(t.TempDir(), badgerstore.Options{ReserveBytes: 1 << 20, MemTableBytes: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m := &memory{values: map[string][]byte{}, broken: map[string]bool{}}
	for _, b := range batches {
		if err := s.Commit(b); err != nil {
			t.Fatal(err)
		}
		m.records = append(m.records, b.Records...)
	}
	r, err := s.Reader()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	err = r.Scan(func(key, _ []byte) error {
		value, err := r.Get(key)
		m.values[string(key)] = value
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// history is a ledger of a few hundred entries, signed.
func history(t testing.TB) (*ledgertest.Maker, *memory) {
	t.Helper()
	m := ledgertest.NewMaker(4)
	batches := []ledger.Batch{m.Genesis(8)}
	for i := range 20 {
		batches = append(batches, m.Next(i*2))
	}
	batches[20].Checkpoint = m.Sign()
	return m, stored(t, batches...)
}

func flipped(b []byte) []byte {
	b = bytes.Clone(b)
	b[40] ^= 1
	return b
}

func run(t testing.TB, m *ledgertest.Maker, src verify.Source) verify.Report {
	t.Helper()
	report, err := verify.Run(context.Background(), src, verify.Options{Cluster: m.Cluster, Key: m.Signer.Public(),
		CommandCheck: verify.ActionSignature})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestClean(t *testing.T) {
	t.Parallel()
	m, src := history(t)
	report := run(t, m, src)
	if !report.Clean() || !report.CheckpointChecked || report.Entries != m.Chain.Size() || report.Root != m.Chain.Root() {
		t.Fatalf("%+v", report)
	}
	if report.Records != 21 || report.Units != 9 || report.Claimed != report.Entries {
		t.Fatalf("%+v", report)
	}
	for at, want := range m.Totals {
		got := report.Totals[verify.Account(at)]
		if got.Gross != want.Gross || got.Creator != want.Creator || got.Platform != want.Platform() {
			t.Errorf("%v: %+v, want %+v", at, got, want)
		}
	}
	if len(report.Totals) != len(m.Totals) {
		t.Errorf("%d totals, want %d", len(report.Totals), len(m.Totals))
	}
}

// TestStoredBytes: what does not fit among the stored keys is found and named.
func TestStoredBytes(t *testing.T) {
	t.Parallel()
	_, clean := history(t)
	key := func(prefix string) string {
		for k := range clean.values {
			if strings.HasPrefix(k, prefix) {
				return k
			}
		}
		t.Fatalf("no key %s", prefix)
		return ""
	}
	for name, c := range map[string]struct {
		spoil func(m *memory)
		want  string
	}{
		"seal":            {func(m *memory) { m.broken[key("r/")] = true }, "changed after"},
		"foreign key":     {func(m *memory) { m.values["z/extra"] = nil }, "no such key"},
		"tile lost":       {func(m *memory) { delete(m.values, key("h/")) }, "tile"},
		"tile changed":    {func(m *memory) { k := key("h/"); m.values[k] = flipped(m.values[k]) }, "tile is not"},
		"tile added":      {func(m *memory) { m.values["h/\x00\x00\x00\x00\x00\x00\x00\x00\x77"] = nil }, "tiles stored"},
		"index lost":      {func(m *memory) { delete(m.values, key("q/")) }, "index of record"},
		"index changed":   {func(m *memory) { m.values[key("q/")] = make([]byte, 8) }, "points to"},
		"head lost":       {func(m *memory) { delete(m.values, "m/head") }, "missing"},
		"head changed":    {func(m *memory) { m.values["m/head"] = []byte{1, 99, 9, 9} }, "says 9 entries"},
		"record lost":     {func(m *memory) { m.records = stdslices.Delete(m.records, 7, 8) }, "missing or repeated"},
		"last one lost":   {func(m *memory) { m.records = m.records[:20] }, "cut off"},
		"records swapped": {func(m *memory) { stdslices.Reverse(m.records[4:6]) }, "missing or repeated"},
		"no checkpoint":   {func(m *memory) { delete(m.values, "m/checkpoint") }, "signed checkpoint"},
		"note changed":    {func(m *memory) { m.values["m/checkpoint"][60] ^= 1 }, "signed checkpoint"},
		"salt changed":    {func(m *memory) { m.records[3].Salt[0] ^= 1 }, "recomputed"},
		"command changed": {func(m *memory) { m.records[3].Command = flipped(m.records[3].Command) }, "signature"},
	} {
		maker, src := history(t)
		c.spoil(src)
		report := run(t, maker, src)
		found := ""
		for _, f := range report.Findings {
			found += f.String() + "\n"
		}
		if report.Clean() || !strings.Contains(found, c.want) {
			t.Errorf("%s: want %q in\n%s", name, c.want, found)
		}
	}
}

// forge builds a ledger whose chain, roots and signature are all in order but whose content breaks a rule: an operator
// who cheats with the node's own key.
func forge(t testing.TB, change func(m *ledgertest.Maker) []ledger.Draft) verify.Report {
	t.Helper()
	m := ledgertest.NewMaker(4)
	batches := []ledger.Batch{m.Genesis(8), m.Next(20)}
	batches = append(batches, m.Command("forged", change(m)), m.Next(20))
	batches[3].Checkpoint = m.Sign()
	return run(t, m, stored(t, batches...))
}

func decision() ledger.Draft { return ledger.Draft{Kind: ledger.KindDecision} }

// rewrite changes the body of a sound revenue event.
func rewrite(m *ledgertest.Maker, change func(d *ledger.Draft, b *ledger.RevenueBody)) []ledger.Draft {
	d := m.Revenue(&m.Units[0], 1001)
	var b ledger.RevenueBody
	if err := nexus.Decode(d.Body, &b); err != nil {
		panic(err)
	}
	change(&d, &b)
	d.Body = nexus.Encode(b)
	return []ledger.Draft{decision(), d}
}

// forgery is a change to drafts and what must be found about it.
type forgery struct {
	change func(m *ledgertest.Maker) []ledger.Draft
	want   string
}

func TestForgedMoney(t *testing.T) {
	t.Parallel()
	checkForged(t, map[string]forgery{
		"skimmed": {func(m *ledgertest.Maker) []ledger.Draft {
			return rewrite(m, func(d *ledger.Draft, b *ledger.RevenueBody) {
				d.Postings[1].Minor--
				d.Postings[2].Minor++
				b.CreatorAfter--
			})
		}, "recomputed"},
		"fee before the split": {func(m *ledgertest.Maker) []ledger.Draft {
			return rewrite(m, func(d *ledger.Draft, b *ledger.RevenueBody) { b.Minor -= 30; b.GrossAfter -= 30 })
		}, "posts source"},
		"posted elsewhere": {func(m *ledgertest.Maker) []ledger.Draft {
			return rewrite(m, func(d *ledger.Draft, _ *ledger.RevenueBody) { d.Postings[1].Ref = "somebody" })
		}, "posts twice to an account"},
		"posted in halves": {func(m *ledgertest.Maker) []ledger.Draft {
			return rewrite(m, func(d *ledger.Draft, _ *ledger.RevenueBody) { d.Postings[1].Account = ledger.AccountPlatform })
		}, "posts twice to an account"},
		"moved without event": {func(*ledgertest.Maker) []ledger.Draft {
			return []ledger.Draft{decision(), {Kind: ledger.KindUsage, Postings: []ledger.Posting{
				{Account: ledger.AccountCreator, Currency: "USD", Minor: -5},
				{Account: ledger.AccountPlatform, Currency: "USD", Minor: 5}}}}
		}, "without a revenue event"},
		"refund as revenue": {func(m *ledgertest.Maker) []ledger.Draft {
			d := m.Revenue(&m.Units[0], -7)
			d.Kind = ledger.KindRevenue
			return []ledger.Draft{decision(), d}
		}, "wrong sign"},
		"unknown unit": {func(m *ledgertest.Maker) []ledger.Draft {
			d := m.Revenue(&m.Units[0], 7)
			d.Unit = nexus.ID{9}
			return []ledger.Draft{decision(), d}
		}, "no entry created"},
	})
}

func TestForgedStructure(t *testing.T) {
	t.Parallel()
	checkForged(t, map[string]forgery{
		"no decision": {func(m *ledgertest.Maker) []ledger.Draft {
			return []ledger.Draft{m.Revenue(&m.Units[0], 7)}
		}, "0 decisions"},
		"two decisions": {func(*ledgertest.Maker) []ledger.Draft {
			return []ledger.Draft{decision(), decision()}
		}, "2 decisions"},
		"split changed": {func(m *ledgertest.Maker) []ledger.Draft {
			u := m.Units[0]
			u.Percent, u.Verb = 45, "updated"
			return []ledger.Draft{decision(), {Unit: u.Unit, Kind: ledger.KindUnit, Body: nexus.Encode(u)}}
		}, "changes kind, split"},
		"unit at 70 %": {func(m *ledgertest.Maker) []ledger.Draft {
			u := m.Units[0]
			u.Unit, u.Percent = nexus.ID{8}, 70
			return []ledger.Draft{decision(), {Unit: u.Unit, Kind: ledger.KindUnit, Body: nexus.Encode(u)}}
		}, "70 % for the creator"},
		"second genesis": {func(*ledgertest.Maker) []ledger.Draft { return []ledger.Draft{{Kind: ledger.KindGenesis}} },
			"genesis after"},
		"probe earns money": {func(m *ledgertest.Maker) []ledger.Draft {
			probe := m.Units[3]
			probe.Kind = nexus.KindIMVU // so that the maker pays it in money
			return []ledger.Draft{decision(), m.Revenue(&probe, 5)}
		}, "a probe earns"},
		"body of nonsense": {func(m *ledgertest.Maker) []ledger.Draft {
			return []ledger.Draft{decision(), {Unit: m.Units[0].Unit, Kind: ledger.KindRevenue, Body: []byte{1}}}
		}, "not a canonical revenue event"},
	})
}

func checkForged(t *testing.T, forgeries map[string]forgery) {
	t.Helper()
	for name, c := range forgeries {
		report := forge(t, c.change)
		found := ""
		for _, f := range report.Findings {
			found += f.String() + "\n"
		}
		if report.Clean() || !strings.Contains(found, c.want) {
			t.Errorf("%s: want %q in\n%s", name, c.want, found)
		}
	}
}

// TestBrokenChains rewrites entries inside records and makes everything above them fit again.
func TestBrokenChains(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(e *ledger.Entry)
		want   string
	}{
		"entry left out of a unit": {func(e *ledger.Entry) { e.UnitSeq++ }, "left out or repeated"},
		"link to another entry":    {func(e *ledger.Entry) { e.UnitPrev[0] ^= 1 }, "hash of the entry before"},
		"other number":             {func(e *ledger.Entry) { e.Seq += 5 }, "calls itself"},
		"other command":            {func(e *ledger.Entry) { e.Index++ }, "says command"},
		"back-dated":               {func(e *ledger.Entry) { e.TimeMs -= 10 }, "says command"},
		"unbalanced":               {func(e *ledger.Entry) { e.Postings[0].Minor++ }, "sum to zero"},
		"wraps round": {func(e *ledger.Entry) {
			for range 2 {
				e.Postings = append(e.Postings, ledger.Posting{Account: 1, Ref: "till", Currency: "USD", Minor: math.MinInt64})
			}
		}, "sum to zero"},
		"unknown kind": {func(e *ledger.Entry) { e.Kind = 77 }, "not a canonical entry"},
	} {
		m, src := history(t)
		r := &src.records[9]
		e, err := ledger.ParseEntry(r.Entries[5])
		if err != nil {
			t.Fatal(err)
		}
		c.change(&e)
		r.Entries = stdslices.Clone(r.Entries)
		r.Entries[5] = e.AppendTo(nil)
		report := run(t, m, src)
		if len(report.Findings) == 0 || !strings.Contains(report.Findings[0].String(), c.want) ||
			report.Findings[0].Seq == nil || *report.Findings[0].Seq != r.FirstSeq+5 {
			t.Errorf("%s: want %q for entry %d, got %v", name, c.want, r.FirstSeq+5, report.Findings)
		}
	}
}

// TestPins: a history that was rewritten or cut back does not pass an earlier checkpoint, even when it is sound itself.
func TestPins(t *testing.T) {
	t.Parallel()
	a, b := ledgertest.NewMaker(4), ledgertest.NewMaker(4)
	first := a.Genesis(3)
	pins := []verify.Pin{{Size: a.Chain.Size(), Root: a.Chain.Root()}}
	second := a.Next(50)
	pins = append(pins, verify.Pin{Size: a.Chain.Size() - 20, Root: nexus.Hash{1}},
		verify.Pin{Size: a.Chain.Size(), Root: a.Chain.Root()})
	src, other := stored(t, first, second), stored(t, b.Genesis(3), b.Next(10), b.Next(60))
	for _, c := range []struct {
		src      verify.Source
		pins     []verify.Pin
		findings uint64
	}{{src, nil, 0}, {src, []verify.Pin{pins[2], pins[0]}, 0}, {src, pins, 1}, {other, pins[:1], 0}, {other, pins[2:], 1},
		{src, []verify.Pin{{Size: 1000}}, 1}, {src, []verify.Pin{{Size: 0, Root: sha256.Sum256(nil)}}, 0}} {
		report, err := verify.Run(context.Background(), c.src, verify.Options{Pinned: c.pins})
		if err != nil || report.FindingsTotal != c.findings {
			t.Errorf("pins %v: %v, want %d findings", c.pins, report.Findings, c.findings)
		}
	}
}

func TestSplitAgainstBigNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		gross, rule := rapid.Int64().Draw(t, "gross"), rapid.SampledFrom([]split.Rule{55, 80}).Draw(t, "rule")
		n := new(big.Int).Mul(big.NewInt(gross), big.NewInt(int64(rule)))
		want := n.Div(n.Add(n, big.NewInt(99)), big.NewInt(100)).Int64()
		if got := verify.CreatorTotalForTest(gross, uint64(rule)); got != want || split.CreatorTotal(gross, rule) != want {
			t.Fatalf("%d %% of %d: %d and %d, want %d", rule, gross, got, split.CreatorTotal(gross, rule), want)
		}
	})
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	_, src := history(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if report, err := verify.Run(ctx, src, verify.Options{}); err == nil || report.Clean() && report.Entries > 0 {
		t.Fatalf("%+v, %v", report, err)
	}
}

// FuzzRun: whatever is stored, the checker returns, and random bytes are never clean.
func FuzzRun(f *testing.F) {
	m := ledgertest.NewMaker(1)
	g := m.Genesis(2)
	f.Add(g.Records[0].Encode(), []byte("m/head"), []byte{1, 1, 1, 3})
	f.Add([]byte{}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, record, key, value []byte) {
		src := &fuzzed{record: record, memory: memory{values: map[string][]byte{string(key): value}}}
		report, err := verify.Run(context.Background(), src, verify.Options{CommandCheck: verify.ActionSignature})
		if err != nil || report.Clean() {
			t.Fatalf("%+v, %v", report, err)
		}
	})
}

type fuzzed struct {
	memory
	record []byte
}

func (f *fuzzed) Records(fn func(index uint64, encoded []byte) error) error { return fn(1, f.record) }

// BenchmarkRun checks 20,000 entries from memory.
func BenchmarkRun(b *testing.B) {
	m := ledgertest.NewMaker(2)
	batches := []ledger.Batch{m.Genesis(20)}
	for range 20 {
		batches = append(batches, m.Next(1000))
	}
	src := stored(b, batches...)
	var entries uint64
	for b.Loop() {
		report, err := verify.Run(context.Background(), src, verify.Options{CommandCheck: verify.ActionSignature})
		if err != nil || !report.Clean() {
			b.Fatal(report.Findings, err)
		}
		entries += report.Entries
	}
	b.ReportMetric(float64(entries)/b.Elapsed().Seconds(), "entries/s")
}

// TestTheNewestKindIsKnown: a kind of entry that the writer has and the checker does not would make every ledger look damaged at
// the next start.
func TestTheNewestKindIsKnown(t *testing.T) {
	t.Parallel()
	newest := ledger.KindGenesis
	for !strings.HasPrefix((newest + 1).String(), "kind(") {
		newest++
	}
	m := ledgertest.NewMaker(5)
	batches := []ledger.Batch{m.Genesis(1), m.Command("x", []ledger.Draft{{Kind: newest, Body: []byte{0}}})}
	batches[1].Checkpoint = m.Sign()
	report := run(t, m, stored(t, batches...))
	for _, f := range report.Findings {
		if strings.Contains(fmt.Sprint(f), "is none") {
			t.Errorf("entry kind %s: %v", newest, f)
		}
	}
}
