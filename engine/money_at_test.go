package engine_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// fair is two units whose owners trade, draw and hand them on, at random.
type fair struct {
	*rig
	rnd     *rand.Rand
	nowMs   atomic.Int64
	units   []nexus.ID
	owner   map[nexus.ID]nexus.KeySigner
	period  map[nexus.ID]uint32
	sold    []state.RevenueEvent
	waiting []nexus.ID
	next    int
	done    map[string]int // what succeeded
	then    map[uint64]wire.Money
	ended   map[over]state.Account
}

func newFair(t *testing.T, seed int64) *fair {
	m := &fair{rnd: rand.New(rand.NewSource(seed)), owner: map[nexus.ID]nexus.KeySigner{}, period: map[nexus.ID]uint32{}, done: map[string]int{},
		then: map[uint64]wire.Money{}, ended: map[over]state.Account{}}
	m.nowMs.Store(time.Date(2026, 10, 29, 22, 0, 0, 0, time.UTC).UnixMilli())
	m.rig = newRigAt(t, func() time.Time { return time.UnixMilli(m.nowMs.Load()) })
	for i, name := range []string{"ada", "bob"} {
		key := testKey(byte(i + 1))
		unit := m.create("Shop of "+name, name, key.Public())
		m.units, m.owner[unit] = append(m.units, unit), key
		m.terms(unit)
	}
	return m
}

func (m *fair) terms(unit nexus.ID) {
	if _, err := m.do(m.owner[unit], state.KindPayoutSet, unit, state.PayoutSet{Period: m.period[unit], Schedule: state.ScheduleManual,
		Destination: "acct_1"}); err != nil {
		m.t.Fatal(err)
	}
}

// try does something that may be refused for want of money; nothing else may be wrong with it.
func (m *fair) try(s nexus.Signer, kind string, unit nexus.ID, body any) (nexus.Receipt, bool) {
	m.t.Helper()
	rec, err := m.do(s, kind, unit, body)
	if err != nil && !strings.Contains(err.Error(), "payable") && !strings.Contains(err.Error(), "nothing to move") {
		m.t.Fatalf("%s: %v", kind, err)
	}
	if err == nil {
		m.done[kind]++
	}
	return rec, err == nil
}

func (m *fair) handOn(unit nexus.ID) {
	from, to := m.owner[unit], m.owner[m.units[0]]
	if from.Public() == to.Public() {
		to = m.owner[m.units[1]]
	}
	if from.Public() == to.Public() {
		return
	}
	rec, _ := m.try(m.operator(), state.KindProposalOpen, unit, state.ProposalOpen{Kind: state.KindUnitTransfer,
		Body: nexus.Encode(state.UnitTransfer{To: to.Public()}), LifeMs: 600_000})
	var opened state.ProposalOpened
	if err := nexus.Decode(rec.Result, &opened); err != nil {
		m.t.Fatal(err)
	}
	for _, key := range []nexus.Signer{from, to} {
		m.try(key, state.KindProposalGrant, unit, state.ProposalDecide{Proposal: opened.ID, Change: opened.Change})
	}
	m.owner[unit], m.period[unit] = to, m.period[unit]+1
	m.done["handed on"]++
	m.terms(unit)
}

func (m *fair) post(e state.RevenueEvent) {
	m.try(m.operator(), state.KindRevenuePost, nexus.ID{}, state.RevenuePost{Source: state.OperatorSource, Events: []state.RevenueEvent{e}})
}

