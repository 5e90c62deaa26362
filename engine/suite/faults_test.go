package suite

import (
	"context"
	"errors"
	"math/big"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/slicing"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// liar reads the real store and changes what it gives.
type liar struct {
	engine.Reader
	record func(ledger.Record) ledger.Record
	hashes func([]nexus.Hash)
}

func (l liar) lie(r ledger.Record, err error) (ledger.Record, error) {
	if err == nil && l.record != nil {
		r.Entries = append([][]byte(nil), r.Entries...)
		r = l.record(r)
	}
	return r, err
}

func (l liar) Record(index uint64) (ledger.Record, error) { return l.lie(l.Reader.Record(index)) }

func (l liar) RecordBySeq(seq uint64) (ledger.Record, error) { return l.lie(l.Reader.RecordBySeq(seq)) }

func (l liar) Records(from, to uint64, fn func(ledger.Record) error) error {
	return l.Reader.Records(from, to, func(r ledger.Record) error {
		r, _ = l.lie(r, nil)
		if len(r.Entries) == 0 {
			return nil
		}
		return fn(r)
	})
}

func (l liar) Hashes(nodes []merkle.Node) ([]nexus.Hash, error) {
	out, err := l.Reader.Hashes(nodes)
	if err == nil && l.hashes != nil {
		l.hashes(out)
	}
	return out, err
}

// inRevenue changes every revenue entry of a record.
func inRevenue(change func(*ledger.Entry)) func(ledger.Record) ledger.Record {
	return func(r ledger.Record) ledger.Record {
		for i, raw := range r.Entries {
			e, err := ledger.ParseEntry(raw)
			if err == nil && len(e.Postings) > 0 {
				change(&e)
				r.Entries[i] = e.AppendTo(nil)
			}
		}
		return r
	}
}

// inDecision changes every decision of a record.
func inDecision(change func(*gates.Decision)) func(ledger.Record) ledger.Record {
	return func(r ledger.Record) ledger.Record {
		e, err := ledger.ParseEntry(r.Entries[0])
		var body state.DecisionBody
		if err != nil || e.Kind != ledger.KindDecision || nexus.Decode(e.Body, &body) != nil {
			return r
		}
		change(&body.Decision)
		e.Body = nexus.Encode(body)
		r.Entries[0] = e.AppendTo(nil)
		return r
	}
}

func lying(record func(ledger.Record) ledger.Record) func(*session) {
	return func(s *session) { s.store = liar{Reader: s.store, record: record} }
}

// hiding is a source that leaves the last record out.
type hiding struct{ engine.StoredBytes }

func (h hiding) Records(fn func(uint64, []byte) error) error {
	var last uint64
	if err := h.StoredBytes.Records(func(index uint64, _ []byte) error { last = index; return nil }); err != nil {
		return err
	}
	return h.StoredBytes.Records(func(index uint64, encoded []byte) error {
		if index == last {
			return nil
		}
		return fn(index, encoded)
	})
}

func (h hiding) Scan(fn func(key, sealed []byte) error) error {
	return h.StoredBytes.Scan(func(key, sealed []byte) error {
		if string(key[:2]) == sequencePrefix {
			return nil
		}
		return fn(key, sealed)
	})
}

func hide(s *session) {
	open := s.stored
	s.stored = func() (engine.StoredBytes, error) {
		src, err := open()
		return hiding{src}, err
	}
}

func verifies(change func(*wire.VerifyReport), fail error) func(*session) {
	return func(s *session) {
		real := s.env.Verify
		s.env.Verify = func(ctx context.Context) (wire.VerifyReport, error) {
			rep, err := real(ctx)
			if change != nil {
				change(&rep)
			}
			return rep, errors.Join(err, fail)
		}
	}
}

func finds(n uint64) func(*session) {
	return func(s *session) {
		s.checker = func(ctx context.Context, src verify.Source, o verify.Options) (verify.Report, error) {
			rep, err := verify.Run(ctx, src, o)
			rep.FindingsTotal, rep.Findings, rep.Claimed = n, nil, rep.Entries
			return rep, err
		}
	}
}

// Each check of creator-splits can fail: what it looks at is made to lie, and it must say so.
func TestCreatorSplitsFails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	floor := func(gross *big.Int, percent int64) *big.Int {
		q, _ := new(big.Int).DivMod(new(big.Int).Mul(gross, big.NewInt(percent)), big.NewInt(100), new(big.Int))
		return q
	}
	for _, c := range []struct {
		name  string
		check string
		twist func(*session)
	}{
		{"another formula", "independent totals", func(s *session) { s.formula = floor }},
		{"an entry out of balance", "double entry", lying(inRevenue(func(e *ledger.Entry) { e.Postings[1].Minor++ }))},
		{"a share moved", "steps recomputed",
			lying(inRevenue(func(e *ledger.Entry) { e.Postings[1].Minor++; e.Postings[2].Minor-- }))},
		{"a stated total", "drift", lying(inRevenue(func(e *ledger.Entry) {
			var b ledger.RevenueBody
			if nexus.Decode(e.Body, &b) == nil {
				b.CreatorAfter += 2
				e.Body = nexus.Encode(b)
			}
		}))},
		{"an entry left out", "run to the end", lying(func(r ledger.Record) ledger.Record {
			if len(r.Entries) > 2 {
				r.Entries = r.Entries[:len(r.Entries)-1]
			}
			return r
		})},
		{"other bytes than committed", "inclusion proofs", lying(inRevenue(func(e *ledger.Entry) { e.TimeMs++ }))},
		{"tree hashes", "inclusion proofs", func(s *session) {
			s.store = liar{Reader: s.store, hashes: func(h []nexus.Hash) { h[0][0] ^= 1 }}
		}},
		{"a refusal that is an allow", "same id, other content",
			lying(inDecision(func(d *gates.Decision) { d.Allow = true }))},
		{"a refusal by another gate", "edit of a stored split",
			lying(inDecision(func(d *gates.Decision) { d.Verdicts[10].Allow = true }))},
		{"a record hidden", "stored bytes", hide},
		{"a finding", "ledger findings", verifies(func(v *wire.VerifyReport) {
			v.Findings = append(v.Findings, wire.Finding{What: "x"})
		}, nil)},
		{"less verified", "ledger verified", verifies(func(v *wire.VerifyReport) { v.Verified-- }, nil)},
		{"fewer entries", "ledger verified", verifies(func(v *wire.VerifyReport) { v.Verified, v.Entries = 1, 1 }, nil)},
		{"verify cannot run", "run to the end", verifies(nil, errors.New("no"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			mustFail(t, r.run(CreatorSplits, c.twist), c.check)
		})
	}
}

// Each check of the audit suite can fail.
func TestAuditFails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	soon := func(s *session) { s.edgeWithin, s.scrubWithin = 30*time.Millisecond, 30*time.Millisecond }
	audits := func(change func(*wire.AuditReport)) func(*session) {
		return func(s *session) {
			soon(s)
			real := s.env.Audit
			s.env.Audit = func(ctx context.Context) (wire.AuditReport, error) {
				rep, err := real(ctx)
				change(&rep)
				return rep, err
			}
		}
	}
	for _, c := range []struct {
		name  string
		check string
		twist func(*session)
	}{
		{"a gateway that nobody tells", "slice in force at the edge", func(s *session) {
			soon(s)
			s.env.Edge = slicing.New(r.eng.Minter(), table{})
		}},
		{"a finding", "stack scrub", audits(func(a *wire.AuditReport) {
			a.Findings = append(a.Findings, wire.Finding{What: "x"})
		})},
		{"a scrub that looks at nothing", "stack scrub looked", audits(func(a *wire.AuditReport) { a.Checks = 0 })},
		{"another slice", "slice logged", lying(func(r ledger.Record) ledger.Record {
			for i, raw := range r.Entries {
				if e, err := ledger.ParseEntry(raw); err == nil && e.Kind == ledger.KindSlice {
					e.Body = nexus.Encode(state.SliceSpec{Class: "bulk"})
					r.Entries[i] = e.AppendTo(nil)
				}
			}
			return r
		})},
		{"other bytes than committed", "allocation proven",
			lying(func(r ledger.Record) ledger.Record { r.Salt[0] ^= 1; return r })},
		{"a chain with another hash", "unit chain", lying(inRevenue(func(e *ledger.Entry) { e.UnitPrev[0] ^= 1 }))},
		{"a share moved", "revenue recomputed", lying(inRevenue(func(e *ledger.Entry) { e.Postings[1].Minor++ }))},
		{"sixteen verdicts", "17 verdicts each", lying(inDecision(func(d *gates.Decision) { d.Verdicts = d.Verdicts[:16] }))},
		{"an answer that does not follow", "17 verdicts each",
			lying(inDecision(func(d *gates.Decision) { d.Allow = !d.Allow }))},
		{"another replay", "decisions replayed", func(s *session) {
			s.replay = func(uint64) (gates.Decision, bool, error) { return gates.Decision{}, false, nil }
		}},
		{"a checker that finds always", "untouched copy", finds(1)},
		{"an index left out", "untouched copy", hide},
		{"tree hashes", "newest entries proven", func(s *session) {
			s.store = liar{Reader: s.store, hashes: func(h []nexus.Hash) { h[0][0] ^= 1 }}
		}},
		{"tree hashes", "log only grew", func(s *session) {
			s.store = liar{Reader: s.store, hashes: func(h []nexus.Hash) { h[0][0] ^= 1 }}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			mustFail(t, r.run(Audit, func(s *session) { s.tamperMax = 100; c.twist(s) }), c.check)
		})
	}
}

