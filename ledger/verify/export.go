package verify

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// exportLineMax bounds one line of an export: a record of the largest size in base64.
const exportLineMax = 96 << 20

// ExportReport is the outcome of CheckExport.
type ExportReport struct {
	Report
	Scope string
	Key   string // as the file names its signer

	Checkpoint string // the signed note
	Unit       nexus.ID
	Present    bool       // the unit has entries; false in a clean report: proven to have none
	Head       nexus.Hash // commitment of the unit's last entry
}

// ExportWriter writes an export. Not safe for concurrent use; the first error sticks and is Close's.
type ExportWriter struct {
	w     io.Writer
	sum   hash.Hash
	lines uint64
	err   error
}

// NewExportWriter begins an export of the whole ledger, or of h.Unit when that is set. Format and Scope are filled in.
func NewExportWriter(w io.Writer, h ExportHeader) *ExportWriter {
	h.Format, h.Scope = ExportFormat, scopeLedger
	if h.Unit != nil {
		h.Scope = scopeUnit
	}
	x := &ExportWriter{w: w, sum: sha256.New()}
	x.put(h)
	return x
}

func (x *ExportWriter) put(v any) {
	b, err := line(v)
	if x.err = errors.Join(x.err, err); x.err != nil {
		return
	}
	x.sum.Write(b)
	_, x.err = x.w.Write(b)
}

// Record adds a record of the ledger, canonical bytes, in order.
func (x *ExportWriter) Record(b []byte) error {
	l, err := NewRecordLine(b)
	if x.err = errors.Join(x.err, err); x.err == nil {
		x.lines++
		x.put(l)
	}
	return x.err
}

// Entry adds an entry of the unit, canonical bytes with the entry's salt, in order.
func (x *ExportWriter) Entry(salt [16]byte, b []byte) error {
	l, err := NewEntryLine(salt, b)
	if x.err = errors.Join(x.err, err); x.err == nil {
		x.lines++
		x.put(l)
	}
	return x.err
}

// Close writes the last line. Without it the export is refused as cut off. It does not close the writer below.
func (x *ExportWriter) Close() error {
	x.put(ExportTrailer{Lines: x.lines, SHA256: nexus.Hash(x.sum.Sum(nil))})
	return x.err
}

// CheckExport reads an export and checks all of it with the signer's key alone: that it is whole, that its checkpoint is signed by
// o.Key, that its entries lead to what the checkpoint commits to with nothing left out, added, changed or put in another place, and
// every rule that Run checks of the same entries. Of Options it takes Cluster, Key, Name, Pinned (scope ledger), Witnesses, Quorum,
// FindingsMax and Progress. The error is ctx's or the reader's: whatever is wrong with the bytes is a finding.
func CheckExport(ctx context.Context, r io.Reader, o Options) (ExportReport, error) {
	return checkExport(ctx, r, o, nil)
}

// checkExport calls each, when it is not nil, for every entry of a unit's export, with its commitment.
func checkExport(ctx context.Context, r io.Reader, o Options, each func(*entry, nexus.Hash) error) (ExportReport, error) {
	if o.FindingsMax == 0 {
		o.FindingsMax = 100
	}
	x := &exportRun{ctx: ctx, in: bufio.NewReaderSize(r, 64<<10), sum: sha256.New(), each: each}
	x.run = newRun(o, x)
	x.bare = true
	x.check()
	if err := errors.Join(ctx.Err(), x.broken); err != nil {
		return x.out, err
	}
	x.out.Report = x.report
	return x.out, nil
}

// exportRun is the state of one check of an export.
type exportRun struct {
	*run
	ctx    context.Context
	in     *bufio.Reader
	sum    hash.Hash
	head   ExportHeader
	out    ExportReport
	pin    Pin
	lines  uint64 // between header and trailer
	line   []byte
	ended  bool
	broken error // of reading
	each   func(*entry, nexus.Hash) error
	cell   entry
}

func (x *exportRun) wrong(format string, args ...any) {
	x.found(Finding{What: fmt.Sprintf(format, args...)})
}

// next reads one line; false at the end of the file, after a finding when the line is cut or too long.
func (x *exportRun) next() bool {
	x.line = x.line[:0]
	for {
		part, err := x.in.ReadSlice('\n')
		x.line = append(x.line, part...)
		switch {
		case err == nil:
			return true
		case len(x.line) > exportLineMax:
			x.wrong("line %d is longer than %d bytes", x.lines+2, exportLineMax)
			return false
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			if len(x.line) > 0 {
				x.wrong("the file ends inside a line")
			}
			return false
		default:
			x.broken = err
			return false
		}
	}
}

