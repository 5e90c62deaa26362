package witness

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/ledger/verify"
)

// quick is a pace for tests.
var quick = Pace{Between: 10 * time.Millisecond, Patience: 100 * time.Millisecond, Timeout: 300 * time.Millisecond, Fresh: time.Minute,
	RetryMax: 40 * time.Millisecond}

// feed runs a feeder of a log.
func feed(t *testing.T, l *testLog, pace Pace, file string, targets ...Target) *Feeder {
	t.Helper()
	f, err := NewFeeder(FeederConfig{Log: l, LogKey: signerOf("log " + origin).Public(), Targets: targets, File: file, Pace: pace})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return f
}

func keysOf(targets ...Target) (keys []verify.WitnessKey) {
	for _, t := range targets {
		keys = append(keys, t.Key)
	}
	return keys
}

// stand is a witness with what stands before it.
func stand(t *testing.T, l *testLog, name string, before func(http.Handler) http.Handler) (Target, *Witness) {
	t.Helper()
	w := open(t, config(t, name, l))
	h := w.Handler()
	if before != nil {
		h = before(h)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return Target{URL: srv.URL, Key: w.Key()}, w
}

// TestFeeds: what grows is cosigned by all witnesses on one note, and counted by distinct keys.
func TestFeeds(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 10)
	one, _ := stand(t, l, "one.example", nil)
	two, _ := stand(t, l, "two.example", nil)
	pace := quick // on a busy machine neither is given up
	pace.Patience, pace.Timeout = time.Minute, time.Minute
	f := feed(t, l, pace, "", one, two)
	for size := 10; size < 400; size += 97 {
		l.grow(size, "entry")
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		c := f.Cosign(ctx, uint64(size))
		cancel()
		if c.Size < uint64(size) || c.Cosigners != 2 || c.Of != int(c.Size) || len(verify.Cosignatures(c.Note, keysOf(one, two))) != 2 {
			t.Fatalf("at %d: %+v", size, c)
		}
		if known := f.Known(l.Head()); known.Note != c.Note || known.Cosigners != 2 {
			t.Errorf("at %d: known is %+v", size, known)
		}
		if p := f.Published(); p.Note != c.Note {
			t.Errorf("at %d: published is %+v", size, p)
		}
	}
	for _, s := range f.Status() {
		if s.Size != l.Head().Size || s.Err != nil || s.Time.IsZero() {
			t.Errorf("%+v", s)
		}
	}
}

// TestWitnessesThatFail: one that hangs, one that is gone, one that answers for another key and one that answers nonsense hold up neither
// the log nor the witness that works.
func TestWitnessesThatFail(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 10)
	good, _ := stand(t, l, "good.example", nil)
	release := make(chan struct{})
	hung, _ := stand(t, l, "hung.example", func(http.Handler) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		})
	})
	t.Cleanup(func() { close(release) })
	gone := Target{URL: "http://127.0.0.1:1", Key: keyOf(t, config(t, "gone.example", l))}
	impostor, _ := stand(t, l, "impostor.example", nil)
	impostor.Key.Public = signerOf("somebody else").Public()
	answers := func(status int, body string) func(http.Handler) http.Handler {
		return func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body))
			})
		}
	}
	nonsense, _ := stand(t, l, "nonsense.example", answers(200, "— nonsense.example AAAA\n"))
	endless, _ := stand(t, l, "endless.example", answers(200, strings.Repeat("x", 1<<20)))
	stuck, _ := stand(t, l, "stuck.example", answers(409, "0\n"))
	away, _ := stand(t, l, "away.example", nil) // somebody redirects what is meant for it
	redirect := httptest.NewServer(http.RedirectHandler(away.URL+"/add-checkpoint", http.StatusTemporaryRedirect))
	t.Cleanup(redirect.Close)
	away.URL = redirect.URL
	all := []Target{good, hung, gone, impostor, nonsense, endless, stuck, away}
	f := feed(t, l, quick, "", all...)
	for size := 11; size < 15; size++ {
		before := time.Now()
		l.grow(size, "entry") // the log itself asks nobody
		if took := time.Since(before); took > 10*time.Second {
			t.Errorf("growing took %v", took)
		}
		eventually(t, "the good witness cosigns", func() bool { p := f.Published(); return p.Size == uint64(size) && p.Cosigners == 1 })
		if p := f.Published(); len(verify.Cosignatures(p.Note, keysOf(all...))) != 1 {
			t.Errorf("%+v", p)
		}
	}
	eventually(t, "all others have an error", func() bool {
		for _, s := range f.Status()[1:] {
			if s.Err == nil || s.Size != 0 {
				return false
			}
		}
		return true
	})
	if s := f.Status()[0]; s.Err != nil || s.Size != 14 {
		t.Errorf("%+v", s)
	}
	if s := f.Status()[5]; !strings.Contains(s.Err.Error(), "more than") {
		t.Errorf("%+v", s)
	}
}

