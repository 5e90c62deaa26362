package edge

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/shape"
)

// refusalsEnv makes the test's program a client that is refused.
const refusalsEnv = "NEXUS_TEST_REFUSALS"

// refusedConnections is how many connections such a client shares.
const refusedConnections = 4

// askToBeRefused asks, for each line on stdin, an address for a number of requests on each of its connections, so many at once, and says how many of the
// answers were 503. It gives the exit code.
func askToBeRefused() int {
	for {
		var addr string
		var http2, hold bool
		var requests, atOnce int
		if n, err := fmt.Scan(&addr, &http2, &hold, &requests, &atOnce); err != nil || n != 5 {
			return 0
		}
		var wg, held sync.WaitGroup
		held.Add(refusedConnections)
		var refused [refusedConnections]int
		for i := range refused {
			wg.Go(func() {
				var err error
				if http2 {
					refused[i], err = refusedHTTP2(addr, hold, &held, requests, atOnce)
				} else {
					refused[i], err = refusedHTTP1(addr, requests)
				}
				if err != nil {
					_, _ = fmt.Fprintln(os.Stderr, err)
				}
			})
		}
		wg.Wait()
		total := 0
		for _, n := range refused {
			total += n
		}
		_, _ = fmt.Println(total)
	}
}

// refusedClient asks over HTTP/2 and does nothing that a client must not: what it costs is not measured, but it takes the processors' time.
type refusedClient struct {
	net.Conn
	br     *bufio.Reader
	fields []byte
	stream uint32
}

func refusedHTTP2(addr string, hold bool, held *sync.WaitGroup, requests, atOnce int) (refused int, err error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		held.Done()
		return 0, err
	}
	defer func() { _ = nc.Close() }()
	_ = nc.SetDeadline(time.Now().Add(10 * time.Minute)) // a closed socket says so later
	c := &refusedClient{Conn: nc, br: bufio.NewReaderSize(nc, 64<<10), stream: 1}
	c.fields = append([]byte{0x82, 0x86, 0x84, 0x41, 6}, "a.test"...) // RFC 7541: GET, http, /, and the authority, which the server keeps
	window := binary.BigEndian.AppendUint32(nil, 1<<31-1-65_535)
	_, err = nc.Write(append([]byte(http2Preface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x04\x08\x00\x00\x00\x00\x00"), window...))
	if err == nil && hold {
		c.fields = append([]byte("\x82\x86\x04\x05/hold"), c.fields[3:]...)
		err = c.ask(1)
		for kind := byte(0xff); err == nil && kind != 1; { // the head of an answer without an end: it has a place
			kind, _, err = c.frame()
		}
	}
	held.Done()
	held.Wait()
	for done := 0; done < requests && err == nil; done += atOnce {
		left := min(atOnce, requests-done)
		err = c.ask(left)
		for left > 0 && err == nil {
			var kind, flags byte
			if kind, flags, err = c.frame(); err == nil && kind <= 1 && flags&1 != 0 {
				left--
				refused++
			}
		}
	}
	return refused, err
}

// ask begins n streams.
func (c *refusedClient) ask(n int) error {
	var out []byte
	for range n {
		out = append(out, 0, 0, byte(len(c.fields)), 1, 0x4|0x1)
		out = append(binary.BigEndian.AppendUint32(out, c.stream), c.fields...)
		c.stream += 2
		c.fields = []byte{0x82, 0x86, 0x84, 0xbe}
	}
	_, err := c.Write(out)
	return err
}

// frame reads one frame and says yes to SETTINGS.
func (c *refusedClient) frame() (kind, flags byte, err error) {
	var head [9]byte
	if _, err := io.ReadFull(c.br, head[:]); err != nil {
		return 0, 0, err
	}
	if _, err := c.br.Discard(int(head[0])<<16 | int(head[1])<<8 | int(head[2])); err != nil {
		return 0, 0, err
	}
	if head[3] == 4 && head[4]&1 == 0 {
		if _, err := io.WriteString(c, "\x00\x00\x00\x04\x01\x00\x00\x00\x00"); err != nil {
			return 0, 0, err
		}
	}
	return head[3], head[4], nil
}

func refusedHTTP1(addr string, requests int) (refused int, err error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(10 * time.Minute)) // a closed socket says so later
	b := make([]byte, 4096)
	for range requests {
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"); err != nil {
			return refused, err
		}
		n := 0
		for n == 0 || b[n-1] != '\n' || b[n-2] == '\r' { // the text ends in LF alone
			piece, err := c.Read(b[n:])
			if err != nil {
				return refused, err
			}
			n += piece
		}
		if strings.HasPrefix(string(b[:n]), "HTTP/1.1 503 ") {
			refused++
		}
	}
	return refused, nil
}

