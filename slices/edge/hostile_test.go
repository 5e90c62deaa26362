package edge

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// seenBackend records every request as the backend saw it.
type seenBackend struct {
	mu   sync.Mutex
	seen []seenRequest
}

type seenRequest struct {
	method, target, host, body string
	header                     http.Header
}

func (s *seenBackend) handle(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // half a request is none
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, seenRequest{r.Method, r.RequestURI, r.Host, string(body), r.Header.Clone()})
	w.Header().Set("Server", "backend/1.0")
	w.Header().Set("Nexus-Route", "forged")
	_, _ = io.WriteString(w, "ok")
}

func (s *seenBackend) all() []seenRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]seenRequest(nil), s.seen...)
}

func TestSmugglingBasics(t *testing.T) {
	t.Parallel()
	const host = "Host: a.test\r\n"
	for _, c := range []struct {
		name, send string
		status     string // of the first answer
		bodies     []string
	}{
		{"content length and chunks",
			"POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" +
				"3\r\nabc\r\n0\r\n\r\n", "400", nil},
		{"content length smuggles no second request",
			"POST / HTTP/1.1\r\n" + host + "Content-Length: 45\r\nTransfer-Encoding: chunked\r\n\r\n" +
				"0\r\n\r\nGET /admin HTTP/1.1\r\nHost: other.test\r\n\r\n", "400", nil},
		{"chunks alone", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n",
			"200", []string{"abc"}},
		{"two content lengths",
			"POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "400", nil},
		{"negative content length", "POST / HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n", "400", nil},
		{"unknown transfer encoding",
			"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501", nil},
		{"space before the colon", "POST / HTTP/1.1\r\n" + host + "Content-Length : 3\r\n\r\nabc", "400", nil},
		{"two hosts", "GET / HTTP/1.1\r\n" + host + "Host: b.test\r\n\r\n", "400", nil},
		{"no host", "GET / HTTP/1.1\r\n\r\n", "400", nil},
		{"bad host", "GET / HTTP/1.1\r\nHost: a.test/../b\r\n\r\n", "400", nil},
		{"line folding into a header name", "GET / HTTP/1.1\r\n" + host + " X: y\r\n\r\n", "", nil},
		{"bare return in a value", "GET / HTTP/1.1\r\n" + host + "X: a\rb\r\n\r\n", "400", nil},
		{"connect", "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n", "405", nil},
		{"asterisk", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", "405", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seen := &seenBackend{}
			a := unit("a")
			g := gateway(t, table(t, []Route{route("a.test", a, backend(t, seen.handle))}, a))
			got := raw(t, g.Addr(), c.send)
			if c.status != "" && !strings.HasPrefix(got, "HTTP/1.1 "+c.status) {
				t.Errorf("answer %.80q, want status %s", got, c.status)
			}
			all := seen.all()
			for i, body := range c.bodies {
				if i >= len(all) || all[i].body != body {
					t.Errorf("backend saw %+v, want bodies %q", all, c.bodies)
				}
			}
			if c.status != "" && len(all) != len(c.bodies) {
				t.Errorf("backend saw %d requests, want %d: %+v", len(all), len(c.bodies), all)
			}
		})
	}
}

func TestBadChunkNeverCompletes(t *testing.T) {
	t.Parallel()
	seen := &seenBackend{}
	complete := make(chan error, 1)
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		complete <- err
		seen.handle(w, r)
	}))}, a))
	raw(t, g.Addr(), "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n\r\n")
	select {
	case err := <-complete:
		if err == nil {
			t.Error("the backend took a broken body for a whole one")
		}
	case <-time.After(time.Minute):
		t.Error("the backend still waits for a body that has failed")
	}
}

