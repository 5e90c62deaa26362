package edge

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// TestCertificateRotationCutsNoStream: handshakes see each new certificate at once, and what was begun under an old one goes on.
func TestCertificateRotationCutsNoStream(t *testing.T) {
	t.Parallel()
	const rotations = 20
	first, second := newCA(t), newCA(t)
	var current atomic.Pointer[DevCA]
	current.Store(first)
	a := unit("rotate")
	steps := &stepper{}
	g := gateway(t, table(t, []Route{route("ws.test", a, echoBackend(t)), route("sse.test", a, countingBackend(t, steps))}, a), func(c *Config) {
		c.TLSAddr = "127.0.0.1:0"
		c.Certificate = func(host string) (*tls.Certificate, error) { return current.Load().Certificate(host) }
	})
	pool := first.Pool()
	pool.AddCert(second.cert)
	secure := func(tr *http.Transport) {
		tr.TLSClientConfig = &tls.Config{RootCAs: pool}
		tr.ForceAttemptHTTP2 = true
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	socket, _, err := websocket.Dial(ctx, "wss://ws.test/", &websocket.DialOptions{HTTPClient: client(t, g.TLSAddr(), func(tr *http.Transport) {
		tr.TLSClientConfig = &tls.Config{RootCAs: pool}
	})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.CloseNow() })
	events, err := client(t, g.TLSAddr(), secure).Get("https://sse.test/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = events.Body.Close() })
	if events.ProtoMajor != 2 {
		t.Fatalf("the event stream came over HTTP/%d", events.ProtoMajor)
	}
	for n := range rotations {
		want := first
		if n%2 == 0 {
			want = second
		}
		current.Store(want)
		c, err := tls.Dial("tcp", g.TLSAddr(), &tls.Config{ServerName: "ws.test", RootCAs: pool})
		if err != nil {
			t.Fatal(err)
		}
		chain := c.ConnectionState().PeerCertificates
		_ = c.Close()
		if err := chain[0].CheckSignatureFrom(want.cert); err != nil {
			t.Fatalf("rotation %d: a new handshake got another authority's certificate: %v", n, err)
		}
		echo(ctx, t, socket, "still here")
		steps.step()
		line := make([]byte, len("0\n"))
		if n < 10 {
			if _, err := io.ReadFull(events.Body, line); err != nil || string(line) != formatIndex(uint64(n))+"\n" {
				t.Fatalf("rotation %d: event %q, %v", n, line, err)
			}
		}
	}
}

func newCA(t *testing.T) *DevCA {
	t.Helper()
	ca, err := OpenDevCA("")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}
