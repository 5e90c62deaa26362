package consensus

import (
	"context"
	"runtime"
	"strings"
	"testing"
)

func benchmarkPropose(b *testing.B, callers, size int) {
	p := mustOpen(b, b.TempDir(), nil)
	data := []byte(strings.Repeat("e", size))
	b.SetBytes(int64(size))
	b.SetParallelism((callers + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, err := p.group.Propose(context.Background(), data); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(p.group.Status().StoreP99.Microseconds()), "store-p99-us")
	p.machine.seen = nil
	mustClose(b, p)
}

// Each operation is durable: log fsync, machine fdatasync, head fdatasync, shared by those in one batch.
func BenchmarkPropose1Caller(b *testing.B) {
	b.SetParallelism(1)
	p := mustOpen(b, b.TempDir(), nil)
	data := []byte(strings.Repeat("e", 200))
	b.ResetTimer()
	for range b.N {
		if _, _, err := p.group.Propose(context.Background(), data); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	mustClose(b, p)
}

func BenchmarkPropose64Callers(b *testing.B) { benchmarkPropose(b, 64, 200) }

// A signed batch of 1000 events is about 100 KB.
func BenchmarkPropose64Callers100KB(b *testing.B) { benchmarkPropose(b, 64, 100<<10) }
