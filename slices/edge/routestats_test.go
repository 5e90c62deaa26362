package edge

import (
	"crypto/tls"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// TestRouteStatsTellWhatWasMeasured: a host is not measured until it was asked for, answers, fails, is out, and comes back; its certificate
// is none until the first handshake; a swap forgets nothing unless the backend is another one.
func TestRouteStatsTellWhatWasMeasured(t *testing.T) {
	t.Parallel()
	ca, err := OpenDevCA("")
	if err != nil {
		t.Fatal(err)
	}
	var silent atomic.Bool
	b := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if silent.Load() {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusInternalServerError) // any status is an answer
	})
	a := unit("a")
	routes := []Route{route("a.test", a, b), route("b.test", a, Backend{}), route("c.test", a, Backend{Folder: t.TempDir()}), route("d.test", a, b)}
	g := gateway(t, table(t, routes, a), func(c *Config) {
		c.TLSAddr, c.Certificate, c.CertificateStatus = "127.0.0.1:0", ca.Certificate, ca.Status
	})
	// want checks a host's state and gives it.
	want := func(i int, state string) RouteStats {
		t.Helper()
		r := g.Snapshot()[0].Routes[i]
		if r.Host != routes[i].Host || r.State != state {
			t.Fatalf("%s: %+v, want %s", routes[i].Host, r, state)
		}
		return r
	}
	if r := want(0, BackendNotMeasured); !r.LastAnswer.IsZero() || r.Certificate.Source != SourceDevCA || !r.Certificate.NotAfter.IsZero() {
		t.Errorf("before the first request: %+v, %+v", r, r.Certificate)
	}
	want(1, BackendNone)
	want(2, BackendFiles)
	c := client(t, g.TLSAddr(), func(tr *http.Transport) { tr.TLSClientConfig = &tls.Config{RootCAs: ca.Pool()} })
	begin := time.Now()
	get(t, c, "https://a.test/").want(t, 500, "")
	r := want(0, BackendAnswers)
	if r.LastAnswer.Before(begin) || !r.LastFailure.IsZero() || time.Until(r.Certificate.NotAfter) < devLeafLife/3 ||
		r.Certificate.NotAfter.Sub(r.Certificate.Renews) != devLeafLife/3 {
		t.Errorf("after an answer: %+v, %+v", r, r.Certificate)
	}
	want(3, BackendNotMeasured) // the same program under another name was not asked
	if err := g.Swap(table(t, routes[:3], a)); err != nil {
		t.Fatal(err)
	}
	if again := want(0, BackendAnswers); again.LastAnswer != r.LastAnswer {
		t.Errorf("after a swap: %+v", again)
	}
	silent.Store(true)
	for n := range ejectAfter {
		get(t, c, "https://a.test/").want(t, 502, "")
		if state := map[bool]string{true: BackendOut, false: BackendFailing}[n == ejectAfter-1]; want(0, state).InARow != n+1 {
			t.Errorf("failure %d: %+v", n+1, g.Snapshot()[0].Routes[0])
		}
	}
	if left := g.Snapshot()[0].Backends.RetriesLeft; left >= retryTokensMax/retryCost {
		t.Errorf("%d retries left after some were spent", left)
	}
	silent.Store(false)
	eventually(t, "the backend is back", func() bool { return g.Snapshot()[0].Routes[0].State == BackendAnswers })
	routes[0].Backend.Address = "127.0.0.1:1"
	if err := g.Swap(table(t, routes[:3], a)); err != nil {
		t.Fatal(err)
	}
	want(0, BackendNotMeasured)
}

// TestUnaskedBackendIsNotWell: when nobody asks any more the checks of a backend end; that is no answer.
func TestUnaskedBackendIsNotWell(t *testing.T) {
	t.Parallel()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, Backend{Address: "127.0.0.1:1"})}, a))
	get(t, client(t, g.Addr()), "http://a.test/").want(t, 502, "")
	bs := g.states[a.ID].backends
	bs.mu.Lock()
	bs.forget("127.0.0.1:1", false)
	bs.mu.Unlock()
	if r := g.Snapshot()[0].Routes[0]; r.State != BackendFailing || r.InARow != 0 {
		t.Errorf("%+v", r)
	}
}

// TestFirstRequestsAreCountedWhole: the bytes by which a connection is told to be a slice's are the slice's as well.
func TestFirstRequestsAreCountedWhole(t *testing.T) {
	t.Parallel()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, text("x")))}, a))
	const request = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"
	got := raw(t, g.Addr(), request)
	if s := g.Snapshot()[0].Gateway; s.BytesIn != uint64(len(request)) || s.BytesOut != uint64(len(got)) {
		t.Errorf("%d bytes in, %d out, want %d and %d", s.BytesIn, s.BytesOut, len(request), len(got))
	}
}
