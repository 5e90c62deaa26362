package conform_test

import (
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// endless answers with bytes for as long as anybody takes them.
func endless(w http.ResponseWriter, r *http.Request) {
	block := make([]byte, 64<<10)
	for r.Context().Err() == nil {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// TestHTTP2SlowReadersAreCut: a client that opens no window, and is alive otherwise, gets its streams reset after the stall timeout, also
// when all that is left to send is a small answer which the gateway has already finished with.
func TestHTTP2SlowReadersAreCut(t *testing.T) {
	t.Parallel()
	small := func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("small")) } // the client judges
	for name, c := range map[string]struct {
		serve  http.HandlerFunc
		window uint32
		cut    uint64
	}{
		"no window, a large answer":    {endless, 0, 1},
		"small window, a large answer": {endless, 1000, 1},
		"no window, a small answer":    {small, 0, 0}, // not counted: the request had ended
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := start(t, []site{{"a.test", unit("a"), c.serve}}, func(c *edge.Config) { c.StallTimeout = 200 * time.Millisecond })
			p := dialH2(t, g.Addr(), http2.Setting{ID: http2.SettingInitialWindowSize, Val: c.window})
			stream, err := p.request("a.test", "GET", true)
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			o, err := p.await(stream, 10*time.Second)
			if err != nil || !o.resetSeen || time.Since(begin) < 100*time.Millisecond {
				t.Errorf("after %v: %+v, %v", time.Since(begin), o, err)
			}
			g.inFlight(t, 0)
			if s := g.Snapshot()[0].Gateway; s.Cut != c.cut {
				t.Errorf("%d counted as cut, want %d", s.Cut, c.cut)
			}
		})
	}
}

// TestHTTP2SteadyReadersAreNotCut: an answer that takes much longer than the stall timeout is whole, as long as the client goes on taking it or
// the backend is what is slow.
func TestHTTP2SteadyReadersAreNotCut(t *testing.T) {
	t.Parallel()
	const pieces, piece = 8, 4 << 10
	g := start(t, []site{{"a.test", unit("a"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range pieces {
			_, _ = w.Write(make([]byte, piece)) // the client judges
			w.(http.Flusher).Flush()
			time.Sleep(100 * time.Millisecond)
		}
	})}}, func(c *edge.Config) { c.StallTimeout = 300 * time.Millisecond })
	p := dialH2(t, g.Addr())
	stream, err := p.request("a.test", "GET", true)
	if err != nil {
		t.Fatal(err)
	}
	if o, err := p.await(stream, 20*time.Second); err != nil || !o.ended || o.data != pieces*piece {
		t.Errorf("%+v, %v", o, err)
	}
	if s := g.Snapshot()[0].Gateway; s.Cut != 0 {
		t.Errorf("%d cut", s.Cut)
	}
}

// TestHTTP2HalfAHeaderIsCut: a header block that never ends holds its connection for the idle timeout at most.
func TestHTTP2HalfAHeaderIsCut(t *testing.T) {
	t.Parallel()
	g := start(t, []site{{"a.test", unit("a"), &sawBackend{}}}, func(c *edge.Config) { c.IdleTimeout = 200 * time.Millisecond })
	p := dialH2(t, g.Addr())
	if err := p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: common("a.test")}); err != nil {
		t.Fatal(err)
	}
	if o, err := p.await(1, 10*time.Second); err != nil || !o.closed {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestHTTP2HalfABodyIsCut: a body that stops coming ends its request, not its connection.
func TestHTTP2HalfABodyIsCut(t *testing.T) {
	t.Parallel()
	g := start(t, []site{{"a.test", unit("a"), &sawBackend{}}}, func(c *edge.Config) { c.StallTimeout = 200 * time.Millisecond })
	p := dialH2(t, g.Addr())
	stream, err := p.request("a.test", "POST", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.framer.WriteData(stream, false, []byte("abc")); err != nil {
		t.Fatal(err)
	}
	if o, err := p.await(stream, 10*time.Second); err != nil || o.status != "408" || o.goAwaySeen {
		t.Errorf("%+v, %v", o, err)
	}
	g.inFlight(t, 0)
}