// TestWitnessThatKnowsMore: a log that was put back, or forked, is told so by the witness and gets no cosignature.
func TestWitnessThatKnowsMore(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 300)
	target, w := stand(t, l, "w.example", nil)
	must(t, w, l.request(t, 0, 300))
	put := newLog(t, origin, 200)
	fork := newLog(t, origin, 200).grow(400, "another history")
	for name, l := range map[string]*testLog{"put back": put, "forked": fork} {
		f := feed(t, l, quick, "", target)
		eventually(t, name, func() bool { return f.Status()[0].Conflict })
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Millisecond)
		c := f.Cosign(ctx, 1)
		cancel()
		if c.Cosigners != 0 || c.Note != l.Head().Note || f.Published().Cosigners != 0 {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// TestReplyThatIsLost: a witness that saved and never answered gives its cosignature when it is asked again.
func TestReplyThatIsLost(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 50)
	var lost atomic.Int32
	target, _ := stand(t, l, "w.example", func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if lost.Add(1) == 1 {
				h.ServeHTTP(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			}
			h.ServeHTTP(w, r)
		})
	})
	f := feed(t, l, quick, "", target)
	eventually(t, "cosigned after all", func() bool { return f.Published().Cosigners == 1 })
	if lost.Load() < 2 {
		t.Error("nothing was lost")
	}
}

// TestPublishedNeverGoesBack: with its witnesses gone the log is published bare after a while, and a cosignature that comes later does not
// take entries away.
func TestPublishedNeverGoesBack(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 10)
	var off atomic.Bool
	gate := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if off.Load() {
				http.Error(w, "off", http.StatusServiceUnavailable)
				return
			}
			h.ServeHTTP(w, r)
		})
	}
	one, _ := stand(t, l, "one.example", gate)
	two, _ := stand(t, l, "two.example", nil)
	pace := quick
	pace.Fresh = 150 * time.Millisecond
	f := feed(t, l, pace, "", one, two)
	eventually(t, "both cosign", func() bool { return f.Published().Cosigners == 2 })
	off.Store(true)
	fewer := time.Now()
	size, last := 10, uint64(0)
	eventually(t, "one of two is published", func() bool {
		size++
		l.grow(size, "entry")
		p := f.Published()
		if p.Size < last {
			t.Fatalf("from %d back to %d", last, p.Size)
		}
		if last = p.Size; p.Size > 10 && p.Cosigners < 2 && time.Since(fewer) < pace.Fresh/2 {
			t.Fatalf("%+v: a cosignature was given up at once", p)
		}
		return p.Size > 10 && p.Cosigners == 1
	})
	off.Store(false)
	eventually(t, "both cosign again", func() bool { p := f.Published(); return p.Cosigners == 2 && p.Size == l.Head().Size })
}

// TestLateCosignatures: a checkpoint is published when the patience for the slower is over; what comes late is added to it, and takes
// nothing back.
func TestLateCosignatures(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 10)
	pace := quick
	pace.Timeout, pace.Fresh = 30*time.Second, 60*time.Millisecond
	release := make(chan struct{})
	late := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-release
			h.ServeHTTP(w, r)
		})
	}
	prompt, _ := stand(t, l, "prompt.example", nil)
	slow, _ := stand(t, l, "slow.example", late)
	hung := make(chan struct{})
	silent, _ := stand(t, l, "silent.example", func(http.Handler) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hung })
	})
	t.Cleanup(func() { close(hung) })
	f := feed(t, l, pace, "", prompt, slow, silent)
	eventually(t, "published with the prompt one's", func() bool { return f.Published().Cosigners == 1 })
	close(release)
	eventually(t, "the late one's is added", func() bool { p := f.Published(); return p.Cosigners == 2 && p.Size == 10 })

	l = newLog(t, origin, 10)
	once := make(chan struct{}, 2)
	slow, _ = stand(t, l, "slow.example", func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-once
			h.ServeHTTP(w, r)
		})
	})
	f = feed(t, l, pace, "", slow)
	eventually(t, "asked", func() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.witnesses[0].busy })
	l.grow(20, "entry")
	eventually(t, "published bare", func() bool { return f.Published().Size == 20 })
	once <- struct{}{}
	eventually(t, "cosigned late", func() bool { return f.Status()[0].Size == 10 })
	if p := f.Published(); p.Size != 20 {
		t.Errorf("back to %d", p.Size)
	}
	once <- struct{}{}
	eventually(t, "the newest is cosigned", func() bool { p := f.Published(); return p.Size == 20 && p.Cosigners == 1 })
}

