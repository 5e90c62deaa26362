package edge

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// idleFlood opens a connection whose frames carry nothing: many frames in each of its writes, as a client would that wants to cost most.
type idleFlood func(t *testing.T, g *Gateway, ca *DevCA) (nc net.Conn, frame []byte)

// http2Idlers begins a request with a body of which nothing comes.
func http2Idlers(secure bool, frame []byte) idleFlood {
	return func(t *testing.T, g *Gateway, ca *DevCA) (net.Conn, []byte) {
		nc := dialed(t, g.Addr())
		if secure {
			nc = tls.Client(dialed(t, g.TLSAddr()), &tls.Config{ServerName: "a.test", RootCAs: ca.Pool(), NextProtos: []string{"h2"}})
		}
		var b, block bytes.Buffer
		enc := hpack.NewEncoder(&block)
		for _, f := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", "a.test"}, {":path", "/"}} {
			_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // a buffer takes everything
		}
		b.WriteString(http2Preface)
		f := http2.NewFramer(&b, nil)
		_ = f.WriteSettings()
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
		if _, err := nc.Write(b.Bytes()); err != nil {
			t.Fatal(err)
		}
		return nc, frame
	}
}

func webSocketIdlers(frame []byte) idleFlood {
	return func(t *testing.T, g *Gateway, _ *DevCA) (net.Conn, []byte) {
		nc := dialed(t, g.Addr())
		if _, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("%v, %v", resp, err)
		}
		return nc, frame
	}
}

func dialed(t *testing.T, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return nc
}

// swallow answers an upgrade and reads for as long as anything comes.
func swallow(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" {
		_, _ = io.Copy(io.Discard, r.Body) // until the client goes
		return
	}
	nc, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = nc.Close() }()
	_, _ = io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	_, _ = io.Copy(io.Discard, rw) // until the client goes
}

// TestIdleFramesArePaid: frames that carry nothing are few bytes, and their slice pays for each as for a piece of a body. What is compared is
// work, not time: the frames that were read with what the slice was charged.
func TestIdleFramesArePaid(t *testing.T) {
	t.Parallel()
	ca, err := OpenDevCA("")
	if err != nil {
		t.Fatal(err)
	}
	emptyData := []byte{0, 0, 0, 0, 0, 0, 0, 0, 1}
	for name, flood := range map[string]idleFlood{
		"HTTP/2, DATA without data":          http2Idlers(false, emptyData),
		"HTTP/2 over TLS, DATA without data": http2Idlers(true, emptyData),
		"HTTP/2, DATA that is all padding":   http2Idlers(false, []byte{0, 0, 3, 0, 8, 0, 0, 0, 1, 2, 0, 0}),
		"HTTP/2, PING":                       http2Idlers(false, []byte{0, 0, 8, 6, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}), // its answers alone
		"HTTP/2, unknown":                    http2Idlers(false, []byte{0, 0, 0, 0xbd, 0, 0, 0, 0, 0}),
		"WebSocket, empty fragments":         webSocketIdlers([]byte{0, 0x80, 1, 2, 3, 4}),
		"WebSocket, pings":                   webSocketIdlers([]byte{0x89, 0x80, 1, 2, 3, 4}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const frames = 4000
			a := unit("a")
			g := gateway(t, table(t, []Route{route("a.test", a, backend(t, swallow))}, a),
				func(c *Config) { c.TLSAddr, c.Certificate = "127.0.0.1:0", ca.Certificate })
			nc, frame := flood(t, g, ca)
			eventually(t, "the connection is its slice's", func() bool { return g.states[a.ID].counters.Sessions.Load() > 0 })
			if _, err := nc.Write(bytes.Repeat(frame, frames)); err != nil {
				t.Fatal(err)
			}
			free := int64(idleFramesFree + 2 + frames*int64(len(frame))/idleFrameBytes*2)
			want := uint64((frames - free) * idleFrameBytes)
			eventually(t, "all frames are paid", func() bool {
				all, _ := g.scheduler.Granted(g.states[a.ID].flow)
				return all >= want
			})
		})
	}
}

// TestIdleFramesAreNotReadAhead: while the slice is at its ceiling, nothing more is read of a connection that sends frames without content. At
// any moment the frames read are at most what was paid, what is free, and two reads.
func TestIdleFramesAreNotReadAhead(t *testing.T) {
	t.Parallel()
	a := unit("a")
	a.CeilingBps = 8_000_000
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, swallow))}, a))
	nc, frame := http2Idlers(false, []byte{0, 0, 0, 0, 0, 0, 0, 0, 1})(t, g, nil)
	eventually(t, "the connection is its slice's", func() bool { return g.states[a.ID].counters.Sessions.Load() > 0 })
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	context.AfterFunc(ctx, func() { _ = nc.Close() })
	go func() {
		many := bytes.Repeat(frame, 1000)
		for {
			if _, err := nc.Write(many); err != nil {
				return // the test is over
			}
		}
	}()
	read := func() (frames, paid uint64) { // in this order: what is paid meanwhile only helps
		frames = g.Snapshot()[0].Gateway.BytesIn / uint64(len(frame))
		all, _ := g.scheduler.Granted(g.states[a.ID].flow)
		return frames, all / idleFrameBytes
	}
	eventually(t, "2000 frames are read", func() bool { n, _ := read(); return n >= 2000 })
	for range 50 {
		frames, paid := read()
		if most := paid + paid/4 + idleFramesFree + 2*(16<<10)/uint64(len(frame)); frames > most {
			t.Fatalf("%d frames were read, %d are paid", frames, paid)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestBodiesPayForTheirFrames: who sends or takes bytes pays for the bytes: the few frames that go with them are free.
func TestBodiesPayForTheirFrames(t *testing.T) {
	t.Parallel()
	const size = 4 << 20
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(make([]byte, size))
	}))}, a))
	resp, err := client(t, g.Addr(), h2c).Post("http://a.test/", "text/plain", bytes.NewReader(make([]byte, size)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != size {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if all, _ := g.scheduler.Granted(g.states[a.ID].flow); all > 2*size+size/10 {
		t.Errorf("%d bytes were paid for %d", all, 2*size)
	}
}

// TestIdleFramesBeforeARequest end the connection: no slice would pay for them.
func TestIdleFramesBeforeARequest(t *testing.T) {
	t.Parallel()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, text("ok")))}, a))
	nc := dialed(t, g.Addr())
	_, _ = nc.Write(append([]byte(http2Preface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00"), bytes.Repeat([]byte{0, 0, 0, 0xbd, 0, 0, 0, 0, 0}, 4000)...))
	_ = nc.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := io.Copy(io.Discard, nc); isTimeout(err) {
		t.Error("the connection goes on")
	}
}
