package tilelog

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/engine/tilelog/tilelogtest"
	"github.com/BobbyBlanco400/nexus-cos/ledger"
	"github.com/BobbyBlanco400/nexus-cos/ledger/badgerstore"
	"github.com/BobbyBlanco400/nexus-cos/ledger/ledgertest"
	"github.com/BobbyBlanco400/nexus-cos/ledger/merkle"
)

// rig is a log in a real store, signed by a made cluster.
type rig struct {
	*badgerstore.Store
	maker *ledgertest.Maker

	mu   sync.Mutex // guards what follows
	note string
	size uint64
}

// newRig makes a log; logs of one seed have the same key and the same first entries.
func newRig(t *testing.T, seed uint64) *rig {
	t.Helper()
	s, err := badgerstore.Open(t.TempDir(), badgerstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // a test may have closed it
	r := &rig{Store: s, maker: ledgertest.NewMaker(seed)}
	r.commit(t, r.maker.Genesis(8))
	return r
}

func (r *rig) commit(t *testing.T, b ledger.Batch) {
	t.Helper()
	if err := r.Commit(b); err != nil {
		t.Error(err) // not Fatal: also asked by a goroutine of its own
	}
}

// grow adds one record of small entries, so that the log has the size, and signs it.
func (r *rig) grow(t *testing.T, size uint64) {
	t.Helper()
	const step = 4096
	for at := r.Size(); at < size && !t.Failed(); at = r.Size() {
		drafts := make([]ledger.Draft, min(step, size-at))
		for i := range drafts {
			drafts[i] = ledger.Draft{Kind: ledger.KindDecision, Body: []byte{byte(i), byte(i >> 8)}}
		}
		r.commit(t, r.maker.Command("test", drafts))
	}
	r.sign(r.maker.Sign(), size)
}

func (r *rig) sign(note string, size uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note, r.size = note, size
}

func (r *rig) Head() (string, uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.note, r.size
}

func (r *rig) vkey(t *testing.T) string {
	t.Helper()
	key, err := ledger.VerifierKey(ledger.Checkpoint{Cluster: r.maker.Cluster}.Origin(), r.maker.Signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// serve gives the address of a log over HTTP; forge may put another answer in its place.
func serve(t *testing.T, open func() Log, forge func(path string, body []byte) []byte) string {
	t.Helper()
	h := Handler(open, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if forge != nil {
		honest := h
		h = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			rec := httptest.NewRecorder()
			honest.ServeHTTP(rec, q)
			w.WriteHeader(rec.Code)
			_, _ = w.Write(forge(strings.TrimPrefix(q.URL.Path, "/"), rec.Body.Bytes()))
		})
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

func (r *rig) client(t *testing.T, forge func(string, []byte) []byte) *tilelogtest.Client {
	t.Helper()
	c, err := tilelogtest.New(serve(t, func() Log { return r }, forge), r.vkey(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close) // before the server's
	return c
}

func head(t *testing.T, c *tilelogtest.Client) tilelogtest.Head {
	t.Helper()
	h, err := c.Head()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestOutsiderFollows: a client that shares no code with this house mirrors the log at sizes on both sides of the edges of tiles,
// proves entries in it, and proves of every growth that nothing before it changed.
func TestOutsiderFollows(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	c := r.client(t, nil)
	var heads []tilelogtest.Head
	for _, size := range []uint64{9, 255, 256, 257, 600, 66_000} {
		r.grow(t, size)
		h := head(t, c)
		if uint64(h.N) != size {
			t.Fatalf("size %d, want %d", h.N, size)
		}
		entries, err := c.Entries(h)
		if err != nil || uint64(len(entries)) != size {
			t.Fatalf("at %d: %d entries: %v", size, len(entries), err)
		}
		for _, n := range []int64{0, h.N / 2, h.N - 1} {
			if err := c.Included(h, n, entries[n]); err != nil {
				t.Errorf("at %d: entry %d: %v", size, n, err)
			}
			if c.Included(h, n, entries[(n+1)%h.N]) == nil {
				t.Errorf("at %d: another entry passes for %d", size, n)
			}
		}
		for _, old := range heads {
			if err := c.Extends(old, h); err != nil {
				t.Errorf("from %d to %d: %v", old.N, size, err)
			}
		}
		heads = append(heads, h)
	}
	// Old partial tiles stay as long as full ones: whoever holds an older checkpoint can still mirror it.
	if _, err := c.Entries(heads[0]); err != nil {
		t.Error(err)
	}
}

// TestForgedAnswers plants answers that do not belong under the checkpoint. Each must be asked for and must be found out.
func TestForgedAnswers(t *testing.T) {
	t.Parallel()
	const before, after = 300, 70_000
	r, fork := newRig(t, 1), newRig(t, 1)
	r.grow(t, before)
	old := head(t, r.client(t, nil))
	r.grow(t, after)
	fork.commit(t, fork.maker.Command("test", []ledger.Draft{{Kind: ledger.KindDecision, Body: []byte("what another is shown")}}))
	fork.grow(t, after)
	other := newRig(t, 2)
	other.grow(t, after)
	of := func(l *rig, path string) []byte {
		rec := httptest.NewRecorder()
		Handler(func() Log { return l }, slog.Default()).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/"+path, nil))
		if rec.Code != http.StatusOK {
			t.Fatalf("%s: %d", path, rec.Code)
		}
		return rec.Body.Bytes()
	}
	flip := func(b []byte) []byte { b[len(b)/2+5] ^= 1; return b }
	short := func(b []byte) []byte { return b[:len(b)-32] }
	for _, f := range []struct {
		name, path string
		change     func([]byte) []byte
	}{
		{"none", "checkpoint", func(b []byte) []byte { return b }},
		{"a changed leaf hash", "tile/0/000", flip},
		{"a changed hash of the partial tile", "tile/0/273.p/112", flip},
		{"a changed hash of level 1", "tile/1/000", flip},
		{"a changed hash of level 2", "tile/2/000.p/1", flip},
		{"a tile cut short", "tile/0/001", short},
		{"a partial tile cut short", "tile/1/001.p/17", short},
		{"a tile cut inside a hash", "tile/0/001", func(b []byte) []byte { return b[:len(b)-1] }},
		{"an empty tile", "tile/1/000", func([]byte) []byte { return nil }},
		{"a tile with more", "tile/1/001.p/17", func(b []byte) []byte { return append(b, make([]byte, 32)...) }},
		{"another tile of this log", "tile/0/001", func([]byte) []byte { return of(r, "tile/0/002") }},
		{"the fork's tile", "tile/0/001", func([]byte) []byte { return of(fork, "tile/0/001") }},
		{"the fork's tile of level 1", "tile/1/000", func([]byte) []byte { return of(fork, "tile/1/000") }},
		{"a changed entry", "tile/entries/000", flip},
		{"a changed entry of the partial bundle", "tile/entries/273.p/112", flip},
		{"a bundle cut short", "tile/entries/001", func(b []byte) []byte { return b[:len(b)-34] }},
		{"a bundle cut inside an entry", "tile/entries/001", func(b []byte) []byte { return b[:len(b)-1] }},
		{"the fork's bundle", "tile/entries/001", func([]byte) []byte { return of(fork, "tile/entries/001") }},
		{"a changed checkpoint", "checkpoint", flip},
		{"a checkpoint with another size", "checkpoint", func(b []byte) []byte { return bytes.Replace(b, []byte("\n70000\n"), []byte("\n69999\n"), 1) }},
		{"a checkpoint without its signature", "checkpoint", func(b []byte) []byte { return b[:bytes.Index(b, []byte("\n\n"))+2] }},
		{"the checkpoint of another log", "checkpoint", func([]byte) []byte { return of(other, "checkpoint") }},
		{"the checkpoint of a fork", "checkpoint", func([]byte) []byte { return of(fork, "checkpoint") }},
	} {
		asked := false
		c := r.client(t, func(path string, body []byte) []byte {
			if path != f.path {
				return body
			}
			asked = true
			return f.change(bytes.Clone(body))
		})
		err := follow(c, old)
		if !asked {
			t.Errorf("%s: the client never asks for %s", f.name, f.path)
		}
		if (err == nil) != (f.name == "none") {
			t.Errorf("%s: %v", f.name, err)
		}
	}
}

// TestWholeFork: a fork that is whole in itself and signed by the right key is found out by the checkpoint from before, and by
// nothing else.
func TestWholeFork(t *testing.T) {
	t.Parallel()
	r, fork := newRig(t, 1), newRig(t, 1)
	r.grow(t, 300)
	old := head(t, r.client(t, nil))
	fork.commit(t, fork.maker.Command("test", []ledger.Draft{{Kind: ledger.KindDecision, Body: []byte("what another is shown")}}))
	for _, size := range []uint64{300, 900} { // as large as what was seen, and larger
		fork.grow(t, size)
		c := fork.client(t, nil)
		if _, err := c.Entries(head(t, c)); err != nil {
			t.Errorf("at %d the fork is not whole in itself: %v", size, err)
		}
		if follow(c, old) == nil {
			t.Errorf("at %d a fork passes for the growth of the log", size)
		}
	}
}

// TestWhileItGrows: what a checkpoint covers stays readable and the same while the log goes on under its readers.
func TestWhileItGrows(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.grow(t, 100)
	c := r.client(t, nil)
	old := head(t, c)
	grown := make(chan struct{})
	go func() {
		defer close(grown)
		for size := uint64(101); size < 3000 && !t.Failed(); size += 53 {
			r.grow(t, size)
		}
	}()
	defer func() { <-grown }()
	for rounds := 0; rounds < 8; rounds++ {
		if err := follow(c, old); err != nil {
			t.Fatal(err)
		}
		old = head(t, c)
	}
}

// follow is what a monitor does each time: newest checkpoint, growth since the one before, all entries.
func follow(c *tilelogtest.Client, old tilelogtest.Head) error {
	h, err := c.Head()
	if err != nil {
		return err
	}
	if err := c.Extends(old, h); err != nil {
		return err
	}
	_, err = c.Entries(h)
	return err
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// TestOnlyUnderTheCheckpoint: what is stored but not signed yet is not given out, nor what is spelled in another way.
func TestOnlyUnderTheCheckpoint(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.grow(t, 700)
	note, _ := r.Head()
	r.grow(t, 1400)
	r.sign(note, 700) // the rest is stored, and not signed yet
	url := serve(t, func() Log { return r }, nil)
	for path, want := range map[string]int{
		"checkpoint": 200, "tile/0/000": 200, "tile/0/001": 200, "tile/0/002.p/188": 200, "tile/0/002.p/1": 200, "tile/0/001.p/7": 200,
		"tile/1/000.p/2": 200, "tile/entries/001": 200, "tile/entries/002.p/188": 200,
		// Past the checkpoint of 700, though the store has 1,400.
		"tile/0/002": 404, "tile/0/002.p/189": 404, "tile/0/003": 404, "tile/1/000.p/3": 404, "tile/1/000": 404, "tile/2/000.p/1": 404,
		"tile/entries/002": 404, "tile/entries/003.p/1": 404, "tile/63/000": 404, "tile/8/000.p/1": 404,
		"tile/0/x999/x999/x999/x999/x999/999": 404,
		// Other spellings, and what is no path at all.
		"tile/00/000": 404, "tile/+0/000": 404, "tile/64/000": 404, "tile/-1/000": 404, "tile/0/0": 404, "tile/0/0000": 404, "tile/0/x000/000": 404,
		"tile/0/x000": 404, "tile/0/001/000": 404, "tile/0/x001/x999/x999/x999/x999/x999/999": 404, "tile/0/000.p/0": 404, "tile/0/000.p/256": 404,
		"tile/0/000.p/01": 404, "tile/0/000.p/": 404, "tile/0/000.p": 404, "tile/0/00a": 404, "tile/0/": 404, "tile/0": 404, "tile/data/000": 404,
		"tile/entries/000.p/1/x": 404, "": 404, "checkpoint/x": 404,
	} {
		resp, body := get(t, url+"/"+path)
		if resp.StatusCode != want {
			t.Errorf("%q: %d, want %d", path, resp.StatusCode, want)
		}
		cache, kind := resp.Header.Get("Cache-Control"), resp.Header.Get("Content-Type")
		switch {
		case path == "checkpoint":
			if cache != "no-cache" || kind != "text/plain; charset=utf-8" || body != note {
				t.Errorf("checkpoint: %q %q %q", cache, kind, body)
			}
		case want == 200 && (!strings.Contains(cache, "immutable") || kind != "application/octet-stream"):
			t.Errorf("%s: %q %q", path, cache, kind)
		case want != 200 && strings.Contains(cache, "immutable"):
			t.Errorf("%s: an answer that may change is to be kept", path)
		}
	}
	// A partial tile is the beginning of the full one.
	_, full := get(t, url+"/tile/0/001")
	_, part := get(t, url+"/tile/0/001.p/7")
	if len(full) != 256*32 || part != full[:7*32] {
		t.Errorf("%d bytes of a tile, %d of its beginning", len(full), len(part))
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		req, err := http.NewRequest(method, url+"/tile/0/000", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, resp.StatusCode)
		}
	}
}

// TestNoPlaintext: what is published holds neither an entry's bytes nor the salt that would let others guess them.
func TestNoPlaintext(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	secret := []byte("the creator's name")
	r.commit(t, r.maker.Command("test", []ledger.Draft{{Kind: ledger.KindDecision, Body: secret}}))
	r.grow(t, r.Size()+1)
	rec, err := r.RecordBySeq(r.size - 2)
	if err != nil || !bytes.Contains(rec.Entries[0], secret) {
		t.Fatalf("%q: %v", rec.Entries, err)
	}
	salt := ledger.EntrySalt(rec.Salt, 0)
	c := r.client(t, func(path string, body []byte) []byte {
		for _, b := range [][]byte{secret, rec.Salt[:], salt[:]} {
			if bytes.Contains(body, b) {
				t.Errorf("%s tells %q", path, b)
			}
		}
		return body
	})
	entries, err := c.Entries(head(t, c))
	if err != nil {
		t.Fatal(err)
	}
	// It is there all the same, for whoever is given salt and bytes.
	if want := ledger.Commitment(salt, rec.Entries[0]); !bytes.Equal(entries[rec.FirstSeq], want[:]) {
		t.Errorf("entry %x, the commitment is %x", entries[rec.FirstSeq], want)
	}
}

// broken is a log whose store fails.
type broken struct {
	*rig
	err error
}

func (b broken) Hashes([]merkle.Node) ([]nexus.Hash, error) { return nil, b.err }
func (b broken) RecordBySeq(uint64) (ledger.Record, error)  { return ledger.Record{}, b.err }

func failing(r *rig, code nexus.Code, text string) func() Log {
	return func() Log { return broken{r, nexus.Errf("read", code, "log", "", "%s", text)} }
}

func TestLogThatCannotBeRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	empty := newRig(t, 2) // never signed
	r.grow(t, 300)
	for _, c := range []struct {
		name string
		open func() Log
		want int
	}{
		{"none open", func() Log { return nil }, 503},
		{"not signed yet", func() Log { return empty }, 503},
		{"damaged", failing(r, nexus.CodeCorrupt, "inner words"), 500},
		{"closing", failing(r, nexus.CodeUnavailable, "inner words"), 503},
	} {
		url := serve(t, c.open, nil)
		for _, path := range []string{"/tile/0/000", "/tile/entries/000"} {
			resp, body := get(t, url+path)
			if resp.StatusCode != c.want || strings.Contains(body, "inner words") || resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %s: %d %q", c.name, path, resp.StatusCode, body)
			}
		}
	}
	if resp, _ := get(t, serve(t, func() Log { return empty }, nil)+"/checkpoint"); resp.StatusCode != 503 {
		t.Errorf("a checkpoint that nobody signed: %d", resp.StatusCode)
	}
}

// FuzzPath: a path that is taken is spelled in the one way of the format.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"0/000", "entries/x001/x234/067.p/8", "63/999.p/255", "0/x000/001", "1/.p/1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := parsePath(s)
		if !ok {
			return
		}
		n := fmt.Sprintf("%03d", p.index%1000)
		for rest := p.index / 1000; rest > 0; rest /= 1000 {
			n = fmt.Sprintf("x%03d/", rest%1000) + n
		}
		want := fmt.Sprintf("%d/%s", p.level, n)
		if p.entries {
			want = "entries/" + n
		}
		if p.width < 256 {
			want += fmt.Sprintf(".p/%d", p.width)
		}
		if s != want {
			t.Errorf("%q is read as %q", s, want)
		}
	})
}
