package edge

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices"
)

// unreadTries is how often a refusal may end in a reset because the machine did not get to reading within lingerFor.
const unreadTries = 5

// TestAnUnreadRequestIsRefusedNotReset: a request of a known connection that has waited unread for a place as long as it may is answered 503 with
// Retry-After, to HEAD without a text, and the end of the connection is an end, not a reset, also when there is more to read than is looked at.
func TestAnUnreadRequestIsRefusedNotReset(t *testing.T) {
	t.Parallel()
	for _, way := range []unreadWay{{}, {secure: true}, {secure: true, fresh: true}} {
		for _, send := range []struct{ method, more string }{{"GET", ""}, {"HEAD", ""}, {"POST", strings.Repeat("x", 64<<10)}} {
			t.Run(fmt.Sprintf("%s, %+v", send.method, way), func(t *testing.T) {
				t.Parallel()
				var err error
				for range unreadTries {
					if err = refusedUnread(t, way, send.method, send.more); err == nil {
						return
					}
				}
				t.Error(err)
			})
		}
	}
}

// unreadWay is the connection that a request waits on.
type unreadWay struct {
	secure bool
	fresh  bool // its first request; in clear text one must be read to know whose it is
}

// refusedUnread has one request wait until its time is over, and gives what is wrong with its answer.
func refusedUnread(t *testing.T, way unreadWay, method, more string) error {
	a := unit("a", func(s *slices.Slice) { s.Class, s.MaxInFlight = slices.ClassRealtime, 1 })
	ca, err := OpenDevCA("")
	if err != nil {
		t.Fatal(err)
	}
	const patience = time.Minute
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, text("a")))}, a), func(c *Config) {
		c.TLSAddr, c.Certificate, c.HeaderTimeout, c.IdleTimeout = "127.0.0.1:0", ca.Certificate, patience, 100*patience
	})
	gate := g.states[a.ID].gate
	c, err := net.Dial("tcp", g.Addr())
	if way.secure {
		if c, err = net.Dial("tcp", g.TLSAddr()); err == nil {
			c = tls.Client(c, &tls.Config{RootCAs: ca.Pool(), ServerName: "a.test"})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }() // the gateway has closed it
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	br := bufio.NewReader(c)
	ask := func(method, more string) {
		if _, err := fmt.Fprintf(c, "%s / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", method, len(more), more); err != nil {
			t.Fatal(err)
		}
	}
	if !way.fresh {
		ask("GET", "")
		drain(t, br)
		eventually(t, "an idle connection has no place", func() bool { return gate.Stats().InFlight == 0 })
	}
	for gate.TryEnter() {
	}
	ask(method, more)
	eventually(t, "the request waits for its place", func() bool { return gate.Stats().Readers == 1 })
	expire(t, g, way, patience)
	eventually(t, "the gateway has ended the connection", func() bool { return len(open(g)) == 0 })
	resp, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("half an answer: %w", err)
	}
	if rest, err := io.ReadAll(br); err != nil || len(rest) > 0 {
		return fmt.Errorf("after the answer came %q, %w", rest, err)
	}
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || !resp.Close {
		return fmt.Errorf("answered %s, %v", resp.Status, resp.Header)
	}
	if want := method != http.MethodHead; strings.Contains(string(body), "queue too old") != want {
		return fmt.Errorf("the text is %q", body)
	}
	if s := g.Snapshot()[0].Gateway; s.Refused != 1 || s.Dropped != 1 || gate.Stats().Readers != 0 {
		return fmt.Errorf("%d refused, %d dropped, %d wait", s.Refused, s.Dropped, gate.Stats().Readers)
	}
	return nil
}

// expire ends the time of the request that waits, which must be no longer than patience.
func expire(t *testing.T, g *Gateway, way unreadWay, patience time.Duration) {
	t.Helper()
	for c := range open(g) {
		c.readDeadline.mu.Lock()
		until := c.readDeadline.at
		c.readDeadline.mu.Unlock()
		if way.fresh { // it may have come with the end of the handshake: then it was read, and waits as the first of a connection in clear text
			until = time.Now()
		}
		if until.IsZero() || time.Until(until) > patience {
			t.Errorf("it may wait for %v, want %v at most", time.Until(until), patience)
		}
		_ = c.SetReadDeadline(time.Unix(1, 0)) // its time is over
	}
}

// drain reads one answer to its end.
func drain(t *testing.T, br *bufio.Reader) {
	t.Helper()
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
}

// open lists the connections of a gateway.
func open(g *Gateway) map[*conn]bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := map[*conn]bool{}
	for c := range g.conns {
		all[c] = true
	}
	return all
}

// TestNothingAskedNothingAnswered: a connection whose client has ended its side without another request, while the slice was full, gets no answer to none.
func TestNothingAskedNothingAnswered(t *testing.T) {
	t.Parallel()
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, text("a")))}, a))
	c, err := net.Dial("tcp", g.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }() // the test is over
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(c)
	drain(t, br)
	gate := g.states[a.ID].gate
	eventually(t, "an idle connection has no place", func() bool { return gate.Stats().InFlight == 0 })
	for gate.TryEnter() {
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end waits for its place", func() bool { return gate.Stats().Readers == 1 })
	for c := range open(g) {
		_ = c.SetReadDeadline(time.Unix(1, 0)) // its time is over
	}
	if rest, err := io.ReadAll(br); len(rest) > 0 || err != nil && !errors.Is(err, io.EOF) {
		t.Errorf("got %q, %v", rest, err)
	}
	if refused := g.Snapshot()[0].Gateway.Refused; refused != 0 {
		t.Errorf("%d were refused", refused)
	}
}
