package edge

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// scripted is a backend that answers each connection's requests with the next of its answers, byte for byte, and then ends it.
func scripted(t *testing.T, answers ...string) Backend {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				br := bufio.NewReader(c)
				for _, a := range answers {
					r, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, r.Body)
					_, _ = io.WriteString(c, a)
				}
			}()
		}
	}()
	return Backend{Address: ln.Addr().String()}
}

// ask sends raw bytes through a gateway of its own to a backend and parses the first answer that is not informational.
func ask(t *testing.T, b Backend, send, method string) (*http.Response, string, error) {
	t.Helper()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, b)}, a))
	got := raw(t, g.Addr(), send)
	in, resp, err := bufio.NewReader(strings.NewReader(got)), &http.Response{}, error(nil)
	for resp.StatusCode < 200 {
		if resp, err = http.ReadResponse(in, &http.Request{Method: method}); err != nil {
			return nil, got, err
		}
	}
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// A backend's answer is framed anew: whatever its form, the client gets the same body in the form of its own version, or an end that
// cannot be taken for a whole body.
func TestAnswersAreFramedAnew(t *testing.T) {
	t.Parallel()
	const cut = -1
	for _, c := range []struct {
		name, answer, method string
		status               int // cut: the body must not look whole
		body                 string
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "GET", 200, "abc"},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "GET", 200, "abc"},
		{"until the end", "HTTP/1.0 200 OK\r\n\r\nabc", "GET", 200, "abc"},
		{"LF alone", "HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", "GET", 200, "abc"},
		{"chunks beside a length", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "GET", 200, "abc"},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", "GET", 204, ""},
		{"not modified", "HTTP/1.1 304 Not Modified\r\nContent-Length: 30\r\n\r\n", "GET", 304, ""},
		{"head", "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n", "HEAD", 200, ""},
		{"words before", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" +
			"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "GET", 200, "abc"},
		{"own reason", "HTTP/1.1 299 Very Well\r\nContent-Length: 0\r\n\r\n", "GET", 299, ""},
		{"shorter than it says", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "GET", cut, ""},
		{"chunks without end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "GET", cut, ""},
		{"chunks that lie", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", "GET", cut, ""},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "GET", 502, "does not answer"},
		{"unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", "GET", 502, "does not answer"},
		{"no HTTP", "SSH-2.0-OpenSSH_9\r\n\r\n", "GET", 502, "does not answer"},
		{"nothing", "", "GET", 502, "does not answer"},
		{"another protocol that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc", "GET", 502,
			"does not answer"},
		{"words without end", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 20), "GET", 502, "does not answer"},
	} {
		for _, version := range []string{"1.1", "1.0"} {
			t.Run(c.name+", "+version, func(t *testing.T) {
				t.Parallel()
				resp, body, err := ask(t, scripted(t, c.answer), c.method+" / HTTP/"+version+"\r\nHost: a.test\r\nConnection: close\r\n\r\n", c.method)
				if c.status == cut {
					if err == nil && resp.ContentLength != -1 || err == nil && version == "1.1" {
						t.Errorf("half a body looks whole: %+v %q", resp, body)
					}
					return
				}
				if err != nil || resp.StatusCode != c.status || !strings.Contains(body, c.body) || c.status < 300 && body != c.body {
					t.Fatalf("got %+v %q, %v, want %d %q", resp, body, err, c.status, c.body)
				}
				if resp.Header.Get(RouteHeader) != "42" || resp.Header.Get("Date") == "" {
					t.Errorf("fields %v", resp.Header)
				}
				if version == "1.0" && len(resp.TransferEncoding) > 0 {
					t.Error("chunks to a client of HTTP/1.0")
				}
			})
		}
	}
}

