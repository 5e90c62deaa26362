package tuitest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
)

// Backend is a node in memory. Show plays a picture, Kill loses the connection. Calls lists what it was asked. All
// methods are safe for concurrent use.
type Backend struct {
	Who wire.Identity

	mu       sync.Mutex
	picture  *wire.Overview
	changed  chan struct{} // closed when the picture or the life of the node changes
	dead     bool
	calls    []string
	refusing error
	lines    []string
	readOnly bool
	exits    []wire.ExitRow
	units    []wire.UnitRow
	tallies  []wire.TallyRow
}

// NewBackend plays o from the start; nil starts without a picture.
func NewBackend(o *wire.Overview) *Backend {
	return &Backend{Who: wire.Identity{Name: "maria", Fingerprint: "SHA256:91bc07aaUutGAuMvyRgMBvUe6xxqqvR3gJvYiB7SFmk", Roles: []string{"operator"}}, picture: o,
		changed: make(chan struct{})}
}

func (b *Backend) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	close(b.changed)
	b.changed = make(chan struct{})
}

// Show plays a picture.
func (b *Backend) Show(o *wire.Overview) { b.change(func() { b.picture = o }) }

// HoldWhole sets the lists that Units and Tallies give: what a picture carries the beginning of.
func (b *Backend) HoldWhole(units []wire.UnitRow, tallies []wire.TallyRow) {
	b.change(func() { b.units, b.tallies = units, tallies })
}

// Units gives what HoldWhole set.
func (b *Backend) Units(context.Context) (wire.Units, error) {
	err := b.call("units")
	b.mu.Lock()
	defer b.mu.Unlock()
	return wire.Units{Units: b.units}, err
}

// Tallies gives what HoldWhole set.
func (b *Backend) Tallies(context.Context) (wire.Tally, error) {
	err := b.call("tallies")
	b.mu.Lock()
	defer b.mu.Unlock()
	return wire.Tally{Units: b.tallies}, err
}

// Leave sets the exits that the home tells.
func (b *Backend) Leave(exits ...wire.ExitRow) { b.change(func() { b.exits = exits }) }

// Kill loses the connection of every watcher and refuses new ones until Revive.
func (b *Backend) Kill() { b.change(func() { b.dead = true }) }

// Revive lets watchers in again.
func (b *Backend) Revive() { b.change(func() { b.dead = false }) }

// Refuse makes every act and look-up fail with err, nil makes them work again.
func (b *Backend) Refuse(err error) { b.change(func() { b.refusing = err }) }

// Calls lists acts and look-ups so far.
func (b *Backend) Calls() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.calls...)
}

func (b *Backend) call(format string, args ...any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, fmt.Sprintf(format, args...))
	return b.refusing
}

