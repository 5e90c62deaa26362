package edge

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// patience is a backend that is silent for longer than slowAfter, then answers unless its client has gone.
type patience struct {
	begun, gone chan struct{} // one element per request
	answer      chan struct{} // lets one answer go
}

func newPatience() *patience {
	return &patience{make(chan struct{}, 8), make(chan struct{}, 8), make(chan struct{}, 8)}
}

func (p *patience) serve(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	if r.URL.Path == "/events" {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		w.(http.Flusher).Flush()
	}
	p.begun <- struct{}{}
	select {
	case <-p.answer:
		_, _ = fmt.Fprintf(w, "late %d", len(b))
	case <-r.Context().Done():
		p.gone <- struct{}{}
	}
}

// slowRequests are requests of every kind that waits for a slow backend, with the end of what is answered.
var slowRequests = map[string]struct{ send, end string }{
	"no body":   {"GET / HTTP/1.1\r\nHost: s.test\r\n\r\n", "late 0"},
	"short":     {"POST / HTTP/1.1\r\nHost: s.test\r\nContent-Length: 4\r\n\r\nbody", "late 4"},
	"chunks":    {"POST / HTTP/1.1\r\nHost: s.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", "late 4"},
	"long body": {"POST / HTTP/1.1\r\nHost: s.test\r\nContent-Length: 9000\r\n\r\n" + strings.Repeat("b", 9000), "late 9000"},
	"HTTP/1.0":  {"GET / HTTP/1.0\r\nHost: s.test\r\n\r\n", "late 0"},
}

// half is a connection of which one side can be ended.
type half interface {
	net.Conn
	CloseWrite() error
}

// clients1 are the ways to open a connection.
func clients1(t *testing.T, g *Gateway, ca *DevCA) map[string]func() half {
	t.Helper()
	return map[string]func() half{
		"plain": func() half { return dial(t, g) },
		"TLS": func() half {
			c, err := tls.Dial("tcp", g.TLSAddr(), &tls.Config{RootCAs: ca.Pool(), ServerName: "s.test", NextProtos: []string{"http/1.1"}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			return c
		},
	}
}

func patientGateway(t *testing.T) (*Gateway, *DevCA, *patience) {
	t.Helper()
	ca, err := OpenDevCA("")
	if err != nil {
		t.Fatal(err)
	}
	p, s := newPatience(), unit("s")
	g := gateway(t, table(t, []Route{route("s.test", s, backend(t, p.serve))}, s),
		func(c *Config) { c.TLSAddr, c.Certificate = "127.0.0.1:0", ca.Certificate })
	return g, ca, p
}

func within(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatal("not within 10 s: " + what)
	}
}

// TestHalfClosedClientWaitsForASlowBackend: the end of a client's side cancels nothing (RFC 9112, section 9.6).
func TestHalfClosedClientWaitsForASlowBackend(t *testing.T) {
	t.Parallel()
	g, ca, p := patientGateway(t)
	for name, request := range slowRequests {
		for how, open := range clients1(t, g, ca) {
			c := open()
			if _, err := io.WriteString(c, request.send); err != nil {
				t.Fatal(err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			within(t, "the request", p.begun)
			in := bufio.NewReader(c)
			if !strings.Contains(request.send, "HTTP/1.0") {
				// It is told that it is still waited for, so that it cannot be mistaken for one that has gone.
				if line, err := in.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
					t.Fatalf("%s, %s: %q, %v", name, how, line, err)
				}
				_, _ = in.ReadString('\n')
			} else {
				time.Sleep(2 * slowAfter)
			}
			p.answer <- struct{}{}
			b, err := io.ReadAll(in)
			if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(string(b), request.end) ||
				!strings.Contains(string(b), "Connection: close\r\n") {
				t.Errorf("%s, %s: %q, %v", name, how, b, err)
			}
			nothingLeft(t, g)
		}
	}
	select {
	case <-p.gone:
		t.Error("a backend was told that its client has gone")
	default:
	}
}

// TestGoneClientStopsItsBackend: a client that has gone altogether, in order or not, ends the backend's request.
func TestGoneClientStopsItsBackend(t *testing.T) {
	t.Parallel()
	g, ca, p := patientGateway(t)
	for name, request := range slowRequests {
		if name == "HTTP/1.0" {
			continue // it cannot be asked; below
		}
		for how, open := range clients1(t, g, ca) {
			c := open()
			if _, err := io.WriteString(c, request.send); err != nil {
				t.Fatal(err)
			}
			within(t, "the request", p.begun)
			_ = c.Close() // over TLS it says that it goes; the answer to that may be missing
			within(t, name+", "+how+": the backend is told", p.gone)
			nothingLeft(t, g)
		}
	}
	old := dial(t, g)
	if _, err := io.WriteString(old, slowRequests["HTTP/1.0"].send); err != nil {
		t.Fatal(err)
	}
	within(t, "the request", p.begun)
	if err := old.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * slowAfter) // now it is watched
	reset(t, old)
	within(t, "HTTP/1.0: the backend is told of a reset", p.gone)
	nothingLeft(t, g)
}

// TestEndedClientOfAStreamIsGone: in a stream of events there is nothing to ask with, and its clients do not half-close.
func TestEndedClientOfAStreamIsGone(t *testing.T) {
	t.Parallel()
	g, _, p := patientGateway(t)
	c := dial(t, g)
	if _, err := io.WriteString(c, "GET /events HTTP/1.1\r\nHost: s.test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	within(t, "the request", p.begun)
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	within(t, "the backend is told", p.gone)
	if b, err := io.ReadAll(c); err == nil && strings.Contains(string(b), "100 Continue") {
		t.Errorf("within a stream: %q, %v", b, err)
	}
	nothingLeft(t, g)
}

// traced makes a request whose informational answers are told.
func traced(t *testing.T, url string, tell func(code int, h http.Header)) *http.Request {
	t.Helper()
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		tell(code, http.Header(h))
		return nil
	}})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// TestInformationalAnswersKeepTheRoute: 103 reaches the client with the gateway's fields and not the backend's own idea of them, and so does
