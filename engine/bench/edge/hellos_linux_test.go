package edge

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
)

// serveQUIC accepts QUIC connections, and counts the hellos that it reads and the handshakes that are complete.
func serveQUIC(t *testing.T, retries bool) (addr string, read, complete *atomic.Int64) {
	t.Helper()
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	t.Cleanup(cert.Close)
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	read, complete = new(atomic.Int64), new(atomic.Int64)
	config := &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"h3"}, GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if hello.ServerName == handshakesHost && hello.Conn.RemoteAddr().(*net.UDPAddr).IP.String() == offenderSource {
			read.Add(1)
		}
		return &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"h3"}, Certificates: cert.TLS.Certificates}, nil
	}}
	transport := &quic.Transport{Conn: udp, VerifySourceAddress: func(net.Addr) bool { return retries }}
	ln, err := transport.Listen(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := ln.Accept(context.Background()); err != nil {
				return
			}
			complete.Add(1)
		}
	}()
	t.Cleanup(func() {
		_, _, _ = ln.Close(), transport.Close(), udp.Close() // the test is over
		<-done
	})
	return udp.LocalAddr().String(), read, complete
}

// TestHalfAHandshake: a real server reads each hello, answers it and is never answered; asked where it is, a client shows it.
func TestHalfAHandshake(t *testing.T) {
	t.Parallel()
	for _, retries := range []bool{false, true} {
		addr, read, complete := serveQUIC(t, retries)
		job := Job{Shape: shapeHellos, Addr: addr, Source: offenderSource, Host: handshakesHost, Connections: 4, Rate: 100, Duration: time.Second}
		f, err := hellos(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		// The last of some hundred may be on their way.
		if f.Good < 10 || f.Good > read.Load() || read.Load() > 120 || complete.Load() != 0 || (f.Asked >= f.Good) != retries || (f.Asked > 0) != retries {
			t.Errorf("asked where they are %t: %+v; the server read %d hellos and ended %d handshakes", retries, f, read.Load(), complete.Load())
		}
	}
	if _, err := hellos(t.Context(), Job{Addr: "127.0.0.1:1", Source: "nowhere"}); err == nil {
		t.Error("a source that is none was taken")
	}
}

// TestAHelloIsCountedOnce: a server sends its flight again and again to who does not answer, and a second Retry means nothing.
func TestAHelloIsCountedOnce(t *testing.T) {
	t.Parallel()
	c := &helloClient{said: map[uint64]*said{7: {counts: true}, 8: {}}}
	for _, id := range []uint64{7, 8} {
		if !c.note(quicReply{id: id, retry: true}) {
			t.Errorf("hello %d: the first Retry is not answered", id)
		}
		for range 2 {
			if c.note(quicReply{id: id, retry: true}) || c.note(quicReply{id: id, flight: true}) {
				t.Errorf("hello %d is said again", id)
			}
		}
	}
	if c.note(quicReply{id: 9, retry: true}) || c.flights != 1 || c.retries != 1 {
		t.Errorf("%d flights and %d Retries", c.flights, c.retries)
	}
}

// A token that does not fit into a datagram is not sent.
func TestATokenThatIsTooLong(t *testing.T) {
	t.Parallel()
	h := quicHello{tls: make([]byte, 300)}
	for token, fits := range map[int]bool{0: true, 800: true, 1000: true, 1200: false} {
		b, err := h.packet(make([]byte, quicIDBytes), 1, make([]byte, token), 0)
		if (err == nil) != fits || fits && len(b) < quicFirstBytes {
			t.Errorf("a token of %d bytes: a packet of %d, %v", token, len(b), err)
		}
	}
}

// TestReplies: of what a server sends its first flight and a Retry count, and nothing that is for nobody here, of another version, or only ends something.
func TestReplies(t *testing.T) {
	t.Parallel()
	reply := func(first, version byte, idBytes byte, rest string, padding int) []byte {
		b := []byte{first, 0, 0, 0, version, idBytes, 0, 0, 0, 0, 0, 0, 1, 2}
		return append(append(b, rest...), make([]byte, padding)...)
	}
	r, ok := parseReply(reply(0xf0, 1, 8, "\x03abctoken", quicTag))
	if !ok || !r.retry || r.flight || r.id != 258 || string(r.from) != "abc" || string(r.token) != "token" {
		t.Errorf("a Retry: %+v, %t", r, ok)
	}
	if r, ok = parseReply(reply(0xc3, 1, 8, "\x03abc", 1200)); !ok || !r.flight || r.retry || r.id != 258 {
		t.Errorf("a flight: %+v, %t", r, ok)
	}
	for name, b := range map[string][]byte{"nothing": nil, "an end": reply(0xc3, 1, 8, "\x03abc", 60), "version 2": reply(0xc3, 2, 8, "\x03abc", 1200),
		"a Retry without a token": reply(0xf0, 1, 8, "\x03abc", quicTag), "a short header": reply(0x43, 1, 8, "\x03abc", 1200),
		"a handshake alone": reply(0xe3, 1, 8, "\x03abc", 1200),
		"another's id":      reply(0xc3, 1, 4, "\x03abc", 1200),
		"an id too long":    reply(0xf0, 1, 8, "\x15", 1200), "cut short": reply(0xf0, 1, 8, "\x14a", quicTag)} {
		if r, ok := parseReply(b); ok {
			t.Errorf("%s: taken as %+v", name, r)
		}
	}
}

func FuzzReply(f *testing.F) {
	head := []byte{0xc0, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0, 0, 0, 7, 4, 1, 2, 3, 4}
	f.Add(append(head, make([]byte, quicFirstBytes)...))
	f.Add(append([]byte{0xf0}, append(head[1:], make([]byte, 40)...)...))
	f.Add([]byte{0x40})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ok := parseReply(b)
		if ok && (r.flight == r.retry || r.flight && len(b) < quicFirstBytes || len(r.from) > quicIDMost || r.retry && len(r.from)+len(r.token)+quicTag >= len(b)) {
			t.Errorf("%+v of %d bytes", r, len(b))
		}
	})
}
