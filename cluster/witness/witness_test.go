package witness

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	formats "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// TestCosignsGrowth: a log that only grows is cosigned at each size, also again at the same one, and what is cosigned verifies for an
// implementation that shares no code with this house.
func TestCosignsGrowth(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 1)
	c := config(t, "w.example", l)
	now := time.Unix(1_700_000_000, 0)
	c.Clock = func() time.Time { return now }
	w := open(t, c)
	outsider, err := formats.NewVerifierForCosignatureV1(w.Key().String())
	if err != nil {
		t.Fatal(err)
	}
	old := 0
	for _, size := range []int{1, 2, 3, 3, 8, 300, 300, 515} {
		l.grow(size, "entry")
		r := l.request(t, old, size)
		line := must(t, w, r)
		opened, err := note.Open([]byte(r.Checkpoint+line), note.VerifierList(outsider))
		if err != nil || len(opened.Sigs) != 1 || opened.Sigs[0].Name != "w.example" {
			t.Fatalf("at %d: %v", size, err)
		}
		if at, err := formats.CoSigV1Timestamp(opened.Sigs[0]); err != nil || at.Before(time.Unix(1_700_000_000, 0)) {
			t.Fatalf("at %d: dated %v, %v", size, at, err)
		}
		old = size
		now = now.Add(-time.Minute) // the clock is put back: a larger tree is never dated before a smaller one
	}
	if got := w.Watching(); len(got) != 1 || got[0].Size != 515 || got[0].Time.Unix() != 1_700_000_000 {
		t.Fatalf("%+v", got)
	}
}

// TestRefuses: whatever is not proven growth of a known log under its key is refused with the status of the protocol, and changes nothing.
func TestRefuses(t *testing.T) {
	t.Parallel()
	l, fork, other := newLog(t, origin, 700), newLog(t, origin, 300), newLog(t, "log.example/two", 700)
	fork.grow(700, "another history")
	c := config(t, "w.example", l)
	w := open(t, c)
	must(t, w, l.request(t, 0, 400))
	with := func(change func(*Request)) Request {
		r := l.request(t, 400, 700)
		change(&r)
		return r
	}
	for _, r := range []struct {
		name    string
		request Request
		want    int
	}{
		{"replayed", l.request(t, 0, 400), 409},
		{"an older checkpoint that was signed", l.request(t, 300, 350), 409},
		{"shrunk", with(func(r *Request) { r.Checkpoint = l.at(390) }), 400},
		{"a size that it never cosigned", l.request(t, 500, 700), 409},
		{"first contact once more", l.request(t, 0, 700), 409},
		{"forked, with the fork's own proof", fork.request(t, 400, 700), 422},
		{"forked, without a proof", with(func(r *Request) { r.Checkpoint, r.Proof = fork.at(700), nil }), 422},
		{"two roots for the size that it cosigned", fork.request(t, 400, 400), 422},
		{"no proof", with(func(r *Request) { r.Proof = nil }), 422},
		{"a changed proof", with(func(r *Request) { r.Proof[1][3] ^= 1 }), 422},
		{"a proof with more", with(func(r *Request) { r.Proof = append(r.Proof, nexus.Hash{}) }), 422},
		{"a proof for the same size", func() Request { r := l.request(t, 400, 400); r.Proof = []nexus.Hash{{1}}; return r }(), 422},
		{"another log's checkpoint", with(func(r *Request) { r.Checkpoint = replaceIn(r.Checkpoint, origin, "log.example/two") }), 404},
		{"signed by another log's key", with(func(r *Request) { r.Checkpoint = other.at(700) }), 403},
		{"signed by nobody", with(func(r *Request) { r.Checkpoint = r.Checkpoint[:strings.Index(r.Checkpoint, "\n\n")+2] }), 403},
		{"a changed signature", with(func(r *Request) { r.Checkpoint = r.Checkpoint[:len(r.Checkpoint)-6] + "AAAA=\n" }), 403},
		{"a changed extension", with(func(r *Request) { r.Checkpoint = replaceIn(r.Checkpoint, "an extension", "another extension") }), 403},
		{"only its own cosignature", with(func(r *Request) {
			body, _, _ := strings.Cut(r.Checkpoint, "\n\n")
			sig, _ := c.Signer.Sign(verify.CosignatureMessage(body+"\n", 1))
			r.Checkpoint = body + "\n\n" + w.Key().CosignatureLine(1, sig)
		}), 403},
		{"no checkpoint", with(func(r *Request) { r.Checkpoint = origin + "\n\n— x AAAA\n" }), 400},
		{"a size with a leading zero", with(func(r *Request) { r.Checkpoint = replaceIn(r.Checkpoint, "\n700\n", "\n0700\n") }), 400},
		{"too many signatures", with(func(r *Request) { r.Checkpoint += strings.Repeat("— x AAAAAAAA\n", signaturesMax) }), 400},
	} {
		line, err := w.Add(r.request)
		var refused *Refusal
		if line != "" || !errors.As(err, &refused) || refused.Status != r.want {
			t.Errorf("%s: %q, %v, want %d", r.name, line, err, r.want)
			continue
		}
		if refused.Status == 409 && refused.Size != 400 {
			t.Errorf("%s: told size %d", r.name, refused.Size)
		}
	}
	must(t, w, l.request(t, 400, 700)) // the honest log goes on
}

