package conform_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
)

// deafConn is a UDP socket on which a client sends and never hears an answer, as one that lies about its address. It counts bytes.
type deafConn struct {
	*net.UDPConn
	sent, came, retries atomic.Int64
}

// WriteTo implements net.PacketConn.
func (c *deafConn) WriteTo(p []byte, to net.Addr) (int, error) {
	c.sent.Add(int64(len(p)))
	return c.UDPConn.WriteTo(p, to)
}

// ReadFrom implements net.PacketConn: it counts and throws away.
func (c *deafConn) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, _, err := c.UDPConn.ReadFrom(p)
		if err != nil {
			return 0, nil, err
		}
		c.came.Add(int64(n))
		if n > 0 && p[0]&0xf0 == 0xf0 { // a long header of type Retry (RFC 9000 section 17.2.5)
			c.retries.Add(1)
		}
	}
}

// plainConn hides what quic-go would use to go around ReadFrom and WriteTo.
type plainConn struct{ net.PacketConn }

func udp(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (g world) udpAddr(t *testing.T) *net.UDPAddr {
	t.Helper()
	to, err := net.ResolveUDPAddr("udp", g.QUICAddr())
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func (g world) clientTLS(host string) *tls.Config {
	return &tls.Config{ServerName: host, RootCAs: g.ca.Pool(), NextProtos: []string{http3.NextProtoH3}}
}

// TestQUICAmplification: before a client has shown that it is where it says, it gets at most three times what it sent (RFC 9000
// section 8.1), counted on the socket. Each sends its first flight, as often as its loss recovery wants, and hears nothing.
func TestQUICAmplification(t *testing.T) {
	t.Parallel()
	const clients = 20
	g := start(t, []site{{"a.test", unit("a"), &sawBackend{}}}, func(c *edge.Config) { c.QUIC = true })
	var dials sync.WaitGroup
	var conns []*deafConn
	for range clients {
		c := &deafConn{UDPConn: udp(t)}
		conns = append(conns, c)
		dials.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := quic.Dial(ctx, plainConn{c}, g.udpAddr(t), g.clientTLS("a.test"), nil); err == nil {
				t.Error("a client that hears nothing has connected")
			}
		})
	}
	dials.Wait()
	var sent, came int64
	for _, c := range conns {
		if c.came.Load() > 3*c.sent.Load() {
			t.Errorf("%d bytes sent, %d came back", c.sent.Load(), c.came.Load())
		}
		sent, came = sent+c.sent.Load(), came+c.came.Load()
	}
	if came == 0 {
		t.Error("nobody got an answer: nothing was tried")
	}
	t.Logf("all of them: %d bytes sent, %d came back", sent, came)
}

// TestQUICInitialFlood: clients that begin handshakes and never go on get a Retry once some tens are half open, which costs the gateway no key
// and no memory; a client that is where it says connects all the same, and the neighbour is served.
func TestQUICInitialFlood(t *testing.T) { // alone: it reads the process's memory and its neighbour's latency
	const clients, eachMax, halfOpenMax = 300, 256 << 10, 64 // bytes for each, the flooding clients of this process included
	g := start(t, []site{{"a.test", unit("a"), &sawBackend{}}, neighbourSite()}, func(c *edge.Config) { c.QUIC = true })
	n := g.neighbour(t)
	alone := n.ask(t, floodFor()/2)
	before := memoryInUse()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begin := time.Now()
	var dials sync.WaitGroup
	var conns []*deafConn
	for range clients {
		c := &deafConn{UDPConn: udp(t)}
		conns = append(conns, c)
		dials.Go(func() { _, _ = quic.Dial(ctx, plainConn{c}, g.udpAddr(t), g.clientTLS("a.test"), nil) }) // ends with ctx
	}
	beside := n.ask(t, 5*floodFor())
	if grown := memoryInUse() - before; grown > clients*eachMax {
		t.Errorf("%d KiB more in use for %d half-open handshakes", grown>>10, clients)
	}
	resp, err := g.h3Client(t).Get("https://a.test/")
	for tries := 0; err != nil && tries < 20; tries++ { // on a busy machine it can be told that the queue is full, as a browser can
		time.Sleep(100 * time.Millisecond)
		resp, err = g.h3Client(t).Get("https://a.test/")
	}
	if err != nil {
		t.Fatalf("an honest client beside the flood: %v", err)
	}
	_ = resp.Body.Close() // the status says it
	if resp.StatusCode != http.StatusOK {
		t.Errorf("an honest client beside the flood got %s", resp.Status)
	}
	cancel()
	dials.Wait()
	var retried, served int
	for _, c := range conns {
		if c.retries.Load() > 0 {
			retried++
		} else if c.came.Load() > 1200 { // more than the word that the gateway is busy
			served++
		}
		if c.came.Load() > 3*c.sent.Load() {
			t.Errorf("%d bytes sent, %d came back", c.sent.Load(), c.came.Load())
		}
	}
	if seconds := int(time.Since(begin)/time.Second) + 2; retried == 0 || served > seconds*halfOpenMax { // so many are let in each second
		t.Errorf("%d got a handshake, %d of %d were asked to show where they are", served, retried, clients)
	}
	t.Logf("%d got a handshake, %d of %d were asked to show where they are", served, retried, clients)
	unharmed(t, alone, beside)
}

