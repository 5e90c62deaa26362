package roam_test

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	nexus "github.com/BobbyBlanco400/nexus-cos"
	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/edge"
	"github.com/BobbyBlanco400/nexus-cos/slices/session"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/host"
	"github.com/BobbyBlanco400/nexus-cos/slices/session/roam"
)

const testHost = "chat.nexus.localhost"

// gateway is one edge with the home in the same process, in front of a creator's program.
func gateway(t *testing.T, program http.HandlerFunc) (address string, home *host.Host) {
	t.Helper()
	g, home := startGateway(t, program, edge.Config{Addr: "127.0.0.1:0"}, nil)
	_, port, _ := strings.Cut(g.Addr(), ":")
	return testHost + ":" + port, home
}

// quicGateway is the same with TLS, HTTP/3 and WebTransport.
func quicGateway(t *testing.T, program http.HandlerFunc, change func(*slices.Slice)) (*edge.Gateway, *host.Host, *edge.DevCA) {
	t.Helper()
	ca, err := edge.OpenDevCA("")
	if err != nil {
		t.Fatal(err)
	}
	g, home := startGateway(t, program, edge.Config{TLSAddr: "127.0.0.1:0", QUIC: true, Certificate: ca.Certificate}, change)
	return g, home, ca
}

func dialQUIC(t *testing.T, g *edge.Gateway, ca *edge.DevCA) *roam.Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, port, _ := strings.Cut(g.QUICAddr(), ":")
	s, err := roam.Dial(ctx, roam.Options{URL: "https://" + testHost + ":" + port + "/", TLS: &tls.Config{RootCAs: ca.Pool()}, MeasureEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func startGateway(t *testing.T, program http.HandlerFunc, c edge.Config, change func(*slices.Slice)) (*edge.Gateway, *host.Host) {
	t.Helper()
	behind := httptest.NewServer(program)
	t.Cleanup(behind.Close)
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	tickets, err := session.NewTickets(key, nexus.ID{1})
	if err != nil {
		t.Fatal(err)
	}
	s := slices.Default(nexus.ID{7}, "chat")
	if change != nil {
		change(&s)
	}
	home := host.New(host.Config{Tickets: tickets, Route: func(name string) (host.Route, bool) {
		return host.Route{Slice: s.ID.String(), Address: behind.Listener.Addr().String()}, name == testHost
	}})
	c.Name, c.Sessions = "here", home
	g, err := edge.New(c)
	if err != nil {
		t.Fatal(err)
	}
	table, err := edge.NewTable([]edge.Route{{Host: testHost, Unit: s.Unit, SliceID: s.ID, Backend: edge.Backend{Address: behind.Listener.Addr().String()}}},
		[]slices.Slice{s})
	if err == nil {
		err = g.Swap(table)
	}
	if err == nil {
		err = g.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		home.Close()
		if err := g.Close(time.Second); err != nil {
			t.Error(err)
		}
	})
	return g, home
}

// greet is a creator's program as small as they come: a plain WebSocket, nothing of sessions in it.
func greet(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer func() { _ = ws.CloseNow() }()
	ctx := context.Background()
	seen, _ := json.Marshal(map[string]string{"path": r.URL.RequestURI(), "host": r.Host, "session": r.Header.Get(host.SessionHeader),
		"edge": r.Header.Get(host.EdgeHeader), "agent": r.Header.Get("User-Agent"), "client": r.Header.Get(host.ClientHeader)})
	if ws.Write(ctx, websocket.MessageText, seen) != nil {
		return
	}
	for {
		kind, b, err := ws.Read(ctx)
		if err != nil {
			return
		}
		if string(b) == "bye" {
			_ = ws.Write(ctx, websocket.MessageText, []byte("so long"))
			_ = ws.Close(websocket.StatusNormalClosure, "you said bye")
			return
		}
		if ws.Write(ctx, kind, b) != nil {
			return
		}
	}
}

func dial(t *testing.T, url string) *roam.Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := roam.Dial(ctx, roam.Options{URL: url, MeasureEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func receive(t *testing.T, s *roam.Session) roam.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m, err := s.Receive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func send(t *testing.T, s *roam.Session, m roam.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Send(ctx, m); err != nil {
		t.Fatal(err)
	}
}

// TestAProgramSeesAPlainWebSocket: path, host and headers arrive, text stays text, and the program's goodbye reaches the client
// after everything said before it.
func TestAProgramSeesAPlainWebSocket(t *testing.T) {
	t.Parallel()
	address, home := gateway(t, greet)
	s := dial(t, "ws://"+address+"/room/7?x=1")
	var seen map[string]string
	if err := json.Unmarshal(receive(t, s).Data, &seen); err != nil {
		t.Fatal(err)
	}
	if seen["path"] != "/room/7?x=1" || seen["host"] != testHost || seen["session"] != s.ID().String() || seen["edge"] != "here" ||
		!strings.HasPrefix(seen["client"], "127.0.0.1:") {
		t.Fatalf("the program saw %v", seen)
	}
	for _, m := range []roam.Message{{Text: true, Data: []byte("grüße")}, {Data: []byte{0, 255}}, {Text: true}, {}} {
		send(t, s, m)
		if got := receive(t, s); got.Text != m.Text || string(got.Data) != string(m.Data) {
			t.Fatalf("sent %+v, got %+v", m, got)
		}
	}
	send(t, s, roam.Message{Text: true, Data: []byte("bye")})
	if got := receive(t, s); string(got.Data) != "so long" {
		t.Fatalf("got %q", got.Data)
	}
	if _, err := s.Receive(t.Context()); err == nil || !strings.Contains(err.Error(), "you said bye") {
		t.Fatalf("the reason is lost: %v", err)
	}
	if n := len(home.Sessions()); n != 0 {
		t.Fatalf("%d sessions are left", n)
	}
}

// TestAClientsEndReachesTheProgram: closing the session closes the program's WebSocket.
func TestAClientsEndReachesTheProgram(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	address, _ := gateway(t, func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err == nil {
			_, _, err = ws.Read(context.Background())
		}
		ended <- err
	})
	s := dial(t, "ws://"+address+"/")
	s.Close()
	if code := websocket.CloseStatus(<-ended); code != websocket.StatusNormalClosure {
		t.Fatalf("closed with %d", code)
	}
}

// TestNoProgramIsSaid: a session to nothing ends with the reason.
func TestNoProgramIsSaid(t *testing.T) {
	t.Parallel()
	address, _ := gateway(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	s := dial(t, "ws://"+address+"/")
	if _, err := s.Receive(t.Context()); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Fatalf("got %v", err)
	}
}

// TestNonsenseEndsItsConnectionOnly: junk, a foreign ticket and a text frame each end their own connection; the session beside them
// goes on.
func TestNonsenseEndsItsConnectionOnly(t *testing.T) {
	t.Parallel()
	address, home := gateway(t, greet)
	s := dial(t, "ws://"+address+"/")
	receive(t, s)
	hello := session.Frame{Type: session.FrameHello}.Encode()
	for name, frames := range map[string][][]byte{
		"junk":           {[]byte("GET / HTTP/1.1")},
		"data first":     {session.Frame{Type: session.FrameData, Seq: 1}.Encode()},
		"forged ticket":  {session.Frame{Type: session.FrameHello, Ticket: "v4.public.AAAA"}.Encode()},
		"welcome back":   {hello, session.Frame{Type: session.FrameWelcome}.Encode()},
		"number skipped": {hello, session.Frame{Type: session.FrameData, Seq: 5}.Encode()},
		"ack of nothing": {hello, session.Frame{Type: session.FrameAck, Seq: 5}.Encode()},
	} {
		if reason := closedWith(t, address, frames); reason == "" {
			t.Errorf("%s: no reason", name)
		}
	}
	send(t, s, roam.Message{Data: []byte("still here")})
	if got := receive(t, s); string(got.Data) != "still here" {
		t.Fatalf("got %q", got.Data)
	}
	if n := len(home.Sessions()); n > 4 {
		t.Fatalf("%d sessions held", n) // the three that said a good hello wait for their clients
	}
}

// closedWith sends frames on a raw connection and gives the reason of the close frame that comes back.
func closedWith(t *testing.T, address string, frames [][]byte) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, port, _ := strings.Cut(address, ":")
	ws, _, err := websocket.Dial(ctx, "ws://127.0.0.1:"+port+"/", &websocket.DialOptions{Host: testHost, Subprotocols: []string{session.Subprotocol}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.CloseNow() }()
	for _, b := range frames {
		if err := ws.Write(ctx, websocket.MessageBinary, b); err != nil {
			t.Fatal(err)
		}
	}
	for {
		_, b, err := ws.Read(ctx)
		if err != nil {
			t.Fatalf("no close frame: %v", err)
		}
		f, err := session.ParseFrame(b)
		if err != nil {
			t.Fatal(err)
		}
		if f.Type == session.FrameClose {
			return string(f.Payload)
		}
	}
}

// TestPagesOfOtherHostsOpenNoSession: the browser's Origin must be the host itself, on any port.
func TestPagesOfOtherHostsOpenNoSession(t *testing.T) {
	t.Parallel()
	address, _ := gateway(t, greet)
	_, port, _ := strings.Cut(address, ":")
	for origin, want := range map[string]bool{"https://" + testHost + ":9999": true, "http://" + testHost: true, "https://evil.example": false} {
		ws, _, err := websocket.Dial(t.Context(), "ws://127.0.0.1:"+port+"/", &websocket.DialOptions{Host: testHost,
			Subprotocols: []string{session.Subprotocol}, HTTPHeader: http.Header{"Origin": {origin}}})
		if (err == nil) != want {
			t.Errorf("origin %s: %v", origin, err)
		}
		if err == nil {
			_ = ws.CloseNow()
		}
	}
}

// TestMain fails the package when goroutines are left after all tests.
func TestMain(m *testing.M) {
	code := m.Run()
	deadline := time.Now().Add(time.Minute)
	for code == 0 {
		buf := make([]byte, 1<<20)
		stacks := string(buf[:runtime.Stack(buf, true)])
		if strings.Count(stacks, "nexus-cos/slices/") <= strings.Count(stacks, "roam_test.TestMain") {
			break
		}
		if time.Now().After(deadline) {
			_, _ = os.Stderr.WriteString("goroutines left after all tests:\n" + stacks)
			code = 1
		}
		time.Sleep(10 * time.Millisecond)
	}
	os.Exit(code)
}

// TestEveryHostServesTheBrowsersClient: script and types come whole, with their kind, and unchanged ones are not sent again.
func TestEveryHostServesTheBrowsersClient(t *testing.T) {
	t.Parallel()
	address, _ := gateway(t, greet)
	_, port, _ := strings.Cut(address, ":")
	get := func(path, have string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = testHost
		req.Header.Set("If-None-Match", have)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	for path, kind := range map[string]string{"/.well-known/nexus/nn5g.js": "text/javascript; charset=utf-8",
		"/.well-known/nexus/nn5g.d.ts": "text/plain; charset=utf-8"} {
		resp := get(path, "")
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close() // read to its end
		if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != kind || !strings.Contains(string(b), "nn5g") {
			t.Errorf("%s: %v, %s, %q, %d bytes", path, err, resp.Status, resp.Header.Get("Content-Type"), len(b))
		}
		again := get(path, resp.Header.Get("ETag"))
		_ = again.Body.Close() // empty
		if again.StatusCode != http.StatusNotModified {
			t.Errorf("%s: %s for what the client has", path, again.Status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