// With a checker that finds nothing, every kind of tampering counts as missed.
func TestAuditNeedsAChecker(t *testing.T) {
	t.Parallel()
	rep := newRig(t).run(Audit, finds(0))
	for _, check := range []string{"flipped bits found", "sealed again, found", "checkpoint of another key found",
		"rewritten history found", "rewritten, signed by another key, found",
		"rewritten with the node's key, found by an earlier checkpoint", "cut off tail found",
		"cut off with the node's key, found by an earlier checkpoint"} {
		mustFail(t, rep, check)
	}
}

// A slice that stays at the edge after its unit ended is found.
func TestAuditFindsSliceLeftBehind(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.keepRetired.Store(true)
	mustFail(t, r.run(Audit, func(s *session) { s.edgeWithin = 200 * time.Millisecond }), "slice gone after its end")
	r.keepRetired.Store(false)
}

// Without a gateway the slice cannot be looked at: that is said, and never counted as passed.
func TestNoGatewayIsDegraded(t *testing.T) {
	t.Parallel()
	rep := newRig(t).run(Audit, func(s *session) { s.env.Edge, s.tamperMax = nil, 100 })
	if rep.Status != wire.StatusDegraded {
		t.Errorf("%s: %s", rep.Status, rep.Reason)
	}
	skipped := 0
	for _, c := range rep.Checks {
		if c.Status == wire.StatusSkipped {
			skipped++
		}
	}
	if skipped != 2 {
		t.Errorf("%d checks skipped, want the two that look at the gateway", skipped)
	}
}