func TestTrailersAndHopByHopFields(t *testing.T) {
	t.Parallel()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, scripted(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"+
		"Trailer: Grpc-Status\r\nConnection: X-Hop\r\nX-Hop: secret\r\nKeep-Alive: 5\r\nX-Kept: yes\r\n\r\n"+
		"3\r\nabc\r\n0\r\nGrpc-Status: 0\r\nContent-Length: 9\r\nNexus-Route: 1\r\n\r\n"))}, a))
	got := raw(t, g.Addr(), "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
	for part, want := range map[string]bool{"Trailer: Grpc-Status\r\n": true, "0\r\nGrpc-Status: 0\r\n\r\n": true, "X-Kept: yes": true, "X-Hop": false,
		"Keep-Alive": false, "Content-Length": false, "Nexus-Route: 1\r\n": false} {
		if strings.Contains(got, part) != want {
			t.Errorf("%q: there %v, want %v, in\n%s", part, !want, want, got)
		}
	}
}

// A backend that ends idle connections, as all do after a while, costs nobody an answer.
func TestDeadIdleConnections(t *testing.T) {
	t.Parallel()
	a := unit("a")
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	g := gateway(t, table(t, []Route{route("a.test", a, scripted(t, ok))}, a)) // one answer a connection, then it ends
	c, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	br := bufio.NewReader(c)
	for i := range 200 {
		send := "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
		if i%2 == 1 { // sent once only: the gateway must see before that the connection has ended
			eventually(t, "the backend's end has come", func() bool { return allDead(g) })
			send = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc"
		}
		if _, err := io.WriteString(c, send); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(br, nil)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("request %d: %+v, %v", i, resp, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	if f := g.Snapshot()[0].Gateway.Failed; f != 0 {
		t.Errorf("%d failures counted", f)
	}
}

// allDead reports whether the idle connections to backends have all been ended by them.
func allDead(g *Gateway) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.states {
		s.upstreams.mu.Lock()
		defer s.upstreams.mu.Unlock()
		for _, list := range s.upstreams.idle {
			for _, up := range list.list {
				if quiet(up.raw) {
					return false
				}
			}
		}
	}
	return true
}

// Bodies of all sizes and both framings go through whole, both ways, on one connection.
func TestBodiesBothWays(t *testing.T) {
	t.Parallel()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.Header().Set("Sum", fmt.Sprintf("%x", sha256.Sum256(body)))
		if r.URL.Query().Get("chunks") != "" {
			w.(http.Flusher).Flush()
		}
		_, _ = w.Write(body)
	}))}, a), func(c *Config) { c.CapacityBps = 10_000_000_000 })
	c := client(t, g.Addr())
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, 100, 4095, 4096, 4097, 8191, 8192, 16384, 32768, 32769, 100_000, 5 << 20} {
		for _, form := range []string{"length", "chunks"} {
			data := make([]byte, size)
			for i := range data {
				data[i] = byte(rnd.Uint32())
			}
			var body io.Reader = bytes.NewReader(data)
			url := "http://a.test/"
			if form == "chunks" {
				body, url = struct{ io.Reader }{body}, url+"?chunks=1"
			}
			resp, err := c.Post(url, "application/octet-stream", body)
			if err != nil {
				t.Fatalf("%d bytes, %s: %v", size, form, err)
			}
			back, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if sum := fmt.Sprintf("%x", sha256.Sum256(data)); err != nil || !bytes.Equal(back, data) || resp.Header.Get("Sum") != sum {
				t.Errorf("%d bytes, %s: came back as %d, %v", size, form, len(back), err)
			}
		}
	}
}

// A body in chunks says nothing of its length beforehand: past the bound it is refused all the same, and no backend takes it for whole.
func TestChunkedBodiesAreBounded(t *testing.T) {
	t.Parallel()
	seen := &seenBackend{}
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, seen.handle))}, a), func(c *Config) { c.BodyBytesMax = 100_000 })
	post := func(size int) (int, error) {
		body := struct{ io.Reader }{strings.NewReader(strings.Repeat("x", size))} // of unknown length: sent in chunks
		resp, err := client(t, g.Addr()).Post("http://a.test/", "text/plain", body)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	if status, err := post(100_000); err != nil || status != 200 || len(seen.all()) != 1 {
		t.Errorf("at the bound: %d, %v, the backend saw %d", status, err, len(seen.all()))
	}
	if status, err := post(100_001); err != nil || status != http.StatusRequestEntityTooLarge || len(seen.all()) != 1 {
		t.Errorf("past the bound: %d, %v, the backend saw %d", status, err, len(seen.all()))
	}
}

