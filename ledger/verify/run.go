package verify

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	stdslices "slices"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// Run checks everything src holds. The error is ctx's, or nil: whatever is wrong with the bytes is a finding.
func Run(ctx context.Context, src Source, o Options) (Report, error) {
	if o.FindingsMax == 0 {
		o.FindingsMax = 100
	}
	c := newRun(o, src)
	c.exits, c.prices.whole = newExitCount(), true
	c.scan(ctx)
	c.prepareCheckpoint()
	if ctx.Err() == nil {
		c.records(ctx)
	}
	if err := ctx.Err(); err != nil {
		return c.report, err
	}
	c.finish()
	return c.report, nil
}

func newRun(o Options, src Source) *run {
	c := &run{o: o, src: src, units: map[[16]byte]*unit{}, pending: map[[16]byte]announced{}, waits: map[eventName][16]byte{}}
	c.tree.full = c.checkTile
	return c
}

// run is the state of one check.
type run struct {
	o      Options
	src    Source
	report Report
	bare   bool // an export: records without the keys that a store keeps beside them

	tree    tree
	units   map[[16]byte]*unit
	pins    []Pin
	record  Record
	entry   entry
	scratch []byte
	timeMs  int64
	rooted  bool // a root did not fit before: every later one will not either

	head       *headValue
	seqKeys    uint64
	tileKeys   uint64
	recordKeys uint64
	tilesFull  uint64
	decisions  int // of the record under way
	rollups    int
	genesis    bool

	bindings  bindings
	pending   map[[16]byte]announced // events that wait
	waits     map[eventName][16]byte // the same by their names
	lastEvent eventName              // the newest revenue entry of the record under way, while anything waits
	lastMinor int64
	unsettled int // events posted in this record that wait for their entry

	exits  *exitCount // nil: not a whole ledger
	prices priceBook
}

type headValue struct{ version, applied, lastIndex, size uint64 }

// unit is where a unit's chain and totals stand. Few units have more than a handful of currencies.
type unit struct {
	seq      uint64
	head     [32]byte
	known    bool
	kind     uint64
	percent  uint64
	parent   [16]byte
	accounts []account
	balances []balance
	money    *unitMoney
}

type account struct {
	currency string
	total    Total
}

func (c *run) found(f Finding) {
	c.report.FindingsTotal++
	if len(c.report.Findings) < c.o.FindingsMax {
		c.report.Findings = append(c.report.Findings, f)
	}
}

func (c *run) foundRecord(format string, args ...any) {
	index := c.record.Index
	c.found(Finding{Record: &index, What: fmt.Sprintf(format, args...)})
}

func (c *run) foundEntry(format string, args ...any) {
	index, seq := c.record.Index, c.tree.size
	c.found(Finding{Record: &index, Seq: &seq, What: fmt.Sprintf(format, args...)})
}

func (c *run) foundKey(key []byte, format string, args ...any) {
	c.found(Finding{Key: keyName(key), What: fmt.Sprintf(format, args...)})
}

func keyName(key []byte) string {
	if len(key) < 2 || key[1] != '/' || key[0] == 'm' {
		return fmt.Sprintf("%q", key)
	}
	return fmt.Sprintf("%s%x", key[:2], key[2:])
}

var errStop = errors.New("stop")

// scan checks the seal of every stored value and counts the keys, so that none is there without a reason.
func (c *run) scan(ctx context.Context) {
	err := c.src.Scan(func(key, sealed []byte) error {
		if ctx.Err() != nil {
			return errStop
		}
		c.report.Keys++
		payload, why := openSeal(key, sealed)
		if why != "" {
			c.foundKey(key, "%s: the bytes changed after they were written", why)
			return nil
		}
		c.count(key, payload)
		return nil
	})
	if err != nil && !errors.Is(err, errStop) {
		c.found(Finding{What: "the scan of all keys broke off: " + err.Error()})
	}
}

func (c *run) count(key, payload []byte) {
	form := func(prefix string, size int) bool { return len(key) == size && string(key[:2]) == prefix }
	switch {
	case form("r/", 12):
		if binary.BigEndian.Uint16(key[10:]) == 0 {
			c.recordKeys++
		}
	case form("q/", 10):
		c.seqKeys++
	case form("h/", 11):
		c.tileKeys++
	case string(key) == "m/checkpoint", string(key) == "m/records":
	case string(key) == "m/head":
		in := reader{b: payload}
		c.head = &headValue{in.bounded(255, "version"), in.uint(), in.uint(), in.uint()}
		if err := in.end(); err != nil || c.head.version < 1 || c.head.version > 2 {
			c.foundKey(key, "not a head of version 1 or 2")
		}
		c.report.Claimed = c.head.size
	case len(key) > 2 && (key[0] == 'd' || key[0] == 'x') && key[1] == '/':
	default:
		c.foundKey(key, "no such key belongs in a ledger")
	}
}

