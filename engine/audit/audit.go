// Package audit is the stack scrub: at any time, and in the background, every unit, mini-platform and module is held against
// the constitution, and what does not fit is a finding with evidence (SPEC section 6).
//
// Promises: read-only; one list of checks for all units; a check that cannot look says so as a finding instead of passing.
// It must not repair anything, and it does not trust the figures it audits: splits are recomputed from the ledger's own
// entries.
package audit

import (
	"context"
	"fmt"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates/rules"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/split"
)

// Edge says what the gateway serves for a unit; nil before the edge runs.
type Edge interface {
	Observe(unit nexus.ID) (index uint64, ok bool)
}

// Auditor scrubs one node's stack. Safe for concurrent use; one scrub runs at a time.
type Auditor struct {
	eng *engine.Engine

	run  sync.Mutex // one scrub at a time; guards books
	read *books

	mu   sync.Mutex // guards what follows
	edge Edge
	last time.Time
	open []wire.Finding
}

// New makes an auditor over an open engine.
func New(eng *engine.Engine) *Auditor { return &Auditor{eng: eng, read: newBooks()} }

// Watch lets the auditor compare the gateway with the ledger from now on.
func (a *Auditor) Watch(e Edge) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.edge = e
}

// Findings are those of the last scrub, and when it ended.
func (a *Auditor) Findings() ([]wire.Finding, time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]wire.Finding(nil), a.open...), a.last
}

// scrub is one pass.
type scrub struct {
	eng      *engine.Engine
	edge     Edge
	index    uint64  // last command that the subjects hold
	platform subject // the platform's own chain
	// What is signed at index, with the map of units that it commits to.
	checkpoint ledger.Checkpoint
	units      *ledger.UnitMap
	checks     int
	findings   []wire.Finding
}

func (s *scrub) check(ok bool, unit, where, what, required, evidence string) {
	s.checks++
	if !ok {
		s.findings = append(s.findings, wire.Finding{Where: where, What: what, Required: required, Evidence: evidence, Unit: unit})
	}
}

// inTime is check for what is late, not wrong (wire.Finding).
func (s *scrub) inTime(ok bool, unit, where, what, required, evidence string) {
	n := len(s.findings)
	if s.check(ok, unit, where, what, required, evidence); len(s.findings) > n {
		s.findings[n].Late = true
	}
}

// subject is a copy of one unit and what belongs to it, taken under the engine's read lock.
type subject struct {
	serving  bool // its hosts are to be served
	released bool // it left, and its hosts went
	unit     state.Unit
	accounts []state.Account
	head     ledger.UnitHead
	owner    bool
	domains  int
	routes   []state.Route
	breach   state.SliceBreach
	short    state.SliceShort
	disputes []state.Dispute
	payouts  []state.Payout
}

// All scrubs everything; unit narrows it to one unit by id, label or slug.
func (a *Auditor) All(ctx context.Context, unit string) (wire.AuditReport, error) {
	return a.scrub(ctx, unit, false)
}

