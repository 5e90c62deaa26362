package host_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/host"
)

const testHost = "chat.nexus.localhost"

// TestMain fails the package when goroutines of a host are left.
func TestMain(m *testing.M) {
	code := m.Run()
	buf := make([]byte, 1<<20)
	deadline := time.Now().Add(time.Minute)
	for code == 0 && strings.Contains(string(buf[:runtime.Stack(buf, true)]), "session/host.(") {
		if time.Now().After(deadline) {
			fmt.Fprintf(os.Stderr, "goroutines left after all tests:\n%s\n", buf)
			code = 1
		}
		time.Sleep(10 * time.Millisecond)
	}
	os.Exit(code)
}

// newHost is a home in front of one program. A window of 4 KiB and tickets as ever.
func newHost(t *testing.T, program func(ctx context.Context, ws *websocket.Conn, r *http.Request)) *host.Host {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	tickets, err := session.NewTickets(key, nexus.ID{1})
	if err != nil {
		t.Fatal(err)
	}
	address := ""
	if program != nil {
		behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
			if err != nil {
				return
			}
			defer func() { _ = ws.CloseNow() }()
			program(t.Context(), ws, r)
		}))
		t.Cleanup(behind.Close)
		address = behind.Listener.Addr().String()
	}
	h := host.New(host.Config{Tickets: tickets, Limits: session.Limits{RetainBytes: windowBytes},
		Route: func(name string) (host.Route, bool) {
			return host.Route{Slice: "slice-a", Address: address}, name == testHost
		}})
	t.Cleanup(h.Close)
	return h
}

const windowBytes = 4 << 10

// client is the other end of one connection, spoken in frames.
type client struct {
	t      *testing.T
	line   session.Line
	frames chan session.Frame // what came, but acknowledgements, tickets and lists of edges
	edges  chan string
	got    int           // frames that were looked at
	last   chan struct{} // closed when the home ended the connection
}

// Deliver implements session.Port.
func (c *client) Deliver(b []byte, last bool) bool {
	f, err := session.ParseFrame(append([]byte(nil), b...))
	if err != nil {
		c.t.Errorf("the home sent %x: %v", b, err)
	}
	switch f.Type {
	case session.FrameAck, session.FrameTicket:
	case session.FrameEdges:
		c.edges <- string(f.Payload)
	default:
		c.frames <- f
	}
	if last {
		close(c.last)
	}
	return true
}

func attach(t *testing.T, h *host.Host, v session.Visit, hello session.Frame) *client {
	t.Helper()
	c := &client{t: t, frames: make(chan session.Frame, 1000), edges: make(chan string, 100), last: make(chan struct{})}
	v.Host, v.Path = testHost, "/room?x=1"
	line, err := h.Attach(v, c)
	if err != nil {
		t.Fatal(err)
	}
	c.line = line
	hello.Type = session.FrameHello
	c.say(hello)
	return c
}

func (c *client) say(f session.Frame) { c.line.Frame(f.Encode()) }

func (c *client) data(seq uint64, text string) {
	c.say(session.Frame{Type: session.FrameData, Seq: seq, Payload: append([]byte{session.KindText}, text...)})
}

// next gives the next frame, which must be of a type.
func (c *client) next(want session.FrameType) session.Frame {
	c.t.Helper()
	select {
	case f := <-c.frames:
		c.got++
		if f.Type != want {
			c.t.Fatalf("got %s %q, want %s", f.Type, f.Payload, want)
		}
		return f
	case <-time.After(time.Minute):
		c.t.Fatalf("no %s within 10 s, %d frames before", want, c.got)
		return session.Frame{}
	}
}

func (c *client) wantText(seq uint64, text string) {
	c.t.Helper()
	if f := c.next(session.FrameData); f.Seq != seq || string(f.Payload) != string(session.KindText)+text {
		c.t.Fatalf("message %d %q, want %d %q", f.Seq, f.Payload, seq, text)
	}
}

func echo(ctx context.Context, ws *websocket.Conn, _ *http.Request) {
	for {
		kind, b, err := ws.Read(ctx)
		if err != nil || ws.Write(ctx, kind, b) != nil {
			return
		}
	}
}

