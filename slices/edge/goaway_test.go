package edge

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2Raw speaks HTTP/2 by hand, in clear text.
type h2Raw struct {
	net.Conn
	*http2.Framer
	block bytes.Buffer
	enc   *hpack.Encoder
}

func newH2Raw(t *testing.T, addr string) *h2Raw {
	t.Helper()
	nc := dialed(t, addr)
	if _, err := io.WriteString(nc, http2Preface); err != nil {
		t.Fatal(err)
	}
	r := &h2Raw{Conn: nc, Framer: http2.NewFramer(nc, nc)}
	r.enc = hpack.NewEncoder(&r.block)
	r.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := r.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return r
}

// ask sends a request without a body.
func (r *h2Raw) ask(t *testing.T, stream uint32) {
	t.Helper()
	r.block.Reset()
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "a.test"}, {":path", "/"}} {
		_ = r.enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // a buffer takes everything
	}
	if err := r.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: r.block.Bytes(), EndHeaders: true, EndStream: true}); err != nil {
		t.Fatal(err)
	}
}

// heard reads until done says so, and gives the streams of each GOAWAY on the way.
func (r *h2Raw) heard(t *testing.T, done func(http2.Frame) bool) (goAways []uint32) {
	t.Helper()
	for {
		f, err := r.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if g, ok := f.(*http2.GoAwayFrame); ok {
			if g.ErrCode != http2.ErrCodeNo {
				t.Errorf("GOAWAY with %v", g.ErrCode)
			}
			goAways = append(goAways, g.LastStreamID)
		}
		if done(f) {
			return goAways
		}
	}
}

func answered(stream uint32) func(http2.Frame) bool {
	return func(f http2.Frame) bool {
		return f.Header().StreamID == stream && f.Header().Flags.Has(http2.FlagDataEndStream)
	}
}

// TestARetiringGatewayLeavesNoStreamOut: what a client of HTTP/2 sent before it heard that the connection ends is answered, and of nothing that it
// sent has it been said that it was not taken. Before the notice the answer to stream 3 named 3 as the last, and 5 was lost.
func TestARetiringGatewayLeavesNoStreamOut(t *testing.T) {
	t.Parallel()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, text("here")))}, a))
	g.goAwayAfter = time.Hour // however slow the machine is
	r := newH2Raw(t, g.Addr())
	r.ask(t, 1)
	if said := r.heard(t, answered(1)); said != nil {
		t.Fatalf("GOAWAY %v of a gateway that goes on", said)
	}
	g.StopListening()
	said := r.heard(t, func(f http2.Frame) bool { return f.Header().Type == http2.FrameGoAway })
	for stream := uint32(3); stream <= 7; stream += 2 { // as if they had been on their way
		r.ask(t, stream)
		said = append(said, r.heard(t, answered(stream))...)
	}
	for _, last := range said {
		if last < 7 {
			t.Errorf("GOAWAY names %d as the last stream", last)
		}
	}
	if len(said) == 0 || said[0] != 1<<31-1 {
		t.Errorf("GOAWAYs %v", said)
	}
	// Who goes on asking is told the number of the last one that was taken, and the connection ends.
	c := oneConn(t, g)
	c.frames.Load().out.saidNs.Add(-int64(g.goAwayAfter))
	r.ask(t, 9)
	if last := r.heard(t, func(f http2.Frame) bool { return f.Header().Type == http2.FrameGoAway }); last[len(last)-1] != 9 {
		t.Errorf("the last GOAWAY names %v", last)
	}
}

// TestAConnectionThatComesWhileAGatewayRetires is told with its first frame.
func TestAConnectionThatComesWhileAGatewayRetires(t *testing.T) {
	t.Parallel()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, text("here")))}, a))
	g.goAwayAfter = time.Hour
	nc := dialed(t, g.Addr())
	eventually(t, "accepted", func() bool { return g.Connections() == 1 })
	g.StopListening()
	if _, err := io.WriteString(nc, http2Preface); err != nil {
		t.Fatal(err)
	}
	r := &h2Raw{Conn: nc, Framer: http2.NewFramer(nc, nc)}
	r.enc = hpack.NewEncoder(&r.block)
	if err := r.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	r.ask(t, 1)
	if said := r.heard(t, answered(1)); len(said) != 1 || said[0] != 1<<31-1 {
		t.Errorf("GOAWAYs %v", said)
	}
}

