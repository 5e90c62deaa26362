package conform_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// TestHalfAnAnswerIsNoWholeOne: when a backend breaks off within its answer, clients of every protocol see that it is not whole.
func TestHalfAnAnswerIsNoWholeOne(t *testing.T) {
	t.Parallel()
	g := start(t, []site{{"a.test", unit("a"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, 100_000)) // the client judges
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})}}, func(c *edge.Config) { c.QUIC = true })
	overTCP := func(http2 bool) *http.Client {
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: g.ca.Pool()}, ForceAttemptHTTP2: http2,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "tcp", g.TLSAddr())
			}}
		t.Cleanup(tr.CloseIdleConnections)
		return &http.Client{Transport: tr}
	}
	for proto, c := range map[int]*http.Client{1: overTCP(false), 2: overTCP(true), 3: g.h3Client(t)} {
		resp, err := c.Get("https://a.test/")
		for range 50 { // over HTTP/3 the break can overtake the head
			if err == nil || proto != 3 {
				break
			}
			resp, err = c.Get("https://a.test/")
		}
		if err != nil {
			t.Errorf("HTTP/%d: %v", proto, err)
			continue
		}
		n, err := io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close() // read above
		if err == nil || resp.ProtoMajor != proto {
			t.Errorf("HTTP/%d, wanted %d: %d bytes look like a whole answer", resp.ProtoMajor, proto, n)
		}
	}
}