// TestQUICGarbage: datagrams that are no QUIC, of a version that is not spoken, too small to be answered, or larger than any packet, cost
// nothing: what comes back is never more than what was sent, and the gateway goes on.
func TestQUICGarbage(t *testing.T) {
	t.Parallel()
	g := start(t, []site{{"a.test", unit("a"), &sawBackend{}}}, func(c *edge.Config) { c.QUIC = true })
	random := func(first []byte, n int) []byte {
		b := make([]byte, n)
		_, _ = rand.Read(b) // never fails
		copy(b, first)
		return b
	}
	unknown := []byte{0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8, 1, 2, 3, 4, 5, 6, 7, 8, 8, 1, 2, 3, 4, 5, 6, 7, 8}
	initial := []byte{0xc0, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0x44, 0}
	for name, c := range map[string]struct {
		datagram []byte
		silent   bool // no answer is allowed
	}{
		"random, short header":                         {random([]byte{0x40}, 1200), false}, // a stateless reset may come
		"random, one byte":                             {random(nil, 1), true},
		"6.1 unknown version, 1200 bytes":              {random(unknown, 1200), false},
		"6 unknown version, too small for an answer":   {random(unknown, 1199), true},
		"14.1 an Initial below 1200 bytes":             {random(initial, 1100), true},
		"5.2.2 an Initial that cannot be decrypted":    {random(initial, 1200), true},
		"a datagram of 60000 bytes":                    {random(initial, 60_000), true},
		"17.2.2 an Initial with a length past its end": {random(append(initial[:24:24], 0x7f, 0xff), 1200), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sock := udp(t)
			sent := 0
			for range 50 {
				n, err := sock.WriteTo(c.datagram, g.udpAddr(t))
				if err != nil {
					t.Fatal(err)
				}
				sent += n
			}
			came, b := 0, make([]byte, 64<<10)
			_ = sock.SetReadDeadline(time.Now().Add(200 * time.Millisecond)) // a closed socket says so at the read
			for {
				n, err := sock.Read(b)
				if err != nil {
					break
				}
				came += n
			}
			if c.silent && came > 0 || came > sent {
				t.Errorf("%d bytes sent, %d came back", sent, came)
			}
		})
	}
	t.Cleanup(func() {
		if resp, err := g.h3Client(t).Get("https://a.test/"); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("afterwards: %v, %v", resp, err)
		}
	})
}

// dialH3 opens a QUIC connection on which nothing is said yet.
func (g world) dialH3(t *testing.T, host string, c *quic.Config) *quic.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	qc, err := quic.DialAddr(ctx, g.QUICAddr(), g.clientTLS(host), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = qc.CloseWithError(0, "") })
	return qc
}

// TestQUICIdleConnections: many connections that do nothing are cheap, and end at the idle timeout although their clients go on pinging and hold
// streams open on which no request ever comes.
func TestQUICIdleConnections(t *testing.T) { // alone: it reads the process's memory
	connections, eachMax := 60, int64(400<<10) // bytes for both ends, which are in this process
	if os.Getenv("NEXUS_SOAK") != "" {
		connections = 1000
	}
	g := start(t, []site{{"a.test", unit("a"), &sawBackend{}}}, func(c *edge.Config) { c.QUIC, c.IdleTimeout = true, 1500*time.Millisecond })
	before := memoryInUse()
	var conns []*quic.Conn
	for range connections {
		qc := g.dialH3(t, "a.test", &quic.Config{KeepAlivePeriod: 300 * time.Millisecond})
		str, err := qc.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := str.Write([]byte{1}); err != nil { // the type of a HEADERS frame, and no more
			t.Fatal(err)
		}
		conns = append(conns, qc)
	}
	if each := (memoryInUse() - before) / int64(connections); each > eachMax {
		t.Errorf("%d KiB for each idle connection", each>>10)
	} else {
		t.Logf("%d KiB for each idle connection, both ends", each>>10)
	}
	for _, qc := range conns {
		select {
		case <-qc.Context().Done():
		case <-time.After(20 * time.Second):
			t.Fatal("a connection without a request was kept")
		}
	}
	g.eventually(t, "all sessions are free", func(s edge.SliceStats) bool { return s.Gateway.Sessions == 0 })
}

