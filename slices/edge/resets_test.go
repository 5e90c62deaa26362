package edge

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// TestClientsThatReset end their connections with a reset in the middle of a download: each gives back its place and its session.
func TestClientsThatReset(t *testing.T) {
	t.Parallel()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, func(w http.ResponseWriter, r *http.Request) {
		block := make([]byte, 64<<10)
		for r.Context().Err() == nil {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))}, a))
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			c, err := net.Dial("tcp", g.Addr())
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
			if _, err := io.CopyN(io.Discard, c, 100<<10); err != nil {
				t.Error(err)
			}
			if err := c.(*net.TCPConn).SetLinger(0); err != nil {
				t.Error(err)
			}
			_ = c.Close() // with a reset
		})
	}
	clients.Wait()
	eventually(t, "all places and sessions are free", func() bool {
		s := g.Snapshot()[0].Gateway
		return s.InFlight == 0 && s.Sessions == 0 && s.Queue == 0
	})
}

// TestBackendThatResetsWithinItsAnswer: half a body must not look like a whole one, however it was framed.
func TestBackendThatResetsWithinItsAnswer(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{"length": "Content-Length: 100000", "chunks": "Transfer-Encoding: chunked"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = ln.Close() }()
			seen := make(chan struct{})
			go func() {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				_, _ = http.ReadRequest(bufio.NewReader(c)) // whatever it asks
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+head+"\r\n\r\n3\r\nabc\r\n")
				<-seen
				_ = c.(*net.TCPConn).SetLinger(0)
				_ = c.Close() // with a reset
			}()
			a := unit("a")
			g := gateway(t, table(t, []Route{route("a.test", a, Backend{Address: ln.Addr().String()})}, a))
			resp, err := client(t, g.Addr()).Get("http://a.test/")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			if _, err := io.ReadFull(resp.Body, make([]byte, 3)); err != nil {
				t.Fatal(err)
			}
			close(seen)
			if _, err := io.Copy(io.Discard, resp.Body); err == nil {
				t.Error("the client took half a body for a whole one")
			}
			eventually(t, "its place is free", func() bool { return g.Snapshot()[0].Gateway.InFlight == 0 })
		})
	}
}

// TestSilentConnectionsEnd: a peer that is gone without a word, as behind a link that went down, is ended by the idle timeout.
func TestSilentConnectionsEnd(t *testing.T) {
	t.Parallel()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, text("ok")))}, a), func(c *Config) { c.IdleTimeout = 200 * time.Millisecond })
	expectCut(t, g.Addr(), "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	eventually(t, "its session is free", func() bool { return g.Snapshot()[0].Gateway.Sessions == 0 })
}
