package conform_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// sawBackend keeps what reached the backend.
type sawBackend struct {
	mu   sync.Mutex
	seen []string // "METHOD target|host|body|fields of interest"
}

// ServeHTTP implements http.Handler.
func (s *sawBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // half a request is none
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, strings.Join([]string{r.Method + " " + r.RequestURI, r.Host, string(body), r.Header.Get("X-A"),
		strings.Join(r.TransferEncoding, ",")}, "|"))
	_, _ = io.WriteString(w, "ok") // the client judges
}

func (s *sawBackend) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.seen...)
}

// h2Request is one malformed or unusual request. It must be refused, by an answer or by an error of the stream or the connection, and not
// reach the backend, unless reaches says what the backend sees.
type h2Request struct {
	name    string
	fields  []string
	body    []string // DATA frames; nil: the headers end the stream
	trail   []string // trailers
	status  string   // wanted answer; "" means RST_STREAM or GOAWAY with PROTOCOL_ERROR; or either
	reaches string
}

// either is for a request that is malformed twice: the gateway answers, or net/http is faster with the error of the body.
const either = "400 or PROTOCOL_ERROR"

func h2Requests() []h2Request {
	get := func(more ...string) []string {
		return append([]string{":method", "GET", ":scheme", "http", ":authority", "a.test", ":path", "/"}, more...)
	}
	post := func(more ...string) []string {
		return append([]string{":method", "POST", ":scheme", "http", ":authority", "a.test", ":path", "/"}, more...)
	}
	return []h2Request{
		{name: "8.2.1 NUL in a value", fields: get("x-a", "a\x00b")},
		{name: "8.2.1 CR LF in a value would be a field for the backend", fields: get("x-a", "a\r\ntransfer-encoding: chunked")},
		{name: "8.2.1 LF in a value", fields: get("x-a", "a\nb")},
		{name: "8.2.1 CR LF in a name", fields: get("x-a: b\r\nx-b", "c")},
		{name: "8.2.1 colon in a name", fields: get("x-a:b", "c")},
		{name: "8.2.1 space in a name", fields: get("x a", "c")},
		{name: "8.2.1 empty name", fields: get("", "c")},
		{name: "8.2.1 upper case in a name", fields: get("X-A", "c")},
		{name: "8.2.1 name above 0x7f", fields: get("x-\xff", "c")},
		{name: "8.2.2 transfer-encoding chunked with a body that would be a second request", fields: post("transfer-encoding", "chunked"),
			body: []string{"0\r\n\r\nGET /admin HTTP/1.1\r\nHost: a.test\r\n\r\n"}, status: "400"},
		{name: "8.2.2 connection", fields: get("connection", "x-a"), status: "400"},
		{name: "8.2.2 upgrade", fields: get("upgrade", "websocket"), status: "400"},
		{name: "8.2.2 keep-alive", fields: get("keep-alive", "timeout=5"), status: "400"},
		{name: "8.2.2 proxy-connection", fields: get("proxy-connection", "close"), status: "400"},
		{name: "8.2.2 te other than trailers", fields: get("te", "gzip"), status: "400"},
		{name: "8.2.2 te trailers is allowed", fields: get("te", "trailers"), status: "200", reaches: "GET /|a.test|||"},
		{name: "8.3 unknown pseudo-header", fields: get(":x", "y")},
		{name: "8.3 pseudo-header of a response", fields: get(":status", "200")},
		{name: "8.3 pseudo-header after a field", fields: []string{":method", "GET", ":scheme", "http", "x-a", "b", ":authority", "a.test", ":path", "/"}},
		{name: "8.3 pseudo-header twice", fields: get(":path", "/admin")},
		{name: "8.3.1 no method", fields: []string{":scheme", "http", ":authority", "a.test", ":path", "/"}},
		{name: "8.3.1 no path", fields: []string{":method", "GET", ":scheme", "http", ":authority", "a.test"}},
		{name: "8.3.1 empty path", fields: []string{":method", "GET", ":scheme", "http", ":authority", "a.test", ":path", ""}},
		{name: "8.3.1 no scheme", fields: []string{":method", "GET", ":authority", "a.test", ":path", "/"}},
		{name: "8.3.1 path without a slash", fields: []string{":method", "GET", ":scheme", "http", ":authority", "a.test", ":path", "admin"}},
		{name: "8.3.1 request line in the path", fields: []string{":method", "GET", ":scheme", "http", ":authority", "a.test",
			":path", "/ HTTP/1.1\r\nHost: b.test\r\n\r\nGET /admin"}},
		{name: "8.3.1 space in the path", fields: []string{":method", "GET", ":scheme", "http", ":authority", "a.test", ":path", "/a b"}, status: "400"},
		{name: "8.3.1 request line in the method", fields: []string{":method", "GET /admin HTTP/1.1\r\nHost: b.test\r\n\r\nGET", ":scheme", "http",
			":authority", "a.test", ":path", "/"}},
		{name: "8.3.1 space in the method", fields: []string{":method", "GET /x", ":scheme", "http", ":authority", "a.test", ":path", "/"}, status: "400"},
		{name: "8.3.1 authority with user information", fields: []string{":method", "GET", ":scheme", "http", ":authority", "u@a.test", ":path", "/"}},
		{name: "8.3.1 authority with a path", fields: []string{":method", "GET", ":scheme", "http", ":authority", "a.test/x", ":path", "/"}, status: "400"},
		{name: "8.3.1 host that is not the authority", fields: get("host", "b.test"), status: "400"},
		{name: "8.3.1 host like the authority", fields: get("host", "a.test"), status: "200", reaches: "GET /|a.test|||"},
		{name: "8.3.1 host twice", fields: []string{":method", "GET", ":scheme", "http", ":path", "/", "host", "a.test", "host", "b.test"}, status: "400"},
		{name: "8.3.1 host instead of an authority", fields: []string{":method", "GET", ":scheme", "http", ":path", "/", "host", "a.test"}, status: "200",
			reaches: "GET /|a.test|||"},
		{name: "8.1.1 content-length above the body", fields: post("content-length", "10"), body: []string{"abc"}, status: "400"},
		{name: "8.1.1 content-length below the body", fields: post("content-length", "3"), body: []string{"abcdef"}},
		{name: "8.1.1 content-length without a body", fields: get("content-length", "3"), status: "400"},
		{name: "8.1.1 two content-lengths", fields: post("content-length", "3", "content-length", "4"), body: []string{"abc"}, status: "400"},
		{name: "8.1.1 content-length with a sign", fields: post("content-length", "+3"), body: []string{"abc"}, status: either},
		{name: "8.1 trailers with a pseudo-header", fields: post(), body: []string{"abc"}, trail: []string{":path", "/admin"}},
		{name: "8.1 trailers do not become fields", fields: post("trailer", "x-a"), body: []string{"abc"}, trail: []string{"x-a", "late"}, status: "200",
			reaches: "POST /|a.test|abc||chunked"},
		{name: "8.5 CONNECT", fields: []string{":method", "CONNECT", ":authority", "a.test:80"}, status: "405"},
		{name: "8.5 CONNECT with a path", fields: []string{":method", "CONNECT", ":scheme", "http", ":authority", "a.test:80", ":path", "/"}},
		{name: "RFC 8441 section 3 extended CONNECT was not offered", fields: []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http",
			":authority", "a.test", ":path", "/"}},
		{name: "10.5.1 more header than the limit", fields: get(manyFields(40)...)},
		{name: "6.1 a body in many frames, some of them empty", fields: post(), body: []string{"a", "", "b", "", "", "c"}, status: "200",
			reaches: "POST /|a.test|abc||chunked"},
	}
}

