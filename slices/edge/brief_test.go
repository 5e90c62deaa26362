package edge

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/BobbyBlanco400/nexus-cos/slices"
	"github.com/BobbyBlanco400/nexus-cos/slices/shape"
)

// TestARefusalOverHTTP2IsAHeadAlone: with when to try again and why, and nothing behind it.
func TestARefusalOverHTTP2IsAHeadAlone(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	to := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			_ = http.NewResponseController(w).Flush() // the client waits for it
			<-over
		}
	})
	t.Cleanup(func() { close(over) })
	s := unit("s", func(s *slices.Slice) { s.MaxInFlight = 1 })
	g := gateway(t, table(t, []Route{route("a.test", s, to)}, s))
	c := client(t, g.Addr(), h2c)
	get(t, c, "http://a.test/").want(t, 200, "")
	resp, err := c.Get("http://a.test/hold")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	g.states[s.ID].gate.SetLimits(shape.GateLimits{InFlightMax: 1, QueueMax: 0, MaxWait: 7 * time.Second})
	var no *http.Response
	eventually(t, "a request is refused", func() bool { // one may find the place that was taken to read it
		if no, err = c.Get("http://a.test/"); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(no.Body)
		_ = no.Body.Close()
		if err != nil || len(b) > 0 {
			t.Errorf("body %q, %v", b, err)
		}
		return no.StatusCode == http.StatusServiceUnavailable
	})
	if no.Header.Get("Retry-After") != "7" || no.Header.Get(RefusedHeader) != "this host has more requests than its share: queue full; try again in 7 s" {
		t.Errorf("fields %v", no.Header)
	}
	if no.ContentLength != 0 {
		t.Errorf("length %d", no.ContentLength)
	}
}

// TestWhatIsSaidOfAFullGate: the words are made once, and anew when the gate says another thing.
func TestWhatIsSaidOfAFullGate(t *testing.T) {
	t.Parallel()
	s := &sliceState{}
	full := s.slowDown(&shape.Refusal{Reason: shape.ReasonQueueFull, RetryAfter: 2 * time.Second})
	if again := s.slowDown(&shape.Refusal{Reason: shape.ReasonQueueFull, RetryAfter: 2 * time.Second}); again != full {
		t.Error("made twice")
	}
	old := s.slowDown(&shape.Refusal{Reason: shape.ReasonQueueAge, RetryAfter: time.Millisecond})
	if full.retry != 2 || !strings.Contains(full.text, "queue full; try again in 2 s") ||
		old.retry != 1 || !strings.Contains(old.text, "queue too old; try again in 1 s") {
		t.Errorf("%+v, %+v", full, old)
	}
}

// TestRefusalsOverHTTP1LeaveTheConnection: each is whole, with its route, and the next request is read; a HEAD gets no text, and who asked for the end gets it.
func TestRefusalsOverHTTP1LeaveTheConnection(t *testing.T) {
	t.Parallel()
	s := unit("s")
	g := gateway(t, table(t, []Route{route("a.test", s, Backend{Address: "127.0.0.1:1"})}, s))
	for range ejectAfter {
		raw(t, g.Addr(), "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
	}
	const text = "the service behind a.test does not answer; it is asked again twice a second\n"
	got := raw(t, g.Addr(), "HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n"+
		"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
	answers := strings.SplitAfter(got, "\r\n\r\n")
	if len(answers) != 4 || !strings.HasPrefix(answers[1], "HTTP/1.1 503 ") || !strings.HasPrefix(answers[2], text+"HTTP/1.1 503 ") || answers[3] != text {
		t.Fatalf("got %q", got)
	}
	for i, a := range answers[:3] {
		for _, want := range []string{"\r\nRetry-After: 1\r\n", "\r\nNexus-Route: 42\r\n", "\r\nContent-Length: 76\r\n", "\r\nDate: ",
			"\r\nX-Content-Type-Options: nosniff\r\n", "\r\nContent-Type: text/plain; charset=utf-8\r\n", "\r\nCache-Control: no-store\r\n"} {
			if strings.Count(a, want) != 1 {
				t.Errorf("answer %d is %q, want once %q", i, a, want)
			}
		}
		if strings.Contains(a, "Connection: close") != (i == 2) {
			t.Errorf("answer %d is %q", i, a)
		}
	}
}
