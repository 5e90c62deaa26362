package edge

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// At most one handshake of a slice is computed at a time, another slice's beside it; and whatever ends a handshake, its turn is given back.
func TestOneHandshakeIsComputedAtATime(t *testing.T) {
	t.Parallel()
	ca, err := OpenDevCA("")
	if err != nil {
		t.Fatal(err)
	}
	a, b := unit("a"), unit("b")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, text("a"))), route("b.test", b, backend(t, text("b")))}, a, b), func(c *Config) {
		c.Addr, c.TLSAddr, c.Certificate, c.HeaderTimeout = "", "127.0.0.1:0", ca.Certificate, 20*time.Second
	})
	g.mu.Lock()
	slow, other := g.states[a.ID], g.states[b.ID]
	g.mu.Unlock()
	dial := func(host string) error {
		c, err := tls.Dial("tcp", g.TLSAddr(), &tls.Config{RootCAs: ca.Pool(), ServerName: host})
		if err == nil {
			err = c.Close()
		}
		return err
	}
	slow.signing <- struct{}{} // somebody computes for a
	var done atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := dial("a.test"); err != nil {
				t.Error(err)
			}
			done.Add(1)
		})
	}
	if err := dial("b.test"); err != nil {
		t.Errorf("another slice's handshake: %v", err)
	}
	if n := done.Load(); n != 0 {
		t.Errorf("%d handshakes were computed beside one of the same slice", n)
	}
	<-slow.signing
	wg.Wait()
	// A client that goes away after its hello, and one that does not like the certificate.
	c, err := net.Dial("tcp", g.TLSAddr())
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = tls.Client(c, &tls.Config{ServerName: "a.test", InsecureSkipVerify: true}).Handshake() }()
	time.Sleep(time.Millisecond)
	_ = c.Close()
	if dial("a.test") != nil {
		t.Error("a client of good will is refused")
	}
	if _, err := tls.Dial("tcp", g.TLSAddr(), &tls.Config{ServerName: "a.test"}); err == nil {
		t.Error("an unknown authority was believed")
	}
	eventually(t, "every turn is given back", func() bool { return len(slow.signing) == 0 && len(other.signing) == 0 })
}

// Who waits for a turn too long is cut, and holds nothing.
func TestHandshakeWaitsNoLongerThanItsTime(t *testing.T) {
	t.Parallel()
	ca, err := OpenDevCA("")
	if err != nil {
		t.Fatal(err)
	}
	a := unit("a")
	g := gateway(t, table(t, []Route{route("a.test", a, backend(t, text("a")))}, a), func(c *Config) {
		c.Addr, c.TLSAddr, c.Certificate, c.HeaderTimeout = "", "127.0.0.1:0", ca.Certificate, 200*time.Millisecond
	})
	g.mu.Lock()
	s := g.states[a.ID]
	g.mu.Unlock()
	s.signing <- struct{}{}
	if _, err := tls.Dial("tcp", g.TLSAddr(), &tls.Config{RootCAs: ca.Pool(), ServerName: "a.test"}); err == nil {
		t.Error("a handshake was computed out of its turn")
	}
	<-s.signing
	if _, err := tls.Dial("tcp", g.TLSAddr(), &tls.Config{RootCAs: ca.Pool(), ServerName: "a.test"}); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	eventually(t, "the turn is given back after the rest", func() bool { return len(s.signing) == 0 })
}
