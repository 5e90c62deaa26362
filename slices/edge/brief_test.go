package edge

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/shape"
)

// TestARefusalOverHTTP2IsAHeadAlone: with when to try again and why, and nothing behind it.
func TestARefusalOverHTTP2IsAHeadAlone(t *testing.T) {
	t.Parallel()
	s := unit("s", func(s *slices.Slice) { s.MaxInFlight = 1 })
	g := gateway(t, table(t, []Route{route("a.test", s, holding(t))}, s))
	c := client(t, g.Addr(), h2c)
	get(t, c, "http://a.test/").want(t, 200, "")
	resp, err := c.Get("http://a.test/hold")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	g.states[s.ID].gate.SetLimits(shape.GateLimits{InFlightMax: 1, QueueMax: 0, MaxWait: 7 * time.Second})
	var no *http.Response
	eventually(t, "a request is refused", func() bool { // one may find the place that was taken to read it
		if no, err = c.Get("http://a.test/"); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(no.Body)
		_ = no.Body.Close()
		if err != nil || len(b) > 0 {
			t.Errorf("body %q, %v", b, err)
		}
		return no.StatusCode == http.StatusServiceUnavailable
	})
	if no.Header.Get("Retry-After") != "7" || no.Header.Get(RefusedHeader) != "this host has more requests than its share: queue full; try again in 7 s" {
		t.Errorf("fields %v", no.Header)
	}
	if no.ContentLength != 0 {
		t.Errorf("length %d", no.ContentLength)
	}
}

// TestAPersonIsRefusedInWords: over HTTP/2 and HTTP/3 a navigation, and who takes a page, has the text that all have over HTTP/1.1; nobody else has it.
func TestAPersonIsRefusedInWords(t *testing.T) {
	t.Parallel()
	s, ca := unit("s"), newCA(t)
	g := gateway(t, table(t, []Route{route("a.test", s, holding(t))}, s), func(c *Config) {
		c.Addr, c.TLSAddr, c.Certificate, c.QUIC = "", "127.0.0.1:0", ca.Certificate, true
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	config := &tls.Config{RootCAs: ca.Pool(), ServerName: "a.test"}
	http2 := client(t, g.TLSAddr(), func(tr *http.Transport) { tr.TLSClientConfig, tr.ForceAttemptHTTP2 = config, true }).Transport
	config3 := config.Clone()
	config3.NextProtos = []string{http3.NextProtoH3}
	qc, err := quic.DialAddr(ctx, g.QUICAddr(), config3, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = qc.CloseWithError(0, "") }()
	for major, on := range map[int]http.RoundTripper{2: http2, 3: (&http3.Transport{}).NewClientConn(qc)} {
		g.states[s.ID].gate.SetLimits(shape.GateLimits{InFlightMax: 8})
		defer hold(ctx, t, on)()
		g.states[s.ID].gate.SetLimits(shape.GateLimits{InFlightMax: 1, QueueMax: 0, MaxWait: 7 * time.Second})
		for _, c := range []struct {
			method, name, value string
			words               bool
		}{
			{"GET", "", "", false},
			{"GET", "Accept", "*/*", false},
			{"GET", "Accept", "application/json, text/plain", false},
			{"GET", "Sec-Fetch-Mode", "cors", false},
			{"GET", "Sec-Fetch-Mode", "navigate", true},
			{"GET", "Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", true},
			{"GET", "Accept", "*/*;q=0.1, Text/HTML", true},
			{"HEAD", "Sec-Fetch-Mode", "navigate", false},
		} {
			r, err := http.NewRequestWithContext(ctx, c.method, "https://a.test/", nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.name != "" {
				r.Header.Set(c.name, c.value)
			}
			eventually(t, "it is refused", func() bool { return refusedOnce(t, on, r, major, c.words) })
		}
	}
}

// holding is a backend that keeps who asks for /hold until the end of the test.
func holding(t *testing.T) Backend {
	t.Helper()
	over := make(chan struct{})
	to := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			_ = http.NewResponseController(w).Flush() // the client waits for it
			<-over
		}
	})
	t.Cleanup(func() { close(over) })
	return to
}

// hold has a place until the given function is called.
func hold(ctx context.Context, t *testing.T, on http.RoundTripper) (end func()) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://a.test/hold", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := on.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = resp.Body.Close() }
}

// refusedOnce asks, and holds a refusal to what it is to have; a request may find the place that was taken to read it, and is answered.
func refusedOnce(t *testing.T, on http.RoundTripper, r *http.Request, major int, words bool) bool {
	t.Helper()
	resp, err := on.RoundTrip(r)
	a := whole(t, resp, err)
	if a.status == http.StatusOK {
		return false
	}
	const why = "this host has more requests than its share: queue full; try again in 7 s"
	body, kind := "", ""
	if words {
		body, kind = why+"\n", "text/plain; charset=utf-8"
	} else if r.Method == http.MethodHead {
		kind = "text/plain; charset=utf-8"
	}
	h := a.header
	if a.proto != major || a.status != http.StatusServiceUnavailable || h.Get("Retry-After") != "7" || h.Get(RefusedHeader) != why || a.body != body ||
		h.Get("Content-Type") != kind {
		t.Errorf("%s over HTTP/%d with %v: %d %q, fields %v", r.Method, a.proto, r.Header, a.status, a.body, h)
	}
	return true
}