func (x *exportRun) check() {
	if !x.next() {
		x.wrong("no header: the file is empty or cut off")
		return
	}
	x.sum.Write(x.line)
	if err := x.header(); err != nil {
		x.wrong("header: %v", err)
		return
	}
	if x.out.Scope == scopeUnit {
		x.unitScope()
	} else {
		x.exits, x.prices.whole = newExitCount(), true
		x.records(x.ctx)
		x.finish()
		x.report.Claimed = max(x.report.Entries, x.pin.Size)
	}
	if x.broken != nil || x.ended || x.report.FindingsTotal > 0 {
		return
	}
	x.wrong("the last line is missing: the file was cut off")
}

func (x *exportRun) header() error {
	if err := decodeLine(x.line, &x.head); err != nil {
		if !bytes.HasPrefix(x.line, []byte(`{"format":"`+ExportFormat+`"`)) {
			return fmt.Errorf("not an export of format %s: %w", ExportFormat, err)
		}
		return err
	}
	h := &x.head
	x.out.Scope, x.out.Key, x.out.Checkpoint = h.Scope, h.Key, h.Checkpoint
	switch {
	case h.Format != ExportFormat:
		return fmt.Errorf("format %q; this version reads %s", h.Format, ExportFormat)
	case h.Scope != scopeLedger && h.Scope != scopeUnit, (h.Scope == scopeUnit) != (h.Unit != nil):
		return fmt.Errorf("scope %q is none, or without its unit", h.Scope)
	}
	if h.Key == "" {
		return errors.New("names no key")
	}
	pin, err := signed(h.Checkpoint, h.Key, &x.o)
	if err == nil {
		x.report.Cosigners, err = cosigned(h.Checkpoint, &x.o)
	}
	if err != nil {
		return err
	}
	x.pin = pin
	x.report.CheckpointChecked, x.report.CheckpointSize = true, pin.Size
	if h.Scope == scopeLedger {
		x.pins = append(append(x.pins, x.o.Pinned...), pin)
		x.sortPins()
		return nil
	}
	for _, p := range x.o.Pinned {
		if p.Size == pin.Size && p.Root != pin.Root {
			return fmt.Errorf("another root than the checkpoint seen before has at %d entries", pin.Size)
		}
	}
	return nil
}

// signed opens a checkpoint in its one spelling, signed by o.Key; when o names no cluster, the note's origin does. named is the key
// as the file states it: it must be the same ("": not stated).
func signed(text, named string, o *Options) (Pin, error) {
	if err := strictNote(text); err != nil {
		return Pin{}, fmt.Errorf("checkpoint: %w", err)
	}
	if o.Key.IsZero() {
		return Pin{}, errors.New("no key to check the checkpoint with")
	}
	if o.Cluster.IsZero() {
		origin, _, _ := strings.Cut(text, "\n")
		id, ok := strings.CutPrefix(origin, "nexus/")
		if !ok || o.Cluster.UnmarshalText([]byte(id)) != nil || o.Cluster.String() != id {
			return Pin{}, fmt.Errorf("checkpoint of %q, which is no log of this kind", origin)
		}
	}
	pin, err := openCheckpoint(text, *o)
	if err != nil {
		return Pin{}, fmt.Errorf("checkpoint: %w", err)
	}
	if key, err := vkeyOf(*o); err != nil || named != "" && key != named {
		return Pin{}, fmt.Errorf("the file names the key %q, the checkpoint is signed by %q", named, key)
	}
	return pin, nil
}

// Scan implements Source: an export holds no stored keys.
func (x *exportRun) Scan(func(key, sealed []byte) error) error { return nil }

// Get implements Source.
func (x *exportRun) Get(key []byte) ([]byte, error) {
	return nil, nexus.Errf("read export", nexus.CodeNotFound, keyName(key), "", "an export holds records only")
}

// Records implements Source over the lines between header and trailer.
func (x *exportRun) Records(fn func(index uint64, encoded []byte) error) error {
	for x.next() {
		if x.trailer() {
			return nil
		}
		var l RecordLine
		if err := decodeLine(x.line, &l); err != nil {
			return fmt.Errorf("line %d: %w", x.lines+2, err)
		}
		again, err := NewRecordLine(l.Record)
		if err == nil && (again.Index != l.Index || again.First != l.First || again.Entries != l.Entries) {
			err = errors.New("the fields beside the record are not what it holds")
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", x.lines+2, err)
		}
		if err := fn(l.Index, l.Record); err != nil {
			return err
		}
		x.sum.Write(x.line)
		x.lines++
	}
	return nil
}

// trailer handles the last line, if this is it.
func (x *exportRun) trailer() bool {
	if !bytes.HasPrefix(x.line, []byte(`{"lines":`)) {
		return false
	}
	x.ended = true
	var t ExportTrailer
	if err := decodeLine(x.line, &t); err != nil {
		x.wrong("last line: %v", err)
		return true
	}
	if t.Lines != x.lines {
		x.wrong("the last line says %d lines, there are %d", t.Lines, x.lines)
	}
	if sum := nexus.Hash(x.sum.Sum(nil)); t.SHA256 != sum {
		x.wrong("SHA-256 of the file is %s, its last line says %s", sum, t.SHA256)
	}
	if x.next() {
		x.wrong("something follows the last line")
	}
	return true
}