// TestRoundsWait: while a slower witness is within the patience, it takes part in every round.
func TestRoundsWait(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 10)
	pace := quick
	pace.Patience, pace.Timeout = 10*time.Second, 10*time.Second
	prompt, _ := stand(t, l, "prompt.example", nil)
	slow, _ := stand(t, l, "slow.example", func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(40 * time.Millisecond) // longer than the time between two rounds
			h.ServeHTTP(w, r)
		})
	})
	f := feed(t, l, pace, "", prompt, slow)
	seen := map[uint64]int{}
	for size := 10; len(seen) < 4; size++ {
		l.grow(size, "entry")
		f.mu.Lock()
		for _, r := range f.rounds {
			if r.settled {
				seen[r.head.Size] = len(r.sigs)
			}
		}
		f.mu.Unlock()
		time.Sleep(5 * time.Millisecond)
	}
	for size, n := range seen {
		if n != 2 {
			t.Errorf("at %d: %d cosigners", size, n)
		}
	}
}

// TestFailingWitnessRests: one that refuses is not asked without pause.
func TestFailingWitnessRests(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 10)
	var asked atomic.Int32
	target, _ := stand(t, l, "w.example", func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.WriteHeader(http.StatusForbidden)
		})
	})
	pace := quick
	pace.RetryMax = time.Hour
	feed(t, l, pace, "", target)
	began := time.Now()
	eventually(t, "asked again", func() bool { return asked.Load() >= 2 })
	if rest := 400*time.Millisecond - time.Since(began); rest > 0 {
		time.Sleep(rest) // it rests 10, 20, 40, 80, 160 and then 320 ms
		if n := asked.Load(); n > 8 {
			t.Errorf("asked %d times", n)
		}
	}
}

// TestNobodyCosigns: the head is published bare at once, and follows after the time that a cosigned one would be held.
func TestNobodyCosigns(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 10)
	pace := quick
	pace.Fresh = 50 * time.Millisecond
	f := feed(t, l, pace, "", Target{URL: "http://127.0.0.1:1", Key: keyOf(t, config(t, "gone.example", l))})
	eventually(t, "published", func() bool { return f.Published().Size == 10 })
	l.grow(20, "entry")
	eventually(t, "published anew", func() bool { p := f.Published(); return p.Size == 20 && p.Cosigners == 0 })
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if c := f.Cosign(ctx, 20); c.Size != 20 || c.Cosigners != 0 || ctx.Err() != nil {
		t.Errorf("%+v, %v", c, ctx.Err())
	}
}

