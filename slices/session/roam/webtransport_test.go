package roam_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/roam"
)

// h3Client speaks HTTP/3 to a gateway on the loopback.
func h3Client(t *testing.T, ca *edge.DevCA) *http.Client {
	t.Helper()
	transport := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool()}, EnableDatagrams: true,
		Dial: func(ctx context.Context, addr string, c *tls.Config, q *quic.Config) (*quic.Conn, error) {
			return quic.DialAddrEarly(ctx, "127.0.0.1"+addr[strings.LastIndex(addr, ":"):], c, q)
		}}
	t.Cleanup(func() { _ = transport.Close() })
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// TestASessionOverWebTransport: the same protocol, text and binary, to the program's goodbye, with bytes and sessions counted in the slice.
func TestASessionOverWebTransport(t *testing.T) {
	t.Parallel()
	g, _, ca := quicGateway(t, greet, nil)
	s := dialQUIC(t, g, ca)
	receive(t, s)
	big := strings.Repeat("ü", 15_000)
	for _, m := range []roam.Message{{Text: true, Data: []byte(big)}, {Data: []byte{0, 255}}, {Text: true}} {
		send(t, s, m)
		if got := receive(t, s); got.Text != m.Text || string(got.Data) != string(m.Data) {
			t.Fatalf("sent %d bytes, got %d, text %v", len(m.Data), len(got.Data), got.Text)
		}
	}
	if stats := g.Snapshot()[0].Gateway; stats.Sessions != 1 || stats.Streams != 1 || stats.BytesIn < uint64(len(big)) || stats.BytesOut < uint64(len(big)) {
		t.Fatalf("the slice counted %+v", stats)
	}
	for _, m := range s.Measure(t.Context()) {
		if m.RTT <= 0 {
			t.Errorf("no round trip to %s", m.Address)
		}
	}
	send(t, s, roam.Message{Text: true, Data: []byte("bye")})
	receive(t, s)
	if _, err := s.Receive(t.Context()); err == nil || !strings.Contains(err.Error(), "you said bye") {
		t.Fatalf("the reason is lost: %v", err)
	}
}

// TestASliceIsKeptOverQUIC: connections above the slice's sessions are refused, hosts that are not served as well, and a ceiling holds
// for bytes of HTTP/3 too.
func TestASliceIsKeptOverQUIC(t *testing.T) {
	t.Parallel()
	const bodyBytes, ceilingBps = 300_000, 2_000_000
	program := func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.Header().Set("Trailer", "Took")
		_, _ = w.Write(b) // the client judges
		w.Header().Set("Took", fmt.Sprint(len(b)))
	}
	g, _, ca := quicGateway(t, program, func(s *slices.Slice) { s.MaxSessions = 1; s.CeilingBps = ceilingBps; s.GuaranteedBps = 0 })
	_, port, _ := strings.Cut(g.QUICAddr(), ":")
	first := h3Client(t, ca)
	begin := time.Now()
	body := strings.Repeat("x", bodyBytes)
	resp, err := first.Post("https://"+testHost+":"+port+"/", "text/plain", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // read to its end
	if err != nil || string(b) != body || resp.Trailer.Get("Took") != fmt.Sprint(bodyBytes) || resp.ProtoMajor != 3 {
		t.Fatalf("%v, %d bytes, trailer %v, HTTP/%d", err, len(b), resp.Trailer, resp.ProtoMajor)
	}
	// Both ways count; what the scheduler lets through at once is generously taken off.
	if least := time.Duration(float64(2*bodyBytes*8-ceilingBps/2) / ceilingBps * float64(time.Second)); time.Since(begin) < least {
		t.Errorf("%d bytes took %v, at the ceiling at least %v", 2*bodyBytes, time.Since(begin), least)
	}
	if _, err := h3Client(t, ca).Get("https://" + testHost + ":" + port + "/"); err == nil {
		t.Error("a connection above the slice's sessions was served")
	}
	if _, err := h3Client(t, ca).Get("https://other.nexus.localhost:" + port + "/"); err == nil {
		t.Error("a host that is not here was served")
	}
	if refused := g.Snapshot()[0].Gateway.Refused; refused == 0 {
		t.Error("the refusal was not counted")
	}
}

// TestWebTransportAndWebSocketAreOneProtocol: a session begun over WebTransport resumes over it after its connection is cut by the
// gateway, and a WebSocket beside it is another session of the same slice.
func TestWebTransportAndWebSocketAreOneProtocol(t *testing.T) {
	t.Parallel()
	g, home, ca := quicGateway(t, greet, nil)
	s := dialQUIC(t, g, ca)
	receive(t, s)
	_, port, _ := strings.Cut(g.TLSAddr(), ":")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	other, err := roam.Dial(ctx, roam.Options{URL: "wss://" + testHost + ":" + port + "/", TLS: &tls.Config{RootCAs: ca.Pool()}, MeasureEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if len(home.Sessions()) != 2 {
		t.Fatalf("%d sessions", len(home.Sessions()))
	}
	if err := home.Move(s.ID(), []string{s.Edge()}); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		send(t, s, roam.Message{Data: []byte{byte(i)}})
		if got := receive(t, s); len(got.Data) != 1 || got.Data[0] != byte(i) {
			t.Fatalf("message %d came back as %v", i, got.Data)
		}
	}
}