// TestHTTP3Misuse: what HTTP/3 forbids or limits ends in an error of the stream or the connection, and reaches no backend.
func TestHTTP3Misuse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		send     []byte
		answered bool // false: an error of the stream or the connection
	}{
		"RFC 9114 section 7.2.1 DATA before HEADERS":               {[]byte{0, 3, 'a', 'b', 'c'}, false},
		"RFC 9114 section 7.2.4 SETTINGS on a request's stream":    {[]byte{4, 0}, false},
		"RFC 9114 section 7.2.3 CANCEL_PUSH on a request's stream": {[]byte{3, 1, 0}, false},
		"RFC 9114 section 7.2.8 a frame type of HTTP/2":            {[]byte{2, 0}, false},
		"RFC 9204 section 2.2 a field section that is none":        {[]byte{1, 3, 0xff, 0xff, 0xff}, false},
		"RFC 9114 section 4.2.2 a header that says it is 16 MiB":   {[]byte{1, 0x81, 0, 0, 0, 'x'}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			saw := &sawBackend{}
			g := start(t, []site{{"a.test", unit("a"), saw}}, func(c *edge.Config) { c.QUIC = true })
			qc := g.dialH3(t, "a.test", nil)
			str, err := qc.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := str.Write(c.send); err != nil {
				t.Fatal(err)
			}
			_ = str.Close()                                      // refused if the gateway has ended the stream already: then the read says so
			_ = str.SetReadDeadline(time.Now().Add(time.Minute)) // a closed stream says so at the read
			b, err := io.ReadAll(str)
			var streamErr *quic.StreamError
			var appErr *quic.ApplicationError
			refused := errors.As(err, &streamErr) || errors.As(err, &appErr)
			if !refused && (!c.answered || len(b) == 0 || b[0] != 1) { // an answer begins with HEADERS
				t.Errorf("answered %q, %v", b, err)
			}
			if got := saw.all(); len(got) > 0 {
				t.Errorf("the backend saw %q", got)
			}
		})
	}
}

// TestHTTP3Limits: headers above the limit, slow readers, and bodies that stop are ended as on HTTP/1.1 and HTTP/2.
func TestHTTP3Limits(t *testing.T) {
	t.Parallel()
	t.Run("a header above the limit", func(t *testing.T) {
		t.Parallel()
		saw := &sawBackend{}
		g := start(t, []site{{"a.test", unit("a"), saw}}, func(c *edge.Config) { c.QUIC = true })
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://a.test/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-A", strings.Repeat("y", 40<<10))
		resp, err := g.h3Client(t).Do(r)
		if err == nil {
			_ = resp.Body.Close() // the status says it
			if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("answered %s", resp.Status)
			}
		}
		if got := saw.all(); len(got) > 0 {
			t.Errorf("the backend saw %d requests", len(got))
		}
	})
	t.Run("a client that reads nothing", func(t *testing.T) {
		t.Parallel()
		g := start(t, []site{{"a.test", unit("a"), http.HandlerFunc(endless)}}, func(c *edge.Config) { c.QUIC, c.StallTimeout = true, 300*time.Millisecond })
		resp, err := g.h3Client(t).Get("https://a.test/")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }() // cut
		g.eventually(t, "it is cut and its place free", func(s edge.SliceStats) bool { return s.Gateway.Cut == 1 && s.Gateway.InFlight == 0 })
		if _, err := io.Copy(io.Discard, resp.Body); err == nil {
			t.Error("half an answer looks like a whole one")
		}
	})
	t.Run("a body that stops", func(t *testing.T) {
		t.Parallel()
		g := start(t, []site{{"a.test", unit("a"), &sawBackend{}}}, func(c *edge.Config) { c.QUIC, c.StallTimeout = true, 300*time.Millisecond })
		body, w := io.Pipe()
		defer func() { _ = w.Close() }()              // nobody reads any more
		go func() { _, _ = w.Write([]byte("abc")) }() // and nothing more
		resp, err := g.h3Client(t).Post("https://a.test/", "text/plain", body)
		if err == nil {
			_ = resp.Body.Close() // the status says it
			if resp.StatusCode != http.StatusRequestTimeout {
				t.Errorf("answered %s", resp.Status)
			}
		}
		g.inFlight(t, 0)
	})
}

