package edge

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// eventually retries until ok, for at most a minute.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// unit makes the slice of a test unit, changed by edit.
func unit(name string, edit ...func(*slices.Slice)) slices.Slice {
	s := slices.Default(nexus.DeriveID("test-unit", []byte(name)), name)
	for _, e := range edit {
		e(&s)
	}
	return s
}

func route(host string, s slices.Slice, b Backend) Route {
	return Route{Host: host, Unit: s.Unit, SliceID: s.ID, Backend: b, RouteIndex: 42}
}

func table(t testing.TB, routes []Route, set ...slices.Slice) *Table {
	t.Helper()
	tab, err := NewTable(routes, set)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// backend starts an HTTP server and gives its address.
func backend(t testing.TB, h http.HandlerFunc) Backend {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return Backend{Address: s.Listener.Addr().String()}
}

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, body) }
}

// gateway starts a gateway and closes it at the end of the test.
func gateway(t testing.TB, tab *Table, edit ...func(*Config)) *Gateway {
	t.Helper()
	config := Config{Addr: "127.0.0.1:0"}
	for _, e := range edit {
		e(&config)
	}
	g, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Swap(tab); err != nil {
		t.Fatal(err)
	}
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(100 * time.Millisecond); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return g
}

// client speaks to addr whatever the host of the URL is. Its connections are closed at the end of the test.
func client(t *testing.T, addr string, edit ...func(*http.Transport)) *http.Client {
	t.Helper()
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr)
	}}
	for _, e := range edit {
		e(tr)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// h2c makes a client speak HTTP/2 without TLS.
func h2c(tr *http.Transport) {
	tr.Protocols = new(http.Protocols)
	tr.Protocols.SetUnencryptedHTTP2(true)
}

type answer struct {
	status int
	body   string
	header http.Header
	proto  int
}

func get(t *testing.T, c *http.Client, url string) answer {
	t.Helper()
	resp, err := c.Get(url)
	return whole(t, resp, err)
}

// whole reads an answer to its end.
func whole(t *testing.T, resp *http.Response, err error) answer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, string(b), resp.Header, resp.ProtoMajor}
}

func (a answer) want(t *testing.T, status int, part string) {
	t.Helper()
	if a.status != status || !strings.Contains(a.body, part) {
		t.Fatalf("got %d %q, want %d with %q", a.status, a.body, status, part)
	}
}

// raw sends bytes on a connection of its own and gives everything that comes back until the end or two seconds.
func raw(t *testing.T, addr, send string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, send); err != nil {
		t.Fatal(err)
	}
	var all []byte
	for buf, patience := make([]byte, 32<<10), 30*time.Second; ; patience = 2 * time.Second { // until the end, or nothing more comes
		_ = c.SetReadDeadline(time.Now().Add(patience))
		n, err := c.Read(buf)
		if all = append(all, buf[:n]...); err != nil {
			return string(all)
		}
	}
}

// TestMain fails the package when goroutines are left after all tests: every gateway has been closed by then.
func TestMain(m *testing.M) {
	if os.Getenv(idleClientsEnv) != "" {
		os.Exit(holdIdleClients())
	}
	if os.Getenv(idleSocketsEnv) != "" {
		os.Exit(holdIdleSockets())
	}
	if os.Getenv(refusalsEnv) != "" {
		os.Exit(askToBeRefused())
	}
	if os.Getenv(overloadEnv) != "" {
		os.Exit(overload())
	}
	code := m.Run()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	deadline := time.Now().Add(time.Minute)
	for code == 0 {
		buf := make([]byte, 1<<20)
		stacks := string(buf[:runtime.Stack(buf, true)])
		if strings.Count(stacks, "slices/edge.") <= strings.Count(stacks, "edge.TestMain") {
			break
		}
		if time.Now().After(deadline) {
			_, _ = os.Stderr.WriteString("goroutines left after all tests:\n" + stacks)
			code = 1
		}
		time.Sleep(10 * time.Millisecond)
	}
	os.Exit(code)
}
