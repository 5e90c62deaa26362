package edge

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const askUpgrade = "GET /chat HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"

// readHead reads one head of a request or response, with its empty line.
func readHead(br *bufio.Reader) (head string, err error) {
	for !strings.HasSuffix(head, "\r\n\r\n") {
		line, err := br.ReadString('\n')
		if head += line; err != nil {
			return head, err
		}
	}
	return head, nil
}

// switchingRaw is a backend that reads a head of a request by itself, says answer, and leaves the connection to then.
func switchingRaw(t *testing.T, answer string, then func(head string, br *bufio.Reader, c *net.TCPConn)) Backend {
	t.Helper()
	return rawBackend(t, func(c *net.TCPConn) {
		_ = c.SetDeadline(time.Now().Add(time.Minute)) // a closed connection says so at the read
		br := bufio.NewReader(c)
		head, err := readHead(br)
		if err != nil {
			return // a connection without a request
		}
		_, _ = io.WriteString(c, answer)
		then(head, br, c)
	})
}

// TestWhatAnUpgradeIs: the backend gets the request with the protocol and nothing of the client's connection or claims; the client gets the backend's
// answer with the gateway's fields, and what the backend has said behind it.
func TestWhatAnUpgradeIs(t *testing.T) {
	t.Parallel()
	heads := make(chan string, 1)
	s := unit("s")
	g := gateway(t, table(t, []Route{route("a.test", s, switchingRaw(t, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: x, Upgrade\r\n"+
		"X: hop\r\nSec-WebSocket-Accept: a\r\nServer: b\r\nNexus-Route: 7\r\nAlt-Svc: h3\r\n\r\nhello",
		func(head string, _ *bufio.Reader, _ *net.TCPConn) { heads <- head }))}, s))
	got := raw(t, g.Addr(), askUpgrade+"Connection: HTTP2-Settings\r\nHTTP2-Settings: x\r\nX-Forwarded-For: 9.9.9.9\r\nNexus-Route: 1\r\nSec-WebSocket-Key: k\r\n"+
		"Sec-WebSocket-Protocol: p\r\n\r\n")
	for _, want := range []string{"\r\nUpgrade: WebSocket\r\n", "\r\nConnection: Upgrade\r\n", "\r\nSec-WebSocket-Accept: a\r\n", "\r\nNexus-Route: 42\r\n"} {
		if strings.Count(got, want) != 1 {
			t.Errorf("the client got %q, want once %q", got, want)
		}
	}
	if !strings.HasPrefix(got, "HTTP/1.1 101 Switching Protocols\r\n") || !strings.HasSuffix(got, "\r\n\r\nhello") {
		t.Errorf("the client got %q", got)
	}
	for _, not := range []string{"X: hop", "Server:", "Nexus-Route: 7", "Alt-Svc", "Connection: x"} {
		if strings.Contains(got, not) {
			t.Errorf("the client got %q, with %q", got, not)
		}
	}
	head := <-heads
	for _, want := range []string{"GET /chat HTTP/1.1\r\n", "\r\nHost: a.test\r\n", "\r\nUpgrade: websocket\r\n", "\r\nConnection: Upgrade\r\n",
		"\r\nSec-WebSocket-Key: k\r\n", "\r\nSec-WebSocket-Protocol: p\r\n", "\r\nX-Forwarded-For: 127.0.0.1\r\n"} {
		if strings.Count(head, want) != 1 {
			t.Errorf("the backend got %q, want once %q", head, want)
		}
	}
	for _, not := range []string{"HTTP2", "9.9.9.9", "Nexus-Route"} {
		if strings.Contains(head, not) {
			t.Errorf("the backend got %q, with %q", head, not)
		}
	}
}