func (c *run) records(ctx context.Context) {
	err := c.src.Records(func(index uint64, encoded []byte) error {
		if ctx.Err() != nil || !c.oneRecord(index, encoded) {
			return errStop
		}
		if c.o.Progress != nil {
			c.o.Progress(c.report.Entries)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errStop) {
		c.found(Finding{What: fmt.Sprintf("reading broke off after record %d: %v", c.report.LastIndex, err)})
	}
}

// oneRecord checks a record; false when nothing after it can be checked.
func (c *run) oneRecord(index uint64, encoded []byte) bool {
	r := &c.record
	if err := r.parse(encoded); err != nil {
		r.Index = index
		c.foundRecord("not a canonical record: %v", err)
		return false
	}
	switch {
	case r.Index != index:
		c.foundRecord("stored under index %d", index)
	case c.report.Records > 0 && index <= c.report.LastIndex:
		c.foundRecord("comes after record %d", c.report.LastIndex)
	}
	if r.FirstSeq != c.tree.size {
		c.foundRecord("begins at entry %d, the one before ended before %d: records are missing or repeated",
			r.FirstSeq, c.tree.size)
		return false
	}
	if r.TimeMs <= c.timeMs {
		c.foundRecord("log time %d ms does not rise above %d ms", r.TimeMs, c.timeMs)
	}
	c.timeMs = max(c.timeMs, r.TimeMs)
	if c.exits != nil {
		c.exits.turn(c.timeMs, c.tree.size, c.tree.root)
	}
	c.checkSeqKey(r)
	c.decisions, c.rollups, c.genesis, c.unsettled, c.lastEvent = 0, 0, false, 0, eventName{}
	for i, b := range r.Entries {
		c.oneEntry(i, b)
	}
	if c.decisions != 1 && !c.genesis && (c.decisions > 1 || c.rollups == 0) {
		c.foundRecord("%d decisions, want one per command", c.decisions)
	}
	if c.unsettled != 0 {
		c.foundRecord("posts an event that was announced, without settling the announcement")
	}
	if root := c.tree.root(); root != r.Root && !c.rooted {
		c.rooted = true
		c.foundRecord("states the root %x, recomputed %x", r.Root, root)
	}
	if c.o.CommandCheck != nil {
		if err := c.o.CommandCheck(r); err != nil {
			c.foundRecord("command: %v", err)
		}
	}
	c.report.Records++
	c.report.LastIndex = index
	return true
}

func (c *run) checkSeqKey(r *Record) {
	if c.bare {
		return
	}
	key := binary.BigEndian.AppendUint64([]byte("q/"), r.FirstSeq)
	payload, err := c.src.Get(key)
	if err != nil {
		c.foundKey(key, "index of record %d: %v", r.Index, err)
	} else if len(payload) != 8 || binary.BigEndian.Uint64(payload) != r.Index {
		c.foundKey(key, "points to %x, not to record %d", payload, r.Index)
	}
}

// checkTile compares a recomputed full tile with the stored one.
func (c *run) checkTile(level int, index uint64, hashes []byte) {
	if c.bare {
		return
	}
	c.tilesFull++
	key := binary.BigEndian.AppendUint64([]byte{'h', '/', byte(level)}, index)
	payload, err := c.src.Get(key)
	if err != nil {
		c.foundKey(key, "tile: %v", err)
	} else if string(payload) != string(hashes) {
		c.foundKey(key, "tile is not what the entries hash to")
	}
}

// finish checks what can only be known at the end.
func (c *run) finish() {
	r := &c.report
	r.Entries, r.Units, r.Root = c.tree.size, uint64(len(c.units)), c.tree.root()
	r.Totals = make(map[Account]Total)
	for id, u := range c.units {
		for _, a := range u.accounts {
			r.Totals[Account{Unit: id, Currency: a.currency}] = a.total
		}
	}
	c.passPins()
	for _, pin := range c.pins {
		c.found(Finding{What: fmt.Sprintf("a checkpoint was seen at %d entries, the ledger has only %d: entries were cut off",
			pin.Size, c.tree.size)})
	}
	if c.bare {
		return
	}
	if c.head == nil {
		if r.Records > 0 {
			c.foundKey([]byte("m/head"), "missing")
		}
		r.Claimed = max(r.Claimed, r.Entries)
	} else {
		if c.head.size != r.Entries {
			c.foundKey([]byte("m/head"), "says %d entries, there are %d", c.head.size, r.Entries)
		}
		if r.Records > 0 && (c.head.lastIndex != r.LastIndex || c.head.applied < r.LastIndex) {
			c.foundKey([]byte("m/head"), "says last record %d, applied %d; the last record is %d",
				c.head.lastIndex, c.head.applied, r.LastIndex)
		}
	}
	for _, n := range []struct {
		what        string
		stored, own uint64
	}{{"records", c.recordKeys, r.Records}, {"index keys q/", c.seqKeys, r.Records}, {"tiles", c.tileKeys, c.tilesFull}} {
		if n.stored != n.own {
			c.found(Finding{What: fmt.Sprintf("%d %s stored, the checked records account for %d", n.stored, n.what, n.own)})
		}
	}
}

// passPins compares the tree with every pin at its present size.
func (c *run) passPins() {
	for len(c.pins) > 0 && c.pins[0].Size == c.tree.size {
		if root := nexus.Hash(c.tree.root()); c.pins[0].Root != root {
			c.found(Finding{What: fmt.Sprintf("at %d entries a checkpoint has the root %s, recomputed %s: history was changed",
				c.pins[0].Size, c.pins[0].Root, root)})
		}
		c.checkUnits(c.pins[0])
		c.pins = c.pins[1:]
	}
}

// checkUnits compares the map of units at the present size with what a checkpoint says of it.
func (c *run) checkUnits(pin Pin) {
	if pin.Units.IsZero() {
		return
	}
	c.report.UnitsChecked = true
	if root := nexus.Hash(c.unitsRoot()); root != pin.Units {
		c.found(Finding{What: fmt.Sprintf("at %d entries a checkpoint commits to units %s, recomputed %s: a unit's sequence, head or balance differs",
			pin.Size, pin.Units, root)})
	}
}

func (c *run) sortPins() {
	stdslices.SortFunc(c.pins, func(a, b Pin) int {
		if a.Size < b.Size {
			return -1
		}
		if a.Size > b.Size {
			return 1
		}
		return 0
	})
}
