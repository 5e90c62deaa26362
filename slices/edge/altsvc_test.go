package edge

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
)

// TestAltSvcIsTrue: the field is on answers of HTTP/1.1 and HTTP/2 over TLS, of backends and of the gateway itself, where QUIC is bound and
// the client came to its port; HTTP/3 is then really spoken there.
func TestAltSvcIsTrue(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	a := unit("a")
	lying := backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Alt-Svc", `h3=":1"; ma=99999999`)
		if r.URL.Path == "/hints" {
			w.WriteHeader(http.StatusEarlyHints)
		}
	})
	routes := []Route{route("a.test", a, lying), route("empty.test", a, Backend{})}
	with := gateway(t, table(t, routes, a), func(c *Config) { c.TLSAddr, c.Certificate, c.QUIC = "127.0.0.1:0", ca.Certificate, true })
	without := gateway(t, table(t, routes, a), func(c *Config) { c.TLSAddr, c.Certificate = "127.0.0.1:0", ca.Certificate })
	_, port, _ := strings.Cut(with.QUICAddr(), ":")
	if _, tcp, _ := strings.Cut(with.TLSAddr(), ":"); port == "" || port != tcp {
		t.Fatalf("QUIC at port %q, TLS at %q", port, tcp)
	}
	_, other, _ := strings.Cut(without.TLSAddr(), ":")
	here := `h3=":` + port + `"; ma=3600`
	for _, c := range []struct {
		name   string
		g      *Gateway
		secure bool
		url    string
		want   string
	}{
		{"bound, by its port", with, true, "https://a.test:" + port, here},
		{"bound, after an informational answer", with, true, "https://a.test:" + port + "/hints", here},
		{"bound, an answer of the gateway's own", with, true, "https://empty.test:" + port, here},
		{"bound, through a mapping of ports", with, true, "https://a.test", ""},
		{"bound, another port named", with, true, "https://a.test:1", ""},
		{"bound, without TLS", with, false, "http://a.test:" + port, ""},
		{"off", without, true, "https://a.test:" + other, "clear"},
		{"off, an answer of the gateway's own", without, true, "https://empty.test", "clear"},
		{"off, without TLS", without, false, "http://a.test", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for proto, http2 := range map[int]bool{1: false, 2: true} {
				addr, edit := c.g.Addr(), []func(*http.Transport){}
				if c.secure {
					addr = c.g.TLSAddr()
					edit = append(edit, func(tr *http.Transport) {
						tr.TLSClientConfig = &tls.Config{RootCAs: ca.Pool()}
						tr.ForceAttemptHTTP2 = http2
					})
				} else if http2 {
					edit = append(edit, h2c)
				}
				got := get(t, client(t, addr, edit...), c.url)
				if said := strings.Join(got.header.Values("Alt-Svc"), " and "); said != c.want || got.proto != proto {
					t.Errorf("HTTP/%d, wanted %d: Alt-Svc %q, want %q", got.proto, proto, said, c.want)
				}
			}
		})
	}
}

func TestPortOfAnAuthority(t *testing.T) {
	t.Parallel()
	for authority, want := range map[string]string{"a.test": "443", "a.test:8443": "8443", "[::1]": "443", "[::1]:9": "9", "127.0.0.1": "443",
		"127.0.0.1:80": "80", "a.test:": "443", "": "443", "a:b": "443"} {
		if got := portOf(authority); got != want {
			t.Errorf("%q: %q, want %q", authority, got, want)
		}
	}
}
