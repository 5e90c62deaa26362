package edge

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestDeadBackendIsTakenOutAndIn kills a backend on its real socket and brings it back on the same port.
func TestDeadBackendIsTakenOutAndIn(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*http.Transport){"HTTP/1.1": func(*http.Transport) {}, "HTTP/2": h2c} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := httptest.NewServer(text("alive"))
			defer first.Close()
			address := first.Listener.Addr().String()
			a, b := unit("a"), unit("b")
			g := gateway(t, table(t, []Route{route("a.test", a, Backend{Address: address}),
				route("b.test", b, backend(t, text("neighbour")))}, a, b))
			c, other := client(t, g.Addr(), edit), client(t, g.Addr(), edit)
			get(t, c, "http://a.test/").want(t, 200, "alive")
			first.Close()
			for range ejectAfter {
				get(t, c, "http://a.test/").want(t, 502, "does not answer")
			}
			got := get(t, c, "http://a.test/")
			if got.want(t, 503, "asked again"); got.header.Get("Retry-After") != "1" {
				t.Errorf("header %v", got.header)
			}
			s := g.Snapshot()[0]
			if s.Backends.Ejected != 1 || s.Backends.Ejections != 1 || s.Backends.Turned != 1 || s.Gateway.Failed != ejectAfter {
				t.Errorf("%+v, failed %d", s.Backends, s.Gateway.Failed)
			}
			get(t, other, "http://b.test/").want(t, 200, "neighbour")

			ln, err := net.Listen("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			second := &httptest.Server{Listener: ln, Config: &http.Server{Handler: text("alive again")}}
			second.Start()
			defer second.Close()
			eventually(t, "the backend is taken in", func() bool { return g.Snapshot()[0].Backends.Ejected == 0 })
			get(t, c, "http://a.test/").want(t, 200, "alive again")
		})
	}
}

// TestBackendThatTakesConnectionsAndSaysNothing: an open port alone takes nobody in.
func TestBackendThatTakesConnectionsAndSaysNothing(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	checked := make(chan struct{}, 100)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil && r.Method == http.MethodHead {
				checked <- struct{}{}
			}
			_ = c.Close()
		}
	}()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, Backend{Address: ln.Addr().String()})}, a))
	c := client(t, g.Addr())
	for range ejectAfter {
		get(t, c, "http://a.test/").want(t, 502, "does not answer")
	}
	for range 2 {
		<-checked
	}
	get(t, c, "http://a.test/").want(t, 503, "asked again")
}

// TestAnswersOfAnyStatusKeepABackend: a program that answers 500 is there.
func TestAnswersOfAnyStatusKeepABackend(t *testing.T) {
	t.Parallel()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	}))}, a))
	c := client(t, g.Addr())
	for range 3 * ejectAfter {
		get(t, c, "http://a.test/").want(t, 500, "")
	}
	if s := g.Snapshot()[0].Backends; s != (BackendStats{RetriesLeft: retryTokensMax / retryCost}) {
		t.Errorf("%+v", s)
	}
}

func TestRetryBudget(t *testing.T) {
	t.Parallel()
	b := newBackends(slog.New(slog.DiscardHandler))
	defer b.close()
	spend := func() (n int) {
		for b.mayRetry() {
			n++
		}
		return n
	}
	if n := spend(); n != retryTokensMax/retryCost {
		t.Errorf("%d retries at first", n)
	}
	for range 10 * retryCost / 2 {
		b.admit("x")
	}
	if n := spend(); n != 5 {
		t.Errorf("%d retries for 25 requests, want 5", n)
	}
	if s := b.stats(); s.Retries != 15 || s.RetriesDenied != 2 {
		t.Errorf("%+v", s)
	}
}

// TestRetriesAreCounted: a backend that reads a request on a kept connection and ends it without a word gets the request again, a
// POST never.
func TestRetriesAreCounted(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				in := bufio.NewReader(c)
				if _, err := http.ReadRequest(in); err != nil {
					return
				}
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				_, _ = http.ReadRequest(in) // and not a word
			}()
		}
	}()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, Backend{Address: ln.Addr().String()})}, a))
	c := client(t, g.Addr())
	get(t, c, "http://a.test/").want(t, 200, "ok")
	get(t, c, "http://a.test/").want(t, 200, "ok")
	if s := g.Snapshot()[0].Backends; s.Retries != 1 {
		t.Errorf("%+v", s)
	}
	resp, err := c.Post("http://a.test/", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if s := g.Snapshot()[0].Backends; resp.StatusCode != 502 || s.Retries != 1 {
		t.Errorf("POST: status %d, %+v", resp.StatusCode, s)
	}
}