// TestEmptyTree: the tree without entries has one root, and needs no proof.
func TestEmptyTree(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 0)
	w := open(t, config(t, "w.example", l))
	wrong := Request{Checkpoint: l.signLocked(origin, 0, nexus.Hash{1})}
	var refused *Refusal
	if _, err := w.Add(wrong); !errors.As(err, &refused) || refused.Status != 422 {
		t.Errorf("another root of nothing: %v", err)
	}
	must(t, w, l.request(t, 0, 0))
	l.grow(5, "entry")
	r := l.request(t, 0, 5)
	r.Proof = []nexus.Hash{{}}
	if _, err := w.Add(r); !errors.As(err, &refused) || refused.Status != 422 {
		t.Errorf("a proof from nothing: %v", err)
	}
	must(t, w, l.request(t, 0, 5))
}

// TestEvidence: two signed roots for one size are kept, both notes whole, once for each size; a proof that does not hold is none.
func TestEvidence(t *testing.T) {
	t.Parallel()
	l, fork := newLog(t, origin, 300), newLog(t, origin, 200)
	fork.grow(300, "another history")
	c := config(t, "w.example", l)
	w := open(t, c)
	must(t, w, l.request(t, 0, 300))
	files := func() []string {
		_, list, err := ReadFolder(c.Dir, w.Key())
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	_, _ = w.Add(l.request(t, 0, 300)) // replayed: the same root
	_, _ = w.Add(fork.request(t, 200, 250))
	if list := files(); len(list) != 0 {
		t.Fatalf("evidence of nothing: %v", list)
	}
	for _, old := range []int{200, 0, 300} { // whatever it claims to continue
		if _, err := w.Add(fork.request(t, old, 300)); err == nil {
			t.Fatal("a fork is cosigned")
		}
		if list := files(); len(list) != 1 {
			t.Fatalf("from %d: %v", old, list)
		}
	}
	list := files()
	b, err := os.ReadFile(list[0])
	if err != nil {
		t.Fatal(err)
	}
	e, err := CheckEvidence(b, []LogKey{l.key(t)})
	if err != nil || e.Size != 300 || e.Origin != origin {
		t.Fatalf("%+v, %v", e, err)
	}
	for name, change := range map[string]string{
		"one note twice":  string(b[:strings.Index(string(b), `"second"`)]) + `"second": ` + jsonText(l.at(300)) + "\n}\n",
		"another's key":   string(b[:strings.Index(string(b), `"second"`)]) + `"second": ` + jsonText(newLog(t, "log.example/two", 0).grow(301, "other").at(300)) + "\n}\n",
		"another's note":  replaceIn(string(b), `"second": "log.example/one`, `"second": "log.example/two`),
		"a changed size":  replaceIn(string(b), `"size": 300`, `"size": 301`),
		"no JSON":         "x",
		"another form":    replaceIn(string(b), evidenceForm, "x"),
		"a changed root":  replaceIn(string(b), `\n300\n`, `\n300\nA`),
		"another's claim": replaceIn(string(b), `"origin": "log.example/one"`, `"origin": "log.example/two"`),
	} {
		if _, err := CheckEvidence([]byte(change), []LogKey{l.key(t)}); err == nil {
			t.Errorf("%s passes for evidence", name)
		}
	}
	must(t, w, l.request(t, 300, 300)) // the first history stays the log's
}

// TestKilledBetweenSavingAndReplying: what is on disk counts. The log asks again, is told the size, and gets its cosignature; a fork of
// what it was not told of is refused all the same.
func TestKilledBetweenSavingAndReplying(t *testing.T) {
	t.Parallel()
	l, fork := newLog(t, origin, 500), newLog(t, origin, 200)
	fork.grow(600, "another history")
	c := config(t, "w.example", l)
	w := open(t, c)
	must(t, w, l.request(t, 0, 200))
	killed := errors.New("killed")
	w.saved = func() error { return killed }
	if line, err := w.Add(l.request(t, 200, 400)); !errors.Is(err, killed) || line != "" {
		t.Fatalf("%q, %v", line, err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w = open(t, c)
	var refused *Refusal
	for _, r := range []Request{l.request(t, 200, 400), fork.request(t, 200, 600)} {
		if _, err := w.Add(r); !errors.As(err, &refused) || refused.Status != 409 || refused.Size != 400 {
			t.Fatalf("%v", err)
		}
	}
	if _, err := w.Add(fork.request(t, 400, 600)); !errors.As(err, &refused) || refused.Status != 422 {
		t.Fatalf("%v", err)
	}
	must(t, w, l.request(t, 400, 400))
	must(t, w, l.request(t, 400, 500))
}

// TestNothingIsCosignedThatIsNotSaved: a state that cannot be written means no cosignature, and the same request later gets one.
func TestNothingIsCosignedThatIsNotSaved(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 100)
	c := config(t, "w.example", l)
	w := open(t, c)
	moved := c.Dir + "-away"
	if err := os.Rename(c.Dir, moved); err != nil {
		t.Fatal(err)
	}
	if line, err := w.Add(l.request(t, 0, 50)); line != "" || nexus.CodeOf(err) != nexus.CodeUnavailable {
		t.Fatalf("%q, %v", line, err)
	}
	if err := os.Rename(moved, c.Dir); err != nil {
		t.Fatal(err)
	}
	must(t, w, l.request(t, 0, 50))
}

// closedAt100 gives a closed witness that cosigned 100 entries: its log, its configuration, and its state file with the bytes.
func closedAt100(t *testing.T) (l *testLog, c Config, path string, whole []byte) {
	t.Helper()
	l = newLog(t, origin, 100)
	c = config(t, "w.example", l)
	w := open(t, c)
	must(t, w, l.request(t, 0, 100))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(c.Dir, stateFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return l, c, path, whole
}

// TestStateThatIsNotItsOwn: a missing, damaged, shortened, foreign or older-format state is refused by name, never taken for an empty one.
func TestStateThatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	l, c, path, whole := closedAt100(t)
	refused := func(name string) {
		t.Helper()
		w, err := Open(c)
		if err == nil {
			_ = w.Close()
		}
		if nexus.CodeOf(err) != nexus.CodeCorrupt || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range whole {
		b := append([]byte{}, whole...)
		b[i] ^= 1
		if _, err := parseState(b, keyOf(t, c)); err == nil {
			t.Fatalf("byte %d changed: passes", i)
		}
	}
	forged, err := encodeState(keyOf(t, c), map[string]seen{origin: {Origin: origin, Checkpoint: l.at(50)}})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := encodeState(keyOf(t, config(t, "other.example", l)), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"cut short": whole[:len(whole)/2], "empty": {}, "of another witness": foreign,
		"a checkpoint that it never cosigned, with a right sum": forged} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		refused(name)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	refused("missing")
}

// TestFolder: what a crash left is removed, one process holds the folder, and a state is never made anew.
func TestFolder(t *testing.T) {
	t.Parallel()
	l, c, path, whole := closedAt100(t)
	if err := os.WriteFile(filepath.Join(c.Dir, ".state.json.7.tmp"), whole[:9], 0o600); err != nil {
		t.Fatal(err)
	}
	w := open(t, c)
	if got := w.Watching(); len(got) != 1 || got[0].Size != 100 {
		t.Errorf("%+v", got)
	}
	if left, _ := filepath.Glob(filepath.Join(c.Dir, ".*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := Open(c); nexus.CodeOf(err) != nexus.CodeConflict {
		t.Errorf("opened twice: %v", err)
	}
	if err := Init(c.Dir, w.Key()); err != nil {
		t.Fatal(err)
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != string(whole) {
		t.Errorf("made again over a state: %v", err)
	}
	other := keyOf(t, config(t, "other.example", l))
	if err := Init(c.Dir, other); nexus.CodeOf(err) != nexus.CodeConflict {
		t.Errorf("another witness's folder is taken: %v", err)
	}
	empty := config(t, "new.example", l)
	if err := Init(empty.Dir, other); err != nil { // the key that it was made for was never placed
		t.Error(err)
	}
	if _, err := loadState(empty.Dir, other); err != nil {
		t.Error(err)
	}
}

// TestManyAtOnce: of requests that race, the size on disk never goes back, and each cosignature is of a history that the others continue.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	l, second := newLog(t, origin, 128), newLog(t, "log.example/two", 1)
	c := config(t, "w.example", l)
	k, err := ParseLogKey(second.vkey)
	if err != nil {
		t.Fatal(err)
	}
	c.Logs = append(c.Logs, k)
	w := open(t, c)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for size := 1 + worker; size <= 128; size += 5 {
				old := 0
				for {
					_, err := w.Add(l.request(t, old, size))
					var refused *Refusal
					if err == nil {
						break
					}
					if !errors.As(err, &refused) || refused.Status != 409 {
						t.Error(err)
						return
					}
					if old = int(refused.Size); old > size {
						break // another was faster with a larger one
					}
				}
			}
		})
	}
	wg.Wait()
	last := w.Watching()[0].Size
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := open(t, c).Watching(); got[0].Size != last || last < 120 || got[1].Size != 0 {
		t.Errorf("%+v, %d before", got, last)
	}
}

// TestHTTP: the statuses, types and bounds as a client sees them.
func TestHTTP(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 90)
	w := open(t, config(t, "w.example", l))
	url := serve(t, w).URL
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(origin)))
	do := func(method, path, body string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequest(method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(b)
	}
	if resp, _ := do("GET", "/"+hash+"/checkpoint", ""); resp.StatusCode != 404 {
		t.Errorf("a checkpoint before the first: %d", resp.StatusCode)
	}
	first := string(l.request(t, 0, 80).Encode())
	resp, line := do("POST", "/add-checkpoint", first)
	if resp.StatusCode != 200 || !strings.HasPrefix(line, "— w.example ") || strings.Count(line, "\n") != 1 {
		t.Fatalf("%d %q", resp.StatusCode, line)
	}
	resp, body := do("POST", "/add-checkpoint", first)
	if resp.StatusCode != 409 || body != "80\n" || resp.Header.Get("Content-Type") != "text/x.tlog.size" {
		t.Errorf("%d %q %q", resp.StatusCode, body, resp.Header.Get("Content-Type"))
	}
	long := l.request(t, 80, 80)
	long.Proof = make([]nexus.Hash, proofMax+1)
	for body, want := range map[string]int{"": 400, string(long.Encode()): 400, "old 80\n": 400, "old 080\n\nx": 400, "x" + first: 400,
		strings.Repeat("a", requestMax+1): 413, string(l.request(t, 80, 80).Encode()): 200} {
		if resp, text := do("POST", "/add-checkpoint", body); resp.StatusCode != want {
			t.Errorf("%.20q: %d %q, want %d", body, resp.StatusCode, text, want)
		}
	}
	if resp, _ := do("GET", "/add-checkpoint", ""); resp.StatusCode != 405 {
		t.Errorf("GET: %d", resp.StatusCode)
	}
	resp, shown := do("GET", "/"+hash+"/checkpoint", "")
	v, err := note.NewVerifier(l.vkey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open([]byte(shown), note.VerifierList(v)); err != nil || resp.StatusCode != 200 ||
		len(verify.Cosignatures(shown, []verify.WitnessKey{w.Key()})) != 1 {
		t.Errorf("%d %q: %v", resp.StatusCode, shown, err)
	}
	if resp, _ := do("GET", "/"+strings.Repeat("0", 64)+"/checkpoint", ""); resp.StatusCode != 404 {
		t.Errorf("of an unknown log: %d", resp.StatusCode)
	}
}

// TestParseLogKey: what is no key of a log is refused, with the way out.
func TestParseLogKey(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 0)
	for _, text := range []string{l.vkey, origin + "=" + l.vkey} {
		if k, err := ParseLogKey(text); err != nil || k.Origin != origin {
			t.Errorf("%q: %+v, %v", text, k, err)
		}
	}
	for _, text := range []string{"", "x", "=" + l.vkey, "x=", l.vkey[:len(l.vkey)-4], keyOf(t, config(t, "w.example", l)).String(), "a\nb=" + l.vkey} {
		if k, err := ParseLogKey(text); nexus.CodeOf(err) != nexus.CodeUsage {
			t.Errorf("%q: %+v, %v", text, k, err)
		}
	}
}

