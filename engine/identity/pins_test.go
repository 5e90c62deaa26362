package identity

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
)

// noteOf makes the text of a checkpoint whose root depends on size and branch.
func noteOf(size int, branch string) string {
	root := nexus.DeriveID(branch, []byte(fmt.Sprint(size)))
	full := append(root[:], root[:]...)
	return fmt.Sprintf("nexus.example/log\n%d\n%s\n\n— key AAAA\n", size, base64.StdEncoding.EncodeToString(full))
}

func TestPinsFollowALog(t *testing.T) {
	t.Parallel()
	p, cluster := NewPins(filepath.Join(t.TempDir(), "pins")), nexus.ID{1}
	var asked [][2]uint64
	prove := func(older, newer Checkpoint) error {
		asked = append(asked, [2]uint64{older.Size, newer.Size})
		return nil
	}
	for i, c := range []struct {
		size  int
		first bool
	}{{0, true}, {0, false}, {5, false}, {5, false}, {9, false}} {
		first, err := p.Check(cluster, noteOf(c.size, "a"), prove)
		if err != nil || first != c.first {
			t.Fatalf("step %d: first %v, %v", i, first, err)
		}
	}
	if len(asked) != 1 || asked[0] != [2]uint64{5, 9} {
		t.Errorf("proofs asked for: %v", asked)
	}
	pinned, seen, err := p.Load(cluster)
	if err != nil || pinned.Text != noteOf(9, "a") || pinned.Size != 9 || seen.IsZero() {
		t.Errorf("pinned %+v, %v", pinned, err)
	}
	// A store made anew reads what the last one wrote; another cluster has a pin of its own.
	if _, err := NewPins(p.dir).Check(cluster, noteOf(9, "a"), prove); err != nil {
		t.Error(err)
	}
	if first, err := p.Check(nexus.ID{2}, noteOf(3, "b"), prove); err != nil || !first {
		t.Errorf("other cluster: %v, %v", first, err)
	}
}

func TestPinsRefuse(t *testing.T) {
	t.Parallel()
	p, cluster := NewPins(t.TempDir()), nexus.ID{1}
	yes := func(Checkpoint, Checkpoint) error { return nil }
	if _, err := p.Check(cluster, noteOf(10, "a"), yes); err != nil {
		t.Fatal(err)
	}
	offline := errors.New("connection refused")
	for name, c := range map[string]struct {
		text  string
		prove ConsistencyProver
		code  nexus.Code
		is    error
	}{
		"two roots":    {noteOf(10, "b"), yes, nexus.CodeCorrupt, ErrInconsistent},
		"rollback":     {noteOf(9, "a"), yes, nexus.CodeCorrupt, ErrRollback},
		"emptied":      {noteOf(0, "a"), yes, nexus.CodeCorrupt, ErrRollback},
		"other origin": {"x" + noteOf(11, "a"), yes, nexus.CodeCorrupt, ErrInconsistent},
		"disproved": {noteOf(11, "b"), func(Checkpoint, Checkpoint) error {
			return fmt.Errorf("path of 3 hashes: %w", ErrInconsistent)
		}, nexus.CodeCorrupt, ErrInconsistent},
		"no proof":  {noteOf(11, "a"), func(Checkpoint, Checkpoint) error { return offline }, nexus.CodeUnavailable, offline},
		"no prover": {noteOf(11, "a"), nil, nexus.CodeInternal, nil},
		"no note":   {"hello", yes, nexus.CodeMalformed, nil},
	} {
		_, err := p.Check(cluster, c.text, c.prove)
		if nexus.CodeOf(err) != c.code || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
		}
		pinned, _, err := p.Load(cluster)
		if err != nil || pinned.Text != noteOf(10, "a") {
			t.Errorf("%s: the pin is now %q, %v", name, pinned.Text, err)
		}
	}
	proof := readFile(t, p.conflictPath(cluster))
	if !bytes.Contains(proof, []byte(`"pinned"`)) || !bytes.Contains(proof, []byte(`"shown"`)) {
		t.Errorf("kept proof: %s", proof)
	}
}

func TestEveryByteOfAPin(t *testing.T) {
	t.Parallel()
	p, cluster := NewPins(t.TempDir()), nexus.ID{1}
	yes := func(Checkpoint, Checkpoint) error { return nil }
	if _, err := p.Check(cluster, noteOf(10, "a"), yes); err != nil {
		t.Fatal(err)
	}
	path := p.path(cluster)
	if info := must[os.FileInfo](t)(os.Stat(path)); info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	whole := readFile(t, path)
	for i := range whole {
		for _, mask := range []byte{1, 0x20} { // 0x20 changes case, which encoding/json forgives in names
			broken := bytes.Clone(whole)
			broken[i] ^= mask
			writeFile(t, path, broken)
			_, err := p.Check(cluster, noteOf(11, "a"), yes)
			wantCode(t, err, nexus.CodeCorrupt, path)
		}
	}
	writeFile(t, path, whole)
	// A pin of another cluster put in its place is noticed.
	other := nexus.ID{2}
	writeFile(t, p.path(other), whole)
	_, _, err := p.Load(other)
	wantCode(t, err, nexus.CodeCorrupt, cluster.String())
}

// TestPinsInParallel: many clients check growing heads at once; the pin ends at the largest and never goes back.
func TestPinsInParallel(t *testing.T) {
	t.Parallel()
	dir, cluster := t.TempDir(), nexus.ID{1}
	var wg sync.WaitGroup
	for size := range 12 {
		wg.Go(func() {
			p := NewPins(dir)
			_, err := p.Check(cluster, noteOf(size+1, "a"), func(older, newer Checkpoint) error {
				if older.Size >= newer.Size {
					return fmt.Errorf("asked for a proof from %d to %d", older.Size, newer.Size)
				}
				return nil
			})
			if err != nil && !errors.Is(err, ErrRollback) && nexus.CodeOf(err) != nexus.CodeUnavailable {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, err := NewPins(dir).Check(cluster, noteOf(12, "a"), func(Checkpoint, Checkpoint) error { return nil }); err !=
		nil {
		t.Fatal(err)
	}
	if c, _, err := NewPins(dir).Load(cluster); err != nil || c.Size != 12 {
		t.Errorf("pinned %d, %v", c.Size, err)
	}
}

func TestPinsDir(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"/state", "/home/ada", "/state/nexus/pins"},
		{"", "/home/ada", "/home/ada/.local/state/nexus/pins"},
		{"relative", "/home/ada", "/home/ada/.local/state/nexus/pins"},
	} {
		if got := PinsDir(c[0], c[1]); got != c[2] {
			t.Errorf("%q %q gives %s", c[0], c[1], got)
		}
	}
}

func TestParseCheckpoint(t *testing.T) {
	t.Parallel()
	good := must[Checkpoint](t)(ParseCheckpoint(noteOf(42, "a")))
	if good.Size != 42 || good.Origin != "nexus.example/log" || good.Root.IsZero() {
		t.Errorf("%+v", good)
	}
	root := base64.StdEncoding.EncodeToString(good.Root[:])
	for _, bad := range []string{"", "\n\n", "o\n1\n\n", "o\n1\n" + root, "o\n01\n" + root + "\n\n",
		"o\n-1\n" + root + "\n\n",
		"\n1\n" + root + "\n\n", "o\n1\nAAAA\n\n", "o\n9223372036854775808\n" + root + "\n\n", "o\n1\n" + root + "=\n\n"} {
		_, err := ParseCheckpoint(bad)
		wantCode(t, err, nexus.CodeMalformed)
	}
}
