// Package ledgertest helps to test what writes and keeps the ledger: a maker of realistic batches, the suite every
// ledger.Store passes, and faults in the files of a copied directory.
//
// It promises: the same seed gives the same bytes. It imports root, ledger and ledger/split; tests of any package may
// use it, programs must not.
package ledgertest

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/split"
)

// Account names a balance a tally is compared by.
type Account struct {
	Unit     nexus.ID
	Currency string
}

// Maker makes the batches of a small cluster: a genesis record with units of every kind, then commands with a decision
// and revenue. Not safe for concurrent use.
type Maker struct {
	Cluster nexus.ID
	Chain   *ledger.Chain
	Signer  nexus.KeySigner
	Units   []ledger.UnitBody
	Totals  map[Account]split.Totals

	random *rand.Rand
	index  uint64
	timeMs int64
	event  uint64
}

// Envelope is the command of a made record: the action comes first, as in the replicated log.
type Envelope struct {
	Action nexus.Action
	Extra  []byte
}

// NewMaker gives a maker before genesis.
func NewMaker(seed uint64) *Maker {
	random := rand.New(rand.NewPCG(seed, 17))
	m := &Maker{Chain: ledger.NewChain(), Totals: map[Account]split.Totals{}, random: random, timeMs: 1_700_000_000_000}
	var keySeed [ed25519.SeedSize]byte
	m.fill(keySeed[:])
	m.fill(m.Cluster[:])
	m.Signer = nexus.KeySigner(ed25519.NewKeyFromSeed(keySeed[:]))
	return m
}

func (m *Maker) fill(b []byte) {
	for i := range b {
		b[i] = byte(m.random.Uint32())
	}
}

// Genesis makes the first record: a genesis entry and the given number of units, of kinds in turn.
func (m *Maker) Genesis(units int) ledger.Batch {
	drafts := []ledger.Draft{{Kind: ledger.KindGenesis, Body: nexus.Encode(m.Cluster)}}
	kinds := []nexus.UnitKind{nexus.KindIMVU, nexus.KindPlatform, nexus.KindChannel, nexus.KindProbe}
	for i := range units {
		u := ledger.UnitBody{Kind: kinds[i%len(kinds)], Percent: uint8(split.Platform), Label: fmt.Sprintf("UNIT-%03d", i+1),
			Name: fmt.Sprintf("Unit %d", i+1), Slug: fmt.Sprintf("unit-%d", i+1), Jurisdiction: "US-CCPA",
			Domain: fmt.Sprintf("unit-%d.nexus.localhost", i+1), Verb: "created"}
		if u.Kind == nexus.KindIMVU {
			u.Percent = uint8(split.IMVU)
		}
		m.fill(u.Unit[:])
		m.fill(u.Owner[:])
		m.Units = append(m.Units, u)
		drafts = append(drafts, ledger.Draft{Unit: u.Unit, Kind: ledger.KindUnit, Body: nexus.Encode(u)})
	}
	return m.Command("genesis", drafts)
}

// Next makes a record with a decision and the given number of revenue events over the units; about one in ten is a
// refund.
func (m *Maker) Next(events int) ledger.Batch {
	drafts := make([]ledger.Draft, 0, events+1)
	drafts = append(drafts, ledger.Draft{Kind: ledger.KindDecision, Body: []byte("17 verdicts: allow")})
	for range events {
		drafts = append(drafts, m.Revenue(&m.Units[m.random.IntN(len(m.Units))], m.random.Int64N(5_000)-500))
	}
	return m.Command("revenue.batch", drafts)
}

// Revenue drafts one event of a unit and moves the maker's own totals.
func (m *Maker) Revenue(u *ledger.UnitBody, minor int64) ledger.Draft {
	currency := []string{"USD", "EUR"}[m.random.IntN(2)]
	if u.Kind == nexus.KindProbe {
		currency = nexus.TestCurrency
	}
	at := Account{u.Unit, currency}
	before := m.Totals[at]
	creator, platform, err := split.Post(before.Gross, minor, split.Rule(u.Percent))
	if err != nil {
		panic(err) // amounts of a test never come near 64 bits
	}
	after := split.Totals{Gross: before.Gross + minor, Creator: before.Creator + creator}
	m.Totals[at] = after
	m.event++
	kind := ledger.KindRevenue
	if minor < 0 {
		kind = ledger.KindRefund
	}
	body := ledger.RevenueBody{Source: "till", ProducerSeq: m.event, Kind: "sale", SourceClass: ledger.SourceMetered,
		Currency: currency, Minor: minor, EventTimeMs: m.timeMs, GrossAfter: after.Gross, CreatorAfter: after.Creator}
	return ledger.Draft{Unit: u.Unit, Kind: kind, Body: nexus.Encode(body), Postings: []ledger.Posting{
		{Account: ledger.AccountSource, Ref: "till", Currency: currency, Minor: -minor},
		{Account: ledger.AccountCreator, Currency: currency, Minor: creator},
		{Account: ledger.AccountPlatform, Currency: currency, Minor: platform}}}
}

// Command puts drafts under a signed action into a record of its own. Indexes rise with gaps, as in a replicated log.
func (m *Maker) Command(kind string, drafts []ledger.Draft) ledger.Batch {
	m.index += 1 + m.random.Uint64N(3)
	m.timeMs += 1 + m.random.Int64N(1000)
	a := nexus.Action{Version: 1, Cluster: m.Cluster, Kind: kind, TimeMs: m.timeMs, ExpiresMs: m.timeMs + 60_000}
	binary.BigEndian.PutUint64(a.ID[:], m.index)
	a, err := nexus.SignAction(m.Signer, a)
	if err != nil {
		panic(err) // a key in memory signs always
	}
	r := ledger.Record{Index: m.index, Term: 1, TimeMs: m.timeMs, Command: nexus.Encode(Envelope{Action: a}),
		FirstSeq: m.Chain.Size()}
	m.fill(r.Salt[:])
	var leaves []nexus.Hash
	r.Entries, leaves = m.Chain.Append(r.Index, r.TimeMs, r.Salt, drafts)
	r.Root = m.Chain.Root()
	return ledger.Batch{Records: []ledger.Record{r}, Leaves: leaves, Applied: m.index}
}

// Sign signs a checkpoint of the chain as it stands, under the log's origin as name.
func (m *Maker) Sign() string {
	cp := ledger.Checkpoint{Cluster: m.Cluster, Size: m.Chain.Size(), Root: m.Chain.Root(), Index: m.index, Units: m.Chain.Units().Root()}
	text, err := ledger.SignCheckpoint(m.Signer, cp.Origin(), cp)
	if err != nil {
		panic(err) // a key in memory signs always
	}
	return text
}

// Join makes one batch of several, to be committed together.
func Join(batches ...ledger.Batch) ledger.Batch {
	var out ledger.Batch
	for _, b := range batches {
		out.Records = append(out.Records, b.Records...)
		out.Leaves = append(out.Leaves, b.Leaves...)
		out.Puts = append(out.Puts, b.Puts...)
		if b.Checkpoint != "" {
			out.Checkpoint = b.Checkpoint
		}
		out.Applied = b.Applied
	}
	return out
}