// TestWordsThatNobodyTakesAreNotKept: a client that opens no window for the text loses its stream after the stall timeout, and no other.
func TestWordsThatNobodyTakesAreNotKept(t *testing.T) {
	t.Parallel()
	s := unit("s")
	g := gateway(t, table(t, []Route{route("a.test", s, holding(t))}, s), func(c *Config) { c.StallTimeout = 100 * time.Millisecond })
	nc, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	_ = nc.SetDeadline(time.Now().Add(time.Minute)) // a closed socket says so later
	_, _ = io.WriteString(nc, http2Preface)         // what fails here fails at the reads below
	fr := http2.NewFramer(nc, nc)
	_ = fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	ask := func(stream uint32, path string) {
		var fields bytes.Buffer
		enc := hpack.NewEncoder(&fields)
		for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", path}, {":authority", "a.test"}, {"sec-fetch-mode", "navigate"}} {
			_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // a Buffer takes everything
		}
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: fields.Bytes(), EndStream: true, EndHeaders: true})
	}
	// next gives the next answer to a stream: true for a head, false for its end.
	next := func(stream uint32) (head, last bool) {
		for {
			f, err := fr.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			switch f := f.(type) {
			case *http2.HeadersFrame:
				if f.StreamID == stream {
					return true, f.StreamEnded()
				}
			case *http2.RSTStreamFrame:
				if f.StreamID == stream {
					return false, true
				}
				t.Fatalf("stream %d was ended", f.StreamID)
			}
		}
	}
	ask(1, "/hold")
	next(1)
	g.states[s.ID].gate.SetLimits(shape.GateLimits{InFlightMax: 1, QueueMax: 0, MaxWait: time.Second})
	for stream := uint32(3); ; stream += 2 {
		ask(stream, "/")
		head, last := next(stream)
		if last {
			continue // it found the place that was taken to read it, and its answer has no body
		}
		if end, _ := next(stream); !head || end {
			t.Error("the text has no end")
		}
		return
	}
}

// TestWhatIsSaidOfAFullGate: the words are made once, and anew when the gate says another thing.
func TestWhatIsSaidOfAFullGate(t *testing.T) {
	t.Parallel()
	s := &sliceState{}
	full := s.slowDown(&shape.Refusal{Reason: shape.ReasonQueueFull, RetryAfter: 2 * time.Second})
	if again := s.slowDown(&shape.Refusal{Reason: shape.ReasonQueueFull, RetryAfter: 2 * time.Second}); again != full {
		t.Error("made twice")
	}
	old := s.slowDown(&shape.Refusal{Reason: shape.ReasonQueueAge, RetryAfter: time.Millisecond})
	if full.retry != 2 || !strings.Contains(full.text, "queue full; try again in 2 s") ||
		old.retry != 1 || !strings.Contains(old.text, "queue too old; try again in 1 s") {
		t.Errorf("%+v, %+v", full, old)
	}
}

// TestRefusalsOverHTTP1LeaveTheConnection: each is whole, with its route, and the next request is read; a HEAD gets no text, and who asked for the end gets it.
func TestRefusalsOverHTTP1LeaveTheConnection(t *testing.T) {
	t.Parallel()
	s := unit("s")
	g := gateway(t, table(t, []Route{route("a.test", s, Backend{Address: "127.0.0.1:1"})}, s))
	for range ejectAfter {
		raw(t, g.Addr(), "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
	}
	const text = "the service behind a.test does not answer; it is asked again twice a second\n"
	got := raw(t, g.Addr(), "HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n"+
		"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
	answers := strings.SplitAfter(got, "\r\n\r\n")
	if len(answers) != 4 || !strings.HasPrefix(answers[1], "HTTP/1.1 503 ") || !strings.HasPrefix(answers[2], text+"HTTP/1.1 503 ") || answers[3] != text {
		t.Fatalf("got %q", got)
	}
	for i, a := range answers[:3] {
		for _, want := range []string{"\r\nRetry-After: 1\r\n", "\r\nNexus-Route: 42\r\n", "\r\nContent-Length: 76\r\n", "\r\nDate: ",
			"\r\nX-Content-Type-Options: nosniff\r\n", "\r\nContent-Type: text/plain; charset=utf-8\r\n", "\r\nCache-Control: no-store\r\n"} {
			if strings.Count(a, want) != 1 {
				t.Errorf("answer %d is %q, want once %q", i, a, want)
			}
		}
		if strings.Contains(a, "Connection: close") != (i == 2) {
			t.Errorf("answer %d is %q", i, a)
		}
	}
}
