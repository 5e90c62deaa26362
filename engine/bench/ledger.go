package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	stdslices "slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

type ledgerCase struct {
	name            string
	callers, events int
	sequenced       bool
}

func ledgerCases() []ledgerCase {
	return []ledgerCase{
		{"single events, 1 caller", 1, 1, false},
		{"single events, 16 callers", 16, 1, false},
		{"single events, 64 callers", 64, 1, false},
		{"signed batches of 1000, own ids, 4 callers", 4, 1000, false},
		{"signed batches of 1000, producer sequence, 1 source", 1, 1000, true},
		{"signed batches of 1000, producer sequence, 4 sources", 4, 1000, true},
		{"signed batches of 2000, producer sequence, 4 sources", 4, 2000, true},
		{"signed batches of 4000, producer sequence, 4 sources", 4, 4000, true},
	}
}

// anyLedgerCase refuses a part of a name that no case has, PostgreSQL's included.
func (o Options) anyLedgerCase() error {
	var names []string
	for _, c := range ledgerCases() {
		names = append(names, c.name)
	}
	for _, c := range postgresCases {
		names = append(names, c.name)
	}
	if !stdslices.ContainsFunc(names, o.wants) {
		return nexus.Errf("bench ledger", nexus.CodeUsage, fmt.Sprintf("--case %q", o.Case), "part of one of these: "+strings.Join(names, "; "),
			"no case has that in its name")
	}
	return nil
}

// ledgerBench measures durable events through the whole door: signature, consensus with fsync, 17 gates, split, Merkle
// leaves, one Badger transaction, head file with fsync.
func ledgerBench(ctx context.Context, o Options) ([]Row, error) {
	if err := o.anyLedgerCase(); err != nil {
		return nil, err
	}
	var rows []Row
	sync, err := fsyncRow(o)
	if err != nil {
		return nil, err
	}
	rows = append(rows, sync)
	for _, c := range ledgerCases() {
		if !o.wants(c.name) {
			continue
		}
		fmt.Fprintf(o.Progress, "bench ledger: %s\n", c.name)
		var runs []sample
		for run := range o.Runs {
			dir := filepath.Join(o.Dir, fmt.Sprintf("ledger-%d-%d-%d-%v", c.callers, c.events, run, c.sequenced))
			s, err := ledgerRun(ctx, dir, c.callers, c.events, c.sequenced, o.Duration)
			if err != nil {
				return rows, err
			}
			runs = append(runs, s)
		}
		rows = append(rows, row(c.name, "events/s", runs[len(runs)-1].detail, runs))
	}
	peer, err := postgresRows(ctx, o)
	return append(rows, peer...), err
}

// fsyncRow is the physical limit beside the figures: 4 KiB appended and synced, one after the other.
func fsyncRow(o Options) (Row, error) {
	var runs []sample
	for range o.Runs {
		f, err := os.CreateTemp(o.Dir, "fsync")
		if err != nil {
			return Row{}, err
		}
		var s sample
		buf, start := make([]byte, 4096), time.Now()
		for time.Since(start) < time.Second {
			at := time.Now()
			if _, err := f.Write(buf); err != nil {
				return Row{}, err
			}
			if err := f.Sync(); err != nil {
				return Row{}, err
			}
			s.latencies = append(s.latencies, time.Since(at))
		}
		s.rate = float64(len(s.latencies)) / time.Since(start).Seconds()
		runs = append(runs, s)
		if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
			return Row{}, err
		}
	}
	return row("append 4 KiB + fsync", "syncs/s", "the disk's own limit", runs), nil
}

// scratch is an engine of its own in a scratch directory.
type scratch struct {
	eng  *engine.Engine
	keys identity.Keys
	gen  identity.Genesis
}