// manyFields is n fields of a kilobyte.
func manyFields(n int) (pairs []string) {
	for range n {
		pairs = append(pairs, "x-a", strings.Repeat("y", 1<<10))
	}
	return pairs
}

// TestHTTP2Requests: RFC 9113's rules for requests, above all those that keep a request from becoming two behind the gateway, which
// speaks HTTP/1.1 there.
func TestHTTP2Requests(t *testing.T) {
	t.Parallel()
	for _, c := range h2Requests() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			saw := &sawBackend{}
			g := start(t, []site{{"a.test", unit("a"), saw}})
			p := dialH2(t, g.Addr())
			if err := c.send(p); err != nil {
				t.Fatal(err)
			}
			o, err := p.await(1, 10*time.Second)
			if err != nil {
				t.Fatalf("no answer and no end: %v", err)
			}
			want := c.status
			if want == either {
				if want = ""; o.status != "" {
					want = "400"
				}
			}
			switch {
			case want != "" && o.status != want:
				t.Errorf("%+v, want status %s", o, want)
			case want == "" && (!o.resetSeen || o.reset != http2.ErrCodeProtocol) && (!o.goAwaySeen || o.goAway != http2.ErrCodeProtocol):
				t.Errorf("%+v, want PROTOCOL_ERROR", o)
			}
			if got := strings.Join(saw.all(), "\n"); got != c.reaches {
				t.Errorf("the backend saw %q, want %q", got, c.reaches)
			}
		})
	}
}

func (c h2Request) send(p *h2Peer) error {
	block := literal(c.fields...)
	first := block[:min(len(block), 16<<10)]
	rest := block[len(first):]
	if err := p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: first, EndHeaders: len(rest) == 0, EndStream: c.body == nil}); err != nil {
		return err
	}
	for len(rest) > 0 {
		part := rest[:min(len(rest), 16<<10)]
		rest = rest[len(part):]
		if err := p.framer.WriteContinuation(1, len(rest) == 0, part); err != nil {
			return err
		}
	}
	for i, part := range c.body {
		if err := p.framer.WriteData(1, i == len(c.body)-1 && c.trail == nil, []byte(part)); err != nil {
			return err
		}
	}
	if c.trail == nil {
		return nil
	}
	return p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: literal(c.trail...), EndHeaders: true, EndStream: true})
}
