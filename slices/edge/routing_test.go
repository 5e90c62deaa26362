package edge

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/BobbyBlanco400/nexus-cos/slices"
)

func TestRoutesByHost(t *testing.T) {
	t.Parallel()
	a, b := unit("a"), unit("b")
	g := gateway(t, table(t, []Route{
		route("a.test", a, backend(t, text("from a"))),
		route("b.test", b, backend(t, text("from b"))),
		route("empty.test", b, Backend{}),
		route("dead.test", b, Backend{Address: "127.0.0.1:1"}),
	}, a, b))
	for _, proto := range []struct {
		name  string
		major int
		edit  func(*http.Transport)
	}{{"http/1.1", 1, func(*http.Transport) {}}, {"h2c", 2, h2c}} {
		t.Run(proto.name, func(t *testing.T) {
			c := client(t, g.Addr(), proto.edit)
			got := get(t, c, "http://a.test/")
			got.want(t, 200, "from a")
			if got.proto != proto.major {
				t.Errorf("spoke HTTP/%d", got.proto)
			}
			if h := got.header.Get(RouteHeader); h != "42" {
				t.Errorf("route header %q", h)
			}
			if _, has := got.header["Server"]; has {
				t.Error("a Server header leaks")
			}
			get(t, c, "http://B.Test:8080/").want(t, 200, "from b")
			get(t, c, "http://nobody.test/").want(t, 404, "nobody.test is not served here")
			get(t, c, "http://empty.test/").want(t, 503, "nothing is deployed")
			get(t, c, "http://dead.test/").want(t, 502, "does not answer")
		})
	}
}

func TestTLSRoutesAndRefusesUnknownNames(t *testing.T) {
	t.Parallel()
	ca, err := OpenDevCA("")
	if err != nil {
		t.Fatal(err)
	}
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, text("from a")))}, a), func(c *Config) {
		c.Addr, c.TLSAddr, c.Certificate = "", "127.0.0.1:0", ca.Certificate
	})
	secure := func(tr *http.Transport) {
		tr.TLSClientConfig = &tls.Config{RootCAs: ca.Pool()}
		tr.ForceAttemptHTTP2 = true
	}
	got := get(t, client(t, g.TLSAddr(), secure), "https://a.test/")
	got.want(t, 200, "from a")
	if got.proto != 2 {
		t.Errorf("ALPN chose HTTP/%d", got.proto)
	}
	one := func(tr *http.Transport) { secure(tr); tr.ForceAttemptHTTP2 = false }
	if got := get(t, client(t, g.TLSAddr(), one), "https://a.test/"); got.proto != 1 || got.body != "from a" {
		t.Errorf("HTTP/1.1 over TLS: %+v", got)
	}
	if _, err := client(t, g.TLSAddr(), secure).Get("https://nobody.test/"); err == nil {
		t.Error("a handshake for an unknown name was answered")
	}
	if _, err := tls.Dial("tcp", g.TLSAddr(), &tls.Config{InsecureSkipVerify: true}); err == nil {
		t.Error("a handshake without a name was answered")
	}
}

func TestConnectionBelongsToOneSlice(t *testing.T) {
	t.Parallel()
	a, b := unit("a"), unit("b")
	g := gateway(t, table(t, []Route{
		route("a.test", a, backend(t, text("from a"))), route("also-a.test", a, backend(t, text("also a"))),
		route("b.test", b, backend(t, text("from b"))),
	}, a, b))

	t.Run("http/1.1 answers 421 and closes", func(t *testing.T) {
		got := raw(t, g.Addr(), "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"+
			"GET / HTTP/1.1\r\nHost: also-a.test\r\n\r\n"+
			"GET / HTTP/1.1\r\nHost: b.test\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		for _, part := range []string{"from a", "also a", "421 Misdirected Request", "Connection: close"} {
			if !strings.Contains(got, part) {
				t.Errorf("%q is missing in\n%s", part, got)
			}
		}
		if strings.Count(got, "from a") != 1 || strings.Contains(got, "from b") {
			t.Errorf("the connection went on after 421:\n%s", got)
		}
	})
	t.Run("h2 answers 421 and goes on", func(t *testing.T) {
		// One HTTP/2 connection for all hosts: the transport dials by URL host, the Host field says another.
		c := client(t, g.Addr(), h2c)
		ask := func(host string) int {
			req, err := http.NewRequest(http.MethodGet, "http://a.test/", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			resp, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			return resp.StatusCode
		}
		for i, want := range []struct {
			host   string
			status int
		}{{"a.test", 200}, {"b.test", 421}, {"a.test", 200}, {"also-a.test", 200}, {"b.test", 421}} {
			if got := ask(want.host); got != want.status {
				t.Errorf("request %d for %s: %d, want %d", i, want.host, got, want.status)
			}
		}
	})
}

// echoBackend answers WebSockets with what they say.
func echoBackend(t *testing.T) Backend {
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		for {
			kind, msg, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), kind, msg) != nil {
				return
			}
		}
	})
}

func dialWebSocket(ctx context.Context, t *testing.T, g *Gateway, host string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(ctx, "ws://"+host+"/", &websocket.DialOptions{HTTPClient: client(t, g.Addr())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

func echo(ctx context.Context, t *testing.T, c *websocket.Conn, msg string) {
	t.Helper()
	if err := c.Write(ctx, websocket.MessageText, []byte(msg)); err != nil {
		t.Fatal(err)
	}
	_, got, err := c.Read(ctx)
	if err != nil || string(got) != msg {
		t.Fatalf("echo: %q, %v", got, err)
	}
}

func TestWebSocketPassesAndIsMetered(t *testing.T) {
	t.Parallel()
	// One place only: a WebSocket must not keep it.
	s := unit("ws", func(s *slices.Slice) { s.MaxInFlight = 1 })
	g := gateway(t, table(t, []Route{route("ws.test", s, echoBackend(t))}, s))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	one, two := dialWebSocket(ctx, t, g, "ws.test"), dialWebSocket(ctx, t, g, "ws.test")
	message := strings.Repeat("x", 20_000)
	for range 5 {
		echo(ctx, t, one, message)
		echo(ctx, t, two, message)
	}
	got := g.Snapshot()[0].Gateway
	if got.Streams != 2 || got.InFlight != 0 || got.Requests != 2 || got.Sessions != 2 {
		t.Errorf("open streams %d, in flight %d, requests %d, sessions %d",
			got.Streams, got.InFlight, got.Requests, got.Sessions)
	}
	if got.BytesIn < 200_000 || got.BytesOut < 200_000 || got.BytesIn > 220_000 || got.BytesOut > 220_000 {
		t.Errorf("metered %d in, %d out; sent 200000 each way", got.BytesIn, got.BytesOut)
	}
	_ = one.Close(websocket.StatusNormalClosure, "")
	_ = two.CloseNow()
	eventually(t, "streams and sessions counted down", func() bool {
		s := g.Snapshot()[0].Gateway
		return s.Streams == 0 && s.Sessions == 0
	})
}
