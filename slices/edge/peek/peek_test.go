package peek

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/BobbyBlanco400/nexus-cos/slices/edge/h1"
)

// recorder is a connection that keeps what is written and has a fixed answer to reads.
type recorder struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (r *recorder) Read(p []byte) (int, error)  { return r.in.Read(p) }
func (r *recorder) Write(p []byte) (int, error) { return r.out.Write(p) }
func (r *recorder) Close() error                { return nil }

// helloOf is what crypto/tls sends for a server name.
func helloOf(t testing.TB, name string, protocols ...string) []byte {
	t.Helper()
	r := &recorder{in: strings.NewReader("")}
	c := tls.Client(r, &tls.Config{ServerName: name, InsecureSkipVerify: name == "", NextProtos: protocols})
	if err := c.HandshakeContext(context.Background()); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return r.out.Bytes()
}

// inRecords puts a handshake that lies in one record into records of n bytes.
func inRecords(hello []byte, n int) []byte {
	var out []byte
	for body := hello[5:]; len(body) > 0; {
		part := body[:min(n, len(body))]
		body = body[len(part):]
		out = append(out, recordHandshake, 3, 1, byte(len(part)>>8), byte(len(part)))
		out = append(out, part...)
	}
	return out
}

// settled: each beginning of b asks for more until one answers, and from there on the answer is this one.
func settled(t testing.TB, ask func([]byte) Answer, b []byte) {
	t.Helper()
	want := ask(b)
	decided := false
	for n := range b {
		a := ask(b[:n])
		if a.More && a.Host != "" {
			t.Fatalf("%d bytes of %q: a host and more at once", n, b)
		}
		if decided = decided || !a.More; decided && a != want {
			t.Fatalf("%d bytes of %q: %+v, with all of them %+v", n, b, a, want)
		}
	}
}

func TestHelloNamesItsHost(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(strings.Repeat("a", 60)+".", 4) + "test"
	for _, name := range []string{"shop.test", "x.y", long} {
		hello := helloOf(t, name, "h2", "http/1.1")
		for _, b := range [][]byte{hello, inRecords(hello, 1), inRecords(hello, 7), append(bytes.Clone(hello), "\x14\x03\x03\x00\x01\x01"...)} {
			if a := TLS(b); a.Host != name || a.More {
				t.Errorf("%s: %+v", name, a)
			}
			settled(t, TLS, b)
		}
		if a := TLS(hello[:len(hello)-1]); a.Host != name && !a.More {
			t.Errorf("%s, a byte short: %+v", name, a)
		}
	}
}

func TestHelloWithoutAName(t *testing.T) {
	t.Parallel()
	bare := helloOf(t, "")
	if a := TLS(bare); a != (Answer{}) {
		t.Errorf("no name: %+v", a)
	}
	settled(t, TLS, bare)
	alert := append(bytes.Clone(bare), 21, 3, 1, 0, 2, 2, 40)
	half := append(inRecords(bare, 60)[:65:65], 21, 3, 1, 0, 2, 2, 40) // a hello that was given up
	for name, b := range map[string][]byte{"HTTP": []byte("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"), "SSLv2": {0x80, 0x2e, 1, 3, 1},
		"an empty record": {22, 3, 1, 0, 0}, "a record too long": {22, 3, 1, 0xff, 0xff}, "another message": {22, 3, 1, 0, 4, 2, 0, 0, 0},
		"an alert behind": alert, "an alert within": half} {
		if a := TLS(b); a != (Answer{}) {
			t.Errorf("%s: %+v", name, a)
		}
	}
	// A whole hello whose extensions claim to be longer than it is waits for nothing; a name of another kind is no host.
	named := helloOf(t, "shop.test")
	at := bytes.Index(named, []byte("shop.test"))
	other, beyond := bytes.Clone(named), bytes.Clone(named)
	other[at-3] = 1
	beyond[at-9], beyond[at-8] = 0xff, 0xff // kind of the extension no server_name, so the list is read to its end
	for i := at - 7; i < at-5; i++ {
		beyond[i] = 0xff
	}
	for name, b := range map[string][]byte{"another kind of name": other, "an extension beyond the end": beyond} {
		if a := TLS(b); a != (Answer{}) {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if a := TLS(nil); a != (Answer{More: true}) {
		t.Errorf("nothing yet: %+v", a)
	}
}

func TestRequestNamesItsHost(t *testing.T) {
	t.Parallel()
	for head, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n":                                             "shop.test",
		"\r\nGET / HTTP/1.1\r\nhOST:\t shop.test:8080 \r\n\r\n":                                 "shop.test:8080",
		"GET / HTTP/1.1\r\nX: " + strings.Repeat("y", 9000) + "\r\nHost: shop.test\r\n":         "shop.test",
		"GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n":                                "a.test",
		"GET / HTTP/1.1\r\nHost: a.test\r\n\r\nGET /2 HTTP/1.1\r\nHost: b.test\r\n\r\n":         "a.test",
		"GET / HTTP/1.0\r\n\r\nHost: shop.test\r\n\r\n":                                         "",
		"GET / HTTP/1.1\r\nHost:\r\n\r\n":                                                       "",
		"\x16\x03\x01\x00\x05\r\nHost: shop.test\r\n":                                           "",
		"Host: shop.test\r\n\r\n":                                                               "",
		"\r\n\r\nGET / HTTP/1.1\r\nHost: two-empty.test\r\n\r\n":                                "",
		"POST / HTTP/1.1\nHost: bare-lf.test\n\n":                                               "bare-lf.test",
		"GET / HTTP/1.1\r\nHostess: no.test\r\nX-Host: no.test\r\nHost: yes.test\r\n\r\nmore..": "yes.test",
	} {
		if a := HTTP([]byte(head)); a.Host != want || a.More || a.HTTP2 {
			t.Errorf("%.60q: %+v, want %q", head, a, want)
		}
		settled(t, HTTP, []byte(head))
	}
	for _, b := range []string{"", "G", "GET /a/long/target/that/goes/on", "GET / HTTP/1.1\r\nHost: shop.test", "\r", "\r\n"} {
		if a := HTTP([]byte(b)); !a.More {
			t.Errorf("%q: %+v", b, a)
		}
	}
}

// frame makes a frame of HTTP/2.
func frame(kind, flags byte, stream byte, payload []byte) []byte {
	return append([]byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags, 0, 0, 0, stream}, payload...)
}

