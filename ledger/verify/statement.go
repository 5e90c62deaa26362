package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sort"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// A unit's statements, held to the unit's entries with code of this package's own: that the document is the one whose digest the ledger
// holds, that it was made from every entry there was, and that its figures are what these entries add up to.

const statementDomain = "nexus-statement-v1\n"

// statement has the canonical form of a statement's document: fields and order are what its digest covers.
type statement struct {
	firstStatement
	Usage statementUsage `json:"usage,omitzero"`
}

// firstStatement is the form without usage.
type firstStatement struct {
	Version   uint8              `json:"version"`
	Cluster   nexus.ID           `json:"cluster"`
	Unit      nexus.ID           `json:"unit_id"`
	Label     string             `json:"unit"`
	Name      string             `json:"name"`
	Kind      string             `json:"kind"`
	Percent   uint8              `json:"creator_percent"`
	Owner     nexus.PublicKey    `json:"owner_key"`
	Month     string             `json:"month"`
	After     string             `json:"after,omitempty"`
	Size      uint64             `json:"ledger_entries"`
	Root      nexus.Hash         `json:"ledger_root"`
	UnitSeq   uint64             `json:"unit_entries"`
	UnitHead  nexus.Hash         `json:"unit_head"`
	Accounts  []statementAccount `json:"accounts"`
	Moves     []statementMove    `json:"moves"`
	MovesLeft uint64             `json:"moves_not_listed"`
	Late      []statementLate    `json:"late_items"`
	LateLeft  uint64             `json:"late_not_listed"`
	Service   statementService   `json:"service"`
}

type statementAccount struct {
	Period        uint32 `json:"period"`
	Currency      string `json:"currency"`
	Opening       int64  `json:"opening"`
	Sales         int64  `json:"sales"`
	SalesCount    uint64 `json:"sales_count"`
	Refunds       int64  `json:"refunds"`
	RefundCount   uint64 `json:"refund_count"`
	Chargebacks   int64  `json:"chargebacks"`
	ChargebackNum uint64 `json:"chargeback_count"`
	Net           int64  `json:"net"`
	Creator       int64  `json:"creator"`
	Platform      int64  `json:"platform"`
	LateCount     uint64 `json:"late_count"`
	LateNet       int64  `json:"late_net"`
	LateCreator   int64  `json:"late_creator"`
	Received      int64  `json:"received"`
	Fees          int64  `json:"fees"`
	HoldsPlaced   int64  `json:"holds_placed"`
	HoldsBack     int64  `json:"holds_returned"`
	HoldsTaken    int64  `json:"holds_captured"`
	PayoutsOpened int64  `json:"payouts_opened"`
	PayoutsBack   int64  `json:"payouts_returned"`
	Paid          int64  `json:"paid"`
	Closing       int64  `json:"closing"`
	Held          int64  `json:"held"`
	OnItsWay      int64  `json:"on_its_way"`
}

type statementMove struct {
	Entry    uint64 `json:"entry"`
	TimeMs   int64  `json:"time_ms"`
	Period   uint32 `json:"period"`
	What     string `json:"what"`
	Currency string `json:"currency"`
	Minor    int64  `json:"amount"`
	Of       int64  `json:"of"`
	Note     string `json:"note"`
}

type statementLate struct {
	Entry    uint64 `json:"entry"`
	EventMs  int64  `json:"event_time_ms"`
	Source   string `json:"source"`
	Event    string `json:"event"`
	Kind     string `json:"kind"`
	Period   uint32 `json:"period"`
	Currency string `json:"currency"`
	Minor    int64  `json:"gross"`
	Creator  int64  `json:"creator"`
}

type statementService struct {
	Kept          uint64 `json:"kept_minutes"`
	Broken        uint64 `json:"broken_minutes"`
	Void          uint64 `json:"void_minutes"`
	Breaches      uint64 `json:"breaches"`
	WorstMicros   int64  `json:"worst_p99_us"`
	Judged        bool   `json:"judged"`
	AttainmentPpm int64  `json:"attainment_ppm"`
}

func (s *statement) digest() nexus.Hash {
	if s.Version == 1 {
		return sha256.Sum256(nexus.AppendCanonical([]byte(statementDomain), s.firstStatement))
	}
	return s.usageDigest()
}

func parseStatement(b []byte) (*statement, error) {
	var s statement
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, fmt.Errorf("something follows the document")
	}
	return &s, nil
}

// closing is a month that a statement closed, from a size of the ledger on.
type closing struct {
	month, size uint64
	digest      nexus.Hash
}

// closingOf reads a statement's entry.
func closingOf(e *entry) (closing, error) {
	in := reader{b: e.body}
	c := closing{month: in.bounded(999912, "month")}
	in.bounded(999912, "month before")
	c.size, c.digest = in.uint(), in.hash()
	return c, in.end()
}

func monthText(month uint64) string { return fmt.Sprintf("%04d-%02d", month/100, month%100) }

func monthAt(ms int64) uint64 {
	t := time.UnixMilli(ms).UTC()
	return uint64(t.Year()*100 + int(t.Month()))
}

func monthAfter(month uint64) uint64 {
	if month%100 == 12 {
		return month + 89
	}
	return month + 1
}