// TestBrokenProtocolEndsTheConnectionOnly: a number that does not follow, and bytes that are no frame, cost a client its connection. The
// next one goes on with the same session and the same WebSocket to the program, and nothing is lost or said twice.
func TestBrokenProtocolEndsTheConnectionOnly(t *testing.T) {
	t.Parallel()
	dials := make(chan string, 10)
	h := newHost(t, func(ctx context.Context, ws *websocket.Conn, r *http.Request) {
		dials <- r.Header.Get(host.SessionHeader)
		echo(ctx, ws, r)
	})
	c := attach(t, h, session.Visit{}, session.Frame{})
	first := c.next(session.FrameWelcome)
	c.say(session.Frame{Type: session.FrameConfirm, Epoch: first.Epoch, Seq: uint64(session.MovePlanned)})
	c.data(1, "one")
	c.wantText(1, "one")
	ticket := first.Ticket
	for i, breakIt := range []func(c *client){
		func(c *client) { c.data(7, "seven") },
		func(c *client) { c.line.Frame([]byte{99, 1, 2}) },
		func(c *client) { c.say(session.Frame{Type: session.FrameAck, Seq: 1000}) },
	} {
		breakIt(c)
		why := string(c.next(session.FrameClose).Payload)
		if !strings.HasPrefix(why, "edge: ") {
			t.Fatalf("break %d: %q speaks of the session", i, why)
		}
		<-c.last
		c = attach(t, h, session.Visit{}, session.Frame{Ticket: ticket, Seq: uint64(i + 1)})
		w := c.next(session.FrameWelcome)
		if w.Session != first.Session || w.Seq != uint64(i+1) {
			t.Fatalf("break %d: session %s after message %d, want %s after %d", i, w.Session, w.Seq, first.Session, i+1)
		}
		ticket = w.Ticket
		c.say(session.Frame{Type: session.FrameConfirm, Epoch: w.Epoch, Seq: uint64(session.MoveRecovered)})
		c.data(uint64(i+2), "next")
		c.wantText(uint64(i+2), "next")
	}
	if st := h.Stats(); len(dials) != 1 || len(st) != 1 || st[0].Sessions != 1 || st[0].Recovered != 3 || st[0].Planned != 0 {
		t.Errorf("%d WebSockets to the program, %+v", len(dials), st)
	}
}

// TestProgramThatEnds: its last words and its reason reach the client, in this order, also when the client was away.
func TestProgramThatEnds(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(ctx context.Context, ws *websocket.Conn, r *http.Request) {
		if _, _, err := ws.Read(ctx); err != nil {
			return
		}
		for n := range 20 {
			_ = ws.Write(ctx, websocket.MessageText, fmt.Appendf(nil, "last %d", n))
		}
		_ = ws.Close(websocket.StatusNormalClosure, "the show is over")
	})
	c := attach(t, h, session.Visit{}, session.Frame{})
	w := c.next(session.FrameWelcome)
	c.data(1, "go")
	c.wantText(1, "last 0")
	c.line.Lost()
	c = attach(t, h, session.Visit{}, session.Frame{Ticket: w.Ticket, Seq: 1})
	c.next(session.FrameWelcome)
	for n := 1; n < 20; n++ {
		c.wantText(uint64(n+1), fmt.Sprintf("last %d", n))
	}
	select {
	case f := <-c.frames:
		t.Fatalf("%s %q before the client has said that it has everything", f.Type, f.Payload)
	case <-time.After(50 * time.Millisecond):
	}
	c.say(session.Frame{Type: session.FrameAck, Seq: 20})
	if why := string(c.next(session.FrameClose).Payload); why != "the show is over" {
		t.Errorf("reason %q", why)
	}
	<-c.last
}

// TestFullWindowStopsTheProgram: while a client acknowledges nothing, its program is not read beyond the window, and goes on afterwards.
func TestFullWindowStopsTheProgram(t *testing.T) {
	t.Parallel()
	const size, count = 1000, 400 // much more than window and socket buffers of the test's own take as read
	h := newHost(t, func(ctx context.Context, ws *websocket.Conn, _ *http.Request) {
		for n := range count {
			if ws.Write(ctx, websocket.MessageText, fmt.Appendf(nil, "%0*d", size, n)) != nil {
				return
			}
		}
		echo(ctx, ws, nil)
	})
	c := attach(t, h, session.Visit{}, session.Frame{})
	c.next(session.FrameWelcome)
	seq := uint64(0)
	for waiting := true; waiting; {
		select {
		case f := <-c.frames:
			if seq++; f.Type != session.FrameData || f.Seq != seq || seq*size > windowBytes {
				t.Fatalf("%s %d beyond the window", f.Type, f.Seq)
			}
		case <-time.After(100 * time.Millisecond):
			waiting = seq == 0
		}
	}
	for seq < count {
		c.say(session.Frame{Type: session.FrameAck, Seq: seq})
		seq++
		c.wantText(seq, fmt.Sprintf("%0*d", size, seq-1))
	}
}

// TestClientBeyondTheWindowIsEnded: a client that sends on without an acknowledgement, four windows far, loses its session.
func TestClientBeyondTheWindowIsEnded(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(ctx context.Context, _ *websocket.Conn, _ *http.Request) { <-ctx.Done() }) // reads nothing
	c := attach(t, h, session.Visit{}, session.Frame{})
	c.next(session.FrameWelcome)
	huge := strings.Repeat("x", session.MaxPayloadBytes-1)
	for n := range 100 { // the sockets' buffers take some first
		c.data(uint64(n+1), huge)
		select {
		case f := <-c.frames:
			if f.Type != session.FrameClose || string(f.Payload) != "more was sent than the window holds" {
				t.Fatalf("%s %q", f.Type, f.Payload)
			}
			return
		default:
		}
	}
	if why := string(c.next(session.FrameClose).Payload); why != "more was sent than the window holds" {
		t.Errorf("reason %q", why)
	}
}