func newScratch(dir string) (*scratch, error) {
	gen, err := identity.NewGenesis(dir, identity.GenesisOptions{Profile: identity.ProfileDev})
	if err != nil {
		return nil, err
	}
	keys, err := identity.LoadKeys(dir, gen)
	if err != nil {
		return nil, err
	}
	act, err := engine.Found(gen, keys.Platform)
	if err != nil {
		return nil, err
	}
	eng, err := engine.Open(engine.Config{DataDir: dir, NodeName: "bench", Cluster: gen.Cluster, Node: keys.Node, Genesis: act, Bus: bus.New(bus.Limits{}),
		Logger: slog.New(slog.DiscardHandler), Capacity: engine.Capacity{CPUMilli: 2000, MemoryBytes: 8 << 30, NetworkBps: 1e9}})
	return &scratch{eng: eng, keys: keys, gen: gen}, err
}

func (s *scratch) do(ctx context.Context, kind string, body any) (nexus.Receipt, error) {
	a, err := engine.NewAction(s.keys.Operator, s.gen.Cluster, kind, nexus.ID{}, body, time.Now())
	if err != nil {
		return nexus.Receipt{}, err
	}
	return s.eng.Do(ctx, a)
}

// units makes n units that nobody of the bench owns.
func (s *scratch) units(ctx context.Context, n int) ([]nexus.ID, error) {
	out := make([]nexus.ID, 0, n)
	for i := range n {
		r, err := s.do(ctx, state.KindIMVUCreate, state.UnitCreate{Name: fmt.Sprintf("Bench %d", i), OwnerName: state.PlatformName, Dormant: true})
		if err != nil {
			return nil, err
		}
		var c state.UnitCreated
		if err := nexus.Decode(r.Result, &c); err != nil {
			return nil, err
		}
		out = append(out, c.ID)
	}
	return out, nil
}

func ledgerRun(ctx context.Context, dir string, callers, events int, sequenced bool, d time.Duration) (sample, error) {
	sc, err := newScratch(dir)
	if err != nil {
		return sample{}, err
	}
	defer os.RemoveAll(dir)
	units, err := sc.units(ctx, 16)
	if err != nil {
		return sample{}, errors.Join(err, sc.eng.Close())
	}
	sources := make([]string, callers)
	for i := range sources {
		sources[i] = state.OperatorSource
		if sequenced {
			sources[i] = fmt.Sprintf("producer-%d", i)
			reg := state.SourceRegister{Name: sources[i], Class: state.ClassAttested, Key: sc.keys.Operator.Public()}
			if _, err := sc.do(ctx, state.KindSourceRegister, reg); err != nil {
				return sample{}, errors.Join(err, sc.eng.Close())
			}
		}
	}
	var total atomic.Int64
	var mu sync.Mutex
	var out sample
	var failed error
	start := time.Now()
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			p := producer{sc: sc, units: units, source: sources[c], events: events, sequenced: sequenced, caller: c}
			for time.Since(start) < d {
				took, err := p.post(ctx)
				if err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
					return
				}
				total.Add(int64(events))
				mu.Lock()
				out.latencies = append(out.latencies, took)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	out.rate = float64(total.Load()) / time.Since(start).Seconds()
	err = errors.Join(failed, sc.eng.Close())
	if size, serr := diskUse(dir); serr == nil && total.Load() > 0 {
		out.detail = fmt.Sprintf("last run: %d events, %d bytes each on disk, process at most %d MiB", total.Load(), size/total.Load(), memory("VmHWM:")>>20)
	}
	return out, err
}

// producer is one caller with a stream of its own.
type producer struct {
	sc        *scratch
	units     []nexus.ID
	source    string
	events    int
	sequenced bool
	caller    int
	n         uint64
}

func (p *producer) post(ctx context.Context) (time.Duration, error) {
	body := state.RevenuePost{Source: p.source, Events: make([]state.RevenueEvent, p.events)}
	if p.sequenced {
		body.FirstSeq = p.n + 1
	}
	for i := range body.Events {
		p.n++
		e := state.RevenueEvent{Unit: p.units[p.n%uint64(len(p.units))], Kind: "sale", Currency: "USD", Minor: int64(p.n%9973) + 1, TimeMs: int64(p.n)}
		if !p.sequenced {
			e.EventID = fmt.Sprintf("%d-%d", p.caller, p.n)
		}
		body.Events[i] = e
	}
	start := time.Now()
	_, err := p.sc.do(ctx, state.KindRevenuePost, body)
	return time.Since(start), err
}
