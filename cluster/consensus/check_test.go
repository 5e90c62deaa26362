package consensus

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/osfile"
)

// builtPlace makes a directory with several segments, both meta files, a marker and a head, and closes it.
func builtPlace(t *testing.T) (dir string, applied uint64) {
	t.Helper()
	dir = t.TempDir()
	p := mustOpen(t, dir, func(c *Config) { c.SegmentSize, c.TrailingLogs = 16<<10, 200 })
	for i := range 120 {
		mustPropose(t, p.group, fmt.Sprintf("%d %s", i, strings.Repeat("y", 400+i)))
	}
	mustClose(t, p)
	p = mustOpen(t, dir, func(c *Config) { c.SegmentSize, c.TrailingLogs = 16<<10, 60 })
	if err := p.group.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		mustPropose(t, p.group, fmt.Sprintf("more %d", i))
	}
	mustClose(t, p)
	return filepath.Join(dir, "raft"), p.machine.Applied()
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files match %s: %v", pattern, err)
	}
	return files
}

func findingIn(findings []Finding, file string) bool {
	for _, f := range findings {
		if f.File == file {
			return true
		}
	}
	return false
}

func TestEveryFlippedByteIsFound(t *testing.T) {
	t.Parallel()
	dir, applied := builtPlace(t)
	if findings, err := CheckFiles(dir, applied); err != nil || len(findings) > 0 {
		t.Fatalf("sound directory: findings %v, error %v", findings, err)
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	kinds := map[string]int64{ // pattern: bytes to flip in, 0 for the whole file
		"log/*.wal": 0, "log/meta-*": 0, "snapshots/*.marker": 0, "head": headFileSize,
	}
	for pattern, limit := range kinds {
		files := glob(t, filepath.Join(dir, pattern))
		for i := range 60 {
			file := files[random.IntN(len(files))]
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			size := int64(len(raw))
			if pattern == "log/*.wal" {
				size = lastNonZero(raw)
			}
			if pattern == "head" && i%2 == 0 {
				size = headRecord // the records themselves, not only their pages
			}
			if limit > 0 {
				size = min(size, limit)
			}
			at, bit := random.Int64N(size), byte(1)<<random.IntN(8)
			flip(t, file, at, bit)
			findings, err := CheckFiles(dir, applied)
			if err != nil || !findingIn(findings, file) {
				t.Errorf("seed %d: bit %02x of byte %d of %s: findings %v, error %v", seed, bit, at, file, findings, err)
			}
			flip(t, file, at, bit)
		}
	}
}

func flip(t *testing.T, file string, at int64, bit byte) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= bit
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

// TestLastBatchIsNotMistakenForATear flips every byte of what follows the head: the entries that only raft made,
// where a damaged batch and one cut short look most alike.
func TestLastBatchIsNotMistakenForATear(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := mustOpen(t, dir, func(c *Config) { c.SegmentSize = 16 << 10 })
	mustPropose(t, p.group, "only command")
	mustClose(t, p)
	p = mustOpen(t, dir, nil) // appends raft's own entries of a new term
	mustClose(t, p)
	file := glob(t, filepath.Join(p.raftDir(), "log", "*.wal"))[0]
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	meta := readMetaOf(t, p.raftDir())
	for at := range lastNonZero(raw) {
		changed := append([]byte(nil), raw...)
		changed[at] ^= byte(1 << (at % 8))
		scan, bad := scanSegment(changed, meta.Segments[0])
		if bad == nil {
			t.Fatalf("byte %d changed: taken for sound, torn %v", at, scan.torn)
		}
	}
	for range 200 {
		changed := append([]byte(nil), raw...)
		at := lastNonZero(raw) + rand.Int64N(int64(len(raw))-lastNonZero(raw))
		changed[at] ^= 1
		if _, bad := scanSegment(changed, meta.Segments[0]); bad == nil {
			t.Fatalf("byte %d of unused space changed: taken for sound", at)
		}
	}
}

func readMetaOf(t *testing.T, dir string) metaState {
	t.Helper()
	_, state, found, findings := readMeta(filepath.Join(dir, "log"))
	if !found || len(findings) > 0 {
		t.Fatalf("meta: found %v, findings %v", found, findings)
	}
	return state
}

// TestTornWritesAreMended cuts the last, unacknowledged batch at every page, as a kill in the middle of a write does.
func TestTornWritesAreMended(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := mustOpen(t, dir, func(c *Config) { c.SegmentSize = 256 << 10 })
	for i := range 3 {
		mustPropose(t, p.group, fmt.Sprint("command ", i))
	}
	mustClose(t, p)
	file := glob(t, filepath.Join(p.raftDir(), "log", "*.wal"))[0]
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tail := lastNonZero(before)
	start := (tail + 7) &^ 7
	entry := tornEntry(t, p.machine.Applied(), before, readMetaOf(t, p.raftDir()))
	for cut := (start + pageSize) &^ (pageSize - 1); cut < start+int64(len(entry)); cut += pageSize {
		content := append([]byte(nil), before...)
		copy(content[start:cut], entry)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		report, err := Inspect(p.raftDir(), 0)
		if err != nil || len(report.Findings) > 0 || len(report.Notes) != 1 {
			t.Fatalf("cut at %d: findings %v, notes %v, error %v", cut, report.Findings, report.Notes, err)
		}
		q := mustOpen(t, dir, nil)
		if len(q.machine.seen) < 3 {
			t.Fatalf("cut at %d: machine holds %d commands", cut, len(q.machine.seen))
		}
		mustPropose(t, q.group, "after")
		mustClose(t, q)
		findings, err := CheckFiles(q.raftDir(), q.machine.Applied())
		if err != nil || len(findings) > 0 {
			t.Fatalf("cut at %d, after mending: findings %v, error %v", cut, findings, err)
		}
		before, err = os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		start = (lastNonZero(before) + 7) &^ 7
		entry = tornEntry(t, q.machine.Applied(), before, readMetaOf(t, q.raftDir()))
	}
}

// tornEntry is the frame of a large entry that would follow the log's last.
func tornEntry(t *testing.T, _ uint64, raw []byte, meta metaState) []byte {
	t.Helper()
	scan, bad := scanSegment(raw, meta.Segments[len(meta.Segments)-1])
	if bad != nil {
		t.Fatalf("byte %d: %s", bad.at, bad.what)
	}
	body := encodeEntry(t, scan.lastIndex()+1, scan.terms[len(scan.terms)-1], make([]byte, 20<<10))
	frame := make([]byte, frameHeader, frameHeader+len(body)+7)
	frame[0] = frameEntry
	binary.LittleEndian.PutUint32(frame[4:], uint32(len(body)))
	frame = append(frame, body...)
	return append(frame, make([]byte, padded(int64(len(body)))-int64(len(body)))...)
}

func TestRotationCutShortIsFinished(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := mustOpen(t, dir, func(c *Config) { c.SegmentSize = 16 << 10 })
	for len(readMetaOf(t, p.raftDir()).Segments) < 3 {
		mustPropose(t, p.group, strings.Repeat("z", 1000))
	}
	mustClose(t, p)
	// Put the meta files back to before the newest rotation: the segment is closed in its file only.
	logDir := filepath.Join(p.raftDir(), "log")
	generation, state, _, _ := readMeta(logDir)
	removed := state.Segments[len(state.Segments)-1]
	state.Segments = state.Segments[:len(state.Segments)-1]
	tail := &state.Segments[len(state.Segments)-1]
	tail.SealNs, tail.MaxIndex, tail.IndexStart = 0, 0, 0
	state.NextSegmentID = removed.ID
	path := filepath.Join(logDir, metaNames[(generation+1)%2])
	if err := osfile.Replace(path, sealFile(metaMagic, generation+1, nexus.Encode(state))); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(logDir, removed.fileName())); err != nil {
		t.Fatal(err)
	}
	head := filepath.Join(p.raftDir(), "head") // what was acknowledged in the removed segment is gone on purpose
	if err := os.Remove(head); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "machine")); err != nil {
		t.Fatal(err)
	}
	p = mustOpen(t, dir, nil)
	mustPropose(t, p.group, "goes on")
	mustClose(t, p)
	if findings, err := CheckFiles(p.raftDir(), p.machine.Applied()); err != nil || len(findings) > 0 {
		t.Fatalf("findings %v, error %v", findings, err)
	}
}