// TestNothingDeployed: a host without a program says so, and so does one that does not answer; an unknown host has no sessions at all.
func TestNothingDeployed(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	c := attach(t, h, session.Visit{}, session.Frame{})
	c.next(session.FrameWelcome)
	if why := string(c.next(session.FrameClose).Payload); why != "the service behind "+testHost+" does not answer" {
		t.Errorf("reason %q", why)
	}
	if _, err := h.Attach(session.Visit{Host: "other.nexus.localhost"}, c); nexus.CodeOf(err) != nexus.CodeNotFound {
		t.Errorf("unknown host: %v", err)
	}
}

// TestWhatTheProgramSees: headers and path of the client's request, the session's id and the edge.
func TestWhatTheProgramSees(t *testing.T) {
	t.Parallel()
	seen := make(chan *http.Request, 1)
	h := newHost(t, func(ctx context.Context, ws *websocket.Conn, r *http.Request) { seen <- r; echo(ctx, ws, r) })
	c := attach(t, h, session.Visit{Edge: "edge-7", Remote: "192.0.2.1:77", Header: map[string]string{"Cookie": "a=b"}}, session.Frame{})
	id := c.next(session.FrameWelcome).Session
	r := <-seen
	for name, want := range map[string]string{"Cookie": "a=b", host.SessionHeader: id.String(), host.EdgeHeader: "edge-7", host.ClientHeader: "192.0.2.1:77"} {
		if got := r.Header.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if r.Host != testHost || r.URL.RequestURI() != "/room?x=1" {
		t.Errorf("%s %s", r.Host, r.URL)
	}
	if list := h.Sessions(); len(list) != 1 || list[0] != (host.SessionInfo{ID: id, Slice: "slice-a", Host: testHost, Edge: "edge-7"}) {
		t.Errorf("sessions %+v", list)
	}
}

// TestDrainNamesOtherEdges: only the clients of the edge that drains are asked to go, to other edges, and from TLS to TLS only.
func TestDrainNamesOtherEdges(t *testing.T) {
	t.Parallel()
	h := newHost(t, echo)
	h.SetEdge("a", []string{"ws://*:81", "wss://*:441"})
	h.SetEdge("b", []string{"ws://*:82", "wss://*:442", "https://*:442"})
	h.SetEdge("c", []string{"ws://own.example:83"})
	plain := attach(t, h, session.Visit{Edge: "a"}, session.Frame{})
	secure := attach(t, h, session.Visit{Edge: "a", Secure: true}, session.Frame{})
	other := attach(t, h, session.Visit{Edge: "b"}, session.Frame{})
	for _, c := range []*client{plain, secure, other} {
		c.next(session.FrameWelcome)
	}
	if list := <-plain.edges; list != "ws://"+testHost+":81\nws://"+testHost+":82\nws://own.example:83" {
		t.Errorf("edges %q", list)
	}
	if n := h.Drain("a", nil); n != 2 {
		t.Errorf("%d were asked to go", n)
	}
	if to := string(plain.next(session.FrameMove).Payload); to != "ws://"+testHost+":82\nws://own.example:83" {
		t.Errorf("plain to %q", to)
	}
	if to := string(secure.next(session.FrameMove).Payload); to != "wss://"+testHost+":442\nhttps://"+testHost+":442" {
		t.Errorf("TLS to %q", to)
	}
	select {
	case f := <-other.frames:
		t.Errorf("a client of another edge got %s %q", f.Type, f.Payload)
	default:
	}
	// Ports that are about to close: whoever listens there beside a, nobody is sent to them. An address that two edges share is said once.
	h.SetEdge("a2", []string{"ws://*:81", "wss://*:441"})
	h.SetEdge("b2", []string{"ws://*:82"})
	if n := h.Drain("a", []string{"ws://*:81", "wss://*:441"}); n != 2 {
		t.Errorf("%d were asked to go", n)
	}
	if to := string(plain.next(session.FrameMove).Payload); to != "ws://"+testHost+":82\nws://own.example:83" {
		t.Errorf("plain to %q", to)
	}
	if to := string(secure.next(session.FrameMove).Payload); to != "wss://"+testHost+":442\nhttps://"+testHost+":442" {
		t.Errorf("TLS to %q", to)
	}
	h.SetEdge("a2", nil)
	h.SetEdge("b2", nil)
	h.SetEdge("b", nil) // it has gone: nobody is sent there
	if n := h.Drain("a", nil); n != 1 {
		t.Errorf("%d were asked to go, one has nowhere to go to", n)
	}
}

// TestCloseTellsEverybody: a home that stops says so to every client, and takes none after that.
func TestCloseTellsEverybody(t *testing.T) {
	t.Parallel()
	h := newHost(t, echo)
	c := attach(t, h, session.Visit{}, session.Frame{})
	c.next(session.FrameWelcome)
	h.Close()
	if why := string(c.next(session.FrameClose).Payload); why != "home is stopping" {
		t.Errorf("reason %q", why)
	}
	if _, err := h.Attach(session.Visit{Host: testHost}, c); nexus.CodeOf(err) != nexus.CodeUnavailable {
		t.Errorf("a new connection: %v", err)
	}
}
