// Package peers holds cluster/witness against the witness and the client of transparency-dev, which serve the public witness network: their
// client asks our witness, our feeder asks theirs. It is a module of its own, run by `make peers`, because that witness brings a telemetry
// stack which the program does not ship.
package peers

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	formats "github.com/transparency-dev/formats/note"
	client "github.com/transparency-dev/witness/client/http"
	"github.com/transparency-dev/witness/persistence/inmemory"
	theirs "github.com/transparency-dev/witness/witness"
	"golang.org/x/mod/sumdb/note"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	ours "github.com/BobbyBlanco400/nexus-cos/cluster/witness"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

const origin = "log.example/peers"

// log is a log in memory.
type log struct {
	signer note.Signer
	vkey   string

	mu     sync.Mutex
	leaves []nexus.Hash
	head   ours.Head
}

func newLog(t *testing.T) *log {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return &log{signer: signer, vkey: vkey}
}

// grow adds entries of a history up to a size and signs; a smaller size cuts the log.
func (l *log) grow(t *testing.T, size int, word string) *log {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leaves = l.leaves[:min(size, len(l.leaves))]
	for i := len(l.leaves); i < size; i++ {
		l.leaves = append(l.leaves, merkle.LeafHash(sha256.Sum256(fmt.Append(nil, word, i))))
	}
	var r merkle.Range
	for _, h := range l.leaves {
		r.Append(h)
	}
	root := r.Root()
	text := fmt.Sprintf("%s\n%d\n%s\n", origin, size, base64.StdEncoding.EncodeToString(root[:]))
	signed, err := note.Sign(&note.Note{Text: text}, l.signer)
	if err != nil {
		t.Fatal(err)
	}
	l.head = ours.Head{Note: string(signed), Size: uint64(size)}
	return l
}

func (l *log) Head() ours.Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

func (l *log) Hashes(nodes []merkle.Node) ([]nexus.Hash, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]nexus.Hash, len(nodes))
	for i, n := range nodes {
		end, ok := n.End()
		if !ok || end > uint64(len(l.leaves)) {
			return nil, errors.New("past the end")
		}
		var r merkle.Range
		for _, h := range l.leaves[n.Index<<n.Level : end] {
			r.Append(h)
		}
		out[i] = r.Root()
	}
	return out, nil
}

func (l *log) proof(t *testing.T, old int) [][]byte {
	t.Helper()
	hashes, err := merkle.ConsistencyProof(uint64(old), l.Head().Size, l)
	if err != nil {
		t.Fatal(err)
	}
	out := make([][]byte, len(hashes))
	for i := range hashes {
		out[i] = hashes[i][:]
	}
	return out
}