func (m *fair) step() {
	m.nowMs.Add(int64(m.rnd.Intn(30)) * 3_600_000)
	m.next++
	unit, currency, some := m.units[m.rnd.Intn(2)], []string{"USD", "JPY"}[m.rnd.Intn(2)], int64(m.rnd.Intn(400)+1)
	owner, period := m.owner[unit], m.period[unit]
	if period > 0 && m.rnd.Intn(3) == 0 { // an earlier owner draws on what is left
		period--
	}
	event := state.RevenueEvent{Unit: unit, EventID: fmt.Sprint("e", m.next), Kind: "sale", Currency: currency, Minor: some,
		TimeMs: m.nowMs.Load() - int64(m.rnd.Intn(40))*86_400_000}
	switch m.rnd.Intn(11) {
	case 0, 1, 2:
		m.sold = append(m.sold, event)
		m.post(event)
	case 3:
		if n := len(m.sold); n > 0 {
			e := m.sold[n-1]
			m.sold = m.sold[:n-1]
			event.Unit, event.Currency, event.Kind, event.Minor, event.RefundOf = e.Unit, e.Currency, "refund", -e.Minor, e.EventID
			m.post(event)
		}
	case 4:
		m.try(m.operator(), state.KindTransferMake, unit, state.TransferMake{Period: period, Currency: currency, Minor: some, ToOwner: true, Reason: "prize"})
	case 5:
		m.try(owner, state.KindTransferMake, unit, state.TransferMake{Period: m.period[unit], Currency: currency, Minor: some, Reason: "rent"})
	case 6:
		if rec, ok := m.try(owner, state.KindHoldPlace, unit, state.HoldPlace{Period: m.period[unit], Currency: currency, Minor: some,
			LifeMs: state.HoldLifeMinMs * 60 * 24, Reason: "a deposit"}); ok && m.rnd.Intn(2) == 0 {
			var placed state.HoldPlaced
			if err := nexus.Decode(rec.Result, &placed); err != nil {
				m.t.Fatal(err)
			}
			m.try(m.operator(), state.KindHoldCapture, unit, state.HoldEnd{Hold: placed.ID, Minor: (some + 1) / 2, Reason: "damage"})
		}
	case 7:
		if rec, ok := m.try(owner, state.KindPayoutOpen, unit, state.PayoutOpen{Period: m.period[unit], Currency: currency}); ok {
			var opened state.PayoutOpened
			if err := nexus.Decode(rec.Result, &opened); err != nil {
				m.t.Fatal(err)
			}
			if kind := []string{"", state.KindPayoutPost, state.KindPayoutVoid}[m.rnd.Intn(3)]; kind != "" {
				m.try(m.operator(), kind, unit, state.PayoutSettle{Payout: opened.ID, Reference: "tr_1", Reason: "r"})
			}
		}
	case 8:
		m.waiting = append(m.waiting, m.announce(unit, event.EventID, currency, some).ID)
		m.done["announced"]++
	case 9:
		if len(m.waiting) > 0 && m.rnd.Intn(2) == 0 {
			if err := m.eng.Sweep(context.Background()); err != nil { // what is past its time expires, holds too
				m.t.Fatal(err)
			}
		}
	default:
		if m.rnd.Intn(4) == 0 {
			m.handOn(unit)
		}
	}
}

// recordsNow keeps the figures of now, for the size of now.
func (m *fair) recordsNow() {
	money, err := m.eng.Money(engine.MoneyFilter{Sees: everything})
	if err != nil || money.Read != money.Entries {
		m.t.Fatalf("%+v, %v", money, err)
	}
	if _, kept := m.then[money.Entries]; !kept { // the clock may go on without an entry
		m.then[money.Entries] = money
	}
}

