package conform_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
	"golang.org/x/net/http2"

	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// openRequest is a request of which the header has been sent and the end has not.
type openRequest interface {
	send(t *testing.T, data string, end bool)
	reset(t *testing.T)
}

type openRequest2 struct {
	p      *h2Peer
	stream uint32
}

func (r openRequest2) send(t *testing.T, data string, end bool) {
	t.Helper()
	if err := r.p.framer.WriteData(r.stream, end, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func (r openRequest2) reset(t *testing.T) {
	t.Helper()
	if err := r.p.framer.WriteRSTStream(r.stream, http2.ErrCodeCancel); err != nil {
		t.Fatal(err)
	}
}

type openRequest3 struct{ *quic.Stream }

// h3Frame is a frame of HTTP/3 (RFC 9114 section 7.1).
func h3Frame(kind uint64, payload []byte) []byte {
	return append(quicvarint.Append(quicvarint.Append(nil, kind), uint64(len(payload))), payload...)
}

func (r openRequest3) send(t *testing.T, data string, end bool) {
	t.Helper()
	if data != "" {
		if _, err := r.Write(h3Frame(0, []byte(data))); err != nil {
			t.Fatal(err)
		}
	}
	if end {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func (r openRequest3) reset(t *testing.T) {
	t.Helper()
	r.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
	r.CancelRead(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
}

// openedRequests give a way to begin a request for each protocol that says a body's absence apart from the header.
func openedRequests() map[string]func(t *testing.T, g world, method string) openRequest {
	return map[string]func(*testing.T, world, string) openRequest{
		"HTTP/2": func(t *testing.T, g world, method string) openRequest {
			p := dialH2(t, g.Addr())
			stream, err := p.request("a.test", method, false)
			if err != nil {
				t.Fatal(err)
			}
			return openRequest2{p, stream}
		},
		"HTTP/3": func(t *testing.T, g world, method string) openRequest {
			str, err := g.dialH3(t, "a.test", nil).OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			block := []byte{0, 0} // no dynamic table (RFC 9204 section 4.5.1)
			for _, pair := range [][2]string{{":method", method}, {":scheme", "https"}, {":authority", "a.test"}, {":path", "/"}} {
				at := len(block)
				block = append(appendPrefixed(block, 3, len(pair[0])), pair[0]...)
				block[at] |= 0x20 // literal with a literal name (section 4.5.6)
				block = append(appendPrefixed(block, 7, len(pair[1])), pair[1]...)
			}
			if _, err := str.Write(h3Frame(1, block)); err != nil {
				t.Fatal(err)
			}
			return openRequest3{str}
		},
	}
}

// TestRequestsResetBeforeTheirEnd: a client that resets a stream between the header and the end of a request that seldom has a body leaves nothing
// behind. Taken for a request with a body it would reach the backend, which reads none and so never notices that its client has gone.
func TestRequestsResetBeforeTheirEnd(t *testing.T) {
	t.Parallel()
	for proto, open := range openedRequests() {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			over := make(chan struct{})
			g := start(t, []site{{"a.test", unit("a"), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				select { // and reads no body
				case <-r.Context().Done():
				case <-over:
				}
			})}}, func(c *edge.Config) { c.QUIC = true })
			defer close(over) // a failure too lets the backend end
			for range 6 {     // five failures in a row would take the backend out
				r := open(t, g, http.MethodGet)
				g.inFlight(t, 1)
				r.reset(t)
				g.inFlight(t, 0)
			}
			stats := g.Snapshot()[0]
			if n := asked.Load(); n != 0 || stats.Gateway.Failed != 0 || stats.Backends.Ejections != 0 {
				t.Errorf("the backend saw %d requests that were reset; %d failures, %d ejections", n, stats.Gateway.Failed, stats.Backends.Ejections)
			}
		})
	}
}

// TestBodiesThatComeLate: what follows the header of a request that seldom has a body decides whether the backend's request has one.
func TestBodiesThatComeLate(t *testing.T) {
	t.Parallel()
	// More than the 200 ms that net/http's transport waits: the answer may not depend on it.
	const late = 300 * time.Millisecond
	for name, c := range map[string]struct {
		body string
		want string // what the backend sees: request, host, body, X-A, transfer coding
	}{
		"none":  {"", "GET /|a.test|||"},
		"a one": {"abc", "GET /|a.test|abc||chunked"},
	} {
		for proto, open := range openedRequests() {
			t.Run(name+" over "+proto, func(t *testing.T) {
				t.Parallel()
				saw := &sawBackend{}
				g := start(t, []site{{"a.test", unit("a"), saw}}, func(c *edge.Config) { c.QUIC = true })
				r := open(t, g, http.MethodGet)
				time.Sleep(late) // the pause is what is tested
				if c.body != "" {
					r.send(t, c.body, false)
				}
				r.send(t, "", true)
				g.eventually(t, "the backend is asked", func(edge.SliceStats) bool { return len(saw.all()) > 0 })
				if got := saw.all(); len(got) != 1 || got[0] != c.want {
					t.Errorf("the backend saw %q, want %q", got, c.want)
				}
			})
		}
	}
}

// TestABodyThatNeverComesIsCut: the wait for a body's first byte is bounded as the pauses within one are, and is no fault of the backend's.
func TestABodyThatNeverComesIsCut(t *testing.T) {
	t.Parallel()
	for proto, open := range openedRequests() {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			saw := &sawBackend{}
			g := start(t, []site{{"a.test", unit("a"), saw}}, func(c *edge.Config) { c.QUIC, c.StallTimeout = true, 300*time.Millisecond })
			_ = open(t, g, http.MethodGet)
			g.inFlight(t, 1)
			g.eventually(t, "it is cut and its place free", func(s edge.SliceStats) bool { return s.Gateway.Cut == 1 && s.Gateway.InFlight == 0 })
			if got := saw.all(); len(got) != 0 || g.Snapshot()[0].Gateway.Failed != 0 {
				t.Errorf("the backend saw %q, %d failures", got, g.Snapshot()[0].Gateway.Failed)
			}
		})
	}
}