// TestTheirClientOurWitness: growth is cosigned so that they verify it; everything else gives the errors that their client knows.
func TestTheirClientOurWitness(t *testing.T) {
	l := newLog(t).grow(t, 40, "entry")
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer := nexus.KeySigner(private)
	key, err := verify.NewWitnessKey("w.example", signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "w")
	if err := ours.Init(dir, key); err != nil {
		t.Fatal(err)
	}
	logKey, err := ours.ParseLogKey(l.vkey)
	if err != nil {
		t.Fatal(err)
	}
	w, err := ours.Open(ours.Config{Dir: dir, Name: "w.example", Signer: signer, Logs: []ours.LogKey{logKey}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	srv := httptest.NewServer(w.Handler())
	defer srv.Close()
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := client.NewWitness(u, http.DefaultClient)
	v, err := formats.NewVerifierForCosignatureV1(w.Key().String())
	if err != nil {
		t.Fatal(err)
	}
	add := func(old int, proof [][]byte) (uint64, error) {
		t.Helper()
		sig, size, err := c.Update(t.Context(), uint64(old), []byte(l.Head().Note), proof)
		if err != nil {
			return size, err
		}
		_, err = note.Open(append([]byte(l.Head().Note), sig...), note.VerifierList(v))
		return size, err
	}
	if _, err := add(0, nil); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{41, 64, 300} {
		old := int(l.Head().Size)
		l.grow(t, size, "entry")
		if got, err := add(0, nil); !errors.Is(err, theirs.ErrCheckpointStale) || got != uint64(old) {
			t.Errorf("replayed at %d: told %d, %v", size, got, err)
		}
		if _, err := add(old, l.proof(t, old)); err != nil {
			t.Errorf("at %d: %v", size, err)
		}
	}
	if _, err := add(300, nil); err != nil {
		t.Errorf("once more: %v", err)
	}
	l.grow(t, 200, "entry")
	if _, err := add(300, nil); !errors.Is(err, theirs.ErrOldSizeInvalid) {
		t.Errorf("shrunk: %v", err)
	}
	l.grow(t, 250, "another history").grow(t, 300, "entry")
	if _, err := add(300, nil); !errors.Is(err, theirs.ErrInvalidProof) {
		t.Errorf("two roots: %v", err)
	}
	l.grow(t, 400, "entry")
	if _, err := add(300, l.proof(t, 300)); !errors.Is(err, theirs.ErrInvalidProof) {
		t.Errorf("forked: %v", err)
	}
	stranger := newLog(t).grow(t, 400, "entry")
	if _, _, err := c.Update(t.Context(), 300, []byte(stranger.Head().Note), nil); !errors.Is(err, theirs.ErrNoValidSignature) {
		t.Errorf("another key: %v", err)
	}
}

// TestOurFeederTheirWitness: their witness cosigns what our feeder hands it, also when it starts behind, and refuses a fork.
func TestOurFeederTheirWitness(t *testing.T) {
	l := newLog(t).grow(t, 10, "entry")
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := verify.NewWitnessKey("theirs.example", nexus.KeySigner(private).Public())
	if err != nil {
		t.Fatal(err)
	}
	skey := fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", key.Name, key.ID(), base64.StdEncoding.EncodeToString(append([]byte{4}, private.Seed()...)))
	signer, err := formats.NewSignerForCosignatureV1(skey)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(l.vkey)
	if err != nil {
		t.Fatal(err)
	}
	w, err := theirs.New(t.Context(), theirs.Opts{Persistence: inmemory.New(), Signers: []note.Signer{signer},
		VerifierForLog: func(_ context.Context, o string) (note.Verifier, bool, error) { return v, o == origin, nil }})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(theirs.NewHTTPHandler(w).AddCheckpoint))
	defer srv.Close()
	start := func(l *log) (*ours.Feeder, func()) {
		target, err := ours.ParseTarget(srv.URL + "=" + key.String())
		if err != nil {
			t.Fatal(err)
		}
		f, err := ours.NewFeeder(ours.FeederConfig{Log: l, Targets: []ours.Target{target}, Pace: ours.Pace{Between: 10 * time.Millisecond}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = f.Run(ctx) }()
		return f, func() { cancel(); <-ended }
	}
	f, stop := start(l)
	for _, size := range []int{10, 11, 256, 700} {
		l.grow(t, size, "entry")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		c := f.Cosign(ctx, uint64(size))
		cancel()
		if c.Size != uint64(size) || c.Cosigners != 1 {
			t.Fatalf("at %d: %+v, %+v", size, c, f.Status())
		}
	}
	stop()
	l.grow(t, 900, "entry") // a new feeder knows nothing of the witness, which is at 700
	f, stop = start(l)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if c := f.Cosign(ctx, 900); c.Cosigners != 1 {
		t.Errorf("%+v, %+v", c, f.Status())
	}
	stop()
	l.grow(t, 800, "entry").grow(t, 1000, "another history")
	f, stop = start(l)
	defer stop()
	for !f.Status()[0].Conflict && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	if s := f.Status()[0]; !s.Conflict || f.Published().Cosigners != 0 {
		t.Errorf("a fork: %+v", s)
	}
}
