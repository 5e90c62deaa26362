package edge

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// What networks do wrong: resets, half-closed and half-open connections, on the client's side and on the backend's.

// dial opens a connection of its own to the gateway.
func dial(t *testing.T, g *Gateway) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c.(*net.TCPConn)
}

// reset ends a connection as a crashed peer does: no FIN, a RST.
func reset(t *testing.T, c *net.TCPConn) {
	t.Helper()
	if err := errors.Join(c.SetLinger(0), c.Close()); err != nil {
		t.Fatal(err)
	}
}

// nothingLeft waits until a slice holds neither connection nor request.
func nothingLeft(t *testing.T, g *Gateway) {
	t.Helper()
	eventually(t, "connections and places are given back", func() bool {
		s := g.Snapshot()[0].Gateway
		return s.Sessions == 0 && s.InFlight == 0 && s.Queue == 0 && s.Streams == 0
	})
}

func TestClientResetsGiveEverythingBack(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{}, 3)
	s := unit("s")
	g := gateway(t, table(t, []Route{route("s.test", s, backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.Copy(io.Discard, r.Body)
		} else {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
		gone <- struct{}{}
	}))}, s))
	for name, send := range map[string]string{
		"in an answer": "GET /answer HTTP/1.1\r\nHost: s.test\r\n\r\n",
		"in a body":    "POST /body HTTP/1.1\r\nHost: s.test\r\nContent-Length: 1000000\r\n\r\nabc",
		"in a head":    "GET /head HTTP/1.1\r\nHost: s.te",
	} {
		c := dial(t, g)
		if _, err := io.WriteString(c, send); err != nil {
			t.Fatal(err)
		}
		if name != "in a head" {
			eventually(t, name+": the request is under way", func() bool { return g.Snapshot()[0].Gateway.Sessions == 1 })
		}
		if name == "in an answer" {
			if _, err := io.ReadFull(c, make([]byte, len("HTTP/1.1 200 OK"))); err != nil {
				t.Fatal(err)
			}
		}
		reset(t, c)
		nothingLeft(t, g)
		if name != "in a head" {
			select {
			case <-gone:
			case <-time.After(time.Minute):
				t.Errorf("%s: the backend was not told that the client has gone", name)
			}
		}
	}
}

// TestHalfClosedClientGetsItsAnswer: a client that says that it sends no more still reads (RFC 9112, section 9.6).
func TestHalfClosedClientGetsItsAnswer(t *testing.T) {
	t.Parallel()
	s := unit("s")
	g := gateway(t, table(t, []Route{route("s.test", s, backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))}, s))
	c := dial(t, g)
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: s.test\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody"); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 200 ") || !strings.HasSuffix(string(b), "body") {
		t.Errorf("%q, %v", b, err)
	}
	nothingLeft(t, g)
}

// rawBackend leaves each connection to serve, and closes it after that.
func rawBackend(t *testing.T, serve func(c *net.TCPConn)) Backend {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				serve(c.(*net.TCPConn))
			})
		}
	})
	return Backend{Address: ln.Addr().String()}
}

// brokenBackend answers each connection's first request by act.
func brokenBackend(t *testing.T, act func(c *net.TCPConn)) Backend {
	t.Helper()
	return rawBackend(t, func(c *net.TCPConn) {
		buf := make([]byte, 4096)
		if _, err := c.Read(buf); err == nil {
			act(c)
		}
	})
}

func TestBackendsThatBreak(t *testing.T) {
	t.Parallel()
	t.Run("reset in the body", func(t *testing.T) {
		t.Parallel()
		s := unit("s")
		g := gateway(t, table(t, []Route{route("s.test", s, brokenBackend(t, func(c *net.TCPConn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
			time.Sleep(50 * time.Millisecond) // a reset overtakes what was sent just before
			_ = c.SetLinger(0)
		}))}, s))
		resp, err := client(t, g.Addr()).Get("http://s.test/")
		if err != nil {
			return // the reset came first: the client knows as well
		}
		defer func() { _ = resp.Body.Close() }()
		if b, err := io.ReadAll(resp.Body); err == nil && resp.StatusCode == http.StatusOK {
			t.Errorf("half an answer passed for a whole one: %q", b)
		}
	})
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		stop := make(chan struct{})
		s := unit("s")
		silent := brokenBackend(t, func(*net.TCPConn) { <-stop })
		t.Cleanup(func() { close(stop) }) // before the backend's own end, which waits for it
		g := gateway(t, table(t, []Route{route("s.test", s, silent)}, s),
			func(c *Config) { c.BackendTimeout = 100 * time.Millisecond })
		get(t, client(t, g.Addr()), "http://s.test/").want(t, http.StatusGatewayTimeout, "did not answer in time")
	})
	t.Run("closes at once", func(t *testing.T) {
		t.Parallel()
		s := unit("s")
		g := gateway(t, table(t, []Route{route("s.test", s, brokenBackend(t, func(*net.TCPConn) {}))}, s))
		get(t, client(t, g.Addr()), "http://s.test/").want(t, http.StatusBadGateway, "does not answer")
	})
}