// TestAnIdleConnectionEndsAfterTheNotice: when nothing is left to answer. What is open is answered to its end first.
func TestAnIdleConnectionEndsAfterTheNotice(t *testing.T) {
	t.Parallel()
	a := unit("a")
	entered, more := make(chan struct{}), make(chan struct{})
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-more
		_, _ = io.WriteString(w, "late")
	}))}, a))
	g.goAwayAfter = time.Hour // the timer's part is done by hand
	r := newH2Raw(t, g.Addr())
	r.ask(t, 1)
	<-entered
	f := oneConn(t, g).frames.Load()
	g.StopListening()
	r.heard(t, func(f http2.Frame) bool { return f.Header().Type == http2.FrameGoAway })
	f.endIdle() // as its timer would; a stream is open
	if f.conn.readDeadline.isClosed() {
		t.Fatal("closed under a request")
	}
	close(more)
	r.heard(t, answered(1))
	f.endIdle()
	if last := r.heard(t, func(f http2.Frame) bool { return f.Header().Type == http2.FrameGoAway }); last[len(last)-1] != 1 {
		t.Errorf("the last GOAWAY names %v", last)
	}
	if _, err := r.ReadFrame(); err != io.EOF {
		t.Errorf("after the last GOAWAY: %v", err)
	}
	eventually(t, "the connection is gone", func() bool { return g.Connections() == 0 })
}

func TestOpenStreams(t *testing.T) {
	t.Parallel()
	var o openStreams
	head := func(kind, flags byte, id uint32) *[9]byte {
		return &[9]byte{3: kind, 4: flags, 5: byte(id >> 24), 6: byte(id >> 16), 7: byte(id >> 8), 8: byte(id)}
	}
	for _, c := range []struct {
		came       bool
		kind, flag byte
		id, last   uint32
		idle       bool
	}{
		{true, h2Headers, 0x4, 1, 1, false},
		{true, h2Headers, 0x5, 1, 1, false},         // its trailer
		{false, h2Headers, 0x4, 1, 1, false},        // the answer's head
		{false, h2Data, 0, 1, 1, false},             // some of it
		{true, h2Headers, 0x5, 1<<31 | 3, 3, false}, // the reserved bit means nothing
		{false, h2Data, 0x1, 1, 3, false},
		{false, h2Reset, 0, 1, 3, false}, // after its end: of the request's body no more is wanted
		{true, h2Reset, 0, 3, 3, true},
		{true, h2Headers, 0x5, 5, 5, false},
		{false, h2Headers, 0x5, 5, 5, true}, // an answer without a body
		{true, h2Headers, 0x5, 7, 7, false},
		{false, h2Reset, 0, 7, 7, true},
		{true, h2Headers, 0x5, 7, 7, true}, // a trailer of what is over
	} {
		if c.came {
			o.came(head(c.kind, c.flag, c.id))
		} else {
			o.went(head(c.kind, c.flag, c.id))
		}
		if last, idle := o.none(); last != c.last || idle != c.idle {
			t.Fatalf("after %+v: last %d, idle %v", c, last, idle)
		}
	}
}

// oneConn gives the only connection of a gateway.
func oneConn(t *testing.T, g *Gateway) *conn {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.conns) != 1 {
		t.Fatalf("%d connections", len(g.conns))
	}
	for c := range g.conns {
		return c
	}
	return nil
}

// TestANoticeLiesBetweenFrames: however net/http's frames are cut into writes, the notice tears none of them and parts no block of fields.
func TestANoticeLiesBetweenFrames(t *testing.T) {
	t.Parallel()
	var frames bytes.Buffer
	w := http2.NewFramer(&frames, nil)
	_ = w.WriteSettings() // a buffer takes everything
	_ = w.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: make([]byte, 30)})
	_ = w.WriteContinuation(1, false, make([]byte, 40))
	_ = w.WriteContinuation(1, true, nil)
	_ = w.WriteData(1, false, make([]byte, 300))
	_ = w.WriteData(1, true, nil)
	_ = w.WritePing(true, [8]byte{})
	whole := frames.Bytes()
	gone := &conn{gateway: &Gateway{}}
	gone.readDeadline.close() // there is no end for the timer to bring about
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var out bytes.Buffer
		f := &framed{Conn: &written{out: &out}, conn: gone, out: &goAway{}}
		when := rng.IntN(len(whole))
		for at := 0; at < len(whole); {
			n := min(1+rng.IntN(60), len(whole)-at)
			if at <= when && when < at+n {
				f.notice()
				f.notice() // the second says nothing
			}
			if got, err := f.Write(whole[at : at+n]); err != nil || got != n {
				t.Fatalf("seed %d: %d of %d, %v", seed, got, n, err)
			}
			at += n
		}
		if err := oneNotice(&out); err != nil {
			t.Fatalf("seed %d, notice at %d: %v", seed, when, err)
		}
	}
}

type written struct {
	net.Conn
	out *bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) { return w.out.Write(p) }

// oneNotice reads frames, and wants one GOAWAY among them, after the settings. The framer itself refuses one within a block.
func oneNotice(r io.Reader) error {
	f := http2.NewFramer(io.Discard, r) // refuses what parts a block
	notices, kinds := 0, []http2.FrameType{}
	for {
		frame, err := f.ReadFrame()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		kinds = append(kinds, frame.Header().Type)
		if frame.Header().Type == http2.FrameGoAway {
			notices++
		}
	}
	if notices != 1 || len(kinds) != 8 || kinds[0] != http2.FrameSettings {
		return fmt.Errorf("frames %v", kinds)
	}
	return nil
}
