//go:build unix

package engine_test

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// BenchmarkIndexAdd is what the index by unit costs an entry alone: noting its place, and its share of the segment's making. 300 records
// of 1,000 entries, a segment and some; the units' events mixed.
func BenchmarkIndexAdd(b *testing.B) {
	for _, units := range []int{10, 1000, 100_000} {
		b.Run(fmt.Sprintf("%d units", units), func(b *testing.B) {
			records := make([]ledger.Record, 300)
			seq := uint64(0)
			for i := range records {
				records[i] = ledger.Record{Index: uint64(i + 1), FirstSeq: seq}
				for range 1000 {
					var unit nexus.ID
					binary.BigEndian.PutUint64(unit[:], (seq*0x9E3779B97F4A7C15%uint64(units)+1)*0x9E3779B97F4A7C15)
					records[i].Entries = append(records[i].Entries, ledger.Entry{Seq: seq, Index: uint64(i + 1), TimeMs: 1, Unit: unit, UnitSeq: 1,
						Kind: ledger.KindRevenue, Body: make([]byte, 80)}.AppendTo(nil))
					seq++
				}
			}
			size, start := 0, processTime(b)
			for b.Loop() {
				segments, bytes, err := engine.IndexOf(records)
				if err != nil || segments != 1 {
					b.Fatal(segments, err)
				}
				size = bytes
			}
			b.ReportMetric(float64((processTime(b)-start).Nanoseconds())/float64(b.N)/float64(seq), "cpu-ns/entry")
			b.ReportMetric(float64(size)/(1<<18), "B/entry")
		})
	}
}

// processTime is what this process has taken of the processors, garbage collection too: a busy machine does not change it much.
func processTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkWriteWithIndex posts signed batches of 1,000 events of 20 units from one caller, with the index by unit and without it, in turn.
// Processor time, that of the client's signature and encoding too.
func BenchmarkWriteWithIndex(b *testing.B) {
	r := newRigWith(b, time.Now, func(c *engine.Config) { c.SaveEvery = 1 << 30 })
	var units []nexus.ID
	for i := range 20 {
		units = append(units, r.create(fmt.Sprintf("Unit %d", i), "owner", testKey(1).Public()))
	}
	var spent [2]time.Duration
	rounds := 0
	for b.Loop() {
		for with := range spent {
			if with == 0 {
				r.eng.DropIndex()
			} else if _, err := r.eng.UnitSeqs(units[0], 1, false); err != nil { // fills it
				b.Fatal(err)
			}
			runtime.GC() // what the filling left is nobody's cost
			start := processTime(b)
			for i := range 5 {
				r.thousand(units, fmt.Sprintf("%d-%d-%d", rounds, with, i))
			}
			spent[with] += processTime(b) - start
		}
		rounds++
	}
	for with, name := range []string{"cpu-µs/event-without", "cpu-µs/event-with"} {
		b.ReportMetric(float64(spent[with].Microseconds())/float64(rounds)/5000, name)
	}
}