// Watch plays pictures until ctx ends or Kill.
func (b *Backend) Watch(ctx context.Context, show func(*wire.Overview)) error {
	var last *wire.Overview
	for {
		b.mu.Lock()
		picture, dead, changed := b.picture, b.dead, b.changed
		b.mu.Unlock()
		if dead {
			return errors.New("connection refused")
		}
		if picture != nil && picture != last {
			last = picture
			show(picture)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// Verdicts gives 17 verdicts; gate 7 refuses when deny is set.
func Verdicts(deny bool) []wire.Verdict {
	var out []wire.Verdict
	for i, name := range GateNames() {
		v := wire.Verdict{Gate: i + 1, Name: name, Verdict: wire.VerdictAllow, ReasonCode: "ok"}
		if deny && i == 6 {
			v = wire.Verdict{Gate: 7, Name: name, Verdict: wire.VerdictDeny, ReasonCode: "over_envelope",
				Reason:   "asked for 8 cores, the envelope has 4",
				Observed: "cpu 8", Required: "cpu at most 4", Fix: "ask for 4 cores, or raise the envelope with the owner's " +
					"approval"}
		}
		out = append(out, v)
	}
	return out
}

// Decision gives evidence for any index; those divisible by nine from the newest down are denials, as in Overview.
func (b *Backend) Decision(_ context.Context, index uint64) (wire.Decision, error) {
	if err := b.call("decision %d", index); err != nil {
		return wire.Decision{}, err
	}
	for _, row := range decisions() {
		if row.Index == index {
			return wire.Decision{DecisionRow: row, Verdicts: Verdicts(row.Verdict == wire.VerdictDeny),
				FactsDigest: nexus.Hash{1}.String(),
				GateSet:     nexus.Hash{2}.String(), ActionID: nexus.ID{3}.String(), Digest: nexus.Hash{4}.String(), Entry: index,
				Leaf:  nexus.Hash{5}.String(),
				Proof: []string{nexus.Hash{6}.String(), nexus.Hash{7}.String()}, Checkpoint: checkpoint, Size: 120441}, nil
		}
	}
	return wire.Decision{}, nexus.Errf("decision", nexus.CodeNotFound, fmt.Sprintf("index %d", index),
		"see `nexus gates log`", "no decision there")
}

// Proof gives the proof of a tally of Overview.
func (b *Backend) Proof(_ context.Context, unit, currency string) (wire.Proof, error) {
	if err := b.call("proof %s %s", unit, currency); err != nil {
		return wire.Proof{}, err
	}
	rows, _ := Tallies()
	for _, r := range rows {
		if r.UnitID == unit && r.Currency == currency {
			percent := map[string]int64{"55/45": 55, "80/20": 80}[r.Rule]
			return wire.Proof{Unit: r.Unit, UnitID: unit, Currency: currency, Rule: r.Rule, CreatorPercent: percent,
				Gross: r.Gross, Creator: r.Creator,
				Platform: r.Platform, Events: r.Events, Sequence: 17, Head: nexus.Hash{8}.String(), Entry: 120400,
				Leaf:      nexus.Hash{9}.String(),
				Inclusion: []string{nexus.Hash{10}.String(), nexus.Hash{11}.String()}, Size: 120441,
				Root:       "fzqRvAfU4cENRG8CqhezyQ==",
				Checkpoint: checkpoint, Included: true, Command: "nexus ledger prove " + r.Unit}, nil
		}
	}
	return wire.Proof{}, nexus.Errf("proof", nexus.CodeNotFound, "unit "+unit, "see `nexus revenue tally`",
		"no tally in %s", currency)
}

// Home gives what belongs to the owner of the first unit of Overview, with one proposal and one notice.
func (b *Backend) Home(context.Context) (wire.Home, error) {
	if err := b.call("home"); err != nil {
		return wire.Home{}, err
	}
	o := Overview()
	o.Identity.Name, o.Identity.Key = "aria", o.Units[0].Owner
	for i := range o.Units {
		if i%3 == 2 {
			o.Units[i].Owner = "somebody else"
		}
	}
	m := wire.Money{}
	for _, t := range o.Tallies {
		part := wire.MoneyPart{Gross: t.Gross, Creator: t.Creator, Platform: t.Platform, Events: t.Events}
		row := wire.MoneyRow{Unit: t.Unit, UnitID: t.UnitID, Name: t.Name, Rule: t.Rule, Currency: t.Currency, Current: true, All: part}
		row.OwnerKey, row.Earned, row.Payable = ownerOf(o, t.UnitID), t.Creator, t.Creator/4
		row.Today.Creator, row.Month.Creator = t.Creator/30, t.Creator/3
		m.Rows = append(m.Rows, row)
	}
	first, second := &o.Units[0], &o.Units[1]
	p := wire.Proposals{Proposals: []wire.ProposalRow{{ID: nexus.ID{0x3f, 0x2a}.String(), Status: "pending", Kind: "imvu.scale", Yours: true,
		Change: "imvu.scale to 1000 milli-cores", Unit: first.Label, UnitID: first.ID, Proposer: "maria", Expires: o.Time.Add(72 * time.Hour)},
		{ID: nexus.ID{0x77}.String(), Status: "pending", Change: "of somebody else", Unit: second.Label,
			Parties: []wire.PartyRow{{Role: "owner", Name: "bob", Key: "bob's", Granted: true, By: "bob"}, {Role: "platform"}}},
		{ID: nexus.ID{0x5b, 0x10}.String(), Status: "pending", Kind: "unit.transfer", Mine: true, Change: "unit.transfer to key 7c01d5aa", To: "ben",
			Unit: second.Label, UnitID: second.ID, Proposer: "aria", Expires: o.Time.Add(71 * time.Hour), Parties: []wire.PartyRow{
				{Role: "owner", Name: "aria", Granted: true, By: "aria"}, {Role: "new-owner", Name: "ben"}, {Role: "platform"}}}}}
	n := wire.Notices{Notices: []wire.NoticeRow{{ID: 4, Index: 120401, Time: o.Time, Unit: first.Label,
		Text: "your slice missed its budget, 12.6 ms of 10 ms"}}, Unread: 1}
	kept := 99.97
	record := wire.ServiceRecord{Units: []wire.ServiceUnit{{Unit: first.Label, Months: []wire.ServiceMonth{{Month: "2026-03", Kept: 2999, Broken: 1,
		Attainment: &kept}}}}}
	for i := range o.Slices {
		s := &o.Slices[i]
		s.BytesIn, s.BytesOut, s.Requests = uint64(i)*48_000_000, uint64(i)*1_900_000_000, uint64(i)*48_211
	}
	used := wire.Used{Units: []wire.UsedMonth{{UnitID: first.ID, Totals: []wire.Amount{{Currency: "USD", Minor: 1234}}},
		{UnitID: "of somebody else", Totals: []wire.Amount{{Currency: "USD", Minor: 99_999}}}}}
	return wire.HomeOf(o, &m, &p, &n, &record, &used, &wire.Exits{Exits: b.leaving()}), nil
}

func (b *Backend) leaving() []wire.ExitRow {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]wire.ExitRow(nil), b.exits...)
}

func ownerOf(o *wire.Overview, unit string) string {
	for i := range o.Units {
		if o.Units[i].ID == unit {
			return o.Units[i].Owner
		}
	}
	return ""
}

// RerunPhase records the call.
func (b *Backend) RerunPhase(_ context.Context, phase int) error { return b.call("rerun %d", phase) }

// Stop records the call and kills the node.
func (b *Backend) Stop(context.Context) error {
	if err := b.call("stop"); err != nil {
		return err
	}
	b.Kill()
	return nil
}

// CreateUnit records the call and answers with the unit as asked for.
func (b *Backend) CreateUnit(_ context.Context, req wire.UnitCreate) (wire.UnitCreated, error) {
	if err := b.call("create %s %s", req.Kind, req.Name); err != nil {
		return wire.UnitCreated{}, err
	}
	label := map[string]string{"imvu": "IMVU-007", "platform": "PLAT-004"}[req.Kind]
	return wire.UnitCreated{Unit: wire.UnitRow{ID: unitID(7), Label: label, Name: req.Name, Kind: req.Kind,
		OwnerName: req.Owner,
		Status:    "active", Domain: nexus.Slug(req.Name) + "." + label + ".nexus.localhost", Slice: "slice-7",
		Jurisdiction: req.Jurisdiction,
		Envelope:     req.Envelope}, Receipt: nexus.Receipt{Index: 120442, Allowed: true}}, nil
}

// DryRun refuses by gate 7 what asks for more than 4 cores, and the name "taken" as a conflict.
func (b *Backend) DryRun(_ context.Context, req wire.UnitCreate) ([]wire.Verdict, error) {
	if err := b.call("dry run %s", req.Name); err != nil {
		return nil, err
	}
	if req.Name == "taken" {
		return nil, nexus.Errf("imvu create", nexus.CodeConflict, `name "taken"`, "choose another name", "IMVU-001 has it")
	}
	return Verdicts(req.Envelope.CPUCores > 4), nil
}

// Identity gives Who.
func (b *Backend) Identity() wire.Identity { return b.Who }

// Unit gives a unit of Overview with a route and a created time.
func (b *Backend) Unit(_ context.Context, word string) (wire.UnitDetail, error) {
	if err := b.call("unit %s", word); err != nil {
		return wire.UnitDetail{}, err
	}
	for _, u := range units() {
		if u.ID == word || u.Label == word {
			return wire.UnitDetail{UnitRow: u, Created: at(time.Hour), CreatedIndex: 77, Class: "interactive", BudgetMs: 10, Domains: []string{u.Domain},
				Routes:   []wire.RouteRow{{Host: u.Domain, Unit: u.ID, Label: u.Label, Backend: "dir:/srv/www", Index: 78}},
				Sequence: 17, Head: nexus.Hash{8}.String()}, nil
		}
	}
	return wire.UnitDetail{}, nexus.Errf("find unit", nexus.CodeNotFound, word, "list units with nexus imvu list", "no unit has this id, label or slug")
}

// UnitEntries gives money entries of a unit.
func (b *Backend) UnitEntries(_ context.Context, word string) (wire.UnitEntries, error) {
	if err := b.call("entries of %s", word); err != nil {
		return wire.UnitEntries{}, err
	}
	page := wire.UnitEntries{Size: 120441, Next: 64000}
	for i := range 5 {
		page.Entries = append(page.Entries, wire.Entry{Seq: uint64(120400 - i*7), Index: uint64(120390 - i*7), Time: at(61 * time.Second), Kind: "revenue",
			Unit: word, UnitSeq: uint64(17 - i), UnitPrev: nexus.Hash{8}.String(), Commitment: nexus.Hash{byte(9 + i)}.String(),
			Body: map[string]any{"EventID": fmt.Sprintf("ev-%d\x1b[2J", 900-i)},
			Postings: []wire.Posting{{Account: "source", Ref: "cdbaby", Currency: "USD", Minor: -1999}, {Account: "creator", Currency: "USD", Minor: 1100},
				{Account: "platform", Currency: "USD", Minor: 899}}})
	}
	return page, nil
}

// Entries gives a few entries of the log.
func (b *Backend) Entries(ctx context.Context) (wire.Entries, error) {
	page, err := b.UnitEntries(ctx, "log")
	out := wire.Entries{Size: page.Size}
	for i := len(page.Entries) - 1; i >= 0; i-- {
		out.Entries = append(out.Entries, page.Entries[i])
	}
	return out, err
}

// EntryProof gives the proof of any entry.
func (b *Backend) EntryProof(ctx context.Context, seq uint64) (wire.EntryProof, error) {
	if err := b.call("prove %d", seq); err != nil {
		return wire.EntryProof{}, err
	}
	page, err := b.UnitEntries(ctx, unitID(0))
	if err != nil {
		return wire.EntryProof{}, err
	}
	e := page.Entries[0]
	e.Seq = seq
	return wire.EntryProof{Entry: e, Leaf: nexus.Hash{9}.String(), Inclusion: []string{nexus.Hash{10}.String(), nexus.Hash{11}.String()}, Size: 120441,
		Root: "fzqRvAfU4cENRG8CqhezyQ==", Checkpoint: checkpoint, Key: "edge-1+ab"}, nil
}

// GateDecisions gives the denials of Overview that a gate made.
func (b *Backend) GateDecisions(_ context.Context, gate int) (wire.Decisions, error) {
	if err := b.call("gate %d", gate); err != nil {
		return wire.Decisions{}, err
	}
	out := wire.Decisions{}
	for _, d := range decisions() {
		if len(d.Gates) > 0 && d.Gates[0] == gate {
			out.Decisions = append(out.Decisions, d)
		}
	}
	return out, nil
}

// Slice gives a slice of Overview with a series that passes its limit, and a distribution.
func (b *Backend) Slice(_ context.Context, id string) (wire.SliceDetail, error) {
	if err := b.call("slice %s", id); err != nil {
		return wire.SliceDetail{}, err
	}
	for _, r := range sliceRows() {
		if r.Slice != id {
			continue
		}
		d := wire.SliceDetail{SliceRow: r}
		d.MinutesSincePost = wire.MinuteCounts{Kept: 20, Broken: 2}
		d.Record = &wire.ServiceUnit{Unit: r.Label, BudgetMs: r.BudgetMs, SincePost: d.MinutesSincePost,
			Months: []wire.ServiceMonth{{Month: "2026-03", Kept: 19_281, Broken: 19, Void: 3, Breaches: 2, WorstP99Ms: 31.2}}}
		for i := range wire.SlicePointsMax {
			if i%61 == 7 || r.P99Ms == nil {
				d.Points = append(d.Points, wire.SlicePoint{})
				continue
			}
			wave := math.Sin(float64(i) / 19)
			d.Points = append(d.Points, wire.SlicePoint{P50Ms: ptr(*r.P50Ms + wave*0.4), P99Ms: ptr(max(*r.P99Ms+wave*3, 0.1)), P999Ms: ptr(*r.P999Ms + wave*5)})
		}
		for i, upTo := range []float64{0.1, 0.2, 0.5, 1, 2, 5, 10, 20} {
			d.Buckets = append(d.Buckets, wire.Bucket{UpToMs: ptr(upTo), Count: uint64(1 + i*i*13%97)})
		}
		d.Buckets = append(d.Buckets, wire.Bucket{Count: 3})
		return d, nil
	}
	return wire.SliceDetail{}, nexus.Errf("show slice", nexus.CodeNotFound, id, "list slices with nexus slices list", "no such slice")
}

// Audit gives one finding.
func (b *Backend) Audit(context.Context) (wire.AuditReport, error) {
	if err := b.call("audit"); err != nil {
		return wire.AuditReport{}, err
	}
	return wire.AuditReport{Time: at(0), Units: 6, Checks: 84, Findings: []wire.Finding{{Where: "route shop.example", What: "leads to a host that does not answer",
		Required: "a backend that answers", Evidence: "connection refused", Unit: "IMVU-003"}}}, nil
}

// Log gives lines made by AddLog from an offset on, and waits for one or for ctx.
func (b *Backend) Log(ctx context.Context, from int64) (wire.LogPage, error) {
	for {
		b.mu.Lock()
		lines, dead, changed := b.lines, b.dead, b.changed
		b.mu.Unlock()
		if dead {
			return wire.LogPage{}, errors.New("connection refused")
		}
		if from < 0 {
			from = 0
		}
		if int(from) < len(lines) {
			return wire.LogPage{Lines: append([]string{}, lines[from:]...), Next: int64(len(lines))}, nil
		}
		select {
		case <-ctx.Done():
			return wire.LogPage{Next: from}, ctx.Err()
		case <-changed:
		}
	}
}

// AddLog adds lines to the log.
func (b *Backend) AddLog(lines ...string) {
	b.change(func() { b.lines = append(b.lines[:len(b.lines):len(b.lines)], lines...) })
}

// SetReadOnly records the call when it changes something.
func (b *Backend) SetReadOnly(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.readOnly != on {
		b.calls = append(b.calls, fmt.Sprintf("read-only %v", on))
	}
	b.readOnly = on
}
