//go:build unix

package bench

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

// BenchmarkBatches is the case "signed batches of 1000, producer sequence" of the ledger bench, for profiles: one iteration is one batch.
// The processor time of an event is steadier than the rate on a machine that does other things too.
func BenchmarkBatches(b *testing.B) {
	for _, callers := range []int{1, 4} {
		b.Run(fmt.Sprintf("%d sources", callers), func(b *testing.B) { benchmarkBatches(b, callers) })
	}
}

func benchmarkBatches(b *testing.B, callers int) {
	const events = 1000
	ctx := context.Background()
	sc, err := newScratch(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer sc.eng.Close()
	units, err := sc.units(ctx, 16)
	if err != nil {
		b.Fatal(err)
	}
	producers := make([]producer, callers)
	for i := range producers {
		producers[i] = producer{sc: sc, units: units, source: fmt.Sprintf("producer-%d", i), events: events, sequenced: true, caller: i}
		reg := state.SourceRegister{Name: producers[i].source, Class: state.ClassAttested, Key: sc.keys.Operator.Public()}
		if _, err := sc.do(ctx, state.KindSourceRegister, reg); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime(b)
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for i := range producers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := producers[i].post(ctx); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	total := float64(b.N) * events
	b.ReportMetric(float64(processorTime(b)-before)/total, "cpu-ns/event")
	b.ReportMetric(total/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkProofs is the proof of a random entry, as the history bench asks for it, of a ledger of 200,000 events with ids of their own.
func BenchmarkProofs(b *testing.B) {
	dir := b.TempDir()
	sc, err := newScratch(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer sc.eng.Close()
	units, err := sc.units(context.Background(), 16)
	if err != nil {
		b.Fatal(err)
	}
	h := history{o: Options{Events: 200_000, Progress: io.Discard}, sc: sc, dir: dir}
	if err := h.fill(context.Background(), units); err != nil {
		b.Fatal(err)
	}
	size := sc.eng.Store().Size()
	random := rand.New(rand.NewPCG(1, 2))
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime(b)
	for range b.N {
		if _, err := sc.eng.EntryProof(context.Background(), random.Uint64N(size)); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N)/1000, "cpu-µs/proof")
}

// processorTime is what this process has used so far, user and system.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
