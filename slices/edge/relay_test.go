package edge

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices"
)

const switchedAnswer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"

// switching is a backend that switches to whatever is asked for, says early in the same write, and leaves the connection to then.
func switching(t *testing.T, early []byte, then func(net.Conn)) Backend {
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		nc, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = nc.Close() }()
		_, _ = nc.Write(append([]byte(switchedAnswer), early...))
		then(&prefixed{Conn: nc, prefix: buffered(rw.Reader)})
	})
}

func buffered(br *bufio.Reader) []byte {
	b, _ := br.Peek(br.Buffered())
	return bytes.Clone(b)
}

// switchedTo asks a gateway for another protocol and gives the connection and what is to be read from it.
func switchedTo(t *testing.T, nc net.Conn) *bufio.Reader {
	t.Helper()
	if _, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReaderSize(nc, 64<<10)
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", resp, err)
	}
	return br
}

// counted is n bytes of which each piece tells where it belongs.
func counted(n int) []byte {
	b := make([]byte, 0, n+8)
	for i := 0; len(b) < n; i++ {
		b = binary.BigEndian.AppendUint64(b, uint64(i))
	}
	return b[:n]
}

// halves ends one side of a connection.
func halves(nc net.Conn) { _ = nc.(interface{ CloseWrite() error }).CloseWrite() }

// TestWhatABackendSaysArrivesWhole: bytes that come with the answer, bursts to many clients at once, to one that takes nothing for as long as the
// others read, and the backend's end behind them.
func TestWhatABackendSaysArrivesWhole(t *testing.T) {
	t.Parallel()
	ca, err := OpenDevCA("")
	if err != nil {
		t.Fatal(err)
	}
	early, all := bytes.Repeat([]byte("early"), 500), counted(12<<20)
	s := unit("s")
	to := switching(t, early, func(nc net.Conn) { _, _ = nc.Write(all) })
	g := gateway(t, table(t, []Route{route("a.test", s, to)}, s), func(c *Config) {
		c.TLSAddr, c.Certificate, c.CapacityBps = "127.0.0.1:0", ca.Certificate, 100_000_000_000
	})
	for name, dial := range map[string]func(*testing.T) net.Conn{
		"clear": func(t *testing.T) net.Conn { return dialed(t, g.Addr()) },
		"TLS": func(t *testing.T) net.Conn {
			return tls.Client(dialed(t, g.TLSAddr()), &tls.Config{ServerName: "a.test", RootCAs: ca.Pool()})
		},
	} {
		t.Run(name, func(t *testing.T) {
			whole := func(br io.Reader) {
				if got, err := io.ReadAll(br); err != nil || !bytes.Equal(got, append(bytes.Clone(early), all...)) {
					t.Errorf("%d bytes and %v, want %d and the end", len(got), err, len(early)+len(all))
				}
			}
			late := switchedTo(t, dial(t))
			var others sync.WaitGroup
			for range 3 {
				br := switchedTo(t, dial(t))
				others.Go(func() { whole(br) })
			}
			others.Wait()
			whole(late)
		})
	}
	eventually(t, "no pump without a connection", func() bool { return pumpsOf(g, s) == 0 })
}

// pumpsOf counts the pumps of a slice.
func pumpsOf(g *Gateway, s slices.Slice) int {
	g.mu.Lock()
	p := &g.states[s.ID].pumps
	g.mu.Unlock()
	return p.running()
}

// TestWhatAClientSaysWaitsForItsBackend: a backend that reads late gets all of it and the end, and can still answer.
func TestWhatAClientSaysWaitsForItsBackend(t *testing.T) {
	t.Parallel()
	all, ready, got := counted(12<<20), make(chan struct{}), make(chan []byte, 1)
	s := unit("s")
	to := switching(t, nil, func(nc net.Conn) {
		<-ready
		b, _ := io.ReadAll(nc)
		got <- b
		_, _ = io.WriteString(nc, "thanks")
	})
	g := gateway(t, table(t, []Route{route("a.test", s, to)}, s), func(c *Config) { c.CapacityBps = 100_000_000_000 })
	nc := dialed(t, g.Addr())
	br := switchedTo(t, nc)
	go func() {
		_, _ = nc.Write(all)
		halves(nc)
	}()
	// As much as the kernel takes on both connections is on its way; then nothing moves until the backend reads.
	var last uint64
	eventually(t, "the backend's connection is full", func() bool {
		before := last
		time.Sleep(50 * time.Millisecond)
		last = g.Snapshot()[0].Gateway.BytesIn
		return last > 0 && last == before
	})
	if last >= uint64(len(all)) {
		t.Fatalf("all %d bytes were taken: nothing waited", last)
	}
	close(ready)
	if b := <-got; !bytes.Equal(b, all) {
		t.Errorf("the backend got %d bytes, want %d", len(b), len(all))
	}
	if b, err := io.ReadAll(br); err != nil || string(b) != "thanks" {
		t.Errorf("after its end the client got %q, %v", b, err)
	}
}

// TestAClientThatTakesNothingIsCut: after the stall timeout, and its neighbours on the same pump do not notice.
func TestAClientThatTakesNothingIsCut(t *testing.T) {
	t.Parallel()
	s := unit("s")
	to := switching(t, nil, func(nc net.Conn) {
		for piece := make([]byte, 32<<10); ; {
			if _, err := nc.Write(piece); err != nil {
				return
			}
		}
	})
	g := gateway(t, table(t, []Route{route("a.test", s, to)}, s), func(c *Config) { c.StallTimeout = 500 * time.Millisecond })
	_ = switchedTo(t, dialed(t, g.Addr()))
	reads := dialed(t, g.Addr())
	br := switchedTo(t, reads)
	go func() { _, _ = io.Copy(io.Discard, br) }() // until the end of the test
	eventually(t, "the one that takes nothing is cut", func() bool {
		got := g.Snapshot()[0].Gateway
		return got.Cut == 1 && got.Sessions == 1
	})
	before := g.Snapshot()[0].Gateway.BytesOut
	eventually(t, "the other goes on", func() bool { return g.Snapshot()[0].Gateway.BytesOut > before+1<<20 })
	_ = reads.Close()
	eventually(t, "no pump without a connection", func() bool { return pumpsOf(g, s) == 0 })
}

// TestACeilingHoldsForSwitchedConnections: over any time, no more than the rate and what a bucket holds.
func TestACeilingHoldsForSwitchedConnections(t *testing.T) {
	t.Parallel()
	const rate = 2_000_000 // bytes a second
	s := unit("s", func(s *slices.Slice) { s.CeilingBps = 8 * rate })
	to := switching(t, nil, func(nc net.Conn) {
		for piece := make([]byte, 32<<10); ; {
			if _, err := nc.Write(piece); err != nil {
				return
			}
		}
	})
	g := gateway(t, table(t, []Route{route("a.test", s, to)}, s))
	begin := time.Now()
	for range 8 {
		br := switchedTo(t, dialed(t, g.Addr()))
		go func() { _, _ = io.Copy(io.Discard, br) }() // until the end of the test
	}
	time.Sleep(700 * time.Millisecond)
	moved := g.Snapshot()[0].Gateway.BytesOut
	most := rate*time.Since(begin).Seconds()*1.01 + rate/50 + 16<<10
	if float64(moved) > most || moved < rate/10 {
		t.Errorf("%d bytes went out, the ceiling allows %.0f", moved, most)
	}
}