// TestKeptOverRestart: the cosignatures of the head as it stands are there at once; what was kept of another log, or changed, is not.
func TestKeptOverRestart(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 60)
	target, _ := stand(t, l, "w.example", nil)
	file := filepath.Join(t.TempDir(), "cosigned")
	f := feed(t, l, quick, file, target)
	eventually(t, "kept", func() bool { _, err := os.Stat(file); return f.Published().Cosigners == 1 && err == nil })
	again := func() *Feeder { // never run: nobody is asked
		f, err := NewFeeder(FeederConfig{Log: l, Targets: []Target{target}, File: file})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if g := again(); g.Known(l.Head()).Cosigners != 1 || g.Published().Note != f.Published().Note || g.Status()[0].Size != 60 {
		t.Errorf("%+v, %+v", g.Published(), g.Status())
	}
	l.mu.Lock()
	l.head.Note = replaceIn(l.head.Note, "an extension", "another extension")
	l.mu.Unlock()
	if g := again(); g.Known(l.Head()).Cosigners != 0 || g.Published().Note != "" || g.Status()[0].Size != 60 {
		t.Errorf("another checkpoint takes the cosignatures: %+v", g.Published())
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(replaceIn(string(b), "\n60\n", "\n61\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if g := again(); g.Status()[0].Size != 0 || g.Published().Note != "" {
		t.Errorf("a changed file is believed: %+v", g.Status())
	}
}

// TestNobodyIsAWitnessOfTheirOwn: the log's own key, and one key under two names, are refused.
func TestNobodyIsAWitnessOfTheirOwn(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 1)
	own, err := verify.NewWitnessKey("w.example", signerOf("log "+origin).Public())
	if err != nil {
		t.Fatal(err)
	}
	other := keyOf(t, config(t, "w.example", l))
	same := other
	same.Name = "another.example"
	for name, keys := range map[string][]verify.WitnessKey{"own": {own}, "twice": {other, same}} {
		var targets []Target
		for _, k := range keys {
			targets = append(targets, Target{URL: "http://127.0.0.1:1", Key: k})
		}
		if _, err := NewFeeder(FeederConfig{Log: l, LogKey: signerOf("log " + origin).Public(), Targets: targets}); nexus.CodeOf(err) != nexus.CodeUsage {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestParseTarget: URL and key, and nothing else.
func TestParseTarget(t *testing.T) {
	t.Parallel()
	key := keyOf(t, config(t, "w.example", newLog(t, origin, 1)))
	for _, url := range []string{"http://127.0.0.1:8490", "https://w.example/a/b/"} {
		got, err := ParseTarget(url + "=" + key.String())
		if err != nil || got.URL != strings.TrimRight(url, "/") || got.Key != key {
			t.Errorf("%+v, %v", got, err)
		}
	}
	typeOne, err := note.NewEd25519VerifierKey("w.example", ed25519.PublicKey(key.Public[:]))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "http://h", key.String(), "ftp://h=" + key.String(), "http://=" + key.String(), "http://h?a=" + key.String(),
		"http://u@h=" + key.String(), "http://h=" + typeOne, "http://h=" + key.String()[1:], "http://h=" + key.String() + "A"} {
		if got, err := ParseTarget(text); nexus.CodeOf(err) != nexus.CodeUsage {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

// FuzzParseTarget: what is taken comes out as it went in.
func FuzzParseTarget(f *testing.F) {
	key := keyOf(f, config(f, "w.example", newLog(f, origin, 1)))
	f.Add("http://h/=" + key.String())
	f.Add("http://h=a+00000000+BA")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTarget(s)
		if err == nil && !strings.HasSuffix(s, "="+got.Key.String()) || err != nil && nexus.CodeOf(err) != nexus.CodeUsage {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
		if _, err := ParseLogKey(s); err == nil && !strings.Contains(s, "+") {
			t.Errorf("%q is no key", s)
		}
	})
}

// TestOfferGivesUp: a witness that names another size each time is not asked for ever, and a proof that cannot be read is no conflict.
func TestOfferGivesUp(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin, 90)
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusConflict)
		_, _ = fmt.Fprintf(w, "%d\n", asked)
	}))
	defer srv.Close()
	target := Target{URL: srv.URL, Key: keyOf(t, config(t, "w.example", l))}
	var conflict *Conflict
	if _, err := target.offer(context.Background(), http.DefaultClient, l, l.Head(), 0); err == nil || errors.As(err, &conflict) || asked != turnsMax {
		t.Errorf("asked %d times: %v", asked, err)
	}
	again := 0
	stuck := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		again++
		w.WriteHeader(http.StatusConflict)
		_, _ = fmt.Fprintln(w, 7)
	}))
	defer stuck.Close()
	if _, err := (Target{URL: stuck.URL, Key: target.Key}).offer(context.Background(), http.DefaultClient, l, l.Head(), 7); err == nil || again != 1 {
		t.Errorf("asked %d times: %v", again, err)
	}
	for _, body := range []string{"90\n", ""} { // how older witnesses say that the roots differ
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusConflict)
			_, _ = w.Write([]byte(body))
		}))
		defer srv.Close()
		if _, err := (Target{URL: srv.URL, Key: target.Key}).offer(context.Background(), http.DefaultClient, l, l.Head(), 90); !errors.As(err, &conflict) {
			t.Errorf("409 with %q at the same size: %v", body, err)
		}
	}
	conflict = nil
	if _, err := target.offer(context.Background(), http.DefaultClient, newLog(t, origin, 3), l.Head(), 5); err == nil || errors.As(err, &conflict) {
		t.Errorf("a log that cannot be read: %v", err)
	}
}