// figures are what one currency in one period of ownership adds up to.
type figures struct {
	opening, net, creator, platform, closing, held, onItsWay int64
	events                                                   uint64
}

type figuresKey struct {
	period   uint64
	currency string
}

// refold adds a unit's entries up for one statement.
type refold struct {
	month, after, size uint64
	before             []closing // months closed earlier, oldest first
	period             uint64
	seq                uint64 // entries of the unit
	head               nexus.Hash
	sums               map[figuresKey]*figures
	over               bool // a sum passed 64 bits
	metered            bool // an entry of usage was among them
	used               map[usedKey]uint64
	lists              map[uint64][32]byte
}

func newRefold(month, size uint64, closings []closing) *refold {
	f := &refold{month: month, size: size, sums: map[figuresKey]*figures{},
		used: map[usedKey]uint64{}, lists: map[uint64][32]byte{}}
	for _, c := range closings {
		if c.month < month {
			f.before, f.after = append(f.before, c), c.month
		}
	}
	return f
}

// belongs gives the month of an entry: its own, or the next open one when that was closed before the entry came.
func (f *refold) belongs(seq, own uint64) uint64 {
	for i := len(f.before) - 1; i >= 0; i-- {
		if c := f.before[i]; seq >= c.size {
			return max(own, monthAfter(c.month))
		}
	}
	return own
}

func (f *refold) plus(to *int64, minor int64) {
	sum, ok := nexus.AddMinor(*to, minor)
	f.over = f.over || !ok
	*to = sum
}

// add takes the unit's next entry.
func (f *refold) add(e *entry, commitment nexus.Hash) error {
	if e.seq >= f.size {
		return nil
	}
	f.seq, f.head = e.unitSeq, commitment
	switch e.kind {
	case kindOwnership:
		in := reader{b: e.body}
		if string(in.bytes()) == "transferred" {
			f.period++
		}
		return in.err
	case kindRevenue, kindRefund:
		var v revenueBody
		if err := v.parse(e.body); err != nil {
			return err
		}
		f.book(e, f.period, string(v.currency), monthAt(v.timeMs), v.minor, true)
	case kindUsage:
		return f.usage(e)
	case kindTransfer, kindHold, kindPayout:
		in := reader{b: e.body}
		if e.kind != kindTransfer {
			in.bytes() // verb
		}
		in.id()
		period, currency := in.bounded(1<<32-1, "period"), string(in.bytes())
		if in.err != nil {
			return in.err
		}
		if len(e.postings) > 0 {
			f.book(e, period, currency, monthAt(e.timeMs), 0, false)
		}
	}
	return nil
}

// book adds an entry's postings where its month puts them.
func (f *refold) book(e *entry, period uint64, currency string, own uint64, minor int64, event bool) {
	m := f.belongs(e.seq, own)
	if m > f.month {
		return
	}
	before := m <= f.after
	k := figuresKey{period, currency}
	if f.sums[k] == nil {
		f.sums[k] = &figures{}
	}
	x := f.sums[k]
	for i := range e.postings {
		p := &e.postings[i]
		switch p.account {
		case accountCreator, accountOwner:
			f.plus(&x.closing, p.minor)
			if before {
				f.plus(&x.opening, p.minor)
			}
			if p.account == accountCreator && !before {
				f.plus(&x.creator, p.minor)
			}
		case accountPlatform:
			if !before {
				f.plus(&x.platform, p.minor)
			}
		case accountHeld:
			f.plus(&x.held, p.minor)
		case accountPayout:
			f.plus(&x.onItsWay, p.minor)
		}
	}
	if event && !before {
		f.plus(&x.net, minor)
		x.events++
	}
}

// compare says the first thing in which a document differs from the entries; nil when it does not.
func (f *refold) compare(s *statement) error {
	if s.UnitSeq != f.seq || s.UnitHead != f.head {
		return fmt.Errorf("says it was made from %d entries of the unit up to %s; the first %d entries of the log hold %d, up to %s: entries were left out or added",
			s.UnitSeq, s.UnitHead, f.size, f.seq, f.head)
	}
	if f.over {
		return fmt.Errorf("a sum passes 64 bits")
	}
	keys := make([]figuresKey, 0, len(f.sums))
	for k := range f.sums {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		return keys[i].period < keys[j].period || keys[i].period == keys[j].period && keys[i].currency < keys[j].currency
	})
	if len(keys) != len(s.Accounts) {
		return fmt.Errorf("has %d accounts, the entries lead to %d", len(s.Accounts), len(keys))
	}
	for i, k := range keys {
		a, want := &s.Accounts[i], f.sums[k]
		got := figures{opening: a.Opening, net: a.Net, creator: a.Creator, platform: a.Platform, closing: a.Closing, held: a.Held, onItsWay: a.OnItsWay,
			events: a.SalesCount + a.RefundCount + a.ChargebackNum}
		if uint64(a.Period) != k.period || a.Currency != k.currency || got != *want {
			return fmt.Errorf("states for %s in period %d %+v; the entries add up to %+v for %s in period %d", a.Currency, a.Period, got, *want, k.currency, k.period)
		}
	}
	return f.compareUsage(s)
}
