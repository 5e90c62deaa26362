package edge

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/BobbyBlanco400/nexus-cos/slices/edge/h1"
)

// FuzzMalformed: a request of HTTP/2 that is let through is one that the gateway's own strict reader takes in HTTP/1.1 too, as the same method,
// target and host. Otherwise a backend could read something else than the gateway did.
func FuzzMalformed(f *testing.F) {
	f.Add("GET", "/", "a.test", "", "")
	f.Add("POST", "/a b?c", "a.test:8443", "a.test", "3")
	f.Add("GET /x HTTP/1.1\r\nA:", "/\r\n", "a.test/x", "b.test", "+1")
	f.Add("OPTIONS", "*", "[::1]:1", "A.TEST", "")
	f.Fuzz(func(t *testing.T, method, path, authority, host, length string) {
		u, err := url.ParseRequestURI(path) // as net/http does before
		if err != nil || path != "*" && !strings.HasPrefix(path, "/") || method == http.MethodConnect {
			return
		}
		r := &http.Request{Method: method, URL: u, RequestURI: path, Host: authority, ProtoMajor: 2, Header: http.Header{}, ContentLength: 3}
		if host != "" {
			r.Header.Set("Host", host)
		}
		if length != "" {
			r.Header.Set("Content-Length", length)
		}
		name, err := ParseHost(authority)
		if malformed(r) != "" || err != nil {
			return
		}
		var got h1.Request
		if wrong := got.Parse([]byte(method + " " + u.RequestURI() + " HTTP/1.1\r\nHost: " + authority + "\r\n\r\n")); wrong != nil {
			t.Fatalf("%q %q %q was let through and is refused behind: %s", method, path, authority, wrong.What)
		}
		if string(got.Method) != method || string(got.Host) != authority || string(got.Target) != u.RequestURI() {
			t.Fatalf("%q %q %q became %q %q %q", method, path, authority, got.Method, got.Target, got.Host)
		}
		if host != "" {
			if other, err := ParseHost(host); err != nil || other != name {
				t.Fatalf("%q beside %q was let through", host, authority)
			}
		}
		if length != "" && length != "3" && strings.TrimLeft(length, "0") != "3" {
			t.Fatalf("the length %q of 3 bytes was let through", length)
		}
		if port := portOf(authority); strings.Trim(port, "0123456789") != "" || port == "" {
			t.Fatalf("port %q of %q", port, authority)
		}
	})
}
