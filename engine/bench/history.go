package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/bus"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// exportEventsMax is the largest ledger that the bench exports: a file of about 1 GB.
const exportEventsMax = 2_000_000

// historyBench fills a ledger with events of free ids, all to be told apart for ever, and measures what grows with it. One run: the ledger is made once.
func historyBench(ctx context.Context, o Options) ([]Row, error) {
	dir := filepath.Join(o.Dir, "history")
	sc, err := newScratch(dir)
	if err != nil {
		return nil, err
	}
	units, err := sc.units(ctx, 16)
	if err != nil {
		return nil, errors.Join(err, sc.eng.Close())
	}
	h := history{o: o, sc: sc, dir: dir}
	for _, part := range []func() error{func() error { return h.fill(ctx, units) }, h.proofs, func() error { return h.export(ctx) }, h.killed} {
		if err := part(); err != nil {
			return h.rows, errors.Join(err, sc.eng.Close())
		}
	}
	return h.rows, errors.Join(sc.eng.Close(), os.RemoveAll(dir))
}

type history struct {
	o    Options
	sc   *scratch
	dir  string
	rows []Row
}

func (h *history) add(name, unit, detail string, value float64) {
	h.rows = append(h.rows, Row{Case: name, Value: value, Min: value, Max: value, Unit: unit, Runs: 1, Detail: detail})
}

// fill posts the events in ten parts of signed batches and takes the rate of the first and the last: how much slower a new id is told from all
// before. Then a part of them is sent again under new action ids.
func (h *history) fill(ctx context.Context, units []nexus.ID) error {
	const callers, each = 4, 1000
	producers := make([]*producer, callers)
	for c := range producers {
		producers[c] = &producer{sc: h.sc, units: units, source: state.OperatorSource, events: each, caller: c}
	}
	batches := max(10*callers, h.o.Events/each)
	for part := range 10 {
		fmt.Fprintf(h.o.Progress, "bench history: part %d of 10, %d events in all\n", part+1, batches*each)
		s, err := postAll(ctx, producers, batches/10)
		if err != nil {
			return err
		}
		if name := map[int]string{0: "fresh ids, first tenth", 9: "fresh ids, last tenth"}[part]; name != "" {
			s.rate *= each
			h.rows = append(h.rows, row(name, "events/s", "signed batches of 1000, 4 callers", []sample{s}))
		}
	}
	for _, p := range producers {
		p.n = 0
	}
	s, err := postAll(ctx, producers, max(callers, batches/100))
	if err != nil {
		return err
	}
	s.rate *= each
	h.rows = append(h.rows, row("ids sent again", "events/s", "each found and refused", []sample{s}))
	size, err := diskUse(h.dir)
	if err != nil {
		return err
	}
	entries := h.sc.eng.Store().Size()
	h.add("ledger on disk", "bytes", fmt.Sprintf("%d entries, %d bytes an entry, log and keys included", entries, uint64(size)/entries), float64(size))
	h.add("memory of the process, its own", "MiB", fmt.Sprintf("and %d MiB of mapped files, which the kernel may drop; %d MiB together at the highest",
		memory("RssFile:")>>20, memory("VmHWM:")>>20), float64(memory("RssAnon:")>>20))
	return nil
}

// postAll lets the producers post so many batches together; the rate is in batches a second.
func postAll(ctx context.Context, producers []*producer, batches int) (out sample, failed error) {
	var left atomic.Int64
	left.Store(int64(batches))
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := time.Now()
	for _, p := range producers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				took, err := p.post(ctx)
				mu.Lock()
				out.latencies, failed = append(out.latencies, took), errors.Join(failed, err)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	out.rate = float64(batches) / time.Since(start).Seconds()
	return out, failed
}

