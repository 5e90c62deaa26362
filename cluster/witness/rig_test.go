package witness

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

const origin = "log.example/one"

// testLog is a log in memory, of an ecosystem's form that is not this house's. Two logs of one name have the same key, and the same
// entries as long as they are given the same words.
type testLog struct {
	vkey   string
	signer note.Signer

	mu     sync.Mutex // guards what follows
	leaves []nexus.Hash
	head   Head
	silent bool // Head gives none
}

func signerOf(name string) nexus.KeySigner {
	seed := sha256.Sum256([]byte(name))
	return nexus.KeySigner(ed25519.NewKeyFromSeed(seed[:]))
}

func newLog(t testing.TB, name string, size int) *testLog {
	t.Helper()
	key := signerOf("log " + name)
	vkey, err := note.NewEd25519VerifierKey(name, ed25519.PrivateKey(key).Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	skey := fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, v.KeyHash(), base64.StdEncoding.EncodeToString(append([]byte{1}, ed25519.PrivateKey(key).Seed()...)))
	l := &testLog{vkey: vkey}
	if l.signer, err = note.NewSigner(skey); err != nil {
		t.Fatal(err)
	}
	l.grow(size, "entry")
	return l
}

// grow adds entries up to a size and signs.
func (l *testLog) grow(size int, word string) *testLog {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.leaves); i < size; i++ {
		l.leaves = append(l.leaves, merkle.LeafHash(sha256.Sum256(fmt.Append(nil, word, i))))
	}
	l.head = Head{Note: l.signLocked(origin, len(l.leaves), l.rootLocked(len(l.leaves))), Size: uint64(len(l.leaves)), Of: len(l.leaves)}
	return l
}

func (l *testLog) rootLocked(size int) nexus.Hash {
	var r merkle.Range
	for _, h := range l.leaves[:size] {
		r.Append(h)
	}
	return r.Root()
}

func (l *testLog) signLocked(origin string, size int, root nexus.Hash) string {
	signed, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\nan extension\n", origin, size, base64.StdEncoding.EncodeToString(root[:]))}, l.signer)
	if err != nil {
		panic(err)
	}
	return string(signed)
}

// at is the note of an earlier size.
func (l *testLog) at(size int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.signLocked(origin, size, l.rootLocked(size))
}

func (l *testLog) Head() Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.silent {
		return Head{}
	}
	return l.head
}

func (l *testLog) Hashes(nodes []merkle.Node) ([]nexus.Hash, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]nexus.Hash, len(nodes))
	for i, n := range nodes {
		end, ok := n.End()
		if !ok || end > uint64(len(l.leaves)) {
			return nil, fmt.Errorf("node %v of %d leaves", n, len(l.leaves))
		}
		var r merkle.Range
		for _, h := range l.leaves[n.Index<<n.Level : end] {
			r.Append(h)
		}
		out[i] = r.Root()
	}
	return out, nil
}

// request proves from old to new.
func (l *testLog) request(t testing.TB, old, size int) Request {
	t.Helper()
	proof, err := merkle.ConsistencyProof(uint64(old), uint64(size), l)
	if err != nil {
		t.Fatal(err)
	}
	return Request{Old: uint64(old), Proof: proof, Checkpoint: l.at(size)}
}

// key is the log's key as a witness is told it.
func (l *testLog) key(t testing.TB) LogKey {
	t.Helper()
	k, err := ParseLogKey(origin + "=" + l.vkey)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// config is of a witness in a folder of its own.
func config(t testing.TB, name string, logs ...*testLog) Config {
	t.Helper()
	c := Config{Dir: filepath.Join(t.TempDir(), name), Name: name, Signer: signerOf("witness " + name)}
	for _, l := range logs {
		c.Logs = append(c.Logs, l.key(t))
	}
	if err := Init(c.Dir, keyOf(t, c)); err != nil {
		t.Fatal(err)
	}
	return c
}

func keyOf(t testing.TB, c Config) verify.WitnessKey {
	t.Helper()
	k, err := verify.NewWitnessKey(c.Name, c.Signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func open(t testing.TB, c Config) *Witness {
	t.Helper()
	w, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() }) // a test may have closed it
	return w
}

// serve gives a witness over HTTP as a target.
func serve(t testing.TB, w *Witness) Target {
	t.Helper()
	srv := httptest.NewServer(w.Handler())
	t.Cleanup(srv.Close)
	return Target{URL: srv.URL, Key: w.Key()}
}

// must cosigns, and checks the cosignature by the log's note.
func must(t testing.TB, w *Witness, r Request) string {
	t.Helper()
	line, err := w.Add(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := verify.Cosignatures(r.Checkpoint+line, []verify.WitnessKey{w.Key()}); len(got) != 1 || got[0].Line != line {
		t.Fatalf("%q is no cosignature of %s", line, w.Key())
	}
	return line
}

// eventually waits for what other goroutines do.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

func jsonText(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func replaceIn(s, old, with string) string {
	if !strings.Contains(s, old) {
		panic(fmt.Sprintf("%q is not in %q", old, s))
	}
	return strings.Replace(s, old, with, 1)
}
