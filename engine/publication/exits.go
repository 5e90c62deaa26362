// Package publication computes what is owed to the public each month: counts, times and failures of exits (SPEC section 5).
//
// It promises: pure folds over the ledger's entries, so that the same entries give the same document at any time and for anybody who holds
// them (ledger/verify recomputes it with code of its own); and nothing of any person or unit in it, only counts and durations. It must not
// import engine.
package publication

import (
	"crypto/sha256"
	"fmt"
	stdslices "slices"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
)

// ExitsVersion is the version of the form of Exits, part of the digest.
const ExitsVersion = 1

// Exits is the publication of one month. Probes are left out. Open + Left + Stayed = OpenBefore + Asked. Times are milliseconds, from the
// moment at which an owner asked to leave to the moment at which the owner signed that the verified bundle is in hand.
type Exits struct {
	Version     uint8      `json:"version"`
	What        string     `json:"what"` // exits
	Cluster     nexus.ID   `json:"cluster"`
	Month       string     `json:"month"`          // YYYY-MM, UTC
	Size        uint64     `json:"ledger_entries"` // with a log time before the month's end: all of them were read
	Root        nexus.Hash `json:"ledger_root"`    // of these
	OpenBefore  uint64     `json:"open_at_begin"`
	Asked       uint64     `json:"asked"`     // to leave
	Left        uint64     `json:"left"`      // completed
	Stayed      uint64     `json:"stayed"`    // their owners ended them before they were complete
	CameBack    uint64     `json:"came_back"` // after they were complete, within the time of grace
	Open        uint64     `json:"open_at_end"`
	OpenLate    uint64     `json:"open_at_end_late"` // of these, under way for more than two hours
	Late        uint64     `json:"left_late"`        // of those that left, after more than two hours
	ShortestMs  int64      `json:"shortest_ms"`      // of those that left; 0 when none did
	MedianMs    int64      `json:"median_ms"`        // the lower of the two in the middle
	LongestMs   int64      `json:"longest_ms"`
	TotalMs     int64      `json:"total_ms"`
	FailedNode  uint64     `json:"failures_seen_by_node"` // one failure can be seen by both sides
	FailedOwner uint64     `json:"failures_seen_by_owner"`
	FailedUnits uint64     `json:"exits_with_failures"` // that failed at least once in the month
	Released    uint64     `json:"released"`            // the time of grace ended, hosts and routes went
	Closed      uint64     `json:"closed"`              // the time of retention ended
}

const exitsDomain = "nexus-exits-v1\n"

// Digest is what the publication's entry commits to: SHA-256 over the domain and the canonical bytes of the document.
func (d *Exits) Digest() nexus.Hash {
	return sha256.Sum256(nexus.AppendCanonical([]byte(exitsDomain), *d))
}

// leaving is an exit that began and neither ended nor closed.
type leaving struct {
	begunMs int64
	done    bool
	owner   nexus.PublicKey // who began it
}

// Fold adds entries up, month by month. Not for use by several goroutines at once.
type Fold struct {
	size    uint64 // entries read
	first   uint32 // that the first entry stands in; 0 before it
	month   uint32 // that the newest one stands in
	probes  map[nexus.ID]bool
	exits   map[nexus.ID]*leaving
	months  []Exits // that are over, as their entries end, oldest first; without cluster and root
	running Exits
	times   []int64
	failed  map[nexus.ID]bool
}

// NewFold begins at the ledger's first entry.
func NewFold() *Fold {
	return &Fold{probes: map[nexus.ID]bool{}, exits: map[nexus.ID]*leaving{}, failed: map[nexus.ID]bool{}}
}

// First gives the month of the ledger's first entry, the first that there is a publication of; 0 before it.
func (f *Fold) First() uint32 { return f.first }

// Month gives a month's document, without cluster and root; false for one before the ledger's first. Of a month that no later entry stands
// behind it is what the entries so far say.
func (f *Fold) Month(month uint32) (Exits, bool) {
	if f.first == 0 || month < f.first {
		return Exits{}, false
	}
	for i := range f.months {
		if f.months[i].Month == state.MonthText(month) {
			return f.months[i], true
		}
	}
	d := f.end(f.month)
	for at := f.month; at < month; {
		at = state.NextMonth(at)
		d = f.quiet(at, d.Open)
	}
	return d, true
}