func (a *Auditor) scrub(ctx context.Context, unit string, gentle bool) (wire.AuditReport, error) {
	a.run.Lock()
	defer a.run.Unlock()
	a.mu.Lock()
	s := &scrub{eng: a.eng, edge: a.edge}
	a.mu.Unlock()
	subjects, err := s.subjects(unit)
	if err != nil {
		return wire.AuditReport{}, err
	}
	readErr := a.read.read(ctx, a.eng.Store(), s.index, gentle)
	books := a.read
	if readErr != nil {
		a.read = newBooks() // the next pass starts over instead of counting a half-read command twice
	}
	if ctx.Err() != nil {
		return wire.AuditReport{}, ctx.Err()
	}
	s.check(readErr == nil, "", "entries", fmt.Sprint(readErr), "every stored entry can be read", "nexus ledger verify names the place")
	for i := range subjects {
		if ctx.Err() != nil {
			return wire.AuditReport{}, ctx.Err()
		}
		s.unit(&subjects[i])
		s.promises(&subjects[i], a.eng.Now())
		if readErr == nil {
			s.books(books, &subjects[i])
		}
	}
	if unit == "" {
		if readErr == nil {
			s.books(books, &s.platform)
		}
		if s.units != nil {
			s.check(s.units.Root() == s.checkpoint.Units, "", "map of units", s.units.Root().String(), s.checkpoint.Units.String(),
				"the newest checkpoint commits to every unit's sequence, head and balances")
		}
		s.whole()
		s.publications(ctx)
	}
	now := time.Now().UTC()
	rep := wire.AuditReport{Time: now, Units: len(subjects), Checks: s.checks, Findings: s.findings, LastFull: now}
	if rep.Findings == nil {
		rep.Findings = []wire.Finding{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if unit == "" {
		a.last, a.open = now, s.findings
	}
	rep.LastFull = a.last
	return rep, nil
}

func (s *scrub) subjects(only string) (out []subject, err error) {
	s.eng.View(func(st *state.State) {
		s.index, s.platform.head = st.Index, st.Chain.Head(nexus.ID{})
		s.checkpoint, s.units = s.eng.CommittedUnits()
		if only != "" {
			if _, ok := st.FindUnit(only); !ok {
				err = nexus.Errf("audit", nexus.CodeNotFound, fmt.Sprintf("unit %q", only), "list units with nexus imvu list", "no such unit")
				return
			}
		}
		accounts := map[nexus.ID][]state.Account{}
		for _, acc := range st.SortedAccounts() {
			accounts[acc.Unit] = append(accounts[acc.Unit], *acc)
		}
		domains := map[nexus.ID]int{}
		for _, id := range st.Domains {
			domains[id]++
		}
		routes := map[nexus.ID][]state.Route{}
		for _, r := range st.Routes {
			routes[r.Unit] = append(routes[r.Unit], r)
		}
		disputes, payouts := map[nexus.ID][]state.Dispute{}, map[nexus.ID][]state.Payout{}
		for _, d := range st.Disputes() {
			disputes[d.Unit] = append(disputes[d.Unit], *d)
		}
		for _, p := range st.Payouts() {
			payouts[p.Unit] = append(payouts[p.Unit], *p)
		}
		pick, _ := st.FindUnit(only)
		for _, u := range st.SortedUnits() {
			if only != "" && u != pick {
				continue
			}
			_, owner := st.Identities[u.Owner]
			_, breach := st.ServiceLevel(u.ID)
			_, short := st.ShortWindows(u.ID)
			exit, _ := st.ExitOf(u.ID)
			out = append(out, subject{breach: breach, short: short, serving: st.Serving(u),
				released: exit.ReleasedMs != 0, disputes: disputes[u.ID], payouts: payouts[u.ID],
				unit: *u, accounts: accounts[u.ID], head: st.Chain.Head(u.ID), owner: owner, domains: domains[u.ID], routes: routes[u.ID]})
		}
	})
	return out, err
}

// unit holds one unit against the constitution.
func (s *scrub) unit(x *subject) {
	u := &x.unit
	label := u.Label
	want := state.PercentOf(u.Kind, u.Percent)
	s.check(u.Percent == want && (want == 55 || want == 80), label, "rule", fmt.Sprintf("%d/%d", u.Percent, 100-u.Percent),
		fmt.Sprintf("%d/%d for a %s", want, 100-want, u.Kind), "SPEC section 1")
	for _, acc := range x.accounts {
		total := split.CreatorTotal(acc.Gross, split.Rule(want))
		s.check(acc.Creator == total && acc.Platform == acc.Gross-total, label, "split "+acc.Currency,
			fmt.Sprintf("creator %d, platform %d", acc.Creator, acc.Platform), fmt.Sprintf("creator %d of gross %d", total, acc.Gross), "cumulative formula")
	}
	s.check(x.owner, label, "owner", "unknown identity "+u.Owner.Short(), "a registered identity", "gate 1")
	s.check(rules.Known(u.Jurisdiction), label, "jurisdiction", fmt.Sprintf("%q", u.Jurisdiction), "a known tag", "gate 9")
	s.check(x.head.Seq > 0, label, "ledger", "no entry", "a chain of entries from creation on", "gate 11")
	if u.Status == "retired" {
		return
	}
	s.check(x.domains > 0 || x.released, label, "domain", "none bound", "its own domain", "gate 3")
	e := u.Envelope
	s.check(e.CPUMilli > 0 && e.MemoryBytes > 0 && e.StorageBytes > 0 && e.Processes > 0, label, "envelope", ceilings(e),
		"positive ceilings", "gate 7")
	for _, r := range x.routes {
		_, _, err := state.ParseBackend(r.Backend)
		s.check(err == nil && r.Index > 0, label, "route "+r.Host, r.Backend, "a backend with its public entry", "gate 14")
	}
	s.inTime(!x.breach.Open, label, "service level", fmt.Sprintf("over the budget since %s: added p99 of %s",
		time.UnixMilli(x.breach.SinceMs).UTC().Format(time.RFC3339), inMs(x.breach.AddedP99)), "at most "+inMs(u.Slice.BudgetMicros),
		fmt.Sprintf("%d probes, %d missed, direct baseline p99 %s", x.breach.Samples, x.breach.Missed, inMs(x.breach.BaselineP99)))
	s.inTime(!x.short.Open, label, "guaranteed rate",
		fmt.Sprintf("not kept since %s: %s", time.UnixMilli(x.short.SinceMs).UTC().Format(time.RFC3339), x.short.Text()),
		fmt.Sprintf("98 %% of what is owed of %d bit/s in each window of 2 s", x.short.GuaranteedBps), "nexus slices record "+label)
	if s.edge != nil && x.serving {
		index, ok := s.edge.Observe(u.ID)
		wanted := max(u.UpdatedIndex, u.CreatedIndex, u.Slice.Index)
		s.check(ok && index >= wanted, label, "slice", fmt.Sprintf("gateway stands at decision %d", index),
			fmt.Sprintf("decision %d in force at the edge", wanted), "gate 8")
	}
}

// payoutPatience is how long a payout may be on its way before it is a finding.
const payoutPatience = 7 * 24 * time.Hour

// promises holds what the platform owes an owner by a time: an answer to a dispute, and the end of a payout.
func (s *scrub) promises(x *subject, now time.Time) {
	for _, d := range x.disputes {
		s.inTime(!d.Overdue(now.UnixMilli()), x.unit.Label, "dispute "+d.ID.String(), "without an answer since "+utcMinute(d.OpenedMs),
			"an answer until "+utcMinute(d.DueMs), fmt.Sprintf("decision %d; nexus revenue dispute show %s", d.OpenedIndex, d.ID))
	}
	for _, p := range x.payouts {
		late := p.Status == state.PayoutPending && now.Sub(time.UnixMilli(p.OpenedMs)) > payoutPatience
		s.inTime(!late, x.unit.Label, "payout "+p.ID.String(), "on its way since "+utcMinute(p.OpenedMs), "posted or voided within "+payoutPatience.String(),
			fmt.Sprintf("decision %d; nexus revenue payout list", p.OpenedIndex))
	}
}

func utcMinute(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04Z") }

// erasures holds that what persons had erased is destroyed, as each node states of its own key.
func (s *scrub) erasures(st *state.State, nowMs int64) {
	for _, e := range st.Erasures() {
		node, overdue := st.Overdue(&e, nowMs)
		name := ""
		if overdue {
			name = node.Name
		}
		s.inTime(!overdue, "", "erasure for "+e.Subject.Short(), "node "+name+" has not destroyed the key since "+utcMinute(e.TimeMs),
			"destroyed and stated within an hour", fmt.Sprintf("decision %d; nexus identity erasures", e.Index))
	}
}

// whole holds what belongs to no single unit: double entry, the gates, the log's head.
func (s *scrub) whole() {
	var sums = map[string]int64{}
	var decisions uint64
	var short []int
	var gateSet nexus.Hash
	s.eng.View(func(st *state.State) {
		s.erasures(st, s.eng.Now().UnixMilli())
		for k, v := range st.Clearing {
			sums[k.Currency] += v
		}
		for _, acc := range st.Accounts {
			sums[acc.Currency] += acc.Creator + acc.Platform
		}
		decisions, gateSet = st.Counters.Decisions, st.GateSet
		for i, g := range st.Gates {
			if g.Allowed+g.Denied != decisions {
				short = append(short, i+1)
			}
		}
	})
	for currency, sum := range sums {
		s.check(sum == 0, "", "double entry "+currency, fmt.Sprintf("debits and credits differ by %d", sum), "0", "sum over all accounts")
	}
	s.check(len(short) == 0, "", "gates", fmt.Sprintf("gates %v did not decide on all of %d decisions", short, decisions), "17 verdicts each", "gate counters")
	s.check(gateSet == s.eng.GateSet(), "", "gate set", gateSet.String()[:16], s.eng.GateSet().String()[:16]+", this binary's", "stored hash")
	cp, text, _ := s.eng.Head()
	opened, err := ledger.OpenCheckpoint(text, cp.Origin(), s.eng.NodeKey())
	s.check(err == nil && opened.Root == cp.Root, "", "checkpoint", fmt.Sprintf("%v", err), "signed by this node", "signed note")
	root, err := s.eng.RootAt(cp.Size)
	s.check(err == nil && root == cp.Root, "", "tree root", fmt.Sprintf("%s, %v", root, err), cp.Root.String(), "recomputed from stored hashes")
}

// Run scrubs in the background until ctx ends: every unit at least every ten minutes. report gets each finding that was not
// open before.
func (a *Auditor) Run(ctx context.Context, report func(wire.Finding)) error {
	t := time.NewTicker(5 * time.Minute)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		known := map[wire.Finding]bool{}
		old, _ := a.Findings()
		for _, f := range old {
			known[f] = true
		}
		rep, err := a.scrub(ctx, "", true)
		if err != nil {
			continue
		}
		for _, f := range rep.Findings {
			if !known[f] {
				report(f)
			}
		}
	}
}

// ceilings words an envelope.
func ceilings(e state.Envelope) string {
	return fmt.Sprintf("%d thousandths of a core, %d bytes of memory, %d bytes of storage, %d processes", e.CPUMilli, e.MemoryBytes, e.StorageBytes,
		e.Processes)
}

// inMs words microseconds as every other figure of a latency.
func inMs(micros int64) string { return fmt.Sprintf("%.1f ms", float64(micros)/1000) }
