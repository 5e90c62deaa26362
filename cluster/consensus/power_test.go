//go:build unix

package consensus

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// sector is the unit that a disk writes whole or not at all, bytes.
const sector = 512

// trace is all that was done to the files of a place, in order, and the acknowledgements between. It is safe for
// concurrent use.
type trace struct {
	mu    sync.Mutex
	start map[string][]byte // the files when it began, all of them on the disk
	ops   []traced
}

// traced is one operation, or an acknowledgement.
type traced struct {
	Op
	acked string
}

func (tr *trace) watch(op Op) error {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	op.Data = append([]byte(nil), op.Data...)
	tr.ops = append(tr.ops, traced{Op: op})
	return nil
}

func (tr *trace) ack(line string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.ops = append(tr.ops, traced{acked: line})
}

// readTree gives the files below dir by their path.
func readTree(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		out[path] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// diskFile is one file: what a sync has made safe, and the writes since.
type diskFile struct {
	safe    []byte
	pending []Op
	named   bool // its name was synced with its first sync, as raft-wal does
}

// disk is a model of a file system of the weakest kind: contents are safe after a sync of the file, names after a sync of the folder; until then
// any sectors of any writes may be there, and the first few of a folder's changes.
type disk struct {
	names   map[string]*diskFile // as the process sees them
	safe    map[string]*diskFile // as they stand on the disk
	changes map[string][]func(map[string]*diskFile)
}

func newDisk(files map[string][]byte) *disk {
	d := &disk{names: map[string]*diskFile{}, changes: map[string][]func(map[string]*diskFile){}}
	for path, b := range files {
		d.names[path] = &diskFile{safe: append([]byte(nil), b...), named: true}
	}
	d.safe = maps.Clone(d.names)
	return d
}

// change does something to a folder's names, now for the process, later for the disk.
func (d *disk) change(path string, fn func(map[string]*diskFile)) {
	fn(d.names)
	d.changes[filepath.Dir(path)] = append(d.changes[filepath.Dir(path)], fn)
}

func (d *disk) syncFolder(dir string) {
	for _, fn := range d.changes[dir] {
		fn(d.safe)
	}
	delete(d.changes, dir)
}

func (f *diskFile) sync() {
	for _, w := range f.pending {
		f.safe = applied(f.safe, w.Data, w.Offset)
	}
	f.pending = nil
}

func applied(b, data []byte, at int64) []byte {
	if need := int(at) + len(data); need > len(b) {
		b = append(b, make([]byte, need-len(b))...)
	}
	copy(b[at:], data)
	return b
}

// do repeats one operation on the model.
func (d *disk) do(op Op) error {
	switch {
	case op.Step == StepLogCreate:
		f := &diskFile{safe: make([]byte, op.Size)}
		d.change(op.Path, func(n map[string]*diskFile) { n[op.Path] = f })
	case op.Step == StepLogDelete, op.Step == StepMarkerRemove:
		d.change(op.Path, func(n map[string]*diskFile) { delete(n, op.Path) })
		if op.Step == StepLogDelete { // raft-wal syncs the folder in the same step
			d.syncFolder(filepath.Dir(op.Path))
		}
	case strings.HasSuffix(op.Step, " rename"):
		d.change(op.Path, func(n map[string]*diskFile) {
			if f := n[op.Path]; f != nil {
				n[op.To] = f
				delete(n, op.Path)
			}
		})
	case strings.HasSuffix(op.Step, " folder sync"):
		d.syncFolder(op.Path)
	case strings.HasSuffix(op.Path, osfile.TempSuffix) && strings.HasSuffix(op.Step, " write"):
		f := &diskFile{pending: []Op{op}, named: true}
		d.change(op.Path, func(n map[string]*diskFile) { n[op.Path] = f })
	case d.names[op.Path] == nil:
		return fmt.Errorf("%s of %s, which is not there", op.Step, op.Path)
	case strings.HasSuffix(op.Step, " write"):
		d.names[op.Path].pending = append(d.names[op.Path].pending, op)
	case strings.HasSuffix(op.Step, " sync"):
		f := d.names[op.Path]
		f.sync()
		if !f.named {
			f.named = true
			d.syncFolder(filepath.Dir(op.Path))
		}
	default:
		return fmt.Errorf("no such step as %q", op.Step)
	}
	return nil
}

// fates are what can become of writes that were not synced.
var fates = []string{"all lost", "all there", "the first few there", "any sectors there"}

// image gives the files after the power went: the names of the disk with some of the pending changes, contents with some of the pending
// sectors.
func (d *disk) image(random *rand.Rand, fate string) map[string][]byte {
	names := maps.Clone(d.safe)
	for _, dir := range sortedKeys(d.changes) {
		list := d.changes[dir]
		for _, fn := range list[:random.IntN(len(list)+1)] {
			fn(names)
		}
	}
	out := map[string][]byte{}
	for _, path := range sortedKeys(names) {
		f := names[path]
		b := append([]byte(nil), f.safe...)
		few := random.IntN(len(f.pending) + 1)
		for i, w := range f.pending {
			for at := 0; at < len(w.Data); {
				n := min(len(w.Data)-at, sector-int(w.Offset+int64(at))%sector)
				if fate == "all there" || fate == "the first few there" && i < few || fate == "any sectors there" && random.IntN(2) == 0 {
					b = applied(b, w.Data[at:at+n], w.Offset+int64(at))
				}
				at += n
			}
		}
		out[path] = b
	}
	return out
}

// writeTree puts files of from into to.
func writeTree(t *testing.T, from, to string, files map[string][]byte) {
	t.Helper()
	for path, b := range files {
		rel, err := filepath.Rel(from, path)
		if err == nil {
			err = os.MkdirAll(filepath.Join(to, filepath.Dir(rel)), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, rel), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// record runs callers over a place with a small log and gives what they did to its files.
func record(t *testing.T, dir string) *trace {
	t.Helper()
	p := mustOpen(t, dir, small)
	mustPropose(t, p.group, "first ")
	mustClose(t, p)
	tr := &trace{start: readTree(t, dir)}
	p = mustOpen(t, dir, func(c *Config) { small(c); c.Watch = tr.watch })
	hammer(p, "power", 60, tr.ack)
	mustClose(t, p)
	return tr
}

// The power goes at any moment: writes since the last sync of each file are lost, torn by the sector and reordered, files and renames of
// a folder that was not synced are missing. Whatever was acknowledged before that moment stands, and the node starts by itself.
func TestPowerLossLosesNothing(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 2))
	rounds := soakRounds(t, 48)
	var tr *trace
	dir, total := "", 0
	for round := range rounds {
		if round%200 == 0 {
			dir = t.TempDir()
			tr = record(t, dir)
		}
		cut, fate := 1+random.IntN(len(tr.ops)), fates[round%len(fates)]
		d, acked := newDisk(tr.start), []string(nil)
		for _, op := range tr.ops[:cut] {
			if op.acked != "" {
				acked = append(acked, op.acked)
				continue
			}
			if err := d.do(op.Op); err != nil {
				t.Fatal(err)
			}
		}
		where := fmt.Sprintf("seed %d round %d, cut before operation %d of %d, unsynced writes %s", seed, round, cut, len(tr.ops), fate)
		at := t.TempDir()
		writeTree(t, dir, at, d.image(random, fate))
		p, err := openPlace(at, small)
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		checkApplied(t, p.machine.seen, acked, where)
		mustPropose(t, p.group, "afterwards ")
		mustClose(t, p)
		if t.Failed() {
			t.FailNow()
		}
		total += len(acked)
		if err := os.RemoveAll(at); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d: %d times without power, %d acknowledgements held", seed, rounds, total)
}

// The model itself is tried: a log that is acknowledged without a sync loses something in it.
func TestPowerLossIsSeen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tr := record(t, dir)
	d := newDisk(tr.start)
	var acked []string
	for _, op := range tr.ops {
		switch {
		case op.acked != "":
			acked = append(acked, op.acked)
		case op.Step == StepLogSync || op.Step == stepMachineSync: // never done
		default:
			if err := d.do(op.Op); err != nil {
				t.Fatal(err)
			}
		}
	}
	at := t.TempDir()
	writeTree(t, dir, at, d.image(rand.New(rand.NewPCG(1, 1)), "all lost"))
	p, err := openPlace(at, small)
	if err == nil {
		held := len(p.machine.seen)
		mustClose(t, p)
		if held >= len(acked) {
			t.Errorf("%d of %d acknowledged commands are there without a sync", held, len(acked))
		}
	} else if nexus.CodeOf(err) != nexus.CodeCorrupt {
		t.Error(err)
	}
}