// TestHTTP3StreamFlood: requests that are reset as soon as they were sent, one after the other, end their connection; the neighbour is served.
func TestHTTP3StreamFlood(t *testing.T) { // alone: it reads its neighbour's latency
	// Each of its requests ends with its client, or the test does not end.
	slow := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	g := start(t, []site{{"a.test", unit("a"), slow}, neighbourSite()}, func(c *edge.Config) { c.QUIC = true })
	n := g.neighbour(t)
	alone := n.ask(t, floodFor()/2)
	f := &resetFlood{g: g, client: g.h3Client(t)}
	over := make(chan struct{})
	go func() {
		defer close(over)
		f.run(t)
	}()
	beside := n.ask(t, 2*floodFor())
	<-over
	t.Logf("%d requests were reset, %d of them within their second", f.reset, f.fast)
	g.eventually(t, "the connection is cut", func(s edge.SliceStats) bool { return s.Gateway.Cut > 0 })
	unharmed(t, alone, beside)
	g.inFlight(t, 0)
}

// resetFlood sends requests and resets them once the gateway has them. What bounds it is what it has done and not the time that took: the machine may be
// slow, and a request that is reset after its second counts for nobody.
type resetFlood struct {
	g           world
	client      *http.Client
	reset, fast int // requests that the gateway had, and those of them that were surely reset within their second
}

// run goes on until the connection is cut, or would have to be twice over.
func (f *resetFlood) run(t *testing.T) {
	const enough = 2 * 500 // requests reset at once, of which a gateway takes 500 on one connection
	for atOnce := 50; f.fast < enough && !f.cut(); {
		f.g.eventually(t, "the round before is over", func(s edge.SliceStats) bool { return int64(s.Gateway.InFlight)+int64(s.Gateway.Queue) == 0 })
		begin := time.Now()
		had := f.round(t, atOnce)
		f.reset += had
		if took := time.Since(begin); took < time.Second {
			f.fast += had
		} else if atOnce > 1 {
			atOnce /= 2 // too many for this machine
		}
		if had == 0 && !f.cut() {
			return // the gateway takes none of them: the test says so
		}
	}
}

func (f *resetFlood) cut() bool { return f.g.Snapshot()[0].Gateway.Cut > 0 }

// round sends so many requests, resets them when the gateway has half of them, and gives how many it had. One that nobody has is not waited for
// longer than a minute.
func (f *resetFlood) round(t *testing.T, atOnce int) (had int) {
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var round sync.WaitGroup
	for range atOnce {
		round.Go(func() {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://a.test/", nil)
			if err != nil {
				t.Error(err)
				return
			}
			if resp, err := f.client.Do(r); err == nil {
				_ = resp.Body.Close() // reset
			}
		})
	}
	for ctx.Err() == nil && had < max(1, atOnce/2) && !f.cut() { // what is reset before is seen by nobody
		s := f.g.Snapshot()[0].Gateway
		had = int(s.InFlight + s.Queue)
		time.Sleep(time.Millisecond)
	}
	stop()
	round.Wait()
	return had
}

// TestNoEarlyData: data of a first flight can be replayed by whoever saw it, so none is taken: a client that comes back with its session, and
// would send a request before the handshake, sends it after.
func TestNoEarlyData(t *testing.T) {
	t.Parallel()
	saw := &sawBackend{}
	g := start(t, []site{{"a.test", unit("a", func(s *slices.Slice) { s.MaxSessions = 16 }), saw}}, func(c *edge.Config) { c.QUIC = true })
	conf := g.clientTLS("a.test")
	conf.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	for round := range 3 {
		var used *quic.Conn
		tr := &http3.Transport{TLSClientConfig: conf, Dial: func(ctx context.Context, _ string, c *tls.Config, q *quic.Config) (*quic.Conn, error) {
			qc, err := quic.DialAddrEarly(ctx, g.QUICAddr(), c, q)
			used = qc
			return qc, err
		}}
		r, err := http.NewRequestWithContext(t.Context(), http3.MethodGet0RTT, "https://a.test/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := tr.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		state := used.ConnectionState()
		if state.Used0RTT {
			t.Errorf("round %d: early data was taken", round)
		}
		if round > 0 && !state.TLS.DidResume {
			t.Errorf("round %d: the session was not resumed, so nothing was tried", round)
		}
		_ = tr.Close() // the next is a connection of its own
	}
	if got := saw.all(); len(got) != 3 {
		t.Errorf("the backend saw %d requests, want 3", len(got))
	}
}
