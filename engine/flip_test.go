package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine"
	"github.com/BobbyBlanco400/nexus-cos/engine/control/wire"
	"github.com/BobbyBlanco400/nexus-cos/engine/identity"
	"github.com/BobbyBlanco400/nexus-cos/engine/state"
)

const flipsPerKind = 24

// damageable are the kinds of file in a data directory whose every occupied byte must be guarded. live ones are taken
// from a node that is still open, as kill -9 leaves them; the others from a node that was closed.
var damageable = []struct {
	name    string
	pattern string
	live    bool
	first   int64 // bytes before it belong to nothing that is ever read
	prefix  bool  // the file is preallocated: only bytes up to the last that is not zero are occupied
}{
	{name: "genesis", pattern: "genesis.nexus"},
	{name: "founding marker", pattern: "founded.nexus"},
	{name: "keys", pattern: "keys/*"},
	{name: "head", pattern: "raft/head"},
	{name: "raft meta", pattern: "raft/log/meta-*"},
	{name: "raft segments", pattern: "raft/log/*.wal", prefix: true},
	{name: "Badger tables", pattern: "ledger/*.sst"},
	{name: "record files", pattern: "ledger/*.rec"},
	{name: "record files of an open node", pattern: "ledger/*.rec", live: true},
	{name: "Badger manifest", pattern: "ledger/MANIFEST"},
	{name: "Badger manifest of an open node", pattern: "ledger/MANIFEST", live: true},
	// Bytes 8 to 19 are the start vector of an encryption that is off.
	{name: "memtable logs", pattern: "ledger/*.mem", live: true, first: 20, prefix: true},
}

// A single flipped bit at a random occupied place of any file is found from the files alone, with the file named, before
// anything opens them; offline verification says the same; put back, the directory is clean again.
func TestFlippedBitsAreFound(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill(10_000)
	live, closed := filepath.Join(t.TempDir(), "live"), filepath.Join(t.TempDir(), "closed")
	copyTree(t, r.dir, live)
	r.close()
	copyTree(t, r.dir, closed)
	for _, dir := range []string{live, closed} {
		rep, err := engine.VerifyOffline(context.Background(), dir)
		if err != nil || len(rep.Findings) > 0 || rep.Verified < 10_000 || rep.Verified != rep.Entries {
			t.Fatalf("untouched copy: verified %d of %d, %v, %v", rep.Verified, rep.Entries, rep.Findings, err)
		}
	}
	for i, kind := range damageable {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			from := closed
			if kind.live {
				from = live
			}
			dir := t.TempDir()
			copyTree(t, from, dir)
			files, err := filepath.Glob(filepath.Join(dir, kind.pattern))
			if err != nil || len(files) == 0 {
				t.Fatalf("no file matches %s: %v", kind.pattern, err)
			}
			seed := rand.Uint64()
			t.Logf("seed %#x", seed)
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			for n := range flipsPerKind {
				file := files[n%len(files)]
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				end := int64(len(data))
				if kind.prefix {
					end = int64(len(bytes.TrimRight(data, "\x00")))
				}
				at, bit := kind.first+random.Int64N(end-kind.first), byte(1)<<random.IntN(8)
				data[at] ^= bit
				writeAt(t, file, data[at:at+1], at)
				checkFound(t, dir, file, fmt.Sprintf("byte %d bit %#x", at, bit), n%3 == 0)
				data[at] ^= bit
				writeAt(t, file, data[at:at+1], at)
			}
			if found, err := engine.CheckFiles(dir); err != nil || len(found) > 0 {
				t.Errorf("put back, the directory is not clean: %v, %v", found, err)
			}
		})
	}
}

// checkFound wants the damage found and the file named, as a launch sees it, and by offline verification.
func checkFound(t *testing.T, dir, file, what string, offline bool) {
	t.Helper()
	name, _ := filepath.Rel(dir, file)
	if _, err := identity.Recover(dir); err != nil { // a launch begins with it; it must not mend or hide damage
		t.Errorf("%s: %s: recover: %v", name, what, err)
	}
	found, err := engine.CheckFiles(dir)
	if err != nil {
		t.Errorf("%s: %s: %v", name, what, err)
		return
	}
	if !names(found, name) {
		t.Errorf("%s: %s: not found; findings %v", name, what, found)
	}
	if strings.HasPrefix(name, "keys/node") || name == identity.GenesisFile {
		g, err := identity.ReadGenesis(dir)
		if err == nil {
			_, err = identity.LoadKeys(dir, g)
		}
		if err == nil {
			t.Errorf("%s: %s: loads", name, what)
		}
	}
	if !offline {
		return
	}
	rep, err := engine.VerifyOffline(context.Background(), dir)
	if err != nil || !names(rep.Findings, name) || rep.Verified != 0 {
		t.Errorf("%s: %s: offline %v, %d entries verified, %v", name, what, rep.Findings, rep.Verified, err)
	}
}

// names reports whether a finding is about the file, or about the key file that a digest beside it belongs to.
func names(found []wire.Finding, name string) bool {
	for _, f := range found {
		if strings.Contains(f.Where, name) || strings.Contains(f.Where, strings.TrimSuffix(name, identity.SidecarSuffix)) {
			return true
		}
	}
	return false
}

// fill posts n events of two units in batches.
func (r *rig) fill(n int) {
	r.t.Helper()
	units := []nexus.ID{r.create("First", "owner", testKey(1).Public()), r.create("Second", "owner", testKey(1).Public())}
	for done := 0; done < n; {
		post := state.RevenuePost{Source: state.OperatorSource}
		for i := range min(500, n-done) {
			post.Events = append(post.Events, state.RevenueEvent{Unit: units[i%2], EventID: fmt.Sprintf("event-%d", done+i),
				Kind: "sale", Currency: "USD", Minor: int64(done+i)%977 + 1, TimeMs: int64(done + i + 1)})
		}
		if _, err := r.do(r.operator(), state.KindRevenuePost, nexus.ID{}, post); err != nil {
			r.t.Fatal(err)
		}
		done += len(post.Events)
	}
}

// copyTree copies a data directory and leaves holes where files are zero.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, name), info.Mode().Perm())
		}
		return copyHoles(path, filepath.Join(to, name), info.Mode().Perm())
	})
	if err != nil {
		t.Fatal(err)
	}
}

func copyHoles(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_RDWR|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	block, zero := make([]byte, 64<<10), make([]byte, 64<<10)
	for at := int64(0); ; {
		n, err := io.ReadFull(in, block)
		if n > 0 && !bytes.Equal(block[:n], zero[:n]) {
			if _, err := out.WriteAt(block[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
		if err != nil { // the end, at whatever place of a block
			return out.Truncate(at)
		}
	}
}

func writeAt(t *testing.T, file string, b []byte, at int64) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
