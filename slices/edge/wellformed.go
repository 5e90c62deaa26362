package edge

import (
	"net/http"
	"strings"

	"github.com/BobbyBlanco400/nexus-cos/slices/edge/h1"
)

// malformed says what is wrong with a request of HTTP/2 or HTTP/3 that is malformed by RFC 9113 section 8 and that its library lets pass;
// "" when nothing is. Behind the gateway it becomes a request of HTTP/1.1, so here stands what package h1 asks of those.
func malformed(r *http.Request) string {
	if !h1.Token([]byte(r.Method)) {
		return "the method is no token"
	}
	if r.Method != http.MethodConnect || r.URL.Path != "" {
		for i := range len(r.RequestURI) {
			if c := r.RequestURI[i]; c <= ' ' || c == 0x7f || c == '#' {
				return "a character in the path that has no place there"
			}
		}
	}
	// Section 8.3.1: a Host that names another host than :authority.
	if hosts := r.Header["Host"]; len(hosts) > 1 || len(hosts) == 1 && !strings.EqualFold(hosts[0], r.Host) {
		return "more than one word about the host"
	}
	// Section 8.1.1: the length is that of the body, which is empty when the headers end the stream.
	if lengths := r.Header["Content-Length"]; len(lengths) > 0 {
		n, ok := h1.Digits([]byte(lengths[0]))
		if len(lengths) > 1 || !ok || n != r.ContentLength {
			return "the content length is not that of the body"
		}
	}
	return ""
}
