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

// plainRequest is what plainGateway's client asks, plainAnswer what its backend says.
const plainRequest = "GET / HTTP/1.1\r\nHost: s.test\r\n\r\n"

var plainAnswer = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 256\r\n\r\n" + strings.Repeat("n", 256)

// plainGateway gives a gateway whose backend reads and writes, and does and allocates nothing else.
func plainGateway(t testing.TB) *Gateway {
	t.Helper()
	back, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = back.Close() })
	go func() {
		for {
			c, err := back.Accept()
			if err != nil {
				return
			}
			go servePlain(c)
		}
	}()
	s := unit("s")
	return gateway(t, table(t, []Route{route("s.test", s, Backend{Address: back.Addr().String()})}, s))
}

func servePlain(c net.Conn) {
	defer func() { _ = c.Close() }()
	in, answer, end := make([]byte, 4<<10), []byte(plainAnswer), []byte("\r\n\r\n")
	for {
		n, err := c.Read(in)
		if err != nil || !bytes.HasSuffix(in[:n], end) { // each request comes in one piece
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// plainClient asks a gateway on a connection of its own for as long as more says.
func plainClient(g *Gateway, more func() bool) error {
	c, err := net.Dial("tcp", g.Addr())
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	in, request, body := make([]byte, 4<<10), []byte(plainRequest), []byte(plainAnswer[len(plainAnswer)-256:])
	for more() {
		if _, err := c.Write(request); err != nil {
			return err
		}
		for n := 0; !bytes.HasSuffix(in[:n], body); {
			piece, err := c.Read(in[n:])
			if err != nil {
				return err
			}
			n += piece
		}
	}
	return nil
}

// BenchmarkForward is a plain request of a kept connection, 64 of them in a closed loop. Client and backend are in the same process and do next to
// nothing beside reading and writing, so allocations are the gateway's, and cpu-ns/op, the process's time, is its own and that of two more reads and
// writes.
func BenchmarkForward(b *testing.B) {
	g := plainGateway(b)
	const connections = 64
	b.SetParallelism(max(1, connections/runtime.GOMAXPROCS(0)))
	b.ReportAllocs()
	before := ownSeconds(b)
	b.RunParallel(func(pb *testing.PB) {
		if err := plainClient(g, pb.Next); err != nil {
			b.Error(err)
		}
	})
	b.ReportMetric((ownSeconds(b)-before)*1e9/float64(b.N), "cpu-ns/op")
}

// TestForwardingAllocatesNothing: a request that goes to its backend as it is leaves nothing to the garbage collector.
func TestForwardingAllocatesNothing(t *testing.T) { // alone: it reads the process's memory
	g := plainGateway(t)
	const warm, requests = 200, 2000
	var before, after runtime.MemStats
	asked := 0
	err := plainClient(g, func() bool {
		if asked == warm {
			runtime.ReadMemStats(&before)
		}
		asked++
		return asked <= warm+requests
	})
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	// The race detector's pools forget some of what they are given.
	if each := float64(after.Mallocs-before.Mallocs) / requests; each >= 2 {
		t.Errorf("%.2f allocations a request", each)
	} else {
		t.Logf("%.3f allocations a request", each)
	}
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