// A backend may answer before it has read the body; the client sees the answer, and the connection ends.
func TestAnswerBeforeTheBody(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		_, _ = bufio.NewReader(c).ReadString('\n')
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
		<-t.Context().Done() // reads nothing more
	}()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, Backend{Address: ln.Addr().String()})}, a))
	c, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000000\r\n\r\n"+strings.Repeat("x", 1000))
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	got, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 413 ") || !strings.HasSuffix(string(got), "no") {
		t.Errorf("got %q, %v", got, err)
	}
}

// A client that goes away while its backend is slow takes the request with it.
func TestClientGoneStopsTheBackend(t *testing.T) {
	t.Parallel()
	began, stopped, over := make(chan struct{}), make(chan struct{}), make(chan struct{})
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, func(w http.ResponseWriter, r *http.Request) {
		close(began)
		select {
		case <-r.Context().Done():
			close(stopped)
		case <-over: // the test has failed; its server must be able to end
		}
	}))}, a))
	defer close(over)
	c, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	<-began
	_ = c.Close()
	select {
	case <-stopped:
	case <-time.After(time.Minute):
		t.Fatal("the backend still works for a client that has gone")
	}
	eventually(t, "the place is free", func() bool { s := g.Snapshot()[0].Gateway; return s.InFlight == 0 && s.Sessions == 0 && s.Failed == 0 })
}

// What a client sends while it still waits for an answer is its next request, to the last byte.
func TestPipelinedBehindASlowAnswer(t *testing.T) {
	t.Parallel()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			time.Sleep(3 * slowAfter)
		}
		_, _ = io.WriteString(w, "answer to "+r.URL.Path)
	}))}, a))
	c, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n")
	time.Sleep(2 * slowAfter) // the gateway watches by now; on a slow machine it does so later, and the test is the easier
	for _, crumb := range []string{"G", "ET /ne", "xt HTTP/1.1\r\nHost: a.test\r\nConn", "ection: close\r\n\r\n"} {
		_, _ = io.WriteString(c, crumb)
		time.Sleep(10 * time.Millisecond)
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	got, _ := io.ReadAll(c)
	for _, want := range []string{"answer to /slow", "answer to /next"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
}

// An event stream's events come as they are made, and the client's place in the gate is free meanwhile.
func TestEventsComeAtOnce(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		for i := range 3 {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			<-next
		}
	}))}, a))
	resp, err := client(t, g.Addr()).Get("http://a.test/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	br := bufio.NewReader(resp.Body)
	for i := range 3 {
		line, err := br.ReadString('\n')
		if want := fmt.Sprintf("data: %d\n", i); err != nil || line != want {
			t.Fatalf("event %d: %q, %v", i, line, err)
		}
		_, _ = br.ReadString('\n')
		if i == 0 {
			eventually(t, "a stream holds no place", func() bool { s := g.Snapshot()[0].Gateway; return s.InFlight == 0 && s.Streams == 1 })
		}
		next <- struct{}{}
	}
	if rest, err := io.ReadAll(br); err != nil || len(rest) > 0 {
		t.Errorf("after the last event: %q, %v", rest, err)
	}
}

// A client that waits to be told gets the word when the gateway wants the body, and not before.
func TestContinue(t *testing.T) {
	t.Parallel()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %q", body, r.Header.Get("Expect"))
	}))}, a), func(c *Config) { c.BodyBytesMax = 1000 })
	c, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	br := bufio.NewReader(c)
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
	if line, err := br.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	_, _ = br.ReadString('\n')
	_, _ = io.WriteString(c, "abc")
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(resp.Body); string(body) != `abc ""` {
		t.Errorf("body %q", body)
	}
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
	if line, err := br.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 413 ") {
		t.Fatalf("too much: %q, %v", line, err)
	}
}