func TestForwardedFieldsAreTheGateways(t *testing.T) {
	t.Parallel()
	seen := &seenBackend{}
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, seen.handle))}, a))
	got := raw(t, g.Addr(), "GET /p?q=1 HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 6.6.6.6\r\n"+
		"X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\nX-Forwarded-User: root\r\n"+
		"Forwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n"+
		"Nexus-Route: 1\r\nKeep-Alive: 5\r\nX-Hop: secret\r\nConnection: X-Hop, close\r\n\r\n")
	if strings.Contains(got, "backend/1.0") || strings.Contains(got, "forged") ||
		!strings.Contains(got, "Nexus-Route: 42") {
		t.Errorf("response fields:\n%s", got)
	}
	all := seen.all()
	if len(all) != 1 {
		t.Fatalf("backend saw %d requests", len(all))
	}
	h := all[0].header
	for name, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "a.test", "X-Forwarded-Proto": "http",
		"X-Forwarded-User": "", "Forwarded": "", "X-Real-Ip": "", "Nexus-Route": "", "X-Hop": "", "Keep-Alive": "",
	} {
		if h.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, h.Get(name), want)
		}
	}
	if all[0].host != "a.test" || all[0].target != "/p?q=1" {
		t.Errorf("host %q, target %q", all[0].host, all[0].target)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, (&seenBackend{}).handle))}, a), func(c *Config) {
		c.HeaderBytesMax, c.BodyBytesMax = 8<<10, 1000
		c.HeaderTimeout, c.StallTimeout = 200*time.Millisecond, 300*time.Millisecond
	})
	t.Run("header too large", func(t *testing.T) {
		t.Parallel()
		got := raw(t, g.Addr(), "GET / HTTP/1.1\r\nHost: a.test\r\nX: "+strings.Repeat("y", 20<<10)+"\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 431") {
			t.Errorf("answer %.60q", got)
		}
	})
	t.Run("declared body too large", func(t *testing.T) {
		t.Parallel()
		resp, err := client(t, g.Addr()).Post("http://a.test/", "text/plain", strings.NewReader(strings.Repeat("x", 1001)))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
	t.Run("slow header is cut", func(t *testing.T) {
		t.Parallel()
		expectCut(t, g.Addr(), "GET / HTTP/1.1\r\nHost: a.te")
	})
	t.Run("slow header on a bound connection is cut", func(t *testing.T) {
		t.Parallel()
		expectCut(t, g.Addr(), "GET / HTTP/1.1\r\nHost: a.test\r\n\r\nGET / HTTP/1.1\r\nHo")
	})
	t.Run("slow body is cut", func(t *testing.T) {
		t.Parallel()
		expectCut(t, g.Addr(), "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nabc")
	})
}

// expectCut sends a beginning and nothing more, and wants the gateway to end the connection.
func expectCut(t *testing.T, addr, begin string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, begin); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := io.Copy(io.Discard, c); err != nil {
		if e, ok := err.(net.Error); ok && e.Timeout() {
			t.Fatal("the connection was left open")
		}
	}
}

func TestSlowReaderIsCut(t *testing.T) {
	t.Parallel()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, func(w http.ResponseWriter, r *http.Request) {
		block := make([]byte, 64<<10)
		for r.Context().Err() == nil {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))}, a), func(c *Config) { c.StallTimeout = 200 * time.Millisecond })
	c, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	eventually(t, "a client that reads nothing is cut and its place free", func() bool {
		s := g.Snapshot()[0].Gateway
		return s.Cut == 1 && s.InFlight == 0 && s.Sessions == 0
	})
}

func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	a := unit("a", func(s *slices.Slice) { s.MaxSessions = 2 })
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, text("hello")))}, a))
	open := func() (net.Conn, string) {
		c, err := net.Dial("tcp", g.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return c, line
	}
	first, line := open()
	if !strings.Contains(line, "200") {
		t.Fatal(line)
	}
	if _, line := open(); !strings.Contains(line, "200") {
		t.Fatal(line)
	}
	if _, line := open(); !strings.Contains(line, "503") {
		t.Errorf("third connection: %s", line)
	}
	_ = first.Close()
	eventually(t, "a closed session makes room", func() bool { return g.Snapshot()[0].Gateway.Sessions == 1 })
	if _, line := open(); !strings.Contains(line, "200") {
		t.Error(line)
	}
	if r := g.Snapshot()[0].Gateway.Refused; r != 1 {
		t.Errorf("refused %d", r)
	}
}