// proofs asks for the proof of entries anywhere.
func (h *history) proofs() error {
	var s sample
	size := h.sc.eng.Store().Size()
	start := time.Now()
	for range 2000 {
		at := time.Now()
		if _, err := h.sc.eng.EntryProof(context.Background(), rand.Uint64N(size)); err != nil {
			return err
		}
		s.latencies = append(s.latencies, time.Since(at))
	}
	s.rate = float64(len(s.latencies)) / time.Since(start).Seconds()
	h.rows = append(h.rows, row("proof of a random entry", "proofs/s", "inclusion, with its entry, as a file", []sample{s}))
	return nil
}

// export writes the whole ledger to a file and verifies that with the independent checker.
func (h *history) export(ctx context.Context) error {
	if h.o.Events > exportEventsMax {
		h.o.note(fmt.Sprintf("export: not measured above %d events", exportEventsMax))
		return nil
	}
	fmt.Fprintln(h.o.Progress, "bench history: export")
	f, err := os.Create(filepath.Join(h.o.Dir, "export"))
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	start := time.Now()
	if err := h.sc.eng.Export(ctx, f, nil); err != nil {
		return errors.Join(err, f.Close())
	}
	h.add("export written", "ms", "", float64(time.Since(start).Milliseconds()))
	size, err := f.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	start = time.Now()
	rep, err := verify.CheckExport(ctx, f, verify.Options{Key: h.sc.keys.Node.Public(), CommandCheck: verify.ActionSignature})
	if err == nil && !rep.Clean() {
		err = fmt.Errorf("the export does not verify: %v", rep.Findings)
	}
	h.add("export verified", "ms", fmt.Sprintf("%d entries, %d bytes, signature of every command", h.sc.eng.Store().Size(), size),
		float64(time.Since(start).Milliseconds()))
	return errors.Join(err, f.Close())
}

// killed starts from a copy of the files as a kill leaves them, to the first acknowledged event.
func (h *history) killed() error {
	fmt.Fprintln(h.o.Progress, "bench history: start after a kill")
	to := filepath.Join(h.o.Dir, "killed")
	if err := copyOwn(h.dir, to); err != nil {
		return err
	}
	defer os.RemoveAll(to)
	start := time.Now()
	found, err := engine.CheckFiles(to)
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("files of a killed node: %v", found)
	}
	if err != nil {
		return err
	}
	checked := time.Since(start)
	start = time.Now()
	e, err := engine.Open(engine.Config{DataDir: to, NodeName: "bench", Cluster: h.sc.gen.Cluster, Node: h.sc.keys.Node, Bus: bus.New(bus.Limits{}),
		Logger: slog.New(slog.DiscardHandler), Capacity: engine.Capacity{CPUMilli: 2000, MemoryBytes: 8 << 30, NetworkBps: 1e9}})
	if err != nil {
		return err
	}
	copied := &scratch{eng: e, keys: h.sc.keys, gen: h.sc.gen}
	_, err = copied.do(context.Background(), state.KindIMVUCreate, state.UnitCreate{Name: "After", OwnerName: state.PlatformName, Dormant: true})
	took := time.Since(start)
	entries := fmt.Sprintf("%d entries, page cache warm", e.Store().Size())
	h.add("after a kill: every file checked", "ms", entries, float64(checked.Milliseconds()))
	h.add("after a kill: open to the first write", "ms", entries, float64(took.Milliseconds()))
	return errors.Join(err, e.Close())
}

// copyOwn copies a tree of files that only their owner may read.
func copyOwn(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		rel, rerr := filepath.Rel(from, path)
		if err = errors.Join(err, rerr); err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := os.OpenFile(filepath.Join(to, rel), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, in)
		return errors.Join(err, out.Close())
	})
}

// diskUse adds the blocks in use of all files up, bytes.
func diskUse(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return nil // removed meanwhile
		}
		total += osfile.Allocated(info)
		return nil
	})
	return total, err
}

// memory reads a line of this process's status, bytes; 0 when there is none.
func memory(line string) int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for l := range strings.SplitSeq(string(b), "\n") {
		if rest, ok := strings.CutPrefix(l, line); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err == nil {
				return kib << 10
			}
		}
	}
	return 0
}
