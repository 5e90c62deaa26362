package bundle

import (
	"bytes"
	"context"
	"io"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// exportPasses is how many passes along the entries the export counts for: it makes the proof of each.
const exportPasses = 4

// work reckons how much of a bundle is made. Its unit is one entry read once; a part costs its passes along all entries, and one for itself. It
// belongs to the goroutine that writes.
type work struct {
	entries uint64 // of the unit
	all     uint64 // 0: not known yet
	done    uint64 // by whole parts
	seen    uint64 // entries read for the part at hand
	part    uint64 // what the part at hand costs
	last    int    // percent that was told
	told    func(percent int)
}

// cost is what a part of so many passes costs.
func (w *work) cost(passes int) uint64 { return 1 + uint64(passes)*w.entries }

// begin turns to the next part; what the one before was to cost is done.
func (w *work) begin(cost uint64, told func(percent int)) int {
	w.done, w.seen, w.part, w.told = w.done+w.part, 0, cost, told
	w.last = w.percent()
	return w.last
}

// read counts an entry, of a part whose entries count for so much.
func (w *work) read(passes uint64) {
	w.seen += passes
	if p := w.percent(); p != w.last && w.told != nil {
		w.last = p
		w.told(p)
	}
}

// percent is how much of all is made, from 0 to 99: the whole is there when its end was sent.
func (w *work) percent() int {
	if w.all == 0 {
		return 0
	}
	return int(min((w.done+min(w.seen, w.part))*100/w.all, 99))
}

// each calls fn for the unit's entries and counts them.
func (s *source) each(ctx context.Context, fn func(e *ledger.Entry, commitment nexus.Hash) error) error {
	return s.frozen.Entries(ctx, func(e *ledger.Entry, commitment nexus.Hash) error {
		s.work.read(1)
		return fn(e, commitment)
	})
}

// export writes the unit's entries with their proof and counts the lines, one of each entry.
func (s *source) export(ctx context.Context, w io.Writer) error {
	return s.frozen.Export(ctx, lines{w, func() { s.work.read(exportPasses) }})
}

// lines tells of each line that is written.
type lines struct {
	io.Writer
	told func()
}

func (l lines) Write(b []byte) (int, error) {
	n, err := l.Writer.Write(b)
	for range bytes.Count(b[:n], []byte{'\n'}) {
		l.told()
	}
	return n, err
}
