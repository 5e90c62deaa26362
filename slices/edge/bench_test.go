package edge

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
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

// BenchmarkForward is a plain request of a kept connection, 64 of them in a closed loop. Client and backend are in the same process and do next to
// nothing beside reading and writing, so allocations are the gateway's, and cpu-ns/op, the process's time, is its own and that of two more reads and writes.
func BenchmarkForward(b *testing.B) {
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 256\r\n\r\n" + strings.Repeat("n", 256))
	back, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = back.Close() }()
	go func() {
		for {
			c, err := back.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				for in := make([]byte, 4<<10); ; {
					n, err := c.Read(in)
					if err != nil || !bytes.HasSuffix(in[:n], []byte("\r\n\r\n")) { // each comes in one piece
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	s := unit("s")
	g := gateway(b, table(b, []Route{route("s.test", s, Backend{Address: back.Addr().String()})}, s))
	request := []byte("GET / HTTP/1.1\r\nHost: s.test\r\n\r\n")
	const connections = 64
	b.SetParallelism(max(1, connections/runtime.GOMAXPROCS(0)))
	b.ReportAllocs()
	before := ownSeconds(b)
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", g.Addr())
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = c.Close() }()
		for in := make([]byte, 4<<10); pb.Next(); {
			if _, err := c.Write(request); err != nil {
				b.Error(err)
				return
			}
			n, err := c.Read(in)
			for err == nil && !bytes.HasSuffix(in[:n], answer[len(answer)-256:]) {
				var more int
				more, err = c.Read(in[n:])
				n += more
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric((ownSeconds(b)-before)*1e9/float64(b.N), "cpu-ns/op")
}

// BenchmarkHandshakes is a slice alone that is flooded with handshakes, 32 callers in the same process: ns/op is the time from one to the next.
func BenchmarkHandshakes(b *testing.B) {
	ca, err := OpenDevCA("")
	if err != nil {
		b.Fatal(err)
	}
	s := unit("s")
	tab, err := NewTable([]Route{route("s.test", s, Backend{})}, []slices.Slice{s})
	if err != nil {
		b.Fatal(err)
	}
	g, err := New(Config{TLSAddr: "127.0.0.1:0", Certificate: ca.Certificate})
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
	const callers = 32
	b.SetParallelism(max(1, callers/runtime.GOMAXPROCS(0)))
	config := &tls.Config{RootCAs: ca.Pool(), ServerName: "s.test"}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c, err := tls.Dial("tcp", g.TLSAddr(), config)
			if err != nil {
				b.Error(err)
				return
			}
			_ = c.NetConn().Close() // without a goodbye
		}
	})
}