// unitScope checks a unit's entries against what the checkpoint commits to for it.
func (x *exportRun) unitScope() {
	p := x.head.Unit
	x.out.Unit, x.out.Present, x.out.Head = p.ID, p.Present, p.Head
	if err := p.check(x.pin); err != nil {
		x.wrong("unit %s: %v", p.ID, err)
	}
	u := &unit{}
	x.units[p.ID] = u
	var last [32]byte
	for x.next() {
		if x.ctx.Err() != nil || x.trailer() {
			break
		}
		if !x.unitLine(p, u) {
			return
		}
		last = u.head
		x.sum.Write(x.line)
		x.lines++
		if x.o.Progress != nil {
			x.o.Progress(x.lines)
		}
	}
	if x.unsettled != 0 {
		x.foundRecord("posts an event that was announced, without settling the announcement")
	}
	r := &x.report
	r.Entries, r.Claimed, r.Units, r.UnitsChecked = x.lines, p.Sequence, 1, true
	if u.seq != p.Sequence || last != p.Head {
		x.wrong("the checkpoint commits to %d entries of unit %s with the head %s; this file has %d with the head %x: entries were left out, added or changed",
			p.Sequence, p.ID, p.Head, u.seq, last)
		return
	}
	x.unitEnd(p, u)
}

// unitLine checks one entry; false when nothing after it can be checked.
func (x *exportRun) unitLine(p *UnitProof, u *unit) bool {
	var l EntryLine
	salt, err := [16]byte{}, decodeLine(x.line, &l)
	if err == nil {
		salt, err = parseSalt(l.Salt)
	}
	if err == nil {
		err = sameLine(&x.cell, salt, l.Bytes, x.line)
	}
	if err != nil {
		x.wrong("line %d: %v", x.lines+2, err)
		return false
	}
	e := &x.cell
	newCommand := e.index != x.record.Index
	if newCommand && x.unsettled != 0 {
		x.foundRecord("posts an event that was announced, without settling the announcement")
	}
	switch {
	case e.unit != p.ID:
		x.wrong("line %d: an entry of unit %s", x.lines+2, nexus.ID(e.unit))
		return false
	case x.lines > 0 && (e.seq <= x.tree.size || e.index < x.record.Index || newCommand != (e.timeMs > x.timeMs)):
		x.wrong("line %d: stands before the entry above it", x.lines+2)
	}
	if newCommand {
		x.genesis, x.unsettled, x.lastEvent = false, 0, eventName{}
	}
	// The checks of Run name the place by these.
	x.record.Index, x.tree.size, x.timeMs = e.index, e.seq, e.timeMs
	if e.unitSeq != u.seq+1 || e.unitPrev != u.head {
		x.foundEntry("number %d does not follow number %d of the unit's chain: something was left out, added or changed", e.unitSeq, u.seq)
	}
	u.seq, u.head = e.unitSeq, saltedCommitment(salt, l.Bytes)
	x.content(int(min(e.unitSeq-1, 1<<30)), e)
	if x.each != nil {
		if err := x.each(e, u.head); err != nil {
			x.foundEntry("%v", err)
		}
	}
	return true
}

// unitEnd compares what the entries add up to with the checkpoint's balances, and finds the last entry in the log itself.
func (x *exportRun) unitEnd(p *UnitProof, u *unit) {
	r := &x.report
	if p.Present && u.mapValue(p.ID) != p.value() {
		x.wrong("the entries of unit %s add up to other balances than the checkpoint commits to", p.ID)
	}
	r.Totals = map[Account]Total{}
	for _, a := range u.accounts {
		r.Totals[Account{Unit: p.ID, Currency: a.currency}] = a.total
	}
	switch {
	case !p.Present && p.Inclusion == nil:
	case !p.Present || p.Inclusion == nil || p.Inclusion.Entry != x.tree.size:
		x.wrong("the proof that the log holds the last entry is missing, or of another entry")
	default:
		if err := checkInclusion(p.Inclusion.Proof, p.Inclusion.Entry, x.pin.Size, leafHash(u.head), x.pin.Root); err != nil {
			x.wrong("the log does not hold the unit's last entry: %v", err)
		}
	}
}

func parseSalt(text string) (salt [16]byte, err error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 16 {
		return salt, fmt.Errorf("salt %q", text)
	}
	return [16]byte(raw), nil
}

// sameLine demands that a line is what its own bytes give, and leaves the entry in e.
func sameLine(e *entry, salt [16]byte, b, text []byte) error {
	l, err := entryLine(e, salt, b)
	if err != nil {
		return err
	}
	again, err := line(l)
	if err == nil && !bytes.Equal(again, text) {
		err = errors.New("the fields beside the entry are not what it holds")
	}
	return err
}

func strict64(s string) ([]byte, error) { return base64.StdEncoding.Strict().DecodeString(s) }
