package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"os"
	"path/filepath"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bundle"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// Suite exit. Rule: a unit leaves with everything, nobody can stop it, and it lives on elsewhere with its history. Reason: only who can
// leave is free to stay. A populated probe leaves; the platform tries to stop it at every moment; the bundle is checked with the key alone
// and every kind of damage to it is found; a second node, with a cluster, a ledger and keys of its own in a scratch directory, takes it in and
// its figures must be the same. SPEC section 6, suite 3; section 7, at exit.

const (
	exitBatches = 4
	exitRemedy  = "report this: a unit could not leave with everything"
)

// leaver is the suite's work.
type leaver struct {
	*session
	probe *probe
	book  *book
	feed  *feed
	dir   string // scratch
	got   bundle.Received
}

func exitSuite(ctx context.Context, s *session) (err error) {
	w := &leaver{session: s}
	if w.probe, err = s.create(ctx, 55); err != nil {
		return err
	}
	w.book, w.feed = newBook(s, w.probe), newFeed(s, w.probe.unit.Slug)
	if w.dir, err = os.MkdirTemp("", "nexus-exit-suite-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(w.dir)) }()
	for _, part := range []func(context.Context) error{w.populate, w.begin, w.hinder, w.fetch, w.complete, w.hinder, w.damage, w.elsewhere} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// populate gives the probe a history: sales and refunds, a route, a policy.
func (w *leaver) populate(ctx context.Context) error {
	for range exitBatches {
		all, fresh := w.feed.batch(w.probe, 1+w.random.IntN(eventsPerBatchMax))
		if err := w.book.post(ctx, w.session, state.RevenuePost{Source: state.ProbeSource, Events: all}, fresh); err != nil {
			return err
		}
	}
	if _, err := w.do(ctx, state.KindRouteSet, w.probe.unit.ID, state.RouteSet{Host: w.probe.unit.Domain, Backend: "dir:" + w.dir}); err != nil {
		return err
	}
	_, err := w.do(ctx, state.KindPolicySet, w.probe.unit.ID, state.PolicySet{Policy: state.UnitPolicy{Rules: []state.PolicyRule{
		{Name: "no-claims", Effect: state.EffectDeny, On: []string{state.KindDomainClaim}}}}})
	return err
}

func (w *leaver) begin(ctx context.Context) error {
	_, err := w.do(ctx, state.KindExitBegin, w.probe.unit.ID, state.ExitBegin{Reason: "suite exit"})
	return err
}

// hinder tries what the platform could try: each is refused by gate 13, logged, and the unit serves on.
func (w *leaver) hinder(ctx context.Context) error {
	u := w.unit()
	for _, h := range []struct {
		name, kind string
		body       any
	}{{"suspend", state.KindUnitSuspend, state.UnitReason{Reason: "suite"}},
		{"shrink", state.KindUnitScale, state.UnitScale{CPUMilli: 1, MemoryBytes: 1, StorageBytes: 1, Processes: 1}},
		{"transfer", state.KindUnitTransfer, state.UnitTransfer{To: w.env.Node.Public()}},
		{"take early", state.KindExitSettle, struct{}{}}} {
		rec, err := w.do(ctx, h.kind, u.ID, h.body)
		if err := w.refusedBy(13, h.name+" while "+u.Status, rec, err); err != nil {
			return err
		}
	}
	after := w.unit()
	serving := false
	w.env.Engine.View(func(s *state.State) { serving = s.Serving(s.Units[u.ID]) })
	w.require(after.Status == u.Status && after.Envelope == u.Envelope && serving, "serves while "+u.Status,
		fmt.Sprintf("%s, ceilings %s, serving %t", after.Status, ceilings(u.Envelope, after.Envelope), serving), exitRemedy)
	return nil
}

// ceilings says whether a unit's ceilings are what they were, and what they are if not.
func ceilings(before, after state.Envelope) string {
	if after == before {
		return "as before"
	}
	return fmt.Sprintf("changed to %d thousandths of a core, %d bytes of memory, %d bytes of storage, %d processes", after.CPUMilli, after.MemoryBytes,
		after.StorageBytes, after.Processes)
}

func (w *leaver) unit() (u state.Unit) {
	w.env.Engine.View(func(s *state.State) { u = *s.Units[w.probe.unit.ID] })
	return u
}

// receive has a unit's bundle written into a folder, by the code and the stream that a client uses.
func receive(ctx context.Context, eng *engine.Engine, unit nexus.ID, target string) (bundle.Received, error) {
	in, out := io.Pipe()
	parts := multipart.NewWriter(out)
	go func() { _ = out.CloseWithError(bundle.Write(ctx, eng, unit, parts, nil)) }() // never fails
	to := bundle.Receiver{Target: target, Key: eng.NodeKey()}
	got, err := to.Receive(ctx, multipart.NewReader(in, parts.Boundary()))
	return got, errors.Join(err, in.Close())
}

func (w *leaver) fetch(ctx context.Context) (err error) {
	if w.got, err = receive(ctx, w.env.Engine, w.probe.unit.ID, filepath.Join(w.dir, "bundle")); err != nil {
		return err
	}
	rep, err := verify.CheckBundle(ctx, os.DirFS(w.got.Dir), verify.Options{Key: w.env.Engine.NodeKey()})
	if err != nil {
		return err
	}
	t := rep.Export.Totals[verify.Account{Unit: w.probe.unit.ID, Currency: nexus.TestCurrency}]
	w.require(rep.Clean(), "bundle verified offline", fmt.Sprintf("%d files, %d entries, %d findings, with the public key alone", len(rep.Manifest.Files),
		rep.Export.Entries, len(rep.Findings)), exitRemedy)
	w.require(isInt(w.book.gross, t.Gross) && isInt(w.book.creator, t.Creator) && isInt(w.book.platform, t.Platform) && t.Events == w.book.events,
		"figures in the bundle", "as posted: "+figures(t), exitRemedy)
	return nil
}

// complete ends the exit: with nothing first, which is refused, then with the bundle.
func (w *leaver) complete(ctx context.Context) error {
	m := &w.got.Report.Manifest
	whole := state.ExitComplete{Manifest: w.got.Report.Digest, Size: m.Size, UnitSeq: m.UnitSeq, UnitHead: m.UnitHead, Files: uint32(len(m.Files)),
		Bytes: w.got.Report.Bytes}
	short := whole
	short.UnitSeq -= 2
	_, err := w.do(ctx, state.KindExitComplete, w.probe.unit.ID, short)
	w.require(nexus.CodeOf(err) == nexus.CodeConflict, "an incomplete bundle ends no exit", fmt.Sprint(err), exitRemedy)
	_, err = w.do(ctx, state.KindExitComplete, w.probe.unit.ID, whole)
	w.require(err == nil && w.unit().Status == state.StatusExited, "exit complete", fmt.Sprintf("the unit is %s, error %v", w.unit().Status, err), exitRemedy)
	return nil
}

// damage changes one file of a copy at a time; each change is found.
func (w *leaver) damage(ctx context.Context) error {
	found, tried := 0, 0
	for i := range w.got.Report.Manifest.Files {
		name := w.got.Report.Manifest.Files[i].Path
		path := filepath.Join(w.got.Dir, name)
		good, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, change := range []func() error{func() error { return os.WriteFile(path, append([]byte{'x'}, good...), 0o600) },
			func() error { return os.Remove(path) }} {
			if err := change(); err != nil {
				return err
			}
			rep, err := verify.CheckBundle(ctx, os.DirFS(w.got.Dir), verify.Options{Key: w.env.Engine.NodeKey()})
			if err != nil {
				return err
			}
			tried++
			if !rep.Clean() {
				found++
			}
			if err := os.WriteFile(path, good, 0o600); err != nil {
				return err
			}
		}
	}
	w.equal("damage found", found, tried, "changes", "each file changed and removed once", exitRemedy)
	return nil
}

// elsewhere has a second node take the unit in, and leave with it again.
func (w *leaver) elsewhere(ctx context.Context) (err error) {
	second, operator, err := throwAway(filepath.Join(w.dir, "second"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, second.Close()) }()
	wish, err := bundle.Take(ctx, second, w.got.Dir, w.env.Engine.NodeKey(), operator.Public())
	if err != nil {
		return err
	}
	a, err := engine.NewAction(operator, second.Cluster(), state.KindUnitImport, nexus.ID{}, wish.Body(), second.Now())
	if err != nil {
		return err
	}
	if _, err := second.Do(ctx, a); err != nil {
		return err
	}
	var u state.Unit
	var came []state.Imported
	var owed int
	second.View(func(s *state.State) {
		if x := s.Units[w.probe.unit.ID]; x != nil {
			u, came, owed = *x, s.ImportsOf(x.ID), len(s.EarnedBy(x.ID))
		}
	})
	w.require(u.ID == w.probe.unit.ID && u.Owner == w.env.Node.Public() && u.Percent == 55 && u.Status == "active", "lives on under its id",
		fmt.Sprintf("%s at a second node of cluster %s, owner's key and rule kept", u.Label, second.Cluster()), exitRemedy)
	same := len(came) == 1 && len(came[0].Balances) == 1
	if same {
		b := came[0].Balances[0]
		same = isInt(w.book.gross, b.Gross) && isInt(w.book.creator, b.Creator) && isInt(w.book.platform, b.Platform)
	}
	w.require(same, "history intact", fmt.Sprintf("%d imports; posted were gross %s, creator %s, platform %s", len(came), w.book.gross,
		w.book.creator, w.book.platform), exitRemedy)
	w.require(owed == 0, "the past is no debt", fmt.Sprintf("%d accounts at the second node", owed), exitRemedy)
	again, err := receive(ctx, second, u.ID, filepath.Join(w.dir, "again"))
	if err != nil {
		return err
	}
	carried := len(again.Report.Came) == 1 && again.Report.Came[0].Digest == w.got.Report.Digest
	w.require(carried, "and leaves again with it", fmt.Sprintf("the second bundle carries the first, verified under its own key: %t", carried), exitRemedy)
	return nil
}

// throwAway is a second node's engine: a cluster, a ledger and keys of its own.
func throwAway(dir string) (*engine.Engine, nexus.Signer, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, nil, err
	}
	gen, err := identity.NewGenesis(dir, identity.GenesisOptions{Profile: identity.ProfileDev, NodeName: "second", OperatorName: "operator"})
	if err != nil {
		return nil, nil, err
	}
	keys, err := identity.LoadKeys(dir, gen)
	if err != nil {
		return nil, nil, err
	}
	act, err := engine.Found(gen, keys.Platform)
	if err != nil {
		return nil, nil, err
	}
	eng, err := engine.Open(engine.Config{DataDir: dir, NodeName: "second", Cluster: gen.Cluster, Node: keys.Node, Genesis: act, Bus: bus.New(bus.Limits{}),
		Logger: slog.New(slog.DiscardHandler), Capacity: engine.Capacity{CPUMilli: 1000, MemoryBytes: 1 << 30, NetworkBps: 1e9}})
	return eng, keys.Operator, err
}
