package conform_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"

	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// h3Client speaks HTTP/3 to a gateway on the loopback, whatever the host of the URL is.
func (g world) h3Client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: g.ca.Pool()},
		Dial: func(ctx context.Context, _ string, c *tls.Config, q *quic.Config) (*quic.Conn, error) {
			return quic.DialAddrEarly(ctx, g.QUICAddr(), c, q)
		}}
	t.Cleanup(func() { _ = transport.Close() })
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// TestAClientsFaultIsNotTheBackends: five failures in a row take a backend out, so nothing that a client can do may count as one.
func TestAClientsFaultIsNotTheBackends(t *testing.T) {
	t.Parallel()
	for name, misbehave := range map[string]func(*testing.T, world){
		"a body shorter than its length": func(t *testing.T, g world) {
			p := dialH2(t, g.Addr())
			stream, err := p.request("a.test", "POST", false, "content-length", "10")
			if err != nil {
				t.Fatal(err)
			}
			if err := p.framer.WriteData(stream, true, []byte("abc")); err != nil {
				t.Fatal(err)
			}
			p.want400(t, stream)
		},
		"a stream that is reset within its body": func(t *testing.T, g world) {
			p := dialH2(t, g.Addr())
			stream, err := p.request("a.test", "POST", false)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.framer.WriteData(stream, false, []byte("abc")); err != nil {
				t.Fatal(err)
			}
			g.inFlight(t, 1)
			if err := p.framer.WriteRSTStream(stream, http2.ErrCodeCancel); err != nil {
				t.Fatal(err)
			}
			g.inFlight(t, 0)
		},
		"a method that is no token": func(t *testing.T, g world) {
			p := dialH2(t, g.Addr())
			block := literal(":method", "GET /x", ":scheme", "http", ":authority", "a.test", ":path", "/")
			if err := p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: true, EndStream: true}); err != nil {
				t.Fatal(err)
			}
			p.want400(t, 1)
		},
		"a body of HTTP/3 that breaks off": func(t *testing.T, g world) {
			body, w := io.Pipe()
			go func() {
				_, _ = w.Write([]byte("abc")) // the request fails in any case
				g.inFlight(t, 1)
				_ = w.CloseWithError(errors.New("the client stops here")) // never fails
			}()
			resp, err := g.h3Client(t).Post("https://a.test/", "text/plain", body)
			if err == nil {
				_ = resp.Body.Close() // the answer says it all
				if resp.StatusCode != http.StatusBadRequest {
					t.Errorf("status %d for half a body", resp.StatusCode)
				}
			}
			g.inFlight(t, 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := start(t, []site{{"a.test", unit("a"), &sawBackend{}}}, func(c *edge.Config) { c.QUIC = true })
			for range 8 {
				misbehave(t, g)
			}
			stats := g.Snapshot()[0]
			if stats.Backends.Ejections != 0 || stats.Gateway.Failed != 0 {
				t.Errorf("%d ejections, %d failures of a backend that did nothing", stats.Backends.Ejections, stats.Gateway.Failed)
			}
		})
	}
}

func (p *h2Peer) want400(t *testing.T, stream uint32) {
	t.Helper()
	if o, err := p.await(stream, 10*time.Second); err != nil || o.status != "400" {
		t.Errorf("%+v, %v", o, err)
	}
}

// inFlight waits until the first slice works on n requests.
func (g world) inFlight(t *testing.T, n int) {
	t.Helper()
	g.eventually(t, "requests in flight", func(s edge.SliceStats) bool { return s.Gateway.InFlight == n })
}

// eventually waits until the first slice's figures are as wanted, for at most a minute.
func (g world) eventually(t *testing.T, what string, ok func(edge.SliceStats) bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok(g.Snapshot()[0]) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s: %+v", what, g.Snapshot()[0].Gateway)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// TestIdleConnectionsHoldNoPlace: a connection that was asked once and says nothing more must not keep one of its slice's turns. Whether
// a fault shows depends on who of two goroutines is faster, so there are many connections.
func TestIdleConnectionsHoldNoPlace(t *testing.T) {
	t.Parallel()
	const connections = 12
	g := start(t, []site{{"a.test", unit("a", func(s *slices.Slice) { s.Class = slices.ClassControl }), &sawBackend{}}})
	for range connections {
		p := dialH2(t, g.Addr())
		stream, err := p.request("a.test", "POST", false, "content-length", "10")
		if err != nil {
			t.Fatal(err)
		}
		if err := p.framer.WriteData(stream, true, []byte("abc")); err != nil {
			t.Fatal(err)
		}
		p.want400(t, stream)
	}
	g.inFlight(t, 0)
	if s := g.Snapshot()[0].Gateway; s.Sessions != connections {
		t.Errorf("%d sessions, want %d idle ones", s.Sessions, connections)
	}
}