// fields makes a header block.
func fields(pairs ...string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for i := 0; i < len(pairs); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}) // a buffer takes everything
	}
	return b.Bytes()
}

func TestHTTP2NamesItsHost(t *testing.T) {
	t.Parallel()
	block := fields(":method", "GET", ":scheme", "http", ":authority", "shop.test", ":path", "/", "host", "other.test")
	settings := append([]byte(preface), frame(frameSettings, 0, 0, nil)...)
	window := frame(8, 0, 0, []byte{0, 1, 0, 0})
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	shop := Answer{Host: "shop.test", HTTP2: true}
	padded := append(append([]byte{3, 0, 0, 0, 0, 16}, block...), 0xff, 0xff, 0xff) // read as fields they would be an error
	for name, c := range map[string]struct {
		b    []byte
		want Answer
	}{
		"at once":           {join(settings, window, frame(frameHeaders, flagEndHeaders, 1, block)), shop},
		"continued":         {join(settings, frame(frameHeaders, 0, 1, block[:7]), frame(frameContinuation, 4, 1, block[7:])), shop},
		"padded":            {join(settings, frame(frameHeaders, flagEndHeaders|flagPadded|flagPriority, 1, padded)), shop},
		"host alone":        {join(settings, frame(frameHeaders, flagEndHeaders, 1, fields("host", "h.test"))), Answer{Host: "h.test", HTTP2: true}},
		"no headers yet":    {join(settings, window), Answer{More: true, HTTP2: true}},
		"no settings":       {join([]byte(preface), frame(frameHeaders, flagEndHeaders, 1, block)), Answer{HTTP2: true}},
		"broken block":      {join(settings, frame(frameHeaders, flagEndHeaders, 1, []byte{0xff, 0xff})), Answer{HTTP2: true}},
		"padding too long":  {join(settings, frame(frameHeaders, flagEndHeaders|flagPadded, 1, []byte{9, 1})), Answer{HTTP2: true}},
		"a frame between":   {join(settings, frame(frameHeaders, 0, 1, block[:7]), window), Answer{HTTP2: true}},
		"continues nothing": {join(settings, frame(frameContinuation, 4, 1, block)), Answer{HTTP2: true}},
		"frame too long":    {join(settings, []byte{1, 0, 0, 0, 0, 0, 0, 0, 0}), Answer{HTTP2: true}},
		"part of preface":   {[]byte(preface[:9]), Answer{More: true}},
	} {
		if a := HTTP(c.b); a != c.want {
			t.Errorf("%s: %+v, want %+v", name, a, c.want)
		}
		settled(t, HTTP, c.b)
	}
}

// errSeen ends a handshake once its hello was read.
var errSeen = errors.New("seen")

// FuzzTLS: no bytes make it panic or change its mind, and where crypto/tls reads a server name it is the same.
func FuzzTLS(f *testing.F) {
	hello := helloOf(f, "shop.test", "h2")
	f.Add(hello)
	f.Add(inRecords(hello, 100))
	f.Add(helloOf(f, ""))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4<<10 {
			return
		}
		settled(t, TLS, b)
		name := ""
		server := tls.Server(&recorder{in: bytes.NewReader(b)}, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			name = h.ServerName
			return nil, errSeen
		}})
		_ = server.HandshakeContext(context.Background()) // it always fails
		if a := TLS(b); name != "" && a.Host != name {
			t.Fatalf("%q: %+v, crypto/tls reads %q", b, a, name)
		}
	})
}

// FuzzHTTP: no bytes make it panic or change its mind, and where the strict parser reads a host it is the same.
func FuzzHTTP(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nA: b\r\nHost: shop.test\r\n\r\n"))
	f.Add([]byte("\r\nGET / HTTP/1.1\r\nHost: \t a:1 \r\n\r\nGET / HTTP/1.1\r\n"))
	f.Add(append(append([]byte(preface), frame(frameSettings, 0, 0, nil)...), frame(frameHeaders, flagEndHeaders, 1, fields(":authority", "a.test"))...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4<<10 {
			return
		}
		settled(t, HTTP, b)
		head, _, err := h1.ReadHead(bufio.NewReader(bytes.NewReader(b)), 8<<10)
		if err != nil || bytes.HasPrefix(head, []byte("PRI * HTTP/2.0\r\n")) {
			return
		}
		var r h1.Request
		if r.Parse(head) != nil || r.Minor == 0 {
			return
		}
		if a := HTTP(b); a.Host != string(r.Host) {
			t.Fatalf("%q: %+v, the strict parser reads %q", b, a, r.Host)
		}
	})
}

func BenchmarkTLS(b *testing.B) {
	hello := helloOf(b, "shop.test", "h2")
	b.ReportAllocs()
	for b.Loop() {
		TLS(hello)
	}
}

func BenchmarkHTTP(b *testing.B) {
	head := []byte("GET / HTTP/1.1\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\nHost: shop.test\r\n\r\n")
	b.ReportAllocs()
	for b.Loop() {
		HTTP(head)
	}
}
