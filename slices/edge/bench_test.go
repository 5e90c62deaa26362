package edge

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// BenchmarkGateway measures whole requests over real sockets, client and backend in the same process, beside the same
// backend asked straight and through a bare httputil.ReverseProxy with pools as large.
func BenchmarkGateway(b *testing.B) {
	body := make([]byte, 256)
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(body)
	}))
	defer back.Close()
	target, err := url.Parse(back.URL)
	if err != nil {
		b.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.BufferPool, proxy.Transport = newBufferPool(), &http.Transport{MaxIdleConnsPerHost: 64}
	bare := httptest.NewServer(proxy)
	defer bare.Close()
	s := unit("s")
	to := Backend{Address: back.Listener.Addr().String()}
	tab, err := NewTable([]Route{route("127.0.0.1", s, to)}, []slices.Slice{s})
	if err != nil {
		b.Fatal(err)
	}
	g, err := New(Config{Addr: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	if err := g.Swap(tab); err != nil {
		b.Fatal(err)
	}
	if err := g.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = g.Close(0) }()
	for _, c := range []struct{ name, url string }{
		{"direct", back.URL}, {"bare proxy", bare.URL}, {"gateway", "http://" + g.Addr()},
	} {
		b.Run(c.name, func(b *testing.B) {
			tr := &http.Transport{MaxIdleConnsPerHost: 64}
			defer tr.CloseIdleConnections()
			b.ReportAllocs()
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					resp, err := tr.RoundTrip(httptest.NewRequest(http.MethodGet, c.url, nil))
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			})
		})
	}
}