// Add takes the ledger's next entry. Error: nexus.CodeCorrupt.
func (f *Fold) Add(raw []byte) error {
	h, err := ledger.HeadOf(raw)
	if err != nil {
		return err
	}
	if h.Seq != f.size {
		return nexus.Errf("publication", nexus.CodeCorrupt, fmt.Sprintf("entry %d", h.Seq), "run nexus ledger verify", "stands at place %d", f.size)
	}
	f.turn(state.MonthOf(h.TimeMs))
	f.size++
	switch h.Kind {
	case ledger.KindUnit, ledger.KindExit, ledger.KindExitDone:
	default:
		return nil
	}
	e, err := ledger.ParseEntry(raw)
	if err == nil {
		err = f.take(&e)
	}
	if err != nil {
		return nexus.Errf("publication", nexus.CodeCorrupt, fmt.Sprintf("entry %d", h.Seq), "run nexus ledger verify", "%w", err)
	}
	return nil
}

// turn ends the months before the one that an entry stands in.
func (f *Fold) turn(month uint32) {
	if f.month == 0 {
		f.first, f.month = month, month
		return
	}
	for f.month < month {
		d := f.end(f.month)
		f.months = append(f.months, d)
		f.month, f.running, f.times, f.failed = state.NextMonth(f.month), Exits{OpenBefore: d.Open}, nil, map[nexus.ID]bool{}
	}
}

// end gives the document of the running month as the entries so far say.
func (f *Fold) end(month uint32) Exits {
	d := f.running
	d.Version, d.What, d.Month, d.Size = ExitsVersion, state.PublishedExits, state.MonthText(month), f.size
	d.FailedUnits = uint64(len(f.failed))
	d.Open, d.OpenLate = f.open(month)
	if n := len(f.times); n > 0 {
		sorted := stdslices.Sorted(stdslices.Values(f.times))
		d.ShortestMs, d.MedianMs, d.LongestMs = sorted[0], sorted[(n-1)/2], sorted[n-1]
	}
	return d
}

// quiet is a month without an entry.
func (f *Fold) quiet(month uint32, open uint64) Exits {
	d := Exits{Version: ExitsVersion, What: state.PublishedExits, Month: state.MonthText(month), Size: f.size, OpenBefore: open}
	d.Open, d.OpenLate = f.open(month)
	return d
}

func (f *Fold) open(month uint32) (open, late uint64) {
	end, _ := state.MonthEndMs(month)
	for _, x := range f.exits {
		if !x.done {
			open++
			if end-x.begunMs > state.ExitAlarmMs {
				late++
			}
		}
	}
	return open, late
}

// take reads an entry about a unit.
func (f *Fold) take(e *ledger.Entry) error {
	switch e.Kind {
	case ledger.KindUnit:
		var b ledger.UnitBody
		if err := nexus.Decode(e.Body, &b); err != nil {
			return err
		}
		if b.Kind == nexus.KindProbe {
			f.probes[e.Unit] = true
		}
		return nil
	case ledger.KindExitDone:
		if x := f.exits[e.Unit]; x != nil && !x.done && !f.probes[e.Unit] {
			took := e.TimeMs - x.begunMs
			x.done = true
			f.times = append(f.times, took)
			f.running.Left++
			f.running.TotalMs += took
			if took > state.ExitAlarmMs {
				f.running.Late++
			}
		}
		return nil
	}
	var b ledger.ExitBody
	if err := nexus.Decode(e.Body, &b); err != nil {
		return err
	}
	if !f.probes[e.Unit] {
		f.exit(e, &b)
	}
	return nil
}

func (f *Fold) exit(e *ledger.Entry, b *ledger.ExitBody) {
	x := f.exits[e.Unit]
	switch {
	case b.Verb == "begun":
		f.exits[e.Unit] = &leaving{begunMs: e.TimeMs, owner: b.By}
		f.running.Asked++
	case x == nil:
	case b.Verb == "failed":
		f.failed[e.Unit] = true
		if b.By == x.owner {
			f.running.FailedOwner++
		} else {
			f.running.FailedNode++
		}
	case b.Verb == "cancelled":
		if x.done {
			f.running.CameBack++
		} else {
			f.running.Stayed++
		}
		delete(f.exits, e.Unit)
	case b.Verb == "released":
		f.running.Released++
	case b.Verb == "closed":
		f.running.Closed++
		delete(f.exits, e.Unit)
	}
}