// FuzzParseRequest: a request that is taken is spelled in the one way of the protocol, and no note makes a reader panic.
func FuzzParseRequest(f *testing.F) {
	l := newLog(f, origin, 20)
	w := open(f, config(f, "w.example", l))
	must(f, w, l.request(f, 0, 20))
	f.Add(l.request(f, 0, 20).Encode())
	f.Add(l.request(f, 7, 20).Encode())
	f.Add([]byte("old 0\n\n" + origin + "\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— x AAAA\n"))
	f.Add([]byte("old 1\n\n\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := ParseRequest(body)
		if err != nil {
			return
		}
		if string(r.Encode()) != string(body) {
			t.Errorf("%q is read as %q", body, r.Encode())
		}
		line, err := w.Add(r)
		if err == nil && r.Checkpoint != l.at(20) || (err == nil) != (line != "") {
			t.Errorf("%q is cosigned", body)
		}
	})
}

// FuzzParseState: nothing passes for a state but what its witness wrote.
func FuzzParseState(f *testing.F) {
	l := newLog(f, origin, 20)
	c := config(f, "w.example", l)
	w := open(f, c)
	must(f, w, l.request(f, 0, 20))
	whole, err := os.ReadFile(filepath.Join(c.Dir, stateFile))
	if err != nil {
		f.Fatal(err)
	}
	empty, err := encodeState(w.Key(), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(empty)
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := parseState(b, w.Key()); err == nil && string(b) != string(whole) && string(b) != string(empty) {
			t.Errorf("%q passes", b)
		}
	})
}

// FuzzCheckEvidence: nothing passes for evidence that a log's key did not sign twice.
func FuzzCheckEvidence(f *testing.F) {
	l := newLog(f, origin, 20)
	keys := []LogKey{l.key(f)}
	f.Add([]byte(`{"format":"` + evidenceForm + `","origin":"` + origin + `","size":20,"first":` + jsonText(l.at(20)) + `,"second":` + jsonText(l.at(20)) + `}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := CheckEvidence(b, keys); err == nil {
			t.Errorf("%q passes for evidence", b)
		}
	})
}
