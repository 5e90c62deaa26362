package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"os"
	"path/filepath"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bundle"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/gates"
)

// exitAlarm is how long an exit may be under way before the node raises an alarm (SPEC section 5).
const exitAlarm = 2 * time.Hour

// exitBatch is how many events one signed action posts while the unit is filled.
const exitBatch = 1000

// exitSizes are the events of the units that leave; one beside each other shows what grows with the unit.
func exitSizes() []int { return []int{1_000, 10_000, 100_000} }

// exitBench measures how long a unit takes to leave, from the owner's first signature to the last, by the number of its events. Each
// unit has a ledger of its own with as many entries of a neighbour, which must not leave with it. A run ends with the owner's return, so
// that the next one leaves from the same ledger.
func exitBench(ctx context.Context, o Options) ([]Row, error) {
	var rows []Row
	for _, events := range exitSizes() {
		name := fmt.Sprintf("%d events", events)
		if !o.wants(name) {
			continue
		}
		more, err := exitRows(ctx, o, name, events)
		rows = append(rows, more...)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(rows) == 0 {
		return nil, nexus.Errf("bench exit", nexus.CodeUsage, fmt.Sprintf("--case %q", o.Case), `a number of events, such as "10000 events"`,
			"no case has that in its name")
	}
	o.note("whole exit: announced, bundle written, received, every file verified, synced to disk and renamed, completed; in one process, no network.")
	o.note("units here hold ledger, statements and journals; volumes, mail, zones and media are not built in this version: they would add bytes.")
	return rows, nil
}

func exitRows(ctx context.Context, o Options, name string, events int) (rows []Row, err error) {
	dir := filepath.Join(o.Dir, fmt.Sprintf("exit-%d", events))
	sc, err := newScratch(filepath.Join(dir, "node"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sc.eng.Close(), os.RemoveAll(dir)) }()
	leaver, err := sc.newLeaver(ctx, dir, events)
	if err != nil {
		return nil, err
	}
	var whole, check []sample
	detail := ""
	for run := range o.Runs {
		target := filepath.Join(dir, fmt.Sprintf("bundle-%d", run))
		got, took, err := leaver.leave(ctx, target)
		if err != nil {
			return nil, err
		}
		start := time.Now()
		rep, err := bundle.Check(ctx, target, sc.eng.NodeKey())
		if err == nil {
			err = bundle.Refusal(&rep)
		}
		if err != nil {
			return nil, err
		}
		whole, check = append(whole, sample{rate: millis(took)}), append(check, sample{rate: millis(time.Since(start))})
		detail = fmt.Sprintf("%d entries of the unit in a log of %d; %d files, %d KiB", rep.Export.Entries, rep.Manifest.Size, len(rep.Manifest.Files),
			got.Report.Bytes>>10)
		fmt.Fprintf(o.Progress, "bench exit: %s: run %d of %d: %v\n", name, run+1, o.Runs, took.Round(time.Millisecond))
		if err := os.RemoveAll(target); err != nil {
			return nil, err
		}
		if _, err := leaver.act(ctx, state.KindExitCancel, state.ExitBegin{}); err != nil {
			return nil, err
		}
	}
	out := row("exit, "+name, "ms", "", whole)
	out.Detail = fmt.Sprintf("%s; alarm at %v: %s", detail, exitAlarm, budgetWord(out.Value, millis(exitAlarm)))
	return []Row{out, row("the bundle checked offline, "+name, "ms", "by the key alone", check)}, nil
}

func budgetWord(value, limit float64) string {
	if value > limit {
		return "MISSED"
	}
	return "met"
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// leaver is a unit with an owner of its own: whoever reports revenue owns none of it (gate 6).
type leaver struct {
	*scratch
	owner nexus.Signer
	unit  nexus.ID
}

// newLeaver makes two units and gives each so many sales, in turn; the first is the one that leaves. The owner's key lies in keyDir.
func (s *scratch) newLeaver(ctx context.Context, keyDir string, events int) (*leaver, error) {
	const name = "leaver"
	owner, err := identity.GenerateKey(filepath.Join(keyDir, name), name)
	if err != nil {
		return nil, err
	}
	if _, err := s.do(ctx, state.KindIdentityIssue, state.IdentityIssue{Name: name, Key: owner.Public(), Role: uint8(gates.RoleCreator)}); err != nil {
		return nil, err
	}
	var units [2]nexus.ID
	for i := range units {
		r, err := s.do(ctx, state.KindIMVUCreate, state.UnitCreate{Name: fmt.Sprintf("Leaver %d", i), Dormant: true, OwnerName: name, OwnerMustExist: true})
		if err != nil {
			return nil, err
		}
		var c state.UnitCreated
		if err := nexus.Decode(r.Result, &c); err != nil {
			return nil, err
		}
		units[i] = c.ID
	}
	for done := 0; done < 2*events; done += exitBatch {
		post := state.RevenuePost{Source: state.OperatorSource, Events: make([]state.RevenueEvent, min(exitBatch, 2*events-done))}
		for i := range post.Events {
			n := done + i
			post.Events[i] = state.RevenueEvent{EventID: fmt.Sprintf("sale-%d", n), Unit: units[n%2], Kind: "sale", Currency: "USD",
				Minor: int64(n%9973) + 1, TimeMs: time.Now().UnixMilli()}
		}
		if _, err := s.do(ctx, state.KindRevenuePost, post); err != nil {
			return nil, err
		}
	}
	return &leaver{scratch: s, owner: owner, unit: units[0]}, nil
}

// leave goes the whole way of `nexus imvu exit` but for the network.
func (l *leaver) leave(ctx context.Context, target string) (got bundle.Received, took time.Duration, err error) {
	start := time.Now()
	if _, err := l.act(ctx, state.KindExitBegin, state.ExitBegin{}); err != nil {
		return got, 0, err
	}
	in, out := io.Pipe()
	parts := multipart.NewWriter(out)
	sent := make(chan struct{})
	go func() { // ends when the receiver has read all, or closes its end
		defer close(sent)
		_ = out.CloseWithError(bundle.Write(ctx, l.eng, l.unit, parts, nil)) // never fails
	}()
	to := bundle.Receiver{Target: target, Key: l.eng.NodeKey()}
	got, err = to.Receive(ctx, multipart.NewReader(in, parts.Boundary()))
	_ = in.CloseWithError(io.ErrClosedPipe) // the writer may be at its end or not; never fails
	<-sent
	if err != nil {
		return got, 0, err
	}
	m := &got.Report.Manifest
	_, err = l.act(ctx, state.KindExitComplete, state.ExitComplete{Manifest: got.Report.Digest, Size: m.Size, UnitSeq: m.UnitSeq,
		UnitHead: m.UnitHead, Files: uint32(len(m.Files)), Bytes: got.Report.Bytes})
	return got, time.Since(start), err
}

// act signs a step of the exit as the owner.
func (l *leaver) act(ctx context.Context, kind string, body any) (nexus.Receipt, error) {
	a, err := engine.NewAction(l.owner, l.gen.Cluster, kind, l.unit, body, time.Now())
	if err != nil {
		return nexus.Receipt{}, err
	}
	return l.eng.Do(ctx, a)
}