// the answer after it. HTTP/1.1 and HTTP/2, and an upgrade after a 103.
func TestInformationalAnswersKeepTheRoute(t *testing.T) {
	t.Parallel()
	s := unit("s")
	g := gateway(t, table(t, []Route{route("s.test", s, backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/plain" {
			return
		}
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.Header().Set("Nexus-Route", "666")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusTeapot)
	}))}, s))
	for name, c := range map[string]*http.Client{"HTTP/1.1": client(t, g.Addr()), "HTTP/2": client(t, g.Addr(), h2c)} {
		var hints []string
		resp, err := c.Do(traced(t, "http://s.test/", func(code int, h http.Header) {
			if code != http.StatusEarlyHints || len(h["Link"]) != 1 {
				t.Errorf("%s: %d %v", name, code, h)
			}
			hints = append(hints, h["Nexus-Route"]...)
		}))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.Header["Nexus-Route"]; resp.StatusCode != http.StatusTeapot || len(got) != 1 || got[0] != "42" {
			t.Errorf("%s: %d with routes %q", name, resp.StatusCode, got)
		}
		if a := get(t, c, "http://s.test/plain"); len(a.header["Nexus-Route"]) != 1 {
			t.Errorf("%s, no 103: routes %q", name, a.header["Nexus-Route"])
		}
		if len(hints) != 1 || hints[0] != "42" {
			t.Errorf("%s: 103 with routes %q", name, hints)
		}
	}
	if got := raw(t, g.Addr(), "GET / HTTP/1.0\r\nHost: s.test\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 418 ") {
		t.Errorf("HTTP/1.0 got %q", got)
	}
	up := brokenBackend(t, func(c *net.TCPConn) {
		_, _ = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello")
	})
	if err := g.Swap(table(t, []Route{route("s.test", s, up)}, s)); err != nil {
		t.Fatal(err)
	}
	got := raw(t, g.Addr(), "GET / HTTP/1.1\r\nHost: s.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	_, final, _ := strings.Cut(got, "HTTP/1.1 101 ")
	if strings.Count(final, "Nexus-Route: 42\r\n") != 1 || !strings.HasSuffix(final, "hello") {
		t.Errorf("an upgrade after 103: %q", got)
	}
	if err := g.Swap(table(t, []Route{route("s.test", s, Backend{Address: "127.0.0.1:1"})}, s)); err != nil {
		t.Fatal(err)
	}
	a := get(t, client(t, g.Addr(), h2c), "http://s.test/")
	if got := a.header["Nexus-Route"]; a.status != http.StatusBadGateway || len(got) != 1 || got[0] != "42" {
		t.Errorf("no backend: %d with routes %q: %s", a.status, got, a.body)
	}
}

// TestIdleConnectionsOutliveTheTimeOfAHead: the limit of a head that has come ends nothing after it, neither a connection that waits for its next
// request nor one whose client has ended its side and waits for a slow backend.
func TestIdleConnectionsOutliveTheTimeOfAHead(t *testing.T) {
	t.Parallel()
	ca, err := OpenDevCA("")
	if err != nil {
		t.Fatal(err)
	}
	p, s := newPatience(), unit("s")
	const head = 200 * time.Millisecond
	g := gateway(t, table(t, []Route{route("s.test", s, backend(t, p.serve))}, s), func(c *Config) {
		c.TLSAddr, c.Certificate, c.HeaderTimeout = "127.0.0.1:0", ca.Certificate, head
	})
	for name, open := range clients1(t, g, ca) {
		c := open()
		in := bufio.NewReader(c)
		for turn := range 4 {
			if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: s.test\r\n\r\n"); err != nil {
				t.Fatalf("%s, request %d: %v", name, turn+1, err)
			}
			select {
			case <-p.begun:
			case <-time.After(time.Minute):
				t.Fatalf("%s, request %d: the backend hears nothing of it", name, turn+1)
			}
			if turn == 3 {
				if err := c.CloseWrite(); err != nil {
					t.Fatal(err)
				}
			}
			if turn >= 2 {
				time.Sleep(2 * head) // longer than slowAfter too
			}
			p.answer <- struct{}{}
			resp, err := readAnswer(in)
			if err != nil || resp != "late 0" {
				t.Fatalf("%s, request %d: %q, %v", name, turn+1, resp, err)
			}
			time.Sleep(2 * head)
		}
	}
}

// readAnswer reads over informational answers and gives the body of the one that counts.
func readAnswer(in *bufio.Reader) (string, error) {
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return "", err
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode >= 200 {
			return string(b), err
		}
	}
}