// TestUpgradesThatAreNone: an answer 101 counts when it is to the protocol that was asked for. Whatever else becomes of the request, what is behind it
// may be meant in that protocol, and is not read as another request.
func TestUpgradesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, answer, ask, want string }{
		{"another protocol", "HTTP/1.1 101 S\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n", askUpgrade, "502"},
		{"no protocol", "HTTP/1.1 101 S\r\nConnection: Upgrade\r\n\r\n", askUpgrade, "502"},
		{"not the connection's", "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n", askUpgrade, "502"},
		{"nobody asked", "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n", "502"},
		{"nobody asked, for nothing", "HTTP/1.1 101 S\r\nUpgrade:\r\nConnection: Upgrade\r\n\r\n", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n", "502"},
		{"refused", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", askUpgrade, "403"},
		{"ignored", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", askUpgrade, "200"},
		{"by HTTP/1.0", "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", strings.Replace(askUpgrade, "/1.1", "/1.0", 1), "502"},
		{"to HTTP/2", "HTTP/1.1 101 S\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: H2C\r\nConnection: Upgrade, HTTP2-Settings, close\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", "502"},
		{"before it had the body", "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", askUpgrade + "Content-Length: 900\r\n", "502"},
		{"not in ASCII", "", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: w\xc3\xa9b\r\n", "400"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			heads := make(chan string, 8)
			s := unit("s")
			g := gateway(t, table(t, []Route{route("a.test", s, switchingRaw(t, c.answer, func(head string, br *bufio.Reader, _ *net.TCPConn) {
				for heads <- head; ; heads <- head { // whatever else comes
					var err error
					if head, err = readHead(br); err != nil {
						return
					}
				}
			}))}, s))
			got := raw(t, g.Addr(), c.ask+"\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n")
			if !strings.HasPrefix(got, "HTTP/1.1 "+c.want+" ") || strings.Count(got, "HTTP/1.1 ") != 1 || !strings.Contains(got, "\r\nConnection: close\r\n") {
				t.Errorf("the client got %q", got)
			}
			want := 1
			if c.answer == "" {
				want = 0
			}
			eventually(t, "nothing of it is left", func() bool {
				st := g.Snapshot()[0].Gateway
				return st.Sessions == 0 && st.Streams == 0 && st.InFlight == 0
			})
			eventually(t, "the backend has said what it got", func() bool { return len(heads) >= want })
			if len(heads) > want && !strings.Contains(c.ask, "Content-Length") { // whose body looks like one
				t.Errorf("the backend got %d requests, want %d", len(heads), want)
			}
			if want == 1 && (c.name == "by HTTP/1.0" || c.name == "to HTTP/2") {
				if head := <-heads; strings.Contains(head, "Upgrade") || strings.Contains(head, "HTTP2") {
					t.Errorf("the backend got %q", head)
				}
			}
		})
	}
}

// TestWhatIsSaidBeforeTheAnswer: a client that speaks on before it has an answer is heard from its first byte, in order: what came with the request, and
// what came while the backend was silent for long. A body comes first.
func TestWhatIsSaidBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "Content-Length: 4\r\n", "Transfer-Encoding: chunked\r\n"} {
		t.Run(fmt.Sprintf("%.7q", body), func(t *testing.T) {
			t.Parallel()
			heard, late := make(chan string, 1), make(chan struct{})
			s := unit("s")
			g := gateway(t, table(t, []Route{route("a.test", s, switchingRaw(t, "", func(_ string, br *bufio.Reader, c *net.TCPConn) {
				framed := map[string]string{"": "", "Content-Length: 4\r\n": "body", "Transfer-Encoding: chunked\r\n": "4\r\nbody\r\n0\r\n\r\n"}[body]
				if b := make([]byte, len(framed)); body != "" {
					if _, err := io.ReadFull(br, b); err != nil || string(b) != framed {
						t.Errorf("body %q, %v", b, err)
					}
				}
				<-late
				_, _ = io.WriteString(c, switchedAnswer)
				all, _ := io.ReadAll(br)
				heard <- string(all)
				_, _ = io.WriteString(c, "bye")
			}))}, s))
			nc := dialed(t, g.Addr())
			_, _ = io.WriteString(nc, askUpgrade+body+"\r\n")
			if body == "Content-Length: 4\r\n" {
				_, _ = io.WriteString(nc, "body")
			} else if body != "" {
				_, _ = io.WriteString(nc, "4\r\nbody\r\n0\r\n\r\n")
			}
			_, _ = io.WriteString(nc, "one ")
			time.Sleep(2 * slowAfter) // the watch of a slow backend takes what comes first
			_, _ = io.WriteString(nc, "two ")
			close(late)
			br := bufio.NewReader(nc)
			head, err := readHead(br)
			if err != nil || !strings.HasPrefix(head, "HTTP/1.1 101 ") {
				t.Fatalf("%q, %v", head, err)
			}
			_, _ = io.WriteString(nc, "three")
			halves(nc)
			if got := <-heard; got != "one two three" {
				t.Errorf("the backend heard %q", got)
			}
			if rest, err := io.ReadAll(br); err != nil || string(rest) != "bye" {
				t.Errorf("the client got %q, %v", rest, err)
			}
		})
	}
}