func TestCutTailIsFound(t *testing.T) {
	t.Parallel()
	cases := map[string]func(t *testing.T, dir string){
		"newest segment deleted": func(t *testing.T, dir string) {
			files := glob(t, filepath.Join(dir, "log", "*.wal"))
			if err := os.Remove(files[len(files)-1]); err != nil {
				t.Fatal(err)
			}
		},
		"tail zeroed": func(t *testing.T, dir string) {
			files := glob(t, filepath.Join(dir, "log", "*.wal"))
			file := files[len(files)-1]
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(file, 0); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(file, info.Size()); err != nil {
				t.Fatal(err)
			}
		},
		"first segment deleted": func(t *testing.T, dir string) {
			if err := os.Remove(glob(t, filepath.Join(dir, "log", "*.wal"))[0]); err != nil {
				t.Fatal(err)
			}
		},
		"marker deleted": func(t *testing.T, dir string) {
			if err := os.Remove(glob(t, filepath.Join(dir, "snapshots", "*"))[0]); err != nil {
				t.Fatal(err)
			}
		},
		"meta files deleted": func(t *testing.T, dir string) {
			for _, f := range glob(t, filepath.Join(dir, "log", "meta-*")) {
				if err := os.Remove(f); err != nil {
					t.Fatal(err)
				}
			}
		},
		"newer meta file deleted": func(t *testing.T, dir string) {
			generation, _, _, _ := readMeta(filepath.Join(dir, "log"))
			if err := os.Remove(filepath.Join(dir, "log", metaNames[generation%2])); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, harm := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, applied := builtPlace(t)
			harm(t, dir)
			findings, err := CheckFiles(dir, applied)
			if err != nil || len(findings) == 0 {
				t.Fatalf("findings %v, error %v", findings, err)
			}
			if _, err := openPlace(filepath.Dir(dir), nil); nexus.CodeOf(err) != nexus.CodeCorrupt {
				t.Fatalf("open: %v", err)
			}
		})
	}
}

func TestDamageIsRefusedAtOpenWithoutChangingAByte(t *testing.T) {
	t.Parallel()
	dir, _ := builtPlace(t)
	file := glob(t, filepath.Join(dir, "log", "*.wal"))[0]
	flip(t, file, 200, 4)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = openPlace(filepath.Dir(dir), nil)
	if nexus.CodeOf(err) != nexus.CodeCorrupt || !strings.Contains(err.Error(), filepath.Base(file)) {
		t.Fatalf("error %v", err)
	}
	after, err := os.ReadFile(file)
	if err != nil || string(after) != string(before) {
		t.Fatalf("file was changed, error %v", err)
	}
}

func TestMissingDirectoryIsSound(t *testing.T) {
	t.Parallel()
	findings, err := CheckFiles(filepath.Join(t.TempDir(), "none"), 0)
	if err != nil || len(findings) > 0 {
		t.Fatalf("findings %v, error %v", findings, err)
	}
}
