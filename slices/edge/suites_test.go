package edge

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestHTTP2SuitesOfTLS12 takes every suite that the library knows: of TLS 1.2, those with an ephemeral key and an AEAD are the ones that RFC 9113
// appendix A does not list.
func TestHTTP2SuitesOfTLS12(t *testing.T) {
	t.Parallel()
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		aead := strings.Contains(s.Name, "GCM") || strings.Contains(s.Name, "CHACHA20")
		for _, version := range s.SupportedVersions {
			want := version == tls.VersionTLS13 || strings.HasPrefix(s.Name, "TLS_ECDHE_") && aead
			if got := goodForHTTP2(&tls.ConnectionState{Version: version, CipherSuite: s.ID}); got != want {
				t.Errorf("%s in version %x: %v, want %v", s.Name, version, got, want)
			}
		}
	}
}

// TestHTTP2OverAListedSuiteIsRefused: a client that agrees on HTTP/2 over a suite of RFC 9113 appendix A is hung up on before anything of its request
// reaches a backend (section 9.2.2). The same suite serves HTTP/1.1, and the same client is served with another suite: it is the pair that is refused.
func TestHTTP2OverAListedSuiteIsRefused(t *testing.T) {
	t.Parallel()
	const listed, good = tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	ca := newCA(t)
	var asked atomic.Int64
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = io.WriteString(w, "ok") // the client's reading says the rest
	}))}, a), func(c *Config) { c.TLSAddr, c.Certificate = "127.0.0.1:0", ca.Certificate })
	dial := func(suite uint16, protocol string) *tls.Conn {
		c := tls.Client(dialed(t, g.TLSAddr()), &tls.Config{ServerName: "a.test", RootCAs: ca.Pool(), NextProtos: []string{protocol},
			MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}})
		_ = c.SetDeadline(time.Now().Add(20 * time.Second)) // a closed socket says so later
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		if s := c.ConnectionState(); s.CipherSuite != suite || s.NegotiatedProtocol != protocol {
			t.Fatalf("agreed on %s and %q", tls.CipherSuiteName(s.CipherSuite), s.NegotiatedProtocol)
		}
		return c
	}
	c := dial(listed, "h2")
	_, _ = c.Write(http2Get("a.test")) // it may be closed by then
	if b, err := io.ReadAll(c); len(b) > 0 || isTimeout(err) {
		t.Errorf("HTTP/2 over a listed suite is answered %q, %v", b, err)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests reached the backend", n)
	}
	plain := dial(listed, "http/1.1")
	if _, err := io.WriteString(plain, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(plain); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 200 ") {
		t.Errorf("HTTP/1.1 over the same suite: %.40q, %v", b, err)
	}
	fine := dial(good, "h2")
	if _, err := fine.Write(http2Get("a.test")); err != nil {
		t.Fatal(err)
	}
	frames := http2.NewFramer(io.Discard, fine)
	for {
		f, err := frames.ReadFrame()
		if err != nil {
			t.Fatalf("HTTP/2 over a good suite: %v", err)
		}
		if f.Header().Type == http2.FrameHeaders {
			break
		}
	}
}

// http2Get is what a client of HTTP/2 says first when it asks for a host's root.
func http2Get(host string) []byte {
	var b, block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", host}, {":path", "/"}} {
		_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // a buffer takes everything
	}
	b.WriteString(http2Preface)
	f := http2.NewFramer(&b, nil)
	_ = f.WriteSettings()
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
	return b.Bytes()
}