// TestTheEndsOfAPassage: the end of one side leaves the other its say; a reset of one side ends both; and nothing is left of either.
func TestTheEndsOfAPassage(t *testing.T) {
	t.Parallel()
	ca, err := OpenDevCA("")
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 1)
	s := unit("s")
	g := gateway(t, table(t, []Route{route("a.test", s, switchingRaw(t, switchedAnswer, func(_ string, br *bufio.Reader, c *net.TCPConn) {
		word, err := br.ReadString('.')
		switch {
		case err != nil: // the client's side ended without a word
		case word == "end.":
			_ = c.CloseWrite()
		case word == "reset.":
			_ = c.SetLinger(0)
			return
		}
		all, _ := io.ReadAll(br)
		heard <- string(all)
	}))}, s), func(c *Config) { c.TLSAddr, c.Certificate = "127.0.0.1:0", ca.Certificate })
	for name, dial := range map[string]func() net.Conn{
		"clear": func() net.Conn { return dialed(t, g.Addr()) },
		"TLS": func() net.Conn {
			return tls.Client(dialed(t, g.TLSAddr()), &tls.Config{ServerName: "a.test", RootCAs: ca.Pool()})
		},
	} {
		nc := dial()
		br := switchedTo(t, nc)
		_, _ = io.WriteString(nc, "end.")
		if rest, err := io.ReadAll(br); err != nil || len(rest) > 0 {
			t.Errorf("%s: after the backend's end the client got %q, %v", name, rest, err)
		}
		_, _ = io.WriteString(nc, "still here")
		halves(nc)
		if got := <-heard; got != "still here" {
			t.Errorf("%s: after its end the backend heard %q", name, got)
		}
		nc = dial()
		br = switchedTo(t, nc)
		_, _ = io.WriteString(nc, "reset.")
		_, _ = io.ReadAll(br) // an end of some kind
		eventually(t, name+": nothing is left", func() bool { st := g.Snapshot()[0].Gateway; return st.Sessions == 0 && st.Streams == 0 })
		nc = dial()
		_ = switchedTo(t, nc)
		_ = nc.Close()
		if got := <-heard; got != "" {
			t.Errorf("%s: from a client that is gone the backend heard %q", name, got)
		}
		eventually(t, name+": nothing is left", func() bool { st := g.Snapshot()[0].Gateway; return st.Sessions == 0 && st.Streams == 0 })
	}
}

// TestHandlersKnowNoUpgrade: a folder answers a request for another protocol as it would without.
func TestHandlersKnowNoUpgrade(t *testing.T) {
	t.Parallel()
	s := unit("s")
	g := gateway(t, table(t, []Route{route("a.test", s, Backend{})}, s))
	got := raw(t, g.Addr(), askUpgrade+"\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	if !strings.HasPrefix(got, fmt.Sprintf("HTTP/1.1 %d ", http.StatusServiceUnavailable)) || strings.Count(got, "HTTP/1.1 ") != 1 {
		t.Errorf("got %q", got)
	}
}