// BenchmarkRefusal is what a refusal with 503 and Retry-After costs this process, when the slice is full and when its backend is out: cpu-us/op, user and
// system. Its clients are another process. Singly each connection asks when it has its answer; many are 64 at once on each. "the library" is net/http's
// HTTP/2 with a handler that does nothing but refuse, with a text or by a head alone, as the gateway does.
func BenchmarkRefusal(b *testing.B) {
	in, out, end := child(b, refusalsEnv+"=1")
	defer end()
	a := unit("a")
	holds := backend(b, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/hold" {
			return // it found a place that had been taken for reading
		}
		_ = http.NewResponseController(w).Flush() // the client waits for it
		<-r.Context().Done()
	})
	few := unit("few", func(s *slices.Slice) { s.MaxInFlight = refusedConnections })
	full := gateway(b, table(b, []Route{route("a.test", few, holds)}, few), func(c *Config) { c.BackendTimeout = time.Hour })
	g := gateway(b, table(b, []Route{route("a.test", a, Backend{Address: "127.0.0.1:1"})}, a))
	bare, head := bareRefusals(b, true), bareRefusals(b, false)
	ask := func(b testing.TB, addr string, http2, hold bool, requests, atOnce int) (refused int) {
		if _, err := fmt.Fprintln(in, addr, http2, hold, requests, atOnce); err != nil {
			b.Fatal(err)
		}
		if _, err := fmt.Fscan(out, &refused); err != nil {
			b.Fatal(err)
		}
		return refused
	}
	ask(b, g.Addr(), true, false, 64, 1) // takes the backend out
	gate := full.states[few.ID].gate
	ask(b, full.Addr(), true, true, 0, 1)
	for _, c := range []struct {
		name, addr string
		http2      bool
		atOnce     int
	}{
		{"full, HTTP2, singly", full.Addr(), true, 1},
		{"full, HTTP2, many", full.Addr(), true, 64},
		{"out, HTTP2, singly", g.Addr(), true, 1},
		{"out, HTTP2, many", g.Addr(), true, 64},
		{"out, HTTP1, singly", g.Addr(), false, 1},
		{"the library, singly", bare, true, 1},
		{"the library, many", bare, true, 64},
		{"the library, a head alone, singly", head, true, 1},
		{"the library, a head alone, many", head, true, 64},
	} {
		b.Run(c.name, func(b *testing.B) {
			eventually(b, "all places are free", func() bool { return gate.Stats().InFlight == 0 })
			gate.SetLimits(shape.GateLimits{InFlightMax: refusedConnections, QueueMax: 0, MaxWait: time.Second})
			b.ReportAllocs()
			requests := (b.N + refusedConnections - 1) / refusedConnections
			before := ownSeconds(b)
			if refused := ask(b, c.addr, c.http2, c.addr == full.Addr(), requests, c.atOnce); refused != requests*refusedConnections {
				b.Errorf("%d of %d were refused", refused, requests*refusedConnections)
			}
			b.ReportMetric((ownSeconds(b)-before)*1e6/float64(requests*refusedConnections), "cpu-us/op")
		})
	}
}

// bareRefusals serves HTTP/2 that refuses, and gives its address.
func bareRefusals(b testing.TB, text bool) string {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	const body = "this host has more requests than its share: queue full; try again in 1 s"
	s := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		if !text {
			h["Retry-After"], h[RefusedHeader] = []string{"1"}, []string{body}
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Retry-After", "1")
		h.Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, body)
	})}
	s.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = s.Serve(ln) }() // until it is closed
	b.Cleanup(func() { _ = s.Close() })
	return ln.Addr().String()
}