func hintOf(err error) string {
	var e *nexus.Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

// over is an account in a period that has ended.
type over struct {
	state.AccountKey
	period int
}

// apply takes a command into the replay, and keeps the accounts of a unit as they stood when a period of it ended with that.
func (m *fair) apply(s *state.State, r *ledger.Record, lookup func([]byte) ([]byte, error)) error {
	before := map[state.AccountKey]state.Account{}
	for k, a := range s.Accounts {
		before[k] = *a
	}
	periods := map[nexus.ID]int{}
	for _, unit := range m.units {
		periods[unit] = len(s.OwnerPeriods(unit))
	}
	if _, err := s.Apply(r.Index, r.Term, r.Command, lookup); err != nil {
		return err
	}
	for k, a := range before {
		if n := periods[k.Unit]; len(s.OwnerPeriods(k.Unit)) > n {
			m.ended[over{k, n}] = a
		}
	}
	return nil
}

// replayed is what a state made anew from the log's commands says of an account in a period.
func (m *fair) replayed(s *state.State, row *wire.MoneyRow) string {
	unit, _ := nexus.ParseID(row.UnitID)
	k := state.AccountKey{Unit: unit, Currency: row.Currency}
	current := row.Period == len(s.OwnerPeriods(unit))
	a, waits := m.ended[over{k, row.Period}], state.Waiting{}
	if current {
		a, waits = state.Account{}, s.PendingSums()[k]
		if s.Accounts[k] != nil {
			a = *s.Accounts[k]
		}
	}
	owed := s.OwedIn(unit, row.Period, row.Currency)
	purse := s.PurseOf(state.PurseKey{Unit: unit, Period: uint32(row.Period), Currency: row.Currency})
	return fmt.Sprint(a.Gross, a.Creator, a.Platform, a.Events, owed.Earned, owed.Drawn, owed.Payable(), purse, waits.Minor, waits.Count, current)
}

func shownRow(row *wire.MoneyRow) string {
	purse := state.Purse{Drawn: row.Drawn, Held: row.Held, OnItsWay: row.OnItsWay, Paid: row.Paid, Dues: row.Dues}
	return fmt.Sprint(row.All.Gross, row.All.Creator, row.All.Platform, row.All.Events, row.Earned, row.Drawn, row.Payable, purse, row.Pending, row.Pendings,
		row.Current)
}

// accountsOf counts the rows that a state must have: in the present period all, in one that is over what it had to do with.
func (m *fair) accountsOf(s *state.State) (n int) {
	also := s.MovedAccounts()
	for k := range s.PendingSums() {
		also[k] = true
	}
	for _, u := range s.SortedUnits() {
		for _, a := range s.MoneyAccounts(u.ID, also) {
			for _, p := range s.Periods(u.ID) {
				_, had := m.ended[over{state.AccountKey{Unit: u.ID, Currency: a.Currency}, p.Number}]
				moved := s.PurseOf(state.PurseKey{Unit: u.ID, Period: uint32(p.Number), Currency: a.Currency}) != state.Purse{}
				if p.Open || had || moved || s.OwedIn(u.ID, p.Number, a.Currency) != (state.Owed{}) {
					n++
				}
			}
		}
	}
	return n
}

// The balance as of every checkpoint is that of the log replayed to there, and what the node said then; so is the tally. A size within a
// decision is refused with the checkpoints beside it.
func TestBalanceAtEachCheckpointIsTheReplay(t *testing.T) {
	t.Parallel()
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	m := newFair(t, seed)
	for len(m.done) < 11 || m.next < 150 {
		m.recordsNow()
		m.step()
		if m.next > 3000 {
			t.Fatalf("not everything happened in 3000 steps: %v", m.done)
		}
	}
	m.recordsNow()
	lookup := func(key []byte) ([]byte, error) {
		v, err := m.eng.Store().Get(key)
		if nexus.CodeOf(err) == nexus.CodeNotFound {
			return nil, nil
		}
		return v, err
	}
	sets, err := rules.Sets()
	if err != nil {
		t.Fatal(err)
	}
	s, compared := state.NewWith(sets), 0
	if err := m.eng.Store().Records(0, m.eng.Store().Applied(), func(r ledger.Record) error {
		if err := m.apply(s, &r, lookup); err != nil {
			return err
		}
		m.sizes(&r)
		m.compare(s, &r, &compared)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if compared != len(m.then) {
		t.Errorf("%d of %d moments that were kept are checkpoints", compared, len(m.then))
	}
	m.outside()
}

// sizes asks for each size of a record: its end is a checkpoint's, the others are none.
func (m *fair) sizes(r *ledger.Record) {
	for size := r.FirstSeq + 1; size < r.Next(); size++ {
		for _, ask := range []func() error{
			func() error {
				_, err := m.eng.MoneyAt(context.Background(), engine.Moment{Size: size}, engine.MoneyFilter{Sees: everything})
				return err
			},
			func() error {
				_, err := m.eng.TallyAt(context.Background(), engine.Moment{Size: size}, false)
				return err
			},
		} {
			err := ask()
			if want := fmt.Sprintf("%d and %d entries", r.FirstSeq, r.Next()); nexus.CodeOf(err) != nexus.CodeMalformed || !strings.Contains(hintOf(err), want) {
				m.t.Errorf("size %d within decision %d: %v, hint without %q", size, r.Index, err, want)
			}
		}
	}
}

func (m *fair) compare(s *state.State, r *ledger.Record, compared *int) {
	m.t.Helper()
	at, err := m.eng.MoneyAt(context.Background(), engine.Moment{Size: r.Next()}, engine.MoneyFilter{Sees: everything})
	if err != nil {
		m.t.Fatal(err)
	}
	if len(at.Rows) != m.accountsOf(s) || at.At.Root != base64.StdEncoding.EncodeToString(r.Root[:]) || at.At.Index != r.Index || at.Entries != r.Next() {
		m.t.Fatalf("at %d: %d rows, the replay has %d; place %+v", r.Next(), len(at.Rows), m.accountsOf(s), at.At)
	}
	for i := range at.Rows {
		if got, want := shownRow(&at.Rows[i]), m.replayed(s, &at.Rows[i]); got != want {
			m.t.Errorf("at %d: %s %s period %d: %s, replayed %s", r.Next(), at.Rows[i].Unit, at.Rows[i].Currency, at.Rows[i].Period, got, want)
		}
	}
	tally, err := m.eng.TallyAt(context.Background(), engine.Moment{Size: r.Next()}, false)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, row := range tally.Units {
		unit, _ := nexus.ParseID(row.UnitID)
		k := state.AccountKey{Unit: unit, Currency: row.Currency}
		a, w := s.Accounts[k], s.PendingSums()[k]
		if a == nil {
			a = &state.Account{}
		}
		if row.Gross != a.Gross || row.Creator != a.Creator || row.Events != a.Events || row.Pending != w.Minor || row.PendingEvents != w.Count {
			m.t.Errorf("tally at %d: %+v, replayed %+v and %+v", r.Next(), row, *a, w)
		}
	}
	if then, kept := m.then[r.Next()]; kept {
		*compared++
		m.same(&at, &then)
		byTime, err := m.eng.MoneyAt(context.Background(), engine.Moment{TimeMs: r.TimeMs}, engine.MoneyFilter{Sees: everything})
		if err != nil || !reflect.DeepEqual(byTime, at) {
			m.t.Errorf("by time %d it is %+v, by size %+v: %v", r.TimeMs, byTime, at, err)
		}
	}
}

// same holds earlier figures to those that the node gave then, by the clock of then. It tells no next payouts, and of a period that was open
// its owner of today.
func (m *fair) same(at, then *wire.Money) {
	m.t.Helper()
	if len(at.Rows) != len(then.Rows) || !reflect.DeepEqual(at.Totals, then.Totals) && len(then.Rows) > 0 {
		m.t.Fatalf("at %d: %d rows, were %d; totals %+v, were %+v", at.Entries, len(at.Rows), len(then.Rows), at.Totals, then.Totals)
	}
	for i := range at.Rows {
		was := then.Rows[i]
		was.Payout = nil
		if !reflect.DeepEqual(at.Rows[i], was) {
			m.t.Errorf("at %d: %+v\nwas %+v", at.Entries, at.Rows[i], was)
		}
	}
}

// outside asks for what is yet to come, and for the time before the first entry.
func (m *fair) outside() {
	size := m.eng.Store().Size()
	for _, at := range []engine.Moment{{Size: size + 1}, {Size: 1 << 63}, {TimeMs: m.nowMs.Load() + 3_600_000}} {
		_, err := m.eng.MoneyAt(context.Background(), at, engine.MoneyFilter{Sees: everything})
		if nexus.CodeOf(err) != nexus.CodeMalformed || hintOf(err) == "" {
			m.t.Errorf("%+v: %v", at, err)
		}
	}
	none, err := m.eng.MoneyAt(context.Background(), engine.Moment{TimeMs: 1}, engine.MoneyFilter{Sees: everything})
	if err != nil || none.At == nil || none.At.Size != 0 || len(none.Rows) != 0 {
		m.t.Errorf("before the first entry: %+v, %v", none, err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := m.eng.MoneyAt(gone, engine.Moment{Size: size}, engine.MoneyFilter{Sees: everything}); err == nil {
		m.t.Error("read on for a caller who went away")
	}
	only, err := m.eng.MoneyAt(context.Background(), engine.Moment{Size: size}, engine.MoneyFilter{Unit: m.units[0],
		Sees: func(_ *state.State, _ *state.Unit, p state.Period) bool { return p.Number == 0 }})
	if err != nil || len(only.Rows) == 0 {
		m.t.Errorf("filtered: %+v, %v", only, err)
	}
	for i := range only.Rows {
		if r := &only.Rows[i]; r.UnitID != m.units[0].String() || r.Period != 0 {
			m.t.Errorf("not asked for, or not to be seen: %+v", r)
		}
	}
}
